// SPDX-License-Identifier: GPL-2.0
/* imagination: three levels of tables, pages of 4K, any part of an object. */

#include "../../imagination/pvr_mmu.c"
#include "../../imagination/pvr_vm.c"

/* There is no firmware that the driver could tell to flush something. */
int pvr_kccb_send_cmd(struct pvr_device *pvr_dev, struct rogue_fwif_kccb_cmd *cmd, u32 *kccb_slot)
{
	return -ENODEV;
}

int pvr_kccb_wait_for_completion(struct pvr_device *pvr_dev, u32 slot_nr, u32 timeout, u32 *rtn_out)
{
	return -ENODEV;
}

int pvr_power_reset(struct pvr_device *pvr_dev, bool hard_reset)
{
	return -ENODEV;
}

void pvr_device_lost(struct pvr_device *pvr_dev)
{
}

void pvr_fw_object_destroy(struct pvr_fw_object *fw_obj)
{
}

void pvr_fw_object_get_fw_addr_offset(struct pvr_fw_object *fw_obj, u32 offset, u32 *fw_addr_out)
{
}

static void pvr_read_l0(struct harness *h, u64 va, struct pvr_page_table_l0 *table)
{
	u64 mask = ~ROGUE_MMUCTRL_PAGE_X_RANGE_CLRMSK;
	u32 i;

	for (i = 0; i < ROGUE_MMUCTRL_ENTRIES_PT_VALUE_X; i++, va += PVR_DEVICE_PAGE_SIZE) {
		struct pvr_page_table_l0_entry_raw entry;

		entry = *pvr_page_table_l0_get_entry_raw(table, i);
		if (pvr_page_table_l0_entry_raw_is_valid(entry))
			harness_saw(h, va, entry.val & mask, PVR_DEVICE_PAGE_SIZE,
				    PVR_DEVICE_PAGE_SIZE, entry.val & ~mask);
	}
}

static void pvr_read(struct harness *h)
{
	struct pvr_vm_context *vm = h->priv;
	struct pvr_page_table_l2 *l2 = &vm->mmu_ctx->page_table_l2;
	u64 i, j;

	harness_forget(h);
	for (i = 0; i < ROGUE_MMUCTRL_ENTRIES_PC_VALUE; i++) {
		if (!pvr_page_table_l2_entry_is_valid(l2, i))
			continue;
		for (j = 0; j < ROGUE_MMUCTRL_ENTRIES_PD_VALUE; j++)
			if (pvr_page_table_l1_entry_is_valid(l2->entries[i], j))
				pvr_read_l0(h, (i << ROGUE_MMUCTRL_VADDR_PC_INDEX_SHIFT) +
					    (j << ROGUE_MMUCTRL_VADDR_PD_INDEX_SHIFT),
					    l2->entries[i]->entries[j]);
	}
}

static void pvr_run(struct harness *h)
{
	struct pvr_gem_object *bo = harness_shmem(h, struct pvr_gem_object);
	u64 size = (u64)h->count << PAGE_SHIFT;
	int ret;

	/* Each combination of flags with some layout. */
	bo->flags = h->num_pages & 1 ? DRM_PVR_BO_BYPASS_DEVICE_CACHE : 0;
	bo->flags |= h->num_pages & 2 ? DRM_PVR_BO_PM_FW_PROTECT : 0;
	ret = pvr_vm_map(h->priv, bo, (u64)h->first << PAGE_SHIFT, h->va, size);
	KUNIT_ASSERT_EQ(h->test, ret, 0);
	pvr_read(h);
	harness_mapped(h);
	KUNIT_EXPECT_EQ(h->test, pvr_vm_unmap(h->priv, h->va, size), 0);
	pvr_read(h);
	harness_unmapped(h);
	harness_shmem_free(h, bo);
}

static void pvr_put(void *vm)
{
	pvr_vm_context_put(vm);
}

static int pvr_init(struct harness *h)
{
	struct pvr_device *pvr_dev = harness_drm(h, struct pvr_device, base);

	pvr_dev->features.has_virtual_address_space_bits = true;
	pvr_dev->features.virtual_address_space_bits = PVR_PAGE_TABLE_ADDR_BITS;
	h->dma_base = BIT_ULL(39);
	h->priv = pvr_vm_create_context(pvr_dev, false);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(h->test, h->priv);
	/* The kernel's own may map to any address. */
	pvr_dev->kernel_vm_ctx = h->priv;

	return kunit_add_action_or_reset(h->test, pvr_put, h->priv);
}

HARNESS_SUITE(pvr);
