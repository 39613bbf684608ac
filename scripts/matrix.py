#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""matrix.py BOOT=LOG...: the matrix kind x operation that the KUnit suites drm_gem_bo_backing_kinds*
print, out of the console logs of several boots.

A suite is a pair of devices. Each boot has suites that must be there, with the devices that it is
about, all the operations and kinds of the suites' source, and nothing else than "works", an errno, or
"-" where there is nothing to try; else the exit status is 1.

What most boots agree on stands alone, a boot that differs by its letter before it.
"""
import collections
import errno
import os
import re
import sys

PREFIX = "drm_gem_bo_backing_kinds"
SUITE = re.compile(rf"# Subtest: {PREFIX}(?:_(\w+))?\s*$")
LINE = re.compile(r"# test_matrix: (\S.*?) {2,}(\S.*)$")
RESULT = re.compile(r"\b((?:not )?ok) \d+ test_matrix\b(.*)$")
CELL = re.compile(r"^(-|works|-E[A-Z0-9]+|-\d+)$")
SHORT = {"works": "ok", "-": ".", "EOPNOTSUPP": "NOTSUPP"}
SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                      "drivers/gpu/drm/tests/drm_gem_bo_backing_kinds_test.c")

# {suite: its devices}
DIRECT = {"": "COHERENT", "32bit": "32 BIT", "unreachable": "OUT OF REACH"}
ARM = DIRECT | {"noncoherent": "NOT COHERENT", "mixed": "SNOOPS, NOT", "pool": "POOL"}
IOMMU = {"iommu": "IOMMU", "to_iommu": "DIRECT, IOMMU"}
BOUNCES = {suite: devices if suite == "unreachable" else "BOUNCES" for suite, devices in ARM.items()}
# {boot: (what it is, its letter, its suites)}
BOOTS = {
    "um/kunit": ("User Mode Linux, direct", "U", DIRECT),
    "arm64/kunit": ("arm64, direct", "D", ARM),
    "arm64/kunit-swiotlb": ("arm64, direct, every mapping bounced", "S", BOUNCES),
    "arm64/kunit-iommu": ("arm64, PCI behind SMMUv3", "I", ARM | IOMMU),
    "arm64/kunit-noncoherent": ("arm64, PCI that does not snoop behind SMMUv3", "N",
                                ARM | IOMMU | {"iommu": "IOMMU, NO SNOOP"}),
    "arm/kunit": ("arm, direct", "A", ARM),
    "x86_64/kunit": ("x86_64, direct", "P", DIRECT),
    "x86_64/kunit-iommu": ("x86_64, PCI behind intel-iommu", "X", DIRECT | IOMMU),
}
# Only User Mode Linux has something behind the address of a resource.
NOTHING_THERE = {("vmap", "resource"), ("vmap a part", "resource"), ("to a CPU", "resource")}

Boot = collections.namedtuple("Boot", "name letter wanted suites")


def asked():
    """The operations and the kinds that there are."""
    with open(SOURCE, encoding="utf-8") as file:
        text = file.read()
    return (re.findall(r'^\t\{ "([^"]+)", +op_', text, re.M),
            re.findall(r'^\t\[[A-Z_]+\] = "([^"]+)",', text, re.M))


class Matrix:
    """What one suite printed in one boot."""

    def __init__(self):
        self.label, self.kinds, self.rows, self.result = "", [], {}, "no result"

    def add(self, operation, cells):
        """Its first line has the names of the devices and of the kinds."""
        if not self.kinds:
            self.label, self.kinds = operation, cells
        else:
            self.rows[operation] = cells

    def wrong(self, devices):
        """What must not be in it."""
        operations, kinds = asked()
        if not self.rows or self.result != "ok":
            yield f"test_matrix: {self.result}"
            return
        if self.label != devices:
            yield f"of the devices '{self.label}', not '{devices}'"
        if self.kinds != kinds or list(self.rows) != operations:
            yield f"asks for {len(self.kinds)} kinds and {len(self.rows)} operations, not {len(kinds)} and {len(operations)}"
        for operation, cells in self.rows.items():
            if len(cells) != len(self.kinds):
                yield f"{operation}: {len(cells)} cells, {len(self.kinds)} kinds"
            for kind, cell in zip(self.kinds, cells):
                if not CELL.match(cell) or (cell == "-" and not self.left_out(operation, kind)):
                    yield f"{operation}, {kind}: '{cell}'"

    def left_out(self, operation, kind):
        """Is there nothing to be asked? Without memory, and where nothing is behind an address."""
        got = self.rows.get("get memory", ["-"] * len(self.kinds))[self.kinds.index(kind)]
        return got.startswith("-E") or (operation, kind) in NOTHING_THERE


def read(path):
    """{suite: Matrix}"""
    found, matrix = {}, None
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in map(str.rstrip, file):
            suite, row, result = SUITE.search(line), LINE.search(line), RESULT.search(line)
            if suite:
                matrix = found.setdefault(suite.group(1) or "", Matrix())
            elif row and matrix:
                matrix.add(row.group(1), re.split(" +", row.group(2)))
            elif result and matrix:
                matrix.result = (result.group(1) + result.group(2)).strip()
                matrix = None
    return found


def short(cell):
    """Kernels without SYMBOLIC_ERRNAME print the number."""
    code = cell[1:] if len(cell) > 1 and cell[0] == "-" else cell
    if code.isdigit():
        code = "EOPNOTSUPP" if int(code) == errno.EOPNOTSUPP else errno.errorcode.get(int(code), cell)
    return SHORT.get(code, code[1:] if code[0] == "E" else code)


def merged(values):
    """values: [(letter, cell)]"""
    usual = collections.Counter(cell for _, cell in values).most_common(1)[0][0]
    others = {}
    for letter, cell in values:
        if cell != usual:
            others[cell] = others.get(cell, "") + letter
    return " ".join([usual] + [f"{letters}:{cell}" for cell, letters in others.items()])


def merged_rows(suite, boots):
    """{operation: cells} of the boots that have the suite."""
    shown = {}
    for operation in dict.fromkeys(op for boot in boots for op in boot.suites[suite].rows):
        columns = zip(*[[(boot.letter, short(cell)) for cell in boot.suites[suite].rows[operation]]
                        for boot in boots if operation in boot.suites[suite].rows])
        shown[operation] = [merged(column) for column in columns]
    return shown


def as_first(suite, operation, boots):
    """Is it, boot for boot, as in the first suite?"""
    return all("" in boot.suites and boot.suites[""].rows.get(operation) == boot.suites[suite].rows.get(operation)
               for boot in boots)


def table(suite, boots):
    boots = [boot for boot in boots if suite in boot.suites and boot.suites[suite].rows]
    first = boots[0].suites[suite]
    rows = merged_rows(suite, boots)
    same = [op for op in rows if suite and as_first(suite, op, boots)]
    print(f"\n{PREFIX}{'_' + suite if suite else ''} ({first.label}; {''.join(boot.letter for boot in boots)})")
    lines = [[""] + first.kinds] + [[op] + cells for op, cells in rows.items() if op not in same]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines if len(lines) > 1 else []:
        print("  " + "  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    if same:
        print(f"  {'all' if len(same) == len(rows) else 'the other'} {len(same)} operations: as in the first table")


def problems(boots):
    for boot in boots:
        for suite, devices in boot.wanted.items():
            name = f"{boot.name}: {PREFIX}{'_' + suite if suite else ''}"
            if suite not in boot.suites:
                yield f"{name} did not run"
            else:
                yield from (f"{name}: {wrong}" for wrong in boot.suites[suite].wrong(devices))


def total(boots):
    cells = collections.Counter()
    for boot in boots:
        for matrix in boot.suites.values():
            cells.update("works" if cell == "works" else "none" if cell == "-" else "refused"
                         for row in matrix.rows.values() for cell in row)
    print(f"\n{cells['works'] + cells['refused']} cells tried: {cells['works']} work, {cells['refused']} are refused; "
          f"in {cells['none']} there is nothing to try (.)")


def main(argv):
    boots = []
    for arg in argv[1:]:
        name, _, path = arg.partition("=")
        if name not in BOOTS:
            sys.exit(f"{name}: there is no such boot, but {', '.join(BOOTS)}")
        if not os.path.exists(path):
            sys.exit(f"{name}: no log at {path}")
        boots.append(Boot(*BOOTS[name], read(path)))
    if not boots:
        sys.exit(__doc__)
    for boot in boots:
        print(f"{boot.letter}  {boot.name}")
    print("ok works; an errno without its E is how it is refused (NOTSUPP: EOPNOTSUPP); . is nothing to try;\n"
          "ok S:IO is ok in all boots but S, where it is EIO")
    for suite in dict.fromkeys(suite for boot in boots for suite in boot.suites):
        if any(boot.suites[suite].rows for boot in boots if suite in boot.suites):
            table(suite, boots)
    total(boots)
    wrong = list(problems(boots))
    for line in wrong:
        print(f"FAIL {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
