/*
 * Nothing outside a packet or a key is read or written: each lies against a page that nobody may
 * touch, with its end or with its start. A back end that reaches over dies here.
 */
#include "tests/unit/unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "crypto/ct.h"
#include "tests/unit/crypto/variants.h"

#define ROOM_BYTES (4 * 4096)
#define LONG_BYTES 9000
#define ROUNDS	   200

struct room {
	uint8_t *start; /* ROOM_BYTES, between two forbidden pages */
};

static struct room key_rooms[CR_BURST_MAX], src_rooms[CR_BURST_MAX], dst_rooms[CR_BURST_MAX];
static uint8_t text[LONG_BYTES];

static void room_open(struct room *r)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *at = mmap(NULL, ROOM_BYTES + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			   0);

	assert_true(at != MAP_FAILED && ROOM_BYTES % page == 0);
	assert_int_equal(mprotect(at + page, ROOM_BYTES, PROT_READ | PROT_WRITE), 0);
	r->start = at + page;
}

static uint8_t *fit(const struct room *r, size_t len, bool at_end)
{
	return at_end ? r->start + ROOM_BYTES - len : r->start;
}

static void run_burst(const struct variant *v, uint64_t *seed, bool at_end, bool in_place)
{
	struct cr_packet packets[CR_BURST_MAX];
	unsigned int n = (unsigned int)(1 + unit_random(seed) % CR_BURST_MAX);
	uint32_t longest = unit_random(seed) % 8 ? 1500 : LONG_BYTES;
	size_t extra = in_place ? CR_TAG_BYTES : 0;

	if (unit_random(seed) % 2)
		longest = 300;
	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = (uint32_t)(unit_random(seed) % (longest + 1));
		uint8_t *key = fit(&key_rooms[i], CR_KEY_BYTES, at_end);
		uint8_t *src = fit(&src_rooms[i], len + extra, at_end);
		uint8_t *dst = in_place ? src : fit(&dst_rooms[i], len + CR_TAG_BYTES, at_end);

		unit_random_fill(seed, key, CR_KEY_BYTES);
		memcpy(src, text, len);
		packets[i] = (struct cr_packet){key, unit_random(seed), src, dst, len};
	}
	assert_true(variant_seal(v, packets, n) == all_of(n));

	for (unsigned int i = 0; i < n; i++) {
		struct cr_packet *p = &packets[i];

		p->src = p->dst;
		if (!in_place)
			p->dst = fit(&src_rooms[i], p->len_bytes, at_end);
	}
	assert_true(variant_open(v, packets, n) == all_of(n));
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(memcmp(packets[i].dst, text, packets[i].len_bytes), 0);

	/* What was opened in place is no message any more; apart, a wrong counter fails all. */
	for (unsigned int i = 0; i < n; i++)
		packets[i].counter ^= 1;
	assert_true(variant_open(v, packets, n) == 0);
	for (unsigned int i = 0; i < n; i++)
		assert_true(cr_is_zero(packets[i].dst, packets[i].len_bytes));
}

static void stays_inside(void **state)
{
	struct variant v[VARIANTS_MAX];
	unsigned int n_v = variants_open(v);
	uint64_t seed = 30;

	printf("# seed %d\n", (int)seed);
	for (unsigned int i = 0; i < CR_BURST_MAX; i++) {
		room_open(&key_rooms[i]);
		room_open(&src_rooms[i]);
		room_open(&dst_rooms[i]);
	}
	unit_random_fill(&seed, text, sizeof(text));
	for (int round = 0; round < ROUNDS; round++) {
		for (unsigned int k = 0; k < n_v; k++)
			run_burst(&v[k], &seed, round & 1, round & 2);
	}
	variants_close(v, n_v);
}

/* One packet of every length up to three of the longest steps of any back end. */
static void every_length(void **state)
{
	struct variant v[VARIANTS_MAX];
	unsigned int n_v = variants_open(v);
	uint8_t *key = fit(&key_rooms[0], CR_KEY_BYTES, true);

	for (uint32_t len = 0; len <= 3 * 1024 + 16; len++) {
		uint8_t *plain = fit(&src_rooms[0], len, true);
		uint8_t *sealed = fit(&dst_rooms[0], len + CR_TAG_BYTES, true);

		for (unsigned int k = 0; k < n_v; k++) {
			struct cr_packet p = {key, len, plain, sealed, len};

			memcpy(plain, text, len);
			assert_true(variant_seal(&v[k], &p, 1) == 1);
			memset(plain, 0, len);
			p.src = sealed;
			p.dst = plain;
			assert_true(variant_open(&v[k], &p, 1) == 1);
			assert_int_equal(memcmp(plain, text, len), 0);
		}
	}
	variants_close(v, n_v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stays_inside),
		cmocka_unit_test(every_length),
	};

	return UNIT_RUN(tests);
}
