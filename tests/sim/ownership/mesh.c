/* What nodes say to each other. A message may be late, or lost, in any order. */
#include "sim/ownership/world.h"

#include <stdio.h>

enum message_kind { PING, PONG, DATA, OFFER, ANSWER, BYE, FORGOTTEN };

struct message {
    enum message_kind kind;
    int from;
    uint64_t process; /* of the sender */
    char name[8];
    uint64_t incarnation;
    uint64_t until_ms; /* the connection it is on closes then */
    struct lease_ping ping;
    struct lease_pong pong;
    uint32_t pairs; /* PING: asked about; PONG: not mine */
    bool can_claim, draining, taken;
    uint64_t buried; /* PONG: this incarnation of yours left the list */
    int pair;
    uint64_t token; /* OFFER */
    struct {
        char name[8];
        uint64_t incarnation;
    } named[SLOTS_MAX * 2];
    size_t named_count;
};

static struct message *message_new(struct world *w, struct node *n, enum message_kind kind)
{
    struct message *m = mem_alloc(sizeof(*m));

    m->kind = kind;
    m->from = n->slot;
    m->process = n->process;
    strcpy(m->name, n->name);
    m->incarnation = n->lease.incarnation;
    m->until_ms = w->now_ms + 1000 + world_below(w, 8000);
    m->pairs = 0;
    m->buried = 0;
    m->named_count = 0;
    return m;
}

static void send(struct world *w, int to, struct message *m)
{
    if (!w->nodes[to].up || to == m->from) {
        mem_free(m);
        return;
    }
    world_post(w, w->now_ms + 1 + world_below(w, w->delays.mesh_ms),
               (struct event){.kind = EVENT_MESH, .slot = to, .message = m});
}

static uint32_t ask_about(struct world *w, struct node *n, uint64_t round)
{
    struct slice keys[PAIRS_MAX];
    size_t count = owners_ask(&n->owners, round, w->now_ms, keys, PAIRS_MAX);
    uint32_t pairs = 0;

    for (size_t i = 0; i < count; i++)
        pairs |= 1u << pair_of(keys[i]);
    n->ping_rounds[round % LEASE_ASK_MAX] = round;
    n->ping_pairs[round % LEASE_ASK_MAX] = pairs;
    return pairs;
}

void mesh_ping_all(struct world *w, struct node *n)
{
    struct lease_ping ping;
    uint32_t pairs;

    lease_ask(&n->lease, w->now_ms, &ping);
    pairs = ask_about(w, n, ping.number);
    for (int i = 0; i < w->slot_count; i++) {
        struct message *m;

        if (!w->nodes[i].up || i == n->slot)
            continue;
        m = message_new(w, n, PING);
        m->ping = ping;
        m->pairs = pairs;
        send(w, i, m);
    }
}

void mesh_data(struct world *w, struct node *n, int to, int pair)
{
    struct message *m = message_new(w, n, DATA);

    m->pair = pair;
    send(w, to, m);
}

void mesh_offer(struct world *w, struct node *n, int to, int pair, uint64_t token)
{
    struct message *m = message_new(w, n, OFFER);

    m->pair = pair;
    m->token = token;
    send(w, to, m);
}

void mesh_answer(struct world *w, struct node *n, int to, int pair, bool taken)
{
    struct message *m = message_new(w, n, ANSWER);

    m->pair = pair;
    m->taken = taken;
    send(w, to, m);
}

static void name_those_held_for(const struct lease *l, struct message *m)
{
    for (size_t i = 0; i < l->peer_count && m->named_count < SLOTS_MAX * 2; i++) {
        const struct lease_peer *p = &l->peers[i];

        if (!lease_holds_for(l, p))
            continue;
        snprintf(m->named[m->named_count].name, sizeof(m->named[0].name), "%.7s", p->name);
        m->named[m->named_count++].incarnation = p->incarnation;
    }
}

void mesh_bye(struct world *w, struct node *n)
{
    for (int i = 0; i < w->slot_count; i++) {
        struct message *m = message_new(w, n, BYE);

        name_those_held_for(&n->lease, m);
        send(w, i, m);
    }
}

/* The operator's word reaches one node, which tells the others. */
void mesh_forget(struct world *w, struct node *n, struct lease_id id)
{
    for (int i = 0; i < w->slot_count; i++) {
        struct message *m = message_new(w, n, FORGOTTEN);

        slice_to_cstr(id.name, m->named[0].name, sizeof(m->named[0].name));
        m->named[0].incarnation = id.incarnation;
        send(w, i, m);
    }
    if (!lease_forget(&n->lease, id, w->now_ms))
        world_say(w, "%s refuses to forget", n->name);
}

/* --- arriving --- */

static void hear_ping(struct world *w, struct node *n, const struct message *m)
{
    struct message *answer = message_new(w, n, PONG);
    struct lease_id from = {slice_from(m->name), m->incarnation};

    lease_answer_ping(&n->lease, slice_from(m->name), &m->ping, w->now_ms, &answer->pong);
    for (int i = 0; i < w->pair_count; i++)
        if (!owners_has(&n->owners, slice_from(pair_key(i))))
            answer->pairs |= m->pairs & 1u << i;
    answer->can_claim = owners_can_claim(&n->owners, w->now_ms);
    answer->draining = n->lease.draining;
    answer->buried = lease_saw_leave(&n->lease, from) ? m->incarnation : 0;
    send(w, m->from, answer);
}

static size_t find_mine(const struct world *w, const struct node *n, const struct message *m,
                        struct slice *mine)
{
    size_t at = m->pong.number % LEASE_ASK_MAX;
    uint32_t asked = n->ping_rounds[at] == m->pong.number ? n->ping_pairs[at] : 0;
    size_t count = 0;

    for (int i = 0; i < w->pair_count; i++)
        if ((asked & ~m->pairs) >> i & 1)
            mine[count++] = slice_from(pair_key(i));
    return count;
}

static void hear_pong(struct world *w, struct node *n, const struct message *m)
{
    struct lease_id from = {slice_from(m->name), m->incarnation};
    struct slice mine[PAIRS_MAX];
    struct owners_pong said = {
        .round = m->pong.number,
        .can_claim = m->can_claim,
        .draining = m->draining,
        .promise = m->pong.promise && m->pong.same && m->pong.incarnation == n->lease.incarnation,
        .mine = mine,
        .mine_count = find_mine(w, n, m, mine),
    };

    if (LEFT_OUT(nosame))
        said.promise = m->pong.promise && m->pong.incarnation == n->lease.incarnation;
    lease_hear_pong(&n->lease, from, &m->pong, w->now_ms);
    owners_hear_pong(&n->owners, from, &said, w->now_ms);
    if (m->buried)
        lease_hear_buried(&n->lease, m->buried);
}

static void hear_bye(struct world *w, struct node *n, const struct message *m)
{
    struct lease_id from = {slice_from(m->name), m->incarnation};
    bool holds = false;

    for (size_t i = 0; i < m->named_count; i++)
        holds |= m->named[i].incarnation == n->lease.incarnation &&
                 strcmp(m->named[i].name, n->name) == 0;
    world_say(w, "%s hears the BYE of %s%s", n->name, m->name, holds ? "" : ", not for it");
    lease_hear_bye(&n->lease, from, holds, w->now_ms);
}

static void hear_forgotten(struct world *w, struct node *n, const struct message *m)
{
    struct lease_id id = {slice_from(m->named[0].name), m->named[0].incarnation};

    lease_forget(&n->lease, id, w->now_ms);
}

static void hear(struct world *w, struct node *n, const struct message *m)
{
    switch (m->kind) {
    case PING:
        hear_ping(w, n, m);
        return;
    case PONG:
        hear_pong(w, n, m);
        return;
    case DATA:
        n->asked |= 1u << m->pair;
        n->asked_ms[m->pair] = w->now_ms;
        return;
    case OFFER:
        pairs_offered(w, n, &(struct owner_ref){slice_from(m->name), m->incarnation, m->token},
                      m->from, m->pair);
        return;
    case ANSWER:
        pairs_answered(w, n, m->from, m->pair, m->taken);
        return;
    case BYE:
        hear_bye(w, n, m);
        return;
    case FORGOTTEN:
        hear_forgotten(w, n, m);
        return;
    }
}

void mesh_arrive(struct world *w, struct event *e)
{
    struct node *n = &w->nodes[e->slot];
    struct message *m = e->message;

    if (w->cut[m->from][e->slot]) { /* it waits for the way to be free, or its connection's end */
        if (w->now_ms < m->until_ms)
            world_put_off(w, *e, w->now_ms + 200 + world_below(w, 300));
        else
            mem_free(m);
        return;
    }
    node_before(w, n);
    w->mesh_heard_ms[e->slot][m->from] = w->now_ms;
    w->mesh_heard_process[e->slot][m->from] = m->process;
    if (!n->bye_sent) {
        hear(w, n, m);
        if (m->kind != BYE && m->kind != PING)
            lease_heard(&n->lease, (struct lease_id){slice_from(m->name), m->incarnation},
                        w->now_ms);
        node_work(w, n);
    }
    mem_free(m);
}
