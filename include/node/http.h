/* node/http.h - a small HTTP/1.1 server on the steward's loop, over TCP and a Unix socket.
 *
 * libmicrohttpd's door (router/node/http.c). Each request is told to `handle` once, complete, and
 * is answered once, at once or later. Nothing a client does makes the loop wait: requests are
 * bounded in bytes, connections in number, and whoever neither asks nor reads is let go.
 * Spec: RFC 9110, RFC 9112.
 */
#ifndef NODE_HTTP_H
#define NODE_HTTP_H

#include "base/addr.h"
#include "base/byteq.h"
#include "loop/loop.h"

/* A scraper or two, their retries, and people. Both kinds are counted apart: whoever fills the
 * one cannot keep operators from the other. */
#define HTTP_CONNECTIONS_MAX 64
/* Request line and headers; what is answered does not count. */
#define HTTP_REQUEST_BYTES_MAX 16384
/* Commands have their arguments in the query; a body is read and forgotten. */
#define HTTP_BODY_BYTES_MAX 4096
/* A connection on which no request was completed for so long is closed: neither a header sent
 * byte by byte nor an answer never read holds one for ever. */
#define HTTP_QUIET_MS 60000
/* A worker that does not give its part by then hangs: the answer is 503. */
#define HTTP_ANSWER_MS   5000
#define HTTP_HEADERS_MAX 4

struct http;
struct http_request;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_OTHER };

struct http_options {
    struct loop *loop;
    void (*handle)(void *arg, struct http_request *r);
    void *arg;
    uint64_t quiet_ms; /* 0: HTTP_QUIET_MS */
    uint64_t answer_ms;
};

enum err http_new(const struct http_options *o, struct http **ret_http) MUST_USE;
/* Once each at most. `fd` >= 0: a listening socket given by the service manager. On failure `error`
 * is one line: what, where, and how to mend it. */
enum err http_listen(struct http *h, const struct addr *at, int fd, char *error,
                     size_t size) MUST_USE;
enum err http_listen_unix(struct http *h, const char *path, char *error, size_t size) MUST_USE;
/* Of http_listen (a port 0 is known now); false: there is none. */
bool http_address(const struct http *h, struct addr *ret_at);
size_t http_connection_count(const struct http *h);
/* Requests without an answer are answered 503; http_answer for them later is no mistake. */
void http_free(struct http *h);

/* --- a request; within `handle` only --- */
enum http_method http_method(const struct http_request *r);
const char *http_path(const struct http_request *r); /* decoded, without the query */
/* Decoded; NULL: not there. The first of several. */
const char *http_query(const struct http_request *r, const char *key);
bool http_over_unix(const struct http_request *r);

/* --- its answer --- */
/* Somebody still waits for it. When not, http_answer only frees the request. */
bool http_wanted(const struct http_request *r);
/* It may take so long, instead of answer_ms; within `handle`. */
void http_patience(struct http_request *r, uint64_t most_ms);
/* Before http_answer; `name` lives for ever, `value` is copied. */
void http_header(struct http_request *r, const char *name, const char *value);
/* Takes what is in `body` (NULL: empty) and the request. `type`: of the content. */
void http_answer(struct http_request *r, unsigned status, const char *type, struct byteq *body);

#endif
