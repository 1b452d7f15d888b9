/* A router with ports made by hand: pairs and instances are plain queues that the test opens,
 * writes and acknowledges; instances come and go. */
#include "base/random.h"
#include "route/router.h"
#include "unit/route/stanzas.h"
#include "unit/test.h"

#define PORTS_MAX 64
#define KEYS      12
#define SENT_MAX  20000

struct port {
    struct outq q;
    struct router *router;
    uint64_t id;          /* of an instance; 0: a pair */
    char name[64];        /* of a pair */
    bool here;            /* not yet closed */
    uint64_t mark;
};

static struct {
    struct router r;
    struct counters counters;
    struct mem_budget memory;
    struct outq_limits limits;
    struct port ports[PORTS_MAX];
    size_t port_count;
    uint64_t now_ms;
    int last[KEYS];       /* highest number delivered for each key */
    int delivered;
    int reordered;
    int bounced;          /* answers that reached the sender's queue */
    int bounced_absent;
} t;

static void port_kick(struct outq *q)
{
    (void)q;
}

/* Numbers carry their key: key * 1,000,000 + n. */
static void note_sent(const struct stanza *s)
{
    int number = number_of(s);
    int key = number / 1000000;

    if (s->flags & STANZA_MADE) {
        t.bounced++;
        return;
    }
    t.delivered++;
    if (number <= t.last[key])
        t.reordered++;
    t.last[key] = number;
}

static void port_fate(struct outq *q, struct stanza *s, enum fate f, enum bounce why,
                      struct slice detail)
{
    struct port *p = LIST_ENTRY(q, struct port, q);

    if (f == FATE_SENT)
        note_sent(s);
    router_fate(p->router, s, f, why, detail);
}

static const struct outq_ops port_ops = {port_kick, port_fate};

static struct port *port_new(uint64_t id, const char *name)
{
    struct port *p = &t.ports[t.port_count++];

    assert_true(t.port_count <= PORTS_MAX);
    outq_init(&p->q, &port_ops, &t.r.limits);
    p->router = &t.r;
    p->id = id;
    p->here = true;
    snprintf(p->name, sizeof(p->name), "%s", name);
    return p;
}

static struct outq *op_pair(void *arg, struct slice key)
{
    char name[64];

    (void)arg;
    for (size_t i = 0; i < t.port_count; i++)
        if (!t.ports[i].id && slice_is(key, t.ports[i].name))
            return &t.ports[i].q;
    slice_to_cstr(key, name, sizeof(name));
    return &port_new(0, name)->q;
}

static struct port *instance(uint64_t id)
{
    for (size_t i = 0; i < t.port_count; i++)
        if (t.ports[i].id == id && t.ports[i].here)
            return &t.ports[i];
    return NULL;
}

static struct outq *op_instance(void *arg, uint64_t id)
{
    struct port *p = instance(id);

    (void)arg;
    return p ? &p->q : NULL;
}

static uint64_t op_now(void *arg)
{
    (void)arg;
    return t.now_ms;
}

static const struct router_ops ops = {op_pair, op_instance, NULL, op_now, NULL, NULL};

static void set_up(enum connections connections)
{
    static const uint64_t seed[2] = {3, 4};
    const struct table_rule rules[] = {
        {SLICE("c.example"), connections, BALANCE_TO, 5000},
        {SLICE("s.example"), CONNECTIONS_REPLACE, BALANCE_TO, 5000},
    };

    memset(&t, 0, sizeof(t));
    t.limits = (struct outq_limits){1000, 1 << 24, 60000, 2000, true};
    router_init(&t.r, &ops, NULL, 0, 1, seed, &t.counters, &t.memory, &t.limits);
    router_configure(&t.r, &t.limits, rules, COUNT(rules));
}

static void join(uint64_t id, const char *pattern)
{
    outq_opened(&port_new(id, "")->q, t.now_ms);
    router_join(&t.r, slice_from(pattern), &(struct table_place){.id = id, .mark = id});
}

/* Its stream ends: what it has not acknowledged goes back. */
static void close_port(struct port *p)
{
    p->here = false;
    outq_lost(&p->q);
    outq_flush(&p->q, true, FATE_RETURNED, BOUNCE_ABSENT, slice_none());
}

static void write_some(struct port *p, uint64_t n)
{
    while (n-- && p->q.open && outq_peek(&p->q))
        outq_wrote(&p->q, ++p->mark);
}

static void accept_message(int key, int n)
{
    char to[32];
    struct stanza *s;

    snprintf(to, sizeof(to), "u%d@c.example/r", key);
    s = message("x@s.example", to, key * 1000000 + n);
    s->accepted_ms = t.now_ms;
    router_accept(&t.r, s, ROUTER_COMPONENT, NULL);
}

static uint64_t sum(unsigned first, unsigned last)
{
    uint64_t v = 0;

    for (unsigned i = first; i <= last; i++)
        v += counter_read(&t.counters, i);
    return v;
}

/* in = out + bounced + dropped + held */
static void check_balance(void)
{
    uint64_t in = sum(COUNTER_IN_COMPONENT_MESSAGE, COUNTER_IN_S2S_IQ);
    uint64_t out = sum(COUNTER_OUT_COMPONENT_MESSAGE, COUNTER_OUT_S2S_IQ);
    uint64_t bounced = sum(COUNTER_BOUNCED, COUNTER_BOUNCED_END);
    uint64_t dropped = sum(COUNTER_DROPPED, COUNTER_DROPPED_END);

    CHECK_EQ(in, out + bounced + dropped + t.r.held_count);
}

static void tear_down(void)
{
    router_flush_held(&t.r, BOUNCE_DRAIN);
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < t.port_count; i++)
            outq_flush(&t.ports[i].q, true, FATE_BOUNCED, BOUNCE_DRAIN, slice_none());
    router_flush_held(&t.r, BOUNCE_DRAIN);
    for (size_t i = 0; i < t.port_count; i++) {
        outq_flush(&t.ports[i].q, true, FATE_DROPPED, BOUNCE_DRAIN, slice_none());
        outq_fini(&t.ports[i].q);
    }
    CHECK_EQ(t.r.held_count, 0);
    CHECK_EQ(mem_used(&t.memory), 0);
    check_balance();
    router_fini(&t.r);
}

/* COMP-11, ERR-05: held for grace, then an answer to what may be answered, silence to the rest. */
TEST(router, bounces_for_an_absent_component_after_its_grace)
{
    set_up(CONNECTIONS_REPLACE);
    join(1, "s.example");
    accept_message(0, 1);
    router_accept(&t.r, stanza_of(STANZA_MESSAGE, "error", "x@s.example", "c.example", 2, 0),
                  ROUTER_COMPONENT, NULL);
    router_accept(&t.r, stanza_of(STANZA_IQ, "result", "x@s.example", "c.example", 3, 0),
                  ROUTER_COMPONENT, NULL);
    router_tick(&t.r, NULL);
    CHECK_EQ(t.r.held_count, 3);
    t.now_ms = 5000;
    router_tick(&t.r, NULL);
    CHECK_EQ(t.r.held_count, 0);
    CHECK_EQ(counter_read(&t.counters, COUNTER_BOUNCED + BOUNCE_ABSENT), 1);
    CHECK_EQ(counter_read(&t.counters, COUNTER_DROPPED + BOUNCE_ABSENT), 2);
    write_some(instance(1), 10);
    outq_acked(&instance(1)->q, UINT64_MAX, t.now_ms);
    CHECK_EQ(t.bounced, 1);
    accept_message(0, 4); /* from now on at once */
    CHECK_EQ(counter_read(&t.counters, COUNTER_BOUNCED + BOUNCE_ABSENT), 2);
    tear_down();
}

TEST(router, gives_what_was_held_to_the_component_that_comes_back)
{
    set_up(CONNECTIONS_REPLACE);
    for (int i = 1; i <= 5; i++)
        accept_message(0, i);
    join(7, "c.example");
    accept_message(0, 6);
    write_some(instance(7), 100);
    outq_acked(&instance(7)->q, UINT64_MAX, 0);
    CHECK_EQ(t.delivered, 6);
    CHECK_EQ(t.reordered, 0);
    tear_down();
}

/* The stream is gone, the table has not heard of it: no circle. */
TEST(router, holds_a_stanza_for_an_instance_that_just_went)
{
    set_up(CONNECTIONS_REPLACE);
    join(1, "c.example");
    close_port(instance(1));
    accept_message(0, 1);
    CHECK_EQ(t.r.held_count, 1);
    router_leave(&t.r, 1);
    join(2, "c.example");
    write_some(instance(2), 1);
    outq_acked(&instance(2)->q, UINT64_MAX, 0);
    CHECK_EQ(t.delivered, 1);
    tear_down();
}

/* More is held than the new instance's queue takes: the rest bounces, one by one. */
TEST(router, gives_what_was_held_to_a_queue_that_has_no_room)
{
    set_up(CONNECTIONS_REPLACE);
    t.limits.stanzas_count = t.r.limits.stanzas_count = 2;
    join(1, "c.example");
    for (int i = 1; i <= 4; i++) /* twice the bound, while it moves */
        accept_message(0, i);
    close_port(instance(1));
    router_leave(&t.r, 1);
    accept_message(0, 5);
    accept_message(0, 6);
    CHECK_EQ(t.r.held_count, 6);
    join(2, "c.example");
    CHECK_EQ(t.r.held_count, 4);
    CHECK_EQ(counter_read(&t.counters, COUNTER_BOUNCED + BOUNCE_QUEUE_FULL), 2);
    write_some(instance(2), 10);
    outq_acked(&instance(2)->q, UINT64_MAX, 0);
    CHECK_EQ(t.delivered, 4);
    CHECK_EQ(t.reordered, 0);
    tear_down();
}

/* A reload that balances by the other address moves keys to other instances: not before what is
 * under way has arrived. */
TEST(router, never_reorders_a_key_when_the_balance_changes)
{
    const struct table_rule from = {SLICE("c.example"), CONNECTIONS_SHARE, BALANCE_FROM, 5000};

    for (uint64_t slow = 1; slow <= 2; slow++) {
        set_up(CONNECTIONS_SHARE);
        join(1, "c.example");
        join(2, "c.example");
        for (int key = 0; key < KEYS; key++)
            accept_message(key, 1);
        router_configure(&t.r, &t.limits, &from, 1);
        for (int key = 0; key < KEYS; key++)
            accept_message(key, 2);
        for (int round = 0; round < 6; round++) {
            struct port *p = instance(round % 2 ? slow : 3 - slow);

            write_some(p, 100);
            outq_acked(&p->q, p->mark, t.now_ms);
        }
        CHECK_EQ(t.delivered, 2 * KEYS);
        CHECK_EQ(t.reordered, 0);
        tear_down();
    }
}

TEST(router, answers_with_a_usable_sender_when_the_address_was_none)
{
    struct stanza *s = stanza_of(STANZA_MESSAGE, NULL, "x@s.example", "a@b@c", 1, 0);

    set_up(CONNECTIONS_REPLACE);
    join(1, "s.example");
    stanza_set_domains(s, SLICE("s.example"), slice_none());
    router_refuse(&t.r, s, ROUTER_COMPONENT, BOUNCE_BAD_ADDRESS, slice_none());
    CHECK_SLICE(outq_peek(&instance(1)->q)->from, "s.example"); /* ERR-06 */
    CHECK_SLICE(outq_peek(&instance(1)->q)->to, "x@s.example");
    tear_down();
}

/* What a full queue refuses has its fate at once, long before what it took: that the new instance
 * may have a key is not to be read from the number of fates. */
TEST(router, never_reorders_a_key_while_others_are_refused)
{
    for (uint64_t first = 1; first <= 2; first++) {
        set_up(CONNECTIONS_SHARE);
        t.limits.stanzas_count = t.r.limits.stanzas_count = KEYS;
        join(1, "s.example");
        join(100, "c.example");
        for (int key = 0; key < KEYS; key++)
            accept_message(key, 1);
        join(101, "c.example");
        for (int n = 2; n <= 6; n++)
            for (int key = 0; key < KEYS; key++)
                accept_message(key, n);
        CHECK(counter_read(&t.counters, COUNTER_BOUNCED + BOUNCE_QUEUE_FULL) > 0);
        for (int round = 0; round < 6; round++) {
            struct port *p = instance(round % 2 ? 99 + first : 102 - first);

            write_some(p, 100);
            outq_acked(&p->q, p->mark, t.now_ms);
        }
        CHECK(t.delivered > KEYS);
        CHECK_EQ(t.reordered, 0);
        tear_down();
    }
}

/* COMP-12, ROUTE-05: whatever instances do, each key's stanzas arrive in the order accepted. */
TEST(router, never_reorders_a_key_while_instances_come_and_go)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct random rnd;
        int sent[KEYS] = {0};
        uint64_t next_id = 100;

        random_init_seeded(&rnd, seed);
        set_up(CONNECTIONS_SHARE);
        t.r.limits.stanzas_count = seed % 3 ? 1000 : 5; /* little room: much is refused */
        join(1, "s.example");
        join(next_id++, "c.example");
        for (int step = 0; step < 400; step++) {
            struct port *p = &t.ports[random_below(&rnd, t.port_count)];
            uint64_t draw = random_below(&rnd, 100);

            if (draw < 50) {
                int key = (int)random_below(&rnd, KEYS);

                accept_message(key, ++sent[key]);
            } else if (draw < 75) {
                write_some(p, random_below(&rnd, 5));
            } else if (draw < 95 && p->here) {
                outq_acked(&p->q, p->mark - random_below(&rnd, p->mark ? 2 : 1), t.now_ms);
            } else if (draw < 97 && t.port_count < PORTS_MAX - 4) {
                join(next_id++, "c.example");
            } else if (draw < 99 && p->id >= 100 && p->here) {
                uint64_t id = p->id;

                if (draw == 97) /* its end and the table's word come in either order */
                    router_leave(&t.r, id);
                close_port(p);
                router_leave(&t.r, id);
            }
            check_balance();
        }
        CHECK_MSG(t.reordered == 0, "seed %d: %d reordered", (int)seed, t.reordered);
        tear_down();
    }
}

TESTS(TEST_OF(router, bounces_for_an_absent_component_after_its_grace),
      TEST_OF(router, gives_what_was_held_to_the_component_that_comes_back),
      TEST_OF(router, holds_a_stanza_for_an_instance_that_just_went),
      TEST_OF(router, gives_what_was_held_to_a_queue_that_has_no_room),
      TEST_OF(router, never_reorders_a_key_when_the_balance_changes),
      TEST_OF(router, answers_with_a_usable_sender_when_the_address_was_none),
      TEST_OF(router, never_reorders_a_key_while_others_are_refused),
      TEST_OF(router, never_reorders_a_key_while_instances_come_and_go))
