/*
 * What the methods of wgdp-bench rfc2544 share: trials that are recorded, sums of results, rates
 * to start from; and the list of methods. One thread. How trials become JSON: record.c.
 */
#include "bench/lab/methods.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SHORT_TRIES    3
#define TOP_TRIES      12
#define TOP_MARGIN     0.02
#define TOP_MARGIN_MAX 0.5
#define TOP_RAISE      1.5

const struct lab_method lab_methods[] = {
	{"throughput", lab_throughput, "greatest rate without loss (NDR) and with little (PDR)"},
	{"loss", lab_loss, "loss at 100 to 10 % of what the tester can offer"},
	{"back-to-back", lab_back_to_back, "longest burst without loss"},
	{"latency", lab_latency, "at no load, 10, 50 and 90 % of PDR"},
	{"recovery", lab_recovery, "how long loss goes on after an overload"},
	{"soak", lab_soak, "loss and latency over a long time"},
	{"reconfiguration", lab_reconfiguration, "how long a command blocks the traffic"},
	{"bulk", lab_bulk, "latency beside a bulk flow: buffer bloat"},
};
const unsigned int lab_n_methods = sizeof(lab_methods) / sizeof(lab_methods[0]);

int lab_run_init(struct lab_run *r)
{
	r->trials = json_array();
	r->results = json_object();
	if (r->trials && r->results)
		return 0;
	lab_run_free(r);
	return -ENOMEM;
}

void lab_run_free(struct lab_run *r)
{
	json_decref(r->trials);
	json_decref(r->results);
	r->trials = r->results = NULL;
}

/* ---- trials ---- */

struct lab_trial lab_trial_at(const struct lab_run *r, double pps, double seconds)
{
	struct lab_trial t = {.seconds = seconds, .settle_seconds = r->settings.settle_seconds};

	for (unsigned int i = 0; i < LAB_WAYS; i++) {
		if (r->ways & LAB_WAY(i))
			t.load[i].pps = pps;
	}
	return t;
}

static void tell(const struct lab_run *r, const struct lab_trial *t)
{
	double pps = t->load[t->load[LAB_ENCRYPT].pps > 0 ? LAB_ENCRYPT : LAB_DECRYPT].pps;
	char size[16] = "imix", text[192];

	if (!r->progress)
		return;
	if (r->size)
		snprintf(size, sizeof(size), "%u", r->size);
	snprintf(text, sizeof(text), "%s %s, %s %s: trial %zu, %.0f packets/s for %.3g s", size,
		 lab_ways_name(r->ways), r->method, r->what, json_array_size(r->trials) + 1, pps,
		 t->seconds);
	r->progress(text);
}

int lab_run_trial(struct lab_run *r, const struct lab_trial *t, struct lab_result *result)
{
	int rc;

	*result = (struct lab_result){0};
	tell(r, t);
	rc = r->trial(r->tester, t, result, r->error, sizeof(r->error));
	if (rc != 0)
		return rc;
	/* From nothing nothing follows, whatever the reason. */
	for (unsigned int i = 0; i < LAB_WAYS; i++) {
		if (t->load[i].pps > 0 && result->way[i].sent == 0)
			result->short_of_rate = true;
	}
	json_array_append_new(r->trials, lab_trial_json(r, t, result));
	return result->interrupted ? -EINTR : 0;
}

int lab_run_held_trial(struct lab_run *r, const struct lab_trial *t, struct lab_result *result)
{
	int rc = lab_run_trial(r, t, result);

	for (unsigned int i = 1; i < SHORT_TRIES && rc == 0 && result->short_of_rate; i++) {
		lab_result_free(result);
		rc = lab_run_trial(r, t, result);
	}
	return rc;
}

struct lab_sums lab_sum(const struct lab_counts way[LAB_WAYS])
{
	struct lab_sums s = {.held = 1};
	bool first = true;

	for (unsigned int i = 0; i < LAB_WAYS; i++) {
		const struct lab_counts *c = &way[i];
		uint64_t lost = c->sent > c->received ? c->sent - c->received : 0;
		double seconds = c->seconds > 0 ? c->seconds : 1;

		if (c->sent == 0)
			continue;
		s.sent += c->sent;
		s.received += c->received;
		s.lost += lost;
		if ((double)lost / (double)c->sent > s.loss)
			s.loss = (double)lost / (double)c->sent;
		if (c->longest_gap_seconds > s.gap_seconds)
			s.gap_seconds = c->longest_gap_seconds;
		if (first || (double)c->received / seconds < s.received_pps)
			s.received_pps = (double)c->received / seconds;
		if (c->wanted && (double)c->sent / (double)c->wanted < s.held)
			s.held = (double)c->sent / (double)c->wanted;
		first = false;
	}
	return s;
}

/* ---- rates ---- */

static double top_wanted(const struct lab_run *r, const char **limit)
{
	double pps = r->settings.max_rate;

	*limit = "asked";
	if (pps == 0 || (r->line_pps > 0 && pps > r->line_pps)) {
		*limit = "line";
		pps = r->line_pps;
	}
	if (pps > 0)
		return pps;
	*limit = "none";
	return LAB_UNKNOWN_PPS;
}

static void add_top(struct lab_run *r, double pps, const char *limit)
{
	json_t *entry;

	r->found.top = pps;
	entry = lab_result_add(r);
	json_object_set_new(entry, "pps", json_real(pps));
	json_object_set_new(entry, "limit", json_string(limit));
}

/* From a rate that the tester holds up to the one that is wanted, until it does not: what kept it
 * from holding more may have been something that is over. */
static int raise_top(struct lab_run *r, double pps, const char *limit, double wanted)
{
	double seconds = lab_search_first_seconds(r->settings.trial_seconds);
	bool holds = true;

	while (holds && pps < wanted) {
		double next = fmin(TOP_RAISE * pps, wanted);
		struct lab_trial t = lab_trial_at(r, next, seconds);
		struct lab_result result;
		int rc = lab_run_held_trial(r, &t, &result);

		holds = !result.short_of_rate;
		lab_result_free(&result);
		if (rc != 0)
			return rc;
		pps = holds ? next : pps;
	}
	add_top(r, pps, holds ? limit : "tester");
	return 0;
}

/* Down from there, until the tester holds the rate: to what it has just sent, and at each try more
 * below that. */
static int measure_top(struct lab_run *r, const char *limit, double wanted)
{
	double seconds = lab_search_first_seconds(r->settings.trial_seconds);
	double pps = wanted, margin = TOP_MARGIN;

	for (unsigned int i = 0; i < TOP_TRIES; i++) {
		struct lab_trial t = lab_trial_at(r, pps, seconds);
		struct lab_result result;
		int rc = lab_run_trial(r, &t, &result);
		bool holds = !result.short_of_rate;
		double held = lab_sum(result.way).held;

		lab_result_free(&result);
		if (rc != 0)
			return rc;
		if (holds)
			return raise_top(r, pps, limit, wanted);
		pps *= (1 - margin) * held;
		margin = fmin(2 * margin, TOP_MARGIN_MAX);
	}
	snprintf(r->error, sizeof(r->error),
		 "the tester does not hold any rate, the last that it tried is %.0f packets/s: is "
		 "another program on its CPU?",
		 pps);
	return -EBUSY;
}

int lab_run_top(struct lab_run *r)
{
	const char *method = r->method, *limit;
	double pps = top_wanted(r, &limit);
	int rc;

	if (r->found.top > 0)
		return 0;
	r->method = "top";
	rc = measure_top(r, limit, pps);
	r->method = method;
	return rc;
}

int lab_run_skip(struct lab_run *r, const char *why)
{
	json_t *skipped = json_object_get(r->results, "skipped"), *entry = json_object();

	if (!skipped) {
		skipped = json_array();
		json_object_set_new(r->results, "skipped", skipped);
	}
	json_object_set_new(entry, "method", json_string(r->method));
	json_object_set_new(entry, "way", json_string(lab_ways_name(r->ways)));
	json_object_set_new(entry, "size", lab_size_json(r->size));
	json_object_set_new(entry, "why", json_string(why));
	json_array_append_new(skipped, entry);
	return 0;
}

double lab_run_rate(struct lab_run *r, double found, double share)
{
	double pps = (r->settings.rate > 0 ? r->settings.rate : found) * share;

	if (pps > 0)
		return pps;
	lab_run_skip(r, r->found.searched ? "no rate has so little loss: see throughput"
					  : "needs a rate: by throughput, or by --rate");
	return 0;
}
