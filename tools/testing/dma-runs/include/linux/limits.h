/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DMA_RUNS_LIMITS_H
#define _DMA_RUNS_LIMITS_H

#include <limits.h>

#define U32_MAX		((u32)~0U)
#define U64_MAX		((u64)~0ULL)
#define PHYS_ADDR_MAX	(~(phys_addr_t)0)

#endif
