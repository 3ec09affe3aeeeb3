/*
 * The flow that an inner packet belongs to: which worker it goes to, and which of a peer's outer
 * source ports it leaves from. Header only, any thread.
 */
#ifndef DATAPLANE_FLOW_H
#define DATAPLANE_FLOW_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>

#include "dataplane/ip.h"

static inline uint64_t dp_flow_mix(uint64_t h, const void *p, size_t len)
{
	uint64_t v = 0;

	memcpy(&v, p, len);
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

/*
 * Over addresses, protocol and ports of a packet of len bytes; fragments of a packet go by
 * addresses and protocol. 0: not an IP packet (a keepalive has no bytes).
 */
static inline uint64_t dp_flow_hash(const uint8_t *ip, uint32_t len)
{
	uint32_t ports;
	uint8_t proto;
	uint64_t h;

	if (len >= DP_IPV4_MIN_BYTES && dp_ip_version(ip) == 4) {
		bool fragment = (dp_load_be16(ip + 6) & DP_IPV4_FRAGMENT) != 0;

		h = dp_flow_mix(0, ip + 12, 8);
		proto = ip[9];
		ports = fragment ? len : (ip[0] & 0xfu) * 4;
	} else if (len >= DP_IPV6_BYTES && dp_ip_version(ip) == 6) {
		h = 0;
		for (unsigned int i = 8; i < DP_IPV6_BYTES; i += 8)
			h = dp_flow_mix(h, ip + i, 8);
		proto = ip[6];
		ports = DP_IPV6_BYTES;
	} else {
		return 0;
	}
	h = dp_flow_mix(h, &proto, sizeof(proto));
	if ((proto == IPPROTO_TCP || proto == IPPROTO_UDP) && ports + 4 <= len)
		h = dp_flow_mix(h, ip + ports, 4);
	return h;
}

/*
 * Which of n_ports outer source ports an inner packet of len bytes leaves from, counted from the
 * listen port. Asked while the packet is in the clear.
 */
static inline uint8_t dp_flow_port(const uint8_t *ip, uint32_t len, uint16_t n_ports)
{
	if (likely(n_ports <= 1))
		return 0;
	return (uint8_t)((uint64_t)(uint32_t)dp_flow_hash(ip, len) * n_ports >> 32);
}

#endif
