/* Linux's routes as workers see them: a trie for IPv4 and one for IPv6, values are copies of routes
 * that never change. Control writes, workers look up; the structure itself is in trie.c. */
#include "dataplane/route.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "dataplane/batch.h"
#include "dataplane/publish.h"
#include "dataplane/trie.h"

struct dp_routes {
	struct dp_trie v4, v6;
	struct dp_reclaim *reclaim;
};

static const struct dp_trie *trie(const struct dp_routes *r, int family)
{
	return family == AF_INET ? &r->v4 : &r->v6;
}

static struct dp_trie *own_trie(struct dp_routes *r, int family)
{
	return family == AF_INET ? &r->v4 : &r->v6;
}

struct dp_routes *dp_routes_new(struct dp_reclaim *reclaim)
{
	struct dp_routes *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->v4 = (struct dp_trie){.bits = 32, .reclaim = reclaim};
	r->v6 = (struct dp_trie){.bits = 128, .reclaim = reclaim};
	r->reclaim = reclaim;
	return r;
}

static bool free_route(void *ctx, const struct dp_trie_node *node, void *value)
{
	(void)ctx;
	(void)node;
	free(value);
	return true;
}

void dp_routes_free(struct dp_routes *r)
{
	if (r == NULL)
		return;
	dp_trie_walk(&r->v4, free_route, NULL);
	dp_trie_walk(&r->v6, free_route, NULL);
	dp_trie_free_nodes(&r->v4);
	dp_trie_free_nodes(&r->v6);
	free(r);
}

int dp_routes_set(struct dp_routes *r, int family, const uint8_t *addr, uint8_t len,
		  const struct dp_route *route)
{
	struct dp_route *copy = malloc(sizeof(*copy));
	void *old;
	int rc;

	if (copy == NULL)
		return -ENOMEM;
	*copy = *route;
	rc = dp_trie_set(own_trie(r, family), dp_trie_key(family, addr), len, copy, NULL, &old);
	if (rc != 0) {
		free(copy);
		return rc;
	}
	if (old != NULL)
		dp_reclaim_later(r->reclaim, free, old);
	return 0;
}

int dp_routes_clear(struct dp_routes *r, int family, const uint8_t *addr, uint8_t len)
{
	void *old = dp_trie_clear(own_trie(r, family), dp_trie_key(family, addr), len, NULL);

	if (old == NULL)
		return -ENOENT;
	dp_reclaim_later(r->reclaim, free, old);
	return 0;
}

struct listing {
	bool (*visit)(void *ctx, int family, const uint8_t *addr, uint8_t len,
		      const struct dp_route *route);
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

void dp_routes_list(const struct dp_routes *r,
		    bool (*visit)(void *ctx, int family, const uint8_t *addr, uint8_t len,
				  const struct dp_route *route),
		    void *ctx)
{
	struct listing l = {visit, ctx, false};

	dp_trie_walk(&r->v4, list_one, &l);
	if (!l.stopped)
		dp_trie_walk(&r->v6, list_one, &l);
}

const struct dp_route *dp_routes_lookup(const struct dp_routes *r, int family, const uint8_t *addr)
{
	return dp_trie_lookup(trie(r, family), dp_trie_key(family, addr));
}

void dp_routes_lookup_bulk(const struct dp_routes *r, int family, const uint8_t *const *addrs,
			   const struct dp_route **routes, unsigned int n)
{
	struct dp_trie_key keys[DP_BATCH_MAX];
	void *values[DP_BATCH_MAX];

	assert(n <= DP_BATCH_MAX);
	for (unsigned int i = 0; i < n; i++)
		keys[i] = dp_trie_key(family, addrs[i]);
	dp_trie_lookup_bulk(trie(r, family), keys, values, n);
	for (unsigned int i = 0; i < n; i++)
		routes[i] = values[i];
}
