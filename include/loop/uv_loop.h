/* loop/uv_loop.h - the libuv handle of a loop, for the files in router/loop only. */
#ifndef LOOP_UV_LOOP_H
#define LOOP_UV_LOOP_H

#include "loop/loop.h"

#include <uv.h>

uv_loop_t *loop_uv(struct loop *l);

#endif
