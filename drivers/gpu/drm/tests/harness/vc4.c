// SPDX-License-Identifier: GPL-2.0
/* vc4: one address for a plane, which has to be contiguous, in a display list. */

#include "mmio.h"

#include "../../vc4/vc4_plane.c"

static u64 vc4_addr(const struct vc4_plane_state *state, bool gen6)
{
	u32 *list = (__force u32 *)state->hw_dlist + state->ptr0_offset[0];

	if (!gen6)
		return list[0];

	return (u64)VC4_GET_FIELD(list[0], SCALER6_PTR0_UPPER_ADDR) << 32 | list[1];
}

static void vc4_run(struct harness *h)
{
	struct vc4_dev *vc4 = h->priv;
	u32 dlist[8] = {};
	struct vc4_plane_state state = {
		.dlist = dlist,
		.hw_dlist = harness_registers(h->test, sizeof(dlist)),
		.ptr0_offset = { 2 },
	};
	struct drm_plane plane = { .dev = h->drm, .state = &state.base };
	struct drm_framebuffer fb = {
		.obj = { harness_prime_import(h, drm_gem_dma_prime_import_sg_table,
					      drm_gem_dma_prime_import) },
	};

	vc4_plane_async_set_fb(&plane, &fb);
	harness_forget(h);
	harness_saw(h, h->va, vc4_addr(&state, vc4->gen == VC4_GEN_6_C), h->obj->size, SZ_4K, 0);
	harness_mapped(h);
	KUNIT_EXPECT_MEMEQ(h->test, dlist + 2, (__force u32 *)state.hw_dlist + 2, sizeof(u32));
	drm_gem_object_put(h->obj);
	kunit_kfree(h->test, (__force void *)state.hw_dlist);
}

static int vc4_init(struct harness *h)
{
	struct vc4_dev *vc4 = harness_drm(h, struct vc4_dev, base);

	vc4->gen = VC4_GEN_4;
	h->kinds = BIT(HARNESS_IMPORTED);
	h->contiguous = true;
	h->whole = true;
	h->priv = vc4;

	return 0;
}

/* The newest reaches more than 4 GiB. */
static int vc4_gen6_init(struct harness *h)
{
	vc4_init(h);
	((struct vc4_dev *)h->priv)->gen = VC4_GEN_6_C;
	h->dma_base = BIT_ULL(37);

	return 0;
}

static void vc4_gen6_run(struct harness *h)
{
	vc4_run(h);
}

HARNESS_SUITE(vc4);
HARNESS_SUITE(vc4_gen6);
