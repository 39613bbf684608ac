// SPDX-License-Identifier: GPL-2.0
/* omapdrm: descriptors that the DMM fills its table of pages of 4K from, rotated. */

#include <linux/io.h>

static u32 omap_readl(const void __iomem *addr);
static void omap_writel(u32 value, void __iomem *addr);

#undef readl
#undef writel
#define readl	omap_readl
#define writel	omap_writel

#include "../../omapdrm/tcm-sita.c"
#include "../../omapdrm/omap_dmm_tiler.c"

#define OMAP_WIDTH	256
#define OMAP_HEIGHT	128

struct omap_harness {
	struct dmm dmm;
	struct refill_engine engine;
	u32 table[OMAP_WIDTH * OMAP_HEIGHT];
};

struct omap_harness_bo {
	struct drm_gem_object base;

	with_table(struct page **pages;)
	with_list(struct drm_gem_bo_backing backing;)
};

/* The DMM: it does at once what it is told. */
static u32 omap_readl(const void __iomem *addr)
{
	return DMM_PATSTATUS_READY | DMM_PATSTATUS_VALID | DMM_PATSTATUS_DONE;
}

static void omap_refill(struct omap_harness *priv, const struct pat *pat)
{
	const void *memory = priv->engine.refill_va;
	const u32 *data = memory + (pat->data_pa - priv->engine.refill_pa);
	u32 x, y;

	for (y = pat->area.y0; y <= pat->area.y1; y++)
		for (x = pat->area.x0; x <= pat->area.x1; x++)
			priv->table[y * OMAP_WIDTH + x] = *data++;
	if (pat->next_pa)
		omap_refill(priv, memory + (pat->next_pa - priv->engine.refill_pa));
}

static void omap_writel(u32 value, void __iomem *addr)
{
	struct omap_harness *priv = harness_now()->priv;

	if (addr != priv->dmm.base + DMM_PAT_DESCR__0 || !value)
		return;
	omap_refill(priv, (void *)priv->engine.refill_va + (value - priv->engine.refill_pa));
	complete(&priv->engine.compl);
}

static void omap_read(struct harness *h)
{
	struct omap_harness *priv = h->priv;
	u32 i;

	harness_forget(h);
	for (i = 0; i < ARRAY_SIZE(priv->table); i++)
		if (priv->table[i] != priv->dmm.dummy_pa)
			harness_saw(h, (u64)i * SZ_4K, priv->table[i], SZ_4K, SZ_4K, 0);
}

static void omap_run(struct harness *h)
{
	struct omap_harness_bo *bo = harness_object(h, struct omap_harness_bo, base);
	struct tiler_block *block = tiler_reserve_1d(h->obj->size);
	int ret;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(h->test, block);
	harness_fill_pages(h, bo->pages, bo->backing);
	h->first = h->num_pages & 1 ? h->num_pages / 2 : 0;
	h->va = ((u64)block->area.p0.y * OMAP_WIDTH + block->area.p0.x) * SZ_4K;
	ret = tiler_pin(block, with_table(bo->pages) with_list(&bo->backing, 0), h->num_pages,
			h->first, true);
	KUNIT_ASSERT_EQ(h->test, ret, 0);
	omap_read(h);
	harness_mapped(h);
	KUNIT_EXPECT_EQ(h->test, tiler_unpin(block), 0);
	omap_read(h);
	harness_unmapped(h);
	KUNIT_EXPECT_EQ(h->test, tiler_release(block), 0);
	harness_drop_pages(h, bo->pages, bo->backing);
	harness_object_free(h, bo);
}

static void omap_fini(void *data)
{
	containers[TILFMT_PAGE]->deinit(containers[TILFMT_PAGE]);
	omap_dmm = NULL;
}

static int omap_init(struct harness *h)
{
	struct omap_harness *priv = kunit_kzalloc(h->test, sizeof(*priv), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(h->test, priv);
	harness_drm(h, struct harness_drv, drm);
	priv->dmm.dev = h->dev;
	priv->dmm.dummy_pa = SZ_4K;
	priv->dmm.engines = &priv->engine;
	priv->dmm.num_engines = 1;
	init_waitqueue_head(&priv->dmm.engine_queue);
	atomic_set(&priv->dmm.engine_counter, 1);
	INIT_LIST_HEAD(&priv->dmm.idle_head);
	INIT_LIST_HEAD(&priv->dmm.alloc_head);
	priv->engine.dmm = &priv->dmm;
	priv->engine.refill_pa = SZ_16M;
	priv->engine.refill_va = kunit_kzalloc(h->test, REFILL_BUFFER_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(h->test, priv->engine.refill_va);
	init_completion(&priv->engine.compl);
	list_add(&priv->engine.idle_node, &priv->dmm.idle_head);
	memset32(priv->table, priv->dmm.dummy_pa, ARRAY_SIZE(priv->table));

	omap_dmm = &priv->dmm;
	containers[TILFMT_PAGE] = sita_init(OMAP_WIDTH, OMAP_HEIGHT);
	KUNIT_ASSERT_NOT_NULL(h->test, containers[TILFMT_PAGE]);
	/* There is no IOMMU, so that pages are where the DMA API says. */
	h->kinds = BIT(HARNESS_DIRECT);
	h->whole = true;
	h->priv = priv;

	return kunit_add_action_or_reset(h->test, omap_fini, NULL);
}

HARNESS_SUITE(omap);
