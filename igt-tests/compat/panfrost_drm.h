/* SPDX-License-Identifier: MIT */
/*
 * The kernel ABI of the panfrost ioctls that ../tests use: libdrm-dev ships no panfrost_drm.h.
 * An IGT tree has the kernel's own header of this name; it must be that of Linux 7.1 or newer.
 */
#ifndef _PANFROST_DRM_H_
#define _PANFROST_DRM_H_

#include <drm.h>

struct drm_panfrost_submit {
	__u64 jc;		/* GPU address of the first job descriptor */
	__u64 in_syncs;		/* u32 array of syncobj handles */
	__u32 in_sync_count;
	__u32 out_sync;
	__u64 bo_handles;	/* u32 array */
	__u32 bo_handle_count;
	__u32 requirements;
	__u32 jm_ctx_handle;
	__u32 pad;
};

#define PANFROST_JD_REQ_FS (1 << 0)
#define PANFROST_JD_REQ_CYCLE_COUNT (1 << 1)

struct drm_panfrost_wait_bo {
	__u32 handle;
	__u32 pad;
	__s64 timeout_ns;	/* absolute, CLOCK_MONOTONIC */
};

struct drm_panfrost_create_bo {
	__u32 size;
	__u32 flags;
	__u32 handle;
	__u32 pad;
	__u64 offset;		/* GPU address, not for mmap */
};

#define PANFROST_BO_NOEXEC 1
#define PANFROST_BO_HEAP 2
#define PANFROST_BO_WB_MMAP 4

struct drm_panfrost_mmap_bo {
	__u32 handle;
	__u32 flags;
	__u64 offset;
};

#define DRM_PANFROST_PARAM_GPU_PROD_ID 0
#define DRM_PANFROST_PARAM_SELECTED_COHERENCY 44
#define DRM_PANFROST_GPU_COHERENCY_NONE 31

struct drm_panfrost_get_param {
	__u32 param;
	__u32 pad;
	__u64 value;
};

struct drm_panfrost_get_bo_offset {
	__u32 handle;
	__u32 pad;
	__u64 offset;		/* GPU address */
};

struct drm_panfrost_perfcnt_enable {
	__u32 enable;
	__u32 counterset;
};

struct drm_panfrost_perfcnt_dump {
	__u64 buf_ptr;
};

struct drm_panfrost_madvise {
	__u32 handle;
	__u32 madv;
	__u32 retained;
};

#define PANFROST_MADV_WILLNEED 0
#define PANFROST_MADV_DONTNEED 1

struct drm_panfrost_set_label_bo {
	__u32 handle;
	__u32 pad;
	__u64 label;		/* NUL-terminated string */
};

struct drm_panfrost_jm_ctx_create {
	__u32 handle;
	__u32 priority;
};

struct drm_panfrost_jm_ctx_destroy {
	__u32 handle;
	__u32 pad;
};

#define PANFROST_BO_SYNC_CPU_CACHE_FLUSH 0
#define PANFROST_BO_SYNC_CPU_CACHE_FLUSH_AND_INVALIDATE 1

struct drm_panfrost_bo_sync_op {
	__u32 handle;
	__u32 type;
	__u32 offset;
	__u32 size;
};

struct drm_panfrost_sync_bo {
	__u64 ops;		/* array of drm_panfrost_bo_sync_op */
	__u32 op_count;
	__u32 pad;
};

#define DRM_PANFROST_BO_IS_IMPORTED (1 << 0)

struct drm_panfrost_query_bo_info {
	__u32 handle;
	__u32 extra_flags;
	__u32 create_flags;
	__u32 pad;
};

#define __panfrost_iow(nr, type) DRM_IOW(DRM_COMMAND_BASE + (nr), struct drm_panfrost_##type)
#define __panfrost_iowr(nr, type) DRM_IOWR(DRM_COMMAND_BASE + (nr), struct drm_panfrost_##type)

#define DRM_IOCTL_PANFROST_SUBMIT __panfrost_iow(0x0, submit)
#define DRM_IOCTL_PANFROST_WAIT_BO __panfrost_iow(0x1, wait_bo)
#define DRM_IOCTL_PANFROST_CREATE_BO __panfrost_iowr(0x2, create_bo)
#define DRM_IOCTL_PANFROST_MMAP_BO __panfrost_iowr(0x3, mmap_bo)
#define DRM_IOCTL_PANFROST_GET_PARAM __panfrost_iowr(0x4, get_param)
#define DRM_IOCTL_PANFROST_GET_BO_OFFSET __panfrost_iowr(0x5, get_bo_offset)
#define DRM_IOCTL_PANFROST_PERFCNT_ENABLE __panfrost_iow(0x6, perfcnt_enable)
#define DRM_IOCTL_PANFROST_PERFCNT_DUMP __panfrost_iow(0x7, perfcnt_dump)
#define DRM_IOCTL_PANFROST_MADVISE __panfrost_iowr(0x8, madvise)
#define DRM_IOCTL_PANFROST_SET_LABEL_BO __panfrost_iowr(0x9, set_label_bo)
#define DRM_IOCTL_PANFROST_JM_CTX_CREATE __panfrost_iowr(0xa, jm_ctx_create)
#define DRM_IOCTL_PANFROST_JM_CTX_DESTROY __panfrost_iowr(0xb, jm_ctx_destroy)
#define DRM_IOCTL_PANFROST_SYNC_BO __panfrost_iowr(0xc, sync_bo)
#define DRM_IOCTL_PANFROST_QUERY_BO_INFO __panfrost_iowr(0xd, query_bo_info)

#endif
