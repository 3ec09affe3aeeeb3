/*
 * The naive side of the comparisons: prefixes in a plain array, found by their key and length in a
 * hash table; the longest match is the first one found from the longest length down.
 */
#ifndef TESTS_UNIT_DATAPLANE_LC_TRIE_ORACLE_H
#define TESTS_UNIT_DATAPLANE_LC_TRIE_ORACLE_H

#include "dataplane/lc_trie.h"
#include "tests/unit/dataplane/lc_trie/must.h"

struct oracle_entry {
	struct dp_trie_prefix is;
	uint64_t stamp; /* when it joined its value's list */
	uint32_t next;	/* of the bucket; number + 1 */
};

struct oracle {
	uint8_t bits;
	uint64_t stamp;
	size_t n, max;
	size_t of_len[DP_TRIE_BITS_MAX + 1];
	struct oracle_entry *entries;
	uint32_t *buckets;
	uint32_t mask;
};

struct oracle *oracle_new(uint8_t bits, size_t max);
void oracle_free(struct oracle *o);

/* As the trie's functions; there must be room. */
void *oracle_set(struct oracle *o, struct dp_trie_key key, uint8_t len, void *value);
void *oracle_clear(struct oracle *o, struct dp_trie_key key, uint8_t len, const void *value);
size_t oracle_clear_listed(struct oracle *o, const void *value, size_t max);
void *oracle_lookup(const struct oracle *o, struct dp_trie_key key);
/* The value of exactly this prefix, or NULL. */
void *oracle_exact(const struct oracle *o, struct dp_trie_key key, uint8_t len);
struct dp_trie_key oracle_mask(struct dp_trie_key key, unsigned int len);

/* The same keys through all the trie's ways of looking up give the oracle's answers. */
void oracle_expect(const struct oracle *o, const struct dp_trie *t, const struct dp_trie_key *keys,
		   unsigned int n);
/* The trie's walk shows the oracle's prefixes, in order. */
void oracle_compare(const struct oracle *o, const struct dp_trie *t);
/* And each owner's list, in the order in which they joined it. */
void oracle_compare_lists(const struct oracle *o, const struct dp_trie *t,
			  const struct owner *owners, unsigned int n);

#endif
