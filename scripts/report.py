#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reads what ran and says what it means.

report.py kernel-reports LOG [unpatched]   the kernel's complaints in a console log, one a line; which
                                  kernel it is, if not the converted one
report.py table DIR LANE...       results of these lanes (DIR/LANE.tsv) and the closing line; DIR/../junit.xml
report.py flakes                  what passed only when run again, alone, in how many runs on this machine
report.py junit TSV               one lane's results, as XML beside them
report.py backings PREFIX         debugfs' PREFIX.gem_backing, each object with its framebuffer
report.py tables PREFIX           panfrost's typed lists and the page-table blocks of PREFIX.tables
"""
import collections
import itertools
import os
import re
import sys
import xml.etree.ElementTree as xml

from igt_results import ALONE
from kunit_results import LEAK, leak

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What the kernel prints when something is wrong with it.
REPORT = re.compile(
    r"Kernel panic - not syncing|\bBUG:|\bWARNING:|\bKASAN:|\bUBSAN:|\bKFENCE:|\bKMSAN:|\bDMA-API:"
    r"|\bOops\b|general protection fault|refcount_t: |possible (recursive|circular) locking"
    r"|possible irq lock inversion|inconsistent lock state|suspicious RCU usage|bad unlock balance"
    r"|held lock freed|lock held when returning|sleeping function called|Invalid wait context"
    r"|INFO: trying to register|suspected memory leaks"
    r"|scheduling while atomic|INFO: task .* blocked|detected stall|unreferenced object"
    r"|Segfault with no mm|kernel BUG at|list_(add|del) corruption|Unable to handle kernel"
    # IOMMUs, and devices that could not read what they were told to.
    r"|\bF_(TRANSLATION|ADDR_SIZE|ACCESS|PERMISSION)\b|event 0x\w+ received|\[DMA (Read|Write)|IO_PAGE_FAULT"
    r"|fault from EP|FAULT occurred|\*ERROR\* response 0x")
NOISE = re.compile(r"^(\[[\s.\d]+\]\s*|<\d>\s*)+")


def known_reports(kernel):
    """expect/kernel-reports.txt: both|unpatched<tab>REGULAR EXPRESSION<tab>REASON"""
    path = os.path.join(TOP, "expect", "kernel-reports.txt")
    lines = [line.rstrip("\n").split("\t") for line in open(path, encoding="utf-8") if line[0] != "#"]
    if not all(known and reason for _, known, reason in lines):
        sys.exit(f"{path}: a line without an expression, or without a reason")
    return [re.compile(known) for of, known, _ in lines if of in ("both", kernel)]


# What a kernel with a checker says at boot, and guest/init at the end, if that was on until then.
CHECKERS = (
    ("Lock dependency validator: ", "guest: lockdep=1"),
    ("kmemleak: Kernel memory leak detector initialized", "guest: scanned for leaks"),
)


def silent_checkers(text):
    """Checkers that were built in, of which a guest that came to its end does not say that they worked."""
    if re.search(r"^guest: .* ended with status ", text, re.MULTILINE):
        for begin, end in CHECKERS:
            if begin in text and end not in text:
                yield f"a checker was off in the end: no '{end}' on the console"


def named(lines):
    """RCU's reports name their place three lines below, kmemleak's who asked for the memory."""
    for number, line in enumerate(lines):
        if LEAK.match(line):
            rest = itertools.takewhile(lambda text: not LEAK.match(text), lines[number + 1:number + 32])
            line = "unreferenced object: " + leak([line] + [" " + text for text in rest])
        if line.startswith("WARNING: suspicious RCU usage"):
            place = [text for text in lines[number + 1:number + 5] if re.match(r"\S+\.[ch]:\d+ ", text)]
            line = " ".join([line + ":"] + place)
        yield line


def kernel_reports(log, kernel="converted"):
    known = known_reports(kernel)
    text = open(log, encoding="utf-8", errors="replace").read()
    for line in named([NOISE.sub("", line.strip()) for line in text.splitlines()]):
        # The command line may name anything, and a call trace names functions.
        if line.startswith(("Kernel command line", "[<", "Unknown kernel command line")):
            continue
        if REPORT.search(line) and not any(k.search(line) for k in known):
            print(line)
    for line in silent_checkers(text):
        print(line)


def read_lane(directory, lane):
    """[(result, name, reason)]"""
    path = os.path.join(directory, lane + ".tsv")
    if not os.path.exists(path):
        return []
    rows = []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        fields = line.rstrip("\n").split("\t")
        if len(fields) < 3 or fields[0] not in ("PASS", "FAIL", "SKIP"):
            rows.append(("FAIL", f"line {number}", f"cannot be read; see {path}"))
        else:
            rows.append((fields[0], fields[2], fields[3] if len(fields) > 3 else ""))
    return rows


def junit_of(tsv):
    directory, name = os.path.split(tsv)
    lane = name.removesuffix(".tsv")
    junit(os.path.join(directory, lane + ".xml"), {lane: read_lane(directory, lane)})


def lane_itself(directory, lane, rows):
    """The row of a lane that did not run, or failed without naming anything; or None."""
    log = os.path.join(directory, lane + ".log")
    seconds, status = lane_end(directory, lane)
    if status is None and lane != "build":
        return "FAIL", "(the lane itself)", "did not run"
    if rows and (status in (None, "0") or any(row[0] == "FAIL" for row in rows)):
        return None
    return "FAIL", "(the lane itself)", f"{last_words(log)}; ended with status {status}; log: {log}"


def last_words(log):
    if not os.path.exists(log):
        return "no output"
    lines = [line.strip() for line in open(log, encoding="utf-8", errors="replace")
             if line.strip() and not line.startswith("  log: ")]
    return lines[-1] if lines else "no output"


def lane_end(directory, lane):
    """(seconds, exit status), as scripts/test.sh noted them down."""
    path = os.path.join(directory, lane + ".end")
    if not os.path.exists(path):
        return "", None
    return open(path, encoding="utf-8").read().split()


def junit(path, results):
    """What CI systems read; results: {lane: rows}."""
    root = xml.Element("testsuites")
    for lane, rows in results.items():
        suite = xml.SubElement(root, "testsuite", name=lane, tests=str(len(rows)),
                               failures=str(sum(row[0] == "FAIL" for row in rows)),
                               skipped=str(sum(row[0] == "SKIP" for row in rows)))
        for result, name, reason in rows:
            case = xml.SubElement(suite, "testcase", classname=lane, name=name)
            if result != "PASS":
                xml.SubElement(case, "failure" if result == "FAIL" else "skipped",
                               message=re.sub(r"[^\x20-\ud7ff]", "?", reason))
    xml.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def history():
    """Runs of lanes, and flakes in them, on this machine: LANE<tab>NAME, NAME being empty for the run itself."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(cache, "drm-gem-bo-backing", "flakes.tsv")


def rates():
    if not os.path.exists(history()):
        return collections.Counter()
    with open(history(), encoding="utf-8") as file:
        return collections.Counter(tuple(line.rstrip("\n").split("\t")) for line in file)


def remember(lanes, flakes):
    with open(history(), "a", encoding="utf-8") as file:
        file.writelines(f"{lane}\t\n" for lane in lanes)
        file.writelines(f"{lane}\t{name}\n" for lane, _, name, _ in flakes)
    return rates()


def print_rates():
    seen = rates()
    for lane, name in sorted(key for key in seen if key[1]):
        print(f"{lane}: {name}: {seen[lane, name]} of {seen[lane, '']} runs")


def table(directory, lanes):
    results = {}
    total = {"PASS": 0, "FAIL": 0, "SKIP": 0}
    failures, flakes = [], []
    print(f"\n{'lane':<12}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for lane in lanes:
        rows = read_lane(directory, lane)
        itself = lane_itself(directory, lane, rows)
        if itself:
            rows.append(itself)
        results[lane] = rows
        counts = {key: sum(row[0] == key for row in rows) for key in total}
        seconds = lane_end(directory, lane)[0]
        print(f"{lane:<12}{counts['PASS']:>8}{counts['FAIL']:>8}{counts['SKIP']:>9}{seconds:>9}")
        for key in total:
            total[key] += counts[key]
        failures += [(lane, name, reason) for result, name, reason in rows if result == "FAIL"]
        flakes += [(lane, *row) for row in rows if ALONE in row[2]]
    junit(os.path.join(os.path.dirname(directory), "junit.xml"), results)
    print()
    seen = remember(lanes, flakes)
    for lane, _, name, reason in [flake for flake in flakes if flake[1] != "FAIL"]:
        print(f"FLAKE {lane}: {name}: {seen[lane, name]} of {seen[lane, '']} runs: {reason}")
    for lane, name, reason in failures:
        log = "" if "log: " in reason else f"; log: {os.path.join(directory, lane + '.log')}"
        print(f"FAIL {lane}: {name}: {reason}{log}")
    print(f"{total['PASS']} passed, {total['FAIL']} failed, {total['SKIP']} skipped")
    return 1 if total["FAIL"] else 0


def framebuffers(path):
    """{mmap offset of an object: framebuffer} of debugfs' framebuffer file."""
    found, name = {}, ""
    for line in open(path, encoding="utf-8") if os.path.exists(path) else []:
        line = line.strip()
        if line.startswith("framebuffer["):
            name = line[len("framebuffer["):].split("]")[0]
        elif line.startswith("allocated by = "):
            name += " of " + line.split("= ")[1]
        elif line.startswith("start="):
            found[line[len("start="):]] = name
    return found


def backings(prefix):
    """The typed list as the kernel prints it, with a first column of ours."""
    owners = framebuffers(prefix + ".framebuffer")
    with open(prefix + ".gem_backing", encoding="utf-8") as file:
        lines = file.read().splitlines()
    for number, line in enumerate(lines):
        start = line.split()[0] if line.split() else ""
        print(f"  {'framebuffer' if number == 0 else owners.get(start, '-'):<16}{line}")


SHOWN = 6


def tables(prefix):
    """The typed lists of panfrost's objects, and beside each the stretches of equal page-table
    blocks that it became; both are in the order of the objects' addresses."""
    with open(prefix + ".facts", encoding="ascii") as file:
        known = dict(line.rstrip("\n").split("=", 1) for line in file)
    with open(prefix + ".tables", encoding="ascii") as file:
        stretches = [line.split() for line in file]
    with open(prefix + ".panfrost.gem_backing", encoding="utf-8") as file:
        lists = [line.split() for line in file.read().splitlines()[1:]]
    starts = sorted((int(known["va"], 16), int(known["jobs_va"], 16)))
    print(f"  {'object':<26}{'runs':>6}  {'largest':>9}  {'VA':>10} -> {'PA':<10}  {'block':>6} {'blocks':>7}")
    for number, (_, kind, size, _, runs, largest, *_) in enumerate(lists):
        end = starts[number + 1] if number + 1 < len(starts) else 1 << 48
        mine = [row for row in stretches if starts[number] <= int(row[1], 16) < end]
        left = f"  {kind + ', ' + size + ' bytes':<26}{runs:>6}  {largest:>9}"
        for _, va, pa, block, count, _ in mine[:SHOWN]:
            print(f"{left}  {va} -> {pa}  {block:>6} {count:>7}")
            left = " " * len(left)
        if len(mine) > SHOWN:
            print(f"{left}  and {len(mine) - SHOWN} more stretches")


def main(argv):
    if len(argv) in (3, 4) and argv[1] == "kernel-reports":
        return kernel_reports(*argv[2:])
    if len(argv) > 3 and argv[1] == "table":
        return table(argv[2], argv[3:])
    if len(argv) == 2 and argv[1] == "flakes":
        return print_rates()
    if len(argv) == 3 and argv[1] == "junit":
        return junit_of(argv[2])
    if len(argv) == 3 and argv[1] == "backings":
        return backings(argv[2])
    if len(argv) == 3 and argv[1] == "tables":
        return tables(argv[2])
    return __doc__


if __name__ == "__main__":
    sys.exit(main(sys.argv))
