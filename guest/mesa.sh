#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Mesa smoke: one "PASS|FAIL NAME REASON" line a check, in /run/out/checks.
set -u
# shellcheck source=guest/lib.sh
. /mnt/guest/lib.sh
CHECKS=$OUT/checks
: >"$CHECKS"

check() {
	name=$1
	reason=$2
	shift 2
	if "$@"; then echo "PASS $name" >>"$CHECKS"; else echo "FAIL $name $reason" >>"$CHECKS"; fi
}

# fact FILE NAME: the value that the demo program wrote down.
fact() { sed -n "s/^$2=//p" "$1"; }

modetest -M vkms -c >"$OUT/modetest-list.log" 2>&1
check modetest-lists "no connected screen with a 1024x768 mode; see modetest-list.log" \
	grep -q '#0 1024x768' "$OUT/modetest-list.log"
screen=$(awk '$3 == "connected" && $4 !~ /^Writeback/ { print $1; exit }' "$OUT/modetest-list.log")

mkfifo /tmp/enter
before=$(framebuffer)
modetest -M vkms -s "$screen:1024x768" </tmp/enter >"$OUT/modetest-set.log" 2>&1 &
modetest=$!
exec 4>/tmp/enter
shown=$(changes 1 20 "$before")
check modetest-sets "vkms shows nothing; see modetest-set.log" [ "$shown" = 1 ]
"$DEMO" snapshot "$OUT/modetest" >>"$OUT/modetest-set.log" 2>&1
check modetest-scanned-out "the CRC is not that of the picture; see modetest.facts" \
	[ "$(fact "$OUT/modetest.facts" crc_matches)" = "$(fact "$OUT/modetest.facts" crc_frames)" ]
exec 4>&-
wait "$modetest"

# With atomic commits it takes another path through Mesa's and the kernel's code.
for mode in legacy atomic; do
	log=$OUT/kmscube-$mode.log
	before=$(framebuffer)
	if [ $mode = atomic ]; then start_kmscube "$log" -A; else start_kmscube "$log"; fi
	frames=$(changes 10 60 "$before")
	check "kmscube-$mode-renderer" "not drawn by llvmpipe; see kmscube-$mode.log" \
		grep -q 'renderer: "llvmpipe' "$log"
	check "kmscube-$mode-frames" "$frames new frames in 60 s instead of 10" [ "$frames" = 10 ]
	kill -STOP "$CUBE"
	sleep 0.3
	"$DEMO" snapshot "$OUT/kmscube-$mode" >>"$log" 2>&1
	check "kmscube-$mode-scanned-out" "the CRC is not that of the frame; see kmscube-$mode.facts" \
		[ "$(fact "$OUT/kmscube-$mode.facts" crc_matches)" = "$(fact "$OUT/kmscube-$mode.facts" crc_frames)" ]
	kill -CONT "$CUBE"
	kill "$CUBE"
	wait "$CUBE" 2>/dev/null
done

"$DEMO" share "$OUT/prime" >"$OUT/prime.log" 2>&1
check vgem-to-vkms "differs from what was written; see prime.facts, prime.log" \
	[ "$(fact "$OUT/prime.facts" different_pixels)" = 0 ]
check vgem-to-vkms-scanned-out "the CRC is not that of the picture; see prime.facts" \
	[ "$(fact "$OUT/prime.facts" crc_matches)" = "$(fact "$OUT/prime.facts" crc_frames)" ]
