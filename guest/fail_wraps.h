/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What can be made to fail in User Mode Linux by fail_function.c. scripts/tree.sh tells
 * the linker. A name that a kernel does not have does no harm.
 */

#define FAIL_WRAPS \
	WRAP(dma_map_phys) \
	WRAP(dma_map_sgtable) \
	WRAP(dma_alloc_attrs) \
	WRAP(dma_mmap_attrs) \
	WRAP(get_vm_area_caller) \
	WRAP(vmap) \
	WRAP(vmap_page_range) \
	WRAP(apply_to_page_range) \
	WRAP(remap_pfn_range) \
	WRAP(vm_insert_pfns) \
	WRAP(vmf_insert_pfn) \
	WRAP(__pte_alloc) \
	WRAP(drm_mm_insert_node_in_range) \
	WRAP(drm_vma_node_allow) \
	WRAP(drm_gem_create_mmap_offset) \
	WRAP(drm_gem_handle_create) \
	WRAP(drm_sched_job_init) \
	WRAP(dma_resv_reserve_fences) \
	WRAP(shmem_file_setup) \
	WRAP(shmem_read_folio_gfp) \
	WRAP(memfd_pin_folios) \
	WRAP(dma_buf_export) \
	WRAP(dma_buf_attach) \
	WRAP(dma_buf_dynamic_attach) \
	WRAP(dma_buf_map_attachment) \
	WRAP(dma_buf_map_runs) \
	WRAP(dma_buf_begin_cpu_access) \
	WRAP(dma_buf_vmap) \
	WRAP(dma_runs_map) \
	WRAP(dma_runs_map_for) \
	WRAP(__dma_runs_add) \
	WRAP(dma_runs_add_ranges) \
	WRAP(dma_runs_splice)
