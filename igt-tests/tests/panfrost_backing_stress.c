// SPDX-License-Identifier: MIT
/**
 * TEST: panfrost backing stress
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME, memory pressure
 * Description: Threads whose GPU jobs write buffers that are purged, passed on, grown and closed all
 *              the time while every shrinker runs.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "panfrost_backing_lib.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Everything at once, for PRIME_BACKING_SECONDS, by PRIME_BACKING_SEED.");

#define THREADS 3
#define GIFTS 6
#define MAX_PAGES 32

struct worker {
	pthread_t thread;
	int fd;
	uint64_t seed, drawn, jobs;
};

/* A buffer on its way to another thread, and what is in it. */
struct gift {
	int dmabuf;
	uint32_t pages;
	uint64_t content;
};

static pthread_mutex_t gifts_lock = PTHREAD_MUTEX_INITIALIZER;
static struct gift gifts[GIFTS];
static atomic_bool ended;

static uint32_t draw(struct worker *w, uint32_t below)
{
	return pb_word(w->seed, w->drawn++) % below;
}

static uint32_t pages_of(const struct pf_bo *bo)
{
	return bo->size / pb_page;
}

static uint64_t gpu_writes(struct worker *w, const struct pf_bo *bo)
{
	const uint64_t content = w->seed + w->drawn++;

	pf_write_pages(w->fd, bo, pages_of(bo), content);
	w->jobs++;
	return content;
}

static void check(const uint8_t *cpu, uint32_t count, uint64_t content, const char *what)
{
	uint32_t pages[MAX_PAGES];

	pb_permute(pages, count, content);
	pf_check_pages(cpu, pages, count, content, what);
}

/* In the slot at hand; what was there comes back. */
static struct gift swap(struct worker *w, struct gift given)
{
	struct gift *slot = &gifts[draw(w, GIFTS)], taken;

	pthread_mutex_lock(&gifts_lock);
	taken = *slot;
	*slot = given;
	pthread_mutex_unlock(&gifts_lock);
	return taken;
}

/* The giver has closed it, and may be gone. */
static void take(struct worker *w, struct gift gift)
{
	struct pf_bo bo = pf_wrap(w->fd, prime_fd_to_handle(w->fd, gift.dmabuf), gift.pages * pb_page);
	struct pb_view view = pb_view_dmabuf(gift.dmabuf, bo.size);
	uint64_t content;

	prime_sync_start(gift.dmabuf, false);
	check(view.ptr, gift.pages, gift.content, "what another thread's job wrote");
	prime_sync_end(gift.dmabuf, false);
	content = gpu_writes(w, &bo);
	prime_sync_start(gift.dmabuf, false);
	check(view.ptr, gift.pages, content, "what the importer's job wrote");
	prime_sync_end(gift.dmabuf, false);
	pb_unview(&view);
	pf_close(&bo);
	close(gift.dmabuf);
}

static void pass_on(struct worker *w, struct gift gift)
{
	igt_assert_fd(gift.dmabuf);
	gift = swap(w, gift);
	if (gift.dmabuf >= 0)
		take(w, gift);
}

static void give(struct worker *w, struct pf_bo *bo)
{
	struct gift gift = { .dmabuf = prime_handle_to_fd_for_mmap(w->fd, bo->handle) };

	gift.pages = pages_of(bo);
	gift.content = gpu_writes(w, bo);
	pf_close(bo);
	pass_on(w, gift);
}

/* A buffer of somebody else, whose memory is not panfrost's, and who is gone when another takes it. */
static void give_foreign(struct worker *w, struct pf_bo *bo)
{
	const struct pb_exporter *exp = &pb_exporters[draw(w, pb_n_exporters)];
	struct gift gift = { .pages = pages_of(bo) };
	struct pf_bo import;
	struct pb_buf buf;

	pf_close(bo);
	if (exp->missing)
		return;
	pb_create(&buf, exp, gift.pages * pb_page);
	import = pf_wrap(w->fd, prime_fd_to_handle(w->fd, buf.dmabuf), gift.pages * pb_page);
	if (draw(w, 2)) {
		pb_close_handle(&buf);
		pb_close_file(&buf);
	}
	gift.content = gpu_writes(w, &import);
	gift.dmabuf = dup(buf.dmabuf);
	pf_close(&import);
	pb_destroy(&buf);
	pass_on(w, gift);
}

/* All of it is there, or it is purged for good. */
static void expend(struct worker *w, struct pf_bo *bo)
{
	const uint64_t content = gpu_writes(w, bo);

	pf_madvise(bo, PANFROST_MADV_DONTNEED);
	usleep(draw(w, 3000));
	if (pf_madvise(bo, PANFROST_MADV_WILLNEED)) {
		check(bo->cpu, pages_of(bo), content, "buffer that was taken back");
		check(bo->cpu, pages_of(bo), gpu_writes(w, bo), "buffer that was taken back");
	}
	pf_close(bo);
}

/* A job has the buffer still. */
static void leave(struct worker *w, struct pf_bo *bo)
{
	struct pf_chain chain;
	uint32_t sync;

	pf_chain_init(&chain, w->fd, 4);
	pf_chain_value(&chain, bo->va, PF_64, draw(w, 1000));
	pf_chain_value(&chain, bo->va + bo->size - 8, PF_64, draw(w, 1000));
	sync = pf_start(&chain, bo, 0);
	pf_close(bo);
	igt_assert_eq(pf_end(w->fd, sync), 0);
	pf_chain_close(&chain);
	w->jobs++;
}

/* The GPU's faults make it grow. */
static void grow(struct worker *w, struct pf_bo *bo)
{
	struct pf_heap heap = pf_open_heap(4 * PF_CHUNK, 8);

	for (int i = 0; i < 3; i++)
		pf_chain_value(&heap.chain, heap.bo.va + draw(w, 4) * PF_CHUNK, PF_64, i);
	pf_run_done(&heap.chain, &heap.bo);
	/* pf_close_heap() would have the model check what others map meanwhile. */
	pf_chain_close(&heap.chain);
	pf_close(&heap.bo);
	close(heap.fd);
	pf_close(bo);
	w->jobs++;
}

static void *work(void *data)
{
	static void (*const fates[])(struct worker *w, struct pf_bo *bo) = {
		give, expend, leave, give_foreign, expend, leave, grow, give,
	};
	struct worker *w = data;

	while (!ended) {
		struct pf_bo bo = pf_create(w->fd, (1 + draw(w, MAX_PAGES)) * pb_page, PANFROST_BO_NOEXEC);

		check(bo.cpu, pages_of(&bo), gpu_writes(w, &bo), "new buffer");
		fates[draw(w, ARRAY_SIZE(fates))](w, &bo);
	}
	return NULL;
}

static void *press(void *data)
{
	(void)data;
	while (!ended) {
		pf_run_shrinkers();
		usleep(20000);
	}
	return NULL;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void start(struct worker *workers, pthread_t *presser)
{
	const uint64_t seed = setting("PRIME_BACKING_SEED", 1);

	igt_info("PRIME_BACKING_SEED=%llu\n", (long long)seed);
	ended = false;
	for (int i = 0; i < GIFTS; i++)
		gifts[i].dmabuf = -1;
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .fd = pf_open(), .seed = (seed * THREADS + i) << 32 };
		igt_assert_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	igt_assert_eq(pthread_create(presser, NULL, press, NULL), 0);
}

/* Catches: a page table, list or mapping of what is purged, closed or another's by now. */
static void threads(void)
{
	struct worker workers[THREADS] = {};
	uint64_t jobs = 0;
	pthread_t presser;

	start(workers, &presser);
	sleep(setting("PRIME_BACKING_SECONDS", 12));
	ended = true;
	for (int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		jobs += workers[i].jobs;
	}
	pthread_join(presser, NULL);
	for (int i = 0; i < GIFTS; i++) {
		if (gifts[i].dmabuf >= 0)
			take(&workers[0], gifts[i]);
	}
	for (int i = 0; i < THREADS; i++)
		close(workers[i].fd);
	igt_info("%llu jobs, and what they wrote was found again\n", (long long)jobs);
}

static const struct pf_case cases[] = {
	{ "threads", "Jobs, shrinkers, imports and closing at once", threads },
};

int igt_main()
{
	igt_fixture() {
		pf_setup();
		pb_setup();
	}

	pf_run_cases(cases, ARRAY_SIZE(cases));
}
