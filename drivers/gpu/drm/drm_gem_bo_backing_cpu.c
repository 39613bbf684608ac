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
#include <linux/swap.h>
#include <linux/vmalloc.h>

#include <drm/drm_gem.h>
#include <drm/drm_gem_bo_backing.h>
#include <drm/drm_vma_manager.h>

static int pages_vmap(struct drm_gem_bo_backing *backing, u64 offset, u64 size,
		      struct iosys_map *map)
{
	pgprot_t prot = backing->map_wc ? pgprot_writecombine(PAGE_KERNEL) : PAGE_KERNEL;
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
 * Pages are mapped, write-combined if &drm_gem_bo_backing.map_wc is set. What was
 * allocated has an address already, with the caching that it was allocated with.
 * An imported object can be mapped as a whole only. The memory has to stay until
 * drm_gem_bo_backing_vunmap().
 *
 * Returns:
 * 0, -EINVAL if the range is empty, not aligned or not inside the object, -ENXIO
 * if it has a hole or no memory, -EOPNOTSUPP for a part of an imported object
 * and for DMA_ATTR_NO_KERNEL_MAPPING, -ENOMEM, or what the exporter says.
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
 * insert pages one by one. What it notes in vm_pgoff of a private mapping stays,
 * as that is how its pages are told from copies.
 */
static int alloc_mmap(struct drm_gem_bo_backing *backing, struct vm_area_struct *vma)
{
	unsigned long pgoff = vma->vm_pgoff;
	int ret;

	vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTDUMP, VM_PFNMAP);
	vma->vm_page_prot = vma_get_page_prot(vma);
	vma->vm_pgoff -= drm_vma_node_start(&backing->obj->vma_node);
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

	ret = dma_buf_mmap(attach->dmabuf, vma,
			   vma->vm_pgoff - drm_vma_node_start(&backing->obj->vma_node));
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
 * For &drm_gem_object_funcs.mmap. Pages are filled in by drm_gem_bo_backing_fault(), for which the
 * driver sets vm_ops; the mapping is VM_PFNMAP, so that nobody pins them. What was
 * allocated is mapped here and now, by the DMA API, which sets the flags. The
 * mapping of an imported object is the exporter's, and the reference that the core
 * took for it is dropped.
 *
 * vm_pgoff of a shared mapping stays, so that drm_vma_node_unmap() finds it. There
 * is nothing to be undone after an error.
 *
 * Returns:
 * 0, -EINVAL if pages are mapped private, -ENXIO if the memory to
 * be mapped here is not there or smaller than the mapping or if an imported object
 * has no exporter, or what the DMA API or the exporter says.
 */
int drm_gem_bo_backing_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	struct drm_gem_bo_backing *backing = obj->backing;

	if (backing->runs.kind == DMA_RUNS_IMPORTED)
		return import_mmap(backing, vma);
	if (backing->runs.kind != DMA_RUNS_STREAMING)
		return alloc_mmap(backing, vma);
	if (vma_is_cow_mapping(vma))
		return -EINVAL;

	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_page_prot = vma_get_page_prot(vma);
	if (backing->map_wc)
		vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_mmap);

#ifdef CONFIG_MMU
/* Valid for split and partial mappings, too. */
static pgoff_t backing_fault_index(const struct drm_gem_bo_backing *backing,
				   const struct vm_fault *vmf)
{
	return vmf->pgoff - drm_vma_node_start(&backing->obj->vma_node);
}

static void pfns_mark_dirty(unsigned long pfn, u32 num, struct vm_fault *vmf)
{
	u32 nr;

	file_update_time(vmf->vma->vm_file);
	for (; num; num -= nr, pfn += nr) {
		struct folio *folio = page_folio(pfn_to_page(pfn));

		nr = folio_nr_pages(folio) - folio_page_idx(folio, pfn_to_page(pfn));
		nr = min(nr, num);
		folio_mark_dirty(folio);
	}
}

/* How much of the buffer is contiguous around a page, whatever the device can map. */
struct stretch {
	unsigned long pfn;
	u32 before;
	u32 after;
};

static bool backing_stretch(const struct drm_gem_bo_backing *backing, pgoff_t index,
			    struct stretch *s)
{
	const struct dma_runs *runs = &backing->runs;
	const struct dma_run *run, *first = runs->runs, *last = first + runs->num_runs - 1;

	if (index >= runs->num_pages)
		return false;
	run = dma_runs_find(runs, index);
	if (!run)
		return false;

	s->before = index - run->index;
	s->after = dma_run_end(run) - index - 1;
	s->pfn = PHYS_PFN(run->phys) + s->before;
	for (first = run; first->cut; first--)
		s->before += first[-1].num_pages;
	for (; run < last && run[1].cut; run++)
		s->after += run[1].num_pages;

	return true;
}

/* One entry for a whole PMD, if the stretch and the mapping have that. */
static vm_fault_t backing_fault_pmd(const struct stretch *s, struct vm_fault *vmf)
{
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	unsigned long addr = vmf->address & PMD_MASK;
	u32 skip = (vmf->address - addr) >> PAGE_SHIFT;
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	unsigned long pfn = s->pfn - skip;

	if (addr < vmf->vma->vm_start || addr + PMD_SIZE > vmf->vma->vm_end ||
	    s->before < skip || s->after < (1U << PMD_ORDER) - 1 - skip ||
	    !IS_ALIGNED(pfn, 1UL << PMD_ORDER))
		return VM_FAULT_FALLBACK;

	if (write)
		pfns_mark_dirty(pfn, 1U << PMD_ORDER, vmf);

	return vmf_insert_pfn_pmd(vmf, pfn, write);
#else
	return VM_FAULT_FALLBACK;
#endif
}

static vm_fault_t backing_insert(unsigned long pfn, struct vm_fault *vmf, unsigned long addr,
				 bool write)
{
	struct vm_area_struct *vma = vmf->vma;
	pgprot_t prot = vma->vm_page_prot;

	/* What the driver made of it for the memory type stays. */
	if (write)
		prot = pgprot_modify(prot, vma_get_page_prot(vma));

	return vmf_insert_pfn_prot(vma, addr, pfn, prot);
}

/*
 * Fills what the stretch, the mapping and the page table that is there anyway have
 * in common. Only the folio that is written becomes writable, and with that
 * dirty: the rest has to tell of its first write by itself.
 */
static vm_fault_t backing_fault_ptes(const struct stretch *s, struct vm_fault *vmf)
{
	unsigned long low = max(vmf->vma->vm_start, vmf->address & PMD_MASK);
	unsigned long high = min(vmf->vma->vm_end - 1, vmf->address | ~PMD_MASK);
	u32 before = min((vmf->address - low) >> PAGE_SHIFT, s->before);
	u32 after = min((high - vmf->address) >> PAGE_SHIFT, s->after);
	unsigned long addr = vmf->address - ((unsigned long)before << PAGE_SHIFT);
	struct folio *folio = page_folio(pfn_to_page(s->pfn));
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	unsigned long pfn;
	vm_fault_t ret;

	if (write)
		pfns_mark_dirty(s->pfn, 1, vmf);

	ret = backing_insert(s->pfn, vmf, vmf->address, write);
	for (pfn = s->pfn - before; ret == VM_FAULT_NOPAGE && pfn <= s->pfn + after; pfn++) {
		bool same = page_folio(pfn_to_page(pfn)) == folio;

		/* What fails here is not what was asked for. */
		if (pfn != s->pfn &&
		    backing_insert(pfn, vmf, addr, write && same) != VM_FAULT_NOPAGE)
			break;
		addr += PAGE_SIZE;
	}

	return ret;
}

/**
 * drm_gem_bo_backing_fault - handle a fault in a user mapping
 * @backing: the backing of a streaming object
 * @vmf: the fault, in a mapping prepared by drm_gem_bo_backing_mmap() whose
 *       vm_pgoff counts from the object's fake offset
 * @order: 0 or PMD_ORDER, see &vm_operations_struct.huge_fault
 *
 * Maps the page, and others of the same run that cost no page table more. The
 * caller holds the reservation lock and has checked that the content is valid.
 *
 * Returns:
 * VM_FAULT_NOPAGE, VM_FAULT_FALLBACK if @order does not fit, VM_FAULT_SIGBUS
 * where there is no memory, as in what was allocated and is freed, VM_FAULT_OOM.
 */
vm_fault_t drm_gem_bo_backing_fault(struct drm_gem_bo_backing *backing,
				    struct vm_fault *vmf, unsigned int order)
{
	struct stretch s;
	vm_fault_t ret;

	dma_resv_assert_held(backing->obj->resv);

	/* An allocation was mapped as a whole by mmap(). */
	if (backing->runs.kind != DMA_RUNS_STREAMING || !(vmf->vma->vm_flags & VM_PFNMAP) ||
	    !backing_stretch(backing, backing_fault_index(backing, vmf), &s))
		return VM_FAULT_SIGBUS;

	if (order == PMD_ORDER)
		ret = backing_fault_pmd(&s, vmf);
	else if (order)
		ret = VM_FAULT_FALLBACK;
	else
		ret = backing_fault_ptes(&s, vmf);
	if (ret == VM_FAULT_NOPAGE)
		folio_mark_accessed(page_folio(pfn_to_page(s.pfn)));

	return ret;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_fault);

/**
 * drm_gem_bo_backing_pfn_mkwrite - note the first write to a page
 * @backing: the backing of a native object
 * @vmf: the fault
 *
 * For &vm_operations_struct.pfn_mkwrite. The mapping keeps the pages.
 *
 * Returns:
 * 0, or VM_FAULT_SIGBUS if there is no page.
 */
vm_fault_t drm_gem_bo_backing_pfn_mkwrite(struct drm_gem_bo_backing *backing,
					  struct vm_fault *vmf)
{
	struct stretch s;

	dma_resv_assert_held(backing->obj->resv);

	if (!backing_stretch(backing, backing_fault_index(backing, vmf), &s))
		return VM_FAULT_SIGBUS;
	if (backing->runs.kind == DMA_RUNS_STREAMING)
		pfns_mark_dirty(s.pfn, 1, vmf);

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_pfn_mkwrite);
#endif /* CONFIG_MMU */
