/* What the parts of the diff share. Private to config/diff*.c. */
#ifndef CONFIG_DIFF_RUN_H
#define CONFIG_DIFF_RUN_H

#include "config/diff.h"

struct cf_diff_run {
	const struct cf_config *old, *new; /* old may be NULL */
	struct cf_edits *edits; /* its `at` is NULL in the first of two passes, which counts */
	size_t *next;		/* by kind: edits counted, then where the next one is written */
	size_t peers_changed;
};

void cf_diff_emit(struct cf_diff_run *run, const struct cf_edit *edit);
/* Two sorted lists without duplicates: `remove` for what is only in old, `add` for only in new. */
void cf_diff_sorted(struct cf_diff_run *run, const struct cf_prefixes *old,
		    const struct cf_prefixes *new, const struct cf_edit *remove,
		    const struct cf_edit *add);

/* Each returns 0 or -ENOMEM. old may be NULL. */
int cf_diff_peers(struct cf_diff_run *run, const struct cf_interface *old,
		  const struct cf_interface *new);
int cf_diff_routes(struct cf_diff_run *run, const struct cf_interface *old,
		   const struct cf_interface *new);

/* Whether all that is only read at start is the same; if not, says so. */
bool cf_diff_same_start(const struct cf_config *old, const struct cf_config *new,
			struct cf_messages *errors);

#endif
