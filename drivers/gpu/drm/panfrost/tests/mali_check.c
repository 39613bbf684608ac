// SPDX-License-Identifier: GPL-2.0
/*
 * Compares what the Mali model's walker finds in the page tables of all open files with the typed
 * lists of the objects that are mapped there, page by page. Reading mali-model/check in debugfs
 * does it, and adds what it finds to the model's errors. Nothing may be mapped meanwhile.
 */
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/dma-resv.h>
#include <linux/init.h>
#include <linux/of.h>
#include <linux/of_platform.h>
#include <linux/platform_device.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem_bo_backing.h>

#include "../panfrost_device.h"
#include "../panfrost_gem.h"
#include "mali_model.h"

/* What one reading has seen. */
struct mali_check {
	struct mali_as *as;	/* a walker of its own: files need not have an address space */
	struct mali_as *blame;	/* where errors are counted */
	u64 leaves;
	u64 pages;
};

static struct panfrost_gem_mapping *mali_mapping_at(struct panfrost_mmu *mmu, u64 va)
{
	u64 pfn = va >> PAGE_SHIFT;
	struct drm_mm_node *node;

	guard(spinlock)(&mmu->mm_lock);
	drm_mm_for_each_node_in_range(node, &mmu->mm, pfn, pfn + 1) {
		struct panfrost_gem_mapping *mapping = drm_mm_node_to_panfrost_mapping(node);

		kref_get(&mapping->refcount);
		return mapping;
	}
	return NULL;
}

static bool mali_page_is_listed(struct panfrost_gem_object *bo, u64 offset, u64 pa)
{
	dma_addr_t addr;

	return offset < bo->base.base.size &&
	       !drm_gem_bo_backing_dma_addr(&bo->base.backing, offset, &addr) && addr == pa;
}

static bool mali_leaf_is_listed(struct mali_check *check, struct panfrost_gem_mapping *mapping,
				const struct mali_leaf *leaf)
{
	u64 start = leaf->va - (mapping->mmnode.start << PAGE_SHIFT), done;
	struct panfrost_gem_object *bo = mapping->obj;

	if (bo->noexec && leaf->access & MALI_EXEC)
		return false;
	for (done = 0; done < leaf->size; done += SZ_4K, check->pages++)
		if (!mali_page_is_listed(bo, start + done, leaf->pa + done))
			return false;
	return true;
}

static void mali_check_leaf(struct mali_check *check, struct panfrost_mmu *mmu,
			    const struct mali_leaf *leaf)
{
	struct panfrost_gem_mapping *mapping = mali_mapping_at(mmu, leaf->va);
	struct dma_resv *resv;

	check->leaves++;
	if (!mapping) {
		mali_as_error(check->blame, MALI_ERR_OUTLIVED, leaf);
		return;
	}
	resv = mapping->obj->base.base.resv;
	dma_resv_lock(resv, NULL);
	if (!mapping->active)
		mali_as_error(check->blame, MALI_ERR_OUTLIVED, leaf);
	else if (!mali_leaf_is_listed(check, mapping, leaf))
		mali_as_error(check->blame, MALI_ERR_OUTSIDE, leaf);
	dma_resv_unlock(resv);
	panfrost_gem_mapping_put(mapping);
}

static void mali_check_mmu(struct mali_model *model, struct mali_check *check,
			   struct panfrost_mmu *mmu)
{
	struct mali_leaf leaf;
	u64 va = 0;

	check->blame = &model->spaces[max(mmu->as, 0)].as;
	mali_as_init(check->as, NULL, max(mmu->as, 0));
	mali_as_update(check->as, mmu->cfg.transtab, mmu->cfg.transcfg);
	while (mali_as_next(check->as, &va, &leaf))
		mali_check_leaf(check, mmu, &leaf);
}

static struct panfrost_device *mali_driver(void)
{
	struct device_node *np __free(device_node) = of_find_node_by_name(NULL, "gpu");
	struct platform_device *pdev = of_find_device_by_node(np);
	struct panfrost_device *pfdev = pdev ? platform_get_drvdata(pdev) : NULL;

	if (pfdev)
		drm_dev_get(&pfdev->base);
	if (pdev)
		platform_device_put(pdev);
	return pfdev;
}

static int mali_check_show(struct seq_file *m, void *data)
{
	struct mali_as *as __free(kfree) = kzalloc_obj(*as);
	struct panfrost_device *pfdev = mali_driver();
	struct mali_check check = { .as = as };
	struct drm_file *file;
	int ret = 0;

	if (!pfdev)
		return -ENODEV;
	if (!as) {
		ret = -ENOMEM;
		goto out_put;
	}

	mutex_lock(&pfdev->base.filelist_mutex);
	list_for_each_entry(file, &pfdev->base.filelist, lhead) {
		struct panfrost_file_priv *priv = file->driver_priv;

		mali_check_mmu(m->private, &check, priv->mmu);
	}
	mutex_unlock(&pfdev->base.filelist_mutex);
	seq_printf(m, "blocks %llu\npages %llu\n", check.leaves, check.pages);
out_put:
	drm_dev_put(&pfdev->base);
	return ret;
}
DEFINE_SHOW_ATTRIBUTE(mali_check);

static int __init mali_check_init(void)
{
	struct dentry *dir = debugfs_lookup("mali-model", NULL);

	if (!dir)
		return 0;
	debugfs_create_file("check", 0400, dir, mali_model_get(), &mali_check_fops);
	dput(dir);
	return 0;
}
late_initcall_sync(mali_check_init);
