/* The search for the greatest rate with a loss within a goal: see search.h. One thread. */
#include "bench/lab/search.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define FIRST_SHARE   10  /* the first phase's trials are so much shorter than the last one's */
#define FIRST_MIN_S   0.1 /* but not shorter than this, */
#define FIRST_MAX_S   1.0 /* and not longer */
#define SHORT_TRIES   3	  /* until it is believed that the tester cannot */
#define STEP_MAX      0.5 /* of the rate, when looking for a missing bound */
#define MEASURED_ROOM 64

struct lab_measured {
	double pps, loss, received_pps;
	unsigned int phase;
};

enum verdict { UNKNOWN, LOWER, UPPER };

/* Of one phase of one goal. */
struct phase {
	unsigned int number;
	double loss, width;
	double hint_lower, hint_upper; /* bounds of the phase before; 0: none */
	bool hint_rate_used;
	double step; /* the next one, outwards */
};

struct bounds {
	double lower, upper; /* 0: none */
	bool by_tester;	     /* the upper one */
};

double lab_search_first_seconds(double seconds)
{
	double first = fmin(fmax(seconds / FIRST_SHARE, FIRST_MIN_S), FIRST_MAX_S);

	return fmin(first, seconds);
}

const char *lab_ended_name(enum lab_ended ended)
{
	static const char *const names[] = {
		[LAB_ENDED_WIDTH] = "width",   [LAB_ENDED_MAX] = "max",	    [LAB_ENDED_MIN] = "min",
		[LAB_ENDED_TESTER] = "tester", [LAB_ENDED_EARLY] = "early",
	};

	return names[ended];
}

void lab_search_init(struct lab_search *s)
{
	double first = lab_search_first_seconds(s->seconds);

	s->measured = NULL;
	s->n = s->room = 0;
	s->tester_pps = 0;
	s->phases = first < s->seconds ? LAB_PHASES_MAX : 1;
	for (unsigned int i = 0; i < s->phases; i++)
		s->phase_seconds[i] = s->phases == 1
					      ? s->seconds
					      : first * pow(s->seconds / first,
							    (double)i / (LAB_PHASES_MAX - 1));
}

void lab_search_free(struct lab_search *s)
{
	free(s->measured);
	s->measured = NULL;
	s->n = s->room = 0;
}

/* ---- what trials say ---- */

/* Longer trials count for a phase of shorter ones too. */
static struct lab_bound tally(const struct lab_search *s, const struct phase *p, double pps)
{
	struct lab_bound b = {.pps = pps};

	for (unsigned int i = 0; i < s->n; i++) {
		const struct lab_measured *m = &s->measured[i];

		if (m->pps != pps || m->phase < p->number)
			continue;
		if (m->loss <= p->loss)
			b.good++;
		else
			b.bad++;
		b.received_pps += m->received_pps;
	}
	if (b.good + b.bad)
		b.received_pps /= b.good + b.bad;
	return b;
}

/* More than half of the trials of a rate must be within the goal. Those that cannot change that any
 * more are not made. */
static enum verdict judge(const struct lab_search *s, const struct phase *p, double pps)
{
	unsigned int repeat = p->number + 1 == s->phases ? s->repeat : 1;
	struct lab_bound b = tally(s, p, pps);

	if (b.good + b.bad > repeat)
		repeat = b.good + b.bad;
	if (2 * b.good > repeat)
		return LOWER;
	return 2 * b.bad >= repeat ? UPPER : UNKNOWN;
}

/* If a rate is within the goal though a smaller one is not, the smaller one counts. */
static struct bounds bounds_of(const struct lab_search *s, const struct phase *p)
{
	struct bounds b = {.upper = s->tester_pps, .by_tester = s->tester_pps > 0};

	for (unsigned int i = 0; i < s->n; i++) {
		double pps = s->measured[i].pps;

		if ((b.upper == 0 || pps < b.upper) && judge(s, p, pps) == UPPER) {
			b.upper = pps;
			b.by_tester = false;
		}
	}
	for (unsigned int i = 0; i < s->n; i++) {
		double pps = s->measured[i].pps;

		if (pps > b.lower && (b.upper == 0 || pps < b.upper) && judge(s, p, pps) == LOWER)
			b.lower = pps;
	}
	return b;
}

/* ---- where to try next ---- */

/* Steps outwards double. */
static double step(struct phase *p)
{
	double now = p->step;

	p->step = fmin(2 * now, STEP_MAX);
	return now;
}

/* Only an upper bound is known. */
static double below(const struct lab_search *s, struct phase *p, const struct bounds *b)
{
	struct lab_bound upper = tally(s, p, b->upper);

	if (p->hint_lower > 0 && p->hint_lower < b->upper)
		return p->hint_lower;
	/* What an overloaded gateway passed on is a good guess, once. */
	if (!p->hint_rate_used && upper.received_pps > s->min_pps &&
	    upper.received_pps < b->upper * (1 - p->width)) {
		p->hint_rate_used = true;
		return upper.received_pps;
	}
	return fmax(b->upper * (1 - step(p)), s->min_pps);
}

/* Only a lower bound is known. */
static double above(const struct lab_search *s, struct phase *p, const struct bounds *b)
{
	if (p->hint_upper > b->lower)
		return p->hint_upper;
	return fmin(b->lower / (1 - step(p)), s->max_pps);
}

static double begin(const struct lab_search *s, const struct phase *p)
{
	if (p->hint_lower > 0)
		return p->hint_lower;
	return p->hint_upper > 0 ? p->hint_upper : s->max_pps;
}

/* 0: this phase knows what it can. */
static double next(const struct lab_search *s, struct phase *p)
{
	struct bounds b = bounds_of(s, p);

	if (b.lower == 0 && b.upper == 0)
		return begin(s, p);
	if (b.lower == 0)
		return b.upper <= s->min_pps ? 0 : below(s, p, &b);
	if (b.upper == 0)
		return b.lower >= s->max_pps ? 0 : above(s, p, &b);
	p->step = p->width;
	return (b.upper - b.lower) / b.upper <= p->width ? 0 : sqrt(b.lower * b.upper);
}

/* ---- trials ---- */

static int keep(struct lab_search *s, const struct lab_measured *m)
{
	if (s->n == s->room) {
		unsigned int room = s->room ? 2 * s->room : MEASURED_ROOM;
		struct lab_measured *more = realloc(s->measured, room * sizeof(more[0]));

		if (!more)
			return -ENOMEM;
		s->measured = more;
		s->room = room;
	}
	s->measured[s->n++] = *m;
	return 0;
}

/* One rate, until there is a verdict, or the tester has failed to offer it. */
static int try_rate(struct lab_search *s, const struct phase *p, double pps,
		    struct lab_found *found)
{
	double seconds = s->phase_seconds[p->number];
	unsigned int shorts = 0;

	while (judge(s, p, pps) == UNKNOWN) {
		struct lab_point point = {0};
		int rc = s->measure(s->ctx, pps, seconds, &point);

		if (rc != 0)
			return rc;
		found->trials++;
		found->seconds += seconds;
		if (point.short_of_rate) {
			if (++shorts < SHORT_TRIES)
				continue;
			s->tester_pps = s->tester_pps > 0 ? fmin(s->tester_pps, pps) : pps;
			return 0;
		}
		rc = keep(s,
			  &(struct lab_measured){pps, point.loss, point.received_pps, p->number});
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void conclude(const struct lab_search *s, const struct phase *p, int rc,
		     struct lab_found *found)
{
	struct bounds b = bounds_of(s, p);
	struct phase of = *p;

	/* Ended early, before this phase has found both: what the one before it found. */
	if (rc != 0 && (b.lower == 0 || b.upper == 0) && p->number > 0) {
		of.number--;
		b = bounds_of(s, &of);
	}
	found->trial_seconds = s->phase_seconds[of.number];
	found->lower = b.lower > 0 ? tally(s, &of, b.lower) : (struct lab_bound){0};
	found->upper = b.upper > 0 ? tally(s, &of, b.upper) : (struct lab_bound){0};
	found->width = b.lower > 0 && b.upper > 0 ? (b.upper - b.lower) / b.upper : 1;
	if (rc != 0)
		found->ended = LAB_ENDED_EARLY;
	else if (b.by_tester)
		found->ended = LAB_ENDED_TESTER;
	else if (b.lower > 0)
		found->ended = b.upper > 0 ? LAB_ENDED_WIDTH : LAB_ENDED_MAX;
	else
		found->ended = LAB_ENDED_MIN;
}

int lab_search_goal(struct lab_search *s, double loss, struct lab_found *found)
{
	struct phase p = {.loss = loss};
	double tester_before = 0;
	int rc = 0;

	*found = (struct lab_found){0};
	s->tester_pps = 0;
	for (unsigned int i = 0; i < s->phases && rc == 0; i++) {
		struct bounds b = {0};
		double pps;

		if (i > 0)
			b = bounds_of(s, &p);
		/* What disturbed the tester may be over: this phase finds out. */
		tester_before = s->tester_pps;
		s->tester_pps = 0;
		p = (struct phase){
			.number = i, .loss = loss, .hint_lower = b.lower, .hint_upper = b.upper};
		/* Each phase twice as narrow as the one before it. */
		p.width = s->width * (double)(1u << (s->phases - 1 - i));
		p.step = p.width;
		while (rc == 0 && (pps = next(s, &p)) > 0)
			rc = try_rate(s, &p, pps, found);
	}
	if (rc != 0 && s->tester_pps == 0)
		s->tester_pps = tester_before;
	conclude(s, &p, rc, found);
	return rc;
}
