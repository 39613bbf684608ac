#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The demo's part inside the guest: stock kmscube on vkms, a vgem buffer shown by vkms, and a vkms
# buffer that the model of a Mali clears.
set -u
# shellcheck source=guest/lib.sh
. /mnt/guest/lib.sh

"$DEMO" mali "$OUT/mali" || exit
cat /sys/kernel/debug/mali-model/check >"$OUT/mali.check" 2>/dev/null
cp /sys/kernel/debug/mali-model/counters "$OUT/mali.counters"

before=$(framebuffer vkms)
start_kmscube "$OUT/kmscube.log" "$(card vkms)"
frames=$(changes 8 60 "$before")
# Stopped between two frames, it leaves a whole one on the screen.
kill -STOP "$CUBE" || exit
sleep 0.3
"$DEMO" snapshot "$OUT/kmscube" || exit
echo "frames_seen=$frames" >>"$OUT/kmscube.facts"
kill -CONT "$CUBE"
kill "$CUBE"
wait "$CUBE"
"$DEMO" share "$OUT/prime"
