/* RCU and its queue for tests of single tables, without EAL. */
#ifndef TESTS_UNIT_DATAPLANE_RCU_H
#define TESTS_UNIT_DATAPLANE_RCU_H

#include <stdlib.h>
#include <string.h>

#include "dataplane/reclaim.h"

struct test_rcu {
	struct rte_rcu_qsbr *rcu;
	struct dp_reclaim *reclaim;
};

static inline struct test_rcu test_rcu_new(unsigned int readers)
{
	size_t bytes = (rte_rcu_qsbr_get_memsize(readers) + 63) / 64 * 64;
	struct test_rcu t = {.rcu = aligned_alloc(64, bytes)};

	if (t.rcu == NULL || rte_rcu_qsbr_init(t.rcu, readers) != 0)
		abort();
	t.reclaim = dp_reclaim_new(t.rcu);
	return t;
}

static inline void test_rcu_free(struct test_rcu *t)
{
	dp_reclaim_free(t->reclaim);
	free(t->rcu);
}

#endif
