/*
 * wgdp-cli: the operator's tool. Arguments, the connection to the daemon, and the small commands;
 * what is printed of the gateway is in show.c and counters.c.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "config/model.h"

static const struct command {
	const char *words[2];
	enum cli_exit (*run)(struct cli *cli, char **args);
	const char *args, *text;
} commands[] = {
	/* Two words before one: `show peers` is not the interface "peers". */
	{{"show", "peers"}, cli_show_peers, " [INTERFACE]", "peers, a line each"},
	{{"show", "ports"}, cli_show_ports, "", "ports, and what their devices lack"},
	{{"show", NULL}, cli_show, " [INTERFACE]", "the gateway, its ports and interfaces"},
	{{"counters", "peer"}, cli_counters_peer, " NAME-OR-KEY [INTERFACE]", "all about a peer"},
	{{"counters", NULL}, cli_counters, "", "what became of every packet (--all: also zeros)"},
	{{"load", NULL}, cli_load, " FILE", "make the gateway what the file says"},
	{{"stop", NULL}, cli_stop, "", "stop the gateway"},
	{{"version", NULL}, cli_version, "", "versions of this program and of the gateway"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *out)
{
	fputs("usage: wgdp-cli [-s SOCKET] [--json] COMMAND\n\ncommands:\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		const struct command *c = &commands[i];
		char line[64];

		snprintf(line, sizeof(line), "%s%s%s%s", c->words[0], c->words[1] ? " " : "",
			 c->words[1] ? c->words[1] : "", c->args);
		fprintf(out, "  %-40s%s\n", line, c->text);
	}
	fputs("\noptions:\n"
	      "  -s, --socket SOCKET   control socket of the gateway (" CF_SOCKET_DEFAULT ")\n"
	      "      --json            print the result as JSON\n"
	      "      --all             also print counters that are zero\n"
	      "      --version, --help\n",
	      out);
}

static enum cli_exit cannot_reach(const struct cli *cli, const char *what, int error)
{
	const char *hint = "";

	if (error == ECONNREFUSED || error == ENOENT)
		hint = ": is wgdp running?";
	else if (error == EACCES || error == EPERM)
		hint = ": only root may; try sudo";
	fprintf(stderr, "wgdp-cli: %s %s: %s%s\n", what, cli->socket, strerror(error), hint);
	return CLI_UNREACHABLE;
}

/* The daemon's error: lines about a file as they are, anything else with our name. */
static void print_refusal(const struct cf_rpc_answer *answer)
{
	const json_t *lines = json_object_get(answer->error_data, "errors"), *line;
	size_t i;

	json_array_foreach (lines, i, line)
		fprintf(stderr, "%s\n", json_is_string(line) ? json_string_value(line) : "?");
	if (!json_array_size(lines))
		fprintf(stderr, "wgdp-cli: %s\n", answer->error);
}

enum cli_exit cli_call(struct cli *cli, const char *method, json_t *params, json_t **result)
{
	struct cf_rpc_answer answer;
	int rc;

	*result = NULL;
	if (!cli->client) {
		cli->client = cf_rpc_connect(cli->socket);
		if (!cli->client) {
			rc = errno;
			json_decref(params);
			return cannot_reach(cli, "cannot connect to", rc);
		}
	}
	rc = cf_rpc_call(cli->client, method, params, &answer);
	if (rc)
		return cannot_reach(cli, "lost the gateway at", -rc);
	if (answer.error_code)
		print_refusal(&answer);
	else
		*result = json_incref(answer.result);
	rc = answer.error_code ? CLI_REFUSED : CLI_OK;
	cf_rpc_answer_clear(&answer);
	return (enum cli_exit)rc;
}

void cli_print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

static char *absolute_path(const char *path)
{
	char *cwd, *absolute = NULL;

	if (path[0] == '/')
		return strdup(path);
	/* Not realpath(): a file's keys are looked for beside the name it was given by. */
	cwd = getcwd(NULL, 0);
	if (cwd && asprintf(&absolute, "%s/%s", cwd, path) < 0)
		absolute = NULL;
	free(cwd);
	return absolute;
}

static void print_edits(const json_t *result)
{
	const json_t *edits = json_object_get(result, "edits");
	json_int_t added = cli_number(edits, "peers_added");
	json_int_t interfaces_added = cli_number(edits, "interfaces_added");
	json_int_t interfaces_removed = cli_number(edits, "interfaces_removed");
	json_int_t other = cli_number(edits, "other");

	printf("loaded: %" JSON_INTEGER_FORMAT " peer%s added, %" JSON_INTEGER_FORMAT
	       " removed, %" JSON_INTEGER_FORMAT " changed",
	       added, added == 1 ? "" : "s", cli_number(edits, "peers_removed"),
	       cli_number(edits, "peers_changed"));
	if (interfaces_added || interfaces_removed)
		printf("; %" JSON_INTEGER_FORMAT " interface%s added, %" JSON_INTEGER_FORMAT
		       " removed",
		       interfaces_added, interfaces_added == 1 ? "" : "s", interfaces_removed);
	if (other)
		printf("; %" JSON_INTEGER_FORMAT " other edit%s", other, other == 1 ? "" : "s");
	putchar('\n');
}

enum cli_exit cli_load(struct cli *cli, char **args)
{
	enum cli_exit rc;
	json_t *result;
	char *path;

	if (!args[0] || args[1])
		return CLI_USAGE;
	path = absolute_path(args[0]);
	if (!path) {
		fprintf(stderr, "wgdp-cli: %s: %s\n", args[0], strerror(errno));
		return CLI_REFUSED;
	}
	rc = cli_call(cli, "load", json_pack("{s:s}", "path", path), &result);
	free(path);
	if (rc)
		return rc;
	if (cli->json)
		cli_print_json(result);
	else
		print_edits(result);
	json_decref(result);
	return CLI_OK;
}

enum cli_exit cli_stop(struct cli *cli, char **args)
{
	enum cli_exit rc;
	json_t *result;

	if (args[0])
		return CLI_USAGE;
	rc = cli_call(cli, "stop", NULL, &result);
	if (rc == CLI_OK && cli->json)
		cli_print_json(result);
	json_decref(result);
	return rc;
}

enum cli_exit cli_version(struct cli *cli, char **args)
{
	enum cli_exit rc;
	json_t *result;

	if (args[0])
		return CLI_USAGE;
	if (!cli->json)
		puts("wgdp-cli " WGDP_VERSION);
	rc = cli_call(cli, "version", NULL, &result);
	if (rc == CLI_OK && cli->json)
		cli_print_json(result);
	else if (rc == CLI_OK)
		printf("wgdp %s (DPDK %s, %s)\n", cli_text(result, "version"),
		       cli_text(result, "dpdk"), cli_text(result, "crypto"));
	json_decref(result);
	return rc;
}

static enum cli_exit run_command(struct cli *cli, char **args)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		const struct command *c = &commands[i];
		size_t words = c->words[1] ? 2 : 1;

		if (strcmp(args[0], c->words[0]) ||
		    (words == 2 && (!args[1] || strcmp(args[1], c->words[1]))))
			continue;
		return c->run(cli, args + words);
	}
	fprintf(stderr, "wgdp-cli: unknown command %s\n", args[0]);
	return CLI_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'},
		{"all", no_argument, NULL, 'a'},	  {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0},
	};
	struct cli cli = {.socket = CF_SOCKET_DEFAULT};
	enum cli_exit rc = CLI_USAGE;
	int option;

	while ((option = getopt_long(argc, argv, "s:hV", options, NULL)) != -1) {
		switch (option) {
		case 's':
			cli.socket = optarg;
			break;
		case 'j':
			cli.json = true;
			break;
		case 'a':
			cli.all = true;
			break;
		case 'V':
			puts("wgdp-cli " WGDP_VERSION);
			return CLI_OK;
		case 'h':
			print_usage(stdout);
			return CLI_OK;
		default:
			print_usage(stderr);
			return CLI_USAGE;
		}
	}
	if (argv[optind])
		rc = run_command(&cli, argv + optind);
	if (rc == CLI_USAGE)
		print_usage(stderr);
	cf_rpc_disconnect(cli.client);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "wgdp-cli: cannot write the output: %s\n", strerror(errno));
		return CLI_REFUSED;
	}
	return rc;
}
