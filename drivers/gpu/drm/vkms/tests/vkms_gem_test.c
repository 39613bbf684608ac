// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit test suite for the memory behind framebuffers of VKMS
 */

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/iosys-map.h>

#include <kunit/device.h>
#include <kunit/test.h>

#include <drm/drm_device.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_framebuffer.h>
#include <drm/drm_gem_framebuffer_helper.h>
#include <drm/drm_gem_shmem_helper.h>
#include <drm/drm_kunit_helpers.h>
#include <drm/drm_prime.h>

MODULE_IMPORT_NS("DMA_BUF");

#define TEST_WIDTH	100
#define TEST_HEIGHT	37
#define TEST_PITCH	(TEST_WIDTH * 4)
#define TEST_SIZE	PAGE_ALIGN(TEST_PITCH * TEST_HEIGHT)

/* A dma-buf takes its owner from here. */
static const struct file_operations vkms_test_fops = {
	.owner = THIS_MODULE,
};

/* What vkms_driver has for its buffers. */
static const struct drm_driver vkms_test_driver = {
	.driver_features = DRIVER_MODESET | DRIVER_GEM,
	.fops = &vkms_test_fops,
	DRM_GEM_SHMEM_DRIVER_OPS,
};

struct vkms_gem_ctx {
	struct drm_device *vkms;
	struct drm_device *other;
};

/* A framebuffer as vkms gets it for a plane. */
struct vkms_test_fb {
	struct drm_framebuffer base;
	struct iosys_map map[DRM_FORMAT_MAX_PLANES];
	struct iosys_map data[DRM_FORMAT_MAX_PLANES];
};

KUNIT_DEFINE_ACTION_WRAPPER(vkms_test_obj_put, drm_gem_object_put, struct drm_gem_object *);

static void vkms_test_flush(void *data)
{
	flush_delayed_fput();
}

static struct drm_gem_shmem_object *vkms_test_create(struct kunit *test, struct drm_device *drm)
{
	struct drm_gem_shmem_object *shmem = drm_gem_shmem_create(drm, TEST_SIZE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, shmem);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, vkms_test_obj_put, &shmem->base));

	return shmem;
}

static struct vkms_test_fb *vkms_test_fb(struct kunit *test, struct drm_gem_object *obj)
{
	struct vkms_test_fb *fb = kunit_kzalloc(test, sizeof(*fb), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fb);
	fb->base.dev = obj->dev;
	fb->base.format = drm_format_info(DRM_FORMAT_XRGB8888);
	fb->base.width = TEST_WIDTH;
	fb->base.height = TEST_HEIGHT;
	fb->base.pitches[0] = TEST_PITCH;
	fb->base.obj[0] = obj;

	return fb;
}

static void vkms_test_fill(struct kunit *test, struct vkms_test_fb *fb, u8 value)
{
	KUNIT_ASSERT_EQ(test, 0, drm_gem_fb_vmap(&fb->base, fb->map, fb->data));
	iosys_map_memset(&fb->data[0], 0, value, TEST_SIZE);
	drm_gem_fb_vunmap(&fb->base, fb->map);
}

static void vkms_test_check(struct kunit *test, struct vkms_test_fb *fb, u8 value)
{
	KUNIT_ASSERT_EQ(test, 0, drm_gem_fb_vmap(&fb->base, fb->map, fb->data));
	KUNIT_EXPECT_NULL(test, memchr_inv(fb->data[0].vaddr, value, TEST_SIZE));
	drm_gem_fb_vunmap(&fb->base, fb->map);
}

/* Composition needs pages, and never an address for a device. */
static void vkms_test_gem_native(struct kunit *test)
{
	struct vkms_gem_ctx *ctx = test->priv;
	struct drm_gem_shmem_object *shmem = vkms_test_create(test, ctx->vkms);
	struct vkms_test_fb *fb = vkms_test_fb(test, &shmem->base);
	struct drm_gem_bo_backing *backing = &shmem->backing;
	struct dma_cursor cur;
	u64 size = 0;

	KUNIT_EXPECT_TRUE(test, backing->runs.kind == DMA_RUNS_STREAMING);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_resident_size(backing), 0);

	KUNIT_ASSERT_EQ(test, 0, drm_gem_fb_vmap(&fb->base, fb->map, fb->data));
	KUNIT_EXPECT_TRUE(test, dma_runs_is_populated(&backing->runs));
	KUNIT_EXPECT_EQ(test, backing->list->num_mapped, 0);
	KUNIT_ASSERT_EQ(test, 0, dma_cursor_begin_phys(&cur, &backing->runs, 0, TEST_SIZE));
	while (dma_cursor_next_phys(&cur))
		size += cur.size;
	KUNIT_EXPECT_EQ(test, size, TEST_SIZE);
	drm_gem_fb_vunmap(&fb->base, fb->map);

	/* Nothing keeps the memory then, but what was drawn is not lost. */
	vkms_test_fill(test, fb, 0x5a);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_resident_size(backing), 0);
	vkms_test_check(test, fb, 0x5a);
}

static void vkms_test_gem_imported(struct kunit *test)
{
	struct vkms_gem_ctx *ctx = test->priv;
	struct drm_gem_shmem_object *shmem = vkms_test_create(test, ctx->other);
	struct drm_gem_bo_backing *backing;
	struct drm_gem_object *obj;
	struct dma_buf *dma_buf;
	struct vkms_test_fb *fb;

	vkms_test_fill(test, vkms_test_fb(test, &shmem->base), 0xa5);

	dma_buf = drm_gem_prime_export(&shmem->base, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dma_buf);
	obj = vkms_test_driver.gem_prime_import(ctx->vkms, dma_buf);
	dma_buf_put(dma_buf);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, vkms_test_obj_put, obj));
	fb = vkms_test_fb(test, obj);
	backing = &to_drm_gem_shmem_obj(obj)->backing;

	/* The attachment pins the exporter's pages; the importer has none to show. */
	KUNIT_EXPECT_TRUE(test, backing->runs.kind == DMA_RUNS_IMPORTED);
	KUNIT_EXPECT_TRUE(test, dma_runs_is_populated(&shmem->backing.runs));

	vkms_test_check(test, fb, 0xa5);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_resident_size(backing), 0);
	KUNIT_EXPECT_EQ(test, backing->list->num_mapped, 0);
	KUNIT_EXPECT_NULL(test, drm_gem_bo_backing_page(backing, 0));

	vkms_test_fill(test, fb, 0x3c);
	vkms_test_check(test, vkms_test_fb(test, &shmem->base), 0x3c);
	KUNIT_EXPECT_EQ(test, shmem->backing.list->num_mapped, 0);
}

static void vkms_test_gem_self_import(struct kunit *test)
{
	struct vkms_gem_ctx *ctx = test->priv;
	struct drm_gem_shmem_object *shmem = vkms_test_create(test, ctx->vkms);
	struct drm_gem_object *obj;
	struct dma_buf *dma_buf;

	dma_buf = drm_gem_prime_export(&shmem->base, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dma_buf);
	obj = vkms_test_driver.gem_prime_import(ctx->vkms, dma_buf);
	KUNIT_EXPECT_PTR_EQ(test, obj, &shmem->base);
	if (!IS_ERR(obj))
		drm_gem_object_put(obj);
	dma_buf_put(dma_buf);
}

static struct drm_device *vkms_test_device(struct kunit *test, const char *name)
{
	struct device *dev = kunit_device_register(test, name);
	struct drm_device *drm;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(64)), 0);
	drm = __drm_kunit_helper_alloc_drm_device_with_driver(test, dev, sizeof(*drm), 0,
							      &vkms_test_driver);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, drm);

	return drm;
}

static int vkms_gem_test_init(struct kunit *test)
{
	struct vkms_gem_ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->vkms = vkms_test_device(test, "vkms-gem");
	ctx->other = vkms_test_device(test, "vkms-gem-other");
	test->priv = ctx;

	return kunit_add_action_or_reset(test, vkms_test_flush, NULL);
}

static struct kunit_case vkms_gem_test_cases[] = {
	KUNIT_CASE(vkms_test_gem_native),
	KUNIT_CASE(vkms_test_gem_imported),
	KUNIT_CASE(vkms_test_gem_self_import),
	{}
};

static struct kunit_suite vkms_gem_test_suite = {
	.name = "vkms_gem",
	.init = vkms_gem_test_init,
	.test_cases = vkms_gem_test_cases,
};

kunit_test_suite(vkms_gem_test_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit test suite for the memory behind framebuffers of VKMS");
