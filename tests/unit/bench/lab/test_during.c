/* A command beside a trial: when it runs, how it ended, and that nothing is left of it. */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
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
	struct lab_during d = during_of("sleep 1000 & echo >&9; wait", 0);
	int begun[2], status;
	pid_t group;
	char byte;

	/* Not init, which may not reap orphans in a container. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(pipe(begun), 0);
	assert_int_equal(dup2(begun[1], 9), 9);
	assert_int_equal(lab_during_begin(&d), 0);
	assert_int_equal(read(begun[0], &byte, 1), 1);
	pthread_mutex_lock(&d.lock);
	group = d.pid;
	pthread_mutex_unlock(&d.lock);
	lab_during_end(&d, 0);
	assert_int_equal(d.status, 128 + SIGKILL);
	/* What the shell has started is ours now, and has been killed as well. */
	assert_true(waitpid(-group, &status, 0) > 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(kill(-group, 0), -1);
	assert_int_equal(errno, ESRCH);
	close(begun[0]);
	close(begun[1]);
	close(9);
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
