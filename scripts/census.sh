#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make census: who still carries pages and tables, in the unpatched tree and after the series.
# ALL=1 also lists what did not change. expect/census-left.txt says why lines are left in DRM.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

need python3 git
"$TOP/scripts/source.sh"
BASE=1 "$TOP/scripts/source.sh"
"$TOP/porting/census.py" ${ALL:+--all} --reasons "$TOP/expect/census-left.txt" "$BASE_LINUX" "$LINUX" | tee "$OUT/census.txt"
