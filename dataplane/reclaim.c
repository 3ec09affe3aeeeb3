/*
 * What workers may still see, waiting to be freed: a queue of tokens of rte_rcu_qsbr, first in
 * first out, in blocks. Control only. A token is due once every worker that is online has passed a
 * quiescent state after it was drawn; nobody waits for that.
 */
#include "dataplane/reclaim.h"

#include <errno.h>
#include <stdlib.h>

/* Frees of one call of dp_reclaim_poll(): some 100 us at most, so that sockets stay alive. */
#define FREE_MAX_PER_POLL 512
#define BLOCK_ENTRIES	  170 /* 4 KiB */

struct entry {
	void (*free_fn)(void *arg);
	void *arg;
	uint64_t token;
};

struct block {
	struct block *next; /* was made later */
	struct entry entries[BLOCK_ENTRIES];
};

/* Blocks are added at the end and given back at the front, so that nothing is ever copied. */
struct dp_reclaim {
	struct rte_rcu_qsbr *rcu;
	struct block *first, *last;
	struct block *spare;	 /* NULL: none */
	unsigned int begin, end; /* first entry of first, end of the entries of last */
	size_t n;
};

struct dp_reclaim *dp_reclaim_new(struct rte_rcu_qsbr *rcu)
{
	struct dp_reclaim *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->first = r->last = calloc(1, sizeof(*r->first));
	if (r->first == NULL) {
		free(r);
		return NULL;
	}
	r->rcu = rcu;
	return r;
}

/* One that is full of entries that are gone: kept, or given back if there is one already. */
static void give_back(struct dp_reclaim *r, struct block *b)
{
	if (r->spare == NULL)
		r->spare = b;
	else
		free(b);
}

static void free_first(struct dp_reclaim *r)
{
	struct entry e = r->first->entries[r->begin];

	/* Out of the queue first: free_fn may queue more. */
	r->begin++;
	r->n--;
	if (r->n == 0) {
		r->begin = r->end = 0; /* the last block is the only one */
	} else if (r->begin == BLOCK_ENTRIES) {
		struct block *b = r->first;

		r->first = b->next;
		r->begin = 0;
		give_back(r, b);
	}
	e.free_fn(e.arg);
}

static int grow(struct dp_reclaim *r)
{
	struct block *b = r->spare;

	r->spare = NULL;
	if (b == NULL)
		b = calloc(1, sizeof(*b));
	if (b == NULL)
		return -ENOMEM;
	b->next = NULL;
	r->last->next = b;
	r->last = b;
	r->end = 0;
	return 0;
}

/* What waits now, in its order; what it queues itself waits on. */
static void wait_and_free(struct dp_reclaim *r)
{
	size_t n = r->n;

	rte_rcu_qsbr_synchronize(r->rcu, RTE_QSBR_THRID_INVALID);
	for (; n > 0 && r->n > 0; n--)
		free_first(r);
}

void dp_reclaim_later(struct dp_reclaim *r, void (*free_fn)(void *arg), void *arg)
{
	if (r->end == BLOCK_ENTRIES && grow(r) != 0) {
		wait_and_free(r);
		free_fn(arg);
		return;
	}
	r->last->entries[r->end++] = (struct entry){free_fn, arg, rte_rcu_qsbr_start(r->rcu)};
	r->n++;
}

size_t dp_reclaim_poll(struct dp_reclaim *r)
{
	/* Not what is queued meanwhile: what queues itself again and again would hold us here. */
	size_t n = r->n < FREE_MAX_PER_POLL ? r->n : FREE_MAX_PER_POLL;

	for (; n > 0 && r->n > 0; n--) {
		if (rte_rcu_qsbr_check(r->rcu, r->first->entries[r->begin].token, false) == 0)
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
	free(r->first);
	free(r->spare);
	free(r);
}

static void call_later(void *ctx, void (*fn)(void *arg), void *arg)
{
	dp_reclaim_later(ctx, fn, arg);
}

struct dp_later dp_reclaim_as_later(struct dp_reclaim *r)
{
	return (struct dp_later){call_later, r};
}
