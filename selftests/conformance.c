// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * modules/conformance.h in userspace; test_conformance.ko runs the same source in the kernel.
 * test-kselftest: yes
 */
#include "shared/report.h"

#define conf_u64		uint64_t
#define CONF_STEPS		tap_scaled(300000, 10000)
#define CONF_CHECK(cond)	TAP_CHECK(cond)
#define CONF_ALLOC(size)	poolalloc_alloc(size)
#define CONF_ZALLOC(size)	poolalloc_zalloc(size)
#define CONF_BULK(size, n, out)	poolalloc_alloc_bulk(size, n, out)
#define CONF_FREE(p)		poolalloc_free(p)
#define CONF_FREE_SIZED(p, size)	poolalloc_free_sized(p, size)
#define CONF_FREE_BULK(n, ptrs)	poolalloc_free_bulk(n, ptrs)
#define CONF_SIZE(p)		poolalloc_usable_size(p)
#define CONF_TRIM()		poolalloc_trim()
#include "modules/conformance.h"

int main(void)
{
	size_t i;

	tap_start(0);
	conf_state = tap_seed();
	for (i = 0; i < sizeof(conf_tests) / sizeof(conf_tests[0]); i++)
		tap_test(conf_tests[i].name, conf_tests[i].run);
	tap_ok(report_accounts(0), "nothing is left");
	return tap_finish();
}
