/*
 * wgdp-bench compare: reads results as other commands write them with --json. Says of a file that
 * is none what is wrong with it, and where.
 */
#include "bench/compare_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define WHERE_BYTES 64
#define RFC2544	    "rfc2544" /* has its results sorted by method */

static void *need(void *p)
{
	if (p)
		return p;
	fputs("wgdp-bench: out of memory\n", stderr);
	exit(EXIT_FAILURE);
}

__attribute__((format(printf, 2, 3))) static bool wrong(const char *path, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "wgdp-bench: %s: ", path);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return false;
}

static const char *type_name(const json_t *j)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
		[JSON_INTEGER] = "a number", [JSON_REAL] = "a number",	[JSON_TRUE] = "true",
		[JSON_FALSE] = "false",	     [JSON_NULL] = "null",
	};

	return j ? names[json_typeof(j)] : "missing";
}

/* A key of an object that has to be of a type; NULL: said that it is not. */
static json_t *key_of(const char *path, const char *where, const json_t *object, const char *key,
		      json_type type)
{
	static const char *const wanted[] = {
		[JSON_OBJECT] = "an object",
		[JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",
	};
	json_t *value = json_object_get(object, key);

	if (value && json_typeof(value) == type)
		return value;
	wrong(path, "\"%s%s\" is %s, and should be %s: not a result of wgdp-bench with --json",
	      where, key, type_name(value), wanted[type]);
	return NULL;
}

/* ---- results ---- */

struct compare_result *compare_find(const struct compare_side *side, const char *name)
{
	for (unsigned int i = 0; i < side->n; i++) {
		if (strcmp(side->results[i].name, name) == 0)
			return &side->results[i];
	}
	return NULL;
}

static struct compare_result *result_of(struct compare_side *side, const char *name,
					const char *unit)
{
	struct compare_result *r = compare_find(side, name);

	if (r)
		return r;
	side->results = need(realloc(side->results, (side->n + 1) * sizeof(side->results[0])));
	r = &side->results[side->n++];
	*r = (struct compare_result){.name = need(strdup(name)), .unit = need(strdup(unit))};
	return r;
}

bool compare_add_run(struct compare_side *side, const char *path, const char *where,
		     const char *name, const char *unit, const json_t *values)
{
	struct compare_result *r = result_of(side, name, unit);
	size_t n = json_is_array(values) ? json_array_size(values) : 1;
	struct compare_run *run = &r->runs[r->n_runs];

	if (strcmp(r->unit, unit) != 0)
		return wrong(path, "\"%sunit\" is \"%s\", and \"%s\" in the file before", where,
			     unit, r->unit);
	if (r->n_runs == side->n_files)
		return wrong(path, "\"%sname\" is \"%s\", which is there twice", where, name);
	run->values = need(malloc((n ? n : 1) * sizeof(run->values[0])));
	r->n_runs++;
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_is_array(values) ? json_array_get(values, i) : values;

		if (!json_is_number(value))
			return wrong(path, "\"%svalues[%zu]\" is %s, and should be a number", where,
				     i, type_name(value));
		run->values[run->n++] = json_number_value(value);
	}
	return n > 0 || wrong(path, "\"%svalues\" is empty", where);
}

static bool read_result(struct compare_side *side, const char *path, const json_t *j, size_t i)
{
	const json_t *name, *unit, *values;
	char where[WHERE_BYTES];

	snprintf(where, sizeof(where), "results[%zu].", i);
	if (!json_is_object(j))
		return wrong(path, "\"results[%zu]\" is %s, and should be an object", i,
			     type_name(j));
	name = key_of(path, where, j, "name", JSON_STRING);
	unit = name ? key_of(path, where, j, "unit", JSON_STRING) : NULL;
	if (!unit)
		return false;
	if (json_object_get(j, "left_out"))
		return true;
	values = json_object_get(j, "values");
	if (!values)
		return wrong(path,
			     "\"%svalues\" is missing: without samples nothing can be said about "
			     "noise; measure again with this version",
			     where);
	if (!json_is_array(values))
		return wrong(path, "\"%svalues\" is %s, and should be an array", where,
			     type_name(values));
	return compare_add_run(side, path, where, json_string_value(name), json_string_value(unit),
			       values);
}

/* ---- files ---- */

static bool read_object(struct compare_side *side, const char *path, const json_t *whole)
{
	json_t *bench, *machine, *results;
	unsigned int i = side->n_files;
	bool rfc2544;

	if (!json_is_object(whole))
		return wrong(path,
			     "is %s, and should be an object: not a result of wgdp-bench "
			     "with --json",
			     type_name(whole));
	bench = key_of(path, "", whole, "bench", JSON_STRING);
	machine = bench ? key_of(path, "", whole, "machine", JSON_OBJECT) : NULL;
	rfc2544 = machine && strcmp(json_string_value(bench), RFC2544) == 0;
	results = machine ? key_of(path, "", whole, "results", rfc2544 ? JSON_OBJECT : JSON_ARRAY)
			  : NULL;
	if (!results)
		return false;
	if (side->bench && strcmp(side->bench, json_string_value(bench)) != 0)
		return wrong(path, "is of wgdp-bench %s, the file before it of %s",
			     json_string_value(bench), side->bench);
	if (!side->bench)
		side->bench = need(strdup(json_string_value(bench)));
	side->files[i].path = need(strdup(path));
	side->files[i].machine = json_incref(machine);
	side->files[i].settings = json_incref(json_object_get(whole, "settings"));
	side->files[i].partial = json_is_true(json_object_get(whole, "partial"));
	side->n_files++;
	if (rfc2544)
		return compare_read_rfc2544(side, path, results);
	for (size_t k = 0; k < json_array_size(results); k++) {
		if (!read_result(side, path, json_array_get(results, k), k))
			return false;
	}
	return true;
}

static bool read_file(struct compare_side *side, const char *path)
{
	json_error_t error;
	json_t *whole;
	bool read;

	if (side->n_files == COMPARE_RUNS_MAX)
		return wrong(path, "too many files: %d on one side at most", COMPARE_RUNS_MAX);
	whole = json_load_file(path, 0, &error);
	if (!whole && error.line < 0)
		return wrong(path, "cannot be read: %s", error.text);
	if (!whole)
		return wrong(path, "line %d, column %d: not JSON: %s", error.line, error.column,
			     error.text);
	read = read_object(side, path, whole);
	json_decref(whole);
	return read;
}

bool compare_read(struct compare_side *side, const char *paths)
{
	char *list = need(strdup(paths)), *at = list, *path;
	bool read = true;

	while (read && (path = strsep(&at, ",")) != NULL)
		read = read_file(side, path);
	free(list);
	return read;
}

void compare_side_free(struct compare_side *side)
{
	for (unsigned int i = 0; i < side->n; i++) {
		struct compare_result *r = &side->results[i];

		for (unsigned int k = 0; k < r->n_runs; k++)
			free(r->runs[k].values);
		free(r->name);
		free(r->unit);
	}
	for (unsigned int i = 0; i < side->n_files; i++) {
		json_decref(side->files[i].machine);
		json_decref(side->files[i].settings);
		free(side->files[i].path);
	}
	free(side->results);
	free(side->bench);
}
