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

# keep IMAGE KEPT: for the next clone; what was not used for long goes.
keep() {
	mkdir -p "$KEPT"
	cp "$1" "$2.new.$$"
	mv "$2.new.$$" "$2"
	find "$KEPT" -maxdepth 1 -name "$ARCH-*" -printf '%A@ %p\n' | sort -rn | sed '1,8d; s/^[^ ]* //' | xargs -r rm -f
}

"$TOP/scripts/source.sh"
dir=$(qemu_dir "$ARCH")
fragments=("$TOP/configs/qemu-common.config" "$TOP/configs/qemu-$ARCH.config")
[ -n "${BASE:-}" ] || fragments+=("$TOP/configs/qemu-patched.config")
mkdir -p "$dir"
exec 8>"$dir/.lock"
flock 8
key=$({ state_key "$dir/../linux"; cat "${fragments[@]}" "$TOP/scripts/tree.sh"; } | sha256sum | cut -c1-24)
kept=$KEPT/$ARCH-$key
if [ ! -s "$kept" ]; then
	compile "$dir" "${fragments[@]}"
	keep "$dir/$IMAGE" "$kept"
fi
ln -sfn "$kept" "$dir/image"
touch -a "$kept"
