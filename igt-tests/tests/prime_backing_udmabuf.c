// SPDX-License-Identifier: MIT
/**
 * TEST: prime backing udmabuf
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME, udmabuf
 * Description: Buffers made of ranges of several memory files, in any order, overlapping, and of
 *              huge pages: an importer sees each page where the list says, and none stays pinned.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Buffers that udmabuf makes of odd lists.");

#define PAGES 16

/* A memory file; each page of it tells file and page. */
struct file {
	int fd;
	uint8_t *ptr;
	uint64_t seed;
};

/* A range of one of the files, in units of a page. */
struct range {
	uint32_t file, first, count;
};

static void require_udmabuf(void)
{
	igt_require_f(!access("/dev/udmabuf", R_OK | W_OK), "no /dev/udmabuf\n");
}

static void map_file(struct file *file, uint64_t size)
{
	file->ptr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
	igt_assert(file->ptr != MAP_FAILED);
	pb_fill(file->ptr, 0, size, file->seed);
}

static void open_file(struct file *file, uint64_t seed)
{
	file->fd = pb_memfd(PAGES * pb_page);
	file->seed = seed;
	map_file(file, PAGES * pb_page);
}

/* That writing can be sealed off is what the kernel says when no page is pinned any more. */
static void close_file(struct file *file, uint64_t size)
{
	igt_assert_eq(munmap(file->ptr, size), 0);
	igt_assert_eq(fcntl(file->fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	igt_assert_eq(close(file->fd), 0);
}

static int make(const struct file *files, const struct range *ranges, uint32_t count)
{
	struct udmabuf_create_item items[32];
	int fd;

	igt_assert_lte(count, ARRAY_SIZE(items));
	memset(items, 0, sizeof(items));
	for (uint32_t i = 0; i < count; i++) {
		items[i].memfd = files[ranges[i].file].fd;
		items[i].offset = ranges[i].first * (uint64_t)pb_page;
		items[i].size = ranges[i].count * (uint64_t)pb_page;
	}
	fd = pb_udmabuf_list(items, count);
	igt_assert_f(fd >= 0, "no buffer of %u ranges: %m\n", count);
	return fd;
}

static uint32_t total(const struct range *ranges, uint32_t count)
{
	uint32_t pages = 0;

	for (uint32_t i = 0; i < count; i++)
		pages += ranges[i].count;
	return pages;
}

/* Each range of the buffer is that range of that file, and has its words. */
static void check_ranges(const struct file *files, const struct range *ranges, uint32_t count,
			 const uint8_t *ptr, const char *what)
{
	for (uint32_t i = 0; i < count; i++) {
		const uint64_t len = ranges[i].count * pb_page;

		pb_check(ptr, ranges[i].first * pb_page, len, files[ranges[i].file].seed, what);
		ptr += len;
	}
}

/* Writes what another file would hold there, and sees it in the file and nowhere else. */
static void write_ranges(const struct file *files, const struct range *ranges, uint32_t count,
			 uint8_t *ptr)
{
	uint8_t *at = ptr;

	for (uint32_t i = 0; i < count; i++) {
		pb_fill(at, ranges[i].first * pb_page, ranges[i].count * pb_page,
			files[ranges[i].file].seed + 100);
		at += ranges[i].count * pb_page;
	}
	for (uint32_t i = 0; i < count; i++) {
		const uint64_t pos = ranges[i].first * pb_page;

		pb_check(files[ranges[i].file].ptr + pos, pos, ranges[i].count * pb_page,
			 files[ranges[i].file].seed + 100, "memory file");
	}
}

/* What no range names is as it was. */
static void check_rest(const struct file *files, uint32_t num, uint32_t pages,
		       const struct range *ranges, uint32_t count)
{
	for (uint32_t i = 0; i < num * pages; i++) {
		const uint32_t file = i / pages, page = i % pages;
		bool named = false;

		for (uint32_t r = 0; r < count; r++)
			named |= ranges[r].file == file && page - ranges[r].first < ranges[r].count;
		if (!named)
			pb_check(files[file].ptr + page * pb_page, page * pb_page, pb_page,
				 files[file].seed, "page outside of the buffer");
	}
}

static void shared_ranges(const struct pb_device *dev, struct file *files, uint32_t num,
			  uint32_t pages, const struct range *ranges, uint32_t count)
{
	const int dmabuf = make(files, ranges, count);
	const uint64_t size = total(ranges, count) * (uint64_t)pb_page;
	struct pb_view by_import, by_dmabuf;
	struct pb_import imp;

	igt_assert_eq_u64(prime_get_size(dmabuf), size);
	pb_import(&imp, dev, dmabuf);
	by_import = pb_view_import(&imp, dmabuf, size);
	by_dmabuf = pb_view_dmabuf(dmabuf, size);
	prime_sync_start(dmabuf, true);
	check_ranges(files, ranges, count, by_import.ptr, "importer's mapping");
	check_ranges(files, ranges, count, by_dmabuf.ptr, "dma-buf's mapping");
	write_ranges(files, ranges, count, by_import.ptr);
	prime_sync_end(dmabuf, true);
	check_rest(files, num, pages, ranges, count);
	pb_unview(&by_import);
	pb_unview(&by_dmabuf);
	pb_import_close(&imp);
	close(dmabuf);
}

static void small_ranges(const struct pb_device *dev, const struct range *ranges, uint32_t count)
{
	struct file files[2];

	require_udmabuf();
	open_file(&files[0], 1);
	open_file(&files[1], 2);
	shared_ranges(dev, files, 2, PAGES, ranges, count);
	close_file(&files[0], PAGES * pb_page);
	close_file(&files[1], PAGES * pb_page);
}

/* Catches: a range that begins, ends or lies where another one of the list does. */
static void ranges(const struct pb_device *dev)
{
	static const struct range list[] = {
		{ 0, 5, 3 }, { 1, 0, 1 }, { 0, 0, 2 }, { 1, 9, 7 }, { 0, 13, 3 }, { 1, 3, 2 },
	};

	small_ranges(dev, list, ARRAY_SIZE(list));
}

/* Catches: ranges that follow each other put together wrongly, or one page too long or short. */
static void adjoining(const struct pb_device *dev)
{
	static const struct range list[] = {
		{ 0, 4, 1 }, { 0, 5, 2 }, { 0, 7, 1 }, { 0, 3, 1 }, { 1, 4, 3 }, { 1, 7, 1 },
	};

	small_ranges(dev, list, ARRAY_SIZE(list));
}

/* Catches: a page that is there several times unpinned once, or taken for as many pages. */
static void overlapping(const struct pb_device *dev)
{
	static const struct range list[] = {
		{ 0, 0, 4 }, { 0, 2, 4 }, { 0, 3, 1 }, { 1, 8, 2 }, { 0, 0, 2 }, { 0, 1, 4 }, { 1, 9, 1 },
	};

	small_ranges(dev, list, ARRAY_SIZE(list));
}

/* Catches: pages that the system takes back, or that are sealed, while a buffer has them. */
static void pinned(const struct pb_device *dev)
{
	static const struct range list[] = { { 0, 3, 2 }, { 0, 4, 1 } };
	struct pb_import imp;
	struct file file;
	int dmabuf;

	require_udmabuf();
	open_file(&file, 1);
	dmabuf = make(&file, list, ARRAY_SIZE(list));
	pb_import(&imp, dev, dmabuf);
	close(dmabuf);
	igt_assert_eq(munmap(file.ptr, PAGES * pb_page), 0);
	errno = 0;
	igt_assert_eq(fcntl(file.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	igt_assert_eq(errno, EBUSY);
	pb_import_close(&imp);
	igt_assert_eq(fcntl(file.fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	close(file.fd);
}

static void assert_refused(const struct udmabuf_create_item *items, uint32_t count, int err)
{
	const int before = pb_next_fd();

	errno = 0;
	igt_assert_eq(pb_udmabuf_list(items, count), -1);
	igt_assert_eq(errno, err);
	igt_assert_eq(pb_next_fd(), before);
}

/* The middle of a list is bad: what was pinned for its start is let go. */
static void refuse_middle(int good, const struct udmabuf_create_item *bad, int err)
{
	const struct udmabuf_create_item items[] = {
		{ .memfd = good, .size = 2 * pb_page }, *bad, { .memfd = good, .size = pb_page },
	};

	assert_refused(items, ARRAY_SIZE(items), err);
}

static void refuse_ranges(int good)
{
	const uint64_t page = pb_page, size = PAGES * page;
	const struct udmabuf_create_item bad[] = {
		{ .memfd = good, .offset = 1, .size = page },
		{ .memfd = good, .size = page + 1 },
		{ .memfd = good, .size = 0 },
		{ .memfd = good, .offset = size, .size = page },
		{ .memfd = good, .offset = size - page, .size = 2 * page },
		{ .memfd = good, .offset = -page, .size = page },
		{ .memfd = good, .size = -page },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refuse_middle(good, &bad[i], EINVAL);
}

static void refuse_files(int good)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int unsealed = memfd_create("prime_backing", MFD_CLOEXEC), sealed = pb_memfd(pb_page);
	const struct { int fd, err; } bad[] = {
		{ -1, EBADFD }, { 1 << 20, EBADFD }, { null, EBADFD }, { unsealed, EINVAL }, { sealed, EINVAL },
	};

	igt_assert_fd(null);
	igt_assert_fd(unsealed);
	igt_assert_eq(ftruncate(unsealed, pb_page), 0);
	igt_assert_eq(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct udmabuf_create_item item = { .memfd = bad[i].fd, .size = pb_page };

		refuse_middle(good, &item, bad[i].err);
	}
	close(null);
	close(unsealed);
	close(sealed);
}

static void refuse_counts(int good)
{
	enum { FAR_TOO_MANY = 1 << 16 };
	struct udmabuf_create_item *items = calloc(FAR_TOO_MANY, sizeof(*items));

	igt_assert(items);
	for (int i = 0; i < FAR_TOO_MANY; i++)
		items[i] = (struct udmabuf_create_item){ .memfd = good, .size = pb_page };
	assert_refused(items, 0, EINVAL);
	assert_refused(items, FAR_TOO_MANY, EINVAL);
	free(items);
}

/* Catches: what was pinned for the start of a list, and stays when the rest is refused. */
static void list_refused(void)
{
	struct file good;

	require_udmabuf();
	open_file(&good, 1);
	refuse_ranges(good.fd);
	refuse_files(good.fd);
	refuse_counts(good.fd);
	pb_check(good.ptr, 0, PAGES * pb_page, 1, "memory file");
	close_file(&good, PAGES * pb_page);
}

#define MANY 1300

/* Catches: entries of another page table than that of the first touch that are missing or shifted. */
static void first_touch(void)
{
	static const struct range list[] = { { 0, 700, 600 }, { 0, 0, 700 } };
	struct file file = { .seed = 1 };
	struct pb_view view;
	int dmabuf;

	require_udmabuf();
	file.fd = pb_memfd(MANY * pb_page);
	map_file(&file, MANY * pb_page);
	dmabuf = make(&file, list, ARRAY_SIZE(list));
	view = pb_view_dmabuf(dmabuf, MANY * pb_page);
	prime_sync_start(dmabuf, true);
	*(volatile uint8_t *)(view.ptr + 1000 * pb_page) = file.ptr[400 * pb_page];
	check_ranges(&file, list, ARRAY_SIZE(list), view.ptr, "mapping");
	write_ranges(&file, list, ARRAY_SIZE(list), view.ptr);
	prime_sync_end(dmabuf, true);
	pb_unview(&view);
	close(dmabuf);
	close_file(&file, MANY * pb_page);
}

#define HUGE_PAGES 3

static int huge_memfd(uint64_t size)
{
	const int fd = memfd_create("prime_backing", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);

	igt_require_f(fd >= 0, "no memory files of huge pages: %s\n", strerror(errno));
	igt_assert_eq(ftruncate(fd, size), 0);
	igt_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	return fd;
}

/* The system's number of huge pages, before it is made so many more. */
static int reserve_huge(int wanted)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "r+");
	int before;

	igt_require_f(f, "no huge pages in this kernel\n");
	igt_assert_eq(fscanf(f, "%d", &before), 1);
	rewind(f);
	fprintf(f, "%d", before + wanted);
	fclose(f);
	igt_require_f(pb_meminfo("HugePages_Free:") >= wanted, "no memory for huge pages\n");
	return before;
}

static void unreserve_huge(int before)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "w");

	igt_assert(f);
	fprintf(f, "%d", before);
	fclose(f);
}

static void check_zero(const uint8_t *ptr, uint64_t size)
{
	for (uint64_t i = 0; i < size; i++)
		igt_assert_f(!ptr[i], "byte %#llx of new memory is %#x\n", (long long)i, ptr[i]);
}

/* What a buffer makes the file allocate, out of what was written and freed just before. */
static void huge_is_zero(const struct pb_device *dev, uint64_t size)
{
	const struct range all = { 0, 0, size / pb_page };
	struct file file = { .fd = huge_memfd(size), .seed = 1 };
	struct pb_import imp;
	struct pb_view view;
	int dmabuf;

	map_file(&file, size);
	igt_assert_eq(munmap(file.ptr, size), 0);
	close(file.fd);
	file.fd = huge_memfd(size);
	dmabuf = make(&file, &all, 1);
	pb_import(&imp, dev, dmabuf);
	view = pb_view_import(&imp, dmabuf, size);
	prime_sync_start(dmabuf, false);
	check_zero(view.ptr, size);
	prime_sync_end(dmabuf, false);
	pb_unview(&view);
	pb_import_close(&imp);
	close(dmabuf);
	close(file.fd);
}

static void huge_ranges(const struct pb_device *dev, uint32_t each)
{
	const struct range list[] = {
		{ 0, each - 2, 4 }, { 0, 2 * each, each }, { 0, 5, 1 }, { 0, each - 1, 1 },
		{ 0, 0, each + each / 2 }, { 0, 2 * each + 7, 3 },
	};
	struct file file = { .fd = huge_memfd((uint64_t)HUGE_PAGES * each * pb_page), .seed = 3 };

	map_file(&file, (uint64_t)HUGE_PAGES * each * pb_page);
	shared_ranges(dev, &file, 1, HUGE_PAGES * each, list, ARRAY_SIZE(list));
	igt_assert_eq(munmap(file.ptr, (uint64_t)HUGE_PAGES * each * pb_page), 0);
	close(file.fd);
}

/* Catches: a part of a huge page taken for all of it, its start or its end; pins that stay. */
static void hugetlb(const struct pb_device *dev)
{
	const long each = 1024 * pb_meminfo("Hugepagesize:");
	int before;
	long unused;

	require_udmabuf();
	igt_require_f(each > 0, "no huge pages in this kernel\n");
	before = reserve_huge(HUGE_PAGES);
	unused = pb_meminfo("HugePages_Free:");
	huge_is_zero(dev, HUGE_PAGES * each);
	huge_ranges(dev, each / pb_page);
	igt_assert_eq(pb_meminfo("HugePages_Free:"), unused);
	unreserve_huge(before);
}

int igt_main()
{
	igt_fixture()
		pb_setup();

	igt_describe("Ranges of two memory files in no order");
	igt_subtest_with_dynamic("ranges")
		pb_run_devices(ranges);

	igt_describe("Ranges that follow each other in the file");
	igt_subtest_with_dynamic("adjoining")
		pb_run_devices(adjoining);

	igt_describe("Ranges that have pages in common");
	igt_subtest_with_dynamic("overlapping")
		pb_run_devices(overlapping);

	igt_describe("Pages of a buffer are pinned as long as it lives");
	igt_subtest_with_dynamic("pinned")
		pb_run_devices(pinned);

	igt_describe("A mapping of several page tables, touched in the midst first");
	igt_subtest("first-touch")
		first_touch();

	igt_describe("Lists with a bad entry are refused whole");
	igt_subtest("list-refused")
		list_refused();

	igt_describe("Huge pages, whole and in parts");
	igt_subtest_with_dynamic("hugetlb")
		pb_run_devices(hugetlb);
}
