/*
 * A set of record numbers, by hash and by the caller's comparison: finds duplicates among a million
 * keys or prefixes without copying them. Open addressing; grows by itself; nothing is removed.
 */
#ifndef CONFIG_SET_H
#define CONFIG_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_SET_NONE UINT32_MAX

struct cf_set {
	uint32_t *hashes;
	uint32_t *numbers; /* CF_SET_NONE: free slot */
	size_t slots, used;
};

/* Whether record `number` equals the one that is asked for. */
typedef bool cf_set_equal_fn(const void *ctx, uint32_t number, const void *wanted);

/* SipHash under a key drawn at start, so that a crafted file cannot choose its collisions. */
uint32_t cf_set_hash(const void *bytes, size_t len);

/* Returns the record that equals wanted, or CF_SET_NONE. */
uint32_t cf_set_find(const struct cf_set *set, uint32_t hash, cf_set_equal_fn *equal,
		     const void *ctx, const void *wanted);
/* Adds a record that is not in the set. False: no memory. */
bool cf_set_add(struct cf_set *set, uint32_t hash, uint32_t number);
void cf_set_free(struct cf_set *set);

#endif
