// SPDX-License-Identifier: GPL-2.0
/*
 * Loaded into QEMU (LD_PRELOAD) where the host has no /dev/udmabuf: without that QEMU gives its
 * virtio-gpu no blobs, and the guest's driver then takes no imports. Memory of several pieces is
 * put together where it is mapped, which is all that QEMU does with a udmabuf without OpenGL.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_FD 65536

/* The last list of each descriptor; by whose number it is found, so closing needs no care. */
static struct udmabuf_create_list *lists[MAX_FD];
static int node = -1;

static int placeholder(void)
{
	const int fd = memfd_create("udmabuf", MFD_CLOEXEC);

	if (fd < MAX_FD)
		return fd;
	close(fd);
	errno = EMFILE;
	return -1;
}

int open64(const char *path, int flags, ...)
{
	mode_t mode = 0;

	if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) {
		va_list args;

		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	if (!strcmp(path, "/dev/udmabuf"))
		return node = placeholder();
	return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int __open64_2(const char *path, int flags)
{
	return open64(path, flags);
}

static int create(const struct udmabuf_create_list *list)
{
	const size_t size = sizeof(*list) + list->count * sizeof(list->list[0]);
	struct udmabuf_create_list *copy = malloc(size);
	const int fd = copy ? placeholder() : -1;

	if (fd < 0) {
		free(copy);
		return -1;
	}
	free(lists[fd]);
	lists[fd] = memcpy(copy, list, size);
	return fd;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (fd >= 0 && fd == node && request == UDMABUF_CREATE_LIST)
		return create(arg);
	return syscall(SYS_ioctl, fd, request, arg);
}

static void *sys_mmap(void *addr, size_t len, int prot, int flags, int fd, off64_t pos)
{
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, pos);
}

static void *map_list(const struct udmabuf_create_list *list, size_t len, int prot)
{
	char *start = sys_mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t done = 0;

	if (start == MAP_FAILED)
		return start;
	for (unsigned int i = 0; i < list->count && done < len; i++) {
		const struct udmabuf_create_item *item = &list->list[i];
		const size_t size = item->size < len - done ? item->size : len - done;

		if (sys_mmap(start + done, size, prot, MAP_SHARED | MAP_FIXED, item->memfd,
			     item->offset) == MAP_FAILED)
			return MAP_FAILED;
		done += size;
	}
	return start;
}

void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t pos)
{
	static const char name[] = "/memfd:udmabuf";
	char link[32], target[sizeof(name)];

	if (fd < 0 || fd >= MAX_FD || !lists[fd])
		return sys_mmap(addr, len, prot, flags, fd, pos);
	/* Somebody else's descriptor may have the number by now. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, target, sizeof(target)) < (ssize_t)sizeof(name) - 1 ||
	    memcmp(target, name, sizeof(name) - 1))
		return sys_mmap(addr, len, prot, flags, fd, pos);
	return map_list(lists[fd], len, prot);
}
