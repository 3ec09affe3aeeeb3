/*
 * Control of the gateway in the tester's process: handshakes, timers and reports of the worker, in
 * turns of the tester's loop; see gateway.h. What the state machine asks for goes to tables and to
 * the worker as in control/upcalls.c, but nothing waits here: a packet without a session ends.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>

#include "bench/lab/gateway_priv.h"
#include "bench/lab/outer.h"
#include "crypto/random.h"

#define EVENTS_PER_TURN 32
#define OTHERS_PER_TURN 32

static void read_clock(struct hs_now *now)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	now->mono_ns = (uint64_t)t.tv_sec * WG_NS_PER_S + (uint64_t)t.tv_nsec;
	clock_gettime(CLOCK_REALTIME, &t);
	now->wall_s = (uint64_t)t.tv_sec;
	now->wall_ns = (uint32_t)t.tv_nsec;
}

/* ---- endings of packets ---- */

static void end_packet(struct rte_mbuf *m, _Atomic uint64_t *counter)
{
	dp_count(counter, 1);
	rte_pktmbuf_free(m);
}

static void drop(struct lab_gateway *g, struct rte_mbuf *m, enum dp_drop reason)
{
	end_packet(m, &g->dp->control_counters.drops[reason]);
}

/* ---- what it sends, by the worker ---- */

static struct rte_mbuf *make_packet(struct lab_gateway *g)
{
	struct rte_mbuf *m = dp_packet_new(g->dp);

	if (m)
		dp_count(&g->dp->control_counters.made, 1);
	return m;
}

static void hand(struct lab_gateway *g, struct rte_mbuf *m)
{
	if (!dp_to_worker(g->dp, m, false))
		drop(g, m, DP_DROP_worker_full);
}

static void up_send(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to, const void *msg,
		    size_t len)
{
	struct lab_gateway *g = ctx;
	const struct lab_gateway_peer *p = hs_peer_owner(peer);
	const struct dp_out *out = atomic_load_explicit(&p->dp->out, memory_order_relaxed);
	bool ipv6 = out->endpoint.family == AF_INET6;
	struct rte_mbuf *m = make_packet(g);
	uint8_t *frame;

	if (!m)
		return; /* it is asked for again */
	frame = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(out->header_bytes + len));
	memcpy(frame, out->header, out->header_bytes);
	memcpy(frame + out->header_bytes, msg, len);
	lab_outer_lengths(frame, ipv6, (uint32_t)len);
	lab_outer_sum(frame, ipv6);
	dp_note(m)->ask = DP_ASK_OUT;
	dp_note(m)->port_id = out->port_id;
	hand(g, m);
}

/* Without a session the worker asks for one. */
static void up_keepalive(void *ctx, struct hs_peer *peer)
{
	const struct lab_gateway_peer *p = hs_peer_owner(peer);
	struct rte_mbuf *m = make_packet(ctx);

	if (!m)
		return;
	dp_note(m)->ask = DP_ASK_SEAL;
	dp_note(m)->peer_ref = p->dp->ref;
	hand(ctx, m);
}

/* ---- sessions ---- */

static struct dp_session **find(struct lab_gateway_peer *p, uint32_t local_index)
{
	for (unsigned int k = 0; k < LAB_GATEWAY_SESSIONS; k++)
		if (p->sessions[k] && p->sessions[k]->local_index == local_index)
			return &p->sessions[k];
	return NULL;
}

static int up_session_new(void *ctx, struct hs_peer *peer, const struct hs_session *s)
{
	struct lab_gateway_peer *p = hs_peer_owner(peer);
	const struct lab_gateway *g = ctx;

	for (unsigned int k = 0; k < LAB_GATEWAY_SESSIONS; k++) {
		if (p->sessions[k])
			continue;
		p->sessions[k] = dp_publish_session(g->dp, p->dp, s->send_key, s->receive_key,
						    s->local_index, s->remote_index, s->birth_ns,
						    s->initiator);
		return p->sessions[k] ? 0 : -ENOMEM;
	}
	return -ENOSPC;
}

static void up_session_use(void *ctx, struct hs_peer *peer, uint32_t local_index, bool confirm)
{
	struct lab_gateway_peer *p = hs_peer_owner(peer);
	struct dp_session **s = find(p, local_index);

	if (!s)
		return;
	dp_publish_current(p->dp, *s);
	if (confirm)
		up_keepalive(ctx, peer);
}

static void up_session_mute(void *ctx, struct hs_peer *peer)
{
	dp_publish_current(((struct lab_gateway_peer *)hs_peer_owner(peer))->dp, NULL);
}

static void up_session_drop(void *ctx, struct hs_peer *peer, uint32_t local_index)
{
	const struct lab_gateway *g = ctx;
	struct dp_session **s = find(hs_peer_owner(peer), local_index);

	if (!s)
		return;
	dp_retire_session(g->dp, *s);
	*s = NULL;
}

/* ---- what a peer has done ---- */

static uint64_t load(const _Atomic uint64_t *stamp)
{
	return atomic_load_explicit((_Atomic uint64_t *)stamp, memory_order_relaxed);
}

static void up_activity(void *ctx, struct hs_peer *peer, struct hs_activity *out)
{
	const struct dp_peer *dp = ((struct lab_gateway_peer *)hs_peer_owner(peer))->dp;

	out->sent_any_ns = load(&dp->sent_any_ns);
	out->received_any_ns = load(&dp->received_any_ns);
	out->sent_data_ns = load(&dp->sent_data_ns);
	out->received_data_ns = load(&dp->received_data_ns);
	out->received_data_last_ns = load(&dp->received_data_last_ns);
}

static void up_stamp(void *ctx, struct hs_peer *peer, enum hs_stamp stamp, uint64_t mono_ns)
{
	struct dp_peer *dp = ((struct lab_gateway_peer *)hs_peer_owner(peer))->dp;

	if (stamp == HS_STAMP_SENT)
		atomic_store_explicit(&dp->sent_any_ns, mono_ns, memory_order_relaxed);
	else if (stamp == HS_STAMP_RECEIVED)
		atomic_store_explicit(&dp->received_any_ns, mono_ns, memory_order_relaxed);
	else
		atomic_store_explicit(&dp->sent_data_ns, 0, memory_order_relaxed);
}

static void up_random(void *ctx, void *out, size_t len)
{
	cr_random(out, len);
}

/* Nothing waits for a session. */
static void up_purge(void *ctx, struct hs_peer *peer)
{
}

/* Peers do not move. */
static void up_endpoint(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to)
{
}

const struct hs_ops lab_gateway_ops = {
	.random = up_random,
	.send = up_send,
	.session_new = up_session_new,
	.session_use = up_session_use,
	.session_mute = up_session_mute,
	.session_drop = up_session_drop,
	.keepalive = up_keepalive,
	.purge = up_purge,
	.endpoint = up_endpoint,
	.activity = up_activity,
	.stamp = up_stamp,
};

/* ---- a turn ---- */

static void take_events(struct lab_gateway *g)
{
	struct dp_event events[EVENTS_PER_TURN];
	unsigned int n = dp_take_events(g->dp, events, EVENTS_PER_TURN);

	if (n > 0)
		read_clock(&g->now);
	for (unsigned int i = 0; i < n; i++) {
		/* None is ever removed. */
		struct lab_gateway_peer *p = dp_peer_by_ref(g->dp, events[i].peer_ref)->owner;

		if (events[i].kind == DP_EVENT_WANT_SESSION)
			hs_peer_want_session(p->hs, &g->now);
		else if (events[i].kind == DP_EVENT_CONFIRMED)
			hs_peer_confirmed(p->hs, &g->now, events[i].local_index);
	}
}

/* No flood comes from the tester, so it is never under load. */
static void take_handshake(struct lab_gateway *g)
{
	const struct dp_note *note;
	struct wg_endpoint from;
	enum hs_verdict verdict;
	struct rte_mbuf *m;

	if (dp_take_handshakes(g->dp, &m, 1) == 0)
		return;
	note = dp_note(m);
	read_clock(&g->now);
	dp_packet_endpoint(m, &from);
	verdict = hs_device_input(g->hs, &g->now, false,
				  rte_pktmbuf_mtod_offset(m, const uint8_t *, note->payload_off),
				  note->payload_len, &from);
	if (verdict == HS_initiation_accepted || verdict == HS_response_accepted)
		end_packet(m, &g->dp->control_counters.consumed);
	else
		drop(g, m, DP_DROP_handshake_refused);
}

/* What others would do something about: packets without a session, errors to be told by ICMP
 * (these have been counted), and what is Linux's. */
static void take_others(struct lab_gateway *g)
{
	struct rte_mbuf *pkts[OTHERS_PER_TURN];
	unsigned int n;

	n = dp_take_asked(g->dp, pkts, OTHERS_PER_TURN);
	for (unsigned int i = 0; i < n; i++) {
		if (dp_note(pkts[i])->ask == DP_ASK_ICMP)
			rte_pktmbuf_free(pkts[i]);
		else
			drop(g, pkts[i], DP_DROP_staged_purged);
	}
	n = dp_take_for_linux(g->dp, pkts, OTHERS_PER_TURN);
	for (unsigned int i = 0; i < n; i++)
		end_packet(pkts[i], &g->dp->control_counters.punt);
}

void lab_gateway_turn(struct lab_gateway *g)
{
	uint64_t tsc = rte_rdtsc();

	take_events(g);
	take_handshake(g);
	if (tsc < g->look_tsc)
		return;
	g->look_tsc = tsc + g->look_cycles;
	read_clock(&g->now);
	if (hs_device_due_ns(g->hs) <= g->now.mono_ns)
		(void)hs_device_advance(g->hs, &g->now);
	take_others(g);
	(void)dp_reclaim_poll(g->dp->reclaim);
}
