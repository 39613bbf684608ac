#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""qemu_boot.py LOG SECONDS QEMU ARGUMENT...: boots a machine whose console goes to LOG.

It ends when the machine does, soon after "qemu: done" on the console, or after SECONDS (exit status
124). A line "shows: NAME ..." there has QEMU write what the screen shows to NAME.ppm beside LOG; if
the arguments name a display, and so a window, what Xvfb keeps in the file XVFB_SCREEN becomes NAME.xwd.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import time

GRACE = 5
SHOT = re.compile(rb"shows: ([\w-]+) ")


class Console:
    """The console's log as it grows."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.rest = b""

    def lines(self):
        *lines, self.rest = (self.rest + self.file.read()).split(b"\n")
        return lines


def shoot(qemu, prefix):
    """The whole file appears at once."""
    if "XVFB_SCREEN" in os.environ:
        shutil.copy(os.environ["XVFB_SCREEN"], prefix + ".new")
        os.rename(prefix + ".new", prefix + ".xwd")
        return
    qemu.stdin.write(b"screendump " + prefix.encode() + b".ppm\n")
    qemu.stdin.flush()


def main(argv):
    log, limit, command = argv[1], float(argv[2]), argv[3:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    open(log, "wb").close()
    display = [] if "-display" in command else ["-display", "none"]
    qemu = subprocess.Popen(command + display + ["-nic", "none", "-no-reboot", "-serial", "file:" + log, "-monitor", "stdio"],
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                            env=os.environ | {"QEMU_AUDIO_DRV": "none"})
    console, end, parent = Console(log), time.monotonic() + limit, os.getppid()
    done = False
    try:
        while qemu.poll() is None and time.monotonic() < end and os.getppid() == parent:
            for line in console.lines():
                if b"qemu: done" in line:
                    done, end = True, time.monotonic() + GRACE
                if SHOT.search(line):
                    shoot(qemu, os.path.join(os.path.dirname(log), SHOT.search(line).group(1).decode()))
            time.sleep(0.05)
        late = qemu.poll() is None and not done
    finally:
        qemu.kill()
    return 124 if late else 0 if done or qemu.returncode in (0, -9) else qemu.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv))
