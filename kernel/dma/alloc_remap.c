// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses of what was allocated for one device, for another device.
 *
 * Goes from the allocation to physical addresses and from these to addresses
 * for the other device, without pages and without bounce buffers.
 */
#include <kunit/static_stub.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-runs.h>
#include <linux/export.h>
#include <linux/iommu-dma.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include "alloc_remap.h"
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

/* Finds out whether the device's own pool has it, then it is elsewhere. */
static int dma_alloc_find_pool(struct dma_allocation *alloc)
{
	int ret;

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

static int remap_fill(struct dma_runs *runs, const struct dma_allocation *alloc, bool owner)
{
	size_t offset = 0;
	phys_addr_t phys;
	int ret = 0;

	while (!ret && offset < alloc->size) {
		ssize_t size = dma_alloc_to_phys(alloc, offset, &phys);

		if (size < 0)
			return size;
		ret = __dma_runs_add(runs, offset >> PAGE_SHIFT, phys, alloc->dma_addr + offset,
				     size >> PAGE_SHIFT, owner);
		offset += size;
	}
	return ret;
}

/* What the allocating device has is an address that nobody needs to make. */
static int remap_owner(struct dma_runs *runs, const struct dma_allocation *alloc)
{
	runs->kind = DMA_RUNS_COHERENT;
	if (!alloc->from_pool && !remap_fill(runs, alloc, true))
		return 0;
	dma_runs_clear(runs);
	return dma_runs_add_mapped(runs, 0, DMA_RUN_NO_PHYS, alloc->dma_addr, runs->num_pages);
}

/*
 * The caches are never touched by mapping: they are right already for a
 * coherent allocation, and dma_runs_sync() makes them right for any other.
 * Memory without pages has no cacheable alias and cannot be bounced.  All of an
 * allocation is of one sort.
 */
static int remap_set_attrs(struct dma_runs *runs, const struct dma_allocation *alloc)
{
	runs->attrs = DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_NO_BOUNCE | alloc->attrs;
	if (!pfn_valid(PHYS_PFN(runs->runs[0].phys))) {
		/* Caches are maintained by pages. */
		if (runs->kind != DMA_RUNS_COHERENT)
			return -EOPNOTSUPP;
		runs->attrs |= DMA_ATTR_MMIO;
	}
	/* Only dma-direct decrypts what it allocates. */
	if (!alloc->from_pool && dma_is_direct(alloc) &&
	    force_dma_unencrypted(alloc->dev))
		runs->attrs |= DMA_ATTR_CC_SHARED;
	return 0;
}

static int remap_other(struct dma_runs *runs, const struct dma_allocation *alloc)
{
	int ret;

	/*
	 * What was allocated for a device that snoops is cached by the CPU. A
	 * pool never is, whatever its device does.
	 */
	if (alloc->from_pool || !dev_is_dma_coherent(alloc->dev) ||
	    dev_is_dma_coherent(runs->dev))
		runs->kind = DMA_RUNS_COHERENT;

	ret = remap_fill(runs, alloc, false);
	if (!ret)
		ret = remap_set_attrs(runs, alloc);
	if (!ret)
		ret = dma_runs_map(runs, 0, runs->num_pages);
	if (!ret)
		dma_runs_sync(runs, 0, alloc->size, runs->dir, true);
	return ret;
}

/**
 * dma_alloc_remap - make the addresses of an allocation for another device
 * @alloc_dev: device that the memory was allocated for
 * @cpu_addr: kernel CPU-view address returned from dma_alloc_attrs
 * @dma_addr: device-view address returned from dma_alloc_attrs
 * @size: size of memory originally requested in dma_alloc_attrs, in bytes
 * @attrs: attributes of mapping properties requested in dma_alloc_attrs
 * @dev: device that is to reach the same memory
 * @dir: direction of DMA by @dev
 *
 * The memory is handed over to @dev.  Call dma_runs_sync() where it is passed
 * between the CPU and @dev later: it does nothing, unless @dev does not snoop the
 * caches through which the CPU sees the memory.  Never bounces.  The release by
 * dma_runs_free() has to come before dma_free_attrs().
 *
 * Must be called from a context that may sleep.
 *
 * Return: a list of addresses, without pages, or an error pointer: %-EIO if @dev
 * cannot address the memory without bouncing or has no room for a piece of it in
 * its IOVA space, %-ENODEV if it does no DMA,
 * %-EREMOTEIO if the memory is local to @alloc_dev and no route is known, %-ENXIO
 * if its physical address is not known, %-EOPNOTSUPP if there is no way to
 * maintain its caches, %-EINVAL if @size is 0 or not that of the allocation, if
 * @dir is none or if the IOMMU's pages are larger than the pieces of the
 * allocation, %-ENOMEM if there is no memory.
 */
struct dma_runs *dma_alloc_remap(struct device *alloc_dev, void *cpu_addr,
				 dma_addr_t dma_addr, size_t size,
				 unsigned long attrs, struct device *dev,
				 enum dma_data_direction dir)
{
	struct dma_allocation alloc = {
		.dev		= alloc_dev,
		.cpu_addr	= cpu_addr,
		.dma_addr	= dma_addr,
		.size		= PAGE_ALIGN(size),
		.attrs		= attrs & DMA_ATTR_PRIVILEGED,
	};
	struct dma_runs *runs;
	int ret;

	if (!alloc.size || alloc.size >> PAGE_SHIFT > DMA_RUNS_MAX_PAGES ||
	    !valid_dma_direction(dir))
		return ERR_PTR(-EINVAL);

	ret = dma_alloc_find_pool(&alloc);
	if (attrs & DMA_ATTR_NO_KERNEL_MAPPING)
		alloc.cpu_addr = NULL;
	if (ret && dev != alloc_dev)
		return ERR_PTR(ret);

	runs = dma_runs_new(dev, DMA_RUNS_NONCOHERENT, dir, alloc.size >> PAGE_SHIFT);
	if (!runs)
		return ERR_PTR(-ENOMEM);
	ret = dev == alloc_dev ? remap_owner(runs, &alloc) : remap_other(runs, &alloc);
	if (ret) {
		dma_runs_free(runs);
		return ERR_PTR(ret);
	}
	return runs;
}
EXPORT_SYMBOL_GPL(dma_alloc_remap);

/* Addresses are physical ones, of all memory, and there is nothing to undo or to sync. */
static bool dev_is_identical(struct device *dev)
{
	return !IS_ENABLED(CONFIG_ARCH_HAS_PHYS_TO_DMA) && !dev->dma_range_map &&
	       !use_dma_iommu(dev) && !get_dma_ops(dev) && !force_dma_unencrypted(dev) &&
	       !dma_need_unmap(dev) && !dma_addressing_limited(dev) &&
	       dma_run_max_pages(dev) == DMA_RUNS_MAX_PAGES;
}

/* Whether one array serves them both. Not static for its test alone. */
bool dma_runs_same_for(const struct dma_runs *runs, struct device *dev)
{
	KUNIT_STATIC_STUB_REDIRECT(dma_runs_same_for, runs, dev);

	return runs->kind == DMA_RUNS_STREAMING && dma_runs_is_mapped(runs) && !runs->cut &&
	       !(runs->attrs & (DMA_ATTR_MMIO | DMA_ATTR_CC_SHARED)) &&
	       dev_is_identical(runs->dev) && dev_is_identical(dev);
}

static int runs_copy(struct dma_runs *copy, const struct dma_runs *runs)
{
	/* What was allocated for a device is mapped for it, in its own direction. */
	bool own = runs->kind == DMA_RUNS_NONCOHERENT && runs->dev == copy->dev;
	size_t size = array_size(runs->num_runs, sizeof(*runs->runs));

	copy->borrowed = dma_runs_same_for(runs, copy->dev);
	copy->runs = copy->borrowed ? runs->runs : kvmemdup(runs->runs, size, GFP_KERNEL);
	if (!copy->runs)
		return -ENOMEM;
	copy->num_runs = runs->num_runs;
	copy->max_runs = copy->borrowed ? 0 : runs->num_runs;
	copy->num_populated = runs->num_populated;
	copy->num_mapped = own || copy->borrowed ? runs->num_mapped : 0;
	copy->cut = runs->cut;
	copy->uncached = runs->uncached;
	if (runs->kind == DMA_RUNS_RESOURCE)
		copy->provider = runs->provider;
	if (own)
		copy->dir = runs->dir;

	return 0;
}

/* Only streaming memory may go through the streaming API. */
static struct dma_runs *runs_map_copy(const struct dma_runs *runs, struct device *dev,
				      enum dma_data_direction dir, unsigned long attrs)
{
	bool shared = runs->num_mapped || !list_empty(&runs->others);
	struct dma_runs *copy;
	int ret;

	if (runs->kind == DMA_RUNS_NONCOHERENT)
		attrs |= DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_NO_BOUNCE;
	/* Who bounces is alone, see dma_runs_map(). */
	if (dma_runs_bounces(runs))
		return ERR_PTR(-EIO);
	if (shared)
		attrs |= DMA_ATTR_NO_BOUNCE;
	/* Nobody knows the routes to what is on no bus that has a provider. */
	if (runs->kind == DMA_RUNS_RESOURCE && !runs->provider && dev != runs->dev &&
	    (dev_is_pci(dev) || dev_is_pci(runs->dev)))
		return ERR_PTR(-EREMOTEIO);

	copy = dma_runs_new(dev, runs->kind, dir, runs->num_pages);
	if (!copy)
		return ERR_PTR(-ENOMEM);
	copy->attrs = attrs;
	ret = runs_copy(copy, runs);
	if (!ret && !copy->borrowed)
		ret = dma_runs_map(copy, 0, copy->num_pages);
	if (ret) {
		dma_runs_free(copy);
		return ERR_PTR(ret);
	}
	/* What the CPU wrote, or cleared, through the cache before is handed over. */
	if (attrs & DMA_ATTR_SKIP_CPU_SYNC && !(runs->uncached && shared)) {
		copy->uncached = false;
		dma_runs_sync(copy, 0, (u64)copy->num_pages << PAGE_SHIFT, DMA_BIDIRECTIONAL, true);
		copy->uncached = runs->uncached;
	}

	return copy;
}

/**
 * dma_runs_map_for - map a list for another device
 * @runs: the list, without a hole, not an imported one
 * @dev: the device
 * @dir: direction of its transfers
 * @attrs: DMA_ATTR_NO_BOUNCE, or DMA_ATTR_SKIP_CPU_SYNC, with which what the CPU
 *	wrote is handed over, but not taken back by dma_runs_free()
 *
 * By the kind of @runs: coherent memory as by dma_alloc_remap(), a resource after
 * a look at the route. @runs must neither change nor lose its memory until
 * dma_runs_free(). The caller of both serialises them. May sleep.
 *
 * Return: a list of addresses for @dev, which shows no pages, or an error pointer:
 * -ENXIO if there is a hole, -EOPNOTSUPP if @runs is imported, -EINVAL if @dir is
 * none, or what dma_runs_map() or dma_alloc_remap() says.
 */
struct dma_runs *dma_runs_map_for(struct dma_runs *runs, struct device *dev,
				  enum dma_data_direction dir, unsigned long attrs)
{
	struct dma_runs *other;

	/* Whose memory it is, only the owner's list knows. */
	if (!dma_runs_can(runs, DMA_RUNS_CAN_SHARE))
		return ERR_PTR(-EOPNOTSUPP);
	if (!runs->num_runs || !dma_runs_is_populated(runs))
		return ERR_PTR(-ENXIO);
	if (!dev->dma_mask)
		return ERR_PTR(-ENODEV);
	if (!valid_dma_direction(dir))
		return ERR_PTR(-EINVAL);

	if (runs->kind == DMA_RUNS_COHERENT)
		other = dma_alloc_remap(runs->dev, runs->cpu_addr, runs->runs[0].dma_addr,
					(size_t)runs->num_pages << PAGE_SHIFT, runs->attrs,
					dev, dir);
	else
		other = runs_map_copy(runs, dev, dir, attrs);
	if (!IS_ERR(other))
		list_add_tail(&other->node, &runs->others);

	return other;
}
EXPORT_SYMBOL_GPL(dma_runs_map_for);
