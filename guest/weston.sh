# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Sourced after lib.sh: a Weston that shows one client on a plain background (guest/weston.ini).
export XDG_RUNTIME_DIR=/tmp/weston WAYLAND_DISPLAY=wayland-1 LIBSEAT_BACKEND=seatd
# There is no virtual terminal to take.
export SEATD_VTBOUND=0

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	tries=$(($1 * 10))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

# start_weston NAME DRIVER OPTION...: its log is NAME.log, it is $WESTON.
start_weston() {
	log=$OUT/$1.log
	driver=$2
	shift 2
	[ -d "$XDG_RUNTIME_DIR" ] || mkdir -m 700 "$XDG_RUNTIME_DIR"
	if [ ! -S /run/seatd.sock ]; then
		seatd >"$OUT/seatd.log" 2>&1 &
		wait_for 10 [ -S /run/seatd.sock ]
	fi
	node=$(card "$driver")
	weston --backend=drm --shell=kiosk --debug --config=/mnt/guest/weston.ini --socket="$WAYLAND_DISPLAY" \
		--drm-device="${node#/dev/dri/}" "$@" >"$log" 2>&1 &
	WESTON=$!
	wait_for 60 [ -S "$XDG_RUNTIME_DIR/$WAYLAND_DISPLAY" ]
}

stop_weston() {
	kill "$WESTON" 2>/dev/null
	wait "$WESTON" 2>/dev/null
	rm -f "$XDG_RUNTIME_DIR/$WAYLAND_DISPLAY"*
}

# screenshot NAME [OPTION...]: as Weston writes it, to NAME.png.
screenshot() {
	shot=$1
	shift
	rm -rf /tmp/shot
	mkdir /tmp/shot
	(cd /tmp/shot && timeout 60 weston-screenshooter "$@") >"$OUT/$shot.shot.log" 2>&1 &&
		mv /tmp/shot/*.png "$OUT/$shot.png"
}
