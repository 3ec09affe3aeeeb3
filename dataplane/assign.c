/*
 * Devices start with the queues that queues.c gives to the workers. Control, before workers run.
 */
#include "dataplane/assign.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/queues.h"

struct rte_mempool *dp_pool_near(const struct dp *dp, int node)
{
	struct rte_mempool *pool = NULL;

	if (node >= 0 && node < RTE_MAX_NUMA_NODES)
		pool = dp->pools[node];
	return pool != NULL ? pool : dp->pool;
}

static void plan(const struct dp *dp, struct dp_queues_plan *plans, struct dp_queues_pair *pairs)
{
	struct dp_queues_device devices[DP_DEVICES_MAX];
	int nodes[DP_WORKERS_MAX];

	for (unsigned int d = 0; d < dp->n_devices; d++)
		devices[d] = (struct dp_queues_device){.rx_max = dp->devices[d]->rx_queues_max,
						       .tx_max = dp->devices[d]->tx_queues_max,
						       .node = dp->devices[d]->node};
	for (unsigned int w = 0; w < dp->n_workers; w++)
		nodes[w] = dp->workers[w]->node;
	dp_queues_assign(devices, dp->n_devices, nodes, dp->n_workers, plans, pairs);
}

/* Of one worker and one device that runs. */
static void give(struct dp_worker *w, struct dp_device *device, const struct dp_queues_pair *pair)
{
	w->tx_queues[device->id] = pair->tx;
	if (pair->tx_shared)
		device->tx[pair->tx].shared = true;
	if (pair->rx == DP_QUEUE_NONE)
		return;
	w->polls[w->n_polls].device = device;
	w->polls[w->n_polls++].queue = pair->rx;
	/* Without RSS one worker may get all, however many poll. */
	w->for_others |= pair->few || (device->pollers > 1 && !device->rss);
}

/*
 * NICs keep a buffer for each descriptor, and each worker some for itself: with no more than these
 * nothing would be received any more as soon as all of them are there.
 */
static int check_buffers(const struct dp *dp, const struct rte_mempool *pool, char *error,
			 size_t error_size)
{
	uint64_t need = (uint64_t)dp->n_workers * pool->cache_size * 3 / 2 + DP_RING_PKTS;

	for (unsigned int d = 0; d < dp->n_devices; d++) {
		const struct dp_device *device = dp->devices[d];

		if (device->pci && dp_pool_near(dp, device->node) == pool)
			need += device->ring_pkts;
	}
	if (need <= pool->size)
		return 0;
	snprintf(error, error_size,
		 "%u packet buffers are too few for the queues of the ports and %u workers: set "
		 "packet-buffers to %lu or more",
		 pool->size, dp->n_workers, (unsigned long)need);
	return -ENOBUFS;
}

int dp_start_devices(struct dp *dp, char *error, size_t error_size)
{
	struct dp_queues_pair *pairs = calloc((size_t)DP_DEVICES_MAX * dp->n_workers,
					      sizeof(*pairs));
	struct dp_queues_plan plans[DP_DEVICES_MAX] = {0};
	int rc = 0;

	if (pairs == NULL) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	plan(dp, plans, pairs);
	for (unsigned int d = 0; d < dp->n_devices && rc == 0; d++) {
		struct dp_device *device = dp->devices[d];

		device->pollers = plans[d].pollers;
		device->far = plans[d].far;
		if (device->rx_queues == 0)
			rc = dp_device_start(device, plans[d].rx_queues, plans[d].tx_queues,
					     dp_pool_near(dp, device->node), error, error_size);
		for (unsigned int w = 0; w < dp->n_workers && rc == 0; w++)
			give(dp->workers[w], device, &pairs[d * dp->n_workers + w]);
	}
	free(pairs);
	for (unsigned int d = 0; d < dp->n_devices && rc == 0; d++)
		if (dp->devices[d]->pci)
			rc = check_buffers(dp, dp_pool_near(dp, dp->devices[d]->node), error,
					   error_size);
	return rc;
}
