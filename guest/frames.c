// SPDX-License-Identifier: GPL-2.0
/*
 * Frames of vivid, a camera and a screen of V4L2 that are not there, in memory that it shares with
 * vkms, vgem, udmabuf and a dma-heap: frames PREFIX.
 *
 *   MEMORY>ALLOCATOR   vivid fills buffers of that memory, V4L2_MEMORY_DMABUF
 *   own>ALLOCATOR      its own buffers, by VIDIOC_EXPBUF
 *   loop ONE>OTHER     one instance shows a painted buffer, what another one sees of it is shown
 *   refuse-...         what cannot be shared, and works again afterwards
 *
 * vivid.allocators says what each instance's queues live on. Half of the instances are filled, the
 * other half lends them its memory. Each frame is what vivid's pattern has to look like: through
 * V4L2's mapping, through the dma-buf's, and in what vkms scans out of the same memory, by its
 * writeback connector and by its CRC. A line "PASS|FAIL NAME REASON" a check; what cannot be
 * checked at all ends it with status 1. PREFIX-NAME.raw and .facts are frames that vkms sent.
 */
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
#include <unistd.h>

#include <drm.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <linux/v4l2-dv-timings.h>
#include <linux/videodev2.h>

#include "kms.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BUFFERS 3
#define WAIT_MS 20000
#define PIXEL V4L2_PIX_FMT_XBGR32	/* DRM_FORMAT_XRGB8888 */
#define POISON 0x5a

/* Of one page, contiguous wherever it lies. */
#define SMALL 32

struct size {
	uint32_t width, height;
};

/* One of vivid's nodes. */
struct video {
	int fd;
	unsigned int instance;
	enum v4l2_buf_type type;
	struct v4l2_pix_format pix;
};

/* The memory of a frame. @exporter: its own V4L2 mapping, if it has one. */
struct frame {
	int dmabuf;
	uint8_t *map, *exporter;
	size_t size;
	uint32_t handle, fb;
};

static const char *const allocators[] = { "vmalloc", "dma-contig", "dma-sg" };
#define LENDER ARRAY_SIZE(allocators)

static const char *prefix;
static struct card vkms, vgem;
static struct pipe pipe_of_vkms;
static struct buffer written_back;
static struct size full;

static void verdict(const char *why, const char *format, ...)
{
	va_list args;

	printf("%s ", *why ? "FAIL" : "PASS");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" %s\n", why);
	fflush(stdout);
}

/* Why a check fails: the first reason stays. */
static char reason[256];

static void fail(const char *format, ...)
{
	va_list args;

	if (*reason)
		return;
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
}

/* Patterns of the generator that tell where a pixel belongs. */
enum { BARS_75 = 0, SQUARES_100 = 4, CHECKERS_16 = 10 };
static const int patterns[] = { BARS_75, SQUARES_100, CHECKERS_16 };

static uint32_t bar(unsigned int n, uint32_t level)
{
	/* White, yellow, cyan, green, magenta, red, blue, black. */
	return (n & 2 ? 0 : level << 16) | (n & 4 ? 0 : level << 8) | (n & 1 ? 0 : level);
}

static uint32_t pattern_at(int pattern, uint32_t x, uint32_t y)
{
	switch (pattern) {
	case BARS_75:
		return bar(x * 8 / full.width, 191);
	case SQUARES_100:
		return bar((x * 8 / full.width + y * 8 / full.height) % 8, 255);
	default:
		return (x ^ y) & 16 ? 0 : 0xffffff;
	}
}

/* What the screen has to show of a frame of that size at its first pixel. */
static struct image expected_pattern(int pattern, struct size size)
{
	struct image image = new_image(full.width, full.height);

	for (uint32_t y = 0; y < size.height; y++)
		for (uint32_t x = 0; x < size.width; x++)
			image.pixels[y * full.width + x] = pattern_at(pattern, x, y);
	return image;
}

static struct size size_of(const struct video *video)
{
	return (struct size){ video->pix.width, video->pix.height };
}

static void compare(const char *what, const uint8_t *from, uint32_t pitch, struct size size,
		    const struct image *expected)
{
	for (uint32_t y = 0; y < size.height; y++) {
		for (uint32_t x = 0; x < size.width; x++) {
			uint32_t got, want = expected->pixels[y * expected->width + x] & 0xffffff;

			memcpy(&got, from + (size_t)y * pitch + 4 * x, 4);
			if ((got & 0xffffff) == want)
				continue;
			fail("%s: pixel %u,%u is %06x, not %06x", what, x, y, got & 0xffffff, want);
			return;
		}
	}
}

static void sync_cpu(int dmabuf, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	call(dmabuf, DMA_BUF_IOCTL_SYNC, &sync, "DMA_BUF_IOCTL_SYNC");
}

static void save_screen(const char *name)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s-%s.facts", prefix, name);
	file = fopen(path, "w");
	if (!file || fprintf(file, "width=%u\nheight=%u\n", full.width, full.height) < 0 || fclose(file))
		die("%s", path);
	snprintf(path, sizeof(path), "%s-%s.raw", prefix, name);
	file = fopen(path, "w");
	if (!file || fwrite(written_back.map, written_back.pitch, full.height, file) != full.height || fclose(file))
		die("%s", path);
}

/* vkms shows it, and what it sends is the picture. */
static void check_screen(const struct frame *frame, struct size size, const struct image *expected)
{
	static uint32_t fb;

	if (!fb)
		fb = add_framebuffer(vkms.fd, written_back.handle, &written_back);
	memset(written_back.map, POISON, written_back.size);
	scan_out(vkms.fd, &pipe_of_vkms, frame->fb, size.width, size.height, fb);
	compare("scanned out", written_back.map, written_back.pitch, full, expected);
}

static void check_crc(const struct image *expected)
{
	uint32_t want = vkms_crc(expected), seen = 0;
	int matches = crc_matches(&vkms, want, &seen);

	if (matches != CRC_FRAMES)
		fail("CRC %08x in %d of %d scan-outs, the last is %08x", want, matches, CRC_FRAMES, seen);
}

/* Through each way that the CPU has, and in what vkms scans out. */
static void check_frame(const struct frame *frame, const struct v4l2_pix_format *pix, const struct image *expected)
{
	struct size size = { pix->width, pix->height };

	if (frame->exporter)
		compare("V4L2's mapping", frame->exporter, pix->bytesperline, size, expected);
	sync_cpu(frame->dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	compare("dma-buf's mapping", frame->map, pix->bytesperline, size, expected);
	sync_cpu(frame->dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
	check_screen(frame, size, expected);
}

static struct video open_video(unsigned int instance, enum v4l2_buf_type type)
{
	uint32_t cap = type == V4L2_BUF_TYPE_VIDEO_CAPTURE ? V4L2_CAP_VIDEO_CAPTURE : V4L2_CAP_VIDEO_OUTPUT;
	struct video video = { .instance = instance, .type = type };
	char path[32], bus[32];

	snprintf(bus, sizeof(bus), "platform:vivid-%03u", instance);
	for (int i = 0; i < 64; i++) {
		struct v4l2_capability has = { 0 };

		snprintf(path, sizeof(path), "/dev/video%d", i);
		video.fd = open(path, O_RDWR | O_CLOEXEC);
		if (video.fd < 0)
			continue;
		if (!ioctl(video.fd, VIDIOC_QUERYCAP, &has) && !strcmp((char *)has.bus_info, bus) &&
		    has.device_caps & cap)
			return video;
		close(video.fd);
	}
	errno = 0;
	die("no %s node of vivid's instance %u", cap == V4L2_CAP_VIDEO_CAPTURE ? "capture" : "output", instance);
}

static struct v4l2_queryctrl find_control(int fd, const char *name)
{
	struct v4l2_queryctrl control = { .id = V4L2_CTRL_FLAG_NEXT_CTRL };

	while (!ioctl(fd, VIDIOC_QUERYCTRL, &control)) {
		if (!strcmp((char *)control.name, name))
			return control;
		control.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
	}
	die("vivid has no control \"%s\"", name);
}

static void set_control(int fd, const char *name, int value)
{
	struct v4l2_control control = { .id = find_control(fd, name).id, .value = value };

	call(fd, VIDIOC_S_CTRL, &control, name);
}

static bool try_menu(int fd, const char *name, const char *item)
{
	struct v4l2_queryctrl control = find_control(fd, name);
	struct v4l2_querymenu menu = { .id = control.id };

	for (int i = control.minimum; i <= control.maximum; i++) {
		menu.index = i;
		if (ioctl(fd, VIDIOC_QUERYMENU, &menu) || strcmp((char *)menu.name, item))
			continue;
		set_control(fd, name, i);
		return true;
	}
	return false;
}

/* An output that another input lets go is on the menu a moment later. */
static void set_menu(int fd, const char *name, const char *item)
{
	for (int tries = 0; tries < 100; tries++) {
		if (try_menu(fd, name, item))
			return;
		usleep(20000);
	}
	errno = 0;
	die("\"%s\" knows no \"%s\"", name, item);
}

/* What a capture node sees: the pattern, or what an instance shows. */
static void connect_input(const struct video *in, const struct video *out)
{
	char control[32], item[32] = "Test Pattern Generator";

	snprintf(control, sizeof(control), "HDMI %03u-0 Is Connected To", in->instance);
	if (out)
		snprintf(item, sizeof(item), "Output HDMI %03u-0", out->instance);
	set_menu(in->fd, control, item);
}

/* The screen's size or a piece from its corner, never scaled. */
static void set_format(struct video *video, struct size size)
{
	struct v4l2_dv_timings timings = V4L2_DV_BT_DMT_1024X768P60;
	struct v4l2_format format = { .type = video->type };
	struct v4l2_selection piece = { .type = video->type, .r = { 0, 0, size.width, size.height } };

	call(video->fd, VIDIOC_S_DV_TIMINGS, &timings, "VIDIOC_S_DV_TIMINGS");
	format.fmt.pix.width = size.width;
	format.fmt.pix.height = size.height;
	format.fmt.pix.pixelformat = PIXEL;
	format.fmt.pix.field = V4L2_FIELD_NONE;
	call(video->fd, VIDIOC_S_FMT, &format, "VIDIOC_S_FMT");
	piece.target = V4L2_SEL_TGT_CROP;
	call(video->fd, VIDIOC_S_SELECTION, &piece, "VIDIOC_S_SELECTION");
	piece.target = V4L2_SEL_TGT_COMPOSE;
	call(video->fd, VIDIOC_S_SELECTION, &piece, "VIDIOC_S_SELECTION");
	call(video->fd, VIDIOC_G_FMT, &format, "VIDIOC_G_FMT");
	video->pix = format.fmt.pix;
	errno = 0;
	if (video->pix.width != size.width || video->pix.height != size.height ||
	    video->pix.pixelformat != PIXEL || video->pix.bytesperline != size.width * 4)
		die("vivid's format is %ux%u, %u bytes a line", video->pix.width, video->pix.height,
		    video->pix.bytesperline);
}

static struct video open_capture(unsigned int instance, struct size size)
{
	struct video in = open_video(instance, V4L2_BUF_TYPE_VIDEO_CAPTURE);

	connect_input(&in, NULL);
	set_format(&in, size);
	set_control(in.fd, "OSD Text Mode", 2);
	return in;
}

static void request_buffers(const struct video *video, enum v4l2_memory memory, uint32_t count)
{
	struct v4l2_requestbuffers request = { .count = count, .type = video->type, .memory = memory };

	call(video->fd, VIDIOC_REQBUFS, &request, "VIDIOC_REQBUFS");
	errno = 0;
	if (request.count != count)
		die("vivid has %u buffers, not %u", request.count, count);
}

/* 0 or the errno. */
static int queue(const struct video *video, enum v4l2_memory memory, unsigned int index, int dmabuf)
{
	struct v4l2_buffer buffer = {
		.index = index, .type = video->type, .memory = memory, .bytesused = video->pix.sizeimage,
	};

	if (memory == V4L2_MEMORY_DMABUF)
		buffer.m.fd = dmabuf;
	return ioctl(video->fd, VIDIOC_QBUF, &buffer) ? errno : 0;
}

static void must_queue(const struct video *video, enum v4l2_memory memory, unsigned int index, int dmabuf)
{
	errno = queue(video, memory, index, dmabuf);
	if (errno)
		die("VIDIOC_QBUF");
}

static unsigned int dequeue(const struct video *video, enum v4l2_memory memory)
{
	struct v4l2_buffer buffer = { .type = video->type, .memory = memory };
	struct pollfd ready = { .fd = video->fd, .events = POLLIN };

	errno = 0;
	if (poll(&ready, 1, WAIT_MS) != 1)
		die("no frame within %d s", WAIT_MS / 1000);
	call(video->fd, VIDIOC_DQBUF, &buffer, "VIDIOC_DQBUF");
	if (buffer.flags & V4L2_BUF_FLAG_ERROR)
		fail("frame %u is marked as wrong", buffer.sequence);
	return buffer.index;
}

static void stream(const struct video *video, bool on)
{
	int type = video->type;

	call(video->fd, on ? VIDIOC_STREAMON : VIDIOC_STREAMOFF, &type, on ? "VIDIOC_STREAMON" : "VIDIOC_STREAMOFF");
}

static uint8_t *map_shared(int fd, size_t size, off_t offset, const char *what)
{
	uint8_t *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (map == MAP_FAILED)
		die("mapping %zu bytes of %s", size, what);
	return map;
}

/* A dma-buf becomes a frame: mapped, and a framebuffer of vkms. */
static struct frame new_frame(int dmabuf, struct size size, const char *what)
{
	struct frame frame = { .dmabuf = dmabuf, .size = (size_t)size.width * size.height * 4 };
	struct buffer buffer = { .width = size.width, .height = size.height, .pitch = size.width * 4 };

	frame.map = map_shared(dmabuf, frame.size, 0, what);
	frame.handle = import_dmabuf(vkms.fd, dmabuf);
	frame.fb = add_framebuffer(vkms.fd, frame.handle, &buffer);
	return frame;
}

static void free_frame(struct frame *frame)
{
	struct drm_gem_close gem = { .handle = frame->handle };

	munmap(frame->map, frame->size);
	if (frame->exporter)
		munmap(frame->exporter, frame->size);
	close(frame->dmabuf);
	call(vkms.fd, DRM_IOCTL_MODE_RMFB, &frame->fb, "MODE_RMFB");
	call(vkms.fd, DRM_IOCTL_GEM_CLOSE, &gem, "GEM_CLOSE");
}

/* A buffer of V4L2's own: mapped by it, and exported. */
static struct frame own_frame(const struct video *video, unsigned int index)
{
	struct v4l2_buffer buffer = { .index = index, .type = video->type, .memory = V4L2_MEMORY_MMAP };
	struct v4l2_exportbuffer export = { .type = video->type, .index = index, .flags = O_RDWR | O_CLOEXEC };
	struct frame frame;

	call(video->fd, VIDIOC_QUERYBUF, &buffer, "VIDIOC_QUERYBUF");
	call(video->fd, VIDIOC_EXPBUF, &export, "VIDIOC_EXPBUF");
	frame = new_frame(export.fd, size_of(video), "a V4L2 buffer's dma-buf");
	frame.exporter = map_shared(video->fd, frame.size, buffer.m.offset, "a V4L2 buffer");
	return frame;
}

static void own_frames(const struct video *video, struct frame frames[BUFFERS])
{
	request_buffers(video, V4L2_MEMORY_MMAP, BUFFERS);
	for (unsigned int i = 0; i < BUFFERS; i++)
		frames[i] = own_frame(video, i);
}

static void free_frames(struct frame frames[BUFFERS])
{
	for (unsigned int i = 0; i < BUFFERS; i++)
		free_frame(&frames[i]);
}

static int dumb_dmabuf(const struct card *card, struct size size)
{
	struct buffer dumb = create_dumb(card->fd, size.width, size.height);
	struct drm_gem_close gem = { .handle = dumb.handle };
	int dmabuf = export_dmabuf(card->fd, dumb.handle);

	errno = 0;
	if (dumb.pitch != size.width * 4)
		die("%s: %u bytes a line of %u pixels", card->driver, dumb.pitch, size.width);
	munmap(dumb.map, dumb.size);
	call(card->fd, DRM_IOCTL_GEM_CLOSE, &gem, "GEM_CLOSE");
	return dmabuf;
}

static int vkms_dmabuf(struct size size)
{
	return dumb_dmabuf(&vkms, size);
}

static int vgem_dmabuf(struct size size)
{
	return dumb_dmabuf(&vgem, size);
}

/* Its pages from the last one to the first, or one page again and again. */
static int new_udmabuf(struct size size, bool one)
{
	size_t page = sysconf(_SC_PAGESIZE), count = ((size_t)size.width * size.height * 4 + page - 1) / page;
	struct udmabuf_create_list *list = calloc(1, sizeof(*list) + count * sizeof(list->list[0]));
	int memfd = memfd_create("frames", MFD_CLOEXEC | MFD_ALLOW_SEALING), dmabuf;
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	if (!list || memfd < 0 || device < 0 || ftruncate(memfd, count * page) ||
	    fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		die("/dev/udmabuf");
	list->flags = UDMABUF_FLAGS_CLOEXEC;
	list->count = count;
	for (size_t i = 0; i < count; i++)
		list->list[i] = (struct udmabuf_create_item){
			.memfd = memfd, .offset = one ? 0 : (count - 1 - i) * page, .size = page,
		};
	dmabuf = ioctl(device, UDMABUF_CREATE_LIST, list);
	if (dmabuf < 0)
		die("UDMABUF_CREATE_LIST of %zu pages", count);
	free(list);
	close(memfd);
	close(device);
	return dmabuf;
}

static int udmabuf_dmabuf(struct size size)
{
	return new_udmabuf(size, false);
}

static int heap_dmabuf(struct size size)
{
	struct dma_heap_allocation_data data = { .len = (uint64_t)size.width * size.height * 4,
						 .fd_flags = O_RDWR | O_CLOEXEC };
	int heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);

	if (heap < 0)
		die("/dev/dma_heap/system");
	call(heap, DMA_HEAP_IOCTL_ALLOC, &data, "DMA_HEAP_IOCTL_ALLOC");
	close(heap);
	return data.fd;
}

static const struct memory {
	const char *name;
	int (*dmabuf)(struct size size);
} memories[] = {
	{ "vkms", vkms_dmabuf }, { "vgem", vgem_dmabuf }, { "udmabuf", udmabuf_dmabuf }, { "system-heap", heap_dmabuf },
};

/* vivid fills all of them with one pattern after the other. */
static void fill_and_check(const struct video *in, enum v4l2_memory memory, struct frame frames[BUFFERS])
{
	for (size_t p = 0; p < ARRAY_SIZE(patterns); p++) {
		struct image expected = expected_pattern(patterns[p], size_of(in));

		set_control(in->fd, "Test Pattern", patterns[p]);
		for (unsigned int i = 0; i < BUFFERS; i++) {
			sync_cpu(frames[i].dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
			memset(frames[i].map, POISON, frames[i].size);
			sync_cpu(frames[i].dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
			must_queue(in, memory, i, frames[i].dmabuf);
		}
		stream(in, true);
		for (unsigned int i = 0; i < BUFFERS; i++)
			check_frame(&frames[dequeue(in, memory)], &in->pix, &expected);
		stream(in, false);
		check_crc(&expected);
		free(expected.pixels);
	}
}

/* Its own buffers outlive the queue that they belonged to. */
static void check_own(unsigned int instance)
{
	struct video in = open_capture(instance, full);
	struct image expected = expected_pattern(patterns[ARRAY_SIZE(patterns) - 1], full);
	struct frame frames[BUFFERS];
	char name[64];

	*reason = '\0';
	own_frames(&in, frames);
	fill_and_check(&in, V4L2_MEMORY_MMAP, frames);
	snprintf(name, sizeof(name), "own-%s", allocators[instance]);
	save_screen(name);
	verdict(reason, "own>%s", allocators[instance]);

	*reason = '\0';
	request_buffers(&in, V4L2_MEMORY_MMAP, 0);
	close(in.fd);
	for (unsigned int i = 0; i < BUFFERS; i++)
		check_frame(&frames[i], &in.pix, &expected);
	check_crc(&expected);
	free_frames(frames);
	free(expected.pixels);
	verdict(reason, "own>%s-outlives-the-queue", allocators[instance]);
}

/* dma-contig takes what is contiguous: one page always is. */
static struct size size_for(unsigned int instance, bool contiguous)
{
	if (strcmp(allocators[instance % LENDER], "dma-contig") || contiguous)
		return full;
	return (struct size){ SMALL, SMALL };
}

static void check_memory(const struct memory *memory, unsigned int instance)
{
	struct size size = size_for(instance, false);
	struct video in = open_capture(instance, size);
	struct frame frames[BUFFERS];

	*reason = '\0';
	for (unsigned int i = 0; i < BUFFERS; i++)
		frames[i] = new_frame(memory->dmabuf(size), size, memory->name);
	request_buffers(&in, V4L2_MEMORY_DMABUF, BUFFERS);
	fill_and_check(&in, V4L2_MEMORY_DMABUF, frames);
	close(in.fd);
	free_frames(frames);
	verdict(reason, "%s>%s", memory->name, allocators[instance]);
}

/* Another instance's buffers. */
static void check_lent(unsigned int lender, unsigned int instance)
{
	struct size size = size_for(instance, instance == lender);
	struct video from = open_capture(LENDER + lender, size), in = open_capture(instance, size);
	struct frame frames[BUFFERS];

	*reason = '\0';
	own_frames(&from, frames);
	request_buffers(&in, V4L2_MEMORY_DMABUF, BUFFERS);
	fill_and_check(&in, V4L2_MEMORY_DMABUF, frames);
	close(in.fd);
	close(from.fd);
	free_frames(frames);
	verdict(reason, "%s>%s", allocators[lender], allocators[instance]);
}

/* Memory that any instance takes: dma-contig's is lent. */
static struct frame frame_for(const struct video *video, const struct video *lender, unsigned int index,
			      const struct memory *memory)
{
	if (strcmp(allocators[video->instance], "dma-contig"))
		return new_frame(memory->dmabuf(full), full, memory->name);
	return own_frame(lender, index);
}

static void paint_frame(const struct frame *frame, const struct image *image)
{
	sync_cpu(frame->dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
	memcpy(frame->map, image->pixels, frame->size);
	sync_cpu(frame->dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
}

/* The first frame that is not noise, which vivid sends as long as its other half is busy. */
static bool see_picture(const struct video *in, struct frame frames[BUFFERS], const struct image *painted)
{
	for (int tries = 0; tries < 10; tries++) {
		unsigned int index = dequeue(in, V4L2_MEMORY_DMABUF);

		*reason = '\0';
		check_frame(&frames[index], &in->pix, painted);
		if (!*reason)
			return true;
		memset(frames[index].map, POISON, frames[index].size);
		must_queue(in, V4L2_MEMORY_DMABUF, index, frames[index].dmabuf);
	}
	return false;
}

/* @out shows the frame, and goes on. */
static void show_frame(struct video *out, const struct frame *frame, const struct image *image)
{
	paint_frame(frame, image);
	request_buffers(out, V4L2_MEMORY_DMABUF, 2);
	must_queue(out, V4L2_MEMORY_DMABUF, 0, frame->dmabuf);
	stream(out, true);
}

/* Instance @one shows a picture, @other sees it, vkms shows what that one saw. */
static void check_loop(unsigned int one, unsigned int other)
{
	struct video out = open_video(one, V4L2_BUF_TYPE_VIDEO_OUTPUT), in = open_capture(other, full);
	struct video lender = open_capture(LENDER + 1, full);
	struct image painted = new_image(full.width, full.height);
	struct frame shown, seen[BUFFERS];
	char name[64];

	*reason = '\0';
	paint(&painted);
	set_format(&out, full);
	request_buffers(&lender, V4L2_MEMORY_MMAP, BUFFERS + 1);
	shown = frame_for(&out, &lender, BUFFERS, &memories[1]);
	show_frame(&out, &shown, &painted);
	connect_input(&in, &out);
	request_buffers(&in, V4L2_MEMORY_DMABUF, BUFFERS);
	for (unsigned int i = 0; i < BUFFERS; i++) {
		seen[i] = frame_for(&in, &lender, i, &memories[0]);
		must_queue(&in, V4L2_MEMORY_DMABUF, i, seen[i].dmabuf);
	}
	stream(&in, true);
	if (see_picture(&in, seen, &painted))
		check_crc(&painted);
	snprintf(name, sizeof(name), "loop-%s-%s", allocators[one], allocators[other]);
	save_screen(name);
	stream(&in, false);
	connect_input(&in, NULL);
	close(in.fd);
	close(out.fd);
	close(lender.fd);
	free_frames(seen);
	free_frame(&shown);
	free(painted.pixels);
	verdict(reason, "loop-%s>%s", allocators[one], allocators[other]);
}

/* A dma-buf that this instance must not take, with that errno; afterwards it takes another one. */
static void check_refused(const char *name, unsigned int instance, int dmabuf, int error)
{
	struct video in = open_capture(instance, full), lender = open_capture(LENDER + 1, full);
	struct frame frames[BUFFERS];
	int got;

	*reason = '\0';
	request_buffers(&in, V4L2_MEMORY_DMABUF, BUFFERS);
	got = queue(&in, V4L2_MEMORY_DMABUF, 0, dmabuf);
	if (got != error)
		fail("%s, not %s", strerror(got), strerror(error));
	own_frames(&lender, frames);
	fill_and_check(&in, V4L2_MEMORY_DMABUF, frames);
	close(in.fd);
	close(lender.fd);
	free_frames(frames);
	close(dmabuf);
	verdict(reason, "refuse-%s>%s", name, allocators[instance]);
}

/* Memory of a driver that the CPU has mapped is nobody's to pin. dma-sg calls every failure a lack of memory. */
static void check_user_pointer(unsigned int instance)
{
	int error = strcmp(allocators[instance], "dma-sg") ? EFAULT : ENOMEM;
	struct video in = open_capture(instance, full);
	struct frame frame = new_frame(vgem_dmabuf(full), full, "vgem");
	struct v4l2_buffer buffer = {
		.type = in.type, .memory = V4L2_MEMORY_USERPTR, .length = in.pix.sizeimage,
		.m.userptr = (unsigned long)frame.map,
	};

	*reason = '\0';
	request_buffers(&in, V4L2_MEMORY_USERPTR, BUFFERS);
	errno = 0;
	if (!ioctl(in.fd, VIDIOC_QBUF, &buffer) || errno != error)
		fail("%s, not %s", strerror(errno), strerror(error));
	close(in.fd);
	free_frame(&frame);
	verdict(reason, "refuse-user-pointer>%s", allocators[instance]);
}

static void check_allocators(void)
{
	FILE *file = fopen("/sys/module/vivid/parameters/allocators", "r");

	if (!file)
		die("vivid's parameters");
	for (unsigned int i = 0; i < 2 * LENDER; i++) {
		unsigned int allocator;

		errno = 0;
		if (fscanf(file, "%u,", &allocator) != 1 || allocator != i % LENDER)
			die("vivid.allocators has to be 0,1,2,0,1,2");
	}
	fclose(file);
}

static void all_of(unsigned int instance)
{
	struct size page = { SMALL, SMALL };

	check_own(instance);
	for (size_t m = 0; m < ARRAY_SIZE(memories); m++)
		check_memory(&memories[m], instance);
	for (unsigned int other = 0; other < LENDER; other++)
		check_lent(other, instance);
	for (unsigned int other = 0; other < LENDER; other++)
		check_loop(instance, other);
	check_refused("too-small", instance, vgem_dmabuf(page), EINVAL);
	check_refused("no-dma-buf", instance, memfd_create("none", MFD_CLOEXEC), EINVAL);
	if (strcmp(allocators[instance], "dma-contig"))
		check_user_pointer(instance);
	else
		check_refused("scattered", instance, new_udmabuf(full, true), EFAULT);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: frames PREFIX\n");
		return 2;
	}
	prefix = argv[1];
	check_allocators();
	vkms = open_card("vkms");
	vgem = open_card("vgem");
	pipe_of_vkms = find_pipe(vkms.fd);
	full = (struct size){ pipe_of_vkms.mode.hdisplay, pipe_of_vkms.mode.vdisplay };
	written_back = create_dumb(vkms.fd, full.width, full.height);
	for (unsigned int i = 0; i < LENDER; i++)
		all_of(i);
	return 0;
}
