/*
 * Throughput (RFC 2544 26.1) by the search of search.h: at zero loss (NDR), and at a small one
 * (PDR). With both ways each has the rate, and each its loss within the goal.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/lab/methods.h"

static int measure(void *ctx, double pps, double seconds, struct lab_point *point)
{
	struct lab_run *r = ctx;
	struct lab_trial t = lab_trial_at(r, pps, seconds);
	struct lab_result result;
	int rc = lab_run_trial(r, &t, &result);
	struct lab_sums sums = lab_sum(result.way);

	*point = (struct lab_point){.loss = sums.loss,
				    .received_pps = sums.received_pps,
				    .short_of_rate = result.short_of_rate};
	lab_result_free(&result);
	return rc;
}

static void add_bound(json_t *entry, const char *side, const struct lab_bound *b)
{
	char name[32];

	json_object_set_new(entry, side, json_real(b->pps));
	snprintf(name, sizeof(name), "%s_good", side);
	json_object_set_new(entry, name, json_integer(b->good));
	snprintf(name, sizeof(name), "%s_bad", side);
	json_object_set_new(entry, name, json_integer(b->bad));
}

static const char *ended(const struct lab_found *f, int rc)
{
	if (f->ended != LAB_ENDED_EARLY)
		return lab_ended_name(f->ended);
	return rc == -EINTR ? "interrupted" : "error";
}

static void add(struct lab_run *r, const struct lab_search *s, const char *goal, double loss,
		const struct lab_found *f, int rc)
{
	json_t *entry = lab_result_add(r);

	json_object_set_new(entry, "goal", json_string(goal));
	json_object_set_new(entry, "loss_goal", json_real(loss));
	json_object_set_new(entry, "pps", json_real(f->lower.pps));
	add_bound(entry, "lower", &f->lower);
	add_bound(entry, "upper", &f->upper);
	json_object_set_new(entry, "width", json_real(f->width));
	json_object_set_new(entry, "ended", json_string(ended(f, rc)));
	json_object_set_new(entry, "trial_seconds", json_real(f->trial_seconds));
	json_object_set_new(entry, "repeat", json_integer(s->repeat));
	json_object_set_new(entry, "trials", json_integer(f->trials));
	json_object_set_new(entry, "seconds", json_real(f->seconds));
	json_object_set_new(entry, "min_pps", json_real(s->min_pps));
	json_object_set_new(entry, "max_pps", json_real(s->max_pps));
	json_object_set_new(entry, "received_pps", json_real(f->lower.received_pps));
}

int lab_throughput(struct lab_run *r)
{
	struct lab_search s = {.measure = measure,
			       .ctx = r,
			       .min_pps = LAB_MIN_PPS,
			       .width = r->settings.width,
			       .seconds = r->settings.trial_seconds,
			       .repeat = r->settings.repeat};
	struct lab_found found;
	int rc = lab_run_top(r);

	if (rc != 0)
		return rc;
	s.max_pps = r->found.top;
	if (s.min_pps > s.max_pps)
		s.min_pps = s.max_pps;
	lab_search_init(&s);
	snprintf(r->what, sizeof(r->what), "without loss");
	rc = lab_search_goal(&s, 0, &found);
	add(r, &s, "NDR", 0, &found, rc);
	r->found.ndr = rc == 0 ? found.lower.pps : 0;
	if (rc == 0) {
		snprintf(r->what, sizeof(r->what), "with %g %% loss", 100 * r->settings.loss);
		rc = lab_search_goal(&s, r->settings.loss, &found);
		add(r, &s, "PDR", r->settings.loss, &found, rc);
		r->found.pdr = rc == 0 ? found.lower.pps : 0;
	}
	r->found.searched = true;
	lab_search_free(&s);
	if (rc == -ENOMEM && !r->error[0])
		snprintf(r->error, sizeof(r->error), "out of memory");
	return rc;
}
