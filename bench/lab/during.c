/* A command that runs while a trial does: see during.h. The thread that starts it waits for it. */
#include "bench/lab/during.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Under d->lock, until at (of now()), or until something changes. False: it is time. */
static bool wait_change(struct lab_during *d, double at)
{
	struct timespec until = {.tv_sec = (time_t)at, .tv_nsec = (long)((at - floor(at)) * 1e9)};

	return pthread_cond_timedwait(&d->change, &d->lock, &until) != ETIMEDOUT;
}

/* In a process group of its own, so that it can be ended with all that it has started, and so that
 * Ctrl-C on the terminal goes to the tester, which ends the trial first. */
static int start(const char *command, pid_t *pid)
{
	char *argv[] = {"sh", "-c", (char *)(uintptr_t)command, NULL};
	posix_spawnattr_t attr;
	sigset_t none;
	int rc;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	rc = posix_spawn(pid, "/bin/sh", NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	return rc;
}

static void *run(void *arg)
{
	struct lab_during *d = arg;
	double at = d->begun + d->delay_seconds;
	int status = 0;
	pid_t pid = 0;

	pthread_setaffinity_np(pthread_self(), sizeof(d->cpus), &d->cpus);
	pthread_mutex_lock(&d->lock);
	while (!d->over && wait_change(d, at))
		;
	d->at_seconds = now() - d->begun;
	if (!d->over && start(d->command, &pid) == 0) {
		d->pid = pid;
		d->ran = true;
	}
	pthread_mutex_unlock(&d->lock);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&d->lock);
	d->for_seconds = d->ran ? now() - d->begun - d->at_seconds : 0;
	d->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	d->pid = 0;
	d->done = true;
	pthread_cond_signal(&d->change);
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

int lab_during_begin(struct lab_during *d)
{
	pthread_condattr_t attr;
	int rc;

	d->ran = d->over = d->done = false;
	d->pid = 0;
	d->status = 0;
	d->begun = now();
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->change, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&d->lock, NULL);
	rc = pthread_create(&d->thread, NULL, run, d);
	if (rc == 0)
		return 0;
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->change);
	return -rc;
}

void lab_during_end(struct lab_during *d, double grace_seconds)
{
	double until = now() + grace_seconds;

	pthread_mutex_lock(&d->lock);
	d->over = true;
	pthread_cond_broadcast(&d->change);
	while (!d->done && wait_change(d, until))
		;
	if (d->pid > 0)
		kill(-d->pid, SIGKILL);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->change);
}
