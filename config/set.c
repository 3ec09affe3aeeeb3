/* The set of record numbers: linear probing, at most half full. Any thread, one at a time. */
#include "config/set.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define SET_SLOTS_MIN 16

static unsigned char hash_key[crypto_shorthash_KEYBYTES];
static pthread_once_t hash_key_once = PTHREAD_ONCE_INIT;

static void draw_hash_key(void)
{
	randombytes_buf(hash_key, sizeof(hash_key));
}

uint32_t cf_set_hash(const void *bytes, size_t len)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint32_t hash;

	pthread_once(&hash_key_once, draw_hash_key);
	crypto_shorthash(out, bytes, len, hash_key);
	memcpy(&hash, out, sizeof(hash));
	return hash;
}

uint32_t cf_set_find(const struct cf_set *set, uint32_t hash, cf_set_equal_fn *equal,
		     const void *ctx, const void *wanted)
{
	if (!set->slots)
		return CF_SET_NONE;
	for (size_t i = hash & (set->slots - 1);; i = (i + 1) & (set->slots - 1)) {
		if (set->numbers[i] == CF_SET_NONE)
			return CF_SET_NONE;
		if (set->hashes[i] == hash && equal(ctx, set->numbers[i], wanted))
			return set->numbers[i];
	}
}

static void put(struct cf_set *set, uint32_t hash, uint32_t number)
{
	size_t i = hash & (set->slots - 1);

	while (set->numbers[i] != CF_SET_NONE)
		i = (i + 1) & (set->slots - 1);
	set->hashes[i] = hash;
	set->numbers[i] = number;
}

static bool grow(struct cf_set *set)
{
	struct cf_set bigger = {.used = set->used};

	bigger.slots = set->slots ? set->slots * 2 : SET_SLOTS_MIN;
	bigger.hashes = calloc(bigger.slots, sizeof(*bigger.hashes));
	bigger.numbers = malloc(bigger.slots * sizeof(*bigger.numbers));
	if (!bigger.hashes || !bigger.numbers) {
		cf_set_free(&bigger);
		return false;
	}
	memset(bigger.numbers, 0xff, bigger.slots * sizeof(*bigger.numbers));
	for (size_t i = 0; i < set->slots; i++)
		if (set->numbers[i] != CF_SET_NONE)
			put(&bigger, set->hashes[i], set->numbers[i]);
	free(set->hashes);
	free(set->numbers);
	*set = bigger;
	return true;
}

bool cf_set_add(struct cf_set *set, uint32_t hash, uint32_t number)
{
	if (set->used * 2 >= set->slots && !grow(set))
		return false;
	put(set, hash, number);
	set->used++;
	return true;
}

void cf_set_free(struct cf_set *set)
{
	free(set->hashes);
	free(set->numbers);
	memset(set, 0, sizeof(*set));
}
