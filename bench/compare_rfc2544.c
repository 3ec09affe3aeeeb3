/*
 * wgdp-bench compare: what a run of rfc2544 found, as results with names, units and samples like
 * those of the other commands. Most of it is one sample a run: several files give several.
 */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "bench/compare_read.h"

#define NAME_BYTES 96

/* A list of results, and what of its entries is compared. */
static const struct {
	const char *list;
	const char *part; /* key of what tells entries of one way and size apart; NULL: nothing */
	const char *key;  /* a number, or an array of them; NULL: the latency */
	const char *unit;
} kinds[] = {
	{"throughput", "goal", "pps", "packets/s"},
	{"loss", "percent", "loss", "share lost"},
	{"back-to-back", NULL, "bursts", "packets"},
	{"latency", "percent", NULL, "ns"},
	{"recovery", NULL, "recovery_seconds", "s"},
	{"soak", NULL, "loss", "share lost"},
	{"soak", NULL, NULL, "ns"},
	{"reconfiguration", NULL, "blocked_seconds", "s"},
	{"bulk", "bulk_pps", NULL, "ns"},
};

static const char *const percentiles[] = {"p50", "p90", "p99", "p99_9", "p99_99", "p99_999"};

/* What is neither: "". */
static void text_of(char *out, size_t size, const json_t *j)
{
	out[0] = '\0';
	if (json_is_string(j))
		snprintf(out, size, "%s", json_string_value(j));
	else if (json_is_number(j))
		snprintf(out, size, "%.9g", json_number_value(j));
}

static void name_entry(char *name, unsigned int i, const json_t *entry)
{
	char way[16], size[16], part[32];

	text_of(way, sizeof(way), json_object_get(entry, "way"));
	text_of(size, sizeof(size), json_object_get(entry, "size"));
	text_of(part, sizeof(part), kinds[i].part ? json_object_get(entry, kinds[i].part) : NULL);
	snprintf(name, NAME_BYTES, "%s/%s/%s%s%s", kinds[i].list, way, size, part[0] ? "/" : "",
		 part);
}

static bool add_latency(struct compare_side *side, const char *path, const char *where,
			const char *name, const json_t *latency)
{
	for (size_t k = 0; k < sizeof(percentiles) / sizeof(percentiles[0]); k++) {
		const json_t *value = json_object_get(latency, percentiles[k]);
		char full[NAME_BYTES + 16];

		snprintf(full, sizeof(full), "%s/%s", name, percentiles[k]);
		if (value && !compare_add_run(side, path, where, full, "ns", value))
			return false;
	}
	return true;
}

/* What the tester could not send says nothing about the gateway. */
static bool add_entry(struct compare_side *side, const char *path, unsigned int i, size_t k,
		      const json_t *entry)
{
	const json_t *value = json_object_get(entry, kinds[i].key ? kinds[i].key : "latency");
	char name[NAME_BYTES], where[NAME_BYTES];

	if (!value || json_is_false(json_object_get(entry, "valid")))
		return true;
	name_entry(name, i, entry);
	snprintf(where, sizeof(where), "results.%s[%zu].", kinds[i].list, k);
	return kinds[i].key ? compare_add_run(side, path, where, name, kinds[i].unit, value)
			    : add_latency(side, path, where, name, value);
}

bool compare_read_rfc2544(struct compare_side *side, const char *path, const json_t *results)
{
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const json_t *list = json_object_get(results, kinds[i].list);

		for (size_t k = 0; k < json_array_size(list); k++) {
			if (!add_entry(side, path, i, k, json_array_get(list, k)))
				return false;
		}
	}
	return true;
}
