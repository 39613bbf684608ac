// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>
#include <drm_fourcc.h>

#include "igt.h"
#include "igt_kmod.h"
#include "prime_backing_lib.h"
#include "vgem_drm.h"

#define HEAP_NODE "/dev/dma_heap/system"
#define UDMABUF_NODE "/dev/udmabuf"

long pb_page;
struct pb_device pb_devices[PB_MAX_DEVICES];
int pb_n_devices;
struct pb_exporter pb_exporters[PB_MAX_DEVICES + 2];
int pb_n_exporters;

int pb_open(const struct pb_device *dev)
{
	const int fd = open(dev->node, O_RDWR | O_CLOEXEC);

	igt_assert_f(fd >= 0, "cannot open %s\n", dev->node);
	return fd;
}

int pb_dumb_create(int drm, uint32_t width, uint32_t height, uint32_t bpp,
		   uint32_t *handle, uint32_t *pitch, uint64_t *size)
{
	struct drm_mode_create_dumb args = { .width = width, .height = height, .bpp = bpp };

	if (drmIoctl(drm, DRM_IOCTL_MODE_CREATE_DUMB, &args))
		return errno;
	*handle = args.handle;
	if (pitch)
		*pitch = args.pitch;
	if (size)
		*size = args.size;
	return 0;
}

int pb_import_errno(int drm, int fd, uint32_t *handle)
{
	struct drm_prime_handle args = { .fd = fd };

	if (drmIoctl(drm, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args))
		return errno;
	*handle = args.handle;
	return 0;
}

int pb_export_errno(int drm, uint32_t handle, uint32_t flags, int *fd)
{
	struct drm_prime_handle args = { .handle = handle, .flags = flags, .fd = -1 };

	if (drmIoctl(drm, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args))
		return errno;
	*fd = args.fd;
	return 0;
}

int pb_gem_close_errno(int drm, uint32_t handle)
{
	struct drm_gem_close args = { .handle = handle };

	return drmIoctl(drm, DRM_IOCTL_GEM_CLOSE, &args) ? errno : 0;
}

/* Fit for these tests: makes a dumb buffer and gives out a dma-buf for it. */
static bool usable(int drm)
{
	uint32_t handle = 0;
	int dmabuf = -1;

	if (pb_dumb_create(drm, 64, 1, 32, &handle, NULL, NULL))
		return false;
	if (pb_export_errno(drm, handle, DRM_CLOEXEC | DRM_RDWR, &dmabuf))
		return false;
	close(dmabuf);
	return pb_gem_close_errno(drm, handle) == 0;
}

static bool read_driver_name(int drm, struct pb_device *dev)
{
	drmVersionPtr version = drmGetVersion(drm);
	unsigned int same = 0;

	if (!version)
		return false;
	snprintf(dev->driver, sizeof(dev->driver), "%s", version->name);
	for (int i = 0; i < pb_n_devices; i++)
		same += !strcmp(pb_devices[i].driver, version->name);
	if (same)
		snprintf(dev->name, sizeof(dev->name), "%.31s%u", version->name, same % 100);
	else
		snprintf(dev->name, sizeof(dev->name), "%.31s", version->name);
	drmFreeVersion(version);
	return true;
}

static void probe_card(int minor)
{
	struct pb_device *dev = &pb_devices[pb_n_devices];
	int drm;

	snprintf(dev->node, sizeof(dev->node), "/dev/dri/card%d", minor);
	drm = open(dev->node, O_RDWR | O_CLOEXEC);
	if (drm < 0)
		return;
	if (read_driver_name(drm, dev) && usable(drm))
		pb_n_devices++;
	close(drm);
}

static void add_exporter(enum pb_kind kind, const char *name, const struct pb_device *dev,
			 const char *missing)
{
	pb_exporters[pb_n_exporters++] = (struct pb_exporter){
		.kind = kind, .name = name, .dev = dev, .missing = missing,
	};
}

void pb_setup(void)
{
	pb_page = sysconf(_SC_PAGESIZE);
	igt_kmod_load("vgem", "");
	igt_kmod_load("vkms", "");
	igt_kmod_load("udmabuf", "");

	for (int minor = 0; minor < 64 && pb_n_devices < PB_MAX_DEVICES; minor++)
		probe_card(minor);
	igt_require_f(pb_n_devices, "no DRM device with dumb buffers and PRIME\n");

	for (int i = 0; i < pb_n_devices; i++)
		add_exporter(PB_GEM, pb_devices[i].name, &pb_devices[i], NULL);
	add_exporter(PB_UDMABUF, "udmabuf", NULL,
		     access(UDMABUF_NODE, R_OK | W_OK) ? "no " UDMABUF_NODE : NULL);
	add_exporter(PB_HEAP, "dma-heap", NULL,
		     access(HEAP_NODE, R_OK | W_OK) ? "no " HEAP_NODE : NULL);
}

static bool is_ours(int dir, const char *fd)
{
	char target[128];
	const ssize_t len = readlinkat(dir, fd, target, sizeof(target) - 1);

	if (len < 0)
		return false;
	target[len] = 0;
	return !strncmp(target, "/dev/dri/", 9) || !strncmp(target, "/dmabuf:", 8) ||
	       strstr(target, "/crc/data");
}

/* What a failed subtest left open must not make the next one fail: a DRM master, a CRC. */
void pb_close_leftovers(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	igt_assert(dir);
	while ((entry = readdir(dir))) {
		if (is_ours(dirfd(dir), entry->d_name))
			close(atoi(entry->d_name));
	}
	closedir(dir);
}

static void run_pair(const struct pb_case *test, const void *data, const struct pb_exporter *exp,
		     const struct pb_device *imp)
{
	struct pb_pair pair = { .exp = exp, .imp = imp, .data = data };

	snprintf(pair.name, sizeof(pair.name), "%s-to-%s", exp->name, imp->name);
	pb_close_leftovers();
	igt_dynamic_f("%s", pair.name) {
		igt_require_f(!exp->missing, "%s\n", exp->missing);
		test->run(&pair);
	}
}

static void run_all_pairs(const struct pb_case *test, const void *data)
{
	for (int e = 0; e < pb_n_exporters; e++) {
		for (int i = 0; i < pb_n_devices; i++)
			run_pair(test, data, &pb_exporters[e], &pb_devices[i]);
	}
}

static void run_device(void (*run)(const struct pb_device *dev), const struct pb_device *dev)
{
	igt_dynamic_f("%s", dev->name)
		run(dev);
}

void pb_run_devices(void (*run)(const struct pb_device *dev))
{
	for (int i = 0; i < pb_n_devices; i++)
		run_device(run, &pb_devices[i]);
}

static void run_exporter(void (*run)(const struct pb_exporter *exp), const struct pb_exporter *exp)
{
	igt_dynamic_f("%s", exp->name) {
		igt_require_f(!exp->missing, "%s\n", exp->missing);
		run(exp);
	}
}

void pb_run_exporters(void (*run)(const struct pb_exporter *exp))
{
	for (int i = 0; i < pb_n_exporters; i++)
		run_exporter(run, &pb_exporters[i]);
}

void pb_run_pairs_with(const struct pb_case *test, const void *data)
{
	igt_describe(test->what);
	igt_subtest_with_dynamic(test->name)
		run_all_pairs(test, data);
}

/* The loops are not in the functions that a failure jumps back into. */
void pb_run_pairs(const struct pb_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		pb_run_pairs_with(&cases[i], NULL);
}

void pb_require_kms(const struct pb_device *dev)
{
	const int drm = pb_open(dev);
	drmModeRes *res = drmModeGetResources(drm);
	const bool kms = res && res->count_crtcs && res->count_connectors;

	drmModeFreeResources(res);
	close(drm);
	igt_require_f(kms, "%s does not scan out\n", dev->name);
}

static bool use_connector(struct pb_output *out, drmModeRes *res, uint32_t id)
{
	drmModeConnector *con = drmModeGetConnector(out->drm, id);
	drmModeEncoder *enc = NULL;
	bool ok = false;

	if (con && con->connection == DRM_MODE_CONNECTED && con->count_modes && con->count_encoders)
		enc = drmModeGetEncoder(out->drm, con->encoders[0]);
	for (int i = 0; enc && i < res->count_crtcs && !ok; i++) {
		if (!(enc->possible_crtcs & 1 << i))
			continue;
		out->crtc_index = i;
		out->crtc = res->crtcs[i];
		out->connector = id;
		out->mode = con->modes[0];
		ok = true;
	}
	drmModeFreeEncoder(enc);
	drmModeFreeConnector(con);
	return ok;
}

void pb_require_output(struct pb_output *out, int drm)
{
	drmModeRes *res;
	bool found = false;

	drmSetMaster(drm);
	igt_require_f(drmIsMaster(drm), "somebody else is master\n");
	out->drm = drm;
	res = drmModeGetResources(drm);
	for (int i = 0; i < res->count_connectors && !found; i++)
		found = use_connector(out, res, res->connectors[i]);
	drmModeFreeResources(res);
	igt_require_f(found, "no connected output\n");
}

void pb_show(const struct pb_output *out, uint32_t fb)
{
	uint32_t connector = out->connector;
	drmModeModeInfo mode = out->mode;

	igt_assert_eq(drmModeSetCrtc(out->drm, out->crtc, fb, 0, 0, &connector, 1, &mode), 0);
}

int pb_add_fb(int drm, uint32_t handle, uint32_t width, uint32_t height, uint32_t pitch,
	      uint32_t offset, uint32_t *fb)
{
	struct drm_mode_fb_cmd2 args = {
		.width = width, .height = height, .pixel_format = DRM_FORMAT_XRGB8888,
		.handles = { handle }, .pitches = { pitch }, .offsets = { offset },
	};

	if (drmIoctl(drm, DRM_IOCTL_MODE_ADDFB2, &args))
		return errno;
	*fb = args.fb_id;
	return 0;
}

static uint32_t crc32(uint32_t crc, uint8_t byte)
{
	crc ^= byte;
	for (int bit = 0; bit < 8; bit++)
		crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	return crc;
}

uint32_t pb_draw(uint8_t *ptr, uint32_t width, uint32_t height, uint32_t pitch, uint32_t seed)
{
	uint32_t crc = ~0u;

	for (uint32_t y = 0; y < height; y++) {
		for (uint32_t x = 0; x < width; x++) {
			const uint8_t red = 255 * x / width, green = 255 * y / height;
			const uint8_t blue = ((x >> 5 ^ y >> 5) & 1) * 128 +
					     (x * 7 + y * 13 + seed * 40) % 128;
			const uint32_t pixel = red << 16 | green << 8 | blue;

			memcpy(ptr + (size_t)y * pitch + 4 * x, &pixel, sizeof(pixel));
			crc = crc32(crc32(crc32(crc, red), green), blue);
		}
	}
	return ~crc;
}

void pb_exhibit(const char *name, uint32_t width, uint32_t height, uint32_t crc)
{
	const char *pause = getenv("KMS_BACKING_PAUSE_MS");

	igt_info("shows: %s %ux%u %08x\n", name, width, height, crc);
	if (pause)
		usleep(1000 * atoi(pause));
}

int pb_memfd(uint64_t size)
{
	const int fd = memfd_create("prime_backing", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	igt_assert_fd(fd);
	igt_assert_eq(ftruncate(fd, size), 0);
	igt_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	return fd;
}

/*
 * udmabuf of Linux 7.3 maps for the direction of its first sync and never again: a later one in
 * another direction is an error that DMA_API_DEBUG reports, once, and then nothing else.
 */
void pb_sync_first(int udmabuf)
{
	prime_sync_start(udmabuf, true);
	prime_sync_end(udmabuf, true);
}

int pb_udmabuf(int memfd, uint64_t offset, uint64_t size)
{
	struct udmabuf_create args = {
		.memfd = memfd, .flags = UDMABUF_FLAGS_CLOEXEC, .offset = offset, .size = size,
	};
	const int node = open(UDMABUF_NODE, O_RDWR | O_CLOEXEC);
	int fd, err;

	igt_assert_fd(node);
	fd = ioctl(node, UDMABUF_CREATE, &args);
	err = errno;
	close(node);
	if (fd >= 0)
		pb_sync_first(fd);
	errno = err;
	return fd;
}

int pb_udmabuf_list(const struct udmabuf_create_item *items, uint32_t count)
{
	const int node = open(UDMABUF_NODE, O_RDWR | O_CLOEXEC);
	struct udmabuf_create_list *list = calloc(1, sizeof(*list) + count * sizeof(*items));
	int fd, err;

	igt_assert_fd(node);
	igt_assert(list);
	list->flags = UDMABUF_FLAGS_CLOEXEC;
	list->count = count;
	memcpy(list->list, items, count * sizeof(*items));
	fd = ioctl(node, UDMABUF_CREATE_LIST, list);
	err = errno;
	free(list);
	close(node);
	if (fd >= 0)
		pb_sync_first(fd);
	errno = err;
	return fd;
}

int pb_heap_alloc(uint64_t len, uint32_t fd_flags)
{
	struct dma_heap_allocation_data args = { .len = len, .fd_flags = fd_flags | O_CLOEXEC };
	const int node = open(HEAP_NODE, O_RDWR | O_CLOEXEC);
	int ret, err;

	igt_assert_fd(node);
	ret = ioctl(node, DMA_HEAP_IOCTL_ALLOC, &args);
	err = errno;
	close(node);
	errno = err;
	return ret ? -1 : (int)args.fd;
}

/* A row of a page each: the size is then exact on every device without odd pitch rules. */
static void create_gem(struct pb_buf *buf, uint64_t size)
{
	buf->drm = pb_open(buf->exp->dev);
	igt_assert_eq(pb_dumb_create(buf->drm, pb_page / 4, (size + pb_page - 1) / pb_page, 32,
				     &buf->handle, NULL, &buf->size), 0);
	igt_assert_lte_u64(size, buf->size);
	buf->dmabuf = prime_handle_to_fd_for_mmap(buf->drm, buf->handle);
}

void pb_create(struct pb_buf *buf, const struct pb_exporter *exp, uint64_t size)
{
	*buf = (struct pb_buf){ .exp = exp, .size = size, .drm = -1, .memfd = -1, .dmabuf = -1 };

	switch (exp->kind) {
	case PB_GEM:
		create_gem(buf, size);
		break;
	case PB_UDMABUF:
		buf->memfd = pb_memfd(size);
		buf->dmabuf = pb_udmabuf(buf->memfd, 0, size);
		break;
	case PB_HEAP:
		buf->dmabuf = pb_heap_alloc(size, O_RDWR);
		break;
	}
	igt_assert_f(buf->dmabuf >= 0, "%s gives no dma-buf of %llu bytes: %m\n", exp->name,
		     (unsigned long long)size);
}

void pb_close_handle(struct pb_buf *buf)
{
	if (buf->handle)
		gem_close(buf->drm, buf->handle);
	buf->handle = 0;
}

void pb_close_once(int *fd)
{
	if (*fd >= 0)
		igt_assert_eq(close(*fd), 0);
	*fd = -1;
}

void pb_close_file(struct pb_buf *buf)
{
	pb_close_once(&buf->drm);
	pb_close_once(&buf->memfd);
	buf->handle = 0;
}

void pb_close_dmabuf(struct pb_buf *buf)
{
	pb_close_once(&buf->dmabuf);
}

void pb_destroy(struct pb_buf *buf)
{
	pb_close_dmabuf(buf);
	pb_close_handle(buf);
	pb_close_file(buf);
}

void pb_import(struct pb_import *imp, const struct pb_device *dev, int dmabuf)
{
	imp->dev = dev;
	imp->drm = pb_open(dev);
	imp->handle = prime_fd_to_handle(imp->drm, dmabuf);
	igt_assert_neq_u32(imp->handle, 0);
}

void pb_import_close_handle(struct pb_import *imp)
{
	if (imp->handle)
		gem_close(imp->drm, imp->handle);
	imp->handle = 0;
}

void pb_import_close(struct pb_import *imp)
{
	pb_import_close_handle(imp);
	pb_close_once(&imp->drm);
}

int64_t pb_map_offset(int drm, uint32_t handle)
{
	struct drm_mode_map_dumb args = { .handle = handle };

	return drmIoctl(drm, DRM_IOCTL_MODE_MAP_DUMB, &args) ? -errno : (int64_t)args.offset;
}

void *pb_mmap_gem(int drm, uint32_t handle, size_t len, int prot, int flags, off_t pos)
{
	const int64_t offset = pb_map_offset(drm, handle);

	igt_assert_f(offset > 0, "no mmap offset: %s\n", strerror(-(int)offset));
	return mmap(NULL, len, prot, flags, drm, offset + pos);
}

static struct pb_view view(void *ptr, size_t len, int sync)
{
	igt_assert_f(ptr != MAP_FAILED, "mmap of %zu bytes: %m\n", len);
	return (struct pb_view){ .ptr = ptr, .len = len, .sync = sync };
}

struct pb_view pb_view_dmabuf(int dmabuf, uint64_t size)
{
	return view(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf, 0), size, dmabuf);
}

struct pb_view pb_view_native(const struct pb_buf *buf)
{
	const int prot = PROT_READ | PROT_WRITE;

	switch (buf->exp->kind) {
	case PB_GEM:
		return view(pb_mmap_gem(buf->drm, buf->handle, buf->size, prot, MAP_SHARED, 0),
			    buf->size, buf->dmabuf);
	case PB_UDMABUF:
		return view(mmap(NULL, buf->size, prot, MAP_SHARED, buf->memfd, 0),
			    buf->size, buf->dmabuf);
	case PB_HEAP:
		break;		/* has no other way than the dma-buf */
	}
	return pb_view_dmabuf(buf->dmabuf, buf->size);
}

/* Importers may leave mapping to the exporter: then the way is the dma-buf of their handle. */
static struct pb_view view_reexport(const struct pb_import *imp, int sync, uint64_t size)
{
	const int again = prime_handle_to_fd_for_mmap(imp->drm, imp->handle);
	struct pb_view view;

	igt_assert_fd(again);
	view = pb_view_dmabuf(again, size);
	view.sync = sync;
	close(again);
	return view;
}

struct pb_view pb_view_import(const struct pb_import *imp, int dmabuf, uint64_t size)
{
	const int64_t offset = pb_map_offset(imp->drm, imp->handle);

	if (offset == -EINVAL)
		return view_reexport(imp, dmabuf, size);
	igt_assert_f(offset > 0, "no mmap offset: %s\n", strerror(-(int)offset));
	return view(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, imp->drm, offset),
		    size, dmabuf);
}

/*
 * Offsets are handed out from the first that no 32-bit length reaches (28 bits where the kernel has
 * 32), and a file may map only what it has a handle for: so the one that works in a file of one
 * handle is that handle's. 64 MiB are more than what else is there while a test looks.
 */
int64_t pb_find_offset(int drm)
{
	const int64_t first = 1ll << (sizeof(long) == 8 ? 32 : 28);

	for (int64_t page = 0; page < 1 << 14; page++) {
		const int64_t offset = first + page * pb_page;
		void *ptr = mmap(NULL, pb_page, PROT_READ, MAP_SHARED, drm, offset);

		if (ptr != MAP_FAILED) {
			igt_assert_eq(munmap(ptr, pb_page), 0);
			return offset;
		}
	}
	return -EINVAL;
}

void pb_unview(struct pb_view *view)
{
	if (view->ptr)
		igt_assert_eq(munmap(view->ptr, view->len), 0);
	view->ptr = NULL;
}

void pb_share(struct pb_shared *s, const struct pb_pair *pair, uint64_t size)
{
	pb_create(&s->buf, pair->exp, size);
	pb_import(&s->imp, pair->imp, s->buf.dmabuf);
	s->native = pb_view_native(&s->buf);
	s->via_dmabuf = pb_view_dmabuf(s->buf.dmabuf, s->buf.size);
	s->via_import = pb_view_import(&s->imp, s->buf.dmabuf, s->buf.size);
}

void pb_unshare(struct pb_shared *s)
{
	pb_unview(&s->native);
	pb_unview(&s->via_dmabuf);
	pb_unview(&s->via_import);
	pb_import_close(&s->imp);
	pb_destroy(&s->buf);
}

/* A few rounds of multiply and shift: neighbours and seeds share no bits. */
uint64_t pb_word(uint64_t seed, uint64_t index)
{
	uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15ull + index;

	for (int i = 0; i < 2; i++) {
		x ^= x >> 31;
		x *= 0xd6e8feb86659fd93ull;
	}
	return x ^ (x >> 32);
}

void pb_fill(void *ptr, uint64_t pos, size_t len, uint64_t seed)
{
	uint64_t *p = ptr;

	for (size_t i = 0; i < len / 8; i++)
		p[i] = pb_word(seed, pos / 8 + i);
}

size_t pb_differs(const void *ptr, uint64_t pos, size_t len, uint64_t seed)
{
	const volatile uint64_t *p = ptr;

	for (size_t i = 0; i < len / 8; i++) {
		if (p[i] != pb_word(seed, pos / 8 + i))
			return i * 8;
	}
	return len;
}

void pb_check(const void *ptr, uint64_t pos, size_t len, uint64_t seed, const char *what)
{
	const size_t at = pb_differs(ptr, pos, len, seed);

	igt_assert_f(at == len, "%s: wrong bytes at %#zx of %#zx (page %zu)\n", what, at, len,
		     at / pb_page);
}

static void begin(const struct pb_view *view, bool write)
{
	if (view->sync >= 0)
		prime_sync_start(view->sync, write);
}

static void end(const struct pb_view *view, bool write)
{
	if (view->sync >= 0)
		prime_sync_end(view->sync, write);
}

void pb_write(const struct pb_view *view, uint64_t seed)
{
	begin(view, true);
	pb_fill(view->ptr, 0, view->len, seed);
	end(view, true);
}

void pb_verify(const struct pb_view *view, uint64_t seed, const char *what)
{
	begin(view, false);
	pb_check(view->ptr, 0, view->len, seed, what);
	end(view, false);
}

/* The same place in every page: two pages that are one cannot both hold their marks. */
static uint64_t *mark(const struct pb_view *view, size_t page)
{
	return (uint64_t *)(view->ptr + page * pb_page) + 37;
}

void pb_mark(const struct pb_view *view, uint64_t seed, size_t step)
{
	begin(view, true);
	for (size_t i = 0; i < view->len / pb_page; i += step)
		*mark(view, i) = pb_word(seed, i);
	*mark(view, view->len / pb_page - 1) = pb_word(seed, view->len);
	end(view, true);
}

static void check_mark(const struct pb_view *view, size_t page, uint64_t word, const char *what)
{
	igt_assert_f(*mark(view, page) == word, "%s: wrong bytes in page %zu\n", what, page);
}

void pb_verify_marks(const struct pb_view *view, uint64_t seed, size_t step, const char *what)
{
	const size_t last = view->len / pb_page - 1;

	begin(view, false);
	for (size_t i = 0; i < last; i += step)
		check_mark(view, i, pb_word(seed, i), what);
	check_mark(view, last, pb_word(seed, view->len), what);
	end(view, false);
}

int pb_put_file(const char *path, const char *value)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, value, strlen(value)) < 0)
		err = errno;
	close(fd);
	return err;
}

static sigjmp_buf touch_env;

static void on_touch(int sig)
{
	siglongjmp(touch_env, sig);
}

int pb_touch(volatile uint8_t *p, bool write)
{
	struct sigaction action = { .sa_handler = on_touch }, segv, bus;
	int sig;

	sigaction(SIGSEGV, &action, &segv);
	sigaction(SIGBUS, &action, &bus);
	sig = sigsetjmp(touch_env, 1);
	if (!sig) {
		const uint8_t byte = *p;

		if (write)
			*p = byte;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return sig;
}

#define FAULTS "/sys/kernel/debug/"
/* Far more than any of these tests has. */
#define MAX_POINTS 4000

static int fail_nth = -1;

static void set_file(const char *path, const char *value)
{
	igt_require_f(!pb_put_file(path, value), "no %s: the kernel cannot make allocations fail\n",
		      path);
}

void pb_fail_setup(void)
{
	static const char *const allow[] = {
		FAULTS "failslab/ignore-gfp-wait", FAULTS "fail_page_alloc/ignore-gfp-wait",
		FAULTS "fail_page_alloc/ignore-gfp-highmem",
	};

	for (size_t i = 0; i < ARRAY_SIZE(allow); i++)
		set_file(allow[i], "N");
	set_file(FAULTS "fail_page_alloc/min-order", "0");
	/* Each failure would be told at length in the kernel's log. */
	set_file(FAULTS "failslab/verbose", "0");
	set_file(FAULTS "fail_page_alloc/verbose", "0");
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	igt_require_f(fail_nth >= 0, "no /proc/thread-self/fail-nth\n");
}

#define CALLS FAULTS "fail_nth_call/"

static int fail_nth_call = -1;

void pb_function_setup(void)
{
	fail_nth_call = open(CALLS "nth", O_RDWR | O_CLOEXEC);
	igt_require_f(fail_nth_call >= 0, "no " CALLS "nth: nothing makes functions fail\n");
}

void pb_choose_function(const struct pb_function *function)
{
	char result[24];

	snprintf(result, sizeof(result), "%lld", (long long)function->result);
	igt_assert_eq(pb_put_file(CALLS "retval", result), 0);
	igt_assert_eq(pb_put_file(CALLS "except", function->except ?: "\n"), 0);
	igt_require_f(!pb_put_file(CALLS "function", function->name), "this kernel has no %s()\n",
		      function->name);
}

/* What fails one after the other: by which file, and what a call may say then, up to a 0. */
struct failures {
	int file;
	const char *what;
	const int *errnos;
	long shmem_slack;		/* KiB of it that others may take meanwhile */
	unsigned int points, caught, undone;	/* all; calls that failed for it; while taking back */
};

static void fail_from_now(const struct failures *f, unsigned int nth)
{
	char text[16];
	const int len = snprintf(text, sizeof(text), "%u", nth);

	igt_assert_eq(pwrite(f->file, text, len, 0), len);
}

/* How many were left until the one that fails; 0: it has. Nothing fails from here on. */
static unsigned int left_to_fail(const struct failures *f)
{
	char text[16] = "";

	igt_assert(pread(f->file, text, sizeof(text) - 1, 0) > 0);
	fail_from_now(f, 0);
	return strtoul(text, NULL, 10);
}

int pb_next_fd(void)
{
	const int fd = dup(STDIN_FILENO);

	igt_assert(fd >= 0);
	close(fd);
	return fd;
}

/* Each processor counts in batches, until somebody asks for the sum. */
static void refresh_counts(void)
{
	char line[64];
	const int fd = open("/proc/sys/vm/stat_refresh", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		igt_assert(read(fd, line, sizeof(line)) >= 0);
		close(fd);
	}
}

/* A number in a file of one line; -1 when there is none. */
static long number_in(const char *path)
{
	FILE *f = fopen(path, "r");
	long value = -1;

	if (f && fscanf(f, "%ld", &value) != 1)
		value = -1;
	if (f)
		fclose(f);
	return value;
}

/* DMA mappings that there are; 0 where nobody counts them (CONFIG_DMA_API_DEBUG). */
static long dma_mappings(void)
{
	const long total = number_in(FAULTS "dma-api/nr_total_entries");
	const long unused = number_in(FAULTS "dma-api/num_free_entries");

	return total < 0 || unused < 0 ? 0 : total - unused;
}

/* What a leak makes more. */
struct held {
	int fd, dmabufs;
	long mappings, pins, shmem, orphans, memory;	/* the latter three in KiB */
};

/*
 * Half a buffer of these tests is less than any of them leaks, and more than what the runner writes
 * to its log meanwhile, which may be in shmem, too.
 */
#define SHMEM_SLACK 32

/* A page or two of a process may be in between; the smallest of these buffers has eight. */
#define ORPHANS_SLACK 16

/*
 * Other memory comes and goes with the kernel's caches; less than a page for each failure is. Each
 * further processor has caches of its own.
 */
static long memory_slack(void)
{
	return 256 + 2048 * (sysconf(_SC_NPROCESSORS_ONLN) - 1);
}

/* KiB that are free, or can be. A processor's list of free pages, megabytes of them, counts as used. */
static long available(void)
{
	FILE *f = fopen("/proc/zoneinfo", "r");
	long pages = 0, count;
	char line[256];

	igt_assert(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " count: %ld", &count) == 1)
			pages += count;
	}
	fclose(f);
	return pb_meminfo("MemAvailable:") + pages * (pb_page >> 10);
}

/* Pages that somebody pinned. */
static long pins(void)
{
	return pb_vmstat("nr_foll_pin_acquired") - pb_vmstat("nr_foll_pin_released");
}

/* Pages that somebody keeps after their file has gone: they stay on their list. */
static long orphans(void)
{
	return pb_meminfo("Active(anon):") + pb_meminfo("Inactive(anon):") +
	       pb_meminfo("Unevictable:") - pb_meminfo("AnonPages:") - pb_meminfo("Shmem:");
}

/* Each processor has pages that are on no list yet, until caches are dropped. */
static struct held held_now(void)
{
	pb_drop_caches();
	refresh_counts();
	return (struct held){
		.fd = pb_next_fd(), .dmabufs = pb_count_dmabufs(), .mappings = dma_mappings(),
		.pins = pins(), .shmem = pb_meminfo("Shmem:"), .orphans = orphans(),
		.memory = -available(),
	};
}

/* What a child has left is on its way out. */
static struct held held_at_rest(void)
{
	struct held before, now = held_now();
	int tries = 0;

	do {
		before = now;
		usleep(10000);
		now = held_now();
		before.memory = now.memory;
	} while (memcmp(&now, &before, sizeof(now)) && ++tries < 100);
	return now;
}

void pb_wait_for_dmabufs(int before)
{
	for (int i = 0; i < 300 && pb_count_dmabufs() > before; i++)
		usleep(10000);
	igt_assert_lte(pb_count_dmabufs(), before);
}

static bool holds_more(const struct failures *f, const struct held *before, const struct held *now)
{
	return now->mappings > before->mappings || now->pins != before->pins ||
	       now->shmem > before->shmem + f->shmem_slack ||
	       now->orphans > before->orphans + ORPHANS_SLACK ||
	       now->memory > before->memory + memory_slack();
}

/* Catches: memory that nobody has any more, but that is not free. */
static void nothing_is_lost(const struct failures *f, const char *name, const struct held *before)
{
	struct held now = held_now();

	for (int i = 0; i < 200 && holds_more(f, before, &now); i++) {
		usleep(10000);
		now = held_now();
	}
	igt_info("%s: %ld DMA mappings, %ld pins, %ld KiB of shmem, %ld KiB of no file, %ld KiB of memory more than before\n",
		 name, now.mappings - before->mappings, now.pins - before->pins,
		 now.shmem - before->shmem, now.orphans - before->orphans,
		 now.memory - before->memory);
	igt_assert_f(!holds_more(f, before, &now), "%s: memory or a mapping was lost\n", name);
}

static bool may_say(const struct failures *f, int err)
{
	for (const int *e = f->errnos; *e; e++) {
		if (*e == err)
			return true;
	}
	return false;
}

/* The call that failed, once more with what it left, and then the others. */
static void go_on(const struct pb_sweep *s, const struct failures *f, int err, unsigned int nth)
{
	igt_assert_f(may_say(f, err), "%s: %s %u fails: %s\n", *s->step, f->what, nth, strerror(err));
	err = s->run(s->arg);
	igt_assert_f(!err, "%s: fails although nothing makes it, after %s %u did: %s\n", *s->step,
		     f->what, nth, strerror(err));
}

/* Whether there was one more to fail. Taking back may need memory, or call the function, as well. */
static bool fail_one(const struct pb_sweep *s, struct failures *f)
{
	const unsigned int nth = f->points + 1;
	unsigned int left, left_undone;
	int err;

	fail_from_now(f, nth);
	err = s->run(s->arg);
	left = left_to_fail(f);
	igt_assert_f(!err || !left, "%s: fails although nothing made it: %s\n", *s->step,
		     strerror(err));
	if (err) {
		f->caught++;
		go_on(s, f, err, nth);
	}
	if (s->check)
		s->check(s->arg);
	fail_from_now(f, left);
	s->undo(s->arg);
	left_undone = left_to_fail(f);
	f->undone += left && !left_undone;
	return !left || !left_undone;
}

/* name: also of what fails. */
static void fail_all(const struct pb_sweep *s, struct failures *f, const char *name)
{
	const struct held before = held_at_rest();
	bool failed;

	do {
		failed = fail_one(s, f);
		f->points += failed;
		igt_assert(f->points < MAX_POINTS);
		igt_assert_eq(pb_next_fd(), before.fd);
		pb_wait_for_dmabufs(before.dmabufs);
	} while (failed);
	nothing_is_lost(f, name, &before);
	igt_info("%s: %u %ss failed, and %u calls for it; %u while it was taken back\n", name,
		 f->points, f->what, f->caught, f->undone);
}

void pb_fail_each(const struct pb_sweep *s)
{
	/* The latter is what shmem says when it gets no inode. */
	static const int errnos[] = { ENOMEM, ENOSPC, 0 };
	struct failures f = {
		.file = fail_nth, .what = "allocation", .errnos = errnos,
		.shmem_slack = SHMEM_SLACK,
	};

	fail_all(s, &f, s->name);
	igt_assert(f.caught);
}

unsigned int pb_fail_each_call(const struct pb_sweep *s, const struct pb_function *function)
{
	struct failures f = {
		.file = fail_nth_call, .what = "call", .errnos = function->errnos,
		.shmem_slack = SHMEM_SLACK / 2,
	};
	char name[192];

	pb_choose_function(function);
	snprintf(name, sizeof(name), "%s/%s", function->name, s->name);
	fail_all(s, &f, name);
	return f.points;
}

void pb_munmap(void *ptr, size_t len)
{
	if (!munmap(ptr, len))
		return;
	igt_assert_eq(errno, ENOMEM);
	igt_assert_eq(munmap(ptr, len), 0);
}

/* The device, or the file that makes such buffers. */
static int open_maker(const struct pb_exporter *exp)
{
	int fd;

	if (exp->kind == PB_GEM)
		return pb_open(exp->dev);
	fd = open(exp->kind == PB_HEAP ? HEAP_NODE : UDMABUF_NODE, O_RDWR | O_CLOEXEC);
	igt_assert_fd(fd);
	return fd;
}

void pb_maker_open(struct pb_maker *m, const struct pb_exporter *exp, uint64_t size)
{
	*m = (struct pb_maker){ .exp = exp, .size = size, .memfd = -1, .dmabuf = -1 };
	m->file = open_maker(exp);
	if (exp->kind == PB_UDMABUF)
		m->memfd = pb_memfd(size);
}

void pb_maker_close(struct pb_maker *m)
{
	pb_unmake(m);
	pb_close_once(&m->file);
	pb_close_once(&m->memfd);
}

static int make_gem(struct pb_maker *m)
{
	int err = 0;

	if (!m->handle)
		err = pb_dumb_create(m->file, pb_page / 4, m->size / pb_page, 32, &m->handle, NULL, NULL);
	return err ?: pb_export_errno(m->file, m->handle, DRM_CLOEXEC | DRM_RDWR, &m->dmabuf);
}

static int make_udmabuf(struct pb_maker *m)
{
	struct udmabuf_create args = {
		.memfd = m->memfd, .flags = UDMABUF_FLAGS_CLOEXEC, .size = m->size,
	};

	m->dmabuf = ioctl(m->file, UDMABUF_CREATE, &args);
	return m->dmabuf < 0 ? errno : 0;
}

static int make_heap(struct pb_maker *m)
{
	struct dma_heap_allocation_data args = { .len = m->size, .fd_flags = O_RDWR | O_CLOEXEC };

	if (ioctl(m->file, DMA_HEAP_IOCTL_ALLOC, &args))
		return errno;
	m->dmabuf = args.fd;
	return 0;
}

int pb_make(struct pb_maker *m)
{
	switch (m->exp->kind) {
	case PB_UDMABUF:
		return make_udmabuf(m);
	case PB_HEAP:
		return make_heap(m);
	default:
		return make_gem(m);
	}
}

void pb_unmake(struct pb_maker *m)
{
	if (m->handle)
		igt_assert_eq(pb_gem_close_errno(m->file, m->handle), 0);
	m->handle = 0;
	pb_close_once(&m->dmabuf);
}

int pb_fork_touch(uint8_t *ptr, int num)
{
	const pid_t child = fork();
	int status;

	if (child < 0)
		return errno == EAGAIN ? ENOMEM : errno;
	if (!child)
		_exit(pb_touch_pages(ptr, num));
	igt_assert_eq(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EFAULT;
}

int pb_touch_pages(uint8_t *ptr, int num)
{
	for (int i = 0; i < num; i++) {
		const int sig = pb_touch(ptr + i * pb_page, true);

		if (sig)
			return sig == SIGBUS ? ENOMEM : EFAULT;
	}
	return 0;
}

void pb_permute(uint32_t *order, uint32_t n, uint64_t seed)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t j = pb_word(seed, i) % (i + 1);

		order[i] = i;
		order[i] = order[j];
		order[j] = i;
	}
}

static struct rlimit descriptors;

void pb_no_descriptor(void)
{
	struct rlimit limit;

	igt_assert_eq(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
	limit = descriptors;
	limit.rlim_cur = pb_next_fd();
	igt_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

void pb_any_descriptor(void)
{
	igt_assert_eq(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
}

void pb_name(int dmabuf, const char *name)
{
	igt_assert_eq(ioctl(dmabuf, DMA_BUF_SET_NAME_B, name), 0);
}

static long read_line(const char *path, const char *key)
{
	FILE *f = fopen(path, "r");
	char line[128];
	long value = -1;

	igt_assert(f);
	while (value < 0 && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, key, strlen(key)))
			value = strtol(line + strlen(key), NULL, 10);
	}
	fclose(f);
	return value;
}

long pb_meminfo(const char *key)
{
	return read_line("/proc/meminfo", key);
}

long pb_vmstat(const char *key)
{
	char word[64];

	snprintf(word, sizeof(word), "%s ", key);
	return read_line("/proc/vmstat", word);
}

void pb_drop_caches(void)
{
	igt_assert_eq(pb_put_file("/proc/sys/vm/drop_caches", "1"), 0);
}

#define ZRAM "/dev/zram0"
#define ZRAM_SYSFS "/sys/block/zram0/"
#define ZRAM_SIZE (256ul << 20)

static bool our_zram;

/* What mkswap(8) writes. */
static void make_swap(const char *node, uint64_t size)
{
	const int fd = open(node, O_WRONLY | O_CLOEXEC);
	const uint32_t version_and_last[] = { 1, size / pb_page - 1 };
	char *page = calloc(1, pb_page);

	igt_assert_fd(fd);
	igt_assert(page);
	memcpy(page + 1024, version_and_last, sizeof(version_and_last));
	memcpy(page + pb_page - 10, "SWAPSPACE2", 10);
	igt_assert_eq(write(fd, page, pb_page), pb_page);
	free(page);
	close(fd);
}

/* Nobody else has it: then its size can be set. */
static bool take_zram(void)
{
	char size[32];

	snprintf(size, sizeof(size), "%lu", ZRAM_SIZE);
	return !pb_put_file(ZRAM_SYSFS "disksize", size);
}

static void give_zram_back(void)
{
	igt_assert_eq(pb_put_file(ZRAM_SYSFS "reset", "1"), 0);
}

bool pb_try_swap_on(void)
{
	if (pb_meminfo("SwapTotal:") > 0)
		return true;
	if (!take_zram())
		return false;
	make_swap(ZRAM, ZRAM_SIZE);
	igt_assert_f(!swapon(ZRAM, 0), "swapon: %m\n");
	our_zram = true;
	return true;
}

void pb_swap_on(void)
{
	igt_require_f(pb_try_swap_on(), "no swap, and no free " ZRAM "\n");
}

void pb_swap_off(void)
{
	if (!our_zram)
		return;
	our_zram = false;
	igt_assert_f(!swapoff(ZRAM), "swapoff: %m\n");
	give_zram_back();
}

int pb_disk(int flags)
{
	int fd;

	if (!take_zram())
		return -1;
	fd = open(ZRAM, flags | O_CLOEXEC);
	igt_assert_fd(fd);
	return fd;
}

void pb_disk_end(int fd)
{
	igt_assert_eq(close(fd), 0);
	give_zram_back();
}

#define PRESS_FAR (32ul << 20)
#define PRESS_NEAR (256ul << 10)

static bool much_shmem(long goal)
{
	return pb_meminfo("Shmem:") > goal;
}

static bool little_swapped(long goal)
{
	return pb_vmstat("pswpout") < goal;
}

/* Memory that stays. Not enough of it, and this process, not the test, is the one to be killed. */
static void press(bool (*go_on)(long goal), long goal)
{
	if (pb_put_file("/proc/self/oom_score_adj", "1000"))
		_exit(1);
	while (go_on(goal)) {
		const bool far = pb_meminfo("MemAvailable:") > 4 * (long)(PRESS_FAR >> 10);
		void *ptr = mmap(NULL, far ? PRESS_FAR : PRESS_NEAR, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);

		if (ptr == MAP_FAILED)
			_exit(1);
		/* Swapping takes memory, too: let others do it before there is none. */
		usleep(far ? 0 : 2000);
	}
	_exit(0);
}

/*
 * Where others are slow to swap it is killed before its goal is reached: what is swapped then stays
 * so, and it begins again.
 */
static void press_in_children(bool (*go_on)(long goal), long goal)
{
	for (int i = 0; i < 20 && go_on(goal); i++) {
		pid_t pid;

		fflush(NULL);
		pid = fork();
		igt_assert(pid >= 0);
		if (!pid)
			press(go_on, goal);
		igt_assert_eq(waitpid(pid, NULL, 0), pid);
	}
}

void pb_press_out(long pages)
{
	press_in_children(little_swapped, pb_vmstat("pswpout") + pages);
}

void pb_press(uint64_t size)
{
	const long before = pb_meminfo("Shmem:"), goal = before - (long)(size >> 10);
	const long out = pb_vmstat("pswpout");

	press_in_children(much_shmem, goal);
	igt_info("%ld of %ld KiB of shmem are left, %ld pages were swapped out\n",
		 pb_meminfo("Shmem:"), before, pb_vmstat("pswpout") - out);
	igt_assert_f(pb_meminfo("Shmem:") <= goal, "shmem keeps more than %ld KiB\n", goal);
}

static FILE *bufinfo(void)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/dma_buf/bufinfo", igt_debugfs_mount());
	f = fopen(path, "r");
	igt_require_f(f, "no %s\n", path);
	return f;
}

int pb_count_dmabufs(void)
{
	FILE *f = bufinfo();
	int count = -1, found;
	char line[512];

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Total %d objects", &found) == 1)
			count = found;
	}
	fclose(f);
	igt_assert_lte(0, count);
	return count;
}

int pb_count_named(const char *prefix)
{
	FILE *f = bufinfo();
	char line[512];
	int count = 0;

	while (fgets(line, sizeof(line), f))
		count += strstr(line, prefix) != NULL;
	fclose(f);
	return count;
}

int pb_fence_export_errno(int dmabuf, uint32_t flags, int *file)
{
	struct dma_buf_export_sync_file args = { .flags = flags, .fd = -1 };

	if (ioctl(dmabuf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &args))
		return errno;
	*file = args.fd;
	return 0;
}

int pb_fence_import_errno(int dmabuf, uint32_t flags, int file)
{
	struct dma_buf_import_sync_file args = { .flags = flags, .fd = file };

	return ioctl(dmabuf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &args) ? errno : 0;
}

int pb_fence_attach_errno(int drm, uint32_t handle, uint32_t flags, uint32_t *id)
{
	struct drm_vgem_fence_attach args = { .handle = handle, .flags = flags };

	if (drmIoctl(drm, DRM_IOCTL_VGEM_FENCE_ATTACH, &args))
		return errno;
	*id = args.out_fence;
	return 0;
}

int pb_fence_signal_errno(int drm, uint32_t id)
{
	struct drm_vgem_fence_signal args = { .fence = id };

	return drmIoctl(drm, DRM_IOCTL_VGEM_FENCE_SIGNAL, &args) ? errno : 0;
}

bool pb_is_vgem(const struct pb_device *dev)
{
	return !strcmp(dev->driver, "vgem");
}

const struct pb_device *pb_vgem(void)
{
	for (int i = 0; i < pb_n_devices; i++) {
		if (pb_is_vgem(&pb_devices[i]))
			return &pb_devices[i];
	}
	return NULL;
}

void pb_fence_make(struct pb_fence *fence)
{
	const struct pb_device *vgem = pb_vgem();
	int dmabuf;

	igt_require_f(vgem, "no vgem to make fences\n");
	fence->drm = pb_open(vgem);
	fence->file = -1;
	igt_assert_eq(pb_dumb_create(fence->drm, 64, 1, 32, &fence->handle, NULL, NULL), 0);
	igt_assert_eq(pb_fence_attach_errno(fence->drm, fence->handle, VGEM_FENCE_WRITE, &fence->id), 0);
	dmabuf = prime_handle_to_fd(fence->drm, fence->handle);
	igt_assert_eq(pb_fence_export_errno(dmabuf, DMA_BUF_SYNC_READ, &fence->file), 0);
	igt_assert_fd(fence->file);
	close(dmabuf);
}

void pb_fence_close(struct pb_fence *fence)
{
	pb_close_once(&fence->file);
	pb_close_once(&fence->drm);
}
