// SPDX-License-Identifier: GPL-2.0
/*
 * A model of the registers of a Mali-G610 for User Mode Linux, so that panthor runs without the
 * hardware: it probes, loads firmware, fills page tables, runs command streams, gets interrupts,
 * suspends and resets. UML sends each readl() and writel() of a region that was registered with
 * logic_iomem_add_region() to callbacks, so the driver is the unmodified one.
 *
 * The GPU comes from the device tree (dtb= on the command line): a node "gpu" with panthor's
 * compatible string, and a node "interrupt-controller" with one cell, whose numbers are enum
 * csf_irq_nr. The driver wants a firmware file; csf_fw.c says what is looked at.
 *
 * What is not there is refused with a line in the log: no shaders, no tiler, no performance
 * counters, no protected mode. User space cannot map the flush ID, which is no memory.
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

#include "../panthor_device.h"
#include "../panthor_fw_regs.h"
#include "../panthor_gpu_regs.h"
#include "../panthor_mmu_regs.h"
#include "csf_model.h"

/* Registers that never change. */
static const struct {
	u32 offset;
	u32 value;
} csf_part[] = {
	{ GPU_ID, 0xa8670005 },
	{ GPU_L2_FEATURES, 0x07120306 },
	{ GPU_TILER_FEATURES, 0x809 },
	{ GPU_MEM_FEATURES, GROUPS_L2_COHERENT },
	{ GPU_MMU_FEATURES, 0x2830 },
	{ GPU_AS_PRESENT, BIT(CSF_SPACES) - 1 },
	{ GPU_CSF_ID, 0x040a0412 },
	{ GPU_THREAD_MAX_THREADS, 0x800 },
	{ GPU_THREAD_MAX_WORKGROUP_SIZE, 0x400 },
	{ GPU_THREAD_MAX_BARRIER_SIZE, 0x400 },
	{ GPU_THREAD_FEATURES, 0x04010000 },
	{ GPU_TEXTURE_FEATURES(0), 0xc1ffff9e },
	{ GPU_SHADER_PRESENT, 0x50005 },
	{ GPU_TILER_PRESENT, 1 },
	{ GPU_L2_PRESENT, 1 },
	{ GPU_COHERENCY_FEATURES, GPU_COHERENCY_PROT_BIT(ACE_LITE) },
};

/* There is one register region and so one model. */
static struct csf_model csf;
static struct resource csf_resource;

/* A level: looked at again after each raise and each write of a mask. */
static bool csf_asserted(struct csf_model *model, enum csf_irq_nr nr)
{
	guard(spinlock_irqsave)(&model->lock);
	return model->irq[nr].raw & model->irq[nr].mask;
}

static void csf_irq_work(struct work_struct *work)
{
	struct csf_model *model = container_of(work, struct csf_model, irq_work);
	enum csf_irq_nr nr;

	for (nr = 0; nr < CSF_IRQS; nr++) {
		if (!csf_asserted(model, nr))
			continue;
		generic_handle_domain_irq_safe(model->domain, nr);
		if (csf_asserted(model, nr))
			queue_work(model->wq, work);
	}
}

/**
 * csf_raise() - raise interrupts, or look at the line again
 * @model: the model, locked
 * @nr: which of the three
 * @bits: of its raw status
 */
void csf_raise(struct csf_model *model, enum csf_irq_nr nr, u32 bits)
{
	lockdep_assert_held(&model->lock);
	model->irq[nr].raw |= bits;
	if (model->irq[nr].raw & model->irq[nr].mask)
		queue_work(model->wq, &model->irq_work);
}

/**
 * csf_is_locked() - whether the driver is changing the tables at an address
 * @model: the model
 * @as: number of the address space
 * @va: the address
 * @unlocks: returns how often it has ended to do so, wherever that was
 *
 * Return: true if so: an access has to wait.
 */
bool csf_is_locked(struct csf_model *model, unsigned int as, u64 va, unsigned int *unlocks)
{
	const struct csf_space *space = &model->spaces[as];

	guard(spinlock_irqsave)(&model->lock);
	*unlocks = space->unlocks;
	return space->lock_size && va - space->lock_start < space->lock_size;
}

/**
 * csf_mmu_fault() - tell the driver of an access that failed
 * @model: the model
 * @as: number of the address space
 * @va: what was accessed
 * @status: AS_FAULTSTATUS
 */
void csf_mmu_fault(struct csf_model *model, unsigned int as, u64 va, u32 status)
{
	guard(spinlock_irqsave)(&model->lock);
	*csf_reg(model, MMU_AS_BASE + AS_FAULTSTATUS(as)) = status;
	*csf_reg(model, MMU_AS_BASE + AS_FAULTADDRESS(as)) = lower_32_bits(va);
	*csf_reg(model, MMU_AS_BASE + AS_FAULTADDRESS(as) + 4) = upper_32_bits(va);
	model->counters[CSF_FAULTS]++;
	csf_raise(model, CSF_IRQ_MMU, BIT(as));
}

static void csf_to_reset_state(struct csf_model *model)
{
	unsigned int i;

	memset(model->regs, 0, sizeof(model->regs));
	for (i = 0; i < ARRAY_SIZE(csf_part); i++)
		*csf_reg(model, csf_part[i].offset) = csf_part[i].value;
	memset(model->irq, 0, sizeof(model->irq));
	for (i = 0; i < CSF_SPACES; i++) {
		mali_as_update(&model->spaces[i].as, 0, AS_TRANSCFG_ADRMODE_UNMAPPED);
		model->spaces[i].lock_size = 0;
	}
}

/**
 * csf_reset() - end a reset, if no group is in the midst of an instruction
 * @model: the model, locked
 */
void csf_reset(struct csf_model *model)
{
	u32 gpu_mask = model->irq[CSF_IRQ_GPU].mask;
	unsigned int i;

	lockdep_assert_held(&model->lock);
	csf_fw_stop(model);
	for (i = 0; i < CSF_GROUPS; i++)
		if (model->groups[i].busy)
			return;

	csf_to_reset_state(model);
	model->resetting = false;
	model->counters[CSF_RESETS]++;
	/* That it is over could not be told otherwise. */
	model->irq[CSF_IRQ_GPU].mask = gpu_mask;
	csf_raise(model, CSF_IRQ_GPU, GPU_IRQ_RESET_COMPLETED);
}

static void csf_gpu_command(struct csf_model *model, u32 command)
{
	switch (command & 0xff) {
	case GPU_SOFT_RESET & 0xff:
		model->resetting = true;
		csf_reset(model);
		break;
	case GPU_FLUSH_CACHES(0, 0, 0):
		model->flush_id++;
		csf_raise(model, CSF_IRQ_GPU, GPU_IRQ_CLEAN_CACHES_COMPLETED);
		break;
	default:
		pr_err_ratelimited("csf-model: GPU command %#x is not modelled\n", command);
	}
}

/* The registers of a power domain lie at equal distances for shaders, tiler and L2. */
static bool csf_power(struct csf_model *model, unsigned int offset, u32 value)
{
	switch (offset) {
	case SHADER_PWRON:
	case TILER_PWRON:
	case L2_PWRON:
		offset -= SHADER_PWRON;
		*csf_reg(model, SHADER_READY + offset) |=
			value & *csf_reg(model, GPU_SHADER_PRESENT + offset);
		break;
	case SHADER_PWROFF:
	case TILER_PWROFF:
	case L2_PWROFF:
		*csf_reg(model, offset - SHADER_PWROFF + SHADER_READY) &= ~value;
		break;
	default:
		return false;
	}
	return true;
}

static void csf_mcu_control(struct csf_model *model, u32 control)
{
	if (control == MCU_CONTROL_DISABLE)
		csf_fw_stop(model);
	else
		*csf_reg(model, MCU_CONTROL_BASE + MCU_STATUS) =
			csf_fw_boot(model) ? MCU_STATUS_ENABLED : MCU_STATUS_FATAL;
}

static void csf_as_lock_region(struct csf_model *model, struct csf_space *space)
{
	u64 region = csf_reg64(model, MMU_AS_BASE + AS_LOCKADDR(space->as.nr));
	unsigned int bits = (region & 0x3f) + 1;

	space->lock_start = bits < 64 ? region & GENMASK_ULL(63, bits) : 0;
	space->lock_size = bits < 64 ? BIT_ULL(bits) : U64_MAX;
}

static void csf_as_command(struct csf_model *model, unsigned int nr, u32 command)
{
	struct csf_space *space = &model->spaces[nr];

	switch (command) {
	case AS_COMMAND_NOP:
		break;
	case AS_COMMAND_UPDATE:
		mali_as_update(&space->as, csf_reg64(model, MMU_AS_BASE + AS_TRANSTAB(nr)),
			       csf_reg64(model, MMU_AS_BASE + AS_TRANSCFG(nr)));
		break;
	case AS_COMMAND_LOCK:
		csf_as_lock_region(model, space);
		break;
	case AS_COMMAND_UNLOCK:
	case AS_COMMAND_FLUSH_PT:
	case AS_COMMAND_FLUSH_MEM:
		model->counters[CSF_FLUSHES]++;
		mali_as_flush(&space->as, space->lock_start, space->lock_size);
		space->lock_size = 0;
		space->unlocks++;
		break;
	default:
		pr_err_ratelimited("csf-model: AS command %u is not modelled\n", command);
	}
}

static u32 csf_irq_read(struct csf_model *model, enum csf_irq_nr nr, unsigned int offset)
{
	const struct csf_irq *irq = &model->irq[nr];

	switch (offset) {
	case INT_RAWSTAT:
		return irq->raw;
	case INT_MASK:
		return irq->mask;
	case INT_STAT:
		return irq->raw & irq->mask;
	}
	return 0;
}

static void csf_irq_write(struct csf_model *model, enum csf_irq_nr nr, unsigned int offset,
			  u32 value)
{
	struct csf_irq *irq = &model->irq[nr];

	switch (offset) {
	case INT_CLEAR:
		irq->raw &= ~value;
		break;
	case INT_MASK:
		irq->mask = value;
		csf_raise(model, nr, 0);
		break;
	}
}

/* All three banks have the same four registers; -1 for any other. */
static int csf_irq_bank(unsigned int offset, unsigned int *reg)
{
	static const unsigned int banks[CSF_IRQS] = {
		[CSF_IRQ_JOB] = JOB_INT_BASE,
		[CSF_IRQ_MMU] = MMU_INT_BASE,
		[CSF_IRQ_GPU] = GPU_INT_BASE,
	};
	int nr;

	for (nr = 0; nr < CSF_IRQS; nr++) {
		*reg = offset - banks[nr];
		if (*reg <= INT_STAT)
			return nr;
	}
	return -1;
}

static unsigned long csf_iomem_read(void *priv, unsigned int offset, int size)
{
	struct csf_model *model = priv;
	u64 now = ktime_get_ns();
	unsigned int reg;
	int bank;

	if (WARN_ON(size != sizeof(u32)))
		return 0;

	guard(spinlock_irqsave)(&model->lock);
	bank = csf_irq_bank(offset, &reg);
	if (bank >= 0)
		return csf_irq_read(model, bank, reg);

	switch (offset) {
	case GPU_CYCLE_COUNT:
	case GPU_TIMESTAMP:
		return lower_32_bits(now);
	case GPU_CYCLE_COUNT + 4:
	case GPU_TIMESTAMP + 4:
		return upper_32_bits(now);
	case CSF_GPU_LATEST_FLUSH_ID:
		return model->flush_id;
	}
	return offset < CSF_REGS_SIZE ? *csf_reg(model, offset) : 0;
}

static void csf_block_write(struct csf_model *model, unsigned int offset, u32 value)
{
	unsigned int nr = (offset - MMU_AS_BASE) >> MMU_AS_SHIFT;

	*csf_reg(model, offset) = value;
	if (offset == MCU_CONTROL_BASE + MCU_CONTROL)
		csf_mcu_control(model, value);
	else if (offset >= MMU_AS_BASE && nr < CSF_SPACES &&
		 offset == MMU_AS_BASE + AS_COMMAND(nr))
		csf_as_command(model, nr, value);
}

static void csf_iomem_write(void *priv, unsigned int offset, int size, unsigned long value)
{
	struct csf_model *model = priv;
	unsigned int reg;
	int bank;

	if (WARN_ON(size != sizeof(u32)))
		return;

	guard(spinlock_irqsave)(&model->lock);
	bank = csf_irq_bank(offset, &reg);
	if (bank >= 0)
		csf_irq_write(model, bank, reg, value);
	else if (offset == GPU_CMD)
		csf_gpu_command(model, value);
	else if (offset >= CSF_DOORBELL(0))
		csf_fw_doorbell(model, (offset - CSF_DOORBELL(0)) / SZ_64K);
	else if (offset < CSF_REGS_SIZE && !csf_power(model, offset, value))
		csf_block_write(model, offset, value);
}

static const struct logic_iomem_ops csf_iomem_ops = {
	.read = csf_iomem_read,
	.write = csf_iomem_write,
};

static long csf_iomem_map(unsigned long offset, size_t size,
			  const struct logic_iomem_ops **ops, void **priv)
{
	*ops = &csf_iomem_ops;
	*priv = &csf;
	return offset;
}

static const struct logic_iomem_region_ops csf_region_ops = { .map = csf_iomem_map };

static int csf_irq_map(struct irq_domain *domain, unsigned int virq, irq_hw_number_t hwirq)
{
	irq_set_chip_and_handler(virq, &dummy_irq_chip, handle_simple_irq);
	return 0;
}

static const struct irq_domain_ops csf_irq_ops = {
	.map = csf_irq_map,
	.xlate = irq_domain_xlate_onecell,
};

static int csf_counters_show(struct seq_file *m, void *data)
{
	static const char * const names[CSF_COUNTERS] = {
		"boots", "instructions", "calls", "loads", "stores", "syncs", "faults", "resets",
		"flushes",
	};
	struct csf_model *model = m->private;
	unsigned int i, stale = 0, freed = 0;

	for (i = 0; i < CSF_COUNTERS; i++)
		seq_printf(m, "%s %llu\n", names[i], model->counters[i]);
	for (i = 0; i < CSF_SPACES; i++) {
		stale += model->spaces[i].as.errors[MALI_ERR_STALE_TLB];
		freed += model->spaces[i].as.errors[MALI_ERR_FREED_PAGE];
	}
	seq_printf(m, "stale_tlb %u\nfreed_page %u\n", stale, freed);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(csf_counters);

static void csf_init(struct csf_model *model)
{
	unsigned int i;

	spin_lock_init(&model->lock);
	INIT_WORK(&model->irq_work, csf_irq_work);
	csf_fw_init(model);
	for (i = 0; i < CSF_SPACES; i++)
		mali_as_init(&model->spaces[i].as, "csf-model", i);
	csf_to_reset_state(model);
}

/* Before the driver, which finds its interrupts when its device is made. */
static int __init csf_model_init(void)
{
	struct device_node *gpu __free(device_node) = of_find_node_by_name(NULL, "gpu");
	struct device_node *intc __free(device_node) =
		of_find_node_by_name(NULL, "interrupt-controller");
	int ret;

	if (!gpu || !intc || !of_device_is_compatible(gpu, "arm,mali-valhall-csf"))
		return 0;

	ret = of_address_to_resource(gpu, 0, &csf_resource);
	if (ret)
		return ret;

	csf_init(&csf);
	csf.wq = alloc_workqueue("csf-model", WQ_UNBOUND | WQ_HIGHPRI, 0);
	csf.cs_wq = alloc_workqueue("csf-model-streams", WQ_UNBOUND, 0);
	csf.domain = irq_domain_create_linear(of_fwnode_handle(intc), CSF_IRQS, &csf_irq_ops,
					      &csf);
	if (!csf.wq || !csf.cs_wq || !csf.domain)
		return -ENOMEM;
	return logic_iomem_add_region(&csf_resource, &csf_region_ops);
}
arch_initcall(csf_model_init);

static int __init csf_model_debugfs(void)
{
	struct dentry *dir;

	if (!csf.domain)
		return 0;
	dir = debugfs_create_dir("csf-model", NULL);
	debugfs_create_file("counters", 0400, dir, &csf, &csf_counters_fops);
	return 0;
}
late_initcall(csf_model_debugfs);
