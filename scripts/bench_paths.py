#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What scripts/bench-paths.sh counted: a table, plots, and a verdict for each bar.

bench_paths.py DIR PLOTS EXPECTED VERDICTS

DIR/MACHINE/{unpatched,converted}-{1,2}/counts have a line for each number: layout, size, measure, value.
DIR/MACHINE/tree says of what kernels they are. PLOTS-*.svg are written. EXPECTED lists bars that cannot be met: name, the ratio that
there is (of counts: by how much), the reason, separated by tabs. VERDICTS gets a line each: PASS or FAIL, a name, a reason.
"""
import glob
import math
import os
import sys
from xml.sax.saxutils import escape

KIB, MIB = 1 << 10, 1 << 20
MACHINES = ("arm64-direct", "arm64-iommu", "arm64-noncoherent", "um-faults", "x86_64-direct", "x86_64-iommu", "x86_64-ttm")
LAYOUTS = ("4K", "64K", "2M", "contiguous")
LARGE = ("2M", "contiguous")
BLOCKS = {"4K": 4 * KIB, "64K": 64 * KIB, "2M": 2 * MIB}
# In the table: measure, what it counts.
MEASURES = {
    "metadata": "bytes", "import-metadata": "bytes", "ranges": "runs or entries", "ranges-dma": "DMA ranges",
    "blocks-2M": "blocks of 2 MiB", "flushes": "invalidations", "write-faults": "faults", "write": "instructions",
    "read-faults": "faults", "read": "instructions", "read-write-faults": "faults", "read-write": "instructions", "one-page-faults": "faults",
    "one-page": "instructions", "life": "instructions", "populate-new": "instructions", "populate": "instructions",
    "put": "instructions", "map": "instructions", "unmap": "instructions", "vmap+vunmap": "instructions",
    "look-up": "instructions", "look-up-dma": "instructions", "fill": "instructions", "fill-calls": "calls",
    "fill-2M": "blocks of 2 MiB", "share": "instructions", "share-old": "instructions",
    "sync": "instructions", "sync-wc": "instructions", "sync-ioctl": "instructions",
    "create+destroy": "instructions", "threads-create+destroy": "instructions",
    "peer-udmabuf-faults": "faults", "peer-udmabuf": "instructions", "peer-heap-faults": "faults",
    "peer-heap": "instructions", "peer-ttm-faults": "faults", "peer-ttm": "instructions",
}
# machine, measure, layouts, size, limit of converted / unpatched.
RATIOS = (
    ("direct", "write-faults", ("4K",), 64 * MIB, 1 / 256),
    ("direct", "write", ("4K",), 64 * MIB, 0.35),
    ("direct", "read-write-faults", ("4K",), 64 * MIB, 1 / 128),
    ("faults", "write-faults", ("4K",), 64 * MIB, 1 / 256),
    ("faults", "read-write-faults", ("4K",), 64 * MIB, 1 / 128),
    ("direct", "one-page-faults", LAYOUTS, 64 * MIB, 1),
    ("direct", "one-page", LAYOUTS, 64 * MIB, 1),
    ("direct", "metadata", LARGE, 64 * MIB, 1 / 100),
    ("direct", "metadata", ("4K",), 64 * MIB, 0.6),
    ("direct", "vmap+vunmap", LARGE, 128 * MIB, 0.2),
    ("direct", "vmap+vunmap", ("4K",), 128 * MIB, 0.8),
    ("direct", "share", LAYOUTS, 64 * MIB, 0.5),
    ("iommu", "share", LAYOUTS, 64 * MIB, 0.5),
    ("direct", "populate", LAYOUTS, 64 * MIB, 1.02),
    ("direct", "populate-new", LAYOUTS, 64 * MIB, 1.02),
    ("direct", "put", LAYOUTS, 64 * MIB, 1.02),
    ("direct", "map", LAYOUTS, 64 * MIB, 1.02),
    ("direct", "unmap", LAYOUTS, 64 * MIB, 1.02),
    ("iommu", "map", LAYOUTS, 64 * MIB, 1.02),
    ("iommu", "unmap", LAYOUTS, 64 * MIB, 1.02),
    ("direct", "look-up", LAYOUTS, 64 * MIB, 1.02),
    ("direct", "look-up-dma", LAYOUTS, 64 * MIB, 1.02),
    # Where in a block of 64K shmem starts is chance, and so is how many calls that takes.
    ("arm64-direct", "fill", ("4K", *LARGE), 64 * MIB, 1.02),
    ("arm64-direct", "fill-calls", ("4K", *LARGE), 64 * MIB, 1),
    ("arm64-iommu", "fill", LAYOUTS, 64 * MIB, 1.02),
    ("direct", "create+destroy", LAYOUTS, 64 * MIB, 1.02),
    ("direct", "threads-create+destroy", LAYOUTS, 64 * MIB, 1.02),
    ("direct", "peer-udmabuf", LAYOUTS, 64 * MIB, 1.02),
    ("ttm", "peer-ttm", LAYOUTS, 64 * MIB, 1.02),
)
# machine, measure, layouts, size, the least and the most that the converted kernel may count.
LIMITS = (
    ("direct", "write-faults", LARGE, 64 * MIB, 1, 32),
    ("iommu", "ranges-dma", LAYOUTS, 64 * MIB, 1, 1),
    ("iommu", "blocks-2M", LARGE, 64 * MIB, 32, 32),
    ("iommu", "flushes", LAYOUTS, 64 * MIB, 1, 1),
    ("arm64-direct", "fill-2M", LARGE, 64 * MIB, 32, 32),
)
# machine, measure, layouts: as much for 64 MiB as for 1 MiB, on the converted kernel.
CONSTANT = (
    ("direct", "sync-wc", ("4K", "64K")),
    ("direct", "sync", ("4K", "64K")),
    ("noncoherent", "sync-wc", ("4K", "64K")),
    ("direct", "import-metadata", ("4K",)),
    ("iommu", "import-metadata", ("4K",)),
)
# More is no loss in these.
NO_COST = ("ranges", "blocks-2M", "fill-2M")
PLOTTED = ("write-faults", "write", "read-write", "one-page", "life", "metadata", "populate-new", "populate", "put", "map",
           "unmap", "fill", "vmap+vunmap", "share", "share-old", "look-up", "look-up-dma", "create+destroy")
BY_SIZE = ("write", "vmap+vunmap", "share", "populate", "map", "metadata")
COLOURS = {"4K": "#b5482f", "64K": "#d99a2b", "2M": "#3f7fb5", "contiguous": "#3a8f5c"}


def read(path):
    """{(layout, size, measure): value}."""
    with open(path, encoding="ascii") as file:
        return {(layout, int(size), measure): int(value) for layout, size, measure, value in map(str.split, file)}


class Machine:
    """Both kernels' numbers of one machine, from the first boots, and what the second counted otherwise."""

    def __init__(self, path):
        self.name = os.path.basename(path)
        boots = {name: [read(f"{path}/{name}-{number}/counts") for number in (1, 2)]
                 for name in ("unpatched", "converted")}
        self.old, self.new = boots["unpatched"][0], boots["converted"][0]
        # QEMU's qxl has timers of the host's, so that only faults are the same.
        self.loose = self.name.endswith("-ttm")
        self.differ = {name: sorted(key for key in first.keys() | second.keys()
                                    if first.get(key) != second.get(key) and self.repeats(key[2]))
                       for name, (first, second) in boots.items()}
        self.count = sum(self.repeats(key[2]) for key in self.new)
        self.alone = sorted(self.old.keys() ^ self.new.keys())
        with open(f"{path}/tree", encoding="ascii") as file:
            self.tree = file.read()

    def repeats(self, measure):
        return not self.loose or measure.endswith("-faults")

    def keys(self):
        measures, layouts = list(MEASURES), list(LAYOUTS)
        known = [key for key in self.new if key in self.old and key[2] in MEASURES]
        return sorted(known, key=lambda key: (measures.index(key[2]), key[1], layouts.index(key[0])))

    def ratio(self, layout, size, measure):
        old, new = self.old.get((layout, size, measure)), self.new.get((layout, size, measure))
        return None if old is None or new is None else ratio(old, new)


def ratio(old, new):
    return new / old if old else 1.0 if not new else math.inf


def size_name(size):
    for unit, name in ((1 << 30, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return str(size)


def ratio_name(value):
    """A small one as a fraction."""
    return f"1/{1 / value:.0f}" if 0 < value < 0.02 else f"{value:.3f}"


#
# Table
#

def table(machine):
    """Lines of Markdown: a row for each measure and size, and for each layout unpatched, converted, ratio."""
    yield f"\n### {machine.name}\n"
    yield "| measure | size | " + " | ".join(LAYOUTS) + " |"
    yield "|---|---|" + "---|" * len(LAYOUTS)
    rows = dict.fromkeys((measure, size) for _, size, measure in machine.keys())
    for measure, size in rows:
        cells = []
        for layout in LAYOUTS:
            key = (layout, size, measure)
            found = machine.ratio(*key)
            cells.append("" if found is None else f"{machine.old[key]} → {machine.new[key]} ({ratio_name(found)})")
        yield f"| {measure}, {MEASURES[measure]} | {size_name(size)} | " + " | ".join(cells) + " |"


def code_table(path):
    """Bytes of code of what both kernels, or one of them, have."""
    sides = []
    for name in ("unpatched", "converted"):
        with open(f"{path}/{name}", encoding="ascii") as file:
            sides.append({line.split()[0]: int(line.split()[1]) for line in file})
    old, new = sides
    if path.endswith("/drivers-code"):
        # What Kconfig grants one of the trees alone is nothing to compare.
        old, new = ({name: side[name] for name in old.keys() & new.keys()} for side in sides)
    yield f"\n### {os.path.basename(path)}: bytes of code, where it differs\n"
    yield "| object | unpatched | converted | ratio |\n|---|---|---|---|"
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            sizes = old.get(name, 0), new.get(name, 0)
            yield f"| {name} | {sizes[0]} | {sizes[1]} | {ratio_name(ratio(*sizes))} |"
    total = sum(old.values()), sum(new.values())
    yield f"| all that is compiled here of them | {total[0]} | {total[1]} | {ratio_name(ratio(*total))} |"


#
# Verdicts
#

def on(machines, kind):
    return [machine for machine in machines if machine.name.endswith(kind)]


def bars(machines):
    """(name, good, number, words) of each bar. The number is a ratio, or by how much it is missed; None: not measured."""
    for kind, measure, layouts, size, limit in RATIOS:
        for machine in on(machines, kind):
            for layout in layouts:
                found = machine.ratio(layout, size, measure) if machine.old.get((layout, size, measure)) else None
                yield (f"{machine.name}/{measure}/{layout}", found is not None and found <= limit, found,
                       found is not None and f"{ratio_name(found)} of the unpatched kernel's, limit {ratio_name(limit)}")
    for kind, measure, layouts, size, least, most in LIMITS:
        for machine in on(machines, kind):
            for layout in layouts:
                found = machine.new.get((layout, size, measure))
                beyond = None if found is None else max(found - most, least - found)
                yield (f"{machine.name}/{measure}/{layout}-count", found is not None and beyond <= 0, beyond,
                       f"{found}, has to be {least} to {most}")
    for kind, measure, layouts in CONSTANT:
        for machine in on(machines, kind):
            for layout in layouts:
                small, large = (machine.new.get((layout, size, measure)) for size in (MIB, 64 * MIB))
                found = large / small if small and large else None
                yield (f"{machine.name}/{measure}/{layout}-constant", found is not None and found <= 1.1, found,
                       f"what 64 MiB and 1 MiB take are {large} and {small}")


def read_expected(path):
    """{name: (the most that it may be, reason)}."""
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file if line.strip() and not line.startswith("#")]
    return {name: (float(limit), reason) for name, limit, reason in lines}


def sound(machines):
    """(good, name, words): is what the bars are judged by what it has to be?"""
    missing = sorted(set(MACHINES) - {machine.name for machine in machines})
    yield (not missing, "machines", f"not measured: {' '.join(missing)}" if missing else f"{len(machines)}")
    trees = {machine.tree for machine in machines}
    yield (len(trees) == 1, "one-tree", f"numbers of {len(trees)} different trees")
    for machine in machines:
        yield (machine.new and not machine.alone, f"{machine.name}/same-measures",
               f"{len(machine.alone)} of {len(machine.new)} by one kernel alone: {machine.alone[:1]}")
        for (layout, size, measure), runs in machine.new.items():
            if measure == "ranges" and layout in BLOCKS and size >= 64 * MIB:
                runs = min(runs, machine.old.get((layout, size, measure), 0))
                yield (runs >= 0.98 * size / BLOCKS[layout], f"{machine.name}/scattered/{layout}-{size_name(size)}",
                       f"{runs} ranges of {size // BLOCKS[layout]} or more")


def worse(machines):
    """Lines of Markdown: where the converted kernel takes over 2 % more, bar or none, and how much at most."""
    yield "\n### Where it is worse by more than 2 %, with a bar or without\n"
    yield "| machine | measure | cells | most |\n|---|---|---|---|"
    for machine in machines:
        cells = {}
        for key in machine.keys():
            if key[2] not in NO_COST:
                cells.setdefault(key[2], []).append((machine.ratio(*key), key))
        for measure, found in cells.items():
            more = [cell for cell in found if cell[0] > 1.02]
            if more:
                top, key = max(more)
                yield (f"| {machine.name} | {measure} | {len(more)} of {len(found)} | {key[0]}, {size_name(key[1])}: "
                       f"{machine.old[key]} → {machine.new[key]} ({ratio_name(top)}) |")


def judge(machines, expected):
    """(PASS or FAIL, name, reason)."""
    for good, name, words in sound(machines):
        yield ("PASS" if good else "FAIL", name, words)
    for machine in machines:
        for name, differ in machine.differ.items():
            what = " ".join(map(str, differ[0])) if differ else ""
            yield ("PASS" if machine.count and not differ else "FAIL", f"{machine.name}/{name}-repeats",
                   f"{len(differ)} of {machine.count} numbers differ, first {what}" if differ else
                   f"{machine.count} numbers are the same in both boots")
    for name, good, found, words in bars(machines):
        if found is None:
            yield ("FAIL", name, "was not measured")
        elif name not in expected:
            yield ("PASS" if good else "FAIL", name, words)
        elif good:
            yield ("FAIL", name, f"{words}: is met, take it out of the list of those that are not")
        else:
            limit, reason = expected[name]
            yield ("PASS" if found <= limit else "FAIL", name, f"{words}; known to be up to {limit}: {reason}")


#
# Plots
#

class Svg:
    """Marks, and a page to put them on."""

    def __init__(self, width):
        self.width, self.height, self.parts = width, 0, []

    def text(self, x, y, text, size=12, anchor="start", colour="#222"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">'
                          f"{escape(text)}</text>")

    def line(self, x1, y1, x2, y2, colour="#ddd", more=""):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {more}/>')

    def dot(self, x, y, colour, radius=4.5):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>')

    def path(self, points, colour, more=""):
        where = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{where}" fill="none" stroke="{colour}" stroke-width="2" {more}/>')

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}"'
                       ' font-family="DejaVu Sans, sans-serif"><rect width="100%" height="100%" fill="#fff"/>'
                       + "\n".join(self.parts) + "</svg>\n")


def legend(svg, y, x=20):
    for layout, colour in COLOURS.items():
        svg.dot(x + 6, y - 4, colour)
        svg.text(x + 16, y, layout)
        x += 40 + 8 * len(layout)
    return x


def plot_ratios(machine, path):
    """Each measure's ratios at 64 MiB, on a scale of powers of two."""
    svg, left, wide, low, high = Svg(900), 190, 640, -12, 9

    def x(value):
        return left + (min(max(math.log2(value or 2 ** low), low), high) - low) / (high - low) * wide

    rows = [(measure, {layout: machine.ratio(layout, 64 * MIB, measure) for layout in LAYOUTS}) for measure in PLOTTED]
    rows = [(measure, found) for measure, found in rows if any(value is not None for value in found.values())]
    svg.text(20, 28, f"{machine.name}, 64 MiB: converted / unpatched (further left is less work)", 16)
    legend(svg, 52)
    bottom = 75 + 24 * len(rows)
    for power in range(low, high + 1):
        svg.line(x(2.0 ** power), 66, x(2.0 ** power), bottom, "#333" if power == 0 else "#e4e4e4")
        if power % 3 == 0:
            svg.text(x(2.0 ** power), bottom + 18, str(2 ** power) if power >= 0 else f"1/{2 ** -power}", 11, "middle")
    for number, (measure, found) in enumerate(rows):
        y = 84 + 24 * number
        svg.text(left - 12, y + 4, measure, 12, "end")
        for offset, (layout, value) in enumerate(found.items()):
            if value is not None:
                svg.dot(x(value), y - 6 + 4 * offset, COLOURS[layout], 4)
    svg.height = bottom + 34
    svg.write(path)


def panel(svg, machine, measure, where):
    """How a measure grows with the size: unpatched dashed, converted drawn through."""
    left, top, wide, tall = where
    series = {}
    for (layout, size, name), value in machine.new.items():
        if name == measure and (layout, size, name) in machine.old:
            series.setdefault(layout, []).append((size, machine.old[layout, size, name], value))
    points = [point for some in series.values() for point in some]
    sizes = [math.log2(size) for size, _, _ in points]
    values = [math.log2(max(value, 1)) for _, old, new in points for value in (old, new)]
    low, high, first, last = math.floor(min(values)), math.ceil(max(values)), min(sizes), max(sizes)

    def at(size, value):
        return (left + (math.log2(size) - first) / max(last - first, 1) * wide,
                top + tall - (math.log2(max(value, 1)) - low) / max(high - low, 1) * tall)

    svg.text(left, top - 8, f"{measure}, {MEASURES[measure]}", 13)
    for power in range(low, high + 1, max(1, (high - low) // 6)):
        y = at(2 ** first, 2.0 ** power)[1]
        svg.line(left, y, left + wide, y)
        svg.text(left - 6, y + 4, f"{2 ** power:,}" if power < 20 else f"2^{power}", 10, "end")
    taken = -math.inf
    for size in sorted({size for size, _, _ in points}):
        x = at(size, 1)[0]
        if x >= taken:
            svg.text(x, top + tall + 16, size_name(size), 10, "middle")
            taken = x + 45
    for layout, some in series.items():
        some.sort()
        svg.path([at(size, old) for size, old, _ in some], COLOURS[layout], 'stroke-dasharray="5 4"')
        svg.path([at(size, new) for size, _, new in some], COLOURS[layout])
        for size, _, new in some:
            svg.dot(*at(size, new), COLOURS[layout], 3)


def plot_sizes(machine, path):
    svg = Svg(1060)
    measures = [measure for measure in BY_SIZE if any(key[2] == measure for key in machine.keys())]
    svg.text(20, 28, f"{machine.name}: by size (both scales logarithmic)", 16)
    svg.text(legend(svg, 52) + 10, 52, "unpatched dashed, converted drawn through")
    for number, measure in enumerate(measures):
        panel(svg, machine, measure, (80 + number % 2 * 520, 100 + number // 2 * 290, 420, 210))
    svg.height = 100 + (len(measures) + 1) // 2 * 290
    svg.write(path)


def main(argv):
    if len(argv) != 5:
        sys.exit(__doc__)
    machines = [Machine(os.path.dirname(path)) for path in sorted(glob.glob(f"{argv[1]}/*/tree"))]
    print("\n".join(worse(machines)))
    for machine in machines:
        print("\n".join(table(machine)))
        if machine.name.split("-")[-1] not in ("direct", "iommu"):
            continue
        plot_ratios(machine, f"{argv[2]}-{machine.name}-ratios.svg")
        plot_sizes(machine, f"{argv[2]}-{machine.name}-sizes.svg")
    for path in sorted(glob.glob(f"{argv[1]}/*-code")):
        print("\n".join(code_table(path)))
    with open(argv[4], "w", encoding="utf-8") as file:
        for verdict in judge(machines, read_expected(argv[3])):
            file.write("\t".join(verdict) + "\n")


if __name__ == "__main__":
    main(sys.argv)
