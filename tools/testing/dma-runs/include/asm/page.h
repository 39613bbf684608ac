/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DMA_RUNS_PAGE_H
#define _DMA_RUNS_PAGE_H

#define PAGE_SHIFT	12
#define PAGE_SIZE	(1UL << PAGE_SHIFT)

#endif
