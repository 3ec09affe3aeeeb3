/*
 * Ethernet headers of a port's frames, with a tag (802.1Q) where the port is a VLAN. Header only,
 * any thread. All frames that wgdp builds get their header here; received ones: classify.c.
 */
#ifndef DATAPLANE_ETHERNET_H
#define DATAPLANE_ETHERNET_H

#include <stdint.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "dataplane/ip.h"
#include "dataplane/port.h"

#define DP_VLAN_BYTES	4
#define DP_VLAN_ID_MASK 0x0fff
#define DP_MACS_BYTES	12

/* Length of the Ethernet header of frames that leave by the port. */
static inline uint16_t dp_ethernet_bytes(const struct dp_port *port)
{
	return port->vlan == 0 ? DP_ETHER_BYTES : DP_ETHER_BYTES + DP_VLAN_BYTES;
}

/* Writes dp_ethernet_bytes() of header for an IPv4 or IPv6 packet to a next hop. */
static inline void dp_ethernet_write(uint8_t *frame, const struct dp_port *port,
				     const uint8_t mac[6], bool v4)
{
	memcpy(frame, mac, 6);
	memcpy(frame + 6, port->mac, 6);
	frame += DP_MACS_BYTES;
	if (port->vlan != 0) {
		dp_store_be16(frame, RTE_ETHER_TYPE_VLAN);
		dp_store_be16(frame + 2, port->vlan);
		frame += DP_VLAN_BYTES;
	}
	dp_store_be16(frame, v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
}

/* Linux's interface for a port with a VLAN has frames without its tag: this puts the tag into one
 * that is to leave. There is room: packets of ours have DP_HEADROOM_BYTES. Linux pads what is
 * shorter than a header. */
static inline void dp_ethernet_tag(struct rte_mbuf *m, uint16_t vlan)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *) - DP_VLAN_BYTES;

	memmove(frame, frame + DP_VLAN_BYTES, DP_MACS_BYTES);
	dp_store_be16(frame + DP_MACS_BYTES, RTE_ETHER_TYPE_VLAN);
	dp_store_be16(frame + DP_MACS_BYTES + 2, vlan);
	m->data_off = (uint16_t)(m->data_off - DP_VLAN_BYTES);
	m->data_len = (uint16_t)(m->data_len + DP_VLAN_BYTES);
	m->pkt_len += DP_VLAN_BYTES;
}

/* The other way: the frame has a tag. */
static inline void dp_ethernet_untag(struct rte_mbuf *m)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);

	memmove(frame + DP_VLAN_BYTES, frame, DP_MACS_BYTES);
	m->data_off = (uint16_t)(m->data_off + DP_VLAN_BYTES);
	m->data_len = (uint16_t)(m->data_len - DP_VLAN_BYTES);
	m->pkt_len -= DP_VLAN_BYTES;
}

#endif
