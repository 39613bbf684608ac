// SPDX-License-Identifier: GPL-2.0
/*
 * FRAGMENT jobs of the Mali model: only clears. What a frame draws, its polygon lists and the
 * shaders before and after it are not looked at, so that a frame shows its clear colours, and
 * what is not cleared stays as it is in memory.
 *
 * Everything is decoded and checked before the first byte is written. What is not modelled (AFBC,
 * YUV, multisampling, tile maps) fails the job with a line in the log.
 */
#include <linux/cleanup.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "mali_model.h"

/* Where a descriptor has a field: the 32-bit word, the first bit in it, how many. */
#define FIELD(word, start, size)	((word) << 16 | (start) << 8 | (size))

/* Payload of the job: bounds are tiles of 16x16 pixels, inclusive. */
#define JOB_MIN_X		FIELD(0, 0, 12)
#define JOB_MIN_Y		FIELD(0, 16, 12)
#define JOB_MAX_X		FIELD(1, 0, 12)
#define JOB_MAX_Y		FIELD(1, 16, 12)
#define JOB_HAS_TILE_MAP	FIELD(1, 31, 1)
#define JOB_FRAMEBUFFER		2
#define JOB_WORDS		8

/* The low bits of the pointer to the framebuffer are a tag. */
#define FB_TAG			GENMASK_ULL(5, 0)
#define FB_TAG_MULTI_TARGET	BIT_ULL(0)

/* Framebuffer descriptor. Widths and counts are less one, bounds are pixels, inclusive. */
#define FB_WIDTH		FIELD(8, 0, 16)
#define FB_HEIGHT		FIELD(8, 16, 16)
#define FB_MIN_X		FIELD(9, 0, 16)
#define FB_MIN_Y		FIELD(9, 16, 16)
#define FB_MAX_X		FIELD(10, 0, 16)
#define FB_MAX_Y		FIELD(10, 16, 16)
#define FB_SAMPLES_LOG2		FIELD(11, 0, 3)
#define FB_TARGETS		FIELD(11, 19, 4)
#define FB_S_CLEAR		FIELD(12, 0, 8)
#define FB_S_WRITE		FIELD(12, 8, 1)
#define FB_Z_WRITE		FIELD(12, 18, 1)
#define FB_HAS_ZS		FIELD(12, 21, 1)
#define FB_Z_CLEAR		FIELD(13, 0, 32)
#define FB_WORDS		32

/* The depth and stencil buffer's descriptor, if there is one, lies before the targets'. */
#define ZS_WORDS		16

/* Render target. */
#define RT_YUV			FIELD(0, 24, 1)
#define RT_INTERNAL		FIELD(0, 26, 6)
#define RT_WRITE		FIELD(1, 0, 1)
#define RT_FORMAT		FIELD(1, 3, 5)
#define RT_ENDIAN_V5		FIELD(1, 8, 2)
#define RT_BLOCK_V5		FIELD(1, 10, 2)
#define RT_BLOCK_V7		FIELD(1, 8, 4)
#define RT_MSAA			FIELD(1, 12, 2)
#define RT_SWIZZLE		FIELD(1, 16, 12)
#define RT_CLEAN_WRITE		FIELD(1, 31, 1)
#define RT_BUFFER		8
#define RT_CLEAR		12
#define RT_WORDS		16

/* Channels of a swizzle behind R, G, B, A. */
#define CHANNEL_0		4
#define CHANNEL_1		5
#define SWIZZLE_NONE		(0 | 1 << 3 | 2 << 6 | 3 << 9)

/* Plain formats, which are stored as they are in the tile buffer. */
#define INTERNAL_RAW8		32
#define FORMAT_RAW128		7

#define TILE			16
#define TILE_PIXELS		(TILE * TILE)
#define TARGETS_MAX		8
#define SURFACES_MAX		(TARGETS_MAX + 2)
#define PIXEL_MAX		16

/**
 * struct zs_layout - where the depth and stencil descriptor of an architecture has its fields
 * @z_format: FIELD() of the depth buffer's format, likewise the others
 * @z_block: how its pixels are arranged
 * @z_msaa: samples
 * @s_format: the same of a stencil buffer of its own
 * @s_block: how its pixels are arranged
 * @s_msaa: samples
 * @clean_write: pixels that nothing was drawn to are written
 * @z_buffer: word at which base and stride begin
 * @s_buffer: word at which the stencil buffer's begin
 */
struct zs_layout {
	u32 z_format, z_block, z_msaa;
	u32 s_format, s_block, s_msaa;
	u32 clean_write;
	unsigned int z_buffer, s_buffer;
};

static const struct zs_layout zs_v5 = {
	FIELD(3, 0, 4), FIELD(3, 4, 2), FIELD(3, 6, 2),
	FIELD(3, 16, 4), FIELD(3, 20, 2), FIELD(3, 22, 2), FIELD(3, 10, 1), 4, 8,
};

static const struct zs_layout zs_v7 = {
	FIELD(3, 0, 4), FIELD(3, 4, 4), FIELD(3, 8, 2),
	FIELD(3, 16, 4), FIELD(3, 20, 4), FIELD(3, 24, 2), FIELD(3, 10, 1), 4, 8,
};

static const struct zs_layout zs_v9 = {
	FIELD(0, 0, 4), FIELD(0, 4, 4), FIELD(0, 8, 2),
	FIELD(0, 16, 4), FIELD(0, 20, 4), FIELD(0, 24, 2), FIELD(0, 31, 1), 8, 12,
};

enum z_format { Z_D16 = 1, Z_D24X8 = 4, Z_D24S8 = 5, Z_D32 = 14 };
enum s_format { S_S8 = 1 };

/* A colour in the tile buffer: integer and, for dithering, fractional bits of R, G, B, A. */
struct internal_format {
	u8 bits[4];
	u8 fraction[4];
};

static const struct internal_format internal_formats[] = {
	[1] = { { 8, 8, 8, 8 } },
	[2] = { { 10, 10, 10, 2 } },
	[4] = { { 4, 4, 4, 4 }, { 4, 4, 4, 4 } },
	[5] = { { 5, 6, 5, 0 }, { 5, 4, 5, 2 } },
	[6] = { { 5, 5, 5, 1 }, { 5, 5, 5, 1 } },
};

/* A colour in memory, from the lowest bit on. */
static const u8 color_formats[][4] = {
	[16] = { 8 },
	[17] = { 8, 8 },
	[18] = { 8, 8, 8 },
	[19] = { 8, 8, 8, 8 },
	[20] = { 4, 4, 4, 4 },
	[21] = { 5, 6, 5 },
	[24] = { 10, 10, 10, 2 },
	[28] = { 5, 5, 5, 1 },
};

static const u8 raw_bytes[FORMAT_RAW128 + 1] = { 1, 2, 3, 4, 6, 8, 12, 16 };

/**
 * struct surface - memory that the job fills with one value
 * @base: GPU virtual address
 * @stride: bytes from a row of pixels, or of tiles, to the next
 * @tiled: in tiles of 16x16 pixels, u-interleaved; else linear
 * @bytes: a pixel has
 * @color: it is a render target, whose pixels are counted
 * @pixel: the value
 */
struct surface {
	u64 base;
	u32 stride;
	bool tiled;
	bool color;
	unsigned int bytes;
	u8 pixel[PIXEL_MAX];
};

/**
 * struct frame - a decoded job
 * @x0: area, in pixels, @x1 and @y1 exclusive
 * @y0: see @x0
 * @x1: see @x0
 * @y1: see @x0
 * @count: of @surfaces
 * @surfaces: what to fill
 * @pattern: one surface's pixel, over and over
 */
struct frame {
	unsigned int x0, y0, x1, y1;
	unsigned int count;
	struct surface surfaces[SURFACES_MAX];
	u8 pattern[TILE_PIXELS * PIXEL_MAX];
};

static u32 get(const u32 *desc, u32 field)
{
	return desc[field >> 16] >> (field >> 8 & 0x1f) & GENMASK_U32((field & 0x3f) - 1, 0);
}

static u64 get_pointer(const u32 *words)
{
	return words[0] | (u64)words[1] << 32;
}

/* Unit tests, which have no slot, refuse a lot, and need no line in the log. */
static int refuse(const struct mali_ctx *ctx, const char *what, u32 value)
{
	if (ctx->slot)
		pr_err_ratelimited("mali-model: fragment job: %s (%#x) is not modelled\n", what,
				   value);
	return -EOPNOTSUPP;
}

static int get_block(const struct mali_ctx *ctx, u32 block, struct surface *s)
{
	const u32 u_interleaved = ctx->arch == 5 ? 0 : 1, linear = 2;

	s->tiled = block == u_interleaved;
	if (!s->tiled && block != linear)
		return refuse(ctx, "block format", block);
	return 0;
}

static void get_buffer(const u32 *words, struct surface *s)
{
	s->base = get_pointer(words);
	s->stride = words[2];
}

/* One channel of the clear colour, all its fractional bits 0 as without dithering. */
static int get_channel(const struct mali_ctx *ctx, u32 clear,
		       const struct internal_format *format, unsigned int channel, u32 *value)
{
	unsigned int i, shift = 0;

	for (i = 0; i < channel; i++)
		shift += format->bits[i] + format->fraction[i];
	clear >>= shift;
	if (clear & (BIT(format->fraction[channel]) - 1))
		return refuse(ctx, "a dithered clear colour", clear);
	*value = clear >> format->fraction[channel] & (BIT(format->bits[channel]) - 1);
	return 0;
}

/* What one channel in memory of @bits bits gets. */
static int swizzle_channel(const struct mali_ctx *ctx, const u32 *rt, unsigned int nr,
			   unsigned int bits, u32 *value)
{
	const struct internal_format *format = &internal_formats[get(rt, RT_INTERNAL)];
	unsigned int source = get(rt, RT_SWIZZLE) >> (3 * nr) & 7;

	*value = source == CHANNEL_1 ? BIT(bits) - 1 : 0;
	if (source == CHANNEL_0 || source == CHANNEL_1)
		return 0;
	if (source > CHANNEL_1 || format->bits[source] != bits)
		return refuse(ctx, "a swizzle", get(rt, RT_SWIZZLE));
	return get_channel(ctx, rt[RT_CLEAR], format, source, value);
}

static int get_color(const struct mali_ctx *ctx, const u32 *rt, struct surface *s)
{
	u32 format = get(rt, RT_FORMAT), internal = get(rt, RT_INTERNAL), value, pixel = 0;
	unsigned int i, bits, shift = 0;
	int ret;

	if (internal >= ARRAY_SIZE(internal_formats) || !internal_formats[internal].bits[0])
		return refuse(ctx, "internal format", internal);
	if (format >= ARRAY_SIZE(color_formats) || !color_formats[format][0])
		return refuse(ctx, "color format", format);

	for (i = 0; i < 4; i++) {
		bits = color_formats[format][i];
		if (!bits)
			break;
		ret = swizzle_channel(ctx, rt, i, bits, &value);
		if (ret)
			return ret;
		pixel |= value << shift;
		shift += bits;
	}
	s->bytes = shift / BITS_PER_BYTE;
	memcpy(s->pixel, &pixel, sizeof(pixel));
	return 0;
}

static int get_raw_color(const struct mali_ctx *ctx, const u32 *rt, struct surface *s)
{
	u32 format = get(rt, RT_FORMAT);

	if (format > FORMAT_RAW128)
		return refuse(ctx, "plain color format", format);
	s->bytes = raw_bytes[format];
	if (get(rt, RT_INTERNAL) != INTERNAL_RAW8 + order_base_2(s->bytes))
		return refuse(ctx, "plain internal format", get(rt, RT_INTERNAL));
	if (get(rt, RT_SWIZZLE) != SWIZZLE_NONE)
		return refuse(ctx, "a swizzle of a plain format", get(rt, RT_SWIZZLE));
	memcpy(s->pixel, &rt[RT_CLEAR], PIXEL_MAX);
	return 0;
}

static int add_target(const struct mali_ctx *ctx, struct frame *frame, const u32 *rt)
{
	struct surface *s = &frame->surfaces[frame->count];
	bool v5 = ctx->arch == 5;
	int ret;

	/* Not cleared, and nothing is drawn: memory stays as it is. */
	if (!get(rt, RT_WRITE) || !get(rt, RT_CLEAN_WRITE))
		return 0;
	if (get(rt, RT_YUV))
		return refuse(ctx, "YUV", get(rt, RT_FORMAT));
	if (get(rt, RT_MSAA))
		return refuse(ctx, "multisampling", get(rt, RT_MSAA));
	if (v5 && get(rt, RT_ENDIAN_V5))
		return refuse(ctx, "big endian", get(rt, RT_ENDIAN_V5));

	ret = get_block(ctx, get(rt, v5 ? RT_BLOCK_V5 : RT_BLOCK_V7), s);
	if (ret)
		return ret;
	if (get(rt, RT_INTERNAL) >= INTERNAL_RAW8)
		ret = get_raw_color(ctx, rt, s);
	else
		ret = get_color(ctx, rt, s);
	if (ret)
		return ret;
	get_buffer(&rt[RT_BUFFER], s);
	s->color = true;
	frame->count++;
	return 0;
}

/* The depth, a float from 0 to 1, as an integer of @bits bits, rounded to the nearest. */
static u32 depth_to_unorm(u32 z, unsigned int bits)
{
	const u64 max = BIT_ULL(bits) - 1;
	u64 mantissa = (z & GENMASK(22, 0)) | BIT(23);
	unsigned int exponent = z >> 23;

	/* From 1.0 on, and not negative; then what is too small for the shift below. */
	if (exponent >= 127)
		return exponent >= 256 ? 0 : max;
	if (exponent < 127 - 2 - bits)
		return 0;
	return (mantissa * max + (BIT_ULL(149 - exponent))) >> (150 - exponent);
}

static int get_depth(const struct mali_ctx *ctx, const u32 *fb, u32 format, struct surface *s)
{
	u32 z = get(fb, FB_Z_CLEAR);

	s->bytes = 4;
	switch (format) {
	case Z_D16:
		s->bytes = 2;
		z = depth_to_unorm(z, 16);
		break;
	case Z_D24X8:
		z = depth_to_unorm(z, 24);
		break;
	case Z_D24S8:
		z = depth_to_unorm(z, 24) | get(fb, FB_S_CLEAR) << 24;
		break;
	case Z_D32:
		break;
	default:
		return refuse(ctx, "depth format", format);
	}
	memcpy(s->pixel, &z, sizeof(z));
	return 0;
}

static int add_depth(const struct mali_ctx *ctx, struct frame *frame, const u32 *fb, const u32 *zs,
		     const struct zs_layout *l)
{
	struct surface *s = &frame->surfaces[frame->count];
	int ret;

	if (get(zs, l->z_msaa))
		return refuse(ctx, "multisampled depth", get(zs, l->z_msaa));
	ret = get_block(ctx, get(zs, l->z_block), s);
	if (!ret)
		ret = get_depth(ctx, fb, get(zs, l->z_format), s);
	if (ret)
		return ret;
	get_buffer(&zs[l->z_buffer], s);
	frame->count++;
	return 0;
}

static int add_stencil(const struct mali_ctx *ctx, struct frame *frame, const u32 *fb,
		       const u32 *zs, const struct zs_layout *l)
{
	struct surface *s = &frame->surfaces[frame->count];
	int ret;

	if (get(zs, l->s_msaa))
		return refuse(ctx, "multisampled stencil", get(zs, l->s_msaa));
	if (get(zs, l->s_format) != S_S8)
		return refuse(ctx, "stencil format", get(zs, l->s_format));
	ret = get_block(ctx, get(zs, l->s_block), s);
	if (ret)
		return ret;
	s->bytes = 1;
	s->pixel[0] = get(fb, FB_S_CLEAR);
	get_buffer(&zs[l->s_buffer], s);
	frame->count++;
	return 0;
}

static int add_depth_stencil(struct mali_ctx *ctx, struct frame *frame, const u32 *fb, u64 va)
{
	const struct zs_layout *l = ctx->arch == 5 ? &zs_v5 : ctx->arch == 7 ? &zs_v7 : &zs_v9;
	u32 zs[ZS_WORDS];
	int ret;

	ret = mali_read(ctx, va, zs, sizeof(zs));
	if (ret || !get(zs, l->clean_write))
		return ret;
	if (get(fb, FB_Z_WRITE))
		ret = add_depth(ctx, frame, fb, zs, l);
	if (!ret && get(fb, FB_S_WRITE))
		ret = add_stencil(ctx, frame, fb, zs, l);
	return ret;
}

static int add_targets(struct mali_ctx *ctx, struct frame *frame, u64 va, unsigned int count)
{
	u32 rt[RT_WORDS];
	int ret = 0;

	if (count > TARGETS_MAX)
		return refuse(ctx, "number of render targets", count);
	for (; count && !ret; count--, va += sizeof(rt)) {
		ret = mali_read(ctx, va, rt, sizeof(rt));
		if (!ret)
			ret = add_target(ctx, frame, rt);
	}
	return ret;
}

/* What the job's tiles, the framebuffer and its bounds have in common. */
static int get_area(const struct mali_ctx *ctx, const u32 *job, const u32 *fb,
		    struct frame *frame)
{
	frame->x0 = max(get(job, JOB_MIN_X) * TILE, get(fb, FB_MIN_X));
	frame->y0 = max(get(job, JOB_MIN_Y) * TILE, get(fb, FB_MIN_Y));
	frame->x1 = min3((get(job, JOB_MAX_X) + 1) * TILE, get(fb, FB_MAX_X) + 1,
			 get(fb, FB_WIDTH) + 1);
	frame->y1 = min3((get(job, JOB_MAX_Y) + 1) * TILE, get(fb, FB_MAX_Y) + 1,
			 get(fb, FB_HEIGHT) + 1);
	if (frame->x0 >= frame->x1 || frame->y0 >= frame->y1)
		return refuse(ctx, "an empty area", job[0]);
	return 0;
}

static int decode(struct mali_ctx *ctx, u64 payload, struct frame *frame)
{
	u32 job[JOB_WORDS], fb[FB_WORDS];
	u64 va;
	int ret;

	ret = mali_read(ctx, payload, job, sizeof(job));
	if (ret)
		return ret;
	if (get(job, JOB_HAS_TILE_MAP))
		return refuse(ctx, "a tile map", job[1]);
	va = get_pointer(&job[JOB_FRAMEBUFFER]);
	if (!(va & FB_TAG_MULTI_TARGET))
		return refuse(ctx, "a framebuffer of the single target kind", va & FB_TAG);

	va &= ~FB_TAG;
	ret = mali_read(ctx, va, fb, sizeof(fb));
	if (!ret)
		ret = get_area(ctx, job, fb, frame);
	if (ret)
		return ret;
	if (get(fb, FB_SAMPLES_LOG2))
		return refuse(ctx, "multisampling", get(fb, FB_SAMPLES_LOG2));

	va += sizeof(fb);
	if (get(fb, FB_HAS_ZS)) {
		ret = add_depth_stencil(ctx, frame, fb, va);
		va += ZS_WORDS * sizeof(u32);
	}
	return ret ?: add_targets(ctx, frame, va, get(fb, FB_TARGETS) + 1);
}

static int fill_linear(struct mali_ctx *ctx, const struct frame *frame, const struct surface *s)
{
	const unsigned int at_once = sizeof(frame->pattern) / s->bytes;
	unsigned int x, y, count;
	int ret;

	for (y = frame->y0; y < frame->y1; y++) {
		for (x = frame->x0; x < frame->x1; x += count) {
			count = min(at_once, frame->x1 - x);
			ret = mali_write(ctx, s->base + (u64)y * s->stride + (u64)x * s->bytes,
					 frame->pattern, count * s->bytes);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/* From its highest bit down, an index in a tile is y3, x3 ^ y3, y2, x2 ^ y2, ... */
static bool in_area(const struct frame *frame, unsigned int x, unsigned int y, unsigned int index)
{
	unsigned int bit, dy;

	for (bit = 0; bit < 4; bit++) {
		dy = index >> (2 * bit + 1) & 1;
		y += dy << bit;
		x += ((index >> (2 * bit) & 1) ^ dy) << bit;
	}
	return x >= frame->x0 && x < frame->x1 && y >= frame->y0 && y < frame->y1;
}

static bool whole_tile(const struct frame *frame, unsigned int x, unsigned int y)
{
	return x >= frame->x0 && x + TILE <= frame->x1 && y >= frame->y0 && y + TILE <= frame->y1;
}

/* The tile at (@x, @y), in as many pieces as it has in the area. */
static int fill_tile(struct mali_ctx *ctx, const struct frame *frame, const struct surface *s,
		     unsigned int x, unsigned int y)
{
	u64 va = s->base + (u64)(y / TILE) * s->stride + (u64)x * TILE * s->bytes;
	unsigned int i, from = 0;
	bool inside = false;
	int ret = 0;

	if (whole_tile(frame, x, y))
		return mali_write(ctx, va, frame->pattern, TILE_PIXELS * s->bytes);

	for (i = 0; i <= TILE_PIXELS && !ret; i++) {
		if (i < TILE_PIXELS && in_area(frame, x, y, i) == inside)
			continue;
		if (inside)
			ret = mali_write(ctx, va + from * s->bytes, frame->pattern,
					 (i - from) * s->bytes);
		from = i;
		inside = !inside;
	}
	return ret;
}

static int fill_tiled(struct mali_ctx *ctx, const struct frame *frame, const struct surface *s)
{
	unsigned int x, y;
	int ret;

	for (y = round_down(frame->y0, TILE); y < frame->y1; y += TILE) {
		for (x = round_down(frame->x0, TILE); x < frame->x1; x += TILE) {
			ret = fill_tile(ctx, frame, s, x, y);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int fill(struct mali_ctx *ctx, struct frame *frame, const struct surface *s)
{
	unsigned int i;
	int ret;

	for (i = 0; i + s->bytes <= sizeof(frame->pattern); i += s->bytes)
		memcpy(&frame->pattern[i], s->pixel, s->bytes);
	ret = s->tiled ? fill_tiled(ctx, frame, s) : fill_linear(ctx, frame, s);
	if (!ret && s->color)
		ctx->pixels += (u64)(frame->x1 - frame->x0) * (frame->y1 - frame->y0);
	return ret;
}

/**
 * mali_fragment() - run a FRAGMENT job
 * @ctx: the job; its tiles and the pixels of its render targets are counted
 * @payload: GPU virtual address of what follows the job's header
 *
 * Return: 0; -EOPNOTSUPP if it asks for what is not modelled, then nothing was written; else
 * what mali_read() and mali_write() returned.
 */
int mali_fragment(struct mali_ctx *ctx, u64 payload)
{
	/* Hardware does not run out of memory. */
	struct frame *frame __free(kfree) = kzalloc_obj(*frame, GFP_NOIO | __GFP_NOFAIL);
	unsigned int i;
	int ret;

	ret = decode(ctx, payload, frame);
	for (i = 0; i < frame->count && !ret; i++)
		ret = fill(ctx, frame, &frame->surfaces[i]);
	if (!ret)
		ctx->tiles += (u64)(DIV_ROUND_UP(frame->x1, TILE) - frame->x0 / TILE) *
			      (DIV_ROUND_UP(frame->y1, TILE) - frame->y0 / TILE);
	return ret;
}
