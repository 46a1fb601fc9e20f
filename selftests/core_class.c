// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * common/pa_class.[ch]: every size maps to the smallest class that holds it, and block numbers come out
 * right without a division.
 * test-kselftest: yes
 */
#include "pa_class.h"
#include "tap.h"

/* The documented sizes: 8, 16 ... 512, then eight per doubling. */
static size_t documented(unsigned int cls)
{
	size_t size = 512, step = 64;
	unsigned int i;

	if (cls <= 64)
		return cls * 8;
	for (i = 65; i <= cls; i++) {
		size += step;
		if (i < cls && size == step * 16)
			step *= 2;
	}
	return size;
}

static void table(void)
{
	unsigned int cls;

	for (cls = 1; cls < PA_CLASSES; cls++) {
		TAP_CHECK(pa_class_size(cls) == documented(cls));
		TAP_CHECK(cls == 1 || pa_class_size(cls) > pa_class_size(cls - 1));
	}
	TAP_CHECK(pa_class_size(PA_CLASSES - 1) == PA_MEDIUM_MAX);
}

static void smallest_class(void)
{
	unsigned int cls = 1;
	size_t size;

	TAP_CHECK(pa_class_of(0) == 1);
	for (size = 1; size <= PA_MEDIUM_MAX; size++) {
		if (size > documented(cls))
			cls++;
		if (!TAP_CHECK(pa_class_of(size) == cls))
			tap_diag("size %zu: class %u, should be %u", size, pa_class_of(size), cls);
	}
}

/* 7 bytes at most below 512, an eighth at most above. */
static void waste(void)
{
	size_t size;

	for (size = 1; size <= PA_MEDIUM_MAX; size++) {
		size_t lost = pa_class_size(pa_class_of(size)) - size;

		if (!TAP_CHECK(size <= PA_SMALL_MAX ? lost < 8 : lost * 8 < size))
			tap_diag("size %zu wastes %zu bytes", size, lost);
	}
}

static void runs(void)
{
	unsigned int cls;

	for (cls = 1; cls < PA_CLASSES; cls++) {
		const struct pa_class *c = &pa_class[cls];
		size_t bytes = c->npools * PA_POOL_SIZE;

		/* A single pool is for small blocks, and for medium ones of which it holds many. */
		TAP_CHECK(cls < PA_FIRST_MEDIUM ? c->npools == 1 : c->npools >= 2 || c->capacity >= 16);
		TAP_CHECK((c->npools > 1) == (cls >= PA_FIRST_SPAN));
		TAP_CHECK(c->npools >= 1 && c->npools <= PA_SPAN_MAX);
		TAP_CHECK(c->capacity == bytes / c->size && c->capacity >= 1);
		/*
		 * Behind the last block there is less than a block; of a medium class a sixteenth
		 * at most, of one of more than 64 KiB, each of which has a run, less than a pool.
		 */
		if (!TAP_CHECK(c->size > 65536 ? c->capacity == 1 && bytes - c->size < PA_POOL_SIZE :
			       (bytes - c->capacity * c->size) * (cls < PA_FIRST_MEDIUM ? 8 : 16) <= bytes))
			tap_diag("class %u of %u bytes: %u in %zu bytes", cls, c->size, c->capacity, bytes);
		/* The remote word counts in units of 8 bytes, in 16 bits. */
		TAP_CHECK(bytes <= 65536 * 8);
	}
}

static void inverse(void)
{
	size_t step = tap_scaled(1000, 1) == 1000 ? 1 : 3;
	unsigned int cls;

	for (cls = 1; cls < PA_CLASSES; cls++) {
		size_t size = pa_class_size(cls), bytes = pa_class[cls].npools * PA_POOL_SIZE, off;

		for (off = 0; off < bytes; off += step)
			if (pa_class_index(cls, off) != off / size) {
				tap_diag("class %u: offset %zu of blocks of %zu is in block %u", cls, off,
					 size, pa_class_index(cls, off));
				TAP_CHECK(!"exact");
				break;
			}
		for (off = size; off <= bytes; off += size) {
			TAP_CHECK(pa_class_index(cls, off - 1) == off / size - 1);
			TAP_CHECK(off == bytes || pa_class_index(cls, off) == off / size);
		}
	}
}

int main(void)
{
	pa_class_init();
	tap_start(5);
	tap_test("the table is the documented one", table);
	tap_test("all requests: the smallest class that fits", smallest_class);
	tap_test("waste per block is bounded", waste);
	tap_test("pools and spans are well filled", runs);
	tap_test("block numbers are exact for every offset of every class", inverse);
	return tap_finish();
}
