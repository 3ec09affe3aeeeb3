/*
 * A cable in memory, to a gateway in the tester's own process: two rings, and at each end a device
 * of DPDK (net_ring) that sends into one and receives from the other. An end belongs to one thread;
 * each ring has one that puts in and one that takes out, and nobody waits for a lock. A full ring
 * is a receive queue that the other end does not empty in time: what comes then is lost.
 */
#ifndef BENCH_LAB_CABLE_H
#define BENCH_LAB_CABLE_H

#include <stdint.h>

#include <rte_ring.h>

#define LAB_CABLE_NAME_BYTES 32

enum lab_cable_end {
	LAB_TESTER_END,
	LAB_GATEWAY_END,
	LAB_CABLE_ENDS,
};

struct lab_cable {
	struct rte_ring *rings[LAB_CABLE_ENDS]; /* what that end receives */
	/* Of the devices, for dp_device_open(). */
	char devices[LAB_CABLE_ENDS][LAB_CABLE_NAME_BYTES];
	uint8_t macs[LAB_CABLE_ENDS][6];
};

/* One thread, which opens and closes the devices too. number: of the cable, for its MAC addresses.
 * 0 or -errno with a sentence in error, and everything undone. */
int lab_cable_open(struct lab_cable *c, uint8_t number, char *error, unsigned int error_size);
/* Both devices are closed. Frees packets that are still in it. A cable of zeros is allowed. */
void lab_cable_close(struct lab_cable *c);

#endif
