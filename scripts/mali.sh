#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# The device trees of the Mali model, build/mali/{t860,g52,g57}[-noncoherent].dtb, which make a
# GPU of it when User Mode Linux boots with dtb=FILE.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

DTS=$TOP/guest/mali.dts
DIR=$BUILD/mali

need cpp device-tree-compiler
mkdir -p "$DIR"
for gpu in t860:arm,mali-t860 g52:arm,mali-bifrost g57:arm,mali-valhall-jm; do
	compatible=-DMALI="\"${gpu#*:}\""
	device_tree "$DTS" "$DIR/${gpu%%:*}" "$compatible"
	device_tree "$DTS" "$DIR/${gpu%%:*}-noncoherent" "$compatible" -DMALI_NONCOHERENT
done
