/* Names and texts of the drop reasons, and sums of counter blocks. Control only. */
#include "dataplane/counters.h"

#include <stddef.h>

static const char *const names[] = {
#define DROP_NAME(name, text) #name,
	DP_DROPS(DROP_NAME)
#undef DROP_NAME
};

static const char *const texts[] = {
#define DROP_TEXT(name, text) text,
	DP_DROPS(DROP_TEXT)
#undef DROP_TEXT
};

const char *dp_drop_name(enum dp_drop d)
{
	return d < DP_DROP_N ? names[d] : NULL;
}

const char *dp_drop_text(enum dp_drop d)
{
	return d < DP_DROP_N ? texts[d] : NULL;
}

void dp_counters_add(struct dp_counters *sum, const struct dp_counters *block)
{
#define ADD(name, text) dp_count(&sum->name, dp_counted(&block->name));
	DP_FLOWS(ADD)
#undef ADD
	for (unsigned int d = 0; d < DP_DROP_N; d++)
		dp_count(&sum->drops[d], dp_counted(&block->drops[d]));
}
