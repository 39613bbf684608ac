// SPDX-License-Identifier: MIT
/**
 * TEST: prime backing stress
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME
 * Description: Threads that make, map, write, share and close the same buffers across all devices
 *              at once while memory is short, and know each byte that they wrote.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Everything at once, for PRIME_BACKING_SECONDS, by PRIME_BACKING_SEED.");

#define SLOTS 8
#define THREADS 4
#define MAX_PAGES 64
#define PRESSURE (24ul << 20)
#define SWAPPED 256		/* pages that are to go to swap at once */
#define ROUNDS 80		/* of pressure, until that happens again */

/* A place for a buffer. Who uses it holds the lock; who makes or ends it holds it alone. */
struct slot {
	pthread_rwlock_t lock;
	struct pb_buf buf;
	uint32_t pages;				/* 0: no buffer here */
	uint64_t words[MAX_PAGES][THREADS];	/* what each thread wrote last into each page */
};

struct worker {
	pthread_t thread;
	uint32_t number;
	uint64_t seed, drawn, written;
	void (*step)(struct worker *w, struct slot *slot);
};

static struct slot slots[SLOTS];
static int shared[PB_MAX_DEVICES];	/* one file for all threads; handle_races() */
static atomic_bool ended;

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static uint32_t draw(struct worker *w, uint32_t below)
{
	return pb_word(w->seed, w->drawn++) % below;
}

static const struct pb_device *draw_device(struct worker *w)
{
	return &pb_devices[draw(w, pb_n_devices)];
}

static uint64_t size_of(const struct slot *slot)
{
	return slot->pages * pb_page;
}

/* What nobody but this thread writes. New memory is zero, whoever had it before. */
static volatile uint64_t *check_word(const struct slot *slot, uint8_t *ptr, uint32_t page,
				     uint32_t thread)
{
	volatile uint64_t *word = (uint64_t *)(ptr + page * pb_page) + 31 + thread;
	const uint64_t last = slot->words[page][thread];

	igt_assert_f(*word == last, "%s, page %u of %u, thread %u: %#llx, but %#llx was written\n",
		     slot->buf.exp->name, page, slot->pages, thread, (long long)*word,
		     (long long)last);
	return word;
}

static void touch_page(struct worker *w, struct slot *slot, uint8_t *ptr, uint32_t page)
{
	volatile uint64_t *word = check_word(slot, ptr, page, w->number);
	const uint64_t next = pb_word(w->seed, ~w->written++);

	slot->words[page][w->number] = next;
	*word = next;
}

static void touch(struct worker *w, struct slot *slot, uint8_t *ptr)
{
	const uint32_t count = 1 + draw(w, slot->pages);

	for (uint32_t i = 0; i < count; i++)
		touch_page(w, slot, ptr, draw(w, slot->pages));
}

static void by_native(struct worker *w, struct slot *slot)
{
	struct pb_view view = pb_view_native(&slot->buf);

	touch(w, slot, view.ptr);
	pb_unview(&view);
}

static void by_dmabuf(struct worker *w, struct slot *slot)
{
	struct pb_view view = pb_view_dmabuf(slot->buf.dmabuf, size_of(slot));

	prime_sync_start(slot->buf.dmabuf, true);
	touch(w, slot, view.ptr);
	prime_sync_end(slot->buf.dmabuf, true);
	pb_unview(&view);
}

/* What goes first is a matter of chance: the mapping, the handle or the file. */
static void by_import(struct worker *w, struct slot *slot)
{
	struct pb_import imp;
	struct pb_view view;

	pb_import(&imp, draw_device(w), slot->buf.dmabuf);
	view = pb_view_import(&imp, -1, size_of(slot));
	touch(w, slot, view.ptr);
	if (draw(w, 2))
		pb_import_close_handle(&imp);
	if (draw(w, 2))
		pb_import_close(&imp);
	touch(w, slot, view.ptr);
	pb_unview(&view);
	pb_import_close(&imp);
}

/* An import of an import; the first may be gone by then. */
static void by_chain(struct worker *w, struct slot *slot)
{
	struct pb_import first, second;
	struct pb_view view;
	int again;

	pb_import(&first, draw_device(w), slot->buf.dmabuf);
	again = prime_handle_to_fd_for_mmap(first.drm, first.handle);
	igt_assert_fd(again);
	if (draw(w, 2))
		pb_import_close(&first);
	pb_import(&second, draw_device(w), again);
	view = pb_view_import(&second, -1, size_of(slot));
	touch(w, slot, view.ptr);
	pb_unview(&view);
	pb_import_close(&second);
	pb_import_close(&first);
	close(again);
}

/* A mapping in two pieces. Where the hole is nothing else may come to lie. */
static void by_pieces(struct worker *w, struct slot *slot)
{
	struct pb_view view = pb_view_dmabuf(slot->buf.dmabuf, size_of(slot));
	const uint32_t hole = draw(w, slot->pages);

	touch(w, slot, view.ptr);
	igt_assert(mmap(view.ptr + hole * pb_page, pb_page, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	for (uint32_t page = 0; page < slot->pages; page++) {
		if (page != hole)
			touch_page(w, slot, view.ptr, page);
	}
	pb_unview(&view);
}

/* A child has what its parent mapped. There are other threads: it must not take any lock. */
static void by_fork(struct worker *w, struct slot *slot)
{
	struct pb_view view = pb_view_dmabuf(slot->buf.dmabuf, size_of(slot));
	const uint32_t page = draw(w, slot->pages);
	volatile uint64_t *word = check_word(slot, view.ptr, page, w->number);
	const uint64_t next = pb_word(w->seed, ~w->written++);
	const pid_t child = fork();
	int status;

	igt_assert(child >= 0);
	if (!child) {
		if (*word != slot->words[page][w->number])
			_exit(1);
		*word = next;
		_exit(0);
	}
	igt_assert_eq(waitpid(child, &status, 0), child);
	igt_assert_eq(status, 0);
	slot->words[page][w->number] = next;
	touch(w, slot, view.ptr);
	pb_unview(&view);
}

static bool ready(int file)
{
	struct pollfd poll_for = { .fd = file, .events = POLLIN };

	igt_assert_lte(0, poll(&poll_for, 1, 0));
	return poll_for.revents & POLLIN;
}

/* Until its own fence has signalled this thread waits for nobody's: all end in the end. */
static void by_fence(struct worker *w, struct slot *slot)
{
	const uint32_t use = draw(w, 2) ? DMA_BUF_SYNC_WRITE : DMA_BUF_SYNC_READ;
	struct pb_fence fence;
	int all = -1, err;
	bool early;

	if (!pb_vgem())
		return;
	pb_fence_make(&fence);
	igt_assert_eq(pb_fence_import_errno(slot->buf.dmabuf, use, fence.file), 0);
	igt_assert_eq(pb_fence_export_errno(slot->buf.dmabuf, DMA_BUF_SYNC_RW, &all), 0);
	early = ready(all);
	err = pb_fence_signal_errno(fence.drm, fence.id);
	/* vgem does not wait for ever. */
	igt_assert_f(!err || err == ETIMEDOUT, "signal: %s\n", strerror(err));
	igt_assert(err || !early);
	igt_assert(ready(fence.file));
	close(all);
	pb_fence_close(&fence);
	by_dmabuf(w, slot);
}

/* All that was written is there still. Nobody else has the slot. */
static void check_all(struct slot *slot)
{
	struct pb_view view = pb_view_dmabuf(slot->buf.dmabuf, size_of(slot));

	for (uint32_t page = 0; page < slot->pages; page++) {
		for (uint32_t thread = 0; thread < THREADS; thread++)
			check_word(slot, view.ptr, page, thread);
	}
	pb_unview(&view);
}

static void end_buffer(struct slot *slot)
{
	check_all(slot);
	pb_destroy(&slot->buf);
	slot->pages = 0;
}

static void make_buffer(struct worker *w, struct slot *slot)
{
	const struct pb_exporter *exp;

	do {
		exp = &pb_exporters[draw(w, pb_n_exporters)];
	} while (exp->missing);
	slot->pages = 1 + draw(w, MAX_PAGES);
	memset(slot->words, 0, sizeof(slot->words));
	pb_create(&slot->buf, exp, size_of(slot));
}

static void replace(struct worker *w, struct slot *slot)
{
	if (slot->pages)
		end_buffer(slot);
	make_buffer(w, slot);
}

static void any_way(struct worker *w, struct slot *slot)
{
	static void (*const ways[])(struct worker *w, struct slot *slot) = {
		by_native, by_dmabuf, by_import, by_chain, by_pieces, by_fork, by_fence,
	};

	ways[draw(w, ARRAY_SIZE(ways))](w, slot);
}

/*
 * The handle is everybody's: while one thread imports another may close it, and it may already be
 * that of another buffer. Whatever it is, it is a buffer or an error.
 */
static void any_handle(struct worker *w, struct slot *slot)
{
	const int drm = shared[draw(w, pb_n_devices)];
	uint32_t handle;
	int64_t offset;
	int dmabuf, err;
	void *ptr;

	igt_assert_eq(pb_import_errno(drm, slot->buf.dmabuf, &handle), 0);
	offset = pb_map_offset(drm, handle);
	ptr = offset > 0 ? mmap(NULL, pb_page, PROT_READ, MAP_SHARED, drm, offset) : MAP_FAILED;
	if (ptr != MAP_FAILED) {
		(void)*(volatile uint8_t *)ptr;
		igt_assert_eq(munmap(ptr, pb_page), 0);
	}
	err = pb_export_errno(drm, handle, DRM_CLOEXEC, &dmabuf);
	igt_assert_f(!err || err == ENOENT, "export: %s\n", strerror(err));
	if (!err)
		close(dmabuf);
	err = draw(w, 2) ? pb_gem_close_errno(drm, handle) : 0;
	igt_assert_f(!err || err == EINVAL, "close: %s\n", strerror(err));
	by_dmabuf(w, slot);
}

static void *work(void *data)
{
	struct worker *w = data;

	while (!ended) {
		struct slot *slot = &slots[draw(w, SLOTS)];
		const bool alone = draw(w, 8) == 0;

		/* A thread that failed keeps its lock. */
		if (alone ? pthread_rwlock_trywrlock(&slot->lock) : pthread_rwlock_tryrdlock(&slot->lock))
			continue;
		if (alone)
			replace(w, slot);
		else if (slot->pages)
			w->step(w, slot);
		pthread_rwlock_unlock(&slot->lock);
	}
	return NULL;
}

/* Takes memory and gives it back; all shrinkers run, and now and then pages go to swap. */
static void *press(void *data)
{
	const int caches = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	const bool *swap = data;

	igt_assert_fd(caches);
	for (int round = 0; !ended; round++) {
		void *ptr = mmap(NULL, PRESSURE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		igt_assert(ptr != MAP_FAILED);
		igt_assert_eq(pwrite(caches, "3", 1, 0), 1);
		usleep(50000);
		munmap(ptr, PRESSURE);
		if (*swap && round % ROUNDS == 0)
			pb_press_out(SWAPPED);
	}
	close(caches);
	return NULL;
}

static void end_all(const struct worker *workers)
{
	uint64_t written = 0;

	for (int i = 0; i < SLOTS; i++) {
		if (slots[i].pages)
			end_buffer(&slots[i]);
		pthread_rwlock_destroy(&slots[i].lock);
	}
	for (int t = 0; t < THREADS; t++)
		written += workers[t].written;
	igt_info("%llu words written and found again\n", (long long)written);
}

static void start(struct worker *workers, void (*step)(struct worker *w, struct slot *slot))
{
	const uint64_t seed = setting("PRIME_BACKING_SEED", 1);

	igt_info("PRIME_BACKING_SEED=%llu\n", (long long)seed);
	ended = false;
	/* What a subtest that failed has left is not to be judged again. */
	memset(slots, 0, sizeof(slots));
	for (int i = 0; i < SLOTS; i++)
		pthread_rwlock_init(&slots[i].lock, NULL);
	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .number = i, .seed = seed * THREADS + i, .step = step };
		igt_assert_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
}

static void run(void (*step)(struct worker *w, struct slot *slot))
{
	bool swap = pb_try_swap_on();
	const long out = pb_vmstat("pswpout"), in = pb_vmstat("pswpin");
	struct worker workers[THREADS] = {};
	pthread_t presser;

	start(workers, step);
	igt_assert_eq(pthread_create(&presser, NULL, press, &swap), 0);
	sleep(setting("PRIME_BACKING_SECONDS", 15));
	ended = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_join(presser, NULL);
	end_all(workers);
	igt_info("%ld pages went to swap, %ld came back\n", pb_vmstat("pswpout") - out,
		 pb_vmstat("pswpin") - in);
	pb_swap_off();
}

/* Catches: a page of one buffer in another, memory that is lost, freed early or not cleared. */
static void threads(void)
{
	run(any_way);
}

/* Catches: a handle, a list of imports or an offset that is gone while another thread uses it. */
static void handle_races(void)
{
	for (int i = 0; i < pb_n_devices; i++)
		shared[i] = pb_open(&pb_devices[i]);
	run(any_handle);
	for (int i = 0; i < pb_n_devices; i++)
		close(shared[i]);
}

int igt_main()
{
	igt_fixture()
		pb_setup();

	igt_describe("Threads use, share and replace the same buffers, each byte is known");
	igt_subtest("threads")
		threads();

	igt_describe("Threads import into the same file and close each other's handles");
	igt_subtest("handle-races")
		handle_races();

	igt_fixture()
		pb_swap_off();
}
