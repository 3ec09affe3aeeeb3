/*
 * wgdp-bench lookup: DPDK's tables for routes, rte_lpm, rte_lpm6, rte_fib and rte_fib6, each with
 * as many tbl8 groups as the set takes, and the fastest lookup that DPDK has for this CPU. A set
 * that one cannot hold, or not be filled with in time, is left out with the reason. rte_hash is in
 * lookup_rte_hash.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_lpm.h>
#include <rte_lpm6.h>

#include "bench/lookup.h"

#define TBL24_ENTRIES	(UINT64_C(1) << 24)
#define GROUP_BYTES	1024 /* 256 entries of 4 bytes, in all four */
#define RULE_BYTES	320  /* at most, of what is kept per prefix beside the table */
#define OTHER_BYTES	(UINT64_C(16) << 20)
#define LPM6_GROUPS_MAX (1u << 21)
#define CHECK_EACH	256 /* inserts, before the clock is read */

struct table {
	union {
		struct rte_lpm *lpm;
		struct rte_lpm6 *lpm6;
		struct rte_fib *fib;
		struct rte_fib6 *fib6;
		void *any;
	};
	size_t bytes, table_bytes;
	void (*free)(struct table *t);
};

/* ---- how many tbl8 groups a set takes ---- */

static int compare(const void *a, const void *b)
{
	const struct lookup_prefix *x = a, *y = b;

	if (x->addr.hi != y->addr.hi)
		return x->addr.hi < y->addr.hi ? -1 : 1;
	return x->addr.lo < y->addr.lo ? -1 : x->addr.lo > y->addr.lo;
}

/* One group for each of the different first `bits` bits of longer prefixes. */
static uint64_t groups_at(const struct lookup_prefix *sorted, unsigned int n, unsigned int bits)
{
	struct lookup_address last = {0};
	uint64_t groups = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct lookup_address a = lookup_masked(sorted[i].addr, bits);

		if (sorted[i].len <= bits)
			continue;
		groups += groups == 0 || a.hi != last.hi || a.lo != last.lo;
		last = a;
	}
	return groups;
}

static uint64_t groups_of(const struct lookup_set *set)
{
	size_t bytes = set->n * sizeof(set->prefixes[0]);
	struct lookup_prefix *sorted = lookup_need(malloc(bytes));
	uint64_t groups = 0;

	memcpy(sorted, set->prefixes, bytes);
	qsort(sorted, set->n, sizeof(sorted[0]), compare);
	for (unsigned int bits = 24; bits < (set->v6 ? 128 : 32); bits += 8)
		groups += groups_at(sorted, set->n, bits);
	free(sorted);
	return groups + 1;
}

/* rte_fib6 counts a way of groups of its own for each prefix, shared or not (trie_modify() of
 * DPDK's lib/fib/trie.c); a shorter prefix around it may save some of them. */
static uint64_t groups_reserved(const struct lookup_set *set)
{
	uint64_t groups = 1;

	for (unsigned int i = 0; i < set->n; i++)
		groups += set->prefixes[i].len > 24 ? (set->prefixes[i].len + 7u) / 8 - 3 : 0;
	return groups;
}

static bool has_room(struct lookup_built *b, const struct lookup_set *set, uint64_t groups,
		     uint64_t groups_max)
{
	uint64_t bytes = groups * GROUP_BYTES + TBL24_ENTRIES * 4;

	if (groups > groups_max)
		snprintf(b->why, sizeof(b->why), "needs %.1f million tbl8 groups, can have %.1f",
			 (double)groups / 1e6, (double)groups_max / 1e6);
	else if (!lookup_heap_reserve(bytes + set->n * RULE_BYTES + OTHER_BYTES))
		snprintf(b->why, sizeof(b->why), "needs %.1f million tbl8 groups: %.1f GB",
			 (double)groups / 1e6, (double)bytes / 1e9);
	return b->why[0] == '\0';
}

/* ---- the same for all four ---- */

static void free_table(void *state)
{
	struct table *t = state;

	if (t)
		t->free(t);
	free(t);
}

static size_t bytes(const void *state)
{
	return ((const struct table *)state)->bytes;
}

static size_t table_bytes(const void *state)
{
	return ((const struct table *)state)->table_bytes;
}

static void address(uint8_t out[16], struct lookup_address a)
{
	uint64_t parts[2] = {__builtin_bswap64(a.hi), __builtin_bswap64(a.lo)};

	memcpy(out, parts, sizeof(parts));
}

static void fill(struct lookup_built *b, const struct lookup_set *set, struct table *t,
		 int (*add)(struct table *t, const struct lookup_prefix *p, uint32_t value))
{
	size_t before = lookup_heap_used();
	double begin = bench_seconds();

	for (unsigned int i = 0; i < set->n && b->why[0] == '\0'; i++) {
		int rc = add(t, &set->prefixes[i], lookup_value(i));

		if (rc != 0)
			snprintf(b->why, sizeof(b->why), "%s after %u of %u prefixes",
				 strerror(-rc), i, set->n);
		else if (i % CHECK_EACH == 0 && bench_seconds() - begin > b->seconds_max)
			snprintf(b->why, sizeof(b->why), "%u of %u prefixes after %.0f s: gave up",
				 i, set->n, b->seconds_max);
	}
	b->insert_seconds = bench_seconds() - begin;
	t->bytes += lookup_heap_used() - before;
	if (b->why[0] == '\0')
		b->state = t;
	else
		free_table(t);
}

/* Takes t: filled, or freed with why. before: of the heap. */
static void finish(struct lookup_built *b, const struct lookup_set *set, struct table *t,
		   size_t before, uint64_t groups,
		   int (*add)(struct table *t, const struct lookup_prefix *p, uint32_t value))
{
	if (!t->any) {
		snprintf(b->why, sizeof(b->why), "cannot be made with %llu tbl8 groups: %s",
			 (unsigned long long)groups, rte_strerror(rte_errno));
		free(t);
		return;
	}
	t->bytes = lookup_heap_used() - before;
	t->table_bytes = (TBL24_ENTRIES * 4) + groups * GROUP_BYTES;
	fill(b, set, t, add);
}

/* ---- rte_lpm ---- */

static void lpm_free(struct table *t)
{
	rte_lpm_free(t->lpm);
}

static int lpm_add(struct table *t, const struct lookup_prefix *p, uint32_t value)
{
	return rte_lpm_add(t->lpm, (uint32_t)(p->addr.hi >> 32), p->len, value);
}

static void lpm_build(struct lookup_built *b, const struct lookup_set *set)
{
	uint64_t groups = groups_of(set);
	struct rte_lpm_config config = {.max_rules = set->n, .number_tbl8s = (uint32_t)groups};
	size_t before = lookup_heap_used();
	struct table *t;

	if (!has_room(b, set, groups, RTE_LPM_MAX_TBL8_NUM_GROUPS))
		return;
	t = lookup_need(calloc(1, sizeof(*t)));
	t->free = lpm_free;
	t->lpm = rte_lpm_create("bench_lpm", lookup_heap_socket(), &config);
	finish(b, set, t, before, groups, lpm_add);
}

static void lpm_lookup(void *state, const struct lookup_keys *keys, unsigned int first,
		       uint32_t *values)
{
	const struct table *t = state;
	uint32_t hops[LOOKUP_BULK];

	rte_lpm_lookup_bulk(t->lpm, keys->v4 + first, hops, LOOKUP_BULK);
	__asm__ volatile("" : : "r"(hops) : "memory");
	for (unsigned int i = 0; values && i < LOOKUP_BULK; i++)
		values[i] = hops[i] & RTE_LPM_LOOKUP_SUCCESS ? hops[i] & 0xffffff : 0;
}

/* ---- rte_lpm6 ---- */

static void lpm6_free(struct table *t)
{
	rte_lpm6_free(t->lpm6);
}

static int lpm6_add(struct table *t, const struct lookup_prefix *p, uint32_t value)
{
	uint8_t addr[16];

	address(addr, p->addr);
	return rte_lpm6_add(t->lpm6, addr, p->len, value);
}

static void lpm6_build(struct lookup_built *b, const struct lookup_set *set)
{
	uint64_t groups = groups_of(set);
	struct rte_lpm6_config config = {.max_rules = set->n, .number_tbl8s = (uint32_t)groups};
	size_t before = lookup_heap_used();
	struct table *t;

	if (!has_room(b, set, groups, LPM6_GROUPS_MAX))
		return;
	t = lookup_need(calloc(1, sizeof(*t)));
	t->free = lpm6_free;
	t->lpm6 = rte_lpm6_create("bench_lpm6", lookup_heap_socket(), &config);
	finish(b, set, t, before, groups, lpm6_add);
}

static void lpm6_lookup(void *state, const struct lookup_keys *keys, unsigned int first,
			uint32_t *values)
{
	const struct table *t = state;
	int32_t hops[LOOKUP_BULK];

	rte_lpm6_lookup_bulk_func(t->lpm6, keys->bytes + first, hops, LOOKUP_BULK);
	__asm__ volatile("" : : "r"(hops) : "memory");
	for (unsigned int i = 0; values && i < LOOKUP_BULK; i++)
		values[i] = hops[i] > 0 ? (uint32_t)hops[i] : 0;
}

/* ---- rte_fib ---- */

static void fib_free(struct table *t)
{
	rte_fib_free(t->fib);
}

static int fib_add(struct table *t, const struct lookup_prefix *p, uint32_t value)
{
	return rte_fib_add(t->fib, (uint32_t)(p->addr.hi >> 32), p->len, value);
}

static void fib_build(struct lookup_built *b, const struct lookup_set *set)
{
	uint64_t groups = groups_of(set);
	struct rte_fib_conf config = {
		.type = RTE_FIB_DIR24_8,
		.max_routes = (int)set->n,
		.dir24_8 = {.nh_sz = RTE_FIB_DIR24_8_4B, .num_tbl8 = (uint32_t)groups}};
	size_t before = lookup_heap_used();
	struct table *t;

	if (!has_room(b, set, groups, INT32_MAX))
		return;
	t = lookup_need(calloc(1, sizeof(*t)));
	t->free = fib_free;
	t->fib = rte_fib_create("bench_fib", lookup_heap_socket(), &config);
	if (t->fib)
		rte_fib_select_lookup(t->fib, RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512);
	finish(b, set, t, before, groups, fib_add);
}

static void fib_lookup(void *state, const struct lookup_keys *keys, unsigned int first,
		       uint32_t *values)
{
	const struct table *t = state;
	uint64_t hops[LOOKUP_BULK];

	rte_fib_lookup_bulk(t->fib, keys->v4 + first, hops, LOOKUP_BULK);
	__asm__ volatile("" : : "r"(hops) : "memory");
	for (unsigned int i = 0; values && i < LOOKUP_BULK; i++)
		values[i] = (uint32_t)hops[i];
}

/* ---- rte_fib6 ---- */

static void fib6_free(struct table *t)
{
	rte_fib6_free(t->fib6);
}

static int fib6_add(struct table *t, const struct lookup_prefix *p, uint32_t value)
{
	uint8_t addr[16];

	address(addr, p->addr);
	return rte_fib6_add(t->fib6, addr, p->len, value);
}

static void fib6_build(struct lookup_built *b, const struct lookup_set *set)
{
	uint64_t groups = groups_reserved(set);
	struct rte_fib6_conf config = {
		.type = RTE_FIB6_TRIE,
		.max_routes = (int)set->n,
		.trie = {.nh_sz = RTE_FIB6_TRIE_4B, .num_tbl8 = (uint32_t)groups}};
	size_t before = lookup_heap_used();
	struct table *t;

	if (!has_room(b, set, groups, INT32_MAX))
		return;
	t = lookup_need(calloc(1, sizeof(*t)));
	t->free = fib6_free;
	t->fib6 = rte_fib6_create("bench_fib6", lookup_heap_socket(), &config);
	if (t->fib6)
		rte_fib6_select_lookup(t->fib6, RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512);
	finish(b, set, t, before, groups, fib6_add);
}

static void fib6_lookup(void *state, const struct lookup_keys *keys, unsigned int first,
			uint32_t *values)
{
	const struct table *t = state;
	uint64_t hops[LOOKUP_BULK];

	rte_fib6_lookup_bulk(t->fib6, keys->bytes + first, hops, LOOKUP_BULK);
	__asm__ volatile("" : : "r"(hops) : "memory");
	for (unsigned int i = 0; values && i < LOOKUP_BULK; i++)
		values[i] = (uint32_t)hops[i];
}

#define TABLE(variable, v4_name, v6_name, prefix)                                                  \
	const struct lookup_structure variable = {                                                 \
		.name = {v4_name, v6_name},                                                        \
		.in_heap = true,                                                                   \
		.build = prefix##_build,                                                           \
		.lookup = prefix##_lookup,                                                         \
		.bytes = bytes,                                                                    \
		.table_bytes = table_bytes,                                                        \
		.free = free_table,                                                                \
	}

TABLE(lookup_lpm, "rte_lpm", NULL, lpm);
TABLE(lookup_lpm6, NULL, "rte_lpm6", lpm6);
TABLE(lookup_fib, "rte_fib", NULL, fib);
TABLE(lookup_fib6, NULL, "rte_fib6", fib6);
