/* The anti-replay window: the vectors, the sequences that the Linux kernel tests itself with, and
 * random counters against a set that forgets nothing. */
#include "dataplane/replay.h"
#include "tests/unit/unit.h"

#define W DP_REPLAY_WINDOW
#define L (W + 1)
#define R WG_REJECT_AFTER_MESSAGES

static struct dp_replay *fresh(void)
{
	static struct dp_replay r;

	memset(&r, 0, sizeof(r));
	return &r;
}

static void check(struct dp_replay *r, uint64_t counter, bool expected)
{
	if (dp_replay_accept(r, counter) != expected)
		fail_msg("counter %llu should be %s", (unsigned long long)counter,
			 expected ? "accepted" : "refused");
}

/* ---- vectors ---- */

static char *read_vectors(void)
{
	static char text[1 << 18];
	FILE *f = fopen(VECTORS_DIR "/handshake-vectors.json", "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	assert_true(n > 0 && n < sizeof(text) - 1);
	text[n] = '\0';
	return text;
}

/* Counters go beyond what jansson's integers hold, so the steps, "[counter, bool]", are read here.
 * The section is a list of objects with a "name" and "steps". */
static void vectors(void **state)
{
	char *p = strstr(read_vectors(), "\"replay\": ["), *end;
	unsigned int sequences = 0, steps = 0;
	struct dp_replay *r = NULL;

	(void)state;
	assert_non_null(p);
	end = strstr(p, "\"padding\"");
	assert_non_null(end);
	while ((p = strpbrk(p, "\"0123456789")) != NULL && p < end) {
		char *after;

		if (*p == '"') {
			char key[16] = "";

			assert_int_equal(sscanf(p, "\"%15[^\"]", key), 1);
			if (strcmp(key, "steps") == 0) {
				r = fresh();
				sequences++;
			} else if (strcmp(key, "name") == 0) {
				p = strchr(p, '\n');
				continue;
			} else if (strcmp(key, "window") == 0 || strcmp(key, "reject_after") == 0) {
				uint64_t value = strtoull(strpbrk(p, "0123456789"), NULL, 10);

				assert_true(value == (key[0] == 'w' ? W : R));
				p = strchr(p, '\n');
				continue;
			}
			p = strchr(p + 1, '"') + 1;
			continue;
		}
		assert_non_null(r);
		uint64_t counter = strtoull(p, &after, 10);

		p = after + strspn(after, ", \n");
		check(r, counter, strncmp(p, "true", 4) == 0);
		steps++;
	}
	assert_true(sequences >= 3);
	assert_true(steps >= 58);
}

/* ---- the kernel's sequences ---- */

static void kernel_sequence(void **state)
{
	static const struct {
		uint64_t counter;
		bool expected;
	} rows[] = {
		{0, true},
		{1, true},
		{1, false},
		{9, true},
		{8, true},
		{7, true},
		{7, false},
		{L, true},
		{L - 1, true},
		{L - 1, false},
		{L - 2, true},
		{2, true},
		{2, false},
		{L + 16, true},
		{3, false},
		{L + 16, false},
		{4 * L, true},
		{4 * L - (L - 1), true},
		{10, false},
		{4 * L - L, false},
		{4 * L - (L + 1), false},
		{4 * L - (L - 2), true},
		{4 * L + 1 - L, false},
		{0, false},
		{R, false},
		{R - 1, true},
		{R, false},
		{R - 1, false},
		{R - 2, true},
		{R + 1, false},
		{R + 2, false},
		{R - 2, false},
		{R - 3, true},
		{0, false},
	};
	struct dp_replay *r = fresh();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(r, rows[i].counter, rows[i].expected);
}

/* from, from +- 1, ... to: all accepted. */
static void run_of(struct dp_replay *r, uint64_t from, uint64_t to)
{
	for (uint64_t c = from; c != to; c = from < to ? c + 1 : c - 1)
		check(r, c, true);
	check(r, to, true);
}

static void kernel_bulk(void **state)
{
	static const struct {
		uint64_t from, to;
		struct {
			uint64_t counter;
			bool expected;
		} then[2];
		unsigned int n_then;
	} rows[] = {
		{1, W, {{0, true}, {0, false}}, 2},
		{2, W + 1, {{1, true}, {0, false}}, 2},
		{W, 0, {{0, false}}, 1},
		{W + 1, 1, {{0, false}}, 1},
		{W, 1, {{W + 1, true}, {0, false}}, 2},
		{W, 1, {{0, true}, {W + 1, true}}, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dp_replay *r = fresh();

		run_of(r, rows[i].from, rows[i].to);
		for (unsigned int j = 0; j < rows[i].n_then; j++)
			check(r, rows[i].then[j].counter, rows[i].then[j].expected);
	}
}

/* ---- against a naive set ---- */

#define SET_BITS (1u << 21)

/* Counters from base on; steps of all sizes, mostly near the greatest so far. */
static void against_set(uint64_t base, uint64_t seed, unsigned int n)
{
	static uint8_t seen[SET_BITS];
	struct dp_replay *r = fresh();
	uint64_t max = base;
	unsigned int verdicts[2] = {0};
	bool any = false;

	memset(seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < n; i++) {
		uint64_t x = unit_random(&seed), c = max;
		bool expected;

		switch (x >> 60) {
		case 0:
			c += (x & 0xffff) % (3 * DP_REPLAY_BITS);
			break;
		case 1:
		case 2:
		case 3:
		case 4:
			c += x % 70;
			break;
		default:
			c -= x % (W + 200);
		}
		if (c < base || c - base >= SET_BITS)
			continue;
		expected = c < R && (!any || c > max || (max - c <= W && !seen[c - base]));
		check(r, c, expected);
		verdicts[expected]++;
		if (!expected)
			continue;
		seen[c - base] = 1;
		max = !any || c > max ? c : max;
		any = true;
	}
	assert_true(verdicts[false] > 1000 && verdicts[true] > 1000);
}

static void random_against_set(void **state)
{
	const uint64_t bases[] = {0, UINT64_C(1) << 32, R - (1u << 14)};

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
			uint64_t s = seed * 7919 + i;

			if (seed == 1)
				print_message("# seed %llu, counters from %llu\n",
					      (unsigned long long)s, (unsigned long long)bases[i]);
			against_set(bases[i], s, 40000);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(kernel_sequence),
		cmocka_unit_test(kernel_bulk),
		cmocka_unit_test(random_against_set),
	};

	return UNIT_RUN(tests);
}
