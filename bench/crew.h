/*
 * A gateway in memory whose workers run, each on an lcore of its own, and a round of packets that
 * they take through the whole path: prepared by the workers, which then start together; taken to an
 * end when all packets have been sent; and looked at, whether they are what they have to be.
 */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/gateway.h"
#include "bench/packets.h"

/* Packets of a round for each queue that has some: about what a NIC's queues hold in all, in whole
 * batches and imix rounds. */
#define BENCH_QUEUE_PACKETS (20 * 96)

static_assert(BENCH_QUEUE_PACKETS % DP_BATCH_MAX == 0 && BENCH_QUEUE_PACKETS % 48 == 0,
	      "whole batches, whole imix rounds");

struct bench_member; /* a worker */

struct bench_crew {
	struct bench_gateway g;
	struct bench_member *members;
	unsigned int n_workers;
	unsigned int n_queues; /* that packets come to: those of a peer always come to the same */
};

/* Packet buffers that it needs. */
unsigned int bench_crew_buffers(unsigned int n_workers, unsigned int n_peers);
/* Sessions are good until then. The lcores from 0 on exist. 0, or -errno with a sentence in error.
 */
int bench_crew_open(struct bench_crew *c, unsigned int n_workers, unsigned int n_peers,
		    enum dp_spread_mode spread, bool offload, uint64_t until_ns, char *error,
		    size_t error_size);
/* A crew of zeros is allowed. */
void bench_crew_close(struct bench_crew *c);

/*
 * Main lcore. A round that leaves caches as they are after a round, and one of which *cycles is the
 * TSC cycles per packet, from the common start until the last packet has been sent. If the kernel
 * has let something else run on a worker's CPU meanwhile, another one is taken, some times;
 * *disturbed: in vain. NULL, or what went wrong.
 */
const char *bench_crew_run(struct bench_crew *c, const struct bench_load *load, double *cycles,
			   bool *disturbed);
/* Prints on standard error how packets ended that were not sent. After the run that lost them. */
void bench_crew_print_lost(const struct bench_crew *c);

#endif
