/*
 * Single packets that workers do not finish themselves: which of the parts has to do with it.
 * Control thread.
 */
#include "control/asked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/asked_priv.h"
#include "control/ending.h"
#include "crypto/random.h"

struct ctl_asked *ctl_asked_new(struct dp *dp, struct ctl_linux *l, char *error, size_t error_size)
{
	struct ctl_asked *a = calloc(1, sizeof(*a));
	int rc;

	if (!a) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	a->dp = dp;
	a->l = l;
	a->next_id = cr_random_u32();
	asked_resolve_open(a);
	rc = asked_icmp_open(a);
	if (rc)
		snprintf(error, error_size, "sockets for ICMP: %s", strerror(-rc));
	else if ((rc = asked_reassemble_open(a)))
		snprintf(error, error_size, "memory for fragments: %s", strerror(-rc));
	if (rc) {
		ctl_asked_free(a);
		return NULL;
	}
	return a;
}

void ctl_asked_free(struct ctl_asked *a)
{
	if (!a)
		return;
	asked_resolve_close(a);
	asked_reassemble_close(a);
	asked_icmp_close(a);
	free(a);
}

void ctl_asked_packet(struct ctl_asked *a, uint64_t now_ns, struct rte_mbuf *m)
{
	const struct dp_note *note = dp_note(m);

	switch ((enum dp_ask)note->ask) {
	case DP_ASK_FRAGMENT:
		asked_fragment(a, now_ns, m);
		break;
	case DP_ASK_FRAGMENT_OUT:
		asked_fragment_out(a, m);
		break;
	case DP_ASK_REASSEMBLE:
		asked_reassemble(a, now_ns, m);
		break;
	case DP_ASK_RESOLVE:
		asked_resolve(a, now_ns, m);
		break;
	case DP_ASK_ICMP:
	default:
		/* Its ending has been counted by the worker. */
		ctl_asked_icmp(a, now_ns, m, note->reason);
		ctl_forget(m);
		break;
	}
}

uint64_t ctl_asked_advance(struct ctl_asked *a, uint64_t now_ns)
{
	uint64_t resolve_ns = asked_resolve_advance(a, now_ns);
	uint64_t reassemble_ns = asked_reassemble_advance(a, now_ns);

	return resolve_ns < reassemble_ns ? resolve_ns : reassemble_ns;
}

unsigned int ctl_asked_waiting(const struct ctl_asked *a)
{
	return a->fragments + a->unresolved;
}
