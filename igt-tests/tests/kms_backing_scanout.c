// SPDX-License-Identifier: MIT
/**
 * TEST: kms backing scanout
 * Category: Display
 * Mega feature: General Display Features
 * Sub-category: DRM
 * Functionality: scan-out, PRIME
 * Description: A device shows its own and others' buffers, and what the CPU then reads through
 *              any mapping is what was put there.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>
#include <drm_fourcc.h>

#include "igt.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Scan-out of a device's own and of imported buffers, on any device with KMS.");

struct screen {
	int drm;
	uint32_t connector, crtc;
	drmModeModeInfo mode;
};

/* A frame: a buffer of the screen's size with a framebuffer, its own or imported. */
struct frame {
	uint32_t handle, pitch, fb;
	uint64_t size;
	uint8_t *ptr;
};

static bool has_screen(const struct pb_device *dev)
{
	const int drm = pb_open(dev);
	drmModeRes *res = drmModeGetResources(drm);
	const bool kms = res && res->count_crtcs && res->count_connectors;

	drmModeFreeResources(res);
	close(drm);
	return kms;
}

static bool pick(struct screen *screen, const drmModeRes *res, const drmModeConnector *conn)
{
	if (conn->connection == DRM_MODE_DISCONNECTED || !conn->count_modes)
		return false;
	screen->connector = conn->connector_id;
	screen->mode = conn->modes[0];
	screen->crtc = res->crtcs[0];
	return true;
}

static void open_screen(struct screen *screen, const struct pb_device *dev)
{
	bool found = false;
	drmModeRes *res;

	screen->drm = pb_open(dev);
	res = drmModeGetResources(screen->drm);
	igt_assert(res);
	for (int i = 0; i < res->count_connectors && !found; i++) {
		drmModeConnector *conn = drmModeGetConnector(screen->drm, res->connectors[i]);

		found = conn && pick(screen, res, conn);
		drmModeFreeConnector(conn);
	}
	drmModeFreeResources(res);
	igt_require_f(found, "%s has no connected output\n", dev->name);
}

static int add_fb(const struct screen *screen, struct frame *frame)
{
	const uint32_t handles[4] = { frame->handle }, pitches[4] = { frame->pitch };
	const uint32_t offsets[4] = { };

	return drmModeAddFB2(screen->drm, screen->mode.hdisplay, screen->mode.vdisplay,
			     DRM_FORMAT_XRGB8888, handles, pitches, offsets, &frame->fb, 0);
}

static void make_frame(const struct screen *screen, struct frame *frame, uint64_t seed)
{
	igt_assert_eq(pb_dumb_create(screen->drm, screen->mode.hdisplay, screen->mode.vdisplay, 32,
				     &frame->handle, &frame->pitch, &frame->size), 0);
	frame->ptr = pb_mmap_gem(screen->drm, frame->handle, frame->size, PROT_READ | PROT_WRITE,
				 MAP_SHARED, 0);
	igt_assert(frame->ptr != MAP_FAILED);
	pb_fill(frame->ptr, 0, frame->size, seed);
	igt_assert_eq(add_fb(screen, frame), 0);
}

static void free_frame(const struct screen *screen, struct frame *frame)
{
	igt_assert_eq(munmap(frame->ptr, frame->size), 0);
	igt_assert_eq(drmModeRmFB(screen->drm, frame->fb), 0);
	gem_close(screen->drm, frame->handle);
}

static void show(struct screen *screen, const struct frame *frame)
{
	igt_assert_eq(drmModeSetCrtc(screen->drm, screen->crtc, frame->fb, 0, 0,
				     &screen->connector, 1, &screen->mode), 0);
}

static void close_screen(struct screen *screen)
{
	drmModeSetCrtc(screen->drm, screen->crtc, 0, 0, 0, NULL, 0, NULL);
	igt_assert_eq(close(screen->drm), 0);
}

/* Catches: a scan-out address that is wrong or gone, a mapping that loses what was written. */
static void own(const struct pb_device *dev)
{
	struct screen screen;
	struct frame frame;
	struct pb_view view;
	int dmabuf;

	open_screen(&screen, dev);
	make_frame(&screen, &frame, 1);
	show(&screen, &frame);
	pb_check(frame.ptr, 0, frame.size, 1, "the device's mapping");
	dmabuf = prime_handle_to_fd_for_mmap(screen.drm, frame.handle);
	igt_assert_fd(dmabuf);
	view = pb_view_dmabuf(dmabuf, frame.size);
	pb_verify(&view, 1, "dma-buf's mapping");
	pb_write(&view, 2);
	pb_check(frame.ptr, 0, frame.size, 2, "the device's mapping");
	pb_unview(&view);
	close(dmabuf);
	free_frame(&screen, &frame);
	close_screen(&screen);
}

static void wait_flip(const struct screen *screen)
{
	struct pollfd fds = { .fd = screen->drm, .events = POLLIN };
	char event[256];

	igt_assert_f(poll(&fds, 1, 5000) == 1, "no event of a page flip for 5 s\n");
	igt_assert(read(screen->drm, event, sizeof(event)) > 0);
}

/* Catches: a frame whose memory goes, or moves, while another one is shown. */
static void flip(const struct pb_device *dev)
{
	struct screen screen;
	struct frame frames[2];

	open_screen(&screen, dev);
	make_frame(&screen, &frames[0], 10);
	make_frame(&screen, &frames[1], 11);
	show(&screen, &frames[0]);
	for (int i = 1; i < 5; i++) {
		igt_assert_eq(drmModePageFlip(screen.drm, screen.crtc, frames[i % 2].fb,
					      DRM_MODE_PAGE_FLIP_EVENT, NULL), 0);
		wait_flip(&screen);
		pb_check(frames[0].ptr, 0, frames[0].size, 10, "first frame");
		pb_check(frames[1].ptr, 0, frames[1].size, 11, "second frame");
	}
	free_frame(&screen, &frames[0]);
	free_frame(&screen, &frames[1]);
	close_screen(&screen);
}

/* Catches: damage that is read from another place than it was written to. */
static void dirty(const struct pb_device *dev)
{
	drmModeClip clip = { .x1 = 8, .y1 = 8, .x2 = 40, .y2 = 24 };
	struct screen screen;
	struct frame frame;
	int ret;

	open_screen(&screen, dev);
	make_frame(&screen, &frame, 20);
	show(&screen, &frame);
	pb_fill(frame.ptr, 0, frame.size, 21);
	ret = drmModeDirtyFB(screen.drm, frame.fb, &clip, 1);
	pb_check(frame.ptr, 0, frame.size, 21, "the device's mapping");
	free_frame(&screen, &frame);
	close_screen(&screen);
	igt_require_f(ret != -ENOSYS, "%s takes no damage\n", dev->name);
	igt_assert_eq(ret, 0);
}

/* Catches: an import that shows, or pins, other memory than the exporter's; one that is taken
 * where it cannot be shown. Where the errno says that it is not, that is what is compared. */
static void import(const struct pb_exporter *exp, const struct pb_device *dev)
{
	struct screen screen;
	struct frame frame;
	struct pb_view view;
	struct pb_buf buf;
	int err;

	open_screen(&screen, dev);
	frame.pitch = 4 * screen.mode.hdisplay;
	pb_create(&buf, exp, ((uint64_t)frame.pitch * screen.mode.vdisplay + pb_page - 1) & -pb_page);
	view = pb_view_native(&buf);
	pb_write(&view, 30);
	err = pb_import_errno(screen.drm, buf.dmabuf, &frame.handle);
	if (err) {
		pb_unview(&view);
		pb_destroy(&buf);
		close_screen(&screen);
		igt_require_f(!err, "%s refuses the import: %s\n", dev->name, strerror(err));
	}
	igt_assert_eq(add_fb(&screen, &frame), 0);
	show(&screen, &frame);
	pb_verify(&view, 30, "exporter's mapping");
	pb_unview(&view);
	pb_destroy(&buf);

	/* The framebuffer alone keeps the exporter's memory. */
	show(&screen, &frame);
	igt_assert_eq(drmModeRmFB(screen.drm, frame.fb), 0);
	gem_close(screen.drm, frame.handle);
	close_screen(&screen);
}

static uint32_t draw(const struct screen *screen, uint8_t *ptr, uint32_t pitch, uint32_t seed)
{
	return pb_draw(ptr, screen->mode.hdisplay, screen->mode.vdisplay, pitch, seed);
}

static void exhibit(struct screen *screen, const struct frame *frame, const char *name, uint32_t crc)
{
	show(screen, frame);
	pb_exhibit(name, screen->mode.hdisplay, screen->mode.vdisplay, crc);
}

/* Catches: a scan-out address that is wrong, where somebody looks. */
static void picture(const struct pb_device *dev)
{
	struct screen screen;
	struct frame frame;

	open_screen(&screen, dev);
	make_frame(&screen, &frame, 50);
	exhibit(&screen, &frame, dev->name, draw(&screen, frame.ptr, frame.pitch, 1));
	free_frame(&screen, &frame);
	close_screen(&screen);
}

/* Catches: the same for the address of an import. */
static void picture_import(const struct pb_exporter *exp, const struct pb_device *dev)
{
	struct frame frame = { };
	struct screen screen;
	struct pb_view view;
	struct pb_buf buf;
	char name[64];
	uint32_t crc;
	int err;

	open_screen(&screen, dev);
	frame.pitch = 4 * screen.mode.hdisplay;
	pb_create(&buf, exp, ((uint64_t)frame.pitch * screen.mode.vdisplay + pb_page - 1) & -pb_page);
	view = pb_view_native(&buf);
	crc = draw(&screen, view.ptr, frame.pitch, 2);
	pb_unview(&view);
	err = pb_import_errno(screen.drm, buf.dmabuf, &frame.handle);
	pb_destroy(&buf);
	if (!err) {
		igt_assert_eq(add_fb(&screen, &frame), 0);
		snprintf(name, sizeof(name), "%s-to-%s", exp->name, dev->name);
		exhibit(&screen, &frame, name, crc);
		igt_assert_eq(drmModeRmFB(screen.drm, frame.fb), 0);
		gem_close(screen.drm, frame.handle);
	}
	close_screen(&screen);
	igt_require_f(!err, "%s refuses the import: %s\n", dev->name, strerror(err));
}

static long minor_faults(void)
{
	struct rusage usage;

	igt_assert_eq(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_minflt;
}

/* Catches: a mapping that takes a fault for each page where it took fewer. The numbers are for
 * whoever compares two kernels. */
static void faults(const struct pb_device *dev)
{
	const struct pb_exporter exp = { .kind = PB_GEM, .dev = dev };
	struct pb_view view;
	struct pb_buf buf;
	long before, count;

	pb_create(&buf, &exp, 4 << 20);
	view = pb_view_native(&buf);
	before = minor_faults();
	for (uint64_t pos = 0; pos < buf.size; pos += pb_page)
		*(volatile uint8_t *)(view.ptr + pos) = 1;
	count = minor_faults() - before;
	igt_info("count: faults/%s %ld\n", dev->name, count);
	/* One to map a page and one to write it at most; none where all of it is mapped at once. */
	igt_assert(count <= 2 * (long)(buf.size / pb_page));
	pb_unview(&view);
	pb_destroy(&buf);
}

/* What DMA_API_DEBUG knows to be mapped, or an empty string without. */
static char *mappings(void)
{
	FILE *file = fopen("/sys/kernel/debug/dma-api/dump", "r");
	char *text = NULL;
	size_t room = 0;
	const ssize_t len = file ? getdelim(&text, &room, '\0', file) : -1;

	if (file)
		fclose(file);
	if (len < 0) {
		free(text);
		text = strdup("");
	}
	igt_assert(text);
	return text;
}

/* Of the lines that are in after alone, those about a page at least; the first go to the log. */
static int new_mappings(const struct pb_device *dev, const char *before, char *after)
{
	int count = 0;
	char *rest;

	for (char *line = strtok_r(after, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		const char *length = strstr(line, " L=");

		if (strstr(before, line) || !length || strtoull(length + 3, NULL, 16) < (uint64_t)pb_page)
			continue;
		if (count++ < 3)
			igt_info("dma: %s: %s\n", dev->name, line);
	}
	return count;
}

/* Shows how many pieces a frame is for the device, and where they lie; for whoever compares. */
static void addresses(const struct pb_device *dev)
{
	char *before = mappings(), *after;
	struct screen screen;
	struct frame frame;

	igt_require_f(!access("/sys/kernel/debug/dma-api/dump", R_OK), "no DMA_API_DEBUG\n");
	open_screen(&screen, dev);
	make_frame(&screen, &frame, 40);
	show(&screen, &frame);
	after = mappings();
	igt_info("count: mappings/%s %d\n", dev->name, new_mappings(dev, before, after));
	free(before);
	free(after);
	free_frame(&screen, &frame);
	close_screen(&screen);
}

/* The loops are not in the functions that a failure jumps back into. */
static void run_screen(void (*run)(const struct pb_device *dev), const struct pb_device *dev)
{
	igt_dynamic_f("%s", dev->name)
		run(dev);
}

/* As pb_run_devices(), on those with a screen. */
static void run_screens(void (*run)(const struct pb_device *dev))
{
	for (int i = 0; i < pb_n_devices; i++) {
		if (has_screen(&pb_devices[i]))
			run_screen(run, &pb_devices[i]);
	}
}

typedef void import_fn(const struct pb_exporter *exp, const struct pb_device *dev);

static void run_import(const struct pb_exporter *exp, const struct pb_device *dev, import_fn *run)
{
	pb_close_leftovers();
	igt_dynamic_f("%s-to-%s", exp->name, dev->name) {
		igt_require_f(!exp->missing, "%s\n", exp->missing);
		run(exp, dev);
	}
}

static void run_imports(import_fn *run)
{
	for (int i = 0; i < pb_n_devices; i++) {
		if (!has_screen(&pb_devices[i]))
			continue;
		for (int e = 0; e < pb_n_exporters; e++)
			run_import(&pb_exporters[e], &pb_devices[i], run);
	}
}

int igt_main()
{
	igt_fixture()
		pb_setup();

	igt_describe("The device's own buffer is shown and stays what it is");
	igt_subtest_with_dynamic("own")
		run_screens(own);

	igt_describe("Two buffers are shown in turn");
	igt_subtest_with_dynamic("flip")
		run_screens(flip);

	igt_describe("Damage is taken");
	igt_subtest_with_dynamic("dirty")
		run_screens(dirty);

	igt_describe("Another's buffer is shown, and lives as long as it is");
	igt_subtest_with_dynamic("import")
		run_imports(import);

	igt_describe("A picture, for who looks at the screen");
	igt_subtest_with_dynamic("picture")
		run_screens(picture);

	igt_describe("The same of another's buffer");
	igt_subtest_with_dynamic("picture-import")
		run_imports(picture_import);

	igt_describe("DMA addresses of a frame");
	igt_subtest_with_dynamic("addresses")
		run_screens(addresses);

	igt_describe("Faults that touching 4 MiB takes");
	igt_subtest_with_dynamic("faults")
		pb_run_devices(faults);
}
