/*
 * Latency: at shares of the greatest rate with little loss, and beside a bulk flow that fills the
 * gateway (buffer bloat). Latencies are those of all packets of a trial.
 */
#include <math.h>
#include <stdio.h>

#include "bench/lab/methods.h"

#define THIN_SHARE 0.01 /* of PDR: the flow whose latency is taken beside a bulk flow */
#define THIN_MAX   10000.0

/* Adds a trial's loss and latencies; the entry is there too if it was interrupted. */
static int one(struct lab_run *r, const struct lab_trial *t, json_t **entry)
{
	struct lab_result result;
	int rc = lab_run_held_trial(r, t, &result);

	*entry = NULL;
	if (rc == 0 || result.interrupted) {
		*entry = lab_result_add(r);
		json_object_set_new(
			*entry, "pps",
			json_real(fmax(t->load[LAB_ENCRYPT].pps, t->load[LAB_DECRYPT].pps)));
		json_object_set_new(*entry, "bulk_pps", json_real(t->bulk_pps));
		json_object_set_new(*entry, "bulk_loss", json_real(lab_sum(result.bulk).loss));
		lab_result_loss(*entry, &result);
		lab_result_latency(*entry, result.way);
	}
	lab_result_free(&result);
	return rc;
}

int lab_latency(struct lab_run *r)
{
	static const double percents[] = {0, 10, 50, 90};
	double pdr = lab_run_rate(r, r->found.pdr, 1);
	int rc = 0;

	if (pdr == 0)
		return 0;
	for (unsigned int i = 0; i < sizeof(percents) / sizeof(percents[0]) && rc == 0; i++) {
		double pps = i == 0 ? fmin(LAB_IDLE_PPS, pdr) : pdr * percents[i] / 100;
		struct lab_trial t = lab_trial_at(r, pps, r->settings.trial_seconds);
		json_t *entry;

		snprintf(r->what, sizeof(r->what), "at %g %%", percents[i]);
		rc = one(r, &t, &entry);
		json_object_set_new(entry, "percent", json_real(percents[i]));
	}
	return rc;
}

int lab_bulk(struct lab_run *r)
{
	static const double percents[] = {0, 50, 100, 120};
	double pdr = lab_run_rate(r, r->found.pdr, 1), thin;
	int rc = 0;

	if (pdr == 0)
		return 0;
	thin = fmin(fmax(THIN_SHARE * pdr, LAB_IDLE_PPS), THIN_MAX);
	for (unsigned int i = 0; i < sizeof(percents) / sizeof(percents[0]) && rc == 0; i++) {
		struct lab_trial t = lab_trial_at(r, thin, r->settings.trial_seconds);
		json_t *entry;

		t.bulk_pps = pdr * percents[i] / 100;
		if (r->bulk_line_pps > 0)
			t.bulk_pps = fmin(t.bulk_pps, fmax(r->bulk_line_pps - thin, 0));
		snprintf(r->what, sizeof(r->what), "beside %.0f packets/s", t.bulk_pps);
		rc = one(r, &t, &entry);
		json_object_set_new(entry, "percent", json_real(percents[i]));
	}
	return rc;
}
