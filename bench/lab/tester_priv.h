/*
 * The tester from the inside, for the files beside tester.c: what it consists of, its connection to
 * the gateway, and what one turn of its loop does. One thread.
 */
#ifndef BENCH_LAB_TESTER_PRIV_H
#define BENCH_LAB_TESTER_PRIV_H

#include "bench/lab/cable.h"
#include "bench/lab/flows.h"
#include "bench/lab/gateway.h"
#include "bench/lab/peers.h"
#include "bench/lab/port.h"
#include "bench/lab/tester.h"
#include "crypto/aead.h"

enum { LAB_MAIN, LAB_BULK, LAB_KINDS };

struct lab_tester {
	struct lab_setup setup;
	struct rte_mempool *pool;
	struct lab_port ports[LAB_SIDES];
	struct lab_peers peers;
	/* With one_process. */
	struct lab_cable cables[LAB_SIDES];
	struct lab_gateway *gateway; /* else NULL */
	struct cr_aead *aead;
	struct lab_stream streams[LAB_WAYS][LAB_KINDS]; /* bulk: opened when it is first wanted */
	struct lab_result idle; /* what comes while no trial runs; nobody reads it */
	uint8_t trial;		/* number of the last one */
	double tsc_hz;
	uint64_t secret;
	uint64_t now_ns;  /* of the turn, as peers count */
	uint64_t ask_ns;  /* when to ask again who has the gateway's addresses */
	bool sealed_ipv6; /* outer headers */
};

static inline bool lab_stopped(const struct lab_tester *t)
{
	return t->setup.o.stop && *t->setup.o.stop;
}

/* ---- connect.c ---- */

/* MAC addresses of the gateway: -EHOSTUNREACH, -EINTR. */
int lab_connect_ports(struct lab_tester *t, char *error, unsigned int error_size);
/* Sessions of all peers that last for so long from now on: -ENOTCONN, -EINTR. */
int lab_connect_peers(struct lab_tester *t, uint64_t last_ns, char *error, unsigned int error_size);

/* ---- send.c: up to LAB_BURST_MAX packets of a stream. How many were sent. ---- */

unsigned int lab_send_plain(struct lab_tester *t, struct lab_stream *s, unsigned int n);
unsigned int lab_send_sealed(struct lab_tester *t, struct lab_stream *s, unsigned int n);

/* ---- receive.c ---- */

/* Takes what has come at both ports, and answers what is to be answered: a turn. */
void lab_receive(struct lab_tester *t);

/* Points the streams to where they count. */
void lab_count_to(struct lab_tester *t, struct lab_result *result);

#endif
