#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""doc_example.py DOCUMENT TEST: is the first code-block of DOCUMENT what TEST compiles between its
example markers? Prints the difference."""
import difflib
import re
import sys


def code_block(text):
    """The first code-block, without its indentation."""
    block = re.search(r"\.\. code-block:: c\n\n((?:\t.*\n|\n)+)", text)
    return [line.removeprefix("\t") for line in block.group(1).rstrip().splitlines()] if block else []


def marked(text):
    """What stands between the markers."""
    block = re.search(r"/\* --- example --- \*/\n(.*?)\n*/\* --- end of example --- \*/", text, re.S)
    return block.group(1).splitlines() if block else []


def main():
    source, test = (open(name, encoding="utf-8").read() for name in sys.argv[1:3])
    want, have = code_block(source), marked(test)
    if not want or not have:
        print("no example in", sys.argv[1] if not want else sys.argv[2])
    for line in difflib.unified_diff(want, have, *sys.argv[1:3], lineterm=""):
        print(line)


main()
