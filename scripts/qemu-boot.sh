#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# qemu-boot.sh: scripts/boot.sh for the x86_64 kernel in QEMU, with the same arguments but for one:
# -q "QEMU'S ARGUMENTS". The guest's root is the same, by virtio; so is what the script sees there.
# -a also knows "dtb=FILE".
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/boot-options.sh
. "$(dirname "$0")/boot-options.sh"

KERNEL_BIN=''
boot_options q: "$@"
[ -s "$KERNEL_BIN" ] || die "no kernel at $KERNEL_BIN; scripts/qemu-kernel.sh x86_64 builds it"

# share TAG DIRECTORY [OPTION]: a directory that the guest can mount.
share() {
	QEMU_ARGS+=(-fsdev "local,id=${1##*/},path=$2,security_model=none,multidevs=remap${3:-}"
		-device "virtio-9p-pci,fsdev=${1##*/},mount_tag=$1")
}

share /dev/root "$GUEST" ,readonly=on
share project "$TOP" ,readonly=on
share out "$OUTDIR"
P9=trans=virtio,version=9p2000.L,cache=loose,msize=262144
STAGE1="mount -t 9p -o ro,$P9 project /mnt && exec /mnt/guest/init"
CMDLINE="console=ttyS0 root=/dev/root rootfstype=9p rootflags=$P9 ro panic=-1 kunit.enable=0 loglevel=5"
CMDLINE+=" GUEST_OUT=9p GUEST_RUN=$SCRIPT GUEST_ARGS=\"${SCRIPT_ARGS[*]}\" GUEST_TIMEOUT=$SECONDS_MAX ${ENVS[*]}"
for arg in $ARGS; do
	case $arg in
	dtb=*) QEMU_ARGS+=(-dtb "${arg#dtb=}") ;;
	*) CMDLINE+=" $arg" ;;
	esac
done
"$TOP/scripts/qemu_boot.py" "$OUTDIR/console.log" $((SECONDS_MAX + 60)) qemu-system-x86_64 -M q35 -cpu max \
	-accel tcg,thread=multi -smp 2 -m 1536 -vga none "${QEMU_ARGS[@]}" \
	-kernel "$KERNEL_BIN" -append "$CMDLINE init=/bin/sh -- -c \"$STAGE1\"" 2>"$OUTDIR/qemu.log" || true
"$TOP/scripts/report.py" kernel-reports "$OUTDIR/console.log" "$(which_kernel)" >"$OUTDIR/reports.txt" ||
	echo "scripts/report.py cannot read the log" >"$OUTDIR/reports.txt"
[ -s "$OUTDIR/status" ] || exit 125
exit "$(cat "$OUTDIR/status")"
