/*
 * WireGuard on the wire: message layouts (whitepaper section 5.4), sizes, limits, endpoints.
 * Facts only; the protocol is in noise.c, peer.c and timers.c.
 */
#ifndef HANDSHAKE_WIRE_H
#define HANDSHAKE_WIRE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

enum wg_type {
	WG_INITIATION = 1,
	WG_RESPONSE = 2,
	WG_COOKIE = 3,
	WG_DATA = 4,
};

/* All integers little-endian. The type is one byte and three reserved zero bytes, read as LE32. */
struct wg_initiation {
	uint32_t type;
	uint32_t sender;
	uint8_t ephemeral[32];
	uint8_t static_key[48];
	uint8_t timestamp[28];
	uint8_t mac1[16];
	uint8_t mac2[16];
} __attribute__((packed));

struct wg_response {
	uint32_t type;
	uint32_t sender;
	uint32_t receiver;
	uint8_t ephemeral[32];
	uint8_t empty[16];
	uint8_t mac1[16];
	uint8_t mac2[16];
} __attribute__((packed));

struct wg_cookie {
	uint32_t type;
	uint32_t receiver;
	uint8_t nonce[24];
	uint8_t cookie[32];
} __attribute__((packed));

struct wg_data {
	uint32_t type;
	uint32_t receiver;
	uint64_t counter;
} __attribute__((packed));

static_assert(sizeof(struct wg_initiation) == 148, "whitepaper 5.4.2");
static_assert(sizeof(struct wg_response) == 92, "whitepaper 5.4.3");
static_assert(sizeof(struct wg_cookie) == 64, "whitepaper 5.4.7");
static_assert(sizeof(struct wg_data) == 16, "whitepaper 5.4.6");

#define WG_KEY_BYTES	  32
#define WG_TAG_BYTES	  16
#define WG_DATA_MIN_BYTES 32 /* a keepalive: header and tag */
#define WG_OVERHEAD_BYTES 32 /* header and tag */
#define WG_PADDING_BYTES  16

/* Limits (whitepaper 6.1; the reject limit as the Linux kernel has it, 2^64 - 8130). */
#define WG_REKEY_AFTER_MESSAGES	 (UINT64_C(1) << 60)
#define WG_REJECT_AFTER_MESSAGES (UINT64_MAX - 8128 - 1)
#define WG_NS_PER_S		 UINT64_C(1000000000)
#define WG_REKEY_AFTER_NS	 (120 * WG_NS_PER_S)
#define WG_REJECT_AFTER_NS	 (180 * WG_NS_PER_S)
#define WG_REKEY_ON_RECEIVE_NS	 (165 * WG_NS_PER_S)

/* DSCP AF41 with ECN 00, the traffic class of initiations and responses. */
#define WG_HANDSHAKE_TRAFFIC_CLASS 0x88

/*
 * Where a peer is, and at which of our addresses it reached us. family 0: unknown. Addresses are
 * in network order, IPv4 in the first 4 bytes with the rest zero; the port is in host order.
 */
struct wg_endpoint {
	uint8_t addr[16];
	uint8_t local[16];   /* our address the peer's packets arrive at; valid if has_local */
	uint32_t scope;	     /* ifindex for link-local IPv6, else 0 */
	uint16_t port;	     /* host order */
	uint8_t family;	     /* AF_INET, AF_INET6, or 0 */
	bool has_local;	     /* forgotten when a handshake has to be repeated */
	uint16_t local_port; /* id of the dataplane port they arrive at; valid if has_local */
	uint16_t pad;
};

static_assert(sizeof(struct wg_endpoint) == 44, "no holes: compared with memcmp");

#endif
