// SPDX-License-Identifier: GPL-2.0
/*
 * etnaviv: pages of 4K. Version 1 of the MMU has one table, and a window of addresses
 * that need none; version 2 has two levels.
 */

#include "../../etnaviv/etnaviv_iommu.c"
#include "../../etnaviv/etnaviv_iommu_v2.c"
#include "../../etnaviv/etnaviv_mmu.c"

/* Of the tables of version 2. */
#define ETNAVIV_ENTRIES	1024
#define ETNAVIV_PRESENT	BIT(0)

/* There is no front end that the driver could tell about its tables. */
u16 etnaviv_buffer_config_mmuv2(struct etnaviv_gpu *gpu, u32 mtlb_addr, u32 safe_addr)
{
	return 0;
}

u16 etnaviv_buffer_config_pta(struct etnaviv_gpu *gpu, unsigned short id)
{
	return 0;
}

dma_addr_t etnaviv_cmdbuf_get_pa(struct etnaviv_cmdbuf *buf)
{
	return 0;
}

void etnaviv_cmdbuf_suballoc_unmap(struct etnaviv_iommu_context *context,
				   struct etnaviv_vram_mapping *mapping)
{
}

void etnaviv_gpu_start_fe(struct etnaviv_gpu *gpu, u32 address, u16 prefetch)
{
}

int etnaviv_gpu_wait_idle(struct etnaviv_gpu *gpu, unsigned int timeout_ms)
{
	return -ENODEV;
}

static void etnaviv_read_v1(struct harness *h, struct etnaviv_iommu_context *context)
{
	u32 i, *table = to_v1_context(context)->pgtable_cpu;

	for (i = 0; i < PT_ENTRIES; i++)
		if (table[i] != context->global->bad_page_dma)
			harness_saw(h, GPU_MEM_START + (u64)i * SZ_4K, table[i] & PAGE_MASK, SZ_4K,
				    SZ_4K, table[i] & ~PAGE_MASK);
}

static void etnaviv_read_v2(struct harness *h, struct etnaviv_iommu_context *context)
{
	struct etnaviv_iommuv2_context *v2 = to_v2_context(context);
	u64 i, j, addr;
	u32 entry;

	for (i = 0; i < ETNAVIV_ENTRIES; i++) {
		for (j = 0; v2->mtlb_cpu[i] & ETNAVIV_PRESENT && j < ETNAVIV_ENTRIES; j++) {
			entry = v2->stlb_cpu[i][j];
			if (!(entry & ETNAVIV_PRESENT))
				continue;
			addr = (entry & PAGE_MASK & U32_MAX) | (u64)(entry >> 4 & 0xff) << 32;
			harness_saw(h, i * SZ_4M + j * SZ_4K, addr, SZ_4K, SZ_4K, entry & 0xf);
		}
	}
}

static void etnaviv_read(struct harness *h, const struct etnaviv_vram_mapping *mapping)
{
	struct etnaviv_iommu_context *context = h->priv;

	harness_forget(h);
	if (context->global->version == ETNAVIV_IOMMU_V2)
		etnaviv_read_v2(h, context);
	else if (!mapping->context || drm_mm_node_allocated(&mapping->vram_node))
		etnaviv_read_v1(h, context);
	else
		harness_saw(h, mapping->iova, mapping->iova + context->global->memory_base,
			    mapping->object->size, SZ_4K, 0);
}

static void etnaviv_run(struct harness *h)
{
	struct etnaviv_gem_object *bo = harness_object(h, struct etnaviv_gem_object, base);
	struct etnaviv_iommu_context *context = h->priv;
	struct etnaviv_vram_mapping mapping = { .object = bo };
	int ret;

	harness_fill_sgt(h, bo->sgt, bo->backing);
	bo->size = h->obj->size;
	bo->flags = h->num_pages & 1 ? ETNA_BO_FORCE_MMU : 0;
	dma_resv_lock(h->obj->resv, NULL);
	ret = etnaviv_iommu_map_gem(context, bo, context->global->memory_base, &mapping, h->va);
	dma_resv_unlock(h->obj->resv);
	KUNIT_ASSERT_EQ(h->test, ret, 0);
	h->va = mapping.iova;
	etnaviv_read(h, &mapping);
	harness_mapped(h);
	etnaviv_iommu_unmap_gem(context, &mapping);
	mapping.context = NULL;
	etnaviv_read(h, &mapping);
	harness_unmapped(h);
	harness_drop_sgt(h, bo->sgt, bo->backing);
	harness_object_free(h, bo);
}

static void etnaviv_fini(void *data)
{
	struct etnaviv_iommu_context *context = data;

	context->global->ops->free(context);
}

static void etnaviv_global_fini(void *gpu)
{
	etnaviv_iommu_global_fini(gpu);
}

static struct etnaviv_iommu_global *etnaviv_global(struct harness *h, u32 features)
{
	struct etnaviv_drm_private *priv = kunit_kzalloc(h->test, sizeof(*priv), GFP_KERNEL);
	struct etnaviv_gpu *gpu = kunit_kzalloc(h->test, sizeof(*gpu), GFP_KERNEL);
	int ret;

	harness_drm(h, struct harness_drv, drm);
	KUNIT_ASSERT_NOT_NULL(h->test, priv);
	KUNIT_ASSERT_NOT_NULL(h->test, gpu);
	gpu->drm = h->drm;
	gpu->dev = h->dev;
	gpu->identity.minor_features1 = features;
	h->drm->dev_private = priv;
	h->whole = true;
	KUNIT_ASSERT_EQ(h->test, etnaviv_iommu_global_init(gpu), 0);
	ret = kunit_add_action_or_reset(h->test, etnaviv_global_fini, gpu);
	KUNIT_ASSERT_EQ(h->test, ret, 0);

	return priv->mmu_global;
}

static int etnaviv_v1_init(struct harness *h)
{
	struct etnaviv_iommu_global *global = etnaviv_global(h, 0);

	h->va_base = GPU_MEM_START;
	h->priv = etnaviv_iommuv1_context_alloc(global);
	KUNIT_ASSERT_NOT_NULL(h->test, h->priv);

	return kunit_add_action_or_reset(h->test, etnaviv_fini, h->priv);
}

static int etnaviv_v2_init(struct harness *h)
{
	struct etnaviv_iommu_global *global = etnaviv_global(h, U32_MAX);

	h->dma_base = 5ULL << 34;
	h->priv = etnaviv_iommuv2_context_alloc(global);
	KUNIT_ASSERT_NOT_NULL(h->test, h->priv);

	return kunit_add_action_or_reset(h->test, etnaviv_fini, h->priv);
}

static void etnaviv_v1_run(struct harness *h)
{
	etnaviv_run(h);
}

static void etnaviv_v2_run(struct harness *h)
{
	etnaviv_run(h);
}

HARNESS_SUITE(etnaviv_v1);
HARNESS_SUITE(etnaviv_v2);
