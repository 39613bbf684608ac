#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# bench-paths.sh [ARCH]...: what drivers and programs do with buffers, counted in faults, instructions and
# bytes (bench/gem_paths.c, bench/cpu_access.c), on both kernels in QEMU with -icount, without an IOMMU
# and behind one. The second boot of a kernel has to count the same as the first. Without
# ARCH: x86_64 and arm64. Numbers: out/bench/paths; verdicts, table and plots: out/bench/.
# BENCH_SIZES: KiB, separated by commas.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

DIR=$OUT/bench/paths
ROOTS=$BUILD/bench-roots
SIZES=${BENCH_SIZES:-64,1024,65536,131072,1048576}
SIZES_IOMMU=${BENCH_SIZES:-64,1024,65536}
LIMIT=${BENCH_LIMIT:-1800}

# machines ARCH: without an IOMMU, behind one, with devices that do not see the CPU's caches, and with one
# whose driver is TTM's.
machines() {
	case $1 in
	x86_64) echo direct iommu ttm ;;
	*) echo direct iommu noncoherent ;;
	esac
}

# machine ARCH MACHINE: sets QEMU and APPEND.
machine() {
	QEMU=(-icount "shift=0,sleep=off" -seed 1 -rtc "base=2026-01-01,clock=vm" -smp 1 -m 4096 -nodefaults)
	APPEND="kunit.enable=0 nokaslr norandmaps loglevel=4 panic_on_warn=1 drm_client_lib.active=none"
	case $1/$2 in
	x86_64/*)
		# One instruction clears a page; counted would be each of its bytes.
		QEMU=(qemu-system-x86_64 -M q35 -cpu "max,-erms,-rdrand,-rdseed" "${QEMU[@]}")
		APPEND+=" console=ttyS0 tsc=reliable"
		;;
	arm64/iommu) QEMU=(qemu-system-aarch64 -M "virt,gic-version=3,dtb-randomness=off,iommu=smmuv3" "${QEMU[@]}") ;;
	arm64/*) QEMU=(qemu-system-aarch64 -M "virt,gic-version=3,dtb-randomness=off" "${QEMU[@]}") ;;
	esac
	case $1/$2 in
	x86_64/iommu) QEMU+=(-device "intel-iommu,intremap=off") ;;
	x86_64/ttm) QEMU+=(-device qxl) ;;
	arm64/*) QEMU+=(-cpu "cortex-a57,cntfrq=1000000000") APPEND+=" console=ttyAMA0" ;;
	esac
	case $2 in
	iommu | noncoherent) APPEND+=" BENCH_ONLY=module BENCH_SIZES=$SIZES_IOMMU" ;;
	ttm) APPEND+=" BENCH_ONLY=ttm BENCH_SIZES=$SIZES_IOMMU" ;;
	direct) APPEND+=" BENCH_SIZES=$SIZES" ;;
	esac
	QEMU+=(-device edu -device edu)
	case $2 in noncoherent) noncoherent "$DIR/$1-$2" ;; esac
}

# noncoherent DIR: the machine's own device tree, less a property.
noncoherent() {
	need device-tree-compiler
	mkdir -p "$1"
	qemu_dts "$1" "${QEMU[@]}" | cat - "$TOP/guest/qemu-noncoherent.dts" >"$1/part.dts"
	compile_dts "$1"
	QEMU+=(-dtb "$1/part.dtb")
}

# program ARCH: the first process.
program() {
	local cc=gcc
	case $1 in arm64) cc=aarch64-linux-gnu-gcc && need libc6-dev-arm64-cross ;; esac
	need gcc libc6-dev libdrm-dev
	run "$BUILD/log/bench-program-$1.log" "$cc" -static -O2 -Wall -Wextra -Werror -pthread \
		-I/usr/include/libdrm -o "$ROOTS/$1/cpu_access" "$TOP/bench/cpu_access.c"
}

# root ARCH KERNEL: the root of one kernel: the program and the module.
root() {
	local dir=$ROOTS/$1/$2
	need cpio
	rm -rf "$dir/root"
	mkdir -p "$dir/root"
	cp "$ROOTS/$1/cpu_access" "$dir/root/init"
	cp "$dir/gem_paths.ko" "$dir/root/"
	find "$dir/root" -exec touch -h -d @0 {} +
	(cd "$dir/root" && find . | LC_ALL=C sort | cpio --quiet --reproducible -R 0:0 -o -H newc) >"$dir/root.cpio"
}

# sizes: bytes of code of the objects that it reads.
sizes() { xargs -r size | awk '$1 != "text" { print $6, $1 }' | sort; }

# code ARCH DIR: bytes of code by object file.
code() {
	run "$BUILD/log/bench-code-$1.log" kbuild "$2" "$1" drivers/gpu/drm/ drivers/dma-buf/ kernel/dma/
	(cd "$2" && find drivers/gpu/drm drivers/dma-buf kernel/dma -name '*.o' ! -name 'built-in*' ! -path '*test*' \
		! -path '*kunit*' ! -path '*selftest*' | sizes)
}

# driver_code NAME: the same of all drivers that the series edits, whether a kernel here has them or not, as the
# modules of arm64 that make check compiles, too.
driver_code() {
	local base='' dir objects
	case $1 in unpatched) base=base/ ;; esac
	dir=$BUILD/${base}size-arm64
	stage "bench: code of drivers, $1"
	mkdir -p "$dir" "$DIR/drivers-code"
	mapfile -t objects < <(git -C "$LINUX" diff --name-only --no-renames --diff-filter=M base HEAD -- 'drivers/*.c' | sed 's/c$/o/')
	compile_config "$dir" arm64
	# What Kconfig does not grant is not made.
	kbuild "$dir" arm64 W=1 -k "${objects[@]}" >"$BUILD/log/bench-drivers-$1.log" 2>&1 || true
	(cd "$dir" && for o in "${objects[@]}"; do [ ! -e "$o" ] || echo "$o"; done | sizes) >"$DIR/drivers-code/$1"
	[ -s "$DIR/drivers-code/$1" ] || die "nothing of drivers was compiled" "$BUILD/log/bench-drivers-$1.log"
}

# kernel ARCH NAME: image, module, root, sizes.
kernel() {
	local base=''
	case $2 in unpatched) base=1 ;; esac
	BASE=$base "$TOP/scripts/qemu-kernel.sh" "$1" "$ROOTS/$1/$2"
	root "$1" "$2"
	mkdir -p "$DIR/$1-code"
	code "$1" "$BUILD/${base:+base/}bench-$1" >"$DIR/$1-code/$2"
}

# boot ARCH MACHINE KERNEL NUMBER
boot() {
	local dir=$DIR/$1-$2/$3-$4
	mkdir -p "$dir"
	"$TOP/scripts/qemu_boot.py" "$dir/console.log" "$LIMIT" "${QEMU[@]}" -kernel "$ROOTS/$1/$3/image" \
		-initrd "$ROOTS/$1/$3/root.cpio" -append "$APPEND panic=-1" 2>"$dir/qemu.log" || true
	tr -d '\r' <"$dir/console.log" | sed -n 's/^bench: //p' >"$dir/counts"
	if grep -q '^failed' "$dir/counts" || ! grep -aq 'qemu: done' "$dir/console.log"; then
		die "$1-$2, the $3 kernel: $(grep -am1 -E 'bench: failed|gem_paths: failed|Kernel panic|BUG:' "$dir/console.log" || echo 'no end')" \
			"$dir/console.log"
	fi
}

ARCHS=("$@")
[ $# -gt 0 ] || ARCHS=(x86_64 arm64)
"$TOP/scripts/source.sh"
for arch in "${ARCHS[@]}"; do
	case $arch in
	x86_64) need qemu-system-x86 python3 ;;
	*) need qemu-system-arm python3 ;;
	esac
	mkdir -p "$ROOTS/$arch"
	rm -rf "$DIR/$arch"-*
	case $arch in arm64) rm -rf "$DIR/drivers-code" ;; esac
	cross_packages "$arch"
	program "$arch"
	for name in unpatched converted; do
		kernel "$arch" "$name"
		case $arch in arm64) driver_code "$name" ;; esac
	done
	for machine in $(machines "$arch"); do
		machine "$arch" "$machine"
		mkdir -p "$DIR/$arch-$machine"
		bench_tree >"$DIR/$arch-$machine/tree"
		for number in 1 2; do
			stage "bench: $arch, $machine, boot $number of both kernels"
			boot "$arch" "$machine" unpatched "$number" &
			other=$!
			boot "$arch" "$machine" converted "$number"
			wait "$other"
		done
	done
done
