#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""csf-firmware.py FILE: the firmware image of the CSF model. There is no code in it: the model's
MCU looks for the magic number and for the version of the interface that it is to speak."""
import struct
import sys

HEADER = struct.Struct("<IBBHIII")
SECTION = struct.Struct("<IIIIII")
IMAGE = struct.pack("<II", 0x4D465343, 1 << 24 | 1 << 16)
READ, WRITE, EXEC, CACHED, SHARED, ZERO = 1, 2, 4, 1 << 3, 1 << 30, 1 << 31


def section(flags, start, end, data=(0, 0)):
    """One entry of type 0 and its size, without a name."""
    return SECTION.pack(SECTION.size << 8, flags, start, end, *data)


def main():
    size = HEADER.size + 2 * SECTION.size
    entries = section(READ | EXEC | CACHED, 0, 0x1000, (size, size + len(IMAGE)))
    entries += section(READ | WRITE | SHARED | ZERO, 0x04000000, 0x04010000)
    with open(sys.argv[1], "wb") as file:
        file.write(HEADER.pack(0xC3F13A6E, 0, 0, 0, 0, 0, size) + entries + IMAGE)


main()
