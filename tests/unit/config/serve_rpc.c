/*
 * A control socket with fixed answers, for wgdp-cli to talk to: listens at the path given, says
 * "ready", and ends when its standard input does or it is told to stop.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/keytext.h"
#include "config/rpc.h"

#define N_PEERS	  2500
#define PAGE_SIZE 1000

static bool stopped;

static void version(void *ctx, const json_t *params, struct cf_rpc_answer *answer)
{
	answer->result = json_pack("{s:s, s:s, s:s}", "version", "9.8.7", "dpdk", "22.11.11",
				   "crypto", "ipsec-mb");
}

static void show(void *ctx, const json_t *params, struct cf_rpc_answer *answer)
{
	const char *only = json_string_value(json_object_get(params, "interface"));
	json_t *interfaces = json_pack(
		"[{s:s, s:s, s:i, s:i, s:i, s:[s,s], s:i, s:i}, {s:s, s:n, s:i, s:i, s:i, s:[], "
		"s:i, "
		"s:i}]",
		"name", "wg0", "public_key",
		"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=", "listen_port", 51820, "fwmark", 16,
		"mtu", 1420, "addresses", "10.8.0.1/16", "fd00::1/64", "peers", N_PEERS, "sessions",
		7, "name", "wg1", "public_key", "listen_port", 0, "fwmark", 0, "mtu", 1420,
		"addresses", "peers", 0, "sessions", 0);

	if (only && strcmp(only, "wg0")) {
		answer->error_code = CF_RPC_BAD_PARAMS;
		snprintf(answer->error, sizeof(answer->error), "no interface %s", only);
		json_decref(interfaces);
		return;
	}
	if (only)
		json_array_remove(interfaces, 1);
	answer->result = json_pack(
		"{s:s, s:s, s:i, s:i, s:[{s:i, s:i, s:s}], s:s, s:[{s:s, s:s, s:s, s:s, s:i, s:s, "
		"s:i, s:I, s:s, s:I, s:I, s:i, s:i, s:i, s:{s:s}}], s:o}",
		"version", "9.8.7", "config", "/etc/wgdp/gw.yaml", "uptime_s", 3723, "control", 0,
		"workers", "id", 0, "cpu", 1, "idle", "backoff", "memory", "pages", "ports", "name",
		"wan", "device", "eth1", "driver", "net_af_packet", "mac", "02:00:00:00:00:01",
		"mtu", 1500, "link", "up", "speed_mbps", 10000, "link_changes", (json_int_t)4,
		"linux_interface", "eth1", "rx_packets", (json_int_t)123456789012, "tx_packets",
		(json_int_t)5, "node", 1, "rx_queues", 2, "tx_queues", 4, "lacks", "rss",
		"all to one queue", "interfaces", interfaces);
}

static json_t *peer(unsigned int i, const char *key)
{
	char name[32] = "";

	if (i % 2 == 0)
		snprintf(name, sizeof(name), "branch-%u", i);
	return json_pack(
		"{s:s, s:s, s:s, s:o, s:[s,s], s:i, s:i, s:b, s:i, s:s, s:I, s:I, s:i, s:i, s:o}",
		"interface", "wg0", "name", name, "public_key", key, "endpoint",
		i ? json_string("198.51.100.7:51820") : json_null(), "allowed_ips", "10.8.0.0/24",
		"2001:db8::/48", "source_ports", 8, "persistent_keepalive", 25, "preshared_key", 1,
		"latest_handshake", i ? 1000000000 : 0, "session", i ? "current" : "none",
		"rx_bytes", (json_int_t)1536, "tx_bytes", (json_int_t)3 << 30, "rx_packets", 12,
		"tx_packets", 13, "drops",
		i == 1 ? json_pack("{s:i, s:i}", "replay", 3, "bad_tag", 4) : json_object());
}

static void peers(void *ctx, const json_t *params, struct cf_rpc_answer *answer)
{
	const char *interface = json_string_value(json_object_get(params, "interface"));
	const char *after = json_string_value(json_object_get(params, "after"));
	uint8_t key[CF_KEY_BYTES] = {0};
	json_t *list = json_array();
	unsigned int i = 0;

	/* A peer's number is in the first two bytes of its key. */
	if (after && cf_key_from_base64(key, after))
		i = (unsigned int)(key[0] << 8 | key[1]) + 1;
	for (; interface && !strcmp(interface, "wg0") && i < N_PEERS; i++) {
		char text[CF_KEY_BASE64_BYTES];

		if (json_array_size(list) == PAGE_SIZE)
			break;
		key[0] = (uint8_t)(i >> 8);
		key[1] = (uint8_t)i;
		cf_key_to_base64(text, key);
		json_array_append_new(list, peer(i, text));
	}
	answer->result = json_pack("{s:o, s:b}", "peers", list, "more",
				   json_array_size(list) == PAGE_SIZE);
}

/* One port and its device, as two workers and two queues have counted. */
static void add_devices(json_t *result)
{
	json_object_set_new(json_object_get(json_object_get(result, "ports"), "wan"), "workers",
			    json_pack("[{s:i, s:i, s:i}, {s:i, s:i, s:i}]", "id", 0, "rx", 4, "tx",
				      1, "id", 1, "rx", 6, "tx", 0));
	json_object_set_new(
		result, "devices",
		json_pack("{s:{s:i, s:i, s:i, s:[{s:i, s:i, s:i}, {s:i, s:i, s:i}], s:{s:i}}}",
			  "eth1", "rx_packets", 12, "rx_missed", 2, "rx_errors", 0, "queues", "id",
			  0, "rx_packets", 5, "tx_bytes", 600, "id", 1, "rx_packets", 7, "tx_bytes",
			  0, "driver_counters", "rx_oddities", 9));
	json_object_set_new(result, "device_texts",
			    json_pack("{s:s}", "rx_missed", "workers too slow"));
}

static void counters(void *ctx, const json_t *params, struct cf_rpc_answer *answer)
{
	const char *set = "{s:i, s:i, s:{s:i, s:i}}";
	json_t *workers = json_array(), *worker = json_object();

	json_object_update_new(
		worker, json_pack(set, "rx", 10, "tx", 7, "drops", "replay", 3, "bad_tag", 0));
	json_object_set_new(worker, "id", json_integer(0));
	json_array_append_new(workers, worker);
	answer->result = json_pack(
		"{s:o, s:o, s:{s:i}, s:{s:{s:i}}, s:{s:{s:i}}, s:{s:i, s:i}, s:i, s:{s:s}}",
		"totals", json_pack(set, "rx", 10, "tx", 7, "drops", "replay", 3, "bad_tag", 0),
		"workers", workers, "control", "made", 2, "ports", "wan", "rx", 10, "interfaces",
		"wg0", "tx", 7, "handshakes", "accepted", 1, "refused", 0, "staged", 0, "texts",
		"replay", "nonce seen before or too old");
	add_devices(answer->result);
}

static void load(void *ctx, const json_t *params, struct cf_rpc_answer *answer)
{
	const char *path = json_string_value(json_object_get(params, "path"));

	if (path && path[0] == '/' && strstr(path, "good.yaml")) {
		answer->result = json_pack("{s:{s:i, s:i, s:i, s:i, s:i, s:i}}", "edits",
					   "peers_added", 1, "peers_removed", 2, "peers_changed", 0,
					   "interfaces_added", 0, "interfaces_removed", 0, "other",
					   strstr(path, "other") ? 2 : 0);
		return;
	}
	answer->error_code = CF_RPC_REFUSED;
	snprintf(answer->error, sizeof(answer->error), "the file has errors");
	answer->error_data = json_pack("{s:[o, s]}", "errors", json_sprintf("%s:3: first", path),
				       "gw.yaml:4: second");
}

static void stop(void *ctx, const json_t *params, struct cf_rpc_answer *answer)
{
	stopped = true;
	answer->result = json_object();
}

static const struct cf_rpc_method methods[] = {
	{"version", version}, {"show", show}, {"peers", peers}, {"counters", counters},
	{"load", load},	      {"stop", stop}, {NULL, NULL},
};

int main(int argc, char **argv)
{
	int other;
	struct cf_rpc *rpc = argc == 2 ? cf_rpc_open(argv[1], methods, NULL, &other) : NULL;
	struct pollfd fds[] = {{.fd = 0, .events = POLLIN}, {.events = POLLIN}};

	if (!rpc) {
		perror("serve_rpc");
		return 1;
	}
	fds[1].fd = cf_rpc_fd(rpc);
	puts("ready");
	fflush(stdout);
	while (!stopped && poll(fds, 2, -1) > 0 && !fds[0].revents)
		cf_rpc_run(rpc);
	cf_rpc_close(rpc);
	return 0;
}
