// SPDX-License-Identifier: GPL-2.0
/* tegra: one IOMMU domain, by addresses behind the DMA API. */

#include "../../tegra/gem.c"

static void tegra_run(struct harness *h)
{
	struct tegra_bo *bo = harness_object(h, struct tegra_bo, gem);
	struct tegra_drm *tegra = h->priv;

	harness_fill_sgt(h, bo->sgt, bo->backing);
	drm_mm_init(&tegra->mm, h->va, SZ_1G);
	KUNIT_ASSERT_EQ(h->test, tegra_bo_iommu_map(tegra, bo), 0);
	KUNIT_EXPECT_EQ(h->test, bo->iova, h->va);
	harness_mapped(h);
	tegra_bo_iommu_unmap(tegra, bo);
	harness_unmapped(h);
	drm_mm_takedown(&tegra->mm);
	harness_drop_sgt(h, bo->sgt, bo->backing);
	harness_object_free(h, bo);
}

static int tegra_init(struct harness *h)
{
	struct tegra_drm *tegra = kunit_kzalloc(h->test, sizeof(*tegra), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(h->test, tegra);
	harness_drm(h, struct harness_drv, drm);
	tegra->drm = h->drm;
	tegra->domain = harness_domain(h, SZ_4K | SZ_64K | SZ_2M);
	mutex_init(&tegra->mm_lock);
	h->by_phys = true;
	h->whole = true;
	h->priv = tegra;

	return 0;
}

HARNESS_SUITE(tegra);
