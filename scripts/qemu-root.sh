#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# qemu-root.sh ARCH: the guest's root for a kernel of that architecture, build/qemu-root-ARCH.cpio:
# Debian's busybox, libc and libdrm (unpacked, nothing of them runs here), our tests of igt-tests/
# and guest/qemu-init. With the module for a kernel that is built here it is root.cpio beside that.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

[ $# = 1 ] || die "which architecture: arm64, arm or x86_64?"
ARCH=$1
case $ARCH in
arm64) DEB=arm64 TRIPLET=aarch64-linux-gnu CROSS=aarch64-linux-gnu- LIBC=libc6-dev-arm64-cross ;;
arm) DEB=armhf TRIPLET=arm-linux-gnueabihf CROSS=arm-linux-gnueabihf- LIBC=libc6-dev-armhf-cross ;;
x86_64) DEB=amd64 TRIPLET=x86_64-linux-gnu CROSS='' LIBC=libc6-dev ;;
*) die "no root for $ARCH" ;;
esac
PACKAGES=("busybox-static=$BUSYBOX_VERSION" "libdrm2=$LIBDRM_VERSION" libdrm-common= libc6= libgcc-s1=)
ROOT=$CACHE/qemu-root/$DEB-$(printf '%s\n' "$GUEST_SUITE" "${PACKAGES[@]}" | sha256sum | cut -c1-12)
TESTS=$BUILD/igt-tests-$ARCH
CPIO=$BUILD/qemu-root-$ARCH.cpio

fetch() {
	local p log=$BUILD/log/qemu-root-$ARCH.log offered names=()
	stage "qemu-root: $DEB packages of $GUEST_SUITE"
	APT_ARCH=$DEB private_apt "$GUEST_SUITE"
	for p in "${PACKAGES[@]}"; do
		offered=$(offered "${p%%=*}")
		[ -z "${p#*=}" ] || matches "$offered" "${p#*=}" ||
			die "$GUEST_SUITE has ${p%%=*} ${offered:-nowhere}, pins.mk says ${p#*=}"
		names+=("${p%%=*}")
	done
	rm -rf "$ROOT.new"
	mkdir -p "$ROOT.new/debs"
	(cd "$ROOT.new/debs" && run "$log" env APT_CONFIG="$APT_CONF" apt-get download "${names[@]}")
	unpack "$ROOT.new"
	mv -T "$ROOT.new" "$ROOT" 2>/dev/null || rm -rf "$ROOT.new"
}

# Just what is needed: this is unpacked into memory at every boot.
unpack() {
	local deb lib=$1/root/usr/lib/$TRIPLET
	for deb in "$1"/debs/*.deb; do dpkg-deb -x "$deb" "$1/all"; done
	mkdir -p "$1/root/usr/bin" "$lib" "$1/root/usr/lib64"
	(cd "$1/all" && cp -aL usr/bin/busybox "$1/root/usr/bin/")
	for deb in libc.so.6 libm.so.6 libpthread.so.0 libdrm.so.2 libgcc_s.so.1; do
		cp -L "$1/all/usr/lib/$TRIPLET/$deb" "$lib/"
	done
	(cd "$1/all/usr" && find lib lib64 -maxdepth 1 -name 'ld-linux*' -exec cp -L --parents {} "$1/root/usr/" \; 2>/dev/null) || true
	ls "$1"/root/usr/lib*/ld-linux* >/dev/null || die "no loader in the $DEB packages"
	ln -s usr/bin "$1/root/bin"
	ln -s usr/lib "$1/root/lib"
	ln -s usr/lib64 "$1/root/lib64"
	rm -rf "$1/all"
	touch "$1/made"
}

tests() {
	need libdrm-dev pkg-config make gcc "$LIBC"
	[ -z "$CROSS" ] || cross_packages "$ARCH"
	run "$BUILD/log/igt-tests-$ARCH.log" make -C "$TOP/igt-tests" "O=$TESTS" "CC=${CROSS}gcc" PANFROST_TESTS= \
		"LIBS=$ROOT/root/usr/lib/$TRIPLET/libdrm.so.2 -Wl,--allow-shlib-undefined -pthread" all
}

pack() {
	local new=$BUILD/qemu-root-$ARCH.new
	need cpio
	rm -rf "$new"
	cp -a "$ROOT/root" "$new"
	mkdir -p "$new/tests" "$new/dev" "$new/proc" "$new/sys" "$new/tmp"
	find "$TESTS" -maxdepth 1 -type f -executable -exec cp {} "$new/tests/" \;
	"${CROSS}strip" "$new"/tests/*
	cp "$TOP/guest/qemu-init" "$new/init"
	# The same files make the same root, by which a boot of the unpatched kernel is known again.
	find "$new" -exec touch -h -d @0 {} +
	(cd "$new" && find . | LC_ALL=C sort | cpio --quiet --reproducible -R 0:0 -o -H newc) >"$CPIO.new"
	mv "$CPIO.new" "$CPIO"
	rm -rf "$new"
}

# with_module DIR: the kernel unpacks one archive after the other.
with_module() {
	local new=$1/root.new
	rm -rf "$new"
	mkdir -p "$new/modules"
	cp -L "$1/fail_function.ko" "$new/modules/"
	find "$new" -exec touch -h -d @0 {} +
	{
		cat "$CPIO"
		(cd "$new" && find modules | LC_ALL=C sort | cpio --quiet --reproducible -R 0:0 -o -H newc)
	} >"$1/root.cpio"
	rm -rf "$new"
}

if [ ! -e "$ROOT/made" ]; then fetch; fi
tests
pack
for base in '' 1; do
	dir=$(BASE=$base qemu_dir "$ARCH")
	[ ! -e "$dir/fail_function.ko" ] || with_module "$dir"
done
