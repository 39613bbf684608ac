#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# bench-paths.sh [ARCH]...: what drivers and programs do with buffers, counted in faults, instructions and
# bytes (bench/gem_paths.c, bench/cpu_access.c), on both kernels in QEMU with -icount, without an IOMMU
# and behind one. Boots alternate; the second of a kernel has to count the same as the first. Without
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

# machines ARCH: without an IOMMU, behind one, and with a device whose driver is TTM's.
machines() {
	case $1 in
	x86_64) echo direct iommu ttm ;;
	*) echo direct iommu ;;
	esac
}

# machine ARCH MACHINE: sets QEMU and APPEND.
machine() {
	QEMU=(-icount "shift=0,sleep=off" -seed 1 -rtc "base=2026-01-01,clock=vm" -smp 1 -m 4096 -nodefaults)
	APPEND="kunit.enable=0 nokaslr norandmaps loglevel=4 drm_client_lib.active=none"
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
	iommu) APPEND+=" BENCH_ONLY=module BENCH_SIZES=$SIZES_IOMMU" ;;
	ttm) APPEND+=" BENCH_ONLY=ttm BENCH_SIZES=$SIZES_IOMMU" ;;
	direct) APPEND+=" BENCH_SIZES=$SIZES" ;;
	esac
	QEMU+=(-device edu -device edu)
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

# code ARCH DIR: bytes of code by object file.
code() {
	run "$BUILD/log/bench-code-$1.log" kbuild "$2" "$1" drivers/gpu/drm/ drivers/dma-buf/ kernel/dma/
	(cd "$2" && find drivers/gpu/drm drivers/dma-buf kernel/dma -name '*.o' ! -name 'built-in*' ! -path '*test*' \
		! -path '*kunit*' ! -path '*selftest*' -exec size {} + | awk 'NR > 1 && $1 != "text" { print $6, $1 }' | sort)
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
for arch in "${ARCHS[@]}"; do
	case $arch in
	x86_64) need qemu-system-x86 python3 ;;
	*) need qemu-system-arm python3 ;;
	esac
	mkdir -p "$ROOTS/$arch"
	rm -rf "$DIR/$arch"-*
	cross_packages "$arch"
	program "$arch"
	kernel "$arch" unpatched
	kernel "$arch" converted
	for machine in $(machines "$arch"); do
		machine "$arch" "$machine"
		for name in unpatched-1 converted-1 converted-2 unpatched-2; do
			stage "bench: $arch, $machine, $name"
			boot "$arch" "$machine" "${name%-*}" "${name#*-}"
		done
	done
done
