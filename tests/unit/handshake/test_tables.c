/*
 * The tables of a device and the drawing of indices: growing and shrinking step by step against a
 * naive oracle, walks that remove, memory that is short; numbers that do not repeat and do not tell
 * what comes next. calloc is wrapped by the linker, to fail when told.
 */
#include <errno.h>

#include "handshake/peer.h"
#include "tests/unit/handshake/undraw.h"
#include "tests/unit/unit.h"

static bool fail_calloc;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	return fail_calloc ? NULL : __real_calloc(n, size);
}

/* ---- indices ---- */

#define MANY 300000u

static struct hs_index entries[MANY];
static bool in[MANY];

static uint32_t random_value(uint32_t i)
{
	uint32_t x = (i + 1) * UINT32_C(2654435761);

	return x ^ x >> 13;
}

static uint32_t crowded_value(uint32_t i)
{
	return i << 14 | i >> 18;
}

static void check_indices(const struct hs_peers *t, uint32_t (*value_of)(uint32_t i), uint32_t n)
{
	size_t n_in = 0;

	for (uint32_t i = 0; i < n; i++) {
		assert_ptr_equal(hs_index_find(t, value_of(i)), in[i] ? &entries[i] : NULL);
		n_in += in[i];
	}
	assert_int_equal(t->by_index.n, n_in);
}

/* So many turns, of which some insert and some remove; each takes a few steps at most. */
static void turn_indices(struct hs_peers *t, uint32_t (*value_of)(uint32_t i), uint32_t n,
			 unsigned int inserts_of_8, unsigned int turns, uint64_t *seed)
{
	while (turns-- > 0) {
		uint32_t i = (uint32_t)(unit_random(seed) % n);
		bool insert = unit_random(seed) >> 61 < inserts_of_8;
		size_t before = t->by_index.n_chains;

		if (insert == in[i])
			continue;
		if (insert)
			hs_index_insert(t, &entries[i], NULL, value_of(i), HS_INDEX_KEYPAIR);
		else
			hs_index_remove(t, &entries[i]);
		in[i] = insert;
		if (t->by_index.n > 0)
			assert_in_range(t->by_index.n_chains + 2, before, before + 3);
	}
}

static void test_indices(void **state)
{
	static const struct {
		uint32_t (*value_of)(uint32_t i);
		uint32_t n;
	} rows[] = {{random_value, MANY}, {crowded_value, 3000}, {random_value, 50}};
	struct cr_siphash_key key = {1, 2};
	uint64_t seed = 0x7ab1e;

	print_message("# seed 0x7ab1e\n");
	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		uint32_t n = rows[row].n;
		struct hs_peers t;

		memset(entries, 0, sizeof(entries));
		assert_int_equal(hs_peers_init(&t, &key), 0);
		for (unsigned int round = 0; round < 2; round++) {
			turn_indices(&t, rows[row].value_of, n, 7, 3 * n, &seed);
			check_indices(&t, rows[row].value_of, n);
			turn_indices(&t, rows[row].value_of, n, 1, 3 * n, &seed);
			check_indices(&t, rows[row].value_of, n);
			if (t.by_index.n > 2 * HS_CHAINS_MIN)
				assert_in_range(t.by_index.n_chains, t.by_index.n / 2,
						5 * t.by_index.n);
		}
		for (uint32_t i = 0; i < n; i++)
			hs_index_remove(&t, &entries[i]); /* those in no table as well */
		memset(in, 0, sizeof(in));
		check_indices(&t, rows[row].value_of, n);
		assert_int_equal(t.by_index.n_chains, HS_CHAINS_MIN);
		for (unsigned int i = 1; i < HS_CHAINS_SEGMENTS; i++)
			assert_null(t.by_index.segments[i]);
		hs_peers_fini(&t);
	}
}

/* ---- peers ---- */

#define PEERS 20000u

static struct hs_peer *peers;
static unsigned int seen[PEERS];

static void start_peers(struct hs_peers *t)
{
	struct cr_siphash_key key = {3, 4};

	assert_int_equal(hs_peers_init(t, &key), 0);
	peers = calloc(PEERS, sizeof(*peers));
	assert_non_null(peers);
	for (uint32_t i = 0; i < PEERS; i++) {
		memcpy(peers[i].public_key, &i, sizeof(i));
		hs_peers_add(t, &peers[i]);
	}
}

/* Each comes once, whatever has been removed behind. */
static void test_walk_that_removes(void **state)
{
	for (unsigned int left = 0; left < 3; left++) {
		struct hs_peers t;

		start_peers(&t);
		assert_true(t.by_key.n_chains >= PEERS);
		memset(seen, 0, sizeof(seen));
		for (struct hs_peer *p = hs_peers_next(&t, NULL), *next; p; p = next) {
			next = hs_peers_next(&t, p);
			seen[p - peers]++;
			if (left == 0 || (p - peers) % 64 >= left)
				hs_peers_remove(&t, p);
		}
		for (uint32_t i = 0; i < PEERS; i++) {
			bool stays = left > 0 && i % 64 < left;

			assert_int_equal(seen[i], 1);
			assert_ptr_equal(hs_peers_find(&t, peers[i].public_key),
					 stays ? &peers[i] : NULL);
		}
		/* Empty: all is given back. Else it shrinks as others are added. */
		if (left == 0)
			assert_int_equal(t.by_key.n_chains, HS_CHAINS_MIN);
		for (uint32_t i = 0; i < PEERS / 2; i++)
			if (left == 2 && i % 64 >= left)
				hs_peers_add(&t, &peers[i]);
		for (uint32_t i = 0; i < PEERS / 2; i++)
			if (left == 2 && i % 64 >= left)
				hs_peers_remove(&t, &peers[i]);
		assert_int_equal(t.by_key.n, left * (PEERS / 64) + (left ? left : 0));
		hs_peers_fini(&t);
		free(peers);
	}
}

static void test_peers_shrink(void **state)
{
	struct hs_peers t;

	start_peers(&t);
	for (uint32_t i = 100; i < PEERS; i++)
		hs_peers_remove(&t, &peers[i]);
	assert_true(t.by_key.n_chains >= PEERS);
	for (uint32_t i = 100; i < PEERS; i++) {
		hs_peers_add(&t, &peers[i]);
		hs_peers_remove(&t, &peers[i]);
	}
	assert_true(t.by_key.n_chains <= 4 * 100 + 1);
	assert_null(t.by_key.segments[6]);
	for (uint32_t i = 0; i < PEERS; i++)
		assert_ptr_equal(hs_peers_find(&t, peers[i].public_key),
				 i < 100 ? &peers[i] : NULL);
	hs_peers_fini(&t);
	free(peers);
}

static void test_out_of_memory(void **state)
{
	struct cr_siphash_key key = {5, 6};
	struct hs_peers t;

	fail_calloc = true;
	assert_int_equal(hs_peers_init(&t, &key), -ENOMEM);
	fail_calloc = false;
	start_peers(&t);
	hs_peers_fini(&t);
	assert_int_equal(hs_peers_init(&t, &key), 0);
	fail_calloc = true; /* it becomes slower, nothing else */
	for (uint32_t i = 0; i < 2000; i++)
		hs_peers_add(&t, &peers[i]);
	assert_int_equal(t.by_key.n_chains, HS_CHAINS_MIN);
	for (uint32_t i = 0; i < 3000; i++)
		assert_ptr_equal(hs_peers_find(&t, peers[i].public_key),
				 i < 2000 ? &peers[i] : NULL);
	fail_calloc = false; /* and catches up by one chain for each */
	for (uint32_t i = 2000; i < PEERS; i++)
		hs_peers_add(&t, &peers[i]);
	assert_int_equal(t.by_key.n_chains, HS_CHAINS_MIN + PEERS - 2000);
	for (uint32_t i = 0; i < PEERS; i++)
		assert_ptr_equal(hs_peers_find(&t, peers[i].public_key), &peers[i]);
	hs_peers_fini(&t);
	free(peers);
}

/* ---- drawing ---- */

#define DRAWN (1u << 21)

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t *drawn(uint64_t seed, uint32_t n)
{
	struct cr_siphash_key key;
	struct hs_draw d;
	uint32_t *numbers = malloc(DRAWN * sizeof(numbers[0]));

	assert_non_null(numbers);
	unit_random_fill(&seed, &key, sizeof(key));
	hs_draw_init(&d, &key, n);
	for (uint32_t i = 0; i < DRAWN; i++) {
		numbers[i] = hs_draw_next(&d);
		/* It can be inverted: a bijection. */
		if (i % 16 == 0)
			assert_int_equal(undraw(&d, numbers[i]), n + i);
	}
	return numbers;
}

static void test_drawn_once(void **state)
{
	uint32_t *numbers = drawn(0xd2a0, UINT32_MAX - 1000); /* the counter turns over */

	qsort(numbers, DRAWN, sizeof(numbers[0]), by_number);
	for (uint32_t i = 1; i < DRAWN; i++)
		assert_true(numbers[i - 1] < numbers[i]);
	free(numbers);
}

static void test_unpredictable(void **state)
{
	uint32_t *numbers = drawn(0xd2a1, 7), *others = drawn(0xd2a2, 7);
	unsigned int flips[32] = {0}, differ = 0;

	for (uint32_t i = 1; i < DRAWN; i++) {
		uint32_t flipped = numbers[i] ^ numbers[i - 1];

		for (unsigned int bit = 0; bit < 32; bit++)
			flips[bit] += flipped >> bit & 1;
		differ += numbers[i] != others[i];
	}
	/* Half of them, each bit: within 6 standard deviations of 724. */
	for (unsigned int bit = 0; bit < 32; bit++)
		assert_in_range(flips[bit], DRAWN / 2 - 4350, DRAWN / 2 + 4350);
	/* Another key, another order: the same at the same place by chance, 2^21 / 2^32. */
	assert_true(differ >= DRAWN - 4);
	/* No difference between neighbours comes often: 2^9 pairs of equal ones by chance. */
	for (uint32_t i = 0; i < DRAWN - 1; i++)
		others[i] = numbers[i + 1] - numbers[i];
	qsort(others, DRAWN - 1, sizeof(others[0]), by_number);
	for (uint32_t i = 4; i < DRAWN - 1; i++)
		assert_true(others[i] != others[i - 4]);
	free(numbers);
	free(others);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_indices),	     cmocka_unit_test(test_walk_that_removes),
		cmocka_unit_test(test_peers_shrink), cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_drawn_once),   cmocka_unit_test(test_unpredictable),
	};

	return UNIT_RUN(tests);
}
