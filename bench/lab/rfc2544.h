/*
 * wgdp-bench rfc2544: what its files share. Options: rfc2544_options.c, rfc2544_values.c; the run
 * and its JSON: rfc2544.c, rfc2544_medium.c; tables for people: rfc2544_table.c. One thread.
 */
#ifndef BENCH_LAB_RFC2544_H
#define BENCH_LAB_RFC2544_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "bench/lab/methods.h"
#include "bench/lab/tester.h"

#define LAB_SIZES_MAX 32
#define LAB_WAYS_MAX  3 /* encrypt, decrypt, both */

struct lab_command {
	struct lab_tester_options tester;
	struct lab_settings settings;
	unsigned int methods; /* bit i: lab_methods[i] */
	unsigned int sizes[LAB_SIZES_MAX], n_sizes;
	unsigned int ways[LAB_WAYS_MAX], n_ways; /* of LAB_WAY() */
	bool json;
	bool help;
	bool only_config; /* print config and end */
	struct lab_config_options config;
};

enum lab_option_kind {
	LAB_FLAG,
	LAB_TEXT,
	LAB_U16,
	LAB_U32,
	LAB_U64,
	LAB_UINT,
	LAB_REAL,
	LAB_PERCENT, /* kept as a ratio */
	LAB_RATE,
	/* What these set is not at an offset. */
	LAB_IMIX,
	LAB_SIZE_LIST,
	LAB_WAY_LIST,
	LAB_METHOD_LIST,
	LAB_CONFIG_KIND,
};

struct lab_option {
	const char *name;
	enum lab_option_kind kind;
	size_t offset; /* in struct lab_command */
	double min, max;
	const char *help;
};

/* False: wrong, and said so on standard error. Texts in *c are those of argv. */
bool lab_command_parse(int argc, char **argv, struct lab_command *c);
void lab_command_help(void);
/* The settings. */
json_t *lab_command_json(const struct lab_command *c);

/* ---- rfc2544_values.c ---- */

/* Likewise. */
bool lab_option_set(struct lab_command *c, const struct lab_option *o, const char *text);
bool lab_methods_set(struct lab_command *c, const char *text);
/* A line on standard error. Returns false. */
bool lab_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- rfc2544_medium.c ---- */

json_t *lab_medium_json(const struct lab_command *c, const struct lab_tester *t);
/* NULL: the gateway was not in this process. */
json_t *lab_gateway_json(const struct lab_tester *t);

/* ---- rfc2544_table.c ---- */

/* Tables on standard output, from results as JSON. */
void lab_table_print(const json_t *whole);

#endif
