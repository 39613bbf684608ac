#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Pictures of the demo's raw frames (PREFIX.raw, XRGB8888; PREFIX.facts says the size).

picture.py side-by-side PNG LABEL PREFIX LABEL PREFIX...   one PNG, a labelled frame each
picture.py colours PREFIX                                  how many colours a frame has
"""
import struct
import sys
import zlib

MARGIN = 16
SCALE = 2
BACKGROUND = bytes((24, 26, 32))
INK = bytes((232, 232, 224))

# Five columns a letter, bit 0 on top.
FONT = {
    "A": "7e1111117e", "B": "7f49494936", "C": "3e41414122", "D": "7f4141413e", "E": "7f49494941",
    "F": "7f09090901", "G": "3e4149497a", "H": "7f0808087f", "I": "00417f4100", "J": "2040413f01",
    "K": "7f08142241", "L": "7f40404040", "M": "7f020c027f", "N": "7f0408107f", "O": "3e4141413e",
    "P": "7f09090906", "Q": "3e4151215e", "R": "7f09192946", "S": "2649494932", "T": "01017f0101",
    "U": "3f4040403f", "V": "1f2040201f", "W": "3f4038403f", "X": "6314081463", "Y": "0304780403",
    "Z": "6151494543", "0": "3e5149453e", "1": "00427f4000", "2": "4261514946", "3": "2241494936",
    "4": "1814127f10", "5": "2745454539", "6": "3c4a494930", "7": "0171090503", "8": "3649494936",
    "9": "064949291e", " ": "0000000000", ".": "0060600000", ",": "0050300000", "-": "0808080808",
    ">": "0041221408", ":": "0036360000", "/": "2010080402",
}


def facts(prefix):
    with open(prefix + ".facts", encoding="ascii") as file:
        return dict(line.rstrip("\n").split("=", 1) for line in file)


def rows(prefix):
    """The frame's rows as RGB bytes."""
    known = facts(prefix)
    width, height = int(known["width"]), int(known["height"])
    with open(prefix + ".raw", "rb") as file:
        raw = file.read()
    if len(raw) != width * height * 4:
        sys.exit(f"picture: {prefix}.raw has {len(raw)} bytes, not {width}x{height}x4")
    result = []
    for y in range(height):
        line = raw[y * width * 4:(y + 1) * width * 4]
        rgb = bytearray(width * 3)
        rgb[0::3], rgb[1::3], rgb[2::3] = line[2::4], line[1::4], line[0::4]
        result.append(bytes(rgb))
    return result


def label_rows(text, width):
    """The text, SCALE times enlarged, on a strip of this width."""
    columns = [column for letter in text.upper() for column in bytes.fromhex(FONT[letter]) + b"\0"]
    result = []
    for bit in range(8):
        line = b"".join((INK if column >> bit & 1 else BACKGROUND) * SCALE for column in columns)
        line = line[:width * 3]
        result += [line + BACKGROUND * (width - len(line) // 3)] * SCALE
    return result


def panel(label, prefix):
    picture = rows(prefix)
    width = len(picture[0]) // 3
    return label_rows(label, width) + [BACKGROUND * width] * (MARGIN // 2) + picture


def side_by_side(panels):
    height = max(len(panel_rows) for panel_rows in panels)
    gap = BACKGROUND * MARGIN
    lines = []
    for y in range(height):
        parts = [p[y] if y < len(p) else BACKGROUND * (len(p[0]) // 3) for p in panels]
        lines.append(gap + gap.join(parts) + gap)
    border = [BACKGROUND * (len(lines[0]) // 3)] * MARGIN
    return border + lines + border


def png(path, lines):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", len(lines[0]) // 3, len(lines), 8, 2, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + line for line in lines), 6)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def main(argv):
    if len(argv) >= 5 and argv[1] == "side-by-side" and len(argv) % 2 == 1:
        png(argv[2], side_by_side([panel(*pair) for pair in zip(argv[3::2], argv[4::2])]))
    elif len(argv) == 3 and argv[1] == "colours":
        print(len({line[x:x + 3] for line in rows(argv[2]) for x in range(0, len(line), 3)}))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv)
