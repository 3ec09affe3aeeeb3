/*
 * The "avx2" back end: all packets of a burst together (aead_avx2_burst.c). A context runs in the
 * thread that owns it. This file is compiled for any CPU.
 */
#include "crypto/aead_avx2.h"

#include <errno.h>
#include <stdlib.h>

#include "crypto/aead_backend.h"
#include "crypto/cpu.h"
#include "crypto/ct.h"

#define STATE_ALIGN 64

/*
 * How far frames reach below ours, where rows and limbs are left that did not fit the registers:
 * measured, and a margin.
 */
#define STACK_WIPE_BYTES 6144

static void *state_new(void)
{
	size_t size = (sizeof(struct cr_burst_avx2) + STATE_ALIGN - 1) / STATE_ALIGN * STATE_ALIGN;
	void *state = aligned_alloc(STATE_ALIGN, size);

	if (state)
		memset(state, 0, size);
	return state;
}

static void state_free(void *state)
{
	cr_wipe(state, sizeof(struct cr_burst_avx2));
	free(state);
}

static __attribute__((noinline)) void wipe_stack(void)
{
	uint8_t below[STACK_WIPE_BYTES];

	cr_wipe(below, sizeof(below));
}

/* The upper halves too, which are no operands that a compiler knows here. */
static inline void wipe_registers(void)
{
	__asm__ __volatile__("vzeroall"
			     :
			     :
			     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
			       "xmm15");
}

static uint64_t seal_burst(void *state, const struct cr_packet *packets, unsigned int n)
{
	uint64_t mask = cr_seal_avx2(state, packets, n);

	wipe_stack();
	wipe_registers();
	return mask;
}

static uint64_t open_burst(void *state, const struct cr_packet *packets, unsigned int n)
{
	uint64_t mask = cr_open_avx2(state, packets, n);

	wipe_stack();
	wipe_registers();
	return mask;
}

const struct cr_aead_backend cr_aead_avx2 = {
	.name = "avx2",
	.available = cr_cpu_avx2,
	.state_new = state_new,
	.state_free = state_free,
	.seal = seal_burst,
	.open = open_burst,
};
