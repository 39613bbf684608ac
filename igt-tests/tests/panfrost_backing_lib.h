/* SPDX-License-Identifier: MIT */
/*
 * What the panfrost_backing_* tests share: buffers, jobs written by hand, how a job ended, and
 * the checkers of the Mali register model, where the GPU is that model.
 *
 * A job is 64 bytes: the header of all job manager GPUs (Midgard, Bifrost, Valhall before CSF)
 * and the payload of WRITE_VALUE, which is what makes the GPU write memory without any shader.
 */
#ifndef PANFROST_BACKING_LIB_H
#define PANFROST_BACKING_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panfrost_drm.h"

/* Seconds for what takes none: UML's clock runs as the host lets it. */
#define PF_PATIENCE 30

enum pf_type {
	PF_NULL = 1,
	PF_WRITE_VALUE,
};

enum pf_value {
	PF_CYCLES = 1,
	PF_TIMESTAMP,
	PF_ZERO,
	PF_8,
	PF_16,
	PF_32,
	PF_64,
};

#define PF_JOB_SIZE 64
#define PF_MIB (1ull << 20)
#define PF_CHUNK (2 * PF_MIB)	/* what one GPU fault adds to a heap */
#define PF_DONE 1		/* exception status of a job that ran to its end */

struct pf_job {
	uint32_t status;
	uint32_t first_incomplete;
	uint64_t fault_pointer;
	uint32_t type;
	uint32_t dependencies;
	uint64_t next;
	uint64_t address;	/* WRITE_VALUE */
	uint32_t value_type;
	uint32_t reserved;
	uint64_t value;
	uint64_t unused;
};

struct pf_bo {
	int fd;
	uint32_t handle;
	uint64_t size;
	uint64_t va;
	uint8_t *cpu;		/* NULL for heaps */
};

/* Jobs in a buffer of their own, in the order in which they run. */
struct pf_chain {
	struct pf_bo bo;
	unsigned int room;
	unsigned int count;
};

struct pf_case {
	const char *name;
	const char *what;
	void (*run)(void);
};

/* Fixture: skips everything where there is no panfrost. */
void pf_setup(void);
/* A subtest each; what the model holds against the driver fails the subtest it happened in. */
void pf_run_cases(const struct pf_case *cases, size_t count);
/* For subtests that are made otherwise: around each. */
void pf_begin(void);
void pf_finish(void);

/* A render node of panfrost, open; never fails. */
int pf_open(void);
/* The same, or -1. */
int pf_try_open(void);
/* errno of an ioctl, 0 if it has none. */
int pf_ioctl(int fd, unsigned long request, void *args);

struct pf_bo pf_create(int fd, uint64_t size, uint32_t flags);
int pf_create_errno(int fd, struct drm_panfrost_create_bo *args);
/* Of a handle that is there already: an import. */
struct pf_bo pf_wrap(int fd, uint32_t handle, uint64_t size);
uint8_t *pf_map(const struct pf_bo *bo);
void pf_unmap(struct pf_bo *bo);
void pf_close(struct pf_bo *bo);
uint64_t pf_va(int fd, uint32_t handle);
/* Where a buffer lies in the file, also for a heap; 0 if debugfs does not tell. */
uint64_t pf_fake_offset(const struct pf_bo *bo);
uint8_t *pf_map_heap(const struct pf_bo *bo);
/* Bytes of memory that debugfs says a buffer has; -1 if it does not tell. */
int64_t pf_resident(const struct pf_bo *bo);
/* Number of buffers there are, of anybody. */
int pf_count_bos(void);
void pf_wait_for_bos(int wanted);
void pf_wait_for_word(const struct pf_bo *bo, uint64_t value);

/* Jobs in any buffer, the index-th counted from its start; next is a GPU address, 0 for none. */
void pf_write_job(struct pf_bo *bo, unsigned int index, uint32_t type, uint64_t next);
void pf_write_value(struct pf_bo *bo, unsigned int index, uint64_t address, enum pf_value type,
		    uint64_t value);
volatile struct pf_job *pf_job(const struct pf_bo *bo, unsigned int index);
uint64_t pf_job_va(const struct pf_bo *bo, unsigned int index);

void pf_chain_init(struct pf_chain *chain, int fd, unsigned int room);
void pf_chain_reset(struct pf_chain *chain);
void pf_chain_null(struct pf_chain *chain);
void pf_chain_value(struct pf_chain *chain, uint64_t address, enum pf_value type, uint64_t value);
void pf_chain_close(struct pf_chain *chain);
/* A word into each of these pages behind va, as pf_check_pages() looks for them. */
void pf_chain_pages(struct pf_chain *chain, uint64_t va, const uint32_t *pages, unsigned int count,
		    uint64_t seed);
void pf_check_pages(const uint8_t *cpu, const uint32_t *pages, unsigned int count, uint64_t seed,
		    const char *what);
/* Makes the last job lead to the first one: it never ends. */
void pf_chain_endless(struct pf_chain *chain);

int pf_submit(int fd, uint64_t jc, const uint32_t *handles, uint32_t count, uint32_t requirements,
	      uint32_t in_sync, uint32_t out_sync);
/* Submits with the chain's and another buffer (or NULL) and a syncobj to wait for. */
uint32_t pf_start(struct pf_chain *chain, const struct pf_bo *bo, uint32_t requirements);
/* Waits and destroys: 0, or the errno that the job's fence ended with; fails on a timeout. */
int pf_end(int fd, uint32_t syncobj);
/* The same by a sync file, which outlives the device and is closed. */
int pf_fence(int fd, uint32_t syncobj);
int pf_fence_error(int file);
bool pf_busy(int fd, uint32_t syncobj);
int pf_run(struct pf_chain *chain, const struct pf_bo *bo);
/* The same, where everything else is a failure: 0, and every job's header says so. */
void pf_run_done(struct pf_chain *chain, const struct pf_bo *bo);
void pf_wait_bo(const struct pf_bo *bo);
/* The device does what it should: in a file of its own, and in this one if it is not -1. */
void pf_check_usable(int fd);

/* The GPU writes the first pages of a buffer, in an order of its own, and is done. */
void pf_write_pages(int fd, const struct pf_bo *bo, unsigned int count, uint64_t seed);

struct pf_heap {
	int fd;
	struct pf_bo bo;
	struct pf_chain chain;
};

/* A heap in a file of its own, with room for so many jobs; nothing is behind it. */
struct pf_heap pf_open_heap(uint64_t size, unsigned int room);
void pf_close_heap(struct pf_heap *heap);

/* A number of /sys/kernel/debug/mali-model/counters; -1 where there is no model. */
int64_t pf_counter(const char *name);
bool pf_has_model(void);
/* Has the model compare page tables with objects; what it finds fails the subtest at its end. */
void pf_check_tables(void);
/* Bytes that the page tables map between two addresses, in any address space. */
int64_t pf_mapped(uint64_t start, uint64_t size);

bool pf_madvise(const struct pf_bo *bo, uint32_t madv);
void pf_purge(const struct pf_bo *bo);
int pf_madvise_errno(const struct pf_bo *bo, uint32_t madv);
/* Everything that may go, goes. */
void pf_run_shrinkers(void);

/* Runtime suspended; waits for that to come, a second at most. */
bool pf_asleep(void);
bool pf_sleep(void);
/* The device's directory in sysfs. */
const char *pf_sysfs(void);
int pf_read_line(const char *path, char *line, size_t size);
int pf_write_line(const char *path, const char *line);
/* The driver leaves the device, and takes it again: 0 or -errno. Skips where that cannot be done. */
int pf_unbind(void);
int pf_bind(void);

#endif
