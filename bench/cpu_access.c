// SPDX-License-Identifier: GPL-2.0
/*
 * What programs do with buffers, counted in page faults and instructions. The
 * first process of a machine that scripts/bench.sh boots in QEMU with -icount
 * shift=0, where the counter that ticks() reads goes on by one with each
 * instruction. For each layout of memory and each size it loads gem_paths.ko, which
 * scatters memory, prints what that counted, and goes on with vgem's buffers and
 * with peers. Lines that count start with "bench: ": layout, size, measure, value.
 *
 * BENCH_SIZES and BENCH_ONLY on the kernel's command line: sizes in KiB, separated
 * by commas; "module" for gem_paths alone, "ttm" for that peer. "faults" needs neither
 * module nor QEMU nor to be the first process, and counts nothing else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <drm.h>
#include <drm_mode.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#define MIB 0x100000ul
#define PAGE 4096ul
#define THREADS 4
#define OBJECTS 64

struct layout {
	const char *name;
	int order;
	const char *huge;
};

/* What is scattered finely comes last: it stays so in the allocator's lists. */
static const struct layout layouts[] = {
	{ "contiguous", -1, "force" },
	{ "2M", 9, "force" },
	{ "64K", 4, "never" },
	{ "4K", 0, "never" },
};

static const char *layout_name;
static const char *only;
static size_t size;

/* Ends the machine, if it is ours. */
static void done(void)
{
	fflush(stdout);
	if (getpid() != 1)
		return;
	printf("qemu: done\n");
	sync();
	reboot(RB_AUTOBOOT);
}

static void die(const char *what)
{
	printf("bench: failed: %s: cannot %s: %s\n", layout_name ?: "", what, strerror(errno));
	done();
	exit(1);
}

static uint64_t ticks(void)
{
#if defined(__x86_64__)
	uint32_t low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return (uint64_t)high << 32 | low;
#elif defined(__aarch64__)
	uint64_t count;

	asm volatile("isb; mrs %0, cntvct_el0" : "=r" (count) : : "memory");
	return count;
#else
#error no counter
#endif
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

static void say(const char *name, uint64_t value)
{
	const char *what = strrchr(name, '-');

	if (!strcmp(only, "faults") && (!what || strcmp(what, "-faults")))
		return;
	printf("bench: %s %zu %s %llu\n", layout_name, size, name, (unsigned long long)value);
}

/* One whose driver is called so. */
static int open_drm(const char *driver)
{
	struct drm_version version;
	char path[32], name[32];
	int i, fd;

	for (i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		memset(&version, 0, sizeof(version));
		memset(name, 0, sizeof(name));
		version.name = name;
		version.name_len = sizeof(name) - 1;
		if (!ioctl(fd, DRM_IOCTL_VERSION, &version) && !strcmp(name, driver))
			return fd;
		close(fd);
	}
	return -1;
}

static uint32_t dumb_create(int fd, size_t bytes)
{
	struct drm_mode_create_dumb create = {
		.width = 1024, .height = bytes / PAGE, .bpp = 32,
	};

	if (ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &create))
		die("create a buffer");
	return create.handle;
}

static void dumb_destroy(int fd, uint32_t handle)
{
	struct drm_mode_destroy_dumb destroy = { .handle = handle };

	if (ioctl(fd, DRM_IOCTL_MODE_DESTROY_DUMB, &destroy))
		die("destroy a buffer");
}

static volatile uint32_t *dumb_map(int fd, uint32_t handle)
{
	struct drm_mode_map_dumb map = { .handle = handle };
	uint8_t *where;
	void *mem;

	if (ioctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &map))
		die("map a buffer");
	/* As memory that is aligned to large pages, which an allocator would ask for. */
	where = mmap(NULL, size + 2 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	where += -(uintptr_t)where % (2 * MIB);
	mem = mmap(where, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, map.offset);
	if (mem == MAP_FAILED)
		die("mmap a buffer");
	return mem;
}

static void touch(volatile uint32_t *mem, bool write, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes / sizeof(*mem); i += PAGE / sizeof(*mem)) {
		if (write)
			mem[i] = i;
		else
			(void)mem[i];
	}
}

enum how { READ = 1, WRITE = 2 };

/* Touches, and says what it took. */
static void counted_touch(const char *name, volatile uint32_t *mem, enum how how, size_t bytes)
{
	long before = faults();
	uint64_t start = ticks(), took;
	char line[64];

	if (how & READ)
		touch(mem, false, bytes);
	if (how & WRITE)
		touch(mem, true, bytes);
	took = ticks() - start;
	snprintf(line, sizeof(line), "%s-faults", name);
	say(line, faults() - before);
	say(name, took);
}

static void first_touch(int fd, const char *name, enum how how, size_t start, size_t bytes)
{
	uint32_t handle = dumb_create(fd, size);
	volatile uint32_t *mem = dumb_map(fd, handle);

	counted_touch(name, mem + start / sizeof(*mem), how, bytes);
	munmap((void *)mem, size);
	dumb_destroy(fd, handle);
}

/* All of a buffer's life. */
static void life(int fd, const char *name)
{
	uint64_t start = ticks();
	uint32_t handle = dumb_create(fd, size);
	volatile uint32_t *mem = dumb_map(fd, handle);

	touch(mem, true, size);
	munmap((void *)mem, size);
	dumb_destroy(fd, handle);
	say(name, ticks() - start);
}

static void sync_ioctl(int fd, const char *name)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };
	uint64_t start = ticks();

	if (ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync))
		die("sync");
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	if (ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync))
		die("sync");
	say(name, ticks() - start);
}

static void exported(int fd)
{
	uint32_t handle = dumb_create(fd, size);
	struct drm_prime_handle prime = { .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR };
	volatile uint32_t *mem = dumb_map(fd, handle);

	if (ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime))
		die("export a buffer");
	touch(mem, true, size);
	sync_ioctl(prime.fd, "sync-ioctl");
	close(prime.fd);
	munmap((void *)mem, size);
	dumb_destroy(fd, handle);
}

static void *create_many(void *arg)
{
	int i, fd = *(int *)arg;

	for (i = 0; i < OBJECTS; i++)
		dumb_destroy(fd, dumb_create(fd, size));
	return NULL;
}

static void threads(int fd)
{
	pthread_t thread[THREADS];
	uint64_t start;
	int i;

	create_many(&fd);
	start = ticks();
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, create_many, &fd))
			die("start a thread");
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	say("threads-create+destroy", (ticks() - start) / THREADS / OBJECTS);
}

/*
 * Peers
 */

static void peer_touch(const char *name, int fd)
{
	volatile uint32_t *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (mem == MAP_FAILED)
		die(name);
	counted_touch(name, mem, WRITE, size);
	munmap((void *)mem, size);
	close(fd);
}

static void peer_udmabuf(void)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = size };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), fd;

	create.memfd = memfd_create("bench", MFD_ALLOW_SEALING);
	if (dev < 0 || ftruncate(create.memfd, size) ||
	    fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		die("make a memfd");
	fd = ioctl(dev, UDMABUF_CREATE, &create);
	if (fd < 0)
		die("make a udmabuf");
	peer_touch("peer-udmabuf", fd);
	close(create.memfd);
	close(dev);
}

static void peer_heap(void)
{
	struct dma_heap_allocation_data data = { .len = size, .fd_flags = O_RDWR | O_CLOEXEC };
	int heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);

	if (heap < 0 || ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data))
		die("allocate from the system heap");
	peer_touch("peer-heap", data.fd);
	close(heap);
}

/*
 * qxl's buffers are TTM's, in system memory. QEMU's device has timers of the host's: it is in a
 * machine of its own.
 */
static void peer_ttm(void)
{
	int fd = open_drm("qxl");

	if (fd < 0)
		die("open qxl");
	first_touch(fd, "peer-ttm", WRITE, 0, size);
	close(fd);
}

static void peers(void)
{
	if (size > 64 * MIB)
		return;
	peer_udmabuf();
	peer_heap();
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void module_results(void)
{
	FILE *file = fopen("/sys/kernel/debug/gem_paths", "r");
	unsigned long long value;
	char name[64];

	if (!file)
		die("read gem_paths");
	while (fscanf(file, "%63s %llu", name, &value) == 2)
		say(name, value);
	fclose(file);
}

static void programs(void)
{
	int fd = open_drm("vgem");

	if (fd < 0)
		die("open vgem");
	first_touch(fd, "write", WRITE, 0, size);
	first_touch(fd, "read", READ, 0, size);
	first_touch(fd, "read-write", READ | WRITE, 0, size);
	first_touch(fd, "one-page", WRITE, size / 2, PAGE);
	life(fd, "life");
	exported(fd);
	threads(fd);
	close(fd);
	peers();
}

static void one(const struct layout *layout)
{
	int module = open("/gem_paths.ko", O_RDONLY | O_CLOEXEC);
	char params[64];

	layout_name = layout->name;
	if (!strcmp(only, "faults")) {
		if (!layout->order)
			programs();
		return;
	}
	write_file("/sys/kernel/mm/transparent_hugepage/shmem_enabled", layout->huge);
	snprintf(params, sizeof(params), "size=%zu order=%d", size, layout->order);
	if (syscall(SYS_finit_module, module, params, 0))
		die("load gem_paths");
	close(module);
	if (!strcmp(only, "ttm"))
		peer_ttm();
	else
		module_results();
	if (!*only)
		programs();
	if (syscall(SYS_delete_module, "gem_paths", O_NONBLOCK))
		die("unload gem_paths");
}

static void mount_all(void)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
}

/* All sizes of one layout. */
static void all(const struct layout *layout)
{
	const char *sizes = getenv("BENCH_SIZES") ?: "64,1024,65536,131072";
	char *next;

	for (; *sizes; sizes = *next ? next + 1 : next) {
		size = strtoul(sizes, &next, 10) << 10;
		if (size >= 2 * MIB || layout->order < 9)
			one(layout);
	}
}

int main(void)
{
	unsigned int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	only = getenv("BENCH_ONLY") ?: "";
	if (getpid() == 1)
		mount_all();
	for (i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
		all(&layouts[i]);
	done();
	return 0;
}
