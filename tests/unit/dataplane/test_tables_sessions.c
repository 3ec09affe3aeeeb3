/* Sessions: counters are reserved once each and never past the limit, also by threads at once; the
 * index table; what a new session holds. */
#include <pthread.h>

#include "dataplane/peer.h"
#include "dataplane/session.h"
#include "dataplane/sessions.h"
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
	assert_int_equal(s->rekey_receive_ns, 5 + WG_REKEY_ON_RECEIVE_NS);
	assert_int_equal(s->send_counter, 0);
	dp_session_free(s);
	s = new_session(&peer, 1);
	assert_true(s->rekey_send_ns == UINT64_MAX && s->rekey_receive_ns == UINT64_MAX);
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
	/* The same index on two interfaces, and some that share a chain. */
	const uint32_t indices[] = {5, 5 + (1u << 20), 5 + (1u << 21), 0, UINT32_MAX, 5};
	enum { N = sizeof(indices) / sizeof(indices[0]) };
	struct dp_sessions *t = dp_sessions_new();
	struct dp_session *s[N], *found[N];
	struct dp_iface *ifaces[N];

	(void)state;
	for (unsigned int i = 0; i < N; i++) {
		s[i] = new_session(i == N - 1 ? &p1 : &p0, indices[i]);
		ifaces[i] = s[i]->peer->iface;
		dp_sessions_insert(t, s[i]);
	}
	dp_sessions_lookup_bulk(t, ifaces, indices, found, N);
	for (unsigned int i = 0; i < N; i++) {
		assert_ptr_equal(found[i], s[i]);
		assert_ptr_equal(dp_sessions_lookup(t, ifaces[i], indices[i]), s[i]);
	}
	assert_null(dp_sessions_lookup(t, &wg1, 0));
	assert_null(dp_sessions_lookup(t, &wg0, 6));
	/* Out of the middle, the front and the end of the chain. */
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int out = (i + 1) % 4;

		dp_sessions_remove(t, s[out]);
		dp_sessions_remove(t, s[out]); /* not there: nothing happens */
		assert_null(dp_sessions_lookup(t, ifaces[out], indices[out]));
		dp_session_free(s[out]);
	}
	assert_ptr_equal(dp_sessions_lookup(t, &wg1, 5), s[5]);
	assert_ptr_equal(dp_sessions_lookup(t, &wg0, UINT32_MAX), s[4]);
	/* The two that are left are freed with the table. */
	dp_sessions_free(t);
	dp_sessions_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made),
		cmocka_unit_test(reserve_at_limit),
		cmocka_unit_test(reserve_by_threads),
		cmocka_unit_test(table),
	};

	return UNIT_RUN(tests);
}
