/* SPDX-License-Identifier: GPL-2.0 */
/* For drivers that carry memory in a struct sg_table and an array of pages. */
#ifndef DRM_TESTS_HARNESS_PAGES_H
#define DRM_TESTS_HARNESS_PAGES_H

#include <linux/dma-buf.h>
#include <linux/mm.h>

#include <drm/drm_prime.h>

#include "harness.h"

static inline void harness_import(struct harness *h)
{
	struct dma_buf *dma_buf = harness_dma_buf(h);

	h->obj->import_attach = dma_buf_attach(dma_buf, h->dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(h->test, h->obj->import_attach);
	h->obj->resv = dma_buf->resv;
}

static inline struct sg_table *harness_get_sgt(struct harness *h)
{
	struct sg_table *sgt;

	if (h->kind != HARNESS_IMPORTED)
		return harness_sgt(h);

	harness_import(h);
	sgt = dma_buf_map_attachment_unlocked(h->obj->import_attach, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(h->test, sgt);

	return sgt;
}

/* The driver may have freed the table of an object before. */
static inline void harness_put_sgt(struct harness *h, struct sg_table *sgt)
{
	if (h->kind == HARNESS_IMPORTED)
		drm_prime_gem_destroy(h->obj, sgt);
	else if (sgt)
		harness_free_sgt(h, sgt);
}

/* Gives an object its memory, and takes it back; the driver has no @backing. */
#define harness_fill_sgt(h, sgt, backing)	((sgt) = harness_get_sgt(h))
#define harness_drop_sgt(h, sgt, backing)	harness_put_sgt(h, sgt)
#define harness_fill_pages(h, pages, backing)	((pages) = harness_pages(h))
#define harness_drop_pages(h, pages, backing)	kvfree(pages)

/* An import that the driver maps by itself. */
#define harness_attach(h, backing)		harness_import(h)

/* As after the pages of an object were got. */
#define harness_fill_shmem(h, shmem)						\
({										\
	(shmem)->sgt = harness_get_sgt(h);					\
	(shmem)->pages = harness_pages(h);					\
	refcount_set(&(shmem)->pages_use_count, 1);				\
})

#define harness_drop_shmem(h, shmem)						\
({										\
	harness_put_sgt(h, (shmem)->sgt);					\
	kvfree((shmem)->pages);							\
})

/* An import by the driver's callback, and all of its own code. */
#define harness_prime_import(h, by_table, by_list)				\
({										\
	struct dma_buf *__buf = harness_dma_buf(h);				\
										\
	harness_driver(h)->gem_prime_import_sg_table = by_table;		\
	(h)->obj = drm_gem_prime_import((h)->drm, __buf);			\
	KUNIT_ASSERT_NOT_ERR_OR_NULL((h)->test, (h)->obj);			\
	dma_buf_put(__buf);							\
	(h)->obj;								\
})

/* What a call has with one of them alone. */
#define with_table(args...)	args
#define with_list(args...)

#endif
