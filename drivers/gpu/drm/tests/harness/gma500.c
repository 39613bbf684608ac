// SPDX-License-Identifier: GPL-2.0
/* gma500: the same pages of 4K in the GTT and in the MMU, by physical addresses. */

#include <asm/set_memory.h>

#include <drm/drm_gem.h>

#include "mmio.h"

/* User Mode Linux has no caches to be told. */
#define set_pages_array_wc(pages, num)	do { } while (0)
#define set_pages_array_wb(pages, num)	do { } while (0)
#define boot_cpu_has(feature)		false

/* Of headers of x86 that User Mode Linux has no use for. */
struct cpuinfo_x86;

/* The unpatched driver gets pages when it pins. */
#define drm_gem_get_pages(obj)	(to_psb_gem_object(obj)->pages)
#define drm_gem_put_pages(obj, pages, dirty, accessed)	kvfree(pages)

#include "../../gma500/gtt.c"
#include "../../gma500/mmu.c"
#include "../../gma500/gem.c"

#define PSB_BASE	SZ_1G

struct psb_harness {
	struct drm_psb_private psb;
	struct psb_mmu_driver mmu;
	struct resource gtt;
};

static void gma500_gtt_read(struct harness *h)
{
	struct psb_harness *priv = h->priv;
	u32 i, *gtt = (__force u32 *)priv->psb.gtt_map;

	harness_forget(h);
	for (i = 0; i < priv->psb.gtt.gtt_pages; i++)
		if (gtt[i] != psb_gtt_mask_pte(page_to_pfn(priv->psb.scratch_page),
					       PSB_MMU_CACHED_MEMORY))
			harness_saw(h, PSB_BASE + (u64)i * PAGE_SIZE, gtt[i] & PAGE_MASK, SZ_4K,
				    SZ_4K, gtt[i] & ~PAGE_MASK);
}

static void gma500_mmu_read(struct harness *h)
{
	struct psb_harness *priv = h->priv;
	struct psb_mmu_pd *pd = priv->mmu.default_pd;
	u32 *dir = page_address(pd->p), *table;
	u64 i, j;

	harness_forget(h);
	for (i = 0; i < SZ_4K / sizeof(u32); i++) {
		if (!(dir[i] & PSB_PTE_VALID))
			continue;
		table = page_address(pd->tables[i]->p);
		for (j = 0; j < SZ_4K / sizeof(u32); j++)
			if (table[j] & PSB_PTE_VALID)
				harness_saw(h, (i << PSB_PDE_SHIFT) + (j << PSB_PTE_SHIFT),
					    table[j] & PAGE_MASK, SZ_4K, SZ_4K,
					    table[j] & ~PAGE_MASK);
	}
}

static void gma500_pin(struct harness *h, void (*read)(struct harness *h))
{
	struct psb_gem_object *bo = harness_object(h, struct psb_gem_object, base);

	harness_fill_pages(h, bo->pages, bo->backing);
	bo->offset = h->va - PSB_BASE;
	bo->resource.start = h->va;
	bo->resource.end = h->va + h->obj->size - 1;
	KUNIT_ASSERT_EQ(h->test, psb_gem_pin(bo), 0);
	read(h);
	harness_mapped(h);
	psb_gem_unpin(bo);
	read(h);
	harness_unmapped(h);
	harness_drop_pages(h, bo->pages, bo->backing);
	harness_object_free(h, bo);
}

static void gma500_gtt_run(struct harness *h)
{
	gma500_pin(h, gma500_gtt_read);
}

static void gma500_mmu_run(struct harness *h)
{
	gma500_pin(h, gma500_mmu_read);
}

static void gma500_fini(void *data)
{
	struct psb_harness *priv = data;

	psb_mmu_free_pagedir(priv->mmu.default_pd);
	__free_page(priv->psb.scratch_page);
}

static int gma500_gtt_init(struct harness *h)
{
	struct psb_harness *priv = harness_drm(h, struct psb_harness, psb.dev);
	struct drm_psb_private *psb = &priv->psb;

	psb->gtt.gtt_pages = 4 * HARNESS_PAGES;
	psb->gtt.gatt_start = PSB_BASE;
	priv->gtt = (struct resource)DEFINE_RES_MEM(PSB_BASE, psb->gtt.gtt_pages * PAGE_SIZE);
	psb->gtt_mem = &priv->gtt;
	psb->gtt_map = harness_registers(h->test, psb->gtt.gtt_pages * sizeof(u32));
	psb->scratch_page = alloc_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(h->test, psb->scratch_page);
	mutex_init(&psb->gtt_mutex);
	psb_gtt_clear(psb);

	/* As psb_mmu_driver_init(), but for the registers. */
	psb->mmu = &priv->mmu;
	priv->mmu.dev = &psb->dev;
	priv->mmu.clflush_add = PAGE_SIZE;
	spin_lock_init(&priv->mmu.lock);
	init_rwsem(&priv->mmu.sem);
	priv->mmu.default_pd = psb_mmu_alloc_pd(&priv->mmu, 1, 0);
	KUNIT_ASSERT_NOT_NULL(h->test, priv->mmu.default_pd);

	h->kinds &= ~BIT(HARNESS_IMPORTED);
	h->by_phys = true;
	h->whole = true;
	h->va_base = PSB_BASE + SZ_4M;
	h->priv = priv;

	return kunit_add_action_or_reset(h->test, gma500_fini, priv);
}

static int gma500_mmu_init(struct harness *h)
{
	return gma500_gtt_init(h);
}

HARNESS_SUITE(gma500_gtt);
HARNESS_SUITE(gma500_mmu);
