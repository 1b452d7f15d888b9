#include "route/lease.h"
#include "unit/test.h"

/* This node is "a", incarnation 100; the others are what an answer says. */
static struct lease l;
static uint64_t now;
static uint64_t number; /* of the last renewal */
static enum lease_mode mode;
static uint64_t ack;

static void set_up(bool stop)
{
    now = 1000000;
    lease_init(&l, SLICE("a"), SLICE("10.0.0.1:5290"), stop, 100);
}

static struct lease_id id(const char *name, uint64_t incarnation)
{
    return (struct lease_id){slice_from(name), incarnation};
}

static void renew(void)
{
    struct lease_renewal r;

    lease_renew(&l, now, &r);
    number = r.number;
    mode = r.mode;
    ack = r.ack;
}

/* A row of "b" or "c"; `ack`: of the list. */
struct other {
    const char *name;
    uint64_t incarnation, count, ack;
};

static void answer(const char *epoch, uint64_t version, bool settled, const struct other *others,
                   size_t count)
{
    struct lease_row rows[8] = {{.id = {SLICE("a"), 100},
                                 .count = 1,
                                 .joined = 1,
                                 .ack = version,
                                 .address = SLICE("a:1")}};
    struct lease_answer a = {slice_from(epoch), version, settled, rows, count + 1};

    rows[0].id.incarnation = l.incarnation;
    for (size_t i = 0; i < count; i++)
        rows[i + 1] = (struct lease_row){id(others[i].name, others[i].incarnation), others[i].count,
                                         1, others[i].ack, SLICE("x:1")};
    lease_renewed(&l, number, &a, now);
}

/* One second with an answered renewal; b renews too. */
static uint64_t b_count;
static void second_with(bool b_lives)
{
    struct other b = {"b", 200, b_lives ? ++b_count : b_count, 5};

    now += 1000;
    renew();
    answer("e1", 5, true, &b, 1);
}

static void join_b(void)
{
    b_count = 1;
    for (int i = 0; i < 3; i++)
        second_with(true);
}

static bool promises(const char *name, uint64_t incarnation)
{
    struct lease_ping ping = {1, incarnation, 0};
    struct lease_pong pong;

    lease_answer_ping(&l, slice_from(name), &ping, now, &pong);
    return pong.promise;
}

static void hear_promise(uint64_t ping_ago_ms, uint64_t incarnation, bool same)
{
    struct lease_ping ping;
    struct lease_pong pong;

    lease_ask(&l, now - ping_ago_ms, &ping);
    pong = (struct lease_pong){ping.number, incarnation, true, same};
    lease_hear_pong(&l, id("b", 200), &pong, now);
}

static bool buries(const char *name)
{
    struct lease_burial b;

    return lease_next_burial(&l, now, &b) && slice_is(b.id.name, name);
}

TEST(lease, right_lasts_six_seconds_from_the_sending)
{
    struct other b = {"b", 200, 1, 5};

    set_up(false);
    CHECK_EQ(lease_until_ms(&l), 0);
    renew();
    now += 2000; /* the answer is late: it counts from the sending all the same */
    answer("e1", 5, true, &b, 1);
    CHECK_EQ(lease_until_ms(&l), 1000000 + LEASE_RIGHT_MS);
    lease_fini(&l);
}

TEST(lease, answers_after_lost_contact_count_for_nothing)
{
    struct other b = {"b", 200, 1, 5};

    set_up(false);
    renew();
    lease_contact_lost(&l);
    answer("e1", 5, true, &b, 1);
    CHECK_EQ(lease_until_ms(&l), 0);
    lease_fini(&l);
}

TEST(lease, right_lasts_while_all_promise)
{
    set_up(false);
    join_b();
    now += 10000;
    CHECK(lease_until_ms(&l) < now);
    CHECK_EQ(lease_promises_missing(&l, now), 1);
    hear_promise(500, 100, true);
    CHECK_EQ(lease_until_ms(&l), now - 500 + LEASE_PROMISE_MS); /* from the sending of the PING */
    CHECK_EQ(lease_state(&l, now), LEASE_DEGRADED);
    hear_promise(0, 99, true); /* to another incarnation */
    CHECK_EQ(lease_until_ms(&l), now - 500 + LEASE_PROMISE_MS);
    now += LEASE_PROMISE_MS;
    CHECK_EQ(lease_state(&l, now), LEASE_PARKED);
    lease_fini(&l);
}

TEST(lease, who_is_alone_needs_nobody_but_not_with_stop)
{
    for (int stop = 0; stop < 2; stop++) {
        set_up(stop);
        renew();
        answer("e1", 1, true, NULL, 0);
        CHECK_EQ(lease_until_ms(&l), stop ? now + LEASE_RIGHT_MS : UINT64_MAX);
        lease_fini(&l);
    }
}

TEST(lease, promises_only_when_no_renewal_was_answered)
{
    set_up(false);
    join_b();
    CHECK(!promises("b", 200));
    now += LEASE_QUIET_MS - 1;
    CHECK(!promises("b", 200));
    now += 1;
    CHECK(promises("b", 200));
    lease_fini(&l);
}

TEST(lease, promises_in_an_unsettled_epoch)
{
    struct other b = {"b", 200, 1, 0};

    set_up(false);
    CHECK(!promises("b", 200)); /* not on its own list yet */
    renew();
    answer("e1", 2, false, &b, 1);
    CHECK(promises("b", 200));
    CHECK(!promises("c", 300)); /* not on the list */
    CHECK(!promises("b", 201)); /* nor is that incarnation */
    lease_fini(&l);
}

TEST(lease, a_promise_forbids_and_voids_claims)
{
    uint64_t turn;

    set_up(false);
    join_b();
    CHECK(lease_may_claim(&l, now));
    turn = lease_claim_turn(&l);
    now += LEASE_QUIET_MS;
    CHECK(lease_may_claim(&l, now));
    CHECK(promises("b", 200));
    CHECK(!lease_claim_holds(&l, turn));
    CHECK(!lease_may_claim(&l, now));
    second_with(true);
    CHECK(!lease_may_claim(&l, now)); /* bound for 3.5 s */
    now += LEASE_BOUND_MS - 1000;
    CHECK(lease_may_claim(&l, now));
    lease_fini(&l);
}

TEST(lease, claims_only_when_all_have_acknowledged)
{
    struct other b = {"b", 200, 1, 0};

    set_up(false);
    renew();
    answer("e1", 5, true, &b, 1);
    CHECK(!lease_may_claim(&l, now));
    CHECK_EQ(lease_state(&l, now), LEASE_JOINING);
    b.ack = 1;
    renew();
    answer("e1", 5, true, &b, 1);
    CHECK(lease_may_claim(&l, now));
    CHECK_EQ(lease_state(&l, now), LEASE_MEMBER);
    lease_fini(&l);
}

TEST(lease, buries_after_a_watch_of_unbroken_contact)
{
    set_up(false);
    join_b();
    for (int i = 0; i < 6; i++) {
        CHECK(!buries("b"));
        second_with(false);
    }
    second_with(false);
    CHECK(buries("b"));
    CHECK(!buries("b")); /* once */
    CHECK(!promises("b", 200));
    now += 4000;
    CHECK(!promises("b", 200)); /* refused from the sending on */
    second_with(true);
    now += LEASE_QUIET_MS;
    CHECK(promises("b", 200)); /* it was seen renewing later */
    lease_fini(&l);
}

TEST(lease, lost_contact_begins_the_watch_anew)
{
    set_up(false);
    join_b();
    for (int i = 0; i < 5; i++)
        second_with(false);
    lease_contact_lost(&l);
    second_with(false);
    second_with(false);
    second_with(false);
    CHECK(!buries("b"));
    now += LEASE_QUIET_MS; /* so does silence, and sleep */
    CHECK(!buries("b"));
    second_with(false);
    now += LEASE_WATCH_MS - 4000;
    CHECK(!buries("b"));
    lease_fini(&l);
}

TEST(lease, a_stranger_is_watched_for_thirty_seconds)
{
    for (int stop = 0; stop < 2; stop++) {
        struct other c = {"c", 300, 1, 0}; /* never acknowledged us */

        set_up(stop);
        for (uint64_t end = now + (stop ? 6000 : 29000); now < end; now += 1000) {
            renew();
            answer("e1", 5, true, &c, 1);
            CHECK(!buries("c"));
        }
        now += 1000;
        renew();
        answer("e1", 5, true, &c, 1);
        CHECK(buries("c"));
        lease_fini(&l);
    }
}

TEST(lease, who_said_bye_is_buried_at_once_and_holds_without_end)
{
    set_up(false);
    join_b();
    lease_hear_bye(&l, id("b", 200), false, now);
    CHECK(buries("b"));
    CHECK(lease_until_ms(&l) < UINT64_MAX); /* it did not name us */
    lease_hear_bye(&l, id("b", 200), true, now);
    CHECK_EQ(lease_until_ms(&l), UINT64_MAX);
    lease_fini(&l);
}

TEST(lease, forgetting_is_refused_while_it_answers)
{
    set_up(false);
    join_b();
    lease_heard(&l, id("b", 200), now);
    CHECK(!lease_forget(&l, id("b", 200), now));
    now += LEASE_WATCH_MS;
    CHECK(lease_forget(&l, id("b", 200), now));
    CHECK_EQ(lease_until_ms(&l), UINT64_MAX);
    CHECK(!promises("b", 200));
    lease_fini(&l);
}

/* Cut off from our mesh, not from the table: it may write. */
TEST(lease, forgetting_is_refused_while_it_renews)
{
    uint64_t silent_ms = 0;

    set_up(false);
    join_b();
    CHECK(lease_lives(&l, SLICE("b"), now, &silent_ms));
    CHECK(!lease_forget(&l, id("b", 200), now));
    for (int i = 0; i < 6; i++)
        second_with(false);
    CHECK(lease_lives(&l, SLICE("b"), now, &silent_ms));
    CHECK_EQ(silent_ms, 6000);
    CHECK(!lease_forget(&l, id("b", 200), now));
    second_with(false);
    CHECK(!lease_lives(&l, SLICE("b"), now, &silent_ms));
    CHECK(!lease_lives(&l, SLICE("c"), now, &silent_ms));
    CHECK(lease_forget(&l, id("b", 200), now));
    lease_fini(&l);
}

TEST(lease, a_bye_names_those_who_are_not_refused)
{
    const struct lease_peer *b;
    size_t pos = 0;

    set_up(false);
    join_b();
    b = lease_next_member(&l, &pos);
    CHECK(lease_holds_for(&l, b));
    for (int i = 0; i < 7; i++)
        second_with(false);
    CHECK(buries("b"));
    pos = 0;
    CHECK(!lease_holds_for(&l, lease_next_member(&l, &pos)));
    lease_leave(&l);
    CHECK_EQ(lease_until_ms(&l), 0);
    CHECK(lease_take_duties(&l) & LEASE_DROP_PAIRS);
    lease_fini(&l);
}

static size_t brought;
static void count_brought(void *arg, const struct lease_peer *p)
{
    (void)arg;
    (void)p;
    brought++;
}

TEST(lease, who_returns_asserts_before_its_renewals_count)
{
    struct other b = {"b", 200, 0, 0};
    uint64_t until;
    uint64_t turn;

    set_up(false);
    join_b();
    CHECK_EQ(mode, LEASE_RIGHT);
    CHECK_EQ(ack, 5);
    brought = 0;
    lease_walk_brought(&l, count_brought, NULL);
    CHECK_EQ(brought, 1);
    until = lease_until_ms(&l);
    now += 1000;
    renew();
    answer("e2", 2, true, &b, 1);
    CHECK(lease_take_duties(&l) & LEASE_ASSERT_PAIRS);
    CHECK_EQ(lease_until_ms(&l), until); /* the old right runs out its 6 s */
    turn = lease_assert_turn(&l);
    renew();
    CHECK_EQ(ack, 0);
    lease_asserted(&l, turn - 1); /* asserts of another epoch */
    CHECK_EQ(lease_until_ms(&l), until);
    lease_asserted(&l, turn);
    CHECK_EQ(lease_until_ms(&l), until + 1000);
    renew();
    CHECK_EQ(ack, 2);
    lease_fini(&l);
}

TEST(lease, who_returns_without_a_right_starts_as_new)
{
    set_up(false);
    join_b();
    lease_take_duties(&l);
    now += LEASE_RIGHT_MS + 1;
    renew();
    CHECK_EQ(mode, LEASE_NONE);
    lease_fallen(&l, number);
    CHECK_EQ(l.incarnation, 101);
    CHECK_EQ(lease_take_duties(&l), LEASE_DROP_PAIRS);
    CHECK_EQ(lease_until_ms(&l), 0);
    renew();
    CHECK_EQ(mode, LEASE_NEW);
    lease_fini(&l);
}

TEST(lease, a_newcomer_takes_a_number_above_and_a_member_ends)
{
    set_up(false);
    renew();
    lease_buried(&l, number, 500);
    CHECK_EQ(l.incarnation, 501);
    CHECK_EQ(lease_take_duties(&l), LEASE_DROP_PAIRS);
    renew();
    answer("e1", 1, true, NULL, 0);
    renew();
    lease_buried(&l, number, 600);
    CHECK(lease_take_duties(&l) & LEASE_EXIT);
    CHECK_EQ(lease_successor(&l), 600);
    CHECK_EQ(lease_until_ms(&l), 0);
    lease_fini(&l);
}

TEST(lease, settles_alone_after_a_watch_without_strangers)
{
    for (int heard = 0; heard < 2; heard++) {
        set_up(false);
        for (int i = 0; i < 8; i++) {
            renew();
            CHECK_EQ(mode, i < 7 || heard ? LEASE_NEW : LEASE_SETTLE);
            answer("e1", 1, false, NULL, 0);
            if (heard)
                lease_heard(&l, id("b", 200), now);
            now += 1000;
        }
        lease_fini(&l);
    }
}

TEST(lease, a_silent_holder_of_the_name_is_taken_over)
{
    struct lease_renewal r;

    set_up(false);
    renew();
    lease_held(&l, number, 50, 7, now);
    now += LEASE_STRANGER_MS - 1;
    lease_renew(&l, now, &r);
    CHECK(!r.takes_over);
    lease_held(&l, r.number, 50, 7, now);
    now += 1;
    lease_renew(&l, now, &r);
    CHECK(r.takes_over);
    CHECK_EQ(r.count, 7);
    lease_held(&l, r.number, 50, 8, now); /* it renewed after all */
    lease_renew(&l, now, &r);
    CHECK(!r.takes_over);
    lease_fini(&l);
}

/* A key that falls to `name` among a and b. */
static struct slice key_of(const char *name, char buf[16])
{
    for (int i = 0;; i++) {
        snprintf(buf, 16, "pair %d", i);
        if (slice_is(lease_choice(&l, slice_from(buf)), name))
            return slice_from(buf);
    }
}

TEST(lease, the_choice_takes_a_pair_without_the_table)
{
    char ours[16];
    char theirs[16];

    set_up(false);
    join_b();
    key_of("a", ours);
    key_of("b", theirs);
    now += LEASE_RIGHT_MS;
    CHECK(!lease_may_provisional(&l, slice_from(ours), now)); /* b has not promised */
    hear_promise(0, 100, false);
    CHECK(!lease_may_provisional(&l, slice_from(ours), now)); /* it holds another list */
    now += 1;
    hear_promise(0, 100, true);
    CHECK(lease_may_provisional(&l, slice_from(ours), now));
    CHECK(!lease_may_provisional(&l, slice_from(theirs), now));
    CHECK_EQ(lease_promised_until_ms(&l), now + LEASE_PROMISE_MS);
    lease_drain(&l);
    CHECK(!lease_may_provisional(&l, slice_from(ours), now));
    lease_fini(&l);
}

TEST(lease, says_whom_it_saw_leave)
{
    set_up(false);
    join_b();
    CHECK(!lease_saw_leave(&l, id("b", 200)));
    renew();
    answer("e1", 6, true, NULL, 0);
    CHECK(lease_saw_leave(&l, id("b", 200)));
    lease_hear_buried(&l, 99); /* not ours any more */
    CHECK_EQ(l.incarnation, 100);
    lease_hear_buried(&l, 100);
    CHECK_EQ(l.incarnation, 101);
    lease_fini(&l);
}

TESTS(TEST_OF(lease, right_lasts_six_seconds_from_the_sending),
      TEST_OF(lease, answers_after_lost_contact_count_for_nothing),
      TEST_OF(lease, right_lasts_while_all_promise),
      TEST_OF(lease, who_is_alone_needs_nobody_but_not_with_stop),
      TEST_OF(lease, promises_only_when_no_renewal_was_answered),
      TEST_OF(lease, promises_in_an_unsettled_epoch),
      TEST_OF(lease, a_promise_forbids_and_voids_claims),
      TEST_OF(lease, claims_only_when_all_have_acknowledged),
      TEST_OF(lease, buries_after_a_watch_of_unbroken_contact),
      TEST_OF(lease, lost_contact_begins_the_watch_anew),
      TEST_OF(lease, a_stranger_is_watched_for_thirty_seconds),
      TEST_OF(lease, who_said_bye_is_buried_at_once_and_holds_without_end),
      TEST_OF(lease, forgetting_is_refused_while_it_answers),
      TEST_OF(lease, forgetting_is_refused_while_it_renews),
      TEST_OF(lease, a_bye_names_those_who_are_not_refused),
      TEST_OF(lease, who_returns_asserts_before_its_renewals_count),
      TEST_OF(lease, who_returns_without_a_right_starts_as_new),
      TEST_OF(lease, a_newcomer_takes_a_number_above_and_a_member_ends),
      TEST_OF(lease, settles_alone_after_a_watch_without_strangers),
      TEST_OF(lease, a_silent_holder_of_the_name_is_taken_over),
      TEST_OF(lease, the_choice_takes_a_pair_without_the_table),
      TEST_OF(lease, says_whom_it_saw_leave))
