/* Starts the devices, and gives their queues to the workers as queues.h says. */
#ifndef DATAPLANE_ASSIGN_H
#define DATAPLANE_ASSIGN_H

#include <stddef.h>

#include "dataplane/worker.h"

/*
 * Control, once all of dp->devices are open (or wrapped: those run already) and before workers run.
 * Sets what each worker polls and where it sends. 0, or -errno with a sentence in error; devices
 * stay open then.
 */
int dp_start_devices(struct dp *dp, char *error, size_t error_size);

/* The packet buffers of a NUMA node, or the first ones if it has none. */
struct rte_mempool *dp_pool_near(const struct dp *dp, int node);

#endif
