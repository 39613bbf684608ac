#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make check-all: what make check has no time for. checkpatch reads every patch, and each compiles, for each
# architecture; so does what includes a header that the series changes; and so does everything in
# drivers/gpu/drm and drivers/accel that Kconfig grants, W=1 against the unpatched tree. Hours; to be run
# before the series is sent, not part of make test. What compiled is not compiled again: it can be interrupted.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

"$TOP/scripts/source.sh"
BASE=1 "$TOP/scripts/source.sh"
lane check-all
WHOLE=1 "$TOP/scripts/check.sh" checkpatch compile bisect bisect_arm64 bisect_arm bisect_x86_64 || LANE_FAILED=1
for arch in x86_64 arm64 arm; do
	started=$(date +%s)
	"$TOP/scripts/compile-check.sh" "$arch" all || LANE_FAILED=1
	stage "compile-check $arch: $(($(date +%s) - started)) s"
done
note "$(tally '')"
lane_end
