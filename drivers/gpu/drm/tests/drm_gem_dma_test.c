// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit test suite for GEM objects backed by memory of the DMA API
 */

#include <linux/dma-buf.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include <kunit/device.h>
#include <kunit/test.h>

#include <drm/drm_crtc.h>
#include <drm/drm_drv.h>
#include <drm/drm_fb_dma_helper.h>
#include <drm/drm_file.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_framebuffer.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_dma_helper.h>
#include <drm/drm_kunit_helpers.h>
#include <drm/drm_panic.h>
#include <drm/drm_plane.h>
#include <drm/drm_prime.h>
#include <drm/drm_print.h>
#include <drm/drm_vma_manager.h>

MODULE_IMPORT_NS("DMA_BUF");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");

#define TEST_SIZE	SZ_64K
#define TEST_WORD	0xaeaeaeae

struct gem_dma_ctx {
	struct drm_device *drm;
	/* What importers are. */
	struct drm_device *drm_other;
	struct drm_device *drm_vmap;
	/* Of @drm, opened. */
	struct file *file;
};

DEFINE_DRM_GEM_DMA_FOPS(gem_dma_fops);

static const struct drm_driver gem_dma_driver = {
	.driver_features = DRIVER_GEM,
	.fops = &gem_dma_fops,
	DRM_GEM_DMA_DRIVER_OPS,
};

static const struct drm_driver gem_dma_driver_vmap = {
	.driver_features = DRIVER_GEM,
	.fops = &gem_dma_fops,
	DRM_GEM_DMA_DRIVER_OPS_VMAP,
};

static struct drm_gem_object *create_noncoherent(struct drm_device *drm, size_t size)
{
	struct drm_gem_dma_object *dma_obj = kzalloc_obj(*dma_obj);

	if (!dma_obj)
		return ERR_PTR(-ENOMEM);
	dma_obj->map_noncoherent = true;

	return &dma_obj->base;
}

static const struct drm_driver gem_dma_driver_noncoherent = {
	.driver_features = DRIVER_GEM,
	.fops = &gem_dma_fops,
	.gem_create_object = create_noncoherent,
	DRM_GEM_DMA_DRIVER_OPS,
};

KUNIT_DEFINE_ACTION_WRAPPER(put_object, drm_gem_object_put, struct drm_gem_object *);

static struct drm_gem_dma_object *create(struct kunit *test, size_t size)
{
	struct gem_dma_ctx *ctx = test->priv;
	struct drm_gem_dma_object *dma_obj = drm_gem_dma_create(ctx->drm, size);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dma_obj);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_object, &dma_obj->base), 0);

	return dma_obj;
}

/* The reference goes to whoever imports. */
static struct dma_buf *export(struct kunit *test, struct drm_gem_dma_object *dma_obj)
{
	struct dma_buf *dma_buf = drm_gem_prime_export(&dma_obj->base, O_RDWR);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dma_buf);

	return dma_buf;
}

static void put_dma_buf(struct dma_buf *dma_buf)
{
	dma_buf_put(dma_buf);
	flush_delayed_fput();
}

static struct drm_gem_dma_object *import(struct kunit *test, struct drm_device *drm,
					 struct dma_buf *dma_buf)
{
	struct drm_gem_object *obj = drm->driver->gem_prime_import(drm, dma_buf);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_object, obj), 0);

	return to_drm_gem_dma_obj(obj);
}

/* For a device that has to bounce: coherent memory cannot be, and nothing keeps its address. */
static bool bounces(struct drm_device *drm)
{
	return dma_max_mapping_size(drm_dev_dma_dev(drm)) != SIZE_MAX;
}

static void skip_if_refused(struct kunit *test)
{
	struct gem_dma_ctx *ctx = test->priv;

	if (bounces(ctx->drm_other))
		kunit_skip(test, "importers would have to bounce");
}

static void put_now(struct kunit *test, struct drm_gem_dma_object *dma_obj)
{
	kunit_release_action(test, put_object, &dma_obj->base);
	flush_delayed_fput();
}

static u32 read_word(struct kunit *test, struct drm_gem_dma_object *dma_obj, size_t offset)
{
	struct iosys_map map;
	u32 word;

	KUNIT_ASSERT_EQ(test, drm_gem_vmap(&dma_obj->base, &map), 0);
	word = iosys_map_rd(&map, offset, u32);
	drm_gem_vunmap(&dma_obj->base, &map);

	return word;
}

static void test_create(struct kunit *test)
{
	struct drm_gem_dma_object *dma_obj = create(test, TEST_SIZE - 1);
	void *vaddr = drm_gem_dma_vaddr(dma_obj);
	dma_addr_t dma_addr;

	KUNIT_EXPECT_EQ(test, dma_obj->base.size, TEST_SIZE);
	KUNIT_EXPECT_TRUE(test, dma_obj->backing.runs.kind == DMA_RUNS_COHERENT);
	KUNIT_EXPECT_EQ(test, dma_runs_contiguous(dma_obj->backing.list, 0, &dma_addr),
			TEST_SIZE);
	KUNIT_EXPECT_EQ(test, drm_gem_dma_addr(dma_obj), dma_addr);
	KUNIT_EXPECT_NE(test, drm_gem_dma_addr(dma_obj), 0);
	KUNIT_ASSERT_NOT_NULL(test, vaddr);
	KUNIT_EXPECT_NULL(test, memchr_inv(vaddr, 0, TEST_SIZE));
}

static void test_create_fails(struct kunit *test)
{
	struct gem_dma_ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, PTR_ERR(drm_gem_dma_create(ctx->drm, 0)), -EINVAL);
	/* More than the allocator has for anybody. */
	KUNIT_EXPECT_EQ(test, PTR_ERR(drm_gem_dma_create(ctx->drm, SZ_1G)), -ENOMEM);
}

static void test_print_info(struct kunit *test)
{
	struct drm_gem_dma_object *dma_obj = create(test, TEST_SIZE);
	char *text = kunit_kzalloc(test, SZ_256, GFP_KERNEL), expected[32];
	struct drm_print_iterator iter = { .data = text, .remain = SZ_256 - 1 };
	struct drm_printer p = drm_coredump_printer(&iter);
	dma_addr_t dma_addr = drm_gem_dma_addr(dma_obj);

	KUNIT_ASSERT_NOT_NULL(test, text);
	dma_obj->base.funcs->print_info(&p, 0, &dma_obj->base);
	snprintf(expected, sizeof(expected), "dma_addr=%pad\n", &dma_addr);
	KUNIT_EXPECT_NOT_NULL(test, strstr(text, expected));
}

static struct drm_gem_object *dumb_create(struct kunit *test, u32 *handle)
{
	struct drm_mode_create_dumb args = { .width = 100, .height = 37, .bpp = 32 };
	struct gem_dma_ctx *ctx = test->priv;
	struct drm_file *file = ctx->file->private_data;
	struct drm_gem_object *obj;

	KUNIT_ASSERT_EQ(test, drm_gem_dma_dumb_create(file, ctx->drm, &args), 0);
	KUNIT_EXPECT_EQ(test, args.pitch, 400);
	KUNIT_EXPECT_EQ(test, args.size, PAGE_ALIGN(400 * 37));
	obj = drm_gem_object_lookup(file, args.handle);
	KUNIT_ASSERT_NOT_NULL(test, obj);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_object, obj), 0);
	*handle = args.handle;

	return obj;
}

static unsigned long mmap_file(struct kunit *test, struct file *file, u64 offset, size_t size,
			       unsigned long flags)
{
	KUNIT_ASSERT_EQ(test, kunit_attach_mm(), 0);

	return vm_mmap(file, 0, size, PROT_READ | PROT_WRITE, flags, offset);
}

/* @offset is where @obj is in @file, @start where the mapping is in @obj. */
static void check_mmap(struct kunit *test, struct drm_gem_object *obj, struct file *file,
		       u64 offset, size_t start, size_t size)
{
	unsigned long addr = mmap_file(test, file, offset + start, size, MAP_SHARED);
	size_t i;

	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	for (i = 0; i < size; i += PAGE_SIZE) {
		KUNIT_EXPECT_EQ(test, put_user(TEST_WORD + i, (u32 __user *)(addr + i)), 0);
		KUNIT_EXPECT_EQ(test, read_word(test, to_drm_gem_dma_obj(obj), start + i),
				TEST_WORD + i);
	}
	KUNIT_EXPECT_EQ(test, vm_munmap(addr, size), 0);
}

/* What is written there stays there. */
static void check_mmap_private(struct kunit *test, struct drm_gem_object *obj,
			       struct file *file, u64 offset)
{
	u32 before = read_word(test, to_drm_gem_dma_obj(obj), 0), word;
	unsigned long addr = mmap_file(test, file, offset, obj->size, MAP_PRIVATE);

	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_EXPECT_EQ(test, get_user(word, (u32 __user *)addr), 0);
	KUNIT_EXPECT_EQ(test, word, before);
	KUNIT_EXPECT_EQ(test, put_user(~before, (u32 __user *)addr), 0);
	KUNIT_EXPECT_EQ(test, get_user(word, (u32 __user *)addr), 0);
	KUNIT_EXPECT_EQ(test, word, ~before);
	KUNIT_EXPECT_EQ(test, read_word(test, to_drm_gem_dma_obj(obj), 0), before);
	KUNIT_EXPECT_EQ(test, vm_munmap(addr, obj->size), 0);
}

/* The ways of user space: a dumb buffer, mapped by the file. */
static void test_mmap(struct kunit *test)
{
	struct gem_dma_ctx *ctx = test->priv;
	struct drm_gem_object *obj;
	unsigned int refs;
	u64 offset;
	u32 handle;

	obj = dumb_create(test, &handle);
	offset = drm_vma_node_offset_addr(&obj->vma_node);
	refs = kref_read(&obj->refcount);
	check_mmap(test, obj, ctx->file, offset, 0, obj->size);
	check_mmap(test, obj, ctx->file, offset, 0, PAGE_SIZE);
	check_mmap_private(test, obj, ctx->file, offset);
	KUNIT_EXPECT_EQ(test, kref_read(&obj->refcount), refs);

	/* Nobody drops a reference that was not taken. */
	KUNIT_EXPECT_EQ(test, (long)mmap_file(test, ctx->file, offset, obj->size + PAGE_SIZE,
					      MAP_SHARED), -EINVAL);
	KUNIT_EXPECT_EQ(test, kref_read(&obj->refcount), refs);

	KUNIT_EXPECT_EQ(test, drm_gem_handle_delete(ctx->file->private_data, handle), 0);
}

/* By the dma-buf, of the exporter and of an importer, also a part. */
static void test_mmap_dma_buf(struct kunit *test)
{
	struct drm_gem_dma_object *dma_obj = create(test, TEST_SIZE), *importer;
	struct gem_dma_ctx *ctx = test->priv;
	struct dma_buf *dma_buf;
	unsigned int refs;

	skip_if_refused(test);
	dma_buf = export(test, dma_obj);
	importer = import(test, ctx->drm_other, dma_buf);
	refs = kref_read(&dma_obj->base.refcount);
	check_mmap(test, &dma_obj->base, dma_buf->file, 0, 0, TEST_SIZE);
	check_mmap(test, &dma_obj->base, dma_buf->file, 0, PAGE_SIZE, 2 * PAGE_SIZE);
	check_mmap(test, &importer->base, dma_buf->file, 0, PAGE_SIZE, 2 * PAGE_SIZE);
	check_mmap_private(test, &dma_obj->base, dma_buf->file, 0);
	KUNIT_EXPECT_EQ(test, kref_read(&dma_obj->base.refcount), refs);
	dma_buf_put(dma_buf);
	put_now(test, importer);
}

static void test_vmap(struct kunit *test)
{
	struct drm_gem_dma_object *dma_obj = create(test, TEST_SIZE);
	struct iosys_map map;

	KUNIT_ASSERT_EQ(test, drm_gem_vmap(&dma_obj->base, &map), 0);
	KUNIT_EXPECT_FALSE(test, map.is_iomem);
	KUNIT_EXPECT_PTR_EQ(test, map.vaddr, drm_gem_dma_vaddr(dma_obj));
	drm_gem_vunmap(&dma_obj->base, &map);
	KUNIT_EXPECT_TRUE(test, iosys_map_is_null(&map));
	KUNIT_EXPECT_NOT_NULL(test, drm_gem_dma_vaddr(dma_obj));
}

/* Without memory, but still there. */
static void test_free_memory(struct kunit *test)
{
	struct drm_gem_dma_object *dma_obj = create(test, TEST_SIZE);
	struct iosys_map map;
	int i;

	for (i = 0; i < 2; i++) {
		drm_gem_dma_free_memory(dma_obj);
		KUNIT_EXPECT_NULL(test, drm_gem_dma_vaddr(dma_obj));
		KUNIT_EXPECT_EQ(test, drm_gem_dma_addr(dma_obj), 0);
	}
	KUNIT_EXPECT_EQ(test, drm_gem_vmap(&dma_obj->base, &map), -ENXIO);
}

static void test_free_memory_busy(struct kunit *test)
{
	struct drm_gem_dma_object *dma_obj = create(test, TEST_SIZE);
	struct gem_dma_ctx *ctx = test->priv;
	struct drm_gem_dma_object *importer;

	skip_if_refused(test);
	importer = import(test, ctx->drm_other, export(test, dma_obj));
	kunit_warning_suppress(test) {
		drm_gem_dma_free_memory(dma_obj);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	KUNIT_EXPECT_NOT_NULL(test, drm_gem_dma_vaddr(dma_obj));
	put_now(test, importer);
}

/* An importer that knows only tables. */
static void test_export_table(struct kunit *test)
{
	struct drm_gem_dma_object *dma_obj = create(test, TEST_SIZE);
	struct gem_dma_ctx *ctx = test->priv;
	struct dma_buf_attachment *attach;
	struct dma_buf *dma_buf;
	struct scatterlist *sg;
	struct sg_table *sgt;
	size_t size = 0;
	unsigned int i;

	skip_if_refused(test);
	dma_buf = export(test, dma_obj);
	attach = dma_buf_attach(dma_buf, drm_dev_dma_dev(ctx->drm_other));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	for_each_sgtable_dma_sg(sgt, sg, i)
		size += sg_dma_len(sg);
	KUNIT_EXPECT_EQ(test, size, TEST_SIZE);
	/* The core's own copy hides pages. */
	size = 0;
	for_each_sgtable_sg(sgt, sg, i)
		size += sg->length;
	KUNIT_EXPECT_EQ(test, size, IS_ENABLED(CONFIG_DMABUF_DEBUG) ? 0 : TEST_SIZE);
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(dma_buf, DMA_FROM_DEVICE), 0);
	KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(dma_buf, DMA_FROM_DEVICE), 0);
	dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_BIDIRECTIONAL);
	dma_buf_detach(dma_buf, attach);
	put_dma_buf(dma_buf);
}

static void test_export_list(struct kunit *test)
{
	struct drm_gem_dma_object *dma_obj = create(test, TEST_SIZE), *importer;
	struct gem_dma_ctx *ctx = test->priv;
	struct dma_buf *dma_buf;

	skip_if_refused(test);
	*(u32 *)drm_gem_dma_vaddr(dma_obj) = TEST_WORD;
	dma_buf = export(test, dma_obj);
	importer = import(test, ctx->drm_other, dma_buf);
	KUNIT_EXPECT_TRUE(test, drm_gem_is_imported(&importer->base));
	KUNIT_EXPECT_TRUE(test, importer->backing.runs.kind == DMA_RUNS_IMPORTED);
	KUNIT_EXPECT_NE(test, drm_gem_dma_addr(importer), 0);
	KUNIT_EXPECT_NULL(test, drm_gem_dma_vaddr(importer));
	KUNIT_EXPECT_FALSE(test, list_empty(&dma_obj->backing.runs.others));
	/* By the exporter. */
	KUNIT_EXPECT_EQ(test, read_word(test, importer, 0), TEST_WORD);
	dma_buf_put(dma_buf);
	put_now(test, importer);
	KUNIT_EXPECT_TRUE(test, list_empty(&dma_obj->backing.runs.others));
}

/* Where importers would have to bounce: refused, and nothing is left of it. */
static void test_export_refused(struct kunit *test)
{
	struct drm_gem_dma_object *dma_obj = create(test, TEST_SIZE);
	struct gem_dma_ctx *ctx = test->priv;
	struct dma_buf *dma_buf;
	struct drm_gem_object *obj;

	if (!bounces(ctx->drm_other))
		kunit_skip(test, "importers do not have to bounce");
	dma_buf = export(test, dma_obj);
	obj = drm_gem_dma_prime_import(ctx->drm_other, dma_buf);
	KUNIT_EXPECT_EQ(test, PTR_ERR(obj), -EIO);
	obj = drm_gem_dma_prime_import_vmap(ctx->drm_vmap, dma_buf);
	KUNIT_EXPECT_EQ(test, PTR_ERR(obj), -EIO);
	KUNIT_EXPECT_TRUE(test, list_empty(&dma_buf->attachments));
	KUNIT_EXPECT_TRUE(test, list_empty(&dma_obj->backing.runs.others));
	put_dma_buf(dma_buf);
}

static void test_import_own(struct kunit *test)
{
	struct drm_gem_dma_object *dma_obj = create(test, TEST_SIZE);
	struct dma_buf *dma_buf = export(test, dma_obj);
	struct gem_dma_ctx *ctx = test->priv;

	KUNIT_EXPECT_PTR_EQ(test, import(test, ctx->drm, dma_buf), dma_obj);
	put_dma_buf(dma_buf);
}

/* With a kernel address from the exporter. */
static void test_import_vmap(struct kunit *test)
{
	struct drm_gem_dma_object *dma_obj = create(test, TEST_SIZE), *importer;
	struct gem_dma_ctx *ctx = test->priv;
	struct dma_buf *dma_buf;

	skip_if_refused(test);
	dma_buf = export(test, dma_obj);
	*(u32 *)drm_gem_dma_vaddr(dma_obj) = TEST_WORD;
	importer = import(test, ctx->drm_vmap, dma_buf);
	KUNIT_ASSERT_NOT_NULL(test, drm_gem_dma_vaddr(importer));
	KUNIT_EXPECT_EQ(test, *(u32 *)drm_gem_dma_vaddr(importer), TEST_WORD);
	KUNIT_EXPECT_EQ(test, read_word(test, importer, 0), TEST_WORD);
	KUNIT_EXPECT_EQ(test, dma_buf->vmapping_counter, 1);
	dma_buf_put(dma_buf);
	put_now(test, importer);
}

/*
 * An exporter that has pages and knows only tables
 */

struct mock_buf {
	struct page *page;
	/* The second page comes first. */
	bool swapped;
	bool no_vmap;
	unsigned int released;
};

static struct sg_table *mock_map(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	struct mock_buf *mock = attach->dmabuf->priv;
	struct sg_table *sgt = kzalloc_obj(*sgt);

	if (!sgt)
		return ERR_PTR(-ENOMEM);
	if (sg_alloc_table(sgt, 2, GFP_KERNEL))
		goto err_free;
	sg_set_page(sgt->sgl, mock->page + mock->swapped, PAGE_SIZE, 0);
	sg_set_page(sg_next(sgt->sgl), mock->page + !mock->swapped, PAGE_SIZE, 0);
	if (dma_map_sgtable(attach->dev, sgt, dir, 0))
		goto err_free_table;

	return sgt;

err_free_table:
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return ERR_PTR(-ENOMEM);
}

static void mock_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		       enum dma_data_direction dir)
{
	dma_unmap_sgtable(attach->dev, sgt, dir, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

static int mock_vmap(struct dma_buf *dma_buf, struct iosys_map *map)
{
	struct mock_buf *mock = dma_buf->priv;

	if (mock->no_vmap)
		return -EOPNOTSUPP;
	iosys_map_set_vaddr(map, page_address(mock->page));

	return 0;
}

static void mock_release(struct dma_buf *dma_buf)
{
	struct mock_buf *mock = dma_buf->priv;

	mock->released++;
}

static const struct dma_buf_ops mock_ops = {
	.map_dma_buf = mock_map,
	.unmap_dma_buf = mock_unmap,
	.vmap = mock_vmap,
	.release = mock_release,
};

static void mock_free(void *page)
{
	__free_pages(page, 1);
}

/* One byte is missing in the last page. */
static struct dma_buf *mock_export(struct kunit *test, struct mock_buf *mock)
{
	DEFINE_DMA_BUF_EXPORT_INFO(exp_info);
	struct dma_buf *dma_buf;

	mock->page = alloc_pages(GFP_KERNEL | __GFP_ZERO, 1);
	KUNIT_ASSERT_NOT_NULL(test, mock->page);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, mock_free, mock->page), 0);
	exp_info.ops = &mock_ops;
	exp_info.size = 2 * PAGE_SIZE - 1;
	exp_info.priv = mock;
	dma_buf = dma_buf_export(&exp_info);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dma_buf);

	return dma_buf;
}

/* For the device, whatever it is for the CPU. */
static bool mock_is_contiguous(struct kunit *test, struct drm_device *drm,
			       struct dma_buf *dma_buf, dma_addr_t *dma_addr)
{
	struct dma_buf_attachment *attach = dma_buf_attach(dma_buf, drm_dev_dma_dev(drm));
	struct sg_table *sgt;
	bool contiguous;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	contiguous = drm_prime_get_contiguous_size(sgt) == 2 * PAGE_SIZE;
	*dma_addr = sg_dma_address(sgt->sgl);
	dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_BIDIRECTIONAL);
	dma_buf_detach(dma_buf, attach);

	return contiguous;
}

static void test_import_contiguous(struct kunit *test)
{
	struct gem_dma_ctx *ctx = test->priv;
	struct mock_buf mock = {};
	struct dma_buf *dma_buf = mock_export(test, &mock);
	struct drm_gem_dma_object *importer;
	dma_addr_t dma_addr;

	if (!mock_is_contiguous(test, ctx->drm, dma_buf, &dma_addr)) {
		put_dma_buf(dma_buf);
		kunit_skip(test, "two pages in a row are not contiguous for the device");
	}
	importer = import(test, ctx->drm, dma_buf);
	KUNIT_EXPECT_EQ(test, importer->base.size, 2 * PAGE_SIZE);
	/* A bounce buffer is another one each time. */
	if (!bounces(ctx->drm))
		KUNIT_EXPECT_EQ(test, drm_gem_dma_addr(importer), dma_addr);
	dma_buf_put(dma_buf);
	KUNIT_EXPECT_EQ(test, mock.released, 0);
	put_now(test, importer);
	KUNIT_EXPECT_EQ(test, mock.released, 1);
}

static void test_import_scattered(struct kunit *test)
{
	struct gem_dma_ctx *ctx = test->priv;
	struct mock_buf mock = { .swapped = true };
	struct dma_buf *dma_buf = mock_export(test, &mock);
	struct drm_gem_object *obj;
	dma_addr_t dma_addr;

	if (mock_is_contiguous(test, ctx->drm, dma_buf, &dma_addr)) {
		put_dma_buf(dma_buf);
		kunit_skip(test, "an IOMMU makes all contiguous");
	}
	obj = drm_gem_dma_prime_import(ctx->drm, dma_buf);
	KUNIT_EXPECT_EQ(test, PTR_ERR(obj), -EINVAL);
	obj = drm_gem_dma_prime_import_vmap(ctx->drm, dma_buf);
	KUNIT_EXPECT_EQ(test, PTR_ERR(obj), -EINVAL);
	KUNIT_EXPECT_TRUE(test, list_empty(&dma_buf->attachments));

	/* For who maps it for something else. */
	obj = drm_gem_dma_prime_import_no_map(ctx->drm, dma_buf);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	KUNIT_EXPECT_EQ(test, drm_gem_dma_addr(to_drm_gem_dma_obj(obj)), 0);
	drm_gem_object_put(obj);
	KUNIT_EXPECT_TRUE(test, list_empty(&dma_buf->attachments));
	put_dma_buf(dma_buf);
	KUNIT_EXPECT_EQ(test, mock.released, 1);
}

static void test_import_no_vmap(struct kunit *test)
{
	struct gem_dma_ctx *ctx = test->priv;
	struct mock_buf mock = { .no_vmap = true };
	struct dma_buf *dma_buf = mock_export(test, &mock);
	struct drm_gem_object *obj;

	/* The core warns of any error, once. */
	kunit_warning_suppress(test) {
		obj = drm_gem_dma_prime_import_vmap(ctx->drm, dma_buf);
	}
	KUNIT_EXPECT_EQ(test, PTR_ERR(obj), -EOPNOTSUPP);
	KUNIT_EXPECT_TRUE(test, list_empty(&dma_buf->attachments));
	put_dma_buf(dma_buf);
	KUNIT_EXPECT_EQ(test, mock.released, 1);
}

/*
 * What planes show
 */

struct gem_dma_plane {
	struct drm_framebuffer fb;
	struct drm_plane plane;
	struct drm_crtc crtc;
	struct drm_property prop;
	struct drm_object_properties props;
	struct drm_property_blob blob;
	struct drm_mode_rect clip;
	struct drm_plane_state old_state, state;
};

/* As large as the object allows: the last line is shorter than the pitch. */
static struct gem_dma_plane *show(struct kunit *test, struct drm_gem_dma_object *dma_obj,
				  u32 fourcc, u32 height)
{
	struct gem_dma_plane *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);
	struct gem_dma_ctx *ctx = test->priv;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, p);
	p->fb.dev = ctx->drm;
	p->fb.format = drm_format_info(fourcc);
	p->fb.width = 64;
	p->fb.height = height;
	for (i = 0; i < p->fb.format->num_planes; i++) {
		p->fb.obj[i] = &dma_obj->base;
		p->fb.pitches[i] = PAGE_SIZE;
		p->fb.offsets[i] = i * height * PAGE_SIZE;
	}
	/* All of it at first. */
	p->state.plane = &p->plane;
	p->state.crtc = &p->crtc;
	p->state.fb = &p->fb;
	p->state.visible = true;
	p->state.src_w = 64 << 16;
	p->state.src_h = height << 16;
	p->old_state = p->state;
	p->plane.dev = ctx->drm;
	p->plane.state = &p->state;

	p->blob.data = &p->clip;
	p->blob.length = sizeof(p->clip);
	p->prop.base.id = 1;
	p->props.count = 1;
	p->props.properties[0] = &p->prop;
	p->plane.base.properties = &p->props;
	ctx->drm->mode_config.prop_fb_damage_clips = &p->prop;

	return p;
}

static void expect_sync(struct kunit *test, struct gem_dma_plane *p, int warnings)
{
	struct gem_dma_ctx *ctx = test->priv;

	kunit_warning_suppress(test) {
		drm_fb_dma_sync_non_coherent(ctx->drm, &p->old_state, &p->state);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, warnings);
	}
}

/* What is beyond the object is refused. */
static void test_sync(struct kunit *test)
{
	struct drm_gem_dma_object *dma_obj = create(test, 16 * PAGE_SIZE);
	struct gem_dma_plane *p;

	KUNIT_EXPECT_TRUE(test, dma_obj->backing.runs.kind == DMA_RUNS_NONCOHERENT);
	KUNIT_EXPECT_TRUE(test, dma_obj->backing.runs.dir == DMA_TO_DEVICE);
	p = show(test, dma_obj, DRM_FORMAT_XRGB8888, 16);
	expect_sync(test, p, 0);

	/* Lines are counted from the start of the framebuffer. */
	p->state.src_y = 12 << 16;
	p->state.src_h = 4 << 16;
	expect_sync(test, p, 0);

	/* The last line ends with the object, not with the pitch. */
	p->fb.offsets[0] = PAGE_SIZE - 256;
	expect_sync(test, p, 0);

	/* The second plane has half of the lines. */
	p = show(test, dma_obj, DRM_FORMAT_NV12, 10);
	expect_sync(test, p, 0);

	/* A framebuffer that nobody would have let pass, seen by the damage that is beyond. */
	p = show(test, dma_obj, DRM_FORMAT_XRGB8888, 16);
	p->state.fb_damage_clips = &p->blob;
	p->fb.offsets[0] = PAGE_SIZE;
	p->clip = (struct drm_mode_rect) { .x2 = 64, .y1 = 14, .y2 = 15 };
	expect_sync(test, p, 0);
	p->clip = (struct drm_mode_rect) { .x2 = 64, .y1 = 15, .y2 = 16 };
	expect_sync(test, p, 1);
}

/* Coherent memory must not be synced, and is not. */
static void test_sync_coherent(struct kunit *test)
{
	struct drm_gem_dma_object *dma_obj = create(test, 16 * PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_sync(&dma_obj->backing, 0, 4096,
						      DMA_TO_DEVICE, true), -EOPNOTSUPP);
	expect_sync(test, show(test, dma_obj, DRM_FORMAT_XRGB8888, 16), 0);
}

static void test_scanout_buffer(struct kunit *test)
{
	struct drm_gem_dma_object *dma_obj = create(test, 16 * PAGE_SIZE), *importer;
	struct gem_dma_plane *p = show(test, dma_obj, DRM_FORMAT_XRGB8888, 16);
	struct gem_dma_ctx *ctx = test->priv;
	struct drm_scanout_buffer sb = {};
	struct dma_buf *dma_buf;

	KUNIT_EXPECT_EQ(test, drm_fb_dma_get_scanout_buffer(&p->plane, &sb), 0);
	KUNIT_EXPECT_PTR_EQ(test, sb.map[0].vaddr, drm_gem_dma_vaddr(dma_obj));

	skip_if_refused(test);
	dma_buf = export(test, dma_obj);
	importer = import(test, ctx->drm_other, dma_buf);
	p->fb.obj[0] = &importer->base;
	KUNIT_EXPECT_EQ(test, drm_fb_dma_get_scanout_buffer(&p->plane, &sb), -ENODEV);
	dma_buf_put(dma_buf);
	put_now(test, importer);

	p->fb.obj[0] = &dma_obj->base;
	drm_gem_dma_free_memory(dma_obj);
	KUNIT_EXPECT_EQ(test, drm_fb_dma_get_scanout_buffer(&p->plane, &sb), -ENODEV);
}

/*
 * What fails on the way
 */

#ifdef CONFIG_FAULT_INJECTION
static bool can_fail_alloc(void)
{
	void *p;

	current->fail_nth = 1;
	p = kmalloc(64, GFP_KERNEL | __GFP_NOWARN);
	current->fail_nth = 0;
	kfree(p);

	return !p;
}

static int create_and_import(struct drm_device *drm, struct drm_device *other)
{
	struct drm_gem_dma_object *dma_obj = drm_gem_dma_create(drm, TEST_SIZE);
	struct drm_gem_object *obj;
	struct dma_buf *dma_buf;

	if (IS_ERR(dma_obj))
		return PTR_ERR(dma_obj);
	dma_buf = drm_gem_prime_export(&dma_obj->base, O_RDWR);
	drm_gem_object_put(&dma_obj->base);
	if (IS_ERR(dma_buf))
		return PTR_ERR(dma_buf);
	obj = other->driver->gem_prime_import(other, dma_buf);
	dma_buf_put(dma_buf);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	drm_gem_object_put(obj);

	return 0;
}

/* Every allocation in turn, until there is none left to fail. Leaks are kmemleak's to find. */
static void test_alloc_undo(struct kunit *test)
{
	struct gem_dma_ctx *ctx = test->priv;
	int n, ret, failed = 0;
	bool done = false;

	skip_if_refused(test);
	if (!can_fail_alloc())
		kunit_skip(test, "failslab spares sleeping allocations, see ignore-gfp-wait");

	for (n = 1; n < 10000 && !done; n++) {
		kunit_warning_suppress(test) {
			current->fail_nth = n;
			ret = create_and_import(ctx->drm, ctx->drm_vmap);
			done = current->fail_nth;
			current->fail_nth = 0;
		}
		flush_delayed_fput();
		if (!done && ret) {
			failed++;
			/* The latter if shmem has no inode. */
			KUNIT_EXPECT_TRUE_MSG(test, ret == -ENOMEM || ret == -ENOSPC,
					      "allocation %d: %d", n, ret);
		}
	}
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_GT(test, failed, 0);
	kunit_info(test, "%d of %d allocations failed the call", failed, n - 2);
}
#else
static void test_alloc_undo(struct kunit *test)
{
	kunit_skip(test, "CONFIG_FAULT_INJECTION is off");
}
#endif

/*
 * Devices
 */

static struct drm_device *create_drm(struct kunit *test, const char *name,
				     const struct drm_driver *driver, bool coherent)
{
	struct device *dev = kunit_device_register(test, name);
	struct drm_device *drm;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	dev_assign_dma_coherent(dev, coherent);
	if (dev_is_dma_coherent(dev) != coherent)
		kunit_skip(test, "all devices are coherent on this platform");
	KUNIT_ASSERT_EQ(test, dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	drm = __drm_kunit_helper_alloc_drm_device_with_driver(test, dev, sizeof(*drm), 0, driver);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, drm);

	return drm;
}

static void close_file(void *data)
{
	struct gem_dma_ctx *ctx = data;

	fput(ctx->file);
	flush_delayed_fput();
}

static int init_devices(struct kunit *test, const struct drm_driver *driver, bool coherent)
{
	struct gem_dma_ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->drm = create_drm(test, "gem-dma", driver, coherent);
	ctx->drm_other = create_drm(test, "gem-dma-other", &gem_dma_driver, coherent);
	ctx->drm_vmap = create_drm(test, "gem-dma-vmap", &gem_dma_driver_vmap, coherent);
	ctx->file = mock_drm_getfile(ctx->drm->primary, O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ctx->file);
	test->priv = ctx;

	/* Before the devices go: a dma-buf is released when its file is. */
	return kunit_add_action_or_reset(test, close_file, ctx);
}

static int gem_dma_init(struct kunit *test)
{
	return init_devices(test, &gem_dma_driver, true);
}

static int gem_dma_init_noncoherent(struct kunit *test)
{
	return init_devices(test, &gem_dma_driver_noncoherent, true);
}

/* Cached memory for devices that do not snoop. */
static int gem_dma_init_no_snoop(struct kunit *test)
{
	return init_devices(test, &gem_dma_driver_noncoherent, false);
}

static struct kunit_case gem_dma_cases[] = {
	KUNIT_CASE(test_create),
	KUNIT_CASE(test_create_fails),
	KUNIT_CASE(test_print_info),
	KUNIT_CASE(test_mmap),
	KUNIT_CASE(test_mmap_dma_buf),
	KUNIT_CASE(test_vmap),
	KUNIT_CASE(test_free_memory),
	KUNIT_CASE(test_free_memory_busy),
	KUNIT_CASE(test_export_table),
	KUNIT_CASE(test_export_list),
	KUNIT_CASE(test_export_refused),
	KUNIT_CASE(test_import_own),
	KUNIT_CASE(test_import_vmap),
	KUNIT_CASE(test_import_contiguous),
	KUNIT_CASE(test_import_scattered),
	KUNIT_CASE(test_import_no_vmap),
	KUNIT_CASE(test_sync_coherent),
	KUNIT_CASE(test_scanout_buffer),
	KUNIT_CASE_SLOW(test_alloc_undo),
	{}
};

/* A suite's cases keep its results, so that each has its own. */
#define NONCOHERENT_SUITE(_name)					\
	static struct kunit_case gem_dma_##_name##_cases[] = {		\
		KUNIT_CASE(test_mmap),					\
		KUNIT_CASE(test_mmap_dma_buf),				\
		KUNIT_CASE(test_vmap),					\
		KUNIT_CASE(test_free_memory),				\
		KUNIT_CASE(test_free_memory_busy),			\
		KUNIT_CASE(test_export_list),				\
		KUNIT_CASE(test_export_refused),			\
		KUNIT_CASE(test_import_own),				\
		KUNIT_CASE(test_import_vmap),				\
		KUNIT_CASE(test_sync),					\
		KUNIT_CASE(test_scanout_buffer),			\
		KUNIT_CASE_SLOW(test_alloc_undo),			\
		{}							\
	};								\
									\
	static struct kunit_suite gem_dma_suite_##_name = {		\
		.name = "drm_gem_dma_" #_name,				\
		.init = gem_dma_init_##_name,				\
		.test_cases = gem_dma_##_name##_cases,			\
	}

NONCOHERENT_SUITE(noncoherent);
NONCOHERENT_SUITE(no_snoop);

static struct kunit_suite gem_dma_suite = {
	.name = "drm_gem_dma",
	.init = gem_dma_init,
	.test_cases = gem_dma_cases,
};

kunit_test_suites(&gem_dma_suite, &gem_dma_suite_noncoherent, &gem_dma_suite_no_snoop);

MODULE_DESCRIPTION("KUnit test suite for the GEM DMA helpers");
MODULE_LICENSE("GPL");
