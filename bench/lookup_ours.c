/*
 * wgdp-bench lookup: wgdp's trie as one of the structures that are compared, and as what is
 * updated; its values are peers, whose lists prefixes are in, as allowed-ips have it. The thread
 * that looks up is registered as a worker would be, so that what is taken out of the table waits
 * for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_rcu_qsbr.h>

#include "bench/lookup.h"
#include "dataplane/lc_trie.h"
#include "dataplane/peer.h"
#include "dataplane/reclaim.h"

#define READER 0

struct ours {
	struct rte_rcu_qsbr *rcu;
	struct dp_reclaim *reclaim;
	struct dp_trie *trie;
	struct dp_peer *peers; /* value v is peers[v - 1] */
};

static void reclaim_later(void *ctx, void (*fn)(void *arg), void *arg)
{
	dp_reclaim_later(ctx, fn, arg);
}

struct ours *ours_new(bool v6)
{
	struct ours *o = lookup_need(calloc(1, sizeof(*o)));
	struct dp_later later = {.call = reclaim_later};

	o->rcu = lookup_need(aligned_alloc(RTE_CACHE_LINE_SIZE, rte_rcu_qsbr_get_memsize(1)));
	rte_rcu_qsbr_init(o->rcu, 1);
	rte_rcu_qsbr_thread_register(o->rcu, READER);
	rte_rcu_qsbr_thread_online(o->rcu, READER);
	o->reclaim = lookup_need(dp_reclaim_new(o->rcu));
	later.ctx = o->reclaim;
	o->trie = lookup_need(
		dp_trie_new(v6 ? 128 : 32, offsetof(struct dp_peer, prefixes.v4), &later));
	o->peers = lookup_need(
		aligned_alloc(alignof(struct dp_peer), LOOKUP_VALUES * sizeof(o->peers[0])));
	memset(o->peers, 0, LOOKUP_VALUES * sizeof(o->peers[0]));
	return o;
}

void ours_free(struct ours *o)
{
	dp_trie_free(o->trie);
	dp_reclaim_free(o->reclaim);
	free(o->rcu);
	free(o->peers);
	free(o);
}

static struct dp_trie_key key_of(const struct lookup_prefix *p)
{
	return (struct dp_trie_key){p->addr.hi, p->addr.lo};
}

bool ours_insert(struct ours *o, const struct lookup_prefix *p, uint32_t value)
{
	void *old;

	return dp_trie_set(o->trie, key_of(p), p->len, &o->peers[value - 1], &old) == 0;
}

bool ours_remove(struct ours *o, const struct lookup_prefix *p, uint32_t value)
{
	return dp_trie_clear(o->trie, key_of(p), p->len, &o->peers[value - 1]) != NULL;
}

bool ours_build(struct ours *o, const struct lookup_set *set)
{
	struct dp_trie_prefix *prefixes = lookup_need(calloc(set->n, sizeof(prefixes[0])));
	bool right;

	for (unsigned int i = 0; i < set->n; i++)
		prefixes[i] = (struct dp_trie_prefix){key_of(&set->prefixes[i]),
						      set->prefixes[i].len,
						      &o->peers[lookup_value(i) - 1]};
	right = dp_trie_build(o->trie, prefixes, set->n) == 0;
	free(prefixes);
	return right;
}

void ours_reclaim(struct ours *o)
{
	dp_reclaim_poll(o->reclaim);
}

void ours_quiescent(struct ours *o)
{
	rte_rcu_qsbr_quiescent(o->rcu, READER);
}

/* ---- as one of those that are compared ---- */

static void free_ours(void *state)
{
	ours_free(state);
}

static void build(struct lookup_built *b, const struct lookup_set *set)
{
	struct ours *o = ours_new(set->v6);
	double begin = bench_seconds();

	for (unsigned int i = 0; i < set->n; i++) {
		if (!ours_insert(o, &set->prefixes[i], lookup_value(i))) {
			snprintf(b->why, sizeof(b->why), "out of memory");
			ours_free(o);
			return;
		}
		if (i % LOOKUP_BULK == 0) {
			ours_quiescent(o);
			ours_reclaim(o);
		}
	}
	b->insert_seconds = bench_seconds() - begin;
	b->state = o;
}

static void lookup(void *state, const struct lookup_keys *keys, unsigned int first,
		   uint32_t *values)
{
	const struct ours *o = state;
	void *found[LOOKUP_BULK];

	dp_trie_lookup_bulk(o->trie, keys->hi + first, keys->lo + first, found, LOOKUP_BULK);
	__asm__ volatile("" : : "r"(found) : "memory");
	for (unsigned int i = 0; values && i < LOOKUP_BULK; i++)
		values[i] = found[i] ? (uint32_t)((struct dp_peer *)found[i] - o->peers) + 1 : 0;
}

static size_t bytes(const void *state)
{
	return dp_trie_bytes(((const struct ours *)state)->trie);
}

const struct lookup_structure lookup_ours = {
	.name = {"lc-trie", "lc-trie"},
	.build = build,
	.lookup = lookup,
	.bytes = bytes,
	.free = free_ours,
};
