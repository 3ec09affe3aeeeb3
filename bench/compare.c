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
#define CHANCE	     20 /* one of so many 95 % intervals misses by chance */

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

enum verdict { SAME, BETTER, WORSE, UNKNOWN, VERDICTS };

static const char *const verdict_names[VERDICTS] = {
	[SAME] = "within noise",
	[BETTER] = "better",
	[WORSE] = "worse",
	[UNKNOWN] = "unknown",
};

struct row {
	const struct compare_result *a;
	struct compare_ratio ratio;
	enum verdict verdict;
};

struct comparison {
	const char *filter;
	bool json;
	struct compare_side a, b;
	struct row *rows;
	unsigned int n, verdicts[VERDICTS];
	json_t *differences; /* [what, A's, B's] */
	json_t *only_a, *only_b;
};

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

static enum verdict judge(const struct compare_result *r, const struct compare_ratio *ratio)
{
	if (ratio->low <= 0)
		return UNKNOWN;
	if (ratio->low <= 1 && ratio->high >= 1)
		return SAME;
	return (ratio->low > 1) == more_is_better(r->unit) ? BETTER : WORSE;
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
		struct row *row = &c->rows[c->n];

		if (!wanted(c, a->name))
			continue;
		b = compare_find(&c->b, a->name);
		if (!b || strcmp(a->unit, b->unit) != 0) {
			json_array_append_new(c->only_a, json_string(a->name));
			continue;
		}
		*row = (struct row){.a = a, .ratio = compare_ratio(a, b)};
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

/* ---- for people ---- */

static const char *string_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "?";
}

static void print_side(const char *name, const struct compare_side *side)
{
	for (unsigned int i = 0; i < side->n_files; i++) {
		const json_t *machine = side->files[i].machine;

		printf("%s: %s: wgdp %s, %s, %s%s\n", name, side->files[i].path,
		       string_of(machine, "version"), string_of(machine, "cpu"),
		       string_of(machine, "time"),
		       side->files[i].partial ? "; PARTIAL: the run was stopped early" : "");
	}
}

static void print_only(const char *name, const json_t *only)
{
	size_t n = json_array_size(only);

	if (n)
		printf("only in %s: %zu result%s, such as %s\n", name, n, n == 1 ? "" : "s",
		       json_string_value(json_array_get(only, 0)));
}

static void print_row(const struct row *row)
{
	const struct compare_ratio *r = &row->ratio;

	printf("%-40s %12.6g %12.6g", row->a->name, r->a, r->b);
	if (r->ratio <= 0)
		printf(" %8s %17s  no ratio: not above zero\n", "-", "-");
	else if (row->verdict == UNKNOWN)
		printf(" %8.3f %17s  too few samples to tell\n", r->ratio, "-");
	else
		printf(" %8.3f %8.3f %8.3f%s%s\n", r->ratio, r->low, r->high,
		       row->verdict == SAME ? "" : "  ",
		       row->verdict == SAME ? "" : verdict_names[row->verdict]);
}

static void print_rows(const struct comparison *c)
{
	const char *unit = "";

	for (unsigned int i = 0; i < c->n; i++) {
		const struct row *row = &c->rows[i];

		if (strcmp(unit, row->a->unit) != 0)
			printf("\n%-40s %12s %12s %8s %17s\n", row->a->unit, "A", "B", "B/A",
			       "95 % interval");
		unit = row->a->unit;
		print_row(row);
	}
}

static void print_table(const struct comparison *c)
{
	print_side("A", &c->a);
	print_side("B", &c->b);
	for (size_t i = 0; i < json_array_size(c->differences); i++) {
		const json_t *d = json_array_get(c->differences, i);

		printf("different: %s: A %s, B %s\n", json_string_value(json_array_get(d, 0)),
		       json_string_value(json_array_get(d, 1)),
		       json_string_value(json_array_get(d, 2)));
	}
	print_rows(c);
	putchar('\n');
	print_only("A", c->only_a);
	print_only("B", c->only_b);
	printf("%u compared: %u better, %u worse, %u within noise, %u cannot be told\n", c->n,
	       c->verdicts[BETTER], c->verdicts[WORSE], c->verdicts[SAME], c->verdicts[UNKNOWN]);
	if (c->verdicts[BETTER] + c->verdicts[WORSE])
		printf("about %u would be marked by chance%s\n", (c->n + CHANCE - 1) / CHANCE,
		       c->a.n_files > 1 && c->b.n_files > 1
			       ? ""
			       : "; the noise between runs is not known: see --help");
}

/* ---- for programs ---- */

static json_t *side_json(const struct compare_side *side)
{
	json_t *files = json_array();

	for (unsigned int i = 0; i < side->n_files; i++)
		json_array_append_new(files,
				      json_pack("{s:s, s:b, s:O}", "file", side->files[i].path,
						"partial", (int)side->files[i].partial, "machine",
						side->files[i].machine));
	return files;
}

static json_t *row_json(const struct row *row)
{
	const struct compare_ratio *r = &row->ratio;
	json_t *j = json_pack("{s:s, s:s, s:f, s:f, s:s}", "name", row->a->name, "unit",
			      row->a->unit, "a", r->a, "b", r->b, "verdict",
			      verdict_names[row->verdict]);

	if (r->ratio > 0)
		json_object_set_new(j, "ratio", json_real(r->ratio));
	if (row->verdict != UNKNOWN) {
		json_object_set_new(j, "low", json_real(r->low));
		json_object_set_new(j, "high", json_real(r->high));
	}
	return j;
}

static int print_json(const struct comparison *c)
{
	json_t *rows = json_array(), *whole;
	int rc;

	for (unsigned int i = 0; i < c->n; i++)
		json_array_append_new(rows, row_json(&c->rows[i]));
	whole = json_pack("{s:s, s:s, s:o, s:o, s:O, s:O, s:O, s:o}", "bench", "compare", "of",
			  c->a.bench, "a", side_json(&c->a), "b", side_json(&c->b), "different",
			  c->differences, "only_a", c->only_a, "only_b", c->only_b, "results",
			  rows);
	rc = whole ? json_dumpf(whole, stdout, JSON_REAL_PRECISION(6)) : -1;
	json_decref(whole);
	putchar('\n');
	return rc;
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
	if (c->json && print_json(c) != 0)
		return EXIT_FAILURE;
	if (!c->json)
		print_table(c);
	if (fflush(stdout) != 0)
		return EXIT_FAILURE;
	return c->verdicts[WORSE] ? STATUS_WORSE : EXIT_SUCCESS;
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
