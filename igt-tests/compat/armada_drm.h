/* SPDX-License-Identifier: MIT */
/* The kernel ABI of armada, which libdrm-dev does not ship; an IGT tree takes the kernel's own. */
#ifndef _ARMADA_DRM_H_
#define _ARMADA_DRM_H_

#include <drm.h>

struct drm_armada_gem_create {
	__u32 handle;
	__u32 size;
};

struct drm_armada_gem_mmap {
	__u32 handle;
	__u32 pad;
	__u64 offset;
	__u64 size;
	__u64 addr;
};

struct drm_armada_gem_pwrite {
	__u64 ptr;
	__u32 handle;
	__u32 offset;
	__u32 size;
};

#define DRM_IOCTL_ARMADA_GEM_CREATE DRM_IOWR(DRM_COMMAND_BASE + 0, struct drm_armada_gem_create)
#define DRM_IOCTL_ARMADA_GEM_MMAP DRM_IOWR(DRM_COMMAND_BASE + 2, struct drm_armada_gem_mmap)
#define DRM_IOCTL_ARMADA_GEM_PWRITE DRM_IOW(DRM_COMMAND_BASE + 3, struct drm_armada_gem_pwrite)

#endif
