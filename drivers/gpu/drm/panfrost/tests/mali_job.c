// SPDX-License-Identifier: GPL-2.0
/*
 * Job slots of the Mali model: chains of jobs run in a work of their slot. A GPU fault makes the
 * work wait until the driver has mended the page table, stopped the job, or taken the address
 * space away, and then goes on with the very access that faulted.
 */
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/sched.h>

#include "../panfrost_device.h"
#include "mali_model.h"

enum mali_job_type {
	MALI_JOB_NULL = 1,
	MALI_JOB_WRITE_VALUE,
	MALI_JOB_CACHE_FLUSH,
	MALI_JOB_COMPUTE,
	MALI_JOB_VERTEX,
	MALI_JOB_GEOMETRY,
	MALI_JOB_TILER,
	MALI_JOB_FUSED,
	MALI_JOB_FRAGMENT,
	MALI_JOB_INDEXED_VERTEX,
	MALI_JOB_MALLOC_VERTEX,
};

/* In memory, at a multiple of 64 bytes; the payload follows. */
struct mali_job_header {
	u32 status;
	u32 first_incomplete_task;
	u64 fault_pointer;
	u32 type;		/* bit 0: @next has 64 bits; bits 1 to 7: enum mali_job_type */
	u32 dependencies;
	u64 next;
};

#define MALI_JOBS_A_REST	512

#define MALI_JOB_64		BIT(0)
#define MALI_JOB_TYPE(word)	((word) >> 1 & 0x7f)

enum mali_value_type {
	MALI_VALUE_CYCLES = 1,
	MALI_VALUE_TIMESTAMP,
	MALI_VALUE_ZERO,
	MALI_VALUE_8,
	MALI_VALUE_16,
	MALI_VALUE_32,
	MALI_VALUE_64,
};

struct mali_write_value {
	u64 address;
	u32 type;
	u32 reserved;
	u64 value;
};

/* Behind the address of a tiler context, from v6 on, and behind that of its heap. */
#define MALI_TILER_HEAP		24
#define MALI_HEAP_BOTTOM	16

/* Of primitives in the heap: the model has none, but memory that they would be in is used. */
#define MALI_HEAP_USE		64

static bool mali_stopped(const struct mali_slot *slot)
{
	return READ_ONCE(slot->stop) > MALI_SOFT_STOP;
}

static u32 mali_access_type(unsigned int access)
{
	if (access & MALI_WRITE)
		return AS_FAULTSTATUS_ACCESS_TYPE_WRITE;
	if (access & MALI_EXEC)
		return AS_FAULTSTATUS_ACCESS_TYPE_EX;
	return AS_FAULTSTATUS_ACCESS_TYPE_READ;
}

/* Tells the driver. With another fault of this address space in hand it has to wait its turn. */
static bool mali_report_fault(struct mali_model *model, struct mali_space *space, u64 va,
			      int type, unsigned int access)
{
	/* Bits 0 to 15 are page faults, 16 to 31 bus faults. */
	unsigned int nr = space->as.nr, bus = (type & ~7) == MALI_FAULT_TRANSTAB_BUS ? 16 : 0;

	guard(spinlock_irqsave)(&model->lock);
	if (space->faulting)
		return false;

	space->faulting = true;
	space->fault_va = va;
	*mali_reg(model, AS_FAULTSTATUS(nr)) = type | mali_access_type(access);
	*mali_reg(model, AS_FAULTADDRESS_LO(nr)) = lower_32_bits(va);
	*mali_reg(model, AS_FAULTADDRESS_HI(nr)) = upper_32_bits(va);
	model->counters[MALI_FAULTS]++;
	mali_raise(model, MALI_IRQ_MMU, BIT(nr + bus));
	return true;
}

/* Whoever raised the fault takes it back if nobody needs it mended any more. */
static void mali_forget_fault(struct mali_model *model, struct mali_space *space)
{
	guard(spinlock_irqsave)(&model->lock);
	space->faulting = false;
	wake_up_all(&model->wait);
}

static int mali_wait_fault(struct mali_ctx *ctx, u64 va, int type, unsigned int access)
{
	struct mali_slot *slot = ctx->slot;
	struct mali_model *model = slot->model;
	struct mali_space *space = container_of(ctx->as, struct mali_space, as);
	bool mine = mali_report_fault(model, space, va, type, access);

	wait_event_idle(model->wait, !READ_ONCE(space->faulting) || mali_stopped(slot));
	if (mali_stopped(slot)) {
		if (mine)
			mali_forget_fault(model, space);
		return -EINTR;
	}
	if (mine) {
		guard(spinlock_irqsave)(&model->lock);
		model->counters[MALI_RETRIES]++;
	}
	return 0;
}

static int mali_copy(struct mali_ctx *ctx, u64 va, void *buf, size_t size, unsigned int access)
{
	size_t done;
	int type, ret;

	while (size) {
		if (ctx->slot && mali_stopped(ctx->slot))
			return -EINTR;
		type = mali_as_access(ctx->as, va, buf, size, access, &done);
		va += done;
		buf += done;
		size -= done;
		if (!type)
			continue;
		if (!ctx->slot)
			return -EFAULT;
		ret = mali_wait_fault(ctx, va, type, access);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * mali_read() - read GPU memory as a job does
 * @ctx: the job
 * @va: GPU virtual address
 * @buf: where to
 * @size: bytes
 *
 * Sleeps while the driver handles a fault.
 *
 * Returns: 0, or a negative errno if the job has to end.
 */
int mali_read(struct mali_ctx *ctx, u64 va, void *buf, size_t size)
{
	return mali_copy(ctx, va, buf, size, MALI_READ);
}

/**
 * mali_write() - write GPU memory as a job does
 * @ctx: the job
 * @va: GPU virtual address
 * @buf: what
 * @size: bytes
 *
 * Sleeps while the driver handles a fault.
 *
 * Returns: 0, or a negative errno if the job has to end.
 */
int mali_write(struct mali_ctx *ctx, u64 va, const void *buf, size_t size)
{
	return mali_copy(ctx, va, (void *)buf, size, MALI_WRITE);
}

static int mali_job_write_value(struct mali_ctx *ctx, u64 payload)
{
	struct mali_write_value job;
	size_t size = sizeof(job.value);
	int ret;

	ret = mali_read(ctx, payload, &job, sizeof(job));
	if (ret)
		return ret;

	switch (job.type) {
	case MALI_VALUE_CYCLES:
	case MALI_VALUE_TIMESTAMP:
		job.value = ktime_get_ns();
		break;
	case MALI_VALUE_ZERO:
		job.value = 0;
		break;
	case MALI_VALUE_8 ... MALI_VALUE_64:
		size = 1 << (job.type - MALI_VALUE_8);
		break;
	default:
		return -EINVAL;
	}
	return mali_write(ctx, job.address, &job.value, size);
}

/* Where a job's payload has the address of its tiler context; 0 if it has none. */
static unsigned int mali_tiler_pointer(const struct mali_ctx *ctx, unsigned int type)
{
	if (ctx->arch == 7 && (type == MALI_JOB_TILER || type == MALI_JOB_INDEXED_VERTEX))
		return 40;
	if (ctx->arch == 9 && type == MALI_JOB_MALLOC_VERTEX)
		return 24;
	return 0;
}

/* What a tiler does to its heap, which is how heaps grow: writes where the free part starts. */
static int mali_job_tiler(struct mali_ctx *ctx, unsigned int type, u64 payload)
{
	static const u8 primitives[MALI_HEAP_USE];
	unsigned int at = mali_tiler_pointer(ctx, type);
	u64 tiler, heap, bottom;
	int ret;

	if (!at)
		return 0;
	ret = mali_read(ctx, payload + at, &tiler, sizeof(tiler));
	if (!ret)
		ret = mali_read(ctx, tiler + MALI_TILER_HEAP, &heap, sizeof(heap));
	if (!ret)
		ret = mali_read(ctx, heap + MALI_HEAP_BOTTOM, &bottom, sizeof(bottom));
	return ret ?: mali_write(ctx, bottom, primitives, sizeof(primitives));
}

static int mali_job_fragment(struct mali_ctx *ctx, u64 payload)
{
	struct mali_model *model = ctx->slot->model;
	int ret = mali_fragment(ctx, payload);

	guard(spinlock_irqsave)(&model->lock);
	model->counters[MALI_TILES] += ctx->tiles;
	model->counters[MALI_PIXELS] += ctx->pixels;
	return ret;
}

static int mali_job_execute(struct mali_ctx *ctx, unsigned int type, u64 payload,
			    enum mali_counter *counter)
{
	switch (type) {
	case MALI_JOB_NULL:
		*counter = MALI_NULL;
		return 0;
	case MALI_JOB_WRITE_VALUE:
		*counter = MALI_WRITE_VALUE;
		return mali_job_write_value(ctx, payload);
	case MALI_JOB_FRAGMENT:
		*counter = MALI_FRAGMENT;
		return mali_job_fragment(ctx, payload);
	case MALI_JOB_CACHE_FLUSH ... MALI_JOB_FUSED:
	case MALI_JOB_INDEXED_VERTEX:
	case MALI_JOB_MALLOC_VERTEX:
		*counter = MALI_NOP;
		return mali_job_tiler(ctx, type, payload);
	}
	return -EINVAL;
}

static u32 mali_job_status(int ret)
{
	switch (ret) {
	case 0:
		return DRM_PANFROST_EXCEPTION_DONE;
	case -EINTR:
		return DRM_PANFROST_EXCEPTION_TERMINATED;
	case -EOPNOTSUPP:
	case -EINVAL:
		return DRM_PANFROST_EXCEPTION_DATA_INVALID_FAULT;
	}
	return DRM_PANFROST_EXCEPTION_JOB_BUS_FAULT;
}

/* One job of a chain; *next is 0 behind the last one. */
static int mali_job_run(struct mali_ctx *ctx, u64 va, u64 *next)
{
	struct mali_model *model = ctx->slot->model;
	struct mali_job_header header;
	enum mali_counter counter = MALI_NOP;
	u32 status;
	int ret;

	/* Descriptors are aligned to 64 bytes. */
	if (va % 64)
		return -EINVAL;
	ret = mali_read(ctx, va, &header, sizeof(header));
	if (ret)
		return ret;

	*next = header.type & MALI_JOB_64 ? header.next : lower_32_bits(header.next);
	ret = mali_job_execute(ctx, MALI_JOB_TYPE(header.type), va + sizeof(header), &counter);
	status = mali_job_status(ret);
	if (!ret || ret == -EINVAL || ret == -EOPNOTSUPP) {
		int err = mali_write(ctx, va, &status, sizeof(status));

		ret = ret ?: err;
	}
	if (!ret) {
		guard(spinlock_irqsave)(&model->lock);
		model->counters[MALI_JOBS]++;
		model->counters[counter]++;
	}
	return ret;
}

static void mali_set_head(struct mali_slot *slot, u64 va)
{
	struct mali_model *model = slot->model;

	guard(spinlock_irqsave)(&model->lock);
	*mali_reg(model, JS_HEAD_LO(slot->nr)) = lower_32_bits(va);
	*mali_reg(model, JS_HEAD_HI(slot->nr)) = upper_32_bits(va);
}

static void mali_start_next(struct mali_slot *slot);

static u32 mali_end_status(const struct mali_slot *slot, u32 status)
{
	/* Taken away from under it: whatever the job thought, its memory was gone. */
	if (status == DRM_PANFROST_EXCEPTION_TERMINATED && slot->stop == MALI_KILLED)
		return DRM_PANFROST_EXCEPTION_JOB_BUS_FAULT;
	return status;
}

/* Ends the current chain; the next one starts at once unless this one failed. */
static void mali_job_end(struct mali_slot *slot, u32 status, u64 tail)
{
	struct mali_model *model = slot->model;
	unsigned int nr = slot->nr;

	guard(spinlock_irqsave)(&model->lock);
	status = mali_end_status(slot, status);
	if (status == DRM_PANFROST_EXCEPTION_JOB_BUS_FAULT)
		model->counters[MALI_KILLS]++;
	slot->active = false;
	/* The registers are those of a GPU that has been reset. */
	if (model->resetting) {
		mali_reset(model);
		return;
	}

	*mali_reg(model, JS_STATUS(nr)) = status;
	*mali_reg(model, JS_TAIL_LO(nr)) = lower_32_bits(tail);
	*mali_reg(model, JS_TAIL_HI(nr)) = upper_32_bits(tail);
	slot->failed = status != DRM_PANFROST_EXCEPTION_DONE;
	mali_raise(model, MALI_IRQ_JOB,
		   slot->failed ? JOB_INT_MASK_ERR(nr) : JOB_INT_MASK_DONE(nr));
	mali_start_next(slot);
}

static void mali_slot_work(struct work_struct *work)
{
	struct mali_slot *slot = container_of(work, struct mali_slot, work);
	struct mali_model *model = slot->model;
	struct mali_ctx ctx = {
		.as = &model->spaces[slot->as].as,
		.slot = slot,
		.arch = model->arch,
	};
	u64 next = mali_reg64(model, JS_HEAD_LO(slot->nr)), va = next;
	unsigned int jobs = 0;
	int ret = 0;

	/* An endless chain is a legal one; hardware would not run it on our processor. */
	while (next && !ret) {
		if (!(++jobs % MALI_JOBS_A_REST))
			usleep_range(100, 200);
		va = next;
		mali_set_head(slot, va);
		ctx.tiles = 0;
		ctx.pixels = 0;
		ret = mali_job_run(&ctx, va, &next);
		if (!ret && next && READ_ONCE(slot->stop)) {
			mali_job_end(slot, DRM_PANFROST_EXCEPTION_STOPPED, next);
			return;
		}
	}
	mali_job_end(slot, mali_job_status(ret), va);
}

/* Called with the model's lock held: lets the chain in the registers *_NEXT be the current one. */
static void mali_start_next(struct mali_slot *slot)
{
	struct mali_model *model = slot->model;
	unsigned int nr = slot->nr;

	if (!slot->next || slot->active || slot->failed || model->resetting)
		return;

	memcpy(mali_reg(model, JS_HEAD_LO(nr)), mali_reg(model, JS_HEAD_NEXT_LO(nr)), sizeof(u64));
	memcpy(mali_reg(model, JS_AFFINITY_LO(nr)), mali_reg(model, JS_AFFINITY_NEXT_LO(nr)),
	       sizeof(u64));
	*mali_reg(model, JS_CONFIG(nr)) = *mali_reg(model, JS_CONFIG_NEXT(nr));
	*mali_reg(model, JS_COMMAND_NEXT(nr)) = JS_COMMAND_NOP;
	*mali_reg(model, JS_STATUS(nr)) = DRM_PANFROST_EXCEPTION_ACTIVE;
	slot->next = false;
	slot->active = true;
	slot->stop = MALI_RUN;
	slot->as = *mali_reg(model, JS_CONFIG(nr)) & (MALI_SPACES - 1);
	queue_work(model->job_wq, &slot->work);
}

static void mali_stop_slot(struct mali_slot *slot, enum mali_stop why)
{
	if (!slot->active || slot->stop >= why)
		return;
	slot->stop = why;
	wake_up_all(&slot->model->wait);
}

static void mali_slot_command(struct mali_slot *slot, u32 command)
{
	bool flag = *mali_reg(slot->model, JS_CONFIG(slot->nr)) & JS_CONFIG_JOB_CHAIN_FLAG;

	switch (command) {
	case JS_COMMAND_SOFT_STOP_0:
	case JS_COMMAND_HARD_STOP_0:
		if (flag)
			return;
		break;
	case JS_COMMAND_SOFT_STOP_1:
	case JS_COMMAND_HARD_STOP_1:
		if (!flag)
			return;
		break;
	}
	if (command == JS_COMMAND_NOP || command == JS_COMMAND_START)
		return;
	/* Odd commands are the hard ones. */
	mali_stop_slot(slot, command & 1 ? MALI_HARD_STOP : MALI_SOFT_STOP);
}

/**
 * mali_job_write() - a register of a job slot was written
 * @model: the model, locked
 * @slot: the slot's number
 * @reg: the register's offset in slot 0
 * @value: the value
 */
void mali_job_write(struct mali_model *model, unsigned int slot, unsigned int reg, u32 value)
{
	if (reg == JS_COMMAND(0)) {
		mali_slot_command(&model->slots[slot], value);
	} else if (reg == JS_COMMAND_NEXT(0)) {
		model->slots[slot].next = value == JS_COMMAND_START;
		mali_start_next(&model->slots[slot]);
	}
}

/**
 * mali_job_ack() - JOB_INT_CLEAR was written
 * @model: the model, locked
 * @bits: what was written
 *
 * That samples what the slots are doing, and lets a slot go on whose chain failed.
 */
void mali_job_ack(struct mali_model *model, u32 bits)
{
	unsigned int i;
	u32 state = 0;

	for (i = 0; i < MALI_SLOTS; i++) {
		struct mali_slot *slot = &model->slots[i];

		if (bits & JOB_INT_MASK_ERR(i))
			slot->failed = false;
		mali_start_next(slot);
		state |= slot->active ? BIT(i) : 0;
		state |= slot->next ? BIT(i + 16) : 0;
	}
	model->js_state = (model->js_state & ~bits) | (state & bits);
}

/**
 * mali_job_abort() - end what runs, at once
 * @model: the model, locked
 * @why: hard stop or kill
 * @as: only what runs in this address space; MALI_SPACES: everything
 */
void mali_job_abort(struct mali_model *model, enum mali_stop why, unsigned int as)
{
	unsigned int i;

	for (i = 0; i < MALI_SLOTS; i++)
		if (as == MALI_SPACES || model->slots[i].as == as)
			mali_stop_slot(&model->slots[i], why);
}

/**
 * mali_job_active() - does any slot run a chain?
 * @model: the model, locked
 *
 * Returns: true if one does; otherwise nothing is left of what was, or was to be, run.
 */
bool mali_job_active(struct mali_model *model)
{
	unsigned int i;

	for (i = 0; i < MALI_SLOTS; i++)
		if (model->slots[i].active)
			return true;
	for (i = 0; i < MALI_SLOTS; i++) {
		model->slots[i].next = false;
		model->slots[i].failed = false;
	}
	return false;
}

/**
 * mali_job_init() - make the slots
 * @model: the model
 */
void mali_job_init(struct mali_model *model)
{
	unsigned int i;

	for (i = 0; i < MALI_SLOTS; i++) {
		model->slots[i].model = model;
		model->slots[i].nr = i;
		INIT_WORK(&model->slots[i].work, mali_slot_work);
	}
}
