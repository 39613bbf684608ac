// SPDX-License-Identifier: GPL-2.0
/* msm's oldest GPUs: one table, pages of 4K. */

#include "../../msm/msm_gpu.h"
#include "../../msm/msm_gem.h"

#define gpu_write(gpu, reg, value)	do { } while (0)

#include "../../msm/adreno/a2xx_gpummu.c"

#define GPUMMU_PAGES	(GPUMMU_VA_RANGE / GPUMMU_PAGE_SIZE)

static void msm_a2xx_read(struct harness *h)
{
	struct a2xx_gpummu *gpummu = h->priv;
	u32 i;

	harness_forget(h);
	for (i = 0; i < GPUMMU_PAGES; i++)
		if (gpummu->table[i])
			harness_saw(h, GPUMMU_VA_START + (u64)i * GPUMMU_PAGE_SIZE,
				    gpummu->table[i] & PAGE_MASK, SZ_4K, SZ_4K,
				    gpummu->table[i] & ~PAGE_MASK);
}

static void msm_a2xx_run(struct harness *h)
{
	struct msm_gem_object *bo = harness_object(h, struct msm_gem_object, base);
	int prot = IOMMU_READ | (h->num_pages & 1 ? IOMMU_WRITE : 0);
	struct a2xx_gpummu *gpummu = h->priv;
	int ret;

	harness_fill_sgt(h, bo->sgt, bo->backing);
	ret = a2xx_gpummu_map(&gpummu->base, h->va, with_table(bo->sgt) with_list(bo->backing.list),
			      0, h->obj->size, prot);
	KUNIT_ASSERT_EQ(h->test, ret, 0);
	msm_a2xx_read(h);
	harness_mapped(h);
	KUNIT_EXPECT_EQ(h->test, a2xx_gpummu_unmap(&gpummu->base, h->va, h->obj->size), 0);
	msm_a2xx_read(h);
	harness_unmapped(h);
	harness_drop_sgt(h, bo->sgt, bo->backing);
	harness_object_free(h, bo);
}

static int msm_a2xx_init(struct harness *h)
{
	struct a2xx_gpummu *gpummu = kunit_kzalloc(h->test, sizeof(*gpummu), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(h->test, gpummu);
	harness_drm(h, struct harness_drv, drm);
	gpummu->table = kunit_kcalloc(h->test, GPUMMU_PAGES, sizeof(u32), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(h->test, gpummu->table);
	/* The GPU has no other IOMMU, so that all addresses are the memory's. */
	h->kinds = BIT(HARNESS_DIRECT) | BIT(HARNESS_IMPORTED);
	h->by_phys = true;
	h->whole = true;
	h->va_base = GPUMMU_VA_START;
	h->priv = gpummu;

	return 0;
}

HARNESS_SUITE(msm_a2xx);
