/*
 * Nodes of an LC-trie that double: each slot becomes two, and of nodes that begin where the node
 * ends, the first bit is taken in. Runs on control. How a trie is built is told in lc_trie_node.h.
 *
 * All is built aside and published by one store of the slot that leads there. Memory is taken
 * before anything is changed, so that a node which can't double stays as it is.
 */
#include "dataplane/lc_trie_node.h"

/* The most that doubling may copy or look at in one update, in slots: some 200 us. What would take
 * more stays as it is: below it are large nodes, which have few levels as they are. */
#define WORK_MAX  (UINT32_C(1) << 14)
#define NODE_WORK 16 /* of making a node, in slots */

/* A node that could not double is looked at again only each 2nd, 4th ... time, if it has more bits
 * than this. */
#define LOOK_EACH_TIME_BITS 5

#define PREFETCH_AHEAD 8

/* ---- one half of a node that a doubled one takes in ---- */

struct half {
	const struct node *of;
	uint32_t first; /* slot */
	uint16_t targets, full, locals;
	uint32_t weight; /* without outer's */
	uint32_t outer;	 /* the local prefix that is as long as the half's key, or 0 */
	uint64_t only;	 /* a target */
	uint32_t only_local;
};

/* The local prefixes whose first slot is this one; outer is not counted among them. */
static void count_locals(const struct dp_trie *t, struct half *h, uint32_t i)
{
	const struct node *n = h->of;

	for (uint32_t ref = node_top(t, n, i); ref != 0; ref = record_parent(t, ref)) {
		unsigned int len = record_len(t, ref);
		struct dp_trie_key key = record_key(t, record_at(t, ref));

		if (key_bits(key, n->pos, n->bits) != i)
			return;
		if (len == n->pos + 1u) {
			h->outer = ref;
			return;
		}
		h->locals++;
		h->weight++;
		h->only_local = ref;
	}
}

static struct half half_of(const struct dp_trie *t, const struct node *n, unsigned int which)
{
	struct half h = {.of = n, .first = which << (n->bits - 1)};

	for (uint32_t i = h.first; i < h.first + node_size(n) / 2; i++) {
		uint64_t target = node_target(t, n, i);

		if (target != 0) {
			h.targets++;
			h.weight += dp_trie_weight(t, target);
			h.only = target;
			h.full += node_is_full(n, target);
		}
		if (n->locals != 0)
			count_locals(t, &h, i);
	}
	return h;
}

/* Does it need a node of its own, or is it empty, one target or one leaf? */
static bool half_needs_node(const struct half *h)
{
	return h->of->bits > 1 && h->targets + h->locals > 1;
}

static struct node *half_node(struct dp_trie *t, const struct half *h)
{
	struct dp_trie_key key = node_key(t, h->of);

	if (h->first != 0) {
		if (h->of->pos < HALF_BITS)
			key.hi |= UINT64_C(1) << (63 - h->of->pos);
		else
			key.lo |= UINT64_C(1) << (127 - h->of->pos);
	}
	return dp_trie_node_new(t, key, h->of->pos + 1u, h->of->bits - 1u, h->locals != 0);
}

/* The local prefixes below outer know no shorter one in their new node. */
static void cut_chain(struct dp_trie *t, uint32_t top, uint32_t outer)
{
	for (uint32_t ref = top; ref != 0 && ref != outer; ref = record_parent(t, ref)) {
		if (record_parent(t, ref) == outer)
			record_set_parent(t, ref, 0);
	}
}

static void half_fill(struct dp_trie *t, const struct half *h, struct node *n)
{
	n->targets = h->targets;
	n->full = h->full;
	n->locals = h->locals;
	n->weight = h->weight;
	for (uint32_t i = 0; i < node_size(n); i++) {
		uint32_t top = h->of->locals == 0 ? 0 : node_top(t, h->of, h->first + i);

		if (h->outer != 0) {
			cut_chain(t, top, h->outer);
			if (top == h->outer)
				top = 0;
		}
		node_put(t, n, i, node_target(t, h->of, h->first + i), top);
	}
}

/* ---- whether ---- */

/* Is it one of the times to look? */
static bool is_time(const struct dp_trie *t, const struct node *n)
{
	return !n->futile || n->bits <= LOOK_EACH_TIME_BITS ||
	       t->updates % (UINT32_C(1) << (n->bits - LOOK_EACH_TIME_BITS)) == 0;
}

static bool inflate_pays(struct dp_trie *t, struct node *n, bool is_root)
{
	unsigned int end = node_end(n), granted = dp_trie_bits_granted(n, is_root);
	uint32_t work = node_size(n), gone = 0;

	if (n->bits >= granted || end == t->bits || end == HALF_BITS || !is_time(t, n))
		return false;
	for (uint32_t i = 0; i < node_size(n) && work <= t->work_left; i = node_next(t, n, i)) {
		uint64_t target = node_target(t, n, i);

		if ((target & SLOT_NODE) == 0)
			continue;
		gone += slot_pos(target) + slot_bits(target) <= n->pos + granted;
		if (node_is_full(n, target))
			work += NODE_WORK + (UINT32_C(1) << slot_bits(target));
	}
	n->futile = work > t->work_left || gone == 0;
	if (!n->futile)
		t->work_left -= work;
	return !n->futile;
}

/* ---- doubling ---- */

/* What a reader of a slot's target is going to need. */
static void prefetch_target(const struct dp_trie *t, const struct node *n, uint32_t i)
{
	uint64_t target;

	if (i >= node_size(n))
		return;
	target = node_target(t, n, i);
	if ((target & SLOT_NODE) != 0)
		__builtin_prefetch(node_at(t, target));
	else if (target != 0)
		__builtin_prefetch(record_at(t, slot_ref(target)));
}

/* Nodes for the halves of what is below slot i, noted in the slots where they will be. */
static bool inflate_alloc(struct dp_trie *t, const struct node *n, uint32_t i, struct node *to)
{
	uint64_t target = node_target(t, n, i);
	const struct node *below;

	if (!node_is_full(n, target))
		return true;
	below = node_at(t, target);
	for (unsigned int which = 0; which < 2; which++) {
		struct half h = half_of(t, below, which);
		struct node *part;

		if (!half_needs_node(&h))
			continue;
		part = half_node(t, &h);
		if (part == NULL)
			return false;
		slot_store(node_slots(t, to) + 2 * i + which, dp_trie_node_slot(t, part));
	}
	return true;
}

static void inflate_undo(struct dp_trie *t, struct node *to)
{
	for (uint32_t i = 0; i < node_size(to); i++) {
		uint64_t slot = slot_load(node_slots(t, to) + i);

		if (slot != 0)
			dp_trie_node_free(t, node_at(t, slot));
	}
	dp_trie_node_free(t, to);
}

/* A target goes into slot i of the doubled node, below a local prefix (or 0). */
static void inflate_put(struct dp_trie *t, struct node *to, uint32_t i, uint64_t target,
			uint32_t top)
{
	node_put(t, to, i, target, top);
	if (target == 0)
		return;
	to->targets++;
	to->full += node_is_full(to, target);
}

static void inflate_half(struct dp_trie *t, const struct half *h, struct node *to, uint32_t i,
			 uint32_t top)
{
	uint64_t noted = slot_load(node_slots(t, to) + i), target = 0;

	if (h->outer != 0) {
		record_set_parent(t, h->outer, top);
		to->locals++;
		top = h->outer;
	}
	if (noted != 0) {
		half_fill(t, h, node_at(t, noted));
		target = dp_trie_node_slot(t, dp_trie_pack(t, node_at(t, noted)));
	} else if (h->targets != 0) {
		target = h->only;
	} else if (h->locals != 0) {
		/* The only prefix of the half that is longer than outer. */
		record_set_parent(t, h->only_local, 0);
		target = slot_of_leaf(h->only_local);
	}
	inflate_put(t, to, i, target, top);
}

/* A leaf or a node further down: it is below one of the two slots. */
static void inflate_one(struct dp_trie *t, struct node *to, uint32_t i, uint64_t target,
			uint32_t top)
{
	unsigned int last_bit = node_end(to) - 1;
	struct dp_trie_key key;
	uint32_t side, ref = slot_ref(target);

	if ((target & SLOT_NODE) != 0)
		key = node_key(t, node_at(t, target));
	else
		key = record_key(t, record_at(t, ref));
	side = key_bits(key, last_bit, 1);
	node_put(t, to, 2 * i + (1 - side), 0, top);
	if ((target & SLOT_NODE) == 0 && record_len(t, ref) == node_end(to)) {
		record_set_parent(t, ref, top);
		to->locals++;
		node_put(t, to, 2 * i + side, 0, ref);
		return;
	}
	inflate_put(t, to, 2 * i + side, target, top);
}

static void inflate_fill(struct dp_trie *t, const struct node *n, uint32_t i, struct node *to)
{
	uint64_t target = node_target(t, n, i);
	uint32_t top = node_top(t, n, i);

	if (target == 0) {
		node_put(t, to, 2 * i, 0, top);
		node_put(t, to, 2 * i + 1, 0, top);
	} else if (node_is_full(n, target)) {
		struct node *below = node_at(t, target);

		for (unsigned int which = 0; which < 2; which++) {
			struct half h = half_of(t, below, which);

			inflate_half(t, &h, to, 2 * i + which, top);
		}
	} else {
		inflate_one(t, to, i, target, top);
	}
}

/* If there are any, or if leaves or prefixes of nodes below become local. */
static bool inflate_needs_tops(const struct dp_trie *t, const struct node *n)
{
	if (n->locals != 0)
		return true;
	for (uint32_t i = 0; i < node_size(n); i++) {
		uint64_t target = node_target(t, n, i);

		prefetch_target(t, n, i + PREFETCH_AHEAD);
		if (node_is_full(n, target) && node_at(t, target)->locals != 0)
			return true;
		if (target != 0 && (target & SLOT_NODE) == 0 &&
		    record_len(t, slot_ref(target)) == node_end(n) + 1)
			return true;
	}
	return false;
}

static void retire_full(struct dp_trie *t, const struct node *n)
{
	for (uint32_t i = 0; i < node_size(n); i++) {
		uint64_t target = node_target(t, n, i);

		if (node_is_full(n, target))
			dp_trie_node_retire(t, node_at(t, target));
	}
}

/* The nodes below a doubled one have changed, too. */
static void settle(struct dp_trie *t, const struct node *n)
{
	for (uint32_t i = 0; n->full != 0 && i < node_size(n); i++) {
		_Atomic uint64_t *at = node_slot(t, n, i);

		if (node_is_full(n, slot_load(at)))
			dp_trie_inflate(t, at, n);
	}
}

static bool inflate(struct dp_trie *t, _Atomic uint64_t *at)
{
	const struct node *n = node_at(t, slot_load(at));
	struct node *to = dp_trie_node_new(t, node_key(t, n), n->pos, n->bits + 1u,
					   inflate_needs_tops(t, n));

	if (to == NULL)
		return false;
	for (uint32_t i = 0; i < node_size(n); i++) {
		if (!inflate_alloc(t, n, i, to)) {
			inflate_undo(t, to);
			return false;
		}
	}
	to->locals = n->locals;
	to->weight = n->weight;
	for (uint32_t i = 0; i < node_size(n); i++) {
		prefetch_target(t, n, i + PREFETCH_AHEAD);
		inflate_fill(t, n, i, to);
	}
	/* Readers find nothing of it any more when it is retired; n can still be read then. */
	dp_trie_replace_node(t, at, at == &t->root ? to : dp_trie_pack(t, to));
	retire_full(t, n);
	settle(t, node_at(t, slot_load(at)));
	return true;
}

void dp_trie_begin_work(struct dp_trie *t)
{
	t->work_left = WORK_MAX;
}

void dp_trie_inflate(struct dp_trie *t, _Atomic uint64_t *at, const struct node *above)
{
	while (inflate_pays(t, node_at(t, slot_load(at)), above == NULL)) {
		if (!inflate(t, at))
			return;
	}
}
