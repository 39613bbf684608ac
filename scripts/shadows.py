#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""shadows.py LINUX NEW: for each commit of LINUX after its tag base a shadow, one that lacks the files that the
series adds and whose message names those of the commit (New-file trailers); prints the last one.

NEW gets a line for each of these files: the commit that adds it, the path. A later commit that changes such a
file is refused: one home per file.
"""
import re
import subprocess
import sys

LINUX, NEW = sys.argv[1:]
REF, BASE = b"refs/shadows", "refs/tags/base"
COMMIT = re.compile(rb"commit \S+\nmark (?P<mark>:\d+)\noriginal-oid (?P<id>\w+)\n(?P<author>author .*\n)committer .*\n"
                    rb"(?:encoding .*\n)?data (?P<size>\d+)\n")


def git(*words, stdin=None):
    done = subprocess.run(["git", "-C", LINUX, *words], input=stdin, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"git {words[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def with_trailers(message, paths):
    trailers = [word for path in paths for word in ("--trailer", b"New-file: " + path)]
    return git("interpret-trailers", "--if-exists", "add", "--no-divider", *trailers, stdin=message)


def commits(stream):
    """(match of the head, message, [line of a change]) of each."""
    at = 0
    while found := COMMIT.search(stream, at):
        end = found.end() + int(found["size"])
        after = stream.find(b"\n\n", end - 1)
        after = len(stream) if after < 0 else after
        yield found, stream[found.end():end], [line for line in stream[end:after].split(b"\n") if line[:2] in (b"M ", b"D ")]
        at = after


def path_of(line):
    path = line.split(b" ", 3)[3] if line.startswith(b"M ") else line[2:]
    if path.startswith(b'"'):
        sys.exit(f"{path.decode()}: patches/ takes no path that git quotes")
    return path


def main():
    old = set(git("ls-tree", "-r", "-z", "--name-only", BASE).split(b"\0"))
    new, last = {}, git("rev-parse", BASE).strip()
    stream = [b"reset ", REF, b"\nfrom ", last, b"\n\n"]
    exported = git("fast-export", "--no-data", "--show-original-ids", "--reencode=yes",
                   "--reference-excluded-parents", f"{BASE}..HEAD")
    for head, message, changes in commits(exported):
        added = []
        for path in map(path_of, changes):
            if path in new:
                sys.exit(f"{head['id'][:9].decode()} changes {path.decode()}, which {new[path][:9].decode()} adds: "
                         "one home per file, squash the change into it")
            if path not in old:
                added.append(path)
        new |= {path: head["id"] for path in added}
        message = with_trailers(message, added)
        stream += [b"commit ", REF, b"\nmark ", head["mark"], b"\n", head["author"],
                   b"committer refresh <refresh> 1767225600 +0000\ndata %d\n" % len(message), message,
                   b"from ", last, b"\n", *(line + b"\n" for line in changes if path_of(line) not in new), b"\n"]
        last = head["mark"]
    git("fast-import", "--quiet", "--force", stdin=b"".join(stream))
    with open(NEW, "wb") as file:
        file.writelines(b"%s %s\n" % (commit, path) for path, commit in new.items())
    print(git("rev-parse", REF.decode()).decode().strip())
    git("update-ref", "-d", REF.decode())


main()
