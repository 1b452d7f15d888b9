/* router/node/control_all.c - what an operator does to all nodes at once: close, forget. */
#include "inquiry.h"

#include <stdio.h>

static struct log *log_of(struct api *a)
{
    return loop_log(node_loop(a->node));
}

/* --- close: on this node --- */

struct closing {
    uint64_t id; /* 0: by domain */
    char domain[DOMAIN_BYTES_MAX + 1];
};

static void *part_close(struct site *s, const void *arg)
{
    const struct closing *c = arg;
    size_t *closed_count = MEM_NEW(size_t);

    *closed_count = site_close(s, c->id, slice_from(c->domain));
    return closed_count;
}

static void on_closed(void *arg, void **parts, unsigned count)
{
    struct inquiry *q = arg;
    size_t sum = 0;

    for (unsigned i = 0; i < count; i++) {
        sum += *(size_t *)parts[i];
        mem_free(parts[i]);
    }
    if (q->api) {
        json_t *row = api_row(q->api);

        json_put_count(row, "closed", sum);
        inquiry_put_row(q, row);
    }
    inquiry_told(q);
}

static void tell_close(struct inquiry *q)
{
    struct closing c = {.id = 0};

    LOG(log_of(q->api), LOG_INFO, "control.close", LOG_TEXT("what", q->argument),
        LOG_TEXT("by", q->request ? "operator" : q->asker));
    if (q->kind->argument == INQUIRY_LINK)
        slice_to_u64(slice_from(q->argument), UINT64_MAX, &c.id);
    else
        slice_to_cstr(slice_from(q->argument), c.domain, sizeof(c.domain));
    workers_gather(node_workers(q->api->node), part_close, &c, sizeof(c), on_closed, q);
}

/* --- close: everywhere --- */

/* Of all nodes together. */
struct sum {
    uint64_t count;    /* links closed, or found; nodes that hear one */
    char names[256];   /* of the nodes that have any */
    size_t node_count; /* ... and how many they are */
    char silent[256];  /* of those that did not answer */
};

static void add_name(char *names, size_t size, struct slice name)
{
    size_t at = strlen(names);

    snprintf(names + at, size - at, "%s%.*s", at ? ", " : "", SLICE_ARGS(name));
}

static void add_silent(struct sum *t, const struct survey_part *part)
{
    if (part->error)
        add_name(t->silent, sizeof(t->silent), part->node);
}

static void tally_closed(void *arg, const struct survey_part *part)
{
    json_t *list = inquiry_parse(part->rows);
    struct sum *t = arg;

    for (size_t i = 0; i < json_array_size(list); i++)
        t->count +=
            (uint64_t)json_integer_value(json_object_get(json_array_get(list, i), "closed"));
    json_decref(list);
    add_silent(t, part);
}

static void answer_none(struct http_request *r, const struct sum *t)
{
    api_answer_error(r, 404, "there is no such link%s%s%s", t->silent[0] ? "; not asked: " : "",
                     t->silent, t->silent[0] ? ", which did not answer" : "");
}

static void answer_closed(struct inquiry *q, struct http_request *r)
{
    struct sum t = {.count = 0};

    inquiry_walk(q, tally_closed, &t);
    if (t.count)
        inquiry_answer_rows(q, r);
    else
        answer_none(r, &t);
}

const struct inquiry_kind inquiry_close = {"close", INQUIRY_DOMAIN, tell_close, answer_closed};
const struct inquiry_kind inquiry_close_link = {"close-link", INQUIRY_LINK, tell_close,
                                                answer_closed};

/* --- close: which link is meant --- */

static void tally_found(void *arg, const struct survey_part *part)
{
    struct sum *t = arg;

    add_silent(t, part);
    if (!part->rows.len)
        return;
    add_name(t->names, sizeof(t->names), part->node);
    t->node_count++;
}

/* Numbers are each node's own. */
void control_close_found(struct inquiry *q, struct http_request *r)
{
    struct sum t = {.count = 0};

    inquiry_walk(q, tally_found, &t);
    if (t.node_count == 1)
        inquiry_begin(q->api, r, &inquiry_close_link, q->argument, t.names);
    else if (t.node_count)
        api_answer_error(r, 409, "there is a link %s on %s; say which: NODE/%s", q->argument,
                         t.names, q->argument);
    else
        answer_none(r, &t);
}

static bool is_clustered(struct api *a)
{
    return members_clustered(node_members(a->node));
}

static void close_link(struct api *a, struct http_request *r, const char *link)
{
    const char *at = http_query(r, "node");
    uint64_t id;

    if (!slice_to_u64(slice_from(link), UINT64_MAX, &id) || !id) {
        api_answer_error(r, 400, "\"%.40s\" is not the number of a link", link);
        return;
    }
    if (!at)
        at = inquiry_scope(a, r);
    if (at || !is_clustered(a))
        inquiry_begin(a, r, &inquiry_close_link, link, at);
    else
        inquiry_begin(a, r, &inquiry_link, link, NULL);
}

void control_close(struct api *a, struct http_request *r)
{
    const char *link = http_query(r, "link");
    const char *text = http_query(r, "domain");
    char argument[DOMAIN_BYTES_MAX + 1];
    struct domain domain;

    if (!link == !text) {
        api_answer_error(r, 400, "either link=NUMBER or domain=DOMAIN says what to close");
    } else if (link) {
        close_link(a, r, link);
    } else if (api_domain(r, text, &domain)) {
        slice_to_cstr(domain_slice(&domain), argument, sizeof(argument));
        inquiry_begin(a, r, &inquiry_close, argument, inquiry_scope(a, r));
    }
}

/* --- forget: who hears it --- */

static void tell_hears(struct inquiry *q)
{
    json_t *row = api_row(q->api);
    uint64_t silent_ms = 0;
    bool hears = members_hears(node_members(q->api->node), slice_from(q->argument), &silent_ms);

    json_put_flag(row, "hears", hears);
    json_put_count(row, "silent_ms", silent_ms);
    inquiry_put_row(q, row);
    inquiry_told(q);
}

static void tally_hears(void *arg, const struct survey_part *part)
{
    json_t *list = inquiry_parse(part->rows);
    struct sum *t = arg;

    if (json_is_true(json_object_get(json_array_get(list, 0), "hears"))) {
        add_name(t->names, sizeof(t->names), part->node);
        t->node_count++;
    }
    json_decref(list);
}

/* --- forget: it is done --- */

static void put_silent(void *arg, const struct survey_part *part)
{
    json_t *list = arg, *row;

    if (!part->error)
        return;
    row = json_object();
    json_put_slice(row, "node", part->node);
    json_put_text(row, "error", part->error);
    json_array_append_new(list, row);
}

static void answer_forgotten(struct inquiry *q, struct http_request *r)
{
    struct members *m = node_members(q->api->node);
    json_t *list = json_array(), *row = api_row(q->api);
    struct byteq body;
    size_t told;

    json_put_text(row, "forgotten", q->argument);
    json_put_count(row, "incarnation", members_forget(m, slice_from(q->argument), &told));
    json_put_count(row, "told", told);
    json_array_append_new(list, row);
    inquiry_walk(q, put_silent, list);
    byteq_init(&body);
    json_write(list, &body);
    byteq_append(&body, SLICE("\n"));
    http_answer(r, 200, API_JSON, &body);
}

/* "refused while it answers": to any of us. */
static void answer_hears(struct inquiry *q, struct http_request *r)
{
    struct sum t = {.count = 0};
    char why[256];

    inquiry_walk(q, tally_hears, &t);
    if (!members_may_forget(node_members(q->api->node), slice_from(q->argument), why, sizeof(why)))
        api_answer_error(r, 409, "%s", why);
    else if (t.node_count)
        api_answer_error(r, 409, "%s answers: %s %s it", q->argument, t.names,
                         t.node_count == 1 ? "hears" : "hear");
    else
        answer_forgotten(q, r);
}

const struct inquiry_kind inquiry_hears = {"hears", INQUIRY_NODE, tell_hears, answer_hears};

void control_forget(struct api *a, struct http_request *r)
{
    const char *name = http_query(r, "node");
    char why[256];

    if (!name || !name[0] || strlen(name) > FRAME_NAME_MAX) {
        api_answer_error(r, 400, "node=NODE says whom to forget");
        return;
    }
    LOG(log_of(a), LOG_INFO, "control.forget", LOG_TEXT("member", name));
    if (members_may_forget(node_members(a->node), slice_from(name), why, sizeof(why)))
        inquiry_begin(a, r, &inquiry_hears, name, NULL);
    else
        api_answer_error(r, 409, "%s", why);
}
