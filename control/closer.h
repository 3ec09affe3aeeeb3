/*
 * Closes a device that has gone, on a thread of its own: drivers may wait a minute for registers
 * that do not answer any more, and control must not. One device at a time, for DPDK's lists of
 * devices stand no two who change them; so nobody opens one meanwhile either. Control calls.
 */
#ifndef CONTROL_CLOSER_H
#define CONTROL_CLOSER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct dp_device;

/* Zeroed: at rest. */
struct ctl_closer {
	struct dp_device *device; /* control; NULL: at rest */
	bool joinable;		  /* control; there is a thread */
	pthread_t thread;
	_Atomic bool closed; /* the thread writes, when all is done */
};

static inline bool ctl_closer_rests(const struct ctl_closer *c)
{
	return c->device == NULL;
}

/* At rest. From now on nobody but the thread may use the device: workers have passed, and control
 * leaves alone what is gone. If there can be no thread the device is closed when this returns. */
void ctl_closer_start(struct ctl_closer *c, struct dp_device *device);

/* The device is closed: the closer is at rest again. False: not yet. */
bool ctl_closer_ended(struct ctl_closer *c);

/* Waits for the end, if it is not at rest. */
void ctl_closer_stop(struct ctl_closer *c);

#endif
