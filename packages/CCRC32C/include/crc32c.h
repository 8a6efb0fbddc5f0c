#ifndef NEEDLETAIL_CRC32C_H
#define NEEDLETAIL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli) of `count` bytes, continuing from `crc`; 0 starts. Uses SSE4.2 where the processor has it.
uint32_t needletail_crc32c(uint32_t crc, const void *_Nonnull bytes, size_t count);

/// The same by tables, for processors without SSE4.2 and for tests of the other one.
uint32_t needletail_crc32c_tables(uint32_t crc, const void *_Nonnull bytes, size_t count);

#endif
