// SPDX-License-Identifier: MIT
/**
 * TEST: panfrost backing heap
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: GPU page tables
 * Description: Heaps get their memory by GPU faults, 2 MiB at a time, in any order.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "panfrost_backing_lib.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Heaps that grow by GPU faults.");

#define HEAP (PANFROST_BO_HEAP | PANFROST_BO_NOEXEC)
#define CHUNKS 32
#define PER_JOB 2		/* chunks: a job may not take long */
#define CHUNK_PAGES (PF_CHUNK / pb_page)

/* Another place in each chunk. */
static uint64_t place(uint32_t chunk)
{
	return chunk * PF_CHUNK + (chunk * 37 % CHUNK_PAGES) * pb_page + chunk * 8;
}

static void write_chunks(struct pf_chain *chain, const struct pf_bo *heap, const uint32_t *chunks,
			 unsigned int count, uint64_t seed)
{
	for (unsigned int i = 0; i < count; i++) {
		if (i % PER_JOB == 0)
			pf_chain_reset(chain);
		pf_chain_value(chain, heap->va + place(chunks[i]), PF_64, pb_word(seed, chunks[i]));
		if (i % PER_JOB == PER_JOB - 1 || i == count - 1)
			pf_run_done(chain, heap);
	}
}

static void check_chunks(const uint8_t *cpu, const uint32_t *chunks, unsigned int count,
			 uint64_t seed)
{
	for (unsigned int i = 0; i < count; i++) {
		const uint64_t got = *(const volatile uint64_t *)(cpu + place(chunks[i]));

		igt_assert_f(got == pb_word(seed, chunks[i]), "chunk %u: wrong bytes\n", chunks[i]);
	}
}

static void check_tables(const struct pf_bo *heap, const uint32_t *chunks, unsigned int count)
{
	if (!pf_has_model())
		return;
	for (unsigned int i = 0; i < count && i < 4; i++)
		igt_assert_eq_u64(pf_mapped(heap->va + chunks[i] * PF_CHUNK, PF_CHUNK), PF_CHUNK);
	igt_assert_eq_u64(pf_mapped(heap->va, heap->size), count * PF_CHUNK);
}

static void check_resident(const struct pf_bo *heap, uint64_t wanted)
{
	const int64_t resident = pf_resident(heap);

	if (resident >= 0)
		igt_assert_eq_u64(resident, wanted);
}

/* Heaps cannot be mapped by ioctl, but their place in the file is there. */
static void check_heap(const struct pf_bo *heap, const uint32_t *chunks, unsigned int count,
		       uint64_t seed)
{
	uint8_t *cpu = pf_map_heap(heap);

	igt_assert(cpu);
	check_chunks(cpu, chunks, count, seed);
	munmap(cpu, heap->size);
}

/* Catches: a heap that only grows upwards, moves what it has, or maps a chunk's pages twice. */
static void grow_64m(void)
{
	const int64_t retries = pf_counter("retries");
	struct pf_heap h = pf_open_heap(CHUNKS * PF_CHUNK, 64);
	uint32_t chunks[CHUNKS];

	pb_permute(chunks, CHUNKS, 3);
	for (unsigned int i = 0; i < CHUNKS; i += CHUNKS / 2) {
		write_chunks(&h.chain, &h.bo, chunks + i, CHUNKS / 2, 1);
		check_tables(&h.bo, chunks, i + CHUNKS / 2);
		check_resident(&h.bo, (i + CHUNKS / 2) * PF_CHUNK);
	}
	if (retries >= 0)
		igt_assert_lte_u64(retries + CHUNKS, pf_counter("retries"));
	check_heap(&h.bo, chunks, CHUNKS, 1);
	pf_close_heap(&h);
}

/* Catches: a chunk that is not there after its fault: the GPU faults on it for ever. */
static void one_fault_a_chunk(void)
{
	const uint32_t chunks[] = { 5, 0, 7, 2 };
	struct pf_heap h = pf_open_heap(8 * PF_CHUNK, 64);
	int64_t faults = pf_counter("faults");

	igt_require_f(faults >= 0, "nobody counts faults\n");
	write_chunks(&h.chain, &h.bo, chunks, 4, 1);
	igt_assert_eq_u64(pf_counter("faults"), faults + 4);
	write_chunks(&h.chain, &h.bo, chunks, 4, 2);
	igt_assert_eq_u64(pf_counter("faults"), faults + 4);
	check_heap(&h.bo, chunks, 4, 2);
	pf_close_heap(&h);
}

/* Catches: chunks whose pages are not in order, or belong to another chunk. */
static void every_page(void)
{
	const unsigned int count = 3 * CHUNK_PAGES;
	uint32_t *pages = calloc(count, sizeof(*pages));
	struct pf_heap h = pf_open_heap(3 * PF_CHUNK, 64);
	uint8_t *cpu;

	pb_permute(pages, count, 5);
	for (unsigned int i = 0; i < count; i += 64) {
		pf_chain_reset(&h.chain);
		pf_chain_pages(&h.chain, h.bo.va, pages + i, 64, 1);
		pf_run_done(&h.chain, &h.bo);
	}
	cpu = pf_map_heap(&h.bo);
	igt_assert(cpu);
	pf_check_pages(cpu, pages, count, 1, "heap");
	munmap(cpu, h.bo.size);
	free(pages);
	pf_close_heap(&h);
}

/* Catches: a size that is not rounded up to chunks, or a heap that grows over its end. */
static void past_the_end(void)
{
	const uint32_t last[] = { 1 };
	struct pf_heap h = pf_open_heap(PF_CHUNK + pb_page, 64);

	write_chunks(&h.chain, &h.bo, last, 1, 1);
	h.bo.size = 2 * PF_CHUNK;
	check_tables(&h.bo, last, 1);
	pf_chain_reset(&h.chain);
	pf_chain_value(&h.chain, h.bo.va + 2 * PF_CHUNK, PF_64, 1);
	igt_assert_neq(pf_run(&h.chain, &h.bo), 0);
	check_resident(&h.bo, PF_CHUNK);
	pf_close_heap(&h);
	pf_check_usable(-1);
}

/* Catches: heaps that take each other's faults or chunks. */
static void two_heaps(void)
{
	uint32_t a[8], b[8];
	struct pf_heap h = pf_open_heap(8 * PF_CHUNK, 64);
	struct pf_bo other = pf_create(h.fd, 8 * PF_CHUNK, HEAP);

	pb_permute(a, 8, 1);
	pb_permute(b, 8, 2);
	for (int i = 0; i < 8; i += 2) {
		write_chunks(&h.chain, &h.bo, a + i, 2, 1);
		write_chunks(&h.chain, &other, b + i, 2, 2);
	}
	check_heap(&h.bo, a, 8, 1);
	check_heap(&other, b, 8, 2);
	pf_close(&other);
	pf_close_heap(&h);
}

/* Catches: chunks that stay mapped, or old memory that is still seen, where a heap was. */
static void address_reused(void)
{
	const uint32_t chunks[] = { 3, 1 }, again[] = { 1 };
	struct pf_heap h = pf_open_heap(4 * PF_CHUNK, 64);
	const uint64_t va = h.bo.va;
	uint8_t *cpu;

	write_chunks(&h.chain, &h.bo, chunks, 2, 1);
	pf_close(&h.bo);
	/* Its last job may hold it a little longer. */
	for (int i = 0; i < 100 * PF_PATIENCE; i++) {
		h.bo = pf_create(h.fd, 4 * PF_CHUNK, HEAP);
		if (h.bo.va == va)
			break;
		pf_close(&h.bo);
		usleep(10000);
	}
	igt_assert_eq_u64(h.bo.va, va);
	check_tables(&h.bo, NULL, 0);
	check_resident(&h.bo, 0);
	write_chunks(&h.chain, &h.bo, again, 1, 2);
	check_tables(&h.bo, again, 1);
	cpu = pf_map_heap(&h.bo);
	check_chunks(cpu, again, 1, 2);
	igt_assert_eq_u64(*(volatile uint64_t *)(cpu + place(1) + 8), 0);
	munmap(cpu, h.bo.size);
	pf_close_heap(&h);
}

/* Catches: a second address space for which the chunk counts as mapped: it faults for ever. */
static void two_files(void)
{
	const uint32_t both[] = { 0, 2 }, more[] = { 3 };
	struct pf_heap h = pf_open_heap(4 * PF_CHUNK, 64);
	const int dmabuf = prime_handle_to_fd_for_mmap(h.fd, h.bo.handle), fd = pf_open();
	struct pf_chain chain;
	struct pf_bo other;

	igt_require_f(dmabuf >= 0, "heaps are not exported\n");
	other = pf_wrap(fd, prime_fd_to_handle(fd, dmabuf), h.bo.size);
	pf_chain_init(&chain, fd, 8);
	write_chunks(&h.chain, &h.bo, both, 2, 1);
	write_chunks(&chain, &other, both, 2, 2);
	write_chunks(&chain, &other, more, 1, 2);
	check_heap(&h.bo, both, 2, 2);
	write_chunks(&h.chain, &h.bo, more, 1, 1);
	check_heap(&h.bo, more, 1, 1);
	pf_chain_close(&chain);
	pf_close(&other);
	close(fd);
	close(dmabuf);
	pf_close_heap(&h);
}

/* Catches: heaps that can be mapped, pinned or shared with devices that need all of it. */
static void refused(void)
{
	struct pf_heap h = pf_open_heap(2 * PF_CHUNK, 64);
	struct drm_panfrost_mmap_bo map = { .handle = h.bo.handle };
	struct drm_panfrost_query_bo_info info = { .handle = h.bo.handle };

	igt_assert_eq(pf_ioctl(h.fd, DRM_IOCTL_PANFROST_MMAP_BO, &map), EINVAL);
	igt_assert_eq(pf_ioctl(h.fd, DRM_IOCTL_PANFROST_QUERY_BO_INFO, &info), 0);
	igt_assert_eq_u32(info.create_flags & HEAP, HEAP);
	igt_assert_eq_u32(info.extra_flags, 0);
	check_resident(&h.bo, 0);
	pf_close_heap(&h);
}

/* Catches: memory of heaps that is not given back with them. */
static void nothing_left(void)
{
	const uint32_t chunks[] = { 2, 0 };
	const int before = pf_count_bos();

	for (int i = 0; i < 50; i++) {
		struct pf_heap h = pf_open_heap(64 * PF_CHUNK, 64);

		write_chunks(&h.chain, &h.bo, chunks, i % 3, i);
		pf_close_heap(&h);
	}
	pf_wait_for_bos(before);
}

/* Catches: heaps that never give their memory back (their list of pages has holes). */
static void purged(void)
{
	const uint32_t chunks[] = { 1, 3 };
	struct pf_heap h = pf_open_heap(4 * PF_CHUNK, 64);

	write_chunks(&h.chain, &h.bo, chunks, 2, 1);
	pf_purge(&h.bo);
	check_resident(&h.bo, 0);
	check_tables(&h.bo, NULL, 0);
	pf_chain_reset(&h.chain);
	pf_chain_value(&h.chain, h.bo.va + place(1), PF_64, 1);
	igt_assert_neq(pf_run(&h.chain, NULL), 0);
	pf_close_heap(&h);
	pf_check_usable(-1);
}

/* Catches: a purge of heaps that are needed, or needed again. */
static void needed_is_kept(void)
{
	const uint32_t chunks[] = { 1, 3 };
	struct pf_heap h = pf_open_heap(4 * PF_CHUNK, 64);

	write_chunks(&h.chain, &h.bo, chunks, 2, 1);
	pf_run_shrinkers();
	check_heap(&h.bo, chunks, 2, 1);
	igt_assert(pf_madvise(&h.bo, PANFROST_MADV_DONTNEED));
	igt_assert(pf_madvise(&h.bo, PANFROST_MADV_WILLNEED));
	pf_run_shrinkers();
	check_heap(&h.bo, chunks, 2, 1);
	write_chunks(&h.chain, &h.bo, chunks, 2, 2);
	check_heap(&h.bo, chunks, 2, 2);
	pf_close_heap(&h);
}

/* Catches: a heap that is lost by its first fault after another job of the file was killed. */
static void grows_after_kill(void)
{
	const uint32_t chunks[] = { 2, 0 };
	struct pf_heap h = pf_open_heap(4 * PF_CHUNK, 64);

	write_chunks(&h.chain, &h.bo, chunks, 1, 1);
	pf_chain_reset(&h.chain);
	pf_chain_value(&h.chain, 0x1000, PF_64, 1);
	igt_assert_neq(pf_run(&h.chain, NULL), 0);
	write_chunks(&h.chain, &h.bo, chunks, 2, 1);
	check_heap(&h.bo, chunks, 2, 1);
	pf_close_heap(&h);
}

static const struct pf_case cases[] = {
	{ "grow-64m", "A heap grows to 64 MiB in any order", grow_64m },
	{ "one-fault-a-chunk", "A chunk costs one fault, once", one_fault_a_chunk },
	{ "every-page", "All pages of all chunks", every_page },
	{ "past-the-end", "A write behind a heap is the end of its job", past_the_end },
	{ "two-heaps", "Two heaps grow in turn", two_heaps },
	{ "address-reused", "A heap where there was another one", address_reused },
	{ "two-files", "Two files grow one heap", two_files },
	{ "refused", "What cannot be done with a heap", refused },
	{ "nothing-left", "Heaps take their memory with them", nothing_left },
	{ "purged", "Heaps can be purged", purged },
	{ "needed-is-kept", "Heaps that are needed survive the shrinkers", needed_is_kept },
	{ "grows-after-kill", "A heap grows after a killed job", grows_after_kill },
};

int igt_main()
{
	igt_fixture()
		pf_setup();

	pf_run_cases(cases, ARRAY_SIZE(cases));
}
