/*
 * A hierarchical timing wheel for up to millions of entries: O(1) to insert and to remove, and a
 * bounded amount of work per call to expire. Entries are embedded in what they wake. Resolution
 * about 1 ms; an entry never fires before its time.
 */
#ifndef HANDSHAKE_WHEEL_H
#define HANDSHAKE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define HS_WHEEL_TICK_NS (UINT64_C(1) << 20)

/* Eight digits of six bits hold each tick that 64 bits of nanoseconds can have. */
#define HS_WHEEL_LEVELS 8
#define HS_WHEEL_SLOTS	64

/* Zeroed: in no wheel. */
struct hs_wheel_entry {
	struct hs_wheel_entry *next;
	struct hs_wheel_entry **at; /* what points to this entry; NULL: in no wheel */
	uint64_t tick;
	uint8_t level, slot;
};

struct hs_wheel {
	uint64_t tick; /* all before it has been expired */
	uint64_t occupied[HS_WHEEL_LEVELS];
	struct hs_wheel_entry *slots[HS_WHEEL_LEVELS][HS_WHEEL_SLOTS];
};

void hs_wheel_init(struct hs_wheel *w);

/* Inserts, or moves if it is already in. A time that has passed fires with the next call. */
void hs_wheel_insert(struct hs_wheel *w, struct hs_wheel_entry *e, uint64_t due_ns);

/* Nothing happens if it is in no wheel. */
void hs_wheel_remove(struct hs_wheel *w, struct hs_wheel_entry *e);

/*
 * Takes out and returns an entry whose time has come, NULL if there is none or *work is used up.
 * *work counts down the entries moved. Entries with different ticks come in order.
 */
struct hs_wheel_entry *hs_wheel_expire(struct hs_wheel *w, uint64_t now_ns, unsigned int *work);

/*
 * When to call hs_wheel_expire() next, UINT64_MAX if the wheel is empty. Not later than the first
 * entry, perhaps earlier: entries far away have to be moved on the way.
 */
uint64_t hs_wheel_due_ns(const struct hs_wheel *w);

#endif
