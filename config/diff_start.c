/* The settings that a running gateway cannot change. The rest of the diff is in diff.c. */
#include "config/diff_run.h"

#include <string.h>

static void needs_restart(const struct cf_config *new, struct cf_messages *errors, const char *what,
			  const char *name)
{
	cf_messages_add(errors, "%s: %s%s%s needs a restart of wgdp", new->path, what,
			name ? " " : "", name ? name : "");
}

static const struct cf_port *find_port(const struct cf_config *config, const char *name)
{
	for (size_t i = 0; i < config->n_ports; i++)
		if (!strcmp(config->ports[i].name, name))
			return &config->ports[i];
	return NULL;
}

static void check_ports(const struct cf_config *old, const struct cf_config *new,
			struct cf_messages *errors)
{
	for (size_t i = 0; i < old->n_ports; i++) {
		const struct cf_port *was = &old->ports[i], *is = find_port(new, was->name);

		if (!is)
			needs_restart(new, errors, "removing port", was->name);
		else if (strcmp(was->device, is->device))
			needs_restart(new, errors, "another device for port", was->name);
		else if (was->vlan != is->vlan)
			needs_restart(new, errors, "another vlan for port", was->name);
		else if (was->mtu != is->mtu)
			needs_restart(new, errors, "another mtu for port", was->name);
	}
	for (size_t i = 0; i < new->n_ports; i++)
		if (!find_port(old, new->ports[i].name))
			needs_restart(new, errors, "adding port", new->ports[i].name);
}

bool cf_diff_same_start(const struct cf_config *old, const struct cf_config *new,
			struct cf_messages *errors)
{
	size_t n = errors->n;

	if (old->control != new->control)
		needs_restart(new, errors, "changing \"control\"", NULL);
	if (old->n_workers != new->n_workers ||
	    memcmp(old->workers, new->workers, old->n_workers * sizeof(old->workers[0])))
		needs_restart(new, errors, "changing \"workers\"", NULL);
	if (old->idle != new->idle)
		needs_restart(new, errors, "changing \"idle\"", NULL);
	if (strcmp(old->socket, new->socket))
		needs_restart(new, errors, "changing \"socket\"", NULL);
	if (old->hugepages != new->hugepages)
		needs_restart(new, errors, "changing \"hugepages\"", NULL);
	/* By default what runs chose the number, with its workers and ports. */
	if ((old->packet_buffers_line != 0 || new->packet_buffers_line != 0) &&
	    old->packet_buffers != new->packet_buffers)
		needs_restart(new, errors, "changing \"packet-buffers\"", NULL);
	check_ports(old, new, errors);
	return errors->n == n;
}
