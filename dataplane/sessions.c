/*
 * Sessions: their memory, and the table by which a receiver index finds its session. Control
 * inserts and removes; workers walk the chains without locks. What a worker does with a session is
 * in session.h, encap.c and decap.c; when sessions come and go is in publish.c.
 */
#include "dataplane/sessions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <rte_prefetch.h>

#include "crypto/ct.h"
#include "dataplane/batch.h"
#include "dataplane/peer.h"
#include "dataplane/session.h"

/*
 * Three sessions for each of 300 000 peers make chains of one. Indices are drawn at random, so they
 * need no hash. The 8 MiB come zeroed from the kernel, page by page as they are used.
 */
#define BUCKETS (UINT32_C(1) << 20)

struct dp_sessions {
	_Atomic(struct dp_session *) buckets[BUCKETS];
};

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
	s->birth_ns = birth_ns;
	/* Only one side rekeys by time, or both would at once (whitepaper 6.2). */
	s->rekey_send_ns = initiator ? birth_ns + WG_REKEY_AFTER_NS : UINT64_MAX;
	s->rekey_receive_ns = initiator ? birth_ns + WG_REKEY_ON_RECEIVE_NS : UINT64_MAX;
	s->local_index = local_index;
	s->remote_index = remote_index;
	rte_spinlock_init(&s->lock);
	return s;
}

void dp_session_free(struct dp_session *s)
{
	if (s == NULL)
		return;
	cr_wipe(s, sizeof(*s));
	free(s);
}

struct dp_sessions *dp_sessions_new(void)
{
	return calloc(1, sizeof(struct dp_sessions));
}

static _Atomic(struct dp_session *) *bucket(const struct dp_sessions *t, uint32_t local_index)
{
	return (_Atomic(struct dp_session *) *)&t->buckets[local_index % BUCKETS];
}

static struct dp_session *load(_Atomic(struct dp_session *) *from)
{
	return atomic_load_explicit(from, memory_order_acquire);
}

void dp_sessions_insert(struct dp_sessions *t, struct dp_session *s)
{
	_Atomic(struct dp_session *) *first = bucket(t, s->local_index);

	atomic_store_explicit(&s->next, load(first), memory_order_relaxed);
	atomic_store_explicit(first, s, memory_order_release);
}

void dp_sessions_free(struct dp_sessions *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < BUCKETS; i++) {
		struct dp_session *s = load(&t->buckets[i]), *next;

		for (; s != NULL; s = next) {
			next = load(&s->next);
			dp_session_free(s);
		}
	}
	free(t);
}

/* A worker that stands on s goes on by its next, which stays as it is until s is freed. */
void dp_sessions_remove(struct dp_sessions *t, struct dp_session *s)
{
	_Atomic(struct dp_session *) *at = bucket(t, s->local_index);

	while (load(at) != NULL && load(at) != s)
		at = &load(at)->next;
	if (load(at) == s)
		atomic_store_explicit(at, load(&s->next), memory_order_release);
}

static inline struct dp_session *find(struct dp_session *s, const struct dp_iface *iface,
				      uint32_t local_index)
{
	while (s != NULL && (s->local_index != local_index || s->peer->iface != iface))
		s = load(&s->next);
	return s;
}

struct dp_session *dp_sessions_lookup(const struct dp_sessions *t, const struct dp_iface *iface,
				      uint32_t local_index)
{
	return find(load(bucket(t, local_index)), iface, local_index);
}

void dp_sessions_lookup_bulk(const struct dp_sessions *t, struct dp_iface *const *ifaces,
			     const uint32_t *local_indices, struct dp_session **sessions,
			     unsigned int n)
{
	assert(n <= DP_BATCH_MAX);
	for (unsigned int i = 0; i < n; i++)
		rte_prefetch0(bucket(t, local_indices[i]));
	for (unsigned int i = 0; i < n; i++) {
		sessions[i] = load(bucket(t, local_indices[i]));
		if (sessions[i] != NULL)
			rte_prefetch0((const char *)sessions[i] +
				      offsetof(struct dp_session, peer));
	}
	for (unsigned int i = 0; i < n; i++)
		sessions[i] = find(sessions[i], ifaces[i], local_indices[i]);
}
