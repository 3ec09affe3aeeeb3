/* Which worker has which queue: tables of rows, and rules that hold for whatever there is. */
#include "dataplane/queues.h"
#include "tests/unit/unit.h"

#define DEVICES 4
#define WORKERS 8
#define ANY	(-1)
#define NONE	DP_QUEUE_NONE

struct row {
	const char *what;
	unsigned int n_devices, n_workers;
	struct dp_queues_device devices[DEVICES];
	int nodes[WORKERS];
	struct dp_queues_plan plans[DEVICES];
	uint16_t rx[DEVICES][WORKERS];
	uint16_t tx[DEVICES][WORKERS];
};

static const struct row rows[] = {
	{"one worker",
	 2,
	 1,
	 {{16, 16, ANY}, {1, 1, 0}},
	 {0},
	 {{1, 1, 1, false}, {1, 1, 1, false}},
	 {{0}, {0}},
	 {{0}, {0}}},
	{"a queue for each",
	 2,
	 3,
	 {{4, 3, ANY}, {3, 8, ANY}},
	 {0, 0, 0},
	 {{3, 3, 3, false}, {3, 3, 3, false}},
	 {{0, 1, 2}, {0, 1, 2}},
	 {{0, 1, 2}, {0, 1, 2}}},
	{"one queue each on two devices: different workers",
	 2,
	 2,
	 {{1, 1, ANY}, {1, 1, ANY}},
	 {0, 0},
	 {{1, 1, 2, false}, {1, 1, 2, false}},
	 {{0, NONE}, {NONE, 0}},
	 {{0, 0}, {0, 0}}},
	{"two queues for three workers, twice",
	 2,
	 3,
	 {{2, 2, ANY}, {2, 2, ANY}},
	 {0, 0, 0},
	 {{2, 2, 3, false}, {2, 2, 3, false}},
	 {{0, 1, NONE}, {1, NONE, 0}},
	 {{0, 1, 0}, {0, 1, 0}}},
	{"each node its own device",
	 2,
	 4,
	 {{8, 8, 0}, {8, 8, 1}},
	 {0, 1, 0, 1},
	 {{2, 4, 2, false}, {2, 4, 2, false}},
	 {{0, NONE, 1, NONE}, {NONE, 0, NONE, 1}},
	 {{0, 1, 2, 3}, {0, 1, 2, 3}}},
	{"a node without a worker",
	 1,
	 2,
	 {{8, 8, 1}},
	 {0, 0},
	 {{2, 2, 2, true}},
	 {{0, 1}},
	 {{0, 1}}},
	{"few queues go to those that have less to poll",
	 3,
	 3,
	 {{1, 1, ANY}, {8, 8, 1}, {1, 1, 0}},
	 {0, 1, 0},
	 {{1, 1, 3, false}, {1, 3, 1, false}, {1, 1, 2, false}},
	 {{0, NONE, NONE}, {NONE, 0, NONE}, {NONE, NONE, 0}},
	 {{0, 0, 0}, {0, 1, 2}, {0, 0, 0}}},
	{"receive queues and none to send for each",
	 1,
	 4,
	 {{4, 1, ANY}},
	 {0, 0, 0, 0},
	 {{4, 1, 4, false}},
	 {{0, 1, 2, 3}},
	 {{0, 0, 0, 0}}},
};

static unsigned int users(const struct dp_queues_pair *pairs, unsigned int n, uint16_t tx)
{
	unsigned int count = 0;

	for (unsigned int w = 0; w < n; w++)
		count += pairs[w].tx == tx;
	return count;
}

static void table(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct dp_queues_pair pairs[DEVICES * WORKERS];
		struct dp_queues_plan plans[DEVICES];

		print_message("# %s\n", r->what);
		dp_queues_assign(r->devices, r->n_devices, r->nodes, r->n_workers, plans, pairs);
		for (unsigned int d = 0; d < r->n_devices; d++) {
			const struct dp_queues_pair *of = &pairs[d * r->n_workers];

			assert_int_equal(plans[d].rx_queues, r->plans[d].rx_queues);
			assert_int_equal(plans[d].tx_queues, r->plans[d].tx_queues);
			assert_int_equal(plans[d].pollers, r->plans[d].pollers);
			assert_int_equal(plans[d].far, r->plans[d].far);
			for (unsigned int w = 0; w < r->n_workers; w++) {
				assert_int_equal(of[w].rx, r->rx[d][w]);
				assert_int_equal(of[w].tx, r->tx[d][w]);
			}
		}
	}
}

/* Whatever there is: each queue has one that receives, and may be sent to by all that should. */
static void rules(void **state)
{
	uint64_t seed = 11;

	for (unsigned int round = 0; round < 20000; round++) {
		unsigned int n_devices = 1 + unit_random(&seed) % DEVICES;
		unsigned int n_workers = 1 + unit_random(&seed) % WORKERS;
		struct dp_queues_pair pairs[DEVICES * WORKERS];
		struct dp_queues_plan plans[DEVICES];
		struct dp_queues_device devices[DEVICES];
		int nodes[WORKERS];

		for (unsigned int d = 0; d < n_devices; d++)
			devices[d] = (struct dp_queues_device){
				.rx_max = (uint16_t)(1 + unit_random(&seed) % 10),
				.tx_max = (uint16_t)(1 + unit_random(&seed) % 10),
				.node = (int)(unit_random(&seed) % 3) - 1};
		for (unsigned int w = 0; w < n_workers; w++)
			nodes[w] = (int)(unit_random(&seed) % 2);
		dp_queues_assign(devices, n_devices, nodes, n_workers, plans, pairs);
		for (unsigned int d = 0; d < n_devices; d++) {
			const struct dp_queues_pair *of = &pairs[d * n_workers];
			unsigned int receivers = 0;
			uint64_t seen = 0;

			assert_in_range(plans[d].rx_queues, 1, devices[d].rx_max);
			assert_in_range(plans[d].tx_queues, 1, devices[d].tx_max);
			for (unsigned int w = 0; w < n_workers; w++) {
				assert_true(of[w].tx < plans[d].tx_queues);
				assert_int_equal(of[w].tx_shared,
						 users(of, n_workers, of[w].tx) > 1);
				if (of[w].rx == NONE) {
					assert_false(of[w].few);
					continue;
				}
				assert_false(seen >> of[w].rx & 1);
				seen |= UINT64_C(1) << of[w].rx;
				receivers++;
				assert_int_equal(of[w].few, plans[d].rx_queues < plans[d].pollers);
				assert_true(plans[d].far || devices[d].node == ANY ||
					    nodes[w] == devices[d].node);
			}
			assert_int_equal(receivers, plans[d].rx_queues);
			assert_int_equal(seen, (UINT64_C(1) << plans[d].rx_queues) - 1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(rules),
	};

	return UNIT_RUN(tests);
}
