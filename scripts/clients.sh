#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Real clients on both kernels. On User Mode Linux: guest/frames.c (vivid, with each of videobuf2's allocators, shares
# dma-bufs with vkms, vgem, udmabuf and a heap, both ways), v4l2-ctl, v4l2-compliance, GStreamer and Weston. In QEMU:
# Mesa's virgl on virtio-gpu, whose host side is llvmpipe under Xvfb. Each check has to pass on each kernel, and both
# have to show the same: out/clients/*.png. "clients.sh uml" or "virgl" is half of it.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
# shellcheck source=scripts/guest-lane.sh
. "$(dirname "$0")/guest-lane.sh"

DIR=$OUT/clients
PICTURE=$TOP/scripts/picture.py
# Six cameras with a screen each, of HDMI; what they are made of: vmalloc, dma-contig, dma-sg, and again.
VIVID='vivid.n_devs=6 vivid.allocators=0,1,2,0,1,2'
VIVID+=' vivid.node_types=0x101,0x101,0x101,0x101,0x101,0x101 vivid.num_inputs=1,1,1,1,1,1 vivid.input_types=3,3,3,3,3,3'
VIVID+=' vivid.num_outputs=1,1,1,1,1,1 vivid.output_types=1,1,1,1,1,1'
SCREEN=640x480
BACKGROUND=203860
# vivid's bars at 75 %.
BARS=(bfbfbf bfbf00 00bfbf 00bf00 bf00bf bf0000 0000bf 000000)

# pictured WHAT NAME VERB PICTURE...: a result; the program says on stderr what is wrong.
pictured() {
	local why
	if why=$("$PICTURE" "${@:3}" 2>&1); then
		result PASS "$1: $2"
	else
		result FAIL "$1: $2" "$(tail -n 1 <<<"$why") (${*:4:2})"
	fi
}

# bars X Y WIDTH HEIGHT: eight of them, as rectangles.
bars() {
	local i
	for i in 0 1 2 3 4 5 6 7; do echo "$(($1 + $3 * i / 8)),$2,$(($3 / 8)),$4=${BARS[$i]}"; done
}

# boot_uml KERNEL IMAGE, judge_uml KERNEL
boot_uml() {
	"$TOP/scripts/boot.sh" -r -k "$2" -o "$DIR/$1/uml" -t 900 -a "$VIVID" guest/clients.sh ||
		note "$1 kernel: the boot ended with status $?"
}

judge_uml() {
	local dir=$DIR/$1/uml memory name all
	judge_checks "$1" "$dir"
	[ -s "$dir/checks" ] || return 0
	mapfile -t all < <(bars 0 0 1024 768)
	for memory in dmabuf-vmalloc dmabuf-dma-contig dmabuf-dma-sg dmabuf-import-vmalloc dmabuf-import-dma-sg; do
		pictured "$1" "gst-$memory:colours" rectangles "$dir/gst-$memory" "${all[@]}"
	done
	for name in weston-pixman weston-gl; do
		pictured "$1" "$name:colours" rectangles "$dir/$name" "0,0,1024,768=$BACKGROUND"
		colourful "$1" "$name-shm" "$dir/$name-shm" 50
	done
	for memory in vmalloc dma-contig dma-sg; do
		pictured "$1" "weston-gl-$memory:colours" rectangles "$dir/weston-gl-$memory" "${all[@]}"
	done
	for name in weston-{pixman,gl}{,-shm}; do
		pictured "$1" "$name:screenshot-as-scanned-out" same "$dir/$name.png" "$dir/$name"
	done
}

# start_xvfb DIR: a screen, as large as the guest's, whose pixels are in the file DIR/Xvfb_screen0. Sets DISPLAY.
# It ends with its only client.
start_xvfb() {
	mkdir -p "$1"
	Xvfb -displayfd 3 -screen 0 "${SCREEN}x24" -fbdir "$1" -nocursor -nolisten tcp -terminate 3>"$1/display" >"$1/xvfb.log" 2>&1 &
	for _ in {1..100}; do
		[ ! -s "$1/display" ] || break
		sleep 0.1
	done
	[ -s "$1/display" ] || die "Xvfb does not start: $(why "$1/xvfb.log")" "$1/xvfb.log"
	DISPLAY=:$(cat "$1/display")
	export DISPLAY
}

# boot_virgl KERNEL IMAGE, judge_virgl KERNEL
boot_virgl() {
	local dir=$DIR/$1/virgl
	start_xvfb "$dir"
	XVFB_SCREEN=$dir/Xvfb_screen0 "$TOP/scripts/qemu-boot.sh" -r -k "$2" -o "$dir" -t 900 -a drm_client_lib.active=none \
		-q "-device virtio-gpu-gl-pci,xres=${SCREEN%x*},yres=${SCREEN#*x} -display sdl,gl=on" guest/virgl.sh ||
		note "$1 kernel: the boot ended with status $?: $(why "$dir/qemu.log")"
}

judge_virgl() {
	local dir=$DIR/$1/virgl name
	judge_checks "$1" "$dir"
	[ -s "$dir/checks" ] || return 0
	pictured "$1" virgl-weston:colours rectangles "$dir/virgl-weston.xwd" "0,0,${SCREEN/x/,}=$BACKGROUND"
	for name in weston simple-egl dmabuf-egl simple-shm; do
		pictured "$1" "virgl-$name:host-shows-the-screenshot" same "$dir/virgl-$name.png" "$dir/virgl-$name.xwd"
	done
	for name in kmscube simple-egl dmabuf-egl simple-shm; do
		colourful "$1" "virgl-$name" "$dir/virgl-$name.xwd" 50
	done
}

# colourful WHAT NAME PICTURE COUNT
colourful() {
	local colours
	colours=$("$PICTURE" colours "$3" || echo 0)
	if [ "$colours" -ge "$4" ]; then
		result PASS "$1: $2:picture"
	else
		result FAIL "$1: $2:picture" "$colours colours in $3"
	fi
}

# virgl_packages: QEMU's 3D and its window are packages of their own.
virgl_packages() { need qemu-system-x86 qemu-system-gui xvfb libgl1-mesa-dri libegl-dev libgles-dev libgbm-dev; }

# both PART CONVERTED UNPATCHED
both() {
	stage "clients: $1 on both kernels"
	"boot_$1" unpatched "$3" &
	"boot_$1" converted "$2" &
	wait
	for kernel in unpatched converted; do "judge_$1" $kernel; done
	same_checks "$1"
	"both_$1"
}

# same_pictures PART PICTURE...: of both kernels.
same_pictures() {
	local part=$1 picture
	for picture in "${@:2}"; do
		pictured "$part" "$picture:same-on-both-kernels" same "$DIR/unpatched/$part/$picture" "$DIR/converted/$part/$picture"
	done
}

both_uml() {
	local all=(weston-pixman weston-gl{,-vmalloc,-dma-contig,-dma-sg} gst-dmabuf-{vmalloc,dma-contig,dma-sg}
		gst-dmabuf-import-{vmalloc,dma-sg} frames/frame-{own,loop-vmalloc,loop-dma-contig,loop-dma-sg}-{vmalloc,dma-contig,dma-sg})
	same_pictures uml "${all[@]}"
	for kernel in unpatched converted; do
		side_by_side $kernel uml "Screen of vivid -> camera, dma-sg -> vkms" frames/frame-loop-vmalloc-dma-sg \
			"Camera -> GStreamer -> vkms" gst-dmabuf-vmalloc "Client -> Weston, llvmpipe -> vkms" weston-gl-shm
	done
}

both_virgl() {
	same_pictures virgl virgl-weston.xwd
	for kernel in unpatched converted; do
		side_by_side $kernel virgl "kmscube, virgl" virgl-kmscube.xwd "Weston: OpenGL client" virgl-simple-egl.xwd \
			"Weston: dma-buf client" virgl-dmabuf-egl.xwd
	done
}

# side_by_side KERNEL PART LABEL PICTURE...: as DIR/KERNEL-PART.png, if they are there.
side_by_side() {
	local args=() png=$DIR/$1-$2.png dir=$DIR/$1/$2
	shift 2
	while [ $# -gt 0 ]; do
		args+=("$1" "$dir/$2")
		shift 2
	done
	"$PICTURE" side-by-side "$png" "${args[@]}" 2>/dev/null || note "no ${png#"$OUT"/}"
}

# same_checks PART: what ran on one kernel ran on the other.
same_checks() {
	local differs
	differs=$(diff <(cut -d' ' -f2 "$DIR/unpatched/$1/checks") <(cut -d' ' -f2 "$DIR/converted/$1/checks") | grep -m1 '^[<>]' || true)
	if [ -z "$differs" ]; then
		result PASS "$1: same checks on both kernels"
	else
		result FAIL "$1: same checks on both kernels" "$differs is missing on one"
	fi
}

lane clients
PARTS=("$@")
[ $# -gt 0 ] || PARTS=(uml virgl)
"$TOP/scripts/guest.sh" clients
export GUEST=$BUILD/guest-clients
rm -rf "$DIR"
mkdir -p "$DIR"
for part in "${PARTS[@]}"; do
	case $part in
	uml)
		converted_kernel
		unpatched_kernel
		demo_program
		frames_program
		both uml "$CONVERTED" "$UNPATCHED"
		;;
	virgl)
		virgl_packages
		BASE='' "$TOP/scripts/qemu-kernel.sh" x86_64
		BASE=1 "$TOP/scripts/qemu-kernel.sh" x86_64
		guest_program gl -lEGL -lGLESv2 -lgbm
		both virgl "$(BASE='' qemu_dir x86_64)/image" "$(BASE=1 qemu_dir x86_64)/image"
		;;
	*) die "there is no part $part, but uml and virgl" ;;
	esac
done
# 3 MB each.
[ "$LANE_FAILED" != 0 ] || find "$DIR" -name '*.raw' -delete
stage "clients: done, pictures in $DIR"
lane_end
