#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make harness: what drivers without hardware here tell it about memory, on the unpatched and on the
# converted kernel: each driver's own code, compiled for User Mode Linux by the KUnit suites harness_*
# (drivers/gpu/drm/tests/harness), maps the same layouts of memory, and what the hardware would find
# is compared. T=lima: that driver alone, * stands for anything. CONFIG=debug: the converted kernel with
# KASAN, lockdep and DMA API debugging. CONVERTED=/path/to/linux: that kernel instead.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

LIMIT=900

# suites KERNEL LOG
suites() {
	local rc=0 uml
	stage "harness: ${1#"$TOP"/}"
	mkdir -p "${2%/*}"
	uml=$(mktemp -d)
	timeout -k 5 "$LIMIT" "$1" mem=1G console=tty con=null con0=null,fd:1 ssl=null kunit_shutdown=halt \
		"kunit.filter_glob=harness_${T:-*}" "uml_dir=$uml" >"$2" 2>&1 </dev/null || rc=$?
	rm -rf "$uml"
	if [ $rc = 124 ] || [ $rc = 137 ]; then die "the kernel did not end within $LIMIT s" "$2"; fi
	if ! grep -q '# Subtest: harness_' "$2" || ! grep -q 'System halted' "$2"; then die "no KUnit results: $(why "$2")" "$2"; fi
	booted "$1" "$2"
}

need python3
lane "harness${CONFIG:+-$CONFIG}"
name=$(printf '%s' "${T:-all}" | tr -c 'a-z0-9_' -)
base=$(BASE=1 CONFIG='' um_dir)
BASE='' "$TOP/scripts/source.sh"
BASE=1 CONFIG='' "$TOP/scripts/kernel.sh"
if [ -z "${CONVERTED:-}" ]; then
	BASE='' "$TOP/scripts/kernel.sh"
	CONVERTED=$(BASE='' um_dir)/linux
fi
# The unpatched kernel is asked again when it changes.
log=$base/harness-$name.log
is_of "$log" "$base/linux" || suites "$base/linux" "$log"
converted=$OUT/$LANE/$name.log
suites "$CONVERTED" "$converted"
"$TOP/scripts/harness.py" --lane "$LANE" --results "$RESULTS" "$log" "$converted" || {
	note "logs: $log $converted"
	LANE_FAILED=1
}
lane_end
