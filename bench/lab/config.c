/*
 * What a gateway needs for this tester, as text: wgdp's YAML, wg(8)'s configuration, the commands
 * for Linux, those for VPP. The keys in it are made from a seed that everybody may know: for a lab,
 * and nothing else.
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

/* ---- VPP ---- */

static void vpp_port(const struct writer *w, enum lab_side side, const char *name)
{
	char text[LAB_ADDRESS_TEXT_BYTES];

	fprintf(w->to, "set interface ip address %s %s/%u\nset interface state %s up\n", name,
		lab_address_text(&w->setup->gateway[side], text), w->setup->prefix_len[side], name);
}

/* Of the inner network, and no peer's: without an address VPP takes no packets from a tunnel. */
static const char *vpp_address(const struct lab_setup *setup)
{
	return setup->o.inner_ipv6 ? "2001:2:0:64:ffff:ffff:ffff:ffff/128" : "10.127.255.254/32";
}

/* VPP finds a peer by the next hop of the route, which its allowed IPs have to contain. */
static void vpp_peer(const struct writer *w, uint32_t i)
{
	struct lab_address inner = lab_setup_peer_inner(w->setup, i);
	struct lab_address outer = lab_setup_peer_outer(w->setup, i);
	char key[CF_KEY_BASE64_BYTES], text[LAB_ADDRESS_TEXT_BYTES], at[LAB_ADDRESS_TEXT_BYTES];
	unsigned int len = host_len(w->setup);

	key_text(key, w->setup->o.seed, i);
	lab_address_text(&inner, text);
	fprintf(w->to,
		"wireguard peer add wg0 public-key %s endpoint %s dst-port %u allowed-ip %s/%u\n",
		key, lab_address_text(&outer, at), lab_setup_peer_port(w->setup, i), text, len);
	fprintf(w->to, "ip route add %s/%u via %s wg0\n", text, len, text);
}

/* The interface is the first one of its kind, so that it is wg0. */
static void write_vpp(const struct writer *w)
{
	const struct lab_setup *setup = w->setup;
	char key[CF_KEY_BASE64_BYTES], text[LAB_ADDRESS_TEXT_BYTES];

	vpp_port(w, LAB_OUTSIDE, w->c->outside_device ? w->c->outside_device : "outside");
	vpp_port(w, LAB_INSIDE, w->c->inside_device ? w->c->inside_device : "inside");
	gateway_key_text(setup, key);
	fprintf(w->to, "wireguard create listen-port %u private-key %s src %s\n",
		setup->o.gateway_port, key, lab_address_text(&setup->gateway[LAB_OUTSIDE], text));
	cr_wipe(key, sizeof(key));
	fprintf(w->to,
		"set interface mtu packet %u wg0\nset interface ip address wg0 %s\n"
		"set interface state wg0 up\n",
		setup->o.tunnel_mtu, vpp_address(setup));
	for (uint32_t i = 0; i < setup->o.peers; i++)
		vpp_peer(w, i);
}

/* ---- all ---- */

static void write_key(const struct writer *w)
{
	char key[CF_KEY_BASE64_BYTES];

	gateway_key_text(w->setup, key);
	fprintf(w->to, "%s\n", key);
	cr_wipe(key, sizeof(key));
}

/* 0 or -EINVAL with a sentence in error. */
static int check_key(const struct lab_tester_options *o, const struct lab_config_options *c,
		     char *error, unsigned int error_size)
{
	bool own = o->gateway_key != NULL;
	const char *wrong = NULL;

	if (!c->private_key_file &&
	    (c->kind == LAB_CONFIG_WGDP || (c->kind == LAB_CONFIG_LINUX && own)))
		wrong = "the file with the gateway's private key has to be named";
	else if (c->kind == LAB_CONFIG_KEY && own)
		wrong = "the gateway has a key of its own: its private key is not known";
	else if (c->kind == LAB_CONFIG_VPP && own)
		wrong = "the gateway has a key of its own, and VPP takes private keys in its "
			"commands only: let it have the one that is made from the seed";
	if (!wrong)
		return 0;
	snprintf(error, error_size, "%s", wrong);
	return -EINVAL;
}

int lab_tester_config(const struct lab_tester_options *o, const struct lab_config_options *c,
		      FILE *to, char *error, unsigned int error_size)
{
	static void (*const writers[])(const struct writer *w) = {
		[LAB_CONFIG_WGDP] = write_wgdp,	  [LAB_CONFIG_WG] = write_wg,
		[LAB_CONFIG_LINUX] = write_linux, [LAB_CONFIG_VPP] = write_vpp,
		[LAB_CONFIG_KEY] = write_key,
	};
	struct lab_setup setup;
	struct writer w = {&setup, c, to};
	int rc = lab_setup_make(&setup, o, error, error_size);

	if (rc == 0)
		rc = check_key(o, c, error, error_size);
	if (rc != 0)
		return rc;
	writers[c->kind](&w);
	if (fflush(to) == 0 && !ferror(to))
		return 0;
	snprintf(error, error_size, "the configuration can't be written: %s", strerror(errno));
	return -EIO;
}
