/* Both families' tries with their oracles, for tests that write prefixes as text and name the
 * values with letters. What is asked is asked of both, in all ways of looking up. */
#ifndef TESTS_UNIT_DATAPLANE_LC_TRIE_NAMED_H
#define TESTS_UNIT_DATAPLANE_LC_TRIE_NAMED_H

#include "tests/unit/dataplane/lc_trie/later.h"
#include "tests/unit/dataplane/lc_trie/must.h"
#include "tests/unit/dataplane/lc_trie/oracle.h"

#define NAMED_OWNERS 26
#define NAMED_NONE   '-'

struct named {
	struct dp_trie *t4, *t6;
	struct oracle *o4, *o6;
	size_t empty4_bytes, empty6_bytes;
	struct later queue;
	struct owner owners[NAMED_OWNERS];
};

/* For at most max prefixes of each family. */
void named_open(struct named *n, size_t max);
/* Removes what is left, in the order of the oracle's array. */
void named_close(struct named *n);
/* Walks, lists and structure. */
void named_check(const struct named *n);

/* "address" or "address/length": the prefix, without a value. */
struct dp_trie_prefix named_prefix(const char *text);
struct dp_trie *named_trie(const struct named *n, const char *text);
struct oracle *named_oracle(const struct named *n, const char *text);
/* a to z; NULL for NAMED_NONE. */
struct owner *named_owner(const struct named *n, char owner);

void named_set(struct named *n, const char *text, char owner);
/* NAMED_NONE: whosever it is. What it returns is whose it was, or NAMED_NONE. */
char named_clear(struct named *n, const char *text, char owner);
void named_clear_owner(struct named *n, char owner);
void named_expect(const struct named *n, const char *address, char owner);

#endif
