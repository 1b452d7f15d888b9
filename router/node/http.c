/* router/node/http.c - libmicrohttpd runs when its epoll descriptor is ready or its time has come;
 * it never accepts by itself: loop/listener does, with its reserve of descriptors.
 *
 * A request has two holders: libmicrohttpd until it is over (`connection`), the handler until it
 * has answered (`answered`). It is freed by whoever is last.
 */
#include "node/http.h"

#include "loop/listener.h"
#include "loop/timer.h"
#include "loop/watch.h"
#include "node/unixsock.h"

#include <microhttpd.h>
#include <stdio.h>

#define SWEEP_MS 1000

enum side { SIDE_TCP, SIDE_UNIX, SIDES };

struct client {
    struct list node;
    enum side side;
    int fd;
    uint64_t since_ms; /* connected, or its last request completed */
};

struct header {
    const char *name;
    char *value;
};

struct http_request {
    struct list node; /* in http->waiting while the answer is due */
    struct http *http;
    struct MHD_Connection *connection; /* NULL: over */
    struct client *client;
    enum http_method method;
    const char *path;
    size_t body_bytes;
    struct MHD_Response *response;
    unsigned status;
    struct header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    uint64_t since_ms;
    uint64_t most_ms;
    bool told; /* to the handler */
    bool answered;
    bool suspended;
};

struct http {
    struct http_options o;
    struct MHD_Daemon *daemon;
    struct watch *watch;
    struct timer alarm; /* when libmicrohttpd wants to run without an event */
    struct timer sweep;
    struct task turn;
    struct listener *listeners[SIDES];
    struct unixsock file;
    enum side accepting; /* while a connection is being handed over */
    struct list clients;
    size_t client_count[SIDES];
    struct list waiting;
};

/* --- running libmicrohttpd --- */

static void run(struct http *h)
{
    MHD_UNSIGNED_LONG_LONG ms;

    MHD_run(h->daemon);
    if (MHD_get_timeout(h->daemon, &ms) == MHD_YES)
        timer_start(&h->alarm, ms);
    else
        timer_stop(&h->alarm);
}

static void on_ready(void *arg)
{
    run(arg);
}

static void on_alarm(struct timer *t)
{
    run(LIST_ENTRY(t, struct http, alarm));
}

static void on_turn(struct task *t)
{
    run(LIST_ENTRY(t, struct http, turn));
}

/* --- requests --- */

static void request_free(struct http_request *r)
{
    for (size_t i = 0; i < r->header_count; i++)
        mem_free(r->headers[i].value);
    if (r->response)
        MHD_destroy_response(r->response);
    list_remove(&r->node);
    mem_free(r);
}

static void free_body(void *body)
{
    mem_free(body);
}

static struct MHD_Response *make_response(struct byteq *body, const char *type)
{
    char *data = mem_strndup(SLICE(""));
    size_t len = 0;
    struct MHD_Response *made;

    if (body && byteq_len(body)) {
        mem_free(data);
        assert(body->from == 0);
        data = body->data;
        len = byteq_len(body);
        byteq_init(body);
    }
    made = MHD_create_response_from_buffer_with_free_callback(len, data, free_body);
    assert(made);
    MHD_add_response_header(made, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(made, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(made, "X-Content-Type-Options", "nosniff");
    return made;
}

/* The answer of the handler, or ours when its own is late. */
static void respond(struct http_request *r, unsigned status, const char *type, struct byteq *body)
{
    r->status = status;
    r->response = make_response(body, type);
    for (size_t i = 0; i < r->header_count; i++)
        MHD_add_response_header(r->response, r->headers[i].name, r->headers[i].value);
    list_remove(&r->node);
    if (!r->suspended)
        return;
    r->suspended = false;
    MHD_resume_connection(r->connection);
    loop_post(r->http->o.loop, &r->http->turn);
}

static void respond_unavailable(struct http_request *r, const char *why)
{
    struct byteq body;

    byteq_init(&body);
    byteq_append(&body, slice_from(why));
    respond(r, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", &body);
}

enum http_method http_method(const struct http_request *r)
{
    return r->method;
}

const char *http_path(const struct http_request *r)
{
    return r->path;
}

const char *http_query(const struct http_request *r, const char *key)
{
    return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, key);
}

bool http_over_unix(const struct http_request *r)
{
    return r->client->side == SIDE_UNIX;
}

bool http_wanted(const struct http_request *r)
{
    return r->connection && !r->response;
}

void http_patience(struct http_request *r, uint64_t most_ms)
{
    r->most_ms = most_ms;
}

void http_header(struct http_request *r, const char *name, const char *value)
{
    assert(r->header_count < HTTP_HEADERS_MAX);
    r->headers[r->header_count].name = name;
    r->headers[r->header_count++].value = mem_strdup(value);
}

void http_answer(struct http_request *r, unsigned status, const char *type, struct byteq *body)
{
    assert(!r->answered);
    r->answered = true;
    if (http_wanted(r))
        respond(r, status, type, body);
    else if (body)
        byteq_fini(body);
    if (!r->connection)
        request_free(r);
}

/* --- libmicrohttpd's calls --- */

static enum http_method parse_method(const char *word)
{
    if (strcmp(word, MHD_HTTP_METHOD_GET) == 0)
        return HTTP_GET;
    if (strcmp(word, MHD_HTTP_METHOD_HEAD) == 0)
        return HTTP_HEAD;
    return strcmp(word, MHD_HTTP_METHOD_POST) == 0 ? HTTP_POST : HTTP_OTHER;
}

static struct http_request *request_new(struct http *h, struct MHD_Connection *c,
                                        const char *method)
{
    struct http_request *r = MEM_NEW(struct http_request);

    r->http = h;
    r->connection = c;
    r->client = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    r->method = parse_method(method);
    list_init(&r->node);
    return r;
}

static void tell(struct http *h, struct http_request *r, const char *path)
{
    r->told = true;
    r->path = path;
    r->since_ms = loop_now_ms(h->o.loop);
    r->most_ms = h->o.answer_ms;
    list_push(&h->waiting, &r->node);
    h->o.handle(h->o.arg, r);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_size, void **request)
{
    struct http *h = cls;
    struct http_request *r = *request;

    (void)version;
    (void)body;
    if (!r) {
        *request = request_new(h, c, method);
        return MHD_YES; /* told again when it is complete */
    }
    r->body_bytes += *body_size;
    if (r->body_bytes > HTTP_BODY_BYTES_MAX)
        return MHD_NO; /* the connection is closed */
    if (*body_size) {
        *body_size = 0;
        return MHD_YES;
    }
    if (!r->told)
        tell(h, r, url);
    if (r->response)
        return MHD_queue_response(c, r->status, r->response);
    MHD_suspend_connection(c);
    r->suspended = true;
    return MHD_YES;
}

static void on_over(void *cls, struct MHD_Connection *c, void **request,
                    enum MHD_RequestTerminationCode why)
{
    struct http *h = cls;
    struct http_request *r = *request;

    (void)c;
    (void)why;
    if (!r)
        return;
    *request = NULL;
    r->client->since_ms = loop_now_ms(h->o.loop);
    r->connection = NULL;
    list_remove(&r->node);
    if (r->answered || !r->told)
        request_free(r);
}

static void client_new(struct http *h, struct MHD_Connection *c, void **context)
{
    struct client *one = MEM_NEW(struct client);

    one->side = h->accepting;
    one->fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    one->since_ms = loop_now_ms(h->o.loop);
    list_push(&h->clients, &one->node);
    h->client_count[one->side]++;
    if (!timer_running(&h->sweep))
        timer_start(&h->sweep, SWEEP_MS);
    *context = one;
}

static void on_connection(void *cls, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http *h = cls;
    struct client *one = *context;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        client_new(h, c, context);
        return;
    }
    h->client_count[one->side]--;
    list_remove(&one->node);
    mem_free(one);
}

/* --- time --- */

static void sweep_waiting(struct http *h, uint64_t now)
{
    LIST_WALK(node, &h->waiting)
    {
        struct http_request *r = LIST_ENTRY(node, struct http_request, node);

        if (now - r->since_ms >= r->most_ms)
            respond_unavailable(r, "no answer in time: a worker does not turn\n");
    }
}

static void on_sweep(struct timer *t)
{
    struct http *h = LIST_ENTRY(t, struct http, sweep);
    uint64_t now = loop_now_ms(h->o.loop);

    sweep_waiting(h, now);
    LIST_WALK(node, &h->clients)
    {
        struct client *one = LIST_ENTRY(node, struct client, node);

        if (now - one->since_ms >= h->o.quiet_ms)
            shutdown(one->fd, SHUT_RDWR); /* libmicrohttpd sees the end and cleans up */
    }
    if (!list_empty(&h->clients))
        timer_start(&h->sweep, SWEEP_MS);
}

/* --- accepting --- */

static void take(struct http *h, enum side side, int fd, const struct addr *peer)
{
    if (h->client_count[side] >= HTTP_CONNECTIONS_MAX) {
        listener_drop(fd, true);
        return;
    }
    h->accepting = side;
    (void)MHD_add_connection(h->daemon, fd, &peer->sa, addr_size(peer)); /* takes fd in any case */
    loop_post(h->o.loop, &h->turn);
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
    take(arg, SIDE_TCP, fd, peer);
}

static void on_accept_unix(void *arg, int fd, const struct addr *peer)
{
    take(arg, SIDE_UNIX, fd, peer);
}

enum err http_listen(struct http *h, const struct addr *at, int fd, char *error, size_t size)
{
    enum err e = listener_open(h->o.loop, at, fd, on_accept, h, &h->listeners[SIDE_TCP]);
    char text[ADDR_TEXT_MAX];

    if (e)
        snprintf(error, size, "listen.http: cannot listen on %s: %s; %s", addr_format(at, text),
                 err_text(e),
                 e == ERR_IN_USE ? "another process listens there; stop it or choose another port"
                                 : "choose another address");
    return e;
}

enum err http_listen_unix(struct http *h, const char *path, char *error, size_t size)
{
    struct addr unused = {.sa.sa_family = AF_UNIX};
    char why[512];
    enum err e = unixsock_listen(path, why, sizeof(why), &h->file);

    if (e) {
        snprintf(error, size, "listen.control: %s", why);
        return e;
    }
    e = listener_open(h->o.loop, &unused, h->file.fd, on_accept_unix, h, &h->listeners[SIDE_UNIX]);
    if (e) {
        unixsock_remove(&h->file);
        snprintf(error, size, "listen.control: %s: %s; choose another path", path, err_text(e));
    }
    return e;
}

bool http_address(const struct http *h, struct addr *ret_at)
{
    if (!h->listeners[SIDE_TCP])
        return false;
    listener_addr(h->listeners[SIDE_TCP], ret_at);
    return true;
}

size_t http_connection_count(const struct http *h)
{
    return h->client_count[SIDE_TCP] + h->client_count[SIDE_UNIX];
}

/* --- life --- */

static struct MHD_Daemon *start_daemon(struct http *h)
{
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0,
                            NULL, NULL, on_request, h, MHD_OPTION_NOTIFY_COMPLETED, on_over, h,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)(SIDES * HTTP_CONNECTIONS_MAX),
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_REQUEST_BYTES_MAX,
                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

enum err http_new(const struct http_options *o, struct http **ret_http)
{
    struct http *h = MEM_NEW(struct http);

    h->o = *o;
    h->o.quiet_ms = o->quiet_ms ? o->quiet_ms : HTTP_QUIET_MS;
    h->o.answer_ms = o->answer_ms ? o->answer_ms : HTTP_ANSWER_MS;
    list_init(&h->clients);
    list_init(&h->waiting);
    h->daemon = start_daemon(h);
    if (!h->daemon) {
        mem_free(h);
        return ERR_DESCRIPTORS;
    }
    timer_init(&h->alarm, o->loop, on_alarm);
    timer_init(&h->sweep, o->loop, on_sweep);
    task_init(&h->turn, on_turn);
    h->watch =
        watch_open(o->loop, MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
                   true, false, on_ready, h);
    *ret_http = h;
    return OK;
}

static void stop_listening(struct http *h)
{
    for (unsigned i = 0; i < SIDES; i++)
        if (h->listeners[i])
            listener_close(h->listeners[i]);
    if (h->listeners[SIDE_UNIX])
        unixsock_remove(&h->file);
}

void http_free(struct http *h)
{
    stop_listening(h);
    LIST_WALK(node, &h->waiting)
    respond_unavailable(LIST_ENTRY(node, struct http_request, node),
                        "this node is being shut down\n");
    MHD_run(h->daemon);
    watch_close(h->watch);
    MHD_stop_daemon(h->daemon);
    task_cancel(&h->turn);
    timer_stop(&h->alarm);
    timer_stop(&h->sweep);
    mem_free(h);
}
