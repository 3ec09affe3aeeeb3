/*
 * When a worker shares its work out (spread.c): it looks at itself in windows of 2 ms. Runs on
 * workers, a few instructions a turn.
 *
 * On: it is full, with full batches, and at least half of its packets are of one peer, or it
 * receives for others (for_others). Off: what it and its helpers did for its packets would fit it
 * alone again, or no peer has even a quarter any more, or nobody helps; for some windows in a row,
 * so that it does not flap.
 */
#include "dataplane/spread.h"

#include <rte_cycles.h>

#define WINDOW_NS	 2000000
#define FULL_PERCENT	 85 /* of a window, in turns that took packets */
#define FITS_PERCENT	 60
#define FULL_BATCH_PKTS	 16 /* on average; a worker that keeps up polls smaller ones */
#define FAT_PERCENT	 50 /* of the packets; the vote in spread.h finds no smaller share */
#define LEAN_PERCENT	 25
#define QUIET_WINDOWS	 5
#define ALONE_WINDOWS	 5
#define HELP_PERCENT	 5  /* less is nobody */
#define HOLD_OFF_WINDOWS 50 /* after nobody helped */

static bool above(uint64_t part, uint64_t whole, unsigned int percent)
{
	return part * 100 >= whole * percent;
}

static bool has_fat_peer(const struct dp_load *l, unsigned int percent)
{
	return l->of_all > 0 && above(l->of_fat, l->of_all, percent);
}

static bool starts(const struct dp_worker *w, const struct dp_load *l, uint64_t window_ns)
{
	return above(l->busy_ns, window_ns, FULL_PERCENT) &&
	       l->taken >= l->busy_turns * FULL_BATCH_PKTS && l->of_all > 0 &&
	       (w->for_others || has_fat_peer(l, FAT_PERCENT));
}

static bool goes_on(const struct dp_worker *w, struct dp_load *l, uint64_t window_ns)
{
	uint64_t helped_ns = l->helped_cycles * WG_NS_PER_S / rte_get_tsc_hz();
	bool fits = !above(l->busy_ns + helped_ns, window_ns, FITS_PERCENT);
	bool spread_out = !w->for_others && !has_fat_peer(l, LEAN_PERCENT);
	bool helped = l->helped_jobs > 0 &&
		      above(l->helped_jobs, l->helped_jobs + l->own_jobs, HELP_PERCENT);

	l->quiet = fits || spread_out ? l->quiet + 1 : 0;
	l->alone = helped ? 0 : l->alone + 1;
	if (l->alone >= ALONE_WINDOWS)
		l->hold_off = HOLD_OFF_WINDOWS;
	return l->quiet < QUIET_WINDOWS && l->alone < ALONE_WINDOWS;
}

static void decide(const struct dp_worker *w, struct dp_load *l, uint64_t window_ns)
{
	if (l->wanted) {
		l->wanted = goes_on(w, l, window_ns);
	} else if (l->hold_off > 0) {
		l->hold_off--;
	} else {
		l->wanted = starts(w, l, window_ns);
		l->quiet = l->alone = 0;
	}
}

static void next_window(struct dp_load *l, uint64_t now_ns)
{
	l->began_ns = now_ns;
	l->busy_ns = l->busy_turns = l->taken = 0;
	l->helped_cycles = l->helped_jobs = l->own_jobs = 0;
	l->fat = l->candidate;
	l->of_fat = l->of_all = l->votes = 0;
}

bool dp_load_wants_spread(struct dp_worker *w)
{
	struct dp_load *l = &w->spread->load;

	if (l->last_took)
		l->busy_ns += w->now_ns - l->turn_ns;
	l->turn_ns = w->now_ns;
	if (unlikely(w->now_ns - l->began_ns >= WINDOW_NS)) {
		if (w->dp->spread == DP_SPREAD_AUTO && w->dp->n_workers > 1)
			decide(w, l, w->now_ns - l->began_ns);
		else
			l->wanted = w->dp->spread == DP_SPREAD_ALWAYS;
		next_window(l, w->now_ns);
	}
	return l->wanted;
}
