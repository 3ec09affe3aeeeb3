/*
 * What each function of the trie promises in lc_trie.h, at its edges: lengths, /0, first and last
 * keys, tries of nothing or of one prefix, building, walks and their order, removal in parts.
 */
#include <errno.h>
#include <sys/socket.h>

#include "tests/unit/dataplane/lc_trie/check.h"
#include "tests/unit/dataplane/lc_trie/named.h"
#include "tests/unit/unit.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct named n;

static int open_named(void **state)
{
	(void)state;
	named_open(&n, 1024);
	return 0;
}

static int close_named(void **state)
{
	(void)state;
	named_close(&n);
	return 0;
}

/* ---- looking up ---- */

static const char *const ends[] = {"0.0.0.0",
				   "255.255.255.255",
				   "127.255.255.255",
				   "128.0.0.0",
				   "::",
				   "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
				   "0:0:0:0:ffff:ffff:ffff:ffff",
				   "0:0:0:1::"};

static void expect_ends(char owner)
{
	for (size_t i = 0; i < COUNT(ends); i++)
		named_expect(&n, ends[i], owner);
}

static void nothing_there(void **state)
{
	(void)state;
	expect_ends(NAMED_NONE);
	assert_int_equal(named_clear(&n, "0.0.0.0/0", NAMED_NONE), NAMED_NONE);
	assert_int_equal(named_clear(&n, "10.0.0.0/8", NAMED_NONE), NAMED_NONE);
	assert_int_equal(named_clear(&n, "::1/128", NAMED_NONE), NAMED_NONE);
	named_clear_owner(&n, 'a');
}

static void only_any(void **state)
{
	(void)state;
	named_set(&n, "255.255.255.255/0", 'a');
	named_set(&n, "::/0", 'a');
	expect_ends('a');
	named_set(&n, "0.0.0.0/0", 'b');
	named_set(&n, "ffff::/0", 'b');
	expect_ends('b');
	named_check(&n);
	assert_int_equal(named_clear(&n, "0.0.0.0/0", 'a'), NAMED_NONE);
	assert_int_equal(named_clear(&n, "1.2.3.4/0", 'b'), 'b');
	assert_int_equal(named_clear(&n, "::/0", NAMED_NONE), 'b');
	expect_ends(NAMED_NONE);
}

static void one_leaf(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		named_set(&n, ends[i], 'a');
		for (size_t j = 0; j < COUNT(ends); j++)
			named_expect(&n, ends[j], i == j ? 'a' : NAMED_NONE);
		assert_int_equal(named_clear(&n, ends[i], 'a'), 'a');
	}
	for (size_t i = 0; i < COUNT(ends); i++)
		named_set(&n, ends[i], (char)('a' + i));
	for (size_t i = 0; i < COUNT(ends); i++)
		named_expect(&n, ends[i], (char)('a' + i));
}

/* Nodes do not reach from one half of the key into the other. */
static void halves_of_the_key(void **state)
{
	char text[64];

	(void)state;
	for (unsigned int len = 56; len <= 72; len++) {
		snprintf(text, sizeof(text), "2001:db8:0:ff:ff00::/%u", len);
		named_set(&n, text, (char)('a' + len % NAMED_OWNERS));
	}
	for (unsigned int i = 0; i < 512; i++) {
		snprintf(text, sizeof(text), "2001:db8:0:%x:%x00::/72", i & 0xff, (i * 5) & 0xff);
		named_set(&n, text, (char)('a' + i % NAMED_OWNERS));
		oracle_expect(n.o6, n.t6, &(struct dp_trie_key){named_prefix(text).key.hi, i}, 1);
	}
	for (size_t i = 0; i < n.o6->n; i++)
		oracle_expect(n.o6, n.t6, &n.o6->entries[i].is.key, 1);
	named_check(&n);
}

/* ---- setting ---- */

static void bad_lengths(void **state)
{
	const struct dp_trie_key key = {0};
	struct dp_trie_prefix p[2] = {{key, 8, &n.owners[0]}, {key, 33, &n.owners[0]}};
	void *old;

	(void)state;
	assert_int_equal(dp_trie_set(n.t4, key, 33, &n.owners[0], &old), -EINVAL);
	assert_int_equal(dp_trie_set(n.t4, key, 255, &n.owners[0], &old), -EINVAL);
	assert_int_equal(dp_trie_set(n.t6, key, 129, &n.owners[0], &old), -EINVAL);
	assert_null(dp_trie_clear(n.t4, key, 33, NULL));
	assert_null(dp_trie_clear(n.t6, key, 129, NULL));
	assert_int_equal(dp_trie_build(n.t4, p, 2), -EINVAL);
	assert_int_equal(dp_trie_build(n.t4, NULL, 0), 0);
	assert_int_equal(dp_trie_count(n.t4) + dp_trie_count(n.t6), 0);
}

/* Moves from list to list, and to the end of its own when set once more. */
static void replaced(void **state)
{
	static const char *const both[] = {"10.0.0.0/8", "10.0.0.0/9", "2001:db8::/32",
					   "2001:db8::/33"};

	(void)state;
	for (char owner = 'a'; owner <= 'e'; owner++) {
		for (size_t i = 0; i < COUNT(both); i++) {
			named_set(&n, both[i], owner);
			named_set(&n, both[i], owner);
			named_check(&n);
		}
	}
	named_set(&n, "10.0.0.0/8", 'e');
	named_check(&n);
	assert_int_equal(dp_trie_count(n.t4), 2);
	named_expect(&n, "10.1.1.1", 'e');
	named_expect(&n, "10.128.1.1", 'e');
}

/* The last one of equal prefixes stays, host bits do not count. */
static void built(void **state)
{
	static const struct {
		const char *text;
		char owner;
	} rows[] = {
		{"10.0.0.1/8", 'a'},  {"10.1.0.0/16", 'b'}, {"10.2.0.0/8", 'c'}, {"9.0.0.0/8", 'd'},
		{"10.1.2.3/16", 'e'}, {"10.1.0.0/17", 'f'}, {"0.0.0.1/0", 'g'},	 {"0.0.0.0/0", 'h'},
	};
	struct dp_trie_prefix p[COUNT(rows)];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		p[i] = named_prefix(rows[i].text);
		p[i].value = named_owner(&n, rows[i].owner);
		oracle_set(n.o4, p[i].key, p[i].len, p[i].value);
	}
	assert_int_equal(dp_trie_build(n.t4, p, COUNT(rows)), 0);
	assert_int_equal(dp_trie_count(n.t4), 5);
	named_expect(&n, "10.255.0.0", 'c');
	named_expect(&n, "10.1.128.0", 'e');
	named_expect(&n, "10.1.0.0", 'f');
	named_expect(&n, "9.9.9.9", 'd');
	named_expect(&n, "8.8.8.8", 'h');
}

/* A thousand times the same prefix, whatever the sort does. */
static void built_of_one(void **state)
{
	static struct dp_trie_prefix p[1000];

	(void)state;
	for (size_t i = 0; i < COUNT(p); i++) {
		p[i] = named_prefix("2001:db8::1/64");
		p[i].key.lo = i;
		p[i].value = &n.owners[i % NAMED_OWNERS];
	}
	oracle_set(n.o6, p[0].key, 64, p[COUNT(p) - 1].value);
	assert_int_equal(dp_trie_build(n.t6, p, COUNT(p)), 0);
	assert_int_equal(dp_trie_count(n.t6), 1);
	named_expect(&n, "2001:db8::2", (char)('a' + (COUNT(p) - 1) % NAMED_OWNERS));
}

/* ---- walking ---- */

static const char *const in_order[] = {
	"0.0.0.0/0",	"0.0.0.0/1",   "0.0.0.0/32",  "10.0.0.0/8",
	"10.0.0.0/9",	"10.0.0.0/32", "10.0.0.1",    "10.64.0.0/10",
	"10.128.0.0/9", "128.0.0.0/1", "255.0.0.0/8", "255.255.255.255",
};

struct seen {
	size_t n, stop_at;
};

static bool see(void *ctx, const struct dp_trie_prefix *prefix)
{
	struct seen *seen = ctx;
	struct dp_trie_prefix expected;

	MUST(seen->n < COUNT(in_order) && seen->n < seen->stop_at);
	expected = named_prefix(in_order[seen->n]);
	MUST(prefix->key.hi == expected.key.hi && prefix->key.lo == 0);
	MUST(prefix->len == expected.len && prefix->value == &n.owners[0]);
	seen->n++;
	return seen->n < seen->stop_at;
}

/* In order, and no further than it is told; of one list, which is in the same order here, as well.
 */
static void walks(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(in_order); i++)
		named_set(&n, in_order[i], 'a');
	for (size_t stop_at = 1; stop_at <= COUNT(in_order); stop_at++) {
		struct seen seen = {0, stop_at}, listed = {0, stop_at};

		dp_trie_walk(n.t4, see, &seen);
		assert_int_equal(seen.n, stop_at);
		assert_false(dp_trie_walk_listed(n.t4, &n.owners[0], see, &listed));
		assert_int_equal(listed.n, stop_at);
	}
	assert_true(dp_trie_walk_listed(n.t4, &n.owners[0], see, &(struct seen){0, SIZE_MAX}));
	assert_true(dp_trie_walk_listed(n.t4, &n.owners[1], see, &(struct seen){0, 0}));
	assert_true(dp_trie_walk_listed(n.t6, &n.owners[0], see, &(struct seen){0, 0}));
}

static bool count_one(void *ctx, const struct dp_trie_prefix *prefix)
{
	(void)prefix;
	++*(size_t *)ctx;
	return true;
}

/* The kernel lists a peer of both families among others: exactly its prefixes, host bits cleared.
 */
static void lists_one_of_many(void **state)
{
	static const char *const its[] = {"192.95.5.93/27", "10.1.0.20/29",
					  "2607:5300:6006:6b00::c05f:543/128",
					  "2607:5300:6d8a:6bf8:dab1:f1df:c05f:1523/83",
					  "2607:5399:6d8a:6bf8:dab1:f1df:c05f:1523/21"};
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(its); i++) {
		named_set(&n, its[i], 'd');
		named_set(&n, strchr(its[i], ':') ? "2607:5300::/32" : "10.1.0.0/16", 'e');
	}
	MUST(dp_trie_walk_listed(n.t4, &n.owners[3], count_one, &count));
	assert_int_equal(count, 2);
	MUST(dp_trie_walk_listed(n.t6, &n.owners[3], count_one, &count));
	assert_int_equal(count, 5);
	assert_int_equal(named_clear(&n, "2607:5000::/21", 'd'), 'd');
	assert_int_equal(named_clear(&n, "2607:5300:6d8a:6bf8:dab1:e000::/83", 'd'), 'd');
}

/* ---- removing a list in parts ---- */

static void in_parts(void **state)
{
	char text[32];
	size_t left = 0;

	(void)state;
	for (unsigned int i = 0; i < 500; i++) {
		char owner = i % 3 == 0 ? 'b' : 'a';

		snprintf(text, sizeof(text), "10.%u.%u.0/%u", i % 7, i % 256, 8 + i % 25);
		named_set(&n, text, owner);
	}
	for (size_t i = 0; i < n.o4->n; i++)
		left += n.o4->entries[i].is.value == &n.owners[0];
	assert_int_equal(dp_trie_clear_listed(n.t4, &n.owners[0], 0), 0);
	for (size_t part = 1; left > 0; part++) {
		size_t expected = part < left ? part : left;

		assert_int_equal(dp_trie_clear_listed(n.t4, &n.owners[0], part), expected);
		assert_int_equal(oracle_clear_listed(n.o4, &n.owners[0], part), expected);
		named_check(&n);
		left -= expected;
	}
	assert_int_equal(dp_trie_clear_listed(n.t4, &n.owners[0], SIZE_MAX), 0);
	assert_true(n.o4->n > 0);
}

/* Values that are no objects of ours. */
static void unlisted(void **state)
{
	struct dp_later later = later_of(&n.queue);
	struct dp_trie *t = dp_trie_new(32, DP_TRIE_UNLISTED, &later);
	size_t empty_bytes = dp_trie_used_bytes(t);
	char *value = (char *)0x7fffffffffff;
	void *old;

	(void)state;
	MUST(dp_trie_set(t, named_prefix("10.0.0.0").key, 8, value, &old) == 0 && old == NULL);
	MUST(dp_trie_set(t, named_prefix("10.0.0.0").key, 8, value - 1, &old) == 0 && old == value);
	check_trie(t);
	MUST(dp_trie_lookup(t, named_prefix("10.2.3.4").key) == value - 1);
	MUST(dp_trie_clear(t, named_prefix("10.0.0.0").key, 8, value) == NULL);
	MUST(dp_trie_clear(t, named_prefix("10.0.0.0").key, 8, value - 1) == value - 1);
	check_empty(t, empty_bytes);
	dp_trie_free(t);
	later_drain(&n.queue);
	dp_trie_free(NULL);
}

/* An address, its key, and the address again. */
static void addresses(void **state)
{
	static const uint8_t six[16] = {0x20, 1, 0xd, 0xb8, 4,	5,  6,	7,
					8,    9, 10,  11,   12, 13, 14, 15};
	static const uint8_t four[16] = {192, 0, 2, 255};
	struct dp_trie_key key = dp_trie_key(AF_INET6, six);
	uint8_t back[16];

	(void)state;
	assert_true(key.hi == UINT64_C(0x20010db804050607));
	assert_true(key.lo == UINT64_C(0x08090a0b0c0d0e0f));
	dp_trie_addr(key, AF_INET6, back);
	assert_memory_equal(back, six, 16);
	key = dp_trie_key(AF_INET, four);
	assert_true(key.hi == UINT64_C(0xc00002ff00000000) && key.lo == 0);
	memset(back, 0xff, sizeof(back));
	dp_trie_addr(key, AF_INET, back);
	assert_memory_equal(back, four, 16);
}

#define CALL(test) cmocka_unit_test_setup_teardown(test, open_named, close_named)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL(nothing_there), CALL(only_any),
		CALL(one_leaf),	     CALL(halves_of_the_key),
		CALL(bad_lengths),   CALL(replaced),
		CALL(built),	     CALL(built_of_one),
		CALL(walks),	     CALL(lists_one_of_many),
		CALL(in_parts),	     CALL(unlisted),
		CALL(addresses),
	};

	return UNIT_RUN(tests);
}
