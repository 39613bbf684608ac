#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make mutations: each bug of mutations/ is put into the converted kernel, alone; the panfrost lane
# (as T860) has to fail on it, and on the kernel without one it has to pass. Slow; not part of
# make test.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

DIR=$BUILD/mutations
TREE=$DIR/linux

# mutant NAME: DIR/um/linux, of the tree as it is, its lane's results in DIR/NAME.tsv.
mutant() {
	kconfig "$DIR/um" um defconfig "$TOP/configs/um.config" "$TOP/configs/um-patched.config"
	run "$DIR/$1.build.log" kbuild "$DIR/um" um linux
	: >"$DIR/$1.tsv"
	RESULTS=$DIR/$1.tsv CONVERTED=$DIR/um/linux "$TOP/scripts/panfrost.sh" t860 >"$DIR/$1.log" 2>&1 || true
	[ -s "$DIR/$1.tsv" ] || die "no test ran on $1" "$DIR/$1.log"
}

# found NAME: what failed, a line each.
found() { awk -F'\t' '$1 == "FAIL" { print $3 }' "$DIR/$1.tsv" | sed 's/^igt@//' | sort -u; }

"$TOP/scripts/source.sh"
kernel_packages
mkdir -p "$DIR"
git -C "$LINUX" worktree prune
if [ -d "$TREE" ]; then
	git -C "$TREE" checkout -q -f --detach series_tip
else
	git -C "$LINUX" worktree add -q --detach "$TREE" series_tip
fi

lane mutations
stage "mutations: without any"
mutant none
[ -z "$(found none)" ] || die "the lane fails without a mutation: $(found none | head -n1)" "$DIR/none.log"
for diff in "$TOP"/mutations/*.diff; do
	name=$(basename "$diff" .diff)
	stage "mutations: $name: $(head -n1 "$diff")"
	run "$DIR/$name.build.log" git -C "$TREE" apply "$diff"
	mutant "$name"
	git -C "$TREE" checkout -q -f series_tip
	if [ -n "$(found "$name")" ]; then
		result PASS "$name"
		note "$(found "$name" | wc -l) failures, among them $(found "$name" | head -n4 | paste -sd' ')"
	else
		result FAIL "$name" "no test found it; log: $DIR/$name.log"
	fi
done
lane_end
