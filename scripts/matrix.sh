#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make matrix: which operation works on which kind of buffer, and with which errno it is refused, as the
# KUnit suites found it in their last boots on User Mode Linux and in QEMU. Boots what was not booted
# with the kernel that build/linux makes. x86_64 only if it ever was (make test-qemu).
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

unset BASE CONFIG
ARGS=()

# add BOOT LOG KERNEL: a boot of another kernel says nothing.
add() {
	is_of "$2" "$3" || die "${1%%/*}: the suites did not run on $3" "$2"
	ARGS+=("$1=$2")
}

boot_um() {
	local log=$BUILD/um/kunit.log kernel
	"$TOP/scripts/kernel.sh"
	kernel=$(um_dir)/linux
	is_of "$log" "$kernel" || "$TOP/scripts/kunit.sh" || note "make kunit failed"
	add um/kunit "$log" "$kernel"
}

# boot_qemu ARCH PART...
boot_qemu() {
	local arch=$1 part image missing=()
	shift
	"$TOP/scripts/qemu-kernel.sh" "$arch"
	image=$(qemu_dir "$arch")/image
	for part in "$@"; do
		is_of "$OUT/qemu-$arch/$part/converted/console.log" "$image" || missing+=("$part")
	done
	[ ${#missing[@]} = 0 ] || "$TOP/scripts/qemu.sh" "$arch" "${missing[@]}" || note "scripts/qemu.sh $arch failed"
	for part in "$@"; do add "$arch/$part" "$OUT/qemu-$arch/$part/converted/console.log" "$image"; done
}

boot_um
boot_qemu arm64 kunit kunit-swiotlb kunit-iommu kunit-noncoherent
[ ! -s "$OUT/qemu-x86_64/kunit-iommu/converted/console.log" ] || boot_qemu x86_64 kunit-iommu
"$TOP/scripts/matrix.py" "${ARGS[@]}"
