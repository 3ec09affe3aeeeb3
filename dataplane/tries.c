/* Two tries as one table; each of them is in lc_trie.c and its neighbours. */
#include "dataplane/tries.h"

#include <errno.h>

#include "dataplane/reclaim.h"

int dp_tries_open(struct dp_tries *p, size_t list4_off, size_t list6_off,
		  struct dp_reclaim *reclaim)
{
	const struct dp_later later = dp_reclaim_as_later(reclaim);

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

/* Some of the keys, which one trie has the answers to. */
static void look_up_some(const struct dp_trie *t, const struct dp_keys *keys, uint32_t mask,
			 void **values)
{
	uint64_t hi[DP_TRIE_BULK_MAX], lo[DP_TRIE_BULK_MAX];
	void *found[DP_TRIE_BULK_MAX];
	unsigned int n = 0;

	/* The mask is not empty. */
	for (uint32_t left = mask; n == 0 || left; left &= left - 1, n++) {
		hi[n] = keys->hi[__builtin_ctz(left)];
		lo[n] = keys->lo[__builtin_ctz(left)];
	}
	dp_trie_lookup_bulk(t, hi, lo, found, n);
	for (n = 0; mask; mask &= mask - 1, n++)
		values[__builtin_ctz(mask)] = found[n];
}

/* The packets of one flow have one destination, and what comes out of tunnels often has, too. */
static bool all_same(const struct dp_keys *keys, unsigned int n)
{
	uint64_t differ = 0;

	for (unsigned int i = 1; i < n; i++)
		differ |= (keys->hi[i] ^ keys->hi[0]) | (keys->lo[i] ^ keys->lo[0]);
	return differ == 0;
}

/* The first n keys, which one trie has the answers to. */
static void look_up_first(const struct dp_trie *t, const struct dp_keys *keys, unsigned int n,
			  void **values)
{
	void *value;

	if (!all_same(keys, n)) {
		dp_trie_lookup_bulk(t, keys->hi, keys->lo, values, n);
		return;
	}
	value = dp_trie_lookup(t, (struct dp_trie_key){keys->hi[0], keys->lo[0]});
	for (unsigned int i = 0; i < n; i++)
		values[i] = value;
}

void dp_tries_lookup_bulk(const struct dp_tries *p, const struct dp_keys *keys, uint32_t mask,
			  void **values)
{
	for (unsigned int k = 0; k < 2; k++) {
		const struct dp_trie *t = k ? p->v6 : p->v4;
		uint32_t part = mask & (k ? keys->v6 : ~keys->v6);

		if (part == 0)
			continue;
		/* Mostly all are of one family. */
		if ((part & (part + 1)) == 0)
			look_up_first(t, keys, (unsigned int)__builtin_popcount(part), values);
		else
			look_up_some(t, keys, part, values);
	}
}
