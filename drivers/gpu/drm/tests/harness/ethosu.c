// SPDX-License-Identifier: GPL-2.0
/* ethosu: addresses of regions and of a command stream, each contiguous, in registers. */

#include "mmio.h"

#include "../../../../accel/ethosu/ethosu_job.c"

#define ETHOSU_REGION	3

static const struct drm_gem_object_funcs ethosu_funcs = {
	.free = drm_gem_dma_object_free,
};

static struct drm_gem_object *ethosu_create_object(struct drm_device *dev, size_t size)
{
	struct ethosu_gem_object *bo = kzalloc(sizeof(*bo), GFP_KERNEL);

	bo->base.base.funcs = &ethosu_funcs;

	return &bo->base.base;
}

static u64 ethosu_addr(struct ethosu_device *edev, u32 low, u32 high)
{
	return readl(edev->regs + low) | (u64)readl(edev->regs + high) << 32;
}

static void ethosu_run(struct harness *h)
{
	struct drm_gem_object *obj = harness_prime_import(h, drm_gem_dma_prime_import_sg_table,
							  drm_gem_dma_prime_import);
	struct ethosu_validated_cmdstream_info info = { .cmd_size = 64 };
	struct ethosu_device *edev = h->priv;
	struct ethosu_job *job = kunit_kzalloc(h->test, sizeof(*job), GFP_KERNEL);
	u64 addr;

	KUNIT_ASSERT_NOT_NULL(h->test, job);
	to_ethosu_bo(obj)->info = &info;
	job->cmd_bo = obj;
	job->region_bo[0] = obj;
	job->region_bo_num[0] = ETHOSU_REGION;
	job->region_cnt = 1;
	ethosu_job_hw_submit(edev, job);
	addr = ethosu_addr(edev, NPU_REG_BASEP(ETHOSU_REGION), NPU_REG_BASEP_HI(ETHOSU_REGION));
	KUNIT_EXPECT_EQ(h->test, addr, ethosu_addr(edev, NPU_REG_QBASE, NPU_REG_QBASE_HI));
	harness_forget(h);
	harness_saw(h, h->va, addr, obj->size, SZ_4K, readl(edev->regs + NPU_REG_QSIZE));
	harness_mapped(h);
	to_ethosu_bo(obj)->info = NULL;
	drm_gem_object_put(obj);
	kunit_kfree(h->test, job);
}

static int ethosu_init(struct harness *h)
{
	struct ethosu_device *edev = harness_drm(h, struct ethosu_device, base);

	edev->regs = harness_registers(h->test, SZ_64K);
	harness_driver(h)->gem_create_object = ethosu_create_object;
	h->kinds = BIT(HARNESS_IMPORTED);
	h->contiguous = true;
	h->dma_base = BIT_ULL(38);
	h->whole = true;
	h->priv = edev;

	return 0;
}

HARNESS_SUITE(ethosu);
