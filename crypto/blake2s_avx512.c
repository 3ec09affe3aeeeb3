#include "crypto/blake2s_avx512.h"
