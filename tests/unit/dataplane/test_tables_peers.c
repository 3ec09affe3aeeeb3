/*
 * Records of peers: references across chunks that come and go, drop counters that cost nothing
 * until they count, memory that comes back. What is used after it was given back is ASan's to find.
 */
#include "dataplane/peer.h"
#include "dataplane/peers.h"
#include "tests/unit/dataplane/rcu.h"
#include "tests/unit/unit.h"

#define MANY 20000u

static struct test_rcu rcu;
static struct dp_peers *t;
static struct dp_peer *peers[MANY];
static uint64_t refs[MANY];

static void start(void)
{
	rcu = test_rcu_new(1);
	t = dp_peers_new(rcu.reclaim);
	assert_non_null(t);
}

static void end(void)
{
	dp_peers_free(t);
	test_rcu_free(&rcu);
}

static void add(unsigned int i)
{
	static const struct dp_peer_rest zero;

	peers[i] = dp_peers_take(t);
	assert_non_null(peers[i]);
	refs[i] = peers[i]->ref;
	assert_true(refs[i] != 0 && (uintptr_t)peers[i] % 64 == 0);
	assert_null(atomic_load(&peers[i]->current));
	assert_null(atomic_load(&peers[i]->out));
	assert_memory_equal(peers[i]->rest, &zero, sizeof(zero));
	assert_null(dp_peers_by_ref(t, refs[i])); /* not before it is added */
	peers[i]->rest->tx_bytes = i;
	dp_peers_add(t, peers[i]);
	assert_ptr_equal(dp_peers_by_ref(t, refs[i]), peers[i]);
}

static void take_away(unsigned int i)
{
	dp_peers_remove(t, peers[i]);
	assert_null(dp_peers_by_ref(t, refs[i]));
	dp_peers_give_back(t, peers[i]);
	peers[i] = NULL;
}

/* The walk finds those that are known, once each. */
static void check_walk(void)
{
	size_t n = 0, known = 0;
	struct dp_peer *peer;
	uint32_t slot = 0;

	while ((peer = dp_peers_next(t, &slot)) != NULL) {
		assert_ptr_equal(peers[peer->rest->tx_bytes], peer);
		n++;
	}
	for (unsigned int i = 0; i < MANY; i++)
		known += peers[i] != NULL;
	assert_int_equal(n, known);
	assert_int_equal(dp_peers_count(t), known);
}

static void churn(void **state)
{
	uint64_t seed = 0x9ee5;

	(void)state;
	print_message("# seed 0x9ee5\n");
	start();
	for (unsigned int round = 0; round < 6; round++) {
		for (unsigned int turn = 0; turn < 3 * MANY; turn++) {
			unsigned int i = (unsigned int)(unit_random(&seed) % MANY);
			bool out = unit_random(&seed) % 8 < (round % 2 == 0 ? 1 : 7);

			if (out == (peers[i] == NULL))
				continue;
			if (out)
				take_away(i);
			else
				add(i);
			if (turn % 64 == 0)
				dp_reclaim_poll(rcu.reclaim);
			assert_true(peers[i] != NULL || dp_peers_by_ref(t, refs[i]) == NULL);
		}
		check_walk();
	}
	end();
	memset(peers, 0, sizeof(peers));
}

/* Chunks are given back, and an old reference finds nothing in one that is made anew. */
static void chunks_come_back(void **state)
{
	static uint64_t old[MANY];
	size_t bytes[2];

	(void)state;
	start();
	for (unsigned int round = 0; round < 3; round++) {
		bytes[0] = dp_peers_bytes(t);
		for (unsigned int i = 0; i < MANY; i++) {
			add(i);
			assert_true((uint32_t)refs[i] < MANY + 4096);
		}
		for (unsigned int i = 0; round > 0 && i < MANY; i++)
			assert_null(dp_peers_by_ref(t, old[i]));
		check_walk();
		bytes[1] = dp_peers_bytes(t);
		assert_in_range(bytes[1] - bytes[0], 0, 196 * MANY);
		memcpy(old, refs, sizeof(old));
		for (unsigned int i = 0; i < MANY; i++)
			take_away(i);
		while (dp_reclaim_poll(rcu.reclaim) > 0)
			;
		/* One is kept. */
		assert_in_range(dp_peers_bytes(t), 0, bytes[1] - 3 * 4096 * 168);
		for (unsigned int i = 0; i < MANY; i++)
			assert_null(dp_peers_by_ref(t, old[i]));
	}
	end();
}

static void drops(void **state)
{
	size_t bytes;

	(void)state;
	start();
	for (unsigned int i = 0; i < 4096; i++)
		add(i);
	bytes = dp_peers_bytes(t);
	atomic_fetch_add(&peers[7]->drops[DP_DROP_PEER_N - 1], 3);
	assert_int_equal(dp_peers_bytes(t), bytes + 4096);
	assert_int_equal(dp_counted(&peers[6]->drops[DP_DROP_PEER_N - 1]), 0);
	assert_int_equal(dp_counted(&peers[8]->drops[0]), 0);
	/* The next peer of this slot has dropped nothing. */
	take_away(7);
	add(7);
	assert_int_equal((uint32_t)refs[7], 7);
	for (unsigned int d = 0; d < DP_DROP_PEER_N; d++)
		assert_int_equal(dp_counted(&peers[7]->drops[d]), 0);
	/* Never known. */
	dp_peers_give_back(t, dp_peers_take(t));
	end();
	memset(peers, 0, sizeof(peers));
}

/* References that nobody was given. */
static void strange_references(void **state)
{
	static const uint64_t rows[] = {0,
					1,
					UINT64_C(1) << 32,
					UINT64_C(2) << 32,
					(UINT64_C(1) << 32) + 5000,
					(UINT64_C(1) << 32) + DP_PEERS_MAX - 1,
					(UINT64_C(1) << 32) + DP_PEERS_MAX,
					UINT64_MAX};

	(void)state;
	start();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_null(dp_peers_by_ref(t, rows[i]));
	add(0);
	assert_int_equal(refs[0], UINT64_C(1) << 32);
	take_away(0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_null(dp_peers_by_ref(t, rows[i]));
	end();
	dp_peers_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(churn),
		cmocka_unit_test(chunks_come_back),
		cmocka_unit_test(drops),
		cmocka_unit_test(strange_references),
	};

	return UNIT_RUN(tests);
}
