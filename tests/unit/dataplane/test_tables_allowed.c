/*
 * Allowed-ips and routes: the Linux kernel's own lists, random changes against a plain list,
 * enumeration, and memory that runs out. dp_arena_alloc is wrapped by the linker, to fail when
 * told. The trie under them is tested in lc_trie/.
 */
#include <arpa/inet.h>
#include <errno.h>

#include "dataplane/allowed.h"
#include "dataplane/arena.h"
#include "dataplane/batch.h"
#include "dataplane/peer.h"
#include "dataplane/reclaim.h"
#include "dataplane/route.h"
#include "dataplane/tries.h"
#include "tests/unit/dataplane/rcu.h"
#include "tests/unit/unit.h"

/* ---- allocations that fail ---- */

static int fail_after = -1; /* this many succeed; -1: all */

uint32_t __real_dp_arena_alloc(struct dp_arena *a, unsigned int class);
uint32_t __wrap_dp_arena_alloc(struct dp_arena *a, unsigned int class);

uint32_t __wrap_dp_arena_alloc(struct dp_arena *a, unsigned int class)
{
	if (fail_after == 0)
		return 0;
	if (fail_after > 0)
		fail_after--;
	return __real_dp_arena_alloc(a, class);
}

/* ---- text ---- */

static int parse(const char *text, uint8_t addr[16], uint8_t *len)
{
	int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	const char *slash = strchr(text, '/');
	char host[64] = "";

	memcpy(host, text, slash != NULL ? (size_t)(slash - text) : strlen(text));
	memset(addr, 0, 16);
	assert_int_equal(inet_pton(family, host, addr), 1);
	*len = slash != NULL ? (uint8_t)strtoul(slash + 1, NULL, 10) : family == AF_INET ? 32 : 128;
	return family;
}

static int insert(struct dp_allowed *a, const char *prefix, struct dp_peer *peer)
{
	uint8_t addr[16], len;
	int family = parse(prefix, addr, &len);

	return dp_allowed_insert(a, family, addr, len, peer);
}

static int take_away(struct dp_allowed *a, const char *prefix, struct dp_peer *peer)
{
	uint8_t addr[16], len;
	int family = parse(prefix, addr, &len);

	return dp_allowed_remove(a, family, addr, len, peer);
}

static struct dp_peer *lookup(const struct dp_allowed *a, const char *address)
{
	uint8_t addr[16], len;
	int family = parse(address, addr, &len);

	return dp_allowed_lookup(a, family, addr);
}

/* ---- the kernel's static list ---- */

enum { A, B, C, D, E, F, G, H, PEERS };

struct row {
	const char *text;
	int peer;
};

static const struct row kernel_inserts[] = {
	{"192.168.4.0/24", A},
	{"192.168.4.4/32", B},
	{"192.168.0.0/16", C},
	{"192.95.5.64/27", D},
	{"192.95.5.65/27", C}, /* replaces it: host bits are ignored */
	{"2607:5300:6000:6b00:0:0:c05f:543/128", D},
	{"2607:5300:6000:6b00::/64", C},
	{"0.0.0.0/0", E},
	{"::/0", E},
	{"::/0", F},
	{"2404:6800::/32", G},
	{"2404:6800:4004:800:dead:beef:dead:beef/64", H},
	{"2404:6800:4004:800:dead:beef:dead:beef/128", A},
	{"2444:6800:40e4:800:deae:beef:def:beef/128", C},
	{"2444:6800:f0e4:800:eeae:beef::/98", B},
	{"64.15.112.0/20", G},
	{"64.15.123.211/25", H},
	{"10.0.0.0/25", A},
	{"10.0.0.128/25", B},
	{"10.1.0.0/30", A},
	{"10.1.0.4/30", B},
	{"10.1.0.8/29", C},
	{"10.1.0.16/29", D},
};

static const struct row kernel_lookups[] = {
	{"192.168.4.20", A},
	{"192.168.4.0", A},
	{"192.168.4.4", B},
	{"192.168.200.182", C},
	{"192.95.5.68", C},
	{"192.95.5.96", E},
	{"2607:5300:6000:6b00:0:0:c05f:543", D},
	{"2607:5300:6000:6b00:0:0:c02e:1ee", C},
	{"2607:5300:6000:6b01::", F},
	{"2404:6800:4004:806::1006", G},
	{"2404:6800:4004:806:0:1234:0:5678", G},
	{"2404:67ff:4004:806:0:1234:0:5678", F},
	{"2404:6801:4004:806:0:1234:0:5678", F},
	{"2404:6800:4004:800:0:1234:0:5678", H},
	{"2404:6800:4004:800::", H},
	{"2404:6800:4004:800:1010:1010:1010:1010", H},
	{"2404:6800:4004:800:dead:beef:dead:beef", A},
	{"64.15.116.26", G},
	{"64.15.127.3", G},
	{"64.15.123.1", G},
	{"64.15.123.128", H},
	{"64.15.123.129", H},
	{"10.0.0.52", A},
	{"10.0.0.220", B},
	{"10.1.0.2", A},
	{"10.1.0.6", B},
	{"10.1.0.10", C},
	{"10.1.0.20", D},
};

static void kernel_static(void **state)
{
	struct test_rcu rcu = test_rcu_new(1);
	struct dp_allowed *a = dp_allowed_new(rcu.reclaim);
	static struct dp_peer peers[PEERS];
	const char *more[] = {"1.0.0.0/32", "64.0.0.0/32", "128.0.0.0/32", "192.0.0.0/32",
			      "255.0.0.0/32"};

	(void)state;
	memset(peers, 0, sizeof(peers));
	for (size_t i = 0; i < sizeof(kernel_inserts) / sizeof(kernel_inserts[0]); i++)
		assert_int_equal(insert(a, kernel_inserts[i].text, &peers[kernel_inserts[i].peer]),
				 0);
	assert_int_equal(dp_allowed_count(a), 21);
	for (size_t i = 0; i < sizeof(kernel_lookups) / sizeof(kernel_lookups[0]); i++) {
		if (lookup(a, kernel_lookups[i].text) != &peers[kernel_lookups[i].peer])
			fail_msg("%s is not of peer %c", kernel_lookups[i].text,
				 'a' + kernel_lookups[i].peer);
	}
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(insert(a, more[i], &peers[A]), 0);
	dp_allowed_remove_peer(a, &peers[A]);
	for (size_t i = 0; i < 5; i++)
		assert_ptr_not_equal(lookup(a, more[i]), &peers[A]);
	assert_ptr_equal(lookup(a, "192.168.4.20"), &peers[C]);
	dp_allowed_free(a);

	a = dp_allowed_new(rcu.reclaim);
	assert_int_equal(insert(a, "192.168.0.0/16", &peers[A]), 0);
	assert_int_equal(insert(a, "192.168.0.0/24", &peers[A]), 0);
	dp_allowed_remove_peer(a, &peers[A]);
	assert_null(lookup(a, "192.168.0.1"));
	assert_int_equal(dp_allowed_count(a), 0);
	dp_allowed_free(a);
	test_rcu_free(&rcu);
}

/* As deep as a trie can be: each address leaves the path of all ones at another bit. */
static void deepest(void **state)
{
	struct test_rcu rcu = test_rcu_new(1);
	struct dp_allowed *a = dp_allowed_new(rcu.reclaim);
	struct dp_peer peer = {0};
	uint8_t addr[16];

	(void)state;
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int bit = 0; bit < 128; bit++) {
			memset(addr, 0xff, sizeof(addr));
			addr[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			assert_int_equal(dp_allowed_insert(a, AF_INET6, addr, 128, &peer), 0);
		}
		/* And all lengths of one address, /0 to /128. */
		memset(addr, 0xff, sizeof(addr));
		for (unsigned int len = 0; len <= 128; len++)
			assert_int_equal(dp_allowed_insert(a, AF_INET6, addr, (uint8_t)len, &peer),
					 0);
		assert_int_equal(dp_allowed_count(a), 128 + 129);
		assert_ptr_equal(dp_allowed_lookup(a, AF_INET6, addr), &peer);
		if (round == 0)
			dp_allowed_remove_peer(a, &peer);
	}
	dp_allowed_free(a);
	test_rcu_free(&rcu);
}

/* ---- lists ---- */

struct seen {
	char text[512];
	unsigned int n, stop_at;
};

static bool see(void *ctx, int family, const uint8_t *addr, uint8_t len, struct dp_peer *peer)
{
	struct seen *seen = ctx;
	char host[64];

	(void)peer;
	inet_ntop(family, addr, host, sizeof(host));
	snprintf(seen->text + strlen(seen->text), sizeof(seen->text) - strlen(seen->text), "%s/%u ",
		 host, len);
	return ++seen->n != seen->stop_at;
}

static void listed(void **state)
{
	struct test_rcu rcu = test_rcu_new(1);
	struct dp_allowed *a = dp_allowed_new(rcu.reclaim);
	struct dp_peer x = {0}, y = {0};
	struct seen seen = {0}, stopped = {.stop_at = 2}, none = {0}, all = {0};
	const char *of_x[] = {"192.95.5.93/27", "2607:5300:6000:6b00:0:0:c05f:543/128",
			      "10.1.0.20/29", "2607:5300:6d8a:6bf8:dab1:f1df:cc1b:b4b7/83",
			      "2607:5300:6000:6b00::/21"};

	(void)state;
	dp_allowed_list(a, &x, see, &none);
	assert_int_equal(insert(a, "192.95.5.64/27", &y), 0); /* moves */
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(insert(a, of_x[i], &x), 0);
	assert_int_equal(insert(a, "10.1.0.20/32", &y), 0);
	dp_allowed_list(a, &x, see, &seen);
	assert_string_equal(seen.text,
			    "192.95.5.64/27 10.1.0.16/29 2607:5300:6000:6b00::c05f:543/128 "
			    "2607:5300:6d8a:6bf8:dab1:e000::/83 2607:5000::/21 ");
	dp_allowed_list(a, &x, see, &stopped);
	assert_int_equal(stopped.n, 2);
	stopped.n = 0;
	dp_allowed_list(a, NULL, see, &stopped);
	assert_int_equal(stopped.n, 2);
	dp_allowed_list(a, NULL, see, &all);
	assert_int_equal(all.n, 6);

	/* Only its owner's, exactly this length. */
	assert_int_equal(take_away(a, "10.1.0.16/29", &y), -ENOENT);
	assert_int_equal(take_away(a, "10.1.0.16/28", &x), -ENOENT);
	assert_int_equal(take_away(a, "10.1.0.0/16", &x), -ENOENT);
	assert_int_equal(dp_allowed_insert(a, AF_INET, (const uint8_t[16]){1}, 33, &x), -EINVAL);
	assert_int_equal(dp_allowed_remove(a, AF_INET, (const uint8_t[16]){1}, 33, &x), -ENOENT);
	assert_ptr_equal(lookup(a, "10.1.0.21"), &x);
	assert_int_equal(take_away(a, "10.1.0.23/29", &x), 0);
	assert_int_equal(take_away(a, "10.1.0.16/29", &x), -ENOENT);
	assert_null(lookup(a, "10.1.0.21"));
	assert_ptr_equal(lookup(a, "10.1.0.20"), &y);
	/* Given back in the end: once removed, the owner may go. */
	dp_allowed_remove_peer(a, &x);
	dp_allowed_list(a, &x, see, &none);
	assert_int_equal(none.n, 0);
	assert_int_equal(dp_allowed_count(a), 1);
	dp_allowed_free(a);
	test_rcu_free(&rcu);
}

/* In parts, IPv4 first; others keep theirs. */
static void removed_in_parts(void **state)
{
	const char *of_x[] = {"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "fd00::/8", "::/0"};
	const size_t parts[] = {2, 2, 1, 0};
	struct test_rcu rcu = test_rcu_new(1);
	struct dp_allowed *a = dp_allowed_new(rcu.reclaim);
	struct dp_peer x = {0}, y = {0};

	(void)state;
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(insert(a, of_x[i], &x), 0);
	assert_int_equal(insert(a, "10.1.2.0/24", &y), 0);
	assert_int_equal(dp_allowed_remove_some(a, &x, 0), 0);
	for (size_t i = 0, left = 6; i < 4; i++) {
		assert_int_equal(dp_allowed_remove_some(a, &x, 2), parts[i]);
		left -= parts[i];
		assert_int_equal(dp_allowed_count(a), left);
		assert_ptr_equal(lookup(a, "10.1.2.4"), &y);
	}
	assert_null(lookup(a, "10.1.3.1"));
	assert_null(lookup(a, "fd00::1"));
	dp_allowed_free(a);
	test_rcu_free(&rcu);
}

/* ---- random changes against a plain list ---- */

#define LIST_MAX    300
#define CHURN_OPS   120000
#define CHURN_PEERS 16

struct prefix {
	uint8_t addr[16];
	uint8_t len;
	struct dp_peer *peer;
};

struct oracle {
	struct prefix list[LIST_MAX];
	unsigned int n;
};

static bool holds(const uint8_t *prefix, uint8_t len, const uint8_t *addr)
{
	unsigned int bytes = len / 8, bits = len % 8;

	if (memcmp(prefix, addr, bytes) != 0)
		return false;
	return bits == 0 || ((prefix[bytes] ^ addr[bytes]) >> (8 - bits)) == 0;
}

static struct dp_peer *oracle_lookup(const struct oracle *o, const uint8_t *addr)
{
	const struct prefix *best = NULL;

	for (unsigned int i = 0; i < o->n; i++) {
		if (holds(o->list[i].addr, o->list[i].len, addr) &&
		    (best == NULL || o->list[i].len > best->len))
			best = &o->list[i];
	}
	return best == NULL ? NULL : best->peer;
}

static struct prefix *oracle_find(struct oracle *o, const uint8_t *addr, uint8_t len)
{
	for (unsigned int i = 0; i < o->n; i++) {
		if (o->list[i].len == len && holds(o->list[i].addr, len, addr))
			return &o->list[i];
	}
	return NULL;
}

/* Addresses that share prefixes of all lengths: one of a few with a random tail. */
static void random_addr(uint64_t *seed, unsigned int bytes, uint8_t addr[16])
{
	uint64_t base = unit_random(seed) % 4 + 1;
	unsigned int keep = (unsigned int)(unit_random(seed) % (bytes * 8 + 1));
	uint8_t tail[16];

	memset(addr, 0, 16);
	unit_random_fill(&base, addr, bytes);
	unit_random_fill(seed, tail, bytes);
	for (unsigned int bit = keep; bit < bytes * 8; bit++)
		addr[bit / 8] ^= (uint8_t)(tail[bit / 8] & (0x80 >> bit % 8));
}

static void oracle_remove_peer(struct oracle *o, const struct dp_peer *peer)
{
	for (unsigned int i = 0; i < o->n;) {
		if (o->list[i].peer == peer)
			o->list[i] = o->list[--o->n];
		else
			i++;
	}
}

static void churn_change(struct dp_allowed *a, struct oracle oracles[2], unsigned int which,
			 uint64_t *seed, struct dp_peer *peers)
{
	int family = which == 0 ? AF_INET : AF_INET6;
	unsigned int bytes = which == 0 ? 4 : 16;
	struct oracle *o = &oracles[which];
	struct dp_peer *peer = &peers[unit_random(seed) % CHURN_PEERS];
	uint64_t what = unit_random(seed) % 1000;
	struct prefix *had;
	uint8_t addr[16], len;

	random_addr(seed, bytes, addr);
	len = (uint8_t)(unit_random(seed) % (bytes * 8 + 1));
	had = oracle_find(o, addr, len);
	if (what < 2) {
		dp_allowed_remove_peer(a, peer);
		oracle_remove_peer(&oracles[0], peer);
		oracle_remove_peer(&oracles[1], peer);
	} else if (what < 500 && (had != NULL || o->n < LIST_MAX)) {
		assert_int_equal(dp_allowed_insert(a, family, addr, len, peer), 0);
		if (had == NULL)
			had = &o->list[o->n++];
		*had = (struct prefix){.len = len, .peer = peer};
		memcpy(had->addr, addr, 16);
	} else {
		/* Mostly one that is there, and sometimes of the wrong peer. */
		if (had == NULL && o->n > 0 && what % 4 != 0)
			had = &o->list[unit_random(seed) % o->n];
		if (had != NULL && what % 8 != 1)
			peer = had->peer;
		assert_int_equal(dp_allowed_remove(a, family, had != NULL ? had->addr : addr,
						   had != NULL ? had->len : len, peer),
				 had != NULL && had->peer == peer ? 0 : -ENOENT);
		if (had != NULL && had->peer == peer)
			*had = o->list[--o->n];
	}
}

static void churn_look(const struct dp_allowed *a, const struct oracle *o, int family,
		       uint64_t *seed)
{
	unsigned int n = 1 + (unsigned int)(unit_random(seed) % DP_BATCH_MAX);
	uint8_t addrs[DP_BATCH_MAX][16];
	struct dp_peer *found[DP_BATCH_MAX];
	struct dp_keys keys = {.v6 = 0};

	for (unsigned int i = 0; i < n; i++) {
		random_addr(seed, family == AF_INET ? 4 : 16, addrs[i]);
		dp_keys_put(&keys, i, family, addrs[i]);
	}
	dp_allowed_lookup_bulk(a, &keys, dp_mask_of(n), found);
	for (unsigned int i = 0; i < n; i++) {
		struct dp_peer *expected = oracle_lookup(o, addrs[i]);

		assert_ptr_equal(found[i], expected);
		assert_ptr_equal(dp_allowed_lookup(a, family, addrs[i]), expected);
	}
}

/* What a peer is known for is its own. Returns how many are known for something. */
static unsigned int churn_hosts(const struct oracle *o, const struct dp_peer *peers, unsigned int n)
{
	unsigned int known = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t host = atomic_load((_Atomic uint32_t *)(uintptr_t)&peers[i].host_v4);
		uint8_t addr[16] = {0};

		memcpy(addr, &host, sizeof(host));
		if (host != 0)
			assert_ptr_equal(oracle_lookup(o, addr), &peers[i]);
		known += host != 0;
	}
	return known;
}

static bool count_one(void *ctx, int family, const uint8_t *addr, uint8_t len, struct dp_peer *peer)
{
	struct oracle *o = ((struct oracle **)ctx)[family == AF_INET6];
	const struct prefix *had = oracle_find(o, addr, len);

	assert_non_null(had);
	assert_ptr_equal(had->peer, peer);
	(*((unsigned int **)ctx)[2])++;
	return true;
}

/* What is listed, by peer and in all, is what should be. */
static void churn_list(const struct dp_allowed *a, struct oracle *v4, struct oracle *v6,
		       struct dp_peer *peers)
{
	unsigned int n = 0;
	void *ctx[] = {v4, v6, &n};

	assert_int_equal(dp_allowed_count(a), v4->n + v6->n);
	for (unsigned int i = 0; i < CHURN_PEERS; i++)
		dp_allowed_list(a, &peers[i], count_one, ctx);
	assert_int_equal(n, v4->n + v6->n);
	dp_allowed_list(a, NULL, count_one, ctx);
	assert_int_equal(n, 2 * (v4->n + v6->n));
}

static void churn(void **state)
{
	struct test_rcu rcu = test_rcu_new(1);
	struct dp_allowed *a = dp_allowed_new(rcu.reclaim);
	static struct oracle oracles[2];
	struct dp_peer peers[CHURN_PEERS];
	uint64_t seed = 20240917;
	size_t known = 0;

	(void)state;
	memset(peers, 0, sizeof(peers));
	memset(oracles, 0, sizeof(oracles));
	print_message("# seed %llu\n", (unsigned long long)seed);
	for (unsigned int i = 0; i < CHURN_OPS; i++) {
		unsigned int which = unit_random(&seed) % 2;
		int family = which == 0 ? AF_INET : AF_INET6;

		churn_change(a, oracles, which, &seed, peers);
		known += churn_hosts(&oracles[0], peers, CHURN_PEERS);
		if (i % 16 == 0)
			churn_look(a, &oracles[which], family, &seed);
		if (i % 1024 == 0)
			churn_list(a, &oracles[0], &oracles[1], peers);
		dp_reclaim_poll(rcu.reclaim);
	}
	assert_true(known > CHURN_OPS / 4);
	dp_allowed_free(a);
	test_rcu_free(&rcu);
}

/* A host is the peer's until it is taken away, whichever way. */
static void hosts(void **state)
{
	static const uint8_t x[] = {10, 0, 0, 1}, y[] = {10, 0, 0, 2}, zero[4];
	struct test_rcu rcu = test_rcu_new(1);
	struct dp_allowed *a = dp_allowed_new(rcu.reclaim);
	struct dp_peer p = {0}, q = {0};
	uint32_t as_x, as_y;

	(void)state;
	memcpy(&as_x, x, 4);
	memcpy(&as_y, y, 4);
	assert_int_equal(dp_allowed_insert(a, AF_INET, x, 31, &p), 0);
	assert_int_equal(dp_allowed_insert(a, AF_INET, zero, 32, &p), 0);
	assert_int_equal(p.host_v4, 0);
	assert_int_equal(dp_allowed_insert(a, AF_INET, x, 32, &p), 0);
	assert_int_equal(dp_allowed_insert(a, AF_INET, y, 32, &p), 0);
	assert_int_equal(p.host_v4, as_x);
	/* not that one */
	assert_int_equal(dp_allowed_remove(a, AF_INET, y, 32, &p), 0);
	assert_int_equal(dp_allowed_remove(a, AF_INET, x, 31, &p), 0);
	assert_int_equal(dp_allowed_remove(a, AF_INET, x, 32, &q), -ENOENT);
	assert_int_equal(p.host_v4, as_x);
	/* another peer takes it */
	assert_int_equal(dp_allowed_insert(a, AF_INET, x, 32, &q), 0);
	assert_int_equal(p.host_v4, 0);
	assert_int_equal(q.host_v4, as_x);
	assert_int_equal(dp_allowed_insert(a, AF_INET, y, 32, &p), 0);
	assert_int_equal(p.host_v4, as_y);
	assert_int_equal(dp_allowed_remove(a, AF_INET, x, 32, &q), 0);
	assert_int_equal(q.host_v4, 0);
	assert_int_equal(dp_allowed_remove_some(a, &p, 1), 1);
	assert_int_equal(p.host_v4, 0);
	dp_allowed_free(a);
	test_rcu_free(&rcu);
}

/* ---- out of memory ---- */

/* Whatever allocation fails, the trie is as before, and takes the prefix when there is memory. */
static void out_of_memory(void **state)
{
	struct test_rcu rcu = test_rcu_new(1);
	struct dp_allowed *a = dp_allowed_new(rcu.reclaim);
	static struct oracle o;
	struct dp_peer peers[2] = {0};
	unsigned int failed = 0, tried = 0;
	uint64_t seed = 5;
	uint8_t addr[16], len;

	(void)state;
	print_message("# seed %llu\n", (unsigned long long)seed);
	memset(&o, 0, sizeof(o));
	while (o.n < LIST_MAX) {
		struct dp_peer *peer = &peers[unit_random(&seed) % 2];
		struct prefix *had;
		int rc;

		random_addr(&seed, 4, addr);
		len = (uint8_t)(unit_random(&seed) % 33);
		had = oracle_find(&o, addr, len);
		fail_after = (int)(unit_random(&seed) % 3);
		rc = dp_allowed_insert(a, AF_INET, addr, len, peer);
		fail_after = -1;
		tried++;
		if (rc != 0) {
			assert_int_equal(rc, -ENOMEM);
			assert_int_equal(dp_allowed_count(a), o.n);
			churn_look(a, &o, AF_INET, &seed);
			churn_hosts(&o, peers, 2);
			failed++;
			rc = dp_allowed_insert(a, AF_INET, addr, len, peer);
		}
		assert_int_equal(rc, 0);
		if (had == NULL)
			had = &o.list[o.n++];
		*had = (struct prefix){.len = len, .peer = peer};
		memcpy(had->addr, addr, 16);
		churn_look(a, &o, AF_INET, &seed);
	}
	assert_true(failed > 50 && failed < tried);
	dp_allowed_remove_peer(a, &peers[0]);
	dp_allowed_remove_peer(a, &peers[1]);
	assert_int_equal(dp_allowed_count(a), 0);
	dp_allowed_free(a);
	test_rcu_free(&rcu);
}

/* ---- routes ---- */

static bool count_routes(void *ctx, int family, const uint8_t *addr, uint8_t len,
			 const struct dp_route *route)
{
	unsigned int *n = ctx;

	(void)family, (void)addr, (void)len, (void)route;
	return ++*n != 3;
}

static void routes(void **state)
{
	static const struct {
		const char *prefix;
		uint16_t port;
	} rows[] = {
		{"0.0.0.0/0", 1}, {"10.0.0.0/8", 2},	{"10.1.0.0/16", 3}, {"10.1.2.3/32", 4},
		{"::/0", 5},	  {"2001:db8::/32", 6}, {"fe80::/64", 7},
	};
	struct test_rcu rcu = test_rcu_new(1);
	struct dp_routes *r = dp_routes_new(rcu.reclaim);
	static const struct dp_route untouched;
	const struct dp_route *found[4] = {NULL, NULL, &untouched, NULL};
	const uint8_t *addrs[4] = {(const uint8_t[]){10, 1, 9, 9},
				   (const uint8_t[16]){0x20, 1, 0x0d, 0xb8, 1},
				   (const uint8_t[]){10, 1, 2, 3}, (const uint8_t[]){11, 0, 0, 1}};
	struct dp_keys keys = {.v6 = 0};
	unsigned int n = 0;
	uint8_t addr[16], len;

	(void)state;
	assert_null(dp_routes_lookup(r, AF_INET, addrs[0]));
	for (unsigned int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct dp_route route = {.kind = DP_ROUTE_PORT,
						 .port_id = (uint16_t)(rows[i].port + 100 * round)};
			int family = parse(rows[i].prefix, addr, &len);

			assert_int_equal(dp_routes_set(r, family, addr, len, &route), 0);
			assert_int_equal(dp_routes_lookup(r, family, addr)->port_id, route.port_id);
		}
	}
	for (unsigned int i = 0; i < 4; i++)
		dp_keys_put(&keys, i, i == 1 ? AF_INET6 : AF_INET, addrs[i]);
	dp_routes_lookup_bulk(r, &keys, 0xb, found);
	assert_int_equal(found[0]->port_id, 103);
	assert_int_equal(found[1]->port_id, 106);
	assert_ptr_equal(found[2], &untouched);
	assert_int_equal(found[3]->port_id, 101);
	dp_routes_list(r, count_routes, &n);
	assert_int_equal(n, 3);
	parse("10.1.0.0/16", addr, &len);
	assert_int_equal(dp_routes_clear(r, AF_INET, addr, 15), -ENOENT);
	assert_int_equal(dp_routes_clear(r, AF_INET, addr, 16), 0);
	assert_int_equal(dp_routes_clear(r, AF_INET, addr, 16), -ENOENT);
	assert_int_equal(dp_routes_lookup(r, AF_INET, addrs[0])->port_id, 102);
	/* What was looked up before is there until readers have gone on. */
	assert_int_equal(found[0]->port_id, 103);
	dp_routes_free(r);
	test_rcu_free(&rcu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_static), cmocka_unit_test(deepest),
		cmocka_unit_test(listed),	 cmocka_unit_test(churn),
		cmocka_unit_test(hosts),	 cmocka_unit_test(removed_in_parts),
		cmocka_unit_test(out_of_memory), cmocka_unit_test(routes),
	};

	return UNIT_RUN(tests);
}
