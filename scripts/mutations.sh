#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# mutations.sh [LANE[/NAME]]...: each bug of mutations/LANE/, or that one, is put into the converted kernel,
# alone; that lane has to fail on it, and on the kernel without one it has to pass. panfrost (as T860),
# prime (prime_backing_swap alone), harness, qemu-arm64 and qemu-arm (their KUnit boots), qemu-screen
# (virtio-gpu behind the SMMU); without arguments all. A lane's parts run until one finds the bug. What was
# found is not tried again until the series or the bug changes. Slow; not part of make test.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

DIR=$BUILD/mutations
TREE=$DIR/linux

# build_LANE LOG: the tree as it is; parts_LANE: what the lane consists of; test_LANE PART: one of it.
build_panfrost() {
	kconfig "$DIR/um" um defconfig "$TOP/configs/um.config" "$TOP/configs/um-patched.config"
	run "$1" um_linux "$DIR/um"
}

parts_panfrost() { echo t860; }
test_panfrost() { CONVERTED=$DIR/um/linux "$TOP/scripts/panfrost.sh" "$1"; }

build_prime() { build_panfrost "$1"; }
parts_prime() { echo swap; }
test_prime() { T=prime_backing_$1 CONVERTED=$DIR/um/linux "$TOP/scripts/prime.sh"; }

build_harness() { build_panfrost "$1"; }

# The suites of the driver that the bug is named after, if it is.
parts_harness() {
	local driver=${1%%-*}
	if [ -e "$TREE/drivers/gpu/drm/tests/harness/$driver.c" ]; then echo "$driver"; else echo all; fi
}

test_harness() {
	local suites="$1*"
	[ "$1" != all ] || suites='*'
	T=$suites CONVERTED=$DIR/um/linux "$TOP/scripts/harness.sh"
}

# build_qemu ARCH LOG
build_qemu() {
	cross_packages "$1"
	kconfig "$DIR/qemu-$1" "$1" tinyconfig "$TOP/configs/qemu-common.config" \
		"$TOP/configs/qemu-$1.config" "$TOP/configs/qemu-patched.config"
	run "$2" kbuild "$DIR/qemu-$1" "$1" "$(basename "$(qemu_image "$1")")"
}

# test_qemu ARCH PART
test_qemu() { QEMU_LIMIT=150 CONVERTED=$DIR/qemu-$1/$(qemu_image "$1") "$TOP/scripts/qemu.sh" "$@"; }

build_qemu-arm() { build_qemu arm "$1"; }
parts_qemu-arm() { echo kunit failing; }
test_qemu-arm() { test_qemu arm "$1"; }
build_qemu-arm64() { build_qemu arm64 "$1"; }
parts_qemu-arm64() { echo kunit kunit-swiotlb kunit-iommu kunit-noncoherent; }
test_qemu-arm64() { test_qemu arm64 "$1"; }
build_qemu-screen() { build_qemu arm64 "$1"; }
parts_qemu-screen() { echo virtio-gpu; }
test_qemu-screen() { test_qemu arm64 "$1"; }

# mutant LANE NAME: the lane's results on the tree as it is, in DIR/LANE-NAME.tsv, as far as it takes.
mutant() {
	local log=$DIR/$1-$2 part
	"build_$1" "$log.build.log"
	: >"$log.tsv"
	: >"$log.log"
	for part in $("parts_$1" "$2"); do
		RESULTS=$log.tsv "test_$1" "$part" >>"$log.log" 2>&1 || true
		[ -s "$log.tsv" ] || die "no test ran on $2" "$log.log"
		[ -z "$(found "$1" "$2")" ] || return 0
	done
}

# found LANE NAME: what failed, a line each.
found() { test_failures "$DIR/$1-$2.tsv"; }

# mutation LANE DIFF
mutation() {
	local name mark
	name=$(basename "$2" .diff)
	mark=$DIR/found/$1-$name.$({ git -C "$TREE" rev-parse 'series_tip^{tree}'; cat "$2" "$TOP"/igt-tests/{tests,compat}/* "$TOP"/{expect,guest,configs}/* "$TOP"/scripts/*.{sh,py}; } | sha256sum | cut -c1-16)
	if [ -e "$mark" ]; then
		result PASS "$1/$name"
		note "found before: $(cat "$mark")"
		return
	fi
	stage "mutations: $1/$name: $(head -n1 "$2")"
	run "$DIR/apply.log" git -C "$TREE" apply "$2"
	mutant "$1" "$name"
	git -C "$TREE" checkout -q -f series_tip
	if [ -n "$(found "$1" "$name")" ]; then
		found "$1" "$name" | sed -n 1,4p | paste -sd' ' >"$mark"
		result PASS "$1/$name"
		note "$(found "$1" "$name" | wc -l) failures, among them $(cat "$mark")"
	else
		result FAIL "$1/$name" "no test found it; log: $DIR/$1-$name.log"
	fi
}

"$TOP/scripts/source.sh"
kernel_packages
mkdir -p "$DIR/found"
git -C "$LINUX" worktree prune
if [ -d "$TREE" ]; then
	git -C "$TREE" checkout -q -f --detach series_tip
else
	git -C "$LINUX" worktree add -q --detach "$TREE" series_tip
fi

[ $# -gt 0 ] || set -- panfrost prime harness qemu-arm64 qemu-screen qemu-arm
lane mutations
for what in "$@"; do
	name=${what%%/*}
	[ -d "$TOP/mutations/$name" ] || die "there is no mutations/$name"
	stage "mutations: $name without any"
	mutant "$name" none
	[ -z "$(found "$name" none)" ] ||
		die "the lane fails without a mutation: $(found "$name" none | sed -n 1p)" "$DIR/$name-none.log"
	case $what in
	*/*) mutation "$name" "$TOP/mutations/$what.diff" ;;
	*) for diff in "$TOP/mutations/$name"/*.diff; do mutation "$name" "$diff"; done ;;
	esac
done
lane_end
