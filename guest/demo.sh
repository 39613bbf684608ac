#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The demo's part inside the guest: stock kmscube on vkms, then a vgem buffer shown by vkms.
set -u
# shellcheck source=guest/lib.sh
. /mnt/guest/lib.sh

before=$("$DEMO" framebuffer)
start_kmscube "$OUT/kmscube.log"
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
