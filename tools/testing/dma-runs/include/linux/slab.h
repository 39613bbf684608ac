/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DMA_RUNS_SLAB_H
#define _DMA_RUNS_SLAB_H

#include <stdlib.h>
#include <linux/types.h>

/* Which call from now on fails, 0 for none. */
extern unsigned int fail_alloc;
extern bool alloc_failed;
extern unsigned int num_allocs;

/* The sanitizer moves the memory each time, which finds pointers that are stale. */
static inline void *kvrealloc(const void *p, size_t size, gfp_t flags)
{
	if (fail_alloc && !--fail_alloc) {
		alloc_failed = true;
		return NULL;
	}

	num_allocs++;

	return realloc((void *)p, size);
}

static inline void kvfree(const void *p)
{
	free((void *)p);
}

#endif
