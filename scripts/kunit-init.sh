#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The debug kernel's init after its KUnit suites (scripts/kunit.sh): is lockdep still on, and with
# KUNIT_LEAKS=1 on the command line, what was leaked? An object counts as leaked once it is five
# seconds old and a scan has missed it.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec >/dev/console 2>&1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t debugfs debugfs /sys/kernel/debug
leaks=/sys/kernel/debug/kmemleak

# KUNIT_FAILSLAB=SUITE,...: nothing ran yet; run the suites that are about failing allocations,
# with those failing, too, that may sleep.
if [ -n "${KUNIT_FAILSLAB:-}" ]; then
	for what in failslab fail_page_alloc; do echo N >"/sys/kernel/debug/$what/ignore-gfp-wait"; done
	echo N >/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
	for suite in $(echo "$KUNIT_FAILSLAB" | tr , " "); do
		echo 1 >"/sys/kernel/debug/kunit/$suite/run"
		sed -n "s/^ *\(.*alloc_undo.*\)/kunit-init: failslab: $suite: \1/p" "/sys/kernel/debug/kunit/$suite/results"
	done
fi
sed -n 's/^ *debug_locks: *\([01]\).*/kunit-init: lockdep=\1/p' /proc/lockdep_stats
if [ "${KUNIT_LEAKS:-}" = 1 ]; then
	sleep 6
	echo scan >$leaks && sleep 6 && echo scan >$leaks && cat $leaks && echo "kunit-init: scanned"
fi
echo "kunit-init: end"
echo o >/proc/sysrq-trigger
sleep 60
