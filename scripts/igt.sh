#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Stock IGT (guest/igt-tests.txt) on both kernels; a difference is a failure, and so is
# whatever expect/igt-stock.txt does not say. "igt.sh expect" writes that file anew from the
# unpatched kernel's results, keeping the reasons of lines that stay.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
# shellcheck source=scripts/guest-lane.sh
. "$(dirname "$0")/guest-lane.sh"

EXPECT=$TOP/expect/igt-stock.txt
if [ "${1:-}" = expect ]; then
	"$COMPARE" expect "$OUT/igt/base" "$EXPECT"
	exit
fi
igt_lane igt /usr/libexec/igt-gpu-tools "$TOP/guest/igt-tests.txt" "$EXPECT" -e IGT_FORCE_DRIVER=vkms
