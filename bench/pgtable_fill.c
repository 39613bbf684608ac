// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to bring a 64 MiB buffer object into the page table of a GPU,
 * from today's page array and sg_table and from the typed list.
 *
 * The two forms are made of the same pages, are there at the same time and go
 * into the same page table (Mali LPAE, as panfrost sets it up) in turn, by the
 * same code, so that what differs is the form alone. What is measured:
 *
 *	build		the form, and map it for DMA
 *	teardown	unmap for DMA and free the form; the pages stay allocated
 *	walk		all DMA ranges, doing nothing with them
 *	fill		walk and map_pages(), with the page table pages that it takes
 *
 * Runs alternate, and so does who begins. A run is one of these, or as many
 * walks and fills as its layout says ("repeat"), summed up without the unmap
 * between them. The object consists of pages of 4K, 64K or 2M no two of which
 * are neighbours, of the largest blocks that the allocator gives ("blocks"), or
 * of shmem's folios ("shmem").
 *
 * Before that, every layout is checked: with either form the page table has to
 * translate every page to where it is, or the module does not load. Loading runs
 * everything; /sys/kernel/debug/pgtable_fill then has a line for each series of
 * numbers: layout, measure, form, values in order of the runs. Times are in
 * ticks of the CPU's counter (nanoseconds where there is none), metadata in
 * bytes; calls of map_pages() and PTEs by their size are counted once.
 */

#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/io-pgtable.h>
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <linux/shmem_fs.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_bo_backing.h>
#include <drm/drm_prime.h>

#include "mali_table.h"

#define BO_SIZE		((size_t)SZ_64M)
#define BO_PAGES	(BO_SIZE >> PAGE_SHIFT)
#define MAX_RUNS	1001

static unsigned int runs = 101;
module_param(runs, uint, 0444);
MODULE_PARM_DESC(runs, "alternating runs of each layout");

enum form { FORM_SG, FORM_LIST, NUM_FORMS };
static const char * const form_names[NUM_FORMS] = { "sg", "list" };

enum measure {
	BUILD, TEARDOWN, WALK, FILL,
	REPEAT, METADATA, CALLS, PTES_4K, PTES_2M,
	NUM_MEASURES
};

static const char * const measure_names[NUM_MEASURES] = {
	"build", "teardown", "walk", "fill",
	"repeat", "metadata", "calls", "ptes-4K", "ptes-2M",
};

#define NUM_TIMED	REPEAT

struct layout {
	const char *name;
	unsigned int order;
	/* Walks and fills in a run, since few pieces take less time than can be measured. */
	unsigned int repeat;
	bool scattered;
	bool shmem;
};

static const struct layout layouts[] = {
	{ .name = "4K", .order = 0, .repeat = 1, .scattered = true },
	{ .name = "64K", .order = 4, .repeat = 8, .scattered = true },
	{ .name = "2M", .order = 9, .repeat = 256, .scattered = true },
	{ .name = "blocks", .order = MAX_PAGE_ORDER, .repeat = 1024 },
	{ .name = "shmem", .repeat = 8, .shmem = true },
};

/* One layout's numbers. */
struct result {
	u64 *ticks[NUM_TIMED][NUM_FORMS];
	u64 once[NUM_MEASURES][NUM_FORMS];
};

/* The object, in whichever form it is at the moment. */
struct fill_bo {
	struct drm_gem_object base;
	struct drm_gem_bo_backing backing;
	const struct layout *layout;
	/* Chunks of pages, unless the memory is shmem's. */
	struct page **chunks;
	unsigned int num_chunks;
	/* The other form. */
	struct page **pages;
	struct sg_table *sgt;
};

/* The page table and what went into it. One, so that the forms share its memory. */
static struct {
	struct io_pgtable_cfg cfg;
	struct io_pgtable_ops *ops;
	struct mali_count count;
} table;

static struct platform_device *pdev;
static struct drm_device *drm;
static struct dentry *file;
static struct result results[ARRAY_SIZE(layouts)];

static struct fill_bo *to_fill_bo(struct drm_gem_object *obj)
{
	return container_of(obj, struct fill_bo, base);
}

static u64 ticks(void)
{
#ifdef __x86_64__
	u32 low, high;

	/* The host's, under User Mode Linux, whose own clock is a system call. */
	asm volatile("lfence; rdtsc" : "=a" (low), "=d" (high) : : "memory");

	return (u64)high << 32 | low;
#else
	return ktime_get_ns();
#endif
}

/*
 * Memory
 */

static int by_pfn(const void *a, const void *b)
{
	unsigned long pfn_a = page_to_pfn(*(struct page **)a);
	unsigned long pfn_b = page_to_pfn(*(struct page **)b);

	return pfn_a < pfn_b ? -1 : pfn_a > pfn_b;
}

/* From the order of addresses to one in which no chunk follows on its neighbour. */
static int chunks_scatter(struct fill_bo *bo)
{
	unsigned int n = bo->num_chunks, stride = n / 8 * 5 + 1, i;
	struct page **scattered = kvmalloc_objs(*scattered, n);

	if (!scattered)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		scattered[i] = bo->chunks[i * stride % n];
	kvfree(bo->chunks);
	bo->chunks = scattered;

	return 0;
}

static void chunks_free(struct fill_bo *bo)
{
	while (bo->num_chunks--)
		__free_pages(bo->chunks[bo->num_chunks], bo->layout->order);
	kvfree(bo->chunks);
}

static int chunks_alloc(struct fill_bo *bo)
{
	unsigned int order = bo->layout->order, max = BO_PAGES >> order;

	bo->chunks = kvmalloc_objs(*bo->chunks, max);
	if (!bo->chunks)
		return -ENOMEM;

	for (; bo->num_chunks < max; bo->num_chunks++) {
		struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP, order);

		if (!page)
			return -ENOMEM;
		bo->chunks[bo->num_chunks] = page;
	}
	sort(bo->chunks, max, sizeof(*bo->chunks), by_pfn, NULL);

	return bo->layout->scattered ? chunks_scatter(bo) : 0;
}

static void fill_bo_free(struct drm_gem_object *obj)
{
	struct fill_bo *bo = to_fill_bo(obj);

	dma_resv_lock(obj->resv, NULL);
	drm_gem_bo_backing_fini(&bo->backing);
	dma_resv_unlock(obj->resv);
	drm_gem_object_release(obj);
	if (bo->chunks)
		chunks_free(bo);
	kfree(bo);
}

static const struct drm_gem_object_funcs fill_bo_funcs = {
	.free = fill_bo_free,
};

static struct fill_bo *fill_bo_create(const struct layout *layout)
{
	struct fill_bo *bo = kzalloc_obj(*bo);
	int ret = 0;

	if (!bo)
		return ERR_PTR(-ENOMEM);
	bo->layout = layout;
	bo->base.funcs = &fill_bo_funcs;
	if (layout->shmem)
		ret = drm_gem_object_init(drm, &bo->base, BO_SIZE);
	else
		drm_gem_private_object_init(drm, &bo->base, BO_SIZE);
	if (ret) {
		kfree(bo);
		return ERR_PTR(ret);
	}

	ret = drm_gem_bo_backing_init(&bo->backing, &bo->base, DMA_RUNS_STREAMING);
	if (!ret && !layout->shmem)
		ret = chunks_alloc(bo);
	if (ret) {
		drm_gem_object_put(&bo->base);
		return ERR_PTR(ret);
	}

	return bo;
}

/*
 * Today's form: an array of pages, and a table of it
 */

static int sg_read_pages(struct fill_bo *bo, struct page **pages)
{
	struct page *page;
	unsigned int i;

	for (i = 0; i < BO_PAGES; i++) {
		page = shmem_read_mapping_page(bo->base.filp->f_mapping, i);
		if (IS_ERR(page)) {
			release_pages(pages, i);
			return PTR_ERR(page);
		}
		pages[i] = page;
	}

	return 0;
}

static struct page **sg_get_pages(struct fill_bo *bo)
{
	struct page **pages = kvmalloc_objs(*pages, BO_PAGES);
	unsigned int i;
	int ret = 0;

	if (!pages)
		return ERR_PTR(-ENOMEM);
	if (bo->base.filp)
		ret = sg_read_pages(bo, pages);
	else
		for (i = 0; i < BO_PAGES; i++)
			pages[i] = bo->chunks[i >> bo->layout->order] +
				   (i & (BIT(bo->layout->order) - 1));
	if (ret) {
		kvfree(pages);
		return ERR_PTR(ret);
	}

	return pages;
}

static void sg_put_pages(struct fill_bo *bo)
{
	if (bo->base.filp)
		release_pages(bo->pages, BO_PAGES);
	kvfree(bo->pages);
	bo->pages = NULL;
}

static int sg_build(struct fill_bo *bo)
{
	int ret;

	bo->pages = sg_get_pages(bo);
	if (IS_ERR(bo->pages))
		return PTR_ERR(bo->pages);

	bo->sgt = drm_prime_pages_to_sg(drm, bo->pages, BO_PAGES);
	if (IS_ERR(bo->sgt)) {
		ret = PTR_ERR(bo->sgt);
		goto err_pages;
	}
	ret = dma_map_sgtable(&pdev->dev, bo->sgt, DMA_BIDIRECTIONAL, 0);
	if (ret)
		goto err_table;

	return 0;

err_table:
	sg_free_table(bo->sgt);
	kfree(bo->sgt);
err_pages:
	sg_put_pages(bo);
	return ret;
}

static void sg_teardown(struct fill_bo *bo)
{
	dma_unmap_sgtable(&pdev->dev, bo->sgt, DMA_BIDIRECTIONAL, 0);
	sg_free_table(bo->sgt);
	kfree(bo->sgt);
	sg_put_pages(bo);
}

/* The last slot of each full page of entries but the last links to the next. */
static size_t sg_metadata(const struct fill_bo *bo)
{
	size_t size = sizeof(*bo->sgt) + BO_PAGES * sizeof(*bo->pages);
	unsigned int left = bo->sgt->orig_nents;

	for (; left > SG_MAX_SINGLE_ALLOC; left -= SG_MAX_SINGLE_ALLOC - 1)
		size += SG_MAX_SINGLE_ALLOC * sizeof(struct scatterlist);

	return size + left * sizeof(struct scatterlist);
}

/*
 * The typed list
 */

static int list_get_pages(struct fill_bo *bo)
{
	unsigned int num_pages = BIT(bo->layout->order), i;
	int ret;

	if (bo->base.filp)
		return drm_gem_bo_backing_populate(&bo->backing, 0, BO_PAGES);

	for (i = 0; i < bo->num_chunks; i++) {
		ret = dma_runs_add(&bo->backing.runs, i * num_pages,
				   page_to_phys(bo->chunks[i]), num_pages);
		if (ret)
			return ret;
	}

	return 0;
}

static void list_teardown(struct fill_bo *bo)
{
	WARN_ON(drm_gem_bo_backing_free(&bo->backing));
}

static int list_build(struct fill_bo *bo)
{
	int ret = list_get_pages(bo);

	if (!ret)
		ret = drm_gem_bo_backing_map(&bo->backing, 0, BO_PAGES);
	if (ret)
		list_teardown(bo);

	return ret;
}

static size_t list_metadata(const struct fill_bo *bo)
{
	return sizeof(bo->backing) + bo->backing.runs.num_runs * sizeof(*bo->backing.runs.runs);
}

static int sg_walk(struct fill_bo *bo)
{
	struct scatterlist *sg;
	size_t size = 0;
	unsigned int i;

	for_each_sgtable_dma_sg(bo->sgt, sg, i) {
		u64 addr = sg_dma_address(sg);

		OPTIMIZER_HIDE_VAR(addr);
		size += sg_dma_len(sg);
	}

	return size == BO_SIZE ? 0 : -ERANGE;
}

static int list_walk(struct fill_bo *bo)
{
	struct dma_cursor cur;
	size_t size = 0;
	int ret;

	ret = dma_cursor_begin(&cur, bo->backing.list, 0, BO_SIZE);
	if (ret)
		return ret;
	while (dma_cursor_next(&cur)) {
		u64 addr = cur.dma_addr;

		OPTIMIZER_HIDE_VAR(addr);
		size += cur.size;
	}

	return size == BO_SIZE ? 0 : -ERANGE;
}

/*
 * Runs
 */

static int bo_build(struct fill_bo *bo, enum form form)
{
	return form == FORM_SG ? sg_build(bo) : list_build(bo);
}

static void bo_teardown(struct fill_bo *bo, enum form form)
{
	if (form == FORM_SG)
		sg_teardown(bo);
	else
		list_teardown(bo);
}

static int bo_walk(struct fill_bo *bo, enum form form)
{
	return form == FORM_SG ? sg_walk(bo) : list_walk(bo);
}

static int bo_fill(struct fill_bo *bo, enum form form)
{
	return form == FORM_SG ? mali_table_fill_sg(table.ops, bo->sgt, &table.count) :
				 mali_table_fill_list(table.ops, bo->backing.list, BO_SIZE, &table.count);
}

/* Adds walk and fill of one of the forms, which are both there. */
static int run_fill(struct fill_bo *bo, enum form form, u64 took[2])
{
	u64 start = ticks(), middle;
	int ret;

	ret = bo_walk(bo, form);
	middle = ticks();
	if (!ret)
		ret = bo_fill(bo, form);
	took[0] += middle - start;
	took[1] += ticks() - middle;
	if (!ret)
		mali_table_unmap(table.ops, BO_SIZE);

	return ret;
}

/* Adds build and teardown. */
static int run_build(struct fill_bo *bo, enum form form, u64 took[2])
{
	u64 start = ticks(), middle;
	int ret;

	ret = bo_build(bo, form);
	if (ret)
		return ret;
	middle = ticks();
	bo_teardown(bo, form);
	took[0] += middle - start;
	took[1] += ticks() - middle;

	return 0;
}

static int run_form(struct fill_bo *bo, enum form form, struct result *result,
		    enum measure first, unsigned int run)
{
	unsigned int repeat = first == BUILD ? 1 : bo->layout->repeat, i;
	u64 took[2] = {};
	int ret = 0;

	cond_resched();
	for (i = 0; i < repeat && !ret; i++)
		ret = first == BUILD ? run_build(bo, form, took) : run_fill(bo, form, took);
	result->ticks[first][form][run] = took[0];
	result->ticks[first + 1][form][run] = took[1];

	return ret;
}

static int run_pairs(struct fill_bo *bo, struct result *result, enum measure first)
{
	unsigned int run;
	int ret = 0;

	for (run = 0; run < runs && !ret; run++) {
		enum form form = run % NUM_FORMS;

		ret = run_form(bo, form, result, first, run);
		if (!ret)
			ret = run_form(bo, !form, result, first, run);
	}

	return ret;
}

static struct page *bo_page(const struct fill_bo *bo, enum form form, u32 index)
{
	if (form == FORM_SG)
		return bo->pages[index];

	return drm_gem_bo_backing_page(&bo->backing, index);
}

/* Every page is where it should be. @phys remembers it for the other form. */
static int check_table(struct fill_bo *bo, enum form form, phys_addr_t *phys)
{
	struct io_pgtable_ops *ops = table.ops;
	u32 i;

	for (i = 0; i < BO_PAGES; i++) {
		phys_addr_t found = ops->iova_to_phys(ops, MALI_IOVA + i * PAGE_SIZE);
		phys_addr_t other = phys[i] ?: found;

		if (found != page_to_phys(bo_page(bo, form, i)) || found != other) {
			dev_err(&pdev->dev, "%s: page %u is at %pa in the page table\n",
				form_names[form], i, &found);
			return -EBADE;
		}
		phys[i] = found;
	}

	return 0;
}

/* Counts, and checks. Also the warm-up: after this shmem has its pages. */
static int check_form(struct fill_bo *bo, enum form form, struct result *result,
		      phys_addr_t *phys)
{
	int ret;

	ret = bo_build(bo, form);
	if (ret)
		return ret;
	table.count = (struct mali_count) { };
	ret = bo_fill(bo, form);
	if (!ret) {
		ret = check_table(bo, form, phys);
		mali_table_unmap(table.ops, BO_SIZE);
	}
	result->once[REPEAT][form] = bo->layout->repeat;
	result->once[METADATA][form] = form == FORM_SG ? sg_metadata(bo) : list_metadata(bo);
	result->once[CALLS][form] = table.count.calls;
	result->once[PTES_4K][form] = table.count.ptes_4k;
	result->once[PTES_2M][form] = table.count.ptes_2m;
	bo_teardown(bo, form);

	return ret;
}

static int check_layout(struct fill_bo *bo, struct result *result)
{
	phys_addr_t *phys = kvzalloc_objs(*phys, BO_PAGES);
	int ret;

	if (!phys)
		return -ENOMEM;
	ret = check_form(bo, FORM_SG, result, phys);
	if (!ret)
		ret = check_form(bo, FORM_LIST, result, phys);
	kvfree(phys);

	return ret;
}

static int run_layout_locked(struct fill_bo *bo, struct result *result)
{
	int ret;

	ret = check_layout(bo, result);
	if (!ret)
		ret = run_pairs(bo, result, BUILD);
	if (ret)
		return ret;

	ret = sg_build(bo);
	if (ret)
		return ret;
	ret = list_build(bo);
	if (!ret) {
		ret = run_pairs(bo, result, WALK);
		list_teardown(bo);
	}
	sg_teardown(bo);

	return ret;
}

/*
 * The list by itself, against a table: as many single pages as are in 256 MiB, none next to another.
 * Nobody looks into them, so that they need not be ours.
 */

#define SINGLE_PAGES	65536

enum single { SINGLE_MAKE, SINGLE_MAP, SINGLE_FREE, NUM_SINGLE };

static const char * const single_names[NUM_SINGLE] = { "make", "map", "free" };
static u64 *single_ticks[NUM_SINGLE][NUM_FORMS];

static int single_sg(struct page **pages, u64 took[NUM_SINGLE])
{
	u64 start = ticks(), made, mapped;
	struct sg_table sgt;
	int ret;

	ret = sg_alloc_table_from_pages(&sgt, pages, SINGLE_PAGES, 0,
					(u64)SINGLE_PAGES << PAGE_SHIFT, GFP_KERNEL);
	if (ret)
		return ret;
	made = ticks();
	ret = dma_map_sgtable(&pdev->dev, &sgt, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC);
	mapped = ticks();
	took[SINGLE_MAKE] = made - start;
	took[SINGLE_MAP] = mapped - made;
	if (!ret)
		dma_unmap_sgtable(&pdev->dev, &sgt, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(&sgt);
	took[SINGLE_FREE] = ticks() - mapped;

	return ret;
}

static int single_list(struct page **pages, u64 took[NUM_SINGLE])
{
	u64 start = ticks(), made, mapped;
	struct dma_runs list;
	int ret = 0;
	u32 i;

	dma_runs_init(&list, &pdev->dev, DMA_RUNS_STREAMING, SINGLE_PAGES);
	list.attrs = DMA_ATTR_SKIP_CPU_SYNC;
	for (i = 0; i < SINGLE_PAGES && !ret; i++)
		ret = dma_runs_add(&list, i, page_to_phys(pages[i]), 1);
	made = ticks();
	if (!ret)
		ret = dma_runs_map(&list, 0, SINGLE_PAGES);
	mapped = ticks();
	took[SINGLE_MAKE] = made - start;
	took[SINGLE_MAP] = mapped - made;
	dma_runs_clear(&list);
	took[SINGLE_FREE] = ticks() - mapped;

	return ret;
}

static int single_pair(struct page **pages, unsigned int run)
{
	u64 took[NUM_FORMS][NUM_SINGLE];
	unsigned int i;
	int ret;

	cond_resched();
	/* Who is first changes. */
	if (run & 1) {
		ret = single_list(pages, took[FORM_LIST]) ?: single_sg(pages, took[FORM_SG]);
	} else {
		ret = single_sg(pages, took[FORM_SG]) ?: single_list(pages, took[FORM_LIST]);
	}
	for (i = 0; i < NUM_SINGLE * NUM_FORMS && !ret; i++)
		single_ticks[i / NUM_FORMS][i % NUM_FORMS][run] =
			took[i % NUM_FORMS][i / NUM_FORMS];

	return ret;
}

static int run_singles(void)
{
	struct page **pages = kvmalloc_objs(*pages, SINGLE_PAGES);
	unsigned int i;
	int ret = 0;

	for (i = 0; i < NUM_SINGLE * NUM_FORMS; i++) {
		single_ticks[i / NUM_FORMS][i % NUM_FORMS] = kvcalloc(runs, sizeof(u64), GFP_KERNEL);
		if (!single_ticks[i / NUM_FORMS][i % NUM_FORMS])
			ret = -ENOMEM;
	}
	if (!pages || max_mapnr < 2 * SINGLE_PAGES)
		ret = -ENOMEM;
	for (i = 0; i < SINGLE_PAGES && !ret; i++)
		pages[i] = pfn_to_page(2 * i);
	for (i = 0; i < runs && !ret; i++)
		ret = single_pair(pages, i);
	kvfree(pages);

	return ret;
}

static void singles_free(void)
{
	unsigned int i;

	for (i = 0; i < NUM_SINGLE * NUM_FORMS; i++)
		kvfree(single_ticks[i / NUM_FORMS][i % NUM_FORMS]);
}

static void result_free(struct result *result)
{
	unsigned int i;

	for (i = 0; i < NUM_TIMED * NUM_FORMS; i++)
		kvfree(result->ticks[i / NUM_FORMS][i % NUM_FORMS]);
}

static int run_layout(const struct layout *layout, struct result *result)
{
	struct fill_bo *bo = fill_bo_create(layout);
	unsigned int i;
	u64 *ticks;
	int ret;

	if (IS_ERR(bo))
		return PTR_ERR(bo);

	ret = dma_resv_lock(bo->base.resv, NULL);
	for (i = 0; i < NUM_TIMED * NUM_FORMS && !ret; i++) {
		ticks = kvcalloc(runs, sizeof(*ticks), GFP_KERNEL);
		result->ticks[i / NUM_FORMS][i % NUM_FORMS] = ticks;
		if (!ticks)
			ret = -ENOMEM;
	}
	if (!ret)
		ret = run_layout_locked(bo, result);
	dma_resv_unlock(bo->base.resv);
	drm_gem_object_put(&bo->base);

	return ret;
}

static void show_series(struct seq_file *m, const struct layout *layout,
			const struct result *result, enum measure measure, enum form form)
{
	unsigned int run;

	seq_printf(m, "%s %s %s", layout->name, measure_names[measure], form_names[form]);
	if (measure < NUM_TIMED)
		for (run = 0; run < runs; run++)
			seq_printf(m, " %llu", result->ticks[measure][form][run]);
	else
		seq_printf(m, " %llu", result->once[measure][form]);
	seq_putc(m, '\n');
}

static void show_singles(struct seq_file *m)
{
	unsigned int i, run;

	for (i = 0; i < NUM_SINGLE * NUM_FORMS; i++) {
		seq_printf(m, "single %s %s", single_names[i / NUM_FORMS], form_names[i % NUM_FORMS]);
		for (run = 0; run < runs; run++)
			seq_printf(m, " %llu", single_ticks[i / NUM_FORMS][i % NUM_FORMS][run]);
		seq_putc(m, '\n');
	}
}

static int results_show(struct seq_file *m, void *data)
{
	unsigned int l, i;

	show_singles(m);

	for (l = 0; l < ARRAY_SIZE(layouts); l++)
		for (i = 0; i < NUM_MEASURES * NUM_FORMS; i++)
			show_series(m, &layouts[l], &results[l], i / NUM_FORMS, i % NUM_FORMS);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(results);

/*
 * The device
 */

static int table_init(void)
{
	table.ops = mali_table_alloc(&table.cfg, &pdev->dev);

	return table.ops ? 0 : -ENOMEM;
}

static const struct drm_driver fill_drm_driver = {
	.name = "pgtable_fill",
	.desc = "page table fill benchmark",
	.driver_features = DRIVER_GEM,
};

static void fill_remove(struct platform_device *dev)
{
	unsigned int i;

	debugfs_remove(file);
	for (i = 0; i < ARRAY_SIZE(layouts); i++)
		result_free(&results[i]);
	singles_free();
	free_io_pgtable_ops(table.ops);
	if (drm)
		drm_dev_put(drm);
}

static int device_init(void)
{
	struct drm_device *new;
	int ret;

	ret = dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(40));
	if (ret)
		return ret;
	new = drm_dev_alloc(&fill_drm_driver, &pdev->dev);
	if (IS_ERR(new))
		return PTR_ERR(new);
	drm = new;

	return table_init();
}

/* What runs from module_init() would be compiled for size. */
static int fill_probe(struct platform_device *dev)
{
	unsigned int l;
	int ret;

	pdev = dev;
	ret = device_init();
	for (l = 0; l < ARRAY_SIZE(layouts) && !ret; l++) {
		ret = run_layout(&layouts[l], &results[l]);
		if (ret)
			dev_err(&pdev->dev, "%s: failed with %d\n", layouts[l].name, ret);
	}
	if (!ret)
		ret = run_singles();
	if (ret) {
		fill_remove(dev);
		return ret;
	}
	file = debugfs_create_file("pgtable_fill", 0400, NULL, NULL, &results_fops);

	return 0;
}

static struct platform_driver fill_driver = {
	.driver.name = "pgtable_fill",
	.probe = fill_probe,
	.remove = fill_remove,
};

static int __init fill_init(void)
{
	struct platform_device *dev;
	int ret;

	if (!runs || runs > MAX_RUNS)
		return -EINVAL;
	ret = platform_driver_register(&fill_driver);
	if (ret)
		return ret;
	dev = platform_device_register_simple("pgtable_fill", PLATFORM_DEVID_NONE, NULL, 0);
	if (!IS_ERR(dev) && dev->dev.driver)
		return 0;

	if (!IS_ERR(dev))
		platform_device_unregister(dev);
	platform_driver_unregister(&fill_driver);

	return -ENODEV;
}
module_init(fill_init);

static void __exit fill_exit(void)
{
	platform_device_unregister(pdev);
	platform_driver_unregister(&fill_driver);
}
module_exit(fill_exit);

MODULE_DESCRIPTION("Fill of GPU page tables from an sg_table and from the typed list");
MODULE_LICENSE("GPL");
