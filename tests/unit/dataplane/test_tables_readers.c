/*
 * Readers beside a writer that never rests: a prefix that moves between peers is never missed, a
 * session and a peer are whole or gone, and what readers may see is not freed. Built a second time
 * with ThreadSanitizer. The writer goes on when each reader has finished a lookup, so that this
 * says the same on any number of CPUs.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

#include "dataplane/allowed.h"
#include "dataplane/batch.h"
#include "dataplane/peer.h"
#include "dataplane/peers.h"
#include "dataplane/session.h"
#include "dataplane/sessions.h"
#include "dataplane/tries.h"
#include "tests/unit/dataplane/rcu.h"
#include "tests/unit/unit.h"

#define READERS 2
#ifndef ROUNDS
#define ROUNDS 5000
#endif

struct reader {
	pthread_t thread;
	unsigned int id;
	_Atomic uint64_t turns, wrong;
};

static struct {
	struct test_rcu rcu;
	struct dp_allowed *allowed;
	struct dp_sessions *sessions;
	struct dp_peers *peers;
	struct dp_peer a, b;
	struct dp_iface iface;
	_Atomic uint64_t ref; /* of the peer that is there just now, or was */
	_Atomic bool stop;
	struct reader readers[READERS];
	/* One turn of the reader; false: something was seen that never was. */
	bool (*read)(void);
} t;

static void *reader_run(void *arg)
{
	struct reader *r = arg;

	rte_rcu_qsbr_thread_register(t.rcu.rcu, r->id);
	rte_rcu_qsbr_thread_online(t.rcu.rcu, r->id);
	while (!atomic_load_explicit(&t.stop, memory_order_relaxed)) {
		if (!t.read())
			atomic_fetch_add(&r->wrong, 1);
		rte_rcu_qsbr_quiescent(t.rcu.rcu, r->id);
		atomic_fetch_add(&r->turns, 1);
		/* There may be fewer CPUs than threads. Not at the same place of a turn always. */
		if (atomic_load(&r->turns) % 3 == 0)
			sched_yield();
	}
	rte_rcu_qsbr_thread_offline(t.rcu.rcu, r->id);
	rte_rcu_qsbr_thread_unregister(t.rcu.rcu, r->id);
	return NULL;
}

/* Until each reader has finished a turn that was begun before. */
static void let_read(void)
{
	uint64_t before[READERS];

	for (unsigned int i = 0; i < READERS; i++)
		before[i] = atomic_load(&t.readers[i].turns);
	for (unsigned int i = 0; i < READERS; i++) {
		while (atomic_load(&t.readers[i].turns) == before[i])
			sched_yield();
	}
	dp_reclaim_poll(t.rcu.reclaim);
}

static void start(bool (*read)(void))
{
	memset(&t, 0, sizeof(t));
	t.rcu = test_rcu_new(READERS);
	t.read = read;
}

static void start_readers(void)
{
	for (unsigned int i = 0; i < READERS; i++) {
		t.readers[i].id = i;
		assert_int_equal(
			pthread_create(&t.readers[i].thread, NULL, reader_run, &t.readers[i]), 0);
	}
	let_read();
}

static void stop_readers(void)
{
	atomic_store(&t.stop, true);
	for (unsigned int i = 0; i < READERS; i++) {
		pthread_join(t.readers[i].thread, NULL);
		assert_true(t.readers[i].turns >= ROUNDS);
		assert_int_equal(t.readers[i].wrong, 0);
	}
	assert_int_equal(dp_reclaim_poll(t.rcu.reclaim), 0);
	test_rcu_free(&t.rcu);
}

/* ---- allowed-ips ---- */

static const uint8_t moved[] = {10, 1, 2, 0}, inside[] = {10, 1, 2, 3};

/* All of them are a's or b's at any time. */
static bool read_allowed(void)
{
	struct dp_peer *found[DP_BATCH_MAX], *one;
	struct dp_keys keys = {.v6 = 0};

	for (unsigned int i = 0; i < DP_BATCH_MAX; i++)
		dp_keys_put(&keys, i, AF_INET, inside);
	dp_allowed_lookup_bulk(t.allowed, &keys, dp_mask_of(DP_BATCH_MAX), found);
	for (unsigned int i = 0; i < DP_BATCH_MAX; i++) {
		if (found[i] != &t.a && found[i] != &t.b)
			return false;
	}
	one = dp_allowed_lookup(t.allowed, AF_INET, inside);
	return one == &t.a || one == &t.b;
}

static void allowed(void **state)
{
	struct dp_peer other = {0};
	uint64_t seed = 3;

	(void)state;
	start(read_allowed);
	t.allowed = dp_allowed_new(t.rcu.reclaim);
	assert_int_equal(dp_allowed_insert(t.allowed, AF_INET, moved, 24, &t.a), 0);
	/* A node at each bit of the way, so that lookups take their time. */
	for (unsigned int bit = 0; bit < 24; bit++) {
		uint8_t aside[4] = {10, 1, 2, 0};

		aside[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		assert_int_equal(dp_allowed_insert(t.allowed, AF_INET, aside, 32, &other), 0);
	}
	start_readers();
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint8_t above = (uint8_t)(unit_random(&seed) % (i % 2 == 0 ? 4 : 24));
		uint8_t below = (uint8_t)(25 + unit_random(&seed) % 8);
		uint8_t beside[4] = {10, 1, 2, (uint8_t)unit_random(&seed)};

		/* Moved by one store. */
		dp_allowed_insert(t.allowed, AF_INET, moved, 24, i % 2 == 0 ? &t.b : &t.a);
		/* Neighbours that split and join nodes around it. */
		dp_allowed_insert(t.allowed, AF_INET, beside, below, &t.b);
		let_read();
		dp_allowed_remove(t.allowed, AF_INET, beside, below, &t.b);
		/* Handed up to a shorter prefix, and back: never without one, although a lookup
		 * may have passed the shorter one's place before. */
		dp_allowed_insert(t.allowed, AF_INET, moved, above, &t.b);
		dp_allowed_remove(t.allowed, AF_INET, moved, 24, i % 2 == 0 ? &t.b : &t.a);
		let_read();
		dp_allowed_insert(t.allowed, AF_INET, moved, 24, &t.a);
		dp_allowed_remove(t.allowed, AF_INET, moved, above, &t.b);
		let_read();
	}
	assert_int_equal(dp_allowed_count(t.allowed), 1 + 24);
	stop_readers();
	dp_allowed_free(t.allowed);
}

/* ---- sessions ---- */

static const uint8_t key[WG_KEY_BYTES] = {7};
static struct dp_session *stays[3];
#define GOING 100u

/* Those that stay are always found, the one between them is whole or not there. */
static bool read_sessions(void)
{
	struct dp_iface *ifaces[4] = {&t.iface, &t.iface, &t.iface, &t.iface};
	const uint32_t bucket = UINT32_C(1) << 20;
	const uint32_t indices[4] = {GOING, GOING + bucket, GOING + 2 * bucket, GOING + 3 * bucket};
	struct dp_session *found[4];

	dp_sessions_lookup_bulk(t.sessions, ifaces, indices, found, 4);
	for (unsigned int i = 0; i < 3; i++) {
		if (found[i + 1] != stays[i] ||
		    dp_sessions_lookup(t.sessions, &t.iface, indices[i + 1]) != stays[i])
			return false;
	}
	return found[0] == NULL || (found[0]->receive_key[0] == 7 && found[0]->peer == &t.a);
}

static void free_session(void *arg)
{
	dp_session_free(arg);
}

static void sessions(void **state)
{
	(void)state;
	start(read_sessions);
	t.sessions = dp_sessions_new(t.rcu.reclaim);
	t.a.iface = &t.iface;
	for (uint32_t i = 0; i < 3; i++) {
		stays[i] = dp_session_new(&t.a, key, key, GOING + ((i + 1) << 20), 0, 0, true);
		assert_int_equal(dp_sessions_insert(t.sessions, stays[i]), 0);
	}
	start_readers();
	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct dp_session *s = dp_session_new(&t.a, key, key, GOING, 0, 0, true);
		struct dp_session *twin = dp_session_new(&t.a, key, key, GOING, 0, 0, true);

		assert_int_equal(dp_sessions_insert(t.sessions, s), 0);
		assert_int_equal(dp_sessions_insert(t.sessions, twin), 0);
		let_read();
		dp_sessions_remove(t.sessions, s);
		dp_sessions_remove(t.sessions, twin);
		dp_reclaim_later(t.rcu.reclaim, free_session, s);
		dp_reclaim_later(t.rcu.reclaim, free_session, twin);
		let_read();
	}
	stop_readers();
	dp_sessions_free(t.sessions);
}

/* ---- sessions while the table grows and shrinks ---- */

#define STAYING	  DP_BATCH_MAX
#define COMING	  1500u
#define PER_ROUND 12u

static struct dp_session *staying[STAYING];

/* A few bits of each kind: low ones choose the bucket, high ones the tag. */
static uint32_t scattered(uint32_t i)
{
	return i * UINT32_C(2654435761) ^ i << 7;
}

static bool read_staying(void)
{
	struct dp_iface *ifaces[STAYING];
	struct dp_session *found[STAYING];
	uint32_t indices[STAYING];

	for (uint32_t i = 0; i < STAYING; i++) {
		ifaces[i] = &t.iface;
		indices[i] = scattered(i);
	}
	dp_sessions_lookup_bulk(t.sessions, ifaces, indices, found, STAYING);
	return memcmp(found, staying, sizeof(found)) == 0;
}

static void resized(void **state)
{
	static struct dp_session *coming[COMING];
	uint32_t n = 0, least = UINT32_MAX, greatest = 0;
	bool grows = true;

	(void)state;
	start(read_staying);
	t.sessions = dp_sessions_new(t.rcu.reclaim);
	t.a.iface = &t.iface;
	for (uint32_t i = 0; i < STAYING; i++) {
		staying[i] = dp_session_new(&t.a, key, key, scattered(i), 0, 0, true);
		assert_int_equal(dp_sessions_insert(t.sessions, staying[i]), 0);
	}
	start_readers();
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint32_t buckets;

		for (unsigned int k = 0; k < PER_ROUND && grows && n < COMING; k++, n++) {
			coming[n] = dp_session_new(&t.a, key, key, scattered(STAYING + n), 0, 0,
						   true);
			assert_int_equal(dp_sessions_insert(t.sessions, coming[n]), 0);
		}
		for (unsigned int k = 0; k < PER_ROUND && !grows && n > 0; k++) {
			dp_sessions_remove(t.sessions, coming[--n]);
			dp_reclaim_later(t.rcu.reclaim, free_session, coming[n]);
		}
		let_read();
		buckets = (uint32_t)dp_sessions_buckets(t.sessions);
		least = buckets < least ? buckets : least;
		greatest = buckets > greatest ? buckets : greatest;
		grows = n == 0 || (grows && n < COMING);
	}
	assert_true(least == 64 && greatest > COMING / 3);
	stop_readers();
	dp_sessions_free(t.sessions);
}

/* ---- peers ---- */

/* The reference finds its own peer or none; slots are given to others all the time. */
static bool read_peers(void)
{
	uint64_t ref = atomic_load_explicit(&t.ref, memory_order_relaxed);
	const struct dp_peer *peer = dp_peers_by_ref(t.peers, ref);

	return peer == NULL || (peer->ref == ref && peer->iface == &t.iface);
}

static void give_back(void *arg)
{
	dp_peers_give_back(t.peers, arg);
}

static void peers(void **state)
{
	(void)state;
	start(read_peers);
	t.peers = dp_peers_new(t.rcu.reclaim);
	start_readers();
	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct dp_peer *peer = dp_peers_take(t.peers);

		assert_non_null(peer);
		peer->iface = &t.iface;
		dp_peers_add(t.peers, peer);
		atomic_store_explicit(&t.ref, peer->ref, memory_order_relaxed);
		let_read();
		dp_peers_remove(t.peers, peer);
		dp_reclaim_later(t.rcu.reclaim, give_back, peer);
	}
	let_read();
	let_read();
	stop_readers();
	dp_peers_free(t.peers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allowed),
		cmocka_unit_test(sessions),
		cmocka_unit_test(resized),
		cmocka_unit_test(peers),
	};

	return UNIT_RUN(tests);
}
