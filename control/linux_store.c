/*
 * The store of routes: prefixes by hash, each with all that Linux has for it (filled in by
 * linux_routes.c) and what workers were given (linux_publish.c); and the list of the dirty ones,
 * for which the two may differ. Not what workers search: that is dataplane/route.h. Control thread.
 */
#include "control/linux_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"

#define BUCKETS_FIRST 1024

static unsigned int family_slot(int family)
{
	return family == AF_INET6;
}

unsigned int linux_full_len(int family)
{
	return family == AF_INET ? 32 : 128;
}

static size_t bucket(const struct linux_store *s, int family, const uint8_t *addr, uint8_t len)
{
	uint32_t h = linux_hash(addr, s->seed ^ (uint32_t)(family << 8) ^ len);

	return h & (s->n_buckets - 1);
}

struct linux_prefix *linux_prefix_find(const struct ctl_linux *l, int family, const uint8_t *addr,
				       uint8_t len)
{
	const struct linux_store *s = &l->store;
	struct linux_prefix *p = s->buckets[bucket(s, family, addr, len)];

	while (p && (p->family != family || p->len != len || memcmp(p->addr, addr, 16) != 0))
		p = p->chain;
	return p;
}

/* Makes room while it is cheap; without memory chains get longer. */
static void store_grow(struct linux_store *s)
{
	struct linux_store bigger = *s;

	if (s->n < 2 * s->n_buckets)
		return;
	bigger.n_buckets = 4 * s->n_buckets;
	bigger.buckets = calloc(bigger.n_buckets, sizeof(bigger.buckets[0]));
	if (!bigger.buckets)
		return;
	for (size_t i = 0; i < s->n_buckets; i++) {
		struct linux_prefix *p, *next;

		for (p = s->buckets[i]; p; p = next) {
			struct linux_prefix **at =
				&bigger.buckets[bucket(&bigger, p->family, p->addr, p->len)];

			next = p->chain;
			p->chain = *at;
			*at = p;
		}
	}
	free(s->buckets);
	*s = bigger;
}

struct linux_prefix *linux_prefix_get(struct ctl_linux *l, int family, const uint8_t *addr,
				      uint8_t len)
{
	struct linux_prefix *p = linux_prefix_find(l, family, addr, len), **at;
	struct linux_store *s = &l->store;

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->family = (uint8_t)family;
	p->len = len;
	memcpy(p->addr, addr, 16);
	store_grow(s);
	at = &s->buckets[bucket(s, family, addr, len)];
	p->chain = *at;
	*at = p;
	s->n++;
	s->with_len[family_slot(family)][len]++;
	return p;
}

void linux_prefix_free(struct ctl_linux *l, struct linux_prefix *p)
{
	struct linux_store *s = &l->store;
	struct linux_prefix **at = &s->buckets[bucket(s, p->family, p->addr, p->len)];

	while (*at != p)
		at = &(*at)->chain;
	*at = p->chain;
	s->n--;
	s->with_len[family_slot(p->family)][p->len]--;
	free(p);
}

void linux_prefix_mark(struct ctl_linux *l, struct linux_prefix *p)
{
	if (p->is_dirty)
		return;
	p->is_dirty = true;
	TAILQ_INSERT_TAIL(&l->dirty, p, dirty_link);
}

void linux_prefix_changed(struct ctl_linux *l, struct linux_prefix *p)
{
	if (!p->changed)
		l->n_changed++;
	p->changed = true;
	linux_prefix_mark(l, p);
}

void linux_mask(uint8_t *addr, unsigned int len)
{
	if (len % 8)
		addr[len / 8] &= (uint8_t)(0xff << (8 - len % 8));
	for (unsigned int i = (len + 7) / 8; i < 16; i++)
		addr[i] = 0;
}

struct linux_candidate *linux_prefix_best(const struct linux_prefix *p)
{
	struct linux_candidate *c = p->candidates;

	while (c && c->dead)
		c = c->next;
	return c;
}

struct linux_candidate *linux_covering(const struct ctl_linux *l, int family, const uint8_t *addr)
{
	for (unsigned int len = linux_full_len(family); len-- > 0;) {
		uint8_t masked[16] = {0};
		struct linux_candidate *c;
		struct linux_prefix *p;

		if (l->store.with_len[family_slot(family)][len] == 0)
			continue;
		memcpy(masked, addr, linux_addr_bytes(family));
		linux_mask(masked, len);
		p = linux_prefix_find(l, family, masked, (uint8_t)len);
		c = p ? linux_prefix_best(p) : NULL;
		if (c)
			return c;
	}
	return NULL;
}

int linux_store_init(struct ctl_linux *l)
{
	l->store.seed = cr_random_u32();
	l->store.buckets = calloc(BUCKETS_FIRST, sizeof(l->store.buckets[0]));
	if (!l->store.buckets)
		return -ENOMEM;
	l->store.n_buckets = BUCKETS_FIRST;
	return 0;
}

void linux_store_free(struct ctl_linux *l)
{
	for (size_t i = 0; i < l->store.n_buckets; i++) {
		struct linux_prefix *p, *next;

		for (p = l->store.buckets[i]; p; p = next) {
			while (p->candidates) {
				struct linux_candidate *c = p->candidates;

				p->candidates = c->next;
				free(c);
			}
			next = p->chain;
			free(p);
		}
	}
	free(l->store.buckets);
}
