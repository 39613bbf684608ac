// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit test suite for the typed list behind GEM buffer objects
 */

#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/folio_batch.h>
#include <linux/iosys-map.h>
#include <linux/mman.h>
#include <linux/prandom.h>
#include <linux/scatterlist.h>
#include <linux/shmem_fs.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include <kunit/device.h>
#include <kunit/test.h>

#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_bo_backing.h>
#include <drm/drm_kunit_helpers.h>
#include <drm/drm_prime.h>

MODULE_IMPORT_NS("DMA_BUF");

#define TEST_PAGES	96
#define TEST_SIZE	((size_t)TEST_PAGES << PAGE_SHIFT)
#define BLOCK_ORDER	3
#define BLOCK_PAGES	BIT(BLOCK_ORDER)
#define NUM_STEPS	200

struct test_bo {
	struct drm_gem_object base;
	struct drm_gem_bo_backing backing;
};

struct test_ctx {
	/* The exporter and the importer. */
	struct drm_device *drm[2];
};

/* Whether the machine is made to copy all that is mapped, see swiotlb=force. */
static bool test_bounces(struct kunit *test)
{
	struct test_ctx *ctx = test->priv;

	return dma_max_mapping_size(drm_dev_dma_dev(ctx->drm[0])) != SIZE_MAX;
}

static struct test_bo *to_test_bo(struct drm_gem_object *obj)
{
	return container_of(obj, struct test_bo, base);
}

/* Pages that are the case's own are in the list, but are not put. */
static void own_pages_evict(struct drm_gem_bo_backing *b)
{
	drm_gem_bo_backing_unmap(b);
	dma_runs_clear(&b->runs);
}

static int own_pages_add(struct drm_gem_bo_backing *b, u32 index, struct page *page, u32 num)
{
	struct dma_runs more;
	int ret;

	dma_runs_init(&more, NULL, DMA_RUNS_STREAMING, b->runs.num_pages);
	ret = dma_runs_add(&more, index, page_to_phys(page), num);
	if (!ret)
		ret = dma_runs_splice(&b->runs, &more);
	dma_runs_clear(&more);

	return ret;
}

static void test_bo_free(struct drm_gem_object *obj)
{
	struct test_bo *bo = to_test_bo(obj);

	/* A case that was aborted left with its lock. Better leak than hang. */
	if (!dma_resv_trylock(obj->resv))
		return;
	/* After the last reference a native object does without. */
	if (!obj->import_attach)
		dma_resv_unlock(obj->resv);
	if (bo->backing.runs.kind == DMA_RUNS_STREAMING && !obj->filp && !bo->backing.user)
		own_pages_evict(&bo->backing);
	drm_gem_bo_backing_fini(&bo->backing);

	if (obj->import_attach) {
		dma_resv_unlock(obj->resv);
		drm_prime_gem_destroy(obj, NULL);
	}
	drm_gem_object_release(obj);
	kfree(bo);
}

static const struct drm_gem_object_funcs test_bo_funcs = {
	.free = test_bo_free,
};

/* A dma-buf takes its owner from here. */
static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
};

static const struct drm_driver test_driver = {
	.driver_features = DRIVER_GEM,
	.fops = &test_fops,
};

KUNIT_DEFINE_ACTION_WRAPPER(test_bo_put, drm_gem_object_put, struct drm_gem_object *);

static void test_flush(void *data)
{
	flush_delayed_fput();
}

/* A shmem object, or a private one that takes pages or an attachment. */
static struct test_bo *test_bo_create(struct kunit *test, struct drm_device *drm,
				      enum dma_runs_kind kind, bool shmem, size_t size)
{
	struct test_bo *bo = kzalloc_obj(*bo);

	KUNIT_ASSERT_NOT_NULL(test, bo);
	bo->base.funcs = &test_bo_funcs;
	if (shmem)
		KUNIT_ASSERT_EQ(test, drm_gem_object_init(drm, &bo->base, size), 0);
	else
		drm_gem_private_object_init(drm, &bo->base, size);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_init(&bo->backing, &bo->base, kind), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, test_bo_put, &bo->base), 0);

	return bo;
}

/* The same, locked. The case has to unlock it: what comes after is another task. */
static struct test_bo *test_bo_create_locked(struct kunit *test,
					     enum dma_runs_kind kind, bool shmem,
					     size_t size)
{
	struct test_ctx *ctx = test->priv;
	struct test_bo *bo = test_bo_create(test, ctx->drm[0], kind, shmem, size);

	dma_resv_lock(bo->base.resv, NULL);

	return bo;
}

static struct test_bo *shmem_bo(struct kunit *test)
{
	return test_bo_create_locked(test, DMA_RUNS_STREAMING, true, TEST_SIZE);
}

KUNIT_DEFINE_ACTION_WRAPPER(test_free_page, put_page, struct page *);

/* Freed after the object: actions run in reverse. */
static struct page *test_alloc_pages(struct kunit *test, unsigned int order)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP, order);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, test_free_page, page), 0);

	return page;
}

/*
 * The reference: what every single page of an object is supposed to be.
 */
struct flat {
	struct page *page[TEST_PAGES];
	dma_addr_t dma[TEST_PAGES];
	bool present[TEST_PAGES];
	bool mapped[TEST_PAGES];
};

static bool flat_all(const bool *what, u32 index, u32 num)
{
	while (num--)
		if (!what[index + num])
			return false;

	return true;
}

static void flat_check_lookup(struct kunit *test, const struct flat *flat,
			      const struct drm_gem_bo_backing *b, struct rnd_state *rnd)
{
	u32 i;

	for (i = 0; i < TEST_PAGES; i++) {
		u32 in_page = prandom_u32_state(rnd) % PAGE_SIZE;
		dma_addr_t dma;
		int ret;

		KUNIT_ASSERT_PTR_EQ(test, drm_gem_bo_backing_page(b, i),
				    flat->present[i] ? flat->page[i] : NULL);
		ret = drm_gem_bo_backing_dma_addr(b, ((u64)i << PAGE_SHIFT) + in_page, &dma);
		KUNIT_ASSERT_EQ(test, ret, flat->mapped[i] ? 0 : -ENXIO);
		if (!ret)
			KUNIT_ASSERT_EQ(test, dma, flat->dma[i] + in_page);
	}
}

/* Byte for byte, and no two pieces that could be one. */
static void flat_check_dma(struct kunit *test, const struct flat *flat,
			   const struct drm_gem_bo_backing *b, u64 offset, u64 size)
{
	u32 first = offset >> PAGE_SHIFT, last = (offset + size - 1) >> PAGE_SHIFT;
	dma_addr_t follow = DMA_MAPPING_ERROR;
	struct dma_cursor cur;
	u64 at = offset, i;
	int ret;

	ret = dma_cursor_begin(&cur, b->list, offset, size);
	KUNIT_ASSERT_EQ(test, ret,
			flat_all(flat->mapped, first, last - first + 1) ? 0 : -ENXIO);
	if (ret)
		return;

	while (dma_cursor_next(&cur)) {
		KUNIT_ASSERT_EQ(test, cur.offset, at);
		KUNIT_ASSERT_GT(test, cur.size, 0);
		KUNIT_ASSERT_NE(test, cur.dma_addr, follow);
		for (i = 0; i < cur.size; i++, at++)
			if (cur.dma_addr + i != flat->dma[at >> PAGE_SHIFT] + at % PAGE_SIZE)
				KUNIT_FAIL_AND_ABORT(test, "wrong address at byte %llu", at);
		follow = cur.dma_addr + cur.size;
	}
	KUNIT_ASSERT_EQ(test, at, offset + size);
	KUNIT_ASSERT_FALSE(test, dma_cursor_next(&cur));
}

static void flat_check_pages(struct kunit *test, const struct flat *flat,
			     const struct drm_gem_bo_backing *b, u32 index, u32 num)
{
	struct dma_cursor cur;
	phys_addr_t follow = DMA_RUN_NO_PHYS;
	u32 at = index, i;
	int ret;

	ret = dma_cursor_begin_phys(&cur, &b->runs, (u64)index << PAGE_SHIFT,
				    (u64)num << PAGE_SHIFT);
	KUNIT_ASSERT_EQ(test, ret, flat_all(flat->present, index, num) ? 0 : -ENXIO);
	if (ret)
		return;

	while (dma_cursor_next_phys(&cur)) {
		KUNIT_ASSERT_EQ(test, cur.offset, (u64)at << PAGE_SHIFT);
		KUNIT_ASSERT_NE(test, cur.phys, follow);
		for (i = 0; i < cur.size >> PAGE_SHIFT; i++, at++)
			KUNIT_ASSERT_EQ(test, PHYS_PFN(cur.phys) + i, page_to_pfn(flat->page[at]));
		follow = cur.phys + cur.size;
	}
	KUNIT_ASSERT_EQ(test, at, index + num);
}

static void flat_check(struct kunit *test, const struct flat *flat,
		       const struct drm_gem_bo_backing *b, struct rnd_state *rnd)
{
	u32 i, present = 0, mapped = 0;

	for (i = 0; i < TEST_PAGES; i++) {
		present += flat->present[i];
		mapped += flat->mapped[i];
	}
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_resident_size(b), (u64)present << PAGE_SHIFT);
	KUNIT_ASSERT_EQ(test, b->list->num_mapped, mapped);
	KUNIT_ASSERT_EQ(test, dma_runs_is_populated(&b->runs), present == TEST_PAGES);
	KUNIT_ASSERT_EQ(test, dma_runs_is_mapped(b->list), mapped == TEST_PAGES);

	flat_check_lookup(test, flat, b, rnd);
	for (i = 0; i < 4; i++) {
		unsigned long offset = prandom_u32_state(rnd) % TEST_SIZE;
		unsigned long size = 1 + prandom_u32_state(rnd) % (TEST_SIZE - offset);
		u32 index = offset >> PAGE_SHIFT;

		flat_check_dma(test, flat, b, offset, size);
		flat_check_pages(test, flat, b, index,
				 1 + prandom_u32_state(rnd) % (TEST_PAGES - index));
	}
}

/* shmem is asked itself which page it holds; without taking the list's word. */
static void flat_read_shmem(struct kunit *test, struct flat *flat,
			    struct drm_gem_object *obj, u32 index, u32 num)
{
	u32 i;

	for (i = index; i < index + num; i++) {
		struct page *page = shmem_read_mapping_page(obj->filp->f_mapping, i);

		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, page);
		if (flat->present[i])
			KUNIT_ASSERT_PTR_EQ(test, page, flat->page[i]);
		flat->page[i] = page;
		flat->present[i] = true;
		put_page(page);
	}
}

static void step_populate(struct kunit *test, struct flat *flat, struct test_bo *bo,
			  u32 index, u32 num)
{
	int ret = 0;
	u32 i, n;

	if (bo->base.filp) {
		ret = drm_gem_bo_backing_populate(&bo->backing, index, num);
		KUNIT_ASSERT_EQ(test, ret, 0);
		flat_read_shmem(test, flat, &bo->base, index, num);
		return;
	}

	/* Own pages: whatever of a block is missing, as far as it is contiguous. */
	for (i = index; i < index + num && !ret; i += n) {
		n = min_t(u32, BLOCK_PAGES - i % BLOCK_PAGES, index + num - i);
		ret = own_pages_add(&bo->backing, i, flat->page[i], n);
		if (!flat_all(flat->present, i, n) && ret == -EEXIST) {
			n = 1;
			ret = own_pages_add(&bo->backing, i, flat->page[i], n);
		}
		KUNIT_ASSERT_EQ(test, ret == -EEXIST, flat->present[i]);
		if (ret == -EEXIST)
			ret = 0;
		memset(&flat->present[i], true, n * sizeof(bool));
	}
	KUNIT_ASSERT_EQ(test, ret, 0);
}

static void step_map(struct kunit *test, struct flat *flat, struct test_bo *bo,
		     u32 index, u32 num)
{
	int ret = drm_gem_bo_backing_map(&bo->backing, index, num);
	bool covered = flat_all(flat->present, index, num);
	u32 i;

	KUNIT_ASSERT_EQ(test, ret, covered ? 0 : -ENXIO);
	for (i = 0; i < TEST_PAGES; i++) {
		dma_addr_t dma;
		bool now = !drm_gem_bo_backing_dma_addr(&bo->backing,
							(u64)i << PAGE_SHIFT, &dma);

		/* What was mapped stays where it is. Nothing else but whole runs. */
		if (flat->mapped[i])
			KUNIT_ASSERT_TRUE(test, now && dma == flat->dma[i]);
		if (covered && i >= index && i < index + num)
			KUNIT_ASSERT_TRUE(test, now);
		if (now)
			KUNIT_ASSERT_TRUE(test, flat->present[i]);
		if (now && !flat->mapped[i] && !covered)
			KUNIT_FAIL_AND_ABORT(test, "page %u mapped by a refused call", i);
		flat->mapped[i] = now;
		flat->dma[i] = now ? dma : DMA_MAPPING_ERROR;
	}
}

static void test_random_walk(struct kunit *test, struct test_bo *bo, struct flat *flat,
			     u64 seed)
{
	struct rnd_state rnd;
	u32 step, index, num;

	kunit_info(test, "seed %llu", seed);
	prandom_seed_state(&rnd, seed);

	for (step = 0; step < NUM_STEPS; step++) {
		index = prandom_u32_state(&rnd) % TEST_PAGES;
		num = 1 + prandom_u32_state(&rnd) % min(TEST_PAGES - index, 24);

		switch (prandom_u32_state(&rnd) % 16) {
		case 0:
			if (bo->base.filp)
				KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_free(&bo->backing), 0);
			else
				own_pages_evict(&bo->backing);
			memset(flat->present, 0, sizeof(flat->present));
			memset(flat->mapped, 0, sizeof(flat->mapped));
			break;
		case 1:
			drm_gem_bo_backing_unmap(&bo->backing);
			memset(flat->mapped, 0, sizeof(flat->mapped));
			break;
		case 2:
			step_populate(test, flat, bo, 0, TEST_PAGES);
			break;
		case 3 ... 9:
			step_populate(test, flat, bo, index, num);
			break;
		default:
			step_map(test, flat, bo, index, num);
			break;
		}
		flat_check(test, flat, &bo->backing, &rnd);
	}
}

static void test_random_shmem(struct kunit *test)
{
	struct test_bo *bo = shmem_bo(test);
	struct flat *flat = kunit_kzalloc(test, sizeof(*flat), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, flat);
	/* Swapped out or not, a dirty page keeps its place in the file. */
	test_random_walk(test, bo, flat, 1);
	test_random_walk(test, bo, flat, get_random_u32());
	dma_resv_unlock(bo->base.resv);
}

/* Blocks of contiguous pages, in an order that is not theirs. */
static struct flat *flat_alloc_blocks(struct kunit *test)
{
	struct flat *flat = kunit_kzalloc(test, sizeof(*flat), GFP_KERNEL);
	u32 i, j;

	KUNIT_ASSERT_NOT_NULL(test, flat);
	for (i = 0; i < TEST_PAGES; i += BLOCK_PAGES) {
		struct page *page = test_alloc_pages(test, BLOCK_ORDER);

		for (j = 0; j < BLOCK_PAGES; j++)
			flat->page[(i * 7 + j) % TEST_PAGES] = page + j;
	}

	return flat;
}

static void test_random_own_pages(struct kunit *test)
{
	struct flat *flat = flat_alloc_blocks(test);
	struct test_bo *bo;

	bo = test_bo_create_locked(test, DMA_RUNS_STREAMING, false, TEST_SIZE);
	test_random_walk(test, bo, flat, 2);
	test_random_walk(test, bo, flat, get_random_u32());
	dma_resv_unlock(bo->base.resv);
}

/*
 * What is refused
 */

static void test_init_refused(struct kunit *test)
{
	struct test_ctx *ctx = test->priv;
	struct drm_gem_object obj = { .dev = ctx->drm[0] };
	struct drm_gem_bo_backing b;

	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_init(&b, &obj, DMA_RUNS_STREAMING), -EINVAL);
	obj.size = PAGE_SIZE + 1;
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_init(&b, &obj, DMA_RUNS_STREAMING), -EINVAL);
#ifdef CONFIG_64BIT
	obj.size = ((u64)DMA_RUNS_MAX_PAGES + 1) << PAGE_SHIFT;
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_init(&b, &obj, DMA_RUNS_STREAMING), -E2BIG);
#endif
	KUNIT_EXPECT_NULL(test, obj.backing);
}

static void test_range_refused(struct kunit *test)
{
	static const struct {
		u64 offset, size;
	} bad[] = {
		{ 0, 0 },
		{ TEST_SIZE, 0 },
		{ TEST_SIZE, PAGE_SIZE },
		{ 0, TEST_SIZE + PAGE_SIZE },
		{ PAGE_SIZE, TEST_SIZE },
		{ PAGE_SIZE, U64_MAX & PAGE_MASK },
		{ U64_MAX & PAGE_MASK, 2 * PAGE_SIZE },
	};
	struct drm_gem_bo_backing *b = &shmem_bo(test)->backing;
	struct dma_cursor cur;
	struct iosys_map map;
	dma_addr_t dma;
	u32 i;

	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_populate(b, 0, TEST_PAGES), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_map(b, 0, TEST_PAGES), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		pgoff_t index = bad[i].offset >> PAGE_SHIFT, num = bad[i].size >> PAGE_SHIFT;
		u64 offset = bad[i].offset, size = bad[i].size;

		KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_populate(b, index, num), -EINVAL);
		KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_map(b, index, num), -EINVAL);
		KUNIT_EXPECT_EQ(test, dma_cursor_begin(&cur, b->list, offset, size), -EINVAL);
		KUNIT_EXPECT_EQ(test, dma_cursor_begin_phys(&cur, &b->runs, offset, size), -EINVAL);
		KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_vmap(b, offset, size, &map), -EINVAL);
		KUNIT_EXPECT_EQ(test, -EINVAL,
				drm_gem_bo_backing_sync(b, offset, size,
							DMA_BIDIRECTIONAL, false));
	}
	KUNIT_EXPECT_EQ(test, dma_cursor_begin_phys(&cur, &b->runs, 1, PAGE_SIZE), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_cursor_begin_phys(&cur, &b->runs, 0, PAGE_SIZE - 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_dma_addr(b, TEST_SIZE, &dma), -EINVAL);
	KUNIT_EXPECT_NULL(test, drm_gem_bo_backing_page(b, TEST_PAGES));
	KUNIT_EXPECT_NULL(test, drm_gem_bo_backing_page(b, ULONG_MAX));
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_sync(b, 0, 1, DMA_NONE, true), -EINVAL);
	dma_resv_unlock(b->obj->resv);
}

static void test_kind_refused(struct kunit *test)
{
	struct drm_gem_bo_backing *b;
	struct dma_cursor cur;
	struct iosys_map map;

	b = &test_bo_create_locked(test, DMA_RUNS_IMPORTED, false, TEST_SIZE)->backing;
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_populate(b, 0, 1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_free(b), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, dma_cursor_begin_phys(&cur, &b->runs, 0, PAGE_SIZE), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_vmap(b, 0, PAGE_SIZE, &map), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_sync(b, 0, 1, DMA_FROM_DEVICE, false),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_sync(b, 0, 1, DMA_TO_DEVICE, true),
			-EOPNOTSUPP);
	/* No attachment yet. */
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_map(b, 0, 1), -EINVAL);
	dma_resv_unlock(b->obj->resv);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_cpu_access(b, DMA_FROM_DEVICE, false),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_cpu_access(b, DMA_TO_DEVICE, true),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_cpu_access(b, DMA_NONE, true), -EINVAL);
}

/* Pages that are in the list already, and an object without a file. */
static void test_source_refused(struct kunit *test)
{
	struct page *page = test_alloc_pages(test, 1);
	struct drm_gem_bo_backing *b;

	b = &test_bo_create_locked(test, DMA_RUNS_STREAMING, false, TEST_SIZE)->backing;
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_populate(b, 0, 1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, own_pages_add(b, TEST_PAGES - 1, page, 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, own_pages_add(b, 4, page, 2), 0);
	KUNIT_EXPECT_EQ(test, own_pages_add(b, 5, page, 2), -EEXIST);
	KUNIT_EXPECT_EQ(test, own_pages_add(b, 3, page, 2), -EEXIST);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_resident_size(b), 2 * PAGE_SIZE);
	dma_resv_unlock(b->obj->resv);
}

/* Pinned once, seen by the kernel and the device, and nobody else's. */
static void expect_pinned(struct kunit *test, struct drm_gem_bo_backing *b,
			  enum dma_data_direction dir)
{
	struct vm_area_struct vma = {};
	struct iosys_map map;

	KUNIT_EXPECT_PTR_EQ(test, drm_gem_prime_export(b->obj, O_RDWR), ERR_PTR(-EPERM));
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_mmap(b->obj, &vma), -EINVAL);

	dma_resv_lock(b->obj->resv, NULL);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_resident_size(b), TEST_SIZE);
	KUNIT_EXPECT_TRUE(test, b->runs.dir == dir);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_populate(b, 0, TEST_PAGES), 0);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_map(b, 0, TEST_PAGES), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_vmap(b, 0, TEST_SIZE, &map), 0);
	KUNIT_EXPECT_EQ(test, iosys_map_rd(&map, PAGE_SIZE, u32), 0xcafe);
	drm_gem_bo_backing_vunmap(b, &map);
	dma_resv_unlock(b->obj->resv);
}

static void expect_unpinned(struct kunit *test, struct drm_gem_bo_backing *b, bool dirty)
{
	struct folio *folio = page_folio(drm_gem_bo_backing_page(b, 1));

	KUNIT_EXPECT_TRUE(test, folio_maybe_dma_pinned(folio));
	folio_get(folio);
	folio_clear_dirty(folio);
	dma_resv_lock(b->obj->resv, NULL);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_free(b), 0);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_resident_size(b), 0);
	dma_resv_unlock(b->obj->resv);
	KUNIT_EXPECT_EQ(test, folio_test_dirty(folio), dirty);
	KUNIT_EXPECT_FALSE(test, folio_maybe_dma_pinned(folio));
	folio_mark_dirty(folio);
	folio_put(folio);
}

/* Memory of a process never is mixed with that of a file. */
static void test_user_not_populated(struct kunit *test)
{
	struct test_ctx *ctx = test->priv;
	struct drm_gem_bo_backing *b = &test_bo_create(test, ctx->drm[0], DMA_RUNS_STREAMING,
						       true, TEST_SIZE)->backing;

	b->user = true;
	dma_resv_lock(b->obj->resv, NULL);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_populate(b, 0, 1), -EOPNOTSUPP);
	dma_resv_unlock(b->obj->resv);
	KUNIT_EXPECT_EQ(test, b->runs.num_runs, 0);
}

static void test_pin_user(struct kunit *test)
{
	struct test_ctx *ctx = test->priv;
	struct drm_gem_bo_backing *b = &test_bo_create(test, ctx->drm[0], DMA_RUNS_STREAMING,
						       false, TEST_SIZE)->backing;
	unsigned long addr = kunit_vm_mmap(test, NULL, 0, TEST_SIZE, PROT_READ | PROT_WRITE,
					   MAP_ANONYMOUS | MAP_PRIVATE, 0);

	KUNIT_ASSERT_NE(test, addr, 0);
	KUNIT_ASSERT_EQ(test, put_user(0xcafe, (u32 __user *)(addr + PAGE_SIZE)), 0);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_pin_user(b, current->mm, addr, true),
			-EOPNOTSUPP);
	b->user = true;
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_pin_user(b, NULL, addr, true), -EPERM);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_pin_user(b, current->mm, addr + 1, true),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_pin_user(b, current->mm, addr, true), 0);
	/* It has its memory now, whoever asks. */
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_pin_user(b, NULL, 0, false), 0);
	expect_pinned(test, b, DMA_BIDIRECTIONAL);
	expect_unpinned(test, b, true);

	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_pin_user(b, current->mm, addr, false), 0);
	expect_pinned(test, b, DMA_TO_DEVICE);
	expect_unpinned(test, b, false);

	/* Pinned in part, and none of it stays. */
	KUNIT_EXPECT_EQ(test, vm_munmap(addr + TEST_SIZE - PAGE_SIZE, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_pin_user(b, current->mm, addr, true), -EFAULT);
	KUNIT_EXPECT_EQ(test, b->runs.num_runs, 0);
}

static void test_hole_refused(struct kunit *test)
{
	struct drm_gem_bo_backing *b = &shmem_bo(test)->backing;
	struct dma_cursor cur;
	struct iosys_map map;
	dma_addr_t dma;

	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_populate(b, 0, 4), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_populate(b, 5, 4), 0);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_map(b, 0, 9), -ENXIO);
	KUNIT_EXPECT_EQ(test, b->list->num_mapped, 0);
	KUNIT_EXPECT_EQ(test, dma_cursor_begin(&cur, b->list, 0, PAGE_SIZE), -ENXIO);
	KUNIT_EXPECT_EQ(test, dma_cursor_begin_phys(&cur, &b->runs, 0, 9 * PAGE_SIZE), -ENXIO);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_vmap(b, 0, 9 * PAGE_SIZE, &map), -ENXIO);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_dma_addr(b, 0, &dma), -ENXIO);
	KUNIT_EXPECT_NULL(test, drm_gem_bo_backing_page(b, 4));
	KUNIT_EXPECT_EQ(test, dma_runs_contiguous(b->list, 0, &dma), 0);
	KUNIT_EXPECT_TRUE(test, dma == DMA_MAPPING_ERROR);
	dma_resv_unlock(b->obj->resv);
	KUNIT_EXPECT_EQ(test, -ENXIO,
			PTR_ERR(dma_runs_map_for(&b->runs, b->runs.dev, DMA_BIDIRECTIONAL, 0)));
}

/* Twice is once, and to undo what was not done is nothing. */
static void test_repeat(struct kunit *test)
{
	struct drm_gem_bo_backing *b = &shmem_bo(test)->backing;
	dma_addr_t first, again;

	drm_gem_bo_backing_unmap(b);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_free(b), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_populate(b, 0, TEST_PAGES), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_populate(b, 1, TEST_PAGES - 1), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_map(b, 0, TEST_PAGES), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_dma_addr(b, 0, &first), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_map(b, 0, TEST_PAGES), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_dma_addr(b, 0, &again), 0);
	KUNIT_EXPECT_EQ(test, first, again);
	drm_gem_bo_backing_unmap(b);
	drm_gem_bo_backing_unmap(b);
	KUNIT_EXPECT_TRUE(test, dma_runs_is_populated(&b->runs));
	dma_resv_unlock(b->obj->resv);
}

static void test_no_dma_mask(struct kunit *test)
{
	struct test_ctx *ctx = test->priv;
	struct device *dev = drm_dev_dma_dev(ctx->drm[0]);
	struct drm_gem_bo_backing *b = &shmem_bo(test)->backing;
	u64 *mask = dev->dma_mask;

	dev->dma_mask = NULL;
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_populate(b, 0, TEST_PAGES), 0);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_map(b, 0, TEST_PAGES), -ENODEV);
	dev->dma_mask = mask;
	/* Whatever the device was when memory came, the runs are no longer than it can map. */
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_map(b, 0, TEST_PAGES), 0);
	dma_resv_unlock(b->obj->resv);
}

/*
 * What fails on the way
 */

/* The device reaches all pages but the highest, which is mapped last. */
static void test_map_undo(struct kunit *test)
{
	struct test_ctx *ctx = test->priv;
	struct device *dev = drm_dev_dma_dev(ctx->drm[0]);
	struct page *low[8], *high = NULL;
	struct drm_gem_bo_backing *b;
	dma_addr_t before, after;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(low); i++) {
		low[i] = test_alloc_pages(test, 0);
		if (!high || page_to_pfn(low[i]) > page_to_pfn(high))
			swap(low[i], high);
		if (!low[i])
			low[i] = test_alloc_pages(test, 0);
		if (page_to_pfn(low[i]) > page_to_pfn(high))
			swap(low[i], high);
	}

	b = &test_bo_create_locked(test, DMA_RUNS_STREAMING, false, 9 * PAGE_SIZE)->backing;
	for (i = 0; i < ARRAY_SIZE(low); i++)
		KUNIT_ASSERT_EQ(test, own_pages_add(b, i, low[i], 1), 0);
	KUNIT_ASSERT_EQ(test, own_pages_add(b, 8, high, 1), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_map(b, 2, 1), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_dma_addr(b, 2 * PAGE_SIZE, &before), 0);

	dev->bus_dma_limit = page_to_phys(high);
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_map(b, 0, 9), -EIO);
	}
	dev->bus_dma_limit = 0;
	KUNIT_EXPECT_EQ(test, b->list->num_mapped, 1);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_dma_addr(b, 2 * PAGE_SIZE, &after), 0);
	KUNIT_EXPECT_EQ(test, before, after);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_map(b, 0, 9), 0);
	dma_resv_unlock(b->obj->resv);
}

#ifdef CONFIG_FAULT_INJECTION
static int populate_and_map(struct drm_gem_bo_backing *b)
{
	int ret = drm_gem_bo_backing_populate(b, 3, TEST_PAGES - 3);

	return ret ?: drm_gem_bo_backing_map(b, 3, TEST_PAGES - 3);
}

static bool can_fail_alloc(void)
{
	void *p;

	current->fail_nth = 1;
	p = kmalloc(64, GFP_KERNEL | __GFP_NOWARN);
	current->fail_nth = 0;
	kfree(p);

	return !p;
}

/* Every allocation in turn, until there is none left to fail. */
static void test_alloc_undo(struct kunit *test)
{
	struct drm_gem_bo_backing *b;
	int n, ret, failed = 0;

	if (!can_fail_alloc())
		kunit_skip(test, "failslab spares sleeping allocations, see ignore-gfp-wait");
	b = &shmem_bo(test)->backing;

	for (n = 1; n < 10000; n++) {
		KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_populate(b, 0, 2), 0);
		KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_map(b, 0, 2), 0);
		current->fail_nth = n;
		ret = populate_and_map(b);
		/* What is left was not needed: nothing else fails from here on. */
		if (current->fail_nth) {
			current->fail_nth = 0;
			KUNIT_ASSERT_EQ(test, ret, 0);
			break;
		}
		if (ret) {
			failed++;
			KUNIT_ASSERT_EQ(test, ret, -ENOMEM);
			KUNIT_ASSERT_EQ(test, b->list->num_mapped, 2);
		}
		KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_free(b), 0);
	}
	/* The array of runs has a second source, see kvrealloc(): no call need fail. */
	KUNIT_EXPECT_GT(test, n, 10);
	kunit_info(test, "%d of %d allocations failed the call", failed, n - 1);
	dma_resv_unlock(b->obj->resv);
}
#else
static void test_alloc_undo(struct kunit *test)
{
	kunit_skip(test, "CONFIG_FAULT_INJECTION is off");
}
#endif

/*
 * A device that bounces maps in pieces, which nobody else gets to see: runs are cut
 * for the mapping, all of each, and are whole again after it.
 */
static void cut_check(struct kunit *test, struct drm_gem_bo_backing *b, u32 num_pages)
{
	u32 pieces = DIV_ROUND_UP(num_pages, dma_max_mapping_size(b->runs.dev) >> PAGE_SHIFT);
	dma_addr_t dma;

	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_map(b, 1, 1), 0);
	KUNIT_EXPECT_EQ(test, b->runs.num_runs, pieces + 1);
	KUNIT_EXPECT_EQ(test, b->list->num_mapped, num_pages);
	KUNIT_EXPECT_EQ(test, 0, drm_gem_bo_backing_dma_addr(b, (u64)(num_pages - 1) << PAGE_SHIFT,
							     &dma));
	KUNIT_EXPECT_EQ(test, -ENXIO, drm_gem_bo_backing_dma_addr(b, (u64)num_pages << PAGE_SHIFT,
								  &dma));
	drm_gem_bo_backing_unmap(b);
	KUNIT_EXPECT_EQ(test, b->runs.num_runs, 2);
	KUNIT_EXPECT_EQ(test, b->list->num_mapped, 0);
}

static struct drm_gem_bo_backing *cut_bo(struct kunit *test, unsigned int order)
{
	struct drm_gem_bo_backing *b;

	b = &test_bo_create_locked(test, DMA_RUNS_STREAMING, false,
				   (PAGE_SIZE << order) + PAGE_SIZE)->backing;
	KUNIT_ASSERT_EQ(test, 0, own_pages_add(b, 0, test_alloc_pages(test, order), 1 << order));
	KUNIT_ASSERT_EQ(test, 0, own_pages_add(b, 1 << order, test_alloc_pages(test, 0), 1));
	KUNIT_ASSERT_EQ(test, b->runs.num_runs, 2);

	return b;
}

static void test_cut(struct kunit *test)
{
	unsigned int order = get_order(SZ_1M);
	struct drm_gem_bo_backing *b = cut_bo(test, order);

	cut_check(test, b, 1 << order);
	dma_resv_unlock(b->obj->resv);
}

/*
 * Implementations of dma_map_ops that put segments together
 */

#ifdef CONFIG_ARCH_HAS_DMA_OPS
#define OPS_ADDR	((dma_addr_t)SZ_1G)
#define OPS_BLOCKS	4
#define OPS_BLOCK_PAGES	2
#define OPS_SIZE	(OPS_BLOCKS * OPS_BLOCK_PAGES * PAGE_SIZE)

/* What is mapped, and how the next goes. */
static struct {
	int tables;
	int runs;
	bool fail_sg;
	bool split_sg;
	phys_addr_t fail_phys;
	size_t max_size;
} ops_state;

static dma_addr_t ops_map_phys(struct device *dev, phys_addr_t phys, size_t size,
			       enum dma_data_direction dir, unsigned long attrs)
{
	/* A limit is that of bounce buffers. */
	if (phys == ops_state.fail_phys || (ops_state.max_size && attrs & DMA_ATTR_NO_BOUNCE))
		return DMA_MAPPING_ERROR;
	ops_state.runs++;

	return phys;
}

static void ops_unmap_phys(struct device *dev, dma_addr_t dma_addr, size_t size,
			   enum dma_data_direction dir, unsigned long attrs)
{
	ops_state.runs--;
}

/* One entry for all, or two, of which the second starts inside of a run. */
static int ops_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg;
	size_t size = 0;
	int i;

	if (ops_state.fail_sg)
		return -EIO;
	for_each_sg(sgl, sg, nents, i)
		size += sg->length;
	ops_state.tables++;
	sg_dma_address(sgl) = OPS_ADDR;
	sg_dma_len(sgl) = size;
	if (!ops_state.split_sg)
		return 1;

	sg_dma_len(sgl) = PAGE_SIZE;
	sg = sg_next(sgl);
	sg_dma_address(sg) = OPS_ADDR + SZ_1M;
	sg_dma_len(sg) = size - PAGE_SIZE;

	return 2;
}

static void ops_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			 enum dma_data_direction dir, unsigned long attrs)
{
	ops_state.tables--;
}

static unsigned long ops_merge_boundary(struct device *dev)
{
	return PAGE_SIZE - 1;
}

static size_t ops_max_size(struct device *dev)
{
	return ops_state.max_size ?: SIZE_MAX;
}

static const struct dma_map_ops table_ops = {
	.map_phys = ops_map_phys,
	.unmap_phys = ops_unmap_phys,
	.map_sg = ops_map_sg,
	.unmap_sg = ops_unmap_sg,
	.get_merge_boundary = ops_merge_boundary,
	.max_mapping_size = ops_max_size,
};

/* Blocks of which none follows the one before. */
static struct drm_gem_bo_backing *ops_bo(struct kunit *test, struct page **block)
{
	struct drm_gem_bo_backing *b;
	int i, j;

	for (i = 0; i < OPS_BLOCKS; i++) {
		block[i] = test_alloc_pages(test, get_order(OPS_BLOCK_PAGES * PAGE_SIZE));
		for (j = i; j && page_to_pfn(block[j - 1]) < page_to_pfn(block[j]); j--)
			swap(block[j - 1], block[j]);
	}

	b = &test_bo_create_locked(test, DMA_RUNS_STREAMING, false, OPS_SIZE)->backing;
	for (i = 0; i < OPS_BLOCKS; i++)
		KUNIT_ASSERT_EQ(test, 0, own_pages_add(b, i * OPS_BLOCK_PAGES, block[i],
						       OPS_BLOCK_PAGES));

	return b;
}

/* As the implementation has it, and nothing of it left behind. */
static void ops_expect(struct kunit *test, struct drm_gem_bo_backing *b, int ret, int tables,
		       int runs)
{
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_map(b, 0, OPS_SIZE >> PAGE_SHIFT), ret);
	KUNIT_EXPECT_EQ(test, ops_state.tables, tables);
	KUNIT_EXPECT_EQ(test, ops_state.runs, runs);
	if (!ret && !runs) {
		dma_addr_t addr;

		KUNIT_EXPECT_EQ(test, dma_runs_contiguous(b->list, 0, &addr), OPS_SIZE);
		KUNIT_EXPECT_EQ(test, addr, OPS_ADDR);
	}
	drm_gem_bo_backing_unmap(b);
	KUNIT_EXPECT_EQ(test, ops_state.tables, 0);
	KUNIT_EXPECT_EQ(test, ops_state.runs, 0);
}

static void test_ops(struct kunit *test)
{
	struct test_ctx *ctx = test->priv;
	struct device *dev = drm_dev_dma_dev(ctx->drm[0]);
	struct page *block[OPS_BLOCKS];
	struct drm_gem_bo_backing *b = ops_bo(test, block);

	memset(&ops_state, 0, sizeof(ops_state));
	set_dma_ops(dev, &table_ops);
	ops_expect(test, b, 0, 1, 0);

	/* Two in the middle first, so that one is left at each end. */
	KUNIT_EXPECT_EQ(test, 0, drm_gem_bo_backing_map(b, OPS_BLOCK_PAGES, 2 * OPS_BLOCK_PAGES));
	ops_expect(test, b, 0, 1, 2);

	/* What cannot be put together is mapped one by one. */
	ops_state.split_sg = true;
	ops_expect(test, b, 0, 0, OPS_BLOCKS);
	ops_state.fail_sg = true;
	ops_expect(test, b, 0, 0, OPS_BLOCKS);
	ops_state.fail_phys = page_to_phys(block[OPS_BLOCKS - 1]);
	ops_expect(test, b, -EIO, 0, 0);
	own_pages_evict(b);
	set_dma_ops(dev, NULL);
	dma_resv_unlock(b->obj->resv);
}

/* Pieces, and what is left of them when the last one fails. */
static void test_ops_cut(struct kunit *test)
{
	struct drm_gem_bo_backing *b = cut_bo(test, 4);
	struct device *dev = b->runs.dev;
	dma_addr_t dma;

	memset(&ops_state, 0, sizeof(ops_state));
	ops_state.max_size = 3 * PAGE_SIZE;
	set_dma_ops(dev, &table_ops);
	cut_check(test, b, 16);
	ops_state.fail_phys = b->runs.runs[0].phys + 15 * PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_map(b, 0, 2), -EIO);
	KUNIT_EXPECT_EQ(test, ops_state.runs, 0);
	KUNIT_EXPECT_EQ(test, b->runs.num_runs, 2);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_dma_addr(b, 0, &dma), -ENXIO);
	own_pages_evict(b);
	set_dma_ops(dev, NULL);
	dma_resv_unlock(b->obj->resv);
}
#else
static void test_ops(struct kunit *test)
{
	kunit_skip(test, "needs ARCH_HAS_DMA_OPS");
}

static void test_ops_cut(struct kunit *test)
{
	kunit_skip(test, "needs ARCH_HAS_DMA_OPS");
}
#endif

/*
 * What it costs
 */

static size_t metadata_size(const struct drm_gem_bo_backing *b)
{
	return sizeof(*b) + b->runs.num_runs * sizeof(*b->runs.runs);
}

static void test_metadata_huge(struct kunit *test)
{
	unsigned int order = ilog2(SZ_2M >> PAGE_SHIFT), i;
	struct drm_gem_bo_backing *b;
	struct page *page[32];

	if (order > MAX_PAGE_ORDER)
		kunit_skip(test, "no 2 MiB pages here");

	for (i = 0; i < ARRAY_SIZE(page); i++)
		page[i] = test_alloc_pages(test, order);
	b = &test_bo_create_locked(test, DMA_RUNS_STREAMING, false, SZ_64M)->backing;
	for (i = 0; i < ARRAY_SIZE(page); i++)
		KUNIT_ASSERT_EQ(test, own_pages_add(b, i << order, page[i], 1 << order), 0);
	/* Bounce buffers are smaller than that. */
	if (!test_bounces(test))
		KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_map(b, 0, SZ_64M >> PAGE_SHIFT), 0);
	KUNIT_EXPECT_LE(test, metadata_size(b), SZ_1K);
	dma_resv_unlock(b->obj->resv);
}

/* Two pages that are not neighbours, in turn, are cheap enough for 64 MiB. */
static struct page *small_page(struct page *pages, u32 index)
{
	return pages + 2 * (index & 1);
}

/* Added from the end, as a list is sorted whatever the order. */
static void test_metadata_small(struct kunit *test)
{
	u32 i, num_pages = SZ_64M >> PAGE_SHIFT, some = 1024;
	struct page *pages = test_alloc_pages(test, 2);
	struct drm_gem_bo_backing *b;
	struct dma_cursor cur;

	b = &test_bo_create_locked(test, DMA_RUNS_STREAMING, false, SZ_64M)->backing;
	for (i = num_pages; i > num_pages - some; i--) {
		struct page *page = small_page(pages, i - 1);

		KUNIT_ASSERT_EQ(test, own_pages_add(b, i - 1, page, 1), 0);
	}
	KUNIT_EXPECT_EQ(test, b->runs.num_runs, some);
	KUNIT_EXPECT_LE(test, sizeof(*b->runs.runs), 24);
	KUNIT_EXPECT_LE(test, sizeof(*b), 176);

	KUNIT_ASSERT_EQ(test, dma_cursor_begin_phys(&cur, &b->runs, (u64)i << PAGE_SHIFT,
						    (u64)some << PAGE_SHIFT), 0);
	for (; i < num_pages; i++) {
		KUNIT_ASSERT_TRUE(test, dma_cursor_next_phys(&cur));
		KUNIT_ASSERT_EQ(test, cur.phys, page_to_phys(small_page(pages, i)));
		KUNIT_ASSERT_PTR_EQ(test, drm_gem_bo_backing_page(b, i), small_page(pages, i));
	}
	dma_resv_unlock(b->obj->resv);
}

/*
 * CPU side
 */

static void test_vmap(struct kunit *test)
{
	struct drm_gem_bo_backing *b = &shmem_bo(test)->backing;
	struct iosys_map all, part;
	u32 i;

	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_populate(b, 0, TEST_PAGES), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_vmap(b, 0, TEST_SIZE, &all), 0);
	for (i = 0; i < TEST_SIZE; i += 64)
		iosys_map_wr(&all, i, u32, i);
	drm_gem_bo_backing_vunmap(b, &all);
	KUNIT_EXPECT_TRUE(test, iosys_map_is_null(&all));

	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_vmap(b, 3 * PAGE_SIZE, 2 * PAGE_SIZE, &part), 0);
	for (i = 0; i < 2 * PAGE_SIZE; i += 64)
		KUNIT_ASSERT_EQ(test, iosys_map_rd(&part, i, u32), 3 * PAGE_SIZE + i);
	drm_gem_bo_backing_vunmap(b, &part);
	dma_resv_unlock(b->obj->resv);
}

/*
 * From the page cache, beside it, and what fallocate() has not cleared: all is shmem's
 * page, and is valid.
 */
static void test_populate_cached(struct kunit *test)
{
	struct drm_gem_bo_backing *b = &shmem_bo(test)->backing;
	struct address_space *mapping = b->obj->filp->f_mapping;
	struct page *page;
	int extra = 0;
	u32 i;

	KUNIT_ASSERT_EQ(test, vfs_fallocate(b->obj->filp, 0, TEST_SIZE / 2, TEST_SIZE / 4), 0);
	for (i = 0; i < TEST_PAGES; i += i % 40 == 34 ? 5 : 1) {
		page = shmem_read_mapping_page(mapping, i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, page);
		put_page(page);
		if (i == TEST_PAGES / 2 - 1)
			i += TEST_PAGES / 4;
	}

	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_populate(b, 0, TEST_PAGES), 0);
	for (i = 0; i < TEST_PAGES; i++) {
		page = shmem_read_mapping_page(mapping, i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, page);
		KUNIT_EXPECT_PTR_EQ(test, drm_gem_bo_backing_page(b, i), page);
		put_page(page);
	}
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_free(b), 0);

	/* None of those lost a reference, or has one left: only other CPUs' batches have. */
	for (i = 0; i < TEST_PAGES; i++) {
		struct folio *folio = shmem_read_folio(mapping, i);

		KUNIT_ASSERT_FALSE(test, IS_ERR(folio));
		extra += folio_ref_count(folio) - 1 - folio_nr_pages(folio);
		folio_put(folio);
	}
	KUNIT_EXPECT_GE(test, extra, 0);
	KUNIT_EXPECT_LE(test, extra, FOLIO_BATCH_SIZE * ((int)num_online_cpus() - 1));
	dma_resv_unlock(b->obj->resv);
}

/* What nobody has cleared yet is not for a device to see. */
static void test_populate_cleared(struct kunit *test)
{
	struct drm_gem_bo_backing *b = &shmem_bo(test)->backing;
	u32 i;

	KUNIT_ASSERT_EQ(test, vfs_fallocate(b->obj->filp, 0, 0, TEST_SIZE), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_populate(b, 0, TEST_PAGES), 0);
	for (i = 0; i < TEST_PAGES; i++)
		KUNIT_EXPECT_TRUE(test, PageUptodate(drm_gem_bo_backing_page(b, i)));
	dma_resv_unlock(b->obj->resv);
}

static void test_evict_keeps_content(struct kunit *test)
{
	struct drm_gem_bo_backing *b = &shmem_bo(test)->backing;
	struct iosys_map map;

	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_populate(b, 0, TEST_PAGES), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_vmap(b, 0, TEST_SIZE, &map), 0);
	iosys_map_memset(&map, 0, 0x5a, TEST_SIZE);
	drm_gem_bo_backing_vunmap(b, &map);

	b->dirty = true;
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_free(b), 0);
	KUNIT_EXPECT_FALSE(test, b->dirty);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_resident_size(b), 0);

	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_populate(b, 0, TEST_PAGES), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_vmap(b, 0, TEST_SIZE, &map), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(map.vaddr, 0x5a, TEST_SIZE));
	drm_gem_bo_backing_vunmap(b, &map);
	dma_resv_unlock(b->obj->resv);
}

/* Of the pages as well as of the file: what is dirty and what may go to swap. */
static void test_evict_marks(struct kunit *test)
{
	struct drm_gem_bo_backing *b = &shmem_bo(test)->backing;
	struct folio *folio;
	int dirty;

	for (dirty = 0; dirty < 2; dirty++) {
		KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_populate(b, 0, TEST_PAGES), 0);
		KUNIT_EXPECT_TRUE(test, mapping_unevictable(b->obj->filp->f_mapping));
		folio = page_folio(drm_gem_bo_backing_page(b, TEST_PAGES - 1));
		folio_get(folio);
		folio_lock(folio);
		folio_clear_dirty_for_io(folio);
		folio_unlock(folio);

		b->dirty = dirty;
		KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_free(b), 0);
		KUNIT_EXPECT_EQ(test, folio_test_dirty(folio), dirty);
		KUNIT_EXPECT_FALSE(test, mapping_unevictable(b->obj->filp->f_mapping));
		folio_mark_dirty(folio);
		folio_put(folio);
	}
	dma_resv_unlock(b->obj->resv);
}

static void test_sync(struct kunit *test)
{
	struct drm_gem_bo_backing *b = &shmem_bo(test)->backing;
	u64 offset, size;

	/* Nothing is mapped, nothing is to be done. */
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_sync(b, 0, 1, DMA_FROM_DEVICE, false), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_populate(b, 0, TEST_PAGES), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_map(b, 0, TEST_PAGES), 0);
	for (offset = 1; offset < TEST_SIZE; offset += 3 * PAGE_SIZE + 7) {
		size = min(TEST_SIZE - offset, 2 * PAGE_SIZE + 3);
		KUNIT_EXPECT_EQ(test, 0,
				drm_gem_bo_backing_sync(b, offset, size,
							DMA_TO_DEVICE, true));
		KUNIT_EXPECT_EQ(test, 0,
				drm_gem_bo_backing_sync(b, offset, size,
							DMA_FROM_DEVICE, false));
	}
	dma_resv_unlock(b->obj->resv);
}

/*
 * PRIME
 */

static struct dma_buf *test_export(struct kunit *test, struct test_bo *bo)
{
	struct dma_buf *dma_buf;

	dma_resv_lock(bo->base.resv, NULL);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_populate(&bo->backing, 0,
							  bo->base.size >> PAGE_SHIFT), 0);
	dma_resv_unlock(bo->base.resv);

	dma_buf = drm_gem_prime_export(&bo->base, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dma_buf);

	return dma_buf;
}

/* As the import of a driver does it. Takes over the reference. */
static struct test_bo *test_attach(struct kunit *test, struct dma_buf *dma_buf)
{
	struct test_ctx *ctx = test->priv;
	struct dma_buf_attachment *attach;
	struct test_bo *bo;

	attach = dma_buf_attach(dma_buf, drm_dev_dma_dev(ctx->drm[1]));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	bo = test_bo_create(test, ctx->drm[1], DMA_RUNS_IMPORTED, false,
			    PAGE_ALIGN(dma_buf->size));
	bo->base.import_attach = attach;
	bo->base.resv = dma_buf->resv;

	return bo;
}

static int test_map_locked(struct test_bo *bo)
{
	int ret;

	dma_resv_lock(bo->base.resv, NULL);
	ret = drm_gem_bo_backing_map(&bo->backing, 0, bo->base.size >> PAGE_SHIFT);
	dma_resv_unlock(bo->base.resv);

	return ret;
}

/* An importer's object that is not as large as the exporter's. */
static void test_import_size(struct kunit *test)
{
	static const size_t sizes[] = { TEST_SIZE - PAGE_SIZE, TEST_SIZE + PAGE_SIZE };
	struct test_ctx *ctx = test->priv;
	struct test_bo *exp, *imp;
	struct dma_buf *dma_buf;
	int i;

	exp = test_bo_create(test, ctx->drm[0], DMA_RUNS_STREAMING, true, TEST_SIZE);
	dma_buf = test_export(test, exp);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		imp = test_bo_create(test, ctx->drm[1], DMA_RUNS_IMPORTED, false, sizes[i]);
		KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_import(&imp->backing, dma_buf), -EINVAL);
		KUNIT_EXPECT_FALSE(test, dma_runs_is_mapped(imp->backing.list));
		KUNIT_EXPECT_TRUE(test, list_empty(&exp->backing.runs.others));
		kunit_release_action(test, test_bo_put, &imp->base);
	}
	dma_buf_put(dma_buf);
}

static void test_import_list(struct kunit *test)
{
	struct test_ctx *ctx = test->priv;
	struct drm_gem_bo_backing *exp, *imp;
	struct test_bo *bo;
	u32 i;

	bo = test_bo_create(test, ctx->drm[0], DMA_RUNS_STREAMING, true, TEST_SIZE);
	exp = &bo->backing;
	bo = test_attach(test, test_export(test, bo));
	imp = &bo->backing;

	KUNIT_EXPECT_EQ(test, imp->list->num_mapped, 0);
	KUNIT_ASSERT_EQ(test, test_map_locked(bo), 0);
	KUNIT_EXPECT_TRUE(test, dma_runs_is_mapped(imp->list));
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_resident_size(imp), 0);
	KUNIT_EXPECT_FALSE(test, list_empty(&exp->runs.others));
	KUNIT_EXPECT_TRUE(test, exp->dirty);

	dma_resv_lock(exp->obj->resv, NULL);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_free(exp), -EBUSY);
	/* Devices that reach memory directly have the same addresses, who bounces is alone. */
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_map(exp, 0, TEST_PAGES),
			test_bounces(test) ? -EIO : 0);
	for (i = 0; i < (test_bounces(test) ? 0 : TEST_PAGES); i++) {
		dma_addr_t own, other;

		KUNIT_EXPECT_NULL(test, drm_gem_bo_backing_page(imp, i));
		KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_dma_addr(exp, i * PAGE_SIZE, &own), 0);
		KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_dma_addr(imp, i * PAGE_SIZE, &other), 0);
		KUNIT_EXPECT_EQ(test, own, other);
	}
	dma_resv_unlock(exp->obj->resv);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_cpu_access(exp, DMA_BIDIRECTIONAL, false), 0);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_cpu_access(exp, DMA_BIDIRECTIONAL, true), 0);
	dma_resv_lock(exp->obj->resv, NULL);
	drm_gem_bo_backing_unmap(imp);
	KUNIT_EXPECT_TRUE(test, list_empty(&exp->runs.others));
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_free(exp), 0);
	dma_resv_unlock(exp->obj->resv);

	/* Evicted meanwhile: an exporter that does not pin is told. */
	KUNIT_EXPECT_EQ(test, test_map_locked(bo), -ENXIO);
}

/* The importer's reference outlives what the exporter had of its own object. */
static void test_import_outlives(struct kunit *test)
{
	struct test_ctx *ctx = test->priv;
	struct test_bo *exp, *imp;

	exp = test_bo_create(test, ctx->drm[0], DMA_RUNS_STREAMING, true, TEST_SIZE);
	imp = test_attach(test, test_export(test, exp));
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_import(&exp->backing,
							imp->base.import_attach->dmabuf),
			-EOPNOTSUPP);
	KUNIT_EXPECT_NULL(test, exp->base.import_attach);
	KUNIT_ASSERT_EQ(test, test_map_locked(imp), 0);
	kunit_release_action(test, test_bo_put, &exp->base);
	KUNIT_EXPECT_TRUE(test, dma_runs_is_mapped(imp->backing.list));
	KUNIT_EXPECT_FALSE(test, list_empty(&exp->backing.runs.others));
}

static void test_import_self(struct kunit *test)
{
	struct test_ctx *ctx = test->priv;
	struct drm_gem_object *obj;
	struct dma_buf *dma_buf;
	struct test_bo *bo;

	bo = test_bo_create(test, ctx->drm[0], DMA_RUNS_STREAMING, true, TEST_SIZE);
	dma_buf = test_export(test, bo);
	obj = drm_gem_prime_import(ctx->drm[0], dma_buf);
	KUNIT_EXPECT_PTR_EQ(test, obj, &bo->base);
	if (!IS_ERR(obj))
		drm_gem_object_put(obj);
	dma_buf_put(dma_buf);
}

/* An exporter that has no list. */
struct foreign {
	struct sg_table sgt;
	int mapped;
};

static struct sg_table *foreign_map(struct dma_buf_attachment *attach,
				    enum dma_data_direction dir)
{
	struct foreign *foreign = attach->dmabuf->priv;

	foreign->mapped++;

	return &foreign->sgt;
}

static void foreign_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			  enum dma_data_direction dir)
{
	struct foreign *foreign = attach->dmabuf->priv;

	foreign->mapped--;
}

static void foreign_release(struct dma_buf *dma_buf)
{
}

static const struct dma_buf_ops foreign_ops = {
	.map_dma_buf = foreign_map,
	.unmap_dma_buf = foreign_unmap,
	.release = foreign_release,
};

struct foreign_case {
	const char *name;
	size_t size;
	unsigned int num;
	struct {
		dma_addr_t addr;
		u32 len;
	} entry[3];
	int ret;
};

static const struct foreign_case foreign_cases[] = {
	{ "exact", SZ_64K, 2, { { SZ_1M, SZ_32K }, { SZ_2M, SZ_32K } }, 0 },
	{ "contiguous", SZ_64K, 2, { { SZ_1M, SZ_32K }, { SZ_1M + SZ_32K, SZ_32K } }, 0 },
	{ "last page short", SZ_64K - 100, 2, { { SZ_1M, SZ_32K }, { SZ_2M, SZ_32K - 100 } }, 0 },
	{ "longer than the object", SZ_64K, 2, { { SZ_1M, SZ_64K }, { SZ_2M, SZ_64K } }, 0 },
	{ "short", SZ_64K, 1, { { SZ_1M, SZ_32K } }, -EINVAL },
	{ "empty", SZ_64K, 1, { { SZ_1M, 0 } }, -EINVAL },
	{ "address not aligned", SZ_64K, 1, { { SZ_1M + 16, SZ_64K } }, -EINVAL },
	{ "length not aligned", SZ_64K, 2, { { SZ_1M, SZ_32K - 16 }, { SZ_2M, SZ_64K } }, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(foreign, foreign_cases, name);

static void foreign_free_table(void *sgt)
{
	sg_free_table(sgt);
}

static struct foreign *foreign_create(struct kunit *test, const struct foreign_case *c)
{
	struct foreign *foreign = kunit_kzalloc(test, sizeof(*foreign), GFP_KERNEL);
	struct scatterlist *sg;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, foreign);
	KUNIT_ASSERT_EQ(test, sg_alloc_table(&foreign->sgt, c->num, GFP_KERNEL), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, foreign_free_table,
							&foreign->sgt), 0);
	for_each_sgtable_sg(&foreign->sgt, sg, i) {
		sg_set_page(sg, ZERO_PAGE(0), c->entry[i].len, 0);
		sg_dma_address(sg) = c->entry[i].addr;
		sg_dma_len(sg) = c->entry[i].len;
	}
	foreign->sgt.nents = c->num;

	return foreign;
}

static void foreign_check_list(struct kunit *test, const struct drm_gem_bo_backing *b,
			       const struct foreign_case *c)
{
	u64 in_entry = 0, offset;
	unsigned int i = 0;
	dma_addr_t dma;

	for (offset = 0; offset < b->obj->size; offset += PAGE_SIZE) {
		if (in_entry >= c->entry[i].len) {
			in_entry = 0;
			i++;
		}
		KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_dma_addr(b, offset, &dma), 0);
		KUNIT_EXPECT_EQ(test, dma, c->entry[i].addr + in_entry);
		KUNIT_EXPECT_NULL(test, drm_gem_bo_backing_page(b, offset >> PAGE_SHIFT));
		in_entry += PAGE_SIZE;
	}
}

/* The exporter maps: neither that nor its undoing asks for a mask of the importer. */
static void test_import_table(struct kunit *test)
{
	const struct foreign_case *c = test->param_value;
	struct foreign *foreign = foreign_create(test, c);
	struct test_ctx *ctx = test->priv;
	struct device *dev = drm_dev_dma_dev(ctx->drm[1]);
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	u64 *mask = dev->dma_mask;
	struct dma_buf *dma_buf;
	struct test_bo *bo;
	dma_addr_t dma;

	dev->dma_mask = NULL;
	info.ops = &foreign_ops;
	info.size = c->size;
	info.priv = foreign;
	dma_buf = dma_buf_export(&info);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dma_buf);

	bo = test_bo_create(test, ctx->drm[1], DMA_RUNS_IMPORTED, false,
			    PAGE_ALIGN(c->size));
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_import(&bo->backing, dma_buf), c->ret);
	KUNIT_EXPECT_EQ(test, foreign->mapped, c->ret ? 0 : 1);
	KUNIT_EXPECT_PTR_EQ(test, bo->base.resv, dma_buf->resv);
	/* The importer has one of its own, also if it failed. */
	dma_buf_put(dma_buf);
	if (!c->ret) {
		foreign_check_list(test, &bo->backing, c);
		KUNIT_EXPECT_GE(test, dma_runs_contiguous(bo->backing.list, 0, &dma),
				min_t(u64, c->entry[0].len, bo->base.size));
	}

	/* The mapping and the buffer go with the importer. */
	kunit_release_action(test, test_bo_put, &bo->base);
	KUNIT_EXPECT_EQ(test, foreign->mapped, 0);
	dev->dma_mask = mask;
}

/* An exporter that pins, makes its own lists and frees them. */
struct lister_case {
	const char *name;
	int ret_pin;
	int ret_map;
	u32 num_pages;
	int ret;
	int ret_table;
};

static const struct lister_case lister_cases[] = {
	/* A table of a resource is for peers alone. */
	{ "mapped", .num_pages = TEST_PAGES, .ret_table = -EOPNOTSUPP },
	{ "not pinned", .ret_pin = -ENOSPC, .ret = -ENOSPC, .ret_table = -ENOSPC },
	{ "not mapped", .ret_map = -EIO, .ret = -EIO, .ret_table = -EIO },
	{ "too long", .num_pages = TEST_PAGES + 1, .ret = -EINVAL, .ret_table = -EOPNOTSUPP },
	{ "too short", .num_pages = TEST_PAGES - 1, .ret = -EINVAL, .ret_table = -EOPNOTSUPP },
};

KUNIT_ARRAY_PARAM_DESC(lister, lister_cases, name);

struct lister {
	const struct lister_case *c;
	int pinned;
	int mapped;
};

static int lister_pin(struct dma_buf_attachment *attach)
{
	struct lister *lister = attach->dmabuf->priv;

	lister->pinned += !lister->c->ret_pin;

	return lister->c->ret_pin;
}

static void lister_unpin(struct dma_buf_attachment *attach)
{
	struct lister *lister = attach->dmabuf->priv;

	lister->pinned--;
}

static struct dma_runs *lister_map(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	struct lister *lister = attach->dmabuf->priv;
	const struct phys_vec range = {
		/* Where no memory is. */
		.paddr = sizeof(phys_addr_t) > 4 ? (phys_addr_t)(1ULL << 38) : 0xf0000000,
		.len = lister->c->num_pages << PAGE_SHIFT,
	};

	if (lister->c->ret_map)
		return ERR_PTR(lister->c->ret_map);
	lister->mapped++;

	return dma_runs_map_ranges(attach->dev, dir, NULL, &range, 1);
}

static void lister_unmap(struct dma_buf_attachment *attach, struct dma_runs *runs)
{
	struct lister *lister = attach->dmabuf->priv;

	lister->mapped--;
	dma_runs_free(runs);
}

static const struct dma_buf_ops lister_ops = {
	.pin = lister_pin,
	.unpin = lister_unpin,
	.map_runs = lister_map,
	.unmap_runs = lister_unmap,
	.release = foreign_release,
};

/* It is pinned as long as it is mapped, and after a failure neither. */
static void test_import_pinned(struct kunit *test)
{
	struct lister lister = { .c = test->param_value };
	struct test_ctx *ctx = test->priv;
	struct dma_buf_attachment *attach;
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dma_buf;
	struct dma_runs *runs;
	struct sg_table *sgt;

	if (test_bounces(test))
		kunit_skip(test, "what has no pages cannot bounce");
	info.ops = &lister_ops;
	info.size = TEST_SIZE;
	info.priv = &lister;
	dma_buf = dma_buf_export(&info);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dma_buf);
	attach = dma_buf_attach(dma_buf, drm_dev_dma_dev(ctx->drm[1]));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);

	dma_resv_lock(dma_buf->resv, NULL);
	runs = dma_buf_map_runs(attach, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(runs), lister.c->ret);
	KUNIT_EXPECT_EQ(test, lister.pinned, !lister.c->ret);
	KUNIT_EXPECT_EQ(test, lister.mapped, !lister.c->ret);
	if (!IS_ERR(runs))
		dma_buf_unmap_runs(attach, runs);
	KUNIT_EXPECT_EQ(test, lister.pinned, 0);
	KUNIT_EXPECT_EQ(test, lister.mapped, 0);

	sgt = dma_buf_map_attachment(attach, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, PTR_ERR(sgt), lister.c->ret_table);
	KUNIT_EXPECT_EQ(test, lister.pinned, 0);
	KUNIT_EXPECT_EQ(test, lister.mapped, 0);
	dma_resv_unlock(dma_buf->resv);

	dma_buf_detach(dma_buf, attach);
	dma_buf_put(dma_buf);
}

/* The core's own copy hides pages. */
static void test_table_pages(struct kunit *test, struct drm_gem_bo_backing *b,
			     struct sg_table *sgt)
{
	struct sg_page_iter iter;
	u32 i = 0;

	if (IS_ENABLED(CONFIG_DMABUF_DEBUG))
		return;
	for_each_sgtable_page(sgt, &iter, 0)
		KUNIT_EXPECT_PTR_EQ(test, sg_page_iter_page(&iter),
				    drm_gem_bo_backing_page(b, i++));
	KUNIT_EXPECT_EQ(test, i, TEST_PAGES);
}

static void test_export_table(struct kunit *test)
{
	struct test_ctx *ctx = test->priv;
	struct dma_buf_attachment *attach;
	struct drm_gem_bo_backing *b;
	struct sg_dma_page_iter iter;
	struct dma_buf *dma_buf;
	struct sg_table *sgt;
	struct test_bo *bo;
	u32 i = 0;

	bo = test_bo_create(test, ctx->drm[0], DMA_RUNS_STREAMING, true, TEST_SIZE);
	b = &bo->backing;
	dma_buf = test_export(test, bo);
	KUNIT_ASSERT_EQ(test, test_map_locked(bo), 0);
	attach = dma_buf_attach(dma_buf, drm_dev_dma_dev(ctx->drm[1]));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	/* Who bounces is alone. */
	if (test_bounces(test)) {
		sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_PTR_EQ(test, sgt, ERR_PTR(-EIO));
		dma_resv_lock(bo->base.resv, NULL);
		drm_gem_bo_backing_unmap(b);
		dma_resv_unlock(bo->base.resv);
	}

	sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	KUNIT_EXPECT_FALSE(test, list_empty(&b->runs.others));
	for_each_sgtable_dma_page(sgt, &iter, 0) {
		dma_addr_t dma;

		if (!test_bounces(test)) {
			KUNIT_EXPECT_EQ(test, 0,
					drm_gem_bo_backing_dma_addr(b, i * PAGE_SIZE, &dma));
			KUNIT_EXPECT_EQ(test, sg_page_iter_dma_address(&iter), dma);
		}
		i++;
	}
	KUNIT_EXPECT_EQ(test, i, TEST_PAGES);
	test_table_pages(test, b, sgt);
	dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_TRUE(test, list_empty(&b->runs.others));

	dma_buf_detach(dma_buf, attach);
	dma_buf_put(dma_buf);
}

static const char *test_fence_name(struct dma_fence *fence)
{
	return "test";
}

static const struct dma_fence_ops test_fence_ops = {
	.get_driver_name = test_fence_name,
	.get_timeline_name = test_fence_name,
};

struct test_fence {
	struct dma_fence base;
	struct delayed_work signal;
};

static void test_fence_signal(struct work_struct *work)
{
	struct test_fence *fence = container_of(work, struct test_fence, signal.work);

	dma_fence_signal(&fence->base);
}

static const struct wait_case {
	const char *name;
	enum dma_resv_usage usage;
	enum dma_data_direction dir;
	bool waits;
} wait_cases[] = {
	{ "device writes, CPU reads", DMA_RESV_USAGE_WRITE, DMA_FROM_DEVICE, true },
	{ "device writes, CPU writes", DMA_RESV_USAGE_WRITE, DMA_TO_DEVICE, true },
	{ "device reads, CPU reads", DMA_RESV_USAGE_READ, DMA_FROM_DEVICE, false },
	{ "device reads, CPU writes", DMA_RESV_USAGE_READ, DMA_TO_DEVICE, true },
	{ "device reads, CPU does both", DMA_RESV_USAGE_READ, DMA_BIDIRECTIONAL, true },
};

KUNIT_ARRAY_PARAM_DESC(wait, wait_cases, name);

static struct test_fence *test_add_fence(struct kunit *test, struct dma_buf *dma_buf,
					 enum dma_resv_usage usage)
{
	struct test_fence *fence = kzalloc_obj(*fence);

	KUNIT_ASSERT_NOT_NULL(test, fence);
	INIT_DELAYED_WORK(&fence->signal, test_fence_signal);
	dma_fence_init(&fence->base, &test_fence_ops, NULL, dma_fence_context_alloc(1), 1);
	dma_resv_lock(dma_buf->resv, NULL);
	KUNIT_EXPECT_EQ(test, dma_resv_reserve_fences(dma_buf->resv, 1), 0);
	dma_resv_add_fence(dma_buf->resv, &fence->base, usage);
	dma_resv_unlock(dma_buf->resv);

	return fence;
}

/*
 * Calls the exporter's op and not dma_buf_begin_cpu_access(), which waits as well,
 * but when the op has synced what the device was still writing.
 */
static void test_wait_before_sync(struct kunit *test)
{
	const struct wait_case *c = test->param_value;
	struct test_ctx *ctx = test->priv;
	struct test_fence *fence;
	struct dma_buf *dma_buf;
	struct test_bo *bo;

	bo = test_bo_create(test, ctx->drm[0], DMA_RUNS_STREAMING, true, TEST_SIZE);
	dma_buf = test_export(test, bo);
	fence = test_add_fence(test, dma_buf, c->usage);

	/* Without a wait there is time enough to return before. */
	schedule_delayed_work(&fence->signal, c->waits ? HZ / 10 : 10 * HZ);
	KUNIT_EXPECT_EQ(test, dma_buf->ops->begin_cpu_access(dma_buf, c->dir), 0);
	KUNIT_EXPECT_EQ(test, dma_fence_is_signaled(&fence->base), c->waits);
	flush_delayed_work(&fence->signal);

	KUNIT_EXPECT_EQ(test, dma_buf->ops->end_cpu_access(dma_buf, c->dir), 0);
	dma_buf_put(dma_buf);
	dma_fence_put(&fence->base);
}

/* A signal ends the wait, and nothing is synced, mapped or pinned then. */
static void test_wait_interrupted(struct kunit *test)
{
	struct test_ctx *ctx = test->priv;
	struct dma_buf_attachment *attach;
	struct test_fence *fence;
	struct dma_buf *dma_buf;
	struct test_bo *bo;

	bo = test_bo_create(test, ctx->drm[0], DMA_RUNS_STREAMING, true, TEST_SIZE);
	dma_buf = test_export(test, bo);
	attach = dma_buf_attach(dma_buf, drm_dev_dma_dev(ctx->drm[1]));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	KUNIT_EXPECT_EQ(test, dma_buf->ops->begin_cpu_access(dma_buf, DMA_NONE), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_buf->ops->end_cpu_access(dma_buf, DMA_NONE + 1), -EINVAL);
	fence = test_add_fence(test, dma_buf, DMA_RESV_USAGE_KERNEL);

	set_thread_flag(TIF_SIGPENDING);
	KUNIT_EXPECT_EQ(test, dma_buf->ops->begin_cpu_access(dma_buf, DMA_BIDIRECTIONAL),
			-ERESTARTSYS);
	KUNIT_EXPECT_EQ(test, PTR_ERR(dma_buf_map_attachment_unlocked(attach, DMA_TO_DEVICE)),
			-ERESTARTSYS);
	dma_resv_lock(dma_buf->resv, NULL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(dma_buf_map_runs(attach, DMA_TO_DEVICE)), -ERESTARTSYS);
	dma_resv_unlock(dma_buf->resv);
	clear_thread_flag(TIF_SIGPENDING);

	KUNIT_EXPECT_TRUE(test, list_empty(&bo->backing.runs.others));
	schedule_delayed_work(&fence->signal, 0);
	flush_delayed_work(&fence->signal);
	dma_buf_detach(dma_buf, attach);
	dma_buf_put(dma_buf);
	dma_fence_put(&fence->base);
}

/*
 * The example in the documentation, which is to compile and to work as it is.
 */

struct example_gpu {
	u64 end;
	u64 mapped;
};

static void example_gpu_set_ptes(struct example_gpu *gpu, u64 va, dma_addr_t addr, u64 size)
{
	if (va == gpu->end)
		gpu->mapped += size;
	gpu->end = va + size;
}

/* --- example --- */
static int example_gpu_map(struct example_gpu *gpu, u64 va,
			   struct drm_gem_bo_backing *backing)
{
	u64 size = backing->obj->size;
	struct dma_cursor cur;
	int ret;

	dma_resv_assert_held(backing->obj->resv);

	ret = drm_gem_bo_backing_populate(backing, 0, size >> PAGE_SHIFT);
	if (!ret)
		ret = drm_gem_bo_backing_map(backing, 0, size >> PAGE_SHIFT);
	if (!ret)
		ret = dma_cursor_begin(&cur, backing->list, 0, size);
	if (ret)
		return ret;

	while (dma_cursor_next(&cur))
		example_gpu_set_ptes(gpu, va + cur.offset, cur.dma_addr,
				     cur.size);

	return 0;
}

/* --- end of example --- */

static void test_example(struct kunit *test)
{
	struct example_gpu gpu = { .end = SZ_1G };
	struct test_bo *bo = shmem_bo(test);

	KUNIT_EXPECT_EQ(test, example_gpu_map(&gpu, SZ_1G, &bo->backing), 0);
	KUNIT_EXPECT_EQ(test, gpu.mapped, TEST_SIZE);
	dma_resv_unlock(bo->base.resv);
}

static struct drm_device *test_device(struct kunit *test, const char *name)
{
	struct device *dev = kunit_device_register(test, name);
	struct drm_device *drm;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(64)), 0);
	drm = __drm_kunit_helper_alloc_drm_device_with_driver(test, dev, sizeof(*drm), 0,
							      &test_driver);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, drm);

	return drm;
}

static int test_init(struct kunit *test)
{
	struct test_ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->drm[0] = test_device(test, "exporter");
	ctx->drm[1] = test_device(test, "importer");
	test->priv = ctx;

	/* Before the devices go: a dma-buf is released when its file is. */
	return kunit_add_action_or_reset(test, test_flush, NULL);
}

static struct kunit_case drm_gem_bo_backing_test_cases[] = {
	KUNIT_CASE(test_random_shmem),
	KUNIT_CASE(test_random_own_pages),
	KUNIT_CASE(test_init_refused),
	KUNIT_CASE(test_range_refused),
	KUNIT_CASE(test_kind_refused),
	KUNIT_CASE(test_source_refused),
	KUNIT_CASE(test_pin_user),
	KUNIT_CASE(test_user_not_populated),
	KUNIT_CASE(test_hole_refused),
	KUNIT_CASE(test_repeat),
	KUNIT_CASE(test_no_dma_mask),
	KUNIT_CASE(test_map_undo),
	KUNIT_CASE(test_alloc_undo),
	KUNIT_CASE(test_cut),
	KUNIT_CASE(test_ops),
	KUNIT_CASE(test_ops_cut),
	KUNIT_CASE(test_metadata_huge),
	KUNIT_CASE(test_metadata_small),
	KUNIT_CASE(test_vmap),
	KUNIT_CASE(test_populate_cached),
	KUNIT_CASE(test_populate_cleared),
	KUNIT_CASE(test_evict_keeps_content),
	KUNIT_CASE(test_evict_marks),
	KUNIT_CASE(test_sync),
	KUNIT_CASE(test_import_list),
	KUNIT_CASE(test_import_size),
	KUNIT_CASE(test_import_outlives),
	KUNIT_CASE(test_import_self),
	KUNIT_CASE_PARAM(test_import_table, foreign_gen_params),
	KUNIT_CASE_PARAM(test_import_pinned, lister_gen_params),
	KUNIT_CASE(test_export_table),
	KUNIT_CASE_PARAM(test_wait_before_sync, wait_gen_params),
	KUNIT_CASE(test_wait_interrupted),
	KUNIT_CASE(test_example),
	{}
};

static struct kunit_suite drm_gem_bo_backing_test_suite = {
	.name = "drm_gem_bo_backing",
	.init = test_init,
	.test_cases = drm_gem_bo_backing_test_cases,
};

kunit_test_suite(drm_gem_bo_backing_test_suite);

MODULE_DESCRIPTION("KUnit test suite for the typed list behind GEM buffer objects");
MODULE_LICENSE("GPL");
