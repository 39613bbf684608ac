// SPDX-License-Identifier: GPL-2.0
/* host1x: command buffers of tegra in a domain of the host's own. */

#include "../../../host1x/bus.c"
#include "../../../host1x/job.c"
#include "../../tegra/gem.c"

struct host1x_harness {
	struct host1x host;
	struct host1x_client client;
	struct host1x_channel channel;
};

/* No job here is submitted. */
void host1x_syncpt_put(struct host1x_syncpt *sp)
{
}

/* Where the first allocation goes, at a multiple of its size or more. */
static u64 host1x_first(struct harness *h)
{
	return (SZ_4G - h->obj->size) & ~(roundup_pow_of_two(h->obj->size) - 1);
}

static void host1x_run(struct harness *h)
{
	struct tegra_bo *bo = harness_object(h, struct tegra_bo, gem);
	struct host1x_harness *priv = h->priv;
	struct host1x_job *job = host1x_job_alloc(&priv->channel, 1, 0, true);

	KUNIT_ASSERT_NOT_NULL(h->test, job);
	harness_fill_pages(h, bo->pages, bo->backing);
	with_table(bo->num_pages = h->num_pages;)
	host1x_bo_init(&bo->base, &tegra_bo_ops);
	job->client = &priv->client;
	host1x_job_add_gather(job, &bo->base, 4, 0);
	h->va = host1x_first(h);
	KUNIT_ASSERT_EQ(h->test, pin_job(&priv->host, job), 0);
	KUNIT_EXPECT_EQ(h->test, job->gather_addr_phys[0], h->va);
	harness_mapped(h);
	host1x_job_unpin(job);
	harness_unmapped(h);
	kfree(job);
	harness_drop_pages(h, bo->pages, bo->backing);
	harness_object_free(h, bo);
}

static void host1x_fini(void *data)
{
	struct host1x_harness *priv = data;

	dev_set_drvdata(priv->host.dev->parent, NULL);
	put_iova_domain(&priv->host.iova);
}

static int host1x_init(struct harness *h)
{
	struct host1x_harness *priv = kunit_kzalloc(h->test, sizeof(*priv), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(h->test, priv);
	harness_drm(h, struct harness_drv, drm);
	priv->host.dev = h->dev;
	priv->host.domain = harness_domain(h, SZ_4K | SZ_64K | SZ_2M);
	priv->host.iova_end = U32_MAX;
	init_iova_domain(&priv->host.iova, SZ_4K, 1);
	/* The host is what is above the devices of its channels. */
	dev_set_drvdata(h->dev->parent, &priv->host);
	priv->client.dev = h->dev;
	priv->channel.dev = h->dev;
	h->kinds = BIT(HARNESS_DIRECT);
	h->by_phys = true;
	h->whole = true;
	h->priv = priv;

	return kunit_add_action_or_reset(h->test, host1x_fini, priv);
}

HARNESS_SUITE(host1x);
