/*
 * The set of this host's addresses: made by control as a whole, never changed, replaced by
 * publishing another one; workers look up. Open addressing, at most half full.
 */
#include "dataplane/locals.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct local {
	uint8_t addr[16];
	int family; /* 0: empty */
};

struct dp_locals {
	size_t mask;
	struct local set[];
};

static size_t spread(int family, const uint8_t addr[16])
{
	uint64_t hi, lo;

	memcpy(&hi, addr, sizeof(hi));
	memcpy(&lo, addr + 8, sizeof(lo));
	/* Multiplied by the golden ratio's fraction, so that all bits reach the upper ones. */
	hi = (hi ^ (lo >> 32 | lo << 32) ^ (uint64_t)family) * UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(hi >> 32);
}

static void add(struct dp_locals *l, int family, const uint8_t addr[16])
{
	size_t i = spread(family, addr) & l->mask;

	while (l->set[i].family != 0) {
		if (l->set[i].family == family && memcmp(l->set[i].addr, addr, 16) == 0)
			return;
		i = (i + 1) & l->mask;
	}
	l->set[i].family = family;
	memcpy(l->set[i].addr, addr, 16);
}

struct dp_locals *dp_locals_new(const uint8_t (*addrs)[16], const uint8_t *families, size_t n)
{
	struct dp_locals *l;
	size_t size = 16;

	while (size < 2 * n)
		size *= 2;
	l = calloc(1, sizeof(*l) + size * sizeof(l->set[0]));
	if (l == NULL)
		return NULL;
	l->mask = size - 1;
	for (size_t i = 0; i < n; i++)
		add(l, families[i], addrs[i]);
	return l;
}

bool dp_is_local(const struct dp_locals *l, int family, const uint8_t *addr)
{
	uint8_t key[16] = {0};

	if (l == NULL)
		return false;
	memcpy(key, addr, family == AF_INET ? 4 : 16);
	for (size_t i = spread(family, key) & l->mask; l->set[i].family != 0;
	     i = (i + 1) & l->mask) {
		if (l->set[i].family == family && memcmp(l->set[i].addr, key, 16) == 0)
			return true;
	}
	return false;
}
