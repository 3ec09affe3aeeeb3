/*
 * A port whose packets are handed out of memory and taken into memory. It is a device of DPDK that
 * is set up and stopped as any other; what its queues receive and send, this does. The queues share
 * nothing, not even a cache line: DPDK's own net_ring has counters of neighbouring queues on one.
 */
#ifndef BENCH_MEMORY_PORT_H
#define BENCH_MEMORY_PORT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_mbuf.h>

/* Its worker's alone, but for what is said. CPUs fetch lines in pairs. */
struct bench_memory_queue {
	alignas(2 * RTE_CACHE_LINE_SIZE) struct rte_mbuf **waiting; /* to be received */
	unsigned int n_waiting, received;
	struct rte_mbuf **sent;
	_Atomic unsigned int n_sent; /* other workers look at it */
	unsigned int room;	     /* of waiting, and of sent */
	uint64_t sent_tsc;	     /* when the last one was sent */
};

struct bench_memory_port {
	struct bench_memory_queue *queues;
	unsigned int n_queues;
	void **pointers; /* to the queues: what DPDK passes to us */
};

/* Takes over the queues of a device that has been started. 0 or -ENOMEM. */
int bench_memory_port_open(struct bench_memory_port *port, uint16_t eth_id, unsigned int n_queues,
			   unsigned int room);
/* No worker runs any more. Frees the packets that are still there. A port of zeros is allowed. */
void bench_memory_port_close(struct bench_memory_port *port);

/* To be received next; the caller knows that there is room. By the worker of that queue. */
static inline void bench_memory_put(struct bench_memory_queue *q, struct rte_mbuf **pkts,
				    unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		q->waiting[q->n_waiting++] = pkts[i];
}

/* How many have been sent. Any thread. */
static inline unsigned int bench_memory_sent(const struct bench_memory_queue *q)
{
	return atomic_load_explicit((_Atomic unsigned int *)&q->n_sent, memory_order_acquire);
}

/* Forgets what was received, and what was sent: its packets are the caller's. By that worker. */
static inline void bench_memory_reset(struct bench_memory_queue *q)
{
	q->n_waiting = q->received = 0;
	atomic_store_explicit(&q->n_sent, 0, memory_order_relaxed);
}

#endif
