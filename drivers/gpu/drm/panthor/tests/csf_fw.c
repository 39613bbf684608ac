// SPDX-License-Identifier: GPL-2.0
/*
 * The firmware of the CSF model, as far as the driver can tell. The MCU does not run code: at boot
 * it looks through the page tables of its address space for an image that says which interface it
 * is to speak, fills in the shared region, and answers requests when a doorbell rings.
 *
 * It answers within the register access that rings, as the driver may wait with interrupts off.
 * Only a group that is in the midst of an instruction keeps its driver waiting.
 */
#include <linux/io.h>
#include <linux/printk.h>

#include "../panthor_fw_regs.h"
#include "csf_model.h"

/* What the image begins with, at the MCU's address 0: a magic number and a version. */
#define IMAGE_MAGIC	0x4d465343
#define IMAGE_VERSION	4

/* Offsets in the shared region. Those of the control blocks of groups and streams are ABI. */
#define GLB_INPUT		0x2000
#define GLB_OUTPUT		0x2800
#define GROUP_CONTROL		0x1000
#define GROUP_STRIDE		0x100
#define STREAM_CONTROL		0x40
#define STREAM_STRIDE		0x10
#define GROUP_PAGES(nr)		(0x4000 + (nr) * 0x2000)
#define GROUP_INPUT(nr)		GROUP_PAGES(nr)
#define GROUP_OUTPUT(nr)	(GROUP_PAGES(nr) + 0x200)
#define STREAM_INPUT(nr, s)	(GROUP_PAGES(nr) + 0x400 + (s) * 0x100)
#define STREAM_OUTPUT(nr, s)	(GROUP_PAGES(nr) + 0x1000 + (s) * 0x100)

#define STREAM_FEATURES		((CSF_REGS - 1) | 8 << 8 | CS_FEATURES_COMPUTE | \
				 CS_FEATURES_FRAGMENT | CS_FEATURES_TILER)

static_assert(GROUP_PAGES(CSF_GROUPS) <= CSF_SHARED_SIZE);
static_assert(GROUP_CONTROL + CSF_GROUPS * GROUP_STRIDE <= GLB_INPUT);
static_assert(STREAM_CONTROL + CSF_STREAMS * STREAM_STRIDE <= GROUP_STRIDE);
static_assert(sizeof(struct panthor_fw_cs_input_iface) <= 0x100);
static_assert(sizeof(struct panthor_fw_cs_output_iface) <= 0x100);

static void *shared(struct csf_model *model, unsigned int offset)
{
	return model->shared[offset >> PAGE_SHIFT] + offset_in_page(offset);
}

static struct panthor_fw_csg_input_iface *group_input(struct csf_group *group)
{
	return shared(group->model, GROUP_INPUT(group->nr));
}

static struct panthor_fw_csg_output_iface *group_output(struct csf_group *group)
{
	return shared(group->model, GROUP_OUTPUT(group->nr));
}

/**
 * csf_fw_cs_input() - what the driver says of a stream
 * @group: its group, of firmware that runs
 * @nr: its number
 *
 * Return: the block in the shared region.
 */
struct panthor_fw_cs_input_iface *csf_fw_cs_input(struct csf_group *group, unsigned int nr)
{
	return shared(group->model, STREAM_INPUT(group->nr, nr));
}

static struct panthor_fw_cs_output_iface *cs_output(struct csf_group *group, unsigned int nr)
{
	return shared(group->model, STREAM_OUTPUT(group->nr, nr));
}

/* For a request, @mask of @ack becomes that of @req. Return: whether that changed something. */
static bool acknowledge(u32 *ack, u32 req, u32 mask)
{
	u32 value = (*ack & ~mask) | (req & mask);
	bool changed = value != *ack;

	WRITE_ONCE(*ack, value);
	return changed;
}

/* An event is an @ack that differs from what the driver has in @req. */
static bool notify(u32 *ack, u32 req, u32 event)
{
	return acknowledge(ack, ~req, event);
}

/*
 * Boot
 */

/* Where the MCU has something, which it does not read across pages; NULL if it cannot read it. */
static void *mcu_address(struct csf_model *model, u32 va, unsigned int access)
{
	struct mali_leaf leaf;

	if (mali_as_walk(&model->spaces[0].as, va, &leaf) || access & ~leaf.access)
		return NULL;
	return phys_to_virt(leaf.pa + (va - leaf.va));
}

static bool mcu_find_shared(struct csf_model *model)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(model->shared); i++) {
		model->shared[i] = mcu_address(model, CSF_SHARED_VA + i * PAGE_SIZE,
					       MALI_READ | MALI_WRITE);
		if (!model->shared[i])
			return false;
	}
	return true;
}

static void init_stream(struct csf_model *model, unsigned int group, unsigned int nr)
{
	struct panthor_fw_cs_control_iface *control =
		shared(model, GROUP_CONTROL + group * GROUP_STRIDE + STREAM_CONTROL +
			      nr * STREAM_STRIDE);

	control->features = STREAM_FEATURES;
	control->input_va = CSF_SHARED_VA + STREAM_INPUT(group, nr);
	control->output_va = CSF_SHARED_VA + STREAM_OUTPUT(group, nr);
}

static void init_group(struct csf_model *model, unsigned int nr)
{
	struct panthor_fw_csg_control_iface *control =
		shared(model, GROUP_CONTROL + nr * GROUP_STRIDE);
	unsigned int i;

	control->input_va = CSF_SHARED_VA + GROUP_INPUT(nr);
	control->output_va = CSF_SHARED_VA + GROUP_OUTPUT(nr);
	control->suspend_size = sizeof(model->groups[nr].streams);
	control->protm_suspend_size = control->suspend_size;
	control->stream_num = CSF_STREAMS;
	control->stream_stride = STREAM_STRIDE;
	for (i = 0; i < CSF_STREAMS; i++)
		init_stream(model, nr, i);
}

/**
 * csf_fw_boot() - start the firmware
 * @model: the model, locked
 *
 * Input and output blocks stay as they are: after a halt the driver goes on with them, and else it
 * has zeroed them.
 *
 * Return: false if there is none, or no region to be shared.
 */
bool csf_fw_boot(struct csf_model *model)
{
	const u32 *image = mcu_address(model, 0, MALI_READ | MALI_EXEC);
	struct panthor_fw_global_control_iface *control;
	unsigned int i;

	lockdep_assert_held(&model->lock);
	if (!image || image[0] != IMAGE_MAGIC || !mcu_find_shared(model)) {
		pr_err("csf-model: no firmware in the MCU's address space\n");
		return false;
	}

	control = shared(model, 0);
	control->version = image[IMAGE_VERSION / sizeof(u32)];
	control->input_va = CSF_SHARED_VA + GLB_INPUT;
	control->output_va = CSF_SHARED_VA + GLB_OUTPUT;
	control->group_num = CSF_GROUPS;
	control->group_stride = GROUP_STRIDE;
	for (i = 0; i < CSF_GROUPS; i++)
		init_group(model, i);

	model->booted = true;
	model->counters[CSF_BOOTS]++;
	csf_raise(model, CSF_IRQ_JOB, JOB_INT_GLOBAL_IF);
	return true;
}

/*
 * Groups
 */

/* The state of a group that is suspended goes where the driver wants it, page by page. */
static void copy_state(struct csf_group *group, bool save)
{
	u32 va = group_input(group)->suspend_buf;
	void *state = group->streams, *memory;
	size_t done, piece;

	for (done = 0; done < sizeof(group->streams); done += piece) {
		piece = min(sizeof(group->streams) - done, PAGE_SIZE - offset_in_page(va + done));
		memory = mcu_address(group->model, va + done, MALI_READ | MALI_WRITE);
		if (!memory) {
			pr_err_ratelimited("csf-model: no suspend buffer at %#x\n", va);
			return;
		}
		if (save)
			memcpy(memory, state + done, piece);
		else
			memcpy(state + done, memory, piece);
	}
}

static void set_group_state(struct csf_group *group, u32 state)
{
	group->running = state == CSG_STATE_START || state == CSG_STATE_RESUME;
	group->as = group_input(group)->config % CSF_SPACES;
	group->idle = false;
	switch (state) {
	case CSG_STATE_START:
		memset(group->streams, 0, sizeof(group->streams));
		break;
	case CSG_STATE_SUSPEND:
		copy_state(group, true);
		break;
	case CSG_STATE_RESUME:
		copy_state(group, false);
		break;
	}
}

/* What the driver asks of a group, which is between two instructions. */
static void group_request(struct csf_group *group)
{
	u32 req = READ_ONCE(group_input(group)->req), *ack = &group_output(group)->ack;

	if ((req ^ *ack) & CSG_STATE_MASK)
		set_group_state(group, req & CSG_STATE_MASK);
	group_output(group)->status_state = group->idle ? CSG_STATUS_STATE_IS_IDLE : 0;
	if (acknowledge(ack, req, CSG_REQ_MASK))
		csf_raise(group->model, CSF_IRQ_JOB, JOB_INT_CSG_IF(group->nr));
}

static void group_doorbell(struct csf_group *group)
{
	/* Else its work does it, at the end. */
	if (!group->busy)
		group_request(group);
	acknowledge(&group_output(group)->doorbell_ack, group_input(group)->doorbell_req, ~0);
	queue_work(group->model->cs_wq, &group->work);
}

/* A stream that was suspended goes on where it was; others start where the driver says. */
static void stream_request(struct csf_group *group, unsigned int nr)
{
	struct csf_stream *stream = &group->streams[nr];
	u32 req = READ_ONCE(csf_fw_cs_input(group, nr)->req);
	bool start = (req & CS_STATE_MASK) == CS_STATE_START;

	if (start && !stream->started && !stream->left)
		stream->failed = !csf_stream_start(group, nr);
	stream->started = start;
	if (!acknowledge(&cs_output(group, nr)->ack, req, CS_REQ_MASK))
		return;
	guard(spinlock_irqsave)(&group->model->lock);
	csf_raise(group->model, CSF_IRQ_JOB, JOB_INT_CSG_IF(group->nr));
}

static bool group_begin(struct csf_group *group)
{
	guard(spinlock_irqsave)(&group->model->lock);
	group->busy = group->running && group->model->booted && !group->model->resetting;
	return group->busy;
}

static bool group_stops(struct csf_group *group)
{
	guard(spinlock_irqsave)(&group->model->lock);
	return !group->model->booted || group->model->resetting ||
	       (READ_ONCE(group_input(group)->req) ^ group_output(group)->ack) & CSG_REQ_MASK;
}

/* In turn, an instruction each. Return: whether there was one. */
static bool group_step(struct csf_group *group)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < CSF_STREAMS; i++)
		any |= csf_stream_step(group, i);
	return any;
}

static bool group_is_idle(struct csf_group *group)
{
	unsigned int i;

	for (i = 0; i < CSF_STREAMS; i++)
		if (!csf_stream_empty(group, i))
			return false;
	return true;
}

static void group_end(struct csf_group *group)
{
	struct csf_model *model = group->model;

	guard(spinlock_irqsave)(&model->lock);
	group->busy = false;
	if (model->resetting)
		csf_reset(model);
	else if (!model->booted)
		csf_fw_stop(model);
	else
		group_request(group);
}

static void group_work(struct work_struct *work)
{
	struct csf_group *group = container_of(work, struct csf_group, work);
	unsigned int i;
	bool idle;

	if (!group_begin(group))
		return;
	for (i = 0; i < CSF_STREAMS; i++)
		stream_request(group, i);
	while (!group_stops(group) && group_step(group))
		cond_resched();

	idle = group_is_idle(group);
	if (idle && !group->idle)
		csf_fw_event(group, CSG_IDLE);
	group->idle = idle;
	group_end(group);
}

/**
 * csf_fw_event() - tell the driver that something has happened in a group
 * @group: the group
 * @event: one of CSG_EVT_MASK
 */
void csf_fw_event(struct csf_group *group, u32 event)
{
	struct csf_model *model = group->model;

	guard(spinlock_irqsave)(&model->lock);
	if (notify(&group_output(group)->ack, READ_ONCE(group_input(group)->req), event))
		csf_raise(model, CSF_IRQ_JOB, JOB_INT_CSG_IF(group->nr));
}

/**
 * csf_fw_fatal() - tell the driver that a stream cannot go on
 * @group: its group
 * @nr: its number
 * @exception: why
 * @info: more about that
 */
void csf_fw_fatal(struct csf_group *group, unsigned int nr, u32 exception, u64 info)
{
	struct panthor_fw_csg_output_iface *out = group_output(group);
	struct panthor_fw_cs_output_iface *cs = cs_output(group, nr);

	guard(spinlock_irqsave)(&group->model->lock);
	cs->fatal = exception;
	cs->fatal_info = info;
	notify(&cs->ack, READ_ONCE(csf_fw_cs_input(group, nr)->req), CS_FATAL);
	notify(&out->cs_irq_req, READ_ONCE(group_input(group)->cs_irq_ack), BIT(nr));
	csf_raise(group->model, CSF_IRQ_JOB, JOB_INT_CSG_IF(group->nr));
}

/*
 * Doorbells
 */

static void global_doorbell(struct csf_model *model)
{
	struct panthor_fw_global_input_iface *in = shared(model, GLB_INPUT);
	struct panthor_fw_global_output_iface *out = shared(model, GLB_OUTPUT);
	u32 req = READ_ONCE(in->req), groups = READ_ONCE(in->doorbell_req) ^ out->doorbell_ack;
	unsigned int i;

	for (i = 0; i < CSF_GROUPS; i++)
		if (groups & BIT(i))
			group_doorbell(&model->groups[i]);
	acknowledge(&out->doorbell_ack, in->doorbell_req, ~0);
	if (acknowledge(&out->ack, req, GLB_REQ_MASK & ~GLB_HALT))
		csf_raise(model, CSF_IRQ_JOB, JOB_INT_GLOBAL_IF);
	if (req & GLB_HALT)
		*csf_reg(model, MCU_CONTROL_BASE + MCU_STATUS) = MCU_STATUS_HALT;
}

static bool group_listens(struct csf_group *group, unsigned int doorbell)
{
	unsigned int i;

	for (i = 0; i < CSF_STREAMS; i++)
		if (csf_fw_cs_input(group, i)->config >> 8 == doorbell)
			return group->running;
	return false;
}

/**
 * csf_fw_doorbell() - have the firmware look at what is new
 * @model: the model, locked
 * @nr: 0 for all of the interface, else for streams whose configuration names it
 */
void csf_fw_doorbell(struct csf_model *model, unsigned int nr)
{
	unsigned int i;

	lockdep_assert_held(&model->lock);
	if (!model->booted)
		return;
	if (nr == CSF_GLB_DOORBELL_ID) {
		global_doorbell(model);
		return;
	}
	for (i = 0; i < CSF_GROUPS; i++)
		if (group_listens(&model->groups[i], nr))
			queue_work(model->cs_wq, &model->groups[i].work);
}

/**
 * csf_fw_stop() - stop the firmware, as soon as no group is in the midst of an instruction
 * @model: the model, locked
 */
void csf_fw_stop(struct csf_model *model)
{
	bool busy = false;
	unsigned int i;

	lockdep_assert_held(&model->lock);
	model->booted = false;
	for (i = 0; i < CSF_GROUPS; i++) {
		model->groups[i].running = false;
		busy |= model->groups[i].busy;
	}
	if (!busy)
		*csf_reg(model, MCU_CONTROL_BASE + MCU_STATUS) = MCU_STATUS_DISABLED;
}

/**
 * csf_fw_init() - groups that nothing runs in
 * @model: the model, zeroed
 */
void csf_fw_init(struct csf_model *model)
{
	unsigned int i;

	for (i = 0; i < CSF_GROUPS; i++) {
		model->groups[i].model = model;
		model->groups[i].nr = i;
		INIT_WORK(&model->groups[i].work, group_work);
	}
}
