#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# coverage.sh DIRECTORY: the KUnit suites that are about memory, whose allocations can fail,
# then the tests of guest/igt.sh, and the counters of all that is compiled for gcov to
# /run/out/gcov.
set -u
kernel=/sys/kernel/debug
for what in failslab fail_page_alloc; do echo N >"$kernel/$what/ignore-gfp-wait"; done
echo N >"$kernel/fail_page_alloc/ignore-gfp-highmem"
echo 0 >"$kernel/fail_page_alloc/min-order"
for suite in "$kernel"/kunit/dma_* "$kernel"/kunit/drm_gem* "$kernel"/kunit/vkms*; do
	echo "coverage: ${suite##*/}"
	echo 1 >"$suite/run"
	sed -n "s/^ *\(.*alloc_undo.*\)/coverage: \1/p" "$suite/results"
done
/mnt/guest/igt.sh "$1"
# What debugfs tells of buffers, while there are some.
PRIME_BACKING_SECONDS=10 "$1/prime_backing_stress" --run-subtest threads &
until=$(($(date +%s) + 8))
while [ "$(date +%s)" -lt "$until" ]; do
	cat "$kernel"/dri/*/gem_backing
done >/run/out/gem_backing
wait
mkdir -p /run/out/gcov
find "$kernel/gcov" -name '*.gcda' -type f | while read -r file; do
	cat "$file" >"/run/out/gcov/${file##*/}"
done
