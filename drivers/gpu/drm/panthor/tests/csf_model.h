/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of a Mali with a command stream frontend (CSF) for User Mode Linux: registers, MMU and
 * microcontroller (MCU), which is what panthor needs to probe, map, submit and reset. See
 * csf_model.c.
 */
#ifndef _CSF_MODEL_H_
#define _CSF_MODEL_H_

#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "../../panfrost/tests/mali_mmu.h"
#include "../panthor_fw.h"

struct csf_model;
struct irq_domain;

/* What the modelled firmware offers: groups, and command streams in each. */
#define CSF_GROUPS	4
#define CSF_STREAMS	8
#define CSF_REGS	96
#define CSF_SPACES	8

/* The region that firmware and driver share: where it is for the MCU, and how much is used. */
#define CSF_SHARED_VA	0x04000000
#define CSF_SHARED_SIZE	SZ_64K

/**
 * struct csf_stream - a command stream
 * @regs: its registers
 * @extract: how far the ring buffer was read, in bytes
 * @pc: next instruction of what was called
 * @left: bytes of that; 0 if the next instruction comes from the ring buffer
 * @started: CS_STATE_START
 * @failed: nothing is run any more, after a fault
 */
struct csf_stream {
	u32 regs[CSF_REGS];
	u64 extract;
	u64 pc;
	u64 left;
	bool started;
	bool failed;
};

/**
 * struct csf_group - a slot for a group of command streams
 * @model: whose it is
 * @nr: its number
 * @work: runs the streams
 * @busy: @work is at it: a stop has to wait
 * @running: CSG_STATE_START or CSG_STATE_RESUME
 * @idle: the driver was told that there is nothing to do
 * @as: address space of the streams
 * @streams: the streams
 */
struct csf_group {
	struct csf_model *model;
	unsigned int nr;
	struct work_struct work;
	bool busy;
	bool running;
	bool idle;
	unsigned int as;
	struct csf_stream streams[CSF_STREAMS];
};

/**
 * struct csf_space - the registers of an address space
 * @as: its tables and TLB
 * @lock_start: region that AS_COMMAND_LOCK took, where accesses wait
 * @lock_size: 0 if it took none
 * @unlocks: counts what may mend a fault
 */
struct csf_space {
	struct mali_as as;
	u64 lock_start;
	u64 lock_size;
	unsigned int unlocks;
};

/* One of the three interrupts: its line is asserted while raw & mask is not 0. */
struct csf_irq {
	u32 raw;
	u32 mask;
};

enum csf_irq_nr { CSF_IRQ_JOB, CSF_IRQ_MMU, CSF_IRQ_GPU, CSF_IRQS };

enum csf_counter {
	CSF_BOOTS,
	CSF_INSTRUCTIONS,
	CSF_CALLS,
	CSF_LOADS,
	CSF_STORES,
	CSF_SYNCS,
	CSF_FAULTS,
	CSF_RESETS,
	CSF_FLUSHES,
	CSF_COUNTERS
};

/* What lies above is doorbells and pages for user space. */
#define CSF_REGS_SIZE	0x4000

/**
 * struct csf_model - the one GPU there is
 * @lock: protects everything below but @spaces[].as; taken in hard interrupts
 * @regs: registers that just keep what was written, and those that never change
 * @irq: the three interrupts
 * @domain: where their numbers come from
 * @wq: asserts the lines
 * @cs_wq: runs the groups; they must not take the processor from what they wait for
 * @irq_work: asserts the lines
 * @resetting: a reset waits for the groups
 * @shared: the pages of the shared region, while the firmware runs
 * @booted: the firmware runs
 * @groups: group slots
 * @spaces: address spaces; that of the MCU is the first
 * @flush_id: CSF_GPU_LATEST_FLUSH_ID
 * @counters: enum csf_counter
 */
struct csf_model {
	/* taken in hard interrupts, as registers are; see above */
	spinlock_t lock;
	u32 regs[CSF_REGS_SIZE / sizeof(u32)];
	struct csf_irq irq[CSF_IRQS];
	struct irq_domain *domain;
	struct workqueue_struct *wq;
	struct workqueue_struct *cs_wq;
	struct work_struct irq_work;
	bool resetting;
	void *shared[CSF_SHARED_SIZE / PAGE_SIZE];
	bool booted;
	struct csf_group groups[CSF_GROUPS];
	struct csf_space spaces[CSF_SPACES];
	u32 flush_id;
	u64 counters[CSF_COUNTERS];
};

static inline u32 *csf_reg(struct csf_model *model, unsigned int offset)
{
	return &model->regs[offset / sizeof(u32)];
}

static inline u64 csf_reg64(struct csf_model *model, unsigned int offset)
{
	return *csf_reg(model, offset) | (u64)*csf_reg(model, offset + 4) << 32;
}

/* csf_model.c */
void csf_raise(struct csf_model *model, enum csf_irq_nr nr, u32 bits);
void csf_reset(struct csf_model *model);
bool csf_is_locked(struct csf_model *model, unsigned int as, u64 va, unsigned int *unlocks);
void csf_mmu_fault(struct csf_model *model, unsigned int as, u64 va, u32 status);

/* csf_fw.c */
void csf_fw_init(struct csf_model *model);
bool csf_fw_boot(struct csf_model *model);
void csf_fw_stop(struct csf_model *model);
void csf_fw_doorbell(struct csf_model *model, unsigned int nr);
struct panthor_fw_cs_input_iface *csf_fw_cs_input(struct csf_group *group, unsigned int nr);
void csf_fw_event(struct csf_group *group, u32 event);
void csf_fw_fatal(struct csf_group *group, unsigned int nr, u32 exception, u64 info);

/* csf_cs.c */
bool csf_stream_start(struct csf_group *group, unsigned int nr);
bool csf_stream_step(struct csf_group *group, unsigned int nr);
bool csf_stream_empty(struct csf_group *group, unsigned int nr);

#endif
