// SPDX-License-Identifier: MIT
/**
 * TEST: prime backing lifetime
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME
 * Description: A shared buffer lives as long as anything refers to it, in whatever order the
 *              references go, and not longer.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Lifetime of buffers shared over PRIME: every order of letting go.");

#define SIZE (4 * pb_page)

static void check_left(struct pb_shared *s, uint64_t seed)
{
	/* Mappings bracket their accesses with the dma-buf only while it is there. */
	s->native.sync = s->via_dmabuf.sync = s->via_import.sync = s->buf.dmabuf;
	if (s->native.ptr)
		pb_verify(&s->native, seed, "exporter's mapping");
	if (s->via_dmabuf.ptr)
		pb_verify(&s->via_dmabuf, seed, "dma-buf's mapping");
	if (s->via_import.ptr)
		pb_verify(&s->via_import, seed, "importer's mapping");
}

/* All that is left is written through one mapping and read through the others. */
static void rewrite(struct pb_shared *s, struct pb_view *view, uint64_t seed)
{
	view->sync = s->buf.dmabuf;
	pb_write(view, seed);
	check_left(s, seed);
}

/* Catches: an import that borrows the exporter's handle reference. */
static void exporter_handle_first(const struct pb_pair *pair)
{
	struct pb_shared s;

	pb_share(&s, pair, SIZE);
	pb_write(&s.native, 1);
	pb_close_handle(&s.buf);
	check_left(&s, 1);
	rewrite(&s, &s.via_import, 2);
	igt_assert_eq_u32(prime_fd_to_handle(s.imp.drm, s.buf.dmabuf), s.imp.handle);
	pb_unshare(&s);
}

/* Catches: an importer's end that takes the exporter's pages or its dma map along. */
static void importer_handle_first(const struct pb_pair *pair)
{
	struct pb_shared s;

	pb_share(&s, pair, SIZE);
	pb_write(&s.via_import, 1);
	pb_import_close_handle(&s.imp);
	check_left(&s, 1);
	rewrite(&s, &s.native, 2);
	s.imp.handle = prime_fd_to_handle(s.imp.drm, s.buf.dmabuf);
	check_left(&s, 2);
	pb_unshare(&s);
}

/* Catches: an import that lives by the descriptor only. */
static void fd_first(const struct pb_pair *pair)
{
	struct pb_shared s;

	pb_share(&s, pair, SIZE);
	pb_write(&s.native, 1);
	pb_close_dmabuf(&s.buf);
	check_left(&s, 1);
	rewrite(&s, &s.via_import, 2);

	/* The import still leads to the dma-buf, and that to the same handle. */
	s.buf.dmabuf = prime_handle_to_fd_for_mmap(s.imp.drm, s.imp.handle);
	igt_assert_fd(s.buf.dmabuf);
	igt_assert_eq_u32(prime_fd_to_handle(s.imp.drm, s.buf.dmabuf), s.imp.handle);
	if (s.buf.handle)
		igt_assert_eq_u32(prime_fd_to_handle(s.buf.drm, s.buf.dmabuf), s.buf.handle);
	check_left(&s, 2);
	pb_unshare(&s);
}

/* Catches: cleaning up a file that frees what another device still uses. */
static void exporter_file_first(const struct pb_pair *pair)
{
	struct pb_shared s;

	pb_share(&s, pair, SIZE);
	pb_write(&s.native, 1);
	pb_close_file(&s.buf);
	check_left(&s, 1);
	pb_unview(&s.native);
	rewrite(&s, &s.via_import, 2);
	pb_unshare(&s);
}

/* Catches: an importer's file whose end detaches while mappings of the import live. */
static void importer_file_first(const struct pb_pair *pair)
{
	struct pb_shared s;

	pb_share(&s, pair, SIZE);
	pb_write(&s.native, 1);
	s.imp.handle = 0;	/* goes with the file */
	pb_import_close(&s.imp);
	check_left(&s, 1);
	rewrite(&s, &s.via_import, 2);
	pb_unshare(&s);
}

/* Catches: pages that go with the last handle, although they are mapped. */
static void mapping_last(const struct pb_pair *pair)
{
	struct pb_view *views[3];
	struct pb_shared s;

	for (int last = 0; last < 3; last++) {
		pb_share(&s, pair, SIZE);
		views[0] = &s.native;
		views[1] = &s.via_dmabuf;
		views[2] = &s.via_import;
		pb_write(views[last], 1);
		for (int i = 0; i < 3; i++) {
			if (i != last)
				pb_unview(views[i]);
		}
		pb_import_close(&s.imp);
		pb_destroy(&s.buf);
		check_left(&s, 1);
		rewrite(&s, views[last], 2);
		pb_unview(views[last]);
	}
}

static void let_go(struct pb_shared *s, int what, bool handle_too)
{
	switch (what) {
	case 0:
		if (handle_too)
			pb_close_handle(&s->buf);
		pb_close_file(&s->buf);
		break;
	case 1:
		pb_close_dmabuf(&s->buf);
		break;
	case 2:
		if (!handle_too)
			s->imp.handle = 0;
		pb_import_close(&s->imp);
		break;
	case 3:
		pb_unview(&s->native);
		break;
	case 4:
		pb_unview(&s->via_import);
		break;
	}
}

static void one_order(const struct pb_pair *pair, const uint32_t *order, bool handle_too)
{
	struct pb_shared s;

	pb_share(&s, pair, SIZE);
	pb_unview(&s.via_dmabuf);
	pb_write(&s.native, 1);
	for (int i = 0; i < 5; i++) {
		let_go(&s, order[i], handle_too);
		check_left(&s, 1);
	}
}

/* The n-th of the orders of five things. */
static void nth_order(uint32_t order[5], int n)
{
	for (int i = 0; i < 5; i++) {
		const int j = n % (i + 1);

		n /= i + 1;
		order[i] = i;
		order[i] = order[j];
		order[j] = i;
	}
}

/* Catches: the one order of letting go of files, dma-buf and mappings nobody thought of. */
static void all_orders(const struct pb_pair *pair)
{
	uint32_t order[5];

	for (int n = 0; n < 120; n++) {
		nth_order(order, n);
		one_order(pair, order, n % 2);
	}
}

/* Catches: a stale entry for a closed import: found again, although it is gone. */
static void reimport_after_close(const struct pb_pair *pair)
{
	struct pb_shared s;

	pb_share(&s, pair, SIZE);
	pb_write(&s.native, 1);
	for (int i = 0; i < 50; i++) {
		pb_unview(&s.via_import);
		pb_import_close_handle(&s.imp);
		s.imp.handle = prime_fd_to_handle(s.imp.drm, s.buf.dmabuf);
		s.via_import = pb_view_import(&s.imp, s.buf.dmabuf, s.buf.size);
		check_left(&s, 1);
	}
	pb_unshare(&s);
}

/* Catches: a second export that finds nothing, or another buffer, after the first is gone. */
static void export_again(const struct pb_pair *pair)
{
	struct pb_import imp;
	struct pb_view view;
	struct pb_buf buf;

	igt_require_f(pair->exp->kind == PB_GEM, "%s exports once\n", pair->exp->name);
	pb_create(&buf, pair->exp, SIZE);
	for (int i = 0; i < 10; i++) {
		view = pb_view_native(&buf);
		pb_write(&view, i);
		pb_unview(&view);
		pb_import(&imp, pair->imp, buf.dmabuf);
		view = pb_view_import(&imp, buf.dmabuf, buf.size);
		pb_verify(&view, i, "importer's mapping");
		pb_unview(&view);
		pb_import_close(&imp);
		pb_close_dmabuf(&buf);
		buf.dmabuf = prime_handle_to_fd_for_mmap(buf.drm, buf.handle);
		igt_assert_fd(buf.dmabuf);
	}
	pb_destroy(&buf);
}

/* Catches: references of a process that are not dropped when it is killed. */
static void killed_owner(const struct pb_pair *pair)
{
	struct pb_shared s;
	char name[32], byte;
	int pipes[2], status;
	pid_t pid;

	snprintf(name, sizeof(name), "pb-killed-%d", getpid());
	igt_assert_eq(pb_count_named(name), 0);
	igt_assert_eq(pipe(pipes), 0);
	fflush(NULL);
	pid = fork();
	igt_assert(pid >= 0);
	if (pid == 0) {
		pb_share(&s, pair, SIZE);
		pb_name(s.buf.dmabuf, name);
		pb_write(&s.via_import, 1);
		if (write(pipes[1], "r", 1) == 1)
			pause();
		_exit(1);
	}
	close(pipes[1]);
	igt_assert_eq(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	igt_assert_eq(pb_count_named(name), 1);
	igt_assert_eq(kill(pid, SIGKILL), 0);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert(WIFSIGNALED(status));
	igt_assert_eq(pb_count_named(name), 0);
}

static void name_and_let_go(const struct pb_pair *pair, const char *prefix, int i)
{
	char name[32];
	struct pb_shared s;
	uint32_t order[5];

	snprintf(name, sizeof(name), "%s-%d", prefix, i);
	pb_share(&s, pair, SIZE);
	pb_name(s.buf.dmabuf, name);
	pb_write(&s.native, i);
	igt_assert_eq(pb_count_named(prefix), 1);
	pb_unview(&s.via_dmabuf);
	nth_order(order, i * 7 % 120);
	for (int step = 0; step < 5; step++)
		let_go(&s, order[step], i % 2);
	igt_assert_eq(pb_count_named(prefix), 0);
}

/* Catches: a dma-buf that outlives its last user: a cycle of references, a missed put. */
static void no_dmabuf_left(const struct pb_pair *pair)
{
	char prefix[24];

	snprintf(prefix, sizeof(prefix), "pb-left-%d", getpid());
	for (int i = 0; i < 20; i++)
		name_and_let_go(pair, prefix, i);
}

/* Catches: pages that stay although object and dma-buf are gone: a missed put per page. */
static void no_memory_left(const struct pb_pair *pair)
{
	enum { MIB = 2, ROUNDS = 32 };
	struct pb_shared s;
	long before;

	pb_share(&s, pair, MIB << 20);		/* whatever is allocated once, is now */
	pb_unshare(&s);
	before = pb_meminfo("MemAvailable:");
	for (int i = 0; i < ROUNDS; i++) {
		pb_share(&s, pair, MIB << 20);
		pb_mark(&s.native, i, 16);
		pb_unshare(&s);
	}
	/* A quarter of what went through is far more than noise and far less than a leak. */
	igt_assert_lte(before - pb_meminfo("MemAvailable:"), MIB * 1024 * ROUNDS / 4);
}

/* Catches: pages given back to the system without their lock on reclaim: lost content. */
static void survives_reclaim(const struct pb_pair *pair)
{
	struct pb_shared s;
	int fd;

	pb_share(&s, pair, SIZE);
	pb_write(&s.native, 1);
	pb_unview(&s.native);
	pb_unview(&s.via_dmabuf);
	pb_unview(&s.via_import);
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	igt_require_f(fd >= 0, "cannot make the kernel reclaim\n");
	igt_assert_eq(write(fd, "3", 1), 1);
	close(fd);
	s.via_import = pb_view_import(&s.imp, s.buf.dmabuf, s.buf.size);
	check_left(&s, 1);
	pb_unshare(&s);
}

/* Writes, and gives back, a buffer of this kind; the system's own pages without. */
static void dirty_memory(const struct pb_exporter *exp, uint64_t size)
{
	struct pb_view view = { .len = size, .sync = -1 };
	struct pb_buf buf;

	if (exp) {
		pb_create(&buf, exp, size);
		view = pb_view_native(&buf);
	} else {
		view.ptr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		igt_assert(view.ptr != MAP_FAILED);
	}
	pb_write(&view, 7);
	pb_unview(&view);
	if (exp)
		pb_destroy(&buf);
}

static void verify_zero(const struct pb_view *view, const char *was, const char *what)
{
	if (view->sync >= 0)
		prime_sync_start(view->sync, false);
	for (size_t i = 0; i < view->len; i++)
		igt_assert_f(!view->ptr[i], "%s: byte %#zx of what was %s memory is %#x\n", what, i, was,
			     view->ptr[i]);
	if (view->sync >= 0)
		prime_sync_end(view->sync, false);
}

/* The importer looks first: nobody else has made the memory appear. */
static void zero_after(const struct pb_exporter *before, const struct pb_pair *pair)
{
	const char *was = before ? before->name : "anonymous";
	struct pb_shared s;

	dirty_memory(before, 256 * pb_page);
	pb_share(&s, pair, 64 * pb_page);
	verify_zero(&s.via_import, was, "importer's mapping");
	verify_zero(&s.via_dmabuf, was, "dma-buf's mapping");
	verify_zero(&s.native, was, "exporter's mapping");
	pb_unshare(&s);
}

/* Catches: what another kind of buffer, or a process, left in memory shown to an importer. */
static void recycled_is_zero(const struct pb_pair *pair)
{
	zero_after(NULL, pair);
	for (int e = 0; e < pb_n_exporters; e++) {
		if (!pb_exporters[e].missing)
			zero_after(&pb_exporters[e], pair);
	}
}

static const struct pb_case cases[] = {
	{ "exporter-handle-first", "The exporter's handle goes first", exporter_handle_first },
	{ "importer-handle-first", "The importer's handle goes first", importer_handle_first },
	{ "fd-first", "The dma-buf's descriptor goes first", fd_first },
	{ "exporter-file-first", "The exporter's device file goes first", exporter_file_first },
	{ "importer-file-first", "The importer's device file goes first", importer_file_first },
	{ "mapping-last", "A mapping outlives everything else", mapping_last },
	{ "all-orders", "All orders of letting go", all_orders },
	{ "reimport-after-close", "Import, close, import again", reimport_after_close },
	{ "export-again", "Export, close, export again", export_again },
	{ "killed-owner", "The process that held everything is killed", killed_owner },
	{ "no-dmabuf-left", "No dma-buf is left when all let go", no_dmabuf_left },
	{ "no-memory-left", "No memory is left when all let go", no_memory_left },
	{ "survives-reclaim", "Shared pages are not reclaimed", survives_reclaim },
	{ "recycled-is-zero", "Memory of any kind that was used before is zero for an importer",
	  recycled_is_zero },
};

/* Catches: handles that still work, or are given up twice, after they were closed. */
static void closed_handle(const struct pb_device *dev)
{
	const int drm = pb_open(dev);
	uint32_t handle;

	igt_assert_eq(pb_dumb_create(drm, pb_page / 4, 1, 32, &handle, NULL, NULL), 0);
	igt_assert_eq(pb_gem_close_errno(drm, handle), 0);
	igt_assert_eq(pb_gem_close_errno(drm, handle), EINVAL);
	igt_assert_eq(pb_gem_close_errno(drm, 0), EINVAL);
	igt_assert_eq(pb_map_offset(drm, handle), -ENOENT);
	close(drm);
}

/* Catches: mapping by an offset whose buffer is gone, or is another file's. */
static void stale_offset(const struct pb_device *dev)
{
	const int drm = pb_open(dev), other = pb_open(dev);
	uint32_t handle;
	int64_t offset;

	igt_assert_eq(pb_dumb_create(drm, pb_page / 4, 1, 32, &handle, NULL, NULL), 0);
	offset = pb_map_offset(drm, handle);
	igt_assert(offset > 0);
	errno = 0;
	igt_assert(mmap(NULL, pb_page, PROT_READ, MAP_SHARED, other, offset) == MAP_FAILED);
	igt_assert_eq(errno, EACCES);
	gem_close(drm, handle);
	igt_assert(mmap(NULL, pb_page, PROT_READ, MAP_SHARED, drm, offset) == MAP_FAILED);
	igt_assert_eq(errno, EINVAL);
	close(other);
	close(drm);
}

/* Catches: a descriptor that is there although the call that should tell it failed. */
static void unwritable_argument(const struct pb_device *dev)
{
	struct drm_prime_handle *arg = mmap(NULL, pb_page, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const int drm = pb_open(dev);
	int before, fd;

	igt_assert(arg != MAP_FAILED);
	igt_assert_eq(pb_dumb_create(drm, pb_page / 4, 1, 32, &arg->handle, NULL, NULL), 0);
	arg->flags = DRM_CLOEXEC | DRM_RDWR;
	arg->fd = -1;
	igt_assert_eq(mprotect(arg, pb_page, PROT_READ), 0);
	before = pb_next_fd();
	errno = 0;
	igt_assert_eq(drmIoctl(drm, DRM_IOCTL_PRIME_HANDLE_TO_FD, arg), -1);
	igt_assert_eq(errno, EFAULT);
	igt_assert_eq(pb_next_fd(), before);
	igt_assert_eq(pb_export_errno(drm, arg->handle, DRM_CLOEXEC | DRM_RDWR, &fd), 0);
	close(fd);
	munmap(arg, pb_page);
	close(drm);
}

/* Catches: memory of the buffer before shown to whoever allocates next. */
static void fresh_is_zero(const struct pb_exporter *exp)
{
	struct pb_view view;
	struct pb_buf buf;

	for (int round = 0; round < 4; round++) {
		pb_create(&buf, exp, 64 * pb_page);
		view = pb_view_native(&buf);
		for (size_t i = 0; i < view.len; i++)
			igt_assert_f(view.ptr[i] == 0, "byte %zu of a new buffer is %#x\n", i,
				     view.ptr[i]);
		pb_write(&view, 3);
		pb_unview(&view);
		pb_destroy(&buf);
	}
}

int igt_main()
{
	igt_fixture()
		pb_setup();

	pb_run_pairs(cases, ARRAY_SIZE(cases));

	igt_describe("A closed handle is none");
	igt_subtest_with_dynamic("closed-handle")
		pb_run_devices(closed_handle);

	igt_describe("An offset maps nothing for strangers or when the buffer is gone");
	igt_subtest_with_dynamic("stale-offset")
		pb_run_devices(stale_offset);

	igt_describe("An export that cannot tell its descriptor leaves none");
	igt_subtest_with_dynamic("unwritable-argument")
		pb_run_devices(unwritable_argument);

	igt_describe("A new buffer is zero");
	igt_subtest_with_dynamic("fresh-is-zero")
		pb_run_exporters(fresh_is_zero);
}
