#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# compile-check.sh ARCH [all]: W=1 for an architecture, part of make check. Compiles the files that
# build/check/ARCH.scope names (all: everything in drivers/gpu/drm and drivers/accel), as far as
# Kconfig grants them, and compares the warnings with the unpatched tree's. build/ARCH/compiled
# lists the objects.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

ARCH=$1
# User Mode Linux for what no other architecture has; its own directory is for booting.
case $ARCH in um) obj=um-check ;; *) obj=$ARCH ;; esac
DIR=$BUILD/$obj
BASE_DIR=$BUILD/base/$obj
lane "${LANE:-check}"
name="compile-$ARCH${2:+-all}"

# configure DIR: a tree without the objects of an earlier run; ccache has them, and their warnings.
configure() {
	compile_config "$1" "$ARCH"
	run "$1/prepare.log" kbuild "$1" "$ARCH" prepare
}

# wanted: the .c files this run is about.
wanted() {
	if [ "${1:-}" = all ]; then
		git -C "$LINUX" ls-files -- 'drivers/gpu/drm/*.c' 'drivers/accel/*.c'
	else
		cat "$BUILD/check/$ARCH.scope"
	fi
}

# granted DIR FILE...: the objects of the .c files that Kconfig grants, from a dry run.
granted() {
	local dir=$1 roots
	roots=$(sed -E 's|^(drivers/gpu/drm)/.*|\1/|; t; s|^(drivers/accel)/.*|\1/|; t; s|[^/]*$||' "$dir/wanted" | sort -u)
	# shellcheck disable=SC2086 # a list of words
	(cd "$dir" && rm -rf $roots)
	# shellcheck disable=SC2086
	JOBS=1 kbuild "$dir" "$ARCH" -n -k $roots >"$dir/dry.log" 2>&1 || true
	comm -12 <("$TOP/scripts/build_log.py" objects "$dir/dry.log" | sort -u) <(sed 's/\.c$/.o/' "$dir/wanted" | sort -u)
}

# objects DIR LOG OBJECT...: compile them, whatever fails. A second run would be silent about
# what the first one made: that is why the objects are removed before.
objects() {
	local dir=$1 log=$2
	shift 2
	(cd "$dir" && printf '%s\0' "$@" | xargs -0 rm -f)
	printf '%s\n' "$@" >"$dir/targets"
	# One make each for the command line's sake.
	: >"$log"
	xargs -n 400 <"$dir/targets" | while read -ra part; do
		kbuild "$dir" "$ARCH" W=1 -k -O "${part[@]}" >>"$log" 2>&1 || true
	done
}

mkdir -p "$DIR" "$BASE_DIR"
wanted "${2:-}" >"$DIR/wanted"
if [ ! -s "$DIR/wanted" ]; then
	: >"$DIR/compiled"
	result SKIP "$name" "the series touches no C file"
	exit 0
fi

cross_packages "$ARCH"
kernel_packages
key=$({ state_key "$LINUX"; cat "$DIR/wanted" "$TOP"/configs/{check,um}.config "$TOP"/scripts/{compile-check.sh,tree.sh,build_log.py}; compilers; } | sha256sum)
if [ -z "${FRESH:-}" ] && [ "$(cat "$DIR/.passed" 2>/dev/null)" = "$key" ]; then
	result PASS "$name"
	exit 0
fi
rm -f "$DIR/.passed"
# Then the lists are of other files than those that check.sh asks for.
[ -z "${2:-}" ] || rm -f "$BUILD/check/compiled.of"

configure "$DIR"
granted "$DIR" >"$DIR/compiled"
if [ ! -s "$DIR/compiled" ]; then
	result FAIL "$name" "Kconfig grants $ARCH none of the files (log: ${DIR#"$TOP"/}/dry.log)"
	exit 1
fi
mapfile -t list <"$DIR/compiled"
stage "$ARCH: ${#list[@]} objects, W=1"
objects "$DIR" "$DIR/build.log" "${list[@]}"

# Only what warned has to be compared.
"$TOP/scripts/build_log.py" noisy "$DIR/build.log" >"$DIR/noisy"
: >"$BASE_DIR/build.log"
if [ -s "$DIR/noisy" ]; then
	mapfile -t noisy < <(while read -r o; do [ ! -e "$BASE_LINUX/${o%.o}.c" ] || echo "$o"; done <"$DIR/noisy")
	stage "$ARCH: the unpatched tree's warnings in ${#noisy[@]} of them"
	configure "$BASE_DIR"
	[ ${#noisy[@]} = 0 ] || objects "$BASE_DIR" "$BASE_DIR/build.log" "${noisy[@]}"
fi
"$TOP/scripts/build_log.py" new "$DIR/build.log" "$BASE_DIR/build.log" >"$DIR/new"
missing=$(cd "$DIR" && for o in "${list[@]}"; do [ -e "$o" ] || echo "$o"; done | head -n 1)

if [ -s "$DIR/new" ]; then
	result FAIL "$name" "$(wc -l <"$DIR/new") new warnings, the first: $(head -n 1 "$DIR/new") (all: ${DIR#"$TOP"/}/new)"
elif [ -n "$missing" ]; then
	result FAIL "$name" "$missing did not compile: $(why "$DIR/build.log") (log: ${DIR#"$TOP"/}/build.log)"
else
	printf '%s\n' "$key" >"$DIR/.passed"
	result PASS "$name"
fi
lane_end
