/* SPDX-License-Identifier: MIT */
/*
 * The kernel ABI of the panfrost ioctls that ../tests use: libdrm-dev ships no panfrost_drm.h.
 * An IGT tree has the kernel's own header of this name.
 */
#ifndef _PANFROST_DRM_H_
#define _PANFROST_DRM_H_

#include <drm.h>

struct drm_panfrost_create_bo {
	__u32 size;
	__u32 flags;
	__u32 handle;
	__u32 pad;
	__u64 offset;		/* GPU address, not for mmap */
};

struct drm_panfrost_mmap_bo {
	__u32 handle;
	__u32 flags;
	__u64 offset;
};

struct drm_panfrost_madvise {
	__u32 handle;
	__u32 madv;
	__u32 retained;
};

#define PANFROST_MADV_WILLNEED 0
#define PANFROST_MADV_DONTNEED 1

#define DRM_IOCTL_PANFROST_CREATE_BO DRM_IOWR(DRM_COMMAND_BASE + 2, struct drm_panfrost_create_bo)
#define DRM_IOCTL_PANFROST_MMAP_BO DRM_IOWR(DRM_COMMAND_BASE + 3, struct drm_panfrost_mmap_bo)
#define DRM_IOCTL_PANFROST_MADVISE DRM_IOWR(DRM_COMMAND_BASE + 8, struct drm_panfrost_madvise)

#endif
