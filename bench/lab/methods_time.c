/*
 * What takes its time: recovery after an overload (RFC 2544 26.5), in slices of short trials, and
 * a soak in intervals.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "bench/lab/methods.h"

#define OVERLOAD_SHARE 1.1 /* of the throughput, RFC 2544 */
#define RELIEF_SHARE   0.5
#define SLICE_S	       0.1
#define SLICE_SETTLE_S 0.01
#define SLICES_CLEAN   5   /* without loss, in a row: it has recovered */
#define SLICES_MAX     300 /* then it has not */
#define SOAK_SHARE     0.9

/* ---- recovery ---- */

struct recovery {
	double pps, over_pps;
	double begun_loss; /* of the overload */
	json_t *slices;
	unsigned int clean; /* in a row */
	double lossy_until; /* seconds of relief, to the end of the last slice with loss */
	bool valid;
};

/* What is still in the gateway when it ends is neither waited for nor lost. */
static int overload(struct lab_run *r, struct recovery *x)
{
	struct lab_trial t = lab_trial_at(r, x->over_pps, r->settings.trial_seconds);
	struct lab_result result;
	int rc;

	t.settle_seconds = 0;
	snprintf(r->what, sizeof(r->what), "overload");
	rc = lab_run_trial(r, &t, &result);
	x->begun_loss = lab_sum(result.way).loss;
	x->valid = !result.short_of_rate;
	lab_result_free(&result);
	return rc;
}

static int slice(struct lab_run *r, struct recovery *x)
{
	struct lab_trial t = lab_trial_at(r, x->pps, SLICE_S);
	struct lab_result result;
	int rc;

	t.settle_seconds = SLICE_SETTLE_S;
	rc = lab_run_trial(r, &t, &result);
	if (rc == 0) {
		double loss = lab_sum(result.way).loss;

		json_array_append_new(x->slices, json_real(loss));
		x->clean = loss == 0 ? x->clean + 1 : 0;
		if (loss > 0)
			x->lossy_until = SLICE_S * (double)json_array_size(x->slices);
		x->valid = x->valid && !result.short_of_rate;
	}
	lab_result_free(&result);
	return rc;
}

int lab_recovery(struct lab_run *r)
{
	struct recovery x = {.pps = lab_run_rate(r, r->found.ndr, RELIEF_SHARE)};
	json_t *entry;
	int rc;

	if (x.pps == 0)
		return 0;
	x.over_pps = x.pps / RELIEF_SHARE * OVERLOAD_SHARE;
	if (r->line_pps > 0)
		x.over_pps = fmin(x.over_pps, r->line_pps);
	if (r->found.top > 0)
		x.over_pps = fmin(x.over_pps, r->found.top);
	if (x.over_pps <= x.pps / RELIEF_SHARE)
		return lab_run_skip(r, "neither tester nor line can do more than the throughput: "
				       "no overload");
	x.slices = json_array();
	rc = overload(r, &x);
	snprintf(r->what, sizeof(r->what), "relief");
	while (rc == 0 && x.clean < SLICES_CLEAN && json_array_size(x.slices) < SLICES_MAX)
		rc = slice(r, &x);
	if (rc == 0 || rc == -EINTR) {
		entry = lab_result_add(r);
		json_object_set_new(entry, "overload_pps", json_real(x.over_pps));
		json_object_set_new(entry, "overload_seconds",
				    json_real(r->settings.trial_seconds));
		json_object_set_new(entry, "overload_loss", json_real(x.begun_loss));
		json_object_set_new(entry, "pps", json_real(x.pps));
		json_object_set_new(entry, "slice_seconds", json_real(SLICE_S));
		json_object_set_new(entry, "recovery_seconds", json_real(x.lossy_until));
		json_object_set_new(entry, "recovered", json_boolean(x.clean >= SLICES_CLEAN));
		json_object_set_new(entry, "valid", json_boolean(x.valid && rc == 0));
		json_object_set(entry, "slices", x.slices);
	}
	json_decref(x.slices);
	return rc;
}

/* ---- soak ---- */

struct soak {
	double seconds;
	uint64_t sent, lost;
	bool valid;
	struct lab_histogram latency;
	json_t *intervals;
};

static void describe(json_t *entry, double seconds, uint64_t sent, uint64_t lost, bool valid,
		     const struct lab_histogram *latency)
{
	json_object_set_new(entry, "seconds", json_real(seconds));
	json_object_set_new(entry, "sent", json_integer((json_int_t)sent));
	json_object_set_new(entry, "lost", json_integer((json_int_t)lost));
	json_object_set_new(entry, "loss", json_real(sent ? (double)lost / (double)sent : 0));
	json_object_set_new(entry, "valid", json_boolean(valid));
	lab_result_histogram(entry, latency);
}

static void add_interval(struct soak *s, const struct lab_result *result, double seconds)
{
	struct lab_sums sums = lab_sum(result->way);
	struct lab_histogram both;
	json_t *interval = json_object();

	if (lab_histogram_init(&both) == 0) {
		for (unsigned int i = 0; i < LAB_WAYS; i++)
			lab_histogram_merge(&both, &result->way[i].latency);
		lab_histogram_merge(&s->latency, &both);
		describe(interval, seconds, sums.sent, sums.lost, !result->short_of_rate, &both);
		lab_histogram_free(&both);
	}
	json_array_append_new(s->intervals, interval);
	s->seconds += seconds;
	s->sent += sums.sent;
	s->lost += sums.lost;
	s->valid = s->valid && !result->short_of_rate;
}

/* What an interrupted interval has measured counts as well: a soak is often ended by hand. */
static int interval(struct lab_run *r, struct soak *s, double pps)
{
	double left = r->settings.seconds - s->seconds;
	struct lab_trial t = lab_trial_at(r, pps, fmin(r->settings.trial_seconds, left));
	struct lab_result result;
	double seconds;
	int rc;

	snprintf(r->what, sizeof(r->what), "%.0f of %.0f s, %llu lost", s->seconds,
		 r->settings.seconds, (unsigned long long)s->lost);
	rc = lab_run_trial(r, &t, &result);
	seconds = fmax(result.way[LAB_ENCRYPT].seconds, result.way[LAB_DECRYPT].seconds);
	if (rc == 0)
		add_interval(s, &result, t.seconds);
	else if (result.interrupted && lab_sum(result.way).sent)
		add_interval(s, &result, seconds);
	lab_result_free(&result);
	return rc;
}

int lab_soak(struct lab_run *r)
{
	double pps = lab_run_rate(r, r->found.ndr, r->settings.rate > 0 ? 1 : SOAK_SHARE);
	struct soak s = {.valid = true};
	json_t *entry;
	int rc;

	if (pps == 0)
		return 0;
	rc = lab_histogram_init(&s.latency);
	if (rc != 0) {
		snprintf(r->error, sizeof(r->error), "out of memory");
		return rc;
	}
	s.intervals = json_array();
	while (rc == 0 && s.seconds < r->settings.seconds)
		rc = interval(r, &s, pps);
	entry = lab_result_add(r);
	json_object_set_new(entry, "pps", json_real(pps));
	describe(entry, s.seconds, s.sent, s.lost, s.valid, &s.latency);
	json_object_set(entry, "intervals", s.intervals);
	json_decref(s.intervals);
	lab_histogram_free(&s.latency);
	return rc;
}
