/*
 * The endings of packets on the control side. Why a packet ends is decided where ctl_drop() is
 * called; workers end theirs in dataplane/tx.c.
 */
#include "control/ending.h"

#include "dataplane/publish.h"

void ctl_drop(struct dp_counters *counters, struct rte_mbuf *m, enum dp_drop reason)
{
	dp_count(&counters->drops[reason], m->nb_segs);
	rte_pktmbuf_free(m);
}

void ctl_consume(struct dp_counters *counters, struct rte_mbuf *m)
{
	dp_count(&counters->consumed, m->nb_segs);
	rte_pktmbuf_free(m);
}

void ctl_no_buffers(struct dp_counters *counters, struct rte_mbuf *m)
{
	dp_count(&counters->drops[DP_DROP_no_buffers], 1);
	rte_pktmbuf_free(m);
}

void ctl_gone(struct dp_counters *counters, struct rte_mbuf *m)
{
	ctl_drop(counters, m, DP_DROP_peer_gone);
}

void ctl_punted(struct dp_counters *counters, struct rte_mbuf *m)
{
	dp_count(&counters->punt, 1);
	rte_pktmbuf_free(m);
}

void ctl_forget(struct rte_mbuf *m)
{
	rte_pktmbuf_free(m);
}

void ctl_hand(struct dp *dp, struct rte_mbuf *m, bool from_face)
{
	if (!dp_to_worker(dp, m, from_face))
		ctl_drop(from_face ? &dp->face_counters : &dp->control_counters, m,
			 DP_DROP_worker_full);
}

struct rte_mbuf *ctl_make(struct dp *dp)
{
	struct rte_mbuf *m = dp_packet_new(dp);

	if (m)
		dp_count(&dp->control_counters.made, 1);
	return m;
}
