#pragma once
// The C library's types must be seen as Swift's own Glibc module sees them.
#include <features.h>
#include <hiredis/hiredis.h>

/// Most elements of one answer. hiredis 0.14 makes room for as many as an answer's first line claims, up to 2^31, before one has
/// come, and arrays within arrays multiply it. Nothing asked for here is answered with more, or with arrays within arrays.
#define NEEDLETAIL_REDIS_ELEMENTS_MAX (1 << 22)

static inline const redisReplyObjectFunctions *needletail_redis_original(const redisReadTask *task) {
    return (const redisReplyObjectFunctions *)task->privdata;
}
static inline void *needletail_redis_string(const redisReadTask *task, char *text, size_t length) {
    return needletail_redis_original(task)->createString(task, text, length);
}
static inline void *needletail_redis_array(const redisReadTask *task, int elements) {
    // NULL ends the connection with "Out of memory", which it is the refusal of.
    if (task->parent != NULL || elements > NEEDLETAIL_REDIS_ELEMENTS_MAX) return NULL;
    return needletail_redis_original(task)->createArray(task, elements);
}
static inline void *needletail_redis_integer(const redisReadTask *task, long long value) {
    return needletail_redis_original(task)->createInteger(task, value);
}
static inline void *needletail_redis_nil(const redisReadTask *task) {
    return needletail_redis_original(task)->createNil(task);
}

/// Bounds what a fresh reader believes; called once, before the first byte.
static inline void needletail_redis_bound(redisReader *reader) {
    static redisReplyObjectFunctions bounded = {
        needletail_redis_string, needletail_redis_array, needletail_redis_integer, needletail_redis_nil, freeReplyObject,
    };
    reader->privdata = reader->fn;  // Every task carries it.
    reader->fn = &bounded;
}
