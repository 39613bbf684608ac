/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_DMA_ALLOC_REMAP_H
#define _KERNEL_DMA_ALLOC_REMAP_H

#include <linux/dma-mapping.h>

ssize_t dma_alloc_to_phys(const struct dma_allocation *alloc, size_t offset,
			  phys_addr_t *phys);

#endif /* _KERNEL_DMA_ALLOC_REMAP_H */
