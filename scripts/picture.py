#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Pictures: a FILE.png, a FILE.xwd (what Xvfb shows), or else the PREFIX of a raw frame (PREFIX.raw,
XRGB8888; PREFIX.facts says the size).

picture.py side-by-side PNG LABEL PICTURE LABEL PICTURE...  one PNG, a labelled picture each
picture.py colours PICTURE                                  how many colours it has
picture.py png PICTURE PNG                                  the same as a PNG
picture.py same PICTURE PICTURE                             says where they differ, if they do
picture.py rectangles PICTURE X,Y,WIDTH,HEIGHT=RRGGBB...    says which rectangle is not of its colour
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


def rows(picture):
    """The picture's rows as RGB bytes."""
    if picture.endswith(".png"):
        return png_rows(picture)
    if picture.endswith(".xwd"):
        return xwd_rows(picture)
    return raw_rows(picture)


def bgrx(raw, width, height, pitch):
    result = []
    for y in range(height):
        line = raw[y * pitch:y * pitch + width * 4]
        rgb = bytearray(width * 3)
        rgb[0::3], rgb[1::3], rgb[2::3] = line[2::4], line[1::4], line[0::4]
        result.append(bytes(rgb))
    return result


def raw_rows(prefix):
    known = facts(prefix)
    width, height = int(known["width"]), int(known["height"])
    with open(prefix + ".raw", "rb") as file:
        raw = file.read()
    if len(raw) != width * height * 4:
        sys.exit(f"picture: {prefix}.raw has {len(raw)} bytes, not {width}x{height}x4")
    return bgrx(raw, width, height, width * 4)


def xwd_rows(path):
    """X's window dump: a header of big-endian words, a colour map, pixels."""
    with open(path, "rb") as file:
        data = file.read()
    header, width, height, pitch, colours = (struct.unpack_from(">I", data, 4 * at)[0] for at in (0, 4, 5, 12, 19))
    if struct.unpack_from(">I", data, 4 * 11)[0] != 32:
        sys.exit(f"picture: {path} has no 32 bits a pixel")
    return bgrx(data[header + 12 * colours:], width, height, pitch)


def png_chunks(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        sys.exit(f"picture: {path} is no PNG")
    at = 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8:at + 8 + length]
        at += length + 12


def paeth(left, up, corner):
    guess = left + up - corner
    return min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]


def unfiltered(kind, line, above, step):
    """One row of a PNG without its filter."""
    line = bytearray(line)
    if kind == 2:
        return bytearray((a + b) & 255 for a, b in zip(line, above))
    if kind == 0:
        return line
    for x, value in enumerate(line):
        left, corner = (line[x - step], above[x - step]) if x >= step else (0, 0)
        line[x] = value + (left if kind == 1 else (left + above[x]) // 2 if kind == 3
                           else paeth(left, above[x], corner)) & 255
    return line


def png_rows(path):
    """Eight bits a channel, RGB or RGBA, not interlaced: what cairo and we write."""
    data = b""
    for kind, chunk in png_chunks(path):
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunk)
        elif kind == b"IDAT":
            data += chunk
    if depth != 8 or colour not in (2, 6) or interlaced:
        sys.exit(f"picture: {path} is a PNG of another kind")
    step = 3 if colour == 2 else 4
    data, above, result = zlib.decompress(data), bytes(width * step), []
    for y in range(height):
        start = y * (width * step + 1)
        above = unfiltered(data[start], data[start + 1:start + 1 + width * step], above, step)
        rgb = bytearray(width * 3)
        for channel in range(3):
            rgb[channel::3] = above[channel::step]
        result.append(bytes(rgb))
    return result


def same(one, other):
    """Where they differ, or None."""
    one, other = rows(one), rows(other)
    sizes = [f"{len(picture[0]) // 3}x{len(picture)}" for picture in (one, other)]
    if sizes[0] != sizes[1]:
        return f"one is {sizes[0]}, the other {sizes[1]}"
    for y, (a, b) in enumerate(zip(one, other)):
        if a != b:
            x = next(i for i in range(0, len(a), 3) if a[i:i + 3] != b[i:i + 3])
            return f"pixel {x // 3},{y} is {a[x:x + 3].hex()} in one, {b[x:x + 3].hex()} in the other"
    return None


def rectangles(picture, wanted):
    """Which rectangle is not of its colour, or None."""
    lines = rows(picture)
    for rectangle in wanted:
        place, colour = rectangle.split("=")
        left, top, width, height = map(int, place.split(","))
        for y in range(top, top + height):
            line = lines[y][left * 3:(left + width) * 3]
            if line != bytes.fromhex(colour) * width:
                x = next(i for i in range(0, len(line) or 3, 3) if line[i:i + 3].hex() != colour.lower())
                return f"pixel {left + x // 3},{y} is {line[x:x + 3].hex() or 'outside'}, not {colour.lower()}"
    return None


def label_rows(text, width):
    """The text, SCALE times enlarged, on a strip of this width."""
    columns = [column for letter in text.upper() for column in bytes.fromhex(FONT[letter]) + b"\0"]
    result = []
    for bit in range(8):
        line = b"".join((INK if column >> bit & 1 else BACKGROUND) * SCALE for column in columns)
        line = line[:width * 3]
        result += [line + BACKGROUND * (width - len(line) // 3)] * SCALE
    return result


def panel(label, picture):
    picture = rows(picture)
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
    elif len(argv) == 4 and argv[1] == "png":
        png(argv[3], rows(argv[2]))
    elif len(argv) == 4 and argv[1] == "same":
        sys.exit(same(argv[2], argv[3]))
    elif len(argv) > 3 and argv[1] == "rectangles":
        sys.exit(rectangles(argv[2], argv[3:]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv)
