/*
 * Compares what DPDK needs with the free hugepages and with the memory that Linux can give, and
 * says in numbers what to change. Control, before DPDK starts; what is needed is in eal.c.
 */
#include "control/memory.h"

#include <stdio.h>

#include "control/eal.h"
#include "control/machine.h"

#define MB (UINT64_C(1) << 20)
/* A NIC keeps 1024 in each direction for each worker; a worker some for itself, and those that are
 * on rings or shared out. */
#define NIC_PKTS       2048
#define WORKER_PKTS    4096
#define HUGEPAGE_BYTES (2 * MB)
#define NR_HUGEPAGES   "/proc/sys/vm/nr_hugepages"

static unsigned long long mib(uint64_t bytes)
{
	return (unsigned long long)((bytes + MB - 1) / MB);
}

/* The number to write into nr_hugepages so that `missing` more bytes of them are free. */
static unsigned long long pages_wanted(uint64_t missing)
{
	unsigned long long now = 0;
	FILE *f = fopen(NR_HUGEPAGES, "re");

	if (f != NULL) {
		if (fscanf(f, "%llu", &now) != 1)
			now = 0;
		fclose(f);
	}
	return now + (missing + HUGEPAGE_BYTES - 1) / HUGEPAGE_BYTES;
}

/* "gw.yaml:7: " or, of a default, "gw.yaml: ". */
static const char *where(char *out, size_t size, const struct cf_config *config)
{
	if (config->packet_buffers_line != 0)
		snprintf(out, size, "%s:%u:", config->path, config->packet_buffers_line);
	else
		snprintf(out, size, "%s:", config->path);
	return out;
}

void ctl_memory_choose(struct cf_config *config)
{
	uint32_t buffers = WORKER_PKTS * config->n_workers;

	if (config->packet_buffers_line != 0)
		return;
	for (size_t k = 0; k < config->n_ports; k++)
		if (cf_port_has_pci(&config->ports[k]))
			buffers += NIC_PKTS * config->n_workers;
	if (buffers > config->packet_buffers)
		config->packet_buffers = buffers;
}

bool ctl_memory_check(const struct cf_config *config, uint64_t bytes, bool *hugepages,
		      struct cf_messages *errors, struct cf_messages *warnings)
{
	uint64_t huge = ctl_machine_free_huge_bytes();
	uint64_t available = ctl_machine_available_bytes();
	char at[512];

	*hugepages = config->hugepages == CF_HUGEPAGES_AUTO && huge >= bytes;
	if (*hugepages)
		return true;
	if (available < bytes) {
		cf_messages_add(errors,
				"%s packet-buffers: %u of them need %llu MiB of memory in all, and "
				"%llu MiB are available (%llu MiB in free hugepages): ask for "
				"fewer",
				where(at, sizeof(at), config), config->packet_buffers, mib(bytes),
				mib(available), mib(huge));
		return false;
	}
	if (config->hugepages == CF_HUGEPAGES_AUTO)
		cf_messages_add(warnings,
				"%s: not enough free hugepages: %llu MiB are needed and %llu MiB "
				"are free: using ordinary pages, which is slower. Reserve enough "
				"with: echo %llu >" NR_HUGEPAGES,
				config->path, mib(bytes), mib(huge), pages_wanted(bytes - huge));
	return true;
}
