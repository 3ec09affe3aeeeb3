/* What work costs that a device leaves to workers, measured here and now. */
#ifndef CONTROL_CHECK_COSTS_H
#define CONTROL_CHECK_COSTS_H

#include <stdint.h>

#include "dataplane/device.h"

/* The inner packet that costs are told for. */
#define CTL_COST_PACKET_BYTES 1420

/* TSC cycles for one packet whose bytes are in the cache, as they are when a worker has just
 * encrypted it; 0: this lack makes no such work. Takes about a millisecond. */
uint64_t ctl_check_cost(enum dp_lack lack);

#endif
