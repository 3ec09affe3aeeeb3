/* Both families' tries with their oracles, by text and letters. */
#include "tests/unit/dataplane/lc_trie/named.h"

#include <arpa/inet.h>
#include <string.h>

#include "tests/unit/dataplane/lc_trie/check.h"

/* ---- text ---- */

static bool is_v6(const char *text)
{
	return strchr(text, ':') != NULL;
}

struct dp_trie_prefix named_prefix(const char *text)
{
	int family = is_v6(text) ? AF_INET6 : AF_INET;
	unsigned int len = is_v6(text) ? 128 : 32;
	struct dp_trie_prefix p = {.value = NULL};
	uint8_t addr[16];
	char host[64];

	MUST(sscanf(text, "%63[0-9a-f.:]/%u", host, &len) >= 1);
	MUST(inet_pton(family, host, addr) == 1);
	p.key = dp_trie_key(family, addr);
	p.len = (uint8_t)len;
	return p;
}

struct dp_trie *named_trie(const struct named *n, const char *text)
{
	return is_v6(text) ? n->t6 : n->t4;
}

struct oracle *named_oracle(const struct named *n, const char *text)
{
	return is_v6(text) ? n->o6 : n->o4;
}

struct owner *named_owner(const struct named *n, char owner)
{
	return owner == NAMED_NONE ? NULL : (struct owner *)(uintptr_t)&n->owners[owner - 'a'];
}

static char name_of(const struct named *n, const void *value)
{
	return value == NULL ? NAMED_NONE : (char)('a' + ((const struct owner *)value - n->owners));
}

/* ---- the whole ---- */

void named_open(struct named *n, size_t max)
{
	struct dp_later later = later_of(&n->queue);

	memset(n, 0, sizeof(*n));
	n->t4 = dp_trie_new(32, offsetof(struct owner, list), &later);
	n->t6 = dp_trie_new(128, offsetof(struct owner, list6), &later);
	MUST(n->t4 != NULL && n->t6 != NULL);
	n->empty4_bytes = dp_trie_used_bytes(n->t4);
	n->empty6_bytes = dp_trie_used_bytes(n->t6);
	n->o4 = oracle_new(32, max);
	n->o6 = oracle_new(128, max);
}

static void clear_all(struct dp_trie *t, struct oracle *o)
{
	while (o->n > 0) {
		struct dp_trie_prefix p = o->entries[o->n - 1].is;

		MUST(dp_trie_clear(t, p.key, p.len, p.value) == p.value);
		MUST(oracle_clear(o, p.key, p.len, p.value) == p.value);
	}
}

void named_close(struct named *n)
{
	named_check(n);
	clear_all(n->t4, n->o4);
	clear_all(n->t6, n->o6);
	check_empty(n->t4, n->empty4_bytes);
	check_empty(n->t6, n->empty6_bytes);
	later_drain(&n->queue);
	dp_trie_free(n->t4);
	dp_trie_free(n->t6);
	oracle_free(n->o4);
	oracle_free(n->o6);
}

void named_check(const struct named *n)
{
	check_trie(n->t4);
	check_trie(n->t6);
	oracle_compare(n->o4, n->t4);
	oracle_compare(n->o6, n->t6);
	oracle_compare_lists(n->o4, n->t4, n->owners, NAMED_OWNERS);
	oracle_compare_lists(n->o6, n->t6, n->owners, NAMED_OWNERS);
}

/* ---- changes and looks ---- */

void named_set(struct named *n, const char *text, char owner)
{
	struct dp_trie_prefix p = named_prefix(text);
	void *old = n, *value = named_owner(n, owner);

	MUST(dp_trie_set(named_trie(n, text), p.key, p.len, value, &old) == 0);
	MUST(old == oracle_set(named_oracle(n, text), p.key, p.len, value));
}

char named_clear(struct named *n, const char *text, char owner)
{
	struct dp_trie_prefix p = named_prefix(text);
	const void *value = named_owner(n, owner);
	void *had = dp_trie_clear(named_trie(n, text), p.key, p.len, value);

	MUST(had == oracle_clear(named_oracle(n, text), p.key, p.len, value));
	return name_of(n, had);
}

void named_clear_owner(struct named *n, char owner)
{
	const struct owner *value = named_owner(n, owner);

	MUST(dp_trie_clear_listed(n->t4, value, SIZE_MAX) ==
	     oracle_clear_listed(n->o4, value, SIZE_MAX));
	MUST(dp_trie_clear_listed(n->t6, value, SIZE_MAX) ==
	     oracle_clear_listed(n->o6, value, SIZE_MAX));
	MUST(value->list == 0 && value->list6 == 0);
}

void named_expect(const struct named *n, const char *address, char owner)
{
	struct dp_trie_key key = named_prefix(address).key;
	char found = name_of(n, dp_trie_lookup(named_trie(n, address), key));

	if (found != owner)
		fprintf(stderr, "%s: %c, expected %c\n", address, found, owner);
	MUST(found == owner);
	oracle_expect(named_oracle(n, address), named_trie(n, address), &key, 1);
}
