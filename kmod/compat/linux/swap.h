/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PA_COMPAT_SWAP_H
#define PA_COMPAT_SWAP_H

#include_next <linux/swap.h>
#include <linux/version.h>

/* Since 6.4 there is a function for what shrinkers of pages did by hand. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
static inline void mm_account_reclaimed_pages(unsigned long pages)
{
	if (current->reclaim_state)
		current->reclaim_state->reclaimed_slab += pages;
}
#endif

#endif
