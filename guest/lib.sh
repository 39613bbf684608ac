# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Sourced by the guest's scripts.
# shellcheck disable=SC2034 # for those who source it
DEMO=/mnt/build/guest-demo/demo
# shellcheck disable=SC2034
OUT=/run/out

# card DRIVER: its device node.
card() {
	for d in /sys/kernel/debug/dri/[0-9]*/name; do
		minor=${d%/name}
		minor=${minor##*/}
		if [ "$minor" -lt 64 ] && grep -q "^$1 " "$d"; then echo "/dev/dri/card$minor"; fi
	done
}

# start_kmscube LOG [OPTION...]: in the background as $CUBE. It ends when its input does.
start_kmscube() {
	[ -p /tmp/silence ] || mkfifo /tmp/silence
	exec 3<>/tmp/silence
	log=$1
	shift
	kmscube -D "$(card vkms)" "$@" <&3 >"$log" 2>&1 &
	# shellcheck disable=SC2034
	CUBE=$!
}

# framebuffer: the one that vkms shows. Does not open the device: who does that first is its master, and
# then another one, that wants to set a mode, is not.
framebuffer() {
	node=$(card vkms)
	sed -n 's/^\tfb=//p' "/sys/kernel/debug/dri/${node#/dev/dri/card}/state" | sed -n 1p
}

# changes COUNT SECONDS FROM: waits until vkms has shown another framebuffer, at first than
# FROM, COUNT times; prints how often it did. Before anything else there may be fbdev's.
changes() {
	seen=0
	last=$3
	tries=$(($2 * 20))
	while [ "$seen" -lt "$1" ] && [ "$tries" -gt 0 ]; do
		now=$(framebuffer)
		if [ "$now" != "$last" ] && [ "$now" != 0 ]; then seen=$((seen + 1)); fi
		last=$now
		tries=$((tries - 1))
		sleep 0.05
	done
	echo "$seen"
}
