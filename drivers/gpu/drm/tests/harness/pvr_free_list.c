// SPDX-License-Identifier: GPL-2.0
/* imagination: what a list of free pages, which the firmware takes, is filled with. */

#include "../../imagination/pvr_free_list.c"

/* The list is an object of its own. */
static u32 pvr_free_list_entries[HARNESS_PAGES];

void *pvr_gem_object_vmap(struct pvr_gem_object *pvr_obj)
{
	return pvr_free_list_entries;
}

void pvr_gem_object_vunmap(struct pvr_gem_object *pvr_obj)
{
}

static void pvr_free_list_run(struct harness *h)
{
	struct pvr_gem_object *bo = harness_shmem(h, struct pvr_gem_object);
	struct pvr_free_list *list = h->priv;
	u32 i, start = HARNESS_PAGES - h->num_pages;
	int ret;

	memset(pvr_free_list_entries, 0, sizeof(pvr_free_list_entries));
	mutex_lock(&list->lock);
	ret = pvr_free_list_insert_pages_locked(list, with_table(bo->base.sgt)
						with_list(&bo->base.backing),
						start * FREE_LIST_ENTRY_SIZE, h->num_pages);
	mutex_unlock(&list->lock);
	KUNIT_ASSERT_EQ(h->test, ret, 0);
	h->va = start * PAGE_SIZE;
	harness_forget(h);
	for (i = 0; i < HARNESS_PAGES; i++)
		if (pvr_free_list_entries[i])
			harness_saw(h, i * PAGE_SIZE, (u64)pvr_free_list_entries[i] <<
				    ROGUE_BIF_PM_PHYSICAL_PAGE_ALIGNSHIFT, PAGE_SIZE, SZ_4K, 0);
	harness_mapped(h);
	harness_shmem_free(h, bo);
}

static int pvr_free_list_init(struct harness *h)
{
	struct pvr_free_list *list = kunit_kzalloc(h->test, sizeof(*list), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(h->test, list);
	harness_drm(h, struct harness_drv, drm);
	mutex_init(&list->lock);
	h->dma_base = BIT_ULL(39);
	h->whole = true;
	h->priv = list;

	return 0;
}

HARNESS_SUITE(pvr_free_list);
