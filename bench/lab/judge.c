/* The tester's packets, judged when they come back, and counted: see flows.h. For each packet. */
#include <string.h>

#include <rte_prefetch.h>

#include "bench/lab/flows_priv.h"

/* Between the inside host and a UDP port of it: what no flow sent looks different. */
static bool looks_ours(const struct lab_stream *s, const uint8_t *ip)
{
	unsigned int address_bytes = s->ipv6 ? 16 : 4, far = s->way == LAB_DECRYPT;
	unsigned int off = tuple_off(s) + far * address_bytes;

	return ip[s->ipv6 ? 6 : 9] == IPPROTO_UDP &&
	       memcmp(ip + off, s->flows[0].header + off, address_bytes) == 0 &&
	       dp_load_be16(ip + udp_off(s) + 2 * far) >= INSIDE_PORT;
}

static const struct lab_size *size_of(const struct lab_stream *s, uint32_t ip_bytes)
{
	for (unsigned int i = 0; i < LAB_SIZES_MAX; i++)
		if (s->sizes[i].ip_bytes == ip_bytes)
			return &s->sizes[i];
	return NULL;
}

/* Is all as it was sent, but for what a router changes: TTL, ECN and the checksum of these? */
static bool unchanged(const struct lab_stream *s, const struct lab_flow *f, const uint8_t *ip,
		      const struct lab_size *size, const struct lab_stamp *stamp)
{
	uint16_t udp_len = (uint16_t)(size->ip_bytes - udp_off(s));
	const uint8_t *udp = ip + udp_off(s);
	uint16_t sum = udp_sum(f, size, udp_len, stamp);

	return ip[s->ipv6 ? 6 : 9] == IPPROTO_UDP &&
	       (s->ipv6 || dp_ipv4_sum_right(ip, DP_IPV4_MIN_BYTES)) &&
	       memcmp(ip + tuple_off(s), f->header + tuple_off(s), tuple_bytes(s)) == 0 &&
	       dp_load_be16(udp + 4) == udp_len && memcmp(udp + 6, &sum, sizeof(sum)) == 0 &&
	       memcmp(udp + DP_UDP_BYTES + LAB_STAMP_BYTES, lab_pattern,
		      udp_len - DP_UDP_BYTES - LAB_STAMP_BYTES) == 0;
}

enum lab_verdict lab_packet_judge(struct lab_stream *const streams[2],
				  const struct lab_arrived *packet, struct lab_stream **stream,
				  struct lab_stamp *stamp)
{
	struct lab_stream *s = streams[0];
	uint32_t total = dp_ip_length(packet->ip, packet->bytes);
	const struct lab_size *size;
	uint32_t number;

	if (packet->bytes < stamp_off(s) + LAB_STAMP_BYTES ||
	    dp_ip_version(packet->ip) != (s->ipv6 ? 6 : 4))
		return LAB_STRANGE;
	memcpy(stamp, packet->ip + stamp_off(s), sizeof(*stamp));
	if (check_of(s, stamp, total) != stamp->check)
		return looks_ours(s, packet->ip) ? LAB_CORRUPT : LAB_STRANGE;
	if (stamp->flow >> FLOW_TRIAL_BITS != s->trial)
		return LAB_STALE;
	s = streams[(stamp->flow & FLOW_BULK) != 0];
	number = stamp->flow & FLOW_NUMBER;
	if (!s || number >= s->n_flows ||
	    (s->way == LAB_DECRYPT) != ((stamp->flow & FLOW_DECRYPT) != 0))
		return LAB_STRANGE;
	size = size_of(s, total);
	if (!size || total > packet->bytes ||
	    !unchanged(s, &s->flows[number], packet->ip, size, stamp))
		return LAB_CORRUPT;
	*stream = s;
	return LAB_GOOD;
}

static void count_good(struct lab_stream *s, const struct lab_stamp *stamp, uint64_t now)
{
	uint32_t number = stamp->flow & FLOW_NUMBER;
	struct lab_counts *c = s->counts;
	uint64_t sent_at;

	switch (lab_sequence_arrive(&s->flows[number].seen,
				    s->windows + (size_t)number * (s->window / 64), s->window,
				    stamp->sequence)) {
	case LAB_DUPLICATE:
		c->duplicates++;
		return;
	case LAB_TOO_LATE:
		c->reordered++;
		return;
	case LAB_REORDERED:
		c->reordered++;
		break;
	case LAB_IN_ORDER:
		break;
	}
	c->received++;
	if (s->burst - stamp->burst > LAB_BURSTS)
		return; /* the time of its burst has been written over */
	sent_at = s->sent_at[stamp->burst & (LAB_BURSTS - 1)];
	lab_histogram_add(&c->latency, (uint64_t)((double)(now - sent_at) * s->ns_per_cycle));
}

void lab_packets_count(struct lab_stream *const streams[2], const struct lab_arrived *packets,
		       unsigned int n, uint64_t now)
{
	struct lab_stream *s;
	struct lab_stamp stamp;

	for (unsigned int i = 0; i < n; i++) {
		if (packets[i].bytes < stamp_off(streams[0]) + LAB_STAMP_BYTES)
			continue;
		memcpy(&stamp, packets[i].ip + stamp_off(streams[0]), sizeof(stamp));
		if ((stamp.flow & FLOW_NUMBER) < streams[0]->n_flows)
			rte_prefetch0(&streams[0]->flows[stamp.flow & FLOW_NUMBER]);
	}
	for (unsigned int i = 0; i < n; i++) {
		switch (lab_packet_judge(streams, &packets[i], &s, &stamp)) {
		case LAB_GOOD:
			count_good(s, &stamp, now);
			break;
		case LAB_STALE:
			break;
		case LAB_CORRUPT:
			streams[0]->counts->corrupt++;
			break;
		case LAB_STRANGE:
			streams[0]->counts->strange++;
			break;
		}
	}
}
