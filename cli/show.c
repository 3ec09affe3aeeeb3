/* `show`, `show ports` and `show peers`. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* Of a peer's prefixes, in a table for people. */
#define PREFIXES_SHOWN 4
#define KEY_SHOWN      8

static void print_gateway(const json_t *result)
{
	const json_t *workers = json_object_get(result, "workers"), *worker;
	char uptime[CLI_UNIT_BYTES];
	size_t i;

	printf("wgdp %s, up %s, configured by %s\n", cli_text(result, "version"),
	       cli_duration(uptime, cli_number(result, "uptime_s")), cli_text(result, "config"));
	printf("control on CPU %" JSON_INTEGER_FORMAT ", workers on",
	       cli_number(result, "control"));
	json_array_foreach (workers, i, worker)
		printf("%s CPU %" JSON_INTEGER_FORMAT " (%s)", i ? "," : "",
		       cli_number(worker, "cpu"), cli_text(worker, "idle"));
	printf(", packets in %s\n", cli_text(result, "memory"));
}

/* "up 10000 Mb/s", and how often that has changed. */
static void add_link(struct cli_table *table, const json_t *port)
{
	json_int_t speed = cli_number(port, "speed_mbps");

	if (speed > 0)
		cli_table_add(table, "%s %" JSON_INTEGER_FORMAT " Mb/s", cli_text(port, "link"),
			      speed);
	else
		cli_table_add(table, "%s", cli_text(port, "link"));
	cli_table_add(table, "%" JSON_INTEGER_FORMAT, cli_number(port, "link_changes"));
}

static void print_ports(const json_t *ports)
{
	struct cli_table table = {
		.headers = {"PORT", "DEVICE", "DRIVER", "LINK", "CHANGES", "MAC", "MTU", "LINUX",
			    "RX PACKETS", "TX PACKETS"},
		.right = 1 << 4 | 1 << 6 | 1 << 8 | 1 << 9,
	};
	const json_t *port;
	size_t i;

	json_array_foreach (ports, i, port) {
		cli_table_add(&table, "%s", cli_text(port, "name"));
		if (cli_number(port, "vlan"))
			cli_table_add(&table, "%s vlan %" JSON_INTEGER_FORMAT,
				      cli_text(port, "device"), cli_number(port, "vlan"));
		else
			cli_table_add(&table, "%s", cli_text(port, "device"));
		cli_table_add(&table, "%s", cli_text(port, "driver"));
		add_link(&table, port);
		cli_table_add(&table, "%s", cli_text(port, "mac"));
		cli_table_add(&table, "%" JSON_INTEGER_FORMAT, cli_number(port, "mtu"));
		cli_table_add(&table, "%s", cli_text(port, "linux_interface"));
		cli_table_add(&table, "%" JSON_INTEGER_FORMAT, cli_number(port, "rx_packets"));
		cli_table_add(&table, "%" JSON_INTEGER_FORMAT, cli_number(port, "tx_packets"));
	}
	cli_table_print(&table);
}

/* Where packets of a port come in and go out. */
static void print_queues(const json_t *ports)
{
	struct cli_table table = {.headers = {"PORT", "NODE", "RX QUEUES", "TX QUEUES"},
				  .right = 1 << 1 | 1 << 2 | 1 << 3};
	const json_t *port;
	size_t i;

	json_array_foreach (ports, i, port) {
		cli_table_add(&table, "%s", cli_text(port, "name"));
		if (json_is_integer(json_object_get(port, "node")))
			cli_table_add(&table, "%" JSON_INTEGER_FORMAT, cli_number(port, "node"));
		else
			cli_table_add(&table, "-");
		cli_table_add(&table, "%" JSON_INTEGER_FORMAT, cli_number(port, "rx_queues"));
		cli_table_add(&table, "%" JSON_INTEGER_FORMAT, cli_number(port, "tx_queues"));
	}
	if (i)
		putchar('\n');
	cli_table_print(&table);
}

/* What devices could do for us and don't: a line each. */
static void print_lacks(const json_t *ports)
{
	struct cli_table table = {.headers = {"PORT", "LACKS", "MEANING"}};
	const json_t *port;
	const char *name;
	json_t *text;
	size_t i;

	json_array_foreach (ports, i, port)
		json_object_foreach (json_object_get(port, "lacks"), name, text) {
			cli_table_add(&table, "%s", cli_text(port, "name"));
			cli_table_add(&table, "%s", name);
			cli_table_add(&table, "%s", json_string_value(text));
		}
	if (table.n)
		putchar('\n');
	cli_table_print(&table);
}

static void print_interfaces(const json_t *interfaces)
{
	struct cli_table table = {
		.headers = {"INTERFACE", "LISTEN PORT", "FWMARK", "MTU", "PEERS", "SESSIONS",
			    "ADDRESSES", "PUBLIC KEY"},
		.right = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5,
	};
	const json_t *interface;
	size_t i;

	json_array_foreach (interfaces, i, interface) {
		char *addresses = cli_join(json_object_get(interface, "addresses"), PREFIXES_SHOWN);
		unsigned long long mark = (unsigned long long)cli_number(interface, "fwmark");

		cli_table_add(&table, "%s", cli_text(interface, "name"));
		cli_table_add(&table, "%" JSON_INTEGER_FORMAT,
			      cli_number(interface, "listen_port"));
		cli_table_add(&table, mark ? "0x%llx" : "-", mark);
		cli_table_add(&table, "%" JSON_INTEGER_FORMAT, cli_number(interface, "mtu"));
		cli_table_add(&table, "%" JSON_INTEGER_FORMAT, cli_number(interface, "peers"));
		cli_table_add(&table, "%" JSON_INTEGER_FORMAT, cli_number(interface, "sessions"));
		cli_table_add(&table, "%s", addresses);
		cli_table_add(&table, "%s", cli_text(interface, "public_key"));
		free(addresses);
	}
	cli_table_print(&table);
}

static enum cli_exit call_show(struct cli *cli, const char *interface, json_t **result)
{
	return cli_call(cli, "show", interface ? json_pack("{s:s}", "interface", interface) : NULL,
			result);
}

enum cli_exit cli_show(struct cli *cli, char **args)
{
	enum cli_exit rc;
	json_t *result;

	if (args[0] && args[1])
		return CLI_USAGE;
	rc = call_show(cli, args[0], &result);
	if (rc)
		return rc;
	if (cli->json) {
		cli_print_json(result);
	} else {
		if (!args[0]) {
			print_gateway(result);
			putchar('\n');
			print_ports(json_object_get(result, "ports"));
			putchar('\n');
		}
		print_interfaces(json_object_get(result, "interfaces"));
	}
	json_decref(result);
	if (!args[0] || cli->json)
		return CLI_OK;
	putchar('\n');
	return cli_show_peers(cli, args);
}

enum cli_exit cli_show_ports(struct cli *cli, char **args)
{
	enum cli_exit rc;
	json_t *result, *ports;

	if (args[0])
		return CLI_USAGE;
	rc = call_show(cli, NULL, &result);
	if (rc)
		return rc;
	ports = json_object_get(result, "ports");
	if (cli->json) {
		cli_print_json(ports);
	} else {
		print_ports(ports);
		print_queues(ports);
		print_lacks(ports);
	}
	json_decref(result);
	return CLI_OK;
}

/* The pages of one interface. Each starts after the last peer of the one before. */
static enum cli_exit each_page_of(struct cli *cli, const char *interface,
				  bool (*page)(void *ctx, const json_t *peers), void *ctx,
				  bool *more)
{
	json_t *after = NULL;
	enum cli_exit rc;

	do {
		json_t *result = NULL, *peers;

		rc = cli_call(cli, "peers",
			      json_pack("{s:s, s:O*}", "interface", interface, "after", after),
			      &result);
		json_decref(after);
		after = NULL;
		if (rc)
			break;
		peers = json_object_get(result, "peers");
		*more = page(ctx, peers);
		/* An empty page with more behind it would never end. */
		if (*more && json_is_true(json_object_get(result, "more")))
			after = json_incref(json_object_get(
				json_array_get(peers, json_array_size(peers) - 1), "public_key"));
		json_decref(result);
	} while (after);
	json_decref(after);
	return rc;
}

enum cli_exit cli_each_page(struct cli *cli, const char *interface,
			    bool (*page)(void *ctx, const json_t *peers), void *ctx)
{
	json_t *shown, *interfaces;
	enum cli_exit rc;
	bool more = true;

	if (interface)
		return each_page_of(cli, interface, page, ctx, &more);
	rc = call_show(cli, NULL, &shown);
	if (rc)
		return rc;
	interfaces = json_object_get(shown, "interfaces");
	for (size_t i = 0; rc == CLI_OK && more && i < json_array_size(interfaces); i++)
		rc = each_page_of(cli, cli_text(json_array_get(interfaces, i), "name"), page, ctx,
				  &more);
	json_decref(shown);
	return rc;
}

static void add_peer(struct cli_table *table, const json_t *peer)
{
	char *allowed = cli_join(json_object_get(peer, "allowed_ips"), PREFIXES_SHOWN);
	const char *key = cli_text(peer, "public_key"), *name = cli_text(peer, "name");
	char unit[CLI_UNIT_BYTES];
	json_int_t drops = 0;
	json_t *n;
	const char *reason;

	json_object_foreach (json_object_get(peer, "drops"), reason, n)
		drops += json_integer_value(n);
	cli_table_add(table, "%s", cli_text(peer, "interface"));
	if (strcmp(name, "-"))
		cli_table_add(table, "%s", name);
	else
		cli_table_add(table, "%.*s...", KEY_SHOWN, key);
	cli_table_add(table, "%s", cli_text(peer, "endpoint"));
	cli_table_add(table, "%s", cli_ago(unit, cli_number(peer, "latest_handshake")));
	cli_table_add(table, "%s", cli_bytes(unit, cli_number(peer, "rx_bytes")));
	cli_table_add(table, "%s", cli_bytes(unit, cli_number(peer, "tx_bytes")));
	cli_table_add(table, "%" JSON_INTEGER_FORMAT, drops);
	cli_table_add(table, "%s", allowed);
	free(allowed);
}

static bool print_peers(void *ctx, const json_t *peers)
{
	struct cli_table *table = ctx;
	const json_t *peer;
	size_t i;

	json_array_foreach (peers, i, peer)
		add_peer(table, peer);
	cli_table_print(table);
	return true;
}

/* {"peers": [...]} over all pages, without having them all in memory. */
static bool print_peers_json(void *ctx, const json_t *peers)
{
	bool *started = ctx;
	const json_t *peer;
	size_t i;

	json_array_foreach (peers, i, peer) {
		fputs(*started ? ",\n" : "{\"peers\": [\n", stdout);
		json_dumpf(peer, stdout, 0);
		*started = true;
	}
	return true;
}

enum cli_exit cli_show_peers(struct cli *cli, char **args)
{
	struct cli_table table = {
		.headers = {"INTERFACE", "PEER", "ENDPOINT", "LATEST HANDSHAKE", "RX", "TX",
			    "DROPS", "ALLOWED IPS"},
		.right = 1 << 4 | 1 << 5 | 1 << 6,
	};
	bool started = false;
	enum cli_exit rc;

	if (args[0] && args[1])
		return CLI_USAGE;
	if (!cli->json) {
		rc = cli_each_page(cli, args[0], print_peers, &table);
		if (rc == CLI_OK && !table.has_header)
			puts("no peers");
		return rc;
	}
	rc = cli_each_page(cli, args[0], print_peers_json, &started);
	if (rc == CLI_OK)
		puts(started ? "\n], \"more\": false}" : "{\"peers\": [], \"more\": false}");
	return rc;
}
