/*
 * An LC-trie (level- and path-compressed; S. Nilsson, G. Karlsson: IP-Address Lookup Using
 * LC-Tries, IEEE JSAC 17(6), 1999, sections III and IV) that grows and shrinks with its prefixes:
 * prefixes of up to 128 bits to pointers, longest match. One writer (control), any number of
 * readers (workers) without locks; what readers may still see waits for them (arena.h). A lookup
 * during changes gives an answer that was right at some moment meanwhile, never a miss in between.
 * No DPDK here: what a trie takes from its surroundings is struct dp_later.
 *
 * How it is built is told in lc_trie_node.h. What the prefixes mean is in allowed.h and route.h.
 */
#ifndef DATAPLANE_LC_TRIE_H
#define DATAPLANE_LC_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "dataplane/arena.h"

#define DP_TRIE_BITS_MAX 128
#define DP_TRIE_BULK_MAX 32
#define DP_TRIE_UNLISTED SIZE_MAX

struct dp_trie;

/* Most significant bit first, in host order; IPv4 addresses are the upper 32 bits of hi. */
struct dp_trie_key {
	uint64_t hi, lo;
};

/* A prefix as it is listed: host bits are zero, value is not NULL. */
struct dp_trie_prefix {
	struct dp_trie_key key;
	uint8_t len;
	void *value;
};

/* Called for a prefix; false: no more. It must not change the trie. */
typedef bool dp_trie_visit(void *ctx, const struct dp_trie_prefix *prefix);

/*
 * Control. bits: 32 or 128. list_off: where in the object that a value points at there is a
 * uint32_t, zero at first, for the trie to head the list of this value's prefixes with;
 * DP_TRIE_UNLISTED: nothing is listed, and values may point at anything. NULL: out of memory.
 */
struct dp_trie *dp_trie_new(uint8_t bits, size_t list_off, const struct dp_later *later);
/* Control, when no reader is left. NULL is allowed. Lists' heads are not touched. */
void dp_trie_free(struct dp_trie *t);

/*
 * Control. Sets the prefix's value (not NULL), host bits are ignored. The prefix leaves the list of
 * the value before, if there was one, and joins its own at the end. *old is the value before, NULL
 * for a new prefix. 0, -EINVAL (len over bits) or -ENOMEM, also for another value of a prefix that
 * is there; then the trie is as it was. Takes bounded time: nodes are resized one at a time, large
 * ones only as far as that is quick.
 */
int dp_trie_set(struct dp_trie *t, struct dp_trie_key key, uint8_t len, void *value, void **old);
/* Control. Exactly this prefix, if its value is this one (any, if NULL): its value, else NULL. */
void *dp_trie_clear(struct dp_trie *t, struct dp_trie_key key, uint8_t len, const void *value);
/* Control. Removes at most max of the prefixes in a value's list; how many. */
size_t dp_trie_clear_listed(struct dp_trie *t, const void *value, size_t max);
/*
 * Control. Sets many prefixes, fewer than 2^32; host bits are ignored; of equal ones the last one
 * stays. Into an empty trie it is two to four times as fast as one by one, and lists are in order
 * of keys then. 0, -EINVAL (nothing is done) or -ENOMEM (nothing is done if the trie was empty,
 * else an unspecified part). Takes as long as it takes.
 */
int dp_trie_build(struct dp_trie *t, const struct dp_trie_prefix *prefixes, size_t n);

/* Control. All prefixes in order of their keys, shorter before longer ones in them. */
void dp_trie_walk(const struct dp_trie *t, dp_trie_visit *visit, void *ctx);
/* Control. The prefixes in a value's list, without looking at others. False: visit ended it. */
bool dp_trie_walk_listed(const struct dp_trie *t, const void *value, dp_trie_visit *visit,
			 void *ctx);

/* Control. Prefixes; nodes that they hang on; bytes of both, and of all memory held for them. */
size_t dp_trie_count(const struct dp_trie *t);
size_t dp_trie_nodes(const struct dp_trie *t);
size_t dp_trie_used_bytes(const struct dp_trie *t);
size_t dp_trie_bytes(const struct dp_trie *t);

/* Workers, control. The value of the longest prefix that holds the key; NULL: none. */
void *dp_trie_lookup(const struct dp_trie *t, struct dp_trie_key key);

/*
 * Workers, control. The same for n keys, at most DP_TRIE_BULK_MAX, given as arrays of their halves
 * (IPv4: only hi is read). Several times faster than one by one: cache misses overlap, and where
 * the CPU has AVX-512 eight keys go down at once.
 */
void dp_trie_lookup_bulk(const struct dp_trie *t, const uint64_t *hi, const uint64_t *lo,
			 void **values, unsigned int n);
/* For tests and benches: the same without AVX-512, and with it, where that is usable. */
void dp_trie_lookup_bulk_scalar(const struct dp_trie *t, const uint64_t *hi, const uint64_t *lo,
				void **values, unsigned int n);
bool dp_trie_avx512_usable(void);
void dp_trie_lookup_bulk_avx512(const struct dp_trie *t, const uint64_t *hi, const uint64_t *lo,
				void **values, unsigned int n);

/* The key of an address in network order: AF_INET (4 bytes) or AF_INET6 (16), and the reverse;
 * IPv4 leaves the rest of addr zero. */
static inline struct dp_trie_key dp_trie_key(int family, const uint8_t *addr)
{
	struct dp_trie_key key = {0, 0};
	uint32_t v4;
	uint64_t half;

	if (family == AF_INET) {
		memcpy(&v4, addr, sizeof(v4));
		key.hi = (uint64_t)__builtin_bswap32(v4) << 32;
	} else {
		memcpy(&half, addr, sizeof(half));
		key.hi = __builtin_bswap64(half);
		memcpy(&half, addr + sizeof(half), sizeof(half));
		key.lo = __builtin_bswap64(half);
	}
	return key;
}
void dp_trie_addr(struct dp_trie_key key, int family, uint8_t addr[16]);

#endif
