/* Allowed-ips: tries whose values are peers. Control writes, workers look up; the structure itself
 * is in lc_trie.c. */
#include "dataplane/allowed.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dataplane/batch.h"
#include "dataplane/peer.h"
#include "dataplane/tries.h"

static_assert(DP_BATCH_MAX <= DP_TRIE_BULK_MAX, "a batch is looked up at once");

struct dp_allowed {
	struct dp_tries tries;
};

struct dp_allowed *dp_allowed_new(struct dp_reclaim *reclaim)
{
	struct dp_allowed *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	if (dp_tries_open(&a->tries, offsetof(struct dp_peer, prefixes.v4),
			  offsetof(struct dp_peer, prefixes.v6), reclaim) != 0) {
		free(a);
		return NULL;
	}
	return a;
}

void dp_allowed_free(struct dp_allowed *a)
{
	if (a == NULL)
		return;
	dp_tries_close(&a->tries);
	free(a);
}

/* ---- the host that is in the peer as well ---- */

static uint32_t host_of(int family, const uint8_t *addr, uint8_t len)
{
	uint32_t host = 0;

	if (family == AF_INET && len == 32)
		memcpy(&host, addr, sizeof(host));
	return host;
}

/* The trie has given it to the peer. */
static void keep_host(struct dp_peer *peer, uint32_t host)
{
	if (host != 0 && atomic_load_explicit(&peer->host_v4, memory_order_relaxed) == 0)
		atomic_store_explicit(&peer->host_v4, host, memory_order_release);
}

/* It is not the peer's any more. Who saw it until now has seen what was right before. */
static void lose_host(struct dp_peer *peer, uint32_t host)
{
	if (host != 0 && atomic_load_explicit(&peer->host_v4, memory_order_relaxed) == host)
		atomic_store_explicit(&peer->host_v4, 0, memory_order_release);
}

/* ---- control ---- */

int dp_allowed_insert(struct dp_allowed *a, int family, const uint8_t *addr, uint8_t len,
		      struct dp_peer *peer)
{
	uint32_t host = host_of(family, addr, len);
	void *old;
	int rc;

	rc = dp_trie_set(dp_tries_of(&a->tries, family), dp_trie_key(family, addr), len, peer,
			 &old);
	if (rc != 0)
		return rc;
	if (old != NULL && old != peer)
		lose_host(old, host);
	keep_host(peer, host);
	return 0;
}

int dp_allowed_remove(struct dp_allowed *a, int family, const uint8_t *addr, uint8_t len,
		      struct dp_peer *peer)
{
	struct dp_trie *t = dp_tries_of(&a->tries, family);

	assert(peer != NULL);
	if (dp_trie_clear(t, dp_trie_key(family, addr), len, peer) == NULL)
		return -ENOENT;
	lose_host(peer, host_of(family, addr, len));
	return 0;
}

size_t dp_allowed_remove_some(struct dp_allowed *a, struct dp_peer *peer, size_t max)
{
	size_t n;

	/* It may be among those that stay; then it is looked up. */
	atomic_store_explicit(&peer->host_v4, 0, memory_order_release);
	n = dp_trie_clear_listed(a->tries.v4, peer, max);
	return n + dp_trie_clear_listed(a->tries.v6, peer, max - n);
}

void dp_allowed_remove_peer(struct dp_allowed *a, struct dp_peer *peer)
{
	dp_allowed_remove_some(a, peer, SIZE_MAX);
}

struct listing {
	bool (*visit)(void *ctx, int family, const uint8_t *addr, uint8_t len,
		      struct dp_peer *peer);
	void *ctx;
};

static bool list_one(void *ctx, int family, const uint8_t *addr, uint8_t len, void *value)
{
	const struct listing *l = ctx;

	return l->visit(l->ctx, family, addr, len, value);
}

void dp_allowed_list(const struct dp_allowed *a, const struct dp_peer *peer,
		     bool (*visit)(void *ctx, int family, const uint8_t *addr, uint8_t len,
				   struct dp_peer *peer),
		     void *ctx)
{
	struct listing l = {visit, ctx};

	dp_tries_walk(&a->tries, peer, list_one, &l);
}

size_t dp_allowed_count(const struct dp_allowed *a)
{
	return dp_trie_count(a->tries.v4) + dp_trie_count(a->tries.v6);
}

size_t dp_allowed_bytes(const struct dp_allowed *a)
{
	return sizeof(*a) + dp_trie_bytes(a->tries.v4) + dp_trie_bytes(a->tries.v6);
}

struct dp_peer *dp_allowed_lookup(const struct dp_allowed *a, int family, const uint8_t *addr)
{
	return dp_tries_lookup(&a->tries, family, addr);
}

void dp_allowed_lookup_bulk(const struct dp_allowed *a, const struct dp_keys *keys, uint32_t mask,
			    struct dp_peer **peers)
{
	dp_tries_lookup_bulk(&a->tries, keys, mask, (void **)(uintptr_t)peers);
}
