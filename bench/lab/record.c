/* Trials and latencies as JSON, with every count (wgdp-bench(1), RFC2544 AS JSON). */
#include "bench/lab/methods.h"

static const char *const way_names[LAB_WAYS] = {
	[LAB_ENCRYPT] = "encrypt",
	[LAB_DECRYPT] = "decrypt",
};
static const char *const bulk_names[LAB_WAYS] = {
	[LAB_ENCRYPT] = "bulk_encrypt",
	[LAB_DECRYPT] = "bulk_decrypt",
};

const char *lab_ways_name(unsigned int ways)
{
	if (ways == LAB_WAY_BOTH)
		return "both";
	return way_names[ways == LAB_WAY(LAB_ENCRYPT) ? LAB_ENCRYPT : LAB_DECRYPT];
}

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static void add_pair(void *ctx, uint64_t value, uint64_t n)
{
	json_t *pair = json_array();

	json_array_append_new(pair, count(value));
	json_array_append_new(pair, count(n));
	json_array_append_new(ctx, pair);
}

static json_t *counts_json(double pps, uint64_t packets, const struct lab_counts *c)
{
	json_t *j = json_object(), *latency = json_array();

	json_object_set_new(j, "pps", json_real(pps));
	json_object_set_new(j, "packets", count(packets));
	json_object_set_new(j, "wanted", count(c->wanted));
	json_object_set_new(j, "sent", count(c->sent));
	json_object_set_new(j, "received", count(c->received));
	json_object_set_new(j, "duplicates", count(c->duplicates));
	json_object_set_new(j, "reordered", count(c->reordered));
	json_object_set_new(j, "corrupt", count(c->corrupt));
	json_object_set_new(j, "strange", count(c->strange));
	json_object_set_new(j, "seconds", json_real(c->seconds));
	json_object_set_new(j, "longest_gap_seconds", json_real(c->longest_gap_seconds));
	lab_histogram_each(&c->latency, add_pair, latency);
	json_object_set_new(j, "latency", latency);
	return j;
}

json_t *lab_size_json(unsigned int size)
{
	return size ? json_integer((json_int_t)size) : json_string("imix");
}

json_t *lab_trial_json(const struct lab_run *r, const struct lab_trial *t,
		       const struct lab_result *result)
{
	json_t *j = json_object();

	json_object_set_new(j, "method", json_string(r->method));
	json_object_set_new(j, "way", json_string(lab_ways_name(r->ways)));
	json_object_set_new(j, "size", lab_size_json(r->size));
	json_object_set_new(j, "seconds", json_real(t->seconds));
	json_object_set_new(j, "settle_seconds", json_real(t->settle_seconds));
	json_object_set_new(j, "short_of_rate", json_boolean(result->short_of_rate));
	json_object_set_new(j, "interrupted", json_boolean(result->interrupted));
	for (unsigned int i = 0; i < LAB_WAYS; i++) {
		if (t->load[i].pps > 0)
			json_object_set_new(
				j, way_names[i],
				counts_json(t->load[i].pps, t->load[i].packets, &result->way[i]));
		if (t->load[i].pps > 0 && t->bulk_pps > 0)
			json_object_set_new(j, bulk_names[i],
					    counts_json(t->bulk_pps, 0, &result->bulk[i]));
	}
	return j;
}

json_t *lab_result_add(struct lab_run *r)
{
	json_t *list = json_object_get(r->results, r->method), *entry = json_object();

	if (!list) {
		list = json_array();
		json_object_set_new(r->results, r->method, list);
	}
	json_object_set_new(entry, "way", json_string(lab_ways_name(r->ways)));
	json_object_set_new(entry, "size", lab_size_json(r->size));
	json_array_append_new(list, entry);
	return entry;
}

void lab_result_histogram(json_t *entry, const struct lab_histogram *h)
{
	static const struct {
		const char *name;
		double percent;
	} percentiles[] = {{"p50", 50},	    {"p90", 90},       {"p99", 99},
			   {"p99_9", 99.9}, {"p99_99", 99.99}, {"p99_999", 99.999}};
	json_t *j = json_object();

	json_object_set_new(j, "n", count(h->n));
	json_object_set_new(j, "min", count(h->min));
	json_object_set_new(j, "mean", json_real(lab_histogram_mean(h)));
	for (unsigned int i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++)
		json_object_set_new(j, percentiles[i].name,
				    count(lab_histogram_percentile(h, percentiles[i].percent)));
	json_object_set_new(j, "max", count(h->max));
	json_object_set_new(entry, "latency", j);
}

void lab_result_latency(json_t *entry, const struct lab_counts way[LAB_WAYS])
{
	struct lab_histogram both;

	if (lab_histogram_init(&both) != 0)
		return;
	for (unsigned int i = 0; i < LAB_WAYS; i++)
		lab_histogram_merge(&both, &way[i].latency);
	lab_result_histogram(entry, &both);
	lab_histogram_free(&both);
}

void lab_result_loss(json_t *entry, const struct lab_result *result)
{
	struct lab_sums sums = lab_sum(result->way);

	json_object_set_new(entry, "loss", json_real(sums.loss));
	json_object_set_new(entry, "valid",
			    json_boolean(!result->short_of_rate && !result->interrupted));
}
