#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""igt_flags.py BUILD: where the tests of IGT, built by meson in BUILD, find their headers, as a response file for gcc.

What those headers hold is not ours to be warned of: every -I becomes -isystem, in the same order.
"""
import json
import os
import re
import shlex
import sys

PATH = re.compile(r"-(I|isystem|iquote|idirafter)(.*)")


def flags(build, words):
    words = iter(words)
    for word in words:
        path = PATH.fullmatch(word)
        if path:
            yield "-isystem"
            yield os.path.normpath(os.path.join(build, path[2] or next(words)))
        elif word == "-include":
            yield word
            yield next(words)
        elif word.startswith("-D"):
            yield word if word != "-D" else word + next(words)


def main():
    build = os.path.abspath(sys.argv[1])
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    ours = [c for c in commands if re.search(r"(^|/)tests/[^/]+\.c$", c["file"])]
    if not ours:
        sys.exit("igt_flags: no test is compiled in " + build)
    for flag in flags(build, shlex.split(ours[0]["command"])):
        print('"' + re.sub(r'(["\\])', r"\\\1", flag) + '"')


if __name__ == "__main__":
    main()
