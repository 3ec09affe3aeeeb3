/*
 * A worker lcore, and the whole data plane that workers read. worker.c is the table of contents of
 * the packet path.
 */
#ifndef DATAPLANE_WORKER_H
#define DATAPLANE_WORKER_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "crypto/aead.h"
#include "dataplane/batch.h"
#include "dataplane/counters.h"
#include "dataplane/peer.h"
#include "dataplane/port.h"
#include "dataplane/route.h"

#define DP_WORKERS_MAX	       128
#define DP_RING_PKTS	       1024 /* between two threads, per kind; a power of two */
#define DP_HANDSHAKE_RING_PKTS 1024 /* its fill is the under-load signal */

/* A report of a worker to control; 64 bytes on a ring of its own, so that floods can't delay it. */
enum dp_event_kind {
	DP_EVENT_WANT_SESSION, /* a packet wants to leave and has no usable session, or rekey is due
				*/
	DP_EVENT_CONFIRMED,    /* first authenticated packet under the session local_index */
	DP_EVENT_ROAMED,       /* authenticated packet from endpoint */
};

struct dp_event {
	uint64_t peer_ref;
	uint32_t kind; /* enum dp_event_kind */
	uint32_t local_index;
	struct wg_endpoint endpoint;
	uint32_t pad;
};
static_assert(sizeof(struct dp_event) == 64, "ring element");

/*
 * A ring with a consumer that may sleep in epoll: the producer writes the eventfd only when the
 * consumer has said that it sleeps. One producer, one consumer, never waits.
 */
struct dp_bell {
	_Atomic bool asleep; /* the consumer sets it before it sleeps, and looks at its rings once
				more */
	int fd;		     /* eventfd, non-blocking */
};

static_assert(ATOMIC_BOOL_LOCK_FREE == 2, "the bell");
static_assert(DP_PORTS_MAX <= 64, "tx_ports_used");

struct dp;

/* A receive queue that a worker polls; no other worker does. */
struct dp_poll {
	struct dp_device *device;
	uint16_t queue;
	_Atomic uint64_t rx; /* packets received from it: the worker writes */
};

struct dp_worker {
	struct dp *dp;
	uint16_t id; /* also its RCU thread id */
	int cpu;
	unsigned int lcore;
	int node; /* NUMA */
	/* fixed while workers run: see assign.h */
	struct dp_poll polls[DP_DEVICES_MAX];
	uint16_t n_polls;
	bool for_others; /* it polls a device that lacks receive queues or RSS, so that others may
			    have less */
	uint16_t tx_queues[DP_DEVICES_MAX];	  /* where it sends, by device */
	_Atomic uint64_t tx_sent[DP_DEVICES_MAX]; /* packets that it has sent there */
	struct cr_aead *aead;
	uint64_t now_ns; /* CLOCK_BOOTTIME, read once per loop */

	/* to control and to the face: this worker produces */
	struct rte_ring *handshakes; /* DP_ASK_HANDSHAKE */
	struct rte_ring *to_control; /* DP_ASK_REASSEMBLE, STAGE, ICMP, FRAGMENT*, RESOLVE */
	struct rte_ring *events;     /* struct dp_event */
	struct rte_ring *to_face;    /* DP_ASK_TUN, DP_ASK_TAP */
	/* from control and from the face: this worker consumes */
	struct rte_ring *from_control;
	struct rte_ring *from_face;

	struct dp_counters counters; /* in all */
	struct dp_counters
		*iface_counters; /* [DP_IFACES_MAX]; tx, rx: packets into and out of tunnels */
	struct {
		_Atomic uint64_t rx, tx;
	} port_counters[DP_PORTS_MAX];
	_Atomic uint64_t events_lost; /* ring full; the worker reports again */
	_Atomic uint64_t loops, idle_loops;
#define DP_SPREAD_FIELD(name, text) _Atomic uint64_t name;
	DP_SPREADS(DP_SPREAD_FIELD)
#undef DP_SPREAD_FIELD
	struct dp_spread *spread; /* work that is shared out to other workers: spread.h */
	/* frames collected per port, to be sent at the end of the turn: see tx.c */
	struct dp_batch *tx;	/* [DP_PORTS_MAX] */
	uint64_t tx_ports_used; /* bit per port whose batch is not empty */
};

/* Whether workers share work out: as load.c sees it; the others are for tests and benches. */
enum dp_spread_mode { DP_SPREAD_AUTO, DP_SPREAD_NEVER, DP_SPREAD_ALWAYS };

struct dp_spread;
struct dp_locals;   /* set of this host's addresses: see publish.h */
struct dp_sessions; /* receiver index to session: see sessions.h */

struct dp {
	struct rte_rcu_qsbr *rcu;
	struct rte_mempool *pool; /* of control and the face; the first node's */
	struct rte_mempool *pools[RTE_MAX_NUMA_NODES]; /* what devices of a node receive into; NULL:
							  no worker is there. dp_pool_near() */
	struct dp_device *devices[DP_DEVICES_MAX];
	uint16_t n_devices; /* fixed while workers run */
	struct dp_port *ports[DP_PORTS_MAX];
	uint16_t n_ports; /* fixed while workers run */
	struct dp_worker *workers[DP_WORKERS_MAX];
	uint16_t n_workers;	    /* fixed */
	bool backoff;		    /* sleep shortly when nothing comes */
	enum dp_spread_mode spread; /* fixed */
	_Atomic bool stop;

	/* tables: control writes (publish.c), workers read with acquire */
	_Atomic uint64_t ifaces_used; /* bit per id: from before it is published until it is freed,
					 for till then its counters may be written */
	_Atomic(struct dp_iface *) ifaces[DP_IFACES_MAX];
	_Atomic(struct dp_locals *) locals;
	struct dp_sessions *sessions;
	struct dp_peers *peers;
	struct dp_outs *outs; /* control only: their memory */
	struct dp_routes *routes;
	struct dp_reclaim *reclaim;

	/* control only */
	uint16_t iface_last; /* id given last; the next one is searched after it */

	/* a bit per worker that shares work out: it writes, on and off; those with nothing to do
	 * read */
	alignas(RTE_CACHE_LINE_SIZE) _Atomic uint64_t spreading[DP_WORKERS_MAX / 64];

	/* threads that are not workers */
	alignas(RTE_CACHE_LINE_SIZE) struct dp_bell control_bell;
	struct dp_bell face_bell;
	alignas(RTE_CACHE_LINE_SIZE) struct dp_counters control_counters; /* control writes */
	uint16_t turn_handshakes, turn_asked, turn_events; /* control: worker to take from first */
	alignas(RTE_CACHE_LINE_SIZE) struct dp_counters face_counters; /* the face writes */
	uint16_t turn_for_linux;				       /* the face */
};

/* The loop of a worker: runs until dp->stop. arg is struct dp_worker. For rte_eal_remote_launch. */
int dp_worker_run(void *arg);

/* One turn of that loop, for tests and benches: returns the number of packets that it took. */
unsigned int dp_worker_turn(struct dp_worker *w);
/* What the loop does before its first turn, and after its last one. 0 or -1. */
int dp_worker_begin(struct dp_worker *w);
void dp_worker_end(struct dp_worker *w);

/* ---- what other threads may call ---- */

/*
 * Control or the face: hand a packet to a worker (ask says what to do). Which worker: by flow for
 * DP_ASK_ENCAP and DP_ASK_SEAL (inner addresses and ports, so that order within a flow is kept),
 * else any. from_face: which thread calls. False: ring full; the caller keeps and counts it.
 */
bool dp_to_worker(struct dp *dp, struct rte_mbuf *m, bool from_face);

/* Ring the bell of a consumer that sleeps; after enqueueing, once per batch. */
void dp_bell_ring(struct dp_bell *bell);

#endif
