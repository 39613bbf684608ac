#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""tar2git.py REF <TAR | git fast-import

One commit of a tar archive's contents, the first component of its paths dropped, as a
fast-import stream: no work tree, no loose objects, the repository is one pack from the start.
"""
import sys
import tarfile


def contents(tar, member):
    """(mode, bytes) of a member that git can hold, None of a directory."""
    if member.isdir():
        return None
    if member.issym():
        return b"120000", member.linkname.encode()
    if not member.isfile():
        sys.exit(f"tar2git: {member.name} is neither file, symbolic link nor directory")
    mode = b"100755" if member.mode & 0o100 else b"100644"
    return mode, tar.extractfile(member).read()


def main():
    out = sys.stdout.buffer
    out.write(b"commit %s\ncommitter tar <tar> 0 +0000\ndata 0\n" % sys.argv[1].encode())
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
        for member in tar:
            path = member.name.removeprefix("./").partition("/")[2].encode()
            found = contents(tar, member)
            if found:
                mode, data = found
                out.write(b"M %s inline %s\ndata %d\n%s\n" % (mode, path, len(data), data))
    out.write(b"done\n")


if __name__ == "__main__":
    main()
