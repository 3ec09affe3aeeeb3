/*
 * The loop of a worker, and thereby the table of contents of the packet path:
 *
 *   port > rx > classify > decap > forward > tx            outside to inside
 *                        > forward > encap > tx            inside to outside
 *                        > punt                            Linux's
 *   control, Linux > classify, encap, seal or tx           what they hand in, by note.ask
 *
 * Runs on worker lcores. The loop reads the clock once a turn and sleeps when nothing comes, if it
 * may; nothing else in the path enters the kernel, except to wake control or the face. What other
 * threads call to join in is in links.c.
 */
#include "dataplane/worker.h"

#include <sys/prctl.h>
#include <time.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "dataplane/publish.h"
#include "dataplane/spread.h"
#include "dataplane/stages.h"

/*
 * With backoff: this many empty turns before the first sleep, and sleeps that double up to some
 * 50 us; a packet that comes meanwhile waits for that, and for the kernel to wake us: together
 * below 100 us. After some 20 ms without any packet longer ones, so that a gateway with nothing to
 * do costs some percent of a CPU.
 */
#define IDLE_TURNS_AWAKE 64
#define IDLE_TURNS_SHORT 400
#define SLEEP_MIN_NS	 4000
#define SLEEP_MAX_NS	 50000
#define SLEEP_LONG_NS	 250000

static uint64_t boottime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * WG_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* The note as it comes off a ring: pointers instead of names. False: what it names is gone. */
static bool attach(struct dp_worker *w, struct dp_note *note)
{
	note->session = NULL;
	note->peer = NULL;
	note->iface = NULL;
	note->route = NULL;
	note->has_hop = 0;
	note->inner_off = 0;
	switch (note->ask) {
	case DP_ASK_FRAME:
	case DP_ASK_OUT:
		return note->port_id < w->dp->n_ports;
	case DP_ASK_ENCAP:
		note->port_id = DP_PORT_NONE;
		if (note->iface_id < DP_IFACES_MAX)
			note->iface = atomic_load_explicit(&w->dp->ifaces[note->iface_id],
							   memory_order_acquire);
		return note->iface != NULL;
	case DP_ASK_SEAL:
		note->port_id = DP_PORT_NONE;
		note->peer = dp_peer_by_ref(w->dp, note->peer_ref);
		if (note->peer)
			note->iface = note->peer->iface;
		return note->peer != NULL;
	default:
		return false;
	}
}

/* A batch from control or the face joins the path where its packets say. */
static unsigned int take(struct dp_worker *w, struct rte_ring *ring)
{
	static void (*const joins[])(struct dp_worker * w, struct dp_batch * b) = {
		[DP_ASK_FRAME] = dp_classify,
		[DP_ASK_ENCAP] = dp_encap_linux,
		[DP_ASK_SEAL] = dp_seal,
		[DP_ASK_OUT] = dp_tx,
	};
	struct dp_batch in, part;
	uint8_t asks[DP_BATCH_MAX], verdicts[DP_BATCH_MAX];
	unsigned int taken;

	dp_spread_make_room(w);
	in.n = (uint16_t)rte_ring_sc_dequeue_burst(ring, (void **)in.pkts, DP_BATCH_MAX, NULL);
	taken = in.n;
	if (taken == 0)
		return 0;
	for (unsigned int i = 0; i < in.n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(in.pkts[i], void *));
	for (unsigned int i = 0; i < in.n; i++)
		verdicts[i] = attach(w, dp_note(in.pkts[i])) ? DP_KEEP : DP_DROP_stale;
	dp_sift(w, &in, verdicts);
	for (unsigned int i = 0; i < in.n; i++)
		asks[i] = dp_note(in.pkts[i])->ask;
	for (uint8_t ask = DP_ASK_FRAME; ask <= DP_ASK_OUT; ask++) {
		part.n = 0;
		dp_batch_pick(&part, &in, asks, ask);
		if (part.n)
			joins[ask](w, &part);
	}
	return taken;
}

unsigned int dp_worker_turn(struct dp_worker *w)
{
	unsigned int taken = 0;
	struct dp_batch b;

	w->now_ns = boottime_ns();
	dp_spread_begin(w);
	for (uint16_t i = 0; i < w->n_polls; i++) {
		dp_spread_make_room(w);
		if (dp_rx(w, &w->polls[i], &b) == 0)
			continue;
		taken += b.n;
		dp_classify(w, &b);
	}
	taken += take(w, w->from_control);
	taken += take(w, w->from_face);
	taken += dp_spread_turn(w, taken);
	dp_tx_flush(w);
	dp_count(&w->loops, 1);
	if (taken == 0)
		dp_count(&w->idle_loops, 1);
	return taken;
}

static void back_off(unsigned int idle_turns)
{
	unsigned int doubled = idle_turns - IDLE_TURNS_AWAKE;
	struct timespec ts = {.tv_nsec = SLEEP_MAX_NS};

	if (doubled < 4)
		ts.tv_nsec = SLEEP_MIN_NS << doubled;
	else if (doubled > IDLE_TURNS_SHORT)
		ts.tv_nsec = SLEEP_LONG_NS;
	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

static_assert(SLEEP_MIN_NS << 3 <= SLEEP_MAX_NS, "sleeps grow");

/* RCU knows its own turns, and the two epochs of what it shares out. */
int dp_worker_begin(struct dp_worker *w)
{
	int rc = rte_rcu_qsbr_thread_register(w->dp->rcu, w->id);

	for (unsigned int e = 0; rc == 0 && e < 2; e++)
		rc = rte_rcu_qsbr_thread_register(w->dp->rcu, dp_spread_thread(w, e));
	if (rc != 0)
		return -1;
	rte_rcu_qsbr_thread_online(w->dp->rcu, w->id);
	return 0;
}

void dp_worker_end(struct dp_worker *w)
{
	dp_spread_finish(w);
	rte_rcu_qsbr_thread_offline(w->dp->rcu, w->id);
	rte_rcu_qsbr_thread_unregister(w->dp->rcu, w->id);
	for (unsigned int e = 0; e < 2; e++)
		rte_rcu_qsbr_thread_unregister(w->dp->rcu, dp_spread_thread(w, e));
}

int dp_worker_run(void *arg)
{
	struct dp_worker *w = arg;
	struct dp *dp = w->dp;
	unsigned int idle_turns = 0;

	/* Else the kernel adds up to 50 us to each sleep. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	if (dp_worker_begin(w) != 0)
		return -1;
	while (!atomic_load_explicit(&dp->stop, memory_order_relaxed)) {
		idle_turns = dp_worker_turn(w) ? 0 : idle_turns + 1;
		rte_rcu_qsbr_quiescent(dp->rcu, w->id);
		if (dp->backoff && idle_turns >= IDLE_TURNS_AWAKE)
			back_off(idle_turns);
	}
	dp_worker_end(w);
	return 0;
}
