#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The promises of scripts/boot.sh, checked from inside.
fail() {
	echo "selfcheck: $*"
	exit 1
}

for d in / /usr /mnt; do
	if touch "$d/.written" 2>/dev/null; then fail "$d can be written to"; fi
done
for d in /tmp /run /root /run/out; do
	touch "$d/.written" || fail "$d cannot be written to"
	rm "$d/.written"
done
for driver in vgem vkms; do
	grep -qs "^$driver " /sys/kernel/debug/dri/*/name || fail "no $driver device"
done
[ -c /dev/udmabuf ] || fail "no /dev/udmabuf"
[ -c /dev/dma_heap/system ] || fail "no /dev/dma_heap/system"
[ ! -e /dev/tty0 ] || fail "/dev/tty0 is there; IGT would wait for it"
echo "selfcheck: ok"
