/*
 * Chains in segments. With n chains, 2^k < n <= 2^(k+1), a hash belongs to the chain of its low
 * k + 1 bits, or without the uppermost of them where there is no such chain yet.
 */
#include "handshake/chains.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Links per chain, in quarters, below which it shrinks. It grows beyond one. */
#define SHRINK_QUARTERS 1
#define DOUBLING	12
#define SEGMENT_MAX	((size_t)HS_CHAINS_MIN << (DOUBLING - 1)) /* chains: 1 MiB */

static unsigned int top_bit(size_t i)
{
	return 63 - (unsigned int)__builtin_clzll(i);
}

/* Segment 0 has the first HS_CHAINS_MIN chains, each one after it as many as all before; from
 * DOUBLING on they are all alike, so that none takes long to give back. */
static unsigned int segment_of(size_t chain)
{
	if (chain >= SEGMENT_MAX)
		return DOUBLING - 1 + (unsigned int)(chain / SEGMENT_MAX);
	return chain < HS_CHAINS_MIN ? 0 : 1 + top_bit(chain / HS_CHAINS_MIN);
}

static size_t first_of(unsigned int segment)
{
	if (segment >= DOUBLING)
		return SEGMENT_MAX * (size_t)(segment - DOUBLING + 1);
	return segment == 0 ? 0 : (size_t)HS_CHAINS_MIN << (segment - 1);
}

static struct hs_link **head_of(const struct hs_chains *c, size_t chain)
{
	unsigned int segment = segment_of(chain);

	return &c->segments[segment][chain - first_of(segment)];
}

static size_t chain_of(const struct hs_chains *c, uint32_t hash)
{
	size_t mask = ((size_t)2 << top_bit(c->n_chains - 1)) - 1;
	size_t chain = hash & mask;

	return chain < c->n_chains ? chain : chain & mask >> 1;
}

/* The chain that a chain is split from. */
static size_t parent(size_t chain)
{
	return chain & ~((size_t)1 << top_bit(chain));
}

int hs_chains_init(struct hs_chains *c, uint32_t (*hash_of)(const struct hs_link *link))
{
	memset(c, 0, sizeof(*c));
	c->segments[0] = calloc(HS_CHAINS_MIN, sizeof(struct hs_link *));
	if (!c->segments[0])
		return -ENOMEM;
	c->n_chains = HS_CHAINS_MIN;
	c->hash_of = hash_of;
	return 0;
}

void hs_chains_fini(struct hs_chains *c)
{
	for (unsigned int i = 0; i < HS_CHAINS_SEGMENTS; i++)
		free(c->segments[i]);
	memset(c, 0, sizeof(*c));
}

struct hs_link *hs_chains_first(const struct hs_chains *c, uint32_t hash)
{
	return *head_of(c, chain_of(c, hash));
}

/* A large one comes from the kernel, page by page as it is used. */
static bool has_room(struct hs_chains *c)
{
	unsigned int segment = segment_of(c->n_chains);

	if (segment == HS_CHAINS_SEGMENTS)
		return false;
	if (!c->segments[segment])
		c->segments[segment] = calloc(first_of(segment + 1) - first_of(segment),
					      sizeof(struct hs_link *));
	return c->segments[segment];
}

static void split(struct hs_chains *c)
{
	size_t new = c->n_chains;
	struct hs_link **from = head_of(c, parent(new)), **to = head_of(c, new);

	c->n_chains++;
	while (*from) {
		struct hs_link *link = *from;

		if (chain_of(c, c->hash_of(link)) != new) {
			from = &link->next;
			continue;
		}
		*from = link->next;
		link->next = *to;
		*to = link;
	}
}

void hs_chains_insert(struct hs_chains *c, struct hs_link *link)
{
	struct hs_link **head;

	if (c->n >= c->n_chains && has_room(c))
		split(c);
	head = head_of(c, chain_of(c, c->hash_of(link)));
	link->next = *head;
	*head = link;
	c->n++;
}

/* All segments from one on, which hold no links. */
static void give_back(struct hs_chains *c, unsigned int segment)
{
	if (c->n_chains > first_of(segment))
		c->n_chains = first_of(segment);
	for (; segment < HS_CHAINS_SEGMENTS; segment++) {
		free(c->segments[segment]);
		c->segments[segment] = NULL;
	}
}

void hs_chains_remove(struct hs_chains *c, struct hs_link *link)
{
	struct hs_link **at = head_of(c, chain_of(c, c->hash_of(link)));

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	if (--c->n == 0)
		give_back(c, 1);
}

void hs_chains_shrink(struct hs_chains *c)
{
	size_t last = c->n_chains - 1;
	unsigned int segment = segment_of(last);
	struct hs_link **to, **from;

	if (c->n_chains == HS_CHAINS_MIN || 4 * c->n >= SHRINK_QUARTERS * c->n_chains)
		return;
	to = head_of(c, parent(last));
	from = head_of(c, last);
	while (*to)
		to = &(*to)->next;
	*to = *from;
	*from = NULL;
	c->n_chains--;
	/* One more segment is kept, so that it is not had and given back all the time. */
	if (last == first_of(segment))
		give_back(c, segment + 1);
}

struct hs_link *hs_chains_next(const struct hs_chains *c, const struct hs_link *link)
{
	size_t chain = 0;

	if (link) {
		if (link->next)
			return link->next;
		chain = chain_of(c, c->hash_of(link)) + 1;
	}
	for (; chain < c->n_chains; chain++)
		if (*head_of(c, chain))
			return *head_of(c, chain);
	return NULL;
}
