#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make coverage: which lines and branches of the floors do the tests reach? Counted by gcov in the list's
# user-space tests, in KUnit, the prime and the panfrost tests on User Mode Linux, and in KUnit on arm64 in
# QEMU: direct DMA, bounced, behind an IOMMU, and with devices that do not snoop; each with allocations that
# fail. A line that none of them reaches is in expect/uncovered.txt, with its reason, or it is an error.
# out/coverage/: each file with its counts. "coverage.sh qemu" counts just that part anew; the others' counters
# have to be of the same series. Slow (two kernels); not part of make test.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
# shellcheck source=scripts/floors.sh
. "$(dirname "$0")/floors.sh"

DIR=$OUT/coverage
FILES=("${FLOORS[@]}" include/linux/dma-runs.h include/drm/drm_gem_bo_backing.h "${FUNCTIONS[@]}")
PARTS=(failing failing-swiotlb failing-iommu failing-noncoherent)

# counted: kbuild's words for what gcov counts.
counted() { instrumented GCOV_PROFILE "${FILES[@]%%:*}"; }

# kernel DIR ARCH START TARGET FRAGMENT...
kernel() {
	local dir=$1 arch=$2 start=$3 target=$4 words
	shift 4
	read -rd '' -a words < <(counted; printf '\0')
	mkdir -p "$dir"
	exec 8>"$dir/.lock"
	flock 8
	stage "coverage: $arch -> ${dir#"$TOP"/}"
	kconfig "$dir" "$arch" "$start" "$@" "$TOP/configs/coverage.config"
	# A configuration of its own: the preprocessor would find nothing in the cache.
	case $arch in
	um) CCACHE_DEPEND=1 run "$dir/build.log" um_linux "$dir" "${words[@]}" ;;
	*) CCACHE_DEPEND=1 run "$dir/build.log" kbuild "$dir" "$arch" "${words[@]}" "$target" ;;
	esac
}

# gather NAME OBJECTS: the counters in DIR/NAME, each beside the notes that the compiler left in OBJECTS.
gather() {
	local file notes
	for file in "$DIR/$1"/*.gcda; do
		[ -e "$file" ] || die "$1: no counters; log: $DIR/$1"
		notes=$(find "$2" -name "$(basename "$file" .gcda).gcno" | head -n1)
		cp "$notes" "$DIR/$1/"
		(cd "$DIR/$1" && run "$DIR/$1/gcov.log" gcov --json-format --branch-probabilities "${file##*/}")
	done
}

user_space() {
	local tests=$BUILD/coverage/user/tools/testing/dma-runs
	list_tests "$BUILD/coverage/user"
	local name
	stage "coverage: the list in user space"
	for name in dma_runs dma_runs_32; do
		CFLAGS='-O0 -g --coverage' run "$DIR/user.log" make -C "$tests" $name
		(cd "$tests" && run "$DIR/user.log" ./$name 1 3000)
		rm -rf "$DIR/user-$name"
		mkdir -p "$DIR/user-$name"
		mv "$tests"/*.gcda "$DIR/user-$name/"
		gather "user-$name" "$tests"
	done
}

user_mode_linux() {
	local dir=$BUILD/um-coverage
	kernel "$dir" um defconfig linux "$TOP/configs/um.config" "$TOP/configs/um-patched.config"
	"$TOP/scripts/guest.sh"
	"$TOP/scripts/mali.sh"
	run "$BUILD/log/igt-tests.log" make -C "$TOP/igt-tests" "O=$BUILD/igt-tests" all
	find "$BUILD/igt-tests" -maxdepth 1 -type f -executable -name '*_backing_*' -printf '%f\n' >"$DIR/um.list"
	rm -rf "$DIR/um"
	"$TOP/scripts/igt_results.py" select "$DIR/um.list" "$DIR/um"
	stage "coverage: KUnit and $(wc -l <"$DIR/um.list") tests on User Mode Linux"
	"$TOP/scripts/boot.sh" -r -k "$dir/linux" -o "$DIR/um" -t 1500 \
		-a "kunit.enable=1 kunit.autorun=0 dtb=$BUILD/mali/t860.dtb" guest/coverage.sh /mnt/build/igt-tests ||
		die "the guest ended early" "$DIR/um/console.log"
	mv "$DIR"/um/gcov/*.gcda "$DIR/um/"
	gather um "$dir"
}

qemu() {
	local part dir=$BUILD/qemu-arm64-coverage
	cross_packages arm64
	kernel "$dir" arm64 tinyconfig Image "$TOP/configs/qemu-common.config" "$TOP/configs/qemu-arm64.config" \
		"$TOP/configs/qemu-patched.config"
	for part in "${PARTS[@]}"; do
		stage "coverage: arm64, $part"
		rm -rf "${DIR:?}/$part" "$OUT/qemu-arm64/$part"
		# What fails there is for the lane itself to judge; here KUnit's own provocations are in the log, too.
		CONVERTED=$dir/$(qemu_image arm64) UNPATCHED=$dir/$(qemu_image arm64) QEMU_GCOV=QEMU_GCOV=1 QEMU_LIMIT=900 \
			RESULTS=$DIR/$part.tsv "$TOP/scripts/qemu.sh" arm64 "$part" >"$DIR/$part.log" 2>&1 || true
		grep -aq 'qemu: done' "$OUT/qemu-arm64/$part/converted/console.log" || die "$part did not get to its end" "$DIR/$part.log"
		"$TOP/scripts/coverage.py" unpack "$OUT/qemu-arm64/$part/converted/console.log" "$DIR/$part"
		gather "$part" "$dir"
	done
}

lane coverage
"$TOP/scripts/source.sh"
need gcc python3 libc6-dev libdrm-dev make pkg-config
kernel_packages
if [ $# = 0 ]; then
	rm -rf "$DIR"
	set -- user_space user_mode_linux qemu
fi
mkdir -p "$DIR"
for what; do "$what"; done
"$TOP/scripts/coverage.py" judge "$RESULTS" "$DIR" "$TOP/expect/uncovered.txt" "$LINUX" "${FILES[@]}" || LANE_FAILED=1
lane_end
