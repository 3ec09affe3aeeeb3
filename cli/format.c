/* Tables and units for people. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"

const char *cli_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && *text ? text : "-";
}

json_int_t cli_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

char *cli_join(const json_t *array, size_t most)
{
	size_t n = json_array_size(array), len = 0;
	char *joined = NULL;
	FILE *out = open_memstream(&joined, &len);

	if (!out)
		abort();
	for (size_t i = 0; i < n && i < most; i++) {
		const char *text = json_string_value(json_array_get(array, i));

		fprintf(out, "%s%s", i ? ", " : "", text ? text : "?");
	}
	if (n > most)
		fprintf(out, ", and %zu more", n - most);
	if (n == 0)
		fputs("-", out);
	fclose(out);
	return joined;
}

const char *cli_bytes(char out[CLI_UNIT_BYTES], json_int_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	snprintf(out, CLI_UNIT_BYTES, unit ? "%.2f %s" : "%.0f %s", value, units[unit]);
	return out;
}

const char *cli_duration(char out[CLI_UNIT_BYTES], json_int_t seconds)
{
	intmax_t s = seconds;

	if (s < 60)
		snprintf(out, CLI_UNIT_BYTES, "%jd s", s);
	else if (s < 3600)
		snprintf(out, CLI_UNIT_BYTES, "%jd min %jd s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, CLI_UNIT_BYTES, "%jd h %jd min", s / 3600, s / 60 % 60);
	else
		snprintf(out, CLI_UNIT_BYTES, "%jd d %jd h", s / 86400, s / 3600 % 24);
	return out;
}

const char *cli_ago(char out[CLI_UNIT_BYTES], json_int_t unix_seconds)
{
	char duration[CLI_UNIT_BYTES];
	json_int_t ago = (json_int_t)time(NULL) - unix_seconds;

	if (!unix_seconds)
		return "never";
	/* Never in the future: the clock may have been set in between. */
	cli_duration(duration, ago < 0 ? 0 : ago);
	snprintf(out, CLI_UNIT_BYTES, "%.*s ago", CLI_UNIT_BYTES - 5, duration);
	return out;
}

void cli_table_add(struct cli_table *table, const char *format, ...)
{
	va_list args;
	int rc;

	if (table->n == table->size) {
		table->size = table->size ? table->size * 2 : 256;
		table->cells = realloc(table->cells, table->size * sizeof(*table->cells));
		if (!table->cells)
			abort();
	}
	va_start(args, format);
	rc = vasprintf(&table->cells[table->n++], format, args);
	va_end(args);
	if (rc < 0)
		abort();
}

static void print_row(const struct cli_table *table, const char *const *cells, size_t columns)
{
	int gap = 0; /* owed before the next cell, so that no line ends in spaces */

	for (size_t i = 0; i < columns; i++) {
		int left = table->widths[i] - (int)strlen(cells[i]);
		bool right = table->right >> i & 1;

		if (cells[i][0])
			printf("%*s%s", gap + (right ? left : 0), "", cells[i]);
		gap = cells[i][0] ? 2 + (right ? 0 : left) : gap + table->widths[i] + 2;
	}
	putchar('\n');
}

static void widen(struct cli_table *table, size_t column, const char *cell)
{
	int len = (int)strlen(cell);

	if (len > table->widths[column])
		table->widths[column] = len;
}

void cli_table_print(struct cli_table *table)
{
	size_t columns = 0;

	while (table->headers[columns]) {
		widen(table, columns, table->headers[columns]);
		columns++;
	}
	for (size_t i = 0; i < table->n; i++)
		widen(table, i % columns, table->cells[i]);
	if (table->n && !table->has_header) {
		print_row(table, table->headers, columns);
		table->has_header = true;
	}
	for (size_t i = 0; i + columns <= table->n; i += columns)
		print_row(table, (const char *const *)table->cells + i, columns);
	for (size_t i = 0; i < table->n; i++)
		free(table->cells[i]);
	free(table->cells);
	table->cells = NULL;
	table->n = table->size = 0;
}
