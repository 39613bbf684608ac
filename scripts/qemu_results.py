#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reads the console of a guest that ran guest/qemu-init.

qemu_results.py json LOG DIR                 what the tests said, as igt_results.py takes it
qemu_results.py facts LOG                    what ran where, behind which IOMMU
qemu_results.py counts TSV LANE PART BASE CONVERTED    numbers that must not grow
qemu_results.py pictures TSV LANE PART BASE CONVERTED LIST    what was to be seen, as the log has it, and what QEMU
                                             saw (NAME.ppm beside that); LIST (PART/NAME, tab, reason) is of
                                             what no kernel shows
qemu_results.py judge DIR LIST [BASE]        the first of DIR/reports.txt that LIST (regular expression,
                                             tab, reason) does not know, or that the kernel of BASE
                                             did not complain about; "by chance: " in front of a reason
                                             allows that, "unpatched only: " never lets the other do it
qemu_results.py expect BASE CONVERTED FILE   writes what igt_results.py compare is to expect, with as
                                             few lines as say the same; reasons of old lines stay
qemu_results.py kunit TSV LANE PART DIR LIST what kunit_results.py wrote to DIR/kunit.tsv, less what LIST
                                             (part:suite.case, tab, reason) knows to fail on both
qemu_results.py reports TSV LANE PART BASE CONVERTED LIST    complaints of two KUnit boots; new ones
                                             have to be in LIST (part of the line, tab, reason)
qemu_results.py failing TSV LANE PART LOG SUITES LIST    whether all of SUITES passed with allocations that
                                             fail, what was leaked, and complaints that LIST does not know
qemu_results.py leaks TSV LANE PART BASE CONVERTED    what kmemleak found behind the tests, and not on the
                                             unpatched kernel
"""
import fnmatch
import json
import os
import re
import sys
import zlib

import igt_results
import kunit_results
import report

BEGIN = re.compile(r"qemu: begin (\S+)")
END = re.compile(r"qemu: end (\S+) status (\d+)")
ENDS = ("0", "77", "79", "98", "99")
STARTING = re.compile(r"Starting (dynamic )?subtest: (\S+)")
RESULT = re.compile(r"(Dynamic subtest|Subtest) (\S+): (SUCCESS|SKIP|FAIL|CRASH|TIMEOUT)")
FACT = re.compile(r"qemu: (kernel|device|vidi|no|shows|bounced|highmem)\b|(?:^|: )dma: ")
GROUP = re.compile(r"(\S+): Adding to iommu group (\d+)")
IOMMU = re.compile(r"(arm-smmu-v3|DMAR|AMD-Vi|virtio_iommu|exynos-sysmmu)\b")
BOUNCED = re.compile(r"command line: .*\bswiotlb=[0-9,]*force")
PROBED = re.compile(r"Initialized (\w+) \S+ for (\S+) on minor")
SPARE = re.compile(r"# \S+: (\S+) is behind an IOMMU")
COUNT = re.compile(r"(?:^|: )count: (\S+) (\d+)$")
WORDS = {"SUCCESS": "pass", "SKIP": "skip", "FAIL": "fail", "CRASH": "crash", "TIMEOUT": "timeout"}


def lines_of(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", errors="replace") as file:
        return [line.rstrip("\r\n") for line in file]


def tests(lines):
    """{name: {result, out, err}} of igt@BINARY@SUBTEST; where that has dynamic subtests they are
    listed instead, as igt@BINARY@SUBTEST/DYNAMIC. Of what a child process said first, the parent's
    later word counts."""
    found, binary, subtest, running = {}, None, None, None
    for line in lines:
        if BEGIN.search(line):
            binary, subtest, running = BEGIN.search(line).group(1), None, None
        elif END.search(line):
            # It ended otherwise than its last subtest says.
            if running and END.search(line).group(2) not in ENDS and found[running]["result"] in ("pass", "skip"):
                found[running]["result"] = "crash"
            binary = running = None
        start, result = STARTING.search(line), RESULT.search(line)
        if binary and start:
            subtest = subtest if start.group(1) else f"igt@{binary}@{start.group(2)}"
            running = f"{subtest}/{start.group(2)}" if start.group(1) else subtest
            found[running] = {"result": "incomplete", "out": "", "err": ""}
        if binary and running:
            found[running]["out"] += line + "\n"
        if binary and result:
            name = subtest or f"igt@{binary}@{result.group(2)}"
            name += "/" + result.group(2) if result.group(1)[0] == "D" else ""
            found.setdefault(name, {"out": line, "err": ""})["result"] = WORDS[result.group(3)]
    containers = {name.partition("/")[0] for name in found if "/" in name}
    told = {name.partition("/")[0] for name, test in found.items() if "/" in name and test["result"] not in ("pass", "skip")}
    # A failure outside of all dynamic subtests is nobody else's to tell.
    own = {name for name in containers - told if name in found and found[name]["result"] not in ("pass", "skip")}
    return {name: test for name, test in found.items() if name not in containers or name in own}


def write_json(log, directory):
    found = tests(lines_of(log))
    if found:
        with open(os.path.join(directory, "results.json"), "w", encoding="utf-8") as file:
            json.dump({"tests": found}, file)


def groups_of(lines):
    """{device: what the kernel says of its IOMMU}"""
    iommu = next((m.group(0) for m in map(IOMMU.search, lines) if m), "an IOMMU")
    return {m.group(1): f"group {m.group(2)} of {iommu}" for m in map(GROUP.search, lines) if m}


def kernel_facts(lines):
    """Where no guest says it, the kernel does."""
    groups = groups_of(lines)
    direct = "direct, bounced" if any(BOUNCED.search(line) for line in lines) else "direct"
    for driver, device in dict.fromkeys(m.groups() for m in map(PROBED.search, lines) if m):
        yield f"device: {driver} on {device}: {groups.get(device, direct)}"
    for device in dict.fromkeys(m.group(1) for m in map(SPARE.search, lines) if m):
        yield f"device of suites: {device}: {groups.get(device, direct)}"


def facts(log):
    lines = lines_of(log)
    found = [re.sub(r"^.*?qemu: ", "", line) for line in lines if FACT.search(line)] or kernel_facts(lines)
    print("".join(f"  {line}\n" for line in found), end="")
    if counts_of(log):
        print("  counts: " + ", ".join(f"{name} {number}" for name, number in counts_of(log).items()))


def add_rows(tsv, lane, part, rows):
    with open(tsv, "a", encoding="utf-8") as file:
        for verdict, name, reason in rows:
            if verdict == "FAIL":
                print(f"FAIL {part}/{name}: {reason}")
            file.write("\t".join([verdict, lane, f"{part}/{name}"] + ([reason] if reason else [])) + "\n")
    return any(row[0] == "FAIL" for row in rows)


def counts_of(log):
    return {m.group(1): int(m.group(2)) for m in map(COUNT.search, lines_of(log)) if m}


def counts(tsv, lane, part, base, converted):
    old, new = counts_of(base), counts_of(converted)
    rows = []
    for name in dict.fromkeys(list(old) + list(new)):
        b, c = old.get(name), new.get(name)
        good = b is not None and c is not None and c <= b
        rows.append(("PASS" if good else "FAIL", f"count/{name}",
                     f"{c} on the converted kernel, {b} on the unpatched"))
    return add_rows(tsv, lane, part, rows)


SHOWS = re.compile(r"shows: (\S+) (\d+)x(\d+) ([0-9a-f]{8})")


def seen(path):
    """(size, CRC) of a picture."""
    if not os.path.exists(path):
        return "nothing", ""
    with open(path, "rb") as file:
        head, pixels = re.match(rb"(P6\s\d+\s\d+\s255\s)?(.*)", file.read(), re.S).groups()
    width, height = head.split()[1:3] if head else (b"0", b"0")
    return f"{width.decode()}x{height.decode()}", f"{zlib.crc32(pixels):08x}"


def shown(directory):
    """{picture: was it seen as it is?}"""
    found = [m.groups() for m in map(SHOWS.search, lines_of(os.path.join(directory, "console.log"))) if m]
    return {name: seen(os.path.join(directory, name + ".ppm")) == (f"{width}x{height}", crc)
            for name, width, height, crc in found}


def pictures(tsv, lane, part, base, converted, path):
    old, new, rows = shown(base), shown(converted), []
    for name, good in new.items():
        why = next((reason for pattern, reason in kunit_results.read_list(path).items()
                    if fnmatch.fnmatchcase(f"{part}/{name}", pattern)), None)
        verdict, reason = ("PASS", "") if good else ("FAIL", f"the screen shows something else; see {converted}/{name}.ppm")
        if why:
            verdict, reason = ("FAIL", "unexpected pass") if good or old.get(name, True) else ("SKIP", f"on neither kernel: {why}")
        rows.append((verdict, f"picture/{name}", reason))
    # An import that was refused is a matter of the test's own result.
    if not any(new.values()):
        rows.append(("FAIL", "picture", f"the screen shows none; see {converted}"))
    return add_rows(tsv, lane, part, rows)


def judge(directory, path, base=None):
    """Exit status 1 and the line, if there is one."""
    said = lines_of(os.path.join(base or directory, "reports.txt"))
    known = [re.compile(text) for text, reason in kunit_results.read_list(path).items()
             if (not reason.startswith("unpatched only: ") or directory == base) and
             (reason.startswith("by chance: ") or any(re.search(text, line) for line in said))]
    for line in lines_of(os.path.join(directory, "reports.txt")):
        if not any(k.search(line) for k in known):
            print(line)
            return True
    return False


def shorter(results):
    """Patterns for {name: result}: a subtest's or a dynamic subtest's, where all of them agree."""
    by_pattern = {}
    for name in results:
        test, _, dynamic = name.partition("/")
        binary = test.rpartition("@")[0]
        for pattern in {name, f"{test}/*" if dynamic else name, f"{binary}@*/{dynamic}" if dynamic else name}:
            by_pattern.setdefault(pattern, []).append(name)
    left = {name for name, result in results.items() if result != "pass"}
    chosen = {}
    same = [(pattern, names) for pattern, names in by_pattern.items() if len({results[n] for n in names}) == 1]
    for pattern, names in sorted(same, key=lambda item: -len(item[1])):
        if left & set(names):
            chosen[pattern] = results[names[0]]
            left -= set(names)
    return chosen


def expect(base, converted, path):
    b, c, old = igt_results.Run(base), igt_results.Run(converted), igt_results.Expectations(path)
    reasons = {pattern: reason for pattern, *_, reason in old.lines}
    results, chance = {}, [pattern for pattern, result, new, _ in old.lines if "|" in result + new]
    for name in igt_results.all_names(b, c):
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in chance):
            continue
        pair = (b.result(name), c.result(name))
        results[name] = pair[0] if pair[0] == pair[1] else "/".join(pair)
    header = [line for line in lines_of(path) if line.startswith("#") or "|" in line.split("\t")[1]]
    lines = [f"{pattern}\t{result}\t{reasons.get(pattern, 'TODO')}" for pattern, result in shorter(results).items()]
    igt_results.write_lines(path, (header or ["# SPDX-License-Identifier: GPL-2.0"]) + sorted(lines))


SKIPPED = re.compile(r"ok \d+ (\S+) # SKIP (.*IOMMU.*)")


def has_iommu(part):
    return part.endswith(("-iommu", "-noncoherent"))


def kunit(tsv, lane, part, directory, path):
    base = kunit_results.read_cases(os.path.join(directory, "base", "kunit.json"))
    listed, rows = kunit_results.read_list(path), []
    for line in lines_of(os.path.join(directory, "kunit.tsv")):
        verdict, _, name, reason = (line.split("\t") + [""])[:4]
        key = f"{part}:{name}"
        if key in listed and verdict == "FAIL" and base.get(name) == "FAIL":
            verdict, reason = "SKIP", f"fails on both kernels: {listed[key]}"
        elif key in listed:
            verdict, reason = "FAIL", f"listed as failing on both kernels, but it is {verdict}"
        rows.append((verdict, name, reason))
    # Where there is an IOMMU, no case may skip for want of one.
    for line in lines_of(os.path.join(directory, "converted", "console.log")) if has_iommu(part) else []:
        if SKIPPED.search(line):
            rows.append(("FAIL", SKIPPED.search(line).group(1), "skipped: " + SKIPPED.search(line).group(2)))
    return add_rows(tsv, lane, part, rows)


def complaints(log, kernel="converted"):
    """[suite and case: report without what changes]"""
    lines = [re.sub(r"^(\[ *\d+\.\d+\](\[ *\w+\])? )+", "", line) for line in lines_of(log)]
    known = report.known_reports(kernel)
    found = {}
    for index, line in enumerate(lines):
        if line.startswith(("Kernel command line", "Unknown kernel")) or not report.REPORT.search(line):
            continue
        if not any(k.search(line) for k in known):
            found[f"{kunit_results.place(lines, index)}: {kunit_results.steady(line)}"] = True
    return list(found)


def reports(tsv, lane, part, base, converted, path):
    known, listed = complaints(base, "unpatched"), kunit_results.read_list(path)
    rows = []
    for line in complaints(converted):
        if line in known:
            continue
        reason = next((why for text, why in listed.items() if text in line), None)
        rows.append(("FAIL", f"report: {line}", "not on the unpatched kernel") if reason is None
                    else ("PASS", f"expected report: {line}", reason))
    rows.append(("PASS", "kernel-log", f"{len(known)} reports on the unpatched kernel")
                if not any(row[0] == "FAIL" for row in rows) else ("FAIL", "kernel-log", "new reports"))
    return add_rows(tsv, lane, part, rows)


FAILING = re.compile(r"qemu: failing: (\S+): (not )?ok \d+ (\S+)(.*)")
LEAK = re.compile(r"qemu: leak: ( *.*)")


def leaks_of(lines):
    said = [m.group(1) for m in map(LEAK.match, lines) if m]
    return [kunit_results.leak(said[index:index + 32]) for index, line in enumerate(said)
            if line.startswith("unreferenced object")]


def leaks(tsv, lane, part, base, converted):
    known, lines = leaks_of(lines_of(base)), lines_of(converted)
    rows = [("FAIL", f"leak: {leak}", "not on the unpatched kernel") for leak in dict.fromkeys(leaks_of(lines))
            if leak not in known]
    if not any("qemu: scan 2" in line for line in lines):
        rows.append(("FAIL", "leaks", "nobody looked for any"))
    return add_rows(tsv, lane, part, rows or [("PASS", "leaks", f"{len(known)} on the unpatched kernel")])


def verdict(part, bad, rest):
    """Only for want of an IOMMU may a case skip, where there is none."""
    if bad or ("# SKIP" in rest and ("IOMMU" not in rest or has_iommu(part))):
        return "FAIL"
    return "SKIP" if "# SKIP" in rest else "PASS"


def failing(tsv, lane, part, log, suites, path):
    lines, listed = lines_of(log), kunit_results.read_list(path)
    seen = [m.groups() for m in map(FAILING.search, lines) if m]
    rows = [(verdict(part, bad, rest), f"{suite}.{case}", rest.strip() or ("failed" if bad else ""))
            for suite, bad, case, rest in seen]
    rows += [("FAIL", suite, "did not run") for suite in suites.split(",") if suite not in {row[0] for row in seen}]
    rows += [("PASS" if any(must in line for line in lines) else "FAIL", must[6:], "") for must in ("qemu: scan 2", "qemu: done")]
    new = leaks_of(lines) + [line for line in complaints(log) if not any(text in line for text in listed)]
    rows += [("FAIL", f"report: {line}", "with allocations that fail") for line in new] or [("PASS", "kernel-log", "")]
    return add_rows(tsv, lane, part, rows)


def main(argv):
    verbs = {"json": write_json, "facts": facts, "counts": counts, "reports": reports,
             "pictures": pictures, "judge": judge, "kunit": kunit, "expect": expect, "failing": failing, "leaks": leaks}
    if len(argv) < 3 or argv[1] not in verbs:
        sys.exit(__doc__)
    return verbs[argv[1]](*argv[2:])


if __name__ == "__main__":
    sys.exit(main(sys.argv))
