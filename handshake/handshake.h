/*
 * The WireGuard handshake, cookies and timers as a pure state machine: no socket, no clock, no
 * thread, no allocation but for devices and peers. Time comes in as an argument, randomness and
 * everything that has an effect goes through struct hs_ops.
 *
 * All functions are called from one thread (control). An upcall must not call back into this
 * module, except where it says so. Keys that were handed out are wiped here when not needed.
 */
#ifndef HANDSHAKE_HANDSHAKE_H
#define HANDSHAKE_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handshake/wire.h"

struct hs_device; /* a WireGuard interface: own static key, peers, indices, cookies, wheel */
struct hs_peer;

/* The moment of a call. mono_ns counts from boot and includes suspend; wall is Unix time. */
struct hs_now {
	uint64_t mono_ns;
	uint64_t wall_s;
	uint32_t wall_ns;
};

/* A session that begins. Wiped by the state machine after the upcall returns. */
struct hs_session {
	uint8_t send_key[WG_KEY_BYTES];
	uint8_t receive_key[WG_KEY_BYTES];
	uint32_t local_index;  /* the peer's messages carry it */
	uint32_t remote_index; /* ours carry it */
	uint64_t birth_ns;
	bool initiator; /* we began it: only we rekey it by time */
};

/*
 * What workers saw of a peer, in hs_now.mono_ns, 0 = never. Messages of the handshake count as
 * well: the state machine reports them by the upcall stamp. Where stamps are equal because clocks
 * are coarse, received data counts as not yet answered, sent data as answered.
 */
struct hs_activity {
	uint64_t sent_any_ns;	  /* last authenticated packet to the peer */
	uint64_t received_any_ns; /* last authenticated packet from it */
	uint64_t sent_data_ns; /* first data packet sent after received_any_ns; else 0 or older */
	uint64_t received_data_ns; /* first data packet received after sent_any_ns; else 0 or older
				    */
	uint64_t received_data_last_ns; /* last data packet received */
};

enum hs_stamp {
	HS_STAMP_SENT,		  /* sent_any_ns := now */
	HS_STAMP_RECEIVED,	  /* received_any_ns := now */
	HS_STAMP_CLEAR_DATA_SENT, /* sent_data_ns := 0: the new-handshake timer has fired */
};

struct hs_ops {
	void (*random)(void *ctx, void *out, size_t len);

	/* A message leaves to `to`. peer is NULL for a cookie reply. DSCP:
	 * WG_HANDSHAKE_TRAFFIC_CLASS unless it is a cookie reply. */
	void (*send)(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to, const void *msg,
		     size_t len);

	/* A session exists: receive under local_index from now on. Do not send with it yet.
	 * Returns 0 or -errno; on failure the handshake is given up. */
	int (*session_new)(void *ctx, struct hs_peer *peer, const struct hs_session *session);

	/* Send with this session from now on, and send what is staged. confirm: send a keepalive
	 * if nothing is staged (the initiator's key confirmation). */
	void (*session_use)(void *ctx, struct hs_peer *peer, uint32_t local_index, bool confirm);

	/* Send with no session any more; receiving goes on. What leaves is staged. */
	void (*session_mute)(void *ctx, struct hs_peer *peer);

	/* Neither send nor receive with this session any more; wipe its keys. A session is dropped
	 * when newer ones need its place, at the latest WG_REJECT_AFTER_NS after its birth. Until
	 * then up to four exist: session_new comes before the drop that makes room. */
	void (*session_drop)(void *ctx, struct hs_peer *peer, uint32_t local_index);

	/* Send what is staged, an empty packet if nothing is. Without a usable session the owner
	 * stages the empty packet and calls hs_peer_want_session() later, not from the upcall. */
	void (*keepalive)(void *ctx, struct hs_peer *peer);

	/* Retries are over: drop what is staged. */
	void (*purge)(void *ctx, struct hs_peer *peer);

	/* The peer's endpoint moved, by a handshake message, or its sticky source was forgotten. */
	void (*endpoint)(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to);

	void (*activity)(void *ctx, struct hs_peer *peer, struct hs_activity *out);
	void (*stamp)(void *ctx, struct hs_peer *peer, enum hs_stamp stamp, uint64_t mono_ns);
};

/*
 * What became of a message. X(name, text): counted by the owner, shown to operators. The first
 * ones are not errors.
 */
#define HS_VERDICTS(X)                                                                             \
	X(initiation_accepted, "initiation accepted, response sent")                               \
	X(response_accepted, "response accepted, session established")                             \
	X(cookie_accepted, "cookie reply accepted")                                                \
	X(cookie_sent, "under load: answered with a cookie reply")                                 \
	X(bad_length, "not a handshake message by type and length")                                \
	X(bad_mac1, "mac1 wrong: sender does not know our public key")                             \
	X(no_private_key, "no private key set")                                                    \
	X(rate_limited, "under load: source sends too many handshakes")                            \
	X(bad_ephemeral, "low-order ephemeral key")                                                \
	X(bad_static, "static key does not decrypt")                                               \
	X(unknown_peer, "initiation by a key that is not a peer")                                  \
	X(bad_peer_key, "peer's public key is of low order")                                       \
	X(bad_timestamp, "timestamp does not decrypt")                                             \
	X(replayed_timestamp, "timestamp not newer than the last: replay, or clock set back")      \
	X(flood, "peer repeats initiations within 20 ms")                                          \
	X(no_handshake, "response or cookie reply to no running handshake")                        \
	X(bad_response, "response does not decrypt: wrong preshared key, or forged")               \
	X(bad_cookie, "cookie reply does not decrypt")                                             \
	X(no_session, "session could not be set up: out of memory")

enum hs_verdict {
#define HS_VERDICT_ENUM(name, text) HS_##name,
	HS_VERDICTS(HS_VERDICT_ENUM)
#undef HS_VERDICT_ENUM
		HS_VERDICT_N
};

const char *hs_verdict_name(enum hs_verdict v);
const char *hs_verdict_text(enum hs_verdict v);

/* ---- device ---- */

/* ctx is given to each upcall. NULL: out of memory. */
struct hs_device *hs_device_new(const struct hs_ops *ops, void *ctx);

/* Drops all peers (upcalls session_drop), wipes and frees. */
void hs_device_free(struct hs_device *dev);

/*
 * Sets (NULL or all zero: removes) the private key; clamped here. A peer whose public key is the
 * new own key is not removed here: ask hs_peer_find() with hs_device_public_key() and remove it.
 * Setting the same key changes nothing. Otherwise: static-static secrets anew, running handshakes
 * cleared, sending halves of sessions muted, a new handshake allowed at once.
 */
void hs_device_set_key(struct hs_device *dev, const struct hs_now *now, const uint8_t *private_key);

/* False without a private key. */
bool hs_device_public_key(const struct hs_device *dev, uint8_t out[WG_KEY_BYTES]);
bool hs_device_private_key(const struct hs_device *dev, uint8_t out[WG_KEY_BYTES]);

/*
 * One handshake message (types 1 to 3) from `from` (with the local address it was sent to).
 * under_load: the owner's queue of handshakes is over an eighth full; hysteresis of 1 s is kept
 * here. Any bytes of any length may come.
 */
enum hs_verdict hs_device_input(struct hs_device *dev, const struct hs_now *now, bool under_load,
				const uint8_t *msg, size_t len, const struct wg_endpoint *from);

/*
 * Runs what is due, a bounded amount of it: up to 64 peers. Returns when to call again (mono_ns,
 * UINT64_MAX: nothing pending); that is in the past if there is more.
 */
uint64_t hs_device_advance(struct hs_device *dev, const struct hs_now *now);

/* When hs_device_advance() has to be called next; changes with every call above and below. */
uint64_t hs_device_due_ns(const struct hs_device *dev);

/* ---- peers ---- */

/*
 * Adds a peer; owner is what hs_peer_owner() returns. NULL with errno = EEXIST (known key),
 * EINVAL (own public key) or ENOMEM.
 */
struct hs_peer *hs_peer_add(struct hs_device *dev, const uint8_t public_key[WG_KEY_BYTES],
			    void *owner);

/* Upcalls session_drop for its sessions, cancels its timers, wipes and frees. */
void hs_peer_remove(struct hs_peer *peer);

struct hs_peer *hs_peer_find(const struct hs_device *dev, const uint8_t public_key[WG_KEY_BYTES]);
void *hs_peer_owner(const struct hs_peer *peer);
const uint8_t *hs_peer_public_key(const struct hs_peer *peer);

/* NULL: none (all zero). Used by the next handshake; sessions stay. */
void hs_peer_set_psk(struct hs_peer *peer, const uint8_t *psk);
const uint8_t *hs_peer_psk(const struct hs_peer *peer);

/* Seconds, 0 = off. From 0 to n: one keepalive at once. */
void hs_peer_set_keepalive(struct hs_peer *peer, const struct hs_now *now, uint16_t interval_s);
uint16_t hs_peer_keepalive_s(const struct hs_peer *peer);

/* By configuration, or because a worker saw an authenticated packet from elsewhere. No upcall. */
void hs_peer_set_endpoint(struct hs_peer *peer, const struct wg_endpoint *endpoint);
const struct wg_endpoint *hs_peer_endpoint(const struct hs_peer *peer);

/*
 * A packet wants to leave and there is no usable session, or the current one should be renewed
 * (whitepaper 6.2: age or count; the caller decides, see chapter "keep key fresh"). Sends an
 * initiation unless the last handshake message left less than 5 s ago; then arranges for it
 * as soon as it is allowed. A request that is not a retry: the attempt counter starts anew.
 *
 * A retry that is due anyway (5 s and up to 333 ms after the last initiation) meets the request, so
 * does a session that comes before it. A request less than 1 s after the current session became
 * usable is taken as one that crossed it, and dropped. Without a private key or an endpoint the
 * request waits until there is one.
 */
void hs_peer_want_session(struct hs_peer *peer, const struct hs_now *now);

/* The first authenticated packet under this session came in: key confirmation for a responder. */
void hs_peer_confirmed(struct hs_peer *peer, const struct hs_now *now, uint32_t local_index);

/*
 * Sessions, handshake and timers go as for an interface that is taken down; the timestamp stays.
 * Persistent keepalives rest until hs_peer_set_keepalive() or the next handshake. What is staged is
 * the owner's to drop.
 */
void hs_peer_reset(struct hs_peer *peer);

/* Wall clock of the last completed handshake, 0/0 for never. */
void hs_peer_last_handshake(const struct hs_peer *peer, uint64_t *wall_s, uint32_t *wall_ns);

/* Initiations sent since the last completed handshake or request; for operators. */
unsigned int hs_peer_attempts(const struct hs_peer *peer);

#endif
