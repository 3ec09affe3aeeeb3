/* Sessions: counters are reserved once each and never past the limit, also by threads at once; the
 * index table; what a new session holds. */
#include <pthread.h>

#include "dataplane/batch.h"
#include "dataplane/peer.h"
#include "dataplane/session.h"
#include "dataplane/sessions.h"
#include "tests/unit/dataplane/rcu.h"
#include "tests/unit/unit.h"

#define LIMIT WG_REJECT_AFTER_MESSAGES

static const uint8_t send_key[WG_KEY_BYTES] = {1, 2, 3};
static const uint8_t receive_key[WG_KEY_BYTES] = {4, 5, 6};

static struct dp_session *new_session(struct dp_peer *peer, uint32_t index)
{
	struct dp_session *s = dp_session_new(peer, send_key, receive_key, index, ~index, 1000,
					      false);

	assert_non_null(s);
	return s;
}

static void made(void **state)
{
	struct dp_peer peer = {0};
	struct dp_session *s = dp_session_new(&peer, send_key, receive_key, 7, 9, 5, true);

	(void)state;
	assert_memory_equal(s->send_key, send_key, WG_KEY_BYTES);
	assert_memory_equal(s->receive_key, receive_key, WG_KEY_BYTES);
	assert_ptr_equal(s->peer, &peer);
	assert_int_equal(s->local_index, 7);
	assert_int_equal(s->remote_index, 9);
	assert_int_equal(s->birth_ns, 5);
	assert_int_equal(s->rekey_send_ns, 5 + WG_REKEY_AFTER_NS);
	assert_int_equal(s->send_until_ns, 5 + WG_REJECT_AFTER_NS);
	assert_false(dp_session_old_to_receive(s, 4 + WG_REKEY_ON_RECEIVE_NS));
	assert_true(dp_session_old_to_receive(s, 5 + WG_REKEY_ON_RECEIVE_NS));
	assert_int_equal(s->send_counter, 0);
	dp_session_free(s);
	s = new_session(&peer, 1);
	assert_true(s->rekey_send_ns == UINT64_MAX);
	assert_false(dp_session_old_to_receive(s, 2 * WG_REJECT_AFTER_NS));
	dp_session_free(s);
	dp_session_free(NULL);
}

static void reserve_at_limit(void **state)
{
	static const struct {
		uint64_t at;
		unsigned int n, got;
	} rows[] = {
		{0, 1, 1},
		{0, 32, 32},
		{LIMIT - 33, 32, 32},
		{LIMIT - 32, 32, 32},
		{LIMIT - 31, 32, 31},
		{LIMIT - 1, 32, 1},
		{LIMIT - 1, 1, 1},
		{LIMIT, 1, 0},
		{LIMIT, 32, 0},
		{LIMIT + 1, 32, 0},
		{LIMIT + 4096, 32, 0},
		{UINT64_MAX, 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dp_session *s = new_session(NULL, 1);
		uint64_t first = 1234;

		atomic_store(&s->send_counter, rows[i].at);
		assert_int_equal(dp_session_reserve(s, rows[i].n, &first), rows[i].got);
		if (rows[i].got > 0)
			assert_true(first == rows[i].at);
		/* Past the limit it stays where it is, however often it is asked. */
		if (rows[i].at >= LIMIT) {
			for (unsigned int j = 0; j < 1000; j++)
				assert_int_equal(dp_session_reserve(s, 32, &first), 0);
			assert_true(s->send_counter == rows[i].at);
		}
		dp_session_free(s);
	}
}

/* ---- threads reserve up to the limit ---- */

#define THREADS 4
#ifndef HAMMERED
#define HAMMERED 300000u
#endif

static struct {
	struct dp_session *s;
	_Atomic uint8_t taken[HAMMERED];
	_Atomic unsigned int wrong, twice;
	_Atomic unsigned int ready;
} hammer;

static void *hammer_run(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg + 1, first = 0;

	atomic_fetch_add(&hammer.ready, 1);
	while (atomic_load(&hammer.ready) < THREADS)
		;
	for (;;) {
		unsigned int n = 1 + (unsigned int)(unit_random(&seed) % 32);
		unsigned int got = dp_session_reserve(hammer.s, n, &first);

		for (unsigned int i = 0; i < got; i++) {
			uint64_t at = first + i - (LIMIT - HAMMERED);

			if (at >= HAMMERED)
				atomic_fetch_add(&hammer.wrong, 1);
			else if (atomic_exchange(&hammer.taken[at], 1) != 0)
				atomic_fetch_add(&hammer.twice, 1);
		}
		if (got < n)
			return NULL;
	}
}

static void reserve_by_threads(void **state)
{
	pthread_t threads[THREADS];
	uint64_t first;

	(void)state;
	hammer.s = new_session(NULL, 1);
	atomic_store(&hammer.s->send_counter, LIMIT - HAMMERED);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer_run, (void *)i), 0);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(hammer.wrong, 0);
	assert_int_equal(hammer.twice, 0);
	for (unsigned int i = 0; i < HAMMERED; i++)
		assert_int_equal(hammer.taken[i], 1);
	assert_true(hammer.s->send_counter >= LIMIT);
	assert_true(hammer.s->send_counter < LIMIT + THREADS * 32);
	assert_int_equal(dp_session_reserve(hammer.s, 1, &first), 0);
	dp_session_free(hammer.s);
}

/* ---- the index table ---- */

static void table(void **state)
{
	struct dp_iface wg0 = {.id = 0}, wg1 = {.id = 1};
	struct dp_peer p0 = {.iface = &wg0}, p1 = {.iface = &wg1};
	/* The same index on two interfaces, and some that share a bucket. */
	const uint32_t indices[] = {5, 5 + (1u << 20), 5 + (1u << 21), 0, UINT32_MAX, 5};
	enum { N = sizeof(indices) / sizeof(indices[0]) };
	struct test_rcu rcu = test_rcu_new(1);
	struct dp_sessions *t = dp_sessions_new(rcu.reclaim);
	struct dp_session *s[N], *found[N];
	struct dp_iface *ifaces[N];

	(void)state;
	for (unsigned int i = 0; i < N; i++) {
		s[i] = new_session(i == N - 1 ? &p1 : &p0, indices[i]);
		ifaces[i] = s[i]->peer->iface;
		assert_int_equal(dp_sessions_insert(t, s[i]), 0);
	}
	assert_int_equal(dp_sessions_count(t), N);
	dp_sessions_lookup_bulk(t, ifaces, indices, found, N);
	for (unsigned int i = 0; i < N; i++) {
		assert_ptr_equal(found[i], s[i]);
		assert_ptr_equal(dp_sessions_lookup(t, ifaces[i], indices[i]), s[i]);
	}
	assert_null(dp_sessions_lookup(t, &wg1, 0));
	assert_null(dp_sessions_lookup(t, &wg0, 6));
	/* Out of the middle, the front and the end of those that share a bucket. */
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int out = (i + 1) % 4;

		dp_sessions_remove(t, s[out]);
		dp_sessions_remove(t, s[out]); /* not there: nothing happens */
		assert_null(dp_sessions_lookup(t, ifaces[out], indices[out]));
		dp_session_free(s[out]);
	}
	assert_int_equal(dp_sessions_count(t), 2);
	assert_ptr_equal(dp_sessions_lookup(t, &wg1, 5), s[5]);
	assert_ptr_equal(dp_sessions_lookup(t, &wg0, UINT32_MAX), s[4]);
	/* The two that are left are freed with the table. */
	dp_sessions_free(t);
	dp_sessions_free(NULL);
	test_rcu_free(&rcu);
}

/* ---- the table as it grows and shrinks ---- */

#ifndef CHURN
#define CHURN 200000u
#endif

/* The lines that a lookup reads; whole sessions would be 1280 bytes each. */
struct small {
	alignas(64) uint8_t bytes[128];
};

static_assert(offsetof(struct dp_session, initiator) < sizeof(struct small),
	      "what a lookup reads is in the first two lines");

static struct {
	struct test_rcu rcu;
	struct dp_sessions *t;
	struct dp_iface ifaces[2];
	struct small *sessions;
	bool *in; /* the oracle: which of them are in the table */
	unsigned int n, n_in;
} churn;

static struct dp_session *churn_session(unsigned int i)
{
	return (struct dp_session *)&churn.sessions[i];
}

/* Two in a row have the same index, on the one and the other interface. */
static void churn_start(unsigned int n, uint32_t (*index_of)(unsigned int i))
{
	memset(&churn, 0, sizeof(churn));
	churn.rcu = test_rcu_new(1);
	churn.t = dp_sessions_new(churn.rcu.reclaim);
	churn.sessions = aligned_alloc(64, n * sizeof(struct small));
	churn.in = calloc(n, sizeof(bool));
	assert_true(churn.t != NULL && churn.sessions != NULL && churn.in != NULL);
	memset(churn.sessions, 0, n * sizeof(struct small));
	churn.n = n;
	for (unsigned int i = 0; i < n; i++) {
		churn_session(i)->local_index = index_of(i / 2);
		churn_session(i)->iface = &churn.ifaces[i % 2];
	}
	rte_rcu_qsbr_thread_register(churn.rcu.rcu, 0);
	rte_rcu_qsbr_thread_online(churn.rcu.rcu, 0);
}

static void churn_turn(unsigned int i)
{
	if (churn.in[i])
		dp_sessions_remove(churn.t, churn_session(i));
	else
		assert_int_equal(dp_sessions_insert(churn.t, churn_session(i)), 0);
	churn.in[i] = !churn.in[i];
	churn.n_in += churn.in[i] ? 1 : -1u;
}

static void churn_check(unsigned int first, unsigned int n)
{
	struct dp_session *found[DP_BATCH_MAX];
	struct dp_iface *ifaces[DP_BATCH_MAX];
	uint32_t indices[DP_BATCH_MAX];

	for (unsigned int i = 0; i < n; i++) {
		unsigned int at = (first + i) % churn.n;

		indices[i] = churn_session(at)->local_index;
		ifaces[i] = &churn.ifaces[at % 2];
	}
	dp_sessions_lookup_bulk(churn.t, ifaces, indices, found, n);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int at = (first + i) % churn.n;
		struct dp_session *expected = churn.in[at] ? churn_session(at) : NULL;

		assert_ptr_equal(found[i], expected);
		assert_ptr_equal(dp_sessions_lookup(churn.t, ifaces[i], indices[i]), expected);
	}
}

static void churn_check_all(void)
{
	assert_int_equal(dp_sessions_count(churn.t), churn.n_in);
	for (unsigned int i = 0; i < churn.n; i += DP_BATCH_MAX)
		churn_check(i, DP_BATCH_MAX);
}

static size_t churn_poll(void)
{
	rte_rcu_qsbr_quiescent(churn.rcu.rcu, 0);
	return dp_reclaim_poll(churn.rcu.reclaim);
}

/* Turns at random, of which some insert and some remove, until so many are in. */
static void churn_towards(unsigned int n_in, uint64_t *seed)
{
	bool fill = n_in > churn.n_in;

	while (churn.n_in != n_in) {
		uint64_t x = unit_random(seed);
		unsigned int i = (unsigned int)(x % churn.n);

		/* One of nine goes back, but not when it is near. */
		if (churn.in[i] == fill &&
		    (x >> 61 != 0 || abs((int)(n_in - churn.n_in)) < (int)churn.n / 8))
			continue;
		churn_turn(i);
		/* Nobody passes for some time, then somebody does. */
		if ((x >> 32) % 64 == 0 && (x >> 48) % 256 < 200)
			churn_poll();
		if ((x >> 40) % 16 == 0)
			churn_check((unsigned int)(unit_random(seed) % churn.n), 8);
	}
}

static void churn_end(void)
{
	rte_rcu_qsbr_thread_offline(churn.rcu.rcu, 0);
	for (unsigned int i = 0; i < churn.n; i++)
		if (churn.in[i])
			dp_sessions_remove(churn.t, churn_session(i));
	dp_sessions_free(churn.t);
	test_rcu_free(&churn.rcu); /* what waits finds that the table has gone */
	free(churn.sessions);
	free(churn.in);
}

/* Each once, as indices are drawn. */
static uint32_t by_random(unsigned int i)
{
	uint32_t x = (i + 1) * UINT32_C(2654435761);

	x = (x ^ x >> 15) * UINT32_C(0x2c1b3c6d);
	return x ^ x >> 12;
}

static uint32_t by_sequence(unsigned int i)
{
	return i - 100; /* across zero */
}

static uint32_t by_high_bits(unsigned int i)
{
	return i << 20 | (i >> 12 & 0xf); /* 16 buckets, all of them crowded */
}

static void against_oracle(void **state)
{
	static const struct {
		uint32_t (*index_of)(unsigned int i);
		unsigned int n;
	} rows[] = {
		{by_random, CHURN},
		{by_sequence, CHURN / 4},
		{by_high_bits, CHURN / 20},
		{by_random, 100},
	};
	uint64_t seed = 0xc0ffee;

	(void)state;
	print_message("# seed %llu\n", (unsigned long long)seed);
	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		unsigned int n = rows[row].n;
		size_t bytes, buckets;

		churn_start(n, rows[row].index_of);
		bytes = dp_sessions_bytes(churn.t);
		buckets = dp_sessions_buckets(churn.t);
		for (unsigned int round = 0; round < 2; round++) {
			churn_towards(n - n / 8, &seed);
			churn_check_all();
			churn_towards(n / 4, &seed);
			churn_check_all();
			churn_towards(n / 2, &seed);
			while (churn_poll() > 0)
				;
			churn_check_all();
			/* About two to a bucket. */
			if (n >= 1000)
				assert_in_range(dp_sessions_buckets(churn.t), n / 4 - 1, n / 2);
			churn_towards(0, &seed);
			while (churn_poll() > 0)
				;
			churn_check_all();
			assert_int_equal(dp_sessions_buckets(churn.t), buckets);
			assert_int_equal(dp_sessions_bytes(churn.t), bytes);
		}
		churn_end();
	}
}

/* Nobody passes from the first to the last: all that is left behind waits, lookups stay right. */
static void never_cleaned(void **state)
{
	const unsigned int n = CHURN / 10;

	(void)state;
	churn_start(n, by_random);
	for (unsigned int i = 0; i < n; i++)
		churn_turn(i);
	assert_true(dp_sessions_buckets(churn.t) >= n / 2 - 1);
	churn_check_all();
	for (unsigned int i = 0; i < n; i += 2)
		churn_turn(i); /* each copy of them is taken out */
	churn_check_all();
	for (unsigned int i = 1; i < n; i += 2)
		churn_turn(i);
	churn_check_all();
	/* It can't shrink before what it left when it grew is cleared; then it does by itself. */
	while (churn_poll() > 0)
		;
	assert_int_equal(dp_sessions_buckets(churn.t), 64);
	churn_check_all();
	/* Freed while it waits, growing and shrinking. */
	for (unsigned int i = 0; i < n; i++)
		churn_turn(i);
	churn_end();
	for (unsigned int shrink = 0; shrink < 2; shrink++) {
		churn_start(n, by_random);
		for (unsigned int i = 0; i < n; i++)
			churn_turn(i);
		while (churn_poll() > 0)
			;
		for (unsigned int i = 0; i < (shrink ? n : 10); i++)
			churn_turn(i);
		churn_end();
	}
}

/* All sessions are freed with the table once, whatever copies of them there are. */
static void freed_with_table(void **state)
{
	static struct dp_peer peer;

	(void)state;
	for (unsigned int cleaned = 0; cleaned < 3; cleaned++) {
		struct test_rcu rcu = test_rcu_new(1);
		struct dp_sessions *t = dp_sessions_new(rcu.reclaim);
		struct dp_session *s[3000];

		for (uint32_t i = 0; i < 3000; i++) {
			s[i] = new_session(&peer, by_random(i));
			assert_int_equal(dp_sessions_insert(t, s[i]), 0);
		}
		while (cleaned > 0 && dp_reclaim_poll(rcu.reclaim) > 0)
			;
		/* Buckets beyond the end have copies. */
		for (uint32_t i = 0; cleaned == 2 && i < 2900; i++) {
			dp_sessions_remove(t, s[i]);
			dp_session_free(s[i]);
		}
		dp_sessions_free(t);
		test_rcu_free(&rcu);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made),
		cmocka_unit_test(reserve_at_limit),
		cmocka_unit_test(reserve_by_threads),
		cmocka_unit_test(table),
		cmocka_unit_test(against_oracle),
		cmocka_unit_test(never_cleaned),
		cmocka_unit_test(freed_with_table),
	};

	return UNIT_RUN(tests);
}
