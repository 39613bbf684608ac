#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make kernel: User Mode Linux. BASE=1: of the unpatched tree; CONFIG=debug: with what makes
# misuse visible. build[/base]/um[-debug]/linux. Kept in the cache under the hash of what it is made of.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

"$TOP/scripts/source.sh"
dir=$(um_dir)
tree=$dir/../linux
fragments=("$TOP/configs/um.config")
[ -n "${BASE:-}" ] || fragments+=("$TOP/configs/um-patched.config")
[ "${CONFIG:-}" != debug ] || fragments+=("$TOP/configs/debug.config")

mkdir -p "$dir"
exec 8>"$dir/.lock"
flock 8
key=$({ state_key "$tree"; cat "${fragments[@]}" "$TOP/scripts/tree.sh" "$TOP"/guest/{Kbuild,fail_*}; gcc -v 2>&1 || true; } | sha256sum | cut -c1-24)
if [ -x "$dir/linux" ] && [ "$(cat "$dir/.built" 2>/dev/null)" = "$key" ]; then exit 0; fi
kept=$CACHE/um-image/um${BASE:+base}${CONFIG:-}-$key
if [ -s "$kept" ]; then
	note "kernel: kept from before ($kept)"
	cp "$kept" "$dir/linux.new"
	mv "$dir/linux.new" "$dir/linux"
	printf '%s\n' "$key" >"$dir/.built"
	touch -a "$kept"
	exit 0
fi

kernel_packages
stage "kernel -> ${dir#"$TOP"/}/linux"
rm -f "$dir/.built"
kconfig "$dir" um defconfig "${fragments[@]}"
run "$dir/build.log" um_linux "$dir"
keep "$dir/linux" "$kept"
printf '%s\n' "$key" >"$dir/.built"
stage "kernel: $(grep -c 'warning:' "$dir/build.log" || true) warnings, log ${dir#"$TOP"/}/build.log"
