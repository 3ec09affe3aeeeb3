/*
 * wgdp-bench lookup: the addresses that are looked up, prepared before anything is timed.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/lookup.h"

#define SEED 400

/* One of the addresses that a prefix holds. */
static struct lookup_address within(const struct lookup_prefix *p, struct lookup_random *r, bool v6)
{
	struct lookup_address random = {lookup_random(r), v6 ? lookup_random(r) : 0};
	struct lookup_address cut = lookup_masked(random, p->len);

	if (!v6)
		random.hi &= UINT64_MAX << 32;
	return (struct lookup_address){p->addr.hi | (random.hi & ~cut.hi),
				       p->addr.lo | (random.lo & ~cut.lo)};
}

/* Zipf's law with s = 1: rank k comes about 1/k as often as the first. Sets are in random order,
 * so the place is the rank. */
static unsigned int zipf(struct lookup_random *r, unsigned int n)
{
	double u = (double)(lookup_random(r) >> 11) / 9007199254740992.0;
	unsigned int rank = (unsigned int)exp(u * log((double)n + 1)) - 1;

	return rank < n ? rank : n - 1;
}

/* Every second one anywhere; the others one bit off what a prefix holds, which costs more. */
static struct lookup_address miss(const struct lookup_set *set, const struct binary_trie *trie,
				  struct lookup_random *r)
{
	struct lookup_address a;
	unsigned int bit;

	for (unsigned int k = lookup_below(r, 2);; k++) {
		a = lookup_unicast(r, set->v6);
		if (k % 2) {
			a = within(&set->prefixes[lookup_below(r, set->n)], r, set->v6);
			bit = lookup_below(r, set->v6 ? 128 : 32);
			a.hi ^= bit < 64 ? UINT64_C(1) << (63 - bit) : 0;
			a.lo ^= bit < 64 ? 0 : UINT64_C(1) << (127 - bit);
		}
		if (binary_find(trie, a) == 0)
			return a;
	}
}

static void store(uint8_t out[16], struct lookup_address a)
{
	uint64_t parts[2] = {__builtin_bswap64(a.hi), __builtin_bswap64(a.lo)};

	memcpy(out, parts, sizeof(parts));
}

void lookup_keys_make(struct lookup_keys *keys, const struct lookup_set *set,
		      const struct binary_trie *trie, enum lookup_load load, unsigned int n)
{
	struct lookup_random r = {SEED + load};

	*keys = (struct lookup_keys){.n = n};
	keys->wide = lookup_need(malloc(n * sizeof(keys->wide[0])));
	keys->hi = lookup_need(malloc(n * sizeof(keys->hi[0])));
	keys->lo = lookup_need(malloc(n * sizeof(keys->lo[0])));
	keys->bytes = lookup_need(malloc(n * sizeof(keys->bytes[0])));
	keys->v4 = set->v6 ? NULL : lookup_need(malloc(n * sizeof(keys->v4[0])));
	for (unsigned int i = 0; i < n; i++) {
		struct lookup_address *a = &keys->wide[i];

		if (load == LOOKUP_MISSES)
			*a = miss(set, trie, &r);
		else
			*a = within(&set->prefixes[load == LOOKUP_ZIPF ? zipf(&r, set->n)
								       : lookup_below(&r, set->n)],
				    &r, set->v6);
		keys->hi[i] = a->hi;
		keys->lo[i] = a->lo;
		store(keys->bytes[i], *a);
		if (keys->v4)
			keys->v4[i] = (uint32_t)(a->hi >> 32);
	}
}

void lookup_keys_free(struct lookup_keys *keys)
{
	free(keys->wide);
	free(keys->hi);
	free(keys->lo);
	free(keys->bytes);
	free(keys->v4);
	*keys = (struct lookup_keys){0};
}
