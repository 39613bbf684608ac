#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Programs of Debian's on vkms, vgem and vivid, and one of ours (frames.c): one "PASS|FAIL NAME REASON"
# line a check, in /run/out/checks. vivid's instances 0, 1 and 2 have memory of vmalloc, dma-contig and dma-sg,
# 3, 4 and 5 again. scripts/clients.sh looks at the pictures.
set -u
# shellcheck source=guest/lib.sh
. /mnt/guest/lib.sh
# shellcheck source=guest/weston.sh
. /mnt/guest/weston.sh
: >"$CHECKS"

# video INSTANCE capture|output: its node.
video() {
	for d in /sys/class/video4linux/video*; do
		case $(cat "$d/name") in
		"vivid-$(printf %03d "$1")"-vid-cap*) [ "$2" = capture ] || continue ;;
		"vivid-$(printf %03d "$1")"-vid-out*) [ "$2" = output ] || continue ;;
		*) continue ;;
		esac
		echo "/dev/${d##*/}"
	done
}

# memory INSTANCE: what its buffers live on.
memory() {
	case $(($1 % 3)) in
	0) echo vmalloc ;;
	1) echo dma-contig ;;
	*) echo dma-sg ;;
	esac
}

# camera INSTANCE WIDTH HEIGHT: sends colour bars of that size without text.
camera() {
	v4l2-ctl -d "$(video "$1" capture)" --set-dv-bt-timings "cvt,width=$2,height=$3,fps=60" \
		--set-fmt-video "width=$2,height=$3,pixelformat=XR24,field=none" --set-ctrl osd_text_mode=2,test_pattern=0
}

frames() {
	mkdir "$OUT/frames"
	/mnt/build/guest-demo/frames "$OUT/frames/frame" >"$OUT/frames.log" 2>"$OUT/frames.err"
	status=$?
	sed -n 's/^\(PASS\|FAIL\) /\1 frames:/p' "$OUT/frames.log" >>"$CHECKS"
	check frames:ends "status $status: $(tail -n 1 "$OUT/frames.err")" [ "$status" = 0 ]
}

# compliance: V4L2's own test suite, with dma-bufs of another instance: dma-contig's are of its like.
compliance() {
	for i in 0 1 2; do
		log=$OUT/compliance-$(memory $i).log
		camera $i 640 480 >"$log" 2>&1
		timeout 300 v4l2-compliance -d "$(video $i capture)" -e "$(video $((5 - i)) capture)" -s10 >>"$log" 2>&1
		check "v4l2-compliance:$(memory $i)" "$(grep -c 'fail:' "$log") failures; see ${log##*/}" \
			grep -q '^Total .*, Failed: 0,' "$log"
	done
}

# screen INSTANCE WIDTH HEIGHT: takes frames of that size.
screen() {
	v4l2-ctl -d "$(video "$1" output)" --set-dv-bt-timings "cvt,width=$2,height=$3,fps=60" \
		--set-fmt-video-out "width=$2,height=$3,pixelformat=XR24,field=none"
}

# streamed NAME OPTION...: three frames in a file.
streamed() {
	file=/tmp/$1.raw
	log=$OUT/v4l2-ctl-$1.log
	rm -f "$file"
	shift
	timeout 60 v4l2-ctl --stream-count=3 --stream-to="$file" "$@" >"$log" 2>&1
}

# v4l2_ctl: a camera fills a screen's buffers, or a screen shows a camera's; what it is, it is by MMAP, too.
v4l2_ctl() {
	for i in 0 1 2; do
		camera $i 640 480 >/dev/null 2>&1
		streamed "$(memory $i)" -d "$(video $i capture)" --stream-mmap=3
		for other in 3 4 5; do
			screen $other 640 480 >/dev/null 2>&1
			copied $i $other --stream-mmap=3 --stream-out-dmabuf
			copied $other $i --stream-dmabuf --stream-out-mmap=3
		done
	done
	rm -f /tmp/*.raw
}

# copied FROM TO OPTION...: one of them is the camera. dma-contig takes its like alone.
copied() {
	name=$(memory "$1")-$(memory "$2")
	if [ "$(memory "$2")" = dma-contig ] && [ "$(memory "$1")" != dma-contig ]; then return; fi
	streamed "$name" -d "$(video "$i" capture)" --out-device "$(video "$other" output)" "$3" "$4"
	check "v4l2-ctl:$3:$(memory "$1")>$(memory "$2")" "other bytes than by MMAP, or none; see v4l2-ctl-$name.log" \
		same_bytes "/tmp/$name.raw" "/tmp/$(memory "$i").raw" $((3 * 640 * 480 * 4))
}

# same_bytes ONE OTHER COUNT: that many.
same_bytes() { [ "$(stat -c %s "$1")" = "$3" ] && cmp -s "$1" "$2"; }

# snapshot NAME PROCESS: what vkms shows while the process stands still, with the right CRC.
snapshot() {
	kill -STOP "$2"
	sleep 0.3
	"$DEMO" snapshot "$OUT/$1" >"$OUT/$1.snapshot.log" 2>&1
	kill -CONT "$2"
	check "$1:scanned-out" "the CRC is not that of the frame; see $1.facts and $1.snapshot.log" right_crc "$OUT/$1"
}

# imported NAME: yes or no, whether what vkms showed at the snapshot is another device's memory.
imported() {
	awk -v shown="$(fact "$OUT/$1.facts" framebuffer)" '
		/^framebuffer\[/ { mine = $0 ~ "\\[" shown "\\]" }
		mine && /imported=/ { sub(/.*imported=/, ""); print; exit }' "$OUT/$1.vkms.framebuffer"
}

# gst: v4l2src exports its buffers to kmssink, or takes kmssink's.
gst() {
	export GST_REGISTRY=/tmp/gst.registry GST_DEBUG="2,kmssink:5,v4l2*:4" GST_DEBUG_NO_COLOR=1
	for i in 0 1 2; do
		camera $i 1024 768 >/dev/null 2>&1
		stream_to_kms $i dmabuf yes
		[ "$(memory $i)" = dma-contig ] || stream_to_kms $i dmabuf-import no
	done
}

# stream_to_kms INSTANCE MODE IMPORTED
stream_to_kms() {
	name=gst-$2-$(memory "$1")
	before=$(framebuffer vkms)
	gst-launch-1.0 v4l2src "device=$(video "$1" capture)" "io-mode=$2" ! video/x-raw,format=BGRx,width=1024,height=768 ! \
		kmssink driver-name=vkms force-modesetting=true sync=false >"$OUT/$name.log" 2>&1 &
	gst=$!
	shown=$(changes 5 60 "$before")
	check "$name:frames" "$shown new frames in 60 s instead of 5; see $name.log" [ "$shown" = 5 ]
	snapshot "$name" $gst
	check "$name:zero-copy" "the frame is $(imported "$name" | sed 's/yes/imported/; s/no/the screen'"'"'s own/'); see $name.log" \
		[ "$(imported "$name")" = "$3" ]
	kill -INT $gst
	wait $gst
}

# start_client NAME COMMAND...: a client of Weston's, frozen after some frames, as $CLIENT.
start_client() {
	name=$1
	shift
	before=$(framebuffer vkms)
	"$@" >"$OUT/$name.log" 2>&1 &
	CLIENT=$!
	shown=$(changes 5 30 "$before")
	check "$name:frames" "$shown new frames in 30 s instead of 5; see $name.log" [ "$shown" = 5 ]
	kill -STOP "$CLIENT"
	sleep 0.5
}

stop_client() {
	kill -KILL "$CLIENT"
	wait "$CLIENT" 2>/dev/null
}

# draw NAME: what a client drew with the CPU, composed by Weston.
draw() {
	start_client "$1" weston-simple-shm
	check "$1:screenshot" "see $1.shot.log" screenshot "$1"
	snapshot "$1" "$WESTON"
	stop_client
}

# film NAME INSTANCE: a camera's dma-bufs as large as the screen, which Weston has vkms show as they are. There is no
# screenshot, for which llvmpipe would have to read them: Mesa maps no other device's memory, and Weston dies.
film() {
	camera "$2" 1024 768 >/dev/null 2>&1
	start_client "$1" weston-simple-dmabuf-v4l -v "$(video "$2" capture)" -f XR24 -d XR24
	snapshot "$1" "$WESTON"
	check "$1:zero-copy" "the frame is Weston's own; see $1.log" [ "$(imported "$1")" = yes ]
	stop_client
}

# compositor: Weston with either renderer, empty, and with clients. Pixman takes no dma-bufs.
compositor() {
	for renderer in pixman gl; do
		weston=weston-$renderer
		check "$weston:starts" "see $weston.log" start_weston "$weston" vkms --renderer=$renderer
		check "$weston:screenshot" "see $weston.shot.log" screenshot "$weston"
		snapshot "$weston" "$WESTON"
		draw "$weston-shm"
		if [ $renderer = gl ]; then
			for i in 0 1 2; do film "$weston-$(memory $i)" $i; done
		fi
		check "$weston:lives" "it ended; see $weston.log" kill -0 "$WESTON"
		stop_weston
	done
}

scenes() { glmark glmark2 vkms llvmpipe; }

[ $# -gt 0 ] || set -- frames v4l2_ctl compliance gst scenes compositor
for part in "$@"; do
	echo "clients: $part, $(cut -d' ' -f1 /proc/uptime) s"
	$part
done
echo "clients: end, $(cut -d' ' -f1 /proc/uptime) s"
checks_end
