// SPDX-License-Identifier: GPL-2.0
/* lima: a directory and tables, pages of 4K. */

#include <linux/shmem_fs.h>

/* The unpatched driver reads the pages of a heap by itself. */
#define shmem_read_mapping_page(mapping, index)	harness_page(harness_now(), index)

#include "../../lima/lima_vm.c"
#include "../../lima/lima_gem.c"

#define LIMA_HEAP_PAGES	4

uint lima_heap_init_nr_pages = LIMA_HEAP_PAGES;

static void lima_read(struct harness *h)
{
	struct lima_vm *vm = h->priv;
	u32 i, *pt;

	harness_forget(h);
	/* The driver allocates eight tables at once. */
	for (i = 0; i < LIMA_PAGE_ENT_NUM * LIMA_PAGE_ENT_NUM; i++) {
		u32 pte, pd = i / LIMA_PAGE_ENT_NUM;

		if (!(vm->pd.cpu[pd] & LIMA_VM_FLAG_PRESENT))
			continue;
		pt = vm->bts[pd / LIMA_VM_NUM_PT_PER_BT].cpu;
		pte = pt[i % (LIMA_VM_NUM_PT_PER_BT * LIMA_PAGE_ENT_NUM)];
		if (pte)
			harness_saw(h, (u64)i * LIMA_PAGE_SIZE, pte & PAGE_MASK, LIMA_PAGE_SIZE,
				    LIMA_PAGE_SIZE, pte & ~PAGE_MASK);
	}
}

static int lima_add(struct lima_vm *vm, struct lima_bo *bo)
{
	int ret;

	dma_resv_lock(lima_bo_resv(bo), NULL);
	ret = lima_vm_bo_add(vm, bo, true);
	dma_resv_unlock(lima_bo_resv(bo));

	return ret;
}

static struct lima_bo *lima_bo_new(struct harness *h)
{
	struct lima_bo *bo = harness_shmem(h, struct lima_bo);

	mutex_init(&bo->lock);
	INIT_LIST_HEAD(&bo->va);

	return bo;
}

static void lima_bo_end(struct harness *h, struct lima_bo *bo)
{
	lima_vm_bo_del(h->priv, bo);
	lima_read(h);
	harness_unmapped(h);
	harness_shmem_free(h, bo);
}

static void lima_run(struct harness *h)
{
	struct lima_bo *bo = lima_bo_new(h);

	KUNIT_ASSERT_EQ(h->test, lima_add(h->priv, bo), 0);
	h->va = lima_vm_get_va(h->priv, bo);
	lima_read(h);
	harness_mapped(h);
	lima_bo_end(h, bo);
}

/* A heap is mapped as far as it has grown. */
static void lima_heap_run(struct harness *h)
{
	struct lima_bo *bo = lima_bo_new(h);
	struct file file = {};

	bo->base.base.filp = &file;
	KUNIT_ASSERT_EQ(h->test, lima_heap_alloc(bo, NULL), 0);
	KUNIT_ASSERT_EQ(h->test, lima_add(h->priv, bo), 0);
	h->va = lima_vm_get_va(h->priv, bo);
	do {
		h->count = bo->heap_size >> PAGE_SHIFT;
		lima_read(h);
		harness_mapped(h);
	} while (!lima_heap_alloc(bo, h->priv));
	KUNIT_EXPECT_EQ(h->test, h->count, h->num_pages);
	bo->base.base.filp = NULL;
	lima_bo_end(h, bo);
}

static void lima_put(void *vm)
{
	lima_vm_put(vm);
}

static int lima_init(struct harness *h)
{
	struct lima_device *ldev = kunit_kzalloc(h->test, sizeof(*ldev), GFP_KERNEL);
	struct harness_drv *drv = harness_drm(h, struct harness_drv, drm);

	KUNIT_ASSERT_NOT_NULL(h->test, ldev);
	ldev->dev = h->dev;
	ldev->ddev = &drv->drm;
	ldev->va_start = h->va_base;
	ldev->va_end = LIMA_VA_RESERVE_START;
	h->whole = true;
	h->priv = lima_vm_create(ldev);
	KUNIT_ASSERT_NOT_NULL(h->test, h->priv);

	return kunit_add_action_or_reset(h->test, lima_put, h->priv);
}

static int lima_heap_init(struct harness *h)
{
	h->kinds = BIT(HARNESS_DIRECT);

	return lima_init(h);
}

HARNESS_SUITE(lima);
HARNESS_SUITE(lima_heap);
