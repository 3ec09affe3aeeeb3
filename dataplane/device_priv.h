/* Inside of devices: finding one (device_find.c), setting it up and closing it (device.c). */
#ifndef DATAPLANE_DEVICE_PRIV_H
#define DATAPLANE_DEVICE_PRIV_H

#include "dataplane/device.h"

struct device_error {
	char *text;
	size_t size;
};

/* Writes the sentence, returns rc. */
__attribute__((format(printf, 3, 4))) int device_fail(const struct device_error *error, int rc,
						      const char *format, ...);

/* An inner packet of this size must fit a buffer with what is put around it, in one piece. */
int device_fits(const struct dp_device *d, uint16_t mtu, const struct rte_mempool *pool,
		const struct device_error *error);

/* The MTU that is wished for of a device that has one by itself. */
uint16_t device_mtu(const struct dp_device_wish *wish, uint16_t has);

/* By the form of the name: an interface that exists, a PCI address, a vdev, else an interface.
 * Sets eth_id, and for an interface shared, linux_ifindex and mtu. */
int device_find(struct dp_device *d, const struct dp_device_wish *wish,
		const struct rte_mempool *pool, const struct device_error *error);

/* Sets up so many queues, with the VLANs of d->port_by_vlan, and starts it; no locks. */
int device_run(struct dp_device *d, uint16_t rx_queues, uint16_t tx_queues,
	       struct rte_mempool *pool, const struct device_error *error);

/* Closes DPDK's device and undoes what open changed in Linux; all else of d stays. */
void device_let_go(struct dp_device *d);

#endif
