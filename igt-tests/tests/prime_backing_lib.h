/* SPDX-License-Identifier: MIT */
/*
 * What the prime_backing_* tests share: buffers of every kind of exporter, imports into every
 * kind of importer, the ways to reach their bytes, and patterns that tell each byte's place.
 *
 * Driver agnostic: an exporter or importer is any DRM device that makes dumb buffers and
 * imports dma-bufs, an exporter is also /dev/udmabuf and the system dma-heap.
 */
#ifndef PRIME_BACKING_LIB_H
#define PRIME_BACKING_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xf86drmMode.h>

#define PB_MAX_DEVICES 8

struct udmabuf_create_item;

struct pb_device {
	char driver[32];
	char name[48];			/* the driver's; with a number when it is there twice */
	char node[32];
};

enum pb_kind { PB_GEM, PB_UDMABUF, PB_HEAP };

struct pb_exporter {
	enum pb_kind kind;
	const char *name;
	const struct pb_device *dev;	/* PB_GEM only */
	const char *missing;		/* why it cannot be used here, or NULL */
};

/* One exporter with one importer; the same device twice means two open files of it. */
struct pb_pair {
	char name[112];
	const struct pb_exporter *exp;
	const struct pb_device *imp;
	const void *data;		/* of pb_run_pairs_with() */
};

struct pb_case {
	const char *name;
	const char *what;
	void (*run)(const struct pb_pair *pair);
};

/* -1 or 0 in a member means: not there (any more). */
struct pb_buf {
	const struct pb_exporter *exp;
	uint64_t size;
	int drm;
	uint32_t handle;
	int memfd;
	int dmabuf;
};

struct pb_import {
	const struct pb_device *dev;
	int drm;
	uint32_t handle;
};

/* A mapping of a buffer; sync names the dma-buf that brackets CPU access, -1 for none. */
struct pb_view {
	uint8_t *ptr;
	size_t len;
	int sync;
};

/* What a device shows: a connected output, its first mode, and a CRTC that goes with it. */
struct pb_output {
	int drm;
	uint32_t crtc, connector;
	int crtc_index;
	drmModeModeInfo mode;
};

/* A mapped buffer with one importer, everything open: what most tests begin with. */
struct pb_shared {
	struct pb_buf buf;
	struct pb_import imp;
	struct pb_view native, via_dmabuf, via_import;
};

extern long pb_page;
extern struct pb_device pb_devices[PB_MAX_DEVICES];
extern int pb_n_devices;
extern struct pb_exporter pb_exporters[PB_MAX_DEVICES + 2];
extern int pb_n_exporters;

/* Fixture: finds devices and exporters; skips everything when there is no importer. */
void pb_setup(void);
/* A subtest with one dynamic subtest for each pair. */
void pb_run_pairs(const struct pb_case *cases, size_t count);
/* Such a subtest, with something for it. */
void pb_run_pairs_with(const struct pb_case *test, const void *data);
/* Dynamic subtests of a subtest: one for each device, one for each exporter. */
void pb_run_devices(void (*run)(const struct pb_device *dev));
void pb_run_exporters(void (*run)(const struct pb_exporter *exp));
/* What a failed subtest left open must not make the next one fail: a DRM master, a CRC. */
void pb_close_leftovers(void);
/* Skips when the device does not scan out. */
void pb_require_kms(const struct pb_device *dev);
/* What a failed subtest left open must not make the next one fail: a DRM master, a CRC. */
void pb_close_leftovers(void);
/* Becomes master of the device; skips when it cannot, or has no connected output. */
void pb_require_output(struct pb_output *out, int drm);
void pb_show(const struct pb_output *out, uint32_t fb);
/* 0 and the framebuffer, XRGB8888, or the errno of the refusal. */
int pb_add_fb(int drm, uint32_t handle, uint32_t width, uint32_t height, uint32_t pitch,
	      uint32_t offset, uint32_t *fb);

/* A picture in which no pixel is where another one would do, and its CRC as it is to be seen. */
uint32_t pb_draw(uint8_t *ptr, uint32_t width, uint32_t height, uint32_t pitch, uint32_t seed);
/* Who sees the screen compares it with the log: it stays for KMS_BACKING_PAUSE_MS. */
void pb_exhibit(const char *name, uint32_t width, uint32_t height, uint32_t crc);

int pb_open(const struct pb_device *dev);
/* fd of a memfd that may not shrink, as udmabuf demands. */
int pb_memfd(uint64_t size);
int pb_dumb_create(int drm, uint32_t width, uint32_t height, uint32_t bpp,
		   uint32_t *handle, uint32_t *pitch, uint64_t *size);
/* To be done with a udmabuf before anything else; pb_udmabuf() does. */
void pb_sync_first(int udmabuf);
int pb_udmabuf(int memfd, uint64_t offset, uint64_t size);
int pb_udmabuf_list(const struct udmabuf_create_item *items, uint32_t count);
int pb_heap_alloc(uint64_t len, uint32_t fd_flags);
/* 0, or the errno of an import that must not succeed. */
int pb_import_errno(int drm, int fd, uint32_t *handle);
int pb_export_errno(int drm, uint32_t handle, uint32_t flags, int *fd);
int pb_gem_close_errno(int drm, uint32_t handle);
/* The fake offset of a dumb buffer, or -errno. */
int64_t pb_map_offset(int drm, uint32_t handle);
/* The fake offset of a file's only handle, also where pb_map_offset() refuses; or -errno. */
int64_t pb_find_offset(int drm);

void pb_create(struct pb_buf *buf, const struct pb_exporter *exp, uint64_t size);
void pb_close_handle(struct pb_buf *buf);
void pb_close_file(struct pb_buf *buf);
void pb_close_dmabuf(struct pb_buf *buf);
void pb_destroy(struct pb_buf *buf);

void pb_import(struct pb_import *imp, const struct pb_device *dev, int dmabuf);
void pb_import_close_handle(struct pb_import *imp);
void pb_import_close(struct pb_import *imp);

/* MAP_FAILED and errno, or the mapping; pos counts from the start of the buffer. */
void *pb_mmap_gem(int drm, uint32_t handle, size_t len, int prot, int flags, off_t pos);
struct pb_view pb_view_native(const struct pb_buf *buf);
struct pb_view pb_view_dmabuf(int dmabuf, uint64_t size);
struct pb_view pb_view_import(const struct pb_import *imp, int dmabuf, uint64_t size);
void pb_unview(struct pb_view *view);

void pb_share(struct pb_shared *s, const struct pb_pair *pair, uint64_t size);
void pb_unshare(struct pb_shared *s);

/* Every 8 bytes of a pattern are a function of seed and place. */
uint64_t pb_word(uint64_t seed, uint64_t index);
void pb_fill(void *ptr, uint64_t pos, size_t len, uint64_t seed);
/* First place that differs, or len. */
size_t pb_differs(const void *ptr, uint64_t pos, size_t len, uint64_t seed);
void pb_check(const void *ptr, uint64_t pos, size_t len, uint64_t seed, const char *what);
void pb_write(const struct pb_view *view, uint64_t seed);
void pb_verify(const struct pb_view *view, uint64_t seed, const char *what);
/* One word in every step-th page and in the last one: for buffers too big to fill. */
void pb_mark(const struct pb_view *view, uint64_t seed, size_t step);
void pb_verify_marks(const struct pb_view *view, uint64_t seed, size_t step, const char *what);

/* Writes a file of sysfs or the like: 0, or the errno. */
int pb_put_file(const char *path, const char *value);
/* Reads, or writes back, one byte: 0, or the signal that this raised. */
int pb_touch(volatile uint8_t *p, bool write);
/* Writes each page: 0, or an errno. A fault without memory is a bus error, or tried again. */
int pb_touch_pages(uint8_t *ptr, int num);
/* A permutation of 0 .. n-1 that depends on seed only. */
void pb_permute(uint32_t *order, uint32_t n, uint64_t seed);
/* Fixture: allocations may fail; skips everything where the kernel cannot make them. */
void pb_fail_setup(void);
/* What allocations, or calls of a function, are made to fail in. *step is where run() got to. */
struct pb_sweep {
	const char *name;
	const char *const *step;
	/* 0, or the errno of a call: who calls again goes on with this one. */
	int (*run)(void *arg);
	/* What run() made is as it should be; may be NULL. */
	void (*check)(void *arg);
	/* Takes back what run() did. May not fail: pb_munmap(). */
	void (*undo)(void *arg);
	void *arg;
};

/*
 * Has one allocation after the other fail while run() and undo() run, until there is none left. An errno
 * has to tell that there is no memory. run() is then called once more, and has to succeed with what the
 * call that failed has left. No descriptor, dma-buf, DMA mapping or memory may be left at the end.
 */
void pb_fail_each(const struct pb_sweep *sweep);

/* How a function of the kernel fails, and what a call for which it did may then say. */
struct pb_function {
	const char *name;
	int64_t result;
	int errnos[3];
	const char *except;		/* calls from it never fail; a * at the end for any that starts so */
};

/* Fixture: functions may fail; skips everything where guest/fail_function.c is not loaded. */
void pb_function_setup(void);
/* Skips where the kernel has no function of that name. */
void pb_choose_function(const struct pb_function *function);
/* The same with each call of a function, which it chooses. Returns how many there were. */
unsigned int pb_fail_each_call(const struct pb_sweep *sweep, const struct pb_function *function);
/* munmap() may need memory. Then nothing is unmapped, and the next one does it. */
void pb_munmap(void *ptr, size_t len);

/* A buffer that is made, and taken back, again and again out of what is open all the time. */
struct pb_maker {
	const struct pb_exporter *exp;
	uint64_t size;
	int file, memfd;
	uint32_t handle;		/* 0 and -1: there is none */
	int dmabuf;
};

void pb_maker_open(struct pb_maker *m, const struct pb_exporter *exp, uint64_t size);
void pb_maker_close(struct pb_maker *m);
/* 0, or the errno of the call that failed; the next pb_make() goes on from there. */
int pb_make(struct pb_maker *m);
void pb_unmake(struct pb_maker *m);
/* A child writes each page: 0, or an errno. */
int pb_fork_touch(uint8_t *ptr, int num);
/* Closes it if it is open, and says so by -1. */
void pb_close_once(int *fd);
/* The descriptor that the next open() is going to get. */
int pb_next_fd(void);
/* Until pb_any_descriptor() there is no descriptor left: EMFILE. Nothing may fail in between. */
void pb_no_descriptor(void);
void pb_any_descriptor(void);
/* A line of /proc/meminfo, most in KiB; -1 when there is none. */
long pb_meminfo(const char *key);
/* A counter of /proc/vmstat; -1 when there is none. */
long pb_vmstat(const char *key);
/* Clean pages that nobody holds go, those of shmem as well: what was not marked dirty is lost. */
void pb_drop_caches(void);
/* Memory to swap to: what there is, or zram until pb_swap_off(). Skips without both. */
void pb_swap_on(void);
bool pb_try_swap_on(void);
void pb_swap_off(void);
/* A block device in memory, open until pb_disk_end(); -1 where there is none that is free. */
int pb_disk(int flags);
void pb_disk_end(int fd);
/* Takes memory until shmem has given away so many bytes, and gives it back. The last ones cost all memory. */
void pb_press(uint64_t size);
/* The same until so many pages have gone to swap, whoever had them; beside others who take memory. */
void pb_press_out(long pages);
/* How many dma-bufs there are; skips when the kernel does not tell. */
int pb_count_dmabufs(void);
/* Not more than before; what a job or a work of the kernel has goes a moment after the call. */
void pb_wait_for_dmabufs(int before);
/* Gives a dma-buf a name; how many dma-bufs carry one that starts so. */
void pb_name(int dmabuf, const char *name);
int pb_count_named(const char *prefix);

/* A fence that is ours to signal: vgem's, on a buffer of its own, and a sync_file of it. */
struct pb_fence {
	int drm;
	uint32_t handle, id;
	int file;
};

/* Skips where there is no vgem: pb_vgem() is NULL. */
void pb_fence_make(struct pb_fence *fence);
void pb_fence_close(struct pb_fence *fence);
/* 0 or an errno; flags are DMA_BUF_SYNC_*. */
int pb_fence_export_errno(int dmabuf, uint32_t flags, int *file);
int pb_fence_import_errno(int dmabuf, uint32_t flags, int file);
int pb_fence_attach_errno(int drm, uint32_t handle, uint32_t flags, uint32_t *id);
/* ETIMEDOUT: it had signalled by itself; vgem gives up after 10 s. */
int pb_fence_signal_errno(int drm, uint32_t id);
bool pb_is_vgem(const struct pb_device *dev);
const struct pb_device *pb_vgem(void);

#endif
