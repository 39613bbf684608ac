/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guest's programs (demo, frames) have in common: cards, linear buffers of 32 bits a
 * pixel, and vkms' one CRTC, which shows them and writes back what it scans out. Raw ioctls only:
 * they are linked statically on the host. What fails ends the program with one line.
 */
#ifndef GUEST_KMS_H
#define GUEST_KMS_H

#include <stddef.h>
#include <stdint.h>

#include <drm_mode.h>

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

/* What of vkms is used: its one CRTC, primary plane, screen and writeback connector. */
struct pipe {
	uint32_t crtc, plane, screen, writeback, mode_blob;
	struct drm_mode_modeinfo mode;
};

void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* An ioctl that has to succeed. */
void call(int fd, unsigned long request, void *arg, const char *what);

struct card open_card(const char *driver);
struct buffer create_dumb(int fd, uint32_t width, uint32_t height);
uint32_t add_framebuffer(int fd, uint32_t handle, const struct buffer *buffer);

/* The dma-buf of an object, and the object of a dma-buf. */
int export_dmabuf(int fd, uint32_t handle);
uint32_t import_dmabuf(int fd, int dmabuf);
uint32_t import(int from, uint32_t handle, int to);

struct image new_image(uint32_t width, uint32_t height);
void copy_rows(struct image *to, const uint8_t *from, uint32_t pitch);

/* A picture in which every pixel depends on its place, so no shift goes unseen. */
uint32_t picture_at(uint32_t x, uint32_t y, const struct image *image);
void paint(struct image *image);

/*
 * CRC_FRAMES scan-outs from now on: how many had the picture's CRC, @expected? @seen is the last
 * one's.
 */
uint32_t vkms_crc(const struct image *image);
int crc_matches(const struct card *card, uint32_t expected, uint32_t *seen);

struct drm_mode_card_res resources(int fd, uint32_t *crtcs, uint32_t *connectors);
struct pipe find_pipe(int fd);

/*
 * Shows the framebuffer, of @width x @height from the screen's first pixel on, and has vkms write
 * what it scans out into the other one, which is as large as the screen.
 */
void scan_out(int fd, const struct pipe *pipe, uint32_t fb, uint32_t width, uint32_t height,
	      uint32_t writeback_fb);

#endif
