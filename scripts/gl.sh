#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Mesa's panfrost driver on the model of a Mali, as T860, G52 and G57, on both kernels: whatever it
# clears is read back by the CPU and compared (guest/gl.c says what there is). Each check has to
# pass on each. out/gl/KERNEL-GPU/kmsro.raw is a frame that vkms scanned out.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
# shellcheck source=scripts/guest-lane.sh
. "$(dirname "$0")/guest-lane.sh"

# gl_program: guest/gl.c. The guest's libraries are newer than this machine's, or as new.
gl_program() {
	need libegl-dev libgles-dev libgbm-dev
	guest_program gl -lEGL -lGLESv2 -lgbm
}

# draw NAME KERNEL: boots it as each of the parts, one after the other.
draw() {
	local gpu dir
	for gpu in T860 G52 G57; do
		dir=$OUT/gl/$1-${gpu,,}
		rm -rf "$dir"
		"$TOP/scripts/boot.sh" -r -k "$2" -o "$dir" -t 300 -a "dtb=$BUILD/mali/${gpu,,}.dtb" \
			guest/gl.sh "Mali-$gpu" || note "$1, $gpu: the boot ended with status $?"
	done
}

# judge NAME GPU: the checks of one boot; those that passed are counted, not printed.
judge() {
	local dir=$OUT/gl/$1-${2,,} what="$1: $2"
	judge_checks "$what" "$dir" >>"$dir/results.log"
	grep '^FAIL' "$dir/results.log" || true
	[ -s "$dir/checks" ] || return 0
	note "$what: $(grep -c '^PASS' "$dir/results.log") checks passed, $(awk '/^fragment/ { f = $2 } /^pixels/ { p = $2 } END { print f " fragment jobs, " p " pixels" }' "$dir/counters")"
}

lane gl
converted_kernel
unpatched_kernel
"$TOP/scripts/guest.sh"
"$TOP/scripts/panmesa.sh"
"$TOP/scripts/mali.sh"
demo_program
gl_program
stage "gl: Mesa's panfrost on T860, G52 and G57, on both kernels"
draw unpatched "$UNPATCHED" &
draw converted "$CONVERTED"
wait
for kernel in unpatched converted; do
	for gpu in T860 G52 G57; do judge $kernel $gpu; done
done
stage "gl: done"
lane_end
