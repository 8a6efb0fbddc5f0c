#pragma once
#include <stdint.h>

/// Whether this binary counts: not under the sanitizers, which have allocators of their own.
int allocation_counter_works(void);
/// How often the calling thread has asked for memory.
uint64_t allocation_counter_count(void);
