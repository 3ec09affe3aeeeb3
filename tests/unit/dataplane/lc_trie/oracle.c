/* The naive side of the comparisons, and the comparisons. */
#include "tests/unit/dataplane/lc_trie/oracle.h"

#include <string.h>

/* ---- keys ---- */

struct dp_trie_key oracle_mask(struct dp_trie_key key, unsigned int len)
{
	unsigned int left = 128 - len;

	if (left >= 64) {
		key.lo = 0;
		key.hi = left == 128 ? 0 : key.hi >> (left - 64) << (left - 64);
	} else {
		key.lo = key.lo >> left << left;
	}
	return key;
}

static bool is_same(struct dp_trie_key a, struct dp_trie_key b)
{
	return a.hi == b.hi && a.lo == b.lo;
}

static uint32_t bucket_of(const struct oracle *o, struct dp_trie_key key, unsigned int len)
{
	uint64_t h = (key.hi ^ len) * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ h >> 29 ^ key.lo) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(h >> 32) & o->mask;
}

/* ---- entries ---- */

struct oracle *oracle_new(uint8_t bits, size_t max)
{
	struct oracle *o = calloc(1, sizeof(*o));
	uint32_t buckets = 1;

	while (buckets < max)
		buckets *= 2;
	MUST(o != NULL);
	o->bits = bits;
	o->max = max;
	o->mask = buckets - 1;
	o->entries = calloc(max, sizeof(o->entries[0]));
	o->buckets = calloc(buckets, sizeof(o->buckets[0]));
	MUST(o->entries != NULL && o->buckets != NULL);
	return o;
}

void oracle_free(struct oracle *o)
{
	free(o->entries);
	free(o->buckets);
	free(o);
}

/* Where the number (+ 1) of an entry is noted, or would be. The key is masked. */
static uint32_t *link_to(const struct oracle *o, struct dp_trie_key key, unsigned int len)
{
	uint32_t *link = &o->buckets[bucket_of(o, key, len)];

	while (*link != 0) {
		struct oracle_entry *e = &o->entries[*link - 1];

		if (e->is.len == len && is_same(e->is.key, key))
			break;
		link = &e->next;
	}
	return link;
}

static struct oracle_entry *entry_of(const struct oracle *o, struct dp_trie_key key,
				     unsigned int len)
{
	uint32_t number = *link_to(o, oracle_mask(key, len), len);

	return number == 0 ? NULL : &o->entries[number - 1];
}

void *oracle_exact(const struct oracle *o, struct dp_trie_key key, uint8_t len)
{
	const struct oracle_entry *e = entry_of(o, key, len);

	return e == NULL ? NULL : e->is.value;
}

void *oracle_set(struct oracle *o, struct dp_trie_key key, uint8_t len, void *value)
{
	struct oracle_entry *e = entry_of(o, key, len);
	void *old = e == NULL ? NULL : e->is.value;
	uint32_t *link;

	if (e == NULL) {
		MUST(o->n < o->max);
		key = oracle_mask(key, len);
		link = link_to(o, key, len);
		e = &o->entries[o->n];
		*e = (struct oracle_entry){.is = {.key = key, .len = len}};
		*link = (uint32_t)++o->n;
		o->of_len[len]++;
	}
	e->is.value = value;
	e->stamp = ++o->stamp;
	return old;
}

/* The last entry takes the place of the one that goes. */
static void take_out(struct oracle *o, struct oracle_entry *e)
{
	struct oracle_entry *last = &o->entries[o->n - 1];

	o->of_len[e->is.len]--;
	*link_to(o, e->is.key, e->is.len) = e->next;
	if (e != last) {
		*link_to(o, last->is.key, last->is.len) = (uint32_t)(e - o->entries) + 1;
		*e = *last;
	}
	o->n--;
}

void *oracle_clear(struct oracle *o, struct dp_trie_key key, uint8_t len, const void *value)
{
	struct oracle_entry *e = entry_of(o, key, len);
	void *had = e == NULL ? NULL : e->is.value;

	if (had == NULL || (value != NULL && had != value))
		return NULL;
	take_out(o, e);
	return had;
}

size_t oracle_clear_listed(struct oracle *o, const void *value, size_t max)
{
	size_t n = 0;

	for (; n < max; n++) {
		struct oracle_entry *first = NULL;

		for (size_t i = 0; i < o->n; i++) {
			if (o->entries[i].is.value == value &&
			    (first == NULL || o->entries[i].stamp < first->stamp))
				first = &o->entries[i];
		}
		if (first == NULL)
			break;
		take_out(o, first);
	}
	return n;
}

void *oracle_lookup(const struct oracle *o, struct dp_trie_key key)
{
	for (unsigned int len = o->bits + 1u; len-- > 0;) {
		const struct oracle_entry *e = o->of_len[len] == 0 ? NULL : entry_of(o, key, len);

		if (e != NULL)
			return e->is.value;
	}
	return NULL;
}

/* ---- comparisons ---- */

/* The arrays end where the keys do, so that a sanitizer sees what is read beyond. */
void oracle_expect(const struct oracle *o, const struct dp_trie *t, const struct dp_trie_key *keys,
		   unsigned int n)
{
	static uint64_t his[DP_TRIE_BULK_MAX], los[DP_TRIE_BULK_MAX];
	static void *scalar[DP_TRIE_BULK_MAX], *vector[DP_TRIE_BULK_MAX], *best[DP_TRIE_BULK_MAX];
	unsigned int first = DP_TRIE_BULK_MAX - n;
	uint64_t *hi = his + first, *lo = los + first;
	bool has_vector;

	for (unsigned int i = 0; i < n; i++) {
		hi[i] = keys[i].hi;
		lo[i] = keys[i].lo;
	}
	if (o->bits == 32)
		lo = NULL;
	memset(scalar, 0xff, sizeof(scalar));
	memset(vector, 0xff, sizeof(vector));
	memset(best, 0xff, sizeof(best));
	dp_trie_lookup_bulk_scalar(t, hi, lo, scalar + first, n);
	has_vector = dp_trie_avx512_usable();
	if (has_vector)
		dp_trie_lookup_bulk_avx512(t, hi, lo, vector + first, n);
	dp_trie_lookup_bulk(t, hi, lo, best + first, n);
	for (unsigned int i = 0; i < first; i++)
		MUST((intptr_t)scalar[i] == -1 && (intptr_t)vector[i] == -1 &&
		     (intptr_t)best[i] == -1);
	for (unsigned int i = 0; i < n; i++) {
		void *expected = oracle_lookup(o, keys[i]);

		MUST(dp_trie_lookup(t, keys[i]) == expected);
		MUST(scalar[first + i] == expected);
		MUST(best[first + i] == expected);
		MUST(!has_vector || vector[first + i] == expected);
	}
}

static int by_key(const void *a, const void *b)
{
	const struct oracle_entry *x = a, *y = b;

	if (x->is.key.hi != y->is.key.hi)
		return x->is.key.hi < y->is.key.hi ? -1 : 1;
	if (x->is.key.lo != y->is.key.lo)
		return x->is.key.lo < y->is.key.lo ? -1 : 1;
	return (int)x->is.len - (int)y->is.len;
}

static int by_list(const void *a, const void *b)
{
	const struct oracle_entry *x = a, *y = b;

	if (x->is.value != y->is.value)
		return (uintptr_t)x->is.value < (uintptr_t)y->is.value ? -1 : 1;
	return (x->stamp > y->stamp) - (x->stamp < y->stamp);
}

struct sorted {
	struct oracle_entry *entries;
	size_t n, at;
};

static struct sorted sort(const struct oracle *o, int (*compare)(const void *a, const void *b))
{
	struct sorted s = {calloc(o->n + 1, sizeof(s.entries[0])), o->n, 0};

	MUST(s.entries != NULL);
	memcpy(s.entries, o->entries, o->n * sizeof(s.entries[0]));
	qsort(s.entries, s.n, sizeof(s.entries[0]), compare);
	return s;
}

static bool is_next(void *ctx, const struct dp_trie_prefix *prefix)
{
	struct sorted *s = ctx;
	const struct dp_trie_prefix *expected = &s->entries[s->at].is;

	MUST(s->at++ < s->n);
	MUST(is_same(prefix->key, expected->key));
	MUST(prefix->len == expected->len);
	MUST(prefix->value == expected->value);
	return true;
}

void oracle_compare(const struct oracle *o, const struct dp_trie *t)
{
	struct sorted s = sort(o, by_key);

	MUST(dp_trie_count(t) == o->n);
	dp_trie_walk(t, is_next, &s);
	MUST(s.at == s.n);
	free(s.entries);
}

/* The owners stand in an array, so that their lists follow each other. */
void oracle_compare_lists(const struct oracle *o, const struct dp_trie *t,
			  const struct owner *owners, unsigned int n)
{
	struct sorted s = sort(o, by_list);

	for (unsigned int i = 0; i < n; i++) {
		size_t end = s.at;

		while (end < s.n && s.entries[end].is.value == &owners[i])
			end++;
		MUST(dp_trie_walk_listed(t, &owners[i], is_next, &s));
		MUST(s.at == end);
	}
	MUST(s.at == s.n);
	free(s.entries);
}
