#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make demo: boots the converted kernel (BASE=1: the unpatched one), has stock kmscube draw on
# vkms, has vkms show a vgem buffer and one that panfrost has a (model of a) Mali clear tile by
# tile, and writes out/demo.png of what was scanned out.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
# shellcheck source=scripts/guest-lane.sh
. "$(dirname "$0")/guest-lane.sh"

DIR=$OUT/demo
PNG=$OUT/demo.png

# fact PICTURE NAME
fact() { sed -n "s/^$2=//p" "$DIR/$1.facts"; }

# counter NAME: of the model of the GPU, after all.
counter() { sed -n "s/^$1 //p" "$DIR/mali.counters"; }

# scanned_out PICTURE: vkms's CRC of every frame it sent is that of the picture.
scanned_out() {
	[ "$(fact "$1" crc_matches)" = "$(fact "$1" crc_frames)" ] ||
		die "$1: vkms scanned out $(fact "$1" crc_scanned_out), the picture has $(fact "$1" crc_of_picture)" "$DIR/console.log"
}

# typed_list TITLE PREFIX: debugfs' list of one device at one moment.
typed_list() {
	printf '\n%s\n' "$1"
	if [ -s "$DIR/$2.gem_backing" ]; then
		"$TOP/scripts/report.py" backings "$DIR/$2"
	else
		echo "  this kernel has no typed list"
	fi
}

if [ -n "${BASE:-}" ]; then
	unpatched_kernel
	kernel=$UNPATCHED what="the unpatched kernel"
else
	converted_kernel
	kernel=$CONVERTED what="the converted kernel"
fi
"$TOP/scripts/guest.sh"
"$TOP/scripts/mali.sh"
demo_program
rm -rf "$DIR" "$PNG"
stage "demo: booting $what"
"$TOP/scripts/boot.sh" -k "$kernel" -o "$DIR" -t 120 -a "dtb=$BUILD/mali/t860.dtb" guest/demo.sh || die "the guest's part failed" "$DIR/console.log"

scanned_out kmscube
scanned_out prime
scanned_out mali
[ "$(fact prime different_pixels)" = 0 ] ||
	die "$(fact prime different_pixels) pixels differ between vgem's buffer and vkms's scan-out" "$DIR/console.log"
[ "$(fact mali different_pixels)" = 0 ] ||
	die "$(fact mali different_pixels) pixels differ between what the GPU was told and vkms's scan-out" "$DIR/console.log"
[ "$(counter fragment)" = "$(fact mali jobs)" ] || die "the GPU ran $(counter fragment) fragment jobs, not $(fact mali jobs)"
for error in stale_tlb freed_page outside outlived; do
	[ "$(counter $error)" = 0 ] || die "the model found $error $(counter $error) times" "$DIR/console.log"
done
[ "$(fact kmscube frames_seen)" -ge 8 ] || die "kmscube showed $(fact kmscube frames_seen) frames instead of 8" "$DIR/kmscube.log"
RENDERER=$(sed -n 's/^ *renderer: "\(.*\)"$/\1/p' "$DIR/kmscube.log")
case $RENDERER in llvmpipe*) ;; *) die "kmscube was drawn by ${RENDERER:-nobody}, not llvmpipe" "$DIR/kmscube.log" ;; esac
"$TOP/scripts/picture.py" side-by-side "$PNG" \
	"kmscube, Mesa ${MESA_VERSION} llvmpipe, on vkms" "$DIR/kmscube" \
	"vgem buffer on vkms over PRIME" "$DIR/prime" \
	"vkms buffer cleared by Mali T860 model" "$DIR/mali"

if [ -z "${BASE:-}" ]; then
	[ -s "$DIR/kmscube.vkms.gem_backing" ] || die "the converted kernel has no gem_backing in debugfs" "$DIR/console.log"
fi
typed_list "vkms, while kmscube's frame is on the screen:" kmscube.vkms
typed_list "vgem, while vkms shows its buffer:" prime.vgem
typed_list "vkms at that moment (the other framebuffer is the one written back to):" prime.vkms
if [ -s "$DIR/mali.panfrost.gem_backing" ]; then
	printf '\npanfrost, once the GPU has cleared the buffer: the typed lists, and what became of them in the page tables:\n'
	"$TOP/scripts/report.py" tables "$DIR/mali"
fi
cat <<END

kernel        $what, $(sed -n 's/^Linux version \([^ ]*\).*/\1/p' "$DIR/console.log")
kmscube       $RENDERER, $(fact kmscube frames_seen) frames seen, CRC $(fact kmscube crc_scanned_out) of the frame in all of $(fact kmscube crc_frames) scan-outs
vgem -> vkms  $(fact prime width)x$(fact prime height), $(fact prime different_pixels) pixels differ after scan-out, CRC $(fact prime crc_scanned_out) in all of $(fact prime crc_frames)
Mali -> vkms  $(fact mali jobs) fragment jobs, $(counter pixels) pixels, $(fact mali different_pixels) differ after scan-out, CRC $(fact mali crc_scanned_out) in all of $(fact mali crc_frames)
picture       $PNG
END
stage "demo: done"
