/*
 * A peer and its device from the inside, for the files of this directory: handshake in flight,
 * keypair slots, timers. Users of the state machine see handshake/handshake.h.
 */
#ifndef HANDSHAKE_PEER_H
#define HANDSHAKE_PEER_H

#include "handshake/cookie.h"
#include "handshake/draw.h"
#include "handshake/handshake.h"
#include "handshake/noise.h"
#include "handshake/peers.h"
#include "handshake/ratelimit.h"
#include "handshake/tai64n.h"
#include "handshake/wheel.h"

/* A session as it is seen here: without its keys, which only workers have. */
struct hs_keypair {
	struct hs_index index;
	uint64_t birth_ns;
	bool sends; /* lost by a change of our private key */
};

/* An initiation that waits for its response; running while its index is in the table. */
struct hs_inflight {
	struct hs_index index;
	struct hs_noise noise;
	uint8_t ephemeral_private[32];
};

/* Times are mono_ns, 0 where nothing is set. See timers.c for what each one means. */
struct hs_timers {
	struct hs_wheel_entry entry;
	uint64_t allowed_ns;	     /* no initiation before: 5 s after the last message */
	uint64_t retry_ns;	     /* initiation in flight: repeat it */
	uint64_t zero_ns;	     /* wipe all key material */
	uint64_t another_ns;	     /* one more passive keepalive, */
	uint64_t another_since_ns;   /* unless something was sent after this */
	uint64_t passive_done_ns;    /* data received until here is answered for */
	uint64_t persistent_done_ns; /* last persistent keepalive */
	uint64_t watch_ns;	     /* look at the stamps at the latest then */
	uint64_t usable_ns;	     /* when the current session became usable */
	uint32_t new_handshake_jitter_ns;
	uint16_t persistent_s;
	uint16_t attempts; /* initiations sent since the last request */
	bool wanted;	   /* a request that could not be met yet */
	bool rests;	   /* no persistent keepalives: the peer was reset */
};

struct hs_peer {
	struct hs_device *dev;
	void *owner;
	struct hs_link by_key; /* in the table of peers */

	uint8_t public_key[WG_KEY_BYTES];
	uint8_t psk[WG_KEY_BYTES];
	uint8_t static_static[WG_KEY_BYTES];
	uint32_t key_hash;	 /* of the public key: see peers.c */
	uint32_t key_generation; /* of the device's key that static_static was made with */
	bool low_order;		 /* static_static is all zero */
	bool has_timestamp;	 /* latest_timestamp is set */
	bool has_sent_timestamp;

	uint8_t latest_timestamp[HS_TAI64N_BYTES]; /* greatest accepted; outlives all but peer */
	uint8_t sent_timestamp[HS_TAI64N_BYTES];   /* greatest sent */
	uint64_t flood_end_ns;			   /* no initiation accepted before */

	struct hs_inflight inflight;
	struct hs_keypair keypairs[3];
	struct hs_keypair *previous, *current, *next; /* into keypairs, NULL: empty */

	struct hs_cookie_maker cookie;
	struct wg_endpoint endpoint;
	uint64_t last_handshake_s;
	uint32_t last_handshake_ns;
	struct hs_timers timers;
};

struct hs_device {
	struct hs_ops ops;
	void *ctx;
	uint8_t private_key[WG_KEY_BYTES];
	uint8_t public_key[WG_KEY_BYTES];
	uint32_t key_generation;
	bool has_key;
	uint64_t load_end_ns; /* under load until then */
	struct hs_cookie_checker checker;
	struct hs_ratelimit *ratelimit;
	struct hs_peers peers;
	struct hs_draw draw; /* of indices */
	struct hs_wheel wheel;
};

/* ---- peer.c ---- */

/* The static-static secret, made at first use; NULL: no private key or a low-order peer key. */
const uint8_t *hs_peer_static_static(struct hs_peer *peer);

/* The keys with which a handshake with this peer works. */
struct hs_noise_statics hs_peer_statics(struct hs_peer *peer);

/* An index of ours that is free, and was not in use for the last 2^32 drawings (see draw.h). */
uint32_t hs_peer_draw_index(struct hs_peer *peer);

/* Forgets the initiation in flight and wipes what it knew. */
void hs_peer_clear_inflight(struct hs_peer *peer);

/*
 * Turns a finished handshake, whose index is that of inflight, into a session in its slot. Upcalls
 * session_new, session_use (initiator) and session_drop. Returns 0 or -errno of session_new, after
 * which the handshake is gone.
 */
int hs_peer_begin_session(struct hs_peer *peer, const struct hs_now *now,
			  const struct hs_noise *noise, uint32_t remote_index, bool initiator);

/* Drops sessions born at or before a moment; UINT64_MAX: all. Returns whether there were any. */
bool hs_peer_drop_sessions(struct hs_peer *peer, uint64_t born_ns);

/* Authenticated: the peer is where this came from. Upcalls endpoint if that is new. */
void hs_peer_roam(struct hs_peer *peer, const struct wg_endpoint *from);

/* Replies need not leave from where the peer was last seen to reach us. */
void hs_peer_forget_source(struct hs_peer *peer);

/* The device has a new private key. */
void hs_peer_key_changed(struct hs_peer *peer, const struct hs_now *now);

/* ---- initiator.c and responder.c ---- */

/* Has it what an initiation takes: our key, a good key of the peer, an endpoint? */
bool hs_peer_can_initiate(struct hs_peer *peer);

/* Sends an initiation and arms its repetition. Only if hs_peer_can_initiate(). */
void hs_peer_initiate(struct hs_peer *peer, const struct hs_now *now);

enum hs_verdict hs_input_initiation(struct hs_device *dev, const struct hs_now *now,
				    const struct wg_initiation *msg,
				    const struct wg_endpoint *from);
enum hs_verdict hs_input_response(struct hs_device *dev, const struct hs_now *now,
				  const struct wg_response *msg, const struct wg_endpoint *from);

/* ---- timers.c ---- */

/* An initiation was sent, or a response: the next initiation has to wait. */
void hs_timers_sent_initiation(struct hs_peer *peer, const struct hs_now *now);
void hs_timers_sent_response(struct hs_peer *peer, const struct hs_now *now);

/* A session was made, by either side: keys live so long. */
void hs_timers_session(struct hs_peer *peer, const struct hs_now *now);

/* A session can be used for sending: no more retries. */
void hs_timers_complete(struct hs_peer *peer, const struct hs_now *now);

/* A handshake is to be made, not as a retry; now, or as soon as it is allowed and possible. */
void hs_timers_request(struct hs_peer *peer, const struct hs_now *now);

/* Does what is due. */
void hs_timers_run(struct hs_peer *peer, const struct hs_now *now);

/* Puts the wheel entry to the earliest deadline; after each change of state. */
void hs_timers_arm(struct hs_peer *peer, const struct hs_now *now);

/* A request that waited may have become possible. */
void hs_timers_unblock(struct hs_peer *peer);

/* All timers stop. */
void hs_timers_reset(struct hs_peer *peer);

#endif
