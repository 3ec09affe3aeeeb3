/*
 * The index table's lines of entries, and how it grows and shrinks, one bucket at a time. Control
 * only. What must hold is in sessions_table.h.
 */
#include "dataplane/sessions_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/publish.h"

/* Sessions per 4 buckets: beyond the one it grows, below the other it shrinks. At the greatest
 * load, the buckets that have yet to be split hold 4 on average: one in 20 overflows. */
#define GROW_LOAD   8
#define SHRINK_LOAD 3
/* Steps, and buckets that are cleaned, in one call of clean_up(): some 100 us. */
#define STEPS_PER_CLEAN 512

/* ---- lines ---- */

static bool reserve_lines(struct dp_sessions *t, size_t n)
{
	for (struct line *line = t->spare; line != NULL && n > 0; line = more(line))
		n--;
	for (; n > 0; n--) {
		struct line *line = aligned_alloc(alignof(struct line), sizeof(*line));

		if (line == NULL)
			return false;
		memset(line, 0, sizeof(*line));
		atomic_store_explicit(&line->more, t->spare, memory_order_relaxed);
		t->spare = line;
	}
	return true;
}

void dp_sessions_free_lines(struct line *first)
{
	for (struct line *next; first != NULL; first = next) {
		next = more(first);
		free(first);
	}
}

static struct line *take_line(struct dp_sessions *t)
{
	struct line *line;

	if (!reserve_lines(t, 1))
		return NULL;
	line = t->spare;
	t->spare = more(line);
	t->n_lines++;
	return line;
}

static _Atomic uint64_t *free_entry(struct line *line)
{
	for (unsigned int i = 0; i < LINE_ENTRIES; i++)
		if (load(&line->entries[i]) == 0)
			return &line->entries[i];
	return NULL;
}

/* Looks for room where it is near, so that it takes as long for any bucket. 0 or -ENOMEM. */
int dp_sessions_put(struct dp_sessions *t, struct line *bucket, uint64_t entry)
{
	_Atomic uint64_t *at = free_entry(bucket);
	struct line *next = more(bucket), *line;

	if (at == NULL && next != NULL)
		at = free_entry(next);
	if (at != NULL) {
		atomic_store_explicit(at, entry, memory_order_release);
		return 0;
	}
	line = take_line(t);
	if (line == NULL)
		return -ENOMEM;
	atomic_store_explicit(&line->entries[0], entry, memory_order_relaxed);
	atomic_store_explicit(&line->more, next, memory_order_relaxed);
	atomic_store_explicit(&bucket->more, line, memory_order_release);
	return 0;
}

static bool is_empty(const struct line *line)
{
	for (unsigned int i = 0; i < LINE_ENTRIES; i++)
		if (load(&line->entries[i]) != 0)
			return false;
	return true;
}

bool dp_sessions_take_out(struct line *bucket, uint64_t entry, bool *emptied)
{
	for (struct line *line = bucket; line != NULL; line = more(line)) {
		for (unsigned int i = 0; i < LINE_ENTRIES; i++) {
			if (load(&line->entries[i]) != entry)
				continue;
			atomic_store_explicit(&line->entries[i], 0, memory_order_relaxed);
			*emptied |= line != bucket && is_empty(line);
			return true;
		}
	}
	return false;
}

/* Takes up to max lines that hold nothing out of a bucket. A reader that stands on one goes on by
 * its more, which stays as it is. */
static unsigned int unlink_empty(struct line *bucket, struct line **lines, unsigned int max)
{
	struct line *before = bucket, *line;
	unsigned int n = 0;

	while (n < max && (line = more(before)) != NULL) {
		if (!is_empty(line)) {
			before = line;
			continue;
		}
		atomic_store_explicit(&before->more, more(line), memory_order_release);
		lines[n++] = line;
	}
	return n;
}

void dp_sessions_prune(struct dp_sessions *t, uint32_t bucket)
{
	struct line *lines[16];
	unsigned int n = RTE_DIM(lines);

	while (n == RTE_DIM(lines) && bucket < greatest_n(t)) {
		n = unlink_empty(&t->buckets[bucket], lines, RTE_DIM(lines));
		t->n_lines -= n;
		for (unsigned int i = 0; i < n; i++)
			dp_reclaim_later(t->reclaim, free, lines[i]);
	}
}

/* What nobody can see (yet, or any more). */
static void reset(struct dp_sessions *t, struct line *bucket)
{
	for (struct line *line = more(bucket); line != NULL; line = more(line))
		t->n_lines--;
	dp_sessions_free_lines(more(bucket));
	memset(bucket, 0, sizeof(*bucket));
}

/* ---- growing and shrinking ---- */

static bool split(struct dp_sessions *t)
{
	uint32_t n = n_buckets(t), from = parent(n);

	if (t->clean_n > n || n == BUCKETS_MAX ||
	    dp_range_grow(&t->range, (n + 1) * sizeof(struct line)) != 0)
		return false;
	for (struct line *line = &t->buckets[from]; line != NULL; line = more(line)) {
		for (unsigned int i = 0; i < LINE_ENTRIES; i++) {
			uint64_t entry = load(&line->entries[i]);

			if (entry == 0 || home(index_of(t, entry, from), n + 1) != n ||
			    dp_sessions_put(t, &t->buckets[n], entry) == 0)
				continue;
			reset(t, &t->buckets[n]);
			return false;
		}
	}
	atomic_store_explicit(&t->n_buckets, n + 1, memory_order_release);
	return true;
}

static unsigned int entries_in(const struct line *bucket)
{
	unsigned int n = 0;

	for (const struct line *line = bucket; line != NULL; line = more(line))
		for (unsigned int i = 0; i < LINE_ENTRIES; i++)
			n += load(&line->entries[i]) != 0;
	return n;
}

/* Where that takes more lines they are had before, since what was put can't be taken back. */
static bool merge(struct dp_sessions *t)
{
	uint32_t n = n_buckets(t) - 1, to = parent(n);
	struct line *line = &t->buckets[n];

	if (t->clean_n < n + 1 || (entries_in(line) + entries_in(&t->buckets[to]) > LINE_ENTRIES &&
				   !reserve_lines(t, entries_in(line) / LINE_ENTRIES + 1)))
		return false;
	for (; line != NULL; line = more(line)) {
		for (unsigned int i = 0; i < LINE_ENTRIES; i++) {
			uint64_t entry = load(&line->entries[i]);
			int rc = entry != 0 ? dp_sessions_put(t, &t->buckets[to], entry) : 0;

			assert(rc == 0);
			(void)rc;
		}
	}
	atomic_store_explicit(&t->n_buckets, n, memory_order_release);
	dp_sessions_free_lines(t->spare);
	t->spare = NULL;
	return true;
}

static void clean_up(void *arg);

void dp_sessions_settle(struct dp_sessions *t, unsigned int steps)
{
	struct cleaner *c = t->cleaner;

	for (bool moved = true; steps > 0 && moved; steps--) {
		size_t n = n_buckets(t);

		if (4 * t->count > GROW_LOAD * n)
			moved = split(t);
		else
			moved = n > BUCKETS_MIN && 4 * t->count < SHRINK_LOAD * n && merge(t);
	}
	if (c->queued || t->clean_n == n_buckets(t))
		return;
	c->queued = true;
	c->n = n_buckets(t);
	dp_reclaim_later(t->reclaim, clean_up, c);
}

/* All readers know n buckets or more. */
static void clean_split(struct dp_sessions *t, uint32_t n)
{
	uint32_t from = parent(t->clean_n);
	bool emptied = false;

	for (struct line *line = &t->buckets[from]; line != NULL; line = more(line)) {
		for (unsigned int i = 0; i < LINE_ENTRIES; i++) {
			uint64_t entry = load(&line->entries[i]);

			if (entry != 0 && home(index_of(t, entry, from), n) != from)
				atomic_store_explicit(&line->entries[i], 0, memory_order_relaxed);
		}
		emptied |= line != &t->buckets[from] && is_empty(line);
	}
	t->clean_n++;
	if (emptied)
		dp_sessions_prune(t, from);
}

/* After RCU. */
static void clean_up(void *arg)
{
	struct cleaner *c = arg;
	struct dp_sessions *t = c->table;

	if (t == NULL) {
		free(c);
		return;
	}
	for (unsigned int i = 0; i < STEPS_PER_CLEAN && t->clean_n < c->n; i++)
		clean_split(t, c->n);
	for (unsigned int i = 0; i < STEPS_PER_CLEAN && t->clean_n > c->n; i++)
		reset(t, &t->buckets[--t->clean_n]);
	dp_range_shrink(&t->range, greatest_n(t) * sizeof(struct line));
	c->queued = false;
	dp_sessions_settle(t, STEPS_PER_CLEAN);
}
