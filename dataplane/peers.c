/*
 * Slots of peers, in chunks that are added as they are needed and never move: readers need no lock.
 * A reference is slot | generation << 32; the generation counts up when a slot is given up.
 */
#include "dataplane/peers.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "dataplane/peer.h"

#define CHUNK_SLOTS 4096
#define CHUNKS	    (DP_PEERS_MAX / CHUNK_SLOTS)
#define NO_SLOT	    UINT32_MAX

struct chunk {
	_Atomic(struct dp_peer *) peers[CHUNK_SLOTS];
	/* control only */
	uint32_t generation[CHUNK_SLOTS];
	uint32_t next_free[CHUNK_SLOTS];
};

struct dp_peers {
	_Atomic(struct chunk *) chunks[CHUNKS];
	/* control only */
	uint32_t first_free, last_free; /* slots given up: the longest unused is taken first */
	uint32_t n_slots;		/* that were ever used */
	size_t count;
};

struct dp_peers *dp_peers_new(void)
{
	struct dp_peers *t = calloc(1, sizeof(*t));

	if (t != NULL)
		t->first_free = t->last_free = NO_SLOT;
	return t;
}

void dp_peers_free(struct dp_peers *t)
{
	if (t == NULL)
		return;
	for (unsigned int i = 0; i < CHUNKS; i++)
		free(atomic_load_explicit(&t->chunks[i], memory_order_relaxed));
	free(t);
}

static struct chunk *chunk_of(const struct dp_peers *t, uint32_t slot)
{
	return atomic_load_explicit((_Atomic(struct chunk *) *)&t->chunks[slot / CHUNK_SLOTS],
				    memory_order_acquire);
}

/* A slot that was never used. */
static int fresh_slot(struct dp_peers *t, uint32_t *slot)
{
	struct chunk *c;

	if (t->n_slots == DP_PEERS_MAX)
		return -ENOSPC;
	if (t->n_slots % CHUNK_SLOTS == 0 && chunk_of(t, t->n_slots) == NULL) {
		c = calloc(1, sizeof(*c));
		if (c == NULL)
			return -ENOMEM;
		/* From 1, so that no reference is 0, which is what a zeroed note holds. */
		for (unsigned int i = 0; i < CHUNK_SLOTS; i++)
			c->generation[i] = 1;
		atomic_store_explicit(&t->chunks[t->n_slots / CHUNK_SLOTS], c,
				      memory_order_release);
	}
	*slot = t->n_slots++;
	return 0;
}

int dp_peers_add(struct dp_peers *t, struct dp_peer *peer)
{
	uint32_t slot = t->first_free;
	struct chunk *c;
	int rc;

	if (slot == NO_SLOT) {
		rc = fresh_slot(t, &slot);
		if (rc != 0)
			return rc;
		c = chunk_of(t, slot);
	} else {
		c = chunk_of(t, slot);
		t->first_free = c->next_free[slot % CHUNK_SLOTS];
		if (t->first_free == NO_SLOT)
			t->last_free = NO_SLOT;
	}
	peer->ref = slot | (uint64_t)c->generation[slot % CHUNK_SLOTS] << 32;
	t->count++;
	atomic_store_explicit(&c->peers[slot % CHUNK_SLOTS], peer, memory_order_release);
	return 0;
}

void dp_peers_remove(struct dp_peers *t, struct dp_peer *peer)
{
	uint32_t slot = (uint32_t)peer->ref;
	struct chunk *c = chunk_of(t, slot);

	atomic_store_explicit(&c->peers[slot % CHUNK_SLOTS], NULL, memory_order_release);
	if (++c->generation[slot % CHUNK_SLOTS] == 0)
		c->generation[slot % CHUNK_SLOTS] = 1;
	c->next_free[slot % CHUNK_SLOTS] = NO_SLOT;
	if (t->last_free == NO_SLOT)
		t->first_free = slot;
	else
		chunk_of(t, t->last_free)->next_free[t->last_free % CHUNK_SLOTS] = slot;
	t->last_free = slot;
	t->count--;
}

struct dp_peer *dp_peers_next(const struct dp_peers *t, uint32_t *slot)
{
	while (*slot < t->n_slots) {
		struct chunk *c = chunk_of(t, *slot);
		struct dp_peer *peer = atomic_load_explicit(&c->peers[*slot % CHUNK_SLOTS],
							    memory_order_relaxed);

		(*slot)++;
		if (peer != NULL)
			return peer;
	}
	return NULL;
}

size_t dp_peers_count(const struct dp_peers *t)
{
	return t->count;
}

struct dp_peer *dp_peers_by_ref(const struct dp_peers *t, uint64_t ref)
{
	uint32_t slot = (uint32_t)ref;
	struct dp_peer *peer;
	struct chunk *c;

	if (slot >= DP_PEERS_MAX)
		return NULL;
	c = chunk_of(t, slot);
	if (c == NULL)
		return NULL;
	peer = atomic_load_explicit(&c->peers[slot % CHUNK_SLOTS], memory_order_acquire);
	return peer != NULL && peer->ref == ref ? peer : NULL;
}
