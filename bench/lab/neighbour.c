/*
 * ARP and IPv6 neighbour discovery of the tester's ports: who asks for one of its addresses gets an
 * answer, and the gateway is asked for its own, now and then (receive.c). Where it is says its last
 * message.
 */
#include <assert.h>
#include <netinet/icmp6.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "bench/lab/port.h"

#define ND_BYTES     24 /* a solicitation or advertisement without options */
#define OPTION_BYTES 8
#define HOP_LIMIT    255
#define FLAGS_OFF    4
#define TARGET_OFF   8

/* The fields of ARP over Ethernet for IPv4. */
struct arp {
	struct rte_ether_hdr ethernet;
	struct rte_arp_hdr arp;
};

struct discovery {
	struct rte_ether_hdr ethernet;
	struct rte_ipv6_hdr ip;
	uint8_t icmp[ND_BYTES];
	uint8_t option[OPTION_BYTES];
};

static_assert(sizeof(struct arp) == 42 && sizeof(struct discovery) == 86, "no holes");

static void learn(struct lab_port *p, const struct lab_address *who, const uint8_t mac[6])
{
	const struct lab_address *gateway = &p->setup->gateway[p->side];

	if (who->family != gateway->family || memcmp(who->bytes, gateway->bytes, 16) != 0)
		return;
	memcpy(p->next_hop, mac, sizeof(p->next_hop));
	p->resolved = true;
}

static void send_one(struct lab_port *p, struct rte_mbuf *m)
{
	(void)lab_port_send(p, &m, 1);
}

/* ---- ARP ---- */

static struct lab_address ipv4(uint32_t address)
{
	struct lab_address a = {.family = AF_INET};

	memcpy(a.bytes, &address, sizeof(address));
	return a;
}

static uint32_t as_ipv4(const struct lab_address *a)
{
	uint32_t address;

	memcpy(&address, a->bytes, sizeof(address));
	return address;
}

static void send_arp(struct lab_port *p, uint16_t op, uint32_t from, uint32_t to,
		     const struct rte_ether_addr *to_mac)
{
	static const struct rte_ether_addr all = {{255, 255, 255, 255, 255, 255}};
	struct rte_mbuf *m = lab_port_frame(p, sizeof(struct arp));
	struct arp *a;

	if (!m)
		return;
	a = rte_pktmbuf_mtod(m, struct arp *);
	a->ethernet.dst_addr = to_mac ? *to_mac : all;
	memcpy(a->ethernet.src_addr.addr_bytes, p->mac, 6);
	a->ethernet.ether_type = htons(RTE_ETHER_TYPE_ARP);
	a->arp.arp_hardware = htons(RTE_ARP_HRD_ETHER);
	a->arp.arp_protocol = htons(RTE_ETHER_TYPE_IPV4);
	a->arp.arp_hlen = 6;
	a->arp.arp_plen = 4;
	a->arp.arp_opcode = htons(op);
	memcpy(a->arp.arp_data.arp_sha.addr_bytes, p->mac, 6);
	a->arp.arp_data.arp_sip = from;
	if (to_mac)
		a->arp.arp_data.arp_tha = *to_mac;
	a->arp.arp_data.arp_tip = to;
	send_one(p, m);
}

static void arp_input(struct lab_port *p, const uint8_t *frame, uint32_t bytes)
{
	struct lab_address from, target;
	struct arp a;

	if (bytes < sizeof(a))
		return;
	memcpy(&a, frame, sizeof(a));
	from = ipv4(a.arp.arp_data.arp_sip);
	target = ipv4(a.arp.arp_data.arp_tip);
	learn(p, &from, a.arp.arp_data.arp_sha.addr_bytes);
	if (a.arp.arp_opcode == htons(RTE_ARP_OP_REQUEST) && lab_port_owns(p, &target))
		send_arp(p, RTE_ARP_OP_REPLY, as_ipv4(&target), as_ipv4(&from),
			 &a.arp.arp_data.arp_sha);
}

/* ---- neighbour discovery ---- */

static void send_discovery(struct lab_port *p, uint8_t type, const uint8_t from[16],
			   const uint8_t to[16], const uint8_t to_mac[6], const uint8_t target[16])
{
	struct rte_mbuf *m = lab_port_frame(p, sizeof(struct discovery));
	struct discovery *d;
	uint16_t sum;

	if (!m)
		return;
	d = rte_pktmbuf_mtod(m, struct discovery *);
	memcpy(d->ethernet.dst_addr.addr_bytes, to_mac, 6);
	memcpy(d->ethernet.src_addr.addr_bytes, p->mac, 6);
	d->ethernet.ether_type = htons(RTE_ETHER_TYPE_IPV6);
	d->ip.vtc_flow = htonl(UINT32_C(6) << 28);
	d->ip.payload_len = htons(ND_BYTES + OPTION_BYTES);
	d->ip.proto = IPPROTO_ICMPV6;
	d->ip.hop_limits = HOP_LIMIT;
	memcpy(d->ip.src_addr, from, 16);
	memcpy(d->ip.dst_addr, to, 16);
	d->icmp[0] = type;
	if (type == ND_NEIGHBOR_ADVERT)
		d->icmp[FLAGS_OFF] = 0x60; /* solicited, override */
	memcpy(d->icmp + TARGET_OFF, target, 16);
	d->option[0] = type == ND_NEIGHBOR_ADVERT ? ND_OPT_TARGET_LINKADDR : ND_OPT_SOURCE_LINKADDR;
	d->option[1] = OPTION_BYTES / 8;
	memcpy(d->option + 2, p->mac, 6);
	sum = rte_ipv6_udptcp_cksum(&d->ip, d->icmp);
	memcpy(d->icmp + 2, &sum, sizeof(sum));
	send_one(p, m);
}

static bool unspecified(const uint8_t address[16])
{
	static const uint8_t none[16];

	return memcmp(address, none, sizeof(none)) == 0;
}

static void discovery_input(struct lab_port *p, const struct discovery *d, uint32_t bytes)
{
	struct lab_address target = {.family = AF_INET6}, from = {.family = AF_INET6};
	bool has_option = bytes >= sizeof(*d);

	memcpy(target.bytes, d->icmp + TARGET_OFF, 16);
	memcpy(from.bytes, d->ip.src_addr, 16);
	if (d->icmp[0] == ND_NEIGHBOR_ADVERT) {
		learn(p, &target,
		      has_option && d->option[0] == ND_OPT_TARGET_LINKADDR
			      ? d->option + 2
			      : d->ethernet.src_addr.addr_bytes);
		return;
	}
	if (unspecified(from.bytes) || !lab_port_owns(p, &target))
		return;
	learn(p, &from, d->ethernet.src_addr.addr_bytes);
	send_discovery(p, ND_NEIGHBOR_ADVERT, target.bytes, from.bytes,
		       d->ethernet.src_addr.addr_bytes, target.bytes);
}

bool lab_neighbour_input(struct lab_port *p, const uint8_t *frame, uint32_t bytes)
{
	struct discovery d;
	uint16_t type;

	if (bytes < sizeof(struct rte_ether_hdr))
		return false;
	type = (uint16_t)(frame[12] << 8 | frame[13]);
	if (type == RTE_ETHER_TYPE_ARP) {
		arp_input(p, frame, bytes);
		return true;
	}
	if (type != RTE_ETHER_TYPE_IPV6 || bytes < sizeof(d) - OPTION_BYTES)
		return false;
	memset(&d, 0, sizeof(d));
	memcpy(&d, frame, RTE_MIN((uint32_t)sizeof(d), bytes));
	if (d.ip.proto != IPPROTO_ICMPV6 || d.ip.hop_limits != HOP_LIMIT ||
	    (d.icmp[0] != ND_NEIGHBOR_SOLICIT && d.icmp[0] != ND_NEIGHBOR_ADVERT))
		return false;
	discovery_input(p, &d, bytes);
	return true;
}

void lab_neighbour_ask(struct lab_port *p)
{
	const struct lab_address *gateway = &p->setup->gateway[p->side];
	const struct lab_address *ours = &p->setup->tester[p->side];
	uint8_t group[16] = {0xff, 2, [11] = 1, [12] = 0xff};
	uint8_t mac[6] = {0x33, 0x33, 0xff};

	if (gateway->family == AF_INET) {
		send_arp(p, RTE_ARP_OP_REQUEST, as_ipv4(ours), as_ipv4(gateway), NULL);
		return;
	}
	memcpy(group + 13, gateway->bytes + 13, 3);
	memcpy(mac + 3, gateway->bytes + 13, 3);
	send_discovery(p, ND_NEIGHBOR_SOLICIT, ours->bytes, group, mac, gateway->bytes);
}
