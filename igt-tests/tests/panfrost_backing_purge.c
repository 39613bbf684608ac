// SPDX-License-Identifier: MIT
/**
 * TEST: panfrost backing purge
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: memory pressure
 * Description: Buffers that their user can do without go when memory is short, and only those;
 *              nobody, CPU or GPU, sees their memory afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "panfrost_backing_lib.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("madvise and the shrinkers.");

#define PAGES 16
#define SIZE (PAGES * pb_page)

struct target {
	int fd;
	struct pf_bo bo;
	struct pf_chain chain;
};

static struct target open_target(void)
{
	struct target t = { .fd = pf_open() };

	pf_chain_init(&t.chain, t.fd, 64);
	t.bo = pf_create(t.fd, SIZE, PANFROST_BO_NOEXEC);
	pb_fill(t.bo.cpu, 0, SIZE, 1);
	return t;
}

static void close_target(struct target *t)
{
	pf_check_tables();
	pf_close(&t->bo);
	pf_chain_close(&t->chain);
	close(t->fd);
}

static void gpu_writes(struct target *t, const struct pf_bo *bo, uint64_t seed)
{
	uint32_t pages[] = { 0, 7, PAGES - 1 };

	pf_chain_reset(&t->chain);
	pf_chain_pages(&t->chain, bo->va, pages, ARRAY_SIZE(pages), seed);
	pf_run_done(&t->chain, bo);
}

static void check_gpu_wrote(const struct pf_bo *bo, uint64_t seed)
{
	uint32_t pages[] = { 0, 7, PAGES - 1 };

	pf_check_pages(bo->cpu, pages, ARRAY_SIZE(pages), seed, "buffer");
}

/* Catches: a mapping, table or list that still has the pages of a purged buffer. */
static void everything_goes(void)
{
	struct target t = open_target();

	gpu_writes(&t, &t.bo, 1);
	if (pf_has_model())
		igt_assert_eq_u64(pf_mapped(t.bo.va, SIZE), SIZE);
	pf_purge(&t.bo);
	for (int i = 0; i < PAGES; i++) {
		igt_assert_eq(pb_touch(t.bo.cpu + i * pb_page, false), SIGBUS);
		igt_assert_eq(pb_touch(t.bo.cpu + i * pb_page, true), SIGBUS);
	}
	if (pf_has_model())
		igt_assert_eq_u64(pf_mapped(t.bo.va, SIZE), 0);
	/* There is no way back. */
	igt_assert(!pf_madvise(&t.bo, PANFROST_MADV_DONTNEED));
	igt_assert(!pf_madvise(&t.bo, PANFROST_MADV_WILLNEED));
	close_target(&t);
}

/* Catches: memory that is not given back, for a CPU mapping that can see none of it. */
static void memory_goes(void)
{
	struct target t = open_target();

	igt_require_f(pf_resident(&t.bo) >= 0, "debugfs does not tell what memory a buffer has\n");
	igt_assert_eq_u64(pf_resident(&t.bo), SIZE);
	pf_purge(&t.bo);
	igt_assert_eq_u64(pf_resident(&t.bo), 0);
	close_target(&t);
}

/* Catches: a CPU mapping of a purged buffer that gives it memory again. */
static void new_mapping_is_dead(void)
{
	struct target t = open_target();
	struct drm_panfrost_mmap_bo args = { .handle = t.bo.handle };
	uint8_t *cpu = MAP_FAILED;

	pf_purge(&t.bo);
	if (!pf_ioctl(t.fd, DRM_IOCTL_PANFROST_MMAP_BO, &args))
		cpu = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, t.fd, args.offset);
	if (cpu != MAP_FAILED) {
		igt_assert_eq(pb_touch(cpu, false), SIGBUS);
		igt_assert_eq(pb_touch(cpu + SIZE - 1, true), SIGBUS);
		munmap(cpu, SIZE);
	}
	close_target(&t);
}

/* Catches: the GPU in memory that the buffer has no more, or a device that stops there. */
static void job_is_killed(void)
{
	struct target t = open_target();
	const uint32_t handle = t.bo.handle;

	pf_purge(&t.bo);
	pf_chain_reset(&t.chain);
	pf_chain_value(&t.chain, t.bo.va, PF_64, 1);
	if (!pf_submit(t.fd, t.chain.bo.va, &handle, 1, 0, 0, 0)) {
		pf_wait_bo(&t.bo);
		igt_assert_neq(pf_job(&t.chain.bo, 0)->status, PF_DONE);
	}
	close_target(&t);
	pf_check_usable(-1);
}

/* Catches: SYNC_BO on a purged buffer that gives it memory again, or takes a list that is gone. */
static void sync_is_harmless(void)
{
	struct target t = open_target();
	struct drm_panfrost_bo_sync_op op = { .size = SIZE };
	struct drm_panfrost_sync_bo args = { .ops = (uintptr_t)&op, .op_count = 1 };
	struct pf_bo wb = pf_create(t.fd, SIZE, PANFROST_BO_NOEXEC | PANFROST_BO_WB_MMAP);

	pf_purge(&wb);
	op.handle = wb.handle;
	for (op.type = 0; op.type < 2; op.type++)
		pf_ioctl(t.fd, DRM_IOCTL_PANFROST_SYNC_BO, &args);
	igt_assert_eq(pb_touch(wb.cpu, false), SIGBUS);
	pf_unmap(&wb);
	if (pf_resident(&wb) >= 0)
		igt_assert_eq_u64(pf_resident(&wb), 0);
	pf_close(&wb);
	close_target(&t);
}

/* Catches: an export of a purged buffer that gives it memory again. */
static void export_is_harmless(void)
{
	struct target t = open_target();
	const int other = pf_open();
	struct pf_chain chain;
	uint32_t handle;
	int dmabuf;

	pf_purge(&t.bo);
	if (!pb_export_errno(t.fd, t.bo.handle, DRM_RDWR, &dmabuf)) {
		if (!pb_import_errno(other, dmabuf, &handle)) {
			pf_chain_init(&chain, other, 1);
			pf_chain_value(&chain, pf_va(other, handle), PF_64, 1);
			igt_assert_neq(pf_run(&chain, NULL), 0);
			pf_chain_close(&chain);
		}
		close(dmabuf);
	}
	close(other);
	close_target(&t);
	pf_check_usable(-1);
}

/* Catches: a purged buffer whose end unmaps whoever has its address by then. */
static void address_is_free(void)
{
	struct target t = open_target();
	struct pf_bo next;
	uint64_t va;

	pf_purge(&t.bo);
	va = t.bo.va;
	next = pf_create(t.fd, SIZE, PANFROST_BO_NOEXEC);
	igt_assert_eq_u64(next.va, va);
	gpu_writes(&t, &next, 2);
	check_gpu_wrote(&next, 2);
	pf_close(&t.bo);
	gpu_writes(&t, &next, 3);
	check_gpu_wrote(&next, 3);
	pf_close(&next);
	close_target(&t);
}

/* Catches: a purge of what the user has taken back, or never gave. */
static void needed_is_kept(void)
{
	struct target t = open_target();

	pf_run_shrinkers();
	pb_check(t.bo.cpu, 0, SIZE, 1, "buffer that was never expendable");
	igt_assert(pf_madvise(&t.bo, PANFROST_MADV_DONTNEED));
	igt_assert(pf_madvise(&t.bo, PANFROST_MADV_WILLNEED));
	pf_run_shrinkers();
	pb_check(t.bo.cpu, 0, SIZE, 1, "buffer that was taken back");
	gpu_writes(&t, &t.bo, 2);
	check_gpu_wrote(&t.bo, 2);
	close_target(&t);
}

/* Returns whether the job ran long enough: its time may be over where the host is slow. */
static bool purge_busy(void)
{
	struct target t = open_target();
	bool busy, retained;
	uint32_t sync;

	*(uint64_t *)t.bo.cpu = 0;
	pf_chain_value(&t.chain, t.bo.va, PF_64, 5);
	pf_chain_endless(&t.chain);
	sync = pf_start(&t.chain, &t.bo, 0);
	pf_wait_for_word(&t.bo, 5);
	igt_assert(pf_madvise(&t.bo, PANFROST_MADV_DONTNEED));
	pf_run_shrinkers();
	retained = pf_madvise(&t.bo, PANFROST_MADV_WILLNEED);
	busy = pf_busy(t.fd, sync);
	igt_assert_neq(pf_end(t.fd, sync), 0);
	if (busy) {
		igt_assert(retained);
		igt_assert_eq_u64(*(uint64_t *)t.bo.cpu, 5);
	}
	close_target(&t);
	return busy;
}

/* Catches: a purge under a job that still runs. */
static void busy_is_kept(void)
{
	bool busy = false;

	for (int i = 0; i < 5 && !busy; i++)
		busy = purge_busy();
	igt_require_f(busy, "the job ended too early\n");
	pf_check_usable(-1);
}

/* Catches: a purge under an importer, who has no way to know. */
static void exported_is_kept(void)
{
	struct target t = open_target();
	const int dmabuf = prime_handle_to_fd_for_mmap(t.fd, t.bo.handle);
	struct pb_import imp;
	struct pb_view view;

	pb_import(&imp, &pb_devices[0], dmabuf);
	pf_madvise_errno(&t.bo, PANFROST_MADV_DONTNEED);
	pf_run_shrinkers();
	pb_check(t.bo.cpu, 0, SIZE, 1, "exported buffer");
	view = pb_view_import(&imp, dmabuf, SIZE);
	pb_verify(&view, 1, "importer's mapping");
	pb_unview(&view);
	pb_import_close(&imp);
	gpu_writes(&t, &t.bo, 2);
	check_gpu_wrote(&t.bo, 2);
	close(dmabuf);
	close_target(&t);
}

/* Catches: one of two users who decides for both. */
static void shared_is_refused(void)
{
	struct target t = open_target();
	const int dmabuf = prime_handle_to_fd_for_mmap(t.fd, t.bo.handle), other = pf_open();
	struct pf_bo bo = pf_wrap(other, prime_fd_to_handle(other, dmabuf), SIZE);

	igt_assert_eq(pf_madvise_errno(&t.bo, PANFROST_MADV_DONTNEED), EINVAL);
	igt_assert_eq(pf_madvise_errno(&bo, PANFROST_MADV_DONTNEED), EINVAL);
	pf_run_shrinkers();
	pb_check(t.bo.cpu, 0, SIZE, 1, "shared buffer");
	pf_close(&bo);
	close(other);
	close(dmabuf);
	close_target(&t);
}

/* Catches: a list of expendable buffers that keeps one that is gone. */
static void closed_while_expendable(void)
{
	struct target t = open_target();

	for (int i = 0; i < 200; i++) {
		struct pf_bo bo = pf_create(t.fd, SIZE, PANFROST_BO_NOEXEC);

		igt_assert(pf_madvise(&bo, PANFROST_MADV_DONTNEED));
		igt_assert(pf_madvise(&bo, PANFROST_MADV_DONTNEED));
		if (i % 50 == 49)
			pf_run_shrinkers();
		pf_close(&bo);
	}
	pf_run_shrinkers();
	pb_check(t.bo.cpu, 0, SIZE, 1, "another buffer");
	close_target(&t);
}

/* Catches: memory that a purge only forgets. */
static void many_are_purged(void)
{
	struct target t = open_target();
	struct pf_bo bos[64];
	int purged = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bos); i++) {
		bos[i] = pf_create(t.fd, 256 * pb_page, PANFROST_BO_NOEXEC);
		memset(bos[i].cpu, 1, bos[i].size);
		if (i % 2)
			igt_assert(pf_madvise(&bos[i], PANFROST_MADV_DONTNEED));
	}
	pf_run_shrinkers();
	for (size_t i = 0; i < ARRAY_SIZE(bos); i++) {
		const bool retained = pf_madvise(&bos[i], PANFROST_MADV_WILLNEED);

		igt_assert(retained || i % 2);
		igt_assert_eq(pb_touch(bos[i].cpu, false), retained ? 0 : SIGBUS);
		purged += !retained;
	}
	igt_assert_eq(purged, ARRAY_SIZE(bos) / 2);
	for (size_t i = 0; i < ARRAY_SIZE(bos); i++)
		pf_close(&bos[i]);
	gpu_writes(&t, &t.bo, 2);
	check_gpu_wrote(&t.bo, 2);
	close_target(&t);
}

struct advised {
	int fd;
	atomic_uint handle;
	atomic_bool ended;
};

static void *advise(void *arg)
{
	struct advised *a = arg;

	while (!a->ended) {
		struct drm_panfrost_madvise args = { .handle = a->handle, .madv = PANFROST_MADV_DONTNEED };

		pf_ioctl(a->fd, DRM_IOCTL_PANFROST_MADVISE, &args);
	}
	return NULL;
}

/*
 * Catches: a warning of the kernel that any user can have: the only mapping is another file's, as this
 * one's handle is closed between its look-up and the look at the mappings.
 */
static void advice_while_closing(void)
{
	const int owner = pf_open();
	struct pf_bo bo = pf_create(owner, SIZE, PANFROST_BO_NOEXEC);
	const int dmabuf = prime_handle_to_fd(owner, bo.handle);
	struct advised a = { .fd = pf_open() };
	pthread_t threads[2];

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		igt_assert_eq(pthread_create(&threads[i], NULL, advise, &a), 0);
	for (time_t end = time(NULL) + 3; time(NULL) < end;) {
		struct pf_bo import = { .fd = a.fd, .handle = prime_fd_to_handle(a.fd, dmabuf) };

		a.handle = import.handle;
		pf_close(&import);
	}
	a.ended = true;
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	close(a.fd);
	close(dmabuf);
	pb_fill(bo.cpu, 0, SIZE, 1);
	pb_check(bo.cpu, 0, SIZE, 1, "buffer");
	pf_close(&bo);
	close(owner);
}

static const struct pf_case cases[] = {
	{ "everything-goes", "What a purge takes", everything_goes },
	{ "memory-goes", "A purge frees memory, also of buffers that are mapped", memory_goes },
	{ "new-mapping-is-dead", "A mapping made after the purge", new_mapping_is_dead },
	{ "job-is-killed", "A job with a purged buffer", job_is_killed },
	{ "sync-is-harmless", "SYNC_BO of a purged buffer", sync_is_harmless },
	{ "export-is-harmless", "Export of a purged buffer", export_is_harmless },
	{ "address-is-free", "The address of a purged buffer is used again", address_is_free },
	{ "needed-is-kept", "Buffers that are needed survive the shrinkers", needed_is_kept },
	{ "busy-is-kept", "Buffers of running jobs survive the shrinkers", busy_is_kept },
	{ "exported-is-kept", "Exported buffers survive the shrinkers", exported_is_kept },
	{ "shared-is-refused", "Shared buffers cannot be made expendable", shared_is_refused },
	{ "closed-while-expendable", "An expendable buffer is closed", closed_while_expendable },
	{ "advice-while-closing", "Advice of one thread, the handle closed by another", advice_while_closing },
	{ "many-are-purged", "All that are expendable go, and no other", many_are_purged },
};

int igt_main()
{
	igt_fixture() {
		pf_setup();
		pb_setup();
	}

	pf_run_cases(cases, ARRAY_SIZE(cases));
}
