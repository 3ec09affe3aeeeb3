/* Is there memory for what the file asks for? Control, before DPDK starts and for --check. */
#ifndef CONTROL_MEMORY_H
#define CONTROL_MEMORY_H

#include <stdbool.h>

#include "config/model.h"
#include "config/yaml.h"

/* Sets the number of packet buffers if the file leaves it open: more than the default where many
 * workers have queues on NICs. Workers are known. */
void ctl_memory_choose(struct cf_config *config);

/*
 * bytes: what DPDK will be given. *hugepages: whether they are used, because the file allows it and
 * enough of them are free. False: there is too little memory of any kind, with a line in errors.
 */
bool ctl_memory_check(const struct cf_config *config, uint64_t bytes, bool *hugepages,
		      struct cf_messages *errors, struct cf_messages *warnings);

#endif
