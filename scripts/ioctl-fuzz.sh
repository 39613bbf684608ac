#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make ioctl-fuzz SECONDS=300 SEED=1: programs of ioctls and mappings (fuzz/calls.txt) on vgem, vkms, panfrost's
# model, udmabuf, dma-heap and dma-bufs, on User Mode Linux, by what KCOV says is new (guest/ioctl_fuzz.c). It
# starts with fuzz/corpus.txt and with what earlier runs on this machine kept. What it kept then runs once on
# the unpatched kernel, for comparison. Whatever the converted kernel complains of is a failure;
# out/ioctl-fuzz/last is the program that ran when it died. On the kernel of make coverage; not part of make test.
set -euo pipefail
LIMIT=$SECONDS
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
# shellcheck source=scripts/guest-lane.sh
. "$(dirname "$0")/guest-lane.sh"

[ "$LIMIT" -gt 1 ] || LIMIT=300
DIR=$OUT/ioctl-fuzz
KEPT=$CACHE/ioctl-fuzz/corpus

# boot KERNEL DIR SECONDS
boot() {
	"$TOP/scripts/boot.sh" -r -k "$1" -o "$2" -t $(($3 + 400)) -a "dtb=$BUILD/mali/t860.dtb" guest/one.sh \
		/mnt/build/guest-demo/ioctl_fuzz /mnt/fuzz/calls.txt "/mnt/out/ioctl-fuzz/seeds" "$3" "${SEED:-1}" /run/out || true
}

said() { tr -d '\r' <"$1/console.log" | sed -n 's/^ioctl_fuzz: \(.*\), done$/\1/p'; }

lane ioctl-fuzz
"$TOP/scripts/coverage.sh" um_kernel
"$TOP/scripts/guest.sh"
"$TOP/scripts/mali.sh"
guest_program ioctl_fuzz -static
unpatched_kernel
rm -rf "$DIR"
mkdir -p "$DIR" "${KEPT%/*}"
cat "$TOP/fuzz/corpus.txt" "$KEPT" >"$DIR/seeds" 2>/dev/null || true
stage "ioctl-fuzz: $LIMIT s, seed ${SEED:-1}"
boot "$BUILD/um-coverage/linux" "$DIR" "$LIMIT"
if [ -s "$DIR/reports.txt" ]; then
	result FAIL programs "$(head -n1 "$DIR/reports.txt"); log: $DIR/console.log"
elif [ -z "$(said "$DIR")" ]; then
	result FAIL programs "did not get to its end; log: $DIR/console.log, program: $DIR/last"
else
	result PASS programs "$(said "$DIR")"
	cp "$DIR/corpus" "$KEPT"
	cp "$DIR/corpus" "$DIR/seeds"
fi
stage "ioctl-fuzz: the same programs on the unpatched kernel"
boot "$UNPATCHED" "$DIR/base" 0
note "unpatched kernel: $(said "$DIR/base"; head -n1 "$DIR/base/reports.txt")"
lane_end
