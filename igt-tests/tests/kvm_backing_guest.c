// SPDX-License-Identifier: MIT
/**
 * TEST: kvm backing guest
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME
 * Description: A virtual machine that has a buffer as its memory. KVM cannot pin it and follows the
 *              process's page table: what the guest writes has to arrive, whoever touched the page
 *              before.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Buffers as memory of a virtual machine.");

#define PAGES 64

#define MIB 0x100000ul
#define HUGE (2 * MIB)

/* Where the guest sees the buffer: as far from a large page's start as in the process. */
#define GUEST_BASE 0x40000000ul

#ifdef __x86_64__
/* Not every architecture has it. */
#include <linux/kvm.h>

/*
 * Reads, or writes EAX, at EBX, and halts. KVM emulates a plain store to what it believes to be
 * read-only, but not this one.
 */
static const uint8_t code[] = {
	[0] = 0x8b, 0x03, 0xf4,				/* mov (%ebx), %eax; hlt */
	[16] = 0x0f, 0x6e, 0xc0, 0x0f, 0x7e, 0x03, 0xf4,/* movd %eax, %mm0; movd %mm0, (%ebx); hlt */
};
enum { READ = 0, WRITE = 16 };

struct guest {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	uint8_t *code;
	uint8_t *mem;
	uint64_t base;
};

static void set_memory(struct guest *g, uint32_t slot, uint64_t where, void *mem, size_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .guest_phys_addr = where, .memory_size = size,
		.userspace_addr = (uintptr_t)mem,
	};

	igt_assert_eq(ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &region), 0);
}

/* Flat segments of 32 bits, no paging. */
static void set_mode(struct guest *g)
{
	struct kvm_segment flat = {
		.limit = 0xffffffff, .selector = 8, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_sregs sregs;

	igt_assert_eq(ioctl(g->vcpu, KVM_GET_SREGS, &sregs), 0);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat;
	flat.type = 11;
	sregs.cs = flat;
	sregs.cr0 = 1;
	igt_assert_eq(ioctl(g->vcpu, KVM_SET_SREGS, &sregs), 0);
}

static void guest_open(struct guest *g, uint8_t *mem, size_t size)
{
	g->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	igt_assert_fd(g->kvm);
	g->vm = ioctl(g->kvm, KVM_CREATE_VM, 0);
	igt_assert_fd(g->vm);
	g->code = mmap(NULL, pb_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(g->code != MAP_FAILED);
	memcpy(g->code, code, sizeof(code));
	set_memory(g, 0, 0, g->code, pb_page);
	g->mem = mem;
	g->base = GUEST_BASE + (uintptr_t)mem % HUGE;
	set_memory(g, 1, g->base, mem, size);
	g->vcpu = ioctl(g->vm, KVM_CREATE_VCPU, 0);
	igt_assert_fd(g->vcpu);
	g->run_size = ioctl(g->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	g->run = mmap(NULL, g->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, g->vcpu, 0);
	igt_assert(g->run != MAP_FAILED);
	set_mode(g);
}

static void guest_close(struct guest *g)
{
	munmap(g->run, g->run_size);
	close(g->vcpu);
	close(g->vm);
	close(g->kvm);
	munmap(g->code, pb_page);
}

/* Runs that piece of code for a place in the buffer; returns EAX. */
static uint32_t guest_run(struct guest *g, int what, size_t pos, uint32_t value)
{
	struct kvm_regs regs = {
		.rip = what, .rflags = 2, .rax = value, .rbx = g->base + pos,
	};

	igt_assert_eq(ioctl(g->vcpu, KVM_SET_REGS, &regs), 0);
	igt_assert_f(!ioctl(g->vcpu, KVM_RUN, 0), "the guest's %s of page %zu: %m\n",
		     what == READ ? "read" : "write", pos / pb_page);
	igt_assert_f(g->run->exit_reason == KVM_EXIT_HLT,
		     "the guest's %s of page %zu: exit reason %u\n",
		     what == READ ? "read" : "write", pos / pb_page, g->run->exit_reason);
	igt_assert_eq(ioctl(g->vcpu, KVM_GET_REGS, &regs), 0);
	return regs.rax;
}
#else
enum { READ, WRITE };

struct guest {
	uint8_t *mem;
};

static void guest_open(struct guest *g, uint8_t *mem, size_t size)
{
	(void)g, (void)mem, (void)size;
	igt_skip("no guest code for this machine\n");
}

static void guest_close(struct guest *g)
{
	(void)g;
}

static uint32_t guest_run(struct guest *g, int what, size_t pos, uint32_t value)
{
	(void)g, (void)what, (void)pos;
	return value;
}
#endif

/* What the guest writes to a page. */
static uint32_t word_of(size_t page)
{
	return 0xcafe0000 + page;
}

static void guest_writes(struct guest *g, size_t page)
{
	const volatile uint32_t *word = (void *)(g->mem + page * pb_page);

	guest_run(g, WRITE, page * pb_page, word_of(page));
	igt_assert_eq_u32(*word, word_of(page));
}

static void guest_reads(struct guest *g, size_t page)
{
	igt_assert_eq_u32(guest_run(g, READ, page * pb_page, 1), 0);
}

static void host_reads(struct guest *g, size_t page)
{
	igt_assert_eq(pb_touch(g->mem + page * pb_page, false), 0);
}

/* Catches: a fault for a write that leaves an entry which cannot be written. */
static void first_touch(struct guest *g)
{
	guest_writes(g, 3);
}

/* Catches: an entry of a read that stays read-only. */
static void read_by_host(struct guest *g)
{
	host_reads(g, 3);
	guest_writes(g, 3);
}

/* Catches: the same where KVM itself asked for it. */
static void read_by_guest(struct guest *g)
{
	guest_reads(g, 3);
	guest_writes(g, 3);
}

/* Catches: neighbours of what was asked for that were filled in read-only. */
static void filled_ahead(struct guest *g)
{
	host_reads(g, 16);
	guest_writes(g, 17);
	g->mem[32 * pb_page + 8] = 0;
	guest_writes(g, 33);
}

/* Catches: all of this in another folio, or at the edge of a window. */
static void all_pages(struct guest *g)
{
	for (size_t i = 0; i < PAGES; i += 2)
		guest_reads(g, i);
	for (size_t i = 0; i < PAGES; i++)
		guest_writes(g, i);
}

/* Catches: the same for entries that map 2 MiB, where memory has them. */
static void huge_pages(struct guest *g)
{
	const size_t first = (HUGE - (uintptr_t)g->mem % HUGE) / pb_page;

	host_reads(g, first + 1);
	guest_reads(g, first + 2);
	guest_writes(g, first + 3);
	guest_writes(g, first + 1);
}

struct guest_case {
	const char *name;
	const char *what;
	void (*run)(struct guest *g);
	size_t size;	/* 0: PAGES pages, whose size is not known at first */
};

/* Pages have the guest's word, or are zero, for whoever looks. */
static void check_words(const struct pb_view *witness, const struct pb_view *mem)
{
	for (size_t i = 0; i < witness->len / pb_page; i++) {
		uint32_t word;

		memcpy(&word, witness->ptr + i * pb_page, sizeof(word));
		igt_assert(!word || word == word_of(i));
		igt_assert_eq(memcmp(mem->ptr + i * pb_page, &word, sizeof(word)), 0);
	}
}

static void run_guest(const struct guest_case *test, const struct pb_exporter *exp, bool native)
{
	struct pb_view mem, witness;
	struct guest g = {};
	struct pb_buf buf;

	pb_create(&buf, exp, test->size ?: (size_t)(PAGES * pb_page));
	mem = native ? pb_view_native(&buf) : pb_view_dmabuf(buf.dmabuf, buf.size);
	witness = native ? pb_view_dmabuf(buf.dmabuf, buf.size) : pb_view_native(&buf);
	guest_open(&g, mem.ptr, mem.len);
	test->run(&g);
	check_words(&witness, &mem);
	guest_close(&g);
	pb_unview(&witness);
	pb_unview(&mem);
	pb_destroy(&buf);
}

static void run_exporter(const struct guest_case *test, const struct pb_exporter *exp)
{
	if (exp->missing)
		return;
	if (exp->kind == PB_GEM)
		igt_dynamic(exp->name)
			run_guest(test, exp, true);
	igt_dynamic_f("%s-dmabuf", exp->name)
		run_guest(test, exp, false);
}

static void run_case(const struct guest_case *test)
{
	igt_describe(test->what);
	igt_subtest_with_dynamic(test->name) {
		for (int i = 0; i < pb_n_exporters; i++)
			run_exporter(test, &pb_exporters[i]);
	}
}

int igt_main()
{
	const struct guest_case cases[] = {
		{ "first-touch", "The guest writes what nobody touched", first_touch, 0 },
		{ "read-by-host", "The guest writes what its process read", read_by_host, 0 },
		{ "read-by-guest", "The guest writes what it read", read_by_guest, 0 },
		{ "filled-ahead", "The guest writes beside what was touched", filled_ahead, 0 },
		{ "all-pages", "The guest writes all pages", all_pages, 0 },
		{ "huge-pages", "The same in 2 MiB that may be one entry", huge_pages, 2 * HUGE },
	};

	igt_fixture() {
		pb_setup();
		igt_require_f(!access("/dev/kvm", R_OK | W_OK), "no /dev/kvm\n");
	}

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		run_case(&cases[i]);
}
