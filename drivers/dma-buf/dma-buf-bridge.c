// SPDX-License-Identifier: GPL-2.0
/*
 * The bridge between lists of runs and scatterlists, for exporters and importers
 * that know only the one. Goes when the last of those is gone.
 */
#include <linux/dma-mapping.h>
#include <linux/dma-runs.h>
#include <linux/memory.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "dma-buf-bridge.h"

/* A table that was made of a list. Importers see sgt, and not how long it is. */
struct table_of_runs {
	struct sg_table sgt;
	struct dma_runs *runs;
	unsigned int nents;
};

/* A list that was made of a table. */
struct runs_of_table {
	struct dma_runs runs;
	struct sg_table *sgt;
};

/* The length of an entry has 32 bits. */
#define TABLE_MAX_SIZE	((u64)ALIGN_DOWN(UINT_MAX, PAGE_SIZE))

/* Calls for each piece that one entry can hold, if there are entries. */
static unsigned int table_add(struct scatterlist **sg, const struct dma_run *run,
			      void (*set)(struct scatterlist *sg, const struct dma_run *run,
					  u64 offset, unsigned int len))
{
	u64 offset, size = dma_run_size(run);
	unsigned int n = 0;

	for (offset = 0; offset < size; offset += TABLE_MAX_SIZE, n++) {
		if (!sg)
			continue;
		set(*sg, run, offset, min(size - offset, TABLE_MAX_SIZE));
		*sg = sg_next(*sg);
	}

	return n;
}

static void set_page(struct scatterlist *sg, const struct dma_run *run, u64 offset,
		     unsigned int len)
{
	sg_set_page(sg, phys_to_page(run->phys + offset), len, 0);
}

static void set_dma(struct scatterlist *sg, const struct dma_run *run, u64 offset,
		    unsigned int len)
{
	sg_dma_address(sg) = run->dma_addr + offset;
	sg_dma_len(sg) = len;
}

/*
 * Importers must not look for pages. Some do, for an IOMMU or another machine that
 * the DMA API does not know of, and find nothing to map without. Memory without
 * pages has none to be found, nor has a BAR that happens to have some: 0 entries.
 */
static unsigned int table_set_pages(const struct dma_runs *runs, struct scatterlist *sg)
{
	unsigned int n = 0;
	u32 i;

	if (runs->kind == DMA_RUNS_RESOURCE || runs->attrs & DMA_ATTR_MMIO)
		return 0;

	for (i = 0; i < runs->num_runs; i++) {
		const struct dma_run *run = &runs->runs[i];

		if (run->phys == DMA_RUN_NO_PHYS || !pfn_valid(PHYS_PFN(run->phys)))
			return 0;
		n += table_add(sg ? &sg : NULL, run, set_page);
	}

	return n;
}

static bool table_is_linked(const struct dma_runs *runs)
{
	return runs->num_runs > 1 && runs->runs->linked &&
	       (runs->kind != DMA_RUNS_RESOURCE || dma_runs_one_range(runs));
}

/*
 * What is linked is one range, however many runs it has, in entries of @max, if a page
 * is no more than that. A run by itself is never cut at what its device likes, some
 * importers take one entry only. Without an IOMMU the entries have to match the pages':
 * dma_sync_sgtable_for_cpu() goes by them.
 */
static unsigned int table_set_dma(const struct dma_runs *runs, struct scatterlist *sg, u64 max)
{
	u64 size = (u64)runs->num_pages << PAGE_SHIFT;
	struct dma_cursor cur = { };
	unsigned int n = 0;
	u32 i;

	if (max && table_is_linked(runs) && !dma_cursor_begin(&cur, runs, 0, size)) {
		for (; dma_cursor_next_max(&cur, max); n++) {
			if (!sg)
				continue;
			sg_dma_address(sg) = cur.dma_addr;
			sg_dma_len(sg) = cur.size;
			sg = sg_next(sg);
		}
		return n;
	}
	for (i = 0; i < runs->num_runs; i++)
		n += table_add(sg ? &sg : NULL, &runs->runs[i], set_dma);

	return n;
}

/**
 * dma_buf_table_of_runs - make a table of a list
 * @runs: mapped for @dev, as a whole
 * @dev: the importer's device
 *
 * Return: the table for dma_buf_free_table_of_runs(), or an error pointer.
 */
struct sg_table *dma_buf_table_of_runs(struct dma_runs *runs, struct device *dev)
{
	u64 max = dev->dma_parms ? dma_get_max_seg_size(dev) & PAGE_MASK : TABLE_MAX_SIZE;
	unsigned int nents = table_set_dma(runs, NULL, max);
	unsigned int orig_nents = table_set_pages(runs, NULL);
	struct table_of_runs *table;

	/* Where entries have one length for both sides no run may be merged. */
	if (!IS_ENABLED(CONFIG_NEED_SG_DMA_LENGTH) && table_is_linked(runs))
		orig_nents = 0;

	table = kzalloc_obj(*table);
	if (!table)
		return ERR_PTR(-ENOMEM);

	table->runs = runs;
	/* Without memory there is an entry of nothing: an importer may do no DMA. */
	table->nents = max3(nents, orig_nents, 1U);
	if (sg_alloc_table(&table->sgt, table->nents, GFP_KERNEL)) {
		kfree(table);
		return ERR_PTR(-ENOMEM);
	}
	if (orig_nents)
		table_set_pages(runs, table->sgt.sgl);
	table_set_dma(runs, table->sgt.sgl, max);
	table->sgt.nents = nents;
	/* Without a page side there is nothing to be walked, mapped or synced by. */
	table->sgt.orig_nents = orig_nents;

	return &table->sgt;
}

/**
 * dma_buf_free_table_of_runs - free a table, not the list that it was made of
 * @sgt: from dma_buf_table_of_runs()
 *
 * Return: that list.
 */
struct dma_runs *dma_buf_free_table_of_runs(struct sg_table *sgt)
{
	struct table_of_runs *table = container_of(sgt, struct table_of_runs, sgt);
	struct dma_runs *runs = table->runs;

	sgt->orig_nents = table->nents;
	sg_free_table(sgt);
	kfree(table);

	return runs;
}

/* Exporters may give more than the buffer has, and less in the last page. */
static int runs_add_table(struct dma_runs *runs, struct sg_table *sgt)
{
	u64 size, done = 0, total = (u64)runs->num_pages << PAGE_SHIFT;
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		size = sg_dma_len(sg);
		if (done == total)
			break;
		if (PAGE_ALIGN(size) >= total - done)
			size = total - done;
		if (!PAGE_ALIGNED(size))
			return -EINVAL;
		ret = dma_runs_add_mapped(runs, done >> PAGE_SHIFT, DMA_RUN_NO_PHYS,
					  sg_dma_address(sg), size >> PAGE_SHIFT);
		if (ret)
			return ret;
		done += size;
	}

	return done == total ? 0 : -EINVAL;
}

/**
 * dma_buf_runs_of_table - make a list of a table
 * @sgt: mapped for @dev
 * @dev: the importer's device
 * @size: of the buffer, in bytes
 *
 * Return: the list for dma_buf_free_runs_of_table(), or an error pointer: -EINVAL
 * if an entry does not begin and end with a page, or if they are too few, -E2BIG,
 * -ENOMEM.
 */
struct dma_runs *dma_buf_runs_of_table(struct sg_table *sgt, struct device *dev, u64 size)
{
	struct runs_of_table *list;
	int ret;

	if (PFN_UP(size) > DMA_RUNS_MAX_PAGES)
		return ERR_PTR(-E2BIG);
	list = kzalloc_obj(*list);
	if (!list)
		return ERR_PTR(-ENOMEM);

	list->sgt = sgt;
	dma_runs_init(&list->runs, dev, DMA_RUNS_IMPORTED, PFN_UP(size));
	ret = runs_add_table(&list->runs, sgt);
	if (ret) {
		dev_dbg_ratelimited(dev, "exporter's table is no list of %lu KiB pages\n",
				    PAGE_SIZE / SZ_1K);
		dma_runs_clear(&list->runs);
		kfree(list);
		return ERR_PTR(ret);
	}

	return &list->runs;
}

/**
 * dma_buf_free_runs_of_table - free a list, not the table that it was made of
 * @runs: from dma_buf_runs_of_table()
 *
 * Return: that table.
 */
struct sg_table *dma_buf_free_runs_of_table(struct dma_runs *runs)
{
	struct runs_of_table *list = container_of(runs, struct runs_of_table, runs);
	struct sg_table *sgt = list->sgt;

	dma_runs_clear(runs);
	kfree(list);

	return sgt;
}
