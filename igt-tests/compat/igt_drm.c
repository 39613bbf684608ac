// SPDX-License-Identifier: MIT
/* DRM, dma-buf, debugfs and module helpers of IGT that ../tests use, written anew. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <xf86drm.h>

#include "igt.h"
#include "igt_kmod.h"

void gem_close(int fd, uint32_t handle)
{
	struct drm_gem_close args = { .handle = handle };

	igt_assert_eq(drmIoctl(fd, DRM_IOCTL_GEM_CLOSE, &args), 0);
}

static int handle_to_fd(int fd, uint32_t handle, uint32_t flags)
{
	struct drm_prime_handle args = { .handle = handle, .flags = flags, .fd = -1 };

	return drmIoctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args) ? -1 : args.fd;
}

int prime_handle_to_fd(int fd, uint32_t handle)
{
	const int dmabuf = handle_to_fd(fd, handle, DRM_CLOEXEC);

	igt_assert_fd(dmabuf);
	return dmabuf;
}

int prime_handle_to_fd_for_mmap(int fd, uint32_t handle)
{
	return handle_to_fd(fd, handle, DRM_CLOEXEC | DRM_RDWR);
}

uint32_t prime_fd_to_handle(int fd, int dma_buf_fd)
{
	struct drm_prime_handle args = { .fd = dma_buf_fd };

	igt_assert_eq(drmIoctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args), 0);
	return args.handle;
}

off_t prime_get_size(int dma_buf_fd)
{
	const off_t size = lseek(dma_buf_fd, 0, SEEK_END);

	igt_assert(size >= 0 || errno == ESPIPE);
	return size;
}

static void prime_sync(int dma_buf_fd, uint64_t flags)
{
	struct dma_buf_sync args = { .flags = flags };

	igt_assert_eq(drmIoctl(dma_buf_fd, DMA_BUF_IOCTL_SYNC, &args), 0);
}

void prime_sync_start(int dma_buf_fd, bool write)
{
	prime_sync(dma_buf_fd, DMA_BUF_SYNC_START | (write ? DMA_BUF_SYNC_RW : DMA_BUF_SYNC_READ));
}

void prime_sync_end(int dma_buf_fd, bool write)
{
	prime_sync(dma_buf_fd, DMA_BUF_SYNC_END | (write ? DMA_BUF_SYNC_RW : DMA_BUF_SYNC_READ));
}

const char *igt_debugfs_mount(void)
{
	return "/sys/kernel/debug";
}

int igt_debugfs_dir(int device)
{
	char path[128];
	struct stat st;

	if (fstat(device, &st) || !S_ISCHR(st.st_mode))
		return -1;
	snprintf(path, sizeof(path), "%s/dri/%u", igt_debugfs_mount(), minor(st.st_rdev));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int igt_kmod_load(const char *mod_name, const char *opts)
{
	char *argv[] = { "modprobe", "-q", (char *)mod_name, (char *)opts, NULL };
	char path[128];
	pid_t pid;
	int status;

	snprintf(path, sizeof(path), "/sys/module/%s", mod_name);
	if (!access(path, F_OK))
		return 0;
	status = posix_spawnp(&pid, argv[0], NULL, NULL, argv, NULL);
	if (status || waitpid(pid, &status, 0) < 0 || status)
		return -ENOENT;
	return 0;
}
