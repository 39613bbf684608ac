#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make kunit: every KUnit suite built into the UML kernel, compared with the unpatched kernel's.
# BASE=1: that one's alone. CONFIG=debug: with its checkers; a report that
# expect/kunit-debug.txt does not list fails, and so does a listed one that stays away.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

LIMIT=600

# One existing suite trips over a wrong unlock, and lockdep is off from there on. Suites of these
# names, which the series is about, are therefore run once more, each in a boot of its own.
ALONE='^(drm_gem|drm_exec|drm_prime|dma|vkms|panfrost|lima|v3d|pvr|ivpu)'

# boot DIR LOG ARGUMENT...: the kernel runs its suites before there is a root; kunit_shutdown ends
# it there. The debug kernel goes on to scripts/kunit-init.sh, on this machine's root, read-only.
boot() {
	local dir=$1 log=$2 rc=0 uml
	shift 2
	# make harness has more layouts at random.
	local args=(mem=1G console=tty con=null 'con0=null,fd:1' ssl=null harness.seeds=10)
	uml=$(mktemp -d)
	if [ "${CONFIG:-}" = debug ]; then
		args+=(root=/dev/root rootfstype=hostfs rootflags=/ ro "init=$TOP/scripts/kunit-init.sh" panic=-1)
	else
		args+=(kunit_shutdown=halt)
	fi
	rm -f "$log.kernel"
	timeout -k 5 "$LIMIT" "$dir/linux" "${args[@]}" "$@" "uml_dir=$uml" >"$log" 2>&1 </dev/null || rc=$?
	booted "$dir/linux" "$log"
	rm -rf "$uml"
	if [ $rc = 124 ] || [ $rc = 137 ]; then note "the kernel did not end within $LIMIT s"; fi
}

# suites DIR: boot it, let the kernel's own parser read what it says.
suites() {
	"$TOP/scripts/kernel.sh"
	stage "kunit: ${1#"$TOP"/}/linux"
	rm -f "$1/kunit.json"
	boot "$1" "$1/kunit.log" KUNIT_LEAKS=1
	python3 "$LINUX/tools/testing/kunit/kunit.py" parse --json="$1/kunit.json" "$1/kunit.log" >"$1/kunit.txt" 2>&1 || true
	[ -s "$1/kunit.json" ] || die "no KUnit results: $(why "$1/kunit.log")" "$1/kunit.log"
}

# alone DIR: the suites to run with lockdep on, one boot each; adds their logs to args.
alone() {
	local suite
	rm -f "$1"/kunit-alone-*.log
	while read -r suite; do
		stage "kunit: $suite alone"
		boot "$1" "$1/kunit-alone-$suite.log" "kunit.filter_glob=$suite"
		args+=(--log "$1/kunit-alone-$suite.log")
	done < <(sed -nE 's/^ok [0-9]+ (\S+).*/\1/p' "$1/kunit.log" | tr -d '\r' | grep -E "$ALONE")
	stage "kunit: ${FAILING_SUITES//,/, } with failing allocations"
	boot "$1" "$1/kunit-alone-failslab.log" 'kunit.filter_glob=d*' kunit.autorun=0 KUNIT_LEAKS=1 "KUNIT_FAILSLAB=$FAILING_SUITES"
	args+=(--log "$1/kunit-alone-failslab.log")
	while read -r suite; do
		result FAIL "alone: $suite" "not ok with lockdep on, in a boot of its own or with failing allocations; logs: $1/kunit-alone-*.log"
	done < <(sed -nE 's/^not ok [0-9]+ (\S+).*/\1/p' "$1"/kunit-alone-*.log | tr -d '\r' | sort -u)
}

# base_suites DIR: the unpatched kernel's results; kept until that kernel changes.
base_suites() {
	BASE=1 "$TOP/scripts/kernel.sh"
	# One that was stopped has not said which cases it has.
	if [ ! -s "$1/kunit.json" ] || [ "$1/linux" -nt "$1/kunit.json" ] || ! grep -aq 'System halted' "$1/kunit.log"; then
		BASE=1 suites "$1"
	fi
}

need python3
lane "kunit${CONFIG:+-$CONFIG}${BASE:+-base}"
[ -z "${BASE:-}" ] || "$TOP/scripts/source.sh"
BASE='' "$TOP/scripts/source.sh"
dir=$(um_dir)
args=()
if [ -z "${BASE:-}" ]; then
	# The plain unpatched kernel serves for CONFIG=debug too: which cases there are does not differ.
	base_dir=$(BASE=1 CONFIG='' um_dir)
	CONFIG='' base_suites "$base_dir"
	args=(--base "$base_dir/kunit.json" --gone "$TOP/expect/kunit-gone.txt")
fi
suites "$dir"
if [ "${CONFIG:-}" = debug ]; then
	args+=(--log "$dir/kunit.log")
	alone "$dir"
	# The list is for the converted kernel; the unpatched one's reports are only shown.
	[ -n "${BASE:-}" ] || args+=(--reports "$TOP/expect/kunit-debug.txt" --chance "$TOP/expect/kunit-debug-chance.txt")
fi
failed=0
if [ -z "${BASE:-}${CONFIG:-}" ]; then
	matrix_result matrix um/kunit "$dir/kunit.log"
	"$TOP/scripts/qemu_results.py" reports "$RESULTS" "$LANE" log "$base_dir/kunit.log" "$dir/kunit.log" \
		"$TOP/expect/kunit-reports.txt" || failed=1
fi
"$TOP/scripts/kunit_results.py" --lane "$LANE" --results "$RESULTS" "${args[@]}" "$dir/kunit.json" || {
	note "log: $dir/kunit.log"
	failed=1
}
LANE_FAILED=$((LANE_FAILED + failed))
lane_end
