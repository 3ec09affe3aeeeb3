/*
 * The burst AEAD from outside: names, contexts, empty bursts, and what debug builds abort on. This
 * test is always built with the aead.c of a debug build.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/aead_backend.h"
#include "crypto/ct.h"

/* Every name once; a context of it exactly where the CPU can; the one that runs anywhere is last.
 */
static void names_and_contexts(void **state)
{
	const char *name, *last = "";
	bool has_ipsec_mb = false;
	unsigned int i;

	for (i = 0; (name = cr_aead_backend_name(i)); i++) {
		struct cr_aead *aead = cr_aead_new(name);

		assert_string_equal(cr_aead_backend_at(i)->name, name);
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(cr_aead_backend_name(j), name);
		if (cr_aead_backend_at(i)->available()) {
			assert_non_null(aead);
			assert_string_equal(cr_aead_backend(aead), name);
		} else {
			assert_null(aead);
			assert_int_equal(errno, ENOTSUP);
		}
		cr_aead_free(aead);
		has_ipsec_mb |= strcmp(name, "ipsec-mb") == 0;
		last = name;
	}
	assert_true(has_ipsec_mb);
	assert_string_equal(last, "reference");
	assert_null(cr_aead_backend_at(i));
	assert_null(cr_aead_backend_name(UINT32_MAX));
	assert_null(cr_aead_backend_at(UINT32_MAX));

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

/* Neither the packets nor what they point at are touched. */
static void burst_of_none(void **state)
{
	static uint8_t key[CR_KEY_BYTES], text[64];
	struct cr_packet p = {key, 0, text, text, 40};

	for (unsigned int i = 0; cr_aead_backend_name(i); i++) {
		struct cr_aead *aead = cr_aead_new(cr_aead_backend_name(i));

		if (!aead)
			continue;
		assert_true(cr_seal_burst(aead, NULL, 0) == 0);
		assert_true(cr_open_burst(aead, NULL, 0) == 0);
		assert_true(cr_seal_burst(aead, &p, 0) == 0);
		assert_true(cr_open_burst(aead, &p, 0) == 0);
		assert_true(cr_is_zero(text, sizeof(text)));
		cr_aead_free(aead);
	}
}

/* A pointer without bytes to it may lead anywhere: to nothing, or where nobody may look. */
static void pointers_to_nothing(void **state)
{
	static uint8_t key[CR_KEY_BYTES] = {2};
	uint8_t tags[3][CR_TAG_BYTES], *forbidden;

	forbidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(forbidden != MAP_FAILED);
	for (unsigned int i = 0; cr_aead_backend_name(i); i++) {
		struct cr_packet p[3] = {{key, 0, NULL, tags[0], 0},
					 {key, 1, forbidden + 5, tags[1], 0},
					 {key, 2, tags[2], tags[2], 0}};
		struct cr_aead *aead = cr_aead_new(cr_aead_backend_name(i));

		if (!aead)
			continue;
		assert_true(cr_seal_burst(aead, p, 3) == 7);
		for (int j = 0; j < 3; j++) {
			p[j].dst = (uint8_t *)(uintptr_t)p[j].src;
			p[j].src = tags[j];
		}
		assert_true(cr_open_burst(aead, p, 3) == 7);
		for (int j = 0; j < 3; j++)
			p[j].counter++;
		assert_true(cr_open_burst(aead, p, 3) == 0);
		cr_aead_free(aead);
	}
	munmap(forbidden, 4096);
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

#define UNTOUCHED 0x5a

/* What the rows below seal and open; shared with the children, to see whether they wrote. */
static _Alignas(4096) uint8_t m[4096];
static uint8_t key[CR_KEY_BYTES], big[CR_LEN_MAX_BYTES + 100];

#define ELSEWHERE                                                                                  \
	{                                                                                          \
		key, 0, m + 900, m + 1000, 9                                                       \
	}

struct row {
	const char *what;
	struct cr_packet packets[2];
	bool seal_aborts, open_aborts;
};

static void check_row(const struct row *row, bool open)
{
	bool expected = open ? row->open_aborts : row->seal_aborts, did;

	memset(m, UNTOUCHED, sizeof(m));
	did = aborts(row->packets, 2, open);
	if (did != expected)
		fail_msg("%s: %s: %s", open ? "open" : "seal", row->what,
			 did ? "aborts" : "goes through");
	for (size_t i = 0; did && i < sizeof(m); i++) {
		if (m[i] != UNTOUCHED)
			fail_msg("%s: %s: written before the abort", open ? "open" : "seal",
				 row->what);
	}
}

static void broken_promises(void **state)
{
	/* clang-format off */
	static const struct row rows[] = {
		{"apart", {{key, 0, m, m + 100, 84}, {key, 0, m + 200, m + 300, 84}}, 0, 0},
		{"in place", {{key, 0, m, m, 84}, {key, 0, m + 100, m + 100, 84}}, 0, 0},
		{"one source", {{key, 0, m, m + 100, 84}, {key, 0, m, m + 200, 84}}, 0, 0},
		{"no room", {{key, 0, m, m + 84, 68}, {key, 0, m + 200, m + 168, 16}}, 0, 0},
		{"a key as source", {{m, 0, m + 8, m + 100, 24}, {key, 0, m, m + 200, 32}}, 0, 0},
		{"a byte into dst", {{key, 0, m, m + 99, 100}, ELSEWHERE}, 1, 1},
		{"dst a byte ahead", {{key, 0, m + 1, m, 100}, ELSEWHERE}, 1, 1},
		{"dst a byte behind", {{key, 0, m, m + 1, 100}, ELSEWHERE}, 1, 1},
		{"dst a block ahead", {{key, 0, m + 64, m, 500}, ELSEWHERE}, 1, 1},
		{"dst a block behind", {{key, 0, m, m + 64, 500}, ELSEWHERE}, 1, 1},
		{"src's tag in dst", {{key, 0, m, m + 110, 100}, ELSEWHERE}, 0, 1},
		{"dst's tag in src", {{key, 0, m + 110, m, 100}, ELSEWHERE}, 1, 0},
		{"same dst", {{key, 0, m, m + 200, 10}, {key, 0, m + 100, m + 200, 10}}, 1, 1},
		{"same place", {{key, 0, m, m, 10}, {key, 0, m, m, 10}}, 1, 1},
		{"next src", {{key, 0, m, m + 100, 90}, {key, 0, m + 189, m + 300, 10}}, 1, 1},
		{"last src", {{key, 0, m + 189, m + 300, 10}, {key, 0, m, m + 100, 90}}, 1, 1},
		{"dst is next src", {{key, 0, m, m + 100, 9}, {key, 0, m + 100, m + 300, 9}}, 1, 1},
		{"tags", {{key, 0, m, m + 100, 0}, {key, 0, m + 50, m + 110, 0}}, 1, 0},
		{"dst of nothing", {{key, 0, m, m + 5, 0}, {key, 0, m + 50, m + 5, 0}}, 1, 0},
		{"dst on its key", {{m, 0, m + 200, m + 31, 9}, ELSEWHERE}, 1, 1},
		{"dst on next's", {{m + 20, 0, m + 60, m + 90, 9}, {key, 0, m + 99, m, 21}}, 1, 1},
		{"tag on a key", {{m + 40, 0, m + 200, m, 30}, ELSEWHERE}, 1, 0},
		{"longest", {{key, 0, big, big, CR_LEN_MAX_BYTES}, {key, 0, m, m, 9}}, 0, 0},
		{"too long", {{key, 0, m, m, 9}, {key, 0, big, big, CR_LEN_MAX_BYTES + 1}}, 1, 1},
		{"far too long", {{key, 0, m, m, 9}, {key, 0, big, big, UINT32_MAX}}, 1, 1},
		{"no key", {{key, 0, m, m, 10}, {NULL, 0, m + 100, m + 100, 10}}, 1, 1},
	};
	/* clang-format on */

	assert_ptr_equal(mmap(m, sizeof(m), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 m);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(&rows[i], false);
		check_row(&rows[i], true);
	}
}

/* What says where everything is must not change under the back end. */
static void dst_on_the_burst(void **state)
{
	struct {
		uint8_t before[16];
		struct cr_packet packets[2];
	} b = {.packets = {{key, 0, big, big, 10}, {key, 0, big + 100, big + 100, 10}}};

	assert_false(aborts(b.packets, 2, false));
	b.packets[0].dst = (uint8_t *)&b + sizeof(b) - 1;
	assert_true(aborts(b.packets, 2, false));
	assert_true(aborts(b.packets, 2, true));
	/* Ten bytes fit before the packets, and a tag does not. */
	b.packets[0].dst = (uint8_t *)b.packets - 10;
	assert_true(aborts(b.packets, 2, false));
	assert_false(aborts(b.packets, 2, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_contexts),  cmocka_unit_test(fastest_is_default),
		cmocka_unit_test(burst_of_none),       cmocka_unit_test(empty_packets),
		cmocka_unit_test(pointers_to_nothing), cmocka_unit_test(too_many_packets),
		cmocka_unit_test(broken_promises),     cmocka_unit_test(dst_on_the_burst),
	};

	return UNIT_RUN(tests);
}
