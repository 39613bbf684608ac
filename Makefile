# SPDX-License-Identifier: GPL-2.0
# The only entry point. Every target is a script of the same name in scripts/.

export BASE CONFIG KERNEL FORCE IGT
ifdef JOBS
export JOBS
endif
export STAGE_T0 := $(shell date +%s)
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

VERBS := demo census matrix test source kernel guest kunit igt igt-tree prime mesa gl panfrost panthor clients harness fuzz bench mutations mutants coverage stress ioctl-fuzz compile check check-all refresh series rust docs clean

.PHONY: help test-all test-qemu $(VERBS)

help:
	@echo 'make demo       boot the converted kernel, draw with stock Mesa, write out/demo.png'
	@echo 'make test       all lanes, one table, one closing line (see README.md)'
	@echo 'make test-all   the same and the lanes that compile for long: Mesa, debug kernels, all of QEMU (hours)'
	@echo 'make test-qemu  arm64, arm and x86_64 kernels in QEMU'
	@echo
	@echo 'make source     build/linux: the pinned kernel and one commit per patch'
	@echo 'make kernel     build/um/linux: User Mode Linux'
	@echo 'make guest      the Debian root with IGT and Mesa that it boots'
	@echo 'make kunit      the KUnit suites, compared with the unpatched kernel'
	@echo 'make igt        stock IGT, compared with the unpatched kernel'
	@echo 'make prime      our IGT tests (igt-tests/) of buffer sharing'
	@echo 'make igt-tree   do our IGT tests build inside an IGT tree? IGT=/path (it is only read)'
	@echo 'make mesa       Mesa smoke tests'
	@echo 'make gl         Mesa'"'"'s panfrost driver on a model of Mali T860, G52 and G57'
	@echo 'make panfrost   stock and our IGT tests of panfrost on that model'
	@echo 'make panthor    our IGT tests of panthor on a model of Mali G610 and its firmware'
	@echo 'make harness    what drivers that cannot run here tell their hardware, compared with the unpatched kernel'
	@echo 'make clients    Weston, GStreamer, V4L2 and virgl on both kernels: out/clients/*.png'
	@echo 'make fuzz       the list in user space against a twin, with sanitizers'
	@echo 'make compile    one driver with W=1: DRIVER=drivers/gpu/drm/etnaviv ARCH=arm64 (or x86_64, arm, um)'
	@echo 'make check      compile for three architectures, checkpatch, kernel-doc, sparse, some of the patches build'
	@echo '                (scripts/check.sh NAME... just these; checkpatch HEAD~3..HEAD just these commits)'
	@echo 'make check-all  every patch builds; compile all of drivers/gpu/drm and drivers/accel (hours)'
	@echo 'make matrix     which operation works on which kind of buffer, as KUnit found it'
	@echo 'make census     who still carries pages and tables, before and after the series'
	@echo 'make bench      faults, instructions and bytes, unpatched against converted; table and plots in out/bench'
	@echo 'make mutations  is a bug put into the drivers on purpose found?'
	@echo 'make mutants    small bugs in the list, one after the other: is each found? SAMPLE=100: elsewhere, too'
	@echo 'make coverage   lines and branches of the floors that no test reaches'
	@echo 'make stress     SECONDS=60: threads that share, write and close the same buffers; each byte is known'
	@echo 'make ioctl-fuzz SECONDS=300: ioctls and mappings of all these devices at random, by what is new to KCOV'
	@echo 'make rust       compile the Rust binding and tyr in a chroot'
	@echo 'make docs       out/docs: the pages of the series as Sphinx renders them'
	@echo
	@echo 'make refresh    commits of build/linux -> patches/ and new files'
	@echo 'make series     out/series: what git send-email would send'
	@echo 'make clean      remove build/ and out/ (not the cache in ~/.cache/drm-gem-bo-backing)'
	@echo
	@echo 'BASE=1          the unpatched tree (source, kernel, kunit)'
	@echo 'CONFIG=debug    KASAN, lockdep, DMA and leak checkers, two CPUs (kernel, kunit, harness, prime, panfrost, panthor, stress)'
	@echo 'KERNEL=/path    a kernel tree of yours instead of the pinned one; it is only read'
	@echo 'FORCE=1         source: drop local work in build/linux'
	@echo 'T=NAME          igt, prime, panfrost: just this test, BINARY[@SUBTEST]; harness: this driver; * stands for anything'
	@echo 'LOAD=2          test: beside so many processes that never wait'
	@echo 'JOBS=N          parallel compile jobs (default: all cores)'

$(VERBS):
	@scripts/$@.sh

test-all:
	@LANES=all scripts/test.sh

test-qemu:
	@LANES="qemu-arm64 qemu-arm qemu-x86_64" scripts/test.sh
