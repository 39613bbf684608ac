// SPDX-License-Identifier: MIT
/**
 * TEST: panthor backing
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: memory management
 * Description: CPU and GPU see the same memory: bound, unbound in part, shared, reclaimed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "panthor_drm.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Memory of buffers that panthor binds.");

#define MIB (1024 * 1024)
#define BLOCK (2 * MIB)
#define BO_VA (UINT64_C(64) * MIB)
#define STREAM_VA (UINT64_C(16) * MIB)
#define STREAM_SIZE 65536
/* Instructions of a store, and how many stores fit into a stream. */
#define PER_STORE 4
#define STORES_MAX (STREAM_SIZE / 8 / PER_STORE)

static int px_ioctl(int fd, unsigned long request, void *args)
{
	return drmIoctl(fd, request, args) ? errno : 0;
}

#define px_must(fd, request, args) igt_assert_eq(px_ioctl(fd, request, args), 0)

/* A file with a VM, a group of one queue, and a buffer for its command streams. */
struct px {
	int fd;
	uint32_t vm;
	uint32_t group;
	uint32_t stream;
	uint64_t *instructions;
};

static int px_open(void)
{
	for (int i = 128; i < 128 + PB_MAX_DEVICES; i++) {
		char node[32];
		int fd;

		snprintf(node, sizeof(node), "/dev/dri/renderD%d", i);
		fd = open(node, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		drmVersionPtr version = drmGetVersion(fd);
		const bool found = version && !strcmp(version->name, "panthor");

		drmFreeVersion(version);
		if (found)
			return fd;
		close(fd);
	}
	return -1;
}

static uint32_t px_create(int fd, uint64_t size, uint32_t flags)
{
	struct drm_panthor_bo_create args = { .size = size, .flags = flags };

	px_must(fd, DRM_IOCTL_PANTHOR_BO_CREATE, &args);
	igt_assert_eq_u64(args.size, size);
	return args.handle;
}

static void *px_map(int fd, uint32_t handle, uint64_t size)
{
	struct drm_panthor_bo_mmap_offset args = { .handle = handle };
	void *ptr;

	px_must(fd, DRM_IOCTL_PANTHOR_BO_MMAP_OFFSET, &args);
	ptr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, args.offset);
	igt_assert(ptr != MAP_FAILED);
	return ptr;
}

static int px_bind_errno(const struct px *px, struct drm_panthor_vm_bind_op op)
{
	struct drm_panthor_vm_bind args = {
		.vm_id = px->vm, .ops = DRM_PANTHOR_OBJ_ARRAY(1, &op),
	};

	return px_ioctl(px->fd, DRM_IOCTL_PANTHOR_VM_BIND, &args);
}

static void px_bind(const struct px *px, uint64_t va, uint32_t handle, uint64_t offset,
		    uint64_t size)
{
	igt_assert_eq(px_bind_errno(px, (struct drm_panthor_vm_bind_op) {
		.flags = DRM_PANTHOR_VM_BIND_OP_TYPE_MAP | DRM_PANTHOR_VM_BIND_OP_MAP_NOEXEC,
		.bo_handle = handle, .bo_offset = offset, .va = va, .size = size,
	}), 0);
}

static void px_bind_sparse(const struct px *px, uint64_t va, uint64_t size)
{
	igt_assert_eq(px_bind_errno(px, (struct drm_panthor_vm_bind_op) {
		.flags = DRM_PANTHOR_VM_BIND_OP_TYPE_MAP | DRM_PANTHOR_VM_BIND_OP_MAP_NOEXEC |
			 DRM_PANTHOR_VM_BIND_OP_MAP_SPARSE,
		.va = va, .size = size,
	}), 0);
}

static void px_unbind(const struct px *px, uint64_t va, uint64_t size)
{
	igt_assert_eq(px_bind_errno(px, (struct drm_panthor_vm_bind_op) {
		.flags = DRM_PANTHOR_VM_BIND_OP_TYPE_UNMAP, .va = va, .size = size,
	}), 0);
}

static struct px px_setup(void)
{
	struct drm_panthor_queue_create queue = { .ringbuf_size = 65536 };
	struct drm_panthor_group_create group = {
		.queues = DRM_PANTHOR_OBJ_ARRAY(1, &queue), .priority = PANTHOR_GROUP_PRIORITY_MEDIUM,
		.max_compute_cores = 1, .max_fragment_cores = 1, .max_tiler_cores = 1,
		.compute_core_mask = 1, .fragment_core_mask = 1, .tiler_core_mask = 1,
	};
	struct drm_panthor_vm_create vm = { };
	struct px px = { .fd = px_open() };

	igt_assert_fd(px.fd);
	px_must(px.fd, DRM_IOCTL_PANTHOR_VM_CREATE, &vm);
	px.vm = vm.id;
	group.vm_id = vm.id;
	px_must(px.fd, DRM_IOCTL_PANTHOR_GROUP_CREATE, &group);
	px.group = group.group_handle;
	px.stream = px_create(px.fd, STREAM_SIZE, 0);
	px.instructions = px_map(px.fd, px.stream, STREAM_SIZE);
	px_bind(&px, STREAM_VA, px.stream, 0, STREAM_SIZE);
	return px;
}

static void px_close(struct px *px)
{
	struct drm_panthor_group_destroy group = { .group_handle = px->group };
	struct drm_panthor_vm_destroy vm = { .id = px->vm };

	px_must(px->fd, DRM_IOCTL_PANTHOR_GROUP_DESTROY, &group);
	px_must(px->fd, DRM_IOCTL_PANTHOR_VM_DESTROY, &vm);
	munmap(px->instructions, STREAM_SIZE);
	close(px->fd);
}

/* Runs what is in the stream; fails if that does not end. */
static void px_run(const struct px *px, uint32_t count)
{
	struct drm_panthor_sync_op sync = { .flags = DRM_PANTHOR_SYNC_OP_SIGNAL };
	struct drm_panthor_queue_submit queue = {
		.stream_size = count * 8, .stream_addr = STREAM_VA,
		.syncs = DRM_PANTHOR_OBJ_ARRAY(1, &sync),
	};
	struct drm_panthor_group_submit args = {
		.group_handle = px->group, .queue_submits = DRM_PANTHOR_OBJ_ARRAY(1, &queue),
	};

	igt_assert_eq(drmSyncobjCreate(px->fd, 0, &sync.handle), 0);
	px_must(px->fd, DRM_IOCTL_PANTHOR_GROUP_SUBMIT, &args);
	igt_assert_eq(drmSyncobjWait(px->fd, &sync.handle, 1, INT64_MAX, 0, NULL), 0);
	drmSyncobjDestroy(px->fd, sync.handle);
}

static uint32_t px_value(uint64_t seed, uint64_t place)
{
	return pb_word(seed, place);
}

/* The GPU writes a word at each place of a buffer, one value for each. */
static void px_store(const struct px *px, uint64_t va, const uint64_t *places, uint32_t count,
		     uint64_t seed)
{
	uint64_t *instr = px->instructions;

	igt_assert_lte(count, STORES_MAX);
	for (uint32_t i = 0; i < count; i++) {
		*instr++ = UINT64_C(1) << 56 | UINT64_C(0) << 48 | (va + places[i]);
		*instr++ = UINT64_C(2) << 56 | UINT64_C(2) << 48 | px_value(seed, places[i]);
		*instr++ = UINT64_C(21) << 56 | UINT64_C(2) << 48 | UINT64_C(0) << 40 | 1 << 16;
		*instr++ = UINT64_C(3) << 56 | 1 << 16;
	}
	px_run(px, count * PER_STORE);
}

static void px_check(const void *cpu, const uint64_t *places, uint32_t count, uint64_t seed,
		     const char *what)
{
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t got = *(const volatile uint32_t *)(cpu + places[i]);

		igt_assert_f(got == px_value(seed, places[i]), "%s: %#x at %#llx, not %#x\n", what,
			     got, (unsigned long long)places[i], px_value(seed, places[i]));
	}
}

/* One place in every page, in an order of its own; pages of @hole are left out. */
static uint32_t px_places(uint64_t *places, uint64_t size, uint64_t hole, uint64_t hole_size)
{
	const uint32_t num = size / pb_page;
	uint32_t *order = malloc(num * sizeof(*order)), count = 0;

	pb_permute(order, num, size);
	for (uint32_t i = 0; i < num; i++) {
		const uint64_t place = (uint64_t)order[i] * pb_page + order[i] % 512 * 8;

		if (place - hole >= hole_size)
			places[count++] = place;
	}
	free(order);
	return count;
}

/* Catches: a page table that leads elsewhere, a fault that shows another page. */
static void gpu_stores(void)
{
	struct px px = px_setup();
	const uint64_t size = 3 * BLOCK - 3 * pb_page;
	const uint32_t handle = px_create(px.fd, size, 0);
	uint64_t places[3 * BLOCK / 4096];
	const uint32_t count = px_places(places, size, 0, 0);
	uint8_t *cpu = px_map(px.fd, handle, size);

	/* Begins in the midst of the buffer, then all of it where nothing is aligned. */
	px_bind(&px, BO_VA, handle, BLOCK / 2, BLOCK);
	px_store(&px, BO_VA - BLOCK / 2, (uint64_t[]) { BLOCK / 2, BLOCK, BLOCK * 3 / 2 - 4 }, 3, 1);
	px_check(cpu, (uint64_t[]) { BLOCK / 2, BLOCK, BLOCK * 3 / 2 - 4 }, 3, 1, "a part");
	px_bind(&px, BO_VA + 5 * pb_page, handle, 0, size);
	px_store(&px, BO_VA + 5 * pb_page, places, count, 2);
	px_check(cpu, places, count, 2, "all");
	munmap(cpu, size);
	gem_close(px.fd, handle);
	px_close(&px);
}

/* Punches holes that begin or end within a block, and uses what is left. */
static void punch(const struct px *px, uint32_t handle, const uint8_t *cpu, uint64_t size)
{
	const uint64_t holes[][2] = {
		{ pb_page, pb_page }, { BLOCK - pb_page, 2 * pb_page },
		{ BLOCK / 2, BLOCK }, { size - 2 * pb_page, pb_page },
	};
	uint64_t *places = malloc(size / pb_page * sizeof(*places));

	for (size_t i = 0; i < ARRAY_SIZE(holes); i++) {
		const uint32_t count = px_places(places, size, holes[i][0], holes[i][1]);

		px_bind(px, BO_VA, handle, 0, size);
		px_unbind(px, BO_VA + holes[i][0], holes[i][1]);
		px_store(px, BO_VA, places, count, 10 + i);
		px_check(cpu, places, count, 10 + i, "around a hole");
	}
	px_unbind(px, BO_VA, size);
	free(places);
}

/* Catches: a block that is unmapped in part. */
static void unbind_in_part(void)
{
	struct px px = px_setup();
	const uint64_t size = 2 * BLOCK;
	const uint32_t handle = px_create(px.fd, size, 0);
	uint8_t *cpu = px_map(px.fd, handle, size);

	punch(&px, handle, cpu, size);
	munmap(cpu, size);
	gem_close(px.fd, handle);
	px_close(&px);
}

/* Catches: the same where the driver has no pages. */
static void unbind_import_in_part(const struct pb_exporter *exp)
{
	struct px px = px_setup();
	const uint64_t size = 2 * BLOCK;
	struct pb_buf buf;
	struct pb_view view;
	uint32_t handle;

	pb_create(&buf, exp, size);
	view = pb_view_native(&buf);
	handle = prime_fd_to_handle(px.fd, buf.dmabuf);
	punch(&px, handle, view.ptr, size);
	gem_close(px.fd, handle);
	pb_unview(&view);
	pb_destroy(&buf);
	px_close(&px);
}

/* Catches: repeats of the dummy memory that are mapped or unmapped wrongly. */
static void sparse(void)
{
	struct px px = px_setup();
	const uint64_t va = BO_VA + 3 * pb_page, size = 2 * BLOCK + BLOCK / 2;
	uint64_t places[5 * MIB / 4096];

	px_bind_sparse(&px, va, size);
	px_store(&px, va, places, px_places(places, size, 0, 0), 1);
	px_unbind(&px, va + BLOCK / 2, pb_page);
	px_store(&px, va, places, px_places(places, size, BLOCK / 2, pb_page), 2);
	px_unbind(&px, va, size);
	px_close(&px);
}

/* Catches: a mapping without its head that shows the head again. */
static void mmap_without_head(void)
{
	struct px px = px_setup();
	const uint64_t size = 16 * pb_page;
	const uint32_t handle = px_create(px.fd, size, 0);
	uint64_t places[16];
	const uint32_t count = px_places(places, size, 0, 5 * pb_page);
	uint8_t *cpu = px_map(px.fd, handle, size);

	igt_assert_eq(munmap(cpu, 5 * pb_page), 0);
	px_bind(&px, BO_VA, handle, 0, size);
	px_store(&px, BO_VA, places, count, 1);
	px_check(cpu, places, count, 1, "without the head");
	munmap(cpu + 5 * pb_page, size - 5 * pb_page);
	gem_close(px.fd, handle);
	px_close(&px);
}

static int sync_range(int fd, uint32_t handle, uint32_t type, uint64_t offset, uint64_t size)
{
	struct drm_panthor_bo_sync_op op = {
		.handle = handle, .type = type, .offset = offset, .size = size,
	};
	struct drm_panthor_bo_sync args = { .ops = DRM_PANTHOR_OBJ_ARRAY(1, &op) };

	return px_ioctl(fd, DRM_IOCTL_PANTHOR_BO_SYNC, &args);
}

/* Catches: ranges that are refused or cut; content that is lost. */
static void sync_ranges(void)
{
	static const uint64_t ranges[][2] = {
		{ 0, 1 }, { 63, 2 }, { 4095, 2 }, { 5000, 9000 }, { 65535, 1 }, { 65536, 0 }, { 0, 65536 },
	};
	struct px px = px_setup();
	const uint64_t size = 65536;
	const uint32_t handle = px_create(px.fd, size, DRM_PANTHOR_BO_WB_MMAP);
	uint8_t *cpu = px_map(px.fd, handle, size);

	igt_assert_eq(sync_range(px.fd, handle, 0, 0, size), 0);
	pb_fill(cpu, 0, size, 1);
	px_bind(&px, BO_VA, handle, 0, size);
	for (uint32_t type = 0; type < 2; type++)
		for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
			igt_assert_eq(sync_range(px.fd, handle, type, ranges[i][0], ranges[i][1]), 0);
	igt_assert_eq(sync_range(px.fd, handle, 0, 1, size), EINVAL);
	igt_assert_eq(sync_range(px.fd, handle, 0, UINT64_MAX, 2), EINVAL);
	igt_assert_eq(sync_range(px.fd, handle, 2, 0, size), EINVAL);
	pb_check(cpu, 0, size, 1, "after the syncs");
	munmap(cpu, size);
	gem_close(px.fd, handle);
	px_close(&px);
}

/* Has the driver reclaim what it may; how many pages that were, -1 if that cannot be told. */
static long shrink(void)
{
	for (int i = 0; i < PB_MAX_DEVICES; i++) {
		char path[64], value[32] = "";
		int fd;

		snprintf(path, sizeof(path), "/sys/kernel/debug/dri/%d/shrink", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		igt_assert_eq(write(fd, "100000", 6), 6);
		igt_assert(read(fd, value, sizeof(value) - 1) > 0);
		close(fd);
		return strtol(value, NULL, 0);
	}
	return -1;
}

/* Catches: content that is lost, page tables that lead to what was given back. */
static void reclaim(void)
{
	struct px px = px_setup();
	const uint64_t size = 2 * BLOCK;
	const uint32_t handle = px_create(px.fd, size, 0);
	uint64_t places[2 * BLOCK / 4096];
	const uint32_t count = px_places(places, size, 0, 0);
	uint8_t *cpu = px_map(px.fd, handle, size);
	long pages;

	px_bind(&px, BO_VA, handle, 0, size);
	for (int round = 1; round < 4; round++) {
		px_store(&px, BO_VA, places, count, round);
		pages = shrink();
		igt_require_f(pages >= 0, "no debugfs\n");
		igt_require_f(pages > 0, "nothing was reclaimed: no swap?\n");
		igt_assert_lte_u64(size / pb_page, pages);
		px_check(cpu, places, count, round, "swapped out and in");
		shrink();
	}
	px_store(&px, BO_VA, places, count, 9);
	px_check(cpu, places, count, 9, "bound again");
	munmap(cpu, size);
	gem_close(px.fd, handle);
	px_close(&px);
}

/* Catches: an importer that sees other memory than the GPU. */
static void exported(const struct pb_device *dev)
{
	struct px px = px_setup();
	const uint64_t size = 16 * pb_page;
	const uint32_t handle = px_create(px.fd, size, 0);
	uint64_t places[16];
	const uint32_t count = px_places(places, size, 0, 0);
	const int dmabuf = prime_handle_to_fd_for_mmap(px.fd, handle);
	struct pb_import imp;
	struct pb_view view;

	igt_assert_fd(dmabuf);
	pb_import(&imp, dev, dmabuf);
	view = pb_view_import(&imp, dmabuf, size);
	px_bind(&px, BO_VA, handle, 0, size);
	px_store(&px, BO_VA, places, count, 1);
	prime_sync_start(dmabuf, false);
	px_check(view.ptr, places, count, 1, "through an importer");
	prime_sync_end(dmabuf, false);
	pb_unview(&view);
	pb_import_close(&imp);
	close(dmabuf);
	gem_close(px.fd, handle);
	px_close(&px);
}

/* What the model holds against the driver. */
static unsigned long errors(void)
{
	FILE *file = fopen("/sys/kernel/debug/csf-model/counters", "re");
	unsigned long value, sum = 0;
	char name[32];

	igt_require_f(file, "no model of a GPU\n");
	while (fscanf(file, "%31s %lu", name, &value) == 2)
		if (!strcmp(name, "stale_tlb") || !strcmp(name, "freed_page"))
			sum += value;
	fclose(file);
	return sum;
}

int igt_main()
{
	igt_fixture() {
		const int fd = px_open();

		igt_require_f(fd >= 0, "no panthor\n");
		close(fd);
		pb_setup();
	}

	igt_describe("What the GPU stores is where the CPU reads");
	igt_subtest("gpu-stores")
		gpu_stores();
	igt_describe("Unbinding parts of blocks leaves the rest");
	igt_subtest("unbind-in-part")
		unbind_in_part();
	igt_describe("The same of imports");
	igt_subtest_with_dynamic("unbind-import-in-part")
		pb_run_exporters(unbind_import_in_part);
	igt_describe("Sparse bindings");
	igt_subtest("sparse")
		sparse();
	igt_describe("A mapping whose head is unmapped");
	igt_subtest("mmap-without-head")
		mmap_without_head();
	igt_describe("BO_SYNC on ranges of any alignment");
	igt_subtest("sync-ranges")
		sync_ranges();
	igt_describe("Importers see what the GPU stores");
	igt_subtest_with_dynamic("exported")
		pb_run_devices(exported);
	igt_describe("Memory that was swapped out comes back");
	igt_subtest("reclaim")
		reclaim();
	igt_describe("The model has nothing against the driver");
	igt_subtest("no-errors")
		igt_assert_eq_u64(errors(), 0);
}
