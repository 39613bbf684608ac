#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# igt.sh DIRECTORY: runs the IGT tests that scripts/igt_results.py chose (/run/out/binaries,
# include, exclude) out of DIRECTORY with IGT's own runner, and leaves /run/out/results.json.
set -u
root=$1
tests=/tmp/tests
results=/tmp/results

mkdir "$tests"
while read -r name; do
	if [ ! -x "$root/$name" ]; then
		echo "igt: no test $name in $root"
		exit 1
	fi
	ln -s "$root/$name" "$tests/${name##*/}"
done </run/out/binaries
printf 'TESTLIST\n%s\nEND TESTLIST\n' "$(ls "$tests")" >"$tests/test-list.txt"

set --
while read -r regex; do set -- "$@" -t "$regex"; done </run/out/include
while read -r regex; do set -- "$@" -x "$regex"; done </run/out/exclude

# Subtests of a binary share one process; the runner ends one that takes over a minute.
igt_runner -m -l quiet --per-test-timeout 60 --disk-usage-limit 20M "$@" "$tests" "$results" ||
	echo "igt: igt_runner ended with status $?"
igt_results "$results" >/dev/null && cp "$results/results.json" /run/out/results.json
