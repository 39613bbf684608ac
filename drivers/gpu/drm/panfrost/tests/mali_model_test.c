// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit: the Mali model's MMU against the page tables that io-pgtable writes for panfrost, its
 * checks of what a driver did wrong, and its clears against pictures that are computed here.
 */
#include <kunit/device.h>
#include <kunit/resource.h>
#include <kunit/test.h>

#include <linux/dma-mapping.h>
#include <linux/io-pgtable.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "mali_model.h"

#define ACCESS_ALL	(MALI_READ | MALI_WRITE | MALI_EXEC)
#define PROT_RW		(IOMMU_READ | IOMMU_WRITE)
#define VA		SZ_1G
/* Beyond RAM: a walk does not look where it leads. */
#define PA		0x1040200000ULL

/**
 * struct table_format - page tables to test
 * @name: shown with the result
 * @fmt: of io-pgtable
 * @bits: of the GPU's virtual addresses
 * @start: level that the walk begins at
 * @coherent: GPU and CPU see each other's caches
 */
struct table_format {
	const char *name;
	enum io_pgtable_fmt fmt;
	unsigned int bits;
	unsigned int start;
	bool coherent;
};

static const struct table_format table_formats[] = {
	{ "mali-48", ARM_MALI_LPAE, 48, 0, true },
	{ "mali-48-noncoherent", ARM_MALI_LPAE, 48, 0, false },
	{ "mali-35", ARM_MALI_LPAE, 35, 0, true },
	{ "aarch64-48", ARM_64_LPAE_S1, 48, 0, true },
	{ "aarch64-48-noncoherent", ARM_64_LPAE_S1, 48, 0, false },
	{ "aarch64-40", ARM_64_LPAE_S1, 40, 0, true },
	{ "aarch64-39", ARM_64_LPAE_S1, 39, 1, true },
	{ "aarch64-33", ARM_64_LPAE_S1, 33, 1, true },
};

KUNIT_ARRAY_PARAM_DESC(table_formats, table_formats, name);

/**
 * struct gpu - an address space, its page tables, and a job that uses it
 * @as: what is tested
 * @ops: io-pgtable's
 * @cfg: io-pgtable's
 * @ctx: a job outside of any slot
 */
struct gpu {
	struct mali_as as;
	struct io_pgtable_ops *ops;
	struct io_pgtable_cfg cfg;
	struct mali_ctx ctx;
};

static void no_flush_all(void *cookie)
{
}

static void no_flush_walk(unsigned long iova, size_t size, size_t granule, void *cookie)
{
}

/* As panfrost's: it flushes by itself. */
static const struct iommu_flush_ops no_flush = {
	.tlb_flush_all = no_flush_all,
	.tlb_flush_walk = no_flush_walk,
};

KUNIT_DEFINE_ACTION_WRAPPER(free_tables, free_io_pgtable_ops, struct io_pgtable_ops *);

static void gpu_enable(struct gpu *gpu, enum io_pgtable_fmt fmt)
{
	if (fmt == ARM_MALI_LPAE)
		mali_as_update(&gpu->as, gpu->cfg.arm_mali_lpae_cfg.transtab,
			       AS_TRANSCFG_ADRMODE_LEGACY);
	else
		mali_as_update(&gpu->as, gpu->cfg.arm_lpae_s1_cfg.ttbr,
			       AS_TRANSCFG_PTW_MEMATTR_WB | AS_TRANSCFG_PTW_RA |
			       AS_TRANSCFG_ADRMODE_AARCH64_4K |
			       AS_TRANSCFG_INA_BITS(55 - gpu->cfg.ias));
}

static struct gpu *gpu_create(struct kunit *test, const struct table_format *format)
{
	struct device *dev = kunit_device_register(test, "mali-model-test");
	struct gpu *gpu = kunit_kzalloc(test, sizeof(*gpu), GFP_KERNEL);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_NOT_NULL(test, gpu);
	KUNIT_ASSERT_EQ(test, dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	gpu->cfg = (struct io_pgtable_cfg) {
		.pgsize_bitmap = SZ_4K | SZ_2M,
		.ias = format->bits,
		.oas = 40,
		.coherent_walk = format->coherent,
		.tlb = &no_flush,
		.iommu_dev = dev,
	};
	gpu->ops = alloc_io_pgtable_ops(format->fmt, &gpu->cfg, gpu);
	KUNIT_ASSERT_NOT_NULL(test, gpu->ops);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_tables, gpu->ops), 0);

	mali_as_init(&gpu->as, NULL, 0);
	gpu_enable(gpu, format->fmt);
	gpu->ctx.as = &gpu->as;
	return gpu;
}

static void gpu_map(struct kunit *test, struct gpu *gpu, u64 va, u64 pa, size_t size, int prot)
{
	size_t mapped = 0;

	KUNIT_ASSERT_EQ(test, gpu->ops->map_pages(gpu->ops, va, pa, size, 1, prot, GFP_KERNEL,
						  &mapped), 0);
	KUNIT_ASSERT_EQ(test, mapped, size);
}

static void gpu_unmap(struct kunit *test, struct gpu *gpu, u64 va, size_t size)
{
	KUNIT_ASSERT_EQ(test, gpu->ops->unmap_pages(gpu->ops, va, size, 1, NULL), size);
}

static unsigned int gpu_errors(const struct gpu *gpu)
{
	unsigned int i, sum = 0;

	for (i = 0; i < MALI_ERR_COUNT; i++)
		sum += gpu->as.errors[i];
	return sum;
}

static void put_folio(void *folio)
{
	folio_put(folio);
}

static struct folio *get_folio(struct kunit *test, unsigned int order)
{
	struct folio *folio = folio_alloc(GFP_KERNEL | __GFP_ZERO, order);

	KUNIT_ASSERT_NOT_NULL(test, folio);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_folio, folio), 0);
	return folio;
}

static u64 folio_pa(struct folio *folio)
{
	return PFN_PHYS(folio_pfn(folio));
}

/* A 4K access of the MMU alone; @done is expected to say how far it got. */
static int touch(struct gpu *gpu, u64 va, unsigned int access)
{
	u32 word = 0x600df00d;
	size_t done;

	return mali_as_access(&gpu->as, va, &word, sizeof(word), access, &done);
}

static void expect_leaf(struct kunit *test, struct gpu *gpu, u64 va, u64 pa, u64 size,
			unsigned int access)
{
	const u64 offsets[] = { 0, 1, size / 2, size - 1 };
	struct mali_leaf leaf;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		KUNIT_EXPECT_EQ(test, mali_as_walk(&gpu->as, va + offsets[i], &leaf), 0);
		KUNIT_EXPECT_EQ(test, leaf.va, va);
		KUNIT_EXPECT_EQ(test, leaf.pa, pa);
		KUNIT_EXPECT_EQ(test, leaf.size, size);
		KUNIT_EXPECT_EQ(test, leaf.access, access);
	}
}

static void expect_fault(struct kunit *test, struct gpu *gpu, u64 va, int fault, u64 hole)
{
	struct mali_leaf leaf;

	KUNIT_EXPECT_EQ_MSG(test, mali_as_walk(&gpu->as, va, &leaf), fault, "at %llx", va);
	KUNIT_EXPECT_EQ_MSG(test, leaf.size, hole, "at %llx", va);
	KUNIT_EXPECT_EQ(test, leaf.access, 0);
	if (hole)
		KUNIT_EXPECT_EQ(test, leaf.va, va & ~(hole - 1));
}

/* Leaves of both sizes, their borders, and what is between them. */
static void mali_test_walk(struct kunit *test)
{
	struct gpu *gpu = gpu_create(test, test->param_value);

	gpu_map(test, gpu, VA + SZ_4K, PA, SZ_4K, PROT_RW);
	gpu_map(test, gpu, VA + 2 * SZ_4K, PA + SZ_64K, SZ_4K, PROT_RW);
	gpu_map(test, gpu, VA + SZ_2M, PA + SZ_2M, SZ_2M, PROT_RW);
	gpu_map(test, gpu, VA + SZ_4M, PA, SZ_4K, PROT_RW);

	expect_fault(test, gpu, VA + SZ_4K - 1, MALI_FAULT_TRANSLATION + 4, SZ_4K);
	expect_leaf(test, gpu, VA + SZ_4K, PA, SZ_4K, ACCESS_ALL);
	expect_leaf(test, gpu, VA + 2 * SZ_4K, PA + SZ_64K, SZ_4K, ACCESS_ALL);
	expect_fault(test, gpu, VA + 3 * SZ_4K, MALI_FAULT_TRANSLATION + 4, SZ_4K);
	expect_fault(test, gpu, VA + SZ_2M - 1, MALI_FAULT_TRANSLATION + 4, SZ_4K);
	expect_leaf(test, gpu, VA + SZ_2M, PA + SZ_2M, SZ_2M, ACCESS_ALL);
	expect_leaf(test, gpu, VA + SZ_4M, PA, SZ_4K, ACCESS_ALL);

	gpu_unmap(test, gpu, VA + SZ_2M, SZ_2M);
	expect_fault(test, gpu, VA + SZ_2M, MALI_FAULT_TRANSLATION + 3, SZ_2M);
	expect_leaf(test, gpu, VA + SZ_4M, PA, SZ_4K, ACCESS_ALL);
}

/* What panfrost maps is AArch64's unprivileged memory; io-pgtable can do other, too. */
static void mali_test_access_flags(struct kunit *test)
{
	const struct table_format *format = test->param_value;
	struct gpu *gpu = gpu_create(test, format);
	bool mali = format->fmt == ARM_MALI_LPAE;

	gpu_map(test, gpu, VA, PA, SZ_4K, IOMMU_READ);
	gpu_map(test, gpu, VA + SZ_4K, PA, SZ_4K, PROT_RW | IOMMU_NOEXEC | IOMMU_CACHE);
	gpu_map(test, gpu, VA + 2 * SZ_4K, PA, SZ_4K, IOMMU_WRITE | IOMMU_NOEXEC);
	gpu_map(test, gpu, VA + 3 * SZ_4K, PA, SZ_4K, PROT_RW | IOMMU_PRIV);
	gpu_map(test, gpu, VA + SZ_2M, PA, SZ_2M, IOMMU_READ | IOMMU_NOEXEC);

	expect_leaf(test, gpu, VA, PA, SZ_4K, MALI_READ | MALI_EXEC);
	expect_leaf(test, gpu, VA + SZ_4K, PA, SZ_4K, MALI_READ | MALI_WRITE);
	expect_leaf(test, gpu, VA + 2 * SZ_4K, PA, SZ_4K,
		    mali ? MALI_WRITE : MALI_READ | MALI_WRITE);
	expect_leaf(test, gpu, VA + 3 * SZ_4K, PA, SZ_4K, mali ? ACCESS_ALL : 0);
	expect_leaf(test, gpu, VA + SZ_2M, PA, SZ_2M, MALI_READ);
}

/* Addresses that leave the tables at each level. */
static void mali_test_fault_levels(struct kunit *test)
{
	const struct table_format *format = test->param_value;
	struct gpu *gpu = gpu_create(test, format);
	unsigned int level, shift;

	expect_fault(test, gpu, 0, MALI_FAULT_TRANSLATION + 1 + format->start,
		     BIT_ULL(39 - 9 * format->start));
	gpu_map(test, gpu, 0, PA, SZ_4K, PROT_RW);
	expect_leaf(test, gpu, 0, PA, SZ_4K, ACCESS_ALL);
	for (level = format->start; level < 4; level++) {
		shift = 39 - 9 * level;
		if (shift < format->bits)
			expect_fault(test, gpu, BIT_ULL(shift) + 8,
				     MALI_FAULT_TRANSLATION + 1 + level, BIT_ULL(shift));
	}
	if (format->fmt != ARM_MALI_LPAE)
		expect_fault(test, gpu, BIT_ULL(format->bits), MALI_FAULT_TRANSLATION, 0);
	expect_fault(test, gpu, BIT_ULL(48), MALI_FAULT_TRANSLATION, 0);
	expect_fault(test, gpu, U64_MAX, MALI_FAULT_TRANSLATION, 0);
}

/* Without tables nothing is mapped, and nothing is enumerated. */
static void mali_test_unmapped(struct kunit *test)
{
	struct gpu *gpu = gpu_create(test, &table_formats[0]);
	u64 transtab = gpu->as.transtab, va = 0;
	struct mali_leaf leaf;

	gpu_map(test, gpu, VA, PA, SZ_4K, PROT_RW);
	mali_as_update(&gpu->as, transtab, AS_TRANSCFG_ADRMODE_UNMAPPED);
	expect_fault(test, gpu, VA, MALI_FAULT_TRANSLATION, 0);
	mali_as_update(&gpu->as, transtab, AS_TRANSCFG_ADRMODE_IDENTITY);
	expect_fault(test, gpu, VA, MALI_FAULT_TRANSLATION, 0);
	mali_as_update(&gpu->as, transtab & ~3ULL, AS_TRANSCFG_ADRMODE_LEGACY);
	expect_fault(test, gpu, VA, MALI_FAULT_TRANSLATION, 0);
	KUNIT_EXPECT_FALSE(test, mali_as_next(&gpu->as, &va, &leaf));
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), MALI_FAULT_TRANSLATION);

	mali_as_update(&gpu->as, transtab, AS_TRANSCFG_ADRMODE_LEGACY);
	expect_leaf(test, gpu, VA, PA, SZ_4K, ACCESS_ALL);
	KUNIT_EXPECT_EQ(test, gpu_errors(gpu), 0);
}

/* Entries that io-pgtable does not write. */
static void mali_test_bad_entries(struct kunit *test)
{
	const struct table_format *format = test->param_value;
	bool mali = format->fmt == ARM_MALI_LPAE;
	struct gpu *gpu = gpu_create(test, format);
	struct mali_leaf leaf;
	u64 *last;

	gpu_map(test, gpu, VA, PA, SZ_4K, PROT_RW);
	mali_as_walk(&gpu->as, VA + SZ_4K, &leaf);
	KUNIT_ASSERT_EQ(test, leaf.size, SZ_4K);
	last = phys_to_virt(leaf.pa);

	/* The last level of one format is nothing in the other. */
	last[1] = last[0] ^ 2;
	expect_fault(test, gpu, VA + SZ_4K, MALI_FAULT_TRANSLATION + 4, SZ_4K);
	last[1] = last[0] & ~BIT_ULL(10);
	KUNIT_EXPECT_EQ(test, mali_as_walk(&gpu->as, VA + SZ_4K, &leaf), mali ? 0 : 0xd8);
	last[1] = last[0] & ~BIT_ULL(0);
	expect_fault(test, gpu, VA + SZ_4K, MALI_FAULT_TRANSLATION + 4, SZ_4K);
	last[1] = 0;

	/* A block's address has no bits below its size. */
	expect_fault(test, gpu, VA + SZ_2M, MALI_FAULT_TRANSLATION + 3, SZ_2M);
	mali_as_walk(&gpu->as, VA + SZ_2M, &leaf);
	last = phys_to_virt(leaf.pa);
	last[1] = (PA + SZ_4K) | (mali ? 0xc1 : 0x441);
	expect_leaf(test, gpu, VA + SZ_2M, PA, SZ_2M, ACCESS_ALL);
	last[1] = 0;
}

/* A table where there is no memory, or none that can be one. */
static void mali_test_bad_table(struct kunit *test)
{
	struct gpu *gpu = gpu_create(test, &table_formats[0]);

	mali_as_update(&gpu->as, PA | AS_TRANSTAB_LPAE_ADRMODE_TABLE, AS_TRANSCFG_ADRMODE_LEGACY);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), MALI_FAULT_TRANSTAB_BUS);
	mali_as_update(&gpu->as, AS_TRANSTAB_LPAE_ADRMODE_TABLE, AS_TRANSCFG_ADRMODE_LEGACY);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), MALI_FAULT_TRANSTAB_BUS);
	KUNIT_EXPECT_EQ(test, gpu_errors(gpu), 0);
}

/**
 * struct plan - leaves to be enumerated, in order
 * @count: how many
 * @leaf: the leaves
 */
struct plan {
	unsigned int count;
	struct mali_leaf leaf[512];
};

static void plan_map(struct kunit *test, struct gpu *gpu, struct plan *plan, u64 va, u64 size,
		     struct rnd_state *rnd)
{
	u64 pa = (u64)prandom_u32_state(rnd) % SZ_64K * size;

	if (plan->count == ARRAY_SIZE(plan->leaf))
		return;
	gpu_map(test, gpu, va, pa, size, PROT_RW);
	plan->leaf[plan->count++] = (struct mali_leaf) {
		.va = va, .pa = pa, .size = size, .access = ACCESS_ALL,
	};
}

/* One stretch of 2M: a big leaf, some small ones, or, as after an unmap, a table with nothing. */
static void plan_stretch(struct kunit *test, struct gpu *gpu, struct plan *plan, u64 va,
			 struct rnd_state *rnd)
{
	unsigned int kind = prandom_u32_state(rnd) % 4, i;

	if (kind == 0) {
		plan_map(test, gpu, plan, va, SZ_2M, rnd);
	} else if (kind == 1) {
		for (i = prandom_u32_state(rnd) % 64; i < 512; i += 1 + prandom_u32_state(rnd) % 99)
			plan_map(test, gpu, plan, va + i * SZ_4K, SZ_4K, rnd);
	} else if (kind == 2) {
		gpu_map(test, gpu, va + SZ_64K, PA, SZ_4K, PROT_RW);
		gpu_unmap(test, gpu, va + SZ_64K, SZ_4K);
	}
}

static struct plan *plan_create(struct kunit *test, struct gpu *gpu, unsigned int bits)
{
	struct plan *plan = kunit_kzalloc(test, sizeof(*plan), GFP_KERNEL);
	u64 va = 0, end = BIT_ULL(bits);
	struct rnd_state rnd;

	KUNIT_ASSERT_NOT_NULL(test, plan);
	prandom_seed_state(&rnd, 20180412);
	while (va < end - SZ_2M) {
		plan_stretch(test, gpu, plan, va, &rnd);
		/* Near each other, and far away, under other tables of every level. */
		va += prandom_u32_state(&rnd) % 4 ? SZ_2M :
		      (u64)SZ_2M << prandom_u32_state(&rnd) % (bits - 22);
	}
	/* The last page there is. */
	plan_map(test, gpu, plan, end - SZ_4K, SZ_4K, &rnd);
	return plan;
}

/* Exactly what was mapped, in order, whatever lies between. */
static void mali_test_next(struct kunit *test)
{
	const struct table_format *format = test->param_value;
	struct gpu *gpu = gpu_create(test, format);
	struct plan *plan = plan_create(test, gpu, format->bits);
	struct mali_leaf leaf;
	unsigned int i;
	u64 va = 0;

	KUNIT_EXPECT_GT(test, plan->count, 20);
	for (i = 0; i < plan->count; i++) {
		KUNIT_ASSERT_TRUE(test, mali_as_next(&gpu->as, &va, &leaf));
		KUNIT_ASSERT_EQ(test, leaf.va, plan->leaf[i].va);
		KUNIT_EXPECT_EQ(test, leaf.pa, plan->leaf[i].pa);
		KUNIT_EXPECT_EQ(test, leaf.size, plan->leaf[i].size);
		KUNIT_EXPECT_EQ(test, leaf.access, plan->leaf[i].access);
		KUNIT_EXPECT_EQ(test, va, leaf.va + leaf.size);
	}
	KUNIT_EXPECT_FALSE(test, mali_as_next(&gpu->as, &va, &leaf));
	KUNIT_EXPECT_FALSE(test, mali_as_next(&gpu->as, &va, &leaf));

	/* From the middle of a leaf on, that leaf is the first. */
	va = plan->leaf[0].va + 1;
	KUNIT_ASSERT_TRUE(test, mali_as_next(&gpu->as, &va, &leaf));
	KUNIT_EXPECT_EQ(test, leaf.va, plan->leaf[0].va);
}

/* Across pages that lie apart, unaligned, up to one that is not there. */
static void mali_test_copy(struct kunit *test)
{
	struct gpu *gpu = gpu_create(test, &table_formats[0]);
	struct folio *folio[3];
	size_t size = 2 * SZ_4K + 100, done;
	u8 *buf = kunit_kmalloc(test, size, GFP_KERNEL);
	u8 *back = kunit_kzalloc(test, size, GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_ASSERT_NOT_NULL(test, back);
	for (i = 0; i < 3; i++) {
		folio[i] = get_folio(test, 0);
		gpu_map(test, gpu, VA + i * SZ_4K, folio_pa(folio[i]), SZ_4K, PROT_RW);
	}
	get_random_bytes(buf, size);

	KUNIT_EXPECT_EQ(test, mali_as_access(&gpu->as, VA + 50, buf, size, MALI_WRITE, &done), 0);
	KUNIT_EXPECT_EQ(test, done, size);
	KUNIT_EXPECT_MEMEQ(test, folio_address(folio[0]) + 50, buf, SZ_4K - 50);
	KUNIT_EXPECT_MEMEQ(test, folio_address(folio[1]), buf + SZ_4K - 50, SZ_4K);
	KUNIT_EXPECT_MEMEQ(test, folio_address(folio[2]), buf + 2 * SZ_4K - 50, 150);
	KUNIT_EXPECT_EQ(test, mali_as_access(&gpu->as, VA + 50, back, size, MALI_READ, &done), 0);
	KUNIT_EXPECT_MEMEQ(test, back, buf, size);
	KUNIT_EXPECT_EQ(test, gpu->as.walks, 3);
	KUNIT_EXPECT_EQ(test, gpu->as.tlb_hits, 3);

	KUNIT_EXPECT_EQ(test, mali_as_access(&gpu->as, VA + 2 * SZ_4K + 4000, back, 200, MALI_READ,
					     &done), MALI_FAULT_TRANSLATION + 4);
	KUNIT_EXPECT_EQ(test, done, 96);
	KUNIT_EXPECT_EQ(test, gpu_errors(gpu), 0);
}

static void mali_test_permission(struct kunit *test)
{
	struct gpu *gpu = gpu_create(test, &table_formats[0]);
	struct folio *folio = get_folio(test, 0);

	gpu_map(test, gpu, VA, folio_pa(folio), SZ_4K, IOMMU_READ | IOMMU_NOEXEC);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), 0);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_WRITE), MALI_FAULT_PERMISSION);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ | MALI_EXEC), MALI_FAULT_PERMISSION);
	KUNIT_EXPECT_EQ(test, *(u32 *)folio_address(folio), 0);
	KUNIT_EXPECT_EQ(test, gpu_errors(gpu), 0);
}

/* Entries of one leaf, of pages that share an entry, and what a flush of a region drops. */
static void mali_test_tlb(struct kunit *test)
{
	struct gpu *gpu = gpu_create(test, &table_formats[0]);
	const u64 shares = VA + MALI_TLB_ENTRIES * SZ_4K;
	u64 pa = folio_pa(get_folio(test, 0));

	gpu_map(test, gpu, VA, pa, SZ_4K, PROT_RW);
	gpu_map(test, gpu, VA + SZ_4K, pa, SZ_4K, PROT_RW);
	gpu_map(test, gpu, shares, pa, SZ_4K, PROT_RW);
	touch(gpu, VA, MALI_READ);
	touch(gpu, VA + SZ_4K, MALI_READ);
	KUNIT_EXPECT_EQ(test, gpu->as.walks, 2);
	KUNIT_EXPECT_EQ(test, gpu->as.tlb_hits, 0);
	touch(gpu, VA, MALI_WRITE);
	KUNIT_EXPECT_EQ(test, gpu->as.tlb_hits, 1);

	mali_as_flush(&gpu->as, VA, SZ_4K);
	touch(gpu, VA + SZ_4K, MALI_READ);
	KUNIT_EXPECT_EQ(test, gpu->as.tlb_hits, 2);
	touch(gpu, VA, MALI_READ);
	KUNIT_EXPECT_EQ(test, gpu->as.walks, 3);

	/* Neither another region nor an empty one does anything; all of it does. */
	mali_as_flush(&gpu->as, 0, VA);
	mali_as_flush(&gpu->as, VA, 0);
	mali_as_flush(&gpu->as, VA + 2 * SZ_4K, U64_MAX - VA - 2 * SZ_4K);
	touch(gpu, VA, MALI_READ);
	touch(gpu, VA + SZ_4K, MALI_READ);
	KUNIT_EXPECT_EQ(test, gpu->as.walks, 3);
	mali_as_flush(&gpu->as, 0, U64_MAX);
	touch(gpu, VA, MALI_READ);
	touch(gpu, VA + SZ_4K, MALI_READ);
	KUNIT_EXPECT_EQ(test, gpu->as.walks, 5);

	touch(gpu, shares, MALI_READ);
	touch(gpu, VA, MALI_READ);
	KUNIT_EXPECT_EQ(test, gpu->as.walks, 7);
	KUNIT_EXPECT_EQ(test, gpu_errors(gpu), 0);
}

/* A region that covers a part of a big leaf drops the entries of all its pages. */
static void mali_test_tlb_big(struct kunit *test)
{
	struct gpu *gpu = gpu_create(test, &table_formats[0]);
	u64 pa = folio_pa(get_folio(test, 9));

	gpu_map(test, gpu, VA, pa, SZ_2M, PROT_RW);
	touch(gpu, VA, MALI_READ);
	touch(gpu, VA + SZ_64K, MALI_READ);
	touch(gpu, VA + SZ_64K + 8, MALI_READ);
	KUNIT_EXPECT_EQ(test, gpu->as.walks, 2);
	KUNIT_EXPECT_EQ(test, gpu->as.tlb_hits, 1);
	mali_as_flush(&gpu->as, VA + SZ_1M, SZ_4K);
	touch(gpu, VA, MALI_READ);
	touch(gpu, VA + SZ_64K, MALI_READ);
	KUNIT_EXPECT_EQ(test, gpu->as.walks, 4);

	/* The same memory in small leaves: nothing that an entry says is wrong. */
	gpu_unmap(test, gpu, VA, SZ_2M);
	gpu_map(test, gpu, VA, pa, SZ_4K, PROT_RW);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), 0);
	KUNIT_EXPECT_EQ(test, gpu_errors(gpu), 0);
}

/* Mapped elsewhere: reported once without a flush, never with one; memory is the table's. */
static void mali_test_stale_remap(struct kunit *test)
{
	struct gpu *gpu = gpu_create(test, test->param_value);
	struct folio *old = get_folio(test, 0), *new = get_folio(test, 0);

	gpu_map(test, gpu, VA, folio_pa(old), SZ_4K, PROT_RW);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), 0);
	gpu_unmap(test, gpu, VA, SZ_4K);
	gpu_map(test, gpu, VA, folio_pa(new), SZ_4K, PROT_RW);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_WRITE), 0);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), 0);
	KUNIT_EXPECT_EQ(test, gpu->as.errors[MALI_ERR_STALE_TLB], 1);
	KUNIT_EXPECT_EQ(test, *(u32 *)folio_address(old), 0);
	KUNIT_EXPECT_EQ(test, *(u32 *)folio_address(new), 0x600df00d);

	gpu_unmap(test, gpu, VA, SZ_4K);
	gpu_map(test, gpu, VA, folio_pa(old), SZ_4K, PROT_RW);
	mali_as_flush(&gpu->as, VA, SZ_32K);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), 0);

	/* Nor if the address space was given new registers in between. */
	gpu_unmap(test, gpu, VA, SZ_4K);
	gpu_map(test, gpu, VA, folio_pa(new), SZ_4K, PROT_RW);
	mali_as_update(&gpu->as, gpu->as.transtab, gpu->as.transcfg);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), 0);
	KUNIT_EXPECT_EQ(test, gpu_errors(gpu), 1);
}

static void mali_test_stale_permission(struct kunit *test)
{
	struct gpu *gpu = gpu_create(test, test->param_value);
	u64 pa = folio_pa(get_folio(test, 0));

	gpu_map(test, gpu, VA, pa, SZ_4K, IOMMU_READ);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), 0);
	gpu_unmap(test, gpu, VA, SZ_4K);
	gpu_map(test, gpu, VA, pa, SZ_4K, PROT_RW);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_WRITE), 0);
	KUNIT_EXPECT_EQ(test, gpu_errors(gpu), 0);

	gpu_unmap(test, gpu, VA, SZ_4K);
	gpu_map(test, gpu, VA, pa, SZ_4K, IOMMU_READ);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_WRITE), MALI_FAULT_PERMISSION);
	KUNIT_EXPECT_EQ(test, gpu->as.errors[MALI_ERR_STALE_TLB], 1);
}

/* Unmapped and never flushed. */
static void mali_test_stale_unmap(struct kunit *test)
{
	struct gpu *gpu = gpu_create(test, test->param_value);

	gpu_map(test, gpu, VA, folio_pa(get_folio(test, 0)), SZ_4K, PROT_RW);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), 0);
	gpu_unmap(test, gpu, VA, SZ_4K);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), MALI_FAULT_TRANSLATION + 4);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), MALI_FAULT_TRANSLATION + 4);
	KUNIT_EXPECT_EQ(test, gpu->as.errors[MALI_ERR_STALE_TLB], 1);
}

/**
 * struct late_flush - a driver that is a bit slow
 * @work: does the flush
 * @as: what it flushes
 */
struct late_flush {
	struct delayed_work work;
	struct mali_as *as;
};

static void late_flush_work(struct work_struct *work)
{
	struct late_flush *late = container_of(work, struct late_flush, work.work);

	mali_as_flush(late->as, VA, SZ_4K);
}

/* An access between the clearing of the PTE and the flush waits, and is no error. */
static void mali_test_late_flush(struct kunit *test)
{
	struct gpu *gpu = gpu_create(test, &table_formats[0]);
	struct late_flush late = { .as = &gpu->as };

	gpu_map(test, gpu, VA, folio_pa(get_folio(test, 0)), SZ_4K, PROT_RW);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), 0);
	gpu_unmap(test, gpu, VA, SZ_4K);

	INIT_DELAYED_WORK_ONSTACK(&late.work, late_flush_work);
	schedule_delayed_work(&late.work, 1);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), MALI_FAULT_TRANSLATION + 4);
	flush_delayed_work(&late.work);
	destroy_delayed_work_on_stack(&late.work);
	KUNIT_EXPECT_EQ(test, gpu_errors(gpu), 0);
}

/*
 * A page that nobody owns any more. Its count is frozen at 0 instead of the page being freed: a
 * free page could have another owner at any moment.
 */
static void mali_test_freed_page(struct kunit *test)
{
	struct gpu *gpu = gpu_create(test, &table_formats[0]);
	struct folio *small = get_folio(test, 0), *big = get_folio(test, 9);

	gpu_map(test, gpu, VA, folio_pa(small), SZ_4K, PROT_RW);
	gpu_map(test, gpu, VA + SZ_2M, folio_pa(big), SZ_2M, PROT_RW);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_WRITE), 0);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA + SZ_2M + SZ_64K, MALI_WRITE), 0);
	*(u32 *)folio_address(small) = 1;

	KUNIT_ASSERT_TRUE(test, folio_ref_freeze(small, 1));
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_WRITE), MALI_FAULT_TRANSTAB_BUS);
	folio_ref_unfreeze(small, 1);
	KUNIT_EXPECT_EQ(test, *(u32 *)folio_address(small), 1);
	KUNIT_EXPECT_EQ(test, gpu->as.errors[MALI_ERR_FREED_PAGE], 1);

	KUNIT_ASSERT_TRUE(test, folio_ref_freeze(big, 1));
	KUNIT_EXPECT_EQ(test, touch(gpu, VA + SZ_2M + SZ_64K, MALI_READ), MALI_FAULT_TRANSTAB_BUS);
	folio_ref_unfreeze(big, 1);
	KUNIT_EXPECT_EQ(test, gpu->as.errors[MALI_ERR_FREED_PAGE], 2);

	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_WRITE), 0);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA + SZ_2M + SZ_64K, MALI_WRITE), 0);
	KUNIT_EXPECT_EQ(test, gpu_errors(gpu), 2);
}

/* The same of a page of the tables. */
static void mali_test_freed_table(struct kunit *test)
{
	struct gpu *gpu = gpu_create(test, test->param_value);
	struct mali_leaf leaf;
	struct folio *table;

	gpu_map(test, gpu, VA, folio_pa(get_folio(test, 0)), SZ_4K, PROT_RW);
	mali_as_walk(&gpu->as, VA + SZ_4K, &leaf);
	table = pfn_folio(PHYS_PFN(leaf.pa));
	KUNIT_ASSERT_TRUE(test, folio_ref_freeze(table, 1));
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), MALI_FAULT_TRANSTAB_BUS);
	folio_ref_unfreeze(table, 1);
	KUNIT_EXPECT_EQ(test, gpu->as.errors[MALI_ERR_FREED_PAGE], 1);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_READ), 0);
	KUNIT_EXPECT_EQ(test, gpu_errors(gpu), 1);
}

/* Leaves that lead out of RAM or into the kernel's image fault, they do not crash. */
static void mali_test_no_memory(struct kunit *test)
{
	struct gpu *gpu = gpu_create(test, &table_formats[0]);

	gpu_map(test, gpu, VA, PA, SZ_4K, PROT_RW);
	gpu_map(test, gpu, VA + SZ_4K, 0, SZ_4K, PROT_RW);
	gpu_map(test, gpu, VA + 2 * SZ_4K, BIT_ULL(40) - SZ_4K, SZ_4K, PROT_RW);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA, MALI_WRITE), MALI_FAULT_TRANSTAB_BUS);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA + SZ_4K, MALI_WRITE), MALI_FAULT_TRANSTAB_BUS);
	KUNIT_EXPECT_EQ(test, touch(gpu, VA + 2 * SZ_4K, MALI_READ), MALI_FAULT_TRANSTAB_BUS);
	KUNIT_EXPECT_EQ(test, gpu_errors(gpu), 0);
}

/* GPU memory of a fragment job: its descriptors in the first page, then what it fills. */
#define MEMORY_PAGES	24
#define MEMORY_SIZE	(MEMORY_PAGES * PAGE_SIZE)
#define PAYLOAD		0x20
#define FB		0x100
#define FB_WORDS	32
#define EXT_WORDS	16
#define SURFACE		0x1000
#define SURFACE_2	0xc000
#define SURFACE_3	0x14000
#define UNTOUCHED	0xa5

/**
 * struct scene - a fragment job by hand
 * @gpu: what runs it
 * @memory: all of its memory as the CPU sees it
 * @picture: what it has to look like behind the descriptors, computed without the model
 * @payload: of the job, in @memory
 * @fb: framebuffer descriptor, in @memory
 * @rt: first render target's, in @memory; others follow
 * @arch: 5, 7, or 9
 */
struct scene {
	struct gpu *gpu;
	u8 *memory;
	u8 *picture;
	u32 *payload;
	u32 *fb;
	u32 *rt;
	unsigned int arch;
};

static const unsigned int archs[] = { 5, 7, 9 };

static void arch_desc(const unsigned int *arch, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "v%u", *arch);
}

KUNIT_ARRAY_PARAM(archs, archs, arch_desc);

static void unmap_memory(void *memory)
{
	vunmap(memory);
}

/* Pages of their own, in an order of their own. */
static u8 *scene_memory(struct kunit *test, struct gpu *gpu)
{
	struct page **pages = kunit_kcalloc(test, MEMORY_PAGES, sizeof(*pages), GFP_KERNEL);
	unsigned int i, nr;
	u8 *memory;

	KUNIT_ASSERT_NOT_NULL(test, pages);
	for (i = 0; i < MEMORY_PAGES; i++) {
		nr = i ^ 1;
		pages[nr] = folio_page(get_folio(test, 0), 0);
		gpu_map(test, gpu, VA + nr * SZ_4K, page_to_phys(pages[nr]), SZ_4K, PROT_RW);
	}
	memory = vmap(pages, MEMORY_PAGES, VM_MAP, PAGE_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, memory);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, unmap_memory, memory), 0);
	return memory;
}

static struct scene *scene_create(struct kunit *test)
{
	struct scene *scene = kunit_kzalloc(test, sizeof(*scene), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, scene);
	scene->arch = *(const unsigned int *)test->param_value;
	scene->gpu = gpu_create(test, &table_formats[0]);
	scene->gpu->ctx.arch = scene->arch;
	scene->memory = scene_memory(test, scene->gpu);
	scene->picture = kunit_kmalloc(test, MEMORY_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, scene->picture);
	memset(scene->memory, UNTOUCHED, MEMORY_SIZE);
	memset(scene->picture, UNTOUCHED, MEMORY_SIZE);
	memset(scene->memory, 0, SURFACE);
	scene->payload = (u32 *)(scene->memory + PAYLOAD);
	scene->fb = (u32 *)(scene->memory + FB);
	scene->rt = scene->fb + FB_WORDS;
	return scene;
}

/* A framebuffer that the job covers, tiles are of 16x16 pixels. */
static void scene_size(struct scene *scene, unsigned int width, unsigned int height)
{
	scene->payload[0] = 0;
	scene->payload[1] = (width - 1) / 16 | (height - 1) / 16 << 16;
	scene->payload[2] = (VA + FB) | 1;
	scene->payload[3] = 0;
	scene->fb[8] = (width - 1) | (height - 1) << 16;
	scene->fb[9] = 0;
	scene->fb[10] = scene->fb[8];
}

static u32 block_format(const struct scene *scene, bool tiled)
{
	if (scene->arch == 5)
		return (tiled ? 0 : 2) << 10;
	return (tiled ? 1 : 2) << 8;
}

/* An RGBA8 target that is cleared. */
static void scene_target(struct scene *scene, unsigned int nr, u32 offset, u32 stride, bool tiled,
			 u32 clear)
{
	u32 *rt = scene->rt + 16 * nr;

	scene->fb[11] = nr << 19;
	rt[0] = 1 << 26;
	rt[1] = BIT(31) | 0x688 << 16 | 19 << 3 | 1 | block_format(scene, tiled);
	rt[8] = VA + offset;
	rt[9] = 0;
	rt[10] = stride;
	memset32(&rt[12], clear, 4);
}

/* Where a pixel lies: computed from the definition of the order in a tile, bit by bit. */
static size_t pixel_offset(unsigned int x, unsigned int y, u32 stride, bool tiled,
			   unsigned int bytes)
{
	unsigned int bit, index = 0;

	if (!tiled)
		return (size_t)y * stride + x * bytes;
	for (bit = 0; bit < 4; bit++) {
		index |= ((x ^ y) >> bit & 1) << (2 * bit);
		index |= (y >> bit & 1) << (2 * bit + 1);
	}
	return (size_t)(y / 16) * stride + (x / 16 * 256 + index) * bytes;
}

/**
 * struct box - part of a picture
 * @x0: first column
 * @y0: first row
 * @x1: column behind the last
 * @y1: row behind the last
 */
struct box {
	unsigned int x0, y0, x1, y1;
};

static void paint(struct scene *scene, u32 offset, struct box box, u32 stride, bool tiled,
		  const void *pixel, unsigned int bytes)
{
	unsigned int x, y;

	for (y = box.y0; y < box.y1; y++)
		for (x = box.x0; x < box.x1; x++)
			memcpy(scene->picture + offset + pixel_offset(x, y, stride, tiled, bytes),
			       pixel, bytes);
}

static void expect_run(struct kunit *test, struct scene *scene, int expected)
{
	struct mali_ctx *ctx = &scene->gpu->ctx;

	ctx->tiles = 0;
	ctx->pixels = 0;
	KUNIT_EXPECT_EQ(test, mali_fragment(ctx, VA + PAYLOAD), expected);
	KUNIT_EXPECT_EQ_MSG(test, memcmp(scene->memory + SURFACE, scene->picture + SURFACE,
					 MEMORY_SIZE - SURFACE), 0, "not the picture");
	KUNIT_EXPECT_EQ(test, gpu_errors(scene->gpu), 0);
}

static u32 row_stride(unsigned int width, bool tiled, unsigned int bytes)
{
	return tiled ? DIV_ROUND_UP(width, 16) * 256 * bytes : ALIGN(width * bytes, 64);
}

static void clear_size(struct kunit *test, struct scene *scene, unsigned int width,
		       unsigned int height, bool tiled)
{
	struct box box = { 0, 0, width, height };
	u32 stride = row_stride(width, tiled, 4), color = 0x11223344 + width;

	scene_size(scene, width, height);
	scene_target(scene, 0, SURFACE, stride, tiled, color);
	paint(scene, SURFACE, box, stride, tiled, &color, 4);
	expect_run(test, scene, 0);
	KUNIT_EXPECT_EQ(test, scene->gpu->ctx.pixels, width * height);
	KUNIT_EXPECT_EQ(test, scene->gpu->ctx.tiles,
			DIV_ROUND_UP(width, 16) * DIV_ROUND_UP(height, 16));
}

/* Of one pixel, of whole tiles, and of many odd numbers. Nothing else may change. */
static void mali_test_clear(struct kunit *test)
{
	static const unsigned int sizes[][2] = {
		{ 1, 1 }, { 16, 16 }, { 15, 17 }, { 17, 15 }, { 33, 49 }, { 3, 100 }, { 100, 3 },
		{ 129, 75 }, { 128, 64 },
	};
	struct scene *scene = scene_create(test);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		clear_size(test, scene, sizes[i][0], sizes[i][1], false);
		clear_size(test, scene, sizes[i][0], sizes[i][1], true);
	}
}

/* Some of the tiles, and some of the pixels of these. */
static void mali_test_scissor(struct kunit *test)
{
	struct scene *scene = scene_create(test);
	u32 color = 0xc01012c0, stride;
	unsigned int tiled;

	for (tiled = 0; tiled < 2; tiled++) {
		stride = row_stride(100, tiled, 4);
		scene_size(scene, 100, 80);
		scene->payload[0] = 2 | 1 << 16;
		scene->payload[1] = 3 | 2 << 16;
		scene_target(scene, 0, SURFACE, stride, tiled, ++color);
		paint(scene, SURFACE, (struct box) { 32, 16, 64, 48 }, stride, tiled, &color, 4);
		expect_run(test, scene, 0);
		KUNIT_EXPECT_EQ(test, scene->gpu->ctx.tiles, 4);

		/* The framebuffer's own bounds cut through tiles. */
		scene->fb[9] = 37 | 21 << 16;
		scene->fb[10] = 50 | 43 << 16;
		scene_target(scene, 0, SURFACE, stride, tiled, ++color);
		paint(scene, SURFACE, (struct box) { 37, 21, 51, 44 }, stride, tiled, &color, 4);
		expect_run(test, scene, 0);
		KUNIT_EXPECT_EQ(test, scene->gpu->ctx.pixels, 14 * 23);
	}
}

/* A format, and what a clear colour has to become in memory. */
static const struct color_case {
	const char *name;
	u32 internal;
	u32 format;
	u32 swizzle;
	u32 clear[4];
	unsigned int bytes;
	u8 pixel[16];
} color_cases[] = {
	{ "RGBA8", 1, 19, 0x688, { 0x44332211 }, 4, { 0x11, 0x22, 0x33, 0x44 } },
	{ "BGRA8", 1, 19, 0x60a, { 0x44332211 }, 4, { 0x33, 0x22, 0x11, 0x44 } },
	{ "BGRX8", 1, 19, 0x80a, { 0x44332211 }, 4, { 0x33, 0x22, 0x11, 0 } },
	{ "BGR1", 1, 19, 0xa0a, { 0x44332211 }, 4, { 0x33, 0x22, 0x11, 0xff } },
	{ "ARGB8", 1, 19, 0x443, { 0x44332211 }, 4, { 0x44, 0x11, 0x22, 0x33 } },
	{ "RGB8", 1, 18, 0x888, { 0x44332211 }, 3, { 0x11, 0x22, 0x33 } },
	{ "RG8", 1, 17, 0x908, { 0x44332211 }, 2, { 0x11, 0x22 } },
	{ "R8", 1, 16, 0x920, { 0x44332211 }, 1, { 0x11 } },
	{ "A8", 1, 16, 0x923, { 0x44332211 }, 1, { 0x44 } },
	/* 10, 10, 10 and 2 bits */
	{ "RGB10A2", 2, 24, 0x688, { 0xdeadbeef }, 4, { 0xef, 0xbe, 0xad, 0xde } },
	{ "BGR10A2", 2, 24, 0x60a, { 0x800003ff }, 4, { 0x00, 0x00, 0xf0, 0xbf } },
	/* Each of 4 bits above 4 of fraction: R=1, G=2, B=3, A=4 */
	{ "RGBA4", 4, 20, 0x688, { 0x40302010 }, 2, { 0x21, 0x43 } },
	{ "ABGR4", 4, 20, 0x053, { 0x40302010 }, 2, { 0x34, 0x12 } },
	/* R=1 (5 bits, 5 of fraction), G=2 (6, 4), B=3 (5, 5), 2 more */
	{ "RGB565", 5, 21, 0x888, { 1 << 5 | 2 << 14 | 3 << 25 }, 2, { 0x41, 0x18 } },
	{ "BGR565", 5, 21, 0x80a, { 1 << 5 | 2 << 14 | 3 << 25 }, 2, { 0x43, 0x08 } },
	/* R=1, G=2, B=3 of 5 bits and 5 of fraction each, A=1 of 1 and 1 */
	{ "RGB5A1", 6, 28, 0x688, { 1 << 5 | 2 << 15 | 3 << 25 | 1U << 31 }, 2, { 0x41, 0x8c } },
	{ "RAW8", 32, 0, 0x688, { 0x5a5a5a5a }, 1, { 0x5a } },
	{ "RAW16", 33, 1, 0x688, { 0x12341234 }, 2, { 0x34, 0x12 } },
	{ "RAW24", 34, 2, 0x688, { 0x00563412 }, 3, { 0x12, 0x34, 0x56 } },
	{ "RAW32", 34, 3, 0x688, { 0x3f800000 }, 4, { 0, 0, 0x80, 0x3f } },
	{ "RAW48", 35, 4, 0x688, { 0x44332211, 0x6655 }, 6,
	  { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66 } },
	{ "RAW64", 35, 5, 0x688, { 0x44332211, 0x88776655 }, 8,
	  { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 } },
	{ "RAW96", 36, 6, 0x688, { 0x04030201, 0x08070605, 0x0c0b0a09 }, 12,
	  { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 } },
	{ "RAW128", 36, 7, 0x688, { 0x04030201, 0x08070605, 0x0c0b0a09, 0x100f0e0d }, 16,
	  { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } },
};

static void scene_format(struct scene *scene, const struct color_case *c)
{
	scene->rt[0] = c->internal << 26;
	scene->rt[1] &= ~(0xfff << 16 | 0x1f << 3);
	scene->rt[1] |= c->swizzle << 16 | c->format << 3;
	memcpy(&scene->rt[12], c->clear, sizeof(c->clear));
}

static void mali_test_formats(struct kunit *test)
{
	const struct box box = { 0, 0, 37, 21 };
	struct scene *scene = scene_create(test);
	const struct color_case *c;
	unsigned int tiled;
	u32 stride;

	for (c = color_cases; c < color_cases + ARRAY_SIZE(color_cases); c++) {
		for (tiled = 0; tiled < 2; tiled++) {
			kunit_info(test, "%s %s", c->name, tiled ? "tiled" : "linear");
			stride = row_stride(box.x1, tiled, c->bytes);
			scene_size(scene, box.x1, box.y1);
			scene_target(scene, 0, SURFACE, stride, tiled, 0);
			scene_format(scene, c);
			paint(scene, SURFACE, box, stride, tiled, c->pixel, c->bytes);
			expect_run(test, scene, 0);
		}
	}
}

/* Two of them, one of which is not written, or has nothing to be cleared. */
static void mali_test_targets(struct kunit *test)
{
	const struct box box = { 0, 0, 70, 50 };
	struct scene *scene = scene_create(test);
	u32 first = 0x01020304, second = 0xfffefdfc;
	u32 linear = row_stride(box.x1, false, 4), tiled = row_stride(box.x1, true, 4);

	scene_size(scene, box.x1, box.y1);
	scene_target(scene, 0, SURFACE, linear, false, first);
	scene_target(scene, 1, SURFACE_2, tiled, true, second);
	scene->rt[1] &= ~BIT(0);
	paint(scene, SURFACE_2, box, tiled, true, &second, 4);
	expect_run(test, scene, 0);
	KUNIT_EXPECT_EQ(test, scene->gpu->ctx.pixels, 70 * 50);

	scene_target(scene, 0, SURFACE, linear, false, first);
	scene_target(scene, 1, SURFACE_2, tiled, true, 0);
	scene->rt[16 + 1] &= ~BIT(31);
	paint(scene, SURFACE, box, linear, false, &first, 4);
	expect_run(test, scene, 0);

	scene_target(scene, 0, SURFACE, linear, false, ++first);
	scene_target(scene, 1, SURFACE_2, tiled, true, ++second);
	paint(scene, SURFACE, box, linear, false, &first, 4);
	paint(scene, SURFACE_2, box, tiled, true, &second, 4);
	expect_run(test, scene, 0);
	KUNIT_EXPECT_EQ(test, scene->gpu->ctx.pixels, 2 * 70 * 50);
	KUNIT_EXPECT_EQ(test, scene->gpu->ctx.tiles, 5 * 4);
}

/* A depth, as a float's bits, and what it has to become. */
static const struct depth_case {
	u32 format;
	u32 z;
	u8 s;
	unsigned int bytes;
	u32 pixel;
} depth_cases[] = {
	{ 1, 0x3f800000, 0, 2, 0xffff },	/* D16: 1.0 */
	{ 1, 0x3e800000, 0, 2, 0x4000 },	/* 0.25 */
	{ 1, 0x00000000, 0, 2, 0 },
	{ 4, 0x3f800000, 0, 4, 0xffffff },	/* D24X8: 1.0 */
	{ 4, 0x3f000000, 0, 4, 0x800000 },	/* 0.5 */
	{ 4, 0x33800000, 0, 4, 1 },		/* 2^-24 */
	{ 4, 0x31800000, 0, 4, 0 },		/* 2^-28 */
	{ 4, 0xbf800000, 0, 4, 0 },		/* -1.0 */
	{ 4, 0x40000000, 0, 4, 0xffffff },	/* 2.0 */
	{ 5, 0x3f800000, 0x7f, 4, 0x7fffffff },	/* D24S8 */
	{ 14, 0x3f400000, 0, 4, 0x3f400000 },	/* D32: 0.75 */
};

static u32 zs_block(const struct scene *scene, bool tiled)
{
	if (scene->arch == 5)
		return tiled ? 0 : 2;
	return tiled ? 1 : 2;
}

/* Depth in the first surface, stencil of its own in the second one; the target follows. */
static void scene_depth(struct scene *scene, const struct depth_case *c, u32 stride, bool tiled,
			bool stencil)
{
	u32 *ext = scene->fb + FB_WORDS, block = zs_block(scene, tiled);
	unsigned int z = scene->arch == 9 ? 8 : 4, s = scene->arch == 9 ? 12 : 8;

	scene->rt = ext + EXT_WORDS;
	memset(ext, 0, EXT_WORDS * sizeof(*ext));
	scene->fb[12] = c->s | BIT(18) | BIT(21) | (stencil ? BIT(8) : 0);
	scene->fb[13] = c->z;
	ext[scene->arch == 9 ? 0 : 3] = c->format | block << 4 | 1 << 16 | block << 20 |
					(scene->arch == 9 ? BIT(31) : BIT(10));
	ext[z] = VA + SURFACE;
	ext[z + 2] = stride;
	ext[s] = VA + SURFACE_2;
	ext[s + 2] = row_stride(45, tiled, 1);
}

static void clear_depth(struct kunit *test, struct scene *scene, const struct depth_case *c,
			bool tiled, bool stencil)
{
	const struct box box = { 0, 0, 45, 30 };
	u32 stride = row_stride(box.x1, tiled, c->bytes), color = c->z ^ 0x77777777;

	scene_size(scene, box.x1, box.y1);
	scene_depth(scene, c, stride, tiled, stencil);
	scene_target(scene, 0, SURFACE_3, row_stride(box.x1, false, 4), false, color);
	paint(scene, SURFACE_3, box, row_stride(box.x1, false, 4), false, &color, 4);
	paint(scene, SURFACE, box, stride, tiled, &c->pixel, c->bytes);
	if (stencil)
		paint(scene, SURFACE_2, box, row_stride(box.x1, tiled, 1), tiled, &c->s, 1);
	expect_run(test, scene, 0);
	KUNIT_EXPECT_EQ(test, scene->gpu->ctx.pixels, 45 * 30);
}

static void mali_test_depth(struct kunit *test)
{
	struct scene *scene = scene_create(test);
	struct depth_case separate = { 14, 0x3f800000, 0x42, 4, 0x3f800000 };
	const struct depth_case *c;

	for (c = depth_cases; c < depth_cases + ARRAY_SIZE(depth_cases); c++) {
		clear_depth(test, scene, c, false, false);
		clear_depth(test, scene, c, true, false);
	}
	clear_depth(test, scene, &separate, false, true);
	separate.s++;
	clear_depth(test, scene, &separate, true, true);

	/* Not written: its formats do not matter. */
	scene->fb[12] &= ~(BIT(18) | BIT(8));
	scene->fb[12] ^= 0xff;
	scene->fb[FB_WORDS + (scene->arch == 9 ? 0 : 3)] |= 0xff;
	expect_run(test, scene, 0);
}

/* A good target first: a job that is refused must not have written that, either. */
static void scene_refused(struct kunit *test, struct scene *scene, const char *what)
{
	kunit_info(test, "%s", what);
	expect_run(test, scene, -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, scene->gpu->ctx.tiles, 0);
	KUNIT_EXPECT_EQ(test, scene->gpu->ctx.pixels, 0);
	memset(scene->memory, 0, SURFACE);
	scene->rt = scene->fb + FB_WORDS;
	scene_size(scene, 64, 64);
	scene_target(scene, 0, SURFACE, 256, false, 0x12345678);
	scene_target(scene, 1, SURFACE_2, 256, false, 0x87654321);
}

static void mali_test_refused_targets(struct kunit *test)
{
	struct scene *scene = scene_create(test);
	u32 *rt = scene->rt + 16;
	unsigned int i;
	const struct {
		const char *what;
		unsigned int word;
		u32 clear;
		u32 set;
	} cases[] = {
		{ "YUV", 0, 0, BIT(24) },
		{ "no internal format", 0, 0x3fU << 26, 0 },
		{ "reserved internal format", 0, 0x3fU << 26, 3 << 26 },
		{ "internal format beyond all", 0, 0, 0x3fU << 26 },
		{ "plain internal format only", 0, 0x3fU << 26, 34U << 26 },
		{ "plain color format only", 1, 0x1f << 3, 3 << 3 },
		{ "unknown color format", 1, 0x1f << 3, 25 << 3 },
		{ "color format with other channels", 1, 0x1f << 3, 24 << 3 },
		{ "bad swizzle", 1, 0, 7 << 16 },
		{ "AFBC", 1, 0xf << 8, scene->arch == 5 ? 3 << 10 : 12 << 8 },
		{ "block format 1, or no write", 1, 0xf << 8, scene->arch == 5 ? 1 << 10 : 0 },
		{ "multisampling", 1, 0, 1 << 12 },
		{ "layered multisampling", 1, 0, 3 << 12 },
	};

	memset(scene->memory, 0, SURFACE);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		scene_size(scene, 64, 64);
		scene_target(scene, 0, SURFACE, 256, false, 0x12345678);
		scene_target(scene, 1, SURFACE_2, 256, false, 0x87654321);
		rt[cases[i].word] = (rt[cases[i].word] & ~cases[i].clear) | cases[i].set;
		scene_refused(test, scene, cases[i].what);
	}
	if (scene->arch == 5) {
		rt[1] |= 1 << 8;
		scene_refused(test, scene, "big endian");
	}
	rt[0] = 4 << 26;
	rt[1] ^= (19 ^ 20) << 3;
	rt[12] = 1;
	scene_refused(test, scene, "dithered clear");
}

static void mali_test_refused_frames(struct kunit *test)
{
	struct scene *scene = scene_create(test);
	const struct depth_case depth = { 15, 0, 0, 4, 0 };

	/* Nothing is there yet: the frame is of the single target kind. */
	scene_refused(test, scene, "an empty descriptor");
	scene->payload[2] &= ~1;
	scene_refused(test, scene, "single target");
	scene->payload[1] |= BIT(31);
	scene_refused(test, scene, "tile map");
	scene->payload[0] = 4;
	scene_refused(test, scene, "tiles beyond the framebuffer");
	scene->payload[0] = 3;
	scene->payload[1] = 2;
	scene_refused(test, scene, "minimum above maximum");
	scene->fb[11] |= 2;
	scene_refused(test, scene, "4 samples");
	scene->fb[11] |= 8 << 19;
	scene_refused(test, scene, "9 render targets");
	scene_depth(scene, &depth, 256, false, false);
	scene_target(scene, 0, SURFACE, 256, false, 0x12345678);
	scene_refused(test, scene, "depth format");
	scene_depth(scene, &depth_cases[0], 256, false, true);
	scene->fb[FB_WORDS + (scene->arch == 9 ? 0 : 3)] ^= 7 << 16;
	scene_target(scene, 0, SURFACE, 256, false, 0x12345678);
	scene_refused(test, scene, "stencil format");
	scene_depth(scene, &depth_cases[0], 256, false, false);
	scene->fb[FB_WORDS + (scene->arch == 9 ? 0 : 3)] |= scene->arch == 5 ? 3 << 4 : 12 << 4;
	scene_target(scene, 0, SURFACE, 256, false, 0x12345678);
	scene_refused(test, scene, "compressed depth");
}

/* Descriptors and surfaces where nothing is mapped. */
static void mali_test_nowhere(struct kunit *test)
{
	struct scene *scene = scene_create(test);
	struct mali_ctx *ctx = &scene->gpu->ctx;
	u32 color = 0x12345678;

	KUNIT_EXPECT_EQ(test, mali_fragment(ctx, 0), -EFAULT);
	scene_size(scene, 64, 64);
	scene_target(scene, 0, 0, 256, false, color);
	scene->payload[2] = 1;
	expect_run(test, scene, -EFAULT);
	scene_size(scene, 64, 64);
	scene->rt[8] = 0;
	expect_run(test, scene, -EFAULT);
	scene->rt[9] = 0xffffffff;
	expect_run(test, scene, -EFAULT);

	/* Some rows fit into what there is. */
	scene_target(scene, 0, MEMORY_SIZE - 10 * 256, 256, false, color);
	paint(scene, MEMORY_SIZE - 10 * 256, (struct box) { 0, 0, 64, 10 }, 256, false, &color, 4);
	expect_run(test, scene, -EFAULT);
	KUNIT_EXPECT_EQ(test, ctx->tiles, 0);
}

static struct kunit_case mali_model_cases[] = {
	KUNIT_CASE_PARAM(mali_test_walk, table_formats_gen_params),
	KUNIT_CASE_PARAM(mali_test_access_flags, table_formats_gen_params),
	KUNIT_CASE_PARAM(mali_test_fault_levels, table_formats_gen_params),
	KUNIT_CASE_PARAM(mali_test_bad_entries, table_formats_gen_params),
	KUNIT_CASE_PARAM(mali_test_next, table_formats_gen_params),
	KUNIT_CASE(mali_test_unmapped),
	KUNIT_CASE(mali_test_bad_table),
	KUNIT_CASE(mali_test_copy),
	KUNIT_CASE(mali_test_permission),
	KUNIT_CASE(mali_test_tlb),
	KUNIT_CASE(mali_test_tlb_big),
	KUNIT_CASE_PARAM(mali_test_stale_remap, table_formats_gen_params),
	KUNIT_CASE_PARAM(mali_test_stale_permission, table_formats_gen_params),
	KUNIT_CASE_PARAM(mali_test_stale_unmap, table_formats_gen_params),
	KUNIT_CASE(mali_test_late_flush),
	KUNIT_CASE(mali_test_freed_page),
	KUNIT_CASE_PARAM(mali_test_freed_table, table_formats_gen_params),
	KUNIT_CASE(mali_test_no_memory),
	KUNIT_CASE_PARAM(mali_test_clear, archs_gen_params),
	KUNIT_CASE_PARAM(mali_test_scissor, archs_gen_params),
	KUNIT_CASE_PARAM(mali_test_formats, archs_gen_params),
	KUNIT_CASE_PARAM(mali_test_targets, archs_gen_params),
	KUNIT_CASE_PARAM(mali_test_depth, archs_gen_params),
	KUNIT_CASE_PARAM(mali_test_refused_targets, archs_gen_params),
	KUNIT_CASE_PARAM(mali_test_refused_frames, archs_gen_params),
	KUNIT_CASE_PARAM(mali_test_nowhere, archs_gen_params),
	{}
};

static struct kunit_suite mali_model_suite = {
	.name = "mali_model",
	.test_cases = mali_model_cases,
};

kunit_test_suite(mali_model_suite);

MODULE_DESCRIPTION("KUnit suite of the Mali model");
MODULE_LICENSE("GPL");
