/* Parts of the answers of serve_rpc.c. Control thread; references are given. */
#ifndef CONTROL_SERVE_RPC_H
#define CONTROL_SERVE_RPC_H

#include <jansson.h>

#include "config/rpc.h"
#include "dataplane/worker.h"

/* The method `counters`. ctx: struct ctl. */
void ctl_serve_counters(void *ctx, const json_t *params, struct cf_rpc_answer *answer);

/* Of `show`: a list of the ports. */
json_t *ctl_serve_ports(const struct dp *dp);

/* Of `counters`: by port what workers counted; by device what its hardware or driver counted. */
json_t *ctl_serve_port_counters(const struct dp *dp);
json_t *ctl_serve_devices(const struct dp *dp);
/* What the latter mean. */
json_t *ctl_serve_device_texts(void);

#endif
