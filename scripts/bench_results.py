#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What scripts/bench.sh measured: a table, a picture, and a verdict for each bar.

bench_results.py DIR SVG EXPECTED VERDICTS

EXPECTED: see bench_paths.py. DIR/fill/fill is from bench/pgtable_fill.c, DIR/open/{unpatched,converted}-N/open from
bench/panfrost_open.c, N counting pairs of boots. VERDICTS gets a line each: PASS or FAIL, a name,
a reason. A ratio is that of two runs (or boots) that follow each other, list to sg_table (or
converted to unpatched); of ratios, medians and quartiles are shown.
"""
import glob
import statistics
import sys
from xml.sax.saxutils import escape

from bench_paths import read_expected

# Noise of a run on a busy machine is more than this, that of the median less.
LIMIT = 1.05
BARS = ("4K", "64K", "2M", "shmem")
LAYOUTS = {
    "4K": "4K pages, scattered", "64K": "64K pages, scattered", "2M": "2M pages, scattered",
    "blocks": "largest blocks", "shmem": "shmem",
}
TIMED = ("fill", "walk", "build", "teardown")
SINGLE = ("make", "map", "free")
# What a list of single pages may cost of a table's making and freeing, which nobody does in a loop.
SINGLE_LIMIT = 1.2
PAGES = 64 << 20 >> 12


def read(path, words):
    """{first words: [numbers]} of a file of lines."""
    series = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            fields = line.split()
            series[tuple(fields[:words])] = [int(number) for number in fields[words:]]
    return series


class Ratios:
    """The ratios of pairs, and each side's own median."""

    def __init__(self, old, new):
        ratios = [b / max(a, 1) for a, b in zip(old, new)]
        self.count = len(ratios)
        self.first, self.median, self.third = statistics.quantiles(ratios, n=4, method="inclusive")
        tenths = statistics.quantiles(ratios, n=10, method="inclusive")
        self.low, self.high = tenths[0], tenths[-1]
        self.old, self.new = statistics.median(old), statistics.median(new)

    def text(self):
        return f"{self.median:6.3f}  {self.first:6.3f} .. {self.third:6.3f}"


def fill_ratios(fill):
    return {(layout, measure): Ratios(fill[layout, measure, "sg"], fill[layout, measure, "list"])
            for layout in LAYOUTS for measure in TIMED}


def single_ratios(fill):
    return {measure: Ratios(fill["single", measure, "sg"], fill["single", measure, "list"])
            for measure in SINGLE}


def print_measures(title, old, new, ratios):
    print(f"\n{title}")
    print(f"  {'':21}{'':10}{old:>11}{new:>11}   {'ratio':>6}  quartiles")
    for measure, ratio in ratios.items():
        print(f"  {'':21}{measure:10}{ratio.old:11.0f}{ratio.new:11.0f}   {ratio.text()}")


def print_singles(ratios):
    print_measures(f"65536 single pages, ticks of one go, {ratios['make'].count} alternating runs in the same boot",
                   "sg_table", "list", ratios)


def judge_singles(ratios, expected):
    for measure in ("make", "free"):
        found = f"list / sg_table {ratios[measure].median:.3f}"
        limit, reason = expected.get(f"single-{measure}", (SINGLE_LIMIT, ""))
        if reason and ratios[measure].median > SINGLE_LIMIT:
            found += f", limit {SINGLE_LIMIT}; known to be up to {limit}: {reason}"
        yield (ratios[measure].median <= limit, f"single-{measure}", found)


def read_opens(directory):
    """Pairs of boots: [(unpatched, converted)]."""
    paths = sorted(glob.glob(f"{directory}/unpatched-*/open"))
    return [(read(path, 1), read(path.replace("/unpatched-", "/converted-"), 1)) for path in paths]


def open_ratios(opens, measure):
    old, new = ([statistics.median(boot[measure,]) for boot in boots] for boots in zip(*opens))
    return Ratios(old, new)


def print_fill(fill, ratios):
    runs = ratios["4K", "fill"].count
    print(f"64 MiB object into a Mali page table, ticks of one go, {runs} alternating runs in one boot")
    print(f"  {'':21}{'':10}{'sg_table':>11}{'list':>11}   {'ratio':>6}  quartiles")
    for (layout, measure), ratio in ratios.items():
        repeat = fill[layout, "repeat", "sg"][0] if measure in ("fill", "walk") else 1
        print(f"  {LAYOUTS[layout] if measure == 'fill' else '':21}{measure:10}{ratio.old / repeat:11.0f}"
              f"{ratio.new / repeat:11.0f}   {ratio.text()}")
    print(f"\n  {'':21}{'map_pages calls':>19}{'4K PTEs':>16}{'2M PTEs':>12}{'metadata, bytes':>20}")
    for layout, name in LAYOUTS.items():
        cells = ["{} / {}".format(*(fill[layout, what, form][0] for form in ("sg", "list")))
                 for what in ("calls", "ptes-4K", "ptes-2M", "metadata")]
        print(f"  {name:21}{cells[0]:>19}{cells[1]:>16}{cells[2]:>12}{cells[3]:>20}")


def print_opens(opens, ratios):
    print_measures(f"import of a 64 MiB object into another file of panfrost, {len(opens)} alternating pairs of boots",
                   "unpatched", "converted", ratios)
    for what in ("ptes-4K", "ptes-2M", "stretches"):
        cells = [" ".join(str(boot[what,][0]) for boot in boots) for boots in zip(*opens)]
        print(f"  {what:10}{cells[0]}  /  {cells[1]}")


def judge_fill(fill, ratios):
    """(good, name, reason) of each bar."""
    for layout in BARS:
        ratio = ratios[layout, "fill"]
        yield (ratio.median <= LIMIT, f"fill-{layout}", f"list / sg_table {ratio.median:.3f}")
    for layout in LAYOUTS:
        old, new = ({what: fill[layout, what, form][0] for what in ("calls", "ptes-2M", "metadata")}
                    for form in ("sg", "list"))
        yield (new["calls"] <= old["calls"], f"calls-{layout}",
               f"map_pages is called {old['calls']} and {new['calls']} times")
        yield (new["ptes-2M"] >= old["ptes-2M"], f"blocks-{layout}",
               f"{old['ptes-2M']} and {new['ptes-2M']} PTEs of 2M")
        yield (new["metadata"] <= old["metadata"], f"metadata-{layout}",
               f"{old['metadata']} and {new['metadata']} bytes")


def judge_opens(opens, ratio):
    """Boots differ by more than the drivers do: slower is what is so in three of four pairs."""
    yield (ratio.first <= LIMIT, "open", f"converted / unpatched {ratio.median:.3f},"
           f" quartiles {ratio.first:.3f} and {ratio.third:.3f}")
    mapped = [boot["ptes-4K",][0] + 512 * boot["ptes-2M",][0] for pair in opens for boot in pair]
    yield (set(mapped) == {PAGES}, "open-mapped", f"pages mapped: {sorted(set(mapped))}")


class Picture:
    """Boxes from the first to the third quartile of ratios, whiskers from the first to the last tenth."""

    LEFT, WIDTH, ROW, SPAN = 260, 560, 24, 0.25

    def __init__(self):
        self.parts, self.y = [], 20

    def x(self, ratio):
        ratio = min(max(ratio, 1 - self.SPAN), 1 + self.SPAN)
        return self.LEFT + (ratio - 1 + self.SPAN) / (2 * self.SPAN) * self.WIDTH

    def text(self, x, text, size=13, anchor="start"):
        self.parts.append(f'<text x="{x:.1f}" y="{self.y}" font-size="{size}" text-anchor="{anchor}">'
                          f"{escape(text)}</text>")

    def line(self, x1, x2, y1, y2, colour="#555"):
        self.parts.append(f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}" stroke="{colour}"/>')

    def title(self, text):
        self.y += self.ROW
        self.text(20, text, 15)
        self.y += 6

    def box(self, label, ratio, remark):
        self.y += self.ROW
        middle, first, third = self.y - 5, self.x(ratio.first), self.x(ratio.third)
        self.text(self.LEFT - 15, label, anchor="end")
        self.line(self.x(ratio.low), self.x(ratio.high), middle, middle)
        self.parts.append(f'<rect x="{first:.1f}" width="{max(third - first, 1):.1f}" y="{middle - 7}" height="14"'
                          ' fill="#8ab4d8" stroke="#345"/>')
        self.line(self.x(ratio.median), self.x(ratio.median), middle - 9, middle + 9, "#000")
        self.text(self.LEFT + self.WIDTH + 15, f"{ratio.median:.3f}")
        self.text(self.LEFT + self.WIDTH + 65, remark)

    def axis(self, top):
        for percent in range(-25, 26, 5):
            x = self.x(1 + percent / 100)
            self.line(x, x, top, self.y + 8, "#333" if percent == 0 else "#ddd")
            self.parts.append(f'<text x="{x:.1f}" y="{self.y + 22}" font-size="11" text-anchor="middle">'
                              f"{1 + percent / 100:.2f}</text>")
        self.y += 30

    def panel(self, title, rows):
        self.title(title)
        start, top = len(self.parts), self.y
        for row in rows:
            self.box(*row)
        boxes, self.parts = self.parts[start:], self.parts[:start]
        self.axis(top)
        self.parts += boxes

    def svg(self):
        width = self.LEFT + self.WIDTH + 330
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{self.y + 20}"'
                f' font-family="sans-serif"><rect width="100%" height="100%" fill="#fff"/>'
                + "\n".join(self.parts) + "</svg>\n")


def remark(fill, layout):
    old, new = ([fill[layout, what, form][0] for what in ("calls", "metadata")] for form in ("sg", "list"))
    return f"{old[0]} / {new[0]} calls, {old[1] / 1024:.1f} / {new[1] / 1024:.1f} KiB"


def draw(path, fill, of_fill, of_opens):
    picture = Picture()
    picture.panel("PTE fill of a 64 MiB object: list / sg_table (less is better)",
                  [(name, of_fill[layout, "fill"], remark(fill, layout)) for layout, name in LAYOUTS.items()])
    picture.panel("panfrost, import of a 64 MiB object: converted / unpatched",
                  [("open (fills the page table)", of_opens["open"], ""),
                   ("close (empties it)", of_opens["close"], "")])
    with open(path, "w", encoding="ascii") as file:
        file.write(picture.svg())


def main(argv):
    if len(argv) != 5:
        sys.exit(__doc__)
    fill = read(f"{argv[1]}/fill/fill", 3)
    opens = read_opens(f"{argv[1]}/open")
    of_fill = fill_ratios(fill)
    of_opens = {measure: open_ratios(opens, measure) for measure in ("open", "close")}
    of_single = single_ratios(fill)
    print_fill(fill, of_fill)
    print_singles(of_single)
    print_opens(opens, of_opens)
    draw(argv[2], fill, of_fill, of_opens)
    with open(argv[4], "w", encoding="ascii") as file:
        for good, name, reason in (*judge_fill(fill, of_fill), *judge_singles(of_single, read_expected(argv[3])),
                                   *judge_opens(opens, of_opens["open"])):
            file.write(f"{'PASS' if good else 'FAIL'}\t{name}\t{reason}\n")


if __name__ == "__main__":
    main(sys.argv)
