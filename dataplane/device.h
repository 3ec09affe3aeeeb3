/*
 * A device: an Ethernet device driven through DPDK, with its queues. Ports of the gateway lie on
 * it, one without a tag and any number by VLAN (port.h). Control opens devices before workers
 * start, and closes them after they end. A Linux interface name becomes net_af_packet and stays
 * Linux's as well (shared); a PCI address or a vdev string belongs to DPDK alone.
 */
#ifndef DATAPLANE_DEVICE_H
#define DATAPLANE_DEVICE_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_mempool.h>
#include <rte_spinlock.h>

#include "dataplane/device_bond.h"
#include "dataplane/device_link.h"

#define DP_DEVICES_MAX 32
#define DP_VLANS       4096 /* ids of VLANs; 0: without a tag */
#define DP_NODE_ANY    (-1)

/* A transmit queue that several workers use has a lock, tried and never waited for: see tx.c. */
struct dp_tx_queue {
	alignas(RTE_CACHE_LINE_SIZE) rte_spinlock_t lock;
	bool shared;
};

/* Written by control before workers run, except where it says so, and when the device has gone and
 * comes back (device_link.h). */
struct dp_device {
	uint16_t id;			       /* index in struct dp */
	uint16_t eth_id;		       /* DPDK's */
	uint16_t rx_queues_max, tx_queues_max; /* what it has */
	uint16_t rx_queues, tx_queues;	       /* what is used; 0: not started */
	uint16_t pollers; /* workers that should each have a receive queue of it (assign.h) */
	uint16_t first_port;
	uint16_t n_ports;
	uint16_t mtu; /* greatest IP packet of any of its ports: buffers hold no more */
	int node;     /* NUMA node of a PCI device, DP_NODE_ANY: none or unknown */
	bool shared;  /* Linux keeps the interface and sees every frame itself */
	bool tagged;  /* it has a port with a VLAN */
	bool far;     /* on another node than any worker */
	/* what the hardware does; else we do it */
	bool tx_udp_cksum, tx_ipv4_cksum, rx_ipv4_cksum;
	bool rss;	/* received packets are spread over its queues by addresses */
	bool rss_ports; /* and by UDP ports */
	bool link_interrupt;
	bool vlan_filter;   /* it is told the VLANs of its ports and drops others itself */
	bool pci;	    /* its rings keep a packet buffer for each descriptor */
	uint32_t ring_pkts; /* descriptors of all its queues */
	bool made;	    /* open has made the DPDK device, close removes it */
	bool wrapped;	    /* close leaves it alone */
	uint8_t mac[6];
	uint8_t gro_restore;	/* shared: receive offloads to turn on again; see port_linux.h */
	uint16_t mtu_restore;	/* shared: MTU to set again; 0: unchanged */
	uint32_t linux_ifindex; /* shared: of the interface; else 0 */
	struct dp_tx_queue *tx; /* [tx_queues] */
	struct dp_link link;
	struct dp_bond bond;
	char port[16];			/* the first port's name, for messages */
	char device[260];		/* as configured */
	char driver[32];		/* DPDK's driver name */
	uint8_t port_by_vlan[DP_VLANS]; /* DP_NO_VLAN_PORT: frames of this VLAN are not ours */
};

#define DP_NO_VLAN_PORT UINT8_MAX

/* What a device is opened for. */
struct dp_device_wish {
	const char *port;   /* name of its first port */
	const char *device; /* Linux name, PCI address or vdev string */
	uint16_t mtu;	    /* 0: what it has */
	bool mtu_or_more;   /* also what it has if that is more: for ports that name none */
	uint16_t queues;    /* as many would be of use */
	bool tagged;	    /* frames may have a VLAN tag */
};

/*
 * Finds the device or makes it, and tells what it has; it does not run yet. pool: the packet
 * buffers that it has to do with. Returns 0 or -errno with a sentence in error (what is wrong and
 * what to do), and everything undone. For a shared device receive offloads that merge packets (GRO,
 * LRO) are turned off, and the interface is set up.
 */
int dp_device_open(struct dp_device *d, uint16_t id, const struct dp_device_wish *wish,
		   struct rte_mempool *pool, char *error, size_t error_size);
/* Starts it with so many queues (assign.h), received packets from pool, once its ports have been
 * made (port.h). As above, but the device stays open. */
int dp_device_start(struct dp_device *d, uint16_t rx_queues, uint16_t tx_queues,
		    struct rte_mempool *pool, char *error, size_t error_size);
/* Stops, closes, undoes what open changed in Linux; but an interface that was set up stays up, for
 * addresses and routes may have come to depend on it. No worker may use it any more. */
void dp_device_close(struct dp_device *d);

/* For tests and benches: a DPDK device that runs already, with so many queue pairs, filled evenly.
 * close() leaves it alone. 0 or -ENOMEM. */
int dp_device_wrap(struct dp_device *d, uint16_t id, uint16_t eth_id, uint16_t queues,
		   uint16_t mtu);

/*
 * What a device can lack, and what that means. One list: enum, names and texts are made from it.
 */
#define DP_LACKS(X)                                                                                \
	X(tx_udp_cksum, "no checksum of sent UDP packets: computed by the workers")                \
	X(tx_ipv4_cksum, "no checksum of sent IPv4 headers: computed by the workers")              \
	X(rx_ipv4_cksum, "no check of received IPv4 headers: done by the workers")                 \
	X(rss, "received packets are not spread over queues: one worker receives them all, and "   \
	       "shares out the ciphers' work when it is full")                                     \
	X(rss_ports, "received packets are spread by addresses, not by UDP ports: a worker "       \
		     "receives all tunnels of one remote address, and when it is full shares out " \
		     "the ciphers' work only if one of them is most of it")                        \
	X(rx_queues, "fewer receive queues than workers: some workers receive nothing from it, "   \
		     "and do ciphers' work for those that do when they are full")                  \
	X(tx_queues, "fewer transmit queues than workers: workers share them under a lock")        \
	X(node, "on another NUMA node than any worker: each packet crosses between nodes")         \
	X(link_interrupt, "no interrupt when the link changes: it is looked at now and then")

enum dp_lack {
#define DP_LACK_ENUM(name, text) DP_LACK_##name,
	DP_LACKS(DP_LACK_ENUM)
#undef DP_LACK_ENUM
		DP_LACK_N
};

const char *dp_lack_name(enum dp_lack l);
const char *dp_lack_text(enum dp_lack l);
/* Bits of enum dp_lack (1 << DP_LACK_rss ...) of an open device that n_workers would use. What
 * matters only with several workers is not lacking with one. */
uint32_t dp_device_lacks(const struct dp_device *d, unsigned int n_workers);

#endif
