#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Chooses IGT tests for a boot, and compares what two kernels made of them.

igt_results.py select LIST DIR [NAME]          the runner's input in DIR from a test list; of it just NAME,
                                               BINARY[@SUBTEST], * for anything
igt_results.py only DIR LIST NAME...           the same for the binaries that these subtests are of
igt_results.py again BASE CONVERTED EXPECT     names that are not as they should be
igt_results.py settled BASE EXPECT             did all pass in which chance has a part on both kernels?
igt_results.py compare LANE BASE CONVERTED EXPECT TSV [BASE2 CONVERTED2]...
igt_results.py expect BASE EXPECT              rewrites EXPECT, keeping its reasons
igt_results.py seconds DIR                     how long its tests took
igt_results.py points DIR...                   how many points of failure (allocations, calls) the tests met, in sum
igt_results.py functions BASE CONVERTED         how many calls of each function failed, on either kernel
igt_results.py record DIR NAME=BOOT...         results of tests that had a boot each, in BOOT

BASE and CONVERTED are the output directories of two boots (results.json, console.log).
LANE may be LANE/PART: names are then PART/NAME in TSV, but not in EXPECT.
EXPECT has lines "NAME<tab>RESULT<tab>REASON[<tab>ONLY]"; NAME may be a pattern (*), RESULT is fail,
skip, crash or timeout, or OLD/NEW where the two kernels are known to differ, for the reason given.
Each may be several (fail|pass), where chance has a part in it; a failed assertion that chance explains has
the expression ONLY in it.
Whatever is not listed has to pass. What does so only when it is run again, alone, was slow; what failed on the
converted kernel is not believed to have been, unless expect/flakes.txt has it.
"""
import fnmatch
import json
import os
import re
import sys

# IGT tells "pass, but something was printed" apart; that depends on who prints when.
RESULTS = {
    "pass": "pass", "warn": "pass", "dmesg-warn": "pass",
    "fail": "fail", "dmesg-fail": "fail", "skip": "skip", "crash": "crash", "abort": "crash",
    "timeout": "timeout", "incomplete": "timeout", "notrun": "notrun",
}
ABSENT = "not run"
SILENT = "IGT says no more"
# Said of a test that was as it should be only without load; scripts/report.py looks for it.
ALONE = "only when run again, alone"
SHOWN = 25
# NAME<tab>SEEN<tab>REASON: SEEN is what "report.py flakes" said of it.
FLAKES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "expect", "flakes.txt")


def write_lines(path, lines):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)


def subtests(wanted, name):
    """A regular expression: what the list wants of a binary, and what somebody wants of that."""
    wanted = f"({wanted[0]})" if wanted else ".*"
    return wanted if name is None else f"(?={wanted}$){fnmatch.translate(name)}"


def select(list_path, directory, *names):
    """Of the binaries that are named like these, of one BINARY@SUBTEST just that."""
    wanted_binaries, subtest = [name.removeprefix("igt@").split("@")[0] for name in names or "*"], None
    if len(names) == 1:
        subtest = names[0].removeprefix("igt@").partition("@")[2] or None
    binaries, include, exclude = [], [], []
    for line in open(list_path, encoding="utf-8"):
        words = line.split("#")[0].split()
        if not words:
            continue
        name = words[0].rsplit("/", 1)[-1]
        if not any(fnmatch.fnmatchcase(name, binary) for binary in wanted_binaries):
            continue
        binaries.append(words[0])
        wanted = [w for w in words[1:] if w[0] != "!"]
        unwanted = [w[1:] for w in words[1:] if w[0] == "!"]
        include.append(f"^igt@{name}@{subtests(wanted, subtest)}$" if wanted or subtest else f"^igt@{name}(@|$)")
        exclude += [f"^igt@{name}@({u})$" for u in unwanted]
    if not binaries:
        sys.exit(f"{list_path} has no test {' '.join(wanted_binaries)}")
    os.makedirs(directory, exist_ok=True)
    for name, lines in (("binaries", binaries), ("include", include), ("exclude", exclude)):
        write_lines(os.path.join(directory, name), lines)


class Run:
    """What one boot made of its tests; dynamic subtests are their subtest's matter."""

    def __init__(self, directory):
        self.directory = directory
        self.tests = {}
        path = os.path.join(directory, "results.json")
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                self.tests = json.load(file)["tests"]

    def result(self, name):
        test = self.tests.get(name)
        return RESULTS.get(test["result"], test["result"]) if test else ABSENT

    def names(self):
        return [name for name in self.tests if name.count("@") <= 2]

    def parts(self, name):
        """The results of its dynamic subtests."""
        return {n: self.result(n) for n in self.tests if n.startswith(name + "@") and n.count("@") > 2}

    def seconds(self):
        times = [self.tests[name]["time"] for name in self.names() if "time" in self.tests[name]]
        return sum(t["end"] - t["start"] for t in times)

    def points(self):
        """{(subtest, what failed): how often}; its text may have what its dynamic subtests say, too."""
        found = {}
        for name, test in self.tests.items():
            subtest = "@".join(name.split("@")[:3])
            # To one that was skipped before it started, IGT's runner gives the dynamic subtests of the one before.
            if self.result(subtest) == "skip":
                continue
            for label, count in re.findall(r"(\S+): (\d+) (?:allocations|calls) failed, and", test.get("out") or ""):
                found[subtest, label] = int(count)
        return found

    def functions(self):
        """{function: how many calls of it failed}"""
        found = {}
        for (_, label), count in self.points().items():
            function, slash, _ = label.partition("/")
            if slash:
                found[function] = found.get(function, 0) + count
        return found

    def text(self, name):
        parts = [name] + [n for n in self.tests if n.startswith(name + "@")]
        return "\n".join(self.tests[p].get(k) or "" for p in parts for k in ("out", "err"))

    def why(self, name):
        """The line of IGT's output that says why a test did not pass."""
        result = self.result(name)
        if result in ("crash", "timeout", "notrun", ABSENT):
            return SILENT
        if result == "fail":
            # IGT's dump of its log starts with what earlier subtests said.
            found = re.findall(r"Failed assertion: (.+)", self.text(name))
            return "assertion failed: " + found[-1].strip() if found else SILENT
        # A requirement of a group of subtests is printed with the first of them.
        names = self.names()
        for earlier in reversed(names[:names.index(name) + 1]):
            if earlier.split("@")[1] != name.split("@")[1]:
                break
            found = re.findall(r"Test requirement: (.+)", self.text(earlier))
            if found:
                return "requires " + found[-1 if earlier != name else 0].strip()
        return SILENT

    def lines(self, name):
        """Of a file beside the results, if it is there."""
        path = os.path.join(self.directory, name)
        return open(path, encoding="utf-8").read().splitlines() if os.path.exists(path) else []

    def end(self):
        """How far a boot got that left no results."""
        log = open(os.path.join(self.directory, "console.log"), encoding="utf-8",
                   errors="replace").read()
        last = re.findall(r"\[IGT\] (\S+): starting subtest (\S+)", log)
        panic = re.findall(r"Kernel panic - not syncing: (.+)|igt: (.+)", log)
        text = next(filter(None, panic[-1])).strip() if panic else "the guest ended early"
        return text + (f" in {'@'.join(last[-1])}" if last else "")


class Expectations:
    def __init__(self, path):
        self.lines = []
        if os.path.exists(path):
            for line in open(path, encoding="utf-8"):
                if line.strip() and not line.startswith("#"):
                    name, result, reason, *only = line.rstrip("\n").split("\t")
                    # What "expect" finds is no reason, but what somebody has to find one for.
                    if not reason or reason.startswith(("assertion failed:", SILENT)):
                        sys.exit(f"{path}: {name}: {reason or 'nothing'} is no reason")
                    old, _, new = result.partition("/")
                    self.lines.append((name, old, new or old, reason, *only))

    def of(self, name):
        """(unpatched, converted, reason)"""
        return self.line_of(name)[1:4]

    def line_of(self, name):
        for line in self.lines:
            if line[0] == name or fnmatch.fnmatchcase(name, line[0]):
                return line
        return name, "pass", "pass", ""

    def unused(self, names):
        return [p for p, *_ in self.lines if not fnmatch.filter(names, p)]


def same_why(one, other):
    """IGT cuts what it prints."""
    return one.startswith(other) or other.startswith(one)


def judge(name, base, converted, expect):
    """(PASS, FAIL or SKIP, reason)"""
    old, new, reason = expect.of(name)
    b, c = base.result(name), converted.result(name)
    if "|" in old + new and b in old.split("|") and c in new.split("|"):
        only = expect.line_of(name)[4:]
        if c == "fail" and only and not re.search(only[0], converted.why(name)):
            return "FAIL", f"fails, but not because of {only[0]}: {converted.why(name)}"
        chance = f"{b} on the unpatched kernel, {c} on the converted: {reason}"
        return ("PASS", "") if c == "pass" and b in (c, old) else ("SKIP", chance)
    if b == old and c == new:
        parts = converted.parts(name)
        worse = [n for n, r in base.parts(name).items() if r == "pass" and parts.get(n) != "pass"]
        if worse and c != "skip" and (b, c) != ("pass", "fail"):
            return "FAIL", f"{c}, as expected, but {worse[0].split('@')[-1]} passes on the unpatched one alone"
        if c == "pass":
            return "PASS", ""
        if b == c == "fail" and not same_why(base.why(name), converted.why(name)):
            return "FAIL", f"fails on both kernels, but on the converted one by {converted.why(name)}"
        return "SKIP", reason if c == "skip" else f"known {c} on both kernels: {reason}"
    if c != new and (c != b or b == old):
        word = "unexpected pass" if c == "pass" else c
        why = (converted if c != "pass" else base).why(name)
        return "FAIL", f"{word} on the converted kernel, {b} on the unpatched: {why}"
    if b == "pass":
        return "FAIL", f"unexpected pass on the unpatched kernel, {old} in expect/ ({reason})"
    return "FAIL", f"{b} on the unpatched kernel, {old} in expect/: {base.why(name)}"


def all_names(base, converted):
    return list(dict.fromkeys(base.names() + converted.names()))


def again(base, converted, expect):
    names = all_names(base, converted)
    return [n for n in names if judge(n, base, converted, expect)[0] == "FAIL" or unlucky(n, base, converted, expect)]


def unlucky(name, base, converted, expect):
    """Fails on one kernel, where chance has a part in it on both."""
    old, new, _ = expect.of(name)
    return old == new and "|" in old and base.result(name) != converted.result(name)


def converted_failed(name, base, converted, expect):
    """Of what is not as it should be: has the converted kernel to do with it, or the unpatched one alone?"""
    old, new, _ = expect.of(name)
    return converted.result(name) not in new.split("|") or base.result(name) in old.split("|")


def load_explains(name):
    """What goes by the host's clock is listed. Of the rest, what fails now and then has found a race."""
    known = [line.split("\t")[0] for line in open(FLAKES, encoding="utf-8") if line[0] != "#"]
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in known)


def settle(name, runs, expect):
    """What the first of these pairs of runs says, or a later one, alone, if that was not as it should be."""
    result, reason = judge(name, *runs[0], expect)
    if result != "FAIL" and not unlucky(name, *runs[0], expect):
        return result, reason
    tried = [runs[0]] + [run for run in runs[1:] if name in run[0].tests]
    for run in tried[1:]:
        later, why = judge(name, *run, expect)
        if later != "FAIL" and not unlucky(name, *run, expect):
            crash = runs[0][1].result(name) == "crash"
            if result == "FAIL" and converted_failed(name, *runs[0], expect) and (crash or not load_explains(name)):
                return "FAIL", f"{reason}; as it should be {ALONE}, which expect/flakes.txt does not know"
            return later, f"{why + ', ' if why else ''}{ALONE} (under load: {reason})"
    # Chance does not choose the same kernel each time.
    if result == "SKIP" and len(tried) > 2 and all(
            unlucky(name, *run, expect) and run[0].result(name) == "pass" for run in tried):
        return "FAIL", f"fails each time on the converted kernel alone: {runs[0][1].why(name)}"
    return result, reason


def absent(run, names):
    """What the runner was asked for, less what it found: a test that has another name now, or does not start."""
    wanted = []
    for regex in run.lines("include"):
        several = re.fullmatch(r"(\^igt@[^@]+@)\(([^()]*)\)\$", regex)
        wanted += [f"{several[1]}({one})$" for one in several[2].split("|")] if several else [regex]
    return [regex for regex in wanted if not any(re.search(regex, name) for name in names)]


def missing(run):
    """What the binaries have and the runner was asked for, and of which it says nothing."""
    include, exclude = run.lines("include"), run.lines("exclude")
    # IGT's runner speaks of them in small letters.
    said = {name.lower() for name in run.tests}
    return [name for name in run.lines("subtests") if name.lower() not in said and
            any(re.search(regex, name) for regex in include) and not any(re.search(regex, name) for regex in exclude)]


def compare(lane, expect, tsv, *runs):
    rows = []
    base, converted = runs[0]
    lane, slash, part = lane.partition("/")
    names = all_names(base, converted)
    for run, what in ((base, "unpatched"), (converted, "converted")):
        if not run.tests:
            rows.append(("FAIL", f"{what}-kernel", f"no results: {run.end()}; log: {run.directory}/console.log"))
        rows += [("FAIL", name, f"did not run on the {what} kernel") for name in missing(run) if run.tests]
    for name in names if base.tests and converted.tests else []:
        result, reason = settle(name, runs, expect)
        rows.append((result, name, reason))
    # With T=NAME most of what is listed does not run.
    if base.tests and not os.environ.get("T"):
        rows += [("FAIL", wanted, "the list wants it, and no kernel has such a test") for wanted in absent(converted, names)]
        for pattern in expect.unused(names):
            rows.append(("FAIL", pattern, "listed in expect/, but there is no such test"))
    rows = [(result, part + slash + name, reason) for result, name, reason in rows]
    with open(tsv, "a", encoding="utf-8") as file:
        for result, name, reason in rows:
            reason = " ".join(reason.split())
            file.write("\t".join([result, lane, name] + ([reason] if reason else [])) + "\n")
    failures = [row for row in rows if row[0] == "FAIL"]
    for _, name, reason in failures[:SHOWN]:
        print(f"FAIL {name}: {reason}")
    if len(failures) > SHOWN:
        print(f"     and {len(failures) - SHOWN} more, in {tsv}")
    return bool(failures)


def expectations(base, path):
    old = Expectations(path)
    header = []
    if os.path.exists(path):
        header = [line.rstrip("\n") for line in open(path, encoding="utf-8") if line.startswith("#")]
    binaries = {}
    for name in base.names():
        binaries.setdefault("@".join(name.split("@")[:2]), []).append(name)
    lines = []
    for binary, names in binaries.items():
        found = []
        for name in names:
            result = base.result(name)
            if result == "pass":
                continue
            was, now, reason = old.of(name)
            if "|" in was + now:
                continue
            if was != result:
                now, reason = result, base.why(name)
            found.append((name, result if now == result else f"{result}/{now}", reason))
        if len(names) > 1 and len(found) == len(names) and len({f[1:] for f in found}) == 1:
            found = [(binary + "@*",) + found[0][1:]]
        lines += ["\t".join(f) for f in found]
    chance = ["\t".join((n, was if was == now else f"{was}/{now}", *why))
              for n, was, now, *why in old.lines if "|" in was + now]
    write_lines(path, header + lines + chance)


# What "exit status" of a test that ran alone means; a kernel that went down leaves none.
EXITS = {"0": "pass", "77": "skip", "98": "fail", "124": "timeout"}


def record(directory, boots):
    tests = {}
    for boot in boots:
        name, _, where = boot.partition("=")
        log = open(os.path.join(where, "console.log"), encoding="utf-8", errors="replace").read()
        path = os.path.join(where, "status")
        status = open(path, encoding="utf-8").read().strip() if os.path.exists(path) else ""
        tests[name] = {"result": EXITS.get(status, "crash"), "out": log, "err": ""}
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "results.json"), "w", encoding="utf-8") as file:
        json.dump({"tests": tests}, file)


def main(argv):
    verb, args = argv[1], argv[2:]
    if verb == "select":
        select(*args)
    elif verb == "only":
        select(args[1], args[0], *{"@".join(name.split("@")[:2]) for name in args[2:]})
    elif verb == "again":
        print("\n".join(again(Run(args[0]), Run(args[1]), Expectations(args[2]))))
    elif verb == "settled":
        base, expect = Run(args[0]), Expectations(args[1])
        both = [name for name in base.names() if "|" in expect.of(name)[0] and expect.of(name)[0] == expect.of(name)[1]]
        return any(base.result(name) != "pass" for name in both)
    elif verb == "compare":
        runs = [Run(directory) for directory in args[1:3] + args[5:]]
        return compare(args[0], Expectations(args[3]), args[4], *zip(runs[::2], runs[1::2]))
    elif verb == "expect":
        expectations(Run(args[0]), args[1])
    elif verb == "record":
        record(args[0], args[1:])
    elif verb == "points":
        print(sum(sum(Run(directory).points().values()) for directory in args))
    elif verb == "functions":
        base, converted = (Run(directory).functions() for directory in args)
        for function in dict.fromkeys([*base, *converted]):
            print(f"{function:<28}{base.get(function, '-'):>6}{converted.get(function, '-'):>6}")
    elif verb == "seconds":
        print(round(Run(args[0]).seconds()))
    else:
        sys.exit(__doc__)
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv))
