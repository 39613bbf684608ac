/* SPDX-License-Identifier: GPL-2.0 */
/* For drivers that carry memory in the typed list. */
#ifndef DRM_TESTS_HARNESS_RUNS_H
#define DRM_TESTS_HARNESS_RUNS_H

#include <linux/dma-buf.h>

#include <drm/drm_gem_bo_backing.h>

#include "harness.h"

static inline int harness_add(struct harness *h, struct dma_runs *runs)
{
	const struct harness_piece *piece = h->pieces;
	u32 index = 0;
	int ret = 0;

	for (; !ret && index < h->num_pages; index += piece++->num_pages) {
		phys_addr_t phys = harness_phys(h, piece);

		if (h->kind == HARNESS_DIRECT)
			ret = dma_runs_add(runs, index, phys, piece->num_pages);
		else
			ret = dma_runs_add_mapped(runs, index, phys, piece->dma_addr,
						  piece->num_pages);
	}

	return ret ?: dma_runs_map(runs, 0, h->num_pages);
}

static inline void harness_attach_backing(struct harness *h, struct drm_gem_bo_backing *backing)
{
	struct dma_buf *dma_buf = harness_dma_buf(h);
	int ret;

	ret = drm_gem_bo_backing_init(backing, h->obj, DMA_RUNS_IMPORTED);
	KUNIT_ASSERT_EQ(h->test, ret, 0);
	ret = drm_gem_bo_backing_attach(backing, dma_buf);
	KUNIT_ASSERT_EQ(h->test, ret, 0);
	dma_buf_put(dma_buf);
}

static inline void harness_fill_backing(struct harness *h, struct drm_gem_bo_backing *backing)
{
	int ret;

	if (h->kind == HARNESS_IMPORTED) {
		harness_attach_backing(h, backing);
		dma_resv_lock(h->obj->resv, NULL);
		ret = drm_gem_bo_backing_map(backing, 0, h->num_pages);
		dma_resv_unlock(h->obj->resv);
	} else {
		ret = drm_gem_bo_backing_init(backing, h->obj, DMA_RUNS_STREAMING) ?:
		      harness_add(h, &backing->runs);
	}
	KUNIT_ASSERT_EQ(h->test, ret, 0);
}

/* Gives an object its memory, and takes it back; the driver has no @sgt and @pages. */
#define harness_fill_sgt(h, sgt, backing)	harness_fill_backing(h, &(backing))
#define harness_drop_sgt(h, sgt, backing)	drm_gem_bo_backing_release(&(backing))
#define harness_fill_pages(h, pages, backing)	harness_fill_backing(h, &(backing))
#define harness_drop_pages(h, pages, backing)	drm_gem_bo_backing_release(&(backing))

/* An import that the driver maps by itself. */
#define harness_attach(h, backing)		harness_attach_backing(h, &(backing))

/* As after the pages of an object were got. */
#define harness_fill_shmem(h, shmem)						\
({										\
	harness_fill_backing(h, &(shmem)->backing);				\
	refcount_set(&(shmem)->pages_use_count, 1);				\
})

#define harness_drop_shmem(h, shmem)	drm_gem_bo_backing_release(&(shmem)->backing)

/* An import by the driver's callback, and all of its own code. */
#define harness_prime_import(h, by_table, by_list)				\
({										\
	struct dma_buf *__buf = harness_dma_buf(h);				\
										\
	(h)->obj = by_list((h)->drm, __buf);					\
	KUNIT_ASSERT_NOT_ERR_OR_NULL((h)->test, (h)->obj);			\
	dma_buf_put(__buf);							\
	(h)->obj;								\
})

/* What a call has with one of them alone. */
#define with_table(args...)
#define with_list(args...)	args

#endif
