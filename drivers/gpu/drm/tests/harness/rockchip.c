// SPDX-License-Identifier: GPL-2.0
/* rockchip: one IOMMU domain, by addresses behind the DMA API. */

#include "../../rockchip/rockchip_drm_gem.c"

static void rockchip_run(struct harness *h)
{
	struct rockchip_gem_object *bo = harness_object(h, struct rockchip_gem_object, base);
	struct rockchip_drm_private *private = h->priv;

	harness_fill_sgt(h, bo->sgt, bo->backing);
	drm_mm_init(&private->mm, h->va, SZ_1G);
	KUNIT_ASSERT_EQ(h->test, rockchip_gem_iommu_map(bo), 0);
	KUNIT_EXPECT_EQ(h->test, bo->dma_addr, h->va);
	harness_mapped(h);
	rockchip_gem_iommu_unmap(bo);
	harness_unmapped(h);
	drm_mm_takedown(&private->mm);
	harness_drop_sgt(h, bo->sgt, bo->backing);
	harness_object_free(h, bo);
}

static int rockchip_init(struct harness *h)
{
	struct rockchip_drm_private *private = kunit_kzalloc(h->test, sizeof(*private), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(h->test, private);
	harness_drm(h, struct harness_drv, drm);
	h->drm->dev_private = private;
	private->domain = harness_domain(h, SZ_4K | SZ_64K | SZ_2M);
	mutex_init(&private->mm_lock);
	h->by_phys = true;
	h->whole = true;
	h->priv = private;

	return 0;
}

HARNESS_SUITE(rockchip);
