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
	said=$(sed -n 's/\r$//; /found again$/p' "$dir/console.log")
	if [ -s "$dir/reports.txt" ]; then
		result FAIL "$test" "$(head -n1 "$dir/reports.txt"); log: $dir/console.log"
	elif [ $status != 0 ] || [ -z "$said" ]; then
		result FAIL "$test" "$(grep -a -A3 -m1 'Failed assertion' "$dir/console.log" | tr -d '\r' | paste -sd' '); log: $dir/console.log"
	else
		result PASS "$test" "$said"
	fi
done
lane_end
