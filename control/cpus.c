/*
 * The choice of CPUs: control on the lowest, workers on those that the file lists, on as many as it
 * asks for, or on all others. A function of the file and of the machine (machine.c reads that), so
 * that --check and the start say the same, and tests need no such machine.
 */
#include "control/cpus.h"

#include <string.h>

bool ctl_cpus_poll(const struct cf_config *config)
{
	if (config->idle != CF_IDLE_DEFAULT)
		return config->idle == CF_IDLE_POLL;
	for (size_t k = 0; k < config->n_ports; k++)
		if (cf_port_has_pci(&config->ports[k]))
			return true;
	return false;
}

static bool is_worker(const struct cf_config *config, int cpu)
{
	for (unsigned int k = 0; k < config->n_workers; k++)
		if (config->workers[k] == cpu)
			return true;
	return false;
}

/* A CPU that the file names: is it there, and ours? */
static bool usable(const struct cf_config *config, const struct ctl_machine *m, const char *key,
		   uint32_t line, int cpu, struct cf_messages *errors)
{
	char cpus[CTL_CPUS_TEXT_BYTES];

	if (cpu < CPU_SETSIZE && CPU_ISSET(cpu, &m->allowed))
		return true;
	if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &m->present))
		cf_messages_add(errors,
				"%s:%u: %s: there is no CPU %d: this machine has %s, and this "
				"process may use %s",
				config->path, line, key, cpu, ctl_cpus_text(cpus, &m->present),
				ctl_cpus_text((char[CTL_CPUS_TEXT_BYTES]){0}, &m->allowed));
	else if (!CPU_ISSET(cpu, &m->online))
		cf_messages_add(errors,
				"%s:%u: %s: CPU %d is offline: take another, or set it online with "
				"echo 1 >/sys/devices/system/cpu/cpu%d/online",
				config->path, line, key, cpu, cpu);
	else
		cf_messages_add(errors,
				"%s:%u: %s: this process may not use CPU %d, only %s: take one of "
				"those, or change what it is started with (taskset, CPUAffinity, a "
				"cpuset)",
				config->path, line, key, cpu, ctl_cpus_text(cpus, &m->allowed));
	return false;
}

static bool check_named(const struct cf_config *config, const struct ctl_machine *m,
			struct cf_messages *errors)
{
	bool good = config->control < 0 ||
		    usable(config, m, "control", config->control_line, config->control, errors);

	for (unsigned int k = 0; k < config->n_workers; k++)
		good &= usable(config, m, "workers", config->workers_line, config->workers[k],
			       errors);
	return good;
}

/* The lowest that no worker has been given, or the lowest if there is none. */
static int choose_control(const struct cf_config *config, const struct ctl_machine *m)
{
	int lowest = -1;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &m->allowed))
			continue;
		if (!is_worker(config, cpu))
			return cpu;
		if (lowest < 0)
			lowest = cpu;
	}
	return lowest;
}

/* Workers on at most `most` of the lowest CPUs that have none, on the ports' node or elsewhere. */
static void add_workers(struct cf_config *config, const struct ctl_machine *m, bool ports_node,
			unsigned int most)
{
	for (int cpu = 0; cpu < CPU_SETSIZE && config->n_workers < most; cpu++)
		if (CPU_ISSET(cpu, &m->allowed) && cpu != config->control &&
		    !is_worker(config, cpu) &&
		    (m->ports_node < 0 || (m->node[cpu] == m->ports_node) == ports_node))
			config->workers[config->n_workers++] = cpu;
}

static bool choose_workers(struct cf_config *config, const struct ctl_machine *m,
			   struct cf_messages *errors)
{
	unsigned int asked = config->workers_asked;
	unsigned int most = asked == 0 || asked > CF_WORKERS_MAX ? CF_WORKERS_MAX : asked;
	char cpus[CTL_CPUS_TEXT_BYTES];

	add_workers(config, m, true, most);
	add_workers(config, m, false, most);
	/* One CPU for everything. */
	if (config->n_workers == 0)
		config->workers[config->n_workers++] = config->control;
	if (asked <= config->n_workers)
		return true;
	cf_messages_add(errors,
			"%s:%u: workers: %u are asked for, and there are CPUs for %u: this process "
			"may use CPU %s, and control has CPU %d: ask for %u or fewer",
			config->path, config->workers_line, asked, config->n_workers,
			ctl_cpus_text(cpus, &m->allowed), config->control, config->n_workers);
	return false;
}

/* A worker that polls leaves nothing of its CPU to others, which only does where there is one. */
static bool check_shared(const struct cf_config *config, const struct ctl_machine *m,
			 struct cf_messages *errors)
{
	if (!is_worker(config, config->control) || !ctl_cpus_poll(config) ||
	    CPU_COUNT(&m->allowed) == 1)
		return true;
	if (config->control_line != 0)
		cf_messages_add(errors,
				"%s:%u: CPU %d cannot be both a worker's and the control lcore's "
				"(line %u): take another, or set idle: backoff",
				config->path, config->workers_line, config->control,
				config->control_line);
	else
		cf_messages_add(errors,
				"%s:%u: no CPU is left for the control lcore: take one from the "
				"workers, or set idle: backoff",
				config->path, config->workers_line);
	return false;
}

bool ctl_cpus_choose(struct cf_config *config, const struct ctl_machine *m,
		     struct cf_messages *errors)
{
	if (!check_named(config, m, errors))
		return false;
	if (config->control < 0)
		config->control = choose_control(config, m);
	if (config->n_workers == 0 && !choose_workers(config, m, errors))
		return false;
	return check_shared(config, m, errors);
}
