#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Mesa smoke: one "PASS|FAIL NAME REASON" line a check, in /run/out/checks.
set -u
# shellcheck source=guest/lib.sh
. /mnt/guest/lib.sh
: >"$CHECKS"

modetest -M vkms -c >"$OUT/modetest-list.log" 2>&1
check modetest-lists "no connected screen with a 1024x768 mode; see modetest-list.log" \
	grep -q '#0 1024x768' "$OUT/modetest-list.log"
screen=$(awk '$3 == "connected" && $4 !~ /^Writeback/ { print $1; exit }' "$OUT/modetest-list.log")

mkfifo /tmp/enter
before=$(framebuffer vkms)
modetest -M vkms -s "$screen:1024x768" </tmp/enter >"$OUT/modetest-set.log" 2>&1 &
modetest=$!
exec 4>/tmp/enter
shown=$(changes 1 20 "$before")
check modetest-sets "vkms shows nothing; see modetest-set.log" [ "$shown" = 1 ]
"$DEMO" snapshot "$OUT/modetest" >>"$OUT/modetest-set.log" 2>&1
check modetest-scanned-out "the CRC is not that of the picture; see modetest.facts" \
	right_crc "$OUT/modetest"
exec 4>&-
wait "$modetest"

# With atomic commits it takes another path through Mesa's and the kernel's code.
for mode in legacy atomic; do
	log=$OUT/kmscube-$mode.log
	before=$(framebuffer vkms)
	if [ $mode = atomic ]; then start_kmscube "$log" "$(card vkms)" -A; else start_kmscube "$log" "$(card vkms)"; fi
	frames=$(changes 10 60 "$before")
	check "kmscube-$mode-renderer" "not drawn by llvmpipe; see kmscube-$mode.log" \
		grep -q 'renderer: "llvmpipe' "$log"
	check "kmscube-$mode-frames" "$frames new frames in 60 s instead of 10" [ "$frames" = 10 ]
	kill -STOP "$CUBE"
	sleep 0.3
	"$DEMO" snapshot "$OUT/kmscube-$mode" >>"$log" 2>&1
	check "kmscube-$mode-scanned-out" "the CRC is not that of the frame; see kmscube-$mode.facts" \
		right_crc "$OUT/kmscube-$mode"
	kill -CONT "$CUBE"
	kill "$CUBE"
	wait "$CUBE" 2>/dev/null
done

"$DEMO" share "$OUT/prime" >"$OUT/prime.log" 2>&1
check vgem-to-vkms "differs from what was written; see prime.facts, prime.log" \
	[ "$(fact "$OUT/prime.facts" different_pixels)" = 0 ]
check vgem-to-vkms-scanned-out "the CRC is not that of the picture; see prime.facts" \
	right_crc "$OUT/prime"
checks_end
