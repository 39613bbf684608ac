/* SPDX-License-Identifier: MIT */
/* The kernel ABI of vgem's fences, which libdrm-dev does not ship; an IGT tree has the kernel's own. */
#ifndef _VGEM_DRM_H_
#define _VGEM_DRM_H_

#include <drm.h>

struct drm_vgem_fence_attach {
	__u32 handle;
	__u32 flags;
	__u32 out_fence;
	__u32 pad;
};

#define VGEM_FENCE_WRITE 0x1

struct drm_vgem_fence_signal {
	__u32 fence;
	__u32 flags;
};

#define DRM_IOCTL_VGEM_FENCE_ATTACH DRM_IOWR(DRM_COMMAND_BASE + 1, struct drm_vgem_fence_attach)
#define DRM_IOCTL_VGEM_FENCE_SIGNAL DRM_IOW(DRM_COMMAND_BASE + 2, struct drm_vgem_fence_signal)

#endif
