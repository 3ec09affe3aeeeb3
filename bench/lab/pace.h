/*
 * When packets are due: slots at even distances from a start on, by the TSC. What the loop is late
 * by is caught up with, but not more than so many packets: a gateway would see a burst that nobody
 * asked for. Header only, one thread.
 */
#ifndef BENCH_LAB_PACE_H
#define BENCH_LAB_PACE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define LAB_LATE_MAX 256 /* packets */

struct lab_pace {
	uint64_t start;	  /* TSC: the first slot */
	double per_cycle; /* slots */
	uint64_t slots;	  /* in all */
	uint64_t passed;  /* used or skipped */
	uint64_t skipped;
};

/* packets: so many slots; 0: as many as begin within seconds. pps is more than 0. */
static inline void lab_pace_start(struct lab_pace *p, uint64_t now, double tsc_hz, double pps,
				  double seconds, uint64_t packets)
{
	*p = (struct lab_pace){
		.start = now,
		.per_cycle = pps / tsc_hz,
		/* 0.1 s at 100 a second are 10, whatever floating point says of 0.1. */
		.slots = packets ? packets : (uint64_t)ceil(pps * seconds - 1e-6),
	};
}

/* All slots have passed. */
static inline bool lab_pace_ended(const struct lab_pace *p)
{
	return p->passed >= p->slots;
}

/* Slots that are due now: LAB_LATE_MAX at most, what is more is skipped. */
static inline uint32_t lab_pace_due(struct lab_pace *p, uint64_t now)
{
	double begun = now < p->start ? 0 : (double)(now - p->start) * p->per_cycle + 1;
	uint64_t until = begun < (double)p->slots ? (uint64_t)begun : p->slots;
	uint64_t due = until > p->passed ? until - p->passed : 0;

	if (due > LAB_LATE_MAX) {
		p->skipped += due - LAB_LATE_MAX;
		p->passed += due - LAB_LATE_MAX;
		due = LAB_LATE_MAX;
	}
	return (uint32_t)due;
}

static inline void lab_pace_used(struct lab_pace *p, uint32_t n)
{
	p->passed += n;
}

#endif
