/*
 * DPDK's tap driver and signals. It looks for frames only after a signal, but also as long as there
 * has never been one: without them it is polled as any other driver is. Blocking them would do, but
 * they would pile up until the kernel sends SIGIO instead, which ends a process. So they are
 * ignored; and no more blocked in the process's first thread, for what that blocks the kernel keeps
 * even if it is ignored. Control only.
 */
#include "dataplane/device_tap.h"

#include <signal.h>
#include <stddef.h>

void dp_tap_ignore_signals(void)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigaction now;
	sigset_t set;

	sigemptyset(&set);
	/* Nobody else in this process has a handler for one. */
	for (int n = SIGRTMIN; n <= SIGRTMAX; n++) {
		if (sigaction(n, NULL, &now) != 0 || now.sa_handler == SIG_DFL ||
		    now.sa_handler == SIG_IGN)
			continue;
		(void)sigaction(n, &ignore, NULL);
		sigaddset(&set, n);
	}
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
