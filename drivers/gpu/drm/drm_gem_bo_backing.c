// SPDX-License-Identifier: GPL-2.0

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/folio_batch.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/swap.h>

#ifdef CONFIG_X86
#include <asm/set_memory.h>
#endif

#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_bo_backing.h>
#include <drm/drm_print.h>

#include "drm_internal.h"

/* An object without references is nobody else's. */
static void backing_assert_locked_or_gone(const struct drm_gem_bo_backing *backing)
{
	if (kref_read(&backing->obj->refcount))
		dma_resv_assert_held(backing->obj->resv);
}

static int backing_check_pages(const struct drm_gem_bo_backing *backing,
			       pgoff_t index, pgoff_t num_pages)
{
	pgoff_t total = backing->runs.num_pages;

	if (!num_pages || index >= total || num_pages > total - index)
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
 * lost. The mmap offset has to be there before the first user mapping, also by
 * dma-buf. Pair with drm_gem_bo_backing_fini(), also if nothing else was called.
 *
 * Returns:
 * 0, -EINVAL if the size of the object is zero or not a multiple of the page
 * size, -E2BIG if it is beyond DMA_RUNS_MAX_PAGES.
 */
int drm_gem_bo_backing_init(struct drm_gem_bo_backing *backing,
			    struct drm_gem_object *obj,
			    enum dma_runs_kind kind)
{
	if (!obj->size || !PAGE_ALIGNED(obj->size))
		return -EINVAL;
	if ((u64)obj->size >> PAGE_SHIFT > DMA_RUNS_MAX_PAGES)
		return -E2BIG;

	*backing = (struct drm_gem_bo_backing) {
		.obj = obj,
		.list = &backing->runs,
	};
	dma_runs_init(&backing->runs, drm_dev_dma_dev(obj->dev), kind,
		      obj->size >> PAGE_SHIFT);
	obj->backing = backing;
	/* By that debugfs finds it. */
	obj->vma_node.driver_private = backing;

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_init);

/*
 * Pages
 */

/* Back to the LRU that they belong to, and without the reference that was taken. */
static void folios_put_evictable(struct folio_batch *fbatch)
{
	check_move_unevictable_folios(fbatch);
	__folio_batch_release(fbatch);
	cond_resched();
}

/* What a batch has goes into a list, or back. No two runs may share a reference. */
static int add_folios(struct dma_runs *more, struct folio_batch *fbatch, pgoff_t index,
		      pgoff_t end, gfp_t gfp)
{
	struct phys_vec ranges[FOLIO_BATCH_SIZE];
	unsigned int i, num = folio_batch_count(fbatch);
	pgoff_t start, next = index;
	int ret = 0;

	for (i = 0; i < num; i++) {
		struct folio *folio = fbatch->folios[i];

		start = next++;
		/* Of a small folio nothing more has to be read. */
		if (folio_test_large(folio))
			next = min(end, folio_next_index(folio));
		ranges[i].paddr = page_to_phys(folio_file_page(folio, start));
		ranges[i].len = (next - start) << PAGE_SHIFT;
		/* shmem has to keep to the zone, also when it swaps in. */
		if (WARN_ON_ONCE((gfp & __GFP_DMA32) && folio_pfn(folio) >= 0x00100000UL))
			ret = -EIO;
	}
	if (!ret)
		ret = dma_runs_add_ranges(more, index, ranges, num);
	if (ret)
		folios_put_evictable(fbatch);

	return ret;
}

/* Like shmem: reclaim holds the lock until it is done, and has it swapped out then. */
static bool folio_is_cached(struct folio *folio, const struct address_space *mapping)
{
	bool cached;

	if (!folio_trylock(folio))
		return false;
	cached = folio->mapping == mapping && folio_test_uptodate(folio);
	folio_unlock(folio);

	return cached;
}

/* What is in the page cache without a gap. Returns where it ends. */
static pgoff_t look_up_folios(struct address_space *mapping, struct folio_batch *fbatch,
			      pgoff_t index, pgoff_t end)
{
	unsigned int i, n, num;
	pgoff_t start = index;

	num = filemap_get_folios_contig(mapping, &start, end - 1, fbatch);
	for (n = 0; n < num && folio_is_cached(fbatch->folios[n], mapping); n++)
		index = folio_next_index(fbatch->folios[n]);
	for (i = n; i < num; i++)
		folio_put(fbatch->folios[i]);
	fbatch->nr = n;

	return index;
}

/* By batches: what there is, and then what shmem has to allocate or to swap in. */
static int read_gap(struct dma_runs *more, struct address_space *mapping, pgoff_t index,
		    pgoff_t end)
{
	gfp_t gfp = mapping_gfp_mask(mapping);
	struct folio_batch fbatch;
	pgoff_t next = index;
	int ret = 0;

	for (; !ret && index < end; index = next) {
		folio_batch_init(&fbatch);
		next = look_up_folios(mapping, &fbatch, index, end);
		while (next < end && folio_batch_space(&fbatch)) {
			struct folio *folio = shmem_read_folio_gfp(mapping, next, gfp);

			if (IS_ERR(folio)) {
				folios_put_evictable(&fbatch);
				return PTR_ERR(folio);
			}
			folio_batch_add(&fbatch, folio);
			next = folio_next_index(folio);
		}
		ret = add_folios(more, &fbatch, index, end, gfp);
	}

	return ret;
}

/* Reads what is missing of a range. */
static int backing_read(const struct drm_gem_bo_backing *backing, struct dma_runs *more,
			pgoff_t index, pgoff_t end)
{
	const struct dma_run *run = backing->runs.runs;
	const struct dma_run *last = run + backing->runs.num_runs;
	int ret = 0;

	for (run += dma_runs_find_nr(&backing->runs, index); !ret && index < end; run++) {
		pgoff_t next = run < last ? min(end, run->index) : end;

		if (index < next)
			ret = read_gap(more, backing->obj->filp->f_mapping, index, next);
		index = run < last ? dma_run_end(run) : end;
	}

	return ret;
}

static void runs_put(const struct dma_runs *runs, bool dirty, bool accessed)
{
	const struct dma_run *run = runs->runs, *last = run + runs->num_runs;
	struct folio_batch fbatch;
	unsigned long pfn, end;

	folio_batch_init(&fbatch);
	for (; run < last; run++) {
		pfn = PHYS_PFN(run->phys);
		end = pfn + run->num_pages;
		do {
			struct folio *folio = page_folio(pfn_to_page(pfn));

			if (dirty)
				folio_mark_dirty(folio);
			if (accessed)
				folio_mark_accessed(folio);
			/* See add_folios(): a small folio has the next page behind it. */
			pfn++;
			if (folio_test_large(folio))
				pfn = folio_pfn(folio) + folio_nr_pages(folio);
			if (!folio_batch_add(&fbatch, folio))
				folios_put_evictable(&fbatch);
		} while (pfn < end);
	}
	if (folio_batch_count(&fbatch))
		folios_put_evictable(&fbatch);
}

/*
 * Changing the memory type flushes caches at each call, so that pages are
 * collected first. It has to work without memory, too.
 */
static void runs_set_caching(const struct dma_runs *runs, enum drm_gem_bo_caching caching)
{
#ifdef CONFIG_X86
	struct page *few[16], **pages = kmalloc(PAGE_SIZE, GFP_NOWAIT);
	u32 max = pages ? PAGE_SIZE / sizeof(*pages) : ARRAY_SIZE(few);
	struct page **batch = pages ?: few;
	u32 i, nr, n = 0;

	for (i = 0; i < runs->num_runs; i++) {
		const struct dma_run *run = &runs->runs[i];

		for (nr = 0; nr < run->num_pages; nr++) {
			batch[n++] = pfn_to_page(PHYS_PFN(run->phys) + nr);
			if (n < max && (i + 1 < runs->num_runs || nr + 1 < run->num_pages))
				continue;
			if (caching == DRM_GEM_BO_WRITE_COMBINED)
				set_pages_array_wc(batch, n);
			else if (caching == DRM_GEM_BO_UNCACHED)
				set_pages_array_uc(batch, n);
			else
				set_pages_array_wb(batch, n);
			n = 0;
		}
	}
	kfree(pages);
#endif
}

/**
 * drm_gem_bo_backing_populate - get the memory of a range from shmem
 * @backing: the backing of a streaming object with a shmem file
 * @index: first page of the range
 * @num_pages: length of the range
 *
 * Allocates or swaps in what is missing in the range and keeps it in memory
 * until drm_gem_bo_backing_free(). Pages that are there stay where they are.
 * Uses the GFP mask of the mapping, see mapping_set_gfp_mask().
 *
 * Returns:
 * 0, -EINVAL if the range is empty or not inside the object, -EOPNOTSUPP if
 * the object has no shmem file or takes memory of a process, or what shmem says.
 * After an error the object is as it was before.
 */
int drm_gem_bo_backing_populate(struct drm_gem_bo_backing *backing,
				pgoff_t index, pgoff_t num_pages)
{
	struct address_space *mapping;
	struct dma_runs more;
	int ret;

	dma_resv_assert_held(backing->obj->resv);
	might_alloc(GFP_KERNEL);

	ret = backing_check_pages(backing, index, num_pages);
	if (ret)
		return ret;
	if (backing->runs.kind != DMA_RUNS_STREAMING)
		return -EOPNOTSUPP;
	if (dma_runs_is_populated(&backing->runs))
		return 0;
	if (backing->user || !backing->obj->filp)
		return -EOPNOTSUPP;

	mapping = backing->obj->filp->f_mapping;
	mapping_set_unevictable(mapping);

	dma_runs_init(&more, NULL, DMA_RUNS_STREAMING, backing->runs.num_pages);
	ret = backing_read(backing, &more, index, index + num_pages);
	if (!ret && backing->caching)
		runs_set_caching(&more, backing->caching);
	if (!ret)
		ret = dma_runs_splice(&backing->runs, &more);
	if (ret) {
		if (!backing->runs.num_populated)
			mapping_clear_unevictable(mapping);
		if (backing->caching)
			runs_set_caching(&more, DRM_GEM_BO_CACHED);
		runs_put(&more, false, false);
		dma_runs_clear(&more);
		return ret;
	}
	backing->runs.uncached = backing->caching != DRM_GEM_BO_CACHED;

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_populate);

static void backing_put_pages(struct drm_gem_bo_backing *backing)
{
	dma_runs_unmap(&backing->runs);
	if (backing->caching)
		runs_set_caching(&backing->runs, DRM_GEM_BO_CACHED);
	if (backing->own_pages) {
		dma_runs_free_pages(&backing->runs);
	} else {
		mapping_clear_unevictable(backing->obj->filp->f_mapping);
		runs_put(&backing->runs, backing->dirty, backing->accessed);
	}
	backing->own_pages = false;
}

/**
 * drm_gem_bo_backing_pin_user - take memory of a process for an object
 * @backing: the backing of a streaming object with &drm_gem_bo_backing.user set
 * @mm: the process
 * @addr: where in it the memory starts, page aligned; it is as long as the object
 * @write: it is going to be written, too
 *
 * Pins it until drm_gem_bo_backing_free() or drm_gem_bo_backing_fini(), which mark
 * it dirty if @write. If not, the object is mapped DMA_TO_DEVICE. Nothing happens if
 * it is pinned already. Takes the reservation lock, and faults without it.
 *
 * Returns:
 * 0, -EOPNOTSUPP if the object does not take memory of a process, -EPERM for another
 * than the current one, or what dma_runs_pin_user() says. After an error the object
 * is as it was before.
 */
int drm_gem_bo_backing_pin_user(struct drm_gem_bo_backing *backing, struct mm_struct *mm,
				unsigned long addr, bool write)
{
	unsigned int flags = FOLL_LONGTERM | (write ? FOLL_WRITE : 0);
	struct dma_resv *resv = backing->obj->resv;
	struct dma_runs more;
	bool done;
	int ret;

	if (!backing->user)
		return -EOPNOTSUPP;

	dma_resv_lock(resv, NULL);
	done = dma_runs_is_populated(&backing->runs);
	dma_resv_unlock(resv);
	if (done)
		return 0;
	if (mm != current->mm)
		return -EPERM;

	/* A fault wants the mmap_lock, which comes before the reservation lock. */
	dma_runs_init(&more, NULL, backing->runs.kind, backing->runs.num_pages);
	ret = dma_runs_pin_user(&more, 0, addr, more.num_pages, flags);

	dma_resv_lock(resv, NULL);
	/* Somebody else may have been faster. */
	if (!ret && !dma_runs_is_populated(&backing->runs)) {
		ret = dma_runs_splice(&backing->runs, &more);
		backing->runs.dir = write ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE;
		backing->dirty = write;
	}
	dma_resv_unlock(resv);
	dma_runs_unpin_user(&more, false);

	return ret;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_pin_user);

static void backing_unpin_user(struct drm_gem_bo_backing *backing)
{
	dma_runs_unmap(&backing->runs);
	dma_runs_unpin_user(&backing->runs, backing->dirty);
}

/*
 * Memory that is allocated
 */

static int backing_alloc_pages(struct drm_gem_bo_backing *backing, gfp_t gfp)
{
	struct dma_runs *runs = &backing->runs;
	int ret = dma_runs_alloc_pages(runs, gfp);

	if (ret) {
		dma_runs_free_pages(runs);
		return ret;
	}
	if (backing->caching)
		runs_set_caching(runs, backing->caching);
	runs->uncached = backing->caching != DRM_GEM_BO_CACHED;
	backing->own_pages = true;

	return 0;
}

/* Memory of the DMA API is mapped from its allocation until it is freed. */
static bool backing_is_allocated(const struct drm_gem_bo_backing *backing)
{
	return backing->runs.kind == DMA_RUNS_COHERENT ||
	       backing->runs.kind == DMA_RUNS_NONCOHERENT;
}

static void backing_free_alloc(const struct drm_gem_bo_backing *backing, struct page *page,
			       dma_addr_t dma_addr)
{
	const struct dma_runs *runs = &backing->runs;
	size_t size = backing->obj->size;

	if (runs->kind == DMA_RUNS_NONCOHERENT)
		dma_free_pages(runs->dev, size, page, dma_addr, runs->dir);
	else
		dma_free_attrs(runs->dev, size, runs->cpu_addr, dma_addr, runs->attrs);
}

static int backing_alloc_dma(struct drm_gem_bo_backing *backing, gfp_t gfp,
			     unsigned long attrs)
{
	struct dma_runs *runs = &backing->runs;
	phys_addr_t phys = DMA_RUN_NO_PHYS;
	size_t size = backing->obj->size;
	struct page *page = NULL;
	dma_addr_t dma_addr;
	int ret;

	if (!runs->dev->dma_mask)
		return -ENODEV;

	if (runs->kind == DMA_RUNS_NONCOHERENT) {
		page = dma_alloc_pages(runs->dev, size, &dma_addr, runs->dir, gfp);
		if (!page)
			return -ENOMEM;
		phys = page_to_phys(page);
		runs->cpu_addr = page_address(page);
	} else {
		runs->attrs = attrs;
		runs->cpu_addr = dma_alloc_attrs(runs->dev, size, &dma_addr, gfp, attrs);
		if (!runs->cpu_addr)
			return -ENOMEM;
	}
	/* Whether coherent memory has a page is nobody's business. */
	ret = dma_runs_add_mapped(runs, 0, phys, dma_addr, runs->num_pages);
	if (ret)
		backing_free_alloc(backing, page, dma_addr);

	return ret;
}

/**
 * drm_gem_bo_backing_alloc - allocate memory for an object
 * @backing: the backing of a coherent or noncoherent object, or of a streaming one
 *	without a shmem file
 * @gfp: flags of the allocation
 * @attrs: of a coherent object DMA_ATTR_WRITE_COMBINE, DMA_ATTR_NO_KERNEL_MAPPING
 *	and so on
 *
 * What is coherent or noncoherent comes from the DMA API, for the owner's device,
 * for which the object is mapped from then on until drm_gem_bo_backing_free() or
 * drm_gem_bo_backing_fini(). Of a noncoherent object for the direction in
 * &drm_gem_bo_backing.runs; it has to be synced.
 *
 * What is streaming comes from the page allocator, see dma_runs_alloc_pages(), and
 * is mapped by drm_gem_bo_backing_map().
 *
 * Returns:
 * 0, -EOPNOTSUPP if the object is of another kind, -EEXIST if it has memory,
 * -ENODEV if the device does no DMA, -ENOMEM.
 */
int drm_gem_bo_backing_alloc(struct drm_gem_bo_backing *backing, gfp_t gfp,
			     unsigned long attrs)
{
	bool pages = backing->runs.kind == DMA_RUNS_STREAMING && !backing->obj->filp;

	dma_resv_assert_held(backing->obj->resv);
	might_alloc(GFP_KERNEL);

	if (!pages && !backing_is_allocated(backing))
		return -EOPNOTSUPP;
	if (backing->runs.num_runs)
		return -EEXIST;

	return pages ? backing_alloc_pages(backing, gfp) :
		       backing_alloc_dma(backing, gfp, attrs);
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_alloc);

/*
 * DMA mappings
 */

static int backing_import(struct drm_gem_bo_backing *backing)
{
	struct dma_buf_attachment *attach = backing->obj->import_attach;
	struct dma_runs *list;

	if (!attach)
		return -EINVAL;

	list = dma_buf_map_runs(attach, backing->runs.dir);
	if (IS_ERR(list))
		return PTR_ERR(list);
	/* One that is shorter than the object would be walked past its end. */
	if (list->num_pages != backing->runs.num_pages) {
		dma_buf_unmap_runs(attach, list);
		return -EINVAL;
	}
	backing->list = list;

	return 0;
}

/**
 * drm_gem_bo_backing_map - map a range for the owner's device
 * @backing: the backing
 * @index: first page of the range
 * @num_pages: length of the range
 *
 * Maps what is not mapped yet, by whole runs, for drm_dev_dma_dev() and with
 * the direction and attributes in &drm_gem_bo_backing.runs. What is mapped
 * keeps its address.
 *
 * An imported object is mapped as a whole by its exporter, whatever the range.
 * What was allocated is mapped already.
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
	if (dma_runs_is_mapped(backing->list))
		return 0;
	if (backing->runs.kind == DMA_RUNS_IMPORTED)
		return backing_import(backing);
	if (backing_is_allocated(backing))
		return -ENXIO;

	return dma_runs_map(&backing->runs, index, num_pages);
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_map);

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
	struct dma_runs *list = backing->list;

	backing_assert_locked_or_gone(backing);

	if (list == &backing->runs) {
		dma_runs_unmap(list);
	} else {
		backing->list = &backing->runs;
		dma_buf_unmap_runs(backing->obj->import_attach, list);
	}
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_unmap);

/**
 * drm_gem_bo_backing_free - unmap an object and give its memory back
 * @backing: the backing of an object that is not imported
 *
 * Undoes drm_gem_bo_backing_populate(), drm_gem_bo_backing_pin_user() or
 * drm_gem_bo_backing_alloc(); the object can have memory again later. Need not be
 * called before drm_gem_bo_backing_fini(). CPU mappings, of the kernel as well, are
 * the caller's to remove before.
 *
 * What was populated survives in shmem if the pages are dirty; truncate the file
 * to drop it. &drm_gem_bo_backing.dirty and &drm_gem_bo_backing.accessed are reset.
 * Allocates nothing that it could not do without, safe in a shrinker. The content
 * of what was allocated is lost.
 *
 * Returns:
 * 0, also if there is no memory, -EBUSY if other devices have the object mapped,
 * -EOPNOTSUPP if the memory is not the object's own.
 */
int drm_gem_bo_backing_free(struct drm_gem_bo_backing *backing)
{
	struct dma_runs *runs = &backing->runs;

	backing_assert_locked_or_gone(backing);

	if (runs->kind == DMA_RUNS_IMPORTED)
		return -EOPNOTSUPP;
	if (!list_empty(&runs->others))
		return -EBUSY;

	/* Pages that are neither allocated nor shmem's are the driver's to give back. */
	if (runs->num_runs && backing_is_allocated(backing))
		backing_free_alloc(backing, drm_gem_bo_backing_page(backing, 0),
				   runs->runs[0].dma_addr);
	else if (runs->num_runs && backing->user)
		backing_unpin_user(backing);
	else if (runs->num_runs && (backing->own_pages || backing->obj->filp))
		backing_put_pages(backing);
	dma_runs_clear(runs);
	backing->dirty = false;
	backing->accessed = false;

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_free);

/**
 * drm_gem_bo_backing_fini - take the backing of an object down
 * @backing: the backing
 *
 * Unmaps what is mapped and puts the memory. The reservation lock has to be
 * held, unless the object is native and its last reference is gone; nobody else
 * may have the object mapped any more.
 */
void drm_gem_bo_backing_fini(struct drm_gem_bo_backing *backing)
{
	struct drm_gem_object *obj = backing->obj;

	/* An object whose creation failed early has none. */
	if (!obj)
		return;

	if (backing->runs.kind == DMA_RUNS_IMPORTED)
		drm_gem_bo_backing_unmap(backing);
	else if (drm_WARN_ON(obj->dev, drm_gem_bo_backing_free(backing)))
		/* Better a leak than lists that are linked into what is freed. */
		dma_runs_clear(&backing->runs);

	obj->vma_node.driver_private = NULL;
	obj->backing = NULL;
	backing->obj = NULL;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_fini);

/**
 * drm_gem_bo_backing_map_runs - map an object for an importer
 * @attach: the importer of a GEM object with a backing
 * @dir: direction of its transfers
 *
 * For &dma_buf_ops.map_runs; &dma_buf_ops.unmap_runs is not needed. What the CPU
 * wrote before is handed over. After that caches are maintained by the begin and the
 * end of CPU access only: the CPU may be writing.
 *
 * Returns:
 * The list or an error pointer: -EPERM for memory of a process, or see
 * dma_runs_map_for().
 */
struct dma_runs *drm_gem_bo_backing_map_runs(struct dma_buf_attachment *attach,
					     enum dma_data_direction dir)
{
	struct drm_gem_object *obj = attach->dmabuf->priv;
	struct drm_gem_bo_backing *backing = obj->backing;
	struct dma_runs *list;

	dma_resv_assert_held(obj->resv);

	if (backing->user)
		return ERR_PTR(-EPERM);

	list = dma_runs_map_for(&backing->runs, attach->dev, dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (!IS_ERR(list) && dir != DMA_TO_DEVICE)
		backing->dirty = true;

	return list;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_map_runs);

/**
 * drm_gem_bo_backing_attach - make a dma-buf the memory of an object
 * @backing: the backing of an imported object, of the size of @dma_buf
 * @dma_buf: somebody else's, see drm_gem_bo_backing_import_own()
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

	if (backing->runs.kind != DMA_RUNS_IMPORTED)
		return -EOPNOTSUPP;

	attach = dma_buf_attach(dma_buf, backing->runs.dev);
	if (IS_ERR(attach))
		return PTR_ERR(attach);
	get_dma_buf(dma_buf);
	obj->import_attach = attach;
	obj->resv = dma_buf->resv;

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_attach);

/*
 * Cache maintenance
 */

/**
 * drm_gem_bo_backing_cpu_access - hand an object over to the CPU or to all devices
 * @backing: the backing of an exported object
 * @dir: direction of the transfers that were made or are to come
 * @for_device: end of the CPU's access, or else its begin
 *
 * For &dma_buf_ops.begin_cpu_access and &dma_buf_ops.end_cpu_access: syncs the
 * owner's mapping and that of every importer; before the CPU's access it waits for
 * fences, of writes only if the CPU is going to read. Of coherent memory only
 * importers that do not snoop need to be synced, of write-combined pages only
 * bounce buffers; success all the same, as user space asks whatever it was given.
 * Takes the reservation lock.
 *
 * Returns:
 * 0, -EINVAL if the direction is none, -EOPNOTSUPP if the object is imported,
 * -ERESTARTSYS if interrupted by a signal.
 */
int drm_gem_bo_backing_cpu_access(struct drm_gem_bo_backing *backing,
				  enum dma_data_direction dir, bool for_device)
{
	struct dma_resv *resv = backing->obj->resv;
	long ret = 0;

	if (!valid_dma_direction(dir) || dir == DMA_NONE)
		return -EINVAL;
	if (backing->runs.kind == DMA_RUNS_IMPORTED)
		return -EOPNOTSUPP;

	/*
	 * dma_buf_begin_cpu_access() waits after it has called the exporter, too late
	 * where caches are invalidated or bounce buffers copied. Not with the lock held,
	 * which would keep others from submitting work.
	 */
	if (!for_device)
		ret = dma_resv_wait_timeout(resv, dma_resv_usage_rw(dir != DMA_FROM_DEVICE),
					    true, MAX_SCHEDULE_TIMEOUT);
	if (ret < 0)
		return ret;

	dma_resv_lock(resv, NULL);
	dma_runs_sync_all(&backing->runs, dir, for_device);
	dma_resv_unlock(resv);

	return 0;
}
EXPORT_SYMBOL_GPL(drm_gem_bo_backing_cpu_access);
