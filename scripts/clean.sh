#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make clean: build/ and out/ go; the cache stays. Work in build/linux that patches/ lacks is
# kept unless FORCE=1.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

if [ -z "${FORCE:-}" ] && [ -e "$LINUX/.git/series-key" ] && local_work; then
	die "build/linux has work that patches/ lacks: 'make refresh' keeps it, FORCE=1 drops it"
fi
rm -rf "$BUILD" "$OUT"
