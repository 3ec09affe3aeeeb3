/* What follows from the tester's options: keys, addresses, ports, and what is written of them. */
#include <arpa/inet.h>
#include <errno.h>

#include "bench/lab/setup.h"
#include "config/keytext.h"
#include "crypto/x25519.h"
#include "tests/unit/unit.h"

static struct lab_setup make(const struct lab_tester_options *o)
{
	struct lab_setup setup;
	char error[256] = "";

	if (lab_setup_make(&setup, o, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	return setup;
}

static void assert_address(const struct lab_address *a, const char *text)
{
	char is[LAB_ADDRESS_TEXT_BYTES];

	assert_string_equal(lab_address_text(a, is), text);
}

/* Gateways are configured for them: they are the same for ever. By Python's hashlib: BLAKE2s, keyed
 * with "wgdp-bench rfc2544", of the seed and the peer's number, clamped. */
static void keys(void **state)
{
	static const struct {
		uint64_t seed;
		uint32_t peer; /* UINT32_MAX: the gateway */
		const char *key;
	} rows[] = {
		{0x0, 0, "4039f156d17db1ef1ad0b0231bb7c15ddcbb7726da519658dcfc771d9ac96360"},
		{0x1, 0, "902c85ab254480f47822b372f46c59ad5dae696cdd455467654fe111ad3fbf58"},
		{0x1, 1, "d85b640dac749ed4427d623bbf8f062528cc2bf38813e239a4e6181a3cab7072"},
		{0x123456789abcdef, 999999,
		 "c875d6de39c0e9fed40fb4a90b07739dcf649c56083a2df8ae322fa1fdccc777"},
		{0x1, UINT32_MAX,
		 "e0dbf2eb3cef3173087aae93a9f8742c8033138f1e909483ab4e58182fab4861"},
		{0x2, UINT32_MAX,
		 "70165b95054f68084476d605dc4a8b58e16e6283f1407df765c3d74a7a582767"},
	};

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t key[LAB_KEY_BYTES], expected[LAB_KEY_BYTES];

		unit_hex(rows[i].key, expected, sizeof(expected));
		if (rows[i].peer == UINT32_MAX)
			lab_setup_gateway_key(rows[i].seed, key);
		else
			lab_setup_peer_key(rows[i].seed, rows[i].peer, key);
		assert_memory_equal(key, expected, sizeof(key));
	}
}

static void peers_in_their_places(void **state)
{
	struct lab_tester_options o = {.peers = 1000,
				       .outside_addresses = 3,
				       .first_port = 30000,
				       .tester_outside = "198.18.1.254",
				       .size = 64};
	struct lab_setup setup = make(&o);
	struct lab_address a;

	a = lab_setup_peer_outer(&setup, 0);
	assert_address(&a, "198.18.1.254");
	a = lab_setup_peer_outer(&setup, 2);
	assert_address(&a, "198.18.2.0");
	assert_int_equal(lab_setup_peer_port(&setup, 2), 30000);
	assert_int_equal(lab_setup_peer_port(&setup, 3), 30001);
	a = lab_setup_peer_inner(&setup, 0);
	assert_address(&a, "10.64.0.1");
	a = lab_setup_peer_inner(&setup, 999);
	assert_address(&a, "10.64.3.232");
	for (uint32_t i = 0; i < setup.o.peers; i++) {
		a = lab_setup_peer_outer(&setup, i);
		assert_int_equal(lab_setup_peer_at(&setup, &a, lab_setup_peer_port(&setup, i)), i);
	}
	a = lab_setup_peer_outer(&setup, 999);
	assert_int_equal(lab_setup_peer_at(&setup, &a, lab_setup_peer_port(&setup, 999) + 1),
			 UINT32_MAX);
	assert_int_equal(lab_setup_peer_at(&setup, &a, 29999), UINT32_MAX);
	a = setup.gateway[LAB_OUTSIDE];
	assert_int_equal(lab_setup_peer_at(&setup, &a, 30000), UINT32_MAX);
}

static void ipv6(void **state)
{
	struct lab_tester_options o = {.peers = 100000,
				       .inner_ipv6 = true,
				       .size = 64,
				       .gateway_outside = "2001:db8::1/64",
				       .tester_outside = "2001:db8::ffff:ffff"};
	struct lab_setup setup = make(&o);
	struct lab_address a;

	assert_int_equal(setup.n_addresses[LAB_OUTSIDE], 5);
	a = lab_setup_peer_outer(&setup, 1);
	assert_address(&a, "2001:db8::1:0:0");
	a = lab_setup_peer_inner(&setup, 99999);
	assert_address(&a, "2001:2:0:64::1:86a0");
	assert_address(&setup.gateway[LAB_INSIDE], "2001:2:0:19::1");
}

static void refused(void **state)
{
	static const struct {
		struct lab_tester_options o;
		const char *says;
	} rows[] = {
		{{.size = 63}, "from 64"},
		{{.size = 1421}, "MTU of 1420"},
		{{.tunnel_mtu = 9001}, "MTU is from"},
		{{.peers = LAB_PEERS_MAX + 1}, "at most"},
		{{.peers = 60000, .outside_addresses = 1}, "no room in UDP ports"},
		{{.peers = 2, .outside_addresses = 3}, "as many as peers"},
		{{.tester_outside = "198.18.0.1"}, "of the gateway"},
		{{.tester_outside = "198.17.255.255", .peers = 2, .outside_addresses = 2},
		 "not in the network"},
		{{.tester_outside = "198.18.255.255", .peers = 2, .outside_addresses = 2},
		 "not in the network"},
		{{.tester_outside = "198.18.0.2/16"}, "not an address"},
		{{.gateway_outside = "198.18.0.1"}, "length of its network"},
		{{.tester_inside = "2001:db8::1"}, "not in the network"},
		{{.gateway_inside = "2001:db8::2/64", .tester_inside = "2001:db8::1"},
		 "not of one family"},
		{{.gateway_key = "AAAA"}, "base64"},
	};

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char error[256] = "";

		assert_int_equal(lab_tester_check(&rows[i].o, error, sizeof(error)), -EINVAL);
		if (!strstr(error, rows[i].says))
			fail_msg("row %u: %s", i, error);
	}
}

/* ---- configurations ---- */

static char *config(const struct lab_tester_options *o, const struct lab_config_options *c)
{
	char *text = NULL, error[256] = "";
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (lab_tester_config(o, c, to, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	fclose(to);
	return text;
}

static void assert_says(const struct lab_tester_options *o, struct lab_config_options c,
			const char *what)
{
	char *text = config(o, &c);

	if (!strstr(text, what))
		fail_msg("no \"%s\" in:\n%s", what, text);
	free(text);
}

static char *public_key_text(uint64_t seed, uint32_t peer)
{
	uint8_t private_key[LAB_KEY_BYTES], public_key[LAB_KEY_BYTES];
	char *text = malloc(CF_KEY_BASE64_BYTES);

	assert_non_null(text);
	lab_setup_peer_key(seed, peer, private_key);
	cr_x25519_base(public_key, private_key);
	cf_key_to_base64(text, public_key);
	return text;
}

static void configurations(void **state)
{
	struct lab_tester_options o = {.peers = 2, .seed = 1, .size = 64, .tunnel_mtu = 1400};
	struct lab_config_options wgdp = {
		.kind = LAB_CONFIG_WGDP, .private_key_file = "k", .inside_device = "eth7"};
	struct lab_config_options linux_ = {.kind = LAB_CONFIG_LINUX};
	char *key = config(&o, &(struct lab_config_options){.kind = LAB_CONFIG_KEY});
	char *wg = config(&o, &(struct lab_config_options){.kind = LAB_CONFIG_WG});

	assert_non_null(strstr(wg, key));
	assert_non_null(strstr(wg, "AllowedIPs = 10.64.0.2/32"));
	assert_says(&o, wgdp, "device: \"OUTSIDE\"");
	assert_says(&o, wgdp, "device: \"eth7\"");
	assert_says(&o, wgdp, "addresses: [\"198.19.0.1/24\"]");
	assert_says(&o, wgdp, "private-key-file: \"k\"");
	assert_says(&o, wgdp, "mtu: 1400");
	assert_says(&o, wgdp, "allowed-ips: [\"10.64.0.2/32\"]");
	assert_says(&o, linux_, "ip addr replace 198.18.0.1/16 dev \"$OUTSIDE\"");
	assert_says(&o, linux_, "ip route replace 10.64.0.0/10 dev wg0");
	assert_says(&o, linux_, "ip link set wg0 mtu 1400 up");
	free(key);
	free(wg);
}

/* Whole, as there is no VPP to try it on: what its commands take is in their documentation. */
static void for_vpp(void **state)
{
	struct lab_tester_options o = {.peers = 2, .seed = 1, .size = 64, .tunnel_mtu = 1400};
	struct lab_config_options c = {.kind = LAB_CONFIG_VPP, .inside_device = "lan"};
	char *text = config(&o, &c), *key, *keys[2], *expected = NULL;

	key = config(&o, &(struct lab_config_options){.kind = LAB_CONFIG_KEY});
	key[strcspn(key, "\n")] = '\0';
	for (unsigned int i = 0; i < 2; i++)
		keys[i] = public_key_text(1, i);
	assert_true(
		asprintf(&expected,
			 "set interface ip address outside 198.18.0.1/16\n"
			 "set interface state outside up\n"
			 "set interface ip address lan 198.19.0.1/24\n"
			 "set interface state lan up\n"
			 "wireguard create listen-port 51820 private-key %s src 198.18.0.1\n"
			 "set interface mtu packet 1400 wg0\n"
			 "set interface ip address wg0 10.127.255.254/32\n"
			 "set interface state wg0 up\n"
			 "wireguard peer add wg0 public-key %s endpoint 198.18.1.1 dst-port 20000 "
			 "allowed-ip 10.64.0.1/32\n"
			 "ip route add 10.64.0.1/32 via 10.64.0.1 wg0\n"
			 "wireguard peer add wg0 public-key %s endpoint 198.18.1.1 dst-port 20001 "
			 "allowed-ip 10.64.0.2/32\n"
			 "ip route add 10.64.0.2/32 via 10.64.0.2 wg0\n",
			 key, keys[0], keys[1]) > 0);
	assert_string_equal(text, expected);
	o = (struct lab_tester_options){.size = 64, .inner_ipv6 = true};
	assert_says(&o, c, "via 2001:2:0:64::1 wg0");
	assert_says(&o, c, "set interface ip address wg0 2001:2:0:64:ffff:ffff:ffff:ffff/128");
	for (unsigned int i = 0; i < 2; i++)
		free(keys[i]);
	free(expected);
	free(key);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),		  cmocka_unit_test(peers_in_their_places),
		cmocka_unit_test(ipv6),		  cmocka_unit_test(refused),
		cmocka_unit_test(configurations), cmocka_unit_test(for_vpp),
	};

	return UNIT_RUN(tests);
}
