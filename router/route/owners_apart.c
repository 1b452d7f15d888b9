/* The ways of a pair that this node cannot claim: to who can, or to the choice of all. */
#include "route/owners_inner.h"

#include "route/rendezvous.h"

static struct owners_peer *peer_find(const struct owners *o, const char *name, uint64_t incarnation)
{
    for (size_t i = 0; i < o->peer_count; i++)
        if (o->peers[i].incarnation == incarnation && strcmp(o->peers[i].name, name) == 0)
            return &o->peers[i];
    return NULL;
}

static const struct owners_peer *peer_fresh(const struct owners *o, const struct lease_peer *p,
                                            uint64_t now_ms)
{
    const struct owners_peer *peer = peer_find(o, p->name, p->incarnation);

    return peer && now_ms - peer->heard_ms <= OWNERS_FRESH_MS ? peer : NULL;
}

bool owners_all_drain(const struct owners *o)
{
    size_t pos = 0;
    const struct lease_peer *p;

    while ((p = lease_next_member(o->lease, &pos))) {
        const struct owners_peer *peer = peer_find(o, p->name, p->incarnation);

        if (!peer || !peer->draining)
            return false;
    }
    return true;
}

bool owners_drains(const struct owners *o, struct slice node)
{
    for (size_t i = 0; i < o->peer_count; i++)
        if (slice_is(node, o->peers[i].name))
            return o->peers[i].draining;
    return false;
}

/* The first of the pair's order who can claim it, or NULL. */
static const struct lease_peer *find_claimer(const struct owners *o, struct slice key,
                                             uint64_t now_ms)
{
    const struct lease_peer *p, *found = NULL;
    struct rendezvous order;
    size_t pos = 0;

    rendezvous_begin(&order, key);
    while ((p = lease_next_member(o->lease, &pos))) {
        const struct owners_peer *peer = peer_fresh(o, p, now_ms);

        if (peer && peer->can_claim && rendezvous_name_leads(&order, slice_from(p->name)))
            found = p;
    }
    return found;
}

static bool promised_in(const struct owners *o, const struct lease_peer *p, uint64_t round)
{
    const struct owners_peer *peer = peer_find(o, p->name, p->incarnation);

    for (size_t i = 0; peer && i < LEASE_ASK_MAX; i++)
        if (peer->rounds[i] == round)
            return true;
    return false;
}

/* All whose promise counts said in one round that they do not own it. */
static bool all_disown(const struct owners *o, const struct owner_row *r)
{
    const struct lease_peer *p;
    size_t pos = 0;

    while ((p = lease_next_needed(o->lease, &pos)) && !OWNERS_LEFT_OUT(noask))
        if (!r->asked_round || r->mine_round == r->asked_round ||
            !promised_in(o, p, r->asked_round))
            return false;
    return true;
}

/* Clause 6 begins where the right by renewal has ended. */
static bool tableless(const struct owners *o, uint64_t now_ms)
{
    return now_ms >= o->lease->right_ms;
}

static bool is_choice(const struct owners *o, const struct owner_row *r)
{
    return slice_is(lease_choice(o->lease, owner_key(r)), o->lease->name);
}

/* Nobody can claim: the pair goes to the choice of all. */
static void find_choice(struct owners *o, struct owner_row *r, uint64_t now_ms)
{
    struct owner_ref choice = {lease_choice(o->lease, owner_key(r)), 0, 0};

    if (!choice.node.len)
        return;
    if (!slice_is(choice.node, o->lease->name))
        owners_answer_elsewhere(o, r, &choice);
    else if (lease_may_provisional(o->lease, owner_key(r), now_ms) && all_disown(o, r)) {
        list_remove(&r->queue);
        owners_grant(o, r, 0, true);
    }
}

static void find_other_way(struct owners *o, struct owner_row *r, uint64_t now_ms)
{
    const struct lease_peer *p;

    owners_refuse_taking(o, r);
    if (!r->wanted) {
        owners_row_free(o, r);
        return;
    }
    p = r->routed ? NULL : find_claimer(o, owner_key(r), now_ms);
    if (p) {
        struct owner_ref claimer = {slice_from(p->name), p->incarnation, 0};

        owners_answer_elsewhere(o, r, &claimer);
    } else if (tableless(o, now_ms) && (!r->routed || is_choice(o, r))) {
        find_choice(o, r, now_ms);
    } else if (r->routed) { /* one hop only: its ingress has to find another way */
        owners_answer_elsewhere(o, r, &owner_nobody);
    }
}

void owners_find_other_ways(struct owners *o, uint64_t now_ms)
{
    if (owners_may_claim(o, now_ms) && !o->waiting)
        return;
    LIST_WALK(node, &o->wanted)
    find_other_way(o, LIST_ENTRY(node, struct owner_row, queue), now_ms);
}

size_t owners_ask(struct owners *o, uint64_t round, uint64_t now_ms, struct slice *ret_keys,
                  size_t room)
{
    size_t n = 0;

    if (!tableless(o, now_ms) || o->lease->draining)
        return 0;
    LIST_WALK(node, &o->wanted)
    {
        struct owner_row *r = LIST_ENTRY(node, struct owner_row, queue);

        if (n == room)
            break;
        if (!is_choice(o, r) || (r->asked_round && now_ms - r->asked_ms < OWNERS_FRESH_MS))
            continue;
        r->asked_round = round;
        r->asked_ms = now_ms;
        ret_keys[n++] = owner_key(r);
    }
    return n;
}

static struct owners_peer *peer_add(struct owners *o, struct lease_id id)
{
    struct owners_peer *peer;

    for (size_t i = 0; i < o->peer_count; i++) /* one row a name: incarnations follow each other */
        if (slice_is(id.name, o->peers[i].name)) {
            peer = &o->peers[i];
            if (peer->incarnation != id.incarnation)
                memset(peer->rounds, 0, sizeof(peer->rounds));
            peer->incarnation = id.incarnation;
            return peer;
        }
    o->peers = mem_realloc(o->peers, (o->peer_count + 1) * sizeof(*o->peers));
    peer = &o->peers[o->peer_count++];
    memset(peer, 0, sizeof(*peer));
    slice_to_cstr(id.name, peer->name, sizeof(peer->name));
    peer->incarnation = id.incarnation;
    return peer;
}

static void hear_mine(struct owners *o, const struct owners_pong *pong)
{
    for (size_t i = 0; i < pong->mine_count; i++) {
        struct owner_row *r = map_find(&o->rows, pong->mine[i]);

        if (r && r->asked_round == pong->round)
            r->mine_round = pong->round;
    }
}

void owners_hear_pong(struct owners *o, struct lease_id from, const struct owners_pong *pong,
                      uint64_t now_ms)
{
    struct owners_peer *peer = peer_add(o, from);

    peer->heard_ms = now_ms;
    peer->can_claim = pong->can_claim;
    peer->draining = pong->draining;
    hear_mine(o, pong);
    if (pong->promise)
        peer->rounds[pong->round % LEASE_ASK_MAX] = pong->round;
    owners_send(o, now_ms);
    owners_find_other_ways(o, now_ms);
}
