/*
 * Receiving: one burst from this worker's queue of a port. Runs on workers. Nothing is looked at
 * here; see classify.c.
 */
#include "dataplane/stages.h"

#include <string.h>

#include <rte_ethdev.h>
#include <rte_prefetch.h>

unsigned int dp_rx(struct dp_worker *w, struct dp_port *port, struct dp_batch *b)
{
	b->n = 0;
	if (unlikely(w->id >= port->queues || dp_link_state(&port->link) == DP_LINK_GONE))
		return 0;
	b->n = rte_eth_rx_burst(port->eth_id, w->id, b->pkts, DP_BATCH_MAX);
	if (b->n == 0)
		return 0;
	dp_count(&w->counters.rx, b->n);
	dp_count(&w->port_counters[port->id].rx, b->n);
	for (unsigned int i = 0; i < b->n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(b->pkts[i], void *));
	for (unsigned int i = 0; i < b->n; i++) {
		struct dp_note *note = dp_note(b->pkts[i]);

		memset(note, 0, sizeof(*note));
		note->port_id = port->id;
	}
	return b->n;
}
