/*
 * How packets end on the control side, and how they are handed to workers: the only place there
 * that frees packets, so that each ends once and is counted once. Called by the control thread with
 * dp->control_counters, and by the face's thread with dp->face_counters; each block belongs to one
 * thread.
 */
#ifndef CONTROL_ENDING_H
#define CONTROL_ENDING_H

#include <stdbool.h>

#include <rte_mbuf.h>

#include "dataplane/counters.h"
#include "dataplane/worker.h"

/* Each takes the packet. A chain counts as many packets as it has segments: on the control side
 * only fragments that were joined are chained. */
void ctl_drop(struct dp_counters *counters, struct rte_mbuf *m, enum dp_drop reason);
/* Ended here as it should: a handshake message taken in, a packet cut into fragments. */
void ctl_consume(struct dp_counters *counters, struct rte_mbuf *m);
/* The pool is empty (or its buffers are too short): the packet that could not be stored or cut is
 * lost. m: its buffer if it has one, or NULL. */
void ctl_no_buffers(struct dp_counters *counters, struct rte_mbuf *m);
/* What it was for has been removed meanwhile. */
void ctl_gone(struct dp_counters *counters, struct rte_mbuf *m);
/* Written to Linux. */
void ctl_punted(struct dp_counters *counters, struct rte_mbuf *m);
/* Without counting: its ending was counted when it was handed over (DP_ASK_ICMP), or it was never
 * counted as a packet. */
void ctl_forget(struct rte_mbuf *m);

/* dp_to_worker() with an ending if the ring is full. */
void ctl_hand(struct dp *dp, struct rte_mbuf *m, bool from_face);
/* dp_packet_new(), counted as made; none left: NULL, and nothing is counted. */
struct rte_mbuf *ctl_make(struct dp *dp);

#endif
