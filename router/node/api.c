#include "inquiry.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT "text/plain; charset=utf-8"

/* Every loop turned within this time: alive. */
#define LIVE_MS 5000

/* --- answers --- */

static void answer_text(struct http_request *r, unsigned status, const char *format, ...)
    PRINTF(3, 4);

static void answer_text(struct http_request *r, unsigned status, const char *format, ...)
{
    char text[2 * MEMBERS_TEXT_BYTES];
    struct byteq body;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    byteq_init(&body);
    byteq_append(&body, slice_from(text));
    http_answer(r, status, TEXT, &body);
}

void api_answer_error(struct http_request *r, unsigned status, const char *format, ...)
{
    char text[1024];
    struct byteq body;
    json_t *o = json_object();
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_put_text(o, "error", text);
    byteq_init(&body);
    json_write(o, &body);
    byteq_append(&body, SLICE("\n"));
    http_answer(r, status, API_JSON, &body);
}

void api_answer_row(struct http_request *r, json_t *row)
{
    struct byteq body;

    byteq_init(&body);
    byteq_append(&body, SLICE("["));
    json_write(row, &body);
    byteq_append(&body, SLICE("]\n"));
    http_answer(r, 200, API_JSON, &body);
}

json_t *api_row(struct api *a)
{
    json_t *o = json_object();

    json_put_text(o, "node", node_conf(a->node)->node.name);
    return o;
}

bool api_domain(struct http_request *r, const char *text, struct domain *ret_domain)
{
    if (domain_parse(slice_from(text), ret_domain) == OK)
        return true;
    api_answer_error(r, 400, "\"%.100s\" is not a domain", text);
    return false;
}

/* --- questions to the workers --- */

struct question *question_new(struct api *a, struct http_request *r)
{
    struct question *q = MEM_NEW(struct question);

    q->api = a;
    q->request = r;
    return q;
}

bool question_end(struct question *q, struct api **ret_api, struct http_request **ret_request)
{
    struct question was = *q;

    mem_free(q);
    if (!http_wanted(was.request)) {
        http_answer(was.request, 503, TEXT, NULL);
        return false;
    }
    *ret_api = was.api;
    *ret_request = was.request;
    return true;
}

/* --- health --- */

static void get_livez(struct api *a, struct http_request *r)
{
    uint64_t silent = workers_silent_ms(node_workers(a->node));

    if (silent < LIVE_MS)
        answer_text(r, 200, "ok\n");
    else
        answer_text(r, 503, "a worker has not turned its loop for %llu ms\n",
                    (unsigned long long)silent);
}

static void get_readyz(struct api *a, struct http_request *r)
{
    char text[MEMBERS_TEXT_BYTES];

    answer_text(r, node_ready(a->node) ? 200 : 503, "%s: %s\n", node_state_word(a->node),
                node_state_text(a->node, text));
}

/* --- metrics --- */

static void on_metrics(void *arg, void **parts, unsigned count)
{
    struct http_request *r;
    struct metrics m;
    struct byteq body;
    struct api *a;

    if (question_end(arg, &a, &r)) {
        metrics_sample(a->node, (struct metrics_part *const *)parts, count, &m);
        byteq_init(&body);
        metrics_render(&m, &body);
        metrics_fini(&m);
        http_answer(r, 200, METRICS_CONTENT_TYPE, &body);
    }
    for (unsigned i = 0; i < count; i++)
        metrics_part_free(parts[i]);
}

static void get_metrics(struct api *a, struct http_request *r)
{
    workers_gather(node_workers(a->node), metrics_part, NULL, 0, on_metrics, question_new(a, r));
}

static void get_page(struct api *a, struct http_request *r)
{
    struct byteq body;

    (void)a;
    byteq_init(&body);
    byteq_append(&body, slice_from(api_page));
    http_header(r, "Content-Security-Policy",
                "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'");
    http_answer(r, 200, "text/html; charset=utf-8", &body);
}

/* --- routes --- */

struct route {
    const char *path;
    enum http_method method; /* GET stands for HEAD, too */
    bool control;            /* over the control socket only */
    void (*run)(struct api *a, struct http_request *r);
};

static const struct route routes[] = {
    {"/", HTTP_GET, false, get_page},
    {"/livez", HTTP_GET, false, get_livez},
    {"/readyz", HTTP_GET, false, get_readyz},
    {"/metrics", HTTP_GET, false, get_metrics},
    {"/api/v1/status", HTTP_GET, false, api_status},
    {"/api/v1/nodes", HTTP_GET, false, api_nodes},
    {"/api/v1/links", HTTP_GET, false, api_links},
    {"/api/v1/pairs", HTTP_GET, false, api_pairs},
    {"/api/v1/components", HTTP_GET, false, api_components},
    {"/api/v1/queues", HTTP_GET, false, api_queues},
    {"/api/v1/certs", HTTP_GET, false, api_certs},
    {"/api/v1/dns", HTTP_GET, true, control_dns}, /* sends packets to others */
    {"/api/v1/close", HTTP_POST, true, control_close},
    {"/api/v1/reload", HTTP_POST, true, control_reload},
    {"/api/v1/drain", HTTP_POST, true, control_drain},
    {"/api/v1/forget", HTTP_POST, true, control_forget},
    {"/api/v1/log", HTTP_POST, true, control_log},
};

static const struct route *find_route(const char *path)
{
    for (size_t i = 0; i < COUNT(routes); i++)
        if (strcmp(routes[i].path, path) == 0)
            return &routes[i];
    return NULL;
}

static enum http_method plain_method(const struct http_request *r)
{
    return http_method(r) == HTTP_HEAD ? HTTP_GET : http_method(r);
}

static void handle(void *arg, struct http_request *r)
{
    const struct route *route = find_route(http_path(r));

    if (!route) {
        api_answer_error(r, 404, "there is nothing at this path");
    } else if (route->control && !http_over_unix(r)) {
        api_answer_error(r, 403, "this is for the control socket only");
    } else if (route->method != plain_method(r)) {
        http_header(r, "Allow", route->method == HTTP_GET ? "GET, HEAD" : "POST");
        api_answer_error(r, 405, "this path takes %s only",
                         route->method == HTTP_GET ? "GET and HEAD" : "POST");
    } else {
        route->run(arg, r);
    }
}

/* --- life --- */

enum err api_reload(struct api *a, char *error, size_t size)
{
    enum err e;

    error[0] = '\0';
    e = a->hooks.reload(a->hooks.arg, error, size);
    a->reload.at_s = (int64_t)(loop_wall_us(node_loop(a->node)) / 1000000);
    a->reload.ok = e == OK;
    snprintf(a->reload.error, sizeof(a->reload.error), "%s", e ? error : "");
    return e;
}

static bool listen_all(struct api *a, char *error, size_t size)
{
    const struct conf_listen *l = &node_conf(a->node)->listen;

    if (l->http.count && http_listen(a->http, &l->http.list[0],
                                     node_take_given(a->node, &l->http.list[0]), error, size))
        return false;
    return !l->control[0] || http_listen_unix(a->http, l->control, error, size) == OK;
}

struct api *api_start(struct node *n, const struct api_hooks *hooks, char *error, size_t size)
{
    struct api *a = MEM_NEW(struct api);
    struct http_options o = {.loop = node_loop(n), .handle = handle, .arg = a};

    json_object_seed(0); /* before the first worker makes an object */
    a->node = n;
    a->hooks = *hooks;
    inquiries_open(a);
    if (http_new(&o, &a->http)) {
        snprintf(error, size,
                 "listen.http: no descriptors are left; raise the limit of open files");
        inquiries_close(a);
        mem_free(a);
        return NULL;
    }
    if (listen_all(a, error, size))
        return a;
    api_stop(a);
    return NULL;
}

void api_stop(struct api *a)
{
    inquiries_close(a);
    http_free(a->http);
    mem_free(a);
}
