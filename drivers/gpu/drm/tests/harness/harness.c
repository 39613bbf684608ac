// SPDX-License-Identifier: GPL-2.0
/*
 * The layouts of memory that drivers are tried with, and what is made of what their
 * hardware would find.
 */

#include <linux/dma-buf.h>
#include <linux/jhash.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/sprintf.h>

#include "harness.h"

MODULE_IMPORT_NS("DMA_BUF");

#define HARNESS_ORDER	ilog2(HARNESS_PAGES)

static_assert(HARNESS_ORDER <= MAX_PAGE_ORDER);

static unsigned int seeds = 1000;
module_param(seeds, uint, 0444);
MODULE_PARM_DESC(seeds, "Layouts at random that each driver is tried with");

/* @count stretches of @num_pages, the first at @page, the next @step further. */
struct harness_part {
	s16 page;
	s16 num_pages;
	s16 count;
	s16 step;
};

struct harness_layout {
	const char *name;
	enum harness_kind kind;
	struct harness_part parts[4];

	/* Pages of the object that are not mapped. */
	u16 skip_first;
	u16 skip_last;

	/* How far the address is from a multiple of 4M. */
	u16 va_page;
};

static const struct harness_layout layouts[] = {
	{ "one-page", HARNESS_DIRECT, { { 7, 1, 1 } } },
	{ "4k-scattered", HARNESS_DIRECT, { { 0, 1, 40, 2 } } },
	{ "4k-backwards", HARNESS_DIRECT, { { 60, 1, 40, -1 } } },
	{ "4k-contiguous", HARNESS_DIRECT, { { 16, 1, 40, 1 } } },
	{ "64k", HARNESS_DIRECT, { { 32, 16, 6, 48 } } },
	{ "64k-off", HARNESS_DIRECT, { { 33, 16, 6, 48 } } },
	{ "64k-va-off", HARNESS_DIRECT, { { 32, 16, 6, 48 } }, 0, 0, 1 },
	{ "1m", HARNESS_DIRECT, { { 768, 256, 1 }, { 0, 256, 2, 256 } } },
	{ "2m", HARNESS_DIRECT, { { 512, 512, 1 } } },
	{ "2m-off", HARNESS_DIRECT, { { 1, 512, 1 } } },
	{ "2m-va-off", HARNESS_DIRECT, { { 512, 512, 1 } }, 0, 0, 1 },
	{ "2m-both-off", HARNESS_DIRECT, { { 1, 512, 1 } }, 0, 0, 1 },
	{ "4m", HARNESS_DIRECT, { { 512, 512, 1 }, { 0, 512, 1 } } },
	{ "mixed", HARNESS_DIRECT,
	  { { 3, 1, 5, 2 }, { 32, 16, 2, 48 }, { 512, 512, 1 }, { 201, 13, 3, 20 } } },
	{ "odd", HARNESS_DIRECT, { { 1, 3, 9, 5 }, { 100, 7, 11, 9 }, { 300, 511, 1 } }, 0, 0, 5 },
	{ "first-page", HARNESS_DIRECT, { { 0, 3, 9, 5 } }, 0, 26 },
	{ "last-page", HARNESS_DIRECT, { { 0, 3, 9, 5 } }, 26, 0 },
	{ "range", HARNESS_DIRECT, { { 3, 1, 5, 2 }, { 32, 16, 2, 48 }, { 512, 512, 1 } }, 6, 9 },
	{ "range-2m", HARNESS_DIRECT, { { 3, 1, 5, 2 }, { 512, 512, 1 }, { 30, 3, 3, 4 } }, 5, 9 },
	{ "range-inside", HARNESS_DIRECT, { { 0, 1024, 1 } }, 100, 200, 100 },
	{ "iommu", HARNESS_IOMMU, { { 0, 1, 40, 2 } } },
	{ "iommu-odd", HARNESS_IOMMU, { { 1, 3, 9, 5 }, { 100, 7, 11, 9 } }, 0, 0, 3 },
	{ "iommu-2m", HARNESS_IOMMU, { { 0, 16, 32, 32 } } },
	{ "iommu-range", HARNESS_IOMMU, { { 0, 1, 500, 2 } }, 17, 33, 1 },
	{ "bounced", HARNESS_BOUNCED, { { 0, 1, 20, 2 }, { 64, 16, 6, 48 } } },
	{ "bounced-range", HARNESS_BOUNCED, { { 0, 5, 20, 9 } }, 3, 4 },
	{ "imported", HARNESS_IMPORTED, { { 0, 1, 9, 2 }, { 64, 16, 3, 20 }, { 512, 512, 1 } } },
	{ "imported-one", HARNESS_IMPORTED, { { 512, 300, 1 } } },
	{ "imported-odd", HARNESS_IMPORTED, { { 1, 3, 9, 5 }, { 100, 7, 11, 9 } }, 0, 0, 3 },
	{ "imported-range", HARNESS_IMPORTED, { { 0, 5, 20, 9 } }, 3, 4 },
};

/*
 * Layouts
 */

static void harness_add_piece(struct harness *h, u32 page, u32 num_pages)
{
	h->pieces[h->num_pieces++] = (struct harness_piece) { page, num_pages };
	h->num_pages += num_pages;
}

/*
 * Where the device reaches the pieces: contiguous just by an IOMMU. A driver that has
 * one of its own attaches to exporters without.
 */
static void harness_set_dma(struct harness *h)
{
	bool direct = h->kind == HARNESS_DIRECT || (h->by_phys && h->kind == HARNESS_IMPORTED);
	dma_addr_t next = h->dma_base;
	u32 i, size;

	for (i = 0; i < h->num_pieces; i++) {
		struct harness_piece *piece = &h->pieces[i];

		size = piece->num_pages << PAGE_SHIFT;
		if (h->kind == HARNESS_BOUNCED)
			next = ALIGN(next, SZ_64K) + (i % 3 + 1) * SZ_4K;
		else if (h->kind == HARNESS_IMPORTED && !h->contiguous)
			next = ALIGN(next + SZ_4K, min(rounddown_pow_of_two(size), SZ_2M));
		piece->dma_addr = direct ? harness_phys(h, piece) : next;
		next += size;
	}
}

static void harness_set_range(struct harness *h, u32 first, u32 count, u32 va_page)
{
	h->first = h->whole ? 0 : first;
	h->count = h->whole ? h->num_pages : count;
	h->va = h->va_base + ((u64)va_page << PAGE_SHIFT);
	harness_set_dma(h);
	harness_forget(h);
}

static void harness_set_layout(struct harness *h, const struct harness_layout *layout)
{
	const struct harness_part *part = layout->parts;
	int i;

	strscpy(h->name, layout->name);
	h->kind = layout->kind;
	h->num_pieces = 0;
	h->num_pages = 0;
	for (; part < layout->parts + ARRAY_SIZE(layout->parts); part++)
		for (i = 0; i < part->count; i++)
			harness_add_piece(h, part->page + i * part->step, part->num_pages);
	harness_set_range(h, layout->skip_first,
			  h->num_pages - layout->skip_first - layout->skip_last, layout->va_page);
}

static u32 harness_random(struct rnd_state *rnd, u32 end)
{
	return prandom_u32_state(rnd) % end;
}

static u32 harness_random_length(struct rnd_state *rnd)
{
	switch (harness_random(rnd, 8)) {
	case 0:
		return 512;
	case 1:
		return 1 + harness_random(rnd, 300);
	case 2:
	case 3:
		return 16 << harness_random(rnd, 4);
	case 4:
		return 1 + harness_random(rnd, 40);
	default:
		return 1 + harness_random(rnd, 4);
	}
}

/* Stretches that do not overlap, some that touch, some where large pages fit. */
static void harness_random_pieces(struct harness *h, struct rnd_state *rnd)
{
	u32 i, other, page = 0, max = 1 + harness_random(rnd, 40);

	while (h->num_pieces < max) {
		u32 num_pages = harness_random_length(rnd);

		if (harness_random(rnd, 2))
			page += harness_random(rnd, 20);
		if (harness_random(rnd, 2))
			page = ALIGN(page, rounddown_pow_of_two(num_pages));
		if (page >= HARNESS_PAGES || num_pages > HARNESS_PAGES - page)
			break;
		harness_add_piece(h, page, num_pages);
		page += num_pages;
	}
	if (!h->num_pieces)
		harness_add_piece(h, harness_random(rnd, HARNESS_PAGES), 1);

	/* Half of them stay in order. */
	for (i = harness_random(rnd, 2) ? h->num_pieces : 1; i > 1; i--) {
		other = harness_random(rnd, i);
		swap(h->pieces[i - 1], h->pieces[other]);
	}
}

static void harness_set_seed(struct harness *h, u32 seed)
{
	static const u16 va_pages[] = { 0, 0, 0, 1, 16, 512 };
	u32 first = 0, count, va_page;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, seed);
	snprintf(h->name, sizeof(h->name), "seed-%u", seed);
	do {
		h->kind = harness_random(&rnd, HARNESS_NUM_KINDS);
	} while (!(h->kinds & BIT(h->kind)));
	h->num_pieces = 0;
	h->num_pages = 0;
	harness_random_pieces(h, &rnd);

	count = h->num_pages;
	if (harness_random(&rnd, 2)) {
		first = harness_random(&rnd, h->num_pages);
		count = 1 + harness_random(&rnd, h->num_pages - first);
	}
	va_page = va_pages[harness_random(&rnd, ARRAY_SIZE(va_pages))];
	harness_set_range(h, first, count, va_page);
}

/**
 * harness_layouts - let a driver map and unmap each layout that it can have
 * @h: the harness
 * @run: does it for the one at hand
 */
void harness_layouts(struct harness *h, void (*run)(struct harness *h))
{
	const struct harness_layout *layout = layouts;

	for (; layout < layouts + ARRAY_SIZE(layouts); layout++) {
		if (!(h->kinds & BIT(layout->kind)))
			continue;
		if (h->whole && (layout->skip_first || layout->skip_last))
			continue;
		harness_set_layout(h, layout);
		run(h);
	}
}

/**
 * harness_seeds - the same with layouts at random, always the same ones
 * @h: the harness
 * @run: does it for the one at hand
 */
void harness_seeds(struct harness *h, void (*run)(struct harness *h))
{
	u32 seed;

	for (seed = 0; seed < seeds; seed++) {
		harness_set_seed(h, seed);
		run(h);
		cond_resched();
	}
}

/*
 * Memory
 */

phys_addr_t harness_phys(struct harness *h, const struct harness_piece *piece)
{
	return page_to_phys(h->pool + piece->page);
}

/* The piece that has a page of the object, and which of it that is. */
static const struct harness_piece *harness_find(struct harness *h, u32 *index)
{
	const struct harness_piece *piece = h->pieces;

	for (; *index >= piece->num_pages; piece++)
		*index -= piece->num_pages;

	return piece;
}

struct page *harness_page(struct harness *h, u32 index)
{
	const struct harness_piece *piece = harness_find(h, &index);

	return h->pool + piece->page + index;
}

/* Where a page of the object is for the hardware. */
static u64 harness_addr(struct harness *h, u32 index)
{
	const struct harness_piece *piece = harness_find(h, &index);

	return (h->by_phys ? harness_phys(h, piece) : piece->dma_addr) + index * PAGE_SIZE;
}

/**
 * harness_pages - the pages of the object
 * @h: the harness
 *
 * Return: an array for kvfree().
 */
struct page **harness_pages(struct harness *h)
{
	struct page **pages = kvmalloc_array(h->num_pages, sizeof(*pages), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(h->test, pages);
	for (i = 0; i < h->num_pages; i++)
		pages[i] = harness_page(h, i);

	return pages;
}

static int harness_map_sgt(struct harness *h, struct sg_table *sgt)
{
	struct page **pages = harness_pages(h);
	int ret;

	ret = sg_alloc_table_from_pages(sgt, pages, h->num_pages, 0,
					(u64)h->num_pages << PAGE_SHIFT, GFP_KERNEL);
	kvfree(pages);

	return ret ?: dma_map_sgtable(h->dev, sgt, DMA_BIDIRECTIONAL, 0);
}

/* As dma_map_sgtable() would leave it: what is contiguous is one segment. */
static void harness_set_segments(struct harness *h, struct sg_table *sgt)
{
	struct scatterlist *sg, *dma = NULL;
	u32 i, size;

	sgt->nents = 0;
	for_each_sgtable_sg(sgt, sg, i) {
		size = h->pieces[i].num_pages << PAGE_SHIFT;
		sg_set_page(sg, h->pool + h->pieces[i].page, size, 0);
		sg_dma_len(sg) = 0;
		if (dma && sg_dma_address(dma) + sg_dma_len(dma) == h->pieces[i].dma_addr) {
			sg_dma_len(dma) += size;
			continue;
		}
		dma = dma ? sg_next(dma) : sgt->sgl;
		sg_dma_address(dma) = h->pieces[i].dma_addr;
		sg_dma_len(dma) = size;
		sgt->nents++;
	}
}

/**
 * harness_sgt - the memory of the object as a table
 * @h: the harness
 *
 * Mapped for the device, by the DMA API if it is HARNESS_DIRECT.
 *
 * Return: the table for harness_free_sgt().
 */
struct sg_table *harness_sgt(struct harness *h)
{
	struct sg_table *sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(h->test, sgt);
	if (h->kind == HARNESS_DIRECT) {
		KUNIT_ASSERT_EQ(h->test, harness_map_sgt(h, sgt), 0);
	} else {
		KUNIT_ASSERT_EQ(h->test, sg_alloc_table(sgt, h->num_pieces, GFP_KERNEL), 0);
		harness_set_segments(h, sgt);
	}

	return sgt;
}

void harness_free_sgt(struct harness *h, struct sg_table *sgt)
{
	if (h->kind == HARNESS_DIRECT)
		dma_unmap_sgtable(h->dev, sgt, DMA_BIDIRECTIONAL, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

static struct sg_table *harness_map_dma_buf(struct dma_buf_attachment *attach,
					    enum dma_data_direction dir)
{
	return harness_sgt(attach->dmabuf->priv);
}

static void harness_unmap_dma_buf(struct dma_buf_attachment *attach, struct sg_table *sgt,
				  enum dma_data_direction dir)
{
	harness_free_sgt(attach->dmabuf->priv, sgt);
}

static void harness_release(struct dma_buf *dma_buf)
{
}

static const struct dma_buf_ops harness_dma_buf_ops = {
	.map_dma_buf = harness_map_dma_buf,
	.unmap_dma_buf = harness_unmap_dma_buf,
	.release = harness_release,
};

/**
 * harness_dma_buf - an exporter of the memory of the layout
 * @h: the harness
 *
 * Return: the dma-buf for dma_buf_put().
 */
struct dma_buf *harness_dma_buf(struct harness *h)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dma_buf;

	info.ops = &harness_dma_buf_ops;
	info.size = (u64)h->num_pages << PAGE_SHIFT;
	info.priv = h;
	dma_buf = dma_buf_export(&info);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(h->test, dma_buf);

	return dma_buf;
}

/*
 * What was found
 */

void harness_forget(struct harness *h)
{
	memset(h->seen, 0, array_size(HARNESS_PAGES, sizeof(*h->seen)));
	h->num_seen = 0;
	h->num_stray = 0;
}

/* An address where nothing belongs is a stray one. */
static struct harness_entry *harness_entry(struct harness *h, u64 va)
{
	u64 index = (va - h->va) >> PAGE_SHIFT;

	if (va >= h->va && index < h->count)
		return &h->seen[index];
	h->num_stray++;

	return NULL;
}

/**
 * harness_saw - the hardware would find a translation
 * @h: the harness
 * @va: from this address
 * @addr: to this one
 * @size: so far, in bytes
 * @page_size: of the pages that the hardware takes it for
 * @flags: all else of it that has a meaning
 */
void harness_saw(struct harness *h, u64 va, u64 addr, u64 size, u32 page_size, u64 flags)
{
	u64 done;

	for (done = 0; done < size; done += PAGE_SIZE) {
		struct harness_entry *entry = harness_entry(h, va + done);

		if (!entry)
			continue;
		if (entry->page_size)
			h->num_stray++;
		else
			h->num_seen++;
		*entry = (struct harness_entry) { addr + done, flags, page_size };
	}
}

/**
 * harness_gone - the hardware was told to forget a translation
 * @h: the harness
 * @va: from this address
 * @size: so far, in bytes
 */
void harness_gone(struct harness *h, u64 va, u64 size)
{
	u64 done;

	for (done = 0; done < size; done += PAGE_SIZE) {
		struct harness_entry *entry = harness_entry(h, va + done);

		if (!entry)
			continue;
		if (entry->page_size)
			h->num_seen--;
		else
			h->num_stray++;
		entry->page_size = 0;
	}
}

/* Whether all of a large page is there, and goes where its first part does. */
static bool harness_page_is_whole(struct harness *h, u32 index)
{
	const struct harness_entry *entry = &h->seen[index], *other;
	u64 off = (h->va + (u64)index * PAGE_SIZE) & (entry->page_size - 1);
	u32 i, first = index - (off >> PAGE_SHIFT), num = entry->page_size >> PAGE_SHIFT;

	if ((entry->addr & (entry->page_size - 1)) != off)
		return false;
	if (first > index || num > h->count - first)
		return false;
	for (i = 0; i < num; i++) {
		other = &h->seen[first + i];
		if (other->page_size != entry->page_size || other->flags != entry->flags ||
		    other->addr != h->seen[first].addr + i * PAGE_SIZE)
			return false;
	}

	return true;
}

static bool harness_is_right(struct harness *h, u32 index)
{
	const struct harness_entry *entry = &h->seen[index];
	u64 addr = harness_addr(h, (h->first + index) % h->num_pages);

	if (!entry->page_size)
		KUNIT_FAIL(h->test, "%s: page %u of %u is not mapped", h->name, index, h->count);
	else if (entry->addr != addr)
		KUNIT_FAIL(h->test, "%s: page %u of %u leads to %#llx, not to %#llx", h->name,
			   index, h->count, entry->addr, addr);
	else if (!harness_page_is_whole(h, index))
		KUNIT_FAIL(h->test, "%s: page %u of %u is in no whole page of %#x", h->name,
			   index, h->count, entry->page_size);
	else
		return true;

	return false;
}

/* What is the same in each boot and each kernel: places in the block. */
static u32 harness_hash(struct harness *h)
{
	bool in_pool = h->by_phys || h->kind == HARNESS_DIRECT;
	u64 base = in_pool ? page_to_phys(h->pool) : 0;
	u32 i, hash = 0;

	for (i = 0; i < h->count; i++) {
		u64 what[] = { h->seen[i].addr - base, h->seen[i].flags };

		hash = jhash(what, sizeof(what), hash);
	}

	return hash;
}

/* One line that can be compared; sizes as log2 x number of 4K, in their order. */
static void harness_report(struct harness *h)
{
	u32 i, num = 0, max = 16 * h->count + 1;
	char *sizes = kunit_kzalloc(h->test, max, GFP_KERNEL);
	size_t len = 0;

	KUNIT_ASSERT_NOT_NULL(h->test, sizes);
	for (i = 0; i < h->count; i++) {
		num++;
		if (i + 1 < h->count && h->seen[i + 1].page_size == h->seen[i].page_size)
			continue;
		len += scnprintf(sizes + len, max - len, "%s%ux%u", len ? "," : "",
				 h->seen[i].page_size ? ilog2(h->seen[i].page_size) : 0, num);
		num = 0;
	}
	pr_info("harness %s %s hash=%08x stray=%u translations=%u sizes=%s\n",
		h->driver, h->name, harness_hash(h), h->num_stray, h->num_seen, sizes);
	kunit_kfree(h->test, sizes);
}

/**
 * harness_mapped - hold what was seen against the layout, once it is mapped
 * @h: the harness
 */
void harness_mapped(struct harness *h)
{
	u32 i;

	harness_report(h);
	KUNIT_EXPECT_EQ_MSG(h->test, h->num_stray, 0, "%s: stray translations", h->name);
	/* The first of them that is wrong says enough. */
	for (i = 0; i < h->count; i++)
		if (!harness_is_right(h, i))
			break;
}

/**
 * harness_unmapped - see that nothing is left, once it is unmapped
 * @h: the harness
 */
void harness_unmapped(struct harness *h)
{
	if (h->num_seen || h->num_stray)
		pr_info("harness %s %s left=%u stray=%u\n", h->driver, h->name, h->num_seen,
			h->num_stray);
	KUNIT_EXPECT_EQ_MSG(h->test, h->num_seen, 0, "%s: translations left", h->name);
	KUNIT_EXPECT_EQ_MSG(h->test, h->num_stray, 0, "%s: stray translations", h->name);
}

/*
 * Page tables, and an IOMMU, that only remember
 */

static int harness_map_pages(struct io_pgtable_ops *ops, unsigned long iova, phys_addr_t paddr,
			     size_t pgsize, size_t pgcount, int prot, gfp_t gfp, size_t *mapped)
{
	*mapped = pgsize * pgcount;
	harness_saw(container_of(ops, struct harness, pgtable), iova, paddr, *mapped, pgsize, prot);

	return 0;
}

static size_t harness_unmap_pages(struct io_pgtable_ops *ops, unsigned long iova, size_t pgsize,
				  size_t pgcount, struct iommu_iotlb_gather *gather)
{
	harness_gone(container_of(ops, struct harness, pgtable), iova, pgsize * pgcount);

	return pgsize * pgcount;
}

static phys_addr_t harness_iova_to_phys(struct io_pgtable_ops *ops, unsigned long iova)
{
	struct harness *h = container_of(ops, struct harness, pgtable);
	u64 index = (iova - h->va) >> PAGE_SHIFT;

	return index < h->count && h->seen[index].page_size ? h->seen[index].addr : 0;
}

static struct io_pgtable_ops *to_pgtable(struct iommu_domain *domain)
{
	return &container_of(domain, struct harness, domain)->pgtable;
}

static int harness_domain_map(struct iommu_domain *domain, unsigned long iova, phys_addr_t paddr,
			      size_t pgsize, size_t pgcount, int prot, gfp_t gfp, size_t *mapped)
{
	return harness_map_pages(to_pgtable(domain), iova, paddr, pgsize, pgcount, prot, gfp,
				 mapped);
}

static size_t harness_domain_unmap(struct iommu_domain *domain, unsigned long iova, size_t pgsize,
				   size_t pgcount, struct iommu_iotlb_gather *gather)
{
	return harness_unmap_pages(to_pgtable(domain), iova, pgsize, pgcount, gather);
}

static phys_addr_t harness_domain_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	return harness_iova_to_phys(to_pgtable(domain), iova);
}

static const struct iommu_domain_ops harness_domain_ops = {
	.map_pages = harness_domain_map,
	.unmap_pages = harness_domain_unmap,
	.iova_to_phys = harness_domain_phys,
};

/**
 * harness_domain - an IOMMU domain that records what is mapped
 * @h: the harness
 * @pgsize_bitmap: sizes of its pages
 *
 * Return: the domain, part of @h.
 */
struct iommu_domain *harness_domain(struct harness *h, unsigned long pgsize_bitmap)
{
	h->domain = (struct iommu_domain) {
		.type = IOMMU_DOMAIN_UNMANAGED,
		.ops = &harness_domain_ops,
		.pgsize_bitmap = pgsize_bitmap,
		.geometry.aperture_end = U64_MAX,
	};

	return &h->domain;
}

static void harness_free_pool(void *pool)
{
	__free_pages(pool, HARNESS_ORDER);
}

/**
 * harness_new - make what a suite needs
 * @test: the test, whose private data it becomes
 * @driver: the name that it is reported by
 *
 * Return: the harness; the driver gives it a device, by harness_drm().
 */
struct harness *harness_new(struct kunit *test, const char *driver)
{
	struct harness *h = kunit_kzalloc(test, sizeof(*h), GFP_KERNEL);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, h);
	h->test = test;
	h->driver = driver;
	h->kinds = BIT(HARNESS_NUM_KINDS) - 1;
	h->va_base = SZ_1G;
	h->dma_base = SZ_1G + SZ_512M;
	h->pgtable = (struct io_pgtable_ops) {
		.map_pages = harness_map_pages,
		.unmap_pages = harness_unmap_pages,
		.iova_to_phys = harness_iova_to_phys,
	};
	h->seen = kunit_kcalloc(test, HARNESS_PAGES, sizeof(*h->seen), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, h->seen);
	h->pool = alloc_pages(GFP_KERNEL, HARNESS_ORDER);
	KUNIT_ASSERT_NOT_NULL(test, h->pool);
	ret = kunit_add_action_or_reset(test, harness_free_pool, h->pool);
	KUNIT_ASSERT_EQ(test, ret, 0);
	test->priv = h;

	return h;
}

/**
 * harness_device - tell which device maps the memory
 * @h: the harness
 * @dev: the device
 * @drm: its DRM device
 */
void harness_device(struct harness *h, struct device *dev, struct drm_device *drm)
{
	h->dev = dev;
	h->drm = drm;
	dev->dma_parms = &h->parms;
	KUNIT_ASSERT_EQ(h->test, dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	dma_set_max_seg_size(dev, UINT_MAX);
}

void *__harness_object(struct harness *h, size_t size, size_t offset)
{
	void *bo = kzalloc(size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(h->test, bo);
	h->obj = bo + offset;
	drm_gem_private_object_init(h->drm, h->obj, (u64)h->num_pages << PAGE_SHIFT);

	return bo;
}

void harness_object_free(struct harness *h, void *bo)
{
	drm_gem_private_object_fini(h->obj);
	h->obj = NULL;
	kfree(bo);
}
