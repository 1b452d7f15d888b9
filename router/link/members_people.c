/* What operators see of the cluster, and what they say to it. */
#include "link/members_inner.h"

#include <stdarg.h>
#include <stdio.h>

/* --- configurations that should be the same --- */

static struct slice digest_of(const struct frame_hello *h, enum digest i)
{
    const struct slice all[DIGESTS] = {
        [DIGEST_DIALBACK] = h->dialback_digest,
        [DIGEST_COMPONENTS] = h->components_digest,
        [DIGEST_PEERS] = h->peers_digest,
    };

    return all[i];
}

static void keep_digests(struct fellow *f, const struct frame_hello *h)
{
    for (unsigned i = 0; i < DIGESTS; i++) {
        struct slice d = digest_of(h, (enum digest)i);

        f->digest_len[i] = d.len;
        if (d.len)
            memcpy(f->digests[i], d.ptr, d.len);
    }
}

static unsigned differences(const struct members *m, const struct fellow *f)
{
    unsigned bits = 0;

    for (unsigned i = 0; i < DIGESTS; i++)
        if (!slice_eq(slice_make(f->digests[i], f->digest_len[i]),
                      digest_of(&m->o.hello, (enum digest)i)))
            bits |= 1u << i;
    return bits;
}

static void log_differences(struct members *m, const struct fellow *f)
{
    static const char *const words[1 << DIGESTS] = {
        "nothing",
        "dialback secrets",
        "components",
        "dialback secrets, components",
        "peers",
        "dialback secrets, peers",
        "components, peers",
        "dialback secrets, components, peers",
    };

    LOG(members_log(m), f->differs ? LOG_WARN : LOG_INFO, "mesh.config_differs",
        LOG_TEXT("node", f->name), LOG_TEXT("in", words[f->differs]),
        LOG_TEXT("remedy", f->differs ? "make them the same on all nodes, and reload" : "none"));
}

/* It said hello (NULL: ours changed). */
void members_compare(struct members *m, struct fellow *f, const struct frame_hello *h)
{
    unsigned was = f->differs;

    if (h)
        keep_digests(f, h);
    else if (!f->up)
        return;
    f->differs = differences(m, f);
    if (f->differs != was)
        log_differences(m, f);
}

/* --- questions --- */

void members_listen(struct members *m, const struct members_ears *ears, void *arg)
{
    m->ears = ears;
    m->ears_arg = arg;
}

bool members_ask(struct members *m, struct slice node, const struct frame_ask *ask)
{
    const struct fellow *f = members_fellow(m, node);
    struct frame out = {.type = FRAME_ASK, .ask = *ask};

    if (!f || !f->up || !m->views)
        return false;
    members_send(m, node, &out);
    return true;
}

void members_answer(struct members *m, struct slice node, const struct frame_answer *a)
{
    struct frame out = {.type = FRAME_ANSWER, .answer = *a};

    if (m->views)
        members_send(m, node, &out);
}

void members_hear_ask(struct members *m, const struct fellow *f, const struct frame *in)
{
    if (!m->ears)
        return;
    if (in->type == FRAME_ASK)
        m->ears->asked(m->ears_arg, slice_from(f->name), &in->ask);
    else
        m->ears->answered(m->ears_arg, slice_from(f->name), &in->answer);
}

void members_lost(struct members *m, struct fellow *f)
{
    f->up = false;
    f->turned_ms = members_now(m);
    if (m->ears)
        m->ears->lost(m->ears_arg, slice_from(f->name));
}

/* --- a node that is dead --- */

static const struct lease_peer *listed(const struct members *m, struct slice node)
{
    const struct lease_peer *p;
    size_t pos = 0;

    while ((p = lease_next_member(&m->lease, &pos)))
        if (slice_is(node, p->name))
            return p;
    return NULL;
}

bool members_hears(const struct members *m, struct slice node, uint64_t *ret_silent_ms)
{
    *ret_silent_ms = 0;
    return members_is_self(m, node) || lease_lives(&m->lease, node, members_now(m), ret_silent_ms);
}

bool members_may_forget(const struct members *m, struct slice node, char *why, size_t size)
{
    uint64_t silent_ms;

    if (members_is_self(m, node))
        snprintf(why, size, "%.*s is this node", SLICE_ARGS(node));
    else if (!listed(m, node))
        snprintf(why, size, "%.*s is not on the list of nodes, so that nobody waits for it",
                 SLICE_ARGS(node));
    else if (lease_lives(&m->lease, node, members_now(m), &silent_ms))
        snprintf(why, size, "%.*s answers: it was heard %llu.%llu s ago", SLICE_ARGS(node),
                 (unsigned long long)silent_ms / 1000, (unsigned long long)silent_ms / 100 % 10);
    else
        return true;
    return false;
}

static size_t tell_all(struct members *m, const struct frame *f, struct slice but)
{
    size_t told = 0;

    LIST_WALK(node, &m->fellows)
    {
        const struct fellow *to = LIST_ENTRY(node, struct fellow, node);

        if (!to->up || slice_is(but, to->name))
            continue;
        members_send(m, slice_from(to->name), f);
        told++;
    }
    return told;
}

uint64_t members_forget(struct members *m, struct slice node, size_t *ret_told)
{
    uint64_t incarnation = listed(m, node)->incarnation;
    struct frame f = {.type = FRAME_FORGET, .gone = {{node, incarnation}}};
    bool done;

    members_before(m);
    done = lease_forget(&m->lease, (struct lease_id){node, incarnation}, members_now(m));
    assert(done); /* members_may_forget */
    LOG(members_log(m), LOG_WARN, "member.forgotten", LOG_SLICE("member", node),
        LOG_INT("incarnation", incarnation), LOG_TEXT("by", m->name));
    *ret_told = tell_all(m, &f, node);
    members_bury_silent(m);
    members_after(m);
    return incarnation;
}

/* Whom nobody here knows, nobody here waits for: what others make up is not kept. */
void members_hear_forget(struct members *m, const struct fellow *by, const struct frame_member *who)
{
    const struct lease_peer *p = listed(m, who->node);
    bool done;

    if (!p || p->incarnation != who->incarnation)
        return;
    members_before(m);
    done = lease_forget(&m->lease, (struct lease_id){who->node, who->incarnation}, members_now(m));
    LOG(members_log(m), LOG_WARN, done ? "member.forgotten" : "member.not_forgotten",
        LOG_SLICE("member", who->node), LOG_INT("incarnation", who->incarnation),
        LOG_TEXT("by", by->name));
}

/* --- rows --- */

static void put_fellow(const struct members *m, const struct fellow *f, struct members_row *row)
{
    row->up = f->up;
    row->up_ms = members_now(m) - f->turned_ms;
    row->dialback_differs = f->differs >> DIGEST_DIALBACK & 1;
    row->components_differ = f->differs >> DIGEST_COMPONENTS & 1;
    row->peers_differ = f->differs >> DIGEST_PEERS & 1;
}

static void walk_self(const struct members *m, members_row_fn *fn, void *arg)
{
    struct members_row row = {.node = slice_from(m->name),
                              .incarnation = m->lease.incarnation,
                              .address = slice_from(m->address),
                              .self = true,
                              .listed = m->lease.on_list};

    fn(arg, &row);
}

static void walk_member(const struct members *m, const struct lease_peer *p, members_row_fn *fn,
                        void *arg)
{
    const struct fellow *f = members_fellow(m, slice_from(p->name));
    uint64_t now = members_now(m);
    struct members_row row = {.node = slice_from(p->name),
                              .incarnation = p->incarnation,
                              .address = slice_from(p->address ? p->address : ""),
                              .listed = true,
                              .silent_ms = now - p->alive_ms,
                              .acknowledged = m->lease.joined && p->ack >= m->lease.joined,
                              .promises = p->holds || now < p->promised_ms,
                              .left = p->left};

    if (f)
        put_fellow(m, f, &row);
    fn(arg, &row);
}

/* On the mesh, not on the list: it was buried and does not know, or comes or goes. */
static void walk_stranger(const struct members *m, const struct fellow *f, members_row_fn *fn,
                          void *arg)
{
    struct members_row row = {.node = slice_from(f->name),
                              .incarnation = f->incarnation,
                              .address = slice_from(f->address ? f->address : "")};

    put_fellow(m, f, &row);
    row.silent_ms = f->up ? 0 : row.up_ms;
    fn(arg, &row);
}

void members_walk(const struct members *m, members_row_fn *fn, void *arg)
{
    const struct lease_peer *p;
    size_t pos = 0;

    walk_self(m, fn, arg);
    while ((p = lease_next_member(&m->lease, &pos)))
        if (!members_is_self(m, slice_from(p->name)))
            walk_member(m, p, fn, arg);
    LIST_WALK(node, &m->fellows)
    {
        const struct fellow *f = LIST_ENTRY(node, struct fellow, node);

        if (!listed(m, slice_from(f->name)))
            walk_stranger(m, f, fn, arg);
    }
}

/* --- numbers --- */

/* None is needed while renewals are answered. */
static bool needs_promises(const struct members *m)
{
    return m->lease.on_list && members_now(m) >= m->lease.right_ms;
}

static uint64_t left_ms(uint64_t until_ms, uint64_t now_ms)
{
    if (until_ms == UINT64_MAX)
        return until_ms;
    return until_ms > now_ms ? until_ms - now_ms : 0;
}

void members_count(const struct members *m, struct members_numbers *n)
{
    const struct lease *l = &m->lease;
    uint64_t now = members_now(m);
    size_t pos = 0;

    *n = (struct members_numbers){.right_left_ms = left_ms(lease_until_ms(l), now),
                                  .member_count = l->on_list,
                                  .silent_count = lease_silent_count(l, now),
                                  .state_ms = now - m->state_since_ms};
    if (needs_promises(m))
        n->promises_missing_count = lease_promises_missing(l, now);
    while (lease_next_member(l, &pos))
        n->member_count++;
    LIST_WALK(node, &m->fellows)
    {
        const struct fellow *f = LIST_ENTRY(node, struct fellow, node);

        n->peer_count += f->up;
        n->differs_count += f->up && f->differs;
    }
}

/* --- sentences --- */

struct sentence {
    char *out;
    size_t at;
};

static void say(struct sentence *s, const char *format, ...) PRINTF(2, 3);

/* What is too long is cut. */
static void say(struct sentence *s, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(s->out + s->at, MEMBERS_TEXT_BYTES - s->at, format, args);
    va_end(args);
    s->at += n > 0 ? (size_t)n : 0;
    if (s->at >= MEMBERS_TEXT_BYTES)
        s->at = MEMBERS_TEXT_BYTES - 1;
}

static unsigned long long seconds(const struct members *m, uint64_t since_ms)
{
    return (members_now(m) - since_ms) / 1000;
}

static void say_table(struct sentence *s, const struct members *m)
{
    const struct store_state *t = members_store_state(m);

    if (!m->answered_ms)
        say(s, "the table has not answered yet");
    else
        say(s, "the table has not answered for %llu s", seconds(m, m->answered_ms));
    if (!t->up && t->why[0])
        say(s, " (%s)", t->why);
}

/* More than a few names help nobody. */
#define NAMED_MAX 4

typedef bool picked_fn(const struct members *m, const struct lease_peer *p);

static bool no_promise(const struct members *m, const struct lease_peer *p)
{
    return !p->holds && members_now(m) >= p->promised_ms;
}

static bool no_acknowledgement(const struct members *m, const struct lease_peer *p)
{
    return p->ack < m->lease.joined;
}

static void say_name(struct sentence *s, const struct members *m, const struct lease_peer *p)
{
    unsigned long long silent_s = seconds(m, p->alive_ms);

    say(s, "%s", p->name);
    if (silent_s >= LEASE_QUIET_MS / 1000)
        say(s, " (not heard for %llu s)", silent_s);
}

/* How many there are. */
static size_t say_names(struct sentence *s, const struct members *m, picked_fn *picked)
{
    const struct lease_peer *p;
    size_t pos = 0;
    size_t n = 0;

    while ((p = lease_next_member(&m->lease, &pos))) {
        if (members_is_self(m, slice_from(p->name)) || !picked(m, p))
            continue;
        if (n < NAMED_MAX) {
            say(s, "%s", n ? ", " : "");
            say_name(s, m, p);
        }
        n++;
    }
    if (n > NAMED_MAX)
        say(s, " and %zu more", n - NAMED_MAX);
    return n;
}

static void say_joining(struct sentence *s, const struct members *m)
{
    if (m->lease.on_list) {
        say(s, "waiting until every member has this node on its list; missing: ");
        if (!say_names(s, m, no_acknowledgement))
            say(s, "nobody");
        say(s, "; one that is dead is taken off the list by itself (6.5 s; 30 s if it never had "
               "this node on its own), or by fedrouterctl forget");
    } else if (m->lease.held_incarnation) {
        say(s,
            "another process has the name %s at another mesh address; if it is dead, it is "
            "followed "
            "after 30 s of silence; else give one of them another node.name",
            m->name);
    } else {
        say_table(s, m);
        say(s, "; this node joins when it does");
    }
}

static void say_settling(struct sentence *s, const struct members *m)
{
    say(s,
        "the table is new or began anew %llu s ago; waiting for members that it had before; where "
        "none is heard it is settled after 6.5 s",
        seconds(m, m->state_since_ms));
}

static void say_degraded(struct sentence *s, const struct members *m)
{
    say(s, "serving on the promises of all other members; ");
    say_table(s, m);
    say(s, "; until it does, none of them may stop without a word");
}

static void say_parked(struct sentence *s, const struct members *m)
{
    say(s, "no right to write for %llu s, stanzas wait; ", seconds(m, m->state_since_ms));
    if (!m->lease.asserted) {
        say(s, "the table began anew, and this node's rows are not back in it yet");
        return;
    }
    say_table(s, m);
    if (m->o.stop) {
        say(s, "; it goes on when the table answers (store.redis.outage is stop)");
        return;
    }
    say(s, "; missing is the promise of ");
    if (!say_names(s, m, no_promise))
        say(s, "nobody");
    say(s, "; it goes on when the table answers, or they do; whoever of them is dead, and had no "
           "Redis since: fedrouterctl forget");
}

const char *members_explain(const struct members *m, char out[MEMBERS_TEXT_BYTES])
{
    struct sentence s = {out, 0};

    out[0] = '\0';
    switch (members_state(m)) {
    case LEASE_JOINING:
        say_joining(&s, m);
        break;
    case LEASE_SETTLING:
        say_settling(&s, m);
        break;
    case LEASE_MEMBER:
        say(&s, "serving");
        break;
    case LEASE_DEGRADED:
        say_degraded(&s, m);
        break;
    case LEASE_PARKED:
        say_parked(&s, m);
        break;
    case LEASE_DRAINING:
        say(&s, "shutting down; what is held is sent, then links are closed");
        break;
    }
    return out;
}
