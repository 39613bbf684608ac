/* SPDX-License-Identifier: GPL-2.0 */
/* Registers that are memory: included before a driver, whose accessors it replaces. */
#ifndef DRM_TESTS_HARNESS_MMIO_H
#define DRM_TESTS_HARNESS_MMIO_H

#include <linux/io.h>

#undef ioread32
#undef iowrite32
#undef readl
#undef writel
#undef writel_relaxed
#define ioread32(addr)			READ_ONCE(*(__force u32 *)(addr))
#define iowrite32(value, addr)		WRITE_ONCE(*(__force u32 *)(addr), value)
#define readl(addr)			ioread32(addr)
#define writel(value, addr)		iowrite32(value, addr)
#define writel_relaxed(value, addr)	iowrite32(value, addr)

/* So many bytes of them; @test frees them. */
#define harness_registers(test, size)						\
({										\
	void *__registers = kunit_kzalloc(test, size, GFP_KERNEL);		\
										\
	KUNIT_ASSERT_NOT_NULL(test, __registers);				\
	(__force void __iomem *)__registers;					\
})

#endif
