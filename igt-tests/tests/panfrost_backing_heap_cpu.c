// SPDX-License-Identifier: MIT
/**
 * TEST: panfrost backing heap cpu
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: GPU page tables
 * Description: Heaps that the CPU gave memory to before the GPU faults there. Linux 7.3.4 does
 *              not survive this: its pages make a heap look as if it had been set up for faults.
 *              So no other test shares this binary.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "panfrost_backing_lib.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("GPU faults in heaps that have memory already.");

#define SIZE (4 * PF_CHUNK)

static void sync_range(const struct pf_bo *bo, uint32_t offset, uint32_t size)
{
	struct drm_panfrost_bo_sync_op op = {
		.handle = bo->handle, .offset = offset, .size = size,
	};
	struct drm_panfrost_sync_bo args = { .ops = (uintptr_t)&op, .op_count = 1 };

	/* Whether there is something to sync in a heap is the driver's matter. */
	pf_ioctl(bo->fd, DRM_IOCTL_PANFROST_SYNC_BO, &args);
}

static void write_chunks(struct pf_heap *h)
{
	pf_chain_reset(&h->chain);
	for (int i = 3; i >= 0; i--)
		pf_chain_value(&h->chain, h->bo.va + i * PF_CHUNK + 8 * i, PF_64, i + 1);
	pf_run_done(&h->chain, &h->bo);
}

static void check_chunks(const uint8_t *cpu)
{
	for (int i = 0; i < 4; i++)
		igt_assert_eq_u64(*(volatile uint64_t *)(cpu + i * PF_CHUNK + 8 * i), i + 1);
}

/* Catches: memory that SYNC_BO gave to a heap and the fault handler does not expect. */
static void sync_then_fault(void)
{
	struct pf_heap h = pf_open_heap(SIZE, 4);
	uint8_t *cpu;

	sync_range(&h.bo, 0, SIZE);
	write_chunks(&h);
	cpu = pf_map_heap(&h.bo);
	if (cpu) {
		check_chunks(cpu);
		munmap(cpu, SIZE);
	}
	pf_close_heap(&h);
}

/* Catches: the same for memory that an mmap of the buffer's place in the file gave to it. */
static void mmap_then_fault(void)
{
	struct pf_heap h = pf_open_heap(SIZE, 4);
	uint8_t *cpu = pf_map_heap(&h.bo);

	if (cpu)
		pb_touch(cpu + PF_CHUNK, true);
	write_chunks(&h);
	if (cpu) {
		check_chunks(cpu);
		munmap(cpu, SIZE);
	}
	pf_close_heap(&h);
}

static const struct pf_case cases[] = {
	{ "sync-then-fault", "SYNC_BO, then a GPU fault", sync_then_fault },
	{ "mmap-then-fault", "CPU mapping, then a GPU fault", mmap_then_fault },
};

int igt_main()
{
	igt_fixture()
		pf_setup();

	pf_run_cases(cases, ARRAY_SIZE(cases));
}
