#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make igt-tree IGT=/path/to/igt-gpu-tools: do the tests of igt-tests/ compile and link against that IGT tree, and
# have they the same subtests as here? The tree is only read: its owner has built it. The headers of igt-tests/compat
# stay out of it: that they say what IGT says is what this finds out.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

DIR=$BUILD/igt-tree
LOGS=$BUILD/log/igt-tree

# check_tree: sets OBJ and LIB, where the tree was built last and the library there.
check_tree() {
	local file so
	[ -n "${IGT:-}" ] || die "which IGT tree? make igt-tree IGT=/path/to/igt-gpu-tools"
	for file in meson.build lib/igt.h lib/igt_core.h tests/meson.build; do
		[ -f "$IGT/$file" ] || die "IGT=$IGT is no IGT tree: it has no $file"
	done
	IGT=$(cd "$IGT" && pwd)
	[[ $IGT != *[[:space:]]* ]] || die "IGT=$IGT has a blank in its path, make takes none: use a link"
	LIB=
	for so in "$IGT"/build*/lib/libigt.so; do
		if [ -f "$so" ] && { [ -z "$LIB" ] || [ "$so" -nt "$LIB" ]; }; then LIB=$so; fi
	done
	[ -n "$LIB" ] || die "IGT=$IGT is not built: it has no build*/lib/libigt.so; in it: meson setup build && ninja -C build"
	OBJ=${LIB%/lib/*}
	[ -f "$OBJ/compile_commands.json" ] || die "$OBJ was not made by meson: it has no compile_commands.json"
}

# make_tests TARGET...: against IGT's headers and library.
make_tests() {
	make -k -C "$TOP/igt-tests" "O=$DIR" "LIBIGT_SO=$LIB" "IGT_INCLUDES=@$DIR/flags" "CFLAGS=-O2 -g -Werror" \
		"LDFLAGS=${LDFLAGS:-} -Wl,-rpath,${LIB%/*}" "$@" </dev/null
}

# verdict NAME: why it was not built, or what it has.
verdict() {
	local theirs=$DIR/libigt/$1 list=$DIR/$1.list
	if ! make_tests "$theirs" >"$LOGS/$1.log" 2>&1; then
		result FAIL "$1" "$(why "$LOGS/$1.log") (log: $LOGS/$1.log)"
	elif ! timeout 60 "$theirs" --list-subtests >"$list" 2>"$LOGS/$1.log" </dev/null; then
		result FAIL "$1" "--list-subtests: $(why "$LOGS/$1.log") (log: $LOGS/$1.log)"
	elif ! diff "$list.here" "$list" >"$LOGS/$1.log"; then
		result FAIL "$1" "other subtests than here: $(sed -n 2p "$LOGS/$1.log") (log: $LOGS/$1.log)"
	elif ! grep -q "^	'$1',$" "$TOP/igt-tests/meson.build"; then
		result FAIL "$1" "igt-tests/meson.build does not name it"
	else
		result PASS "$1" "$(wc -l <"$list") subtests"
	fi
}

lane igt-tree
check_tree
need gcc libc6-dev libdrm-dev make pkg-config python3
# What an earlier run built, against other headers perhaps, does not count.
rm -rf "$DIR" "$LOGS"
mkdir -p "$DIR" "$LOGS"
run "$BUILD/log/igt-tests.log" make -C "$TOP/igt-tests" -j "$JOBS" "O=$BUILD/igt-tests" all
"$TOP/scripts/igt_flags.py" "$OBJ" >"$DIR/flags" 2>"$LOGS/flags.log" || die "$(why "$LOGS/flags.log")" "$LOGS/flags.log"
stage "igt-tree: our tests against $LIB"
# Side by side; who of them failed, and why, is for verdict to ask again.
make_tests -j "$JOBS" all >"$LOGS/all.log" 2>&1 || true
for test in "$TOP"/igt-tests/tests/*.c; do
	test=$(basename "$test" .c)
	case $test in *_lib) continue ;; esac
	"$BUILD/igt-tests/$test" --list-subtests >"$DIR/$test.list.here" || die "build/igt-tests/$test --list-subtests failed"
	verdict "$test"
done
lane_end
