/* A command beside a trial: when it runs, how it ended, and that nothing is left of it. */
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "bench/lab/during.h"
#include "tests/unit/unit.h"

#define LONG_S 60.0

static struct lab_during during_of(const char *command, double delay)
{
	struct lab_during d = {.command = command, .delay_seconds = delay};

	assert_int_equal(sched_getaffinity(0, sizeof(d.cpus), &d.cpus), 0);
	return d;
}

static void runs_and_tells(void **state)
{
	struct lab_during d = during_of("exit 7", 0);

	assert_int_equal(lab_during_begin(&d), 0);
	lab_during_end(&d, LONG_S);
	/* The trial may have been over before it began: then it did not run at all. */
	assert_int_equal(d.status, d.ran ? 7 : 0);
}

static void waits_for_its_end(void **state)
{
	char path[] = "/tmp/wgdp-test-during-XXXXXX", command[128];
	int fd = mkstemp(path);
	struct lab_during d;
	char text[8] = "";

	assert_true(fd >= 0);
	snprintf(command, sizeof(command), "sleep 0.2; echo done >%s", path);
	d = during_of(command, 0);
	assert_int_equal(lab_during_begin(&d), 0);
	/* Until it has begun; then the trial is over. */
	for (bool ran = false; !ran;) {
		pthread_mutex_lock(&d.lock);
		ran = d.ran;
		pthread_mutex_unlock(&d.lock);
		sched_yield();
	}
	lab_during_end(&d, LONG_S);
	assert_int_equal(d.status, 0);
	assert_true(d.for_seconds >= 0.2);
	assert_int_equal(read(fd, text, sizeof(text)), 5);
	close(fd);
	unlink(path);
}

static void not_begun_any_more(void **state)
{
	struct lab_during d = during_of("exit 7", LONG_S);

	assert_int_equal(lab_during_begin(&d), 0);
	lab_during_end(&d, LONG_S);
	assert_false(d.ran);
	assert_int_equal(d.status, 0);
}

static void killed_with_its_children(void **state)
{
	struct lab_during d = during_of("sleep 1000 & wait", 0);
	pid_t group = 0;

	assert_int_equal(lab_during_begin(&d), 0);
	while (group == 0) {
		pthread_mutex_lock(&d.lock);
		group = d.pid;
		pthread_mutex_unlock(&d.lock);
		sched_yield();
	}
	lab_during_end(&d, 0);
	assert_int_equal(d.status, 128 + SIGKILL);
	/* Orphans are reaped by init, some time after they were killed. */
	for (unsigned int i = 0; kill(-group, 0) == 0 && i < 1000; i++)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	assert_int_equal(kill(-group, 0), -1);
	assert_int_equal(errno, ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_and_tells),
		cmocka_unit_test(waits_for_its_end),
		cmocka_unit_test(not_begun_any_more),
		cmocka_unit_test(killed_with_its_children),
	};

	return UNIT_RUN(tests);
}
