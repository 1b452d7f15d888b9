/* Any bytes as what a Redis answers, through the whole store: nothing crashes, each call has one
 * callback, and answers that are believed keep the promises of session/store.h.
 *
 * The input is a list of answers, ended by 0xff each: the first byte says to which command, the
 * rest are the bytes that it gets instead of the true answer, once. */
#include "session/store_redis.h"
#include "sim/bed.h"
#include "sim/redisserver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ANSWERS_MAX 16

static const char *const commands[] = {"EVALSHA",   "EVALSHA", "WAIT",   "SCAN",
                                       "INFO",      "EXISTS",  "SCRIPT", "EVAL",
                                       "SUBSCRIBE", "HSET",    "PUBLISH"};

struct scene {
    struct store *s;
    unsigned sent, heard;
    struct store_renewal renewal;
};

static void on_renewed(void *arg, const struct store_renewal *r)
{
    struct scene *sc = arg;

    sc->heard++;
    if (!r)
        return;
    assert(r->outcome <= STORE_OTHER_FORMAT && r->member_count <= STORE_MEMBERS_MAX);
    assert(r->outcome != STORE_RENEWED || r->epoch);
    for (size_t i = 0; i < r->member_count; i++)
        assert(r->members[i].node.ptr[r->members[i].node.len] == '\0');
    if (r->outcome == STORE_RENEWED)
        sc->renewal = *r;
}

static void on_answer(void *arg, const struct store_answer *a)
{
    ((struct scene *)arg)->heard++;
    assert(!a || a->word <= STORE_NO);
}

static void on_rows(void *arg, const struct store_answer *a)
{
    on_answer(arg, a);
    if (!a || a->word != STORE_OK)
        return;
    assert(a->row_count == 2);
    for (size_t i = 0; i < a->row_count; i++)
        assert(a->rows[i].node.len && (!a->rows[i].granted || slice_is(a->rows[i].node, "a")));
}

static void renew(struct scene *sc)
{
    struct store_renew r = {.incarnation = 7,
                            .epoch = sc->renewal.epoch,
                            .ack = sc->renewal.version,
                            .mode = sc->renewal.epoch ? STORE_SETTLE : STORE_NEW};

    sc->sent++;
    store_renew(sc->s, &r, on_renewed, sc);
}

static void call_all(struct scene *sc)
{
    static const struct store_pair pairs[] = {
        {.local = {"a.example", 9}, .remote = {"b.example", 9}, .token = 1},
        {.local = {"a.example", 9}, .remote = {"c.example", 9}, .token = 2}};
    struct store_as as = store_as(sc->s);

    sc->sent += 5;
    store_claim(sc->s, as, pairs, 2, on_rows, sc);
    store_assert(sc->s, as, pairs, 2, on_rows, sc);
    store_sweep(sc->s, as, on_answer, sc);
    store_release(sc->s, as, pairs, 2, on_answer, sc);
    store_bury(sc->s, as, SLICE("b"), 5, 6, on_answer, sc);
    store_put(sc->s, STORE_NODE, SLICE("state"), SLICE("member"));
}

static void take_answers(struct redisserver *r, const uint8_t *data, size_t size)
{
    struct slice rest = slice_make((const char *)data, size);

    for (int i = 0; i < ANSWERS_MAX && rest.len; i++) {
        size_t end = slice_find(rest, (char)0xff);
        struct slice one = slice_sub(rest, 0, end);

        if (one.len)
            redisserver_say_bytes(r, commands[(unsigned char)one.ptr[0] % COUNT(commands)],
                                  slice_from_offset(one, 1), 1);
        rest = slice_from_offset(rest, end + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct redis_place place = {.host = "10.0.0.9", .port = 6379};
    struct store_redis_options o = {.node = "a",
                                    .addr = "10.0.0.1:5290",
                                    .outage = "degrade",
                                    .prefix = "fr",
                                    .places = &place,
                                    .place_count = 1,
                                    .master = "",
                                    .username = "",
                                    .wait_replicas = size & 1};
    struct scene sc = {.sent = 0};
    struct bed bed;
    struct world *w;
    struct loop *loop;
    struct redisserver *redis;

    bed_init(&bed);
    w = world_new(size);
    world_use_host(w, world_host(w, "node", "10.0.0.1"));
    loop = loop_new(&bed.counters, &bed.sink);
    redis = redisserver_open(world_host(w, "redis", "10.0.0.9"), "10.0.0.9:6379");
    redisserver_habit(redis)->replicas = 1;
    take_answers(redis, data, size);
    sc.s = store_redis_new(loop, &o, NULL, NULL);
    for (int i = 0; i < 4; i++) {
        world_advance(w, 700);
        renew(&sc);
        world_advance(w, 50);
        call_all(&sc);
    }
    world_advance(w, 7000);
    assert(sc.sent == sc.heard);
    store_free(sc.s);
    world_advance(w, 100);
    loop_free(loop);
    world_free(w);
    bed_fini(&bed);
    return 0;
}
