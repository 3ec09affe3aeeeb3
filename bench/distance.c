/* Two threads that hand a cache line to each other: see distance.h. */
#include "bench/distance.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#define ROUNDS 400

struct line {
	alignas(2 * RTE_CACHE_LINE_SIZE) _Atomic unsigned int turn; /* odd: the other one's */
};

static int answer(void *arg)
{
	struct line *line = arg;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		while (atomic_load_explicit(&line->turn, memory_order_acquire) != 2 * i + 1)
			;
		atomic_store_explicit(&line->turn, 2 * i + 2, memory_order_release);
	}
	return 0;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

double bench_distance_cycles(unsigned int lcore)
{
	uint64_t cycles[ROUNDS];
	struct line line = {0};

	rte_eal_remote_launch(answer, &line, lcore);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t begin = rte_rdtsc();

		atomic_store_explicit(&line.turn, 2 * i + 1, memory_order_release);
		while (atomic_load_explicit(&line.turn, memory_order_acquire) != 2 * i + 2)
			;
		cycles[i] = rte_rdtsc() - begin;
	}
	rte_eal_wait_lcore(lcore);
	qsort(cycles, ROUNDS, sizeof(cycles[0]), by_size);
	return (double)cycles[ROUNDS / 2];
}
