// SPDX-License-Identifier: MIT
/**
 * TEST: panfrost backing share
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME
 * Description: The GPU writes into what others made, and others see what it wrote.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "igt.h"
#include "panfrost_backing_lib.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Buffers shared between the GPU and other devices.");

/* No more than 64 KiB: more in one piece, and udmabuf of Linux 7.3 is an error to DMA_API_DEBUG. */
#define PAGES 16
#define SIZE (PAGES * pb_page)

static void check_view(const struct pb_view *view, uint64_t seed, const char *what)
{
	uint32_t pages[PAGES];

	pb_permute(pages, PAGES, seed);
	if (view->sync >= 0)
		prime_sync_start(view->sync, false);
	pf_check_pages(view->ptr, pages, PAGES, seed, what);
	if (view->sync >= 0)
		prime_sync_end(view->sync, false);
}

struct import {
	struct pb_buf buf;
	struct pb_view native;
	int fd;
	struct pf_bo bo;
};

static struct import open_import(const struct pb_exporter *exp)
{
	struct import i = { .fd = pf_open() };

	pb_create(&i.buf, exp, SIZE);
	i.native = pb_view_native(&i.buf);
	pb_write(&i.native, 1);
	i.bo = pf_wrap(i.fd, prime_fd_to_handle(i.fd, i.buf.dmabuf), SIZE);
	return i;
}

static void close_import(struct import *i)
{
	pf_check_tables();
	pf_close(&i->bo);
	close(i->fd);
	pb_unview(&i->native);
	pb_destroy(&i->buf);
}

/* Catches: page tables that lead elsewhere than the exporter's pages. */
static void import_writes(const struct pb_exporter *exp)
{
	struct import i = open_import(exp);
	struct drm_panfrost_query_bo_info info = { .handle = i.bo.handle };

	igt_assert_eq(pf_ioctl(i.fd, DRM_IOCTL_PANFROST_QUERY_BO_INFO, &info), 0);
	igt_assert_eq_u32(info.extra_flags, DRM_PANFROST_BO_IS_IMPORTED);
	igt_assert_eq_u32(info.create_flags, 0);
	for (int seed = 2; seed < 6; seed++) {
		pf_write_pages(i.fd, &i.bo, PAGES, seed);
		check_view(&i.native, seed, "exporter's mapping");
	}
	close_import(&i);
}

/* Catches: an import's own mmap, whose pages are the exporter's. */
static void import_maps(const struct pb_exporter *exp)
{
	struct import i = open_import(exp);
	struct pb_view view;

	i.bo.cpu = pf_map(&i.bo);
	view = (struct pb_view){ .ptr = i.bo.cpu, .len = SIZE, .sync = i.buf.dmabuf };
	pf_write_pages(i.fd, &i.bo, PAGES, 2);
	check_view(&view, 2, "importer's mapping");
	pb_write(&view, 3);
	pb_verify(&i.native, 3, "exporter's mapping");
	close_import(&i);
}

/* Catches: memory that goes with the exporter although the GPU's page table has it. */
static void import_outlives(const struct pb_exporter *exp)
{
	struct import i = open_import(exp);

	pb_unview(&i.native);
	pb_destroy(&i.buf);
	pf_write_pages(i.fd, &i.bo, PAGES, 2);
	pf_write_pages(i.fd, &i.bo, PAGES, 3);
	pf_close(&i.bo);
	close(i.fd);
}

/* Catches: a buffer that is imported twice into one file, or not at all into the second. */
static void import_again(const struct pb_exporter *exp)
{
	struct import i = open_import(exp);
	const int fd = pf_open();
	struct pf_bo other = pf_wrap(fd, prime_fd_to_handle(fd, i.buf.dmabuf), SIZE);

	igt_assert_eq_u32(prime_fd_to_handle(i.fd, i.buf.dmabuf), i.bo.handle);
	pf_write_pages(i.fd, &i.bo, PAGES, 2);
	check_view(&i.native, 2, "first file's");
	pf_write_pages(fd, &other, PAGES, 3);
	check_view(&i.native, 3, "second file's");
	pf_close(&i.bo);
	pf_write_pages(fd, &other, PAGES, 4);
	check_view(&i.native, 4, "second file's, the first being gone");
	pf_close(&other);
	close(fd);
	close_import(&i);
}

/* Catches: a buffer that is longer on the GPU than where it came from. */
static void import_ends(const struct pb_exporter *exp)
{
	struct import i = open_import(exp);
	struct pf_chain chain;

	pf_chain_init(&chain, i.fd, 1);
	pf_chain_null(&chain);
	pf_run_done(&chain, &i.bo);
	if (pf_has_model()) {
		igt_assert_eq_u64(pf_mapped(i.bo.va, SIZE), SIZE);
		igt_assert_eq_u64(pf_mapped(0, 1ull << 48), SIZE + pb_page);
	}
	igt_assert_eq_u64(chain.bo.va, i.bo.va + SIZE);
	pf_chain_reset(&chain);
	pf_chain_value(&chain, chain.bo.va + pb_page, PF_64, 1);
	igt_assert_neq(pf_run(&chain, &i.bo), 0);
	pf_chain_close(&chain);
	close_import(&i);
	pf_check_usable(-1);
}

/* Catches: imports, which are not the importer's to give away, that the shrinkers take. */
static void import_is_kept(const struct pb_exporter *exp)
{
	struct import i = open_import(exp);

	pf_write_pages(i.fd, &i.bo, PAGES, 2);
	pf_madvise_errno(&i.bo, PANFROST_MADV_DONTNEED);
	pf_run_shrinkers();
	check_view(&i.native, 2, "exporter's mapping");
	pf_write_pages(i.fd, &i.bo, PAGES, 3);
	check_view(&i.native, 3, "exporter's mapping");
	close_import(&i);
}

struct export {
	int fd;
	struct pf_bo bo;
	int dmabuf;
	struct pb_import imp;
	struct pb_view view;
};

static struct export open_export(const struct pb_device *dev)
{
	struct export e = { .fd = pf_open() };

	e.bo = pf_create(e.fd, SIZE, PANFROST_BO_NOEXEC);
	e.dmabuf = prime_handle_to_fd_for_mmap(e.fd, e.bo.handle);
	igt_assert_fd(e.dmabuf);
	pb_import(&e.imp, dev, e.dmabuf);
	e.view = pb_view_import(&e.imp, e.dmabuf, SIZE);
	return e;
}

static void close_export(struct export *e)
{
	pf_check_tables();
	pb_unview(&e->view);
	pb_import_close(&e->imp);
	close(e->dmabuf);
	pf_close(&e->bo);
	close(e->fd);
}

/* Catches: an importer that was given other pages than the GPU's. */
static void export_shows(const struct pb_device *dev)
{
	struct export e = open_export(dev);
	struct pb_view view;

	for (int seed = 2; seed < 6; seed++) {
		pf_write_pages(e.fd, &e.bo, PAGES, seed);
		check_view(&e.view, seed, "importer's mapping");
		view = pb_view_dmabuf(e.dmabuf, SIZE);
		check_view(&view, seed, "dma-buf's mapping");
		pb_unview(&view);
	}
	close_export(&e);
}

/* Catches: a scan-out of the GPU's buffers that is refused, or holds on to nothing. */
static void export_scans_out(const struct pb_device *dev)
{
	struct export e;
	uint32_t fb;

	pb_require_kms(dev);
	e = open_export(dev);
	igt_assert_eq(drmModeAddFB(e.imp.drm, 64, 64, 24, 32, 256, e.imp.handle, &fb), 0);
	pf_write_pages(e.fd, &e.bo, PAGES, 2);
	check_view(&e.view, 2, "importer's mapping");
	/* Only the framebuffer is left to hold the memory. */
	pb_import_close_handle(&e.imp);
	pf_close(&e.bo);
	check_view(&e.view, 2, "importer's mapping, the handles being gone");
	igt_assert_eq(drmModeRmFB(e.imp.drm, fb), 0);
	close_export(&e);
}

/* Catches: memory that goes with its maker although others still use it. */
static void export_outlives(const struct pb_device *dev)
{
	struct export e = open_export(dev);
	struct pb_view view;

	pf_write_pages(e.fd, &e.bo, PAGES, 2);
	pb_unview(&e.view);
	pf_close(&e.bo);
	close(e.fd);
	pf_check_usable(-1);
	e.fd = pf_open();
	view = pb_view_dmabuf(e.dmabuf, SIZE);
	check_view(&view, 2, "dma-buf's mapping");
	pb_write(&view, 3);
	pb_verify(&view, 3, "dma-buf's mapping");
	pb_unview(&view);
	e.bo = pf_wrap(e.fd, prime_fd_to_handle(e.fd, e.dmabuf), SIZE);
	pf_write_pages(e.fd, &e.bo, PAGES, 4);
	view = pb_view_dmabuf(e.dmabuf, SIZE);
	check_view(&view, 4, "dma-buf's mapping");
	pb_unview(&view);
	close_export(&e);
}

/* Catches: heaps in the hands of devices that want all of their memory. */
static void heap_is_refused(const struct pb_device *dev)
{
	const int fd = pf_open(), drm = pb_open(dev);
	struct pf_bo heap = pf_create(fd, PF_CHUNK, PANFROST_BO_HEAP | PANFROST_BO_NOEXEC);
	uint32_t handle;
	int dmabuf;

	if (!pb_export_errno(fd, heap.handle, DRM_RDWR, &dmabuf)) {
		igt_assert_eq(pb_import_errno(drm, dmabuf, &handle), EINVAL);
		close(dmabuf);
	}
	pf_close(&heap);
	close(drm);
	close(fd);
}

/* Catches: two files of one GPU whose page tables lead to different pages. */
static void two_files(void)
{
	const int fd = pf_open(), other = pf_open();
	struct pf_bo a = pf_create(fd, SIZE, PANFROST_BO_NOEXEC), b;
	const int dmabuf = prime_handle_to_fd_for_mmap(fd, a.handle);
	struct pb_view view = { .ptr = a.cpu, .len = SIZE, .sync = dmabuf };

	b = pf_wrap(other, prime_fd_to_handle(other, dmabuf), SIZE);
	for (int seed = 1; seed < 8; seed += 2) {
		pf_write_pages(fd, &a, PAGES, seed);
		check_view(&view, seed, "first file's");
		pf_write_pages(other, &b, PAGES, seed + 1);
		check_view(&view, seed + 1, "second file's");
	}
	pf_check_tables();
	pf_close(&a);
	close(fd);
	pf_write_pages(other, &b, PAGES, 9);
	view = pb_view_dmabuf(dmabuf, SIZE);
	check_view(&view, 9, "second file's, the first being gone");
	pb_unview(&view);
	pf_close(&b);
	close(other);
	close(dmabuf);
}

struct exporter_case {
	const char *name;
	const char *what;
	void (*run)(const struct pb_exporter *exp);
};

struct device_case {
	const char *name;
	const char *what;
	void (*run)(const struct pb_device *dev);
};

static const struct exporter_case imports[] = {
	{ "import-writes", "GPU writes arrive at the exporter", import_writes },
	{ "import-maps", "An import can be mapped", import_maps },
	{ "import-outlives", "The exporter ends first", import_outlives },
	{ "import-again", "One buffer, imported twice", import_again },
	{ "import-ends", "Behind the end of an import is nothing", import_ends },
	{ "import-is-kept", "Imports are not purged", import_is_kept },
};

static const struct device_case exports[] = {
	{ "export-shows", "GPU writes arrive at the importer", export_shows },
	{ "export-scans-out", "A framebuffer of a GPU buffer", export_scans_out },
	{ "export-outlives", "The GPU's file ends first", export_outlives },
	{ "export-heap-refused", "Heaps are not shared", heap_is_refused },
};

static const struct pf_case cases[] = {
	{ "two-files", "A buffer in two files of the GPU", two_files },
};

static const struct exporter_case *import_case;
static const struct device_case *export_case;

static void run_import(const struct pb_exporter *exp)
{
	pf_begin();
	import_case->run(exp);
	pf_finish();
}

static void run_export(const struct pb_device *dev)
{
	pf_begin();
	export_case->run(dev);
	pf_finish();
}

int igt_main()
{
	igt_fixture() {
		pf_setup();
		pb_setup();
	}
	for (import_case = imports; import_case < imports + ARRAY_SIZE(imports); import_case++) {
		igt_describe_f("%s", import_case->what);
		igt_subtest_with_dynamic(import_case->name)
			pb_run_exporters(run_import);
	}
	for (export_case = exports; export_case < exports + ARRAY_SIZE(exports); export_case++) {
		igt_describe_f("%s", export_case->what);
		igt_subtest_with_dynamic(export_case->name)
			pb_run_devices(run_export);
	}
	pf_run_cases(cases, ARRAY_SIZE(cases));
}
