/*
 * What follows from the tester's options: addresses, ports and keys of all peers, always the same
 * for the same options. Nothing is opened here, no EAL is needed. Plain data, one thread.
 */
#ifndef BENCH_LAB_SETUP_H
#define BENCH_LAB_SETUP_H

#include <stdint.h>

#include "bench/lab/tester.h"

enum lab_side {
	LAB_OUTSIDE,
	LAB_INSIDE,
	LAB_SIDES,
};

/* An address, in network order; of IPv4 the first four bytes, the rest is zero. */
struct lab_address {
	uint8_t bytes[16];
	uint8_t family;
};

struct lab_setup {
	struct lab_tester_options o; /* with defaults where nothing was said */
	struct lab_address gateway[LAB_SIDES], tester[LAB_SIDES];
	uint8_t prefix_len[LAB_SIDES];	    /* of the gateway's addresses */
	uint32_t n_addresses[LAB_SIDES];    /* of the tester, from tester[] on */
	uint8_t gateway_key[LAB_KEY_BYTES]; /* public */
};

/* 0 or -EINVAL with a sentence in error. */
int lab_setup_make(struct lab_setup *setup, const struct lab_tester_options *o, char *error,
		   unsigned int error_size);

/* Clamped private keys: of peer i, and of the gateway where no key was given. */
void lab_setup_peer_key(uint64_t seed, uint32_t i, uint8_t private_key[LAB_KEY_BYTES]);
void lab_setup_gateway_key(uint64_t seed, uint8_t private_key[LAB_KEY_BYTES]);

/* The outer address and UDP port of peer i, and its address in the tunnel. */
struct lab_address lab_setup_peer_outer(const struct lab_setup *setup, uint32_t i);
uint16_t lab_setup_peer_port(const struct lab_setup *setup, uint32_t i);
struct lab_address lab_setup_peer_inner(const struct lab_setup *setup, uint32_t i);

/* Which peer is at an outer address and port? UINT32_MAX: none. */
uint32_t lab_setup_peer_at(const struct lab_setup *setup, const struct lab_address *outer,
			   uint16_t port);

/* How many addresses after the first one; UINT32_MAX: before it, or of the other family. */
uint32_t lab_address_distance(const struct lab_address *first, const struct lab_address *a);

#define LAB_ADDRESS_TEXT_BYTES 46
/* The address as text, in text, which it returns. */
const char *lab_address_text(const struct lab_address *a, char text[LAB_ADDRESS_TEXT_BYTES]);

/* Bytes of an IP header without options. */
static inline unsigned int lab_ip_bytes(bool ipv6)
{
	return ipv6 ? 40 : 20;
}

#endif
