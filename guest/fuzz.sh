#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# fuzz.sh PROGRAM [ARG...]: one that calls the kernel at random. What kmemleak, if it is there, finds before is not
# its doing; guest/init asks for the rest.
leaks=/sys/kernel/debug/kmemleak
if [ -e $leaks ]; then echo scan >$leaks && echo clear >$leaks; fi
exec "$@"
