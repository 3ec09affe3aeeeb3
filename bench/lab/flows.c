/*
 * The tester's packets, written: see flows.h. For each packet; nothing is allocated but by open.
 * Judging them: judge.c.
 */
#include "bench/lab/flows_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_prefetch.h>

#define TTL	     64
#define INSIDE_PORTS 50000
#define PEER_PORT    7000	/* the first one of peers */
#define WINDOWS_BITS (1u << 22) /* of all flows of a stream, if they are few */
#define WINDOW_MAX   (1u << 16)
#define IMIX_ROUND   48
#define IMIX_SMALL   28
#define IMIX_MIDDLE  16

/* What stands behind each stamp. */
uint8_t lab_pattern[LAB_SIZE_MAX];

static void fill_pattern(void)
{
	for (unsigned int i = 0; i < sizeof(lab_pattern); i++)
		lab_pattern[i] = (uint8_t)(i * 167 + (i >> 8) * 59 + 13);
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
	size->pattern_sum = rte_raw_cksum(lab_pattern, bytes - stamp_off(s) - LAB_STAMP_BYTES);
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
	memcpy(payload + LAB_STAMP_BYTES, lab_pattern, udp_len - DP_UDP_BYTES - LAB_STAMP_BYTES);
}
