/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Size classes: from a request in bytes to a class number and back.
 */
#ifndef PA_CLASS_H
#define PA_CLASS_H

#include "pa_config.h"

/**
 * struct pa_class - what a pool of one size class looks like
 * @size: bytes of a block
 * @capacity: blocks of a pool (or span) of this class
 * @wake: frees into a full pool until it is allocated from again, see
 *	pa_pool_out()
 * @room: how many freed blocks its bin may hold, see pa_bin_keep() and
 *	pa_span_keep()
 * @npools: pools of a run: 1 for small classes, 1..32 for medium ones
 * @inverse: 2^PA_INVERSE_SHIFT / size rounded up: offset / size without a division
 *
 * Written once by pa_class_init(), before the first allocation; read-only
 * afterwards.
 */
struct pa_class {
	u32 size;
	u32 inverse;
	u16 capacity;
	u8 wake;
	u8 room;
	u8 npools;
};

/*
 * The most for which the inverse of 8 fits in 32 bits. The quotient is exact as
 * long as size x bytes of the span's blocks are not more than 2 to the power of it.
 */
#define PA_INVERSE_SHIFT	34

extern struct pa_class pa_class[PA_CLASSES];

void pa_class_init(void);

/* The class of a request of 1..512 bytes. 0 bytes are treated as 1. */
static __always_inline unsigned int pa_class_small(size_t size)
{
	return size ? (unsigned int)((size + 7) >> 3) : 1;
}

/* The class of a request of 513..PA_MEDIUM_MAX bytes. */
static __always_inline unsigned int pa_class_medium(size_t size)
{
	unsigned int top = 63 - (unsigned int)__builtin_clzll((u64)size - 1);

	return PA_FIRST_MEDIUM + (top - 9) * 8 +
	       (unsigned int)(((size - 1) >> (top - 3)) & 7);
}

/* The class of a request of 0..PA_MEDIUM_MAX bytes. */
static __always_inline unsigned int pa_class_of(size_t size)
{
	return size <= PA_SMALL_MAX ? pa_class_small(size) : pa_class_medium(size);
}

/* Bytes of a block of class @cls. */
static __always_inline size_t pa_class_size(unsigned int cls)
{
	return pa_class[cls].size;
}

/* Index of the block that holds byte @offset of a pool of class @cls. */
static __always_inline u32 pa_class_index(unsigned int cls, size_t offset)
{
	return (u32)(((u64)offset * pa_class[cls].inverse) >> PA_INVERSE_SHIFT);
}

#endif
