/*
 * Data messages: the session, and everything that an authentic packet moves: replay window, key
 * confirmation, endpoint, stamps. Runs on the worker that received them, in the order in which they
 * came. Opening them, which comes between the two and may be done by another worker, is in open.c:
 * nothing but drop counters moves before a tag is found right. What happens to the inner packet
 * then: forward.c.
 */
#include "dataplane/stages.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "dataplane/activity.h"
#include "dataplane/ip.h"
#include "dataplane/open.h"
#include "dataplane/publish.h"
#include "dataplane/session.h"
#include "dataplane/sessions.h"
#include "dataplane/spread.h"

/* Rekeying because time is up is asked for at most this often. */
#define REKEY_EVERY_NS WG_NS_PER_S

/* What accepting packets of a session touches first. */
static void fetch_ahead(const struct dp_session *s, uint64_t counter)
{
	rte_prefetch0(&s->locked);
	rte_prefetch0(dp_replay_place(&s->replay, counter));
	rte_prefetch0(s->peer);
}

static void look_up(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_session *sessions[DP_BATCH_MAX];
	struct dp_iface *ifaces[DP_BATCH_MAX];
	uint32_t indices[DP_BATCH_MAX];
	uint8_t verdicts[DP_BATCH_MAX];
	bool all = true;

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
		if (unlikely(!s)) {
			verdicts[i] = DP_DROP_no_session;
			all = false;
			continue;
		}
		note->session = s;
		note->peer = s->peer;
		if (i == 0 || s != sessions[i - 1])
			fetch_ahead(s, note->counter);
		if (likely(w->now_ns < s->birth_ns + WG_REJECT_AFTER_NS &&
			   note->counter < WG_REJECT_AFTER_MESSAGES))
			continue;
		verdicts[i] = note->counter < WG_REJECT_AFTER_MESSAGES ? DP_DROP_expired
								       : DP_DROP_replay;
		all = false;
	}
	if (unlikely(!all))
		dp_sift(w, b, verdicts);
}

/* Is a packet from where we send this peer's packets to, and did it reach us where we think that
 * the peer sends? */
static bool endpoint_same(const struct rte_mbuf *m, const struct dp_out *out, uint64_t now_ns)
{
	const struct dp_note *note = dp_note(m);
	const struct wg_endpoint *e = &out->endpoint;
	const uint8_t *frame = dp_outer_frame(m);
	const uint8_t *ip = frame + note->l3_off;
	const uint8_t *udp = frame + note->payload_off - DP_UDP_BYTES;

	return note->family == e->family &&
	       (dp_load_be16(udp) == e->port || dp_out_tick(now_ns) < out->port_held) &&
	       dp_same_address(dp_ip_source(ip), e->addr, e->family) &&
	       (!e->has_local || (note->port_id == e->local_port &&
				  dp_same_address(dp_ip_destination(ip), e->local, e->family)));
}

/* Tells control of a new endpoint, once until it has published. */
static void roamed(struct dp_worker *w, struct dp_peer *peer, const struct rte_mbuf *m)
{
	struct dp_event event = {.peer_ref = peer->ref, .kind = DP_EVENT_ROAMED};

	if (atomic_load_explicit(&peer->roam_told, memory_order_relaxed) ||
	    atomic_exchange_explicit(&peer->roam_told, true, memory_order_relaxed))
		return;
	event.local_index = dp_note(m)->session->local_index;
	dp_packet_endpoint(m, &event.endpoint);
	if (!dp_report(w, &event))
		atomic_store_explicit(&peer->roam_told, false, memory_order_relaxed);
}

static void watch_endpoint(struct dp_worker *w, const struct rte_mbuf *m)
{
	struct dp_peer *peer = dp_note(m)->peer;
	const struct dp_out *out = atomic_load_explicit(&peer->out, memory_order_acquire);

	if (unlikely(!out || !endpoint_same(m, out, w->now_ns)))
		roamed(w, peer, m);
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
	dp_session_lock(s);
	s->confirmed = false;
	dp_session_unlock(s);
}

/* A session that is about to end although we only receive: the last minute to ask for a new one. */
static void watch_age(struct dp_worker *w, struct dp_session *s)
{
	if (unlikely(dp_session_old_to_receive(s, w->now_ns)) &&
	    atomic_load_explicit(&s->peer->current, memory_order_relaxed) == s)
		dp_want_session(w, s->peer, REKEY_EVERY_NS);
}

/*
 * A run of packets of one session whose tags were right: the only place where received packets move
 * anything. Replays move nothing. Were all accepted?
 */
static bool decap_accept(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n,
			 uint8_t *verdicts)
{
	struct dp_session *s = dp_note(pkts[0])->session;
	const struct rte_mbuf *last = NULL;
	unsigned int accepted = 0;
	uint64_t bytes = 0;
	bool has_data = false, first = false;

	dp_session_lock(s);
	for (unsigned int i = 0; i < n; i++) {
		const struct dp_note *note = dp_note(pkts[i]);

		if (!dp_replay_accept(&s->replay, note->counter)) {
			verdicts[i] = DP_DROP_replay;
			continue;
		}
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
	dp_session_unlock(s);
	if (unlikely(!accepted))
		return false;
	watch_endpoint(w, last);
	if (unlikely(first))
		confirm(w, s, last);
	dp_stamp_received(s->peer, has_data, w->now_ns);
	watch_age(w, s);
	dp_count(&w->iface_counters[s->iface->id].rx, accepted);
	return accepted == n;
}

/* Verdict on an authentic keepalive, beside the drop reasons: it has done what it came for. */
#define CONSUMED (DP_KEEP + 1)

/* Takes those out of which this was found; the others close up, with what was found of them. */
static void take_out(struct dp_batch *b, uint8_t *found, uint8_t what, struct dp_batch *out)
{
	unsigned int kept = 0;

	out->n = 0;
	while (kept < b->n && likely(found[kept] != what))
		kept++;
	for (unsigned int i = kept; i < b->n; i++) {
		if (found[i] == what) {
			dp_batch_add(out, b->pkts[i]);
			continue;
		}
		b->pkts[kept] = b->pkts[i];
		found[kept++] = found[i];
	}
	b->n = (uint16_t)kept;
}

/* Again, for the ciphers have used up the cache; and what comes last. */
static void fetch_again(const struct dp_batch *b)
{
	const struct dp_session *before = NULL;

	for (unsigned int i = 0; i < b->n; i++) {
		const struct dp_note *note = dp_note(b->pkts[i]);
		const struct dp_session *s = note->session;

		if (s == before)
			continue;
		before = s;
		rte_prefetch0(&s->locked);
		rte_prefetch0(dp_replay_place(&s->replay, note->counter));
		rte_prefetch0(atomic_load_explicit(&note->peer->out, memory_order_acquire));
	}
}

/* Were all accepted? */
static bool accept_all(struct dp_worker *w, struct dp_batch *b, uint8_t *verdicts)
{
	unsigned int end;
	bool all = true;

	fetch_again(b);
	for (unsigned int i = 0; i < b->n; i = end) {
		const struct dp_session *s = dp_note(b->pkts[i])->session;

		end = i + 1;
		while (end < b->n && dp_note(b->pkts[end])->session == s)
			end++;
		all &= decap_accept(w, b->pkts + i, end - i, verdicts + i);
	}
	return all;
}

/* Those that are not as nearly all are: forged ones end before anything is moved. */
static void sort_out(struct dp_worker *w, struct dp_batch *b, uint8_t *found, uint8_t *verdicts)
{
	static const uint8_t reasons[] = {
		[DP_OPENED] = DP_KEEP,
		[DP_OPENED_KEEPALIVE] = CONSUMED,
		[DP_OPENED_MALFORMED] = DP_DROP_inner_malformed,
		[DP_OPENED_STRANGER] = DP_DROP_source_not_allowed,
	};
	struct dp_batch out;

	take_out(b, found, DP_OPENED_FORGED, &out);
	if (out.n)
		dp_drop(w, out.pkts, out.n, DP_DROP_bad_tag);
	for (unsigned int i = 0; i < b->n; i++)
		verdicts[i] = reasons[found[i]];
}

/* Those that end here. */
static void end_some(struct dp_worker *w, struct dp_batch *b, uint8_t *verdicts)
{
	struct dp_batch out;

	take_out(b, verdicts, CONSUMED, &out);
	if (out.n)
		dp_consume(w, out.pkts, out.n);
	dp_sift(w, b, verdicts);
}

void dp_accept(struct dp_worker *w, struct dp_batch *b, uint8_t *found)
{
	uint8_t verdicts[DP_BATCH_MAX], any = DP_OPENED;

	for (unsigned int i = 0; i < b->n; i++)
		any |= found[i];
	memset(verdicts, DP_KEEP, sizeof(verdicts));
	if (unlikely(any != DP_OPENED))
		sort_out(w, b, found, verdicts);
	if (!accept_all(w, b, verdicts) || any != DP_OPENED)
		end_some(w, b, verdicts);
	if (likely(b->n))
		dp_forward(w, b);
}

void dp_decap(struct dp_worker *w, struct dp_batch *b)
{
	uint8_t found[DP_BATCH_MAX];

	look_up(w, b);
	if (b->n == 0)
		return;
	dp_load_sample(w, dp_note(b->pkts[0])->peer, b->n);
	if (unlikely(dp_spreads(w))) {
		dp_spread_give(w, b, DP_JOB_OPEN);
		return;
	}
	dp_open(w->dp, w->aead, b, found);
	dp_accept(w, b, found);
}
