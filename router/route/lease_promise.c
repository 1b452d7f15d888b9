#include "route/lease_inner.h"

#include "route/rendezvous.h"

/* --- asking --- */

/* Order must not matter: a sum of draws, one a member. */
static uint64_t list_hash(const struct lease *l)
{
    uint64_t epoch = rendezvous_hash(slice_from(l->epoch));
    uint64_t sum = rendezvous_draw(epoch ^ l->incarnation, rendezvous_hash(slice_from(l->name)));

    for (size_t i = 0; i < l->peer_count; i++) {
        const struct lease_peer *p = &l->peers[i];

        if (p->listed)
            sum += rendezvous_draw(epoch ^ p->incarnation ^ (p->holds ? 1ULL << 63 : 0),
                                   rendezvous_hash(slice_from(p->name)));
    }
    return sum;
}

void lease_ask(struct lease *l, uint64_t now_ms, struct lease_ping *ret_ping)
{
    uint64_t number = ++l->ask_number;

    l->asks[number % LEASE_ASK_MAX].number = number;
    l->asks[number % LEASE_ASK_MAX].sent_ms = now_ms;
    *ret_ping = (struct lease_ping){number, l->incarnation, list_hash(l)};
}

void lease_hear_pong(struct lease *l, struct lease_id from, const struct lease_pong *pong,
                     uint64_t now_ms)
{
    struct lease_peer *p;
    uint64_t until;

    lease_heard(l, from, now_ms);
    if (pong->incarnation != l->incarnation || pong->number == 0 ||
        l->asks[pong->number % LEASE_ASK_MAX].number != pong->number || !pong->promise)
        return;
    p = lease_peer_find(l, from);
    until = l->asks[pong->number % LEASE_ASK_MAX].sent_ms + LEASE_PROMISE_MS;
    if (until <= p->promised_ms)
        return; /* overtaken by a later round's */
    p->promised_ms = until;
    p->same = pong->same;
}

/* --- promising --- */

static bool needs_no_table(const struct lease *l, uint64_t now_ms)
{
    return now_ms - l->answered_sent_ms >= LEASE_QUIET_MS || !l->settled;
}

static bool may_promise(const struct lease *l, const struct lease_peer *p, uint64_t now_ms)
{
    if (l->stop || l->leaving || !l->on_list || !needs_no_table(l, now_ms))
        return false;
    if (!p->listed && !LEFT_OUT(nolist))
        return false;
    return !p->refused && !lease_peer_outdated(l, p);
}

void lease_answer_ping(struct lease *l, struct slice name, const struct lease_ping *ping,
                       uint64_t now_ms, struct lease_pong *ret_pong)
{
    struct lease_id from = {name, ping->incarnation};
    struct lease_peer *p;

    lease_heard(l, from, now_ms);
    p = lease_peer_find(l, from);
    *ret_pong = (struct lease_pong){ping->number, ping->incarnation, false, false};
    if (!may_promise(l, p, now_ms))
        return;
    ret_pong->promise = true;
    ret_pong->same = ping->list_hash == list_hash(l);
    p->bound_ms = now_ms + LEASE_BOUND_MS;
    l->bound_ms = p->bound_ms;
    if (!LEFT_OUT(novoid))
        lease_void_claims(l);
}

/* --- BYE --- */

void lease_hear_bye(struct lease *l, struct lease_id from, bool holds, uint64_t now_ms)
{
    struct lease_peer *p;

    lease_heard(l, from, now_ms);
    p = lease_peer_find(l, from);
    p->left = true;
    p->holds |= holds;
}

bool lease_holds_for(const struct lease *l, const struct lease_peer *p)
{
    return l->on_list && (p->listed || LEFT_OUT(nolist)) && (!p->refused || LEFT_OUT(nobyex));
}

/* --- right by promises, and pairs without a row --- */

const struct lease_peer *lease_next_needed(const struct lease *l, size_t *pos)
{
    const struct lease_peer *p;

    do
        p = lease_next_member(l, pos);
    while (p && p->holds);
    return p;
}

uint64_t lease_promised_until_ms(const struct lease *l)
{
    uint64_t until = UINT64_MAX;
    const struct lease_peer *p;
    size_t pos = 0;

    if (!l->on_list || l->leaving || l->stop)
        return 0;
    while ((p = lease_next_needed(l, &pos)))
        if (p->promised_ms < until)
            until = p->promised_ms;
    return until;
}

size_t lease_promises_missing(const struct lease *l, uint64_t now_ms)
{
    const struct lease_peer *p;
    size_t missing = 0;
    size_t pos = 0;

    while ((p = lease_next_needed(l, &pos)))
        missing += now_ms >= p->promised_ms;
    return missing;
}

struct slice lease_choice(const struct lease *l, struct slice key)
{
    struct slice best = slice_from(l->name);
    const struct lease_peer *p;
    struct rendezvous order;
    size_t pos = 0;

    if (!l->on_list)
        return slice_none();
    rendezvous_begin(&order, key);
    rendezvous_name_leads(&order, best);
    while ((p = lease_next_needed(l, &pos)))
        if (rendezvous_name_leads(&order, slice_from(p->name)))
            best = slice_from(p->name);
    return best;
}

static bool all_same(const struct lease *l)
{
    const struct lease_peer *p;
    size_t pos = 0;

    while ((p = lease_next_needed(l, &pos)))
        if (!p->same && !LEFT_OUT(nosame))
            return false;
    return true;
}

bool lease_may_provisional(const struct lease *l, struct slice key, uint64_t now_ms)
{
    if (l->draining || !l->asserted || !(l->settled || LEFT_OUT(nosure)) || now_ms < l->right_ms)
        return false;
    return now_ms < lease_promised_until_ms(l) && all_same(l) &&
           slice_is(lease_choice(l, key), l->name);
}
