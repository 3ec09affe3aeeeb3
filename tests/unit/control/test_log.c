/* What is logged: levels, forms, one line each, not too often. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/log.h"
#include "tests/unit/unit.h"

#define LONG_BYTES 3000

static int saved, out;

/* Instead of stderr, a pipe. */
static int setup(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	saved = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	out = ends[0];
	unsetenv("JOURNAL_STREAM");
	ctl_log_level(CTL_NOTICE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(out);
	return 0;
}

static const char *logged(void)
{
	static char text[2 * LONG_BYTES];
	ssize_t n = read(out, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void test_levels(void **state)
{
	ctl_log(CTL_ERROR, "%s %d", "disk", 1);
	assert_string_equal(logged(), "wgdp: error: disk 1\n");
	ctl_log(CTL_WARNING, "smoke");
	assert_string_equal(logged(), "wgdp: warning: smoke\n");
	ctl_log(CTL_NOTICE, "started");
	assert_string_equal(logged(), "wgdp: started\n");
	ctl_log(CTL_INFO, "detail");
	assert_string_equal(logged(), "");
	ctl_log_level(CTL_DEBUG);
	ctl_log(CTL_INFO, "detail");
	ctl_log(CTL_DEBUG, "more");
	assert_string_equal(logged(), "wgdp: detail\nwgdp: debug: more\n");
}

/* Only if stderr is the very stream that the journal gave. */
static void test_journal(void **state)
{
	char stream[64];
	struct stat st;

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	ctl_log(CTL_WARNING, "smoke");
	assert_string_equal(logged(), "<4>smoke\n");
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	ctl_log(CTL_WARNING, "smoke");
	assert_string_equal(logged(), "wgdp: warning: smoke\n");
}

static void test_long(void **state)
{
	char message[LONG_BYTES];
	const char *line;

	memset(message, 'x', sizeof(message) - 1);
	message[sizeof(message) - 1] = '\0';
	ctl_log(CTL_NOTICE, "%s", message);
	line = logged();
	assert_true(strlen(line) > 500);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void test_limit(void **state)
{
	struct ctl_limit l = {.every_ns = 100, .burst = 3};
	struct ctl_limit hour = {.every_ns = UINT64_C(3600000000000), .burst = 2};
	unsigned int n = 0;

	for (int i = 0; i < 10; i++)
		n += ctl_limit_take(&l, 5000);
	assert_int_equal(n, 3);
	assert_int_equal(ctl_limit_next_ns(&l), 5100);
	assert_false(ctl_limit_take(&l, 5099));
	assert_true(ctl_limit_take(&l, 5100));
	/* In the long run one in every_ns; after a pause the burst, not more. */
	for (n = 0; n < 1000; n++)
		ctl_limit_take(&l, 6000 + n);
	for (n = 0; ctl_limit_take(&l, 100000);)
		n++;
	assert_int_equal(n, 3);
	for (int i = 0; i < 5; i++)
		ctl_log_limited(&hour, CTL_NOTICE, "again");
	assert_string_equal(logged(), "wgdp: again\nwgdp: again\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_journal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
	};

	return UNIT_RUN(tests);
}
