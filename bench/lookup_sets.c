/*
 * wgdp-bench lookup: prefix sets of host routes, scattered and from dense pools; always the same
 * ones. The BGP-shaped set is made in lookup_bgp.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/lookup.h"

#define SEED	  4
#define POOLS	  4
#define V4_POOL_N (UINT32_C(1) << 18)

void *lookup_need(void *p)
{
	if (!p) {
		bench_progress_end();
		fputs("wgdp-bench: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return p;
}

struct lookup_address lookup_unicast(struct lookup_random *r, bool v6)
{
	struct lookup_address a = {lookup_random(r), lookup_random(r)};
	uint8_t first;

	if (v6) { /* 2000::/3 */
		a.hi = a.hi >> 3 | UINT64_C(1) << 61;
		return a;
	}
	do {
		first = (uint8_t)(1 + lookup_below(r, 223));
	} while (first == 127);
	return (struct lookup_address){(uint64_t)first << 56 | (a.hi >> 40) << 32, 0};
}

static int compare(const void *a, const void *b)
{
	const struct lookup_prefix *x = a, *y = b;

	if (x->addr.hi != y->addr.hi)
		return x->addr.hi < y->addr.hi ? -1 : 1;
	if (x->addr.lo != y->addr.lo)
		return x->addr.lo < y->addr.lo ? -1 : 1;
	return x->len - y->len;
}

/* Sorts; returns how many are left. */
static unsigned int unique(struct lookup_prefix *p, unsigned int n)
{
	unsigned int kept = 1;

	qsort(p, n, sizeof(p[0]), compare);
	for (unsigned int i = 1; i < n; i++) {
		if (compare(&p[i], &p[kept - 1]) != 0)
			p[kept++] = p[i];
	}
	return kept;
}

/* Anywhere: of a million IPv4 ones, few share a /24 with another. */
static void scatter(struct lookup_set *set, struct lookup_random *r)
{
	for (unsigned int n = 0; n < set->n; n = unique(set->prefixes, set->n)) {
		for (unsigned int i = n; i < set->n; i++)
			set->prefixes[i] = (struct lookup_prefix){lookup_unicast(r, set->v6),
								  set->v6 ? 128 : 32};
	}
}

/* Consecutive addresses of a few pools, as a gateway hands them out. */
static void pool(struct lookup_set *set, struct lookup_random *r)
{
	static const uint8_t v4[POOLS][2] = {{10, 0}, {10, 64}, {100, 64}, {172, 16}};
	uint64_t v6 = UINT64_C(0xfd) << 56 | (lookup_random(r) >> 24 << 16);
	unsigned int each = (set->n + POOLS - 1) / POOLS;

	for (unsigned int i = 0; i < set->n; i++) {
		unsigned int k = i / each, at = i % each;
		uint32_t base = (uint32_t)v4[k][0] << 24 | (uint32_t)v4[k][1] << 16;
		struct lookup_prefix *p = &set->prefixes[i];

		if (set->v6)
			*p = (struct lookup_prefix){{v6 + k, 1 + at}, 128};
		else
			*p = (struct lookup_prefix){{(uint64_t)(base + at % V4_POOL_N) << 32, 0},
						    32};
	}
}

static void shuffle(struct lookup_set *set, struct lookup_random *r)
{
	for (unsigned int i = set->n - 1; i > 0; i--) {
		unsigned int j = lookup_below(r, i + 1);
		struct lookup_prefix p = set->prefixes[i];

		set->prefixes[i] = set->prefixes[j];
		set->prefixes[j] = p;
	}
}

void lookup_set_make(struct lookup_set *set, bool v6, enum lookup_kind kind, unsigned int n)
{
	struct lookup_random r = {SEED + v6};

	set->v6 = v6;
	set->n = kind == LOOKUP_BGP ? lookup_bgp_n(v6) : n;
	set->prefixes = lookup_need(calloc(set->n, sizeof(set->prefixes[0])));
	switch (kind) {
	case LOOKUP_HOSTS:
		scatter(set, &r);
		break;
	case LOOKUP_DENSE:
		pool(set, &r);
		break;
	case LOOKUP_BGP:
		lookup_bgp_make(set->prefixes, v6, &r);
		break;
	}
	shuffle(set, &r);
}

void lookup_set_free(struct lookup_set *set)
{
	free(set->prefixes);
	set->prefixes = NULL;
}
