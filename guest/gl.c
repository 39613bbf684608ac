// SPDX-License-Identifier: GPL-2.0
/*
 * What Mesa's panfrost driver clears, read back by the CPU and compared to the byte.
 *
 *   gl exact GPU           textures, renderbuffers, levels and faces of all sizes, own memory
 *   gl many SEED           hundreds of textures alive at once, memory dropped between two rounds
 *   gl share               linear dma-bufs of panfrost, vgem and vkms
 *   gl kmsro PREFIX DEMO   GBM on vkms: cleared by the GPU, scanned out by vkms
 *   gl export PREFIX DEMO  a buffer of panfrost, scanned out by vkms
 *   gl virgl               virtio-gpu's 3D instead: the same sizes, and dma-bufs between two contexts
 *
 * A line "PASS|FAIL NAME REASON" a check. What cannot be checked at all ends it with status 1.
 *
 * Clears are all that the model of Mali draws, and a clear fills a whole target. So a picture is
 * made of many targets: each cell of a mosaic is an image of its own in the same dma-buf, in a
 * colour of its own, and a page in the wrong place shows.
 *
 * PREFIX.raw, .facts are the frame as vkms shows it (demo snapshot), PREFIX.tables the GPU's page
 * tables at that moment.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES3/gl3.h>
#include <GLES2/gl2ext.h>
#include <drm.h>
#include <drm_fourcc.h>
#include <drm_mode.h>
#include <gbm.h>
#include <linux/dma-buf.h>

#define MODEL "/sys/kernel/debug/mali-model/"
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_IDS 64
#define BEFORE 0xa5

/* Cells begin at a multiple of 64 bytes, as the GPU's targets have to. */
#define CELL_WIDTH 32
#define CELL_HEIGHT 16

extern char **environ;

/* Alpha in the highest byte, red below, as in DRM_FORMAT_ARGB8888. */
typedef uint32_t colour;

static const colour colours[] = { 0xff000000, 0x78123456, 0x01fe0280, 0xffffffff, 0x80c07f3f, 0 };

struct size {
	unsigned int width, height;
};

/* Less and more than a tile of 16x16 and a page, and what screens have. */
static const struct size sizes[] = {
	{ 1, 1 }, { 1, 17 }, { 2, 2 }, { 3, 5 }, { 15, 15 }, { 16, 1 }, { 16, 16 }, { 17, 33 },
	{ 31, 7 }, { 33, 64 }, { 63, 65 }, { 64, 64 }, { 127, 129 }, { 128, 128 }, { 255, 3 },
	{ 256, 256 }, { 257, 255 }, { 640, 480 }, { 1000, 7 }, { 7, 1000 }, { 1023, 767 },
	{ 1024, 768 }, { 1366, 768 }, { 1920, 1080 }, { 4095, 3 },
};

struct gl {
	int fd;
	struct gbm_device *gbm;
	EGLDisplay display;
	EGLContext context;
	EGLSurface surface;
};

/* Pixels of 32 bits that the CPU and the GPU share. */
struct buffer {
	unsigned int width, height, pitch;
	int dmabuf;
	const uint8_t *map;
	size_t size;
};

static PFNEGLCREATEIMAGEKHRPROC create_image;
static PFNEGLDESTROYIMAGEKHRPROC destroy_image;
static PFNGLEGLIMAGETARGETTEXTURE2DOESPROC image_texture;

static void die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "gl: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (errno %d, EGL %#x)\n", errno, eglGetError());
	exit(1);
}

static void verdict(bool pass, const char *name, const char *format, ...)
{
	va_list args;

	printf("%s %s ", pass ? "PASS" : "FAIL", name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
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

static bool is_driver(int fd, const char *driver)
{
	char name[32] = "";
	struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };

	return !ioctl(fd, DRM_IOCTL_VERSION, &version) && !strcmp(name, driver);
}

/* The driver's first device node of this kind: card or renderD. */
static int open_node(const char *kind, unsigned int first, const char *driver)
{
	char path[32];

	for (unsigned int i = first; i < first + 16; i++) {
		int fd;

		snprintf(path, sizeof(path), "/dev/dri/%s%u", kind, i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && is_driver(fd, driver))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	die("no %s node of %s", kind, driver);
	return -1;
}

static int open_card(const char *driver)
{
	return open_node("card", 0, driver);
}

static int open_panfrost(void)
{
	return open_node("renderD", 128, "panfrost");
}

/* The model's own count of something: what it says is not Mesa's opinion. */
static unsigned long counter(const char *name)
{
	FILE *file = fopen(MODEL "counters", "r");
	unsigned long value;
	char line[64];

	if (!file)
		die(MODEL "counters");
	while (fscanf(file, "%63s %lu", line, &value) == 2) {
		if (!strcmp(line, name)) {
			fclose(file);
			return value;
		}
	}
	die("the model does not count %s", name);
	return 0;
}

static EGLConfig find_config(EGLDisplay display, uint32_t fourcc)
{
	static const EGLint wanted[] = {
		EGL_SURFACE_TYPE, EGL_WINDOW_BIT, EGL_RENDERABLE_TYPE, EGL_OPENGL_ES2_BIT, EGL_NONE,
	};
	EGLConfig configs[128];
	EGLint count = 0, visual, depth;

	eglChooseConfig(display, wanted, configs, 128, &count);
	for (EGLint i = 0; i < count; i++) {
		if (eglGetConfigAttrib(display, configs[i], EGL_NATIVE_VISUAL_ID, &visual) &&
		    eglGetConfigAttrib(display, configs[i], EGL_DEPTH_SIZE, &depth) &&
		    (uint32_t)visual == fourcc && depth == 0)
			return configs[i];
	}
	die("no EGL configuration of format %.4s", (char *)&fourcc);
	return NULL;
}

static void find_functions(void)
{
	create_image = (PFNEGLCREATEIMAGEKHRPROC)eglGetProcAddress("eglCreateImageKHR");
	destroy_image = (PFNEGLDESTROYIMAGEKHRPROC)eglGetProcAddress("eglDestroyImageKHR");
	image_texture = (PFNGLEGLIMAGETARGETTEXTURE2DOESPROC)
		eglGetProcAddress("glEGLImageTargetTexture2DOES");
	if (!create_image || !destroy_image || !image_texture)
		die("EGL lacks images");
}

/* A context on this device, without a surface at first. */
static struct gl start(int fd)
{
	static const EGLint version[] = { EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE };
	struct gl gl = { .fd = fd, .gbm = gbm_create_device(fd), .surface = EGL_NO_SURFACE };

	if (!gl.gbm)
		die("gbm_create_device");
	gl.display = eglGetPlatformDisplay(EGL_PLATFORM_GBM_KHR, gl.gbm, NULL);
	if (!gl.display || !eglInitialize(gl.display, NULL, NULL) || !eglBindAPI(EGL_OPENGL_ES_API))
		die("eglInitialize");
	gl.context = eglCreateContext(gl.display, find_config(gl.display, GBM_FORMAT_XRGB8888),
				      EGL_NO_CONTEXT, version);
	if (!gl.context || !eglMakeCurrent(gl.display, EGL_NO_SURFACE, EGL_NO_SURFACE, gl.context))
		die("eglCreateContext");
	find_functions();
	glDisable(GL_DITHER);
	return gl;
}

static void stop(struct gl *gl)
{
	eglMakeCurrent(gl->display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
	if (gl->surface)
		eglDestroySurface(gl->display, gl->surface);
	eglDestroyContext(gl->display, gl->context);
	eglTerminate(gl->display);
}

static void check_renderer(const char *name, const char *expected)
{
	const char *renderer = (const char *)glGetString(GL_RENDERER);
	size_t len = strlen(expected);

	verdict(renderer && !strncmp(renderer, expected, len) && renderer[len] == ' ', name,
		"drawn by %s, %s expected", renderer ? renderer : "nobody", expected);
}

static void clear(colour c)
{
	glClearColor((c >> 16 & 0xff) / 255.0f, (c >> 8 & 0xff) / 255.0f, (c & 0xff) / 255.0f,
		     (c >> 24) / 255.0f);
	glClear(GL_COLOR_BUFFER_BIT);
}

/* What glReadPixels() has to give: R, G, B, A as bytes. */
static void bytes_of(colour c, uint8_t rgba[4])
{
	rgba[0] = c >> 16;
	rgba[1] = c >> 8;
	rgba[2] = c;
	rgba[3] = c >> 24;
}

/* Where the framebuffer first differs from the colour, in @why. */
static bool reads_as(struct size size, colour c, char *why, size_t len)
{
	size_t count = (size_t)size.width * size.height;
	uint8_t *got = malloc(count * 4), rgba[4];
	bool same = true;

	if (!got)
		die("%zu pixels", count);
	memset(got, BEFORE, count * 4);
	bytes_of(c, rgba);
	glReadPixels(0, 0, size.width, size.height, GL_RGBA, GL_UNSIGNED_BYTE, got);
	for (size_t i = 0; same && i < count; i++) {
		same = !memcmp(got + 4 * i, rgba, 4);
		if (!same)
			snprintf(why, len, "%ux%u cleared to %08x (ARGB): pixel %zu,%zu is %02x%02x%02x%02x",
				 size.width, size.height, c, i % size.width, i / size.width,
				 got[4 * i + 3], got[4 * i], got[4 * i + 1], got[4 * i + 2]);
	}
	free(got);
	return same;
}

static void need_complete(const char *what)
{
	GLenum status = glCheckFramebufferStatus(GL_FRAMEBUFFER);

	if (status != GL_FRAMEBUFFER_COMPLETE)
		die("%s: framebuffer incomplete, %#x", what, status);
}

static GLuint new_framebuffer(void)
{
	GLuint fbo;

	glGenFramebuffers(1, &fbo);
	glBindFramebuffer(GL_FRAMEBUFFER, fbo);
	return fbo;
}

static GLuint new_texture(struct size size)
{
	GLuint texture;

	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_2D, texture);
	glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA, size.width, size.height, 0, GL_RGBA,
		     GL_UNSIGNED_BYTE, NULL);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
	glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture, 0);
	need_complete("texture");
	return texture;
}

static GLuint new_renderbuffer(struct size size)
{
	GLuint renderbuffer;

	glGenRenderbuffers(1, &renderbuffer);
	glBindRenderbuffer(GL_RENDERBUFFER, renderbuffer);
	glRenderbufferStorage(GL_RENDERBUFFER, GL_RGBA8, size.width, size.height);
	glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_RENDERBUFFER, renderbuffer);
	need_complete("renderbuffer");
	return renderbuffer;
}

static bool all_colours(struct size size, char *why, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(colours); i++) {
		clear(colours[i]);
		if (!reads_as(size, colours[i], why, len))
			return false;
	}
	return true;
}

static bool texture_is_exact(struct size size, char *why, size_t len)
{
	GLuint fbo = new_framebuffer(), texture = new_texture(size);
	bool same = all_colours(size, why, len);

	glDeleteFramebuffers(1, &fbo);
	glDeleteTextures(1, &texture);
	return same;
}

static bool renderbuffer_is_exact(struct size size, char *why, size_t len)
{
	GLuint fbo = new_framebuffer(), renderbuffer = new_renderbuffer(size);
	bool same = all_colours(size, why, len);

	glDeleteFramebuffers(1, &fbo);
	glDeleteRenderbuffers(1, &renderbuffer);
	return same;
}

static bool all_sizes(bool (*is_exact)(struct size, char *, size_t), char *why, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (!is_exact(sizes[i], why, len))
			return false;
	}
	return true;
}

/* Each clear that was read back is one FRAGMENT job of the model, no less. */
static void check_sizes(const char *name, bool (*is_exact)(struct size, char *, size_t))
{
	unsigned long jobs = counter("fragment"), clears = ARRAY_SIZE(sizes) * ARRAY_SIZE(colours);
	char why[160] = "";
	bool same = all_sizes(is_exact, why, sizeof(why));

	jobs = counter("fragment") - jobs;
	if (!same)
		verdict(false, name, "%s", why);
	else
		verdict(jobs == clears, name, "%zu sizes, %zu colours: %lu clears in %lu FRAGMENT jobs",
			ARRAY_SIZE(sizes), ARRAY_SIZE(colours), clears, jobs);
}

/* Told apart in every channel. */
static colour nth_colour(unsigned int n)
{
	return 0xff000000 | ((n * 0x9e3779u) & 0xffffff);
}

/* Levels and faces lie in one buffer object: all are cleared before any is read. */
static bool visit_levels(GLenum target, GLuint texture, unsigned int edge, bool read, char *why, size_t len)
{
	GLenum first = target == GL_TEXTURE_2D ? target : GL_TEXTURE_CUBE_MAP_POSITIVE_X;
	unsigned int n = 0, faces = target == GL_TEXTURE_2D ? 1 : 6;

	for (unsigned int face = 0; face < faces; face++) {
		for (unsigned int level = 0; edge >> level; level++, n++) {
			struct size size = { edge >> level, edge >> level };

			glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, first + face, texture, level);
			need_complete("level");
			if (!read)
				clear(nth_colour(n));
			else if (!reads_as(size, nth_colour(n), why, len))
				return false;
		}
	}
	return true;
}

static void define_levels(GLenum target, unsigned int edge)
{
	GLenum first = target == GL_TEXTURE_2D ? target : GL_TEXTURE_CUBE_MAP_POSITIVE_X;
	unsigned int faces = target == GL_TEXTURE_2D ? 1 : 6;

	for (unsigned int face = 0; face < faces; face++)
		for (unsigned int level = 0; edge >> level; level++)
			glTexImage2D(first + face, level, GL_RGBA, edge >> level, edge >> level, 0, GL_RGBA,
				     GL_UNSIGNED_BYTE, NULL);
}

static void check_levels(const char *name, GLenum target, unsigned int edge)
{
	char why[160] = "all levels and faces keep their colours";
	GLuint fbo = new_framebuffer(), texture;
	bool same;

	glGenTextures(1, &texture);
	glBindTexture(target, texture);
	define_levels(target, edge);
	same = visit_levels(target, texture, edge, false, why, sizeof(why)) &&
	       visit_levels(target, texture, edge, true, why, sizeof(why));
	verdict(same, name, "%s", why);
	glDeleteFramebuffers(1, &fbo);
	glDeleteTextures(1, &texture);
}

static void run_exact(const char *gpu)
{
	struct gl gl = start(open_panfrost());

	check_renderer("renderer", gpu);
	check_sizes("textures", texture_is_exact);
	check_sizes("renderbuffers", renderbuffer_is_exact);
	check_levels("levels", GL_TEXTURE_2D, 512);
	check_levels("faces", GL_TEXTURE_CUBE_MAP, 64);
	stop(&gl);
}

#define MANY 200

/* The kernel takes back what Mesa keeps for later: purged, then made anew. */
static void drop_memory(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd < 0 || write(fd, "2", 1) != 1)
		die("drop_caches");
	close(fd);
}

static bool many_round(unsigned int first, char *why, size_t len)
{
	GLuint fbos[MANY], textures[MANY];
	struct size size[MANY];
	bool same = true;

	for (unsigned int i = 0; i < MANY; i++) {
		size[i] = (struct size){ 1 + rand() % 300, 1 + rand() % 300 };
		fbos[i] = new_framebuffer();
		textures[i] = new_texture(size[i]);
		clear(nth_colour(first + i));
	}
	for (unsigned int i = 0; same && i < MANY; i++) {
		glBindFramebuffer(GL_FRAMEBUFFER, fbos[i]);
		same = reads_as(size[i], nth_colour(first + i), why, len);
	}
	glDeleteFramebuffers(MANY, fbos);
	glDeleteTextures(MANY, textures);
	return same;
}

static void check_many(const char *seed)
{
	char why[160] = "";
	bool same = true;
	int rounds = 0;

	srand(atoi(seed));
	for (; same && rounds < 3; rounds++) {
		same = many_round(1000 * rounds, why, sizeof(why));
		drop_memory();
	}
	verdict(same, "many", "%d rounds of %d textures at once%s%s", rounds, MANY, same ? "" : ": ", why);
}

static void run_many(const char *seed)
{
	struct gl gl = start(open_panfrost());

	check_many(seed);
	stop(&gl);
}

static EGLImageKHR image_of(const struct gl *gl, const struct buffer *buffer, uint32_t fourcc,
			    unsigned int x, unsigned int y, struct size size)
{
	const EGLint attributes[] = {
		EGL_WIDTH, size.width, EGL_HEIGHT, size.height,
		EGL_LINUX_DRM_FOURCC_EXT, fourcc,
		EGL_DMA_BUF_PLANE0_FD_EXT, buffer->dmabuf,
		EGL_DMA_BUF_PLANE0_OFFSET_EXT, y * buffer->pitch + x * 4,
		EGL_DMA_BUF_PLANE0_PITCH_EXT, buffer->pitch,
		EGL_NONE,
	};
	EGLImageKHR image = create_image(gl->display, EGL_NO_CONTEXT, EGL_LINUX_DMA_BUF_EXT, NULL, attributes);

	if (!image)
		die("importing %ux%u of a dma-buf at %u,%u", size.width, size.height, x, y);
	return image;
}

/* The image is what is drawn to and read from. */
static GLuint bind_image(EGLImageKHR image)
{
	GLuint texture;

	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_2D, texture);
	image_texture(GL_TEXTURE_2D, image);
	glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture, 0);
	need_complete("dma-buf");
	return texture;
}

/* Clears a rectangle of the buffer, which for the GPU is a target of its own. */
static void clear_rectangle(const struct gl *gl, const struct buffer *buffer, uint32_t fourcc,
			    unsigned int x, unsigned int y, struct size size, colour c)
{
	EGLImageKHR image = image_of(gl, buffer, fourcc, x, y, size);
	GLuint fbo = new_framebuffer(), texture = bind_image(image);

	clear(c);
	glDeleteFramebuffers(1, &fbo);
	glDeleteTextures(1, &texture);
	destroy_image(gl->display, image);
}

/* A low sun over the sea. Red follows x and green y, so that no two cells are alike. */
static colour cell_colour(unsigned int x, unsigned int y, const struct buffer *buffer)
{
	int dx = (int)x - (int)buffer->width / 2, dy = (int)y - (int)buffer->height * 5 / 8;
	unsigned int red = 64 + 191 * x / buffer->width, green = 32 + 191 * y / buffer->height;
	unsigned int blue = 160 - 96 * y / buffer->height;

	if (dy < 0 && dx * dx + dy * dy < (int)(buffer->height * buffer->height / 9))
		blue = 16;
	else if (dy >= 0)
		blue = 192 + ((x / CELL_WIDTH ^ y / CELL_HEIGHT) & 3) * 21;
	return 0xff000000 | red << 16 | green << 8 | blue;
}

static colour mosaic_at(unsigned int x, unsigned int y, const struct buffer *buffer)
{
	return cell_colour(x / CELL_WIDTH * CELL_WIDTH, y / CELL_HEIGHT * CELL_HEIGHT, buffer);
}

static unsigned int less(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

static unsigned int draw_mosaic(const struct gl *gl, const struct buffer *buffer, uint32_t fourcc)
{
	unsigned int cells = 0;

	for (unsigned int y = 0; y < buffer->height; y += CELL_HEIGHT) {
		for (unsigned int x = 0; x < buffer->width; x += CELL_WIDTH, cells++) {
			struct size size = { less(CELL_WIDTH, buffer->width - x),
					     less(CELL_HEIGHT, buffer->height - y) };

			clear_rectangle(gl, buffer, fourcc, x, y, size, cell_colour(x, y, buffer));
		}
	}
	glFinish();
	return cells;
}

static void sync_cpu(const struct buffer *buffer, uint64_t which)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_READ | which };

	call(buffer->dmabuf, DMA_BUF_IOCTL_SYNC, &sync, "DMA_BUF_IOCTL_SYNC");
}

/* Pixels that are not as they should be; the first of them in @why. Fourth channel by @mask. */
static size_t differing(const uint8_t *from, const struct buffer *buffer, unsigned int pitch,
			const colour *plain, colour mask, char *why, size_t len)
{
	size_t count = 0;

	for (unsigned int y = 0; y < buffer->height; y++) {
		for (unsigned int x = 0; x < buffer->width; x++) {
			colour want = plain ? *plain : mosaic_at(x, y, buffer), got;

			memcpy(&got, from + (size_t)y * pitch + 4 * x, 4);
			if (((got ^ want) & mask) && !count++)
				snprintf(why, len, "pixel %u,%u is %08x, not %08x", x, y, got, want);
		}
	}
	return count;
}

/* Through the dma-buf's own mmap. */
static bool buffer_is(const struct buffer *buffer, const colour *plain, colour mask, char *why, size_t len)
{
	size_t count;

	sync_cpu(buffer, DMA_BUF_SYNC_START);
	count = differing(buffer->map, buffer, buffer->pitch, plain, mask, why, len);
	sync_cpu(buffer, DMA_BUF_SYNC_END);
	return !count;
}

static void map_buffer(struct buffer *buffer)
{
	buffer->size = (size_t)buffer->pitch * buffer->height;
	buffer->map = mmap(NULL, buffer->size, PROT_READ, MAP_SHARED, buffer->dmabuf, 0);
	if (buffer->map == MAP_FAILED)
		die("mapping a dma-buf");
}

static void close_buffer(struct buffer *buffer)
{
	munmap((void *)buffer->map, buffer->size);
	close(buffer->dmabuf);
}

static struct buffer dumb_buffer(const char *driver, struct size size)
{
	struct drm_mode_create_dumb dumb = { .width = size.width, .height = size.height, .bpp = 32 };
	struct drm_prime_handle prime = { .flags = DRM_CLOEXEC | DRM_RDWR };
	struct buffer buffer;
	int fd = open_card(driver);

	call(fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb, "MODE_CREATE_DUMB");
	prime.handle = dumb.handle;
	call(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime, "PRIME_HANDLE_TO_FD");
	close(fd);
	buffer = (struct buffer){ size.width, size.height, dumb.pitch, prime.fd, NULL, 0 };
	map_buffer(&buffer);
	return buffer;
}

static struct buffer gbm_buffer(struct gbm_bo *bo)
{
	struct buffer buffer = { gbm_bo_get_width(bo), gbm_bo_get_height(bo), gbm_bo_get_stride(bo),
				 gbm_bo_get_fd(bo), NULL, 0 };

	if (buffer.dmabuf < 0)
		die("gbm_bo_get_fd");
	map_buffer(&buffer);
	return buffer;
}

static struct gbm_bo *new_bo(const struct gl *gl, struct size size, uint32_t format, uint32_t use)
{
	struct gbm_bo *bo = gbm_bo_create(gl->gbm, size.width, size.height, format,
					  GBM_BO_USE_RENDERING | GBM_BO_USE_LINEAR | use);

	if (!bo)
		die("gbm_bo_create of %ux%u", size.width, size.height);
	return bo;
}

static bool cleared_plain(const struct gl *gl, const struct buffer *buffer, char *why, size_t len)
{
	struct size size = { buffer->width, buffer->height };

	for (size_t i = 0; i < ARRAY_SIZE(colours); i++) {
		clear_rectangle(gl, buffer, DRM_FORMAT_ARGB8888, 0, 0, size, colours[i]);
		glFinish();
		if (!buffer_is(buffer, &colours[i], ~0u, why, len))
			return false;
	}
	return true;
}

static void check_buffer(const struct gl *gl, const char *name, const struct buffer *buffer)
{
	unsigned long jobs = counter("fragment");
	unsigned int clears = ARRAY_SIZE(colours);
	char why[160] = "";
	bool same = cleared_plain(gl, buffer, why, sizeof(why));

	if (same) {
		clears += draw_mosaic(gl, buffer, DRM_FORMAT_ARGB8888);
		same = buffer_is(buffer, NULL, ~0u, why, sizeof(why));
	}
	jobs = counter("fragment") - jobs;
	if (!same)
		verdict(false, name, "%ux%u: %s", buffer->width, buffer->height, why);
	else
		verdict(jobs == clears, name, "%ux%u: %u clears in %lu FRAGMENT jobs", buffer->width,
			buffer->height, clears, jobs);
}

static void check_own(const struct gl *gl, struct size size)
{
	struct gbm_bo *bo = new_bo(gl, size, GBM_FORMAT_ARGB8888, 0);
	struct buffer buffer = gbm_buffer(bo);

	check_buffer(gl, "dma-buf-of-panfrost", &buffer);
	close_buffer(&buffer);
	gbm_bo_destroy(bo);
}

static void check_foreign(const struct gl *gl, const char *driver, struct size size)
{
	struct buffer buffer = dumb_buffer(driver, size);
	char name[32];

	snprintf(name, sizeof(name), "dma-buf-of-%s", driver);
	check_buffer(gl, name, &buffer);
	close_buffer(&buffer);
}

static void run_share(void)
{
	struct gl gl = start(open_panfrost());

	check_own(&gl, (struct size){ 1008, 500 });
	check_foreign(&gl, "vgem", (struct size){ 1024, 768 });
	check_foreign(&gl, "vkms", (struct size){ 656, 333 });
	stop(&gl);
}

/* vkms' CRTC, its screen and that one's first mode. */
struct screen {
	uint32_t crtc, connector;
	struct drm_mode_modeinfo mode;
};

static struct screen find_screen(int fd)
{
	uint32_t crtcs[MAX_IDS], connectors[MAX_IDS];
	struct drm_mode_card_res res = {
		.crtc_id_ptr = (uintptr_t)crtcs, .count_crtcs = MAX_IDS,
		.connector_id_ptr = (uintptr_t)connectors, .count_connectors = MAX_IDS,
	};
	struct drm_mode_modeinfo modes[128];
	struct screen screen = { 0 };

	call(fd, DRM_IOCTL_MODE_GETRESOURCES, &res, "MODE_GETRESOURCES");
	for (uint32_t i = 0; i < res.count_connectors && !screen.connector; i++) {
		struct drm_mode_get_connector get = {
			.connector_id = connectors[i], .count_modes = 128, .modes_ptr = (uintptr_t)modes,
		};

		call(fd, DRM_IOCTL_MODE_GETCONNECTOR, &get, "MODE_GETCONNECTOR");
		if (get.count_modes && get.count_modes <= 128)
			screen = (struct screen){ crtcs[0], connectors[i], modes[0] };
	}
	if (!screen.connector || !res.count_crtcs)
		die("vkms has no screen");
	return screen;
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

static void show(int fd, const struct screen *screen, uint32_t fb)
{
	struct drm_mode_crtc set = {
		.crtc_id = screen->crtc, .fb_id = fb, .set_connectors_ptr = (uintptr_t)&screen->connector,
		.count_connectors = 1, .mode = screen->mode, .mode_valid = 1,
	};
	struct drm_mode_crtc get = { .crtc_id = screen->crtc };

	call(fd, DRM_IOCTL_MODE_SETCRTC, &set, "MODE_SETCRTC");
	call(fd, DRM_IOCTL_MODE_GETCRTC, &get, "MODE_GETCRTC");
	if (get.fb_id != fb)
		die("vkms shows framebuffer %u, not %u", get.fb_id, fb);
}

/* vkms' own mapping of what it scans out, which has to be a dumb buffer of its own. */
static bool dumb_is(int fd, uint32_t handle, const struct buffer *buffer, const colour *plain,
		    char *why, size_t len)
{
	struct drm_mode_map_dumb offset = { .handle = handle };
	size_t size = (size_t)buffer->pitch * buffer->height, count;
	uint8_t *map;

	call(fd, DRM_IOCTL_MODE_MAP_DUMB, &offset, "MODE_MAP_DUMB");
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, offset.offset);
	if (map == MAP_FAILED)
		die("mapping a dumb buffer");
	count = differing(map, buffer, buffer->pitch, plain, 0xffffff, why, len);
	munmap(map, size);
	return !count;
}

static void copy_file(const char *from, const char *prefix, const char *suffix)
{
	char path[512], text[4096];
	FILE *in = fopen(from, "r"), *out;
	size_t n;

	snprintf(path, sizeof(path), "%s.%s", prefix, suffix);
	out = fopen(path, "w");
	if (!in || !out)
		die("copying %s to %s", from, path);
	while ((n = fread(text, 1, sizeof(text), in)) > 0)
		fwrite(text, 1, n, out);
	fclose(in);
	if (fclose(out))
		die("%s", path);
}

/* panfrost's typed lists, if this kernel has them. */
static void save_lists(const char *prefix)
{
	DIR *dir = opendir("/sys/kernel/debug/dri");
	struct dirent *entry;
	char path[512], name[32];

	while (dir && (entry = readdir(dir))) {
		FILE *file;

		snprintf(path, sizeof(path), "/sys/kernel/debug/dri/%s/name", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fscanf(file, "%31s", name) != 1)
			name[0] = '\0';
		fclose(file);
		snprintf(path, sizeof(path), "/sys/kernel/debug/dri/%s/gem_backing", entry->d_name);
		if (!strcmp(name, "panfrost") && !access(path, R_OK))
			copy_file(path, prefix, "panfrost.gem_backing");
	}
	closedir(dir);
}

/* The demo program's snapshot: what vkms shows and the CRC of what it scans out. */
static void snapshot(const char *demo, const char *prefix)
{
	char *argv[] = { (char *)demo, "snapshot", (char *)prefix, NULL };
	pid_t child;
	int status;

	if (posix_spawn(&child, demo, NULL, NULL, argv, environ) || waitpid(child, &status, 0) != child)
		die("starting %s", demo);
	if (status)
		die("%s snapshot: status %#x", demo, status);
}

static uint8_t *read_whole(const char *prefix, const char *suffix, size_t *len)
{
	char path[512];
	uint8_t *data;
	FILE *file;
	long size;

	snprintf(path, sizeof(path), "%s.%s", prefix, suffix);
	file = fopen(path, "r");
	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0)
		die("%s", path);
	rewind(file);
	data = calloc(1, size + 1);
	*len = fread(data, 1, size, file);
	fclose(file);
	return data;
}

static unsigned int fact(const char *facts, const char *name)
{
	const char *line = strstr(facts, name);

	if (!line || line[strlen(name)] != '=')
		die("no %s in the snapshot's facts", name);
	return strtoul(line + strlen(name) + 1, NULL, 10);
}

/* What vkms showed is the picture, and the CRC of every frame that it sent is the picture's. */
static void check_snapshot(const char *name, const char *prefix, const struct buffer *buffer,
			   const colour *plain)
{
	char why[160] = "the frame is the picture";
	size_t raw_len, facts_len, pixels = (size_t)buffer->width * buffer->height;
	uint8_t *raw = read_whole(prefix, "raw", &raw_len);
	char *facts = (char *)read_whole(prefix, "facts", &facts_len);
	unsigned int sent = fact(facts, "crc_frames"), right = fact(facts, "crc_matches");
	bool same = raw_len == pixels * 4 &&
		    !differing(raw, buffer, buffer->width * 4, plain, 0xffffff, why, sizeof(why));

	verdict(same && sent && right == sent, name, "%ux%u: %s, CRC right in %u of %u scan-outs",
		buffer->width, buffer->height, why, right, sent);
	free(facts);
	free(raw);
}

static void check_screen(const char *name, const char *demo, const char *prefix,
			 const struct buffer *buffer, const colour *plain)
{
	snapshot(demo, prefix);
	save_lists(prefix);
	copy_file(MODEL "tables", prefix, "tables");
	check_snapshot(name, prefix, buffer, plain);
}

static struct gbm_surface *start_surface(struct gl *gl, const struct screen *screen)
{
	struct gbm_surface *surface =
		gbm_surface_create(gl->gbm, screen->mode.hdisplay, screen->mode.vdisplay,
				   GBM_FORMAT_XRGB8888, GBM_BO_USE_SCANOUT | GBM_BO_USE_RENDERING);

	if (!surface)
		die("gbm_surface_create");
	gl->surface = eglCreatePlatformWindowSurface(gl->display, find_config(gl->display, GBM_FORMAT_XRGB8888),
						     surface, NULL);
	if (!gl->surface || !eglMakeCurrent(gl->display, gl->surface, gl->surface, gl->context))
		die("eglCreatePlatformWindowSurface");
	glBindFramebuffer(GL_FRAMEBUFFER, 0);
	return surface;
}

/* One frame: cleared, swapped, shown, read through vkms' mapping. */
static bool frame(struct gl *gl, struct gbm_surface *surface, const struct screen *screen, colour c,
		  struct gbm_bo **shown, char *why, size_t len)
{
	struct gbm_bo *bo;
	struct buffer buffer;

	clear(c);
	if (!eglSwapBuffers(gl->display, gl->surface))
		die("eglSwapBuffers");
	bo = gbm_surface_lock_front_buffer(surface);
	if (!bo)
		die("gbm_surface_lock_front_buffer");
	glFinish();
	buffer = (struct buffer){ gbm_bo_get_width(bo), gbm_bo_get_height(bo), gbm_bo_get_stride(bo),
				  -1, NULL, 0 };
	show(gl->fd, screen, add_framebuffer(gl->fd, gbm_bo_get_handle(bo).u32, &buffer));
	if (*shown)
		gbm_surface_release_buffer(surface, *shown);
	*shown = bo;
	return dumb_is(gl->fd, gbm_bo_get_handle(bo).u32, &buffer, &c, why, len);
}

#define FRAMES 8

static void check_frames(struct gl *gl, const struct screen *screen)
{
	struct gbm_surface *surface = start_surface(gl, screen);
	unsigned long jobs = counter("fragment");
	struct gbm_bo *shown = NULL;
	char why[160] = "";
	bool same = true;
	int n = 0;

	for (; same && n < FRAMES; n++)
		same = frame(gl, surface, screen, nth_colour(n + 1), &shown, why, sizeof(why));
	jobs = counter("fragment") - jobs;
	verdict(same && jobs == FRAMES, "kmsro-frames", "%d frames of vkms' own memory, %lu FRAGMENT jobs%s%s",
		n, jobs, same ? "" : ": ", why);
	eglMakeCurrent(gl->display, EGL_NO_SURFACE, EGL_NO_SURFACE, gl->context);
	eglDestroySurface(gl->display, gl->surface);
	gl->surface = EGL_NO_SURFACE;
	gbm_surface_release_buffer(surface, shown);
	gbm_surface_destroy(surface);
}

static void check_kmsro_picture(struct gl *gl, const struct screen *screen, const char *prefix, const char *demo)
{
	struct size size = { screen->mode.hdisplay, screen->mode.vdisplay };
	struct gbm_bo *bo = new_bo(gl, size, GBM_FORMAT_XRGB8888, GBM_BO_USE_SCANOUT);
	uint32_t handle = gbm_bo_get_handle(bo).u32;
	struct buffer buffer = gbm_buffer(bo);
	char why[160] = "as the GPU cleared it";

	draw_mosaic(gl, &buffer, DRM_FORMAT_XRGB8888);
	show(gl->fd, screen, add_framebuffer(gl->fd, handle, &buffer));
	verdict(dumb_is(gl->fd, handle, &buffer, NULL, why, sizeof(why)), "kmsro-dumb-buffer", "%s", why);
	check_screen("kmsro-scanned-out", demo, prefix, &buffer, NULL);
	close_buffer(&buffer);
	gbm_bo_destroy(bo);
}

static void run_kmsro(const char *gpu, const char *prefix, const char *demo)
{
	struct gl gl = start(open_card("vkms"));
	struct screen screen = find_screen(gl.fd);

	check_renderer("kmsro-renderer", gpu);
	check_frames(&gl, &screen);
	check_kmsro_picture(&gl, &screen, prefix, demo);
	stop(&gl);
}

static uint32_t import(int fd, int dmabuf)
{
	struct drm_prime_handle prime = { .fd = dmabuf };

	call(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime, "PRIME_FD_TO_HANDLE");
	return prime.handle;
}

static void run_export(const char *prefix, const char *demo)
{
	struct gl gl = start(open_panfrost());
	int vkms = open_card("vkms");
	struct screen screen = find_screen(vkms);
	struct size size = { screen.mode.hdisplay, screen.mode.vdisplay };
	struct gbm_bo *bo = new_bo(&gl, size, GBM_FORMAT_XRGB8888, 0);
	struct buffer buffer = gbm_buffer(bo);
	uint32_t fb = add_framebuffer(vkms, import(vkms, buffer.dmabuf), &buffer);

	draw_mosaic(&gl, &buffer, DRM_FORMAT_XRGB8888);
	show(vkms, &screen, fb);
	check_screen("export-scanned-out", demo, prefix, &buffer, NULL);
	close_buffer(&buffer);
	gbm_bo_destroy(bo);
	stop(&gl);
}

static void use(const struct gl *gl)
{
	if (!eglMakeCurrent(gl->display, EGL_NO_SURFACE, EGL_NO_SURFACE, gl->context))
		die("eglMakeCurrent");
}

/* One context clears, the other one, of another opened device, reads. */
static bool seen_by_other(const struct gl *one, const struct gl *other, struct size size, char *why, size_t len)
{
	struct gbm_bo *bo = new_bo(one, size, GBM_FORMAT_ARGB8888, 0);
	struct buffer buffer = { size.width, size.height, gbm_bo_get_stride(bo), gbm_bo_get_fd(bo), NULL, 0 };
	bool same = true;

	for (size_t i = 0; same && i < ARRAY_SIZE(colours); i++) {
		EGLImageKHR image;
		GLuint fbo, texture;

		use(one);
		clear_rectangle(one, &buffer, DRM_FORMAT_ARGB8888, 0, 0, size, colours[i]);
		glFinish();
		use(other);
		image = image_of(other, &buffer, DRM_FORMAT_ARGB8888, 0, 0, size);
		fbo = new_framebuffer();
		texture = bind_image(image);
		same = reads_as(size, colours[i], why, len);
		glDeleteFramebuffers(1, &fbo);
		glDeleteTextures(1, &texture);
		destroy_image(other->display, image);
	}
	close(buffer.dmabuf);
	gbm_bo_destroy(bo);
	return same;
}

static void check_contexts(const struct gl *one, const struct gl *other)
{
	static const struct size shared[] = { { 16, 16 }, { 256, 256 }, { 640, 480 }, { 1024, 768 } };
	char why[160] = "one clears, the other reads";
	bool same = true;

	for (size_t i = 0; same && i < ARRAY_SIZE(shared); i++)
		same = seen_by_other(one, other, shared[i], why, sizeof(why));
	verdict(same, "dma-buf-between-contexts", "%s", why);
}

static void run_virgl(void)
{
	struct gl gl = start(open_node("renderD", 128, "virtio_gpu"));
	struct gl other = start(open_node("renderD", 128, "virtio_gpu"));
	char why[160] = "";

	use(&gl);
	check_renderer("renderer", "virgl");
	verdict(all_sizes(texture_is_exact, why, sizeof(why)), "textures", "%s", why);
	verdict(all_sizes(renderbuffer_is_exact, why, sizeof(why)), "renderbuffers", "%s", why);
	check_levels("levels", GL_TEXTURE_2D, 512);
	check_levels("faces", GL_TEXTURE_CUBE_MAP, 64);
	check_many("1");
	check_contexts(&gl, &other);
	stop(&other);
	stop(&gl);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "exact") && argc == 3)
		run_exact(argv[2]);
	else if (!strcmp(verb, "many") && argc == 3)
		run_many(argv[2]);
	else if (!strcmp(verb, "share") && argc == 2)
		run_share();
	else if (!strcmp(verb, "kmsro") && argc == 5)
		run_kmsro(argv[2], argv[3], argv[4]);
	else if (!strcmp(verb, "export") && argc == 4)
		run_export(argv[2], argv[3]);
	else if (!strcmp(verb, "virgl") && argc == 2)
		run_virgl();
	else {
		fprintf(stderr, "usage: gl exact GPU|many SEED|share|kmsro GPU PREFIX DEMO|export PREFIX DEMO|virgl\n");
		return 2;
	}
	return 0;
}
