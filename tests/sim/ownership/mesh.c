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
    bool can_claim, taken;
    uint64_t buried; /* PONG: this incarnation of yours left the list */
    int pair;
    char witness[64];
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

/* Pairs that this node would take without the table. */
static uint32_t asks_about(const struct world *w, const struct node *n)
{
    uint32_t pairs = (n->wanted | n->asked) & ~n->owned & ~n->provisional;

    for (int i = 0; i < w->pair_count; i++)
        if (!slice_is(lease_choice(&n->lease, slice_from(pair_key(i))), n->name))
            pairs &= ~(1u << i);
    return pairs;
}

void mesh_ping_all(struct world *w, struct node *n)
{
    struct lease_ping ping;
    uint32_t pairs = asks_about(w, n);

    lease_ask(&n->lease, w->now_ms, &ping);
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

void mesh_offer(struct world *w, struct node *n, int to, int pair, const char *witness)
{
    struct message *m = message_new(w, n, OFFER);

    m->pair = pair;
    snprintf(m->witness, sizeof(m->witness), "%s", witness);
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
    answer->pairs = m->pairs & ~n->owned & ~n->provisional;
    answer->can_claim = lease_may_claim(&n->lease, w->now_ms) && n->connected && !n->leaving;
    answer->buried = lease_saw_leave(&n->lease, from) ? m->incarnation : 0;
    send(w, m->from, answer);
}

static void hear_pong(struct world *w, struct node *n, const struct message *m)
{
    struct lease_id from = {slice_from(m->name), m->incarnation};
    const struct lease_peer *p = lease_peer_find(&n->lease, from);
    uint64_t promised_ms = p ? p->promised_ms : 0;

    lease_hear_pong(&n->lease, from, &m->pong, w->now_ms);
    p = lease_peer_find(&n->lease, from);
    n->heard[m->from].at_ms = w->now_ms;
    n->heard[m->from].can_claim = m->can_claim;
    if (p->promised_ms != promised_ms) {
        n->heard[m->from].incarnation = m->incarnation;
        n->heard[m->from].not_mine = m->pairs;
    }
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
        pairs_offered(w, n, m->from, m->pair, m->witness);
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
