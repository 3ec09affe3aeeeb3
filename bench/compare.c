/*
 * wgdp-bench compare: two results side by side: what was different when they were measured, each
 * ratio with how sure it is, and what differs beyond noise.
 */
#include "bench/compare.h"

#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "bench/bench.h"

#define STATUS_WORSE 2

const char bench_compare_help[] =
	"wgdp-bench compare [--filter GLOB] [--json] A.json B.json\n"
	"\n"
	"Compares results that wgdp-bench has written with --json: of each that both have, the\n"
	"medians, B/A, and the interval in which B/A lies with a confidence of 95 %. It comes "
	"from\n"
	"drawing the samples anew (a bootstrap, in blocks, since samples that follow each other\n"
	"are alike). \"better\" and \"worse\" are differences beyond noise: the interval is on "
	"one\n"
	"side of 1. Rates and bursts are better if they are higher, all else if it is lower.\n"
	"\n"
	"One run knows only the noise within it. Memory that lies elsewhere in the next one, or a\n"
	"neighbour that comes and goes, shows between runs: give several files for a side, with\n"
	"commas between, A1.json,A2.json,A3.json, all measured with the same command.\n"
	"\n"
	"What rfc2544 writes has one sample of most results: it takes six files or more for each\n"
	"side until it can be said how sure a ratio is.\n"
	"\n"
	"First is said what else was different: machine, versions, settings; and whether a run "
	"was\n"
	"stopped early. Of 20 results without a difference one is marked by chance.\n"
	"\n"
	"Exit status: 0 nothing is worse beyond noise; 2 something is; 1 error.\n";

/* ---- what was different ---- */

static char *text_of(const json_t *j)
{
	char *text = j ? json_dumps(j, JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;

	return text ? text : strdup("nothing");
}

static void note_difference(struct comparison *c, const char *what, const json_t *a,
			    const json_t *b)
{
	char *text_a, *text_b;

	if (json_equal(a, b) || (!a && !b))
		return;
	text_a = text_of(a);
	text_b = text_of(b);
	json_array_append_new(c->differences, json_pack("[s, s, s]", what, text_a, text_b));
	free(text_a);
	free(text_b);
}

/* Keys of both; what is an object itself is gone into. Not the time: it always differs. */
static void note_differences(struct comparison *c, const char *where, json_t *a, json_t *b)
{
	json_t *keys = json_object();
	const char *key;
	json_t *value;

	json_object_update(keys, a);
	json_object_update(keys, b);
	json_object_foreach (keys, key, value) {
		char what[128];

		snprintf(what, sizeof(what), "%s.%s", where, key);
		if (json_is_object(value))
			note_differences(c, what, json_object_get(a, key), json_object_get(b, key));
		else if (strcmp(key, "time") != 0 && strcmp(key, "core_per_tsc") != 0 &&
			 strcmp(key, "tsc_hz") != 0)
			note_difference(c, what, json_object_get(a, key), json_object_get(b, key));
	}
	json_decref(keys);
}

/* Calibrated anew in each process: a few parts in a million are none. */
static void note_clocks(struct comparison *c, const json_t *a, const json_t *b)
{
	double hz_a = json_number_value(json_object_get(a, "tsc_hz"));
	double hz_b = json_number_value(json_object_get(b, "tsc_hz"));

	if (hz_a < hz_b * 0.999 || hz_b < hz_a * 0.999)
		note_difference(c, "machine.tsc_hz", json_object_get(a, "tsc_hz"),
				json_object_get(b, "tsc_hz"));
}

static void note_surroundings(struct comparison *c)
{
	json_t *machine_a = c->a.files[0].machine, *machine_b = c->b.files[0].machine;

	note_differences(c, "machine", machine_a, machine_b);
	note_clocks(c, machine_a, machine_b);
	note_differences(c, "settings", c->a.files[0].settings, c->b.files[0].settings);
}

/* ---- results ---- */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), len_end = strlen(end);

	return len >= len_end && strcmp(text + len - len_end, end) == 0;
}

/* Rates, and bursts without loss; all else is time, memory or loss. */
static bool more_is_better(const char *unit)
{
	return ends_with(unit, "/s") || ends_with(unit, "/CPU-s") || strcmp(unit, "packets") == 0;
}

static enum compare_verdict judge(const struct compare_result *r, const struct compare_ratio *ratio)
{
	if (ratio->low <= 0)
		return COMPARE_UNKNOWN;
	if (ratio->low <= 1 && ratio->high >= 1)
		return COMPARE_SAME;
	return (ratio->low > 1) == more_is_better(r->unit) ? COMPARE_BETTER : COMPARE_WORSE;
}

static bool wanted(const struct comparison *c, const char *name)
{
	return !c->filter || fnmatch(c->filter, name, 0) == 0;
}

static void compare_all(struct comparison *c)
{
	c->rows = calloc(c->a.n ? c->a.n : 1, sizeof(c->rows[0]));
	for (unsigned int i = 0; c->rows && i < c->a.n; i++) {
		const struct compare_result *a = &c->a.results[i], *b;
		struct compare_row *row = &c->rows[c->n];

		if (!wanted(c, a->name))
			continue;
		b = compare_find(&c->b, a->name);
		if (!b || strcmp(a->unit, b->unit) != 0) {
			json_array_append_new(c->only_a, json_string(a->name));
			continue;
		}
		*row = (struct compare_row){.a = a, .ratio = compare_ratio(a, b)};
		row->verdict = judge(a, &row->ratio);
		c->verdicts[row->verdict]++;
		c->n++;
	}
	for (unsigned int i = 0; i < c->b.n; i++) {
		const struct compare_result *b = &c->b.results[i], *a;

		a = compare_find(&c->a, b->name);
		if (wanted(c, b->name) && (!a || strcmp(a->unit, b->unit) != 0))
			json_array_append_new(c->only_b, json_string(b->name));
	}
}

/* ---- command line ---- */

static int run(struct comparison *c, const char *a, const char *b)
{
	if (!compare_read(&c->a, a) || !compare_read(&c->b, b))
		return EXIT_FAILURE;
	if (strcmp(c->a.bench, c->b.bench) != 0) {
		fprintf(stderr,
			"wgdp-bench: %s is of wgdp-bench %s, and %s of %s: they have nothing to "
			"compare\n",
			a, c->a.bench, b, c->b.bench);
		return EXIT_FAILURE;
	}
	note_surroundings(c);
	compare_all(c);
	if (c->n == 0) {
		fprintf(stderr, "wgdp-bench: %s and %s have no result%s%s in common\n", a, b,
			c->filter ? " like " : "", c->filter ? c->filter : "");
		return EXIT_FAILURE;
	}
	if (c->json && compare_print_json(c) != 0)
		return EXIT_FAILURE;
	if (!c->json)
		compare_print_table(c);
	if (fflush(stdout) != 0)
		return EXIT_FAILURE;
	return c->verdicts[COMPARE_WORSE] ? STATUS_WORSE : EXIT_SUCCESS;
}

int bench_compare(int argc, char **argv)
{
	static const struct option options[] = {
		{"filter", required_argument, NULL, 'f'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct comparison c = {0};
	int option, status;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'f':
			c.filter = optarg;
			break;
		case 'j':
			c.json = true;
			break;
		case 'h':
			fputs(bench_compare_help, stdout);
			return EXIT_SUCCESS;
		default:
			return EXIT_FAILURE;
		}
	}
	if (argc - optind != 2) {
		fputs("usage: wgdp-bench compare [--filter GLOB] [--json] A.json B.json\n", stderr);
		return EXIT_FAILURE;
	}
	c.differences = json_array();
	c.only_a = json_array();
	c.only_b = json_array();
	status = run(&c, argv[optind], argv[optind + 1]);
	json_decref(c.differences);
	json_decref(c.only_a);
	json_decref(c.only_b);
	compare_side_free(&c.a);
	compare_side_free(&c.b);
	free(c.rows);
	return status;
}
