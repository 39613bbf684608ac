// SPDX-License-Identifier: GPL-2.0
/* exynos: one address for a framebuffer, which has to be contiguous. */

#include "../../exynos/exynos_drm_gem.c"
#include "../../exynos/exynos_drm_fb.c"

static void exynos_run(struct harness *h)
{
	struct drm_framebuffer fb = {
		.obj = { harness_prime_import(h, exynos_drm_gem_prime_import_sg_table,
					      exynos_drm_gem_prime_import) },
	};

	harness_forget(h);
	harness_saw(h, h->va, exynos_drm_fb_dma_addr(&fb, 0), h->obj->size, SZ_4K, 0);
	harness_mapped(h);
	drm_gem_object_put(h->obj);
}

static int exynos_init(struct harness *h)
{
	harness_drm(h, struct harness_drv, drm);
	h->drm->dev_private = kunit_kzalloc(h->test, sizeof(struct exynos_drm_private), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(h->test, h->drm->dev_private);
	h->kinds = BIT(HARNESS_IMPORTED);
	h->contiguous = true;
	h->whole = true;

	return 0;
}

HARNESS_SUITE(exynos);
