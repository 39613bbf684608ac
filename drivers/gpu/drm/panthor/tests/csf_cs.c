// SPDX-License-Identifier: GPL-2.0
/*
 * The command streams of the CSF model: instructions that move, load, store, call and signal. Each
 * access goes through the page tables of the group, so that what a test stores from the GPU and
 * reads with the CPU tells whether both see the same memory. Nothing is drawn or computed; an
 * instruction that is not here is fatal for its stream, with a line in the log.
 */
#include <linux/bitfield.h>
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/printk.h>

#include "../panthor_device.h"
#include "../panthor_mmu_regs.h"
#include "csf_model.h"

enum csf_opcode {
	CSF_NOP			= 0,
	CSF_MOVE48		= 1,
	CSF_MOVE32		= 2,
	CSF_WAIT		= 3,
	CSF_ADD_IMM32		= 16,
	CSF_ADD_IMM64		= 17,
	CSF_LOAD_MULTIPLE	= 20,
	CSF_STORE_MULTIPLE	= 21,
	CSF_CALL		= 32,
	CSF_FLUSH_CACHE2	= 36,
	CSF_STORE_STATE		= 40,
	CSF_ERROR_BARRIER	= 47,
	CSF_SYNC_ADD64		= 51,
	CSF_SYNC_SET64		= 52,
};

/* Fields of an instruction. */
#define INSTR_OPCODE	GENMASK_ULL(63, 56)
#define INSTR_REG	GENMASK_ULL(55, 48)
#define INSTR_ADDR	GENMASK_ULL(47, 40)
#define INSTR_VALUE	GENMASK_ULL(39, 32)
#define INSTR_STATE	GENMASK_ULL(39, 32)
#define INSTR_IMM48	GENMASK_ULL(47, 0)
#define INSTR_IMM32	GENMASK_ULL(31, 0)
#define INSTR_MASK	GENMASK_ULL(31, 16)
#define INSTR_OFFSET	GENMASK_ULL(15, 0)

/* What STORE_STATE stores. */
#define STATE_TIMESTAMP		0
#define STATE_CYCLE_COUNT	1

/* An instruction that is under way. */
struct csf_ctx {
	struct csf_group *group;
	struct csf_stream *stream;
	struct mali_as *as;
	u64 instr;
};

static void count(struct csf_group *group, enum csf_counter counter)
{
	guard(spinlock_irqsave)(&group->model->lock);
	group->model->counters[counter]++;
}

/* Where a register pair leads that may lie behind the last. */
static u32 *reg(struct csf_ctx *ctx, unsigned int nr)
{
	return &ctx->stream->regs[nr % CSF_REGS];
}

static u64 reg64(struct csf_ctx *ctx, unsigned int nr)
{
	return *reg(ctx, nr) | (u64)*reg(ctx, nr + 1) << 32;
}

static void set_reg64(struct csf_ctx *ctx, unsigned int nr, u64 value)
{
	*reg(ctx, nr) = lower_32_bits(value);
	*reg(ctx, nr + 1) = upper_32_bits(value);
}

/* 0, or -EFAULT once the driver has been told. */
static int cs_access(struct csf_ctx *ctx, u64 va, void *buf, size_t size, unsigned int access)
{
	struct csf_model *model = ctx->group->model;
	unsigned int nr = ctx->as->nr, before, unlocks;
	size_t done;
	int fault;

	do {
		while (csf_is_locked(model, nr, va, &before))
			usleep_range(1000, 2000);
		fault = mali_as_access(ctx->as, va, buf, size, access, &done);
		if (!fault)
			return 0;
		/* A fault while tables are changed is none. */
	} while (csf_is_locked(model, nr, va + done, &unlocks) || unlocks != before);

	csf_mmu_fault(model, nr, va + done, fault | (access & MALI_WRITE ?
						     AS_FAULTSTATUS_ACCESS_TYPE_WRITE :
						     AS_FAULTSTATUS_ACCESS_TYPE_READ));
	return -EFAULT;
}

static int cs_move(struct csf_ctx *ctx)
{
	unsigned int nr = FIELD_GET(INSTR_REG, ctx->instr);

	if (FIELD_GET(INSTR_OPCODE, ctx->instr) == CSF_MOVE48)
		set_reg64(ctx, nr, FIELD_GET(INSTR_IMM48, ctx->instr));
	else
		*reg(ctx, nr) = FIELD_GET(INSTR_IMM32, ctx->instr);
	return 0;
}

static int cs_add(struct csf_ctx *ctx)
{
	unsigned int nr = FIELD_GET(INSTR_REG, ctx->instr);
	unsigned int from = FIELD_GET(INSTR_ADDR, ctx->instr);
	s32 value = FIELD_GET(INSTR_IMM32, ctx->instr);

	if (FIELD_GET(INSTR_OPCODE, ctx->instr) == CSF_ADD_IMM64)
		set_reg64(ctx, nr, reg64(ctx, from) + value);
	else
		*reg(ctx, nr) = *reg(ctx, from) + value;
	return 0;
}

static int cs_load_store(struct csf_ctx *ctx, unsigned int access)
{
	u64 va = reg64(ctx, FIELD_GET(INSTR_ADDR, ctx->instr));
	unsigned int nr = FIELD_GET(INSTR_REG, ctx->instr), i;
	unsigned long mask = FIELD_GET(INSTR_MASK, ctx->instr);
	int ret;

	va += (s16)FIELD_GET(INSTR_OFFSET, ctx->instr);
	for_each_set_bit(i, &mask, 16) {
		ret = cs_access(ctx, va + i * sizeof(u32), reg(ctx, nr + i), sizeof(u32), access);
		if (ret)
			return ret;
	}
	count(ctx->group, access == MALI_WRITE ? CSF_STORES : CSF_LOADS);
	return 0;
}

/* One level is what panthor needs: user space's stream is called from the ring buffer. */
static int cs_call(struct csf_ctx *ctx)
{
	u64 va = reg64(ctx, FIELD_GET(INSTR_ADDR, ctx->instr));
	u32 size = *reg(ctx, FIELD_GET(INSTR_VALUE, ctx->instr));

	if (ctx->stream->left || size % sizeof(u64))
		return -EINVAL;
	ctx->stream->pc = va;
	ctx->stream->left = size;
	count(ctx->group, CSF_CALLS);
	return 0;
}

static int cs_store_state(struct csf_ctx *ctx)
{
	u64 va = reg64(ctx, FIELD_GET(INSTR_ADDR, ctx->instr)), now = ktime_get_ns();
	unsigned int state = FIELD_GET(INSTR_STATE, ctx->instr);

	if (state != STATE_TIMESTAMP && state != STATE_CYCLE_COUNT)
		return -EINVAL;
	va += (s16)FIELD_GET(INSTR_OFFSET, ctx->instr);
	return cs_access(ctx, va, &now, sizeof(now), MALI_WRITE);
}

static int cs_sync(struct csf_ctx *ctx)
{
	u64 va = reg64(ctx, FIELD_GET(INSTR_ADDR, ctx->instr));
	u64 value = reg64(ctx, FIELD_GET(INSTR_VALUE, ctx->instr)), old = 0;
	int ret = 0;

	if (FIELD_GET(INSTR_OPCODE, ctx->instr) == CSF_SYNC_ADD64)
		ret = cs_access(ctx, va, &old, sizeof(old), MALI_READ);
	value += old;
	if (!ret)
		ret = cs_access(ctx, va, &value, sizeof(value), MALI_WRITE);
	if (ret)
		return ret;
	count(ctx->group, CSF_SYNCS);
	csf_fw_event(ctx->group, CSG_SYNC_UPDATE);
	return 0;
}

/* Each ends before the next begins, so there is nothing to be waited for. */
static int cs_execute(struct csf_ctx *ctx)
{
	switch (FIELD_GET(INSTR_OPCODE, ctx->instr)) {
	case CSF_NOP:
	case CSF_WAIT:
	case CSF_FLUSH_CACHE2:
	case CSF_ERROR_BARRIER:
		return 0;
	case CSF_MOVE48:
	case CSF_MOVE32:
		return cs_move(ctx);
	case CSF_ADD_IMM32:
	case CSF_ADD_IMM64:
		return cs_add(ctx);
	case CSF_LOAD_MULTIPLE:
		return cs_load_store(ctx, MALI_READ);
	case CSF_STORE_MULTIPLE:
		return cs_load_store(ctx, MALI_WRITE);
	case CSF_CALL:
		return cs_call(ctx);
	case CSF_STORE_STATE:
		return cs_store_state(ctx);
	case CSF_SYNC_ADD64:
	case CSF_SYNC_SET64:
		return cs_sync(ctx);
	}
	pr_err_ratelimited("csf-model: instruction %016llx is not modelled\n", ctx->instr);
	return -EINVAL;
}

/* What driver and firmware tell each other of a ring buffer is in the MCU's address space. */
static int ring_access(struct csf_group *group, u64 va, u64 *value, unsigned int access)
{
	size_t done;
	int fault = mali_as_access(&group->model->spaces[0].as, va, value, sizeof(*value), access,
				   &done);

	if (fault)
		pr_err_ratelimited("csf-model: ring buffer at %#llx: fault %#x\n", va, fault);
	return fault;
}

static u64 ring_insert(struct csf_group *group, unsigned int nr)
{
	u64 va = csf_fw_cs_input(group, nr)->ringbuf_input, insert = 0;

	va += offsetof(struct panthor_fw_ringbuf_input_iface, insert);
	if (ring_access(group, va, &insert, MALI_READ))
		return group->streams[nr].extract;
	return insert;
}

/**
 * csf_stream_empty() - whether all that was put into the ring buffer has been run
 * @group: its group
 * @nr: its number
 *
 * Return: true if so, or if nothing can be run any more.
 */
bool csf_stream_empty(struct csf_group *group, unsigned int nr)
{
	struct csf_stream *stream = &group->streams[nr];

	if (!stream->started || stream->failed)
		return true;
	return !stream->left && stream->extract == ring_insert(group, nr);
}

/**
 * csf_stream_start() - take over where the driver says that its ring buffer was left
 * @group: its group
 * @nr: its number
 *
 * Return: whether that could be read.
 */
bool csf_stream_start(struct csf_group *group, unsigned int nr)
{
	u64 va = csf_fw_cs_input(group, nr)->ringbuf_input;

	va += offsetof(struct panthor_fw_ringbuf_input_iface, extract);
	return !ring_access(group, va, &group->streams[nr].extract, MALI_READ);
}

static int cs_fetch(struct csf_ctx *ctx, const struct panthor_fw_cs_input_iface *in)
{
	struct csf_stream *stream = ctx->stream;
	u64 va = stream->pc;

	if (!stream->left)
		va = in->ringbuf_base + stream->extract % in->ringbuf_size;
	return cs_access(ctx, va, &ctx->instr, sizeof(ctx->instr), MALI_READ);
}

/* The driver looks at this to see whether it is done, so not before the instruction is. */
static void cs_advance(struct csf_ctx *ctx, const struct panthor_fw_cs_input_iface *in,
		       bool called)
{
	struct csf_stream *stream = ctx->stream;
	u64 va = in->ringbuf_output + offsetof(struct panthor_fw_ringbuf_output_iface, extract);

	if (called) {
		stream->pc += sizeof(ctx->instr);
		stream->left -= sizeof(ctx->instr);
		return;
	}
	stream->extract += sizeof(ctx->instr);
	ring_access(ctx->group, va, &stream->extract, MALI_WRITE);
}

/**
 * csf_stream_step() - run one instruction
 * @group: its group
 * @nr: its number
 *
 * Return: whether there was one.
 */
bool csf_stream_step(struct csf_group *group, unsigned int nr)
{
	struct csf_stream *stream = &group->streams[nr];
	const struct panthor_fw_cs_input_iface *in = csf_fw_cs_input(group, nr);
	struct csf_ctx ctx = {
		.group = group, .stream = stream, .as = &group->model->spaces[group->as].as,
	};
	bool called = stream->left;
	int ret;

	if (csf_stream_empty(group, nr))
		return false;
	ret = cs_fetch(&ctx, in);
	if (!ret)
		ret = cs_execute(&ctx);
	if (ret) {
		stream->failed = true;
		if (ret == -EINVAL)
			csf_fw_fatal(group, nr, DRM_PANTHOR_EXCEPTION_CS_INSTR_INVALID, ctx.instr);
		return false;
	}
	count(group, CSF_INSTRUCTIONS);
	cs_advance(&ctx, in, called);
	return true;
}
