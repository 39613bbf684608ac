/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_DMA_RUNS_H
#define _LINUX_DMA_RUNS_H

#include <linux/build_bug.h>
#include <linux/dma-direction.h>
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/types.h>

#include <asm/page.h>

struct device;
struct iommu_domain;
struct p2pdma_provider;
struct phys_vec;
struct vm_area_struct;

/**
 * enum dma_runs_kind - how the memory of a list is mapped for DMA
 *
 * Independent of how the CPU caches it.
 */
enum dma_runs_kind {
	/** @DMA_RUNS_STREAMING: pages, mapped with the streaming DMA API. */
	DMA_RUNS_STREAMING,

	/**
	 * @DMA_RUNS_COHERENT: from dma_alloc_attrs(), mapped by being allocated.
	 * CPU and device see the same without cache maintenance. There may be no
	 * page, none is shown.
	 */
	DMA_RUNS_COHERENT,

	/**
	 * @DMA_RUNS_NONCOHERENT: from dma_alloc_pages() and its like, mapped by
	 * being allocated. Has to be synced.
	 */
	DMA_RUNS_NONCOHERENT,

	/**
	 * @DMA_RUNS_RESOURCE: physical ranges without pages, such as a BAR. Each
	 * device makes a mapping of its own, after a look at the route.
	 */
	DMA_RUNS_RESOURCE,

	/**
	 * @DMA_RUNS_IMPORTED: another exporter's, who owns the mapping. There are
	 * addresses, and no page, not even if the memory has some.
	 */
	DMA_RUNS_IMPORTED,
};

/**
 * struct dma_run - a stretch of a buffer that is contiguous for both sides
 *
 * Use the look-ups and cursors to read a list.
 */
struct dma_run {
	/** @phys: physical address of the first byte, or DMA_RUN_NO_PHYS. */
	phys_addr_t phys;

	/** @dma_addr: address of the first byte for the device, if mapped. */
	dma_addr_t dma_addr;

	/** @index: offset in the buffer, in pages. */
	u32 index;

	/** @num_pages: length, in pages. */
	u32 num_pages : 28;

	/** @mapped: private, see dma_run_is_mapped(). */
	u32 mapped : 1;

	/** @linked: private, there is nothing to be unmapped for this run. */
	u32 linked : 1;

	/** @fresh: private, mapped by the call that is under way. */
	u32 fresh : 1;

	/** @cut: private, goes on from the run before, for the mapping only. */
	u32 cut : 1;
};

static_assert(sizeof(struct dma_run) <= 24);

/** DMA_RUN_NO_PHYS - the physical address is not this list's to know */
#define DMA_RUN_NO_PHYS		((phys_addr_t)-1)

/** DMA_RUNS_MAX_PAGES - largest buffer, in pages */
#define DMA_RUNS_MAX_PAGES	((1U << 28) - 1)

/**
 * struct dma_runs - the memory of a buffer, as a list of runs
 *
 * Whoever embeds it serialises: changes exclude each other and readers. Look-ups
 * and cursors take no lock, never sleep and never allocate.
 */
struct dma_runs {
	/** @runs: private, the runs. */
	struct dma_run *runs;

	/** @num_runs: private, how many. */
	u32 num_runs;

	/** @max_runs: private, how many @runs has room for; 0 if it is borrowed. */
	u32 max_runs;

	/** @num_pages: size of the buffer, in pages. */
	u32 num_pages;

	/** @num_populated: pages that are in a run. */
	u32 num_populated;

	/** @num_mapped: pages that @dev can reach. */
	u32 num_mapped;

	/** @kind: how the memory is mapped. */
	enum dma_runs_kind kind : 8;

	/** @dir: direction of the mapping. */
	enum dma_data_direction dir : 8;

	/** @foreign: private, mapped for another device, shows no pages. */
	bool foreign : 1;

	/** @borrowed: private, @runs is that of the list that this was made of. */
	bool borrowed : 1;

	/** @cut: private, some run is. */
	bool cut : 1;

	/**
	 * @uncached: the CPU sees the memory uncached or write-combined: only a
	 * bounce buffer is to be synced.
	 */
	bool uncached : 1;

	/** @bounced: private, the device has a copy, by bounce buffers. */
	bool bounced : 1;

	/** @dev: device that the list is mapped for. */
	struct device *dev;

	/** @attrs: DMA_ATTR_* of the mapping, or of the allocation. */
	unsigned long attrs;

	union {
		/** @cpu_addr: what dma_alloc_attrs() returned for a coherent list. */
		void *cpu_addr;

		/** @provider: of the BAR that a resource is in, NULL off the PCI bus. */
		struct p2pdma_provider *provider;
	};

	/** @ranges: private, IOVA ranges that several runs were linked into. */
	struct hlist_head ranges;

	/** @others: private, the lists of other devices. */
	struct list_head others;

	/** @node: private, among the @others of the list that this was made of. */
	struct list_head node;
};

/**
 * struct dma_cursor - a place in a list
 */
struct dma_cursor {
	/** @dma_addr: DMA address of the piece, set by dma_cursor_next(). */
	dma_addr_t dma_addr;

	/**
	 * @phys: physical address of it, set by dma_cursor_next_phys() and
	 * dma_cursor_next_iommu().
	 */
	phys_addr_t phys;

	/** @offset: where in the buffer the piece starts, in bytes. */
	u64 offset;

	/** @size: length of the piece, in bytes. */
	u64 size;

	/* private: */
	const struct dma_run *run;
	const struct dma_run *last;
	u64 end;
	bool by_dma;
};

/* The list; kernel/dma/runs.c. */
int __dma_runs_add(struct dma_runs *runs, u32 index, phys_addr_t phys,
		   dma_addr_t dma_addr, u32 num_pages, bool mapped);
int dma_runs_add_ranges(struct dma_runs *runs, u32 index, const struct phys_vec *ranges,
			u32 num_ranges);
int dma_runs_splice(struct dma_runs *runs, struct dma_runs *more);
int dma_runs_cut(struct dma_runs *runs, u32 *nr, u32 first, u32 max_pages);
void dma_runs_join(struct dma_runs *runs);
bool dma_runs_valid(const struct dma_runs *runs);
void dma_runs_check(const struct dma_runs *runs);

u32 dma_runs_find_nr(const struct dma_runs *runs, u32 index);
bool dma_runs_covers(const struct dma_runs *runs, u32 index, u32 num_pages, bool mapped);
u64 dma_runs_contiguous(const struct dma_runs *runs, u64 offset, dma_addr_t *dma_addr);

int __dma_cursor_begin(struct dma_cursor *cur, const struct dma_runs *runs,
		       u64 offset, u64 size, bool phys);
bool __dma_cursor_next(struct dma_cursor *cur, u64 max, bool phys);

/* For a device; kernel/dma/runs_map.c. */
u32 dma_run_max_pages(struct device *dev);
int dma_run_map(const struct dma_runs *runs, struct dma_run *run);
int dma_runs_map(struct dma_runs *runs, u32 index, u32 num_pages);
void dma_runs_unmap(struct dma_runs *runs);
void dma_runs_clear(struct dma_runs *runs);
struct dma_runs *dma_runs_map_ranges(struct device *dev, enum dma_data_direction dir,
				     struct p2pdma_provider *provider,
				     const struct phys_vec *ranges, u32 num_ranges);
struct dma_runs *dma_runs_new(struct device *dev, enum dma_runs_kind kind,
			      enum dma_data_direction dir, u32 num_pages);
void dma_runs_free(struct dma_runs *runs);
void dma_runs_sync(const struct dma_runs *runs, u64 offset, u64 size,
		   enum dma_data_direction dir, bool for_device);
bool dma_runs_bounces(const struct dma_runs *runs);
int dma_cursor_begin_iommu(struct dma_cursor *cur, const struct dma_runs *runs,
			   u64 offset, u64 size);
int dma_runs_iommu_map(const struct dma_runs *runs, struct iommu_domain *domain,
		       unsigned long iova, int prot);
int dma_runs_pin_user(struct dma_runs *runs, u32 index, unsigned long addr, u32 num_pages,
		      unsigned int gup_flags);
void dma_runs_unpin_user(struct dma_runs *runs, bool dirty);
int dma_runs_alloc_pages(struct dma_runs *runs, gfp_t gfp);
void dma_runs_free_pages(struct dma_runs *runs);

int dma_runs_insert(const struct dma_runs *runs, struct vm_area_struct *vma,
		    unsigned long addr, u32 index, u32 num_pages, bool write);
#ifdef CONFIG_MMU
void *dma_runs_vmap(const struct dma_runs *runs, u64 offset, u64 size, pgprot_t prot);
#else
static inline void *dma_runs_vmap(const struct dma_runs *runs, u64 offset, u64 size,
				  pgprot_t prot)
{
	return ERR_PTR(-EOPNOTSUPP);
}
#endif

/* For another device than its own; kernel/dma/alloc_remap.c. */
bool dma_runs_same_for(const struct dma_runs *runs, struct device *dev);
#ifdef CONFIG_HAS_DMA
struct dma_runs *dma_runs_map_for(struct dma_runs *runs, struct device *dev,
				  enum dma_data_direction dir, unsigned long attrs);
#else
static inline struct dma_runs *
dma_runs_map_for(struct dma_runs *runs, struct device *dev, enum dma_data_direction dir,
		 unsigned long attrs)
{
	return ERR_PTR(-EOPNOTSUPP);
}
#endif

static inline u32 dma_run_end(const struct dma_run *run)
{
	return run->index + run->num_pages;
}

static inline u64 dma_run_offset(const struct dma_run *run)
{
	return (u64)run->index << PAGE_SHIFT;
}

static inline u64 dma_run_size(const struct dma_run *run)
{
	return (u64)run->num_pages << PAGE_SHIFT;
}

/**
 * enum dma_runs_ability - what may be done with a list
 *
 * dma_runs_can() is the one place that says which kind can do what.
 */
enum dma_runs_ability {
	/** @DMA_RUNS_CAN_MAP: its device reaches it by dma_runs_map(). */
	DMA_RUNS_CAN_MAP	= 1 << 0,

	/** @DMA_RUNS_CAN_SHARE: other devices reach it by dma_runs_map_for(). */
	DMA_RUNS_CAN_SHARE	= 1 << 1,

	/** @DMA_RUNS_CAN_SYNC: caches and bounce buffers have to be maintained. */
	DMA_RUNS_CAN_SYNC	= 1 << 2,

	/** @DMA_RUNS_CAN_SHOW_PAGES: the CPU may look for pages. */
	DMA_RUNS_CAN_SHOW_PAGES	= 1 << 3,
};

/**
 * dma_runs_can - ask what may be done with a list
 * @runs: the list
 * @what: one of them
 *
 * The list of another device has addresses and nothing else, and was made to be
 * mapped, whatever its kind.
 *
 * Return: true if it may.
 */
static inline bool dma_runs_can(const struct dma_runs *runs, enum dma_runs_ability what)
{
	static const u8 can[] = {
		[DMA_RUNS_STREAMING] = DMA_RUNS_CAN_MAP | DMA_RUNS_CAN_SHARE |
				       DMA_RUNS_CAN_SYNC | DMA_RUNS_CAN_SHOW_PAGES,
		[DMA_RUNS_COHERENT] = DMA_RUNS_CAN_SHARE,
		[DMA_RUNS_NONCOHERENT] = DMA_RUNS_CAN_SHARE | DMA_RUNS_CAN_SYNC |
					 DMA_RUNS_CAN_SHOW_PAGES,
		[DMA_RUNS_RESOURCE] = DMA_RUNS_CAN_MAP | DMA_RUNS_CAN_SHARE,
		[DMA_RUNS_IMPORTED] = 0,
	};

	if (runs->foreign)
		return ((can[runs->kind] & DMA_RUNS_CAN_SYNC) | DMA_RUNS_CAN_MAP) & what;

	return can[runs->kind] & what;
}

static inline bool dma_runs_is_populated(const struct dma_runs *runs)
{
	return runs->num_populated == runs->num_pages;
}

static inline bool dma_runs_is_mapped(const struct dma_runs *runs)
{
	return runs->num_mapped == runs->num_pages;
}

/* What all or none are is not noted in each, so that lists can have one array. */
static inline bool dma_run_is_mapped(const struct dma_runs *runs, const struct dma_run *run)
{
	return runs->num_mapped && (run->mapped || dma_runs_is_mapped(runs));
}

/* Several runs that one IOVA range holds; its run is linked if they are one for the device. */
struct dma_range {
	struct hlist_node node;
	struct dma_run run;
};

/* All of the buffer, if that is one range for the device, however many runs it has. */
static inline const struct dma_run *dma_runs_one_range(const struct dma_runs *runs)
{
	const struct dma_range *range;

	if (hlist_empty(&runs->ranges))
		return NULL;
	range = hlist_entry(runs->ranges.first, struct dma_range, node);

	return range->run.linked && range->run.num_pages == runs->num_pages ? &range->run : NULL;
}

/**
 * dma_runs_init - set up an empty list
 * @runs: the list, zeroed or uninitialized
 * @dev: device that it is going to be mapped for
 * @kind: how the memory is going to be mapped
 * @num_pages: size of the buffer, up to DMA_RUNS_MAX_PAGES
 *
 * Pair with dma_runs_clear().
 */
static inline void dma_runs_init(struct dma_runs *runs, struct device *dev,
				 enum dma_runs_kind kind, u32 num_pages)
{
	*runs = (struct dma_runs) {
		.num_pages = num_pages,
		.kind = kind,
		.dir = DMA_BIDIRECTIONAL,
		.dev = dev,
		.others = LIST_HEAD_INIT(runs->others),
		.node = LIST_HEAD_INIT(runs->node),
	};
}

/**
 * dma_runs_add - add memory to a list
 * @runs: the list
 * @index: where in the buffer it goes
 * @phys: its physical address, page aligned
 * @num_pages: its length
 *
 * In the order of the buffer; what goes on where the last call ended becomes one
 * run. See dma_runs_splice() for what comes later.
 *
 * Return: 0, -EINVAL if the range is empty, not inside the buffer, not behind what
 * is there or not aligned, or -ENOMEM.
 */
static inline int dma_runs_add(struct dma_runs *runs, u32 index, phys_addr_t phys,
			       u32 num_pages)
{
	return __dma_runs_add(runs, index, phys, 0, num_pages, false);
}

/**
 * dma_runs_add_mapped - add memory that is mapped for the device of the list
 * @runs: the list
 * @index: where in the buffer it goes
 * @phys: its physical address, page aligned, or DMA_RUN_NO_PHYS if the list shows
 *	no pages
 * @dma_addr: its address for the device, page aligned
 * @num_pages: its length
 *
 * For what is mapped by being allocated, or by somebody else: it is not unmapped
 * by dma_runs_unmap(). See dma_runs_add().
 *
 * Return: like dma_runs_add().
 */
static inline int dma_runs_add_mapped(struct dma_runs *runs, u32 index, phys_addr_t phys,
				      dma_addr_t dma_addr, u32 num_pages)
{
	return __dma_runs_add(runs, index, phys, dma_addr, num_pages, true);
}

/**
 * dma_runs_find - the run that has a page
 * @runs: the list
 * @index: which page of the buffer
 *
 * Return: the run, NULL in a hole and behind the end.
 */
static inline const struct dma_run *dma_runs_find(const struct dma_runs *runs, u32 index)
{
	u32 nr = dma_runs_find_nr(runs, index);

	if (nr == runs->num_runs || runs->runs[nr].index > index)
		return NULL;

	return &runs->runs[nr];
}

/**
 * dma_runs_phys - where a page of the buffer is in memory
 * @runs: the list
 * @index: which page of the buffer
 *
 * Return: the physical address, or DMA_RUN_NO_PHYS in a hole, behind the end, and
 * if the list shows no pages.
 */
static inline phys_addr_t dma_runs_phys(const struct dma_runs *runs, u32 index)
{
	const struct dma_run *run = dma_runs_find(runs, index);

	if (!run || !dma_runs_can(runs, DMA_RUNS_CAN_SHOW_PAGES))
		return DMA_RUN_NO_PHYS;

	return run->phys + ((u64)(index - run->index) << PAGE_SHIFT);
}

/**
 * dma_cursor_begin - prepare to walk the DMA addresses of a byte range
 * @cur: the cursor
 * @runs: the list
 * @offset: start of the range, in bytes
 * @size: length of the range, in bytes
 *
 * Nothing has to be undone if the walk is not finished. The list must not change
 * until then. The cursor is all zero after an error.
 *
 * Return: 0, -EINVAL if the range is empty or not inside the buffer, -ENXIO if a
 * part of it is a hole or is not mapped.
 */
static inline int dma_cursor_begin(struct dma_cursor *cur, const struct dma_runs *runs,
				   u64 offset, u64 size)
{
	return __dma_cursor_begin(cur, runs, offset, size, false);
}

/**
 * dma_cursor_begin_phys - prepare to walk the memory of a byte range
 * @cur: the cursor
 * @runs: the list
 * @offset: start of the range, in bytes, a multiple of the page size
 * @size: length of the range, in bytes, a multiple of the page size
 *
 * Like dma_cursor_begin(), for who needs physical memory: a driver that has an
 * IOMMU domain of its own, or a device that does not use the DMA API.
 *
 * Return: 0, -EINVAL if the range is empty, not aligned or not inside the buffer,
 * -EOPNOTSUPP if the list shows no pages, -ENXIO if there is a hole.
 */
static inline int dma_cursor_begin_phys(struct dma_cursor *cur, const struct dma_runs *runs,
					u64 offset, u64 size)
{
	return __dma_cursor_begin(cur, runs, offset, size, true);
}

/**
 * dma_cursor_next_phys - go to the next physically contiguous range
 * @cur: a cursor that was set up by dma_cursor_begin_phys()
 *
 * Return: true and &dma_cursor.phys, &dma_cursor.offset and &dma_cursor.size of
 * the range, or false at the end.
 */
static inline bool dma_cursor_next_phys(struct dma_cursor *cur)
{
	return __dma_cursor_next(cur, U64_MAX, true);
}

/**
 * dma_cursor_next - go to the next contiguous DMA range
 * @cur: a cursor that was set up by dma_cursor_begin()
 *
 * Runs that follow each other for the device are one range, however scattered
 * they are for the CPU.
 *
 * Return: true and &dma_cursor.dma_addr, &dma_cursor.offset and &dma_cursor.size
 * of the range, or false at the end.
 */
static inline bool dma_cursor_next(struct dma_cursor *cur)
{
	const struct dma_run *run = cur->run;
	u64 size;

	/* A run in the midst of the range that is a piece by itself. */
	if (run < cur->last) {
		size = dma_run_size(run);
		if (run[1].dma_addr != run->dma_addr + size) {
			cur->offset += cur->size;
			cur->size = size;
			cur->dma_addr = run->dma_addr;
			cur->run = run + 1;
			return true;
		}
	}

	return __dma_cursor_next(cur, U64_MAX, false);
}

/**
 * dma_cursor_next_max - go to the next contiguous DMA range, or a part of it
 * @cur: a cursor that was set up by dma_cursor_begin()
 * @max: size that the hardware can take at once, in bytes
 *
 * What is left of the range is what the next call starts with.
 *
 * Return: like dma_cursor_next().
 */
static inline bool dma_cursor_next_max(struct dma_cursor *cur, u64 max)
{
	return __dma_cursor_next(cur, max, false);
}

/**
 * dma_cursor_next_iommu - go to the next range that an IOMMU has to lead to
 * @cur: a cursor that was set up by dma_cursor_begin_iommu()
 *
 * Return: true and &dma_cursor.phys, &dma_cursor.offset and &dma_cursor.size of
 * the range, or false at the end.
 */
static inline bool dma_cursor_next_iommu(struct dma_cursor *cur)
{
	if (!__dma_cursor_next(cur, U64_MAX, !cur->by_dma))
		return false;
	if (cur->by_dma)
		cur->phys = cur->dma_addr;

	return true;
}

/**
 * dma_runs_for_each - walk the DMA addresses of a byte range
 * @cur: a &struct dma_cursor
 * @runs: the list
 * @offset: start of the range, in bytes
 * @size: length of the range, in bytes
 * @ret: an int; 0 after the walk, or what dma_cursor_begin() says. The body may
 *	set it to an error, which ends the walk.
 */
#define dma_runs_for_each(cur, runs, offset, size, ret)				\
	for ((ret) = dma_cursor_begin(&(cur), runs, offset, size);		\
	     !(ret) && dma_cursor_next(&(cur));)

/**
 * dma_runs_sync_all - hand a buffer over to the CPU or to all its devices
 * @runs: the list
 * @dir: direction of the transfers that were made or are to come
 * @for_device: whom to hand it to
 *
 * Its own device, and those that dma_runs_map_for() has mapped it for.
 */
static inline void dma_runs_sync_all(const struct dma_runs *runs,
				     enum dma_data_direction dir, bool for_device)
{
	u64 size = (u64)runs->num_pages << PAGE_SHIFT;
	const struct dma_runs *other;

	dma_runs_sync(runs, 0, size, dir, for_device);
	list_for_each_entry(other, &runs->others, node)
		dma_runs_sync(other, 0, size, dir, for_device);
}

#endif /* _LINUX_DMA_RUNS_H */
