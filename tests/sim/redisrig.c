#include "sim/redisrig.h"

#include "unit/test.h"

static void on_opened(void *arg, uint64_t connection)
{
    struct rig *r = arg;

    r->opened_count++;
    CHECK_EQ(connection, r->opened_count);
}

static void on_broken(void *arg, const char *why)
{
    struct rig *r = arg;

    r->broken_count++;
    CHECK_EQ(r->sent_count, r->answered_count + r->lost_count); /* all lost, before */
    snprintf(r->why, sizeof(r->why), "%s", why);
}

static const struct store_events events = {.opened = on_opened, .broken = on_broken};

void rig_init(struct rig *r, uint64_t seed)
{
    const char *problem;

    memset(r, 0, sizeof(*r));
    bed_init(&r->bed);
    r->w = world_new(seed);
    r->node = world_host(r->w, "node", "10.0.0.1");
    world_use_host(r->w, r->node);
    r->loop = loop_new(&r->bed.counters, &r->bed.sink);
    r->redis = redisserver_open(world_host(r->w, "redis", "10.0.0.9"), REDIS);
    CHECK_EQ(redis_url_parse(SLICE("redis://" REDIS), &r->places[0], &problem), OK);
    r->o = (struct store_redis_options){.node = "a",
                                        .addr = "10.0.0.1:5290",
                                        .outage = "degrade",
                                        .prefix = "fr",
                                        .places = r->places,
                                        .place_count = 1,
                                        .sentinels = r->sentinels,
                                        .master = "table",
                                        .username = ""};
}

void rig_start(struct rig *r)
{
    r->s = store_redis_new(r->loop, &r->o, &events, r);
}

void rig_fini(struct rig *r)
{
    store_free(r->s);
    world_advance(r->w, 100);
    loop_free(r->loop);
    world_free(r->w);
    bed_fini(&r->bed);
}

bool rig_is_open(void *arg)
{
    return store_state(((struct rig *)arg)->s)->open;
}

bool rig_is_closed(void *arg)
{
    return !rig_is_open(arg);
}

void rig_open(struct rig *r, uint64_t seed)
{
    rig_init(r, seed);
    rig_start(r);
    CHECK(world_run_until(r->w, rig_is_open, r, 1000));
}

void rig_check_why(struct rig *r, const char *one, const char *other)
{
    const char *why = store_state(r->s)->why;

    CHECK(!store_state(r->s)->up);
    CHECK_MSG(strstr(why, one) && strstr(why, other), "\"%s\" says neither \"%s\" nor \"%s\"", why,
              one, other);
}

static void on_renewed(void *arg, const struct store_renewal *renewal)
{
    struct rig *r = arg;

    r->answered_count += renewal != NULL;
    r->lost_count += renewal == NULL;
    if (renewal)
        r->renewal = *renewal;
}

void rig_on_answer(void *arg, const struct store_answer *a)
{
    struct rig *r = arg;

    r->answered_count += a != NULL;
    r->lost_count += a == NULL;
    if (!a)
        return;
    r->word = a->word;
    r->number = a->number;
    r->granted = a->row_count && a->rows[0].granted;
    r->token = a->row_count ? a->rows[0].token : 0;
}

void rig_send_renewal(struct rig *r)
{
    struct store_renew renew = {.incarnation = 1000,
                                .epoch = r->renewal.epoch,
                                .ack = r->renewal.version,
                                .mode = r->renewal.settled ? STORE_RIGHT
                                        : r->renewal.epoch ? STORE_SETTLE
                                                           : STORE_NEW};

    r->sent_count++;
    store_renew(r->s, &renew, on_renewed, r);
}

void rig_send_claim(struct rig *r)
{
    struct store_pair p = {.local = SLICE("a.example"), .remote = SLICE("b.example")};

    r->sent_count++;
    store_claim(r->s, store_as(r->s), &p, 1, rig_on_answer, r);
}

bool rig_all_heard(void *arg)
{
    struct rig *r = arg;

    return r->answered_count + r->lost_count == r->sent_count;
}

bool rig_renew(struct rig *r)
{
    unsigned lost = r->lost_count;

    rig_send_renewal(r);
    CHECK(world_run_until(r->w, rig_all_heard, r, 10000));
    return r->lost_count == lost;
}

bool rig_claim(struct rig *r)
{
    unsigned lost = r->lost_count;

    rig_send_claim(r);
    CHECK(world_run_until(r->w, rig_all_heard, r, 10000));
    return r->lost_count == lost;
}

void rig_enter(struct rig *r)
{
    CHECK(rig_renew(r) && rig_renew(r) && rig_renew(r));
    CHECK(r->renewal.outcome == STORE_RENEWED && r->renewal.settled);
    CHECK(rig_claim(r) && r->word == STORE_OK && r->granted);
    CHECK(store_state(r->s)->up);
}
