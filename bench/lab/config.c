/*
 * What a gateway needs for this tester, as text: wgdp's YAML, wg(8)'s configuration, the commands
 * for Linux. The keys in it are made from a seed that everybody may know: for a lab, and nothing
 * else.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "bench/lab/setup.h"
#include "bench/lab/tester.h"
#include "config/keytext.h"
#include "crypto/ct.h"
#include "crypto/x25519.h"

#define KEY_NOTE "made from the tester's seed: known to everybody, for a lab only"

struct writer {
	const struct lab_setup *setup;
	const struct lab_config_options *c;
	FILE *to;
};

static void key_text(char out[CF_KEY_BASE64_BYTES], uint64_t seed, uint32_t peer)
{
	uint8_t private_key[LAB_KEY_BYTES], public_key[LAB_KEY_BYTES];

	lab_setup_peer_key(seed, peer, private_key);
	cr_x25519_base(public_key, private_key);
	cf_key_to_base64(out, public_key);
}

static void gateway_key_text(const struct lab_setup *setup, char out[CF_KEY_BASE64_BYTES])
{
	uint8_t private_key[LAB_KEY_BYTES];

	lab_setup_gateway_key(setup->o.seed, private_key);
	cf_key_to_base64(out, private_key);
	cr_wipe(private_key, sizeof(private_key));
}

static unsigned int host_len(const struct lab_setup *setup)
{
	return setup->o.inner_ipv6 ? 128 : 32;
}

/* The network of all inner addresses: what is routed into the tunnel. */
static const char *inner_network(const struct lab_setup *setup)
{
	return setup->o.inner_ipv6 ? "2001:2:0:64::/64" : "10.64.0.0/10";
}

/* ---- wgdp ---- */

static void wgdp_port(const struct writer *w, enum lab_side side, const char *device)
{
	char text[LAB_ADDRESS_TEXT_BYTES];

	fprintf(w->to, "  %s:\n    device: \"%s\"\n    addresses: [\"%s/%u\"]\n",
		side == LAB_OUTSIDE ? "outside" : "inside",
		device ? device : (side == LAB_OUTSIDE ? "OUTSIDE" : "INSIDE"),
		lab_address_text(&w->setup->gateway[side], text), w->setup->prefix_len[side]);
}

static void write_wgdp(const struct writer *w)
{
	const struct lab_setup *setup = w->setup;
	char key[CF_KEY_BASE64_BYTES], text[LAB_ADDRESS_TEXT_BYTES];

	fputs("# For wgdp-bench rfc2544. Add what else wgdp is to have: workers, packet-buffers.\n"
	      "ports:\n",
	      w->to);
	wgdp_port(w, LAB_OUTSIDE, w->c->outside_device);
	wgdp_port(w, LAB_INSIDE, w->c->inside_device);
	fprintf(w->to, "interfaces:\n  wg0:\n    private-key-file: \"%s\"\n",
		w->c->private_key_file);
	fprintf(w->to, "    listen-port: %u\n    mtu: %u\n    peers:\n", setup->o.gateway_port,
		setup->o.tunnel_mtu);
	for (uint32_t i = 0; i < setup->o.peers; i++) {
		struct lab_address inner = lab_setup_peer_inner(setup, i);

		key_text(key, setup->o.seed, i);
		fprintf(w->to, "      - {public-key: \"%s\", allowed-ips: [\"%s/%u\"]}\n", key,
			lab_address_text(&inner, text), host_len(setup));
	}
}

/* ---- wg and Linux ---- */

static void write_wg(const struct writer *w)
{
	const struct lab_setup *setup = w->setup;
	char key[CF_KEY_BASE64_BYTES], text[LAB_ADDRESS_TEXT_BYTES];

	fprintf(w->to, "# For wgdp-bench rfc2544: wg setconf wg0 FILE\n[Interface]\n");
	fprintf(w->to, "ListenPort = %u\n", setup->o.gateway_port);
	if (!setup->o.gateway_key) {
		gateway_key_text(setup, key);
		fprintf(w->to, "# " KEY_NOTE "\nPrivateKey = %s\n", key);
		cr_wipe(key, sizeof(key));
	}
	for (uint32_t i = 0; i < setup->o.peers; i++) {
		struct lab_address inner = lab_setup_peer_inner(setup, i);

		key_text(key, setup->o.seed, i);
		fprintf(w->to, "\n[Peer]\nPublicKey = %s\nAllowedIPs = %s/%u\n", key,
			lab_address_text(&inner, text), host_len(setup));
	}
}

static void linux_address(const struct writer *w, enum lab_side side, const char *device)
{
	char text[LAB_ADDRESS_TEXT_BYTES];

	fprintf(w->to, "ip addr replace %s/%u dev \"%s\"%s\nip link set \"%s\" up\n",
		lab_address_text(&w->setup->gateway[side], text), w->setup->prefix_len[side],
		device, w->setup->gateway[side].family == AF_INET6 ? " nodad" : "", device);
}

static void write_linux(const struct writer *w)
{
	const struct lab_setup *setup = w->setup;

	fputs("#!/bin/sh -e\n"
	      "# For wgdp-bench rfc2544. Before: OUTSIDE and INSIDE name the interfaces to the "
	      "tester,\n"
	      "# WG_CONF the file for wg setconf, and wg0 exists: by ip link add wg0 type "
	      "wireguard,\n"
	      "# or by wireguard-go wg0.\n",
	      w->to);
	linux_address(w, LAB_OUTSIDE, "$OUTSIDE");
	linux_address(w, LAB_INSIDE, "$INSIDE");
	fputs("wg setconf wg0 \"$WG_CONF\"\n", w->to);
	if (w->c->private_key_file)
		fprintf(w->to, "wg set wg0 private-key \"%s\"\n", w->c->private_key_file);
	fprintf(w->to, "ip link set wg0 mtu %u up\nip route replace %s dev wg0\n",
		setup->o.tunnel_mtu, inner_network(setup));
	if (setup->o.inner_ipv6)
		fputs("sysctl -qw net.ipv6.conf.all.forwarding=1\n", w->to);
	else
		fputs("sysctl -qw net.ipv4.ip_forward=1\n", w->to);
}

/* ---- all ---- */

int lab_tester_config(const struct lab_tester_options *o, const struct lab_config_options *c,
		      FILE *to, char *error, unsigned int error_size)
{
	struct lab_setup setup;
	struct writer w = {&setup, c, to};
	char key[CF_KEY_BASE64_BYTES];
	int rc = lab_setup_make(&setup, o, error, error_size);

	if (rc != 0)
		return rc;
	if (!c->private_key_file &&
	    (c->kind == LAB_CONFIG_WGDP || (c->kind == LAB_CONFIG_LINUX && o->gateway_key))) {
		snprintf(error, error_size,
			 "the file with the gateway's private key has to be named");
		return -EINVAL;
	}
	switch (c->kind) {
	case LAB_CONFIG_WGDP:
		write_wgdp(&w);
		break;
	case LAB_CONFIG_WG:
		write_wg(&w);
		break;
	case LAB_CONFIG_LINUX:
		write_linux(&w);
		break;
	case LAB_CONFIG_KEY:
		if (o->gateway_key) {
			snprintf(error, error_size,
				 "the gateway has a key of its own: its private key is not known");
			return -EINVAL;
		}
		gateway_key_text(&setup, key);
		fprintf(to, "%s\n", key);
		cr_wipe(key, sizeof(key));
		break;
	}
	if (fflush(to) == 0 && !ferror(to))
		return 0;
	snprintf(error, error_size, "the configuration can't be written: %s", strerror(errno));
	return -EIO;
}
