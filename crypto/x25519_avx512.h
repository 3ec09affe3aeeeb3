/*
 * X25519 eight at a time with AVX-512 IFMA. Inside crypto/, its tests and bench; callers use
 * x25519.h. Only where cr_cpu_avx512() (cpu.h) is true.
 */
#ifndef CRYPTO_X25519_AVX512_H
#define CRYPTO_X25519_AVX512_H

#include <stdint.h>

#include "crypto/x25519.h"

#endif
