/*
 * Outer headers of the tester: Ethernet, IP and UDP around WireGuard messages. A peer's is made
 * once, and copied with the lengths filled in. Header only, one thread.
 */
#ifndef BENCH_LAB_OUTER_H
#define BENCH_LAB_OUTER_H

#include <netinet/in.h>
#include <string.h>

#include <rte_ip.h>

#include "bench/lab/port.h"
#include "dataplane/ip.h"

static inline unsigned int lab_outer_bytes(bool ipv6)
{
	return LAB_ETHER_BYTES + lab_ip_bytes(ipv6) + DP_UDP_BYTES;
}

/* IP and UDP in a header of zeros, without lengths and checksums. */
static inline void lab_outer_address(uint8_t *header, const struct lab_address *from,
				     uint16_t from_port, const struct lab_address *to,
				     uint16_t to_port)
{
	bool ipv6 = to->family == AF_INET6;
	uint8_t *ip = header + LAB_ETHER_BYTES, *udp = ip + lab_ip_bytes(ipv6);

	if (ipv6) {
		ip[0] = 0x60;
		ip[6] = IPPROTO_UDP;
		ip[7] = 64;
		memcpy(ip + 8, from->bytes, 16);
		memcpy(ip + 24, to->bytes, 16);
	} else {
		ip[0] = 0x45;
		ip[8] = 64;
		ip[9] = IPPROTO_UDP;
		memcpy(ip + 12, from->bytes, 4);
		memcpy(ip + 16, to->bytes, 4);
	}
	dp_store_be16(udp, from_port);
	dp_store_be16(udp + 2, to_port);
}

/* The header of peer i, without the gateway's MAC address, lengths and checksums. */
static inline void lab_outer_make(const struct lab_port *port, uint32_t i, uint8_t *header)
{
	const struct lab_setup *setup = port->setup;
	struct lab_address from = lab_setup_peer_outer(setup, i);
	bool ipv6 = from.family == AF_INET6;

	memset(header, 0, lab_outer_bytes(ipv6));
	lab_port_write_ethernet(port, header, ipv6);
	lab_outer_address(header, &from, lab_setup_peer_port(setup, i),
			  &setup->gateway[LAB_OUTSIDE], setup->o.gateway_port);
}

/* Of a frame whose header is there: lengths, with a message of so many bytes that follows, and
 * IPv4's checksum. */
static inline void lab_outer_lengths(uint8_t *frame, bool ipv6, uint32_t bytes)
{
	uint8_t *ip = frame + LAB_ETHER_BYTES, *udp = ip + lab_ip_bytes(ipv6);

	dp_store_be16(udp + 4, (uint16_t)(DP_UDP_BYTES + bytes));
	if (ipv6) {
		dp_store_be16(ip + 4, (uint16_t)(DP_UDP_BYTES + bytes));
		return;
	}
	dp_store_be16(ip + 2, (uint16_t)(lab_ip_bytes(false) + DP_UDP_BYTES + bytes));
	dp_ipv4_set_sum(ip);
}

/* Before a message of so many bytes that follows in the frame. */
static inline void lab_outer_write(const struct lab_port *port, uint8_t *frame,
				   const uint8_t *header, bool ipv6, uint32_t bytes)
{
	memcpy(frame, header, lab_outer_bytes(ipv6));
	memcpy(frame, port->next_hop, 6);
	lab_outer_lengths(frame, ipv6, bytes);
}

/* When the message is complete: over IPv6 UDP must have a checksum, over IPv4 it has none. */
static inline void lab_outer_sum(uint8_t *frame, bool ipv6)
{
	uint8_t *ip = frame + LAB_ETHER_BYTES, *udp = ip + lab_ip_bytes(true);
	uint16_t sum;

	if (!ipv6)
		return;
	sum = rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)ip, udp);
	memcpy(udp + 6, &sum, sizeof(sum));
}

/* A WireGuard message in a frame from the gateway. */
struct lab_message {
	uint8_t *at;
	uint32_t bytes;
};

/*
 * Is the frame UDP from the gateway's address to one of ours, with at least 4 bytes in it? Sets
 * *message. What length says is within the frame is shown here.
 */
static inline bool lab_outer_parse(const struct lab_port *port, uint8_t *frame, uint32_t bytes,
				   struct lab_message *message)
{
	const struct lab_address *gateway = &port->setup->gateway[LAB_OUTSIDE];
	bool ipv6 = gateway->family == AF_INET6;
	uint32_t head = lab_outer_bytes(ipv6);
	uint8_t *ip = frame + LAB_ETHER_BYTES, *udp = ip + lab_ip_bytes(ipv6);
	uint32_t udp_len;

	if (bytes < head + 4 || memcmp(frame, port->mac, 6) != 0 ||
	    dp_load_be16(frame + 12) != (ipv6 ? 0x86dd : 0x0800) ||
	    (ipv6 ? ip[0] >> 4 != 6 : ip[0] != 0x45))
		return false;
	if (ip[ipv6 ? 6 : 9] != IPPROTO_UDP ||
	    memcmp(dp_ip_source(ip), gateway->bytes, ipv6 ? 16 : 4) != 0)
		return false;
	udp_len = dp_load_be16(udp + 4);
	if (udp_len < DP_UDP_BYTES + 4 || udp_len > bytes - head + DP_UDP_BYTES)
		return false;
	message->at = udp + DP_UDP_BYTES;
	message->bytes = udp_len - DP_UDP_BYTES;
	return true;
}

/* Which peer is a message to? UINT32_MAX: none. */
static inline uint32_t lab_outer_peer(const struct lab_port *port, const uint8_t *frame)
{
	const uint8_t *ip = frame + LAB_ETHER_BYTES;
	bool ipv6 = dp_ip_version(ip) == 6;
	struct lab_address to = {.family = ipv6 ? AF_INET6 : AF_INET};

	memcpy(to.bytes, dp_ip_destination(ip), ipv6 ? 16 : 4);
	return lab_setup_peer_at(port->setup, &to, dp_load_be16(ip + lab_ip_bytes(ipv6) + 2));
}

#endif
