// SPDX-License-Identifier: GPL-2.0
/*
 * The MMU of the modelled Mali: walks the page tables that io-pgtable-arm wrote, and keeps a
 * shadow TLB, which is there to be compared with the tables: an entry that is used after its PTE
 * went away is a flush that the driver forgot. Each access also checks that somebody owns the page
 * and the tables that led to it.
 *
 * The tables always decide where an access goes, so that a driver's bug is reported, not copied.
 */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sizes.h>

#include "mali_model.h"

/* Entries of both formats; io-pgtable-arm.c keeps its own names to itself. */
#define PTE_TYPE	GENMASK_ULL(1, 0)
#define PTE_BLOCK	1
#define PTE_TABLE	3
#define PTE_ADDR	GENMASK_ULL(47, 12)
#define PTE_NO_EXEC	GENMASK_ULL(54, 53)
#define PTE_MALI_READ	BIT_ULL(6)
#define PTE_MALI_WRITE	BIT_ULL(7)
#define PTE_A64_USER	BIT_ULL(6)
#define PTE_A64_RDONLY	BIT_ULL(7)
#define PTE_A64_AF	BIT_ULL(10)

/* Beyond what the interface names: the access flag of an AArch64 entry is not set. */
#define FAULT_ACCESS_FLAG	0xd8

#define LAST_LEVEL	3
#define LEVEL_BITS	9
#define VA_BITS_MAX	48

#define ADRMODE(transcfg)	((transcfg) & 0xf)
#define INA_BITS(transcfg)	(((transcfg) >> 6) & 0x1f)

/*
 * How long an entry may stay in the TLB after its PTE was cleared. The driver flushes after it
 * cleared, so an access in between is no error: it waits for the flush.
 */
#define FLUSH_MS	100

static unsigned int level_shift(unsigned int level)
{
	return PAGE_SHIFT + (LAST_LEVEL - level) * LEVEL_BITS;
}

static bool is_a64(const struct mali_as *as)
{
	return ADRMODE(as->transcfg) == AS_TRANSCFG_ADRMODE_AARCH64_4K;
}

/* Bits that the tables translate, 0 if there are no tables. */
static unsigned int va_bits(const struct mali_as *as)
{
	unsigned int bits = 0;

	if (is_a64(as))
		bits = 55 - INA_BITS(as->transcfg);
	else if (ADRMODE(as->transcfg) == AS_TRANSCFG_ADRMODE_LEGACY &&
		 (as->transtab & AS_TRANSTAB_LPAE_ADRMODE_MASK) == AS_TRANSTAB_LPAE_ADRMODE_TABLE)
		bits = VA_BITS_MAX;
	return bits <= VA_BITS_MAX ? bits : 0;
}

static u64 root_table(const struct mali_as *as)
{
	return as->transtab & (is_a64(as) ? AS_TRANSTAB_AARCH64_4K_ADDR_MASK :
					    AS_TRANSTAB_LPAE_ADDR_SPACE_MASK);
}

/* RAM that the page allocator gives out, that is neither a hole nor the kernel's image. */
static bool is_memory(u64 pa)
{
	unsigned long pfn = PHYS_PFN(pa);

	return pfn_valid(pfn) && !PageReserved(pfn_to_page(pfn));
}

/*
 * Tail pages of a compound page count on its head; whoever shares pages with a GPU has these. A
 * slab, which a driver may have its tables from, has no references.
 */
static bool is_owned(u64 pa)
{
	struct folio *folio;

	if (!is_memory(pa))
		return false;
	folio = page_folio(pfn_to_page(PHYS_PFN(pa)));
	return folio_ref_count(folio) > 0 || folio_test_slab(folio);
}

static unsigned int pte_access(const struct mali_as *as, u64 pte)
{
	unsigned int access = 0;

	if (is_a64(as)) {
		if (pte & PTE_A64_USER)
			access = pte & PTE_A64_RDONLY ? MALI_READ : MALI_READ | MALI_WRITE;
	} else {
		if (pte & PTE_MALI_READ)
			access |= MALI_READ;
		if (pte & PTE_MALI_WRITE)
			access |= MALI_WRITE;
	}
	if (access && !(pte & PTE_NO_EXEC))
		access |= MALI_EXEC;
	return access;
}

/* Mali's own format says "block" at the last level, too, where AArch64 says "page". */
static bool pte_is_leaf(const struct mali_as *as, u64 pte, unsigned int level)
{
	if (level == LAST_LEVEL && is_a64(as))
		return (pte & PTE_TYPE) == PTE_TABLE;
	return level && (pte & PTE_TYPE) == PTE_BLOCK;
}

static int make_leaf(const struct mali_as *as, u64 pte, struct mali_leaf *leaf)
{
	leaf->pa = pte & PTE_ADDR & ~(leaf->size - 1);
	if (is_a64(as) && !(pte & PTE_A64_AF))
		return FAULT_ACCESS_FLAG;
	leaf->access = pte_access(as, pte);
	return 0;
}

/* On a fault @leaf is the hole that the entry leaves; of a bus error, its pa is the table's. */
static int walk_tables(const struct mali_as *as, u64 va, struct mali_leaf *leaf)
{
	unsigned int bits = va_bits(as), level, shift;
	u64 table = root_table(as), pte;
	const u64 *ptes;

	*leaf = (struct mali_leaf) { .va = va };
	if (!bits || va >> bits)
		return MALI_FAULT_TRANSLATION;

	for (level = LAST_LEVEL + 1 - DIV_ROUND_UP(bits - PAGE_SHIFT, LEVEL_BITS);; level++) {
		shift = level_shift(level);
		leaf->size = BIT_ULL(shift);
		leaf->va = va & ~(leaf->size - 1);
		leaf->pa = table;
		if (!is_owned(table))
			return MALI_FAULT_TRANSTAB_BUS;

		ptes = phys_to_virt(table);
		pte = READ_ONCE(ptes[(va >> shift) % BIT(LEVEL_BITS)]);
		if (pte_is_leaf(as, pte, level))
			return make_leaf(as, pte, leaf);
		if (level == LAST_LEVEL || (pte & PTE_TYPE) != PTE_TABLE)
			return MALI_FAULT_TRANSLATION + level + 1;
		table = pte & PTE_ADDR;
	}
}

/**
 * mali_as_walk() - translate an address by the page tables alone
 * @as: address space
 * @va: GPU virtual address
 * @leaf: the entry that maps it; on a fault, the hole around it: where it starts and its size,
 *	which is 0 for what no table covers
 *
 * Return: 0, or AS_FAULTSTATUS's exception type: of a translation fault, with the level, counted
 * from 1 on as Mali does; 0 is an address that no table covers.
 */
int mali_as_walk(const struct mali_as *as, u64 va, struct mali_leaf *leaf)
{
	int fault = walk_tables(as, va, leaf);

	/* The driver may take a table away at any time: then the entry has gone before it. */
	if (fault == MALI_FAULT_TRANSTAB_BUS)
		fault = walk_tables(as, va, leaf);
	return fault;
}

/**
 * mali_as_error() - hold something against the driver: count it, and say so unless in a unit test
 * @as: where it was seen
 * @error: what it is
 * @leaf: what it is about
 */
void mali_as_error(struct mali_as *as, enum mali_error error, const struct mali_leaf *leaf)
{
	static const char * const names[MALI_ERR_COUNT] = {
		[MALI_ERR_STALE_TLB] = "stale TLB entry",
		[MALI_ERR_FREED_PAGE] = "freed page or table",
		[MALI_ERR_OUTSIDE] = "PTE leads outside of its object",
		[MALI_ERR_OUTLIVED] = "PTE has outlived its object",
	};

	as->errors[error]++;
	if (as->name)
		pr_err_ratelimited("%s: AS%u: %s: va %#llx pa %#llx size %#llx access %#x\n",
				   as->name, as->nr, names[error], leaf->va, leaf->pa,
				   leaf->size, leaf->access);
}

static struct mali_tlb_entry *tlb_entry(struct mali_as *as, u64 va)
{
	return &as->tlb[(va >> PAGE_SHIFT) % MALI_TLB_ENTRIES];
}

static bool tlb_hit(const struct mali_tlb_entry *entry, u64 va)
{
	return entry->valid && va - entry->leaf.va < entry->leaf.size;
}

static u64 leaf_pa(const struct mali_leaf *leaf, u64 va)
{
	return leaf->pa + (va - leaf->va);
}

/* Is there still time for the flush that follows the clearing of a PTE? */
static bool flush_may_come(struct mali_tlb_entry *entry)
{
	if (!entry->suspect)
		entry->suspect = jiffies | 1;
	return time_before(jiffies, entry->suspect + msecs_to_jiffies(FLUSH_MS));
}

/* Compare a hit with what the table says: true if the access has to wait for a flush. */
static bool tlb_check(struct mali_as *as, struct mali_tlb_entry *entry, u64 va, int fault,
		      const struct mali_leaf *leaf)
{
	const struct mali_leaf *old = &entry->leaf;

	if (!fault && leaf_pa(old, va) == leaf_pa(leaf, va) && !(old->access & ~leaf->access))
		return false;
	if (fault && flush_may_come(entry))
		return true;

	mali_as_error(as, MALI_ERR_STALE_TLB, old);
	entry->valid = false;
	return false;
}

/* Refuses what is not memory and, with a report, what nobody owns; looks twice as above. */
static int check_page(struct mali_as *as, u64 va, struct mali_leaf *leaf)
{
	int fault = 0;

	if (is_owned(leaf_pa(leaf, va)))
		return 0;
	fault = mali_as_walk(as, va, leaf);
	if (fault || is_owned(leaf_pa(leaf, va)))
		return fault;

	if (is_memory(leaf_pa(leaf, va)))
		mali_as_error(as, MALI_ERR_FREED_PAGE, leaf);
	return MALI_FAULT_TRANSTAB_BUS;
}

/* Return: as of mali_as_walk(), or -EAGAIN if a flush is awaited. */
static int translate(struct mali_as *as, u64 va, unsigned int access, struct mali_leaf *leaf)
{
	struct mali_tlb_entry *entry = tlb_entry(as, va);
	int fault = mali_as_walk(as, va, leaf);

	if (tlb_hit(entry, va)) {
		if (tlb_check(as, entry, va, fault, leaf))
			return -EAGAIN;
		as->tlb_hits++;
	} else {
		as->walks++;
	}

	if (fault == MALI_FAULT_TRANSTAB_BUS && is_memory(leaf->pa))
		mali_as_error(as, MALI_ERR_FREED_PAGE, leaf);
	if (!fault)
		fault = check_page(as, va, leaf);
	if (fault)
		return fault;

	*entry = (struct mali_tlb_entry) { .leaf = *leaf, .valid = true };
	return access & ~leaf->access ? MALI_FAULT_PERMISSION : 0;
}

/* Within one page, under one lock: a flush that returned has seen the end of it. */
static int access_piece(struct mali_as *as, u64 va, void *buf, size_t size, unsigned int access)
{
	struct mali_leaf leaf;
	void *memory;
	int fault;

	guard(raw_spinlock_irqsave)(&as->lock);
	fault = translate(as, va, access, &leaf);
	if (fault)
		return fault;

	memory = phys_to_virt(leaf_pa(&leaf, va));
	if (access & MALI_WRITE)
		memcpy(memory, buf, size);
	else
		memcpy(buf, memory, size);
	return 0;
}

/**
 * mali_as_access() - read or write GPU memory
 * @as: address space
 * @va: GPU virtual address
 * @buf: written from with MALI_WRITE, else read into
 * @size: bytes
 * @access: MALI_READ or MALI_WRITE, MALI_EXEC with it
 * @done: bytes that got through
 *
 * Sleeps where the TLB still has what the page table has not, until the driver flushes it.
 *
 * Return: 0, or AS_FAULTSTATUS's exception type of the fault at @va + @done.
 */
int mali_as_access(struct mali_as *as, u64 va, void *buf, size_t size, unsigned int access,
		   size_t *done)
{
	size_t piece;
	int fault;

	might_sleep();
	*done = 0;
	while (*done < size) {
		piece = min(size - *done, PAGE_SIZE - (size_t)offset_in_page(va + *done));
		fault = access_piece(as, va + *done, buf + *done, piece, access);
		if (fault > 0)
			return fault;
		if (fault)
			usleep_range(1000, 2000);
		else
			*done += piece;
	}
	return 0;
}

static bool overlaps(const struct mali_leaf *leaf, u64 start, u64 size)
{
	return size && (leaf->va - start < size || start - leaf->va < leaf->size);
}

/**
 * mali_as_flush() - drop what the TLB has of a region; waits for accesses under way
 * @as: address space
 * @start: of the region
 * @size: of the region; 0 for none, U64_MAX for all there is
 */
void mali_as_flush(struct mali_as *as, u64 start, u64 size)
{
	struct mali_tlb_entry *entry;

	guard(raw_spinlock_irqsave)(&as->lock);
	for (entry = as->tlb; entry < as->tlb + MALI_TLB_ENTRIES; entry++)
		if (overlaps(&entry->leaf, start, size))
			entry->valid = false;
}

/**
 * mali_as_update() - latch the registers of an address space, which forgets its translations
 * @as: address space
 * @transtab: AS_TRANSTAB
 * @transcfg: AS_TRANSCFG
 */
void mali_as_update(struct mali_as *as, u64 transtab, u64 transcfg)
{
	guard(raw_spinlock_irqsave)(&as->lock);
	as->transtab = transtab;
	as->transcfg = transcfg;
	memset(as->tlb, 0, sizeof(as->tlb));
}

/**
 * mali_as_init() - an address space that maps nothing
 * @as: address space, zeroed
 * @name: of the model, for reports; NULL in unit tests
 * @nr: its number
 */
void mali_as_init(struct mali_as *as, const char *name, unsigned int nr)
{
	raw_spin_lock_init(&as->lock);
	as->name = name;
	as->nr = nr;
	mali_as_update(as, 0, AS_TRANSCFG_ADRMODE_UNMAPPED);
}

/**
 * mali_as_next() - enumerate the entries of the page tables
 * @as: address space
 * @va: where to look from on; moved behind what was found
 * @leaf: the entry, the first that ends behind @va
 *
 * Takes the lock, so that tables which the driver unplugs from the GPU before it frees them can
 * be looked at meanwhile.
 *
 * Return: whether there was one.
 */
bool mali_as_next(struct mali_as *as, u64 *va, struct mali_leaf *leaf)
{
	int fault;

	do {
		scoped_guard(raw_spinlock_irqsave, &as->lock)
			fault = mali_as_walk(as, *va, leaf);
		*va = leaf->va + leaf->size;
	} while (fault && leaf->size);
	return !fault;
}
