/* Memory of peers' ways out: an arena (arena.h) with blocks of two and of three cache lines. */
#include "dataplane/outs.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"
#include "dataplane/reclaim.h"

/* The headers of IPv4 and VLANs are on the second line, those of IPv6 need the third. */
#define LINES_MIN 2
#define LINES_MAX 3

static_assert(sizeof(struct dp_out) <= LINES_MAX * RTE_CACHE_LINE_SIZE, "the largest block");

struct dp_outs {
	struct dp_arena *arena;
};

struct dp_outs *dp_outs_new(struct dp_reclaim *reclaim)
{
	const struct dp_arena_class classes[] = {
		{LINES_MIN * RTE_CACHE_LINE_SIZE, offsetof(struct dp_out, link)},
		{LINES_MAX * RTE_CACHE_LINE_SIZE, offsetof(struct dp_out, link)},
	};
	const struct dp_later later = dp_reclaim_as_later(reclaim);
	struct dp_outs *outs = calloc(1, sizeof(*outs));

	if (outs == NULL)
		return NULL;
	outs->arena = dp_arena_new(classes, RTE_DIM(classes), &later);
	if (outs->arena != NULL)
		return outs;
	free(outs);
	return NULL;
}

void dp_outs_free(struct dp_outs *outs)
{
	if (outs == NULL)
		return;
	dp_arena_delete(outs->arena);
	free(outs);
}

static uint16_t payload_max(const struct dp_out *out)
{
	uint16_t headers = (uint16_t)(out->header_bytes - out->l3_off);

	return out->mtu > headers ? (uint16_t)(out->mtu - headers) : 0;
}

struct dp_out *dp_outs_copy(struct dp_outs *outs, const struct dp_out *out)
{
	bool more = dp_out_bytes(out) > LINES_MIN * RTE_CACHE_LINE_SIZE;
	uint32_t ref = dp_arena_alloc(outs->arena, more);
	struct dp_out *copy;

	if (ref == 0)
		return NULL;
	copy = (void *)(dp_arena_base(outs->arena) + (size_t)ref * DP_ARENA_UNIT_BYTES);
	memcpy(copy, out, dp_out_bytes(out));
	copy->payload_max = payload_max(out);
	return copy;
}

void dp_outs_retire(struct dp_outs *outs, struct dp_out *out)
{
	ptrdiff_t off = (char *)out - dp_arena_base(outs->arena);

	dp_arena_retire(outs->arena, (uint32_t)(off / DP_ARENA_UNIT_BYTES));
}

size_t dp_outs_bytes(const struct dp_outs *outs)
{
	return dp_arena_used_bytes(outs->arena);
}
