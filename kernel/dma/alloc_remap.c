// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses of what was allocated for one device, for another device.
 *
 * Goes from the allocation to physical addresses and from these to addresses
 * for the other device, without pages, without touching caches and without
 * bounce buffers.
 */
#include <kunit/static_stub.h>
#include <linux/dma-map-ops.h>
#include <linux/export.h>
#include <linux/iommu-dma.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "alloc_remap.h"
#include "debug.h"
#include "direct.h"

static int dma_vaddr_to_phys(void *vaddr, phys_addr_t *phys)
{
	struct page *page = NULL;

	if (!vaddr)
		return -ENXIO;
	if (is_vmalloc_addr(vaddr))
		page = vmalloc_to_page(vaddr);
	else if (virt_addr_valid(vaddr))
		page = virt_to_page(vaddr);
	if (!page)
		return -ENXIO;

	*phys = page_to_phys(page) + offset_in_page(vaddr);
	return 0;
}

static bool dma_is_direct(const struct dma_allocation *alloc)
{
	return dma_alloc_direct(alloc->dev, get_dma_ops(alloc->dev)) ||
	       arch_dma_alloc_direct(alloc->dev);
}

/* One page, where they need not follow each other. */
static int dma_alloc_page_to_phys(const struct dma_allocation *alloc,
				  size_t offset, phys_addr_t *phys)
{
	const struct dma_map_ops *ops = get_dma_ops(alloc->dev);

	if (use_dma_iommu(alloc->dev)) {
		*phys = iommu_dma_alloc_to_phys(alloc->dev,
						alloc->dma_addr + offset);
		return *phys ? 0 : -ENXIO;
	}
	if (ops->alloc_to_phys)
		return ops->alloc_to_phys(alloc->dev, alloc->dma_addr + offset,
					  phys);
	/* A cookie that only the implementation can read is none. */
	return dma_vaddr_to_phys(alloc->cpu_addr ? alloc->cpu_addr + offset : NULL,
				 phys);
}

/*
 * Where an allocation is at @offset.  Returns for how long at least from there,
 * or a negative error code.
 */
ssize_t dma_alloc_to_phys(const struct dma_allocation *alloc, size_t offset,
			  phys_addr_t *phys)
{
	int ret;

	KUNIT_STATIC_STUB_REDIRECT(dma_alloc_to_phys, alloc, offset, phys);

	if (alloc->from_pool) {
		if (alloc->pool_phys == PHYS_ADDR_MAX)
			return -EREMOTEIO;
		*phys = alloc->pool_phys + offset;
		return alloc->size - offset;
	}
	if (dma_is_direct(alloc)) {
		*phys = dma_to_phys(alloc->dev, alloc->dma_addr);
		if (*phys == (phys_addr_t)-1)
			return -ENXIO;
		*phys += offset;
		return alloc->size - offset;
	}

	ret = dma_alloc_page_to_phys(alloc, offset, phys);
	return ret ?: min_t(size_t, alloc->size - offset,
			    PAGE_SIZE - offset_in_page(*phys));
}

/* The longest stretch at @offset that is physically contiguous. */
static ssize_t dma_alloc_next_run(const struct dma_allocation *alloc,
				  size_t offset, phys_addr_t *phys)
{
	ssize_t size = dma_alloc_to_phys(alloc, offset, phys);
	phys_addr_t next;
	ssize_t len;

	while (size > 0 && offset + size < alloc->size) {
		len = dma_alloc_to_phys(alloc, offset + size, &next);
		if (len < 0)
			return len;
		if (next != *phys + size)
			break;
		size += len;
	}
	return size;
}

static int dma_alloc_count_runs(const struct dma_allocation *alloc)
{
	size_t offset = 0;
	phys_addr_t phys;
	int count = 0;

	while (offset < alloc->size) {
		ssize_t size = dma_alloc_next_run(alloc, offset, &phys);

		if (size < 0)
			return size;
		offset += size;
		count++;
	}
	return count;
}

/* Finds out whether the device's own pool has it, then it is elsewhere. */
static int dma_alloc_find_pool(struct dma_allocation *alloc)
{
	int ret;

	alloc->pool_phys = PHYS_ADDR_MAX;
	ret = dma_dev_coherent_to_phys(alloc->dev, alloc->cpu_addr, alloc->size,
				       &alloc->pool_phys);
	alloc->from_pool = ret != 0;
	return min(ret, 0);
}

/**
 * dma_alloc_phys - where in memory an allocation is
 * @dev: device that the memory was allocated for
 * @cpu_addr: kernel CPU-view address returned from dma_alloc_attrs
 * @dma_addr: device-view address returned from dma_alloc_attrs
 * @size: size of the allocation in bytes
 * @offset: bytes from its start, less than @size
 * @phys: where to put the physical address of the byte at @offset
 *
 * For those who program an IOMMU themselves, or tell a firmware about memory.
 * What is to be reached by a device that the DMA API knows takes
 * dma_alloc_remap().  @cpu_addr and @dma_addr may also both be those of the
 * same byte inside an allocation, with @size up to its end.  Not for memory of
 * DMA_ATTR_NO_KERNEL_MAPPING, which has no CPU-view address.
 *
 * Return: the number of bytes, up to the end of the allocation, that are
 * physically contiguous from there, %-EINVAL if @offset is behind its end,
 * %-ENXIO if the physical address is not known, %-EREMOTEIO if it is the
 * device's own, not the system's.
 */
ssize_t dma_alloc_phys(struct device *dev, void *cpu_addr, dma_addr_t dma_addr,
		       size_t size, size_t offset, phys_addr_t *phys)
{
	struct dma_allocation alloc = {
		.dev		= dev,
		.cpu_addr	= cpu_addr,
		.dma_addr	= dma_addr,
		.size		= size,
	};
	int ret;

	if (offset >= size)
		return -EINVAL;
	ret = dma_alloc_find_pool(&alloc);
	return ret ?: dma_alloc_next_run(&alloc, offset, phys);
}
EXPORT_SYMBOL_GPL(dma_alloc_phys);

static void dma_remap_add(struct dma_remap *remap, dma_addr_t addr, size_t size)
{
	struct dma_remap_extent *extent = &remap->extents[remap->nr_extents++];

	extent->addr = addr;
	extent->size = size;
}

static int dma_remap_link(struct dma_remap *remap, phys_addr_t phys,
			  size_t offset, size_t size)
{
	/* Never let the device reach more than the allocation. */
	if ((phys | offset | size) & dma_get_merge_boundary(remap->dev))
		return -EINVAL;
	return dma_iova_link(remap->dev, &remap->state, phys, offset, size,
			     remap->alloc.dir, remap->attrs);
}

static int dma_remap_link_all(struct dma_remap *remap,
			      const struct dma_allocation *alloc,
			      size_t *offset)
{
	phys_addr_t phys;
	ssize_t size;
	int ret;

	for (*offset = 0; *offset < alloc->size; *offset += size) {
		size = dma_alloc_next_run(alloc, *offset, &phys);
		if (size < 0)
			return size;
		ret = dma_remap_link(remap, phys, *offset, size);
		if (ret)
			return ret;
	}
	return dma_iova_sync(remap->dev, &remap->state, 0, alloc->size);
}

/* One range of addresses of the IOMMU, whatever the memory is like. */
static int dma_remap_iova(struct dma_remap *remap,
			  const struct dma_allocation *alloc)
{
	size_t linked;
	int ret;

	if (remap->attrs & DMA_ATTR_CC_SHARED)
		return -EOPNOTSUPP;
	if (!dma_iova_try_alloc(remap->dev, &remap->state, 0, alloc->size))
		return -ENOMEM;

	ret = dma_remap_link_all(remap, alloc, &linked);
	if (ret) {
		dma_iova_destroy(remap->dev, &remap->state, linked, remap->alloc.dir,
				 remap->attrs);
		return ret;
	}
	dma_remap_add(remap, remap->state.addr, alloc->size);
	return 0;
}

static int dma_remap_fill_sg(struct dma_remap *remap,
			     const struct dma_allocation *alloc)
{
	struct scatterlist *sg;
	size_t offset = 0;
	phys_addr_t phys;
	int i;

	for_each_sgtable_sg(&remap->sgt, sg, i) {
		ssize_t size = dma_alloc_next_run(alloc, offset, &phys);

		if (size < 0)
			return size;
		if (size > UINT_MAX)
			return -EOPNOTSUPP;
		sg_set_page(sg, phys_to_page(phys), size, 0);
		offset += size;
	}
	return 0;
}

/*
 * As map_phys() of ops maps each run for itself and only map_sg() knows how to
 * make them contiguous, they get what they can merge.
 */
static int dma_remap_sg(struct dma_remap *remap,
			const struct dma_allocation *alloc, int nr_runs)
{
	const struct dma_map_ops *ops = get_dma_ops(remap->dev);
	struct sg_table *sgt = &remap->sgt;
	struct scatterlist *sg;
	int i, ret;

	ret = sg_alloc_table(sgt, nr_runs, GFP_KERNEL);
	if (ret)
		return ret;
	ret = dma_remap_fill_sg(remap, alloc);
	if (ret)
		goto err_free;
	ret = ops->map_sg(remap->dev, sgt->sgl, sgt->orig_nents, remap->alloc.dir,
			  remap->attrs);
	if (ret <= 0) {
		ret = ret ?: -EIO;
		goto err_free;
	}

	sgt->nents = ret;
	for_each_sgtable_dma_sg(sgt, sg, i)
		dma_remap_add(remap, sg_dma_address(sg), sg_dma_len(sg));
	return 0;

err_free:
	sg_free_table(sgt);
	return ret;
}

static int dma_remap_run(struct dma_remap *remap, phys_addr_t phys, size_t size)
{
	const struct dma_map_ops *ops = get_dma_ops(remap->dev);
	dma_addr_t addr;

	if (dma_map_direct(remap->dev, ops))
		addr = dma_direct_remap_phys(remap->dev, phys, size,
					     remap->attrs);
	else
		addr = ops->map_phys(remap->dev, phys, size, remap->alloc.dir,
				     remap->attrs);
	if (addr == DMA_MAPPING_ERROR)
		return -EIO;
	dma_remap_add(remap, addr, size);
	return 0;
}

/* Does not merge extents: ops have to unmap what they mapped. */
static void dma_remap_unmap_runs(struct dma_remap *remap)
{
	const struct dma_map_ops *ops = get_dma_ops(remap->dev);
	unsigned int i;

	if (dma_map_direct(remap->dev, ops) || !ops->unmap_phys)
		return;
	for (i = 0; i < remap->nr_extents; i++)
		ops->unmap_phys(remap->dev, remap->extents[i].addr,
				remap->extents[i].size, remap->alloc.dir,
				remap->attrs);
}

static int dma_remap_runs(struct dma_remap *remap,
			  const struct dma_allocation *alloc)
{
	size_t offset = 0;
	phys_addr_t phys;
	int ret = 0;

	while (!ret && offset < alloc->size) {
		ssize_t size = dma_alloc_next_run(alloc, offset, &phys);

		ret = size < 0 ? size : dma_remap_run(remap, phys, size);
		offset += size;
	}
	if (ret)
		dma_remap_unmap_runs(remap);
	return ret;
}

/*
 * Implementations of dma_map_ops that have a largest mapping bounce what does
 * not fit: those have to know that here they must not.
 */
static int dma_remap_ops(struct dma_remap *remap,
			 const struct dma_allocation *alloc, int nr_runs)
{
	const struct dma_map_ops *ops = get_dma_ops(remap->dev);

	if (remap->attrs & DMA_ATTR_CC_SHARED)
		return -EOPNOTSUPP;
	if (ops->max_mapping_size)
		remap->attrs |= DMA_ATTR_REQUIRE_COHERENT;
	if (ops->map_sg && nr_runs > 1 && !(remap->attrs & DMA_ATTR_MMIO))
		return dma_remap_sg(remap, alloc, nr_runs);
	return ops->map_phys ? dma_remap_runs(remap, alloc) : -EOPNOTSUPP;
}

/*
 * The caches are never touched by mapping: they are right already for a
 * coherent allocation, and dma_sync_*() makes them right for any other.  Memory
 * without pages has no cacheable alias and cannot be bounced.  All of an
 * allocation is of one sort.
 */
static int dma_remap_attrs(const struct dma_allocation *alloc,
			   unsigned long *attrs)
{
	phys_addr_t phys;
	ssize_t len = dma_alloc_to_phys(alloc, 0, &phys);

	if (len < 0)
		return len;

	*attrs = DMA_ATTR_SKIP_CPU_SYNC | alloc->attrs;
	if (!pfn_valid(PHYS_PFN(phys))) {
		/* Caches are maintained by pages. */
		if (!alloc->coherent)
			return -EOPNOTSUPP;
		*attrs |= DMA_ATTR_MMIO;
	}
	/* Only dma-direct decrypts what it allocates. */
	if (!alloc->from_pool && dma_is_direct(alloc) &&
	    force_dma_unencrypted(alloc->dev))
		*attrs |= DMA_ATTR_CC_SHARED;
	return 0;
}

/* One entry per extent, so that syncs are checked and leaks are seen. */
static void dma_remap_debug(struct dma_remap *remap,
			    const struct dma_allocation *alloc)
{
	size_t offset = 0;
	phys_addr_t phys;
	unsigned int i;

	if (!IS_ENABLED(CONFIG_DMA_API_DEBUG))
		return;
	for (i = 0; i < remap->nr_extents; i++) {
		struct dma_remap_extent *extent = &remap->extents[i];

		if (dma_alloc_to_phys(alloc, offset, &phys) < 0)
			return;
		debug_dma_remap(remap->dev, phys, extent->size, remap->alloc.dir,
				extent->addr, remap->attrs, remap->alloc.coherent);
		offset += extent->size;
	}
}

static void dma_remap_debug_free(struct dma_remap *remap)
{
	unsigned int i;

	for (i = 0; i < remap->nr_extents; i++)
		debug_dma_free_remap(remap->dev, remap->extents[i].addr,
				     remap->extents[i].size, remap->alloc.dir,
				     remap->attrs, remap->alloc.coherent);
}

static struct dma_remap *dma_remap_new(const struct dma_allocation *alloc,
				       struct device *dev, unsigned int nr)
{
	struct dma_remap *remap = kvzalloc_flex(*remap, extents, nr);

	if (!remap)
		return NULL;
	remap->dev = dev;
	remap->alloc = *alloc;
	/* From here on the number of those that are valid. */
	remap->nr_extents = 0;
	return remap;
}

static struct dma_remap *dma_remap_owner(const struct dma_allocation *alloc)
{
	struct dma_remap *remap = dma_remap_new(alloc, alloc->dev, 1);

	if (!remap)
		return ERR_PTR(-ENOMEM);
	remap->owned = true;
	dma_remap_add(remap, alloc->dma_addr, alloc->size);
	return remap;
}

static int dma_remap_map(struct dma_remap *remap,
			 const struct dma_allocation *alloc, int nr_runs)
{
	int ret = dma_remap_attrs(alloc, &remap->attrs);

	if (ret)
		return ret;
	if (use_dma_iommu(remap->dev))
		return dma_remap_iova(remap, alloc);
	if (dma_map_direct(remap->dev, get_dma_ops(remap->dev)))
		return dma_remap_runs(remap, alloc);
	return dma_remap_ops(remap, alloc, nr_runs);
}

static struct dma_remap *__dma_alloc_remap(const struct dma_allocation *alloc,
					   struct device *dev)
{
	struct dma_remap *remap;
	int ret;

	if (dev == alloc->dev)
		return dma_remap_owner(alloc);
	if (WARN_ON_ONCE(!dev->dma_mask))
		return ERR_PTR(-EIO);

	ret = use_dma_iommu(dev) ? 1 : dma_alloc_count_runs(alloc);
	if (ret < 0)
		return ERR_PTR(ret);
	remap = dma_remap_new(alloc, dev, ret);
	if (!remap)
		return ERR_PTR(-ENOMEM);

	ret = dma_remap_map(remap, alloc, ret);
	if (ret) {
		kvfree(remap);
		return ERR_PTR(ret);
	}
	dma_remap_debug(remap, alloc);
	return remap;
}

/**
 * dma_alloc_remap - make the addresses of an allocation for another device
 * @alloc_dev: device that the memory was allocated for
 * @cpu_addr: kernel CPU-view address returned from dma_alloc_attrs
 * @dma_addr: device-view address returned from dma_alloc_attrs
 * @size: size of memory originally requested in dma_alloc_attrs, in bytes
 * @attrs: attributes of mapping properties requested in dma_alloc_attrs
 * @dev: device that is to reach the same memory
 *
 * Neither this nor dma_free_remap() touches caches, and dma_sync_single_*() must
 * not be called for the addresses.  Call dma_sync_remap_for_device() and
 * dma_sync_remap_for_cpu() where memory is passed between the CPU and @dev:
 * these do nothing, unless @dev does not snoop the caches through which the CPU
 * sees the memory.  It never bounces.  The release by dma_free_remap() has to
 * come before dma_free_attrs().
 *
 * Must be called from a context that may sleep.
 *
 * Return: the addresses or an error pointer: %-EIO if @dev cannot address the
 * memory without bouncing or does no DMA, %-EREMOTEIO if the memory is local to
 * @alloc_dev and no route is known, %-ENXIO if its physical address is not
 * known, %-EOPNOTSUPP if there is no way to maintain its caches or to map it,
 * %-EINVAL if @size is 0 or not that of the allocation or if the IOMMU's pages
 * are larger than the pieces of the allocation, %-ENOMEM if there is no memory
 * or IOVA space, or what the device's implementation of dma_map_ops says.
 */
struct dma_remap *dma_alloc_remap(struct device *alloc_dev, void *cpu_addr,
				  dma_addr_t dma_addr, size_t size,
				  unsigned long attrs, struct device *dev)
{
	struct dma_allocation alloc = {
		.dev		= alloc_dev,
		.cpu_addr	= cpu_addr,
		.dma_addr	= dma_addr,
		.size		= PAGE_ALIGN(size),
		.attrs		= attrs & DMA_ATTR_PRIVILEGED,
		.dir		= DMA_BIDIRECTIONAL,
		.coherent	= true,
	};
	int ret;

	if (!alloc.size)
		return ERR_PTR(-EINVAL);
	ret = dma_alloc_find_pool(&alloc);
	if (attrs & DMA_ATTR_NO_KERNEL_MAPPING)
		alloc.cpu_addr = NULL;
	if (dev == alloc_dev)
		return dma_remap_owner(&alloc);
	if (ret)
		return ERR_PTR(ret);
	/*
	 * What was allocated for a device that snoops is cached by the CPU. A
	 * pool never is, whatever its device does.
	 */
	if (!alloc.from_pool && dev_is_dma_coherent(alloc_dev) &&
	    !dev_is_dma_coherent(dev))
		alloc.coherent = false;

	return __dma_alloc_remap(&alloc, dev);
}
EXPORT_SYMBOL_GPL(dma_alloc_remap);

/**
 * dma_alloc_pages_remap - make the addresses of pages for another device
 * @alloc_dev: device that the memory was allocated for
 * @dma_addr: address from dma_alloc_pages(), dma_alloc_noncoherent() or, in
 *	sg_dma_address() of its table, dma_alloc_noncontiguous()
 * @size: size passed to that function, in bytes
 * @dev: device that is to reach the same memory
 * @dir: direction of DMA by @dev
 *
 * As dma_alloc_remap(), but ownership of the memory has to be passed between
 * @dev and the CPU by dma_sync_remap_for_device() and dma_sync_remap_for_cpu(),
 * before its first use, too.  Who knows which bytes are concerned can use
 * dma_sync_single_for_device() and dma_sync_single_for_cpu() on those, within
 * what dma_remap_to_phys() calls contiguous.
 *
 * Return: the addresses or an error pointer, see dma_alloc_remap(), %-EINVAL
 * also if @dir is none.
 */
struct dma_remap *dma_alloc_pages_remap(struct device *alloc_dev,
					dma_addr_t dma_addr, size_t size,
					struct device *dev,
					enum dma_data_direction dir)
{
	const struct dma_map_ops *ops = get_dma_ops(alloc_dev);
	struct dma_allocation alloc = {
		.dev		= alloc_dev,
		.dma_addr	= dma_addr,
		.size		= PAGE_ALIGN(size),
		.dir		= dir,
	};

	if (!alloc.size || !valid_dma_direction(dir))
		return ERR_PTR(-EINVAL);
	/* Only the CPU address would tell where the pages are. */
	if (!dma_alloc_direct(alloc_dev, ops) && !use_dma_iommu(alloc_dev) &&
	    !ops->alloc_to_phys)
		return ERR_PTR(-ENXIO);

	return __dma_alloc_remap(&alloc, dev);
}
EXPORT_SYMBOL_GPL(dma_alloc_pages_remap);

/**
 * dma_remap_to_phys - where in memory a part of a remap is
 * @remap: the addresses
 * @offset: bytes from the start of the allocation, less than its size
 * @phys: where to put the physical address of the byte at @offset
 *
 * Return: the number of bytes that are physically contiguous from there, or a
 * negative error code, see dma_alloc_phys().
 */
ssize_t dma_remap_to_phys(const struct dma_remap *remap, size_t offset,
			  phys_addr_t *phys)
{
	if (offset >= remap->alloc.size)
		return -EINVAL;
	return dma_alloc_next_run(&remap->alloc, offset, phys);
}
EXPORT_SYMBOL_GPL(dma_remap_to_phys);

typedef void dma_sync_fn(struct device *dev, dma_addr_t addr, size_t size,
			 enum dma_data_direction dir);

/* Syncs go from the first address on by physical ones: never past a run. */
static void dma_remap_sync(const struct dma_remap *remap, dma_sync_fn *sync,
			   enum dma_data_direction dir)
{
	size_t offset, start = 0;
	phys_addr_t phys;
	unsigned int i;
	ssize_t size;

	if (remap->alloc.coherent)
		return;
	for (i = 0; i < remap->nr_extents; i++) {
		const struct dma_remap_extent *extent = &remap->extents[i];

		for (offset = 0; offset < extent->size; offset += size) {
			size = dma_alloc_next_run(&remap->alloc, start + offset,
						  &phys);
			if (WARN_ON_ONCE(size < 0))
				return;
			size = min_t(size_t, size, extent->size - offset);
			sync(remap->dev, extent->addr + offset, size, dir);
		}
		start += extent->size;
	}
}

static void dma_sync_to_cpu(struct device *dev, dma_addr_t addr, size_t size,
			    enum dma_data_direction dir)
{
	dma_sync_single_for_cpu(dev, addr, size, dir);
}

static void dma_sync_to_device(struct device *dev, dma_addr_t addr, size_t size,
			       enum dma_data_direction dir)
{
	dma_sync_single_for_device(dev, addr, size, dir);
}

/**
 * dma_sync_remap_for_cpu - pass the memory of a remap to the CPU
 * @remap: the addresses
 * @dir: direction of the DMA that was done by their device
 *
 * Does nothing if the memory is coherent for the device of @remap.
 */
void dma_sync_remap_for_cpu(const struct dma_remap *remap,
			    enum dma_data_direction dir)
{
	dma_remap_sync(remap, dma_sync_to_cpu, dir);
}
EXPORT_SYMBOL_GPL(dma_sync_remap_for_cpu);

/**
 * dma_sync_remap_for_device - pass the memory of a remap to its device
 * @remap: the addresses
 * @dir: direction of the DMA that the device is going to do
 *
 * Does nothing if the memory is coherent for the device of @remap.
 */
void dma_sync_remap_for_device(const struct dma_remap *remap,
			       enum dma_data_direction dir)
{
	dma_remap_sync(remap, dma_sync_to_device, dir);
}
EXPORT_SYMBOL_GPL(dma_sync_remap_for_device);

static void dma_remap_unmap(struct dma_remap *remap)
{
	const struct dma_map_ops *ops = get_dma_ops(remap->dev);

	dma_remap_debug_free(remap);
	if (dma_use_iova(&remap->state)) {
		dma_iova_destroy(remap->dev, &remap->state, remap->alloc.size,
				 remap->alloc.dir, remap->attrs);
	} else if (remap->sgt.sgl) {
		if (ops->unmap_sg)
			ops->unmap_sg(remap->dev, remap->sgt.sgl,
				      remap->sgt.orig_nents, remap->alloc.dir,
				      remap->attrs);
		sg_free_table(&remap->sgt);
	} else {
		dma_remap_unmap_runs(remap);
	}
}

/**
 * dma_free_remap - release what dma_alloc_remap() made
 * @dev: device that it was made for
 * @remap: the addresses
 * @size: size passed to dma_alloc_remap() or dma_alloc_pages_remap(), in bytes
 *
 * @dev and @size only say what the caller believes.  With CONFIG_DMA_API_DEBUG
 * it is reported if that is wrong.  As much is unmapped as was mapped in any
 * case, and from the device that it was mapped for.
 */
void dma_free_remap(struct device *dev, struct dma_remap *remap, size_t size)
{
	debug_dma_check_remap(dev, PAGE_ALIGN(size), remap->dev, remap->alloc.size);
	if (!remap->owned)
		dma_remap_unmap(remap);
	kvfree(remap);
}
EXPORT_SYMBOL_GPL(dma_free_remap);
