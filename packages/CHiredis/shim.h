#pragma once
// The C library's types must be seen as Swift's own Glibc module sees them.
#include <features.h>
#include <hiredis/hiredis.h>
