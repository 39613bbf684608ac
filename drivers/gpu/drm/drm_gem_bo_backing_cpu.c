// SPDX-License-Identifier: GPL-2.0
/*
 * The CPU's mappings of buffer objects
 */

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sizes.h>
#include <linux/swap.h>
#include <linux/vmalloc.h>

#include <drm/drm_gem.h>
#include <drm/drm_gem_bo_backing.h>
#include <drm/drm_vma_manager.h>

static pgprot_t backing_prot(const struct drm_gem_bo_backing *backing, pgprot_t prot)
{
	switch (backing->caching) {
	case DRM_GEM_BO_WRITE_COMBINED:
		return pgprot_writecombine(prot);
	case DRM_GEM_BO_UNCACHED:
		return pgprot_noncached(prot);
	default:
		return prot;
	}
}

static int pages_vmap(struct drm_gem_bo_backing *backing, u64 offset, u64 size,
		      struct iosys_map *map)
{
	pgprot_t prot = backing_prot(backing, PAGE_KERNEL);
	void *vaddr = dma_runs_vmap(&backing->runs, offset, size, prot);

	if (IS_ERR(vaddr))
		return PTR_ERR(vaddr);
	iosys_map_set_vaddr(map, vaddr);

	return 0;
}

static int alloc_vmap(struct drm_gem_bo_backing *backing, u64 offset, u64 size,
		      struct iosys_map *map)
{
	u64 total = backing->obj->size;

	if (!size || offset >= total || size > total - offset ||
	    !PAGE_ALIGNED(offset) || !PAGE_ALIGNED(size))
		return -EINVAL;
	if (!backing->runs.num_runs)
		return -ENXIO;
	if (!drm_gem_bo_backing_vaddr(backing))
		return -EOPNOTSUPP;
	iosys_map_set_vaddr(map, drm_gem_bo_backing_vaddr(backing) + offset);

	return 0;
}

static int import_vmap(struct drm_gem_bo_backing *backing, u64 offset, u64 size,
		       struct iosys_map *map)
{
	struct dma_buf_attachment *attach = backing->obj->import_attach;

	if (offset || size != backing->obj->size)
		return -EOPNOTSUPP;

	return attach ? dma_buf_vmap(attach->dmabuf, map) : -ENXIO;
}

/**
 * drm_gem_bo_backing_vmap - map a range of an object for the kernel
 * @backing: the backing, populated where it is native
 * @offset: start of the range, in bytes, a multiple of the page size
 * @size: length of the range, in bytes, a multiple of the page size
 * @map: returns the address
 *
 * Pages are mapped as &drm_gem_bo_backing.caching says. What was allocated has an
 * address already, with the caching that it was allocated with.
 * An imported object can be mapped as a whole only. The memory has to stay until
 * drm_gem_bo_backing_vunmap(). Who writes sets &drm_gem_bo_backing.dirty. The caller
 * holds the reservation lock.
 *
 * Returns:
 * 0, -EINVAL if the range is empty, not aligned or not inside the object, -ENXIO
 * if it has a hole or no memory, -EOPNOTSUPP for a part of an imported object, for a
 * resource and for DMA_ATTR_NO_KERNEL_MAPPING, -ENOMEM, or what the exporter says.
 */
int drm_gem_bo_backing_vmap(struct drm_gem_bo_backing *backing,
			    u64 offset, u64 size, struct iosys_map *map)
{
	dma_resv_assert_held(backing->obj->resv);

	switch (backing->runs.kind) {
	case DMA_RUNS_IMPORTED:
		return import_vmap(backing, offset, size, map);
	case DMA_RUNS_STREAMING:
		return pages_vmap(backing, offset, size, map);
	default:
		return alloc_vmap(backing, offset, size, map);
	}
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_vmap);

/**
 * drm_gem_bo_backing_vunmap - undo drm_gem_bo_backing_vmap()
 * @backing: the backing
 * @map: what it returned, is cleared
 *
 * The caller holds the reservation lock.
 */
void drm_gem_bo_backing_vunmap(struct drm_gem_bo_backing *backing,
			       struct iosys_map *map)
{
	dma_resv_assert_held(backing->obj->resv);

	if (backing->runs.kind == DMA_RUNS_IMPORTED)
		dma_buf_vunmap(backing->obj->import_attach->dmabuf, map);
	else if (backing->runs.kind == DMA_RUNS_STREAMING)
		vunmap(map->vaddr);
	iosys_map_clear(map);
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_vunmap);

/* Valid for split and partial mappings, too. The shmem file has no fake offset. */
static pgoff_t backing_index(const struct drm_gem_bo_backing *backing,
			     const struct vm_area_struct *vma, pgoff_t pgoff)
{
	const struct drm_gem_object *obj = backing->obj;

	if (obj->filp && vma->vm_file == obj->filp)
		return pgoff;

	return pgoff - drm_vma_node_start(&obj->vma_node);
}

/* Memory that is there as long as the object, without a fault. */
static int runs_mmap(struct drm_gem_bo_backing *backing, struct vm_area_struct *vma)
{
	pgoff_t index = backing_index(backing, vma, vma->vm_pgoff);
	unsigned long addr, size;
	int ret = 0;

	dma_resv_lock(backing->obj->resv, NULL);
	for (addr = vma->vm_start; !ret && addr < vma->vm_end; addr += size) {
		const struct dma_run *run = dma_runs_find(&backing->runs, index);
		u32 skip;

		if (!run) {
			ret = -ENXIO;
			break;
		}
		skip = index - run->index;
		size = min_t(u64, vma->vm_end - addr, (u64)(run->num_pages - skip) << PAGE_SHIFT);
		ret = remap_pfn_range(vma, addr, PHYS_PFN(run->phys) + skip, size,
				      vma->vm_page_prot);
		index += size >> PAGE_SHIFT;
	}
	dma_resv_unlock(backing->obj->resv);

	return ret;
}

static int alloc_mmap_all(struct drm_gem_bo_backing *backing, struct vm_area_struct *vma)
{
	const struct dma_runs *runs = &backing->runs;
	size_t size = backing->obj->size;

	if (!runs->num_runs)
		return -ENXIO;
	if (runs->kind == DMA_RUNS_NONCOHERENT)
		return dma_mmap_pages(runs->dev, vma, size, drm_gem_bo_backing_page(backing, 0));

	return dma_mmap_attrs(runs->dev, vma, runs->cpu_addr, runs->runs[0].dma_addr, size,
			      runs->attrs);
}

/*
 * The DMA API counts from the start of the memory, the VMA from the fake offset,
 * by which others find it later. PFNMAP is the DMA API's choice: it may have to
 * insert pages one by one. VM_IO keeps most of those away who would pin them: they
 * may be write-combined. What it notes in vm_pgoff of a private mapping stays, as
 * that is how its pages are told from copies.
 */
static int alloc_mmap(struct drm_gem_bo_backing *backing, struct vm_area_struct *vma)
{
	unsigned long pgoff = vma->vm_pgoff;
	int ret;

	vm_flags_mod(vma, VM_IO | VM_DONTEXPAND | VM_DONTDUMP, VM_PFNMAP);
	vma->vm_page_prot = vma_get_page_prot(vma);
	vma->vm_pgoff = backing_index(backing, vma, pgoff);
	dma_resv_lock(backing->obj->resv, NULL);
	ret = alloc_mmap_all(backing, vma);
	dma_resv_unlock(backing->obj->resv);
	if (!vma_is_cow_mapping(vma))
		vma->vm_pgoff = pgoff;

	return ret;
}

static int import_mmap(struct drm_gem_bo_backing *backing, struct vm_area_struct *vma)
{
	struct dma_buf_attachment *attach = backing->obj->import_attach;
	int ret;

	if (!attach)
		return -ENXIO;
	/* The exporter need not set those. */
	vma->vm_private_data = NULL;
	vma->vm_ops = NULL;

	ret = dma_buf_mmap(attach->dmabuf, vma, backing_index(backing, vma, vma->vm_pgoff));
	/* The exporter's mapping keeps the exporter, not the importer's object. */
	if (!ret)
		drm_gem_object_put(backing->obj);

	return ret;
}

/**
 * drm_gem_bo_backing_mmap - prepare a user mapping of an object
 * @obj: the object
 * @vma: the mapping, of all or a part; vm_pgoff counts from the fake offset
 *
 * For &drm_gem_object_funcs.mmap. If the vm_ops have a fault handler, pages are filled
 * in by drm_gem_bo_backing_fault(). Without, all is mapped here and now; the memory has
 * to be there and to stay as long as the object. What was allocated by the DMA API is
 * mapped by it at once. The mapping is VM_PFNMAP, so that nobody pins the pages, or VM_IO
 * if the DMA API inserted them. That of an imported object is the exporter's, and the
 * reference that the core took for it is dropped.
 *
 * vm_pgoff of a shared mapping stays, so that drm_vma_node_unmap() finds it. There
 * is nothing to be undone after an error.
 *
 * Returns:
 * 0, -EINVAL for a private mapping, which only the DMA API takes, and for memory of a
 * process, -ENXIO if the memory to be mapped here is not there or smaller than the
 * mapping or if an imported object has no exporter, or what the DMA API or the exporter
 * says.
 */
int drm_gem_bo_backing_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	struct drm_gem_bo_backing *backing = obj->backing;

	switch (backing->runs.kind) {
	case DMA_RUNS_IMPORTED:
		return import_mmap(backing, vma);
	case DMA_RUNS_COHERENT:
	case DMA_RUNS_NONCOHERENT:
		return alloc_mmap(backing, vma);
	default:
		break;
	}
	if (backing->user || vma_is_cow_mapping(vma))
		return -EINVAL;

	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_page_prot = backing_prot(backing, vma_get_page_prot(vma));

	return vma->vm_ops->fault ? 0 : runs_mmap(backing, vma);
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_mmap);

#ifdef CONFIG_MMU
/*
 * What a fault fills: one page, or if it goes on where the last one ended four times
 * as many as that, but so many at least and not more than the second number: 2 MiB.
 */
#define FAULT_PAGES		16U
#define FAULT_PAGES_MAX		clamp((u32)(SZ_2M >> PAGE_SHIFT), FAULT_PAGES, (u32)PTRS_PER_PTE)

/*
 * Returns how many pages to fill. They are in the mapping and in the page table that
 * is there anyway, and end aligned, so that an MMU can take several for one.
 */
static u32 backing_fault_pages(struct drm_gem_bo_backing *backing, const struct vm_fault *vmf,
			       pgoff_t index)
{
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	u32 num, max = 1;

	if (backing->fault_num[write] && index == backing->fault_end[write])
		max = clamp(4U * backing->fault_num[write], FAULT_PAGES, FAULT_PAGES_MAX);
	num = min(max - pte_index(vmf->address) % max,
		  (vmf->vma->vm_end - vmf->address) >> PAGE_SHIFT);
	backing->fault_end[write] = index + num;
	backing->fault_num[write] = max;

	return num;
}

/*
 * All that a write fills becomes writable, and with that dirty: who follows the
 * page table, as KVM does, may not ask again. What a read fills has to tell of its
 * first write.
 */
static vm_fault_t backing_fault_ptes(struct drm_gem_bo_backing *backing, struct vm_fault *vmf,
				     pgoff_t index)
{
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	int ret;

	ret = dma_runs_insert(&backing->runs, vmf->vma, vmf->address, index,
			      backing_fault_pages(backing, vmf, index), write);

	return ret < 0 ? vmf_error(ret) : VM_FAULT_NOPAGE;
}

/* One entry for a whole PMD, if the run of a page and the mapping have that. */
static vm_fault_t backing_fault_pmd(const struct dma_run *run, struct vm_fault *vmf, u32 index,
				    unsigned long pfn)
{
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	u32 num = 1U << PMD_ORDER, before = pte_index(vmf->address);
	unsigned long addr = vmf->address & PMD_MASK;
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	struct folio *folio;
	u32 i;

	if (addr < vmf->vma->vm_start || addr + PMD_SIZE > vmf->vma->vm_end ||
	    index - run->index < before || dma_run_end(run) - index < num - before ||
	    !IS_ALIGNED(pfn - before, num))
		return VM_FAULT_FALLBACK;

	pfn -= before;
	/* Nothing is truncated meanwhile: that takes the reservation lock. */
	for (i = 0; write && i < num; i += folio_nr_pages(folio)) {
		folio = pfn_folio(pfn + i);
		folio_mark_dirty(folio);
	}

	return vmf_insert_pfn_pmd(vmf, pfn, write);
#else
	return VM_FAULT_FALLBACK;
#endif
}

/**
 * drm_gem_bo_backing_fault - handle a fault in a user mapping
 * @backing: the backing of a streaming object
 * @vmf: the fault, in a mapping prepared by drm_gem_bo_backing_mmap() whose
 *       vm_pgoff counts from the object's fake offset, or from its start if the
 *       driver has made it one of the shmem file
 * @order: 0 or PMD_ORDER, see &vm_operations_struct.huge_fault
 *
 * For &vm_operations_struct.fault, &vm_operations_struct.huge_fault and
 * &vm_operations_struct.pfn_mkwrite, which notes the first write to a page that
 * was only read before. The caller holds the reservation lock and has checked that
 * the content is valid.
 *
 * Maps the page alone, and if faults come in order what follows, too: 16 pages and up
 * to 2 MiB, as far as they are in the same mapping and cost no page table more. What a
 * write fault maps is writable and marked dirty, all of it.
 *
 * Returns:
 * VM_FAULT_NOPAGE, VM_FAULT_FALLBACK if @order does not fit, VM_FAULT_SIGBUS
 * where there is no memory, as in what was allocated and is freed, VM_FAULT_OOM.
 * For the write to what was allocated, of which nobody keeps track, 0.
 */
vm_fault_t drm_gem_bo_backing_fault(struct drm_gem_bo_backing *backing,
				    struct vm_fault *vmf, unsigned int order)
{
	pgoff_t index = backing_index(backing, vmf->vma, vmf->pgoff);
	vm_fault_t ret = VM_FAULT_FALLBACK;
	const struct dma_run *run = NULL;
	unsigned long pfn;

	dma_resv_assert_held(backing->obj->resv);

	/* An allocation was mapped as a whole by mmap(). */
	if (backing->runs.kind != DMA_RUNS_STREAMING)
		return vmf->flags & FAULT_FLAG_MKWRITE ? 0 : VM_FAULT_SIGBUS;
	if (index < backing->runs.num_pages)
		run = dma_runs_find(&backing->runs, index);
	if (!run || !(vmf->vma->vm_flags & VM_PFNMAP))
		return VM_FAULT_SIGBUS;

	pfn = PHYS_PFN(run->phys) + (index - run->index);
	if (!order)
		ret = backing_fault_ptes(backing, vmf, index);
	else if (order == PMD_ORDER)
		ret = backing_fault_pmd(run, vmf, index, pfn);
	if (ret != VM_FAULT_NOPAGE)
		return ret;

	folio_mark_accessed(pfn_folio(pfn));

	return ret;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_fault);
#endif /* CONFIG_MMU */
