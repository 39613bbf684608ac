#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make refresh: the commits of build/linux, written back to patches/ and the new files.
#
# For every commit a shadow commit is made (scripts/shadows.py) that lacks the series' new files and
# whose message names those it adds; git format-patch of the shadows is patches/. When neither the
# commits nor what is written here have changed since the last time, nothing is done.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

TMP=$BUILD/tmp.refresh

g() { git -C "$LINUX" "$@"; }

# refresh_key: of the commits, and of what was made of them.
refresh_key() {
	{
		g rev-parse base HEAD
		cat "$TOP/scripts/refresh.sh" "$TOP/scripts/shadows.py"
		series_content
	} | sha256sum
}

# check_tree: all that is in build/linux is in its commits.
check_tree() {
	[ -e "$LINUX/.git/series-key" ] || die "there is no build/linux; run make source"
	[ -z "$(g status --porcelain --untracked-files=no)" ] ||
		die "build/linux has uncommitted edits; commit them (git commit --fixup, rebase -i --autosquash base) or stash them"
	[ -z "$(g ls-files -o --exclude-standard)" ] ||
		die "build/linux has untracked files ($(g ls-files -o --exclude-standard | head -n 1)); add and commit or remove them"
}

# check_commits: what patches/ cannot say is refused.
check_commits() {
	g merge-base --is-ancestor base HEAD || die "build/linux is not on top of its base commit (tag base)"
	[ -z "$(g rev-list --merges base..HEAD)" ] || die "build/linux has a merge commit; make the series linear"
}

# check_new: and what the overlay cannot.
check_new() {
	local f
	while read -r _ f; do
		case " $OVERLAY_DIRS " in
		*" ${f%%/*} "*) ;;
		*) die "$f: a new file can only live below one of: $OVERLAY_DIRS" ;;
		esac
		g ls-tree HEAD -- "$f" | grep -qE '^100(644|755) ' || die "$f is no plain file"
	done <"$TMP/new"
}

# format TIP: patches/ as it shall be, in TMP/patches. The blob ids of "index" lines would
# change in every later patch of a file; they serve only three-way merges, so they go.
format() {
	mkdir -p "$TMP/patches"
	g -c core.abbrev=40 format-patch -q --always --zero-commit -N --no-signature --no-stat --no-cover-letter \
		--no-renames --no-base --no-thread --diff-algorithm=histogram --encode-email-headers \
		-o "$TMP/patches" "base..$1"
	find "$TMP/patches" -name '*.patch' -exec sed -i -E '/^index [0-9a-f]{40}\.\.[0-9a-f]{40}( [0-7]{6})?$/d' {} +
}

# write_patches: patches/ made equal to TMP/patches; files that stay the same are left alone.
write_patches() {
	local p written=0 removed=0
	mkdir -p "$PATCHES"
	while read -r p; do
		[ ! -e "$TMP/patches/$(basename "$p")" ] || continue
		rm "$p"
		removed=$((removed + 1))
	done < <(series_patches)
	for p in "$TMP"/patches/*.patch; do
		[ -e "$p" ] || continue
		cmp -s "$p" "$PATCHES/$(basename "$p")" && continue
		cp "$p" "$PATCHES/"
		written=$((written + 1))
	done
	rmdir --ignore-fail-on-non-empty "$PATCHES"
	PATCHES_DONE="$written written, $removed removed"
}

# write_overlay: the new files as they are in build/linux, and no others.
write_overlay() {
	local f written=0 removed=0
	while read -r f; do
		cut -d' ' -f2- "$TMP/new" | grep -qxF -- "$f" && continue
		rm "$TOP/$f"
		removed=$((removed + 1))
	done < <(overlay_files)
	while read -r _ f; do
		mkdir -p "$TOP/$(dirname "$f")"
		if ! cmp -s "$LINUX/$f" "$TOP/$f"; then
			cp "$LINUX/$f" "$TOP/$f"
			written=$((written + 1))
		fi
		if [ -x "$LINUX/$f" ]; then chmod a+x "$TOP/$f"; else chmod a-x "$TOP/$f"; fi
	done <"$TMP/new"
	OVERLAY_DONE="$written written, $removed removed"
}

need git python3
exec 9>"$BUILD/source.lock"
flock 9
check_tree
if [ "$(cat "$LINUX/.git/refresh-key" 2>/dev/null)" = "$(refresh_key)" ]; then
	stage "patches/: nothing changed"
	exit 0
fi
rm -rf "$TMP"
mkdir -p "$TMP"
check_commits
stage "patches/: from the $(g rev-list --count base..HEAD) commits of build/linux"
tip=$("$TOP/scripts/shadows.py" "$LINUX" "$TMP/new" 2>"$TMP/log") || die "$(why "$TMP/log")" "$TMP/log"
check_new
format "$tip"
write_patches
write_overlay
stage "patches/: $(series_patches | wc -l) patches ($PATCHES_DONE); $(wc -l <"$TMP/new") new files ($OVERLAY_DONE)"
rm -rf "$TMP"
exec 9>&-
RESEED=1 "$TOP/scripts/source.sh"
refresh_key >"$LINUX/.git/refresh-key"
