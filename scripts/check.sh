#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make check: what can be said about the series without running it. One PASS, FAIL or SKIP line a
# check; "scripts/check.sh NAME..." runs just these (scripts/check.sh list), and
# "scripts/check.sh checkpatch HEAD~3..HEAD" looks at these commits of build/linux. FRESH=1: as if nothing had
# been checked before.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

WORK=$BUILD/check
CHECKS="shell spdx numbers bars gone mutations example series roundtrip maintainers checkpatch kerneldoc compile sparse bisect"
# WHOLE=1, as make check-all has it: what compiles for hours.
MORE_CHECKS="bisect_arm64 bisect_arm bisect_x86_64"

g() { git -C "$LINUX" "$@"; }

# empty NAME: is there no series? Then the check has nothing to say.
empty() {
	[ "$(g rev-parse base)" = "$(g rev-parse HEAD)" ] || return 1
	result SKIP "$1" "the series is empty"
}

# touched FILTER PATTERN...: files that the series adds (A), edits (M) or either.
touched() {
	local filter=$1
	shift
	g diff --name-only --no-renames --diff-filter="$filter" base HEAD -- "$@"
}

# touched_code: what an architecture's kernel can be made of.
touched_code() { touched AM '*.c' ':!tools' ':!scripts' ':!Documentation'; }

# verdict NAME FILE: FAIL with the file's first line if there is one.
verdict() {
	if [ -s "$2" ]; then
		result FAIL "$1" "$(head -n 1 "$2") ($(wc -l <"$2") lines in ${2#"$TOP"/})"
	else
		result PASS "$1"
	fi
}

# content: what the answer of a check in ONCE depends on.
content() {
	{
		g rev-parse base 'HEAD^{tree}'
		g log --format=%B base..HEAD
		series_content
		cat "$TOP"/scripts/{lib,tree,check,compile-check,source,refresh,series}.sh "$TOP"/scripts/{build_log,tar2git,commits,shadows}.py \
			"$TOP"/configs/*.config "$TOP/expect/not-compiled.txt" "$TOP/pins.mk"
		find "$PATCHES/BASE" -type f -exec cat {} + 2>/dev/null || true
		compilers
	} | sha256sum | cut -c1-32
}

# These say the same of the same content: what passed is not done again, but for FRESH=1.
ONCE="series roundtrip maintainers kerneldoc compile sparse"

# once CHECK: a directory of the cache holds the lines of what passed.
once() {
	local kept before failed=$LANE_FAILED verdict name reason
	kept=$CACHE/passed/$1${WHOLE:+-whole}-$(content)
	if [ -z "${FRESH:-}" ] && [ -s "$kept" ] && ! dirty "$LINUX"; then
		while IFS=$'\t' read -r verdict _ name reason; do
			result "$verdict" "$name" "${reason:+$reason; }the same was checked before"
		done <"$kept"
		return
	fi
	before=$(wc -l <"$RESULTS")
	"check_$1"
	mkdir -p "${kept%/*}"
	find "${kept%/*}" -type f -mtime +30 -delete
	if dirty "$LINUX" || [ "$LANE_FAILED" -gt "$failed" ]; then return; fi
	tail -n "+$((before + 1))" "$RESULTS" >"$kept.new.$$"
	mv "$kept.new.$$" "$kept"
}

project_files() { git -C "$TOP" ls-files -co --exclude-standard; }

# shell_files: the scripts of the project.
shell_files() {
	project_files | while read -r f; do
		[ -f "$f" ] || continue
		case $f in
		*.sh) echo "$f" ;;
		*) ! head -c 64 "$f" | head -n 1 | grep -aqE '^#!.*\b(ba|da)?sh\b' || echo "$f" ;;
		esac
	done
}

# check_shell: a script that it had nothing to say of is not read again, until that or what some script sources
# changes.
check_shell() {
	local common f mark
	need shellcheck
	cd "$TOP"
	common=$({ shellcheck --version; shell_files | xargs sed -n 's/^# shellcheck source=//p' | sort -u | xargs cat; } | sha256sum)
	mkdir -p "$CACHE/shellcheck"
	shell_files | while read -r f; do
		mark=$CACHE/shellcheck/$({ echo "$common $f"; cat "$f"; } | sha256sum | cut -c1-32)
		if [ -n "${FRESH:-}" ] || [ ! -e "$mark" ]; then printf '%s\0%s\0' "$f" "$mark"; fi
	done >"$WORK/shell.list"
	# shellcheck disable=SC2016 # of the shell that is started
	xargs -0 -r -n 2 -P "$(nproc)" sh -c 'shellcheck -x -P SCRIPTDIR:. -f gcc "$0" && touch "$1"' \
		<"$WORK/shell.list" >"$WORK/shell" 2>&1 || true
	verdict shellcheck "$WORK/shell"
}

check_spdx() {
	(cd "$TOP" && project_files | while read -r f; do
		case $f in patches/* | LICENSES/* | LICENSE* | COPYING | *.png | *.svg | *.gitignore) continue ;; esac
		[ ! -s "$f" ] || head -n 3 "$f" | grep -q 'SPDX-License-Identifier: ' || echo "$f: no SPDX line"
	done) >"$WORK/spdx"
	verdict spdx "$WORK/spdx"
}

check_numbers() {
	empty net-deletion && return
	g diff --numstat --no-renames --diff-filter=MD base HEAD | awk '
		{ added += $1; deleted += $2 }
		END { printf "%d added, %d deleted in existing files", added, deleted; exit !(deleted > added) }' >"$WORK/numbers" &&
		result PASS net-deletion "$(cat "$WORK/numbers")" && return
	result FAIL net-deletion "$(cat "$WORK/numbers")"
}

# shmem_users: the helper, its header, and every file of a driver that includes that header.
shmem_users() {
	g grep -l 'drm_gem_shmem_helper\.h' -- drivers/gpu/drm drivers/accel |
		sed -E 's|^(drivers/gpu/drm/[^/]+/).*|\1|; s|^(drivers/accel/[^/]+/).*|\1|' | sort -u
	echo include/drm/drm_gem_shmem_helper.h
}

# floors: a lower floor includes nothing of a higher one.
floors() {
	g grep -nE '#include.*(drm/|dma-buf|dma-resv)' HEAD -- kernel/dma/runs.c kernel/dma/runs_map.c \
		kernel/dma/alloc_remap.c include/linux/dma-runs.h || true
	g grep -nE '#include.*drm/' HEAD -- 'drivers/dma-buf/dma-buf-bridge.[ch]' drivers/dma-buf/dma-buf.c \
		include/linux/dma-buf.h || true
}

check_bars() {
	local users helper=drivers/gpu/drm/drm_gem_bo_backing.c
	mapfile -t users < <(shmem_users)
	# The harness is compiled for the unpatched drivers, too.
	g grep -nE 'shmem->(pages|sgt)\b|->base\.(pages|sgt)\b' -- "${users[@]}" \
		':!drivers/gpu/drm/tests/harness' >"$WORK/arrays" || true
	g grep -nE 'struct page \*\*pages;' -- include/drm/drm_gem_shmem_helper.h >>"$WORK/arrays" || true
	verdict no-shmem-arrays "$WORK/arrays"
	[ -e "$LINUX/$helper" ] || die "there is no $helper"
	# Scatterlists are the bridge's alone, but for what dma_map_ops can do by them only.
	g grep -nE 'sg_table|sgtable|scatterlist' HEAD -- "${helper%.c}*.c" include/drm/drm_gem_bo_backing.h \
		kernel/dma/runs.c kernel/dma/alloc_remap.c include/linux/dma-runs.h >"$WORK/bridge" || true
	floors >>"$WORK/bridge"
	verdict sg-table-bridge "$WORK/bridge"
}

# check_gone: what the series replaces has no user any more, anywhere in the kernel.
check_gone() {
	empty dma_get_sgtable-gone && return
	g grep -nE 'dma_get_sgtable|\.get_sgtable|dma_buf_phys_vec_to_sgt' HEAD -- '*.c' '*.h' '*.rs' |
		grep -vE '^[^:]*:[^:]*:[0-9]+:[[:space:]]*(/?\*|//)' >"$WORK/gone" || true
	verdict dma_get_sgtable-gone "$WORK/gone"
}

# check_mutations: each of mutations/ still says where its bug goes.
check_mutations() {
	local diff
	empty mutations-apply && return
	for diff in "$TOP"/mutations/*/*.diff; do
		g apply --check "$diff" 2>/dev/null || echo "${diff#"$TOP"/} does not apply"
	done >"$WORK/mutations"
	verdict mutations-apply "$WORK/mutations"
}

# scratch: a clone of build/linux for checks that move its work tree.
scratch() {
	SCRATCH=$BUILD/bisect/linux
	if [ ! -e "$SCRATCH/.git" ]; then
		rm -rf "$SCRATCH"
		mkdir -p "$BUILD/bisect"
		git clone -q --local --no-checkout "$LINUX" "$SCRATCH"
		git -C "$SCRATCH" config gc.auto 0
		git -C "$SCRATCH" config checkout.workers 0
		git -C "$SCRATCH" config user.name check
		git -C "$SCRATCH" config user.email check@localhost
	fi
	git -C "$SCRATCH" am --quit 2>/dev/null || true
	git -C "$SCRATCH" fetch -q --no-tags -f "$LINUX" HEAD:refs/heads/tip refs/tags/base:refs/heads/origin-base
	git -C "$SCRATCH" checkout -q -f --detach "$1"
	git -C "$SCRATCH" clean -qfdx
}

check_series() {
	local mails
	empty series-am && return
	"$TOP/scripts/series.sh" >"$WORK/series.log"
	scratch origin-base
	mapfile -t mails < <(find "$OUT/series" -name '*.patch' ! -name '0000-*' | sort)
	if ! git -C "$SCRATCH" am -q "${mails[@]}" >"$WORK/am.log" 2>&1; then
		result FAIL series-am "$(why "$WORK/am.log") (log: build/check/am.log)"
	elif [ "$(git -C "$SCRATCH" rev-parse 'HEAD^{tree}')" != "$(g rev-parse 'HEAD^{tree}')" ]; then
		result FAIL series-am "git am of out/series gives another tree than build/linux"
	else
		result PASS series-am
	fi
}

# roundtrip: in a copy of the project, so that a person's build/linux is left alone.
check_roundtrip() {
	local copy=$BUILD/roundtrip
	rm -rf "$copy"
	mkdir -p "$copy"
	(cd "$TOP" && project_files | while read -r f; do [ ! -e "$f" ] || printf '%s\0' "$f"; done |
		tar -c --null -T - | tar -x -C "$copy")
	git -C "$copy" init -q
	git -C "$copy" add -A -f
	git -C "$copy" -c user.name=check -c user.email=check@localhost commit -q -m copy
	if ! { "$copy/scripts/source.sh" && "$copy/scripts/refresh.sh"; } >"$WORK/roundtrip.log" 2>&1; then
		result FAIL source-refresh "$(tail -n 1 "$WORK/roundtrip.log") (log: build/check/roundtrip.log)"
	else
		git -C "$copy" status --porcelain >"$WORK/roundtrip"
		verdict source-refresh "$WORK/roundtrip"
	fi
	rm -rf "$copy"
}

# check_maintainers: answers what checkpatch asks by FILE_PATH_CHANGES: is there an entry, beside
# the one that matches everything, for each new file?
check_maintainers() {
	local f
	empty maintainers && return
	need perl python3-ply python3-git
	while read -r f; do
		(cd "$LINUX" && perl scripts/get_maintainer.pl --nogit --nogit-fallback --norolestats --noemail --nol --subsystem -f "$f") \
			>"$WORK/maintainers.one" 2>"$WORK/maintainers.err" || : >"$WORK/maintainers.one"
		grep -vqxE 'THE REST|' "$WORK/maintainers.one" || echo "$f: no entry in MAINTAINERS"
	done < <(touched A) >"$WORK/maintainers"
	verdict maintainers "$WORK/maintainers"
}

# FILE_PATH_CHANGES only asks whether MAINTAINERS knows new files: check_maintainers.
# Loop macros name their cursor more than once; attributes and conditions are written as their
# neighbours are; the user-space harness stands in for headers of the kernel, typedefs and all.
CHECKPATCH="--strict --terse --no-summary --ignore MISSING_SIGN_OFF,FILE_PATH_CHANGES,MACRO_ARG_REUSE,MACRO_ARG_UNUSED,BIT_MACRO,LOGICAL_CONTINUATIONS,NEW_TYPEDEFS"

# How many patches that have not compiled before are compiled now, and how many of them checkpatch looks at;
# WHOLE: every one. All of them take an hour and more, which grows with the series: make check-all,
# before it is sent.
EACH=${EACH-1}
EACH_TEXT=60

# sample WHAT NUMBER: as many of the commits that it reads, in their order. They change with the series, so
# that all come up in time. The last one is what the lanes boot.
sample() {
	local commits seed=$WORK/seed-$1
	mapfile -t commits
	if [ -n "${WHOLE:-}" ] || [ "${#commits[@]}" -le "$2" ]; then
		printf '%s\n' "${commits[@]}"
		return
	fi
	yes "$(g rev-parse 'HEAD^{tree}')$1" 2>/dev/null | head -c 65536 >"$seed" || true
	printf '%s\n' "${commits[@]}" | sed '$d' | shuf -n "$2" --random-source="$seed" |
		grep -xF -f - <(printf '%s\n' "${commits[@]}")
}

# checkpatch_mark TAG COMMIT: the file that says that checkpatch has nothing to say of it, by content, less
# what an earlier commit changes in it. Leaves the patch in the work directory.
checkpatch_mark() {
	g format-patch -1 --zero-commit --no-signature --stdout "$2" >"$WORK/checkpatch.patch"
	printf '%s/checkpatch/%s.%s\n' "$CACHE" "$1" \
		"$(sed -E '/^index [0-9a-f]+\.\.[0-9a-f]+( [0-7]{6})?$/d' "$WORK/checkpatch.patch" | sha256sum | cut -c1-32)"
}

# checkpatch_one TAG COMMIT: what checkpatch says of it.
checkpatch_one() {
	local name mark rc=0
	name=$(g log -1 --format=%f "$2")
	mark=$(checkpatch_mark "$@")
	# shellcheck disable=SC2086 # a list of words
	(cd "$LINUX" && PATH=/usr/bin:$PATH perl scripts/checkpatch.pl $CHECKPATCH - <"$WORK/checkpatch.patch") \
		>"$WORK/checkpatch.one" 2>&1 || rc=$?
	sed "s|^-:|$name:|" "$WORK/checkpatch.one"
	if [ -s "$WORK/checkpatch.one" ]; then return; fi
	if [ $rc = 0 ]; then touch "$mark"; else echo "$name: checkpatch.pl fails"; fi
}

# check_checkpatch [RANGE]: of all commits that it has not looked at before, or, as for each_patch(), of some of
# them; or of these (a single one: of just that).
check_checkpatch() {
	local range=${1:-base..HEAD} all new todo c tag left
	empty checkpatch && return
	need perl python3-ply python3-git
	case $range in *..*) ;; *) range=$range^! ;; esac
	mapfile -t all < <(g rev-list --reverse "$range" ^base 2>/dev/null || true)
	[ ${#all[@]} -gt 0 ] || die "build/linux has no commit in $range above its tag base"
	tag=$({ echo "$CHECKPATCH"; cd "$LINUX/scripts" && cat checkpatch.pl spelling.txt const_structs.checkpatch; } |
		sha256sum | cut -c1-16)
	mkdir -p "$CACHE/checkpatch"
	mapfile -t new < <(for c in "${all[@]}"; do [ -e "$(checkpatch_mark "$tag" "$c")" ] || echo "$c"; done)
	todo=("${new[@]}")
	if [ $# = 0 ] && [ ${#new[@]} -gt 0 ]; then mapfile -t todo < <(printf '%s\n' "${new[@]}" | sample checkpatch "$EACH_TEXT"); fi
	for c in "${todo[@]}"; do checkpatch_one "$tag" "$c"; done >"$WORK/checkpatch"
	if [ $# -gt 0 ]; then cat "$WORK/checkpatch"; fi
	verdict checkpatch "$WORK/checkpatch"
	left=$((${#new[@]} - ${#todo[@]}))
	[ $left = 0 ] || result SKIP checkpatch-left "$left patches not looked at on this machine yet; make check-all does"
}

# kernel_doc TREE FILE...: its warnings without line numbers.
kernel_doc() {
	local tree=$1 f
	shift
	for f in "$@"; do
		if [ -e "$tree/$f" ]; then (cd "$tree" && exec python3 scripts/kernel-doc -none -Wall "$f") 2>&1 || true; fi
	done | grep -E 'arning|rror' | sed -E 's/:[0-9]+//' | sort
}

check_kerneldoc() {
	local files
	empty kernel-doc && return
	mapfile -t files < <(touched AM '*.c' '*.h')
	kernel_doc "$LINUX" "${files[@]}" >"$WORK/kernel-doc.now" || true
	kernel_doc "$BASE_LINUX" "${files[@]}" >"$WORK/kernel-doc.base" || true
	comm -23 "$WORK/kernel-doc.now" "$WORK/kernel-doc.base" >"$WORK/kernel-doc"
	verdict kernel-doc "$WORK/kernel-doc"
}

# includers: reads header paths, adds the headers below include/ that include one of them.
includers() {
	local list more
	list=$(sort -u)
	[ -n "$list" ] || return 0
	while :; do
		more=$(printf '%s\n' "$list" | sed -n 's|^include/\(.*\)|#include <\1>|p' |
			g grep -lF -f - -- include || true)
		more=$(printf '%s\n%s\n' "$list" "$more" | grep . | sort -u)
		[ "$more" != "$list" ] || break
		list=$more
	done
	printf '%s\n' "$list"
}

# users_of HEADER: the .c files that include one that is not below include/, by itself or by
# another header beside it.
users_of() {
	local root=${1%/*} names=${1##*/} more
	[[ ! $1 =~ ^(drivers/gpu/drm|drivers/accel)/[^/]+/ ]] || root=${BASH_REMATCH[0]}
	while :; do
		g grep -lE "^#include \"(.*/)?(${names//$'\n'/|})\"" -- "$root" >"$WORK/own" || true
		more=$({ printf '%s\n' "$names"; sed -n '/\.h$/s|.*/||p' "$WORK/own"; } | sort -u)
		[ "$more" != "$names" ] || break
		names=$more
	done
	grep '\.c$' "$WORK/own" || true
}

# scope: every .c file that the series touches. WHOLE: or that includes a header that it changes, also
# by another header.
scope() {
	if [ -z "${WHOLE:-}" ]; then
		touched_code
		return
	fi
	{
		touched AM '*.c'
		touched AM 'include/*.h' | grep -vxF "${WIDE// /$'\n'}" | includers | sed -n 's|^include/||p' >"$WORK/headers"
		if [ -s "$WORK/headers" ]; then
			sed 's|.*|#include <&>|' "$WORK/headers" | g grep -lF -f - -- '*.c' '*.h' ':!include' ':!tools' >"$WORK/users" || true
			grep '\.c$' "$WORK/users" || true
		fi
		{ touched AM '*.h' ':!include'; grep '\.h$' "$WORK/users" || true; } | while read -r h; do users_of "$h"; done
	} | sort -u | grep -vE '^(tools|scripts|Documentation)/' || true
}

# Headers that half of the kernel includes: what the series adds there no other user sees, and what
# it removes has no user, which check_gone looks at. make check-all compiles all of DRM, in an hour.
WIDE='include/drm/drm_gem.h include/linux/mm.h include/linux/dma-buf.h include/linux/dma-mapping.h include/linux/dma-map-ops.h'

wide() {
	local h
	for h in $WIDE; do [ -z "$(touched AM "$h")" ] || echo "$h"; done
}

check_example() {
	local source=Documentation/gpu/drm-gem-bo-backing.rst test=drivers/gpu/drm/tests/drm_gem_bo_backing_test.c
	"$TOP/scripts/doc_example.py" "$LINUX/$source" "$LINUX/$test" >"$WORK/example"
	verdict doc-example "$WORK/example"
}

# nowhere DIRECTORY...: the .c files it reads that were compiled in none of these; make rust has
# its own.
nowhere() {
	local f o
	(cd "$BUILD" && sort -u "${@/%//compiled}") >"$WORK/compiled"
	{ grep -v '^rust/' || true; } | while read -r f; do
		# Some tests are part of what they test: its #include of them counts.
		o=$({ echo "$f"; g grep -lE "^#include \"(.*/)?${f##*/}\"" -- "${f%/tests/*}/*.c" || true; } | sed 's/\.c$/.o/')
		grep -qxF "$o" "$WORK/compiled" || echo "$f"
	done
}

# scope_of ARCH: what is compiled for it. Everything for the first; for the next what those before do
# not have. WHOLE: and the files that the series touches.
scope_of() {
	case $1 in
	x86_64) scope ;;
	arm64) { again; nowhere x86_64 <"$WORK/x86_64.scope"; } | sort -u ;;
	arm) { again; nowhere x86_64 arm64 <"$WORK/x86_64.scope"; } | sort -u ;;
	um) touched_code | nowhere x86_64 arm64 arm ;;
	esac
}

again() { [ -z "${WHOLE:-}" ] || touched_code; }

compile_for() {
	scope_of "$1" >"$WORK/$1.scope"
	"$TOP/scripts/compile-check.sh" "$1" || LANE_FAILED=$((LANE_FAILED + 1))
}

# compiled_now: makes sure that the lists of what is compiled are of this content.
compiled_now() {
	if [ "$(cat "$WORK/compiled.of" 2>/dev/null)" != "$(content)" ]; then check_compile; fi
}

check_compile() {
	local arch f h
	if [ -n "${WHOLE:-}" ]; then
		for h in $(wide); do result SKIP "users-of-${h##*/}" "thousands; those in DRM are compiled"; done
	else
		result SKIP users-of-headers "make check-all compiles what includes a changed header"
	fi
	for arch in x86_64 arm64 arm; do compile_for "$arch"; done
	empty compiled-somewhere && return
	mkdir -p "$BUILD/um-check"
	if [ "$(scope_of um)" ]; then compile_for um; else : >"$BUILD/um-check/compiled"; fi
	# What is expected not to be compiled is named, each file with its reason, and no other.
	touched_code | nowhere x86_64 arm64 arm um-check | sort >"$WORK/nowhere.now"
	grep -v '^#' "$TOP/expect/not-compiled.txt" | cut -f1 | sort >"$WORK/nowhere.expected"
	{
		comm -23 "$WORK/nowhere.now" "$WORK/nowhere.expected" | sed 's/$/: compiled for no architecture/'
		comm -13 "$WORK/nowhere.now" "$WORK/nowhere.expected" | sed 's/$/: in expect\/not-compiled.txt, but compiled or not touched/'
	} >"$WORK/nowhere"
	verdict compiled-somewhere "$WORK/nowhere"
	f=$(touched AM '*.rs' | head -n 1)
	[ -z "$f" ] || result SKIP rust "Debian 12 has no compiler for $f; make rust brings one along"
	content >"$WORK/compiled.of"
}

# get_sparse: a sparse new enough for this kernel (Debian 12's is not) from a newer suite, with
# that suite's C library, below build/tools; nothing is installed.
get_sparse() {
	local dir=$BUILD/tools/sparse
	SPARSE=$dir/sparse
	[ ! -x "$SPARSE" ] || return 0
	stage "sparse from $SPARSE_SUITE"
	private_apt "$SPARSE_SUITE"
	rm -rf "$dir"
	mkdir -p "$dir/root"
	(cd "$dir" && run "$BUILD/log/sparse.log" env APT_CONFIG="$APT_CONF" apt-get download sparse libc6 &&
		for deb in *.deb; do dpkg-deb -x "$deb" root; done)
	cat >"$SPARSE.new" <<-SH
	#!/bin/sh
	root=$dir/root
	exec "\$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "\$root/usr/lib/x86_64-linux-gnu" "\$root/usr/bin/sparse" "\$@"
	SH
	chmod +x "$SPARSE.new"
	"$SPARSE.new" --version >"$BUILD/log/sparse.log" 2>&1 || die "sparse does not run: $(why "$BUILD/log/sparse.log")" "$BUILD/log/sparse.log"
	mv "$SPARSE.new" "$SPARSE"
}

# sparse_run DIR ARCH LOG OBJECT...: C=2 checks what is compiled already, too.
sparse_run() {
	local dir=$1 arch=$2 log=$3
	shift 3
	kbuild "$dir" "$arch" C=2 "CHECK=$SPARSE" -k -O "$@" >>"$log" 2>&1 || true
}

check_sparse() {
	local objects um noisy o
	empty sparse && return
	compiled_now
	mapfile -t objects < <(touched AM '*.c' | sed 's/\.c$/.o/' | grep -xFf "$BUILD/x86_64/compiled" || true)
	if [ ${#objects[@]} = 0 ]; then
		result SKIP sparse "none of the touched files is compiled for x86_64"
		return
	fi
	# The harness includes whole drivers, which sparse has seen as they are, and whose old warnings it would repeat.
	mapfile -t um < <(sed 's/\.c$/.o/' "$WORK/um.scope" 2>/dev/null | grep -xFf "$BUILD/um-check/compiled" |
		grep -v '/tests/harness/' || true)
	get_sparse
	stage "sparse: ${#objects[@]} files, ${#um[@]} of User Mode Linux"
	: >"$WORK/sparse.log"
	sparse_run "$BUILD/x86_64" x86_64 "$WORK/sparse.log" "${objects[@]}"
	[ ${#um[@]} = 0 ] || sparse_run "$BUILD/um-check" um "$WORK/sparse.log" "${um[@]}"
	mapfile -t noisy < <("$TOP/scripts/build_log.py" noisy "$WORK/sparse.log" | while read -r o; do
		[ ! -e "$BASE_LINUX/${o%.o}.c" ] || echo "$o"
	done)
	: >"$WORK/sparse.base.log"
	if [ ${#noisy[@]} -gt 0 ]; then
		kconfig "$BUILD/base/x86_64" x86_64 allmodconfig "$TOP/configs/check.config"
		sparse_run "$BUILD/base/x86_64" x86_64 "$WORK/sparse.base.log" "${noisy[@]}"
	fi
	"$TOP/scripts/build_log.py" new "$WORK/sparse.log" "$WORK/sparse.base.log" >"$WORK/sparse"
	if [ "$(grep -c '^  CHECK ' "$WORK/sparse.log")" -lt $((${#objects[@]} + ${#um[@]})) ]; then
		echo "sparse did not see every file: $(why "$WORK/sparse.log")" >>"$WORK/sparse"
	fi
	verdict sparse "$WORK/sparse"
}

# made_of_patch ARCH [last]: what is made of a commit. Of User Mode Linux the directories that the
# series is about, and at its end all of the kernel; for others the files that the series touches,
# as far as they are there yet.
made_of_patch() {
	local o
	if [ "$1" = um ]; then
		printf '%s\n' drivers/gpu/drm/ drivers/accel/ drivers/dma-buf/ ${2:+linux}
	else
		while read -r o; do [ ! -e "$SCRATCH/${o%.o}.c" ] || echo "$o"; done <"$WORK/each-$1"
	fi
}

# patch_config DIR ARCH START FRAGMENT...: again only if a Kconfig file changed: it takes several
# times as long as what most patches have to compile. Symbols that a patch does not have yet are
# dropped by Kconfig: here that is right.
patch_config() {
	local dir=$1 arch=$2 start=$3 key
	shift 3
	key=$({ cat "$@"; git -C "$SCRATCH" ls-files -s -- '*Kconfig*'; } | sha256sum)
	[ "$(cat "$dir/.fragments" 2>/dev/null)" != "$key" ] || return 0
	rm -f "$dir/.fragments"
	kbuild "$dir" "$arch" "$start" &&
		cat "$@" >>"$dir/.config" &&
		kbuild "$dir" "$arch" olddefconfig &&
		printf '%s\n' "$key" >"$dir/.fragments"
}

# patch_build ARCH LAST START FRAGMENT... With the flags of compile-check.sh, so that ccache has what it
# compiled.
patch_build() {
	local arch=$1 dir=$BUILD/bisect/$1 targets warn=W=1
	[ "$arch" != um ] || warn=W=
	mapfile -t targets < <(made_of_patch "$arch" "$2")
	[ ${#targets[@]} -gt 0 ] || return 0
	shift 2
	patch_config "$dir" "$arch" "$@" && kbuild "$dir" "$arch" "$warn" "${targets[@]}"
}

# commits_for ARCH: all; for arm and x86_64, of which there is just what the others do not have, those
# that edit it or a header that it may include.
commits_for() {
	local files=()
	case $1 in
	arm | x86_64)
		mapfile -t files < <(sed 's/\.o$/.c/' "$WORK/each-$1")
		files+=(include kernel/dma)
		;;
	esac
	g rev-list --reverse base..HEAD -- "${files[@]}"
}

# mark_of TAG COMMIT: the file that says that its tree compiled.
mark_of() { printf '%s/bisect/%s.%s\n' "$CACHE" "$1" "$(g rev-parse "$2^{tree}")"; }

# each_patch NAME ARCH PREFIX START FRAGMENT...: each commit compiles. One that did once with this
# compiler (the PREFIX's) and configuration is not compiled again: markers in the cache, by content.
each_patch() {
	local name=$1 arch=$2 prefix=$3 dir=$BUILD/bisect/$2 tag c n=0 todo all new left ready=
	shift 3
	empty "$name" && return
	kernel_packages
	cross_packages "$arch"
	tag=$({ cat "${@:2}" "$TOP/scripts/tree.sh"; [ "$arch" = um ] || cat "$WORK/each-$arch"; "${prefix}gcc" -v 2>&1; } |
		sha256sum | cut -c1-16)
	mkdir -p "$CACHE/bisect" "$dir"
	mapfile -t all < <(commits_for "$arch")
	mapfile -t new < <(for c in "${all[@]}"; do [ -e "$(mark_of "$tag" "$c")" ] || echo "$c"; done)
	mapfile -t todo < <([ ${#new[@]} = 0 ] || printf '%s\n' "${new[@]}" | sample "$arch" "$EACH")
	for c in "${todo[@]}"; do
		n=$((n + 1))
		stage "$arch, $n of ${#todo[@]} patches: $(g log -1 --format=%s "$c")"
		if [ -z "$ready" ]; then scratch "$c"; else git -C "$SCRATCH" checkout -q -f --detach "$c"; fi
		ready=1
		if ! patch_build "$arch" "$([ "$c" != "${all[-1]}" ] || echo last)" "$@" >"$dir/build.log" 2>&1; then
			result FAIL "$name" "$(g log -1 --format='%h %s' "$c"): $(why "$dir/build.log") (log: ${dir#"$TOP"/}/build.log)"
			return
		fi
		touch "$(mark_of "$tag" "$c")"
	done
	left=$((${#new[@]} - n))
	result PASS "$name" "of ${#all[@]} patches $n now, $((${#all[@]} - ${#new[@]})) before"
	[ $left = 0 ] || result SKIP "$name-left" "$left patches not compiled on this machine yet; make check-all does"
}

check_bisect() {
	each_patch each-patch-builds um '' defconfig "$TOP/configs/um.config" "$TOP/configs/um-patched.config"
}

# each_patch_for ARCH PREFIX: what is compiled for ARCH of the files that the series touches; of arm and
# x86_64 just what arm64 does not have.
each_patch_for() {
	local before=/dev/null
	compiled_now
	[ "$1" = arm64 ] || before=$BUILD/arm64/compiled
	touched AM '*.c' | sed 's/\.c$/.o/' | grep -xFf "$BUILD/$1/compiled" | grep -vxFf "$before" >"$WORK/each-$1" || true
	each_patch "each-patch-builds-$1" "$1" "$2" allmodconfig "$TOP/configs/check.config"
}

check_bisect_x86_64() { each_patch_for x86_64 ''; }
check_bisect_arm64() { each_patch_for arm64 aarch64-linux-gnu-; }
check_bisect_arm() { each_patch_for arm arm-linux-gnueabihf-; }

[ -z "${WHOLE:-}" ] || CHECKS+=" $MORE_CHECKS"
if [ "${1:-}" = list ]; then
	echo "$CHECKS $MORE_CHECKS" | xargs -n1 | awk '!seen[$0]++' | xargs
	exit 0
fi
[ $# -gt 0 ] || read -ra all <<<"$CHECKS"
set -- "${@:-${all[@]}}"
known() { [[ " $CHECKS $MORE_CHECKS " == *" $1 "* ]]; }
for check; do
	known "$check" || [ "${before:-}" = checkpatch ] || die "there is no check $check, but: $CHECKS $MORE_CHECKS"
	before=$check
done
lane check
"$TOP/scripts/source.sh"
BASE=1 "$TOP/scripts/source.sh"
if dirty "$LINUX"; then note "build/linux has uncommitted edits: the checks that go by commit do not see them"; fi
mkdir -p "$WORK"
while [ $# -gt 0 ]; do
	check=$1
	shift
	started=$(date +%s)
	if [ "$check" = checkpatch ] && [ $# -gt 0 ] && ! known "$1"; then
		check_checkpatch "$1"
		shift
	elif [[ " $ONCE " == *" $check "* ]]; then
		once "$check"
	else
		"check_$check"
	fi
	stage "check $check: $(($(date +%s) - started)) s"
done
stage "check: $LANE_FAILED failed"
lane_end
