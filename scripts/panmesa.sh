#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Mesa's panfrost driver for this machine's architecture, which Debian builds for Arm alone: EGL,
# GLES and GBM in build/panmesa/lib, where the guest finds them as /mnt/build/panmesa/lib. Built
# in a chroot from the pinned source, once; kept in the cache under the hash of what goes into it.
#
# LLVM compiles parts of it but is not in it, and there is no other driver: what draws is panfrost
# or nothing.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

PACKAGES=gcc,g++,meson,ninja-build,pkg-config,bison,flex,python3-mako,python3-yaml,python3-ply,python3-packaging,llvm-19-dev,libclang-19-dev,libclang-cpp19-dev,libclc-19,libclc-19-dev,libllvmspirvlib-19-dev,spirv-tools,glslang-tools,libdrm-dev,libelf-dev,libexpat1-dev,zlib1g-dev,libzstd-dev,libudev-dev
MESON=(--buildtype=release --prefix=/panmesa --libdir=lib -Db_ndebug=true -Dstrip=true
	-Dplatforms= -Dglx=disabled -Dglvnd=disabled -Degl=enabled -Dgbm=enabled
	-Dgles1=disabled -Dgles2=enabled -Dopengl=true -Dvulkan-drivers= -Dgallium-drivers=panfrost
	-Dvideo-codecs= -Dllvm=enabled -Ddraw-use-llvm=false -Dbuild-tests=false)
# What the guest's own Debian, which is newer, may not have under the same name.
EXTRA=(libdrm.so.2 libexpat.so.1 libz.so.1 libzstd.so.1)

LOG=$BUILD/log/panmesa.log
KEY=$(printf '%s\n' "$PANMESA_SUITE" "$PANMESA_SHA256" "$PACKAGES" "${MESON[@]}" "${EXTRA[@]}" \
	"$(dpkg --print-architecture)" | sha256sum | cut -c1-12)
DIR=$CACHE/panmesa/$KEY
ROOT=$BUILD/panmesa.root
SOURCE=$CACHE/downloads/mesa_$PANMESA_VERSION.orig.tar.xz

fetch() {
	local part=$SOURCE.part
	mkdir -p "${SOURCE%/*}"
	if printf '%s  %s\n' "$PANMESA_SHA256" "$SOURCE" | sha256sum -c --status 2>/dev/null; then return 0; fi
	stage "fetching Mesa $PANMESA_VERSION"
	private_apt "$PANMESA_SUITE"
	APT_CONFIG=$APT_CONF run "$LOG" /usr/lib/apt/apt-helper download-file \
		"$(mirror)/$PANMESA_POOL" "$part" "SHA256:$PANMESA_SHA256"
	mv "$part" "$SOURCE"
}

make_root() {
	need mmdebstrap debian-archive-keyring xz-utils
	stage "chroot with $PANMESA_SUITE's compilers"
	as_root rm -rf "$ROOT"
	run "$LOG" as_root mmdebstrap --variant=apt --include="$PACKAGES" --dpkgopt=path-exclude=/usr/share/doc/* \
		--aptopt='Acquire::Check-Valid-Until "false"' "$PANMESA_SUITE" "$ROOT" "$(mirror)"
	as_root mkdir "$ROOT/mesa"
	as_root tar -xf "$SOURCE" -C "$ROOT/mesa" --strip-components=1
}

# inside: what runs in the chroot.
inside() {
	cat <<'SH'
set -eu
cd /mesa
meson setup /o "$@"
ninja -C /o -j"$JOBS"
DESTDIR=/out ninja -C /o install
for lib in $EXTRA; do cp -L "/usr/lib/$(gcc -print-multiarch)/$lib" /out/panmesa/lib/; done
SH
}

build() {
	fetch
	make_root
	stage "compiling Mesa's panfrost driver (some minutes, once)"
	as_root unshare -m sh -ec "
		mount -t proc proc '$ROOT/proc'
		exec chroot '$ROOT' env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C.UTF-8 JOBS=$JOBS \\
			'EXTRA=${EXTRA[*]}' sh -s -- ${MESON[*]}" >"$LOG" 2>&1 < <(inside) ||
		die "Mesa: $(why "$LOG")" "$LOG"
	rm -rf "$DIR.new"
	mkdir -p "${DIR%/*}"
	as_root cp -a "$ROOT/out/panmesa" "$DIR.new"
	as_root chown -R "$(id -u):$(id -g)" "$DIR.new"
	rm -rf "$DIR.new/include" "$DIR.new/lib/pkgconfig"
	mv -T "$DIR.new" "$DIR" 2>/dev/null || rm -rf "$DIR.new"
	as_root rm -rf "$ROOT"
}

# The guest sees build/, not the cache.
link_tree() {
	[ "$(cat "$BUILD/panmesa/.key" 2>/dev/null)" != "$KEY" ] || return 0
	rm -rf "$BUILD/panmesa"
	cp -a --reflink=auto "$DIR" "$BUILD/panmesa"
	printf '%s\n' "$KEY" >"$BUILD/panmesa/.key"
}

mkdir -p "$BUILD/log"
[ -e "$DIR/lib/libgbm.so.1" ] || build
link_tree
stage "Mesa $PANMESA_VERSION panfrost, $(du -sm "$DIR" | cut -f1) MB ($DIR)"
