#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make bench: what the typed list costs and saves, unpatched and converted kernel in alternation. A
# failure if a bar is missed that expect/bench.txt does not give a reason for. Table and plots: out/bench.
#   paths    scripts/bench-paths.sh: faults, instructions and bytes of programs and drivers, in QEMU
#   faults   bench/cpu_access.c's page faults in User Mode Linux
#   counted  table and verdicts of both
#   times    the time to fill GPU page tables from the list and from an sg_table (bench/pgtable_fill.c),
#            in a User Mode Linux of its own, made for speed (configs/bench.config), and to import into
#            panfrost with the model of a Mali (bench/panfrost_open.c)
# bench.sh PART...: just these. bench.sh record: puts what was measured into bench/RESULTS.md.
# RUNS, PAIRS: how many runs of fills and pairs of boots of imports. BENCH_ARCHS: of paths.
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
SVG=$DIR/fill.svg
RECORD=$TOP/bench/RESULTS.md
UM=$BUILD/um-bench
MODULE=$BUILD/bench

# bench_kernel: the kernel, and what modules need of it.
bench_kernel() {
	local key
	BASE='' CONFIG='' "$TOP/scripts/source.sh"
	mkdir -p "$UM"
	exec 8>"$UM/.lock"
	flock 8
	key=$({ state_key "$LINUX"; cat "$TOP/configs/bench.config" "$TOP/scripts/tree.sh"; compilers; } | sha256sum)
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

# bench_program NAME [GCC_OPTION]...: bench/NAME.c, static: this machine's C library is not the guest's.
bench_program() {
	need gcc libc6-dev libdrm-dev
	mkdir -p "$BUILD/bench"
	run "$BUILD/log/bench-$1.log" gcc -static -O2 -Wall -Wextra -Werror -I/usr/include/libdrm \
		-I"$TOP/igt-tests/compat" "${@:2}" -o "$BUILD/bench/$1" "$TOP/bench/$1.c"
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
	cp "$BUILD/bench/panfrost_open" "$dir/"
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

# faults: boots alternate, and the second of a kernel has to count the same.
faults() {
	local name dir kernel
	converted_kernel
	unpatched_kernel
	"$TOP/scripts/guest.sh"
	bench_program cpu_access -pthread
	stage "bench: page faults in User Mode Linux"
	rm -rf "$DIR/paths/um-faults"
	mkdir -p "$DIR/paths/um-faults"
	bench_tree >"$DIR/paths/um-faults/tree"
	for name in unpatched-1 converted-1 converted-2 unpatched-2; do
		dir=$DIR/paths/um-faults/$name kernel=$CONVERTED
		case $name in unpatched-*) kernel=$UNPATCHED ;; esac
		mkdir -p "$dir"
		cp "$BUILD/bench/cpu_access" "$dir/"
		"$TOP/scripts/boot.sh" -k "$kernel" -o "$dir" -t 120 guest/bench.sh faults ||
			die "cpu_access did not run on the ${name%-*} kernel" "$dir/console.log"
	done
}

# verdicts FILE: a line for each bar.
verdicts() {
	local verdict name reason
	while IFS=$'\t' read -r verdict name reason; do
		result "$verdict" "$name" "$reason"
	done <"$1"
}

evaluate() { "$TOP/scripts/bench_results.py" "$DIR" "$SVG" "$TOP/expect/bench.txt" "$DIR/verdicts" >"$DIR/table"; }

# slow WHAT: is one of the times too long? Where others compute, too, that may be by chance.
slow() { grep -qE "^FAIL[[:space:]]$1" "$DIR/verdicts"; }

# times: what is timed in User Mode Linux.
times() {
	converted_kernel
	unpatched_kernel
	"$TOP/scripts/guest.sh"
	"$TOP/scripts/mali.sh"
	bench_kernel
	bench_module
	bench_program panfrost_open
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
	verdicts "$DIR/verdicts"
}

# paths: what is counted in QEMU.
paths() {
	local archs
	read -ra archs <<<"${BENCH_ARCHS:-}"
	"$TOP/scripts/bench-paths.sh" "${archs[@]}"
}

# counted: table and verdicts of what faults and paths have counted.
counted() {
	"$TOP/scripts/bench_paths.py" "$DIR/paths" "$DIR/paths" "$TOP/expect/bench.txt" "$DIR/paths.verdicts" >"$DIR/paths.md"
	verdicts "$DIR/paths.verdicts"
	note "table: $DIR/paths.md"
}

pictures() {
	local svg
	need librsvg2-bin fonts-dejavu-core
	for svg in "$DIR"/*.svg; do
		[ ! -e "$svg" ] || run "$BUILD/log/bench-png.log" rsvg-convert -o "${svg%.svg}.png" "$svg"
	done
	note "plots: $DIR/*.png"
}

# record: what is below the mark in bench/RESULTS.md.
record() {
	local commit file
	for file in table paths.md; do [ -s "$DIR/$file" ] || die "a record is of all: bench.sh, then bench.sh record"; done
	commit=$(git -C "$TOP" describe --always --dirty --abbrev=12)
	sed -i '/^<!-- bench.sh record -->$/q' "$RECORD"
	{
		echo
		echo "Commit $commit, kernel $KERNEL_VERSION, $(gcc --version | head -n1)," \
			"$(qemu-system-x86_64 --version | head -n1)."
		echo
		echo "## Bars that are missed"
		echo
		sed -n 's/^PASS\t\([^\t]*\)\t\(.*; known to be up to .*\)$/- \1: \2/p; s/^FAIL\t\([^\t]*\)\t/- **\1**: /p' \
			"$DIR"/*verdicts
		echo
		echo "## Counted: unpatched → converted (ratio)"
		cat "$DIR/paths.md"
		printf '\n## Timed in User Mode Linux\n\n'
		sed 's/^/    /; s/ *$//' "$DIR/table"
	} >>"$RECORD"
}

if [ "${1:-}" = record ]; then
	record
	exit
fi
lane bench
mkdir -p "$DIR"
[ $# -gt 0 ] || set -- paths faults counted times
for part; do
	case $part in
	paths | faults | counted | times) "$part" ;;
	*) die "what is $part? There are paths, faults, counted and times" ;;
	esac
done
pictures
stage "bench: done"
lane_end
