#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make series: out/series, what git send-email would send. patches/COVER, if there, is the cover
# letter: its first line is the subject.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

"$TOP/scripts/source.sh"
rm -rf "$OUT/series"
mkdir -p "$OUT/series"
if [ "$(git -C "$LINUX" rev-parse base)" = "$(git -C "$LINUX" rev-parse HEAD)" ]; then
	note "the series is empty"
	exit 0
fi

cover=()
if [ -e "$PATCHES/COVER" ]; then cover=(--cover-from-description=none); fi
# The cover letter's From is the author of the series' last commit.
GIT_COMMITTER_NAME=$(git -C "$LINUX" log -1 --format=%an) GIT_COMMITTER_EMAIL=$(git -C "$LINUX" log -1 --format=%ae) \
	git -C "$LINUX" format-patch -q --cover-letter "${cover[@]}" -n --no-renames --stat=76 --no-signature \
	--thread=shallow -o "$OUT/series" base..HEAD

if [ -e "$PATCHES/COVER" ]; then
	python3 - "$OUT/series/0000-cover-letter.patch" "$PATCHES/COVER" <<'PY'
import sys
letter, cover = (open(name, encoding="utf-8").read() for name in sys.argv[1:])
subject, _, body = cover.partition("\n")
letter = letter.replace("*** SUBJECT HERE ***", subject.strip(), 1)
letter = letter.replace("*** BLURB HERE ***", body.strip(), 1)
open(sys.argv[1], "w", encoding="utf-8").write(letter)
PY
fi
stage "out/series: $(find "$OUT/series" -name '*.patch' | wc -l) mails"
