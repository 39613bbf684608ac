#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Mesa smoke on both kernels: modetest and kmscube (llvmpipe) on vkms, a vgem buffer shown by
# vkms. Each check has to pass on each; kmscube's cube must not be one colour.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
# shellcheck source=scripts/guest-lane.sh
. "$(dirname "$0")/guest-lane.sh"

# smoke NAME KERNEL: boots, leaves out/mesa/NAME.
smoke() {
	rm -rf "$OUT/mesa/$1"
	"$TOP/scripts/boot.sh" -r -k "$2" -o "$OUT/mesa/$1" -t 200 guest/mesa.sh ||
		note "$1 kernel: the boot ended with status $?"
}

# judge NAME: the checks of one kernel.
judge() {
	local dir=$OUT/mesa/$1 colours
	judge_checks "$1" "$dir"
	[ -s "$dir/checks" ] || return 0
	colours=$("$TOP/scripts/picture.py" colours "$dir/kmscube-legacy" || echo 0)
	if [ "$colours" -ge 50 ]; then
		result PASS "$1: kmscube-picture"
	else
		result FAIL "$1: kmscube-picture" "$colours colours in $dir/kmscube-legacy.raw: no cube"
	fi
}

lane mesa
converted_kernel
unpatched_kernel
"$TOP/scripts/guest.sh"
demo_program
stage "mesa: kmscube and modetest on both kernels"
smoke unpatched "$UNPATCHED" &
smoke converted "$CONVERTED"
wait
judge unpatched
judge converted
stage "mesa: done"
lane_end
