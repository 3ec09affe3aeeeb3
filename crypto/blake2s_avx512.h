/*
 * BLAKE2s sixteen at a time with AVX-512. Inside crypto/, its tests and bench; callers use
 * blake2s.h. Only where cr_cpu_avx512() (cpu.h) is true.
 */
#ifndef CRYPTO_BLAKE2S_AVX512_H
#define CRYPTO_BLAKE2S_AVX512_H

#include <stdint.h>

#include "crypto/blake2s.h"

#endif
