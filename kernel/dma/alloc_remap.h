/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_DMA_ALLOC_REMAP_H
#define _KERNEL_DMA_ALLOC_REMAP_H

#include <linux/types.h>

struct device;

/**
 * struct dma_allocation - memory that one device has and another is to reach
 * @dev: device that it was allocated for
 * @cpu_addr: its CPU address, %NULL without one
 * @dma_addr: its address for @dev
 * @size: in bytes
 * @attrs: attributes of the allocation that its mappings have, too
 * @from_pool: it is from the coherent pool of @dev
 * @pool_phys: its physical address then
 */
struct dma_allocation {
	struct device *dev;
	void *cpu_addr;
	dma_addr_t dma_addr;
	size_t size;
	unsigned long attrs;
	bool from_pool;
	phys_addr_t pool_phys;
};

ssize_t dma_alloc_to_phys(const struct dma_allocation *alloc, size_t offset,
			  phys_addr_t *phys);

#endif
