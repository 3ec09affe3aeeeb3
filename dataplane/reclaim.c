/*
 * What workers may still see, waiting to be freed: a queue of tokens of rte_rcu_qsbr, first in
 * first out. Control only. A token is due once every worker that is online has passed a quiescent
 * state after it was drawn; nobody waits for that.
 */
#include "dataplane/reclaim.h"

#include <errno.h>
#include <stdlib.h>

/* Frees of one call of dp_reclaim_poll(): some 100 us at most, so that sockets stay alive. */
#define FREE_MAX_PER_POLL 512
#define ENTRIES_MIN	  256 /* a power of two */

struct entry {
	void (*free_fn)(void *arg);
	void *arg;
	uint64_t token;
};

struct dp_reclaim {
	struct rte_rcu_qsbr *rcu;
	struct entry *entries; /* a ring */
	size_t size;	       /* a power of two */
	size_t first, n;
};

struct dp_reclaim *dp_reclaim_new(struct rte_rcu_qsbr *rcu)
{
	struct dp_reclaim *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->entries = calloc(ENTRIES_MIN, sizeof(r->entries[0]));
	if (r->entries == NULL) {
		free(r);
		return NULL;
	}
	r->size = ENTRIES_MIN;
	r->rcu = rcu;
	return r;
}

static void free_first(struct dp_reclaim *r)
{
	struct entry e = r->entries[r->first];

	/* Out of the queue first: free_fn may queue more. */
	r->first = (r->first + 1) & (r->size - 1);
	r->n--;
	e.free_fn(e.arg);
}

static int grow(struct dp_reclaim *r)
{
	struct entry *entries = calloc(2 * r->size, sizeof(entries[0]));

	if (entries == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < r->n; i++)
		entries[i] = r->entries[(r->first + i) & (r->size - 1)];
	free(r->entries);
	r->entries = entries;
	r->size *= 2;
	r->first = 0;
	return 0;
}

void dp_reclaim_later(struct dp_reclaim *r, void (*free_fn)(void *arg), void *arg)
{
	if (r->n == r->size && grow(r) != 0) {
		rte_rcu_qsbr_synchronize(r->rcu, RTE_QSBR_THRID_INVALID);
		while (r->n > 0)
			free_first(r);
		free_fn(arg);
		return;
	}
	r->entries[(r->first + r->n) & (r->size - 1)] = (struct entry){free_fn, arg,
								       rte_rcu_qsbr_start(r->rcu)};
	r->n++;
}

size_t dp_reclaim_poll(struct dp_reclaim *r)
{
	for (unsigned int i = 0; i < FREE_MAX_PER_POLL && r->n > 0; i++) {
		if (rte_rcu_qsbr_check(r->rcu, r->entries[r->first].token, false) == 0)
			break;
		free_first(r);
	}
	return r->n;
}

void dp_reclaim_free(struct dp_reclaim *r)
{
	if (r == NULL)
		return;
	while (r->n > 0)
		free_first(r);
	free(r->entries);
	free(r);
}
