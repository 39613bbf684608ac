// SPDX-License-Identifier: MIT
/**
 * TEST: tegra backing
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME
 * Description: Buffers of tegra's own calls, and buffers of any driver that are mapped for one of its
 *              engines. No engine has to work: where TEGRA_BACKING_HOST1X says that host1x has its
 *              registers in memory there, and DMA addresses are physical ones, the test is the engine.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <tegra_drm.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "igt.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("What tegra has beside dumb buffers.");

#define SIZE (8 * pb_page)
#define CLASS_GR2D 0x51
#define READ_WRITE (DRM_TEGRA_CHANNEL_MAP_READ | DRM_TEGRA_CHANNEL_MAP_WRITE)

static const struct pb_device *tegra;

static uint32_t create(int drm, uint64_t size, uint32_t flags)
{
	struct drm_tegra_gem_create args = { .size = size, .flags = flags };

	igt_assert_eq(drmIoctl(drm, DRM_IOCTL_TEGRA_GEM_CREATE, &args), 0);
	return args.handle;
}

static void *map(int drm, uint32_t handle, uint64_t size)
{
	struct drm_tegra_gem_mmap args = { .handle = handle };
	void *ptr;

	igt_assert_eq(drmIoctl(drm, DRM_IOCTL_TEGRA_GEM_MMAP, &args), 0);
	ptr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, drm, args.offset);
	igt_assert(ptr != MAP_FAILED);
	return ptr;
}

static uint32_t open_channel(int drm)
{
	struct drm_tegra_channel_open args = { .host1x_class = CLASS_GR2D };

	igt_assert_eq(drmIoctl(drm, DRM_IOCTL_TEGRA_CHANNEL_OPEN, &args), 0);
	return args.context;
}

static void close_channel(int drm, uint32_t context)
{
	struct drm_tegra_channel_close args = { .context = context };

	igt_assert_eq(drmIoctl(drm, DRM_IOCTL_TEGRA_CHANNEL_CLOSE, &args), 0);
}

/* 0 and the mapping, or an errno. */
static int channel_map_errno(int drm, uint32_t context, uint32_t handle, uint32_t flags, uint32_t *mapping)
{
	struct drm_tegra_channel_map args = { .context = context, .handle = handle, .flags = flags };
	const int err = drmIoctl(drm, DRM_IOCTL_TEGRA_CHANNEL_MAP, &args) ? errno : 0;

	*mapping = args.mapping;
	return err;
}

static int channel_unmap_errno(int drm, uint32_t context, uint32_t mapping)
{
	struct drm_tegra_channel_unmap args = { .context = context, .mapping = mapping };

	return drmIoctl(drm, DRM_IOCTL_TEGRA_CHANNEL_UNMAP, &args) ? errno : 0;
}

/* Catches: memory that is not zero, or is not that of the object. */
static void create_and_map(void)
{
	static const uint32_t flags[] = { 0, DRM_TEGRA_GEM_CREATE_TILED, DRM_TEGRA_GEM_CREATE_BOTTOM_UP };
	const int drm = pb_open(tegra);
	uint8_t *ptr, *dumb;
	uint32_t handle;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		handle = create(drm, SIZE - 1, flags[i]);
		ptr = map(drm, handle, SIZE);
		dumb = pb_mmap_gem(drm, handle, SIZE, PROT_READ, MAP_SHARED, 0);
		igt_assert(dumb != MAP_FAILED);
		igt_assert(!ptr[0] && !memcmp(ptr, ptr + 1, SIZE - 1));
		pb_fill(ptr, 0, SIZE, i);
		gem_close(drm, handle);
		pb_check(dumb, 0, SIZE, i, "other mapping");
		igt_assert_eq(munmap(ptr, SIZE), 0);
		igt_assert_eq(munmap(dumb, SIZE), 0);
	}
	close(drm);
}

/* Two contexts map what has no handle any more when they let go. */
static void map_in_two(int drm, uint32_t context, uint32_t other, uint64_t size)
{
	static const uint32_t flags[] = { DRM_TEGRA_CHANNEL_MAP_READ, DRM_TEGRA_CHANNEL_MAP_WRITE, READ_WRITE };
	const uint32_t handle = create(drm, size, 0);
	uint32_t mapping[ARRAY_SIZE(flags)], second;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		igt_assert_eq(channel_map_errno(drm, context, handle, flags[i], &mapping[i]), 0);
	igt_assert_eq(channel_map_errno(drm, other, handle, READ_WRITE, &second), 0);
	igt_assert_eq(channel_unmap_errno(drm, context, mapping[1]), 0);
	gem_close(drm, handle);
	igt_assert_eq(channel_unmap_errno(drm, context, mapping[0]), 0);
	igt_assert_eq(channel_unmap_errno(drm, other, second), 0);
	igt_assert_eq(channel_unmap_errno(drm, context, mapping[0]), EINVAL);
}

/* Catches: a mapping that goes with the handle, or with another one, or stays when its context goes. */
static void channel_map(void)
{
	const int drm = pb_open(tegra);
	const uint32_t context = open_channel(drm), other = open_channel(drm);

	for (uint64_t size = pb_page; size <= 4 << 20; size *= 4)
		map_in_two(drm, context, other, size);
	/* The third mapping of each goes with its context, the other context with the file. */
	close_channel(drm, context);
	close(drm);
}

/* Catches: arguments that nobody looks at. */
static void refused(void)
{
	const int drm = pb_open(tegra);
	const uint32_t context = open_channel(drm), handle = create(drm, SIZE, 0);
	uint32_t mapping;

	igt_assert_eq(channel_map_errno(drm, context, handle, 0, &mapping), EINVAL);
	igt_assert_eq(channel_map_errno(drm, context, handle, 8, &mapping), EINVAL);
	igt_assert_eq(channel_map_errno(drm, context, handle + 1000, READ_WRITE, &mapping), EINVAL);
	igt_assert_eq(channel_map_errno(drm, context + 1000, handle, READ_WRITE, &mapping), EINVAL);
	igt_assert_eq(channel_map_errno(drm, context, handle, READ_WRITE, &mapping), 0);
	close_channel(drm, context);
	gem_close(drm, handle);
	close(drm);
}

/* Catches: a mapping for an engine that keeps the dma-buf of its import. */
static void channel_closed_with_file(const struct pb_exporter *exp)
{
	const int before = pb_count_dmabufs();
	struct pb_import imp;
	struct pb_buf buf;
	uint32_t mapping;

	pb_create(&buf, exp, pb_page);
	pb_import(&imp, tegra, buf.dmabuf);
	igt_assert_eq(channel_map_errno(imp.drm, open_channel(imp.drm), imp.handle, READ_WRITE, &mapping), 0);
	pb_destroy(&buf);
	igt_assert_eq(pb_count_dmabufs(), before + 1);
	imp.handle = 0;
	pb_import_close(&imp);
	igt_assert_eq(pb_count_dmabufs(), before);
}

/*
 * The engine. What it is told is in registers that are memory, and from there on in memory; all of
 * that is in /dev/mem.
 */
#define CHANNELS 8
#define CHANNEL(i) ((i) * 0x4000)
#define DMASTART 0x14
#define DMAPUT 0x18
#define DMAEND 0x20
#define SYNC 0x3000
#define INT_STATUS(id) (SYNC + 0x40 + (id) / 32 * 4)
#define SYNCPT(id) (SYNC + 0x400 + (id) * 4)
#define OPCODE(op) ((op) >> 28)
#define OPCODE_INCR 1
#define OPCODE_GATHER 6
#define GATHER_WORDS(op) ((op) & 0x3fff)
#define DSTA_BASE_ADDR 0x2b

struct engine {
	int mem;
	uint64_t host1x;
	uint32_t put[CHANNELS];
};

static void *physical(const struct engine *engine, uint64_t address, size_t len)
{
	uint8_t *ptr = mmap(NULL, len + address % pb_page, PROT_READ | PROT_WRITE, MAP_SHARED, engine->mem,
			    address & -pb_page);

	igt_assert_f(ptr != MAP_FAILED, "/dev/mem at %" PRIx64 ": %m\n", address);
	return ptr + address % pb_page;
}

static void physical_end(void *ptr, size_t len)
{
	const size_t head = (uintptr_t)ptr % pb_page;

	igt_assert_eq(munmap((uint8_t *)ptr - head, len + head), 0);
}

static uint32_t word(const struct engine *engine, uint64_t address)
{
	volatile uint32_t *ptr = physical(engine, address, 4);
	const uint32_t value = *ptr;

	physical_end((void *)ptr, 4);
	return value;
}

static void set_word(const struct engine *engine, uint64_t address, uint32_t value)
{
	volatile uint32_t *ptr = physical(engine, address, 4);

	*ptr = value;
	physical_end((void *)ptr, 4);
}

static void engine_start(struct engine *engine)
{
	const char *base = getenv("TEGRA_BACKING_HOST1X");

	igt_require_f(base, "nobody says where the registers are memory\n");
	engine->host1x = strtoull(base, NULL, 0);
	engine->mem = open("/dev/mem", O_RDWR | O_CLOEXEC);
	igt_assert_fd(engine->mem);
	for (int i = 0; i < CHANNELS; i++)
		engine->put[i] = word(engine, engine->host1x + CHANNEL(i) + DMAPUT);
}

/* The commands of a gather: one register is written, the address of the destination. */
static uint32_t destination_of_gather(const struct engine *engine, uint32_t op, uint32_t address)
{
	igt_assert_eq_u32(GATHER_WORDS(op), 2);
	igt_assert_eq_u32(word(engine, address), OPCODE_INCR << 28 | DSTA_BASE_ADDR << 16 | 1);
	return word(engine, address + 4);
}

/* What came into a channel since the start. */
static uint32_t destination_of_channel(struct engine *engine, uint64_t channel, uint32_t from, uint32_t to)
{
	const uint64_t start = word(engine, channel + DMASTART);
	const uint32_t size = word(engine, channel + DMAEND) - 4;
	uint32_t op, found = 0;

	for (uint32_t pos = from; pos != to; pos = (pos + 8) % size) {
		op = word(engine, start + pos);
		if (OPCODE(op) != OPCODE_GATHER)
			continue;
		igt_assert_eq_u32(found, 0);
		found = destination_of_gather(engine, op, word(engine, start + pos + 4));
	}
	return found;
}

static uint32_t engine_fetch(struct engine *engine)
{
	uint32_t put, destination = 0;

	for (int i = 0; i < CHANNELS; i++) {
		put = word(engine, engine->host1x + CHANNEL(i) + DMAPUT);
		if (put == engine->put[i])
			continue;
		igt_assert_eq_u32(destination, 0);
		destination = destination_of_channel(engine, engine->host1x + CHANNEL(i), engine->put[i], put);
		engine->put[i] = put;
	}
	igt_assert_neq_u32(destination, 0);
	return destination;
}

/* Line by line what interrupts there are; 0: none of that name. */
static unsigned int find_irq(const char *name)
{
	FILE *f = fopen("/proc/interrupts", "r");
	unsigned int irq = 0, number;
	char line[512];

	igt_assert(f);
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, name) && sscanf(line, " %u:", &number) == 1)
			irq = number;
	}
	fclose(f);
	return irq;
}

static void raise_irq(unsigned int irq)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/irq/irqs/%u", irq);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	igt_assert_fd(fd);
	igt_assert_eq(write(fd, "trigger", 7), 7);
	close(fd);
}

static void engine_done(const struct engine *engine, uint32_t syncpt, uint32_t value)
{
	set_word(engine, engine->host1x + SYNCPT(syncpt), value);
	set_word(engine, engine->host1x + INT_STATUS(syncpt), 1u << syncpt % 32);
	raise_irq(find_irq("host1x_syncpt"));
}

static uint32_t allocate_syncpt(int drm)
{
	struct drm_tegra_syncpoint_allocate args = { 0 };

	igt_assert_eq(drmIoctl(drm, DRM_IOCTL_TEGRA_SYNCPOINT_ALLOCATE, &args), 0);
	return args.id;
}

/* A job that writes the destination's address to the engine; the value that its end leaves. */
static uint32_t submit(int drm, uint32_t context, uint32_t mapping, uint32_t offset, uint32_t syncpt)
{
	const uint32_t words[] = { OPCODE_INCR << 28 | DSTA_BASE_ADDR << 16 | 1, 0xdeadbeef };
	struct drm_tegra_submit_buf buf = {
		.mapping = mapping, .reloc = { .target_offset = offset, .gather_offset_words = 1 },
	};
	struct drm_tegra_submit_cmd cmd = {
		.type = DRM_TEGRA_SUBMIT_CMD_GATHER_UPTR, .gather_uptr.words = ARRAY_SIZE(words),
	};
	struct drm_tegra_channel_submit args = {
		.context = context, .num_bufs = 1, .num_cmds = 1, .gather_data_words = ARRAY_SIZE(words),
		.bufs_ptr = (uintptr_t)&buf, .cmds_ptr = (uintptr_t)&cmd, .gather_data_ptr = (uintptr_t)words,
		.syncpt = { .id = syncpt, .increments = 1 },
	};

	igt_assert_eq(drmIoctl(drm, DRM_IOCTL_TEGRA_CHANNEL_SUBMIT, &args), 0);
	return args.syncpt.value;
}

static void wait_syncpt(int drm, uint32_t syncpt, uint32_t value)
{
	struct drm_tegra_syncpoint_wait args = { .id = syncpt, .threshold = value };
	struct timespec now;

	igt_assert_eq(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	args.timeout_ns = (now.tv_sec + 5) * 1000000000ll;
	igt_assert_eq(drmIoctl(drm, DRM_IOCTL_TEGRA_SYNCPOINT_WAIT, &args), 0);
}

/* What the engine finds at an address that it is told, and writes there. */
static void engine_reads_1_writes_2(const struct engine *engine, uint32_t address, size_t len)
{
	uint8_t *ptr = physical(engine, address, len);

	pb_check(ptr, 0, len, 1, "what the engine reads");
	pb_fill(ptr, 0, len, 2);
	physical_end(ptr, len);
}

/* Catches: an address of other memory, or of another place in it. */
static void job(void)
{
	const int drm = pb_open(tegra);
	const uint32_t context = open_channel(drm), syncpt = allocate_syncpt(drm);
	const uint32_t handle = create(drm, SIZE, 0);
	uint8_t *ptr = map(drm, handle, SIZE);
	struct engine engine;
	uint32_t mapping, value;

	engine_start(&engine);
	igt_assert_eq(channel_map_errno(drm, context, handle, READ_WRITE, &mapping), 0);
	for (uint32_t pos = 0; pos < (uint32_t)SIZE; pos += 3 * pb_page) {
		pb_fill(ptr + pos, 0, pb_page, 1);
		value = submit(drm, context, mapping, pos, syncpt);
		engine_reads_1_writes_2(&engine, engine_fetch(&engine), pb_page);
		engine_done(&engine, syncpt, value);
		wait_syncpt(drm, syncpt, value);
		pb_check(ptr + pos, 0, pb_page, 2, "what the engine wrote");
	}
	igt_assert_eq(munmap(ptr, SIZE), 0);
	close(engine.mem);
	close(drm);
}

/* The end of a job is worked on behind its interrupt. */
static bool dmabufs_are(int count)
{
	for (int i = 0; i < 100 && pb_count_dmabufs() != count; i++)
		usleep(20000);
	return pb_count_dmabufs() == count;
}

/*
 * Nothing but a job is left of an import. Catches: memory that goes before the job has ended, or stays
 * after that.
 */
static void job_of_import(const struct pb_exporter *exp)
{
	const int before = pb_count_dmabufs();
	struct engine engine;
	struct pb_import imp;
	struct pb_view view;
	struct pb_buf buf;
	uint32_t context, syncpt, mapping, value;

	pb_create(&buf, exp, pb_page);
	view = pb_view_native(&buf);
	pb_write(&view, 1);
	pb_unview(&view);
	pb_import(&imp, tegra, buf.dmabuf);
	pb_destroy(&buf);
	engine_start(&engine);
	context = open_channel(imp.drm);
	syncpt = allocate_syncpt(imp.drm);
	igt_assert_eq(channel_map_errno(imp.drm, context, imp.handle, READ_WRITE, &mapping), 0);
	value = submit(imp.drm, context, mapping, 0, syncpt);
	igt_assert_eq(channel_unmap_errno(imp.drm, context, mapping), 0);
	pb_import_close_handle(&imp);
	igt_assert_eq(pb_count_dmabufs(), before + (exp->dev != tegra));
	engine_reads_1_writes_2(&engine, engine_fetch(&engine), pb_page);
	engine_done(&engine, syncpt, value);
	igt_assert(dmabufs_are(before));
	wait_syncpt(imp.drm, syncpt, value);
	close(engine.mem);
	pb_import_close(&imp);
}

/* Where the test can be the engine: the last page is where it should be, too. */
static void engine_reads_end(int drm, uint32_t context, uint32_t mapping, uint32_t size)
{
	const uint32_t pos = size - pb_page, syncpt = allocate_syncpt(drm);
	struct engine engine;
	uint32_t value;
	uint8_t *ptr;

	engine_start(&engine);
	value = submit(drm, context, mapping, pos, syncpt);
	ptr = physical(&engine, engine_fetch(&engine), pb_page);
	engine_done(&engine, syncpt, value);
	wait_syncpt(drm, syncpt, value);
	pb_check(ptr, pos, pb_page, 1, "what the engine reads");
	physical_end(ptr, pb_page);
	close(engine.mem);
}

/*
 * An engine wants one piece. Catches: an import that is not, and is mapped for the engine all the same,
 * which then reads and writes other memory; or one that is not let go of.
 */
static void channel_map_import(const struct pb_exporter *exp)
{
	const uint32_t size = 1 << 20;
	struct pb_import imp;
	struct pb_view view;
	struct pb_buf buf;
	uint32_t context, mapping;
	int err;

	pb_create(&buf, exp, size);
	view = pb_view_native(&buf);
	pb_write(&view, 1);
	pb_import(&imp, tegra, buf.dmabuf);
	context = open_channel(imp.drm);
	err = channel_map_errno(imp.drm, context, imp.handle, READ_WRITE, &mapping);
	igt_skip_on_f(err == EINVAL, "not in one piece\n");
	igt_assert_eq(err, 0);
	pb_verify(&view, 1, "mapped buffer");
	pb_unview(&view);
	pb_destroy(&buf);
	pb_import_close_handle(&imp);
	if (getenv("TEGRA_BACKING_HOST1X"))
		engine_reads_end(imp.drm, context, mapping, size);
	igt_assert_eq(channel_unmap_errno(imp.drm, context, mapping), 0);
	close_channel(imp.drm, context);
	pb_import_close(&imp);
}

/* The address of window A, where TEGRA_BACKING_DC says that the display controller's registers are. */
#define WINBUF_A_START_ADDR (4 * (0xa00 + 0x1c0))

/* The display controller: looks where it is told. */
static void controller_sees(const struct engine *engine, uint64_t size, uint64_t seed)
{
	const uint64_t dc = strtoull(getenv("TEGRA_BACKING_DC"), NULL, 0);
	uint8_t *ptr = physical(engine, word(engine, dc + WINBUF_A_START_ADDR), size);

	pb_check(ptr, 0, size, seed, "what the display controller reads");
	physical_end(ptr, size);
}

static uint32_t frame(const struct pb_output *out, uint64_t seed, uint32_t *handle, uint64_t *size)
{
	uint32_t pitch, fb = 0;
	uint8_t *ptr;

	igt_assert_eq(pb_dumb_create(out->drm, out->mode.hdisplay, out->mode.vdisplay, 32, handle, &pitch, size), 0);
	ptr = pb_mmap_gem(out->drm, *handle, *size, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	igt_assert(ptr != MAP_FAILED);
	pb_fill(ptr, 0, *size, seed);
	igt_assert_eq(munmap(ptr, *size), 0);
	igt_assert_eq(pb_add_fb(out->drm, *handle, out->mode.hdisplay, out->mode.vdisplay, pitch, 0, &fb), 0);
	return fb;
}

/* Catches: an address of other memory, or one of a frame that was shown before. */
static void scanout(void)
{
	const int drm = pb_open(tegra);
	uint32_t handle[2], fb[2];
	struct engine engine;
	struct pb_output out;
	uint64_t size = 0;

	engine_start(&engine);
	pb_require_output(&out, drm);
	for (int i = 0; i < 2; i++)
		fb[i] = frame(&out, i + 1, &handle[i], &size);
	for (int i = 0; i < 4; i++) {
		pb_show(&out, fb[i % 2]);
		controller_sees(&engine, size, i % 2 + 1);
	}
	/* The framebuffer is all that is left of it. */
	gem_close(drm, handle[1]);
	controller_sees(&engine, size, 2);
	igt_assert_eq(drmModeRmFB(drm, fb[1]), 0);
	igt_assert_eq(drmModeRmFB(drm, fb[0]), 0);
	gem_close(drm, handle[0]);
	close(engine.mem);
	close(drm);
}

static void find_tegra(void)
{
	for (int i = 0; i < pb_n_devices; i++) {
		if (!strcmp(pb_devices[i].driver, "tegra"))
			tegra = &pb_devices[i];
	}
	igt_require_f(tegra, "no tegra\n");
}

int igt_main()
{
	igt_fixture() {
		pb_setup();
		find_tegra();
	}

	igt_describe("A buffer of the driver's own call");
	igt_subtest("create")
		create_and_map();

	igt_describe("A buffer is mapped for an engine, more than once");
	igt_subtest("channel-map")
		channel_map();

	igt_describe("Bad handles, flags and contexts are refused");
	igt_subtest("refused")
		refused();

	igt_describe("An import is mapped for an engine");
	igt_subtest_with_dynamic("channel-map-import")
		pb_run_exporters(channel_map_import);

	igt_describe("An import that is mapped for an engine goes with the file");
	igt_subtest_with_dynamic("channel-closed-with-file")
		pb_run_exporters(channel_closed_with_file);

	igt_describe("A job's address leads to its buffer");
	igt_subtest("job")
		job();

	igt_describe("The address that the display controller has leads to the picture");
	igt_subtest("scanout")
		scanout();

	igt_describe("An import lives as long as its job");
	igt_subtest_with_dynamic("job-of-import")
		pb_run_exporters(job_of_import);
}
