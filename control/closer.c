/* A thread that closes a device: see closer.h. What it is to close is in dataplane/device_link.c.
 */
#include "control/closer.h"

#include <signal.h>

#include "dataplane/device.h"

static void *run(void *arg)
{
	struct ctl_closer *c = arg;

	dp_link_close(c->device);
	atomic_store_explicit(&c->closed, true, memory_order_release);
	return NULL;
}

void ctl_closer_start(struct ctl_closer *c, struct dp_device *device)
{
	sigset_t all, before;

	c->device = device;
	atomic_store_explicit(&c->closed, false, memory_order_relaxed);
	sigfillset(&all);
	/* Signals are the control thread's. */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	c->joinable = pthread_create(&c->thread, NULL, run, c) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (c->joinable)
		pthread_setname_np(c->thread, "wgdp-closer");
	else
		(void)run(c);
}

void ctl_closer_stop(struct ctl_closer *c)
{
	if (c->joinable)
		pthread_join(c->thread, NULL);
	c->joinable = false;
	c->device = NULL;
}

bool ctl_closer_ended(struct ctl_closer *c)
{
	if (!atomic_load_explicit(&c->closed, memory_order_acquire))
		return false;
	ctl_closer_stop(c);
	return true;
}
