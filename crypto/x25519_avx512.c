#include "crypto/x25519_avx512.h"
