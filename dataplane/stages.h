/*
 * The stages of the packet path, called by worker.c and by each other in the order of the path.
 * Each takes a batch (at most DP_BATCH_MAX packets), gives every packet an ending or passes it on;
 * a packet is dead for the caller afterwards. One stage per file; all run on a worker.
 */
#ifndef DATAPLANE_STAGES_H
#define DATAPLANE_STAGES_H

#include "dataplane/batch.h"
#include "dataplane/counters.h"
#include "dataplane/worker.h"

/* rx.c: polls one of this worker's queues. Notes are zeroed, port_id is some port of the device. */
unsigned int dp_rx(struct dp_worker *w, struct dp_poll *poll, struct dp_batch *b);

/*
 * classify.c: Ethernet, VLAN, IP, UDP, first four bytes. Every length of the outer packet is proved
 * here and nowhere else. Splits into data messages (decap), handshakes (to control), packets that a
 * route leads into a WireGuard interface (encap), and the rest (punt).
 */
void dp_classify(struct dp_worker *w, struct dp_batch *b);

/* decap.c: data messages; note.iface, l3_off, payload_off, payload_len, counter are set. */
void dp_decap(struct dp_worker *w, struct dp_batch *b);
/* decap.c: the same after dp_open(), with what it found: moves replay windows and all else that
 * authentic packets move, in the order of the batch. found[] is used up. */
void dp_accept(struct dp_worker *w, struct dp_batch *b, uint8_t *found);

/* forward.c: inner packets out of a tunnel (data starts at the inner IP header; inner_len and route
 * are set). */
void dp_forward(struct dp_worker *w, struct dp_batch *b);
/* forward.c: packets from a port that a route leads into note.iface (data starts at the IP header,
 * inner_len is set): counts TTL down and goes on to dp_encap(). */
void dp_forward_in(struct dp_worker *w, struct dp_batch *b);

/* encap.c: inner packets for note.iface (data starts at the inner IP header; their length was
 * proved and is inner_len): finds the peers. */
void dp_encap(struct dp_worker *w, struct dp_batch *b);
/* encap.c: the same for packets from Linux or control, of which nothing is proved. */
void dp_encap_linux(struct dp_worker *w, struct dp_batch *b);
/* encap.c: inner packets for note.peer. Length 0: keepalive. */
void dp_seal(struct dp_worker *w, struct dp_batch *b);
/* encap.c: the same after dp_seal_burst(), with what it found: complete frames, to be sent. */
void dp_sealed(struct dp_worker *w, struct dp_batch *b, const uint8_t *found);

/* tx.c: complete frames for note.port_id; collected per port until dp_tx_flush(). */
void dp_tx(struct dp_worker *w, struct dp_batch *b);
/* tx.c: the only place that calls rte_eth_tx_burst. At the end of a turn. What another worker's
 * lock keeps here stays for the next one, without what its notes name. */
void dp_tx_flush(struct dp_worker *w);
/* tx.c: the end of a worker: the same until nothing stays. Waits for locks. */
void dp_tx_finish(struct dp_worker *w);

/*
 * tx.c: endings. The only place that frees packets on a worker. dp_drop() counts a reason for the
 * worker, the interface and the peer in the note; dp_consume() what did its work here; dp_leave()
 * frames that Linux has a copy of anyway (shared ports) as punted.
 */
void dp_drop(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n, enum dp_drop reason);
void dp_consume(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n);
void dp_leave(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n);
/* tx.c: dp_drop() in two halves, for packets that live on as the subject of an ICMP error. */
void dp_drop_count(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n,
		   enum dp_drop reason);
void dp_drop_counted(struct rte_mbuf **pkts, unsigned int n);

/* Verdict of a check in a stage: no reason to drop. */
#define DP_KEEP DP_DROP_N

/* Drops the packets with a reason as verdict, and closes up the others. */
static inline void dp_sift(struct dp_worker *w, struct dp_batch *b, const uint8_t *verdicts)
{
	unsigned int kept = 0, end;

	while (kept < b->n && verdicts[kept] == DP_KEEP)
		kept++;
	for (unsigned int i = kept; i < b->n; i = end) {
		end = i + 1;
		if (verdicts[i] == DP_KEEP) {
			b->pkts[kept++] = b->pkts[i];
			continue;
		}
		while (end < b->n && verdicts[end] == verdicts[i])
			end++;
		dp_drop(w, &b->pkts[i], end - i, (enum dp_drop)verdicts[i]);
	}
	b->n = (uint16_t)kept;
}

/* tx.c: inner packets for a port without link: dropped, and their sources are told. What is a frame
 * already dp_tx() drops. */
void dp_no_link(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n);

/*
 * punt.c: what wgdp does not handle goes to Linux: frames as they came in on a port. Who takes a
 * packet off the ring to the face counts it, as punted or dropped.
 */
void dp_punt(struct dp_worker *w, struct dp_batch *b);
/* punt.c: inner packets to the TUN of note.iface. */
void dp_punt_tun(struct dp_worker *w, struct dp_batch *b);
/* punt.c: to control, for ask; a full ring drops and counts. What control takes it counts. */
void dp_ask_control(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n, enum dp_ask ask);
/* punt.c: dropped for a reason that the source should hear of by ICMP: counts, hands to control. */
void dp_refuse(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n, enum dp_drop reason);
/* punt.c: inner packets over the MTU of their way out: note.port_id, or note.iface if that is
 * DP_PORT_NONE. To control to be fragmented, or refused. */
void dp_too_big(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n);
/* punt.c: asks control for a session with the peer, unless that was done within every_ns. */
void dp_want_session(struct dp_worker *w, struct dp_peer *peer, uint64_t every_ns);
/* punt.c: reports; false if the ring is full (the caller tries again with a later packet). */
bool dp_report(struct dp_worker *w, const struct dp_event *event);

#endif
