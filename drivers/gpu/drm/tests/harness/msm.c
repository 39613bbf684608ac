// SPDX-License-Identifier: GPL-2.0
/*
 * msm: a page table for each context of the GPU, any part of an object, and the domain of
 * the display. Both by addresses behind the DMA API.
 */

#include "../../msm/msm_iommu.c"
#include "../../msm/msm_gem.h"

struct msm_harness {
	struct msm_iommu_pagetable pagetable;
	struct msm_iommu iommu;
};

static void msm_map(struct harness *h, struct msm_mmu *mmu, const struct msm_mmu_funcs *funcs)
{
	struct msm_gem_object *bo = harness_object(h, struct msm_gem_object, base);
	size_t off = (size_t)h->first << PAGE_SHIFT, len = (size_t)h->count << PAGE_SHIFT;
	int ret, prot = IOMMU_READ;

	/* Each combination of flags with some layout. */
	prot |= h->num_pages & 1 ? IOMMU_WRITE : 0;
	prot |= h->num_pages & 2 ? IOMMU_CACHE : 0;
	harness_fill_sgt(h, bo->sgt, bo->backing);
	ret = funcs->map(mmu, h->va, with_table(bo->sgt) with_list(bo->backing.list), off, len,
			 prot);
	KUNIT_ASSERT_EQ(h->test, ret, 0);
	harness_mapped(h);
	KUNIT_EXPECT_EQ(h->test, funcs->unmap(mmu, h->va, len), 0);
	harness_unmapped(h);
	harness_drop_sgt(h, bo->sgt, bo->backing);
	harness_object_free(h, bo);
}

static void msm_gpu_run(struct harness *h)
{
	struct msm_harness *priv = h->priv;

	msm_map(h, &priv->pagetable.base, &pagetable_funcs);
}

static void msm_kms_run(struct harness *h)
{
	struct msm_harness *priv = h->priv;

	msm_map(h, &priv->iommu.base, &funcs);
}

static int msm_gpu_init(struct harness *h)
{
	struct msm_harness *priv = kunit_kzalloc(h->test, sizeof(*priv), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(h->test, priv);
	harness_drm(h, struct harness_drv, drm);
	priv->iommu.domain = harness_domain(h, SZ_4K | SZ_64K | SZ_2M);
	priv->pagetable.parent = &priv->iommu.base;
	priv->pagetable.pgtbl_ops = &h->pgtable;
	priv->pagetable.pgsize_bitmap = SZ_4K | SZ_64K | SZ_2M;
	h->by_phys = true;
	h->va_base = BIT_ULL(36);
	h->priv = priv;

	return 0;
}

static int msm_kms_init(struct harness *h)
{
	h->whole = true;

	return msm_gpu_init(h);
}

HARNESS_SUITE(msm_gpu);
HARNESS_SUITE(msm_kms);
