// SPDX-License-Identifier: MIT
/**
 * TEST: panfrost backing jobs
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: GPU page tables
 * Description: What the GPU writes arrives in the right page of the right buffer, whatever
 *              else happens to buffers, files and address spaces meanwhile.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "panfrost_backing_lib.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("GPU writes land in the right page of the right buffer.");

#define MAX_PAGES 4096

static uint64_t word(const struct pf_bo *bo, uint64_t offset)
{
	return *(volatile uint64_t *)(bo->cpu + offset);
}

static void in_order(uint32_t *pages, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		pages[i] = i;
}

/* Catches: a chain that is cut short, or whose values arrive in each other's pages. */
static void chain_256(void)
{
	uint32_t pages[256];
	const int fd = pf_open();
	struct pf_bo out = pf_create(fd, ARRAY_SIZE(pages) * pb_page, PANFROST_BO_NOEXEC);
	const uint32_t handle = out.handle;
	struct pf_chain chain;

	in_order(pages, ARRAY_SIZE(pages));
	pf_chain_init(&chain, fd, ARRAY_SIZE(pages));
	pf_chain_pages(&chain, out.va, pages, ARRAY_SIZE(pages), 1);
	igt_assert_eq(pf_submit(fd, chain.bo.va, &handle, 1, 0, 0, 0), 0);
	pf_wait_bo(&out);
	pf_check_pages(out.cpu, pages, ARRAY_SIZE(pages), 1, "buffer");
	for (unsigned int i = 0; i < chain.count; i++)
		igt_assert_eq(pf_job(&chain.bo, i)->status, PF_DONE);
	pf_chain_close(&chain);
	pf_close(&out);
	close(fd);
}

/* Catches: a write of another size than asked for. */
static void value_sizes(void)
{
	static const enum pf_value types[] = { PF_ZERO, PF_8, PF_16, PF_32, PF_64 };
	static const unsigned int bytes[] = { 8, 1, 2, 4, 8 };
	const uint64_t value = 0x8877665544332211, old = ~0ull;
	const int fd = pf_open();
	struct pf_bo out = pf_create(fd, pb_page, PANFROST_BO_NOEXEC);
	struct pf_chain chain;

	memset(out.cpu, 0xff, pb_page);
	pf_chain_init(&chain, fd, 8);
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		pf_chain_value(&chain, out.va + i * 16, types[i], value);
	pf_run_done(&chain, &out);
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		const uint64_t mask = bytes[i] == 8 ? ~0ull : (1ull << bytes[i] * 8) - 1;
		const uint64_t wanted = types[i] == PF_ZERO ? 0 : (value & mask) | (old & ~mask);

		/* Hardware may zero 4 bytes or 8. */
		if (types[i] == PF_ZERO)
			igt_assert_eq_u32(word(&out, i * 16), 0);
		else
			igt_assert_eq_u64(word(&out, i * 16), wanted);
		igt_assert_eq_u64(word(&out, i * 16 + 8), old);
	}
	pf_chain_close(&chain);
	pf_close(&out);
	close(fd);
}

/* Catches: a cycle counter that is not switched on for those who ask, or runs backwards. */
static void counters_run(void)
{
	const int fd = pf_open();
	struct pf_bo out = pf_create(fd, pb_page, PANFROST_BO_NOEXEC);
	struct pf_chain chain;

	pf_chain_init(&chain, fd, 4);
	pf_chain_value(&chain, out.va, PF_CYCLES, 0);
	pf_chain_value(&chain, out.va + 8, PF_TIMESTAMP, 0);
	pf_chain_value(&chain, out.va + 16, PF_CYCLES, 0);
	pf_chain_value(&chain, out.va + 24, PF_TIMESTAMP, 0);
	igt_assert_eq(pf_end(fd, pf_start(&chain, &out, PANFROST_JD_REQ_CYCLE_COUNT)), 0);
	igt_assert(word(&out, 0) && word(&out, 8));
	igt_assert_lte_u64(word(&out, 0), word(&out, 16));
	igt_assert_lte_u64(word(&out, 8), word(&out, 24));
	pf_chain_close(&chain);
	pf_close(&out);
	close(fd);
}

static void write_and_check(int fd, uint64_t size, uint32_t flags, uint32_t *pages,
			    unsigned int count, uint64_t seed)
{
	struct pf_bo out = pf_create(fd, size, flags);
	struct pf_chain chain;

	pf_chain_init(&chain, fd, 256);
	for (unsigned int i = 0; i < count; i += 256) {
		pf_chain_reset(&chain);
		pf_chain_pages(&chain, out.va, pages + i, count - i < 256 ? count - i : 256, seed);
		pf_run_done(&chain, &out);
	}
	pf_check_pages(out.cpu, pages, count, seed, "buffer");
	pf_check_tables();
	pf_chain_close(&chain);
	pf_close(&out);
}

/* Catches: a page table that skips, repeats or shifts pages of a list of many pieces. */
static void every_page(void)
{
	uint32_t *pages = calloc(MAX_PAGES, sizeof(*pages));
	const int fd = pf_open();

	pb_permute(pages, 2048, 7);
	write_and_check(fd, 2048 * pb_page, PANFROST_BO_NOEXEC, pages, 2048, 2);
	write_and_check(fd, 2048 * pb_page, PANFROST_BO_NOEXEC | PANFROST_BO_WB_MMAP, pages, 2048,
			3);
	free(pages);
	close(fd);
}

/* Catches: a last page that is left out, where blocks and pages of the table meet. */
static void odd_sizes(void)
{
	static const int sizes[] = { 1, 2, 3, 511, 512, 513, 1023, 1025, 1537 };
	const int fd = pf_open();

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint32_t pages[] = { 0, sizes[i] / 2, sizes[i] - 1 };

		write_and_check(fd, sizes[i] * pb_page, 0, pages, 3, i);
		write_and_check(fd, sizes[i] * pb_page, PANFROST_BO_NOEXEC, pages, 3, i);
	}
	close(fd);
}

/* Catches: executable buffers over the 16 MiB line that the program counter cannot cross. */
static void executable_va(void)
{
	const int fd = pf_open();
	struct pf_bo bos[24];

	for (unsigned int i = 0; i < ARRAY_SIZE(bos); i++) {
		bos[i] = pf_create(fd, PF_MIB << i % 3, 0);
		igt_assert_eq_u64(bos[i].va >> 24, (bos[i].va + bos[i].size - 1) >> 24);
		igt_assert(bos[i].va & 0xffffffff);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(bos); i++)
		pf_close(&bos[i]);
	close(fd);
}

/* Catches: an implicit fence that is not waited for by the other job slot. */
static void slots_in_order(void)
{
	const int fd = pf_open();
	struct pf_bo out = pf_create(fd, pb_page, PANFROST_BO_NOEXEC);
	struct pf_chain slow, fast;
	uint32_t first, second;

	pf_chain_init(&slow, fd, 64);
	pf_chain_init(&fast, fd, 1);
	for (int i = 0; i < 63; i++)
		pf_chain_null(&slow);
	pf_chain_value(&slow, out.va, PF_64, 1);
	pf_chain_value(&fast, out.va, PF_64, 2);
	for (int i = 0; i < 50; i++) {
		first = pf_start(&slow, &out, 0);
		second = pf_start(&fast, &out, PANFROST_JD_REQ_FS);
		igt_assert_eq(pf_end(fd, second), 0);
		igt_assert_eq_u64(word(&out, 0), 2);
		igt_assert_eq(pf_end(fd, first), 0);
		igt_assert_eq_u64(word(&out, 0), 2);
	}
	pf_chain_close(&slow);
	pf_chain_close(&fast);
	pf_close(&out);
	close(fd);
}

/* Catches: a syncobj to wait for that is forgotten: the job starts at once. */
static void waits_for_syncobj(void)
{
	const int fd = pf_open();
	struct pf_bo out = pf_create(fd, pb_page, PANFROST_BO_NOEXEC);
	struct pf_chain endless, after;
	uint32_t first, second;

	pf_chain_init(&endless, fd, 2);
	pf_chain_init(&after, fd, 1);
	pf_chain_null(&endless);
	pf_chain_value(&endless, out.va, PF_64, 1);
	pf_chain_endless(&endless);
	pf_chain_value(&after, out.va, PF_64, 2);
	first = pf_start(&endless, NULL, 0);
	igt_assert_eq(drmSyncobjCreate(fd, 0, &second), 0);
	igt_assert_eq(pf_submit(fd, after.bo.va, NULL, 0, PANFROST_JD_REQ_FS, first, second), 0);
	pf_wait_for_word(&out, 1);
	igt_assert(pf_busy(fd, second) || !pf_busy(fd, first));
	igt_assert_neq(pf_end(fd, first), 0);
	/* A job is run, or given up, when what it waits for has failed; it always ends. */
	pf_end(fd, second);
	pf_check_usable(fd);
	pf_chain_close(&endless);
	pf_chain_close(&after);
	pf_close(&out);
	close(fd);
}

#define FILES 20

struct space {
	int fd;
	struct pf_bo out;
	struct pf_chain chain;
	uint32_t sync;
};

static void open_space(struct space *s)
{
	s->fd = pf_open();
	s->out = pf_create(s->fd, 4 * pb_page, PANFROST_BO_NOEXEC);
	pf_chain_init(&s->chain, s->fd, 4);
}

static void close_space(struct space *s)
{
	pf_chain_close(&s->chain);
	pf_close(&s->out);
	close(s->fd);
}

/*
 * Catches: an address space that changes hands without its TLB being flushed. There are more
 * files than address spaces, and all have their buffers at the same addresses.
 */
static void address_spaces(void)
{
	uint32_t pages[] = { 0, 1, 2, 3 };
	struct space s[FILES];

	for (int i = 0; i < FILES; i++) {
		open_space(&s[i]);
		igt_assert_eq_u64(s[i].out.va, s[0].out.va);
	}
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < FILES; i++) {
			pf_chain_reset(&s[i].chain);
			pf_chain_pages(&s[i].chain, s[i].out.va, pages, 4, round * FILES + i);
			s[i].sync = pf_start(&s[i].chain, &s[i].out,
					     i % 2 ? 0 : PANFROST_JD_REQ_FS);
		}
		for (int i = 0; i < FILES; i++)
			igt_assert_eq(pf_end(s[i].fd, s[i].sync), 0);
		for (int i = 0; i < FILES; i++)
			pf_check_pages(s[i].out.cpu, pages, 4, round * FILES + i, "file's buffer");
	}
	pf_check_tables();
	for (int i = 0; i < FILES; i++)
		close_space(&s[i]);
}

/* Catches: a page table without holes: what is mapped nowhere leads somewhere. */
static void unmapped_is_killed(void)
{
	const int fd = pf_open();
	struct pf_bo out = pf_create(fd, pb_page, PANFROST_BO_NOEXEC);
	const uint64_t nowhere[] = {
		0x1000, out.va - pb_page * 64, out.va + (1ull << 30), 1ull << 40,
	};
	struct pf_chain chain;

	pf_chain_init(&chain, fd, 2);
	for (unsigned int i = 0; i < ARRAY_SIZE(nowhere); i++) {
		pf_chain_reset(&chain);
		pf_chain_value(&chain, nowhere[i], PF_64, 1);
		pf_chain_value(&chain, out.va, PF_64, 1);
		igt_assert_neq(pf_run(&chain, &out), 0);
		igt_assert_neq(pf_job(&chain.bo, 0)->status, PF_DONE);
		igt_assert_eq_u64(word(&out, 0), 0);
		pf_check_usable(fd);
	}
	pf_chain_close(&chain);
	pf_close(&out);
	close(fd);
}

/*
 * Catches: an address space whose interrupts stay masked after a fault: the next one is not
 * seen, and its job hangs until the job timeout ends it (ECANCELED), a heap's job too.
 */
static void fault_twice(void)
{
	const int fd = pf_open();
	struct pf_chain chain;

	pf_chain_init(&chain, fd, 1);
	pf_chain_value(&chain, 0x1000, PF_64, 1);
	igt_assert_eq(pf_run(&chain, NULL), EINVAL);
	igt_assert_eq(pf_run(&chain, NULL), EINVAL);
	igt_assert_eq(pf_run(&chain, NULL), EINVAL);
	pf_chain_close(&chain);
	close(fd);
}

/*
 * Catches: one file's fault that ends or repeats the jobs of others, or, on two CPUs, loses them:
 * done, but never run.
 */
static void neighbours_survive(void)
{
	struct space s[6];
	uint32_t pages[] = { 0, 1, 2, 3 };

	for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
		open_space(&s[i]);
	for (int round = 0; round < 10; round++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(s); i++) {
			pf_chain_reset(&s[i].chain);
			if (i % 3 == 1)
				pf_chain_value(&s[i].chain, 0x1000, PF_64, 1);
			else
				pf_chain_pages(&s[i].chain, s[i].out.va, pages, 4, round * 8 + i);
			s[i].sync = pf_start(&s[i].chain, &s[i].out, 0);
		}
		for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
			igt_assert_eq(pf_end(s[i].fd, s[i].sync) != 0, i % 3 == 1);
		for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
			if (i % 3 != 1)
				pf_check_pages(s[i].out.cpu, pages, 4, round * 8 + i, "neighbour");
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
		close_space(&s[i]);
}

static long available_kib(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	long kib = -1;

	igt_assert(f);
	while (kib < 0 && fgets(line, sizeof(line), f))
		sscanf(line, "MemAvailable: %ld", &kib);
	fclose(f);
	return kib;
}

#define SMALL 16			/* pages */

static void submit_and_close(int fd, unsigned int pages)
{
	struct pf_bo out = pf_create(fd, pages * pb_page, PANFROST_BO_NOEXEC);
	struct pf_chain chain;
	uint32_t handles[2];

	pf_chain_init(&chain, fd, 1);
	pf_chain_value(&chain, out.va + (pages - 1) * pb_page, PF_64, 1);
	handles[0] = chain.bo.handle;
	handles[1] = out.handle;
	igt_assert_eq(pf_submit(fd, chain.bo.va, handles, 2, 0, 0, 0), 0);
	pf_chain_close(&chain);
	pf_close(&out);
}

/* Catches: references of jobs, mappings or pages that nobody gives back. */
static void submit_close_2000(void)
{
	const int before = pf_count_bos();
	const int fd = pf_open();
	long kib;

	for (int i = 0; i < 64; i++)
		submit_and_close(fd, SMALL);
	pf_wait_for_bos(before);
	kib = available_kib();
	for (int i = 0; i < 2000; i++)
		submit_and_close(fd, SMALL);
	pf_wait_for_bos(before);
	pf_check_usable(fd);
	/* Half of what would be gone if one page in four were kept. */
	kib -= available_kib();
	igt_assert_f(kib < 2000 * SMALL * (pb_page >> 10) / 8, "%ld KiB are gone\n", kib);
	close(fd);
}

#define REUSE_SIZE (16 * pb_page)

/* A job that has ended may hold its buffer, and so its address, for a moment. */
static struct pf_bo create_at(int fd, uint64_t va)
{
	struct pf_bo bo = pf_create(fd, REUSE_SIZE, PANFROST_BO_NOEXEC);

	for (int i = 0; va && bo.va != va && i < 500 * PF_PATIENCE; i++) {
		pf_close(&bo);
		usleep(2000);
		bo = pf_create(fd, REUSE_SIZE, PANFROST_BO_NOEXEC);
	}
	igt_assert_f(!va || bo.va == va, "the address does not become free\n");
	return bo;
}

static void reuse_address(int rounds, unsigned int pause)
{
	const int fd = pf_open();
	struct pf_chain chain;
	uint64_t va = 0;

	pf_chain_init(&chain, fd, 4);
	for (int i = 0; i < rounds; i++) {
		uint32_t pages[] = { 0, 1, 5, 15 };
		struct pf_bo bo = create_at(fd, va);

		va = bo.va;
		pf_chain_reset(&chain);
		pf_chain_pages(&chain, va, pages, ARRAY_SIZE(pages), i);
		pf_run_done(&chain, &bo);
		pf_check_pages(bo.cpu, pages, ARRAY_SIZE(pages), i, "buffer at a used address");
		if (i % 10 == 9)
			pf_check_tables();
		usleep(pause);
		pf_close(&bo);
	}
	pf_chain_close(&chain);
	close(fd);
}

/* Catches: a TLB that is not flushed: what the GPU writes goes to the old buffer's pages. */
static void va_reuse(void)
{
	reuse_address(100, 0);
}

/* Catches: the same while the device sleeps, when no flush is sent: waking up has to do. */
static void va_reuse_asleep(void)
{
	reuse_address(10, 100000);
}

/* Catches: a buffer that goes with its handle although a job still writes to it. */
static void close_while_running(void)
{
	const int fd = pf_open();
	const uint64_t size = 256 * pb_page;

	for (int round = 0; round < 10; round++) {
		uint32_t pages[256], other[] = { 0, 100, 255 };
		struct pf_bo out = pf_create(fd, size, PANFROST_BO_NOEXEC), next;
		const int dmabuf = prime_handle_to_fd_for_mmap(fd, out.handle);
		struct pf_chain chain;
		uint32_t sync;
		uint8_t *cpu;

		pb_permute(pages, 256, round);
		pf_chain_init(&chain, fd, 256);
		pf_chain_pages(&chain, out.va, pages, 256, round);
		sync = pf_start(&chain, &out, 0);
		pf_chain_close(&chain);
		pf_close(&out);
		next = pf_create(fd, size, PANFROST_BO_NOEXEC);
		pb_fill(next.cpu, 0, size, 99);
		igt_assert_eq(pf_end(fd, sync), 0);
		pb_check(next.cpu, 0, size, 99, "the next buffer");
		cpu = mmap(NULL, size, PROT_READ, MAP_SHARED, dmabuf, 0);
		igt_assert(cpu != MAP_FAILED);
		pf_check_pages(cpu, pages, 256, round, "the closed buffer");
		munmap(cpu, size);
		close(dmabuf);
		write_and_check(fd, size, PANFROST_BO_NOEXEC, other, 3, round);
		pf_close(&next);
	}
	close(fd);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

/* An endless chain, submitted in a file of its own; its end is up to who closes that. */
static void start_endless(struct space *s, uint32_t requirements)
{
	open_space(s);
	pf_chain_value(&s->chain, s->out.va, PF_64, 1);
	pf_chain_value(&s->chain, s->out.va + pb_page, PF_64, 2);
	pf_chain_endless(&s->chain);
	pf_start(&s->chain, &s->out, requirements);
}

/* Catches: the same for all that a file has: its end has to stop its jobs first. */
static void close_file_while_running(void)
{
	for (int round = 0; round < 5; round++) {
		struct space s;

		start_endless(&s, round % 2 ? PANFROST_JD_REQ_FS : 0);
		pf_wait_for_word(&s.out, 1);
		close_space(&s);
		pf_check_usable(-1);
	}
}

static int64_t null_job_ms(void)
{
	const int64_t start = now_ms();
	struct space s;

	open_space(&s);
	pf_chain_null(&s.chain);
	pf_run_done(&s.chain, NULL);
	close_space(&s);
	return now_ms() - start;
}

/*
 * The job timeout is 500 ms: what takes less did not wait for it. A busy machine may take as long,
 * but not every time.
 */
static void must_be_free(void (*close_busy)(int round), int round, int64_t usual)
{
	int tries = 3;

	do
		close_busy(round);
	while (null_job_ms() >= 300 + 2 * usual && --tries);
	igt_assert_f(tries, "jobs waited for those of closed files\n");
}

static void close_running(int round)
{
	struct space s;

	start_endless(&s, 0);
	pf_wait_for_word(&s.out, 1);
	usleep(round * 500);
	close_space(&s);
}

/* Catches: jobs that are not stopped when their file is closed, and hold up everybody else. */
static void close_stops_jobs(void)
{
	const int64_t usual = null_job_ms();

	for (int round = 0; round < 5; round++)
		must_be_free(close_running, round, usual);
}

static void close_waking(int round)
{
	struct space s;

	igt_require_f(pf_sleep(), "the device does not go to sleep\n");
	start_endless(&s, 0);
	usleep(round * 500);
	close_space(&s);
}

/* Catches: the same for a job that, its device just waking up, starts after the close. */
static void close_while_resuming(void)
{
	const int64_t usual = null_job_ms();

	for (int round = 0; round < 8; round++)
		must_be_free(close_waking, round, usual);
}

struct reader {
	const struct pf_bo *bo;
	volatile bool stop;
	unsigned int rounds;
};

/* Maps page after page anew, so that CPU faults meet GPU writes. */
static void *read_pages(void *data)
{
	struct reader *r = data;

	for (; !r->stop; r->rounds++) {
		volatile uint8_t *cpu = pf_map(r->bo);

		for (uint64_t at = 0; at < r->bo->size && !r->stop; at += pb_page)
			(void)cpu[at];
		munmap((void *)cpu, r->bo->size);
	}
	return NULL;
}

/* Catches: CPU faults that change, or free, what the GPU's page table leads to. */
static void mmap_while_writing(void)
{
	uint32_t pages[256];
	const int fd = pf_open();
	struct pf_bo out = pf_create(fd, 1024 * pb_page, PANFROST_BO_NOEXEC);
	struct reader reader = { .bo = &out };
	struct pf_chain chain;
	pthread_t thread;

	pf_chain_init(&chain, fd, 256);
	igt_assert_eq(pthread_create(&thread, NULL, read_pages, &reader), 0);
	for (int round = 0; round < 40; round++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++)
			pages[i] = (i * 4 + round) % 1024;
		pf_chain_reset(&chain);
		pf_chain_pages(&chain, out.va, pages, ARRAY_SIZE(pages), round);
		pf_run_done(&chain, &out);
		pf_check_pages(out.cpu, pages, ARRAY_SIZE(pages), round, "buffer");
	}
	for (int i = 0; !reader.rounds && i < 1000; i++)
		usleep(10000);
	reader.stop = true;
	igt_assert_eq(pthread_join(thread, NULL), 0);
	igt_assert(reader.rounds);
	pf_check_tables();
	pf_chain_close(&chain);
	pf_close(&out);
	close(fd);
}

/* A job is done before the kernel lets go of its buffers. */
static void wait_unmapped(const struct pf_bo *bo)
{
	for (int i = 0; i < 1000 * PF_PATIENCE && pf_mapped(bo->va, bo->size); i++)
		usleep(1000);
	igt_assert_eq_u64(pf_mapped(bo->va, bo->size), 0);
}

/* Catches: a table that knows more, or less, than the buffers there are. */
static void tables_follow(void)
{
	const int fd = pf_open();
	struct pf_bo a, b, closed;
	struct pf_chain chain;

	igt_require_f(pf_has_model(), "no page tables to look into\n");
	pf_chain_init(&chain, fd, 1);
	pf_chain_null(&chain);
	pf_run_done(&chain, NULL);
	a = pf_create(fd, 1025 * pb_page, PANFROST_BO_NOEXEC);
	b = pf_create(fd, 3 * pb_page, PANFROST_BO_NOEXEC);
	pf_run_done(&chain, &a);
	igt_assert_eq_u64(pf_mapped(a.va, a.size), a.size);
	igt_assert_eq_u64(pf_mapped(b.va, b.size), b.size);
	igt_assert_eq_u64(pf_mapped(0, 1ull << 48), a.size + b.size + pb_page);
	closed = a;
	pf_close(&a);
	wait_unmapped(&closed);
	igt_assert_eq_u64(pf_mapped(0, 1ull << 48), b.size + pb_page);
	pf_chain_close(&chain);
	pf_close(&b);
	close(fd);
}

struct target {
	int fd;
	uint64_t va;
	atomic_bool ended;
};

static void *write_there(void *arg)
{
	struct target *t = arg;
	struct pf_chain chain;

	pf_chain_init(&chain, t->fd, 1);
	while (!t->ended) {
		pf_chain_reset(&chain);
		pf_chain_value(&chain, t->va, PF_64, 1);
		pf_run(&chain, NULL);
	}
	pf_chain_close(&chain);
	return NULL;
}

/*
 * Catches: a warning of the kernel that any user can have: a job's fault finds a buffer whose address
 * is known already and whose page table is not yet filled.
 */
static void fault_while_creating(void)
{
	struct target t = { .fd = pf_open() };
	pthread_t thread;
	struct pf_bo bo = pf_create(t.fd, PF_MIB, PANFROST_BO_NOEXEC);

	t.va = bo.va;
	pf_close(&bo);
	igt_assert_eq(pthread_create(&thread, NULL, write_there, &t), 0);
	for (time_t end = time(NULL) + 3; time(NULL) < end;) {
		bo = pf_create(t.fd, PF_MIB, PANFROST_BO_NOEXEC);
		pf_close(&bo);
	}
	t.ended = true;
	pthread_join(thread, NULL);
	pf_check_usable(t.fd);
	close(t.fd);
}

static const struct pf_case cases[] = {
	{ "chain-256", "256 jobs in one chain, each with its own value", chain_256 },
	{ "value-sizes", "Writes of 1 to 8 bytes", value_sizes },
	{ "counters-run", "Cycle counter and time stamp", counters_run },
	{ "every-page", "All pages of 8 MiB in any order", every_page },
	{ "odd-sizes", "Last pages, next to blocks of 2 MiB", odd_sizes },
	{ "executable-va", "Executable buffers cross no 16 MiB line", executable_va },
	{ "slots-in-order", "Jobs of one buffer in two slots", slots_in_order },
	{ "waits-for-syncobj", "A job starts when its syncobj is signalled", waits_for_syncobj },
	{ "address-spaces", "More files than address spaces", address_spaces },
	{ "unmapped-is-killed", "A write to nowhere is the end of its job only",
	  unmapped_is_killed },
	{ "fault-twice", "Every write to nowhere is reported, not just the first", fault_twice },
	{ "neighbours-survive", "A write to nowhere is not the end of others", neighbours_survive },
	{ "submit-close-2000", "Jobs whose buffers are closed at once leave nothing behind",
	  submit_close_2000 },
	{ "va-reuse", "A buffer where there was another one", va_reuse },
	{ "va-reuse-asleep", "The same, the device being asleep in between", va_reuse_asleep },
	{ "close-while-running", "Buffers live until their jobs are done", close_while_running },
	{ "close-file-while-running", "A file ends while its jobs run",
	  close_file_while_running },
	{ "close-stops-jobs", "The jobs of a closed file end", close_stops_jobs },
	{ "close-while-resuming", "Also those that had not begun", close_while_resuming },
	{ "fault-while-creating", "Jobs that write where a buffer comes and goes", fault_while_creating },
	{ "mmap-while-writing", "CPU maps page after page while the GPU writes",
	  mmap_while_writing },
	{ "tables-follow", "Page tables have what the buffers have", tables_follow },
};

int igt_main()
{
	igt_fixture()
		pf_setup();

	pf_run_cases(cases, ARRAY_SIZE(cases));
}
