/*
 * Inner packets for a next hop whose MAC is not known: Linux is asked to resolve it
 * (ctl_linux_neighbour), they wait here for the answer. Control thread.
 */
#include "control/asked_priv.h"

#include <stdlib.h>
#include <string.h>

#include <rte_jhash.h>

#include "control/ending.h"
#include "dataplane/ethernet.h"

/* As long as Linux waits for the first answer before it asks again. */
#define WAIT_NS UINT64_C(1000000000)

static unsigned int bucket(uint32_t ifindex, const uint8_t *addr)
{
	uint32_t words[4];

	memcpy(words, addr, sizeof(words));
	return rte_jhash_32b(words, 4, ifindex) % ASKED_WAIT_BUCKETS;
}

static struct asked_wait *find(const struct ctl_asked *a, uint32_t ifindex, int family,
			       const uint8_t *addr)
{
	struct asked_wait *w;

	LIST_FOREACH (w, &a->waits[bucket(ifindex, addr)], chain)
		if (w->ifindex == ifindex && w->family == family && memcmp(w->addr, addr, 16) == 0)
			return w;
	return NULL;
}

static struct asked_wait *get(struct ctl_asked *a, uint64_t now_ns, uint32_t ifindex,
			      const struct dp_note *note)
{
	struct asked_wait *w = find(a, ifindex, note->family, note->next_hop);

	if (w || a->n_waits == ASKED_WAITS_MAX)
		return w;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->ifindex = ifindex;
	w->port_id = note->port_id;
	w->family = note->family;
	memcpy(w->addr, note->next_hop, sizeof(w->addr));
	w->until_ns = now_ns + WAIT_NS;
	LIST_INSERT_HEAD(&a->waits[bucket(ifindex, w->addr)], w, chain);
	TAILQ_INSERT_TAIL(&a->by_age, w, age);
	a->n_waits++;
	return w;
}

static void forget(struct ctl_asked *a, struct asked_wait *w)
{
	LIST_REMOVE(w, chain);
	TAILQ_REMOVE(&a->by_age, w, age);
	a->n_waits--;
	a->unresolved -= w->n;
	free(w);
}

static void fail(struct ctl_asked *a, struct rte_mbuf *m)
{
	ctl_drop(&a->dp->control_counters, m, DP_DROP_unresolved);
}

/* All that wait for it. now_ns 0: without telling their sources. */
static void give_up(struct ctl_asked *a, uint64_t now_ns, struct asked_wait *w)
{
	for (unsigned int i = 0; i < w->n; i++) {
		if (now_ns)
			ctl_asked_icmp(a, now_ns, w->pkts[i], DP_DROP_unresolved);
		fail(a, w->pkts[i]);
	}
	forget(a, w);
}

static void send_to(struct ctl_asked *a, struct rte_mbuf *m, const struct dp_port *port,
		    const uint8_t *mac)
{
	bool v4 = dp_ip_version(rte_pktmbuf_mtod(m, const uint8_t *)) == 4;
	uint8_t *frame = (uint8_t *)rte_pktmbuf_prepend(m, dp_ethernet_bytes(port));

	if (!frame) {
		ctl_no_buffers(&a->dp->control_counters, m);
		return;
	}
	dp_ethernet_write(frame, port, mac, v4);
	dp_note(m)->ask = DP_ASK_OUT;
	dp_note(m)->port_id = port->id;
	ctl_hand(a->dp, m, false);
}

void asked_resolve(struct ctl_asked *a, uint64_t now_ns, struct rte_mbuf *m)
{
	const struct dp_note *note = dp_note(m);
	const struct dp_port *port = note->port_id < DP_PORTS_MAX ? a->dp->ports[note->port_id]
								  : NULL;
	struct asked_wait *w;
	uint8_t mac[6];

	if (!port || port->linux_ifindex == 0) {
		fail(a, m);
		return;
	}
	if (ctl_linux_neighbour(a->l, port->linux_ifindex, note->family, note->next_hop, mac)) {
		send_to(a, m, port, mac);
		return;
	}
	w = get(a, now_ns, port->linux_ifindex, note);
	if (!w) {
		fail(a, m);
		return;
	}
	if (w->n == ASKED_WAIT_PKTS) {
		/* The newest are worth most. */
		fail(a, w->pkts[0]);
		memmove(&w->pkts[0], &w->pkts[1], (ASKED_WAIT_PKTS - 1) * sizeof(w->pkts[0]));
		w->n--;
		a->unresolved--;
	}
	w->pkts[w->n++] = m;
	a->unresolved++;
}

void ctl_asked_neighbour(struct ctl_asked *a, uint32_t ifindex, int family, const uint8_t *addr,
			 const uint8_t *mac)
{
	uint8_t key[16] = {0};
	struct asked_wait *w;

	memcpy(key, addr, family == AF_INET ? 4 : 16);
	w = find(a, ifindex, family, key);
	if (!w)
		return;
	if (!mac) {
		/* Their sources hear of it when the time is over, in asked_resolve_advance(). */
		w->until_ns = 0;
		return;
	}
	for (unsigned int i = 0; i < w->n; i++)
		send_to(a, w->pkts[i], a->dp->ports[w->port_id], mac);
	forget(a, w);
}

uint64_t asked_resolve_advance(struct ctl_asked *a, uint64_t now_ns)
{
	struct asked_wait *w, *next;

	for (w = TAILQ_FIRST(&a->by_age); w; w = next) {
		next = TAILQ_NEXT(w, age);
		if (w->until_ns <= now_ns)
			give_up(a, now_ns, w);
	}
	w = TAILQ_FIRST(&a->by_age);
	return w ? w->until_ns : UINT64_MAX;
}

void asked_resolve_open(struct ctl_asked *a)
{
	TAILQ_INIT(&a->by_age);
	for (unsigned int i = 0; i < ASKED_WAIT_BUCKETS; i++)
		LIST_INIT(&a->waits[i]);
}

void asked_resolve_close(struct ctl_asked *a)
{
	while (!TAILQ_EMPTY(&a->by_age))
		give_up(a, 0, TAILQ_FIRST(&a->by_age));
}
