// SPDX-License-Identifier: MIT
/**
 * TEST: armada backing
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME
 * Description: Buffers of armada that only its own calls make, its graphics memory, and imports that
 *              become framebuffers.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "armada_drm.h"
#include "igt.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("What armada has beside dumb buffers.");

#define SIZE (8 * pb_page)
/* More than half of the graphics memory that scripts/qemu.sh gives it: 240 MiB */
#define HALF (130 << 20)

static const struct pb_device *armada;
static int drm = -1;

static uint32_t create(uint32_t size)
{
	struct drm_armada_gem_create args = { .size = size };

	igt_assert_eq(drmIoctl(drm, DRM_IOCTL_ARMADA_GEM_CREATE, &args), 0);
	return args.handle;
}

/* 0 and where the pages of shmem are, or an errno. */
static int map_errno(uint32_t handle, uint64_t offset, uint64_t size, void **ptr)
{
	struct drm_armada_gem_mmap args = { .handle = handle, .offset = offset, .size = size };

	if (drmIoctl(drm, DRM_IOCTL_ARMADA_GEM_MMAP, &args))
		return errno;
	*ptr = (void *)(uintptr_t)args.addr;
	return 0;
}

static void *map(uint32_t handle, uint64_t size)
{
	void *ptr = NULL;

	igt_assert_eq(map_errno(handle, 0, size, &ptr), 0);
	return ptr;
}

static int pwrite_errno(uint32_t handle, const void *from, uint32_t offset, uint32_t size)
{
	struct drm_armada_gem_pwrite args = {
		.handle = handle, .ptr = (uintptr_t)from, .offset = offset, .size = size,
	};

	return drmIoctl(drm, DRM_IOCTL_ARMADA_GEM_PWRITE, &args) ? errno : 0;
}

static uint32_t create_dumb(uint64_t size)
{
	uint32_t handle;

	igt_assert_eq(pb_dumb_create(drm, pb_page / 4, size / pb_page, 32, &handle, NULL, NULL), 0);
	return handle;
}

static bool is_zero(const uint8_t *ptr, size_t len)
{
	return !ptr[0] && !memcmp(ptr, ptr + 1, len - 1);
}

/* Catches: memory that is not zero, or not that of the object. */
static void shmem(void)
{
	const uint32_t handle = create(SIZE);
	uint8_t *one = map(handle, SIZE), *two = map(handle, SIZE);

	igt_assert(is_zero(one, SIZE));
	pb_fill(one, 0, SIZE, 1);
	pb_check(two, 0, SIZE, 1, "other mapping");
	igt_assert_eq(munmap(one, SIZE), 0);
	gem_close(drm, handle);
	pb_check(two, 0, SIZE, 1, "mapping of a closed handle");
	igt_assert_eq(munmap(two, SIZE), 0);
}

/* Catches: an export that has pages of its own, or that ends with the handle. */
static void shmem_to(const struct pb_device *dev)
{
	const uint32_t handle = create(SIZE);
	uint8_t *ptr = map(handle, SIZE);
	struct pb_import imp;
	struct pb_view view;
	int dmabuf;

	pb_fill(ptr, 0, SIZE, 1);
	dmabuf = prime_handle_to_fd_for_mmap(drm, handle);
	igt_assert_fd(dmabuf);
	pb_import(&imp, dev, dmabuf);
	gem_close(drm, handle);
	view = pb_view_import(&imp, dmabuf, SIZE);
	pb_verify(&view, 1, "importer's mapping");
	pb_write(&view, 2);
	pb_unview(&view);
	pb_check(ptr, 0, SIZE, 2, "mapping of shmem");
	igt_assert_eq(close(dmabuf), 0);
	pb_import_close(&imp);
	pb_check(ptr, 0, SIZE, 2, "what is left");
	igt_assert_eq(munmap(ptr, SIZE), 0);
}

/*
 * Catches: a mapping that reaches physical memory from 0 on instead of the object. Only reads: what is
 * there may be anything.
 */
static void shmem_by_dumb_offset(void)
{
	const uint32_t handle = create(SIZE);
	const int64_t offset = pb_map_offset(drm, handle);
	uint8_t *own = map(handle, SIZE), *ptr;

	pb_fill(own, 0, SIZE, 1);
	if (offset >= 0) {
		ptr = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, drm, offset);
		igt_assert(ptr != MAP_FAILED || errno == EINVAL);
		if (ptr != MAP_FAILED && pb_touch(ptr, false) != SIGBUS)
			pb_check(ptr, 0, SIZE, 1, "mapping at the dumb offset");
		if (ptr != MAP_FAILED)
			igt_assert_eq(munmap(ptr, SIZE), 0);
	}
	igt_assert_eq(munmap(own, SIZE), 0);
	gem_close(drm, handle);
}

/* Catches: what the kernel writes and what user space sees being two things. */
static void pwrite_cursor(void)
{
	const uint32_t handle = create_dumb(2 * pb_page);
	uint8_t *ptr = pb_mmap_gem(drm, handle, 2 * pb_page, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	uint8_t from[512];

	igt_assert(ptr != MAP_FAILED);
	pb_fill(ptr, 0, 2 * pb_page, 1);
	pb_fill(from, pb_page - 256, sizeof(from), 2);
	igt_assert_eq(pwrite_errno(handle, from, pb_page - 256, sizeof(from)), 0);
	pb_check(ptr, 0, pb_page - 256, 1, "head");
	pb_check(ptr + pb_page - 256, pb_page - 256, sizeof(from), 2, "what was written");
	pb_check(ptr + pb_page + 256, pb_page + 256, pb_page - 256, 1, "rest");
	igt_assert_eq(munmap(ptr, 2 * pb_page), 0);
	gem_close(drm, handle);
}

/* Catches: bounds that overflow, and objects that the kernel cannot write. */
static void refused(void)
{
	const uint32_t dumb = create_dumb(2 * pb_page), own = create(SIZE);
	uint8_t byte = 0;
	void *ptr;

	igt_assert_eq(pwrite_errno(dumb, &byte, 2 * pb_page, 1), EINVAL);
	igt_assert_eq(pwrite_errno(dumb, &byte, -1u, 1), EINVAL);
	igt_assert_eq(pwrite_errno(own, &byte, 0, 1), EINVAL);
	igt_assert_eq(pwrite_errno(own + 1000, &byte, 0, 1), ENOENT);
	igt_assert_eq(map_errno(dumb, 0, pb_page, &ptr), EINVAL);
	igt_assert_eq(map_errno(own + 1000, 0, pb_page, &ptr), ENOENT);
	gem_close(drm, dumb);
	gem_close(drm, own);
}

/* Catches: graphics memory that is not given back. */
static void graphics_memory(void)
{
	uint32_t handle, none;

	for (int i = 0; i < 3; i++) {
		handle = create_dumb(HALF);
		igt_assert_eq(pb_dumb_create(drm, pb_page / 4, HALF / pb_page, 32, &none, NULL, NULL), ENOSPC);
		gem_close(drm, handle);
	}
}

/* Catches: a reference that a refused write keeps, and with it the memory. */
static void graphics_memory_not_written(void)
{
	uint8_t byte = 0;
	uint32_t handle;

	for (int i = 0; i < 3; i++) {
		handle = create_dumb(HALF);
		igt_assert_eq(pwrite_errno(handle, &byte, 0, 1), EINVAL);
		gem_close(drm, handle);
	}
}

/*
 * Without an IOMMU it has to lie in one piece; what does not is refused, and can be tried again.
 * Catches: an import whose address is not asked for, or taken twice.
 */
static void framebuffer_of_import(const struct pb_exporter *exp)
{
	struct pb_import imp;
	struct pb_buf buf;
	uint32_t fb[2];
	int err;

	pb_create(&buf, exp, 1 << 20);
	pb_import(&imp, armada, buf.dmabuf);
	pb_destroy(&buf);
	for (size_t i = 0; i < ARRAY_SIZE(fb); i++) {
		err = pb_add_fb(imp.drm, imp.handle, 512, 512, 2048, 0, &fb[i]);
		igt_skip_on_f(err == EINVAL, "not in one piece\n");
		igt_assert_eq(err, 0);
	}
	pb_import_close_handle(&imp);
	igt_assert_eq(drmModeRmFB(imp.drm, fb[0]), 0);
	igt_assert_eq(drmModeRmFB(imp.drm, fb[1]), 0);
	pb_import_close(&imp);
}

static void find_armada(void)
{
	for (int i = 0; i < pb_n_devices; i++) {
		if (!strcmp(pb_devices[i].driver, "armada-drm"))
			armada = &pb_devices[i];
	}
	igt_require_f(armada, "no armada\n");
	drm = pb_open(armada);
}

static const struct {
	const char *name;
	const char *what;
	void (*run)(void);
} cases[] = {
	{ "shmem", "A buffer of shmem is zero and one", shmem },
	{ "shmem-by-dumb-offset", "The offset of a dumb buffer leads to no other memory", shmem_by_dumb_offset },
	{ "pwrite-cursor", "What the kernel writes is read by user space", pwrite_cursor },
	{ "refused", "Bad handles and bounds are refused", refused },
	{ "graphics-memory", "Graphics memory comes back", graphics_memory },
	{ "graphics-memory-not-written", "Graphics memory comes back after a write that was refused",
	  graphics_memory_not_written },
};

/* The loop is not in a function that a failure jumps back into. */
static void run_case(size_t i)
{
	igt_describe(cases[i].what);
	igt_subtest(cases[i].name)
		cases[i].run();
}

int igt_main()
{
	igt_fixture() {
		pb_setup();
		find_armada();
	}

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		run_case(i);

	igt_describe("A buffer of shmem can be imported");
	igt_subtest_with_dynamic("shmem-to")
		pb_run_devices(shmem_to);

	igt_describe("An import becomes a framebuffer");
	igt_subtest_with_dynamic("framebuffer-of-import")
		pb_run_exporters(framebuffer_of_import);
}
