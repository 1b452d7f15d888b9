/* The table: Redis with its connections. A call that was sent may be late, also after its
 * connection was closed; the scripts must not mind. */
#include "sim/ownership/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { CHANNEL_RENEW, CHANNEL_CALLS };

struct request {
    enum script_id script;
    struct connection connection; /* as it was: number, run */
    int channel;
    struct words keys, args;
    struct reply reply;
    /* what the sender remembers of it */
    uint64_t incarnation;
    uint64_t number; /* renewal */
    bool beside;     /* the owners know nothing of it */
    int target;
    uint64_t target_incarnation;
    uint64_t contact_ms; /* how long it had the table when it sent this */
};

void request_free(struct request *r)
{
    if (!r)
        return;
    reply_fini(&r->reply);
    mem_free(r);
}

/* --- building calls --- */

static void add(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct words *w, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(w->text + w->len, sizeof(w->text) - w->len, format, args);
    va_end(args);
    assert(n >= 0 && w->len + (size_t)n < sizeof(w->text) && w->count < WORDS_MAX);
    w->word[w->count++] = slice_make(w->text + w->len, (size_t)n);
    w->len += (size_t)n + 1;
}

static struct request *request_new(struct world *w, struct node *n, enum script_id script)
{
    struct request *r = mem_alloc(sizeof(*r));

    r->script = script;
    r->connection = *n->connection;
    r->channel = script == SCRIPT_RENEW || (script == SCRIPT_BURY && w->bury_beside)
                     ? CHANNEL_RENEW
                     : CHANNEL_CALLS;
    r->keys.len = r->keys.count = r->args.len = r->args.count = 0;
    memset(&r->reply, 0, sizeof(r->reply));
    r->incarnation = n->lease.incarnation;
    r->number = 0;
    r->beside = false;
    r->target = -1;
    r->contact_ms = w->now_ms - n->contact_ms;
    add(&r->keys, "{fr}:meta");
    add(&r->keys, "{fr}:list");
    add(&r->args, "%s", n->name);
    add(&r->args, "%" PRIu64, n->lease.incarnation);
    add(&r->args, "%" PRIu64, n->connection->number);
    return r;
}

static uint64_t pipe_time(struct world *w, struct pipe *p, uint64_t slow_ms)
{
    uint64_t at = w->now_ms + 1 + slow_ms + world_below(w, w->delays.table_ms);

    if (at < p->last_ms)
        at = p->last_ms;
    p->last_ms = at;
    return at;
}

static void send(struct world *w, struct node *n, struct request *r)
{
    if (n->waiting_count[r->channel]++ == 0)
        n->waiting_ms[r->channel] = w->now_ms;
    world_post(w, pipe_time(w, &n->connection->pipes[r->channel][0], 0),
               (struct event){.kind = EVENT_REQUEST, .slot = n->slot, .request = r});
}

static void add_member_keys(struct request *r, const char *name)
{
    add(&r->keys, "{fr}:node:%s", name);
    add(&r->keys, "{fr}:comp:%s", name);
    add(&r->keys, "{fr}:sess:%s", name);
    add(&r->keys, "{fr}:ev");
}

static void add_brought(void *arg, const struct lease_peer *p)
{
    struct request *r = arg;

    if (r->args.count + 3 > WORDS_MAX)
        return;
    add(&r->args, "%s", p->name);
    add(&r->args, "%" PRIu64, p->incarnation);
    add(&r->args, "%s", p->address ? p->address : "");
}

static uint64_t highest_token(const struct node *n)
{
    uint64_t highest = 0;

    for (int i = 0; i < PAIRS_MAX; i++)
        if (n->token[i] > highest)
            highest = n->token[i];
    return highest;
}

void table_renew(struct world *w, struct node *n)
{
    struct request *r = request_new(w, n, SCRIPT_RENEW);
    struct lease_renewal renewal;

    lease_renew(&n->lease, w->now_ms, &renewal);
    r->number = renewal.number;
    add(&r->keys, "{fr}:gone");
    add(&r->keys, "{fr}:tok");
    add_member_keys(r, n->name);
    add(&r->args, "%s", n->address);
    add(&r->args, "1");
    add(&r->args, "%s", w->stop ? "stop" : "degrade");
    add(&r->args, "run%" PRIu64, n->connection->run);
    add(&r->args, "e%" PRIu64 "-%d", random_u64(&w->rnd) % 100000, n->slot);
    add(&r->args, "%.*s", SLICE_ARGS(renewal.epoch));
    add(&r->args, "%" PRIu64, renewal.ack);
    add(&r->args, "%" PRIu64, highest_token(n));
    add(&r->args, "%s", lease_mode_word(renewal.mode));
    if (renewal.takes_over)
        add(&r->args, "%" PRIu64, renewal.count);
    else
        add(&r->args, "%s", "");
    if (renewal.mode == LEASE_SETTLE)
        w->did.settles++;
    lease_walk_brought(&n->lease, add_brought, r);
    send(w, n, r);
}

static void add_epoch(struct request *r, const struct node *n)
{
    add(&r->args, "%s", n->lease.epoch);
}

void table_bury(struct world *w, struct node *n, const struct lease_burial *b)
{
    struct request *r = request_new(w, n, SCRIPT_BURY);
    struct node *target = node_find(w, b->id.name, b->id.incarnation);

    world_say(w, "%s buries %.*s", n->name, SLICE_ARGS(b->id.name));
    r->target = target ? target->slot : -1;
    r->target_incarnation = b->id.incarnation;
    add(&r->keys, "{fr}:gone");
    add_epoch(r, n);
    add(&r->args, "%.*s", SLICE_ARGS(b->id.name));
    add(&r->args, "%" PRIu64, b->id.incarnation);
    add(&r->args, "%" PRIu64, b->count);
    add_member_keys(r, r->args.word[4].ptr);
    send(w, n, r);
}

void table_bye(struct world *w, struct node *n)
{
    struct request *r = request_new(w, n, SCRIPT_BYE);

    add(&r->keys, "{fr}:gone");
    add_member_keys(r, n->name);
    send(w, n, r);
}

/* False: there is no connection, which the owners hear as of any call that fails. */
static bool can_send(struct node *n, enum script_id script)
{
    struct world *w = n->world;

    if (n->connected)
        return true;
    n->unsent |= 1u << script;
    world_post(w, w->now_ms + 1,
               (struct event){.kind = EVENT_UNSENT, .slot = n->slot, .number = script});
    return false;
}

static struct request *batch_new(struct node *n, enum script_id script,
                                 const struct owners_item *items, size_t count)
{
    struct request *r = request_new(n->world, n, script);

    if (script != SCRIPT_RELEASE)
        add(&r->keys, "{fr}:tok");
    for (size_t i = 0; i < count; i++)
        add(&r->keys, "%.*s", SLICE_ARGS(items[i].key));
    add_epoch(r, n);
    return r;
}

void table_claim(void *node, const struct owners_item *items, size_t count)
{
    struct node *n = node;
    struct request *r;

    if (!can_send(n, SCRIPT_CLAIM))
        return;
    r = batch_new(n, SCRIPT_CLAIM, items, count);
    for (size_t i = 0; i < count; i++) {
        const struct owner_ref *witness = &items[i].witness;

        if (witness->node.len)
            add(&r->args, "%.*s:%" PRIu64 ":%" PRIu64, SLICE_ARGS(witness->node),
                witness->incarnation, witness->token);
        else
            add(&r->args, "%s", "");
    }
    send(n->world, n, r);
}

static void add_tokens(struct request *r, const struct owners_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add(&r->args, "%" PRIu64, items[i].token);
}

void table_assert(void *node, const struct owners_item *items, size_t count)
{
    struct node *n = node;
    struct request *r;

    if (!can_send(n, SCRIPT_ASSERT))
        return;
    r = batch_new(n, SCRIPT_ASSERT, items, count);
    add_tokens(r, items, count);
    send(n->world, n, r);
}

void table_release(void *node, const struct owners_item *items, size_t count)
{
    struct node *n = node;
    struct request *r;

    if (!can_send(n, SCRIPT_RELEASE))
        return;
    r = batch_new(n, SCRIPT_RELEASE, items, count);
    add_tokens(r, items, count);
    send(n->world, n, r);
}

void table_release_beside(struct world *w, struct node *n, int pair, uint64_t token)
{
    struct owners_item item = {.key = slice_from(pair_key(pair)), .token = token};
    struct request *r = batch_new(n, SCRIPT_RELEASE, &item, 1);

    world_say(w, "%s releases %d", n->name, pair);
    add_tokens(r, &item, 1);
    r->beside = true;
    send(w, n, r);
}

void table_sweep(struct world *w, struct node *n)
{
    struct request *r = request_new(w, n, SCRIPT_SWEEP);

    for (int i = 0; i < w->pair_count; i++)
        add(&r->keys, "%s", pair_key(i));
    add_epoch(r, n);
    send(w, n, r);
}

/* --- the table's side --- */

static struct connection *connection_of(struct node *n, uint64_t process, uint64_t number)
{
    struct connection *c = &n->connections[number % PIPES_MAX];

    return n->process == process && c->number == number ? c : NULL;
}

/* TCP tries again after 0.2 s, and each time later; what comes after it waits for it. */
static uint64_t try_again(struct world *w, struct pipe *p)
{
    p->wait_ms = p->wait_ms ? p->wait_ms * 2 : 200 + world_below(w, 200);
    if (p->wait_ms > 8000)
        p->wait_ms = 8000;
    p->blocked_ms = w->now_ms + p->wait_ms;
    return p->blocked_ms;
}

/* Late, or never: true if the event was put off or is to be dropped. */
static bool held_up(struct world *w, struct event *e, int way, bool *ret_drop)
{
    struct node *n = &w->nodes[e->slot];
    struct request *r = e->request;
    struct connection *c = connection_of(n, e->process, r->connection.number);
    struct pipe *p = c ? &c->pipes[r->channel][way] : NULL;
    uint64_t at;

    *ret_drop = r->connection.run != w->run || !w->table_up || !c || (c->closed && c->lost);
    if (*ret_drop)
        return true;
    if (w->now_ms < p->blocked_ms)
        at = p->blocked_ms;
    else if (w->cut_table[e->slot][way])
        at = try_again(w, p);
    else if (way == 0 && w->now_ms < w->stalled_ms)
        at = w->stalled_ms;
    else
        return false;
    world_put_off(w, *e, at);
    return true;
}

static void check_burial(struct world *w, const struct request *r, int by)
{
    struct node *t = r->target >= 0 ? &w->nodes[r->target] : NULL;

    if (!slice_is(reply_at(&r->reply, 0), "ok") || !t)
        return;
    w->did.burials++;
    if (t->up && t->lease.incarnation == r->target_incarnation &&
        w->now_ms - t->answered_ms >= 3000 && r->contact_ms < LEASE_WATCH_MS && !t->leaving) {
        w->early_burial = true;
        world_say(w, "EARLY BURIAL of %s by %s", t->name, w->nodes[by].name);
    }
}

void table_request(struct world *w, struct event *e)
{
    struct request *r = e->request;
    struct connection *c;
    bool drop;

    if (held_up(w, e, 0, &drop)) {
        if (drop)
            request_free(r);
        return;
    }
    redislua_run(w->lua, w->script[r->script], &w->keys, r->keys.word, r->keys.count, r->args.word,
                 r->args.count, &r->reply);
    if (r->reply.kind != REPLY_ARRAY) {
        fprintf(stderr, "%s: %s\n", scripts[r->script].name, r->reply.text);
        abort();
    }
    if (r->script == SCRIPT_BURY)
        check_burial(w, r, e->slot);
    if (w->trace && (r->script != SCRIPT_RENEW ||
                     connection_of(&w->nodes[e->slot], e->process, r->connection.number)->closed))
        world_say(w, "table: %s of %s%s: %s %s", scripts[r->script].name, w->nodes[e->slot].name,
                  connection_of(&w->nodes[e->slot], e->process, r->connection.number)->closed
                      ? " (late)"
                      : "",
                  reply_at(&r->reply, 0).ptr, r->reply.count > 1 ? reply_at(&r->reply, 1).ptr : "");
    c = connection_of(&w->nodes[e->slot], e->process, r->connection.number);
    world_put_off(
        w,
        (struct event){.kind = EVENT_REPLY, .slot = e->slot, .process = e->process, .request = r},
        pipe_time(w, &c->pipes[r->channel][1], w->nodes[e->slot].slow_ms));
}

/* --- the node's side --- */

static uint64_t number_at(const struct reply *r, size_t i)
{
    uint64_t number = 0;
    bool good = slice_to_u64(reply_at(r, i), UINT64_MAX, &number);

    assert(good);
    return number;
}

static void take_list(struct world *w, struct node *n, const struct request *r)
{
    struct lease_row rows[SLOTS_MAX * 2];
    struct lease_answer a = {.epoch = reply_at(&r->reply, 1), .rows = rows};
    bool other = n->lease.seen_settled && !slice_is(a.epoch, n->lease.epoch);

    a.version = number_at(&r->reply, 2);
    a.settled = slice_is(reply_at(&r->reply, 3), "1");
    for (size_t i = 4; i + 5 < r->reply.count; i += 6)
        rows[a.row_count++] = (struct lease_row){
            .id = {reply_at(&r->reply, i), number_at(&r->reply, i + 1)},
            .count = number_at(&r->reply, i + 2),
            .joined = number_at(&r->reply, i + 3),
            .ack = number_at(&r->reply, i + 4),
            .address = reply_at(&r->reply, i + 5),
        };
    if (w->now_ms - n->answered_ms >= LEASE_QUIET_MS)
        n->contact_ms = w->now_ms;
    n->answered_ms = w->now_ms;
    if (w->trace && (other || !n->lease.on_list || n->lease.version != a.version))
        world_say(w, "%s %s: epoch %.*s version %" PRIu64 "%s, %zu members", n->name,
                  other ? "returns" : "learns", SLICE_ARGS(a.epoch), a.version,
                  a.settled ? "" : " unsettled", a.row_count);
    w->did.returns += other;
    lease_renewed(&n->lease, r->number, &a, w->now_ms);
}

static void take_renewal(struct world *w, struct node *n, const struct request *r)
{
    struct slice word = reply_at(&r->reply, 0);

    if (slice_is(word, "ok")) {
        take_list(w, n, r);
        return;
    }
    if (slice_is(word, "stale"))
        return;
    world_say(w, "%s is told: %.*s", n->name, SLICE_ARGS(word));
    if (slice_is(word, "fallen"))
        lease_fallen(&n->lease, r->number);
    else if (slice_is(word, "buried"))
        lease_buried(&n->lease, r->number, number_at(&r->reply, 1));
    else if (slice_is(word, "held"))
        lease_held(&n->lease, r->number, number_at(&r->reply, 1), number_at(&r->reply, 2),
                   w->now_ms);
    else
        abort();
}

static void take_burial(struct world *w, struct node *n, const struct request *r)
{
    struct lease_id id = {r->args.word[4], r->target_incarnation};

    lease_burial_answered(&n->lease, id, slice_is(reply_at(&r->reply, 0), "ok"), w->now_ms);
}

/* "node:incarnation:token" */
static struct owner_ref owner_of(struct slice row)
{
    struct owner_ref owner = {.node = row};
    size_t colon = slice_find(row, ':');
    struct slice rest = slice_from_offset(row, colon + 1);
    size_t second = slice_find(rest, ':');
    bool good = slice_to_u64(slice_sub(rest, 0, second), UINT64_MAX, &owner.incarnation) &&
                slice_to_u64(slice_from_offset(rest, second + 1), UINT64_MAX, &owner.token);

    assert(good);
    owner.node = slice_sub(row, 0, colon);
    return owner;
}

static enum owners_answer take_rows(const struct request *r, struct owner_ref *rows)
{
    if (!slice_is(reply_at(&r->reply, 0), "ok"))
        return OWNERS_WAIT;
    for (size_t i = 1; i < r->reply.count; i++)
        if (reply_at(&r->reply, i).len)
            rows[i - 1] = owner_of(reply_at(&r->reply, i));
    return OWNERS_ROWS;
}

static void take(struct world *w, struct node *n, const struct request *r)
{
    struct owner_ref rows[WORDS_MAX] = {{.token = 0}};

    switch (r->script) {
    case SCRIPT_RENEW:
        take_renewal(w, n, r);
        return;
    case SCRIPT_CLAIM:
        owners_claimed(&n->owners, take_rows(r, rows), rows, w->now_ms);
        return;
    case SCRIPT_ASSERT:
        owners_asserted(&n->owners, take_rows(r, rows), rows, w->now_ms);
        return;
    case SCRIPT_RELEASE:
        if (!r->beside)
            owners_released(&n->owners,
                            slice_is(reply_at(&r->reply, 0), "ok") ? OWNERS_ROWS : OWNERS_WAIT,
                            w->now_ms);
        return;
    case SCRIPT_BURY:
        take_burial(w, n, r);
        return;
    case SCRIPT_BYE:
        n->exit_ms = w->now_ms;
        return;
    default:
        return;
    }
}

void table_unsent(struct world *w, struct event *e)
{
    struct node *n = &w->nodes[e->slot];

    if (!(n->unsent >> e->number & 1))
        return; /* it was connected since, and lost that */
    n->unsent &= ~(1u << e->number);
    node_before(w, n);
    if (e->number == SCRIPT_CLAIM)
        owners_claimed(&n->owners, OWNERS_WAIT, NULL, w->now_ms);
    else if (e->number == SCRIPT_ASSERT)
        owners_asserted(&n->owners, OWNERS_WAIT, NULL, w->now_ms);
    else
        owners_released(&n->owners, OWNERS_WAIT, w->now_ms);
    node_work(w, n);
}

void table_reply(struct world *w, struct event *e)
{
    struct node *n = &w->nodes[e->slot];
    struct request *r = e->request;
    bool drop;

    if (held_up(w, e, 1, &drop)) {
        if (drop)
            request_free(r);
        return;
    }
    if (!n->connected || n->connection->number != r->connection.number) {
        request_free(r); /* of a connection that is closed */
        return;
    }
    n->waiting_count[r->channel]--;
    n->waiting_ms[r->channel] = w->now_ms; /* the next one waits at most since then */
    node_before(w, n);
    take(w, n, r);
    node_work(w, n);
    request_free(r);
}

/* --- connections --- */

void table_dial(struct world *w, struct node *n)
{
    world_post(w, w->now_ms + 1 + world_below(w, w->delays.table_ms),
               (struct event){.kind = EVENT_DIAL, .slot = n->slot, .number = w->run});
}

void table_accept(struct world *w, struct event *e)
{
    uint64_t at = w->now_ms + 1 + world_below(w, w->delays.table_ms);

    if (!w->table_up || e->number != w->run || w->cut_table[e->slot][0] || w->cut_table[e->slot][1])
        return;
    if (at < w->stalled_ms)
        at = w->stalled_ms + 1;
    e->kind = EVENT_DIALLED;
    world_put_off(w, *e, at);
}

void table_dialled(struct world *w, struct event *e)
{
    struct node *n = &w->nodes[e->slot];
    struct connection *c;

    if (n->connected || e->number != w->run || !w->table_up)
        return;
    c = &n->connections[++n->connection_number % PIPES_MAX];
    memset(c, 0, sizeof(*c));
    c->number = n->connection_number;
    c->run = e->number;
    n->connection = c;
    n->connected = true;
    memset(n->waiting_count, 0, sizeof(n->waiting_count));
    world_say(w, "%s has the table", n->name);
    if (!n->leaving)
        table_renew(w, n);
}

void table_close(struct world *w, struct node *n)
{
    world_say(w, "%s loses the table", n->name);
    n->connected = false;
    n->connection->closed = true;
    n->connection->lost = world_chance(w, 50);
    n->unsent = 0;
    lease_contact_lost(&n->lease);
    owners_contact_lost(&n->owners, w->now_ms);
    n->contact_ms = w->now_ms;
    node_work(w, n);
}

static void break_all(struct world *w)
{
    for (int i = 0; i < w->slot_count; i++)
        if (w->nodes[i].up && w->nodes[i].connected)
            world_post(w, w->now_ms + 1 + world_below(w, 500),
                       (struct event){.kind = EVENT_BROKEN,
                                      .slot = i,
                                      .number = w->nodes[i].connection->number});
}

void table_down(struct world *w)
{
    world_say(w, "the table goes down");
    w->table_up = false;
    break_all(w);
}

void table_restart(struct world *w, bool empty, bool older)
{
    world_say(w, "the table is up again%s", empty ? ", empty" : older ? ", older" : "");
    if (empty)
        keyspace_clear(&w->keys);
    else if (older && w->has_replica)
        keyspace_copy(&w->keys, &w->replica);
    if (empty || older)
        w->emptied_ms = w->now_ms;
    w->run++;
    w->table_up = true;
    w->stalled_ms = 0;
}

void table_flush(struct world *w)
{
    world_say(w, "somebody empties the table");
    keyspace_clear(&w->keys);
    w->emptied_ms = w->now_ms;
}

void table_snap(struct world *w)
{
    keyspace_copy(&w->replica, &w->keys);
    w->has_replica = true;
}
