// SPDX-License-Identifier: MIT
/**
 * TEST: panfrost backing pm
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: power management
 * Description: Page tables and heaps over the sleep, reset and rebinding of the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "panfrost_backing_lib.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Page tables over sleep, reset and rebinding.");

#define HEAP (PANFROST_BO_HEAP | PANFROST_BO_NOEXEC)

struct user {
	int fd;
	struct pf_bo out, heap;
	struct pf_chain chain;
	unsigned int chunk;
};

static struct user open_user(void)
{
	struct user u = { .fd = pf_open() };

	u.out = pf_create(u.fd, 8 * pb_page, PANFROST_BO_NOEXEC);
	u.heap = pf_create(u.fd, 16 * PF_CHUNK, HEAP);
	pf_chain_init(&u.chain, u.fd, 8);
	return u;
}

static void close_user(struct user *u)
{
	pf_check_tables();
	pf_close(&u->out);
	pf_close(&u->heap);
	pf_chain_close(&u->chain);
	close(u->fd);
}

static void plain_job(struct user *u, uint64_t seed)
{
	uint32_t pages[] = { 0, 3, 7 };

	pf_chain_reset(&u->chain);
	pf_chain_pages(&u->chain, u->out.va, pages, ARRAY_SIZE(pages), seed);
	pf_run_done(&u->chain, &u->out);
	pf_check_pages(u->out.cpu, pages, ARRAY_SIZE(pages), seed, "buffer");
}

static void heap_job(struct user *u)
{
	pf_chain_reset(&u->chain);
	pf_chain_value(&u->chain, u->heap.va + u->chunk++ % 16 * PF_CHUNK, PF_64, 1);
	pf_run_done(&u->chain, &u->heap);
}

static void must_sleep(void)
{
	for (int i = 0; i < PF_PATIENCE && !pf_sleep(); i++)
		;
	igt_assert_f(pf_asleep(), "the device does not go to sleep\n");
}

/* Catches: an address space, mask or table that is not set up again at wake-up. */
static void runtime_suspend(void)
{
	struct user u = open_user();

	for (int i = 0; i < 8; i++) {
		plain_job(&u, i);
		heap_job(&u);
		must_sleep();
		if (i % 2)
			heap_job(&u);
	}
	close_user(&u);
}

/* Catches: a device that is woken up for its page tables' sake, or misses what they became. */
static void mapped_asleep(void)
{
	struct user u = open_user();

	for (int i = 0; i < 8; i++) {
		struct pf_bo other;

		plain_job(&u, i);
		must_sleep();
		other = pf_create(u.fd, 600 * pb_page, PANFROST_BO_NOEXEC);
		pf_close(&u.out);
		u.out = pf_create(u.fd, 8 * pb_page, PANFROST_BO_NOEXEC);
		igt_assert(pf_asleep());
		plain_job(&u, i + 1);
		pf_close(&other);
		plain_job(&u, i + 2);
	}
	close_user(&u);
}

/* Catches: a purge that forgets the page table because the device sleeps. */
static void purged_asleep(void)
{
	struct user u = open_user();

	plain_job(&u, 1);
	must_sleep();
	pf_purge(&u.out);
	igt_assert(pf_asleep());
	pf_chain_reset(&u.chain);
	pf_chain_value(&u.chain, u.out.va, PF_64, 1);
	igt_assert_neq(pf_run(&u.chain, NULL), 0);
	close_user(&u);
	pf_check_usable(-1);
}

/* Catches: jobs that are lost because others keep switching the power off and on. */
static void always_on_the_edge(void)
{
	struct user u = open_user();
	char path[300], delay[32];

	snprintf(path, sizeof(path), "%s/power/autosuspend_delay_ms", pf_sysfs());
	igt_require_f(!pf_read_line(path, delay, sizeof(delay)), "no runtime PM in sysfs\n");
	igt_assert_eq(pf_write_line(path, "0"), 0);
	for (int i = 0; i < 50; i++) {
		plain_job(&u, i);
		if (i % 10 == 0)
			heap_job(&u);
	}
	igt_assert_eq(pf_write_line(path, delay), 0);
	close_user(&u);
}

/* Catches: page tables, heaps or interrupts that do not come back after a reset. */
static void reset(void)
{
	struct user u = open_user(), culprit = open_user();

	plain_job(&u, 1);
	heap_job(&u);
	pf_chain_null(&culprit.chain);
	pf_chain_endless(&culprit.chain);
	igt_assert_neq(pf_run(&culprit.chain, NULL), 0);
	plain_job(&u, 2);
	heap_job(&u);
	plain_job(&culprit, 3);
	heap_job(&culprit);
	close_user(&culprit);
	close_user(&u);
}

#define PM_TEST "/sys/power/pm_test"

/* All devices go to sleep, and wake up at once. */
static void sleep_deep(void)
{
	int ret;

	pf_write_line("/sys/module/suspend/parameters/pm_test_delay", "0");
	igt_assert_eq(pf_write_line(PM_TEST, "devices"), 0);
	ret = pf_write_line("/sys/power/state", "freeze");
	pf_write_line(PM_TEST, "none");
	igt_assert_eq(ret, 0);
}

/* Catches: what the sleep of the whole system takes away and does not bring back. */
static void system_suspend(void)
{
	struct user u;

	igt_require_f(!access(PM_TEST, W_OK), "no %s (CONFIG_PM_DEBUG)\n", PM_TEST);
	u = open_user();
	for (int i = 0; i < 3; i++) {
		plain_job(&u, i);
		heap_job(&u);
		if (i == 1)
			must_sleep();
		sleep_deep();
		plain_job(&u, i + 10);
		heap_job(&u);
	}
	close_user(&u);
}

/*
 * Linux 7.3.4 does not survive that a file is closed whose device has gone. What a subtest that
 * failed left open is none of this test's business.
 */
static void close_leftovers(void)
{
	for (int fd = 3; fd < 256; fd++) {
		char link[32], target[64];
		ssize_t len;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(link, target, sizeof(target) - 1);
		target[len < 0 ? 0 : len] = 0;
		if (!strncmp(target, "/dev/dri/", 9))
			close(fd);
	}
}

static int rebind(void)
{
	int ret;

	close_leftovers();
	ret = pf_unbind();
	if (ret)
		return ret;
	igt_assert_eq(pf_try_open(), -1);
	return pf_bind();
}

/* Catches: a driver that cannot go, or leaves something behind that stops it from coming back. */
static void rebind_works(void)
{
	for (int i = 0; i < 3; i++) {
		struct user u = open_user();

		plain_job(&u, i);
		close_user(&u);
		pf_wait_for_bos(0);
		igt_assert_eq(rebind(), 0);
		u = open_user();
		plain_job(&u, i);
		close_user(&u);
	}
}

/* Catches: a usage count that remove takes and nobody gives back: the device never sleeps. */
static void rebind_sleeps(void)
{
	struct user u;

	igt_assert_eq(rebind(), 0);
	u = open_user();
	plain_job(&u, 1);
	close_user(&u);
	must_sleep();
	u = open_user();
	plain_job(&u, 2);
	close_user(&u);
	must_sleep();
}

/*
 * Catches: interrupts of the MMU that only a wake-up or a reset unmasks: heaps do not grow. A
 * file that stays open when the device goes again would be another test: so close first.
 */
static void rebind_heap_grows(void)
{
	struct user u;
	int ret;

	igt_assert_eq(rebind(), 0);
	u = open_user();
	pf_chain_value(&u.chain, u.heap.va, PF_64, 1);
	ret = pf_run(&u.chain, &u.heap);
	close_user(&u);
	igt_assert_eq(ret, 0);
}

/* Catches: the same for a fault that nobody can mend: not the fault ends the job, but time. */
static void rebind_fault_kills(void)
{
	struct user u;
	int ret;

	igt_assert_eq(rebind(), 0);
	u = open_user();
	pf_chain_value(&u.chain, 0x1000, PF_64, 1);
	ret = pf_run(&u.chain, NULL);
	close_user(&u);
	igt_assert_eq(ret, EINVAL);
}

static const struct pf_case cases[] = {
	{ "runtime-suspend", "Jobs and heaps before and after the device slept", runtime_suspend },
	{ "mapped-asleep", "Buffers come and go while the device sleeps", mapped_asleep },
	{ "purged-asleep", "A buffer is purged while the device sleeps", purged_asleep },
	{ "always-on-the-edge", "The device sleeps after every job", always_on_the_edge },
	{ "reset", "Jobs and heaps after a reset", reset },
	{ "system-suspend", "The system sleeps and wakes up", system_suspend },
	/* What comes behind these has a device that may be the worse for them. */
	{ "rebind-works", "Unbind, bind, jobs", rebind_works },
	{ "rebind-heap-grows", "Unbind, bind, a heap", rebind_heap_grows },
	{ "rebind-fault-kills", "Unbind, bind, a job that writes to nowhere", rebind_fault_kills },
	{ "rebind-sleeps", "Unbind, bind, sleep", rebind_sleeps },
};

int igt_main()
{
	igt_fixture()
		pf_setup();

	pf_run_cases(cases, ARRAY_SIZE(cases));
}
