/*
 * wgdp-bench lookup: rte_hash with host routes as keys, to judge what a table for exact matches in
 * front of the trie would be worth. DPDK's tables for prefixes are in lookup_rte.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>

#include "bench/lookup.h"

#define ENTRY_BYTES 160 /* at most */
#define OTHER_BYTES (UINT64_C(16) << 20)

struct table {
	struct rte_hash *hash;
	size_t bytes;
};

static void free_table(void *state)
{
	struct table *t = state;

	rte_hash_free(t->hash);
	free(t);
}

static size_t bytes(const void *state)
{
	return ((const struct table *)state)->bytes;
}

static int add(struct table *t, const struct lookup_prefix *p, bool v6, uint32_t value)
{
	uint32_t v4 = (uint32_t)(p->addr.hi >> 32);
	uint64_t parts[2] = {__builtin_bswap64(p->addr.hi), __builtin_bswap64(p->addr.lo)};
	uint8_t key[16];

	memcpy(key, parts, sizeof(parts));
	return rte_hash_add_key_data(t->hash, v6 ? (const void *)key : &v4,
				     (void *)(uintptr_t)value);
}

static void build(struct lookup_built *b, const struct lookup_set *set)
{
	struct rte_hash_parameters parameters = {
		.name = "bench_hash",
		.entries = set->n < 64 ? 64 : set->n,
		.key_len = set->v6 ? 16 : 4,
		.hash_func = rte_hash_crc,
		.socket_id = lookup_heap_socket(),
		.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	size_t before = lookup_heap_used();
	struct table *t = lookup_need(calloc(1, sizeof(*t)));
	double begin;
	int rc = 0;

	if (lookup_heap_reserve(set->n * ENTRY_BYTES + OTHER_BYTES))
		t->hash = rte_hash_create(&parameters);
	begin = bench_seconds();
	for (unsigned int i = 0; t->hash && rc == 0 && i < set->n; i++)
		rc = add(t, &set->prefixes[i], set->v6, lookup_value(i));
	b->insert_seconds = bench_seconds() - begin;
	t->bytes = lookup_heap_used() - before;
	if (t->hash && rc == 0) {
		b->state = t;
		return;
	}
	snprintf(b->why, sizeof(b->why), "cannot be made: %s",
		 t->hash ? strerror(-rc) : rte_strerror(rte_errno));
	free_table(t);
}

static void lookup(void *state, const struct lookup_keys *keys, unsigned int first,
		   uint32_t *values)
{
	const struct table *t = state;
	const void *at[LOOKUP_BULK];
	void *found[LOOKUP_BULK];
	uint64_t hits;

	for (unsigned int i = 0; i < LOOKUP_BULK; i++)
		at[i] = keys->v4 ? (const void *)(keys->v4 + first + i) : keys->bytes[first + i];
	rte_hash_lookup_bulk_data(t->hash, at, LOOKUP_BULK, &hits, found);
	__asm__ volatile("" : : "r"(found) : "memory");
	for (unsigned int i = 0; values && i < LOOKUP_BULK; i++)
		values[i] = hits >> i & 1 ? (uint32_t)(uintptr_t)found[i] : 0;
}

const struct lookup_structure lookup_hash = {
	.name = {"rte_hash", "rte_hash"},
	.hosts_only = true,
	.in_heap = true,
	.build = build,
	.lookup = lookup,
	.bytes = bytes,
	.free = free_table,
};
