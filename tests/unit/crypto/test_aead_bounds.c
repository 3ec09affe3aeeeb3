/*
 * Nothing outside a packet, a key or the burst itself is read or written, and nothing that is only
 * read is written: each lies against a page that nobody may touch, with its end or with its start,
 * and what is only read lies in pages that can't be written. A back end that reaches over dies
 * here, and the last line of the output says in which burst.
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sodium.h>

#include "crypto/ct.h"
#include "tests/unit/crypto/burst.h"

#define ROOM_BYTES (17 * 4096)
#define SHORT_LENS 601
#define RAGGED	   150
#define UNWRITTEN  0xc5

_Static_assert(CR_LEN_MAX_BYTES + CR_TAG_BYTES <= ROOM_BYTES, "the longest packet has room");

/* Between two forbidden pages. */
struct room {
	uint8_t *start; /* as a back end gets it: read-only but for a dst */
	uint8_t *fill;	/* the same pages, writable, elsewhere */
};

static struct room packet_room, key_rooms[CR_BURST_MAX], src_rooms[CR_BURST_MAX],
	dst_rooms[CR_BURST_MAX];

/* What the packets are, and what they are sealed. */
static uint8_t texts[CR_BURST_MAX + CR_LEN_MAX_BYTES], keys[CR_BURST_MAX][CR_KEY_BYTES];
static uint8_t sealed[CR_BURST_MAX][CR_LEN_MAX_BYTES + CR_TAG_BYTES];
static uint32_t lens[CR_BURST_MAX];

static struct variant variants[VARIANTS_MAX];
static unsigned int n_variants;

/* Every width that back ends work at, and a packet less and more. */
static const unsigned int sizes[] = {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64};

#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* What is being run, for who finds this test dead. */
static char running[160];

static void died(int signal_number)
{
	ssize_t n = write(STDOUT_FILENO, running, strlen(running));

	/* SA_RESETHAND: this time it is the end. */
	raise(n < 0 ? SIGABRT : signal_number);
}

/* To be called in the test, because cmocka sets handlers of its own before. */
static void watch(void)
{
	struct sigaction action = {.sa_handler = died, .sa_flags = (int)SA_RESETHAND};

	assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
}

static void room_open(struct room *r, bool writable)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = memfd_create("room", MFD_CLOEXEC);
	uint8_t *at = mmap(NULL, ROOM_BYTES + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			   0);

	assert_true(fd >= 0 && at != MAP_FAILED && ROOM_BYTES % page == 0);
	assert_int_equal(ftruncate(fd, ROOM_BYTES), 0);
	r->fill = mmap(NULL, ROOM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(r->fill != MAP_FAILED);
	r->start = mmap(at + page, ROOM_BYTES, writable ? PROT_READ | PROT_WRITE : PROT_READ,
			MAP_SHARED | MAP_FIXED, fd, 0);
	assert_ptr_equal(r->start, at + page);
	close(fd);
}

/* Where len bytes lie at the end or the start of a room; from, if there is one, is put there. */
static uint8_t *fit(const struct room *r, const void *from, size_t len, bool at_end)
{
	size_t at = at_end ? ROOM_BYTES - len : 0;

	if (from)
		memcpy(r->fill + at, from, len);
	return r->start + at;
}

static const uint8_t *text_of(unsigned int i)
{
	return texts + i;
}

/* Seals the first n texts at lens with libsodium. Counters are the packets' numbers. */
static void seal_texts(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		uint8_t nonce[12] = {0, 0, 0, 0, (uint8_t)i};

		crypto_aead_chacha20poly1305_ietf_encrypt(sealed[i], NULL, text_of(i), lens[i],
							  NULL, 0, NULL, nonce, keys[i]);
	}
}

static void check_seal(const struct variant *v, unsigned int n, bool at_end, bool in_place)
{
	struct cr_packet packets[CR_BURST_MAX], *there;

	for (unsigned int i = 0; i < n; i++) {
		size_t len = lens[i] + CR_TAG_BYTES;
		uint8_t *dst = fit(&dst_rooms[i], NULL, len, at_end), *src = dst;

		memset(dst, UNWRITTEN, len);
		if (in_place)
			memcpy(dst, text_of(i), lens[i]);
		else
			src = fit(&src_rooms[i], text_of(i), lens[i], at_end);
		packets[i] = (struct cr_packet){fit(&key_rooms[i], keys[i], CR_KEY_BYTES, at_end),
						i, src, dst, lens[i]};
	}
	there = (struct cr_packet *)(void *)fit(&packet_room, packets, n * sizeof(packets[0]),
						at_end);
	assert_true(variant_seal(v, there, n) == all_of(n));
	for (unsigned int i = 0; i < n; i++)
		assert_memory_equal(packets[i].dst, sealed[i], lens[i] + CR_TAG_BYTES);
}

/* Every third packet is a forgery. */
static void check_open(const struct variant *v, unsigned int n, bool at_end, bool in_place)
{
	struct cr_packet packets[CR_BURST_MAX], *there;
	uint64_t good = all_of(n), mask;

	for (unsigned int i = 0; i < n; i++) {
		size_t len = lens[i] + CR_TAG_BYTES;
		const struct room *r = in_place ? &dst_rooms[i] : &src_rooms[i];
		uint8_t *src = fit(r, sealed[i], len, at_end), *dst = src;

		if ((i + n + lens[0]) % 3 == 0) {
			r->fill[src - r->start + lens[i]] ^= 1;
			good &= ~(UINT64_C(1) << i);
		}
		if (!in_place) {
			dst = fit(&dst_rooms[i], NULL, lens[i], at_end);
			memset(dst, UNWRITTEN, lens[i]);
		}
		packets[i] = (struct cr_packet){fit(&key_rooms[i], keys[i], CR_KEY_BYTES, at_end),
						i, src, dst, lens[i]};
	}
	there = (struct cr_packet *)(void *)fit(&packet_room, packets, n * sizeof(packets[0]),
						at_end);
	mask = variant_open(v, there, n);
	assert_true(mask == good);
	for (unsigned int i = 0; i < n; i++) {
		if (good >> i & 1)
			assert_int_equal(memcmp(packets[i].dst, text_of(i), lens[i]), 0);
		else
			assert_true(cr_is_zero(packets[i].dst, lens[i]));
	}
}

static void check_all(unsigned int n_v, unsigned int n)
{
	for (unsigned int k = 0; k < n_v; k++) {
		for (unsigned int mode = 0; mode < 4; mode++) {
			snprintf(running, sizeof(running),
				 "# died: %s, %u packets of %u, %u ... bytes, %s, %s\n",
				 variants[k].name, n, lens[0], lens[1],
				 mode & 1 ? "at the start" : "at the end",
				 mode & 2 ? "in place" : "apart");
			check_seal(&variants[k], n, !(mode & 1), mode & 2);
			check_open(&variants[k], n, !(mode & 1), mode & 2);
		}
	}
}

static void set_lens(uint32_t len)
{
	for (unsigned int i = 0; i < CR_BURST_MAX; i++)
		lens[i] = len;
}

/* Those of the table see every length, ipsec-mb's instruction sets every eighth and some more. */
static unsigned int n_variants_for(uint32_t len)
{
	unsigned int n = 0;

	if (len % 8 == 1 || len % 64 == 0)
		return n_variants;
	while (n < n_variants && variants[n].aead)
		n++;
	return n;
}

static void every_length(void **state)
{
	const uint32_t step = burst_divisor() > 1 ? 13 : 1;

	watch();
	for (uint32_t len = 0; len < SHORT_LENS; len += step) {
		set_lens(len);
		seal_texts(CR_BURST_MAX);
		for (unsigned int s = 0; s < N_SIZES; s++)
			check_all(n_variants_for(len), sizes[s]);
	}
}

static void long_packets(void **state)
{
	static const struct {
		uint32_t len;
		unsigned int n;
	} rows[] = {{1023, 64}, {1024, 64}, {1025, 33}, {1420, 64}, {1500, 32},
		    {2047, 17}, {4097, 9},  {8999, 33}, {9000, 8},  {CR_LEN_MAX_BYTES, 4}};

	watch();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_lens(rows[i].len);
		seal_texts(rows[i].n);
		for (unsigned int s = 0; s < N_SIZES && sizes[s] <= rows[i].n; s++)
			check_all(n_variants, sizes[s]);
	}
}

/* Masks and sorting: any lengths together, now and then with a long one. */
static void ragged_bursts(void **state)
{
	const unsigned int rounds = RAGGED / burst_divisor();
	uint64_t seed = 30;

	watch();
	for (unsigned int round = 0; round < rounds; round++) {
		uint32_t longest = round % 3 ? 600 : 1500;

		for (unsigned int i = 0; i < CR_BURST_MAX; i++)
			lens[i] = (uint32_t)(unit_random(&seed) % (longest + 1));
		if (round % 4 == 0)
			lens[unit_random(&seed) % CR_BURST_MAX] = 9000;
		seal_texts(CR_BURST_MAX);
		for (unsigned int s = 0; s < N_SIZES; s++)
			check_all(n_variants, sizes[s]);
	}
}

/* These pages do what the others of this test rely on. */
static void pages_forbid(void **state)
{
	volatile uint8_t *const at[] = {key_rooms[0].start - 1, key_rooms[0].start + ROOM_BYTES,
					dst_rooms[0].start - 1, dst_rooms[0].start + ROOM_BYTES,
					packet_room.start,	src_rooms[0].start};
	int pipe_ends[2];

	assert_int_equal(pipe(pipe_ends), 0);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		/* The kernel refuses as the CPU would. The last two: reads are allowed. */
		ssize_t got = write(pipe_ends[1], (const void *)(uintptr_t)at[i], 1);

		assert_int_equal(got, i < 4 ? -1 : 1);
		if (i >= 4)
			assert_int_equal(read(pipe_ends[0], (void *)(uintptr_t)at[i], 1), -1);
	}
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

static int begin(void **state)
{
	uint64_t seed = 31;

	n_variants = variants_open(variants);
	unit_random_fill(&seed, texts, sizeof(texts));
	unit_random_fill(&seed, keys, sizeof(keys));
	room_open(&packet_room, false);
	for (unsigned int i = 0; i < CR_BURST_MAX; i++) {
		room_open(&key_rooms[i], false);
		room_open(&src_rooms[i], false);
		room_open(&dst_rooms[i], true);
	}
	return 0;
}

static int end(void **state)
{
	variants_close(variants, n_variants);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_forbid),
		cmocka_unit_test(every_length),
		cmocka_unit_test(long_packets),
		cmocka_unit_test(ragged_bursts),
	};

	if (sodium_init() < 0)
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, begin, end);
}
