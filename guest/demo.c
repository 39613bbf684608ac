// SPDX-License-Identifier: GPL-2.0
/*
 * What the demo and the Mesa lane do with vkms and vgem beside stock programs.
 *
 *   demo snapshot PREFIX   the framebuffer that vkms shows now, whoever made it
 *   demo share PREFIX      a vgem buffer filled through vgem's mmap, shown by vkms over PRIME,
 *                          and what vkms scanned out, out of its writeback connector
 *   demo mali PREFIX       a vkms buffer that the model of a Mali clears, tile by tile, through
 *                          panfrost's page tables, shown by vkms; also PREFIX.tables
 *
 * Pixels go to PREFIX.raw (XRGB8888 rows without padding), facts to PREFIX.facts
 * (NAME=VALUE), and, if the kernel has them, each device's lists of backings and framebuffers at
 * that moment to PREFIX.DRIVER.gem_backing and .framebuffer. Pictures are checked against the CRC that vkms computes of each
 * frame that it scans out. Raw ioctls only: it is linked statically on the host.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drm.h>
#include <drm_fourcc.h>
#include <drm_mode.h>
#include <linux/dma-buf.h>
#include <panfrost_drm.h>

#define DEBUGFS "/sys/kernel/debug/dri"
#define MAX_IDS 64
#define CRC_FRAMES 4

struct card {
	int fd;
	unsigned int minor;
	const char *driver;
};

struct image {
	uint32_t width, height;
	uint32_t *pixels;
};

/* A linear buffer of 32 bits a pixel, mapped. */
struct buffer {
	uint32_t handle, pitch, width, height;
	uint64_t size;
	uint8_t *map;
};

static const char *prefix;
static FILE *facts;

static void die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "demo: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (errno)
		fprintf(stderr, ": %s", strerror(errno));
	fputc('\n', stderr);
	exit(1);
}

static void call(int fd, unsigned long request, void *arg, const char *what)
{
	int ret;

	do
		ret = ioctl(fd, request, arg);
	while (ret == -1 && (errno == EINTR || errno == EAGAIN));
	if (ret == -1)
		die("%s", what);
}

static FILE *output(const char *suffix)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s.%s", prefix, suffix);
	file = fopen(path, "w");
	if (!file)
		die("%s", path);
	return file;
}

static int is_driver(int fd, const char *driver)
{
	char name[32] = "";
	struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };

	return !ioctl(fd, DRM_IOCTL_VERSION, &version) && !strcmp(name, driver);
}

static struct card open_card(const char *driver)
{
	struct card card = { .driver = driver };
	char path[32];
	struct stat st;

	for (unsigned int i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "/dev/dri/card%u", i);
		card.fd = open(path, O_RDWR | O_CLOEXEC);
		if (card.fd < 0)
			continue;
		if (is_driver(card.fd, driver) && !fstat(card.fd, &st)) {
			card.minor = minor(st.st_rdev);
			return card;
		}
		close(card.fd);
	}
	errno = 0;
	die("no %s device", driver);
	return card;
}

/* Copies a debugfs file of the device, if this kernel has it, to PREFIX.DRIVER.NAME. */
static void save_debugfs(const struct card *card, const char *name)
{
	char path[64], suffix[64], text[4096];
	FILE *from, *to;
	size_t n;

	snprintf(path, sizeof(path), DEBUGFS "/%u/%s", card->minor, name);
	from = fopen(path, "r");
	if (!from)
		return;
	snprintf(suffix, sizeof(suffix), "%s.%s", card->driver, name);
	to = output(suffix);
	while ((n = fread(text, 1, sizeof(text), from)) > 0)
		fwrite(text, 1, n, to);
	fclose(from);
	if (fclose(to))
		die("%s.%s", prefix, suffix);
}

/* The typed list, and which framebuffer each of its objects belongs to. */
static void save_backings(const struct card *card)
{
	save_debugfs(card, "gem_backing");
	save_debugfs(card, "framebuffer");
}

static struct image new_image(uint32_t width, uint32_t height)
{
	struct image image = { width, height, calloc((size_t)width * height, 4) };

	if (!image.pixels)
		die("an image of %ux%u", width, height);
	return image;
}

static void save_image(const struct image *image)
{
	FILE *file = output("raw");

	if (fwrite(image->pixels, 4, (size_t)image->width * image->height, file) !=
	    (size_t)image->width * image->height || fclose(file))
		die("%s.raw", prefix);
	fprintf(facts, "width=%u\nheight=%u\n", image->width, image->height);
}

/* The CPU's way to the pixels is the dma-buf's, whoever exports it. */
static void *map_prime(int fd, uint32_t handle, uint64_t size)
{
	struct drm_prime_handle prime = { .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR };
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ };
	void *map;

	call(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime, "exporting a framebuffer");
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, prime.fd, 0);
	if (map == MAP_FAILED)
		die("mapping a dma-buf of %llu bytes", (unsigned long long)size);
	call(prime.fd, DMA_BUF_IOCTL_SYNC, &sync, "DMA_BUF_IOCTL_SYNC");
	return map;
}

static void copy_rows(struct image *to, const uint8_t *from, uint32_t pitch)
{
	for (uint32_t y = 0; y < to->height; y++)
		memcpy(to->pixels + (size_t)y * to->width, from + (size_t)y * pitch, to->width * 4);
}

/* CRC-32 as the kernel's crc32_le(): reflected, neither start nor end inverted. */
static uint32_t crc32_le(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return crc;
}

/* What vkms would report of this picture: it composes in 16 bits a channel, A, R, G, B. */
static uint32_t vkms_crc(const struct image *image)
{
	uint32_t crc = 0;

	for (size_t i = 0; i < (size_t)image->width * image->height; i++) {
		uint32_t p = image->pixels[i];
		uint16_t argb[4] = { 0xffff, (p >> 16 & 0xff) * 257, (p >> 8 & 0xff) * 257, (p & 0xff) * 257 };

		crc = crc32_le(crc, argb, sizeof(argb));
	}
	return crc;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s", path);
	close(fd);
}

/* Compares the CRCs of the frames scanned out now with the picture's. One read is one frame. */
static void check_crc(const struct card *card, const struct image *image)
{
	uint32_t expected = vkms_crc(image), seen = 0;
	char path[64], line[128];
	int fd, matches = 0;
	ssize_t n;

	snprintf(path, sizeof(path), DEBUGFS "/%u/crtc-0/crc/control", card->minor);
	write_file(path, "auto");
	snprintf(path, sizeof(path), DEBUGFS "/%u/crtc-0/crc/data", card->minor);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		die("%s", path);
	for (int frame = 0; frame < CRC_FRAMES && (n = read(fd, line, sizeof(line) - 1)) > 0; frame++) {
		line[n] = '\0';
		if (sscanf(line, "%*s %x", &seen) == 1 && seen == expected)
			matches++;
	}
	close(fd);
	fprintf(facts, "crc_of_picture=%08x\ncrc_scanned_out=%08x\ncrc_matches=%d\ncrc_frames=%d\n",
		expected, seen, matches, CRC_FRAMES);
}

static struct drm_mode_card_res resources(int fd, uint32_t *crtcs, uint32_t *connectors)
{
	struct drm_mode_card_res res = {
		.crtc_id_ptr = (uintptr_t)crtcs, .count_crtcs = MAX_IDS,
		.connector_id_ptr = (uintptr_t)connectors, .count_connectors = MAX_IDS,
	};

	call(fd, DRM_IOCTL_MODE_GETRESOURCES, &res, "MODE_GETRESOURCES");
	return res;
}

static uint32_t shown_framebuffer(int fd)
{
	uint32_t crtcs[MAX_IDS], connectors[MAX_IDS];
	struct drm_mode_card_res res = resources(fd, crtcs, connectors);

	for (uint32_t i = 0; i < res.count_crtcs; i++) {
		struct drm_mode_crtc crtc = { .crtc_id = crtcs[i] };

		call(fd, DRM_IOCTL_MODE_GETCRTC, &crtc, "MODE_GETCRTC");
		if (crtc.mode_valid && crtc.fb_id)
			return crtc.fb_id;
	}
	return 0;
}

/* Root may have handles of a framebuffer that another process made. */
static void snapshot(void)
{
	struct card card = open_card("vkms");
	struct drm_mode_fb_cmd2 fb = { .fb_id = shown_framebuffer(card.fd) };
	struct image image;

	errno = 0;
	if (!fb.fb_id)
		die("vkms shows nothing");
	call(card.fd, DRM_IOCTL_MODE_GETFB2, &fb, "MODE_GETFB2");
	errno = 0;
	if (fb.pixel_format != DRM_FORMAT_XRGB8888)
		die("the framebuffer's format is %.4s, not XRGB8888", (char *)&fb.pixel_format);
	image = new_image(fb.width, fb.height);
	copy_rows(&image, (uint8_t *)map_prime(card.fd, fb.handles[0], (uint64_t)fb.pitches[0] * fb.height) +
		  fb.offsets[0], fb.pitches[0]);
	save_backings(&card);
	save_image(&image);
	check_crc(&card, &image);
	fprintf(facts, "framebuffer=%u\nsame_framebuffer=%d\n", fb.fb_id, shown_framebuffer(card.fd) == fb.fb_id);
}

static struct buffer create_dumb(int fd, uint32_t width, uint32_t height)
{
	struct drm_mode_create_dumb create = { .width = width, .height = height, .bpp = 32 };
	struct drm_mode_map_dumb offset = { 0 };
	struct buffer buffer;

	call(fd, DRM_IOCTL_MODE_CREATE_DUMB, &create, "MODE_CREATE_DUMB");
	offset.handle = create.handle;
	call(fd, DRM_IOCTL_MODE_MAP_DUMB, &offset, "MODE_MAP_DUMB");
	buffer = (struct buffer){ create.handle, create.pitch, width, height, create.size,
		mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset.offset) };
	if (buffer.map == MAP_FAILED)
		die("mapping a dumb buffer of %llu bytes", (unsigned long long)create.size);
	return buffer;
}

static uint32_t import(int from, uint32_t handle, int to)
{
	struct drm_prime_handle prime = { .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR };

	call(from, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime, "PRIME_HANDLE_TO_FD");
	call(to, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime, "PRIME_FD_TO_HANDLE");
	close(prime.fd);
	return prime.handle;
}

static uint32_t add_framebuffer(int fd, uint32_t handle, const struct buffer *buffer)
{
	struct drm_mode_fb_cmd2 fb = {
		.width = buffer->width, .height = buffer->height, .pixel_format = DRM_FORMAT_XRGB8888,
		.handles = { handle }, .pitches = { buffer->pitch },
	};

	call(fd, DRM_IOCTL_MODE_ADDFB2, &fb, "MODE_ADDFB2");
	return fb.fb_id;
}

/* Sunrise over a chequered sea: every pixel depends on its place, so no shift goes unseen. */
static uint32_t picture_at(uint32_t x, uint32_t y, const struct image *image)
{
	int dx = (int)x - (int)image->width / 2, dy = (int)y - (int)image->height * 3 / 5;
	int horizon = (int)image->height * 3 / 5, radius = (int)image->height / 4;
	uint32_t shade = x * 255 / image->width;

	if ((int)y < horizon && dx * dx + dy * dy < radius * radius)
		return 0xff000000 | 0xff0000 | (255 - (uint32_t)(horizon - (int)y) * 200 / radius) / 2 << 8 | shade / 8;
	if ((int)y < horizon)
		return 0xff000000 | (y * 255 / (uint32_t)horizon) << 16 | shade / 2 << 8 | (255 - y * 160 / (uint32_t)horizon);
	if (((uint32_t)((long)dx * 40 / (dy + 30) + 4096) ^ (uint32_t)(6000 / (dy + 30))) & 4)
		return 0xff000000 | 0x001030 | shade << 8 | y % 256;
	return 0xff000000 | 0x102060 | shade << 16;
}

static void paint(struct image *image)
{
	for (uint32_t y = 0; y < image->height; y++)
		for (uint32_t x = 0; x < image->width; x++)
			image->pixels[(size_t)y * image->width + x] = picture_at(x, y, image);
}

/* One atomic request, filled object by object. */
struct request {
	uint32_t objects[8], counts[8], properties[64];
	uint64_t values[64];
	uint32_t n_objects, n_properties;
};

static uint32_t property_id(int fd, uint32_t object, const char *name, uint64_t *value)
{
	uint32_t ids[MAX_IDS];
	uint64_t values[MAX_IDS];
	struct drm_mode_obj_get_properties get = {
		.props_ptr = (uintptr_t)ids, .prop_values_ptr = (uintptr_t)values,
		.count_props = MAX_IDS, .obj_id = object, .obj_type = DRM_MODE_OBJECT_ANY,
	};

	call(fd, DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &get, "MODE_OBJ_GETPROPERTIES");
	for (uint32_t i = 0; i < get.count_props && i < MAX_IDS; i++) {
		struct drm_mode_get_property property = { .prop_id = ids[i] };

		call(fd, DRM_IOCTL_MODE_GETPROPERTY, &property, "MODE_GETPROPERTY");
		if (strcmp(property.name, name))
			continue;
		if (value)
			*value = values[i];
		return ids[i];
	}
	return 0;
}

static void request_object(struct request *req, uint32_t object)
{
	req->objects[req->n_objects++] = object;
}

static void request_set(int fd, struct request *req, const char *name, uint64_t value)
{
	uint32_t object = req->objects[req->n_objects - 1];
	uint32_t id = property_id(fd, object, name, NULL);

	errno = 0;
	if (!id)
		die("object %u has no property %s", object, name);
	req->properties[req->n_properties] = id;
	req->values[req->n_properties++] = value;
	req->counts[req->n_objects - 1]++;
}

static void commit(int fd, struct request *req)
{
	struct drm_mode_atomic atomic = {
		.flags = DRM_MODE_ATOMIC_ALLOW_MODESET, .count_objs = req->n_objects,
		.objs_ptr = (uintptr_t)req->objects, .count_props_ptr = (uintptr_t)req->counts,
		.props_ptr = (uintptr_t)req->properties, .prop_values_ptr = (uintptr_t)req->values,
	};

	call(fd, DRM_IOCTL_MODE_ATOMIC, &atomic, "MODE_ATOMIC");
}

/* What of vkms the demo uses: its one CRTC, primary plane, screen and writeback connector. */
struct pipe {
	uint32_t crtc, plane, screen, writeback;
	struct drm_mode_modeinfo mode;
};

static void look_at_connector(int fd, uint32_t id, struct pipe *pipe)
{
	struct drm_mode_modeinfo modes[128];
	struct drm_mode_get_connector get = {
		.connector_id = id, .count_modes = 128, .modes_ptr = (uintptr_t)modes,
	};

	call(fd, DRM_IOCTL_MODE_GETCONNECTOR, &get, "MODE_GETCONNECTOR");
	if (get.connector_type == DRM_MODE_CONNECTOR_WRITEBACK) {
		pipe->writeback = id;
	} else if (get.count_modes && get.count_modes <= 128) {
		pipe->screen = id;
		pipe->mode = modes[0];
	}
}

static uint32_t primary_plane(int fd)
{
	uint32_t planes[MAX_IDS];
	struct drm_mode_get_plane_res res = { .plane_id_ptr = (uintptr_t)planes, .count_planes = MAX_IDS };
	uint64_t type;

	call(fd, DRM_IOCTL_MODE_GETPLANERESOURCES, &res, "MODE_GETPLANERESOURCES");
	for (uint32_t i = 0; i < res.count_planes; i++) {
		if (property_id(fd, planes[i], "type", &type) && type == 1)
			return planes[i];
	}
	return 0;
}

static struct pipe find_pipe(int fd)
{
	struct drm_set_client_cap atomic = { DRM_CLIENT_CAP_ATOMIC, 1 };
	struct drm_set_client_cap writeback = { DRM_CLIENT_CAP_WRITEBACK_CONNECTORS, 1 };
	uint32_t crtcs[MAX_IDS], connectors[MAX_IDS];
	struct drm_mode_card_res res;
	struct pipe pipe = { 0 };

	call(fd, DRM_IOCTL_SET_CLIENT_CAP, &atomic, "DRM_CLIENT_CAP_ATOMIC");
	call(fd, DRM_IOCTL_SET_CLIENT_CAP, &writeback, "DRM_CLIENT_CAP_WRITEBACK_CONNECTORS");
	res = resources(fd, crtcs, connectors);
	for (uint32_t i = 0; i < res.count_connectors; i++)
		look_at_connector(fd, connectors[i], &pipe);
	pipe.crtc = res.count_crtcs ? crtcs[0] : 0;
	pipe.plane = primary_plane(fd);
	errno = 0;
	if (!pipe.crtc || !pipe.plane || !pipe.screen || !pipe.writeback)
		die("vkms lacks a CRTC, a plane, a screen or a writeback connector");
	return pipe;
}

static void request_scanout(int fd, struct request *req, const struct pipe *pipe, uint32_t fb)
{
	struct drm_mode_create_blob blob = { .data = (uintptr_t)&pipe->mode, .length = sizeof(pipe->mode) };
	uint64_t width = pipe->mode.hdisplay, height = pipe->mode.vdisplay;

	call(fd, DRM_IOCTL_MODE_CREATEPROPBLOB, &blob, "MODE_CREATEPROPBLOB");
	request_object(req, pipe->crtc);
	request_set(fd, req, "MODE_ID", blob.blob_id);
	request_set(fd, req, "ACTIVE", 1);
	request_object(req, pipe->screen);
	request_set(fd, req, "CRTC_ID", pipe->crtc);
	request_object(req, pipe->plane);
	request_set(fd, req, "FB_ID", fb);
	request_set(fd, req, "CRTC_ID", pipe->crtc);
	request_set(fd, req, "SRC_X", 0);
	request_set(fd, req, "SRC_Y", 0);
	request_set(fd, req, "SRC_W", width << 16);
	request_set(fd, req, "SRC_H", height << 16);
	request_set(fd, req, "CRTC_X", 0);
	request_set(fd, req, "CRTC_Y", 0);
	request_set(fd, req, "CRTC_W", width);
	request_set(fd, req, "CRTC_H", height);
}

/* Shows the framebuffer and has vkms write what it scans out into the other one. */
static void scan_out(int fd, const struct pipe *pipe, uint32_t fb, uint32_t writeback_fb)
{
	struct request req = { 0 };
	struct pollfd fence = { .fd = -1, .events = POLLIN };
	int32_t fence_fd = -1;

	request_scanout(fd, &req, pipe, fb);
	request_object(&req, pipe->writeback);
	request_set(fd, &req, "CRTC_ID", pipe->crtc);
	request_set(fd, &req, "WRITEBACK_FB_ID", writeback_fb);
	request_set(fd, &req, "WRITEBACK_OUT_FENCE_PTR", (uintptr_t)&fence_fd);
	commit(fd, &req);
	fence.fd = fence_fd;
	errno = 0;
	if (poll(&fence, 1, 10000) != 1)
		die("vkms did not write the frame back within 10 s");
}

/* vkms shows one buffer and writes what it scans out into the other; both are compared. */
static void show(const struct card *vkms, const struct pipe *pipe, uint32_t handle,
		 const struct buffer *shown, const struct image *expected)
{
	struct buffer target = create_dumb(vkms->fd, shown->width, shown->height);
	struct image scanned = new_image(shown->width, shown->height);
	size_t different = 0;

	memset(target.map, 0x5a, target.size);
	scan_out(vkms->fd, pipe, add_framebuffer(vkms->fd, handle, shown),
		 add_framebuffer(vkms->fd, target.handle, &target));
	copy_rows(&scanned, target.map, target.pitch);
	save_backings(vkms);
	save_image(&scanned);
	check_crc(vkms, expected);
	for (size_t i = 0; i < (size_t)expected->width * expected->height; i++)
		different += expected->pixels[i] != scanned.pixels[i];
	fprintf(facts, "different_pixels=%zu\n", different);
}

static void share(void)
{
	struct card vgem = open_card("vgem"), vkms = open_card("vkms");
	struct pipe pipe = find_pipe(vkms.fd);
	struct buffer shared = create_dumb(vgem.fd, pipe.mode.hdisplay, pipe.mode.vdisplay);
	struct image written = new_image(shared.width, shared.height);
	uint32_t imported = import(vgem.fd, shared.handle, vkms.fd);

	paint(&written);
	for (uint32_t y = 0; y < written.height; y++)
		memcpy(shared.map + (size_t)y * shared.pitch, written.pixels + (size_t)y * written.width,
		       written.width * 4);
	show(&vkms, &pipe, imported, &shared, &written);
	save_backings(&vgem);
}

/* A job as Midgard (T860) reads it: header, payload, framebuffer with one render target. */
struct clear_job {
	uint32_t header[8], payload[8];
	uint32_t spare[16];
	uint32_t framebuffer[32];
	uint32_t target[16];
	uint32_t pad[48];
};

#define TILE 16
#define JOB_FRAGMENT 9

static void put64(uint32_t *words, uint64_t value)
{
	words[0] = (uint32_t)value;
	words[1] = value >> 32;
}

/* One tile of a linear buffer of 32 bits a pixel, whatever their order: plain ("raw") ones. */
static void fill_job(struct clear_job *job, uint64_t va, uint64_t next, const struct buffer *buffer,
		     uint64_t buffer_va, uint32_t x, uint32_t y, uint32_t color)
{
	uint32_t bounds = x / TILE | y / TILE << 16;

	job->header[4] = 1 | JOB_FRAGMENT << 1;
	put64(job->header + 6, next);
	job->payload[0] = bounds;
	job->payload[1] = bounds;
	/* Bit 0 of the pointer: the framebuffer has render targets. */
	put64(job->payload + 2, (va + offsetof(struct clear_job, framebuffer)) | 1);
	job->framebuffer[8] = (buffer->width - 1) | (buffer->height - 1) << 16;
	job->framebuffer[10] = job->framebuffer[8];
	job->target[0] = 34u << 26;
	job->target[1] = 1 | 3 << 3 | 2 << 10 | (0 | 1 << 3 | 2 << 6 | 3 << 9) << 16 | 1u << 31;
	put64(job->target + 8, buffer_va);
	job->target[10] = buffer->pitch;
	for (int i = 12; i < 16; i++)
		job->target[i] = color;
}

static uint64_t gpu_address(int fd, uint32_t handle)
{
	struct drm_panfrost_get_bo_offset get = { .handle = handle };

	call(fd, DRM_IOCTL_PANFROST_GET_BO_OFFSET, &get, "PANFROST_GET_BO_OFFSET");
	return get.offset;
}

static struct buffer create_mali(int fd, uint64_t size)
{
	struct drm_panfrost_create_bo create = { .size = (uint32_t)size, .flags = PANFROST_BO_NOEXEC };
	struct drm_panfrost_mmap_bo offset = { 0 };
	struct buffer buffer = { .size = size };

	call(fd, DRM_IOCTL_PANFROST_CREATE_BO, &create, "PANFROST_CREATE_BO");
	buffer.handle = create.handle;
	offset.handle = create.handle;
	call(fd, DRM_IOCTL_PANFROST_MMAP_BO, &offset, "PANFROST_MMAP_BO");
	buffer.map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset.offset);
	if (buffer.map == MAP_FAILED)
		die("mapping %llu bytes of panfrost", (unsigned long long)size);
	return buffer;
}

/* Submits the chain and waits for it. */
static void clear_tiles(int fd, uint32_t jobs, uint32_t target, uint64_t chain)
{
	uint32_t handles[] = { jobs, target };
	struct drm_panfrost_submit submit = {
		.jc = chain, .bo_handles = (uintptr_t)handles, .bo_handle_count = 2,
		.requirements = PANFROST_JD_REQ_FS,
	};
	struct drm_panfrost_wait_bo wait = { .handle = target, .timeout_ns = INT64_MAX };

	call(fd, DRM_IOCTL_PANFROST_SUBMIT, &submit, "PANFROST_SUBMIT");
	call(fd, DRM_IOCTL_PANFROST_WAIT_BO, &wait, "PANFROST_WAIT_BO");
}

/* The model's dump of all page tables, and the typed lists beside it. */
static void save_tables(const struct card *mali)
{
	char line[256];
	FILE *from = fopen("/sys/kernel/debug/mali-model/tables", "r"), *to = output("tables");

	if (!from)
		die("no page tables in debugfs");
	while (fgets(line, sizeof(line), from))
		fputs(line, to);
	fclose(from);
	if (fclose(to))
		die("%s.tables", prefix);
	save_debugfs(mali, "gem_backing");
}

/* As paint(), with one colour a tile; returns how many tiles there are. */
static size_t paint_tiles(struct image *image)
{
	for (uint32_t y = 0; y < image->height; y++)
		for (uint32_t x = 0; x < image->width; x++)
			image->pixels[(size_t)y * image->width + x] =
				picture_at(x / TILE * TILE + TILE / 2, y / TILE * TILE + TILE / 2, image);
	return (size_t)((image->width + TILE - 1) / TILE) * ((image->height + TILE - 1) / TILE);
}

static void mali(void)
{
	struct card mali = open_card("panfrost"), vkms = open_card("vkms");
	struct pipe pipe = find_pipe(vkms.fd);
	struct buffer shown = create_dumb(vkms.fd, pipe.mode.hdisplay, pipe.mode.vdisplay), jobs;
	struct image image = new_image(shown.width, shown.height);
	size_t tiles = paint_tiles(&image), tile = 0;
	uint32_t imported = import(vkms.fd, shown.handle, mali.fd);
	uint64_t va, to;

	memset(shown.map, 0, shown.size);
	jobs = create_mali(mali.fd, tiles * sizeof(struct clear_job));
	va = gpu_address(mali.fd, jobs.handle);
	to = gpu_address(mali.fd, imported);
	for (uint32_t y = 0; y < image.height; y += TILE) {
		for (uint32_t x = 0; x < image.width; x += TILE, tile++) {
			uint64_t at = va + tile * sizeof(struct clear_job);

			fill_job((struct clear_job *)jobs.map + tile, at,
				 tile + 1 < tiles ? at + sizeof(struct clear_job) : 0, &shown, to, x, y,
				 image.pixels[(size_t)y * image.width + x]);
		}
	}
	clear_tiles(mali.fd, jobs.handle, imported, va);
	save_tables(&mali);
	fprintf(facts, "jobs=%zu\nva=%llx\njobs_va=%llx\n", tiles, (unsigned long long)to, (unsigned long long)va);
	show(&vkms, &pipe, shown.handle, &shown, &image);
}

int main(int argc, char **argv)
{
	if (argc != 3 || (strcmp(argv[1], "snapshot") && strcmp(argv[1], "share") && strcmp(argv[1], "mali"))) {
		fprintf(stderr, "usage: demo snapshot|share|mali PREFIX\n");
		return 2;
	}
	prefix = argv[2];
	facts = output("facts");
	if (!strcmp(argv[1], "share"))
		share();
	else if (!strcmp(argv[1], "mali"))
		mali();
	else
		snapshot();
	if (fclose(facts))
		die("%s.facts", prefix);
	return 0;
}
