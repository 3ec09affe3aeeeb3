/*
 * A gateway in the tester's own process: wgdp's data plane with one worker, which runs dataplane/'s
 * loop on an lcore of its own, at the other ends of the tester's two cables (cable.h), with the
 * addresses, the key and the peers that lab_tester_config() would write. Handshakes are those of
 * handshake/, so that sessions are renewed as ever; the rest of control, Linux and sockets, is not
 * there: next hops are known from the beginning, and peers stay where they are.
 *
 * Control is the tester's thread, in each turn of its loop: a handshake takes it as long as one of
 * the peers' (peers.h) does. It calls all functions.
 */
#ifndef BENCH_LAB_GATEWAY_H
#define BENCH_LAB_GATEWAY_H

#include <stdint.h>

#include "bench/lab/cable.h"
#include "bench/lab/peers.h"
#include "bench/lab/tester.h"

struct lab_gateway;

/*
 * Opens the cables' gateway ends and starts the worker. setup and cables live as long as the
 * gateway; of the peers only their public keys are read, now. 0 or -errno with a sentence in error:
 * -ENODEV, EAL has no second lcore.
 */
int lab_gateway_open(struct lab_gateway **out, const struct lab_setup *setup,
		     const struct lab_peers *peers, const struct lab_cable cables[LAB_SIDES],
		     char *error, unsigned int error_size);
/* Ends the worker and closes its devices; then the cables can be closed. NULL is allowed. */
void lab_gateway_stop(struct lab_gateway *g);
/* It has been stopped, and its packets are in no cable any more. NULL is allowed. */
void lab_gateway_free(struct lab_gateway *g);

/* A turn of control: at most one handshake message. */
void lab_gateway_turn(struct lab_gateway *g);

/* How packets have ended so far. */
void lab_gateway_count(const struct lab_gateway *g, struct lab_gateway_counts *out);

#endif
