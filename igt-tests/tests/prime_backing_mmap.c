// SPDX-License-Identifier: MIT
/**
 * TEST: prime backing mmap
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME
 * Description: CPU mappings of buffers: which are refused, and that every page that is mapped is
 *              the right one, however the mapping was cut, moved, inherited or faulted.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "igt.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("CPU mappings of buffers through the device, the dma-buf and the importer.");

#define PAGES 16
#define SIZE (PAGES * pb_page)

/* For those that count faults. */
#define BIG (16ul << 20)

/*
 * One way to map a buffer: the device that made it, its dma-buf, or the own mmap of a device
 * that imported it. base is where the buffer begins in the file that is mapped.
 */
struct target {
	char name[112];
	const struct pb_exporter *exp;
	const struct pb_device *imp;		/* NULL: no import */
	bool native;
	struct pb_buf buf;
	struct pb_import import;
	size_t size;
	int file;
	int64_t base;
	struct pb_view witness;			/* another mapping, to write and compare by */
};

struct mmap_case {
	const char *name;
	const char *what;
	void (*run)(struct target *t);
};

static void *map_at(const struct target *t, size_t pos, size_t len, int prot, int flags)
{
	return mmap(NULL, len, prot, flags, t->file, t->base + pos);
}

static uint8_t *map(const struct target *t, int prot)
{
	void *ptr = map_at(t, 0, t->size, prot, MAP_SHARED);

	igt_assert_f(ptr != MAP_FAILED, "mmap: %m\n");
	return ptr;
}

static uint8_t *map_rw(const struct target *t)
{
	return map(t, PROT_READ | PROT_WRITE);
}

static void unmap(uint8_t *ptr, size_t len)
{
	igt_assert_eq(munmap(ptr, len), 0);
}

static void open_target(struct target *t)
{
	pb_create(&t->buf, t->exp, t->size);
	t->witness = t->native ? pb_view_dmabuf(t->buf.dmabuf, t->size) : pb_view_native(&t->buf);
	t->file = t->native ? t->buf.drm : t->buf.dmabuf;
	t->base = t->native ? pb_map_offset(t->buf.drm, t->buf.handle) : 0;
	igt_assert(t->base >= 0);
	if (!t->imp)
		return;
	pb_import(&t->import, t->imp, t->buf.dmabuf);
	t->file = t->import.drm;
	t->base = pb_find_offset(t->import.drm);
	igt_require_f(t->base > 0, "importer maps no imports\n");
}

static void close_target(struct target *t)
{
	pb_unview(&t->witness);
	if (t->imp)
		pb_import_close(&t->import);
	pb_destroy(&t->buf);
}

static void run_target(const struct mmap_case *test, struct target *t)
{
	igt_dynamic_f("%s", t->name) {
		igt_require_f(!t->exp->missing, "%s\n", t->exp->missing);
		open_target(t);
		if (t->size != BIG)
			pb_write(&t->witness, 1);
		test->run(t);
		close_target(t);
	}
}

static void run_exporter(const struct mmap_case *test, const struct pb_exporter *exp, size_t size)
{
	struct target t = { .exp = exp, .size = size };

	if (exp->kind == PB_GEM) {
		t.native = true;
		snprintf(t.name, sizeof(t.name), "%s", exp->name);
		run_target(test, &t);
		t.native = false;
	}
	snprintf(t.name, sizeof(t.name), "%s-dmabuf", exp->name);
	run_target(test, &t);
	for (int i = 0; i < pb_n_devices; i++) {
		t.imp = &pb_devices[i];
		snprintf(t.name, sizeof(t.name), "%s-via-%s", exp->name, t.imp->name);
		run_target(test, &t);
	}
}

static void run_targets(const struct mmap_case *test, size_t size)
{
	for (int i = 0; i < pb_n_exporters; i++)
		run_exporter(test, &pb_exporters[i], size);
}

static void check_page(const uint8_t *ptr, size_t page, uint64_t seed, const char *what)
{
	pb_check(ptr, page * pb_page, pb_page, seed, what);
}

static void private_copy_is_private(struct target *t, uint8_t *ptr)
{
	pb_check(ptr, 0, SIZE, 1, "private mapping");
	pb_fill(ptr, 0, SIZE, 2);
	pb_check(ptr, 0, SIZE, 2, "private mapping that was written");
	pb_verify(&t->witness, 1, "buffer after writes to a private mapping");
}

/*
 * Memory that is filled in by faults refuses, what the DMA API maps at once does not. Catches: writes
 * that come out in the buffer, or are lost.
 */
static void private_mapping(struct target *t)
{
	static const int prots[] = { PROT_READ | PROT_WRITE, PROT_READ };
	void *ptr;

	for (size_t i = 0; i < ARRAY_SIZE(prots); i++) {
		errno = 0;
		ptr = map_at(t, 0, SIZE, prots[i], MAP_PRIVATE);
		if (ptr == MAP_FAILED) {
			igt_assert_eq(errno, EINVAL);
			continue;
		}
		if (prots[i] & PROT_WRITE)
			private_copy_is_private(t, ptr);
		else
			pb_check(ptr, 0, SIZE, 1, "private mapping");
		unmap(ptr, SIZE);
	}
}

/* Catches: a length check that wants the whole object, or faults past a short VMA. */
static void partial_head(struct target *t)
{
	const size_t len = 5 * pb_page;
	uint8_t *ptr = map_at(t, 0, len, PROT_READ | PROT_WRITE, MAP_SHARED);

	igt_assert(ptr != MAP_FAILED);
	pb_check(ptr, 0, len, 1, "head");
	pb_fill(ptr, 0, len, 2);
	pb_check(t->witness.ptr, 0, len, 2, "head");
	pb_check(t->witness.ptr + len, len, SIZE - len, 1, "rest");
	unmap(ptr, len);
}

/* Catches: an offset that is checked but not applied: another part of the buffer is mapped. */
static void partial_offset(struct target *t)
{
	const size_t pos = 3 * pb_page, len = 5 * pb_page;
	uint8_t *ptr;

	errno = 0;
	ptr = map_at(t, pos, len, PROT_READ | PROT_WRITE, MAP_SHARED);
	if (ptr == MAP_FAILED) {
		/* Devices may want the exact start of a buffer; a dma-buf takes any. */
		igt_assert(t->file != t->buf.dmabuf);
		igt_assert_eq(errno, EINVAL);
		return;
	}
	pb_check(ptr, pos, len, 1, "part");
	pb_fill(ptr, pos, len, 2);
	pb_check(t->witness.ptr, 0, pos, 1, "head");
	pb_check(t->witness.ptr + pos, pos, len, 2, "part");
	pb_check(t->witness.ptr + pos + len, pos + len, SIZE - pos - len, 1, "rest");
	unmap(ptr, len);
}

static void assert_map_refused(const struct target *t, size_t pos, size_t len)
{
	errno = 0;
	igt_assert(map_at(t, pos, len, PROT_READ, MAP_SHARED) == MAP_FAILED);
	igt_assert_eq(errno, EINVAL);
}

/* Catches: a missing bound: pages of the next object, or a fault outside of the list. */
static void past_end_refused(struct target *t)
{
	uint8_t *ptr;

	assert_map_refused(t, 0, SIZE + pb_page);
	assert_map_refused(t, 0, 1ul << 30);
	if (t->file == t->buf.dmabuf) {
		assert_map_refused(t, SIZE, pb_page);
		assert_map_refused(t, SIZE - pb_page, 2 * pb_page);
		assert_map_refused(t, 1ul << 30, pb_page);
	}
	ptr = map_rw(t);
	pb_check(ptr, 0, SIZE, 1, "all of it");
	unmap(ptr, SIZE);
}

static void in_child(void (*body)(uint8_t *ptr), uint8_t *ptr)
{
	igt_fork(child, 1)
		body(ptr);
	igt_waitchildren();
}

static void child_reads_1_writes_2(uint8_t *ptr)
{
	pb_check(ptr, 0, SIZE, 1, "child's mapping");
	pb_fill(ptr, 0, SIZE, 2);
}

/* Catches: a child whose mapping is a copy, or faults on other pages than the parent's. */
static void fork_child_writes(struct target *t)
{
	uint8_t *ptr = map_rw(t);

	in_child(child_reads_1_writes_2, ptr);
	pb_check(ptr, 0, SIZE, 2, "parent's mapping");
	pb_verify(&t->witness, 2, "buffer");
	unmap(ptr, SIZE);
}

static void child_unmaps(uint8_t *ptr)
{
	igt_assert_eq(pb_touch(ptr, true), 0);
	unmap(ptr, SIZE);
}

/* Catches: a use count that fork does not take: the child's end drops the parent's pages. */
static void fork_child_ends_first(struct target *t)
{
	uint8_t *ptr = map_rw(t);

	check_page(ptr, 0, 1, "first page");
	in_child(child_unmaps, ptr);
	in_child(child_reads_1_writes_2, ptr);
	pb_check(ptr, 0, SIZE, 2, "parent's mapping");
	unmap(ptr, SIZE);
	pb_verify(&t->witness, 2, "buffer");
}

/* Handles belong to the open file, which the parent shares: only the descriptors are ours. */
static void drop_inherited(struct target *t)
{
	pb_unview(&t->witness);
	pb_close_dmabuf(&t->buf);
	pb_close_file(&t->buf);
	if (t->imp)
		close(t->import.drm);
}

/* Catches: the same the other way round: the parent's end, with everything it had open. */
static void fork_parent_ends_first(struct target *t)
{
	uint8_t *ptr = map_rw(t);
	int pipes[2];
	char byte;

	igt_assert_eq(pipe(pipes), 0);
	igt_fork(child, 1) {
		close(pipes[1]);
		drop_inherited(t);
		igt_assert_eq(read(pipes[0], &byte, 1), 0);
		pb_check(ptr, 0, SIZE, 1, "child's mapping");
		pb_fill(ptr, 0, SIZE, 2);
		pb_check(ptr, 0, SIZE, 2, "child's mapping");
	}
	close(pipes[0]);
	unmap(ptr, SIZE);
	close_target(t);
	close(pipes[1]);
	igt_waitchildren();
	open_target(t);
}

/* Catches: a mapping that may grow over the end of the object. */
static void mremap_grow_refused(struct target *t)
{
	uint8_t *ptr = map_rw(t);

	errno = 0;
	igt_assert(mremap(ptr, SIZE, SIZE + pb_page, MREMAP_MAYMOVE) == MAP_FAILED);
	igt_assert_eq(errno, EFAULT);
	igt_assert(mremap(ptr, 0, SIZE, MREMAP_MAYMOVE) == MAP_FAILED);
	igt_assert_eq(errno, EFAULT);
	pb_check(ptr, 0, SIZE, 1, "mapping");
	unmap(ptr, SIZE);
}

/* Catches: state that is kept by mapping, not by object: the rest is lost with the tail. */
static void mremap_shrink(struct target *t)
{
	const size_t len = 5 * pb_page;
	uint8_t *ptr = map_rw(t);

	igt_assert(mremap(ptr, SIZE, len, 0) == ptr);
	pb_check(ptr, 0, len, 1, "head");
	igt_assert_eq(pb_touch(ptr + len, false), SIGSEGV);
	unmap(ptr, len);
	pb_verify(&t->witness, 1, "buffer");
}

/* Catches: faults that reckon from where the mapping once was. */
static void mremap_move(struct target *t)
{
	uint8_t *ptr = map_rw(t), *room, *moved;

	check_page(ptr, 0, 1, "first page");
	room = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(room != MAP_FAILED);
	moved = mremap(ptr, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	igt_assert(moved == room);
	igt_assert_eq(pb_touch(ptr, false), SIGSEGV);
	pb_check(moved, 0, SIZE, 1, "moved mapping");
	pb_fill(moved, 0, SIZE, 2);
	pb_verify(&t->witness, 2, "buffer");
	unmap(moved, SIZE);
}

/* Catches: faults that reckon from the start of a VMA which no longer is the buffer's. */
static void mremap_move_part(struct target *t)
{
	const size_t pos = 6 * pb_page, len = 4 * pb_page;
	uint8_t *ptr = map_rw(t), *room, *moved;

	room = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(room != MAP_FAILED);
	moved = mremap(ptr + pos, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	igt_assert(moved == room);
	pb_check(moved, pos, len, 1, "moved part");
	pb_check(ptr, 0, pos, 1, "head");
	pb_check(ptr + pos + len, pos + len, SIZE - pos - len, 1, "tail");
	unmap(moved, len);
	unmap(ptr, SIZE);
}

static void check_hole(struct target *t, uint8_t *ptr)
{
	const size_t pos = 5 * pb_page, len = 3 * pb_page;

	unmap(ptr + pos, len);
	igt_assert_eq(pb_touch(ptr + pos, false), SIGSEGV);
	igt_assert_eq(pb_touch(ptr + pos + len - 1, false), SIGSEGV);
	pb_check(ptr, 0, pos, 1, "before the hole");
	pb_check(ptr + pos + len, pos + len, SIZE - pos - len, 1, "after the hole");
	pb_fill(ptr + pos + len, pos + len, SIZE - pos - len, 2);
	pb_check(t->witness.ptr, 0, pos + len, 1, "buffer");
	pb_check(t->witness.ptr + pos + len, pos + len, SIZE - pos - len, 2, "buffer's tail");
	unmap(ptr, pos);
	pb_check(ptr + pos + len, pos + len, SIZE - pos - len, 2, "what is left");
	unmap(ptr + pos + len, SIZE - pos - len);
}

/* Catches: a split that is counted wrongly: the first part's end drops the pages. */
static void munmap_middle_faulted(struct target *t)
{
	uint8_t *ptr = map_rw(t);

	pb_check(ptr, 0, SIZE, 1, "mapping");
	check_hole(t, ptr);
}

/* Catches: faults behind a hole that begin to count there: the buffer's first pages appear. */
static void munmap_middle_unfaulted(struct target *t)
{
	check_hole(t, map_rw(t));
}

/* Catches: the same for a mapping cut in three by its rights; and rights that are ignored. */
static void mprotect_middle(struct target *t)
{
	const size_t pos = 5 * pb_page, len = 3 * pb_page;
	uint8_t *ptr = map_rw(t);

	igt_assert_eq(mprotect(ptr + pos, len, PROT_READ), 0);
	pb_check(ptr, 0, SIZE, 1, "three parts");
	igt_assert_eq(pb_touch(ptr + pos, true), SIGSEGV);
	igt_assert_eq(pb_touch(ptr + pos - 1, true), 0);
	igt_assert_eq(pb_touch(ptr + pos + len, true), 0);
	igt_assert_eq(mprotect(ptr + pos, len, PROT_READ | PROT_WRITE), 0);
	pb_fill(ptr, 0, SIZE, 2);
	pb_verify(&t->witness, 2, "buffer");
	unmap(ptr, SIZE);
}

/* Catches: PTEs made writable although the mapping is not. */
static void readonly_faults(struct target *t)
{
	uint8_t *ptr = map(t, PROT_READ);

	for (int i = 0; i < PAGES; i++) {
		if (i % 2)
			check_page(ptr + i * pb_page, i, 1, "read before");
		igt_assert_eq(pb_touch(ptr + i * pb_page, true), SIGSEGV);
	}
	pb_check(ptr, 0, SIZE, 1, "mapping");
	unmap(ptr, SIZE);
}

/* Catches: write faults after mprotect that end in SIGBUS, a loop, or another page. */
static void readonly_then_writable(struct target *t)
{
	uint8_t *ptr = map(t, PROT_READ);

	for (int i = 0; i < PAGES; i += 2)
		check_page(ptr + i * pb_page, i, 1, "read before");
	igt_assert_eq(mprotect(ptr, SIZE, PROT_READ | PROT_WRITE), 0);
	pb_fill(ptr, 0, SIZE, 2);
	pb_verify(&t->witness, 2, "buffer");
	unmap(ptr, SIZE);
}

/* Catches: the mkwrite path: a page read first, whose first write is lost or goes elsewhere. */
static void write_after_read(struct target *t)
{
	uint8_t *ptr = map_rw(t);

	for (int i = 0; i < PAGES; i++) {
		check_page(ptr + i * pb_page, i, 1, "read");
		pb_fill(ptr + i * pb_page, i * pb_page, pb_page, 2);
		check_page(t->witness.ptr + i * pb_page, i, 2, "written");
	}
	pb_check(ptr, 0, SIZE, 2, "mapping");
	unmap(ptr, SIZE);
}

/* Catches: a first access that is a write and finds a page which reads as zero elsewhere. */
static void write_first(struct target *t)
{
	uint8_t *ptr = map_rw(t);

	for (int i = PAGES - 1; i >= 0; i--) {
		pb_fill(ptr + i * pb_page, i * pb_page, pb_page, 2);
		check_page(t->witness.ptr + i * pb_page, i, 2, "written");
	}
	unmap(ptr, SIZE);
}

/* Catches: faults that fill neighbours: wrong ones for some order of first accesses. */
static void random_order(struct target *t)
{
	uint32_t order[PAGES];
	uint8_t *ptr;

	for (uint64_t seed = 0; seed < 8; seed++) {
		pb_permute(order, PAGES, seed);
		ptr = map_rw(t);
		for (int i = 0; i < PAGES; i++)
			check_page(ptr + order[i] * pb_page, order[i], 1, "random page");
		unmap(ptr, SIZE);
	}
}

/* Catches: filling ahead that runs over the end, or stops and leaves a gap, at some stride. */
static void strides(struct target *t)
{
	static const int steps[] = { 2, 3, 5, 7, 8, 15 };
	uint8_t *ptr;

	for (size_t s = 0; s < ARRAY_SIZE(steps); s++) {
		ptr = map_rw(t);
		for (int i = 0; i < PAGES; i += steps[s])
			check_page(ptr + i * pb_page, i, 1, "strided page");
		pb_check(ptr, 0, SIZE, 1, "all pages after");
		unmap(ptr, SIZE);
	}
}

/* Catches: two mappings of one object that share a count, or hide each other's writes. */
static void two_mappings(struct target *t)
{
	uint8_t *a = map_rw(t), *b = map_rw(t);

	pb_fill(a, 0, SIZE, 2);
	pb_check(b, 0, SIZE, 2, "second mapping");
	unmap(a, SIZE);
	pb_fill(b, 0, SIZE, 3);
	pb_verify(&t->witness, 3, "buffer");
	unmap(b, SIZE);
}

static void assert_efault(ssize_t ret)
{
	igt_assert_eq(ret, -1);
	igt_assert_eq(errno, EFAULT);
}

/* A disk reads and writes the pages themselves, and would hold them. */
static void direct_io(uint8_t *ptr)
{
	const int fd = pb_disk(O_RDWR | O_DIRECT);
	void *own;

	if (fd < 0) {
		igt_info("no zram to be read and written directly\n");
		return;
	}
	own = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(own != MAP_FAILED);
	igt_assert_eq(pread(fd, own, SIZE, 0), SIZE);
	assert_efault(pread(fd, ptr, SIZE, 0));
	assert_efault(pwrite(fd, ptr, SIZE, 0));
	unmap(own, SIZE);
	pb_disk_end(fd);
}

#define PAGEMAP_SWAPPED (1ull << 62)

/* Who looks at page tables finds a page of nobody, or none. */
static void page_map(uint8_t *ptr)
{
	const int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entries[PAGES];

	if (fd < 0) {
		igt_info("no pagemap\n");
		return;
	}
	igt_assert_eq(pread(fd, entries, sizeof(entries), (uintptr_t)ptr / pb_page * sizeof(*entries)),
		      sizeof(entries));
	for (int i = 0; i < PAGES; i++)
		igt_assert_f(!(entries[i] & PAGEMAP_SWAPPED), "page %d is in swap: %#llx\n", i,
			     (long long)entries[i]);
	close(fd);
}

/* Pages are not the kernel's to move to another node. */
static void policy(uint8_t *ptr)
{
	const unsigned long first = 1;

	errno = 0;
	if (!syscall(SYS_mbind, ptr, SIZE, MPOL_BIND, &first, 8 * sizeof(first), MPOL_MF_MOVE))
		return;
	if (errno == ENOSYS)
		igt_info("no NUMA\n");
	else
		igt_assert_eq(errno, EIO);
}

/*
 * Catches: faults taken inside the kernel, by read() and write(), that are handled otherwise; pages that
 * a disk, a look at the page tables or a policy gets hold of.
 */
static void system_calls(struct target *t)
{
	uint8_t *ptr = map_rw(t), *copy;
	int fd = pb_memfd(SIZE);

	igt_assert_eq(pwrite(fd, ptr, SIZE, 0), SIZE);
	copy = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	igt_assert(copy != MAP_FAILED);
	pb_check(copy, 0, SIZE, 1, "what write() took from the mapping");
	pb_fill(copy, 0, SIZE, 2);
	unmap(ptr, SIZE);

	ptr = map_rw(t);
	igt_assert_eq(pread(fd, ptr, SIZE, 0), SIZE);
	pb_verify(&t->witness, 2, "what read() put into the mapping");
	direct_io(ptr);
	page_map(ptr);
	policy(ptr);
	pb_check(ptr, 0, SIZE, 2, "mapping");
	pb_verify(&t->witness, 2, "buffer");
	unmap(copy, SIZE);
	unmap(ptr, SIZE);
	close(fd);
}

/* Catches: mappings of struct pages, which others could hold on to after the buffer is gone. */
static void pages_not_pinnable(struct target *t)
{
	uint8_t *ptr = map_rw(t);
	struct iovec iov = { .iov_base = ptr, .iov_len = pb_page };
	int pipes[2];

	igt_assert_eq(pb_touch(ptr, true), 0);
	igt_assert_eq(pipe(pipes), 0);
	errno = 0;
	igt_assert_eq(vmsplice(pipes[1], &iov, 1, 0), -1);
	igt_assert_eq(errno, EFAULT);
	close(pipes[0]);
	close(pipes[1]);
	unmap(ptr, SIZE);
}

/* Catches: the same by another way in: process_vm_*() pin what they copy. */
static void process_vm(struct target *t)
{
	uint8_t *ptr = map_rw(t);
	char bytes[16] = "";
	struct iovec local = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	struct iovec remote = { .iov_base = ptr, .iov_len = sizeof(bytes) };

	igt_assert_eq(pb_touch(ptr, true), 0);
	errno = 0;
	igt_assert_eq(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), -1);
	igt_require_f(errno != ENOSYS, "no process_vm_readv()\n");
	igt_assert_eq(errno, EFAULT);
	errno = 0;
	igt_assert_eq(process_vm_writev(getpid(), &local, 1, &remote, 1, 0), -1);
	igt_assert_eq(errno, EFAULT);
	pb_check(ptr, 0, SIZE, 1, "mapping");
	unmap(ptr, SIZE);
}

static long minor_faults(void)
{
	struct rusage usage;

	igt_assert_eq(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_minflt;
}

/* A byte of each page is known; returns how many pages are wrong. */
static size_t wrong_pages(const uint8_t *ptr, size_t pages, uint8_t add)
{
	size_t wrong = 0;

	for (size_t i = 0; i < pages; i++)
		wrong += ptr[i * pb_page] != (uint8_t)(i + add);
	return wrong;
}

static void check_faults(struct target *t, uint8_t *ptr, long before, uint8_t add, size_t limit)
{
	const long faults = minor_faults() - before;
	const size_t pages = t->size / pb_page;

	igt_info("%s: %ld faults for %zu pages\n", t->name, faults, pages);
	igt_assert_eq(wrong_pages(t->witness.ptr, pages, add), 0);
	unmap(ptr, t->size);
	igt_assert_f(faults <= (long)limit, "%ld faults, at most %zu wanted\n", faults, limit);
}

/*
 * What maps all at once, as udmabuf and heaps do, leaves the entries old and clean. Where that is
 * not for the machine to note, as on User Mode Linux, the first touch of each is a fault.
 */
static void require_gem(const struct target *t)
{
	igt_require_f(t->exp->kind == PB_GEM, "%s maps all at once\n", t->exp->name);
}

/* Catches: a fault for each page. */
static void faults_write(struct target *t)
{
	const size_t pages = t->size / pb_page;
	volatile uint8_t *ptr;
	long before;

	require_gem(t);
	ptr = map_rw(t);
	before = minor_faults();
	for (size_t i = 0; i < pages; i++)
		ptr[i * pb_page] = i + 1;
	check_faults(t, (uint8_t *)ptr, before, 1, pages / 128);
}

/* Catches: the same for pages that are read before they are written: two faults for each. */
static void faults_mixed(struct target *t)
{
	const size_t pages = t->size / pb_page;
	volatile uint8_t *ptr;
	long before;

	require_gem(t);
	ptr = map_rw(t);
	before = minor_faults();
	for (size_t i = 0; i < pages; i++)
		ptr[i * pb_page] = ptr[i * pb_page] + i + 3;
	check_faults(t, (uint8_t *)ptr, before, 3, 2 * pages / 128);
}

/* Catches: advice that drops, swaps or moves memory that is not the page cache's. */
static void advice(struct target *t)
{
	static const int list[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE,
		MADV_COLD, MADV_PAGEOUT, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, 24 /* DONTNEED_LOCKED */, 25 /* COLLAPSE */,
		102 /* GUARD_INSTALL */, 103 /* GUARD_REMOVE */,
	};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		uint8_t *ptr = map_rw(t);

		check_page(ptr + i % PAGES * pb_page, i % PAGES, 1, "page read before");
		errno = 0;
		if (madvise(ptr, SIZE, list[i]))
			igt_assert_f(errno == EINVAL || errno == EFAULT, "advice %d: %m\n", list[i]);
		pb_check(ptr, 0, SIZE, 1, "after advice");
		pb_fill(ptr, 0, SIZE, 2);
		pb_verify(&t->witness, 2, "buffer");
		unmap(ptr, SIZE);
		pb_write(&t->witness, 1);
	}
}

/* Catches: faults of a mapping that is not to be left by the page, and of one made at once. */
static void locked(struct target *t)
{
	uint8_t *ptr = map_rw(t);

	igt_assert_eq(mlock(ptr, SIZE), 0);
	pb_check(ptr, 0, SIZE, 1, "locked mapping");
	pb_fill(ptr, 0, SIZE, 2);
	igt_assert_eq(munlock(ptr, SIZE), 0);
	unmap(ptr, SIZE);
	ptr = map_at(t, 0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE);
	igt_assert(ptr != MAP_FAILED);
	pb_check(ptr, 0, SIZE, 2, "mapping to be populated");
	unmap(ptr, SIZE);
}

/* Catches: faults that another process answers, with pages of its own. */
static void userfault(struct target *t)
{
	static const uint64_t modes[] = {
		UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP, 1 << 2 /* MINOR */,
	};
	struct uffdio_api api = { .api = UFFD_API };
	uint8_t *ptr = map_rw(t);
	const int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	igt_require_f(fd >= 0, "no userfaultfd: %m\n");
	igt_assert_eq(ioctl(fd, UFFDIO_API, &api), 0);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct uffdio_register reg = {
			.range = { .start = (uintptr_t)ptr, .len = SIZE }, .mode = modes[i],
		};

		errno = 0;
		igt_assert_eq(ioctl(fd, UFFDIO_REGISTER, &reg), -1);
		igt_assert_eq(errno, EINVAL);
	}
	pb_check(ptr, 0, SIZE, 1, "mapping");
	unmap(ptr, SIZE);
	close(fd);
}

#define THREADS 4

struct racer {
	uint8_t *ptr;
	pthread_barrier_t *start;
	int number;
	int wrong;
};

static void *race(void *data)
{
	struct racer *r = data;
	uint32_t order[PAGES];

	pb_permute(order, PAGES, r->number);
	pthread_barrier_wait(r->start);
	for (int i = 0; i < PAGES; i++) {
		uint8_t *page = r->ptr + order[i] * pb_page;
		const size_t half = pb_page / 2;

		/* The upper halves stay; of the lower half every thread has its own part. */
		r->wrong += pb_differs(page + half, order[i] * pb_page + half, half, 1) != half;
		pb_fill(page + r->number * half / THREADS,
			order[i] * pb_page + r->number * half / THREADS, half / THREADS, 2);
	}
	return NULL;
}

static void race_once(uint8_t *ptr)
{
	struct racer racers[THREADS];
	pthread_t threads[THREADS];
	pthread_barrier_t start;

	pthread_barrier_init(&start, NULL, THREADS);
	for (int i = 0; i < THREADS; i++) {
		racers[i] = (struct racer){ .ptr = ptr, .start = &start, .number = i };
		igt_assert_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	/* All of them end before anything is judged: they use this stack. */
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&start);
	for (int i = 0; i < THREADS; i++)
		igt_assert_eq(racers[i].wrong, 0);
}

/* Catches: faults on one page at once: one lost, one in a freed list, one in a wrong page. */
static void threads_fault(struct target *t)
{
	const size_t half = pb_page / 2;

	for (int round = 0; round < 8; round++) {
		uint8_t *ptr = map_rw(t);

		race_once(ptr);
		for (int i = 0; i < PAGES; i++) {
			pb_check(t->witness.ptr + i * pb_page, i * pb_page, half, 2, "lower half");
			pb_check(t->witness.ptr + i * pb_page + half, i * pb_page + half, half, 1,
				 "upper half");
		}
		unmap(ptr, SIZE);
		pb_write(&t->witness, 1);
	}
}

static const struct mmap_case cases[] = {
	{ "private", "Private mappings are private, or refused", private_mapping },
	{ "partial-head", "The first pages alone can be mapped", partial_head },
	{ "partial-offset", "Pages from the middle can be mapped", partial_offset },
	{ "past-end-refused", "Mappings past the end are refused", past_end_refused },
	{ "fork-child-writes", "A child writes through an inherited mapping", fork_child_writes },
	{ "fork-child-ends-first", "A child's end leaves the parent's mapping",
	  fork_child_ends_first },
	{ "fork-parent-ends-first", "The child's mapping is all that is left",
	  fork_parent_ends_first },
	{ "mremap-grow-refused", "A mapping cannot grow", mremap_grow_refused },
	{ "mremap-shrink", "A mapping can shrink", mremap_shrink },
	{ "mremap-move", "A mapping can move", mremap_move },
	{ "mremap-move-part", "A part of a mapping can move", mremap_move_part },
	{ "munmap-middle-faulted", "A hole in a mapping that was used", munmap_middle_faulted },
	{ "munmap-middle-unfaulted", "A hole in a mapping not used yet", munmap_middle_unfaulted },
	{ "mprotect-middle", "Other rights for the middle of a mapping", mprotect_middle },
	{ "readonly-faults", "A read-only mapping cannot be written", readonly_faults },
	{ "readonly-then-writable", "A read-only mapping made writable", readonly_then_writable },
	{ "write-after-read", "The first write to a page that was read", write_after_read },
	{ "write-first", "The first access to a page is a write", write_first },
	{ "random-order", "Pages touched in random order", random_order },
	{ "strides", "Pages touched with gaps, then all", strides },
	{ "two-mappings", "Two mappings of one buffer in one process", two_mappings },
	{ "system-calls", "read() and write() with a mapping as their buffer", system_calls },
	{ "pages-not-pinnable", "No page of a mapping can be pinned", pages_not_pinnable },
	{ "process-vm", "Nor by another process", process_vm },
	{ "advice", "Advice changes nothing that can be seen", advice },
	{ "locked", "Mappings that are locked, or to be populated", locked },
	{ "userfault", "Nobody else answers the faults of a mapping", userfault },
	{ "threads-fault", "Threads that touch the same pages first", threads_fault },
};

static const struct mmap_case big_cases[] = {
	{ "faults-write", "Few faults for 16 MiB that are written", faults_write },
	{ "faults-mixed", "Few faults for 16 MiB that are read and written", faults_mixed },
};

static void run_case(const struct mmap_case *test, size_t size)
{
	igt_describe(test->what);
	igt_subtest_with_dynamic(test->name)
		run_targets(test, size);
}

int igt_main()
{
	igt_fixture()
		pb_setup();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		run_case(&cases[i], SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(big_cases); i++)
		run_case(&big_cases[i], BIG);
}
