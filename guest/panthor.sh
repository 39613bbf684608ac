#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# panthor.sh PROGRAM [ARG...]: a program on the CSF model, with swap, without which panthor reclaims
# nothing. The driver comes before any file system, so it gets its firmware now.
printf /mnt/build/csf/firmware >/sys/module/firmware_class/parameters/path
echo 1000000000.gpu >/sys/bus/platform/drivers/panthor/bind || exit 125
echo 256M >/sys/block/zram0/disksize && mkswap -q /dev/zram0 && swapon /dev/zram0 || exit 125
exec "$@"
