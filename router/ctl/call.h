/* router/ctl/call.h - one HTTP request over the control socket: libcurl's door. */
#ifndef CTL_CALL_H
#define CTL_CALL_H

#include "base/byteq.h"

#define CALL_WORDS_MAX 3

struct call_word {
    const char *key;
    const char *value; /* as typed */
};

struct call {
    const char *socket_path;
    bool post;
    const char *path; /* "/api/v1/close" */
    struct call_word words[CALL_WORDS_MAX];
    size_t word_count;
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
