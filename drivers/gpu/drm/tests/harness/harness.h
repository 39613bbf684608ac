/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a driver tells its hardware about the memory of a buffer, without hardware.
 *
 * NAME.c compiles the files of a driver that do it, with its static functions at
 * hand. It lets them map buffers whose pages and addresses are known, and reads back
 * what the hardware would find: page tables, command words, calls of an IOMMU.
 *
 * Kernels differ in how a driver carries memory: pages.h is for a table and an array
 * of pages, runs.h for the typed list. The Makefile takes the one that the driver
 * wants. All else is the same, so that the logs of two kernels can be compared.
 */
#ifndef DRM_TESTS_HARNESS_H
#define DRM_TESTS_HARNESS_H

#include <linux/dma-mapping.h>
#include <linux/io-pgtable.h>
#include <linux/iommu.h>
#include <linux/slab.h>

#include <kunit/test.h>
#include <kunit/test-bug.h>

#include <drm/drm_gem.h>
#include <drm/drm_kunit_helpers.h>

struct dma_buf;
struct sg_table;

/* All memory is of one block of so many pages, at a multiple of its size. */
#define HARNESS_PAGES	1024

/* How the device reaches the memory. */
enum harness_kind {
	HARNESS_DIRECT,		/* by the DMA API, where it is */
	HARNESS_IOMMU,		/* at one range of addresses, however scattered it is */
	HARNESS_BOUNCED,	/* piece by piece elsewhere */
	HARNESS_IMPORTED,	/* another exporter knows */
	HARNESS_NUM_KINDS,
};

/* A stretch of the buffer that is contiguous for both sides. */
struct harness_piece {
	u32 page;		/* of the block */
	u32 num_pages;
	dma_addr_t dma_addr;
};

/* How the hardware would translate 4K. */
struct harness_entry {
	u64 addr;
	u64 flags;
	u32 page_size;		/* 0: it would fault */
};

struct harness {
	struct kunit *test;
	struct drm_device *drm;
	struct device *dev;

	const char *driver;

	/* What the driver sets: */
	void *priv;
	unsigned int kinds;	/* that it can have, all by default */
	bool whole;		/* maps objects, never a part */
	bool by_phys;		/* has an IOMMU of its own, behind the DMA API's back */
	bool contiguous;	/* needs one range, as exporters behind an IOMMU make it */
	u64 va_base;		/* lowest address to map to, a multiple of 4M */
	u64 dma_base;		/* lowest address of the kinds but the first, the same */
	struct io_pgtable_ops pgtable;	/* page tables that record what is mapped */

	/* The layout at hand: */
	char name[32];
	enum harness_kind kind;
	struct harness_piece pieces[HARNESS_PAGES];
	u32 num_pieces;
	u32 num_pages;		/* of the object */
	u32 first, count;	/* pages that are to be mapped of it, round its end */
	u64 va;			/* and where to; a driver that has its own idea says so */
	struct drm_gem_object *obj;

	/* private: */
	struct page *pool;
	struct harness_entry *seen;
	u32 num_seen, num_stray;
	struct iommu_domain domain;
	struct device_dma_parameters parms;
};

struct harness *harness_new(struct kunit *test, const char *driver);
void harness_device(struct harness *h, struct device *dev, struct drm_device *drm);
void *__harness_object(struct harness *h, size_t size, size_t offset);
void harness_object_free(struct harness *h, void *bo);
void harness_layouts(struct harness *h, void (*run)(struct harness *h));
void harness_seeds(struct harness *h, void (*run)(struct harness *h));

/* The memory of the layout at hand. */
phys_addr_t harness_phys(struct harness *h, const struct harness_piece *piece);
struct page *harness_page(struct harness *h, u32 index);
struct page **harness_pages(struct harness *h);
struct sg_table *harness_sgt(struct harness *h);
void harness_free_sgt(struct harness *h, struct sg_table *sgt);
struct dma_buf *harness_dma_buf(struct harness *h);

/* What was found; @page_size is what one entry of the hardware's can hold. */
void harness_forget(struct harness *h);
void harness_saw(struct harness *h, u64 va, u64 addr, u64 size, u32 page_size, u64 flags);
void harness_gone(struct harness *h, u64 va, u64 size);
struct iommu_domain *harness_domain(struct harness *h, unsigned long pgsize_bitmap);

/* Whether that is what should be. */
void harness_mapped(struct harness *h);
void harness_unmapped(struct harness *h);

/* For what the driver calls by itself. */
static inline struct harness *harness_now(void)
{
	return kunit_get_current_test()->priv;
}

/* For drivers whose own struct does not embed it. */
struct harness_drv {
	struct drm_device drm;
};

/* A struct that embeds a DRM device, anywhere. */
#define harness_drm(h, type, member)						\
({										\
	struct device *__dev = drm_kunit_helper_alloc_device((h)->test);	\
	struct drm_device *__drm;						\
										\
	KUNIT_ASSERT_NOT_ERR_OR_NULL((h)->test, __dev);				\
	__drm = __drm_kunit_helper_alloc_drm_device((h)->test, __dev,		\
						    sizeof(type),		\
						    offsetof(type, member),	\
						    DRIVER_GEM);		\
	KUNIT_ASSERT_NOT_ERR_OR_NULL((h)->test, __drm);				\
	harness_device(h, __dev, __drm);					\
	container_of(__drm, type, member);					\
})

/* What harness_drm() made has one of its own. */
static inline struct drm_driver *harness_driver(struct harness *h)
{
	return (struct drm_driver *)h->drm->driver;
}

/* A GEM object of the layout's size in a struct of the driver's. */
#define harness_object(h, type, member)						\
	((type *)__harness_object(h, sizeof(type), offsetof(type, member)))

/* Of a driver on the shmem helper, with the memory of the layout. */
#define harness_shmem(h, type)							\
({										\
	type *__shmem_bo = harness_object(h, type, base.base);			\
										\
	harness_fill_shmem(h, &__shmem_bo->base);				\
	__shmem_bo;								\
})

#define harness_shmem_free(h, bo)						\
({										\
	harness_drop_shmem(h, &(bo)->base);					\
	harness_object_free(h, bo);						\
})

/*
 * The suite of a driver, harness_NAME, of NAME_init() that makes what it needs by
 * harness_drm(), and NAME_run() that maps, reads back and unmaps one layout.
 */
#define HARNESS_SUITE(_name)							\
static int _name##_start(struct kunit *test)					\
{										\
	struct harness *h = harness_new(test, #_name);				\
										\
	return _name##_init(h);							\
}										\
										\
static void _name##_layouts(struct kunit *test)					\
{										\
	harness_layouts(test->priv, _name##_run);				\
}										\
										\
static void _name##_seeds(struct kunit *test)					\
{										\
	harness_seeds(test->priv, _name##_run);					\
}										\
										\
static struct kunit_case _name##_cases[] = {					\
	KUNIT_CASE(_name##_layouts),						\
	KUNIT_CASE_SLOW(_name##_seeds),						\
	{}									\
};										\
										\
static struct kunit_suite _name##_suite = {					\
	.name = "harness_" #_name,						\
	.init = _name##_start,							\
	.test_cases = _name##_cases,						\
};										\
kunit_test_suite(_name##_suite)

#endif
