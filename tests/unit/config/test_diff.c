/*
 * The diff: one row per kind of edit, what needs a restart, and random pairs of configurations
 * whose edits, applied one by one in their order to a naive model of the gateway, make the new one.
 */
#include <errno.h>
#include <sys/socket.h>

#include "config/diff.h"
#include "config/keytext.h"
#include "tests/unit/unit.h"

#define PORTS  "ports: {wan: {device: eth1}}\n"
#define WG0    PORTS "interfaces:\n  wg0:\n"
#define KEY_A  "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define KEY_B  "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
#define PEER_A "      - public-key: " KEY_A "\n"
#define PEER_B "      - public-key: " KEY_B "\n"
#define PEERS  WG0 "    peers:\n"

static struct cf_config *parse(const char *text)
{
	struct cf_messages errors = {0}, warnings = {0};
	struct cf_config *config = cf_yaml_parse("gw.yaml", text, strlen(text), &errors, &warnings);

	if (!config)
		fail_msg("%s in\n%s", errors.n ? errors.at[0] : "?", text);
	cf_messages_free(&warnings);
	return config;
}

static const char *const kind_names[] = {
	[CF_EDIT_INTERFACE_REMOVE] = "interface-remove",
	[CF_EDIT_PEER_REMOVE] = "peer-remove",
	[CF_EDIT_PREFIX_REMOVE] = "prefix-remove",
	[CF_EDIT_ADDRESS_REMOVE] = "address-remove",
	[CF_EDIT_ROUTE_REMOVE] = "route-remove",
	[CF_EDIT_PEER_FEWER_PORTS] = "fewer-ports",
	[CF_EDIT_INTERFACE_ADD] = "interface-add",
	[CF_EDIT_INTERFACE_MTU] = "mtu",
	[CF_EDIT_INTERFACE_FWMARK] = "fwmark",
	[CF_EDIT_INTERFACE_LISTEN_PORT] = "listen-port",
	[CF_EDIT_INTERFACE_PRIVATE_KEY] = "private-key",
	[CF_EDIT_ADDRESS_ADD] = "address-add",
	[CF_EDIT_PEER_ADD] = "peer-add",
	[CF_EDIT_PEER_NAME] = "peer-name",
	[CF_EDIT_PEER_PSK] = "psk",
	[CF_EDIT_PEER_ENDPOINT] = "endpoint",
	[CF_EDIT_PREFIX_ADD] = "prefix-add",
	[CF_EDIT_PEER_MORE_PORTS] = "more-ports",
	[CF_EDIT_PEER_KEEPALIVE] = "keepalive",
	[CF_EDIT_ROUTE_ADD] = "route-add",
};

/* An edit as text: "prefix-add wg0 xTIB 10.0.0.0/8". */
static void print_edit(FILE *f, const struct cf_edit *e)
{
	char text[CF_PREFIX_TEXT_BYTES];

	fputs(kind_names[e->kind], f);
	assert_true((e->interface != NULL) != (e->port != NULL));
	fprintf(f, " %s", e->interface ? e->interface->name : e->port->name);
	if (e->peer) {
		cf_key_to_base64(text, e->peer->public_key);
		fprintf(f, " %.4s", text);
	}
	switch (e->kind) {
	case CF_EDIT_PREFIX_REMOVE:
	case CF_EDIT_PREFIX_ADD:
	case CF_EDIT_ADDRESS_REMOVE:
	case CF_EDIT_ADDRESS_ADD:
		cf_prefix_to_text(text, &e->prefix);
		fprintf(f, " %s", text);
		break;
	case CF_EDIT_ROUTE_REMOVE:
	case CF_EDIT_ROUTE_ADD:
		cf_prefix_to_text(text, &e->route.to);
		fprintf(f, " %s", text);
		if (e->route.via.family) {
			cf_prefix_to_text(text, &e->route.via);
			fprintf(f, " via %s", text);
		}
		break;
	default:
		break;
	}
	fputc('\n', f);
}

static const struct {
	const char *old, *new, *edits;
	/* peers added, removed, changed, interfaces added, removed, other */
	size_t counts[6];
} rows[] = {
	{WG0, WG0, "", {0}},
	{PORTS, WG0, "interface-add wg0\nlisten-port wg0\n", {0, 0, 0, 1}},
	{WG0, PORTS, "interface-remove wg0\n", {0, 0, 0, 0, 1}},
	{PEERS PEER_A PEER_B, PORTS, "interface-remove wg0\n", {0, 2, 0, 0, 1}},
	{WG0, WG0 "    mtu: 1400\n", "mtu wg0\n", {0, 0, 0, 0, 0, 1}},
	{WG0, WG0 "    fwmark: 1\n", "fwmark wg0\n", {0, 0, 0, 0, 0, 1}},
	{WG0 "    listen-port: 1\n", WG0, "listen-port wg0\n", {0, 0, 0, 0, 0, 1}},
	{WG0 "    addresses: [1.1.1.1/24, 2.2.2.2/24]\n",
	 WG0 "    addresses: [2.2.2.2/24, 1.1.1.1/25]\n",
	 "address-remove wg0 1.1.1.1/24\naddress-add wg0 1.1.1.1/25\n",
	 {0, 0, 0, 0, 0, 2}},
	{WG0, PEERS PEER_A, "peer-add wg0 xTIB\n", {1}},
	{PEERS PEER_A, PEERS PEER_B, "peer-remove wg0 xTIB\npeer-add wg0 TrMv\n", {1, 1}},
	/* Their order in the file means nothing. */
	{PEERS PEER_A PEER_B, PEERS PEER_B PEER_A, "", {0}},
	{PEERS PEER_A, PEERS PEER_A "        name: a\n", "peer-name wg0 xTIB\n", {0, 0, 1}},
	{PEERS PEER_A,
	 PEERS PEER_A "        endpoint: 1.2.3.4:5\n",
	 "endpoint wg0 xTIB\n",
	 {0, 0, 1}},
	{PEERS PEER_A "        endpoint: 1.2.3.4:5\n",
	 PEERS PEER_A "        endpoint: 1.2.3.4:6\n",
	 "endpoint wg0 xTIB\n",
	 {0, 0, 1}},
	{PEERS PEER_A "        endpoint: 1.2.3.4:5\n",
	 PEERS PEER_A,
	 "endpoint wg0 xTIB\n",
	 {0, 0, 1}},
	{PEERS PEER_A,
	 PEERS PEER_A "        persistent-keepalive: 9\n",
	 "keepalive wg0 xTIB\n",
	 {0, 0, 1}},
	/* UDP ports are freed before others are taken, and taken where the listen port then is. */
	{PEERS PEER_A "        source-ports: 4\n    listen-port: 5\n",
	 PEERS PEER_A "        source-ports: 3\n    listen-port: 5\n",
	 "fewer-ports wg0 xTIB\n",
	 {0, 0, 1}},
	{PEERS PEER_A "        source-ports: 4\n" PEER_B "    listen-port: 5\n",
	 PEERS PEER_A PEER_B "        source-ports: 9\n    listen-port: 6\n",
	 "fewer-ports wg0 xTIB\nlisten-port wg0\nmore-ports wg0 TrMv\n",
	 {0, 0, 2, 0, 0, 1}},
	{PEERS PEER_A, PEERS PEER_A "        source-ports: 1\n", "", {0}},
	/* Two edits of a peer: one peer changed. Routes that follow the prefixes do not count. */
	{PEERS PEER_A "        allowed-ips: [10.1.0.0/16, 10.2.0.0/16]\n",
	 PEERS PEER_A "        allowed-ips: [10.2.0.0/16, 10.3.0.0/16]\n",
	 "prefix-remove wg0 xTIB 10.1.0.0/16\nroute-remove wg0 10.1.0.0/16\n"
	 "prefix-add wg0 xTIB 10.3.0.0/16\nroute-add wg0 10.3.0.0/16\n",
	 {0, 0, 1}},
	/* A prefix that moves is taken, never without a peer. */
	{PEERS PEER_A "        allowed-ips: [10.1.0.0/16]\n" PEER_B,
	 PEERS PEER_A PEER_B "        allowed-ips: [10.1.0.0/16]\n",
	 "prefix-add wg0 TrMv 10.1.0.0/16\n",
	 {0, 0, 1}},
	{PEERS PEER_A "        allowed-ips: [10.1.0.0/16]\n" PEER_B
		      "        allowed-ips: [10.2.0.0/16]\n",
	 PEERS PEER_A "        allowed-ips: [10.2.0.0/16]\n" PEER_B
		      "        allowed-ips: [10.1.0.0/16]\n",
	 "prefix-add wg0 xTIB 10.2.0.0/16\nprefix-add wg0 TrMv 10.1.0.0/16\n",
	 {0, 0, 2}},
	/* Routes: not within the interface's networks, no default route. */
	{WG0 "    addresses: [10.8.0.1/16]\n",
	 WG0
	 "    addresses: [10.8.0.1/16]\n    peers:\n" PEER_A
	 "        allowed-ips: [0.0.0.0/0, \"::/0\", 10.8.17.0/24, 10.0.0.0/8, 2001:db8::/64]\n",
	 "peer-add wg0 xTIB\nprefix-add wg0 xTIB 0.0.0.0/0\nprefix-add wg0 xTIB 10.0.0.0/8\n"
	 "prefix-add wg0 xTIB 10.8.17.0/24\nprefix-add wg0 xTIB ::/0\n"
	 "prefix-add wg0 xTIB 2001:db8::/64\nroute-add wg0 10.0.0.0/8\nroute-add wg0 "
	 "2001:db8::/64\n",
	 {1}},
	{PEERS PEER_A "        allowed-ips: [10.1.0.0/16]\n",
	 PEERS PEER_A "        allowed-ips: [10.1.0.0/16]\n    routes: none\n",
	 "route-remove wg0 10.1.0.0/16\n",
	 {0, 0, 0, 0, 0, 1}},
	{WG0 "    routes: [10.1.0.0/16, 10.2.0.0/16]\n",
	 WG0 "    routes: [10.3.0.0/16, 10.2.0.0/16]\n",
	 "route-remove wg0 10.1.0.0/16\nroute-add wg0 10.3.0.0/16\n",
	 {0, 0, 0, 0, 0, 2}},
	/* An address changes which prefixes need a route. */
	{PEERS PEER_A "        allowed-ips: [10.1.0.0/16]\n    addresses: [10.1.0.1/15]\n",
	 PEERS PEER_A "        allowed-ips: [10.1.0.0/16]\n    addresses: [10.2.0.1/16]\n",
	 "address-remove wg0 10.1.0.1/15\naddress-add wg0 10.2.0.1/16\nroute-add wg0 10.1.0.0/16\n",
	 {0, 0, 0, 0, 0, 2}},
	/* Ports. */
	{PORTS,
	 "ports: {wan: {device: eth1, addresses: [1.1.1.1/24]}}\n",
	 "address-add wan 1.1.1.1/24\n",
	 {0, 0, 0, 0, 0, 1}},
	{"ports: {wan: {device: eth1, routes: [{to: 10.0.0.0/8, via: 1.1.1.1}]}}\n",
	 "ports: {wan: {device: eth1, routes: [{to: 10.0.0.0/8, via: 1.1.1.2}]}}\n",
	 "route-remove wan 10.0.0.0/8 via 1.1.1.1/32\nroute-add wan 10.0.0.0/8 via 1.1.1.2/32\n",
	 {0, 0, 0, 0, 0, 2}},
	/* Everything new. */
	{NULL,
	 PEERS PEER_A "        name: a\n        endpoint: 1.2.3.4:5\n"
		      "        persistent-keepalive: 5\n        source-ports: 2\n"
		      "    listen-port: 5\n    fwmark: 3\n    mtu: 1300\n",
	 "interface-add wg0\nfwmark wg0\nlisten-port wg0\npeer-add wg0 xTIB\nendpoint wg0 xTIB\n"
	 "more-ports wg0 xTIB\nkeepalive wg0 xTIB\n",
	 {1, 0, 0, 1}},
	{NULL,
	 "ports: {wan: {device: eth1, addresses: [1.1.1.1/24], routes: [{to: 10.0.0.0/8}]}}\n",
	 "address-add wan 1.1.1.1/24\nroute-add wan 10.0.0.0/8\n",
	 {0, 0, 0, 0, 0, 2}},
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cf_config *old = rows[i].old ? parse(rows[i].old) : NULL;
		struct cf_config *new = parse(rows[i].new);
		struct cf_messages errors = {0};
		struct cf_edits edits;
		char *text = NULL;
		size_t len;
		FILE *f = open_memstream(&text, &len);

		assert_int_equal(cf_diff(old, new, &edits, &errors), 0);
		for (size_t j = 0; j < edits.n; j++)
			print_edit(f, &edits.at[j]);
		fclose(f);
		if (strcmp(text, rows[i].edits))
			fail_msg("row %zu: expected\n%s\nbut got\n%s", i, rows[i].edits, text);
		free(text);
		assert_int_equal(edits.peers_added, rows[i].counts[0]);
		assert_int_equal(edits.peers_removed, rows[i].counts[1]);
		assert_int_equal(edits.peers_changed, rows[i].counts[2]);
		assert_int_equal(edits.interfaces_added, rows[i].counts[3]);
		assert_int_equal(edits.interfaces_removed, rows[i].counts[4]);
		assert_int_equal(edits.other, rows[i].counts[5]);
		cf_edits_free(&edits);
		cf_config_free(old);
		cf_config_free(new);
	}
}

/* Keys are not in YAML text: set in the model. */
static void test_keys(void **state)
{
	struct cf_config *old = parse(PEERS PEER_A), *new = parse(PEERS PEER_A);
	struct cf_messages errors = {0};
	struct cf_edits edits;

	new->interfaces[0].private_key[31] = 64;
	new->interfaces[0].peers[0].psk[0] = 1;
	assert_int_equal(cf_diff(old, new, &edits, &errors), 0);
	assert_int_equal(edits.n, 2);
	assert_int_equal(edits.at[0].kind, CF_EDIT_INTERFACE_PRIVATE_KEY);
	assert_ptr_equal(edits.at[0].interface, &new->interfaces[0]);
	assert_int_equal(edits.at[1].kind, CF_EDIT_PEER_PSK);
	assert_ptr_equal(edits.at[1].peer, &new->interfaces[0].peers[0]);
	cf_edits_free(&edits);
	cf_config_free(old);
	cf_config_free(new);
}

static void test_restart(void **state)
{
	static const struct {
		const char *new, *error;
	} changes[] = {
		{"control: 1\n" PORTS, "gw.yaml: changing \"control\" needs a restart of wgdp"},
		{"workers: [1]\n" PORTS, "gw.yaml: changing \"workers\" needs a restart of wgdp"},
		{"idle: poll\n" PORTS, "gw.yaml: changing \"idle\" needs a restart of wgdp"},
		{"socket: /a\n" PORTS, "gw.yaml: changing \"socket\" needs a restart of wgdp"},
		{"hugepages: never\n" PORTS,
		 "gw.yaml: changing \"hugepages\" needs a restart of wgdp"},
		{"packet-buffers: 2048\n" PORTS,
		 "gw.yaml: changing \"packet-buffers\" needs a restart of wgdp"},
		{"ports: {wan: {device: eth2}}\n",
		 "gw.yaml: another device for port wan needs a restart of wgdp"},
		{"ports: {wan: {device: eth1, mtu: 1500}}\n",
		 "gw.yaml: another mtu for port wan needs a restart of wgdp"},
		{"ports: {wan: {device: eth1, vlan: 7}}\n",
		 "gw.yaml: another vlan for port wan needs a restart of wgdp"},
		{"ports: {wan: {device: eth1}, lan: {device: eth2}}\n",
		 "gw.yaml: adding port lan needs a restart of wgdp"},
		{"ports: {lan: {device: eth1}}\n",
		 "gw.yaml: removing port wan needs a restart of wgdp"},
	};
	struct cf_config *old = parse(PORTS);

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct cf_config *new = parse(changes[i].new);
		struct cf_messages errors = {0};
		struct cf_edits edits;

		assert_int_equal(cf_diff(old, new, &edits, &errors), -EINVAL);
		assert_null(edits.at);
		assert_true(errors.n >= 1);
		assert_string_equal(errors.at[0], changes[i].error);
		cf_messages_free(&errors);
		assert_int_equal(cf_diff(NULL, new, &edits, &errors), 0);
		cf_edits_free(&edits);
		cf_config_free(new);
	}
	cf_config_free(old);
}

/*
 * The naive gateway: small arrays, everything looked up by walking. Universe: 3 interfaces, 6 keys,
 * 8 prefixes, 4 addresses; a peer's number is its key's first byte.
 */
#define N_INTERFACES 3
#define N_PEERS	     6
#define N_PREFIXES   8
#define N_ADDRESSES  4

struct naive_peer {
	bool there;
	char name[CF_PEER_NAME_BYTES];
	uint8_t psk;
	uint16_t endpoint_port, keepalive_s;
	uint8_t source_ports;
};

struct naive_interface {
	bool there, has_port;
	uint16_t mtu, listen_port;
	uint32_t fwmark;
	uint8_t private_key;
	bool addresses[N_ADDRESSES], routes[N_PREFIXES];
	int owner[N_PREFIXES]; /* peer number, -1: none */
	struct naive_peer peers[N_PEERS];
};

static struct cf_prefix universe_prefix(unsigned int i)
{
	struct cf_prefix p;
	static const char *const texts[N_PREFIXES] = {
		"0.0.0.0/0",   "10.0.0.0/8", "10.1.0.0/16",   "10.1.2.0/24",
		"10.2.0.0/16", "::/0",	     "2001:db8::/32", "2001:db8:1::/48"};

	assert_true(cf_prefix_from_text(&p, texts[i], true));
	return p;
}

static struct cf_prefix universe_address(unsigned int i)
{
	struct cf_prefix p;
	static const char *const texts[N_ADDRESSES] = {"10.1.0.1/16", "10.0.0.1/8",
						       "2001:db8::1/64", "2001:db8:1::1/40"};

	assert_true(cf_prefix_from_text(&p, texts[i], true));
	return p;
}

static unsigned int index_of(struct cf_prefix (*universe)(unsigned int), unsigned int n,
			     const struct cf_prefix *p)
{
	for (unsigned int i = 0; i < n; i++) {
		struct cf_prefix q = universe(i);

		if (!cf_prefix_compare(&q, p))
			return i;
	}
	fail_msg("an unknown prefix");
	return 0;
}

static unsigned int pick(uint64_t *seed, unsigned int n)
{
	return (unsigned int)(unit_random(seed) >> 33) % n;
}

static void random_interface(uint64_t *seed, struct cf_interface *in)
{
	int owner[N_PREFIXES];
	unsigned int order[N_PEERS];

	in->mtu = (uint16_t)(1400 + pick(seed, 2));
	in->listen_port = (uint16_t)pick(seed, 2);
	in->fwmark = pick(seed, 2);
	in->private_key[31] = (uint8_t)pick(seed, 2);
	in->route_policy = (enum cf_route_policy)pick(seed, 3);
	in->addresses.at = calloc(N_ADDRESSES, sizeof(struct cf_prefix));
	in->routes.at = calloc(N_PREFIXES, sizeof(struct cf_prefix));
	in->peers = calloc(N_PEERS, sizeof(*in->peers));
	for (unsigned int i = 0; i < N_ADDRESSES; i++)
		if (pick(seed, 2))
			in->addresses.at[in->addresses.n++] = universe_address(i);
	for (unsigned int i = 0; i < N_PREFIXES; i++) {
		owner[i] = (int)pick(seed, N_PEERS);
		if (pick(seed, 2))
			in->routes.at[in->routes.n++] = universe_prefix(i);
	}
	for (unsigned int i = 0; i < N_PEERS; i++) {
		unsigned int j = pick(seed, i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (unsigned int i = 0; i < N_PEERS; i++) {
		struct cf_peer *peer = &in->peers[in->n_peers];

		if (!pick(seed, 3))
			continue;
		in->n_peers++;
		peer->public_key[0] = (uint8_t)order[i];
		peer->psk[5] = (uint8_t)pick(seed, 2);
		peer->keepalive_s = (uint16_t)pick(seed, 2);
		peer->source_ports = (uint8_t)(1 + pick(seed, 3));
		snprintf(peer->name, sizeof(peer->name), "%s", pick(seed, 2) ? "x" : "");
		if (pick(seed, 2))
			peer->endpoint = (struct cf_endpoint){
				.family = AF_INET, .port = (uint16_t)(1 + pick(seed, 2))};
		peer->allowed.at = calloc(N_PREFIXES, sizeof(struct cf_prefix));
		for (unsigned int j = 0; j < N_PREFIXES; j++)
			if (owner[j] == (int)order[i])
				peer->allowed.at[peer->allowed.n++] = universe_prefix(j);
	}
}

static struct cf_config *random_config(uint64_t *seed)
{
	struct cf_config *config = parse(PORTS);

	config->interfaces = calloc(N_INTERFACES, sizeof(*config->interfaces));
	for (unsigned int i = 0; i < N_INTERFACES; i++) {
		struct cf_interface *in = &config->interfaces[config->n_interfaces];

		if (!pick(seed, 4))
			continue;
		config->n_interfaces++;
		snprintf(in->name, sizeof(in->name), "wg%u", i);
		random_interface(seed, in);
	}
	return config;
}

/* What routes an interface must have, said once more. */
static bool wants_route(const struct cf_interface *in, unsigned int prefix)
{
	struct cf_prefix p = universe_prefix(prefix);
	bool wanted = false;

	if (in->route_policy == CF_ROUTES_LIST)
		for (size_t i = 0; i < in->routes.n; i++)
			wanted |= !cf_prefix_compare(&in->routes.at[i], &p);
	if (in->route_policy != CF_ROUTES_ALLOWED_IPS)
		return wanted;
	for (size_t i = 0; i < in->n_peers; i++)
		for (size_t j = 0; j < in->peers[i].allowed.n; j++)
			wanted |= !cf_prefix_compare(&in->peers[i].allowed.at[j], &p);
	for (size_t i = 0; i < in->addresses.n; i++)
		if (cf_prefix_contains(&in->addresses.at[i], &p))
			return false;
	return wanted && p.len > 0;
}

static void naive_from_config(struct naive_interface *n, const struct cf_config *config)
{
	memset(n, 0, N_INTERFACES * sizeof(*n));
	for (unsigned int i = 0; i < N_INTERFACES; i++)
		for (unsigned int j = 0; j < N_PREFIXES; j++)
			n[i].owner[j] = -1;
	for (size_t i = 0; config && i < config->n_interfaces; i++) {
		const struct cf_interface *in = &config->interfaces[i];
		struct naive_interface *to = &n[in->name[2] - '0'];

		to->there = to->has_port = true;
		to->mtu = in->mtu;
		to->listen_port = in->listen_port;
		to->fwmark = in->fwmark;
		to->private_key = in->private_key[31];
		for (size_t j = 0; j < in->addresses.n; j++)
			to->addresses[index_of(universe_address, N_ADDRESSES,
					       &in->addresses.at[j])] = true;
		for (unsigned int j = 0; j < N_PREFIXES; j++)
			to->routes[j] = wants_route(in, j);
		for (size_t j = 0; j < in->n_peers; j++) {
			const struct cf_peer *from = &in->peers[j];
			struct naive_peer *peer = &to->peers[from->public_key[0]];

			peer->there = true;
			memcpy(peer->name, from->name, sizeof(peer->name));
			peer->psk = from->psk[5];
			peer->endpoint_port = from->endpoint.port;
			peer->keepalive_s = from->keepalive_s;
			peer->source_ports = from->source_ports;
			for (size_t k = 0; k < from->allowed.n; k++)
				to->owner[index_of(universe_prefix, N_PREFIXES,
						   &from->allowed.at[k])] = from->public_key[0];
		}
	}
}

static void apply_to_peer(struct naive_interface *in, const struct cf_edit *e)
{
	int number = e->peer->public_key[0];
	struct naive_peer *peer = &in->peers[number];
	unsigned int prefix;

	assert_int_equal(peer->there, e->kind != CF_EDIT_PEER_ADD);
	switch (e->kind) {
	case CF_EDIT_PEER_ADD:
		*peer = (struct naive_peer){.there = true, .source_ports = 1};
		memcpy(peer->name, e->peer->name, sizeof(peer->name));
		break;
	case CF_EDIT_PEER_REMOVE:
		*peer = (struct naive_peer){0};
		for (unsigned int i = 0; i < N_PREFIXES; i++)
			if (in->owner[i] == number)
				in->owner[i] = -1;
		break;
	case CF_EDIT_PEER_NAME:
		memcpy(peer->name, e->peer->name, sizeof(peer->name));
		break;
	case CF_EDIT_PEER_PSK:
		peer->psk = e->peer->psk[5];
		break;
	case CF_EDIT_PEER_ENDPOINT:
		peer->endpoint_port = e->peer->endpoint.port;
		break;
	case CF_EDIT_PEER_FEWER_PORTS:
		assert_true(e->peer->source_ports < peer->source_ports);
		peer->source_ports = e->peer->source_ports;
		break;
	case CF_EDIT_PEER_MORE_PORTS:
		assert_true(e->peer->source_ports > peer->source_ports);
		peer->source_ports = e->peer->source_ports;
		break;
	case CF_EDIT_PEER_KEEPALIVE:
		peer->keepalive_s = e->peer->keepalive_s;
		break;
	case CF_EDIT_PREFIX_ADD:
		in->owner[index_of(universe_prefix, N_PREFIXES, &e->prefix)] = number;
		break;
	case CF_EDIT_PREFIX_REMOVE:
		prefix = index_of(universe_prefix, N_PREFIXES, &e->prefix);
		assert_int_equal(in->owner[prefix], number);
		in->owner[prefix] = -1;
		break;
	default:
		fail_msg("not an edit of a peer");
	}
}

static void apply(struct naive_interface *all, const struct cf_edit *e)
{
	struct naive_interface *in = &all[e->interface->name[2] - '0'];
	unsigned int i;

	assert_int_equal(in->there, e->kind != CF_EDIT_INTERFACE_ADD);
	switch (e->kind) {
	case CF_EDIT_INTERFACE_REMOVE:
	case CF_EDIT_INTERFACE_ADD:
		memset(in, 0, sizeof(*in));
		for (i = 0; i < N_PREFIXES; i++)
			in->owner[i] = -1;
		in->there = e->kind == CF_EDIT_INTERFACE_ADD;
		in->mtu = in->there ? e->interface->mtu : 0;
		break;
	case CF_EDIT_INTERFACE_MTU:
		in->mtu = e->interface->mtu;
		break;
	case CF_EDIT_INTERFACE_FWMARK:
		in->fwmark = e->interface->fwmark;
		break;
	case CF_EDIT_INTERFACE_LISTEN_PORT:
		in->listen_port = e->interface->listen_port;
		in->has_port = true;
		break;
	case CF_EDIT_INTERFACE_PRIVATE_KEY:
		in->private_key = e->interface->private_key[31];
		break;
	case CF_EDIT_ADDRESS_ADD:
	case CF_EDIT_ADDRESS_REMOVE:
		i = index_of(universe_address, N_ADDRESSES, &e->prefix);
		assert_int_equal(in->addresses[i], e->kind == CF_EDIT_ADDRESS_REMOVE);
		in->addresses[i] = e->kind == CF_EDIT_ADDRESS_ADD;
		break;
	case CF_EDIT_ROUTE_ADD:
	case CF_EDIT_ROUTE_REMOVE:
		i = index_of(universe_prefix, N_PREFIXES, &e->route.to);
		assert_int_equal(in->routes[i], e->kind == CF_EDIT_ROUTE_REMOVE);
		in->routes[i] = e->kind == CF_EDIT_ROUTE_ADD;
		break;
	default:
		apply_to_peer(in, e);
	}
}

static void test_random(void **state)
{
	uint64_t seed = 20231123;
	size_t total = 0;

	print_message("# seed %llu\n", (unsigned long long)seed);
	for (int round = 0; round < 3000; round++) {
		struct cf_config *old = round % 10 ? random_config(&seed) : NULL;
		struct cf_config *new = random_config(&seed);
		struct naive_interface running[N_INTERFACES], wanted[N_INTERFACES];
		struct cf_messages errors = {0};
		struct cf_edits edits;

		assert_int_equal(cf_diff(old, new, &edits, &errors), 0);
		naive_from_config(running, old);
		naive_from_config(wanted, new);
		for (size_t i = 0; i < edits.n; i++) {
			assert_true(i == 0 || edits.at[i - 1].kind <= edits.at[i].kind);
			apply(running, &edits.at[i]);
		}
		total += edits.n;
		assert_memory_equal(running, wanted, sizeof(running));
		cf_edits_free(&edits);
		/* What is the same in both yields nothing. */
		assert_int_equal(cf_diff(new, new, &edits, &errors), 0);
		assert_int_equal(edits.n, 0);
		cf_edits_free(&edits);
		cf_config_free(old);
		cf_config_free(new);
	}
	assert_true(total > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_random),
	};

	return UNIT_RUN(tests);
}
