// SPDX-License-Identifier: GPL-2.0

#include <linux/bitops.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/folio_batch.h>
#include <linux/iommu.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/vmalloc.h>

#ifdef CONFIG_X86
#include <asm/set_memory.h>
#endif

#include <drm/drm_debugfs.h>
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_bo_backing.h>
#include <drm/drm_prime.h>
#include <drm/drm_print.h>
#include <drm/drm_vma_manager.h>

#include "drm_gem_bo_backing_internal.h"
#include "drm_internal.h"

/**
 * DOC: overview
 *
 * A GEM buffer object needs its memory twice: as pages for the CPU and as
 * addresses for the device. struct drm_gem_bo_backing is one list for both. An
 * entry, a run, is a stretch that is contiguous on both sides: first page, DMA
 * address, number of pages. The page is optional.
 *
 * The list has a kind, see &enum drm_gem_bo_kind, which says how the memory is
 * mapped for DMA and hence what can be done with it. What a kind does not have
 * is refused with -EOPNOTSUPP.
 *
 * The life of a native object::
 *
 *	init -> populate -> map -> (fill GPU page tables) -> unmap -> evict -> fini
 *
 * Every step works on ranges, may be repeated, and either does all that was
 * asked or leaves the object as it was. There is no state to be told: whether
 * an object is populated or mapped follows from what is in its list. Ranges
 * that were never populated are holes.
 *
 * Memory that comes from the DMA API is mapped by being allocated, with
 * drm_gem_bo_backing_alloc_coherent() and its like, and unmapped by being freed.
 * A resource is given by drm_gem_bo_backing_set_resource(), and mapped and
 * unmapped like a native object's pages, but as a whole.
 *
 * This example maps all of an object into the page table of a GPU:
 *
 * .. code-block:: c
 *
 *	static int example_gpu_map(struct example_gpu *gpu, u64 va,
 *				   struct drm_gem_bo_backing *backing)
 *	{
 *		u64 size = backing->obj->size;
 *		struct drm_gem_bo_cursor cur;
 *		int ret;
 *
 *		dma_resv_assert_held(backing->obj->resv);
 *
 *		ret = drm_gem_bo_backing_populate(backing, 0, size >> PAGE_SHIFT);
 *		if (!ret)
 *			ret = drm_gem_bo_backing_map(backing, 0, size >> PAGE_SHIFT);
 *		if (!ret)
 *			ret = drm_gem_bo_dma_begin(&cur, backing, 0, size);
 *		if (ret)
 *			return ret;
 *
 *		while (drm_gem_bo_dma_next(&cur))
 *			example_gpu_set_ptes(gpu, va + cur.offset, cur.dma_addr,
 *					     cur.size);
 *
 *		return 0;
 *	}
 */

/**
 * DOC: locking
 *
 * The reservation lock of the object (&drm_gem_object.resv) protects its list
 * and all mappings made of it, those for other devices included. Functions that
 * change something assert it.
 *
 * Functions that take a const backing only read. They never sleep, allocate or
 * take a lock, so that they can serve a fault or a panic, but somebody has to
 * keep the list from changing: the reservation lock, or a pin. Pages and
 * addresses of a populated and mapped range do not change or move while other
 * ranges are populated and mapped, but the array that holds them does.
 */

/* Runs under construction. */
struct run_list {
	struct drm_gem_bo_run *runs;
	u32 num;
	u32 max;
	u32 num_pages;
};

/* Several runs that were linked into one IOVA range. */
struct iova_range {
	struct list_head node;
	struct dma_iova_state state;
};

static const struct drm_gem_bo_run *
backing_end(const struct drm_gem_bo_backing *backing)
{
	return backing->runs + backing->num_runs;
}

/* First run that ends behind @index, which it need not contain. */
static struct drm_gem_bo_run *
backing_find(const struct drm_gem_bo_backing *backing, u32 index)
{
	u32 low = 0, high = backing->num_runs;

	while (low < high) {
		u32 mid = low + (high - low) / 2;

		if (run_end(&backing->runs[mid]) <= index)
			low = mid + 1;
		else
			high = mid;
	}

	return backing->runs + low;
}

static int backing_check_pages(const struct drm_gem_bo_backing *backing,
			       pgoff_t index, pgoff_t num_pages)
{
	pgoff_t total = backing_pages(backing);

	if (!num_pages || index >= total || num_pages > total - index)
		return -EINVAL;

	return 0;
}

static int backing_check_bytes(const struct drm_gem_bo_backing *backing,
			       u64 offset, u64 size)
{
	u64 total = backing->obj->size;

	if (!size || offset >= total || size > total - offset)
		return -EINVAL;

	return 0;
}

/**
 * drm_gem_bo_backing_init - set up the backing of an object
 * @backing: the backing, zeroed or uninitialized
 * @obj: the object that embeds it, initialized, with its final size
 * @kind: how the memory is going to be mapped
 *
 * Memory and addresses come later, and so do flags: what was set before is
 * lost. Pair with drm_gem_bo_backing_fini(), also if nothing else was called.
 *
 * Returns:
 * 0, -EINVAL if the size of the object is zero or not a multiple of the page
 * size, -E2BIG if it is beyond DRM_GEM_BO_MAX_PAGES.
 */
int drm_gem_bo_backing_init(struct drm_gem_bo_backing *backing,
			    struct drm_gem_object *obj,
			    enum drm_gem_bo_kind kind)
{
	if (!obj->size || !PAGE_ALIGNED(obj->size))
		return -EINVAL;
	if ((u64)obj->size >> PAGE_SHIFT > DRM_GEM_BO_MAX_PAGES)
		return -E2BIG;

	*backing = (struct drm_gem_bo_backing) {
		.obj = obj,
		.kind = kind,
		.dma = {
			.dev = drm_dev_dma_dev(obj->dev),
			.iovas = LIST_HEAD_INIT(backing->dma.iovas),
			.dir = DMA_BIDIRECTIONAL,
		},
		.peers = LIST_HEAD_INIT(backing->peers),
	};
	obj->backing = backing;

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_init);

/*
 * Population
 */

static struct drm_gem_bo_run *run_list_extend(struct run_list *list)
{
	if (list->num == list->max) {
		u32 max = max(4, list->max * 2);
		struct drm_gem_bo_run *runs;

		runs = kvrealloc(list->runs, array_size(max, sizeof(*runs)),
				 GFP_KERNEL);
		if (!runs)
			return NULL;
		list->runs = runs;
		list->max = max;
	}

	return &list->runs[list->num++];
}

static int run_list_add(struct run_list *list, struct page *page, u32 index,
			u32 num_pages, u32 max_pages)
{
	struct drm_gem_bo_run *run;

	if (list->num) {
		run = &list->runs[list->num - 1];
		if (run_end(run) == index &&
		    page_to_pfn(page) == page_to_pfn(run->page) + run->num_pages &&
		    num_pages <= max_pages - run->num_pages) {
			run->num_pages += num_pages;
			list->num_pages += num_pages;
			return 0;
		}
	}

	run = run_list_extend(list);
	if (!run)
		return -ENOMEM;
	*run = (struct drm_gem_bo_run) {
		.page = page,
		.index = index,
		.num_pages = num_pages,
	};
	list->num_pages += num_pages;

	return 0;
}

/*
 * Whoever splits a folio takes a reference for each further run, because every
 * run puts what it holds of a folio.
 */
static int run_list_add_folio(struct run_list *list, struct folio *folio,
			      pgoff_t index, pgoff_t end, u32 max_pages)
{
	while (index < end) {
		u32 num_pages = min(end - index, max_pages);
		int ret;

		ret = run_list_add(list, folio_file_page(folio, index), index,
				   num_pages, max_pages);
		if (ret) {
			folio_put(folio);
			return ret;
		}
		index += num_pages;
		if (index < end)
			folio_get(folio);
	}

	return 0;
}

static int run_list_read(struct run_list *list, struct address_space *mapping,
			 pgoff_t index, pgoff_t end, u32 max_pages)
{
	gfp_t gfp = mapping_gfp_mask(mapping);
	pgoff_t next;
	int ret;

	for (; index < end; index = next) {
		struct folio *folio = shmem_read_folio_gfp(mapping, index, gfp);

		if (IS_ERR(folio))
			return PTR_ERR(folio);

		/* shmem has to keep to the zone, also when it swaps in. */
		if (WARN_ON_ONCE((gfp & __GFP_DMA32) &&
				 folio_pfn(folio) >= 0x00100000UL)) {
			folio_put(folio);
			return -EIO;
		}

		next = min(end, folio_next_index(folio));
		ret = run_list_add_folio(list, folio, index, next, max_pages);
		if (ret)
			return ret;
	}

	return 0;
}

/*
 * A run never gets longer than what its owner can map in one go, so that a
 * run is mapped by one call. A bounce buffer is what limits that.
 */
static u32 device_max_pages(struct device *dev)
{
	size_t max = dev->dma_mask ? dma_max_mapping_size(dev) : SIZE_MAX;

	return clamp_t(size_t, max >> PAGE_SHIFT, 1, DRM_GEM_BO_MAX_PAGES);
}

static void runs_put(const struct drm_gem_bo_run *run, u32 num, bool dirty,
		     bool accessed)
{
	struct folio_batch fbatch;
	u32 index, nr;

	folio_batch_init(&fbatch);
	for (; num--; run++) {
		for (index = run->index; index < run_end(run); index += nr) {
			struct page *page = run_page(run, index);
			struct folio *folio = page_folio(page);

			nr = folio_nr_pages(folio) - folio_page_idx(folio, page);
			if (dirty)
				folio_mark_dirty(folio);
			if (accessed)
				folio_mark_accessed(folio);
			if (!folio_batch_add(&fbatch, folio))
				drm_gem_check_release_batch(&fbatch);
		}
	}
	if (folio_batch_count(&fbatch))
		drm_gem_check_release_batch(&fbatch);
}

/*
 * Changing the memory type flushes caches at each call, so that pages are
 * collected first. It has to work without memory, too.
 */
static void runs_set_caching(const struct drm_gem_bo_run *run, u32 num, bool wc)
{
#ifdef CONFIG_X86
	struct page *few[16], **pages = kmalloc(PAGE_SIZE, GFP_NOWAIT);
	u32 max = pages ? PAGE_SIZE / sizeof(*pages) : ARRAY_SIZE(few);
	struct page **batch = pages ?: few;
	u32 index, n = 0;

	for (; num--; run++) {
		for (index = run->index; index < run_end(run); index++) {
			batch[n++] = run_page(run, index);
			if (n < max && (num || index + 1 < run_end(run)))
				continue;
			if (wc)
				set_pages_array_wc(batch, n);
			else
				set_pages_array_wb(batch, n);
			n = 0;
		}
	}
	kfree(pages);
#endif
}

/* Takes the runs over into a new array, of the size that it needs. */
static int backing_splice(struct drm_gem_bo_backing *backing,
			  const struct run_list *list)
{
	const struct drm_gem_bo_run *old = backing->runs, *new = list->runs;
	const struct drm_gem_bo_run *old_end = backing_end(backing);
	const struct drm_gem_bo_run *new_end = new + list->num;
	struct drm_gem_bo_run *runs;
	u32 n = 0;

	runs = kvmalloc_objs(*runs, backing->num_runs + list->num);
	if (!runs)
		return -ENOMEM;

	while (old < old_end || new < new_end) {
		if (new == new_end || (old < old_end && old->index < new->index))
			runs[n++] = *old++;
		else
			runs[n++] = *new++;
	}

	kvfree(backing->runs);
	backing->runs = runs;
	backing->num_runs = n;
	backing->num_populated += list->num_pages;

	return 0;
}

static int backing_read_holes(struct drm_gem_bo_backing *backing,
			      struct run_list *list, pgoff_t index, pgoff_t end)
{
	const struct drm_gem_bo_run *run = backing_find(backing, index);
	struct address_space *mapping = backing->obj->filp->f_mapping;
	u32 max_pages = device_max_pages(backing->dma.dev);
	int ret;

	while (index < end) {
		bool more = run < backing_end(backing);
		pgoff_t stop = more ? min(end, run->index) : end;

		if (index < stop) {
			ret = run_list_read(list, mapping, index, stop, max_pages);
			if (ret)
				return ret;
		}
		if (!more)
			break;
		index = run_end(run++);
	}

	return 0;
}

/**
 * drm_gem_bo_backing_populate - get the memory of a range from shmem
 * @backing: the backing of a streaming object with a shmem file
 * @index: first page of the range
 * @num_pages: length of the range
 *
 * Allocates or swaps in what is missing in the range and keeps it in memory
 * until drm_gem_bo_backing_evict(). Pages that are there stay where they are.
 * Uses the GFP mask of the mapping, see mapping_set_gfp_mask().
 *
 * Returns:
 * 0, -EINVAL if the range is empty or not inside the object, -EOPNOTSUPP if
 * the object has no shmem file, or what shmem says. After an error the object
 * is as it was before.
 */
int drm_gem_bo_backing_populate(struct drm_gem_bo_backing *backing,
				pgoff_t index, pgoff_t num_pages)
{
	struct address_space *mapping;
	struct run_list list = {};
	int ret;

	dma_resv_assert_held(backing->obj->resv);
	might_alloc(GFP_KERNEL);

	ret = backing_check_pages(backing, index, num_pages);
	if (ret)
		return ret;
	if (backing->kind != DRM_GEM_BO_STREAMING || !backing->obj->filp)
		return -EOPNOTSUPP;
	if (drm_gem_bo_backing_is_populated(backing))
		return 0;

	mapping = backing->obj->filp->f_mapping;
	mapping_set_unevictable(mapping);

	ret = backing_read_holes(backing, &list, index, index + num_pages);
	if (!ret && list.num)
		ret = backing_splice(backing, &list);
	if (!backing->num_populated)
		mapping_clear_unevictable(mapping);
	if (ret)
		runs_put(list.runs, list.num, false, false);
	else if (backing->map_wc)
		runs_set_caching(list.runs, list.num, true);

	kvfree(list.runs);

	return ret;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_populate);

/**
 * drm_gem_bo_backing_add_pages - add pages that the driver brought along
 * @backing: the backing of a streaming object without a shmem file
 * @index: where in the object the pages go
 * @page: first page
 * @num_pages: number of pages, physically contiguous
 *
 * The pages stay the caller's, who frees them after drm_gem_bo_backing_evict()
 * or drm_gem_bo_backing_fini().
 *
 * Returns:
 * 0, -EINVAL if the range is empty or not inside the object, -EOPNOTSUPP if
 * the object takes its memory from elsewhere, -EEXIST if something is there,
 * -ENOMEM.
 */
int drm_gem_bo_backing_add_pages(struct drm_gem_bo_backing *backing,
				 pgoff_t index, struct page *page,
				 pgoff_t num_pages)
{
	u32 max_pages = device_max_pages(backing->dma.dev);
	const struct drm_gem_bo_run *run;
	struct run_list list = {};
	pgoff_t i;
	int ret;

	dma_resv_assert_held(backing->obj->resv);

	ret = backing_check_pages(backing, index, num_pages);
	if (ret)
		return ret;
	if (backing->kind != DRM_GEM_BO_STREAMING || backing->obj->filp)
		return -EOPNOTSUPP;

	run = backing_find(backing, index);
	if (run < backing_end(backing) && run->index < index + num_pages)
		return -EEXIST;

	for (i = 0; i < num_pages && !ret; i += max_pages)
		ret = run_list_add(&list, pfn_to_page(page_to_pfn(page) + i),
				   index + i, min(num_pages - i, max_pages),
				   max_pages);
	if (!ret)
		ret = backing_splice(backing, &list);
	kvfree(list.runs);

	return ret;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_add_pages);

/**
 * drm_gem_bo_backing_evict - unmap an object and give its memory back
 * @backing: the backing of a streaming object
 *
 * Content survives in shmem if the pages are dirty; truncate the file to drop
 * it. &drm_gem_bo_backing.dirty and &drm_gem_bo_backing.accessed are reset.
 * Allocates nothing that it could not do without, safe in a shrinker. CPU
 * mappings are the caller's to remove.
 *
 * Returns:
 * 0, -EBUSY if other devices have the object mapped, -EOPNOTSUPP if the
 * memory is not the object's own.
 */
int drm_gem_bo_backing_evict(struct drm_gem_bo_backing *backing)
{
	dma_resv_assert_held(backing->obj->resv);

	if (backing->kind != DRM_GEM_BO_STREAMING)
		return -EOPNOTSUPP;
	if (!list_empty(&backing->peers))
		return -EBUSY;

	drm_gem_bo_backing_unmap(backing);

	if (backing->obj->filp && backing->num_runs) {
		if (backing->map_wc)
			runs_set_caching(backing->runs, backing->num_runs, false);
		mapping_clear_unevictable(backing->obj->filp->f_mapping);
		runs_put(backing->runs, backing->num_runs, backing->dirty,
			 backing->accessed);
	}

	kvfree(backing->runs);
	backing->runs = NULL;
	backing->num_runs = 0;
	backing->num_populated = 0;
	backing->dirty = false;
	backing->accessed = false;

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_evict);

/*
 * DMA mappings
 */

static void run_set_mapped(struct drm_gem_bo_run *run, bool linked)
{
	run->mapped = 1;
	run->linked = linked;
	run->fresh = 1;
}

static u64 runs_size(const struct drm_gem_bo_run *run, u32 num)
{
	u64 size = 0;

	while (num--)
		size += run_size(run++);

	return size;
}

/* The IOMMU's part of runs_link(), undone if it fails. */
static int iova_range_link(const struct drm_gem_bo_dma *dma, struct iova_range *range,
			   struct drm_gem_bo_run *run, u32 num)
{
	struct dma_iova_state *state = &range->state;
	size_t done = 0;
	int ret = 0;
	u32 i;

	for (i = 0; i < num && !ret; i++) {
		ret = dma_iova_link(dma->dev, state, page_to_phys(run[i].page), done,
				    run_size(&run[i]), dma->dir, dma->attrs);
		if (ret)
			break;
		run[i].dma_addr = state->addr + done;
		done += run_size(&run[i]);
	}
	if (!ret)
		ret = dma_iova_sync(dma->dev, state, 0, done);
	if (ret)
		dma_iova_destroy(dma->dev, state, done, dma->dir, dma->attrs);

	return ret;
}

static struct iova_range *iova_range_map(const struct drm_gem_bo_dma *dma,
					 struct drm_gem_bo_run *run, u32 num)
{
	struct iova_range *range = kmalloc_obj(*range);
	int ret = -EOPNOTSUPP;

	if (!range)
		return ERR_PTR(-ENOMEM);
	if (dma_iova_try_alloc(dma->dev, &range->state, 0, runs_size(run, num)))
		ret = iova_range_link(dma, range, run, num);
	if (ret) {
		kfree(range);
		return ERR_PTR(ret);
	}

	return range;
}

static struct iova_range *bridge_range_map(const struct drm_gem_bo_dma *dma,
					   struct drm_gem_bo_run *run, u32 num);

/* One IOVA range for many runs: one address for the device, one flush. */
static int runs_link(const struct drm_gem_bo_dma *dma, struct drm_gem_bo_run *run,
		     u32 num, struct list_head *iovas)
{
	unsigned long boundary = dma_get_merge_boundary(dma->dev);
	struct iova_range *range;
	u32 i;

	/* An IOMMU page that is larger than ours cannot be put together. */
	if (num < 2 || !boundary || boundary >= PAGE_SIZE)
		return -EOPNOTSUPP;

	range = iova_range_map(dma, run, num);
	if (range == ERR_PTR(-EOPNOTSUPP))
		range = bridge_range_map(dma, run, num);
	if (IS_ERR(range))
		return PTR_ERR(range);

	for (i = 0; i < num; i++)
		run_set_mapped(&run[i], true);
	list_add(&range->node, iovas);

	return 0;
}

void drm_gem_bo_runs_unmap(const struct drm_gem_bo_dma *dma, struct drm_gem_bo_run *run, u32 num)
{
	/*
	 * Without an IOMMU, bounce buffers and caches there is nothing to be undone,
	 * nor for an importer without a mask, for whom only the exporter maps.
	 */
	bool need = dma->dev->dma_mask && dma_need_unmap(dma->dev);

	for (; num--; run++) {
		if (need && run->mapped && !run->linked)
			dma_unmap_phys(dma->dev, run->dma_addr, run_size(run), dma->dir,
				       dma->attrs);
		run->mapped = 0;
		run->linked = 0;
		run->fresh = 0;
	}
}

static void bridge_range_destroy(const struct drm_gem_bo_dma *dma, struct iova_range *range);

static void iova_range_destroy(const struct drm_gem_bo_dma *dma, struct iova_range *range)
{
	if (!dma_use_iova(&range->state)) {
		bridge_range_destroy(dma, range);
		return;
	}
	dma_iova_destroy(dma->dev, &range->state, dma_iova_size(&range->state), dma->dir,
			 dma->attrs);
	kfree(range);
}

static void iovas_destroy(const struct drm_gem_bo_dma *dma, struct list_head *iovas)
{
	struct iova_range *range, *next;

	list_for_each_entry_safe(range, next, iovas, node) {
		list_del(&range->node);
		iova_range_destroy(dma, range);
	}
}

static int runs_map(const struct drm_gem_bo_dma *dma, struct drm_gem_bo_run *run,
		    u32 num, struct list_head *iovas)
{
	int ret = runs_link(dma, run, num, iovas);
	u32 i;

	if (ret != -EOPNOTSUPP)
		return ret;

	for (i = 0; i < num; i++) {
		run[i].dma_addr = dma_map_phys(dma->dev, page_to_phys(run[i].page),
					       run_size(&run[i]), dma->dir,
					       dma->attrs);
		if (dma_mapping_error(dma->dev, run[i].dma_addr))
			goto err_unmap;
		run_set_mapped(&run[i], false);
	}

	return 0;

err_unmap:
	drm_gem_bo_runs_unmap(dma, run, i);
	return -EIO;
}

static u32 runs_map_end(const struct drm_gem_bo_dma *dma, struct list_head *iovas,
			struct drm_gem_bo_run *run,
			const struct drm_gem_bo_run *end, bool undo)
{
	u32 num_pages = 0;

	for (; run < end; run++) {
		if (!run->fresh)
			continue;
		if (undo)
			drm_gem_bo_runs_unmap(dma, run, 1);
		else
			num_pages += run->num_pages;
		run->fresh = 0;
	}
	if (undo)
		iovas_destroy(dma, iovas);

	return num_pages;
}

static bool backing_covers(const struct drm_gem_bo_backing *backing, u32 index,
			   u32 num_pages, bool mapped)
{
	const struct drm_gem_bo_run *run = backing_find(backing, index);
	u32 end = index + num_pages;

	for (; run < backing_end(backing) && run->index <= index; run++) {
		if (mapped && !run->mapped)
			return false;
		index = run_end(run);
		if (index >= end)
			return true;
	}

	return false;
}

static int backing_map_range(struct drm_gem_bo_backing *backing, u32 index, u32 end)
{
	struct drm_gem_bo_run *first = backing_find(backing, index);
	struct drm_gem_bo_run *last = backing_find(backing, end - 1) + 1;
	struct drm_gem_bo_run *run = first;
	LIST_HEAD(iovas);
	int ret = 0;
	u32 n;

	while (run < last && !ret) {
		for (n = 0; run + n < last && !run[n].mapped; n++)
			;
		if (n)
			ret = runs_map(&backing->dma, run, n, &iovas);
		run += max(n, 1);
	}
	backing->num_mapped += runs_map_end(&backing->dma, &iovas, first, last, ret);
	list_splice(&iovas, &backing->dma.iovas);

	return ret;
}

static int backing_import(struct drm_gem_bo_backing *backing);

/**
 * drm_gem_bo_backing_map - map a range for the owner's device
 * @backing: the backing
 * @index: first page of the range
 * @num_pages: length of the range
 *
 * Maps what is not mapped yet, by whole runs, for drm_dev_dma_dev() and with
 * the direction and attributes in &drm_gem_bo_backing.dma. What is mapped
 * keeps its address. DMA_ATTR_REQUIRE_COHERENT makes it refuse to bounce.
 *
 * An imported object is mapped as a whole by its exporter, whatever the range,
 * and so is a resource by its owner. What was allocated is mapped already.
 *
 * Returns:
 * 0, -EINVAL if the range is empty or not inside the object, -ENXIO if it has
 * a hole or no memory, -ENODEV if the device does no DMA, -EIO if it cannot be
 * mapped, -ENOMEM. After an error the object is as it was before.
 */
int drm_gem_bo_backing_map(struct drm_gem_bo_backing *backing,
			   pgoff_t index, pgoff_t num_pages)
{
	int ret;

	dma_resv_assert_held(backing->obj->resv);
	might_alloc(GFP_KERNEL);

	ret = backing_check_pages(backing, index, num_pages);
	if (ret)
		return ret;
	if (drm_gem_bo_backing_is_mapped(backing))
		return 0;
	if (backing->kind == DRM_GEM_BO_IMPORTED)
		return backing_import(backing);
	if (backing->kind == DRM_GEM_BO_RESOURCE)
		return drm_gem_bo_resource_map(backing);
	if (!backing_covers(backing, index, num_pages, false))
		return -ENXIO;
	if (!backing->dma.dev->dma_mask)
		return -ENODEV;

	return backing_map_range(backing, index, index + num_pages);
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_map);

static void backing_unimport(struct drm_gem_bo_backing *backing);

/**
 * drm_gem_bo_backing_unmap - unmap an object for the owner's device
 * @backing: the backing
 *
 * Undoes all drm_gem_bo_backing_map() of the object. Nothing happens if it is
 * not mapped, nor to what was allocated, which stays mapped until it is freed.
 * The device must not use the addresses any more.
 */
void drm_gem_bo_backing_unmap(struct drm_gem_bo_backing *backing)
{
	dma_resv_assert_held(backing->obj->resv);

	if (!backing->num_mapped)
		return;

	if (backing->kind == DRM_GEM_BO_IMPORTED) {
		backing_unimport(backing);
		return;
	}
	/* The mapping lives as long as the allocation. */
	if (drm_gem_bo_kind_is_allocated(backing->kind))
		return;

	drm_gem_bo_runs_unmap(&backing->dma, backing->runs, backing->num_runs);
	iovas_destroy(&backing->dma, &backing->dma.iovas);
	backing->num_mapped = 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_unmap);

/**
 * drm_gem_bo_backing_fini - take the backing of an object down
 * @backing: the backing
 *
 * Unmaps what is mapped and puts the memory. The reservation lock has to be
 * held; nobody else may have the object mapped any more.
 */
void drm_gem_bo_backing_fini(struct drm_gem_bo_backing *backing)
{
	struct drm_gem_object *obj = backing->obj;
	struct drm_gem_bo_peer *peer, *next;

	/* An object whose creation failed early has none. */
	if (!obj)
		return;

	if (backing->kind == DRM_GEM_BO_STREAMING)
		drm_WARN_ON(obj->dev, drm_gem_bo_backing_evict(backing));
	else if (backing->kind == DRM_GEM_BO_IMPORTED)
		drm_gem_bo_backing_unmap(backing);
	else
		drm_WARN_ON(obj->dev, drm_gem_bo_backing_free(backing));
	/* Better a leak than peers that are linked into what is freed. */
	list_for_each_entry_safe(peer, next, &backing->peers, node)
		list_del_init(&peer->node);

	obj->backing = NULL;
	backing->obj = NULL;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_fini);

static u32 runs_count(const struct drm_gem_bo_run *runs, u32 num_runs, u32 max_pages)
{
	u32 i, num = 0;

	for (i = 0; i < num_runs; i++)
		num += DIV_ROUND_UP(runs[i].num_pages, max_pages);

	return num;
}

/* Its runs are the caller's to fill. */
struct drm_gem_bo_peer *drm_gem_bo_peer_alloc(struct device *dev,
					      enum dma_data_direction dir, u32 num_runs)
{
	struct drm_gem_bo_peer *peer;

	peer = kvzalloc_flex(*peer, runs, num_runs);
	if (!peer)
		return NULL;

	INIT_LIST_HEAD(&peer->node);
	INIT_LIST_HEAD(&peer->dma.iovas);
	peer->dma.dev = dev;
	peer->dma.dir = dir;
	/* What the CPU wrote is synced by begin and end of its access. */
	peer->dma.attrs = DMA_ATTR_SKIP_CPU_SYNC;
	peer->num_runs = num_runs;

	return peer;
}

static void peer_copy_runs(struct drm_gem_bo_peer *peer,
			   const struct drm_gem_bo_backing *backing, u32 max_pages)
{
	const struct drm_gem_bo_run *from = backing->runs;
	u32 index, i = 0;

	for (; from < backing_end(backing); from++)
		for (index = from->index; index < run_end(from); index += max_pages)
			peer->runs[i++] = (struct drm_gem_bo_run) {
				.page = from->page ? run_page(from, index) : NULL,
				.index = index,
				.num_pages = min(run_end(from) - index, max_pages),
			};
}

/* The importer gets addresses only. */
static void peer_hide_pages(struct drm_gem_bo_peer *peer)
{
	u32 i;

	for (i = 0; i < peer->num_runs; i++) {
		peer->runs[i].page = NULL;
		peer->runs[i].fresh = 0;
	}
}

static int peer_map(const struct drm_gem_bo_backing *backing, struct drm_gem_bo_peer *peer)
{
	if (backing->kind == DRM_GEM_BO_RESOURCE) {
		peer->dma.attrs = 0;
		return drm_gem_bo_resource_map_runs(backing, &peer->dma, peer->runs,
						    peer->num_runs);
	}

	return runs_map(&peer->dma, peer->runs, peer->num_runs, &peer->dma.iovas);
}

/* By kind; only streaming memory may go through the streaming API. */
static struct drm_gem_bo_peer *
peer_create(const struct drm_gem_bo_backing *backing, struct device *dev,
	    enum dma_data_direction dir, u32 max_pages)
{
	struct drm_gem_bo_peer *peer;
	int ret;

	if (drm_gem_bo_kind_is_allocated(backing->kind))
		return drm_gem_bo_alloc_map_peer(backing, dev, dir, max_pages);

	peer = drm_gem_bo_peer_alloc(dev, dir, runs_count(backing->runs, backing->num_runs,
							  max_pages));
	if (!peer)
		return ERR_PTR(-ENOMEM);

	peer_copy_runs(peer, backing, max_pages);
	ret = peer_map(backing, peer);
	if (ret) {
		kvfree(peer);
		return ERR_PTR(ret);
	}

	return peer;
}

/* Maps all of a native object for another device, by that device's limits. */
static struct drm_gem_bo_peer *
backing_map_peer(struct drm_gem_bo_backing *backing, struct device *dev,
		 enum dma_data_direction dir, u32 max_pages)
{
	struct drm_gem_bo_peer *peer;

	dma_resv_assert_held(backing->obj->resv);

	if (backing->kind == DRM_GEM_BO_IMPORTED)
		return ERR_PTR(-EOPNOTSUPP);
	if (!drm_gem_bo_backing_is_populated(backing))
		return ERR_PTR(-ENXIO);
	if (!dev->dma_mask)
		return ERR_PTR(-ENODEV);

	peer = peer_create(backing, dev, dir, max_pages);
	if (IS_ERR(peer))
		return peer;
	list_add_tail(&peer->node, &backing->peers);
	if (dir != DMA_TO_DEVICE)
		backing->dirty = true;

	return peer;
}

static void peer_unmap_table(struct drm_gem_bo_peer *peer);

static void peer_unmap(struct drm_gem_bo_peer *peer)
{
	list_del(&peer->node);
	drm_gem_bo_runs_unmap(&peer->dma, peer->runs, peer->num_runs);
	iovas_destroy(&peer->dma, &peer->dma.iovas);
	if (peer->remap)
		drm_gem_bo_alloc_unmap_peer(peer);
	if (peer->sgt)
		peer_unmap_table(peer);
	kvfree(peer);
}

static struct drm_gem_bo_peer *
attach_map_peer(struct dma_buf_attachment *attach, enum dma_data_direction dir, u32 num_pages);

/* Never by the pages or addresses that are here: the exporter makes a mapping. */
static struct drm_gem_bo_peer *
backing_forward_peer(struct drm_gem_bo_backing *backing, struct device *dev,
		     enum dma_data_direction dir)
{
	struct dma_buf_attachment *attach;
	struct drm_gem_bo_peer *peer;

	if (!backing->obj->import_attach)
		return ERR_PTR(-EINVAL);
	if (!dev->dma_mask)
		return ERR_PTR(-ENODEV);

	attach = dma_buf_attach(backing->obj->import_attach->dmabuf, dev);
	if (IS_ERR(attach))
		return ERR_CAST(attach);

	dma_resv_lock(backing->obj->resv, NULL);
	peer = attach_map_peer(attach, dir, backing_pages(backing));
	dma_resv_unlock(backing->obj->resv);
	if (IS_ERR(peer))
		dma_buf_detach(attach->dmabuf, attach);

	return peer;
}

/**
 * drm_gem_bo_backing_map_peer - map an object for another device
 * @backing: the backing, populated where it is native
 * @dev: a device that is not the owner's, such as one that composes for it
 * @dir: direction of its transfers
 *
 * Importers of a dma-buf get this done by PRIME. It is for a driver whose
 * hardware consists of several devices. Each kind is mapped in its own way; an
 * imported object is attached once more, for @dev. What the CPU wrote before has
 * to be handed over by drm_gem_bo_backing_end_cpu_access() or its like.
 *
 * The object is neither evicted nor freed until drm_gem_bo_backing_unmap_peer().
 * Takes the reservation lock.
 *
 * Returns:
 * The mapping or an error pointer: -EINVAL if the direction is none or an
 * imported object has no attachment, -ENXIO if there is a hole, -ENODEV if @dev
 * does no DMA, -EREMOTEIO if there is no route to a resource, -EIO if @dev
 * cannot reach the memory, -ENOMEM, or what dma_alloc_remap() or the exporter
 * says.
 */
struct drm_gem_bo_peer *
drm_gem_bo_backing_map_peer(struct drm_gem_bo_backing *backing, struct device *dev,
			    enum dma_data_direction dir)
{
	struct drm_gem_bo_peer *peer;

	if (!valid_dma_direction(dir) || dir == DMA_NONE)
		return ERR_PTR(-EINVAL);
	if (backing->kind == DRM_GEM_BO_IMPORTED)
		return backing_forward_peer(backing, dev, dir);

	dma_resv_lock(backing->obj->resv, NULL);
	peer = backing_map_peer(backing, dev, dir, device_max_pages(dev));
	if (!IS_ERR(peer))
		peer_hide_pages(peer);
	dma_resv_unlock(backing->obj->resv);

	return peer;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_map_peer);

/**
 * drm_gem_bo_backing_unmap_peer - undo drm_gem_bo_backing_map_peer()
 * @backing: the backing
 * @peer: what it returned, is freed
 *
 * The device must not use the addresses any more. Takes the reservation lock.
 */
void drm_gem_bo_backing_unmap_peer(struct drm_gem_bo_backing *backing,
				   struct drm_gem_bo_peer *peer)
{
	struct dma_buf_attachment *attach = peer->attach;

	dma_resv_lock(backing->obj->resv, NULL);
	peer_unmap(peer);
	dma_resv_unlock(backing->obj->resv);
	if (attach)
		dma_buf_detach(attach->dmabuf, attach);
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_unmap_peer);

/*
 * Reading the list
 */

static const struct drm_gem_bo_run *
backing_lookup(const struct drm_gem_bo_backing *backing, pgoff_t index)
{
	const struct drm_gem_bo_run *run;

	if (index >= backing_pages(backing))
		return NULL;

	run = backing_find(backing, index);
	if (run == backing_end(backing) || run->index > index)
		return NULL;

	return run;
}

/**
 * drm_gem_bo_backing_page - the page at an index
 * @backing: the backing
 * @index: which page of the object
 *
 * Does not sleep nor take a lock, can be used in a panic.
 *
 * Returns:
 * The page, or NULL in a hole, behind the end, or if the memory has no page or
 * does not show it.
 */
struct page *drm_gem_bo_backing_page(const struct drm_gem_bo_backing *backing,
				     pgoff_t index)
{
	const struct drm_gem_bo_run *run = backing_lookup(backing, index);

	return run && run->page ? run_page(run, index) : NULL;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_page);

/**
 * drm_gem_bo_backing_dma_addr - the DMA address of a byte
 * @backing: the backing
 * @offset: which byte of the object
 * @dma_addr: returns its address for the owner's device
 *
 * Returns:
 * 0, -EINVAL behind the end of the object, -ENXIO if the byte is not mapped.
 */
int drm_gem_bo_backing_dma_addr(const struct drm_gem_bo_backing *backing,
				u64 offset, dma_addr_t *dma_addr)
{
	const struct drm_gem_bo_run *run;

	if (offset >= backing->obj->size)
		return -EINVAL;

	run = backing_lookup(backing, offset >> PAGE_SHIFT);
	if (!run || !run->mapped)
		return -ENXIO;
	*dma_addr = run->dma_addr + (offset - run_offset(run));

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_dma_addr);

static u64 runs_contiguous_dma(const struct drm_gem_bo_run *run, u32 num,
			       dma_addr_t *dma_addr)
{
	u64 size = 0;

	*dma_addr = DMA_MAPPING_ERROR;
	for (; num--; run++) {
		if (!run->mapped || run_offset(run) != size)
			break;
		if (!size)
			*dma_addr = run->dma_addr;
		else if (run->dma_addr != *dma_addr + size)
			break;
		size += run_size(run);
	}

	return size;
}

/**
 * drm_gem_bo_backing_contiguous_dma - how far an object is contiguous for DMA
 * @backing: the backing
 * @dma_addr: returns the address of its first byte, or DMA_MAPPING_ERROR
 *
 * Returns:
 * Size in bytes from the start of the object, 0 if that is not mapped.
 */
u64 drm_gem_bo_backing_contiguous_dma(const struct drm_gem_bo_backing *backing,
				      dma_addr_t *dma_addr)
{
	return runs_contiguous_dma(backing->runs, backing->num_runs, dma_addr);
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_contiguous_dma);

/**
 * drm_gem_bo_peer_contiguous_dma - how far a peer is contiguous for DMA
 * @peer: from drm_gem_bo_backing_map_peer()
 * @dma_addr: returns the address of its first byte for the peer's device
 *
 * Returns:
 * Size in bytes from the start of the object, never 0.
 */
u64 drm_gem_bo_peer_contiguous_dma(const struct drm_gem_bo_peer *peer,
				   dma_addr_t *dma_addr)
{
	return runs_contiguous_dma(peer->runs, peer->num_runs, dma_addr);
}
EXPORT_SYMBOL_GPL(drm_gem_bo_peer_contiguous_dma);

static bool dma_follows(const struct drm_gem_bo_run *run)
{
	return run[1].dma_addr == run->dma_addr + run_size(run);
}

static bool page_follows(const struct drm_gem_bo_run *run)
{
	return page_to_pfn(run[1].page) == page_to_pfn(run->page) + run->num_pages;
}

/* There is no hole in the range, so that the run that follows is the next. */
static __always_inline bool
cursor_next(struct drm_gem_bo_cursor *cur,
	    bool (*follows)(const struct drm_gem_bo_run *run))
{
	const struct drm_gem_bo_run *run = cur->run;
	u64 stop;

	cur->offset += cur->size;
	cur->size = 0;
	if (cur->offset >= cur->end)
		return false;

	for (;; run++) {
		stop = run_offset(run) + run_size(run);
		if (stop >= cur->end || !follows(run))
			break;
	}

	cur->run = run + 1;
	cur->size = min(stop, cur->end) - cur->offset;

	return true;
}

static void cursor_begin(struct drm_gem_bo_cursor *cur,
			 const struct drm_gem_bo_backing *backing,
			 u64 offset, u64 size)
{
	const struct drm_gem_bo_run *last = backing_end(backing) - 1;

	cur->run = offset ? backing_find(backing, offset >> PAGE_SHIFT) : backing->runs;
	cur->offset = offset;
	cur->size = 0;
	cur->end = offset + size;

	/* Up to there a run is in the range as a whole, if the range starts with one. */
	if (cur->end != backing->obj->size)
		last = backing_find(backing, (cur->end - 1) >> PAGE_SHIFT);
	cur->last = run_offset(cur->run) == offset ? last : NULL;
}

/**
 * drm_gem_bo_dma_begin - prepare to walk the DMA addresses of a byte range
 * @cur: the cursor
 * @backing: the backing
 * @offset: start of the range, in bytes
 * @size: length of the range, in bytes
 *
 * Nothing has to be undone if the walk is not finished. The list must not
 * change until then.
 *
 * Returns:
 * 0, -EINVAL if the range is empty or not inside the object, -ENXIO if a part
 * of it is a hole or is not mapped.
 */
int drm_gem_bo_dma_begin(struct drm_gem_bo_cursor *cur,
			 const struct drm_gem_bo_backing *backing,
			 u64 offset, u64 size)
{
	u32 first = offset >> PAGE_SHIFT;
	int ret;

	ret = backing_check_bytes(backing, offset, size);
	if (ret)
		return ret;
	if (!drm_gem_bo_backing_is_mapped(backing) &&
	    !backing_covers(backing, first,
			    DIV_ROUND_UP_ULL(offset + size, PAGE_SIZE) - first, true))
		return -ENXIO;
	cursor_begin(cur, backing, offset, size);

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_dma_begin);

/* What drm_gem_bo_dma_next() does not do by itself: the first and last piece, and long ones. */
bool __drm_gem_bo_dma_next(struct drm_gem_bo_cursor *cur)
{
	const struct drm_gem_bo_run *run = cur->run;

	if (!cursor_next(cur, dma_follows))
		return false;
	cur->dma_addr = run->dma_addr + (cur->offset - run_offset(run));

	return true;
}
EXPORT_SYMBOL_GPL(__drm_gem_bo_dma_next);

/**
 * drm_gem_bo_page_begin - prepare to walk the pages of a byte range
 * @cur: the cursor
 * @backing: the backing
 * @offset: start of the range, in bytes, a multiple of the page size
 * @size: length of the range, in bytes, a multiple of the page size
 *
 * Like drm_gem_bo_dma_begin(), for who needs physical memory: a driver that
 * has an IOMMU domain of its own, or a device that does not use the DMA API.
 *
 * Returns:
 * 0, -EINVAL if the range is empty, not aligned or not inside the object,
 * -EOPNOTSUPP if the kind shows no pages, -ENXIO if there is a hole.
 */
int drm_gem_bo_page_begin(struct drm_gem_bo_cursor *cur,
			  const struct drm_gem_bo_backing *backing,
			  u64 offset, u64 size)
{
	int ret;

	ret = backing_check_bytes(backing, offset, size);
	if (ret)
		return ret;
	if (!PAGE_ALIGNED(offset) || !PAGE_ALIGNED(size))
		return -EINVAL;
	if (!drm_gem_bo_kind_has_pages(backing->kind))
		return -EOPNOTSUPP;
	if (!drm_gem_bo_backing_is_populated(backing) &&
	    !backing_covers(backing, offset >> PAGE_SHIFT, size >> PAGE_SHIFT, false))
		return -ENXIO;
	cursor_begin(cur, backing, offset, size);

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_page_begin);

/**
 * drm_gem_bo_page_next - go to the next physically contiguous range
 * @cur: a cursor that was set up by drm_gem_bo_page_begin()
 *
 * Returns:
 * true and &drm_gem_bo_cursor.page, &drm_gem_bo_cursor.offset and
 * &drm_gem_bo_cursor.size of the range, or false at the end.
 */
bool drm_gem_bo_page_next(struct drm_gem_bo_cursor *cur)
{
	const struct drm_gem_bo_run *run = cur->run;

	if (!cursor_next(cur, page_follows))
		return false;
	cur->page = run_page(run, cur->offset >> PAGE_SHIFT);

	return true;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_page_next);

/**
 * drm_gem_bo_backing_iommu_map - map an object into an IOMMU domain
 * @backing: the backing, populated
 * @domain: a domain that the driver manages by itself
 * @iova: where to map the object
 * @prot: IOMMU_READ and so on
 *
 * Undone by iommu_unmap().
 *
 * Returns:
 * The size that was mapped in bytes or an error, with nothing mapped.
 */
ssize_t drm_gem_bo_backing_iommu_map(struct drm_gem_bo_backing *backing,
				     struct iommu_domain *domain,
				     unsigned long iova, int prot)
{
	struct drm_gem_bo_cursor cur;
	int ret;

	might_alloc(GFP_KERNEL);

	ret = drm_gem_bo_page_begin(&cur, backing, 0, backing->obj->size);
	if (ret)
		return ret;

	while (drm_gem_bo_page_next(&cur)) {
		ret = iommu_map(domain, iova + cur.offset, page_to_phys(cur.page),
				cur.size, prot, GFP_KERNEL);
		if (ret) {
			if (cur.offset)
				iommu_unmap(domain, iova, cur.offset);
			return ret;
		}
	}

	return backing->obj->size;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_iommu_map);

/*
 * Cache maintenance
 */

/*
 * A mapping of one direction is synced for no other: the DMA API allows only
 * that, and the device does nothing else.
 */
static void runs_sync(const struct drm_gem_bo_dma *dma,
		      const struct drm_gem_bo_run *run,
		      const struct drm_gem_bo_run *end_run, u64 offset, u64 end,
		      enum dma_data_direction dir, bool for_device)
{
	if (!dma_dev_need_sync(dma->dev))
		return;
	if (dma->dir != DMA_BIDIRECTIONAL)
		dir = dma->dir;

	for (; run < end_run && run_offset(run) < end; run++) {
		u64 start = max(offset, run_offset(run));
		u64 stop = min(end, run_offset(run) + run_size(run));
		dma_addr_t addr = run->dma_addr + (start - run_offset(run));

		/* Spares coherent devices the walk of an IOMMU page table. */
		if (!run->mapped || !dma_need_sync(dma->dev, addr))
			continue;
		if (for_device)
			dma_sync_single_for_device(dma->dev, addr, stop - start, dir);
		else
			dma_sync_single_for_cpu(dma->dev, addr, stop - start, dir);
	}
}

static int backing_sync(struct drm_gem_bo_backing *backing, u64 offset, u64 size,
			enum dma_data_direction dir, bool for_device)
{
	int ret;

	ret = backing_check_bytes(backing, offset, size);
	if (ret)
		return ret;
	if (!valid_dma_direction(dir) || dir == DMA_NONE)
		return -EINVAL;
	if (!drm_gem_bo_kind_has_pages(backing->kind))
		return -EOPNOTSUPP;
	if (backing->alloc)
		drm_gem_bo_alloc_sync_kernel(backing, offset, size, for_device);

	runs_sync(&backing->dma, backing_find(backing, offset >> PAGE_SHIFT),
		  backing_end(backing), offset, offset + size, dir, for_device);

	return 0;
}

/**
 * drm_gem_bo_backing_sync_for_cpu - hand a byte range over to the CPU
 * @backing: the backing of a streaming or noncoherent object
 * @offset: start of the range, in bytes
 * @size: length of the range, in bytes
 * @dir: direction of the transfers that were made
 *
 * Parts that are not mapped need no maintenance, they are skipped.
 *
 * Returns:
 * 0, -EINVAL if the range is empty or not inside the object or the direction
 * is none, -EOPNOTSUPP if the memory is coherent or a resource, which must not
 * be synced, or if cache maintenance is the business of an exporter.
 */
int drm_gem_bo_backing_sync_for_cpu(struct drm_gem_bo_backing *backing,
				    u64 offset, u64 size,
				    enum dma_data_direction dir)
{
	return backing_sync(backing, offset, size, dir, false);
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_sync_for_cpu);

/**
 * drm_gem_bo_backing_sync_for_device - hand a byte range over to the device
 * @backing: the backing of a streaming or noncoherent object
 * @offset: start of the range, in bytes
 * @size: length of the range, in bytes
 * @dir: direction of the transfers to come
 *
 * Returns:
 * Like drm_gem_bo_backing_sync_for_cpu().
 */
int drm_gem_bo_backing_sync_for_device(struct drm_gem_bo_backing *backing,
				       u64 offset, u64 size,
				       enum dma_data_direction dir)
{
	return backing_sync(backing, offset, size, dir, true);
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_sync_for_device);

/* No cache holds what is only accessed write-combined; a bounce buffer may. */
static bool backing_needs_sync(const struct drm_gem_bo_backing *backing, struct device *dev)
{
	return !backing->map_wc || device_max_pages(dev) < DRM_GEM_BO_MAX_PAGES;
}

static void peer_sync(const struct drm_gem_bo_backing *backing,
		      const struct drm_gem_bo_peer *peer,
		      enum dma_data_direction dir, bool for_device)
{
	if (peer->remap)
		drm_gem_bo_alloc_sync_peer(peer, dir, for_device);
	else if (!(peer->dma.attrs & DMA_ATTR_MMIO) &&
		 backing_needs_sync(backing, peer->dma.dev))
		runs_sync(&peer->dma, peer->runs, peer->runs + peer->num_runs, 0,
			  backing->obj->size, dir, for_device);
}

static int backing_cpu_access(struct drm_gem_bo_backing *backing,
			      enum dma_data_direction dir, bool for_device)
{
	struct drm_gem_bo_peer *peer;
	int ret;

	dma_resv_assert_held(backing->obj->resv);

	if (!valid_dma_direction(dir) || dir == DMA_NONE)
		return -EINVAL;
	/* Users ask whatever they were given; for some there is nothing to be done. */
	if (backing->kind == DRM_GEM_BO_IMPORTED ||
	    (drm_gem_bo_kind_has_pages(backing->kind) &&
	     backing_needs_sync(backing, backing->dma.dev))) {
		ret = backing_sync(backing, 0, backing->obj->size, dir, for_device);
		if (ret)
			return ret;
	}

	list_for_each_entry(peer, &backing->peers, node)
		peer_sync(backing, peer, dir, for_device);

	return 0;
}

/**
 * drm_gem_bo_backing_wait - wait until devices are done with an object
 * @backing: the backing of an exported object
 * @dir: direction of the CPU access to come
 *
 * Waits for the fences of an object as dma_buf_begin_cpu_access() does: of writes
 * only, if the CPU is going to read, or else of all. That function waits after it
 * has called &dma_buf_ops.begin_cpu_access, too late where caches are
 * invalidated or bounce buffers copied: the callback has to wait before it calls
 * drm_gem_bo_backing_begin_cpu_access(). Not with the reservation lock held,
 * which would keep others from submitting work.
 *
 * Returns:
 * 0, or -ERESTARTSYS if interrupted by a signal.
 */
int drm_gem_bo_backing_wait(struct drm_gem_bo_backing *backing,
			    enum dma_data_direction dir)
{
	long ret;

	ret = dma_resv_wait_timeout(backing->obj->resv,
				    dma_resv_usage_rw(dir != DMA_FROM_DEVICE),
				    true, MAX_SCHEDULE_TIMEOUT);

	return ret < 0 ? ret : 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_wait);

/**
 * drm_gem_bo_backing_begin_cpu_access - hand an object over from all devices
 * @backing: the backing of an exported object
 * @dir: direction of the transfers that were made
 *
 * For &dma_buf_ops.begin_cpu_access, after drm_gem_bo_backing_wait(): syncs the
 * owner's mapping and that of every importer. Of coherent memory only importers
 * that do not snoop need that, of write-combined pages only bounce buffers, of
 * resources none; success all the same, as user space asks whatever it was given.
 *
 * Returns:
 * 0, -EINVAL if the direction is none, -EOPNOTSUPP if the object is imported.
 */
int drm_gem_bo_backing_begin_cpu_access(struct drm_gem_bo_backing *backing,
					enum dma_data_direction dir)
{
	return backing_cpu_access(backing, dir, false);
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_begin_cpu_access);

/**
 * drm_gem_bo_backing_end_cpu_access - hand an object back to all devices
 * @backing: the backing of an exported object
 * @dir: direction of the transfers to come
 *
 * For &dma_buf_ops.end_cpu_access.
 *
 * Returns:
 * Like drm_gem_bo_backing_begin_cpu_access().
 */
int drm_gem_bo_backing_end_cpu_access(struct drm_gem_bo_backing *backing,
				      enum dma_data_direction dir)
{
	return backing_cpu_access(backing, dir, true);
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_end_cpu_access);

/*
 * CPU access
 */

/**
 * drm_gem_bo_backing_vmap - map a range of an object for the kernel
 * @backing: the backing, populated where it is native
 * @offset: start of the range, in bytes, a multiple of the page size
 * @size: length of the range, in bytes, a multiple of the page size
 * @map: returns the address
 *
 * Pages and resources are mapped, write-combined if &drm_gem_bo_backing.map_wc
 * is set, a resource as I/O memory. What was allocated has an address already,
 * with the caching that it was allocated with. An imported object can be mapped
 * as a whole only. The memory has to stay until drm_gem_bo_backing_vunmap().
 *
 * Returns:
 * 0, -EINVAL if the range is empty, not aligned or not inside the object, -ENXIO
 * if it has a hole or no memory, -EOPNOTSUPP for a part of an imported object
 * and for DMA_ATTR_NO_KERNEL_MAPPING, -ENOMEM, or what the exporter says.
 */
int drm_gem_bo_backing_vmap(struct drm_gem_bo_backing *backing,
			    u64 offset, u64 size, struct iosys_map *map)
{
	pgprot_t prot = backing->map_wc ? pgprot_writecombine(PAGE_KERNEL) : PAGE_KERNEL;
	struct dma_buf_attachment *attach = backing->obj->import_attach;
	struct drm_gem_bo_cursor cur;
	struct page **pages;
	void *vaddr;
	u32 i, n = 0;
	int ret;

	dma_resv_assert_held(backing->obj->resv);

	if (backing->kind == DRM_GEM_BO_IMPORTED && !offset &&
	    size == backing->obj->size)
		return attach ? dma_buf_vmap(attach->dmabuf, map) : -ENXIO;
	if (drm_gem_bo_kind_has_alloc(backing->kind)) {
		ret = backing_check_bytes(backing, offset, size);
		return ret ?: drm_gem_bo_alloc_vmap(backing, offset, size, map);
	}

	ret = drm_gem_bo_page_begin(&cur, backing, offset, size);
	if (ret)
		return ret;

	/* vmap() knows no other way to be told, it forgets the array at once. */
	pages = kvmalloc_objs(*pages, size >> PAGE_SHIFT);
	if (!pages)
		return -ENOMEM;
	while (drm_gem_bo_page_next(&cur))
		for (i = 0; i < cur.size >> PAGE_SHIFT; i++)
			pages[n++] = pfn_to_page(page_to_pfn(cur.page) + i);

	vaddr = vmap(pages, n, VM_MAP, prot);
	kvfree(pages);
	if (!vaddr)
		return -ENOMEM;
	iosys_map_set_vaddr(map, vaddr);

	return 0;
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

	if (backing->kind == DRM_GEM_BO_IMPORTED)
		dma_buf_vunmap(backing->obj->import_attach->dmabuf, map);
	else if (drm_gem_bo_kind_has_alloc(backing->kind))
		drm_gem_bo_alloc_vunmap(backing, map);
	else
		vunmap(map->vaddr);
	iosys_map_clear(map);
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_vunmap);

/* Shared and writable, whatever write notification made of vm_page_prot. */
static pgprot_t backing_page_prot(const struct drm_gem_bo_backing *backing,
				  const struct vm_area_struct *vma)
{
	pgprot_t prot = vma_get_page_prot(vma);

	return backing->map_wc ? pgprot_writecombine(prot) : prot;
}

/**
 * drm_gem_bo_backing_mmap - prepare a user mapping of an object
 * @backing: the backing
 * @vma: the mapping, of all or a part; vm_pgoff counts from the fake offset
 *
 * Pages and resources are filled in by drm_gem_bo_backing_fault(), for which the
 * driver sets vm_ops; the mapping is VM_PFNMAP, so that nobody pins them. What was
 * allocated is mapped here and now, by the DMA API, which sets the flags. The
 * mapping of an imported object is the exporter's.
 *
 * vm_pgoff of a shared mapping stays, so that drm_vma_node_unmap() finds it. There
 * is nothing to be undone after an error.
 *
 * Returns:
 * 0, -EINVAL if pages or a resource are mapped private, -ENXIO if the memory to
 * be mapped here is not there or smaller than the mapping or if an imported object
 * has no exporter, or what the DMA API or the exporter says.
 */
int drm_gem_bo_backing_mmap(struct drm_gem_bo_backing *backing,
			    struct vm_area_struct *vma)
{
	pgoff_t pgoff = vma->vm_pgoff - drm_vma_node_start(&backing->obj->vma_node);

	if (backing->kind == DRM_GEM_BO_IMPORTED) {
		if (!backing->obj->import_attach)
			return -ENXIO;
		/* The exporter need not set those. */
		vma->vm_private_data = NULL;
		vma->vm_ops = NULL;
		return dma_buf_mmap(backing->obj->import_attach->dmabuf, vma, pgoff);
	}

	if (drm_gem_bo_kind_is_allocated(backing->kind))
		return drm_gem_bo_alloc_mmap(backing, vma);
	if (vma_is_cow_mapping(vma))
		return -EINVAL;
	if (backing->kind == DRM_GEM_BO_RESOURCE)
		return drm_gem_bo_resource_mmap(backing, vma);

	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_page_prot = backing_page_prot(backing, vma);

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

static void backing_mark_dirty(const struct drm_gem_bo_run *run, u32 index,
			       u32 end, struct vm_fault *vmf)
{
	file_update_time(vmf->vma->vm_file);
	while (index < end) {
		struct page *page = run_page(run, index);
		struct folio *folio = page_folio(page);

		folio_mark_dirty(folio);
		index += folio_nr_pages(folio) - folio_page_idx(folio, page);
	}
}

/* One entry for a whole PMD, if the run and the mapping have that. */
static vm_fault_t backing_fault_pmd(const struct drm_gem_bo_run *run, u32 index,
				    struct vm_fault *vmf)
{
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	unsigned long addr = vmf->address & PMD_MASK;
	u32 skip = (vmf->address - addr) >> PAGE_SHIFT;
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	u32 first = index - skip;

	if (addr < vmf->vma->vm_start || addr + PMD_SIZE > vmf->vma->vm_end ||
	    index - run->index < skip ||
	    run_end(run) - first < 1U << PMD_ORDER ||
	    !IS_ALIGNED(page_to_pfn(run_page(run, first)), 1UL << PMD_ORDER))
		return VM_FAULT_FALLBACK;

	if (write)
		backing_mark_dirty(run, first, first + (1U << PMD_ORDER), vmf);

	return vmf_insert_pfn_pmd(vmf, page_to_pfn(run_page(run, first)), write);
#else
	return VM_FAULT_FALLBACK;
#endif
}

static vm_fault_t backing_insert(const struct drm_gem_bo_backing *backing,
				 const struct drm_gem_bo_run *run, u32 index,
				 struct vm_fault *vmf, unsigned long addr, bool write)
{
	struct vm_area_struct *vma = vmf->vma;
	pgprot_t prot = write ? backing_page_prot(backing, vma) : vma->vm_page_prot;

	return vmf_insert_pfn_prot(vma, addr, page_to_pfn(run_page(run, index)), prot);
}

/*
 * Fills what the run, the mapping and the page table that is there anyway have
 * in common. Only the folio that is written becomes writable, and with that
 * dirty: the rest has to tell of its first write by itself.
 */
static vm_fault_t backing_fault_ptes(const struct drm_gem_bo_backing *backing,
				     const struct drm_gem_bo_run *run, u32 index,
				     struct vm_fault *vmf)
{
	unsigned long low = max(vmf->vma->vm_start, vmf->address & PMD_MASK);
	unsigned long high = min(vmf->vma->vm_end - 1, vmf->address | ~PMD_MASK);
	u32 before = min((vmf->address - low) >> PAGE_SHIFT, index - run->index);
	u32 after = min((high - vmf->address) >> PAGE_SHIFT, run_end(run) - index - 1);
	unsigned long addr = vmf->address - ((unsigned long)before << PAGE_SHIFT);
	struct folio *folio = page_folio(run_page(run, index));
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	vm_fault_t ret;
	u32 i;

	if (write)
		backing_mark_dirty(run, index, index + 1, vmf);

	ret = backing_insert(backing, run, index, vmf, vmf->address, write);
	for (i = index - before; ret == VM_FAULT_NOPAGE && i <= index + after; i++) {
		bool same = page_folio(run_page(run, i)) == folio;

		/* What fails here is not what was asked for. */
		if (i != index &&
		    backing_insert(backing, run, i, vmf, addr, write && same) !=
		    VM_FAULT_NOPAGE)
			break;
		addr += PAGE_SIZE;
	}

	return ret;
}

/**
 * drm_gem_bo_backing_fault - handle a fault in a user mapping
 * @backing: the backing of a streaming or resource object
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
	pgoff_t index = backing_fault_index(backing, vmf);
	const struct drm_gem_bo_run *run;
	vm_fault_t ret;

	dma_resv_assert_held(backing->obj->resv);

	run = backing_lookup(backing, index);
	if (run && backing->kind == DRM_GEM_BO_RESOURCE)
		return drm_gem_bo_resource_fault(backing, vmf, index, order);
	/* An allocation was mapped as a whole by mmap(). */
	if (backing->kind != DRM_GEM_BO_STREAMING)
		return VM_FAULT_SIGBUS;
	if (!run || !run->page || !(vmf->vma->vm_flags & VM_PFNMAP))
		return VM_FAULT_SIGBUS;

	if (order == PMD_ORDER)
		ret = backing_fault_pmd(run, index, vmf);
	else if (order)
		ret = VM_FAULT_FALLBACK;
	else
		ret = backing_fault_ptes(backing, run, index, vmf);
	if (ret == VM_FAULT_NOPAGE)
		folio_mark_accessed(page_folio(run_page(run, index)));

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
	pgoff_t index = backing_fault_index(backing, vmf);
	const struct drm_gem_bo_run *run;

	dma_resv_assert_held(backing->obj->resv);

	run = backing_lookup(backing, index);
	if (run && drm_gem_bo_kind_has_alloc(backing->kind))
		return 0;
	if (!run || !run->page)
		return VM_FAULT_SIGBUS;
	backing_mark_dirty(run, index, index + 1, vmf);

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_pfn_mkwrite);
#endif /* CONFIG_MMU */

/* --- sg_table bridge --- */

/*
 * The only part that knows struct sg_table. It goes when dma-buf can hand over
 * something better, and dma_map_ops put it together.
 */

/* A table that was made of a list mapped for the importer's device. */
struct peer_table {
	struct sg_table sgt;
	struct drm_gem_bo_peer *peer;
};

static u32 table_max_pages(struct device *dev)
{
	unsigned int max = dev->dma_parms ? dma_get_max_seg_size(dev) : UINT_MAX;

	return clamp(max >> PAGE_SHIFT, 1, device_max_pages(dev));
}

static struct scatterlist *
table_add_run(struct scatterlist *sg, const struct drm_gem_bo_run *run, u32 max_pages)
{
	u32 index, num;

	for (index = run->index; index < run_end(run); index += num) {
		num = min(run_end(run) - index, max_pages);
		sg_set_page(sg, run->page ? run_page(run, index) : NULL,
			    num << PAGE_SHIFT, 0);
		sg = sg_next(sg);
	}

	return sg;
}

/* Page side only. */
static int table_init(struct sg_table *sgt, const struct drm_gem_bo_run *runs,
		      u32 num_runs, u32 max_pages)
{
	struct scatterlist *sg;
	int ret;
	u32 i;

	ret = sg_alloc_table(sgt, runs_count(runs, num_runs, max_pages), GFP_KERNEL);
	if (ret)
		return ret;

	sg = sgt->sgl;
	for (i = 0; i < num_runs; i++)
		sg = table_add_run(sg, &runs[i], max_pages);

	return 0;
}

/*
 * The device side, a run of the peer for an entry of the page side. Those of
 * one IOVA range are merged; where there is no IOMMU the entries have to match,
 * dma_sync_sgtable_for_cpu() goes by them.
 */
static void table_set_dma(struct sg_table *sgt, const struct drm_gem_bo_peer *peer,
			  u32 max_pages)
{
	u64 max = (u64)max_pages << PAGE_SHIFT;
	struct scatterlist *sg = NULL;
	u32 i;

	sgt->nents = 0;
	for (i = 0; i < peer->num_runs; i++) {
		const struct drm_gem_bo_run *run = &peer->runs[i];

		if (sg && run->linked && sg_dma_len(sg) + run_size(run) <= max &&
		    run->dma_addr == sg_dma_address(sg) + sg_dma_len(sg)) {
			sg_dma_len(sg) += run_size(run);
			continue;
		}
		sg = sg ? sg_next(sg) : sgt->sgl;
		sg_dma_address(sg) = run->dma_addr;
		sg_dma_len(sg) = run_size(run);
		sgt->nents++;
	}
}

/**
 * drm_gem_bo_backing_get_sg_table - pages of an object as a table
 * @backing: the backing of a streaming object, populated
 *
 * For &drm_gem_object_funcs.get_sg_table. The caller maps and frees the table,
 * and keeps the object populated.
 *
 * Returns:
 * The table or an error pointer: -EOPNOTSUPP if there are no pages to be
 * shown, -ENXIO if there is a hole, -ENOMEM.
 */
struct sg_table *drm_gem_bo_backing_get_sg_table(struct drm_gem_bo_backing *backing)
{
	struct sg_table *sgt;
	int ret;

	/* What is mapped with the table must be fit for the streaming API. */
	if (backing->kind != DRM_GEM_BO_STREAMING)
		return ERR_PTR(-EOPNOTSUPP);
	if (!drm_gem_bo_backing_is_populated(backing))
		return ERR_PTR(-ENXIO);

	sgt = kmalloc_obj(*sgt);
	if (!sgt)
		return ERR_PTR(-ENOMEM);

	ret = table_init(sgt, backing->runs, backing->num_runs,
			 table_max_pages(backing->dma.dev));
	if (ret) {
		kfree(sgt);
		return ERR_PTR(ret);
	}

	return sgt;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_get_sg_table);

/**
 * drm_gem_bo_backing_map_attachment - map an object for an importer
 * @backing: the backing of a native object, with memory
 * @attach: the importer
 * @dir: direction of its transfers
 *
 * For &dma_buf_ops.map_dma_buf. Importers that still look for pages find them
 * here, where there are any and unless CONFIG_DMABUF_DEBUG takes them out. Other
 * tables, those of resources among them, have only a DMA side: of these
 * &sg_table.orig_nents is 0. An importer has to allow peer to peer to get a
 * resource.
 *
 * Returns:
 * A table for drm_gem_bo_backing_unmap_attachment() or an error pointer, see
 * drm_gem_bo_backing_map_peer(), -EOPNOTSUPP also without peer to peer.
 */
struct sg_table *drm_gem_bo_backing_map_attachment(struct drm_gem_bo_backing *backing,
						   struct dma_buf_attachment *attach,
						   enum dma_data_direction dir)
{
	u32 max_pages = table_max_pages(attach->dev);
	struct peer_table *table;
	bool has_pages;
	int ret;

	/* An importer that wants pages must not find a table without. */
	if (backing->kind == DRM_GEM_BO_RESOURCE && !attach->peer2peer)
		return ERR_PTR(-EOPNOTSUPP);

	table = kzalloc_obj(*table);
	if (!table)
		return ERR_PTR(-ENOMEM);

	table->peer = backing_map_peer(backing, attach->dev, dir, max_pages);
	if (IS_ERR(table->peer)) {
		ret = PTR_ERR(table->peer);
		goto err_free;
	}

	ret = table_init(&table->sgt, table->peer->runs, table->peer->num_runs, max_pages);
	if (ret)
		goto err_unmap;
	has_pages = table->peer->runs[0].page;
	peer_hide_pages(table->peer);
	table_set_dma(&table->sgt, table->peer, max_pages);
	/* Without a page side there is nothing to be walked, mapped or synced by. */
	if (!has_pages)
		table->sgt.orig_nents = 0;

	return &table->sgt;

err_unmap:
	peer_unmap(table->peer);
err_free:
	kfree(table);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_map_attachment);

/**
 * drm_gem_bo_backing_unmap_attachment - undo drm_gem_bo_backing_map_attachment()
 * @backing: the backing
 * @sgt: what it returned
 */
void drm_gem_bo_backing_unmap_attachment(struct drm_gem_bo_backing *backing,
					 struct sg_table *sgt)
{
	struct peer_table *table = container_of(sgt, struct peer_table, sgt);

	dma_resv_assert_held(backing->obj->resv);

	sgt->orig_nents = table->peer->num_runs;
	sg_free_table(sgt);
	peer_unmap(table->peer);
	kfree(table);
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_unmap_attachment);

/* Another list behind a dma-buf, whose DMA side can be had without a table. */
static struct drm_gem_bo_backing *dma_buf_to_backing(struct dma_buf *dma_buf)
{
	struct drm_gem_object *obj = dma_buf->priv;

	if (dma_buf->ops->map_dma_buf != drm_gem_map_dma_buf)
		return NULL;

	return obj->backing;
}

static int run_list_add_dma(struct run_list *list, dma_addr_t addr, u64 size)
{
	struct drm_gem_bo_run *run;

	if (!PAGE_ALIGNED(addr) || !PAGE_ALIGNED(size))
		return -EINVAL;

	run = run_list_extend(list);
	if (!run)
		return -ENOMEM;
	*run = (struct drm_gem_bo_run) {
		.dma_addr = addr,
		.index = list->num_pages,
		.num_pages = size >> PAGE_SHIFT,
		.mapped = 1,
		.linked = 1,
	};
	list->num_pages += run->num_pages;

	return 0;
}

/* Exporters may give more than the object has, and less in the last page. */
static int run_list_add_table(struct run_list *list, struct sg_table *sgt, u32 num_pages)
{
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		u64 left = (u64)(num_pages - list->num_pages) << PAGE_SHIFT;
		u64 size = sg_dma_len(sg);

		if (!left)
			break;
		if (PAGE_ALIGN(size) >= left)
			size = left;
		ret = run_list_add_dma(list, sg_dma_address(sg), size);
		if (ret)
			return ret;
	}

	return list->num_pages == num_pages ? 0 : -EINVAL;
}

static struct drm_gem_bo_peer *run_list_to_peer(const struct run_list *list,
						struct dma_buf_attachment *attach,
						enum dma_data_direction dir)
{
	struct drm_gem_bo_peer *peer = drm_gem_bo_peer_alloc(attach->dev, dir, list->num);

	if (!peer)
		return ERR_PTR(-ENOMEM);
	memcpy(peer->runs, list->runs, array_size(list->num, sizeof(*list->runs)));

	return peer;
}

static struct drm_gem_bo_peer *
attach_map_table(struct dma_buf_attachment *attach, enum dma_data_direction dir, u32 num_pages)
{
	struct drm_gem_bo_peer *peer;
	struct run_list list = {};
	struct sg_table *sgt;
	int ret;

	sgt = dma_buf_map_attachment(attach, dir);
	if (IS_ERR(sgt))
		return ERR_CAST(sgt);

	ret = run_list_add_table(&list, sgt, num_pages);
	peer = ret ? ERR_PTR(ret) : run_list_to_peer(&list, attach, dir);
	kvfree(list.runs);
	if (IS_ERR(peer)) {
		dma_buf_unmap_attachment(attach, sgt, dir);
		return peer;
	}
	peer->sgt = sgt;

	return peer;
}

static void peer_unmap_table(struct drm_gem_bo_peer *peer)
{
	dma_buf_unmap_attachment(peer->attach, peer->sgt, peer->dma.dir);
}

static struct drm_gem_bo_peer *
attach_map_list(struct dma_buf_attachment *attach, struct drm_gem_bo_backing *exporter,
		enum dma_data_direction dir, u32 num_pages)
{
	struct drm_gem_bo_peer *peer;
	long ret;

	/* A longer one would let the cursor run past the importer's object. */
	if (backing_pages(exporter) != num_pages)
		return ERR_PTR(-EINVAL);

	peer = backing_map_peer(exporter, attach->dev, dir, device_max_pages(attach->dev));
	if (IS_ERR(peer))
		return peer;
	peer_hide_pages(peer);

	/* Importers do not, see dma_buf_map_attachment(). */
	ret = dma_resv_wait_timeout(attach->dmabuf->resv, DMA_RESV_USAGE_KERNEL, true,
				    MAX_SCHEDULE_TIMEOUT);
	if (ret < 0) {
		peer_unmap(peer);
		return ERR_PTR(ret);
	}

	return peer;
}

/* The exporter's list, mapped by the exporter, or a list made of its table. */
static struct drm_gem_bo_peer *
attach_map_peer(struct dma_buf_attachment *attach, enum dma_data_direction dir, u32 num_pages)
{
	struct drm_gem_bo_backing *exporter = dma_buf_to_backing(attach->dmabuf);
	struct drm_gem_bo_peer *peer;

	if (exporter)
		peer = attach_map_list(attach, exporter, dir, num_pages);
	else
		peer = attach_map_table(attach, dir, num_pages);
	if (!IS_ERR(peer))
		peer->attach = attach;

	return peer;
}

static int backing_import(struct drm_gem_bo_backing *backing)
{
	struct dma_buf_attachment *attach = backing->obj->import_attach;
	struct drm_gem_bo_peer *peer;

	if (!attach)
		return -EINVAL;

	peer = attach_map_peer(attach, backing->dma.dir, backing_pages(backing));
	if (IS_ERR(peer))
		return PTR_ERR(peer);

	backing->import = peer;
	backing->runs = peer->runs;
	backing->num_runs = peer->num_runs;
	backing->num_mapped = backing_pages(backing);

	return 0;
}

/**
 * drm_gem_bo_backing_attach - make a dma-buf the memory of an object
 * @backing: the backing of an imported object, of the size of @dma_buf
 * @dma_buf: somebody else's, see drm_gem_is_prime_exported_dma_buf()
 *
 * For &drm_driver.gem_prime_import of drivers that map later, by
 * drm_gem_bo_backing_map(), or for other devices only: attaches the owner's
 * device. The object takes over the reservation lock of @dma_buf.
 *
 * Undone by drm_gem_bo_backing_fini() and drm_prime_gem_destroy() without a
 * table.
 *
 * Returns:
 * 0, -EOPNOTSUPP if the object is of another kind, or what the exporter says.
 */
int drm_gem_bo_backing_attach(struct drm_gem_bo_backing *backing,
			      struct dma_buf *dma_buf)
{
	struct drm_gem_object *obj = backing->obj;
	struct dma_buf_attachment *attach;

	if (backing->kind != DRM_GEM_BO_IMPORTED)
		return -EOPNOTSUPP;

	attach = dma_buf_attach(dma_buf, backing->dma.dev);
	if (IS_ERR(attach))
		return PTR_ERR(attach);
	get_dma_buf(dma_buf);
	obj->import_attach = attach;
	obj->resv = dma_buf->resv;

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_attach);

/**
 * drm_gem_bo_backing_import - make a dma-buf the memory of an object and map it
 * @backing: the backing of an imported object, of the size of @dma_buf
 * @dma_buf: somebody else's, see drm_gem_is_prime_exported_dma_buf()
 *
 * Like drm_gem_bo_backing_attach(), and maps all of @dma_buf for the owner's
 * device, in the direction in &drm_gem_bo_backing.dma.
 *
 * Undone, after an error as well, by drm_gem_bo_backing_fini() and, if the
 * object has an attachment, drm_prime_gem_destroy() without a table.
 *
 * Returns:
 * 0, or what drm_gem_bo_backing_attach() or drm_gem_bo_backing_map() says.
 */
int drm_gem_bo_backing_import(struct drm_gem_bo_backing *backing,
			      struct dma_buf *dma_buf)
{
	int ret;

	ret = drm_gem_bo_backing_attach(backing, dma_buf);
	if (ret)
		return ret;

	dma_resv_lock(backing->obj->resv, NULL);
	ret = drm_gem_bo_backing_map(backing, 0, backing_pages(backing));
	dma_resv_unlock(backing->obj->resv);

	return ret;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_import);

static void backing_unimport(struct drm_gem_bo_backing *backing)
{
	peer_unmap(backing->import);
	backing->import = NULL;
	backing->runs = NULL;
	backing->num_runs = 0;
	backing->num_mapped = 0;
}

/* Several runs that dma_map_ops put together: they only know how to by a table. */
struct bridge_range {
	struct iova_range range;
	struct sg_table sgt;
};

/* As many runs as were put together are in one entry; none is in two. */
static int runs_set_dma(struct drm_gem_bo_run *run, u32 num, struct scatterlist *sg)
{
	u64 done = 0;
	u32 i;

	for (i = 0; i < num; i++) {
		if (done == sg_dma_len(sg)) {
			sg = sg_next(sg);
			done = 0;
		}
		if (run_size(&run[i]) > sg_dma_len(sg) - done)
			return -EOPNOTSUPP;
		run[i].dma_addr = sg_dma_address(sg) + done;
		done += run_size(&run[i]);
	}

	return 0;
}

/* What fails here may succeed run by run. */
static int runs_map_table(const struct drm_gem_bo_dma *dma, struct sg_table *sgt,
			  struct drm_gem_bo_run *run, u32 num)
{
	struct scatterlist *sg;
	u32 i;

	if (sg_alloc_table(sgt, num, GFP_KERNEL))
		return -ENOMEM;

	for_each_sgtable_sg(sgt, sg, i) {
		if (run_size(&run[i]) > UINT_MAX)
			goto err_free;
		sg_set_page(sg, run[i].page, run_size(&run[i]), 0);
	}
	if (dma_map_sgtable(dma->dev, sgt, dma->dir, dma->attrs))
		goto err_free;
	if (runs_set_dma(run, num, sgt->sgl))
		goto err_unmap;

	return 0;

err_unmap:
	dma_unmap_sgtable(dma->dev, sgt, dma->dir, dma->attrs);
err_free:
	sg_free_table(sgt);
	return -EOPNOTSUPP;
}

static struct iova_range *bridge_range_map(const struct drm_gem_bo_dma *dma,
					   struct drm_gem_bo_run *run, u32 num)
{
	struct bridge_range *bridge = kzalloc_obj(*bridge);
	int ret;

	if (!bridge)
		return ERR_PTR(-ENOMEM);
	ret = runs_map_table(dma, &bridge->sgt, run, num);
	if (ret) {
		kfree(bridge);
		return ERR_PTR(ret);
	}

	return &bridge->range;
}

static void bridge_range_destroy(const struct drm_gem_bo_dma *dma, struct iova_range *range)
{
	struct bridge_range *bridge = container_of(range, struct bridge_range, range);

	dma_unmap_sgtable(dma->dev, &bridge->sgt, dma->dir, dma->attrs);
	sg_free_table(&bridge->sgt);
	kfree(bridge);
}

/* --- end of sg_table bridge --- */

#ifdef CONFIG_DEBUG_FS
static size_t backing_metadata_size(const struct drm_gem_bo_backing *backing)
{
	size_t size = sizeof(*backing);
	struct drm_gem_bo_peer *peer;

	/* A list that the exporter handed over is counted there. */
	if (!backing->import || backing->import->sgt)
		size += backing->num_runs * sizeof(*backing->runs);
	list_for_each_entry(peer, &backing->peers, node)
		size += struct_size(peer, runs, peer->num_runs);

	return size;
}

static void backing_show(struct seq_file *m, struct drm_gem_bo_backing *backing)
{
	static const char * const kinds[] = {
		[DRM_GEM_BO_STREAMING] = "streaming",
		[DRM_GEM_BO_IMPORTED] = "imported",
		[DRM_GEM_BO_COHERENT] = "coherent",
		[DRM_GEM_BO_NONCOHERENT] = "noncoh",
		[DRM_GEM_BO_RESOURCE] = "resource",
	};
	u32 i, largest = 0;

	for (i = 0; i < backing->num_runs; i++)
		largest = max_t(u32, largest, backing->runs[i].num_pages);

	seq_printf(m, "%08lx %-9s %10zu %10llu %6u %10llu %9zu %7zu\n",
		   drm_vma_node_start(&backing->obj->vma_node),
		   kinds[backing->kind], backing->obj->size,
		   drm_gem_bo_backing_resident_size(backing), backing->num_runs,
		   (u64)largest << PAGE_SHIFT, backing_metadata_size(backing),
		   !!backing->num_mapped + list_count_nodes(&backing->peers));
}

/* An import changes resv once, before anybody else can see the object's content. */
static void object_show(struct seq_file *m, struct drm_gem_object *obj)
{
	struct dma_resv *resv = READ_ONCE(obj->resv);

	if (!dma_resv_trylock(resv)) {
		seq_printf(m, "%08lx busy\n", drm_vma_node_start(&obj->vma_node));
		return;
	}
	if (obj->backing && resv == obj->resv)
		backing_show(m, obj->backing);
	dma_resv_unlock(resv);
}

/* The first object from an mmap offset in pages on, which moves behind it. */
static struct drm_gem_object *next_object(struct drm_device *dev, u64 *start)
{
	struct drm_vma_offset_manager *mgr = dev->vma_offset_manager;
	struct drm_gem_object *obj, *found = NULL;
	struct drm_mm_node *node;

	drm_vma_offset_lock_lookup(mgr);
	drm_mm_for_each_node_in_range(node, &mgr->vm_addr_space_mm, *start, U64_MAX) {
		obj = container_of(node, struct drm_gem_object, vma_node.vm_node);
		*start = node->start + node->size;
		if (obj->backing && kref_get_unless_zero(&obj->refcount)) {
			found = obj;
			break;
		}
	}
	drm_vma_offset_unlock_lookup(mgr);

	return found;
}

/**
 * drm_gem_bo_backing_show - list the backings of a device in debugfs
 * @m: the file
 * @data: unused
 *
 * A line an object that can be mapped, sizes in bytes: start of the mmap offset in
 * pages, as in the framebuffer file, kind, size, size resident, number of runs,
 * size of the largest one, size of the list, number of devices that have it
 * mapped. An object whose reservation lock is taken is busy and shows no more than
 * that.
 *
 * Returns:
 * 0
 */
int drm_gem_bo_backing_show(struct seq_file *m, void *data)
{
	struct drm_debugfs_entry *entry = m->private;
	struct drm_gem_object *obj;
	u64 start = 0;

	seq_printf(m, "%-8s %-9s %10s %10s %6s %10s %9s %7s\n", "start", "kind",
		   "size", "resident", "runs", "largest", "metadata", "devices");

	while ((obj = next_object(entry->dev, &start))) {
		object_show(m, obj);
		drm_gem_object_put(obj);
	}

	return 0;
}
#endif
