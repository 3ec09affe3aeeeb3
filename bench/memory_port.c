/* Ports in memory of wgdp-bench: see memory_port.h. Receiving and sending run on workers. */
#include "bench/memory_port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

/* ---- what rte_eth_rx_burst() and rte_eth_tx_burst() call ---- */

static uint16_t receive(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct bench_memory_queue *q = queue;
	unsigned int got = RTE_MIN(n, q->n_waiting - q->received);

	if (got == 0)
		return 0;
	memcpy(pkts, q->waiting + q->received, got * sizeof(pkts[0]));
	q->received += got;
	return (uint16_t)got;
}

static uint16_t send_all(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct bench_memory_queue *q = queue;
	unsigned int at = atomic_load_explicit(&q->n_sent, memory_order_relaxed);
	unsigned int took = RTE_MIN(n, q->room - at);

	memcpy(q->sent + at, pkts, took * sizeof(pkts[0]));
	q->sent_tsc = rte_rdtsc();
	atomic_store_explicit(&q->n_sent, at + took, memory_order_release);
	return (uint16_t)took;
}

/* ---- open and close ---- */

static void *array(size_t n, size_t element)
{
	const size_t align = 2 * RTE_CACHE_LINE_SIZE;
	size_t bytes = (n * element + align - 1) / align * align;
	void *p = aligned_alloc(align, bytes);

	if (p)
		memset(p, 0, bytes);
	return p;
}

int bench_memory_port_open(struct bench_memory_port *port, uint16_t eth_id, unsigned int n_queues,
			   unsigned int room)
{
	struct rte_eth_fp_ops *ops = &rte_eth_fp_ops[eth_id];

	port->n_queues = n_queues;
	port->queues = array(n_queues, sizeof(port->queues[0]));
	port->pointers = array(n_queues, sizeof(port->pointers[0]));
	for (unsigned int i = 0; port->queues && port->pointers && i < n_queues; i++) {
		struct bench_memory_queue *q = &port->queues[i];

		q->waiting = array(room, sizeof(q->waiting[0]));
		q->sent = array(room, sizeof(q->sent[0]));
		q->room = room;
		port->pointers[i] = q->waiting && q->sent ? q : NULL;
	}
	for (unsigned int i = 0; i < n_queues; i++) {
		if (!port->queues || !port->pointers || !port->pointers[i]) {
			bench_memory_port_close(port);
			return -ENOMEM;
		}
	}
	/* Until the device is stopped: then DPDK puts its own here. */
	ops->rx_pkt_burst = receive;
	ops->rxq.data = port->pointers;
	ops->tx_pkt_burst = send_all;
	ops->txq.data = port->pointers;
	return 0;
}

void bench_memory_port_close(struct bench_memory_port *port)
{
	for (unsigned int i = 0; port->queues && i < port->n_queues; i++) {
		struct bench_memory_queue *q = &port->queues[i];

		for (unsigned int k = q->received; k < q->n_waiting; k++)
			rte_pktmbuf_free(q->waiting[k]);
		rte_pktmbuf_free_bulk(q->sent, bench_memory_sent(q));
		free(q->waiting);
		free(q->sent);
	}
	free(port->queues);
	free(port->pointers);
	memset(port, 0, sizeof(*port));
}
