#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Our own PRIME tests (igt-tests/prime_*, built in build/igt-tests) on both kernels, compared as in
# igt.sh; expect/igt-own.txt lists what is known. "prime.sh expect" writes it anew. CONFIG=debug: on the
# debug kernels, with two processors; what is different there is in expect/prime-debug.txt.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
# shellcheck source=scripts/guest-lane.sh
. "$(dirname "$0")/guest-lane.sh"

NAME=prime${CONFIG:+-$CONFIG}
EXPECT=$TOP/expect/igt-own.txt
if [ "${1:-}" = expect ]; then
	"$COMPARE" expect "$OUT/prime/base" "$EXPECT"
	exit
fi
OPTIONS=()
if [ "${CONFIG:-}" = debug ]; then
	# User Mode Linux has SMP with seccomp alone. The checkers cost most of the time.
	OPTIONS=(-a 'seccomp=on ncpus=2' -e PER_TEST=400)
	export LANE_SECONDS=3600
	mkdir -p "$OUT/$NAME"
	# The first line that fits a name counts.
	cat "$TOP/expect/prime-debug.txt" "$EXPECT" >"$OUT/$NAME/expect.txt"
	EXPECT=$OUT/$NAME/expect.txt
fi
need gcc libc6-dev libdrm-dev make pkg-config
run "$BUILD/log/igt-tests.log" make -C "$TOP/igt-tests" "O=$BUILD/igt-tests" all
find "$BUILD/igt-tests" -maxdepth 1 -type f -executable -name 'prime_*' -printf '%f\n' | sort >"$BUILD/igt-tests.list"
[ -s "$BUILD/igt-tests.list" ] || die "no test binary in build/igt-tests" "$BUILD/log/igt-tests.log"
UNCALLED=$TOP/expect/prime-uncalled.txt POINTS=1100 igt_lane "$NAME" /mnt/build/igt-tests "$BUILD/igt-tests.list" "$EXPECT" "${OPTIONS[@]}"
