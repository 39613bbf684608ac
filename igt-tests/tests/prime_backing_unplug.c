// SPDX-License-Identifier: MIT
/**
 * TEST: prime backing unplug
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: DRM
 * Functionality: PRIME, hot unplug
 * Description: A device goes below its buffers while they are mapped, exported, imported and shown,
 *              and below its imports of others' buffers, and comes back.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "prime_backing_lib.h"

IGT_TEST_DESCRIPTION("The device goes below its users, who keep their bytes or get a bus error.");

#define PAGES 8
#define SIZE (PAGES * pb_page)

/*
 * A device that can go: a vkms of our own, made in configfs, and virtio-gpu, which its driver can leave.
 * vgem cannot, where it is built in: it is a faux device, which has no attributes to unbind it.
 */
struct plug {
	const char *name;
	/* Skips where there is none; what it needs stays until the end. */
	void (*require)(void);
	void (*in)(void);
	void (*out)(void);
	const char *(*sysfs)(void);
	bool in_list;			/* pb_devices has it, under a name that may change */
};

/* One that is there, as the library wants it. */
struct plugged {
	const struct plug *plug;
	struct pb_device dev;
	struct pb_exporter exp;
};

#define NAME "prime-backing"
#define VKMS "/sys/kernel/config/vkms/" NAME "/"

static const char *const vkms_dirs[] = {
	"", "planes/plane", "crtcs/crtc", "encoders/encoder", "connectors/connector",
};

static const struct {
	const char *to, *link;
} vkms_links[] = {
	{ VKMS "crtcs/crtc", VKMS "planes/plane/possible_crtcs/crtc" },
	{ VKMS "crtcs/crtc", VKMS "encoders/encoder/possible_crtcs/crtc" },
	{ VKMS "encoders/encoder", VKMS "connectors/connector/possible_encoders/encoder" },
};

static void vkms_require(void)
{
	igt_require_f(!access("/sys/kernel/config/vkms", W_OK), "no vkms in configfs\n");
	if (!access(VKMS "enabled", F_OK))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(vkms_dirs); i++) {
		char path[128];

		snprintf(path, sizeof(path), VKMS "%s", vkms_dirs[i]);
		igt_assert_f(!mkdir(path, 0755), "mkdir %s: %m\n", path);
	}
	/* A primary one. */
	igt_assert_eq(pb_put_file(VKMS "planes/plane/type", "1"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(vkms_links); i++)
		igt_assert_f(!symlink(vkms_links[i].to, vkms_links[i].link), "link %s: %m\n",
			     vkms_links[i].link);
}

static void vkms_remove(void)
{
	char path[128];

	if (access(VKMS "enabled", F_OK))
		return;
	pb_put_file(VKMS "enabled", "0");
	for (size_t i = 0; i < ARRAY_SIZE(vkms_links); i++)
		unlink(vkms_links[i].link);
	for (int i = ARRAY_SIZE(vkms_dirs) - 1; i >= 0; i--) {
		snprintf(path, sizeof(path), VKMS "%s", vkms_dirs[i]);
		rmdir(path);
	}
}

static void vkms_in(void)
{
	igt_assert_eq(pb_put_file(VKMS "enabled", "1"), 0);
}

static void vkms_out(void)
{
	igt_assert_eq(pb_put_file(VKMS "enabled", "0"), 0);
}

static const char *vkms_sysfs(void)
{
	return "/sys/bus/faux/devices/" NAME;
}

#define VIRTIO "/sys/bus/virtio/drivers/virtio_gpu/"

static char virtio_device[128], virtio_sysfs_path[192];

/* The first entry of a directory that starts so; false if there is none. */
static bool find_entry(const char *path, const char *prefix, char *name, size_t size)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		found = !strncmp(entry->d_name, prefix, strlen(prefix));
		if (found)
			snprintf(name, size, "%.64s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Once it is unbound, the directory of its driver does not tell any more. */
static void virtio_require(void)
{
	if (virtio_device[0])
		return;
	igt_require_f(find_entry(VIRTIO, "virtio", virtio_device, sizeof(virtio_device)),
		      "no virtio-gpu\n");
	/* The card is a child of what virtio is on: a device on PCI, or the platform's. */
	snprintf(virtio_sysfs_path, sizeof(virtio_sysfs_path), "/sys/bus/virtio/devices/%s/..",
		 virtio_device);
}

static const char *virtio_sysfs(void)
{
	return virtio_sysfs_path;
}

static void virtio_in(void)
{
	char bound[256];

	snprintf(bound, sizeof(bound), VIRTIO "%s", virtio_device);
	if (access(bound, F_OK))
		igt_assert_eq(pb_put_file(VIRTIO "bind", virtio_device), 0);
}

static void virtio_out(void)
{
	igt_assert_eq(pb_put_file(VIRTIO "unbind", virtio_device), 0);
}

static const struct plug plugs[] = {
	{ "vkms-configfs", vkms_require, vkms_in, vkms_out, vkms_sysfs, false },
	{ "virtio_gpu", virtio_require, virtio_in, virtio_out, virtio_sysfs, true },
};

static void plug_in(struct plugged *p)
{
	char dir[256], card[128];

	p->plug->in();
	snprintf(dir, sizeof(dir), "%s/drm", p->plug->sysfs());
	igt_assert_f(find_entry(dir, "card", card, sizeof(card)), "no card in %s\n", dir);
	p->dev = (struct pb_device){};
	snprintf(p->dev.node, sizeof(p->dev.node), "/dev/dri/%.16s", card);
	snprintf(p->dev.name, sizeof(p->dev.name), "%s", p->plug->name);
	p->exp = (struct pb_exporter){ .kind = PB_GEM, .name = p->plug->name, .dev = &p->dev };
}

/* Whoever has the device open keeps it, but nobody can open it any more. */
static void plug_out(struct plugged *p)
{
	p->plug->out();
	igt_assert_eq(access(p->dev.node, F_OK), -1);
}

/* Others than the one that goes. */
static bool stays(const struct plugged *p, const struct pb_device *dev)
{
	return !dev || !p->plug->in_list || strcmp(dev->driver, p->plug->name);
}

/* What it was before: the bytes are there, or there is a bus error. */
static void check_or_bus(const struct pb_view *view, uint64_t seed, const char *what)
{
	for (size_t pos = 0; view->ptr && pos < view->len; pos += pb_page) {
		const int sig = pb_touch(view->ptr + pos, true);

		igt_assert_f(!sig || sig == SIGBUS, "%s: signal %d\n", what, sig);
		if (!sig)
			pb_check(view->ptr + pos, pos, pb_page, seed, what);
	}
}

/* Handles of a device that is gone cannot be closed by themselves, but go with the file. */
static void let_go(struct pb_shared *s)
{
	pb_unview(&s->native);
	pb_unview(&s->via_dmabuf);
	pb_unview(&s->via_import);
	s->imp.handle = 0;
	pb_import_close(&s->imp);
	pb_close_file(&s->buf);
	pb_destroy(&s->buf);
}

/* A new one, with all that belongs to it. */
static void works(const struct pb_exporter *exp, const struct pb_device *imp)
{
	const struct pb_pair pair = { .exp = exp, .imp = imp };
	struct pb_shared s;

	pb_share(&s, &pair, SIZE);
	pb_write(&s.native, 5);
	pb_verify(&s.via_import, 5, "new import");
	pb_write(&s.via_import, 6);
	pb_verify(&s.native, 6, "new buffer");
	pb_unshare(&s);
}

/* Whether a dma-buf of a device that is gone can still be mapped and imported is for that device to say. */
static void use_again(const struct pb_shared *s, uint64_t seed)
{
	const int drm = pb_open(s->imp.dev);
	struct pb_import again = { .dev = s->imp.dev, .drm = drm };
	void *ptr = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, s->buf.dmabuf, 0);
	struct pb_view view = { .ptr = ptr == MAP_FAILED ? NULL : ptr, .len = SIZE, .sync = -1 };

	check_or_bus(&view, seed, "new mapping of the dma-buf");
	pb_unview(&view);
	if (!pb_import_errno(drm, s->buf.dmabuf, &again.handle)) {
		view = pb_view_import(&again, -1, SIZE);
		check_or_bus(&view, seed, "new import");
		pb_unview(&view);
	}
	again.handle = 0;
	pb_import_close(&again);
}

/* Catches: memory that goes with its device although somebody has it mapped or imported. */
static void exports(struct plugged *p, const struct pb_device *imp)
{
	const struct pb_pair pair = { .exp = &p->exp, .imp = imp };
	struct pb_shared s;

	pb_share(&s, &pair, SIZE);
	pb_write(&s.native, 1);
	plug_out(p);
	check_or_bus(&s.native, 1, "own mapping");
	check_or_bus(&s.via_dmabuf, 1, "dma-buf's mapping");
	check_or_bus(&s.via_import, 1, "importer's mapping");
	use_again(&s, 1);
	plug_in(p);
	check_or_bus(&s.via_import, 1, "importer's mapping, when the device is back");
	works(&p->exp, imp);
	let_go(&s);
	works(&p->exp, imp);
}

static void each_importer(struct plugged *p)
{
	for (int i = 0; i < pb_n_devices; i++) {
		if (stays(p, &pb_devices[i]))
			exports(p, &pb_devices[i]);
	}
}

/* Catches: an import that takes others' memory with it, or needs its device to be let go. */
static void imports(struct plugged *p, const struct pb_exporter *exp)
{
	const struct pb_pair pair = { .exp = exp, .imp = &p->dev };
	struct pb_shared s;

	pb_share(&s, &pair, SIZE);
	pb_write(&s.via_import, 2);
	plug_out(p);
	pb_verify(&s.native, 2, "exporter's mapping");
	check_or_bus(&s.via_import, 2, "importer's mapping");
	pb_write(&s.native, 3);
	pb_verify(&s.via_dmabuf, 3, "dma-buf's mapping");
	plug_in(p);
	let_go(&s);
	works(exp, &p->dev);
}

static const struct pb_device *another(const struct plugged *p)
{
	for (int i = 0; i < pb_n_devices; i++) {
		if (stays(p, &pb_devices[i]))
			return &pb_devices[i];
	}
	igt_skip("no other device\n");
}

/* virtio-gpu does where its host has blob resources. */
static bool takes_imports(const struct plugged *p, const struct pb_exporter *exp)
{
	const int drm = pb_open(&p->dev);
	struct pb_buf buf;
	uint32_t handle;
	int err;

	pb_create(&buf, exp, SIZE);
	err = pb_import_errno(drm, buf.dmabuf, &handle);
	pb_destroy(&buf);
	close(drm);
	igt_assert_f(!err || err == ENODEV, "import: %s\n", strerror(err));
	return !err;
}

static void each_exporter(struct plugged *p)
{
	struct pb_exporter other = { .kind = PB_GEM, .name = "other", .dev = another(p) };

	igt_require_f(takes_imports(p, &other), "%s takes no imports here\n", p->plug->name);
	for (int i = 0; i < pb_n_exporters; i++) {
		if (!pb_exporters[i].missing && stays(p, pb_exporters[i].dev))
			imports(p, &pb_exporters[i]);
	}
}

/* Catches: what is left of the device being needed by the last one who lets go. */
static void last_user(struct plugged *p)
{
	const struct pb_pair pair = { .exp = &p->exp, .imp = another(p) };

	for (int last = 0; last < 4; last++) {
		struct pb_shared s;

		pb_share(&s, &pair, SIZE);
		pb_write(&s.native, 4);
		pb_unview(&s.via_dmabuf);
		plug_out(p);
		if (last != 0)
			pb_close_file(&s.buf);
		if (last != 1)
			pb_close_dmabuf(&s.buf);
		if (last != 2) {
			pb_unview(&s.via_import);
			s.imp.handle = 0;
			pb_import_close(&s.imp);
		}
		if (last != 3)
			pb_unview(&s.native);
		check_or_bus(&s.native, 4, "last mapping");
		check_or_bus(&s.via_import, 4, "last import");
		plug_in(p);
		let_go(&s);
		works(pair.exp, pair.imp);
	}
}

/* A picture that the device shows. */
struct picture {
	struct pb_import imp;
	struct pb_output out;
	struct pb_buf buf;		/* of somebody else */
	struct pb_view view;
	uint32_t pitch;
};

/* Made by the device itself, for which its size may be more than a number of bytes. */
static void make_own(struct picture *pic)
{
	const int drm = pic->imp.drm;
	uint64_t size;
	void *ptr;

	igt_assert_eq(pb_dumb_create(drm, pic->out.mode.hdisplay, pic->out.mode.vdisplay, 32,
				     &pic->imp.handle, &pic->pitch, &size), 0);
	ptr = pb_mmap_gem(drm, pic->imp.handle, size, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	igt_assert(ptr != MAP_FAILED);
	pic->view = (struct pb_view){ .ptr = ptr, .len = size, .sync = -1 };
}

static void make_foreign(struct picture *pic, const struct pb_exporter *exp)
{
	pic->pitch = 4 * pic->out.mode.hdisplay;
	pb_create(&pic->buf, exp,
		  ((uint64_t)pic->pitch * pic->out.mode.vdisplay + pb_page - 1) & -pb_page);
	pic->imp.handle = prime_fd_to_handle(pic->imp.drm, pic->buf.dmabuf);
	pic->view = pb_view_native(&pic->buf);
}

static void show_picture(struct picture *pic, struct plugged *p, const struct pb_exporter *exp)
{
	uint32_t fb;

	*pic = (struct picture){
		.imp = { .dev = &p->dev, .drm = pb_open(&p->dev) },
		.buf = { .drm = -1, .memfd = -1, .dmabuf = -1 },
	};
	pb_require_output(&pic->out, pic->imp.drm);
	if (exp == &p->exp)
		make_own(pic);
	else
		make_foreign(pic, exp);
	igt_assert_eq(pb_add_fb(pic->imp.drm, pic->imp.handle, pic->out.mode.hdisplay,
				pic->out.mode.vdisplay, pic->pitch, 0, &fb), 0);
	pb_write(&pic->view, 7);
	pb_show(&pic->out, fb);
}

/* Catches: a picture, own or imported, that is shown, and looked at, when the device goes. */
static void shown(struct plugged *p)
{
	struct pb_exporter other = { .kind = PB_GEM, .name = "other", .dev = another(p) };
	const struct pb_exporter *const from[] = { &p->exp, &other };
	const size_t count = takes_imports(p, &other) ? 2 : 1;

	for (size_t i = 0; i < count; i++) {
		struct picture pic;

		show_picture(&pic, p, from[i]);
		plug_out(p);
		check_or_bus(&pic.view, 7, "picture");
		pic.imp.handle = 0;
		pb_import_close(&pic.imp);
		check_or_bus(&pic.view, 7, "picture that nobody shows any more");
		pb_unview(&pic.view);
		pb_close_file(&pic.buf);
		pb_destroy(&pic.buf);
		plug_in(p);
		works(&p->exp, other.dev);
	}
}

static void run_plug(const struct plug *plug, void (*test)(struct plugged *p))
{
	pb_close_leftovers();
	igt_dynamic_f("%s", plug->name) {
		struct plugged p = { .plug = plug };
		const int before = pb_count_dmabufs();

		plug->require();
		plug_in(&p);
		test(&p);
		pb_wait_for_dmabufs(before);
		if (!plug->in_list)
			plug->out();
	}
}

static void run_plugs(void (*test)(struct plugged *p))
{
	for (size_t i = 0; i < ARRAY_SIZE(plugs); i++)
		run_plug(&plugs[i], test);
}

int igt_main()
{
	igt_fixture()
		pb_setup();

	igt_describe("Buffers that are mapped, exported and imported, by each importer");
	igt_subtest_with_dynamic("exports")
		run_plugs(each_importer);

	igt_describe("Imports of each exporter, who does not go");
	igt_subtest_with_dynamic("imports")
		run_plugs(each_exporter);

	igt_describe("The file, the dma-buf, an import or a mapping is the last to go");
	igt_subtest_with_dynamic("last-user")
		run_plugs(last_user);

	igt_describe("Pictures that are shown");
	igt_subtest_with_dynamic("shown")
		run_plugs(shown);

	igt_fixture() {
		pb_close_leftovers();
		vkms_remove();
	}
}
