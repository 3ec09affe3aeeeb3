/*
 * The tester's packets, written and judged: see flows.h. One thread, per packet; nothing is
 * allocated but by open.
 */
#include "bench/lab/flows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_prefetch.h>

#include "dataplane/ip.h"

#define TTL	     64
#define INSIDE_PORT  10000 /* the first one of the inside host */
#define INSIDE_PORTS 50000
#define PEER_PORT    7000	/* the first one of peers */
#define WINDOWS_BITS (1u << 22) /* of all flows of a stream, if they are few */
#define WINDOW_MAX   (1u << 16)
#define IMIX_ROUND   48
#define IMIX_SMALL   28
#define IMIX_MIDDLE  16

/* struct lab_stamp.flow: number, bulk, way, trial. */
#define FLOW_NUMBER	0x003fffffu
#define FLOW_BULK	0x00400000u
#define FLOW_DECRYPT	0x00800000u
#define FLOW_TRIAL_BITS 24

static_assert(LAB_FLOWS_MAX <= FLOW_NUMBER, "numbers of flows in their place");
static_assert(LAB_WAYS == 2, "a bit for the way");

/* What stands behind each stamp. */
static uint8_t pattern[LAB_SIZE_MAX];

static void fill_pattern(void)
{
	for (unsigned int i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 167 + (i >> 8) * 59 + 13);
}

static unsigned int udp_off(const struct lab_stream *s)
{
	return lab_ip_bytes(s->ipv6);
}

static unsigned int stamp_off(const struct lab_stream *s)
{
	return udp_off(s) + DP_UDP_BYTES;
}

/* Addresses and ports, which lie behind each other in IPv4 and IPv6. */
static unsigned int tuple_off(const struct lab_stream *s)
{
	return s->ipv6 ? 8 : 12;
}

static unsigned int tuple_bytes(const struct lab_stream *s)
{
	return udp_off(s) + 4 - tuple_off(s);
}

/* ---- flows ---- */

static void write_header(struct lab_stream *s, struct lab_flow *f, const struct lab_address *from,
			 const struct lab_address *to)
{
	unsigned int address_bytes = s->ipv6 ? 16 : 4;
	uint8_t *ip = f->header;

	if (s->ipv6) {
		ip[0] = 0x60;
		ip[6] = IPPROTO_UDP;
		ip[7] = TTL;
	} else {
		ip[0] = 0x45;
		dp_store_be16(ip + 6, DP_IPV4_DF);
		ip[8] = TTL;
		ip[9] = IPPROTO_UDP;
	}
	memcpy(ip + tuple_off(s), from->bytes, address_bytes);
	memcpy(ip + tuple_off(s) + address_bytes, to->bytes, address_bytes);
}

static void make_flow(struct lab_stream *s, const struct lab_setup *setup, uint32_t k)
{
	struct lab_address peer = lab_setup_peer_inner(setup, k % setup->o.peers);
	const struct lab_address *host = &setup->tester[LAB_INSIDE];
	uint32_t of_peer = k / setup->o.peers;
	uint16_t inside_port = (uint16_t)(INSIDE_PORT + of_peer % INSIDE_PORTS);
	uint16_t peer_port = (uint16_t)(PEER_PORT + of_peer / INSIDE_PORTS * 2 + s->bulk);
	struct lab_flow *f = &s->flows[k];
	uint8_t *udp = f->header + udp_off(s);
	bool encrypt = s->way == LAB_ENCRYPT;

	f->peer = k % setup->o.peers;
	write_header(s, f, encrypt ? host : &peer, encrypt ? &peer : host);
	dp_store_be16(udp, encrypt ? inside_port : peer_port);
	dp_store_be16(udp + 2, encrypt ? peer_port : inside_port);
	f->header_sum = rte_raw_cksum(f->header + tuple_off(s), tuple_bytes(s)) +
			htons(IPPROTO_UDP);
}

int lab_stream_open(struct lab_stream *s, const struct lab_setup *setup, enum lab_way way,
		    bool bulk, uint64_t secret, double tsc_hz)
{
	fill_pattern();
	*s = (struct lab_stream){
		.way = way,
		.bulk = bulk,
		.ipv6 = setup->o.inner_ipv6,
		.n_flows = setup->o.flows,
		.window = WINDOW_MAX,
		.secret = secret,
		.ns_per_cycle = 1e9 / tsc_hz,
	};
	while (s->window > LAB_WINDOW_MIN && (uint64_t)s->window * s->n_flows > WINDOWS_BITS)
		s->window /= 2;
	s->flows = calloc(s->n_flows, sizeof(s->flows[0]));
	s->windows = calloc(s->n_flows, s->window / 8);
	s->sent_at = calloc(LAB_BURSTS, sizeof(s->sent_at[0]));
	if (!s->flows || !s->windows || !s->sent_at) {
		lab_stream_close(s);
		return -ENOMEM;
	}
	for (uint32_t k = 0; k < s->n_flows; k++)
		make_flow(s, setup, k);
	return 0;
}

void lab_stream_close(struct lab_stream *s)
{
	free(s->flows);
	free(s->windows);
	free(s->sent_at);
	memset(s, 0, sizeof(*s));
}

/* ---- sizes ---- */

static void set_size(const struct lab_stream *s, struct lab_size *size, uint16_t bytes)
{
	size->ip_bytes = bytes;
	size->pattern_sum = rte_raw_cksum(pattern, bytes - stamp_off(s) - LAB_STAMP_BYTES);
}

void lab_stream_set_size(struct lab_stream *s, uint16_t size, uint16_t mtu)
{
	static const uint16_t mix[LAB_SIZES_MAX] = {64, 570, 1518};

	s->imix = size == LAB_SIZE_IMIX;
	s->size_at = 0;
	for (unsigned int i = 0; i < LAB_SIZES_MAX; i++)
		set_size(s, &s->sizes[i], RTE_MIN(s->imix ? mix[i] : size, mtu));
}

double lab_stream_mean_size(const struct lab_stream *s)
{
	const struct lab_size *z = s->sizes;

	if (!s->imix)
		return z[0].ip_bytes;
	return (IMIX_SMALL * z[0].ip_bytes + IMIX_MIDDLE * z[1].ip_bytes +
		(IMIX_ROUND - IMIX_SMALL - IMIX_MIDDLE) * z[2].ip_bytes) /
	       (double)IMIX_ROUND;
}

static const struct lab_size *next_size(struct lab_stream *s)
{
	/* 5 has no divisor in common with 48: each kind comes as often as it should, mixed. */
	uint32_t at = s->size_at * 5 % IMIX_ROUND;

	if (!s->imix)
		return &s->sizes[0];
	s->size_at = (s->size_at + 1) % IMIX_ROUND;
	if (at < IMIX_SMALL)
		return &s->sizes[0];
	return &s->sizes[at < IMIX_SMALL + IMIX_MIDDLE ? 1 : 2];
}

/* ---- writing ---- */

void lab_stream_start(struct lab_stream *s, uint8_t trial)
{
	s->trial = trial;
	s->next_flow = s->burst = s->size_at = 0;
	for (uint32_t k = 0; k < s->n_flows; k++) {
		s->flows[k].sequence = 0;
		s->flows[k].seen.next = 0;
	}
	memset(s->windows, 0, (size_t)s->n_flows * s->window / 8);
}

struct lab_flow *lab_stream_next(struct lab_stream *s, const struct lab_size **size)
{
	struct lab_flow *f = &s->flows[s->next_flow];

	s->next_flow = s->next_flow + 1 < s->n_flows ? s->next_flow + 1 : 0;
	rte_prefetch0(&s->flows[s->next_flow]);
	*size = next_size(s);
	return f;
}

static uint32_t check_of(const struct lab_stream *s, const struct lab_stamp *stamp,
			 uint32_t ip_bytes)
{
	uint64_t x = s->secret ^ ((uint64_t)stamp->flow << 32 | stamp->sequence);

	x *= UINT64_C(0x9e3779b97f4a7c15);
	x ^= x >> 29;
	x += (uint64_t)ip_bytes << 32 | stamp->burst;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(x >> 32);
}

static uint16_t udp_sum(const struct lab_flow *f, const struct lab_size *size, uint16_t udp_len,
			const struct lab_stamp *stamp)
{
	uint32_t sum = f->header_sum + 2u * htons(udp_len) + size->pattern_sum;
	uint16_t words[LAB_STAMP_BYTES / 2], folded;

	memcpy(words, stamp, sizeof(words));
	for (unsigned int i = 0; i < LAB_STAMP_BYTES / 2; i++)
		sum += words[i];
	folded = (uint16_t)~dp_sum_fold(sum);
	return folded == 0 ? UINT16_MAX : folded;
}

static uint32_t flow_word(const struct lab_stream *s, const struct lab_flow *f)
{
	return (uint32_t)(f - s->flows) | (s->bulk ? FLOW_BULK : 0) |
	       (s->way == LAB_DECRYPT ? FLOW_DECRYPT : 0) | (uint32_t)s->trial << FLOW_TRIAL_BITS;
}

void lab_stream_write(struct lab_stream *s, struct lab_flow *f, const struct lab_size *size,
		      uint8_t *ip)
{
	struct lab_stamp stamp = {
		.flow = flow_word(s, f), .sequence = f->sequence++, .burst = s->burst};
	uint16_t udp_len = (uint16_t)(size->ip_bytes - udp_off(s)), sum;
	uint8_t *udp = ip + udp_off(s), *payload = udp + DP_UDP_BYTES;

	stamp.check = check_of(s, &stamp, size->ip_bytes);
	memcpy(ip, f->header, stamp_off(s));
	if (s->ipv6) {
		dp_store_be16(ip + 4, udp_len);
	} else {
		dp_store_be16(ip + 2, size->ip_bytes);
		dp_ipv4_set_sum(ip);
	}
	dp_store_be16(udp + 4, udp_len);
	sum = udp_sum(f, size, udp_len, &stamp);
	memcpy(udp + 6, &sum, sizeof(sum));
	memcpy(payload, &stamp, sizeof(stamp));
	memcpy(payload + LAB_STAMP_BYTES, pattern, udp_len - DP_UDP_BYTES - LAB_STAMP_BYTES);
}

/* ---- judging ---- */

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

	return (s->ipv6 || dp_ipv4_sum_right(ip, DP_IPV4_MIN_BYTES)) &&
	       memcmp(ip + tuple_off(s), f->header + tuple_off(s), tuple_bytes(s)) == 0 &&
	       dp_load_be16(udp + 4) == udp_len && memcmp(udp + 6, &sum, sizeof(sum)) == 0 &&
	       memcmp(udp + DP_UDP_BYTES + LAB_STAMP_BYTES, pattern,
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
