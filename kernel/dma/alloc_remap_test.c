// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of dma_alloc_remap().
 *
 * The machine's own memory is direct for all fake devices here, and in one
 * piece.  Where an allocation is to be scattered or without pages, what finds
 * its physical addresses is replaced; nothing then touches that memory.  A PCI
 * device that is behind an IOMMU and has no driver stands for those that are.
 */
#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/device/bus.h>
#include <linux/device/driver.h>
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-runs.h>
#include <linux/iommu.h>
#include <linux/iommu-dma.h>
#include <linux/memblock.h>
#include <linux/of.h>
#include <linux/of_reserved_mem.h>
#include <linux/pci.h>
#include <linux/swiotlb.h>

#include "alloc_remap.h"

#define TEST_PAGES 4
#define TEST_SIZE (TEST_PAGES * PAGE_SIZE)

struct remap_test {
	struct device *owner;
	struct device *other;
	dma_addr_t dma_addr;
	void *cpu_addr;
	/* the exporter has no memory, or none to show */
	bool empty;
	/* for stubs: */
	phys_addr_t phys;
	size_t fail_at;
	/* for the implementation of dma_map_ops: */
	int mapped;
	int synced;
	size_t largest_sync;
};

#ifdef CONFIG_SWIOTLB
static struct io_tlb_mem no_bounce;

static void never_bounce(struct device *dev)
{
	dev->dma_io_tlb_mem = &no_bounce;
}
#else
static void never_bounce(struct device *dev) { }
#endif

/*
 * Whatever the machine is like, fake devices reach all of its memory and are
 * not made to bounce.
 */
static struct device *test_device(struct kunit *test, const char *name)
{
	struct device *dev = kunit_device_register(test, name);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	dev->dma_mask = &dev->coherent_dma_mask;
	never_bounce(dev);
	KUNIT_ASSERT_EQ(test, dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	return dev;
}

static int remap_test_init(struct kunit *test)
{
	struct remap_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;
	t->owner = test_device(test, "owner");
	t->other = test_device(test, "other");
	t->fail_at = SIZE_MAX;
	t->cpu_addr = dma_alloc_coherent(t->owner, TEST_SIZE, &t->dma_addr, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->cpu_addr);
	t->phys = dma_to_phys(t->owner, t->dma_addr);
	return 0;
}

static void remap_test_exit(struct kunit *test)
{
	struct remap_test *t = test->priv;

	if (t && t->cpu_addr)
		dma_free_coherent(t->owner, TEST_SIZE, t->cpu_addr, t->dma_addr);
}

static struct dma_runs *remap_dir(struct remap_test *t, struct device *dev,
				  enum dma_data_direction dir)
{
	return dma_alloc_remap(t->owner, t->cpu_addr, t->dma_addr, TEST_SIZE, 0, dev, dir);
}

static struct dma_runs *remap(struct remap_test *t, struct device *dev)
{
	return remap_dir(t, dev, DMA_BIDIRECTIONAL);
}

/* The same for pages that were allocated for @owner, and have to be synced. */
static struct dma_runs *remap_pages(struct device *owner, dma_addr_t dma_addr,
				    const phys_addr_t *phys, struct device *dev,
				    enum dma_data_direction dir)
{
	struct dma_runs list, *r;
	int i, ret = 0;

	dma_runs_init(&list, owner, DMA_RUNS_NONCOHERENT, TEST_PAGES);
	for (i = 0; !ret && i < TEST_PAGES; i++)
		ret = dma_runs_add_mapped(&list, i, phys[i], dma_addr + i * PAGE_SIZE, 1);
	r = ret ? ERR_PTR(ret) : dma_runs_map_for(&list, dev, dir, 0);
	dma_runs_clear(&list);
	return r;
}

static void fill_contiguous(phys_addr_t *pages, phys_addr_t phys)
{
	int i;

	for (i = 0; i < TEST_PAGES; i++)
		pages[i] = phys + i * PAGE_SIZE;
}

static dma_addr_t remap_addr(const struct dma_runs *r, size_t offset)
{
	dma_addr_t addr;

	dma_runs_contiguous(r, offset, &addr);
	return addr;
}

/* What is contiguous from @offset on, and where that is. */
static void expect_piece(struct kunit *test, const struct dma_runs *r, size_t offset,
			 dma_addr_t addr, size_t size)
{
	dma_addr_t found;

	KUNIT_EXPECT_EQ(test, dma_runs_contiguous(r, offset, &found), size);
	KUNIT_EXPECT_EQ(test, found, addr);
}

/* Nothing stays behind if it is not refused, though it should. */
static void expect_error(struct kunit *test, struct dma_runs *r, int err)
{
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(r), err);
	if (!IS_ERR(r))
		dma_runs_free(r);
}

static void expect_refused(struct kunit *test, struct device *dev, int err)
{
	expect_error(test, remap(test->priv, dev), err);
}

static void test_same_device(struct kunit *test)
{
	struct remap_test *t = test->priv;
	struct dma_runs *r = remap(t, t->owner);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	KUNIT_EXPECT_EQ(test, r->num_pages, TEST_PAGES);
	KUNIT_EXPECT_TRUE(test, r->kind == DMA_RUNS_COHERENT);
	KUNIT_EXPECT_PTR_EQ(test, r->dev, t->owner);
	expect_piece(test, r, 0, t->dma_addr, TEST_SIZE);
	dma_runs_free(r);
}

static void test_other_device(struct kunit *test)
{
	struct remap_test *t = test->priv;
	struct dma_runs *r = remap(t, t->other);
	struct dma_cursor cur;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	KUNIT_EXPECT_TRUE(test, dma_runs_valid(r));
	KUNIT_EXPECT_TRUE(test, dma_runs_is_mapped(r));
	KUNIT_EXPECT_TRUE(test, r->kind == DMA_RUNS_COHERENT);
	KUNIT_EXPECT_PTR_EQ(test, r->dev, t->other);
	expect_piece(test, r, 0, phys_to_dma(t->other, t->phys), TEST_SIZE);
	/* Addresses are all that there is. */
	KUNIT_EXPECT_EQ(test, dma_cursor_begin_phys(&cur, r, 0, TEST_SIZE), -EOPNOTSUPP);
	dma_runs_free(r);
}

static void test_direction(struct kunit *test)
{
	const enum dma_data_direction dir[] = {
		DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE
	};
	struct remap_test *t = test->priv;
	phys_addr_t pages[TEST_PAGES];
	struct dma_runs *r[3];
	bool both;
	int i, j;

	fill_contiguous(pages, t->phys);
	for (i = 0; i < ARRAY_SIZE(dir); i++) {
		r[0] = remap_dir(t, t->owner, dir[i]);
		r[1] = remap_dir(t, t->other, dir[i]);
		r[2] = remap_pages(t->owner, t->dma_addr, pages, t->other, dir[i]);
		for (j = 0; j < ARRAY_SIZE(r); j++) {
			KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r[j]);
			/* What the CPU wrote is not dropped with its cache. */
			both = dir[i] == DMA_FROM_DEVICE && dma_dev_need_sync(r[j]->dev);
			KUNIT_EXPECT_TRUE(test, r[j]->dir == (both ? DMA_BIDIRECTIONAL : dir[i]));
			dma_runs_free(r[j]);
		}
	}
}

/* Part of a page: all of it is the other device's then. */
static void test_part_of_a_page(struct kunit *test)
{
	struct remap_test *t = test->priv;
	struct dma_runs *r;

	r = dma_alloc_remap(t->owner, t->cpu_addr, t->dma_addr, 100, 0, t->other,
			    DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	KUNIT_EXPECT_EQ(test, r->num_pages, 1);
	expect_piece(test, r, 0, phys_to_dma(t->other, t->phys), PAGE_SIZE);
	dma_runs_free(r);
}

/* The other device is on a bus that shifts addresses. */
static void test_bus_offset(struct kunit *test)
{
	struct remap_test *t = test->priv;
	/* From where memory starts, as dma_capable() has it. */
	phys_addr_t start = PFN_PHYS(min_low_pfn);
	struct bus_dma_region map[] = {
		{ .cpu_start = start, .dma_start = SZ_1M, .size = t->phys - start + TEST_SIZE },
		{ }
	};
	struct dma_runs *r;

	if (IS_ENABLED(CONFIG_ARCH_HAS_PHYS_TO_DMA))
		kunit_skip(test, "the architecture shifts addresses its own way");
	t->other->dma_range_map = map;
	r = remap(t, t->other);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, r);
	if (!IS_ERR(r)) {
		expect_piece(test, r, 0, t->phys - start + SZ_1M, TEST_SIZE);
		dma_runs_free(r);
	}

	/* The last page is not in the window of the bus, then nothing is. */
	map[0].size -= PAGE_SIZE;
	expect_refused(test, t->other, -EIO);
	map[0].size -= TEST_SIZE - PAGE_SIZE;
	expect_refused(test, t->other, -EIO);
	t->other->dma_range_map = NULL;
}

static void test_smaller_mask(struct kunit *test)
{
	struct remap_test *t = test->priv;
	u64 last = phys_to_dma(t->other, t->phys) + TEST_SIZE - 1;

	t->other->coherent_dma_mask = last - 1;
	expect_refused(test, t->other, -EIO);
	t->other->coherent_dma_mask = last;
	expect_refused(test, t->other, 0);
}

static void test_bus_limit(struct kunit *test)
{
	struct remap_test *t = test->priv;

	t->other->bus_dma_limit = phys_to_dma(t->other, t->phys);
	expect_refused(test, t->other, -EIO);
}

/* All its mappings would bounce, as with swiotlb=force. */
static void test_forced_bounce(struct kunit *test)
{
#ifdef CONFIG_SWIOTLB
	struct remap_test *t = test->priv;
	struct io_tlb_mem mem = { .force_bounce = true };
	phys_addr_t pages[TEST_PAGES];

	fill_contiguous(pages, t->phys);
	t->other->dma_io_tlb_mem = &mem;
	expect_refused(test, t->other, -EIO);
	expect_error(test, remap_pages(t->owner, t->dma_addr, pages, t->other, DMA_TO_DEVICE),
		     -EIO);
	never_bounce(t->other);
#else
	kunit_skip(test, "needs SWIOTLB");
#endif
}

static void test_bad_arguments(struct kunit *test)
{
	struct remap_test *t = test->priv;
	phys_addr_t pages[TEST_PAGES];
	struct dma_runs list;

	fill_contiguous(pages, t->phys);
	expect_error(test, dma_alloc_remap(t->owner, t->cpu_addr, t->dma_addr, 0, 0,
					   t->other, DMA_TO_DEVICE), -EINVAL);
	expect_error(test, dma_alloc_remap(t->owner, t->cpu_addr, t->dma_addr, SIZE_MAX, 0,
					   t->other, DMA_TO_DEVICE), -EINVAL);
	expect_error(test, remap_dir(t, t->other, DMA_NONE), -EINVAL);
	expect_error(test, remap_dir(t, t->owner, DMA_NONE), -EINVAL);
	expect_error(test, remap_pages(t->owner, t->dma_addr, pages, t->other, DMA_NONE),
		     -EINVAL);
	dma_runs_init(&list, t->owner, DMA_RUNS_NONCOHERENT, 0);
	expect_error(test, dma_runs_map_for(&list, t->other, DMA_TO_DEVICE, 0), -ENXIO);

	t->other->dma_mask = NULL;
	expect_refused(test, t->other, -ENODEV);
	expect_error(test, remap_pages(t->owner, t->dma_addr, pages, t->other, DMA_TO_DEVICE),
		     -ENODEV);
	t->other->dma_mask = &t->other->coherent_dma_mask;
}

/* Pages 0 and 1 follow each other, 2 and 3 are elsewhere. */
static ssize_t stub_scattered(const struct dma_allocation *alloc, size_t offset,
			      phys_addr_t *phys)
{
	struct remap_test *t = kunit_get_current_test()->priv;

	if (offset >= t->fail_at)
		return -ENXIO;
	*phys = t->phys + offset + (offset < 2 * PAGE_SIZE ? 0 : SZ_1M * (offset / PAGE_SIZE));
	return PAGE_SIZE - offset_in_page(offset);
}

static void test_phys(struct kunit *test)
{
	struct remap_test *t = test->priv;
	phys_addr_t phys = 0;

	KUNIT_EXPECT_EQ(test, dma_alloc_phys(t->owner, t->cpu_addr, t->dma_addr, TEST_SIZE,
					     PAGE_SIZE + 100, &phys),
			TEST_SIZE - PAGE_SIZE - 100);
	KUNIT_EXPECT_EQ(test, phys, t->phys + PAGE_SIZE + 100);
	KUNIT_EXPECT_EQ(test, dma_alloc_phys(t->owner, t->cpu_addr, t->dma_addr, TEST_SIZE,
					     TEST_SIZE, &phys), -EINVAL);

	/* Up to where the next page is elsewhere, or not known. */
	kunit_activate_static_stub(test, dma_alloc_to_phys, stub_scattered);
	t->fail_at = SIZE_MAX;
	KUNIT_EXPECT_EQ(test, dma_alloc_phys(t->owner, t->cpu_addr, t->dma_addr, TEST_SIZE, 100,
					     &phys), 2 * PAGE_SIZE - 100);
	t->fail_at = PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, dma_alloc_phys(t->owner, t->cpu_addr, t->dma_addr, TEST_SIZE, 100,
					     &phys), -ENXIO);
}

static void fill_scattered(phys_addr_t *pages)
{
	struct dma_allocation alloc = { .size = TEST_SIZE };
	int i;

	for (i = 0; i < TEST_PAGES; i++)
		stub_scattered(&alloc, i * PAGE_SIZE, &pages[i]);
}

/* Pages 0 and 1, 2, and 3 with the address of each, for who does not merge. */
static void expect_scattered(struct kunit *test, const struct dma_runs *r, dma_addr_t start)
{
	expect_piece(test, r, 0, start, 2 * PAGE_SIZE);
	expect_piece(test, r, PAGE_SIZE, start + PAGE_SIZE, PAGE_SIZE);
	expect_piece(test, r, 2 * PAGE_SIZE, start + 2 * (SZ_1M + PAGE_SIZE), PAGE_SIZE);
	expect_piece(test, r, 3 * PAGE_SIZE, start + 3 * (SZ_1M + PAGE_SIZE), PAGE_SIZE);
}

static void test_extents(struct kunit *test)
{
	struct remap_test *t = test->priv;
	struct dma_runs *r;
	phys_addr_t phys;

	kunit_activate_static_stub(test, dma_alloc_to_phys, stub_scattered);
	r = remap(t, t->other);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	expect_scattered(test, r, phys_to_dma(t->other, t->phys));
	dma_runs_free(r);

	KUNIT_EXPECT_EQ(test, dma_alloc_phys(t->owner, t->cpu_addr, t->dma_addr, TEST_SIZE, 0,
					     &phys), 2 * PAGE_SIZE);
}

/* Each page in turn is out of reach, or it is not known where it is. */
static void test_extents_undo(struct kunit *test)
{
	struct remap_test *t = test->priv;

	kunit_activate_static_stub(test, dma_alloc_to_phys, stub_scattered);
	t->other->coherent_dma_mask = phys_to_dma(t->other, t->phys) + 3 * SZ_1M;
	expect_refused(test, t->other, -EIO);
	t->other->coherent_dma_mask = DMA_BIT_MASK(64);

	for (t->fail_at = 0; t->fail_at < TEST_SIZE; t->fail_at += PAGE_SIZE)
		expect_refused(test, t->other, -ENXIO);
	expect_refused(test, t->other, 0);
}

#ifdef CONFIG_DMA_SHARED_BUFFER
static struct dma_runs *exporter_map_runs(struct dma_buf_attachment *attach,
					  enum dma_data_direction dir)
{
	struct remap_test *t = attach->dmabuf->priv;
	struct dma_runs *runs;

	if (!t->empty)
		return remap_dir(t, attach->dev, dir);
	runs = kmalloc_obj(*runs);
	if (!runs)
		return ERR_PTR(-ENOMEM);
	dma_runs_init(runs, attach->dev, DMA_RUNS_STREAMING, TEST_PAGES);

	return runs;
}

static void exporter_release(struct dma_buf *dmabuf)
{
}

static const struct dma_buf_ops exporter_ops = {
	.map_runs = exporter_map_runs,
	.release = exporter_release,
};

/* The table that an importer gets, with what a check expects of it, or an error. */
static void check_table(struct kunit *test, struct device *dev, int err,
			void (*check)(struct kunit *test, struct sg_table *sgt))
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;

	info.ops = &exporter_ops;
	info.priv = test->priv;
	info.size = TEST_SIZE;
	dmabuf = dma_buf_export(&info);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	attach = dma_buf_attach(dmabuf, dev);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, attach);
	if (!IS_ERR(attach)) {
		sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(sgt), err);
		if (!IS_ERR(sgt)) {
			if (check)
				check(test, sgt);
			dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_BIDIRECTIONAL);
		}
		dma_buf_detach(dmabuf, attach);
	}
	dma_buf_put(dmabuf);
}

static void check_no_pages(struct kunit *test, struct sg_table *sgt)
{
	KUNIT_EXPECT_NULL(test, sg_page(sgt->sgl));
	/* Debugging has a copy, that never has pages. */
	if (!IS_ENABLED(CONFIG_DMABUF_DEBUG))
		KUNIT_EXPECT_EQ(test, sgt->orig_nents, 0);
}

static void check_pageless_table(struct kunit *test, struct sg_table *sgt)
{
	KUNIT_EXPECT_EQ(test, sgt->nents, 3);
	check_no_pages(test, sgt);
}

static void expect_pageless_table(struct kunit *test)
{
	struct remap_test *t = test->priv;

	check_table(test, t->other, 0, check_pageless_table);
	check_table(test, t->owner, 0, check_no_pages);
}
#else
static void expect_pageless_table(struct kunit *test) { }
#endif

static void test_pageless(struct kunit *test)
{
	struct remap_test *t = test->priv;
	struct dma_runs *r;

	t->phys = (phys_addr_t)BIT_ULL(40);
	if (!t->phys || pfn_valid(PHYS_PFN(t->phys)) || sizeof(dma_addr_t) < 8)
		kunit_skip(test, "no address without pages");
	kunit_activate_static_stub(test, dma_alloc_to_phys, stub_scattered);
	r = remap(t, t->other);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	KUNIT_EXPECT_TRUE(test, r->attrs & DMA_ATTR_MMIO);
	expect_scattered(test, r, phys_to_dma(t->other, t->phys));
	dma_runs_free(r);
	expect_pageless_table(test);

	t->other->coherent_dma_mask = DMA_BIT_MASK(40);
	expect_refused(test, t->other, -EIO);
}

/* The table that importers of a dma-buf get, for those who look with its pages. */
#ifdef CONFIG_DMA_SHARED_BUFFER
static void expect_pages(struct kunit *test, struct sg_table *sgt)
{
	phys_addr_t pages[TEST_PAGES];
	struct sg_page_iter iter;
	int i = 0;

	if (IS_ENABLED(CONFIG_DMABUF_DEBUG))
		return;
	fill_scattered(pages);
	for_each_sgtable_page(sgt, &iter, 0) {
		if (i < TEST_PAGES)
			KUNIT_EXPECT_EQ(test, page_to_phys(sg_page_iter_page(&iter)), pages[i]);
		i++;
	}
	KUNIT_EXPECT_EQ(test, i, TEST_PAGES);
}

static void check_table_of_other(struct kunit *test, struct sg_table *sgt)
{
	struct remap_test *t = test->priv;
	phys_addr_t pages[TEST_PAGES];
	struct scatterlist *sg;
	int i, page = 0;

	fill_scattered(pages);
	KUNIT_EXPECT_EQ(test, sgt->nents, 3);
	for_each_sgtable_dma_sg(sgt, sg, i) {
		KUNIT_EXPECT_EQ(test, sg_dma_address(sg), phys_to_dma(t->other, pages[page]));
		KUNIT_EXPECT_EQ(test, sg_dma_len(sg), page ? PAGE_SIZE : 2 * PAGE_SIZE);
		page += page ? 1 : 2;
		if (page >= TEST_PAGES)
			break;
	}
	expect_pages(test, sgt);
}

/* One address for all, pages of their own. */
static void check_table_of_owner(struct kunit *test, struct sg_table *sgt)
{
	struct remap_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, sgt->nents, 1);
	KUNIT_EXPECT_EQ(test, sg_dma_address(sgt->sgl), t->dma_addr);
	KUNIT_EXPECT_EQ(test, sg_dma_len(sgt->sgl), TEST_SIZE);
	if (IS_ENABLED(CONFIG_NEED_SG_DMA_LENGTH))
		expect_pages(test, sgt);
	else if (!IS_ENABLED(CONFIG_DMABUF_DEBUG))
		KUNIT_EXPECT_EQ(test, sgt->orig_nents, 0);
}

static void check_table_of_nothing(struct kunit *test, struct sg_table *sgt)
{
	KUNIT_EXPECT_EQ(test, sgt->nents, 0);
	KUNIT_EXPECT_EQ(test, sgt->orig_nents, 0);
}

static void test_dma_buf_table(struct kunit *test)
{
	struct remap_test *t = test->priv;

	kunit_activate_static_stub(test, dma_alloc_to_phys, stub_scattered);
	check_table(test, t->other, 0, check_table_of_other);
	check_table(test, t->owner, 0, check_table_of_owner);
	t->fail_at = 0;
	check_table(test, t->other, -ENXIO, NULL);
	/* Debugging cannot copy it. */
	t->empty = true;
	check_table(test, t->other, IS_ENABLED(CONFIG_DMABUF_DEBUG) ? -EINVAL : 0,
		    check_table_of_nothing);
}
#else
static void test_dma_buf_table(struct kunit *test)
{
	kunit_skip(test, "needs DMA_SHARED_BUFFER");
}
#endif

/* DMA_API_DEBUG complains of syncs of what it does not know. */
static void expect_syncs(struct kunit *test, const struct dma_runs *r)
{
	kunit_warning_suppress(test) {
		dma_sync_single_for_device(r->dev, remap_addr(r, 0), PAGE_SIZE, r->dir);
		dma_sync_single_for_cpu(r->dev, remap_addr(r, PAGE_SIZE), PAGE_SIZE, r->dir);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
}

/* None of which DMA_API_DEBUG complains: all of it, or nothing if it is coherent. */
static void expect_remap_syncs(struct kunit *test, const struct dma_runs *r)
{
	kunit_warning_suppress(test) {
		dma_runs_sync(r, 0, TEST_SIZE, DMA_TO_DEVICE, true);
		dma_runs_sync(r, 0, TEST_SIZE, DMA_FROM_DEVICE, false);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
}

static void test_noncoherent(struct kunit *test)
{
	struct remap_test *t = test->priv;
	phys_addr_t pages[TEST_PAGES];
	struct dma_runs *r;
	dma_addr_t dma_addr;
	void *cpu_addr;

	cpu_addr = dma_alloc_noncoherent(t->owner, TEST_SIZE, &dma_addr, DMA_BIDIRECTIONAL,
					 GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cpu_addr);
	fill_contiguous(pages, dma_to_phys(t->owner, dma_addr));
	r = remap_pages(t->owner, dma_addr, pages, t->other, DMA_FROM_DEVICE);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, r);
	if (!IS_ERR(r)) {
		KUNIT_EXPECT_TRUE(test, r->kind == DMA_RUNS_NONCOHERENT);
		expect_piece(test, r, 0, phys_to_dma(t->other, pages[0]), TEST_SIZE);
		expect_syncs(test, r);
		expect_remap_syncs(test, r);
		dma_runs_free(r);
	}
	/* What is mapped by being allocated is in the direction of the allocation. */
	r = remap_pages(t->owner, dma_addr, pages, t->owner, DMA_FROM_DEVICE);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, r);
	if (!IS_ERR(r)) {
		KUNIT_EXPECT_TRUE(test, r->dir == DMA_BIDIRECTIONAL);
		expect_piece(test, r, 0, dma_addr, TEST_SIZE);
		expect_remap_syncs(test, r);
		dma_runs_free(r);
	}
	dma_free_noncoherent(t->owner, TEST_SIZE, cpu_addr, dma_addr, DMA_BIDIRECTIONAL);
}

static phys_addr_t to_phys(struct device *dev, dma_addr_t addr)
{
	return use_dma_iommu(dev) ? iommu_dma_alloc_to_phys(dev, addr) : dma_to_phys(dev, addr);
}

/* @dev reaches page by page what the table says that @owner has. */
static void remap_noncontiguous(struct kunit *test, struct device *owner, struct device *dev)
{
	phys_addr_t pages[TEST_PAGES] = { };
	struct sg_page_iter iter;
	struct sg_table *sgt;
	struct dma_runs *r;
	int i = 0;

	sgt = dma_alloc_noncontiguous(owner, TEST_SIZE, DMA_BIDIRECTIONAL, GFP_KERNEL, 0);
	KUNIT_ASSERT_NOT_NULL(test, sgt);
	for_each_sgtable_page(sgt, &iter, 0) {
		if (i < TEST_PAGES)
			pages[i] = page_to_phys(sg_page_iter_page(&iter));
		i++;
	}
	KUNIT_EXPECT_EQ(test, i, TEST_PAGES);
	r = remap_pages(owner, sg_dma_address(sgt->sgl), pages, dev, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, r);
	if (!IS_ERR(r)) {
		for (i = 0; i < TEST_PAGES; i++)
			KUNIT_EXPECT_EQ(test, to_phys(dev, remap_addr(r, i * PAGE_SIZE)),
					pages[i]);
		expect_syncs(test, r);
		expect_remap_syncs(test, r);
		dma_runs_free(r);
	}
	dma_free_noncontiguous(owner, TEST_SIZE, sgt, DMA_BIDIRECTIONAL);
}

static void test_noncontiguous(struct kunit *test)
{
	struct remap_test *t = test->priv;

	remap_noncontiguous(test, t->owner, t->other);
}

#if defined(CONFIG_DMA_DECLARE_COHERENT) && defined(CONFIG_PCI)
/* What QEMU calls ivshmem has memory without pages in its second BAR. */
#define IVSHMEM_DEVICE 0x1110
#define IVSHMEM_BAR 2

static void put_ivshmem(void *data)
{
	pci_disable_device(data);
	pci_dev_put(data);
}

KUNIT_DEFINE_ACTION_WRAPPER(release_pool, dma_release_coherent_memory, struct device *);

static void declare_pool(struct kunit *test, struct device *dev)
{
	struct pci_dev *pdev = pci_get_device(PCI_VENDOR_ID_REDHAT_QUMRANET, IVSHMEM_DEVICE, NULL);
	phys_addr_t phys;

	if (!pdev)
		kunit_skip(test, "no ivshmem device here, whose memory has no pages");
	KUNIT_ASSERT_EQ(test, pci_enable_device_mem(pdev), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_ivshmem, pdev), 0);
	phys = pci_resource_start(pdev, IVSHMEM_BAR);
	/* The device sees it where the system has something else. */
	KUNIT_ASSERT_EQ(test, dma_declare_coherent_memory(dev, phys, 0, SZ_64K), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_pool, dev), 0);
}

/* A device's own memory: where it is for others is not known, and never guessed. */
static void test_pool(struct kunit *test)
{
	struct remap_test *t = test->priv;
	struct device *dev = test_device(test, "pool");
	struct dma_runs *r;
	dma_addr_t dma_addr;
	phys_addr_t phys;
	void *cpu_addr;

	declare_pool(test, dev);
	cpu_addr = dma_alloc_coherent(dev, TEST_SIZE, &dma_addr, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cpu_addr);
	KUNIT_EXPECT_LT(test, dma_addr, SZ_64K);

	expect_error(test, dma_alloc_remap(dev, cpu_addr, dma_addr, TEST_SIZE, 0, t->other,
					   DMA_BIDIRECTIONAL), -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, dma_alloc_phys(dev, cpu_addr, dma_addr, TEST_SIZE, 0, &phys),
			-EREMOTEIO);
	expect_error(test, dma_alloc_remap(dev, cpu_addr, dma_addr, SZ_1M, 0, t->other,
					   DMA_BIDIRECTIONAL), -EINVAL);

	r = dma_alloc_remap(dev, cpu_addr, dma_addr, TEST_SIZE, 0, dev, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, r);
	if (!IS_ERR(r)) {
		expect_piece(test, r, 0, dma_addr, TEST_SIZE);
		KUNIT_EXPECT_EQ(test, dma_runs_phys(r, 0), DMA_RUN_NO_PHYS);
		dma_runs_free(r);
	}
	dma_free_coherent(dev, TEST_SIZE, cpu_addr, dma_addr);
}
#else
static void test_pool(struct kunit *test)
{
	kunit_skip(test, "needs DMA_DECLARE_COHERENT and PCI");
}
#endif

KUNIT_DEFINE_ACTION_WRAPPER(put_node, of_node_put, struct device_node *);
KUNIT_DEFINE_ACTION_WRAPPER(release_reserved, of_reserved_mem_device_release, struct device *);

/* A device tree sets memory of the system apart for a device: others find it there. */
static void test_reserved_pool(struct kunit *test)
{
	struct device_node *np = of_find_compatible_node(NULL, NULL, "kunit,pool-owner");
	struct remap_test *t = test->priv;
	struct device *dev;
	struct dma_runs *r;
	dma_addr_t dma_addr;
	phys_addr_t phys;
	void *cpu_addr;

	if (!np)
		kunit_skip(test, "no device tree here sets memory apart");
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_node, np), 0);
	dev = test_device(test, "pool");
	dev->of_node = np;
	KUNIT_ASSERT_EQ(test, of_reserved_mem_device_init(dev), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_reserved, dev), 0);
	cpu_addr = dma_alloc_coherent(dev, TEST_SIZE, &dma_addr, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cpu_addr);

	KUNIT_EXPECT_EQ(test, dma_alloc_phys(dev, cpu_addr, dma_addr, TEST_SIZE, PAGE_SIZE, &phys),
			TEST_SIZE - PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, phys, dma_to_phys(dev, dma_addr) + PAGE_SIZE);
	r = dma_alloc_remap(dev, cpu_addr, dma_addr, TEST_SIZE, 0, t->other, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, r);
	if (!IS_ERR(r)) {
		expect_piece(test, r, 0, phys_to_dma(t->other, phys - PAGE_SIZE), TEST_SIZE);
		dma_runs_free(r);
	}
	expect_error(test, dma_alloc_remap(dev, cpu_addr, dma_addr, SZ_2M, 0, t->other,
					   DMA_BIDIRECTIONAL), -EINVAL);
	dma_free_coherent(dev, TEST_SIZE, cpu_addr, dma_addr);
}

/* DMA_API_DEBUG has two entries for the same addresses then. */
static void test_twice(struct kunit *test)
{
	struct remap_test *t = test->priv;
	phys_addr_t pages[TEST_PAGES];
	struct dma_runs *r[2];
	int i;

	fill_contiguous(pages, t->phys);
	for (i = 0; i < ARRAY_SIZE(r); i++) {
		r[i] = remap_pages(t->owner, t->dma_addr, pages, t->other, DMA_FROM_DEVICE);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r[i]);
	}
	expect_syncs(test, r[0]);
	for (i = 0; i < ARRAY_SIZE(r); i++)
		dma_runs_free(r[i]);
}

/*
 * One that snoops shares what the CPU does not cache as it is.  The other way
 * round the caches have to be maintained, which takes pages.
 */
static void test_incoherent_device(struct kunit *test)
{
#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU_ALL)
	struct remap_test *t = test->priv;
	bool snoops = dev_is_dma_coherent(t->owner);
	struct dma_runs *r;

	dev_assign_dma_coherent(t->owner, true);
	dev_assign_dma_coherent(t->other, false);
	/* Has the core ask whether there is something to be synced. */
	KUNIT_EXPECT_EQ(test, dma_set_mask(t->other, DMA_BIT_MASK(64)), 0);
	r = remap(t, t->other);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	KUNIT_EXPECT_TRUE(test, r->kind == DMA_RUNS_NONCOHERENT);
	expect_syncs(test, r);
	expect_remap_syncs(test, r);
	dma_runs_free(r);

	dev_assign_dma_coherent(t->owner, false);
	dev_assign_dma_coherent(t->other, true);
	r = remap(t, t->other);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	KUNIT_EXPECT_TRUE(test, r->kind == DMA_RUNS_COHERENT);
	expect_remap_syncs(test, r);
	dma_runs_free(r);

	dev_assign_dma_coherent(t->owner, true);
	dev_assign_dma_coherent(t->other, false);
	t->phys = (phys_addr_t)BIT_ULL(40);
	if (t->phys && !pfn_valid(PHYS_PFN(t->phys)) && sizeof(dma_addr_t) == 8) {
		kunit_activate_static_stub(test, dma_alloc_to_phys, stub_scattered);
		expect_refused(test, t->other, -EOPNOTSUPP);
	}
	dev_assign_dma_coherent(t->owner, snoops);
#else
	kunit_skip(test, "all devices snoop here");
#endif
}

/* As many entries go as there were, whatever the number of runs. */
static void test_unmap_symmetry(struct kunit *test)
{
	struct remap_test *t = test->priv;
	phys_addr_t pages[TEST_PAGES];
	dma_addr_t addr[TEST_PAGES];
	struct dma_runs *r;
	int i;

	if (!IS_ENABLED(CONFIG_DMA_API_DEBUG))
		kunit_skip(test, "needs DMA_API_DEBUG");
	fill_scattered(pages);
	r = remap_pages(t->owner, t->dma_addr, pages, t->other, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	expect_scattered(test, r, phys_to_dma(t->other, t->phys));
	for (i = 0; i < ARRAY_SIZE(addr); i++)
		addr[i] = remap_addr(r, i * PAGE_SIZE);
	kunit_warning_suppress(test) {
		dma_runs_free(r);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
	for (i = 0; i < ARRAY_SIZE(addr); i++) {
		kunit_warning_suppress(test) {
			dma_sync_single_for_device(t->other, addr[i], PAGE_SIZE, DMA_TO_DEVICE);
			KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
		}
	}
}

/* The bus stays: DMA_API_DEBUG never lets go of one. */
static const struct bus_type leak_bus = { .name = "dma_alloc_remap_test" };

static int leak_bus_get(void)
{
	static bool registered;
	int ret;

	if (registered)
		return 0;
	ret = bus_register(&leak_bus);
	if (ret)
		return ret;
	dma_debug_add_bus(&leak_bus);
	registered = true;
	return 0;
}

static void leak_device_release(struct device *dev)
{
	kfree(dev);
}

static struct device *leak_device(struct kunit *test)
{
	struct device *dev = kzalloc_obj(*dev);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	device_initialize(dev);
	dev->bus = &leak_bus;
	dev->release = leak_device_release;
	dev->coherent_dma_mask = DMA_BIT_MASK(64);
	dev->dma_mask = &dev->coherent_dma_mask;
	never_bounce(dev);
	dev_set_name(dev, "leak");
	return dev;
}

/* The driver is gone, what it was to release is not. */
static void test_leak(struct kunit *test)
{
	struct device_driver driver = { .name = "leak", .bus = &leak_bus };
	struct remap_test *t = test->priv;
	struct dma_runs *r;
	struct device *dev;

	if (!IS_ENABLED(CONFIG_DMA_API_DEBUG))
		kunit_skip(test, "needs DMA_API_DEBUG");
	KUNIT_ASSERT_EQ(test, leak_bus_get(), 0);
	dev = leak_device(test);
	KUNIT_EXPECT_EQ(test, driver_register(&driver), 0);
	KUNIT_EXPECT_EQ(test, device_add(dev), 0);
	KUNIT_EXPECT_PTR_EQ(test, dev->driver, &driver);

	r = remap(t, dev);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, r);
	kunit_warning_suppress(test) {
		driver_unregister(&driver);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	if (!IS_ERR(r))
		dma_runs_free(r);
	device_unregister(dev);
}

/*
 * What fails on the way
 */

#ifdef CONFIG_FAULT_INJECTION
static bool can_fail_alloc(void)
{
	void *p;

	current->fail_nth = 1;
	p = kmalloc(64, GFP_KERNEL | __GFP_NOWARN);
	current->fail_nth = 0;
	kfree(p);
	return !p;
}

/*
 * Every allocation in turn, until there is none left to fail.  An IOMMU does not
 * say why it cannot map.
 */
static void fail_allocs(struct kunit *test, struct device *dev)
{
	int n, failed = 0;

	if (!can_fail_alloc())
		kunit_skip(test, "failslab spares sleeping allocations, see ignore-gfp-wait");
	for (n = 1; n < 1000; n++) {
		bool all_done;
		struct dma_runs *r;

		current->fail_nth = n;
		r = remap(test->priv, dev);
		all_done = current->fail_nth;
		current->fail_nth = 0;
		if (IS_ERR(r)) {
			if (!use_dma_iommu(dev) || PTR_ERR(r) != -EIO)
				KUNIT_EXPECT_EQ(test, PTR_ERR(r), -ENOMEM);
			failed++;
		} else {
			dma_runs_free(r);
		}
		if (all_done)
			break;
	}
	KUNIT_EXPECT_GT(test, failed, 0);
	kunit_info(test, "%d of %d allocations failed the call", failed, n - 1);
}

/* Returns whether there was an allocation left to fail. */
static bool map_domain_failing(struct kunit *test, const struct dma_runs *runs,
			       struct device *dev, unsigned long iova, int n)
{
	struct iommu_domain *domain = iommu_paging_domain_alloc(dev);
	bool failed;
	int ret;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	current->fail_nth = n;
	ret = dma_runs_iommu_map(runs, domain, iova, IOMMU_READ);
	failed = !current->fail_nth;
	current->fail_nth = 0;
	KUNIT_EXPECT_EQ(test, ret, failed ? -ENOMEM : 0);
	KUNIT_EXPECT_EQ(test, !iommu_iova_to_phys(domain, iova), failed);
	KUNIT_EXPECT_EQ(test, !iommu_iova_to_phys(domain, iova + PAGE_SIZE), failed);
	iommu_domain_free(domain);

	return failed;
}
#else
static void fail_allocs(struct kunit *test, struct device *dev)
{
	kunit_skip(test, "CONFIG_FAULT_INJECTION is off");
}

static bool can_fail_alloc(void)
{
	return false;
}

static bool map_domain_failing(struct kunit *test, const struct dma_runs *runs,
			       struct device *dev, unsigned long iova, int n)
{
	return false;
}
#endif

static void test_alloc_undo(struct kunit *test)
{
	struct remap_test *t = test->priv;

	kunit_activate_static_stub(test, dma_alloc_to_phys, stub_scattered);
	fail_allocs(test, t->other);
}

/*
 * Implementations of dma_map_ops
 */

#ifdef CONFIG_ARCH_HAS_DMA_OPS
#define OPS_ADDR SZ_512M

static dma_addr_t ops_map_phys(struct device *dev, phys_addr_t phys, size_t size,
			       enum dma_data_direction dir, unsigned long attrs)
{
	struct remap_test *t = dev_get_drvdata(dev);

	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC) || phys >= t->fail_at)
		return DMA_MAPPING_ERROR;
	t->mapped++;
	return phys + OPS_ADDR;
}

static void ops_unmap_phys(struct device *dev, dma_addr_t dma_addr, size_t size,
			   enum dma_data_direction dir, unsigned long attrs)
{
	struct remap_test *t = dev_get_drvdata(dev);

	t->mapped--;
}

/* Makes all of it contiguous. */
static int ops_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir, unsigned long attrs)
{
	struct remap_test *t = dev_get_drvdata(dev);
	struct scatterlist *sg;
	size_t size = 0;
	int i;

	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC) || t->fail_at != SIZE_MAX)
		return -EINVAL;
	for_each_sg(sgl, sg, nents, i)
		size += sg->length;
	sg_dma_address(sgl) = OPS_ADDR;
	sg_dma_len(sgl) = size;
	t->mapped += nents;
	return 1;
}

static void ops_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			 enum dma_data_direction dir, unsigned long attrs)
{
	struct remap_test *t = dev_get_drvdata(dev);

	t->mapped -= nents;
}

static void ops_sync(struct device *dev, dma_addr_t dma_addr, size_t size,
		     enum dma_data_direction dir)
{
	struct remap_test *t = dev_get_drvdata(dev);

	t->synced++;
	t->largest_sync = max(t->largest_sync, size);
}

/* It would have to, and is asked not to. */
static dma_addr_t ops_map_bouncing(struct device *dev, phys_addr_t phys, size_t size,
				   enum dma_data_direction dir, unsigned long attrs)
{
	struct remap_test *t = dev_get_drvdata(dev);

	if (phys >= t->fail_at && attrs & DMA_ATTR_NO_BOUNCE)
		return DMA_MAPPING_ERROR;
	t->mapped++;
	return phys + OPS_ADDR;
}

static size_t ops_max_mapping_size(struct device *dev)
{
	return PAGE_SIZE;
}

static unsigned long ops_get_merge_boundary(struct device *dev)
{
	return PAGE_SIZE - 1;
}

static const struct dma_map_ops phys_ops = {
	.map_phys = ops_map_phys,
	.unmap_phys = ops_unmap_phys,
};

static const struct dma_map_ops sg_ops = {
	.map_phys = ops_map_phys,
	.unmap_phys = ops_unmap_phys,
	.get_merge_boundary = ops_get_merge_boundary,
	.sync_single_for_device = ops_sync,
	.map_sg = ops_map_sg,
	.unmap_sg = ops_unmap_sg,
};

static const struct dma_map_ops bounce_ops = {
	.map_phys = ops_map_bouncing,
	.unmap_phys = ops_unmap_phys,
	.max_mapping_size = ops_max_mapping_size,
};

static const struct dma_map_ops no_ops = { };

static void test_ops(struct kunit *test)
{
	struct remap_test *t = test->priv;
	struct dma_runs *r;

	set_dma_ops(t->other, &phys_ops);
	dev_set_drvdata(t->other, t);
	r = remap(t, t->other);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, r);
	if (!IS_ERR(r)) {
		expect_piece(test, r, 0, t->phys + OPS_ADDR, TEST_SIZE);
		KUNIT_EXPECT_EQ(test, t->mapped, 1);
		dma_runs_free(r);
	}

	/* The last of several. */
	kunit_activate_static_stub(test, dma_alloc_to_phys, stub_scattered);
	expect_refused(test, t->other, 0);
	t->fail_at = t->phys + 3 * SZ_1M;
	expect_refused(test, t->other, -EIO);

	KUNIT_EXPECT_EQ(test, t->mapped, 0);

	/* Those that do not map. */
	t->fail_at = SIZE_MAX;
	set_dma_ops(t->other, &no_ops);
	expect_refused(test, t->other, -EIO);
	set_dma_ops(t->other, NULL);
}

/* Those that bounce if they have to: what must not is no matter of size. */
static void test_ops_bounce(struct kunit *test)
{
	struct remap_test *t = test->priv;
	struct dma_runs *r;

	set_dma_ops(t->other, &bounce_ops);
	dev_set_drvdata(t->other, t);
	kunit_activate_static_stub(test, dma_alloc_to_phys, stub_scattered);
	t->fail_at = t->phys + 3 * SZ_1M;
	expect_refused(test, t->other, -EIO);
	KUNIT_EXPECT_EQ(test, t->mapped, 0);

	t->fail_at = SIZE_MAX;
	r = remap(t, t->other);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, r);
	if (!IS_ERR(r)) {
		expect_scattered(test, r, t->phys + OPS_ADDR);
		KUNIT_EXPECT_EQ(test, t->mapped, 3);
		dma_runs_free(r);
	}
	KUNIT_EXPECT_EQ(test, t->mapped, 0);
	set_dma_ops(t->other, NULL);
}

static void test_ops_merge(struct kunit *test)
{
	struct remap_test *t = test->priv;
	struct dma_runs *r;

	set_dma_ops(t->other, &sg_ops);
	dev_set_drvdata(t->other, t);
	kunit_activate_static_stub(test, dma_alloc_to_phys, stub_scattered);
	r = remap(t, t->other);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, r);
	if (!IS_ERR(r)) {
		KUNIT_EXPECT_EQ(test, t->mapped, 3);
		expect_piece(test, r, 0, OPS_ADDR, TEST_SIZE);
		dma_runs_free(r);
	}
	KUNIT_EXPECT_EQ(test, t->mapped, 0);

	/* What is not merged is mapped one by one, and neither if that fails, too. */
	t->fail_at = SIZE_MAX - 1;
	r = remap(t, t->other);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, r);
	if (!IS_ERR(r)) {
		KUNIT_EXPECT_EQ(test, t->mapped, 3);
		expect_scattered(test, r, t->phys + OPS_ADDR);
		dma_runs_free(r);
	}
	t->fail_at = t->phys + 3 * SZ_1M;
	expect_refused(test, t->other, -EIO);
	KUNIT_EXPECT_EQ(test, t->mapped, 0);
	set_dma_ops(t->other, NULL);
}

/* What is contiguous for the device is synced as it lies in memory. */
static void test_ops_sync(struct kunit *test)
{
	struct remap_test *t = test->priv;
	phys_addr_t pages[TEST_PAGES];
	struct dma_runs *r, runs;

	set_dma_ops(t->other, &sg_ops);
	dev_set_drvdata(t->other, t);
	/* Has the core ask whether there is something to be synced. */
	KUNIT_EXPECT_EQ(test, dma_set_mask(t->other, DMA_BIT_MASK(64)), 0);
	fill_scattered(pages);
	r = remap_pages(t->owner, t->dma_addr, pages, t->other, DMA_TO_DEVICE);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, r);
	if (!IS_ERR(r)) {
		expect_piece(test, r, 0, OPS_ADDR, TEST_SIZE);
		/* The device has it from the start. */
		KUNIT_EXPECT_EQ(test, t->synced, 3);
		dma_runs_sync(r, 0, TEST_SIZE, DMA_TO_DEVICE, true);
		KUNIT_EXPECT_EQ(test, t->synced, 6);
		KUNIT_EXPECT_EQ(test, t->largest_sync, 2 * PAGE_SIZE);
		dma_runs_free(r);
	}

	/* What the CPU wrote to streaming memory, too. Nothing is taken back by the end. */
	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 2);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 0, pages[0], 1), 0);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 1, pages[TEST_PAGES - 1], 1), 0);
	t->synced = 0;
	r = dma_runs_map_for(&runs, t->other, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, r);
	KUNIT_EXPECT_EQ(test, t->synced, 2);
	if (!IS_ERR(r))
		dma_runs_free(r);
	KUNIT_EXPECT_EQ(test, t->synced, 2);
	KUNIT_EXPECT_EQ(test, t->mapped, 0);
	dma_runs_clear(&runs);

	/* What is coherent is not synced. */
	t->synced = 0;
	r = remap(t, t->other);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, r);
	if (!IS_ERR(r)) {
		dma_runs_sync(r, 0, TEST_SIZE, DMA_TO_DEVICE, true);
		KUNIT_EXPECT_EQ(test, t->synced, 0);
		dma_runs_free(r);
	}
	set_dma_ops(t->other, NULL);
	KUNIT_EXPECT_EQ(test, dma_set_mask(t->other, DMA_BIT_MASK(64)), 0);
}
#else
static void test_ops(struct kunit *test)
{
	kunit_skip(test, "needs ARCH_HAS_DMA_OPS");
}

static void test_ops_bounce(struct kunit *test)
{
	kunit_skip(test, "needs ARCH_HAS_DMA_OPS");
}

static void test_ops_sync(struct kunit *test)
{
	kunit_skip(test, "needs ARCH_HAS_DMA_OPS");
}

static void test_ops_merge(struct kunit *test)
{
	kunit_skip(test, "needs ARCH_HAS_DMA_OPS");
}
#endif

/*
 * Behind an IOMMU
 */

KUNIT_DEFINE_ACTION_WRAPPER(put_device_action, put_device, struct device *);

/* The @nr-th device that is behind an IOMMU and that nobody uses. */
static struct device *iommu_device(struct kunit *test, int nr)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		if (pdev->dev.driver || !use_dma_iommu(&pdev->dev) || nr--)
			continue;
		KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_device_action,
								&pdev->dev), 0);
		kunit_info(test, "%s %04x:%04x", pci_name(pdev), pdev->vendor, pdev->device);
		return &pdev->dev;
	}
	kunit_skip(test, "not enough PCI devices without driver behind an IOMMU");
}

/* What the IOMMU finds at the address of each page, 0 once that is unmapped. */
static void expect_translation(struct kunit *test, struct device *dev, dma_addr_t addr,
			       const phys_addr_t *phys)
{
	int i;

	for (i = 0; i < TEST_PAGES; i++)
		KUNIT_EXPECT_EQ(test, to_phys(dev, addr + i * PAGE_SIZE), phys ? phys[i] : 0);
}

/* One range, that leads to these pages while it is there. */
static void expect_iova(struct kunit *test, struct dma_runs *r, struct device *dev,
			const phys_addr_t *phys)
{
	dma_addr_t addr;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	addr = remap_addr(r, 0);
	expect_piece(test, r, 0, addr, TEST_SIZE);
	expect_translation(test, dev, addr, phys);
	expect_syncs(test, r);
	dma_runs_free(r);
	expect_translation(test, dev, addr, NULL);
}

static void test_iommu_other(struct kunit *test)
{
	struct remap_test *t = test->priv;
	struct device *dev = iommu_device(test, 0);
	phys_addr_t phys[TEST_PAGES];
	struct dma_runs *r;

	/* It may well snoop, or not, unlike a fake device. */
	if (dev_is_dma_coherent(t->owner) && !dev_is_dma_coherent(dev))
		kunit_skip(test, "the device does not snoop");
	fill_contiguous(phys, t->phys);
	r = remap(t, dev);
	expect_iova(test, r, dev, phys);
}

/* Scattered memory in one range, and as little as possible if that fails. */
static void test_iommu_merge(struct kunit *test)
{
	struct remap_test *t = test->priv;
	struct device *dev = iommu_device(test, 0);
	phys_addr_t phys[TEST_PAGES];
	struct dma_runs *r;
	dma_addr_t addr;

	if (dev_is_dma_coherent(t->owner) && !dev_is_dma_coherent(dev))
		kunit_skip(test, "the device does not snoop");
	fill_scattered(phys);
	kunit_activate_static_stub(test, dma_alloc_to_phys, stub_scattered);
	r = remap(t, dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	addr = remap_addr(r, 0);
	expect_iova(test, r, dev, phys);
	for (t->fail_at = TEST_SIZE; t->fail_at; ) {
		t->fail_at -= PAGE_SIZE;
		expect_refused(test, dev, -ENXIO);
		/* The range that was freed last was the next to be taken. */
		expect_translation(test, dev, addr, NULL);
	}
}

static void iommu_owner(struct kunit *test, struct device *owner, struct device *dev)
{
	phys_addr_t phys[TEST_PAGES];
	struct dma_runs *r;
	dma_addr_t dma_addr;
	void *cpu_addr;
	int i;

	if (dev_is_dma_coherent(owner))
		dev_assign_dma_coherent(dev, true);
	cpu_addr = dma_alloc_coherent(owner, TEST_SIZE, &dma_addr, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cpu_addr);
	for (i = 0; i < TEST_PAGES; i++)
		phys[i] = page_to_phys(vmalloc_to_page(cpu_addr + i * PAGE_SIZE));
	r = dma_alloc_remap(owner, cpu_addr, dma_addr, TEST_SIZE, 0, dev, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, r);
	if (!IS_ERR(r) && use_dma_iommu(dev)) {
		expect_iova(test, r, dev, phys);
	} else if (!IS_ERR(r)) {
		for (i = 0; i < TEST_PAGES; i++)
			KUNIT_EXPECT_EQ(test, to_phys(dev, remap_addr(r, i * PAGE_SIZE)), phys[i]);
		dma_runs_free(r);
	}
	expect_translation(test, owner, dma_addr, phys);
	dma_free_coherent(owner, TEST_SIZE, cpu_addr, dma_addr);
}

static void test_iommu_owner(struct kunit *test)
{
	struct remap_test *t = test->priv;

	iommu_owner(test, iommu_device(test, 0), t->other);
}

static void test_iommu_both(struct kunit *test)
{
	iommu_owner(test, iommu_device(test, 0), iommu_device(test, 1));
}

static void test_iommu_noncontiguous(struct kunit *test)
{
	struct remap_test *t = test->priv;
	struct device *dev = iommu_device(test, 0);

	remap_noncontiguous(test, dev, t->other);
	remap_noncontiguous(test, t->owner, dev);
}

/* Not a remap, but what remaps are made of, and DMA_API_DEBUG has to know it. */
static void test_iommu_link(struct kunit *test)
{
	struct remap_test *t = test->priv;
	struct device *dev = iommu_device(test, 0);
	struct dma_iova_state state;
	int warnings = IS_ENABLED(CONFIG_DMA_API_DEBUG);

	KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(dev, &state, 0, TEST_SIZE));
	KUNIT_EXPECT_EQ(test, dma_iova_link(dev, &state, t->phys, 0, TEST_SIZE,
					    DMA_TO_DEVICE, DMA_ATTR_SKIP_CPU_SYNC), 0);
	KUNIT_EXPECT_EQ(test, dma_iova_sync(dev, &state, 0, TEST_SIZE), 0);
	kunit_warning_suppress(test) {
		dma_sync_single_for_device(dev, state.addr + PAGE_SIZE, PAGE_SIZE, DMA_TO_DEVICE);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
	dma_iova_destroy(dev, &state, TEST_SIZE, DMA_TO_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
	kunit_warning_suppress(test) {
		dma_sync_single_for_device(dev, state.addr, PAGE_SIZE, DMA_TO_DEVICE);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, warnings);
	}
}

/* Into a domain that the DMA API knows nothing of: all of a list, or nothing. */
static void test_iommu_domain(struct kunit *test)
{
	struct device *dev = iommu_device(test, 0);
	struct iommu_domain *domain = iommu_paging_domain_alloc(dev);
	/* Either page takes page tables of its own. */
	unsigned long iova = SZ_1G - PAGE_SIZE;
	struct dma_runs runs;
	int n = 1;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 2);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 0, SZ_4M, 1), 0);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 1, SZ_1M, 1), 0);
	KUNIT_EXPECT_EQ(test, dma_runs_iommu_map(&runs, domain, iova, IOMMU_READ), 0);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(domain, iova), SZ_4M);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(domain, iova + PAGE_SIZE), SZ_1M);
	KUNIT_EXPECT_EQ(test, iommu_unmap(domain, iova, 2 * PAGE_SIZE), 2 * PAGE_SIZE);

	while (can_fail_alloc() && map_domain_failing(test, &runs, dev, iova, n))
		n++;
	if (n > 1)
		KUNIT_EXPECT_GT(test, n, 3);
	dma_runs_clear(&runs);

	/* What shows no pages leads where its device does, which an IOMMU translates. */
	dma_runs_init(&runs, dev, DMA_RUNS_IMPORTED, 1);
	KUNIT_EXPECT_EQ(test, dma_runs_iommu_map(&runs, domain, iova, IOMMU_READ), -EOPNOTSUPP);
	dma_runs_clear(&runs);
	iommu_domain_free(domain);
}

static void test_iommu_alloc_undo(struct kunit *test)
{
	fail_allocs(test, iommu_device(test, 0));
}

static struct kunit_case remap_test_cases[] = {
	KUNIT_CASE(test_same_device),
	KUNIT_CASE(test_other_device),
	KUNIT_CASE(test_direction),
	KUNIT_CASE(test_part_of_a_page),
	KUNIT_CASE(test_bus_offset),
	KUNIT_CASE(test_smaller_mask),
	KUNIT_CASE(test_bus_limit),
	KUNIT_CASE(test_forced_bounce),
	KUNIT_CASE(test_bad_arguments),
	KUNIT_CASE(test_phys),
	KUNIT_CASE(test_extents),
	KUNIT_CASE(test_extents_undo),
	KUNIT_CASE(test_pageless),
	KUNIT_CASE(test_dma_buf_table),
	KUNIT_CASE(test_noncoherent),
	KUNIT_CASE(test_noncontiguous),
	KUNIT_CASE(test_pool),
	KUNIT_CASE(test_reserved_pool),
	KUNIT_CASE(test_twice),
	KUNIT_CASE(test_incoherent_device),
	KUNIT_CASE(test_unmap_symmetry),
	KUNIT_CASE(test_leak),
	KUNIT_CASE(test_alloc_undo),
	KUNIT_CASE(test_ops),
	KUNIT_CASE(test_ops_bounce),
	KUNIT_CASE(test_ops_merge),
	KUNIT_CASE(test_ops_sync),
	KUNIT_CASE(test_iommu_other),
	KUNIT_CASE(test_iommu_merge),
	KUNIT_CASE(test_iommu_owner),
	KUNIT_CASE(test_iommu_both),
	KUNIT_CASE(test_iommu_noncontiguous),
	KUNIT_CASE(test_iommu_link),
	KUNIT_CASE(test_iommu_domain),
	KUNIT_CASE(test_iommu_alloc_undo),
	{}
};

static struct kunit_suite remap_test_suite = {
	.name = "dma_alloc_remap",
	.init = remap_test_init,
	.exit = remap_test_exit,
	.test_cases = remap_test_cases,
};

kunit_test_suite(remap_test_suite);
