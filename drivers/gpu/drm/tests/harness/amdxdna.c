// SPDX-License-Identifier: GPL-2.0
/* amdxdna: one address for an object, by the DMA API or in a domain of its own. */

#include <linux/mmu_notifier.h>

#include "../../../../accel/amdxdna/amdxdna_iommu.c"
#include "../../../../accel/amdxdna/amdxdna_gem.c"

static void amdxdna_map(struct harness *h, struct amdxdna_gem_obj *bo)
{
	bo->type = AMDXDNA_BO_SHARE;
	bo->mem.size = h->obj->size;
	bo->mem.dma_addr = AMDXDNA_INVALID_ADDR;
	KUNIT_ASSERT_EQ(h->test, amdxdna_dma_map_bo(h->priv, bo), 0);
}

static void amdxdna_run(struct harness *h)
{
	struct amdxdna_gem_obj *bo = harness_shmem(h, struct amdxdna_gem_obj);

	amdxdna_map(h, bo);
	harness_saw(h, h->va, bo->mem.dma_addr, bo->mem.size, SZ_4K, 0);
	harness_mapped(h);
	amdxdna_dma_unmap_bo(h->priv, bo);
	KUNIT_EXPECT_EQ(h->test, bo->mem.dma_addr, AMDXDNA_INVALID_ADDR);
	harness_shmem_free(h, bo);
}

/* The first one goes to the end of the addresses. */
static void amdxdna_iova_run(struct harness *h)
{
	struct amdxdna_gem_obj *bo = harness_shmem(h, struct amdxdna_gem_obj);

	h->va = SZ_4G - h->obj->size;
	amdxdna_map(h, bo);
	KUNIT_EXPECT_EQ(h->test, bo->mem.dma_addr, h->va);
	harness_mapped(h);
	amdxdna_dma_unmap_bo(h->priv, bo);
	harness_unmapped(h);
	harness_shmem_free(h, bo);
}

static int amdxdna_init(struct harness *h)
{
	h->priv = harness_drm(h, struct amdxdna_dev, ddev);
	h->kinds = BIT(HARNESS_IOMMU) | BIT(HARNESS_IMPORTED);
	h->contiguous = true;
	h->dma_base = BIT_ULL(40);
	h->whole = true;

	return 0;
}

static void amdxdna_put_iova(void *data)
{
	struct amdxdna_dev *xdna = data;

	put_iova_domain(&xdna->iovad);
	iova_cache_put();
}

static int amdxdna_iova_init(struct harness *h)
{
	struct amdxdna_dev *xdna = harness_drm(h, struct amdxdna_dev, ddev);

	xdna->domain = harness_domain(h, SZ_4K | SZ_64K | SZ_2M);
	xdna->domain->geometry.aperture_end = U32_MAX;
	KUNIT_ASSERT_EQ(h->test, iova_cache_get(), 0);
	init_iova_domain(&xdna->iovad, SZ_4K, 1);
	h->kinds &= ~BIT(HARNESS_IMPORTED);
	h->by_phys = true;
	h->whole = true;
	h->priv = xdna;

	return kunit_add_action_or_reset(h->test, amdxdna_put_iova, xdna);
}

HARNESS_SUITE(amdxdna);
HARNESS_SUITE(amdxdna_iova);
