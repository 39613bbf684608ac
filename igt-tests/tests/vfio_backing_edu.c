// SPDX-License-Identifier: MIT
/**
 * TEST: vfio backing edu
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME, VFIO
 * Description: A device of user space, QEMU's "edu", reads and writes the memory of buffers: what
 *              VFIO can pin arrives, what it cannot it refuses. And what VFIO exports of a device,
 *              a BAR of QEMU's "ivshmem": who may import that, what the importer's device sees, and
 *              what is left of it when the device is reset or closed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "igt_kmod.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Buffers as memory of a device of user space, and its BARs as buffers.");

#define PAGES 8
#define SIZE (PAGES * (size_t)pb_page)

/* Both below the 28 bits that edu has. */
#define STAGE_IOVA 0x800000ul
#define IOVA 0x1000000ul

#define READ VFIO_DMA_MAP_FLAG_READ
#define WRITE VFIO_DMA_MAP_FLAG_WRITE

/* edu's registers, and its buffer of a page; more than half of that QEMU 7 takes for too much. */
enum { EDU_SRC = 0x80, EDU_DST = 0x88, EDU_COUNT = 0x90, EDU_CMD = 0x98, EDU_BUFFER = 0x40000 };
/* ivshmem's memory. */
#define BAR VFIO_PCI_BAR2_REGION_INDEX

enum { EDU_RUN = 1, EDU_TO_MEMORY = 2, EDU_MAX = 2048 };

struct pci {
	unsigned int vendor, device;
	char name[32];		/* empty: there is none */
	char group[64];		/* its file, once it is VFIO's */
};

static struct pci edu_pci = { .vendor = 0x1234, .device = 0x11e8 };
static struct pci bar_pci = { .vendor = 0x1af4, .device = 0x1110 };

/* A device that is open, with a container of its own. */
struct vfio {
	int container, group, device;
};

static struct vfio edu = { -1, -1, -1 }, bar = { -1, -1, -1 };
static volatile uint8_t *edu_regs;
static uint8_t *stage;

static unsigned int read_hex(const char *dir, const char *name, const char *file)
{
	unsigned int value = 0;
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/%s", dir, name, file);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%x", &value) != 1)
		value = 0;
	fclose(f);
	return value;
}

#define DEVICES "/sys/bus/pci/devices"

static bool find_pci(struct pci *pci)
{
	DIR *dir = opendir(DEVICES);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (read_hex(DEVICES, entry->d_name, "vendor") == pci->vendor &&
		    read_hex(DEVICES, entry->d_name, "device") == pci->device)
			snprintf(pci->name, sizeof(pci->name), "%.31s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return pci->name[0];
}

static bool sysfs_write(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

static bool write_of(const struct pci *pci, const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), DEVICES "/%s/%s", pci->name, file);
	return sysfs_write(path, text);
}

/* From its driver, if it has one, to VFIO's. */
static void bind_vfio(struct pci *pci)
{
	char path[128], target[256];
	ssize_t len;

	igt_require_f(write_of(pci, "driver_override", "vfio-pci"), "%s: no driver to be chosen\n",
		      pci->name);
	write_of(pci, "driver/unbind", pci->name);
	sysfs_write("/sys/bus/pci/drivers_probe", pci->name);
	snprintf(path, sizeof(path), DEVICES "/%s/iommu_group", pci->name);
	len = readlink(path, target, sizeof(target) - 1);
	igt_require_f(len > 0, "%s is behind no IOMMU\n", pci->name);
	target[len] = 0;
	snprintf(pci->group, sizeof(pci->group), "/dev/vfio/%.20s", strrchr(target, '/') + 1);
	igt_require_f(!access(pci->group, R_OK | W_OK), "no %s\n", pci->group);
}

static void unbind_vfio(const struct pci *pci)
{
	if (!pci->name[0])
		return;
	write_of(pci, "driver/unbind", pci->name);
	write_of(pci, "driver_override", "\n");
}

static void vfio_close(struct vfio *v)
{
	pb_close_once(&v->device);
	pb_close_once(&v->group);
	pb_close_once(&v->container);
}

static void vfio_open(struct vfio *v, const struct pci *pci)
{
	igt_require_f(pci->group[0], "no device %04x:%04x\n", pci->vendor, pci->device);
	v->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	igt_assert_fd(v->container);
	v->group = open(pci->group, O_RDWR | O_CLOEXEC);
	igt_assert_f(v->group >= 0, "%s: %m\n", pci->group);
	igt_assert_eq(ioctl(v->group, VFIO_GROUP_SET_CONTAINER, &v->container), 0);
	igt_assert_eq(ioctl(v->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	v->device = ioctl(v->group, VFIO_GROUP_GET_DEVICE_FD, pci->name);
	igt_assert_fd(v->device);
}

static struct vfio_region_info region_of(const struct vfio *v, uint32_t index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	igt_assert_eq(ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, &info), 0);
	return info;
}

static void *map_region(const struct vfio *v, uint32_t index, uint64_t pos, size_t len, int prot)
{
	const struct vfio_region_info info = region_of(v, index);
	void *ptr;

	igt_assert_lte_u64(pos + len, info.size);
	ptr = mmap(NULL, len, prot, MAP_SHARED, v->device, info.offset + pos);
	igt_assert_f(ptr != MAP_FAILED, "mmap of BAR %u: %m\n", index);
	return ptr;
}

static void set_command(const struct vfio *v, uint16_t clear, uint16_t set)
{
	const off_t at = region_of(v, VFIO_PCI_CONFIG_REGION_INDEX).offset + PCI_COMMAND;
	uint16_t command;

	igt_assert_eq(pread(v->device, &command, sizeof(command), at), sizeof(command));
	command = (command & ~clear) | set;
	igt_assert_eq(pwrite(v->device, &command, sizeof(command), at), sizeof(command));
}

/* 0 or an errno. */
static int map_dma(const void *ptr, uint64_t iova, size_t size, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .flags = flags,
		.vaddr = (uintptr_t)ptr, .iova = iova, .size = size,
	};

	return ioctl(edu.container, VFIO_IOMMU_MAP_DMA, &map) ? errno : 0;
}

static void unmap_dma(uint64_t iova, size_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = iova, .size = size,
	};

	igt_assert_eq(ioctl(edu.container, VFIO_IOMMU_UNMAP_DMA, &unmap), 0);
	igt_assert_eq_u64(unmap.size, size);
}

static void edu_write(unsigned int reg, uint64_t value)
{
	*(volatile uint64_t *)(edu_regs + reg) = value;
}

/* One transfer between the device's buffer and what it sees at that address. */
static void transfer(uint64_t iova, size_t len, bool to_memory)
{
	igt_assert_lte(len, EDU_MAX);
	edu_write(EDU_SRC, to_memory ? EDU_BUFFER : iova);
	edu_write(EDU_DST, to_memory ? iova : EDU_BUFFER);
	edu_write(EDU_COUNT, len);
	edu_write(EDU_CMD, EDU_RUN | (to_memory ? EDU_TO_MEMORY : 0));
	for (int tries = 0; *(volatile uint64_t *)(edu_regs + EDU_CMD) & EDU_RUN; tries++) {
		igt_assert_f(tries < 5000, "edu does not end its transfer\n");
		usleep(1000);
	}
}

/* By a page that is always mapped it gets what it is to write, and hands out what it read. */
static void device_writes(uint64_t iova, const void *data, size_t len)
{
	memcpy(stage, data, len);
	transfer(STAGE_IOVA, len, false);
	transfer(iova, len, true);
}

static void device_reads(uint64_t iova, void *data, size_t len)
{
	memset(stage, 0xee, len);
	transfer(STAGE_IOVA, len, false);
	transfer(iova, len, false);
	transfer(STAGE_IOVA, len, true);
	memcpy(data, stage, len);
}

static void open_edu(void)
{
	vfio_open(&edu, &edu_pci);
	edu_regs = map_region(&edu, VFIO_PCI_BAR0_REGION_INDEX, 0, pb_page, PROT_READ | PROT_WRITE);
	set_command(&edu, 0, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	stage = mmap(NULL, pb_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(stage != MAP_FAILED);
	igt_assert_eq(map_dma(stage, STAGE_IOVA, pb_page, READ | WRITE), 0);
}

/* A mapping of a device's region, if there is one. */
static bool find_mapping(uintptr_t *start, uintptr_t *end)
{
	FILE *f = fopen("/proc/self/maps", "r");
	bool found = false;
	char line[512];

	igt_assert(f);
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, "vfio-device") && sscanf(line, "%lx-%lx", start, end) == 2;
	fclose(f);
	return found;
}

/*
 * Also what a dynamic subtest that failed has left: a group is opened once at a time, and a device
 * that is mapped cannot be taken from VFIO.
 */
static void close_all(void)
{
	uintptr_t start, end;

	while (find_mapping(&start, &end))
		igt_assert_eq(munmap((void *)start, end - start), 0);
	if (stage)
		munmap(stage, pb_page);
	edu_regs = stage = NULL;
	vfio_close(&edu);
	vfio_close(&bar);
	pb_close_leftovers();
}

/*
 * Memory of a buffer: the mapping that VFIO is told, another one that sees the same bytes, and
 * what has to be there.
 */
struct mem {
	const struct pb_exporter *exp;	/* NULL: of a BAR */
	const struct pb_device *via;	/* an importer whose mapping is the other one, or NULL */
	uint64_t pos;			/* in the BAR */
	struct pb_buf buf;
	struct pb_import imp;
	struct pb_view ptr, witness;
	uint8_t *want;
};

static struct pb_view view_bar(uint64_t pos)
{
	return (struct pb_view){
		.ptr = map_region(&bar, BAR, pos, SIZE, PROT_READ | PROT_WRITE),
		.len = SIZE, .sync = -1,
	};
}

/* The mapping that is told to VFIO is not the one that clears. */
static void open_bar_mem(struct mem *m)
{
	if (bar.device < 0)
		vfio_open(&bar, &bar_pci);
	m->ptr = view_bar(m->pos);
	m->witness = view_bar(m->pos);
	memset(m->witness.ptr, 0, SIZE);
}

static void open_buffer(struct mem *m)
{
	uint32_t handle;

	pb_create(&m->buf, m->exp, SIZE);
	m->ptr = pb_view_native(&m->buf);
	if (!m->via) {
		m->witness = pb_view_dmabuf(m->buf.dmabuf, SIZE);
		return;
	}
	m->imp.dev = m->via;
	m->imp.drm = pb_open(m->via);
	igt_require_f(!pb_import_errno(m->imp.drm, m->buf.dmabuf, &handle),
		      "%s takes no such import\n", m->via->name);
	m->imp.handle = handle;
	m->witness = pb_view_import(&m->imp, m->buf.dmabuf, SIZE);
}

static void open_mem(struct mem *m, const struct mem *like)
{
	*m = (struct mem){ .exp = like->exp, .via = like->via, .pos = like->pos, .imp.drm = -1 };
	m->want = calloc(PAGES, pb_page);
	igt_assert(m->want);
	if (m->exp)
		open_buffer(m);
	else
		open_bar_mem(m);
}

static void close_mem(struct mem *m)
{
	pb_unview(&m->ptr);
	pb_unview(&m->witness);
	if (m->exp) {
		pb_import_close(&m->imp);
		pb_destroy(&m->buf);
	}
	free(m->want);
}

static void fill(struct mem *m, uint64_t seed)
{
	pb_fill(m->want, 0, SIZE, seed);
	memcpy(m->ptr.ptr, m->want, SIZE);
}

static void compare(const struct mem *m, const struct pb_view *view, const char *what)
{
	size_t i = 0;

	if (view->sync >= 0)
		prime_sync_start(view->sync, false);
	while (i < SIZE && view->ptr[i] == m->want[i])
		i++;
	if (view->sync >= 0)
		prime_sync_end(view->sync, false);
	igt_assert_f(i == SIZE, "%s: byte %#zx (page %zu) is %#x, not %#x\n", what, i, i / pb_page,
		     view->ptr[i], m->want[i]);
}

static void check(const struct mem *m)
{
	compare(m, &m->ptr, "mapping that the device has");
	compare(m, &m->witness, "another mapping");
}

static void map_mem(const struct mem *m, uint64_t iova, uint32_t flags)
{
	const int err = map_dma(m->ptr.ptr, iova, SIZE, flags);

	igt_assert_f(!err, "VFIO does not map it: %s\n", strerror(err));
}

enum { CHUNK = 256 };

/* The device writes there, where @pos is at @iova, and that arrives or does not. */
static void write_chunk(struct mem *m, uint64_t iova, size_t pos, bool arrives)
{
	uint8_t data[CHUNK];

	pb_fill(data, pos, CHUNK, 1000);
	device_writes(iova, data, CHUNK);
	if (arrives)
		memcpy(m->want + pos, data, CHUNK);
	check(m);
}

static void read_chunk(const struct mem *m, uint64_t iova, size_t pos)
{
	uint8_t data[CHUNK];

	device_reads(iova, data, CHUNK);
	igt_assert_f(!memcmp(data, m->want + pos, CHUNK), "the device reads others at %#zx\n",
		     pos);
}

/* The start, the end, inside a page, and across the end of one. */
static void write_all_over(struct mem *m)
{
	const size_t places[] = { 0, SIZE - CHUNK, 5 * pb_page + 1024, 3 * pb_page - CHUNK / 2 };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		write_chunk(m, IOVA + places[i], places[i], true);
}

/* Catches: another page than that of the mapping. */
static void written_before(struct mem *m)
{
	fill(m, 1);
	map_mem(m, IOVA, READ | WRITE);
	read_chunk(m, IOVA + 2 * pb_page - CHUNK / 2, 2 * pb_page - CHUNK / 2);
	write_all_over(m);
	read_chunk(m, IOVA + SIZE - CHUNK, SIZE - CHUNK);
}

/* Catches: a write into the page that was there for reading alone. */
static void only_read_before(struct mem *m)
{
	for (int i = 0; i < PAGES; i++)
		igt_assert_eq(pb_touch(m->ptr.ptr + i * pb_page, false), 0);
	map_mem(m, IOVA, READ | WRITE);
	write_all_over(m);
}

/* Catches: memory that VFIO has made, and the buffer has not. */
static void never_touched(struct mem *m)
{
	map_mem(m, IOVA, READ | WRITE);
	write_all_over(m);
}

/* Catches: a page of the buffer more than was given away. */
static void partial(struct mem *m)
{
	const size_t first = 2 * pb_page, len = 4 * pb_page;

	fill(m, 1);
	igt_assert_eq(map_dma(m->ptr.ptr + first, IOVA, len, READ | WRITE), 0);
	write_chunk(m, IOVA, first, true);
	write_chunk(m, IOVA + len - CHUNK, first + len - CHUNK, true);
	write_chunk(m, IOVA + len, 0, false);
	write_chunk(m, IOVA - CHUNK, 0, false);
}

/* Catches: runs put together that are of two buffers. */
static void two_buffers(struct mem *m)
{
	struct mem like = *m, other;
	uint8_t data[CHUNK];

	like.pos += SIZE;
	open_mem(&other, &like);
	fill(m, 1);
	fill(&other, 2);
	map_mem(m, IOVA, READ | WRITE);
	map_mem(&other, IOVA + SIZE, READ | WRITE);
	pb_fill(data, 0, CHUNK, 3);
	device_writes(IOVA + SIZE - CHUNK / 2, data, CHUNK);
	memcpy(m->want + SIZE - CHUNK / 2, data, CHUNK / 2);
	memcpy(other.want, data + CHUNK / 2, CHUNK / 2);
	check(m);
	check(&other);
	close_mem(&other);
}

/* Catches: an address that stays good for the device. */
static void unmapped(struct mem *m)
{
	fill(m, 1);
	map_mem(m, IOVA, READ | WRITE);
	write_chunk(m, IOVA + pb_page, pb_page, true);
	unmap_dma(IOVA, SIZE);
	write_chunk(m, IOVA + 2 * pb_page, 2 * pb_page, false);
	map_mem(m, IOVA + SIZE, READ | WRITE);
	write_chunk(m, IOVA + 2 * pb_page, 2 * pb_page, false);
	write_chunk(m, IOVA + SIZE + 2 * pb_page, 2 * pb_page, true);
}

/* Catches: memory that is given away again while the device can write it. */
static void freed_first(struct mem *m)
{
	struct mem old;

	fill(m, 1);
	map_mem(m, IOVA, READ | WRITE);
	old = *m;
	open_mem(m, &old);
	close_mem(&old);
	fill(m, 2);
	if (m->exp) {
		uint8_t data[CHUNK];

		pb_fill(data, 0, CHUNK, 3);
		for (int i = 0; i < PAGES; i += 3)
			device_writes(IOVA + i * pb_page, data, CHUNK);
	}
	check(m);
	unmap_dma(IOVA, SIZE);
	check(m);
}

/* Catches: pages that stay pinned: writing to the file cannot be sealed off then. */
static void unpinned(struct mem *m)
{
	int memfd;

	igt_require_f(m->exp, "a BAR is not pinned\n");
	fill(m, 1);
	map_mem(m, IOVA, READ | WRITE);
	write_chunk(m, IOVA, 0, true);
	memfd = dup(m->buf.memfd);
	igt_assert_fd(memfd);
	unmap_dma(IOVA, SIZE);
	pb_unview(&m->ptr);
	pb_unview(&m->witness);
	pb_import_close(&m->imp);
	pb_destroy(&m->buf);
	igt_assert_eq(fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	close(memfd);
}

/* Catches: a device that can write what its owner cannot. */
static void read_only(struct mem *m)
{
	fill(m, 1);
	igt_assert_eq(mprotect(m->ptr.ptr, SIZE, PROT_READ), 0);
	igt_assert_eq(map_dma(m->ptr.ptr, IOVA, SIZE, READ | WRITE), EFAULT);
	igt_assert_eq(map_dma(m->ptr.ptr, IOVA, SIZE, WRITE), EFAULT);
	write_chunk(m, IOVA, 0, false);
	igt_assert_eq(map_dma(m->ptr.ptr, IOVA, SIZE, READ), 0);
	read_chunk(m, IOVA + pb_page, pb_page);
	write_chunk(m, IOVA + pb_page, pb_page, false);
}

/* Catches: the same where it was made so from the start. */
static void made_read_only(struct mem *m)
{
	const int fd = m->exp ? m->buf.memfd : bar.device;
	const off_t pos = m->exp ? 0 : (off_t)(region_of(&bar, BAR).offset + m->pos);
	uint8_t *ptr = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, pos);

	igt_assert(ptr != MAP_FAILED);
	igt_assert_eq(map_dma(ptr, IOVA, SIZE, READ | WRITE), EFAULT);
	write_chunk(m, IOVA, 0, false);
	igt_assert_eq(pb_touch(ptr, false), 0);
	igt_assert_eq(map_dma(ptr, IOVA, SIZE, READ | WRITE), EFAULT);
	write_chunk(m, IOVA, 0, false);
	munmap(ptr, SIZE);
}

struct edu_case {
	const char *name, *what;
	void (*run)(struct mem *m);
};

static void run_mem(const struct edu_case *test, const struct mem *like)
{
	struct mem m;

	open_edu();
	open_mem(&m, like);
	test->run(&m);
	close_mem(&m);
	close_all();
}

static void run_via(const struct edu_case *test, const struct pb_exporter *udmabuf,
		    const struct pb_device *via)
{
	const struct mem like = { .exp = udmabuf, .via = via };

	close_all();
	igt_dynamic_f("udmabuf-via-%s", via->name)
		run_mem(test, &like);
}

static void run_own(const struct edu_case *test, const char *name, const struct pb_exporter *exp)
{
	const struct mem like = { .exp = exp };

	close_all();
	igt_dynamic(name)
		run_mem(test, &like);
}

static const struct pb_exporter *find_udmabuf(void)
{
	for (int i = 0; i < pb_n_exporters; i++) {
		if (pb_exporters[i].kind == PB_UDMABUF && !pb_exporters[i].missing)
			return &pb_exporters[i];
	}
	return NULL;
}

static void run_edu_case(const struct edu_case *test)
{
	igt_describe(test->what);
	igt_subtest_with_dynamic(test->name) {
		const struct pb_exporter *udmabuf = find_udmabuf();

		if (udmabuf)
			run_own(test, "udmabuf", udmabuf);
		for (int i = 0; udmabuf && i < pb_n_devices; i++)
			run_via(test, udmabuf, &pb_devices[i]);
		run_own(test, "bar", NULL);
	}
}

static void refused(const struct pb_view *view)
{
	const uint32_t flags[] = { READ, WRITE, READ | WRITE };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		igt_assert_eq(map_dma(view->ptr, IOVA, SIZE, flags[i]), EFAULT);
}

/*
 * Catches: pages that VFIO takes out of a page table and cannot pin: they would be somebody
 * else's while the device writes. So it refuses them, whoever touched them before.
 */
static void refuse_pages(const struct pb_exporter *exp, bool native)
{
	struct pb_view view;
	struct pb_buf buf;

	open_edu();
	pb_create(&buf, exp, SIZE);
	view = native ? pb_view_native(&buf) : pb_view_dmabuf(buf.dmabuf, SIZE);
	refused(&view);
	igt_assert_eq(pb_touch(view.ptr, false), 0);
	refused(&view);
	pb_write(&view, 1);
	refused(&view);
	device_writes(IOVA, "this goes nowhere", 16);
	pb_verify(&view, 1, "buffer that was refused");
	pb_unview(&view);
	pb_destroy(&buf);
	close_all();
}

static void refuse_exporter(const struct pb_exporter *exp)
{
	if (exp->missing)
		return;
	close_all();
	if (exp->kind == PB_GEM)
		igt_dynamic(exp->name)
			refuse_pages(exp, true);
	close_all();
	igt_dynamic_f("%s-dmabuf", exp->name)
		refuse_pages(exp, false);
}

/* VFIO_DEVICE_FEATURE_DMA_BUF and its argument: the header may be older. */
#define FEATURE_DMA_BUF 11
#define MAX_RANGES 8

struct bar_range {
	uint64_t offset, length;
};

struct bar_export {
	struct vfio_device_feature feature;
	uint32_t region, open_flags, flags, nr_ranges;
	struct bar_range ranges[MAX_RANGES];
};

static struct bar_export request(const struct bar_range *ranges, uint32_t count)
{
	struct bar_export args = {
		.feature.argsz = sizeof(args),
		.feature.flags = VFIO_DEVICE_FEATURE_GET | FEATURE_DMA_BUF,
		.region = BAR, .open_flags = O_RDWR | O_CLOEXEC, .nr_ranges = count,
	};

	memcpy(args.ranges, ranges, count * sizeof(*ranges));
	return args;
}

/* A dma-buf of parts of the BAR, or -1 and errno. */
static int export_bar(const struct bar_range *ranges, uint32_t count)
{
	struct bar_export args = request(ranges, count);

	return ioctl(bar.device, VFIO_DEVICE_FEATURE, &args);
}

static void open_bar(void)
{
	struct vfio_device_feature probe = {
		.argsz = sizeof(probe),
		.flags = VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET | FEATURE_DMA_BUF,
	};

	close_all();
	vfio_open(&bar, &bar_pci);
	igt_require_f(!ioctl(bar.device, VFIO_DEVICE_FEATURE, &probe),
		      "VFIO exports no BARs: %m\n");
}

static int some_bar(void)
{
	const struct bar_range range = { 4 * pb_page, SIZE };
	const int fd = export_bar(&range, 1);

	igt_assert_f(fd >= 0, "no dma-buf of a BAR: %m\n");
	return fd;
}

static int import_errno(const struct pb_device *dev, int dmabuf)
{
	const int drm = pb_open(dev);
	uint32_t handle;
	const int err = pb_import_errno(drm, dmabuf, &handle);

	close(drm);
	return err;
}

/* That takes memory of another device. */
static bool is_peer(const struct pb_device *dev)
{
	const char * const peers[] = { "virtio_gpu", "amdgpu", "xe" };

	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		if (!strcmp(dev->driver, peers[i]))
			return true;
	}
	return false;
}

/* What QEMU's virtio-gpu takes depends on how it was started. */
static void require_imports(const struct pb_device *dev)
{
	const struct pb_exporter *udmabuf = find_udmabuf();
	struct pb_buf buf;
	int err;

	igt_require_f(udmabuf, "no udmabuf\n");
	pb_create(&buf, udmabuf, pb_page);
	err = import_errno(dev, buf.dmabuf);
	pb_destroy(&buf);
	igt_require_f(!err, "%s takes no imports: %s\n", dev->name, strerror(err));
}

static bool cpuinfo_has(const char *key, const char *value, int least)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	bool has = false;
	char line[512];

	while (f && !has && fgets(line, sizeof(line), f)) {
		const char *colon = strchr(line, ':');

		if (colon && !strncmp(line, key, strlen(key)) && strchr("\t ", line[strlen(key)]))
			has = value ? !!strstr(colon, value) : atoi(colon + 1) >= least;
	}
	if (f)
		fclose(f);
	return has;
}

/* Through the host bridge: the kernel trusts those of AMD's processors since Zen. */
static bool has_route(void)
{
	return cpuinfo_has("vendor_id", "AuthenticAMD", 0) && cpuinfo_has("cpu family", NULL, 0x17);
}

static void require_peer(const struct pb_device *dev)
{
	igt_require_f(is_peer(dev), "%s takes no memory of devices\n", dev->name);
	require_imports(dev);
	igt_require_f(has_route(), "there is no route between devices\n");
}

/* Catches: an importer that gets what it cannot reach, or does not hear why. */
static void bar_import(const struct pb_device *dev)
{
	int dmabuf, err, before;

	open_bar();
	if (is_peer(dev))
		require_imports(dev);
	before = pb_count_dmabufs();
	dmabuf = some_bar();
	igt_assert_eq_u64(prime_get_size(dmabuf), SIZE);
	err = import_errno(dev, dmabuf);
	igt_assert_eq(err, !is_peer(dev) ? EOPNOTSUPP : has_route() ? 0 : EREMOTEIO);
	close(dmabuf);
	igt_assert_eq(pb_count_dmabufs(), before);
	close_all();
}

/* Catches: a range that takes another one's addresses. */
static void bar_ranges(const struct pb_device *dev)
{
	const uint64_t page = pb_page;
	const struct bar_range lists[][4] = {
		{ { 0, page }, { page, page } },
		{ { 8 * page, 2 * page }, { 0, page }, { 3 * page, page } },
		{ { 5 * page, page }, { 5 * page, page }, { 4 * page, 3 * page }, { 0, page } },
	};

	open_bar();
	require_peer(dev);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		uint64_t size = 0;
		uint32_t n = 0;
		int dmabuf;

		for (; n < ARRAY_SIZE(lists[i]) && lists[i][n].length; n++)
			size += lists[i][n].length;
		dmabuf = export_bar(lists[i], n);
		igt_assert_f(dmabuf >= 0, "no dma-buf of %u ranges: %m\n", n);
		igt_assert_eq_u64(prime_get_size(dmabuf), size);
		igt_assert_eq(import_errno(dev, dmabuf), 0);
		close(dmabuf);
	}
	close_all();
}

/* The picture lies in those ranges, one after the other. */
static void put(const uint8_t *picture, const struct bar_range *ranges, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const size_t len = ranges[i].length;
		void *ptr = map_region(&bar, BAR, ranges[i].offset, len, PROT_READ | PROT_WRITE);

		memcpy(ptr, picture, len);
		munmap(ptr, len);
		picture += len;
	}
}

static void show_ranges(const struct pb_output *out, const char *name, uint32_t seed,
			const struct bar_range *ranges, uint32_t count, size_t size)
{
	const uint32_t width = out->mode.hdisplay, height = out->mode.vdisplay;
	uint8_t *picture = calloc(1, size);
	uint32_t handle, fb, crc;
	int dmabuf;

	igt_assert(picture);
	crc = pb_draw(picture, width, height, 4 * width, seed);
	put(picture, ranges, count);
	free(picture);
	dmabuf = export_bar(ranges, count);
	igt_assert_f(dmabuf >= 0, "no dma-buf of %u ranges: %m\n", count);
	igt_assert_eq(pb_import_errno(out->drm, dmabuf, &handle), 0);
	igt_assert_eq(pb_add_fb(out->drm, handle, width, height, 4 * width, 0, &fb), 0);
	pb_show(out, fb);
	pb_exhibit(name, width, height, crc);
	igt_assert_eq(drmModeRmFB(out->drm, fb), 0);
	gem_close(out->drm, handle);
	close(dmabuf);
}

static void picture(const struct pb_device *dev, const char *name, bool cut)
{
	struct pb_output out;
	size_t size, half;

	open_bar();
	require_peer(dev);
	pb_require_output(&out, pb_open(dev));
	size = (4 * (size_t)out.mode.hdisplay * out.mode.vdisplay + pb_page - 1) & -pb_page;
	half = size / 2 & -pb_page;
	if (cut) {
		const struct bar_range ranges[] = { { size, half }, { pb_page, size - half } };

		show_ranges(&out, name, 2, ranges, ARRAY_SIZE(ranges), size);
	} else {
		const struct bar_range range = { 3 * pb_page, size };

		show_ranges(&out, name, 1, &range, 1, size);
	}
	close(out.drm);
	close_all();
}

/* Catches: addresses that are not the BAR's. */
static void bar_picture(const struct pb_device *dev)
{
	picture(dev, "bar", false);
}

/* Catches: ranges in another order, or one of them twice. */
static void bar_ranges_picture(const struct pb_device *dev)
{
	picture(dev, "bar-ranges", true);
}

/* A BAR as a dma-buf that the device takes. */
static int peer_bar(const struct pb_device *dev)
{
	open_bar();
	require_peer(dev);
	return some_bar();
}

/* And has taken. */
static int import_bar(const struct pb_device *dev, struct pb_import *imp)
{
	const int dmabuf = peer_bar(dev);

	pb_import(imp, dev, dmabuf);
	return dmabuf;
}

/* Catches: a mapping of the CPU past the device's owner, who may have it reset. */
static void bar_mmap(const struct pb_device *dev)
{
	struct pb_import imp;
	int dmabuf;

	dmabuf = peer_bar(dev);
	igt_assert(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, dmabuf, 0) == MAP_FAILED);
	pb_import(&imp, dev, dmabuf);
	igt_assert_lte(pb_map_offset(imp.drm, imp.handle), -1);
	igt_assert_lte(pb_find_offset(imp.drm), -1);
	pb_import_close(&imp);
	close(dmabuf);
	close_all();
}

/* What a revoked dma-buf may still be used for. */
static void assert_revoked(const struct pb_device *dev, int dmabuf)
{
	const struct pb_device *other;

	for (int i = 0; i < pb_n_devices; i++) {
		other = &pb_devices[i];
		igt_assert_neq(import_errno(other, dmabuf), 0);
	}
	igt_assert_eq(import_errno(dev, dmabuf), ENODEV);
}

static void revoke_by_config(void)
{
	set_command(&bar, PCI_COMMAND_MEMORY, 0);
}

static void revoke_by_close(void)
{
	vfio_close(&bar);
}

/* Catches: addresses that an importer keeps, or a wait for it that never ends. */
static void revoked(const struct pb_device *dev, void (*by)(void))
{
	const int before = pb_count_dmabufs();
	struct pb_import imp;
	int dmabuf;

	dmabuf = import_bar(dev, &imp);
	by();
	assert_revoked(dev, dmabuf);
	if (bar.device >= 0) {
		set_command(&bar, 0, PCI_COMMAND_MEMORY);
		igt_assert_eq(import_errno(dev, dmabuf), 0);
	}
	pb_import_close(&imp);
	close(dmabuf);
	close_all();
	igt_assert_eq(pb_count_dmabufs(), before);
}

static void bar_disabled(const struct pb_device *dev)
{
	revoked(dev, revoke_by_config);
}

static void bar_closed(const struct pb_device *dev)
{
	revoked(dev, revoke_by_close);
}

/* Catches: the same for a reset, after which the memory is there again. */
static void bar_reset(const struct pb_device *dev)
{
	struct pb_import imp;
	int dmabuf;

	dmabuf = import_bar(dev, &imp);
	igt_require_f(!ioctl(bar.device, VFIO_DEVICE_RESET), "the device cannot be reset: %m\n");
	igt_assert_eq(import_errno(dev, dmabuf), 0);
	pb_import_close(&imp);
	igt_assert_eq(import_errno(dev, dmabuf), 0);
	close(dmabuf);
	close_all();
}

/* Catches: a revoked buffer that is let go of in another order. */
static void bar_dmabuf_first(const struct pb_device *dev)
{
	struct pb_import imp;
	int dmabuf;

	dmabuf = import_bar(dev, &imp);
	close(dmabuf);
	revoke_by_config();
	revoke_by_close();
	pb_import_close(&imp);
	close_all();
}

static void assert_not_exported(const struct bar_export *args, int err)
{
	struct bar_export copy = *args;
	const int before = pb_next_fd();

	errno = 0;
	igt_assert_eq(ioctl(bar.device, VFIO_DEVICE_FEATURE, &copy), -1);
	igt_assert_eq(errno, err);
	igt_assert_eq(pb_next_fd(), before);
}

/* Catches: parts of a BAR that are none. */
static void bar_refused(void)
{
	const uint64_t page = pb_page, size = region_of(&bar, BAR).size;
	const struct bar_range bad[] = {
		{ 0, 0 }, { 1, page }, { 0, page + 1 }, { size, page }, { size - page, 2 * page },
		{ 0, size + page }, { -page, page }, { 0, -page }, { 1ull << 62, page },
	};
	const struct bar_range good = { 0, page };
	struct bar_export args;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct bar_range list[] = { good, bad[i] };

		args = request(list, ARRAY_SIZE(list));
		/* Only what wraps around has an errno of its own. */
		assert_not_exported(&args, bad[i].offset == -page ? EOVERFLOW : EINVAL);
	}
	args = request(&good, 1);
	args.nr_ranges = 0;
	assert_not_exported(&args, EINVAL);
	args = request(&good, 1);
	args.flags = 1;
	assert_not_exported(&args, EINVAL);
	args = request(&good, 1);
	args.region = VFIO_PCI_CONFIG_REGION_INDEX;
	assert_not_exported(&args, ENODEV);
	args.region = VFIO_PCI_BAR5_REGION_INDEX;
	assert_not_exported(&args, ENODEV);
}

static void setup(void)
{
	pb_setup();
	igt_kmod_load("vfio-pci", "");
	igt_require_f(!access("/dev/vfio/vfio", R_OK | W_OK), "no /dev/vfio/vfio\n");
	igt_require_f(find_pci(&edu_pci), "no device %04x:%04x, QEMU's edu\n", edu_pci.vendor,
		      edu_pci.device);
	bind_vfio(&edu_pci);
	if (find_pci(&bar_pci))
		bind_vfio(&bar_pci);
}

struct bar_case {
	const char *name, *what;
	void (*run)(const struct pb_device *dev);
};

static void run_bar_case(const struct bar_case *test)
{
	igt_describe(test->what);
	igt_subtest_with_dynamic(test->name)
		pb_run_devices(test->run);
}

static void run_bar_cases(void)
{
	const struct bar_case cases[] = {
		{ "bar-import", "A BAR is imported where there is a route", bar_import },
		{ "bar-ranges", "Several parts of a BAR in one dma-buf", bar_ranges },
		{ "bar-picture", "A picture that is in a BAR", bar_picture },
		{ "bar-ranges-picture", "The same in two parts of it", bar_ranges_picture },
		{ "bar-mmap", "A BAR has no mapping by its dma-buf", bar_mmap },
		{ "bar-disabled", "A BAR that is switched off while it is imported", bar_disabled },
		{ "bar-reset", "A device that is reset while its BAR is imported", bar_reset },
		{ "bar-closed", "A device that is closed while its BAR is imported", bar_closed },
		{ "bar-dmabuf-first", "The same without the dma-buf", bar_dmabuf_first },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		run_bar_case(&cases[i]);
}

int igt_main()
{
	const struct edu_case cases[] = {
		{ "written-before", "A device has what the CPU wrote", written_before },
		{ "only-read-before", "A device writes what was only read", only_read_before },
		{ "never-touched", "A device writes what nobody touched", never_touched },
		{ "partial", "A device has the middle of a buffer", partial },
		{ "two-buffers", "A device writes across the end of a buffer", two_buffers },
		{ "unmapped", "A device writes what was taken away from it", unmapped },
		{ "freed-first", "A device writes a buffer that is closed", freed_first },
		{ "unpinned", "Nothing stays pinned", unpinned },
		{ "read-only", "A device gets no right that its owner has given up", read_only },
		{ "made-read-only", "A device gets no right that nobody had", made_read_only },
	};

	igt_fixture()
		setup();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		run_edu_case(&cases[i]);

	igt_describe("Pages that nobody may pin are refused");
	igt_subtest_with_dynamic("refuse-pages") {
		for (int i = 0; i < pb_n_exporters; i++)
			refuse_exporter(&pb_exporters[i]);
	}

	run_bar_cases();

	igt_describe("What is no part of a BAR is not exported");
	igt_subtest("bar-refused") {
		open_bar();
		bar_refused();
		close_all();
	}

	igt_fixture() {
		close_all();
		unbind_vfio(&edu_pci);
		unbind_vfio(&bar_pci);
	}
}
