/*
 * A peer's stamps, from which control derives keepalives and new handshakes (see struct
 * hs_activity). Header only, workers; once per run of packets of one peer.
 *
 * Control compares the stamps of the two directions: data received after the last sending has to be
 * answered, data sent after the last receiving expects an answer. So a stamp is written when it has
 * become older than a coarse tick, or when it would leave such a comparison wrong; and it is never
 * older than the stamp that it answers, whatever the clocks of two workers say.
 */
#ifndef DATAPLANE_ACTIVITY_H
#define DATAPLANE_ACTIVITY_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/peer.h"

static inline uint64_t dp_stamp_load(const _Atomic uint64_t *stamp)
{
	return atomic_load_explicit((_Atomic uint64_t *)stamp, memory_order_relaxed);
}

static inline void dp_stamp_store(_Atomic uint64_t *stamp, uint64_t ns)
{
	atomic_store_explicit(stamp, ns, memory_order_relaxed);
}

/* Now, but not before ns. */
static inline uint64_t dp_stamp_not_before(uint64_t now_ns, uint64_t ns)
{
	return now_ns > ns ? now_ns : ns;
}

/* One direction: any is its last packet, data its first data packet since other_any; other_data is
 * what any answers. */
static inline void dp_stamp(_Atomic uint64_t *any, _Atomic uint64_t *data,
			    const _Atomic uint64_t *other_any, const _Atomic uint64_t *other_data,
			    bool has_data, uint64_t now_ns)
{
	uint64_t last = dp_stamp_load(any);
	uint64_t answers = dp_stamp_load(other_data);
	uint64_t since;

	if (answers > last || now_ns >= last + DP_STAMP_COARSE_NS)
		dp_stamp_store(any, dp_stamp_not_before(now_ns, answers));
	if (!has_data)
		return;
	since = dp_stamp_load(other_any);
	if (dp_stamp_load(data) <= since)
		dp_stamp_store(data, dp_stamp_not_before(now_ns, since + 1));
}

static inline void dp_stamp_sent(struct dp_peer *p, bool has_data, uint64_t now_ns)
{
	dp_stamp(&p->sent_any_ns, &p->sent_data_ns, &p->received_any_ns, &p->received_data_ns,
		 has_data, now_ns);
}

static inline void dp_stamp_received(struct dp_peer *p, bool has_data, uint64_t now_ns)
{
	dp_stamp(&p->received_any_ns, &p->received_data_ns, &p->sent_any_ns, &p->sent_data_ns,
		 has_data, now_ns);
	if (has_data && now_ns >= dp_stamp_load(&p->received_data_last_ns) + DP_STAMP_COARSE_NS)
		dp_stamp_store(&p->received_data_last_ns, now_ns);
}

#endif
