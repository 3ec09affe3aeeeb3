/*
 * A command of the user's that runs while a trial does: started by a thread of its own a while
 * after its start, by the shell, on the CPUs that it is given (not the tester's alone).
 */
#ifndef BENCH_LAB_DURING_H
#define BENCH_LAB_DURING_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

struct lab_during {
	/* Set by the caller. */
	const char *command;
	double delay_seconds;
	cpu_set_t cpus;
	/* Valid after lab_during_end(). */
	bool ran;
	int status;	    /* exit status as of the shell: 128 and more for a signal */
	double at_seconds;  /* when it was started, from lab_during_begin() on */
	double for_seconds; /* how long it ran */
	/* Private. */
	pthread_t thread;
	pthread_mutex_t lock; /* of the rest */
	pthread_cond_t change;
	bool over; /* the trial is: do not begin any more */
	bool done;
	pid_t pid; /* of its process group; 0: not running */
	double begun;
};

/* 0 or -errno. Call right before the trial. */
int lab_during_begin(struct lab_during *d);
/* Call after the trial, each time that begin has returned 0. A command that still runs has
 * grace_seconds to end, and is killed then. */
void lab_during_end(struct lab_during *d, double grace_seconds);

#endif
