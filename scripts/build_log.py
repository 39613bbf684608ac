#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a kbuild log says, by object.

  build_log.py objects LOG        the objects that a (dry) run compiles
  build_log.py noisy LOG          the objects whose compilation warned or failed
  build_log.py new LOG BASE_LOG   warnings and errors that the second log does not have as often

The logs come from "make -O": what one object's compilation prints follows its CC line. Line
numbers are left out of the comparison, code moves.
"""
import collections
import re
import sys

OBJECT = re.compile(r"^(?:.*echo ')?  (?:CC|CHECK|AS)(?: \[M\])? +([\w./+-]+\.[oc])\b")
WORD = re.compile(r"\b(warning|error|Warning|Error)\b")


def read(name):
    with open(name, encoding="utf-8", errors="backslashreplace") as file:
        return file.read().splitlines()


def objects(lines):
    return [match.group(1) for match in map(OBJECT.match, lines) if match]


def plain(line):
    """A message without what differs between trees, or None if the line is none."""
    if not WORD.search(line) or line.startswith(("make[", "cc1:")):
        return None
    line = line.replace("../linux/", "")
    return re.sub(r":\d+(:\d+)?:?( |$)", ": ", line).strip()


def messages(lines):
    """Yield (object, message, line)."""
    current = "?"
    for line in lines:
        match = OBJECT.match(line)
        if match:
            current = re.sub(r"\.c$", ".o", match.group(1))
        elif plain(line):
            yield current, plain(line), line


def new(log, base_log):
    """The messages that show more often than in the base, with one full line each."""
    before = collections.Counter((where, text) for where, text, _ in messages(base_log))
    for where, text, line in messages(log):
        if before[where, text] > 0:
            before[where, text] -= 1
        else:
            yield line


def main():
    verb, name, *rest = sys.argv[1:]
    lines = read(name)
    if verb == "objects":
        found = objects(lines)
    elif verb == "noisy":
        found = sorted({where for where, _, _ in messages(lines)})
    elif verb == "new":
        found = dict.fromkeys(new(lines, read(rest[0])))
    else:
        sys.exit(__doc__)
    for line in found:
        print(line)


if __name__ == "__main__":
    main()
