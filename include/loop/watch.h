/* loop/watch.h - a foreign library's descriptor in our loop (libmicrohttpd, libcurl). libuv only. */
#ifndef LOOP_WATCH_H
#define LOOP_WATCH_H

#include "loop/loop.h"

struct watch;

/* `ready` comes while the descriptor is readable (or writable, if asked). Does not own fd. */
struct watch *watch_open(struct loop *l, int fd, bool read, bool write, void (*ready)(void *arg),
                         void *arg);
void watch_close(struct watch *w);

#endif
