/*
 * Receiving: one burst from one of this worker's queues. Runs on workers. Nothing is looked at
 * here, so which of a device's ports a frame is for is not known yet: see classify.c.
 */
#include "dataplane/stages.h"

#include <rte_ethdev.h>
#include <rte_prefetch.h>

unsigned int dp_rx(struct dp_worker *w, struct dp_poll *poll, struct dp_batch *b)
{
	b->n = 0;
	if (unlikely(dp_link_state(&poll->device->link) == DP_LINK_GONE))
		return 0;
	b->n = rte_eth_rx_burst(poll->device->eth_id, poll->queue, b->pkts, DP_BATCH_MAX);
	if (b->n == 0)
		return 0;
	dp_count(&w->counters.rx, b->n);
	dp_count(&poll->rx, b->n);
	for (unsigned int i = 0; i < b->n; i++) {
		rte_prefetch0(rte_pktmbuf_mtod(b->pkts[i], void *));
		rte_prefetch0(dp_note(b->pkts[i]));
	}
	for (unsigned int i = 0; i < b->n; i++)
		dp_note_clear(dp_note(b->pkts[i]), poll->device->first_port);
	return b->n;
}
