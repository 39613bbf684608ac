#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# panfrost.sh [PART]...: the real panfrost driver on the Mali model, converted and unpatched:
# stock IGT's panfrost tests and ours (guest/mali-tests.txt), compared as in igt.sh. PART is a GPU
# (t860, g52, g57), t860-noncoherent, or fatal: what takes the unpatched kernel down and so has a
# boot of its own. Without: all of them, side by side. expect/panfrost-PART.txt lists what is
# known; "panfrost.sh expect PART" writes that anew. CONFIG=debug: the same on the debug kernels,
# with two processors; there, ALL=1 has g52 and t860-noncoherent run all of their tests, too.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
# shellcheck source=scripts/guest-lane.sh
. "$(dirname "$0")/guest-lane.sh"

NAME=panfrost${CONFIG:+-$CONFIG}
PARTS=(t860 g52 g57 t860-noncoherent fatal)
[ -z "${CONFIG:-}" ] || PARTS=(t860 g52 t860-noncoherent fatal)
FATAL=(panfrost_backing_heap_cpu@{sync,mmap}-then-fault panfrost_backing_bad_input@context-priority
	panfrost_backing_failing@{buffer,heap,purged,functions} panfrost_backing_unbind@{file,jobs,buffers,last-user})

# named: sets PARTS, and FATAL, to where T=BINARY[@SUBTEST] is: t860, but for those that are fatal.
# shellcheck disable=SC2254 # it is a pattern
named() {
	local name=${T#igt@} test found=()
	PARTS=(t860)
	for test in "${FATAL[@]}"; do
		case $test in $name | $name@*) found+=("$test") ;; esac
	done
	[ ${#found[@]} -gt 0 ] || return 0
	FATAL=("${found[@]}")
	PARTS=(fatal)
	while read -r test _; do
		case ${test##*/} in $name) PARTS=(t860 fatal) ;; esac
	done < <(list_of t860)
}

# list_of PART: the tests that say something there that they have not said elsewhere. Two stock
# ones give a job 100 ms, which it does not get on a debug kernel; ours ask the same without.
list_of() {
	local wanted=. unwanted='' slow=${CONFIG:+slow-}
	[ -z "${ALL:-}" ] || slow=''
	[ -z "${CONFIG:-}" ] || unwanted='s/^panfrost.panfrost_submit$/& !pan-reset|pan-unhandled-pagefault/'
	case $slow$1 in
	slow-g52 | slow-g57) wanted='/panfrost_(submit|backing_heap)( |$)' ;;
	slow-*-noncoherent) wanted='panfrost_backing_sync( |$)' ;;
	g57) wanted='/panfrost_(get_param|gem_new|submit|prime|backing_jobs|backing_heap)( |$)' ;;
	*-noncoherent) wanted='panfrost_backing_(sync|purge|share|heap)( |$)' ;;
	esac
	grep -v '^#' "$TOP/guest/mali-tests.txt" | grep -E "$wanted" | sed "$unwanted"
}

# expect_of PART: what is known of these tests; what is said of CONFIG goes first.
expect_of() {
	local binaries
	binaries=$(list_of "$1" | awk '{ n = split($1, path, "/"); printf "%s%s", sep, path[n]; sep = "|" }')
	cat ${CONFIG:+"$TOP/expect/panfrost-$CONFIG.txt"} "$TOP/expect/panfrost-$1.txt" |
		awk -v "ours=^igt@($binaries)@" -v "not=${CONFIG:+@pan-unhandled-pagefault$}" \
			'$1 ~ ours && (not == "" || $1 !~ not)'
}

# User Mode Linux has SMP with seccomp alone.
boot_args() {
	printf 'dtb=%s/mali/%s.dtb' "$BUILD" "$1"
	[ "${CONFIG:-}" != debug ] || printf ' seccomp=on ncpus=2'
}

tests() {
	need gcc libc6-dev libdrm-dev make pkg-config
	run "$BUILD/log/igt-tests.log" make -C "$TOP/igt-tests" "O=$BUILD/igt-tests" all
}

# gpu PART
gpu() {
	mkdir -p "$OUT/$NAME"
	list_of "$1" >"$OUT/$NAME/$1.list"
	expect_of "$1" >"$OUT/$NAME/$1.expect"
	igt_lane "$NAME/$1" /usr/libexec/igt-gpu-tools "$OUT/$NAME/$1.list" "$OUT/$NAME/$1.expect" \
		-a "$(boot_args "$1")" -e IGT_FORCE_DRIVER=panfrost -e IN_ORDER=1
}

part() {
	case $1 in
	fatal) fatal_lane "$NAME/fatal" "$TOP/expect/panfrost-fatal.txt" "$(boot_args t860)" "${FATAL[@]}" ;;
	*) gpu "$1" ;;
	esac
}

# all PART...: each as a process of its own, beside the others if there are processors for them.
all() {
	local part pids=() failed=0
	for part in "$@"; do
		PANFROST_PART=$part "$0" &
		pids+=($!)
		[ "$(nproc)" -ge 4 ] || wait "$!" || true
	done
	for part in "${pids[@]}"; do wait "$part" || failed=1; done
	return $failed
}

[ -z "${T:-}" ] || named
lane "$NAME"
if [ -n "${PANFROST_PART:-}" ]; then
	part "$PANFROST_PART"
	exit
fi
if [ "${1:-}" = expect ]; then
	"$COMPARE" expect "$OUT/$NAME/$2/base" "$TOP/expect/panfrost-$2.txt"
	exit
fi
[ $# -gt 0 ] || set -- "${PARTS[@]}"
converted_kernel
unpatched_kernel
"$TOP/scripts/guest.sh"
export CONVERTED UNPATCHED GUEST_READY=1
"$TOP/scripts/mali.sh"
tests
stage "$NAME: $*"
failed=0
all "$@" || failed=1
# These two have the tests that make allocations fail.
case " $* " in *" t860 "*" fatal "*) judge_points 600 "$OUT/$NAME"/{t860,g52,fatal}/converted ;; esac
lane_summary
LANE_FAILED=$((LANE_FAILED + failed))
lane_end
