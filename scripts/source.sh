#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make source: build/linux = Debian's kernel source and one commit per patch (BASE=1: without them).
#
# The commits are made beside the work tree (scripts/commits.py), which then moves from the old tip
# to the new one, so that only files whose content changed are touched and rebuilt.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

BASE=${BASE:-}
FORCE=${FORCE:-}
RESEED=${RESEED:-}
KERNEL=${KERNEL:-}

deb() { printf '%s/downloads/%s_%s_all.deb\n' "$CACHE" "$KERNEL_PKG" "$KERNEL_VERSION"; }

deb_ok() { printf '%s  %s\n' "$KERNEL_SHA256" "$1" | sha256sum -c --status 2>/dev/null; }

# fetch: the pinned package in the cache, checked against its hash every time it is used.
fetch() {
	local file part
	file=$(deb)
	part=$CACHE/downloads/.part.$$
	if [ -e "$file" ]; then
		deb_ok "$file" && return 0
		note "the cached $(basename "$file") is damaged; fetching it again"
		rm -f "$file"
	fi
	stage "fetching $KERNEL_PKG $KERNEL_VERSION"
	private_apt "$KERNEL_SUITE"
	APT_CONFIG=$APT_CONF apt-cache show "$KERNEL_PKG=$KERNEL_VERSION" >/dev/null 2>&1 ||
		die "$KERNEL_PKG $KERNEL_VERSION is gone from $KERNEL_SUITE; use a tree that you have: make KERNEL=/path/to/linux ..."
	mkdir -p "$part"
	(cd "$part" && run "$BUILD/log/fetch.log" env APT_CONFIG="$APT_CONF" apt-get download "$KERNEL_PKG=$KERNEL_VERSION")
	mv "$part"/*.deb "$file"
	rmdir "$part"
	deb_ok "$file" || die "$(basename "$file") does not have the hash of pins.mk (KERNEL_SHA256)"
}

# author NAME EMAIL DATE COMMAND...: git commits as made by them then.
author() {
	local n=$1 e=$2 d=$3
	shift 3
	GIT_AUTHOR_NAME=$n GIT_AUTHOR_EMAIL=$e GIT_AUTHOR_DATE=$d \
		GIT_COMMITTER_NAME=$n GIT_COMMITTER_EMAIL=$e GIT_COMMITTER_DATE=$d "$@"
}

# commit_base GITDIR TREE MESSAGE: the one commit "base", the same wherever it is made. Debian's
# .gitignore ends in a block that ignores every new file (it is for their packaging); it goes.
commit_base() {
	local gd=$1 tree=$2 blob id
	export GIT_INDEX_FILE=$gd/base.index
	git --git-dir="$gd" read-tree "$tree"
	blob=$(git --git-dir="$gd" show "$tree:.gitignore" | sed '\|^/\*$|,\|^!/debian/$|d' |
		git --git-dir="$gd" hash-object -w --stdin)
	git --git-dir="$gd" update-index --cacheinfo "100644,$blob,.gitignore"
	id=$(author Debian debian-kernel@lists.debian.org '1767225600 +0000' \
		git --git-dir="$gd" commit-tree -m "$3" "$(git --git-dir="$gd" write-tree)")
	unset GIT_INDEX_FILE
	git --git-dir="$gd" update-ref refs/heads/pristine "$id"
	git --git-dir="$gd" update-ref refs/tags/base "$id"
	git --git-dir="$gd" symbolic-ref HEAD refs/heads/pristine
}

# pinned_repo: a bare repository of the pinned source, kept in the cache under its hash.
pinned_repo() {
	local repo=$CACHE/base/${KERNEL_SHA256:0:16}.git log=$BUILD/log/import.log
	BASE_REPO=$repo
	[ ! -e "$repo/complete" ] || return 0
	fetch
	stage "importing $KERNEL_PKG $KERNEL_VERSION into git"
	rm -rf "$repo"
	git init -q --bare "$repo"
	{ dpkg-deb --fsys-tarfile "$(deb)" | tar -xO "./$KERNEL_TARBALL" | xz -dc -T0 |
		python3 "$TOP/scripts/tar2git.py" refs/import |
		git --git-dir="$repo" -c core.compression=1 fast-import --quiet --done; } >"$log" 2>&1 ||
		die "import of $(basename "$(deb)") failed: $(why "$log")" "$log"
	commit_base "$repo" 'refs/import^{tree}' "Linux: Debian's $KERNEL_PKG $KERNEL_VERSION"
	git --git-dir="$repo" update-ref -d refs/import
	touch "$repo/complete"
}

# given_repo: the same of the tree KERNEL names, which is only read: its tracked files as they
# are now if it is a git tree, else all its files.
given_repo() {
	local repo=$BUILD/kernel.git git
	BASE_REPO=$repo
	if [ ! -f "$KERNEL/MAINTAINERS" ] || [ ! -f "$KERNEL/Kbuild" ]; then die "KERNEL=$KERNEL is no kernel tree"; fi
	stage "reading KERNEL=$KERNEL"
	[ -d "$repo" ] || git init -q --bare "$repo"
	git="git --git-dir=$repo --work-tree=$KERNEL"
	if [ -e "$KERNEL/.git" ]; then
		fetch_given "$repo" "$(git -c safe.directory='*' -C "$KERNEL" rev-parse HEAD)"
		$git read-tree -m "$(cat "$repo/given-tree")"
		$git add -u
	elif [ -e "$KERNEL/.config" ] || [ -e "$KERNEL/include/config" ]; then
		die "KERNEL=$KERNEL was built in and is no git tree: sources and objects cannot be told apart"
	else
		$git add -A -f
	fi
	commit_base "$repo" "$($git write-tree)" "Linux: KERNEL=$KERNEL"
}

# fetch_given GITDIR COMMIT: the objects of KERNEL's commit, as a pack, so that only files which
# differ from it have to be hashed. The repository is not left shallow: clones of it are hard links.
fetch_given() {
	[ "$(cat "$1/given" 2>/dev/null)" != "$2" ] || return 0
	run "$BUILD/log/given.log" git --git-dir="$1" fetch -q -f --no-tags --depth=1 "file://$(realpath "$KERNEL")" HEAD:refs/given
	git --git-dir="$1" config gc.auto 0
	git --git-dir="$1" rev-parse 'refs/given^{tree}' >"$1/given-tree"
	git --git-dir="$1" update-ref -d refs/given
	rm -f "$1/shallow"
	printf '%s\n' "$2" >"$1/given"
}

# checkout_base DIR: a clone of BASE_REPO; objects are hard-linked or copied, never borrowed.
checkout_base() {
	rm -rf "$1"
	mkdir -p "$(dirname "$1")"
	git clone -q --no-checkout "$BASE_REPO" "$1"
	git -C "$1" config gc.auto 0
	git -C "$1" config checkout.workers 0
	git -C "$1" config core.untrackedCache true
	git -C "$1" config index.skipHash true
	git -C "$1" checkout -q -B "$2" refs/tags/base
}

# base_patches: the patches that the unpatched tree has as well (patches/BASE): tests alone.
base_patches() {
	local name
	grep -v '^#' "$PATCHES/BASE" | while read -r name; do
		series_patches | grep -E "/[0-9]{4}-$name\.patch\$" || die "patches/BASE names $name, but there is no such patch"
	done
}

base_key() {
	local p
	git --git-dir="$BASE_REPO" rev-parse base
	base_patches | while read -r p; do
		cat "$p"
		patch_new_files "$p" | while read -r f; do cat "$TOP/$f"; done
	done | sha256sum
}

# base_tree: the unpatched tree for comparisons.
base_tree() {
	local LINUX=$BASE_LINUX key tip
	key=$(base_key)
	if [ "$(cat "$LINUX/.git/base-key" 2>/dev/null)" = "$key" ]; then
		if ! dirty "$LINUX"; then
			say "build/base/linux: up to date ($(base_patches | wc -l) patches)"
			return
		fi
		die "build/base/linux has edits; it is the unpatched tree: git -C build/base/linux stash -u"
	fi
	stage "unpatched tree -> build/base/linux"
	if [ -d "$LINUX/.git" ] && ! dirty "$LINUX"; then
		git -C "$LINUX" fetch -q --no-tags -f "$BASE_REPO" base:refs/tags/base
	else
		checkout_base "$LINUX" base
	fi
	tip=$(base_patches | commits) || exit
	git -C "$LINUX" reset -q --hard "$tip"
	printf '%s\n' "$key" >"$LINUX/.git/base-key"
}

# commits: of the patches that stdin names, on top of base; the last one.
commits() {
	local log=$BUILD/log/commits.log
	"$TOP/scripts/commits.py" "$LINUX" "$TOP" 2>"$log" || die "$(why "$log")" "$log"
}

# check_homes: every new file has exactly one patch, no patch edits a new file.
check_homes() {
	local named edited dup bad
	named=$(series_patches | while read -r p; do patch_new_files "$p"; done | sort)
	edited=$(series_patches | while read -r p; do patch_edited "$p"; done | sort -u)
	dup=$(printf '%s\n' "$named" | uniq -d | head -n 1)
	[ -z "$dup" ] || die "two patches name New-file: $dup"
	bad=$(comm -13 <(printf '%s\n' "$named") <(overlay_files) | head -n 1)
	[ -z "$bad" ] || die "no patch has a 'New-file: $bad' trailer"
	bad=$(comm -23 <(printf '%s\n' "$named" | grep . || true) <(overlay_files) | head -n 1)
	[ -z "$bad" ] || die "New-file: $bad is named by a patch, but there is no such file"
	bad=$(comm -12 <(printf '%s\n' "$edited" | grep . || true) <(overlay_files) | head -n 1)
	[ -z "$bad" ] || die "a patch edits $bad, which is a new file here: edit the file instead"
}

# series_key: changes when the base, a patch, a new file or this script does.
series_key() {
	{
		git --git-dir="$BASE_REPO" rev-parse base
		cat "$TOP/scripts/source.sh" "$TOP/scripts/commits.py"
		series_content
	} | sha256sum | cut -d' ' -f1
}

# say LINE: for the person who asked for the tree itself, not for each script that needs one.
say() { [ "$VERB" != source ] || stage "$1"; }

# unchanged: patches/ is what build/linux was made from; what was done there since is kept, unless
# FORCE.
unchanged() {
	if { [ -n "$FORCE" ] || [ "$VERB" = source ]; } && local_work; then
		if [ -z "$FORCE" ]; then
			say "build/linux: kept $(work_in_words) that patches/ lacks; patches/ has not changed"
			return
		fi
		stage "build/linux: dropping $(work_in_words), HEAD was $(git -C "$LINUX" rev-parse --short HEAD)"
		move_to "$(git -C "$LINUX" rev-parse series_tip)"
	fi
	say "build/linux: up to date ($(series_patches | wc -l) patches)"
}

# move_to COMMIT: branch, index and work tree; files that stay the same are left alone.
move_to() {
	git -C "$LINUX" checkout -q -f -B series "$(git -C "$LINUX" rev-parse HEAD)"
	[ -z "$FORCE" ] || git -C "$LINUX" clean -qfd
	git -C "$LINUX" reset -q --hard "$1"
}

# series_tree: build/linux brought to what patches/ and the new files say.
series_tree() {
	local key tip
	key=$(series_key)
	if [ -e "$LINUX/.git/series-key" ]; then
		if [ -z "$RESEED" ] && [ "$(cat "$LINUX/.git/series-key")" = "$key" ]; then
			unchanged
			return
		fi
		if [ -n "$RESEED" ]; then
			# make refresh: patches/ has just been written from build/linux's commits.
			:
		elif local_work; then
			[ -n "$FORCE" ] || die "patches/ has changed, and build/linux has $(work_in_words) that it lacks: 'make refresh' keeps those, FORCE=1 drops them"
			stage "build/linux: dropping $(work_in_words), HEAD was $(git -C "$LINUX" rev-parse --short HEAD)"
		fi
		git -C "$LINUX" fetch -q --no-tags -f "$BASE_REPO" base:refs/tags/base
	else
		stage "kernel tree -> build/linux"
		checkout_base "$LINUX" series
	fi
	check_homes
	stage "series: $(series_patches | wc -l) patches, $(overlay_files | wc -l) new files"
	tip=$(series_patches | commits) || exit
	if [ -n "$RESEED" ] && [ "$(git -C "$LINUX" rev-parse 'HEAD^{tree}')" != "$(git -C "$LINUX" rev-parse "$tip^{tree}")" ]; then
		die "patches/ on ${KERNEL:-the pinned kernel} does not give build/linux's tree; its commits are kept (was it made with another KERNEL=?)"
	fi
	move_to "$tip"
	git -C "$LINUX" update-ref refs/tags/series_tip "$tip"
	printf '%s\n' "$key" >"$LINUX/.git/series-key"
}

need git xz-utils ca-certificates python3
exec 9>"$BUILD/source.lock"
flock 9
mkdir -p "$CACHE/downloads" "$BUILD/log"
if [ -n "$KERNEL" ]; then given_repo; else pinned_repo; fi
if [ -n "$BASE" ]; then base_tree; else series_tree; fi
