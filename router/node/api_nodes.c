/* router/node/api_nodes.c - the nodes: what each says of itself, and what this one sees of it. */
#include "inquiry.h"

#include "node/rowtext.h"

struct sheet {
    struct inquiry *q;
    struct byteq rows;
    const struct members_row *member; /* the one that is written */
    struct survey_part said;          /* by it */
};

static void find_part(void *arg, const struct survey_part *part)
{
    struct sheet *s = arg;

    if (slice_eq(part->node, s->member->node))
        s->said = *part;
}

/* Its own row, or one that has its name only. */
static json_t *own_row(const struct sheet *s)
{
    json_t *list = inquiry_parse(s->said.rows);
    json_t *row = json_array_get(list, 0);

    if (json_is_object(row)) {
        json_incref(row);
    } else {
        row = json_object();
        json_put_slice(row, "node", s->member->node);
    }
    json_decref(list);
    return row;
}

static json_t *differences(const struct members_row *m)
{
    json_t *list = json_array();

    if (m->dialback_differs)
        json_array_append_new(list, json_string("dialback"));
    if (m->components_differ)
        json_array_append_new(list, json_string("components"));
    if (m->peers_differ)
        json_array_append_new(list, json_string("peers"));
    return list;
}

static void put_other(json_t *row, const struct members_row *m)
{
    json_put_text(row, "mesh", m->up ? "up" : "down");
    json_put_count(row, "mesh_ms", m->up_ms);
    json_put_count(row, "unheard_ms", m->silent_ms);
    json_put_flag(row, "acknowledged", m->acknowledged);
    json_put_flag(row, "promises", m->promises);
    json_put_flag(row, "left", m->left);
    json_put_flag(row, "config_differs",
                  m->dialback_differs || m->components_differ || m->peers_differ);
    json_put(row, "differs", differences(m));
}

static void put_member(void *arg, const struct members_row *m)
{
    struct sheet *s = arg;
    json_t *row;

    s->member = m;
    s->said = (struct survey_part){.node = m->node};
    inquiry_walk(s->q, find_part, s);
    if (!m->self && !s->q->survey)
        return; /* asked for this node alone */
    row = own_row(s);
    json_put_count(row, "incarnation", m->incarnation);
    json_put_slice(row, "address", m->address.len ? m->address : slice_none());
    json_put_flag(row, "member", m->listed);
    if (m->self)
        json_put(row, "mesh", json_null());
    else
        put_other(row, m);
    if (s->said.error)
        json_put_text(row, "error", s->said.error);
    rowtext_border(&s->rows);
    json_write(row, &s->rows);
}

void api_answer_nodes(struct inquiry *q, struct http_request *r)
{
    struct sheet s = {.q = q};

    byteq_init(&s.rows);
    members_walk(node_members(q->api->node), put_member, &s);
    inquiry_answer_body(r, &s.rows, 0);
}
