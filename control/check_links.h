/* What Linux's interfaces were like before DPDK's drivers had them. For --check. */
#ifndef CONTROL_CHECK_LINKS_H
#define CONTROL_CHECK_LINKS_H

#include "config/model.h"

struct ctl_check_links; /* states of the interfaces that ports use */

/* NULL: no memory. */
struct ctl_check_links *ctl_check_links_note(const struct cf_config *config);
/* Makes them as they were, whatever became of those who had them; frees. */
void ctl_check_links_restore(struct ctl_check_links *links);

#endif
