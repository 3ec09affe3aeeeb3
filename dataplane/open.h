/*
 * The work on data messages that any worker may do for any other, for it changes nothing but the
 * packets themselves: it reads tables and what the notes name, and what it finds it leaves in the
 * notes and in found[]. Who moves sessions, counts, drops and sends is the worker that received the
 * packets, in the order in which they came: decap.c and encap.c. Opening is in open.c, sealing in
 * seal.c.
 */
#ifndef DATAPLANE_OPEN_H
#define DATAPLANE_OPEN_H

#include <stdint.h>

#include "crypto/aead.h"
#include "dataplane/batch.h"
#include "dataplane/worker.h"

/* What was found of a packet that was to be opened. */
enum dp_opened {
	DP_OPENED,	     /* data starts at the inner packet, note.route is where it goes */
	DP_OPENED_KEEPALIVE, /* authentic and empty */
	DP_OPENED_MALFORMED, /* authentic, but holds no IP packet */
	DP_OPENED_STRANGER,  /* authentic, but its source is not among the peer's allowed-ips */
	DP_OPENED_FORGED,    /* the tag is wrong; nothing may be moved */
};

/*
 * Workers, in a loop in which the notes' pointers are valid; aead is the caller's own.
 * note.session, peer, iface, payload_off, payload_len, counter and ecn are set. In place, the whole
 * batch in one burst whatever the mix of sessions. note.inner_off tells how far data start was
 * moved.
 */
void dp_open(const struct dp *dp, struct cr_aead *aead, const struct dp_batch *b,
	     uint8_t found[DP_BATCH_MAX]);

/* What was found of a packet that was to be sealed. */
enum dp_sealed {
	DP_SEALED,	 /* a complete frame for note.port_id */
	DP_SEALED_BIG,	 /* the same, over the MTU of the port */
	DP_SEALED_FAILED /* must not be sent */
};

/* Workers, likewise. note.session, out, counter and payload_len, the length of the message, are
 * set, data is the inner packet (length 0: keepalive). */
void dp_seal_burst(const struct dp *dp, struct cr_aead *aead, const struct dp_batch *b,
		   uint8_t found[DP_BATCH_MAX]);

#endif
