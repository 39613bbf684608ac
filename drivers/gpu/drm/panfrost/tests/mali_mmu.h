/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The MMU of the modelled Malis: a walker of page tables and a shadow TLB. See mali_mmu.c. It knows
 * no registers, so that the models of panfrost's and of panthor's GPUs share it.
 */
#ifndef _MALI_MMU_H_
#define _MALI_MMU_H_

#include <linux/bits.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/* Access flags of a translation, as the page table grants them and as an access asks for them. */
#define MALI_READ	BIT(0)
#define MALI_WRITE	BIT(1)
#define MALI_EXEC	BIT(2)

/* AS_FAULTSTATUS: exception types (the low byte), the level of the walk added to the first. */
#define MALI_FAULT_TRANSLATION	0xc0
#define MALI_FAULT_PERMISSION	0xc8
#define MALI_FAULT_TRANSTAB_BUS	0xd0

/* What the model holds against the driver: counted, printed, and failed on by the tests. */
enum mali_error {
	MALI_ERR_STALE_TLB,	/* an entry was used that the page table no longer has */
	MALI_ERR_FREED_PAGE,	/* the GPU touched a page, or walked a table, that nobody owns */
	MALI_ERR_OUTSIDE,	/* a PTE leads where its object's list does not */
	MALI_ERR_OUTLIVED,	/* a PTE that belongs to no object */
	MALI_ERR_COUNT
};

/**
 * struct mali_leaf - one valid entry of a page table, or a stretch of equal ones
 * @va: GPU virtual address it starts at
 * @pa: physical address, which is what User Mode Linux's DMA addresses are
 * @size: bytes that it maps: SZ_4K, SZ_2M or SZ_1G
 * @access: MALI_READ, MALI_WRITE, MALI_EXEC
 */
struct mali_leaf {
	u64 va;
	u64 pa;
	u64 size;
	unsigned int access;
};

/* A power of two: entry of an address is its page number modulo this. */
#define MALI_TLB_ENTRIES	256

struct mali_tlb_entry {
	struct mali_leaf leaf;
	bool valid;
	/* jiffies of the first hit that found the page table without it; 0 if none did */
	unsigned long suspect;
};

/**
 * struct mali_as - one address space
 * @name: of the model, for reports; NULL in unit tests
 * @nr: its number
 * @lock: held over each access, so that a flush waits for those under way; raw, as registers are
 *	written with spinlocks held and in hard interrupts
 * @transtab: root of the page table, as latched by AS_COMMAND_UPDATE
 * @transcfg: its format: AArch64 4K, Mali LPAE ("legacy"), or unmapped
 * @tlb: the shadow TLB
 * @errors: enum mali_error, counted
 * @tlb_hits: accesses that found their translation in @tlb
 * @walks: accesses that walked the page table
 */
struct mali_as {
	const char *name;
	unsigned int nr;
	raw_spinlock_t lock;
	u64 transtab;
	u64 transcfg;
	struct mali_tlb_entry tlb[MALI_TLB_ENTRIES];
	unsigned int errors[MALI_ERR_COUNT];
	u64 tlb_hits;
	u64 walks;
};

/* mali_mmu.c */
void mali_as_init(struct mali_as *as, const char *name, unsigned int nr);
void mali_as_update(struct mali_as *as, u64 transtab, u64 transcfg);
void mali_as_flush(struct mali_as *as, u64 start, u64 size);
int mali_as_walk(const struct mali_as *as, u64 va, struct mali_leaf *leaf);
int mali_as_access(struct mali_as *as, u64 va, void *buf, size_t size, unsigned int access,
		   size_t *done);
bool mali_as_next(struct mali_as *as, u64 *va, struct mali_leaf *leaf);
void mali_as_error(struct mali_as *as, enum mali_error error, const struct mali_leaf *leaf);

#endif
