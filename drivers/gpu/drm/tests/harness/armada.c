// SPDX-License-Identifier: GPL-2.0
/* armada: one address for a framebuffer, which has to be contiguous. */

#include <drm/drm_fourcc.h>

#include "../../armada/armada_gem.c"
#include "../../armada/armada_plane.c"

/* With one page a line, each has the plane start elsewhere. */
static void armada_read(struct harness *h, struct drm_framebuffer *fb)
{
	struct drm_plane_state state = { .fb = fb };
	u16 pitches[3];
	u32 addrs[2][3], i;

	harness_forget(h);
	for (i = 0; i < h->num_pages; i++) {
		state.src.y1 = i << 16;
		armada_drm_plane_calc(&state, addrs, pitches, false);
		harness_saw(h, h->va + i * PAGE_SIZE, addrs[0][0], PAGE_SIZE, SZ_4K, pitches[0]);
	}
}

static void armada_run(struct harness *h)
{
	struct armada_gem_object *bo = harness_object(h, struct armada_gem_object, obj);
	struct drm_framebuffer fb = {
		.format = drm_format_info(DRM_FORMAT_XRGB8888),
		.pitches = { PAGE_SIZE },
		.obj = { h->obj },
	};

	harness_attach(h, bo->backing);
	KUNIT_ASSERT_EQ(h->test, armada_gem_map_import(bo), 0);
	armada_read(h, &fb);
	harness_mapped(h);
	harness_drop_sgt(h, bo->sgt, bo->backing);
	harness_object_free(h, bo);
}

static int armada_init(struct harness *h)
{
	harness_drm(h, struct harness_drv, drm);
	h->kinds = BIT(HARNESS_IMPORTED);
	h->contiguous = true;
	h->whole = true;

	return 0;
}

HARNESS_SUITE(armada);
