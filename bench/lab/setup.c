/*
 * The tester's options become addresses and keys: see setup.h. Text of configurations for the
 * gateway is in config.c.
 */
#include "bench/lab/setup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "config/keytext.h"
#include "crypto/blake2s.h"
#include "crypto/x25519.h"

#define PEERS_PER_ADDRESS 20000
#define FIRST_PORT	  20000
#define GATEWAY_PORT	  51820
#define ADDRESSES_MAX	  65536
#define INNER4		  "10.64.0.1"
#define INNER6		  "2001:2:0:64::1"
#define NOT_DERIVED	  UINT32_MAX /* as the number of a peer: the gateway */

static int fail(char *error, unsigned int size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(char *error, unsigned int size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, size, format, args);
	va_end(args);
	return -EINVAL;
}

void lab_tester_defaults(struct lab_tester_options *o)
{
	*o = (struct lab_tester_options){
		.gateway_outside = "198.18.0.1/16",
		.tester_outside = "198.18.1.1",
		.first_port = FIRST_PORT,
		.gateway_port = GATEWAY_PORT,
		.tunnel_mtu = LAB_TUNNEL_MTU,
		.peers = 1,
		.flows = 1,
		.size = LAB_SIZE_MIN,
	};
}

/* What was left out, also where the caller has set nothing at all. */
static void fill_in(struct lab_tester_options *o)
{
	struct lab_tester_options d;

	lab_tester_defaults(&d);
	if (!o->gateway_outside)
		o->gateway_outside = d.gateway_outside;
	if (!o->tester_outside)
		o->tester_outside = d.tester_outside;
	if (!o->gateway_inside)
		o->gateway_inside = o->inner_ipv6 ? "2001:2:0:19::1/64" : "198.19.0.1/24";
	if (!o->tester_inside)
		o->tester_inside = o->inner_ipv6 ? "2001:2:0:19::2" : "198.19.0.2";
	o->first_port = o->first_port ? o->first_port : d.first_port;
	o->gateway_port = o->gateway_port ? o->gateway_port : d.gateway_port;
	o->tunnel_mtu = o->tunnel_mtu ? o->tunnel_mtu : d.tunnel_mtu;
	o->peers = o->peers ? o->peers : d.peers;
	o->flows = o->flows ? o->flows : d.flows;
	if (!o->outside_addresses)
		o->outside_addresses = (o->peers + PEERS_PER_ADDRESS - 1) / PEERS_PER_ADDRESS;
}

/* ---- addresses ---- */

static struct lab_address after(const struct lab_address *first, uint32_t n)
{
	struct lab_address a = *first;
	unsigned int at = a.family == AF_INET ? 4 : 16;

	for (uint64_t carry = n; at > 0 && carry > 0; carry >>= 8) {
		carry += a.bytes[--at];
		a.bytes[at] = (uint8_t)carry;
	}
	return a;
}

uint32_t lab_address_distance(const struct lab_address *first, const struct lab_address *a)
{
	unsigned int bytes = first->family == AF_INET ? 4 : 16;
	uint32_t from, to;

	if (a->family != first->family || memcmp(a->bytes, first->bytes, bytes - 4) != 0)
		return UINT32_MAX;
	memcpy(&from, first->bytes + bytes - 4, sizeof(from));
	memcpy(&to, a->bytes + bytes - 4, sizeof(to));
	from = ntohl(from);
	to = ntohl(to);
	return to < from ? UINT32_MAX : to - from;
}

const char *lab_address_text(const struct lab_address *a, char text[LAB_ADDRESS_TEXT_BYTES])
{
	return inet_ntop(a->family, a->bytes, text, LAB_ADDRESS_TEXT_BYTES);
}

struct lab_address lab_setup_peer_outer(const struct lab_setup *setup, uint32_t i)
{
	return after(&setup->tester[LAB_OUTSIDE], i % setup->n_addresses[LAB_OUTSIDE]);
}

uint16_t lab_setup_peer_port(const struct lab_setup *setup, uint32_t i)
{
	return (uint16_t)(setup->o.first_port + i / setup->n_addresses[LAB_OUTSIDE]);
}

uint32_t lab_setup_peer_at(const struct lab_setup *setup, const struct lab_address *outer,
			   uint16_t port)
{
	uint32_t address = lab_address_distance(&setup->tester[LAB_OUTSIDE], outer);
	uint64_t peer;

	if (address >= setup->n_addresses[LAB_OUTSIDE] || port < setup->o.first_port)
		return UINT32_MAX;
	peer = (uint64_t)(port - setup->o.first_port) * setup->n_addresses[LAB_OUTSIDE] + address;
	return peer < setup->o.peers ? (uint32_t)peer : UINT32_MAX;
}

struct lab_address lab_setup_peer_inner(const struct lab_setup *setup, uint32_t i)
{
	struct lab_address first = {.family = setup->o.inner_ipv6 ? AF_INET6 : AF_INET};

	inet_pton(first.family, setup->o.inner_ipv6 ? INNER6 : INNER4, first.bytes);
	return after(&first, i);
}

/* ---- keys ---- */

static void derive(uint64_t seed, uint32_t i, uint8_t private_key[LAB_KEY_BYTES])
{
	static const char domain[] = "wgdp-bench rfc2544";
	uint8_t input[12];
	struct cr_blake2s s;

	for (unsigned int k = 0; k < 8; k++)
		input[k] = (uint8_t)(seed >> 8 * k);
	for (unsigned int k = 0; k < 4; k++)
		input[8 + k] = (uint8_t)(i >> 8 * k);
	cr_blake2s_init(&s, LAB_KEY_BYTES, domain, sizeof(domain) - 1);
	cr_blake2s_update(&s, input, sizeof(input));
	cr_blake2s_final(&s, private_key);
	cr_x25519_clamp(private_key);
}

void lab_setup_peer_key(uint64_t seed, uint32_t i, uint8_t private_key[LAB_KEY_BYTES])
{
	derive(seed, i, private_key);
}

void lab_setup_gateway_key(uint64_t seed, uint8_t private_key[LAB_KEY_BYTES])
{
	derive(seed, NOT_DERIVED, private_key);
}

static int gateway_key(struct lab_setup *setup, char *error, unsigned int size)
{
	uint8_t private_key[LAB_KEY_BYTES];

	if (setup->o.gateway_key) {
		if (cf_key_from_base64(setup->gateway_key, setup->o.gateway_key))
			return 0;
		return fail(error, size,
			    "the gateway's key \"%s\" is not a public key: 44 characters of "
			    "base64, as wg pubkey prints them",
			    setup->o.gateway_key);
	}
	lab_setup_gateway_key(setup->o.seed, private_key);
	cr_x25519_base(setup->gateway_key, private_key);
	return 0;
}

/* ---- checks ---- */

static int address(struct lab_address *out, uint8_t *len, const char *text, const char *what,
		   char *error, unsigned int size)
{
	struct cf_prefix prefix;

	if (!cf_prefix_from_text(&prefix, text, len != NULL) || (!len && strchr(text, '/') != NULL))
		return fail(error, size, "%s is not an address%s: \"%s\"", what,
			    len ? " with the length of its network, such as 198.18.0.1/16" : "",
			    text);
	memcpy(out->bytes, prefix.addr, sizeof(out->bytes));
	out->family = prefix.family;
	if (len)
		*len = prefix.len;
	return 0;
}

/* Are the tester's addresses in the gateway's network, and none of them its own? */
static int on_link(const struct lab_setup *setup, enum lab_side side, char *error,
		   unsigned int size)
{
	static const char *const names[] = {"outside", "inside"};
	struct lab_address last = after(&setup->tester[side], setup->n_addresses[side] - 1);
	struct cf_prefix network = {.family = setup->gateway[side].family,
				    .len = setup->prefix_len[side]};
	const struct lab_address *ends[] = {&setup->tester[side], &last};
	char text[LAB_ADDRESS_TEXT_BYTES];

	memcpy(network.addr, setup->gateway[side].bytes, sizeof(network.addr));
	cf_prefix_mask(&network);
	for (unsigned int i = 0; i < 2; i++) {
		struct cf_prefix host = {.family = ends[i]->family,
					 .len = ends[i]->family == AF_INET ? 32 : 128};

		memcpy(host.addr, ends[i]->bytes, sizeof(host.addr));
		if (!cf_prefix_contains(&network, &host))
			return fail(error, size,
				    "%s: the tester's address %s is not in the network of the "
				    "gateway's %s/%u",
				    names[side], lab_address_text(ends[i], text),
				    side == LAB_OUTSIDE ? setup->o.gateway_outside
							: setup->o.gateway_inside,
				    network.len);
	}
	if (lab_address_distance(&setup->tester[side], &setup->gateway[side]) <
	    setup->n_addresses[side])
		return fail(error, size, "%s: %s is an address of the tester and of the gateway",
			    names[side], lab_address_text(&setup->gateway[side], text));
	return 0;
}

static int numbers(const struct lab_tester_options *o, char *error, unsigned int size)
{
	if (o->peers > LAB_PEERS_MAX || o->flows > LAB_FLOWS_MAX)
		return fail(error, size, "at most %d peers and %d flows", LAB_PEERS_MAX,
			    LAB_FLOWS_MAX);
	if (o->tunnel_mtu < 1280 || o->tunnel_mtu > LAB_SIZE_MAX)
		return fail(error, size, "the tunnel's MTU is from 1280 to %d, not %u",
			    LAB_SIZE_MAX, o->tunnel_mtu);
	if (o->size != LAB_SIZE_IMIX && (o->size < LAB_SIZE_MIN || o->size > o->tunnel_mtu))
		return fail(error, size,
			    "a size, of the packet in the tunnel, is from %d to the tunnel's MTU "
			    "of %u, not %u",
			    LAB_SIZE_MIN, o->tunnel_mtu, o->size);
	if (o->outside_addresses > ADDRESSES_MAX || o->outside_addresses > o->peers)
		return fail(error, size, "at most %d addresses outside, and as many as peers",
			    ADDRESSES_MAX);
	if ((o->peers - 1) / o->outside_addresses > (uint32_t)UINT16_MAX - o->first_port)
		return fail(error, size,
			    "%u peers at %u addresses have no room in UDP ports from %u on: more "
			    "addresses outside, or a lower first port",
			    o->peers, o->outside_addresses, o->first_port);
	return 0;
}

int lab_setup_make(struct lab_setup *setup, const struct lab_tester_options *o, char *error,
		   unsigned int size)
{
	uint8_t family = o->inner_ipv6 ? AF_INET6 : AF_INET;
	int rc;

	memset(setup, 0, sizeof(*setup));
	setup->o = *o;
	fill_in(&setup->o);
	o = &setup->o;
	rc = numbers(o, error, size);
	if (rc == 0)
		rc = address(&setup->gateway[LAB_OUTSIDE], &setup->prefix_len[LAB_OUTSIDE],
			     o->gateway_outside, "the gateway's outside", error, size);
	if (rc == 0)
		rc = address(&setup->tester[LAB_OUTSIDE], NULL, o->tester_outside,
			     "the tester's outside", error, size);
	if (rc == 0)
		rc = address(&setup->gateway[LAB_INSIDE], &setup->prefix_len[LAB_INSIDE],
			     o->gateway_inside, "the gateway's inside", error, size);
	if (rc == 0)
		rc = address(&setup->tester[LAB_INSIDE], NULL, o->tester_inside,
			     "the tester's inside", error, size);
	if (rc == 0 && setup->gateway[LAB_INSIDE].family != family)
		rc = fail(error, size, "inside addresses and inner packets are not of one family");
	setup->n_addresses[LAB_OUTSIDE] = o->outside_addresses;
	setup->n_addresses[LAB_INSIDE] = 1;
	for (int side = LAB_OUTSIDE; rc == 0 && side < LAB_SIDES; side++)
		rc = on_link(setup, (enum lab_side)side, error, size);
	return rc == 0 ? gateway_key(setup, error, size) : rc;
}

int lab_tester_check(const struct lab_tester_options *o, char *error, unsigned int error_size)
{
	struct lab_setup setup;

	return lab_setup_make(&setup, o, error, error_size);
}
