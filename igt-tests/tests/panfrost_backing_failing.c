// SPDX-License-Identifier: MIT
/**
 * TEST: panfrost backing failing
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: buffer objects
 * Description: Each allocation in the life of a file and of a buffer fails once, and each call of
 *              what they need, and nothing is lost but the call that needed it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "panfrost_backing_lib.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Allocations and functions that fail one after the other.");

#define PAGES 16
#define SIZE (PAGES * pb_page)

/* One buffer; what is not there yet is 0, -1 or NULL. */
struct life {
	int fd, importer, caches, dmabuf;
	uint32_t flags, imported;
	struct pb_maker maker;		/* of a buffer that is imported */
	struct pf_bo bo;
	struct pf_chain chain;
	uint8_t *via_dmabuf;
	uint64_t seed;
	const struct step *steps;
	int done;			/* steps that are behind it */
	const char *step;
};

struct step {
	const char *name;
	int (*run)(struct life *l);
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

static int do_make(struct life *l)
{
	return pb_make(&l->maker);
}

static int do_import_in(struct life *l)
{
	l->bo = (struct pf_bo){ .fd = l->fd, .size = SIZE };
	return pb_import_errno(l->fd, l->maker.dmabuf, &l->bo.handle);
}

static int do_look_up(struct life *l)
{
	struct drm_panfrost_get_bo_offset args = { .handle = l->bo.handle };
	const int err = pf_ioctl(l->fd, DRM_IOCTL_PANFROST_GET_BO_OFFSET, &args);

	l->bo.va = args.offset;
	return err;
}

static int map(uint8_t **ptr, int fd, off_t offset)
{
	void *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (p == MAP_FAILED)
		return errno;
	*ptr = p;
	return 0;
}

static int map_again(const struct life *l, uint8_t **ptr)
{
	struct drm_panfrost_mmap_bo args = { .handle = l->bo.handle };
	const int err = pf_ioctl(l->fd, DRM_IOCTL_PANFROST_MMAP_BO, &args);

	return err ?: map(ptr, l->fd, args.offset);
}

static int do_map(struct life *l)
{
	return map_again(l, &l->bo.cpu);
}

static int do_touch(struct life *l)
{
	return pb_touch_pages(l->bo.cpu, PAGES);
}

static void write_chain(struct life *l)
{
	uint32_t pages[PAGES];

	pf_chain_reset(&l->chain);
	if (l->flags & PANFROST_BO_HEAP) {
		pf_chain_null(&l->chain);
		return;
	}
	pb_permute(pages, PAGES, ++l->seed);
	pf_chain_pages(&l->chain, l->bo.va, pages, PAGES, l->seed);
}

static int do_submit(struct life *l)
{
	const uint32_t handles[] = { l->chain.bo.handle, l->bo.handle };

	write_chain(l);
	return pf_submit(l->fd, l->chain.bo.va, handles, 2, 0, 0, 0);
}

static int do_wait(struct life *l)
{
	struct drm_panfrost_wait_bo args = {
		.handle = l->chain.bo.handle, .timeout_ns = INT64_MAX,
	};

	return pf_ioctl(l->fd, DRM_IOCTL_PANFROST_WAIT_BO, &args);
}

static int do_export(struct life *l)
{
	return pb_export_errno(l->fd, l->bo.handle, DRM_CLOEXEC | DRM_RDWR, &l->dmabuf);
}

static int do_import(struct life *l)
{
	return pb_import_errno(l->importer, l->dmabuf, &l->imported);
}

static int do_map_dmabuf(struct life *l)
{
	return map(&l->via_dmabuf, l->dmabuf < 0 ? l->maker.dmabuf : l->dmabuf, 0);
}

static int do_touch_dmabuf(struct life *l)
{
	return pb_touch_pages(l->via_dmabuf, PAGES);
}

static int do_fork(struct life *l)
{
	const int err = l->bo.cpu ? pb_fork_touch(l->bo.cpu, PAGES) : 0;

	return err ?: pb_fork_touch(l->via_dmabuf, PAGES);
}

static int do_advise(struct life *l)
{
	const int err = pf_madvise_errno(&l->bo, PANFROST_MADV_DONTNEED);

	return err ?: pf_madvise_errno(&l->bo, PANFROST_MADV_WILLNEED);
}

/* The shrinkers run here, and what they need may be missing. An ended job keeps the buffer a while. */
static int do_purge(struct life *l)
{
	struct drm_panfrost_madvise args = { .handle = l->bo.handle, .madv = PANFROST_MADV_DONTNEED };
	int err;

	for (int i = 0; i < 1000; i++) {
		err = pf_ioctl(l->fd, DRM_IOCTL_PANFROST_MADVISE, &args);
		if (err || !args.retained)
			return err;
		if (pwrite(l->caches, "2", 1, 0) != 1)
			return errno;
		usleep(i ? 10000 : 0);
	}
	return ETIMEDOUT;
}

static int touch_purged(uint8_t *ptr)
{
	for (int i = 0; i < PAGES; i++) {
		if (pb_touch(ptr + i * pb_page, i % 2) != SIGBUS)
			return EFAULT;
	}
	return 0;
}

static int do_touch_purged(struct life *l)
{
	return touch_purged(l->bo.cpu);
}

/* Whether it can be mapped is for the driver to say; there is nothing to be seen. */
static int do_map_purged(struct life *l)
{
	uint8_t *ptr = NULL;
	int err = map_again(l, &ptr);

	if (err)
		return err == ENOMEM ? err : 0;
	err = touch_purged(ptr);
	pb_munmap(ptr, SIZE);
	return err;
}

static const struct step buffer_steps[] = {
	{ "create", do_create },
	{ "map", do_map },
	{ "touch", do_touch },
	{ "submit", do_submit },
	{ "wait", do_wait },
	{ "export", do_export },
	{ "import", do_import },
	{ "map the dma-buf", do_map_dmabuf },
	{ "touch the dma-buf", do_touch_dmabuf },
	{ "fork", do_fork },
	{ "advise", do_advise },
	{ }
};

/* A heap is neither mapped nor shared, and gets its memory when the GPU asks for it. */
static const struct step heap_steps[] = {
	{ "create", do_create },
	{ "submit", do_submit },
	{ "wait", do_wait },
	{ "advise", do_advise },
	{ }
};

static const struct step purge_steps[] = {
	{ "create", do_create },
	{ "map", do_map },
	{ "touch", do_touch },
	{ "submit", do_submit },
	{ "wait", do_wait },
	{ "purge", do_purge },
	{ "touch what is purged", do_touch_purged },
	{ "map what is purged", do_map_purged },
	{ }
};

static const struct step import_steps[] = {
	{ "make", do_make },
	{ "import", do_import_in },
	{ "look up the address", do_look_up },
	{ "submit", do_submit },
	{ "wait", do_wait },
	{ "map the dma-buf", do_map_dmabuf },
	{ "touch the dma-buf", do_touch_dmabuf },
	{ "fork", do_fork },
	{ }
};

/* From the step that failed before, if one did. */
static int go(void *arg)
{
	struct life *l = arg;
	int err;

	for (; l->steps[l->done].name; l->done++) {
		l->step = l->steps[l->done].name;
		err = l->steps[l->done].run(l);
		if (err)
			return err;
	}
	return 0;
}

/* The job ran, and what it wrote is there for whoever has it mapped, unless it is purged. */
static void check_life(void *arg)
{
	struct life *l = arg;
	uint32_t pages[PAGES];

	for (unsigned int i = 0; i < l->chain.count; i++)
		igt_assert_eq(pf_job(&l->chain.bo, i)->status, PF_DONE);
	pb_permute(pages, PAGES, l->seed);
	if (l->bo.cpu && l->steps != purge_steps)
		pf_check_pages(l->bo.cpu, pages, PAGES, l->seed, "own mapping");
	if (l->via_dmabuf)
		pf_check_pages(l->via_dmabuf, pages, PAGES, l->seed, "dma-buf's mapping");
}

static void unmap(uint8_t **ptr)
{
	if (*ptr)
		pb_munmap(*ptr, SIZE);
	*ptr = NULL;
}

static void end_life(void *arg)
{
	struct life *l = arg;

	unmap(&l->via_dmabuf);
	unmap(&l->bo.cpu);
	if (l->imported)
		igt_assert_eq(pb_gem_close_errno(l->importer, l->imported), 0);
	l->imported = 0;
	pb_close_once(&l->dmabuf);
	if (l->bo.handle)
		igt_assert_eq(pb_gem_close_errno(l->fd, l->bo.handle), 0);
	l->bo = (struct pf_bo){};
	if (l->maker.exp)
		pb_unmake(&l->maker);
	l->done = 0;
}

static void life_works(struct life *l)
{
	igt_assert_f(!go(l), "%s fails though nothing makes it\n", l->step);
	check_life(l);
	end_life(l);
}

struct count {
	int bos, dmabufs;
};

static struct count count_all(void)
{
	return (struct count){ .bos = pf_count_bos(), .dmabufs = pb_count_dmabufs() };
}

/* What is imported goes a moment later. */
static void wait_for(const struct count *before)
{
	pf_wait_for_bos(before->bos);
	pb_wait_for_dmabufs(before->dmabufs);
}

/*
 * The caller has set what is special about this life. What fails is each allocation, or each call
 * of the function: returns how many calls.
 */
static unsigned int each_failure(const char *name, struct life *l, const struct pb_function *function)
{
	const struct pb_sweep sweep = {
		.name = name, .step = &l->step, .run = go, .check = check_life, .undo = end_life,
		.arg = l,
	};
	const struct count others = count_all();
	unsigned int calls = 0;
	struct count before;

	l->fd = pf_open();
	l->importer = pb_open(&pb_devices[0]);
	l->caches = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	l->dmabuf = -1;
	l->flags |= PANFROST_BO_NOEXEC;
	pf_chain_init(&l->chain, l->fd, PAGES);
	before = count_all();
	life_works(l);
	wait_for(&before);
	if (function)
		calls = pb_fail_each_call(&sweep, function);
	else
		pb_fail_each(&sweep);
	wait_for(&before);
	pf_check_tables();
	life_works(l);
	pf_check_usable(l->fd);
	pf_chain_close(&l->chain);
	pb_close_once(&l->caches);
	pb_close_once(&l->importer);
	pb_close_once(&l->fd);
	wait_for(&others);
	return calls;
}

static unsigned int fail_buffer(const struct pb_function *function)
{
	struct life l = { .steps = buffer_steps };

	return each_failure("buffer", &l, function);
}

static unsigned int fail_heap(const struct pb_function *function)
{
	struct life l = { .steps = heap_steps, .flags = PANFROST_BO_HEAP };

	return each_failure("heap", &l, function);
}

static unsigned int fail_purged(const struct pb_function *function)
{
	struct life l = { .steps = purge_steps };

	igt_require_f(!access("/proc/sys/vm/drop_caches", W_OK), "cannot run the shrinkers\n");
	return each_failure("purged", &l, function);
}

static unsigned int fail_imported(const struct pb_function *function)
{
	unsigned int calls = 0;

	for (int i = 0; i < pb_n_exporters; i++) {
		struct life l = { .steps = import_steps };

		if (pb_exporters[i].missing)
			continue;
		pb_maker_open(&l.maker, &pb_exporters[i], SIZE);
		calls += each_failure(pb_exporters[i].name, &l, function);
		pb_maker_close(&l.maker);
	}
	return calls;
}

/* Catches: what stays half done when memory is short in the midst of a call. */
static void buffer(void)
{
	fail_buffer(NULL);
}

static void heap(void)
{
	fail_heap(NULL);
}

/* Catches: a purge that stops half-way, or a fault that gives a purged buffer memory again. */
static void purged(void)
{
	fail_purged(NULL);
}

/* Catches: an import that stops half-way: an attachment, a mapping or an address is left. */
static void imported(void)
{
	fail_imported(NULL);
}

#define FAILS(function, value, ...) { .name = #function, .result = value, .errnos = { __VA_ARGS__ } }
#define MAPPING_ERROR (-1)

/* What fails in the life of a buffer, and what a call may say then. */
static const struct pb_function functions[] = {
	FAILS(shmem_file_setup, -ENFILE, ENFILE),
	FAILS(shmem_read_folio_gfp, -ENOMEM, ENOMEM),
	FAILS(drm_gem_handle_create, -ENOMEM, ENOMEM),
	FAILS(drm_gem_create_mmap_offset, -ENOSPC, ENOSPC),
	FAILS(drm_vma_node_allow, -ENOMEM, ENOMEM),
	FAILS(drm_mm_insert_node_in_range, -ENOSPC, ENOSPC),
	FAILS(dma_map_phys, MAPPING_ERROR, EIO, ENOMEM),
	FAILS(dma_runs_map, -EIO, EIO),
	FAILS(dma_runs_map_for, -EIO, EIO),
	FAILS(__dma_runs_add, -ENOMEM, ENOMEM),
	FAILS(dma_runs_add_ranges, -ENOMEM, ENOMEM),
	FAILS(vm_insert_pfns, -ENOMEM, ENOMEM),
	FAILS(dma_resv_reserve_fences, -ENOMEM, ENOMEM),
	FAILS(drm_sched_job_init, -ENOMEM, ENOMEM),
	FAILS(dma_buf_export, -ENOMEM, ENOMEM),
	FAILS(dma_buf_attach, -EBUSY, EBUSY),
	FAILS(dma_buf_map_runs, -EBUSY, EBUSY),
};

/* Catches: the same where what fails is no allocation. */
static void run_function(const struct pb_function *function)
{
	unsigned int calls;

	pb_choose_function(function);
	pf_begin();
	calls = fail_buffer(function) + fail_heap(function) + fail_purged(function) +
		fail_imported(function);
	pf_finish();
	igt_assert_f(calls, "nobody calls %s()\n", function->name);
}

static void run_functions(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		igt_dynamic(functions[i].name)
			run_function(&functions[i]);
	}
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
	const struct pb_sweep sweep = {
		.name = "file", .step = &o.step, .run = do_open, .undo = do_close, .arg = &o,
	};
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", o.fd);
	len = readlink(link, o.node, sizeof(o.node) - 1);
	igt_assert(len > 0);
	do_close(&o);
	pb_fail_each(&sweep);
	pf_check_usable(-1);
}

static const struct pf_case cases[] = {
	{ "file", "Each allocation of opening the device fails once", device_file },
	{ "buffer", "Each allocation in the life of a buffer fails once", buffer },
	{ "heap", "Each allocation of what a user does with a heap fails once", heap },
	{ "purged", "Each allocation up to a purge, and behind it, fails once", purged },
	{ "imported", "Each allocation in the life of an import, of every exporter, fails once", imported },
};

int igt_main()
{
	igt_fixture() {
		pf_setup();
		pb_setup();
		pb_fail_setup();
	}

	pf_run_cases(cases, ARRAY_SIZE(cases));

	igt_fixture()
		pb_function_setup();

	igt_describe("Each call of a function that they need fails once");
	igt_subtest_with_dynamic("functions")
		run_functions();
}
