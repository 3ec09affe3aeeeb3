/*
 * The timing wheel. Runs on the control thread. A tick is a number of eight digits in base 64. An
 * entry lies in the level of the highest digit in which its tick differs from the wheel's, in the
 * slot of its own digit there. So all entries of a level come before those of the levels above, and
 * the lowest set bit of the lowest occupied level tells where the next one is. When the wheel
 * enters a slot above level 0, the entries there move down.
 */
#include "handshake/wheel.h"

#include <string.h>

#define DIGIT_BITS 6

static unsigned int digit(uint64_t tick, unsigned int level)
{
	return (tick >> (level * DIGIT_BITS)) & (HS_WHEEL_SLOTS - 1);
}

void hs_wheel_init(struct hs_wheel *w)
{
	memset(w, 0, sizeof(*w));
}

static void link_entry(struct hs_wheel *w, struct hs_wheel_entry *e)
{
	uint64_t differs = e->tick ^ w->tick;
	struct hs_wheel_entry **head;

	e->level = differs ? (63 - __builtin_clzll(differs)) / DIGIT_BITS : 0;
	e->slot = digit(e->tick, e->level);
	head = &w->slots[e->level][e->slot];
	e->next = *head;
	if (e->next)
		e->next->at = &e->next;
	*head = e;
	e->at = head;
	w->occupied[e->level] |= UINT64_C(1) << e->slot;
}

void hs_wheel_insert(struct hs_wheel *w, struct hs_wheel_entry *e, uint64_t due_ns)
{
	uint64_t tick = due_ns / HS_WHEEL_TICK_NS;

	if (due_ns % HS_WHEEL_TICK_NS && tick < UINT64_MAX / HS_WHEEL_TICK_NS)
		tick++; /* not before its time */
	if (tick < w->tick)
		tick = w->tick;
	if (e->at && e->tick == tick)
		return;
	hs_wheel_remove(w, e);
	e->tick = tick;
	link_entry(w, e);
}

void hs_wheel_remove(struct hs_wheel *w, struct hs_wheel_entry *e)
{
	if (!e->at)
		return;
	*e->at = e->next;
	if (e->next)
		e->next->at = e->at;
	e->at = NULL;
	e->next = NULL;
	if (!w->slots[e->level][e->slot])
		w->occupied[e->level] &= ~(UINT64_C(1) << e->slot);
}

/* The first slot that has something to do, and the tick at which it begins. */
static bool first_slot(const struct hs_wheel *w, unsigned int *level, unsigned int *slot,
		       uint64_t *tick)
{
	/* A slot that the wheel has entered, but not moved down wholly: that goes first. */
	for (unsigned int l = HS_WHEEL_LEVELS - 1; l > 0; l--) {
		if (w->occupied[l] >> digit(w->tick, l) & 1) {
			*level = l;
			*slot = digit(w->tick, l);
			*tick = w->tick;
			return true;
		}
	}
	for (unsigned int l = 0; l < HS_WHEEL_LEVELS; l++) {
		unsigned int below = l * DIGIT_BITS;

		if (!w->occupied[l])
			continue;
		*level = l;
		*slot = __builtin_ctzll(w->occupied[l]);
		*tick = ((w->tick >> below >> DIGIT_BITS << DIGIT_BITS) | *slot) << below;
		return true;
	}
	return false;
}

struct hs_wheel_entry *hs_wheel_expire(struct hs_wheel *w, uint64_t now_ns, unsigned int *work)
{
	uint64_t end = now_ns / HS_WHEEL_TICK_NS;
	unsigned int level, slot;
	struct hs_wheel_entry *e;
	uint64_t tick;

	while (first_slot(w, &level, &slot, &tick) && tick <= end) {
		if (*work == 0)
			return NULL;
		(*work)--;
		w->tick = tick;
		e = w->slots[level][slot];
		hs_wheel_remove(w, e);
		if (level == 0)
			return e;
		link_entry(w, e);
	}
	if (end > w->tick)
		w->tick = end;
	return NULL;
}

uint64_t hs_wheel_due_ns(const struct hs_wheel *w)
{
	unsigned int level, slot;
	uint64_t tick;

	return first_slot(w, &level, &slot, &tick) ? tick * HS_WHEEL_TICK_NS : UINT64_MAX;
}
