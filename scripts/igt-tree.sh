#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make igt-tree IGT=/path/to/igt-gpu-tools: are the tests of igt-tests/ built inside that IGT tree, by its meson and
# their meson.build, without a warning, and have they the same subtests as here? The tree is only read: what is built
# is a copy. The headers of igt-tests/compat stay out of it: that they say what IGT says is what this finds out.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

DIR=$BUILD/igt-tree
LOGS=$BUILD/log/igt-tree

# From then on igt_main() is a function.
OLDEST=2.5

check_tree() {
	local file version
	[ -n "${IGT:-}" ] || die "which IGT tree? make igt-tree IGT=/path/to/igt-gpu-tools"
	for file in meson.build lib/igt.h lib/igt_core.h tests/meson.build; do
		[ -f "$IGT/$file" ] || die "IGT=$IGT is no IGT tree: it has no $file"
	done
	IGT=$(cd "$IGT" && pwd)
	version=$(sed -n "s/^[[:space:]]*version *: *'\([0-9.]*\)'.*/\1/p" "$IGT/meson.build" | head -n1)
	printf '%s\n' "$OLDEST" "$version" | sort -CV || die "IGT=$IGT is IGT $version; the tests are written for $OLDEST or newer"
}

# copy: the tree without what its owner built, and our tests in it as igt-tests/README.md says.
copy() {
	local builds
	mkdir -p "$DIR/igt"
	mapfile -t builds < <(cd "$IGT" && find . -maxdepth 2 -name meson-info -printf '--exclude=%h\n')
	tar -C "$IGT" --exclude-vcs "${builds[@]}" -cf - . | tar -C "$DIR/igt" -xf -
	mkdir "$DIR/igt/tests/backing"
	cp "$TOP"/igt-tests/tests/* "$TOP/igt-tests/meson.build" "$DIR/igt/tests/backing/"
	sed -i "0,/^test_list_target/s//subdir('backing')\n\n&/" "$DIR/igt/tests/meson.build"
	grep -qx "subdir('backing')" "$DIR/igt/tests/meson.build" || die "$IGT/tests/meson.build has no test_list_target any more"
}

# verdict NAME: why it was not built, or what it has.
verdict() {
	local theirs=$DIR/build/tests/backing/$1 list=$DIR/$1.list warning
	warning=$(grep -m1 -E "tests/backing/$1\.c:.*(warning|error):" "$LOGS/ninja.log" || true)
	if ! ninja -C "$DIR/build" -t query "tests/backing/$1" >/dev/null 2>&1; then
		result FAIL "$1" "igt-tests/meson.build does not name it"
	elif [ -n "$warning" ] || [ ! -x "$theirs" ]; then
		result FAIL "$1" "${warning:-$(why "$LOGS/ninja.log")} (log: $LOGS/ninja.log)"
	elif ! timeout 60 "$theirs" --list-subtests >"$list" 2>"$LOGS/$1.log" </dev/null; then
		result FAIL "$1" "--list-subtests: $(why "$LOGS/$1.log") (log: $LOGS/$1.log)"
	elif ! diff "$list.here" "$list" >"$LOGS/$1.log"; then
		result FAIL "$1" "other subtests than here: $(sed -n 2p "$LOGS/$1.log") (log: $LOGS/$1.log)"
	else
		result PASS "$1" "$(wc -l <"$list") subtests"
	fi
}

lane igt-tree
check_tree
need gcc libc6-dev libdrm-dev make pkg-config meson ninja-build ccache bison flex libcairo2-dev libdw-dev \
	libglib2.0-dev libkmod-dev libpciaccess-dev libpixman-1-dev libproc2-dev libudev-dev zlib1g-dev
rm -rf "$DIR" "$LOGS"
mkdir -p "$DIR" "$LOGS"
run "$BUILD/log/igt-tests.log" make -C "$TOP/igt-tests" -j "$JOBS" "O=$BUILD/igt-tests" all
copy
stage "igt-tree: a copy of $IGT with tests/backing"
CC="ccache gcc" run "$LOGS/meson.log" meson setup --auto-features=disabled -Dtests=enabled "$DIR/build" "$DIR/igt"
mapfile -t tests < <(find "$TOP/igt-tests/tests" -name '*.c' ! -name '*_lib.c' -printf '%f\n' | sed 's/\.c$//' | sort)
stage "igt-tree: ${#tests[@]} tests and IGT's library"
# Who of them failed, and why, is for verdict to say.
ninja -C "$DIR/build" -k 0 -j "$JOBS" "${tests[@]/#/tests/backing/}" >"$LOGS/ninja.log" 2>&1 </dev/null || true
for test in "${tests[@]}"; do
	"$BUILD/igt-tests/$test" --list-subtests >"$DIR/$test.list.here" || die "build/igt-tests/$test --list-subtests failed"
	verdict "$test"
done
lane_end
