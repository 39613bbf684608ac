// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit test suite for user mappings of buffer objects that faults fill in
 *
 * How often user space has to ask, what it gets besides, which pages count as
 * written, and what those find who follow the page table.
 */

#include <linux/anon_inodes.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include <kunit/device.h>
#include <kunit/test.h>

#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_bo_backing.h>
#include <drm/drm_kunit_helpers.h>
#include <drm/drm_vma_manager.h>

#define FAULT_PAGES	64

/* An object of pages of its own, all clean. */
struct fault_bo {
	struct drm_gem_object base;
	struct drm_gem_bo_backing backing;
	struct file *file;
	struct page **blocks;
	u32 num_blocks;
	unsigned int order;
	/* How often user space had to ask. */
	u32 faults;
};

static struct fault_bo *to_fault_bo(struct drm_gem_object *obj)
{
	return container_of(obj, struct fault_bo, base);
}

static void fault_bo_free(struct drm_gem_object *obj)
{
	struct fault_bo *bo = to_fault_bo(obj);

	dma_resv_lock(obj->resv, NULL);
	dma_runs_clear(&bo->backing.runs);
	drm_gem_bo_backing_fini(&bo->backing);
	dma_resv_unlock(obj->resv);
	while (bo->num_blocks--)
		__free_pages(bo->blocks[bo->num_blocks], bo->order);
	kvfree(bo->blocks);
	drm_gem_object_release(obj);
	kfree(bo);
}

static vm_fault_t fault_bo_any_fault(struct vm_fault *vmf, unsigned int order)
{
	struct drm_gem_object *obj = vmf->vma->vm_private_data;
	vm_fault_t ret;

	dma_resv_lock(obj->resv, NULL);
	ret = drm_gem_bo_backing_fault(obj->backing, vmf, order);
	dma_resv_unlock(obj->resv);
	if (ret != VM_FAULT_FALLBACK)
		to_fault_bo(obj)->faults++;

	return ret;
}

static vm_fault_t fault_bo_fault(struct vm_fault *vmf)
{
	return fault_bo_any_fault(vmf, 0);
}

static const struct vm_operations_struct fault_vm_ops = {
	.open = drm_gem_vm_open,
	.close = drm_gem_vm_close,
	.fault = fault_bo_fault,
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	.huge_fault = fault_bo_any_fault,
#endif
	.pfn_mkwrite = fault_bo_fault,
};

static const struct drm_gem_object_funcs fault_bo_funcs = {
	.free = fault_bo_free,
	.mmap = drm_gem_bo_backing_mmap,
	.vm_ops = &fault_vm_ops,
};

static int fault_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct fault_bo *bo = file->private_data;

	vma->vm_pgoff += drm_vma_node_start(&bo->base.vma_node);

	return drm_gem_mmap_obj(&bo->base, bo->base.size, vma);
}

static const struct file_operations fault_file_ops = {
	.owner = THIS_MODULE,
	.mmap = fault_file_mmap,
};

KUNIT_DEFINE_ACTION_WRAPPER(fault_bo_put, drm_gem_object_put, struct drm_gem_object *);

static void fault_file_put(void *data)
{
	fput(data);
	flush_delayed_fput();
}

static struct fault_bo *fault_bo_create(struct kunit *test, u32 num_pages)
{
	struct fault_bo *bo = kzalloc_obj(*bo);
	struct drm_device *drm = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, bo);
	bo->base.funcs = &fault_bo_funcs;
	drm_gem_private_object_init(drm, &bo->base, (size_t)num_pages << PAGE_SHIFT);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_init(&bo->backing, &bo->base,
						      DMA_RUNS_STREAMING), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, fault_bo_put, &bo->base), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_create_mmap_offset(&bo->base), 0);
	bo->file = anon_inode_create_getfile("faults", &fault_file_ops, bo, O_RDWR, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, bo->file);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, fault_file_put, bo->file), 0);

	return bo;
}

/* Blocks from @index on. What follows each other in the buffer does not in memory. */
static void fault_bo_fill(struct kunit *test, struct fault_bo *bo, u32 index, u32 num_blocks,
			  unsigned int order)
{
	struct dma_runs *runs = &bo->backing.runs;
	u32 i, half = num_blocks - num_blocks / 2;

	bo->order = order;
	bo->blocks = kvmalloc_objs(*bo->blocks, num_blocks);
	KUNIT_ASSERT_NOT_NULL(test, bo->blocks);
	for (; bo->num_blocks < num_blocks; bo->num_blocks++) {
		bo->blocks[bo->num_blocks] = alloc_pages(GFP_KERNEL | __GFP_COMP, order);
		KUNIT_ASSERT_NOT_NULL(test, bo->blocks[bo->num_blocks]);
	}
	for (i = 0; i < num_blocks; i++) {
		struct page *page = bo->blocks[i % 2 * half + i / 2];

		KUNIT_ASSERT_EQ(test, dma_runs_add(runs, index + (i << order), page_to_phys(page),
						   1 << order), 0);
	}
	KUNIT_ASSERT_GT(test, runs->num_runs, num_blocks / 2);
}

static struct fault_bo *fault_bo_scattered(struct kunit *test, u32 num_pages)
{
	struct fault_bo *bo = fault_bo_create(test, num_pages);

	fault_bo_fill(test, bo, 0, num_pages, 0);

	return bo;
}

static unsigned long fault_mmap(struct kunit *test, struct fault_bo *bo, u32 index, u32 num)
{
	unsigned long addr;

	KUNIT_ASSERT_EQ(test, kunit_attach_mm(), 0);
	addr = vm_mmap(bo->file, 0, (size_t)num << PAGE_SHIFT, PROT_READ | PROT_WRITE, MAP_SHARED,
		       (u64)index << PAGE_SHIFT);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));

	return addr;
}

static void fault_munmap(struct kunit *test, unsigned long addr, u32 num)
{
	KUNIT_EXPECT_EQ(test, vm_munmap(addr, (size_t)num << PAGE_SHIFT), 0);
}

static unsigned long page_addr(unsigned long addr, u32 index)
{
	return addr + index * PAGE_SIZE;
}

/* What a page is told by user space is different for each. */
static void user_write(struct kunit *test, unsigned long addr, u32 index)
{
	KUNIT_EXPECT_EQ(test, put_user(0xfa000000 + index, (u32 __user *)addr), 0);
}

static u32 user_read(struct kunit *test, unsigned long addr)
{
	u32 word = 0;

	KUNIT_EXPECT_EQ(test, get_user(word, (u32 __user *)addr), 0);

	return word;
}

static struct folio *fault_bo_folio(const struct fault_bo *bo, u32 index)
{
	return page_folio(drm_gem_bo_backing_page(&bo->backing, index));
}

/* How many of some pages are not what user_write() told them, or not dirty. */
static u32 fault_bo_wrong(const struct fault_bo *bo, u32 index, u32 num)
{
	u32 word, wrong = 0;

	for (; num--; index++) {
		memcpy_from_page((char *)&word, drm_gem_bo_backing_page(&bo->backing, index), 0,
				 sizeof(word));
		wrong += word != 0xfa000000 + index ||
			 !folio_test_dirty(fault_bo_folio(bo, index));
	}

	return wrong;
}

enum entry {
	NONE,
	READ_ONLY,
	WRITABLE,
	FOREIGN,
};

/* What is there without a fault. */
static enum entry user_entry(const struct fault_bo *bo, unsigned long addr, u32 index)
{
	struct follow_pfnmap_args args = { .address = addr };
	enum entry entry = NONE;

	mmap_read_lock(current->mm);
	args.vma = vma_lookup(current->mm, addr);
	if (args.vma && !follow_pfnmap_start(&args)) {
		entry = args.writable ? WRITABLE : READ_ONLY;
		if (args.pfn != PHYS_PFN(dma_runs_phys(&bo->backing.runs, index)))
			entry = FOREIGN;
		follow_pfnmap_end(&args);
	}
	mmap_read_unlock(current->mm);

	return entry;
}

/* One fault, as if by user space or by who follows its page table. */
static int user_fault(unsigned long addr, unsigned int flags)
{
	int ret;

	mmap_read_lock(current->mm);
	ret = fixup_user_fault(current->mm, addr, flags, NULL);
	mmap_read_unlock(current->mm);

	return ret;
}

/* How many pages have such an entry. A page is dirty if and only if it can be written. */
static u32 count_entries(struct kunit *test, const struct fault_bo *bo, unsigned long addr,
			 enum entry wanted)
{
	u32 i, count = 0;

	for (i = 0; i < bo->backing.runs.num_pages; i++) {
		enum entry entry = user_entry(bo, page_addr(addr, i), i);

		KUNIT_EXPECT_NE_MSG(test, entry, FOREIGN, "page %u", i);
		KUNIT_EXPECT_EQ_MSG(test, entry == WRITABLE,
				    folio_test_dirty(fault_bo_folio(bo, i)), "page %u", i);
		count += entry == wanted;
	}

	return count;
}

static u32 pages_64m(void)
{
	return SZ_64M >> PAGE_SHIFT;
}

/* What a fault handler may ask for, but does not get. */
static void test_insert_refused(struct kunit *test)
{
	struct fault_bo *bo = fault_bo_create(test, FAULT_PAGES);
	unsigned long addr = fault_mmap(test, bo, 0, FAULT_PAGES);
	unsigned long pfn, zero = page_to_pfn(ZERO_PAGE(0));
	struct dma_runs *runs = &bo->backing.runs;
	struct vm_area_struct *vma;

	fault_bo_fill(test, bo, 0, 1, 0);
	pfn = PHYS_PFN(dma_runs_phys(runs, 0));
	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	KUNIT_EXPECT_EQ(test, dma_runs_insert(runs, vma, page_addr(addr, 1), 1, 1, true), -ENXIO);
	KUNIT_EXPECT_EQ(test, dma_runs_insert(runs, vma, addr, 0, 0, true), -ENXIO);
	KUNIT_EXPECT_EQ(test, dma_runs_insert(runs, vma, vma->vm_end, 0, 1, true), -EFAULT);
	KUNIT_EXPECT_EQ(test, dma_runs_insert(runs, vma, page_addr(addr, -1), 0, 1, true), -EFAULT);
	KUNIT_EXPECT_EQ(test, vm_insert_pfns(vma, addr, &pfn, 0, true), -EFAULT);
	/* Somebody else was faster, with another page. */
	KUNIT_EXPECT_EQ(test, vm_insert_pfns(vma, addr, &zero, 1, false), 1);
	KUNIT_EXPECT_EQ(test, dma_runs_insert(runs, vma, addr, 0, 1, true), 1);
	mmap_read_unlock(current->mm);
	KUNIT_EXPECT_EQ(test, user_entry(bo, addr, 0), FOREIGN);
	KUNIT_EXPECT_EQ(test, user_entry(bo, page_addr(addr, 1), 1), NONE);
	fault_munmap(test, addr, FAULT_PAGES);
}

/* Page by page it would be a fault for each. */
static void test_fault_scattered(struct kunit *test)
{
	u32 i, num = pages_64m();
	struct fault_bo *bo = fault_bo_scattered(test, num);
	unsigned long addr = fault_mmap(test, bo, 0, num);

	for (i = 0; i < num; i++)
		user_write(test, page_addr(addr, i), i);
	kunit_info(test, "%u faults for %u pages", bo->faults, num);
	KUNIT_EXPECT_LE(test, bo->faults, num / 256);
	KUNIT_EXPECT_EQ(test, fault_bo_wrong(bo, 0, num), 0);
	fault_munmap(test, addr, num);
}

/* Page by page it would be two for each. */
static void test_fault_mixed(struct kunit *test)
{
	u32 i, num = pages_64m();
	struct fault_bo *bo = fault_bo_scattered(test, num);
	unsigned long addr = fault_mmap(test, bo, 0, num);

	for (i = 0; i < num; i++) {
		user_read(test, page_addr(addr, i));
		user_write(test, page_addr(addr, i), i);
	}
	kunit_info(test, "%u faults for %u pages", bo->faults, num);
	KUNIT_EXPECT_LE(test, bo->faults, 2 * num / 128);
	KUNIT_EXPECT_EQ(test, fault_bo_wrong(bo, 0, num), 0);
	fault_munmap(test, addr, num);
}

static void test_fault_read_then_write(struct kunit *test)
{
	u32 i, num = pages_64m();
	struct fault_bo *bo = fault_bo_scattered(test, num);
	unsigned long addr = fault_mmap(test, bo, 0, num);

	for (i = 0; i < num; i++)
		user_read(test, page_addr(addr, i));
	for (i = 0; i < num; i++)
		KUNIT_EXPECT_FALSE(test, folio_test_dirty(fault_bo_folio(bo, i)));
	for (i = 0; i < num; i++)
		user_write(test, page_addr(addr, i), i);
	kunit_info(test, "%u faults for %u pages", bo->faults, num);
	KUNIT_EXPECT_LE(test, bo->faults, 2 * num / 128);
	KUNIT_EXPECT_EQ(test, fault_bo_wrong(bo, 0, num), 0);
	fault_munmap(test, addr, num);
}

/* A fault out of order fills its page and no other. */
static void expect_one(struct kunit *test, struct fault_bo *bo, unsigned long addr, u32 touched,
		       enum entry wanted)
{
	u32 i;

	for (i = 0; i < FAULT_PAGES; i++)
		KUNIT_EXPECT_EQ_MSG(test, user_entry(bo, page_addr(addr, i), i),
				    i == touched ? wanted : NONE, "page %u", i);
	/* And looks which of them are dirty. */
	KUNIT_EXPECT_EQ(test, count_entries(test, bo, addr, wanted), 1);
}

static void test_fault_one_read(struct kunit *test)
{
	struct fault_bo *bo = fault_bo_scattered(test, FAULT_PAGES);
	unsigned long addr = fault_mmap(test, bo, 0, FAULT_PAGES);

	user_read(test, page_addr(addr, 21));
	expect_one(test, bo, addr, 21, READ_ONLY);
	/* The first write there is told. */
	user_write(test, page_addr(addr, 21), 21);
	expect_one(test, bo, addr, 21, WRITABLE);
	KUNIT_EXPECT_EQ(test, bo->faults, 2);
	fault_munmap(test, addr, FAULT_PAGES);
}

static void test_fault_one_write(struct kunit *test)
{
	struct fault_bo *bo = fault_bo_scattered(test, FAULT_PAGES);
	unsigned long addr = fault_mmap(test, bo, 0, FAULT_PAGES);

	user_write(test, page_addr(addr, 21), 21);
	expect_one(test, bo, addr, 21, WRITABLE);
	user_read(test, page_addr(addr, 21));
	KUNIT_EXPECT_EQ(test, bo->faults, 1);
	fault_munmap(test, addr, FAULT_PAGES);
}

/* Reads beside what was written leave that as it is, and make nothing dirty. */
static void test_fault_one_each(struct kunit *test)
{
	struct fault_bo *bo = fault_bo_scattered(test, FAULT_PAGES);
	unsigned long addr = fault_mmap(test, bo, 0, FAULT_PAGES);
	u32 written;

	user_write(test, page_addr(addr, 40), 40);
	written = count_entries(test, bo, addr, WRITABLE);
	user_read(test, page_addr(addr, 60));
	user_read(test, page_addr(addr, 20));
	user_read(test, page_addr(addr, 36));
	KUNIT_EXPECT_EQ(test, count_entries(test, bo, addr, WRITABLE), written);
	KUNIT_EXPECT_GT(test, count_entries(test, bo, addr, READ_ONLY), 0);
	KUNIT_EXPECT_EQ(test, fault_bo_wrong(bo, 40, 1), 0);
	fault_munmap(test, addr, FAULT_PAGES);
}

/* Windows end where a mapping does that is a part, or was cut. */
static void test_fault_part(struct kunit *test)
{
	struct fault_bo *bo = fault_bo_scattered(test, FAULT_PAGES);
	unsigned long addr = fault_mmap(test, bo, 10, 40);
	u32 i;

	fault_munmap(test, page_addr(addr, 13), 5);
	for (i = 0; i < 40; i++)
		if (i < 13 || i >= 18)
			user_write(test, page_addr(addr, i), 10 + i);
	KUNIT_EXPECT_EQ(test, fault_bo_wrong(bo, 10, 13), 0);
	KUNIT_EXPECT_EQ(test, fault_bo_wrong(bo, 28, 22), 0);
	for (i = 0; i < FAULT_PAGES; i++)
		if (i < 10 || (i >= 23 && i < 28) || i >= 50)
			KUNIT_EXPECT_FALSE(test, folio_test_dirty(fault_bo_folio(bo, i)));
	KUNIT_EXPECT_EQ(test, clear_user((void __user *)page_addr(addr, 15), 4), 4);
	fault_munmap(test, addr, 40);
}

/* The page beside a hole is there, and nothing in the hole. */
static void test_fault_hole(struct kunit *test)
{
	struct fault_bo *bo = fault_bo_create(test, FAULT_PAGES);
	unsigned long addr;
	u32 i;

	fault_bo_fill(test, bo, 20, 20, 0);
	addr = fault_mmap(test, bo, 0, FAULT_PAGES);
	KUNIT_EXPECT_EQ(test, clear_user((void __user *)page_addr(addr, 19), 4), 4);
	KUNIT_EXPECT_EQ(test, clear_user((void __user *)page_addr(addr, 40), 4), 4);
	for (i = 20; i < 40; i++)
		user_write(test, page_addr(addr, i), i);
	KUNIT_EXPECT_EQ(test, fault_bo_wrong(bo, 20, 20), 0);
	KUNIT_EXPECT_EQ(test, clear_user((void __user *)page_addr(addr, 19), 4), 4);
	KUNIT_EXPECT_EQ(test, clear_user((void __user *)page_addr(addr, 40), 4), 4);
	fault_munmap(test, addr, FAULT_PAGES);
}

/* As a device that bounces has it mapped: cut into runs of three pages. */
static void fault_bo_cut(struct kunit *test, struct fault_bo *bo)
{
	struct dma_runs *runs = &bo->backing.runs;
	phys_addr_t phys = runs->runs[0].phys;
	struct dma_runs more;
	u32 i, num;

	dma_runs_clear(runs);
	for (i = 0; i < FAULT_PAGES; i += num) {
		num = min(FAULT_PAGES - i, 3);
		dma_runs_init(&more, NULL, DMA_RUNS_STREAMING, FAULT_PAGES);
		KUNIT_ASSERT_EQ(test, dma_runs_add(&more, i, phys + i * PAGE_SIZE, num), 0);
		KUNIT_ASSERT_EQ(test, dma_runs_splice(runs, &more), 0);
		runs->runs[runs->num_runs - 1].cut = i > 0;
		runs->cut = i > 0;
	}
}

/* What is cut for a device only is filled in as if it were not. */
static void test_fault_cut(struct kunit *test)
{
	struct fault_bo *bo = fault_bo_create(test, FAULT_PAGES);
	unsigned long addr;
	u32 i;

	fault_bo_fill(test, bo, 0, 1, ilog2(FAULT_PAGES));
	fault_bo_cut(test, bo);
	addr = fault_mmap(test, bo, 0, FAULT_PAGES);
	for (i = 0; i < FAULT_PAGES; i++)
		user_write(test, page_addr(addr, i), i);
	KUNIT_EXPECT_LE(test, bo->faults, 5);
	KUNIT_EXPECT_EQ(test, fault_bo_wrong(bo, 0, FAULT_PAGES), 0);
	fault_munmap(test, addr, FAULT_PAGES);
}

/* After a purge, or an eviction, all is asked for anew. */
static void test_fault_unmapped(struct kunit *test)
{
	struct fault_bo *bo = fault_bo_scattered(test, FAULT_PAGES);
	unsigned long addr = fault_mmap(test, bo, 0, FAULT_PAGES);
	u32 i, round;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < FAULT_PAGES; i++)
			user_write(test, page_addr(addr, i), i);
		drm_vma_node_unmap(&bo->base.vma_node, bo->file->f_mapping);
		for (i = 0; i < FAULT_PAGES; i++)
			KUNIT_EXPECT_EQ(test, user_entry(bo, page_addr(addr, i), i), NONE);
	}
	KUNIT_EXPECT_EQ(test, fault_bo_wrong(bo, 0, FAULT_PAGES), 0);

	dma_resv_lock(bo->base.resv, NULL);
	dma_runs_clear(&bo->backing.runs);
	dma_resv_unlock(bo->base.resv);
	for (i = 0; i < FAULT_PAGES; i++)
		KUNIT_EXPECT_EQ(test, clear_user((void __user *)page_addr(addr, i), 4), 4);
	fault_munmap(test, addr, FAULT_PAGES);
}

/* As KVM and VFIO do it: look, ask once, look again. */
static enum entry follow_for_write(const struct fault_bo *bo, unsigned long addr, u32 index)
{
	enum entry entry = user_entry(bo, addr, index);

	if (entry != WRITABLE && !user_fault(addr, FAULT_FLAG_WRITE))
		entry = user_entry(bo, addr, index);

	return entry;
}

/* Who follows the page table finds what a write filled in writable, and gets the rest so. */
static void test_followers(struct kunit *test)
{
	struct fault_bo *bo = fault_bo_scattered(test, FAULT_PAGES);
	unsigned long addr = fault_mmap(test, bo, 0, FAULT_PAGES);
	u32 i;

	user_read(test, page_addr(addr, 3));
	KUNIT_EXPECT_EQ(test, follow_for_write(bo, page_addr(addr, 3), 3), WRITABLE);
	for (i = 0; i < FAULT_PAGES; i++) {
		enum entry entry = user_entry(bo, page_addr(addr, i), i);

		KUNIT_EXPECT_NE_MSG(test, entry, READ_ONLY, "page %u", i);
		KUNIT_EXPECT_EQ(test, follow_for_write(bo, page_addr(addr, i), i), WRITABLE);
	}
	KUNIT_EXPECT_EQ(test, count_entries(test, bo, addr, WRITABLE), FAULT_PAGES);
	/* Two of one page, and then in order: of one, up to 16, 64 and 256. */
	KUNIT_EXPECT_LE(test, bo->faults, 2 + 4 + 1);
	fault_munmap(test, addr, FAULT_PAGES);
}

/* Nobody gets hold of the page behind an entry, fast or slow. */
static void expect_no_pages(struct kunit *test, unsigned long addr)
{
	struct page *page;

	KUNIT_EXPECT_EQ(test, get_user_pages_fast_only(addr, 1, 0, &page), 0);
	KUNIT_EXPECT_EQ(test, get_user_pages_fast_only(addr, 1, FOLL_WRITE, &page), 0);
	KUNIT_EXPECT_EQ(test, get_user_pages_fast(addr, 1, 0, &page), -EFAULT);
	KUNIT_EXPECT_EQ(test, pin_user_pages_fast(addr, 1, FOLL_WRITE, &page), -EFAULT);
	KUNIT_EXPECT_EQ(test, pin_user_pages_fast(addr, 1, FOLL_WRITE | FOLL_LONGTERM, &page),
			-EFAULT);
}

static void test_gup_refused(struct kunit *test)
{
	struct fault_bo *bo = fault_bo_scattered(test, FAULT_PAGES);
	unsigned long addr = fault_mmap(test, bo, 0, FAULT_PAGES);

	expect_no_pages(test, addr);
	user_read(test, addr);
	expect_no_pages(test, addr);
	user_write(test, addr, 0);
	expect_no_pages(test, addr);
	fault_munmap(test, addr, FAULT_PAGES);
}

#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
static void expect_pmd(struct kunit *test, struct fault_bo *bo, unsigned long addr, u32 index,
		       enum entry wanted)
{
	u32 i;

	for (i = 0; i < PTRS_PER_PTE; i++)
		KUNIT_EXPECT_EQ(test, user_entry(bo, page_addr(addr, i), index + i), wanted);
	KUNIT_EXPECT_EQ(test, folio_test_dirty(fault_bo_folio(bo, index)), wanted == WRITABLE);
	expect_no_pages(test, page_addr(addr, 1));
}

/* Memory that has it is mapped by one entry for a PMD, and by one fault. */
static void test_fault_pmd(struct kunit *test)
{
	struct fault_bo *bo = fault_bo_create(test, 2 * PTRS_PER_PTE);
	unsigned long addr, pmd;
	u32 index;

	if (!has_transparent_hugepage())
		kunit_skip(test, "no entries for a PMD here");
	addr = fault_mmap(test, bo, 0, 2 * PTRS_PER_PTE);
	pmd = ALIGN(addr, PMD_SIZE);
	index = (pmd - addr) >> PAGE_SHIFT;
	fault_bo_fill(test, bo, index, 1, PMD_ORDER);

	user_read(test, page_addr(pmd, 5));
	expect_pmd(test, bo, pmd, index, READ_ONLY);
	KUNIT_EXPECT_EQ(test, bo->faults, 1);
	user_write(test, page_addr(pmd, 7), index + 7);
	expect_pmd(test, bo, pmd, index, WRITABLE);
	KUNIT_EXPECT_EQ(test, bo->faults, 2);

	drm_vma_node_unmap(&bo->base.vma_node, bo->file->f_mapping);
	user_write(test, page_addr(pmd, 9), index + 9);
	expect_pmd(test, bo, pmd, index, WRITABLE);
	KUNIT_EXPECT_EQ(test, bo->faults, 3);
	KUNIT_EXPECT_EQ(test, fault_bo_wrong(bo, index + 7, 1), 0);
	KUNIT_EXPECT_EQ(test, fault_bo_wrong(bo, index + 9, 1), 0);
	fault_munmap(test, addr, 2 * PTRS_PER_PTE);
}
#else
static void test_fault_pmd(struct kunit *test)
{
	kunit_skip(test, "no entries for a PMD on this architecture");
}
#endif

#ifdef CONFIG_FAULT_INJECTION
static bool can_fail_alloc(void)
{
	struct page *page;

	current->fail_nth = 1;
	page = alloc_page(GFP_KERNEL | __GFP_NOWARN);
	current->fail_nth = 0;
	if (page)
		__free_page(page);

	return !page;
}

/* Without memory for a page table a fault maps nothing, the next one all. */
static void test_alloc_undo(struct kunit *test)
{
	struct fault_bo *bo = fault_bo_scattered(test, FAULT_PAGES);
	int n, ret = 0, failed = 0;

	if (!can_fail_alloc())
		kunit_skip(test, "fail_page_alloc spares page tables, see ignore-gfp-wait");

	for (n = 1; n < 1000; n++) {
		unsigned long addr = fault_mmap(test, bo, 0, FAULT_PAGES);
		bool done;
		u32 i;

		current->fail_nth = n;
		ret = user_fault(page_addr(addr, 30), FAULT_FLAG_WRITE);
		done = current->fail_nth;
		current->fail_nth = 0;
		KUNIT_EXPECT_TRUE_MSG(test, !ret || ret == -ENOMEM, "allocation %d: %d", n, ret);
		KUNIT_EXPECT_EQ(test, user_entry(bo, page_addr(addr, 30), 30),
				ret ? NONE : WRITABLE);
		failed += !!ret;
		for (i = 0; i < FAULT_PAGES; i++)
			user_write(test, page_addr(addr, i), i);
		KUNIT_EXPECT_EQ(test, count_entries(test, bo, addr, WRITABLE), FAULT_PAGES);
		fault_munmap(test, addr, FAULT_PAGES);
		if (done)
			break;
	}
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_GT(test, failed, 0);
	kunit_info(test, "%d of %d allocations failed the fault", failed, n - 1);
}
#else
static void test_alloc_undo(struct kunit *test)
{
	kunit_skip(test, "CONFIG_FAULT_INJECTION is off");
}
#endif

static const struct file_operations fault_drm_fops = {
	.owner = THIS_MODULE,
};

static const struct drm_driver fault_driver = {
	.driver_features = DRIVER_GEM,
	.fops = &fault_drm_fops,
};

static int fault_init(struct kunit *test)
{
	struct device *dev = kunit_device_register(test, "faults");
	struct drm_device *drm;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	drm = __drm_kunit_helper_alloc_drm_device_with_driver(test, dev, sizeof(*drm), 0,
							      &fault_driver);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, drm);
	test->priv = drm;

	return 0;
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(test_insert_refused),
	KUNIT_CASE(test_fault_scattered),
	KUNIT_CASE(test_fault_mixed),
	KUNIT_CASE(test_fault_read_then_write),
	KUNIT_CASE(test_fault_one_read),
	KUNIT_CASE(test_fault_one_write),
	KUNIT_CASE(test_fault_one_each),
	KUNIT_CASE(test_fault_part),
	KUNIT_CASE(test_fault_hole),
	KUNIT_CASE(test_fault_cut),
	KUNIT_CASE(test_fault_unmapped),
	KUNIT_CASE(test_fault_pmd),
	KUNIT_CASE(test_followers),
	KUNIT_CASE(test_gup_refused),
	KUNIT_CASE(test_alloc_undo),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "drm_gem_bo_backing_fault",
	.init = fault_init,
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("KUnit test suite for user mappings of the typed list");
MODULE_LICENSE("GPL");
