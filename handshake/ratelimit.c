/*
 * The token buckets of sources: a chained hash table over a fixed pool of entries, and one list of
 * all entries by age, so that forgetting idle ones costs a constant amount per question and needs
 * no timer. Runs on the control thread.
 */
#include "handshake/ratelimit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "crypto/ct.h"

#define NONE UINT32_MAX

/* At most so many idle entries are forgotten in one call: more than one can be added. */
#define FORGET_MAX 4

/* All bytes count in the hash. */
struct source {
	uint64_t family;
	uint8_t addr[8];
};

struct bucket {
	struct source source;
	uint64_t asked_ns;
	uint32_t tokens_ns;
	uint32_t chain;
	uint32_t older, newer;
};

struct hs_ratelimit {
	struct cr_siphash_key key;
	uint32_t *heads; /* first entry of each chain */
	struct bucket *pool;
	uint32_t mask; /* number of chains - 1 */
	uint32_t max;
	uint32_t n;
	uint32_t fresh;		 /* pool entries never used start here */
	uint32_t unused;	 /* list of those used and forgotten, by chain */
	uint32_t oldest, newest; /* by asked_ns */
};

struct hs_ratelimit *hs_ratelimit_new(const struct cr_siphash_key *key, uint32_t max_sources)
{
	struct hs_ratelimit *r = calloc(1, sizeof(*r));
	uint32_t chains = 1;

	if (!r)
		return NULL;
	while (chains < max_sources)
		chains *= 2;
	r->heads = malloc(chains * sizeof(*r->heads));
	r->pool = calloc(max_sources, sizeof(*r->pool)); /* touched only when in use */
	if (!r->heads || !r->pool) {
		hs_ratelimit_free(r);
		return NULL;
	}
	memset(r->heads, 0xff, chains * sizeof(*r->heads));
	r->key = *key;
	r->mask = chains - 1;
	r->max = max_sources;
	r->unused = r->oldest = r->newest = NONE;
	return r;
}

void hs_ratelimit_free(struct hs_ratelimit *r)
{
	if (!r)
		return;
	free(r->heads);
	free(r->pool);
	cr_wipe(r, sizeof(*r));
	free(r);
}

uint32_t hs_ratelimit_sources(const struct hs_ratelimit *r)
{
	return r->n;
}

static uint32_t *chain_of(struct hs_ratelimit *r, const struct source *s)
{
	return &r->heads[cr_siphash(&r->key, s, sizeof(*s)) & r->mask];
}

static void age_unlink(struct hs_ratelimit *r, uint32_t i)
{
	struct bucket *b = &r->pool[i];

	*(b->older == NONE ? &r->oldest : &r->pool[b->older].newer) = b->newer;
	*(b->newer == NONE ? &r->newest : &r->pool[b->newer].older) = b->older;
}

static void age_append(struct hs_ratelimit *r, uint32_t i)
{
	struct bucket *b = &r->pool[i];

	b->older = r->newest;
	b->newer = NONE;
	*(r->newest == NONE ? &r->oldest : &r->pool[r->newest].newer) = i;
	r->newest = i;
}

static void forget(struct hs_ratelimit *r, uint32_t i)
{
	uint32_t *at = chain_of(r, &r->pool[i].source);

	while (*at != i)
		at = &r->pool[*at].chain;
	*at = r->pool[i].chain;
	age_unlink(r, i);
	r->pool[i].chain = r->unused;
	r->unused = i;
	r->n--;
}

static void forget_idle(struct hs_ratelimit *r, uint64_t now_ns)
{
	for (unsigned int k = 0; k < FORGET_MAX && r->oldest != NONE; k++) {
		if (now_ns - r->pool[r->oldest].asked_ns <= HS_RATELIMIT_IDLE_NS)
			return;
		forget(r, r->oldest);
	}
}

/* False: the table is full. */
static bool add(struct hs_ratelimit *r, uint64_t now_ns, const struct source *s, uint32_t *head)
{
	struct bucket *b;
	uint32_t i;

	if (r->unused != NONE) {
		i = r->unused;
		r->unused = r->pool[i].chain;
	} else if (r->fresh < r->max) {
		i = r->fresh++;
	} else {
		return false;
	}
	b = &r->pool[i];
	b->source = *s;
	b->asked_ns = now_ns;
	b->tokens_ns = HS_RATELIMIT_BURST_NS - HS_RATELIMIT_COST_NS;
	b->chain = *head;
	*head = i;
	age_append(r, i);
	r->n++;
	return true;
}

bool hs_ratelimit_allow(struct hs_ratelimit *r, uint64_t now_ns, const struct wg_endpoint *from)
{
	struct source s = {.family = from->family};
	uint64_t tokens_ns;
	struct bucket *b;
	uint32_t *head;
	uint32_t i;

	/* An IPv6 host can use any address of its /64. */
	memcpy(s.addr, from->addr, from->family == AF_INET ? 4 : 8);
	forget_idle(r, now_ns);
	head = chain_of(r, &s);
	for (i = *head; i != NONE; i = r->pool[i].chain)
		if (memcmp(&r->pool[i].source, &s, sizeof(s)) == 0)
			break;
	if (i == NONE)
		return add(r, now_ns, &s, head);

	b = &r->pool[i];
	tokens_ns = b->tokens_ns + (now_ns - b->asked_ns);
	if (tokens_ns > HS_RATELIMIT_BURST_NS)
		tokens_ns = HS_RATELIMIT_BURST_NS;
	b->asked_ns = now_ns;
	age_unlink(r, i);
	age_append(r, i);
	if (tokens_ns < HS_RATELIMIT_COST_NS) {
		b->tokens_ns = (uint32_t)tokens_ns;
		return false;
	}
	b->tokens_ns = (uint32_t)(tokens_ns - HS_RATELIMIT_COST_NS);
	return true;
}
