#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Who carries memory as pages and tables, and who as a typed list: lines of code by driver.

  census.py TREE              one kernel tree
  census.py BEFORE AFTER      what changed from one to the other; --all: also what did not
  ... --reasons FILE          and why lines are left in AFTER, by file; a line without a reason, and a
                              reason without a line, is an error

Each line of code (comments and strings are left out) counts once for each column:

  pages     arrays of pages: struct page **, drm_gem_get_pages(), drm_prime_sg_to_page_array()
  table     struct sg_table, struct scatterlist and what reads them
  map_sg    dma_map_sg*(), dma_unmap_sg*(), dma_sync_sg*() and dma_map_sgtable()
  get_sgt   dma_get_sgtable(): a table of memory that may have no pages
  list      drm_gem_bo_*, drm_gem_dma_addr() and so on, dma_alloc_remap(): the typed list
"""
import argparse
import collections
import os
import re
import subprocess
import sys

COLUMNS = {
    "pages": r"struct page \*\*|\bdrm_gem_(get|put)_pages\b|\bdrm_prime_sg_to_page_array\b"
             r"|\bdrm_gem_shmem_(get|put)_pages",
    "table": r"\bsg_table\b|\bscatterlist\b|\bfor_each_sg|\bsg_dma_(address|len)\b|\bsg_page\b"
             r"|->sgt\b|\bsg_(alloc|free)_table|\bdrm_prime_(pages_to_sg|get_contiguous_size)\b",
    "map_sg": r"\bdma_(map|unmap|sync)_sg",
    "get_sgt": r"\bdma_get_sgtable|\.get_sgtable\b|\bdma_(direct|common)_get_sgtable\b",
    "list": r"\bdrm_gem_bo_|\bdrm_gem_dma_(addr|vaddr)\b|\bdma_runs_|\bdma_cursor_|\bdma_(alloc_remap"
            r"|free_remap)\b|\bdrm_gem_shmem_map_dma",
}
WORDS = {name: re.compile(expression) for name, expression in COLUMNS.items()}
# Comments, and strings so that what looks like a comment in them is none.
NO_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
DRM = ("drivers/gpu/drm", "drivers/accel")
TOPS = ("arch", "crypto", "drivers", "include", "kernel", "sound")
# Beyond DRM only who touches one of these is of interest.
OUTSIDE = ("get_sgt", "list")


def files(tree):
    """The files worth reading: those with one of the words, be it in a comment."""
    words = "|".join(COLUMNS.values()).replace(r"\b", "")
    tops = [top for top in TOPS if os.path.isdir(os.path.join(tree, top))]
    found = subprocess.run(["grep", "-rlE", "--include=*.[ch]", words, *tops], cwd=tree,
                           stdout=subprocess.PIPE, text=True, check=False)
    return sorted(name for name in found.stdout.splitlines() if "/tests/" not in name)


def code(tree, name):
    with open(os.path.join(tree, name), encoding="utf-8", errors="replace") as file:
        text = file.read()
    return NO_CODE.sub(lambda match: "\n" * match.group().count("\n"), text).splitlines()


def owner(name):
    """The driver that a file belongs to."""
    parts = name.split("/")
    for top in DRM:
        if name.startswith(top + "/"):
            inner = parts[top.count("/") + 1:]
            if len(inner) == 1:
                return "DRM core" if top == DRM[0] else "accel core"
            # A vendor's directory may hold several drivers, tiny/ holds one a file.
            if inner[0] in ("tiny", "sitronix", "solomon"):
                return inner[0] + "/" + re.sub(r"\.[ch]$", "", inner[1])
            return ("accel/" if top == DRM[1] else "") + inner[0]
    return "/".join(parts[:-1]) if parts[0] != "arch" else "/".join(parts[:2])


def inside(name):
    return name.startswith(DRM)


def census(tree):
    counts = collections.defaultdict(collections.Counter)
    for name in files(tree):
        columns = COLUMNS if inside(name) else OUTSIDE
        for line in code(tree, name):
            for column in columns:
                if WORDS[column].search(line):
                    counts[inside(name), owner(name)][column] += 1
    return counts


def cell(before, after):
    if before == after:
        return str(after) if after else "."
    return f"{before}->{after}"


def print_table(title, rows):
    width = max([len(name) for name, _, _ in rows] + [len(title)])
    print(f"{title:{width}}" + "".join(f"{column:>12}" for column in COLUMNS))
    for name, before, after in rows:
        print(f"{name:{width}}" + "".join(f"{cell(before[c], after[c]):>12}" for c in COLUMNS))


def total(rows, name):
    sums = [sum((row[side] for row in rows), collections.Counter()) for side in (1, 2)]
    return name, *sums


def users(rows, side, column):
    return sum(1 for row in rows if row[side][column])


def report(before, after, everything):
    for inner, title in ((True, "drivers/gpu/drm, drivers/accel"), (False, "elsewhere")):
        keys = sorted(key for key in set(before) | set(after) if key[0] == inner)
        rows = [(key[1], before[key], after[key]) for key in keys]
        shown = [row for row in rows if everything or row[1] != row[2]]
        rest = [row for row in rows if row not in shown]
        if rest:
            shown.append(total(rest, f"({len(rest)} unchanged)"))
        shown.append(total(rows, "all lines"))
        shown.append(("users", *[collections.Counter({c: users(rows, side, c) for c in COLUMNS})
                                 for side in (1, 2)]))
        print_table(title, shown)
        print()


def left(tree):
    """How many lines a file of DRM has in columns other than list."""
    counts = collections.Counter()
    for name in filter(inside, files(tree)):
        for line in code(tree, name):
            counts[name] += any(WORDS[column].search(line) for column in COLUMNS if column != "list")
    return +counts


def read_reasons(name):
    """{path or directory: why}"""
    with open(name, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t", 1) for line in file if not line.startswith("#")]
    return dict(lines)


def explain(tree, reasons):
    """Print what is left and why; how many errors there are."""
    lines = collections.Counter()
    wrong = []
    for name, num in left(tree).items():
        prefix = next((prefix for prefix in reasons if name == prefix or name.startswith(prefix + "/")), None)
        lines[prefix] += num
        if not prefix:
            wrong.append(f"{name}: {num} lines are left without a reason")
    wrong += [f"{prefix}: nothing is left, so that its reason is none" for prefix in reasons if not lines[prefix]]
    print("left in drivers/gpu/drm, drivers/accel, and why")
    for prefix, why in reasons.items():
        print(f"{lines[prefix]:5}  {prefix.removeprefix('drivers/')}: {why}")
    for line in wrong:
        print(f"census: {line}", file=sys.stderr)
    return len(wrong)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--reasons")
    parser.add_argument("trees", nargs="+")
    args = parser.parse_args()
    if len(args.trees) > 2:
        parser.error("two trees at most")
    counts = [census(tree) for tree in args.trees]
    report(counts[0], counts[-1], args.all or len(args.trees) == 1)
    if args.reasons and explain(args.trees[-1], read_reasons(args.reasons)):
        sys.exit(1)


if __name__ == "__main__":
    main()
