/* Whether a whole trie is as lc_trie_node.h says. Ends the program if not. */
#ifndef TESTS_UNIT_DATAPLANE_LC_TRIE_CHECK_H
#define TESTS_UNIT_DATAPLANE_LC_TRIE_CHECK_H

#include "dataplane/lc_trie.h"

/*
 * Looks at every node, slot, record and list. What is reachable is as much as the trie says it
 * uses, and no block lies over another.
 */
void check_trie(const struct dp_trie *t);

/* A trie without a prefix: not a byte is used. empty_bytes: what a new one uses. */
void check_empty(const struct dp_trie *t, size_t empty_bytes);

/* When nothing waits for readers: each page of the empty trie's memory is free for any class. */
void check_all_free(const struct dp_trie *t);

/* Whether readers that begin now may come to a block, as dp_arena_retire() names it; also in the
 * middle of a change. */
bool check_reachable(const struct dp_trie *t, uint32_t ref);

#endif
