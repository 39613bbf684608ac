#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Our own PRIME tests (igt-tests/prime_*, built in build/igt-tests) on both kernels, compared as in
# igt.sh; expect/igt-own.txt lists what is known. "prime.sh expect" writes it anew.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
# shellcheck source=scripts/guest-lane.sh
. "$(dirname "$0")/guest-lane.sh"

EXPECT=$TOP/expect/igt-own.txt
if [ "${1:-}" = expect ]; then
	"$COMPARE" expect "$OUT/prime/base" "$EXPECT"
	exit
fi
need gcc libc6-dev libdrm-dev make pkg-config
run "$BUILD/log/igt-tests.log" make -C "$TOP/igt-tests" "O=$BUILD/igt-tests" all
find "$BUILD/igt-tests" -maxdepth 1 -type f -executable -name 'prime_*' -printf '%f\n' | sort >"$BUILD/igt-tests.list"
[ -s "$BUILD/igt-tests.list" ] || die "no test binary in build/igt-tests" "$BUILD/log/igt-tests.log"
POINTS=500 igt_lane prime /mnt/build/igt-tests "$BUILD/igt-tests.list" "$EXPECT"
