#pragma once
// libevent's headers define _GNU_SOURCE; the C library's types must be seen as Swift's own Glibc module sees them, before that.
#include <features.h>
#include <hiredis/hiredis.h>
#include <hiredis/async.h>
#include <hiredis/adapters/libevent.h>

/// Attaches a connection to a loop's `event_base`.
static inline int needletail_redis_attach(redisAsyncContext *context, void *base) {
    return redisLibeventAttach(context, (struct event_base *)base);
}
