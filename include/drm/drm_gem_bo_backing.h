/* SPDX-License-Identifier: GPL-2.0 */

#ifndef __DRM_GEM_BO_BACKING_H__
#define __DRM_GEM_BO_BACKING_H__

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-runs.h>
#include <linux/mm.h>

#include <drm/drm_gem.h>
#include <drm/drm_prime.h>

/**
 * enum drm_gem_bo_caching - how the CPU maps the pages of a streaming object
 */
enum drm_gem_bo_caching {
	/** @DRM_GEM_BO_CACHED: through its caches. */
	DRM_GEM_BO_CACHED,

	/** @DRM_GEM_BO_WRITE_COMBINED: past its caches, writes are gathered. */
	DRM_GEM_BO_WRITE_COMBINED,

	/** @DRM_GEM_BO_UNCACHED: past its caches, one by one. */
	DRM_GEM_BO_UNCACHED,
};

/**
 * struct drm_gem_bo_backing - the memory of one GEM buffer object
 *
 * Embed it in the driver's object. The reservation lock of @obj protects every
 * change. A reader needs that lock as well, unless something else, such as a
 * pin, keeps the list from changing.
 */
struct drm_gem_bo_backing {
	/** @obj: the object; its size, reservation lock and shmem file count. */
	struct drm_gem_object *obj;

	/**
	 * @runs: the memory of the object, mapped for the owner's device. Its kind
	 * is fixed; direction and attributes are the driver's to set before.
	 */
	struct dma_runs runs;

	/**
	 * @list: what the owner's device sees: @runs, or the list of the exporter
	 * of an imported object that is mapped.
	 */
	struct dma_runs *list;

	/**
	 * @fault_end: private, where the last page fault ended that read, and the last
	 * that wrote.
	 */
	u32 fault_end[2];

	/** @fault_num: private, how many pages they were to fill. */
	u16 fault_num[2];

	/** @caching: how the CPU maps it. Fixed while memory is there. */
	enum drm_gem_bo_caching caching : 8;

	/**
	 * @user: the memory is a process's, see drm_gem_bo_backing_pin_user(). Such
	 * an object is neither exported nor mapped to user space, and has nothing of
	 * its shmem file if it has one.
	 */
	bool user : 1;

	/** @dirty: mark the pages dirty when they are put. */
	bool dirty : 1;

	/** @accessed: mark the pages accessed when they are put. */
	bool accessed : 1;

	/** @own_pages: private, pages that drm_gem_bo_backing_free() frees. */
	bool own_pages : 1;
};

int drm_gem_bo_backing_init(struct drm_gem_bo_backing *backing,
			    struct drm_gem_object *obj,
			    enum dma_runs_kind kind);
void drm_gem_bo_backing_fini(struct drm_gem_bo_backing *backing);

/**
 * drm_gem_bo_backing_release - take down what an object has of the helper
 * @backing: the backing of an object that nobody else knows any more
 *
 * drm_gem_bo_backing_fini(), and for an imported object the end of the import.
 * For &drm_gem_object_funcs.free. The reservation lock is taken where somebody else
 * may want it: not for a native object whose last reference is gone, as a shrinker
 * that drops it must not wait.
 */
static inline void drm_gem_bo_backing_release(struct drm_gem_bo_backing *backing)
{
	struct drm_gem_object *obj = backing->obj;
	bool lock;

	if (!obj)
		return;

	lock = drm_gem_is_imported(obj) || kref_read(&obj->refcount);
	if (lock)
		dma_resv_lock(obj->resv, NULL);
	drm_gem_bo_backing_fini(backing);
	if (lock)
		dma_resv_unlock(obj->resv);
	if (drm_gem_is_imported(obj))
		drm_prime_gem_destroy(obj, NULL);
}

int drm_gem_bo_backing_populate(struct drm_gem_bo_backing *backing,
				pgoff_t index, pgoff_t num_pages);
int drm_gem_bo_backing_pin_user(struct drm_gem_bo_backing *backing, struct mm_struct *mm,
				unsigned long addr, bool write);
int drm_gem_bo_backing_alloc(struct drm_gem_bo_backing *backing, gfp_t gfp,
			     unsigned long attrs);
int drm_gem_bo_backing_free(struct drm_gem_bo_backing *backing);

/**
 * drm_gem_bo_backing_import_own - look whether a dma-buf is of the same device
 * @dev: DRM device that imports it
 * @dma_buf: the dma-buf
 *
 * The object is what is counted then, not the dma-buf.
 *
 * Returns:
 * The object that was exported, with a reference, or NULL.
 */
static inline struct drm_gem_object *
drm_gem_bo_backing_import_own(struct drm_device *dev, struct dma_buf *dma_buf)
{
	struct drm_gem_object *obj = dma_buf->priv;

	if (!drm_gem_is_prime_exported_dma_buf(dev, dma_buf))
		return NULL;
	drm_gem_object_get(obj);

	return obj;
}

int drm_gem_bo_backing_attach(struct drm_gem_bo_backing *backing,
			      struct dma_buf *dma_buf);
int drm_gem_bo_backing_map(struct drm_gem_bo_backing *backing,
			   pgoff_t index, pgoff_t num_pages);
void drm_gem_bo_backing_unmap(struct drm_gem_bo_backing *backing);

/**
 * drm_gem_bo_backing_import - make a dma-buf the memory of an object and map it
 * @backing: the backing of an imported object, of the size of @dma_buf
 * @dma_buf: somebody else's, see drm_gem_bo_backing_import_own()
 *
 * Like drm_gem_bo_backing_attach(), and maps all of @dma_buf for the owner's
 * device, in the direction in &drm_gem_bo_backing.runs.
 *
 * Undone, after an error as well, by drm_gem_bo_backing_fini() and, if the
 * object has an attachment, drm_prime_gem_destroy() without a table.
 *
 * Returns:
 * 0, or what drm_gem_bo_backing_attach() or drm_gem_bo_backing_map() says.
 */
static inline int drm_gem_bo_backing_import(struct drm_gem_bo_backing *backing,
					    struct dma_buf *dma_buf)
{
	int ret = drm_gem_bo_backing_attach(backing, dma_buf);

	if (ret)
		return ret;

	dma_resv_lock(backing->obj->resv, NULL);
	ret = drm_gem_bo_backing_map(backing, 0, backing->runs.num_pages);
	dma_resv_unlock(backing->obj->resv);

	return ret;
}

struct dma_runs *drm_gem_bo_backing_map_runs(struct dma_buf_attachment *attach,
					     enum dma_data_direction dir);

/**
 * drm_gem_bo_backing_resident_size - how much memory the object keeps resident
 * @backing: the backing
 *
 * Returns:
 * Size in bytes, 0 for an imported object.
 */
static inline u64
drm_gem_bo_backing_resident_size(const struct drm_gem_bo_backing *backing)
{
	return (u64)backing->runs.num_populated << PAGE_SHIFT;
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
static inline struct page *
drm_gem_bo_backing_page(const struct drm_gem_bo_backing *backing, pgoff_t index)
{
	phys_addr_t phys;

	if (index >= backing->runs.num_pages)
		return NULL;
	phys = dma_runs_phys(&backing->runs, index);

	return phys == DMA_RUN_NO_PHYS ? NULL : pfn_to_page(PHYS_PFN(phys));
}

/**
 * drm_gem_bo_backing_dma_addr - the DMA address of a byte
 * @backing: the backing
 * @offset: which byte of the object
 * @dma_addr: returns its address for the owner's device, all ones if it is not mapped
 *
 * Returns:
 * 0, -EINVAL behind the end of the object, -ENXIO if the byte is not mapped.
 */
static inline int
drm_gem_bo_backing_dma_addr(const struct drm_gem_bo_backing *backing,
			    u64 offset, dma_addr_t *dma_addr)
{
	if (offset >= backing->obj->size)
		return -EINVAL;

	return dma_runs_contiguous(backing->list, offset, dma_addr) ? 0 : -ENXIO;
}

/**
 * drm_gem_bo_backing_sync - hand a byte range over to the CPU or to the device
 * @backing: the backing of a streaming or noncoherent object
 * @offset: start of the range, in bytes
 * @size: length of the range, in bytes
 * @dir: direction of the transfers that were made or are to come
 * @for_device: whom to hand it to
 *
 * Parts that are not mapped need no maintenance, they are skipped.
 *
 * Returns:
 * 0, -EINVAL if the range is empty or not inside the object or the direction
 * is none, -EOPNOTSUPP if the memory is coherent, which must not be synced, or if
 * cache maintenance is the business of an exporter.
 */
static inline int
drm_gem_bo_backing_sync(struct drm_gem_bo_backing *backing, u64 offset, u64 size,
			enum dma_data_direction dir, bool for_device)
{
	u64 total = backing->obj->size;

	if (!size || offset >= total || size > total - offset)
		return -EINVAL;
	if (!valid_dma_direction(dir) || dir == DMA_NONE)
		return -EINVAL;
	if (!dma_runs_can(&backing->runs, DMA_RUNS_CAN_SYNC))
		return -EOPNOTSUPP;

	dma_runs_sync(&backing->runs, offset, size, dir, for_device);

	return 0;
}

int drm_gem_bo_backing_cpu_access(struct drm_gem_bo_backing *backing,
				  enum dma_data_direction dir, bool for_device);

/* For &dma_buf_ops.begin_cpu_access, where &dma_buf.priv is the object. */
static inline int
drm_gem_bo_backing_begin_cpu_access(struct dma_buf *dma_buf, enum dma_data_direction dir)
{
	struct drm_gem_object *obj = dma_buf->priv;

	return drm_gem_bo_backing_cpu_access(obj->backing, dir, false);
}

/* For &dma_buf_ops.end_cpu_access. */
static inline int
drm_gem_bo_backing_end_cpu_access(struct dma_buf *dma_buf, enum dma_data_direction dir)
{
	struct drm_gem_object *obj = dma_buf->priv;

	return drm_gem_bo_backing_cpu_access(obj->backing, dir, true);
}

/**
 * drm_gem_bo_backing_vaddr - the kernel address that comes with an allocation
 * @backing: the backing
 *
 * Does not sleep nor take a lock. Valid as long as the allocation.
 *
 * Returns:
 * The address of the first byte of a coherent or noncoherent object. NULL if
 * there is none: without memory, with DMA_ATTR_NO_KERNEL_MAPPING, and for all
 * other kinds.
 */
static inline void *drm_gem_bo_backing_vaddr(const struct drm_gem_bo_backing *backing)
{
	if (!backing->runs.num_runs || backing->runs.kind == DMA_RUNS_RESOURCE ||
	    backing->runs.attrs & DMA_ATTR_NO_KERNEL_MAPPING)
		return NULL;

	return backing->runs.cpu_addr;
}

int drm_gem_bo_backing_vmap(struct drm_gem_bo_backing *backing,
			    u64 offset, u64 size, struct iosys_map *map);
void drm_gem_bo_backing_vunmap(struct drm_gem_bo_backing *backing,
			       struct iosys_map *map);

/* For &drm_gem_object_funcs.vmap: drm_gem_bo_backing_vmap() of the whole object. */
static inline int
drm_gem_bo_backing_object_vmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	return drm_gem_bo_backing_vmap(obj->backing, 0, obj->size, map);
}

/* For &drm_gem_object_funcs.vunmap. */
static inline void
drm_gem_bo_backing_object_vunmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	drm_gem_bo_backing_vunmap(obj->backing, map);
}

int drm_gem_bo_backing_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma);
vm_fault_t drm_gem_bo_backing_fault(struct drm_gem_bo_backing *backing,
				    struct vm_fault *vmf, unsigned int order);

#endif /* __DRM_GEM_BO_BACKING_H__ */
