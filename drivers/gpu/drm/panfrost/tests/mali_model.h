/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of Mali's registers, MMU and job manager for User Mode Linux: what panfrost needs to
 * probe, map, submit, fault and reset without the hardware. See mali_model.c.
 */
#ifndef _MALI_MODEL_H_
#define _MALI_MODEL_H_

#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../panfrost_regs.h"
#include "mali_mmu.h"

struct mali_model;
struct mali_slot;

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
