/* The configuration file: what good ones mean, and for each mistake the line and what is said. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "config/keytext.h"
#include "config/yaml.h"
#include "tests/unit/unit.h"

#define KEY_A	 "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define KEY_B	 "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
#define PORTS	 "ports: {wan: {device: eth1}}\n"
#define WG0	 PORTS "interfaces:\n  wg0:\n"
#define PEERS	 WG0 "    peers:\n"
#define NO_ERROR NULL

static const uint8_t private_key[CF_KEY_BYTES] = {1, 2, 3, [31] = 0xff};
static char directory[] = "/tmp/wgdp-yaml-XXXXXX";

static void write_file(const char *name, mode_t mode, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(name, mode), 0);
}

static int make_files(void **state)
{
	uint8_t zeros[CF_KEY_BYTES] = {0}, own[CF_KEY_BYTES];
	char text[256], key[CF_KEY_BASE64_BYTES];

	if (!mkdtemp(directory) || chdir(directory))
		return -1;
	cf_key_to_base64(key, private_key);
	snprintf(text, sizeof(text), "%s\n", key);
	write_file("wg0.key", 0600, text);
	write_file("open.key", 0644, text);
	snprintf(text, sizeof(text), " \t\n%s \r\n\n", key);
	write_file("spaces.key", 0400, text);
	snprintf(text, sizeof(text), "%s %s\n", key, key);
	write_file("two.key", 0600, text);
	snprintf(text, sizeof(text), "%s%100s", key, "");
	write_file("long.key", 0600, text);
	write_file("empty.key", 0600, "");
	write_file("short.key", 0600, "abc\n");
	cf_key_to_base64(key, zeros);
	write_file("zero.key", 0600, key);
	crypto_scalarmult_base(own, private_key);
	write_file("b.psk", 0600, KEY_B);
	mkdir("dir", 0700);
	mkdir("sub", 0700);
	write_file("sub/there.key", 0600, KEY_B);
	return 0;
}

static int remove_files(void **state)
{
	static const char *const names[] = {"wg0.key",	"open.key",	 "spaces.key",	"two.key",
					    "long.key", "empty.key",	 "short.key",	"zero.key",
					    "b.psk",	"sub/there.key", "sub/gw.yaml", "gw.yaml"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(names[i]);
	rmdir("dir");
	rmdir("sub");
	return rmdir(directory);
}

static const struct {
	const char *text;
	const char *errors;   /* all lines, each with its newline */
	const char *warnings; /* NULL: none */
} rows[] = {
	/* The file as a whole. */
	{"", "gw.yaml:1: the file is empty\n", NULL},
	{"# nothing\n", "gw.yaml:1: the file is empty\n", NULL},
	{"---\n", "gw.yaml:1: no \"ports\": a gateway needs at least one\n", NULL},
	{"control: 1\n", "gw.yaml:1: no \"ports\": a gateway needs at least one\n", NULL},
	{"ports:\n", "gw.yaml:1: no \"ports\": a gateway needs at least one\n", NULL},
	{"- a\n", "gw.yaml:1: the file must be a mapping (\"key: value\" lines)\n", NULL},
	{"hello\n", "gw.yaml:1: the file must be a mapping (\"key: value\" lines)\n", NULL},
	{PORTS "---\n" PORTS, "gw.yaml:2: a second document: one file, one configuration\n", NULL},
	{PORTS "  x: [\n",
	 "gw.yaml:2: not YAML: did not find expected key (while parsing a block mapping from "
	 "line 1)\n",
	 NULL},
	{PORTS "x: [0.0.0.0/0, ::/0]\n",
	 "gw.yaml:2: unknown key \"x\" in the file; known are control, workers, idle, socket, "
	 "hugepages, packet-buffers, ports, interfaces\n"
	 "gw.yaml:2: not YAML: did not find expected node content; within [ ] or { } what starts "
	 "with "
	 "\":\" needs quotes, like \"::/0\"\n",
	 NULL},
	{PORTS "workers: [1\n",
	 "gw.yaml:3: not YAML: did not find expected ',' or ']' (while parsing a flow sequence "
	 "from "
	 "line 2)\n",
	 NULL},
	{"ports: {wan: {device: \"eth\x01\"}}\n",
	 "gw.yaml:1: not YAML: control characters are not allowed\n", NULL},
	{"ports: {wan: {device: \"\xff\"}}\n", "gw.yaml:1: not YAML: invalid leading UTF-8 octet\n",
	 NULL},
	{"ports: &p {wan: {device: eth1}}\n", "gw.yaml:1: anchors (&p) are not supported\n", NULL},
	{PORTS "socket: !!str /a\n", "gw.yaml:2: tags (tag:yaml.org,2002:str) are not supported\n",
	 NULL},
	{PORTS "socket: *p\n", "gw.yaml:2: aliases (*p) are not supported: write it out\n", NULL},
	{PORTS "socket: \"/a\\0b\"\n", "gw.yaml:2: text with a NUL in it\n", NULL},
	{PORTS "x: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
	 "gw.yaml:2: unknown key \"x\" in the file; known are control, workers, idle, socket, "
	 "hugepages, packet-buffers, ports, interfaces\n"
	 "gw.yaml:2: nested too deeply\n",
	 NULL},
	/* Keys. */
	{PORTS "workrs: [1]\n",
	 "gw.yaml:2: unknown key \"workrs\" in the file; did you mean \"workers\"?\n", NULL},
	{PORTS "packetbuffers: 16384\n",
	 "gw.yaml:2: unknown key \"packetbuffers\" in the file; did you mean \"packet-buffers\"?\n",
	 NULL},
	{PORTS "<<: {}\n",
	 "gw.yaml:2: unknown key \"<<\" in the file; known are control, workers, idle, socket, "
	 "hugepages, packet-buffers, ports, interfaces\n",
	 NULL},
	{PORTS "idle: poll\nidle: poll\n", "gw.yaml:3: \"idle\" again: it is set in line 2\n",
	 NULL},
	{PORTS "[a]: b\nidle: pole\n",
	 "gw.yaml:2: a key of the file must be a text\n"
	 "gw.yaml:3: \"idle\" must be poll or backoff, not \"pole\"; did you mean \"poll\"?\n",
	 NULL},
	{PORTS "{a: b}: {c: d}\nx y z: 1\n",
	 "gw.yaml:2: a key of the file must be a text\n"
	 "gw.yaml:3: unknown key \"x y z\" in the file; known are control, workers, idle, socket, "
	 "hugepages, packet-buffers, ports, interfaces\n",
	 NULL},
	/* Values of the gateway. */
	{PORTS "control: -1\n",
	 "gw.yaml:2: \"control\" must be a number from 0 to 1023, not \"-1\"\n", NULL},
	{PORTS "control: 1024\n",
	 "gw.yaml:2: \"control\" must be a number from 0 to 1023, not \"1024\"\n", NULL},
	{PORTS "control: [0]\n", "gw.yaml:2: \"control\" must be a single value\n", NULL},
	{PORTS "control:\n", "gw.yaml:2: \"control\" has no value\n", NULL},
	{PORTS "workers: 128\n",
	 "gw.yaml:2: \"workers\" must be a number from 1 to 127, not \"128\"\n", NULL},
	{PORTS "workers: 0\n", "gw.yaml:2: \"workers\" must be a number from 1 to 127, not \"0\"\n",
	 NULL},
	{PORTS "workers: all\n",
	 "gw.yaml:2: \"workers\" must be a number from 1 to 127, not \"all\"\n", NULL},
	{PORTS "workers: {a: 1}\n",
	 "gw.yaml:2: \"workers\" must be a list: [a, b] or lines of \"- a\"\n", NULL},
	{PORTS "workers: [1, 2, 1]\n", "gw.yaml:2: CPU 1 has a worker already\n", NULL},
	{PORTS "workers:\n- 1\n- x\n",
	 "gw.yaml:4: \"workers\" must be a number from 0 to 1023, not \"x\"\n", NULL},
	{PORTS "idle: sleep\n", "gw.yaml:2: \"idle\" must be poll or backoff, not \"sleep\"\n",
	 NULL},
	{PORTS "socket: wgdp.sock\n", "gw.yaml:2: \"socket\" must be an absolute path\n", NULL},
	{PORTS "socket: /0123456789012345678901234567890123456789012345678901234567890123456789"
	       "0123456789012345678901234567890123456789\n",
	 "gw.yaml:2: \"socket\" is too long (at most 107 bytes)\n", NULL},
	{PORTS "hugepages: always\n",
	 "gw.yaml:2: \"hugepages\" must be auto or never, not \"always\"\n", NULL},
	{PORTS "packet-buffers: 1023\n",
	 "gw.yaml:2: \"packet-buffers\" must be a number from 1024 to 4194304, not \"1023\"\n",
	 NULL},
	{PORTS "packet-buffers: 010000\n",
	 "gw.yaml:2: \"packet-buffers\" must be a number from 1024 to 4194304, not \"010000\"\n",
	 NULL},
	/* Ports. */
	{"ports: [wan]\n", "gw.yaml:1: \"ports\" must be a mapping (\"key: value\" lines)\n", NULL},
	{"ports:\n  wan: {device: eth1}\n  wan: {device: eth2}\n",
	 "gw.yaml:3: port wan is in the file twice\n", NULL},
	{"ports:\n  wan: {device: eth1}\n  lan: {device: eth1}\n",
	 "gw.yaml:3: device eth1 is port wan already: several ports of one device need a \"vlan\" "
	 "each, or all but one\n",
	 NULL},
	{"ports:\n  a: {device: eth1, vlan: 7}\n  b: {device: eth1}\n  c: {vlan: 7, device: "
	 "eth1}\n",
	 "gw.yaml:4: vlan 7 of device eth1 is port a already\n", NULL},
	{"ports:\n  a: {device: eth1, vlan: 0}\n",
	 "gw.yaml:2: \"vlan\" must be a number from 1 to 4094, not \"0\"\n", NULL},
	{"ports:\n  a: {device: eth1, vlan: 4095}\n",
	 "gw.yaml:2: \"vlan\" must be a number from 1 to 4094, not \"4095\"\n", NULL},
	{"ports:\n  a: {device: \"net_ring0\", vlan: 1}\n  b: {device: \"net_ring0,x=1\", vlan: "
	 "2}\n",
	 "gw.yaml:3: device net_ring0,x=1 is that of port a: write it as there, net_ring0\n", NULL},
	{"ports:\n  a: {device: \"3b:00.0\", vlan: 1}\n  b: {device: \"0000:3B:00.0\", vlan: 2}\n",
	 "gw.yaml:3: device 0000:3B:00.0 is that of port a: write it as there, 3b:00.0\n", NULL},
	{"ports:\n  a: {device: eth1, mtu: 1500}\n  b: {device: eth1, vlan: 2, mtu: 9000}\n",
	 "gw.yaml:3: ports a and b: the MTU of a VLAN of eth1 can't be over that of eth1 itself\n",
	 NULL},
	{"ports:\n  wan: {mtu: 1500}\n", "gw.yaml:2: port wan needs a \"device\"\n", NULL},
	{"ports:\n  wan: eth1\n", "gw.yaml:2: a port must be a mapping (\"key: value\" lines)\n",
	 NULL},
	{"ports:\n  0123456789abcdef: {device: eth1}\n",
	 "gw.yaml:2: port name \"0123456789abcdef\" must have 1 to 15 characters of a-z A-Z 0-9 _ "
	 ". "
	 "-\n",
	 NULL},
	{"ports:\n  ..: {device: eth1}\n",
	 "gw.yaml:2: port name \"..\" must have 1 to 15 characters of a-z A-Z 0-9 _ . -\n", NULL},
	{"ports:\n  wan: {device: eth/1}\n",
	 "gw.yaml:2: Linux interface name \"eth/1\" must have 1 to 15 characters of a-z A-Z 0-9 _ "
	 ". "
	 "-\n",
	 NULL},
	{"ports:\n  wan: {device: eth1, adresses: []}\n",
	 "gw.yaml:2: unknown key \"adresses\" in a port; did you mean \"addresses\"?\n", NULL},
	{"ports:\n  wan: {device: eth1, mtu: 99}\n",
	 "gw.yaml:2: \"mtu\" must be a number from 576 to 9216, not \"99\"\n", NULL},
	{"ports:\n  wan:\n    device: eth1\n    addresses:\n    - 1.2.3.4/24\n    - 1.2.3.4/24\n",
	 "gw.yaml:6: the same address again (first in line 5)\n", NULL},
	{"ports:\n  wan: {device: eth1, addresses: [1.2.3/24]}\n",
	 "gw.yaml:2: \"1.2.3/24\" in \"addresses\" is not an address or prefix (like 10.8.0.0/16 "
	 "or "
	 "2001:db8::/48)\n",
	 NULL},
	{"ports:\n  wan: {device: eth1, routes: [{via: 1.2.3.4}]}\n",
	 "gw.yaml:2: a route needs \"to\" (like {to: 0.0.0.0/0, via: 192.0.2.1})\n", NULL},
	{"ports:\n  wan: {device: eth1, routes: [{to: 2000::/3, via: 1.2.3.4}]}\n",
	 "gw.yaml:2: \"to\" and \"via\" must both be IPv4 or both IPv6\n", NULL},
	{"ports:\n  wan: {device: eth1, routes: [{to: 0.0.0.0/0, via: 1.2.3.4/24}]}\n",
	 "gw.yaml:2: \"via\" must be an address without a length\n", NULL},
	{"ports:\n  wan:\n    device: eth1\n    routes:\n      - {to: 0.0.0.0/0, via: 1.2.3.4}\n   "
	 "   "
	 "- {to: 0.0.0.0/0, via: 1.2.3.5}\n",
	 "gw.yaml:6: this port has a route to that prefix already\n", NULL},
	{"ports:\n  wan: {device: eth1, routes: [{to: 10.1.2.3/8}]}\n", NO_ERROR,
	 "gw.yaml:2: 10.1.2.3/8 has host bits: taken as 10.0.0.0/8\n"},
	/* Interfaces. */
	{PORTS "interfaces:\n  wan: {}\n",
	 "gw.yaml:1: interface wan has the name or device of port wan\n", NULL},
	{PORTS "interfaces:\n  eth1: {}\n",
	 "gw.yaml:1: interface eth1 has the name or device of port wan\n", NULL},
	{PORTS "interfaces:\n  wg0: {}\n  wg0: {}\n",
	 "gw.yaml:4: interface wg0 is in the file twice\n", NULL},
	{PORTS "interfaces:\n  wg 0: {}\n",
	 "gw.yaml:3: interface name \"wg 0\" must have 1 to 15 characters of a-z A-Z 0-9 _ . -\n",
	 NULL},
	{PORTS "interfaces:\n  wg0: {listen-port: 5}\n  wg1: {listen-port: 5}\n",
	 "gw.yaml:4: \"listen-port\" 5 is that of interface wg0 already\n", NULL},
	{WG0 "    listen-port: 65536\n",
	 "gw.yaml:4: \"listen-port\" must be a number from 0 to 65535, not \"65536\"\n", NULL},
	{WG0 "    fwmark: 0x100000000\n",
	 "gw.yaml:4: \"fwmark\" must be a number from 0 to 4294967295, not \"0x100000000\"\n",
	 NULL},
	{WG0 "    mtu: abc\n",
	 "gw.yaml:4: \"mtu\" must be a number from 576 to 65535, not \"abc\"\n", NULL},
	{WG0 "    routes: allowed_ips\n",
	 "gw.yaml:4: \"routes\" must be allowed-ips or none, not \"allowed_ips\"; did you mean "
	 "\"allowed-ips\"?\n",
	 NULL},
	{WG0 "    private-key: abc\n",
	 "gw.yaml:4: unknown key \"private-key\" in an interface; did you mean "
	 "\"private-key-file\"?\n",
	 NULL},
	{WG0 "    private-key-file: missing.key\n",
	 "gw.yaml:4: missing.key: No such file or directory\n", NULL},
	{WG0 "    private-key-file: dir\n", "gw.yaml:4: dir: not a regular file\n", NULL},
	{WG0 "    private-key-file: /dev/null\n", "gw.yaml:4: /dev/null: not a regular file\n",
	 NULL},
	{WG0 "    private-key-file: two.key\n",
	 "gw.yaml:4: two.key: not one key in base64 (as wg genkey makes)\n", NULL},
	{WG0 "    private-key-file: long.key\n",
	 "gw.yaml:4: long.key: not one key in base64 (as wg genkey makes)\n", NULL},
	{WG0 "    private-key-file: empty.key\n",
	 "gw.yaml:4: empty.key: not one key in base64 (as wg genkey makes)\n", NULL},
	{WG0 "    private-key-file: short.key\n",
	 "gw.yaml:4: short.key: not one key in base64 (as wg genkey makes)\n", NULL},
	{WG0 "    private-key-file: zero.key\n", "gw.yaml:4: the private key is all zeros\n", NULL},
	{WG0 "    private-key-file: spaces.key\n", NO_ERROR, NULL},
	{WG0 "    private-key-file: open.key\n", NO_ERROR,
	 "gw.yaml:4: open.key can be read by others (mode 0644): chmod 600 it\n"},
	/* Peers. */
	{WG0 "    peers: {}\n", "gw.yaml:4: \"peers\" must be a list: [a, b] or lines of \"- a\"\n",
	 NULL},
	{PEERS "      - " KEY_A "\n",
	 "gw.yaml:5: a peer must be a mapping (\"key: value\" lines)\n", NULL},
	{PEERS "      - name: a\n", "gw.yaml:5: a peer needs a \"public-key\"\n", NULL},
	{PEERS "      - public-key: " KEY_A "\n        alowed-ips: []\n",
	 "gw.yaml:6: unknown key \"alowed-ips\" in a peer; did you mean \"allowed-ips\"?\n", NULL},
	{PEERS "      - public-key: abc=\n",
	 "gw.yaml:5: \"public-key\" must be 44 characters of base64 that end in \"=\", not "
	 "\"abc=\"\n",
	 NULL},
	{PEERS "      - public-key: " KEY_A "\n      - name: b\n        public-key: " KEY_A "\n",
	 "gw.yaml:7: this public key is peer xTIBA5rb... already (line 5)\n", NULL},
	{PEERS "      - name: a\n        public-key: " KEY_A "\n      - name: a\n"
	       "        public-key: " KEY_B "\n",
	 "gw.yaml:7: peer name a again: it is in use in line 5\n", NULL},
	{PEERS "      - name: a/b\n        public-key: " KEY_A "\n",
	 "gw.yaml:5: peer name \"a/b\" must have 1 to 63 characters of a-z A-Z 0-9 _ . -\n", NULL},
	{PEERS "      - public-key: " KEY_A "\n        endpoint: gw.example.com:51820\n",
	 "gw.yaml:6: endpoint \"gw.example.com:51820\" must be an address, not a name: write what "
	 "it "
	 "resolves to, with the port\n",
	 NULL},
	{PEERS "      - public-key: " KEY_A "\n        endpoint: 1.2.3.4\n",
	 "gw.yaml:6: endpoint \"1.2.3.4\" needs a port, like 198.51.100.7:51820\n", NULL},
	{PEERS "      - public-key: " KEY_A "\n        endpoint: 2001:db8::1\n",
	 "gw.yaml:6: endpoint \"2001:db8::1\" needs brackets and a port, like "
	 "[2001:db8::1]:51820\n",
	 NULL},
	{PEERS "      - public-key: " KEY_A "\n        endpoint: \"[fe80::1%nosuchlink]:5\"\n",
	 "gw.yaml:6: endpoint \"[fe80::1%nosuchlink]:5\" names a link that is not there, or is not "
	 "like [fe80::1%eth0]:51820\n",
	 NULL},
	{PEERS "      - public-key: " KEY_A "\n        endpoint: 1.2.3.4:0\n",
	 "gw.yaml:6: endpoint \"1.2.3.4:0\" is not an address with a port (like 198.51.100.7:51820 "
	 "or [2001:db8::1]:51820)\n",
	 NULL},
	{PEERS "      - public-key: " KEY_A "\n        persistent-keepalive: 65536\n",
	 "gw.yaml:6: \"persistent-keepalive\" must be a number from 0 to 65535, not \"65536\"\n",
	 NULL},
	{PEERS "      - public-key: " KEY_A "\n        source-ports: 0\n",
	 "gw.yaml:6: \"source-ports\" must be a number from 1 to 128, not \"0\"\n", NULL},
	{PEERS "      - public-key: " KEY_A "\n        source-ports: 129\n",
	 "gw.yaml:6: \"source-ports\" must be a number from 1 to 128, not \"129\"\n", NULL},
	{PEERS "      - public-key: " KEY_A "\n        source-ports: 2\n",
	 "gw.yaml:6: \"source-ports\" needs a \"listen-port\" that is given: interface wg0 has "
	 "none\n",
	 NULL},
	{PEERS "      - public-key: " KEY_A "\n        source-ports: 2\n    listen-port: 0\n",
	 "gw.yaml:6: \"source-ports\" needs a \"listen-port\" that is given: interface wg0 has "
	 "none\n",
	 NULL},
	{PEERS "      - public-key: " KEY_A "\n      - public-key: " KEY_B
	       "\n        source-ports: 8\n    listen-port: 65529\n",
	 "gw.yaml:7: \"source-ports\" 8: ports from 65529 on end beyond 65535\n", NULL},
	{WG0 "    listen-port: 5\n    peers: [{public-key: " KEY_A ", source-ports: 4}]\n"
	     "  wg1:\n    listen-port: 8\n",
	 "gw.yaml:7: ports 8 to 8 of interface wg1 overlap with 5 to 8 of interface wg0 (line 5): "
	 "see "
	 "\"source-ports\"\n",
	 NULL},
	{WG0 "    listen-port: 8\n  wg1:\n    listen-port: 5\n"
	     "    peers:\n    - {public-key: " KEY_A ", source-ports: 4}\n",
	 "gw.yaml:8: ports 5 to 8 of interface wg1 overlap with 8 to 8 of interface wg0 (line 4): "
	 "see "
	 "\"source-ports\"\n",
	 NULL},
	/* Said once. */
	{WG0 "    listen-port: 5\n    peers: [{public-key: " KEY_A ", source-ports: 4}]\n"
	     "  wg1:\n    listen-port: 5\n",
	 "gw.yaml:7: \"listen-port\" 5 is that of interface wg0 already\n", NULL},
	{PEERS "      - public-key: " KEY_A "\n        preshared-key-file: nope\n",
	 "gw.yaml:6: nope: No such file or directory\n", NULL},
	{PEERS "      - public-key: " KEY_A "\n        allowed-ips: 10.0.0.0/8\n",
	 "gw.yaml:6: \"allowed-ips\" must be a list: [a, b] or lines of \"- a\"\n", NULL},
	{PEERS "      - public-key: " KEY_A "\n        allowed-ips: [10.0.0.0/33, [], {}]\n",
	 "gw.yaml:6: \"10.0.0.0/33\" in \"allowed-ips\" is not an address or prefix (like "
	 "10.8.0.0/16 or 2001:db8::/48)\n"
	 "gw.yaml:6: \"allowed-ips\" must be a single value\n"
	 "gw.yaml:6: \"allowed-ips\" must be a single value\n",
	 NULL},
	{PEERS "      - public-key: " KEY_A "\n        allowed-ips:\n          - 10.1.0.0/16\n"
	       "          - 10.1.2.3/16\n          - 10.1.0.0/24\n",
	 NO_ERROR,
	 "gw.yaml:8: 10.1.2.3/16 has host bits: taken as 10.1.0.0/16\n"
	 "gw.yaml:8: 10.1.0.0/16 again at the same peer\n"},
	{PEERS "      - name: a\n        public-key: " KEY_A "\n        allowed-ips:\n"
	       "          - 10.2.0.0/16\n          - 10.1.0.0/16\n"
	       "      - public-key: " KEY_B "\n        allowed-ips:\n          - ::/0\n"
	       "          - 10.1.0.0/16\n",
	 "gw.yaml:13: 10.1.0.0/16 is allowed at peer a already (line 9)\n", NULL},
	/* The same prefix at peers of two interfaces is in order. */
	{PEERS "      - {public-key: " KEY_A ", allowed-ips: [\"::/0\"]}\n"
	       "  wg1:\n    peers:\n      - {public-key: " KEY_A ", allowed-ips: [\"::/0\"]}\n",
	 NO_ERROR, NULL},
	/* Several at once, in order. */
	{"control: x\nports:\n  wan: {device: eth1, mtu: 1}\ninterfaces:\n  wg0: {fwmark: y}\n",
	 "gw.yaml:1: \"control\" must be a number from 0 to 1023, not \"x\"\n"
	 "gw.yaml:3: \"mtu\" must be a number from 576 to 9216, not \"1\"\n"
	 "gw.yaml:5: \"fwmark\" must be a number from 0 to 4294967295, not \"y\"\n",
	 NULL},
};

/* The lines of messages as one text. */
static char *joined(const struct cf_messages *m)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; i < m->n; i++)
		fprintf(f, "%s\n", m->at[i]);
	fclose(f);
	return text;
}

static struct cf_config *parse(const char *text, struct cf_messages *errors,
			       struct cf_messages *warnings)
{
	return cf_yaml_parse("gw.yaml", text, strlen(text), errors, warnings);
}

static void test_messages(void **state)
{
	unsigned int wrong = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cf_messages errors = {0}, warnings = {0};
		struct cf_config *config = parse(rows[i].text, &errors, &warnings);
		char *e = joined(&errors), *w = joined(&warnings);

		if (strcmp(e, rows[i].errors ? rows[i].errors : "") ||
		    strcmp(w, rows[i].warnings ? rows[i].warnings : "")) {
			print_error("row %zu:\n%s\ngave errors\n%s\nand warnings\n%s\n", i,
				    rows[i].text, e, w);
			wrong++;
		}
		assert_int_equal(config == NULL, rows[i].errors != NULL);
		cf_config_free(config);
		cf_messages_free(&errors);
		cf_messages_free(&warnings);
		free(e);
		free(w);
	}
	assert_int_equal(wrong, 0);
}

static struct cf_config *good(const char *text)
{
	struct cf_messages errors = {0}, warnings = {0};
	struct cf_config *config = parse(text, &errors, &warnings);

	if (errors.n || warnings.n)
		fail_msg("%s", errors.n ? errors.at[0] : warnings.at[0]);
	assert_non_null(config);
	return config;
}

static void test_defaults(void **state)
{
	struct cf_config *config = good(WG0);

	assert_string_equal(config->path, "gw.yaml");
	assert_string_equal(config->socket, CF_SOCKET_DEFAULT);
	assert_int_equal(config->control, -1);
	assert_int_equal(config->n_workers, 0);
	assert_int_equal(config->idle, CF_IDLE_DEFAULT);
	assert_int_equal(config->hugepages, CF_HUGEPAGES_AUTO);
	assert_int_equal(config->packet_buffers, 16384);
	assert_int_equal(config->n_ports, 1);
	assert_string_equal(config->ports[0].name, "wan");
	assert_string_equal(config->ports[0].device, "eth1");
	assert_int_equal(config->ports[0].mtu, 0);
	assert_int_equal(config->n_interfaces, 1);
	assert_string_equal(config->interfaces[0].name, "wg0");
	assert_int_equal(config->interfaces[0].mtu, CF_MTU_DEFAULT);
	assert_int_equal(config->interfaces[0].listen_port, 0);
	assert_int_equal(config->interfaces[0].route_policy, CF_ROUTES_ALLOWED_IPS);
	cf_config_free(config);
}

static const char everything[] =
	"control: 3\n"
	"workers: [1, 2]\n"
	"idle: backoff\n"
	"socket: /tmp/x.sock\n"
	"hugepages: never\n"
	"packet-buffers: 4096\n"
	"ports:\n"
	"  wan:\n"
	"    device: 0000:3b:00.0\n"
	"    addresses: [192.0.2.1/24, 2001:db8::1/64]\n"
	"    mtu: 9216\n"
	"    vlan: 4094\n"
	"    routes:\n"
	"      - {to: 0.0.0.0/0, via: 192.0.2.254}\n"
	"      - to: 2001:db8:1::/48\n"
	"  lan: {device: \"net_af_packet0,iface=eth2\"}\n"
	"interfaces:\n"
	"  wg0:\n"
	"    private-key-file: wg0.key\n"
	"    listen-port: 51820\n"
	"    fwmark: 0x10\n"
	"    mtu: 1380\n"
	"    addresses: [10.8.0.1/16, 10.9.0.1]\n"
	"    routes: [10.20.0.0/16, 10.10.0.0/16, 10.10.0.0/16]\n"
	"    peers:\n"
	"      - name: branch-17\n"
	"        public-key: " KEY_A "\n"
	"        endpoint: 198.51.100.7:51820\n"
	"        allowed-ips: [2001:db8:17::/48, 10.8.17.0/24, 10.8.16.5]\n"
	"        persistent-keepalive: 25\n"
	"        preshared-key-file: b.psk\n"
	"      - public-key: " KEY_B "\n"
	"        persistent-keepalive: off\n"
	"        source-ports: 128\n"
	"  wg1: {routes: none, listen-port: 51948, peers: }\n";

static void check_prefix(const struct cf_prefix *p, const char *expected)
{
	char text[CF_PREFIX_TEXT_BYTES];

	cf_prefix_to_text(text, p);
	assert_string_equal(text, expected);
}

static void test_everything(void **state)
{
	struct cf_config *c = good(everything);
	const struct cf_interface *wg0 = &c->interfaces[0];
	const struct cf_peer *peer = &wg0->peers[0];
	char text[CF_ENDPOINT_TEXT_BYTES];

	assert_int_equal(c->control, 3);
	assert_int_equal(c->n_workers, 2);
	assert_int_equal(c->workers[0], 1);
	assert_int_equal(c->workers[1], 2);
	assert_int_equal(c->idle, CF_IDLE_BACKOFF);
	assert_string_equal(c->socket, "/tmp/x.sock");
	assert_int_equal(c->hugepages, CF_HUGEPAGES_NEVER);
	assert_int_equal(c->packet_buffers, 4096);
	assert_int_equal(c->n_ports, 2);
	assert_int_equal(c->ports[0].mtu, 9216);
	assert_int_equal(c->ports[0].vlan, 4094);
	assert_int_equal(c->ports[1].vlan, 0);
	assert_int_equal(c->ports[0].addresses.n, 2);
	check_prefix(&c->ports[0].addresses.at[1], "2001:db8::1/64");
	assert_int_equal(c->ports[0].n_routes, 2);
	check_prefix(&c->ports[0].routes[0].via, "192.0.2.254/32");
	assert_int_equal(c->ports[0].routes[1].via.family, 0);
	assert_string_equal(c->ports[1].device, "net_af_packet0,iface=eth2");
	assert_int_equal(wg0->private_key[0], private_key[0] & 248);
	assert_int_equal(wg0->private_key[31], 0x7f);
	assert_int_equal(wg0->listen_port, 51820);
	assert_int_equal(wg0->fwmark, 16);
	assert_int_equal(wg0->mtu, 1380);
	check_prefix(&wg0->addresses.at[0], "10.8.0.1/16");
	check_prefix(&wg0->addresses.at[1], "10.9.0.1/32");
	assert_int_equal(wg0->route_policy, CF_ROUTES_LIST);
	assert_int_equal(wg0->routes.n, 2);
	check_prefix(&wg0->routes.at[0], "10.10.0.0/16");
	assert_int_equal(wg0->n_peers, 2);
	assert_string_equal(peer->name, "branch-17");
	cf_endpoint_to_text(text, &peer->endpoint);
	assert_string_equal(text, "198.51.100.7:51820");
	assert_int_equal(peer->allowed.n, 3);
	check_prefix(&peer->allowed.at[0], "10.8.16.5/32");
	check_prefix(&peer->allowed.at[1], "10.8.17.0/24");
	check_prefix(&peer->allowed.at[2], "2001:db8:17::/48");
	assert_int_equal(peer->keepalive_s, 25);
	cf_key_to_base64(text, peer->psk);
	assert_string_equal(text, KEY_B);
	assert_int_equal(peer->source_ports, 1);
	assert_int_equal(wg0->peers[1].keepalive_s, 0);
	assert_int_equal(wg0->peers[1].source_ports, 128);
	assert_true(sodium_is_zero(wg0->peers[1].psk, CF_KEY_BYTES));
	assert_int_equal(c->interfaces[1].route_policy, CF_ROUTES_NONE);
	assert_int_equal(c->interfaces[1].n_peers, 0);
	cf_config_free(c);
}

static void test_own_key(void **state)
{
	uint8_t own[CF_KEY_BYTES];
	char key[CF_KEY_BASE64_BYTES], text[512];
	struct cf_messages errors = {0}, warnings = {0};

	crypto_scalarmult_base(own, private_key);
	cf_key_to_base64(key, own);
	/* The peer comes before the key. */
	snprintf(text, sizeof(text), "%s      - public-key: %s\n    private-key-file: wg0.key\n",
		 PEERS, key);
	assert_null(parse(text, &errors, &warnings));
	assert_int_equal(errors.n, 1);
	assert_string_equal(errors.at[0],
			    "gw.yaml:5: this peer has the public key of interface wg0 itself");
	cf_messages_free(&errors);
}

static void test_lines(void **state)
{
	struct cf_config *config = good("control: 1\n"
					"workers: 3\n"
					"packet-buffers: 2048\n"
					"ports:\n"
					"  wan:\n"
					"    device: eth1\n"
					"    mtu: 1400\n");

	assert_int_equal(config->workers_asked, 3);
	assert_int_equal(config->n_workers, 0);
	assert_int_equal(config->control_line, 1);
	assert_int_equal(config->workers_line, 2);
	assert_int_equal(config->packet_buffers_line, 3);
	assert_int_equal(config->ports[0].line, 6);
	assert_int_equal(config->ports[0].mtu_line, 7);
	cf_config_free(config);
}

static void test_load(void **state)
{
	struct cf_messages errors = {0}, warnings = {0};
	struct cf_config *config;

	assert_null(cf_yaml_load("nope.yaml", &errors, &warnings));
	assert_string_equal(errors.at[0], "nope.yaml: No such file or directory");
	cf_messages_free(&errors);
	assert_null(cf_yaml_load("dir", &errors, &warnings));
	assert_string_equal(errors.at[0], "dir: is a directory");
	cf_messages_free(&errors);
	/* A key file is looked for beside the configuration. */
	write_file("sub/gw.yaml", 0644, WG0 "    private-key-file: there.key\n");
	config = cf_yaml_load("sub/gw.yaml", &errors, &warnings);
	assert_non_null(config);
	assert_false(sodium_is_zero(config->interfaces[0].private_key, CF_KEY_BYTES));
	cf_config_free(config);
	write_file("gw.yaml", 0644, "ports:\n  wan: {device: eth1, mtu: x}\n");
	assert_null(cf_yaml_load("gw.yaml", &errors, &warnings));
	assert_int_equal(errors.n, 1);
	assert_string_equal(errors.at[0],
			    "gw.yaml:2: \"mtu\" must be a number from 576 to 9216, not \"x\"");
	cf_messages_free(&errors);
	assert_int_equal(truncate("gw.yaml", (256 << 20) + 1), 0);
	assert_null(cf_yaml_load("gw.yaml", &errors, &warnings));
	assert_string_equal(errors.at[0], "gw.yaml: larger than 256 MiB");
	cf_messages_free(&errors);
}

/* Errors and warnings are bounded, however long the file is. */
static void test_limits(void **state)
{
	struct cf_messages errors = {0}, warnings = {0};
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct cf_config *config;

	fputs(PORTS, f);
	for (int i = 0; i < 100; i++)
		fprintf(f, "x%d: y\n", i);
	fclose(f);
	assert_null(parse(text, &errors, &warnings));
	assert_int_equal(errors.n, 20);
	cf_messages_free(&errors);
	free(text);

	f = open_memstream(&text, &len);
	fputs(PEERS "      - public-key: " KEY_A "\n        allowed-ips:\n", f);
	for (int i = 0; i < 100; i++)
		fprintf(f, "          - 10.0.%d.1/24\n", i);
	fclose(f);
	config = parse(text, &errors, &warnings);
	assert_non_null(config);
	assert_int_equal(warnings.n, 21);
	assert_string_equal(warnings.at[20], "gw.yaml: and 80 more warnings");
	cf_config_free(config);
	cf_messages_free(&warnings);
	free(text);
}

/* A message is a line of printable UTF-8, whatever is in it. */
static void test_printable(void **state)
{
	static const struct {
		const char *given, *shown;
	} cases[] = {
		{"plain", "plain"},
		{"a\nb\x1b[31m\x7f", "a?b?[31m?"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"\xe2\x82\xac \xf0\x9f\x90\x89", "\xe2\x82\xac \xf0\x9f\x90\x89"},
		{"\xff\xc3", "??"},
		{"\xc0\xaf", "??"},	      /* overlong */
		{"\xed\xa0\x80", "???"},      /* surrogate */
		{"\xc2\x9b", "??"},	      /* C1 control */
		{"\xf4\x90\x80\x80", "????"}, /* beyond Unicode */
		{"\xe2\x82", "??"},	      /* cut off */
	};
	struct cf_messages m = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cf_messages_add(&m, "%s", cases[i].given);
		assert_string_equal(m.at[i], cases[i].shown);
	}
	cf_messages_free(&m);
}

/* Far beyond what is quick in quadratic time. */
static void test_many_peers(void **state)
{
	const unsigned int n = 20000;
	uint64_t seed = 99;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct cf_config *config;

	fputs(PEERS, f);
	for (unsigned int i = 0; i < n; i++) {
		uint8_t key[CF_KEY_BYTES];
		char base64[CF_KEY_BASE64_BYTES];

		unit_random_fill(&seed, key, sizeof(key));
		cf_key_to_base64(base64, key);
		fprintf(f, "      - {name: p%u, public-key: %s, allowed-ips: [10.%u.%u.%u]}\n", i,
			base64, i >> 16, i >> 8 & 255, i & 255);
	}
	fclose(f);
	config = good(text);
	assert_int_equal(config->interfaces[0].n_peers, n);
	cf_config_free(config);
	free(text);
}

/* Of so many ports, several on each device; how many errors there are, and the last one. */
static size_t ports_of(unsigned int n, unsigned int per_device, char *last, size_t size)
{
	struct cf_messages errors = {0}, warnings = {0};
	char text[8192] = "ports:\n";
	struct cf_config *config;
	size_t found;

	for (unsigned int i = 0; i < n; i++) {
		size_t at = strlen(text);

		snprintf(text + at, sizeof(text) - at, "  p%u: {device: eth%u, vlan: %u}\n", i,
			 i / per_device, 1 + i % per_device);
	}
	config = parse(text, &errors, &warnings);
	found = errors.n;
	assert_true((config != NULL) == (found == 0));
	snprintf(last, size, "%s", found ? errors.at[found - 1] : "");
	cf_config_free(config);
	cf_messages_free(&errors);
	cf_messages_free(&warnings);
	return found;
}

static void test_many_ports(void **state)
{
	char last[256];

	assert_int_equal(ports_of(64, 2, last, sizeof(last)), 0);
	assert_int_equal(ports_of(32, 1, last, sizeof(last)), 0);
	assert_int_equal(ports_of(65, 3, last, sizeof(last)), 1);
	assert_non_null(strstr(last, "too many ports (at most 64)"));
	assert_int_equal(ports_of(33, 1, last, sizeof(last)), 1);
	assert_non_null(strstr(last, "gw.yaml:34: too many devices (at most 32)"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),   cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything), cmocka_unit_test(test_own_key),
		cmocka_unit_test(test_lines),	   cmocka_unit_test(test_load),
		cmocka_unit_test(test_limits),	   cmocka_unit_test(test_printable),
		cmocka_unit_test(test_many_peers), cmocka_unit_test(test_many_ports),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
