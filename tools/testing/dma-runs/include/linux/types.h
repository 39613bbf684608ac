/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DMA_RUNS_TYPES_H
#define _DMA_RUNS_TYPES_H

#include_next <linux/types.h>

typedef phys_addr_t dma_addr_t;
typedef struct { unsigned long pgprot; } pgprot_t;
struct phys_vec { phys_addr_t paddr; size_t len; };

#endif
