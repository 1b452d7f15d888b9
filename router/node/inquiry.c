#include "inquiry.h"

#include "node/parcel.h"
#include "node/rowtext.h"

#include <stdio.h>

static const struct inquiry_kind *const kinds[] = {
    &inquiry_links,  &inquiry_link,  &inquiry_pairs, &inquiry_components, &inquiry_queues,
    &inquiry_status, &inquiry_nodes, &inquiry_close, &inquiry_close_link, &inquiry_hears,
};

static struct members *members_of(struct api *a)
{
    return node_members(a->node);
}

static const char *own_name(struct api *a)
{
    return node_conf(a->node)->node.name;
}

/* --- rows --- */

static void append(struct byteq *to, struct slice rows)
{
    if (rows.len)
        rowtext_border(to);
    byteq_append(to, rows);
}

void inquiry_put(struct inquiry *q, struct slice rows)
{
    append(&q->rows, rows);
}

void inquiry_put_row(struct inquiry *q, json_t *row)
{
    rowtext_border(&q->rows);
    json_write(row, &q->rows);
}

json_t *inquiry_parse(struct slice rows)
{
    struct byteq text;
    json_t *list;

    byteq_init(&text);
    byteq_append(&text, SLICE("["));
    byteq_append(&text, rows);
    byteq_append(&text, SLICE("]"));
    list = json_loadb(byteq_slice(&text).ptr, byteq_len(&text), 0, NULL);
    byteq_fini(&text);
    return list ? list : json_array();
}

void inquiry_walk(const struct inquiry *q, survey_part_fn *fn, void *arg)
{
    struct survey_part ours = {slice_from(own_name(q->api)), byteq_slice(&q->rows),
                               q->left_out_count, NULL};

    if (q->told)
        fn(arg, &ours);
    if (q->survey)
        survey_walk(q->survey, fn, arg);
}

/* --- the answer to a request --- */

void inquiry_answer_body(struct http_request *r, struct byteq *rows, size_t left_out_count)
{
    struct byteq body;
    char number[24];

    byteq_init(&body);
    byteq_append(&body, SLICE("["));
    byteq_append(&body, byteq_slice(rows));
    byteq_append(&body, SLICE("]\n"));
    byteq_fini(rows);
    snprintf(number, sizeof(number), "%zu", left_out_count);
    http_header(r, "Fedrouter-Left-Out", number);
    http_answer(r, 200, API_JSON, &body);
}

struct joined {
    struct byteq rows;
    size_t left_out_count;
};

static void join_part(void *arg, const struct survey_part *part)
{
    struct joined *j = arg;
    struct rowtext row;

    j->left_out_count += part->left_out_count;
    append(&j->rows, part->rows);
    if (!part->error)
        return;
    rowtext_border(&j->rows);
    rowtext_begin(&row, &j->rows);
    rowtext_slice(&row, "node", part->node);
    rowtext_text(&row, "error", part->error);
    rowtext_end(&row);
}

void inquiry_answer_rows(struct inquiry *q, struct http_request *r)
{
    struct joined j = {.left_out_count = 0};

    byteq_init(&j.rows);
    inquiry_walk(q, join_part, &j);
    inquiry_answer_body(r, &j.rows, j.left_out_count);
}

static void answer_request(struct inquiry *q)
{
    if (!q->api || !http_wanted(q->request))
        http_answer(q->request, 503, "text/plain; charset=utf-8", NULL);
    else if (q->kind->answer)
        q->kind->answer(q, q->request);
    else
        inquiry_answer_rows(q, q->request);
}

/* --- the answer to a node --- */

static void send_part(struct api *a, const char *node, uint64_t number, bool more,
                      struct slice body)
{
    members_answer(members_of(a), slice_from(node), &(struct frame_answer){number, more, body});
}

static void send_slip(struct api *a, const char *node, uint64_t number,
                      const struct parcel_slip *slip)
{
    struct byteq text;

    byteq_init(&text);
    parcel_write_slip(slip, &text);
    send_part(a, node, number, false, byteq_slice(&text));
    byteq_fini(&text);
}

static void answer_node(struct inquiry *q)
{
    struct slice rows = byteq_slice(&q->rows), parcel;
    struct parcel_slip slip = {.parcel_count = 0};
    size_t left_out = q->left_out_count;
    size_t sent = 0;

    while ((parcel = parcel_cut(&rows, &left_out)).len) {
        if (sent + parcel.len > SURVEY_NODE_BYTES_MAX) {
            left_out += parcel_count(parcel);
            continue;
        }
        send_part(q->api, q->asker, q->number, true, parcel);
        sent += parcel.len;
        slip.parcel_count++;
    }
    slip.left_out_count = left_out;
    send_slip(q->api, q->asker, q->number, &slip);
}

/* --- life --- */

static struct inquiry *inquiry_new(struct api *a, const struct inquiry_kind *kind,
                                   const char *argument)
{
    struct inquiry *q = MEM_NEW(struct inquiry);

    q->api = a;
    q->kind = kind;
    snprintf(q->argument, sizeof(q->argument), "%s", argument);
    byteq_init(&q->rows);
    list_push(&a->inquiries, &q->node);
    return q;
}

static void inquiry_free(struct inquiry *q)
{
    if (q->survey)
        survey_free(q->survey);
    list_remove(&q->node);
    byteq_fini(&q->rows);
    mem_free(q);
}

static void hear_one(struct inquiry *q)
{
    if (--q->awaited_count)
        return;
    if (q->request)
        answer_request(q);
    else if (q->api)
        answer_node(q);
    inquiry_free(q);
}

void inquiry_told(struct inquiry *q)
{
    q->told = true;
    hear_one(q);
}

static void on_surveyed(void *arg)
{
    hear_one(arg);
}

/* --- whom to ask --- */

struct circle {
    struct slice nodes[STORE_MEMBERS_MAX];
    size_t count;
    const char *at;  /* only that one, */
    const char *but; /* not that one; NULL: no matter */
};

static void add_node(void *arg, const struct members_row *row)
{
    struct circle *c = arg;

    if (row->self || !(row->listed || row->up) || c->count == COUNT(c->nodes) ||
        (c->at && !slice_is(row->node, c->at)) || (c->but && slice_is(row->node, c->but)))
        return;
    c->nodes[c->count++] = row->node;
}

/* False: there are too many questions already. */
static bool ask_others(struct inquiry *q, const char *at)
{
    struct circle c = {.at = at, .but = q->kind->argument == INQUIRY_NODE ? q->argument : NULL};
    struct survey_options o = {.command = q->kind->word,
                               .argument = q->argument,
                               .nodes = c.nodes,
                               .done = on_surveyed,
                               .arg = q};

    members_walk(members_of(q->api), add_node, &c);
    o.node_count = c.count;
    if (!c.count)
        return true;
    q->survey = survey_begin(q->api->surveys, &o);
    q->awaited_count += q->survey != NULL;
    return q->survey != NULL;
}

void inquiry_begin(struct api *a, struct http_request *r, const struct inquiry_kind *kind,
                   const char *argument, const char *at)
{
    struct inquiry *q = inquiry_new(a, kind, argument);
    bool ours = !at || strcmp(at, own_name(a)) == 0;

    q->request = r;
    q->awaited_count = ours;
    if ((!at || !ours) && !ask_others(q, at)) {
        inquiry_free(q);
        api_answer_error(r, 503,
                         "too many questions are under way to the other nodes; ask again, "
                         "or this node alone (--local)");
    } else if (ours) {
        kind->tell(q);
    } else if (!q->survey) {
        inquiry_free(q);
        api_answer_error(r, 404, "there is no node %.64s", at);
    }
}

const char *inquiry_scope(struct api *a, const struct http_request *r)
{
    const char *local = http_query(r, "local");

    return local && strcmp(local, "1") == 0 ? own_name(a) : NULL;
}

/* --- other nodes ask --- */

static const struct inquiry_kind *find_kind(struct slice word)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (slice_is(word, kinds[i]->word))
            return kinds[i];
    return NULL;
}

/* Ours was in normal form when it left. */
static bool is_domain(struct slice text)
{
    struct domain domain;

    return domain_parse(text, &domain) == OK && slice_eq(domain_slice(&domain), text);
}

static bool is_sound(enum inquiry_argument kind, struct slice text)
{
    uint64_t number;

    switch (kind) {
    case INQUIRY_NOTHING:
        return text.len == 0;
    case INQUIRY_ANY_DOMAIN:
        return text.len == 0 || is_domain(text);
    case INQUIRY_DOMAIN:
        return is_domain(text);
    case INQUIRY_LINK:
        return slice_to_u64(text, UINT64_MAX, &number) && number;
    case INQUIRY_NODE:
        return text.len > 0 && text.len <= FRAME_NAME_MAX;
    }
    return false;
}

static bool too_many(const struct api *a, struct slice node)
{
    size_t all = 0;
    size_t its = 0;

    LIST_WALK(at, &a->inquiries)
    {
        const struct inquiry *q = LIST_ENTRY(at, struct inquiry, node);

        all += !q->request;
        its += !q->request && slice_is(node, q->asker);
    }
    return all >= INQUIRIES_OF_NODES_MAX || its >= INQUIRIES_OF_NODE_MAX;
}

static void on_asked(void *arg, struct slice node, const struct frame_ask *f)
{
    const struct inquiry_kind *kind = find_kind(f->command);
    struct parcel_slip slip = {.parcel_count = 0};
    char asker[FRAME_NAME_MAX + 1];
    char argument[FRAME_TEXT_MAX + 1];
    struct api *a = arg;
    struct inquiry *q;

    slice_to_cstr(node, asker, sizeof(asker));
    if (!kind || !slice_to_cstr(f->argument, argument, sizeof(argument)) ||
        !is_sound(kind->argument, f->argument))
        snprintf(slip.error, sizeof(slip.error), "version %s does not know that question",
                 FEDROUTER_VERSION);
    else if (too_many(a, node))
        snprintf(slip.error, sizeof(slip.error), "it has too many questions to answer already");
    if (slip.error[0]) {
        send_slip(a, asker, f->number, &slip);
        return;
    }
    q = inquiry_new(a, kind, argument);
    memcpy(q->asker, asker, sizeof(asker));
    q->number = f->number;
    q->awaited_count = 1;
    kind->tell(q);
}

static void on_answered(void *arg, struct slice node, const struct frame_answer *f)
{
    surveys_hear(((struct api *)arg)->surveys, node, f);
}

static void on_lost(void *arg, struct slice node)
{
    surveys_lose(((struct api *)arg)->surveys, node);
}

static const struct members_ears ears = {on_asked, on_answered, on_lost};

static bool on_ask(void *arg, struct slice node, const struct frame_ask *f)
{
    return members_ask(members_of(arg), node, f);
}

/* --- the API begins and ends --- */

void inquiries_open(struct api *a)
{
    struct surveys_options o = {.loop = node_loop(a->node), .ask = on_ask, .arg = a};

    list_init(&a->inquiries);
    a->surveys = surveys_new(&o);
    members_listen(members_of(a), &ears, a);
}

/* Those that wait for workers go when they have answered. */
void inquiries_close(struct api *a)
{
    members_listen(members_of(a), NULL, NULL);
    LIST_WALK(node, &a->inquiries)
    {
        struct inquiry *q = LIST_ENTRY(node, struct inquiry, node);
        bool pending = q->survey && !survey_is_done(q->survey);

        if (q->survey)
            survey_free(q->survey);
        q->survey = NULL;
        q->api = NULL;
        list_remove(&q->node);
        if (pending)
            hear_one(q);
    }
    surveys_free(a->surveys);
}
