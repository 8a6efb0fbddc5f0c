#pragma once
// event-config.h defines _GNU_SOURCE; the C library's types must be seen as Swift's own Glibc module sees them, before that.
#include <features.h>
#include <event2/event.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

/// Names the calling thread, at most 15 bytes of it (pthread_setname_np is hidden without _GNU_SOURCE, prctl is variadic).
static inline void needletail_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }
