/*
 * wgdp-bench compare: what is printed of a comparison, for people and for programs.
 */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "bench/compare.h"

#define CHANCE 20 /* one of so many 95 % intervals misses by chance */

static const char *const verdict_names[COMPARE_VERDICTS] = {
	[COMPARE_SAME] = "within noise",
	[COMPARE_BETTER] = "better",
	[COMPARE_WORSE] = "worse",
	[COMPARE_UNKNOWN] = "unknown",
};

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

static void print_row(const struct compare_row *row)
{
	const struct compare_ratio *r = &row->ratio;

	printf("%-40s %12.6g %12.6g", row->a->name, r->a, r->b);
	if (r->ratio <= 0)
		printf(" %8s %17s  no ratio: not above zero\n", "-", "-");
	else if (row->verdict == COMPARE_UNKNOWN)
		printf(" %8.3f %17s  too few samples to tell\n", r->ratio, "-");
	else
		printf(" %8.3f %8.3f %8.3f%s%s\n", r->ratio, r->low, r->high,
		       row->verdict == COMPARE_SAME ? "" : "  ",
		       row->verdict == COMPARE_SAME ? "" : verdict_names[row->verdict]);
}

static void print_rows(const struct comparison *c)
{
	const char *unit = "";

	for (unsigned int i = 0; i < c->n; i++) {
		const struct compare_row *row = &c->rows[i];

		if (strcmp(unit, row->a->unit) != 0)
			printf("\n%-40s %12s %12s %8s %17s\n", row->a->unit, "A", "B", "B/A",
			       "95 % interval");
		unit = row->a->unit;
		print_row(row);
	}
}

void compare_print_table(const struct comparison *c)
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
	       c->verdicts[COMPARE_BETTER], c->verdicts[COMPARE_WORSE], c->verdicts[COMPARE_SAME],
	       c->verdicts[COMPARE_UNKNOWN]);
	if (c->verdicts[COMPARE_BETTER] + c->verdicts[COMPARE_WORSE])
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

static json_t *row_json(const struct compare_row *row)
{
	const struct compare_ratio *r = &row->ratio;
	json_t *j = json_pack("{s:s, s:s, s:f, s:f, s:s}", "name", row->a->name, "unit",
			      row->a->unit, "a", r->a, "b", r->b, "verdict",
			      verdict_names[row->verdict]);

	if (r->ratio > 0)
		json_object_set_new(j, "ratio", json_real(r->ratio));
	if (row->verdict != COMPARE_UNKNOWN) {
		json_object_set_new(j, "low", json_real(r->low));
		json_object_set_new(j, "high", json_real(r->high));
	}
	return j;
}

int compare_print_json(const struct comparison *c)
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
