/* A pair changes hands while both nodes live (drain): offered by its token, claimed by the other
 * with that row as witness. No stanza travels inside.
 *
 *   giver: offered to the first in the pair's order that can claim --TAKEN--> his
 *          --NOT_TAKEN, or nothing for a while--> the next; nobody left: let go of by its token
 */
#include "link/members_inner.h"

#include "route/rendezvous.h"

#define ANSWER_MS 2000

static struct offer *find_offer(struct list *in, struct slice key)
{
    LIST_WALK(node, in)
    {
        struct offer *o = LIST_ENTRY(node, struct offer, node);

        if (slice_is(key, o->key))
            return o;
    }
    return NULL;
}

static struct offer *offer_new(struct list *in, struct slice key)
{
    struct offer *o = MEM_NEW(struct offer);

    o->key = mem_strndup(key);
    list_push(in, &o->node);
    return o;
}

static void offer_free(struct offer *o)
{
    list_remove(&o->node);
    for (size_t i = 0; i < o->tried_count; i++)
        mem_free(o->tried[i]);
    mem_free(o->tried);
    mem_free(o->to);
    mem_free(o->key);
    mem_free(o);
}

static void send_step(struct members *m, struct slice to, enum frame_handoff_step step,
                      struct slice key, uint64_t token)
{
    struct frame f = {.type = FRAME_HANDOFF, .handoff = {.step = step, .token = token}};

    router_pair_split(key, &f.handoff.local, &f.handoff.remote);
    members_send(m, to, &f);
}

/* --- giving --- */

static bool was_tried(const struct offer *o, const char *name)
{
    for (size_t i = 0; i < o->tried_count; i++)
        if (strcmp(o->tried[i], name) == 0)
            return true;
    return false;
}

static bool takes(const struct members *m, const struct fellow *f)
{
    return f->up && f->listed && !owners_drains(&m->owners, slice_from(f->name));
}

/* First in the pair's order among those who may take it and were not asked yet. */
static struct fellow *next_candidate(const struct members *m, const struct offer *o)
{
    struct fellow *found = NULL;
    struct rendezvous order;

    rendezvous_begin(&order, slice_from(o->key));
    LIST_WALK(node, &m->fellows)
    {
        struct fellow *f = LIST_ENTRY(node, struct fellow, node);

        if (takes(m, f) && !was_tried(o, f->name) &&
            rendezvous_name_leads(&order, slice_from(f->name)))
            found = f;
    }
    return found;
}

static void offer_next(struct members *m, struct offer *o)
{
    struct fellow *f = next_candidate(m, o);

    if (!f) {
        owners_withdraw(&m->owners, slice_from(o->key));
        offer_free(o);
        return;
    }
    mem_free(o->to);
    o->to = mem_strdup(f->name);
    o->tried = mem_realloc(o->tried, (o->tried_count + 1) * sizeof(char *));
    o->tried[o->tried_count++] = mem_strdup(f->name);
    o->answer_by_ms = members_now(m) + ANSWER_MS;
    send_step(m, slice_from(f->name), FRAME_OFFER, slice_from(o->key), o->token);
}

void members_offer(struct members *m, struct slice key)
{
    uint64_t token = owners_offer(&m->owners, key);
    struct offer *o;

    if (!token)
        return;
    o = offer_new(&m->offers, key);
    o->token = token;
    offer_next(m, o);
}

size_t members_pairs_left(const struct members *m)
{
    return m->owners.counts[OWNER_OURS] + m->owners.counts[OWNER_PROVISIONAL] +
           m->owners.counts[OWNER_OFFERED];
}

static bool anyone_takes(const struct members *m)
{
    LIST_WALK(node, &m->fellows)
    {
        if (takes(m, LIST_ENTRY(node, const struct fellow, node)))
            return true;
    }
    return false;
}

static void tell_workers(struct members *m)
{
    struct order *o;

    if (!m->views || !m->lease.draining || !anyone_takes(m) || !members_pairs_left(m))
        return;
    o = order_new(ORDER_HAND_OVER, slice_none(), slice_none());
    o->token = m->hand_over_ms;
    members_order_all(m, o);
}

void members_offers_tick(struct members *m)
{
    LIST_WALK(node, &m->offers)
    {
        struct offer *o = LIST_ENTRY(node, struct offer, node);

        if (members_now(m) >= o->answer_by_ms)
            offer_next(m, o);
    }
    tell_workers(m);
}

static void hear_taken(struct members *m, struct slice node, struct slice key, uint64_t token)
{
    struct offer *o = find_offer(&m->offers, key);
    struct fellow *f = members_fellow(m, node);
    struct owner_ref owner = {node, f ? f->listed : 0, token};

    if (!o)
        return;
    owners_handed(&m->owners, key, &owner);
    offer_free(o);
}

static void hear_not_taken(struct members *m, struct slice node, struct slice key)
{
    struct offer *o = find_offer(&m->offers, key);

    if (o && o->to && slice_is(node, o->to))
        offer_next(m, o);
}

/* --- taking --- */

static void hear_offer(struct members *m, struct slice node, struct slice key, uint64_t token)
{
    struct fellow *f = members_fellow(m, node);
    struct owner_ref witness = {node, f ? f->incarnation : 0, token};
    struct offer *o = find_offer(&m->takes, key);

    if (o) { /* of an offerer that is gone, or asks twice */
        mem_free(o->to);
        o->to = mem_strndup(node);
        return;
    }
    o = offer_new(&m->takes, key);
    o->to = mem_strndup(node);
    owners_take(&m->owners, key, &witness, members_now(m));
}

void members_taken(struct members *m, struct slice key, uint64_t token)
{
    struct offer *o = find_offer(&m->takes, key);

    if (!o)
        return;
    send_step(m, slice_from(o->to), token ? FRAME_TAKEN : FRAME_NOT_TAKEN, key, token);
    offer_free(o);
}

void members_hear_handoff(struct members *m, struct slice node, const struct frame_handoff *h)
{
    char buf[PORT_KEY_BYTES_MAX];
    struct slice key = slice_make(buf, router_pair_key(h->local, h->remote, buf));

    switch ((enum frame_handoff_step)h->step) {
    case FRAME_OFFER:
        hear_offer(m, node, key, h->token);
        return;
    case FRAME_TAKEN:
        hear_taken(m, node, key, h->token);
        return;
    default:
        hear_not_taken(m, node, key);
        return;
    }
}

void members_handover_fini(struct members *m)
{
    LIST_WALK(node, &m->offers)
    offer_free(LIST_ENTRY(node, struct offer, node));
    LIST_WALK(taken, &m->takes)
    offer_free(LIST_ENTRY(taken, struct offer, node));
}
