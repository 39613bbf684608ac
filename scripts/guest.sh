#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Makes the guest's root: a Debian directory with stock IGT, Mesa and kmscube, which
# scripts/boot.sh boots read-only. Kept below the cache under the hash of what went into it;
# build/guest points to it. With "test", also checks a boot's promises (lane "guest"). With "clients",
# it is another root, build/guest-clients, of what make clients runs.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# PACKAGE or PACKAGE=VERSION, the start of the upstream version that must be installed.
PACKAGES=(
	"libgl1-mesa-dri=$MESA_VERSION" "libegl-mesa0=$MESA_VERSION" "libgbm1=$MESA_VERSION"
	libegl1 libgles2 kmscube libdrm-tests
	mount kmod procps
)
# PACKAGE:FILE of packages that need many others for what nobody here uses.
FILES=()
case ${1:-} in
clients)
	NAME=guest-clients
	PACKAGES+=(
		"weston=$WESTON_VERSION" seatd glmark2-es2-drm "v4l-utils=$V4L_UTILS_VERSION"
		"gstreamer1.0-tools=$GSTREAMER_VERSION" gstreamer1.0-plugins-base libgudev-1.0-0
	)
	FILES=(
		gstreamer1.0-plugins-good:gstreamer-1.0/libgstvideo4linux2.so
		gstreamer1.0-plugins-bad:gstreamer-1.0/libgstkms.so
	)
	;;
*)
	NAME=guest
	PACKAGES=("$IGT_PKG=$IGT_VERSION" "${PACKAGES[@]}")
	;;
esac
NAMES=("${PACKAGES[@]%%=*}")

MMDEBSTRAP_OPTS=(
	--variant=essential --mode=root --format=directory
	--dpkgopt=path-exclude=/usr/share/man/*
	--dpkgopt=path-exclude=/usr/share/doc/*/*
	--dpkgopt=path-include=/usr/share/doc/*/copyright
	--dpkgopt=path-exclude=/usr/share/locale/*
)

LOG=$BUILD/log/$NAME.log
KEY=$(printf '%s\n' "$GUEST_SUITE" "$(dpkg --print-architecture)" "${PACKAGES[@]}" "${FILES[@]}" "${MMDEBSTRAP_OPTS[@]}" |
	sha256sum | cut -c1-12)
ROOT=$CACHE/guest/$KEY

# pinned COMMAND: COMMAND PACKAGE prints a version; every pinned one must match.
pinned() {
	local p version
	for p in "${PACKAGES[@]}"; do
		case $p in *=*) ;; *) continue ;; esac
		version=$("$1" "${p%%=*}")
		matches "$version" "${p#*=}" ||
			die "$GUEST_SUITE has ${p%%=*} ${version:-nowhere}, pins.mk says ${p#*=}: adapt pins.mk and expect/" "$LOG"
	done
}

present() { dpkg-query --admindir="$ROOT.new/var/lib/dpkg" -W -f '${Version}' "$1" 2>>"$LOG" || true; }

# bootstrap OPTION...: a new root at $ROOT.new.
bootstrap() {
	as_root rm -rf "$ROOT.new"
	mkdir -p "${ROOT%/*}" "${LOG%/*}"
	as_root mmdebstrap "${MMDEBSTRAP_OPTS[@]}" "$@" --include="$(IFS=,; echo "${NAMES[*]}")" \
		"$GUEST_SUITE" "$ROOT.new" "$(mirror)" >"$LOG" 2>&1 </dev/null
}

# add_files: those of FILES, into the new root.
add_files() {
	local one debs=$BUILD/$NAME.debs
	[ ${#FILES[@]} -gt 0 ] || return 0
	rm -rf "$debs"
	mkdir -p "$debs"
	for one in "${FILES[@]}"; do
		(cd "$debs" && run "$LOG" env APT_CONFIG="$APT_CONF" apt-get download "${one%%:*}")
		dpkg-deb --fsys-tarfile "$debs/${one%%:*}"_*.deb | as_root tar -x -C "$ROOT.new" --wildcards "*/${one#*:}" ||
			die "${one%%:*} has no ${one#*:}" "$LOG"
	done
	rm -rf "$debs"
}

build() {
	need mmdebstrap debian-archive-keyring
	stage "$NAME: $GUEST_SUITE from $(mirror)"
	private_apt "$GUEST_SUITE"
	pinned offered
	if ! bootstrap; then
		grep -qE 'is expired|not valid yet' "$LOG" || die "mmdebstrap failed: $(why "$LOG")" "$LOG"
		note "note: $GUEST_SUITE's Release file is out of its validity dates (an archive snapshot?); signature still checked"
		bootstrap '--aptopt=Acquire::Check-Valid-Until "false"' '--aptopt=Acquire::Check-Date "false"' ||
			die "mmdebstrap failed: $(why "$LOG")" "$LOG"
	fi
	pinned present
	add_files
	as_root touch "$ROOT.new/etc/guest-made"
	# Another make may have been faster; either root will do.
	as_root mv -T "$ROOT.new" "$ROOT" 2>/dev/null || as_root rm -rf "$ROOT.new"
}

# Every version in a file of build/: what results are compared and cached by.
describe() {
	local versions=$BUILD/$NAME.versions
	dpkg-query --admindir="$ROOT/var/lib/dpkg" -W >"$versions.new"
	cmp -s "$versions.new" "$versions" || cp "$versions.new" "$versions"
	rm "$versions.new"
	ln -sfn "$ROOT" "$BUILD/$NAME"
}

check() {
	local out=$OUT/guest changed
	# shellcheck source=scripts/tree.sh
	. "$TOP/scripts/tree.sh"
	# shellcheck source=scripts/guest-lane.sh
	. "$TOP/scripts/guest-lane.sh"
	lane guest
	converted_kernel
	if "$TOP/scripts/boot.sh" -k "$CONVERTED" -o "$out" -t 60 guest/selfcheck.sh; then
		result PASS boots
	else
		result FAIL boots "$(tail -n1 "$out/console.log" | tr -d '\r'); log: $out/console.log"
	fi
	changed=$(find "$ROOT" -newer "$ROOT/etc/guest-made" -print -quit)
	if [ -z "$changed" ]; then
		result PASS root-untouched
	else
		result FAIL root-untouched "a boot wrote to $changed"
	fi
	lane_end
}

if [ ! -e "$ROOT/etc/guest-made" ]; then build; fi
describe
# has PACKAGE: its version.
has() { awk -v p="$1" '$1 ~ "^" p "(:|$)" { print $2 }' "$BUILD/$NAME.versions"; }
case $NAME in
guest) what="IGT $(has "$IGT_PKG")" ;;
*) what="Weston $(has weston), GStreamer $(has gstreamer1.0-tools)" ;;
esac
stage "$NAME: $what, Mesa $(has libgl1-mesa-dri) ($ROOT)"
if [ "${1:-}" = test ]; then check; fi
