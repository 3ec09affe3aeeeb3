/* The time stamp counter, read so that nothing measured moves across. Header only. */
#ifndef BENCH_TSC_H
#define BENCH_TSC_H

#include <stdint.h>

#include <x86intrin.h>

/* TSC cycles: they pass at one rate, whatever clock the core runs at. */
static inline uint64_t bench_tsc(void)
{
	uint64_t now;

	_mm_lfence();
	now = __rdtsc();
	_mm_lfence();
	return now;
}

/* Core cycles per TSC cycle now, from adds that wait for each other: each takes one core cycle. */
static inline double bench_core_per_tsc(void)
{
	enum { ROUNDS = 1000, ADDS = 20 };
	uint64_t sum = 1, rounds = ROUNDS, begin = bench_tsc();

	__asm__ volatile("1:\n\t"
			 ".rept %c2\n\t"
			 "add %0, %0\n\t"
			 ".endr\n\t"
			 "dec %1\n\t"
			 "jnz 1b"
			 : "+r"(sum), "+r"(rounds)
			 : "i"(ADDS)
			 : "cc");
	return (double)ROUNDS * ADDS / (double)(bench_tsc() - begin);
}

#endif
