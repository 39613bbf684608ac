// SPDX-License-Identifier: MIT
/**
 * TEST: panfrost backing swap
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: memory pressure
 * Description: What the GPU wrote into the buffers of others is there when nobody has held their
 *              pages for a while.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "panfrost_backing_lib.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Content that the GPU wrote, when pages are given back or swapped.");

/* No more than 64 KiB: more in one piece, and udmabuf of Linux 7.3 is an error to DMA_API_DEBUG. */
#define PAGES 16
#define SIZE (PAGES * pb_page)
/* For those that are swapped: more than what is shared memory and never swapped. */
#define BUFFERS 128

/* The GPU writes each page, and then the exporter alone has the buffer. No CPU touched it. */
static void gpu_writes(struct pb_buf *buf, const struct pb_exporter *exp, uint64_t seed)
{
	const int fd = pf_open();
	struct pf_bo bo;

	pb_create(buf, exp, SIZE);
	bo = pf_wrap(fd, prime_fd_to_handle(fd, buf->dmabuf), SIZE);
	pf_write_pages(fd, &bo, PAGES, seed);
	pf_close(&bo);
	close(fd);
	/* udmabuf holds the pages as long as it is there; then they are the memfd's. */
	if (exp->kind == PB_UDMABUF)
		pb_close_dmabuf(buf);
}

static void check_written(struct pb_buf *buf, uint64_t seed)
{
	struct pb_view view = pb_view_native(buf);
	uint32_t pages[PAGES];

	pb_permute(pages, PAGES, seed);
	pf_check_pages(view.ptr, pages, PAGES, seed, "buffer");
	pb_unview(&view);
	pb_destroy(buf);
}

/* Catches: pages that are not dirty when they are put. They are the first to go. */
static void kept(const struct pb_exporter *exp)
{
	const int before = pf_count_bos();
	struct pb_buf buf;

	gpu_writes(&buf, exp, 1);
	pf_wait_for_bos(before);
	pb_drop_caches();
	check_written(&buf, 1);
}

/* Catches: the same, and pages that never go because somebody still holds them. */
static void swapped(const struct pb_exporter *exp)
{
	const int before = pf_count_bos();
	struct pb_buf bufs[BUFFERS];
	long in, others;

	pb_swap_on();
	others = pb_meminfo("Shmem:");
	for (int i = 0; i < BUFFERS; i++)
		gpu_writes(&bufs[i], exp, i);
	pf_wait_for_bos(before);
	/* Reclaim may choose all of the others first. */
	pb_press(((uint64_t)others << 10) + BUFFERS * SIZE / 4);
	in = pb_vmstat("pswpin");
	for (int i = 0; i < BUFFERS; i++)
		check_written(&bufs[i], i);
	in = pb_vmstat("pswpin") - in;
	pb_swap_off();
	/* How many that are is reclaim's choice. */
	igt_assert_lte(BUFFERS * PAGES / 8, in);
}

static void run_kept(const struct pb_exporter *exp)
{
	pf_begin();
	kept(exp);
	pf_finish();
}

static void run_swapped(const struct pb_exporter *exp)
{
	igt_require_f(exp->kind != PB_HEAP, "what a heap gave is never swapped\n");
	pf_begin();
	swapped(exp);
	pf_finish();
}

int igt_main()
{
	igt_fixture() {
		pf_setup();
		pb_setup();
	}

	igt_describe("It is written by the GPU, and clean pages go");
	igt_subtest_with_dynamic("kept")
		pb_run_exporters(run_kept);

	igt_describe("What the GPU wrote is swapped out and in");
	igt_subtest_with_dynamic("swapped")
		pb_run_exporters(run_swapped);
}
