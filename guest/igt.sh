#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# igt.sh DIRECTORY: runs the IGT tests that scripts/igt_results.py chose (/run/out/binaries,
# include, exclude) out of DIRECTORY, or wherever an absolute name says, with IGT's own runner,
# and leaves /run/out/results.json. IN_ORDER=1: in that order, not in the alphabet's.
set -u
root=$1
tests=/tmp/tests
results=/tmp/results

mkdir "$tests"
while read -r name; do
	case $name in
	/*) test=$name ;;
	*) test=$root/$name ;;
	esac
	if [ ! -x "$test" ]; then
		echo "igt: no test $test"
		exit 1
	fi
	ln -s "$test" "$tests/${name##*/}"
	# What does not run and is not missed would be as good as passed.
	"$test" --list-subtests 2>/dev/null | sed "s/^/igt@${name##*/}@/" >>/run/out/subtests
done </run/out/binaries
in_order() {
	if [ -n "${IN_ORDER:-}" ]; then sed 's|.*/||' /run/out/binaries; else ls "$tests"; fi
}
printf 'TESTLIST\n%s\nEND TESTLIST\n' "$(in_order)" >"$tests/test-list.txt"

set --
while read -r regex; do set -- "$@" -t "$regex"; done </run/out/include
while read -r regex; do set -- "$@" -x "$regex"; done </run/out/exclude

# Subtests of a binary share one process; the runner ends one that takes over a minute, or PER_TEST seconds.
igt_runner -m -l quiet --per-test-timeout "${PER_TEST:-60}" --disk-usage-limit 20M "$@" "$tests" "$results" ||
	echo "igt: igt_runner ended with status $?"
igt_results "$results" >/dev/null && cp "$results/results.json" /run/out/results.json
