#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# fuzz.sh PROGRAM [ARG...]: one that calls the kernel at random, and what kmemleak, if it is there, then says that
# nobody has any more.
leaks=/sys/kernel/debug/kmemleak
if [ -e $leaks ]; then echo scan >$leaks && echo clear >$leaks; fi
"$@"
status=$?
if [ -e $leaks ]; then
	# An object that was freed a moment ago may be on some list yet.
	for _ in 1 2; do
		sleep 6
		echo scan >$leaks
	done
	cat $leaks
fi
exit $status
