#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make bench: what the typed list costs a GPU driver, against today's sg_table. Filling page tables
# (bench/pgtable_fill.c), in a User Mode Linux of its own, made for speed (configs/bench.config); and
# imports into panfrost (bench/panfrost_open.c) on both kernels with the model of a Mali, boots
# alternating. A table, out/bench.svg, and a failure if the list is slower, calls map_pages() more
# often, makes smaller blocks or takes more memory.
# RUNS, PAIRS: how many runs of the former and pairs of boots of the latter.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
# shellcheck source=scripts/guest-lane.sh
. "$(dirname "$0")/guest-lane.sh"

RUNS=${RUNS:-301}
PAIRS=${PAIRS:-9}
DIR=$OUT/bench
SVG=$OUT/bench.svg
UM=$BUILD/um-bench
MODULE=$BUILD/bench
PROGRAM=$BUILD/bench/panfrost_open

# bench_kernel: the kernel, and what modules need of it.
bench_kernel() {
	local key
	BASE='' CONFIG='' "$TOP/scripts/source.sh"
	mkdir -p "$UM"
	exec 8>"$UM/.lock"
	flock 8
	key=$({ state_key "$LINUX"; cat "$TOP/configs/bench.config" "$TOP/scripts/tree.sh"; } | sha256sum)
	if [ -x "$UM/linux" ] && [ "$(cat "$UM/.built" 2>/dev/null)" = "$key" ]; then return; fi
	kernel_packages
	stage "kernel for timing -> ${UM#"$TOP"/}/linux"
	rm -f "$UM/.built"
	kconfig "$UM" um allnoconfig "$TOP/configs/bench.config"
	run "$UM/build.log" kbuild "$UM" um linux modules
	printf '%s\n' "$key" >"$UM/.built"
}

# bench_module: modules are built by the kernel's own makefile, in a directory of their own.
bench_module() {
	mkdir -p "$MODULE"
	run "$BUILD/log/bench-module.log" make --no-print-directory -C "$UM" ARCH=um "CC=ccache gcc" \
		LOCALVERSION= M="$TOP/bench" MO="$MODULE" modules
}

bench_program() {
	need gcc libc6-dev libdrm-dev
	mkdir -p "${PROGRAM%/*}"
	run "$BUILD/log/bench-program.log" gcc -static -O2 -Wall -Wextra -Werror -I/usr/include/libdrm \
		-I"$TOP/igt-tests/compat" -o "$PROGRAM" "$TOP/bench/panfrost_open.c"
}

# fill: the module's numbers, in out/bench/fill.
fill() {
	stage "bench: page table fills, $RUNS alternating runs"
	rm -rf "$DIR/fill"
	mkdir -p "$DIR/fill"
	cp "$MODULE/pgtable_fill.ko" "$DIR/fill/"
	"$TOP/scripts/boot.sh" -k "$UM/linux" -o "$DIR/fill" -t 300 guest/bench.sh fill "runs=$RUNS" ||
		die "pgtable_fill did not run" "$DIR/fill/console.log"
}

# imports NAME KERNEL: one boot's numbers, in out/bench/open/NAME.
imports() {
	local dir=$DIR/open/$1
	mkdir -p "$dir"
	cp "$PROGRAM" "$dir/"
	"$TOP/scripts/boot.sh" -k "$2" -o "$dir" -t 60 -a "dtb=$BUILD/mali/t860.dtb" guest/bench.sh open ||
		die "panfrost_open did not run on the ${1%-*} kernel" "$dir/console.log"
}

pairs() {
	local n
	stage "bench: imports into panfrost, $PAIRS pairs of boots"
	rm -rf "$DIR/open"
	for n in $(seq "$PAIRS"); do
		if [ $((n % 2)) = 0 ]; then imports "converted-$n" "$CONVERTED"; fi
		imports "unpatched-$n" "$UNPATCHED"
		if [ $((n % 2)) = 1 ]; then imports "converted-$n" "$CONVERTED"; fi
	done
}

evaluate() { "$TOP/scripts/bench_results.py" "$DIR" "$SVG" "$DIR/verdicts" >"$DIR/table"; }

# slow WHAT: is one of the times too long? Where others compute, too, that may be by chance.
slow() { grep -qE "^FAIL[[:space:]]$1" "$DIR/verdicts"; }

lane bench
converted_kernel
unpatched_kernel
"$TOP/scripts/guest.sh"
"$TOP/scripts/mali.sh"
bench_kernel
bench_module
bench_program
fill
pairs
evaluate
if slow '(fill-|single-|open[[:space:]])'; then
	note "slower than it may be, once more: $(grep -E '^FAIL' "$DIR/verdicts" | cut -f2 | xargs)"
	fill
	pairs
	evaluate
fi
cat "$DIR/table"
echo
while IFS=$'\t' read -r verdict name reason; do
	result "$verdict" "$name" "$reason"
done <"$DIR/verdicts"
note "picture: $SVG"
stage "bench: done"
lane_end
