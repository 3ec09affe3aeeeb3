/*
 * What a worker does not finish itself: frames and inner packets for Linux (to the face's ring),
 * packets and reports for control. Runs on workers, which never wait: a full ring drops and counts.
 * What becomes of the packets there: control.c, asked.c and face.c.
 */
#include "dataplane/stages.h"

#include <string.h>

#include <rte_ring.h>

#include "dataplane/ethernet.h"

/* The note as it may cross a ring: names instead of pointers. */
static void detach(struct rte_mbuf *m, enum dp_ask ask)
{
	struct dp_note *note = dp_note(m);

	note->iface_id = note->iface ? note->iface->id : 0;
	note->peer_ref = note->peer ? note->peer->ref : 0;
	if (!note->has_hop)
		memset(note->next_hop, 0, sizeof(note->next_hop));
	note->ask = (uint8_t)ask;
}

/* Returns how many went; the others are the caller's. */
static unsigned int hand_over(struct rte_ring *ring, struct dp_bell *bell, struct rte_mbuf **pkts,
			      unsigned int n, enum dp_ask ask)
{
	unsigned int sent;

	for (unsigned int i = 0; i < n; i++)
		detach(pkts[i], ask);
	sent = rte_ring_sp_enqueue_burst(ring, (void *const *)pkts, n, NULL);
	dp_bell_ring(bell);
	return sent;
}

static void to_face(struct dp_worker *w, struct dp_batch *b, enum dp_ask ask)
{
	unsigned int sent;

	if (b->n == 0)
		return;
	sent = hand_over(w->to_face, &w->dp->face_bell, b->pkts, b->n, ask);
	if (sent < b->n)
		dp_drop(w, b->pkts + sent, b->n - sent, DP_DROP_linux_full);
}

void dp_punt(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_batch shared = {.n = 0}, own = {.n = 0};

	for (unsigned int i = 0; i < b->n; i++) {
		bool has_copy = w->dp->ports[dp_note(b->pkts[i])->port_id]->shared;

		dp_batch_add(has_copy ? &shared : &own, b->pkts[i]);
		/* The TAP of a port stands for its VLAN. */
		if (!has_copy && unlikely(dp_note(b->pkts[i])->l3_off > DP_ETHER_BYTES))
			dp_ethernet_untag(b->pkts[i]);
	}
	if (shared.n)
		dp_leave(w, shared.pkts, shared.n);
	to_face(w, &own, DP_ASK_TAP);
}

void dp_punt_tun(struct dp_worker *w, struct dp_batch *b)
{
	to_face(w, b, DP_ASK_TUN);
}

void dp_ask_control(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n, enum dp_ask ask)
{
	bool handshake = ask == DP_ASK_HANDSHAKE;
	unsigned int sent;

	if (n == 0)
		return;
	sent = hand_over(handshake ? w->handshakes : w->to_control, &w->dp->control_bell, pkts, n,
			 ask);
	if (sent < n)
		dp_drop(w, pkts + sent, n - sent,
			handshake ? DP_DROP_handshake_full : DP_DROP_control_full);
}

void dp_refuse(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n, enum dp_drop reason)
{
	unsigned int sent;

	if (n == 0)
		return;
	dp_drop_count(w, pkts, n, reason);
	for (unsigned int i = 0; i < n; i++)
		dp_note(pkts[i])->reason = (uint8_t)reason;
	sent = hand_over(w->to_control, &w->dp->control_bell, pkts, n, DP_ASK_ICMP);
	dp_drop_counted(pkts + sent, n - sent);
}

void dp_too_big(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n)
{
	struct dp_batch refused = {.n = 0}, cut = {.n = 0};

	for (unsigned int i = 0; i < n; i++) {
		bool may = dp_ip_may_fragment(rte_pktmbuf_mtod(pkts[i], const uint8_t *));

		dp_batch_add(may ? &cut : &refused, pkts[i]);
	}
	dp_refuse(w, refused.pkts, refused.n, DP_DROP_too_big);
	dp_ask_control(w, cut.pkts, cut.n, DP_ASK_FRAGMENT);
}

bool dp_report(struct dp_worker *w, const struct dp_event *event)
{
	if (rte_ring_sp_enqueue_elem(w->events, (void *)(uintptr_t)event, sizeof(*event)) != 0) {
		dp_count(&w->events_lost, 1);
		return false;
	}
	dp_bell_ring(&w->dp->control_bell);
	return true;
}

void dp_want_session(struct dp_worker *w, struct dp_peer *peer, uint64_t every_ns)
{
	uint64_t asked = atomic_load_explicit(&peer->asked_ns, memory_order_relaxed);
	struct dp_event event = {.peer_ref = peer->ref, .kind = DP_EVENT_WANT_SESSION};

	/* The clock of another worker may be a little ahead. */
	if (asked != 0 && w->now_ns < asked + every_ns)
		return;
	if (!atomic_compare_exchange_strong_explicit(&peer->asked_ns, &asked, w->now_ns,
						     memory_order_relaxed, memory_order_relaxed))
		return;
	if (!dp_report(w, &event))
		atomic_store_explicit(&peer->asked_ns, asked, memory_order_relaxed);
}
