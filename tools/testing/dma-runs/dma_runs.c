// SPDX-License-Identifier: GPL-2.0
/*
 * Compares kernel/dma/runs.c with a twin that knows each page by itself.
 *
 * All small lists are tried in full. Longer ones are made by operations that bytes
 * stand for, be they from libFuzzer or random.
 */
#include <stdio.h>
#include <stdlib.h>

/* Everything of the list is to be seen here, also what is static. */
#include "../../../kernel/dma/runs.c"

#define MAX_PAGES	64
#ifndef SMALL_PAGES
#define SMALL_PAGES	6
#endif
#define ALL_ONES	((dma_addr_t)-1)

unsigned int fail_alloc;
bool alloc_failed;
unsigned int num_allocs, num_warnings;

/* Of a list that no device has mapped. */
void dma_runs_clear(struct dma_runs *runs)
{
	kvfree(runs->runs);
	dma_runs_init(runs, runs->dev, runs->kind, runs->num_pages);
}

/* What is handed over to whom; there is nothing to be maintained here. */
static struct synced {
	const struct dma_runs *runs;
	u64 offset, size;
	enum dma_data_direction dir;
	bool for_device;
} synced[4];
static u32 num_synced;

void dma_runs_sync(const struct dma_runs *runs, u64 offset, u64 size,
		   enum dma_data_direction dir, bool for_device)
{
	if (num_synced < ARRAY_SIZE(synced))
		synced[num_synced] = (struct synced) { runs, offset, size, dir, for_device };
	num_synced++;
}

static u64 operations, failures;

static void check_failed(int line, const char *what)
{
	if (failures++ < 20)
		fprintf(stderr, "dma-runs: line %d: %s\n", line, what);
#if defined(DMA_RUNS_FUZZ) || defined(DMA_RUNS_STOP)
	abort();
#endif
}

#define CHECK(cond)	do { if (!(cond)) check_failed(__LINE__, #cond); } while (0)

/* Counts what is called to be checked. */
#define CALL(x)		(operations++, (x))

/*
 * The twin
 */

struct twin_page {
	u64 phys;
	u64 dma_addr;
	bool present;
	bool mapped;
	bool linked;
};

struct twin {
	u32 num;
	struct twin_page page[MAX_PAGES];
};

static bool twin_follows(const struct twin_page *page, bool phys)
{
	if (phys)
		return page[1].phys == page->phys + PAGE_SIZE;

	return page[1].mapped && page[1].dma_addr == page->dma_addr + PAGE_SIZE;
}

static u64 twin_contiguous(const struct twin *t, u64 offset, u64 end, bool phys)
{
	const struct twin_page *page = &t->page[offset >> PAGE_SHIFT];
	u64 stop = ((offset >> PAGE_SHIFT) + 1) << PAGE_SHIFT;

	for (; stop < end && twin_follows(page, phys); page++)
		stop += PAGE_SIZE;

	return min(stop, end) - offset;
}

static bool twin_covers(const struct twin *t, u32 index, u32 num, bool mapped)
{
	for (; num--; index++)
		if (!t->page[index].present || (mapped && !t->page[index].mapped))
			return false;

	return true;
}

static u64 twin_addr(const struct twin *t, u64 offset, bool phys)
{
	const struct twin_page *page = &t->page[offset >> PAGE_SHIFT];

	return (phys ? page->phys : page->dma_addr) + (offset & (PAGE_SIZE - 1));
}

/* Page by page, with no look-up in between that may be wrong itself. */
static bool twin_matches(const struct twin *t, const struct dma_runs *runs)
{
	u32 i, nr = 0;

	for (i = 0; i < t->num; i++) {
		const struct twin_page *page = &t->page[i];
		const struct dma_run *run;
		u64 done;

		if (nr == runs->num_runs || runs->runs[nr].index > i) {
			if (page->present)
				return false;
			continue;
		}
		run = &runs->runs[nr];
		done = (u64)(i - run->index) << PAGE_SHIFT;
		if (!page->present || run->mapped != page->mapped ||
		    run->linked != page->linked)
			return false;
		if (page->mapped && run->dma_addr + done != page->dma_addr)
			return false;
		if (run->phys == DMA_RUN_NO_PHYS ? page->phys != DMA_RUN_NO_PHYS :
						   run->phys + done != page->phys)
			return false;
		nr += i + 1 == dma_run_end(run);
	}

	return nr == runs->num_runs;
}

/*
 * Look-ups and cursors
 */

static void check_find(const struct dma_runs *runs, const struct twin *t, u32 i)
{
	const struct dma_run *run = CALL(dma_runs_find(runs, i));
	u32 nr = CALL(dma_runs_find_nr(runs, i));
	bool present = i < t->num && t->page[i].present;
	phys_addr_t phys = DMA_RUN_NO_PHYS;

	/* Who may not see pages is not told where they are, either. */
	if (present && dma_runs_can(runs, DMA_RUNS_CAN_SHOW_PAGES))
		phys = t->page[i].phys;

	CHECK(!nr || dma_run_end(&runs->runs[nr - 1]) <= i);
	CHECK(nr == runs->num_runs || dma_run_end(&runs->runs[nr]) > i);
	CHECK(!!run == present);
	CHECK(!run || (run == &runs->runs[nr] && run->index <= i));
	CHECK(CALL(dma_runs_phys(runs, i)) == phys);
}

static void check_contiguous(const struct dma_runs *runs, const struct twin *t, u64 offset)
{
	u64 total = (u64)t->num << PAGE_SHIFT, size = 0;
	dma_addr_t addr = 0, expected = ALL_ONES;

	if (offset < total && t->page[offset >> PAGE_SHIFT].mapped) {
		size = twin_contiguous(t, offset, total, false);
		expected = twin_addr(t, offset, false);
	}
	CHECK(CALL(dma_runs_contiguous(runs, offset, &addr)) == size);
	CHECK(addr == expected);
}

static void check_lookups(const struct dma_runs *runs, const struct twin *t)
{
	u64 far = (u64)U32_MAX << PAGE_SHIFT;
	u32 i;

	for (i = 0; i < t->num + 2; i++) {
		check_find(runs, t, i);
		check_contiguous(runs, t, (u64)i << PAGE_SHIFT);
		check_contiguous(runs, t, ((u64)i << PAGE_SHIFT) + 1 + i * 577);
		check_contiguous(runs, t, ((u64)(i + 1) << PAGE_SHIFT) - 1);
	}
	check_find(runs, t, U32_MAX);
	check_contiguous(runs, t, far);
	/* A page number of more than 32 bits must not come round. */
	check_contiguous(runs, t, far + PAGE_SIZE);
	check_contiguous(runs, t, U64_MAX);
}

/* Whether a call is by dma_cursor_next() depends on the bits of @how. */
static void check_walk(struct dma_cursor *cur, const struct twin *t, u64 offset, u64 end,
		       u64 step, u32 how)
{
	u64 expected;

	for (; offset < end; how = how >> 1 | how << 31) {
		expected = twin_contiguous(t, offset, end, false);
		if (how & 1) {
			CHECK(CALL(dma_cursor_next(cur)));
		} else {
			expected = min(expected, step);
			if (how & 2)
				CHECK(!dma_cursor_next_max(cur, 0));
			CHECK(CALL(dma_cursor_next_max(cur, step)));
		}
		CHECK(cur->offset == offset && cur->size == expected);
		CHECK(cur->dma_addr == (dma_addr_t)twin_addr(t, offset, false));
		if (cur->offset != offset || cur->size != expected)
			return;
		offset += expected;
	}
	CHECK(!CALL(dma_cursor_next(cur)) && !dma_cursor_next_max(cur, step));
	CHECK(cur->offset == end && !cur->size);
}

static void check_walk_phys(struct dma_cursor *cur, const struct twin *t, u64 offset, u64 end,
			    u64 step)
{
	u64 expected;

	for (; offset < end; offset += expected) {
		expected = min(twin_contiguous(t, offset, end, true), step);
		if (step == U64_MAX) {
			CHECK(CALL(dma_cursor_next_phys(cur)));
		} else {
			CHECK(!__dma_cursor_next(cur, 0, true));
			CHECK(CALL(__dma_cursor_next(cur, step, true)));
		}
		CHECK(cur->offset == offset && cur->size == expected);
		CHECK(cur->phys == (phys_addr_t)twin_addr(t, offset, true));
		if (cur->offset != offset || cur->size != expected)
			return;
	}
	CHECK(!CALL(dma_cursor_next_phys(cur)) && !__dma_cursor_next(cur, step, true));
	CHECK(cur->offset == end && !cur->size);
}

/* As dma_cursor_begin_iommu() leaves it: by where the list leads the device, or by its memory. */
static void check_walk_iommu(struct dma_cursor *cur, const struct twin *t, u64 offset, u64 end,
			     bool by_dma)
{
	u64 expected;

	cur->by_dma = by_dma;
	for (; offset < end; offset += expected) {
		expected = twin_contiguous(t, offset, end, !by_dma);
		CHECK(CALL(dma_cursor_next_iommu(cur)));
		CHECK(cur->offset == offset && cur->size == expected);
		CHECK(cur->phys == (phys_addr_t)twin_addr(t, offset, !by_dma));
		if (cur->offset != offset || cur->size != expected)
			return;
	}
	CHECK(!CALL(dma_cursor_next_iommu(cur)));
}

/*
 * Whoever gets an error may look at the cursor, and finds nothing. And it is here that
 * dma_cursor_next() learns how far it need not ask what a run is for.
 */
static void check_begun(const struct dma_cursor *cur, const struct dma_runs *runs, u64 offset,
			u64 size, int err)
{
	const struct dma_run *run, *last;

	CHECK(!cur->offset == (err || !offset) && !cur->size && !cur->dma_addr && !cur->phys);
	CHECK(cur->end == (err ? 0 : offset + size) && !cur->by_dma);
	if (err) {
		CHECK(!cur->run && !cur->last);
		return;
	}
	run = dma_runs_find(runs, offset >> PAGE_SHIFT);
	last = dma_runs_find(runs, (offset + size - 1) >> PAGE_SHIFT);
	CHECK(cur->offset == offset && cur->run == run);
	CHECK(cur->last == (dma_run_offset(run) == offset ? last : NULL));
}

static int twin_begin(const struct twin *t, u64 offset, u64 size, bool mapped)
{
	u64 total = (u64)t->num << PAGE_SHIFT;
	u32 first = offset >> PAGE_SHIFT;

	if (!size || offset >= total || size > total - offset)
		return -EINVAL;

	return twin_covers(t, first, PFN_UP(offset + size) - first, mapped) ? 0 : -ENXIO;
}

static void check_range_phys(const struct dma_runs *runs, const struct twin *t, u64 offset,
			     u64 size)
{
	int expected = twin_begin(t, offset, size, false);
	struct dma_cursor cur;
	int ret;

	if (!dma_runs_can(runs, DMA_RUNS_CAN_SHOW_PAGES))
		expected = -EOPNOTSUPP;
	if (!PAGE_ALIGNED(offset | size))
		expected = -EINVAL;
	memset(&cur, 0x5a, sizeof(cur));
	ret = CALL(dma_cursor_begin_phys(&cur, runs, offset, size));
	CHECK(ret == expected);
	check_begun(&cur, runs, offset, size, ret);
	if (ret || expected)
		return;
	check_walk_phys(&cur, t, offset, offset + size, U64_MAX);
	CHECK(!dma_cursor_begin_phys(&cur, runs, offset, size));
	check_walk_phys(&cur, t, offset, offset + size, 2 * PAGE_SIZE);
	CHECK(!dma_cursor_begin_phys(&cur, runs, offset, size));
	check_walk_iommu(&cur, t, offset, offset + size, false);
}

static void check_range(const struct dma_runs *runs, const struct twin *t, u64 offset,
			u64 size, u64 step, u32 how)
{
	int expected = twin_begin(t, offset, size, true);
	struct dma_cursor cur;
	int ret;

	memset(&cur, 0x5a, sizeof(cur));
	ret = CALL(dma_cursor_begin(&cur, runs, offset, size));
	CHECK(ret == expected);
	check_begun(&cur, runs, offset, size, ret);
	if (ret || expected)
		return;
	check_walk(&cur, t, offset, offset + size, step, how);
	CHECK(!dma_cursor_begin(&cur, runs, offset, size));
	check_walk_iommu(&cur, t, offset, offset + size, true);
}

static void check_covers(const struct dma_runs *runs, const struct twin *t, u32 i, u32 num)
{
	CHECK(CALL(dma_runs_covers(runs, i, num, false)) == twin_covers(t, i, num, false));
	CHECK(CALL(dma_runs_covers(runs, i, num, true)) == twin_covers(t, i, num, true));
}

static void check_list(const struct dma_runs *runs, const struct twin *t)
{
	CHECK(CALL(dma_runs_valid(runs)) && !num_warnings);
	CHECK(twin_matches(t, runs));
	CHECK(dma_runs_is_populated(runs) == twin_covers(t, 0, t->num, false));
	CHECK(dma_runs_is_mapped(runs) == twin_covers(t, 0, t->num, true));
}

/*
 * All small lists
 */

/* How a page goes on from the one before. */
enum small_page {
	HOLE,
	/* By dma_runs_add(), and then by dma_runs_add_mapped(). */
	UNMAPPED,
	UNMAPPED_JUMP,
	MAPPED,
	MAPPED_DMA_JUMP,
	MAPPED_PHYS_JUMP,
	MAPPED_JUMP,
	/* Where dma_runs_cut() was. */
	UNMAPPED_CUT,
	MAPPED_CUT,
	NUM_SMALL,
};

static void small_twin(struct twin *t, const u8 *kinds, u32 num)
{
	u64 phys = 0, dma_addr = 0;
	u32 i;

	t->num = num;
	for (i = 0; i < num; i++) {
		u8 kind = kinds[i];

		phys += PAGE_SIZE;
		dma_addr += PAGE_SIZE;
		if (!i || kind == UNMAPPED_JUMP || kind == MAPPED_PHYS_JUMP || kind == MAPPED_JUMP)
			phys = (100 + 10 * i) * PAGE_SIZE;
		if (!i || kind == MAPPED_DMA_JUMP || kind == MAPPED_JUMP)
			dma_addr = (1000 - 10 * i) * PAGE_SIZE;
		t->page[i] = (struct twin_page) {
			.phys = phys,
			.dma_addr = dma_addr,
			.present = kind != HOLE,
			.mapped = (kind >= MAPPED && kind <= MAPPED_JUMP) || kind == MAPPED_CUT,
		};
		t->page[i].linked = t->page[i].mapped;
	}
}

/* What mapping makes of a list, which this file cannot do. */
static void small_add_cut(struct dma_runs *runs, u32 i, const struct twin_page *page)
{
	CHECK(!runs_reserve(runs, 1));
	runs->runs[runs->num_runs++] = (struct dma_run) {
		.phys = page->phys,
		.dma_addr = page->dma_addr,
		.index = i,
		.num_pages = 1,
		.mapped = page->mapped,
		.linked = page->linked,
		.cut = 1,
	};
	runs->cut = true;
	runs->num_populated++;
	runs->num_mapped += page->mapped;
}

static void small_build(struct dma_runs *runs, const u8 *kinds, const struct twin *t)
{
	u32 i;

	dma_runs_init(runs, NULL, DMA_RUNS_STREAMING, t->num);
	for (i = 0; i < t->num; i++) {
		const struct twin_page *page = &t->page[i];

		if (kinds[i] >= UNMAPPED_CUT)
			small_add_cut(runs, i, page);
		else if (page->mapped)
			CHECK(!CALL(dma_runs_add_mapped(runs, i, page->phys,
							page->dma_addr, 1)));
		else if (page->present)
			CHECK(!CALL(dma_runs_add(runs, i, page->phys, 1)));
	}
}

/* All ranges of pages, now and then without some bytes at the ends. */
static void small_ranges(const struct dma_runs *runs, const struct twin *t, u32 seed)
{
	static const u64 steps[] = { 3000, PAGE_SIZE, 5000, 2 * PAGE_SIZE, 10001, U64_MAX };
	static const u32 hows[] = { 0, 0x55555555, 0x33333333, 0x24924924, 0xfffffffe };
	u32 first, end;

	for (first = 0; first < t->num; first++) {
		for (end = first + 1; end <= t->num; end++, seed++) {
			u64 offset = (u64)first << PAGE_SHIFT;
			u64 size = (u64)(end - first) << PAGE_SHIFT;

			check_covers(runs, t, first, end - first);
			check_range(runs, t, offset, size, U64_MAX, U32_MAX);
			check_range_phys(runs, t, offset, size);
			/* Of the last page just the first byte. */
			check_range(runs, t, offset, size - PAGE_SIZE + 1, U64_MAX, U32_MAX);
			if (seed & 1)
				offset += 100, size -= 100;
			if (seed & 2)
				size -= 77;
			check_range(runs, t, offset, size, U64_MAX, U32_MAX);
			check_range(runs, t, offset, size, steps[seed % ARRAY_SIZE(steps)],
				    hows[seed % ARRAY_SIZE(hows)]);
		}
	}
	check_range(runs, t, 0, 0, 1, 0);
	check_range(runs, t, (u64)t->num << PAGE_SHIFT, 1, 1, 0);
	check_range(runs, t, 1, (u64)t->num << PAGE_SHIFT, 1, 0);
	check_range(runs, t, PAGE_SIZE, U64_MAX, 1, 0);
}

static bool joined(const struct dma_runs *runs)
{
	const struct dma_run *run;
	bool cut = false;
	u32 i;

	for (i = 1; i < runs->num_runs; i++) {
		run = &runs->runs[i];
		if (run->cut && !run->mapped && !run[-1].mapped)
			return false;
		cut |= run->cut;
	}

	return cut == runs->cut;
}

/* Cuts as many runs as can be mapped together. */
static void check_cut(struct dma_runs *runs, u32 first, u32 num, u32 max_pages)
{
	u32 before = runs->num_runs, room = runs->max_runs, allocs = num_allocs, was = num, i;

	alloc_failed = false;
	CHECK(CALL(dma_runs_cut(runs, &num, first, max_pages)) == (alloc_failed ? -ENOMEM : 0));
	CHECK(runs->num_runs - before == num - was);
	/* Room that is there is used. */
	CHECK(num_allocs - allocs == (runs->num_runs > room));
	for (i = first; !alloc_failed && i < first + num; i++)
		CHECK(runs->runs[i].num_pages <= max_pages);
}

static void small_cuts(const u8 *kinds, const struct twin *t)
{
	u32 first, num, max_pages;
	struct dma_runs runs;

	small_build(&runs, kinds, t);
	dma_runs_join(&runs);
	check_list(&runs, t);
	for (max_pages = 1; max_pages < 4; max_pages++) {
		for (first = 0; first < runs.num_runs; first++) {
			for (num = 0; first + num < runs.num_runs; num++)
				if (runs.runs[first + num].mapped)
					break;
			check_cut(&runs, first, num, max_pages);
			check_list(&runs, t);
			CALL(dma_runs_join(&runs));
			CHECK(joined(&runs));
			check_list(&runs, t);
		}
	}
	dma_runs_clear(&runs);
}

static bool small_next(u8 *kinds, u32 num)
{
	u32 i;

	for (i = 0; i < num && ++kinds[i] == NUM_SMALL; i++)
		kinds[i] = 0;

	return i < num;
}

/* For the first page, and behind a hole, some kinds are the same or cannot be. */
static bool small_possible(const u8 *kinds, u32 num)
{
	u32 i;

	if (kinds[0] != HOLE && kinds[0] != UNMAPPED && kinds[0] != MAPPED)
		return false;
	for (i = 1; i < num; i++)
		if (kinds[i] >= UNMAPPED_CUT && kinds[i - 1] == HOLE)
			return false;

	return true;
}

static void small_lists(void)
{
	u8 kinds[SMALL_PAGES];
	struct dma_runs runs;
	struct twin t;
	u32 num, seed = 0;

	for (num = 1; num <= SMALL_PAGES; num++) {
		memset(kinds, 0, sizeof(kinds));
		do {
			if (!small_possible(kinds, num))
				continue;
			small_twin(&t, kinds, num);
			small_build(&runs, kinds, &t);
			check_list(&runs, &t);
			check_lookups(&runs, &t);
			small_ranges(&runs, &t, seed++);
			dma_runs_clear(&runs);
			if (num < SMALL_PAGES)
				small_cuts(kinds, &t);
		} while (small_next(kinds, num));
	}
}

/* No sum may come out too small for the largest list. */
static void large_list(void)
{
	u32 max = DMA_RUNS_MAX_PAGES, half = 1U << 27, num = 1, piece = 1U << 20;
	struct dma_runs runs;
	struct dma_cursor cur;
	u64 step = U32_MAX, done = 0;

	/* More than a run can count is not taken for less. */
	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, max);
	CHECK(CALL(dma_runs_add(&runs, 0, 0, max + 1)) == -EINVAL);
	CHECK(CALL(dma_runs_add(&runs, 0, 0, max + 2)) == -EINVAL);
	CHECK(CALL(dma_runs_add_mapped(&runs, 0, 0, 0, max + 2)) == -EINVAL && !runs.num_runs);

	/* Two that follow each other, as far as one run can count. */
	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, max);
	if (sizeof(phys_addr_t) < 8) {
		CHECK(dma_runs_add(&runs, 0, PAGE_SIZE, max) == -EINVAL);
		return;
	}
	CHECK(!CALL(dma_runs_add(&runs, 0, PAGE_SIZE, half)));
	CHECK(!CALL(dma_runs_add(&runs, half, (half + 1ULL) << PAGE_SHIFT, half - 1)));
	CHECK(runs.num_runs == 1 && dma_runs_valid(&runs) && dma_runs_is_populated(&runs));
	check_cut(&runs, 0, num, piece);
	/* There is no room for more, since there is nothing left that it could be for. */
	CHECK(runs.num_runs == 256 && runs.max_runs == 256 && dma_runs_valid(&runs));
	dma_runs_join(&runs);
	CHECK(runs.num_runs == 1 && runs.runs[0].num_pages == max);
	dma_runs_clear(&runs);

	/* Only what shows no pages may not know where they are. */
	CHECK(CALL(dma_runs_add_mapped(&runs, 0, DMA_RUN_NO_PHYS, 0, max)) == -EINVAL);
	runs.kind = DMA_RUNS_IMPORTED;
	CHECK(!CALL(dma_runs_add_mapped(&runs, 0, DMA_RUN_NO_PHYS, 0, max)));
	CHECK(!CALL(dma_cursor_begin(&cur, &runs, 0, (u64)max << PAGE_SHIFT)));
	while (CALL(dma_cursor_next_max(&cur, step))) {
		CHECK(cur.offset == done && cur.dma_addr == done);
		done += cur.size;
	}
	CHECK(done == (u64)max << PAGE_SHIFT);
	dma_runs_clear(&runs);
}

/*
 * Rules of the list itself, which the twin does not know
 */

static void check_follows(struct dma_run run, struct dma_run next, bool expected)
{
	CHECK(CALL(run_follows(&run, next.index, next.phys, next.dma_addr, next.num_pages,
			       next.mapped)) == expected);
}

#define CHECK_OTHER(run, next, field, value) do {				\
	struct dma_run other = (next);						\
										\
	other.field = (value);							\
	check_follows(run, other, false);					\
} while (0)

/* @next follows @run; it would not if one thing about it were otherwise. */
static void one_kind_follows(const struct dma_run *run, const struct dma_run *next)
{
	struct dma_run longest = *next, odd = *next;

	check_follows(*run, *next, true);
	CHECK_OTHER(*run, *next, index, next->index - 1);
	CHECK_OTHER(*run, *next, index, next->index + 1);
	CHECK_OTHER(*run, *next, mapped, !next->mapped);
	CHECK_OTHER(*run, *next, phys, next->phys - PAGE_SIZE);
	CHECK_OTHER(*run, *next, phys, 100 * PAGE_SIZE);
	CHECK_OTHER(*run, *next, phys, next->phys == DMA_RUN_NO_PHYS ? 0 : DMA_RUN_NO_PHYS);
	odd.dma_addr -= PAGE_SIZE;
	check_follows(*run, odd, !run->mapped);
	odd.dma_addr = next->dma_addr + 1;
	check_follows(*run, odd, !run->mapped);
	odd.dma_addr = next->dma_addr - 1;
	check_follows(*run, odd, !run->mapped);

	longest.num_pages = DMA_RUNS_MAX_PAGES - run->num_pages;
	check_follows(*run, longest, true);
	CHECK_OTHER(*run, longest, num_pages, longest.num_pages + 1);
	/* More than the bits of the sum. */
	CHECK_OTHER(*run, longest, num_pages, DMA_RUNS_MAX_PAGES);
}

static void all_follows(void)
{
	struct dma_run run = { .index = 3, .num_pages = 2 }, next = { .index = 5, .num_pages = 4 };
	u32 how;

	/* Mapped by somebody else or not; with and without pages. */
	for (how = 0; how < 4; how++) {
		bool pages = how & 1, mapped = how & 2;

		run.phys = pages ? 10 * PAGE_SIZE : DMA_RUN_NO_PHYS;
		next.phys = pages ? 12 * PAGE_SIZE : DMA_RUN_NO_PHYS;
		run.dma_addr = 20 * PAGE_SIZE;
		next.dma_addr = 22 * PAGE_SIZE;
		run.mapped = mapped;
		run.linked = mapped;
		next.mapped = mapped;
		one_kind_follows(&run, &next);
		/* What is to be unmapped is not put together with what is not. */
		run.linked = !mapped;
		check_follows(run, next, false);
	}
}

/* Pages 1 to 6 of 8: two runs, of which the second is in two parts. */
static void rules_build(struct dma_runs *runs)
{
	u32 nr = 1;

	dma_runs_init(runs, NULL, DMA_RUNS_STREAMING, 8);
	CHECK(!dma_runs_add_mapped(runs, 1, 0, 0, 2));
	CHECK(!dma_runs_add(runs, 3, 10 * PAGE_SIZE, 4));
	CHECK(!dma_runs_cut(runs, &nr, 1, 2));
	CHECK(nr == 2 && runs->num_runs == 3 && runs->runs[2].cut && dma_runs_valid(runs));
}

#define CHECK_INVALID(change) do {						\
	struct dma_runs runs;							\
										\
	rules_build(&runs);							\
	change;									\
	CHECK(!CALL(dma_runs_valid(&runs)));					\
	dma_runs_check(&runs);							\
	/* Production kernels do not pay for the assertion. */			\
	CHECK(num_warnings == IS_ENABLED(CONFIG_DMA_API_DEBUG));		\
	num_warnings = 0;							\
	dma_runs_clear(&runs);							\
} while (0)

/* Each of what a list must not be, and nothing else wrong with it. */
static void invalid_lists(void)
{
	CHECK_INVALID(runs.runs[2].index = 7; runs.runs[2].cut = 0);
	CHECK_INVALID(runs.num_pages = 6);
	CHECK_INVALID(runs.runs[0].num_pages = 0; runs.num_populated -= 2; runs.num_mapped -= 2);
	CHECK_INVALID(runs.runs[1].index = 2);
	CHECK_INVALID(runs.runs[0].cut = 1);
	CHECK_INVALID(runs.cut = false);
	CHECK_INVALID(runs.runs[0].cut = 1; runs.runs[0].index = 0);
	CHECK_INVALID(runs.runs[2].index++);
	CHECK_INVALID(runs.runs[1].fresh = 1);
	CHECK_INVALID(runs.runs[0].fresh = 1);
	CHECK_INVALID(runs.runs[1].linked = 1);
	CHECK_INVALID(runs.num_populated++);
	CHECK_INVALID(runs.num_populated--);
	CHECK_INVALID(runs.num_mapped++);
	CHECK_INVALID(runs.num_mapped--);
	CHECK_INVALID(runs.max_runs = 2);
}

/* Adding one after the other costs as much as each, and room is used up. */
static void growth(void)
{
	u32 i, num = 1000, before, room;
	struct dma_runs runs;

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, num);
	num_allocs = 0;
	for (i = 0; i < num; i++) {
		before = num_allocs;
		room = runs.max_runs - runs.num_runs;
		CHECK(!CALL(dma_runs_add(&runs, i, 2 * i * PAGE_SIZE, 1)));
		CHECK(num_allocs == before + !room);
		CHECK(runs.max_runs <= 4 * (i + 1) && runs.max_runs <= num);
		/* The first one says nothing of those to come. */
		CHECK(i || runs.max_runs == 1);
	}
	CHECK(runs.num_runs == num && runs.max_runs == num && num_allocs <= 6);
	dma_runs_clear(&runs);

	/* Long runs let expect few. */
	num_allocs = 0;
	for (i = 0; i < num; i += 100) {
		CHECK(!CALL(dma_runs_add(&runs, i, 2 * i * PAGE_SIZE, 100)));
		CHECK(runs.max_runs <= num / 100);
	}
	CHECK(num_allocs <= 3);
	dma_runs_clear(&runs);
}

/* Room that was made before there are runs for it. */
static void room_alone(void)
{
	struct dma_runs runs, more;
	struct dma_run *array;

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 2);
	dma_runs_init(&more, NULL, DMA_RUNS_STREAMING, 2);
	CHECK(!runs_reserve(&runs, 4) && !runs_reserve(&more, 8));
	CALL(dma_runs_join(&runs));
	CHECK(!runs.num_runs && runs.max_runs == 4);
	CHECK(!CALL(dma_runs_add(&more, 0, PAGE_SIZE, 1)));
	array = more.runs;
	CHECK(!CALL(dma_runs_splice(&runs, &more)));
	CHECK(runs.runs == array && runs.num_runs == 1 && runs.max_runs == 8);
	dma_runs_clear(&runs);

	/* It is the runs that come along which need room, not the room that they had. */
	CHECK(!dma_runs_add(&runs, 0, PAGE_SIZE, 1) && !runs_reserve(&more, 8));
	CHECK(!dma_runs_add(&more, 1, 7 * PAGE_SIZE, 1));
	CHECK(!CALL(dma_runs_splice(&runs, &more)) && runs.max_runs == 2);
	dma_runs_clear(&runs);

	/* Four times the room, not the runs. */
	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 64);
	CHECK(!runs_reserve(&runs, 4));
	CHECK(!dma_runs_add(&runs, 0, 0, 4) && !dma_runs_add(&runs, 8, 0, 4));
	check_cut(&runs, 0, 2, 1);
	CHECK(runs.num_runs == 8 && runs.max_runs == 16);
	dma_runs_clear(&runs);
}

/* A piece may be longer than 32 bits can say, and a part of one is not taken for all of it. */
static void large_pieces(void)
{
	u32 num = 1U << 21;
	u64 size = (u64)num << PAGE_SHIFT, total = 2 * size;
	struct dma_cursor cur;
	struct dma_runs runs;

	if (sizeof(dma_addr_t) < 8)
		return;
	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 2 * num);
	CHECK(!dma_runs_add_mapped(&runs, 0, 0, total, num));
	CHECK(!dma_runs_add_mapped(&runs, num, total, 0, num));

	CHECK(!dma_cursor_begin_phys(&cur, &runs, 0, total));
	CHECK(CALL(dma_cursor_next_phys(&cur)) && cur.size == size);
	CHECK(!dma_cursor_begin(&cur, &runs, size, size));
	CHECK(CALL(dma_cursor_next(&cur)) && cur.size == size && !cur.dma_addr);
	CHECK(!dma_cursor_begin(&cur, &runs, 0, total));
	cur.by_dma = true;
	CHECK(CALL(dma_cursor_next_iommu(&cur)) && cur.size == size && cur.phys == total);

	CHECK(!dma_cursor_begin(&cur, &runs, 0, total));
	CHECK(CALL(dma_cursor_next_max(&cur, U32_MAX)) && cur.size == U32_MAX);
	CHECK(CALL(dma_cursor_next(&cur)) && cur.size == size - U32_MAX);
	CHECK(cur.offset == U32_MAX && cur.dma_addr == total + U32_MAX);
	CHECK(CALL(dma_cursor_next(&cur)) && cur.size == size && !cur.dma_addr);
	dma_runs_clear(&runs);
}

enum range_kind {
	NEXT_PAGE, JUMP, NEXT_PAGES, NO_LEN, ODD_LEN, ODD_ADDR, WRAPS, TOO_LONG, NUM_RANGES
};

static struct phys_vec range_after(phys_addr_t phys, enum range_kind kind)
{
	const struct phys_vec ranges[NUM_RANGES] = {
		[NEXT_PAGE] = { phys, PAGE_SIZE },
		[JUMP] = { phys + 5 * PAGE_SIZE, PAGE_SIZE },
		[NEXT_PAGES] = { phys, 3 * PAGE_SIZE },
		[NO_LEN] = { phys, 0 },
		[ODD_LEN] = { phys, 2 * PAGE_SIZE - 1 },
		[ODD_ADDR] = { phys + 1, PAGE_SIZE },
		[WRAPS] = { (phys_addr_t)-PAGE_SIZE, 2 * PAGE_SIZE },
		[TOO_LONG] = { phys, 9 * PAGE_SIZE },
	};

	return ranges[kind];
}

/* @how: a run that is there before, of its memory or not; and where the ranges go. */
static void ranges_begin(struct dma_runs *runs, u32 how)
{
	dma_runs_init(runs, NULL, DMA_RUNS_STREAMING, 8);
	if (how & 1)
		CHECK(!dma_runs_add(runs, 0, 50 * PAGE_SIZE, 1));
	if (how & 2)
		CHECK(!dma_runs_add(runs, 1, 99 * PAGE_SIZE, 1));
}

/* As many at once as one by one, and if one is bad none. */
static void add_ranges_as(u32 how, const u8 *kinds, u32 num)
{
	struct phys_vec ranges[3];
	struct dma_runs runs, twin;
	u32 i, index = how / 4, at = index;
	phys_addr_t phys = 100 * PAGE_SIZE;
	int ret = 0;

	ranges_begin(&runs, how);
	ranges_begin(&twin, how);
	for (i = 0; i < num; i++) {
		ranges[i] = range_after(phys, kinds[i]);
		phys = ranges[i].paddr + ranges[i].len;
		if (!ret)
			ret = dma_runs_add(&twin, at, ranges[i].paddr, ranges[i].len >> PAGE_SHIFT);
		if (!PAGE_ALIGNED(ranges[i].len))
			ret = -EINVAL;
		at += ranges[i].len >> PAGE_SHIFT;
	}
	alloc_failed = false;
	i = CALL(dma_runs_add_ranges(&runs, index, ranges, num));
	CHECK(i == (alloc_failed ? -ENOMEM : ret) && dma_runs_valid(&runs));
	if (i) {
		dma_runs_clear(&twin);
		ranges_begin(&twin, how);
	}
	CHECK(runs.num_runs == twin.num_runs && runs.num_populated == twin.num_populated);
	if (runs.num_runs == twin.num_runs && twin.num_runs)
		CHECK(!memcmp(runs.runs, twin.runs, twin.num_runs * sizeof(*twin.runs)));
	dma_runs_clear(&runs);
	dma_runs_clear(&twin);
}

/* Without memory none is there; what becomes one run needs room for one. */
static void add_ranges_room(void)
{
	const struct phys_vec ranges[] = {
		{ 100 * PAGE_SIZE, PAGE_SIZE },
		{ 101 * PAGE_SIZE, PAGE_SIZE },
		{ 200 * PAGE_SIZE, PAGE_SIZE },
	};
	struct dma_runs runs;

	ranges_begin(&runs, 0);
	fail_alloc = 1;
	CHECK(CALL(dma_runs_add_ranges(&runs, 0, ranges, 3)) == -ENOMEM);
	CHECK(!runs.num_runs && !runs.num_populated && dma_runs_valid(&runs));
	CHECK(!CALL(dma_runs_add_ranges(&runs, 0, ranges, 3)));
	CHECK(runs.num_runs == 2 && runs.max_runs == 2 && runs.num_populated == 3);
	dma_runs_clear(&runs);
}

/* One that is the whole buffer, and one of so many pages that 32 bits have room for just one. */
static void add_ranges_limits(void)
{
	struct phys_vec range = { 100 * PAGE_SIZE, 8 * PAGE_SIZE };
	struct dma_runs runs;

	ranges_begin(&runs, 0);
	CHECK(!CALL(dma_runs_add_ranges(&runs, 0, &range, 1)) && dma_runs_is_populated(&runs));
	dma_runs_clear(&runs);

	range.len = (size_t)(((1ULL << 32) + 1) << PAGE_SHIFT);
	if (sizeof(phys_addr_t) < 8)
		return;
	ranges_begin(&runs, 0);
	CHECK(CALL(dma_runs_add_ranges(&runs, 0, &range, 1)) == -EINVAL && !runs.num_runs);
}

static void add_ranges(void)
{
	u32 how, n;

	for (how = 0; how < 12; how++) {
		for (n = 0; n < NUM_RANGES * NUM_RANGES * NUM_RANGES; n++) {
			u8 kinds[] = { n % NUM_RANGES, n / NUM_RANGES % NUM_RANGES,
				       n / NUM_RANGES / NUM_RANGES };

			add_ranges_as(how, kinds, 1 + n % 3);
		}
	}
	add_ranges_room();
	add_ranges_limits();
}

/* What runs say of themselves counts only where they differ. */
static void all_or_none(void)
{
	struct dma_runs runs;
	dma_addr_t dma_addr;

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 2);
	CHECK(!dma_runs_add_mapped(&runs, 0, 0, PAGE_SIZE, 1));
	CHECK(!dma_runs_add_mapped(&runs, 1, 0, 4 * PAGE_SIZE, 1));
	runs.num_mapped = 0;
	CHECK(CALL(dma_runs_valid(&runs)) && !CALL(dma_runs_covers(&runs, 0, 1, true)));
	CHECK(!CALL(dma_runs_contiguous(&runs, 0, &dma_addr)) && dma_addr == ~(dma_addr_t)0);
	CHECK(!dma_run_is_mapped(&runs, &runs.runs[0]));
	runs.runs[0].mapped = 0;
	runs.runs[0].linked = 0;
	runs.num_mapped = 1;
	CHECK(dma_runs_valid(&runs) && !CALL(dma_runs_covers(&runs, 0, 1, true)));
	CHECK(CALL(dma_runs_covers(&runs, 1, 1, true)) && !dma_run_is_mapped(&runs, &runs.runs[0]));
	runs.num_mapped = 2;
	CHECK(dma_runs_valid(&runs) && CALL(dma_runs_covers(&runs, 0, 1, true)));
	CHECK(CALL(dma_runs_contiguous(&runs, 0, &dma_addr)) == PAGE_SIZE && dma_addr == PAGE_SIZE);
	CHECK(dma_run_is_mapped(&runs, &runs.runs[0]));
	dma_runs_clear(&runs);
}

/* What an empty list takes over is not copied, and what is wrong is told. */
static void splices(void)
{
	struct dma_runs runs, more;
	struct dma_run *array;

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 8);
	rules_build(&more);
	array = more.runs;
	num_allocs = 0;
	CHECK(!CALL(dma_runs_splice(&runs, &more)));
	CHECK(runs.runs == array && !num_allocs && !more.runs && !more.max_runs);
	CHECK(runs.num_populated == 6 && runs.num_mapped == 2 && !num_warnings);

	CHECK(!dma_runs_add(&more, 7, 100 * PAGE_SIZE, 1));
	more.num_mapped++;
	CHECK(!CALL(dma_runs_splice(&runs, &more)));
	CHECK(num_warnings == IS_ENABLED(CONFIG_DMA_API_DEBUG));
	num_warnings = 0;
	dma_runs_clear(&runs);
}

/*
 * Whoever asks a list that is full, or for what is behind its end, is answered without
 * a look at the runs: there are none to be looked at here.
 */
static void without_a_look(void)
{
	struct dma_run *array;
	struct dma_runs runs;
	dma_addr_t addr;

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 4);
	CHECK(!dma_runs_add(&runs, 0, 0, 4));
	array = runs.runs;
	runs.runs = NULL;
	CHECK(CALL(dma_runs_covers(&runs, 1, 2, false)));
	runs.num_mapped = 4;
	runs.num_populated = 0;
	CHECK(CALL(dma_runs_covers(&runs, 1, 2, true)));
	CHECK(!CALL(dma_runs_contiguous(&runs, 4 * PAGE_SIZE, &addr)) && addr == ALL_ONES);
	CHECK(!CALL(dma_runs_contiguous(&runs, 5 * PAGE_SIZE, &addr)) && addr == ALL_ONES);
	runs.runs = array;
	dma_runs_clear(&runs);
}

/* Four pages apart that one IOVA range holds, as dma_runs_map() leaves them. */
static void range_build(struct dma_runs *runs, struct dma_range *range)
{
	u32 i;

	dma_runs_init(runs, NULL, DMA_RUNS_STREAMING, 4);
	for (i = 0; i < 4; i++)
		CHECK(!dma_runs_add(runs, i, 2 * i * PAGE_SIZE, 1));
	runs->num_mapped = 4;
	*range = (struct dma_range) {
		.run = { .phys = 90 * PAGE_SIZE, .dma_addr = 7 * PAGE_SIZE, .num_pages = 4,
			 .mapped = 1, .linked = 1 },
	};
	hlist_add_head(&range->node, &runs->ranges);
}

/* Bytes of the buffer, which are at their place in the range: one piece, or two. */
static void range_walk(const struct dma_runs *runs, u64 offset, u64 size)
{
	u64 part = size / 3 + 1, done = min(part, size);
	struct dma_cursor cur;

	CHECK(!CALL(dma_cursor_begin(&cur, runs, offset, size)) && !cur.last);
	CHECK(CALL(dma_cursor_next(&cur)) && cur.offset == offset && cur.size == size);
	CHECK(cur.dma_addr == 7 * PAGE_SIZE + offset && !CALL(dma_cursor_next(&cur)));

	CHECK(!dma_cursor_begin(&cur, runs, offset, size));
	CHECK(CALL(dma_cursor_next_max(&cur, part)) && cur.size == done);
	CHECK(cur.dma_addr == 7 * PAGE_SIZE + offset);
	CHECK(CALL(dma_cursor_next(&cur)) == (size > done));
	CHECK(size == done || (cur.size == size - done && cur.offset == offset + done &&
			       cur.dma_addr == 7 * PAGE_SIZE + offset + done));
}

/* It is the range that is looked at, not the runs: there are none to be looked at here. */
static void range_alone(const struct dma_runs *runs)
{
	static const u64 at[] = { 0, 1, PAGE_SIZE, 2 * PAGE_SIZE + 5, 4 * PAGE_SIZE - 1 };
	u64 total = 4 * PAGE_SIZE;
	dma_addr_t addr;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		CHECK(CALL(dma_runs_contiguous(runs, at[i], &addr)) == total - at[i]);
		CHECK(addr == 7 * PAGE_SIZE + at[i]);
		for (j = 0; j < ARRAY_SIZE(at) && at[i] + at[j] < total; j++)
			range_walk(runs, at[i], at[j] + 1);
		range_walk(runs, at[i], total - at[i]);
	}
}

/* Of one range behind all of a buffer the runs need not be asked; of anything else they do. */
static void one_range(void)
{
	struct dma_cursor cur;
	struct dma_range range;
	struct dma_run *array;
	struct dma_runs runs;
	dma_addr_t addr;
	u32 i;

	range_build(&runs, &range);
	array = runs.runs;
	runs.runs = NULL;
	range_alone(&runs);
	runs.runs = array;

	/* Memory is where the runs say. */
	CHECK(!CALL(dma_cursor_begin_phys(&cur, &runs, 0, 4 * PAGE_SIZE)));
	for (i = 0; i < 4; i++)
		CHECK(CALL(dma_cursor_next_phys(&cur)) && cur.phys == 2 * i * PAGE_SIZE);

	for (i = 0; i < 3; i++) {
		range.run.linked = i != 0;
		range.run.num_pages = 4 + (i == 1) - (i == 2);
		CHECK(CALL(dma_runs_contiguous(&runs, PAGE_SIZE, &addr)) == PAGE_SIZE && !addr);
		CHECK(!CALL(dma_cursor_begin(&cur, &runs, 0, 4 * PAGE_SIZE)));
		CHECK(CALL(dma_cursor_next(&cur)) && cur.size == PAGE_SIZE && !cur.dma_addr);
	}
	runs.ranges.first = NULL;
	dma_runs_clear(&runs);
}

/* The table of the documentation: mapped, shared, synced, shown. */
static void abilities(void)
{
	static const char *const own[] = {
		[DMA_RUNS_STREAMING] = "yyyy", [DMA_RUNS_COHERENT] = "nynn",
		[DMA_RUNS_NONCOHERENT] = "nyyy", [DMA_RUNS_RESOURCE] = "yynn",
		[DMA_RUNS_IMPORTED] = "nnnn",
	};
	static const char *const foreign[] = {
		[DMA_RUNS_STREAMING] = "ynyn", [DMA_RUNS_COHERENT] = "ynnn",
		[DMA_RUNS_NONCOHERENT] = "ynyn", [DMA_RUNS_RESOURCE] = "ynnn",
		[DMA_RUNS_IMPORTED] = "ynnn",
	};
	struct dma_runs runs;
	u32 kind, what;

	for (kind = 0; kind < ARRAY_SIZE(own); kind++) {
		dma_runs_init(&runs, NULL, kind, 1);
		for (what = 0; what < 4; what++) {
			runs.foreign = false;
			CHECK(CALL(dma_runs_can(&runs, 1 << what)) == (own[kind][what] == 'y'));
			runs.foreign = true;
			CHECK(CALL(dma_runs_can(&runs, 1 << what)) == (foreign[kind][what] == 'y'));
		}
	}
}

/* Whatever was in the memory before. */
static void initialised(void)
{
	struct device *dev = (struct device *)0x1000;
	struct dma_runs runs;

	memset(&runs, 0x5a, sizeof(runs));
	dma_runs_init(&runs, dev, DMA_RUNS_RESOURCE, 7);
	CHECK(runs.dev == dev && runs.kind == DMA_RUNS_RESOURCE && runs.num_pages == 7);
	CHECK(runs.dir == DMA_BIDIRECTIONAL && !runs.attrs && !runs.cpu_addr && !runs.provider);
	CHECK(!runs.runs && !runs.num_runs && !runs.max_runs);
	CHECK(!runs.num_populated && !runs.num_mapped);
	CHECK(!runs.foreign && !runs.uncached && !runs.bounced);
	CHECK(!runs.ranges.first && list_empty(&runs.others) && list_empty(&runs.node));
	CHECK(!dma_runs_is_populated(&runs) && !dma_runs_is_mapped(&runs));
	/* There is no DMA in user space, and nothing to map it in. */
	CHECK(PTR_ERR(dma_runs_map_for(&runs, dev, DMA_TO_DEVICE, 0)) == -EOPNOTSUPP);
	CHECK(PTR_ERR(dma_runs_vmap(&runs, 0, PAGE_SIZE, (pgprot_t) { })) == -EOPNOTSUPP);
}

/* A buffer is handed over to all its devices, whole. */
static void handed_over(void)
{
	struct dma_runs runs, others[2];
	u32 i;

	dma_runs_init(&runs, NULL, DMA_RUNS_STREAMING, 1U << 21);
	for (i = 0; i < 2; i++) {
		dma_runs_init(&others[i], NULL, DMA_RUNS_STREAMING, 1U << 21);
		list_add_tail(&others[i].node, &runs.others);
	}
	for (i = 0; i < 2; i++) {
		num_synced = 0;
		dma_runs_sync_all(&runs, i ? DMA_TO_DEVICE : DMA_FROM_DEVICE, i);
		CHECK(num_synced == 3 && synced[0].runs == &runs);
		CHECK(synced[1].runs == &others[0] && synced[2].runs == &others[1]);
		while (num_synced--) {
			struct synced *s = &synced[num_synced];

			CHECK(!s->offset && s->size == 1ULL << 33 && s->for_device == i);
			CHECK(s->dir == (i ? DMA_TO_DEVICE : DMA_FROM_DEVICE));
		}
	}
}

static void rules(void)
{
	abilities();
	initialised();
	handed_over();
	without_a_look();
	one_range();
	all_follows();
	invalid_lists();
	growth();
	room_alone();
	large_pieces();
	splices();
	add_ranges();
	all_or_none();
}

/*
 * Operations by bytes
 */

struct state {
	struct dma_runs runs;
	struct dma_runs more;
	struct twin t;
	struct twin m;
	const u8 *data;
	size_t left;
	/* Where the last addresses ended, for what is to follow them. */
	u64 phys;
	u64 dma_addr;
};

static u32 take(struct state *s)
{
	if (!s->left)
		return 0;
	s->left--;

	return *s->data++;
}

/* Half of the time what follows, so that runs become long. */
static u64 take_addr(struct state *s, u64 next)
{
	u32 byte = take(s);

	return byte & 1 ? next : (256 + byte) * PAGE_SIZE;
}

static void twin_add(struct twin *t, u32 index, u32 num, const struct twin_page *from)
{
	u64 done;
	u32 i;

	for (i = 0; i < num; i++) {
		struct twin_page *page = &t->page[index + i];

		done = (u64)i << PAGE_SHIFT;
		*page = *from;
		page->dma_addr += done;
		if (page->phys != DMA_RUN_NO_PHYS)
			page->phys += done;
	}
}

/* Makes the page bad in some way; returns whether it did. */
static bool take_flaw(struct state *s, struct twin_page *page, u32 num)
{
	u64 *which = page->mapped && take(s) & 1 ? &page->dma_addr : &page->phys;

	switch (take(s)) {
	case 0 ... 9:
		*which += 1 + take(s);
		return !PAGE_ALIGNED(*which);
	case 10 ... 19:
		*which = (phys_addr_t)-PAGE_SIZE;
		return num > 1;
	default:
		return false;
	}
}

/* Behind the last address there is none that follows. */
static u64 next_addr(u64 addr, u32 num)
{
	return addr < PHYS_ADDR_MAX - PAGE_SIZE ? addr + num * PAGE_SIZE : 0;
}

static void op_add(struct state *s, struct dma_runs *runs, struct twin *t, bool mapped)
{
	u32 index = take(s) % (t->num + 2), num = take(s) % 9;
	struct twin_page page = { .present = true, .mapped = mapped, .linked = mapped };
	u32 end = runs->num_runs ? dma_run_end(&runs->runs[runs->num_runs - 1]) : 0;
	bool bad;
	int ret;

	/* Not often out of order, which is refused. */
	if (index < end && take(s) > 20)
		index = end + index % 3;
	page.phys = take_addr(s, s->phys);
	page.dma_addr = take_addr(s, s->dma_addr);
	if (mapped && !dma_runs_can(&s->runs, DMA_RUNS_CAN_SHOW_PAGES) && take(s) & 1)
		page.phys = DMA_RUN_NO_PHYS;
	bad = page.phys != DMA_RUN_NO_PHYS && take_flaw(s, &page, num);
	bad |= !num || index >= t->num || num > t->num - index || index < end;

	alloc_failed = false;
	if (mapped)
		ret = CALL(dma_runs_add_mapped(runs, index, page.phys, page.dma_addr, num));
	else
		ret = CALL(dma_runs_add(runs, index, page.phys, num));
	CHECK(ret == (bad ? -EINVAL : alloc_failed ? -ENOMEM : 0));
	if (!ret && !bad) {
		twin_add(t, index, num, &page);
		s->phys = next_addr(page.phys, num);
		s->dma_addr = next_addr(page.dma_addr, num);
	}
}

static void twin_clear(struct twin *t)
{
	memset(t->page, 0, sizeof(t->page));
}

static bool twins_overlap(const struct twin *t, const struct twin *m)
{
	bool overlap = false;
	u32 i;

	for (i = 0; i < t->num; i++)
		overlap |= t->page[i].present && m->page[i].present;

	return overlap;
}

static void op_splice(struct state *s)
{
	bool overlap = twins_overlap(&s->t, &s->m), cut = s->runs.cut || s->more.cut;
	int ret;
	u32 i;

	alloc_failed = false;
	ret = CALL(dma_runs_splice(&s->runs, &s->more));
	CHECK(ret == (overlap ? -EEXIST : alloc_failed ? -ENOMEM : 0));
	if (ret)
		return check_list(&s->more, &s->m);
	for (i = 0; i < s->t.num; i++)
		if (s->m.page[i].present)
			s->t.page[i] = s->m.page[i];
	twin_clear(&s->m);
	CHECK(!s->more.runs && !s->more.num_runs && !s->more.num_populated);
	CHECK(s->runs.cut == cut);
}

/* Runs that are not mapped yet, at most @num; returns how many. */
static u32 unmapped_runs(const struct dma_runs *runs, u32 first, u32 num)
{
	u32 i;

	for (i = 0; i < num && first + i < runs->num_runs; i++)
		if (runs->runs[first + i].mapped)
			break;

	return i;
}

static void op_cut(struct state *s)
{
	u32 first = take(s), num = 1 + take(s) % 8;

	if (!s->runs.num_runs)
		return;
	first %= s->runs.num_runs;
	num = unmapped_runs(&s->runs, first, num);
	check_cut(&s->runs, first, num, 1 + take(s) % 8);
}

/* As dma_runs_map() does it. */
static void op_map(struct state *s)
{
	u32 first = take(s), num = 1 + take(s) % 8, i, nr;

	if (!s->runs.num_runs)
		return;
	first %= s->runs.num_runs;
	num = unmapped_runs(&s->runs, first, num);
	for (nr = first; nr < first + num; nr++) {
		struct dma_run *run = &s->runs.runs[nr];

		run->dma_addr = take_addr(s, s->dma_addr);
		run->mapped = 1;
		s->dma_addr = next_addr(run->dma_addr, run->num_pages);
		s->runs.num_mapped += run->num_pages;
		for (i = 0; i < run->num_pages; i++) {
			s->t.page[run->index + i].dma_addr = run->dma_addr + i * PAGE_SIZE;
			s->t.page[run->index + i].mapped = true;
		}
	}
}

/* As dma_runs_unmap() does it, or for some runs as after an error. */
static void op_unmap(struct state *s)
{
	u32 which = take(s) | take(s) << 8 | 1U << (take(s) & 31), nr, i;

	for (nr = 0; nr < s->runs.num_runs; nr++) {
		struct dma_run *run = &s->runs.runs[nr];

		if (!run->mapped || run->linked || !(which >> (nr & 15) & 1))
			continue;
		run->mapped = 0;
		s->runs.num_mapped -= run->num_pages;
		for (i = 0; i < run->num_pages; i++)
			s->t.page[run->index + i].mapped = false;
	}
	CALL(dma_runs_join(&s->runs));
	CHECK(joined(&s->runs));
}

static void op_clear(struct state *s)
{
	if (take(s) & 1) {
		CALL(dma_runs_clear(&s->more));
		twin_clear(&s->m);
		check_list(&s->more, &s->m);
	} else if (take(s) & 1) {
		CALL(dma_runs_clear(&s->runs));
		twin_clear(&s->t);
	}
}

static void op_range(struct state *s)
{
	u64 offset = (u64)take(s) << 10, size = (u64)take(s) << 10, step;
	u32 how = take(s);

	offset += take(s) & 3;
	size += take(s) & 3;
	step = 1 + (take(s) << 6);
	how |= how << 8 | how << 16 | how << 24;
	check_range(&s->runs, &s->t, offset, size, step, how);
	check_range(&s->runs, &s->t, offset, size, U64_MAX, U32_MAX);
	check_range_phys(&s->runs, &s->t, offset, size);
	offset &= ~(PAGE_SIZE - 1);
	size &= ~(PAGE_SIZE - 1);
	check_range_phys(&s->runs, &s->t, offset, size);
	if (size && offset + size <= (u64)s->t.num << PAGE_SHIFT)
		check_covers(&s->runs, &s->t, offset >> PAGE_SHIFT, size >> PAGE_SHIFT);
}

static void one_op(struct state *s)
{
	switch (take(s) % 24) {
	case 0 ... 3:
		return op_add(s, &s->more, &s->m, false);
	case 4 ... 6:
		return op_add(s, &s->more, &s->m, true);
	case 7 ... 9:
		return op_add(s, &s->runs, &s->t, take(s) & 1);
	case 10 ... 11:
		return op_splice(s);
	case 12:
		return op_cut(s);
	case 13 ... 14:
		return op_map(s);
	case 15:
		return op_unmap(s);
	case 16:
		return op_clear(s);
	case 17:
		fail_alloc = take(s) % 4;
		return;
	case 18:
		return check_lookups(&s->runs, &s->t);
	default:
		return op_range(s);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct state s = { .data = data, .left = size };
	u32 num = 1 + take(&s) % MAX_PAGES;
	enum dma_runs_kind kind = take(&s) % (DMA_RUNS_IMPORTED + 1);

	dma_runs_init(&s.runs, NULL, kind, num);
	dma_runs_init(&s.more, NULL, kind, num);
	s.t.num = num;
	s.m.num = num;
	fail_alloc = 0;
	while (s.left) {
		one_op(&s);
		check_list(&s.runs, &s.t);
	}
	check_lookups(&s.runs, &s.t);
	dma_runs_clear(&s.runs);
	dma_runs_clear(&s.more);
	fail_alloc = 0;

	return 0;
}

#ifdef DMA_RUNS_FUZZ
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	rules();
	small_lists();
	large_list();

	return 0;
}
#else
static u64 random_u64(u64 *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;

	return *seed;
}

int main(int argc, char **argv)
{
	u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	u64 rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000;
	u8 data[400];
	u32 i;

	/* Of zero alone no other number comes. */
	seed = seed * 2 + 1;
	rules();
	small_lists();
	large_list();
	while (rounds--) {
		for (i = 0; i < sizeof(data); i++)
			data[i] = random_u64(&seed) >> 32;
		LLVMFuzzerTestOneInput(data, sizeof(data));
	}
	printf("dma-runs: %llu operations, %llu failures\n", (unsigned long long)operations,
	       (unsigned long long)failures);

	return failures != 0;
}
#endif
