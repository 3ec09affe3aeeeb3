/* A queue in place of the reclaim queue: callbacks wait until the test runs them. */
#ifndef TESTS_UNIT_DATAPLANE_LC_TRIE_LATER_H
#define TESTS_UNIT_DATAPLANE_LC_TRIE_LATER_H

#include <string.h>

#include "dataplane/arena.h"
#include "tests/unit/dataplane/lc_trie/must.h"

/* An arena has one callback waiting at a time, also after it was deleted. */
#define LATER_MAX 64

struct later {
	struct {
		void (*fn)(void *arg);
		void *arg;
	} calls[LATER_MAX];
	unsigned int n;
};

static inline void later_call(void *ctx, void (*fn)(void *arg), void *arg)
{
	struct later *l = ctx;

	MUST(l->n < LATER_MAX);
	l->calls[l->n].fn = fn;
	l->calls[l->n].arg = arg;
	l->n++;
}

static inline struct dp_later later_of(struct later *l)
{
	return (struct dp_later){later_call, l};
}

/* Runs what waits now, not what that brings. */
static inline void later_run(struct later *l)
{
	struct later now = *l;

	l->n = 0;
	for (unsigned int i = 0; i < now.n; i++)
		now.calls[i].fn(now.calls[i].arg);
}

/* Until nothing waits. */
static inline void later_drain(struct later *l)
{
	while (l->n > 0)
		later_run(l);
}

#endif
