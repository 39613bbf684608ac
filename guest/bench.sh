#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# bench.sh fill [NAME=VALUE]...  the module /run/out/pgtable_fill.ko; its numbers go to /run/out/fill
# bench.sh open                  the program /run/out/panfrost_open; what it prints to /run/out/open
# bench.sh faults                the program /run/out/cpu_access; what it counts to /run/out/counts
set -eu
OUT=/run/out

fill() {
	insmod "$OUT/pgtable_fill.ko" "$@"
	cat /sys/kernel/debug/pgtable_fill >"$OUT/fill"
	rmmod pgtable_fill
}

open() {
	cp "$OUT/panfrost_open" /tmp/
	/tmp/panfrost_open >"$OUT/open"
}

faults() {
	cp "$OUT/cpu_access" /tmp/
	BENCH_ONLY=faults /tmp/cpu_access >/tmp/said || { cat /tmp/said && exit 1; }
	sed -n 's/^bench: //p' /tmp/said >"$OUT/counts"
}

"$@"
