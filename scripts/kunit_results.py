#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""kunit_results.py [options] JSON: a table of KUnit results, and a line each for the report.

JSON is what the kernel's "kunit.py parse --json" wrote. Cases that the unpatched kernel has
(--base) have to be here too, unless --gone lists them with a reason. With --log, what the
kernel reported while they ran is compared with the list of --reports. What --chance lists may
pass or fail.
"""
import argparse
import json
import pathlib
import re
import sys

# What a kernel says when one of its checkers finds something.
REPORT = re.compile(r"BUG: |WARNING: |KASAN: |UBSAN: |DMA-API: .*(device driver|error|leak|overflow|disabl)|"
                    r"INFO: (possible|suspicious|task|trying|inconsistent|rcu)|refcount_t: |"
                    r"list_(add|del) corruption|ODEBUG: |possible recursive|"
                    r"Kernel panic|general protection|Unable to handle|scheduling while atomic|Oops")
LEAK = re.compile(r"^unreferenced object (?:\(percpu\) )?0x\w+ \(size (\d+)\)")
FRAME = re.compile(r"^ +(?:\[<\w+>\] )?(\w+)(?:\.\w+)*\+0x")
# What stands between kmemleak and the code that asked for the memory.
ALLOCATORS = re.compile(r"(save_stack|stack_trace|set_track|__alloc_object|__create_object|kmemleak|kmem_|_*k[vm]*alloc|"
                        r"_*vmalloc|slab_|krealloc|kstr|kmemdup|devm_k|drmm_k)")
SUITE = re.compile(r"^    # Subtest: (\S+)")
RESULT = re.compile(r"^    (?:not )?ok \d+ (\S+)")
SUITE_RESULT = re.compile(r"^(?:not )?ok \d+ ")
# A report's second line that says what its first one means.
DETAIL = re.compile(r"DEBUG_LOCKS_WARN_ON|drm_WARN_ON|DMA-API: ")


def cases(group, path=()):
    """Yield ("suite.case", status) of every case below a group of the JSON."""
    for sub in group["sub_groups"]:
        yield from cases(sub, path + (sub["name"],))
    for case in group["test_cases"]:
        yield ".".join(path + (case["name"],)), case["status"]


def read_cases(name):
    """Parameters may have the same description: what failed once has failed."""
    found = {}
    with open(name, encoding="utf-8") as file:
        for case, status in cases(json.load(file)):
            if found.get(case) in (None, "PASS", "SKIP"):
                found[case] = status
    return found


def read_list(name):
    """{text: reason} of a list with "text<TAB>reason" lines; a line without a reason is an error."""
    listed = {}
    try:
        with open(name, encoding="utf-8") as file:
            lines = [line.rstrip("\n") for line in file]
    except FileNotFoundError:
        return listed
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        text, _, reason = line.partition("\t")
        if not reason.strip():
            sys.exit(f"{name}:{number}: no reason given (text, a tab, reason)")
        listed[text] = reason.strip()
    return listed


def leak(lines):
    """What kmemleak found, named by its size and by who asked for the memory."""
    size = LEAK.match(lines[0]).group(1)
    frames = [match.group(1) for match in map(FRAME.match, lines[1:]) if match]
    callers = [name for name in frames if not ALLOCATORS.match(name)]
    return f"kmemleak: {size} bytes from {' < '.join(callers[:2])}"


def steady(line):
    """A report without what changes from boot to boot and from patch to patch."""
    line = re.sub(r"(\+0x[0-9a-f]+/0x[0-9a-f]+|, CPU#.*|\.constprop\.\d+|\.isra\.\d+)", "", line)
    line = re.sub(r"(\.[chS]):\d+", r"\1", line)
    line = re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{16}\b", "X", line)
    return re.sub(r"\b(CPU|PID|pid|task)([:#= ]+)[\w/.:-]+", r"\1\2N", line).strip()


def place(lines, index):
    """The suite and case that was running at a line of the log."""
    suite = next((SUITE.match(line) for line in reversed(lines[:index])
                  if SUITE.match(line) or SUITE_RESULT.match(line)), None)
    if not suite:
        return "boot"
    case = next((RESULT.match(line).group(1) for line in lines[index:] if RESULT.match(line)), "?")
    return f"{suite.group(1)}.{case}"


def reports(name):
    """The reports of a console log, each once."""
    with open(name, encoding="utf-8", errors="backslashreplace") as file:
        lines = [re.sub(r"^(\[ *\d+\.\d+\](\[ *\w+\])? )+", "", line.rstrip()) for line in file]
    found = {}
    for index, line in enumerate(lines):
        if LEAK.match(line):
            found[leak(lines[index:index + 32])] = True
        elif REPORT.search(line) and not DETAIL.search(line):
            detail = next((": " + more for more in lines[index + 1:index + 2] if DETAIL.search(more)), "")
            found[f"{place(lines, index)}: {steady(line)}{steady(detail)}"] = True
    log = pathlib.Path(name).stem
    for must in ["kunit-init: end", "kunit-init: lockdep=1"] + ["kunit-init: scanned"] * ("KUNIT_LEAKS=1" in "".join(lines)):
        if not any(must in line for line in lines):
            found[f"{log}: no '{must}' on the console"] = True
    suites = re.search(r"KUNIT_FAILSLAB=([\w,]+)", "\n".join(lines))
    for suite in suites.group(1).split(",") if suites else []:
        if not any(re.search(rf"kunit-init: failslab: {suite}: ok \d+ test_alloc_undo$", line) for line in lines):
            found[f"{log}: test_alloc_undo of {suite} did not pass with failslab"] = True
    return list(found)


def judge_cases(have, base, gone):
    """Yield (verdict, name, reason)."""
    for name, status in have.items():
        verdict = status if status in ("PASS", "SKIP") else "FAIL"
        yield verdict, name, {"SKIP": "skipped by the test"}.get(status, "" if verdict == "PASS" else status)
    for name, status in base.items():
        if name not in have and name in gone:
            yield "SKIP", name, f"gone: {gone[name]}"
        elif name not in have:
            yield "FAIL", name, "the unpatched kernel has this case, this one does not"
        elif status == "PASS" and have[name] == "SKIP":
            yield "FAIL", name, "passes on the unpatched kernel, skipped here"
    for name in gone:
        if name in have or name not in base:
            yield "FAIL", name, "listed as gone, but it is not"


def judge_reports(found, listed):
    """Yield (verdict, name, reason); listed texts are parts of report lines."""
    for line in found:
        reason = next((why for text, why in listed.items() if text in line), None)
        if reason is None:
            yield "FAIL", f"report: {line}", "not in the list of expected reports"
    for text, reason in listed.items():
        if any(text in line for line in found):
            yield "PASS", f"expected report: {text}", reason
        else:
            yield "FAIL", f"expected report: {text}", "did not show; remove it from the list"
    if not found and not listed:
        yield "PASS", "no reports", ""


def forgive(verdicts, chance):
    """Yield verdicts; a failure whose name contains a text of the list is none."""
    for verdict, name, reason in verdicts:
        why = next((why for text, why in chance.items() if text in name), None)
        yield ("SKIP", name, f"by chance: {why}") if verdict == "FAIL" and why and not name.startswith("report: ") else (verdict, name, reason)


REPORT_NAMES = ("report: ", "expected report: ", "no reports")


def table(verdicts):
    rows = {}
    for verdict, name, _ in verdicts:
        suite = "reports" if name.startswith(REPORT_NAMES) else name.split(".")[0]
        row = rows.setdefault(suite, {"PASS": 0, "FAIL": 0, "SKIP": 0})
        row[verdict] += 1
    width = max(map(len, rows))
    print(f"{'suite':{width}}  pass  fail  skip")
    for suite, row in rows.items():
        print(f"{suite:{width}}  {row['PASS']:4}  {row['FAIL']:4}  {row['SKIP']:4}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json")
    parser.add_argument("--lane", default="kunit")
    parser.add_argument("--results", required=True)
    parser.add_argument("--base")
    parser.add_argument("--gone")
    parser.add_argument("--log", action="append")
    parser.add_argument("--reports")
    parser.add_argument("--chance")
    args = parser.parse_args()

    have = read_cases(args.json)
    base = read_cases(args.base) if args.base else {}
    verdicts = list(judge_cases(have, base, read_list(args.gone) if args.gone else {}))
    if not have:
        verdicts.append(("FAIL", "kunit.any", "no case ran"))
    found = list(dict.fromkeys(line for log in args.log or [] for line in reports(log)))
    if args.reports:
        verdicts += judge_reports(found, read_list(args.reports))
    else:
        print("".join(f"report: {line}\n" for line in found), end="")

    verdicts = list(forgive(verdicts, read_list(args.chance) if args.chance else {}))
    table(verdicts)
    with open(args.results, "a", encoding="utf-8") as file:
        for verdict, name, reason in verdicts:
            if verdict == "FAIL":
                print(f"FAIL {name}{': ' + reason if reason else ''}")
            file.write("\t".join([verdict, args.lane, name] + ([reason] if reason else [])) + "\n")
    failed = sum(verdict == "FAIL" for verdict, _, _ in verdicts)
    print(f"{args.lane}: {len(verdicts) - failed} ok, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
