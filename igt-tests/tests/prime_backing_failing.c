// SPDX-License-Identifier: MIT
/**
 * TEST: prime backing failing
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME
 * Description: Each allocation on the way of a shared buffer fails once, or there is no descriptor
 *              for it, and nothing is lost but the call that needed it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Allocations that fail one after the other while a buffer is shared.");

#define PAGES 24
#define SIZE (PAGES * pb_page)

/* One buffer on its way; what is not there yet is -1, 0 or NULL. */
struct way {
	struct pb_maker maker;
	int imp_drm;
	uint32_t imported;
	uint8_t *via_dmabuf, *via_import;
	uint64_t seed;
	size_t done;			/* steps that are behind it */
	const char *step;
};

/* Devices are open and a memfd is filled before anything fails. */
static void way_open(struct way *w, const struct pb_pair *pair)
{
	*w = (struct way){ .imp_drm = pb_open(pair->imp) };
	pb_maker_open(&w->maker, pair->exp, SIZE);
}

static void way_close(struct way *w)
{
	pb_maker_close(&w->maker);
	pb_close_once(&w->imp_drm);
}

static int do_make(struct way *w)
{
	return pb_make(&w->maker);
}

static int do_import(struct way *w)
{
	return pb_import_errno(w->imp_drm, w->maker.dmabuf, &w->imported);
}

static int map(uint8_t **ptr, int fd, off_t offset)
{
	void *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (p == MAP_FAILED)
		return errno;
	*ptr = p;
	return 0;
}

static int do_map_dmabuf(struct way *w)
{
	return map(&w->via_dmabuf, w->maker.dmabuf, 0);
}

/* Some importers leave mapping to the exporter. */
static int do_map_import(struct way *w)
{
	const int64_t offset = pb_map_offset(w->imp_drm, w->imported);

	if (offset == -EINVAL)
		return 0;
	return offset < 0 ? -offset : map(&w->via_import, w->imp_drm, offset);
}

static int sync_dmabuf(struct way *w, uint64_t flags)
{
	struct dma_buf_sync args = { .flags = flags | DMA_BUF_SYNC_RW };

	return ioctl(w->maker.dmabuf, DMA_BUF_IOCTL_SYNC, &args) ? errno : 0;
}

static int do_begin(struct way *w)
{
	return sync_dmabuf(w, DMA_BUF_SYNC_START);
}

static int do_end(struct way *w)
{
	return sync_dmabuf(w, DMA_BUF_SYNC_END);
}

/* Not every importer is mapped. */
static int touch_all(uint8_t *ptr)
{
	return ptr ? pb_touch_pages(ptr, PAGES) : 0;
}

static int do_touch(struct way *w)
{
	const int err = touch_all(w->via_dmabuf);

	return err ?: touch_all(w->via_import);
}

/* All pages are there. What is written now has to be there at the end. */
static int do_write(struct way *w)
{
	pb_fill(w->via_dmabuf, 0, SIZE, ++w->seed);
	return 0;
}

static int do_fork(struct way *w)
{
	return pb_fork_touch(w->via_dmabuf, PAGES);
}

static const struct {
	const char *name;
	int (*run)(struct way *w);
} steps[] = {
	{ "make", do_make },
	{ "import", do_import },
	{ "map the dma-buf", do_map_dmabuf },
	{ "map the import", do_map_import },
	{ "begin CPU access", do_begin },
	{ "touch", do_touch },
	{ "write", do_write },
	{ "fork", do_fork },
	{ "end CPU access", do_end },
};

/* From the step that failed before, if one did. */
static int way_go(void *arg)
{
	struct way *w = arg;
	int err = 0;

	while (w->done < ARRAY_SIZE(steps)) {
		w->step = steps[w->done].name;
		err = steps[w->done].run(w);
		if (err)
			break;
		w->done++;
	}
	return err;
}

static void unmap(uint8_t **ptr)
{
	if (*ptr)
		pb_munmap(*ptr, SIZE);
	*ptr = NULL;
}

/* The same buffer comes back as the same handle, to whoever has it open already. */
static void way_back(void *arg)
{
	struct way *w = arg;

	unmap(&w->via_dmabuf);
	unmap(&w->via_import);
	if (w->imported)
		igt_assert_eq(pb_gem_close_errno(w->imp_drm, w->imported), 0);
	w->imported = 0;
	pb_unmake(&w->maker);
	w->done = 0;
}

/* The bytes are where they belong, and go where they are written to. */
static void way_check(void *arg)
{
	struct way *w = arg;
	const int sync = w->maker.dmabuf;
	struct pb_view by_dmabuf = { .ptr = w->via_dmabuf, .len = SIZE, .sync = sync };
	struct pb_view by_import = { .ptr = w->via_import, .len = SIZE, .sync = sync };

	pb_verify(&by_dmabuf, w->seed, "dma-buf");
	if (!w->via_import)
		return;
	pb_verify(&by_import, w->seed, "import");
	pb_write(&by_import, ++w->seed);
	pb_verify(&by_dmabuf, w->seed, "what the import wrote");
}

/* What failed before has left nothing behind. */
static void way_works(struct way *w)
{
	igt_assert_f(!way_go(w), "%s fails though nothing makes it\n", w->step);
	way_check(w);
	way_back(w);
}

/*
 * Catches: half of something left after an error, or that the same object is of no use afterwards; a
 * wrong errno, what is undone twice or not at all when there is no memory to undo it.
 */
static void each_allocation(const struct pb_pair *pair)
{
	struct way w;
	const struct pb_sweep sweep = {
		.name = pair->name, .step = &w.step, .run = way_go, .check = way_check,
		.undo = way_back, .arg = &w,
	};

	way_open(&w, pair);
	way_works(&w);
	pb_fail_each(&sweep);
	way_works(&w);
	way_close(&w);
}

static int make_without_descriptor(struct way *w)
{
	int err;

	pb_no_descriptor();
	err = do_make(w);
	pb_any_descriptor();
	return err;
}

/* An import needs none; giving it out again does. */
static void import_without_descriptor(struct way *w)
{
	int imported, exported, fd = -1;

	pb_no_descriptor();
	imported = do_import(w);
	exported = imported ?: pb_export_errno(w->imp_drm, w->imported, DRM_CLOEXEC | DRM_RDWR, &fd);
	pb_any_descriptor();
	igt_assert_eq(imported, 0);
	igt_assert_eq(exported, EMFILE);
	igt_assert_eq(fd, -1);
}

/* Catches: a buffer, or a reference to one, that is left where no descriptor was for it. */
static void no_descriptor(const struct pb_pair *pair)
{
	struct way w;
	int before;

	way_open(&w, pair);
	way_works(&w);
	before = pb_count_dmabufs();
	for (int i = 0; i < 3; i++) {
		igt_assert_eq(make_without_descriptor(&w), EMFILE);
		igt_assert_eq(w.maker.dmabuf, -1);
		way_back(&w);
		igt_assert_eq(pb_count_dmabufs(), before);
	}
	igt_assert_eq(do_make(&w), 0);
	import_without_descriptor(&w);
	way_back(&w);
	igt_assert_eq(pb_count_dmabufs(), before);
	way_works(&w);
	way_close(&w);
}

static const struct pb_case descriptor_cases[] = {
	{ "no-descriptor", "There is no descriptor left to give out", no_descriptor },
};

static const struct pb_case cases[] = {
	{ "each-allocation", "Each allocation fails once, from creation to the last unmap",
	  each_allocation },
};

int igt_main()
{
	igt_fixture()
		pb_setup();

	pb_run_pairs(descriptor_cases, ARRAY_SIZE(descriptor_cases));

	igt_fixture()
		pb_fail_setup();

	pb_run_pairs(cases, ARRAY_SIZE(cases));
}
