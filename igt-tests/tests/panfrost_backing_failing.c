// SPDX-License-Identifier: MIT
/**
 * TEST: panfrost backing failing
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: buffer objects
 * Description: Each allocation in the life of a file and of a buffer fails once, and nothing is
 *              lost but the call that needed it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "panfrost_backing_lib.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Allocations that fail one after the other.");

#define PAGES 16
#define SIZE (PAGES * pb_page)

/* One buffer; what is not there yet is 0, -1 or NULL. */
struct life {
	int fd, importer, dmabuf;
	uint32_t flags, imported;
	struct pf_bo bo;
	struct pf_chain chain;
	const char *step;
};

static int do_create(struct life *l)
{
	struct drm_panfrost_create_bo args = { .size = SIZE, .flags = l->flags };
	const int err = pf_create_errno(l->fd, &args);

	if (!err)
		l->bo = (struct pf_bo){
			.fd = l->fd, .handle = args.handle, .size = SIZE, .va = args.offset,
		};
	return err;
}

static int do_map(struct life *l)
{
	struct drm_panfrost_mmap_bo args = { .handle = l->bo.handle };
	const int err = pf_ioctl(l->fd, DRM_IOCTL_PANFROST_MMAP_BO, &args);
	void *ptr;

	if (err)
		return err;
	ptr = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, l->fd, args.offset);
	if (ptr == MAP_FAILED)
		return errno;
	l->bo.cpu = ptr;
	return 0;
}

static int do_touch(struct life *l)
{
	return pb_touch_pages(l->bo.cpu, PAGES);
}

static int do_submit(struct life *l)
{
	const uint32_t handles[] = { l->chain.bo.handle, l->bo.handle };

	pf_job(&l->chain.bo, 0)->status = 0;
	return pf_submit(l->fd, l->chain.bo.va, handles, 2, 0, 0, 0);
}

static int do_export(struct life *l)
{
	return pb_export_errno(l->fd, l->bo.handle, DRM_CLOEXEC | DRM_RDWR, &l->dmabuf);
}

static int do_import(struct life *l)
{
	return pb_import_errno(l->importer, l->dmabuf, &l->imported);
}

static int do_advise(struct life *l)
{
	const int err = pf_madvise_errno(&l->bo, PANFROST_MADV_DONTNEED);

	return err ?: pf_madvise_errno(&l->bo, PANFROST_MADV_WILLNEED);
}

struct step {
	const char *name;
	int (*run)(struct life *l);
};

static const struct step buffer_steps[] = {
	{ "create", do_create },
	{ "map", do_map },
	{ "touch", do_touch },
	{ "submit", do_submit },
	{ "export", do_export },
	{ "import", do_import },
	{ "advise", do_advise },
	{ }
};

/* A heap is neither mapped nor shared, and gets its memory when the GPU asks for it. */
static const struct step heap_steps[] = {
	{ "create", do_create },
	{ "submit", do_submit },
	{ "advise", do_advise },
	{ }
};

static int go(struct life *l, const struct step *step)
{
	int err = 0;

	for (; !err && step->name; step++) {
		l->step = step->name;
		err = step->run(l);
	}
	return err;
}

static int go_buffer(void *arg)
{
	return go(arg, buffer_steps);
}

static int go_heap(void *arg)
{
	return go(arg, heap_steps);
}

static void end_life(void *arg)
{
	struct life *l = arg;

	if (l->imported)
		igt_assert_eq(pb_gem_close_errno(l->importer, l->imported), 0);
	pb_close_once(&l->dmabuf);
	pf_wait_bo(&l->chain.bo);
	if (l->bo.handle)
		pf_close(&l->bo);
	l->bo = (struct pf_bo){};
	l->imported = 0;
}

static void each_allocation(const char *name, uint32_t flags, int (*run)(void *arg))
{
	struct life l = { .fd = pf_open(), .importer = pb_open(&pb_devices[0]), .dmabuf = -1,
			  .flags = PANFROST_BO_NOEXEC | flags };
	int before;

	pf_chain_init(&l.chain, l.fd, 1);
	pf_chain_null(&l.chain);
	igt_assert_eq(run(&l), 0);
	end_life(&l);
	igt_assert_eq(pf_job(&l.chain.bo, 0)->status, PF_DONE);
	before = pf_count_bos();
	pb_fail_each(name, &l.step, run, end_life, &l);
	/* Jobs are freed a moment after they ended, and hold their buffers until then: also before. */
	for (int i = 0; i < 100 && pf_count_bos() > before; i++)
		usleep(10000);
	igt_assert_lte(pf_count_bos(), before);
	pf_check_tables();
	pf_check_usable(l.fd);
	pf_chain_close(&l.chain);
	close(l.importer);
	close(l.fd);
}

/* Catches: what stays half done when memory is short in the midst of a call. */
static void buffer(void)
{
	each_allocation("buffer", 0, go_buffer);
}

static void heap(void)
{
	each_allocation("heap", PANFROST_BO_HEAP, go_heap);
}

struct opened {
	char node[64];
	int fd;
	const char *step;
};

static int do_open(void *arg)
{
	struct opened *o = arg;

	o->fd = open(o->node, O_RDWR | O_CLOEXEC);
	return o->fd < 0 ? errno : 0;
}

static void do_close(void *arg)
{
	struct opened *o = arg;

	pb_close_once(&o->fd);
}

/* Catches: an address space, a context or an entity that an open that failed leaves. */
static void device_file(void)
{
	struct opened o = { .fd = pf_open(), .step = "open" };
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", o.fd);
	len = readlink(link, o.node, sizeof(o.node) - 1);
	igt_assert(len > 0);
	do_close(&o);
	pb_fail_each("file", &o.step, do_open, do_close, &o);
	pf_check_usable(-1);
}

static const struct pf_case cases[] = {
	{ "file", "Each allocation of opening the device fails once", device_file },
	{ "buffer", "Each allocation in the life of a buffer fails once", buffer },
	{ "heap", "Each allocation of what a user does with a heap fails once", heap },
};

int igt_main()
{
	igt_fixture() {
		pf_setup();
		pb_setup();
		pb_fail_setup();
	}

	pf_run_cases(cases, ARRAY_SIZE(cases));
}
