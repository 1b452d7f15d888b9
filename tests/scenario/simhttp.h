/* tests/scenario/simhttp.h - node/http.h without sockets: a test asks, the handler answers, in the
 * invented world. The API and the commands behind it run as they are.
 */
#ifndef SCENARIO_SIMHTTP_H
#define SCENARIO_SIMHTTP_H

#include "node/http.h"

struct simhttp_reply {
    unsigned status; /* 0: no answer in time */
    struct byteq body;
};

/* Asks the server on that loop, as over the control socket; turns the world until it answers.
 * `query`: "key=value&key=value", nothing encoded in it; "": none. The body is the caller's. */
void simhttp_ask(struct loop *l, enum http_method method, const char *path, const char *query,
                 struct simhttp_reply *ret_reply);
/* ... and does not wait. `path` lives as long as the question. */
void simhttp_begin(struct loop *l, enum http_method method, const char *path, const char *query,
                   struct simhttp_reply *ret_reply);

#endif
