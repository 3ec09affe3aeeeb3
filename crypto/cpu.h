/*
 * Which instruction sets this CPU has and the kernel lets programs use. Header only, any thread.
 * Code that needs one is in files of its own, compiled with its own flags (crypto/meson.build), and
 * is called only where the function here has said yes.
 */
#ifndef CRYPTO_CPU_H
#define CRYPTO_CPU_H

#include <stdbool.h>

/* What every *_avx512.c is compiled for: AVX-512 F, BW, VL, DQ, IFMA and VBMI2; and BMI2. */
static inline bool cr_cpu_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vbmi2") &&
	       __builtin_cpu_supports("bmi2");
}

/* What every *_avx2.c is compiled for: AVX2 and BMI2. */
static inline bool cr_cpu_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}

#endif
