/* wgdp-bench compare: what the readers of files share. */
#ifndef BENCH_COMPARE_READ_H
#define BENCH_COMPARE_READ_H

#include "bench/compare.h"

/*
 * A run with the numbers of an array, or with one number; of a result that is new or that files
 * before had. where: what they are in, such as "results[3].". False: said what is wrong.
 */
bool compare_add_run(struct compare_side *side, const char *path, const char *where,
		     const char *name, const char *unit, const struct json_t *values);

/* The object "results" of rfc2544. False: said what is wrong. */
bool compare_read_rfc2544(struct compare_side *side, const char *path,
			  const struct json_t *results);

#endif
