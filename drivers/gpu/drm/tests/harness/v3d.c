// SPDX-License-Identifier: GPL-2.0
/* v3d: one table, pages of 4K, 64K and 1M. */

#include "../../v3d/v3d_mmu.c"

#define V3D_PAGES	(4 * HARNESS_PAGES)

static u32 v3d_page_size(u32 pte)
{
	if (pte & V3D_PTE_SUPERPAGE)
		return SZ_1M;

	return pte & V3D_PTE_BIGPAGE ? SZ_64K : SZ_4K;
}

static void v3d_read(struct harness *h)
{
	struct v3d_dev *v3d = h->priv;
	u32 i, pfn_mask = BIT(24) - 1;

	harness_forget(h);
	for (i = 0; i < V3D_PAGES; i++)
		if (v3d->pt[i])
			harness_saw(h, (u64)i << V3D_MMU_PAGE_SHIFT,
				    (u64)(v3d->pt[i] & pfn_mask) << V3D_MMU_PAGE_SHIFT, SZ_4K,
				    v3d_page_size(v3d->pt[i]), v3d->pt[i] &
				    ~(pfn_mask | V3D_PTE_BIGPAGE | V3D_PTE_SUPERPAGE));
}

static void v3d_run(struct harness *h)
{
	struct v3d_bo *bo = harness_shmem(h, struct v3d_bo);

	bo->node.start = h->va >> V3D_MMU_PAGE_SHIFT;
	v3d_mmu_insert_ptes(bo);
	v3d_read(h);
	harness_mapped(h);
	v3d_mmu_remove_ptes(bo);
	v3d_read(h);
	harness_unmapped(h);
	harness_shmem_free(h, bo);
}

/* The device sleeps, so that no register is accessed. */
static int v3d_init(struct harness *h)
{
	u32 *table = kunit_kcalloc(h->test, V3D_PAGES, sizeof(*table), GFP_KERNEL);
	struct v3d_dev *v3d = harness_drm(h, struct v3d_dev, drm);

	KUNIT_ASSERT_NOT_NULL(h->test, table);
	pm_runtime_enable(h->dev);
	v3d->pt = table;
	h->va_base = SZ_4M;
	h->whole = true;
	h->priv = v3d;

	return 0;
}

HARNESS_SUITE(v3d);
