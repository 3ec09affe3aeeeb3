/* Linux's routes as workers see them: tries whose values are copies of routes that never change.
 * Control writes, workers look up; the structure itself is in lc_trie.c. */
#include "dataplane/route.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "dataplane/batch.h"
#include "dataplane/publish.h"
#include "dataplane/tries.h"

/* A value of the tries, and in the list of all of them. */
struct held {
	struct dp_route route; /* first: the tries point at it */
	struct held *next, *prev;
};

struct dp_routes {
	struct dp_tries tries;
	struct dp_reclaim *reclaim;
	struct held *all;
};

static void hold(struct dp_routes *r, struct held *h)
{
	h->prev = NULL;
	h->next = r->all;
	if (r->all != NULL)
		r->all->prev = h;
	r->all = h;
}

/* Freed when no worker sees it. */
static void let_go(struct dp_routes *r, struct held *h)
{
	if (h->prev == NULL)
		r->all = h->next;
	else
		h->prev->next = h->next;
	if (h->next != NULL)
		h->next->prev = h->prev;
	dp_reclaim_later(r->reclaim, free, h);
}

struct dp_routes *dp_routes_new(struct dp_reclaim *reclaim)
{
	struct dp_routes *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->reclaim = reclaim;
	if (dp_tries_open(&r->tries, DP_TRIE_UNLISTED, DP_TRIE_UNLISTED, reclaim) != 0) {
		free(r);
		return NULL;
	}
	return r;
}

void dp_routes_free(struct dp_routes *r)
{
	if (r == NULL)
		return;
	while (r->all != NULL) {
		struct held *h = r->all;

		r->all = h->next;
		free(h);
	}
	dp_tries_close(&r->tries);
	free(r);
}

int dp_routes_set(struct dp_routes *r, int family, const uint8_t *addr, uint8_t len,
		  const struct dp_route *route)
{
	struct held *copy = malloc(sizeof(*copy));
	void *old;
	int rc;

	if (copy == NULL)
		return -ENOMEM;
	copy->route = *route;
	rc = dp_trie_set(dp_tries_of(&r->tries, family), dp_trie_key(family, addr), len, copy,
			 &old);
	if (rc != 0) {
		free(copy);
		return rc;
	}
	hold(r, copy);
	if (old != NULL)
		let_go(r, old);
	return 0;
}

int dp_routes_clear(struct dp_routes *r, int family, const uint8_t *addr, uint8_t len)
{
	void *old = dp_trie_clear(dp_tries_of(&r->tries, family), dp_trie_key(family, addr), len,
				  NULL);

	if (old == NULL)
		return -ENOENT;
	let_go(r, old);
	return 0;
}

struct listing {
	bool (*visit)(void *ctx, int family, const uint8_t *addr, uint8_t len,
		      const struct dp_route *route);
	void *ctx;
};

static bool list_one(void *ctx, int family, const uint8_t *addr, uint8_t len, void *value)
{
	const struct listing *l = ctx;

	return l->visit(l->ctx, family, addr, len, value);
}

void dp_routes_list(const struct dp_routes *r,
		    bool (*visit)(void *ctx, int family, const uint8_t *addr, uint8_t len,
				  const struct dp_route *route),
		    void *ctx)
{
	struct listing l = {visit, ctx};

	dp_tries_walk(&r->tries, NULL, list_one, &l);
}

const struct dp_route *dp_routes_lookup(const struct dp_routes *r, int family, const uint8_t *addr)
{
	return dp_tries_lookup(&r->tries, family, addr);
}

void dp_routes_lookup_bulk(const struct dp_routes *r, const struct dp_keys *keys, uint32_t mask,
			   const struct dp_route **routes)
{
	dp_tries_lookup_bulk(&r->tries, keys, mask, (void **)(uintptr_t)routes);
}
