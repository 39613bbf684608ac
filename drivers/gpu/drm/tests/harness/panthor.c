// SPDX-License-Identifier: GPL-2.0
/* panthor: io-pgtable, pages of 4K and 2M, any part of an object, and sparse ones. */

#include "../../panthor/panthor_mmu.c"

/* No VM here is at work. */
int panthor_gpu_flush_caches(struct panthor_device *ptdev, u32 l2, u32 lsc, u32 other)
{
	return -ENODEV;
}

static void panthor_map(struct harness *h, u32 flags)
{
	struct panthor_gem_object *bo = harness_object(h, struct panthor_gem_object, base);
	struct drm_gpuva_op_map op = {
		.va = { .addr = h->va, .range = (u64)h->count << PAGE_SHIFT },
		.gem = { .obj = h->obj, .offset = (u64)h->first << PAGE_SHIFT },
	};
	struct panthor_vm *vm = h->priv;

	harness_fill_sgt(h, bo->dmap.sgt, bo->backing);
	vm->locked_region.start = h->va;
	vm->locked_region.size = op.va.range;
	KUNIT_ASSERT_EQ(h->test, panthor_vm_exec_map_op(vm, flags, &op), 0);
	harness_mapped(h);
	panthor_vm_unmap_pages(vm, h->va, op.va.range);
	harness_unmapped(h);
	harness_drop_sgt(h, bo->dmap.sgt, bo->backing);
	harness_object_free(h, bo);
}

/* Each combination of flags with some layout. */
static u32 panthor_flags(struct harness *h)
{
	u32 flags = 0;

	if (h->num_pages & 1)
		flags |= DRM_PANTHOR_VM_BIND_OP_MAP_READONLY;
	if (h->num_pages & 2)
		flags |= DRM_PANTHOR_VM_BIND_OP_MAP_NOEXEC;
	if (h->num_pages & 4)
		flags |= DRM_PANTHOR_VM_BIND_OP_MAP_UNCACHED;

	return flags;
}

static void panthor_run(struct harness *h)
{
	panthor_map(h, panthor_flags(h));
}

/* 2M are mapped again and again, and the address says which part of them. */
static void panthor_sparse_run(struct harness *h)
{
	if (h->num_pages != SZ_2M >> PAGE_SHIFT || h->count != h->num_pages)
		return;
	h->first = (h->va & (SZ_2M - 1)) >> PAGE_SHIFT;
	panthor_map(h, DRM_PANTHOR_VM_BIND_OP_MAP_SPARSE);
}

static int panthor_init(struct harness *h)
{
	struct panthor_vm *vm = kunit_kzalloc(h->test, sizeof(*vm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(h->test, vm);
	vm->ptdev = harness_drm(h, struct panthor_device, base);
	vm->pgtbl_ops = &h->pgtable;
	h->va_base = BIT_ULL(40);
	h->dma_base = BIT_ULL(38);
	h->priv = vm;

	return 0;
}

static int panthor_sparse_init(struct harness *h)
{
	return panthor_init(h);
}

HARNESS_SUITE(panthor);
HARNESS_SUITE(panthor_sparse);
