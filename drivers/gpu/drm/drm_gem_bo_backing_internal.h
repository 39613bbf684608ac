/* SPDX-License-Identifier: GPL-2.0 */

#ifndef __DRM_GEM_BO_BACKING_INTERNAL_H__
#define __DRM_GEM_BO_BACKING_INTERNAL_H__

#include <linux/mm.h>

#include <drm/drm_gem.h>
#include <drm/drm_gem_bo_backing.h>

struct dma_remap;

/* A list mapped for another device. Its runs carry no pages. */
struct drm_gem_bo_peer {
	/* Among those of the exporter, if that has a list. */
	struct list_head node;
	struct drm_gem_bo_dma dma;
	/* What was allocated for one device, for another. */
	struct dma_remap *remap;
	/* Imported; with a table if the exporter has no list. */
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	u32 num_runs;
	struct drm_gem_bo_run runs[] __counted_by(num_runs);
};

static inline u32 run_end(const struct drm_gem_bo_run *run)
{
	return run->index + run->num_pages;
}

static inline u64 run_offset(const struct drm_gem_bo_run *run)
{
	return (u64)run->index << PAGE_SHIFT;
}

static inline u64 run_size(const struct drm_gem_bo_run *run)
{
	return (u64)run->num_pages << PAGE_SHIFT;
}

/* struct pages of one run need not be an array, page frame numbers are. */
static inline struct page *run_page(const struct drm_gem_bo_run *run, u32 index)
{
	return pfn_to_page(page_to_pfn(run->page) + index - run->index);
}

static inline u32 backing_pages(const struct drm_gem_bo_backing *backing)
{
	return backing->obj->size >> PAGE_SHIFT;
}

/* Pages that the CPU side may see. */
static inline bool drm_gem_bo_kind_has_pages(enum drm_gem_bo_kind kind)
{
	return kind == DRM_GEM_BO_STREAMING || kind == DRM_GEM_BO_NONCOHERENT;
}

/* Memory of the DMA API, mapped from its allocation until it is freed. */
static inline bool drm_gem_bo_kind_is_allocated(enum drm_gem_bo_kind kind)
{
	return kind == DRM_GEM_BO_COHERENT || kind == DRM_GEM_BO_NONCOHERENT;
}

/* Memory that drm_gem_bo_backing_dma.c looks after. */
static inline bool drm_gem_bo_kind_has_alloc(enum drm_gem_bo_kind kind)
{
	return drm_gem_bo_kind_is_allocated(kind) || kind == DRM_GEM_BO_RESOURCE;
}

/* drm_gem_bo_backing.c */
void drm_gem_bo_runs_unmap(const struct drm_gem_bo_dma *dma, struct drm_gem_bo_run *run, u32 num);
struct drm_gem_bo_peer *drm_gem_bo_peer_alloc(struct device *dev,
					      enum dma_data_direction dir, u32 num_runs);

/* drm_gem_bo_backing_dma.c */
void drm_gem_bo_alloc_sync_kernel(struct drm_gem_bo_backing *backing,
				  u64 offset, u64 size, bool for_device);
int drm_gem_bo_alloc_vmap(struct drm_gem_bo_backing *backing, u64 offset, u64 size,
			  struct iosys_map *map);
void drm_gem_bo_alloc_vunmap(struct drm_gem_bo_backing *backing, struct iosys_map *map);
int drm_gem_bo_alloc_mmap(struct drm_gem_bo_backing *backing, struct vm_area_struct *vma);
int drm_gem_bo_resource_mmap(struct drm_gem_bo_backing *backing,
			     struct vm_area_struct *vma);
int drm_gem_bo_resource_map(struct drm_gem_bo_backing *backing);
int drm_gem_bo_resource_map_runs(const struct drm_gem_bo_backing *backing,
				 struct drm_gem_bo_dma *dma,
				 struct drm_gem_bo_run *run, u32 num);
vm_fault_t drm_gem_bo_resource_fault(struct drm_gem_bo_backing *backing,
				     struct vm_fault *vmf, pgoff_t index,
				     unsigned int order);
struct drm_gem_bo_peer *
drm_gem_bo_alloc_map_peer(const struct drm_gem_bo_backing *backing, struct device *dev,
			  enum dma_data_direction dir, u32 max_pages);
void drm_gem_bo_alloc_sync_peer(const struct drm_gem_bo_peer *peer,
				enum dma_data_direction dir, bool for_device);
void drm_gem_bo_alloc_unmap_peer(struct drm_gem_bo_peer *peer);

#endif /* __DRM_GEM_BO_BACKING_INTERNAL_H__ */
