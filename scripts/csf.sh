#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# What the CSF model needs: the device trees build/csf/g610[-noncoherent].dtb, which make a GPU of
# it when User Mode Linux boots with dtb=FILE, and the firmware below build/csf/firmware.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

DTS=$TOP/guest/csf.dts
DIR=$BUILD/csf
IMAGE=$DIR/firmware/arm/mali/arch10.8/mali_csffw.bin

need cpp device-tree-compiler python3
mkdir -p "${IMAGE%/*}"
device_tree "$DTS" "$DIR/g610"
device_tree "$DTS" "$DIR/g610-noncoherent" -DCSF_NONCOHERENT
"$TOP/scripts/csf-firmware.py" "$IMAGE"
