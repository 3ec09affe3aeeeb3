/*
 * wgdp-bench handshakes: what the driver (handshakes.c), the kinds of messages
 * (handshakes_kinds.c), the gateway with its peers (handshakes_side.c) and what they are compared
 * with (handshakes_x25519.c) share. One thread.
 */
#ifndef BENCH_HANDSHAKES_H
#define BENCH_HANDSHAKES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handshake/cookie.h"
#include "handshake/handshake.h"
#include "handshake/noise.h"
#include "handshake/wire.h"

#define HANDSHAKES_TURN 32 /* messages that control takes in one turn, at most */

/* A peer of the gateway with what only itself would know. */
struct handshakes_peer {
	uint8_t private_key[WG_KEY_BYTES];
	uint8_t public_key[WG_KEY_BYTES];
	uint8_t static_static[WG_KEY_BYTES];
	uint8_t timestamp[HS_TAI64N_BYTES]; /* the last one sent */
	struct hs_cookie_maker cookie;
	struct wg_endpoint from;
	struct hs_peer *hs; /* NULL: a stranger */
};

/* On its way to the gateway. */
struct handshakes_message {
	uint8_t bytes[sizeof(struct wg_initiation)];
	size_t len;
	struct handshakes_peer *peer; /* its sender */
	/* Of an initiation, what its sender needs to understand the response. */
	uint8_t ephemeral[WG_KEY_BYTES];
	struct hs_noise noise;
};

/* The gateway. */
struct handshakes_side {
	struct hs_device *dev;
	uint8_t public_key[WG_KEY_BYTES];
	struct hs_now now; /* a clock that is set by hand */
	struct handshakes_peer *peers, stranger;
	unsigned int n_peers;
	uint64_t random;
	/* What the library handed out since handshakes_side_turn(), the first ones. */
	struct {
		uint8_t bytes[sizeof(struct wg_initiation)];
		size_t len;
	} sent[HANDSHAKES_TURN];
	struct {
		uint8_t send_key[WG_KEY_BYTES], receive_key[WG_KEY_BYTES];
	} sessions[HANDSHAKES_TURN];
	unsigned int n_sent, n_sessions;
};

/* False: out of memory. Takes about 20 us per peer. */
bool handshakes_side_open(struct handshakes_side *s, unsigned int n_peers);
void handshakes_side_close(struct handshakes_side *s);
/* A new turn, ten seconds later: timers that are due have run, nothing is sent yet. */
void handshakes_side_turn(struct handshakes_side *s);
void handshakes_side_forget(struct handshakes_side *s); /* what was handed out */
enum hs_verdict handshakes_side_input(struct handshakes_side *s, bool load,
				      const struct handshakes_message *m);

/*
 * A kind of work for the gateway. prepare makes n messages, untimed, in a turn that has begun;
 * work is timed; right says afterwards whether all n did what they should.
 */
struct handshakes_kind {
	const char *group, *name;
	enum hs_verdict verdict; /* of each message */
	bool load;		 /* the gateway is under load */
	/* What it takes of X25519 with the base point and with others; 0, 0: is compared with
	 * accepting, not with a library. */
	unsigned int bases, points;
	bool (*prepare)(const struct handshakes_kind *k, struct handshakes_side *s,
			struct handshakes_message *messages, unsigned int n);
	/* NULL: the messages are put in */
	void (*work)(struct handshakes_side *s, struct handshakes_message *messages,
		     unsigned int n);
	/* NULL: the verdicts say it */
	bool (*right)(struct handshakes_side *s, struct handshakes_message *messages,
		      unsigned int n);
};

extern const struct handshakes_kind handshakes_kinds[];
extern const unsigned int handshakes_n_kinds;

/* So many multiplications by another library. */
enum handshakes_library { HANDSHAKES_OPENSSL, HANDSHAKES_LIBSODIUM, HANDSHAKES_LIBRARIES };
extern const char *const handshakes_library_names[HANDSHAKES_LIBRARIES];
/* False: a library does not start, said so on standard error. */
bool handshakes_x25519_open(void);
void handshakes_x25519_close(void);
/* False: failed. */
bool handshakes_x25519_run(enum handshakes_library library, unsigned int bases,
			   unsigned int points);

#endif
