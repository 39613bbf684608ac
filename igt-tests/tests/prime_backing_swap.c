// SPDX-License-Identifier: MIT
/**
 * TEST: prime backing swap
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: memory pressure
 * Description: What was written to a buffer is there when nobody has held its pages for a while,
 *              whoever wrote it; what was only read costs no swap.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "igt.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Content of buffers whose pages are given back, and of those that are swapped.");

#define PAGES 256
#define SIZE (PAGES * pb_page)
#define STEP 7

/*
 * How a buffer gets its content. write() leaves nothing behind that holds the pages; what it
 * wrote is found by pb_view_native().
 */
struct way {
	const char *name;
	const char *what;
	uint64_t (*size)(void);
	void (*write)(struct pb_buf *buf, uint64_t seed);
	void (*check)(const struct pb_view *view, uint64_t seed);
	int step;		/* every step-th page is written */
};

static uint64_t any_size(void)
{
	return SIZE;
}

static void check_all(const struct pb_view *view, uint64_t seed)
{
	pb_verify(view, seed, "buffer");
}

static void check_marks(const struct pb_view *view, uint64_t seed)
{
	pb_verify_marks(view, seed, STEP, "buffer");
}

/* Catches: a write fault that does not tell. */
static void by_mmap(struct pb_buf *buf, uint64_t seed)
{
	struct pb_view view = pb_view_native(buf);

	pb_write(&view, seed);
	pb_unview(&view);
}

/* Catches: the first write to what was read before, which is no fault of a missing entry. */
static void by_mmap_after_read(struct pb_buf *buf, uint64_t seed)
{
	struct pb_view view = pb_view_native(buf);

	for (size_t i = 0; i < view.len; i += pb_page)
		igt_assert_eq(pb_touch(view.ptr + i, false), 0);
	pb_write(&view, seed);
	pb_unview(&view);
}

/* Catches: entries that were filled in writable beside a write, and written later. */
static void by_mmap_here_and_there(struct pb_buf *buf, uint64_t seed)
{
	struct pb_view view = pb_view_native(buf);

	pb_mark(&view, seed, STEP);
	pb_unview(&view);
}

static void by_dmabuf(struct pb_buf *buf, uint64_t seed)
{
	struct pb_view view = pb_view_dmabuf(buf->dmabuf, buf->size);

	pb_write(&view, seed);
	pb_unview(&view);
}

/* Catches: an importer's mapping that the exporter does not hear of. */
static void by_importer(struct pb_buf *buf, uint64_t seed)
{
	struct pb_import imp;
	struct pb_view view;

	pb_import(&imp, &pb_devices[pb_n_devices - 1], buf->dmabuf);
	view = pb_view_import(&imp, buf->dmabuf, buf->size);
	pb_write(&view, seed);
	pb_unview(&view);
	pb_import_close(&imp);
}

/*
 * A writeback connector: the kernel writes, by a mapping of its own.
 */
static const struct pb_device *writer;
static drmModeModeInfo writer_mode;

static uint32_t property(int drm, uint32_t obj, uint32_t type, const char *name, uint64_t *value)
{
	drmModeObjectProperties *props = drmModeObjectGetProperties(drm, obj, type);
	uint32_t id = 0;

	for (uint32_t i = 0; props && i < props->count_props; i++) {
		drmModePropertyRes *prop = drmModeGetProperty(drm, props->props[i]);

		if (prop && !strcmp(prop->name, name)) {
			id = prop->prop_id;
			*value = props->prop_values[i];
		}
		drmModeFreeProperty(prop);
	}
	drmModeFreeObjectProperties(props);
	return id;
}

static uint32_t writeback_connector(int drm)
{
	drmModeRes *res = drmModeGetResources(drm);
	uint32_t found = 0;

	for (int i = 0; res && i < res->count_connectors && !found; i++) {
		drmModeConnector *conn = drmModeGetConnectorCurrent(drm, res->connectors[i]);

		if (conn && conn->connector_type == DRM_MODE_CONNECTOR_WRITEBACK)
			found = conn->connector_id;
		drmModeFreeConnector(conn);
	}
	drmModeFreeResources(res);
	return found;
}

static uint32_t primary_plane(int drm, int crtc_index)
{
	drmModePlaneRes *res = drmModeGetPlaneResources(drm);
	uint32_t found = 0;

	igt_assert(res);
	for (uint32_t i = 0; i < res->count_planes && !found; i++) {
		drmModePlane *plane = drmModeGetPlane(drm, res->planes[i]);
		uint64_t type = 0;

		property(drm, res->planes[i], DRM_MODE_OBJECT_PLANE, "type", &type);
		if (plane && plane->possible_crtcs & 1u << crtc_index &&
		    type == DRM_PLANE_TYPE_PRIMARY)
			found = plane->plane_id;
		drmModeFreePlane(plane);
	}
	drmModeFreePlaneResources(res);
	return found;
}

static int client_caps(int drm)
{
	return drmSetClientCap(drm, DRM_CLIENT_CAP_ATOMIC, 1) ||
	       drmSetClientCap(drm, DRM_CLIENT_CAP_WRITEBACK_CONNECTORS, 1);
}

static void find_writer(void)
{
	for (int i = 0; i < pb_n_devices && !writer; i++) {
		const int drm = pb_open(&pb_devices[i]);

		if (!client_caps(drm) && writeback_connector(drm))
			writer = &pb_devices[i];
		close(drm);
	}
}

/* A writeback connector writes what a whole mode shows. */
static void find_mode(void)
{
	struct pb_output out;
	const int drm = pb_open(writer);

	pb_require_output(&out, drm);
	writer_mode = out.mode;
	close(drm);
}

static uint32_t mode_pitch(void)
{
	return 4 * writer_mode.hdisplay;
}

static uint64_t mode_size(void)
{
	return ((uint64_t)mode_pitch() * writer_mode.vdisplay + pb_page - 1) & -pb_page;
}

static void set(drmModeAtomicReq *req, int drm, uint32_t obj, uint32_t type, const char *name,
		uint64_t value)
{
	uint64_t old;
	const uint32_t id = property(drm, obj, type, name, &old);

	igt_assert_f(id, "no property %s\n", name);
	igt_assert(drmModeAtomicAddProperty(req, obj, id, value) >= 0);
}

static void set_plane(drmModeAtomicReq *req, const struct pb_output *out, uint32_t fb)
{
	const struct {
		const char *name;
		uint64_t value;
	} props[] = {
		{ "FB_ID", fb }, { "CRTC_ID", out->crtc },
		{ "SRC_W", (uint64_t)writer_mode.hdisplay << 16 },
		{ "SRC_H", (uint64_t)writer_mode.vdisplay << 16 },
		{ "CRTC_W", writer_mode.hdisplay }, { "CRTC_H", writer_mode.vdisplay },
	};
	const uint32_t plane = primary_plane(out->drm, out->crtc_index);

	for (size_t i = 0; i < ARRAY_SIZE(props); i++)
		set(req, out->drm, plane, DRM_MODE_OBJECT_PLANE, props[i].name, props[i].value);
}

static void set_crtc(drmModeAtomicReq *req, const struct pb_output *out)
{
	uint32_t mode;

	igt_assert_eq(drmModeCreatePropertyBlob(out->drm, &writer_mode, sizeof(writer_mode), &mode), 0);
	set(req, out->drm, out->crtc, DRM_MODE_OBJECT_CRTC, "MODE_ID", mode);
	set(req, out->drm, out->crtc, DRM_MODE_OBJECT_CRTC, "ACTIVE", 1);
}

/* The same picture into another framebuffer; returns when it is there. */
static void write_back(const struct pb_output *out, uint32_t from, uint32_t to)
{
	const uint32_t type = DRM_MODE_OBJECT_CONNECTOR, conn = writeback_connector(out->drm);
	drmModeAtomicReq *req = drmModeAtomicAlloc();
	struct pollfd fence = { .fd = -1, .events = POLLIN };

	set_plane(req, out, from);
	set_crtc(req, out);
	set(req, out->drm, conn, type, "CRTC_ID", out->crtc);
	set(req, out->drm, conn, type, "WRITEBACK_FB_ID", to);
	set(req, out->drm, conn, type, "WRITEBACK_OUT_FENCE_PTR", (uintptr_t)&fence.fd);
	igt_assert_f(!drmModeAtomicCommit(out->drm, req, DRM_MODE_ATOMIC_ALLOW_MODESET, NULL),
		     "the commit: %m\n");
	drmModeAtomicFree(req);
	igt_assert_eq(poll(&fence, 1, 10000), 1);
	close(fence.fd);
}

/* Catches: the kernel's own mapping of a buffer, which has no faults. */
static void by_writeback(struct pb_buf *buf, uint64_t seed)
{
	struct pb_output out;
	struct pb_buf picture;
	struct pb_import imp;
	struct pb_view view;
	uint32_t from, to;

	pb_import(&imp, writer, buf->dmabuf);
	pb_require_output(&out, imp.drm);
	igt_assert_eq(client_caps(imp.drm), 0);
	pb_create(&picture, &pb_exporters[0], buf->size);
	view = pb_view_native(&picture);
	pb_write(&view, seed);
	igt_assert_eq(pb_add_fb(imp.drm, prime_fd_to_handle(imp.drm, picture.dmabuf),
				writer_mode.hdisplay, writer_mode.vdisplay, mode_pitch(), 0, &from), 0);
	igt_assert_eq(pb_add_fb(imp.drm, imp.handle, writer_mode.hdisplay, writer_mode.vdisplay,
				mode_pitch(), 0, &to), 0);
	write_back(&out, from, to);
	igt_assert_eq(drmModeRmFB(imp.drm, to), 0);
	igt_assert_eq(drmModeRmFB(imp.drm, from), 0);
	pb_import_close(&imp);
	pb_unview(&view);
	pb_destroy(&picture);
	/* The kernel lets go of the buffer in a work of its own. */
	usleep(100000);
}

/* XRGB8888: of each pixel there are three bytes. */
static void check_picture(const struct pb_view *view, uint64_t seed)
{
	const size_t num = (size_t)writer_mode.hdisplay * writer_mode.vdisplay;
	const volatile uint32_t *pixels = (void *)view->ptr;

	for (size_t i = 0; i < num; i++) {
		const uint32_t want = pb_word(seed, i / 2) >> i % 2 * 32;

		igt_assert_f(!((pixels[i] ^ want) & 0xffffff), "wrong pixel %zu in page %zu\n", i,
			     i * sizeof(*pixels) / pb_page);
	}
}

static const struct way ways[] = {
	{ "mmap", "written by a mapping", any_size, by_mmap, check_all, 1 },
	{ "mmap-after-read", "written by a mapping that was read before", any_size,
	  by_mmap_after_read, check_all, 1 },
	{ "mmap-here-and-there", "some pages are written by a mapping", any_size,
	  by_mmap_here_and_there, check_marks, STEP },
	{ "dmabuf", "written by a mapping of the dma-buf", any_size, by_dmabuf, check_all, 1 },
	{ "importer", "written by a mapping of an importer", any_size, by_importer, check_all, 1 },
	{ "writeback", "written by the kernel", mode_size, by_writeback, check_picture, 1 },
};

static void require_way(const struct way *way)
{
	if (way->size != mode_size)
		return;
	igt_require_f(writer, "no device with a writeback connector\n");
	find_mode();
}

static void write_buffer(struct pb_buf *buf, const struct pb_exporter *exp, const struct way *way,
			 uint64_t seed)
{
	pb_create(buf, exp, way->size());
	/* Who opens a device first is its master, and in the way of who shows something there. */
	if (buf->drm >= 0)
		drmDropMaster(buf->drm);
	way->write(buf, seed);
	/* udmabuf holds the pages as long as it is there; then they are the memfd's. */
	if (exp->kind == PB_UDMABUF)
		pb_close_dmabuf(buf);
}

static void check_buffer(struct pb_buf *buf, const struct way *way, uint64_t seed)
{
	struct pb_view view = pb_view_native(buf);

	way->check(&view, seed);
	pb_unview(&view);
	pb_destroy(buf);
}

static const struct way *kept_way;

/* Catches: pages that are not dirty when they are put. They are the first to go. */
static void kept(const struct pb_exporter *exp)
{
	struct pb_buf buf;

	pb_close_leftovers();
	require_way(kept_way);
	write_buffer(&buf, exp, kept_way, 1);
	pb_drop_caches();
	check_buffer(&buf, kept_way, 1);
}

/*
 * One buffer for each way and exporter; memory gets short once for all of them.
 */
struct swapped {
	char name[96];
	const struct way *way;
	struct pb_buf buf;
};

static struct swapped swapped[ARRAY_SIZE(ways) * (PB_MAX_DEVICES + 1)];
static int n_swapped;

static void add_swapped(const struct way *way, const struct pb_exporter *exp)
{
	struct swapped *s = &swapped[n_swapped];

	/* What a heap gave is nobody's file, and never swapped. */
	if (exp->kind == PB_HEAP || exp->missing || (way->size == mode_size && !writer))
		return;
	require_way(way);
	snprintf(s->name, sizeof(s->name), "%s-%s", way->name, exp->name);
	s->way = way;
	write_buffer(&s->buf, exp, way, n_swapped++);
}

static uint64_t add_all_swapped(void)
{
	uint64_t size = 0;

	n_swapped = 0;
	for (size_t w = 0; w < ARRAY_SIZE(ways); w++) {
		for (int e = 0; e < pb_n_exporters; e++)
			add_swapped(&ways[w], &pb_exporters[e]);
	}
	for (int i = 0; i < n_swapped; i++)
		size += swapped[i].buf.size;
	return size;
}

/* Catches: the same, by the way that is most used. */
static void swapped_in(int i)
{
	struct swapped *s = &swapped[i];
	struct pb_view view = pb_view_native(&s->buf);

	s->way->check(&view, i);
	pb_unview(&view);
	pb_destroy(&s->buf);
}

/* Catches: pages that never go because somebody still holds them. */
static void went_out(long read)
{
	long written = 0;

	for (int i = 0; i < n_swapped; i++)
		written += swapped[i].buf.size / pb_page / swapped[i].way->step;
	igt_info("%ld pages were written, %ld read from swap\n", written, read);
	igt_assert_lte(written * 9 / 10, read);
}

static void read_all(const struct pb_view *view)
{
	for (size_t i = 0; i < view->len; i += pb_page)
		igt_assert_eq(pb_touch(view->ptr + i, false), 0);
}

/* Catches: clean pages that are dirty when they were only read: they would be written to swap. */
static void read_stays_clean(const struct pb_exporter *exp)
{
	const uint64_t size = 32 * SIZE;
	struct pb_view views[2];
	struct pb_buf buf;
	long had;

	igt_require_f(exp->kind == PB_GEM, "%s does not tell who reads from who writes\n", exp->name);
	pb_create(&buf, exp, size);
	views[0] = pb_view_native(&buf);
	views[1] = pb_view_dmabuf(buf.dmabuf, size);
	for (size_t i = 0; i < ARRAY_SIZE(views); i++)
		read_all(&views[i]);
	for (size_t i = 0; i < ARRAY_SIZE(views); i++)
		pb_unview(&views[i]);
	had = pb_meminfo("Shmem:");
	pb_drop_caches();
	had -= pb_meminfo("Shmem:");
	igt_assert_f(had >= (long)(size >> 10) * 9 / 10, "%ld of %ld KiB were clean\n", had,
		     (long)(size >> 10));
	pb_destroy(&buf);
}

static void run_kept(const struct way *way)
{
	char name[64];

	kept_way = way;
	snprintf(name, sizeof(name), "kept-%s", way->name);
	igt_describe_f("It is %s, and clean pages go", way->what);
	igt_subtest_with_dynamic(name)
		pb_run_exporters(kept);
}

static void run_swapped_in(int i)
{
	igt_dynamic(swapped[i].name)
		swapped_in(i);
}

static void run_swapped(void)
{
	uint64_t size;
	long in;

	pb_close_leftovers();
	pb_swap_on();
	size = add_all_swapped();
	pb_press(size - size / 32);
	in = pb_vmstat("pswpin");
	for (int i = 0; i < n_swapped; i++)
		run_swapped_in(i);
	igt_dynamic("went-out")
		went_out(pb_vmstat("pswpin") - in);
}

int igt_main()
{
	igt_fixture() {
		pb_setup();
		find_writer();
	}

	for (size_t w = 0; w < ARRAY_SIZE(ways); w++)
		run_kept(&ways[w]);

	igt_describe("What was only read is clean");
	igt_subtest_with_dynamic("read-stays-clean")
		pb_run_exporters(read_stays_clean);

	igt_describe("What was written is swapped out and in");
	igt_subtest_with_dynamic("swapped")
		run_swapped();

	igt_fixture()
		pb_swap_off();
}
