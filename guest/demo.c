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
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <drm.h>
#include <drm_fourcc.h>
#include <linux/dma-buf.h>
#include <panfrost_drm.h>

#include "kms.h"

static const char *prefix;
static FILE *facts;

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
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ };
	int dmabuf = export_dmabuf(fd, handle);
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, dmabuf, 0);

	if (map == MAP_FAILED)
		die("mapping a dma-buf of %llu bytes", (unsigned long long)size);
	call(dmabuf, DMA_BUF_IOCTL_SYNC, &sync, "DMA_BUF_IOCTL_SYNC");
	return map;
}

/* Compares the CRCs of the frames scanned out now with the picture's. */
static void check_crc(const struct card *card, const struct image *image)
{
	uint32_t expected = vkms_crc(image), seen = 0;
	int matches = crc_matches(card, expected, &seen);

	fprintf(facts, "crc_of_picture=%08x\ncrc_scanned_out=%08x\ncrc_matches=%d\ncrc_frames=%d\n",
		expected, seen, matches, CRC_FRAMES);
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

/* vkms shows one buffer and writes what it scans out into the other; both are compared. */
static void show(const struct card *vkms, const struct pipe *pipe, uint32_t handle,
		 const struct buffer *shown, const struct image *expected)
{
	struct buffer target = create_dumb(vkms->fd, shown->width, shown->height);
	struct image scanned = new_image(shown->width, shown->height);
	size_t different = 0;

	memset(target.map, 0x5a, target.size);
	scan_out(vkms->fd, pipe, add_framebuffer(vkms->fd, handle, shown), shown->width, shown->height,
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
