/* What becomes of a trial's result: see trial.h. */
#include "bench/lab/trial.h"

void lab_result_free(struct lab_result *result)
{
	for (unsigned int i = 0; i < LAB_WAYS; i++) {
		lab_histogram_free(&result->way[i].latency);
		lab_histogram_free(&result->bulk[i].latency);
	}
}
