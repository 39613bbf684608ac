// SPDX-License-Identifier: GPL-2.0
/* rocket: an IOMMU domain for each open file, by physical addresses. */

#include <drm/drm_gem_shmem_helper.h>

#include "harness.h"

/* Objects have the memory of the layout at hand, and need no handle. */
#define drm_gem_shmem_create(dev, size)	\
	(&harness_shmem(harness_now(), struct rocket_gem_object)->base)
#define drm_gem_shmem_free(shmem)	\
	harness_shmem_free(harness_now(), to_rocket_bo(&(shmem)->base))
#define drm_gem_handle_create(file, obj, handle)	({ drm_gem_object_get(obj); 0; })

#include "../../../../accel/rocket/rocket_gem.c"

/* As in rocket_drv.c, but for the domain, which stays. */
struct rocket_iommu_domain *rocket_iommu_domain_get(struct rocket_file_priv *rocket_priv)
{
	kref_get(&rocket_priv->domain->kref);
	return rocket_priv->domain;
}

void rocket_iommu_domain_put(struct rocket_iommu_domain *domain)
{
	refcount_dec(&domain->kref.refcount);
}

static void rocket_run(struct harness *h)
{
	struct drm_rocket_create_bo args = { .size = h->num_pages << PAGE_SHIFT };
	struct rocket_file_priv *priv = h->priv;
	struct drm_file file = { .driver_priv = priv };

	drm_mm_init(&priv->mm, h->va, U32_MAX - h->va);
	KUNIT_ASSERT_EQ(h->test, rocket_ioctl_create_bo(h->drm, &args, &file), 0);
	KUNIT_EXPECT_EQ(h->test, args.dma_address, h->va);
	harness_mapped(h);
	rocket_gem_bo_free(h->obj);
	harness_unmapped(h);
	drm_mm_takedown(&priv->mm);
}

static int rocket_init(struct harness *h)
{
	struct rocket_file_priv *priv = kunit_kzalloc(h->test, sizeof(*priv), GFP_KERNEL);

	harness_drm(h, struct harness_drv, drm);
	KUNIT_ASSERT_NOT_NULL(h->test, priv);
	priv->domain = kunit_kzalloc(h->test, sizeof(*priv->domain), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(h->test, priv->domain);
	priv->domain->domain = harness_domain(h, SZ_4K | SZ_64K | SZ_2M);
	kref_init(&priv->domain->kref);
	mutex_init(&priv->mm_lock);
	/* What is imported shows no pages, and cannot be mapped by them. */
	h->kinds &= ~BIT(HARNESS_IMPORTED);
	h->by_phys = true;
	h->whole = true;
	h->priv = priv;

	return 0;
}

HARNESS_SUITE(rocket);
