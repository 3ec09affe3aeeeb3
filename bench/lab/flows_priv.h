/*
 * What writing packets of flows (flows.c) and judging them (judge.c) share: where things are in
 * them, and their sums. Header only, one thread.
 */
#ifndef BENCH_LAB_FLOWS_PRIV_H
#define BENCH_LAB_FLOWS_PRIV_H

#include <assert.h>
#include <string.h>

#include "bench/lab/flows.h"
#include "dataplane/ip.h"

#define INSIDE_PORT 10000 /* the first one of the inside host */

/* struct lab_stamp.flow: number, bulk, way, trial. */
#define FLOW_NUMBER	0x003fffffu
#define FLOW_BULK	0x00400000u
#define FLOW_DECRYPT	0x00800000u
#define FLOW_TRIAL_BITS 24

static_assert(LAB_FLOWS_MAX <= FLOW_NUMBER, "numbers of flows in their place");
static_assert(LAB_WAYS == 2, "a bit for the way");

/* What stands behind each stamp. */
extern uint8_t lab_pattern[LAB_SIZE_MAX];

static inline unsigned int udp_off(const struct lab_stream *s)
{
	return lab_ip_bytes(s->ipv6);
}

static inline unsigned int stamp_off(const struct lab_stream *s)
{
	return udp_off(s) + DP_UDP_BYTES;
}

/* Addresses and ports, which lie behind each other in IPv4 and IPv6. */
static inline unsigned int tuple_off(const struct lab_stream *s)
{
	return s->ipv6 ? 8 : 12;
}

static inline unsigned int tuple_bytes(const struct lab_stream *s)
{
	return udp_off(s) + 4 - tuple_off(s);
}

/* The check of a stamp, which depends on this run and the length of its packet, too. */
static inline uint32_t check_of(const struct lab_stream *s, const struct lab_stamp *stamp,
				uint32_t ip_bytes)
{
	uint64_t x = s->secret ^ ((uint64_t)stamp->flow << 32 | stamp->sequence);

	x *= UINT64_C(0x9e3779b97f4a7c15);
	x ^= x >> 29;
	x += (uint64_t)ip_bytes << 32 | stamp->burst;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(x >> 32);
}

/* The UDP checksum of a packet, from sums that were made before. */
static inline uint16_t udp_sum(const struct lab_flow *f, const struct lab_size *size,
			       uint16_t udp_len, const struct lab_stamp *stamp)
{
	uint32_t sum = f->header_sum + 2u * htons(udp_len) + size->pattern_sum;
	uint16_t words[LAB_STAMP_BYTES / 2], folded;

	memcpy(words, stamp, sizeof(words));
	for (unsigned int i = 0; i < LAB_STAMP_BYTES / 2; i++)
		sum += words[i];
	folded = (uint16_t)~dp_sum_fold(sum);
	return folded == 0 ? UINT16_MAX : folded;
}

#endif
