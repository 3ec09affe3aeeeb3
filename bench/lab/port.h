/*
 * A port of the tester: a device as the gateway's are (dataplane/device.h) with one queue each way,
 * the addresses that are answered for on its cable, and the gateway's MAC address there. One
 * thread.
 */
#ifndef BENCH_LAB_PORT_H
#define BENCH_LAB_PORT_H

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "bench/lab/setup.h"
#include "dataplane/device.h"

#define LAB_BURST_MAX	32
#define LAB_ETHER_BYTES 14

struct lab_port {
	enum lab_side side;
	const struct lab_setup *setup;
	struct rte_mempool *pool;
	struct dp_device device;
	bool open;
	/* Its transmit queue is at the same time the gateway's receive queue: what does not fit is
	 * what a gateway that is too slow loses. */
	bool ring;
	uint64_t refused; /* frames that did not fit, and were lost: counted if ring */
	bool resolved;	  /* next_hop is known */
	uint8_t mac[6];
	uint8_t next_hop[6]; /* the gateway's */
};

/* Opens and starts. 0 or -errno with a sentence in error. */
int lab_port_open(struct lab_port *p, enum lab_side side, const struct lab_setup *setup,
		  struct rte_mempool *pool, char *error, unsigned int error_size);
/* A port of zeros is allowed. */
void lab_port_close(struct lab_port *p);

const char *lab_port_name(enum lab_side side);
/* What the packets of the tunnel need on that cable. */
uint16_t lab_port_mtu(const struct lab_setup *setup, enum lab_side side);

/* 0, or -ENETDOWN with a sentence in error. */
int lab_port_check_link(const struct lab_port *p, char *error, unsigned int error_size);
/* Of hardware, in bits per second; 0: unknown. */
double lab_port_speed(const struct lab_port *p);

/* Up to LAB_BURST_MAX frames. */
static inline unsigned int lab_port_receive(struct lab_port *p, struct rte_mbuf **pkts)
{
	return rte_eth_rx_burst(p->device.eth_id, 0, pkts, LAB_BURST_MAX);
}

/* All frames are the port's then. Returns how many are sent: see ring. */
static inline unsigned int lab_port_send(struct lab_port *p, struct rte_mbuf **pkts, unsigned int n)
{
	unsigned int took = rte_eth_tx_burst(p->device.eth_id, 0, pkts, (uint16_t)n);

	if (took == n)
		return n;
	rte_pktmbuf_free_bulk(pkts + took, n - took);
	if (!p->ring)
		return took;
	p->refused += n - took;
	return n;
}

static inline void lab_ethernet_write(uint8_t *frame, const uint8_t to[6], const uint8_t from[6],
				      bool ipv6)
{
	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	frame[12] = ipv6 ? 0x86 : 0x08;
	frame[13] = ipv6 ? 0xdd : 0x00;
}

static inline void lab_port_write_ethernet(const struct lab_port *p, uint8_t *frame, bool ipv6)
{
	lab_ethernet_write(frame, p->next_hop, p->mac, ipv6);
}

/* A frame of so many zero bytes, or the shortest that there may be; NULL: no buffer is left. */
struct rte_mbuf *lab_port_frame(struct lab_port *p, unsigned int bytes);

/* Is the address one of ours there? */
bool lab_port_owns(const struct lab_port *p, const struct lab_address *a);

/* ---- neighbour.c ---- */

/* Asks for the gateway's MAC address, once. */
void lab_neighbour_ask(struct lab_port *p);
/* If a frame is ARP or neighbour discovery it is answered, or noted, and true is returned. */
bool lab_neighbour_input(struct lab_port *p, const uint8_t *frame, uint32_t bytes);

#endif
