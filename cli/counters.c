/* `counters` and `counters peer`. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

struct counters {
	struct cli_table table;
	const json_t *texts; /* what counters mean */
	bool all;
};

static void add_counter(struct counters *counters, const char *where, const char *prefix,
			const char *name, const json_t *value, const json_t *texts)
{
	const char *text = json_string_value(json_object_get(texts, name));

	if (!json_is_integer(value) || (!json_integer_value(value) && !counters->all))
		return;
	cli_table_add(&counters->table, "%s", where);
	cli_table_add(&counters->table, "%s%s", prefix, name);
	cli_table_add(&counters->table, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	cli_table_add(&counters->table, "%s", text ? text : "");
}

/* A counter set: numbers, and drops by reason. */
static void add_set(struct counters *counters, const char *where, const json_t *set,
		    const json_t *flow_texts)
{
	const char *name, *reason;
	json_t *value, *n;

	json_object_foreach ((json_t *)set, name, value) {
		if (!strcmp(name, "id") || !strcmp(name, "cpu"))
			continue;
		add_counter(counters, where, "", name, value, flow_texts);
		if (strcmp(name, "drops") != 0)
			continue;
		json_object_foreach (value, reason, n)
			add_counter(counters, where, "drop ", reason, n, counters->texts);
	}
}

static void add_named_sets(struct counters *counters, const char *kind, const json_t *sets,
			   const json_t *flow_texts)
{
	const char *name;
	char where[64];
	json_t *set;

	json_object_foreach ((json_t *)sets, name, set) {
		snprintf(where, sizeof(where), "%s %s", kind, name);
		add_set(counters, where, set, flow_texts);
	}
}

/* Lists are tables of their own; those of one element say nothing new. */
static bool is_shown(const struct cli *cli, const json_t *list)
{
	return json_array_size(list) > (cli->all ? 0 : 1);
}

/* What each worker received from and sent to each port. */
static void print_port_workers(const struct cli *cli, const json_t *ports)
{
	struct cli_table table = {.headers = {"PORT", "WORKER", "RX", "TX"},
				  .right = 1 << 1 | 1 << 2 | 1 << 3};
	const char *name;
	json_t *port;

	json_object_foreach ((json_t *)ports, name, port) {
		const json_t *workers = json_object_get(port, "workers"), *worker;
		size_t i;

		if (!is_shown(cli, workers))
			continue;
		json_array_foreach (workers, i, worker) {
			cli_table_add(&table, "%s", name);
			cli_table_add(&table, "%" JSON_INTEGER_FORMAT, cli_number(worker, "id"));
			cli_table_add(&table, "%" JSON_INTEGER_FORMAT, cli_number(worker, "rx"));
			cli_table_add(&table, "%" JSON_INTEGER_FORMAT, cli_number(worker, "tx"));
		}
	}
	if (table.n)
		putchar('\n');
	cli_table_print(&table);
}

/* What each device counted by queue, as far as all drivers have it. */
static void print_device_queues(const struct cli *cli, const json_t *devices)
{
	static const char *const columns[] = {"rx_packets", "rx_bytes", "rx_errors", "tx_packets",
					      "tx_bytes"};
	struct cli_table table = {.headers = {"DEVICE", "QUEUE", "RX PACKETS", "RX BYTES",
					      "RX ERRORS", "TX PACKETS", "TX BYTES"},
				  .right = 0x7e};
	const char *name;
	json_t *device;

	json_object_foreach ((json_t *)devices, name, device) {
		const json_t *queues = json_object_get(device, "queues"), *queue;
		size_t i;

		if (!is_shown(cli, queues))
			continue;
		json_array_foreach (queues, i, queue) {
			cli_table_add(&table, "%s", name);
			cli_table_add(&table, "%" JSON_INTEGER_FORMAT, cli_number(queue, "id"));
			for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++)
				cli_table_add(&table, "%" JSON_INTEGER_FORMAT,
					      cli_number(queue, columns[c]));
		}
	}
	if (table.n)
		putchar('\n');
	cli_table_print(&table);
}

static void print_counters(const struct cli *cli, const json_t *result)
{
	struct counters counters = {
		.table = {.headers = {"WHERE", "COUNTER", "VALUE", "MEANING"}, .right = 1 << 2},
		.texts = json_object_get(result, "texts"),
		.all = cli->all,
	};
	const json_t *worker;
	const char *verdict;
	char where[64];
	json_t *n;
	size_t i;

	add_set(&counters, "total", json_object_get(result, "totals"), counters.texts);
	add_counter(&counters, "total", "", "staged", json_object_get(result, "staged"),
		    counters.texts);
	json_array_foreach (json_object_get(result, "workers"), i, worker) {
		snprintf(where, sizeof(where), "worker %" JSON_INTEGER_FORMAT,
			 cli_number(worker, "id"));
		add_set(&counters, where, worker, counters.texts);
	}
	add_set(&counters, "control", json_object_get(result, "control"), counters.texts);
	add_set(&counters, "face", json_object_get(result, "face"), counters.texts);
	add_named_sets(&counters, "port", json_object_get(result, "ports"), counters.texts);
	add_named_sets(&counters, "device", json_object_get(result, "devices"),
		       json_object_get(result, "device_texts"));
	add_named_sets(&counters, "interface", json_object_get(result, "interfaces"),
		       json_object_get(result, "interface_texts"));
	json_object_foreach (json_object_get(result, "handshakes"), verdict, n)
		add_counter(&counters, "handshakes", "", verdict, n,
			    json_object_get(result, "handshake_texts"));
	if (!counters.table.n)
		puts("all counters are zero");
	cli_table_print(&counters.table);
	print_port_workers(cli, json_object_get(result, "ports"));
	print_device_queues(cli, json_object_get(result, "devices"));
}

enum cli_exit cli_counters(struct cli *cli, char **args)
{
	enum cli_exit rc;
	json_t *result;

	if (args[0])
		return CLI_USAGE;
	rc = cli_call(cli, "counters", NULL, &result);
	if (rc)
		return rc;
	if (cli->json)
		cli_print_json(result);
	else
		print_counters(cli, result);
	json_decref(result);
	return CLI_OK;
}

/* Peers that have the name or key that is looked for. */
struct search {
	const char *wanted;
	json_t *found;
};

static bool find_peers(void *ctx, const json_t *peers)
{
	struct search *search = ctx;
	json_t *peer;
	size_t i;

	json_array_foreach (peers, i, peer)
		if (!strcmp(cli_text(peer, "name"), search->wanted) ||
		    !strcmp(cli_text(peer, "public_key"), search->wanted))
			json_array_append(search->found, peer);
	return true;
}

static void print_peer(const json_t *peer)
{
	char unit[CLI_UNIT_BYTES], *allowed = cli_join(json_object_get(peer, "allowed_ips"), 64);
	json_int_t keepalive = cli_number(peer, "persistent_keepalive");
	json_int_t source_ports = cli_number(peer, "source_ports");
	const char *reason;
	json_t *n;

	printf("peer %s on %s\n", cli_text(peer, "name"), cli_text(peer, "interface"));
	printf("  public key            %s\n", cli_text(peer, "public_key"));
	printf("  endpoint              %s\n", cli_text(peer, "endpoint"));
	printf("  allowed ips           %s\n", allowed);
	printf("  session               %s\n", cli_text(peer, "session"));
	printf("  latest handshake      %s\n", cli_ago(unit, cli_number(peer, "latest_handshake")));
	if (source_ports > 1)
		printf("  source ports          %" JSON_INTEGER_FORMAT "\n", source_ports);
	if (keepalive)
		printf("  persistent keepalive  every %s\n", cli_duration(unit, keepalive));
	printf("  preshared key         %s\n",
	       json_is_true(json_object_get(peer, "preshared_key")) ? "yes" : "no");
	printf("  received              %" JSON_INTEGER_FORMAT " packets, %s\n",
	       cli_number(peer, "rx_packets"), cli_bytes(unit, cli_number(peer, "rx_bytes")));
	printf("  sent                  %" JSON_INTEGER_FORMAT " packets, %s\n",
	       cli_number(peer, "tx_packets"), cli_bytes(unit, cli_number(peer, "tx_bytes")));
	json_object_foreach (json_object_get(peer, "drops"), reason, n)
		printf("  dropped               %" JSON_INTEGER_FORMAT " %s\n",
		       json_integer_value(n), reason);
	free(allowed);
}

enum cli_exit cli_counters_peer(struct cli *cli, char **args)
{
	struct search search = {.wanted = args[0]};
	enum cli_exit rc;
	json_t *peer;
	size_t i;

	if (!args[0] || (args[1] && args[2]))
		return CLI_USAGE;
	search.found = json_array();
	rc = cli_each_page(cli, args[1], find_peers, &search);
	if (rc == CLI_OK && !json_array_size(search.found)) {
		fprintf(stderr, "wgdp-cli: no peer has the name or public key %s\n", args[0]);
		rc = CLI_REFUSED;
	}
	if (rc == CLI_OK && cli->json)
		cli_print_json(search.found);
	else if (rc == CLI_OK)
		json_array_foreach (search.found, i, peer)
			print_peer(peer);
	json_decref(search.found);
	return rc;
}
