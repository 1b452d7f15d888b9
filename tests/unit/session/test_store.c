/* session/store: what both kinds of the table promise. As it stands the embedded one is tested;
 * tests/interop/test_redis.py runs the same program with FEDROUTER_TEST_REDIS for real ones. Each
 * test is a new incarnation of node "a" and takes away what it wrote. CLUST-02, CLUST-05. */
#include "unit/test.h"

#include "unit/storebed.h"

#include "base/mem.h"

#define SECONDS 15

/* One node's view: the last answer of each kind. Names in rows are kept as texts. */
struct seat {
    struct store *s;
    unsigned opened_count;
    unsigned broken_count;
    char notice[64];
    unsigned answer_count; /* callbacks so far */
    bool lost;
    enum store_outcome outcome;
    struct store_renewal renewal;
    struct store_member members[8];
    char names[8][32];
    char member_addrs[8][32];
    char value[32];
    struct store_answer answer;
    struct store_claim rows[STORE_BATCH_MAX];
    char row_nodes[STORE_BATCH_MAX][32];
};

static struct counters counters;
static struct log_sink sink;
static struct loop *loop;
static struct seat a, b;
static uint64_t last_incarnation;

/* --- waiting --------------------------------------------------------------------------------- */

static void on_time(struct timer *t)
{
    loop_stop(loop);
}

static void run_ms(uint64_t ms)
{
    struct timer t;

    timer_init(&t, loop, on_time);
    timer_start(&t, ms);
    loop_run(loop);
    timer_stop(&t);
}

/* Until `count` callbacks came. */
static void wait_answers(const struct seat *n, unsigned count)
{
    for (int i = 0; i < SECONDS * 200 && n->answer_count < count; i++)
        run_ms(5);
    CHECK_EQ(n->answer_count, count);
}

/* --- callbacks ------------------------------------------------------------------------------- */

static void on_opened(void *arg, uint64_t connection)
{
    struct seat *n = arg;

    n->opened_count++;
    CHECK_EQ(connection, store_state(n->s)->connection);
}

static void on_broken(void *arg, const char *why)
{
    struct seat *n = arg;

    n->broken_count++;
}

static void on_notice(void *arg, struct slice text)
{
    struct seat *n = arg;

    CHECK(slice_to_cstr(text, n->notice, sizeof(n->notice)));
}

static const struct store_events events = {on_opened, on_broken, on_notice};

static void on_renewed(void *arg, const struct store_renewal *r)
{
    struct seat *n = arg;

    n->answer_count++;
    n->lost = !r;
    if (!r)
        return;
    n->renewal = *r;
    n->outcome = r->outcome;
    CHECK(r->member_count <= COUNT(n->members));
    for (size_t i = 0; i < r->member_count; i++) {
        n->members[i] = r->members[i];
        CHECK(slice_to_cstr(r->members[i].node, n->names[i], sizeof(n->names[i])));
        CHECK(slice_to_cstr(r->members[i].addr, n->member_addrs[i], sizeof(n->member_addrs[i])));
    }
    CHECK(slice_to_cstr(r->value.len ? r->value : SLICE(""), n->value, sizeof(n->value)));
}

static void on_answer(void *arg, const struct store_answer *answer)
{
    struct seat *n = arg;

    n->answer_count++;
    n->lost = !answer;
    if (!answer)
        return;
    n->answer = *answer;
    for (size_t i = 0; i < answer->row_count; i++) {
        n->rows[i] = answer->rows[i];
        CHECK(slice_to_cstr(answer->rows[i].node, n->row_nodes[i], sizeof(n->row_nodes[i])));
    }
}

/* --- calls, each with its answer ------------------------------------------------------------- */

static enum store_outcome renew_with(struct seat *n, const struct store_renew *r)
{
    unsigned before = n->answer_count;

    store_renew(n->s, r, on_renewed, n);
    CHECK_EQ(n->answer_count, before); /* never inside the call */
    wait_answers(n, before + 1);
    CHECK_MSG(!n->lost, "lost: %s", store_state(n->s)->why);
    return n->outcome;
}

static enum store_outcome renew(struct seat *n, uint64_t incarnation, enum store_mode mode)
{
    struct store_renew r = {.incarnation = incarnation, .mode = mode};

    if (n->renewal.outcome == STORE_RENEWED && store_as(n->s).incarnation == incarnation) {
        r.epoch = n->renewal.epoch;
        r.ack = n->renewal.version;
    }
    return renew_with(n, &r);
}

static const struct store_member *member(const struct seat *n, const char *name)
{
    for (size_t i = 0; i < n->renewal.member_count; i++)
        if (!strcmp(n->names[i], name))
            return &n->members[i];
    return NULL;
}

/* On the list, settled, and all have acknowledged it. */
static struct store_as enter(struct seat *n)
{
    uint64_t incarnation = ++last_incarnation;

    memset(&n->renewal, 0, sizeof(n->renewal));
    CHECK_EQ(renew(n, incarnation, STORE_NEW), STORE_RENEWED);
    CHECK_EQ(renew(n, incarnation, STORE_SETTLE), STORE_RENEWED);
    CHECK_EQ(renew(n, incarnation, STORE_RIGHT), STORE_RENEWED);
    CHECK(n->renewal.settled);
    CHECK_EQ(store_as(n->s).incarnation, incarnation);
    CHECK_EQ(store_as(n->s).epoch, n->renewal.epoch);
    return store_as(n->s);
}

typedef void batch_fn(struct store *s, struct store_as as, const struct store_pair *pairs,
                      size_t count, store_done_fn *done, void *arg);

static enum store_word batch(struct seat *n, batch_fn *fn, struct store_as as,
                             const struct store_pair *pairs, size_t count)
{
    unsigned before = n->answer_count;

    fn(n->s, as, pairs, count, on_answer, n);
    CHECK_EQ(n->answer_count, before);
    wait_answers(n, before + 1);
    CHECK_MSG(!n->lost, "lost: %s", store_state(n->s)->why);
    if (n->answer.word == STORE_OK && fn != store_release)
        CHECK_EQ(n->answer.row_count, count);
    return n->answer.word;
}

static struct store_pair pair(const char *remote, uint64_t token)
{
    return (struct store_pair){
        .local = SLICE("rooms.example.org"), .remote = slice_from(remote), .token = token};
}

static enum store_word one(struct seat *n, batch_fn *fn, struct store_as as, const char *remote,
                           uint64_t token)
{
    struct store_pair p = pair(remote, token);

    return batch(n, fn, as, &p, 1);
}

static enum store_word sweep(struct seat *n, struct store_as as)
{
    unsigned before = n->answer_count;

    store_sweep(n->s, as, on_answer, n);
    wait_answers(n, before + 1);
    CHECK(!n->lost);
    return n->answer.word;
}

static enum store_word bury(struct seat *n, struct store_as as, const char *node,
                            uint64_t incarnation, uint64_t count)
{
    unsigned before = n->answer_count;

    store_bury(n->s, as, slice_from(node), incarnation, count, on_answer, n);
    wait_answers(n, before + 1);
    CHECK(!n->lost);
    return n->answer.word;
}

static enum store_word bye(struct seat *n, struct store_as as)
{
    unsigned before = n->answer_count;

    store_bye(n->s, as, on_answer, n);
    wait_answers(n, before + 1);
    CHECK(!n->lost);
    return n->answer.word;
}

/* --- one node: both kinds -------------------------------------------------------------------- */

TEST(store, joins_settles_and_counts)
{
    struct store_as as = enter(&a);
    uint64_t count = member(&a, "a")->count;
    uint64_t before_ms = loop_boot_ms(loop);

    CHECK(as.epoch);
    CHECK_EQ(renew(&a, as.incarnation, STORE_RIGHT), STORE_RENEWED);
    CHECK_EQ(member(&a, "a")->count, count + 1);
    CHECK_EQ(member(&a, "a")->incarnation, as.incarnation);
    CHECK_EQ(member(&a, "a")->ack, a.renewal.version);
    CHECK(member(&a, "a")->joined <= a.renewal.version);
    CHECK(a.renewal.sent_boot_ms >= before_ms && a.renewal.sent_boot_ms <= loop_boot_ms(loop));
    CHECK(store_state(a.s)->open && store_state(a.s)->up);
    CHECK_STR(store_state(a.s)->why, "");
}

TEST(store, tokens_rise_and_release_asks_for_them)
{
    struct store_as as = enter(&a);
    uint64_t first, second;

    CHECK_EQ(one(&a, store_claim, as, "x.example", 0), STORE_OK);
    CHECK(a.rows[0].granted && a.rows[0].incarnation == as.incarnation);
    CHECK_STR(a.row_nodes[0], "a");
    first = a.rows[0].token;
    CHECK_EQ(one(&a, store_claim, as, "x.example", 0), STORE_OK);
    second = a.rows[0].token;
    CHECK(a.rows[0].granted && second > first);
    CHECK_EQ(one(&a, store_release, as, "x.example", first), STORE_OK);
    CHECK_EQ(a.answer.number, 0);
    CHECK_EQ(one(&a, store_release, as, "x.example", second), STORE_OK);
    CHECK_EQ(a.answer.number, 1);
    CHECK_EQ(one(&a, store_release, as, "x.example", second), STORE_OK);
    CHECK_EQ(a.answer.number, 0);
}

TEST(store, a_batch_answers_in_its_order)
{
    static struct store_pair pairs[STORE_BATCH_MAX];
    static char names[STORE_BATCH_MAX][32];
    struct store_as as = enter(&a);

    for (size_t i = 0; i < COUNT(pairs); i++) {
        snprintf(names[i], sizeof(names[i]), "n%zu.example", i);
        pairs[i] = pair(names[i], 0);
    }
    CHECK_EQ(batch(&a, store_claim, as, pairs, COUNT(pairs)), STORE_OK);
    for (size_t i = 0; i < COUNT(pairs); i++) {
        CHECK(a.rows[i].granted);
        CHECK(i == 0 || a.rows[i].token == a.rows[i - 1].token + 1);
        pairs[i].token = a.rows[i].token;
    }
    pairs[7].token++;
    CHECK_EQ(batch(&a, store_release, as, pairs, COUNT(pairs)), STORE_OK);
    CHECK_EQ(a.answer.number, COUNT(pairs) - 1);
    CHECK_EQ(one(&a, store_release, as, names[7], pairs[7].token - 1), STORE_OK);
}

TEST(store, asserts_what_may_be_lost)
{
    struct store_as as = enter(&a);
    uint64_t token;

    CHECK_EQ(one(&a, store_claim, as, "x.example", 0), STORE_OK);
    token = a.rows[0].token;
    CHECK_EQ(one(&a, store_assert, as, "x.example", token), STORE_OK); /* it is there */
    CHECK(a.rows[0].granted && a.rows[0].token == token);
    CHECK_EQ(one(&a, store_release, as, "x.example", token), STORE_OK);
    CHECK_EQ(one(&a, store_assert, as, "x.example", token), STORE_OK); /* it was lost */
    CHECK(a.rows[0].granted && a.rows[0].token == token);
    CHECK_EQ(one(&a, store_assert, as, "provisional.example", 0), STORE_OK);
    CHECK(a.rows[0].granted && a.rows[0].token > token);
    CHECK_EQ(one(&a, store_release, as, "provisional.example", a.rows[0].token), STORE_OK);
    CHECK_EQ(one(&a, store_release, as, "x.example", token), STORE_OK);
    CHECK_EQ(a.answer.number, 1);
}

/* It was let go of, which the table does not know yet, and taken again without the table: the word
 * that comes late is about the row of before. */
TEST(store, a_pair_without_a_token_gets_one_of_its_own)
{
    struct store_as as = enter(&a);
    uint64_t before;

    CHECK_EQ(one(&a, store_claim, as, "x.example", 0), STORE_OK);
    before = a.rows[0].token;
    CHECK_EQ(one(&a, store_assert, as, "x.example", 0), STORE_OK);
    CHECK(a.rows[0].granted && a.rows[0].token > before);
    CHECK_EQ(one(&a, store_release, as, "x.example", before), STORE_OK);
    CHECK_EQ(a.answer.number, 0);
    CHECK_EQ(one(&a, store_release, as, "x.example", a.rows[0].token), STORE_OK);
    CHECK_EQ(a.answer.number, 1);
}

TEST(store, a_later_incarnation_takes_over)
{
    struct store_as old = enter(&a);
    struct store_as as;

    CHECK_EQ(one(&a, store_claim, old, "x.example", 0), STORE_OK);
    CHECK_EQ(one(&a, store_claim, old, "y.example", 0), STORE_OK);
    as = enter(&a);
    CHECK_EQ(one(&a, store_claim, old, "x.example", 0), STORE_OUT);
    CHECK_EQ(one(&a, store_release, old, "x.example", 1), STORE_OUT);
    CHECK_EQ(one(&a, store_claim, as, "x.example", 0), STORE_OK);
    CHECK(a.rows[0].granted);
    CHECK_EQ(sweep(&a, as), STORE_OK); /* y.example, and what other tests left */
    CHECK(a.answer.number >= 1);
    CHECK_EQ(sweep(&a, as), STORE_OK);
    CHECK_EQ(a.answer.number, 0);
    CHECK_EQ(one(&a, store_release, as, "x.example", a.rows[0].token), STORE_OK);
    CHECK_EQ(a.answer.number, 1);
    CHECK_EQ(renew(&a, old.incarnation, STORE_RIGHT), STORE_BURIED);
    CHECK(a.renewal.incarnation >= old.incarnation && a.renewal.incarnation <= as.incarnation);
}

TEST(store, refuses_what_is_not_of_this_time)
{
    struct store_as as = enter(&a);
    struct store_as other = {as.incarnation, as.epoch + 1};
    struct store_as nobody = {as.incarnation + 1000, as.epoch};

    CHECK_EQ(one(&a, store_claim, as, "y.example", 0), STORE_OK); /* something to sweep */
    CHECK_EQ(one(&a, store_claim, other, "x.example", 0), STORE_WAIT);
    CHECK_EQ(one(&a, store_assert, other, "x.example", 0), STORE_WAIT);
    CHECK_EQ(sweep(&a, other), STORE_WAIT);
    CHECK_EQ(one(&a, store_claim, nobody, "x.example", 0), STORE_OUT);
    CHECK_EQ(bury(&a, nobody, "z", 1, 1), STORE_OUT);
    CHECK_EQ(bury(&a, as, "z", 1, 1), STORE_NO);
    CHECK_EQ(renew_with(&a, &(struct store_renew){.incarnation = as.incarnation + 1000,
                                                  .epoch = as.epoch,
                                                  .mode = STORE_RIGHT}),
             STORE_FALLEN);
    CHECK_EQ(renew_with(&a, &(struct store_renew){.incarnation = as.incarnation,
                                                  .epoch = as.epoch + 1,
                                                  .mode = STORE_NONE}),
             STORE_FALLEN);
}

TEST(store, who_says_bye_is_gone)
{
    struct store_as as = enter(&a);
    uint64_t version = a.renewal.version;

    CHECK_EQ(bye(&a, as), STORE_OK);
    CHECK(a.answer.number > version);
    CHECK_EQ(bye(&a, as), STORE_OUT);
    CHECK_EQ(one(&a, store_claim, as, "x.example", 0), STORE_OUT);
    CHECK_EQ(renew(&a, as.incarnation, STORE_NEW), STORE_BURIED);
    CHECK_EQ(a.renewal.incarnation, as.incarnation);
}

TEST(store, calls_are_answered_in_their_order)
{
    struct store_as as = enter(&a);
    unsigned before = a.answer_count;
    struct store_pair p = pair("x.example", 0);

    for (int i = 0; i < 20; i++)
        store_claim(a.s, as, &p, 1, on_answer, &a);
    for (unsigned i = 1; i <= 20; i++) {
        uint64_t token = a.rows[0].token;

        wait_answers(&a, before + 20);
        CHECK(a.rows[0].token >= token);
    }
    CHECK_EQ(one(&a, store_release, as, "x.example", a.rows[0].token), STORE_OK);
    CHECK_EQ(a.answer.number, 1);
}

TEST(store, without_a_callback)
{
    struct store_as as = enter(&a);
    struct store_pair p;

    CHECK_EQ(one(&a, store_claim, as, "x.example", 0), STORE_OK);
    p = pair("x.example", a.rows[0].token);
    store_release(a.s, as, &p, 1, NULL, NULL);
    CHECK_EQ(one(&a, store_release, as, "x.example", a.rows[0].token), STORE_OK);
    CHECK_EQ(a.answer.number, 0);
}

/* --- two nodes: the shared table alone ------------------------------------------------------- */

#define SHARED_ONLY()                                                                              \
    do {                                                                                           \
        if (!storebed_is_redis())                                                                  \
            return;                                                                                \
    } while (0)

static bool b_open(void)
{
    for (int i = 0; i < SECONDS * 200 && !store_state(b.s)->open; i++)
        run_ms(5);
    return store_state(b.s)->open;
}

static void open_b(const char *addr, const char *outage)
{
    memset(&b, 0, sizeof(b));
    b.s = storebed_open(loop, "b", addr, outage, &events, &b);
    CHECK(b_open());
}

static void close_b(void)
{
    store_free(b.s);
    run_ms(1);
}

/* Both on the list, and it is known to be. */
static void enter_both(struct store_as *ret_a, struct store_as *ret_b)
{
    *ret_a = enter(&a);
    open_b("10.0.0.2:5290", "degrade");
    *ret_b = enter(&b);
    CHECK_EQ(renew(&a, ret_a->incarnation, STORE_RIGHT), STORE_RENEWED);
    CHECK_EQ(renew(&a, ret_a->incarnation, STORE_RIGHT), STORE_RENEWED);
}

TEST(store, nobody_claims_before_all_know_him)
{
    struct store_as as_a, as_b;
    uint64_t token;

    SHARED_ONLY();
    as_a = enter(&a);
    CHECK_EQ(one(&a, store_claim, as_a, "x.example", 0), STORE_OK);
    token = a.rows[0].token;
    open_b("10.0.0.2:5290", "degrade");
    as_b = enter(&b);
    CHECK(member(&b, "a") && member(&b, "b"));
    CHECK_STR(b.member_addrs[member(&b, "a") - b.members], "10.0.0.1:5290");
    CHECK_EQ(one(&b, store_claim, as_b, "x.example", 0), STORE_WAIT);
    CHECK_EQ(renew(&a, as_a.incarnation, STORE_RIGHT), STORE_RENEWED);
    CHECK_EQ(renew(&a, as_a.incarnation, STORE_RIGHT), STORE_RENEWED);
    CHECK_EQ(one(&b, store_claim, as_b, "x.example", 0), STORE_OK);
    CHECK(!b.rows[0].granted);
    CHECK_STR(b.row_nodes[0], "a");
    CHECK(b.rows[0].incarnation == as_a.incarnation && b.rows[0].token == token);
    CHECK_EQ(one(&b, store_release, as_b, "x.example", token), STORE_OK);
    CHECK_EQ(b.answer.number, 0); /* not his */
    CHECK_EQ(bye(&b, as_b), STORE_OK);
    close_b();
}

TEST(store, a_changed_list_is_told)
{
    uint64_t version;

    SHARED_ONLY();
    a.notice[0] = '\0';
    for (int i = 0; i < 100 && !a.notice[0]; i++) {
        enter(&a); /* lossy: the ear may not be up yet */
        run_ms(50);
    }
    CHECK(slice_to_u64(slice_from(a.notice), a.renewal.version, &version));
    CHECK(version > 0);
}

TEST(store, a_witness_hands_a_pair_over)
{
    struct store_as as_a, as_b;
    struct store_pair p;

    SHARED_ONLY();
    enter_both(&as_a, &as_b);
    CHECK_EQ(one(&a, store_claim, as_a, "x.example", 0), STORE_OK);
    p = pair("x.example", a.rows[0].token - 1);
    p.witness = SLICE("a");
    p.witness_incarnation = as_a.incarnation;
    CHECK_EQ(batch(&b, store_claim, as_b, &p, 1), STORE_OK);
    CHECK(!b.rows[0].granted); /* not the token that he has */
    p.token++;
    CHECK_EQ(batch(&b, store_claim, as_b, &p, 1), STORE_OK);
    CHECK(b.rows[0].granted && b.rows[0].token > p.token);
    CHECK_EQ(one(&a, store_release, as_a, "x.example", p.token), STORE_OK);
    CHECK_EQ(a.answer.number, 0);
    CHECK_EQ(bye(&b, as_b), STORE_OK);
    close_b();
}

TEST(store, the_dead_are_buried_and_their_rows_free)
{
    struct store_as as_a, as_b;
    uint64_t count;

    SHARED_ONLY();
    enter_both(&as_a, &as_b);
    CHECK_EQ(one(&b, store_claim, as_b, "x.example", 0), STORE_OK);
    CHECK_EQ(one(&b, store_claim, as_b, "y.example", 0), STORE_OK);
    count = member(&a, "b")->count;
    CHECK_EQ(bury(&a, as_a, "b", as_b.incarnation, count - 1), STORE_NO); /* it renewed since */
    CHECK_EQ(bury(&a, as_a, "b", as_b.incarnation, count), STORE_OK);
    CHECK_EQ(one(&b, store_claim, as_b, "z.example", 0), STORE_OUT);
    CHECK_EQ(renew(&b, as_b.incarnation, STORE_RIGHT), STORE_BURIED);
    CHECK_EQ(one(&a, store_claim, as_a, "x.example", 0), STORE_OK);
    CHECK(a.rows[0].granted);
    CHECK_EQ(sweep(&a, as_a), STORE_OK);
    CHECK_EQ(a.answer.number, 1);
    close_b();
}

TEST(store, a_name_has_one_holder)
{
    struct store_as as_a, as_b;
    uint64_t old;

    SHARED_ONLY();
    enter_both(&as_a, &as_b);
    close_b();
    old = as_b.incarnation;
    open_b("10.0.0.3:5290", "degrade");
    memset(&b.renewal, 0, sizeof(b.renewal));
    CHECK_EQ(renew(&b, ++last_incarnation, STORE_NEW), STORE_HELD);
    CHECK_EQ(b.renewal.incarnation, old);
    CHECK_EQ(renew_with(&b, &(struct store_renew){.incarnation = last_incarnation,
                                                  .mode = STORE_NEW,
                                                  .holder_still = true,
                                                  .holder_count = b.renewal.count}),
             STORE_RENEWED);
    CHECK_EQ(bye(&b, store_as(b.s)), STORE_OK);
    close_b();
}

TEST(store, one_outage_rule_for_all)
{
    struct store_as as_a, as_b;

    SHARED_ONLY();
    enter_both(&as_a, &as_b);
    close_b();
    open_b("10.0.0.2:5290", "stop");
    CHECK_EQ(renew(&b, ++last_incarnation, STORE_NEW), STORE_OTHER_OUTAGE);
    CHECK_STR(b.value, "degrade");
    close_b();
    open_b("10.0.0.2:5290", "degrade"); /* goes in order */
    CHECK_EQ(bye(&b, enter(&b)), STORE_OK);
    close_b();
}

TEST(store, a_restored_list_comes_back_with_its_returner)
{
    uint64_t c = ++last_incarnation, d = ++last_incarnation;
    struct store_name held[] = {{SLICE("c"), c, SLICE("10.0.0.4:5290")},
                                {SLICE("d"), d, SLICE("10.0.0.5:5290")}};
    struct store_as as_a;
    struct store_renew r;

    SHARED_ONLY();
    as_a = enter(&a);
    CHECK_EQ(bye(&a, as_a), STORE_OK);
    r = (struct store_renew){.incarnation = ++last_incarnation,
                             .epoch = as_a.epoch + 1, /* of a table that was lost */
                             .mode = STORE_RIGHT,
                             .held = held,
                             .held_count = COUNT(held)};
    CHECK_EQ(renew_with(&a, &r), STORE_RENEWED);
    CHECK(member(&a, "c") && member(&a, "c")->incarnation == c);
    CHECK_STR(a.member_addrs[member(&a, "d") - a.members], "10.0.0.5:5290");
    CHECK_EQ(renew(&a, r.incarnation, STORE_RIGHT), STORE_RENEWED);
    CHECK_EQ(bury(&a, store_as(a.s), "c", c, member(&a, "c")->count), STORE_OK);
    CHECK_EQ(bury(&a, store_as(a.s), "d", d, member(&a, "d")->count), STORE_OK);
    CHECK_EQ(bye(&a, store_as(a.s)), STORE_OK);
}

/* --- measured -------------------------------------------------------------------------------- */

/* Printed, for test_redis.py: what a batch of 200 costs. */
TEST(store, speed)
{
    static struct store_pair pairs[STORE_BATCH_MAX];
    static char names[STORE_BATCH_MAX][64];
    struct store_as as;
    uint64_t best_us = UINT64_MAX;

    SHARED_ONLY();
    as = enter(&a);
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < COUNT(pairs); i++) {
            snprintf(names[i], sizeof(names[i]), "server-%d-%zu.example.net", round, i);
            pairs[i] = pair(names[i], 0);
        }
        CHECK_EQ(batch(&a, store_claim, as, pairs, COUNT(pairs)), STORE_OK);
        if (store_state(a.s)->latency_us < best_us)
            best_us = store_state(a.s)->latency_us;
        for (size_t i = 0; i < COUNT(pairs); i++)
            pairs[i].token = a.rows[i].token;
        CHECK_EQ(batch(&a, store_release, as, pairs, COUNT(pairs)), STORE_OK);
        CHECK_EQ(a.answer.number, COUNT(pairs));
    }
    printf("claim of 200: %.2f ms\n", (double)best_us / 1000);
}

static int begin(void **state)
{
    loop = loop_new(&counters, &sink);
    a.s = storebed_open(loop, "a", "10.0.0.1:5290", "degrade", &events, &a);
    for (int i = 0; i < SECONDS * 200 && !a.opened_count; i++)
        run_ms(5);
    last_incarnation = loop_wall_us(loop);
    if (!a.opened_count)
        fprintf(stderr, "not open: %s\n", store_state(a.s)->why);
    return a.opened_count == 1 ? 0 : -1;
}

static int end(void **state)
{
    CHECK_EQ(a.broken_count, 0);
    store_free(a.s);
    run_ms(1);
    loop_free(loop);
    return 0;
}

TESTS_WITHIN(begin, end, TEST_OF(store, joins_settles_and_counts),
             TEST_OF(store, tokens_rise_and_release_asks_for_them),
             TEST_OF(store, a_batch_answers_in_its_order), TEST_OF(store, asserts_what_may_be_lost),
             TEST_OF(store, a_pair_without_a_token_gets_one_of_its_own),
             TEST_OF(store, a_later_incarnation_takes_over),
             TEST_OF(store, refuses_what_is_not_of_this_time), TEST_OF(store, who_says_bye_is_gone),
             TEST_OF(store, calls_are_answered_in_their_order), TEST_OF(store, without_a_callback),
             TEST_OF(store, nobody_claims_before_all_know_him),
             TEST_OF(store, a_changed_list_is_told), TEST_OF(store, a_witness_hands_a_pair_over),
             TEST_OF(store, the_dead_are_buried_and_their_rows_free),
             TEST_OF(store, a_name_has_one_holder), TEST_OF(store, one_outage_rule_for_all),
             TEST_OF(store, a_restored_list_comes_back_with_its_returner), TEST_OF(store, speed))
