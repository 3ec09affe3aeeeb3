/*
 * A port: an Ethernet device driven through DPDK. Opened by control before workers start, closed
 * after they end. A Linux interface name becomes net_af_packet and stays Linux's as well (shared);
 * a PCI address or a vdev string belongs to DPDK alone, and Linux gets a TAP for it.
 */
#ifndef DATAPLANE_PORT_H
#define DATAPLANE_PORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "dataplane/link.h"
#include "dataplane/port_bond.h"

#define DP_PORTS_MAX 32

struct dp_port {
	uint16_t id;	      /* index in struct dp */
	uint16_t eth_id;      /* DPDK's */
	uint16_t queues;      /* rx and tx queues; worker i uses queue i */
	_Atomic uint16_t mtu; /* greatest IP packet; control follows Linux, workers read */
	uint16_t mtu_max;     /* what it was opened for: buffers hold no more */
	bool shared;	      /* Linux keeps the interface and sees every frame itself */
	uint8_t mac[6];
	uint32_t linux_ifindex; /* its face in Linux: the interface itself, or the TAP; 0: none yet
				 */
	bool tx_udp_cksum;	/* hardware fills the outer UDP checksum */
	uint8_t gro_restore;	/* shared: receive offloads to turn on again; see port_linux.h */
	uint16_t mtu_restore;	/* shared: MTU to set again; 0: unchanged */
	bool made;		/* open has made the DPDK device, close removes it */
	struct dp_link link;
	struct dp_bond bond;
	char name[16];
	char device[260]; /* as configured */
	char driver[32];  /* DPDK's driver name */
};

/*
 * Opens and starts a device with `queues` queue pairs, its packets from pool. device: Linux name,
 * PCI address or vdev string; mtu 0: what it has. Returns 0 or -errno with a sentence in error
 * (what is wrong and what to do), and everything undone. For a shared device receive offloads that
 * merge packets (GRO, LRO) are turned off, and the interface is set up.
 */
int dp_port_open(struct dp_port *port, uint16_t id, const char *name, const char *device,
		 uint16_t mtu, uint16_t queues, struct rte_mempool *pool, char *error,
		 size_t error_size);
/* Stops, closes, undoes what open changed in Linux; but an interface that was set up stays up, for
 * addresses and routes may have come to depend on it. No worker may use it any more. */
void dp_port_close(struct dp_port *port);

#endif
