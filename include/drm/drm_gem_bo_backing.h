/* SPDX-License-Identifier: GPL-2.0 */

#ifndef __DRM_GEM_BO_BACKING_H__
#define __DRM_GEM_BO_BACKING_H__

#include <linux/build_bug.h>
#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/types.h>

#include <drm/drm_gem.h>

struct device;
struct dma_buf;
struct dma_buf_attachment;
struct drm_gem_bo_alloc;
struct drm_gem_bo_peer;
struct iommu_domain;
struct iosys_map;
struct p2pdma_provider;
struct seq_file;
struct sg_table;
struct vm_area_struct;
struct vm_fault;

/**
 * enum drm_gem_bo_kind - how the memory of a buffer object is mapped for DMA
 *
 * The kind says which operations an object has and who owns its mapping. It is
 * independent of the CPU caching of the memory.
 */
enum drm_gem_bo_kind {
	/**
	 * @DRM_GEM_BO_STREAMING: pages that the owner maps with the streaming
	 * DMA API: shmem folios, or pages that the driver brought along.
	 */
	DRM_GEM_BO_STREAMING,

	/**
	 * @DRM_GEM_BO_IMPORTED: memory of another exporter. The exporter owns
	 * the mapping; there is no page, not even if the memory has some.
	 */
	DRM_GEM_BO_IMPORTED,

	/**
	 * @DRM_GEM_BO_COHERENT: memory of dma_alloc_attrs(), mapped by being
	 * allocated. CPU and device see the same without cache maintenance.
	 * There may be no page, none is shown.
	 */
	DRM_GEM_BO_COHERENT,

	/**
	 * @DRM_GEM_BO_NONCOHERENT: memory of dma_alloc_pages() or
	 * dma_alloc_noncontiguous(), mapped by being allocated. It has to be
	 * synced.
	 */
	DRM_GEM_BO_NONCOHERENT,

	/**
	 * @DRM_GEM_BO_RESOURCE: a physical range without pages, such as a BAR.
	 * Each device makes a mapping of its own.
	 */
	DRM_GEM_BO_RESOURCE,
};

/**
 * struct drm_gem_bo_run - stretch of an object that is contiguous for both sides
 *
 * Use the cursors and look-ups to read a list; this layout is public only so
 * that the list can be embedded.
 */
struct drm_gem_bo_run {
	/** @page: first page, or NULL where the CPU side has none. */
	struct page *page;

	/** @dma_addr: address of the first byte for the device, if mapped. */
	dma_addr_t dma_addr;

	/** @index: offset in the object, in pages. */
	u32 index;

	/** @num_pages: length, in pages. */
	u32 num_pages : 29;

	/** @mapped: @dma_addr is valid. */
	u32 mapped : 1;

	/** @linked: private, mapped as part of something larger. */
	u32 linked : 1;

	/** @fresh: private, mapped by the call that is under way. */
	u32 fresh : 1;
};

static_assert(sizeof(struct drm_gem_bo_run) <= 24);

/** DRM_GEM_BO_MAX_PAGES - size limit of an object, in pages */
#define DRM_GEM_BO_MAX_PAGES	((1U << 29) - 1)

/**
 * struct drm_gem_bo_dma - the device that a list is mapped for
 *
 * What dma_map_phys() was told is kept, so that unmapping is symmetric.
 */
struct drm_gem_bo_dma {
	/** @dev: the device that does DMA. */
	struct device *dev;

	/** @iovas: private, IOVA ranges that several runs were linked into. */
	struct list_head iovas;

	/** @attrs: DMA_ATTR_* of the mapping. */
	unsigned long attrs;

	/** @dir: direction of the mapping. */
	enum dma_data_direction dir;
};

/**
 * struct drm_gem_bo_backing - the memory of one GEM buffer object
 *
 * A sorted list of runs, read by the CPU side through
 * drm_gem_bo_backing_page() and &drm_gem_bo_cursor.page and by the device side
 * through drm_gem_bo_backing_dma_addr() and &drm_gem_bo_cursor.dma_addr.
 *
 * Embed it in the driver's object. The reservation lock of @obj protects every
 * change. A reader needs that lock as well, unless something else, such as a
 * pin, keeps the list from changing.
 */
struct drm_gem_bo_backing {
	/** @obj: the object; its size, reservation lock and shmem file count. */
	struct drm_gem_object *obj;

	/** @runs: private, the list, sorted by index, without overlaps. */
	struct drm_gem_bo_run *runs;

	/** @num_runs: private, length of @runs. */
	u32 num_runs;

	/** @num_populated: private, pages in @runs. */
	u32 num_populated;

	/** @num_mapped: private, pages in @runs that are mapped for DMA. */
	u32 num_mapped;

	/** @kind: how the memory is mapped, fixed. */
	enum drm_gem_bo_kind kind;

	/**
	 * @map_wc: CPU mappings are write-combined. Fixed while pages are there.
	 */
	bool map_wc : 1;

	/** @dirty: mark the pages dirty when they are put. */
	bool dirty : 1;

	/** @accessed: mark the pages accessed when they are put. */
	bool accessed : 1;

	/** @dma: the mapping for the owner's device, its addresses are in @runs. */
	struct drm_gem_bo_dma dma;

	/** @peers: private, the mappings for other devices. */
	struct list_head peers;

	/** @import: private, the list of an imported object that is mapped. */
	struct drm_gem_bo_peer *import;

	/** @alloc: private, memory that is no shmem file's and no exporter's. */
	struct drm_gem_bo_alloc *alloc;
};

/**
 * struct drm_gem_bo_cursor - a place in a backing
 *
 * Yields the pieces of a byte range one after the other, each as large as the
 * side that is walked allows.
 */
struct drm_gem_bo_cursor {
	/** @dma_addr: DMA address of the piece, set by drm_gem_bo_dma_next(). */
	dma_addr_t dma_addr;

	/** @page: first page of the piece, set by drm_gem_bo_page_next(). */
	struct page *page;

	/** @offset: where in the object the piece starts, in bytes. */
	u64 offset;

	/** @size: length of the piece, in bytes. */
	u64 size;

	/* private: */
	const struct drm_gem_bo_run *run;
	const struct drm_gem_bo_run *last;
	u64 end;
};

int drm_gem_bo_backing_init(struct drm_gem_bo_backing *backing,
			    struct drm_gem_object *obj,
			    enum drm_gem_bo_kind kind);
void drm_gem_bo_backing_fini(struct drm_gem_bo_backing *backing);

int drm_gem_bo_backing_populate(struct drm_gem_bo_backing *backing,
				pgoff_t index, pgoff_t num_pages);
int drm_gem_bo_backing_add_pages(struct drm_gem_bo_backing *backing,
				 pgoff_t index, struct page *page,
				 pgoff_t num_pages);
int drm_gem_bo_backing_alloc_coherent(struct drm_gem_bo_backing *backing,
				      gfp_t gfp, unsigned long attrs);
int drm_gem_bo_backing_alloc_noncoherent(struct drm_gem_bo_backing *backing,
					 gfp_t gfp);
int drm_gem_bo_backing_alloc_noncontiguous(struct drm_gem_bo_backing *backing,
					   gfp_t gfp, unsigned long attrs);
int drm_gem_bo_backing_set_resource(struct drm_gem_bo_backing *backing,
				    phys_addr_t phys,
				    struct p2pdma_provider *provider);
int drm_gem_bo_backing_free(struct drm_gem_bo_backing *backing);
int drm_gem_bo_backing_evict(struct drm_gem_bo_backing *backing);

int drm_gem_bo_backing_attach(struct drm_gem_bo_backing *backing,
			      struct dma_buf *dma_buf);
int drm_gem_bo_backing_import(struct drm_gem_bo_backing *backing,
			      struct dma_buf *dma_buf);
int drm_gem_bo_backing_map(struct drm_gem_bo_backing *backing,
			   pgoff_t index, pgoff_t num_pages);
void drm_gem_bo_backing_unmap(struct drm_gem_bo_backing *backing);

struct drm_gem_bo_peer *
drm_gem_bo_backing_map_peer(struct drm_gem_bo_backing *backing, struct device *dev,
			    enum dma_data_direction dir);
void drm_gem_bo_backing_unmap_peer(struct drm_gem_bo_backing *backing,
				   struct drm_gem_bo_peer *peer);
u64 drm_gem_bo_peer_contiguous_dma(const struct drm_gem_bo_peer *peer,
				   dma_addr_t *dma_addr);

/**
 * drm_gem_bo_backing_is_populated - whether all of an object is in memory
 * @backing: the backing
 *
 * An imported object is never populated, its memory is somebody else's.
 *
 * Returns:
 * true if there is no hole.
 */
static inline bool
drm_gem_bo_backing_is_populated(const struct drm_gem_bo_backing *backing)
{
	return backing->num_populated == backing->obj->size >> PAGE_SHIFT;
}

/**
 * drm_gem_bo_backing_is_mapped - whether all of an object is mapped for DMA
 * @backing: the backing
 *
 * Returns:
 * true if the owner's device can reach every byte.
 */
static inline bool
drm_gem_bo_backing_is_mapped(const struct drm_gem_bo_backing *backing)
{
	return backing->num_mapped == backing->obj->size >> PAGE_SHIFT;
}

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
	return (u64)backing->num_populated << PAGE_SHIFT;
}

/**
 * drm_gem_bo_backing_mapped_size - how much of the object is mapped for DMA
 * @backing: the backing
 *
 * Returns:
 * Size in bytes of what the owner's device has mapped.
 */
static inline u64
drm_gem_bo_backing_mapped_size(const struct drm_gem_bo_backing *backing)
{
	return (u64)backing->num_mapped << PAGE_SHIFT;
}

u64 drm_gem_bo_backing_contiguous_dma(const struct drm_gem_bo_backing *backing,
				      dma_addr_t *dma_addr);

#ifdef CONFIG_DRM_GEM_BO_BACKING
struct page *drm_gem_bo_backing_page(const struct drm_gem_bo_backing *backing,
				     pgoff_t index);
#else
static inline struct page *
drm_gem_bo_backing_page(const struct drm_gem_bo_backing *backing, pgoff_t index)
{
	return NULL;
}
#endif
int drm_gem_bo_backing_dma_addr(const struct drm_gem_bo_backing *backing,
				u64 offset, dma_addr_t *dma_addr);

int drm_gem_bo_dma_begin(struct drm_gem_bo_cursor *cur,
			 const struct drm_gem_bo_backing *backing,
			 u64 offset, u64 size);
bool __drm_gem_bo_dma_next(struct drm_gem_bo_cursor *cur);

/**
 * drm_gem_bo_dma_next - go to the next contiguous DMA range
 * @cur: a cursor that was set up by drm_gem_bo_dma_begin()
 *
 * Runs that follow each other for the device are one range, however scattered
 * they are for the CPU.
 *
 * Returns:
 * true and &drm_gem_bo_cursor.dma_addr, &drm_gem_bo_cursor.offset and
 * &drm_gem_bo_cursor.size of the range, or false at the end.
 */
static inline bool drm_gem_bo_dma_next(struct drm_gem_bo_cursor *cur)
{
	const struct drm_gem_bo_run *run = cur->run;
	u64 size;

	/* A run in the midst of the range that is a piece by itself. */
	if (run < cur->last) {
		size = (u64)run->num_pages << PAGE_SHIFT;
		if (run[1].dma_addr != run->dma_addr + size) {
			cur->offset += cur->size;
			cur->size = size;
			cur->dma_addr = run->dma_addr;
			cur->run = run + 1;
			return true;
		}
	}

	return __drm_gem_bo_dma_next(cur);
}

int drm_gem_bo_page_begin(struct drm_gem_bo_cursor *cur,
			  const struct drm_gem_bo_backing *backing,
			  u64 offset, u64 size);
bool drm_gem_bo_page_next(struct drm_gem_bo_cursor *cur);

int drm_gem_bo_backing_sync_for_cpu(struct drm_gem_bo_backing *backing,
				    u64 offset, u64 size,
				    enum dma_data_direction dir);
int drm_gem_bo_backing_sync_for_device(struct drm_gem_bo_backing *backing,
				       u64 offset, u64 size,
				       enum dma_data_direction dir);
int drm_gem_bo_backing_wait(struct drm_gem_bo_backing *backing,
			    enum dma_data_direction dir);
int drm_gem_bo_backing_begin_cpu_access(struct drm_gem_bo_backing *backing,
					enum dma_data_direction dir);
int drm_gem_bo_backing_end_cpu_access(struct drm_gem_bo_backing *backing,
				      enum dma_data_direction dir);

void *drm_gem_bo_backing_vaddr(const struct drm_gem_bo_backing *backing);
int drm_gem_bo_backing_vmap(struct drm_gem_bo_backing *backing,
			    u64 offset, u64 size, struct iosys_map *map);
void drm_gem_bo_backing_vunmap(struct drm_gem_bo_backing *backing,
			       struct iosys_map *map);
int drm_gem_bo_backing_mmap(struct drm_gem_bo_backing *backing,
			    struct vm_area_struct *vma);
vm_fault_t drm_gem_bo_backing_fault(struct drm_gem_bo_backing *backing,
				    struct vm_fault *vmf, unsigned int order);
vm_fault_t drm_gem_bo_backing_pfn_mkwrite(struct drm_gem_bo_backing *backing,
					  struct vm_fault *vmf);

ssize_t drm_gem_bo_backing_iommu_map(struct drm_gem_bo_backing *backing,
				     struct iommu_domain *domain,
				     unsigned long iova, int prot);

/* The sg_table bridge, for dma-buf importers and exporters that know only that. */
struct sg_table *drm_gem_bo_backing_get_sg_table(struct drm_gem_bo_backing *backing);
struct sg_table *drm_gem_bo_backing_map_attachment(struct drm_gem_bo_backing *backing,
						   struct dma_buf_attachment *attach,
						   enum dma_data_direction dir);
void drm_gem_bo_backing_unmap_attachment(struct drm_gem_bo_backing *backing,
					 struct sg_table *sgt);

int drm_gem_bo_backing_show(struct seq_file *m, void *data);

#endif /* __DRM_GEM_BO_BACKING_H__ */
