/*
 * The data plane as a whole: packet buffers, rings, RCU, tables and workers are made here before
 * workers run, and end here after they have ended. Control only. The loop is in worker.c, devices
 * are in device.c, what goes over the rings in links.c.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_ring_elem.h>

#include "dataplane/allowed.h"
#include "dataplane/numa.h"
#include "dataplane/outs.h"
#include "dataplane/peers.h"
#include "dataplane/publish.h"
#include "dataplane/reclaim.h"
#include "dataplane/sessions.h"
#include "dataplane/spread.h"

/* Buffers that each worker keeps for itself: some bursts, so that it rarely goes to the pool. */
#define POOL_CACHE_PKTS 256
/* Some 40 GB. DPDK 22.11 does not survive all greater numbers. */
#define PACKET_BUFFERS_MAX (UINT32_C(1) << 24)
/* NICs take buffer sizes in steps of this. */
#define BUFFER_STEP_BYTES 1024
#define BUFFER_MIN_BYTES  2048

static_assert(RTE_PKTMBUF_HEADROOM >= DP_HEADROOM_BYTES,
	      "a received frame can be wrapped in place");

/* ---- packet buffers ---- */

/* What a buffer holds after its headroom: an inner packet, what is put around it, and a frame. */
static unsigned int data_bytes(uint16_t mtu_max)
{
	unsigned int bytes = DP_HEADROOM_BYTES + mtu_max + DP_TAILROOM_BYTES;

	bytes = (bytes + BUFFER_STEP_BYTES - 1) / BUFFER_STEP_BYTES * BUFFER_STEP_BYTES;
	return bytes < BUFFER_MIN_BYTES ? BUFFER_MIN_BYTES : bytes;
}

/* Buffers that start at the same place of a 2 KiB page would share few cache sets. */
static unsigned int room_bytes(uint16_t mtu_max)
{
	unsigned int room = RTE_PKTMBUF_HEADROOM + data_bytes(mtu_max);
	struct rte_mempool_objsz size;

	for (;;) {
		rte_mempool_calc_obj_size(
			(uint32_t)(sizeof(struct rte_mbuf) + DP_NOTE_BYTES + room), 0, &size);
		if (size.total_size % 2048 != 0)
			return room;
		room += RTE_CACHE_LINE_SIZE;
	}
}

/*
 * A lock-free stack where DPDK has it: control and the face take and return buffers, too, and one
 * of them may be preempted meanwhile. On the usual ring workers would wait for it to run again.
 */
static struct rte_mempool *pool_new(const struct dp_settings *s, const char *name, int node)
{
	/* Ordinary pages are of no node, as far as DPDK knows. */
	int on = rte_eal_has_hugepages() ? node : SOCKET_ID_ANY;
	unsigned int cache = RTE_MIN((unsigned int)POOL_CACHE_PKTS, s->packet_buffers / 2);
	uint16_t room = (uint16_t)room_bytes(s->mtu_max);
	struct rte_mempool *pool;

	pool = rte_pktmbuf_pool_create_by_ops(name, s->packet_buffers, cache, DP_NOTE_BYTES, room,
					      on, "lf_stack");
	if (pool == NULL && rte_errno != ENOMEM)
		pool = rte_pktmbuf_pool_create(name, s->packet_buffers, cache, DP_NOTE_BYTES, room,
					       on);
	return pool;
}

/* On each node that has workers; control's and the face's are the first worker's. */
static int pools_new(struct dp *dp, const struct dp_settings *s, unsigned int serial)
{
	for (unsigned int i = 0; i < s->n_workers; i++) {
		int node = rte_eal_has_hugepages() ? dp_node_of_lcore(s->lcores[i]) : 0;
		char name[RTE_MEMPOOL_NAMESIZE];

		if (node < 0 || node >= RTE_MAX_NUMA_NODES || dp->pools[node] != NULL)
			continue;
		snprintf(name, sizeof(name), "dp%u_packets%d", serial, node);
		dp->pools[node] = pool_new(s, name, node);
		if (dp->pools[node] == NULL)
			return -ENOMEM;
		if (dp->pool == NULL)
			dp->pool = dp->pools[node];
	}
	return dp->pool == NULL ? -ENOMEM : 0;
}

uint32_t dp_packet_buffer_bytes(uint16_t mtu_max)
{
	struct rte_mempool_objsz size;

	return rte_mempool_calc_obj_size(
		(uint32_t)(sizeof(struct rte_mbuf) + DP_NOTE_BYTES + room_bytes(mtu_max)), 0,
		&size);
}

/* ---- workers ---- */

static struct rte_ring *ring_new(unsigned int serial, unsigned int worker, const char *kind,
				 unsigned int bytes, unsigned int count)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "dp%u_w%u_%s", serial, worker, kind);
	return rte_ring_create_elem(name, bytes, count, SOCKET_ID_ANY,
				    RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static void *zeroed(size_t align, size_t bytes)
{
	void *p = aligned_alloc(align, (bytes + align - 1) / align * align);

	if (p != NULL)
		memset(p, 0, bytes);
	return p;
}

static int worker_rings(struct dp_worker *w, unsigned int serial)
{
	const unsigned int p = sizeof(void *);

	w->handshakes = ring_new(serial, w->id, "handshakes", p, DP_HANDSHAKE_RING_PKTS);
	w->to_control = ring_new(serial, w->id, "to_control", p, DP_RING_PKTS);
	w->events = ring_new(serial, w->id, "events", sizeof(struct dp_event), DP_RING_PKTS);
	w->to_face = ring_new(serial, w->id, "to_face", p, DP_RING_PKTS);
	w->from_control = ring_new(serial, w->id, "from_control", p, DP_RING_PKTS);
	w->from_face = ring_new(serial, w->id, "from_face", p, DP_RING_PKTS);
	if (w->handshakes == NULL || w->to_control == NULL || w->events == NULL ||
	    w->to_face == NULL || w->from_control == NULL || w->from_face == NULL)
		return -ENOMEM;
	return 0;
}

/* What is made is in dp->workers even if something fails; dp_free() takes it from there. */
static int worker_new(struct dp *dp, unsigned int i, const struct dp_settings *s,
		      unsigned int serial)
{
	int node = dp_node_of_lcore(s->lcores[i]);
	struct dp_worker *w;

	dp_prefer_node(node);
	w = zeroed(RTE_CACHE_LINE_SIZE, sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	w->node = node;
	dp->workers[i] = w;
	dp->n_workers = (uint16_t)(i + 1);
	w->dp = dp;
	w->id = (uint16_t)i;
	w->cpu = s->cpus[i];
	w->lcore = s->lcores[i];
	w->iface_counters = zeroed(RTE_CACHE_LINE_SIZE,
				   DP_IFACES_MAX * sizeof(w->iface_counters[0]));
	w->tx = zeroed(RTE_CACHE_LINE_SIZE, DP_PORTS_MAX * sizeof(w->tx[0]));
	w->spread = dp_spread_new();
	if (w->iface_counters == NULL || w->tx == NULL || w->spread == NULL ||
	    worker_rings(w, serial) != 0)
		return -ENOMEM;
	w->aead = cr_aead_new(s->aead);
	return w->aead == NULL ? -errno : 0;
}

static void drain(struct rte_ring *ring)
{
	void *m;

	while (ring != NULL && rte_ring_sc_dequeue(ring, &m) == 0)
		rte_pktmbuf_free(m);
}

static void worker_free(struct dp_worker *w)
{
	struct rte_ring *packets[] = {w->handshakes, w->to_control, w->to_face, w->from_control,
				      w->from_face};

	for (unsigned int i = 0; i < RTE_DIM(packets); i++) {
		drain(packets[i]);
		rte_ring_free(packets[i]);
	}
	rte_ring_free(w->events);
	for (unsigned int i = 0; w->tx != NULL && i < DP_PORTS_MAX; i++)
		rte_pktmbuf_free_bulk(w->tx[i].pkts, w->tx[i].n);
	dp_spread_free(w->spread);
	free(w->tx);
	free(w->iface_counters);
	cr_aead_free(w->aead);
	free(w);
}

/* ---- the whole ---- */

static int tables_new(struct dp *dp)
{
	dp->reclaim = dp_reclaim_new(dp->rcu);
	dp->sessions = dp_sessions_new(dp->reclaim);
	dp->peers = dp_peers_new(dp->reclaim);
	if (dp->reclaim == NULL || dp->sessions == NULL || dp->peers == NULL)
		return -ENOMEM;
	dp->outs = dp_outs_new(dp->reclaim);
	if (dp->outs == NULL)
		return -ENOMEM;
	dp->routes = dp_routes_new(dp->reclaim);
	dp->control_bell.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	dp->face_bell.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (dp->control_bell.fd < 0 || dp->face_bell.fd < 0)
		return -errno;
	return dp->routes == NULL ? -ENOMEM : 0;
}

/* Three threads of each worker: spread.h tells which. */
static int rcu_new(struct dp *dp, uint32_t n_workers)
{
	uint32_t n_threads = 3 * n_workers;

	dp->rcu = zeroed(RTE_CACHE_LINE_SIZE, rte_rcu_qsbr_get_memsize(n_threads));
	if (dp->rcu == NULL)
		return -ENOMEM;
	return rte_rcu_qsbr_init(dp->rcu, n_threads) == 0 ? 0 : -EINVAL;
}

/* Null: fine; else what is wrong. */
static const char *wrong(const struct dp_settings *s)
{
	if (s->n_workers == 0 || s->n_workers > DP_WORKERS_MAX)
		return "the number of workers must be 1 to 128";
	if (s->packet_buffers == 0 || s->packet_buffers > PACKET_BUFFERS_MAX)
		return "the number of packet buffers must be 1 to 16777216";
	if (data_bytes(s->mtu_max) > UINT16_MAX - RTE_PKTMBUF_HEADROOM - 2048)
		return "the MTU is too great for a packet buffer";
	return NULL;
}

static const char *aead_name(const struct dp_settings *s)
{
	return s->aead == NULL ? "for this CPU" : s->aead;
}

/* The node of all workers, or -1. */
static int one_node(const struct dp_settings *s)
{
	int node = dp_node_of_lcore(s->lcores[0]);

	for (unsigned int i = 1; i < s->n_workers; i++)
		if (dp_node_of_lcore(s->lcores[i]) != node)
			return -1;
	return node;
}

struct dp *dp_new(const struct dp_settings *s, char *error, size_t error_size)
{
	static unsigned int serial; /* DPDK wants names; several may exist one after the other */
	struct dp *dp = NULL;
	int rc;

	if (wrong(s) != NULL) {
		snprintf(error, error_size, "%s", wrong(s));
		return NULL;
	}
	dp = zeroed(RTE_CACHE_LINE_SIZE, sizeof(*dp));
	if (dp == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	dp->control_bell.fd = dp->face_bell.fd = -1;
	dp->iface_last = DP_IFACES_MAX - 1;
	dp->backoff = s->backoff;
	dp->spread = s->spread;
	if (pools_new(dp, s, ++serial) != 0) {
		snprintf(error, error_size,
			 "no memory for %u packet buffers of %u bytes: give DPDK more memory "
			 "(hugepages), or ask for fewer buffers",
			 s->packet_buffers, room_bytes(s->mtu_max));
		goto fail;
	}
	/* What workers read is on their node; what control makes later follows. */
	dp_prefer_node(one_node(s));
	rc = rcu_new(dp, s->n_workers);
	if (rc == 0)
		rc = tables_new(dp);
	for (unsigned int i = 0; rc == 0 && i < s->n_workers; i++)
		rc = worker_new(dp, i, s, serial);
	dp_prefer_node(one_node(s));
	if (rc != 0) {
		snprintf(error, error_size,
			 rc == -ENOENT || rc == -ENOTSUP ? "no cipher back end %s: %s"
							 : "can't set up the workers (%s): %s",
			 aead_name(s), strerror(-rc));
		goto fail;
	}
	return dp;
fail:
	dp_free(dp);
	return NULL;
}

/* Peers, interfaces and sessions that control has not retired. Prefixes before their peers. */
static void tables_free(struct dp *dp)
{
	dp_reclaim_free(dp->reclaim); /* sessions before their peers, as they were queued */
	dp->reclaim = NULL;
	dp_sessions_free(dp->sessions);
	for (unsigned int i = 0; i < DP_IFACES_MAX; i++) {
		struct dp_iface *iface = dp->ifaces[i];

		if (iface == NULL)
			continue;
		dp_allowed_free(iface->allowed);
		free(iface);
	}
	dp_peers_free(dp->peers);
	dp_outs_free(dp->outs);
	dp_routes_free(dp->routes);
	free(dp->locals);
}

void dp_free(struct dp *dp)
{
	if (dp == NULL)
		return;
	tables_free(dp);
	for (unsigned int i = 0; i < dp->n_workers; i++)
		worker_free(dp->workers[i]);
	if (dp->control_bell.fd >= 0)
		close(dp->control_bell.fd);
	if (dp->face_bell.fd >= 0)
		close(dp->face_bell.fd);
	for (unsigned int i = 0; i < RTE_MAX_NUMA_NODES; i++)
		rte_mempool_free(dp->pools[i]);
	free(dp->rcu);
	free(dp);
}
