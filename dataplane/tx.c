/*
 * Sending, and every other ending of a packet on a worker. Frames are collected per port until the
 * end of the turn, and stay for the next one where another worker has the queue just then. Runs on
 * workers. The only file that calls rte_eth_tx_burst(), and the only one of the path that frees
 * packets. Endings that lead to control or Linux are in punt.c.
 */
#include "dataplane/stages.h"

#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

/* A port that is busy gets the tail of a burst again this many times; nothing waits for it. */
#define TX_TRIES 3
/* So often a queue is tried that another worker sends to just now: less time than its burst takes,
 * so that nothing waits for a worker that has been preempted. */
#define TX_LOCK_TRIES 16

static bool take_queue(struct dp_tx_queue *q)
{
	if (likely(!q->shared))
		return true;
	for (int i = 0; i < TX_LOCK_TRIES; i++) {
		if (rte_spinlock_trylock(&q->lock))
			return true;
		rte_pause();
	}
	return false;
}

static void leave_queue(struct dp_tx_queue *q)
{
	if (unlikely(q->shared))
		rte_spinlock_unlock(&q->lock);
}

static void empty(struct dp_worker *w, const struct dp_port *port, struct dp_batch *b)
{
	b->n = 0;
	w->tx_ports_used &= ~(UINT64_C(1) << port->id);
}

/* False: another worker has the queue; the packets stay. */
static bool flush(struct dp_worker *w, struct dp_port *port, struct dp_batch *b)
{
	struct dp_device *device = port->device;
	uint16_t queue = w->tx_queues[device->id], sent = 0;

	if (unlikely(dp_link_state(&device->link) != DP_LINK_UP)) {
		dp_drop(w, b->pkts, b->n, DP_DROP_link_down);
		empty(w, port, b);
		return true;
	}
	if (!take_queue(&device->tx[queue]))
		return false;
	for (int i = 0; i < TX_TRIES && sent < b->n; i++)
		sent += rte_eth_tx_burst(device->eth_id, queue, b->pkts + sent,
					 (uint16_t)(b->n - sent));
	leave_queue(&device->tx[queue]);
	dp_count(&w->counters.tx, sent);
	dp_count(&w->port_counters[port->id].tx, sent);
	dp_count(&w->tx_sent[device->id], sent);
	if (sent < b->n)
		dp_drop(w, b->pkts + sent, b->n - sent, DP_DROP_tx_full);
	empty(w, port, b);
	return true;
}

void dp_no_link(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n)
{
	dp_refuse(w, pkts, n, DP_DROP_link_down);
}

/* Frames for one port. busy: its queue was tried for this batch, and taken. Returns the same for
 * what comes after these. */
static bool collect(struct dp_worker *w, uint16_t port_id, struct rte_mbuf **pkts, unsigned int n,
		    bool busy)
{
	struct dp_port *port = w->dp->ports[port_id];
	struct dp_batch *out = &w->tx[port_id];
	unsigned int some;

	for (; n > 0; pkts += some, n -= some) {
		if (unlikely(out->n == DP_BATCH_MAX && (busy || !flush(w, port, out)))) {
			dp_drop(w, pkts, n, DP_DROP_tx_busy);
			return true;
		}
		some = RTE_MIN(n, (unsigned int)DP_BATCH_MAX - out->n);
		memcpy(&out->pkts[out->n], pkts, some * sizeof(pkts[0]));
		out->n = (uint16_t)(out->n + some);
		w->tx_ports_used |= UINT64_C(1) << port_id;
		if (out->n == DP_BATCH_MAX && !flush(w, port, out))
			busy = true;
	}
	return busy;
}

void dp_tx(struct dp_worker *w, struct dp_batch *b)
{
	uint64_t busy = 0; /* bits of ports */
	unsigned int end;

	for (unsigned int i = 0; i < b->n; i = end) {
		uint16_t port_id = dp_note(b->pkts[i])->port_id;

		end = i + 1;
		while (end < b->n && dp_note(b->pkts[end])->port_id == port_id)
			end++;
		if (unlikely(collect(w, port_id, &b->pkts[i], end - i, busy >> port_id & 1)))
			busy |= UINT64_C(1) << port_id;
	}
}

/* What stays for another turn may outlive what its notes name: RCU waits for one turn only. Should
 * it be dropped then, that is the worker's count alone. */
static void forget(const struct dp_batch *b)
{
	for (unsigned int i = 0; i < b->n; i++) {
		dp_note(b->pkts[i])->iface = NULL;
		dp_note(b->pkts[i])->peer = NULL;
	}
}

void dp_tx_flush(struct dp_worker *w)
{
	for (uint64_t left = w->tx_ports_used; left; left &= left - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(left);

		if (unlikely(!flush(w, w->dp->ports[i], &w->tx[i])))
			forget(&w->tx[i]);
	}
}

void dp_tx_finish(struct dp_worker *w)
{
	while (w->tx_ports_used)
		dp_tx_flush(w);
}

void dp_drop_count(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n, enum dp_drop reason)
{
	dp_count(&w->counters.drops[reason], n);
	for (unsigned int i = 0; i < n; i++) {
		const struct dp_note *note = dp_note(pkts[i]);

		if (note->iface)
			dp_count(&w->iface_counters[note->iface->id].drops[reason], 1);
		if (note->peer && (unsigned int)reason < DP_DROP_PEER_N)
			atomic_fetch_add_explicit(&note->peer->drops[reason], 1,
						  memory_order_relaxed);
	}
}

void dp_drop_counted(struct rte_mbuf **pkts, unsigned int n)
{
	rte_pktmbuf_free_bulk(pkts, n);
}

void dp_drop(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n, enum dp_drop reason)
{
	dp_drop_count(w, pkts, n, reason);
	rte_pktmbuf_free_bulk(pkts, n);
}

void dp_consume(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n)
{
	dp_count(&w->counters.consumed, n);
	rte_pktmbuf_free_bulk(pkts, n);
}

void dp_leave(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n)
{
	dp_count(&w->counters.punt, n);
	rte_pktmbuf_free_bulk(pkts, n);
}
