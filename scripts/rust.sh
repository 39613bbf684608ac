#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make rust: compile the Rust binding of the shmem helper and tyr, its user, for arm64, in a
# Debian chroot whose rustc, bindgen and LLVM the kernel accepts. Not part of make test.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

PACKAGES=rustc,rust-src,bindgen,rustfmt,clang,llvm,lld,gcc,make,bc,bison,flex,libelf-dev,libssl-dev,python3,kmod,ccache,libc6-dev
ROOT=$CACHE/rust/$RUST_SUITE
DIR=$BUILD/rust

# chroot_root: made once; complete only if it got to the end.
chroot_root() {
	[ ! -e "$ROOT.complete" ] || return 0
	need mmdebstrap
	stage "chroot with $RUST_SUITE's rustc"
	rm -rf "$ROOT"
	mkdir -p "$(dirname "$ROOT")"
	run "$BUILD/log/rust-chroot.log" as_root mmdebstrap --variant=apt --include="$PACKAGES" \
		--aptopt='Acquire::Check-Valid-Until "false"' "$RUST_SUITE" "$ROOT" "$(mirror)"
	touch "$ROOT.complete"
}

# inside: what runs in the chroot, in a mount namespace of its own.
inside() {
	cat <<'SH'
set -e
cd /linux
make -s O=/o rustavailable
make -s O=/o allnoconfig
scripts/kconfig/merge_config.sh -m -O /o /o/.config /o/rust.config
make -s O=/o olddefconfig
grep -x CONFIG_DRM_TYR=y /o/.config
make O=/o -j"$JOBS" prepare drivers/gpu/drm/tyr/
SH
}

compile() {
	as_root unshare -m sh -ec "
		mount --bind '$LINUX' '$ROOT/linux'
		mount --bind '$DIR' '$ROOT/o'
		mount -t proc proc '$ROOT/proc'
		exec chroot '$ROOT' env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/o ARCH=arm64 LLVM=1 JOBS=$JOBS \\
			GIT_CEILING_DIRECTORIES=/ sh -c '$(inside)'"
}

lane rust
"$TOP/scripts/source.sh"
can_root || die "a chroot needs root or sudo"
chroot_root
mkdir -p "$DIR"
as_root mkdir -p "$ROOT/linux" "$ROOT/o"
cp "$TOP/configs/rust.config" "$DIR/rust.config"
stage "arm64, LLVM: the Rust binding and tyr"
if compile >"$DIR/build.log" 2>&1 && ! grep -q '^warning' "$DIR/build.log"; then
	result PASS tyr
else
	result FAIL tyr "$(why "$DIR/build.log") (log: build/rust/build.log)"
fi
lane_end
