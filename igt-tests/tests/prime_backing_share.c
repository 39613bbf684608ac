// SPDX-License-Identifier: MIT
/**
 * TEST: prime backing share
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME
 * Description: The bytes of a buffer are the same through every way to reach them, whichever
 *              driver made it and whichever imported it; and what must be refused is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "igt.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Content and identity of buffers shared over PRIME between any two drivers.");

#define SIZE (8 * pb_page)

static void verify_everywhere(const struct pb_shared *s, uint64_t seed)
{
	pb_verify(&s->native, seed, "exporter's mapping");
	pb_verify(&s->via_dmabuf, seed, "dma-buf's mapping");
	pb_verify(&s->via_import, seed, "importer's mapping");
}

/* Catches: an import that has pages of its own, or the right ones in the wrong order. */
static void exporter_writes(const struct pb_pair *pair)
{
	struct pb_shared s;

	pb_share(&s, pair, SIZE);
	pb_write(&s.native, 1);
	verify_everywhere(&s, 1);
	pb_unshare(&s);
}

/* Catches: an importer's mapping that is a copy, or is lost before the exporter looks. */
static void importer_writes(const struct pb_pair *pair)
{
	struct pb_shared s;

	pb_share(&s, pair, SIZE);
	pb_write(&s.via_import, 2);
	verify_everywhere(&s, 2);
	pb_unshare(&s);
}

/* Catches: dma-buf mmap that goes to other pages than the two drivers' own mmap. */
static void dmabuf_writes(const struct pb_pair *pair)
{
	struct pb_shared s;

	pb_share(&s, pair, SIZE);
	pb_write(&s.via_dmabuf, 3);
	verify_everywhere(&s, 3);
	pb_unshare(&s);
}

/* Catches: a page that only some of the mappings agree on, e.g. at a run's end. */
static void interleaved_writes(const struct pb_pair *pair)
{
	const struct pb_view *views[3];
	struct pb_shared s;

	pb_share(&s, pair, SIZE);
	views[0] = &s.native;
	views[1] = &s.via_import;
	views[2] = &s.via_dmabuf;
	for (long pos = 0; pos < SIZE; pos += 512)
		pb_fill(views[pos / 512 % 3]->ptr + pos, pos, 512, 4);
	verify_everywhere(&s, 4);
	pb_unshare(&s);
}

/* Catches: an importer whose own mmap, refused officially, leads to no or other pages. */
static void importer_mmap(const struct pb_pair *pair)
{
	struct pb_import imp;
	struct pb_view native, view;
	struct pb_buf buf;
	int64_t offset;

	pb_create(&buf, pair->exp, SIZE);
	native = pb_view_native(&buf);
	pb_import(&imp, pair->imp, buf.dmabuf);
	offset = pb_find_offset(imp.drm);
	igt_require_f(offset > 0, "importer maps no imports\n");
	view = native;
	view.ptr = mmap(NULL, buf.size, PROT_READ | PROT_WRITE, MAP_SHARED, imp.drm, offset);
	igt_assert(view.ptr != MAP_FAILED);
	pb_write(&native, 12);
	pb_verify(&view, 12, "importer's own mapping");
	pb_write(&view, 13);
	pb_verify(&native, 13, "exporter's mapping");

	pb_import_close(&imp);
	pb_verify(&view, 13, "mapping of the closed importer");
	pb_unview(&view);
	pb_unview(&native);
	pb_destroy(&buf);
}

/* Catches: content from before the import that is dropped or zeroed by importing. */
static void content_before_import(const struct pb_pair *pair)
{
	struct pb_import imp;
	struct pb_view view;
	struct pb_buf buf;

	pb_create(&buf, pair->exp, SIZE);
	view = pb_view_native(&buf);
	pb_write(&view, 5);
	pb_unview(&view);

	pb_import(&imp, pair->imp, buf.dmabuf);
	view = pb_view_import(&imp, buf.dmabuf, buf.size);
	pb_verify(&view, 5, "importer's mapping");
	pb_unview(&view);
	pb_import_close(&imp);
	pb_destroy(&buf);
}

/* Catches: a missing lookup of known buffers: aliases of one buffer under two handles. */
static void reimport_same_handle(const struct pb_pair *pair)
{
	struct pb_import imp;
	struct pb_buf buf;
	int dup_fd;

	pb_create(&buf, pair->exp, SIZE);
	pb_import(&imp, pair->imp, buf.dmabuf);
	for (int i = 0; i < 3; i++)
		igt_assert_eq_u32(prime_fd_to_handle(imp.drm, buf.dmabuf), imp.handle);

	/* A duplicate of the descriptor is the same buffer too. */
	dup_fd = dup(buf.dmabuf);
	igt_assert_fd(dup_fd);
	igt_assert_eq_u32(prime_fd_to_handle(imp.drm, dup_fd), imp.handle);
	close(dup_fd);
	pb_import_close(&imp);
	pb_destroy(&buf);
}

static void assert_same_file(int a, int b)
{
	struct stat sa, sb;

	igt_assert_eq(fstat(a, &sa), 0);
	igt_assert_eq(fstat(b, &sb), 0);
	igt_assert_eq_u64(sa.st_dev, sb.st_dev);
	igt_assert_eq_u64(sa.st_ino, sb.st_ino);
}

/* Catches: an import that is exported as a new dma-buf: chains of exporters, double frees. */
static void reexport_same_dmabuf(const struct pb_pair *pair)
{
	struct pb_import imp;
	struct pb_buf buf;
	int again;

	pb_create(&buf, pair->exp, SIZE);
	pb_import(&imp, pair->imp, buf.dmabuf);
	again = prime_handle_to_fd(imp.drm, imp.handle);
	assert_same_file(again, buf.dmabuf);
	close(again);
	pb_import_close(&imp);
	pb_destroy(&buf);
}

/* Catches: an export that is not entered where imports are looked up: two handles of one file. */
static void self_import(const struct pb_device *dev)
{
	struct pb_exporter exp = { .kind = PB_GEM, .dev = dev };
	struct pb_buf buf;

	pb_create(&buf, &exp, SIZE);
	for (int i = 0; i < 3; i++)
		igt_assert_eq_u32(prime_fd_to_handle(buf.drm, buf.dmabuf), buf.handle);
	pb_destroy(&buf);
}

/* Catches: a second object (and a dma map to itself) for a buffer that is the device's own. */
static void self_import_other_file(const struct pb_device *dev)
{
	struct pb_exporter exp = { .kind = PB_GEM, .dev = dev };
	const struct pb_pair pair = { .exp = &exp, .imp = dev };
	struct pb_shared s;
	int again;

	pb_share(&s, &pair, SIZE);
	pb_write(&s.via_import, 6);
	verify_everywhere(&s, 6);
	/* The same object: its offset for mmap is the same in both files. */
	igt_assert_eq_u64(pb_map_offset(s.buf.drm, s.buf.handle),
			  pb_map_offset(s.imp.drm, s.imp.handle));
	again = prime_handle_to_fd(s.imp.drm, s.imp.handle);
	assert_same_file(again, s.buf.dmabuf);
	close(again);
	pb_unshare(&s);
}

/* Catches: an importer that takes the buffer for itself; wrong counting of attachments. */
static void every_importer(const struct pb_exporter *exp)
{
	struct pb_import imp[PB_MAX_DEVICES];
	struct pb_view view[PB_MAX_DEVICES];
	struct pb_buf buf;

	pb_create(&buf, exp, SIZE);
	for (int i = 0; i < pb_n_devices; i++) {
		pb_import(&imp[i], &pb_devices[i], buf.dmabuf);
		view[i] = pb_view_import(&imp[i], buf.dmabuf, buf.size);
	}
	for (int writer = 0; writer < pb_n_devices; writer++) {
		pb_write(&view[writer], 7 + writer);
		for (int reader = 0; reader < pb_n_devices; reader++)
			pb_verify(&view[reader], 7 + writer, pb_devices[reader].name);
	}
	for (int i = 0; i < pb_n_devices; i++) {
		pb_unview(&view[i]);
		pb_import_close(&imp[i]);
		for (int left = i + 1; left < pb_n_devices; left++)
			pb_verify(&view[left], 6 + pb_n_devices, pb_devices[left].name);
	}
	pb_destroy(&buf);
}

/* Catches: per-file state kept per device: the first close takes it from the other file. */
static void two_importing_files(const struct pb_pair *pair)
{
	struct pb_import other;
	struct pb_view view;
	struct pb_shared s;

	pb_share(&s, pair, SIZE);
	pb_import(&other, pair->imp, s.buf.dmabuf);
	view = pb_view_import(&other, s.buf.dmabuf, s.buf.size);
	pb_write(&view, 8);
	verify_everywhere(&s, 8);

	pb_unview(&s.via_import);
	pb_import_close(&s.imp);
	pb_verify(&view, 8, "file that is left");
	igt_assert_eq_u32(prime_fd_to_handle(other.drm, s.buf.dmabuf), other.handle);
	pb_unview(&view);
	pb_import_close(&other);
	pb_unshare(&s);
}

/* Catches: a re-export that holds its own importer instead of the first exporter. */
static void chain(const struct pb_pair *pair)
{
	const struct pb_device *last = &pb_devices[pb_n_devices - 1];
	struct pb_import middle, end;
	struct pb_view native, view;
	struct pb_buf buf;
	int again;

	pb_create(&buf, pair->exp, SIZE);
	native = pb_view_native(&buf);
	pb_import(&middle, pair->imp, buf.dmabuf);
	again = prime_handle_to_fd_for_mmap(middle.drm, middle.handle);
	igt_assert_fd(again);
	pb_import(&end, last, again);
	pb_import_close(&middle);

	view = pb_view_import(&end, again, buf.size);
	pb_write(&view, 9);
	pb_verify(&native, 9, "exporter's mapping");
	pb_unview(&view);
	pb_unview(&native);
	pb_import_close(&end);
	close(again);
	pb_destroy(&buf);
}

static void send_fd(int sock, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { };
	struct iovec iov = { .iov_base = &(char){ 'f' }, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	igt_assert_eq(sendmsg(sock, &msg, 0), 1);
}

static int receive_fd(int sock)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { };
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control.room),
	};
	int fd;

	igt_assert_eq(recvmsg(sock, &msg, MSG_CMSG_CLOEXEC), 1);
	igt_assert(CMSG_FIRSTHDR(&msg));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* Catches: an import that only works in the process that made the buffer. */
static void other_process(const struct pb_pair *pair)
{
	struct pb_view view;
	struct pb_buf buf;
	int sock[2];

	igt_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
	igt_fork(child, 1) {
		const int fd = receive_fd(sock[1]);
		struct pb_import imp;

		pb_import(&imp, pair->imp, fd);
		view = pb_view_import(&imp, fd, SIZE);
		pb_verify(&view, 10, "child's mapping");
		pb_write(&view, 11);
	}
	pb_create(&buf, pair->exp, SIZE);
	view = pb_view_native(&buf);
	pb_write(&view, 10);
	send_fd(sock[0], buf.dmabuf);
	igt_waitchildren();
	pb_verify(&view, 11, "parent's mapping");
	pb_unview(&view);
	pb_destroy(&buf);
	close(sock[0]);
	close(sock[1]);
}

/* Catches: a lookup that confuses buffers: wrong key, stale entry, off-by-one in a tree. */
static void many_buffers(const struct pb_pair *pair)
{
	enum { COUNT = 48 };
	struct pb_shared *s = calloc(COUNT, sizeof(*s));

	igt_assert(s);
	for (int i = 0; i < COUNT; i++) {
		pb_share(&s[i], pair, (1 + i % 3) * pb_page);
		pb_write(&s[i].native, 100 + i);
	}
	for (int i = 0; i < COUNT; i += 2)
		pb_unshare(&s[i]);
	for (int i = 1; i < COUNT; i += 2) {
		pb_verify(&s[i].via_import, 100 + i, "importer's mapping");
		pb_unshare(&s[i]);
	}
	free(s);
}

/* Catches: dma-bufs whose size is not the object's, and offsets taken for sizes. */
static void llseek(const struct pb_pair *pair)
{
	struct pb_import imp;
	struct pb_buf buf;

	pb_create(&buf, pair->exp, SIZE);
	pb_import(&imp, pair->imp, buf.dmabuf);
	igt_assert_eq_u64(lseek(buf.dmabuf, 0, SEEK_END), buf.size);
	igt_assert_eq_u64(lseek(buf.dmabuf, 0, SEEK_SET), 0);
	igt_assert_eq_u64(prime_get_size(buf.dmabuf), buf.size);

	errno = 0;
	igt_assert_eq(lseek(buf.dmabuf, 1, SEEK_SET), -1);
	igt_assert_eq(errno, EINVAL);
	igt_assert_eq(lseek(buf.dmabuf, -1, SEEK_END), -1);
	igt_assert_eq(errno, EINVAL);
	igt_assert_eq(lseek(buf.dmabuf, 0, SEEK_CUR), -1);
	igt_assert_eq(errno, EINVAL);
	pb_import_close(&imp);
	pb_destroy(&buf);
}

static int sync_errno(int dmabuf, uint64_t flags)
{
	struct dma_buf_sync args = { .flags = flags };

	return ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, &args) ? errno : 0;
}

/* Catches: sync that fails with an importer attached, or accepts what it does not know. */
static void sync_flags(const struct pb_pair *pair)
{
	static const uint64_t good[] = { DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE, DMA_BUF_SYNC_RW };
	static const uint64_t bad[] = {
		0, DMA_BUF_SYNC_END, 8, DMA_BUF_SYNC_RW | 8, DMA_BUF_SYNC_RW | 1ull << 63, ~0ull,
	};
	struct pb_import imp;
	struct pb_buf buf;

	pb_create(&buf, pair->exp, SIZE);
	pb_import(&imp, pair->imp, buf.dmabuf);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		igt_assert_eq(sync_errno(buf.dmabuf, good[i] | DMA_BUF_SYNC_START), 0);
		igt_assert_eq(sync_errno(buf.dmabuf, good[i] | DMA_BUF_SYNC_END), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		igt_assert_eq(sync_errno(buf.dmabuf, bad[i]), EINVAL);
	pb_import_close(&imp);
	pb_destroy(&buf);
}

static void assert_import_refused(int drm, int fd, int expected)
{
	uint32_t handle = 0;

	igt_assert_eq(pb_import_errno(drm, fd, &handle), expected);
	igt_assert_eq_u32(handle, 0);
}

/* Catches: a descriptor of another kind read as a dma-buf, a closed one used after free. */
static void bad_fds(const struct pb_device *dev)
{
	const int drm = pb_open(dev), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int memfd = pb_memfd(pb_page);
	int pipes[2];

	igt_assert_fd(null);
	igt_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
	assert_import_refused(drm, -1, EBADF);
	assert_import_refused(drm, 1 << 20, EBADF);
	assert_import_refused(drm, null, EINVAL);
	assert_import_refused(drm, memfd, EINVAL);
	assert_import_refused(drm, pipes[0], EINVAL);
	assert_import_refused(drm, drm, EINVAL);

	close(memfd);
	assert_import_refused(drm, memfd, EBADF);
	close(pipes[0]);
	close(pipes[1]);
	close(null);
	close(drm);
}

/* Catches: export of what is not there (any more), of another file's handle, unknown flags. */
static void bad_handles(const struct pb_device *dev)
{
	const int drm = pb_open(dev), other = pb_open(dev);
	uint32_t handle;
	int fd = -1;

	igt_assert_eq(pb_dumb_create(drm, 64, 64, 32, &handle, NULL, NULL), 0);
	igt_assert_eq(pb_export_errno(drm, 0, 0, &fd), ENOENT);
	igt_assert_eq(pb_export_errno(drm, handle + 1000, 0, &fd), ENOENT);
	igt_assert_eq(pb_export_errno(other, handle, 0, &fd), ENOENT);
	igt_assert_eq(pb_export_errno(drm, handle, 1u << 30, &fd), EINVAL);
	gem_close(drm, handle);
	igt_assert_eq(pb_export_errno(drm, handle, 0, &fd), ENOENT);
	igt_assert_eq(fd, -1);
	close(other);
	close(drm);
}

static int readonly_dmabuf(const struct pb_exporter *exp, int drm)
{
	uint32_t handle;

	if (exp->kind == PB_HEAP)
		return pb_heap_alloc(4 * pb_page, O_RDONLY);
	igt_assert_eq(pb_dumb_create(drm, pb_page / 4, 4, 32, &handle, NULL, NULL), 0);
	return prime_handle_to_fd(drm, handle);
}

/* Catches: export flags that are ignored: a reader of a shared buffer may then write it. */
static void readonly_export(const struct pb_exporter *exp)
{
	int drm = -1, fd;
	void *ptr;

	igt_require_f(exp->kind != PB_UDMABUF, "udmabuf has no read-only export\n");
	if (exp->kind == PB_GEM)
		drm = pb_open(exp->dev);
	fd = readonly_dmabuf(exp, drm);
	igt_assert_fd(fd);

	errno = 0;
	igt_assert(mmap(NULL, pb_page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	igt_assert_eq(errno, EACCES);
	ptr = mmap(NULL, pb_page, PROT_READ, MAP_SHARED, fd, 0);
	igt_assert(ptr != MAP_FAILED);
	igt_assert_eq(pb_touch(ptr, false), 0);
	igt_assert_eq(pb_touch(ptr, true), SIGSEGV);
	igt_assert_eq(mprotect(ptr, pb_page, PROT_READ | PROT_WRITE), -1);
	igt_assert_eq(errno, EACCES);
	igt_assert_eq(munmap(ptr, pb_page), 0);
	close(fd);
	if (drm >= 0)
		close(drm);
}

/* Catches: a framebuffer past the end of the import: scan-out of somebody else's memory. */
static void addfb_short(const struct pb_pair *pair)
{
	const uint32_t pitch = pb_page / 16, rows = 4 * pb_page / pitch;
	struct pb_import imp;
	struct pb_buf buf;
	uint32_t fb = 0;
	int err;

	pb_require_kms(pair->imp);
	pb_create(&buf, pair->exp, 4 * pb_page);
	pb_import(&imp, pair->imp, buf.dmabuf);
	igt_assert_eq(pb_add_fb(imp.drm, imp.handle, pitch / 4, rows + 1, pitch, 0, &fb), EINVAL);
	igt_assert_eq(pb_add_fb(imp.drm, imp.handle, pitch / 4, rows, pitch, 4, &fb), EINVAL);
	igt_assert_eq(pb_add_fb(imp.drm, imp.handle, pitch / 4, rows, 2 * pitch, 0, &fb), EINVAL);
	/* The latter is how tegra says it. */
	err = pb_add_fb(imp.drm, imp.handle + 1000, pitch / 4, rows, pitch, 0, &fb);
	igt_assert(err == ENOENT || err == ENXIO);
	igt_assert_eq_u32(fb, 0);

	igt_assert_eq(pb_add_fb(imp.drm, imp.handle, pitch / 4, rows, pitch, 0, &fb), 0);
	igt_assert_eq(drmModeRmFB(imp.drm, fb), 0);
	pb_import_close(&imp);
	pb_destroy(&buf);
}

struct output {
	struct pb_output on;
	int crc;		/* debugfs crc/data, or -1 */
};

static int open_crc(const struct output *out, const char *file, int flags)
{
	const int dir = igt_debugfs_dir(out->on.drm);
	char path[64];
	int fd;

	igt_require_f(dir >= 0, "no debugfs directory of the device\n");
	snprintf(path, sizeof(path), "crtc-%d/crc/%s", out->on.crtc_index, file);
	fd = openat(dir, path, flags | O_CLOEXEC);
	close(dir);
	return fd;
}

/* Reading starts the CRCs, which needs the output to be on. */
static void start_crc(struct output *out)
{
	const int control = open_crc(out, "control", O_WRONLY);

	igt_require_f(control >= 0, "device computes no CRC\n");
	igt_assert_eq(write(control, "auto", 4), 4);
	close(control);
	out->crc = open_crc(out, "data", O_RDONLY);
	igt_assert_fd(out->crc);
}

/* The CRC of the third frame from now: certainly one that began after this call. */
static uint32_t frame_crc(const struct output *out)
{
	uint32_t frame, crc = 0;
	char line[256];
	ssize_t len;

	for (int i = 0; i < 3; i++) {
		len = read(out->crc, line, sizeof(line) - 1);
		igt_assert_lte(1, len);
		line[len] = 0;
		igt_assert_eq(sscanf(line, "%x %x", &frame, &crc), 2);
	}
	return crc;
}

/* Entries queue up while nobody reads: those must not be taken for new frames. */
static uint32_t fresh_crc(struct output *out)
{
	close(out->crc);
	start_crc(out);
	return frame_crc(out);
}

/* The references: CRCs of two patterns in a buffer of the device itself. */
static void reference_crcs(struct output *out, uint32_t crc[2])
{
	const uint32_t width = out->on.mode.hdisplay, height = out->on.mode.vdisplay;
	uint32_t handle, pitch, fb = 0;
	uint64_t size;
	void *ptr;

	igt_assert_eq(pb_dumb_create(out->on.drm, width, height, 32, &handle, &pitch, &size), 0);
	igt_require_f(pitch == width * 4, "the device wants another pitch\n");
	ptr = pb_mmap_gem(out->on.drm, handle, size, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	igt_assert(ptr != MAP_FAILED);
	igt_assert_eq(pb_add_fb(out->on.drm, handle, width, height, pitch, 0, &fb), 0);
	pb_fill(ptr, 0, size, 20);
	pb_show(&out->on, fb);
	start_crc(out);
	crc[0] = frame_crc(out);
	pb_fill(ptr, 0, size, 21);
	crc[1] = fresh_crc(out);
	igt_assert_neq_u32(crc[0], crc[1]);
	igt_assert_eq(munmap(ptr, size), 0);
	igt_assert_eq(drmModeRmFB(out->on.drm, fb), 0);
	gem_close(out->on.drm, handle);
}

/* Catches: scan-out of an import that reads other memory than the exporter writes. */
static void scanout(const struct pb_pair *pair)
{
	struct output out = { .crc = -1 };
	struct pb_import imp = { .dev = pair->imp };
	struct pb_view view;
	struct pb_buf buf;
	uint32_t crc[2], fb = 0;

	pb_require_kms(pair->imp);
	imp.drm = pb_open(pair->imp);
	pb_require_output(&out.on, imp.drm);
	igt_set_timeout(20, "CRC of a frame");
	reference_crcs(&out, crc);
	pb_create(&buf, pair->exp, (4ull * out.on.mode.hdisplay * out.on.mode.vdisplay + pb_page - 1) &
		  -pb_page);
	view = pb_view_native(&buf);
	pb_write(&view, 20);
	imp.handle = prime_fd_to_handle(imp.drm, buf.dmabuf);
	igt_assert_eq(pb_add_fb(imp.drm, imp.handle, out.on.mode.hdisplay, out.on.mode.vdisplay,
			     4 * out.on.mode.hdisplay, 0, &fb), 0);
	pb_show(&out.on, fb);
	igt_assert_eq_u32(fresh_crc(&out), crc[0]);

	/* The exporter writes while the importer scans out. */
	pb_write(&view, 21);
	igt_assert_eq_u32(fresh_crc(&out), crc[1]);

	/* Only the framebuffer is left of it. */
	pb_unview(&view);
	pb_import_close_handle(&imp);
	pb_destroy(&buf);
	igt_assert_eq_u32(fresh_crc(&out), crc[1]);
	igt_reset_timeout();
	close(out.crc);
	igt_assert_eq(drmModeRmFB(imp.drm, fb), 0);
	pb_import_close(&imp);
}

static const struct pb_case pair_cases[] = {
	{ "exporter-writes", "What the exporter writes is read by the importer", exporter_writes },
	{ "importer-writes", "What the importer writes is read by the exporter", importer_writes },
	{ "dmabuf-writes", "What is written through the dma-buf is read by both", dmabuf_writes },
	{ "interleaved-writes", "Three writers in turn, three readers agree", interleaved_writes },
	{ "importer-mmap", "The importer's own mmap reaches the same bytes", importer_mmap },
	{ "content-before-import", "Importing keeps what was written before", content_before_import },
	{ "reimport-same-handle", "A buffer has one handle a file", reimport_same_handle },
	{ "reexport-same-dmabuf", "Export of an import is the first dma-buf", reexport_same_dmabuf },
	{ "two-importing-files", "Two files of one device import on their own", two_importing_files },
	{ "chain", "Export, import, export, import: still the same bytes", chain },
	{ "other-process", "A process that was sent the dma-buf imports and writes", other_process },
	{ "many-buffers", "Buffers are not confused with each other", many_buffers },
	{ "llseek", "The dma-buf tells its size", llseek },
	{ "sync-flags", "DMA_BUF_IOCTL_SYNC takes what it knows and nothing else", sync_flags },
	{ "addfb-short", "A framebuffer must fit into the imported buffer", addfb_short },
	{ "scanout-crc", "An imported buffer scans out like a native one", scanout },
};

int igt_main()
{
	igt_fixture()
		pb_setup();

	pb_run_pairs(pair_cases, ARRAY_SIZE(pair_cases));

	igt_describe("Importing what the file itself exported gives the same handle");
	igt_subtest_with_dynamic("self-import-same-handle")
		pb_run_devices(self_import);

	igt_describe("Two files of one device share one object");
	igt_subtest_with_dynamic("self-import-other-file")
		pb_run_devices(self_import_other_file);

	igt_describe("All importers at once see the same bytes");
	igt_subtest_with_dynamic("every-importer")
		pb_run_exporters(every_importer);

	igt_describe("Descriptors that are no dma-buf are refused");
	igt_subtest_with_dynamic("bad-fds")
		pb_run_devices(bad_fds);

	igt_describe("Handles that are none, and unknown flags, are refused");
	igt_subtest_with_dynamic("bad-handles")
		pb_run_devices(bad_handles);

	igt_describe("A dma-buf exported for reading cannot be written");
	igt_subtest_with_dynamic("readonly-export")
		pb_run_exporters(readonly_export);
}
