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
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Allocations that fail one after the other while a buffer is shared.");

#define PAGES 24
#define SIZE (PAGES * pb_page)

/* One buffer on its way; what is not there yet is -1, 0 or NULL. */
struct way {
	const struct pb_exporter *exp;
	int exp_drm, imp_drm, node, memfd;
	uint32_t handle, imported;
	int dmabuf;
	uint8_t *via_dmabuf, *via_import;
	const char *step;
};

/* Devices are open and a memfd is filled before anything fails. */
static void way_open(struct way *w, const struct pb_pair *pair)
{
	static const char *const nodes[] = {
		[PB_UDMABUF] = "/dev/udmabuf", [PB_HEAP] = "/dev/dma_heap/system",
	};

	*w = (struct way){ .exp = pair->exp, .exp_drm = -1, .node = -1, .memfd = -1, .dmabuf = -1 };
	w->imp_drm = pb_open(pair->imp);
	if (pair->exp->kind == PB_GEM)
		w->exp_drm = pb_open(pair->exp->dev);
	else
		w->node = open(nodes[pair->exp->kind], O_RDWR | O_CLOEXEC);
	if (pair->exp->kind == PB_UDMABUF)
		w->memfd = pb_memfd(SIZE);
}

static void way_close(struct way *w)
{
	pb_close_once(&w->exp_drm);
	pb_close_once(&w->imp_drm);
	pb_close_once(&w->node);
	pb_close_once(&w->memfd);
}

static int make_gem(struct way *w)
{
	int err = pb_dumb_create(w->exp_drm, pb_page / 4, PAGES, 32, &w->handle, NULL, NULL);

	if (err)
		return err;
	return pb_export_errno(w->exp_drm, w->handle, DRM_CLOEXEC | DRM_RDWR, &w->dmabuf);
}

static int make_udmabuf(struct way *w)
{
	struct udmabuf_create args = {
		.memfd = w->memfd, .flags = UDMABUF_FLAGS_CLOEXEC, .size = SIZE,
	};

	w->dmabuf = ioctl(w->node, UDMABUF_CREATE, &args);
	return w->dmabuf < 0 ? errno : 0;
}

static int make_heap(struct way *w)
{
	struct dma_heap_allocation_data args = { .len = SIZE, .fd_flags = O_RDWR | O_CLOEXEC };

	if (ioctl(w->node, DMA_HEAP_IOCTL_ALLOC, &args))
		return errno;
	w->dmabuf = args.fd;
	return 0;
}

static int do_make(struct way *w)
{
	switch (w->exp->kind) {
	case PB_UDMABUF:
		return make_udmabuf(w);
	case PB_HEAP:
		return make_heap(w);
	default:
		return make_gem(w);
	}
}

static int do_import(struct way *w)
{
	return pb_import_errno(w->imp_drm, w->dmabuf, &w->imported);
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
	return map(&w->via_dmabuf, w->dmabuf, 0);
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

	return ioctl(w->dmabuf, DMA_BUF_IOCTL_SYNC, &args) ? errno : 0;
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

static int do_fork(struct way *w)
{
	const pid_t child = fork();
	int status;

	if (child < 0)
		return errno == EAGAIN ? ENOMEM : errno;
	if (!child)
		_exit(touch_all(w->via_dmabuf));
	igt_assert_eq(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EFAULT;
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
	{ "fork", do_fork },
	{ "end CPU access", do_end },
};

static int way_go(struct way *w)
{
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(steps); i++) {
		w->step = steps[i].name;
		err = steps[i].run(w);
	}
	return err;
}

static void unmap(uint8_t **ptr)
{
	if (*ptr)
		igt_assert_eq(munmap(*ptr, SIZE), 0);
	*ptr = NULL;
}

/* The same buffer comes back as the same handle, to whoever has it open already. */
static void way_back(struct way *w)
{
	unmap(&w->via_dmabuf);
	unmap(&w->via_import);
	if (w->imported)
		igt_assert_eq(pb_gem_close_errno(w->imp_drm, w->imported), 0);
	if (w->handle)
		igt_assert_eq(pb_gem_close_errno(w->exp_drm, w->handle), 0);
	w->imported = 0;
	w->handle = 0;
	pb_close_once(&w->dmabuf);
}

/* What failed before has left nothing behind: the bytes are where they belong. */
static void way_works(struct way *w)
{
	struct pb_view by_dmabuf, by_import;

	igt_assert_f(!way_go(w), "%s fails though nothing makes it\n", w->step);
	by_dmabuf = (struct pb_view){ .ptr = w->via_dmabuf, .len = SIZE, .sync = w->dmabuf };
	by_import = (struct pb_view){ .ptr = w->via_import, .len = SIZE, .sync = w->dmabuf };
	pb_write(&by_dmabuf, 5);
	if (w->via_import)
		pb_verify(&by_import, 5, "import");
	way_back(w);
}

static int try_way(void *arg)
{
	return way_go(arg);
}

static void end_way(void *arg)
{
	way_back(arg);
}

/*
 * Catches: half of something left after an error, a wrong errno, what is undone twice. Memory that
 * is lost is for the kernel's own checkers to find.
 */
static void each_allocation(const struct pb_pair *pair)
{
	struct way w;

	way_open(&w, pair);
	way_works(&w);
	pb_fail_each(pair->name, &w.step, try_way, end_way, &w);
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
		igt_assert_eq(w.dmabuf, -1);
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
