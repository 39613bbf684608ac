// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of struct dma_runs: the list, and how it is mapped for a fake device
 * that reaches all memory. tools/testing/dma-runs has more about the list.
 */
#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-runs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmzone.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#define SMALL_PAGES	5
#define BLOCK_ORDER	3
#define SCATTERED	4
#define MANY_PAGES	4096
/* Where no memory is: what has pages is no resource. */
#define NO_MEMORY	(sizeof(phys_addr_t) > 4 ? (phys_addr_t)(1ULL << 38) : 0xf0000000)

/* How a page goes on from the one before. */
enum small_page { HOLE, UNMAPPED, UNMAPPED_JUMP, MAPPED, MAPPED_JUMP, NUM_SMALL };

struct twin_page {
	phys_addr_t phys;
	dma_addr_t dma_addr;
	bool present;
	bool mapped;
};

static void small_twin(struct twin_page *page, u32 number)
{
	phys_addr_t phys = SZ_1M;
	dma_addr_t dma_addr = SZ_2M;
	u32 i;

	for (i = 0; i < SMALL_PAGES; i++, number /= NUM_SMALL) {
		enum small_page kind = number % NUM_SMALL;

		phys += kind == UNMAPPED_JUMP ? SZ_64K : PAGE_SIZE;
		dma_addr += kind == MAPPED_JUMP ? SZ_64K : PAGE_SIZE;
		page[i] = (struct twin_page) {
			.phys = phys,
			.dma_addr = dma_addr,
			.present = kind != HOLE,
			.mapped = kind >= MAPPED,
		};
	}
}

static int add_page(struct dma_runs *runs, const struct twin_page *page, u32 i)
{
	if (page->mapped)
		return dma_runs_add_mapped(runs, i, page->phys, page->dma_addr, 1);

	return page->present ? dma_runs_add(runs, i, page->phys, 1) : 0;
}

static bool twin_covers(const struct twin_page *page, u32 first, u32 end)
{
	while (first < end && page[first].mapped)
		first++;

	return first == end;
}

static bool lookups_right(const struct dma_runs *runs, const struct twin_page *page)
{
	dma_addr_t dma_addr;
	phys_addr_t phys;
	u32 i;

	for (i = 0; i < SMALL_PAGES; i++) {
		phys = page[i].present ? page[i].phys : DMA_RUN_NO_PHYS;
		if (!!dma_runs_find(runs, i) != page[i].present || dma_runs_phys(runs, i) != phys)
			return false;
		if (!!dma_runs_contiguous(runs, i * PAGE_SIZE, &dma_addr) != page[i].mapped)
			return false;
		if (page[i].mapped && dma_addr != page[i].dma_addr)
			return false;
	}

	return !dma_runs_find(runs, SMALL_PAGES) && !dma_runs_find(runs, U32_MAX) &&
	       !dma_runs_contiguous(runs, 1ULL << (PAGE_SHIFT + 32), &dma_addr);
}

/* Each byte is where it is to be, and no piece could have been longer. */
static bool walk_right(const struct dma_runs *runs, const struct twin_page *page,
		       u32 first, u32 end, u64 max)
{
	u64 offset = first * PAGE_SIZE, size = (end - first) * PAGE_SIZE;
	struct dma_cursor cur;
	dma_addr_t next = 0;
	u64 last = max;
	int ret = dma_cursor_begin(&cur, runs, offset, size);

	if (ret)
		return ret == -ENXIO && !twin_covers(page, first, end);

	while (dma_cursor_next_max(&cur, max)) {
		if (cur.offset != offset || !cur.size || cur.size > max)
			return false;
		if (cur.dma_addr != page[offset >> PAGE_SHIFT].dma_addr + offset_in_page(offset))
			return false;
		if (last < max && cur.dma_addr == next)
			return false;
		offset += cur.size;
		next = cur.dma_addr + cur.size;
		last = cur.size;
	}

	return offset == end * PAGE_SIZE && twin_covers(page, first, end);
}

static bool ranges_right(const struct dma_runs *runs, const struct twin_page *page)
{
	u32 first, end;

	for (first = 0; first < SMALL_PAGES; first++)
		for (end = first + 1; end <= SMALL_PAGES; end++)
			if (!walk_right(runs, page, first, end, U64_MAX) ||
			    !walk_right(runs, page, first, end, PAGE_SIZE / 2 + 100))
				return false;

	return true;
}

static void test_small_lists(struct kunit *test)
{
	struct twin_page page[SMALL_PAGES];
	struct dma_runs runs;
	u32 i, number, total = 1;

	for (i = 0; i < SMALL_PAGES; i++)
		total *= NUM_SMALL;
	for (number = 0; number < total; number++) {
		small_twin(page, number);
		dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, SMALL_PAGES);
		for (i = 0; i < SMALL_PAGES; i++)
			KUNIT_EXPECT_EQ(test, add_page(&runs, &page[i], i), 0);
		KUNIT_EXPECT_TRUE(test, dma_runs_valid(&runs));
		KUNIT_EXPECT_TRUE_MSG(test, lookups_right(&runs, page), "list %u", number);
		KUNIT_EXPECT_TRUE_MSG(test, ranges_right(&runs, page), "list %u", number);
		dma_runs_clear(&runs);
	}
}

static void test_order(struct kunit *test)
{
	struct dma_runs runs;

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 5);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 1, SZ_1M, 2), 0);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 0, SZ_2M, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 2, SZ_2M, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, runs.num_populated, 2);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 4, SZ_2M, 1), 0);
	KUNIT_EXPECT_TRUE(test, dma_runs_valid(&runs));
	dma_runs_clear(&runs);
}

static void test_splice(struct kunit *test)
{
	struct dma_runs runs, more;
	u32 i;

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 8);
	dma_runs_init(&more, NULL, DMA_RUNS_STREAMING, 8);
	for (i = 0; i < 8; i += 2)
		KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, i, SZ_1M * (i + 1), 1), 0);
	for (i = 1; i < 8; i += 2)
		KUNIT_EXPECT_EQ(test, dma_runs_add(&more, i, SZ_1M * (i + 1), 1), 0);
	KUNIT_EXPECT_EQ(test, dma_runs_splice(&runs, &more), 0);
	KUNIT_EXPECT_TRUE(test, dma_runs_valid(&runs));
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, dma_runs_phys(&runs, i), SZ_1M * (i + 1));

	/* What is there already. */
	KUNIT_EXPECT_EQ(test, dma_runs_add(&more, 3, 0, 1), 0);
	KUNIT_EXPECT_EQ(test, dma_runs_splice(&runs, &more), -EEXIST);
	KUNIT_EXPECT_EQ(test, more.num_populated, 1);
	dma_runs_clear(&runs);
	dma_runs_clear(&more);
}

static void test_bad_input(struct kunit *test)
{
	phys_addr_t last = PHYS_ADDR_MAX - PAGE_SIZE + 1;
	struct dma_cursor cur;
	struct dma_runs runs;

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 4);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 0, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 4, 0, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 1, 0, 4), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 1, 0, U32_MAX), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 0, 100, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 0, last, 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_runs_add_mapped(&runs, 0, 0, 100, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_runs_add_mapped(&runs, 0, 100, 0, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_runs_add_mapped(&runs, 0, DMA_RUN_NO_PHYS, 0, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, runs.num_runs, 0);

	KUNIT_EXPECT_EQ(test, dma_runs_add_mapped(&runs, 0, 0, 0, 4), 0);
	KUNIT_EXPECT_EQ(test, dma_cursor_begin(&cur, &runs, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_cursor_begin(&cur, &runs, 1, 4 * PAGE_SIZE), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_cursor_begin(&cur, &runs, 1, U64_MAX), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_cursor_begin_phys(&cur, &runs, 1, PAGE_SIZE), -EINVAL);
	dma_runs_clear(&runs);
}

/* After a part, the rest of the run comes first, then whole runs. */
static void test_cursor_parts(struct kunit *test)
{
	struct dma_cursor cur;
	struct dma_runs runs;

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 4);
	KUNIT_EXPECT_EQ(test, dma_runs_add_mapped(&runs, 0, 0, SZ_1M, 2), 0);
	KUNIT_EXPECT_EQ(test, dma_runs_add_mapped(&runs, 2, SZ_4M, SZ_2M, 2), 0);
	KUNIT_ASSERT_EQ(test, dma_cursor_begin(&cur, &runs, 0, 4 * PAGE_SIZE), 0);
	KUNIT_EXPECT_TRUE(test, dma_cursor_next_max(&cur, 100));
	KUNIT_EXPECT_EQ(test, cur.size, 100);
	KUNIT_EXPECT_TRUE(test, dma_cursor_next(&cur));
	KUNIT_EXPECT_EQ(test, cur.dma_addr, SZ_1M + 100);
	KUNIT_EXPECT_EQ(test, cur.size, 2 * PAGE_SIZE - 100);
	KUNIT_EXPECT_FALSE(test, dma_cursor_next_max(&cur, 0));
	KUNIT_EXPECT_TRUE(test, dma_cursor_next_max(&cur, PAGE_SIZE + 1));
	KUNIT_EXPECT_EQ(test, cur.dma_addr, SZ_2M);
	KUNIT_EXPECT_TRUE(test, dma_cursor_next(&cur));
	KUNIT_EXPECT_EQ(test, cur.size, PAGE_SIZE - 1);
	KUNIT_EXPECT_FALSE(test, dma_cursor_next(&cur));
	dma_runs_clear(&runs);
}

/* Behind an IOMMU the buffer is in one place, wherever the runs say that they are. */
static void test_one_range(struct kunit *test)
{
	struct dma_range range = {
		.run = { .dma_addr = SZ_1G, .num_pages = 4, .mapped = 1, .linked = 1 },
	};
	struct dma_cursor cur;
	struct dma_runs runs;
	dma_addr_t addr;

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 4);
	KUNIT_EXPECT_EQ(test, dma_runs_add_mapped(&runs, 0, 0, SZ_1M, 2), 0);
	KUNIT_EXPECT_EQ(test, dma_runs_add_mapped(&runs, 2, SZ_4M, SZ_2M, 2), 0);
	hlist_add_head(&range.node, &runs.ranges);

	KUNIT_EXPECT_EQ(test, dma_runs_contiguous(&runs, 100, &addr), 4 * PAGE_SIZE - 100);
	KUNIT_EXPECT_EQ(test, addr, SZ_1G + 100);
	KUNIT_EXPECT_EQ(test, dma_runs_contiguous(&runs, 4 * PAGE_SIZE, &addr), 0);
	KUNIT_ASSERT_EQ(test, dma_cursor_begin(&cur, &runs, 100, 3 * PAGE_SIZE), 0);
	KUNIT_EXPECT_TRUE(test, dma_cursor_next_max(&cur, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, cur.dma_addr, SZ_1G + 100);
	KUNIT_EXPECT_EQ(test, cur.size, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, dma_cursor_next(&cur));
	KUNIT_EXPECT_EQ(test, cur.dma_addr, SZ_1G + 100 + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, cur.size, 2 * PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, dma_cursor_next(&cur));
	KUNIT_EXPECT_EQ(test, dma_cursor_begin(&cur, &runs, PAGE_SIZE, 4 * PAGE_SIZE), -EINVAL);

	/* The memory is where it was. */
	KUNIT_ASSERT_EQ(test, dma_cursor_begin_phys(&cur, &runs, PAGE_SIZE, 3 * PAGE_SIZE), 0);
	KUNIT_EXPECT_TRUE(test, dma_cursor_next_phys(&cur));
	KUNIT_EXPECT_EQ(test, cur.size, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, dma_cursor_next_phys(&cur));
	KUNIT_EXPECT_EQ(test, cur.phys, SZ_4M);

	/* A range that has a part, or that is several for the device, is not all of it. */
	range.run.num_pages = 3;
	KUNIT_EXPECT_EQ(test, dma_runs_contiguous(&runs, 0, &addr), 2 * PAGE_SIZE);
	range.run.num_pages = 4;
	range.run.linked = 0;
	KUNIT_EXPECT_EQ(test, dma_runs_contiguous(&runs, 0, &addr), 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, addr, SZ_1M);
	hlist_del(&range.node);
	dma_runs_clear(&runs);
}

static void test_growth(struct kunit *test)
{
	u32 i, max = 0, grown = 0;
	struct dma_runs runs;

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, MANY_PAGES);
	for (i = 0; i < MANY_PAGES; i++) {
		KUNIT_ASSERT_EQ(test, dma_runs_add(&runs, i, 2 * i * PAGE_SIZE, 1), 0);
		grown += runs.max_runs != max;
		max = runs.max_runs;
	}
	KUNIT_EXPECT_EQ(test, runs.num_runs, MANY_PAGES);
	/* The logarithm of that, and not a part of it; never more than there are pages. */
	KUNIT_EXPECT_LE(test, grown, 10);
	KUNIT_EXPECT_LE(test, max, MANY_PAGES);
	dma_runs_clear(&runs);
}

/*
 * For a device
 */

#ifdef CONFIG_SWIOTLB
static struct io_tlb_mem no_bounce;

static void never_bounce(struct device *dev)
{
	dev->dma_io_tlb_mem = &no_bounce;
}
#else
static void never_bounce(struct device *dev) { }
#endif

static struct device *test_device(struct kunit *test, const char *name)
{
	struct device *dev = kunit_device_register(test, name);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	dev->dma_mask = &dev->coherent_dma_mask;
	never_bounce(dev);
	KUNIT_ASSERT_EQ(test, dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);

	return dev;
}

static void free_block(void *page)
{
	__free_pages(page, BLOCK_ORDER);
}

static phys_addr_t block_phys(struct kunit *test)
{
	struct page *page = alloc_pages(GFP_KERNEL, BLOCK_ORDER);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_block, page), 0);

	return page_to_phys(page);
}

/* Pages that do not follow each other, from the end on. */
static void scattered_init(struct kunit *test, struct dma_runs *runs, struct device *dev)
{
	phys_addr_t phys = block_phys(test);
	u32 i;

	dma_runs_init(runs, dev, DMA_RUNS_STREAMING, SCATTERED);
	for (i = 0; i < SCATTERED; i++)
		KUNIT_ASSERT_EQ(test, dma_runs_add(runs, i, phys + (6 - 2 * i) * PAGE_SIZE, 1), 0);
}

static void expect_addresses(struct kunit *test, const struct dma_runs *runs,
			     const struct dma_runs *of)
{
	dma_addr_t dma_addr;
	u32 i;

	for (i = 0; i < SCATTERED; i++) {
		KUNIT_EXPECT_GT(test, dma_runs_contiguous(runs, i * PAGE_SIZE, &dma_addr), 0);
		KUNIT_EXPECT_EQ(test, dma_to_phys(runs->dev, dma_addr), dma_runs_phys(of, i));
	}
}

static void test_map_parts(struct kunit *test)
{
	struct dma_runs runs;
	dma_addr_t before, after;

	scattered_init(test, &runs, test_device(test, "owner"));
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 1, 2), 0);
	KUNIT_EXPECT_EQ(test, runs.num_mapped, 2);
	KUNIT_EXPECT_FALSE(test, dma_runs_covers(&runs, 0, 2, true));
	dma_runs_contiguous(&runs, PAGE_SIZE, &before);
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 0, SCATTERED), 0);
	KUNIT_EXPECT_TRUE(test, dma_runs_is_mapped(&runs));
	dma_runs_contiguous(&runs, PAGE_SIZE, &after);
	KUNIT_EXPECT_EQ(test, before, after);
	expect_addresses(test, &runs, &runs);
	KUNIT_EXPECT_TRUE(test, dma_runs_valid(&runs));
	dma_runs_unmap(&runs);
	KUNIT_EXPECT_EQ(test, runs.num_mapped, 0);
	KUNIT_EXPECT_EQ(test, runs.num_runs, SCATTERED);
	KUNIT_EXPECT_TRUE(test, dma_runs_valid(&runs));
	dma_runs_clear(&runs);
}

/* What the owner does not reach another device may, before and after that was tried. */
static void test_map_unreachable(struct kunit *test)
{
	struct device *dev = test_device(test, "owner"), *other = test_device(test, "other");
	struct dma_runs runs, *list;

	scattered_init(test, &runs, dev);
	dev->bus_dma_limit = 1;
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 0, SCATTERED), -EIO);
	}
	KUNIT_EXPECT_EQ(test, runs.num_mapped, 0);
	KUNIT_EXPECT_FALSE(test, runs.bounced);
	list = dma_runs_map_for(&runs, other, DMA_TO_DEVICE, 0);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, list);
	if (!IS_ERR(list))
		dma_runs_free(list);
	dma_runs_clear(&runs);
}

static void test_map_refused(struct kunit *test)
{
	struct device *dev = test_device(test, "owner");
	struct dma_runs runs;

	dma_runs_init(&runs, dev, DMA_RUNS_STREAMING, 3);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 0, block_phys(test), 1), 0);
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 0, 2), -ENXIO);
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 1, 1), -ENXIO);
	KUNIT_EXPECT_PTR_EQ(test, dma_runs_map_for(&runs, dev, DMA_TO_DEVICE, 0),
			    ERR_PTR(-ENXIO));
	dev->dma_mask = NULL;
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 0, 1), -ENODEV);
	dev->dma_mask = &dev->coherent_dma_mask;
	KUNIT_EXPECT_EQ(test, runs.num_mapped, 0);
	dma_runs_clear(&runs);
}

/* What a list has no use for, whatever is in it, and what no machine has. */
static void test_not_for_it(struct kunit *test)
{
	struct device *dev = test_device(test, "owner");
	struct phys_vec range = { .len = SIZE_MAX & PAGE_MASK };
	u32 num = totalram_pages() + 1;
	struct dma_runs runs;

	dma_runs_init(&runs, dev, DMA_RUNS_RESOURCE, 1);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 0, SZ_1M, 1), 0);
	KUNIT_EXPECT_EQ(test, dma_runs_pin_user(&runs, 0, 0, 1, 0), -EINVAL);
	if (IS_ENABLED(CONFIG_MMU))
		KUNIT_EXPECT_EQ(test, dma_runs_insert(&runs, NULL, 0, 0, 1, false), -EOPNOTSUPP);
	dma_runs_clear(&runs);

	dma_runs_init(&runs, dev, DMA_RUNS_COHERENT, 1);
	KUNIT_EXPECT_EQ(test, dma_runs_add_mapped(&runs, 0, SZ_1M, SZ_1M, 1), 0);
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 0, 1), -EOPNOTSUPP);
	dma_runs_clear(&runs);

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, num);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&runs, 0, SZ_1M, num), 0);
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 0, num), -ENODEV);
	if (IS_ENABLED(CONFIG_MMU))
		KUNIT_EXPECT_PTR_EQ(test, dma_runs_vmap(&runs, 0, (u64)num << PAGE_SHIFT,
							PAGE_KERNEL), ERR_PTR(-ENOMEM));
	dma_runs_clear(&runs);

	if (IS_ENABLED(CONFIG_64BIT))
		KUNIT_EXPECT_PTR_EQ(test, dma_runs_map_ranges(dev, DMA_TO_DEVICE, NULL, &range, 1),
				    ERR_PTR(-E2BIG));
}

static void test_map_for(struct kunit *test)
{
	struct device *dev = test_device(test, "other");
	struct dma_runs runs, *other;
	struct dma_cursor cur;

	scattered_init(test, &runs, test_device(test, "owner"));
	KUNIT_EXPECT_PTR_EQ(test, dma_runs_map_for(&runs, dev, DMA_NONE, 0), ERR_PTR(-EINVAL));
	other = dma_runs_map_for(&runs, dev, DMA_TO_DEVICE, 0);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, other);
	if (!IS_ERR(other)) {
		KUNIT_EXPECT_TRUE(test, dma_runs_is_mapped(other));
		KUNIT_EXPECT_EQ(test, dma_cursor_begin_phys(&cur, other, 0, PAGE_SIZE),
				-EOPNOTSUPP);
		expect_addresses(test, other, &runs);
		KUNIT_EXPECT_FALSE(test, list_empty(&runs.others));
		dma_runs_free(other);
	}
	KUNIT_EXPECT_TRUE(test, list_empty(&runs.others));
	KUNIT_EXPECT_EQ(test, runs.num_mapped, 0);

	/* What is cleared is unmapped, and others are on their own. */
	other = dma_runs_map_for(&runs, dev, DMA_TO_DEVICE, 0);
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 0, SCATTERED), 0);
	dma_runs_clear(&runs);
	KUNIT_EXPECT_EQ(test, runs.num_mapped, 0);
	KUNIT_EXPECT_EQ(test, runs.num_runs, 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&runs.others));
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, other);
	if (!IS_ERR(other)) {
		KUNIT_EXPECT_TRUE(test, list_empty(&other->node));
		dma_runs_free(other);
	}
}

static void expect_map_for(struct kunit *test, struct dma_runs *runs, struct device *dev, int ret)
{
	struct dma_runs *other = dma_runs_map_for(runs, dev, DMA_BIDIRECTIONAL, 0);

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(other), ret);
	KUNIT_EXPECT_TRUE(test, dma_runs_valid(runs));
	if (!IS_ERR(other))
		dma_runs_free(other);
}

static bool stub_same_for(const struct dma_runs *runs, struct device *dev)
{
	return !dev_get_drvdata(dev) && dma_runs_is_mapped(runs);
}

/* Those that have the owner's array do not notice what it does, and who is last frees it. */
static void test_map_same(struct kunit *test)
{
	struct device *dev = test_device(test, "same"), *odd = test_device(test, "odd");
	struct dma_runs runs, *other[3];
	u32 i;

	if (IS_ENABLED(CONFIG_DMA_API_DEBUG))
		kunit_skip(test, "DMA API debugging wants a mapping for each device");

	scattered_init(test, &runs, test_device(test, "owner"));
	dev_set_drvdata(odd, test);
	kunit_activate_static_stub(test, dma_runs_same_for, stub_same_for);
	KUNIT_ASSERT_EQ(test, dma_runs_map(&runs, 0, SCATTERED), 0);
	for (i = 0; i < ARRAY_SIZE(other); i++) {
		other[i] = dma_runs_map_for(&runs, i == 1 ? odd : dev, DMA_TO_DEVICE, 0);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, other[i]);
		KUNIT_EXPECT_EQ(test, other[i]->runs == runs.runs, i != 1);
	}

	dma_runs_unmap(&runs);
	KUNIT_EXPECT_EQ(test, runs.num_mapped, 0);
	expect_addresses(test, other[0], &runs);
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 1, 1), 0);
	KUNIT_EXPECT_TRUE(test, dma_runs_is_mapped(&runs));
	expect_addresses(test, &runs, &runs);
	KUNIT_EXPECT_TRUE(test, dma_runs_valid(other[0]));
	dma_runs_unmap(other[0]);
	KUNIT_EXPECT_TRUE(test, dma_runs_is_mapped(&runs));
	expect_addresses(test, other[2], &runs);

	dma_runs_clear(&runs);
	dma_runs_free(other[0]);
	KUNIT_EXPECT_TRUE(test, dma_runs_valid(other[2]));
	KUNIT_EXPECT_GT(test, dma_runs_contiguous(other[2], 0, &(dma_addr_t){ 0 }), 0);
	dma_runs_free(other[1]);
	dma_runs_free(other[2]);
}

/* Who reaches memory elsewhere, or not all of it, has addresses of its own, or none. */
static void test_map_not_same(struct kunit *test)
{
	struct device *dev = test_device(test, "owner"), *other = test_device(test, "other");
	const struct bus_dma_region shifted[] = {
		{ .cpu_start = 0, .dma_start = SZ_1G, .size = 1ULL << 40 }, { }
	};
	struct dma_runs runs, *list;

	scattered_init(test, &runs, dev);
	KUNIT_ASSERT_EQ(test, dma_runs_map(&runs, 0, SCATTERED), 0);
	other->dma_range_map = shifted;
	list = dma_runs_map_for(&runs, other, DMA_TO_DEVICE, 0);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, list);
	if (!IS_ERR(list)) {
		expect_addresses(test, list, &runs);
		dma_runs_free(list);
	}
	other->dma_range_map = NULL;
	other->bus_dma_limit = 1;
	kunit_warning_suppress(test) {
		expect_map_for(test, &runs, other, -EIO);
	}
	dma_runs_clear(&runs);
}

/* A device with drvdata has to bounce. */
static int stub_run_map(const struct dma_runs *runs, struct dma_run *run)
{
	bool bounces = dev_get_drvdata(runs->dev);

	if (bounces && runs->attrs & DMA_ATTR_NO_BOUNCE)
		return -EIO;
	run->dma_addr = run->phys + (bounces ? PAGE_SIZE * SCATTERED : 0);
	run->mapped = 1;
	run->linked = 1;
	run->fresh = 1;

	return 0;
}

static u32 stub_max_pages(struct device *dev)
{
	return dev_get_drvdata(dev) ? 1 : DMA_RUNS_MAX_PAGES;
}

/* A copy beside anything else would overwrite what that wrote. */
static void test_map_bounced(struct kunit *test)
{
	struct device *dev = test_device(test, "owner"), *any = test_device(test, "any");
	struct device *bounces = test_device(test, "bounces");
	struct dma_runs runs, *other;

	scattered_init(test, &runs, dev);
	dev_set_drvdata(bounces, test);
	kunit_activate_static_stub(test, dma_run_map, stub_run_map);
	kunit_activate_static_stub(test, dma_run_max_pages, stub_max_pages);

	/* Alone. */
	other = dma_runs_map_for(&runs, bounces, DMA_BIDIRECTIONAL, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, other);
	expect_map_for(test, &runs, any, -EIO);
	expect_map_for(test, &runs, bounces, -EIO);
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 0, SCATTERED), -EIO);
	KUNIT_EXPECT_EQ(test, runs.num_mapped, 0);
	dma_runs_free(other);
	expect_map_for(test, &runs, any, 0);

	/* Beside who does not. */
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 1, 1), 0);
	expect_map_for(test, &runs, bounces, -EIO);
	expect_map_for(test, &runs, any, 0);
	dma_runs_unmap(&runs);
	other = dma_runs_map_for(&runs, any, DMA_BIDIRECTIONAL, 0);
	expect_map_for(test, &runs, bounces, -EIO);
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 0, SCATTERED), 0);
	dma_runs_free(other);
	dma_runs_unmap(&runs);

	/* The owner. */
	dev_set_drvdata(dev, test);
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 0, 1), 0);
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 0, SCATTERED), 0);
	KUNIT_EXPECT_FALSE(test, runs.attrs & DMA_ATTR_NO_BOUNCE);
	expect_map_for(test, &runs, any, -EIO);
	dma_runs_unmap(&runs);
	expect_map_for(test, &runs, any, 0);
	runs.attrs = DMA_ATTR_NO_BOUNCE;
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 0, SCATTERED), -EIO);
	/* What was refused is as it was. */
	expect_map_for(test, &runs, any, 0);
	runs.attrs = 0;
	runs.uncached = true;
	KUNIT_EXPECT_EQ(test, dma_runs_map(&runs, 0, SCATTERED), IS_ENABLED(CONFIG_X86) ? 0 : -EIO);
	dma_runs_unmap(&runs);
	dma_runs_clear(&runs);
}

#ifdef CONFIG_MMU
/* Long and short runs, and each part of them: every page is where it is to be. */
static void test_vmap(struct kunit *test)
{
	static const u8 len[] = { 2, 1, 19, 1, 3, 16, 15 };
	u32 i, index = 0, first, num;
	struct dma_runs runs;

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 57);
	for (i = 0; i < ARRAY_SIZE(len); index += len[i++]) {
		void *pages = alloc_pages_exact(len[i] * PAGE_SIZE, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, pages);
		KUNIT_ASSERT_EQ(test, dma_runs_add(&runs, index, virt_to_phys(pages), len[i]), 0);
		for (num = 0; num < len[i]; num++)
			*(u32 *)(pages + num * PAGE_SIZE) = index + num;
	}

	for (first = 0; first < runs.num_pages; first++) {
		for (num = 1; num <= runs.num_pages - first; num++) {
			void *vaddr = dma_runs_vmap(&runs, first * PAGE_SIZE, num * PAGE_SIZE,
						    PAGE_KERNEL);

			KUNIT_ASSERT_NOT_ERR_OR_NULL(test, vaddr);
			for (i = 0; i < num; i++)
				KUNIT_EXPECT_EQ(test, *(u32 *)(vaddr + i * PAGE_SIZE), first + i);
			vunmap(vaddr);
		}
	}

	for (i = 0; i < runs.num_runs; i++)
		free_pages_exact(phys_to_virt(runs.runs[i].phys), dma_run_size(&runs.runs[i]));
	dma_runs_clear(&runs);
}
#else
static void test_vmap(struct kunit *test)
{
	kunit_skip(test, "no MMU");
}
#endif

static unsigned long user_memory(struct kunit *test, unsigned long prot, u32 num_pages)
{
	unsigned long addr = kunit_vm_mmap(test, NULL, 0, num_pages * PAGE_SIZE, prot,
					   MAP_ANONYMOUS | MAP_PRIVATE, 0);

	KUNIT_ASSERT_NE_MSG(test, addr, 0, "no user memory");

	return addr;
}

static void expect_unpinned(struct kunit *test, struct dma_runs *runs, unsigned long addr,
			    bool dirty)
{
	struct page *page;

	dma_runs_unpin_user(runs, dirty);
	KUNIT_EXPECT_EQ(test, runs->num_runs, 0);
	if (get_user_pages_fast(addr, 1, 0, &page) != 1)
		return;
	KUNIT_EXPECT_FALSE(test, folio_maybe_dma_pinned(page_folio(page)));
	put_page(page);
}

static void test_pin_user(struct kunit *test)
{
	u32 i, num = 2 * PAGE_SIZE / sizeof(void *) + 3;
	unsigned long addr = user_memory(test, PROT_READ | PROT_WRITE, num);
	struct dma_runs runs;
	struct page *page;

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, num + 1);
	KUNIT_EXPECT_EQ(test, dma_runs_pin_user(&runs, 0, addr + 1, 1, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_runs_pin_user(&runs, 0, addr, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_runs_pin_user(&runs, 0, addr, num, FOLL_WRITE | FOLL_LONGTERM),
			0);
	KUNIT_EXPECT_EQ(test, runs.num_populated, num);
	KUNIT_EXPECT_TRUE(test, dma_runs_valid(&runs));
	for (i = 0; i < num; i += 101) {
		KUNIT_ASSERT_EQ(test, get_user_pages_fast(addr + i * PAGE_SIZE, 1, 0, &page), 1);
		KUNIT_EXPECT_EQ(test, dma_runs_phys(&runs, i), page_to_phys(page));
		KUNIT_EXPECT_TRUE(test, folio_maybe_dma_pinned(page_folio(page)));
		put_page(page);
	}
	/* Does not fit any more. */
	KUNIT_EXPECT_EQ(test, dma_runs_pin_user(&runs, num, addr, 2, 0), -EINVAL);
	expect_unpinned(test, &runs, addr, true);

	/* Over a hole. */
	KUNIT_EXPECT_EQ(test, vm_munmap(addr + (num - 1) * PAGE_SIZE, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, dma_runs_pin_user(&runs, 0, addr, num, FOLL_WRITE), -EFAULT);
	expect_unpinned(test, &runs, addr, true);

	/* To be written, which it must not be. */
	addr = user_memory(test, PROT_READ, 2);
	KUNIT_EXPECT_EQ(test, dma_runs_pin_user(&runs, 0, addr, 2, FOLL_WRITE), -EFAULT);
	KUNIT_EXPECT_EQ(test, dma_runs_pin_user(&runs, 0, addr, 2, 0), 0);
	expect_unpinned(test, &runs, addr, false);
}

static int block_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct page *page = file->private_data;
	u32 i;

	for (i = 0; i < vma_pages(vma); i++) {
		int ret = vm_insert_page(vma, vma->vm_start + i * PAGE_SIZE, page + i);

		if (ret)
			return ret;
	}

	return 0;
}

/* A folio counts its pins, one for each page of a list. */
static void test_pin_folio(struct kunit *test)
{
	static const struct file_operations fops = { .owner = THIS_MODULE, .mmap = block_mmap };
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP, BLOCK_ORDER);
	struct folio *folio;
	struct dma_runs runs;
	unsigned long addr;
	struct file *file;

	KUNIT_ASSERT_NOT_NULL(test, page);
	folio = page_folio(page);
	file = anon_inode_getfile("[block]", &fops, page, O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	addr = kunit_vm_mmap(test, file, 0, PAGE_SIZE << BLOCK_ORDER, PROT_READ | PROT_WRITE,
			     MAP_SHARED, 0);
	KUNIT_ASSERT_NE(test, addr, 0);

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 1 << BLOCK_ORDER);
	KUNIT_EXPECT_EQ(test, dma_runs_pin_user(&runs, 0, addr + PAGE_SIZE,
						(1 << BLOCK_ORDER) - 1, FOLL_WRITE), 0);
	KUNIT_EXPECT_EQ(test, runs.num_runs, 1);
	KUNIT_EXPECT_EQ(test, dma_runs_phys(&runs, 0), page_to_phys(page + 1));
	KUNIT_EXPECT_TRUE(test, folio_maybe_dma_pinned(folio));
	folio_clear_dirty(folio);
	dma_runs_unpin_user(&runs, true);
	KUNIT_EXPECT_FALSE(test, folio_maybe_dma_pinned(folio));
	KUNIT_EXPECT_TRUE(test, folio_test_dirty(folio));

	folio_clear_dirty(folio);
	KUNIT_EXPECT_EQ(test, vm_munmap(addr, PAGE_SIZE << BLOCK_ORDER), 0);
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 1);
	fput(file);
	__free_pages(page, BLOCK_ORDER);
}

static void expect_own_pages(struct kunit *test, const struct dma_runs *runs)
{
	u32 i;

	KUNIT_EXPECT_TRUE(test, dma_runs_is_populated(runs));
	KUNIT_EXPECT_TRUE(test, dma_runs_valid(runs));
	for (i = 0; i < runs->num_pages; i++) {
		struct page *page = pfn_to_page(PHYS_PFN(dma_runs_phys(runs, i)));
		void *vaddr = kmap_local_page(page);

		KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
		KUNIT_EXPECT_FALSE(test, PageCompound(page));
		KUNIT_EXPECT_NULL(test, memchr_inv(vaddr, 0, PAGE_SIZE));
		memset(vaddr, 0x5a, PAGE_SIZE);
		kunmap_local(vaddr);
	}
}

/* Sizes that are blocks, that are not, and that are larger than any. */
static void test_alloc_pages(struct kunit *test)
{
	static const u32 sizes[] = { 1, 5, 8, MAX_ORDER_NR_PAGES + 3 };
	struct dma_runs runs;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, sizes[i]);
		KUNIT_ASSERT_EQ(test, dma_runs_alloc_pages(&runs, GFP_HIGHUSER), 0);
		expect_own_pages(test, &runs);
		KUNIT_EXPECT_EQ(test, dma_runs_alloc_pages(&runs, GFP_HIGHUSER), -EINVAL);
		dma_runs_free_pages(&runs);
		KUNIT_EXPECT_EQ(test, runs.num_populated, 0);
	}

	dma_runs_init(&runs, NULL, DMA_RUNS_RESOURCE, 1);
	KUNIT_EXPECT_EQ(test, dma_runs_alloc_pages(&runs, GFP_HIGHUSER), -EINVAL);
	/* There is nothing to be freed. */
	dma_runs_free_pages(&runs);
}

/*
 * What is too much of a block is free again, and so is all the rest in the end. The lists
 * of the processors keep up to an eighth of the memory, a quarter would be lost.
 */
static void test_alloc_pages_exact(struct kunit *test)
{
	u32 i, num = MAX_ORDER_NR_PAGES / 2 + 1, left = MAX_ORDER_NR_PAGES - num;
	long before = global_zone_page_state(NR_FREE_PAGES), total = totalram_pages();
	struct dma_runs runs;

	if (total > SZ_16G >> PAGE_SHIFT)
		kunit_skip(test, "a quarter of this memory takes too long to allocate");
	for (i = 0; i < total / 4 / left; i++) {
		dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, num);
		KUNIT_ASSERT_EQ(test, dma_runs_alloc_pages(&runs, GFP_KERNEL), 0);
		dma_runs_free_pages(&runs);
	}
	KUNIT_EXPECT_GT(test, global_zone_page_state(NR_FREE_PAGES), before - total * 3 / 16);
}

static void test_map_ranges(struct kunit *test)
{
	phys_addr_t phys = NO_MEMORY;
	struct device *dev = test_device(test, "importer");
	struct phys_vec ranges[] = {
		{ .paddr = phys + 4 * PAGE_SIZE, .len = 2 * PAGE_SIZE },
		{ .paddr = phys, .len = PAGE_SIZE },
	};
	struct dma_runs *runs;
	dma_addr_t dma_addr;

	runs = dma_runs_map_ranges(dev, DMA_FROM_DEVICE, NULL, ranges, 2);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, runs);
	KUNIT_EXPECT_EQ(test, runs->num_mapped, 3);
	KUNIT_EXPECT_TRUE(test, runs->attrs & DMA_ATTR_MMIO);
	KUNIT_EXPECT_FALSE(test, dma_runs_can(runs, DMA_RUNS_CAN_SHOW_PAGES));
	KUNIT_EXPECT_EQ(test, dma_runs_contiguous(runs, PAGE_SIZE, &dma_addr), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, dma_to_phys(dev, dma_addr), phys + 5 * PAGE_SIZE);
	dma_runs_free(runs);

	KUNIT_EXPECT_PTR_EQ(test, dma_runs_map_ranges(dev, DMA_FROM_DEVICE, NULL, ranges, 0),
			    ERR_PTR(-EINVAL));
	ranges[1].len = 0;
	KUNIT_EXPECT_PTR_EQ(test, dma_runs_map_ranges(dev, DMA_FROM_DEVICE, NULL, ranges, 2),
			    ERR_PTR(-EINVAL));
	ranges[1].len = 100;
	KUNIT_EXPECT_PTR_EQ(test, dma_runs_map_ranges(dev, DMA_FROM_DEVICE, NULL, ranges, 2),
			    ERR_PTR(-EINVAL));
}

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

static int undo_alloc_pages(struct device *dev)
{
	struct dma_runs runs;
	int ret;

	/* Of several a smaller block is tried before it fails. */
	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 1);
	ret = dma_runs_alloc_pages(&runs, GFP_KERNEL);
	dma_runs_free_pages(&runs);

	return ret;
}

static int undo_map_ranges(struct device *dev)
{
	const struct phys_vec range = { .paddr = NO_MEMORY, .len = PAGE_SIZE };
	struct dma_runs *runs = dma_runs_map_ranges(dev, DMA_TO_DEVICE, NULL, &range, 1);

	if (IS_ERR(runs))
		return PTR_ERR(runs);
	dma_runs_free(runs);

	return 0;
}

static int one_page(struct dma_runs *runs)
{
	dma_runs_init(runs, NULL, DMA_RUNS_STREAMING, 1);

	return dma_runs_add(runs, 0, page_to_phys(ZERO_PAGE(0)), 1);
}

static int undo_map_for(struct device *dev)
{
	struct dma_runs runs, *other;
	int ret = one_page(&runs);

	if (ret)
		return ret;
	other = dma_runs_map_for(&runs, dev, DMA_TO_DEVICE, 0);
	if (!IS_ERR(other))
		dma_runs_free(other);
	dma_runs_clear(&runs);

	return PTR_ERR_OR_ZERO(other);
}

#ifdef CONFIG_MMU
static int undo_vmap(struct device *dev)
{
	struct dma_runs runs;
	int ret = one_page(&runs);
	void *vaddr;

	if (ret)
		return ret;
	vaddr = dma_runs_vmap(&runs, 0, PAGE_SIZE, PAGE_KERNEL);
	if (!IS_ERR(vaddr))
		vunmap(vaddr);
	dma_runs_clear(&runs);

	return PTR_ERR_OR_ZERO(vaddr);
}
#endif

/* Every allocation in turn: all or nothing, and what is left kmemleak and the device see. */
static void test_alloc_undo(struct kunit *test)
{
	static int (*const undo[])(struct device *dev) = {
		undo_alloc_pages, undo_map_ranges, undo_map_for,
#ifdef CONFIG_MMU
		undo_vmap,
#endif
	};
	struct device *dev = test_device(test, "importer");
	int i, n, ret, failed;

	if (!can_fail_alloc())
		kunit_skip(test, "failslab spares sleeping allocations, see ignore-gfp-wait");

	for (i = 0; i < ARRAY_SIZE(undo); i++) {
		bool done = false;

		for (failed = 0, n = 1; !done && n < 1000; n++) {
			current->fail_nth = n;
			ret = undo[i](dev);
			done = current->fail_nth;
			current->fail_nth = 0;
			failed += ret != 0;
			if (ret)
				KUNIT_EXPECT_EQ_MSG(test, ret, -ENOMEM, "%d, allocation %d", i, n);
		}
		KUNIT_EXPECT_TRUE(test, done);
		KUNIT_EXPECT_EQ(test, ret, 0);
		KUNIT_EXPECT_GT_MSG(test, failed, 0, "%d", i);
	}
}
#else
static void test_alloc_undo(struct kunit *test)
{
	kunit_skip(test, "CONFIG_FAULT_INJECTION is off");
}
#endif

#ifdef CONFIG_PCI_P2PDMA
/* What QEMU calls ivshmem has memory in its second BAR, edu could read it; no driver here. */
#define IVSHMEM_DEVICE	0x1110
#define IVSHMEM_BAR	2
#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8

KUNIT_DEFINE_ACTION_WRAPPER(put_pci_dev, pci_dev_put, struct pci_dev *);

static struct pci_dev *test_pci_dev(struct kunit *test, unsigned int vendor, unsigned int device)
{
	struct pci_dev *pdev = pci_get_device(vendor, device, NULL);

	if (!pdev)
		kunit_skip(test, "there is no device %04x:%04x", vendor, device);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_pci_dev, pdev), 0);

	return pdev;
}

static void release_provider(void *pdev)
{
	devres_release_group(&((struct pci_dev *)pdev)->dev, pdev);
}

static struct p2pdma_provider *test_provider(struct kunit *test, struct pci_dev *pdev, int bar)
{
	KUNIT_ASSERT_NOT_NULL(test, devres_open_group(&pdev->dev, pdev, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_provider, pdev), 0);
	KUNIT_ASSERT_EQ(test, pcim_p2pdma_init(pdev), 0);

	return pcim_p2pdma_provider(pdev, bar);
}

/* Behind one bridge: addresses of their bus, whatever is between that and the CPU. */
static void test_map_peers(struct kunit *test)
{
	struct pci_dev *owner = test_pci_dev(test, PCI_VENDOR_ID_REDHAT_QUMRANET, IVSHMEM_DEVICE);
	struct pci_dev *peer = test_pci_dev(test, EDU_VENDOR, EDU_DEVICE);
	struct p2pdma_provider *provider = test_provider(test, owner, IVSHMEM_BAR);
	phys_addr_t phys = pci_resource_start(owner, IVSHMEM_BAR);
	const struct phys_vec ranges[] = {
		{ .paddr = phys + 4 * PAGE_SIZE, .len = 2 * PAGE_SIZE },
		{ .paddr = phys, .len = PAGE_SIZE },
	};
	struct dma_runs *runs;
	dma_addr_t dma_addr;

	if (!owner->bus->self || owner->bus != peer->bus)
		kunit_skip(test, "they are not behind one bridge");
	KUNIT_ASSERT_NOT_NULL(test, provider);
	/* Who does not say whose memory it is gets no route. */
	runs = dma_runs_map_ranges(&peer->dev, DMA_BIDIRECTIONAL, NULL, ranges, 2);
	KUNIT_EXPECT_PTR_EQ(test, runs, ERR_PTR(-EREMOTEIO));
	/* As if the bus had addresses of its own. */
	provider->bus_offset += SZ_1G;

	runs = dma_runs_map_ranges(&peer->dev, DMA_BIDIRECTIONAL, provider, ranges, 2);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, runs);
	KUNIT_EXPECT_EQ(test, runs->num_mapped, 3);
	KUNIT_EXPECT_EQ(test, dma_runs_contiguous(runs, PAGE_SIZE, &dma_addr), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, dma_addr,
			pci_bus_address(owner, IVSHMEM_BAR) + SZ_1G + 5 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, dma_runs_contiguous(runs, 2 * PAGE_SIZE, &dma_addr), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, dma_addr, pci_bus_address(owner, IVSHMEM_BAR) + SZ_1G);
	dma_runs_free(runs);
}
#else
static void test_map_peers(struct kunit *test)
{
	kunit_skip(test, "needs PCI_P2PDMA");
}
#endif

static struct kunit_case runs_test_cases[] = {
	KUNIT_CASE(test_small_lists),
	KUNIT_CASE(test_order),
	KUNIT_CASE(test_splice),
	KUNIT_CASE(test_bad_input),
	KUNIT_CASE(test_cursor_parts),
	KUNIT_CASE(test_one_range),
	KUNIT_CASE(test_growth),
	KUNIT_CASE(test_map_parts),
	KUNIT_CASE(test_map_unreachable),
	KUNIT_CASE(test_map_refused),
	KUNIT_CASE(test_not_for_it),
	KUNIT_CASE(test_map_for),
	KUNIT_CASE(test_map_same),
	KUNIT_CASE(test_map_not_same),
	KUNIT_CASE(test_vmap),
	KUNIT_CASE(test_map_bounced),
	KUNIT_CASE(test_map_ranges),
	KUNIT_CASE(test_map_peers),
	KUNIT_CASE(test_alloc_undo),
	KUNIT_CASE(test_pin_user),
	KUNIT_CASE(test_pin_folio),
	KUNIT_CASE(test_alloc_pages),
	KUNIT_CASE(test_alloc_pages_exact),
	{}
};

static struct kunit_suite runs_test_suite = {
	.name = "dma_runs",
	.test_cases = runs_test_cases,
};

kunit_test_suite(runs_test_suite);
