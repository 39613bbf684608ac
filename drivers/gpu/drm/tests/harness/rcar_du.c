// SPDX-License-Identifier: GPL-2.0
/* rcar-du: one address for a plane, which has to be contiguous, in registers. */

#include "mmio.h"

#include "../../renesas/rcar-du/rcar_du_plane.c"

/* Registers of the first plane. */
#define RCAR_DU_PITCH	0x104
#define RCAR_DU_ADDR	0x120

static void rcar_du_run(struct harness *h)
{
	static const struct rcar_du_format_info format = { .bpp = 32, .planes = 1 };
	struct rcar_du_group *group = h->priv;
	struct drm_crtc_state crtc_state = {};
	struct drm_crtc crtc = { .state = &crtc_state };
	struct drm_framebuffer fb = {
		.pitches = { PAGE_SIZE },
		.obj = { harness_prime_import(h, drm_gem_dma_prime_import_sg_table,
					      drm_gem_dma_prime_import) },
	};
	struct rcar_du_plane_state state = {
		.state = { .crtc = &crtc, .fb = &fb },
		.format = &format,
		.source = RCAR_DU_PLANE_MEMORY,
	};

	rcar_du_plane_setup_scanout(group, &state);
	harness_forget(h);
	harness_saw(h, h->va, readl(group->dev->mmio + RCAR_DU_ADDR), h->obj->size, SZ_4K,
		    readl(group->dev->mmio + RCAR_DU_PITCH));
	harness_mapped(h);
	drm_gem_object_put(h->obj);
}

static int rcar_du_init(struct harness *h)
{
	struct rcar_du_group *group = kunit_kzalloc(h->test, sizeof(*group), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(h->test, group);
	group->dev = harness_drm(h, struct rcar_du_device, ddev);
	group->dev->mmio = harness_registers(h->test, SZ_64K);
	h->kinds = BIT(HARNESS_IMPORTED);
	h->contiguous = true;
	h->whole = true;
	h->priv = group;

	return 0;
}

HARNESS_SUITE(rcar_du);
