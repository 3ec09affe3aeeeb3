/*
 * Data messages: session, tag, replay window, inner packet, source. Runs on workers. In this order:
 * nothing but drop counters moves before a tag is found right, and everything that an authentic
 * packet moves is in decap_accept(). What happens to the inner packet then: forward.c.
 */
#include "dataplane/stages.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "dataplane/activity.h"
#include "dataplane/ip.h"
#include "dataplane/lookup.h"
#include "dataplane/publish.h"
#include "dataplane/session.h"
#include "dataplane/sessions.h"

/* Rekeying because time is up is asked for at most this often. */
#define REKEY_EVERY_NS WG_NS_PER_S

static_assert(DP_BATCH_MAX <= CR_BURST_MAX, "a batch is one burst");

static void look_up(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_session *sessions[DP_BATCH_MAX];
	struct dp_iface *ifaces[DP_BATCH_MAX];
	uint32_t indices[DP_BATCH_MAX];
	uint8_t verdicts[DP_BATCH_MAX];

	for (unsigned int i = 0; i < b->n; i++) {
		const struct dp_note *note = dp_note(b->pkts[i]);
		const struct wg_data *message = rte_pktmbuf_mtod_offset(
			b->pkts[i], const struct wg_data *, note->payload_off);

		ifaces[i] = note->iface;
		indices[i] = rte_le_to_cpu_32(message->receiver);
	}
	dp_sessions_lookup_bulk(w->dp->sessions, ifaces, indices, sessions, b->n);
	for (unsigned int i = 0; i < b->n; i++) {
		struct dp_note *note = dp_note(b->pkts[i]);
		struct dp_session *s = sessions[i];

		verdicts[i] = DP_KEEP;
		if (!s) {
			verdicts[i] = DP_DROP_no_session;
			continue;
		}
		note->session = s;
		note->peer = s->peer;
		if (w->now_ns >= s->birth_ns + WG_REJECT_AFTER_NS)
			verdicts[i] = DP_DROP_expired;
		else if (note->counter >= WG_REJECT_AFTER_MESSAGES)
			verdicts[i] = DP_DROP_replay;
		else
			rte_prefetch0(&s->lock);
	}
	dp_sift(w, b, verdicts);
}

/* In place, over the whole batch whatever the mix of sessions. */
static void open_all(struct dp_worker *w, struct dp_batch *b)
{
	struct cr_packet packets[DP_BATCH_MAX];
	uint8_t verdicts[DP_BATCH_MAX];
	uint64_t right;

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
	right = cr_open_burst(w->aead, packets, b->n);
	for (unsigned int i = 0; i < b->n; i++)
		verdicts[i] = right >> i & 1 ? DP_KEEP : DP_DROP_bad_tag;
	dp_sift(w, b, verdicts);
}

/* Is a packet from where we send this peer's packets to, and did it reach us where we think that
 * the peer sends? */
static bool endpoint_same(const struct rte_mbuf *m, const struct dp_out *out, uint64_t now_ns)
{
	const struct dp_note *note = dp_note(m);
	const struct wg_endpoint *e = &out->endpoint;
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, note->l3_off);
	const uint8_t *udp = rte_pktmbuf_mtod_offset(m, const uint8_t *,
						     note->payload_off - DP_UDP_BYTES);
	size_t len = note->family == AF_INET ? 4 : 16;

	return note->family == e->family &&
	       (dp_load_be16(udp) == e->port || dp_out_tick(now_ns) < out->port_held) &&
	       memcmp(dp_ip_source(ip), e->addr, len) == 0 &&
	       (!e->has_local || (note->port_id == e->local_port &&
				  memcmp(dp_ip_destination(ip), e->local, len) == 0));
}

/* Tells control of a new endpoint, once until it has published. */
static void watch_endpoint(struct dp_worker *w, const struct rte_mbuf *m)
{
	struct dp_peer *peer = dp_note(m)->peer;
	const struct dp_out *out = atomic_load_explicit(&peer->out, memory_order_acquire);
	struct dp_event event = {.peer_ref = peer->ref, .kind = DP_EVENT_ROAMED};

	if (likely(out && endpoint_same(m, out, w->now_ns)))
		return;
	if (atomic_load_explicit(&peer->roam_told, memory_order_relaxed) ||
	    atomic_exchange_explicit(&peer->roam_told, true, memory_order_relaxed))
		return;
	event.local_index = dp_note(m)->session->local_index;
	dp_packet_endpoint(m, &event.endpoint);
	if (!dp_report(w, &event))
		atomic_store_explicit(&peer->roam_told, false, memory_order_relaxed);
}

/* The first packet under a session. If the report does not get through, a later packet does it. */
static void confirm(struct dp_worker *w, struct dp_session *s, const struct rte_mbuf *m)
{
	struct dp_event event = {
		.peer_ref = s->peer->ref,
		.kind = DP_EVENT_CONFIRMED,
		.local_index = s->local_index,
	};

	dp_packet_endpoint(m, &event.endpoint);
	if (dp_report(w, &event))
		return;
	rte_spinlock_lock(&s->lock);
	s->confirmed = false;
	rte_spinlock_unlock(&s->lock);
}

/* A session that is about to end although we only receive: the last minute to ask for a new one. */
static void watch_age(struct dp_worker *w, struct dp_session *s)
{
	if (w->now_ns >= s->rekey_receive_ns &&
	    atomic_load_explicit(&s->peer->current, memory_order_relaxed) == s)
		dp_want_session(w, s->peer, REKEY_EVERY_NS);
}

/*
 * A run of packets of one session whose tags were right: the only place where received packets move
 * anything. Replays move nothing.
 */
static void decap_accept(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n,
			 uint8_t *verdicts)
{
	struct dp_session *s = dp_note(pkts[0])->session;
	const struct rte_mbuf *last = NULL;
	unsigned int accepted = 0;
	uint64_t bytes = 0;
	bool has_data = false, first = false;

	rte_spinlock_lock(&s->lock);
	for (unsigned int i = 0; i < n; i++) {
		const struct dp_note *note = dp_note(pkts[i]);

		verdicts[i] = DP_DROP_replay;
		if (!dp_replay_accept(&s->replay, note->counter))
			continue;
		verdicts[i] = DP_KEEP;
		last = pkts[i];
		accepted++;
		bytes += note->payload_len;
		has_data |= note->payload_len > WG_DATA_MIN_BYTES;
	}
	if (accepted) {
		dp_count(&s->rx_bytes, bytes);
		dp_count(&s->rx_packets, accepted);
		first = !s->confirmed;
		s->confirmed = true;
	}
	rte_spinlock_unlock(&s->lock);
	if (!accepted)
		return;
	watch_endpoint(w, last);
	if (unlikely(first))
		confirm(w, s, last);
	dp_stamp_received(s->peer, has_data, w->now_ns);
	watch_age(w, s);
	dp_count(&w->iface_counters[s->peer->iface->id].rx, accepted);
}

static void accept_all(struct dp_worker *w, struct dp_batch *b)
{
	uint8_t verdicts[DP_BATCH_MAX];
	unsigned int end;

	for (unsigned int i = 0; i < b->n; i = end) {
		const struct dp_session *s = dp_note(b->pkts[i])->session;

		end = i + 1;
		while (end < b->n && dp_note(b->pkts[end])->session == s)
			end++;
		decap_accept(w, b->pkts + i, end - i, verdicts + i);
	}
	dp_sift(w, b, verdicts);
}

/* From the message to the inner packet: data starts at its header and ends where it says. */
static void strip(struct dp_worker *w, struct dp_batch *b)
{
	uint8_t verdicts[DP_BATCH_MAX];
	struct dp_batch keepalives = {.n = 0}, inner = {.n = 0};

	for (unsigned int i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkts[i];
		struct dp_note *note = dp_note(m);
		uint32_t padded = note->payload_len - WG_OVERHEAD_BYTES;
		uint16_t off = (uint16_t)(note->payload_off + sizeof(struct wg_data));
		uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, off);
		uint32_t len;

		if (padded == 0) {
			dp_batch_add(&keepalives, m);
			continue;
		}
		len = dp_ip_length(ip, padded);
		verdicts[inner.n] = DP_DROP_inner_malformed;
		if (len != 0 && len <= padded) {
			uint8_t ecn = dp_ip_ecn(ip);
			uint8_t after = dp_ecn_inner(ecn, note->ecn);

			if (unlikely(after != ecn))
				dp_ip_set_ecn(ip, after);
			m->data_off += off;
			m->data_len = (uint16_t)len;
			m->pkt_len = len;
			note->inner_len = (uint16_t)len;
			note->port_id = DP_PORT_NONE;
			verdicts[inner.n] = DP_KEEP;
		}
		dp_batch_add(&inner, m);
	}
	if (keepalives.n)
		dp_consume(w, keepalives.pkts, keepalives.n);
	dp_sift(w, &inner, verdicts);
	*b = inner;
}

static void check_sources(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_peer *owners[DP_BATCH_MAX];
	uint8_t verdicts[DP_BATCH_MAX];

	dp_lookup_peers(b, true, owners);
	for (unsigned int i = 0; i < b->n; i++)
		verdicts[i] = owners[i] && owners[i] == dp_note(b->pkts[i])->peer
				      ? DP_KEEP
				      : DP_DROP_source_not_allowed;
	dp_sift(w, b, verdicts);
}

void dp_decap(struct dp_worker *w, struct dp_batch *b)
{
	look_up(w, b);
	open_all(w, b);
	accept_all(w, b);
	strip(w, b);
	check_sources(w, b);
	if (b->n)
		dp_forward(w, b);
}
