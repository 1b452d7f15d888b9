/* router/ctl/call.h - one HTTP request over the control socket: libcurl's door. */
#ifndef CTL_CALL_H
#define CTL_CALL_H

#include "base/byteq.h"

struct call {
    const char *socket_path;
    bool post;
    const char *path;  /* "/api/v1/close" */
    const char *key;   /* of the only argument; NULL: none */
    const char *value; /* as typed */
};

struct reply {
    struct byteq body;
    size_t left_out_count; /* rows that the router did not send */
    char error[512];       /* one line for people; empty: it went well */
};

/* False: `error` says why. */
bool call(const struct call *c, struct reply *ret_reply);
void reply_fini(struct reply *r);

#endif
