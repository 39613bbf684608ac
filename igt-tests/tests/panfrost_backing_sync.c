// SPDX-License-Identifier: MIT
/**
 * TEST: panfrost backing sync
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: cache maintenance
 * Description: SYNC_BO on any range of any buffer: what is refused, and that contents stay.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "panfrost_backing_lib.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("SYNC_BO on ranges of buffers.");

#define PAGES 32
#define SIZE (PAGES * pb_page)
#define WB (PANFROST_BO_NOEXEC | PANFROST_BO_WB_MMAP)
#define TYPES 2

static int sync_ops(int fd, const struct drm_panfrost_bo_sync_op *ops, uint32_t count)
{
	struct drm_panfrost_sync_bo args = { .ops = (uintptr_t)ops, .op_count = count };

	return pf_ioctl(fd, DRM_IOCTL_PANFROST_SYNC_BO, &args);
}

static int sync_range(const struct pf_bo *bo, uint32_t type, uint32_t offset, uint32_t size)
{
	const struct drm_panfrost_bo_sync_op op = {
		.handle = bo->handle, .type = type, .offset = offset, .size = size,
	};

	return sync_ops(bo->fd, &op, 1);
}

/* Catches: a range that is cut off, or rounded, at the pieces of the list. */
static void any_range(void)
{
	static const uint32_t ranges[][2] = {
		{ 0, 1 }, { 1, 1 }, { 63, 2 }, { 4095, 2 }, { 4096, 4096 }, { 5000, 9000 },
		{ 1, 65535 }, { 8191, 1 }, { 12288, 40001 },
	};
	const int fd = pf_open();
	struct pf_bo bo = pf_create(fd, SIZE, WB), wc = pf_create(fd, SIZE, PANFROST_BO_NOEXEC);

	pb_fill(bo.cpu, 0, SIZE, 1);
	pb_fill(wc.cpu, 0, SIZE, 2);
	for (uint32_t type = 0; type < TYPES; type++) {
		for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
			igt_assert_eq(sync_range(&bo, type, ranges[i][0], ranges[i][1]), 0);
			igt_assert_eq(sync_range(&wc, type, ranges[i][0], ranges[i][1]), 0);
		}
		igt_assert_eq(sync_range(&bo, type, 0, SIZE), 0);
		igt_assert_eq(sync_range(&bo, type, SIZE - 1, 1), 0);
		/* An empty range is one anywhere in the buffer, its end included. */
		igt_assert_eq(sync_range(&bo, type, 0, 0), 0);
		igt_assert_eq(sync_range(&bo, type, SIZE, 0), 0);
	}
	pb_check(bo.cpu, 0, SIZE, 1, "cached buffer");
	pb_check(wc.cpu, 0, SIZE, 2, "write-combined buffer");
	pf_close(&bo);
	pf_close(&wc);
	close(fd);
}

/* Catches: bytes of others, or a walk off the end of the list. */
static void past_the_end(void)
{
	const int fd = pf_open();
	const uint32_t flags[] = { WB, PANFROST_BO_NOEXEC };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct pf_bo bo = pf_create(fd, SIZE, flags[i]);

		for (uint32_t type = 0; type < TYPES; type++) {
			igt_assert_eq(sync_range(&bo, type, 0, SIZE + 1), EINVAL);
			igt_assert_eq(sync_range(&bo, type, SIZE, 1), EINVAL);
			igt_assert_eq(sync_range(&bo, type, SIZE + 1, 0), EINVAL);
			igt_assert_eq(sync_range(&bo, type, 1, ~0u), EINVAL);
			igt_assert_eq(sync_range(&bo, type, ~0u, 1), EINVAL);
			igt_assert_eq(sync_range(&bo, type, ~0u, ~0u), EINVAL);
			igt_assert_eq(sync_range(&bo, type, 0x80000000, 0x80000000), EINVAL);
		}
		for (uint32_t type = TYPES; type; type <<= 1)
			igt_assert_eq(sync_range(&bo, type, 0, SIZE), EINVAL);
		igt_assert_eq(sync_range(&bo, ~0u, 0, SIZE), EINVAL);
		pf_close(&bo);
	}
	close(fd);
}

/* Catches: a list of operations that is not read, checked or ended as it should be. */
static void many_ops(void)
{
	const int fd = pf_open();
	struct pf_bo bo = pf_create(fd, SIZE, WB);
	struct drm_panfrost_bo_sync_op *ops = calloc(4096, sizeof(*ops));

	pb_fill(bo.cpu, 0, SIZE, 1);
	for (int i = 0; i < 4096; i++)
		ops[i] = (struct drm_panfrost_bo_sync_op){
			.handle = bo.handle, .type = i % TYPES,
			.offset = pb_word(1, i) % (SIZE - 5000), .size = pb_word(2, i) % 5000,
		};
	igt_assert_eq(sync_ops(fd, ops, 4096), 0);
	igt_assert_eq(sync_ops(fd, NULL, 0), 0);
	igt_assert_eq(sync_ops(fd, NULL, 1), EFAULT);
	igt_assert_eq(sync_ops(fd, (void *)1, 4096), EFAULT);
	ops[4000].handle = 12345;
	igt_assert_eq(sync_ops(fd, ops, 4096), ENOENT);
	ops[100].type = 7;
	igt_assert_eq(sync_ops(fd, ops, 4096), EINVAL);
	igt_assert_eq(sync_ops(fd, ops, 100), 0);
	pb_check(bo.cpu, 0, SIZE, 1, "buffer");
	free(ops);
	pf_close(&bo);
	close(fd);
}

/* Catches: a sync the wrong way: what the GPU wrote is lost under what the CPU had. */
static void gpu_and_cpu_in_turn(void)
{
	const int fd = pf_open();
	struct pf_bo bo = pf_create(fd, SIZE, WB);
	uint32_t pages[PAGES];

	for (int seed = 1; seed < 20; seed++) {
		pb_fill(bo.cpu, 0, SIZE, seed);
		igt_assert_eq(sync_range(&bo, PANFROST_BO_SYNC_CPU_CACHE_FLUSH, 0, SIZE), 0);
		pf_write_pages(fd, &bo, PAGES, seed + 100);
		igt_assert_eq(sync_range(&bo, PANFROST_BO_SYNC_CPU_CACHE_FLUSH_AND_INVALIDATE, 0,
					 SIZE), 0);
		pb_permute(pages, PAGES, seed + 100);
		pf_check_pages(bo.cpu, pages, PAGES, seed + 100, "buffer");
		/* Page 1's word is its second; the first is still the CPU's. */
		pb_check(bo.cpu + pb_page, pb_page, 8, seed, "what the GPU left alone");
	}
	pf_close(&bo);
	close(fd);
}

/* Catches: a sync of a buffer that has no memory yet. */
static void untouched(void)
{
	const int fd = pf_open();

	for (uint32_t type = 0; type < TYPES; type++) {
		struct drm_panfrost_create_bo args = { .size = SIZE, .flags = WB };
		struct pf_bo bo;

		igt_assert_eq(pf_create_errno(fd, &args), 0);
		bo = pf_wrap(fd, args.handle, SIZE);
		igt_assert_eq(sync_range(&bo, type, 100, 10000), 0);
		bo.cpu = pf_map(&bo);
		for (int i = 0; i < PAGES; i++)
			igt_assert_eq_u64(*(volatile uint64_t *)(bo.cpu + i * pb_page), 0);
		pf_close(&bo);
	}
	close(fd);
}

/* Catches: cache maintenance on memory that is not the GPU driver's to maintain. */
static void import_is_refused(void)
{
	const int fd = pf_open();
	struct pb_buf buf;
	struct pf_bo bo;

	igt_require_f(pb_n_exporters && !pb_exporters[0].missing, "nobody to import from\n");
	pb_create(&buf, &pb_exporters[0], SIZE);
	bo = pf_wrap(fd, prime_fd_to_handle(fd, buf.dmabuf), SIZE);
	for (uint32_t type = 0; type < TYPES; type++)
		igt_assert_eq(sync_range(&bo, type, 0, SIZE), EINVAL);
	pf_close(&bo);
	pb_destroy(&buf);
	close(fd);
}

/* Catches: a buffer that is refused, or synced twice, because others have it as well. */
static void exported(void)
{
	const int fd = pf_open();
	struct pf_bo bo = pf_create(fd, SIZE, WB);
	const int dmabuf = prime_handle_to_fd_for_mmap(fd, bo.handle);
	struct pb_view view = pb_view_dmabuf(dmabuf, SIZE);
	struct pb_import imp;

	pb_import(&imp, &pb_devices[0], dmabuf);
	for (uint32_t type = 0; type < TYPES; type++) {
		pb_write(&view, type);
		igt_assert_eq(sync_range(&bo, type, 0, SIZE), 0);
		pb_check(bo.cpu, 0, SIZE, type, "exporter's mapping");
	}
	pb_import_close(&imp);
	pb_unview(&view);
	close(dmabuf);
	pf_close(&bo);
	close(fd);
}

/* Catches: a sync that gives a heap all of its memory (and see panfrost_backing_heap_cpu). */
static void heap_stays_small(void)
{
	const int fd = pf_open();
	struct pf_bo heap = pf_create(fd, 4 * PF_CHUNK, PANFROST_BO_HEAP | PANFROST_BO_NOEXEC);
	int64_t resident;

	for (uint32_t type = 0; type < TYPES; type++) {
		sync_range(&heap, type, 0, PF_CHUNK);
		sync_range(&heap, type, 3 * PF_CHUNK - 1, 2);
		igt_assert_eq(sync_range(&heap, type, 4 * PF_CHUNK, 1), EINVAL);
	}
	resident = pf_resident(&heap);
	igt_require_f(resident >= 0, "debugfs does not tell what memory a heap has\n");
	igt_assert_eq_u64(resident, 0);
	pf_close(&heap);
	close(fd);
}

/* Catches: flags that are lost, or told wrongly. */
static void flags_are_told(void)
{
	static const uint32_t flags[] = {
		0, PANFROST_BO_NOEXEC, WB, PANFROST_BO_WB_MMAP,
		PANFROST_BO_HEAP | PANFROST_BO_NOEXEC,
	};
	const int fd = pf_open();
	struct drm_panfrost_get_param coherency = {
		.param = DRM_PANFROST_PARAM_SELECTED_COHERENCY,
	};
	bool coherent;

	igt_assert_eq(pf_ioctl(fd, DRM_IOCTL_PANFROST_GET_PARAM, &coherency), 0);
	coherent = coherency.value != DRM_PANFROST_GPU_COHERENCY_NONE;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct pf_bo bo = pf_create(fd, PF_CHUNK, flags[i]);
		struct drm_panfrost_query_bo_info info = { .handle = bo.handle, .pad = 1 };
		uint32_t wanted = flags[i];

		/* A coherent device has no other mappings than cached ones. */
		if (coherent)
			wanted |= PANFROST_BO_WB_MMAP;
		igt_assert_eq(pf_ioctl(fd, DRM_IOCTL_PANFROST_QUERY_BO_INFO, &info), 0);
		igt_assert_eq_u32(info.create_flags, wanted);
		igt_assert_eq_u32(info.extra_flags, 0);
		igt_assert_eq_u32(info.pad, 0);
		pf_close(&bo);
	}
	close(fd);
}

static const struct pf_case cases[] = {
	{ "any-range", "Ranges of any alignment", any_range },
	{ "past-the-end", "What is not a range of the buffer is refused", past_the_end },
	{ "many-ops", "Thousands of operations in one call", many_ops },
	{ "gpu-and-cpu-in-turn", "CPU and GPU write in turn", gpu_and_cpu_in_turn },
	{ "untouched", "A buffer that nobody has touched", untouched },
	{ "import-refused", "Imports are not synced by SYNC_BO", import_is_refused },
	{ "exported", "An exported buffer", exported },
	{ "heap-stays-small", "Heaps get no memory by SYNC_BO", heap_stays_small },
	{ "flags-are-told", "QUERY_BO_INFO tells what was created", flags_are_told },
};

int igt_main()
{
	igt_fixture() {
		pf_setup();
		pb_setup();
	}

	pf_run_cases(cases, ARRAY_SIZE(cases));
}
