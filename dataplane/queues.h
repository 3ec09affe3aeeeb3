/*
 * Which worker receives from which queue of a device, and sends to which: a pure function of what
 * there is. Control, before workers start; assign.c carries it out.
 *
 * A worker receives from at most one queue of a device, and each queue is received from by exactly
 * one worker, so that order within a flow holds. A device is served by the workers of its NUMA
 * node, by all if there are none or it has no node. With as many queues as those each has one; with
 * fewer, those get one that have the least to poll so far. Every worker can send to every device:
 * to a queue of its own if there are enough, else to one that it shares.
 */
#ifndef DATAPLANE_QUEUES_H
#define DATAPLANE_QUEUES_H

#include <stdbool.h>
#include <stdint.h>

#define DP_QUEUE_NONE UINT16_MAX

/* node -1: none or unknown. */
struct dp_queues_device {
	uint16_t rx_max, tx_max; /* at least 1 */
	int node;
};

struct dp_queues_plan {
	uint16_t rx_queues, tx_queues; /* to be set up */
	uint16_t pollers;	       /* workers that should have a receive queue each */
	bool far;		       /* has a node, and no worker is on it */
};

/* A worker and a device. */
struct dp_queues_pair {
	uint16_t rx; /* DP_QUEUE_NONE: it does not receive from it */
	uint16_t tx;
	bool tx_shared; /* another worker sends to the same queue */
	bool few;	/* receives from it, and others should but can't */
};

/*
 * Fills plans[n_devices] and pairs[n_devices * n_workers], device by device. nodes[n_workers]: of
 * the workers.
 */
void dp_queues_assign(const struct dp_queues_device *devices, unsigned int n_devices,
		      const int *nodes, unsigned int n_workers, struct dp_queues_plan *plans,
		      struct dp_queues_pair *pairs);

#endif
