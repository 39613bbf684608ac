# SPDX-License-Identifier: GPL-2.0
# Every input from outside. Read by make and, through scripts/lib.sh, by the scripts:
# one "NAME := value" a line, nothing else.

# The kernel: Debian's source package, in trixie-backports.
KERNEL_PKG := linux-source-7.3
KERNEL_SUITE := trixie-backports
KERNEL_VERSION := 7.3.4-1~bpo13+1
KERNEL_SHA256 := 703e369ddd4cce971452f5a593ee55df3a5c10c83caf0fa0df039633ed181ee3
KERNEL_TARBALL := usr/src/linux-source-7.3.tar.xz

# The guest's root: stock IGT, Mesa, kmscube and modetest come from this suite.
GUEST_SUITE := forky
IGT_PKG := igt-gpu-tools-tests
IGT_VERSION := 2.5
MESA_VERSION := 26.1
# What make clients runs beside them.
WESTON_VERSION := 16.0
GSTREAMER_VERSION := 1.28
V4L_UTILS_VERSION := 1.32

# Debian 12's sparse is too old for this kernel.
SPARSE_SUITE := forky
RUST_SUITE := trixie

# Mesa's panfrost driver, which Debian does not build for amd64: the source of this suite's mesa,
# compiled in a chroot of that suite.
PANMESA_SUITE := trixie
PANMESA_VERSION := 25.0.7
PANMESA_POOL := pool/main/m/mesa/mesa_25.0.7.orig.tar.xz
PANMESA_SHA256 := 592272df3cf01e85e7db300c449df5061092574d099da275d19e97ef0510f8a6

# What the small roots for arm64 and arm32 in QEMU are made of, from GUEST_SUITE.
BUSYBOX_VERSION := 1.38.0
LIBDRM_VERSION := 2.4.134
