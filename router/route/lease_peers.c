#include "route/lease_inner.h"

/* --- who is known --- */

static bool is(const struct lease_peer *p, struct lease_id id)
{
    return p->incarnation == id.incarnation && slice_is(id.name, p->name);
}

struct lease_peer *lease_peer_find(const struct lease *l, struct lease_id id)
{
    for (size_t i = 0; i < l->peer_count; i++)
        if (is(&l->peers[i], id))
            return &l->peers[i];
    return NULL;
}

bool lease_peer_is_self(const struct lease *l, const struct lease_peer *p)
{
    return strcmp(p->name, l->name) == 0;
}

/* A later one of the same name, that was on a list of ours or said so on the mesh. */
bool lease_peer_outdated(const struct lease *l, const struct lease_peer *p)
{
    for (size_t i = 0; i < l->peer_count; i++)
        if (l->peers[i].incarnation > p->incarnation && strcmp(l->peers[i].name, p->name) == 0)
            return true;
    return false;
}

/* What nobody can need any more: not on the list, silent for long, no promise of ours running, and
 * not refused, or a later one of its name is. */
static bool can_go(const struct lease *l, const struct lease_peer *p, uint64_t now_ms)
{
    if (p->listed || now_ms < p->bound_ms || now_ms - p->alive_ms < 2 * LEASE_STRANGER_MS)
        return false;
    return !p->refused || (p->over && lease_peer_outdated(l, p));
}

static void prune(struct lease *l, uint64_t now_ms)
{
    for (size_t i = l->peer_count; i-- > 0;) {
        if (!can_go(l, &l->peers[i], now_ms))
            continue;
        mem_free(l->peers[i].address);
        l->peers[i] = l->peers[--l->peer_count];
    }
}

struct lease_peer *lease_peer_get(struct lease *l, struct lease_id id, uint64_t now_ms)
{
    struct lease_peer *p = lease_peer_find(l, id);
    bool fits;

    if (p)
        return p;
    prune(l, now_ms);
    if (l->peer_count == l->peer_room) {
        l->peer_room = l->peer_room ? l->peer_room * 2 : 8;
        l->peers = mem_realloc(l->peers, l->peer_room * sizeof(*l->peers));
    }
    p = &l->peers[l->peer_count++];
    memset(p, 0, sizeof(*p));
    fits = slice_to_cstr(id.name, p->name, sizeof(p->name));
    assert(fits);
    p->incarnation = id.incarnation;
    p->alive_ms = now_ms; /* silence is counted from when we could have heard it */
    return p;
}

void lease_peers_begin_anew(struct lease *l)
{
    for (size_t i = 0; i < l->peer_count; i++) {
        struct lease_peer *p = &l->peers[i];

        p->counted = p->knew_us = p->bury_sent = false;
        p->promised_ms = 0;
        p->same = p->holds = false;
    }
}

/* --- the list --- */

static void refuse(struct lease_peer *p, uint64_t now_ms)
{
    p->refused = true;
    p->over = false;
    p->missed_ms = now_ms;
}

/* It left the list: whatever happens to the table, we did not promise it anything since. */
static void strike_off(struct lease_peer *p, bool same_epoch, uint64_t now_ms)
{
    p->buried = same_epoch;
    p->listed = p->counted = p->knew_us = p->bury_sent = false;
    if (!LEFT_OUT(nofence))
        refuse(p, now_ms);
}

static void take_row(struct lease *l, const struct lease_row *row, uint64_t now_ms)
{
    struct lease_peer *p = lease_peer_get(l, row->id, now_ms);
    bool renewed = p->counted && row->count > p->count;

    if (renewed) {
        p->alive_ms = now_ms;
        p->renewed = true;
        p->refused = p->over = false;
    }
    if (!p->counted || row->count != p->count || p->same_since_ms == 0)
        p->same_since_ms = now_ms;
    p->listed = p->counted = true;
    p->over = p->buried = false;
    p->count = row->count;
    p->joined = row->joined;
    p->ack = row->ack;
    p->knew_us |= l->joined && row->ack >= l->joined;
    if (!p->address || !slice_is(row->address, p->address)) {
        mem_free(p->address);
        p->address = mem_strndup(row->address);
    }
}

static bool answer_has(const struct lease_answer *a, const struct lease_peer *p)
{
    for (size_t i = 0; i < a->row_count; i++)
        if (is(p, a->rows[i].id))
            return true;
    return false;
}

static void take_own_row(struct lease *l, const struct lease_answer *a)
{
    for (size_t i = 0; i < a->row_count; i++)
        if (slice_is(a->rows[i].id.name, l->name))
            l->joined = a->rows[i].joined;
}

/* Off the list in an epoch we were in all the time, and its last renewal came before: no right by
 * renewal can run any more, and none by promises, since it needs ours. */
static void settle_refused(struct lease *l, struct lease_peer *p)
{
    if (p->refused && !p->listed && l->answered_sent_ms >= p->missed_ms + LEASE_WATCH_MS)
        p->over = true;
}

void lease_take_list(struct lease *l, const struct lease_answer *a, uint64_t now_ms)
{
    bool all = true;

    take_own_row(l, a);
    for (size_t i = 0; i < l->peer_count; i++) {
        if (l->peers[i].listed && !answer_has(a, &l->peers[i]))
            strike_off(&l->peers[i], l->peers[i].counted, now_ms);
        settle_refused(l, &l->peers[i]);
    }
    for (size_t i = 0; i < a->row_count; i++) {
        if (slice_is(a->rows[i].id.name, l->name))
            continue;
        take_row(l, &a->rows[i], now_ms);
        all &= a->rows[i].ack >= l->joined;
    }
    l->version = a->version;
    l->settled = a->settled;
    l->seen_settled |= a->settled;
    l->acknowledged |= all && a->settled;
}

void lease_walk_brought(const struct lease *l, void (*fn)(void *arg, const struct lease_peer *peer),
                        void *arg)
{
    for (size_t i = 0; i < l->peer_count && !LEFT_OUT(nounion); i++) {
        const struct lease_peer *p = &l->peers[i];
        bool refused = p->refused && !p->over && !p->left;

        if (LEFT_OUT(norefused) ? !p->listed || p->refused : !p->listed && !refused)
            continue;
        if (!lease_peer_is_self(l, p))
            fn(arg, p);
    }
}

/* --- watching --- */

void lease_reset_watches(struct lease *l)
{
    for (size_t i = 0; i < l->peer_count; i++)
        l->peers[i].same_since_ms = 0;
}

/* Counts of another epoch tell nothing. Who left the list in the old one may have come back in one
 * that we never saw: whether its right is over is seen anew. */
void lease_begin_epoch_watch(struct lease *l, uint64_t now_ms)
{
    for (size_t i = 0; i < l->peer_count; i++) {
        struct lease_peer *p = &l->peers[i];

        p->counted = p->bury_sent = false;
        p->same_since_ms = 0;
        p->ack = 0;
        if (LEFT_OUT(noacross))
            p->refused = false;
        if (p->refused && !p->over)
            p->missed_ms = now_ms;
    }
    l->answered_ms = 0;
}

static bool silent(const struct lease *l, const struct lease_peer *p, uint64_t now_ms)
{
    uint64_t stranger = l->stop ? LEASE_WATCH_MS : LEASE_STRANGER_MS;

    if (!LEFT_OUT(nowatch) && (p->same_since_ms == 0 || now_ms - p->same_since_ms < LEASE_WATCH_MS))
        return false;
    return p->knew_us || LEFT_OUT(noknow) || now_ms - p->alive_ms >= stranger;
}

static bool to_be_buried(const struct lease *l, const struct lease_peer *p, uint64_t now_ms)
{
    if (!p->listed || !p->counted || p->bury_sent)
        return false;
    if (p->left)
        return true;
    return silent(l, p, now_ms) && (now_ms >= p->bound_ms || LEFT_OUT(noout));
}

bool lease_next_burial(struct lease *l, uint64_t now_ms, struct lease_burial *ret_burial)
{
    if (!l->on_list || l->leaving || now_ms >= l->right_ms || !lease_in_contact(l, now_ms))
        return false;
    for (size_t i = 0; i < l->peer_count; i++) {
        struct lease_peer *p = &l->peers[i];

        if (!to_be_buried(l, p, now_ms))
            continue;
        p->bury_sent = true;
        if (!LEFT_OUT(nofence))
            refuse(p, now_ms);
        *ret_burial = (struct lease_burial){{slice_from(p->name), p->incarnation}, p->count};
        return true;
    }
    return false;
}

void lease_burial_answered(struct lease *l, struct lease_id id, bool done, uint64_t now_ms)
{
    struct lease_peer *p = lease_peer_find(l, id);

    if (!p || !p->bury_sent)
        return; /* of another epoch or connection */
    p->bury_sent = false;
    p->same_since_ms = 0;
    if (done)
        strike_off(p, true, now_ms);
}

/* A newcomer that hears a member of a lost list must leave it time to come back. */
static bool heard_stranger(const struct lease *l, uint64_t now_ms)
{
    for (size_t i = 0; i < l->peer_count; i++) {
        const struct lease_peer *p = &l->peers[i];

        if (!p->listed && p->heard && now_ms - p->alive_ms < LEASE_WATCH_MS &&
            !lease_peer_outdated(l, p) && !lease_peer_is_self(l, p))
            return true;
    }
    return false;
}

bool lease_may_settle(const struct lease *l, uint64_t now_ms)
{
    return l->on_list && !l->settled && lease_in_contact(l, now_ms) &&
           now_ms - l->contact_ms >= LEASE_WATCH_MS &&
           (!heard_stranger(l, now_ms) || LEFT_OUT(noalone));
}

/* --- told by others --- */

void lease_heard(struct lease *l, struct lease_id id, uint64_t now_ms)
{
    struct lease_peer *p = lease_peer_get(l, id, now_ms);

    p->alive_ms = now_ms;
    p->heard = true;
}

bool lease_saw_leave(const struct lease *l, struct lease_id id)
{
    const struct lease_peer *p = lease_peer_find(l, id);

    return p && p->buried && !p->listed;
}

/* Its renewals may be all that is heard of a node whose mesh is cut. */
static bool lives(const struct lease_peer *p, uint64_t now_ms)
{
    return (p->heard || p->renewed) && now_ms - p->alive_ms < LEASE_WATCH_MS;
}

bool lease_lives(const struct lease *l, struct slice name, uint64_t now_ms, uint64_t *ret_silent_ms)
{
    for (size_t i = 0; i < l->peer_count; i++) {
        const struct lease_peer *p = &l->peers[i];

        if (!slice_is(name, p->name) || !lives(p, now_ms))
            continue;
        *ret_silent_ms = now_ms - p->alive_ms;
        return true;
    }
    return false;
}

bool lease_forget(struct lease *l, struct lease_id id, uint64_t now_ms)
{
    struct lease_peer *p = lease_peer_get(l, id, now_ms);

    if (lives(p, now_ms))
        return false;
    p->left = p->holds = true;
    refuse(p, now_ms);
    return true;
}

/* --- questions --- */

const struct lease_peer *lease_next_member(const struct lease *l, size_t *pos)
{
    while (*pos < l->peer_count) {
        const struct lease_peer *p = &l->peers[(*pos)++];

        if (p->listed)
            return p;
    }
    return NULL;
}

size_t lease_silent_count(const struct lease *l, uint64_t now_ms)
{
    size_t count = 0;

    for (size_t i = 0; i < l->peer_count; i++)
        count += l->peers[i].listed && l->peers[i].same_since_ms &&
                 now_ms - l->peers[i].same_since_ms >= LEASE_QUIET_MS;
    return count;
}
