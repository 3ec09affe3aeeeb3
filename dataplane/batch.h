/*
 * A batch of packets on its way through the stages, and the private notes that a packet carries.
 * Header only. A stage takes a batch, shrinks it in place, and passes on what is left.
 */
#ifndef DATAPLANE_BATCH_H
#define DATAPLANE_BATCH_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_mbuf.h>

#define DP_BATCH_MAX 32

struct dp_batch {
	struct rte_mbuf *pkts[DP_BATCH_MAX];
	uint16_t n;
};

/* Appends; the caller knows that there is room. */
static inline void dp_batch_add(struct dp_batch *b, struct rte_mbuf *m)
{
	b->pkts[b->n++] = m;
}

/*
 * Of packets that are not like the others: a mask, bit i for packet i of the batch. Mostly it is 0,
 * and the batch goes on as it is. (To copy the others, or to zero a batch that stays empty, costs
 * more than most stages do.)
 */
static_assert(DP_BATCH_MAX == 32, "masks of a batch are 32 bits");

static inline uint32_t dp_mask_of(unsigned int n)
{
	return n == 0 ? 0 : UINT32_MAX >> (32 - n);
}

/* Makes *to of those packets of b that are in the mask, in order. b stays as it is; or is *to. */
static inline void dp_batch_take(struct dp_batch *to, const struct dp_batch *b, uint32_t mask)
{
	unsigned int n = 0;

	for (; mask; mask &= mask - 1)
		to->pkts[n++] = b->pkts[__builtin_ctz(mask)];
	to->n = (uint16_t)n;
}

/* Takes those packets of a mask out of b, into *some; the others close up. */
static inline void dp_batch_take_out(struct dp_batch *b, uint32_t mask, struct dp_batch *some)
{
	dp_batch_take(some, b, mask);
	dp_batch_take(b, b, dp_mask_of(b->n) & ~mask);
}

/* Appends those packets of b whose way it is, in order. b stays as it is. */
static inline void dp_batch_pick(struct dp_batch *to, const struct dp_batch *b, const uint8_t *ways,
				 uint8_t way)
{
	for (unsigned int i = 0; i < b->n; i++) {
		if (ways[i] == way)
			dp_batch_add(to, b->pkts[i]);
	}
}

struct dp_session;
struct dp_peer;
struct dp_iface;
struct dp_route;
struct dp_out;

#define DP_PORT_NONE UINT16_MAX

/*
 * Why a packet is on a ring between threads. To control and the face: what is asked of them. To a
 * worker: where in the path it joins. Lives in the note because the note travels with the packet.
 */
enum dp_ask {
	DP_ASK_NONE,
	/* worker to control; pkt data starts at the outer Ethernet header for the first two */
	DP_ASK_HANDSHAKE,  /* note.iface_id, payload_off/payload_len: a message of type 1 to 3 */
	DP_ASK_REASSEMBLE, /* an IP fragment of UDP to one of our addresses */
	DP_ASK_STAGE, /* inner packet at data start; note.peer_ref: no session or no next hop */
	DP_ASK_ICMP, /* inner packet, already counted as dropped for note.reason: tell its source */
	DP_ASK_FRAGMENT,     /* inner IPv4 packet without DF, over the MTU of note.iface_id, or of
			      * note.port_id unless that is DP_PORT_NONE (next_hop, family: as for
			      * DP_ASK_RESOLVE) */
	DP_ASK_FRAGMENT_OUT, /* complete outer frame for note.port_id, over that port's MTU */
	DP_ASK_RESOLVE,	     /* inner packet for note.port_id, next hop in note.next_hop/family */
	/* worker to face */
	DP_ASK_TUN, /* inner packet at data start, to the TUN of note.iface_id */
	DP_ASK_TAP, /* frame at data start, to the TAP of note.port_id */
	/* to a worker */
	DP_ASK_FRAME, /* frame as if received on note.port_id (reassembled) */
	DP_ASK_ENCAP, /* inner packet from Linux or control, into note.iface_id */
	DP_ASK_SEAL,  /* inner packet (length 0: keepalive) for note.peer_ref */
	DP_ASK_OUT,   /* complete frame for note.port_id */
};

/*
 * The packet's private notes, in the mbuf's private area. Offsets count from the start of the
 * packet's data at the time of classify. In two parts: all that the path needs is on one cache
 * line, which whoever makes the packet or receives it zeroes; the rest is for packets that leave it
 * by a ring, and is written then (punt.c).
 */
struct dp_note {
	/* pointers: valid within one loop of one worker only (RCU), never across a ring */
	struct dp_session *session;
	struct dp_peer *peer;
	struct dp_iface *iface;
	union {
		const struct dp_route *route; /* until it is forwarded */
		const struct dp_out *out;     /* while it is sealed, after that */
	};
	uint64_t counter; /* of a data message */
	uint16_t port_id; /* where it came in or shall leave; DP_PORT_NONE: from Linux or control */
	uint16_t l3_off;  /* outer IP header */
	uint16_t payload_off; /* UDP payload */
	uint16_t payload_len;
	uint16_t inner_len; /* inner packet without padding */
	uint16_t inner_off; /* how far data start was moved to it after opening; else 0 */
	uint8_t ask;	    /* enum dp_ask */
	uint8_t family;	    /* of the outer packet when classified: AF_INET or AF_INET6 */
	uint8_t ecn;	    /* outer ECN bits, for decap */
	uint8_t routed;	    /* has come from a port or a peer; its TTL has been counted down */
	uint8_t has_hop;    /* next_hop has been written */
	uint8_t pad[7];

	uint64_t peer_ref;    /* survives rings; see dp_peer_by_ref() */
	uint8_t next_hop[16]; /* DP_ASK_RESOLVE; DP_ASK_FRAGMENT for a port; else zero */
	uint16_t iface_id;
	uint8_t reason; /* enum dp_drop, for DP_ASK_ICMP */
	uint8_t pad2[5];
};

#define DP_NOTE_BYTES 96
static_assert(sizeof(struct dp_note) == DP_NOTE_BYTES, "the pool's private size; multiple of 8");

#define DP_NOTE_PATH_BYTES 64
static_assert(offsetof(struct dp_note, peer_ref) == DP_NOTE_PATH_BYTES, "one cache line");

static inline struct dp_note *dp_note(const struct rte_mbuf *m)
{
	return (struct dp_note *)rte_mbuf_to_priv((struct rte_mbuf *)(uintptr_t)m);
}

/* Of a packet that was just received or made. */
static inline void dp_note_clear(struct dp_note *note, uint16_t port_id)
{
	memset(note, 0, DP_NOTE_PATH_BYTES);
	note->port_id = port_id;
}

/* The frame as it came in, from its Ethernet header on; decrypted in place, maybe. */
static inline const uint8_t *dp_outer_frame(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, const uint8_t *) - dp_note(m)->inner_off;
}

/*
 * Room before and after the inner packet that every packet must have (checked when pools and ports
 * are set up): outer Ethernet with one VLAN tag, IPv6, UDP, data header; padding and tag.
 */
#define DP_HEADROOM_BYTES (14 + 4 + 40 + 8 + 16)
#define DP_TAILROOM_BYTES (15 + 16)

#endif
