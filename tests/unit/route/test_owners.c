#include "route/owners.h"
#include "unit/test.h"

#include <stdlib.h>

/* Node `a` with its lease; the table and the other members are the test's. What the module says is
 * kept as lines of text. */
static struct {
    struct lease lease;
    struct owners o;
    uint64_t now;
    uint64_t version;
    char said[8192];
    size_t claims, asserts, releases; /* pairs in the last batch of each kind */
    char first_claim[64];
    struct owner_ref witness;
    struct owners_item released[OWNERS_BATCH_MAX];
} t;

static void say(const char *format, ...)
{
    size_t len = strlen(t.said);
    va_list ap;

    va_start(ap, format);
    vsnprintf(t.said + len, sizeof(t.said) - len, format, ap);
    va_end(ap);
}

static void on_claim(void *arg, const struct owners_item *items, size_t count)
{
    (void)arg;
    t.claims = count;
    t.witness = items[0].witness;
    slice_to_cstr(items[0].key, t.first_claim, sizeof(t.first_claim));
    say("claim %zu; ", count);
}

static void on_assert(void *arg, const struct owners_item *items, size_t count)
{
    (void)arg;
    t.asserts = count;
    say("assert %zu %.*s %llu; ", count, SLICE_ARGS(items[0].key),
        (unsigned long long)items[0].token);
}

static void on_release(void *arg, const struct owners_item *items, size_t count)
{
    (void)arg;
    t.releases = count;
    say("release %.*s %llu; ", SLICE_ARGS(items[0].key), (unsigned long long)items[0].token);
}

static void on_granted(void *arg, struct slice key, uint64_t token, bool provisional)
{
    (void)arg;
    say("%s %.*s %llu; ", provisional ? "provisional" : "granted", SLICE_ARGS(key),
        (unsigned long long)token);
}

static void on_elsewhere(void *arg, struct slice key, const struct owner_ref *owner)
{
    (void)arg;
    say("elsewhere %.*s [%.*s %llu]; ", SLICE_ARGS(key), SLICE_ARGS(owner->node),
        (unsigned long long)owner->token);
}

static void on_lost(void *arg, struct slice key, const struct owner_ref *owner)
{
    (void)arg;
    say("lost %.*s [%.*s]; ", SLICE_ARGS(key), SLICE_ARGS(owner->node));
}

static void on_taken(void *arg, struct slice key, uint64_t token)
{
    (void)arg;
    say("taken %.*s %llu; ", SLICE_ARGS(key), (unsigned long long)token);
}

static const struct owners_ops ops = {on_claim,     on_assert, on_release, on_granted,
                                      on_elsewhere, on_lost,   on_taken};

static struct slice text(const char *s)
{
    return slice_from(s);
}

/* Members of the table as the answer to a renewal shows them: `a` and those named. */
static void renew_in(const char *epoch, const char *others, bool settled)
{
    struct lease_row rows[8] = {{{text("a"), 1}, 1, 1, 1, text("a:1")}};
    static char names[8][2];
    struct lease_renewal r;
    size_t n = 1;

    for (; *others; others++, n++) {
        names[n][0] = *others;
        rows[n] = (struct lease_row){{text(names[n]), 1}, t.now, 1, 1, text("x:1")};
    }
    lease_renew(&t.lease, t.now, &r);
    lease_renewed(&t.lease, r.number,
                  &(struct lease_answer){text(epoch), ++t.version, settled, rows, n}, t.now);
}

static void set_up(const char *others)
{
    static const uint64_t seed[2] = {1, 2};

    memset(&t, 0, sizeof(t));
    t.now = 1000000;
    lease_init(&t.lease, text("a"), text("a:1"), false, 1);
    owners_init(&t.o, &ops, NULL, &t.lease, seed);
    renew_in("e1", others, true);
    CHECK(lease_may_claim(&t.lease, t.now));
}

static void tear_down(void)
{
    owners_fini(&t.o);
    lease_fini(&t.lease);
}

#define SAID(words)                                                                                \
    do {                                                                                           \
        CHECK_STR(t.said, words);                                                                  \
        t.said[0] = '\0';                                                                          \
    } while (0)

static void want(const char *key)
{
    owners_want(&t.o, text(key), false, t.now);
}

static struct owner_ref ref(const char *node, uint64_t token)
{
    return (struct owner_ref){text(node), 1, token};
}

static void claimed(const char *node, uint64_t token)
{
    struct owner_ref row = ref(node, token);

    owners_claimed(&t.o, OWNERS_ROWS, &row, t.now);
}

static void own(const char *key, uint64_t token)
{
    want(key);
    claimed("a", token);
    t.said[0] = '\0';
}

/* The table is away for so long that the right by renewal is over; who promises is the test's. */
static void lose_table(void)
{
    lease_contact_lost(&t.lease);
    owners_contact_lost(&t.o, t.now);
    t.now += LEASE_RIGHT_MS + 1;
    CHECK(!lease_may_claim(&t.lease, t.now));
}

static void pong(const char *from, uint64_t round, bool promise, bool can_claim, const char *mine)
{
    struct slice keys[1] = {text(mine ? mine : "")};
    struct owners_pong p = {.round = round,
                            .can_claim = can_claim,
                            .promise = promise,
                            .mine = keys,
                            .mine_count = mine != NULL};
    struct lease_pong l = {round, 1, promise, true};

    lease_hear_pong(&t.lease, (struct lease_id){text(from), 1}, &l, t.now);
    owners_hear_pong(&t.o, (struct lease_id){text(from), 1}, &p, t.now);
}

/* A round of PINGs, that asks about so many pairs. Returns its number. */
static uint64_t ask(size_t pairs)
{
    struct lease_ping ping;
    struct slice keys[4];

    lease_ask(&t.lease, t.now, &ping);
    CHECK_EQ(owners_ask(&t.o, ping.number, t.now, keys, 4), pairs);
    return ping.number;
}

static void promise(const char *from, uint64_t round, const char *mine)
{
    pong(from, round, true, false, mine);
}

/* A pair whose choice among the members is that node. */
static const char *pair_of(const char *node)
{
    static char key[32];

    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "l r%d", i);
        if (slice_is(lease_choice(&t.lease, text(key)), node))
            return key;
    }
    return NULL;
}

TEST(owners, claims_before_it_grants)
{
    set_up("b");
    want("l r");
    SAID("claim 1; ");
    want("l r"); /* asked already */
    SAID("");
    claimed("a", 7);
    SAID("granted l r 7; ");
    CHECK(owners_has(&t.o, text("l r")));
    want("l r"); /* the worker forgot that it has it */
    SAID("granted l r 7; ");
    tear_down();
}

TEST(owners, the_claim_is_the_look_up)
{
    set_up("b");
    want("l r");
    claimed("b", 9);
    SAID("claim 1; elsewhere l r [b 9]; ");
    CHECK_EQ(map_count(&t.o.rows), 0);
    tear_down();
}

TEST(owners, one_batch_of_claims_is_under_way)
{
    static struct owner_ref rows[OWNERS_BATCH_MAX];
    char key[16];

    set_up("b");
    for (int i = 0; i < 251; i++) {
        snprintf(key, sizeof(key), "l r%d", i);
        want(key);
    }
    SAID("claim 1; ");
    claimed("b", 1);
    SAID("elsewhere l r0 [b 1]; claim 200; ");
    CHECK_STR(t.first_claim, "l r1");
    for (int i = 0; i < OWNERS_BATCH_MAX; i++)
        rows[i] = ref("a", (uint64_t)i + 1);
    owners_claimed(&t.o, OWNERS_ROWS, rows, t.now);
    CHECK_EQ(t.claims, 50);
    CHECK_EQ(t.o.counts[OWNER_OURS], 200);
    tear_down();
}

TEST(owners, asks_again_later_when_the_table_says_wait)
{
    set_up("b");
    want("l r");
    SAID("claim 1; ");
    owners_claimed(&t.o, OWNERS_WAIT, NULL, t.now);
    owners_tick(&t.o, t.now + OWNERS_RETRY_FIRST_MS - 1);
    SAID("");
    t.now += OWNERS_RETRY_FIRST_MS;
    owners_tick(&t.o, t.now);
    SAID("claim 1; ");
    owners_claimed(&t.o, OWNERS_WAIT, NULL, t.now);
    t.now += OWNERS_RETRY_FIRST_MS;
    owners_tick(&t.o, t.now); /* the second wait is longer */
    SAID("");
    t.now += OWNERS_RETRY_FIRST_MS;
    owners_tick(&t.o, t.now);
    claimed("a", 1);
    SAID("claim 1; granted l r 1; ");
    tear_down();
}

TEST(owners, a_void_claim_counts_for_nothing)
{
    struct lease_pong answer;

    set_up("b");
    want("l r");
    t.now += LEASE_QUIET_MS; /* the answer does not come: b is promised something */
    lease_answer_ping(&t.lease, text("b"), &(struct lease_ping){1, 1, 0}, t.now, &answer);
    CHECK(answer.promise);
    t.said[0] = '\0';
    claimed("a", 3);
    SAID("");
    CHECK(!owners_has(&t.o, text("l r")));
    t.now += LEASE_BOUND_MS;
    renew_in("e1", "b", true);
    owners_tick(&t.o, t.now);
    claimed("a", 4);
    SAID("claim 1; granted l r 4; ");
    tear_down();
}

TEST(owners, a_pair_nobody_wants_any_more_is_let_go)
{
    set_up("b");
    want("l r");
    owners_release(&t.o, text("l r"));
    claimed("a", 5);
    SAID("claim 1; release l r 5; ");
    owners_released(&t.o, OWNERS_ROWS, t.now);
    own("l s", 6);
    owners_release(&t.o, text("l s"));
    SAID("release l s 6; ");
    CHECK_EQ(map_count(&t.o.rows), 0);
    tear_down();
}

TEST(owners, a_release_without_an_answer_is_sent_again)
{
    set_up("b");
    own("l r", 5);
    owners_release(&t.o, text("l r"));
    SAID("release l r 5; ");
    owners_contact_lost(&t.o, t.now);
    owners_tick(&t.o, t.now);
    SAID("release l r 5; ");
    owners_released(&t.o, OWNERS_ROWS, t.now);
    owners_tick(&t.o, t.now);
    SAID("");
    tear_down();
}

/* Redis is busy, say: not as fast as it can refuse. */
TEST(owners, what_the_table_refuses_is_not_sent_again_at_once)
{
    set_up("b");
    own("l r", 5);
    own("l s", 6);
    owners_release(&t.o, text("l s"));
    renew_in("e2", "b", true);
    owners_assert_all(&t.o);
    SAID("release l s 6; assert 1 l r 5; ");
    owners_asserted(&t.o, OWNERS_WAIT, NULL, t.now);
    owners_released(&t.o, OWNERS_WAIT, t.now);
    owners_tick(&t.o, t.now);
    SAID("");
    t.now += OWNERS_RETRY_MOST_MS;
    owners_tick(&t.o, t.now);
    SAID("assert 1 l r 5; release l s 6; ");
    owners_asserted(&t.o, OWNERS_WAIT, NULL, t.now);
    owners_released(&t.o, OWNERS_WAIT, t.now);
    owners_contact_lost(&t.o, t.now); /* another server: it may be willing */
    owners_tick(&t.o, t.now);
    SAID("assert 1 l r 5; release l s 6; ");
    tear_down();
}

TEST(owners, rows_are_put_back_into_a_new_epoch)
{
    set_up("b");
    own("l r", 5);
    own("l s", 6);
    renew_in("e2", "b", true);
    CHECK_EQ(lease_take_duties(&t.lease), LEASE_ASSERT_PAIRS);
    owners_assert_all(&t.o);
    CHECK_EQ(t.asserts, 2);
    CHECK(!t.lease.asserted);
    t.said[0] = '\0';
    owners_asserted(&t.o, OWNERS_ROWS, (struct owner_ref[]){ref("b", 8), ref("b", 9)}, t.now);
    CHECK(strstr(t.said, "lost l r [b]; ") && strstr(t.said, "lost l s [b]; "));
    CHECK(t.lease.asserted); /* what is lost is not missing */
    tear_down();
}

TEST(owners, the_second_of_two_epochs_is_asserted_anew)
{
    set_up("b");
    own("l r", 5);
    renew_in("e2", "b", true);
    owners_assert_all(&t.o);
    SAID("assert 1 l r 5; ");
    renew_in("e3", "b", true);
    owners_assert_all(&t.o);
    owners_asserted(&t.o, OWNERS_WAIT, NULL, t.now); /* of the first: another epoch */
    CHECK(!t.lease.asserted);
    owners_tick(&t.o, t.now);
    SAID("assert 1 l r 5; ");
    owners_asserted(&t.o, OWNERS_ROWS, (struct owner_ref[]){ref("a", 5)}, t.now);
    CHECK(t.lease.asserted);
    SAID("");
    tear_down();
}

TEST(owners, nothing_to_assert_is_asserted_at_once)
{
    set_up("b");
    renew_in("e2", "b", true);
    owners_assert_all(&t.o);
    SAID("");
    CHECK(t.lease.asserted);
    tear_down();
}

TEST(owners, a_new_incarnation_owns_nothing)
{
    set_up("b");
    own("l r", 5);
    want("l s");
    t.said[0] = '\0';
    owners_drop_all(&t.o);
    SAID("lost l r []; ");
    CHECK(!owners_has(&t.o, text("l r")));
    lease_hear_buried(&t.lease, 1); /* makes the claim under way void */
    claimed("a", 6);
    SAID("");
    tear_down();
}

TEST(owners, who_cannot_claim_finds_somebody_who_can)
{
    const char *ours;
    char expected[64];

    set_up("b");
    ours = pair_of("a");
    snprintf(expected, sizeof(expected), "elsewhere %s [b 0]; ", ours);
    lose_table();
    want(ours);
    SAID("");
    pong("b", 0, false, true, NULL);
    SAID(expected);
    t.now += OWNERS_FRESH_MS + 1; /* what it said is too old */
    want(ours);
    SAID("");
    tear_down();
}

TEST(owners, a_routed_frame_is_not_sent_on)
{
    set_up("b");
    lose_table();
    pong("b", 0, false, true, NULL);
    owners_want(&t.o, text(pair_of("b")), true, t.now);
    CHECK(strstr(t.said, "elsewhere") && strstr(t.said, "[ 0]"));
    tear_down();
}

TEST(owners, without_a_table_the_choice_has_a_new_pair)
{
    const char *theirs;
    char expected[64];

    set_up("b");
    theirs = pair_of("b");
    snprintf(expected, sizeof(expected), "elsewhere %s [b 0]; ", theirs);
    lose_table();
    want(theirs);
    SAID(expected);
    tear_down();
}

/* A pair that we are the choice of, without a table: b and c are asked, b promises. Returns the
 * round. */
static uint64_t ask_without_table(void)
{
    uint64_t round;

    set_up("bc");
    lose_table();
    want(pair_of("a"));
    round = ask(1);
    promise("b", round, NULL);
    SAID("");
    return round;
}

TEST(owners, the_choice_takes_a_pair_when_all_promise)
{
    uint64_t round = ask_without_table();
    char expected[64];

    snprintf(expected, sizeof(expected), "provisional %s 0; ", pair_of("a"));
    promise("c", round, NULL);
    SAID(expected);
    t.now += LEASE_PROMISE_MS + 1; /* nobody promises any more */
    owners_tick(&t.o, t.now);
    CHECK(strncmp(t.said, "lost l r", 8) == 0);
    CHECK_EQ(map_count(&t.o.rows), 0);
    tear_down();
}

TEST(owners, answers_of_two_rounds_do_not_add_up)
{
    ask_without_table();
    t.now += 1000;
    promise("c", ask(0), NULL); /* the pair was asked about a second ago */
    SAID("");
    tear_down();
}

TEST(owners, a_pair_of_somebody_else_is_not_taken)
{
    uint64_t round = ask_without_table();

    promise("c", round, pair_of("a"));
    SAID("");
    tear_down();
}

TEST(owners, a_provisional_pair_becomes_a_row)
{
    promise("c", ask_without_table(), NULL);
    t.said[0] = '\0';
    renew_in("e1", "bc", true);
    owners_tick(&t.o, t.now);
    CHECK(strncmp(t.said, "assert 1 l r", 12) == 0);
    t.said[0] = '\0';
    owners_asserted(&t.o, OWNERS_ROWS, (struct owner_ref[]){ref("a", 12)}, t.now);
    CHECK(strncmp(t.said, "granted l r", 11) == 0);
    t.now += 100000;
    renew_in("e1", "bc", true);
    owners_tick(&t.o, t.now);
    CHECK_EQ(t.o.counts[OWNER_OURS], 1);
    tear_down();
}

TEST(owners, what_is_offered_is_not_ours)
{
    struct owner_ref b = ref("b", 8);

    set_up("b");
    own("l r", 5);
    CHECK_EQ(owners_offer(&t.o, text("l r")), 5);
    CHECK(!owners_has(&t.o, text("l r")));
    renew_in("e2", "b", true);
    owners_assert_all(&t.o);
    SAID(""); /* never asserted */
    want("l r");
    SAID(""); /* whoever wants it hears when it is settled */
    owners_handed(&t.o, text("l r"), &b);
    SAID("elsewhere l r [b 8]; ");
    CHECK_EQ(map_count(&t.o.rows), 0);
    tear_down();
}

TEST(owners, an_offer_nobody_takes_is_released_by_its_token)
{
    set_up("b");
    own("l r", 5);
    owners_offer(&t.o, text("l r"));
    owners_withdraw(&t.o, text("l r"));
    SAID("elsewhere l r [ 0]; release l r 5; ");
    CHECK_EQ(owners_offer(&t.o, text("l r")), 0);
    tear_down();
}

TEST(owners, a_pair_is_taken_with_the_offer_as_witness)
{
    struct owner_ref b = ref("b", 8);

    set_up("b");
    owners_take(&t.o, text("l r"), &b, t.now);
    SAID("claim 1; ");
    CHECK_SLICE(t.witness.node, "b");
    CHECK_EQ(t.witness.token, 8);
    claimed("a", 9);
    SAID("taken l r 9; granted l r 9; ");
    tear_down();
}

TEST(owners, an_offer_that_meets_a_claim_is_claimed_again)
{
    struct owner_ref b = ref("b", 8);

    set_up("b");
    want("l r"); /* without a witness */
    owners_take(&t.o, text("l r"), &b, t.now);
    claimed("b", 8);
    SAID("claim 1; claim 1; ");
    claimed("a", 9);
    SAID("taken l r 9; granted l r 9; ");
    tear_down();
}

TEST(owners, an_offer_is_refused_by_who_cannot_claim)
{
    struct owner_ref b = ref("b", 8);

    set_up("b");
    lease_drain(&t.lease);
    owners_take(&t.o, text("l r"), &b, t.now);
    SAID("taken l r 0; ");
    tear_down();
    set_up("b");
    own("l r", 3);
    owners_take(&t.o, text("l r"), &b, t.now);
    SAID("taken l r 0; ");
    tear_down();
    set_up("b");
    owners_take(&t.o, text("l r"), &b, t.now);
    claimed("c", 11); /* the witness was outdated */
    SAID("claim 1; taken l r 0; ");
    tear_down();
}

TEST(owners, a_draining_node_claims_only_where_all_drain)
{
    struct owners_pong p = {.draining = true};

    set_up("b");
    lease_drain(&t.lease);
    want("l r");
    SAID("");
    owners_hear_pong(&t.o, (struct lease_id){text("b"), 1}, &p, t.now);
    SAID("claim 1; ");
    tear_down();
}

TEST(owners, alone_it_needs_nobody)
{
    set_up("");
    CHECK_EQ(lease_until_ms(&t.lease), UINT64_MAX);
    lose_table();
    want("l r");
    SAID("provisional l r 0; ");
    tear_down();
}

TESTS(TEST_OF(owners, claims_before_it_grants), TEST_OF(owners, the_claim_is_the_look_up),
      TEST_OF(owners, what_the_table_refuses_is_not_sent_again_at_once),
      TEST_OF(owners, one_batch_of_claims_is_under_way),
      TEST_OF(owners, asks_again_later_when_the_table_says_wait),
      TEST_OF(owners, a_void_claim_counts_for_nothing),
      TEST_OF(owners, a_pair_nobody_wants_any_more_is_let_go),
      TEST_OF(owners, a_release_without_an_answer_is_sent_again),
      TEST_OF(owners, rows_are_put_back_into_a_new_epoch),
      TEST_OF(owners, the_second_of_two_epochs_is_asserted_anew),
      TEST_OF(owners, nothing_to_assert_is_asserted_at_once),
      TEST_OF(owners, a_new_incarnation_owns_nothing),
      TEST_OF(owners, who_cannot_claim_finds_somebody_who_can),
      TEST_OF(owners, a_routed_frame_is_not_sent_on),
      TEST_OF(owners, without_a_table_the_choice_has_a_new_pair),
      TEST_OF(owners, the_choice_takes_a_pair_when_all_promise),
      TEST_OF(owners, answers_of_two_rounds_do_not_add_up),
      TEST_OF(owners, a_pair_of_somebody_else_is_not_taken),
      TEST_OF(owners, a_provisional_pair_becomes_a_row),
      TEST_OF(owners, what_is_offered_is_not_ours),
      TEST_OF(owners, an_offer_nobody_takes_is_released_by_its_token),
      TEST_OF(owners, a_pair_is_taken_with_the_offer_as_witness),
      TEST_OF(owners, an_offer_that_meets_a_claim_is_claimed_again),
      TEST_OF(owners, an_offer_is_refused_by_who_cannot_claim),
      TEST_OF(owners, a_draining_node_claims_only_where_all_drain),
      TEST_OF(owners, alone_it_needs_nobody))
