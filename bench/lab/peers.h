/*
 * The WireGuard peers that the tester is: their keys, handshakes, sessions and timers, with the
 * messages of handshake/. Each is an initiator that keeps a session with the gateway and answers
 * where the gateway begins. Its data packets are sealed and opened in bursts by trial.c, with the
 * sessions that are here. One thread.
 *
 * What the protocol wants of a peer is kept, with lazier timers: a peer is looked at every so
 * often, not at the moment. New sessions are asked for within 20 s after 120 s, spread over the
 * peers, so that a thousand peers do not shake hands in one moment.
 */
#ifndef BENCH_LAB_PEERS_H
#define BENCH_LAB_PEERS_H

#include "bench/lab/port.h"
#include "dataplane/replay.h"
#include "handshake/cookie.h"
#include "handshake/noise.h"
#include "handshake/tai64n.h"
#include "handshake/wire.h"

#define LAB_SLOTS     4	 /* previous, current, next, and a handshake in flight */
#define LAB_OUTER_MAX 62 /* Ethernet, IPv6, UDP */

struct lab_session {
	uint8_t send_key[WG_KEY_BYTES], receive_key[WG_KEY_BYTES];
	uint32_t local_index, remote_index;
	uint64_t counter; /* of the next packet to be sealed */
	uint64_t birth_ns;
	bool heard; /* the gateway has sealed with it: it has let go of those before */
	struct lab_session *dead; /* the next one that waits to be freed */
	struct dp_replay replay;
};

struct lab_peer {
	/* What is sent goes by current; next is one that the gateway began and has not used yet. */
	struct lab_session *current, *previous, *next;
	uint64_t sent_ns, received_ns; /* of authenticated packets; 0: never */
	uint64_t waits_ns;	      /* since when data was sent and nothing has come; 0: it has */
	uint8_t outer[LAB_OUTER_MAX]; /* header of its packets, see outer.h */
	struct lab_session *slots[LAB_SLOTS];
	uint8_t public_key[WG_KEY_BYTES], private_key[WG_KEY_BYTES], static_static[WG_KEY_BYTES];
	/* the initiation in flight */
	struct hs_noise noise;
	uint8_t ephemeral[WG_KEY_BYTES];
	uint32_t inflight;     /* its index; valid if waits */
	bool waits;	       /* for a response */
	uint64_t initiated_ns; /* the last one; 0: none */
	uint64_t asked_ns;     /* the first one that has not been answered */
	struct hs_cookie_maker cookie;
	uint8_t sent_timestamp[HS_TAI64N_BYTES], seen_timestamp[HS_TAI64N_BYTES];
	uint16_t generation; /* of indices, so that none comes again soon; at first random, as the
			      * gateway may still use a session with an earlier run */
};

struct lab_peers {
	const struct lab_setup *setup;
	struct lab_port *outside;
	struct lab_peer *at;
	uint32_t n;
	uint32_t next; /* to be looked at */
	uint64_t tsc;  /* at the beginning */
	double ns_per_cycle;
	uint64_t retry_ns;   /* for an answer to a handshake message; the owner may change it */
	uint64_t n_sessions; /* made so far */
	struct lab_session *dead; /* may still be in use by the burst that is being opened */
};

/* Makes the keys; nothing is sent. outside is open. 0 or -ENOMEM. */
int lab_peers_open(struct lab_peers *peers, const struct lab_setup *setup,
		   struct lab_port *outside);
/* Of zeros: allowed. */
void lab_peers_close(struct lab_peers *peers);

/* Time of this module: ns since it was opened, and 1 s. */
static inline uint64_t lab_peers_now(const struct lab_peers *peers, uint64_t tsc)
{
	return WG_NS_PER_S + (uint64_t)((double)(tsc - peers->tsc) * peers->ns_per_cycle);
}

/* ---- sessions ---- */

/* The session that a data message is for, by its receiver index; NULL: none. */
static inline struct lab_session *lab_session_find(const struct lab_peers *peers, uint32_t index,
						   struct lab_peer **peer)
{
	uint32_t number = index / LAB_SLOTS % (1u << 20);
	struct lab_session *s;

	if (number >= peers->n)
		return NULL;
	*peer = &peers->at[number];
	s = (*peer)->slots[index % LAB_SLOTS];
	return s && s->local_index == index ? s : NULL;
}

/* May a packet be sealed with it now? */
static inline bool lab_session_usable(const struct lab_session *s, uint64_t now_ns)
{
	return s && now_ns - s->birth_ns < WG_REJECT_AFTER_NS &&
	       s->counter < WG_REJECT_AFTER_MESSAGES;
}

/* The gateway has begun to use the session that it made. */
void lab_session_confirm(struct lab_peers *peers, struct lab_peer *p);

/* A data packet is sent. */
static inline void lab_session_sent(struct lab_peer *p, uint64_t now_ns)
{
	p->sent_ns = now_ns;
	if (p->waits_ns == 0)
		p->waits_ns = now_ns;
}

/* An authentic packet came by that session. */
static inline void lab_session_received(struct lab_peers *peers, struct lab_peer *p,
					struct lab_session *s, uint64_t now_ns)
{
	p->received_ns = now_ns;
	p->waits_ns = 0;
	s->heard = true;
	if (s == p->next)
		lab_session_confirm(peers, p);
}

/*
 * A handshake has ended: noise is what both know. local: an index of lab_session_index(). False:
 * out of memory.
 */
bool lab_session_begin(struct lab_peers *peers, struct lab_peer *p, const struct hs_noise *noise,
		       uint32_t local, uint32_t remote, bool initiator, uint64_t now_ns);
/* An index for a session or a handshake, in a slot that neither has; next may have to go for it. */
uint32_t lab_session_index(struct lab_peers *peers, struct lab_peer *p);

/* Frees the sessions that were let go. Between bursts. */
void lab_sessions_bury(struct lab_peers *peers);

/* ---- handshakes: handshakes.c ---- */

/* Begins a handshake, in place of one in flight. */
void lab_handshake_initiate(struct lab_peers *peers, uint32_t i, uint64_t now_ns);
/* A message of type 1 to 3 came for peer i. */
void lab_handshake_input(struct lab_peers *peers, uint32_t i, const uint8_t *message,
			 uint32_t bytes, uint64_t now_ns);

/* ---- timers ---- */

/* Looks at some of the peers, and does what is due. To be called all the time, once all peers have
 * a session. */
void lab_peers_advance(struct lab_peers *peers, uint64_t now_ns);

/* Sends a message of a peer to the gateway, or a packet without contents by its session. */
void lab_peer_send(struct lab_peers *peers, struct lab_peer *p, const void *message, uint32_t bytes,
		   uint64_t now_ns);
void lab_peer_keepalive(struct lab_peers *peers, struct lab_peer *p, uint64_t now_ns);

#endif
