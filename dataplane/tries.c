/* Two tries as one table; each of them is in lc_trie.c and its neighbours. */
#include "dataplane/tries.h"

#include <assert.h>
#include <errno.h>

#include "dataplane/publish.h"

static void reclaim_later(void *ctx, void (*fn)(void *arg), void *arg)
{
	dp_reclaim_later(ctx, fn, arg);
}

int dp_tries_open(struct dp_tries *p, size_t list4_off, size_t list6_off,
		  struct dp_reclaim *reclaim)
{
	const struct dp_later later = {reclaim_later, reclaim};

	p->v4 = dp_trie_new(32, list4_off, &later);
	p->v6 = dp_trie_new(128, list6_off, &later);
	if (p->v4 != NULL && p->v6 != NULL)
		return 0;
	dp_tries_close(p);
	return -ENOMEM;
}

void dp_tries_close(struct dp_tries *p)
{
	dp_trie_free(p->v4);
	dp_trie_free(p->v6);
	*p = (struct dp_tries){0};
}

struct walk {
	dp_tries_visit *visit;
	void *ctx;
	int family;
	bool stopped;
};

static bool visit_one(void *ctx, const struct dp_trie_prefix *prefix)
{
	struct walk *w = ctx;
	uint8_t addr[16];

	dp_trie_addr(prefix->key, w->family, addr);
	w->stopped = !w->visit(w->ctx, w->family, addr, prefix->len, prefix->value);
	return !w->stopped;
}

void dp_tries_walk(const struct dp_tries *p, const void *value, dp_tries_visit *visit, void *ctx)
{
	const int families[] = {AF_INET, AF_INET6};
	struct walk w = {.visit = visit, .ctx = ctx};

	for (unsigned int i = 0; i < 2 && !w.stopped; i++) {
		w.family = families[i];
		if (value == NULL)
			dp_trie_walk(dp_tries_of(p, w.family), visit_one, &w);
		else
			dp_trie_walk_listed(dp_tries_of(p, w.family), value, visit_one, &w);
	}
}

void *dp_tries_lookup(const struct dp_tries *p, int family, const uint8_t *addr)
{
	return dp_trie_lookup(dp_tries_of(p, family), dp_trie_key(family, addr));
}

void dp_tries_lookup_bulk(const struct dp_tries *p, int family, const uint8_t *const *addrs,
			  void **values, unsigned int n)
{
	uint64_t hi[DP_TRIE_BULK_MAX], lo[DP_TRIE_BULK_MAX];

	assert(n <= DP_TRIE_BULK_MAX);
	for (unsigned int i = 0; i < n; i++) {
		struct dp_trie_key key = dp_trie_key(family, addrs[i]);

		hi[i] = key.hi;
		lo[i] = key.lo;
	}
	dp_trie_lookup_bulk(dp_tries_of(p, family), hi, lo, values, n);
}
