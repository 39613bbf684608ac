/* SPDX-License-Identifier: MIT */
/* The part of panthor's interface that ../tests use, for libdrm versions without it. */
#ifndef PANTHOR_DRM_H
#define PANTHOR_DRM_H

#include <drm.h>

struct drm_panthor_obj_array {
	__u32 stride;
	__u32 count;
	__u64 array;
};

#define DRM_PANTHOR_OBJ_ARRAY(n, ptr) \
	{ .stride = sizeof((ptr)[0]), .count = (n), .array = (__u64)(uintptr_t)(ptr) }

#define DRM_PANTHOR_SYNC_OP_SIGNAL (int)(1u << 31)

struct drm_panthor_sync_op {
	__u32 flags;
	__u32 handle;
	__u64 timeline_value;
};

struct drm_panthor_vm_create {
	__u32 flags;
	__u32 id;
	__u64 user_va_range;
};

struct drm_panthor_vm_destroy {
	__u32 id;
	__u32 pad;
};

#define DRM_PANTHOR_VM_BIND_OP_MAP_NOEXEC (1 << 1)
#define DRM_PANTHOR_VM_BIND_OP_MAP_SPARSE (1 << 3)
#define DRM_PANTHOR_VM_BIND_OP_TYPE_MAP (0 << 28)
#define DRM_PANTHOR_VM_BIND_OP_TYPE_UNMAP (1 << 28)

struct drm_panthor_vm_bind_op {
	__u32 flags;
	__u32 bo_handle;
	__u64 bo_offset;
	__u64 va;
	__u64 size;
	struct drm_panthor_obj_array syncs;
};

struct drm_panthor_vm_bind {
	__u32 vm_id;
	__u32 flags;
	struct drm_panthor_obj_array ops;
};

#define DRM_PANTHOR_BO_WB_MMAP (1 << 1)

struct drm_panthor_bo_create {
	__u64 size;
	__u32 flags;
	__u32 exclusive_vm_id;
	__u32 handle;
	__u32 pad;
};

struct drm_panthor_bo_mmap_offset {
	__u32 handle;
	__u32 pad;
	__u64 offset;
};

struct drm_panthor_queue_create {
	__u8 priority;
	__u8 pad[3];
	__u32 ringbuf_size;
};

#define PANTHOR_GROUP_PRIORITY_MEDIUM 1

struct drm_panthor_group_create {
	struct drm_panthor_obj_array queues;
	__u8 max_compute_cores;
	__u8 max_fragment_cores;
	__u8 max_tiler_cores;
	__u8 priority;
	__u32 pad;
	__u64 compute_core_mask;
	__u64 fragment_core_mask;
	__u64 tiler_core_mask;
	__u32 vm_id;
	__u32 group_handle;
};

struct drm_panthor_group_destroy {
	__u32 group_handle;
	__u32 pad;
};

struct drm_panthor_queue_submit {
	__u32 queue_index;
	__u32 stream_size;
	__u64 stream_addr;
	__u32 latest_flush;
	__u32 pad;
	struct drm_panthor_obj_array syncs;
};

struct drm_panthor_group_submit {
	__u32 group_handle;
	__u32 pad;
	struct drm_panthor_obj_array queue_submits;
};

#define DRM_PANTHOR_BO_SYNC_CPU_CACHE_FLUSH 0
#define DRM_PANTHOR_BO_SYNC_CPU_CACHE_FLUSH_AND_INVALIDATE 1

struct drm_panthor_bo_sync_op {
	__u32 handle;
	__u32 type;
	__u64 offset;
	__u64 size;
};

struct drm_panthor_bo_sync {
	struct drm_panthor_obj_array ops;
};

#define __PANTHOR(nr, type) DRM_IOWR(DRM_COMMAND_BASE + (nr), struct drm_panthor_##type)
#define DRM_IOCTL_PANTHOR_VM_CREATE __PANTHOR(1, vm_create)
#define DRM_IOCTL_PANTHOR_VM_DESTROY __PANTHOR(2, vm_destroy)
#define DRM_IOCTL_PANTHOR_VM_BIND __PANTHOR(3, vm_bind)
#define DRM_IOCTL_PANTHOR_BO_CREATE __PANTHOR(5, bo_create)
#define DRM_IOCTL_PANTHOR_BO_MMAP_OFFSET __PANTHOR(6, bo_mmap_offset)
#define DRM_IOCTL_PANTHOR_GROUP_CREATE __PANTHOR(7, group_create)
#define DRM_IOCTL_PANTHOR_GROUP_DESTROY __PANTHOR(8, group_destroy)
#define DRM_IOCTL_PANTHOR_GROUP_SUBMIT __PANTHOR(9, group_submit)
#define DRM_IOCTL_PANTHOR_BO_SYNC __PANTHOR(15, bo_sync)

#endif
