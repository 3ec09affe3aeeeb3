/*
 * Packets prepared for the gateway in memory, as they are when they enter a certain stage: built by
 * hand, not by the stages before it. Messages of peers are sealed with fresh counters. Where the
 * gateway's ports check IPv4 headers, packets are marked as checked.
 */
#ifndef BENCH_PACKETS_H
#define BENCH_PACKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/gateway.h"
#include "crypto/aead.h"
#include "dataplane/batch.h"

/* A multiple of the 48 packets of an imix round, in whole batches: about what a worker's cache of
 * buffers holds, so that buffers are as warm as they are there. */
#define BENCH_BATCHES 15
#define BENCH_PACKETS (BENCH_BATCHES * DP_BATCH_MAX)
#define BENCH_IMIX    0 /* as size */

/* In an inner packet: its number in its flow, 64 bits. */
#define BENCH_SEQUENCE_OFF 28

enum bench_entry {
	BENCH_RX,
	BENCH_CLASSIFY,
	BENCH_DECAP,	  /* decrypt only */
	BENCH_FORWARD,	  /* decrypt only */
	BENCH_FORWARD_IN, /* encrypt only */
	BENCH_ENCAP,	  /* encrypt only */
	BENCH_SEAL,	  /* encrypt only */
	BENCH_TX,
	BENCH_AEAD, /* the ciphers alone: packets as for seal and decap */
};

struct bench_load {
	bool decrypt;
	unsigned int size; /* of the inner packet, or BENCH_IMIX */
};

struct bench_preparer {
	struct cr_aead *aead;
	uint64_t random;	  /* state; not 0 */
	unsigned int first, step; /* the peers first, first + step, ... take part */
	/* Buffers that are taken before those of the pool, the last one first. */
	struct rte_mbuf **stock;
	unsigned int n_stock;
};

/* Fills one batch with the packets of the load from the at-th on. False: out of buffers. */
bool bench_prepare_batch(struct bench_preparer *b, struct bench_gateway *g,
			 const struct bench_load *load, enum bench_entry entry, unsigned int at,
			 struct dp_batch *batch);
/* Fills all batches. False: out of buffers. */
bool bench_prepare(struct bench_preparer *b, struct bench_gateway *g, const struct bench_load *load,
		   enum bench_entry entry, struct dp_batch batches[BENCH_BATCHES]);
/* What the ciphers are given for a batch that was prepared with BENCH_AEAD. */
void bench_ciphers(const struct dp_batch *b, bool decrypt, struct cr_packet *packets);

#endif
