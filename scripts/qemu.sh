#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# qemu.sh ARCH [PART]...: kernels of ARCH (arm64, arm, x86_64) in QEMU, converted and unpatched: KUnit
# and our tests of igt-tests/, on drivers and behind IOMMUs that User Mode Linux does not have.
# A part is a boot of each kernel; without, all of them. A difference is a failure, and so is what
# expect/qemu-ARCH-PART.txt does not say. "qemu.sh expect ARCH PART" writes that file anew.
# CONFIG=kcsan: on kernels that KCSAN watches, which is of use for x86_64's part stress; a lane of its own.
# CONVERTED and UNPATCHED name other kernel images than those built here, QEMU_LIMIT the seconds for a boot.
# QEMU_GCOV=QEMU_GCOV=1 (scripts/coverage.sh): the converted kernel alone, failing-* on each machine, and behind it all
# suites, with gcov's counters.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
export BOOT=$TOP/scripts/qemu-boot.sh
# shellcheck source=scripts/guest-lane.sh
. "$(dirname "$0")/guest-lane.sh"

RESULTS_OF=$TOP/scripts/qemu_results.py
ALL_TESTS=kms_backing_scanout,prime_backing_share,prime_backing_mmap,prime_backing_lifetime,prime_backing_sizes

parts_of() {
	case $1 in
	arm64) echo kunit kunit-swiotlb kunit-iommu kunit-noncoherent failing-iommu virtio-gpu stress pl111 ili9341 exynos noncoherent swiotlb ;;
	arm) echo kunit failing highmem pl111 fimd tegra tegra-iommu armada ;;
	x86_64) echo kunit kunit-iommu intel-iommu virtio-iommu amd-iommu imports vfio vfio-no-route udmabuf kvm stress inject inject-direct ili9341 igt-arcpgu igt-virtio-gpu ;;
	*) die "there are no QEMU lanes for $1, but for arm64, arm and x86_64" ;;
	esac
}

GPU=(-device "virtio-gpu-pci,iommu_platform=on,disable-legacy=on,xres=640,yres=480")
# Devices without a driver, for the suites that look for one, and one with memory without pages.
SPARE=(-device pci-testdev -device pci-testdev -object "memory-backend-ram,id=pool,size=16M,share=on")
# The last two of these anywhere, or behind one bridge, where they see each other's addresses.
APART=("${SPARE[@]}" -device edu -device "ivshmem-plain,memdev=pool")
PEERS=("${SPARE[@]}" -device "pci-bridge,id=peers,chassis_nr=9" -device "edu,bus=peers,addr=1"
	-device "ivshmem-plain,memdev=pool,bus=peers,addr=2")

# One that takes imports. QEMU wants a descriptor for each piece of memory then.
BLOB_GPU=(-object "memory-backend-memfd,id=ram,size=1G,share=on" -machine "memory-backend=ram"
	-device "${GPU[1]},blob=on")

# A device for user space, and one whose BAR is memory; behind a port it can be reset.
VFIO=(-device edu -object "memory-backend-memfd,id=pool,size=16M,share=on"
	-device "pcie-root-port,id=rp,chassis=1" -device "ivshmem-plain,memdev=pool,bus=rp")

# What a part is: sets MACHINE (QEMU's options), BOARD (a device tree of the kernel's, where the
# machine has none), DTS (what is added to its device tree), APPEND (to the kernel's command line),
# TESTS, ALSO (on the converted kernel alone, the other does not survive), WITHOUT (subtests that are left out), LIMIT (seconds), FILTER (of KUnit's suites), SUITES (whose
# allocations fail), WANT (what has to be so in both kernels, regular expressions for lines of "facts"),
# SCREEN (QEMU shows what the device reads), POINTS (more than so many failures are wanted), FUNCTIONS (they fail,
# too, and what is leaked is looked for).
part() {
	# Without CRCs the first skips everywhere; the other wants a quiet machine.
	WITHOUT='scanout-crc|no-memory-left'
	BOARD='' SCREEN='' ALSO='' POINTS='' FUNCTIONS='' DTS=() WANT=() LIMIT=${QEMU_LIMIT:-300} TESTS=$ALL_TESTS FILTER='d[rm]*'
	if [ "$1" = kunit ]; then FILTER='*'; fi
	SUITES=$FAILING_SUITES
	case $1 in
	# What makes functions fail is there for part inject alone.
	stress)
		TESTS=prime_backing_stress,prime_backing_failing WITHOUT+='|function-.*'
		POINTS=500 LIMIT=${QEMU_LIMIT:-900}
		;;
	inject*) TESTS=prime_backing_failing LIMIT=${QEMU_LIMIT:-900} ;;
	esac
	"part_$ARCH" "$1"
}

part_arm64() {
	local virt=virt,gic-version=3,dtb-randomness=off
	QEMU='qemu-system-aarch64'
	MACHINE=(-M "$virt" -cpu cortex-a57 -smp 2 -m 1024)
	APPEND="console=ttyAMA0"
	case $1 in
	*iommu | *noncoherent | virtio-gpu | stress | pl111) MACHINE[1]=$virt,iommu=smmuv3 ;;
	esac
	case $1 in
	*swiotlb) APPEND+=" swiotlb=65536,force,track_hiwater" ;;
	esac
	# With two processors KUnit's lines on the console cut each other.
	case $1 in
	kunit* | failing*) MACHINE+=(-smp 1 "${APART[@]}") ;;
	virtio-gpu | noncoherent) SCREEN=1 MACHINE+=("${GPU[@]}") ;;
	stress) MACHINE+=("${BLOB_GPU[@]}") APPEND+=" QEMU_TIMEOUT=300 initcall_blacklist=exynos_drm_init" ;;
	esac
	case $1 in
	kunit-iommu | kunit-noncoherent) WANT=("^device of suites: .*: group [0-9]+ of arm-smmu-v3") ;;
	virtio-gpu | stress) WANT=('^device: virtio_gpu .*\(arm-smmu-v3\), DMA(-FQ)?$') ;;
	noncoherent) WANT=('^device: virtio_gpu .*\(arm-smmu-v3\), DMA(-FQ)?, not coherent$') ;;
	pl111) WANT=('^device: pl111 .*\(arm-smmu-v3\), DMA(-FQ)?') ;;
	ili9341) WANT=('^device: ili9341 .*: direct') ;;
	exynos) WANT=('^device: exynos .*: direct') ;;
	swiotlb) WANT=('^device: ili9341 .*: direct, bounced' '^bounced: [1-9]') ;;
	esac
	case $1 in
	kunit | failing) DTS=(pool) ;;
	*noncoherent) DTS=(noncoherent) ;;
	failing-iommu) SUITES+=,drm_gem_bo_backing_kinds_iommu,drm_gem_bo_backing_kinds_to_iommu ;;
	ili9341 | swiotlb) DTS=(ili9341) APPEND+=" cma=256M" ;;
	exynos) APPEND+=" cma=256M" ;;
	virtio-gpu) APPEND+=" transparent_hugepage_shmem=always initcall_blacklist=exynos_drm_init" ;;
	pl111)
		DTS=(pl111)
		MACHINE+=(-device "loader,addr=0x7f000024,data=4,data-len=4")
		APPEND+=" mem=1000M QEMU_TICK=1 initcall_blacklist=exynos_drm_init"
		# DMA_API_DEBUG looks for each of 16384 pages in a range of 64 MiB: 40 s.
		WITHOUT+='|64m'
		# Unpatched, who maps an import through pl111 writes to the kernel, which 4096 pages do not leave alive.
		TESTS=${TESTS/,prime_backing_mmap,/,prime_backing_mmap:[^f].*|f[^a].*,} ALSO='prime_backing_mmap:faults-.*'
		;;
	esac
}

part_arm() {
	QEMU='qemu-system-arm'
	MACHINE=(-M "virt,highmem=off" -cpu cortex-a15 -smp 1 -m 1024)
	APPEND="console=ttyAMA0"
	case $1 in
	kunit | failing) MACHINE+=("${APART[@]}") ;;
	highmem)
		MACHINE=(-M "virt,highmem=off" -cpu cortex-a15 -smp 2 -m 2048 "${GPU[@]}")
		SCREEN=1 WANT=('^device: virtio_gpu ' '^highmem: [1-9]')
		APPEND+=" initcall_blacklist=exynos_drm_init"
		;;
	pl111)
		SCREEN=1 BOARD=arm/vexpress-v2p-ca9 DTS=(vexpress) WANT=('^device: pl111 .*: direct')
		MACHINE=(-M vexpress-a9 -smp 2 -m 512)
		APPEND+=" initcall_blacklist=exynos_drm_init"
		;;
	fimd)
		# What the display controller reads is an IOVA, which QEMU takes for an address: no pictures.
		BOARD=samsung/exynos4210-smdkv310 DTS=(smdkc210) WANT=('^device: exynos .*IOMMU group [0-9]+ of .*sysmmu')
		MACHINE=(-M smdkc210 -smp 2 -m 1024)
		# The IOMMU's driver syncs its page tables word by word: DMA_API_DEBUG searches all it has for
		# each word, and complains that it finds nothing.
		APPEND="console=ttySAC0,115200 clk_ignore_unused pd_ignore_unused dma_debug=off"
		TESTS=prime_backing_share,prime_backing_mmap,prime_backing_lifetime,prime_backing_sizes,kms_backing_scanout:faults
		;;
	tegra*)
		DTS=(tegra) WANT=('^device: tegra .*: direct')
		# Unpatched, user space that maps an import through tegra writes to whatever lies behind its first page.
		TESTS='kms_backing_scanout,prime_backing_sizes:dumb.*,tegra_backing'
		ALSO='prime_backing_share,prime_backing_mmap,prime_backing_lifetime,prime_backing_sizes:[^d].*'
		# The pads are calibrated, a frame has ended.
		MACHINE+=(-device "loader,addr=0x7f010008,data=0x10000,data-len=4"
			-device "loader,addr=0x7f2000dc,data=4,data-len=4")
		APPEND+=" mem=1000M cma=256M QEMU_TICK=1 initcall_blacklist=exynos_drm_init"
		;;
	armada)
		DTS=(armada) WANT=('^device: armada-drm .*: direct')
		# Unpatched, a private mapping is a BUG().
		TESTS='prime_backing_share,prime_backing_mmap:[^p].*|p[^r].*,prime_backing_lifetime,prime_backing_sizes'
		TESTS+=,kms_backing_scanout:faults,armada_backing ALSO=prime_backing_mmap:private
		# That it has no offsets for imports takes long to find out.
		APPEND+=" mem=768M initcall_blacklist=exynos_drm_init" LIMIT=$((3 * LIMIT))
		;;
	esac
	case $1 in
	tegra-iommu)
		BOARD=samsung/exynos4210-smdkv310 DTS+=(tegra-iommu)
		WANT=('^device: tegra .*IOMMU group [0-9]+ of .*sysmmu')
		MACHINE=(-M smdkc210 -smp 2 "${MACHINE[@]:6}")
		# As for part fimd; with that, dma-api/dump is not to be read.
		WITHOUT+='|addresses'
		APPEND="${APPEND/ttyAMA0/ttySAC0,115200} clk_ignore_unused pd_ignore_unused dma_debug=off"
		;;
	esac
}

# functions_fail PART: where they do.
functions_fail() {
	case $1 in
	inject) POINTS=2000 ;;
	# With huge pages what is imported lies in a row. Allocations fail in User Mode Linux as well.
	inject-direct)
		POINTS=400 TESTS='prime_backing_failing:function-.*'
		APPEND+=" QEMU_TIMEOUT=300 transparent_hugepage_shmem=always"
		;;
	*) return 0 ;;
	esac
	FUNCTIONS=1 APPEND+=" kmemleak=on QEMU_LEAKS=1"
}

part_x86_64() {
	QEMU='qemu-system-x86_64'
	MACHINE=(-M q35 -cpu max -accel "tcg,thread=multi" -smp 2 -m 1024 -vga none)
	# It can have several vkms, or none.
	APPEND="console=ttyS0 vkms.create_default_dev=$([ "$1" = inject-direct ] && echo 1 || echo 0)"
	case $1 in
	kunit* | failing*) MACHINE[7]=1 ;;
	esac
	case $1 in
	kunit-iommu) WANT=("^device of suites: .*: group [0-9]+ of DMAR") ;;
	failing-iommu) SUITES+=,drm_gem_bo_backing_kinds_iommu,drm_gem_bo_backing_kinds_to_iommu ;;
	intel-iommu | stress | inject | imports | udmabuf | vfio*) WANT=("^device: virtio_gpu .*IOMMU group [0-9]+ of dmar.*, DMA") ;;
	virtio-iommu) WANT=("^device: virtio_gpu .*IOMMU group [0-9]+ of .*virtio.*, DMA") ;;
	amd-iommu) WANT=("^device: virtio_gpu .*IOMMU group [0-9]+ of ivhd.*, DMA") ;;
	ili9341 | inject-direct) WANT=('^device: ili9341 .*: direct') ;;
	esac
	case $1 in
	kunit-iommu | failing-iommu | intel-iommu | stress | inject | imports | udmabuf | vfio*) MACHINE+=(-device "intel-iommu,intremap=off") ;;
	virtio-iommu) MACHINE+=(-device virtio-iommu-pci) ;;
	amd-iommu) MACHINE+=(-device amd-iommu) ;;
	esac
	case $1 in
	kunit* | failing*) MACHINE+=("${PEERS[@]}") ;;
	*-iommu)
		# DMA_API_DEBUG looks for each of 16384 pages in a range of 64 MiB: a minute.
		SCREEN=1 LIMIT=$((2 * LIMIT)) APPEND+=" QEMU_TIMEOUT=180" MACHINE+=("${GPU[@]}")
		;;
	vfio*)
		TESTS=vfio_backing_edu MACHINE+=("${VFIO[@]}" "${BLOB_GPU[@]}")
		APPEND+=" vfio_iommu_type1.allow_unsafe_interrupts=1"
		;;
	imports)
		# Unpatched, who lets go of an import waits for ever for a device that is gone.
		TESTS+=',prime_backing_unplug:exports|last-user' ALSO='prime_backing_unplug:imports|shown'
		SCREEN=1 LIMIT=$((2 * LIMIT)) APPEND+=" QEMU_TIMEOUT=180" MACHINE+=("${BLOB_GPU[@]}")
		;;
	udmabuf) TESTS=prime_backing_udmabuf MACHINE+=("${BLOB_GPU[@]}") ;;
	kvm) TESTS=kvm_backing_guest APPEND+=" transparent_hugepage_shmem=always" ;;
	stress) MACHINE+=("${BLOB_GPU[@]}") APPEND+=" QEMU_TIMEOUT=300" ;;
	inject) MACHINE+=("${BLOB_GPU[@]}") APPEND+=" QEMU_TIMEOUT=300" ;;
	ili9341 | inject-direct) BOARD='qemu-x86_64' APPEND+=" cma=256M" ;;
	esac
	# The kernel trusts the host bridge of processors since Zen with what devices send each other.
	case $1 in
	vfio) SCREEN=1 MACHINE[3]+=",family=23" ;;
	vfio-no-route) TESTS='vfio_backing_edu:bar-import|bar-refused' ;;
	esac
	functions_fail "$1"
}

# source_tree DIR: the device tree's source: QEMU's own, ours, or a board's of the kernel.
source_tree() {
	local board=$BASE_LINUX/arch/arm/boot/dts/$BOARD.dts
	if [ -z "$BOARD" ]; then
		qemu_dts "$1" "$QEMU" "${MACHINE[@]}"
	elif [ -e "$TOP/guest/$BOARD.dts" ]; then
		cat "$TOP/guest/$BOARD.dts"
	else
		cpp -nostdinc -undef -D__DTS__ -x assembler-with-cpp -I "$BASE_LINUX/include" \
			-I "$BASE_LINUX/scripts/dtc/include-prefixes" -I "${board%/*}" "$board"
	fi
}

# device_tree DIR: with the part's additions, as DIR/part.dtb; sets MACHINE to take it.
device_tree() {
	local name
	[ -n "$BOARD$(printf %s "${DTS[@]}")" ] || return 0
	need device-tree-compiler cpp
	{
		source_tree "$1"
		for name in "${DTS[@]}"; do cat "$TOP/guest/qemu-$name.dts"; done
	} >"$1/part.dts"
	compile_dts "$1"
	MACHINE+=(-dtb "$1/part.dtb")
}

ALWAYS='panic=-1 oops=panic'

# host_udmabuf: virtio-gpu with blobs wants one of the host; sets PRELOAD to what does instead.
host_udmabuf() {
	PRELOAD=''
	case " ${MACHINE[*]} " in *,blob=on*) ;; *) return 0 ;; esac
	[ ! -w /dev/udmabuf ] || return 0
	need gcc libc6-dev
	run "$BUILD/log/qemu-udmabuf.log" gcc -shared -fPIC -O2 -Wall -o "$BUILD/qemu-udmabuf.so" "$TOP/scripts/qemu-udmabuf.c"
	PRELOAD=$BUILD/qemu-udmabuf.so
}

# boot IMAGE DIR ARGUMENT...: what else is on the kernel's command line.
boot() {
	local image=$1 dir=$2
	shift 2
	rm -rf "$dir"
	mkdir -p "$dir"
	LD_PRELOAD=$PRELOAD "$TOP/scripts/qemu_boot.py" "$dir/console.log" "$LIMIT" "$QEMU" "${MACHINE[@]}" "${INITRD[@]}" \
		-kernel "$image" -append "$APPEND $ALWAYS $*" 2>"$dir/qemu.log" ||
		note "${dir#"$OUT"/}: the boot ended with status $?: $(why "$dir/qemu.log"); log: $dir/console.log"
	booted "$image" "$dir/console.log"
	"$TOP/scripts/report.py" kernel-reports "$dir/console.log" >"$dir/reports.txt"
}

# boot_key IMAGE ARGUMENT...: of all that a boot depends on.
boot_key() {
	{
		sha256sum <"$1"
		"$QEMU" --version
		printf '%s\n' "${MACHINE[@]//$OUT/}" "$APPEND $ALWAYS" "${@:2}"
		cat "$TOP/scripts/qemu_boot.py" ${PRELOAD:+"$TOP/scripts/qemu-udmabuf.c"} "$TOP/scripts/report.py" "$TOP/expect/kernel-reports.txt" "${INITRD[@]:1}"
		printf '%s\n' "${MACHINE[@]}" | { grep '^/.*\.dtb$' || true; } | xargs -r cat
	} | sha256sum | cut -c1-24
}

# boot_unpatched DIR ARGUMENT...: boots, or takes what the same boot left before. BASELINE=new boots.
boot_unpatched() {
	local dir=$1 kept
	shift
	kept=$CACHE/baseline/qemu-$ARCH-$(boot_key "$UNPATCHED" "$@")
	rm -rf "$dir"
	if from_before "$kept" "$dir"; then return; fi
	boot "$UNPATCHED" "$dir" "$@"
	# What ended early, or a test that had no time, is not what this kernel does.
	grep -aqE 'qemu: done|reboot: ' "$dir/console.log" || return 0
	! grep -aqE 'qemu: end \S+ status 1(24|37)' "$dir/console.log" || return 0
	mkdir -p "$CACHE/baseline"
	rm -rf "$kept" "$kept.new.$$"
	cp -r "$dir" "$kept.new.$$"
	mv "$kept.new.$$" "$kept"
	find "$CACHE/baseline" -maxdepth 1 -name "qemu-$ARCH-*" -printf '%T@ %p\n' | sort -rn | sed '1,32d; s/^[^ ]* //' |
		xargs -r rm -rf
}

# initrd BASE: where functions fail, the guest's root has a module in it, for one kernel alone.
initrd() {
	[ -n "$FUNCTIONS" ] || return 0
	INITRD=(-initrd "$(BASE=$1 qemu_dir "$ARCH")/root.cpio")
}

# both DIR ARGUMENT...: the two kernels beside each other, in DIR/base and DIR/converted.
both() {
	local dir=$1 other
	shift
	initrd ''
	boot "$CONVERTED" "$dir/converted" "$@" ${ALSO:+"QEMU_ALSO=$ALSO"} &
	other=$!
	initrd 1
	boot_unpatched "$dir/base" "$@"
	wait "$other"
}

# wanted PART DIR KERNEL...: is it what its name says?
wanted() {
	local kernel want
	for kernel in "${@:3}"; do
		"$RESULTS_OF" facts "$2/$kernel/console.log" | sed 's/^ *//' >"$2/$kernel/facts"
		for want in "${WANT[@]}"; do
			if grep -qE "$want" "$2/$kernel/facts"; then
				result PASS "$1/$kernel-setup: $want" >/dev/null
			else
				result FAIL "$1/$kernel-setup: $want" "not so; log: $2/$kernel/console.log"
			fi
		done
	done
	sed 's/^/  /' "$2/converted/facts"
}

parse_kunit() {
	python3 "$LINUX/tools/testing/kunit/kunit.py" parse --json="$1/kunit.json" "$1/console.log" >"$1/kunit.txt" 2>&1 || true
	[ -s "$1/kunit.json" ]
}

# kunit PART DIR: the suites run while the kernel boots, and there is no root.
kunit() {
	local part=$1 dir=$2 kernel failed=0
	INITRD=()
	both "$dir" kunit_shutdown=reboot "kunit.filter_glob=$FILTER"
	for kernel in base converted; do
		if ! parse_kunit "$dir/$kernel"; then
			result FAIL "$part/$kernel" "no KUnit results; log: $dir/$kernel/console.log"
			return
		fi
		grep -aq 'reboot: ' "$dir/$kernel/console.log" ||
			result FAIL "$part/$kernel-boot" "the suites did not get to their end; log: $dir/$kernel/console.log"
	done
	wanted "$part" "$dir" converted
	matrix_result "$part/matrix" "$ARCH/$part" "$dir/converted/console.log"
	"$TOP/scripts/kunit_results.py" --lane "$LANE" --results "$dir/kunit.tsv" --base "$dir/base/kunit.json" \
		--gone "$TOP/expect/kunit-gone.txt" "$dir/converted/kunit.json" >"$dir/kunit.table" || true
	"$RESULTS_OF" kunit "$RESULTS" "$LANE" "$part" "$dir" "$TOP/expect/qemu-kunit.txt" || failed=1
	"$RESULTS_OF" reports "$RESULTS" "$LANE" "$part" "$dir/base/console.log" "$dir/converted/console.log" \
		"$TOP/expect/qemu-kunit-reports.txt" || failed=1
	LANE_FAILED=$((LANE_FAILED + failed))
}

# failing PART DIR: suites that are new, with allocations that fail, on the converted kernel alone.
failing() {
	INITRD=(-initrd "$BUILD/qemu-root-$ARCH.cpio")
	boot "$CONVERTED" "$2/converted" "loglevel=1 log_buf_len=8M kmemleak=on kunit.filter_glob=$FILTER" \
		"drm_client_lib.active=none QEMU_FAILING=$SUITES kunit.autorun=0 ${QEMU_GCOV:-}"
	"$RESULTS_OF" facts "$2/converted/console.log"
	"$RESULTS_OF" failing "$RESULTS" "$LANE" "$1" "$2/converted/console.log" "$SUITES" "$TOP/expect/qemu-kunit-reports.txt" ||
		LANE_FAILED=$((LANE_FAILED + 1))
}

# for_tests TESTS: the rest of the command line.
for_tests() {
	printf '%s ' loglevel=1 log_buf_len=8M kunit.enable=0 drm_client_lib.active=none "QEMU_TESTS=$1" "QEMU_WITHOUT=$WITHOUT"
}

# of_them NAME...: those of TESTS whose binaries these subtests are of.
of_them() {
	local test
	for test in ${TESTS//,/ }; do
		case " $*" in *" igt@${test%%:*}@"*) printf '%s,' "$test" ;; esac
	done
}

# tests_again BASE CONVERTED NAME...: for repeat, as tests runs them.
tests_again() {
	local which kernel
	which=$(of_them "${@:3}")
	[ -n "$which" ] || return 0
	initrd 1
	boot "$UNPATCHED" "$1" "$(for_tests "$which")"
	initrd ''
	boot "$CONVERTED" "$2" "$(for_tests "$which")"
	for kernel in "$1" "$2"; do "$RESULTS_OF" json "$kernel/console.log" "$kernel"; done
	report_log "${PART%/}" "${2##*/}" "$LANE_OUT"
}

# tests PART DIR: our tests, in a guest.
tests() {
	local part=$1 dir=$2 kernel failed=0 expect=$TOP/expect/qemu-$ARCH-$1.txt PART=$1/ LANE_OUT=$2
	INITRD=(-initrd "$BUILD/qemu-root-$ARCH.cpio")
	if [ "${QEMU_GCOV:-}" ]; then
		boot "$CONVERTED" "$dir/converted" "$(for_tests "$TESTS")" ${ALSO:+"QEMU_ALSO=$ALSO"} "$QEMU_GCOV"
		return
	fi
	both "$dir" "$(for_tests "$TESTS")"
	for kernel in base converted; do
		"$RESULTS_OF" json "$dir/$kernel/console.log" "$dir/$kernel"
		report_log "$part" "$kernel" "$dir"
	done
	wanted "$part" "$dir" base converted
	repeat tests_again "$dir/base" "$dir/converted" "$expect"
	"$COMPARE" compare "$LANE/$part" "$dir/base" "$dir/converted" "$expect" "$RESULTS" "${AGAIN[@]}" || failed=1
	"$RESULTS_OF" counts "$RESULTS" "$LANE" "$part" "$dir/base/console.log" "$dir/converted/console.log" || failed=1
	[ -z "$POINTS" ] || judge_points "$POINTS" "$dir/converted"
	if [ -n "$FUNCTIONS" ]; then
		"$RESULTS_OF" leaks "$RESULTS" "$LANE" "$part" "$dir/base/console.log" "$dir/converted/console.log" || failed=1
		"$COMPARE" functions "$dir/base" "$dir/converted" >"$dir/functions.txt"
	fi
	[ -z "$SCREEN" ] || "$RESULTS_OF" pictures "$RESULTS" "$LANE" "$part" "$dir/base" "$dir/converted" \
		"$TOP/expect/qemu-pictures.txt" || failed=1
	LANE_FAILED=$((LANE_FAILED + failed))
}

# igt PART: stock IGT, on the guest root that User Mode Linux has, too.
igt() {
	local driver=${1#igt-} qemu='' append='loglevel=7 drm_client_lib.active=none vkms.create_default_dev=0' dtb=$BUILD/qemu-arcpgu.dtb
	case $driver in
	arcpgu)
		need device-tree-compiler
		run "$BUILD/log/qemu-arcpgu.log" dtc -q -I dts -O dtb -o "$dtb" "$TOP/guest/qemu-arcpgu.dts"
		append+=" dtb=$dtb memmap=4K\$0x5f000000 cma=64M"
		;;
	virtio-gpu) qemu="-device intel-iommu,intremap=off ${GPU[*]}" ;;
	esac
	igt_lane "$LANE/$1" /usr/libexec/igt-gpu-tools "$TOP/guest/qemu-igt.txt" \
		"$TOP/expect/qemu-$ARCH-$1.txt" -e "IGT_FORCE_DRIVER=${driver/-/_}" -q "$qemu" -a "$append" ||
		LANE_FAILED=$((LANE_FAILED + 1))
	"$RESULTS_OF" facts "$OUT/$LANE/$1/converted/console.log"
}

# report_log PART KERNEL DIR: what is known has to be known of the unpatched kernel.
report_log() {
	local first log=$3/$2/console.log
	if ! grep -aq 'qemu: done' "$log"; then
		result FAIL "$1/$2-boot" "did not get to its end; log: $log"
	elif grep -aq 'qemu: no subtests of' "$log"; then
		result FAIL "$1/$2-boot" "$(grep -am1 -o 'qemu: no subtests of.*' "$log"); log: $log"
	elif ! first=$("$RESULTS_OF" judge "$3/$2" "$TOP/expect/qemu-reports.txt" "$3/base"); then
		result FAIL "$1/$2-kernel-log" "$first; log: $log"
	else
		result PASS "$1/$2-kernel-log" >/dev/null
	fi
}

# verdict PART SECONDS: its line; one without results did not run.
verdict() {
	local counts
	counts=$(tally "$1/")
	case $counts in "0 passed, 0 failed, "*) result FAIL "$1/part" "nothing ran" ;; esac
	stage "$NAME/$1: $counts ($2 s)"
}

kernels() {
	if [ -z "${CONVERTED:-}" ]; then
		BASE='' "$TOP/scripts/qemu-kernel.sh" "$ARCH"
		CONVERTED=$(BASE='' qemu_dir "$ARCH")/image
	fi
	if [ -z "${UNPATCHED:-}" ]; then
		BASE=1 "$TOP/scripts/qemu-kernel.sh" "$ARCH"
		UNPATCHED=$(BASE=1 qemu_dir "$ARCH")/image
	fi
	[ -s "$CONVERTED" ] || die "no kernel at $CONVERTED"
	[ -s "$UNPATCHED" ] || die "no unpatched kernel at $UNPATCHED"
}

qemu_packages() {
	case $1 in
	x86_64) need qemu-system-x86 ;;
	*) need qemu-system-arm ;;
	esac
	need python3
}

if [ "${1:-}" = expect ]; then
	"$RESULTS_OF" expect "$OUT/qemu-$2/$3/base" "$OUT/qemu-$2/$3/converted" "$TOP/expect/qemu-$2-$3.txt"
	exit
fi
[ $# -gt 0 ] || die "which architecture: arm64, arm or x86_64?"
ARCH=$1
shift
PARTS=$(parts_of "$ARCH")
[ $# -gt 0 ] || read -ra PARTS <<<"$PARTS"
[ $# = 0 ] || PARTS=("$@")
for part in "${PARTS[@]}"; do
	[ -z "${QEMU_GCOV:-}" ] || continue
	case " $(parts_of "$ARCH") " in *" $part "*) ;; *) die "$ARCH has no part $part, but $(parts_of "$ARCH")" ;; esac
done
NAME=qemu-$ARCH${CONFIG:+-$CONFIG}
lane "$NAME"
qemu_packages "$ARCH"
kernels
"$TOP/scripts/qemu-root.sh" "$ARCH"
for part in "${PARTS[@]}"; do
	started=$(date +%s)
	part "$part"
	dir=$OUT/$NAME/$part
	rm -rf "$dir"
	mkdir -p "$dir"
	device_tree "$dir"
	host_udmabuf
	case $part in
	kunit*) kunit "$part" "$dir" ;;
	failing*) failing "$part" "$dir" ;;
	igt-*) igt "$part" ;;
	*) tests "$part" "$dir" ;;
	esac
	verdict "$part" $(($(date +%s) - started))
done
case " ${PARTS[*]} " in
*" inject "*" inject-direct "*)
	never_called inject/functions "$TOP/expect/qemu-uncalled.txt" "$OUT/$NAME"/inject*/functions.txt
	;;
esac
lane_end
