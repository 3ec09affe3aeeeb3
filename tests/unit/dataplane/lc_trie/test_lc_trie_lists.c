/*
 * The lists of prefixes and lookups that the kernel's self-test and wireguard-go's tests of
 * allowed-ips use, and the kernel's random test, scaled down. Each answer is asked for in all ways
 * of looking up, and compared with the naive oracle, too.
 */
#include "tests/unit/dataplane/lc_trie/named.h"

#include "tests/unit/dataplane/lc_trie/shapes.h"
#include "tests/unit/unit.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct row {
	const char *what;
	char owner;
};

/* wireguard-go's list is these without the last few. */
static const struct row prefixes[] = {
	{"192.168.4.0/24", 'a'},
	{"192.168.4.4/32", 'b'},
	{"192.168.0.0/16", 'c'},
	{"192.95.5.64/27", 'd'},
	{"192.95.5.65/27", 'c'}, /* host bits; takes d's */
	{"2607:5300:6000:6b00:0:0:c05f:543/128", 'd'},
	{"2607:5300:6000:6b00::/64", 'c'},
	{"0.0.0.0/0", 'e'},
	{"::/0", 'e'},
	{"::/0", 'f'},
	{"2404:6800::/32", 'g'},
	{"2404:6800:4004:800:dead:beef:dead:beef/64", 'h'},
	{"2404:6800:4004:800:dead:beef:dead:beef/128", 'a'},
	{"2444:6800:40e4:800:deae:beef:def:beef/128", 'c'},
	{"2444:6800:f0e4:800:eeae:beef::/98", 'b'},
	{"64.15.112.0/20", 'g'},
	{"64.15.123.211/25", 'h'},
	{"10.0.0.0/25", 'a'},
	{"10.0.0.128/25", 'b'},
	{"10.1.0.0/30", 'a'},
	{"10.1.0.4/30", 'b'},
	{"10.1.0.8/29", 'c'},
	{"10.1.0.16/29", 'd'},
};

static const struct row lookups[] = {
	{"192.168.4.20", 'a'},
	{"192.168.4.0", 'a'},
	{"192.168.4.4", 'b'},
	{"192.168.200.182", 'c'},
	{"192.95.5.68", 'c'},
	{"192.95.5.96", 'e'},
	{"2607:5300:6000:6b00::c05f:543", 'd'},
	{"2607:5300:6000:6b00::c02e:1ee", 'c'},
	{"2607:5300:6000:6b01::", 'f'},
	{"2404:6800:4004:806::1006", 'g'},
	{"2404:6800:4004:806:0:1234:0:5678", 'g'},
	{"2404:67ff:4004:806:0:1234:0:5678", 'f'},
	{"2404:6801:4004:806:0:1234:0:5678", 'f'},
	{"2404:6800:4004:800:0:1234:0:5678", 'h'},
	{"2404:6800:4004:800::", 'h'},
	{"2404:6800:4004:800:1010:1010:1010:1010", 'h'},
	{"2404:6800:4004:800:dead:beef:dead:beef", 'a'},
	{"64.15.116.26", 'g'},
	{"64.15.127.3", 'g'},
	{"64.15.123.1", 'g'},
	{"64.15.123.128", 'h'},
	{"64.15.123.129", 'h'},
	{"10.0.0.52", 'a'},
	{"10.0.0.220", 'b'},
	{"10.1.0.2", 'a'},
	{"10.1.0.6", 'b'},
	{"10.1.0.10", 'c'},
	{"10.1.0.20", 'd'},
};

/* One bit each, at several places. */
static const char *const hosts[] = {"1.0.0.0", "64.0.0.0", "128.0.0.0", "192.0.0.0", "255.0.0.0"};

static void set_rows(struct named *n)
{
	for (size_t i = 0; i < COUNT(prefixes); i++)
		named_set(n, prefixes[i].what, prefixes[i].owner);
}

static void expect_rows(const struct named *n, char not_of)
{
	for (size_t i = 0; i < COUNT(lookups); i++) {
		if (lookups[i].owner != not_of)
			named_expect(n, lookups[i].what, lookups[i].owner);
	}
}

static void kernel_list(void **state)
{
	static struct named n;

	(void)state;
	named_open(&n, 64);
	set_rows(&n);
	named_check(&n);
	expect_rows(&n, NAMED_NONE);
	for (size_t i = 0; i < COUNT(hosts); i++)
		named_set(&n, hosts[i], 'a');
	for (size_t i = 0; i < COUNT(hosts); i++)
		named_expect(&n, hosts[i], 'a');
	named_clear_owner(&n, 'a');
	named_check(&n);
	for (size_t i = 0; i < COUNT(hosts); i++)
		named_expect(&n, hosts[i], 'e');
	for (char owner = 'b'; owner <= 'h'; owner++)
		named_clear_owner(&n, owner);
	assert_int_equal(n.o4->n + n.o6->n, 0);
	named_close(&n);
}

/* Of one value that has two prefixes, one in the other, nothing may be left. */
static void nested_of_one(void **state)
{
	static struct named n;

	(void)state;
	named_open(&n, 64);
	named_set(&n, "192.168.0.0/16", 'a');
	named_set(&n, "192.168.0.0/24", 'a');
	named_set(&n, "2001:db8::/32", 'a');
	named_set(&n, "2001:db8::/64", 'a');
	named_clear_owner(&n, 'a');
	named_expect(&n, "192.168.0.1", NAMED_NONE);
	named_expect(&n, "2001:db8::1", NAMED_NONE);
	named_close(&n);
}

/* Only what is exactly this prefix, and this value's, is removed; and the rest is found as before.
 */
static void exact_removal(void **state)
{
	static const struct row nothing[] = {
		{"192.168.4.0/24", 'b'},    {"192.168.4.0/25", 'a'},
		{"192.168.4.0/23", 'a'},    {"192.95.5.64/27", 'd'},
		{"192.95.5.64/28", 'c'},    {"64.15.123.128/32", 'h'},
		{"0.0.0.0/0", 'a'},	    {"::/0", 'e'},
		{"0.0.0.0/1", 'e'},	    {"2404:6800::/31", 'g'},
		{"2404:6800::/128", 'g'},   {"2404:6800::/32", 'h'},
		{"10.1.0.0/29", 'a'},	    {"10.0.0.0/24", 'a'},
		{"9.9.9.9/32", NAMED_NONE},
	};
	static struct named n;

	(void)state;
	named_open(&n, 64);
	set_rows(&n);
	for (size_t i = 0; i < COUNT(nothing); i++)
		assert_int_equal(named_clear(&n, nothing[i].what, nothing[i].owner), NAMED_NONE);
	named_check(&n);
	expect_rows(&n, NAMED_NONE);
	assert_int_equal(named_clear(&n, "64.15.123.211/25", NAMED_NONE), 'h');
	named_expect(&n, "64.15.123.128", 'g');
	assert_int_equal(named_clear(&n, "64.15.123.128/25", 'h'), NAMED_NONE);
	assert_int_equal(named_clear(&n, "192.168.4.4/32", 'b'), 'b');
	named_expect(&n, "192.168.4.4", 'a');
	assert_int_equal(named_clear(&n, "192.168.4.255/24", 'a'), 'a');
	named_expect(&n, "192.168.4.4", 'c');
	assert_int_equal(named_clear(&n, "::/0", 'f'), 'f');
	named_expect(&n, "2404:67ff::", NAMED_NONE);
	named_expect(&n, "192.95.5.96", 'e');
	assert_int_equal(named_clear(&n, "0.0.0.0/0", 'e'), 'e');
	named_expect(&n, "192.95.5.96", NAMED_NONE);
	named_close(&n);
}

/* Prefixes that each leave the others at another bit: as deep as it goes. */
static void deepest(void **state)
{
	static struct named n;

	(void)state;
	named_open(&n, 512);
	for (unsigned int bit = 0; bit < 128; bit++) {
		struct dp_trie_key key = {UINT64_MAX, UINT64_MAX};
		void *old, *value = named_owner(&n, (char)('a' + bit % NAMED_OWNERS));

		if (bit < 64)
			key.hi ^= UINT64_C(1) << bit;
		else
			key.lo ^= UINT64_C(1) << (bit - 64);
		MUST(dp_trie_set(n.t6, key, 128, value, &old) == 0);
		oracle_set(n.o6, key, 128, value);
		MUST(dp_trie_set(n.t6, key, (uint8_t)bit, value, &old) == 0);
		oracle_set(n.o6, key, (uint8_t)bit, value);
		oracle_expect(n.o6, n.t6, &key, 1);
	}
	named_check(&n);
	for (size_t i = 0; i < n.o6->n; i++)
		oracle_expect(n.o6, n.t6, &n.o6->entries[i].is.key, 1);
	named_close(&n);
}

/* ---- the kernel's random test ---- */

#define ROUTES	   20 /* of an owner */
#define NEIGHBOURS TIMES(40)
#define QUERIES	   TIMES(20000)

static void set_random(struct dp_trie *t, struct oracle *o, uint64_t *seed, void *value)
{
	struct shape any = shape_random(seed, o->bits, SHAPE_UNIFORM);
	struct dp_trie_prefix p, near;
	void *old;

	for (unsigned int i = 0; i < ROUTES; i++) {
		shape_prefix(&any, seed, &p);
		for (unsigned int j = 0; j <= NEIGHBOURS; j++) {
			near = p;
			if (j > 0) {
				near.len = (uint8_t)(unit_random(seed) % o->bits);
				near.key = shape_near(seed, &near, o->bits);
				near.len = (uint8_t)(1 + unit_random(seed) % o->bits);
			}
			MUST(dp_trie_set(t, near.key, near.len, value, &old) == 0);
			MUST(old == oracle_set(o, near.key, near.len, value));
		}
	}
}

static void query_random(const struct dp_trie *t, const struct oracle *o, uint64_t *seed)
{
	struct dp_trie_key keys[DP_TRIE_BULK_MAX];

	for (unsigned int i = 0; i < QUERIES; i += DP_TRIE_BULK_MAX) {
		for (unsigned int j = 0; j < DP_TRIE_BULK_MAX; j++) {
			keys[j] = shape_key(seed, o->bits);
			if (j % 2 != 0 && o->n > 0)
				keys[j] = shape_near(seed, &o->entries[unit_random(seed) % o->n].is,
						     o->bits);
		}
		oracle_expect(o, t, keys, DP_TRIE_BULK_MAX);
	}
}

static void kernel_random(void **state)
{
	static struct named n;
	uint64_t seed = 20250416;

	(void)state;
	print_message("# seed %llu\n", (unsigned long long)seed);
	named_open(&n, (size_t)NAMED_OWNERS * ROUTES * (NEIGHBOURS + 1));
	for (unsigned int i = 0; i < NAMED_OWNERS; i++) {
		set_random(n.t4, n.o4, &seed, &n.owners[i]);
		set_random(n.t6, n.o6, &seed, &n.owners[i]);
	}
	named_check(&n);
	print_message("# %zu and %zu prefixes\n", n.o4->n, n.o6->n);
	for (char owner = 'a'; owner <= 'z'; owner++) {
		query_random(n.t4, n.o4, &seed);
		query_random(n.t6, n.o6, &seed);
		named_clear_owner(&n, owner);
		named_check(&n);
	}
	query_random(n.t4, n.o4, &seed);
	assert_int_equal(n.o4->n + n.o6->n, 0);
	named_close(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_list),	 cmocka_unit_test(nested_of_one),
		cmocka_unit_test(exact_removal), cmocka_unit_test(deepest),
		cmocka_unit_test(kernel_random),
	};

	return UNIT_RUN(tests);
}
