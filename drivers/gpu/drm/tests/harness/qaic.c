// SPDX-License-Identifier: GPL-2.0
/* qaic: requests to the DMA engine, for any part of an object. */

#include "../../../../accel/qaic/qaic_data.c"

/* All of a request but its addresses, and what it does after the transfer. */
static u64 qaic_flags(const struct dbc_req *req)
{
	u64 sem = (u64)le32_to_cpu(req->sem_cmd0) << 32 | le32_to_cpu(req->sem_cmd1);

	return sem ^ (u64)req->cmd << 56 ^ le64_to_cpu(req->db_addr) ^ le32_to_cpu(req->db_data) ^
	       (u64)req->db_len << 48;
}

/* What is done after the transfer is the last request's, however many there are. */
static void qaic_read(struct harness *h, const struct bo_slice *slice, bool to_device)
{
	const struct dbc_req *req = slice->reqs;
	struct dbc_req plain;
	u64 host, dev, size;
	int i;

	harness_forget(h);
	for (i = 0; i < slice->nents; i++, req++) {
		host = le64_to_cpu(to_device ? req->src_addr : req->dest_addr);
		dev = le64_to_cpu(to_device ? req->dest_addr : req->src_addr);
		size = le32_to_cpu(req->len) - PAGE_SIZE;
		plain = (struct dbc_req) { .cmd = req->cmd & ~GEN_COMPLETION };
		harness_saw(h, dev, host, size, SZ_4K, qaic_flags(&plain));
		harness_saw(h, dev + size, host + size, PAGE_SIZE, SZ_4K,
			    qaic_flags(i == slice->nents - 1 ? req : &plain));
	}
}

static void qaic_run(struct harness *h)
{
	struct qaic_bo *bo = harness_object(h, struct qaic_bo, base);
	enum dma_data_direction dir = h->num_pages & 1 ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
	struct qaic_attach_slice_entry entry = {
		.size = (u64)h->count << PAGE_SHIFT,
		.offset = (u64)h->first << PAGE_SHIFT,
		.dev_addr = h->va,
		.db_addr = 0x1234560,
		.db_data = 0x5678,
		.db_len = 32,
		.sem0 = { .val = 5, .index = 3, .presync = h->num_pages / 2 & 1, .cmd = 1 },
		.sem1 = { .val = 7, .index = 4, .cmd = 2 },
	};
	struct bo_slice *slice;
	int ret;

	harness_fill_sgt(h, bo->sgt, bo->backing);
	with_table(bo->dir = dir;)
	with_list(bo->backing.runs.dir = dir;)
	INIT_LIST_HEAD(&bo->slices);
	with_table(ret = qaic_map_one_slice(h->priv, bo, &entry);)
	with_list(ret = qaic_map_one_slice(bo, &entry);)
	KUNIT_ASSERT_EQ(h->test, ret, 0);
	slice = list_first_entry(&bo->slices, struct bo_slice, slice);
	qaic_read(h, slice, dir == DMA_TO_DEVICE);
	harness_mapped(h);
	kref_put(&slice->ref_count, free_slice);
	harness_drop_sgt(h, bo->sgt, bo->backing);
	harness_object_free(h, bo);
}

static int qaic_init(struct harness *h)
{
	harness_drm(h, struct harness_drv, drm);
	h->priv = kunit_kzalloc(h->test, sizeof(struct qaic_device), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(h->test, h->priv);
	h->va_base = BIT_ULL(34);
	h->dma_base = BIT_ULL(44);

	return 0;
}

HARNESS_SUITE(qaic);
