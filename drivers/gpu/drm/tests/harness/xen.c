// SPDX-License-Identifier: GPL-2.0
/* xen-front: pages that are granted to the backend. */

#include "../../xen/xen_drm_front_gem.c"

/* The backend is told here. */
int xen_drm_front_dbuf_create(struct xen_drm_front_info *front_info, u64 dbuf_cookie, u32 width,
			      u32 height, u32 bpp, u64 size, u32 offset, struct page **pages)
{
	struct harness *h = harness_now();
	u32 i;

	for (i = 0; i < size >> PAGE_SHIFT; i++)
		harness_saw(h, h->va + i * PAGE_SIZE, page_to_phys(pages[i]), PAGE_SIZE, SZ_4K,
			    offset);

	return 0;
}

void xen_drm_front_gem_object_free(struct drm_gem_object *obj)
{
	xen_drm_front_gem_free_object_unlocked(obj);
}

/* There is no balloon, and nothing was taken from it. */
void xen_free_ballooned_pages(unsigned int nr_pages, struct page **pages)
{
}

static void xen_import(struct harness *h)
{
	struct dma_buf *dma_buf = harness_dma_buf(h);

	h->obj = drm_gem_prime_import(h->drm, dma_buf);
	dma_buf_put(dma_buf);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(h->test, h->obj);
	harness_mapped(h);
	drm_gem_object_put(h->obj);
}

static void xen_create(struct harness *h)
{
	struct xen_gem_object *bo = harness_object(h, struct xen_gem_object, base);
	int ret;

	harness_fill_pages(h, bo->pages, bo->backing);
	with_table(ret = xen_drm_front_dbuf_create(NULL, 0, 0, 0, 0, h->obj->size, 0,
						   xen_drm_front_gem_get_pages(h->obj));)
	with_list(ret = xen_drm_front_gem_dbuf_create(h->obj, 0, 0, 0, h->obj->size);)
	KUNIT_ASSERT_EQ(h->test, ret, 0);
	harness_mapped(h);
	harness_drop_pages(h, bo->pages, bo->backing);
	harness_object_free(h, bo);
}

static void xen_run(struct harness *h)
{
	if (h->kind == HARNESS_IMPORTED)
		xen_import(h);
	else
		xen_create(h);
}

static int xen_init(struct harness *h)
{
	struct xen_drm_front_drm_info *info = kunit_kzalloc(h->test, sizeof(*info), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(h->test, info);
	harness_drm(h, struct harness_drv, drm);
	info->front_info = kunit_kzalloc(h->test, sizeof(*info->front_info), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(h->test, info->front_info);
	h->drm->dev_private = info;
	harness_driver(h)->gem_prime_import_sg_table = xen_drm_front_gem_import_sg_table;
	h->by_phys = true;
	h->whole = true;

	return 0;
}

HARNESS_SUITE(xen);
