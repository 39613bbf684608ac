// SPDX-License-Identifier: MIT
/**
 * TEST: panfrost backing bad input
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: robustness
 * Description: What user space should not ask for gets an errno, or a job that is killed; the
 *              device works afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "panfrost_backing_lib.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Bad handles, flags, sizes, addresses and job descriptors.");

#define BAD_HANDLE 4711

static int call(int fd, unsigned long request, void *args)
{
	return pf_ioctl(fd, request, args);
}

/* Catches: a handle that is used before, or without, being looked up. */
static void bad_handles(void)
{
	const uint32_t handles[] = { 0, BAD_HANDLE, ~0u };
	const int fd = pf_open();

	for (size_t i = 0; i < ARRAY_SIZE(handles); i++) {
		const uint32_t h = handles[i];
		struct drm_panfrost_bo_sync_op op = { .handle = h };
		struct drm_panfrost_wait_bo wait = { .handle = h };
		struct drm_panfrost_mmap_bo map = { .handle = h };
		struct drm_panfrost_get_bo_offset offset = { .handle = h };
		struct drm_panfrost_madvise madvise = { .handle = h };
		struct drm_panfrost_set_label_bo label = { .handle = h };
		struct drm_panfrost_sync_bo sync = { .ops = (uintptr_t)&op, .op_count = 1 };
		struct drm_panfrost_query_bo_info info = { .handle = h };
		int dmabuf;

		igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_WAIT_BO, &wait), ENOENT);
		igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_MMAP_BO, &map), ENOENT);
		igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_GET_BO_OFFSET, &offset), ENOENT);
		igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_MADVISE, &madvise), ENOENT);
		igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_SET_LABEL_BO, &label), ENOENT);
		igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_SYNC_BO, &sync), ENOENT);
		igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_QUERY_BO_INFO, &info), ENOENT);
		igt_assert_eq(pb_export_errno(fd, h, DRM_RDWR, &dmabuf), ENOENT);
		igt_assert_eq(pb_gem_close_errno(fd, h), EINVAL);
	}
	close(fd);
}

/* Catches: a handle of one file that works in another. */
static void foreign_handle(void)
{
	const int fd = pf_open(), other = pf_open();
	struct pf_bo bo = pf_create(fd, pb_page, PANFROST_BO_NOEXEC);
	struct drm_panfrost_mmap_bo map = { .handle = bo.handle };
	void *ptr;

	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_MMAP_BO, &map), 0);
	ptr = mmap(NULL, pb_page, PROT_READ, MAP_SHARED, other, map.offset);
	igt_assert(ptr == MAP_FAILED);
	igt_assert_eq(call(other, DRM_IOCTL_PANFROST_MMAP_BO, &map), ENOENT);
	pf_close(&bo);
	ptr = mmap(NULL, pb_page, PROT_READ, MAP_SHARED, fd, map.offset);
	igt_assert(ptr == MAP_FAILED);
	close(other);
	close(fd);
}

/* Catches: flags that contradict each other, or mean nothing, and sizes that cannot be. */
static void bad_creates(void)
{
	struct drm_panfrost_create_bo bad[] = {
		{ .size = 0 },
		{ .size = 0, .flags = PANFROST_BO_HEAP | PANFROST_BO_NOEXEC },
		{ .size = 4096, .pad = 1 },
		{ .size = 4096, .flags = PANFROST_BO_HEAP },
		{ .size = 4096, .flags = PANFROST_BO_HEAP | PANFROST_BO_WB_MMAP },
		{ .size = 4096, .flags = PANFROST_BO_HEAP | PANFROST_BO_WB_MMAP |
		  PANFROST_BO_NOEXEC },
		{ .size = 4096, .flags = 8 },
		{ .size = 4096, .flags = ~0u },
		{ .size = 4096, .flags = 0x80000000 },
	};
	const int fd = pf_open();
	const int before = pf_count_bos();

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		igt_assert_eq(pf_create_errno(fd, &bad[i]), EINVAL);
		igt_assert_eq_u32(bad[i].handle, 0);
	}
	igt_assert_eq(pf_count_bos(), before);
	close(fd);
}

/* Catches: sizes that overflow when they are rounded, and errors that leave half an object. */
static void huge_creates(void)
{
	static const uint32_t sizes[] = {
		0xffffffff, 0xfffff001, 0xfff00001, 0xffe00001, 0xfe000001,
	};
	static const uint32_t flags[] = {
		PANFROST_BO_NOEXEC, 0, PANFROST_BO_HEAP | PANFROST_BO_NOEXEC,
	};
	const int fd = pf_open();
	const int before = pf_count_bos();

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(flags); k++) {
			struct drm_panfrost_create_bo args = {
				.size = sizes[i], .flags = flags[k],
			};

			/* More than the 4 GiB of addresses, less 32 MiB at both ends. */
			igt_assert_neq(pf_create_errno(fd, &args), 0);
		}
	}
	igt_assert_eq(pf_count_bos(), before);
	close(fd);
	pf_check_usable(-1);
}

/* Catches: address space that is not given back when there is none left. */
static void out_of_addresses(void)
{
	struct pf_bo heaps[64];
	const int fd = pf_open();
	unsigned int count = 0;

	for (; count < ARRAY_SIZE(heaps); count++) {
		struct drm_panfrost_create_bo args = {
			.size = 256 * PF_MIB, .flags = PANFROST_BO_HEAP | PANFROST_BO_NOEXEC,
		};

		if (pf_create_errno(fd, &args))
			break;
		heaps[count] = pf_wrap(fd, args.handle, args.size);
	}
	igt_assert(count >= 10 && count < 16);
	for (unsigned int i = 0; i < count; i++)
		pf_close(&heaps[i]);
	for (unsigned int i = 0; i < count; i++)
		heaps[i] = pf_create(fd, 256 * PF_MIB, PANFROST_BO_HEAP | PANFROST_BO_NOEXEC);
	for (unsigned int i = 0; i < count; i++)
		pf_close(&heaps[i]);
	pf_check_usable(fd);
	close(fd);
}

/* Catches: padding and flags that are passed over, and so cannot be used later. */
static void bad_fields(void)
{
	const int fd = pf_open();
	struct pf_bo bo = pf_create(fd, pb_page, PANFROST_BO_NOEXEC);
	struct drm_panfrost_wait_bo wait = { .handle = bo.handle, .pad = 1 };
	struct drm_panfrost_mmap_bo map = { .handle = bo.handle, .flags = 1 };
	struct drm_panfrost_set_label_bo label = { .handle = bo.handle, .pad = 1 };
	struct drm_panfrost_sync_bo sync = { .pad = 1 };
	struct drm_panfrost_get_param param = { .param = ~0u };
	struct drm_panfrost_jm_ctx_destroy destroy = { .handle = 0 };
	struct drm_panfrost_perfcnt_enable perfcnt = { .enable = 1 };
	struct drm_panfrost_perfcnt_dump dump = {};

	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_WAIT_BO, &wait), EINVAL);
	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_MMAP_BO, &map), EINVAL);
	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_SET_LABEL_BO, &label), EINVAL);
	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_SYNC_BO, &sync), EINVAL);
	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_GET_PARAM, &param), EINVAL);
	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_JM_CTX_DESTROY, &destroy), EINVAL);
	destroy.handle = BAD_HANDLE;
	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_JM_CTX_DESTROY, &destroy), EINVAL);
	label.pad = 0;
	label.label = 1;
	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_SET_LABEL_BO, &label), EFAULT);
	/* Without the module's parameter unstable_ioctls these do not exist. */
	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_PERFCNT_ENABLE, &perfcnt), ENOSYS);
	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_PERFCNT_DUMP, &dump), ENOSYS);
	pf_close(&bo);
	close(fd);
}

/* Catches: a context that is torn down although it was never set up: Linux 7.3.4 panics. */
static void context_priority(void)
{
	const int fd = pf_open();
	struct drm_panfrost_jm_ctx_create bad = { .priority = 77 }, good = { .priority = 0 };
	struct drm_panfrost_jm_ctx_destroy destroy = {};

	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_JM_CTX_CREATE, &bad), EINVAL);
	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_JM_CTX_CREATE, &good), 0);
	destroy.handle = good.handle;
	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_JM_CTX_DESTROY, &destroy), 0);
	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_JM_CTX_DESTROY, &destroy), EINVAL);
	pf_check_usable(fd);
	close(fd);
}

/* Catches: an advice that is none, taken for one. */
static void bad_madvise(void)
{
	const int fd = pf_open();
	struct pf_bo bo = pf_create(fd, pb_page, PANFROST_BO_NOEXEC);

	for (uint32_t madv = 2; madv; madv <<= 1)
		igt_assert_eq(pf_madvise_errno(&bo, madv), EINVAL);
	igt_assert(pf_madvise(&bo, PANFROST_MADV_WILLNEED));
	pf_run_shrinkers();
	bo.cpu[0] = 1;
	pf_close(&bo);
	close(fd);
	pf_check_usable(-1);
}

/* Catches: a label that is read past its end, or kept when there is a new one. */
static void labels(void)
{
	const int fd = pf_open();
	struct pf_bo bo = pf_create(fd, pb_page, PANFROST_BO_NOEXEC);
	struct drm_panfrost_set_label_bo args = { .handle = bo.handle };
	char *text = malloc(8192);

	memset(text, 'x', 8192);
	text[8191] = 0;
	args.label = (uintptr_t)text;
	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_SET_LABEL_BO, &args), E2BIG);
	text[100] = 0;
	for (int i = 0; i < 100; i++)
		igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_SET_LABEL_BO, &args), 0);
	args.label = 0;
	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_SET_LABEL_BO, &args), 0);
	free(text);
	pf_close(&bo);
	close(fd);
}

static int submit(int fd, const struct drm_panfrost_submit *args)
{
	struct drm_panfrost_submit copy = *args;

	return call(fd, DRM_IOCTL_PANFROST_SUBMIT, &copy);
}

/* Catches: a submission that is half done when one of its parts turns out to be bad. */
static void bad_submits(void)
{
	const int fd = pf_open();
	struct pf_bo bo = pf_create(fd, pb_page, PANFROST_BO_NOEXEC);
	const uint32_t good[] = { bo.handle, bo.handle }, bad[] = { bo.handle, BAD_HANDLE };
	const struct drm_panfrost_submit base = { .jc = bo.va };
	struct drm_panfrost_submit args = base;

	pf_write_job(&bo, 0, PF_NULL, 0);
	args.jc = 0;
	igt_assert_eq(submit(fd, &args), EINVAL);
	args = base, args.pad = 1;
	igt_assert_eq(submit(fd, &args), EINVAL);
	for (uint32_t req = 4; req; req <<= 1) {
		args = base, args.requirements = req;
		igt_assert_eq(submit(fd, &args), EINVAL);
	}
	args = base, args.out_sync = BAD_HANDLE;
	igt_assert_eq(submit(fd, &args), ENODEV);
	args = base, args.jm_ctx_handle = BAD_HANDLE;
	igt_assert_eq(submit(fd, &args), EINVAL);
	args = base, args.in_sync_count = 2, args.in_syncs = (uintptr_t)bad;
	igt_assert_eq(submit(fd, &args), ENOENT);
	args.in_syncs = 0;
	igt_assert_eq(submit(fd, &args), EFAULT);
	args = base, args.bo_handle_count = 2, args.bo_handles = (uintptr_t)bad;
	igt_assert_eq(submit(fd, &args), ENOENT);
	args.bo_handles = 0;
	igt_assert_eq(submit(fd, &args), EFAULT);
	/* The same buffer twice cannot be locked twice. */
	args.bo_handles = (uintptr_t)good;
	submit(fd, &args);
	pf_check_usable(fd);
	pf_close(&bo);
	close(fd);
}

/* Catches: counts that are believed: there is one element, and nothing behind it. */
static void bad_counts(void)
{
	static const uint32_t counts[] = { 2, 3, 4096, 65536, 1000000 };
	const int fd = pf_open();
	struct pf_bo bo = pf_create(fd, pb_page, PANFROST_BO_NOEXEC);
	uint8_t *room = mmap(NULL, 2 * pb_page, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct drm_panfrost_bo_sync_op *op = (void *)(room + pb_page - sizeof(*op));
	uint32_t *handle = (uint32_t *)(room + pb_page - sizeof(*handle));

	igt_assert(room != MAP_FAILED);
	igt_assert_eq(munmap(room + pb_page, pb_page), 0);
	pf_write_job(&bo, 0, PF_NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		struct drm_panfrost_sync_bo sync = {
			.ops = (uintptr_t)op, .op_count = counts[i],
		};
		struct drm_panfrost_submit args = { .jc = bo.va };

		op->handle = bo.handle;
		igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_SYNC_BO, &sync), EFAULT);
		*handle = bo.handle;
		args.bo_handle_count = counts[i];
		args.bo_handles = (uintptr_t)handle;
		igt_assert_eq(submit(fd, &args), EFAULT);
		args = (struct drm_panfrost_submit){ .jc = bo.va };
		args.in_sync_count = counts[i];
		args.in_syncs = (uintptr_t)handle;
		igt_assert_eq(submit(fd, &args), EFAULT);
	}
	munmap(room, pb_page);
	pf_check_usable(fd);
	pf_close(&bo);
	close(fd);
}

/* Catches: a syncobj to wait for that has no fence: there is nothing to wait for. */
static void empty_syncobj(void)
{
	const int fd = pf_open();
	struct pf_bo bo = pf_create(fd, pb_page, PANFROST_BO_NOEXEC);
	uint32_t sync;

	pf_write_job(&bo, 0, PF_NULL, 0);
	igt_assert_eq(drmSyncobjCreate(fd, 0, &sync), 0);
	igt_assert_neq(pf_submit(fd, bo.va, NULL, 0, 0, sync, 0), 0);
	igt_assert_eq(drmSyncobjDestroy(fd, sync), 0);
	pf_check_usable(fd);
	pf_close(&bo);
	close(fd);
}

/* Everything else works, in the same file and in others, after a job that has to be killed. */
static void must_be_killed(struct pf_chain *chain)
{
	igt_assert_neq(pf_run(chain, NULL), 0);
	pf_check_usable(chain->bo.fd);
}

/* Catches: a first descriptor that is nowhere, or no place for one. */
static void bad_heads(void)
{
	const int fd = pf_open();
	struct pf_bo bo = pf_create(fd, pb_page, PANFROST_BO_NOEXEC);
	const uint64_t heads[] = {
		0x40, 0x1000, bo.va + 8, bo.va + 63, bo.va + pb_page, 1ull << 32, 1ull << 47,
		1ull << 60, ~63ull, ~0ull,
	};
	uint32_t sync;

	for (int i = 0; i < 2; i++)
		pf_write_job(&bo, i, PF_NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		igt_assert_eq(drmSyncobjCreate(fd, 0, &sync), 0);
		igt_assert_eq(pf_submit(fd, heads[i], NULL, 0, 0, 0, sync), 0);
		igt_assert_f(pf_end(fd, sync), "a job at %#llx ran\n",
			     (unsigned long long)heads[i]);
	}
	pf_check_usable(fd);
	pf_close(&bo);
	close(fd);
}

/* Catches: the same for those that follow, and for what they write to. */
static void bad_pointers(void)
{
	static const uint64_t pointers[] = { 0x1000, 1ull << 32, 1ull << 50, ~63ull };
	const int fd = pf_open();
	struct pf_chain chain;

	pf_chain_init(&chain, fd, 4);
	for (size_t i = 0; i < ARRAY_SIZE(pointers); i++) {
		pf_chain_reset(&chain);
		pf_chain_null(&chain);
		pf_job(&chain.bo, 0)->next = pointers[i];
		must_be_killed(&chain);
		pf_chain_reset(&chain);
		pf_chain_value(&chain, pointers[i], PF_64, 1);
		must_be_killed(&chain);
	}
	pf_chain_close(&chain);
	close(fd);
}

/* Catches: descriptors of no known type that are taken for something, or hang the slot. */
static void garbage_jobs(void)
{
	static const uint32_t types[] = { 0, 12, 33, 100, 127 };
	const int fd = pf_open();
	struct pf_chain chain;

	pf_chain_init(&chain, fd, 4);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		pf_chain_reset(&chain);
		pf_chain_null(&chain);
		pf_write_job(&chain.bo, 0, types[i], 0);
		must_be_killed(&chain);
	}
	pf_chain_reset(&chain);
	pf_chain_value(&chain, chain.bo.va + 256, 99, 1);
	must_be_killed(&chain);
	for (int seed = 0; seed < 8; seed++) {
		pf_chain_reset(&chain);
		pf_chain_null(&chain);
		pb_fill(chain.bo.cpu, 0, 4 * PF_JOB_SIZE, seed);
		pf_run(&chain, NULL);
	}
	pf_check_usable(fd);
	pf_chain_close(&chain);
	close(fd);
}

/* Catches: a chain in a circle that nobody ends. */
static void endless_jobs(void)
{
	const int fd = pf_open();
	struct pf_chain chain;

	pf_chain_init(&chain, fd, 4);
	pf_chain_null(&chain);
	pf_chain_endless(&chain);
	must_be_killed(&chain);
	pf_chain_null(&chain);
	pf_job(&chain.bo, 0)->next = pf_job_va(&chain.bo, 1);
	pf_chain_endless(&chain);
	must_be_killed(&chain);
	pf_chain_close(&chain);
	close(fd);
}

/* Catches: a GPU that may write what the CPU, or an exporter, meant to be read only. */
static void jobs_that_write_themselves(void)
{
	const int fd = pf_open();
	struct pf_chain chain;

	pf_chain_init(&chain, fd, 4);
	pf_chain_value(&chain, chain.bo.va + PF_JOB_SIZE + 24, PF_64, 0x1000);
	pf_chain_null(&chain);
	pf_chain_null(&chain);
	must_be_killed(&chain);
	pf_chain_close(&chain);
	close(fd);
}

/* Catches: an import that trusts a number of bytes, files or pages it was told. */
static void bad_imports(void)
{
	const int fd = pf_open(), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int memfd = pb_memfd(8192);
	int pipes[2];
	uint32_t handle;

	igt_assert_eq(pipe(pipes), 0);
	igt_assert_eq(pb_import_errno(fd, -1, &handle), EBADF);
	igt_assert_eq(pb_import_errno(fd, 4000, &handle), EBADF);
	igt_assert_eq(pb_import_errno(fd, null, &handle), EINVAL);
	igt_assert_eq(pb_import_errno(fd, memfd, &handle), EINVAL);
	igt_assert_eq(pb_import_errno(fd, pipes[0], &handle), EINVAL);
	igt_assert_eq(pb_import_errno(fd, fd, &handle), EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	close(memfd);
	close(null);
	close(fd);
}

/*
 * A udmabuf is as long as its list of pages says. Catches: a page table that goes on to where
 * the file ends, or to the next power of two.
 */
static void short_import(void)
{
	const int fd = pf_open(), memfd = pb_memfd(64 * pb_page);
	struct pf_chain chain;
	struct pf_bo bo;
	uint8_t *file;
	int dmabuf;

	igt_require_f(!access("/dev/udmabuf", R_OK | W_OK), "no /dev/udmabuf\n");
	file = mmap(NULL, 64 * pb_page, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	igt_assert(file != MAP_FAILED);
	dmabuf = pb_udmabuf(memfd, 0, 5 * pb_page);
	igt_assert_fd(dmabuf);
	bo = pf_wrap(fd, prime_fd_to_handle(fd, dmabuf), 5 * pb_page);
	pf_chain_init(&chain, fd, 2);
	igt_assert_eq_u64(chain.bo.va, bo.va + 5 * pb_page);
	pf_chain_value(&chain, bo.va + 4 * pb_page, PF_64, 1);
	pf_run_done(&chain, &bo);
	igt_assert_eq_u64(*(uint64_t *)(file + 4 * pb_page), 1);
	pf_chain_reset(&chain);
	pf_chain_value(&chain, bo.va + 6 * pb_page, PF_64, 1);
	must_be_killed(&chain);
	for (int i = 5; i < 64; i++)
		igt_assert_eq_u64(*(uint64_t *)(file + i * pb_page), 0);
	pf_chain_close(&chain);
	pf_close(&bo);
	close(dmabuf);
	munmap(file, 64 * pb_page);
	close(memfd);
	close(fd);
}

/* Catches: mmap of more than the buffer, of nothing's place, or of private copies. */
static void bad_mmaps(void)
{
	const int fd = pf_open();
	struct pf_bo bo = pf_create(fd, 4 * pb_page, PANFROST_BO_NOEXEC);
	struct drm_panfrost_mmap_bo map = { .handle = bo.handle };
	const int rw = PROT_READ | PROT_WRITE;

	igt_assert_eq(call(fd, DRM_IOCTL_PANFROST_MMAP_BO, &map), 0);
	igt_assert(mmap(NULL, 5 * pb_page, rw, MAP_SHARED, fd, map.offset) == MAP_FAILED);
	igt_assert(mmap(NULL, 1ul << 32, rw, MAP_SHARED, fd, map.offset) == MAP_FAILED);
	igt_assert(mmap(NULL, pb_page, rw, MAP_SHARED, fd, 0) == MAP_FAILED);
	igt_assert(mmap(NULL, pb_page, rw, MAP_SHARED, fd, map.offset << 8) == MAP_FAILED);
	igt_assert(mmap(NULL, pb_page, rw, MAP_PRIVATE, fd, map.offset) == MAP_FAILED);
	pf_close(&bo);
	close(fd);
}

static const struct pf_case cases[] = {
	{ "handles", "Handles that are none", bad_handles },
	{ "foreign-handle", "Handles of another file", foreign_handle },
	{ "create", "Flags and sizes that are refused", bad_creates },
	{ "create-huge", "Buffers larger than the address space", huge_creates },
	{ "out-of-addresses", "More buffers than addresses", out_of_addresses },
	{ "fields", "Padding, unknown flags and parameters", bad_fields },
	{ "context-priority", "A priority that there is not", context_priority },
	{ "madvise", "Advice that is none", bad_madvise },
	{ "labels", "Labels that are too long", labels },
	{ "submit", "Parts of a submission that are bad", bad_submits },
	{ "counts", "Counts of more than there is", bad_counts },
	{ "empty-syncobj", "A syncobj without a fence", empty_syncobj },
	{ "heads", "Jobs that are nowhere", bad_heads },
	{ "pointers", "Jobs that point nowhere", bad_pointers },
	{ "garbage", "Jobs that are none", garbage_jobs },
	{ "endless", "Jobs in a circle", endless_jobs },
	{ "self-written", "Jobs that change the ones behind them", jobs_that_write_themselves },
	{ "import", "Imports of what is no dma-buf", bad_imports },
	{ "import-short", "An import that ends early", short_import },
	{ "mmap", "Mappings that are refused", bad_mmaps },
};

int igt_main()
{
	igt_fixture()
		pf_setup();

	pf_run_cases(cases, ARRAY_SIZE(cases));
}
