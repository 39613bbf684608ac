#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make coverage: which lines and branches of the floors do the tests reach? Counted by gcov in the list's
# user-space tests, in KUnit, the prime and the panfrost tests on User Mode Linux, and in QEMU: KUnit on arm64,
# arm (dma_map_ops) and x86_64, with direct DMA, bounced, behind IOMMUs, and with devices that do not snoop, each
# with allocations that fail; the tests of igt-tests/ for what imports there, and for what devices send each other.
# A line that none of them reaches is in expect/uncovered.txt, with its reason, or it is an error.
# out/coverage/: each file with its counts. "coverage.sh qemu x86_64 PART..." counts just that anew; the others'
# counters have to be of the same series. Slow (four kernels); not part of make test.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
# shellcheck source=scripts/floors.sh
. "$(dirname "$0")/floors.sh"

DIR=$OUT/coverage
FILES=("${FLOORS[@]}" include/linux/dma-runs.h include/drm/drm_gem_bo_backing.h "${FUNCTIONS[@]}")
# What is inlined before it is counted has branches of its own for each caller.
FLAGS='-fprofile-arcs -ftest-coverage -fno-tree-loop-im -fno-early-inlining'

# counted: kbuild's words for what gcov counts.
counted() { instrumented GCOV_PROFILE "${FILES[@]%%:*}"; }

# kernel DIR ARCH START TARGET FRAGMENT...
kernel() {
	local dir=$1 arch=$2 start=$3 target=$4 skip='^$' words
	shift 4
	# Kbuild goes by the name alone, which a file of x86's boot code has, too.
	[ "$arch" != x86_64 ] || skip=_memory.o=
	read -rd '' -a words < <(counted | grep -v "$skip"; printf '\0')
	words+=("CFLAGS_GCOV=$FLAGS")
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

parts_of() {
	case $1 in
	arm64) echo failing failing-swiotlb failing-iommu failing-noncoherent virtio-gpu ;;
	arm) echo failing ;;
	x86_64) echo failing failing-iommu imports vfio ;;
	esac
}

# qemu ARCH [PART]...
qemu() {
	local arch=$1 dir=$BUILD/qemu-$1-coverage part log parts=("${@:2}")
	cross_packages "$arch"
	kernel "$dir" "$arch" tinyconfig "$(basename "$(qemu_image "$arch")")" \
		"$TOP/configs/qemu-common.config" "$TOP/configs/qemu-$arch.config" "$TOP/configs/qemu-patched.config"
	[ ${#parts[@]} -gt 0 ] || read -ra parts <<<"$(parts_of "$arch")"
	for part in "${parts[@]}"; do
		stage "coverage: $arch, $part"
		log=$OUT/qemu-$arch/$part/converted/console.log
		rm -rf "${DIR:?}/$arch-$part" "$OUT/qemu-$arch/$part"
		# What fails there is for the lane itself to judge; here KUnit's own provocations are in the log, too.
		CONVERTED=$dir/$(qemu_image "$arch") UNPATCHED=$dir/$(qemu_image "$arch") QEMU_GCOV=QEMU_GCOV=1 QEMU_LIMIT=900 \
			RESULTS=$DIR/$arch-$part.tsv "$TOP/scripts/qemu.sh" "$arch" "$part" >"$DIR/$arch-$part.log" 2>&1 || true
		grep -aq 'qemu: done' "$log" || die "$arch, $part did not get to its end" "$DIR/$arch-$part.log"
		"$TOP/scripts/coverage.py" unpack "$log" "$DIR/$arch-$part"
		gather "$arch-$part" "$dir"
	done
}

lane coverage
"$TOP/scripts/source.sh"
need gcc python3 libc6-dev libdrm-dev make pkg-config
kernel_packages
if [ $# -gt 0 ]; then
	mkdir -p "$DIR"
	"$@"
else
	rm -rf "$DIR"
	mkdir -p "$DIR"
	user_space
	user_mode_linux
	qemu arm64
	qemu arm
	qemu x86_64
fi
"$TOP/scripts/coverage.py" judge "$RESULTS" "$DIR" "$TOP/expect/uncovered.txt" "$LINUX" "${FILES[@]}" || LANE_FAILED=1
lane_end
