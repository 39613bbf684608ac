#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""commits.py LINUX TOP: one commit for each patch that stdin names, on top of LINUX's tag base; prints the last one.

What git am does (git mailinfo, git apply: no fuzz, no three-way), and the new files that a patch names are
TOP's. The index has just what the patches edit, and git fast-import makes the trees: all the other files of
the kernel cost no time.
"""
import os
import re
import subprocess
import sys
import tempfile

LINUX, TOP = sys.argv[1:]
TMP = tempfile.TemporaryDirectory(prefix="commits.")
ENV = dict(os.environ, GIT_INDEX_FILE=f"{TMP.name}/index")
REF, BASE = "refs/commits", "refs/tags/base"


def git(*words, stdin=b"", check=True):
    """What it prints, None if it failed and check is off."""
    done = subprocess.run(["git", "-C", LINUX, *words], input=stdin, env=ENV, capture_output=True, check=False)
    if done.returncode == 0:
        return done.stdout
    if check:
        raise ValueError(done.stderr.decode(errors="replace").strip().partition("\n")[0])
    return None


class Patch:
    """A mail: who, what, the diff and the paths it is about."""

    def __init__(self, path):
        self.name = os.path.basename(path)
        msg, diff = f"{TMP.name}/msg", f"{TMP.name}/diff"
        with open(path, "rb") as file:
            info = git("mailinfo", "-b", msg, diff, stdin=file.read())
        self.fields = dict(line.split(b": ", 1) for line in info.splitlines() if b": " in line)
        if {b"Author", b"Email", b"Date", b"Subject"} - self.fields.keys():
            raise ValueError("is no mail with a sender, a date and a subject")
        with open(msg, "rb") as body, open(diff, "rb") as changes:
            lines, self.diff = body.read().split(b"\n"), changes.read()
        self.new = [line[9:].strip().decode() for line in lines if line.startswith(b"New-file:")]
        body = b"\n".join(line.rstrip() for line in lines if not line.startswith(b"New-file:"))
        self.message = self.fields[b"Subject"] + b"\n\n" + re.sub(rb"\n{3,}", b"\n\n", body).strip(b"\n")
        self.edited = [path.decode() for path in re.findall(rb"^diff --git a/(.*) b/\1$", self.diff, re.M)]
        if len(self.edited) != len(re.findall(rb"^diff --git ", self.diff, re.M)):
            raise ValueError("has a diff that renames, quotes its path or lacks a/ and b/")

    def apply(self):
        """To the index."""
        if self.edited:
            git("apply", "--cached", "--whitespace=nowarn", stdin=self.diff)
        for path in self.new:
            if git("ls-files", "--", path) or git("cat-file", "-e", f"{BASE}:{path}", check=False) is not None:
                raise ValueError(f"New-file: {path} is already in the tree")
            mode = "100755" if os.access(f"{TOP}/{path}", os.X_OK) else "100644"
            blob = git("hash-object", "-w", "--no-filters", os.path.abspath(f"{TOP}/{path}")).decode().strip()
            git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}")

    def commit(self):
        """For git fast-import. What the index lacks is gone."""
        who = b"%s <%s> %s\n" % (self.fields[b"Author"], self.fields[b"Email"], self.fields[b"Date"])
        message = self.message.strip(b"\n") + b"\n"
        paths = self.edited + self.new
        there = re.sub(rb"(?m)^(\d+) ([0-9a-f]+) 0\t", rb"M \1 \2 ", git("ls-files", "-s", "--", *paths) if paths else b"")
        return (b"commit %s\nauthor %scommitter %sdata %d\n%s" % (REF.encode(), who, who, len(message), message)
                + "".join(f"D {path}\n" for path in paths).encode() + there + b"\n")


def main():
    patches = []
    path = "stdin"
    try:
        for path in sys.stdin.read().splitlines():
            patches.append(Patch(path))
        edited = sorted({path for patch in patches for path in patch.edited})
        if edited:
            git("update-index", "--index-info", stdin=git("ls-tree", BASE, "--", *edited))
        stream = [b"reset %s\nfrom %s\n" % (REF.encode(), git("rev-parse", BASE))]
        for patch in patches:
            path = patch.name
            patch.apply()
            stream.append(patch.commit())
        path = "all of it"
        git("fast-import", "--quiet", "--force", "--date-format=rfc2822", stdin=b"".join(stream))
        print(git("rev-parse", REF).decode().strip())
        git("update-ref", "-d", REF)
    except ValueError as error:
        sys.exit(f"{os.path.basename(path)}: {error}")


main()
