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
UML=$BUILD/um/kunit.log
PARTS=(kunit kunit-swiotlb kunit-iommu kunit-noncoherent)
X86=$OUT/qemu-x86_64/kunit-iommu/converted/console.log
# What every boot has to have, and what needs a device tree, a device or an IOMMU.
ALL=,32bit,unreachable
ARM=$ALL,noncoherent,mixed,pool

log_of() { printf '%s\n' "$OUT/qemu-arm64/$1/converted/console.log"; }

boot_um() {
	"$TOP/scripts/kernel.sh"
	is_of "$UML" "$(um_dir)/linux" || "$TOP/scripts/kunit.sh" || note "make kunit failed; the matrix is of what it left"
}

# boot_qemu ARCH PART...
boot_qemu() {
	local arch=$1 part missing=()
	shift
	"$TOP/scripts/qemu-kernel.sh" "$arch"
	for part in "$@"; do
		is_of "$OUT/qemu-$arch/$part/converted/console.log" "$(qemu_dir "$arch")/image" || missing+=("$part")
	done
	[ ${#missing[@]} = 0 ] || "$TOP/scripts/qemu.sh" "$arch" "${missing[@]}" ||
		note "scripts/qemu.sh $arch failed; the matrix is of what it left"
}

boot_um
boot_qemu arm64 "${PARTS[@]}"
[ ! -s "$X86" ] || boot_qemu x86_64 kunit-iommu
ARGS=("User Mode Linux, direct=U=$ALL=$UML"
	"arm64, direct=D=$ARM=$(log_of kunit)"
	"arm64, direct, every mapping bounced=S=$ARM=$(log_of kunit-swiotlb)"
	"arm64, PCI behind SMMUv3=I=$ARM,iommu,to_iommu=$(log_of kunit-iommu)"
	"arm64, PCI that does not snoop behind SMMUv3=N=$ARM,iommu,to_iommu=$(log_of kunit-noncoherent)")
[ ! -s "$X86" ] || ARGS+=("x86_64, PCI behind intel-iommu=X=$ALL,iommu,to_iommu=$X86")
"$TOP/scripts/matrix.py" "${ARGS[@]}"
