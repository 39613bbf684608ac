#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make docs: the series' pages, and only these, as the kernel's own "make htmldocs" renders them, in
# out/docs. A warning is a failure.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"

TREE=$BUILD/docs/linux
LOG=$BUILD/log/docs.log

# pages: those that the series adds.
pages() { git -C "$LINUX" diff --name-only --diff-filter=A base HEAD -- 'Documentation/*.rst'; }

# sources: what the kernel-doc comments of these pages are in.
sources() { (cd "$LINUX" && sed -n 's/^\.\. kernel-doc:: //p' "$@" | sort -u); }

# docs_tree PAGE...: what htmldocs needs of build/linux, with the pages in a book of their own.
docs_tree() {
	local page
	rm -rf "$TREE"
	mkdir -p "$TREE"
	mapfile -t files < <(sources "$@")
	git -C "$LINUX" archive HEAD Makefile arch/arm64/Makefile MAINTAINERS Documentation scripts tools "${files[@]}" | tar -x -C "$TREE"
	mkdir "$TREE/Documentation/runs"
	{
		printf 'The typed list of runs\n======================\n\n.. toctree::\n\n'
		for page; do
			page=${page%.rst}
			printf '   %s\n' "${page##*/}"
			cp "$TREE/$page.rst" "$TREE/Documentation/runs/"
		done
	} >"$TREE/Documentation/runs/index.rst"
}

lane docs
"$TOP/scripts/source.sh"
need graphviz make python3-sphinx python3-sphinx-rtd-theme python3-yaml
mapfile -t pages < <(pages)
[ ${#pages[@]} -gt 0 ] || die "the series adds no pages"
stage "docs: ${pages[*]}"
docs_tree "${pages[@]}"
run "$LOG" make -C "$TREE" ARCH=arm64 SPHINXDIRS=runs htmldocs
rm -rf "$OUT/docs"
cp -r "$TREE/Documentation/output/runs" "$OUT/docs"
for page in "${pages[@]}"; do
	page=$(basename "$page" .rst)
	if [ ! -s "$OUT/docs/$page.html" ]; then
		result FAIL "$page" "not rendered (log: ${LOG#"$TOP"/})"
	elif grep -E 'WARNING|ERROR' "$LOG" >"$BUILD/docs/warnings"; then
		result FAIL "$page" "$(head -n 1 "$BUILD/docs/warnings") (log: ${LOG#"$TOP"/})"
	else
		result PASS "$page"
	fi
done
note "read it: out/docs/index.html"
lane_end
