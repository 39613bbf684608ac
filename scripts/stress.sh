#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make stress SECONDS=600: igt-tests/*_backing_stress for that long (60) on User Mode Linux with vgem, vkms,
# udmabuf, dma-heap and panfrost's model. SEED=2: other choices; BASE=1: on the unpatched kernel;
# CONFIG=debug: with KASAN, lockdep and two processors. make test has each for a quarter of a minute.
set -euo pipefail
# bash counts on from what it finds in the environment.
LIMIT=$SECONDS
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

[ "$LIMIT" -gt 1 ] || LIMIT=60
SEED=${SEED:-1}
TESTS=(prime_backing_stress@threads prime_backing_stress@handle-races panfrost_backing_stress@threads)
EACH=$((LIMIT / ${#TESTS[@]}))

# last_words LOG: the last line that is not empty, before the guest says how it ended.
last_words() { awk '{ sub(/\r$/, "") } /^guest: / { exit } NF { line = $0 } END { print line }' "$1"; }

# failed_assertion LOG: what the test said, or the last that was heard.
failed_assertion() {
	local said
	said=$(grep -a -A3 -m1 'Failed assertion' "$1" | tr -d '\r' | paste -sd' ' || true)
	printf '%s\n' "${said:-$(last_words "$1")}"
}

lane stress
"$TOP/scripts/kernel.sh"
"$TOP/scripts/guest.sh"
"$TOP/scripts/mali.sh"
need gcc libc6-dev libdrm-dev make pkg-config
run "$BUILD/log/igt-tests.log" make -C "$TOP/igt-tests" "O=$BUILD/igt-tests" all
more=dtb=$BUILD/mali/t860.dtb
[ "${CONFIG:-}" != debug ] || more+=' seccomp=on ncpus=2'
for test in "${TESTS[@]}"; do
	dir=$OUT/stress/$test
	rm -rf "$dir"
	stage "stress: $test, $EACH s, seed $SEED"
	status=0
	"$TOP/scripts/boot.sh" -r -k "$(um_dir)/linux" -o "$dir" -t $((EACH + 120)) -a "$more" \
		-e "PRIME_BACKING_SECONDS=$EACH" -e "PRIME_BACKING_SEED=$SEED" guest/one.sh \
		"/mnt/build/igt-tests/${test%@*}" --run-subtest "${test#*@}" || status=$?
	log=$dir/console.log
	# Nobody who did nothing finds anything wrong.
	said=$(sed -n 's/\r$//; /^[1-9][0-9]* .*found again$/p' "$log")
	if [ -s "$dir/reports.txt" ]; then
		result FAIL "$test" "$(head -n1 "$dir/reports.txt"); log: $log"
	elif [ $status = 124 ]; then
		result FAIL "$test" "no end within $((EACH + 120)) s: $(last_words "$log"); log: $log"
	elif [ $status != 0 ]; then
		result FAIL "$test" "$(failed_assertion "$log"); ended with status $status; log: $log"
	elif [ -z "$said" ]; then
		result FAIL "$test" "nothing was written and found again; log: $log"
	else
		result PASS "$test" "$said"
	fi
done
lane_end
