/*
 * The burst AEAD from outside: names, contexts, empty bursts, and what debug builds abort on. This
 * test is always built with the aead.c of a debug build.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/aead.h"

static void names_and_contexts(void **state)
{
	struct cr_aead *aead;
	unsigned int i;

	for (i = 0; cr_aead_backend_name(i); i++) {
		aead = cr_aead_new(cr_aead_backend_name(i));
		if (!aead) {
			assert_int_equal(errno, ENOTSUP);
			continue;
		}
		assert_string_equal(cr_aead_backend(aead), cr_aead_backend_name(i));
		cr_aead_free(aead);
	}
	assert_int_equal(i, 2);
	assert_string_equal(cr_aead_backend_name(0), "ipsec-mb");
	assert_string_equal(cr_aead_backend_name(1), "reference");
	assert_null(cr_aead_backend_name(UINT32_MAX));

	errno = 0;
	assert_null(cr_aead_new("no such"));
	assert_int_equal(errno, ENOENT);
	errno = 0;
	assert_null(cr_aead_new(""));
	assert_int_equal(errno, ENOENT);
	cr_aead_free(NULL);
}

/* NULL takes the first back end that this CPU can run. */
static void fastest_is_default(void **state)
{
	struct cr_aead *aead = cr_aead_new(NULL), *named = NULL;

	assert_non_null(aead);
	for (unsigned int i = 0; !named; i++) {
		assert_non_null(cr_aead_backend_name(i));
		named = cr_aead_new(cr_aead_backend_name(i));
	}
	assert_string_equal(cr_aead_backend(aead), cr_aead_backend(named));
	cr_aead_free(named);
	cr_aead_free(aead);
}

static void burst_of_none(void **state)
{
	for (unsigned int i = 0; cr_aead_backend_name(i); i++) {
		struct cr_aead *aead = cr_aead_new(cr_aead_backend_name(i));

		if (!aead)
			continue;
		assert_true(cr_seal_burst(aead, NULL, 0) == 0);
		assert_true(cr_open_burst(aead, NULL, 0) == 0);
		cr_aead_free(aead);
	}
}

/* 64 packets without text, sealed by one back end, are 64 tags that the other accepts. */
static void empty_packets(void **state)
{
	static uint8_t key[CR_KEY_BYTES] = {1}, tags[CR_BURST_MAX][CR_TAG_BYTES];
	struct cr_packet packets[CR_BURST_MAX];

	for (unsigned int i = 0; i < CR_BURST_MAX; i++)
		packets[i] = (struct cr_packet){key, i, tags[i], tags[i], 0};
	for (unsigned int i = 0; cr_aead_backend_name(i); i++) {
		for (unsigned int j = 0; cr_aead_backend_name(j); j++) {
			struct cr_aead *a = cr_aead_new(cr_aead_backend_name(i));
			struct cr_aead *b = cr_aead_new(cr_aead_backend_name(j));

			if (a && b) {
				memset(tags, 0, sizeof(tags));
				assert_true(cr_seal_burst(a, packets, 64) == UINT64_MAX);
				assert_true(cr_open_burst(b, packets, 64) == UINT64_MAX);
				tags[63][15] ^= 1;
				assert_true(cr_open_burst(b, packets, 64) == UINT64_MAX >> 1);
			}
			cr_aead_free(a);
			cr_aead_free(b);
		}
	}
}

/* Is that burst refused by SIGABRT? In a child, whose message and core file nobody wants. */
static bool aborts(const struct cr_packet *packets, unsigned int n, bool open)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit none = {0, 0};
		struct cr_aead *aead = cr_aead_new("reference");

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		if (!freopen("/dev/null", "w", stderr))
			_exit(2);
		if (open)
			cr_open_burst(aead, packets, n);
		else
			cr_seal_burst(aead, packets, n);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void too_many_packets(void **state)
{
	static struct cr_packet packets[CR_BURST_MAX + 1];

	assert_true(aborts(packets, CR_BURST_MAX + 1, false));
	assert_true(aborts(packets, CR_BURST_MAX + 1, true));
}

static void broken_promises(void **state)
{
	static uint8_t key[CR_KEY_BYTES], m[4096], big[CR_LEN_MAX_BYTES + 100];
	static const struct {
		const char *what;
		struct cr_packet packets[2];
		bool seal_aborts, open_aborts;
	} rows[] = {
		{"apart", {{key, 0, m, m + 100, 84}, {key, 0, m + 200, m + 300, 84}}, false, false},
		{"in place", {{key, 0, m, m, 84}, {key, 0, m + 100, m + 100, 84}}, false, false},
		{"one source", {{key, 0, m, m + 100, 84}, {key, 0, m, m + 200, 84}}, false, false},
		{"a byte into dst",
		 {{key, 0, m, m + 99, 100}, {key, 0, m + 300, m + 500, 1}},
		 true,
		 true},
		{"dst a byte ahead",
		 {{key, 0, m + 1, m, 100}, {key, 0, m + 300, m + 500, 1}},
		 true,
		 true},
		{"tag in dst",
		 {{key, 0, m, m + 110, 100}, {key, 0, m + 300, m + 500, 1}},
		 false,
		 true},
		{"dst's tag in src",
		 {{key, 0, m + 110, m, 100}, {key, 0, m + 300, m + 500, 1}},
		 true,
		 false},
		{"same dst",
		 {{key, 0, m, m + 200, 10}, {key, 0, m + 100, m + 200, 10}},
		 true,
		 true},
		{"next src",
		 {{key, 0, m, m + 100, 90}, {key, 0, m + 189, m + 300, 10}},
		 true,
		 true},
		{"tags", {{key, 0, m, m + 100, 0}, {key, 0, m + 50, m + 110, 0}}, true, false},
		{"dst of nothing",
		 {{key, 0, m, m + 5, 0}, {key, 0, m + 50, m + 5, 0}},
		 true,
		 false},
		{"too long", {{key, 0, big, big, 10}, {key, 0, m, m, 65536}}, true, true},
		{"no key", {{key, 0, m, m, 10}, {NULL, 0, m + 100, m + 100, 10}}, true, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (aborts(rows[i].packets, 2, false) != rows[i].seal_aborts)
			fail_msg("seal: %s", rows[i].what);
		if (aborts(rows[i].packets, 2, true) != rows[i].open_aborts)
			fail_msg("open: %s", rows[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_contexts), cmocka_unit_test(fastest_is_default),
		cmocka_unit_test(burst_of_none),      cmocka_unit_test(empty_packets),
		cmocka_unit_test(too_many_packets),   cmocka_unit_test(broken_promises),
	};

	return UNIT_RUN(tests);
}
