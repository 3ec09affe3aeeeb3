/*
 * Sessions: their memory, and the table by which a receiver index finds its session. Control
 * inserts and removes; workers look up without locks. What a worker does with a session is in
 * session.h, encap.c and decap.c; when sessions come and go is in publish.c.
 *
 * What the table is made of is in sessions_table.h, how it grows and shrinks in sessions_resize.c.
 */
#include "dataplane/sessions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <rte_prefetch.h>

#include "crypto/ct.h"
#include "dataplane/batch.h"
#include "dataplane/peer.h"
#include "dataplane/sessions_table.h"

/* So that it keeps up with what is inserted or removed, one at a time. */
#define STEPS_PER_CHANGE 2

/* ---- sessions ---- */

struct dp_session *dp_session_new(struct dp_peer *peer, const uint8_t send_key[WG_KEY_BYTES],
				  const uint8_t receive_key[WG_KEY_BYTES], uint32_t local_index,
				  uint32_t remote_index, uint64_t birth_ns, bool initiator)
{
	struct dp_session *s = aligned_alloc(alignof(struct dp_session), sizeof(*s));

	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	memcpy(s->send_key, send_key, WG_KEY_BYTES);
	memcpy(s->receive_key, receive_key, WG_KEY_BYTES);
	s->peer = peer;
	s->iface = peer != NULL ? peer->iface : NULL;
	s->birth_ns = birth_ns;
	s->send_until_ns = birth_ns + WG_REJECT_AFTER_NS;
	/* Only one side rekeys by time, or both would at once (whitepaper 6.2). */
	s->rekey_send_ns = initiator ? birth_ns + WG_REKEY_AFTER_NS : UINT64_MAX;
	s->initiator = initiator;
	s->local_index = local_index;
	s->remote_index = remote_index;
	return s;
}

void dp_session_free(struct dp_session *s)
{
	if (s == NULL)
		return;
	cr_wipe(s, sizeof(*s));
	free(s);
}

/* ---- the table ---- */

struct dp_sessions *dp_sessions_new(struct dp_reclaim *reclaim)
{
	struct dp_sessions *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->cleaner = calloc(1, sizeof(*t->cleaner));
	if (t->cleaner == NULL ||
	    dp_range_init(&t->range, BUCKETS_MAX * sizeof(struct line)) != 0 ||
	    dp_range_grow(&t->range, BUCKETS_MIN * sizeof(struct line)) != 0) {
		dp_range_fini(&t->range);
		free(t->cleaner);
		free(t);
		return NULL;
	}
	t->cleaner->table = t;
	t->reclaim = reclaim;
	t->buckets = (struct line *)t->range.base;
	t->clean_n = BUCKETS_MIN;
	atomic_store_explicit(&t->n_buckets, BUCKETS_MIN, memory_order_relaxed);
	return t;
}

/* The sessions that are at home in a bucket; homes come after buckets with copies. */
static void free_sessions(struct dp_sessions *t, uint32_t bucket)
{
	for (struct line *line = &t->buckets[bucket]; line != NULL; line = more(line)) {
		for (unsigned int i = 0; i < LINE_ENTRIES; i++) {
			uint64_t entry = load(&line->entries[i]);

			if (entry != 0 &&
			    home(session_of(entry)->local_index, n_buckets(t)) == bucket)
				dp_session_free(session_of(entry));
		}
	}
}

void dp_sessions_free(struct dp_sessions *t)
{
	if (t == NULL)
		return;
	for (uint32_t b = 0; b < n_buckets(t); b++)
		free_sessions(t, b);
	for (uint32_t b = 0; b < greatest_n(t); b++)
		dp_sessions_free_lines(more(&t->buckets[b]));
	dp_sessions_free_lines(t->spare);
	if (t->cleaner->queued)
		t->cleaner->table = NULL;
	else
		free(t->cleaner);
	dp_range_fini(&t->range);
	free(t);
}

int dp_sessions_insert(struct dp_sessions *t, struct dp_session *s)
{
	int rc;

	assert((uintptr_t)s >> POINTER_BITS == 0);
	rc = dp_sessions_put(t, &t->buckets[home(s->local_index, n_buckets(t))], entry_of(s));
	if (rc != 0)
		return rc;
	t->count++;
	dp_sessions_settle(t, STEPS_PER_CHANGE);
	return 0;
}

void dp_sessions_remove(struct dp_sessions *t, struct dp_session *s)
{
	const uint32_t last = home(s->local_index, least_n(t));
	uint32_t first = home(s->local_index, greatest_n(t)), bucket = first;
	bool found = false, emptied = false;

	for (;; bucket = parent(bucket)) {
		found |= dp_sessions_take_out(&t->buckets[bucket], entry_of(s), &emptied);
		if (bucket == last)
			break;
	}
	if (!found)
		return;
	t->count--;
	for (bucket = first; emptied; bucket = parent(bucket)) {
		dp_sessions_prune(t, bucket);
		if (bucket == last)
			break;
	}
	dp_sessions_settle(t, STEPS_PER_CHANGE);
}

size_t dp_sessions_count(const struct dp_sessions *t)
{
	return t->count;
}

size_t dp_sessions_buckets(const struct dp_sessions *t)
{
	return n_buckets(t);
}

size_t dp_sessions_bytes(const struct dp_sessions *t)
{
	return sizeof(*t) + sizeof(*t->cleaner) + t->range.in_use_bytes +
	       t->n_lines * sizeof(struct line);
}

/* ---- lookup ---- */

static inline bool is_it(const struct dp_session *s, const struct dp_iface *iface, uint32_t index)
{
	return s->local_index == index && s->iface == iface;
}

static struct dp_session *find(const struct line *line, const struct dp_iface *iface,
			       uint32_t index)
{
	uint64_t tag = tag_of(index);

	for (; line != NULL; line = more(line)) {
		for (unsigned int i = 0; i < LINE_ENTRIES; i++) {
			uint64_t pointer = load(&line->entries[i]) ^ tag;

			if (pointer != 0 && pointer <= POINTER_MASK &&
			    is_it(session_of(pointer), iface, index))
				return session_of(pointer);
		}
	}
	return NULL;
}

struct dp_session *dp_sessions_lookup(const struct dp_sessions *t, const struct dp_iface *iface,
				      uint32_t local_index)
{
	return find(&t->buckets[home(local_index, n_buckets(t))], iface, local_index);
}

/* One with the right tag in the first line, nearly always the one; no branches. */
static inline struct dp_session *candidate(const struct line *line, uint32_t index)
{
	uint64_t tag = tag_of(index), found = 0;

	for (unsigned int i = 0; i < LINE_ENTRIES; i++) {
		uint64_t pointer = load(&line->entries[i]) ^ tag;

		found = pointer - 1 < POINTER_MASK ? pointer : found;
	}
	return session_of(found);
}

void dp_sessions_lookup_bulk(const struct dp_sessions *t, struct dp_iface *const *ifaces,
			     const uint32_t *local_indices, struct dp_session **sessions,
			     unsigned int n)
{
	const struct line *buckets[DP_BATCH_MAX];
	uint32_t n_now = n_buckets(t);

	assert(n <= DP_BATCH_MAX);
	for (unsigned int i = 0; i < n; i++) {
		buckets[i] = &t->buckets[home(local_indices[i], n_now)];
		rte_prefetch0(buckets[i]);
	}
	for (unsigned int i = 0; i < n; i++) {
		sessions[i] = candidate(buckets[i], local_indices[i]);
		rte_prefetch0((const void *)((uintptr_t)sessions[i] +
					     offsetof(struct dp_session, receive_key)));
	}
	for (unsigned int i = 0; i < n; i++) {
		const struct dp_session *s = sessions[i];

		if (likely(s != NULL && is_it(s, ifaces[i], local_indices[i])))
			continue;
		if (s != NULL || more(buckets[i]) != NULL)
			sessions[i] = find(buckets[i], ifaces[i], local_indices[i]);
	}
}
