/* Queues to workers: see queues.h. Control; no DPDK, no state. */
#include "dataplane/queues.h"

struct rows {
	const struct dp_queues_device *devices;
	unsigned int n_devices;
	const int *nodes;
	unsigned int n_workers;
	struct dp_queues_plan *plans;
	struct dp_queues_pair *pairs;
};

static struct dp_queues_pair *pair(const struct rows *r, unsigned int device, unsigned int worker)
{
	return &r->pairs[device * r->n_workers + worker];
}

static bool should_poll(const struct rows *r, unsigned int device, unsigned int worker)
{
	return r->plans[device].far || r->devices[device].node < 0 ||
	       r->nodes[worker] == r->devices[device].node;
}

static void count(const struct rows *r, unsigned int device)
{
	struct dp_queues_plan *plan = &r->plans[device];
	unsigned int on_node = 0;

	for (unsigned int w = 0; w < r->n_workers; w++)
		on_node += r->nodes[w] == r->devices[device].node;
	plan->far = r->devices[device].node >= 0 && on_node == 0;
	plan->pollers = (uint16_t)(plan->far || r->devices[device].node < 0 ? r->n_workers
									    : on_node);
	plan->rx_queues = plan->pollers < r->devices[device].rx_max ? plan->pollers
								    : r->devices[device].rx_max;
	plan->tx_queues = r->n_workers < r->devices[device].tx_max ? (uint16_t)r->n_workers
								   : r->devices[device].tx_max;
}

/* How many queues a worker has been given so far. */
static unsigned int load(const struct rows *r, unsigned int worker)
{
	unsigned int n = 0;

	for (unsigned int d = 0; d < r->n_devices; d++)
		n += pair(r, d, worker)->rx != DP_QUEUE_NONE;
	return n;
}

/* The one with the least to poll of those that should poll the device and do not yet. */
static unsigned int least_loaded(const struct rows *r, unsigned int device)
{
	unsigned int best = r->n_workers, best_load = UINT16_MAX;

	for (unsigned int w = 0; w < r->n_workers; w++) {
		unsigned int l = load(r, w);

		if (pair(r, device, w)->rx != DP_QUEUE_NONE || !should_poll(r, device, w) ||
		    l >= best_load)
			continue;
		best = w;
		best_load = l;
	}
	return best;
}

/* One for each, in the order of the workers. */
static void give_all(const struct rows *r, unsigned int device)
{
	uint16_t q = 0;

	for (unsigned int w = 0; w < r->n_workers; w++)
		if (should_poll(r, device, w))
			pair(r, device, w)->rx = q++;
}

static void give_few(const struct rows *r, unsigned int device)
{
	for (uint16_t q = 0; q < r->plans[device].rx_queues; q++) {
		struct dp_queues_pair *p = pair(r, device, least_loaded(r, device));

		p->rx = q;
		p->few = true;
	}
}

/* Worker 0 and 2 on queue 0, 1 on queue 1: only a queue with several is shared. */
static void give_tx(const struct rows *r, unsigned int device)
{
	uint16_t n = r->plans[device].tx_queues;

	for (unsigned int w = 0; w < r->n_workers; w++) {
		struct dp_queues_pair *p = pair(r, device, w);

		p->tx = (uint16_t)(w % n);
		p->tx_shared = w >= n || w + n < r->n_workers;
	}
}

void dp_queues_assign(const struct dp_queues_device *devices, unsigned int n_devices,
		      const int *nodes, unsigned int n_workers, struct dp_queues_plan *plans,
		      struct dp_queues_pair *pairs)
{
	const struct rows r = {devices, n_devices, nodes, n_workers, plans, pairs};

	for (unsigned int i = 0; i < n_devices * n_workers; i++)
		pairs[i] = (struct dp_queues_pair){.rx = DP_QUEUE_NONE};
	for (unsigned int d = 0; d < n_devices; d++) {
		count(&r, d);
		give_tx(&r, d);
	}
	/* First those where there is no choice. */
	for (unsigned int d = 0; d < n_devices; d++)
		if (plans[d].rx_queues == plans[d].pollers)
			give_all(&r, d);
	for (unsigned int d = 0; d < n_devices; d++)
		if (plans[d].rx_queues < plans[d].pollers)
			give_few(&r, d);
}
