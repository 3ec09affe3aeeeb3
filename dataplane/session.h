/*
 * A session as workers see it. Built by control before it is published, freed by control through
 * RCU after it is retired. Four parts on cache lines of their own: what sealing and what opening
 * reads, and what each of them writes. Sealing comes to two lines; opening to three, with that of
 * the counter's place in the replay window.
 */
#ifndef DATAPLANE_SESSION_H
#define DATAPLANE_SESSION_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_pause.h>

#include "dataplane/counters.h"
#include "dataplane/replay.h"
#include "handshake/wire.h"

struct dp_iface;
struct dp_peer;

struct dp_session {
	/* immutable once published; sealing workers read. Times are CLOCK_BOOTTIME. */
	uint8_t send_key[WG_KEY_BYTES];
	uint64_t send_until_ns; /* no packet is sent from then on */
	uint64_t rekey_send_ns; /* ask for a new session when sending after this; UINT64_MAX: never
				 */
	uint32_t remote_index;	/* host order */

	/* immutable once published; opening workers read */
	alignas(RTE_CACHE_LINE_SIZE) uint8_t receive_key[WG_KEY_BYTES];
	struct dp_peer *peer;
	const struct dp_iface *iface; /* of the peer */
	uint64_t birth_ns;
	uint32_t local_index; /* host order */
	bool initiator;	      /* who began it asks for a new one by time */

	/* any sealing worker adds, once per run; control reads */
	alignas(RTE_CACHE_LINE_SIZE) _Atomic uint64_t send_counter; /* next counter to use */
	/* UDP payload: dp_session_sent() */
	_Atomic uint64_t tx_bytes_first, tx_bytes_others;
	_Atomic uint32_t first_sender; /* the first worker's id + 1; 0: none yet */

	/* under the lock: the opening worker, for one run of packets whose tags were right */
	alignas(RTE_CACHE_LINE_SIZE) _Atomic bool locked;
	bool confirmed; /* control has been told that a packet came in under this session */
	_Atomic uint64_t rx_bytes; /* UDP payload; written under the lock, read by control */
	_Atomic uint64_t rx_packets;
	struct dp_replay replay;

	/* control only: what the peer's sums hold of this session already (publish.c) */
	uint64_t summed_tx_bytes, summed_tx_packets, summed_rx_bytes, summed_rx_packets;
};

static_assert(sizeof(struct dp_session) <= 1536, "several for each of a million peers");

static_assert(offsetof(struct dp_session, receive_key) == RTE_CACHE_LINE_SIZE &&
		      offsetof(struct dp_session, send_counter) == 2 * RTE_CACHE_LINE_SIZE,
	      "each part is one line");

/* Control. Keys are copied. NULL: out of memory. initiator: we rekey by time. */
struct dp_session *dp_session_new(struct dp_peer *peer, const uint8_t send_key[WG_KEY_BYTES],
				  const uint8_t receive_key[WG_KEY_BYTES], uint32_t local_index,
				  uint32_t remote_index, uint64_t birth_ns, bool initiator);
/* Control, after RCU. Wipes. NULL is allowed. */
void dp_session_free(struct dp_session *s);

/* The lock of what opening writes. Any worker, for a run of packets. (DPDK's has a locked
 * instruction for its end as well, which x86 does not need.) */
static inline void dp_session_lock(struct dp_session *s)
{
	while (atomic_exchange_explicit(&s->locked, true, memory_order_acquire)) {
		while (atomic_load_explicit(&s->locked, memory_order_relaxed))
			rte_pause();
	}
}

static inline void dp_session_unlock(struct dp_session *s)
{
	atomic_store_explicit(&s->locked, false, memory_order_release);
}

/* Is it time to ask for a new session when receiving? */
static inline bool dp_session_old_to_receive(const struct dp_session *s, uint64_t now_ns)
{
	return now_ns >= s->birth_ns + WG_REKEY_ON_RECEIVE_NS && s->initiator;
}

/*
 * What has been sent under a session. The first worker that sends has a sum of its own, to which it
 * adds without a locked instruction; mostly it is the only one, or a run is long.
 */
static inline void dp_session_sent(struct dp_session *s, uint16_t worker, uint64_t bytes)
{
	uint32_t first = atomic_load_explicit(&s->first_sender, memory_order_relaxed);

	if (unlikely(first == 0) &&
	    atomic_compare_exchange_strong_explicit(&s->first_sender, &first, worker + 1u,
						    memory_order_relaxed, memory_order_relaxed))
		first = worker + 1u;
	if (likely(first == worker + 1u))
		dp_count(&s->tx_bytes_first, bytes);
	else
		atomic_fetch_add_explicit(&s->tx_bytes_others, bytes, memory_order_relaxed);
}

/* Any thread. */
static inline uint64_t dp_session_sent_bytes(const struct dp_session *s)
{
	return dp_counted(&s->tx_bytes_first) + dp_counted(&s->tx_bytes_others);
}

/*
 * Reserves up to n counters for a run: returns how many (less than n, or 0, at the reject limit),
 * the first in *first. Any worker. Never gives the same counter twice. Once the limit is reached
 * the counter is not advanced any more, so it can't wrap.
 */
static inline unsigned int dp_session_reserve(struct dp_session *s, unsigned int n, uint64_t *first)
{
	uint64_t c;

	/* A session is retired ages before; the load keeps the add from ever wrapping. */
	if (atomic_load_explicit(&s->send_counter, memory_order_relaxed) >=
	    WG_REJECT_AFTER_MESSAGES)
		return 0;
	c = atomic_fetch_add_explicit(&s->send_counter, n, memory_order_relaxed);
	*first = c;
	if (c >= WG_REJECT_AFTER_MESSAGES)
		return 0;
	return c + n > WG_REJECT_AFTER_MESSAGES ? (unsigned int)(WG_REJECT_AFTER_MESSAGES - c) : n;
}

#endif
