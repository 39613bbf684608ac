// SPDX-License-Identifier: GPL-2.0
/* malidp: one address for a plane, which has to be contiguous, in registers. */

#include "mmio.h"

#include "../../arm/malidp_planes.c"

static void malidp_run(struct harness *h)
{
	static const struct malidp_layer layer = { .ptr = 0x40 };
	struct malidp_hw_device *hwdev = h->priv;
	struct malidp_plane plane = { .hwdev = hwdev, .layer = &layer };
	struct drm_plane_state state = {};
	struct drm_framebuffer fb = {
		.format = drm_format_info(DRM_FORMAT_XRGB8888),
		.pitches = { PAGE_SIZE },
		.obj = { harness_prime_import(h, drm_gem_dma_prime_import_sg_table,
					      drm_gem_dma_prime_import) },
	};
	u32 i;

	plane.base.state = &state;
	harness_forget(h);
	/* With one page a line, each has the plane start elsewhere. */
	for (i = 0; i < h->num_pages; i++) {
		state.src_y = i << 16;
		malidp_set_plane_base_addr(&fb, &plane, 0);
		harness_saw(h, h->va + i * PAGE_SIZE, readl(hwdev->regs + layer.ptr) |
			    (u64)readl(hwdev->regs + layer.ptr + 4) << 32, PAGE_SIZE, SZ_4K, 0);
	}
	harness_mapped(h);
	drm_gem_object_put(h->obj);
}

static int malidp_init(struct harness *h)
{
	struct malidp_hw_device *hwdev = kunit_kzalloc(h->test, sizeof(*hwdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(h->test, hwdev);
	harness_drm(h, struct harness_drv, drm);
	hwdev->regs = harness_registers(h->test, SZ_4K);
	h->kinds = BIT(HARNESS_IMPORTED);
	h->contiguous = true;
	h->dma_base = BIT_ULL(38);
	h->whole = true;
	h->priv = hwdev;

	return 0;
}

HARNESS_SUITE(malidp);
