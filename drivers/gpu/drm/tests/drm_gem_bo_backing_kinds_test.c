// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit test suite for what each kind of the typed list can do
 *
 * The matrix: every operation on an object of every kind, for devices that
 * differ in how they reach memory. The tables are printed as comments of
 * test_matrix, a cell is "works" or the error that it was refused with.
 */

#include <linux/anon_inodes.h>
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/iommu.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/shmem_fs.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <kunit/device.h>
#include <kunit/test.h>

#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_bo_backing.h>
#include <drm/drm_kunit_helpers.h>
#include <drm/drm_prime.h>
#include <drm/drm_vma_manager.h>

MODULE_IMPORT_NS("DMA_BUF");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");

#define KIND_SIZE	SZ_64K
#define KIND_PAGES	(KIND_SIZE >> PAGE_SHIFT)

enum kind_row {
	STREAMING,
	PAGES,
	IMPORTED,
	COHERENT,
	NO_KMAP,
	NONCOHERENT,
	NUM_ROWS,
};

static const enum dma_runs_kind row_kind[NUM_ROWS] = {
	[STREAMING] = DMA_RUNS_STREAMING,
	[PAGES] = DMA_RUNS_STREAMING,
	[IMPORTED] = DMA_RUNS_IMPORTED,
	[COHERENT] = DMA_RUNS_COHERENT,
	[NO_KMAP] = DMA_RUNS_COHERENT,
	[NONCOHERENT] = DMA_RUNS_NONCOHERENT,
};

static const char * const row_name[NUM_ROWS] = {
	[STREAMING] = "streaming",
	[PAGES] = "pages",
	[IMPORTED] = "imported",
	[COHERENT] = "coherent",
	[NO_KMAP] = "no-kmap",
	[NONCOHERENT] = "noncoherent",
};

struct kind_bo {
	struct drm_gem_object base;
	struct drm_gem_bo_backing backing;
	enum kind_row row;
	/* Mapped to user space as a part of its file. */
	bool mmap_filp;
};

/* Devices that are the same but for what a case changes about one of them. */
struct kind_ctx {
	const char *name;
	struct drm_device *drm;
	struct drm_device *drm_other;
	struct device *dev;
	struct device *other;
	/* Errors to be expected: how @other reaches memory that @dev allocated. */
	int reach[NUM_ROWS];
	/* The other has to, and reaches memory by that. */
	bool bounces;
	/* Whether @dev has coherent memory at all. */
	int own_coherent;
	/* Coherent memory is without. */
	bool no_pages;
};

/*
 * Objects
 */

static struct kind_bo *to_kind_bo(struct drm_gem_object *obj)
{
	return container_of(obj, struct kind_bo, base);
}

static void kind_bo_free(struct drm_gem_object *obj)
{
	struct kind_bo *bo = to_kind_bo(obj);

	/* A case that was aborted left with its lock. Better leak than hang. */
	if (!dma_resv_trylock(obj->resv))
		return;
	drm_gem_bo_backing_fini(&bo->backing);
	dma_resv_unlock(obj->resv);
	if (obj->import_attach)
		drm_prime_gem_destroy(obj, NULL);
	drm_gem_object_release(obj);
	kfree(bo);
}

static vm_fault_t kind_bo_fault(struct vm_fault *vmf)
{
	struct drm_gem_object *obj = vmf->vma->vm_private_data;
	vm_fault_t ret;

	dma_resv_lock(obj->resv, NULL);
	ret = drm_gem_bo_backing_fault(obj->backing, vmf, 0);
	dma_resv_unlock(obj->resv);

	return ret;
}

static const struct vm_operations_struct kind_vm_ops = {
	.open = drm_gem_vm_open,
	.close = drm_gem_vm_close,
	.fault = kind_bo_fault,
	.pfn_mkwrite = kind_bo_fault,
};

/* No get_sg_table: the list is all that PRIME needs. */
static const struct drm_gem_object_funcs kind_bo_funcs = {
	.free = kind_bo_free,
	.mmap = drm_gem_bo_backing_mmap,
	.vmap = drm_gem_bo_backing_object_vmap,
	.vunmap = drm_gem_bo_backing_object_vunmap,
	.vm_ops = &kind_vm_ops,
};

KUNIT_DEFINE_ACTION_WRAPPER(kind_bo_put, drm_gem_object_put, struct drm_gem_object *);

static struct kind_bo *kind_bo_create(struct kunit *test, struct drm_device *drm,
				      enum kind_row row)
{
	struct kind_bo *bo = kzalloc_obj(*bo);

	KUNIT_ASSERT_NOT_NULL(test, bo);
	bo->base.funcs = &kind_bo_funcs;
	bo->row = row;
	if (row == STREAMING)
		KUNIT_ASSERT_EQ(test, drm_gem_object_init(drm, &bo->base, KIND_SIZE), 0);
	else
		drm_gem_private_object_init(drm, &bo->base, KIND_SIZE);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_init(&bo->backing, &bo->base,
						      row_kind[row]), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, kind_bo_put, &bo->base), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_create_mmap_offset(&bo->base), 0);

	return bo;
}

static int kind_alloc(struct drm_gem_bo_backing *b, enum kind_row row)
{
	switch (row) {
	case STREAMING:
		return drm_gem_bo_backing_populate(b, 0, KIND_PAGES);
	case IMPORTED:
		return drm_gem_bo_backing_map(b, 0, KIND_PAGES);
	case COHERENT:
		return drm_gem_bo_backing_alloc(b, GFP_KERNEL | __GFP_NOWARN,
						DMA_ATTR_WRITE_COMBINE);
	case NO_KMAP:
		return drm_gem_bo_backing_alloc(b, GFP_KERNEL | __GFP_NOWARN,
						DMA_ATTR_NO_KERNEL_MAPPING);
	default:
		return drm_gem_bo_backing_alloc(b, GFP_KERNEL | __GFP_NOWARN, 0);
	}
}

static int kind_alloc_locked(struct kind_bo *bo, enum kind_row row)
{
	int ret;

	dma_resv_lock(bo->base.resv, NULL);
	ret = kind_alloc(&bo->backing, row);
	dma_resv_unlock(bo->base.resv);

	return ret;
}

static int kind_map_locked(struct kind_bo *bo)
{
	int ret;

	dma_resv_lock(bo->base.resv, NULL);
	ret = drm_gem_bo_backing_map(&bo->backing, 0, KIND_PAGES);
	dma_resv_unlock(bo->base.resv);

	return ret;
}

/* Takes over the reference, as an import of a driver does it. */
static struct kind_bo *kind_import(struct kunit *test, struct drm_device *drm,
				   struct dma_buf *dma_buf)
{
	struct kind_bo *bo = kind_bo_create(test, drm, IMPORTED);
	struct dma_buf_attachment *attach;

	attach = dma_buf_attach(dma_buf, drm_dev_dma_dev(drm));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	bo->base.import_attach = attach;
	bo->base.resv = dma_buf->resv;

	return bo;
}

static struct dma_buf *kind_export(struct kunit *test, struct kind_bo *bo)
{
	struct dma_buf *dma_buf = drm_gem_prime_export(&bo->base, O_RDWR);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dma_buf);

	return dma_buf;
}

/* With nothing in it; what is imported comes from the other device. */
static struct kind_bo *kind_bo_new(struct kunit *test, enum kind_row row)
{
	struct kind_ctx *ctx = test->priv;
	struct kind_bo *exporter;

	if (row != IMPORTED)
		return kind_bo_create(test, ctx->drm, row);

	exporter = kind_bo_create(test, ctx->drm_other, STREAMING);
	KUNIT_ASSERT_EQ(test, kind_alloc_locked(exporter, STREAMING), 0);

	return kind_import(test, ctx->drm, kind_export(test, exporter));
}

/* Gone at the next opportunity, which is not the end of this function. */
static void kind_unexport(struct dma_buf *dma_buf)
{
	dma_buf_put(dma_buf);
	flush_delayed_fput();
}

/*
 * Operations; those with a lock of their own are called without
 */

static int op_alloc(struct kunit *test, struct kind_bo *bo)
{
	return kind_alloc(&bo->backing, bo->row);
}

/* User space is to see nothing that was there before. */
static int op_clear(struct kunit *test, struct kind_bo *bo)
{
	struct iosys_map map;
	int ret;

	if (bo->row == IMPORTED)
		return 0;
	ret = drm_gem_bo_backing_vmap(&bo->backing, 0, KIND_SIZE, &map);
	if (ret)
		return ret;
	KUNIT_EXPECT_NULL(test, memchr_inv(map.vaddr, 0, KIND_SIZE));
	drm_gem_bo_backing_vunmap(&bo->backing, &map);

	return 0;
}

static int op_alloc_again(struct kunit *test, struct kind_bo *bo)
{
	return drm_gem_bo_backing_alloc(&bo->backing, GFP_KERNEL | __GFP_NOWARN, 0);
}

static int op_populate(struct kunit *test, struct kind_bo *bo)
{
	return drm_gem_bo_backing_populate(&bo->backing, 0, KIND_PAGES);
}

static int op_map(struct kunit *test, struct kind_bo *bo)
{
	return drm_gem_bo_backing_map(&bo->backing, 0, KIND_PAGES);
}

static int op_dma_addr(struct kunit *test, struct kind_bo *bo)
{
	dma_addr_t first, last;
	int ret;

	ret = drm_gem_bo_backing_dma_addr(&bo->backing, 0, &first);
	if (ret)
		return ret;
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_dma_addr(&bo->backing, KIND_SIZE - 1, &last), 0);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_dma_addr(&bo->backing, KIND_SIZE, &last),
			-EINVAL);

	return 0;
}

static int op_dma_cursor(struct kunit *test, struct kind_bo *bo)
{
	struct dma_cursor cur;
	u64 size = 0;
	int ret;

	ret = dma_cursor_begin(&cur, bo->backing.list, 1, KIND_SIZE - 1);
	if (ret)
		return ret;
	while (dma_cursor_next(&cur))
		size += cur.size;
	KUNIT_EXPECT_EQ(test, size, KIND_SIZE - 1);

	return 0;
}

/* The DMA API gives one range. */
static int op_contiguous(struct kunit *test, struct kind_bo *bo)
{
	dma_addr_t dma_addr;
	u64 size;

	size = dma_runs_contiguous(bo->backing.list, 0, &dma_addr);
	if (!size)
		return -ENXIO;
	if (row_kind[bo->row] != DMA_RUNS_STREAMING && bo->row != IMPORTED)
		KUNIT_EXPECT_EQ(test, size, KIND_SIZE);

	return 0;
}

static int op_page(struct kunit *test, struct kind_bo *bo)
{
	return drm_gem_bo_backing_page(&bo->backing, 1) ? 0 : -ENOENT;
}

static int op_page_cursor(struct kunit *test, struct kind_bo *bo)
{
	struct dma_cursor cur;
	u64 size = 0;
	int ret;

	ret = dma_cursor_begin_phys(&cur, &bo->backing.runs, 0, KIND_SIZE);
	if (ret)
		return ret;
	while (dma_cursor_next_phys(&cur))
		size += cur.size;
	KUNIT_EXPECT_EQ(test, size, KIND_SIZE);

	return 0;
}

static int op_sync_for_cpu(struct kunit *test, struct kind_bo *bo)
{
	return drm_gem_bo_backing_sync(&bo->backing, 100, KIND_SIZE - 200,
				       DMA_BIDIRECTIONAL, false);
}

static int op_sync_for_device(struct kunit *test, struct kind_bo *bo)
{
	return drm_gem_bo_backing_sync(&bo->backing, 100, KIND_SIZE - 200,
				       DMA_BIDIRECTIONAL, true);
}

static int op_begin(struct kunit *test, struct kind_bo *bo)
{
	return drm_gem_bo_backing_cpu_access(&bo->backing, DMA_BIDIRECTIONAL, false);
}

static int op_end(struct kunit *test, struct kind_bo *bo)
{
	return drm_gem_bo_backing_cpu_access(&bo->backing, DMA_BIDIRECTIONAL, true);
}

static int vmap_range(struct kunit *test, struct kind_bo *bo, u64 offset, u8 value)
{
	struct page *page = drm_gem_bo_backing_page(&bo->backing, 1);
	struct iosys_map map;
	u8 seen;
	int ret;

	ret = drm_gem_bo_backing_vmap(&bo->backing, offset, KIND_SIZE - offset, &map);
	if (ret)
		return ret;
	KUNIT_EXPECT_FALSE(test, map.is_iomem);
	iosys_map_memset(&map, 0, value, KIND_SIZE - offset);
	KUNIT_EXPECT_EQ(test, iosys_map_rd(&map, KIND_SIZE - offset - 1, u8), value);
	if (page) {
		memcpy_from_page(&seen, page, 0, sizeof(seen));
		KUNIT_EXPECT_EQ(test, seen, value);
	}
	drm_gem_bo_backing_vunmap(&bo->backing, &map);

	return 0;
}

static int op_vmap(struct kunit *test, struct kind_bo *bo)
{
	return vmap_range(test, bo, 0, 0x5a);
}

static int op_vmap_part(struct kunit *test, struct kind_bo *bo)
{
	return vmap_range(test, bo, PAGE_SIZE, 0xa5);
}

static int op_vaddr(struct kunit *test, struct kind_bo *bo)
{
	u8 *vaddr = drm_gem_bo_backing_vaddr(&bo->backing);

	if (!vaddr)
		return -ENOENT;
	/* What was written last, to the whole and to all but a page. */
	KUNIT_EXPECT_EQ(test, vaddr[0], 0x5a);
	KUNIT_EXPECT_EQ(test, vaddr[PAGE_SIZE], 0xa5);

	return 0;
}

/* What a driver's file does, and user space with it. */
static int kind_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct kind_bo *bo = file->private_data;
	int ret;

	vma->vm_pgoff += drm_vma_node_start(&bo->base.vma_node);
	ret = drm_gem_mmap_obj(&bo->base, bo->base.size, vma);
	if (!ret && bo->mmap_filp) {
		vma->vm_pgoff -= drm_vma_node_start(&bo->base.vma_node);
		vma_set_file(vma, bo->base.filp);
	}

	return ret;
}

static const struct file_operations kind_file_ops = {
	.owner = THIS_MODULE,
	.mmap = kind_file_mmap,
};

static struct file *kind_file(struct kunit *test, struct kind_bo *bo)
{
	struct file *file = anon_inode_create_getfile("kinds", &kind_file_ops, bo, O_RDWR, NULL);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);

	return file;
}

static void kind_file_put(struct file *file)
{
	fput(file);
	flush_delayed_fput();
}

static unsigned long kind_vm_mmap(struct kunit *test, struct file *file, size_t size,
				  unsigned long flags, u64 offset)
{
	KUNIT_ASSERT_EQ(test, kunit_attach_mm(), 0);

	return vm_mmap(file, 0, size, PROT_READ | PROT_WRITE, flags, offset);
}

/* A word in each page, written by user space, seen by the kernel. */
static void kind_check_user(struct kunit *test, struct kind_bo *bo, unsigned long addr,
			    u32 index, u32 num)
{
	struct iosys_map map;
	u32 i, word;

	for (i = 0; i < num; i++) {
		u32 __user *user = (u32 __user *)(addr + i * PAGE_SIZE);

		KUNIT_EXPECT_EQ(test, put_user(0xb0b00000 + index + i, user), 0);
		KUNIT_EXPECT_EQ(test, get_user(word, user), 0);
		KUNIT_EXPECT_EQ(test, word, 0xb0b00000 + index + i);
	}
	if (drm_gem_vmap(&bo->base, &map))
		return;
	for (i = index; i < index + num; i++)
		KUNIT_EXPECT_EQ(test, iosys_map_rd(&map, i * PAGE_SIZE, u32), 0xb0b00000 + i);
	drm_gem_vunmap(&bo->base, &map);
}

static int user_map(struct kunit *test, struct kind_bo *bo, u32 index, u32 num,
		    unsigned long flags)
{
	struct file *file = kind_file(test, bo);
	size_t size = (size_t)num << PAGE_SHIFT;
	unsigned long addr;

	addr = kind_vm_mmap(test, file, size, flags, (u64)index << PAGE_SHIFT);
	if (!IS_ERR_VALUE(addr)) {
		kind_check_user(test, bo, addr, index, num);
		KUNIT_EXPECT_EQ(test, vm_munmap(addr, size), 0);
	}
	kind_file_put(file);

	return IS_ERR_VALUE(addr) ? (int)addr : 0;
}

static int op_mmap(struct kunit *test, struct kind_bo *bo)
{
	return user_map(test, bo, 0, KIND_PAGES, MAP_SHARED);
}

static int op_mmap_part(struct kunit *test, struct kind_bo *bo)
{
	return user_map(test, bo, 3, 5, MAP_SHARED);
}

/* What is written there nobody else sees, and what nobody wrote is the object's. */
static void private_check_user(struct kunit *test, struct kind_bo *bo, unsigned long addr)
{
	u32 __user *first = (u32 __user *)addr;
	u32 __user *last = (u32 __user *)(addr + KIND_SIZE - PAGE_SIZE);
	struct iosys_map map;
	u32 word;

	KUNIT_EXPECT_EQ(test, put_user(0xc0c0c0c0, first), 0);
	KUNIT_EXPECT_EQ(test, get_user(word, first), 0);
	KUNIT_EXPECT_EQ(test, word, 0xc0c0c0c0);
	if (drm_gem_vmap(&bo->base, &map))
		return;
	KUNIT_EXPECT_NE(test, iosys_map_rd(&map, 0, u32), 0xc0c0c0c0);
	iosys_map_wr(&map, KIND_SIZE - PAGE_SIZE, u32, 0xd0d0d0d0);
	KUNIT_EXPECT_EQ(test, get_user(word, last), 0);
	KUNIT_EXPECT_EQ(test, word, 0xd0d0d0d0);
	drm_gem_vunmap(&bo->base, &map);
}

static int op_mmap_private(struct kunit *test, struct kind_bo *bo)
{
	struct file *file = kind_file(test, bo);
	unsigned long addr;

	addr = kind_vm_mmap(test, file, KIND_SIZE, MAP_PRIVATE, 0);
	if (!IS_ERR_VALUE(addr)) {
		private_check_user(test, bo, addr);
		KUNIT_EXPECT_EQ(test, vm_munmap(addr, KIND_SIZE), 0);
	}
	kind_file_put(file);

	return IS_ERR_VALUE(addr) ? (int)addr : 0;
}

static int op_mmap_beyond(struct kunit *test, struct kind_bo *bo)
{
	return user_map(test, bo, 0, KIND_PAGES + 1, MAP_SHARED);
}

#ifdef CONFIG_IOMMU_API
/* Counts, and adds up where that is. */
static int count_map_pages(struct iommu_domain *domain, unsigned long iova, phys_addr_t paddr,
			   size_t pgsize, size_t pgcount, int prot, gfp_t gfp, size_t *mapped)
{
	*mapped = pgsize * pgcount;
	domain->geometry.aperture_start += *mapped;
	for (; pgcount--; paddr += pgsize)
		domain->geometry.aperture_end += paddr;

	return 0;
}

/* Where an IOMMU has to lead to. */
static dma_addr_t kind_place(struct kunit *test, struct kind_bo *bo, u32 index)
{
	struct page *page = drm_gem_bo_backing_page(&bo->backing, index);
	dma_addr_t addr;

	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_dma_addr(&bo->backing, index << PAGE_SHIFT,
							  &addr), 0);

	return page ? page_to_phys(page) : addr;
}

static dma_addr_t kind_add_up(struct kunit *test, struct kind_bo *bo)
{
	dma_addr_t sum = 0;
	u32 i;

	for (i = 0; i < KIND_PAGES; i++)
		sum += kind_place(test, bo, i);

	return sum;
}

static void iommu_check_part(struct kunit *test, struct kind_bo *bo)
{
	struct dma_cursor cur;

	KUNIT_EXPECT_EQ(test, dma_cursor_begin_iommu(&cur, bo->backing.list, 1, PAGE_SIZE),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, dma_cursor_begin_iommu(&cur, bo->backing.list, PAGE_SIZE, 1),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, dma_cursor_begin_iommu(&cur, bo->backing.list, PAGE_SIZE,
						     PAGE_SIZE), 0);
	KUNIT_EXPECT_TRUE(test, dma_cursor_next_iommu(&cur));
	KUNIT_EXPECT_EQ(test, cur.phys, kind_place(test, bo, 1));
	KUNIT_EXPECT_EQ(test, cur.offset, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, cur.size, PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, dma_cursor_next_iommu(&cur));
}

static int op_iommu_map(struct kunit *test, struct kind_bo *bo)
{
	static const struct iommu_domain_ops ops = { .map_pages = count_map_pages };
	struct iommu_domain domain = {
		.type = IOMMU_DOMAIN_UNMANAGED,
		.ops = &ops,
		.pgsize_bitmap = PAGE_SIZE,
	};
	int ret;

	ret = dma_runs_iommu_map(bo->backing.list, &domain, SZ_1G, IOMMU_READ);
	if (ret)
		return ret;
	KUNIT_EXPECT_EQ(test, domain.geometry.aperture_start, KIND_SIZE);
	KUNIT_EXPECT_EQ(test, domain.geometry.aperture_end, kind_add_up(test, bo));
	iommu_check_part(test, bo);

	return 0;
}
#else
static int op_iommu_map(struct kunit *test, struct kind_bo *bo)
{
	struct iommu_domain *domain = NULL;

	return dma_runs_iommu_map(bo->backing.list, domain, SZ_1G, IOMMU_READ);
}
#endif

static void kind_check_table(struct kunit *test, struct kind_bo *bo, struct sg_table *sgt)
{
	struct kind_ctx *ctx = test->priv;
	bool pages = row_kind[bo->row] == DMA_RUNS_COHERENT ?
		!ctx->no_pages : (bool)drm_gem_bo_backing_page(&bo->backing, 0);
	struct scatterlist *sg;
	u64 size = 0;
	u32 i;

	for_each_sgtable_dma_sg(sgt, sg, i)
		size += sg_dma_len(sg);
	KUNIT_EXPECT_EQ(test, size, KIND_SIZE);
	if (IS_ENABLED(CONFIG_DMABUF_DEBUG))
		return;
	if (pages)
		KUNIT_EXPECT_LE(test, sgt->nents, sgt->orig_nents);
	else
		KUNIT_EXPECT_EQ(test, sgt->orig_nents, 0);
	size = 0;
	for_each_sgtable_sg(sgt, sg, i) {
		KUNIT_EXPECT_NOT_NULL(test, sg_page(sg));
		size += sg->length;
	}
	KUNIT_EXPECT_EQ(test, size, pages ? KIND_SIZE : 0);
}

/* An importer that has no list. */
static int export_table(struct kunit *test, struct kind_bo *bo, bool p2p)
{
	const struct dma_buf_attach_ops ops = { .allow_peer2peer = p2p };
	struct dma_buf *dma_buf = kind_export(test, bo);
	struct dma_buf_attachment *attach;
	struct kind_ctx *ctx = test->priv;
	struct sg_table *sgt;

	attach = dma_buf_dynamic_attach(dma_buf, ctx->other, &ops, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	if (!IS_ERR(sgt)) {
		kind_check_table(test, bo, sgt);
		KUNIT_EXPECT_FALSE(test, list_empty(&bo->backing.runs.others));
		dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_BIDIRECTIONAL);
	}
	KUNIT_EXPECT_TRUE(test, list_empty(&bo->backing.runs.others));
	dma_buf_detach(dma_buf, attach);
	kind_unexport(dma_buf);

	return PTR_ERR_OR_ZERO(sgt);
}

static int op_export_table(struct kunit *test, struct kind_bo *bo)
{
	return export_table(test, bo, false);
}

static int op_export_p2p(struct kunit *test, struct kind_bo *bo)
{
	return export_table(test, bo, true);
}

/* An importer that has one. */
static int op_export_list(struct kunit *test, struct kind_bo *bo)
{
	struct kind_ctx *ctx = test->priv;
	struct kind_bo *importer = kind_import(test, ctx->drm_other, kind_export(test, bo));
	int ret;

	ret = kind_map_locked(importer);
	if (!ret) {
		KUNIT_EXPECT_FALSE(test, list_empty(&bo->backing.runs.others));
		KUNIT_EXPECT_NULL(test, drm_gem_bo_backing_page(&importer->backing, 0));
		KUNIT_EXPECT_EQ(test, op_dma_cursor(test, importer), 0);
	}
	kunit_release_action(test, kind_bo_put, &importer->base);
	flush_delayed_fput();
	KUNIT_EXPECT_TRUE(test, list_empty(&bo->backing.runs.others));

	return ret;
}

/* An importer that does no DMA attaches, and uses the exporter's kernel address. */
static int op_export_cpu(struct kunit *test, struct kind_bo *bo)
{
	struct dma_buf *dma_buf = kind_export(test, bo);
	struct kind_ctx *ctx = test->priv;
	struct dma_buf_attachment *attach;
	struct iosys_map map;
	int ret;

	attach = dma_buf_attach(dma_buf, ctx->drm->dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	ret = dma_buf_begin_cpu_access(dma_buf, DMA_FROM_DEVICE);
	if (!ret) {
		ret = dma_buf_vmap_unlocked(dma_buf, &map);
		if (!ret)
			dma_buf_vunmap_unlocked(dma_buf, &map);
		KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(dma_buf, DMA_FROM_DEVICE), 0);
	}
	dma_buf_detach(dma_buf, attach);
	kind_unexport(dma_buf);

	return ret;
}

static int map_for(struct kunit *test, struct kind_bo *bo, struct device *dev,
		   enum dma_data_direction dir)
{
	struct dma_runs *list;
	dma_addr_t dma_addr;

	list = dma_runs_map_for(&bo->backing.runs, dev, dir, 0);
	if (IS_ERR(list))
		return PTR_ERR(list);
	KUNIT_EXPECT_GE(test, dma_runs_contiguous(list, 0, &dma_addr), PAGE_SIZE);

	/* In any direction, however it is mapped. */
	KUNIT_EXPECT_EQ(test, op_begin(test, bo), 0);
	KUNIT_EXPECT_EQ(test, op_end(test, bo), 0);
	dma_resv_lock(bo->base.resv, NULL);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_free(&bo->backing), -EBUSY);
	dma_resv_unlock(bo->base.resv);
	dma_runs_free(list);

	return 0;
}

static int op_map_for(struct kunit *test, struct kind_bo *bo)
{
	struct kind_ctx *ctx = test->priv;

	KUNIT_EXPECT_LT(test, map_for(test, bo, ctx->other, DMA_NONE), 0);

	return map_for(test, bo, ctx->other, DMA_BIDIRECTIONAL);
}

static int op_map_for_reads(struct kunit *test, struct kind_bo *bo)
{
	struct kind_ctx *ctx = test->priv;

	return map_for(test, bo, ctx->other, DMA_TO_DEVICE);
}

/* Who asks twice gets what it has, wherever that is. */
static int op_map_for_owner(struct kunit *test, struct kind_bo *bo)
{
	struct kind_ctx *ctx = test->priv;

	return map_for(test, bo, ctx->dev, DMA_BIDIRECTIONAL);
}

/* What is allocated stays mapped. */
static int op_unmap(struct kunit *test, struct kind_bo *bo)
{
	drm_gem_bo_backing_unmap(&bo->backing);

	return dma_runs_is_mapped(bo->backing.list) ? -EBUSY : 0;
}

static int op_free(struct kunit *test, struct kind_bo *bo)
{
	return drm_gem_bo_backing_free(&bo->backing);
}

/* Where the answer depends on the devices, too. */
enum { ANY, OTHER };

#define NO	(-EOPNOTSUPP)
#define NX	(-ENXIO)
#define EX	(-EEXIST)
#define NE	(-ENOENT)
#define IN	(-EINVAL)
#define BU	(-EBUSY)
#define IO	(IS_ENABLED(CONFIG_IOMMU_API) ? 0 : -ENODEV)

/* In this order, on one object for each row. */
static const struct {
	const char *name;
	int (*fn)(struct kunit *test, struct kind_bo *bo);
	int where;
	bool unlocked;
	int ret[NUM_ROWS];
} ops[] = {
	{ "map nothing",     op_map,             ANY,   false, { NX, NX,  0, NX, NX, NX } },
	{ "free nothing",    op_free,            ANY,   false, {  0,  0, NO,  0,  0,  0 } },
	{ "get memory",      op_alloc,           ANY,   false, {  0,  0,  0,  0,  0,  0 } },
	{ "again",           op_alloc_again,     ANY,   false, { NO, EX, NO, EX, EX, EX } },
	{ "populate",        op_populate,        ANY,   false, {  0,  0, NO, NO, NO, NO } },
	{ "is cleared",      op_clear,           ANY,   false, {  0,  0,  0,  0, NO,  0 } },
	{ "map",             op_map,             ANY,   false, {  0,  0,  0,  0,  0,  0 } },
	{ "map again",       op_map,             ANY,   false, {  0,  0,  0,  0,  0,  0 } },
	{ "dma_addr",        op_dma_addr,        ANY,   false, {  0,  0,  0,  0,  0,  0 } },
	{ "dma cursor",      op_dma_cursor,      ANY,   false, {  0,  0,  0,  0,  0,  0 } },
	{ "contiguous_dma",  op_contiguous,      ANY,   false, {  0,  0,  0,  0,  0,  0 } },
	{ "page",            op_page,            ANY,   false, {  0,  0, NE, NE, NE,  0 } },
	{ "page cursor",     op_page_cursor,     ANY,   false, {  0,  0, NO, NO, NO,  0 } },
	{ "sync_for_cpu",    op_sync_for_cpu,    ANY,   false, {  0,  0, NO, NO, NO,  0 } },
	{ "sync_for_device", op_sync_for_device, ANY,   false, {  0,  0, NO, NO, NO,  0 } },
	{ "begin access",    op_begin,           ANY,   true,  {  0,  0, NO,  0,  0,  0 } },
	{ "end access",      op_end,             ANY,   true,  {  0,  0, NO,  0,  0,  0 } },
	{ "vmap",            op_vmap,            ANY,   false, {  0,  0,  0,  0, NO,  0 } },
	{ "vmap a part",     op_vmap_part,       ANY,   false, {  0,  0, NO,  0, NO,  0 } },
	{ "vaddr",           op_vaddr,           ANY,   false, { NE, NE, NE,  0, NE,  0 } },
	{ "mmap, fault",     op_mmap,            ANY,   true,  {  0,  0,  0,  0,  0,  0 } },
	{ "mmap a part",     op_mmap_part,       ANY,   true,  {  0,  0,  0,  0,  0,  0 } },
	{ "mmap private",    op_mmap_private,    ANY,   true,  { IN, IN, IN,  0,  0,  0 } },
	{ "mmap too much",   op_mmap_beyond,     ANY,   true,  { IN, IN, IN, IN, IN, IN } },
	{ "iommu_map",       op_iommu_map,       ANY,   false, { IO, IO, IO, IO, IO, IO } },
	{ "to a table",      op_export_table,    OTHER, true,  {  0,  0, NO,  0,  0,  0 } },
	{ "to a table, p2p", op_export_p2p,      OTHER, true,  {  0,  0, NO,  0,  0,  0 } },
	{ "to a list",       op_export_list,     OTHER, true,  {  0,  0, NO,  0,  0,  0 } },
	{ "to a CPU",        op_export_cpu,      ANY,   true,  {  0,  0, NO,  0, NO,  0 } },
	{ "map_for",         op_map_for,         OTHER, true,  {  0,  0, NO,  0,  0,  0 } },
	{ "map_for, reads",  op_map_for_reads,   OTHER, true,  {  0,  0, NO,  0,  0,  0 } },
	{ "map_for, owner",  op_map_for_owner,   ANY,   true,  {  0,  0, NO,  0,  0,  0 } },
	{ "unmap",           op_unmap,           ANY,   false, {  0,  0,  0, BU, BU, BU } },
	{ "free",            op_free,            ANY,   false, {  0,  0, NO,  0,  0,  0 } },
	{ "free again",      op_free,            ANY,   false, {  0,  0, NO,  0,  0,  0 } },
	{ "map after that",  op_map,             ANY,   false, { NX, NX,  0, NX, NX, NX } },
};

/* Only a device that has to bounce has a largest mapping. */
static bool kind_bounces(struct device *dev)
{
	return dma_max_mapping_size(dev) != SIZE_MAX;
}

/* Then its addresses are no place in memory. */
static bool kind_translates(struct device *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return get_dma_ops(dev) || (domain && domain->type != IOMMU_DOMAIN_IDENTITY);
}

static int op_expected(const struct kind_ctx *ctx, int op, enum kind_row row)
{
	int ret = ops[op].ret[row];

	if (ops[op].fn == op_iommu_map && row_kind[row] != DMA_RUNS_STREAMING &&
	    row != NONCOHERENT && kind_translates(ctx->dev))
		return -EOPNOTSUPP;
	if (ret)
		return ret;
	if (ops[op].fn == op_alloc && row_kind[row] == DMA_RUNS_COHERENT)
		return ctx->own_coherent;
	/* It bounces already, and is alone. */
	if (ops[op].fn == op_map_for_owner && row_kind[row] == DMA_RUNS_STREAMING &&
	    kind_bounces(ctx->dev))
		return -EIO;

	return ops[op].where == OTHER ? ctx->reach[row] : 0;
}

static int op_run_locked(struct kunit *test, int op, struct kind_bo *bo)
{
	int ret;

	if (ops[op].unlocked)
		return ops[op].fn(test, bo);

	dma_resv_lock(bo->base.resv, NULL);
	ret = ops[op].fn(test, bo);
	dma_resv_unlock(bo->base.resv);

	return ret;
}

static int op_run(struct kunit *test, int op, struct kind_bo *bo)
{
	struct kind_ctx *ctx = test->priv;
	int ret = 0;

	/* The DMA API warns of what is out of reach, but not of anything else. */
	if (ctx->other->bus_dma_limit && ops[op].where == OTHER) {
		kunit_warning_suppress(test) {
			ret = op_run_locked(test, op, bo);
		}
	} else {
		ret = op_run_locked(test, op, bo);
	}
	KUNIT_EXPECT_EQ_MSG(test, ret, op_expected(test->priv, op, bo->row), "%s, %s",
			    ops[op].name, row_name[bo->row]);

	return ret;
}

static void matrix_line(struct kunit *test, int op, struct kind_bo **bo)
{
	char line[128];
	int row, n;

	n = scnprintf(line, sizeof(line), "%-16s", ops[op].name);
	for (row = 0; row < NUM_ROWS; row++) {
		int ret = 0;

		if (bo[row]) {
			ret = op_run(test, op, bo[row]);
			if (ret)
				n += scnprintf(line + n, sizeof(line) - n, " %-12pe",
					       ERR_PTR(ret));
			else
				n += scnprintf(line + n, sizeof(line) - n, " %-12s", "works");
			/* Without memory nothing is left to be asked. */
			if (ret && ops[op].fn == op_alloc)
				bo[row] = NULL;
			continue;
		}
		n += scnprintf(line + n, sizeof(line) - n, " %-12s", "-");
	}
	kunit_info(test, "%s", line);
}

static void test_matrix(struct kunit *test)
{
	struct kind_ctx *ctx = test->priv;
	struct kind_bo *bo[NUM_ROWS];
	char line[128];
	int i, n;

	n = scnprintf(line, sizeof(line), "%-16s", ctx->name);
	for (i = 0; i < NUM_ROWS; i++) {
		bo[i] = kind_bo_new(test, i);
		n += scnprintf(line + n, sizeof(line) - n, " %-12s", row_name[i]);
	}
	kunit_info(test, "%s", line);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		matrix_line(test, i, bo);
}

/*
 * What is refused
 */

static void test_no_dma_mask(struct kunit *test)
{
	struct kind_ctx *ctx = test->priv;
	u64 *mask = ctx->dev->dma_mask;
	struct kind_bo *bo[NUM_ROWS];
	int row;

	for (row = 0; row < NUM_ROWS; row++)
		bo[row] = kind_bo_new(test, row);

	ctx->dev->dma_mask = NULL;
	for (row = COHERENT; row < NUM_ROWS; row++)
		KUNIT_EXPECT_EQ(test, kind_alloc_locked(bo[row], row), -ENODEV);
	KUNIT_EXPECT_EQ(test, kind_map_locked(bo[IMPORTED]), -ENODEV);
	ctx->dev->dma_mask = mask;

	mask = ctx->other->dma_mask;
	ctx->other->dma_mask = NULL;
	for (row = 0; row < NUM_ROWS; row++) {
		kind_alloc_locked(bo[row], row);
		KUNIT_EXPECT_EQ(test, map_for(test, bo[row], ctx->other, DMA_BIDIRECTIONAL),
				row == IMPORTED ? -EOPNOTSUPP : -ENODEV);
	}
	ctx->other->dma_mask = mask;
}

/* No memory is where the device reaches it. */
static void test_alloc_unreachable(struct kunit *test)
{
	struct kind_ctx *ctx = test->priv;
	int row;

	for (row = COHERENT; row < NUM_ROWS; row++) {
		struct kind_bo *bo = kind_bo_new(test, row);

		ctx->dev->bus_dma_limit = 1;
		kunit_warning_suppress(test) {
			KUNIT_EXPECT_EQ(test, kind_alloc_locked(bo, row), -ENOMEM);
		}
		ctx->dev->bus_dma_limit = 0;
		KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_resident_size(&bo->backing), 0);
		KUNIT_EXPECT_NULL(test, drm_gem_bo_backing_vaddr(&bo->backing));
	}
}

/* Before there is memory nothing works, and nothing breaks. */
static void test_empty(struct kunit *test)
{
	int row;

	for (row = IMPORTED; row < NUM_ROWS; row++) {
		struct kind_ctx *ctx = test->priv;
		/* An import that nobody has attached. */
		struct kind_bo *bo = kind_bo_create(test, ctx->drm, row);
		int vmap;

		if (row != IMPORTED)
			KUNIT_EXPECT_EQ(test, kind_map_locked(bo), -ENXIO);
		dma_resv_lock(bo->base.resv, NULL);
		vmap = op_vmap(test, bo);
		dma_resv_unlock(bo->base.resv);
		KUNIT_EXPECT_EQ(test, vmap, -ENXIO);
		KUNIT_EXPECT_NULL(test, drm_gem_bo_backing_vaddr(&bo->backing));
		KUNIT_EXPECT_EQ(test, op_mmap(test, bo), -ENXIO);
		if (row != IMPORTED)
			KUNIT_EXPECT_EQ(test, op_map_for(test, bo), -ENXIO);
	}
}

/* A mapping of the object's file, at an offset and without its front. */
static void test_fault_filp(struct kunit *test)
{
	struct kind_bo *bo = kind_bo_new(test, STREAMING);
	struct file *file = kind_file(test, bo);
	unsigned long addr;

	bo->mmap_filp = true;
	KUNIT_ASSERT_EQ(test, kind_alloc_locked(bo, STREAMING), 0);
	addr = kind_vm_mmap(test, file, KIND_SIZE - PAGE_SIZE, MAP_SHARED, PAGE_SIZE);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_EXPECT_EQ(test, vm_munmap(addr, PAGE_SIZE), 0);
	kind_check_user(test, bo, addr + PAGE_SIZE, 2, KIND_PAGES - 2);
	KUNIT_EXPECT_EQ(test, vm_munmap(addr + PAGE_SIZE, KIND_SIZE - 2 * PAGE_SIZE), 0);
	kind_file_put(file);
}

static pgprot_t kind_prot(enum drm_gem_bo_caching caching, pgprot_t prot)
{
	switch (caching) {
	case DRM_GEM_BO_WRITE_COMBINED:
		return pgprot_writecombine(prot);
	case DRM_GEM_BO_UNCACHED:
		return pgprot_noncached(prot);
	default:
		return prot;
	}
}

static void test_caching(struct kunit *test)
{
	enum drm_gem_bo_caching caching;

	for (caching = DRM_GEM_BO_CACHED; caching <= DRM_GEM_BO_UNCACHED; caching++) {
		struct kind_bo *bo = kind_bo_new(test, STREAMING);
		struct file *file = kind_file(test, bo);
		pgprot_t prot = __pgprot(0);
		struct vm_area_struct *vma;
		unsigned long addr;

		bo->backing.caching = caching;
		KUNIT_ASSERT_EQ(test, kind_alloc_locked(bo, STREAMING), 0);
		KUNIT_EXPECT_TRUE(test, bo->backing.runs.uncached ==
					(caching != DRM_GEM_BO_CACHED));
		addr = kind_vm_mmap(test, file, KIND_SIZE, MAP_SHARED, 0);
		KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
		kind_check_user(test, bo, addr, 0, KIND_PAGES);

		mmap_read_lock(current->mm);
		vma = vma_lookup(current->mm, addr);
		if (vma)
			prot = vma->vm_page_prot;
		mmap_read_unlock(current->mm);
		KUNIT_EXPECT_NE(test, pgprot_val(prot), 0);
		KUNIT_EXPECT_EQ(test, pgprot_val(prot), pgprot_val(kind_prot(caching, prot)));

		KUNIT_EXPECT_EQ(test, vm_munmap(addr, KIND_SIZE), 0);
		kind_file_put(file);
	}
}

/* Only what is there without a fault. */
static bool user_has_pfn(unsigned long addr, unsigned long pfn)
{
	struct follow_pfnmap_args args = { .address = addr };
	bool same = false;

	mmap_read_lock(current->mm);
	args.vma = vma_lookup(current->mm, addr);
	if (args.vma && !follow_pfnmap_start(&args)) {
		same = args.pfn == pfn;
		follow_pfnmap_end(&args);
	}
	mmap_read_unlock(current->mm);

	return same;
}

static const struct vm_operations_struct at_once_vm_ops = {
	.open = drm_gem_vm_open,
	.close = drm_gem_vm_close,
};

static const struct drm_gem_object_funcs at_once_funcs = {
	.free = kind_bo_free,
	.mmap = drm_gem_bo_backing_mmap,
	.vmap = drm_gem_bo_backing_object_vmap,
	.vunmap = drm_gem_bo_backing_object_vunmap,
	.vm_ops = &at_once_vm_ops,
};

/* Before anybody has touched it. */
static void expect_mapped(struct kunit *test, struct kind_bo *bo, u32 index, u32 num)
{
	struct file *file = kind_file(test, bo);
	unsigned long addr = kind_vm_mmap(test, file, num * PAGE_SIZE, MAP_SHARED,
					  index * PAGE_SIZE);
	u32 i;

	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	for (i = 0; i < num; i++) {
		const struct dma_run *run = dma_runs_find(&bo->backing.runs, index + i);

		KUNIT_EXPECT_TRUE(test, user_has_pfn(addr + i * PAGE_SIZE, PHYS_PFN(run->phys) +
						     index + i - run->index));
	}
	kind_check_user(test, bo, addr, index, num);
	KUNIT_EXPECT_EQ(test, vm_munmap(addr, num * PAGE_SIZE), 0);
	kind_file_put(file);
}

/* Without a fault handler all is there from the start. */
static void test_mmap_at_once(struct kunit *test)
{
	static const enum kind_row rows[] = { STREAMING, PAGES };
	int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kind_bo *bo = kind_bo_new(test, rows[i]);

		bo->base.funcs = &at_once_funcs;
		KUNIT_EXPECT_EQ(test, op_mmap(test, bo), -ENXIO);
		KUNIT_ASSERT_EQ(test, kind_alloc_locked(bo, rows[i]), 0);
		expect_mapped(test, bo, 0, KIND_PAGES);
		expect_mapped(test, bo, 3, 5);
		KUNIT_EXPECT_EQ(test, op_mmap_beyond(test, bo), -EINVAL);
		KUNIT_EXPECT_EQ(test, op_mmap_private(test, bo), -EINVAL);
	}
}

/* Memory stands in for what has no pages: nobody must look for them. */
static void test_resource(struct kunit *test)
{
	void *vaddr = alloc_pages_exact(KIND_SIZE, GFP_KERNEL);
	struct kind_ctx *ctx = test->priv;
	struct kind_bo *bo = kunit_kzalloc(test, sizeof(*bo), GFP_KERNEL);
	struct drm_gem_bo_backing *b = &bo->backing;
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, vaddr);
	KUNIT_ASSERT_NOT_NULL(test, bo);
	bo->base.funcs = &at_once_funcs;
	drm_gem_private_object_init(ctx->drm, &bo->base, KIND_SIZE);
	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_init(b, &bo->base, DMA_RUNS_RESOURCE), 0);
	KUNIT_ASSERT_EQ(test, drm_gem_create_mmap_offset(&bo->base), 0);
	KUNIT_EXPECT_EQ(test, op_mmap(test, bo), -ENXIO);
	KUNIT_EXPECT_EQ(test, dma_runs_add(&b->runs, 0, virt_to_phys(vaddr), KIND_PAGES), 0);

	expect_mapped(test, bo, 0, KIND_PAGES);
	expect_mapped(test, bo, 3, 5);
	for (i = 0; i < KIND_PAGES; i++)
		KUNIT_EXPECT_EQ(test, *(u32 *)(vaddr + i * PAGE_SIZE), 0xb0b00000 + i);
	KUNIT_EXPECT_NULL(test, drm_gem_bo_backing_page(b, 0));
	KUNIT_EXPECT_EQ(test, op_begin(test, bo), 0);

	dma_resv_lock(bo->base.resv, NULL);
	KUNIT_EXPECT_EQ(test, op_alloc_again(test, bo), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, op_populate(test, bo), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, op_vmap(test, bo), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, op_sync_for_cpu(test, bo), -EOPNOTSUPP);
	/* DMA_API_DEBUG sees that it is memory. */
	if (!IS_ENABLED(CONFIG_DMA_API_DEBUG))
		KUNIT_EXPECT_EQ(test, op_map(test, bo), kind_bounces(ctx->dev) ? -EIO : 0);
	drm_gem_bo_backing_fini(b);
	dma_resv_unlock(bo->base.resv);
	drm_gem_object_release(&bo->base);
	free_pages_exact(vaddr, KIND_SIZE);
}

/* Some platforms have no coherent memory for devices that do not snoop. */
static bool kind_has_memory(struct kunit *test, enum kind_row row)
{
	struct kind_ctx *ctx = test->priv;

	return row_kind[row] != DMA_RUNS_COHERENT || !ctx->own_coherent;
}

/* A purge under the eyes of user space. */
static void free_while_mmapped(struct kunit *test, enum kind_row row)
{
	struct kind_bo *bo = kind_bo_new(test, row);
	struct file *file = kind_file(test, bo);
	unsigned long addr;
	int ret;

	KUNIT_EXPECT_EQ(test, kind_alloc_locked(bo, row), 0);
	addr = kind_vm_mmap(test, file, KIND_SIZE, MAP_SHARED, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	kind_check_user(test, bo, addr, 0, KIND_PAGES);

	drm_vma_node_unmap(&bo->base.vma_node, file->f_mapping);
	dma_resv_lock(bo->base.resv, NULL);
	ret = drm_gem_bo_backing_free(&bo->backing);
	dma_resv_unlock(bo->base.resv);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, clear_user((void __user *)addr, 4), 4);

	KUNIT_EXPECT_EQ(test, vm_munmap(addr, KIND_SIZE), 0);
	kind_file_put(file);
}

static void test_free_while_mmapped(struct kunit *test)
{
	int row;

	for (row = PAGES; row < NUM_ROWS; row++)
		if (row != IMPORTED && kind_has_memory(test, row))
			free_while_mmapped(test, row);
}

/* An exporter that went away leaves its importers with what they have. */
static void test_export_outlives(struct kunit *test)
{
	struct kind_ctx *ctx = test->priv;
	int row;

	for (row = COHERENT; row < NUM_ROWS; row++) {
		struct kind_bo *bo = kind_bo_new(test, row);
		struct kind_bo *importer;

		if (!kind_has_memory(test, row))
			continue;
		KUNIT_EXPECT_EQ(test, kind_alloc_locked(bo, row), 0);
		importer = kind_import(test, ctx->drm_other, kind_export(test, bo));
		kunit_warning_suppress(test) {
			KUNIT_EXPECT_EQ(test, kind_map_locked(importer), ctx->reach[row]);
		}
		kunit_release_action(test, kind_bo_put, &bo->base);
		if (!ctx->reach[row])
			KUNIT_EXPECT_EQ(test, op_dma_cursor(test, importer), 0);
	}
}

/*
 * Whether the bytes arrive, and nowhere else
 */

static phys_addr_t device_phys(struct device *dev, dma_addr_t dma_addr)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain ? iommu_iova_to_phys(domain, dma_addr) : dma_to_phys(dev, dma_addr);
}

/* Each page has a byte of its own, at an offset of its own. */
static u32 byte_offset(u32 i)
{
	return i * (PAGE_SIZE + 16) + 1;
}

/* As the device sees it: what does not snoop goes past the caches. */
static u8 *device_byte(struct kunit *test, struct kind_bo *bo, u32 i)
{
	struct device *dev = bo->backing.runs.dev;
	pgprot_t prot = PAGE_KERNEL;
	struct page *page;
	dma_addr_t addr;
	u8 *vaddr;

	if (!dev_is_dma_coherent(dev))
		prot = pgprot_dmacoherent(prot);

	KUNIT_ASSERT_EQ(test, 0, drm_gem_bo_backing_dma_addr(&bo->backing, byte_offset(i), &addr));
	page = pfn_to_page(PHYS_PFN(device_phys(dev, addr)));
	vaddr = vmap(&page, 1, VM_MAP, prot);
	KUNIT_ASSERT_NOT_NULL(test, vaddr);

	return vaddr + offset_in_page(addr);
}

static void device_writes(struct kunit *test, struct kind_bo *bo, u8 value)
{
	u32 i;

	for (i = 0; i < KIND_PAGES; i++) {
		u8 *byte = device_byte(test, bo, i);

		*byte = value + i;
		vunmap(PTR_ALIGN_DOWN(byte, PAGE_SIZE));
	}
}

static void device_reads(struct kunit *test, struct kind_bo *bo, u8 value)
{
	u32 i;

	for (i = 0; i < KIND_PAGES; i++) {
		u8 *byte = device_byte(test, bo, i);

		KUNIT_EXPECT_EQ(test, *byte, (u8)(value + i));
		vunmap(PTR_ALIGN_DOWN(byte, PAGE_SIZE));
	}
}

/* Reads @from and writes @to; without a kernel mapping the device's bytes stay. */
static u8 cpu_copies(struct kunit *test, struct kind_bo *bo, u8 from, u8 to)
{
	struct iosys_map map;
	u32 i;

	if (bo->row == NO_KMAP)
		return from;

	KUNIT_ASSERT_EQ(test, drm_gem_bo_backing_vmap(&bo->backing, 0, KIND_SIZE, &map), 0);
	for (i = 0; i < KIND_PAGES; i++) {
		KUNIT_EXPECT_EQ(test, iosys_map_rd(&map, byte_offset(i), u8), (u8)(from + i));
		iosys_map_wr(&map, byte_offset(i), u8, to + i);
	}
	drm_gem_bo_backing_vunmap(&bo->backing, &map);

	return to;
}

/* Page by page, where there is anything to be done at all. */
static void owner_syncs(struct kunit *test, struct kind_bo *bo, bool for_device)
{
	u32 i;

	if (row_kind[bo->row] == DMA_RUNS_COHERENT)
		return;
	for (i = 0; i < KIND_PAGES; i++) {
		u64 offset = (u64)i << PAGE_SHIFT;
		int ret;

		if (for_device)
			ret = drm_gem_bo_backing_sync(&bo->backing, offset, PAGE_SIZE,
						      DMA_TO_DEVICE, true);
		else
			ret = drm_gem_bo_backing_sync(&bo->backing, offset, PAGE_SIZE,
						      DMA_FROM_DEVICE, false);
		KUNIT_EXPECT_EQ(test, ret, 0);
	}
}

/* Returns what is there in the end. */
static u8 owner_transfers(struct kunit *test, struct kind_bo *bo)
{
	u8 value;

	device_writes(test, bo, 0x10);
	owner_syncs(test, bo, false);
	value = cpu_copies(test, bo, 0x10, 0x30);
	owner_syncs(test, bo, true);
	device_reads(test, bo, value);

	return value;
}

static void importer_transfers(struct kunit *test, struct kind_bo *bo,
			       struct kind_bo *importer, u8 value)
{
	struct drm_gem_bo_backing *b = &bo->backing;

	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_cpu_access(b, DMA_TO_DEVICE, true), 0);
	device_reads(test, importer, value);
	device_writes(test, importer, 0x50);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_cpu_access(b, DMA_FROM_DEVICE, false), 0);
	dma_resv_lock(b->obj->resv, NULL);
	value = cpu_copies(test, bo, 0x50, 0x70);
	dma_resv_unlock(b->obj->resv);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_cpu_access(b, DMA_TO_DEVICE, true), 0);
	device_reads(test, importer, value);
}

/* Once it is unmapped, an IOMMU lets the device go nowhere. */
static void expect_unmapped(struct kunit *test, struct device *dev, dma_addr_t addr)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	if (domain)
		KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(domain, addr), 0);
}

static bool has_pages(struct kind_bo *bo)
{
	dma_addr_t addr;

	return !drm_gem_bo_backing_dma_addr(&bo->backing, 0, &addr) &&
	       pfn_valid(PHYS_PFN(device_phys(bo->backing.runs.dev, addr)));
}

static void row_transfers(struct kunit *test, enum kind_row row)
{
	struct kind_bo *importer, *bo = kind_bo_new(test, row);
	struct kind_ctx *ctx = test->priv;
	int reach = row_kind[row] == DMA_RUNS_STREAMING && ctx->bounces ? 0 : ctx->reach[row];
	dma_addr_t addr;
	u8 value;

	KUNIT_ASSERT_EQ(test, kind_alloc_locked(bo, row), 0);
	KUNIT_ASSERT_EQ(test, kind_map_locked(bo), 0);
	if (!has_pages(bo))
		return;

	dma_resv_lock(bo->base.resv, NULL);
	value = owner_transfers(test, bo);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_dma_addr(&bo->backing, 0, &addr), 0);
	/* Who bounces has a copy of its own: one at a time. */
	if (!op_unmap(test, bo))
		expect_unmapped(test, ctx->dev, addr);
	dma_resv_unlock(bo->base.resv);

	importer = kind_import(test, ctx->drm_other, kind_export(test, bo));
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, kind_map_locked(importer), reach);
	}
	if (reach)
		return;

	importer_transfers(test, bo, importer, value);
	KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_dma_addr(&importer->backing, 0, &addr), 0);
	kunit_release_action(test, kind_bo_put, &importer->base);
	flush_delayed_fput();
	expect_unmapped(test, ctx->other, addr);
}

static void test_transfers(struct kunit *test)
{
	int row;

	for (row = STREAMING; row < NUM_ROWS; row++)
		if (row != IMPORTED && kind_has_memory(test, row))
			row_transfers(test, row);
}

/*
 * What fails on the way
 */

#ifdef CONFIG_FAULT_INJECTION
static bool can_fail_alloc(void)
{
	void *p;

	current->fail_nth = 1;
	p = kmalloc(64, GFP_KERNEL | __GFP_NOWARN);
	current->fail_nth = 0;
	kfree(p);

	return !p;
}

/* The memory, and that for another device. */
static int alloc_and_map_for(struct kunit *test, struct kind_bo *bo)
{
	struct kind_ctx *ctx = test->priv;
	struct dma_runs *list;
	int ret;

	ret = kind_alloc_locked(bo, bo->row);
	if (!ret)
		ret = kind_map_locked(bo);
	if (ret || bo->row == IMPORTED)
		return ret;

	list = dma_runs_map_for(&bo->backing.runs, ctx->other, DMA_BIDIRECTIONAL, 0);
	if (IS_ERR(list))
		return PTR_ERR(list);
	dma_runs_free(list);

	return 0;
}

static void kind_give_back(struct kind_bo *bo)
{
	dma_resv_lock(bo->base.resv, NULL);
	drm_gem_bo_backing_unmap(&bo->backing);
	if (bo->row != IMPORTED)
		drm_gem_bo_backing_free(&bo->backing);
	dma_resv_unlock(bo->base.resv);
}

/* What fails to map has but one word for it. */
static bool is_failed_alloc(const struct kind_ctx *ctx, int ret)
{
	return ret == -ENOMEM ||
	       (ret == -EIO && (iommu_get_domain_for_dev(ctx->dev) ||
				iommu_get_domain_for_dev(ctx->other)));
}

/* Every allocation in turn, until there is none left to fail. */
static void kind_fail_all(struct kunit *test, struct kind_bo *bo)
{
	int n, ret, failed = 0;

	for (n = 1; n < 10000; n++) {
		bool done;

		current->fail_nth = n;
		ret = alloc_and_map_for(test, bo);
		done = current->fail_nth;
		current->fail_nth = 0;
		KUNIT_EXPECT_TRUE(test, list_empty(&bo->backing.runs.others));
		kind_give_back(bo);
		/* So that the next time, too, each page can fail. */
		if (bo->row == STREAMING)
			shmem_truncate_range(file_inode(bo->base.filp), 0, (loff_t)-1);
		KUNIT_EXPECT_EQ(test, drm_gem_bo_backing_resident_size(&bo->backing), 0);
		KUNIT_EXPECT_EQ(test, bo->backing.list->num_mapped, 0);
		if (done)
			break;
		if (ret) {
			failed++;
			KUNIT_EXPECT_TRUE_MSG(test, is_failed_alloc(test->priv, ret),
					      "%s, allocation %d: %d", row_name[bo->row],
					      n, ret);
		}
	}
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_GT(test, failed, 0);
	kunit_info(test, "%-12s %d of %d allocations failed the call", row_name[bo->row],
		   failed, n - 1);
}

static void test_alloc_undo(struct kunit *test)
{
	struct kind_ctx *ctx = test->priv;
	int row, rows = 0;

	if (!can_fail_alloc())
		kunit_skip(test, "failslab spares sleeping allocations, see ignore-gfp-wait");

	for (row = 0; row < NUM_ROWS; row++) {
		if (ctx->reach[row] || !kind_has_memory(test, row))
			continue;
		kind_fail_all(test, kind_bo_new(test, row));
		rows++;
	}
	if (!rows)
		kunit_skip(test, "all is refused here");
}
#else
static void test_alloc_undo(struct kunit *test)
{
	kunit_skip(test, "CONFIG_FAULT_INJECTION is off");
}
#endif

/*
 * Devices
 */

static struct device *kind_device(struct kunit *test, const char *name, bool coherent, u64 mask)
{
	struct device *dev = kunit_device_register(test, name);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	dev_assign_dma_coherent(dev, coherent);
	if (dev_is_dma_coherent(dev) != coherent)
		kunit_skip(test, "all devices are coherent on this platform");
	KUNIT_ASSERT_EQ(test, dma_set_mask_and_coherent(dev, mask), 0);

	return dev;
}

static const struct file_operations kind_drm_fops = {
	.owner = THIS_MODULE,
};

static const struct drm_driver kind_driver = {
	.driver_features = DRIVER_GEM,
	.fops = &kind_drm_fops,
};

/* A device of its own, so that any device can be the one that does DMA. */
static struct drm_device *kind_drm(struct kunit *test, const char *name, struct device *dma_dev)
{
	struct device *dev = kunit_device_register(test, name);
	struct drm_device *drm;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	drm = __drm_kunit_helper_alloc_drm_device_with_driver(test, dev, sizeof(*drm), 0,
							      &kind_driver);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, drm);
	drm_dev_set_dma_dev(drm, dma_dev);

	return drm;
}

static void kind_flush(void *data)
{
	flush_delayed_fput();
}

/* Does not allocate with the code that is tested. */
static bool kind_has_coherent(struct device *dev)
{
	dma_addr_t dma_addr;
	void *vaddr = dma_alloc_attrs(dev, PAGE_SIZE, &dma_addr, GFP_KERNEL | __GFP_NOWARN, 0);

	if (vaddr)
		dma_free_attrs(dev, PAGE_SIZE, vaddr, dma_addr, 0);

	return vaddr;
}

static void kind_reach(struct kind_ctx *ctx, enum kind_row first, enum kind_row last, int ret)
{
	while (first <= last)
		ctx->reach[first++] = ret;
}

static int kind_init_devices(struct kunit *test, const char *name, struct device *dev,
			     struct device *other)
{
	struct kind_ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->name = kind_bounces(other) ? "BOUNCES" : name;
	ctx->dev = dev;
	ctx->other = other;
	ctx->drm = kind_drm(test, "kinds-drm", dev);
	ctx->drm_other = kind_drm(test, "kinds-drm-other", other);
	test->priv = ctx;

	if (!kind_has_coherent(dev))
		ctx->own_coherent = -ENOMEM;
	/* Streaming memory is refused beside the owner's mapping only. */
	ctx->bounces = kind_bounces(other);
	if (ctx->bounces) {
		kind_reach(ctx, STREAMING, PAGES, -EIO);
		kind_reach(ctx, COHERENT, NONCOHERENT, -EIO);
	}

	/* Before the devices go: a dma-buf is released when its file is. */
	return kunit_add_action_or_reset(test, kind_flush, NULL);
}

static int kind_init(struct kunit *test)
{
	struct device *dev = kind_device(test, "kinds-owner", true, DMA_BIT_MASK(64));
	struct device *other = kind_device(test, "kinds-other", true, DMA_BIT_MASK(64));

	return kind_init_devices(test, "COHERENT", dev, other);
}

static int kind_init_32bit(struct kunit *test)
{
	struct device *dev = kind_device(test, "kinds-owner", true, DMA_BIT_MASK(32));
	struct device *other = kind_device(test, "kinds-other", true, DMA_BIT_MASK(64));

	return kind_init_devices(test, "32 BIT", dev, other);
}

static int kind_init_unreachable(struct kunit *test)
{
	struct kind_ctx *ctx;
	int ret;

	ret = kind_init(test);
	if (ret)
		return ret;

	ctx = test->priv;
	ctx->name = "OUT OF REACH";
	ctx->other->bus_dma_limit = 1;
	ctx->bounces = false;
	kind_reach(ctx, STREAMING, NONCOHERENT, -EIO);

	return 0;
}

static int kind_init_noncoherent(struct kunit *test)
{
	struct device *dev = kind_device(test, "kinds-owner", false, DMA_BIT_MASK(64));
	struct device *other = kind_device(test, "kinds-other", false, DMA_BIT_MASK(64));

	return kind_init_devices(test, "NOT COHERENT", dev, other);
}

/* The owner snoops, the other does not. */
static int kind_init_mixed(struct kunit *test)
{
	struct device *dev = kind_device(test, "kinds-owner", true, DMA_BIT_MASK(64));
	struct device *other = kind_device(test, "kinds-other", false, DMA_BIT_MASK(64));

	return kind_init_devices(test, "SNOOPS, NOT", dev, other);
}

#if IS_BUILTIN(CONFIG_DRM_KUNIT_TEST) && defined(CONFIG_DMA_DECLARE_COHERENT) && \
	defined(CONFIG_PCI)
/* What QEMU calls ivshmem has memory in its second BAR, and no driver here. */
#define KIND_IVSHMEM	0x1110
#define KIND_BAR	2

static void kind_put_ivshmem(void *data)
{
	pci_disable_device(data);
	pci_dev_put(data);
}

KUNIT_DEFINE_ACTION_WRAPPER(kind_release_pool, dma_release_coherent_memory, struct device *);

/* Memory without pages that is one device's own. */
static int kind_init_pool(struct kunit *test)
{
	struct pci_dev *pdev = pci_get_device(PCI_VENDOR_ID_REDHAT_QUMRANET, KIND_IVSHMEM, NULL);
	struct device *dev, *other;
	phys_addr_t phys;
	int ret;

	if (!pdev)
		kunit_skip(test, "no ivshmem device here, whose memory has no pages");
	KUNIT_ASSERT_EQ(test, pci_enable_device_mem(pdev), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, kind_put_ivshmem, pdev), 0);
	phys = pci_resource_start(pdev, KIND_BAR);
	KUNIT_ASSERT_GE(test, pci_resource_len(pdev, KIND_BAR), SZ_1M);
	KUNIT_ASSERT_FALSE(test, pfn_valid(PHYS_PFN(phys)));

	dev = kind_device(test, "kinds-owner", true, DMA_BIT_MASK(64));
	other = kind_device(test, "kinds-other", true, DMA_BIT_MASK(64));
	KUNIT_ASSERT_EQ(test, dma_declare_coherent_memory(dev, phys, phys, SZ_1M), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, kind_release_pool, dev), 0);
	ret = kind_init_devices(test, "POOL", dev, other);
	((struct kind_ctx *)test->priv)->no_pages = true;
	/* Nobody but its device is known to reach it. */
	kind_reach(test->priv, COHERENT, NO_KMAP, -EREMOTEIO);

	return ret;
}
#else
static int kind_init_pool(struct kunit *test)
{
	kunit_skip(test, "no PCI or no pools here, or this is a module");
}
#endif

#ifdef CONFIG_IOMMU_API
struct kind_found {
	struct device *dev[2];
	int num;
};

/* Nobody uses it, and the DMA API maps by an IOMMU for it. */
static int kind_find(struct device *dev, void *data)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);
	struct kind_found *found = data;

	if (dev->driver || !dev->dma_mask || !domain ||
	    !(domain->type & __IOMMU_DOMAIN_DMA_API))
		return 0;
	found->dev[found->num++] = get_device(dev);

	return found->num == ARRAY_SIZE(found->dev);
}

KUNIT_DEFINE_ACTION_WRAPPER(kind_put_device, put_device, struct device *);

static int kind_find_iommu(struct kunit *test, struct kind_found *found)
{
	int i;

	bus_for_each_dev(&platform_bus_type, NULL, found, kind_find);
#ifdef CONFIG_PCI
	if (found->num < ARRAY_SIZE(found->dev))
		bus_for_each_dev(&pci_bus_type, NULL, found, kind_find);
#endif
	for (i = 0; i < found->num; i++) {
		kunit_info(test, "%s is behind an IOMMU", dev_name(found->dev[i]));
		KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, kind_put_device,
								   found->dev[i]));
	}

	return found->num;
}
#else
struct kind_found {
	struct device *dev[2];
};

static int kind_find_iommu(struct kunit *test, struct kind_found *found)
{
	return 0;
}
#endif

static int kind_init_iommu(struct kunit *test)
{
	struct kind_found found = {};
	struct device *other;
	const char *name;

	if (!kind_find_iommu(test, &found))
		kunit_skip(test, "no device without a driver is behind an IOMMU here");
	name = dev_is_dma_coherent(found.dev[0]) ? "IOMMU" : "IOMMU, NO SNOOP";
	other = found.dev[1] ?: kind_device(test, "kinds-other", true, DMA_BIT_MASK(64));

	return kind_init_devices(test, name, found.dev[0], other);
}

/* From memory without an IOMMU to a device with. */
static int kind_init_to_iommu(struct kunit *test)
{
	struct kind_found found = {};
	struct device *dev;

	if (!kind_find_iommu(test, &found))
		kunit_skip(test, "no device without a driver is behind an IOMMU here");
	dev = kind_device(test, "kinds-owner", true, DMA_BIT_MASK(64));

	return kind_init_devices(test, "DIRECT, IOMMU", dev, found.dev[0]);
}

static struct kunit_case kind_cases[] = {
	KUNIT_CASE(test_matrix),
	KUNIT_CASE(test_no_dma_mask),
	KUNIT_CASE(test_alloc_unreachable),
	KUNIT_CASE(test_empty),
	KUNIT_CASE(test_fault_filp),
	KUNIT_CASE(test_caching),
	KUNIT_CASE(test_mmap_at_once),
	KUNIT_CASE(test_resource),
	KUNIT_CASE(test_free_while_mmapped),
	KUNIT_CASE(test_export_outlives),
	KUNIT_CASE(test_transfers),
	KUNIT_CASE(test_alloc_undo),
	{}
};

/* A suite's cases keep its results, so that each has its own. */
#define KIND_SUITE(_name)						\
	static struct kunit_case kind_##_name##_cases[] = {		\
		KUNIT_CASE(test_matrix),				\
		KUNIT_CASE(test_empty),					\
		KUNIT_CASE(test_free_while_mmapped),			\
		KUNIT_CASE(test_export_outlives),			\
		KUNIT_CASE(test_transfers),				\
		KUNIT_CASE(test_alloc_undo),				\
		{}							\
	};								\
									\
	static struct kunit_suite kind_##_name##_suite = {		\
		.name = "drm_gem_bo_backing_kinds_" #_name,		\
		.init = kind_init_##_name,				\
		.test_cases = kind_##_name##_cases,			\
	}

static struct kunit_suite kind_suite = {
	.name = "drm_gem_bo_backing_kinds",
	.init = kind_init,
	.test_cases = kind_cases,
};

KIND_SUITE(32bit);
KIND_SUITE(unreachable);
KIND_SUITE(noncoherent);
KIND_SUITE(mixed);
KIND_SUITE(pool);
KIND_SUITE(iommu);
KIND_SUITE(to_iommu);

kunit_test_suites(&kind_suite, &kind_32bit_suite, &kind_unreachable_suite,
		  &kind_noncoherent_suite, &kind_mixed_suite, &kind_pool_suite,
		  &kind_iommu_suite, &kind_to_iommu_suite);

MODULE_DESCRIPTION("KUnit test suite for the kinds of the typed list");
MODULE_LICENSE("GPL");
