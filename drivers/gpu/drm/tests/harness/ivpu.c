// SPDX-License-Identifier: GPL-2.0
/* ivpu: four levels of tables, pages of 4K and 64K. */

#include <linux/types.h>

struct page;

/* User Mode Linux has no caches to be told. */
#define set_pages_array_wc(pages, num)	do { } while (0)
#define set_pages_array_wb(pages, num)	do { } while (0)

#include "../../../../accel/ivpu/ivpu_mmu_context.c"
#include "../../../../accel/ivpu/ivpu_gem.c"

int ivpu_dbg_mask;
bool ivpu_disable_mmu_cont_pages;
bool ivpu_force_snoop;

int ivpu_mmu_cd_set(struct ivpu_device *vdev, int ssid, struct ivpu_mmu_pgtable *pgtable)
{
	return 0;
}

void ivpu_mmu_cd_clear(struct ivpu_device *vdev, int ssid)
{
}

int ivpu_mmu_invalidate_tlb(struct ivpu_device *vdev, u16 ssid)
{
	return 0;
}

static void ivpu_read_ptes(struct harness *h, u64 va, const u64 *ptes)
{
	u64 mask = IVPU_MMU_VPU_ADDRESS_MASK;
	u32 i;

	for (i = 0; ptes && i < IVPU_MMU_PGTABLE_ENTRIES; i++, va += IVPU_MMU_PAGE_SIZE)
		if (ptes[i] & IVPU_MMU_ENTRY_FLAG_VALID)
			harness_saw(h, va, ptes[i] & mask, IVPU_MMU_PAGE_SIZE,
				    ptes[i] & IVPU_MMU_ENTRY_FLAG_CONT ?
				    IVPU_MMU_CONT_PAGES_SIZE : IVPU_MMU_PAGE_SIZE,
				    ptes[i] & ~(mask | IVPU_MMU_ENTRY_FLAG_CONT));
}

static void ivpu_read(struct harness *h)
{
	struct ivpu_mmu_pgtable *table = &((struct ivpu_mmu_context *)h->priv)->pgtable;
	const u64 num = IVPU_MMU_PGTABLE_ENTRIES;
	u64 pgd, pud, pmd;

	harness_forget(h);
	for (pgd = 0; pgd < num; pgd++)
		for (pud = 0; table->pte_ptrs[pgd] && pud < num; pud++)
			for (pmd = 0; table->pte_ptrs[pgd][pud] && pmd < num; pmd++)
				ivpu_read_ptes(h, ((pgd * num + pud) * num + pmd) *
					       IVPU_MMU_PTE_MAP_SIZE,
					       table->pte_ptrs[pgd][pud][pmd]);
}

static void ivpu_run(struct harness *h)
{
	struct ivpu_bo *bo = harness_shmem(h, struct ivpu_bo);
	struct ivpu_mmu_context *ctx = h->priv;

	/* Each combination of flags with some layout. */
	bo->flags = h->num_pages & 1 ? DRM_IVPU_BO_CACHED : DRM_IVPU_BO_WC;
	bo->flags |= h->num_pages & 2 ? DRM_IVPU_BO_READ_ONLY : 0;
	bo->ctx = ctx;
	bo->vpu_addr = h->va;
	bo->mm_node.start = h->va;
	bo->mm_node.size = h->obj->size;
	KUNIT_ASSERT_EQ(h->test, drm_mm_reserve_node(&ctx->mm, &bo->mm_node), 0);
	KUNIT_ASSERT_EQ(h->test, ivpu_bo_bind(bo), 0);
	ivpu_read(h);
	harness_mapped(h);
	ivpu_bo_lock(bo);
	ivpu_bo_unbind_locked(bo);
	ivpu_bo_unlock(bo);
	ivpu_read(h);
	harness_unmapped(h);
	harness_shmem_free(h, bo);
}

static void ivpu_fini(void *data)
{
	struct ivpu_device *vdev = data;

	ivpu_mmu_context_fini(vdev, &vdev->gctx);
}

static int ivpu_init(struct harness *h)
{
	struct ivpu_device *vdev = harness_drm(h, struct ivpu_device, drm);

	vdev->hw = kunit_kzalloc(h->test, sizeof(*vdev->hw), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(h->test, vdev->hw);
	h->va_base = BIT_ULL(39) + SZ_1G;
	h->dma_base = BIT_ULL(40);
	h->whole = true;
	h->priv = &vdev->gctx;
	vdev->hw->ranges.user.start = h->va_base;
	vdev->hw->ranges.user.end = h->va_base + SZ_1G;
	vdev->hw->ranges.shave.start = h->va_base;
	ivpu_mmu_context_init(vdev, &vdev->gctx, IVPU_USER_CONTEXT_MIN_SSID);

	return kunit_add_action_or_reset(h->test, ivpu_fini, vdev);
}

HARNESS_SUITE(ivpu);
