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

sed -n 's/^ *debug_locks: *\([01]\).*/kunit-init: lockdep=\1/p' /proc/lockdep_stats
if [ "${KUNIT_LEAKS:-}" = 1 ]; then
	sleep 6
	echo scan >$leaks && sleep 6 && echo scan >$leaks && cat $leaks && echo "kunit-init: scanned"
fi
# KUNIT_FAILSLAB=1: nothing ran yet; run the suite that is about failing allocations, with those
# failing, too, that may sleep.
if [ "${KUNIT_FAILSLAB:-}" = 1 ]; then
	suite=/sys/kernel/debug/kunit/drm_gem_bo_backing
	echo N >/sys/kernel/debug/failslab/ignore-gfp-wait
	echo 1 >$suite/run
	grep test_alloc_undo $suite/results | sed 's/^ */kunit-init: failslab: /'
	sed -n 's/^ *debug_locks: *\([01]\).*/kunit-init: lockdep=\1/p' /proc/lockdep_stats
fi
echo "kunit-init: end"
echo o >/proc/sysrq-trigger
sleep 60
