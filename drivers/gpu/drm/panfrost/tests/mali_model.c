// SPDX-License-Identifier: GPL-2.0
/*
 * A model of Mali's register file for User Mode Linux, so that the whole of panfrost runs without
 * the hardware: it probes, powers up, fills page tables, submits jobs, gets interrupts and GPU
 * faults, resets and suspends. UML sends each readl() and writel() of a region that was registered
 * with logic_iomem_add_region() to callbacks, so the driver is the unmodified one.
 *
 * The GPU comes from the device tree (dtb= on the command line): a node "gpu" with panfrost's
 * compatible strings, and a node "interrupt-controller" with one cell, whose numbers are enum
 * mali_irq_nr. Without such a node there is no GPU.
 *
 * Only what the driver and clears by Mesa need is there. What is not there is refused with a line
 * in the log, never passed over: no AFBC, no shaders (vertex, tiler and compute jobs end as if
 * they had run), no performance counters, no protected mode.
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/ktime.h>
#include <linux/logic_iomem.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>

#include "mali_model.h"

/**
 * struct mali_part - what tells one part from another
 * @compatible: of its node
 * @arch: layout of descriptors
 * @regs: registers that never change, as offset and value; ends with the value 0
 */
struct mali_part {
	const char *compatible;
	unsigned int arch;
	struct {
		u32 offset;
		u32 value;
	} regs[16];
};

static const struct mali_part mali_parts[] = {
	{
		"arm,mali-t860", 5, {
			{ GPU_ID, 0x08602000 },
			{ GPU_L2_FEATURES, 0x07120206 },
			{ GPU_TILER_FEATURES, 0x809 },
			{ GPU_MMU_FEATURES, 0x2830 },
			{ GPU_THREAD_MAX_THREADS, 256 },
			{ GPU_THREAD_FEATURES, 0x04040400 },
			{ GPU_SHADER_PRESENT_LO, 0xf },
			{ GPU_TEXTURE_FEATURES(0), 0x00fe001e },
		}
	}, {
		"arm,mali-bifrost", 7, {
			{ GPU_ID, 0x72120000 },
			{ GPU_L2_FEATURES, 0x07110206 },
			{ GPU_CORE_FEATURES, 2 },
			{ GPU_TILER_FEATURES, 0x209 },
			{ GPU_MMU_FEATURES, 0x2823 },
			{ GPU_THREAD_MAX_THREADS, 0x300 },
			{ GPU_THREAD_FEATURES, 0x04006000 },
			{ GPU_SHADER_PRESENT_LO, 0x1 },
			{ GPU_TEXTURE_FEATURES(0), 0x00c1ffff },
		}
	}, {
		"arm,mali-valhall-jm", 9, {
			{ GPU_ID, 0x90930000 },
			{ GPU_L2_FEATURES, 0x08130206 },
			{ GPU_CORE_FEATURES, 1 },
			{ GPU_TILER_FEATURES, 0x209 },
			{ GPU_MMU_FEATURES, 0x2830 },
			{ GPU_THREAD_MAX_THREADS, 0x200 },
			{ GPU_THREAD_FEATURES, 0x04010000 },
			{ GPU_SHADER_PRESENT_LO, 0xf },
			{ GPU_TEXTURE_FEATURES(0), 0x00c1ffff },
		}
	},
};

/* Alike on all of them. AFBC_FEATURES not being 0 says that the part cannot do it. */
static const struct mali_part mali_any_part = {
	.regs = {
		{ GPU_MEM_FEATURES, GROUPS_L2_COHERENT },
		{ GPU_AS_PRESENT, BIT(MALI_SPACES) - 1 },
		{ GPU_JS_PRESENT, BIT(MALI_SLOTS) - 1 },
		{ GPU_AFBC_FEATURES, 1 },
		{ GPU_THREAD_MAX_WORKGROUP_SIZE, 256 },
		{ GPU_THREAD_MAX_BARRIER_SIZE, 256 },
		{ GPU_JS_FEATURES(0), 0x20e },
		{ GPU_JS_FEATURES(1), 0x1fe },
		{ GPU_JS_FEATURES(2), 0x7e },
		{ GPU_TILER_PRESENT_LO, 1 },
		{ GPU_L2_PRESENT_LO, 1 },
		{ GPU_COHERENCY_FEATURES, BIT(COHERENCY_ACE_LITE) },
	},
};

/* There is one register region and so one model. */
static struct mali_model mali;
static struct resource mali_resource;

/**
 * mali_model_get() - the model
 *
 * Returns: the one there is; without a GPU in the device tree it is empty.
 */
struct mali_model *mali_model_get(void)
{
	return &mali;
}

/* A level: looked at again after each raise and each write of a mask. */
static bool mali_asserted(struct mali_model *model, enum mali_irq_nr nr)
{
	guard(spinlock_irqsave)(&model->lock);
	return model->irq[nr].raw & model->irq[nr].mask;
}

static void mali_irq_work(struct work_struct *work)
{
	struct mali_model *model = container_of(work, struct mali_model, irq_work);
	enum mali_irq_nr nr;

	for (nr = 0; nr < MALI_IRQS; nr++) {
		if (!mali_asserted(model, nr))
			continue;
		generic_handle_domain_irq_safe(model->domain, nr);
		if (mali_asserted(model, nr))
			queue_work(model->wq, work);
	}
}

/**
 * mali_raise() - raise interrupts, or look at the line again
 * @model: the model, locked by the caller
 * @nr: which of the three
 * @bits: of its raw status
 */
void mali_raise(struct mali_model *model, enum mali_irq_nr nr, u32 bits)
{
	lockdep_assert_held(&model->lock);
	model->irq[nr].raw |= bits;
	if (model->irq[nr].raw & model->irq[nr].mask)
		queue_work(model->wq, &model->irq_work);
}

static void mali_set_regs(struct mali_model *model, const struct mali_part *part)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(part->regs) && part->regs[i].value; i++)
		*mali_reg(model, part->regs[i].offset) = part->regs[i].value;
}

static const struct mali_part *mali_part_of(const struct device_node *np)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mali_parts); i++)
		if (of_device_is_compatible(np, mali_parts[i].compatible))
			return &mali_parts[i];
	return NULL;
}

static void mali_to_reset_state(struct mali_model *model)
{
	static const unsigned int volatile_regs[] = {
		SHADER_READY_LO, TILER_READY_LO, L2_READY_LO, GPU_FAULT_STATUS,
		GPU_SHADER_CONFIG, GPU_TILER_CONFIG, GPU_JM_CONFIG, GPU_L2_MMU_CONFIG,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(volatile_regs); i++)
		*mali_reg(model, volatile_regs[i]) = 0;
	memset(mali_reg(model, JS_BASE), 0, MALI_SLOTS * JS_SLOT_STRIDE);
	memset(mali_reg(model, MMU_BASE), 0, MALI_SPACES * MMU_AS_STRIDE);
	for (i = 0; i < MALI_IRQS; i++)
		model->irq[i] = (struct mali_irq) {};
	for (i = 0; i < MALI_SPACES; i++) {
		model->spaces[i].lock_size = 0;
		model->spaces[i].faulting = false;
	}
	model->js_state = 0;
}

/**
 * mali_reset() - end a reset, if all the jobs are gone
 * @model: the model, locked
 *
 * The driver waits 10 ms, which is not enough for a work of ours to run on a slow kernel.
 */
void mali_reset(struct mali_model *model)
{
	unsigned int i;

	lockdep_assert_held(&model->lock);
	if (mali_job_active(model))
		return;

	for (i = 0; i < MALI_SPACES; i++)
		mali_as_update(&model->spaces[i].as, 0, AS_TRANSCFG_ADRMODE_UNMAPPED);
	mali_to_reset_state(model);
	model->resetting = false;
	model->counters[MALI_RESETS]++;
	mali_raise(model, MALI_IRQ_GPU, GPU_IRQ_RESET_COMPLETED);
}

static void mali_gpu_command(struct mali_model *model, u32 command)
{
	switch (command) {
	case GPU_CMD_SOFT_RESET:
	case GPU_CMD_HARD_RESET:
		model->resetting = true;
		mali_job_abort(model, MALI_HARD_STOP, MALI_SPACES);
		mali_reset(model);
		break;
	case GPU_CMD_CLEAN_CACHES:
	case GPU_CMD_CLEAN_INV_CACHES:
		model->flush_id++;
		mali_raise(model, MALI_IRQ_GPU, GPU_IRQ_CLEAN_CACHES_COMPLETED);
		break;
	case GPU_CMD_CYCLE_COUNT_START:
	case GPU_CMD_CYCLE_COUNT_STOP:
		break;
	default:
		pr_err_ratelimited("mali-model: GPU command %u is not modelled\n", command);
	}
}

/* The registers of a power domain lie at equal distances for shaders, tiler and L2. */
static bool mali_power(struct mali_model *model, unsigned int offset, u32 value)
{
	switch (offset) {
	case SHADER_PWRON_LO:
	case TILER_PWRON_LO:
	case L2_PWRON_LO:
		offset -= SHADER_PWRON_LO;
		*mali_reg(model, SHADER_READY_LO + offset) |=
			value & *mali_reg(model, GPU_SHADER_PRESENT_LO + offset);
		break;
	case SHADER_PWROFF_LO:
	case TILER_PWROFF_LO:
	case L2_PWROFF_LO:
		*mali_reg(model, offset - SHADER_PWROFF_LO + SHADER_READY_LO) &= ~value;
		break;
	default:
		return false;
	}
	return true;
}

/* A fault is retried only once the driver said that the table has changed there. */
static void mali_mended(struct mali_model *model, struct mali_space *space, u64 start, u64 size)
{
	if (space->faulting && space->fault_va - start < size) {
		space->faulting = false;
		wake_up_all(&model->wait);
	}
}

static void mali_as_lock_region(struct mali_model *model, struct mali_space *space)
{
	unsigned int nr = space->as.nr;
	u64 region = mali_reg64(model, AS_LOCKADDR_LO(nr));
	unsigned int bits = (region & 0x3f) + 1;

	space->lock_start = bits < 64 ? region & GENMASK_ULL(63, bits) : 0;
	space->lock_size = bits < 64 ? BIT_ULL(bits) : U64_MAX;
}

static void mali_as_do_update(struct mali_model *model, struct mali_space *space)
{
	unsigned int nr = space->as.nr;
	u64 transcfg = mali_reg64(model, AS_TRANSCFG_LO(nr));

	mali_as_update(&space->as, mali_reg64(model, AS_TRANSTAB_LO(nr)), transcfg);
	if ((transcfg & 0xf) == AS_TRANSCFG_ADRMODE_UNMAPPED)
		mali_job_abort(model, MALI_KILLED, nr);
	mali_mended(model, space, 0, U64_MAX);
}

static void mali_as_command(struct mali_model *model, unsigned int nr, u32 command)
{
	struct mali_space *space = &model->spaces[nr];

	switch (command) {
	case AS_COMMAND_NOP:
		break;
	case AS_COMMAND_UPDATE:
		mali_as_do_update(model, space);
		break;
	case AS_COMMAND_LOCK:
		mali_as_lock_region(model, space);
		break;
	case AS_COMMAND_UNLOCK:
	case AS_COMMAND_FLUSH_PT:
	case AS_COMMAND_FLUSH_MEM:
		model->counters[MALI_FLUSHES]++;
		mali_as_flush(&space->as, space->lock_start, space->lock_size);
		if (command == AS_COMMAND_FLUSH_PT)
			mali_mended(model, space, space->lock_start, space->lock_size);
		space->lock_size = 0;
		break;
	default:
		pr_err_ratelimited("mali-model: AS command %u is not modelled\n", command);
	}
}

static u32 mali_irq_read(struct mali_model *model, enum mali_irq_nr nr, unsigned int offset)
{
	const struct mali_irq *irq = &model->irq[nr];

	switch (offset) {
	case GPU_INT_RAWSTAT - GPU_INT_RAWSTAT:
		return irq->raw;
	case GPU_INT_MASK - GPU_INT_RAWSTAT:
		return irq->mask;
	case GPU_INT_STAT - GPU_INT_RAWSTAT:
		return irq->raw & irq->mask;
	}
	return 0;
}

static void mali_irq_write(struct mali_model *model, enum mali_irq_nr nr, unsigned int offset,
			   u32 value)
{
	struct mali_irq *irq = &model->irq[nr];

	switch (offset) {
	case GPU_INT_CLEAR - GPU_INT_RAWSTAT:
		irq->raw &= ~value;
		if (nr == MALI_IRQ_JOB)
			mali_job_ack(model, value);
		break;
	case GPU_INT_MASK - GPU_INT_RAWSTAT:
		irq->mask = value;
		mali_raise(model, nr, 0);
		break;
	}
}

/* All three banks have the same four registers; -1 for any other. */
static int mali_irq_bank(unsigned int offset, unsigned int *reg)
{
	static const unsigned int banks[MALI_IRQS] = {
		[MALI_IRQ_JOB] = JOB_INT_RAWSTAT,
		[MALI_IRQ_MMU] = MMU_INT_RAWSTAT,
		[MALI_IRQ_GPU] = GPU_INT_RAWSTAT,
	};
	int nr;

	for (nr = 0; nr < MALI_IRQS; nr++) {
		*reg = offset - banks[nr];
		if (*reg <= GPU_INT_STAT - GPU_INT_RAWSTAT)
			return nr;
	}
	return -1;
}

static u32 mali_time(unsigned int offset)
{
	u64 now = ktime_get_ns();

	return offset & 4 ? upper_32_bits(now) : lower_32_bits(now);
}

static unsigned long mali_iomem_read(void *priv, unsigned int offset, int size)
{
	struct mali_model *model = priv;
	unsigned int reg;
	int bank;

	if (WARN_ON(size != sizeof(u32) || offset >= MALI_REGS_SIZE))
		return 0;

	guard(spinlock_irqsave)(&model->lock);
	bank = mali_irq_bank(offset, &reg);
	if (bank >= 0)
		return mali_irq_read(model, bank, reg);

	switch (offset) {
	case GPU_CYCLE_COUNT_LO ... GPU_TIMESTAMP_HI:
		return mali_time(offset);
	case GPU_LATEST_FLUSH_ID:
		return model->flush_id;
	case JOB_INT_JS_STATE:
		return model->js_state;
	}
	return *mali_reg(model, offset);
}

static void mali_block_write(struct mali_model *model, unsigned int offset, u32 value)
{
	unsigned int nr, reg;

	*mali_reg(model, offset) = value;
	if (offset >= MMU_BASE) {
		nr = (offset - MMU_BASE) / MMU_AS_STRIDE;
		reg = (offset - MMU_BASE) % MMU_AS_STRIDE;
		if (reg == AS_COMMAND(0) - MMU_BASE && nr < MALI_SPACES)
			mali_as_command(model, nr, value);
	} else if (offset >= JS_BASE) {
		nr = (offset - JS_BASE) / JS_SLOT_STRIDE;
		reg = (offset - JS_BASE) % JS_SLOT_STRIDE;
		if (nr < MALI_SLOTS)
			mali_job_write(model, nr, reg + JS_BASE, value);
	}
}

static void mali_iomem_write(void *priv, unsigned int offset, int size, unsigned long value)
{
	struct mali_model *model = priv;
	unsigned int reg;
	int bank;

	if (WARN_ON(size != sizeof(u32) || offset >= MALI_REGS_SIZE))
		return;

	guard(spinlock_irqsave)(&model->lock);
	bank = mali_irq_bank(offset, &reg);
	if (bank >= 0)
		mali_irq_write(model, bank, reg, value);
	else if (offset == GPU_CMD)
		mali_gpu_command(model, value);
	else if (!mali_power(model, offset, value))
		mali_block_write(model, offset, value);
}

static const struct logic_iomem_ops mali_iomem_ops = {
	.read = mali_iomem_read,
	.write = mali_iomem_write,
};

static long mali_iomem_map(unsigned long offset, size_t size,
			   const struct logic_iomem_ops **ops, void **priv)
{
	*ops = &mali_iomem_ops;
	*priv = &mali;
	return offset;
}

static const struct logic_iomem_region_ops mali_region_ops = { .map = mali_iomem_map };

static int mali_irq_map(struct irq_domain *domain, unsigned int virq, irq_hw_number_t hwirq)
{
	irq_set_chip_and_handler(virq, &dummy_irq_chip, handle_simple_irq);
	return 0;
}

static const struct irq_domain_ops mali_irq_ops = {
	.map = mali_irq_map,
	.xlate = irq_domain_xlate_onecell,
};

static int mali_counters_show(struct seq_file *m, void *data)
{
	static const char * const names[MALI_COUNTERS] = {
		"jobs", "null", "write_value", "fragment", "nop", "faults", "retries", "kills",
		"resets", "flushes", "tiles", "pixels",
	};
	static const char * const errors[MALI_ERR_COUNT] = {
		"stale_tlb", "freed_page", "outside", "outlived",
	};
	struct mali_model *model = m->private;
	u64 walks = 0, hits = 0;
	unsigned int i, k, sum;

	for (i = 0; i < MALI_COUNTERS; i++)
		seq_printf(m, "%s %llu\n", names[i], model->counters[i]);
	for (i = 0; i < MALI_SPACES; i++) {
		walks += model->spaces[i].as.walks;
		hits += model->spaces[i].as.tlb_hits;
	}
	seq_printf(m, "walks %llu\ntlb_hits %llu\n", walks, hits);
	for (k = 0; k < MALI_ERR_COUNT; k++) {
		for (i = 0, sum = 0; i < MALI_SPACES; i++)
			sum += model->spaces[i].as.errors[k];
		seq_printf(m, "%s %u\n", errors[k], sum);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(mali_counters);

static void mali_tables_line(struct seq_file *m, const struct mali_as *as,
			     const struct mali_leaf *leaf, u64 count)
{
	if (count)
		seq_printf(m, "%u %010llx %010llx %llu %llu %s%s%s\n", as->nr, leaf->va, leaf->pa,
			   leaf->size, count, leaf->access & MALI_READ ? "r" : "-",
			   leaf->access & MALI_WRITE ? "w" : "-",
			   leaf->access & MALI_EXEC ? "x" : "-");
}

/* The address space's number, VA, PA, size of a block, how many follow each other, access. */
static void mali_tables_of(struct seq_file *m, struct mali_as *as)
{
	struct mali_leaf first = {}, leaf;
	u64 va = 0, count = 0;

	while (mali_as_next(as, &va, &leaf)) {
		if (count && leaf.size == first.size && leaf.access == first.access &&
		    leaf.va == first.va + count * first.size &&
		    leaf.pa == first.pa + count * first.size) {
			count++;
			continue;
		}
		mali_tables_line(m, as, &first, count);
		first = leaf;
		count = 1;
	}
	mali_tables_line(m, as, &first, count);
}

static int mali_tables_show(struct seq_file *m, void *data)
{
	struct mali_model *model = m->private;
	unsigned int i;

	for (i = 0; i < MALI_SPACES; i++)
		mali_tables_of(m, &model->spaces[i].as);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(mali_tables);

static void mali_init(struct mali_model *model, const struct mali_part *part)
{
	unsigned int i;

	spin_lock_init(&model->lock);
	init_waitqueue_head(&model->wait);
	INIT_WORK(&model->irq_work, mali_irq_work);
	model->arch = part->arch;
	mali_job_init(model);
	for (i = 0; i < MALI_SPACES; i++)
		mali_as_init(&model->spaces[i].as, "mali-model", i);
	mali_set_regs(model, &mali_any_part);
	mali_set_regs(model, part);
}

/* Before the driver, which finds its interrupts when its device is made. */
static int __init mali_model_init(void)
{
	struct device_node *gpu __free(device_node) = of_find_node_by_name(NULL, "gpu");
	struct device_node *intc __free(device_node) =
		of_find_node_by_name(NULL, "interrupt-controller");
	const struct mali_part *part = gpu ? mali_part_of(gpu) : NULL;
	int ret;

	if (!part || !intc)
		return 0;

	ret = of_address_to_resource(gpu, 0, &mali_resource);
	if (ret)
		return ret;

	mali_init(&mali, part);
	mali.wq = alloc_workqueue("mali-model", WQ_UNBOUND | WQ_HIGHPRI, 0);
	mali.job_wq = alloc_workqueue("mali-model-jobs", WQ_UNBOUND, 0);
	mali.domain = irq_domain_create_linear(of_fwnode_handle(intc), MALI_IRQS, &mali_irq_ops,
					       &mali);
	if (!mali.wq || !mali.job_wq || !mali.domain)
		return -ENOMEM;
	return logic_iomem_add_region(&mali_resource, &mali_region_ops);
}
arch_initcall(mali_model_init);

static int __init mali_model_debugfs(void)
{
	struct dentry *dir;

	if (!mali.domain)
		return 0;
	dir = debugfs_create_dir("mali-model", NULL);
	debugfs_create_file("counters", 0400, dir, &mali, &mali_counters_fops);
	debugfs_create_file("tables", 0400, dir, &mali, &mali_tables_fops);
	return 0;
}
late_initcall(mali_model_debugfs);
