#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reads what gcov counted (make coverage).

coverage.py unpack LOG DIR                          the counters that guest/qemu-init printed
coverage.py judge TSV DIR REASONS TREE FILE...      of these files of TREE, from all of DIR/*/*.gcov.json.gz

FILE is a path or PATH:FUNCTION,... for these functions alone.
REASONS has lines "FILE:FUNCTION: TEXT<tab>REASON" for lines of code that no test can reach. Branches of a
line that only asserts something are not counted: that the assertion does not fail is its purpose. Nor are
those of KUnit's stubs.
"""
import base64
import collections
import glob
import gzip
import json
import os
import re
import sys

from mutants import bodies, split

WANTED = 95
ASSERTS = re.compile(r"\b(KUNIT_STATIC_STUB_REDIRECT|drm_WARN\w*|WARN\w*|BUG_ON|BUILD_BUG\w*|lockdep_\w+|\w+_assert_held\w*|might_\w+)\(")
BEGIN = re.compile(r"qemu: gcov (\S+\.gcda)")


def unpack(log, directory):
    os.makedirs(directory)
    name, text = None, ""
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in map(str.strip, file):
            if BEGIN.search(line):
                name, text = BEGIN.search(line).group(1), ""
            elif name and line.startswith("qemu: "):
                with open(os.path.join(directory, name), "wb") as out:
                    out.write(base64.b64decode(text))
                name = None
            elif name:
                text += line


def merged(old, new):
    """Branches of one line as two compilations have them."""
    if len(old) == len(new):
        return [a + b for a, b in zip(old, new)]
    def covered(branches):
        return sum(map(bool, branches)) / len(branches) if branches else 2
    return min(old, new, key=lambda b: (-covered(b), len(b)))


class Source:
    """One file: {line: count}, {line: [count of each branch]}, [(first line, last line, function)]."""

    def __init__(self, tree, path):
        self.path, names = split(path)
        self.lines, self.branches, self.functions, self.only = collections.Counter(), {}, set(), None
        with open(os.path.join(tree, self.path), encoding="utf-8") as file:
            self.text = [""] + file.read().splitlines()
        if names:
            # What is always inlined is no function of gcov's.
            found = bodies(os.path.join(tree, path))
            self.functions = {(start, end + 1, name) for name, start, end in found}
            self.only = {number for start, end, _ in self.functions for number in range(start + 1, end)}

    def add(self, found):
        if self.only is None:
            self.functions |= {(f["start_line"], f["end_line"], f["name"].split(".")[0]) for f in found["functions"]}
        here = {}
        for line in found["lines"]:
            number = line["line_number"]
            if self.only is not None and number not in self.only:
                continue
            self.lines[number] += line["count"]
            branches = [b["count"] for b in line["branches"]]
            here[number] = merged(here[number], branches) if number in here else branches
        for number, branches in here.items():
            old = self.branches.get(number)
            self.branches[number] = branches if old is None else merged(old, branches)

    def function(self, number):
        inside = [(last - first, name) for first, last, name in self.functions if first <= number <= last]
        return min(inside)[1] if inside else "?"

    def name_of(self, number):
        return f"{self.path}:{self.function(number)}: {self.text[number].strip()}"

    def uncovered(self):
        return [number for number in sorted(self.lines) if not self.lines[number]]

    def counted_branches(self):
        return {n: b for n, b in self.branches.items() if b and not ASSERTS.search(self.text[n])}

    def missed_branches(self):
        return [n for n, b in sorted(self.counted_branches().items()) if self.lines[n] and not all(b)]

    def figures(self):
        branches = [b for list_ in self.counted_branches().values() for b in list_]
        return sum(map(bool, self.lines.values())), len(self.lines), sum(map(bool, branches)), len(branches)

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            for number, text in enumerate(self.text[1:], 1):
                count = str(self.lines[number] or "#####") if number in self.lines else "-"
                branches = "".join("+" if b else "-" for b in self.branches.get(number, []))
                file.write(f"{count:>10} {branches:>6} {number:4} {text}\n")


def read(directory, tree, paths):
    sources = [Source(tree, path) for path in paths]
    for name in sorted(glob.glob(os.path.join(glob.escape(directory), "*", "*.gcov.json.gz"))):
        with gzip.open(name, "rt", encoding="utf-8") as file:
            for found in json.load(file)["files"]:
                for source in sources:
                    if found["file"].endswith(source.path):
                        source.add(found)
    return sources


def reasons_of(path):
    with open(path, encoding="utf-8") as file:
        return dict(line.rstrip("\n").split("\t") for line in file if line.strip() and line[0] != "#")


def percent(part, whole):
    return 100 * part / whole if whole else 100.0


def table(sources):
    rows = [(s.path,) + s.figures() for s in sources]
    rows.append(("all",) + tuple(map(sum, list(zip(*rows))[1:])))
    print(f"{'':50} {'lines':>16} {'branches':>18}")
    for path, lines, all_lines, branches, all_branches in rows:
        print(f"{path:50} {lines:5}/{all_lines:4} {percent(lines, all_lines):5.1f} "
              f"{branches:6}/{all_branches:4} {percent(branches, all_branches):6.1f}")
    return rows[-1]


def judge(tsv, directory, reasons_path, tree, *paths):
    sources, reasons = read(directory, tree, paths), reasons_of(reasons_path)
    _, lines, all_lines, branches, all_branches = table(sources)
    rows, seen = [], {s.name_of(n) for s in sources for n in s.uncovered()}
    for what, part, whole in (("lines", lines, all_lines), ("branches", branches, all_branches)):
        rows.append(("PASS" if whole and percent(part, whole) >= WANTED else "FAIL", what,
                     f"{percent(part, whole):.1f} % of {whole}, {WANTED} are wanted"))
    rows += [("FAIL", source.path, "nothing was counted") for source in sources
             if source.path.endswith(".c") and not source.lines]
    for name in sorted(seen - reasons.keys()):
        rows.append(("FAIL", name, "no test reaches it, and expect/uncovered.txt does not say why"))
    for name in sorted(reasons.keys() - seen):
        rows.append(("FAIL", name, "in expect/uncovered.txt, but it is reached, or not there any more"))
    for source in sources:
        source.write(os.path.join(directory, source.path.replace("/", "-") + ".txt"))
    with open(os.path.join(directory, "branches.txt"), "w", encoding="utf-8") as file:
        for source in sources:
            for n in source.missed_branches():
                marks = "".join("+" if b else "-" for b in source.branches[n])
                file.write(f"{source.path}:{n}: {marks} {source.text[n].strip()}\n")
    with open(tsv, "a", encoding="utf-8") as file:
        for verdict, name, reason in rows:
            print(f"{verdict} {name}: {reason}")
            file.write(f"{verdict}\tcoverage\t{name}\t{reason}\n")
    return any(row[0] == "FAIL" for row in rows)


def main(argv):
    if len(argv) == 4 and argv[1] == "unpack":
        return unpack(*argv[2:])
    if len(argv) > 6 and argv[1] == "judge":
        return judge(*argv[2:])
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
