/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of Mali's registers, MMU and job manager for User Mode Linux: what panfrost needs to
 * probe, map, submit, fault and reset without the hardware. See mali_model.c.
 */
#ifndef _MALI_MODEL_H_
#define _MALI_MODEL_H_

#include <linux/bits.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../panfrost_regs.h"

struct mali_model;
struct mali_slot;

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
 * @model: for reports; NULL in unit tests
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
	struct mali_model *model;
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
void mali_as_init(struct mali_as *as, struct mali_model *model, unsigned int nr);
void mali_as_update(struct mali_as *as, u64 transtab, u64 transcfg);
void mali_as_flush(struct mali_as *as, u64 start, u64 size);
int mali_as_walk(const struct mali_as *as, u64 va, struct mali_leaf *leaf);
int mali_as_access(struct mali_as *as, u64 va, void *buf, size_t size, unsigned int access,
		   size_t *done);
bool mali_as_next(struct mali_as *as, u64 *va, struct mali_leaf *leaf);
void mali_as_error(struct mali_as *as, enum mali_error error, const struct mali_leaf *leaf);

/* Job slots and address spaces: what each of the modelled parts has. */
#define MALI_SLOTS	3
#define MALI_SPACES	8

/* Why a slot's job has to end before its chain does. */
enum mali_stop {
	MALI_RUN,
	MALI_SOFT_STOP,		/* at the next job of the chain */
	MALI_HARD_STOP,		/* at once */
	MALI_KILLED,		/* its address space was taken away */
};

/**
 * struct mali_slot - one job slot
 * @model: whose it is
 * @nr: its number
 * @work: runs the current chain
 * @active: there is a current chain
 * @next: a chain waits in the registers *_NEXT
 * @failed: the last chain failed and the driver has not yet cleared that interrupt: nothing starts
 * @stop: what the current chain was told
 * @as: the address space that the current chain runs in
 */
struct mali_slot {
	struct mali_model *model;
	unsigned int nr;
	struct work_struct work;
	bool active;
	bool next;
	bool failed;
	enum mali_stop stop;
	unsigned int as;
};

/**
 * struct mali_space - the registers of an address space
 * @as: its tables and TLB
 * @lock_start: region that AS_COMMAND_LOCK took
 * @lock_size: 0 if it took none
 * @fault_va: what faulted
 * @faulting: a job waits for the driver to mend @fault_va
 */
struct mali_space {
	struct mali_as as;
	u64 lock_start;
	u64 lock_size;
	u64 fault_va;
	bool faulting;
};

/* One of the three interrupts: its line is asserted while raw & mask is not 0. */
struct mali_irq {
	u32 raw;
	u32 mask;
};

enum mali_irq_nr { MALI_IRQ_JOB, MALI_IRQ_MMU, MALI_IRQ_GPU, MALI_IRQS };

enum mali_counter {
	MALI_JOBS,
	MALI_NULL,
	MALI_WRITE_VALUE,
	MALI_FRAGMENT,
	MALI_NOP,
	MALI_FAULTS,
	MALI_RETRIES,
	MALI_KILLS,
	MALI_RESETS,
	MALI_FLUSHES,
	MALI_TILES,
	MALI_PIXELS,
	MALI_COUNTERS
};

#define MALI_REGS_SIZE	0x4000

/**
 * struct mali_model - the one GPU there is
 * @lock: protects everything below but @spaces[].as; taken in hard interrupts
 * @regs: registers that just keep what was written, and those that never change
 * @irq: the three interrupts
 * @domain: where their numbers come from
 * @wq: runs the works below
 * @job_wq: runs those of the slots; they must not take the processor from what they wait for
 * @irq_work: asserts the lines
 * @resetting: a reset is under way: nothing may start
 * @wait: jobs that wait for a fault to be mended
 * @slots: job slots
 * @spaces: address spaces
 * @js_state: JOB_INT_JS_STATE, sampled when JOB_INT_CLEAR is written
 * @flush_id: GPU_LATEST_FLUSH_ID
 * @counters: enum mali_counter
 * @arch: 5 for Midgard's T860, 7 for G52, 9 for G57
 */
struct mali_model {
	/* taken in hard interrupts, as registers are; see above */
	spinlock_t lock;
	u32 regs[MALI_REGS_SIZE / sizeof(u32)];
	struct mali_irq irq[MALI_IRQS];
	struct irq_domain *domain;
	struct workqueue_struct *wq;
	struct workqueue_struct *job_wq;
	struct work_struct irq_work;
	bool resetting;
	wait_queue_head_t wait;
	struct mali_slot slots[MALI_SLOTS];
	struct mali_space spaces[MALI_SPACES];
	u32 js_state;
	u32 flush_id;
	u64 counters[MALI_COUNTERS];
	unsigned int arch;
};

static inline u32 *mali_reg(struct mali_model *model, unsigned int offset)
{
	return &model->regs[offset / sizeof(u32)];
}

static inline u64 mali_reg64(struct mali_model *model, unsigned int offset)
{
	return *mali_reg(model, offset) | (u64)*mali_reg(model, offset + 4) << 32;
}

/* mali_model.c */
struct mali_model *mali_model_get(void);
void mali_raise(struct mali_model *model, enum mali_irq_nr nr, u32 bits);
void mali_reset(struct mali_model *model);

/* mali_job.c */
void mali_job_init(struct mali_model *model);
void mali_job_write(struct mali_model *model, unsigned int slot, unsigned int reg, u32 value);
void mali_job_ack(struct mali_model *model, u32 bits);
void mali_job_abort(struct mali_model *model, enum mali_stop why, unsigned int as);
bool mali_job_active(struct mali_model *model);

/**
 * struct mali_ctx - what a running job may do
 * @as: the address space that it runs in
 * @slot: where it runs; NULL in unit tests, in which a fault is the end of an access
 * @arch: layout of its descriptors: 5, 7 or 9
 * @tiles: what a FRAGMENT job covered
 * @pixels: what it wrote
 */
struct mali_ctx {
	struct mali_as *as;
	struct mali_slot *slot;
	unsigned int arch;
	u64 tiles;
	u64 pixels;
};

/* mali_job.c: 0, or a negative errno that ends the job: stopped, reset, killed by a fault. */
int mali_read(struct mali_ctx *ctx, u64 va, void *buf, size_t size);
int mali_write(struct mali_ctx *ctx, u64 va, const void *buf, size_t size);

/* mali_fragment.c */
int mali_fragment(struct mali_ctx *ctx, u64 payload);

#endif
