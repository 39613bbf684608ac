#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# qemu-kernel.sh ARCH [OUT]: the kernel that QEMU boots, build[/base]/qemu-ARCH/image. BASE=1: of the
# unpatched tree. Images are kept in the cache under the hash of what they are made of. With OUT, one
# to count in (configs/qemu-bench.config) is OUT/image, and the modules of bench/ for it are beside it.
# Beside an image without is fail_function.ko, guest/fail_function.c for it, where kernels have what that takes.
# CONFIG=kcsan: KCSAN watches the floors and what is around them.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

[ $# -gt 0 ] || die "which architecture: arm64, arm or x86_64?"
ARCH=$1
BENCH=${2:-}
IMAGE=$(qemu_image "$ARCH")
KEPT=$CACHE/qemu-image

# configure DIR FRAGMENT...
configure() {
	kernel_packages
	cross_packages "$ARCH"
	kconfig "$1" "$ARCH" tinyconfig "${@:2}"
}

# compiler: the one that kbuild takes; others come and go.
compiler() {
	case $ARCH in
	arm64) aarch64-linux-gnu-gcc -v 2>&1 ;;
	arm) arm-linux-gnueabihf-gcc -v 2>&1 ;;
	*) gcc -v 2>&1 ;;
	esac
}

# compile DIR FRAGMENT...
compile() {
	local dir=$1
	stage "qemu-kernel: $ARCH -> ${dir#"$TOP"/}"
	rm -f "$dir/image"
	configure "$@"
	run "$dir/build.log" kbuild "$dir" "$ARCH" "${WATCHED[@]}" "${IMAGE##*/}"
	stage "qemu-kernel: $(grep -c 'warning:' "$dir/build.log" || true) warnings, log ${dir#"$TOP"/}/build.log"
}

# modules SOURCE OUT DIR FRAGMENT...: the image may come from the cache, so that nobody can tell modpost what it has.
modules() {
	local source=$1 out=$2 dir=$3 log=$BUILD/log/$1-modules-$ARCH${BASE:+-base}.log
	configure "${@:3}"
	run "$dir/prepare.log" kbuild "$dir" "$ARCH" modules_prepare
	run "$log" kbuild_outside "$dir" "$ARCH" "$source" "$out" KBUILD_MODPOST_WARN=1 modules
}

# fail_function DIR KEY FRAGMENT...
fail_function() {
	local dir=$1 kept
	kept=$KEPT/fail_function-$ARCH${BASE:+base}${CONFIG:-}-$(
		{ echo "$2"; cat "$TOP"/guest/{Kbuild,fail_*}; } | sha256sum | cut -c1-24
	)
	if [ ! -s "$kept" ]; then
		stage "qemu-kernel: guest/fail_function.c for ${dir#"$TOP"/}"
		modules guest "$dir/guest" "$dir" "${@:3}"
		keep "$dir/guest/fail_function.ko" "$kept"
	fi
	ln -sfn "$kept" "$dir/fail_function.ko"
	touch -a "$kept"
}

"$TOP/scripts/source.sh"
dir=$(qemu_dir "$ARCH")
fragments=("$TOP/configs/qemu-common.config" "$TOP/configs/qemu-$ARCH.config")
[ -n "${BASE:-}" ] || fragments+=("$TOP/configs/qemu-patched.config")
if [ -n "$BENCH" ]; then
	dir=${dir%/*}/bench-$ARCH
	fragments+=("$TOP/configs/qemu-bench.config")
fi
WATCHED=()
if [ -n "${CONFIG:-}" ]; then
	fragments+=("$TOP/configs/$CONFIG.config")
	mapfile -t WATCHED < <(instrumented KCSAN_SANITIZE "${FLOORS[@]}" "${AROUND[@]}" \
		virtgpu_{gem,object,prime,vq,vram})
	WATCHED+=(KCSAN_SANITIZE=n)
fi
mkdir -p "$dir"
exec 8>"$dir/.lock"
flock 8
cross_packages "$ARCH"
key=$({ state_key "$dir/../linux"; cat "${fragments[@]}" "$TOP/scripts/tree.sh"; printf '%s\n' "${WATCHED[@]}"; compiler; } | sha256sum | cut -c1-24)
kept=$KEPT/${BENCH:+bench}$ARCH${BASE:+base}${CONFIG:-}-$key
if [ ! -s "$kept" ]; then
	compile "$dir" "${fragments[@]}"
	keep "$dir/$IMAGE" "$kept"
fi
ln -sfn "$kept" "$dir/image"
touch -a "$kept"
if [ -n "$BENCH" ]; then
	mkdir -p "$BENCH"
	cp "$kept" "$BENCH/image"
	modules bench "$BENCH" "$dir" "${fragments[@]}"
elif grep -qx CONFIG_KPROBES=y "${fragments[@]}"; then
	fail_function "$dir" "$key" "${fragments[@]}"
fi
