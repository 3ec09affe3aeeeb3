/*
 * wgdp-bench lookup: changes of wgdp's table. From a second thread on another CPU, 10 000 a second,
 * while lookups are timed; and as fast as they go, each of them timed. A change never waits for
 * readers; that they stay right meanwhile is the unit tests' matter.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>

#include "bench/lookup.h"
#include "bench/tsc.h"

#define SEED	     40000
#define INTERVAL_NS  100000
#define NS_PER_S     1000000000
#define UPDATES_MAX  600000 /* of a thread: a minute; nothing runs for ever */
#define RECLAIM_EACH 32
#define LONG_US	     1000.0
#define CLOSER_US    50.0 /* then it is worth a system call */
#define LONGEST	     3

/* ---- from another CPU ---- */

struct lookup_updates {
	pthread_t thread;
	struct ours *ours;
	const struct lookup_set *set;
	sem_t started;
	_Atomic bool stop;
};

static cpu_set_t allowed;

void lookup_updates_init(void)
{
	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		CPU_ZERO(&allowed);
}

/* Step n of changes that leave the table as it was after each fourth: a prefix is taken out and
 * put back, then another one is given to the next peer and back. */
static void change(struct lookup_updates *u, struct lookup_random *r, unsigned int n,
		   unsigned int *at)
{
	const struct lookup_prefix *p;

	if (n % 2 == 0)
		*at = lookup_below(r, u->set->n);
	p = &u->set->prefixes[*at];
	if (n % 4 == 0)
		ours_remove(u->ours, p, lookup_value(*at));
	else
		ours_insert(u->ours, p, lookup_value(n % 4 == 2 ? *at + 1 : *at));
	ours_reclaim(u->ours);
}

static void *update(void *arg)
{
	struct lookup_updates *u = arg;
	struct lookup_random r = {SEED};
	struct timespec due;
	unsigned int at = 0;

	clock_gettime(CLOCK_MONOTONIC, &due);
	for (unsigned int n = 0; n < UPDATES_MAX; n++) {
		if (n % 4 == 0 && atomic_load(&u->stop))
			break;
		change(u, &r, n, &at);
		if (n == 0)
			sem_post(&u->started);
		due.tv_nsec += INTERVAL_NS;
		if (due.tv_nsec >= NS_PER_S) {
			due.tv_nsec -= NS_PER_S;
			due.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
	}
	return NULL;
}

/* Where it may run: not where this thread is. */
static bool other_cpus(cpu_set_t *others)
{
	*others = allowed;
	CPU_CLR((unsigned int)sched_getcpu(), others);
	return CPU_COUNT(others) > 0;
}

struct lookup_updates *lookup_updates_start(struct ours *o, const struct lookup_set *set,
					    char why[LOOKUP_WHY_BYTES])
{
	struct lookup_updates *u = lookup_need(calloc(1, sizeof(*u)));
	pthread_attr_t attributes;
	cpu_set_t others;

	u->ours = o;
	u->set = set;
	if (!other_cpus(&others)) {
		snprintf(why, LOOKUP_WHY_BYTES, "this process may use one CPU only");
		free(u);
		return NULL;
	}
	sem_init(&u->started, 0, 0);
	pthread_attr_init(&attributes);
	pthread_attr_setaffinity_np(&attributes, sizeof(others), &others);
	if (pthread_create(&u->thread, &attributes, update, u) != 0) {
		snprintf(why, LOOKUP_WHY_BYTES, "no second thread");
		free(u);
		u = NULL;
	}
	pthread_attr_destroy(&attributes);
	if (u)
		sem_wait(&u->started);
	return u;
}

void lookup_updates_stop(struct lookup_updates *u)
{
	atomic_store(&u->stop, true);
	pthread_join(u->thread, NULL);
	sem_destroy(&u->started);
	free(u);
}

/* ---- as fast as they go ---- */

static bool update_one(struct ours *o, const struct lookup_set *set, enum lookup_update what,
		       unsigned int i)
{
	switch (what) {
	case LOOKUP_INSERT:
		return ours_insert(o, &set->prefixes[i], lookup_value(i));
	case LOOKUP_REPLACE:
		return ours_insert(o, &set->prefixes[i], lookup_value(i + 1));
	case LOOKUP_REMOVE:
		return ours_remove(o, &set->prefixes[i], lookup_value(i + 1));
	default:
		return false;
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void sample(struct bench_result *result, double value)
{
	if (result)
		bench_sample(result, value);
}

/* What updates took. */
struct taken {
	uint64_t *cycles; /* of each */
	unsigned int n;
	double seconds;
	double cpu_us;	       /* of this thread, at a time before the update that runs */
	double longest_cpu_us; /* at most */
	unsigned int over_cpu; /* took more than LONG_US for sure */
};

static double cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* A long one: was it at work, or did something else have the CPU? What this thread has used since
 * cpu_us was read is that update and few others. */
static void look_closer(struct taken *t, double us)
{
	double now = cpu_us(), used = now - t->cpu_us;

	used = used < us ? used : us;
	t->longest_cpu_us = used > t->longest_cpu_us ? used : t->longest_cpu_us;
	t->over_cpu += used > LONG_US;
	t->cpu_us = now;
}

static void evaluate(struct taken *t, double us_per_cycle, const struct lookup_rates *to)
{
	unsigned int n = t->n, over = 0;

	qsort(t->cycles, n, sizeof(t->cycles[0]), compare);
	while (over < n && (double)t->cycles[n - 1 - over] * us_per_cycle > LONG_US)
		over++;
	sample(to->rate, n / t->seconds / 1e6);
	sample(to->p50, (double)t->cycles[(n - 1) / 2] * us_per_cycle);
	sample(to->p99, (double)t->cycles[(uint64_t)(n - 1) * 99 / 100] * us_per_cycle);
	sample(to->p9999, (double)t->cycles[(uint64_t)(n - 1) * 9999 / 10000] * us_per_cycle);
	for (unsigned int i = 0; i < LONGEST && i < n; i++)
		sample(to->longest[i], (double)t->cycles[n - 1 - i] * us_per_cycle);
	sample(to->longest_cpu, t->longest_cpu_us);
	sample(to->over, over);
	sample(to->over_cpu, t->over_cpu);
}

/* What waits for readers is freed in between, and counts in the rate, but in no single update. */
static bool run(struct ours *o, const struct lookup_set *set, enum lookup_update what,
		struct taken *t, const struct lookup_rates *to)
{
	double us_per_cycle = 1e6 / (double)rte_get_tsc_hz(), begin = bench_seconds();

	for (unsigned int i = 0; i < set->n; i++) {
		uint64_t from;

		if (i % RECLAIM_EACH == 0) {
			ours_quiescent(o);
			ours_reclaim(o);
			t->cpu_us = cpu_us();
		}
		from = bench_tsc();
		if (!update_one(o, set, what, i))
			return false;
		t->cycles[i] = bench_tsc() - from;
		if ((double)t->cycles[i] * us_per_cycle > CLOSER_US)
			look_closer(t, (double)t->cycles[i] * us_per_cycle);
	}
	t->seconds = bench_seconds() - begin;
	evaluate(t, us_per_cycle, to);
	return true;
}

static bool run_bulk(const struct lookup_set *set, struct bench_result *to)
{
	struct ours *o = ours_new(set->v6);
	double begin = bench_seconds();
	bool right = ours_build(o, set);

	bench_sample(to, set->n / (bench_seconds() - begin) / 1e6);
	ours_free(o);
	return right;
}

bool lookup_update_rates(const struct lookup_set *set, const struct lookup_rates *rates)
{
	uint64_t *cycles = lookup_need(calloc(set->n, sizeof(cycles[0])));
	struct ours *o = ours_new(set->v6);
	bool right = true;

	for (unsigned int k = 0; right && k < LOOKUP_UPDATES; k++) {
		struct taken t = {.cycles = cycles, .n = set->n};

		right = run(o, set, (enum lookup_update)k, &t, &rates[k]);
	}
	ours_free(o);
	free(cycles);
	if (right && rates[LOOKUP_INSERT].bulk_rate)
		right = run_bulk(set, rates[LOOKUP_INSERT].bulk_rate);
	return right;
}
