// SPDX-License-Identifier: GPL-2.0
/*
 * The kinds whose memory comes from the DMA API or is a physical range
 */

#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include <drm/drm_device.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_bo_backing.h>
#include <drm/drm_print.h>
#include <drm/drm_vma_manager.h>

#include "drm_gem_bo_backing_internal.h"

/*
 * What the memory was allocated with, so that freeing is symmetric. Direction
 * and device are those of the owner's mapping.
 */
struct drm_gem_bo_alloc {
	/* Of the kernel, or the cookie if there is no kernel mapping. */
	void *vaddr;
	/* Noncoherent and contiguous. */
	struct page *page;
	/* Noncoherent and not contiguous for the CPU. */
	struct sg_table *sgt;
	dma_addr_t dma_addr;
	unsigned long attrs;
	/* Resource. */
	phys_addr_t phys;
	struct p2pdma_provider *provider;
};

static int alloc_check(const struct drm_gem_bo_backing *backing, enum drm_gem_bo_kind kind)
{
	dma_resv_assert_held(backing->obj->resv);
	might_alloc(GFP_KERNEL);

	if (backing->kind != kind)
		return -EOPNOTSUPP;
	if (backing->alloc)
		return -EEXIST;
	if (kind != DRM_GEM_BO_RESOURCE && !backing->dma.dev->dma_mask)
		return -ENODEV;

	return 0;
}

static int alloc_init(struct drm_gem_bo_backing *backing, u32 num_runs)
{
	backing->alloc = kzalloc_obj(*backing->alloc);
	backing->runs = kvzalloc_objs(*backing->runs, num_runs);
	if (!backing->alloc || !backing->runs)
		return -ENOMEM;
	backing->num_runs = num_runs;

	return 0;
}

static void alloc_drop(struct drm_gem_bo_backing *backing)
{
	kfree(backing->alloc);
	kvfree(backing->runs);
	backing->alloc = NULL;
	backing->runs = NULL;
	backing->num_runs = 0;
	backing->num_populated = 0;
	backing->num_mapped = 0;
}

/* The usual list: one run, mapped or not. */
static void alloc_set_run(struct drm_gem_bo_backing *backing, struct page *page, bool mapped)
{
	backing->runs[0] = (struct drm_gem_bo_run) {
		.page = page,
		.dma_addr = backing->alloc->dma_addr,
		.num_pages = backing_pages(backing),
		.mapped = mapped,
	};
	backing->num_populated = backing_pages(backing);
	backing->num_mapped = mapped ? backing_pages(backing) : 0;
}

/**
 * drm_gem_bo_backing_alloc_coherent - allocate coherent memory for an object
 * @backing: the backing of a coherent object
 * @gfp: flags of the allocation
 * @attrs: DMA_ATTR_WRITE_COMBINE, DMA_ATTR_NO_KERNEL_MAPPING and so on
 *
 * For the owner's device, for which the object is mapped from then on until
 * drm_gem_bo_backing_free() or drm_gem_bo_backing_fini(), which free it.
 *
 * Returns:
 * 0, -EOPNOTSUPP if the object is of another kind, -EEXIST if it has memory,
 * -ENODEV if the device does no DMA, -ENOMEM.
 */
int drm_gem_bo_backing_alloc_coherent(struct drm_gem_bo_backing *backing,
				      gfp_t gfp, unsigned long attrs)
{
	struct drm_gem_bo_alloc *alloc;
	int ret;

	ret = alloc_check(backing, DRM_GEM_BO_COHERENT);
	if (ret)
		return ret;
	ret = alloc_init(backing, 1);
	if (ret)
		goto err_drop;

	alloc = backing->alloc;
	alloc->attrs = attrs;
	alloc->vaddr = dma_alloc_attrs(backing->dma.dev, backing->obj->size,
				       &alloc->dma_addr, gfp, attrs);
	if (!alloc->vaddr) {
		ret = -ENOMEM;
		goto err_drop;
	}
	/* Whether there is a page is nobody's business. */
	alloc_set_run(backing, NULL, true);

	return 0;

err_drop:
	alloc_drop(backing);
	return ret;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_alloc_coherent);

/**
 * drm_gem_bo_backing_alloc_noncoherent - allocate memory that has to be synced
 * @backing: the backing of a noncoherent object
 * @gfp: flags of the allocation
 *
 * Contiguous memory for the owner's device, for the direction in
 * &drm_gem_bo_backing.dma, see drm_gem_bo_backing_alloc_coherent().
 *
 * Returns:
 * Like drm_gem_bo_backing_alloc_coherent().
 */
int drm_gem_bo_backing_alloc_noncoherent(struct drm_gem_bo_backing *backing, gfp_t gfp)
{
	struct drm_gem_bo_alloc *alloc;
	int ret;

	ret = alloc_check(backing, DRM_GEM_BO_NONCOHERENT);
	if (ret)
		return ret;
	ret = alloc_init(backing, 1);
	if (ret)
		goto err_drop;

	alloc = backing->alloc;
	alloc->page = dma_alloc_pages(backing->dma.dev, backing->obj->size,
				      &alloc->dma_addr, backing->dma.dir, gfp);
	if (!alloc->page) {
		ret = -ENOMEM;
		goto err_drop;
	}
	alloc->vaddr = page_address(alloc->page);
	alloc_set_run(backing, alloc->page, true);

	return 0;

err_drop:
	alloc_drop(backing);
	return ret;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_alloc_noncoherent);

/* A run ends where the CPU side does; for the device all is one range. */
static void alloc_add_pages(struct drm_gem_bo_backing *backing, struct page *page, u32 num)
{
	struct drm_gem_bo_run *run = &backing->runs[backing->num_runs];
	u32 index = backing->num_populated;

	num = min(num, backing_pages(backing) - index);
	backing->num_populated += num;
	if (index && page_to_pfn(page) == page_to_pfn(run[-1].page) + run[-1].num_pages) {
		run[-1].num_pages += num;
		return;
	}
	*run = (struct drm_gem_bo_run) {
		.page = page,
		.dma_addr = backing->alloc->dma_addr + ((u64)index << PAGE_SHIFT),
		.index = index,
		.num_pages = num,
		.mapped = 1,
	};
	backing->num_runs++;
}

static void alloc_set_table(struct drm_gem_bo_backing *backing, struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	backing->alloc->sgt = sgt;
	backing->alloc->dma_addr = sg_dma_address(sgt->sgl);
	backing->num_runs = 0;
	for_each_sgtable_sg(sgt, sg, i)
		alloc_add_pages(backing, sg_page(sg), sg->length >> PAGE_SHIFT);
	backing->num_mapped = backing->num_populated;
}

/**
 * drm_gem_bo_backing_alloc_noncontiguous - allocate scattered memory
 * @backing: the backing of a noncoherent object
 * @gfp: flags of the allocation
 * @attrs: DMA_ATTR_ALLOC_SINGLE_PAGES or 0
 *
 * Contiguous for the owner's device, not for the CPU. For the rest see
 * drm_gem_bo_backing_alloc_noncoherent().
 *
 * Returns:
 * Like drm_gem_bo_backing_alloc_coherent().
 */
int drm_gem_bo_backing_alloc_noncontiguous(struct drm_gem_bo_backing *backing,
					   gfp_t gfp, unsigned long attrs)
{
	struct device *dev = backing->dma.dev;
	struct sg_table *sgt;
	int ret;

	ret = alloc_check(backing, DRM_GEM_BO_NONCOHERENT);
	if (ret)
		return ret;

	/* User space may come to see it, and not every implementation clears it. */
	sgt = dma_alloc_noncontiguous(dev, backing->obj->size, backing->dma.dir,
				      gfp | __GFP_ZERO, attrs);
	if (!sgt)
		return -ENOMEM;

	ret = alloc_init(backing, sgt->orig_nents);
	if (ret) {
		dma_free_noncontiguous(dev, backing->obj->size, sgt, backing->dma.dir);
		alloc_drop(backing);
		return ret;
	}
	alloc_set_table(backing, sgt);

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_alloc_noncontiguous);

/**
 * drm_gem_bo_backing_set_resource - make a physical range the object's memory
 * @backing: the backing of a resource object
 * @phys: start of the range, as long as the object, without struct pages
 * @provider: of the BAR that contains it, or NULL if it is not on a PCI bus
 *
 * The range stays the caller's. Nothing is mapped yet. Without @provider there
 * is nobody who knows the routes to it: PCI devices other than the owner are
 * refused.
 *
 * Returns:
 * 0, -EINVAL if @phys is not aligned or the range wraps, -EOPNOTSUPP if the
 * object is of another kind, -EEXIST if it has memory, -ENOMEM.
 */
int drm_gem_bo_backing_set_resource(struct drm_gem_bo_backing *backing, phys_addr_t phys,
				    struct p2pdma_provider *provider)
{
	int ret;

	ret = alloc_check(backing, DRM_GEM_BO_RESOURCE);
	if (ret)
		return ret;
	if (!PAGE_ALIGNED(phys) || phys + backing->obj->size - 1 < phys)
		return -EINVAL;

	ret = alloc_init(backing, 1);
	if (ret) {
		alloc_drop(backing);
		return ret;
	}
	backing->alloc->phys = phys;
	backing->alloc->provider = provider;
	alloc_set_run(backing, NULL, false);

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_set_resource);

/* Resources have nothing to be freed but the list. */
static void alloc_free(struct drm_gem_bo_backing *backing)
{
	struct drm_gem_bo_alloc *alloc = backing->alloc;
	struct device *dev = backing->dma.dev;
	size_t size = backing->obj->size;

	if (alloc->sgt) {
		if (alloc->vaddr)
			dma_vunmap_noncontiguous(dev, alloc->vaddr);
		dma_free_noncontiguous(dev, size, alloc->sgt, backing->dma.dir);
	} else if (alloc->page) {
		dma_free_pages(dev, size, alloc->page, alloc->dma_addr, backing->dma.dir);
	} else if (alloc->vaddr) {
		dma_free_attrs(dev, size, alloc->vaddr, alloc->dma_addr, alloc->attrs);
	}
	alloc_drop(backing);
}

/**
 * drm_gem_bo_backing_free - unmap an object and free its memory
 * @backing: the backing of a coherent, noncoherent or resource object
 *
 * Undoes drm_gem_bo_backing_alloc_coherent() and its like, and need not be
 * called before drm_gem_bo_backing_fini(). Content is lost; there can be another
 * allocation later. CPU mappings, of the kernel as well, are the caller's to
 * remove before. Nothing happens if there is no memory.
 *
 * Returns:
 * 0, -EBUSY if other devices have the object mapped, -EOPNOTSUPP if the memory
 * is of another kind.
 */
int drm_gem_bo_backing_free(struct drm_gem_bo_backing *backing)
{
	dma_resv_assert_held(backing->obj->resv);

	if (!drm_gem_bo_kind_has_alloc(backing->kind))
		return -EOPNOTSUPP;
	if (!list_empty(&backing->peers))
		return -EBUSY;
	if (!backing->alloc)
		return 0;

	drm_gem_bo_backing_unmap(backing);
	alloc_free(backing);

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_free);

/* The kernel's mapping of scattered memory is another alias of the cache. */
void drm_gem_bo_alloc_sync_kernel(struct drm_gem_bo_backing *backing,
				  u64 offset, u64 size, bool for_device)
{
	struct drm_gem_bo_alloc *alloc = backing->alloc;

	if (!alloc->sgt || !alloc->vaddr)
		return;
	if (for_device)
		flush_kernel_vmap_range(alloc->vaddr + offset, size);
	else
		invalidate_kernel_vmap_range(alloc->vaddr + offset, size);
}

/**
 * drm_gem_bo_backing_vaddr - the kernel address that comes with an allocation
 * @backing: the backing
 *
 * Does not sleep nor take a lock. Valid as long as the allocation.
 *
 * Returns:
 * The address of the first byte of a coherent or noncoherent object. NULL if
 * there is none: without memory, with DMA_ATTR_NO_KERNEL_MAPPING, for scattered
 * memory before drm_gem_bo_backing_vmap(), and for all other kinds.
 */
void *drm_gem_bo_backing_vaddr(const struct drm_gem_bo_backing *backing)
{
	const struct drm_gem_bo_alloc *alloc = backing->alloc;

	if (!alloc || alloc->attrs & DMA_ATTR_NO_KERNEL_MAPPING)
		return NULL;

	return alloc->vaddr;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_vaddr);

static int resource_vmap(struct drm_gem_bo_backing *backing, u64 offset, u64 size,
			 struct iosys_map *map)
{
	phys_addr_t phys = backing->alloc->phys + offset;
	void __iomem *vaddr;

	vaddr = backing->map_wc ? ioremap_wc(phys, size) : ioremap(phys, size);
	if (!vaddr)
		return -ENOMEM;
	iosys_map_set_vaddr_iomem(map, vaddr);

	return 0;
}

/* The range was checked. */
int drm_gem_bo_alloc_vmap(struct drm_gem_bo_backing *backing, u64 offset, u64 size,
			  struct iosys_map *map)
{
	struct drm_gem_bo_alloc *alloc = backing->alloc;

	if (!PAGE_ALIGNED(offset) || !PAGE_ALIGNED(size))
		return -EINVAL;
	if (!alloc)
		return -ENXIO;
	if (backing->kind == DRM_GEM_BO_RESOURCE)
		return resource_vmap(backing, offset, size, map);
	if (alloc->attrs & DMA_ATTR_NO_KERNEL_MAPPING)
		return -EOPNOTSUPP;

	/* Kept until the memory is freed, as that of the others is. */
	if (alloc->sgt && !alloc->vaddr)
		alloc->vaddr = dma_vmap_noncontiguous(backing->dma.dev, backing->obj->size,
						      alloc->sgt);
	if (!alloc->vaddr)
		return -ENOMEM;
	iosys_map_set_vaddr(map, alloc->vaddr + offset);

	return 0;
}

void drm_gem_bo_alloc_vunmap(struct drm_gem_bo_backing *backing, struct iosys_map *map)
{
	if (backing->kind == DRM_GEM_BO_RESOURCE && map->vaddr_iomem)
		iounmap(map->vaddr_iomem);
}

static int alloc_mmap_all(struct drm_gem_bo_backing *backing, struct vm_area_struct *vma)
{
	struct drm_gem_bo_alloc *alloc = backing->alloc;
	struct device *dev = backing->dma.dev;
	size_t size = backing->obj->size;

	if (alloc->sgt)
		return dma_mmap_noncontiguous(dev, vma, size, alloc->sgt);
	if (alloc->page)
		return dma_mmap_pages(dev, vma, size, alloc->page);

	return dma_mmap_attrs(dev, vma, alloc->vaddr, alloc->dma_addr, size, alloc->attrs);
}

/* Shared and writable, whatever write notification made of vm_page_prot. */
static pgprot_t resource_prot(const struct drm_gem_bo_backing *backing,
			      const struct vm_area_struct *vma)
{
	pgprot_t prot = pgprot_decrypted(vma_get_page_prot(vma));

	return backing->map_wc ? pgprot_writecombine(prot) : pgprot_noncached(prot);
}

int drm_gem_bo_resource_mmap(struct drm_gem_bo_backing *backing,
			     struct vm_area_struct *vma)
{
	if (!backing->alloc)
		return -ENXIO;
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_page_prot = resource_prot(backing, vma);

	return 0;
}

/*
 * The DMA API counts from the start of the memory, the VMA from the fake offset,
 * by which others find it later. PFNMAP is the DMA API's choice: it may have to
 * insert pages one by one. What it notes in vm_pgoff of a private mapping stays,
 * as that is how its pages are told from copies.
 */
int drm_gem_bo_alloc_mmap(struct drm_gem_bo_backing *backing, struct vm_area_struct *vma)
{
	unsigned long pgoff = vma->vm_pgoff;
	int ret;

	if (!backing->alloc)
		return -ENXIO;

	vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTDUMP, VM_PFNMAP);
	vma->vm_page_prot = vma_get_page_prot(vma);
	vma->vm_pgoff -= drm_vma_node_start(&backing->obj->vma_node);
	ret = alloc_mmap_all(backing, vma);
	if (!vma_is_cow_mapping(vma))
		vma->vm_pgoff = pgoff;

	return ret;
}

#ifdef CONFIG_MMU
/* Nobody needs to be told of a write. Fills the page table that is there anyway. */
vm_fault_t drm_gem_bo_resource_fault(struct drm_gem_bo_backing *backing,
				     struct vm_fault *vmf, pgoff_t index,
				     unsigned int order)
{
	unsigned long pfn = PHYS_PFN(backing->alloc->phys) + index;
	unsigned long high = min(vmf->vma->vm_end - 1, vmf->address | ~PMD_MASK);
	u32 i, after = min((high - vmf->address) >> PAGE_SHIFT, backing_pages(backing) - index - 1);
	pgprot_t prot = resource_prot(backing, vmf->vma);
	vm_fault_t ret;

	if (!(vmf->vma->vm_flags & VM_PFNMAP))
		return VM_FAULT_SIGBUS;
	if (order)
		return VM_FAULT_FALLBACK;

	ret = vmf_insert_pfn_prot(vmf->vma, vmf->address, pfn, prot);
	/* What fails here is not what was asked for. */
	for (i = 1; ret == VM_FAULT_NOPAGE && i <= after; i++)
		if (vmf_insert_pfn_prot(vmf->vma, vmf->address + i * PAGE_SIZE, pfn + i,
					prot) != VM_FAULT_NOPAGE)
			break;

	return ret;
}
#endif

/* How a device reaches the range: whose it is does, and so does an owner off the PCI bus. */
static enum pci_p2pdma_map_type resource_route(const struct drm_gem_bo_backing *backing,
					       struct device *dev)
{
	struct p2pdma_provider *provider = backing->alloc->provider;

	if (dev == (provider ? provider->owner : backing->dma.dev))
		return PCI_P2PDMA_MAP_THRU_HOST_BRIDGE;
	if (provider)
		return pci_p2pdma_map_type(provider, dev);
	if (dev_is_pci(dev) || dev_is_pci(backing->dma.dev))
		return PCI_P2PDMA_MAP_NOT_SUPPORTED;

	return PCI_P2PDMA_MAP_THRU_HOST_BRIDGE;
}

static int resource_map_run(const struct drm_gem_bo_backing *backing,
			    const struct drm_gem_bo_dma *dma, struct drm_gem_bo_run *run)
{
	phys_addr_t phys = backing->alloc->phys + run_offset(run);

	switch (resource_route(backing, dma->dev)) {
	case PCI_P2PDMA_MAP_BUS_ADDR:
		run->dma_addr = pci_p2pdma_bus_addr_map(backing->alloc->provider, phys);
		/* Nothing to be unmapped, like a part of a range that was linked. */
		run->linked = 1;
		break;
	case PCI_P2PDMA_MAP_THRU_HOST_BRIDGE:
		run->dma_addr = dma_map_phys(dma->dev, phys, run_size(run), dma->dir,
					     dma->attrs);
		if (dma_mapping_error(dma->dev, run->dma_addr))
			return -EIO;
		break;
	default:
		return -EREMOTEIO;
	}
	run->mapped = 1;

	return 0;
}

int drm_gem_bo_resource_map_runs(const struct drm_gem_bo_backing *backing,
				 struct drm_gem_bo_dma *dma,
				 struct drm_gem_bo_run *run, u32 num)
{
	int ret;
	u32 i;

	dma->attrs |= DMA_ATTR_MMIO;
	for (i = 0; i < num; i++) {
		ret = resource_map_run(backing, dma, &run[i]);
		if (ret)
			goto err_unmap;
	}

	return 0;

err_unmap:
	drm_gem_bo_runs_unmap(dma, run, i);
	return ret;
}

int drm_gem_bo_resource_map(struct drm_gem_bo_backing *backing)
{
	int ret;

	if (!backing->alloc)
		return -ENXIO;
	if (!backing->dma.dev->dma_mask)
		return -ENODEV;

	ret = drm_gem_bo_resource_map_runs(backing, &backing->dma, backing->runs,
					   backing->num_runs);
	if (!ret)
		backing->num_mapped = backing_pages(backing);

	return ret;
}

/* The only way to what another device allocated. */
static struct dma_remap *backing_remap(const struct drm_gem_bo_backing *backing,
				       struct device *dev, enum dma_data_direction dir)
{
	const struct drm_gem_bo_alloc *alloc = backing->alloc;
	size_t size = backing->obj->size;

	if (backing->kind == DRM_GEM_BO_COHERENT)
		return dma_alloc_remap(backing->dma.dev, alloc->vaddr, alloc->dma_addr,
				       size, alloc->attrs, dev);

	return dma_alloc_pages_remap(backing->dma.dev, alloc->dma_addr, size, dev, dir);
}

/*
 * A list of coherent memory has no pages. Tables do, see
 * drm_gem_bo_backing_map_attachment().
 */
static struct page *remap_page(const struct dma_remap *remap,
			       const struct drm_gem_bo_run *from, u32 index, u32 *num)
{
	phys_addr_t phys;
	ssize_t size;

	if (from->page)
		return run_page(from, index);

	size = dma_remap_to_phys(remap, (size_t)index << PAGE_SHIFT, &phys);
	if (size < (ssize_t)PAGE_SIZE || !pfn_valid(PHYS_PFN(phys)))
		return NULL;
	*num = min_t(size_t, *num, size >> PAGE_SHIFT);

	return phys_to_page(phys);
}

/* Cut where either side breaks and at @max_pages. Counts only if there is no peer. */
static u32 remap_fill(const struct dma_remap *remap, const struct drm_gem_bo_backing *backing,
		      u32 max_pages, struct drm_gem_bo_peer *peer)
{
	const struct drm_gem_bo_run *from = backing->runs;
	u32 i, n = 0, index = 0;

	for (i = 0; i < remap->nr_extents; i++) {
		const struct dma_remap_extent *extent = &remap->extents[i];
		u32 first = index, end = index + (extent->size >> PAGE_SHIFT), num;
		struct page *page;

		for (; index < end; index += num, n++) {
			if (index == run_end(from))
				from++;
			num = min3(end - index, run_end(from) - index, max_pages);
			page = remap_page(remap, from, index, &num);
			if (!peer)
				continue;
			peer->runs[n] = (struct drm_gem_bo_run) {
				.page = page,
				.dma_addr = extent->addr + ((u64)(index - first) << PAGE_SHIFT),
				.index = index,
				.num_pages = num,
				.mapped = 1,
				.linked = 1,
			};
		}
	}

	return n;
}

struct drm_gem_bo_peer *
drm_gem_bo_alloc_map_peer(const struct drm_gem_bo_backing *backing, struct device *dev,
			  enum dma_data_direction dir, u32 max_pages)
{
	struct drm_gem_bo_peer *peer;
	struct dma_remap *remap;

	remap = backing_remap(backing, dev, dir);
	if (IS_ERR(remap))
		return ERR_CAST(remap);

	peer = drm_gem_bo_peer_alloc(dev, dir, remap_fill(remap, backing, max_pages, NULL));
	if (!peer) {
		dma_free_remap(dev, remap, backing->obj->size);
		return ERR_PTR(-ENOMEM);
	}
	peer->remap = remap;
	remap_fill(remap, backing, max_pages, peer);
	/* What clears memory may do that in the cache. */
	dma_sync_remap_for_device(remap, remap->alloc.dir);

	return peer;
}

/* Does nothing where the memory is coherent for the peer. */
void drm_gem_bo_alloc_sync_peer(const struct drm_gem_bo_peer *peer,
				enum dma_data_direction dir, bool for_device)
{
	if (peer->remap->alloc.dir != DMA_BIDIRECTIONAL)
		dir = peer->remap->alloc.dir;
	if (for_device)
		dma_sync_remap_for_device(peer->remap, dir);
	else
		dma_sync_remap_for_cpu(peer->remap, dir);
}

void drm_gem_bo_alloc_unmap_peer(struct drm_gem_bo_peer *peer)
{
	u32 num_pages = run_end(&peer->runs[peer->num_runs - 1]);

	dma_free_remap(peer->dma.dev, peer->remap, (size_t)num_pages << PAGE_SHIFT);
}
