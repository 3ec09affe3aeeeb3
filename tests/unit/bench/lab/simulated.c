/* A gateway and a tester that are a function: see simulated.h. No time passes. */
#include "tests/unit/bench/lab/simulated.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

#define SAMPLES_MAX 1000 /* of latency */

static bool happens(struct simulated *s, double likely)
{
	return (double)(unit_random(&s->random) >> 11) / (double)(UINT64_C(1) << 53) < likely;
}

static double lost_of(struct simulated *s, double pps, double sent)
{
	double seconds = sent / pps, over = sent - s->limit_pps * seconds - s->buffer_packets;
	double lost = fmax(over, 0);

	if (s->soft_loss > 0 && pps > s->soft_from_pps)
		lost = fmax(lost, sent * s->soft_loss *
					  fmin((pps - s->soft_from_pps) /
						       (s->limit_pps - s->soft_from_pps),
					       1));
	if (s->trials >= s->pause_from && s->trials < s->pause_from + s->pause_for)
		lost = fmax(lost, pps * s->pause_seconds);
	if (happens(s, s->noise))
		lost += 1;
	return fmin(lost, sent);
}

static void one_way(struct simulated *s, const struct lab_load *load, double pps, double seconds,
		    struct lab_counts *c)
{
	double wanted = load->packets ? (double)load->packets : pps * seconds;
	double latency, sent = wanted;

	if (s->tester_pps > 0 && pps > s->tester_pps)
		sent *= s->tester_pps / pps;
	c->wanted = (uint64_t)wanted;
	c->sent = (uint64_t)sent;
	c->received = c->sent - (uint64_t)ceil(lost_of(s, pps, floor(sent)));
	c->seconds = wanted / pps;
	c->longest_gap_seconds = 1 / pps;
	if (s->trials >= s->pause_from && s->trials < s->pause_from + s->pause_for)
		c->longest_gap_seconds = s->pause_seconds;
	assert_int_equal(lab_histogram_init(&c->latency), 0);
	latency = (double)s->latency_ns * (1 + 9 * fmin(pps / s->limit_pps, 1));
	for (uint64_t i = 0; i < c->received && i < SAMPLES_MAX; i++)
		lab_histogram_add(&c->latency, (uint64_t)latency);
}

int simulated_trial(void *ctx, const struct lab_trial *t, struct lab_result *result, char *error,
		    unsigned int error_size)
{
	struct simulated *s = ctx;
	double seconds = t->seconds;

	s->trials++;
	s->seconds += t->seconds;
	if (s->trials == s->fail_at) {
		snprintf(error, error_size, "the link is down");
		return s->fail_with;
	}
	if (s->trials == s->interrupt_at) {
		result->interrupted = true;
		seconds /= 2;
	}
	for (unsigned int i = 0; i < LAB_WAYS; i++) {
		double pps = t->load[i].pps;

		if (pps == 0)
			continue;
		s->greatest_pps = fmax(s->greatest_pps, pps);
		/* A bulk flow is load for the gateway as any other. */
		one_way(s, &t->load[i], pps + t->bulk_pps, seconds * pps / (pps + t->bulk_pps),
			&result->way[i]);
		if (t->bulk_pps > 0)
			one_way(s, &(struct lab_load){.pps = t->bulk_pps}, t->bulk_pps, seconds,
				&result->bulk[i]);
		if (result->way[i].sent < result->way[i].wanted * 995 / 1000)
			result->short_of_rate = true;
	}
	if (happens(s, s->noise_short))
		result->short_of_rate = true;
	return 0;
}
