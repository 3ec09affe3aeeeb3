/*
 * Random bursts, their images and their forgeries: burst.h. Lengths, keys, counters, order,
 * alignment and content are each drawn from several kinds, because what goes wrong in a back end
 * that works across packets goes wrong in some mix of them.
 */
#include "tests/unit/crypto/burst.h"

#include <sodium.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

#define ARENA_BYTES (2u << 20)
#define POOL_BYTES  (1u << 18)
#define NONCE_BYTES 12

/* Room behind a packet's tag, so that one that claims a byte more is still inside. */
#define SPARE_BYTES 1

#define LONG_BYTES 9000

static uint8_t pool[POOL_BYTES];

static uint32_t below(uint64_t *seed, uint32_t n)
{
	return (uint32_t)((unit_random(seed) >> 32) % n);
}

void burst_init(struct burst *b)
{
	uint64_t seed = 1;

	memset(b, 0, sizeof(*b));
	b->arena = calloc(5, ARENA_BYTES);
	assert_non_null(b->arena);
	b->seal_in = b->arena + ARENA_BYTES;
	b->seal_out = b->seal_in + ARENA_BYTES;
	b->open_in = b->seal_out + ARENA_BYTES;
	b->open_out = b->open_in + ARENA_BYTES;
	unit_random_fill(&seed, pool, sizeof(pool));
}

void burst_free(struct burst *b)
{
	free(b->arena);
}

/* Lengths */

static uint32_t around(uint64_t *seed, uint32_t step, uint32_t n_steps)
{
	uint32_t len = step * below(seed, n_steps + 1) + below(seed, 7);

	return len < 3 ? 0 : len - 3;
}

static uint32_t imix(uint64_t *seed)
{
	uint32_t draw = below(seed, 32);

	return draw < 19 ? 64 : draw < 29 ? 576 : 1420;
}

enum { LEN_SMALL, LEN_BLOCKS, LEN_COLUMNS, LEN_WIREGUARD, LEN_IMIX, LEN_ANY, LEN_JUMBO, LEN_KINDS };

static uint32_t one_len(uint64_t *seed, unsigned int kind)
{
	switch (kind) {
	case LEN_SMALL:
		return below(seed, 201);
	case LEN_BLOCKS:
		return around(seed, 16, 36);
	case LEN_COLUMNS:
		return around(seed, 64, 24);
	case LEN_WIREGUARD:
		return 16 * below(seed, 1440 / 16 + 1);
	case LEN_IMIX:
		return imix(seed);
	case LEN_ANY:
		return below(seed, 1501);
	default:
		return below(seed, LONG_BYTES + 1);
	}
}

/* Many bursts are of short packets, for there to be many packets. */
static unsigned int len_kind(uint64_t *seed)
{
	static const uint8_t kinds[] = {LEN_SMALL,   LEN_SMALL,	    LEN_SMALL, LEN_BLOCKS,
					LEN_BLOCKS,  LEN_COLUMNS,   LEN_IMIX,  LEN_COLUMNS,
					LEN_COLUMNS, LEN_WIREGUARD, LEN_ANY,   LEN_ANY};

	if (below(seed, 256) == 0)
		return LEN_JUMBO;
	return kinds[below(seed, sizeof(kinds))];
}

static void sort_lens(struct burst *b, bool up)
{
	for (unsigned int i = 1; i < b->n; i++) {
		for (unsigned int j = i; j > 0; j--) {
			uint32_t x = b->len[j - 1], y = b->len[j];

			if (up ? x <= y : x >= y)
				break;
			b->len[j - 1] = y;
			b->len[j] = x;
		}
	}
}

static void pick_lens(struct burst *b, uint64_t *seed)
{
	unsigned int kind = len_kind(seed), mix = below(seed, 16);
	uint32_t first = one_len(seed, kind), second = one_len(seed, len_kind(seed));

	for (unsigned int i = 0; i < b->n; i++)
		b->len[i] = one_len(seed, kind);
	if (mix < 2)
		sort_lens(b, mix == 0);
	for (unsigned int i = 0; i < b->n; i++) {
		if (mix == 2 || mix == 3)
			b->len[i] = first;
		else if (mix == 4)
			b->len[i] = first + below(seed, 4);
		else if (mix == 5)
			b->len[i] = below(seed, 2) ? first : second;
		else if (mix == 6 && below(seed, 4) == 0)
			b->len[i] = 0;
		else if (mix == 7)
			b->len[i] = one_len(seed, below(seed, LEN_JUMBO));
	}
	if (mix == 8 && below(seed, 4) == 0)
		memset(b->len, 0, sizeof(b->len));
	/* One long among the others. */
	if (mix == 9)
		b->len[below(seed, b->n)] = below(seed, 32) ? below(seed, LONG_BYTES + 1)
							    : below(seed, CR_LEN_MAX_BYTES + 1);
}

/* Keys and counters */

static void pick_keys(struct burst *b, uint64_t *seed)
{
	unsigned int mix = below(seed, 6), run = 1 + below(seed, 16);

	b->n_keys = mix == 0 ? 1 : mix == 1 || mix == 4 ? b->n : 1 + below(seed, b->n);
	if (mix == 3 && b->n_keys > 4)
		b->n_keys = 4;
	unit_random_fill(seed, b->keys, b->n_keys * sizeof(b->keys[0]));
	for (unsigned int i = 0; i < b->n; i++) {
		if (mix == 2) /* runs */
			b->key[i] = i / run % b->n_keys;
		else if (mix == 3) /* a few in turn */
			b->key[i] = i % b->n_keys;
		else if (mix == 5)
			b->key[i] = below(seed, b->n_keys);
		else
			b->key[i] = i % b->n_keys;
	}
	/* Copies of one key in many places, or one that differ in a bit. */
	for (unsigned int k = 1; mix == 4 && k < b->n_keys; k++) {
		memcpy(b->keys[k], b->keys[0], CR_KEY_BYTES);
		if (run % 2)
			b->keys[k][k % CR_KEY_BYTES] ^= (uint8_t)(1u << k / CR_KEY_BYTES);
	}
}

static void pick_counters(struct burst *b, uint64_t *seed)
{
	unsigned int mix = below(seed, 8);
	uint64_t base = unit_random(seed);

	for (unsigned int i = 0; i < b->n; i++) {
		uint64_t any = unit_random(seed);

		switch (mix) {
		case 0:
			b->counter[i] = 0;
			break;
		case 1:
			b->counter[i] = any % 100;
			break;
		case 2:
			b->counter[i] = UINT32_MAX - 32 + any % 64;
			break;
		case 3:
			b->counter[i] = UINT64_MAX - any % 64;
			break;
		case 4:
			b->counter[i] = any << 32;
			break;
		case 5:
			b->counter[i] = base >> 32;
			break;
		case 6:
			b->counter[i] = (base >> base % 64) + i;
			break;
		default:
			b->counter[i] = any;
		}
	}
}

static void pick_places(struct burst *b, uint64_t *seed)
{
	unsigned int mix = below(seed, 4);

	for (unsigned int i = 0; i < b->n; i++)
		b->in_place[i] = mix == 0 || (mix > 1 && below(seed, 2));
}

/* Where everything lies */

struct piece {
	size_t *at;
	size_t len;
};

static void swap_pieces(struct piece *a, struct piece *b)
{
	struct piece c = *a;

	*a = *b;
	*b = c;
}

static unsigned int list_pieces(struct burst *b, struct piece *pieces)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < b->n; i++) {
		size_t len = b->len[i] + CR_TAG_BYTES + SPARE_BYTES;

		pieces[n++] = (struct piece){&b->src_at[i], len};
		if (!b->in_place[i])
			pieces[n++] = (struct piece){&b->dst_at[i], len};
	}
	for (unsigned int k = 0; k < b->n_keys; k++)
		pieces[n++] = (struct piece){&b->key_at[k], CR_KEY_BYTES};
	pieces[n++] = (struct piece){&b->wrong_key_at, CR_KEY_BYTES};
	return n;
}

/* In order, backwards, or shuffled; without room between, aligned, off by one, or anywhere. */
static void lay_pieces(struct burst *b, uint64_t *seed)
{
	struct piece pieces[BURST_PIECES_MAX];
	unsigned int n = list_pieces(b, pieces), order = below(seed, 4), gaps = below(seed, 6);
	size_t at = below(seed, 64);

	for (unsigned int i = 0; order == 1 && i < n / 2; i++)
		swap_pieces(&pieces[i], &pieces[n - 1 - i]);
	for (unsigned int i = n - 1; order > 1 && i > 0; i--)
		swap_pieces(&pieces[i], &pieces[below(seed, i + 1)]);
	for (unsigned int i = 0; i < n; i++) {
		if (gaps == 1)
			at = (at + 63) & ~(size_t)63;
		else if (gaps == 2)
			at = ((at + 63) & ~(size_t)63) + 1;
		else if (gaps > 2)
			at += below(seed, 64);
		*pieces[i].at = at;
		at += pieces[i].len;
	}
	b->used = at + 64;
	assert_true(b->used <= ARENA_BYTES);
	for (unsigned int i = 0; i < b->n; i++) {
		if (b->in_place[i])
			b->dst_at[i] = b->src_at[i];
	}
}

/* Images */

static void nonce_of(uint8_t nonce[NONCE_BYTES], uint64_t counter)
{
	memset(nonce, 0, 4);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(counter >> 8 * i);
}

static void pool_fill(uint64_t *seed, uint8_t *out, size_t len)
{
	while (len > 0) {
		size_t from = below(seed, POOL_BYTES / 2), n = POOL_BYTES / 2;

		n = n < len ? n : len;
		memcpy(out, pool + from, n);
		out += n;
		len -= n;
	}
}

/* Sums of such blocks lie where carries are rare otherwise. */
static void structured_fill(uint64_t *seed, uint8_t *out, size_t len)
{
	static const uint8_t bytes[] = {0x00, 0xff, 0x7f, 0x80, 0x01, 0xfe};
	unsigned int mix = below(seed, 5);

	memset(out, bytes[below(seed, sizeof(bytes))], len);
	for (size_t i = 0; mix == 1 && i < len; i += 16)
		memset(out + i, below(seed, 2) ? 0xff : 0, len - i < 16 ? len - i : 16);
	for (size_t i = 0; mix == 2 && i < len; i += 1 + below(seed, 40))
		out[i] = (uint8_t)unit_random(seed);
	for (size_t i = 0; mix == 3 && i < len; i++)
		out[i] = (uint8_t)i;
}

static void fill_texts(struct burst *b, uint64_t *seed)
{
	bool structured = below(seed, 6) == 0;
	uint8_t nonce[NONCE_BYTES];

	for (unsigned int i = 0; i < b->n; i++) {
		uint8_t *text = b->seal_in + b->src_at[i];

		if (!structured) {
			pool_fill(seed, text, b->len[i]);
			continue;
		}
		/* The ciphertext is to have that structure. */
		structured_fill(seed, text, b->len[i]);
		nonce_of(nonce, b->counter[i]);
		crypto_stream_chacha20_ietf_xor_ic(text, text, b->len[i], nonce, 1,
						   b->keys[b->key[i]]);
	}
}

void burst_mend(struct burst *b)
{
	memcpy(b->open_in, b->seal_in, b->used);
	for (unsigned int i = 0; i < b->n; i++) {
		memcpy(b->open_in + b->src_at[i], b->seal_out + b->dst_at[i],
		       b->len[i] + CR_TAG_BYTES);
		b->open[i] = b->seal[i];
	}
	memcpy(b->open_out, b->open_in, b->used);
	for (unsigned int i = 0; i < b->n; i++)
		memcpy(b->open_out + b->dst_at[i], b->seal_in + b->src_at[i], b->len[i]);
	b->good = all_of(b->n);
}

void burst_answer(struct burst *b)
{
	uint8_t nonce[NONCE_BYTES];

	memcpy(b->seal_out, b->seal_in, b->used);
	for (unsigned int i = 0; i < b->n; i++) {
		nonce_of(nonce, b->counter[i]);
		crypto_aead_chacha20poly1305_ietf_encrypt(b->seal_out + b->dst_at[i], NULL,
							  b->seal_in + b->src_at[i], b->len[i],
							  NULL, 0, NULL, nonce, b->keys[b->key[i]]);
	}
	burst_mend(b);
}

/* The images and packets of what has been picked. */
static void burst_lay(struct burst *b, uint64_t *seed)
{
	pick_keys(b, seed);
	pick_counters(b, seed);
	pick_places(b, seed);
	lay_pieces(b, seed);
	for (unsigned int i = 0; i < b->n; i++)
		b->seal[i] = (struct cr_packet){b->arena + b->key_at[b->key[i]], b->counter[i],
						b->arena + b->src_at[i], b->arena + b->dst_at[i],
						b->len[i]};
	pool_fill(seed, b->seal_in, b->used);
	for (unsigned int k = 0; k < b->n_keys; k++)
		memcpy(b->seal_in + b->key_at[k], b->keys[k], CR_KEY_BYTES);
	fill_texts(b, seed);
	burst_answer(b);
}

void burst_make(struct burst *b, uint64_t *seed, unsigned int n)
{
	b->n = n;
	pick_lens(b, seed);
	burst_lay(b, seed);
}

void burst_make_equal(struct burst *b, uint64_t *seed, unsigned int n, uint32_t len)
{
	b->n = n;
	for (unsigned int i = 0; i < n; i++)
		b->len[i] = len;
	burst_lay(b, seed);
}

/* Forgeries */

/* In both images: what is forged in place and not overwritten stays as it came. */
static void change_byte(struct burst *b, unsigned int i, size_t at, uint8_t by)
{
	assert_true(by != 0);
	b->open_in[b->src_at[i] + at] ^= by;
	b->open_out[b->src_at[i] + at] = b->open_in[b->src_at[i] + at];
}

/* Packet i's place after a change: zeroed over the length that it claims. */
static void now_bad(struct burst *b, unsigned int i)
{
	memcpy(b->open_out + b->dst_at[i], b->open_in + b->dst_at[i],
	       b->len[i] + CR_TAG_BYTES + SPARE_BYTES);
	memset(b->open_out + b->dst_at[i], 0, b->open[i].len_bytes);
	b->good &= ~(UINT64_C(1) << i);
}

void burst_flip(struct burst *b, unsigned int i, size_t bit)
{
	change_byte(b, i, bit / 8, (uint8_t)(1u << bit % 8));
	now_bad(b, i);
}

static void forge_tag(struct burst *b, uint64_t *seed, unsigned int i, enum forgery how)
{
	const size_t tag = b->len[i];
	const unsigned int next = (i + 1) % b->n;
	const uint8_t *mine = b->seal_out + b->dst_at[i] + tag, *to;
	static const uint8_t zero[CR_TAG_BYTES];
	uint32_t bit = below(seed, 8 * CR_TAG_BYTES / 2);

	to = how == FORGED_TAG_ZERO ? zero : b->seal_out + b->dst_at[next] + b->len[next];
	if (how == FORGED_TAG_TWICE || memcmp(mine, to, CR_TAG_BYTES) == 0) {
		change_byte(b, i, tag + bit / 8, (uint8_t)(1u << bit % 8));
		change_byte(b, i, tag + 8 + bit / 8, (uint8_t)(1u << bit % 8));
		return;
	}
	for (size_t at = 0; at < CR_TAG_BYTES; at++) {
		if (mine[at] != to[at])
			change_byte(b, i, tag + at, mine[at] ^ to[at]);
	}
}

static void forge_text(struct burst *b, uint64_t *seed, unsigned int i, enum forgery how)
{
	size_t len = b->len[i], at = below(seed, (uint32_t)len);

	if (how == FORGED_FIRST)
		at = 0;
	else if (how == FORGED_LAST)
		at = len - 1;
	else if (how == FORGED_LAST_BLOCK)
		at = (len - 1) & ~(size_t)15;
	else if (how == FORGED_BLOCK_END)
		at |= 15;
	else if (how == FORGED_COLUMN)
		at = below(seed, 2) ? at | 63 : at & ~(size_t)63;
	at = at < len ? at : len - 1;
	change_byte(b, i, at, (uint8_t)(1u << below(seed, 8)));
}

void burst_forge(struct burst *b, uint64_t *seed, unsigned int i, enum forgery how)
{
	bool of_text = how >= FORGED_FIRST && how <= FORGED_COLUMN;
	struct cr_packet *p = &b->open[i];

	if ((of_text || how == FORGED_LEN_LESS) && b->len[i] == 0)
		how = FORGED_TAG_BIT;
	if (how == FORGED_LEN_MORE && b->len[i] == CR_LEN_MAX_BYTES)
		how = FORGED_LEN_LESS;
	if (how == FORGED_TAG_BIT)
		change_byte(b, i, b->len[i] + below(seed, CR_TAG_BYTES),
			    (uint8_t)(1u << below(seed, 8)));
	else if (how < FORGED_FIRST)
		forge_tag(b, seed, i, how);
	else if (how <= FORGED_COLUMN)
		forge_text(b, seed, i, how);
	else if (how == FORGED_COUNTER_BIT)
		p->counter ^= UINT64_C(1) << below(seed, 64);
	else if (how == FORGED_COUNTER_NEXT)
		p->counter++;
	else if (how == FORGED_KEY)
		p->key = b->arena + b->wrong_key_at;
	else
		p->len_bytes += how == FORGED_LEN_MORE ? 1 : UINT32_MAX;
	now_bad(b, i);
}

uint64_t burst_pick_bad(uint64_t *seed, unsigned int n)
{
	switch (below(seed, 6)) {
	case 0:
		return 0;
	case 1:
		return all_of(n);
	case 2:
		return all_of(n) & UINT64_C(0x5555555555555555);
	case 3:
		return all_of(n) & ~UINT64_C(0x5555555555555555);
	case 4:
		return UINT64_C(1) << below(seed, n);
	default:
		return all_of(n) & unit_random(seed);
	}
}

/* Checks */

/* Says what is wrong: at which byte of which packet. */
static void complain(const struct burst *b, const struct variant *v, const char *what,
		     const struct cr_packet *packets, const uint8_t *want, uint64_t mask,
		     uint64_t want_mask)
{
	size_t at = 0;

	printf("# %s: %s of %u packets: mask %016llx, right is %016llx\n", v->name, what, b->n,
	       (unsigned long long)mask, (unsigned long long)want_mask);
	while (at < b->used && b->arena[at] == want[at])
		at++;
	if (at < b->used)
		printf("# byte %zu of the arena is %02x, not %02x\n", at, b->arena[at], want[at]);
	for (unsigned int i = 0; i < b->n; i++) {
		const struct cr_packet *p = &packets[i];
		bool here = b->dst_at[i] <= at && at < b->dst_at[i] + b->len[i] + CR_TAG_BYTES;

		printf("# %c %2u: len %u, key %u, counter %llx, src %zu, dst %zu\n",
		       here ? '*' : ' ', i, p->len_bytes, b->key[i], (unsigned long long)p->counter,
		       b->src_at[i], b->dst_at[i]);
	}
	fflush(stdout);
	fail_msg("%s: %s of %u packets is wrong", v->name, what, b->n);
}

static bool seals(struct burst *b, const struct variant *v, uint64_t *mask)
{
	memcpy(b->arena, b->seal_in, b->used);
	*mask = variant_seal(v, b->seal, b->n);
	return *mask == all_of(b->n) && memcmp(b->arena, b->seal_out, b->used) == 0;
}

static bool opens(struct burst *b, const struct variant *v, uint64_t *mask)
{
	memcpy(b->arena, b->open_in, b->used);
	*mask = variant_open(v, b->open, b->n);
	return *mask == b->good && memcmp(b->arena, b->open_out, b->used) == 0;
}

bool burst_seals_right(struct burst *b, const struct variant *v)
{
	uint64_t mask;

	return seals(b, v, &mask);
}

bool burst_opens_right(struct burst *b, const struct variant *v)
{
	uint64_t mask;

	return opens(b, v, &mask);
}

void burst_check_seal(struct burst *b, const struct variant *v)
{
	uint64_t mask;

	if (!seals(b, v, &mask))
		complain(b, v, "seal", b->seal, b->seal_out, mask, all_of(b->n));
}

void burst_check_open(struct burst *b, const struct variant *v)
{
	uint64_t mask;

	if (!opens(b, v, &mask))
		complain(b, v, "open", b->open, b->open_out, mask, b->good);
}

void burst_check_libsodium(const struct burst *b)
{
	static uint8_t out[CR_LEN_MAX_BYTES];
	uint8_t nonce[NONCE_BYTES];

	for (unsigned int i = 0; i < b->n; i++) {
		const struct cr_packet *p = &b->open[i];
		const uint8_t *src = b->open_in + b->src_at[i];
		const uint8_t *key = b->open_in + (size_t)(p->key - b->arena);
		int rc;

		nonce_of(nonce, p->counter);
		rc = crypto_aead_chacha20poly1305_ietf_decrypt(
			out, NULL, NULL, src, p->len_bytes + CR_TAG_BYTES, NULL, 0, nonce, key);
		assert_int_equal(rc == 0, b->good >> i & 1);
		if (rc == 0)
			assert_int_equal(memcmp(out, b->open_out + b->dst_at[i], p->len_bytes), 0);
	}
}

unsigned int burst_divisor(void)
{
	bool slow = false;

#if defined(__SANITIZE_ADDRESS__)
	slow = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
	slow = true;
#endif
#endif
#ifdef RUNNING_ON_VALGRIND
	slow = slow || RUNNING_ON_VALGRIND;
#endif
	if (!slow)
		return 1;
	printf("# sanitizer or valgrind: about 1/%d of the cases\n", BURST_SLOW_DIVISOR);
	return BURST_SLOW_DIVISOR;
}
