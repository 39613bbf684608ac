// SPDX-License-Identifier: MIT
/**
 * TEST: prime backing fence
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME, sync_file
 * Description: The fences of a shared buffer are the same for whoever holds it: its dma-buf, its
 *              exporter and its importers.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "igt.h"
#include "prime_backing_lib.h"
#include "vgem_drm.h"

IGT_TEST_DESCRIPTION("Fences of buffers shared over PRIME, put in and taken out as sync_files.");

#define SIZE (4 * pb_page)

static int export_fence(int dmabuf, uint32_t flags)
{
	int file = -1;

	igt_assert_eq(pb_fence_export_errno(dmabuf, flags, &file), 0);
	igt_assert_fd(file);
	return file;
}

static void signal_fence(const struct pb_fence *fence)
{
	igt_assert_eq(pb_fence_signal_errno(fence->drm, fence->id), 0);
}

static bool ready(int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	igt_assert_lte(0, poll(&poll_fd, 1, 0));
	igt_assert_eq(poll_fd.revents & (POLLERR | POLLNVAL), 0);
	return poll_fd.revents & events;
}

/* Has what somebody with such access has to wait for happened already? */
static bool exported_ready(int dmabuf, uint32_t flags)
{
	const int file = export_fence(dmabuf, flags);
	const bool is_ready = ready(file, POLLIN);

	close(file);
	return is_ready;
}

/* A reader waits for who writes, a writer for everybody; poll() and sync_files agree on that. */
static void check_waits(int dmabuf, bool reader, bool writer)
{
	igt_assert_eq(!exported_ready(dmabuf, DMA_BUF_SYNC_READ), reader);
	igt_assert_eq(!exported_ready(dmabuf, DMA_BUF_SYNC_WRITE), writer);
	igt_assert_eq(!exported_ready(dmabuf, DMA_BUF_SYNC_RW), writer);
	igt_assert_eq(!ready(dmabuf, POLLIN), reader);
	igt_assert_eq(!ready(dmabuf, POLLOUT), writer);
}

/* The same by the dma-buf that the importer gives out for its handle. */
static void check_all_wait(const struct pb_shared *s, bool reader, bool writer)
{
	const int again = prime_handle_to_fd(s->imp.drm, s->imp.handle);

	check_waits(s->buf.dmabuf, reader, writer);
	check_waits(again, reader, writer);
	close(again);
}

/* Catches: a fence that is there from the start, and one that a buffer in use leaves behind. */
static void idle(const struct pb_pair *pair)
{
	struct pb_shared s;

	pb_share(&s, pair, SIZE);
	check_all_wait(&s, false, false);
	pb_write(&s.via_import, 1);
	pb_verify(&s.native, 1, "exporter's mapping");
	check_all_wait(&s, false, false);
	pb_unshare(&s);
}

static void imported(const struct pb_pair *pair, uint32_t flags, bool reader)
{
	struct pb_fence fence;
	struct pb_shared s;

	pb_fence_make(&fence);
	pb_share(&s, pair, SIZE);
	igt_assert_eq(pb_fence_import_errno(s.buf.dmabuf, flags, fence.file), 0);
	check_all_wait(&s, reader, true);
	signal_fence(&fence);
	check_all_wait(&s, false, false);
	pb_fence_close(&fence);
	pb_unshare(&s);
}

/* Catches: a writer that readers do not wait for. */
static void write_fence(const struct pb_pair *pair)
{
	imported(pair, DMA_BUF_SYNC_WRITE, true);
	imported(pair, DMA_BUF_SYNC_RW, true);
}

/* Catches: a reader that readers wait for, or that is forgotten when somebody writes. */
static void read_fence(const struct pb_pair *pair)
{
	imported(pair, DMA_BUF_SYNC_READ, false);
}

/* Catches: a list of fences that holds one, or is over when the first of them is. */
static void many_fences(const struct pb_pair *pair)
{
	enum { COUNT = 12 };
	struct pb_fence fences[COUNT];
	struct pb_shared s;

	pb_share(&s, pair, SIZE);
	for (int i = 0; i < COUNT; i++) {
		pb_fence_make(&fences[i]);
		igt_assert_eq(pb_fence_import_errno(s.buf.dmabuf, DMA_BUF_SYNC_READ, fences[i].file), 0);
	}
	for (int i = 0; i < COUNT; i++) {
		check_all_wait(&s, false, true);
		signal_fence(&fences[i * 5 % COUNT]);
	}
	check_all_wait(&s, false, false);
	for (int i = 0; i < COUNT; i++)
		pb_fence_close(&fences[i]);
	pb_unshare(&s);
}

/* One of vgem's handles of the buffer: fences that the driver puts there, and those it finds. */
static void attached_to(const struct pb_shared *s, int drm, uint32_t handle)
{
	struct pb_fence fence;
	uint32_t id = 0, other;

	igt_assert_eq(pb_fence_attach_errno(drm, handle, VGEM_FENCE_WRITE, &id), 0);
	check_all_wait(s, true, true);
	igt_assert_eq(pb_fence_attach_errno(drm, handle, VGEM_FENCE_WRITE, &other), EBUSY);
	igt_assert_eq(pb_fence_signal_errno(drm, id), 0);
	check_all_wait(s, false, false);

	pb_fence_make(&fence);
	igt_assert_eq(pb_fence_import_errno(s->buf.dmabuf, DMA_BUF_SYNC_WRITE, fence.file), 0);
	igt_assert_eq(pb_fence_attach_errno(drm, handle, 0, &other), EBUSY);
	signal_fence(&fence);
	igt_assert_eq(pb_fence_attach_errno(drm, handle, 0, &id), 0);
	check_all_wait(s, false, true);
	igt_assert_eq(pb_fence_signal_errno(drm, id), 0);
	pb_fence_close(&fence);
}

/* Catches: a buffer whose driver keeps fences in a reservation object that nobody else looks at. */
static void attached(const struct pb_pair *pair)
{
	const bool by_exporter = pair->exp->kind == PB_GEM && pb_is_vgem(pair->exp->dev);
	const bool by_importer = pb_is_vgem(pair->imp);
	struct pb_shared s;

	igt_require_f(by_exporter || by_importer, "only vgem attaches fences of ours\n");
	pb_share(&s, pair, SIZE);
	if (by_exporter)
		attached_to(&s, s.buf.drm, s.buf.handle);
	if (by_importer)
		attached_to(&s, s.imp.drm, s.imp.handle);
	pb_unshare(&s);
}

/* Whether the fence had signalled when the CPU was let in. */
static bool begin_waits(const struct pb_shared *s, uint32_t flags, bool write)
{
	atomic_bool *signalled = mmap(NULL, pb_page, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct pb_fence fence;
	bool waited;

	igt_assert(signalled != MAP_FAILED);
	pb_fence_make(&fence);
	igt_assert_eq(pb_fence_import_errno(s->buf.dmabuf, flags, fence.file), 0);
	igt_fork(child, 1) {
		usleep(50000);
		atomic_store(signalled, true);
		signal_fence(&fence);
	}
	prime_sync_start(s->buf.dmabuf, write);
	waited = atomic_load(signalled);
	prime_sync_end(s->buf.dmabuf, write);
	igt_waitchildren();
	pb_fence_close(&fence);
	igt_assert_eq(munmap(signalled, pb_page), 0);
	return waited;
}

/* Catches: the CPU let in while a device still writes, or while one reads what is overwritten. */
static void cpu_access(const struct pb_pair *pair)
{
	struct pb_fence fence;
	struct pb_shared s;

	pb_share(&s, pair, SIZE);
	igt_assert(begin_waits(&s, DMA_BUF_SYNC_WRITE, false));
	igt_assert(begin_waits(&s, DMA_BUF_SYNC_WRITE, true));
	igt_assert(begin_waits(&s, DMA_BUF_SYNC_READ, true));

	/* Two readers do not disturb each other: else this takes until vgem gives up. */
	pb_fence_make(&fence);
	igt_assert_eq(pb_fence_import_errno(s.buf.dmabuf, DMA_BUF_SYNC_READ, fence.file), 0);
	prime_sync_start(s.buf.dmabuf, false);
	prime_sync_end(s.buf.dmabuf, false);
	signal_fence(&fence);
	pb_fence_close(&fence);
	pb_unshare(&s);
}

/* Catches: a fence freed with the buffer that it was in, or a buffer that waits for its fence. */
static void outlives(const struct pb_pair *pair)
{
	struct pb_fence fence;
	struct pb_shared s;
	int file;

	for (int by_close = 0; by_close < 2; by_close++) {
		pb_fence_make(&fence);
		pb_share(&s, pair, SIZE);
		igt_assert_eq(pb_fence_import_errno(s.buf.dmabuf, DMA_BUF_SYNC_WRITE, fence.file), 0);
		file = export_fence(s.buf.dmabuf, DMA_BUF_SYNC_RW);
		pb_unshare(&s);
		igt_assert(!ready(file, POLLIN));
		if (!by_close)
			signal_fence(&fence);
		pb_fence_close(&fence);
		igt_assert(ready(file, POLLIN));
		close(file);
	}
}

static bool has_event(int drm, int timeout_ms)
{
	struct pollfd fd = { .fd = drm, .events = POLLIN };
	char event[256];

	if (poll(&fd, 1, timeout_ms) != 1)
		return false;
	igt_assert_lte(1, read(drm, event, sizeof(event)));
	return true;
}

/* Catches: a frame shown before it is drawn: fences of the import that scan-out does not see. */
static void scanout(const struct pb_pair *pair)
{
	struct pb_import imp = { .dev = pair->imp };
	struct pb_output out;
	struct pb_fence fence;
	struct pb_buf buf;
	uint32_t pitch, fb = 0;

	pb_require_kms(pair->imp);
	pb_fence_make(&fence);
	imp.drm = pb_open(pair->imp);
	pb_require_output(&out, imp.drm);
	pitch = 4 * out.mode.hdisplay;
	pb_create(&buf, pair->exp, ((uint64_t)pitch * out.mode.vdisplay + pb_page - 1) & -pb_page);
	imp.handle = prime_fd_to_handle(imp.drm, buf.dmabuf);
	igt_assert_eq(pb_add_fb(imp.drm, imp.handle, out.mode.hdisplay, out.mode.vdisplay, pitch, 0,
				&fb), 0);
	pb_show(&out, fb);
	igt_assert_eq(pb_fence_import_errno(buf.dmabuf, DMA_BUF_SYNC_WRITE, fence.file), 0);
	igt_assert_eq(drmModePageFlip(imp.drm, out.crtc, fb, DRM_MODE_PAGE_FLIP_EVENT, NULL), 0);
	igt_assert(!has_event(imp.drm, 100));
	signal_fence(&fence);
	igt_assert(has_event(imp.drm, 5000));
	igt_assert_eq(drmModeRmFB(imp.drm, fb), 0);
	pb_fence_close(&fence);
	pb_import_close(&imp);
	pb_destroy(&buf);
}

static const struct pb_case cases[] = {
	{ "idle", "Nobody waits for a buffer without a fence", idle },
	{ "write-fence", "Who writes is waited for by all", write_fence },
	{ "read-fence", "Who reads is waited for by who writes", read_fence },
	{ "many-fences", "The last of many readers is waited for", many_fences },
	{ "attached", "Fences of the drivers are those of the dma-buf", attached },
	{ "cpu-access", "CPU access begins when the fences have signalled", cpu_access },
	{ "outlives", "A fence outlives its buffer", outlives },
	{ "scanout", "A frame is shown when its fence has signalled", scanout },
};

static void refused_files(int dmabuf)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int files[] = { -1, 1 << 20, null, dmabuf };

	igt_assert_fd(null);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		igt_assert_eq(pb_fence_import_errno(dmabuf, DMA_BUF_SYNC_WRITE, files[i]), EINVAL);
	close(null);
}

static void refused_flags(int dmabuf, int file)
{
	static const uint32_t bad[] = { 0, DMA_BUF_SYNC_END, 8, DMA_BUF_SYNC_RW | 8, 1u << 31, ~0u };
	int none = -1;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		igt_assert_eq(pb_fence_export_errno(dmabuf, bad[i], &none), EINVAL);
		igt_assert_eq(pb_fence_import_errno(dmabuf, bad[i], file), EINVAL);
	}
	igt_assert_eq(none, -1);
}

/* Catches: flags and descriptors of another kind taken for what they are not. */
static void refused(const struct pb_exporter *exp)
{
	struct pb_fence fence;
	struct pb_buf buf;
	int before;

	pb_fence_make(&fence);
	pb_create(&buf, exp, SIZE);
	before = pb_next_fd();
	refused_files(buf.dmabuf);
	refused_flags(buf.dmabuf, fence.file);
	igt_assert_eq(pb_next_fd(), before);
	/* Nothing of it went in. */
	check_waits(buf.dmabuf, false, false);
	signal_fence(&fence);
	pb_fence_close(&fence);
	pb_destroy(&buf);
}

/* An argument that can be read, but not written. */
static int export_readonly_errno(int dmabuf)
{
	struct dma_buf_export_sync_file *args = mmap(NULL, pb_page, PROT_READ | PROT_WRITE,
						     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	igt_assert(args != MAP_FAILED);
	args->flags = DMA_BUF_SYNC_RW;
	igt_assert_eq(mprotect(args, pb_page, PROT_READ), 0);
	err = ioctl(dmabuf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, args) ? errno : 0;
	igt_assert_eq(munmap(args, pb_page), 0);
	return err;
}

/* Catches: a descriptor, or a fence's reference, that an export leaves which comes to nothing. */
static void no_descriptor(const struct pb_exporter *exp)
{
	struct pb_fence fence;
	struct pb_buf buf;
	int before, err, none = -1;

	pb_fence_make(&fence);
	pb_create(&buf, exp, SIZE);
	igt_assert_eq(pb_fence_import_errno(buf.dmabuf, DMA_BUF_SYNC_WRITE, fence.file), 0);
	before = pb_next_fd();
	pb_no_descriptor();
	err = pb_fence_export_errno(buf.dmabuf, DMA_BUF_SYNC_RW, &none);
	pb_any_descriptor();
	igt_assert_eq(err, EMFILE);
	igt_assert_eq(export_readonly_errno(buf.dmabuf), EFAULT);
	igt_assert_eq(pb_next_fd(), before);
	check_waits(buf.dmabuf, true, true);
	signal_fence(&fence);
	check_waits(buf.dmabuf, false, false);
	pb_fence_close(&fence);
	pb_destroy(&buf);
}

int igt_main()
{
	igt_fixture()
		pb_setup();

	pb_run_pairs(cases, ARRAY_SIZE(cases));

	igt_describe("What is no sync_file, and unknown flags, are refused");
	igt_subtest_with_dynamic("refused")
		pb_run_exporters(refused);

	igt_describe("A sync_file that cannot be given out leaves nothing");
	igt_subtest_with_dynamic("no-descriptor")
		pb_run_exporters(no_descriptor);
}
