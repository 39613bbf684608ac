// SPDX-License-Identifier: GPL-2.0
/*
 * Maps lists of runs for devices, each kind in its own way.
 */
#include <kunit/static_stub.h>
#include <linux/cacheflush.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-runs.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/iommu-dma.h>
#include <linux/kmsan.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/pgtable.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

/* Mapped by being linked, or by map_sg() of dma_map_ops. */
struct dma_mapped_range {
	struct dma_range range;
	struct dma_iova_state state;
	struct sg_table sgt;
};

/*
 * The longest run that a device can map in one call: it may have to bounce. Like
 * dma_run_map() not static for their test alone.
 */
u32 dma_run_max_pages(struct device *dev)
{
	size_t max = dev->dma_mask ? dma_max_mapping_size(dev) : SIZE_MAX;

	KUNIT_STATIC_STUB_REDIRECT(dma_run_max_pages, dev);

	/* Of 32 bits that is less than a list can have. */
	if (max == SIZE_MAX)
		return DMA_RUNS_MAX_PAGES;

	return clamp_t(size_t, max >> PAGE_SHIFT, 1, DMA_RUNS_MAX_PAGES);
}

static __always_inline void run_set(struct dma_run *run, bool mapped, bool linked)
{
	run->mapped = mapped;
	run->linked = linked;
	run->fresh = mapped;
}

/* It is one piece for the device. */
static void range_set_one(struct dma_mapped_range *range, dma_addr_t dma_addr)
{
	range->range.run.dma_addr = dma_addr;
	run_set(&range->range.run, true, true);
}

static int range_link(const struct dma_runs *runs, struct dma_mapped_range *range,
		      struct dma_run *run, u32 num)
{
	struct dma_iova_state *state = &range->state;
	size_t done = 0;
	int ret = 0;
	u32 i;

	for (i = 0; i < num; i++) {
		ret = dma_iova_link(runs->dev, state, run[i].phys, done,
				    dma_run_size(&run[i]), runs->dir, runs->attrs);
		if (ret)
			break;
		run[i].dma_addr = state->addr + done;
		done += dma_run_size(&run[i]);
	}
	if (!ret)
		ret = dma_iova_sync(runs->dev, state, 0, done);
	if (ret)
		dma_iova_destroy(runs->dev, state, done, runs->dir, runs->attrs);
	range_set_one(range, state->addr);

	return ret;
}

/* As many runs as were put together are in one entry; none is in two. */
static int runs_set_dma(struct dma_run *run, u32 num, struct scatterlist *sg)
{
	u64 done = 0;

	for (; num--; run++) {
		if (done == sg_dma_len(sg)) {
			sg = sg_next(sg);
			done = 0;
		}
		if (dma_run_size(run) > sg_dma_len(sg) - done)
			return -EOPNOTSUPP;
		run->dma_addr = sg_dma_address(sg) + done;
		done += dma_run_size(run);
	}

	return 0;
}

/* dma_map_ops know how to put pages together by a table alone. */
static int range_map_sg(const struct dma_runs *runs, struct dma_mapped_range *range,
			struct dma_run *run, u32 num)
{
	struct sg_table *sgt = &range->sgt;
	struct scatterlist *sg;
	u32 i;

	if (sg_alloc_table(sgt, num, GFP_KERNEL))
		return -ENOMEM;

	for_each_sgtable_sg(sgt, sg, i) {
		if (dma_run_size(&run[i]) > UINT_MAX)
			goto err_free;
		sg_set_page(sg, phys_to_page(run[i].phys), dma_run_size(&run[i]), 0);
	}
	if (dma_map_sgtable(runs->dev, sgt, runs->dir, runs->attrs))
		goto err_free;
	if (runs_set_dma(run, num, sgt->sgl))
		goto err_unmap;
	if (sgt->nents == 1)
		range_set_one(range, sg_dma_address(sgt->sgl));

	return 0;

err_unmap:
	dma_unmap_sgtable(runs->dev, sgt, runs->dir, runs->attrs);
err_free:
	sg_free_table(sgt);
	/* What fails here may succeed run by run. */
	return -EOPNOTSUPP;
}

static int range_map(const struct dma_runs *runs, struct dma_mapped_range *range,
		     struct dma_run *run, u32 num)
{
	u64 size = 0;
	u32 i;

	for (i = 0; i < num; i++)
		size += dma_run_size(&run[i]);
	range->range.run.num_pages = size >> PAGE_SHIFT;
	if (size > SIZE_MAX)
		return -EOPNOTSUPP;
	if (dma_iova_try_alloc(runs->dev, &range->state, 0, size))
		return range_link(runs, range, run, num);
	/* Importers that know only the first address rely on one range. */
	if (use_dma_iommu(runs->dev))
		return -ENOMEM;
	if (!get_dma_ops(runs->dev) || runs->attrs & DMA_ATTR_MMIO)
		return -EOPNOTSUPP;

	return range_map_sg(runs, range, run, num);
}

static void range_unmap(const struct dma_runs *runs, struct dma_mapped_range *range)
{
	if (dma_use_iova(&range->state)) {
		dma_iova_destroy(runs->dev, &range->state, dma_iova_size(&range->state),
				 runs->dir, runs->attrs);
	} else {
		dma_unmap_sgtable(runs->dev, &range->sgt, runs->dir, runs->attrs);
		sg_free_table(&range->sgt);
	}
	kfree(range);
}

/* The newer ones first. Returns how many pages they had. */
static u32 ranges_unmap(struct dma_runs *runs, const struct hlist_node *until)
{
	struct dma_range *range;
	u32 num_pages = 0;

	while (runs->ranges.first != until) {
		range = hlist_entry(runs->ranges.first, struct dma_range, node);
		num_pages += range->run.num_pages;
		hlist_del(&range->node);
		range_unmap(runs, container_of(range, struct dma_mapped_range, range));
	}

	return num_pages;
}

/* A page of the IOMMU that is larger than ours can only be put together whole. */
static bool runs_aligned(const struct dma_run *run, u32 num, unsigned long boundary)
{
	if (boundary < PAGE_SIZE)
		return true;
	for (; num--; run++)
		if ((run->phys | dma_run_size(run)) & boundary)
			return false;

	return true;
}

/* One IOVA range for many runs: one address for the device, one flush. */
static int runs_link(struct dma_runs *runs, struct dma_run *run, u32 num)
{
	unsigned long boundary = dma_get_merge_boundary(runs->dev);
	struct dma_mapped_range *range;
	int ret;

	if (boundary && !runs_aligned(run, num, boundary))
		/* What is allocated has neighbours that are nobody else's business. */
		return runs->attrs & DMA_ATTR_MMIO || runs->kind == DMA_RUNS_STREAMING ?
		       -EOPNOTSUPP : -EINVAL;
	if (num < 2 || !boundary || runs->attrs & DMA_ATTR_CC_SHARED)
		return -EOPNOTSUPP;

	range = kzalloc_obj(*range);
	if (!range)
		return -ENOMEM;
	ret = range_map(runs, range, run, num);
	if (ret) {
		kfree(range);
		return ret;
	}

	while (num--)
		run_set(run++, true, true);
	hlist_add_head(&range->range.node, &runs->ranges);

	return 0;
}

static void runs_unmap(const struct dma_runs *runs, const struct dma_run *run, u32 num)
{
	/*
	 * Without an IOMMU, bounce buffers and caches there is nothing to be undone,
	 * nor for an importer without a mask, for whom only the exporter maps.
	 */
	if (!runs->dev || !runs->dev->dma_mask || !dma_need_unmap(runs->dev))
		return;

	for (; num--; run++)
		if (run->mapped && !run->linked)
			dma_unmap_phys(runs->dev, run->dma_addr, dma_run_size(run),
				       runs->dir, runs->attrs);
}

int dma_run_map(const struct dma_runs *runs, struct dma_run *run)
{
	dma_addr_t dma_addr;

	KUNIT_STATIC_STUB_REDIRECT(dma_run_map, runs, run);

	dma_addr = dma_map_phys(runs->dev, run->phys, dma_run_size(run), runs->dir,
				runs->attrs);
	if (dma_mapping_error(runs->dev, dma_addr))
		return -EIO;
	run->dma_addr = dma_addr;
	run_set(run, true, false);

	return 0;
}

/* Maps runs one by one, and cuts them before at what the device can map at once. */
static int runs_map_each(struct dma_runs *runs, u32 first, u32 *num)
{
	/* What never bounces still has to fit into a size_t. */
	u32 max_pages = min_t(u64, SIZE_MAX >> PAGE_SHIFT, DMA_RUNS_MAX_PAGES);
	struct dma_run *run;
	int ret;
	u32 i;

	if (!(runs->attrs & DMA_ATTR_NO_BOUNCE))
		max_pages = min(max_pages, dma_run_max_pages(runs->dev));
	if (max_pages < DMA_RUNS_MAX_PAGES) {
		ret = dma_runs_cut(runs, num, first, max_pages);
		if (ret)
			return ret;
	}

	run = &runs->runs[first];
	for (i = 0; i < *num; i++) {
		ret = dma_run_map(runs, &run[i]);
		if (ret)
			return ret;
	}

	return 0;
}

/* Peer to peer behind one bridge: addresses of the bus, nothing is mapped. */
static void runs_set_bus(struct dma_runs *runs, u32 first, u32 num)
{
	struct dma_run *run = &runs->runs[first];

	for (; num--; run++) {
		run->dma_addr = pci_p2pdma_bus_addr_map(runs->provider, run->phys);
		run_set(run, true, true);
	}
}

static enum pci_p2pdma_map_type runs_route(const struct dma_runs *runs)
{
	if (!runs->provider || (!runs->foreign && runs->provider->owner == runs->dev))
		return PCI_P2PDMA_MAP_THRU_HOST_BRIDGE;

	return pci_p2pdma_map_type(runs->provider, runs->dev);
}

static int runs_map_part(struct dma_runs *runs, u32 first, u32 *num)
{
	int ret;

	if (runs->kind == DMA_RUNS_RESOURCE) {
		switch (runs_route(runs)) {
		case PCI_P2PDMA_MAP_BUS_ADDR:
			runs_set_bus(runs, first, *num);
			return 0;
		case PCI_P2PDMA_MAP_THRU_HOST_BRIDGE:
			break;
		default:
			return -EREMOTEIO;
		}
	}

	ret = runs_link(runs, &runs->runs[first], *num);
	if (ret != -EOPNOTSUPP)
		return ret;

	return runs_map_each(runs, first, num);
}

/* Keeps or undoes what the call that is under way has mapped; @until were ranges before. */
static void runs_map_end(struct dma_runs *runs, const struct hlist_node *until, u32 nr,
			 u32 end, bool undo)
{
	for (; nr < runs->num_runs; nr++) {
		struct dma_run *run = &runs->runs[nr];

		if (run->index >= end)
			break;
		if (!run->fresh)
			continue;
		if (undo) {
			runs_unmap(runs, run, 1);
			run_set(run, false, false);
		} else {
			runs->num_mapped += run->num_pages;
		}
		run->fresh = 0;
	}
	if (undo) {
		ranges_unmap(runs, until);
		dma_runs_join(runs);
	}
}

static int runs_map_range(struct dma_runs *runs, u32 first, u32 end)
{
	const struct hlist_node *until = runs->ranges.first;
	u32 nr, num;
	int ret = 0;

	/* What dma_runs_unmap() has left. */
	for (nr = 0; !runs->num_mapped && nr < runs->num_runs; nr++)
		run_set(&runs->runs[nr], false, false);
	for (nr = first; !ret && nr < runs->num_runs; nr += max(num, 1)) {
		for (num = 0; nr + num < runs->num_runs; num++)
			if (runs->runs[nr + num].mapped || runs->runs[nr + num].index >= end)
				break;
		if (num)
			ret = runs_map_part(runs, nr, &num);
		else if (runs->runs[nr].index >= end)
			break;
	}
	runs_map_end(runs, until, first, end, ret);

	return ret;
}

/* Whether a mapping of the memory is of a copy; that is the only one then. */
bool dma_runs_bounces(const struct dma_runs *runs)
{
	return runs->bounced || (!list_empty(&runs->others) &&
	       list_first_entry(&runs->others, struct dma_runs, node)->bounced);
}

static bool runs_is_lent(const struct dma_runs *runs)
{
	const struct dma_runs *other;

	list_for_each_entry(other, &runs->others, node)
		if (other->borrowed)
			return true;

	return false;
}

/*
 * A device that only has a largest mapping because it may have to bounce. What the
 * CPU sees uncached is copied through the cache, but on x86 all aliases are the same.
 */
static bool runs_may_bounce(const struct dma_runs *runs)
{
	return runs->kind == DMA_RUNS_STREAMING &&
	       !(runs->attrs & (DMA_ATTR_NO_BOUNCE | DMA_ATTR_MMIO)) &&
	       list_empty(&runs->others) && (IS_ENABLED(CONFIG_X86) || !runs->uncached) &&
	       dma_run_max_pages(runs->dev) < DMA_RUNS_MAX_PAGES;
}

static int runs_map_or_bounce(struct dma_runs *runs, u32 first, u32 end)
{
	unsigned long attrs = runs->attrs;
	int ret;

	runs->attrs |= DMA_ATTR_NO_BOUNCE;
	ret = runs_map_range(runs, first, end);
	runs->attrs = attrs;
	if (ret == -EIO && runs_may_bounce(runs)) {
		ret = runs_map_range(runs, first, end);
		runs->bounced |= !ret;
	}

	return ret;
}

/**
 * dma_runs_map - map a range for the device of a list
 * @runs: a streaming list or a resource
 * @index: first page of the range
 * @num_pages: length of the range, inside the buffer
 *
 * Maps what is not mapped yet, by whole runs, in &dma_runs.dir and with
 * &dma_runs.attrs. What is mapped keeps its address. May sleep.
 *
 * Return: 0, -EOPNOTSUPP if the list is of another kind, -ENXIO if there is a hole,
 * -ENODEV if the device does no DMA, -EIO if it cannot be mapped, or only by a
 * bounce buffer while other devices have mappings, -EREMOTEIO if there is no route
 * to a resource, -EINVAL if the range is empty, or if it was allocated and pages of
 * the IOMMU are larger than a run, -ENOMEM. After an error the list is as it was
 * before.
 */
int dma_runs_map(struct dma_runs *runs, u32 index, u32 num_pages)
{
	u32 first, end = index + num_pages;
	int ret;

	might_sleep();

	if (!num_pages)
		return -EINVAL;
	if (!dma_runs_can(runs, DMA_RUNS_CAN_MAP))
		return -EOPNOTSUPP;
	if (!dma_runs_covers(runs, index, num_pages, false))
		return -ENXIO;
	if (!runs->dev || !runs->dev->dma_mask)
		return -ENODEV;
	/* Others read the array without our lock; it has the same addresses as before. */
	if (runs_is_lent(runs)) {
		runs->num_mapped = runs->num_pages;
		return 0;
	}
	/*
	 * A copy is as new as the last sync, which writes all of it: beside another
	 * mapping that would undo what somebody else wrote. So who bounces is alone.
	 */
	if (!list_empty(&runs->others) && dma_runs_bounces(runs))
		return -EIO;

	if (runs->kind == DMA_RUNS_RESOURCE)
		runs->attrs |= DMA_ATTR_MMIO;
	first = dma_runs_find(runs, index) - runs->runs;
	/* As far as whole runs go, also when they are cut. */
	end = dma_run_end(dma_runs_find(runs, end - 1));
	ret = runs_map_or_bounce(runs, first, end);
	dma_runs_check(runs);

	return ret;
}
EXPORT_SYMBOL_GPL(dma_runs_map);

/* Of a list whose runs are forgotten, or told by dma_runs_unmap(): was there anything? */
static bool runs_unmap_all(struct dma_runs *runs)
{
	if (!runs->num_mapped || !dma_runs_can(runs, DMA_RUNS_CAN_MAP))
		return false;

	if (ranges_unmap(runs, NULL) != runs->num_mapped && !runs->borrowed)
		runs_unmap(runs, runs->runs, runs->num_runs);
	runs->num_mapped = 0;
	runs->bounced = false;

	return true;
}

/**
 * dma_runs_unmap - unmap a list for its device
 * @runs: the list
 *
 * Undoes all dma_runs_map(), before the memory is given back by what the list says.
 * The device must not use the addresses any more. Nothing happens to what is mapped
 * as long as it is allocated or imported.
 */
void dma_runs_unmap(struct dma_runs *runs)
{
	if (runs->borrowed || !runs_unmap_all(runs))
		return;
	dma_runs_join(runs);
	dma_runs_check(runs);
}
EXPORT_SYMBOL_GPL(dma_runs_unmap);

/**
 * dma_runs_clear - unmap and forget all runs
 * @runs: the list
 *
 * The memory is the caller's to give back: afterwards, or between dma_runs_unmap()
 * and this. The list can be filled anew. The lists that dma_runs_map_for() made of
 * it stay, and are on their own.
 */
void dma_runs_clear(struct dma_runs *runs)
{
	struct dma_runs *other, *next;

	runs_unmap_all(runs);
	list_for_each_entry_safe(other, next, &runs->others, node)
		if (!other->borrowed)
			list_del_init(&other->node);
	/* Those that have the array stay together, for the last of them to free it. */
	if (list_empty(&runs->others) && (!runs->borrowed || list_empty(&runs->node)))
		kvfree(runs->runs);
	list_del_init(&runs->others);
	runs->runs = NULL;
	runs->num_runs = 0;
	runs->max_runs = 0;
	runs->num_populated = 0;
	runs->num_mapped = 0;
	runs->cut = false;
}
EXPORT_SYMBOL_GPL(dma_runs_clear);

/* A list for another device than that of the owner. */
struct dma_runs *dma_runs_new(struct device *dev, enum dma_runs_kind kind,
			      enum dma_data_direction dir, u32 num_pages)
{
	struct dma_runs *runs = kmalloc_obj(*runs);

	if (!runs)
		return NULL;
	dma_runs_init(runs, dev, kind, num_pages);
	/* What the CPU wrote before is handed over, too, and not dropped with its cache. */
	if (dir != DMA_FROM_DEVICE || !dma_dev_need_sync(dev))
		runs->dir = dir;
	runs->foreign = true;

	return runs;
}

/**
 * dma_runs_map_ranges - map physical ranges without pages for a device
 * @dev: the device
 * @dir: direction of its transfers
 * @provider: of the BAR that the ranges are in
 * @ranges: where they are, in the order of the buffer
 * @num_ranges: how many
 *
 * Return: the list for dma_runs_free(), or an error pointer: -EINVAL if there is no
 * range, or one is empty or not aligned, -E2BIG, or what dma_runs_map() says.
 */
struct dma_runs *dma_runs_map_ranges(struct device *dev, enum dma_data_direction dir,
				     struct p2pdma_provider *provider,
				     const struct phys_vec *ranges, u32 num_ranges)
{
	u64 num_pages = 0;
	struct dma_runs *runs;
	u32 i;
	int ret;

	for (i = 0; i < num_ranges; i++)
		num_pages += PHYS_PFN(ranges[i].len);
	if (num_pages > DMA_RUNS_MAX_PAGES)
		return ERR_PTR(-E2BIG);
	if (!provider && dev_is_pci(dev))
		return ERR_PTR(-EREMOTEIO);

	runs = dma_runs_new(dev, DMA_RUNS_RESOURCE, dir, num_pages);
	if (!runs)
		return ERR_PTR(-ENOMEM);
	runs->provider = provider;
	ret = dma_runs_add_ranges(runs, 0, ranges, num_ranges);
	if (!ret)
		ret = dma_runs_map(runs, 0, num_pages);
	if (ret) {
		dma_runs_free(runs);
		return ERR_PTR(ret);
	}

	return runs;
}
EXPORT_SYMBOL_GPL(dma_runs_map_ranges);

/**
 * dma_runs_free - unmap and free a list
 * @runs: from dma_runs_map_for(), dma_runs_map_ranges() or dma_alloc_remap()
 *
 * Has to come before the memory is given back. The device must not use the
 * addresses any more. May sleep.
 */
void dma_runs_free(struct dma_runs *runs)
{
	dma_runs_clear(runs);
	list_del(&runs->node);
	kfree(runs);
}
EXPORT_SYMBOL_GPL(dma_runs_free);

/**
 * dma_runs_sync - hand a byte range over to the CPU or to the device of a list
 * @runs: the list
 * @offset: start of the range, in bytes, inside the buffer
 * @size: length of the range, in bytes
 * @dir: direction of the transfers that were made or are to come
 * @for_device: whom to hand it to
 *
 * Nothing happens where it is not mapped or needs no maintenance. A mapping of one
 * direction is synced for that alone.
 */
void dma_runs_sync(const struct dma_runs *runs, u64 offset, u64 size,
		   enum dma_data_direction dir, bool for_device)
{
	u64 end = offset + size;
	u32 nr;

	/* No cache holds what is only accessed past it; a bounce buffer may. */
	if (!runs->num_mapped || !dma_runs_can(runs, DMA_RUNS_CAN_SYNC) ||
	    runs->attrs & DMA_ATTR_MMIO || !dma_dev_need_sync(runs->dev) ||
	    (runs->uncached && !runs->bounced))
		return;
	if (runs->dir != DMA_BIDIRECTIONAL)
		dir = runs->dir;

	for (nr = dma_runs_find_nr(runs, offset >> PAGE_SHIFT); nr < runs->num_runs; nr++) {
		const struct dma_run *run = &runs->runs[nr];
		u64 start = max(offset, dma_run_offset(run));
		u64 stop = min(end, dma_run_offset(run) + dma_run_size(run));
		dma_addr_t addr = run->dma_addr + (start - dma_run_offset(run));

		if (start >= stop)
			break;
		/* Spares coherent devices the walk of an IOMMU page table. */
		if (!dma_run_is_mapped(runs, run) || !dma_need_sync(runs->dev, addr))
			continue;
		if (for_device)
			dma_sync_single_for_device(runs->dev, addr, stop - start, dir);
		else
			dma_sync_single_for_cpu(runs->dev, addr, stop - start, dir);
	}
}
EXPORT_SYMBOL_GPL(dma_runs_sync);

#ifdef CONFIG_MMU
/* A walk page by page: the next page, the run that it is in, and what leads to PFN 0. */
struct runs_vmap {
	const struct dma_run *run;
	u32 index;
	u32 end;
	pgprot_t prot;
	pte_t pte;
};

/* A run as long as that is worth a walk of its own. But KMSAN has to hear of the pages. */
#define VMAP_RUN	(IS_ENABLED(CONFIG_KMSAN) ? U32_MAX : 16)

static int runs_vmap_pte(pte_t *pte, unsigned long addr, void *data)
{
	struct runs_vmap *map = data;
	u32 skip = map->index++ - map->run->index;
	unsigned long pfn = PHYS_PFN(map->run->phys) + skip;
	struct page *page = pfn_to_page(pfn);

	if (kmsan_vmap_pages_range_noflush(addr, addr + PAGE_SIZE, map->prot, &page, PAGE_SHIFT,
					   GFP_KERNEL))
		return -ENOMEM;
	/* The cheaper one takes no PFN that is larger than a long. */
	set_pte_at(&init_mm, addr, pte, IS_ENABLED(CONFIG_64BIT) ?
		   pte_advance_pfn(map->pte, pfn) : pfn_pte(pfn, map->prot));
	if (map->index == dma_run_end(map->run))
		map->run++;

	return 0;
}

/* Long runs as a whole, by the largest entries; one walk for many short ones. */
static int runs_vmap(struct runs_vmap *map, unsigned long addr)
{
	unsigned long size;
	int ret = 0;

	for (; !ret && map->index < map->end; addr += size) {
		const struct dma_run *run = map->run;
		u32 num = min(dma_run_end(run), map->end) - map->index;
		u32 skip = map->index - run->index;

		if (num >= VMAP_RUN) {
			size = (unsigned long)num << PAGE_SHIFT;
			ret = vmap_page_range(addr, addr + size,
					      run->phys + ((u64)skip << PAGE_SHIFT), map->prot);
			map->index += num;
			map->run++;
			continue;
		}
		while (map->index + num < map->end && (++run)->num_pages < VMAP_RUN)
			num += min_t(u32, run->num_pages, map->end - map->index - num);
		size = (unsigned long)num << PAGE_SHIFT;
		ret = apply_to_page_range(&init_mm, addr, size, runs_vmap_pte, map);
	}

	return ret;
}

/**
 * dma_runs_vmap - map a range for the kernel
 * @runs: a list with pages
 * @offset: start of the range, in bytes, a multiple of the page size
 * @size: length of the range, in bytes, a multiple of the page size
 * @prot: PAGE_KERNEL, or what the caching of the memory wants
 *
 * May sleep. The memory has to stay until vunmap().
 *
 * Return: the address, or an error pointer: -ENOMEM, or what
 * dma_cursor_begin_phys() says.
 */
void *dma_runs_vmap(const struct dma_runs *runs, u64 offset, u64 size, pgprot_t prot)
{
	/* Which aligns it for the largest entries, where addresses are plenty. */
	unsigned long align = IS_ENABLED(CONFIG_HAVE_ARCH_HUGE_VMAP) &&
			      IS_ENABLED(CONFIG_64BIT) ? VM_IOREMAP : 0;
	struct runs_vmap map = {
		.index = offset >> PAGE_SHIFT,
		.end = (offset + size) >> PAGE_SHIFT,
		.prot = pgprot_nx(prot),
		.pte = pfn_pte(0, pgprot_nx(prot)),
	};
	struct vm_struct *area;
	struct dma_cursor cur;
	unsigned long addr;
	int ret;

	ret = dma_cursor_begin_phys(&cur, runs, offset, size);
	if (ret)
		return ERR_PTR(ret);
	if (size >> PAGE_SHIFT > totalram_pages() || size > SIZE_MAX)
		return ERR_PTR(-ENOMEM);

	area = get_vm_area_caller(size, VM_MAP | align, __builtin_return_address(0));
	if (!area)
		return ERR_PTR(-ENOMEM);

	map.run = cur.run;
	addr = (unsigned long)area->addr;
	ret = runs_vmap(&map, addr);
	if (ret) {
		vunmap(area->addr);
		return ERR_PTR(ret);
	}
	flush_cache_vmap(addr, addr + size);

	return area->addr;
}
EXPORT_SYMBOL_GPL(dma_runs_vmap);

/* So many are collected before the page table is locked. */
#define INSERT_BATCH	64U

/*
 * The pages from @index on, up to a hole. Those that will be writable become dirty,
 * under the folio's lock: the file that they are in may be closed meanwhile.
 */
static u32 runs_pfns(const struct dma_runs *runs, u32 index, u32 num_pages,
		     unsigned long *pfns, bool write)
{
	const struct dma_run *run = runs->runs + dma_runs_find_nr(runs, index);
	const struct dma_run *last = runs->runs + runs->num_runs;
	struct folio *folio;
	u32 n;

	for (n = 0; n < num_pages && run < last && run->index <= index; n++) {
		pfns[n] = PHYS_PFN(run->phys) + index - run->index;
		folio = pfn_folio(pfns[n]);
		if (write && !folio_test_dirty(folio))
			folio_mark_dirty_lock(folio);
		if (++index == dma_run_end(run))
			run++;
	}

	return n;
}

/**
 * dma_runs_insert - fill a part of a user mapping
 * @runs: a list with pages
 * @vma: the mapping, VM_PFNMAP and not a COW mapping
 * @addr: where in it; nothing larger than pages is mapped there
 * @index: which page of the buffer goes there
 * @num_pages: how many
 * @write: the pages are dirty, and their entries writable and dirty
 *
 * For fault handlers, see vm_insert_pfns(). Stops at a hole and at the end of the
 * buffer or of the mapping. May sleep.
 *
 * Return: how many pages are mapped now, counted from the first and at least one,
 * -ENXIO if there is none, -EOPNOTSUPP if the list shows no pages, or what
 * vm_insert_pfns() says of the first.
 */
int dma_runs_insert(const struct dma_runs *runs, struct vm_area_struct *vma,
		    unsigned long addr, u32 index, u32 num_pages, bool write)
{
	unsigned long pfns[INSERT_BATCH];
	int ret, done = 0;
	u32 i, n;

	if (!dma_runs_can(runs, DMA_RUNS_CAN_SHOW_PAGES))
		return -EOPNOTSUPP;

	do {
		n = runs_pfns(runs, index + done, min(num_pages - done, INSERT_BATCH), pfns,
			      write);
		/* Each call ends with a page table. */
		for (i = 0; i < n; i += ret, done += ret) {
			ret = vm_insert_pfns(vma, addr + done * PAGE_SIZE, pfns + i, n - i, write);
			if (ret < 0)
				return done ?: ret;
		}
	} while (n == INSERT_BATCH);

	return done ?: -ENXIO;
}
EXPORT_SYMBOL_GPL(dma_runs_insert);
#endif /* CONFIG_MMU */

/**
 * dma_cursor_begin_iommu - prepare to walk where an IOMMU has to lead to
 * @cur: the cursor
 * @runs: a list with pages, or one that is mapped for a device without IOMMU
 * @offset: start of the range, in bytes, a multiple of the page size
 * @size: length of the range, in bytes, a multiple of the page size
 *
 * For a driver that fills page tables of an IOMMU by itself. Like
 * dma_cursor_begin_phys(), but where the list shows no pages, as that of an
 * exporter, what is walked are the addresses of its device. A device that the DMA
 * API does not translate for sees memory where an IOMMU has to lead to. Takes no
 * lock, never sleeps and never allocates.
 *
 * Return: 0, -EINVAL if the range is empty, not aligned or not inside the buffer,
 * -EOPNOTSUPP if the list shows no pages and its device is behind an IOMMU, -ENXIO if
 * there is a hole.
 */
int dma_cursor_begin_iommu(struct dma_cursor *cur, const struct dma_runs *runs,
			   u64 offset, u64 size)
{
	bool phys = dma_runs_can(runs, DMA_RUNS_CAN_SHOW_PAGES);
	int ret;

	if (!phys && (use_dma_iommu(runs->dev) || get_dma_ops(runs->dev)))
		return -EOPNOTSUPP;
	if (!PAGE_ALIGNED(offset) || !PAGE_ALIGNED(size))
		return -EINVAL;

	ret = __dma_cursor_begin(cur, runs, offset, size, phys);
	cur->by_dma = !phys;

	return ret;
}
EXPORT_SYMBOL_GPL(dma_cursor_begin_iommu);

/**
 * dma_runs_iommu_map - map a list into an IOMMU domain
 * @runs: a list without a hole, with pages, or mapped for a device without IOMMU
 * @domain: a domain that the caller manages by itself
 * @iova: where to map the buffer
 * @prot: IOMMU_READ and so on
 *
 * To where dma_cursor_begin_iommu() says. May sleep. Undone by iommu_unmap().
 *
 * Return: 0, or what dma_cursor_begin_iommu() or iommu_map() says; nothing is mapped
 * after an error.
 */
int dma_runs_iommu_map(const struct dma_runs *runs, struct iommu_domain *domain,
		       unsigned long iova, int prot)
{
	struct dma_cursor cur = { };
	int ret;

	ret = dma_cursor_begin_iommu(&cur, runs, 0, (u64)runs->num_pages << PAGE_SHIFT);
	while (!ret && dma_cursor_next_iommu(&cur))
		ret = iommu_map(domain, iova + cur.offset, cur.phys, cur.size, prot,
				GFP_KERNEL);
	if (ret && cur.offset)
		iommu_unmap(domain, iova, cur.offset);

	return ret;
}
EXPORT_SYMBOL_GPL(dma_runs_iommu_map);

/**
 * dma_runs_pin_user - add user memory of the current process to a list
 * @runs: a streaming list
 * @index: where in the buffer it goes, behind what is there
 * @addr: its address, page aligned
 * @num_pages: its length
 * @gup_flags: FOLL_LONGTERM, and FOLL_WRITE unless it is only going to be read
 *
 * The memory stays the process's: do not map it for another one. If only a part of
 * its first or last page is meant, others may write the rest meanwhile: set
 * DMA_ATTR_SKIP_CPU_SYNC and call dma_runs_sync() for that part. May sleep.
 *
 * Return: 0, -EINVAL if it is empty, not aligned, does not fit into the buffer or
 * the list is of another kind, -ENOMEM, or what pin_user_pages_fast() says: -EFAULT
 * for a hole, or without the right to write. After an error a part may be there, for
 * dma_runs_unpin_user().
 */
int dma_runs_pin_user(struct dma_runs *runs, u32 index, unsigned long addr, u32 num_pages,
		      unsigned int gup_flags)
{
	u32 pinned = 0, added = 0;
	struct page **pages;
	int got, ret = 0;

	if (!PAGE_ALIGNED(addr) || !num_pages || runs->kind != DMA_RUNS_STREAMING)
		return -EINVAL;
	pages = kvmalloc_objs(*pages, num_pages, GFP_KERNEL | __GFP_NOWARN);
	if (!pages)
		return -ENOMEM;

	/* What is pinned in part tells why when it is asked for the rest. */
	do {
		got = pin_user_pages_fast(addr + pinned * PAGE_SIZE, num_pages - pinned, gup_flags,
					  pages + pinned);
		pinned += max(got, 0);
	} while (got > 0 && pinned < num_pages);
	if (got <= 0)
		ret = got ?: -EFAULT;
	while (!ret && added < pinned) {
		ret = dma_runs_add(runs, index + added, page_to_phys(pages[added]), 1);
		added += !ret;
	}
	if (ret)
		unpin_user_pages(pages + added, pinned - added);
	kvfree(pages);

	return ret;
}
EXPORT_SYMBOL_GPL(dma_runs_pin_user);

/**
 * dma_runs_unpin_user - give pinned user memory back
 * @runs: the list, not mapped for a device; empty afterwards
 * @dirty: it was written
 *
 * May sleep.
 */
void dma_runs_unpin_user(struct dma_runs *runs, bool dirty)
{
	const struct dma_run *run;
	u32 n, nr;

	for (run = runs->runs; run < runs->runs + runs->num_runs; run++) {
		for (n = 0; n < run->num_pages; n += nr) {
			struct page *page = pfn_to_page(PHYS_PFN(run->phys) + n);
			struct folio *folio = page_folio(page);

			nr = folio_nr_pages(folio) - folio_page_idx(folio, page);
			nr = min(nr, run->num_pages - n);
			unpin_user_page_range_dirty_lock(page, nr, dirty);
		}
	}
	dma_runs_clear(runs);
}
EXPORT_SYMBOL_GPL(dma_runs_unpin_user);

/* As large as is free. Page by page, so that what is too much can go back. */
static struct page *alloc_block(gfp_t gfp, unsigned int *order)
{
	struct page *page;

	do {
		page = alloc_pages(*order ? gfp | __GFP_NORETRY | __GFP_NOWARN : gfp, *order);
	} while (!page && (*order)--);
	if (page)
		split_page(page, *order);

	return page;
}

/**
 * dma_runs_alloc_pages - allocate all the memory of a buffer
 * @runs: a streaming list without memory
 * @gfp: flags of the allocation, without __GFP_COMP; the pages are cleared in any case
 *
 * In blocks as large as can be had, so that the runs are few. May sleep.
 *
 * Return: 0, -EINVAL if the list is of another kind or has memory, -ENOMEM. After an
 * error a part may be there, for dma_runs_free_pages().
 */
int dma_runs_alloc_pages(struct dma_runs *runs, gfp_t gfp)
{
	unsigned int order = MAX_PAGE_ORDER;
	int ret = 0;

	if (runs->kind != DMA_RUNS_STREAMING || runs->num_runs)
		return -EINVAL;

	while (!ret && !dma_runs_is_populated(runs)) {
		u32 num = runs->num_pages - runs->num_populated;
		struct page *page;

		order = min_t(unsigned int, order, order_base_2(num));
		page = alloc_block(gfp | __GFP_ZERO, &order);
		if (!page)
			return -ENOMEM;
		num = min(num, 1U << order);
		ret = dma_runs_add(runs, runs->num_populated, page_to_phys(page), num);
		if (ret)
			num = 0;
		__free_contig_range(page_to_pfn(page) + num, (1UL << order) - num);
	}

	return ret;
}
EXPORT_SYMBOL_GPL(dma_runs_alloc_pages);

/**
 * dma_runs_free_pages - give allocated memory back
 * @runs: from dma_runs_alloc_pages(), not mapped for a device; empty afterwards
 *
 * Needs no memory.
 */
void dma_runs_free_pages(struct dma_runs *runs)
{
	const struct dma_run *run;

	for (run = runs->runs; run < runs->runs + runs->num_runs; run++)
		__free_contig_range(PHYS_PFN(run->phys), run->num_pages);
	dma_runs_clear(runs);
}
EXPORT_SYMBOL_GPL(dma_runs_free_pages);
