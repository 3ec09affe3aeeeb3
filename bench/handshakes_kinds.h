/*
 * wgdp-bench handshakes: what makes messages (handshakes_kinds.c), and the gateway as initiator
 * (handshakes_initiator.c), whose functions are those of a struct handshakes_kind. One thread.
 */
#ifndef BENCH_HANDSHAKES_KINDS_H
#define BENCH_HANDSHAKES_KINDS_H

#include "bench/handshakes.h"

extern const uint8_t handshakes_no_psk[WG_KEY_BYTES];

/* A sender for each message, all different; there are at least n peers. */
void handshakes_pick(struct handshakes_side *s, struct handshakes_message *messages,
		     unsigned int n);
/* As its sender: mac1, and mac2 if that has a cookie. */
void handshakes_add_macs(const struct handshakes_side *s, struct handshakes_message *m);

bool handshakes_prepare_start(const struct handshakes_kind *k, struct handshakes_side *s,
			      struct handshakes_message *messages, unsigned int n);
void handshakes_start(struct handshakes_side *s, struct handshakes_message *messages,
		      unsigned int n);
bool handshakes_right_start(struct handshakes_side *s, struct handshakes_message *messages,
			    unsigned int n);
bool handshakes_prepare_finish(const struct handshakes_kind *k, struct handshakes_side *s,
			       struct handshakes_message *messages, unsigned int n);
bool handshakes_right_finish(struct handshakes_side *s, struct handshakes_message *messages,
			     unsigned int n);

#endif
