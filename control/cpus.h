/* Which CPU control and each worker get. Control, at start and for --check. */
#ifndef CONTROL_CPUS_H
#define CONTROL_CPUS_H

#include <stdbool.h>

#include "config/model.h"
#include "config/yaml.h"
#include "control/machine.h"

/*
 * Fills in config->control and config->workers where the file leaves them open, and checks those
 * that it names against the machine. False: lines were added to errors, the choice is not usable.
 */
bool ctl_cpus_choose(struct cf_config *config, const struct ctl_machine *m,
		     struct cf_messages *errors);

/* Whether workers poll without a pause: as the file says, by default if a port is a PCI device. */
bool ctl_cpus_poll(const struct cf_config *config);

#endif
