/*
 * Peers as control keeps them: adding and removing, allowed-ips, the way out, and what waits for a
 * session or a next hop. Control thread. The protocol is in handshake/, what workers see in
 * dataplane/peer.h.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "config/keytext.h"
#include "control/control.h"
#include "control/log.h"
#include "crypto/ct.h"
#include "dataplane/allowed.h"
#include "dataplane/session.h"

/* See ctl_peer_moved(). A peer behind a NAT that let go of the port that we send to is without our
 * packets for so long at most. */
#define HOLD_MIN_NS WG_NS_PER_S
#define HOLD_MAX_NS (8 * WG_NS_PER_S)

static struct ctl_limit limit = {.every_ns = WG_NS_PER_S, .burst = 5};

struct ctl_peer *ctl_peer_new(struct ctl_iface *i, const uint8_t public_key[CF_KEY_BYTES])
{
	struct ctl_peer *p = calloc(1, sizeof(*p));
	int error;

	if (p == NULL)
		return NULL;
	p->iface = i;
	p->source_ports = 1;
	p->dp = dp_publish_peer(i->ctl->dp, i->dp, p);
	if (p->dp == NULL) {
		free(p);
		errno = ENOMEM;
		return NULL;
	}
	p->hs = hs_peer_add(i->hs, public_key, p);
	if (p->hs == NULL) {
		error = errno;
		dp_retire_peer(i->ctl->dp, p->dp, free, p);
		errno = error;
		return NULL;
	}
	TAILQ_INSERT_TAIL(&i->peers, p, link);
	i->n_peers++;
	return p;
}

static void forget(void *arg)
{
	struct ctl_peer *p = arg;

	cr_wipe(p->held, sizeof(p->held));
	free(p->staged);
	free(p);
}

/* Where a reader that stands on p goes on. */
static void remember_place(const struct ctl_peer *p)
{
	struct ctl_iface *i = p->iface;
	struct ctl_gone *g = &i->gone[i->n_gone++ % CTL_GONE_MAX];
	const struct ctl_peer *before = TAILQ_PREV(p, ctl_peer_list, link);

	memcpy(g->key, hs_peer_public_key(p->hs), sizeof(g->key));
	g->was_first = before == NULL;
	if (before != NULL)
		memcpy(g->before, hs_peer_public_key(before->hs), sizeof(g->before));
}

static struct rte_mbuf *take_oldest(struct ctl_peer *p)
{
	struct rte_mbuf *m = p->staged[p->staged_head];

	p->staged_head = (uint16_t)((p->staged_head + 1) % CTL_STAGED_MAX_PKTS);
	p->staged_n--;
	return m;
}

void ctl_peer_remove(struct ctl_peer *p)
{
	struct ctl_iface *i = p->iface;

	remember_place(p);

	/* Nothing may find it for new work; then what is on its way; memory goes after the workers.
	 */
	ctl_peer_disallow_all(p);
	hs_peer_remove(p->hs);
	while (p->staged_n > 0)
		ctl_gone(&i->ctl->dp->control_counters, take_oldest(p));
	if (p->is_deferred)
		TAILQ_REMOVE(&i->ctl->deferred, p, deferred);
	if (i->way_cursor == p)
		i->way_cursor = TAILQ_NEXT(p, link);
	TAILQ_REMOVE(&i->peers, p, link);
	i->n_peers--;
	ctl_iface_count_ports(i, p->source_ports, 1);
	dp_retire_peer(i->ctl->dp, p->dp, forget, p);
}

struct ctl_peer *ctl_peer_find(const struct ctl_iface *i, const uint8_t *public_key)
{
	struct hs_peer *hs = hs_peer_find(i->hs, public_key);

	return hs == NULL ? NULL : hs_peer_owner(hs);
}

struct ctl_peer *ctl_peer_after(const struct ctl_iface *i, const uint8_t *public_key)
{
	unsigned int n = i->n_gone < CTL_GONE_MAX ? i->n_gone : CTL_GONE_MAX;
	struct ctl_peer *p;

	if (public_key == NULL)
		return TAILQ_FIRST(&i->peers);
	p = ctl_peer_find(i, public_key);
	if (p != NULL)
		return TAILQ_NEXT(p, link);
	for (unsigned int k = 1; k <= n; k++) {
		const struct ctl_gone *g = &i->gone[(i->n_gone - k) % CTL_GONE_MAX];

		if (memcmp(g->key, public_key, sizeof(g->key)) != 0)
			continue;
		if (g->was_first)
			return TAILQ_FIRST(&i->peers);
		p = ctl_peer_find(i, g->before);
		if (p != NULL)
			return TAILQ_NEXT(p, link);
		/* It has gone too, later than this one: start again at the newest. */
		public_key = g->before;
		k = 0;
	}
	return NULL;
}

void ctl_peer_defer(struct ctl_peer *p)
{
	if (p->is_deferred)
		return;
	p->is_deferred = true;
	TAILQ_INSERT_TAIL(&p->iface->ctl->deferred, p, deferred);
}

/* ---- allowed-ips ---- */

int ctl_peer_allow(struct ctl_peer *p, const struct cf_prefix *prefix)
{
	return dp_allowed_insert(p->iface->dp->allowed, prefix->family, prefix->addr, prefix->len,
				 p->dp);
}

int ctl_peer_disallow(struct ctl_peer *p, const struct cf_prefix *prefix)
{
	return dp_allowed_remove(p->iface->dp->allowed, prefix->family, prefix->addr, prefix->len,
				 p->dp);
}

void ctl_peer_disallow_all(struct ctl_peer *p)
{
	dp_allowed_remove_peer(p->iface->dp->allowed, p->dp);
}

struct collected {
	struct cf_prefix *at;
	size_t n, size;
	bool failed;
};

static bool collect(void *ctx, int family, const uint8_t *addr, uint8_t len, struct dp_peer *peer)
{
	struct collected *c = ctx;
	struct cf_prefix *p;

	(void)peer;
	if (c->n == c->size) {
		size_t size = c->size == 0 ? 4 : 2 * c->size;
		struct cf_prefix *at = realloc(c->at, size * sizeof(*at));

		if (at == NULL) {
			c->failed = true;
			return false;
		}
		c->at = at;
		c->size = size;
	}
	p = &c->at[c->n++];
	memset(p, 0, sizeof(*p));
	memcpy(p->addr, addr, family == AF_INET ? 4 : 16);
	p->family = (uint8_t)family;
	p->len = len;
	return true;
}

static int compare(const void *a, const void *b)
{
	return cf_prefix_compare(a, b);
}

int ctl_peer_allowed(const struct ctl_peer *p, struct cf_prefix **at, size_t *n)
{
	struct collected c = {0};

	dp_allowed_list(p->iface->dp->allowed, p->dp, collect, &c);
	if (c.failed) {
		free(c.at);
		return -ENOMEM;
	}
	if (c.n > 1)
		qsort(c.at, c.n, sizeof(*c.at), compare);
	*at = c.at;
	*n = c.n;
	return 0;
}

/* ---- the way out ---- */

void ctl_peer_set_endpoint(struct ctl_peer *p, const struct cf_endpoint *e)
{
	struct wg_endpoint to;

	memset(&to, 0, sizeof(to));
	p->configured = *e;
	if (e->family != 0) {
		memcpy(to.addr, e->addr, sizeof(to.addr));
		to.scope = e->scope;
		to.port = e->port;
		to.family = e->family;
	}
	hs_peer_set_endpoint(p->hs, &to);
	ctl_peer_update_way(p);
	ctl_peer_flush(p);
}

static void send_held(struct ctl_peer *p)
{
	uint8_t msg[sizeof(p->held)];
	size_t len = p->held_bytes;

	if (len == 0)
		return;
	memcpy(msg, p->held, len);
	p->held_bytes = 0;
	ctl_emit(p->iface, p, hs_peer_endpoint(p->hs), msg, len);
}

void ctl_peer_update_way(struct ctl_peer *p)
{
	struct ctl *c = p->iface->ctl;
	const struct wg_endpoint *to = hs_peer_endpoint(p->hs);
	struct ctl_way way;

	p->way_family = 0;
	p->way_error = 0;
	if (to->family == 0) {
		dp_publish_out(c->dp, p->dp, NULL);
		return;
	}
	memset(&way, 0, sizeof(way));
	p->way_error = ctl_linux_way(c->netlink, to, p->iface->guard.port, p->iface->fwmark, &way);
	if (p->way_error != 0) {
		/* The endpoint is known all the same: workers compare with it. */
		way.out.endpoint = *to;
		way.out.port_id = DP_PORT_NONE;
	} else {
		p->way_ifindex = way.ifindex;
		p->way_family = way.family;
		memcpy(p->way_next_hop, way.next_hop, sizeof(p->way_next_hop));
		if (to->has_local && !way.out.endpoint.has_local)
			hs_peer_set_endpoint(p->hs, &way.out.endpoint);
	}
	way.out.source_ports = p->source_ports;
	way.out.port_held = dp_out_tick(p->port_held_ns);
	if (dp_publish_out(c->dp, p->dp, &way.out) != 0) {
		ctl_log_limited(&limit, CTL_ERROR, "out of memory for a peer's way out");
		return;
	}
	if (way.out.port_id != DP_PORT_NONE)
		send_held(p);
}

/* Was it the port alone that the peer has changed? */
static bool only_port(const struct ctl_peer *p)
{
	const struct dp_out *out = atomic_load_explicit(&p->dp->out, memory_order_relaxed);
	struct wg_endpoint was;

	if (out == NULL)
		return false;
	was = out->endpoint;
	was.port = hs_peer_endpoint(p->hs)->port;
	return memcmp(&was, hs_peer_endpoint(p->hs), sizeof(was)) == 0;
}

/*
 * A peer that itself has source ports moves with each packet, and receives on all of them. If each
 * move were followed, all packets to it would wait for it here. So after a change of the port alone
 * the next such change is followed a second later, and if there is one as soon as that, the next
 * two seconds later, and so on. A handshake message is followed at once.
 */
void ctl_peer_moved(struct ctl_peer *p)
{
	uint64_t now_ns = p->iface->ctl->now.mono_ns;

	if (only_port(p)) {
		bool again = now_ns < p->port_held_ns + HOLD_MIN_NS;

		p->hold_ns = again ? RTE_MIN(2 * p->hold_ns, HOLD_MAX_NS) : HOLD_MIN_NS;
		p->port_held_ns = now_ns + p->hold_ns;
	}
	ctl_peer_update_way(p);
	ctl_peer_flush(p);
}

int ctl_peer_set_source_ports(struct ctl_peer *p, uint8_t n)
{
	uint8_t was = p->source_ports;
	int rc = n > was ? ctl_iface_count_ports(p->iface, was, n) : 0;

	if (rc != 0)
		return rc;
	p->source_ports = n;
	ctl_peer_update_way(p);
	if (n >= was)
		return 0;
	ctl_iface_count_ports(p->iface, was, n);
	/* It answers to the port that it heard last, which may be no more: it shall hear another.
	 */
	if (ctl_peer_usable(p)) {
		ctl_peer_stage_keepalive(p);
		ctl_peer_flush(p);
	}
	return 0;
}

void ctl_peers_neighbour(struct ctl *c, uint32_t ifindex, int family, const uint8_t *addr,
			 bool failed)
{
	size_t len = family == AF_INET ? 4 : 16;

	for (unsigned int k = 0; k < DP_IFACES_MAX; k++) {
		struct ctl_peer *p;

		if (c->ifaces[k] == NULL)
			continue;
		TAILQ_FOREACH (p, &c->ifaces[k]->peers, link) {
			if (p->way_family != family || p->way_ifindex != ifindex ||
			    memcmp(p->way_next_hop, addr, len) != 0)
				continue;
			p->wants_way = !failed;
			p->way_failed = failed;
			ctl_peer_defer(p);
		}
	}
}

/* ---- what waits ---- */

bool ctl_peer_usable(const struct ctl_peer *p)
{
	const struct dp_session *s = atomic_load_explicit(&p->dp->current, memory_order_relaxed);

	/* A tenth of a second of slack: workers decide by their own clock, and would hand packets
	 * back. */
	return s != NULL &&
	       p->iface->ctl->now.mono_ns + WG_NS_PER_S / 10 < s->birth_ns + WG_REJECT_AFTER_NS &&
	       dp_counted(&s->send_counter) < WG_REJECT_AFTER_MESSAGES - CTL_STAGED_MAX_PKTS;
}

static bool has_way(const struct ctl_peer *p)
{
	const struct dp_out *out = atomic_load_explicit(&p->dp->out, memory_order_relaxed);

	return out != NULL && out->port_id != DP_PORT_NONE;
}

/* Ends a packet of this peer. */
static void drop(struct ctl_peer *p, struct rte_mbuf *m, enum dp_drop reason)
{
	if ((unsigned int)reason < DP_DROP_PEER_N)
		atomic_fetch_add_explicit(&p->dp->drops[reason], 1, memory_order_relaxed);
	ctl_drop(&p->iface->ctl->dp->control_counters, m, reason);
}

/* False: out of memory. */
static bool put(struct ctl_peer *p, struct rte_mbuf *m)
{
	if (p->staged == NULL) {
		p->staged = calloc(CTL_STAGED_MAX_PKTS, sizeof(struct rte_mbuf *));
		if (p->staged == NULL)
			return false;
	}
	if (p->staged_n == CTL_STAGED_MAX_PKTS)
		drop(p, take_oldest(p), DP_DROP_staged_full);
	p->staged[(p->staged_head + p->staged_n) % CTL_STAGED_MAX_PKTS] = m;
	p->staged_n++;
	return true;
}

static void refuse(struct ctl_peer *p, struct rte_mbuf *m, enum dp_drop reason)
{
	struct ctl *c = p->iface->ctl;

	if (m->pkt_len > 0)
		ctl_asked_icmp(c->asked, c->now.mono_ns, m, reason);
	drop(p, m, reason);
}

void ctl_peer_stage(struct ctl_peer *p, struct rte_mbuf *m)
{
	if (hs_peer_endpoint(p->hs)->family == 0) {
		refuse(p, m, DP_DROP_no_endpoint);
		return;
	}
	if (p->way_error != 0) {
		refuse(p, m, DP_DROP_no_route);
		return;
	}
	if (!put(p, m)) {
		drop(p, m, DP_DROP_staged_full);
		return;
	}
	if (ctl_peer_usable(p) && has_way(p)) {
		ctl_peer_flush(p);
		return;
	}
	p->wants_session = !ctl_peer_usable(p);
	p->wants_way = !has_way(p); /* asks the next hop once more */
	ctl_peer_defer(p);
}

void ctl_peer_stage_keepalive(struct ctl_peer *p)
{
	struct ctl *c = p->iface->ctl;
	struct rte_mbuf *m;

	if (p->staged_n > 0 || hs_peer_endpoint(p->hs)->family == 0)
		return;
	m = ctl_make(c->dp);
	if (m == NULL) {
		ctl_log_limited(&limit, CTL_ERROR, "out of packet buffers for a keepalive");
		return;
	}
	dp_note(m)->peer_ref = p->dp->ref;
	if (!put(p, m))
		drop(p, m, DP_DROP_staged_full);
}

void ctl_peer_flush(struct ctl_peer *p)
{
	if (!ctl_peer_usable(p) || !has_way(p))
		return;
	while (p->staged_n > 0) {
		struct rte_mbuf *m = take_oldest(p);

		dp_note(m)->ask = DP_ASK_SEAL;
		dp_note(m)->peer_ref = p->dp->ref;
		ctl_hand(p->iface->ctl->dp, m, false);
	}
	free(p->staged);
	p->staged = NULL;
	p->staged_head = 0;
}

void ctl_peer_purge(struct ctl_peer *p, enum dp_drop reason)
{
	while (p->staged_n > 0)
		drop(p, take_oldest(p), reason);
}

void ctl_peer_refuse_staged(struct ctl_peer *p, enum dp_drop reason)
{
	while (p->staged_n > 0)
		refuse(p, take_oldest(p), reason);
}

/* ---- totals ---- */

void ctl_peer_totals(const struct ctl_peer *p, struct ctl_peer_totals *t)
{
	t->rx_bytes = p->dp->rest->rx_bytes;
	t->tx_bytes = p->dp->rest->tx_bytes;
	t->rx_packets = p->dp->rest->rx_packets;
	t->tx_packets = p->dp->rest->tx_packets;
	for (unsigned int k = 0; k < CTL_SESSIONS_MAX; k++) {
		const struct dp_session *s = p->sessions[k];

		if (s == NULL)
			continue;
		t->rx_bytes += dp_counted(&s->rx_bytes);
		t->rx_packets += dp_counted(&s->rx_packets);
		t->tx_bytes += dp_session_sent_bytes(s);
		t->tx_packets += dp_counted(&s->send_counter);
	}
}
