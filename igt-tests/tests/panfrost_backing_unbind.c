// SPDX-License-Identifier: MIT
/**
 * TEST: panfrost backing unbind
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: hot unplug
 * Description: The device goes below open files, jobs, mappings and shared buffers, and comes back.
 *              Linux 7.3.4 does not survive this, so each subtest wants a boot of its own there.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "panfrost_backing_lib.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("The device goes below its users.");

#define PAGES 16
#define SIZE (PAGES * pb_page)

static void unbind(void)
{
	igt_assert_eq(pf_unbind(), 0);
	igt_assert_eq(pf_try_open(), -1);
}

static void back_again(void)
{
	igt_assert_eq(pf_bind(), 0);
	pf_check_usable(-1);
}

/* Catches: state of the driver that goes with the device and is looked at when the file is closed. */
static void file(void)
{
	struct drm_panfrost_create_bo create = { .size = SIZE };
	struct drm_panfrost_get_param param = { .param = DRM_PANFROST_PARAM_GPU_PROD_ID };
	const int idle = pf_open(), fd = pf_open();
	struct pf_chain chain;

	pf_chain_init(&chain, fd, 1);
	pf_chain_null(&chain);
	pf_run_done(&chain, NULL);
	unbind();
	igt_assert_eq(pf_create_errno(fd, &create), ENODEV);
	igt_assert_eq(pf_ioctl(fd, DRM_IOCTL_PANFROST_GET_PARAM, &param), ENODEV);
	igt_assert_eq(pf_submit(fd, chain.bo.va, &chain.bo.handle, 1, 0, 0, 0), ENODEV);
	close(fd);
	back_again();
	close(idle);
	pf_unmap(&chain.bo);
	pf_check_usable(-1);
}

/* Catches: jobs that nobody ends, and those behind them, which start on a device that is gone. */
static void jobs(void)
{
	struct pf_chain endless, behind;
	const int fd = pf_open();
	int fences[9];

	pf_chain_init(&endless, fd, 2);
	pf_chain_init(&behind, fd, 1);
	pf_chain_null(&endless);
	pf_chain_endless(&endless);
	pf_chain_null(&behind);
	fences[0] = pf_fence(fd, pf_start(&endless, NULL, 0));
	for (int i = 1; i < 9; i++)
		fences[i] = pf_fence(fd, pf_start(&behind, &endless.bo, 0));
	unbind();
	for (int i = 0; i < 9; i++)
		igt_assert_eq(pf_fence_error(fences[i]), ENODEV);
	close(fd);
	back_again();
	pf_unmap(&endless.bo);
	pf_unmap(&behind.bo);
}

struct shared {
	int fd;
	struct pf_bo own, import;
	int dmabuf;			/* of own */
	struct pb_buf buf;		/* behind import */
	struct pb_view native, via_dmabuf;
	struct pb_import other;		/* of own */
};

static struct shared open_shared(const struct pb_exporter *exp)
{
	struct shared s = { .fd = pf_open() };

	s.own = pf_create(s.fd, SIZE, PANFROST_BO_NOEXEC);
	s.dmabuf = prime_handle_to_fd_for_mmap(s.fd, s.own.handle);
	pb_import(&s.other, &pb_devices[0], s.dmabuf);
	pb_create(&s.buf, exp, SIZE);
	s.native = pb_view_native(&s.buf);
	pb_write(&s.native, 1);
	s.import = pf_wrap(s.fd, prime_fd_to_handle(s.fd, s.buf.dmabuf), SIZE);
	pf_write_pages(s.fd, &s.own, PAGES, 2);
	pf_write_pages(s.fd, &s.import, PAGES, 3);
	s.via_dmabuf = pb_view_dmabuf(s.dmabuf, SIZE);
	return s;
}

static void check_pages(const uint8_t *cpu, uint64_t seed, const char *what)
{
	uint32_t pages[PAGES];

	pb_permute(pages, PAGES, seed);
	pf_check_pages(cpu, pages, PAGES, seed, what);
}

/* The CPU, other devices and the dma-buf have what the GPU wrote last. */
static void check_shared(struct shared *s)
{
	struct pb_view via_import = pb_view_import(&s->other, s->dmabuf, SIZE);

	check_pages(s->own.cpu, 2, "own mapping");
	check_pages(s->via_dmabuf.ptr, 2, "dma-buf's mapping");
	check_pages(via_import.ptr, 2, "importer's mapping");
	check_pages(s->native.ptr, 3, "exporter's mapping");
	pb_unview(&via_import);
}

static void close_shared(struct shared *s)
{
	pb_unview(&s->via_dmabuf);
	pb_unview(&s->native);
	pf_unmap(&s->own);
	pb_import_close(&s->other);
	pb_close_once(&s->dmabuf);
	pb_destroy(&s->buf);
	pb_close_once(&s->fd);
}

/* Catches: memory that goes with the device although somebody still reads it. */
static void buffers(void)
{
	for (int i = 0; i < pb_n_exporters; i++) {
		struct shared s;

		if (pb_exporters[i].missing)
			continue;
		s = open_shared(&pb_exporters[i]);
		unbind();
		check_shared(&s);
		back_again();
		check_shared(&s);
		close_shared(&s);
	}
	pf_check_usable(-1);
}

/* Catches: what is left of the device being needed by the last one who lets go. */
static void last_user(void)
{
	for (int last = 0; last < 4; last++) {
		struct shared s = open_shared(&pb_exporters[0]);

		unbind();
		if (last != 0)
			pb_close_once(&s.fd);
		if (last != 1)
			pb_close_once(&s.dmabuf);
		if (last != 2)
			pb_import_close(&s.other);
		if (last != 3)
			pf_unmap(&s.own);
		check_pages(s.via_dmabuf.ptr, 2, "dma-buf's mapping");
		pb_unview(&s.via_dmabuf);
		back_again();
		close_shared(&s);
	}
}

static const struct pf_case cases[] = {
	{ "file", "Files that are open when the device goes", file },
	{ "jobs", "A job that runs, and eight that wait for it", jobs },
	{ "buffers", "Buffers that others have, of every exporter", buffers },
	{ "last-user", "The file, the dma-buf, an import or a mapping is the last to go", last_user },
};

int igt_main()
{
	igt_fixture() {
		pf_setup();
		pb_setup();
	}

	pf_run_cases(cases, ARRAY_SIZE(cases));
}
