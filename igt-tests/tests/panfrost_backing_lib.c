// SPDX-License-Identifier: MIT
/* See panfrost_backing_lib.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "panfrost_backing_lib.h"
#include "prime_backing_lib.h"

static const char *const errors[] = { "stale_tlb", "freed_page", "outside", "outlived" };
static int64_t errors_before[ARRAY_SIZE(errors)];
static char sysfs[256];

int pf_ioctl(int fd, unsigned long request, void *args)
{
	return drmIoctl(fd, request, args) ? errno : 0;
}

int pf_try_open(void)
{
	for (int minor = 128; minor < 192; minor++) {
		char path[32];
		drmVersion *version;
		bool found;
		int fd;

		snprintf(path, sizeof(path), "/dev/dri/renderD%d", minor);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		version = drmGetVersion(fd);
		found = version && !strcmp(version->name, "panfrost");
		drmFreeVersion(version);
		if (found)
			return fd;
		close(fd);
	}
	return -1;
}

int pf_open(void)
{
	const int fd = pf_try_open();

	igt_assert_f(fd >= 0, "panfrost is gone\n");
	return fd;
}

const char *pf_sysfs(void)
{
	return sysfs;
}

static void find_sysfs(int fd)
{
	char link[64], *path;
	struct stat st;

	igt_assert_eq(fstat(fd, &st), 0);
	snprintf(link, sizeof(link), "/sys/dev/char/%u:%u/device", major(st.st_rdev),
		 minor(st.st_rdev));
	path = realpath(link, NULL);
	igt_assert(path);
	snprintf(sysfs, sizeof(sysfs), "%s", path);
	free(path);
}

void pf_setup(void)
{
	int fd;

	pb_page = sysconf(_SC_PAGESIZE);
	fd = pf_try_open();
	igt_require_f(fd >= 0, "no panfrost device\n");
	find_sysfs(fd);
	close(fd);
	if (!pf_has_model())
		igt_info("no mali-model in debugfs (real hardware?): its checkers are not asked\n");
}

int pf_read_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "r");
	char *got;

	if (!f)
		return -errno;
	got = fgets(line, size, f);
	fclose(f);
	if (!got)
		return -EIO;
	line[strcspn(line, "\n")] = 0;
	return 0;
}

int pf_write_line(const char *path, const char *line)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t ret;
	int err;

	if (fd < 0)
		return -errno;
	ret = write(fd, line, strlen(line));
	err = errno;
	close(fd);
	return ret < 0 ? -err : 0;
}

#define DRIVER "/sys/bus/platform/drivers/panfrost/"

static const char *device_name(void)
{
	return strrchr(sysfs, '/') + 1;
}

int pf_unbind(void)
{
	igt_require_f(!access(DRIVER "unbind", W_OK), "panfrost cannot be unbound\n");
	return pf_write_line(DRIVER "unbind", device_name());
}

int pf_bind(void)
{
	const int ret = pf_write_line(DRIVER "bind", device_name());

	if (ret)
		return ret;
	for (int i = 0; i < 100; i++) {
		const int fd = pf_try_open();

		if (fd >= 0)
			return close(fd);
		usleep(10000);
	}
	return -ENODEV;
}

static FILE *model_file(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/mali-model/%s", igt_debugfs_mount(), name);
	return fopen(path, "r");
}

int64_t pf_counter(const char *name)
{
	FILE *f = model_file("counters");
	int64_t value = -1;
	long long number;
	char word[64];

	while (f && value < 0 && fscanf(f, "%63s %lld", word, &number) == 2) {
		if (!strcmp(word, name))
			value = number;
	}
	if (f)
		fclose(f);
	return value;
}

bool pf_has_model(void)
{
	return pf_counter("jobs") >= 0;
}

int64_t pf_mapped(uint64_t start, uint64_t size)
{
	unsigned long long va, pa, block, count;
	FILE *f = model_file("tables");
	int64_t bytes = 0;
	unsigned int as;

	if (!f)
		return -1;
	while (fscanf(f, "%u %llx %llx %llu %llu %*s", &as, &va, &pa, &block, &count) == 5) {
		const uint64_t end = va + block * count;
		const uint64_t from = va > start ? va : start;
		const uint64_t to = end < start + size ? end : start + size;

		bytes += to > from ? to - from : 0;
	}
	fclose(f);
	return bytes;
}

/* Reading "check" makes the model compare all page tables with the lists of their objects. */
void pf_check_tables(void)
{
	FILE *f = model_file("check");
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		igt_debug("check: %s", line);
	if (f)
		fclose(f);
}

bool pf_asleep(void)
{
	char path[300], status[32] = "";

	snprintf(path, sizeof(path), "%s/power/runtime_status", sysfs);
	pf_read_line(path, status, sizeof(status));
	return !strcmp(status, "suspended");
}

bool pf_sleep(void)
{
	for (int i = 0; i < 100 && !pf_asleep(); i++)
		usleep(10000);
	return pf_asleep();
}

/* Waking up is a reset: what was left in the registers is gone. */
void pf_begin(void)
{
	pf_sleep();
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		errors_before[i] = pf_counter(errors[i]);
}

void pf_finish(void)
{
	pf_check_tables();
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		const int64_t now = pf_counter(errors[i]);

		igt_assert_f(now == errors_before[i] && (now >= 0 || !pf_has_model()), "the model reports: %s, %lld times\n",
			     errors[i], (long long)(now - errors_before[i]));
	}
}

static void run_case(const struct pf_case *test)
{
	igt_describe_f("%s", test->what);
	igt_subtest(test->name) {
		pf_begin();
		test->run();
		pf_finish();
	}
}

void pf_run_cases(const struct pf_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		run_case(&cases[i]);
}

int pf_create_errno(int fd, struct drm_panfrost_create_bo *args)
{
	return pf_ioctl(fd, DRM_IOCTL_PANFROST_CREATE_BO, args);
}

uint8_t *pf_map(const struct pf_bo *bo)
{
	struct drm_panfrost_mmap_bo args = { .handle = bo->handle };
	void *ptr;

	igt_assert_eq(pf_ioctl(bo->fd, DRM_IOCTL_PANFROST_MMAP_BO, &args), 0);
	ptr = mmap(NULL, bo->size, PROT_READ | PROT_WRITE, MAP_SHARED, bo->fd, args.offset);
	igt_assert_f(ptr != MAP_FAILED, "mmap of %#llx bytes: %m\n", (unsigned long long)bo->size);
	return ptr;
}

struct pf_bo pf_create(int fd, uint64_t size, uint32_t flags)
{
	struct drm_panfrost_create_bo args = { .size = size, .flags = flags };
	struct pf_bo bo = { .fd = fd, .size = size };

	igt_assert_eq(pf_create_errno(fd, &args), 0);
	bo.handle = args.handle;
	bo.va = args.offset;
	igt_assert(bo.handle && bo.va);
	if (!(flags & PANFROST_BO_HEAP))
		bo.cpu = pf_map(&bo);
	return bo;
}

uint64_t pf_va(int fd, uint32_t handle)
{
	struct drm_panfrost_get_bo_offset args = { .handle = handle };

	igt_assert_eq(pf_ioctl(fd, DRM_IOCTL_PANFROST_GET_BO_OFFSET, &args), 0);
	return args.offset;
}

struct pf_bo pf_wrap(int fd, uint32_t handle, uint64_t size)
{
	return (struct pf_bo){ .fd = fd, .handle = handle, .size = size, .va = pf_va(fd, handle) };
}

void pf_unmap(struct pf_bo *bo)
{
	if (bo->cpu)
		igt_assert_eq(munmap(bo->cpu, bo->size), 0);
	bo->cpu = NULL;
}

void pf_close(struct pf_bo *bo)
{
	pf_unmap(bo);
	if (bo->handle)
		gem_close(bo->fd, bo->handle);
	bo->handle = 0;
}

/* The device's list of buffers in debugfs. */
static FILE *gems(void)
{
	const int drm = pf_open();
	const int dir = igt_debugfs_dir(drm);
	int fd = -1;

	if (dir >= 0) {
		fd = openat(dir, "gems", O_RDONLY | O_CLOEXEC);
		close(dir);
	}
	close(drm);
	return fd >= 0 ? fdopen(fd, "r") : NULL;
}

static void set_label(const struct pf_bo *bo, const char *label)
{
	struct drm_panfrost_set_label_bo args = {
		.handle = bo->handle, .label = (uintptr_t)label,
	};

	igt_assert_eq(pf_ioctl(bo->fd, DRM_IOCTL_PANFROST_SET_LABEL_BO, &args), 0);
}

/* The line of a buffer: found by a label that no other one has. */
static bool find_gem(const struct pf_bo *bo, uint64_t *resident, uint64_t *offset)
{
	static unsigned int number;
	char label[64], line[512], found[64];
	FILE *f = gems();
	bool ok = false;

	if (!f)
		return false;
	snprintf(label, sizeof(label), "pf-%d-%u", getpid(), number++);
	set_label(bo, label);
	while (!ok && fgets(line, sizeof(line), f)) {
		ok = sscanf(line, "%*s %*d %*d %*u %" SCNu64 " 0x%" SCNx64 " %*s %63s",
			    resident, offset, found) == 3 && !strcmp(found, label);
	}
	fclose(f);
	return ok;
}

uint64_t pf_fake_offset(const struct pf_bo *bo)
{
	uint64_t resident, offset;

	return find_gem(bo, &resident, &offset) ? offset * pb_page : 0;
}

int64_t pf_resident(const struct pf_bo *bo)
{
	uint64_t resident, offset;

	return find_gem(bo, &resident, &offset) ? (int64_t)resident : -1;
}

uint8_t *pf_map_heap(const struct pf_bo *bo)
{
	const uint64_t offset = pf_fake_offset(bo);
	void *ptr;

	igt_require_f(offset, "debugfs does not tell where buffers lie in the file\n");
	ptr = mmap(NULL, bo->size, PROT_READ | PROT_WRITE, MAP_SHARED, bo->fd, offset);
	return ptr == MAP_FAILED ? NULL : ptr;
}

int pf_count_bos(void)
{
	FILE *f = gems();
	char line[512];
	int count = 0;

	igt_require_f(f, "no list of buffers in debugfs\n");
	while (fgets(line, sizeof(line), f)) {
		uint64_t size;

		count += sscanf(line, "%*s %*d %*d %" SCNu64 " %*u 0x%*x", &size) == 1;
	}
	fclose(f);
	return count;
}

volatile struct pf_job *pf_job(const struct pf_bo *bo, unsigned int index)
{
	return (volatile struct pf_job *)(bo->cpu + index * PF_JOB_SIZE);
}

uint64_t pf_job_va(const struct pf_bo *bo, unsigned int index)
{
	return bo->va + index * PF_JOB_SIZE;
}

/* Numbered from 1, each depends on the one before: hardware runs them in order, too. */
void pf_write_job(struct pf_bo *bo, unsigned int index, uint32_t type, uint64_t next)
{
	struct pf_job job = {
		.type = 1 | type << 1 | (index + 1) << 16,
		.dependencies = index,
		.next = next,
	};

	igt_assert((index + 1ull) * PF_JOB_SIZE <= bo->size);
	memcpy(bo->cpu + index * PF_JOB_SIZE, &job, sizeof(job));
}

void pf_write_value(struct pf_bo *bo, unsigned int index, uint64_t address, enum pf_value type,
		    uint64_t value)
{
	volatile struct pf_job *job = pf_job(bo, index);

	pf_write_job(bo, index, PF_WRITE_VALUE, 0);
	job->address = address;
	job->value_type = type;
	job->value = value;
}

void pf_chain_init(struct pf_chain *chain, int fd, unsigned int room)
{
	*chain = (struct pf_chain){
		.bo = pf_create(fd, room * PF_JOB_SIZE, PANFROST_BO_NOEXEC), .room = room,
	};
}

void pf_chain_reset(struct pf_chain *chain)
{
	chain->count = 0;
}

void pf_chain_close(struct pf_chain *chain)
{
	pf_close(&chain->bo);
}

static void link_last(struct pf_chain *chain)
{
	igt_assert(chain->count < chain->room);
	if (chain->count)
		pf_job(&chain->bo, chain->count - 1)->next = pf_job_va(&chain->bo, chain->count);
	chain->count++;
}

void pf_chain_null(struct pf_chain *chain)
{
	link_last(chain);
	pf_write_job(&chain->bo, chain->count - 1, PF_NULL, 0);
}

void pf_chain_value(struct pf_chain *chain, uint64_t address, enum pf_value type, uint64_t value)
{
	link_last(chain);
	pf_write_value(&chain->bo, chain->count - 1, address, type, value);
}

void pf_chain_endless(struct pf_chain *chain)
{
	pf_job(&chain->bo, chain->count - 1)->next = pf_job_va(&chain->bo, 0);
}

/* Each page has its word at another place. */
static uint64_t word_at(uint64_t page)
{
	return page * pb_page + page * 8 % pb_page;
}

void pf_chain_pages(struct pf_chain *chain, uint64_t va, const uint32_t *pages, unsigned int count,
		    uint64_t seed)
{
	for (unsigned int i = 0; i < count; i++)
		pf_chain_value(chain, va + word_at(pages[i]), PF_64, pb_word(seed, pages[i]));
}

void pf_check_pages(const uint8_t *cpu, const uint32_t *pages, unsigned int count, uint64_t seed,
		    const char *what)
{
	for (unsigned int i = 0; i < count; i++) {
		const uint64_t got = *(const volatile uint64_t *)(cpu + word_at(pages[i]));

		igt_assert_f(got == pb_word(seed, pages[i]), "%s: page %u has %#llx, not %#llx\n",
			     what, pages[i], (unsigned long long)got,
			     (unsigned long long)pb_word(seed, pages[i]));
	}
}

int pf_submit(int fd, uint64_t jc, const uint32_t *handles, uint32_t count, uint32_t requirements,
	      uint32_t in_sync, uint32_t out_sync)
{
	struct drm_panfrost_submit args = {
		.jc = jc,
		.in_syncs = (uintptr_t)&in_sync,
		.in_sync_count = in_sync != 0,
		.out_sync = out_sync,
		.bo_handles = (uintptr_t)handles,
		.bo_handle_count = count,
		.requirements = requirements,
	};

	return pf_ioctl(fd, DRM_IOCTL_PANFROST_SUBMIT, &args);
}

uint32_t pf_start(struct pf_chain *chain, const struct pf_bo *bo, uint32_t requirements)
{
	const uint32_t handles[] = { chain->bo.handle, bo ? bo->handle : 0 };
	const int fd = chain->bo.fd;
	uint32_t sync;

	for (unsigned int i = 0; i < chain->count; i++)
		pf_job(&chain->bo, i)->status = 0;
	igt_assert_eq(drmSyncobjCreate(fd, 0, &sync), 0);
	igt_assert_eq(pf_submit(fd, chain->bo.va, handles, bo ? 2 : 1, requirements, 0, sync), 0);
	return sync;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

bool pf_busy(int fd, uint32_t syncobj)
{
	return drmSyncobjWait(fd, &syncobj, 1, 0, 0, NULL) != 0;
}

int pf_fence(int fd, uint32_t syncobj)
{
	int file;

	igt_assert_eq(drmSyncobjExportSyncFile(fd, syncobj, &file), 0);
	return file;
}

int pf_fence_error(int file)
{
	struct pollfd poll_for = { .fd = file, .events = POLLIN };
	struct sync_file_info info = {};

	poll(&poll_for, 1, PF_PATIENCE * 1000);
	igt_assert_eq(drmIoctl(file, SYNC_IOC_FILE_INFO, &info), 0);
	close(file);
	igt_assert_f(info.status, "no end of the job in %d s\n", PF_PATIENCE);
	return info.status < 0 ? -info.status : 0;
}

int pf_end(int fd, uint32_t syncobj)
{
	const int file = pf_fence(fd, syncobj);

	igt_assert_eq(drmSyncobjDestroy(fd, syncobj), 0);
	return pf_fence_error(file);
}

int pf_run(struct pf_chain *chain, const struct pf_bo *bo)
{
	return pf_end(chain->bo.fd, pf_start(chain, bo, 0));
}

void pf_run_done(struct pf_chain *chain, const struct pf_bo *bo)
{
	igt_assert_eq(pf_run(chain, bo), 0);
	for (unsigned int i = 0; i < chain->count; i++)
		igt_assert_eq(pf_job(&chain->bo, i)->status, PF_DONE);
}

void pf_wait_bo(const struct pf_bo *bo)
{
	struct drm_panfrost_wait_bo args = {
		.handle = bo->handle, .timeout_ns = now_ns() + PF_PATIENCE * 1000000000ll,
	};

	igt_assert_eq(pf_ioctl(bo->fd, DRM_IOCTL_PANFROST_WAIT_BO, &args), 0);
}

static void check_usable(int fd)
{
	struct pf_bo out = pf_create(fd, pb_page, PANFROST_BO_NOEXEC);
	struct pf_chain chain;

	pf_chain_init(&chain, fd, 2);
	pf_chain_null(&chain);
	pf_chain_value(&chain, out.va + 8, PF_32, 0xcafe);
	pf_run_done(&chain, &out);
	igt_assert_eq_u32(((volatile uint32_t *)out.cpu)[2], 0xcafe);
	pf_chain_close(&chain);
	pf_close(&out);
}

void pf_check_usable(int fd)
{
	const int fresh = pf_open();

	check_usable(fresh);
	if (fd >= 0)
		check_usable(fd);
	close(fresh);
}

int pf_madvise_errno(const struct pf_bo *bo, uint32_t madv)
{
	struct drm_panfrost_madvise args = { .handle = bo->handle, .madv = madv };

	return pf_ioctl(bo->fd, DRM_IOCTL_PANFROST_MADVISE, &args);
}

bool pf_madvise(const struct pf_bo *bo, uint32_t madv)
{
	struct drm_panfrost_madvise args = { .handle = bo->handle, .madv = madv };

	igt_assert_eq(pf_ioctl(bo->fd, DRM_IOCTL_PANFROST_MADVISE, &args), 0);
	return args.retained;
}

/* Jobs are freed by a work some time after they ended, and hold their buffers until then. */
void pf_wait_for_bos(int wanted)
{
	for (int i = 0; i < 100 * PF_PATIENCE && pf_count_bos() > wanted; i++)
		usleep(10000);
	igt_assert_lte(pf_count_bos(), wanted);
}

void pf_wait_for_word(const struct pf_bo *bo, uint64_t value)
{
	volatile uint64_t *word = (volatile uint64_t *)bo->cpu;

	for (int i = 0; i < 1000 * PF_PATIENCE && *word != value; i++)
		usleep(1000);
	igt_assert_eq_u64(*word, value);
}

/* See pf_wait_for_bos(). */
void pf_purge(const struct pf_bo *bo)
{
	bool retained = true;

	for (int i = 0; i < 100 * PF_PATIENCE && retained; i++) {
		igt_assert(pf_madvise(bo, PANFROST_MADV_DONTNEED));
		pf_run_shrinkers();
		retained = pf_madvise(bo, PANFROST_MADV_WILLNEED);
		usleep(retained ? 10000 : 0);
	}
	igt_assert_f(!retained, "not purged\n");
}

void pf_run_shrinkers(void)
{
	igt_require_f(!access("/proc/sys/vm/drop_caches", W_OK), "cannot run the shrinkers\n");
	igt_assert_eq(pf_write_line("/proc/sys/vm/drop_caches", "2"), 0);
}

void pf_write_pages(int fd, const struct pf_bo *bo, unsigned int count, uint64_t seed)
{
	uint32_t *pages = calloc(count, sizeof(*pages));
	struct pf_chain chain;

	igt_assert(pages);
	pb_permute(pages, count, seed);
	pf_chain_init(&chain, fd, count);
	pf_chain_pages(&chain, bo->va, pages, count, seed);
	pf_run_done(&chain, bo);
	pf_chain_close(&chain);
	free(pages);
}

struct pf_heap pf_open_heap(uint64_t size, unsigned int room)
{
	struct pf_heap heap = { .fd = pf_open() };

	/* In this order there is nothing behind the heap. */
	pf_chain_init(&heap.chain, heap.fd, room);
	heap.bo = pf_create(heap.fd, size, PANFROST_BO_HEAP | PANFROST_BO_NOEXEC);
	return heap;
}

void pf_close_heap(struct pf_heap *heap)
{
	pf_check_tables();
	pf_chain_close(&heap->chain);
	pf_close(&heap->bo);
	close(heap->fd);
}
