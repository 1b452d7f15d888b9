#include "scenario/simhttp.h"

#include "base/mem.h"
#include "sim/world.h"

#define ASK_MS 30000

struct http {
    struct list node;
    struct http_options o;
    struct list waiting;
};

struct http_request {
    struct list node; /* http->waiting, while wanted */
    struct http *http;
    struct task task;
    enum http_method method;
    const char *path;
    char *query;                 /* each part ended by NUL, the last by two */
    bool told;                   /* to the handler */
    struct simhttp_reply *reply; /* NULL: nobody waits any more */
};

static struct list servers = {&servers, &servers};

enum err http_new(const struct http_options *o, struct http **ret_http)
{
    struct http *h = MEM_NEW(struct http);

    h->o = *o;
    list_init(&h->waiting);
    list_init(&h->node);
    list_push(&servers, &h->node);
    *ret_http = h;
    return OK;
}

enum err http_listen(struct http *h, const struct addr *at, int fd, char *error, size_t size)
{
    return OK;
}

enum err http_listen_unix(struct http *h, const char *path, char *error, size_t size)
{
    return OK;
}

bool http_address(const struct http *h, struct addr *ret_at)
{
    return false;
}

size_t http_connection_count(const struct http *h)
{
    return 0;
}

static void request_free(struct http_request *r)
{
    list_remove(&r->node);
    task_cancel(&r->task);
    mem_free(r->query);
    mem_free(r);
}

/* Who was told of a request answers it all the same. */
void http_free(struct http *h)
{
    LIST_WALK(n, &h->waiting)
    {
        struct http_request *r = LIST_ENTRY(n, struct http_request, node);

        r->reply = NULL;
        list_remove(n);
        if (!r->told)
            request_free(r);
    }
    list_remove(&h->node);
    mem_free(h);
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
    size_t len = strlen(key);

    for (const char *part = r->query; *part; part += strlen(part) + 1)
        if (strncmp(part, key, len) == 0 && part[len] == '=')
            return part + len + 1;
    return NULL;
}

bool http_over_unix(const struct http_request *r)
{
    return true;
}

bool http_wanted(const struct http_request *r)
{
    return r->reply != NULL;
}

void http_patience(struct http_request *r, uint64_t most_ms)
{
}

void http_header(struct http_request *r, const char *name, const char *value)
{
}

void http_answer(struct http_request *r, unsigned status, const char *type, struct byteq *body)
{
    if (r->reply) {
        r->reply->status = status;
        if (body)
            byteq_append(&r->reply->body, byteq_slice(body));
    }
    if (body)
        byteq_fini(body);
    request_free(r);
}

/* --- asking --- */

static void handle(struct task *t)
{
    struct http_request *r = LIST_ENTRY(t, struct http_request, task);

    r->told = true;
    r->http->o.handle(r->http->o.arg, r);
}

static struct http *server_on(const struct loop *l)
{
    LIST_WALK(n, &servers)
    if (LIST_ENTRY(n, struct http, node)->o.loop == l)
        return LIST_ENTRY(n, struct http, node);
    return NULL;
}

static bool is_answered(void *arg)
{
    return ((struct simhttp_reply *)arg)->status != 0;
}

static char *split(const char *query)
{
    size_t len = strlen(query);
    char *parts = mem_alloc(len + 2);

    memcpy(parts, query, len);
    parts[len] = parts[len + 1] = '\0';
    for (char *at = parts; (at = strchr(at, '&'));)
        *at++ = '\0';
    return parts;
}

void simhttp_begin(struct loop *l, enum http_method method, const char *path, const char *query,
                   struct simhttp_reply *ret_reply)
{
    struct http_request *r = MEM_NEW(struct http_request);

    byteq_init(&ret_reply->body);
    ret_reply->status = 0;
    r->http = server_on(l);
    assert(r->http);
    r->method = method;
    r->path = path;
    r->query = split(query);
    r->reply = ret_reply;
    list_init(&r->node);
    list_push(&r->http->waiting, &r->node);
    task_init(&r->task, handle);
    loop_post(l, &r->task);
}

void simhttp_ask(struct loop *l, enum http_method method, const char *path, const char *query,
                 struct simhttp_reply *ret_reply)
{
    simhttp_begin(l, method, path, query, ret_reply);
    world_run_until(world_current(), is_answered, ret_reply, ASK_MS);
}
