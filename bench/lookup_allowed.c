/*
 * wgdp-bench lookup: allowed-ips as workers ask them, by addresses in packets: the trie of
 * lookup_ours.c with what is around it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_rcu_qsbr.h>

#include "bench/lookup.h"
#include "dataplane/allowed.h"
#include "dataplane/peer.h"
#include "dataplane/reclaim.h"
#include "dataplane/tries.h"

struct asked {
	struct rte_rcu_qsbr *rcu; /* without readers */
	struct dp_reclaim *reclaim;
	struct dp_allowed *allowed;
	struct dp_peer *peers; /* value v is peers[v - 1] */
	int family;
};

static void free_asked(void *state)
{
	struct asked *a = state;

	dp_allowed_free(a->allowed);
	dp_reclaim_free(a->reclaim);
	free(a->rcu);
	free(a->peers);
	free(a);
}

static struct asked *asked_new(bool v6)
{
	struct asked *a = lookup_need(calloc(1, sizeof(*a)));

	a->family = v6 ? AF_INET6 : AF_INET;
	a->rcu = lookup_need(aligned_alloc(RTE_CACHE_LINE_SIZE, rte_rcu_qsbr_get_memsize(1)));
	rte_rcu_qsbr_init(a->rcu, 1);
	a->reclaim = lookup_need(dp_reclaim_new(a->rcu));
	a->allowed = lookup_need(dp_allowed_new(a->reclaim));
	a->peers = lookup_need(
		aligned_alloc(alignof(struct dp_peer), LOOKUP_VALUES * sizeof(a->peers[0])));
	memset(a->peers, 0, LOOKUP_VALUES * sizeof(a->peers[0]));
	return a;
}

static bool insert(struct asked *a, const struct lookup_prefix *p, struct dp_peer *peer)
{
	uint64_t parts[2] = {__builtin_bswap64(p->addr.hi), __builtin_bswap64(p->addr.lo)};

	return dp_allowed_insert(a->allowed, a->family, (const uint8_t *)parts, p->len, peer) == 0;
}

static void build(struct lookup_built *b, const struct lookup_set *set)
{
	struct asked *a = asked_new(set->v6);
	double begin = bench_seconds();

	for (unsigned int i = 0; i < set->n; i++) {
		if (!insert(a, &set->prefixes[i], &a->peers[lookup_value(i) - 1])) {
			snprintf(b->why, sizeof(b->why), "out of memory");
			free_asked(a);
			return;
		}
		if (i % LOOKUP_BULK == 0)
			dp_reclaim_poll(a->reclaim);
	}
	b->insert_seconds = bench_seconds() - begin;
	b->state = a;
}

static void lookup(void *state, const struct lookup_keys *keys, unsigned int first,
		   uint32_t *values)
{
	const struct asked *a = state;
	struct dp_peer *found[LOOKUP_BULK];
	struct dp_keys at;

	at.v6 = 0;
	for (unsigned int i = 0; i < LOOKUP_BULK; i++)
		dp_keys_put(&at, i, a->family, keys->bytes[first + i]);
	dp_allowed_lookup_bulk(a->allowed, &at, UINT32_MAX, found);
	__asm__ volatile("" : : "r"(found) : "memory");
	for (unsigned int i = 0; values && i < LOOKUP_BULK; i++)
		values[i] = found[i] ? (uint32_t)(found[i] - a->peers) + 1 : 0;
}

static size_t bytes(const void *state)
{
	return dp_allowed_bytes(((const struct asked *)state)->allowed);
}

const struct lookup_structure lookup_allowed = {
	.name = {"allowed-ips", "allowed-ips"},
	.build = build,
	.lookup = lookup,
	.bytes = bytes,
	.free = free_asked,
};
