/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page tables of a Mali, as panfrost has them, without a Mali: for what the fill of one costs.
 */
#ifndef BENCH_MALI_TABLE_H
#define BENCH_MALI_TABLE_H

#include <linux/io-pgtable.h>
#include <linux/minmax.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#if __has_include(<linux/dma-runs.h>)
#include <linux/dma-runs.h>
#define HAVE_LIST
#endif

/* Where an object goes. */
#define MALI_IOVA	((u64)SZ_32M)

/* The largest block that fits, and how many of them up to the end of its table. */
static inline size_t mali_block_size(u64 addr, size_t size, size_t *count)
{
	size_t to_2m = -addr % SZ_2M, to_1g = -addr % SZ_1G;

	if (to_2m || size < SZ_2M) {
		*count = (to_2m ? min(to_2m, size) : size) / SZ_4K;
		return SZ_4K;
	}
	*count = (to_1g ? min(to_1g, size) : min_t(size_t, SZ_1G, size)) / SZ_2M;

	return SZ_2M;
}

/* What went into one. */
struct mali_count {
	u64 calls;
	u64 ptes_4k;
	u64 ptes_2m;
};

/* One DMA range. Inlined, as the loops that drivers have. */
static __always_inline int mali_table_map(struct io_pgtable_ops *ops, u64 *iova, dma_addr_t addr,
					  size_t size, struct mali_count *n)
{
	int prot = IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE | IOMMU_NOEXEC;

	while (size) {
		size_t count, mapped = 0;
		size_t block = mali_block_size(*iova | addr, size, &count);
		int ret;

		ret = ops->map_pages(ops, *iova, addr, block, count, prot, GFP_KERNEL, &mapped);
		if (ret)
			return ret;
		n->calls++;
		if (block == SZ_2M)
			n->ptes_2m += count;
		else
			n->ptes_4k += count;
		*iova += mapped;
		addr += mapped;
		size -= mapped;
	}

	return 0;
}

static inline int mali_table_fill_sg(struct io_pgtable_ops *ops, struct sg_table *sgt,
				     struct mali_count *n)
{
	struct scatterlist *sg;
	u64 iova = MALI_IOVA;
	unsigned int i;
	int ret;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		ret = mali_table_map(ops, &iova, sg_dma_address(sg), sg_dma_len(sg), n);
		if (ret)
			return ret;
	}

	return 0;
}

#ifdef HAVE_LIST
static inline int mali_table_fill_list(struct io_pgtable_ops *ops, const struct dma_runs *list,
				       size_t size, struct mali_count *n)
{
	struct dma_cursor cur;
	u64 iova = MALI_IOVA;
	int ret;

	dma_runs_for_each(cur, list, 0, size, ret)
		ret = mali_table_map(ops, &iova, cur.dma_addr, cur.size, n);

	return ret;
}
#endif

/* Whole tables at once. */
static inline void mali_table_unmap(struct io_pgtable_ops *ops, size_t size)
{
	size_t done, count;

	for (done = 0; done < size;) {
		size_t block = mali_block_size(MALI_IOVA + done, size - done, &count);

		WARN_ON(ops->unmap_pages(ops, MALI_IOVA + done, block, count, NULL) != block * count);
		done += block * count;
	}
}

/* Nothing ever walks these tables. */
static inline void no_flush_all(void *cookie)
{
}

static inline void no_flush_walk(unsigned long iova, size_t size, size_t granule, void *cookie)
{
}

static const struct iommu_flush_ops no_flush = {
	.tlb_flush_all = no_flush_all,
	.tlb_flush_walk = no_flush_walk,
};

static inline struct io_pgtable_ops *mali_table_alloc(struct io_pgtable_cfg *cfg, struct device *dev)
{
	*cfg = (struct io_pgtable_cfg) {
		.pgsize_bitmap = SZ_4K | SZ_2M,
		.ias = 48,
		.oas = 40,
		.coherent_walk = true,
		.tlb = &no_flush,
		.iommu_dev = dev,
	};

	return alloc_io_pgtable_ops(ARM_MALI_LPAE, cfg, NULL);
}

#endif
