/*
 * Whether a device can be used: up, without link, or gone (its device was pulled out, its Linux
 * interface deleted). Control follows it (control/link.c) and writes; workers read it before they
 * call the driver. Asking a device, letting go of it and taking a new one: device_link.c.
 */
#ifndef DATAPLANE_DEVICE_LINK_H
#define DATAPLANE_DEVICE_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mempool.h>

/* Up is 0, so a device that nobody follows is used. */
enum dp_link_state {
	DP_LINK_UP,
	DP_LINK_DOWN, /* frames for it are dropped here */
	DP_LINK_GONE, /* and the driver must not be called at all */
};

struct dp_link {
	_Atomic uint8_t state; /* enum dp_link_state; control writes, workers read */
	_Atomic bool removed;  /* DPDK's interrupt thread writes: the device was pulled out */
	uint32_t speed_mbps;   /* control; 0: unknown */
	uint64_t changes;      /* control; of the state */
	struct dp_bell *bell;  /* rung after removed was set; NULL: nobody's told */
	char watched[64];      /* device whose removal DPDK is asked to tell; "": none */
	uint16_t watched_eth_id;
};

/* Any thread. With acquire: what control wrote of a device that came back is seen. */
static inline enum dp_link_state dp_link_state(const struct dp_link *l)
{
	return (enum dp_link_state)atomic_load_explicit((_Atomic uint8_t *)&l->state,
							memory_order_acquire);
}

struct dp_bell;
struct dp_device;
struct dp_device_wish;

/* What follows is control's. */

/* As the device, or Linux, says now. */
struct dp_link_report {
	enum dp_link_state state;
	bool for_ever;	     /* down until it is closed and opened again */
	uint32_t speed_mbps; /* 0: unknown, or not up */
};
void dp_link_read(const struct dp_device *d, struct dp_link_report *report);

/* From now on sets removed and rings the bell if the device is pulled out. */
void dp_link_watch(struct dp_device *d, struct dp_bell *bell);

/* No more. */
void dp_link_unwatch(struct dp_device *d);

/* The device is gone, and all workers have passed since: closes what is left of it, which may take
 * a minute where the driver waits for hardware. What ports and workers stand on stays: names,
 * VLANs, numbers of queues and their locks. Any thread, if no other one opens or closes devices, or
 * reads this one, meanwhile. */
void dp_link_close(struct dp_device *d);

/*
 * Opens it anew and starts it with the queues that it had: dp_device_open() and dp_device_start()
 * in one; of one that is not shared the MTU stays. It stays gone for workers: its state is
 * published by the caller, after its ports were renewed (port.h). quietly: DPDK does not log what
 * fails, for it has before. 0 or -errno with a sentence in error.
 */
int dp_link_open(struct dp_device *d, const struct dp_device_wish *wish, struct rte_mempool *pool,
		 bool quietly, char *error, size_t error_size);

#endif
