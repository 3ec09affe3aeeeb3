/*
 * IPv4 and IPv6 headers as the stages need them: version, addresses, ECN (RFC 6040 as the Linux
 * kernel applies it), TTL, checksums, padding. Header only, any thread.
 * Whoever calls has proved that the fixed header is there.
 */
#ifndef DATAPLANE_IP_H
#define DATAPLANE_IP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

#include "dataplane/sum.h"
#include "handshake/wire.h"

#define DP_IPV4_MIN_BYTES   20
#define DP_IPV6_BYTES	    40
#define DP_ETHER_BYTES	    14
#define DP_UDP_BYTES	    8
#define DP_IPV4_FRAGMENT    0x3fff /* more fragments, and the offset */
#define DP_IPV4_DF	    0x4000
#define DP_ECN_MASK	    3
#define DP_IPV6_FRAGMENT_NH 44
#define DP_IPV6_HOP_BY_HOP  0

static inline uint16_t dp_load_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void dp_store_be16(uint8_t *p, uint16_t x)
{
	x = rte_cpu_to_be_16(x);
	memcpy(p, &x, sizeof(x));
}

static inline uint8_t dp_ip_version(const uint8_t *ip)
{
	return ip[0] >> 4;
}

static inline const uint8_t *dp_ip_source(const uint8_t *ip)
{
	return ip + (dp_ip_version(ip) == 4 ? 12 : 8);
}

static inline const uint8_t *dp_ip_destination(const uint8_t *ip)
{
	return ip + (dp_ip_version(ip) == 4 ? 16 : 24);
}

/* Of lengths that the compiler knows. */
static inline bool dp_same_address(const uint8_t *a, const uint8_t *b, int family)
{
	return family == AF_INET ? memcmp(a, b, 4) == 0 : memcmp(a, b, 16) == 0;
}

/*
 * The length that an IPv4 or IPv6 packet says it has, headers included; 0 if its first len bytes
 * can't be such a packet: no version, a header cut off or too short. Checked by the caller: that it
 * is not more than len.
 */
static inline uint32_t dp_ip_length(const uint8_t *ip, uint32_t len)
{
	uint32_t header, total;

	if (len >= DP_IPV4_MIN_BYTES && dp_ip_version(ip) == 4) {
		header = (ip[0] & 0xfu) * 4;
		total = dp_load_be16(ip + 2);
		return header < DP_IPV4_MIN_BYTES || total < header ? 0 : total;
	}
	if (len >= DP_IPV6_BYTES && dp_ip_version(ip) == 6)
		return (uint32_t)dp_load_be16(ip + 4) + DP_IPV6_BYTES;
	return 0;
}

/* May a packet be fragmented by a router? */
static inline bool dp_ip_may_fragment(const uint8_t *ip)
{
	return dp_ip_version(ip) == 4 && !(dp_load_be16(ip + 6) & DP_IPV4_DF);
}

/* ---- checksums ---- */

static inline bool dp_ipv4_sum_right(const uint8_t *ip, uint32_t header_bytes)
{
	uint64_t sum = dp_sum_20(ip);

	if (header_bytes > DP_IPV4_MIN_BYTES)
		sum += dp_sum(ip + DP_IPV4_MIN_BYTES, header_bytes - DP_IPV4_MIN_BYTES);
	return dp_sum_fold(sum) == UINT16_MAX;
}

/* Of a header without options, whose checksum field is zero. */
static inline void dp_ipv4_set_sum(uint8_t *ip)
{
	uint16_t sum = (uint16_t)~dp_sum_fold(dp_sum_20(ip));

	memcpy(ip + 10, &sum, sizeof(sum));
}

/* What belongs into the checksum field of a header without options that is like ip, in which TOS,
 * length, id and checksum are zero, but for these. */
static inline uint16_t dp_ipv4_sum_with(const uint8_t *ip, uint8_t tos, uint16_t total, uint16_t id)
{
	return (uint16_t)~dp_sum_fold(dp_sum_20(ip) + rte_cpu_to_be_16(tos) +
				      rte_cpu_to_be_16(total) + rte_cpu_to_be_16(id));
}

/* What belongs into the checksum field of UDP; headers_sum: of its pseudo header and of its header
 * without that field. */
static inline uint16_t dp_udp_sum(const uint8_t *payload, uint16_t len, uint32_t headers_sum)
{
	uint16_t sum = (uint16_t)~dp_sum_fold((uint64_t)headers_sum + dp_sum(payload, len));

	return sum == 0 ? UINT16_MAX : sum; /* 0 says that there is none */
}

/* RFC 1624: the header checksum after the 16-bit word at offset became word. */
static inline void dp_ipv4_replace(uint8_t *ip, unsigned int offset, uint16_t word)
{
	uint32_t sum = (uint16_t)~dp_load_be16(ip + 10);

	sum += (uint16_t)~dp_load_be16(ip + offset);
	sum += word;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	dp_store_be16(ip + offset, word);
	dp_store_be16(ip + 10, (uint16_t)~sum);
}

/* ---- TTL ---- */

/* Counts TTL or hop limit down for a packet that goes on. False: it is used up. */
static inline bool dp_ip_count_down(uint8_t *ip)
{
	uint32_t more;
	uint16_t sum;

	if (dp_ip_version(ip) == 6) {
		if (ip[7] <= 1)
			return false;
		ip[7]--;
		return true;
	}
	if (ip[8] <= 1)
		return false;
	/* TTL is the upper half of a word of the checksum. One less of it is one more of the
	 * checksum's upper half (RFC 1141), and what this carries comes in again below. */
	ip[8]--;
	memcpy(&sum, ip + 10, sizeof(sum));
	more = (uint32_t)sum + rte_cpu_to_be_16(0x100);
	sum = (uint16_t)(more + (more >= UINT16_MAX));
	memcpy(ip + 10, &sum, sizeof(sum));
	return true;
}

/* ---- ECN: 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE ---- */

static inline uint8_t dp_ip_ecn(const uint8_t *ip)
{
	return dp_ip_version(ip) == 4 ? ip[1] & DP_ECN_MASK : (ip[1] >> 4) & DP_ECN_MASK;
}

/* RFC 3168's full functionality: congestion that the inner packet has met stays inside. */
static inline uint8_t dp_ecn_outer(uint8_t inner)
{
	return inner == 3 ? 2 : inner;
}

/*
 * Inner ECN after decapsulation, [inner][outer]. Where RFC 6040 says drop (inner Not-ECT, outer CE)
 * the packet stays as it is, as in the Linux kernel: its peers set CE only on what they sent as
 * ECT, and a middlebox that does otherwise must not be able to stop traffic.
 */
static inline uint8_t dp_ecn_inner(uint8_t inner, uint8_t outer)
{
	static const uint8_t after[4][4] = {
		{0, 0, 0, 0},
		{1, 1, 1, 3},
		{2, 1, 2, 3},
		{3, 3, 3, 3},
	};

	return after[inner][outer];
}

/* A wrong IPv4 header checksum stays wrong. */
static inline void dp_ip_set_ecn(uint8_t *ip, uint8_t ecn)
{
	if (dp_ip_version(ip) == 4)
		dp_ipv4_replace(ip, 0, (uint16_t)((dp_load_be16(ip) & ~DP_ECN_MASK) | ecn));
	else
		ip[1] = (uint8_t)((ip[1] & ~(DP_ECN_MASK << 4)) | ecn << 4);
}

/* ---- padding ---- */

/* The length that an inner packet of len is padded to: a multiple of 16, but never over mtu because
 * of the padding (mtu 0: unknown). */
static inline uint32_t dp_padded(uint32_t len, uint32_t mtu)
{
	uint32_t last = mtu == 0 || len <= mtu ? len : len % mtu;
	uint32_t padded = (last + WG_PADDING_BYTES - 1) & ~(uint32_t)(WG_PADDING_BYTES - 1);

	if (mtu != 0 && padded > mtu)
		padded = mtu;
	return len + padded - last;
}

#endif
