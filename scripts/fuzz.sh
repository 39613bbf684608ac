#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make fuzz: the list of kernel/dma/runs.c, compiled for user space with sanitizers, against a twin that
# holds each page by itself: all small lists, and random operations with allocations that fail; by libFuzzer
# as well where clang has it. In a copy, so that build/linux stays clean.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

DIR=$BUILD/fuzz
TESTS=tools/testing/dma-runs

lane fuzz
"$TOP/scripts/source.sh"
need gcc libc6-dev make
list_tests "$DIR"
stage "fuzz: $TESTS"
n=0
# A sanitizer may complain after the last line.
make -C "$DIR/$TESTS" run >"$DIR/log" 2>&1 </dev/null || result FAIL ends "$(why "$DIR/log") (log: build/fuzz/log)"
while read -r line; do
	n=$((n + 1))
	case $line in
	*", 0 failures"*) result PASS "run-$n" "$line" ;;
	*) result FAIL "run-$n" "$line (log: build/fuzz/log)" ;;
	esac
done < <(grep -aE '^dma-runs.*: [0-9]+ operations, ' "$DIR/log")
[ "$n" -ge 2 ] || result FAIL runs "$n of at least 2 came to their end: $(why "$DIR/log") (log: build/fuzz/log)"
lane_end
