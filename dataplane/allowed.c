/* Allowed-ips: a trie for IPv4 and one for IPv6, values are peers. Control writes, workers look up;
 * the structure itself is in trie.c. */
#include "dataplane/allowed.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "dataplane/batch.h"
#include "dataplane/peer.h"
#include "dataplane/trie.h"

struct dp_allowed {
	struct dp_trie v4, v6;
};

static const struct dp_trie *trie(const struct dp_allowed *a, int family)
{
	return family == AF_INET ? &a->v4 : &a->v6;
}

static struct dp_trie *own_trie(struct dp_allowed *a, int family)
{
	return family == AF_INET ? &a->v4 : &a->v6;
}

struct dp_allowed *dp_allowed_new(struct dp_reclaim *reclaim)
{
	struct dp_allowed *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->v4 = (struct dp_trie){.bits = 32, .reclaim = reclaim};
	a->v6 = (struct dp_trie){.bits = 128, .reclaim = reclaim};
	return a;
}

void dp_allowed_free(struct dp_allowed *a)
{
	if (a == NULL)
		return;
	dp_trie_free_nodes(&a->v4);
	dp_trie_free_nodes(&a->v6);
	free(a);
}

int dp_allowed_insert(struct dp_allowed *a, int family, const uint8_t *addr, uint8_t len,
		      struct dp_peer *peer)
{
	void *old;

	return dp_trie_set(own_trie(a, family), dp_trie_key(family, addr), len, peer,
			   &peer->prefixes, &old);
}

int dp_allowed_remove(struct dp_allowed *a, int family, const uint8_t *addr, uint8_t len,
		      const struct dp_peer *peer)
{
	assert(peer != NULL);
	if (dp_trie_clear(own_trie(a, family), dp_trie_key(family, addr), len, peer) == NULL)
		return -ENOENT;
	return 0;
}

/* The first prefix of a peer after link (its list head: the first of all). NULL: none. */
static struct dp_prefix_link *next_of(const struct dp_peer *peer, const struct dp_prefix_link *link)
{
	return link->next == &peer->prefixes ? NULL : link->next;
}

void dp_allowed_remove_peer(struct dp_allowed *a, const struct dp_peer *peer)
{
	struct dp_prefix_link *link;

	while ((link = next_of(peer, &peer->prefixes)) != NULL) {
		const struct dp_trie_node *node = dp_trie_of_link(link);

		dp_trie_clear(own_trie(a, dp_trie_family(node)), node->key, node->len, peer);
	}
}

struct listing {
	bool (*visit)(void *ctx, int family, const uint8_t *addr, uint8_t len,
		      struct dp_peer *peer);
	void *ctx;
	bool stopped;
};

static bool list_one(void *ctx, const struct dp_trie_node *node, void *value)
{
	struct listing *l = ctx;
	uint8_t addr[16];

	dp_trie_addr(node, addr);
	l->stopped = !l->visit(l->ctx, dp_trie_family(node), addr, node->len, value);
	return !l->stopped;
}

void dp_allowed_list(const struct dp_allowed *a, const struct dp_peer *peer,
		     bool (*visit)(void *ctx, int family, const uint8_t *addr, uint8_t len,
				   struct dp_peer *peer),
		     void *ctx)
{
	struct listing l = {visit, ctx, false};

	if (peer == NULL) {
		dp_trie_walk(&a->v4, list_one, &l);
		if (!l.stopped)
			dp_trie_walk(&a->v6, list_one, &l);
		return;
	}
	for (struct dp_prefix_link *link = next_of(peer, &peer->prefixes); link != NULL;
	     link = next_of(peer, link)) {
		if (!list_one(&l, dp_trie_of_link(link), (void *)(uintptr_t)peer))
			return;
	}
}

size_t dp_allowed_count(const struct dp_allowed *a)
{
	return a->v4.count + a->v6.count;
}

struct dp_peer *dp_allowed_lookup(const struct dp_allowed *a, int family, const uint8_t *addr)
{
	return dp_trie_lookup(trie(a, family), dp_trie_key(family, addr));
}

void dp_allowed_lookup_bulk(const struct dp_allowed *a, int family, const uint8_t *const *addrs,
			    struct dp_peer **peers, unsigned int n)
{
	struct dp_trie_key keys[DP_BATCH_MAX];
	void *values[DP_BATCH_MAX];

	assert(n <= DP_BATCH_MAX);
	for (unsigned int i = 0; i < n; i++)
		keys[i] = dp_trie_key(family, addrs[i]);
	dp_trie_lookup_bulk(trie(a, family), keys, values, n);
	for (unsigned int i = 0; i < n; i++)
		peers[i] = values[i];
}
