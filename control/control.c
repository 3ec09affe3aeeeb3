/*
 * The control lcore's loop: takes what workers report, runs handshakes and timers, serves sockets
 * and netlink, and sleeps when nothing is due. Bounded work a turn, so that a flood of one kind
 * does not starve the others. What is done with each thing is in the files that control.h lists.
 */
#include "control/control.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "control/log.h"

#define HANDSHAKES_PER_TURN 32
#define ASKED_PER_TURN	    64
#define EVENTS_PER_TURN	    64
#define WAYS_PER_TURN	    64
#define SOCKETS_PER_TURN    16
#define NS_PER_MS	    1000000

void ctl_clock(struct hs_now *now)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	now->mono_ns = (uint64_t)t.tv_sec * WG_NS_PER_S + (uint64_t)t.tv_nsec;
	clock_gettime(CLOCK_REALTIME, &t);
	now->wall_s = (uint64_t)t.tv_sec;
	now->wall_ns = (uint32_t)t.tv_nsec;
}

int ctl_watch(struct ctl *c, int fd, void *tag)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = tag};

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0 ? 0 : -errno;
}

void ctl_unwatch(struct ctl *c, int fd)
{
	epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* A link-local endpoint is one only together with its link, which workers know as a port. */
static void add_scope(const struct ctl *c, struct wg_endpoint *e)
{
	bool link_local = e->family == AF_INET6 && e->addr[0] == 0xfe &&
			  (e->addr[1] & 0xc0) == 0x80;

	if (link_local && e->has_local && e->local_port < c->dp->n_ports)
		e->scope = c->dp->ports[e->local_port]->linux_ifindex;
}

static void take_handshake(struct ctl *c, struct rte_mbuf *m, bool under_load)
{
	const struct dp_note *note = dp_note(m);
	struct ctl_iface *i = c->ifaces[note->iface_id];
	struct wg_endpoint from;
	enum hs_verdict verdict;

	if (i == NULL) {
		ctl_gone(&c->dp->control_counters, m);
		return;
	}
	dp_packet_endpoint(m, &from);
	add_scope(c, &from);
	c->input_bytes = note->payload_len;
	verdict = hs_device_input(i->hs, &c->now, under_load,
				  rte_pktmbuf_mtod_offset(m, const uint8_t *, note->payload_off),
				  note->payload_len, &from);
	c->input_bytes = 0;
	c->verdicts[verdict]++;
	if (verdict == HS_initiation_accepted || verdict == HS_response_accepted ||
	    verdict == HS_cookie_accepted || verdict == HS_cookie_sent) {
		ctl_consume(&c->dp->control_counters, m);
	} else {
		ctl_drop(&c->dp->control_counters, m, DP_DROP_handshake_refused);
	}
}

static unsigned int take_handshakes(struct ctl *c)
{
	struct rte_mbuf *pkts[HANDSHAKES_PER_TURN];
	/* "Under load": an eighth of the queue (protocol 1.4). */
	bool under_load = dp_handshakes_waiting(c->dp) >= DP_HANDSHAKE_RING_PKTS / 8;
	unsigned int n = dp_take_handshakes(c->dp, pkts, HANDSHAKES_PER_TURN);

	/* Not older than the messages: this thread may have slept since the turn began, and 20 ms
	 * between two initiations count. */
	if (n > 0)
		ctl_clock(&c->now);
	for (unsigned int k = 0; k < n; k++)
		take_handshake(c, pkts[k], under_load);
	return n;
}

static unsigned int take_asked(struct ctl *c)
{
	struct rte_mbuf *pkts[ASKED_PER_TURN];
	unsigned int n = dp_take_asked(c->dp, pkts, ASKED_PER_TURN);

	for (unsigned int k = 0; k < n; k++) {
		struct dp_note *note = dp_note(pkts[k]);
		struct dp_peer *dp;

		if (note->ask != DP_ASK_STAGE) {
			ctl_asked_packet(c->asked, c->now.mono_ns, pkts[k]);
			continue;
		}
		dp = dp_peer_by_ref(c->dp, note->peer_ref);
		if (dp == NULL)
			ctl_gone(&c->dp->control_counters, pkts[k]);
		else
			ctl_peer_stage(dp->owner, pkts[k]);
	}
	return n;
}

static void take_event(struct ctl *c, struct dp_event *e)
{
	struct dp_peer *dp = dp_peer_by_ref(c->dp, e->peer_ref);
	struct ctl_peer *p;

	if (dp == NULL)
		return;
	p = dp->owner;
	switch ((enum dp_event_kind)e->kind) {
	case DP_EVENT_WANT_SESSION:
		hs_peer_want_session(p->hs, &c->now);
		break;
	case DP_EVENT_CONFIRMED:
		hs_peer_confirmed(p->hs, &c->now, e->local_index);
		break;
	case DP_EVENT_ROAMED:
		add_scope(c, &e->endpoint);
		hs_peer_set_endpoint(p->hs, &e->endpoint);
		ctl_peer_moved(p);
		break;
	}
}

static unsigned int take_events(struct ctl *c)
{
	struct dp_event events[EVENTS_PER_TURN];
	unsigned int n = dp_take_events(c->dp, events, EVENTS_PER_TURN);

	for (unsigned int k = 0; k < n; k++)
		take_event(c, &events[k]);
	return n;
}

/* What upcalls could not do themselves. */
static void run_deferred(struct ctl *c)
{
	struct ctl_peer *p;

	while ((p = TAILQ_FIRST(&c->deferred)) != NULL) {
		TAILQ_REMOVE(&c->deferred, p, deferred);
		p->is_deferred = false;
		if (p->wants_way) {
			p->wants_way = false;
			ctl_peer_update_way(p);
			ctl_peer_flush(p);
		}
		if (p->way_failed) {
			p->way_failed = false;
			ctl_peer_refuse_staged(p, DP_DROP_staged_unresolved);
		}
		if (p->wants_session) {
			p->wants_session = false;
			hs_peer_want_session(p->hs, &c->now);
		}
	}
}

/* After a change of routes: each peer's way anew, some peers a turn. True: more to do. */
static bool update_ways(struct ctl *c)
{
	bool more = false;

	for (unsigned int k = 0; k < DP_IFACES_MAX; k++) {
		struct ctl_iface *i = c->ifaces[k];

		for (int n = 0; i != NULL && i->way_cursor != NULL && n < WAYS_PER_TURN; n++) {
			struct ctl_peer *p = i->way_cursor;

			i->way_cursor = TAILQ_NEXT(p, link);
			ctl_peer_update_way(p);
			ctl_peer_flush(p);
		}
		more |= i != NULL && i->way_cursor != NULL;
	}
	return more;
}

/* What was put off until its time, with nothing to read; returns when the next is due. */
static uint64_t advance_linux(struct ctl *c)
{
	uint64_t due = ctl_linux_due_ns(c->netlink);

	if (due > c->now.mono_ns)
		return due;
	ctl_linux_run(c->netlink);
	return ctl_linux_due_ns(c->netlink);
}

/* Timers; returns when the next is due. */
static uint64_t advance(struct ctl *c)
{
	uint64_t due = advance_linux(c);
	uint64_t d = ctl_asked_advance(c->asked, c->now.mono_ns);

	due = d < due ? d : due;
	d = ctl_links_advance(c->links, c->now.mono_ns);
	due = d < due ? d : due;
	for (unsigned int k = 0; k < DP_IFACES_MAX; k++) {
		if (c->ifaces[k] == NULL)
			continue;
		if (hs_device_due_ns(c->ifaces[k]->hs) <= c->now.mono_ns)
			hs_device_advance(c->ifaces[k]->hs, &c->now);
		d = ctl_iface_free_ports(c->ifaces[k]);
		due = d < due ? d : due;
	}
	run_deferred(c);
	for (unsigned int k = 0; k < DP_IFACES_MAX; k++) {
		if (c->ifaces[k] == NULL)
			continue;
		d = hs_device_due_ns(c->ifaces[k]->hs);
		due = d < due ? d : due;
	}
	return due;
}

static void serve(struct ctl *c, void *tag)
{
	struct signalfd_siginfo info;
	uint64_t rung;

	if (tag == c) {
		if (read(c->signal_fd, &info, sizeof(info)) != sizeof(info))
			return;
		if (info.ssi_signo == SIGHUP) {
			ctl_load_again(c);
			return;
		}
		ctl_log(CTL_NOTICE, "stopping on signal %u", info.ssi_signo);
		c->stop = true;
	} else if (tag == c->netlink) {
		ctl_linux_run(c->netlink);
	} else if (tag == c->rpc) {
		cf_rpc_run(c->rpc);
	} else if (tag == c->dp) {
		if (read(c->dp->control_bell.fd, &rung, sizeof(rung)) < 0 && errno != EAGAIN)
			ctl_log(CTL_ERROR, "eventfd: %m");
	} else {
		/* Interfaces may have gone in this very turn: compare before use. */
		for (unsigned int k = 0; k < DP_IFACES_MAX; k++)
			if (c->ifaces[k] != NULL && tag == c->ifaces[k])
				cf_uapi_run(c->ifaces[k]->uapi);
	}
}

/* Sleeps until something comes or `due`; not at all if `busy`. */
static void wait_and_serve(struct ctl *c, bool busy, uint64_t due)
{
	struct epoll_event events[SOCKETS_PER_TURN];
	int timeout_ms = -1;
	int n;

	if (busy || due <= c->now.mono_ns)
		timeout_ms = 0;
	else if (due - c->now.mono_ns < UINT64_C(3600) * WG_NS_PER_S)
		timeout_ms = (int)((due - c->now.mono_ns + NS_PER_MS - 1) / NS_PER_MS);
	if (timeout_ms != 0 && !dp_control_may_sleep(c->dp))
		timeout_ms = 0;
	n = epoll_wait(c->epoll_fd, events, SOCKETS_PER_TURN, timeout_ms);
	atomic_store(&c->dp->control_bell.asleep, false);
	ctl_clock(&c->now);
	for (int k = 0; k < n; k++)
		serve(c, events[k].data.ptr);
}

void ctl_run(struct ctl *c)
{
	while (!c->stop) {
		unsigned int taken = 0;
		bool busy;
		uint64_t due;

		ctl_clock(&c->now);
		/* Events first: a key confirmation must not wait behind a flood. */
		taken += take_events(c);
		taken += take_handshakes(c);
		taken += take_asked(c);
		run_deferred(c);
		busy = update_ways(c);
		due = advance(c);
		/* Reclaiming waits for workers, which need some 100 us to come round. */
		if (dp_reclaim_poll(c->dp->reclaim) > 0 && due > c->now.mono_ns + NS_PER_MS)
			due = c->now.mono_ns + NS_PER_MS;
		wait_and_serve(c, busy || taken > 0, due);
	}
}
