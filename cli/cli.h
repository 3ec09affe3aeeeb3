/* What the commands of wgdp-cli share: the connection, exit codes, tables, units. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "config/rpc.h"

enum cli_exit {
	CLI_OK = 0,
	CLI_REFUSED = 1, /* by the daemon */
	CLI_USAGE = 2,
	CLI_UNREACHABLE = 3, /* the daemon */
};

struct cli {
	const char *socket;
	bool json; /* print results as they come */
	bool all;  /* also counters that are zero */
	struct cf_rpc_client *client;
};

/*
 * Calls a method, connecting first if need be; takes the reference of params (may be NULL). On
 * CLI_OK the caller owns *result; else the message is on stderr.
 */
enum cli_exit cli_call(struct cli *cli, const char *method, json_t *params, json_t **result);
/* A result as it came, on stdout. */
void cli_print_json(const json_t *value);

/* Commands. args are what follows the command's words, ended by NULL. */
enum cli_exit cli_show(struct cli *cli, char **args);
enum cli_exit cli_show_ports(struct cli *cli, char **args);
enum cli_exit cli_show_peers(struct cli *cli, char **args);
enum cli_exit cli_counters(struct cli *cli, char **args);
enum cli_exit cli_counters_peer(struct cli *cli, char **args);
enum cli_exit cli_load(struct cli *cli, char **args);
enum cli_exit cli_stop(struct cli *cli, char **args);
enum cli_exit cli_version(struct cli *cli, char **args);

/*
 * Goes through the peers, page by page, of one interface or (NULL) of all; page is called with each
 * array and returns false to stop.
 */
enum cli_exit cli_each_page(struct cli *cli, const char *interface,
			    bool (*page)(void *ctx, const json_t *peers), void *ctx);

/* Members of a result; a missing one is "-" or 0. */
const char *cli_text(const json_t *object, const char *key);
json_int_t cli_number(const json_t *object, const char *key);
/* The texts of an array, joined by ", ", at most `most` of them; to be freed. */
char *cli_join(const json_t *array, size_t most);

#define CLI_UNIT_BYTES 32
/* "12.3 MiB" */
const char *cli_bytes(char out[CLI_UNIT_BYTES], json_int_t bytes);
/* "3 min 12 s" */
const char *cli_duration(char out[CLI_UNIT_BYTES], json_int_t seconds);
/* "3 min 12 s ago", or "never" for 0. */
const char *cli_ago(char out[CLI_UNIT_BYTES], json_int_t unix_seconds);

#define CLI_COLUMNS_MAX 10
/* A table on stdout: cells are added row by row, columns are as wide as their widest cell. */
struct cli_table {
	const char *headers[CLI_COLUMNS_MAX + 1]; /* ended by NULL */
	unsigned int right;			  /* bit by column: to the right, as numbers are */
	int widths[CLI_COLUMNS_MAX];
	bool has_header; /* it was printed */
	char **cells;
	size_t n, size;
};
void cli_table_add(struct cli_table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints the rows there are, the header before the first; more may follow. */
void cli_table_print(struct cli_table *table);

#endif
