# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Sourced by the guest's scripts.
# shellcheck disable=SC2034 # for those who source it
DEMO=/mnt/build/guest-demo/demo
# shellcheck disable=SC2034
OUT=/run/out

CHECKS=$OUT/checks

# check NAME REASON COMMAND...: "PASS NAME" in CHECKS if the command succeeds, else "FAIL NAME REASON".
check() {
	what=$1
	why=$2
	shift 2
	if "$@"; then echo "PASS $what" >>"$CHECKS"; else echo "FAIL $what $why" >>"$CHECKS"; fi
}

# fact FILE NAME: the value that the demo program wrote down.
fact() { sed -n "s/^$2=//p" "$1"; }

# right_crc PREFIX: of a snapshot, in every scan-out, and there was one.
right_crc() {
	scanned=$(fact "$1.facts" crc_frames)
	[ "${scanned:-0}" -gt 0 ] && [ "$(fact "$1.facts" crc_matches)" = "$scanned" ]
}

# checks_end: the script's last command, without which scripts/guest-lane.sh takes it for ended early.
checks_end() { echo "PASS ends" >>"$CHECKS"; }

# card DRIVER: its device node.
card() {
	for d in /sys/kernel/debug/dri/[0-9]*/name; do
		minor=${d%/name}
		minor=${minor##*/}
		# A device on PCI has its address for another name.
		case $minor in *[!0-9]*) continue ;; esac
		if [ "$minor" -lt 64 ] && grep -q "^$1 " "$d"; then echo "/dev/dri/card$minor"; fi
	done
}

# start_kmscube LOG NODE [OPTION...]: in the background as $CUBE. It ends when its input does.
start_kmscube() {
	[ -p /tmp/silence ] || mkfifo /tmp/silence
	exec 3<>/tmp/silence
	log=$1
	shift
	# By line: who looks at the log does not wait until it is as long as a buffer.
	stdbuf -oL kmscube -D "$@" <&3 >"$log" 2>&1 &
	# shellcheck disable=SC2034
	CUBE=$!
}

# framebuffer DRIVER: the one that it shows. Does not open the device: who does that first is its master, and
# then another one, that wants to set a mode, is not.
framebuffer() { shown "$(state_of "$1")"; }

# state_of DRIVER, shown FILE: where the kernel says what it shows, and the framebuffer that it says. One process,
# for there are machines where many take longer than a frame.
state_of() {
	node=$(card "$1")
	echo "/sys/kernel/debug/dri/${node#/dev/dri/card}/state"
}
shown() { sed -n '/^\tfb=/{s///p;q}' "$1"; }

# changes COUNT SECONDS FROM [DRIVER]: waits until vkms has shown another framebuffer, at first than
# FROM, COUNT times; prints how often it did. Before anything else there may be fbdev's.
changes() {
	seen=0
	last=$3
	state=$(state_of "${4:-vkms}")
	read -r up _ </proc/uptime
	end=$((${up%.*} + $2))
	while [ "$seen" -lt "$1" ] && [ "${up%.*}" -lt "$end" ]; do
		now=$(shown "$state")
		if [ "$now" != "$last" ] && [ "$now" != 0 ]; then seen=$((seen + 1)); fi
		last=$now
		sleep 0.05
		read -r up _ </proc/uptime
	done
	echo "$seen"
}

# glmark NAME DRIVER RENDERER: scenes that know what some of their pixels have to be, on a screen of any shape.
glmark() {
	log=$OUT/$1.log
	glmark2-es2-drm --winsys-options "drm-device=$(card "$2")" --validate -b build -b bump >"$log" 2>&1
	status=$?
	check "$1:renderer" "not drawn by $3; see $1.log" grep -q "GL_RENDERER: *$3" "$log"
	check "$1:ends" "status $status; see $1.log" [ "$status" = 0 ]
	right=$(grep -c 'Validation: Success' "$log")
	check "$1:validation" "$right scenes of 2 are right; see $1.log" [ "$right" = 2 ]
}
