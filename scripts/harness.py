#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""harness.py --lane LANE --results FILE BASE CONVERTED: compare what the KUnit suites harness_* say in
the logs of the unpatched and of the converted kernel.

A line of theirs is a driver, a layout of memory, a hash of where each page leads and with which flags,
and the size of the hardware's page that it is in. The first have to be the same on both kernels, the
last may grow. "same" is the same in all; "bigger": the same, with larger pages. What the suites find
wrong by themselves is a failure on either kernel.
"""
import argparse
import collections
import re
import sys

from report import REPORT

LINE = re.compile(r"\bharness (\w+) (\S+) (hash=\S+ stray=\S+ translations=\S+) sizes=(\S+)")
LEFT = re.compile(r"\bharness (\w+) (\S+) (left=\S+ stray=\S+)")
SUITE = re.compile(r"# Subtest: harness_(\w+)")
CASE = re.compile(r"^ *((?:not )?ok) \d+ (\w+?)_(layouts|seeds)\b")
# After it, what a suite found wrong.
FAILED = re.compile(r"# \w+: (EXPECTATION|ASSERTION) FAILED")
KINDS = ["direct", "iommu", "bounced", "imported", "seeds"]


class Log:
    """One kernel's."""

    def __init__(self, name):
        self.found = collections.OrderedDict()  # {(driver, layout): [(facts, sizes), ...]}
        self.cases = {}                         # {"driver/case": whether it passed}
        self.wrong = collections.defaultdict(list)  # {driver: what was found wrong}
        self.reports = []
        driver, waits = "", False
        with open(name, encoding="utf-8", errors="backslashreplace") as file:
            for line in map(str.rstrip, file):
                if match := SUITE.search(line):
                    driver = match[1]
                elif match := LINE.search(line):
                    self.found.setdefault((match[1], match[2]), []).append((match[3], match[4]))
                elif match := LEFT.search(line):
                    self.found.setdefault((match[1], match[2]), []).append((match[3], ""))
                elif match := CASE.match(line):
                    self.cases[f"{match[2]}/{match[3]}"] = match[1] == "ok"
                elif driver and REPORT.search(line):
                    self.reports.append(f"{driver}: {line.strip()}")
                elif waits and line.strip():
                    self.wrong[driver].append(line.strip())
                waits = bool(FAILED.search(line))


def sizes(text):
    """The size of each page in turn, of "12x3,16x16"."""
    for part in filter(None, text.split(",")):
        shift, _, num = part.partition("x")
        yield from [int(shift)] * int(num)


def compare(base, converted):
    """What became of one layout."""
    if [facts for facts, _ in base] != [facts for facts, _ in converted]:
        return "DIFFERENT"
    pairs = [pair for (_, old), (_, new) in zip(base, converted) for pair in zip(sizes(old), sizes(new))]
    if any(old > new for old, new in pairs):
        return "SMALLER"
    return "bigger" if any(old < new for old, new in pairs) else "same"


def judge(base, converted):
    """{driver: {layout: what}}, all seeds one layout: the worst of them."""
    order = ["same", "bigger", "SMALLER", "DIFFERENT"]
    table = collections.OrderedDict()
    for key in list(base.found) + [key for key in converted.found if key not in base.found]:
        driver, layout = key
        row = table.setdefault(driver, collections.OrderedDict())
        layout = "seeds" if layout.startswith("seed-") else layout
        what = compare(base.found.get(key, []), converted.found.get(key, []))
        row[layout] = max(row.get(layout, "same"), what, key=order.index)
    return table


def kind(layout):
    """Of memory: the word that a layout's name begins with."""
    word = layout.split("-")[0]
    return word if word in KINDS else "direct"


def summary(row, which):
    """How many layouts of a kind there were, by what became of them: "19 same"."""
    count = collections.Counter(what for layout, what in row.items() if kind(layout) == which)
    return ", ".join(f"{num} {what}" for what, num in count.most_common()) or "-"


def show(table):
    """A line each driver, a column each kind of memory; all seeds count as one layout."""
    lines = [["", *KINDS]] + [[driver, *(summary(row, which) for which in KINDS)] for driver, row in table.items()]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths)).rstrip())


def verdicts(base, converted, table):
    """Yield (verdict, name, reason)."""
    for driver, row in table.items():
        for layout, what in row.items():
            yield "PASS" if what.islower() else "FAIL", f"{driver}/{layout}", what
    for name in sorted(set(base.cases) | set(converted.cases)):
        driver = name.split("/")[0]
        if not base.cases.get(name):
            yield "FAIL", f"{name}/unpatched", "; ".join(base.wrong[driver][:1]) or "did not pass"
        if not converted.cases.get(name):
            yield "FAIL", f"{name}/converted", "; ".join(converted.wrong[driver][:1]) or "did not pass"
    for line in converted.reports:
        yield "FAIL", "harness/report", line
    if not table:
        yield "FAIL", "harness/any", "no driver was tried"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lane", required=True)
    parser.add_argument("--results", required=True)
    parser.add_argument("base")
    parser.add_argument("converted")
    args = parser.parse_args()

    base, converted = Log(args.base), Log(args.converted)
    table = judge(base, converted)
    show(table)
    count = collections.Counter()
    with open(args.results, "a", encoding="utf-8") as file:
        for verdict, name, reason in verdicts(base, converted, table):
            count[verdict] += 1
            if verdict == "FAIL":
                print(f"FAIL {name}: {reason}")
            file.write("\t".join([verdict, args.lane, name, reason]) + "\n")
    tried = sum(len(found) for found in converted.found.values())
    print(f"{args.lane}: {len(table)} drivers, {tried} comparisons; "
          f"{count['PASS']} passed, {count['FAIL']} failed, {count['SKIP']} skipped")
    sys.exit(1 if count["FAIL"] else 0)


if __name__ == "__main__":
    main()
