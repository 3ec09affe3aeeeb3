/*
 * A path-compressed binary trie: prefixes of up to 128 bits to pointers. One writer (control), any
 * number of readers (workers) without locks; what readers may still see goes to reclaim. Each
 * change is one store that readers see whole; how lookups stay right over several changes is told
 * in trie.c. What the prefixes mean is in allowed.c and route.c.
 */
#ifndef DATAPLANE_TRIE_H
#define DATAPLANE_TRIE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/peer.h"

#define DP_TRIE_BITS_MAX 128

struct dp_reclaim;

/* Most significant bit first; IPv4 addresses are the upper 32 bits. */
struct dp_trie_key {
	uint64_t hi, lo;
};

struct dp_trie_node {
	_Atomic(struct dp_trie_node *) child[2]; /* by the bit after the prefix */
	_Atomic(void *) value;			 /* NULL: only joins its two children */
	struct dp_trie_key key;			 /* host bits zero */
	struct dp_prefix_link link;		 /* control: the prefixes of one owner */
	uint8_t len;
	uint8_t bits; /* of the trie that it is in */
};

/* bits: 32 or 128. Zeroed but for bits and reclaim: empty. */
struct dp_trie {
	_Atomic(struct dp_trie_node *) root;
	_Atomic uint64_t removals; /* prefixes that ceased to be; control writes */
	struct dp_reclaim *reclaim;
	size_t count; /* prefixes; control only */
	size_t nodes; /* control only */
	uint8_t bits;
};

struct dp_trie_key dp_trie_key(int family, const uint8_t *addr);
/* The reverse; addr has room for 16 bytes, what IPv4 does not need is zeroed. */
void dp_trie_addr(const struct dp_trie_node *node, uint8_t addr[16]);
/* AF_INET or AF_INET6. */
int dp_trie_family(const struct dp_trie_node *node);

/*
 * Control. Sets the prefix's value (not NULL), host bits are ignored. list: the prefixes of the
 * value's owner, which the prefix joins at the end (NULL: not listed); it leaves the list that it
 * was in before. *old is the value before, NULL for a new prefix. 0, -EINVAL (len over bits) or
 * -ENOMEM, which leaves the trie as it was.
 */
int dp_trie_set(struct dp_trie *t, struct dp_trie_key key, uint8_t len, void *value,
		struct dp_prefix_link *list, void **old);
/* Control. Exactly this prefix, if its value is this one (any, if NULL): its value, else NULL. */
void *dp_trie_clear(struct dp_trie *t, struct dp_trie_key key, uint8_t len, const void *value);
/* Control. All prefixes, shorter before longer ones in them; visit returns false: stop. */
void dp_trie_walk(const struct dp_trie *t,
		  bool (*visit)(void *ctx, const struct dp_trie_node *node, void *value),
		  void *ctx);
/* Control, when no reader is left. Frees the nodes at once; values are the caller's. */
void dp_trie_free_nodes(struct dp_trie *t);

/* Control. The node of a link in an owner's list. */
static inline struct dp_trie_node *dp_trie_of_link(struct dp_prefix_link *link)
{
	return (struct dp_trie_node *)((char *)link - offsetof(struct dp_trie_node, link));
}

/* Workers, control. The value of the longest prefix that holds the key; NULL: none. */
void *dp_trie_lookup(const struct dp_trie *t, struct dp_trie_key key);
/* The same for n keys, at most DP_BATCH_MAX; their cache misses overlap. */
void dp_trie_lookup_bulk(const struct dp_trie *t, const struct dp_trie_key *keys, void **values,
			 unsigned int n);

#endif
