/* Many peers: tables grow, a turn of the control loop stays short, memory is what it should be. */
#include <sys/socket.h>
#include <time.h>

#include "handshake/peer.h"
#include "tests/unit/unit.h"

#define PEERS 100000
#define S     WG_NS_PER_S

struct owner {
	uint64_t random;
	unsigned int sent, keepalives, activities;
};

static void up_random(void *ctx, void *out, size_t len)
{
	unit_random_fill(&((struct owner *)ctx)->random, out, len);
}

static void up_send(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to, const void *msg,
		    size_t len)
{
	((struct owner *)ctx)->sent++;
}

static void up_keepalive(void *ctx, struct hs_peer *peer)
{
	((struct owner *)ctx)->keepalives++;
}

static void up_endpoint(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to)
{
}

static void up_activity(void *ctx, struct hs_peer *peer, struct hs_activity *out)
{
	((struct owner *)ctx)->activities++;
}

static void up_stamp(void *ctx, struct hs_peer *peer, enum hs_stamp stamp, uint64_t mono_ns)
{
}

/* No session comes about here; the rest of struct hs_ops is not called. */
static const struct hs_ops ops = {
	.random = up_random,
	.send = up_send,
	.keepalive = up_keepalive,
	.endpoint = up_endpoint,
	.activity = up_activity,
	.stamp = up_stamp,
};

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void key_of(uint32_t i, uint8_t key[32])
{
	memset(key, 9, 32);
	memcpy(key, &i, sizeof(i));
}

static void test_many_peers(void **state)
{
	struct owner owner = {.random = 0x5ca1e};
	struct hs_device *dev = hs_device_new(&ops, &owner);
	struct wg_endpoint to = {.family = AF_INET, .port = 1};
	struct hs_now now = {.mono_ns = 1000 * S};
	struct hs_peer *peer = NULL;
	uint8_t key[32] = {1};
	unsigned int n = 0;
	double worst = 0, start = seconds();

	hs_device_set_key(dev, &now, key);
	for (uint32_t i = 0; i < PEERS; i++) {
		key_of(i, key);
		peer = hs_peer_add(dev, key, NULL);
		assert_non_null(peer);
		hs_peer_set_endpoint(peer, &to);
		now.mono_ns += 100000; /* a configuration takes its time, timers spread */
		hs_peer_set_keepalive(peer, &now, 25);
	}
	print_message("# added in %.3f s, %zu bytes each\n", seconds() - start, sizeof(*peer));
	assert_true(dev->peers.by_key.n_chains >= PEERS);
	for (uint32_t i = 0; i < PEERS; i += 7) {
		key_of(i, key);
		assert_non_null(hs_peer_find(dev, key));
	}
	for (peer = NULL; (peer = hs_peers_next(&dev->peers, peer));)
		n++;
	assert_int_equal(n, PEERS);

	/* 100 s: four keepalives each, and bounded work at a time. */
	owner.keepalives = 0;
	start = seconds();
	for (uint64_t end = now.mono_ns + 100 * S; now.mono_ns < end;) {
		double t = seconds();
		unsigned int before = owner.keepalives;
		uint64_t due = hs_device_advance(dev, &now);

		t = seconds() - t;
		worst = t > worst ? t : worst;
		assert_true(owner.keepalives - before <= 64);
		if (due > now.mono_ns)
			now.mono_ns = due < end ? due : end;
	}
	assert_in_range(owner.keepalives, 4 * PEERS - PEERS / 100, 4 * PEERS);
	print_message("# 100 s with %u keepalives in %.3f s, worst turn %.6f s\n", owner.keepalives,
		      seconds() - start, worst);
	start = seconds();
	hs_device_free(dev);
	print_message("# freed in %.3f s\n", seconds() - start);
}

/* Indices of many handshakes at once: unique, found, and all gone in the end. */
static void test_many_indices(void **state)
{
	static struct hs_index entries[PEERS];
	struct cr_siphash_key key = {1, 2};
	uint64_t random = 0x1d;
	struct hs_peers t;

	assert_int_equal(hs_peers_init(&t, &key), 0);
	for (uint32_t i = 0; i < PEERS; i++) {
		uint32_t value;

		do {
			value = (uint32_t)unit_random(&random);
		} while (hs_index_find(&t, value));
		hs_index_insert(&t, &entries[i], NULL, value, HS_INDEX_KEYPAIR);
	}
	for (uint32_t i = 0; i < PEERS; i += 2)
		hs_index_remove(&t, &entries[i]);
	for (uint32_t i = 0; i < PEERS; i++)
		assert_ptr_equal(hs_index_find(&t, entries[i].value), i % 2 ? &entries[i] : NULL);
	for (uint32_t i = 0; i < PEERS; i++)
		hs_index_remove(&t, &entries[i]);
	assert_int_equal(t.by_index.n, 0);
	hs_peers_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_peers),
		cmocka_unit_test(test_many_indices),
	};

	return UNIT_RUN(tests);
}
