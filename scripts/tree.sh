#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced after lib.sh: where the kernel trees and the series live, and how they are read.

PATCHES=$TOP/patches
export LINUX=$BUILD/linux
export BASE_LINUX=$BUILD/base/linux

# Top directories of the kernel that may hold new files here. The kernel's scripts/ is not
# among them: that name is taken by the project's own.
OVERLAY_DIRS="Documentation LICENSES arch block crypto drivers fs include init io_uring ipc kernel lib mm net rust samples security sound tools virt"

# series_patches: the patch files in order.
series_patches() {
	[ -d "$PATCHES" ] || return 0
	find "$PATCHES" -maxdepth 1 -name '[0-9][0-9][0-9][0-9]-*.patch' | sort
}

# overlay_files: kernel paths of the project's new files.
overlay_files() {
	local d
	for d in $OVERLAY_DIRS; do
		[ -d "$TOP/$d" ] || continue
		(cd "$TOP" && find "$d" -type f ! -name '*~' ! -name '*.orig' ! -name '*.rej' ! -name '.*.sw?')
	done | sort
}

# patch_header FILE: what stands before the first diff.
patch_header() { sed '/^diff --git /,$d' "$1"; }

# patch_new_files FILE: the paths its New-file trailers name.
patch_new_files() { patch_header "$1" | sed -n 's/^New-file: *//p'; }

# patch_edited FILE: the paths its diffs touch.
patch_edited() { sed -n 's|^diff --git a/\(.*\) b/.*|\1|p' "$1"; }

# list_tests DIR: what the user-space tests of the list are made of, so that build/linux stays clean.
list_tests() {
	rm -rf "$1"
	mkdir -p "$1"
	(cd "$LINUX" && cp --parents -r tools/testing/dma-runs tools/include tools/arch/*/include \
		kernel/dma/runs.c include/linux/dma-{runs,direction}.h "$1")
}

# series_files: "PATH" of every file that the series edits or adds.
series_files() { git -C "$LINUX" diff --name-only --no-renames base series_tip; }

# um_linux DIR [WORD]...: User Mode Linux as kbuild makes it with these words, and guest/fail_function.c in it.
um_linux() {
	local dir=$1 wraps
	shift
	wraps="$(sed -n 's/^LINK_WRAPS = //p' "$dir/../linux/arch/um/Makefile")"
	wraps+=$(sed -n 's/^\tWRAP(\(\w*\)).*/ -Wl,--wrap,\1/p' "$TOP/guest/fail_wraps.h" | tr -d '\n')
	kbuild "$dir" um "$@" prepare &&
		kbuild_outside "$dir" um guest "$dir/guest" fail_function.o &&
		rm -f "$dir/vmlinux" &&
		kbuild "$dir" um "$@" "LINK_WRAPS=$wraps $dir/guest/fail_function.o" linux
}

# state_key TREE: changes whenever anything in the work tree that git sees does, but for pages and tests in user
# space, of which no kernel is made.
state_key() {
	local files=(. ':!*.rst' ':!tools/testing')
	{
		git -C "$1" ls-files -s -- "${files[@]}"
		git -C "$1" diff HEAD -- "${files[@]}"
		git -C "$1" ls-files -o --exclude-standard -z -- "${files[@]}" | (cd "$1" && xargs -0r sha256sum)
	} | sha256sum | cut -d' ' -f1
}

# bench_tree: which tree a benchmark is of, and by what it counts.
bench_tree() {
	git -C "$LINUX" rev-parse 'HEAD^{tree}'
	cat "$TOP"/bench/{gem_paths.c,mali_table.h,cpu_access.c} | sha256sum
}

# dirty TREE: does its work tree differ from its commit?
dirty() { [ -n "$(git -C "$1" status --porcelain)" ]; }

# um_dir: where the kernel that BASE and CONFIG ask for is built.
um_dir() {
	case ${CONFIG:-} in
	"" | debug) printf '%s/%sum%s\n' "$BUILD" "${BASE:+base/}" "${CONFIG:+-$CONFIG}" ;;
	*) die "CONFIG=$CONFIG is unknown; there is CONFIG=debug" ;;
	esac
}

# qemu_dir ARCH: where the kernel that QEMU boots (scripts/qemu-kernel.sh) is built.
qemu_dir() {
	case ${CONFIG:-} in
	"" | kcsan) printf '%s/%sqemu-%s%s\n' "$BUILD" "${BASE:+base/}" "$1" "${CONFIG:+-$CONFIG}" ;;
	*) die "CONFIG=$CONFIG is unknown; in QEMU there is CONFIG=kcsan" ;;
	esac
}

# The floors, and what the ioctls of our devices reach besides: what is instrumented to be watched.
# shellcheck disable=SC2034 # for who sources this
FLOORS=(kernel/dma/{runs,runs_map,alloc_remap}.c drivers/dma-buf/dma-buf-bridge.c
	drivers/gpu/drm/drm_gem_bo_backing{,_cpu,_debugfs}.c)
# shellcheck disable=SC2034 # as well
AROUND=(drm_gem drm_prime drm_gem_shmem_helper drm_dumb_buffers drm_vma_manager vgem_drv vgem_fence vkms_drv
	panfrost_drv panfrost_gem panfrost_gem_shrinker panfrost_mmu panfrost_job dma-buf dma-heap system_heap udmabuf)

# instrumented VARIABLE NAME...: kbuild's words for objects (files or names) that VARIABLE is to be y for.
instrumented() {
	local variable=$1 name
	shift
	for name; do
		name=${name##*/}
		case $name in *.h) ;; *) echo "${variable}_${name%.c}.o=y" ;; esac
	done
}

# qemu_image ARCH: what of it is booted.
qemu_image() {
	case $1 in
	arm64) echo arch/arm64/boot/Image ;;
	arm) echo arch/arm/boot/zImage ;;
	x86_64) echo arch/x86/boot/bzImage ;;
	*) die "there are no QEMU lanes for $1, but for arm64, arm and x86_64" ;;
	esac
}

# kbuild DIR ARCH ARGUMENT...: make in DIR, which lies beside its source tree, DIR/../linux. The
# tree is named relative to DIR (by default kbuild would use its absolute path), which is what
# lets ccache serve one clone's objects to another.
kbuild() {
	local dir=$1 arch=$2
	shift 2
	local args=(-C "$dir" -f ../linux/Makefile srcroot=../linux "ARCH=$arch" "HOSTCC=ccache gcc" -j"$JOBS")
	case $arch in
	arm64) args+=("CROSS_COMPILE=aarch64-linux-gnu-" "CC=ccache aarch64-linux-gnu-gcc") ;;
	arm) args+=("CROSS_COMPILE=arm-linux-gnueabihf-" "CC=ccache arm-linux-gnueabihf-gcc") ;;
	*) args+=("CC=ccache gcc") ;;
	esac
	KBUILD_BUILD_TIMESTAMP='2026-01-01' KBUILD_BUILD_USER=user KBUILD_BUILD_HOST=host \
		make --no-print-directory "${args[@]}" LOCALVERSION= "$@" </dev/null
}

# kbuild_outside DIR ARCH SOURCE OUT ARGUMENT...: of the project's SOURCE, for the kernel that is configured in DIR; what is
# made goes to OUT.
kbuild_outside() {
	local dir=$1 arch=$2 source=$3 out=$4 cross=''
	shift 4
	case $arch in arm64) cross=aarch64-linux-gnu- ;; esac
	make --no-print-directory -C "$dir" "ARCH=$arch" "CROSS_COMPILE=$cross" "CC=ccache ${cross}gcc" LOCALVERSION= \
		"M=$TOP/$source" "MO=$out" "$@" </dev/null
}

# compilers: those that kbuild takes, as far as they are there.
compilers() {
	local prefix
	for prefix in '' aarch64-linux-gnu- arm-linux-gnueabihf-; do "${prefix}gcc" -v 2>&1 || true; done
}

# keep IMAGE KEPT: in the cache, as KEPT (DIRECTORY/NAME-KEY), for the next clone. Of each NAME those that
# were not used for long go.
keep() {
	local name=${2##*/}
	mkdir -p "${2%/*}"
	cp "$1" "$2.new.$$"
	mv "$2.new.$$" "$2"
	find "${2%/*}" -maxdepth 1 -name "${name%-*}-*" -printf '%A@ %p\n' | sort -rn | sed '1,8d; s/^[^ ]* //' | xargs -r rm -f
}

# kernel_packages: what building for this machine and UML takes.
kernel_packages() { need make gcc ccache flex bison bc libc6-dev libelf-dev libssl-dev python3 git; }

# cross_packages ARCH: the compiler that kbuild takes.
cross_packages() {
	case $1 in
	arm64) need gcc-aarch64-linux-gnu ;;
	arm) need gcc-arm-linux-gnueabihf ;;
	esac
}

# kconfig DIR ARCH START FRAGMENT...: DIR/.config from the START target and the fragments; says
# which of the requested symbols Kconfig did not grant, and then fails.
kconfig() {
	local dir=$1 arch=$2 start=$3 key
	shift 3
	mkdir -p "$dir"
	key=$({ cat "$@"; echo "$start"; git -C "$dir/../linux" ls-files -s -- '*Kconfig*'; git -C "$dir/../linux" diff HEAD -- '*Kconfig*'; } | sha256sum)
	[ "$(cat "$dir/.fragments" 2>/dev/null)" != "$key" ] || return 0
	rm -f "$dir/.fragments"
	run "$dir/config.log" kbuild "$dir" "$arch" "$start"
	cat "$@" >>"$dir/.config"
	run "$dir/config.log" kbuild "$dir" "$arch" olddefconfig
	kconfig_granted "$dir/.config" "$@"
	printf '%s\n' "$key" >"$dir/.fragments"
}

# compile_config DIR ARCH: the configuration of what is compiled to see its warnings.
compile_config() {
	case $2 in
	um) kconfig "$1" um defconfig "$TOP/configs/um.config" ;;
	*) kconfig "$1" "$2" allmodconfig "$TOP/configs/check.config" ;;
	esac
}

# kconfig_granted CONFIG FRAGMENT...: a later fragment overrides an earlier one.
kconfig_granted() {
	local config=$1 missing
	shift
	missing=$(awk '
		FNR == 1 { file++ }
		match($0, /^(# )?CONFIG_[A-Za-z0-9_]+/) {
			name = substr($0, RSTART, RLENGTH); sub(/^# /, "", name)
			value = $0 ~ /^#/ ? "n" : substr($0, length(name) + 2)
			if (file == files) got[name] = value; else want[name] = value
		}
		END { for (n in want) if (want[n] != (n in got ? got[n] : "n")) print n "=" want[n] }' \
		files=$(($# + 1)) "$@" "$config" | sort)
	[ -z "$missing" ] || die "Kconfig does not grant: $(printf '%s' "$missing" | tr '\n' ' ')(see $config)"
}

# series_content: changes when a patch or a new file does.
series_content() {
	(
		cd "$PATCHES" 2>/dev/null && series_patches | sed 's|.*/||' | xargs -r -d '\n' sha256sum
		cd "$TOP" && overlay_files | xargs -r -d '\n' stat -c '%A %n'
		overlay_files | xargs -r -d '\n' sha256sum
	)
}

# work_in_words: what local_work found.
work_in_words() {
	local commits edits
	commits=$(git -C "$LINUX" rev-list --count series_tip..HEAD)
	edits=$(git -C "$LINUX" status --porcelain | wc -l)
	case $commits/$edits in
	0/0) echo "a HEAD before the last patch" ;;
	*/0) echo "$commits local commit(s)" ;;
	0/*) echo "$edits uncommitted file(s)" ;;
	*) echo "$commits local commit(s) and $edits uncommitted file(s)" ;;
	esac
}

# local_work: is there anything in build/linux that this script did not put there?
local_work() {
	[ "$(git -C "$LINUX" rev-parse HEAD)" != "$(git -C "$LINUX" rev-parse -q --verify series_tip)" ] || dirty "$LINUX"
}
