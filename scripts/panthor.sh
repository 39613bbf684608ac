#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# panthor.sh [PART]...: the real panthor driver on the CSF model, converted and unpatched: stock
# IGT's panthor tests and ours (guest/csf-tests.txt), compared as in igt.sh. PART is g610,
# g610-noncoherent, or fatal: what takes the unpatched kernel down and so has a boot of its own; without:
# all. expect/panthor-PART.txt lists what is known; "panthor.sh expect PART"
# writes that anew. CONFIG=debug: the same on the debug kernels, with two processors.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
# shellcheck source=scripts/guest-lane.sh
. "$(dirname "$0")/guest-lane.sh"

NAME=panthor${CONFIG:+-$CONFIG}
IGT=(guest/panthor.sh /mnt/guest/igt.sh)
ONE=(guest/panthor.sh)
FATAL=(panthor_backing@unbind-import-in-part)

# User Mode Linux has SMP with seccomp alone.
boot_args() {
	printf 'dtb=%s/csf/%s.dtb' "$BUILD" "$1"
	[ "${CONFIG:-}" != debug ] || printf ' seccomp=on ncpus=2'
}

# part PART
part() {
	if [ "$1" = fatal ]; then
		fatal_lane "$NAME/fatal" "$TOP/expect/panthor-fatal.txt" "$(boot_args g610)" "${FATAL[@]}"
		return
	fi
	mkdir -p "$OUT/$NAME"
	grep -v '^#' "$TOP/guest/csf-tests.txt" | grep . >"$OUT/$NAME/$1.list"
	igt_lane "$NAME/$1" /usr/libexec/igt-gpu-tools "$OUT/$NAME/$1.list" "$TOP/expect/panthor-$1.txt" \
		-a "$(boot_args "$1")" -e IGT_FORCE_DRIVER=panthor -e IN_ORDER=1
}

lane "$NAME"
if [ "${1:-}" = expect ]; then
	"$COMPARE" expect "$OUT/$NAME/$2/base" "$TOP/expect/panthor-$2.txt"
	exit
fi
[ $# -gt 0 ] || set -- g610 g610-noncoherent fatal
converted_kernel
unpatched_kernel
"$TOP/scripts/guest.sh"
GUEST_READY=1
"$TOP/scripts/csf.sh"
need gcc libc6-dev libdrm-dev make pkg-config
run "$BUILD/log/igt-tests.log" make -C "$TOP/igt-tests" "O=$BUILD/igt-tests" all
failed=0
for part in "$@"; do part "$part" || failed=1; done
lane_summary
exit $failed
