/*
 * Records of peers by slot, in chunks that are had and given back as they are needed and never
 * move: readers need no lock. A reference is slot | generation << 32. A slot's generation counts up
 * when its peer becomes known, which makes it odd, and when it is removed, so one comparison tells
 * whether a reference is good.
 *
 * A chunk comes from the kernel, page by page as it is used. That is what the drop counters are
 * behind the records for: most peers never drop a packet, and what is not touched is not there.
 * The first drop of 46 peers costs the worker a page fault.
 */
#include "dataplane/peers.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>

#include "crypto/ct.h"
#include "dataplane/peer.h"
#include "dataplane/publish.h"

/* So that AddressSanitizer knows what of a chunk is free, and looks there for what is not lost. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes)
#define __lsan_register_root_region(at, bytes)
#define __lsan_unregister_root_region(at, bytes)
#endif

#define CHUNK_SLOTS 4096
#define CHUNKS	    (DP_PEERS_MAX / CHUNK_SLOTS)
#define NO_SLOT	    UINT32_MAX
#define PAGE_BYTES  4096

struct chunk {
	/* zeroed while they are free */
	struct dp_peer peers[CHUNK_SLOTS];
	struct dp_peer_rest rests[CHUNK_SLOTS];
	_Atomic uint32_t generation[CHUNK_SLOTS];
	/* control only */
	uint32_t next_free[CHUNK_SLOTS];
	uint32_t first_free; /* index of a slot that was given back; NO_SLOT: none */
	uint32_t n_touched;  /* slots that were ever used */
	uint32_t n_used;
	uint32_t number;	 /* of this chunk */
	LIST_ENTRY(chunk) roomy; /* has a slot that is free */
	/* any worker; rare */
	alignas(PAGE_BYTES) _Atomic uint64_t drops[CHUNK_SLOTS][DP_DROP_PEER_N];
};

#define CHUNK_PAGES (sizeof(struct chunk) / PAGE_BYTES)

struct dp_peers {
	_Atomic(struct chunk *) chunks[CHUNKS];
	/* control only */
	struct dp_reclaim *reclaim;
	LIST_HEAD(, chunk) roomy;
	uint32_t generation[CHUNKS]; /* where a chunk that is made anew begins; even */
	size_t count;
};

struct dp_peers *dp_peers_new(struct dp_reclaim *reclaim)
{
	struct dp_peers *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	LIST_INIT(&t->roomy);
	t->reclaim = reclaim;
	return t;
}

/* ---- chunks ---- */

static struct chunk *chunk_at(const struct dp_peers *t, uint32_t number)
{
	return atomic_load_explicit((_Atomic(struct chunk *) *)&t->chunks[number],
				    memory_order_acquire);
}

static bool has_room(const struct chunk *c)
{
	return c->n_used < CHUNK_SLOTS;
}

static struct chunk *chunk_new(struct dp_peers *t)
{
	struct chunk *c;
	uint32_t number = 0;

	while (number < CHUNKS && chunk_at(t, number) != NULL)
		number++;
	if (number == CHUNKS)
		return NULL;
	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c == MAP_FAILED)
		return NULL;
	/* Or the kernel might take 2 MiB at a time. */
	(void)madvise(c->drops, sizeof(c->drops), MADV_NOHUGEPAGE);
	for (uint32_t i = 0; t->generation[number] != 0 && i < CHUNK_SLOTS; i++)
		atomic_store_explicit(&c->generation[i], t->generation[number],
				      memory_order_relaxed);
	__lsan_register_root_region(c, sizeof(*c));
	c->first_free = NO_SLOT;
	c->number = number;
	LIST_INSERT_HEAD(&t->roomy, c, roomy);
	atomic_store_explicit(&t->chunks[number], c, memory_order_release);
	return c;
}

static void chunk_free(void *arg)
{
	ASAN_UNPOISON_MEMORY_REGION(arg, sizeof(struct chunk));
	__lsan_unregister_root_region(arg, sizeof(struct chunk));
	munmap(arg, sizeof(struct chunk));
}

/* Its slots are free, and no reference to one of them will be good when it is made anew. */
static void chunk_retire(struct dp_peers *t, struct chunk *c)
{
	for (uint32_t i = 0; i < CHUNK_SLOTS; i++) {
		uint32_t g = atomic_load_explicit(&c->generation[i], memory_order_relaxed);

		if (t->generation[c->number] < g)
			t->generation[c->number] = g;
	}
	LIST_REMOVE(c, roomy);
	atomic_store_explicit(&t->chunks[c->number], NULL, memory_order_release);
	/* Who looks up an old reference may still read its generations. */
	dp_reclaim_later(t->reclaim, chunk_free, c);
}

void dp_peers_free(struct dp_peers *t)
{
	struct dp_peer *peer;
	uint32_t slot = 0;

	if (t == NULL)
		return;
	while ((peer = dp_peers_next(t, &slot)) != NULL)
		cr_wipe(peer, sizeof(*peer));
	for (uint32_t i = 0; i < CHUNKS; i++)
		if (chunk_at(t, i) != NULL)
			chunk_free(chunk_at(t, i));
	free(t);
}

/* ---- records ---- */

static struct chunk *chunk_of(const struct dp_peers *t, const struct dp_peer *peer)
{
	return chunk_at(t, (uint32_t)peer->ref / CHUNK_SLOTS);
}

/* Of its slot; control writes it. */
static _Atomic uint32_t *generation_of(const struct dp_peers *t, const struct dp_peer *peer)
{
	return &chunk_of(t, peer)->generation[(uint32_t)peer->ref % CHUNK_SLOTS];
}

struct dp_peer *dp_peers_take(struct dp_peers *t)
{
	struct chunk *c = LIST_FIRST(&t->roomy);
	struct dp_peer *peer;
	uint32_t i;

	if (c == NULL)
		c = chunk_new(t);
	if (c == NULL)
		return NULL;
	i = c->first_free;
	if (i == NO_SLOT)
		i = c->n_touched++;
	else
		c->first_free = c->next_free[i];
	c->n_used++;
	if (!has_room(c))
		LIST_REMOVE(c, roomy);
	peer = &c->peers[i];
	ASAN_UNPOISON_MEMORY_REGION(peer, sizeof(*peer));
	ASAN_UNPOISON_MEMORY_REGION(&c->rests[i], sizeof(c->rests[i]));
	peer->rest = &c->rests[i];
	peer->drops = c->drops[i];
	peer->ref = (uint64_t)c->number * CHUNK_SLOTS + i;
	peer->ref |= (uint64_t)(atomic_load_explicit(&c->generation[i], memory_order_relaxed) + 1)
		     << 32;
	return peer;
}

void dp_peers_add(struct dp_peers *t, struct dp_peer *peer)
{
	atomic_store_explicit(generation_of(t, peer), (uint32_t)(peer->ref >> 32),
			      memory_order_release);
	t->count++;
}

void dp_peers_remove(struct dp_peers *t, struct dp_peer *peer)
{
	atomic_store_explicit(generation_of(t, peer), (uint32_t)(peer->ref >> 32) + 1,
			      memory_order_release);
	t->count--;
}

/* Only what is not zero is written: a page that was never touched stays away. */
static void clear_drops(struct dp_peer *peer)
{
	for (unsigned int d = 0; d < DP_DROP_PEER_N; d++)
		if (dp_counted(&peer->drops[d]) != 0)
			atomic_store_explicit(&peer->drops[d], 0, memory_order_relaxed);
}

void dp_peers_give_back(struct dp_peers *t, struct dp_peer *peer)
{
	struct chunk *c = chunk_of(t, peer);
	uint32_t i = (uint32_t)peer->ref % CHUNK_SLOTS;

	clear_drops(peer);
	cr_wipe(peer->rest, sizeof(*peer->rest));
	ASAN_POISON_MEMORY_REGION(peer->rest, sizeof(*peer->rest));
	cr_wipe(peer, sizeof(*peer));
	ASAN_POISON_MEMORY_REGION(peer, sizeof(*peer));
	if (!has_room(c))
		LIST_INSERT_HEAD(&t->roomy, c, roomy);
	c->next_free[i] = c->first_free;
	c->first_free = i;
	/* One chunk with room is kept, so that they are not had and given back all the time. */
	if (--c->n_used == 0 && (LIST_FIRST(&t->roomy) != c || LIST_NEXT(c, roomy) != NULL))
		chunk_retire(t, c);
}

/* ---- looking ---- */

struct dp_peer *dp_peers_next(const struct dp_peers *t, uint32_t *slot)
{
	while (*slot < DP_PEERS_MAX) {
		struct chunk *c = chunk_at(t, *slot / CHUNK_SLOTS);
		uint32_t i = *slot % CHUNK_SLOTS;

		if (c == NULL || i >= c->n_touched) {
			*slot += CHUNK_SLOTS - i;
			continue;
		}
		(*slot)++;
		if (atomic_load_explicit(&c->generation[i], memory_order_relaxed) % 2 != 0)
			return &c->peers[i];
	}
	return NULL;
}

size_t dp_peers_count(const struct dp_peers *t)
{
	return t->count;
}

size_t dp_peers_bytes(const struct dp_peers *t)
{
	size_t bytes = sizeof(*t);
	unsigned char there[CHUNK_PAGES];

	for (uint32_t i = 0; i < CHUNKS; i++) {
		struct chunk *c = chunk_at(t, i);

		if (c == NULL || mincore(c, sizeof(*c), there) != 0)
			continue;
		for (size_t page = 0; page < CHUNK_PAGES; page++)
			bytes += there[page] & 1 ? PAGE_BYTES : 0;
	}
	return bytes;
}

struct dp_peer *dp_peers_by_ref(const struct dp_peers *t, uint64_t ref)
{
	uint32_t slot = (uint32_t)ref, generation = (uint32_t)(ref >> 32);
	struct chunk *c;

	if (slot >= DP_PEERS_MAX || generation % 2 == 0)
		return NULL;
	c = chunk_at(t, slot / CHUNK_SLOTS);
	if (c == NULL || atomic_load_explicit(&c->generation[slot % CHUNK_SLOTS],
					      memory_order_acquire) != generation)
		return NULL;
	return &c->peers[slot % CHUNK_SLOTS];
}
