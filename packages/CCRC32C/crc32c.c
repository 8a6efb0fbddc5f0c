#include "crc32c.h"

#include <pthread.h>
#include <string.h>

// Slicing by eight: table[k][b] is the CRC of byte b followed by k zero bytes.
static uint32_t table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_tables(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78u : 0);
        table[0][byte] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (int byte = 0; byte < 256; byte++)
            table[k][byte] = (table[k - 1][byte] >> 8) ^ table[0][table[k - 1][byte] & 0xFF];
}

uint32_t needletail_crc32c_tables(uint32_t crc, const void *bytes, size_t count) {
    pthread_once(&once, fill_tables);
    const uint8_t *p = bytes;
    crc = ~crc;
    while (count >= 8) {
        uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        crc = table[7][low & 0xFF] ^ table[6][(low >> 8) & 0xFF] ^ table[5][(low >> 16) & 0xFF] ^ table[4][low >> 24]
            ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
        p += 8;
        count -= 8;
    }
    while (count-- > 0) crc = (crc >> 8) ^ table[0][(crc ^ *p++) & 0xFF];
    return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

// Three independent streams hide the three-cycle latency of the crc32 instruction; a stream's CRC is then carried over
// the bytes of the streams behind it with tables of "append BLOCK zero bytes".
enum { BLOCK = 1024 };
static uint32_t shift_table[4][256];
static pthread_once_t shift_once = PTHREAD_ONCE_INIT;

static void fill_shift_tables(void) {
    for (uint32_t byte = 0; byte < 256; byte++)
        for (int k = 0; k < 4; k++) {
            pthread_once(&once, fill_tables);
            uint32_t crc = byte << (8 * k);
            for (int zero = 0; zero < BLOCK; zero++) crc = (crc >> 8) ^ table[0][crc & 0xFF];
            shift_table[k][byte] = crc;
        }
}

static inline uint32_t shift(uint32_t crc) {
    return shift_table[0][crc & 0xFF] ^ shift_table[1][(crc >> 8) & 0xFF] ^ shift_table[2][(crc >> 16) & 0xFF]
        ^ shift_table[3][crc >> 24];
}

static inline uint64_t load(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

__attribute__((target("sse4.2")))
static uint32_t crc32c_sse42(uint32_t crc, const void *bytes, size_t count) {
    pthread_once(&shift_once, fill_shift_tables);
    const uint8_t *p = bytes;
    uint64_t a = ~crc;
    while (count >= 3 * BLOCK) {
        uint64_t b = 0, c = 0;
        for (size_t i = 0; i < BLOCK; i += 8) {
            a = _mm_crc32_u64(a, load(p + i));
            b = _mm_crc32_u64(b, load(p + BLOCK + i));
            c = _mm_crc32_u64(c, load(p + 2 * BLOCK + i));
        }
        a = shift(shift((uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
        p += 3 * BLOCK;
        count -= 3 * BLOCK;
    }
    for (; count >= 8; count -= 8, p += 8) a = _mm_crc32_u64(a, load(p));
    for (; count > 0; count--, p++) a = _mm_crc32_u8((uint32_t)a, *p);
    return ~(uint32_t)a;
}
#endif

uint32_t needletail_crc32c(uint32_t crc, const void *bytes, size_t count) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42(crc, bytes, count);
#endif
    return needletail_crc32c_tables(crc, bytes, count);
}
