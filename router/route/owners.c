#include "route/owners_inner.h"

#ifdef LEASE_MUTATIONS
uint64_t owners_mutations;
#endif

struct let_go {
    struct list node;
    uint64_t token;
    char key[];
};

/* --- rows --- */

static void set_state(struct owners *o, struct owner_row *r, enum owner_state state)
{
    o->counts[r->state]--;
    o->counts[state]++;
    r->state = state;
}

static struct owner_row *row_new(struct owners *o, struct slice key)
{
    struct owner_row *r = MEM_NEW(struct owner_row);

    r->key = mem_strndup(key);
    r->state = OWNER_WANTED;
    o->counts[OWNER_WANTED]++;
    list_init(&r->queue);
    list_push(&o->wanted, &r->queue);
    map_add(&o->rows, owner_key(r), r);
    return r;
}

void owners_row_free(struct owners *o, struct owner_row *r)
{
    map_remove(&o->rows, owner_key(r));
    list_remove(&r->queue);
    o->counts[r->state]--;
    if (r->slot)
        *r->slot = NULL;
    mem_free(r->offerer);
    mem_free(r->key);
    mem_free(r);
}

static bool is_held(const struct owner_row *r)
{
    return r->state == OWNER_OURS || r->state == OWNER_PROVISIONAL;
}

static bool names_us(const struct owners *o, const struct owner_ref *owner)
{
    return owner->incarnation == o->lease->incarnation && slice_is(owner->node, o->lease->name);
}

static void let_go(struct owners *o, struct slice key, uint64_t token)
{
    struct let_go *l = mem_zalloc(sizeof(*l) + key.len + 1);

    list_init(&l->node);
    l->token = token;
    memcpy(l->key, key.ptr, key.len);
    list_push(&o->releases, &l->node);
}

/* --- what a want comes to --- */

void owners_refuse_taking(struct owners *o, struct owner_row *r)
{
    if (r->taking)
        o->ops->taken(o->arg, owner_key(r), 0);
    r->taking = false;
}

/* Somebody else's: the row has told all it can. */
void owners_answer_elsewhere(struct owners *o, struct owner_row *r, const struct owner_ref *owner)
{
    owners_refuse_taking(o, r);
    if (r->wanted)
        o->ops->elsewhere(o->arg, owner_key(r), owner);
    owners_row_free(o, r);
}

void owners_grant(struct owners *o, struct owner_row *r, uint64_t token, bool provisional)
{
    if (!r->wanted && !r->taking && r->state == OWNER_WANTED) { /* let go of meanwhile */
        let_go(o, owner_key(r), token);
        owners_row_free(o, r);
        return;
    }
    set_state(o, r, provisional ? OWNER_PROVISIONAL : OWNER_OURS);
    r->token = token;
    if (r->taking)
        o->ops->taken(o->arg, owner_key(r), token);
    r->taking = r->wanted = false;
    o->ops->granted(o->arg, owner_key(r), token, provisional);
}

static void lose(struct owners *o, struct owner_row *r, const struct owner_ref *owner)
{
    o->ops->lost(o->arg, owner_key(r), owner);
    owners_row_free(o, r);
}

/* --- to the table --- */

static void later(struct owners_wait *w, uint64_t now_ms)
{
    w->ms = w->ms ? w->ms * 2 : OWNERS_RETRY_FIRST_MS;
    if (w->ms > OWNERS_RETRY_MOST_MS)
        w->ms = OWNERS_RETRY_MOST_MS;
    w->at_ms = now_ms + w->ms;
}

static void sooner(struct owners_wait *w)
{
    w->ms = w->at_ms = 0;
}

/* The rows of `from` that one batch may hold, oldest first. */
static void board(struct owners_flight *f, struct list *from)
{
    while (f->count < OWNERS_BATCH_MAX && !list_empty(from)) {
        struct owner_row *r = LIST_FIRST(from, struct owner_row, queue);

        list_remove(&r->queue);
        f->rows[f->count] = r;
        r->slot = &f->rows[f->count++];
    }
}

/* The batch is over: row i of it, or NULL. */
static struct owner_row *alight(struct owners_flight *f, size_t i)
{
    struct owner_row *r = f->rows[i];

    if (r)
        r->slot = NULL;
    return r;
}

/* Back to the head of its queue, in order. True if there was any. */
static bool put_back(struct owners_flight *f, struct list *to)
{
    size_t count = f->count;
    bool any = false;

    f->count = 0;
    while (count) {
        struct owner_row *r = alight(f, --count);

        if (r)
            list_push_front(to, &r->queue);
        any |= r != NULL;
    }
    return any;
}

static bool contact(const struct owners *o)
{
    return o->lease->answered_ms && o->lease->on_list;
}

bool owners_can_claim(const struct owners *o, uint64_t now_ms)
{
    return lease_may_claim(o->lease, now_ms) && !o->waiting && !o->lease->draining;
}

bool owners_may_claim(const struct owners *o, uint64_t now_ms)
{
    return lease_may_claim(o->lease, now_ms) && (!o->lease->draining || owners_all_drain(o));
}

static struct owner_ref witness_of(const struct owner_row *r)
{
    struct owner_ref w = owner_nobody;

    if (r->offerer)
        w = (struct owner_ref){slice_from(r->offerer), r->offerer_incarnation, r->offerer_token};
    return w;
}

static void send_claims(struct owners *o, uint64_t now_ms)
{
    struct owners_item items[OWNERS_BATCH_MAX];

    if (o->claims.count || list_empty(&o->wanted) || now_ms < o->claim_wait.at_ms ||
        !owners_may_claim(o, now_ms))
        return;
    board(&o->claims, &o->wanted);
    for (size_t i = 0; i < o->claims.count; i++) {
        items[i].key = owner_key(o->claims.rows[i]);
        items[i].token = 0;
        items[i].witness = witness_of(o->claims.rows[i]);
    }
    o->claim_turn = lease_claim_turn(o->lease);
    o->ops->claim(o->arg, items, o->claims.count);
}

static void send_asserts(struct owners *o, uint64_t now_ms)
{
    struct owners_item items[OWNERS_BATCH_MAX];

    if (o->asserts.count || list_empty(&o->unasserted) || now_ms < o->row_wait.at_ms || !contact(o))
        return;
    board(&o->asserts, &o->unasserted);
    for (size_t i = 0; i < o->asserts.count; i++) {
        items[i].key = owner_key(o->asserts.rows[i]);
        items[i].token = o->asserts.rows[i]->token;
        items[i].witness = owner_nobody;
    }
    o->ops->assert_rows(o->arg, items, o->asserts.count);
}

static void send_releases(struct owners *o, uint64_t now_ms)
{
    struct owners_item items[OWNERS_BATCH_MAX];
    size_t n = 0;

    if (o->releases_sent || list_empty(&o->releases) || now_ms < o->row_wait.at_ms || !contact(o))
        return;
    LIST_WALK(node, &o->releases)
    {
        struct let_go *l = LIST_ENTRY(node, struct let_go, node);

        items[n].key = slice_from(l->key);
        items[n].token = l->token;
        items[n].witness = owner_nobody;
        if (++n == OWNERS_BATCH_MAX)
            break;
    }
    o->releases_sent = n;
    o->ops->release(o->arg, items, n);
}

static void all_asserted(struct owners *o)
{
    if (!o->assert_due || o->asserts.count || !list_empty(&o->unasserted))
        return;
    o->assert_due = false;
    lease_asserted(o->lease, o->assert_turn);
}

void owners_send(struct owners *o, uint64_t now_ms)
{
    send_asserts(o, now_ms);
    send_releases(o, now_ms);
    send_claims(o, now_ms);
}

/* --- from the table --- */

static bool is_witness(const struct owner_row *r, const struct owner_ref *row)
{
    return r->taking && row->incarnation == r->offerer_incarnation &&
           row->token == r->offerer_token && slice_is(row->node, r->offerer);
}

static void take_claim(struct owners *o, struct owner_row *r, const struct owner_ref *row)
{
    if (names_us(o, row))
        owners_grant(o, r, row->token, false);
    else if (is_witness(r, row)) /* offered while a claim without its witness was under way */
        list_push_front(&o->wanted, &r->queue);
    else
        owners_answer_elsewhere(o, r, row);
}

void owners_claimed(struct owners *o, enum owners_answer answer, const struct owner_ref *rows,
                    uint64_t now_ms)
{
    size_t count = o->claims.count;

    o->waiting = answer == OWNERS_WAIT;
    if (o->waiting)
        later(&o->claim_wait, now_ms);
    else
        sooner(&o->claim_wait);
    if (o->waiting || !lease_claim_holds(o->lease, o->claim_turn)) {
        put_back(&o->claims, &o->wanted);
    } else {
        o->claims.count = 0;
        for (size_t i = 0; i < count; i++) {
            struct owner_row *r = alight(&o->claims, i);

            if (r)
                take_claim(o, r, &rows[i]);
        }
    }
    owners_send(o, now_ms);
}

static void take_assert(struct owners *o, struct owner_row *r, const struct owner_ref *row)
{
    if (!is_held(r)) /* offered meanwhile: whatever the row says, it is not ours any more */
        return;
    if (!names_us(o, row)) {
        lose(o, r, row);
        return;
    }
    if (r->state == OWNER_PROVISIONAL)
        owners_grant(o, r, row->token, false);
}

void owners_asserted(struct owners *o, enum owners_answer answer, const struct owner_ref *rows,
                     uint64_t now_ms)
{
    size_t count = o->asserts.count;

    if (answer == OWNERS_WAIT) {
        if (put_back(&o->asserts, &o->unasserted)) /* else they were of an epoch that is over */
            later(&o->row_wait, now_ms);
        return;
    }
    sooner(&o->row_wait);
    o->asserts.count = 0;
    for (size_t i = 0; i < count; i++) {
        struct owner_row *r = alight(&o->asserts, i);

        if (r)
            take_assert(o, r, &rows[i]);
    }
    owners_send(o, now_ms);
    all_asserted(o);
}

void owners_released(struct owners *o, enum owners_answer answer, uint64_t now_ms)
{
    size_t done = answer == OWNERS_ROWS ? o->releases_sent : 0;

    if (answer == OWNERS_ROWS)
        sooner(&o->row_wait);
    else if (o->releases_sent)
        later(&o->row_wait, now_ms);
    o->releases_sent = 0;
    for (; done; done--) {
        struct let_go *l = LIST_FIRST(&o->releases, struct let_go, node);

        list_remove(&l->node);
        mem_free(l);
    }
    if (answer == OWNERS_ROWS)
        owners_send(o, now_ms);
}

void owners_contact_lost(struct owners *o, uint64_t now_ms)
{
    if (o->claims.count)
        later(&o->claim_wait, now_ms);
    sooner(&o->row_wait);
    put_back(&o->claims, &o->wanted);
    put_back(&o->asserts, &o->unasserted);
    o->releases_sent = 0;
}

/* --- the worker --- */

void owners_want(struct owners *o, struct slice key, bool routed, uint64_t now_ms)
{
    struct owner_row *r = map_find(&o->rows, key);

    if (r && is_held(r)) {
        o->ops->granted(o->arg, key, r->token, r->state == OWNER_PROVISIONAL);
        return;
    }
    if (!r)
        r = row_new(o, key);
    r->routed = routed && (r->routed || !r->wanted);
    r->wanted = true;
    send_claims(o, now_ms);
    owners_find_other_ways(o, now_ms);
}

void owners_release(struct owners *o, struct slice key)
{
    struct owner_row *r = map_find(&o->rows, key);

    if (!r)
        return;
    r->wanted = false;
    if (r->state == OWNER_OFFERED || r->taking || (r->state == OWNER_WANTED && r->slot))
        return; /* whoever is waited for ends it */
    if (r->state == OWNER_OURS)
        let_go(o, key, r->token);
    owners_row_free(o, r);
    send_releases(o, 0); /* now, or with the next tick */
}

/* --- hand-over --- */

uint64_t owners_offer(struct owners *o, struct slice key)
{
    struct owner_row *r = map_find(&o->rows, key);

    if (!r || !is_held(r))
        return 0;
    if (r->state == OWNER_PROVISIONAL) { /* there is no row to be witness */
        lose(o, r, &owner_nobody);
        return 0;
    }
    list_remove(&r->queue);
    set_state(o, r, OWNER_OFFERED);
    r->wanted = true; /* the worker hears what comes of it */
    return r->token;
}

void owners_handed(struct owners *o, struct slice key, const struct owner_ref *owner)
{
    struct owner_row *r = map_find(&o->rows, key);

    if (r && r->state == OWNER_OFFERED)
        owners_answer_elsewhere(o, r, owner);
}

void owners_withdraw(struct owners *o, struct slice key)
{
    struct owner_row *r = map_find(&o->rows, key);

    if (!r || r->state != OWNER_OFFERED)
        return;
    let_go(o, key, r->token);
    owners_answer_elsewhere(o, r, &owner_nobody);
    send_releases(o, 0); /* now, or with the next tick */
}

void owners_take(struct owners *o, struct slice key, const struct owner_ref *witness,
                 uint64_t now_ms)
{
    struct owner_row *r = map_find(&o->rows, key);

    if ((r && r->state != OWNER_WANTED) || !owners_can_claim(o, now_ms)) {
        o->ops->taken(o->arg, key, 0);
        return;
    }
    if (!r)
        r = row_new(o, key);
    mem_free(r->offerer);
    r->offerer = mem_strndup(witness->node);
    r->offerer_incarnation = witness->incarnation;
    r->offerer_token = witness->token;
    r->taking = true;
    send_claims(o, now_ms);
}

/* --- the lease --- */

/* Whoever waits for an answer goes on waiting, with a row that is owner_nobody's. */
static void drop(struct owners *o, struct owner_row *r)
{
    if (is_held(r)) {
        lose(o, r, &owner_nobody);
    } else if (r->state == OWNER_OFFERED && !r->wanted) {
        owners_row_free(o, r);
    } else if (r->state == OWNER_OFFERED) {
        set_state(o, r, OWNER_WANTED);
        list_push(&o->wanted, &r->queue);
    }
}

static void forget_releases(struct owners *o)
{
    while (!list_empty(&o->releases)) {
        struct let_go *l = LIST_FIRST(&o->releases, struct let_go, node);

        list_remove(&l->node);
        mem_free(l);
    }
    o->releases_sent = 0;
}

void owners_drop_all(struct owners *o)
{
    size_t pos = 0;
    struct owner_row *r;

    while ((r = map_next(&o->rows, &pos)))
        drop(o, r);
    forget_releases(o);
    o->assert_due = false;
}

static void queue_assert(struct owners *o, struct owner_row *r)
{
    if (r->slot) { /* under way for an epoch that is over */
        *r->slot = NULL;
        r->slot = NULL;
    }
    if (!list_linked(&r->queue))
        list_push(&o->unasserted, &r->queue);
}

void owners_assert_all(struct owners *o)
{
    size_t pos = 0;
    struct owner_row *r;

    o->assert_due = true;
    o->assert_turn = lease_assert_turn(o->lease);
    while ((r = map_next(&o->rows, &pos)))
        if (is_held(r) || (r->state == OWNER_OFFERED && OWNERS_LEFT_OUT(nogave)))
            queue_assert(o, r);
    sooner(&o->row_wait);
    send_asserts(o, 0);
    all_asserted(o);
}

bool owners_forget_lapsed(struct owners *o, uint64_t now_ms)
{
    size_t pos = 0;
    struct owner_row *r;

    if (!o->counts[OWNER_PROVISIONAL] || now_ms < lease_promised_until_ms(o->lease) ||
        OWNERS_LEFT_OUT(noforget))
        return false;
    while ((r = map_next(&o->rows, &pos)))
        if (r->state == OWNER_PROVISIONAL)
            lose(o, r, &owner_nobody);
    return true;
}

/* The table is there again: what was taken without it gets its rows. */
static void assert_provisional(struct owners *o)
{
    size_t pos = 0;
    struct owner_row *r;

    if (!o->counts[OWNER_PROVISIONAL] || !contact(o))
        return;
    while ((r = map_next(&o->rows, &pos)))
        if (r->state == OWNER_PROVISIONAL && !r->slot && !list_linked(&r->queue))
            list_push(&o->unasserted, &r->queue);
}

void owners_tick(struct owners *o, uint64_t now_ms)
{
    owners_forget_lapsed(o, now_ms);
    assert_provisional(o);
    owners_send(o, now_ms);
    all_asserted(o);
    owners_find_other_ways(o, now_ms);
}

/* --- questions, life --- */

bool owners_has(const struct owners *o, struct slice key)
{
    const struct owner_row *r = map_find(&o->rows, key);

    return r && is_held(r);
}

void owners_init(struct owners *o, const struct owners_ops *ops, void *arg, struct lease *lease,
                 const uint64_t seed[2])
{
    memset(o, 0, sizeof(*o));
    o->ops = ops;
    o->arg = arg;
    o->lease = lease;
    map_init(&o->rows, seed);
    list_init(&o->wanted);
    list_init(&o->unasserted);
    list_init(&o->releases);
}

void owners_fini(struct owners *o)
{
    size_t pos = 0;
    struct owner_row *r;

    while ((r = map_next(&o->rows, &pos)))
        owners_row_free(o, r);
    map_fini(&o->rows);
    forget_releases(o);
    mem_free(o->peers);
}
