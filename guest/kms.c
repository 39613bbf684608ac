// SPDX-License-Identifier: GPL-2.0
/* KMS of vkms, and buffers that it shows; see kms.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <drm.h>
#include <drm_fourcc.h>

#include "kms.h"

/* What vkms composes within a second, or has to be asked for again; and what never comes. */
#define COMPOSED_MS 1000
#define WAIT_MS 20000

void die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (errno)
		fprintf(stderr, ": %s", strerror(errno));
	fputc('\n', stderr);
	exit(1);
}

void call(int fd, unsigned long request, void *arg, const char *what)
{
	int ret;

	do
		ret = ioctl(fd, request, arg);
	while (ret == -1 && (errno == EINTR || errno == EAGAIN));
	if (ret == -1)
		die("%s", what);
}

static int is_driver(int fd, const char *driver)
{
	char name[32] = "";
	struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };

	return !ioctl(fd, DRM_IOCTL_VERSION, &version) && !strcmp(name, driver);
}

struct card open_card(const char *driver)
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

struct image new_image(uint32_t width, uint32_t height)
{
	struct image image = { width, height, calloc((size_t)width * height, 4) };

	if (!image.pixels)
		die("an image of %ux%u", width, height);
	return image;
}

void copy_rows(struct image *to, const uint8_t *from, uint32_t pitch)
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
uint32_t vkms_crc(const struct image *image)
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

/* Opened, it has vkms compute CRCs until it is closed. */
static int open_crc(unsigned int minor)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), DEBUGFS "/%u/crtc-0/crc/control", minor);
	write_file(path, "auto");
	snprintf(path, sizeof(path), DEBUGFS "/%u/crtc-0/crc/data", minor);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		die("%s", path);
	return fd;
}

static bool ready(int fd, int ms)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	return poll(&poller, 1, ms) == 1;
}

int crc_matches(const struct card *card, uint32_t expected, uint32_t *seen)
{
	int fd = open_crc(card->minor), matches = 0;
	char line[128];

	for (int frame = 0; frame < CRC_FRAMES; frame++) {
		ssize_t n;

		if (!ready(fd, COMPOSED_MS)) {
			close(fd);
			fd = open_crc(card->minor);
		}
		/* One read is one frame. */
		if (!ready(fd, WAIT_MS) || (n = read(fd, line, sizeof(line) - 1)) <= 0)
			die("vkms computes no CRC");
		line[n] = '\0';
		if (sscanf(line, "%*s %x", seen) == 1 && *seen == expected)
			matches++;
	}
	close(fd);
	return matches;
}

struct drm_mode_card_res resources(int fd, uint32_t *crtcs, uint32_t *connectors)
{
	struct drm_mode_card_res res = {
		.crtc_id_ptr = (uintptr_t)crtcs, .count_crtcs = MAX_IDS,
		.connector_id_ptr = (uintptr_t)connectors, .count_connectors = MAX_IDS,
	};

	call(fd, DRM_IOCTL_MODE_GETRESOURCES, &res, "MODE_GETRESOURCES");
	return res;
}

struct buffer create_dumb(int fd, uint32_t width, uint32_t height)
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

int export_dmabuf(int fd, uint32_t handle)
{
	struct drm_prime_handle prime = { .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR };

	call(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime, "PRIME_HANDLE_TO_FD");
	return prime.fd;
}

uint32_t import_dmabuf(int fd, int dmabuf)
{
	struct drm_prime_handle prime = { .fd = dmabuf };

	call(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime, "PRIME_FD_TO_HANDLE");
	return prime.handle;
}

uint32_t import(int from, uint32_t handle, int to)
{
	int dmabuf = export_dmabuf(from, handle);
	uint32_t imported = import_dmabuf(to, dmabuf);

	close(dmabuf);
	return imported;
}

uint32_t add_framebuffer(int fd, uint32_t handle, const struct buffer *buffer)
{
	struct drm_mode_fb_cmd2 fb = {
		.width = buffer->width, .height = buffer->height, .pixel_format = DRM_FORMAT_XRGB8888,
		.handles = { handle }, .pitches = { buffer->pitch },
	};

	call(fd, DRM_IOCTL_MODE_ADDFB2, &fb, "MODE_ADDFB2");
	return fb.fb_id;
}

/* Sunrise over a chequered sea. */
uint32_t picture_at(uint32_t x, uint32_t y, const struct image *image)
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

void paint(struct image *image)
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

struct pipe find_pipe(int fd)
{
	struct drm_set_client_cap atomic = { DRM_CLIENT_CAP_ATOMIC, 1 };
	struct drm_set_client_cap writeback = { DRM_CLIENT_CAP_WRITEBACK_CONNECTORS, 1 };
	struct drm_mode_create_blob blob = { .length = sizeof(struct drm_mode_modeinfo) };
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
	blob.data = (uintptr_t)&pipe.mode;
	call(fd, DRM_IOCTL_MODE_CREATEPROPBLOB, &blob, "MODE_CREATEPROPBLOB");
	pipe.mode_blob = blob.blob_id;
	return pipe;
}

static void request_scanout(int fd, struct request *req, const struct pipe *pipe, uint32_t fb,
			    uint64_t width, uint64_t height)
{
	request_object(req, pipe->crtc);
	request_set(fd, req, "MODE_ID", pipe->mode_blob);
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

static unsigned int minor_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		die("fstat");
	return minor(st.st_rdev);
}

/*
 * When vkms has done with one writeback it switches its composer off, even if the next one waits
 * already. CRCs switch it on.
 */
static void wait_for_writeback(int fd, int fence)
{
	int crc = -1;

	if (!ready(fence, COMPOSED_MS))
		crc = open_crc(minor_of(fd));
	errno = 0;
	if (!ready(fence, WAIT_MS))
		die("vkms did not write the frame back within %d s", WAIT_MS / 1000);
	if (crc >= 0)
		close(crc);
	close(fence);
}

void scan_out(int fd, const struct pipe *pipe, uint32_t fb, uint32_t width, uint32_t height,
	      uint32_t writeback_fb)
{
	struct request req = { 0 };
	int32_t fence = -1;

	request_scanout(fd, &req, pipe, fb, width, height);
	request_object(&req, pipe->writeback);
	request_set(fd, &req, "CRTC_ID", pipe->crtc);
	request_set(fd, &req, "WRITEBACK_FB_ID", writeback_fb);
	request_set(fd, &req, "WRITEBACK_OUT_FENCE_PTR", (uintptr_t)&fence);
	commit(fd, &req);
	wait_for_writeback(fd, fence);
}
