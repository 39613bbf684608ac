#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# one.sh PROGRAM [ARG...]: one test program in a guest of its own, for what may take the
# kernel down; its exit status is the script's.
exec "$@"
