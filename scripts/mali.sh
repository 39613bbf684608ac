#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# The device trees of the Mali model, build/mali/{t860,g52,g57}[-noncoherent].dtb, which make a
# GPU of it when User Mode Linux boots with dtb=FILE.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

DTS=$TOP/guest/mali.dts
DIR=$BUILD/mali

# tree NAME COMPATIBLE [OPTION...]
tree() {
	local out=$DIR/$1.dtb compatible=$2
	shift 2
	[ "$DTS" -nt "$out" ] || [ "$0" -nt "$out" ] || return 0
	run "$BUILD/log/mali.log" cpp -nostdinc -undef -x assembler-with-cpp "-DMALI=$compatible" "$@" \
		-o "$out.dts" "$DTS"
	run "$BUILD/log/mali.log" dtc -q -I dts -O dtb -o "$out.new" "$out.dts"
	mv "$out.new" "$out"
}

need cpp device-tree-compiler
mkdir -p "$DIR"
for gpu in t860:arm,mali-t860 g52:arm,mali-bifrost g57:arm,mali-valhall-jm; do
	tree "${gpu%%:*}" "\"${gpu#*:}\""
	tree "${gpu%%:*}-noncoherent" "\"${gpu#*:}\"" -DMALI_NONCOHERENT
done
