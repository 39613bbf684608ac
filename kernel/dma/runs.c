// SPDX-License-Identifier: GPL-2.0
/*
 * One list for the memory of a buffer: where it is for the CPU and where it is
 * for a device. This file knows no device; tools/testing/dma-runs compiles it in
 * user space.
 */
#include <linux/dma-runs.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>

/*
 * Makes room for the rest of the buffer if it goes on like this, but at most for
 * four times as many runs.
 */
static int runs_reserve(struct dma_runs *runs, u32 more)
{
	u32 max = runs->num_runs + more;
	struct dma_run *array;

	if (max <= runs->max_runs)
		return 0;

	if (runs->num_populated)
		max = max(max, min(runs->num_pages / (runs->num_populated / runs->num_runs),
				   4 * runs->max_runs));
	array = kvrealloc(runs->runs, array_size(max, sizeof(*array)), GFP_KERNEL);
	if (!array)
		return -ENOMEM;
	runs->runs = array;
	runs->max_runs = max;

	return 0;
}

/* Does what comes next go on where @run ends, on both sides? */
static bool run_follows(const struct dma_run *run, u32 index, phys_addr_t phys,
			dma_addr_t dma_addr, u32 num_pages, bool mapped)
{
	u64 size = dma_run_size(run);

	return phys == (run->phys == DMA_RUN_NO_PHYS ? run->phys : run->phys + size) &&
	       index == dma_run_end(run) && run->mapped == mapped && run->linked == mapped &&
	       run->num_pages + num_pages <= DMA_RUNS_MAX_PAGES &&
	       (!mapped || dma_addr == run->dma_addr + size);
}

static bool runs_has_range(const struct dma_runs *runs, u32 index, u32 num_pages)
{
	return num_pages && index < runs->num_pages && num_pages <= runs->num_pages - index;
}

/* The size has 64 bits where addresses may have 32, do not let the sum wrap. */
static bool runs_addr_fits(u64 addr, u32 num_pages, u64 max)
{
	return PAGE_ALIGNED(addr) && ((u64)num_pages << PAGE_SHIFT) - 1 <= max - addr;
}

static struct dma_run *runs_last(const struct dma_runs *runs)
{
	return runs->num_runs ? &runs->runs[runs->num_runs - 1] : NULL;
}

/* There has to be room. */
static struct dma_run *runs_append(struct dma_runs *runs, u32 index, phys_addr_t phys,
				   dma_addr_t dma_addr, u32 num_pages, bool mapped)
{
	struct dma_run *run = &runs->runs[runs->num_runs++];

	*run = (struct dma_run) {
		.phys = phys,
		.dma_addr = dma_addr,
		.index = index,
		.num_pages = num_pages,
		.mapped = mapped,
		.linked = mapped,
	};

	return run;
}

/*
 * See dma_runs_add() and dma_runs_add_mapped(). Only a list that shows no pages can
 * do without knowing where they are.
 */
int __dma_runs_add(struct dma_runs *runs, u32 index, phys_addr_t phys,
		   dma_addr_t dma_addr, u32 num_pages, bool mapped)
{
	struct dma_run *last = runs_last(runs);

	if (!runs_has_range(runs, index, num_pages) || (last && index < dma_run_end(last)) ||
	    (mapped && !runs_addr_fits(dma_addr, num_pages, (dma_addr_t)-1)) ||
	    (mapped && phys == DMA_RUN_NO_PHYS ? dma_runs_can(runs, DMA_RUNS_CAN_SHOW_PAGES) :
						 !runs_addr_fits(phys, num_pages, PHYS_ADDR_MAX)))
		return -EINVAL;

	if (last && run_follows(last, index, phys, dma_addr, num_pages, mapped))
		last->num_pages += num_pages;
	else if (!runs_reserve(runs, 1))
		runs_append(runs, index, phys, dma_addr, num_pages, mapped);
	else
		return -ENOMEM;
	runs->num_populated += num_pages;
	runs->num_mapped += mapped ? num_pages : 0;

	return 0;
}
EXPORT_SYMBOL_GPL(__dma_runs_add);

/**
 * dma_runs_add_ranges - add several ranges of memory to a list
 * @runs: the list
 * @index: where in the buffer the first one goes; the others follow it
 * @ranges: where they are, page aligned
 * @num_ranges: how many
 *
 * Like dma_runs_add() for each of them, but all or none.
 *
 * Return: like dma_runs_add().
 */
int dma_runs_add_ranges(struct dma_runs *runs, u32 index, const struct phys_vec *ranges,
			u32 num_ranges)
{
	struct dma_run *last = runs_last(runs);
	phys_addr_t next = DMA_RUN_NO_PHYS;
	u32 i, num_pages = 0, more = 0;
	size_t pages;

	if (last && index < dma_run_end(last))
		return -EINVAL;
	for (i = 0; i < num_ranges; next = ranges[i].paddr + ranges[i].len, i++) {
		pages = ranges[i].len >> PAGE_SHIFT;
		if (!PAGE_ALIGNED(ranges[i].len) || pages > runs->num_pages ||
		    !runs_addr_fits(ranges[i].paddr, pages, PHYS_ADDR_MAX) ||
		    !runs_has_range(runs, index + num_pages, pages))
			return -EINVAL;
		num_pages += pages;
		more += ranges[i].paddr != next;
	}
	if (runs_reserve(runs, more))
		return -ENOMEM;

	runs->num_populated += num_pages;
	last = runs_last(runs);
	for (i = 0; i < num_ranges; i++, index += pages) {
		pages = ranges[i].len >> PAGE_SHIFT;
		if (last && run_follows(last, index, ranges[i].paddr, 0, pages, false))
			last->num_pages += pages;
		else
			last = runs_append(runs, index, ranges[i].paddr, 0, pages, false);
	}

	return 0;
}
EXPORT_SYMBOL_GPL(dma_runs_add_ranges);

/**
 * dma_runs_find_nr - the first run that ends behind a page
 * @runs: the list
 * @index: which page of the buffer, need not be in the run
 *
 * Return: its number, &dma_runs.num_runs if there is none.
 */
u32 dma_runs_find_nr(const struct dma_runs *runs, u32 index)
{
	u32 low = 0, high = runs->num_runs;

	while (low < high) {
		u32 mid = low + (high - low) / 2;

		if (dma_run_end(&runs->runs[mid]) <= index)
			low = mid + 1;
		else
			high = mid;
	}

	return low;
}
EXPORT_SYMBOL_GPL(dma_runs_find_nr);

static bool runs_overlap(const struct dma_runs *runs, const struct dma_runs *more)
{
	const struct dma_run *run;
	u32 i, nr;

	for (i = 0; i < more->num_runs; i++) {
		run = &more->runs[i];
		nr = dma_runs_find_nr(runs, run->index);
		if (nr < runs->num_runs && runs->runs[nr].index < dma_run_end(run))
			return true;
	}

	return false;
}

/* From the end on, so that what was there moves at most once. */
static void runs_merge(struct dma_runs *runs, const struct dma_runs *more)
{
	u32 i = runs->num_runs, j = more->num_runs, to = i + j;

	runs->num_runs = to;
	while (j) {
		if (i && runs->runs[i - 1].index > more->runs[j - 1].index)
			runs->runs[--to] = runs->runs[--i];
		else
			runs->runs[--to] = more->runs[--j];
	}
}

/**
 * dma_runs_splice - put the runs of one list into another
 * @runs: the list
 * @more: runs to be added, not mapped by dma_runs_map(), of a buffer that is not
 *	larger; set up anew afterwards
 *
 * What is in @runs stays where it is. An empty @runs takes the array over without
 * a copy.
 *
 * Return: 0, -EEXIST if the runs overlap, -ENOMEM. After an error @runs is as it
 * was, and @more has the same memory.
 */
int dma_runs_splice(struct dma_runs *runs, struct dma_runs *more)
{
	if (!runs->num_runs) {
		swap(runs->runs, more->runs);
		swap(runs->max_runs, more->max_runs);
		swap(runs->num_runs, more->num_runs);
	} else {
		if (runs_overlap(runs, more))
			return -EEXIST;
		if (runs_reserve(runs, more->num_runs))
			return -ENOMEM;
		runs_merge(runs, more);
	}
	runs->num_populated += more->num_populated;
	runs->num_mapped += more->num_mapped;
	runs->cut |= more->cut;
	kvfree(more->runs);
	dma_runs_init(more, more->dev, more->kind, more->num_pages);
	dma_runs_check(runs);

	return 0;
}
EXPORT_SYMBOL_GPL(dma_runs_splice);

static u32 runs_count_cut(const struct dma_run *run, u32 num, u32 max_pages)
{
	u32 count = 0;

	for (; num--; run++)
		count += DIV_ROUND_UP(run->num_pages, max_pages);

	return count;
}

/*
 * Cuts some runs at what one mapping call may have, until dma_runs_join(). @nr is
 * how many there are, and then how many they have become.
 */
int dma_runs_cut(struct dma_runs *runs, u32 *nr, u32 first, u32 max_pages)
{
	u32 i = first + *nr, count = runs_count_cut(&runs->runs[first], *nr, max_pages);
	u32 to, more = count - *nr;

	if (!more)
		return 0;
	if (runs_reserve(runs, more))
		return -ENOMEM;

	memmove(&runs->runs[i + more], &runs->runs[i],
		(runs->num_runs - i) * sizeof(*runs->runs));
	runs->num_runs += more;
	for (to = i + more; i-- > first;) {
		struct dma_run from = runs->runs[i];
		u32 done = (from.num_pages - 1) / max_pages * max_pages;

		for (;; done -= max_pages) {
			runs->runs[--to] = from;
			runs->runs[to].phys += (u64)done << PAGE_SHIFT;
			runs->runs[to].index += done;
			runs->runs[to].num_pages = min(from.num_pages - done, max_pages);
			if (!done)
				break;
			runs->runs[to].cut = 1;
		}
	}
	*nr = count;
	runs->cut = true;

	return 0;
}

/* Undoes dma_runs_cut() where nothing is mapped any more. */
void dma_runs_join(struct dma_runs *runs)
{
	u32 i, n = 0;

	if (!runs->cut)
		return;
	runs->cut = false;
	for (i = 1; i < runs->num_runs; i++) {
		struct dma_run *run = &runs->runs[i];

		if (run->cut && !dma_run_is_mapped(runs, run) &&
		    !dma_run_is_mapped(runs, &runs->runs[n]))
			runs->runs[n].num_pages += run->num_pages;
		else if (++n != i)
			runs->runs[n] = *run;
		runs->cut |= runs->runs[n].cut;
	}
	/* What was cut has runs. */
	runs->num_runs = n + 1;
}

static bool run_valid(const struct dma_runs *runs, const struct dma_run *run, u32 start)
{
	if (!runs_has_range(runs, run->index, run->num_pages) || run->index < start)
		return false;
	if (run->cut && (!runs->cut || !start || run->index != start))
		return false;

	return !run->fresh && (run->mapped || !run->linked);
}

/**
 * dma_runs_valid - whether a list is what it has to be
 * @runs: the list
 *
 * For assertions: sorted, without overlaps, inside the buffer, and counted right.
 *
 * Return: true if it is.
 */
bool dma_runs_valid(const struct dma_runs *runs)
{
	u32 i, start = 0, populated = 0, mapped = 0;

	for (i = 0; i < runs->num_runs; i++) {
		const struct dma_run *run = &runs->runs[i];

		if (!run_valid(runs, run, start))
			return false;
		start = dma_run_end(run);
		populated += run->num_pages;
		mapped += dma_run_is_mapped(runs, run) ? run->num_pages : 0;
	}

	return populated == runs->num_populated && mapped == runs->num_mapped &&
	       (runs->borrowed || runs->num_runs <= runs->max_runs);
}

/* After each change. */
void dma_runs_check(const struct dma_runs *runs)
{
	if (IS_ENABLED(CONFIG_DMA_API_DEBUG))
		WARN_ON_ONCE(!dma_runs_valid(runs));
}

/**
 * dma_runs_covers - whether a range has no hole
 * @runs: the list
 * @index: first page of the range
 * @num_pages: length of the range, inside the buffer
 * @mapped: all of it has to be mapped, too
 *
 * Return: true if that is so.
 */
bool dma_runs_covers(const struct dma_runs *runs, u32 index, u32 num_pages, bool mapped)
{
	u32 nr, end = index + num_pages;

	if ((mapped ? runs->num_mapped : runs->num_populated) == runs->num_pages)
		return true;

	for (nr = dma_runs_find_nr(runs, index); nr < runs->num_runs; nr++) {
		const struct dma_run *run = &runs->runs[nr];

		if (run->index > index || (mapped && !dma_run_is_mapped(runs, run)))
			break;
		index = dma_run_end(run);
		if (index >= end)
			return true;
	}

	return false;
}

/**
 * dma_runs_contiguous - how far a buffer is contiguous for its device
 * @runs: the list
 * @offset: from where on, in bytes
 * @dma_addr: returns the address of that byte, or all ones
 *
 * Return: the size in bytes, 0 if the byte is not mapped.
 */
u64 dma_runs_contiguous(const struct dma_runs *runs, u64 offset, dma_addr_t *dma_addr)
{
	const struct dma_run *one = dma_runs_one_range(runs);
	u64 end = offset;
	u32 nr;

	*dma_addr = ~(dma_addr_t)0;
	/* No page that far has a number that fits. */
	if (offset >> PAGE_SHIFT >= runs->num_pages)
		return 0;
	if (one) {
		*dma_addr = one->dma_addr + offset;
		return dma_run_size(one) - offset;
	}

	for (nr = dma_runs_find_nr(runs, offset >> PAGE_SHIFT); nr < runs->num_runs; nr++) {
		const struct dma_run *run = &runs->runs[nr];
		dma_addr_t addr = run->dma_addr + (end - dma_run_offset(run));

		if (!dma_run_is_mapped(runs, run) || dma_run_offset(run) > end)
			break;
		if (end == offset)
			*dma_addr = addr;
		else if (addr != *dma_addr + (end - offset))
			break;
		end = dma_run_offset(run) + dma_run_size(run);
	}

	return end - offset;
}
EXPORT_SYMBOL_GPL(dma_runs_contiguous);

static bool run_next_follows(const struct dma_run *run, bool phys)
{
	u64 size = dma_run_size(run);

	return phys ? run[1].phys == run->phys + size : run[1].dma_addr == run->dma_addr + size;
}

/* There is no hole in the range, so that the run that follows is the next. */
static __always_inline bool cursor_next(struct dma_cursor *cur, u64 max, bool phys)
{
	const struct dma_run *run = cur->run;
	u64 stop, end;

	cur->offset += cur->size;
	cur->size = 0;
	if (cur->offset >= cur->end)
		return false;

	end = max < cur->end - cur->offset ? cur->offset + max : cur->end;
	for (;; run++) {
		stop = dma_run_offset(run) + dma_run_size(run);
		if (stop >= end || !run_next_follows(run, phys))
			break;
	}
	/* The rest of a run that was not used up is where the next piece starts. */
	cur->run = stop > end ? run : run + 1;
	cur->size = min(stop, end) - cur->offset;

	return true;
}

/* See dma_cursor_begin() and dma_cursor_begin_phys(). */
int __dma_cursor_begin(struct dma_cursor *cur, const struct dma_runs *runs,
		       u64 offset, u64 size, bool phys)
{
	u64 total = (u64)runs->num_pages << PAGE_SHIFT;
	u32 first = offset >> PAGE_SHIFT;
	const struct dma_run *last;

	*cur = (struct dma_cursor) { };
	if (phys && (!PAGE_ALIGNED(offset) || !PAGE_ALIGNED(size)))
		return -EINVAL;
	if (phys && !dma_runs_can(runs, DMA_RUNS_CAN_SHOW_PAGES))
		return -EOPNOTSUPP;
	if (!size || offset >= total || size > total - offset)
		return -EINVAL;
	if (!dma_runs_covers(runs, first, PFN_UP(offset + size) - first, !phys))
		return -ENXIO;

	cur->offset = offset;
	cur->end = offset + size;
	cur->run = phys ? NULL : dma_runs_one_range(runs);
	if (cur->run)
		return 0;
	cur->run = &runs->runs[offset ? dma_runs_find_nr(runs, first) : 0];

	/* Up to there a run is in the range as a whole, if the range starts with one. */
	last = &runs->runs[runs->num_runs - 1];
	if (cur->end != total)
		last = &runs->runs[dma_runs_find_nr(runs, (cur->end - 1) >> PAGE_SHIFT)];
	cur->last = dma_run_offset(cur->run) == offset ? last : NULL;

	return 0;
}
EXPORT_SYMBOL_GPL(__dma_cursor_begin);

/*
 * What dma_cursor_next() does not do by itself: the first and last piece, long
 * ones, and parts. After a part no run need be whole.
 */
bool __dma_cursor_next(struct dma_cursor *cur, u64 max, bool phys)
{
	const struct dma_run *run = cur->run;

	if (!max)
		return false;
	if (max != U64_MAX)
		cur->last = NULL;
	if (phys ? !cursor_next(cur, max, true) : !cursor_next(cur, max, false))
		return false;
	if (phys)
		cur->phys = run->phys + (cur->offset - dma_run_offset(run));
	else
		cur->dma_addr = run->dma_addr + (cur->offset - dma_run_offset(run));

	return true;
}
EXPORT_SYMBOL_GPL(__dma_cursor_next);
