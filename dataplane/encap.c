/*
 * Inner packets into tunnels: peer by destination, session, counter; and after they were sealed,
 * what that moves, and sending them. Runs on the worker that received them, in the order in which
 * they came. Sealing, which comes between the two and may be done by another worker, is in seal.c.
 * What can't be sealed now goes to control to wait (control.c); what is too big goes to be
 * fragmented (asked.c). TTL: see forward.c.
 */
#include "dataplane/stages.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "dataplane/activity.h"
#include "dataplane/ip.h"
#include "dataplane/lookup.h"
#include "dataplane/open.h"
#include "dataplane/session.h"
#include "dataplane/spread.h"

/* Control is asked for a session at most this often: while there is none to send with, and when
 * the one there is should be replaced. It limits itself to one initiation in 5 s. */
#define NEED_EVERY_NS  (WG_NS_PER_S / 10)
#define REKEY_EVERY_NS WG_NS_PER_S

/* ---- peer by destination ---- */

/* What Linux hands us is an IP packet of the length that it says; what is behind is cut off. */
static void prove(struct dp_worker *w, struct dp_batch *b)
{
	uint8_t verdicts[DP_BATCH_MAX];

	for (unsigned int i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkts[i];
		uint32_t len = dp_ip_length(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);

		verdicts[i] = DP_DROP_linux_malformed;
		if (len == 0 || len > m->data_len || m->nb_segs != 1)
			continue;
		verdicts[i] = DP_KEEP;
		m->data_len = (uint16_t)len;
		m->pkt_len = len;
		dp_note(m)->inner_len = (uint16_t)len;
	}
	dp_sift(w, b, verdicts);
}

/* Those that nobody is at home for, and those that no tunnel takes. */
static void turn_away(struct dp_worker *w, struct dp_batch *b, uint32_t stray, uint32_t big)
{
	struct dp_batch some;

	dp_batch_take(&some, b, stray);
	dp_refuse(w, some.pkts, some.n, DP_DROP_no_peer);
	dp_batch_take(&some, b, big);
	if (some.n)
		dp_too_big(w, some.pkts, some.n);
	dp_batch_take(b, b, dp_mask_of(b->n) & ~(stray | big));
}

/* What reserve() and those after it read of each peer, all at once instead of one after the
 * other. */
static void prefetch_peers(struct dp_peer *const *peers, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (i == 0 || peers[i] != peers[i - 1])
			rte_prefetch0(peers[i]);
	}
}

static void prefetch_sessions(struct dp_peer *const *peers, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct dp_session *s;
		const struct dp_out *out;

		if (!peers[i] || (i != 0 && peers[i] == peers[i - 1]))
			continue;
		s = atomic_load_explicit(&peers[i]->current, memory_order_acquire);
		out = atomic_load_explicit(&peers[i]->out, memory_order_acquire);
		rte_prefetch0((const char *)out + offsetof(struct dp_out, pseudo_sum));
		if (!s)
			continue;
		rte_prefetch0(s);
		rte_prefetch0(&s->send_counter);
	}
}

void dp_encap(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_peer *peers[DP_BATCH_MAX];
	uint32_t stray = 0, big = 0;
	struct dp_keys to;

	to.v6 = 0;
	for (unsigned int i = 0; i < b->n; i++)
		dp_keys_put_ip(&to, i, rte_pktmbuf_mtod(b->pkts[i], const uint8_t *), false);
	dp_lookup_peers(b, &to, dp_mask_of(b->n), peers);
	prefetch_peers(peers, b->n);
	for (unsigned int i = 0; i < b->n; i++) {
		struct dp_note *note = dp_note(b->pkts[i]);
		uint16_t mtu = atomic_load_explicit(&note->iface->mtu, memory_order_relaxed);

		note->peer = peers[i];
		stray |= (uint32_t)(peers[i] == NULL) << i;
		big |= (uint32_t)(note->inner_len > mtu) << i;
	}
	prefetch_sessions(peers, b->n);
	if (unlikely(stray | big))
		turn_away(w, b, stray, big & ~stray);
	if (b->n)
		dp_seal(w, b);
}

void dp_encap_linux(struct dp_worker *w, struct dp_batch *b)
{
	prove(w, b);
	if (b->n)
		dp_encap(w, b);
}

/* ---- session and counters ---- */

/* Packets of one peer, one after the other in a batch. */
struct run {
	struct dp_peer *peer;
	struct dp_session *session;
	const struct dp_out *out;
	uint64_t counter; /* of the first of them */
	uint8_t begin, end;
	uint8_t got; /* so many have a counter */
};

static unsigned int find_runs(struct run *runs, const struct dp_batch *b)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < b->n; i++) {
		struct dp_peer *peer = dp_note(b->pkts[i])->peer;

		if (n == 0 || runs[n - 1].peer != peer) {
			runs[n].peer = peer;
			runs[n++].begin = (uint8_t)i;
		}
		runs[n - 1].end = (uint8_t)(i + 1);
	}
	return n;
}

/* Counters for a run, if there is a session and a way out. */
static void reserve_run(struct dp_worker *w, struct run *r)
{
	struct dp_peer *peer = r->peer;
	struct dp_session *s = atomic_load_explicit(&peer->current, memory_order_acquire);
	const struct dp_out *out = atomic_load_explicit(&peer->out, memory_order_acquire);
	unsigned int n = r->end - r->begin;

	r->session = s;
	r->out = out;
	r->got = 0;
	if (unlikely(!s || w->now_ns >= s->send_until_ns)) {
		dp_want_session(w, peer, NEED_EVERY_NS);
		return;
	}
	if (unlikely(!out || out->port_id == DP_PORT_NONE ||
		     atomic_load_explicit(&peer->roam_told, memory_order_relaxed)))
		return;
	r->got = (uint8_t)dp_session_reserve(s, n, &r->counter);
	if (unlikely(r->got < n))
		dp_want_session(w, peer, NEED_EVERY_NS);
	else if (unlikely(w->now_ns >= s->rekey_send_ns ||
			  r->counter + n > WG_REKEY_AFTER_MESSAGES))
		dp_want_session(w, peer, REKEY_EVERY_NS);
}

/* What gets no counter waits at control for a session or a next hop. */
static void make_wait(struct dp_worker *w, struct dp_batch *b, const struct run *runs,
		      unsigned int n_runs)
{
	struct dp_batch wait;
	uint32_t mask = 0;

	for (const struct run *r = runs; r < runs + n_runs; r++)
		mask |= dp_mask_of(r->end) & ~dp_mask_of(r->begin + r->got);
	dp_batch_take_out(b, mask, &wait);
	dp_ask_control(w, wait.pkts, wait.n, DP_ASK_STAGE);
}

/* What sending a run moves. */
static void account(struct dp_worker *w, const struct run *r, const struct dp_iface *iface,
		    uint64_t bytes, bool has_data)
{
	dp_session_sent(r->session, w->id, bytes);
	dp_stamp_sent(r->peer, has_data, w->now_ns);
	dp_count(&w->iface_counters[iface->id].tx, r->got);
}

/* Notes for sealing them, and what they move. */
static void assign(struct dp_worker *w, const struct dp_batch *b, const struct run *r)
{
	const struct dp_iface *iface = dp_note(b->pkts[r->begin])->iface;
	uint16_t mtu = atomic_load_explicit(&iface->mtu, memory_order_relaxed);
	bool has_data = false;
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < r->got; i++) {
		const struct rte_mbuf *m = b->pkts[r->begin + i];
		struct dp_note *note = dp_note(m);
		uint32_t len = dp_padded(m->data_len, mtu) + WG_OVERHEAD_BYTES;

		note->session = r->session;
		note->out = r->out;
		note->counter = r->counter + i;
		note->payload_len = (uint16_t)len;
		bytes += len;
		has_data |= m->data_len != 0;
	}
	if (likely(r->got))
		account(w, r, iface, bytes, has_data);
}

/* Additions that other workers see wait for all that was written before them: so they come one
 * right after the other, before any packet is written to. */
static void reserve(struct dp_worker *w, struct dp_batch *b)
{
	struct run runs[DP_BATCH_MAX];
	unsigned int n_runs = find_runs(runs, b);
	bool all = true;

	for (struct run *r = runs; r < runs + n_runs; r++) {
		reserve_run(w, r);
		all &= r->begin + r->got == r->end;
	}
	for (const struct run *r = runs; r < runs + n_runs; r++)
		assign(w, b, r);
	if (unlikely(!all))
		make_wait(w, b, runs, n_runs);
}

/* ---- sealing ---- */

/* What could not be sealed was accounted for with its counter, which stays used. */
static void take_back(struct dp_worker *w, const struct dp_batch *failed)
{
	for (unsigned int i = 0; i < failed->n; i++) {
		const struct dp_note *note = dp_note(failed->pkts[i]);

		dp_session_sent(note->session, w->id, 0 - (uint64_t)note->payload_len);
		dp_count(&w->iface_counters[note->iface->id].tx, UINT64_MAX); /* one less */
	}
}

static void set_aside(struct dp_worker *w, struct dp_batch *b, uint32_t big, uint32_t failed)
{
	struct dp_batch some;

	dp_batch_take(&some, b, failed);
	take_back(w, &some);
	if (some.n)
		dp_drop(w, some.pkts, some.n, DP_DROP_seal_failed);
	dp_batch_take(&some, b, big);
	dp_ask_control(w, some.pkts, some.n, DP_ASK_FRAGMENT_OUT);
	dp_batch_take(b, b, dp_mask_of(b->n) & ~(big | failed));
}

void dp_sealed(struct dp_worker *w, struct dp_batch *b, const uint8_t *found)
{
	uint32_t big = 0, failed = 0;
	uint8_t any = DP_SEALED;

	for (unsigned int i = 0; i < b->n; i++)
		any |= found[i];
	for (unsigned int i = 0; unlikely(any != DP_SEALED) && i < b->n; i++) {
		big |= (uint32_t)(found[i] == DP_SEALED_BIG) << i;
		failed |= (uint32_t)(found[i] == DP_SEALED_FAILED) << i;
	}
	if (unlikely(big | failed))
		set_aside(w, b, big, failed);
	dp_tx(w, b);
}

void dp_seal(struct dp_worker *w, struct dp_batch *b)
{
	uint8_t found[DP_BATCH_MAX];

	reserve(w, b);
	if (b->n == 0)
		return;
	dp_load_sample(w, dp_note(b->pkts[0])->peer, b->n);
	if (unlikely(dp_spreads(w))) {
		dp_spread_give(w, b, DP_JOB_SEAL);
		return;
	}
	dp_seal_burst(w->dp, w->aead, b, found);
	dp_sealed(w, b, found);
}
