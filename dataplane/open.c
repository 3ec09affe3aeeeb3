/*
 * Opening data messages: the tags, then of what was right the inner packet, its source, and where
 * it goes. Runs on any worker, maybe not the one that received the packets; changes nothing but
 * them (open.h). Sessions and replay windows are moved in decap.c.
 */
#include "dataplane/open.h"

#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/ip.h"
#include "dataplane/lookup.h"
#include "dataplane/session.h"

static_assert(DP_BATCH_MAX <= CR_BURST_MAX, "a batch is one burst");

/* Returns a mask of those whose tag is right. */
static uint64_t open_burst(struct cr_aead *aead, const struct dp_batch *b)
{
	struct cr_packet packets[DP_BATCH_MAX];

	for (unsigned int i = 0; i < b->n; i++) {
		const struct dp_note *note = dp_note(b->pkts[i]);
		uint8_t *sealed = rte_pktmbuf_mtod_offset(
			b->pkts[i], uint8_t *, note->payload_off + sizeof(struct wg_data));

		packets[i] = (struct cr_packet){
			.key = note->session->receive_key,
			.counter = note->counter,
			.src = sealed,
			.dst = sealed,
			.len_bytes = note->payload_len - WG_OVERHEAD_BYTES,
		};
	}
	return cr_open_burst(aead, packets, b->n);
}

/* An outer packet without ECN has nothing to tell the inner one. */
static void take_ecn(uint8_t *ip, uint8_t outer)
{
	uint8_t ecn = dp_ip_ecn(ip), after = dp_ecn_inner(ecn, outer);

	if (after != ecn)
		dp_ip_set_ecn(ip, after);
}

/* From the message to the inner packet: data starts at its header and ends where it says. */
static enum dp_opened strip(struct rte_mbuf *m)
{
	struct dp_note *note = dp_note(m);
	uint32_t padded = note->payload_len - WG_OVERHEAD_BYTES;
	uint16_t off = (uint16_t)(note->payload_off + sizeof(struct wg_data));
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, off);
	uint32_t len;

	if (padded == 0)
		return DP_OPENED_KEEPALIVE;
	len = dp_ip_length(ip, padded);
	if (len == 0 || len > padded)
		return DP_OPENED_MALFORMED;
	if (unlikely(note->ecn))
		take_ecn(ip, note->ecn);
	m->data_off += off;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	note->inner_off = off;
	note->inner_len = (uint16_t)len;
	return DP_OPENED;
}

/* Is the source the one host that the peer is known for? Then nobody else's prefix is as long. */
static inline bool is_host(const struct dp_peer *peer, const uint8_t *ip)
{
	uint32_t source, host = atomic_load_explicit(&peer->host_v4, memory_order_acquire);

	memcpy(&source, ip + 12, sizeof(source));
	return source == host && host != 0 && dp_ip_version(ip) == 4;
}

/* Those of a mask whose source is not among its peer's allowed-ips. */
static uint32_t look_up_sources(const struct dp_batch *b, const struct dp_keys *from, uint32_t mask)
{
	struct dp_peer *owners[DP_BATCH_MAX];
	uint32_t strangers = 0;

	dp_lookup_peers(b, from, mask, owners);
	for (; mask; mask &= mask - 1) {
		unsigned int i = (unsigned int)__builtin_ctz(mask);

		strangers |= (uint32_t)(owners[i] != dp_note(b->pkts[i])->peer) << i;
	}
	return strangers;
}

/* Where the destinations lead. inner: those packets of a batch whose mask this is; found[] is the
 * batch's, and told whose sources are others'. */
static void look_up(const struct dp *dp, const struct dp_batch *inner, uint32_t mask,
		    uint8_t *found)
{
	const struct dp_route *routes[DP_BATCH_MAX];
	uint32_t others = 0, strangers = 0;
	struct dp_keys from, to;

	from.v6 = to.v6 = 0;
	for (unsigned int i = 0; i < inner->n; i++) {
		const uint8_t *ip = rte_pktmbuf_mtod(inner->pkts[i], const uint8_t *);

		dp_keys_put_ip(&to, i, ip, false);
		if (is_host(dp_note(inner->pkts[i])->peer, ip))
			continue;
		dp_keys_put_ip(&from, i, ip, true);
		others |= UINT32_C(1) << i;
	}
	if (others)
		strangers = look_up_sources(inner, &from, others);
	dp_routes_lookup_bulk(dp->routes, &to, dp_mask_of(inner->n), routes);
	for (unsigned int i = 0; i < inner->n; i++, mask &= mask - 1) {
		dp_note(inner->pkts[i])->route = routes[i];
		if (unlikely(strangers >> i & 1))
			found[__builtin_ctz(mask)] = DP_OPENED_STRANGER;
	}
}

void dp_open(const struct dp *dp, struct cr_aead *aead, const struct dp_batch *b,
	     uint8_t found[DP_BATCH_MAX])
{
	uint64_t right = open_burst(aead, b);
	const struct dp_batch *inner = b;
	struct dp_batch some;
	uint32_t good = 0;

	for (unsigned int i = 0; i < b->n; i++) {
		dp_note(b->pkts[i])->inner_off = 0;
		found[i] = right >> i & 1 ? strip(b->pkts[i]) : DP_OPENED_FORGED;
		good |= (uint32_t)(found[i] == DP_OPENED) << i;
	}
	if (unlikely(good != dp_mask_of(b->n))) {
		dp_batch_take(&some, b, good);
		inner = &some;
	}
	if (good)
		look_up(dp, inner, good, found);
}
