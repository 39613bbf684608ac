// SPDX-License-Identifier: MIT
/**
 * TEST: prime backing sizes
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME
 * Description: Buffers of sizes at the edges, memory in many pieces, and sizes that are refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Sizes and layouts of buffers shared over PRIME.");

static void one_size(const struct pb_pair *pair, uint64_t size, size_t step)
{
	struct pb_shared s;

	pb_share(&s, pair, size);
	igt_assert_eq_u64(s.buf.size, size);
	igt_assert_eq_u64(prime_get_size(s.buf.dmabuf), size);
	pb_mark(&s.native, size, step);
	pb_verify_marks(&s.via_import, size, step, "importer's mapping");
	pb_mark(&s.via_import, size + 1, step);
	pb_verify_marks(&s.via_dmabuf, size + 1, step, "dma-buf's mapping");
	pb_verify_marks(&s.native, size + 1, step, "exporter's mapping");
	pb_unshare(&s);
}

/* Catches: a list that must have two entries, or counts from one. */
static void size_one_page(const struct pb_pair *pair)
{
	one_size(pair, pb_page, 1);
}

/* Catches: the last page of a big piece lost. */
static void size_2m_less_page(const struct pb_pair *pair)
{
	one_size(pair, (2 << 20) - pb_page, 1);
}

/* Catches: off-by-one where one big piece is exactly the buffer. */
static void size_2m(const struct pb_pair *pair)
{
	one_size(pair, 2 << 20, 1);
}

/* Catches: the page behind a big piece taken from it. */
static void size_2m_and_page(const struct pb_pair *pair)
{
	one_size(pair, (2 << 20) + pb_page, 1);
}

/* Catches: metadata that must fit a page, indices or lengths in too few bits. */
static void size_64m(const struct pb_pair *pair)
{
	one_size(pair, 64 << 20, 13);
}

/* The memory file's page that is page i of the buffer: neighbours never adjoin. */
static uint32_t scattered(uint32_t i, uint32_t pages)
{
	return (pages - 1 - i) ^ 1;
}

static int scattered_udmabuf(int memfd, uint32_t pages)
{
	struct udmabuf_create_item *items = calloc(pages, sizeof(*items));
	int fd;

	igt_assert(items);
	for (uint32_t i = 0; i < pages; i++) {
		items[i].memfd = memfd;
		items[i].offset = scattered(i, pages) * (uint64_t)pb_page;
		items[i].size = pb_page;
	}
	fd = pb_udmabuf_list(items, pages);
	free(items);
	return fd;
}

/* Catches: pieces put together in another order than the exporter gave them. */
static void scattered_pages(const struct pb_device *dev)
{
	const uint32_t pages = 512;
	struct pb_import imp;
	struct pb_view view;
	int memfd, dmabuf;
	uint8_t *ptr;

	igt_require_f(!access("/dev/udmabuf", R_OK | W_OK), "no /dev/udmabuf\n");
	memfd = pb_memfd(pages * pb_page);
	ptr = mmap(NULL, pages * pb_page, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	igt_assert(ptr != MAP_FAILED);
	for (uint32_t i = 0; i < pages; i++)
		pb_fill(ptr + scattered(i, pages) * pb_page, i * pb_page, pb_page, 1);
	dmabuf = scattered_udmabuf(memfd, pages);
	igt_assert_fd(dmabuf);
	pb_import(&imp, dev, dmabuf);
	view = pb_view_import(&imp, dmabuf, pages * pb_page);
	pb_verify(&view, 1, "importer's mapping");
	pb_write(&view, 2);
	for (uint32_t i = 0; i < pages; i++)
		pb_check(ptr + scattered(i, pages) * pb_page, i * pb_page, pb_page, 2, "memfd");
	pb_unview(&view);
	pb_import_close(&imp);
	close(dmabuf);
	igt_assert_eq(munmap(ptr, pages * pb_page), 0);
	close(memfd);
}

/* Catches: udmabuf's one memory page twice in a buffer, which an importer takes for two. */
static void repeated_page(const struct pb_device *dev)
{
	struct udmabuf_create_item items[2];
	struct pb_import imp;
	struct pb_view view;
	int memfd, dmabuf;

	igt_require_f(!access("/dev/udmabuf", R_OK | W_OK), "no /dev/udmabuf\n");
	memfd = pb_memfd(pb_page);
	for (int i = 0; i < 2; i++)
		items[i] = (struct udmabuf_create_item){ .memfd = memfd, .size = pb_page };
	dmabuf = pb_udmabuf_list(items, 2);
	igt_assert_fd(dmabuf);
	pb_import(&imp, dev, dmabuf);
	view = pb_view_import(&imp, dmabuf, 2 * pb_page);
	pb_fill(view.ptr, 0, pb_page, 1);
	pb_check(view.ptr + pb_page, 0, pb_page, 1, "second appearance");
	pb_unview(&view);
	pb_import_close(&imp);
	close(dmabuf);
	close(memfd);
}

/* Catches: a size that is not whole pages: the rest of the page is somebody else's. */
static void dumb_one_byte(const struct pb_device *dev)
{
	const int drm = pb_open(dev);
	uint32_t handle, pitch = 0;
	uint64_t size = 0;
	uint8_t *ptr;

	igt_assert_eq(pb_dumb_create(drm, 1, 1, 8, &handle, &pitch, &size), 0);
	igt_assert_lte_u64(1, pitch);
	igt_assert_lte_u64(pb_page, size);
	igt_assert_eq_u64(size % pb_page, 0);
	ptr = pb_mmap_gem(drm, handle, size, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	igt_assert(ptr != MAP_FAILED);
	for (uint64_t i = 0; i < size; i++)
		igt_assert_eq(ptr[i], 0);
	pb_fill(ptr, 0, size, 1);
	pb_check(ptr, 0, size, 1, "whole page");
	igt_assert_eq(munmap(ptr, size), 0);
	gem_close(drm, handle);
	close(drm);
}

/* Catches: pitch or size computed in too few bits, or rounded down. */
static void dumb_odd_sizes(const struct pb_device *dev)
{
	static const struct { uint32_t width, height, bpp; } odd[] = {
		{ 1, 1, 32 }, { 3, 5, 32 }, { 1023, 1, 32 }, { 1025, 1, 32 }, { 1, 4097, 8 },
		{ 13, 17, 24 }, { 1366, 768, 32 }, { 4095, 3, 16 },
	};
	const int drm = pb_open(dev);

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		const uint32_t bytes = odd[i].width * odd[i].bpp / 8;
		uint32_t handle, pitch = 0;
		uint64_t size = 0;
		int dmabuf;

		igt_assert_eq(pb_dumb_create(drm, odd[i].width, odd[i].height, odd[i].bpp, &handle,
					     &pitch, &size), 0);
		igt_assert_lte_u64(bytes, pitch);
		igt_assert_lte_u64((uint64_t)pitch * odd[i].height, size);
		igt_assert_eq_u64(size % pb_page, 0);
		dmabuf = prime_handle_to_fd(drm, handle);
		igt_assert_eq_u64(prime_get_size(dmabuf), size);
		close(dmabuf);
		gem_close(drm, handle);
	}
	close(drm);
}

/* Catches: empty objects, which no list can describe, and sizes that wrapped around. */
static void dumb_refused(const struct pb_device *dev)
{
	static const struct { uint32_t width, height, bpp; } bad[] = {
		{ 0, 64, 32 }, { 64, 0, 32 }, { 64, 64, 0 }, { 0, 0, 0 },
		{ 65536, 65536, 32 }, { 1 << 30, 4, 32 }, { 1 << 31, 1, 32 },
		{ UINT32_MAX, UINT32_MAX, 32 }, { UINT32_MAX, 1, 32 }, { 1, UINT32_MAX, 32 },
	};
	const int drm = pb_open(dev);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint32_t handle = 0;

		igt_assert_eq(pb_dumb_create(drm, bad[i].width, bad[i].height, bad[i].bpp, &handle,
					     NULL, NULL), EINVAL);
		igt_assert_eq_u32(handle, 0);
	}
	close(drm);
}

static void assert_udmabuf_refused(int memfd, uint64_t offset, uint64_t size)
{
	errno = 0;
	igt_assert_eq(pb_udmabuf(memfd, offset, size), -1);
	igt_assert_eq(errno, EINVAL);
}

static void udmabuf_refused(void)
{
	int memfd;

	igt_require_f(!access("/dev/udmabuf", R_OK | W_OK), "no /dev/udmabuf\n");
	memfd = pb_memfd(4 * pb_page);
	assert_udmabuf_refused(memfd, 0, 0);
	assert_udmabuf_refused(memfd, 0, 1);
	assert_udmabuf_refused(memfd, 0, pb_page + 1);
	assert_udmabuf_refused(memfd, 1, pb_page);
	close(memfd);
}

static void heap_refused(void)
{
	igt_require_f(!access("/dev/dma_heap/system", R_OK | W_OK), "no /dev/dma_heap/system\n");
	errno = 0;
	igt_assert_eq(pb_heap_alloc(0, O_RDWR), -1);
	igt_assert_eq(errno, EINVAL);
}

/* Catches: a dma-buf of no pages reaching an importer: who makes them must refuse. */
static void zero_refused(void)
{
	igt_dynamic("udmabuf")
		udmabuf_refused();
	igt_dynamic("dma-heap")
		heap_refused();
}

/* Catches: an import as long as was asked for, not as the whole pages that there are. */
static void heap_odd_length(const struct pb_device *dev)
{
	struct pb_import imp;
	struct pb_view view;
	int dmabuf;

	igt_require_f(!access("/dev/dma_heap/system", R_OK | W_OK), "no /dev/dma_heap/system\n");
	dmabuf = pb_heap_alloc(pb_page + 1, O_RDWR);
	igt_assert_fd(dmabuf);
	igt_assert_eq_u64(prime_get_size(dmabuf), 2 * pb_page);
	pb_import(&imp, dev, dmabuf);
	view = pb_view_import(&imp, dmabuf, 2 * pb_page);
	pb_write(&view, 1);
	pb_verify(&view, 1, "importer's mapping");
	pb_unview(&view);
	pb_import_close(&imp);
	close(dmabuf);
}

static const struct pb_case cases[] = {
	{ "one-page", "A buffer of one page", size_one_page },
	{ "2m-less-page", "A page less than 2 MiB", size_2m_less_page },
	{ "2m", "2 MiB, a huge page", size_2m },
	{ "2m-and-page", "A page more than 2 MiB", size_2m_and_page },
	{ "64m", "64 MiB", size_64m },
};

int igt_main()
{
	igt_fixture()
		pb_setup();

	pb_run_pairs(cases, ARRAY_SIZE(cases));

	igt_describe("A buffer of single pages in no order");
	igt_subtest_with_dynamic("scattered-pages")
		pb_run_devices(scattered_pages);

	igt_describe("A buffer in which one page appears twice");
	igt_subtest_with_dynamic("repeated-page")
		pb_run_devices(repeated_page);

	igt_describe("A dumb buffer of one byte is whole pages");
	igt_subtest_with_dynamic("dumb-one-byte")
		pb_run_devices(dumb_one_byte);

	igt_describe("Dumb buffers of odd sizes");
	igt_subtest_with_dynamic("dumb-odd-sizes")
		pb_run_devices(dumb_odd_sizes);

	igt_describe("Dumb buffers that are empty or too big are refused");
	igt_subtest_with_dynamic("dumb-refused")
		pb_run_devices(dumb_refused);

	igt_describe("Exporters refuse to make a dma-buf of nothing");
	igt_subtest_with_dynamic("zero-refused")
		zero_refused();

	igt_describe("A dma-heap buffer of an odd length");
	igt_subtest_with_dynamic("heap-odd-length")
		pb_run_devices(heap_odd_length);
}
