#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make check-all: everything in drivers/gpu/drm and drivers/accel that Kconfig grants, for each
# architecture, W=1 against the unpatched tree. An hour or more; not part of make test.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

"$TOP/scripts/source.sh"
BASE=1 "$TOP/scripts/source.sh"
lane check-all
failed=0
for arch in x86_64 arm64 arm; do "$TOP/scripts/compile-check.sh" "$arch" all || failed=1; done
exit $failed
