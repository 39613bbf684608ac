/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DMA_RUNS_MM_H
#define _DMA_RUNS_MM_H

#include <linux/kconfig.h>
#include <linux/kernel.h>
#include <string.h>
#include <asm/page.h>

#define PAGE_ALIGNED(x)	(((x) & (PAGE_SIZE - 1)) == 0)
#define PFN_UP(x)	(((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)

extern unsigned int num_warnings;
#define WARN_ON_ONCE(cond)	do { if (cond) num_warnings++; } while (0)

#define swap(a, b) \
	do { typeof(a) tmp = (a); (a) = (b); (b) = tmp; } while (0)

#endif
