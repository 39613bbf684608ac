#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# qemu-kernel.sh ARCH: the kernel that QEMU boots, build[/base]/qemu-ARCH/image. BASE=1: of the
# unpatched tree. Images are kept in the cache under the hash of what they are made of.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

[ $# = 1 ] || die "which architecture: arm64, arm or x86_64?"
ARCH=$1
IMAGE=$(qemu_image "$ARCH")
KEPT=$CACHE/qemu-image

# compile DIR FRAGMENT...
compile() {
	local dir=$1
	shift
	kernel_packages
	cross_packages "$ARCH"
	stage "qemu-kernel: $ARCH -> ${dir#"$TOP"/}"
	rm -f "$dir/image"
	kconfig "$dir" "$ARCH" tinyconfig "$@"
	run "$dir/build.log" kbuild "$dir" "$ARCH" "${IMAGE##*/}"
	stage "qemu-kernel: $(grep -c 'warning:' "$dir/build.log" || true) warnings, log ${dir#"$TOP"/}/build.log"
}

"$TOP/scripts/source.sh"
dir=$(qemu_dir "$ARCH")
fragments=("$TOP/configs/qemu-common.config" "$TOP/configs/qemu-$ARCH.config")
[ -n "${BASE:-}" ] || fragments+=("$TOP/configs/qemu-patched.config")
mkdir -p "$dir"
exec 8>"$dir/.lock"
flock 8
cross_packages "$ARCH"
key=$({ state_key "$dir/../linux"; cat "${fragments[@]}" "$TOP/scripts/tree.sh"; compilers; } | sha256sum | cut -c1-24)
kept=$KEPT/$ARCH${BASE:+base}-$key
if [ ! -s "$kept" ]; then
	compile "$dir" "${fragments[@]}"
	keep "$dir/$IMAGE" "$kept"
fi
ln -sfn "$kept" "$dir/image"
touch -a "$kept"
