// SPDX-License-Identifier: GPL-2.0
/*
 * The lists of a device's buffer objects in debugfs
 */

#include <linux/dma-resv.h>
#include <linux/seq_file.h>

#include <drm/drm_debugfs.h>
#include <drm/drm_drv.h>
#include <drm/drm_device.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_bo_backing.h>
#include <drm/drm_vma_manager.h>

#include "drm_internal.h"

static size_t backing_metadata_size(const struct drm_gem_bo_backing *backing)
{
	size_t size = sizeof(*backing);
	struct dma_runs *other;

	/* A list that the exporter handed over is counted there. */
	size += backing->runs.max_runs * sizeof(*backing->runs.runs);
	list_for_each_entry(other, &backing->runs.others, node)
		size += sizeof(*other) + other->max_runs * sizeof(*other->runs);

	return size;
}

static void backing_show(struct seq_file *m, struct drm_gem_bo_backing *backing)
{
	static const char * const kinds[] = {
		[DMA_RUNS_STREAMING] = "streaming",
		[DMA_RUNS_IMPORTED] = "imported",
		[DMA_RUNS_COHERENT] = "coherent",
		[DMA_RUNS_NONCOHERENT] = "noncoh",
		[DMA_RUNS_RESOURCE] = "resource",
	};
	const struct dma_runs *list = backing->list;
	u32 i, largest = 0;

	for (i = 0; i < list->num_runs; i++)
		largest = max_t(u32, largest, list->runs[i].num_pages);

	seq_printf(m, "%08lx %-9s %10zu %10llu %6u %10llu %9zu %7zu\n",
		   drm_vma_node_start(&backing->obj->vma_node),
		   kinds[backing->runs.kind], backing->obj->size,
		   drm_gem_bo_backing_resident_size(backing), list->num_runs,
		   (u64)largest << PAGE_SHIFT, backing_metadata_size(backing),
		   !!list->num_mapped + list_count_nodes(&backing->runs.others));
}

/* The first object from an mmap offset in pages on, which moves behind it. */
static struct drm_gem_object *next_object(struct drm_device *dev, u64 *start)
{
	struct drm_vma_offset_manager *mgr = dev->vma_offset_manager;
	struct drm_gem_object *obj, *found = NULL;
	struct drm_mm_node *node;

	drm_vma_offset_lock_lookup(mgr);
	drm_mm_for_each_node_in_range(node, &mgr->vm_addr_space_mm, *start,
				      DRM_FILE_PAGE_OFFSET_START + DRM_FILE_PAGE_OFFSET_SIZE) {
		*start = node->start + node->size;
		/* Some drivers have nodes that are not those of an object. */
		if (!container_of(node, struct drm_vma_offset_node, vm_node)->driver_private)
			continue;
		obj = container_of(node, struct drm_gem_object, vma_node.vm_node);
		/* Without either its creation may fail yet, which frees it at once. */
		if (!READ_ONCE(obj->handle_count) && !READ_ONCE(obj->dma_buf))
			continue;
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
	struct dma_resv *resv;
	u64 start = 0;

	if (!drm_core_check_feature(entry->dev, DRIVER_GEM))
		return 0;

	seq_printf(m, "%-8s %-9s %10s %10s %6s %10s %9s %7s\n", "start", "kind",
		   "size", "resident", "runs", "largest", "metadata", "devices");

	while ((obj = next_object(entry->dev, &start))) {
		/* An import changes it once, before anybody else sees the object's content. */
		resv = READ_ONCE(obj->resv);
		if (!dma_resv_trylock(resv)) {
			seq_printf(m, "%08lx busy\n", drm_vma_node_start(&obj->vma_node));
		} else {
			if (obj->backing && resv == obj->resv)
				backing_show(m, obj->backing);
			dma_resv_unlock(resv);
		}
		drm_gem_object_put(obj);
	}

	return 0;
}
