/*
 * Effective blocked time of a reconfiguration: a command runs in the middle of a trial, and what is
 * lost meanwhile is the time that the gateway stood still. A trial without it comes first.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/lab/during.h"
#include "bench/lab/methods.h"

#define RATE_SHARE  0.5 /* of the throughput: so that loss is the command's */
#define DELAY_SHARE 0.25
#define GRACE_S	    10.0

static int with_command(struct lab_run *r, const struct lab_trial *t, struct lab_during *d,
			struct lab_result *result)
{
	int rc;

	*result = (struct lab_result){0};
	rc = lab_during_begin(d);
	if (rc != 0) {
		snprintf(r->error, sizeof(r->error), "cannot run the command beside a trial: %s",
			 strerror(-rc));
		return rc;
	}
	rc = lab_run_trial(r, t, result);
	lab_during_end(d, rc == 0 ? GRACE_S : 0);
	return rc;
}

static void add(struct lab_run *r, const struct lab_trial *t, const struct lab_during *d,
		const struct lab_sums *still, const struct lab_result *result, double pps)
{
	struct lab_sums sums = lab_sum(result->way);
	json_t *entry = lab_result_add(r);

	json_object_set_new(entry, "pps", json_real(pps));
	json_object_set_new(entry, "command", json_string(d->command));
	json_object_set_new(entry, "exit_status", json_integer(d->status));
	json_object_set_new(entry, "command_at_seconds", json_real(d->at_seconds));
	json_object_set_new(entry, "command_seconds", json_real(d->for_seconds));
	json_object_set_new(entry, "lost", json_integer((json_int_t)sums.lost));
	/* Of the way that was blocked longest: its loss is a share of the time. */
	json_object_set_new(entry, "blocked_seconds", json_real(sums.loss * t->seconds));
	json_object_set_new(entry, "longest_gap_seconds", json_real(sums.gap_seconds));
	json_object_set_new(entry, "still_lost", json_integer((json_int_t)still->lost));
	json_object_set_new(entry, "still_longest_gap_seconds", json_real(still->gap_seconds));
	json_object_set_new(entry, "valid",
			    json_boolean(!result->short_of_rate && d->ran && d->status == 0 &&
					 d->at_seconds + d->for_seconds <= t->seconds));
	lab_result_latency(entry, result->way);
}

int lab_reconfiguration(struct lab_run *r)
{
	double pps = lab_run_rate(r, r->found.ndr, r->settings.rate > 0 ? 1 : RATE_SHARE);
	struct lab_trial t = lab_trial_at(r, pps, r->settings.trial_seconds);
	struct lab_during d = {.command = r->settings.during, .cpus = r->settings.cpus};
	struct lab_result result;
	struct lab_sums still;
	int rc;

	if (pps == 0)
		return 0;
	snprintf(r->what, sizeof(r->what), "without the command");
	rc = lab_run_trial(r, &t, &result);
	still = lab_sum(result.way);
	lab_result_free(&result);
	if (rc != 0)
		return rc;
	d.delay_seconds = DELAY_SHARE * t.seconds;
	snprintf(r->what, sizeof(r->what), "with the command");
	rc = with_command(r, &t, &d, &result);
	if (rc == 0)
		add(r, &t, &d, &still, &result, pps);
	lab_result_free(&result);
	if (rc == 0 && d.status != 0) {
		snprintf(r->error, sizeof(r->error),
			 "the command of --during ended with status %d: %s", d.status, d.command);
		return -ECHILD;
	}
	return rc;
}
