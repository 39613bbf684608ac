#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Mesa's virgl on virtio-gpu in QEMU, whose host draws with llvmpipe: one "PASS|FAIL NAME REASON" line a check, in
# /run/out/checks. A line "shows: NAME" on the console has the host save what its screen shows as NAME.xwd.
set -u
# shellcheck source=guest/lib.sh
. /mnt/guest/lib.sh
# shellcheck source=guest/weston.sh
. /mnt/guest/weston.sh
: >"$CHECKS"

# render_node: the one of virtio-gpu. vgem has one, too, and may be the first.
render_node() {
	gpu=$(card virtio_gpu)
	set -- "/sys/class/drm/${gpu##*/}/device/drm/renderD"*
	echo "/dev/dri/${1##*/}"
}

# host_sees NAME: the screen, which nobody changes meanwhile.
host_sees() {
	sleep 2
	echo "shows: virgl-$1 on the host's screen"
	wait_for 60 [ -s "$OUT/virgl-$1.xwd" ]
}

gl() {
	/mnt/build/guest-demo/gl virgl >"$OUT/virgl-gl.log" 2>"$OUT/virgl-gl.err"
	status=$?
	sed -n 's/^\(PASS\|FAIL\) /\1 virgl:/p' "$OUT/virgl-gl.log" >>"$CHECKS"
	check virgl:gl-ends "status $status: $(grep -v '^$' "$OUT/virgl-gl.err" | tail -n 1)" [ "$status" = 0 ]
}

cube() {
	before=$(framebuffer virtio_gpu)
	start_kmscube "$OUT/virgl-kmscube.log" "$(card virtio_gpu)"
	frames=$(changes 10 120 "$before" virtio_gpu)
	check virgl-kmscube:renderer "not drawn by virgl; see virgl-kmscube.log" \
		grep -q 'renderer: "virgl (' "$OUT/virgl-kmscube.log"
	check virgl-kmscube:frames "$frames new frames in 120 s instead of 10" [ "$frames" = 10 ]
	kill -STOP "$CUBE"
	check virgl-kmscube:shown "the host saved nothing" host_sees kmscube
	kill -CONT "$CUBE"
	kill "$CUBE"
	wait "$CUBE" 2>/dev/null
}

scenes() { glmark virgl-glmark2 virtio_gpu 'virgl ('; }

# client NAME COMMAND...: frozen between two frames, as Weston and as the host see it.
client() {
	name=$1
	shift
	before=$(framebuffer virtio_gpu)
	"$@" >"$OUT/virgl-$name.log" 2>&1 &
	client=$!
	frames=$(changes 10 120 "$before" virtio_gpu)
	check "virgl-$name:frames" "$frames new frames in 120 s instead of 10; see virgl-$name.log" [ "$frames" = 10 ]
	kill -STOP $client
	sleep 1
	check "virgl-$name:screenshot" "see virgl-$name.shot.log" screenshot "virgl-$name"
	check "virgl-$name:shown" "the host saved nothing" host_sees "$name"
	kill -KILL $client
	wait $client 2>/dev/null
}

compositor() {
	check virgl-weston:starts "see virgl-weston.log" start_weston virgl-weston virtio_gpu --renderer=gl
	check virgl-weston:renderer "not drawn by virgl; see virgl-weston.log" grep -q 'GL renderer: virgl (' "$OUT/virgl-weston.log"
	check virgl-weston:screenshot "see virgl-weston.shot.log" screenshot virgl-weston
	check virgl-weston:shown "the host saved nothing" host_sees weston
	client simple-egl weston-simple-egl
	client dmabuf-egl weston-simple-dmabuf-egl -d "$(render_node)"
	client simple-shm weston-simple-shm
	stop_weston
}

[ $# -gt 0 ] || set -- gl cube scenes compositor
for part in "$@"; do
	echo "virgl: $part, $(cut -d' ' -f1 /proc/uptime) s"
	$part
done
echo "virgl: end, $(cut -d' ' -f1 /proc/uptime) s"
checks_end
