// SPDX-License-Identifier: GPL-2.0
/*
 * What drivers do with a shmem object, counted in instructions, on a kernel with
 * the typed list or on one without: the same file is compiled for both.
 *
 * Runs in QEMU with -icount shift=0, where the counter that ticks() reads goes on
 * by one with each instruction. Loading the module runs everything for one size;
 * /sys/kernel/debug/gem_paths then has a line for each measure: name, value.
 *
 * With order= memory is scattered before: as long as the module is loaded it
 * holds every other block of 2^order pages, so that of the blocks that are free no
 * two are neighbours. The size of the folios is the administrator's choice, see
 * /sys/kernel/mm/transparent_hugepage/shmem_enabled.
 */

#include <linux/debugfs.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/iommu.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_shmem_helper.h>
#include <drm/drm_prime.h>

#include "mali_table.h"

static unsigned long size = SZ_64M;
module_param(size, ulong, 0444);
MODULE_PARM_DESC(size, "bytes of an object");

static int order = -1;
module_param(order, int, 0444);
MODULE_PARM_DESC(order, "free memory is in blocks of that order, none next to another");

/* Small objects take too few instructions to be told from what comes between. */
#define REPEAT_BYTES	SZ_1M
#define MAX_REPEAT	16
#define MAX_RESULTS	48

/* What was counted. */
static struct {
	const char *name;
	u64 value;
} results[MAX_RESULTS];
static unsigned int num_results;

/* The owner of the object, and who imports it. */
static struct drm_device *drm, *other;
static struct dentry *file;

static struct page **held;
static unsigned long num_held;
static LIST_HEAD(singles);

static u64 ticks(void)
{
#if defined(__x86_64__)
	u32 low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high) : : "memory");

	return (u64)high << 32 | low;
#elif defined(__aarch64__)
	u64 count;

	asm volatile("isb; mrs %0, cntvct_el0" : "=r" (count) : : "memory");

	return count;
#else
#error no counter
#endif
}

static void result(const char *name, u64 value)
{
	if (WARN_ON(num_results == MAX_RESULTS))
		return;
	results[num_results].name = name;
	results[num_results++].value = value;
}

static unsigned int repeats(void)
{
	return clamp_t(unsigned long, REPEAT_BYTES / size, 1, MAX_REPEAT);
}

/*
 * Memory
 */

#define SCATTER_GFP	(GFP_HIGHUSER | __GFP_NOWARN | __GFP_NORETRY)

/* Single pages that are free, in the lists of the processors as well, would be taken first. */
static int take_singles(unsigned long n)
{
	struct page *page;

	for (; n; n--) {
		page = alloc_page(SCATTER_GFP);
		if (!page)
			return -ENOMEM;
		list_add(&page->lru, &singles);
	}

	return 0;
}

static void scatter_undo(void)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &singles, lru)
		__free_page(page);
	INIT_LIST_HEAD(&singles);
	while (num_held)
		if (held[--num_held])
			__free_pages(held[num_held], order);
	kvfree(held);
}

/* A quarter more than the object: others take some, too. */
static int scatter(void)
{
	unsigned long want, i;
	int ret;

	if (order < 0)
		return 0;
	ret = take_singles((min_t(unsigned long, size, SZ_256M) + SZ_16M) >> PAGE_SHIFT);
	if (ret)
		return ret;
	want = (size + size / 4 + SZ_32M) >> PAGE_SHIFT >> order << 1;
	held = kvcalloc(want, sizeof(*held), GFP_KERNEL);
	if (!held)
		return -ENOMEM;
	for (; num_held < want; num_held++) {
		held[num_held] = alloc_pages(SCATTER_GFP, order);
		if (!held[num_held])
			return -ENOMEM;
	}
	for (i = 0; i < want; i += 2) {
		__free_pages(held[i], order);
		held[i] = NULL;
	}

	/* What the processor's list has got ahead are neighbours. */
	return order ? take_singles(SZ_8M >> PAGE_SHIFT) : 0;
}

/*
 * What differs between the kernels
 */

#ifdef HAVE_LIST
static struct drm_gem_object *import_for(struct drm_device *dev, struct dma_buf *dma_buf)
{
	return drm_gem_shmem_prime_import(dev, dma_buf);
}

static int map_dma(struct drm_gem_shmem_object *shmem)
{
	return drm_gem_shmem_map_dma(shmem);
}

static void unmap_dma(struct drm_gem_shmem_object *shmem)
{
	dma_resv_lock(shmem->base.resv, NULL);
	drm_gem_shmem_unmap_dma_locked(shmem);
	dma_resv_unlock(shmem->base.resv);
}

static size_t list_bytes(const struct dma_runs *list)
{
	return list->max_runs * sizeof(*list->runs);
}

static size_t metadata(struct drm_gem_shmem_object *shmem)
{
	return sizeof(*shmem) + list_bytes(&shmem->backing.runs);
}

/* What the import has, beside the object. */
static size_t import_metadata(struct drm_gem_shmem_object *shmem)
{
	const struct dma_runs *list = shmem->backing.list;

	return sizeof(*shmem) + sizeof(*list) + list_bytes(list);
}

static unsigned int count_ranges(struct drm_gem_shmem_object *shmem, bool dma)
{
	struct dma_runs *list = shmem->backing.list;
	struct dma_cursor cur;
	unsigned int n = 0;

	if (!dma)
		return shmem->backing.runs.num_runs;
	if (dma_cursor_begin(&cur, list, 0, shmem->base.size))
		return UINT_MAX;
	while (dma_cursor_next(&cur))
		n++;

	return n;
}

static int fill(struct drm_gem_shmem_object *shmem, struct io_pgtable_ops *ops,
		struct mali_count *count)
{
	return mali_table_fill_list(ops, shmem->backing.list, shmem->base.size, count);
}

static struct page *look_up(struct drm_gem_shmem_object *shmem, unsigned long index)
{
	return drm_gem_bo_backing_page(&shmem->backing, index);
}

static dma_addr_t look_up_dma(struct drm_gem_shmem_object *shmem, u64 offset)
{
	dma_addr_t addr;

	return drm_gem_bo_backing_dma_addr(&shmem->backing, offset, &addr) ? 0 : addr;
}
#else
static struct drm_gem_object *import_for(struct drm_device *dev, struct dma_buf *dma_buf)
{
	return drm_gem_prime_import(dev, dma_buf);
}

static int map_dma(struct drm_gem_shmem_object *shmem)
{
	return PTR_ERR_OR_ZERO(drm_gem_shmem_get_pages_sgt(shmem));
}

static void unmap_dma(struct drm_gem_shmem_object *shmem)
{
	dma_resv_lock(shmem->base.resv, NULL);
	__drm_gem_shmem_free_sgt_locked(shmem);
	drm_gem_shmem_put_pages_locked(shmem);
	dma_resv_unlock(shmem->base.resv);
}

/* With the entries that lead from one page of the table to the next. */
static size_t table_bytes(const struct sg_table *sgt)
{
	unsigned int n = sgt->orig_nents;

	if (n > SG_MAX_SINGLE_ALLOC)
		n += (n - 2) / (SG_MAX_SINGLE_ALLOC - 1);

	return sizeof(*sgt) + n * sizeof(struct scatterlist);
}

static size_t metadata(struct drm_gem_shmem_object *shmem)
{
	return sizeof(*shmem) + (shmem->base.size >> PAGE_SHIFT) * sizeof(*shmem->pages) +
	       table_bytes(shmem->sgt);
}

static size_t import_metadata(struct drm_gem_shmem_object *shmem)
{
	return sizeof(*shmem) + table_bytes(shmem->sgt);
}

static unsigned int count_ranges(struct drm_gem_shmem_object *shmem, bool dma)
{
	struct scatterlist *sg;
	unsigned int i, n = 0;

	if (!dma)
		return shmem->sgt->orig_nents;
	for_each_sgtable_dma_sg(shmem->sgt, sg, i)
		n++;

	return n;
}

static int fill(struct drm_gem_shmem_object *shmem, struct io_pgtable_ops *ops,
		struct mali_count *count)
{
	return mali_table_fill_sg(ops, shmem->sgt, count);
}

static struct page *look_up(struct drm_gem_shmem_object *shmem, unsigned long index)
{
	return shmem->pages[index];
}

static dma_addr_t look_up_dma(struct drm_gem_shmem_object *shmem, u64 offset)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(shmem->sgt, sg, i) {
		if (offset < sg_dma_len(sg))
			return sg_dma_address(sg) + offset;
		offset -= sg_dma_len(sg);
	}

	return 0;
}
#endif

/*
 * Measures
 */

static struct drm_gem_shmem_object *create(bool map_wc)
{
	struct drm_gem_shmem_object *shmem = drm_gem_shmem_create(drm, size);

	if (!IS_ERR(shmem))
		shmem->map_wc = map_wc;

	return shmem;
}

/* Files that are closed go away later. Now is later. */
static void put(struct drm_gem_shmem_object *shmem)
{
	drm_gem_object_put(&shmem->base);
	flush_delayed_fput();
}

static void put_dma_buf(struct dma_buf *dma_buf)
{
	dma_buf_put(dma_buf);
	flush_delayed_fput();
}

/* What is never used. */
static int run_create(void)
{
	struct drm_gem_shmem_object *shmem;
	unsigned int i, n = repeats();
	u64 start = ticks();

	for (i = 0; i < n; i++) {
		shmem = create(false);
		if (IS_ERR(shmem))
			return PTR_ERR(shmem);
		put(shmem);
	}
	result("create+destroy", (ticks() - start) / n);

	return 0;
}

/* Pages are allocated at the first time and stay in shmem from then on. */
static int run_populate(struct drm_gem_shmem_object *shmem)
{
	u64 start, middle, took[2] = {};
	unsigned int i, n = repeats();
	int ret;

	for (i = 0; i < n; i++) {
		start = ticks();
		ret = drm_gem_shmem_pin(shmem);
		if (ret)
			return ret;
		middle = ticks();
		drm_gem_shmem_unpin(shmem);
		took[0] += middle - start;
		took[1] += ticks() - middle;
	}
	result("populate", took[0] / n);
	result("put", took[1] / n);

	return 0;
}

static int run_map(struct drm_gem_shmem_object *shmem)
{
	u64 start, middle, took[2] = {};
	unsigned int i, n = repeats();
	int ret;

	for (i = 0; i < n; i++) {
		start = ticks();
		ret = map_dma(shmem);
		if (ret)
			return ret;
		middle = ticks();
		unmap_dma(shmem);
		took[0] += middle - start;
		took[1] += ticks() - middle;
	}
	result("map", took[0] / n);
	result("unmap", took[1] / n);

	return 0;
}

/*
 * How often the IOMMU has to forget what it has cached when an object is unmapped:
 * the domain's own function, counted.
 */
static const struct iommu_domain_ops *domain_ops;
static unsigned int num_flushes;

static void count_flush(struct iommu_domain *domain, struct iommu_iotlb_gather *gather)
{
	num_flushes++;
	domain_ops->iotlb_sync(domain, gather);
}

static int run_flushes(struct drm_gem_shmem_object *shmem)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(drm->dev);
	static struct iommu_domain_ops counting;
	int ret;

	if (!device_iommu_mapped(drm->dev) || !domain->ops->iotlb_sync)
		return 0;
	ret = map_dma(shmem);
	if (ret)
		return ret;
	domain_ops = domain->ops;
	counting = *domain_ops;
	counting.iotlb_sync = count_flush;
	num_flushes = 0;
	domain->ops = &counting;
	unmap_dma(shmem);
	domain->ops = domain_ops;
	result("flushes", num_flushes);

	return 0;
}

static int run_vmap(struct drm_gem_shmem_object *shmem)
{
	unsigned int i, n = repeats();
	u64 start = ticks();
	int ret;

	for (i = 0; i < n; i++) {
		struct iosys_map map;

		ret = drm_gem_vmap(&shmem->base, &map);
		if (ret)
			return ret;
		drm_gem_vunmap(&shmem->base, &map);
	}
	result("vmap+vunmap", (ticks() - start) / n);

	return 0;
}

/* In an order that is neither that of the pages nor by chance. */
static int run_look_up(struct drm_gem_shmem_object *shmem)
{
	unsigned long pages = size >> PAGE_SHIFT, i, n = 1024;
	u64 start = ticks(), middle;

	for (i = 0; i < n; i++)
		if (!look_up(shmem, i * 7919 % pages))
			return -ENXIO;
	middle = ticks();
	result("look-up", (middle - start) / n);
	for (i = 0; i < 16; i++)
		if (!look_up_dma(shmem, i * 7919 % pages << PAGE_SHIFT))
			return -ENXIO;
	result("look-up-dma", (ticks() - middle) / 16);

	return 0;
}

/*
 * Into the page table of a GPU that has no IOMMU before it. The second time: pages of the table
 * are allocated, too.
 */
static int run_fill(struct drm_gem_shmem_object *shmem)
{
	struct io_pgtable_cfg cfg;
	struct io_pgtable_ops *ops;
	struct mali_count count;
	unsigned int i;
	u64 start = 0;
	int ret = 0;

	if (!IS_ENABLED(CONFIG_IOMMU_IO_PGTABLE_LPAE))
		return 0;
	ops = mali_table_alloc(&cfg, drm->dev);
	if (!ops)
		return -ENOMEM;
	for (i = 0; i < 2 && !ret; i++) {
		count = (struct mali_count) { };
		start = ticks();
		ret = fill(shmem, ops, &count);
		start = ticks() - start;
		mali_table_unmap(ops, size);
	}
	free_io_pgtable_ops(ops);
	result("fill", start);
	result("fill-calls", count.calls);
	result("fill-2M", count.ptes_2m);

	return ret;
}

/* Can an IOMMU's page table have one block there? */
static bool is_block(struct iommu_domain *domain, dma_addr_t addr)
{
	phys_addr_t phys = iommu_iova_to_phys(domain, addr);
	u64 last = SZ_2M - PAGE_SIZE;

	return !((addr | phys) % SZ_2M) && iommu_iova_to_phys(domain, addr + last) == phys + last;
}

static unsigned int count_blocks(struct drm_gem_shmem_object *shmem)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(drm->dev);
	unsigned int blocks = 0;
	u64 offset;

	for (offset = 0; offset + SZ_2M <= size; offset += SZ_2M)
		blocks += is_block(domain, look_up_dma(shmem, offset));

	return blocks;
}

static void count(struct drm_gem_shmem_object *shmem)
{
	result("metadata", metadata(shmem));
	result("ranges", count_ranges(shmem, false));
	result("ranges-dma", count_ranges(shmem, true));
	if (device_iommu_mapped(drm->dev))
		result("blocks-2M", count_blocks(shmem));
}

static int run_sync(struct dma_buf *dma_buf, const char *name)
{
	u64 start = ticks();
	int ret;

	ret = dma_buf_begin_cpu_access(dma_buf, DMA_BIDIRECTIONAL);
	if (!ret)
		ret = dma_buf_end_cpu_access(dma_buf, DMA_BIDIRECTIONAL);
	result(name, ticks() - start);

	return ret;
}

/* Everything that sharing with another device takes, and all of it undone. */
static int run_share(struct drm_gem_shmem_object *shmem, const char *name, const char *sync)
{
	struct drm_gem_object *import;
	struct dma_buf *dma_buf;
	u64 start = ticks(), took;
	int ret = 0;

	dma_buf = drm_gem_prime_export(&shmem->base, 0);
	if (IS_ERR(dma_buf))
		return PTR_ERR(dma_buf);
	import = import_for(other, dma_buf);
	took = ticks() - start;
	if (!IS_ERR(import)) {
		if (sync)
			ret = run_sync(dma_buf, sync);
		else
			result("import-metadata", import_metadata(to_drm_gem_shmem_obj(import)));
		start = ticks();
		drm_gem_object_put(import);
	}
	put_dma_buf(dma_buf);
	took += ticks() - start;
	if (name)
		result(name, took);

	return PTR_ERR_OR_ZERO(import) ?: ret;
}

/* An importer that wants a table. */
static int run_share_old(struct drm_gem_shmem_object *shmem)
{
	struct dma_buf_attachment *attach;
	struct dma_buf *dma_buf;
	struct sg_table *sgt;
	u64 start = ticks();

	dma_buf = drm_gem_prime_export(&shmem->base, 0);
	if (IS_ERR(dma_buf))
		return PTR_ERR(dma_buf);
	attach = dma_buf_attach(dma_buf, other->dev);
	if (!IS_ERR(attach)) {
		sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
		if (!IS_ERR(sgt))
			dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_BIDIRECTIONAL);
		dma_buf_detach(dma_buf, attach);
	}
	put_dma_buf(dma_buf);
	result("share-old", ticks() - start);

	return PTR_ERR_OR_ZERO(attach) ?: PTR_ERR_OR_ZERO(sgt);
}

/* While it is mapped for its owner. */
static int run_mapped(struct drm_gem_shmem_object *shmem)
{
	int ret;

	count(shmem);
	ret = run_look_up(shmem);
	if (!ret)
		ret = run_fill(shmem);
	if (!ret)
		ret = run_share(shmem, NULL, "sync");
	if (!ret)
		ret = run_share(shmem, "share", NULL);
	if (!ret)
		ret = run_share_old(shmem);

	return ret;
}

/* While its pages are pinned. */
static int run_pinned(struct drm_gem_shmem_object *shmem)
{
	int ret;

	ret = run_map(shmem);
	if (!ret)
		ret = run_flushes(shmem);
	if (!ret)
		ret = run_vmap(shmem);
	if (ret)
		return ret;
	ret = map_dma(shmem);
	if (!ret)
		ret = run_mapped(shmem);

	return ret;
}

static int run_object(struct drm_gem_shmem_object *shmem)
{
	u64 start = ticks();
	int ret;

	ret = drm_gem_shmem_pin(shmem);
	if (ret)
		return ret;
	result("populate-new", ticks() - start);
	drm_gem_shmem_unpin(shmem);
	ret = run_populate(shmem);
	if (ret)
		return ret;
	ret = drm_gem_shmem_pin(shmem);
	if (ret)
		return ret;
	ret = run_pinned(shmem);
	drm_gem_shmem_unpin(shmem);

	return ret;
}

static int run_write_combined(void)
{
	struct drm_gem_shmem_object *shmem = create(true);
	int ret;

	if (IS_ERR(shmem))
		return PTR_ERR(shmem);
	ret = map_dma(shmem);
	if (!ret)
		ret = run_share(shmem, NULL, "sync-wc");
	put(shmem);

	return ret;
}

static int run(void)
{
	struct drm_gem_shmem_object *shmem;
	int ret;

	ret = run_create();
	num_results = 0;
	if (!ret)
		ret = run_create();
	if (ret)
		return ret;
	shmem = create(false);
	if (IS_ERR(shmem))
		return PTR_ERR(shmem);
	ret = run_object(shmem);
	put(shmem);
	if (!ret)
		ret = run_write_combined();

	return ret;
}

/* In a worker, as files of programs that are closed wait until these go back to user space. */
static struct work_struct work;
static int work_ret;

static void run_work(struct work_struct *work)
{
	work_ret = run();
}

static int run_in_worker(void)
{
	INIT_WORK(&work, run_work);
	schedule_work(&work);
	flush_work(&work);

	return work_ret;
}

static int results_show(struct seq_file *m, void *data)
{
	unsigned int i;

	for (i = 0; i < num_results; i++)
		seq_printf(m, "%s %llu\n", results[i].name, results[i].value);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(results);

/*
 * The devices: QEMU's "edu", which nobody has a driver for.
 */

DEFINE_DRM_GEM_FOPS(paths_fops);

static const struct drm_driver paths_drm_driver = {
	.name = "gem_paths",
	.desc = "benchmark of shmem objects",
	.driver_features = DRIVER_GEM,
	.fops = &paths_fops,
#ifndef HAVE_LIST
	.gem_prime_import_sg_table = drm_gem_shmem_prime_import_sg_table,
#endif
};

static int paths_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct drm_device *new;
	int ret;

	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	new = drm_dev_alloc(&paths_drm_driver, &pdev->dev);
	if (IS_ERR(new))
		return PTR_ERR(new);
	if (!drm)
		drm = new;
	else
		other = new;
	pci_set_drvdata(pdev, new);

	return 0;
}

static void paths_remove(struct pci_dev *pdev)
{
	drm_dev_put(pci_get_drvdata(pdev));
}

static const struct pci_device_id paths_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{}
};

static struct pci_driver paths_driver = {
	.name = "gem_paths",
	.id_table = paths_ids,
	.probe = paths_probe,
	.remove = paths_remove,
};

static int __init paths_init(void)
{
	int ret;

	ret = pci_register_driver(&paths_driver);
	if (ret)
		return ret;
	ret = drm && other ? scatter() : -ENODEV;
	if (!ret)
		ret = run_in_worker();
	if (ret) {
		pr_err("gem_paths: failed with %d after %u results\n", ret, num_results);
		scatter_undo();
		pci_unregister_driver(&paths_driver);
		return ret;
	}
	file = debugfs_create_file("gem_paths", 0400, NULL, NULL, &results_fops);

	return 0;
}
module_init(paths_init);

static void __exit paths_exit(void)
{
	debugfs_remove(file);
	scatter_undo();
	pci_unregister_driver(&paths_driver);
}
module_exit(paths_exit);

MODULE_DESCRIPTION("What drivers do with shmem objects, counted");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("DMA_BUF");
