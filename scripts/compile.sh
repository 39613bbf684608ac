#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make compile DRIVER=drivers/gpu/drm/NAME [ARCH=x86_64, arm64, arm or um]: one directory of
# build/linux, or that of a file, with W=1, and what the compiler says, old and new. What the series
# adds to that of the unpatched tree is for make check. build/compile-ARCH is kept between runs.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

ARCH=${ARCH:-x86_64}
DRIVER=${DRIVER:-}
DIR=$BUILD/compile-$ARCH

# directory: the one that DRIVER names, or the one above whose Makefile compiles it.
directory() {
	local d=${DRIVER#"$LINUX"/}
	d=${d#build/linux/}
	while [[ $d == */ ]]; do d=${d%/}; done
	case /$d/ in //* | */../* | */./*) die "DRIVER=$DRIVER is no path below build/linux" ;; esac
	case $d in
	*.[oc])
		[ -e "$LINUX/${d%.?}.c" ] || die "there is no ${d%.?}.c in build/linux"
		d=$(dirname "$d")
		;;
	esac
	[ -d "$LINUX/$d" ] || die "there is no directory $d in build/linux"
	while [ ! -e "$LINUX/$d/Makefile" ] && [ ! -e "$LINUX/$d/Kbuild" ]; do
		[[ $d == */* ]] || die "no Makefile of build/linux compiles $DRIVER"
		d=${d%/*}
	done
	case $d in . | scripts* | tools* | Documentation*) die "DRIVER=$DRIVER is no part of the kernel proper" ;; esac
	printf '%s\n' "$d"
}

# said LOG: what it has beside kbuild's own lines, with names that are right from here.
said() { grep -avE '^  [A-Z][A-Z0-9_]+( \[M\])? |^make(\[[0-9]+\])?: ' "$1" | sed 's|\.\./linux/|build/linux/|g' || true; }

[ -n "$DRIVER" ] || die "name a directory of build/linux: make compile DRIVER=drivers/gpu/drm/etnaviv ARCH=arm64"
case $ARCH in
x86_64 | arm64 | arm | um) ;;
*) die "ARCH=$ARCH is unknown; there are x86_64, arm64, arm and um" ;;
esac
"$TOP/scripts/source.sh"
driver=$(directory)
cross_packages "$ARCH"
kernel_packages
mkdir -p "$DIR"
[ -e "$DIR/.fragments" ] || stage "configuring build/compile-$ARCH, once"
compile_config "$DIR" "$ARCH"
run "$DIR/prepare.log" kbuild "$DIR" "$ARCH" W=1 prepare

# Without the objects of an earlier run, whose warnings would not show; ccache has both.
if [ -d "$DIR/$driver" ]; then find "$DIR/$driver" -name '*.o' -delete; fi
t0=$(date +%s)
failed=
kbuild "$DIR" "$ARCH" W=1 -k -O "$driver/" >"$DIR/build.log" 2>&1 || failed=1
mapfile -t objects < <("$TOP/scripts/build_log.py" objects "$DIR/build.log")
said "$DIR/build.log"
if [ ${#objects[@]} = 0 ]; then
	[ -z "$failed" ] || grep -qE 'No rule to make target|Nothing to be done' "$DIR/build.log" || die "$driver: $(why "$DIR/build.log")" "$DIR/build.log"
	die "Kconfig grants $ARCH nothing of $driver (configs/check.config on allmodconfig)" "$DIR/build.log"
fi
case $DRIVER in
*.[oc])
	file=${DRIVER#"$LINUX"/}
	file=${file#build/linux/}
	file=${file%.?}.o
	[[ " ${objects[*]} " == *" $file "* ]] || note "Kconfig grants $ARCH no $file, but this of its directory:"
	;;
esac
warnings=$(grep -acE '(^|: )warning: |: Warning: ' "$DIR/build.log" || true)
errors=$(grep -acE '(^|: )(fatal )?error: |: Error: ' "$DIR/build.log" || true)
printf '%s, %s: %s objects, %s warnings, %s%s seconds\n' "$driver" "$ARCH" "${#objects[@]}" "$warnings" \
	"${failed:+$errors errors (log: ${DIR#"$TOP"/}/build.log), }" $(($(date +%s) - t0))
[ -z "$failed" ]
