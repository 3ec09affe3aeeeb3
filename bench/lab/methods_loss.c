/*
 * Frame loss by rate (RFC 2544 26.3), and back-to-back bursts (26.4 and RFC 9004): what a gateway
 * does with more than it can forward.
 */
#include <math.h>
#include <stdio.h>

#include "bench/lab/methods.h"

#define LOSS_OF_PDR	2 /* where neither the user nor a line says what is most */
#define LOSS_STEPS	10
#define BURST_MAX_S	2.0  /* RFC 9004: the length of a trial */
#define BURST_FIRST	64   /* packets */
#define BURST_PRECISION 0.01 /* of its length */
#define BURST_SLACK_S	0.5  /* what a burst may take longer, before it is given up */

/* What the tester can may be far more than any gateway. */
static double greatest(const struct lab_run *r)
{
	if (r->settings.max_rate == 0 && r->line_pps == 0 && r->found.pdr > 0)
		return fmin(r->found.top, LOSS_OF_PDR * r->found.pdr);
	return r->found.top;
}

int lab_loss(struct lab_run *r)
{
	int rc = lab_run_top(r);
	double top = greatest(r);

	for (unsigned int i = LOSS_STEPS; i > 0 && rc == 0; i--) {
		double pps = top * i / LOSS_STEPS;
		struct lab_trial t = lab_trial_at(r, pps, r->settings.trial_seconds);
		struct lab_result result;
		json_t *entry;

		snprintf(r->what, sizeof(r->what), "at %u %%", 100 * i / LOSS_STEPS);
		rc = lab_run_held_trial(r, &t, &result);
		if (rc == 0) {
			entry = lab_result_add(r);
			json_object_set_new(entry, "percent",
					    json_integer((json_int_t)100 * i / LOSS_STEPS));
			json_object_set_new(entry, "pps", json_real(pps));
			json_object_set_new(entry, "received_pps",
					    json_real(lab_sum(result.way).received_pps));
			lab_result_loss(entry, &result);
		}
		lab_result_free(&result);
	}
	return rc;
}

/* ---- back to back ---- */

struct bursts {
	double pps;
	uint64_t max; /* packets */
	unsigned int n;
	double sum, squares, min, longest;
	json_t *all;
};

/* A burst that the tester was late with says nothing. 0: *whole is set; 1: it is always late. */
static int burst(struct lab_run *r, double pps, uint64_t packets, bool *whole)
{
	struct lab_trial t = lab_trial_at(r, pps, (double)packets / pps + BURST_SLACK_S);
	struct lab_result result;
	bool late;
	int rc;

	for (unsigned int i = 0; i < LAB_WAYS; i++)
		t.load[i].packets = t.load[i].pps > 0 ? packets : 0;
	rc = lab_run_held_trial(r, &t, &result);
	late = result.short_of_rate;
	*whole = lab_sum(result.way).lost == 0;
	lab_result_free(&result);
	return rc != 0 ? rc : late;
}

/* The longest burst without loss: doubled until one is lost, then halved in between. */
static int longest(struct lab_run *r, struct bursts *b, uint64_t *packets)
{
	uint64_t good = 0, bad = b->max + 1;
	uint64_t next = BURST_FIRST < b->max ? BURST_FIRST : b->max;

	while (next > good && next < bad) {
		bool whole;
		int rc = burst(r, b->pps, next, &whole);

		if (rc != 0)
			return rc;
		if (whole)
			good = next;
		else
			bad = next;
		if (good == b->max || bad - good <= 1 + (uint64_t)(BURST_PRECISION * (double)good))
			break;
		next = bad > b->max && 2 * good < b->max ? 2 * good
		       : bad > b->max			 ? b->max
							 : good + (bad - good) / 2;
	}
	*packets = good;
	return 0;
}

static void count(struct bursts *b, uint64_t packets)
{
	double x = (double)packets;

	json_array_append_new(b->all, json_integer((json_int_t)packets));
	b->min = b->n == 0 ? x : fmin(b->min, x);
	b->longest = fmax(b->longest, x);
	b->sum += x;
	b->squares += x * x;
	b->n++;
}

static void conclude(struct lab_run *r, const struct bursts *b)
{
	double mean = b->n ? b->sum / b->n : 0, spread, buffer = mean / b->pps;
	json_t *entry = lab_result_add(r);

	spread = b->n > 1 ? (b->squares - b->sum * mean) / (b->n - 1) : 0;
	json_object_set_new(entry, "pps", json_real(b->pps));
	json_object_set(entry, "bursts", b->all);
	json_object_set_new(entry, "mean", json_real(mean));
	json_object_set_new(entry, "min", json_real(b->min));
	json_object_set_new(entry, "max", json_real(b->longest));
	json_object_set_new(entry, "deviation", json_real(sqrt(fmax(spread, 0))));
	json_object_set_new(entry, "at_limit", json_boolean(b->longest >= (double)b->max));
	json_object_set_new(entry, "buffer_seconds", json_real(buffer));
	/* RFC 9004 6.4: meanwhile the gateway has forwarded at its throughput. */
	if (r->found.ndr > 0 && b->longest < (double)b->max)
		json_object_set_new(entry, "corrected_buffer_seconds",
				    json_real(buffer * fmax(1 - r->found.ndr / b->pps, 0)));
}

int lab_back_to_back(struct lab_run *r)
{
	struct bursts b = {0};
	int rc = lab_run_top(r);

	if (rc != 0)
		return rc;
	b.pps = r->found.top;
	b.max = (uint64_t)fmax(b.pps * BURST_MAX_S, 1);
	b.all = json_array();
	for (unsigned int i = 0; i < r->settings.repeat && rc == 0; i++) {
		uint64_t packets;

		snprintf(r->what, sizeof(r->what), "%u of %u", i + 1, r->settings.repeat);
		rc = longest(r, &b, &packets);
		if (rc == 0)
			count(&b, packets);
	}
	if (b.n)
		conclude(r, &b);
	json_decref(b.all);
	if (rc == 1)
		return lab_run_skip(r, "the tester was late with its bursts");
	return rc;
}
