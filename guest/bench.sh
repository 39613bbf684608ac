#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# bench.sh fill [NAME=VALUE]...  the module /run/out/pgtable_fill.ko; its numbers go to /run/out/fill
# bench.sh open                  the program /run/out/panfrost_open; what it prints to /run/out/open
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

"$@"
