/*
 * How often something may happen: a rate with a burst, in 24 bytes (the generic cell rate
 * algorithm, ITU-T I.371). Header only; each limit belongs to one thread.
 */
#ifndef CONTROL_LIMIT_H
#define CONTROL_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct ctl_limit {
	uint64_t every_ns; /* one per this time in the long run */
	uint64_t burst;	   /* so many at once after a pause */
	uint64_t owed_ns;  /* up to when the past is paid for; 0 at start */
};

/* May it happen now? If so it counts. */
static inline bool ctl_limit_take(struct ctl_limit *l, uint64_t now_ns)
{
	uint64_t owed_ns = l->owed_ns > now_ns ? l->owed_ns : now_ns;

	if (owed_ns - now_ns > (l->burst - 1) * l->every_ns)
		return false;
	l->owed_ns = owed_ns + l->every_ns;
	return true;
}

/* When it may happen the next time; now_ns or before: now. */
static inline uint64_t ctl_limit_next_ns(const struct ctl_limit *l)
{
	uint64_t ahead_ns = (l->burst - 1) * l->every_ns;

	return l->owed_ns > ahead_ns ? l->owed_ns - ahead_ns : 0;
}

#endif
