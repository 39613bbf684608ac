// SPDX-License-Identifier: GPL-2.0
/*
 * What the real panfrost driver needs to map a 64 MiB object whose memory is
 * there already: the object of one file is imported into a second file of the
 * same GPU, again and again. Such an import is drm_gem_object_funcs.open() and
 * little else, in which panfrost fills the file's page table; closing the
 * handle empties it.
 *
 * Prints lines of a measure and its values: "open" and "close" in ticks of the
 * CPU's counter, the first few rounds left out, and, with a job of the second
 * file to have its address space switched on, what the model's page-table walker
 * finds where the object is: "ptes-4K", "ptes-2M", and "stretches" of those of
 * one size whose memory is contiguous.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <drm.h>
#include <panfrost_drm.h>

#define BO_SIZE (64u << 20)
#define JOB_SIZE 4096
#define WARM_UP 4
#define ROUNDS 64
#define TABLES "/sys/kernel/debug/mali-model/tables"

struct job_header {
	uint32_t status, first_incomplete;
	uint64_t fault_pointer;
	uint32_t type, dependencies;
	uint64_t next;
};

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	fputs("panfrost_open: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t ticks(void)
{
	return __builtin_ia32_rdtsc();
}

static void call(int fd, unsigned long request, void *args, const char *what)
{
	int ret;

	do
		ret = ioctl(fd, request, args);
	while (ret && (errno == EINTR || errno == EAGAIN));
	if (ret)
		die("%s: %s", what, strerror(errno));
}

static int is_panfrost(int fd)
{
	char name[32] = "";
	struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };

	return !ioctl(fd, DRM_IOCTL_VERSION, &version) && !strcmp(name, "panfrost");
}

static int open_panfrost(void)
{
	char path[32];
	int fd, minor;

	for (minor = 128; minor < 192; minor++) {
		snprintf(path, sizeof(path), "/dev/dri/renderD%d", minor);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && is_panfrost(fd))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	die("no panfrost device");
}

static struct drm_panfrost_create_bo create(int fd, uint32_t size)
{
	struct drm_panfrost_create_bo bo = { .size = size, .flags = PANFROST_BO_NOEXEC };

	call(fd, DRM_IOCTL_PANFROST_CREATE_BO, &bo, "CREATE_BO");

	return bo;
}

static int export(int fd, uint32_t handle)
{
	struct drm_prime_handle prime = { .handle = handle, .flags = DRM_CLOEXEC };

	call(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime, "PRIME_HANDLE_TO_FD");

	return prime.fd;
}

static uint32_t import(int fd, int prime_fd)
{
	struct drm_prime_handle prime = { .fd = prime_fd };

	call(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime, "PRIME_FD_TO_HANDLE");

	return prime.handle;
}

static void close_handle(int fd, uint32_t handle)
{
	struct drm_gem_close gem = { .handle = handle };

	call(fd, DRM_IOCTL_GEM_CLOSE, &gem, "GEM_CLOSE");
}

static void print_series(const char *measure, const uint64_t *took)
{
	int i;

	printf("%s", measure);
	for (i = WARM_UP; i < WARM_UP + ROUNDS; i++)
		printf(" %" PRIu64, took[i]);
	putchar('\n');
}

static void measure(int fd, int prime_fd)
{
	uint64_t opens[WARM_UP + ROUNDS], closes[WARM_UP + ROUNDS];
	int i;

	for (i = 0; i < WARM_UP + ROUNDS; i++) {
		uint64_t start = ticks(), middle;
		uint32_t handle = import(fd, prime_fd);

		middle = ticks();
		close_handle(fd, handle);
		opens[i] = middle - start;
		closes[i] = ticks() - middle;
	}
	print_series("open", opens);
	print_series("close", closes);
}

/* A NULL job, for the GPU to be given the file's page table. */
static void run_job(int fd)
{
	struct drm_panfrost_create_bo bo = create(fd, JOB_SIZE);
	struct drm_panfrost_mmap_bo mmap_bo = { .handle = bo.handle };
	struct drm_panfrost_wait_bo wait_bo = { .handle = bo.handle, .timeout_ns = INT64_MAX };
	struct drm_panfrost_submit submit = {
		.jc = bo.offset,
		.bo_handles = (uintptr_t)&bo.handle,
		.bo_handle_count = 1,
	};
	volatile struct job_header *job;

	call(fd, DRM_IOCTL_PANFROST_MMAP_BO, &mmap_bo, "MMAP_BO");
	job = mmap(NULL, JOB_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, mmap_bo.offset);
	if (job == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	job->type = 1 << 1 | 1;
	call(fd, DRM_IOCTL_PANFROST_SUBMIT, &submit, "SUBMIT");
	call(fd, DRM_IOCTL_PANFROST_WAIT_BO, &wait_bo, "WAIT_BO");
	if (job->status != 1)
		die("the job ended with status %#x", job->status);
}

static void print_ptes(uint64_t va)
{
	uint64_t at, pa, size, count, small = 0, large = 0, stretches = 0;
	FILE *tables = fopen(TABLES, "r");
	unsigned int as;

	if (!tables)
		die("%s: %s", TABLES, strerror(errno));
	while (fscanf(tables, "%u %" SCNx64 " %" SCNx64 " %" SCNu64 " %" SCNu64 " %*s", &as, &at,
		      &pa, &size, &count) == 5) {
		if (at < va || at >= va + BO_SIZE)
			continue;
		stretches++;
		if (size == 4096)
			small += count;
		else
			large += count;
	}
	fclose(tables);
	printf("ptes-4K %" PRIu64 "\nptes-2M %" PRIu64 "\nstretches %" PRIu64 "\n", small, large,
	       stretches);
}

int main(void)
{
	int first = open_panfrost(), second = open_panfrost(), prime_fd;
	struct drm_panfrost_get_bo_offset where = {};

	prime_fd = export(first, create(first, BO_SIZE).handle);
	measure(second, prime_fd);
	where.handle = import(second, prime_fd);
	call(second, DRM_IOCTL_PANFROST_GET_BO_OFFSET, &where, "GET_BO_OFFSET");
	run_job(second);
	print_ptes(where.offset);

	return 0;
}
