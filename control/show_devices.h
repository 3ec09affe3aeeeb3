/* Devices and their queues as JSON, for the answer to "show". Control thread. */
#ifndef CONTROL_SHOW_DEVICES_H
#define CONTROL_SHOW_DEVICES_H

#include <jansson.h>

#include "dataplane/worker.h"

/* The caller owns it. */
json_t *ctl_show_devices(const struct dp *dp);
/* {"name": "what it means"} of what a device lacks; the caller owns it. */
json_t *ctl_show_lacks(const struct dp *dp, const struct dp_device *d);

#endif
