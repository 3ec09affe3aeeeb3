/*
 * Between workers and the other threads: what control and the face take from the workers' rings
 * and put on them, bells for a consumer that sleeps, and packets that control and the face make.
 * Each ring has one producer and one consumer. The workers' side is in punt.c and worker.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_atomic.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_ring_elem.h>
#include <rte_udp.h>

#include "dataplane/flow.h"
#include "dataplane/publish.h"

/* ---- bells ---- */

void dp_bell_ring(struct dp_bell *bell)
{
	uint64_t one = 1;
	ssize_t n;

	/* What was put on a ring is seen by a consumer that says it sleeps after this. */
	rte_smp_mb();
	if (!atomic_load_explicit(&bell->asleep, memory_order_relaxed) ||
	    !atomic_exchange(&bell->asleep, false))
		return;
	/* Full means that it has been rung already. */
	do {
		n = write(bell->fd, &one, sizeof(one));
	} while (n < 0 && errno == EINTR);
}

static void awake(struct dp_bell *bell)
{
	if (atomic_load_explicit(&bell->asleep, memory_order_relaxed))
		atomic_store_explicit(&bell->asleep, false, memory_order_relaxed);
}

static void say_asleep(struct dp_bell *bell)
{
	uint64_t rung;
	ssize_t n;

	/* Old rings are taken back, or epoll would return at once. */
	do {
		n = read(bell->fd, &rung, sizeof(rung));
	} while (n < 0 && errno == EINTR);
	atomic_store(&bell->asleep, true);
	rte_smp_mb();
}

bool dp_control_may_sleep(struct dp *dp)
{
	say_asleep(&dp->control_bell);
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		const struct dp_worker *w = dp->workers[i];

		if (!rte_ring_empty(w->handshakes) || !rte_ring_empty(w->to_control) ||
		    !rte_ring_empty(w->events)) {
			awake(&dp->control_bell);
			return false;
		}
	}
	return true;
}

bool dp_face_may_sleep(struct dp *dp)
{
	say_asleep(&dp->face_bell);
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		if (!rte_ring_empty(dp->workers[i]->to_face)) {
			awake(&dp->face_bell);
			return false;
		}
	}
	return true;
}

/* ---- from workers ---- */

enum kind { HANDSHAKES, ASKED, EVENTS, FOR_LINUX };

static struct rte_ring *ring_of(const struct dp_worker *w, enum kind kind)
{
	switch (kind) {
	case HANDSHAKES:
		return w->handshakes;
	case ASKED:
		return w->to_control;
	case EVENTS:
		return w->events;
	case FOR_LINUX:
		return w->to_face;
	}
	return NULL;
}

/* From each worker what it has; which one is first goes round, so that none can starve others. */
static unsigned int take(struct dp *dp, enum kind kind, uint16_t *turn, void *out,
			 unsigned int element_bytes, unsigned int n)
{
	unsigned int got = 0;
	uint16_t at = *turn;

	*turn = (uint16_t)((*turn + 1) % dp->n_workers);
	for (unsigned int i = 0; i < dp->n_workers && got < n; i++) {
		got += rte_ring_sc_dequeue_burst_elem(ring_of(dp->workers[at], kind),
						      (char *)out + (size_t)got * element_bytes,
						      element_bytes, n - got, NULL);
		at = (uint16_t)((at + 1) % dp->n_workers);
	}
	return got;
}

unsigned int dp_take_handshakes(struct dp *dp, struct rte_mbuf **pkts, unsigned int n)
{
	awake(&dp->control_bell);
	return take(dp, HANDSHAKES, &dp->turn_handshakes, pkts, sizeof(pkts[0]), n);
}

unsigned int dp_take_asked(struct dp *dp, struct rte_mbuf **pkts, unsigned int n)
{
	awake(&dp->control_bell);
	return take(dp, ASKED, &dp->turn_asked, pkts, sizeof(pkts[0]), n);
}

unsigned int dp_take_events(struct dp *dp, struct dp_event *events, unsigned int n)
{
	awake(&dp->control_bell);
	return take(dp, EVENTS, &dp->turn_events, events, sizeof(events[0]), n);
}

unsigned int dp_take_for_linux(struct dp *dp, struct rte_mbuf **pkts, unsigned int n)
{
	awake(&dp->face_bell);
	return take(dp, FOR_LINUX, &dp->turn_for_linux, pkts, sizeof(pkts[0]), n);
}

unsigned int dp_handshakes_waiting(const struct dp *dp)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < dp->n_workers; i++)
		n += rte_ring_count(dp->workers[i]->handshakes);
	return n;
}

/* ---- to workers ---- */

/* A keepalive has no flow: by its peer. */
static uint64_t flow_of(const struct rte_mbuf *m)
{
	uint64_t h = dp_flow_hash(rte_pktmbuf_mtod(m, const uint8_t *), rte_pktmbuf_data_len(m));

	return h ? h : dp_flow_mix(0, &dp_note(m)->peer_ref, sizeof(dp_note(m)->peer_ref));
}

/* Other packets by port, which keeps those of one port in order as well. */
static struct dp_worker *worker_for(const struct dp *dp, const struct rte_mbuf *m)
{
	const struct dp_note *note = dp_note(m);
	uint64_t h = note->ask == DP_ASK_ENCAP || note->ask == DP_ASK_SEAL ? flow_of(m)
									   : note->port_id;

	return dp->workers[h % dp->n_workers];
}

bool dp_to_worker(struct dp *dp, struct rte_mbuf *m, bool from_face)
{
	struct dp_worker *w = worker_for(dp, m);

	return rte_ring_sp_enqueue(from_face ? w->from_face : w->from_control, m) == 0;
}

/* ---- packets of control and the face ---- */

struct rte_mbuf *dp_packet_new(struct dp *dp)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp->pool);

	if (m == NULL)
		return NULL;
	memset(dp_note(m), 0, sizeof(struct dp_note));
	dp_note(m)->port_id = DP_PORT_NONE;
	return m;
}

void dp_packet_endpoint(const struct rte_mbuf *m, struct wg_endpoint *from)
{
	const struct dp_note *note = dp_note(m);
	const uint8_t *ip = dp_outer_frame(m) + note->l3_off;
	const uint8_t *udp = dp_outer_frame(m) + note->payload_off - sizeof(struct rte_udp_hdr);

	memset(from, 0, sizeof(*from));
	from->family = note->family;
	from->port = (uint16_t)(udp[0] << 8 | udp[1]);
	from->has_local = true;
	from->local_port = note->port_id;
	if (note->family == AF_INET) {
		memcpy(from->addr, ip + 12, 4);
		memcpy(from->local, ip + 16, 4);
	} else {
		memcpy(from->addr, ip + 8, 16);
		memcpy(from->local, ip + 24, 16);
	}
}
