// SPDX-License-Identifier: MIT
/**
 * TEST: prime backing failing
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME
 * Description: Each allocation on the way of a shared buffer fails once, or each call of a
 *              function of the kernel, or there is no descriptor for it, and nothing is lost but
 *              the call that needed it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("Allocations and functions that fail one after the other while a buffer is shared.");

#define PAGES 24

/* One buffer on its way; what is not there yet is -1, 0 or NULL. */
struct way {
	struct pb_maker maker;
	int imp_drm;
	uint32_t imported;
	uint8_t *via_dmabuf, *via_import;
	uint64_t seed;
	size_t done;			/* steps that are behind it */
	const char *step;
};

/* Devices are open and a memfd is filled before anything fails. */
static void way_open(struct way *w, const struct pb_pair *pair, int pages)
{
	*w = (struct way){ .imp_drm = pb_open(pair->imp) };
	pb_maker_open(&w->maker, pair->exp, (uint64_t)pages * pb_page);
}

static int way_pages(const struct way *w)
{
	return w->maker.size / pb_page;
}

static void way_close(struct way *w)
{
	pb_maker_close(&w->maker);
	pb_close_once(&w->imp_drm);
}

static int do_make(struct way *w)
{
	return pb_make(&w->maker);
}

static int do_import(struct way *w)
{
	return pb_import_errno(w->imp_drm, w->maker.dmabuf, &w->imported);
}

/* Where there is room, and one entry of a page table can map what lies in a row. */
#define AT_DMABUF ((void *)0x40000000)
#define AT_IMPORT ((void *)0x50000000)

static int map(const struct way *w, uint8_t **ptr, void *at, int fd, off_t offset)
{
	void *p = mmap(at, w->maker.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (p == MAP_FAILED)
		return errno;
	*ptr = p;
	return 0;
}

static int do_map_dmabuf(struct way *w)
{
	return map(w, &w->via_dmabuf, AT_DMABUF, w->maker.dmabuf, 0);
}

/* Some importers leave mapping to the exporter. */
static int do_map_import(struct way *w)
{
	const int64_t offset = pb_map_offset(w->imp_drm, w->imported);

	if (offset == -EINVAL)
		return 0;
	if (offset < 0)
		return -offset;
	return map(w, &w->via_import, AT_IMPORT, w->imp_drm, offset);
}

static int sync_dmabuf(struct way *w, uint64_t flags)
{
	struct dma_buf_sync args = { .flags = flags | DMA_BUF_SYNC_RW };

	return ioctl(w->maker.dmabuf, DMA_BUF_IOCTL_SYNC, &args) ? errno : 0;
}

static int do_begin(struct way *w)
{
	return sync_dmabuf(w, DMA_BUF_SYNC_START);
}

static int do_end(struct way *w)
{
	return sync_dmabuf(w, DMA_BUF_SYNC_END);
}

/* Not every importer is mapped. */
static int touch_all(const struct way *w, uint8_t *ptr)
{
	return ptr ? pb_touch_pages(ptr, way_pages(w)) : 0;
}

static int do_touch(struct way *w)
{
	const int err = touch_all(w, w->via_dmabuf);

	return err ?: touch_all(w, w->via_import);
}

/* All pages are there. What is written now has to be there at the end. */
static int do_write(struct way *w)
{
	pb_fill(w->via_dmabuf, 0, w->maker.size, ++w->seed);
	return 0;
}

static int do_fork(struct way *w)
{
	return pb_fork_touch(w->via_dmabuf, way_pages(w));
}

static const struct {
	const char *name;
	int (*run)(struct way *w);
} steps[] = {
	{ "make", do_make },
	{ "import", do_import },
	{ "map the dma-buf", do_map_dmabuf },
	{ "map the import", do_map_import },
	{ "begin CPU access", do_begin },
	{ "touch", do_touch },
	{ "write", do_write },
	{ "fork", do_fork },
	{ "end CPU access", do_end },
};

/* From the step that failed before, if one did. */
static int way_go(void *arg)
{
	struct way *w = arg;
	int err = 0;

	while (w->done < ARRAY_SIZE(steps)) {
		w->step = steps[w->done].name;
		err = steps[w->done].run(w);
		if (err)
			break;
		w->done++;
	}
	return err;
}

static void unmap(const struct way *w, uint8_t **ptr)
{
	if (*ptr)
		pb_munmap(*ptr, w->maker.size);
	*ptr = NULL;
}

/* The same buffer comes back as the same handle, to whoever has it open already. */
static void way_back(void *arg)
{
	struct way *w = arg;

	unmap(w, &w->via_dmabuf);
	unmap(w, &w->via_import);
	if (w->imported)
		igt_assert_eq(pb_gem_close_errno(w->imp_drm, w->imported), 0);
	w->imported = 0;
	pb_unmake(&w->maker);
	w->done = 0;
}

/* The bytes are where they belong, and go where they are written to. */
static void way_check(void *arg)
{
	struct way *w = arg;
	const struct pb_maker *m = &w->maker;
	struct pb_view by_dmabuf = { .ptr = w->via_dmabuf, .len = m->size, .sync = m->dmabuf };
	struct pb_view by_import = { .ptr = w->via_import, .len = m->size, .sync = m->dmabuf };

	pb_verify(&by_dmabuf, w->seed, "dma-buf");
	if (!w->via_import)
		return;
	pb_verify(&by_import, w->seed, "import");
	pb_write(&by_import, ++w->seed);
	pb_verify(&by_dmabuf, w->seed, "what the import wrote");
}

/* What failed before has left nothing behind. */
static void way_works(struct way *w)
{
	igt_assert_f(!way_go(w), "%s fails though nothing makes it\n", w->step);
	way_check(w);
	way_back(w);
}

/* Not every importer takes what every exporter has. */
static void way_require(struct way *w)
{
	const int err = way_go(w);

	if (!err)
		way_check(w);
	way_back(w);
	igt_require_f(!err, "%s: %s\n", w->step, strerror(err));
}

static struct pb_sweep way_sweep(struct way *w, const struct pb_pair *pair)
{
	return (struct pb_sweep){
		.name = pair->name, .step = &w->step, .run = way_go, .check = way_check,
		.undo = way_back, .arg = w,
	};
}

/*
 * Catches: half of something left after an error, or that the same object is of no use afterwards; a
 * wrong errno, what is undone twice or not at all when there is no memory to undo it.
 */
static void each_allocation(const struct pb_pair *pair)
{
	struct way w;
	const struct pb_sweep sweep = way_sweep(&w, pair);

	way_open(&w, pair, PAGES);
	way_works(&w);
	pb_fail_each(&sweep);
	way_works(&w);
	way_close(&w);
}

/* A function that fails, and how large a buffer it takes for it to be called. */
struct function_case {
	struct pb_case test;
	struct pb_function function;
	int pages;
};

/* Catches: the same where what fails is no allocation: half a mapping, a lock, a reference. */
static void each_call(const struct pb_pair *pair)
{
	const struct function_case *c = pair->data;
	struct way w;
	const struct pb_sweep sweep = way_sweep(&w, pair);

	way_open(&w, pair, c->pages);
	way_require(&w);
	pb_fail_each_call(&sweep, &c->function);
	way_works(&w);
	way_close(&w);
}

static int make_without_descriptor(struct way *w)
{
	int err;

	pb_no_descriptor();
	err = do_make(w);
	pb_any_descriptor();
	return err;
}

/* An import needs none; giving it out again does. */
static void import_without_descriptor(struct way *w)
{
	int imported, exported, fd = -1;

	pb_no_descriptor();
	imported = do_import(w);
	exported = imported ?: pb_export_errno(w->imp_drm, w->imported, DRM_CLOEXEC | DRM_RDWR, &fd);
	pb_any_descriptor();
	igt_assert_eq(imported, 0);
	igt_assert_eq(exported, EMFILE);
	igt_assert_eq(fd, -1);
}

/* Catches: a buffer, or a reference to one, that is left where no descriptor was for it. */
static void no_descriptor(const struct pb_pair *pair)
{
	struct way w;
	int before;

	way_open(&w, pair, PAGES);
	way_works(&w);
	before = pb_count_dmabufs();
	for (int i = 0; i < 3; i++) {
		igt_assert_eq(make_without_descriptor(&w), EMFILE);
		igt_assert_eq(w.maker.dmabuf, -1);
		way_back(&w);
		igt_assert_eq(pb_count_dmabufs(), before);
	}
	igt_assert_eq(do_make(&w), 0);
	import_without_descriptor(&w);
	way_back(&w);
	igt_assert_eq(pb_count_dmabufs(), before);
	way_works(&w);
	way_close(&w);
}

static const struct pb_case descriptor_cases[] = {
	{ "no-descriptor", "There is no descriptor left to give out", no_descriptor },
};

static const struct pb_case cases[] = {
	{ "each-allocation", "Each allocation fails once, from creation to the last unmap",
	  each_allocation },
};

/* What a function returns, and what user space may then be told. */
#define FUNCTION_AS(suffix, function_name, num_pages, value, ...) \
	{ { "function-" #function_name suffix, "Each call of it fails once", each_call }, \
	  { .name = #function_name, .result = value, __VA_ARGS__ }, num_pages }
#define FUNCTION(function_name, value, ...) \
	FUNCTION_AS("", function_name, PAGES, value, __VA_ARGS__)
#define SAYS(...) .errnos = { __VA_ARGS__ }

#define MAPPING_ERROR (-1)
#define FAULT_OOM 1
#define FAULT_SIGBUS 2

/* Less than what the list maps as a whole; more than one entry of a higher page table maps. */
#define FEW_PAGES 8
#define MANY_PAGES 1280

/*
 * An access that gets no memory is tried again, or it is a bus error, which is ENOMEM here. What
 * fails is what is mapped of a buffer: a virtio driver does not expect that it cannot tell the host
 * something, and warns.
 */
static const struct function_case functions[] = {
	/* The DMA API */
	FUNCTION(dma_map_phys, MAPPING_ERROR, SAYS(EIO, ENOMEM), .except = "v*"),
	FUNCTION(dma_map_sgtable, -EIO, SAYS(EIO)),
	FUNCTION(dma_iova_try_alloc, false, SAYS(ENOMEM)),
	FUNCTION(dma_iova_link, -ENOMEM, SAYS(ENOMEM)),
	FUNCTION(dma_iova_sync, -ENOMEM, SAYS(ENOMEM)),
	FUNCTION(dma_alloc_attrs, 0, SAYS(ENOMEM)),
	FUNCTION(dma_mmap_attrs, -ENXIO, SAYS(ENXIO)),
	/* Below it */
	FUNCTION(iommu_dma_alloc_iova, 0, SAYS(ENOMEM, EIO), .except = "__iommu_dma_map"),
	FUNCTION(iommu_map_nosync, -ENOMEM, SAYS(ENOMEM, EIO), .except = "iommu_map"),
	FUNCTION(iommu_sync_map, -ENOMEM, SAYS(ENOMEM, EIO), .except = "iommu_map"),
	/* Addresses of the kernel */
	FUNCTION(get_vm_area_caller, 0, SAYS(ENOMEM)),
	FUNCTION(vmap, 0, SAYS(ENOMEM)),
	FUNCTION(vmap_page_range, -ENOMEM, SAYS(ENOMEM)),
	FUNCTION_AS("", apply_to_page_range, FEW_PAGES, -ENOMEM, SAYS(ENOMEM)),
	/* Addresses of a process */
	FUNCTION(remap_pfn_range, -EINVAL, SAYS(EINVAL)),
	FUNCTION(vm_insert_pfns, -ENOMEM, SAYS(ENOMEM)),
	FUNCTION_AS("-denied", vm_insert_pfns, PAGES, -EACCES, SAYS(ENOMEM)),
	FUNCTION(vmf_insert_pfn, FAULT_OOM, SAYS(ENOMEM)),
	FUNCTION_AS("-denied", vmf_insert_pfn, PAGES, FAULT_SIGBUS, SAYS(ENOMEM)),
	FUNCTION_AS("", vmf_insert_pfn_pmd, MANY_PAGES, FAULT_OOM, SAYS(ENOMEM)),
	FUNCTION_AS("-denied", vmf_insert_pfn_pmd, MANY_PAGES, FAULT_SIGBUS, SAYS(ENOMEM)),
	FUNCTION(pte_alloc_one, 0, SAYS(ENOMEM)),
	FUNCTION(__pte_alloc, -ENOMEM, SAYS(ENOMEM)),
	FUNCTION(drm_vma_node_allow, -ENOMEM, SAYS(ENOMEM)),
	FUNCTION(drm_gem_create_mmap_offset, -ENOSPC, SAYS(ENOSPC)),
	/* Memory */
	FUNCTION(shmem_file_setup, -ENFILE, SAYS(ENFILE)),
	FUNCTION(shmem_read_folio_gfp, -ENOMEM, SAYS(ENOMEM)),
	FUNCTION(memfd_pin_folios, -ENOMEM, SAYS(ENOMEM)),
	/* Sharing */
	FUNCTION(dma_buf_export, -ENOMEM, SAYS(ENOMEM)),
	FUNCTION(dma_buf_dynamic_attach, -EBUSY, SAYS(EBUSY)),
	FUNCTION(dma_buf_map_attachment, -EBUSY, SAYS(EBUSY)),
	FUNCTION(dma_buf_map_runs, -EBUSY, SAYS(EBUSY)),
	FUNCTION(dma_buf_begin_cpu_access, -EIO, SAYS(EIO)),
	FUNCTION(dma_buf_vmap, -ENOMEM, SAYS(ENOMEM)),
	/* The list */
	FUNCTION(dma_runs_map, -EIO, SAYS(EIO)),
	FUNCTION(dma_runs_map_for, -EIO, SAYS(EIO)),
	FUNCTION(__dma_runs_add, -ENOMEM, SAYS(ENOMEM)),
	FUNCTION(dma_runs_add_ranges, -ENOMEM, SAYS(ENOMEM)),
	FUNCTION(dma_runs_splice, -ENOMEM, SAYS(ENOMEM)),
};

static void run_functions(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		pb_run_pairs_with(&functions[i].test, &functions[i]);
}

int igt_main()
{
	igt_fixture()
		pb_setup();

	pb_run_pairs(descriptor_cases, ARRAY_SIZE(descriptor_cases));

	igt_fixture()
		pb_fail_setup();

	pb_run_pairs(cases, ARRAY_SIZE(cases));

	igt_fixture()
		pb_function_setup();

	run_functions();
}
