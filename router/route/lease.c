#include "route/lease_inner.h"

#ifdef LEASE_MUTATIONS
uint64_t lease_mutations;
#endif

static void copy_word(char *out, size_t room, struct slice word)
{
    bool fits = slice_to_cstr(word, out, room);

    assert(fits); /* the store checks what the table says */
}

void lease_init(struct lease *l, struct slice name, struct slice address, bool stop,
                uint64_t incarnation)
{
    memset(l, 0, sizeof(*l));
    copy_word(l->name, sizeof(l->name), name);
    l->address = mem_strndup(address);
    l->stop = stop;
    l->incarnation = incarnation;
}

void lease_fini(struct lease *l)
{
    for (size_t i = 0; i < l->peer_count; i++)
        mem_free(l->peers[i].address);
    mem_free(l->peers);
    mem_free(l->address);
}

unsigned lease_take_duties(struct lease *l)
{
    unsigned duties = l->duties;

    l->duties = 0;
    return duties;
}

/* --- incarnations --- */

static void forget_flights(struct lease *l)
{
    memset(l->flights, 0, sizeof(l->flights));
}

/* The old incarnation is gone, with its pairs, its right and the promises it held. What this
 * process promised, and whom it refuses, stays: the others may count on it. */
static void begin_anew(struct lease *l, uint64_t above)
{
    l->incarnation = (above > l->incarnation ? above : l->incarnation) + 1;
    l->epoch[0] = '\0';
    l->epoch_turn++;
    l->version = l->joined = 0;
    l->settled = l->seen_settled = false;
    l->on_list = l->asserted = l->acknowledged = false;
    l->right_ms = l->answered_sent_ms = 0;
    l->held_incarnation = l->held_since_ms = 0;
    l->assert_turn++;
    lease_void_claims(l);
    forget_flights(l);
    memset(l->asks, 0, sizeof(l->asks));
    lease_peers_begin_anew(l);
    l->duties = (l->duties & ~(unsigned)LEASE_ASSERT_PAIRS) | LEASE_DROP_PAIRS;
}

static void be_superseded(struct lease *l, uint64_t successor)
{
    l->superseded = l->leaving = true;
    l->successor = successor;
    l->duties |= LEASE_DROP_PAIRS | LEASE_EXIT;
}

void lease_hear_buried(struct lease *l, uint64_t incarnation)
{
    if (incarnation == l->incarnation && !l->leaving && l->on_list)
        begin_anew(l, 0);
}

/* --- renewals --- */

static enum lease_mode mode(const struct lease *l, uint64_t now_ms)
{
    if (!l->seen_settled && !(LEFT_OUT(nonew) && l->on_list))
        return lease_may_settle(l, now_ms) ? LEASE_SETTLE : LEASE_NEW;
    return now_ms < lease_until_ms(l) || LEFT_OUT(nolapse) ? LEASE_RIGHT : LEASE_NONE;
}

const char *lease_mode_word(enum lease_mode m)
{
    static const char *const words[] = {"new", "settle", "right", "none"};

    return words[m];
}

static uint64_t stranger_ms(const struct lease *l)
{
    return l->stop ? LEASE_WATCH_MS : LEASE_STRANGER_MS;
}

/* The holder of our name, at another address, has been silent long enough. */
static bool holder_silent(const struct lease *l, uint64_t now_ms)
{
    const struct lease_id holder = {slice_from(l->name), l->held_incarnation};
    const struct lease_peer *p;

    if (!l->held_incarnation || now_ms - l->held_since_ms < stranger_ms(l))
        return false;
    p = lease_peer_find(l, holder);
    return !p || !p->heard || now_ms - p->alive_ms >= stranger_ms(l);
}

void lease_renew(struct lease *l, uint64_t now_ms, struct lease_renewal *ret_renewal)
{
    uint64_t number = ++l->flight_number;

    l->flights[number % LEASE_FLIGHT_MAX] = (struct lease_flight){number, now_ms, l->epoch_turn};
    *ret_renewal = (struct lease_renewal){
        .number = number,
        .incarnation = l->incarnation,
        .epoch = slice_from(l->epoch),
        .ack = l->asserted ? l->version : 0,
        .mode = mode(l, now_ms),
        .takes_over = holder_silent(l, now_ms),
        .count = l->held_count,
    };
}

/* False: the answer is to a renewal that does not count any more. */
static bool land(struct lease *l, uint64_t number, struct lease_flight *ret_flight)
{
    struct lease_flight *f = &l->flights[number % LEASE_FLIGHT_MAX];

    if (number == 0 || f->number != number || l->leaving)
        return false;
    *ret_flight = *f;
    f->number = 0;
    return true;
}

/* The table has lost its memory. Claims on their way meet another table; who has pairs puts them
 * back before renewals count. A newcomer has none. */
static void meet_epoch(struct lease *l, struct slice epoch, uint64_t now_ms)
{
    copy_word(l->epoch, sizeof(l->epoch), epoch);
    l->epoch_turn++;
    l->version = l->joined = 0;
    lease_void_claims(l);
    lease_begin_epoch_watch(l, now_ms);
    l->assert_turn++;
    l->asserted = !l->seen_settled || LEFT_OUT(noassert);
    if (!l->asserted)
        l->duties |= LEASE_ASSERT_PAIRS;
}

/* Contact began with this answer, or went on. */
static void note_contact(struct lease *l, uint64_t sent_ms, uint64_t now_ms)
{
    if (!lease_in_contact(l, now_ms)) {
        lease_reset_watches(l);
        l->contact_ms = now_ms;
    }
    l->answered_ms = now_ms;
    if (sent_ms > l->answered_sent_ms)
        l->answered_sent_ms = sent_ms;
}

static void extend_right(struct lease *l, uint64_t now_ms)
{
    uint64_t until = (LEFT_OUT(trust) ? now_ms : l->answered_sent_ms) + LEASE_RIGHT_MS;

    if (l->asserted && until > l->right_ms)
        l->right_ms = until;
}

void lease_renewed(struct lease *l, uint64_t number, const struct lease_answer *a, uint64_t now_ms)
{
    struct lease_flight f;

    if (!land(l, number, &f))
        return;
    if (!slice_is(a->epoch, l->epoch))
        meet_epoch(l, a->epoch, now_ms);
    note_contact(l, f.sent_ms, now_ms);
    l->held_incarnation = 0;
    l->on_list = l->joined_once = true;
    lease_take_list(l, a, now_ms);
    extend_right(l, now_ms);
}

void lease_fallen(struct lease *l, uint64_t number)
{
    struct lease_flight f;

    /* Said of an epoch that another renewal has brought us over already. */
    if (land(l, number, &f) && f.epoch_turn == l->epoch_turn)
        begin_anew(l, 0);
}

void lease_buried(struct lease *l, uint64_t number, uint64_t incarnation)
{
    struct lease_flight f;

    if (!land(l, number, &f))
        return;
    if (incarnation > l->incarnation && l->joined_once)
        be_superseded(l, incarnation);
    else
        begin_anew(l, incarnation);
}

void lease_held(struct lease *l, uint64_t number, uint64_t incarnation, uint64_t count,
                uint64_t now_ms)
{
    struct lease_flight f;

    if (!land(l, number, &f))
        return;
    if (incarnation > l->incarnation)
        begin_anew(l, incarnation);
    if (l->held_incarnation == incarnation && l->held_count == count)
        return;
    l->held_incarnation = incarnation;
    l->held_count = count;
    l->held_since_ms = now_ms;
}

void lease_contact_lost(struct lease *l)
{
    forget_flights(l);
    lease_void_claims(l);
    if (!LEFT_OUT(noreset))
        l->answered_ms = 0;
    for (size_t i = 0; i < l->peer_count; i++)
        l->peers[i].bury_sent = false;
}

bool lease_in_contact(const struct lease *l, uint64_t now_ms)
{
    return l->answered_ms && (now_ms - l->answered_ms < LEASE_QUIET_MS || LEFT_OUT(noreset));
}

uint64_t lease_assert_turn(const struct lease *l)
{
    return l->assert_turn;
}

void lease_asserted(struct lease *l, uint64_t turn)
{
    if (turn != l->assert_turn || l->asserted)
        return;
    l->asserted = true;
    extend_right(l, l->answered_ms);
}

/* --- claims --- */

void lease_void_claims(struct lease *l)
{
    l->claim_turn++;
}

static bool all_acknowledged(const struct lease *l)
{
    for (size_t i = 0; i < l->peer_count; i++)
        if (l->peers[i].listed && l->peers[i].ack < l->joined)
            return false;
    return true;
}

bool lease_may_claim(const struct lease *l, uint64_t now_ms)
{
    if (!l->on_list || !l->asserted || l->leaving || now_ms >= l->right_ms)
        return false;
    if (now_ms < l->bound_ms && !LEFT_OUT(nobound))
        return false;
    return (l->settled || LEFT_OUT(nosettle)) && (all_acknowledged(l) || LEFT_OUT(noack));
}

uint64_t lease_claim_turn(const struct lease *l)
{
    return l->claim_turn;
}

bool lease_claim_holds(const struct lease *l, uint64_t turn)
{
    return turn == l->claim_turn;
}

/* --- leaving --- */

void lease_drain(struct lease *l)
{
    l->draining = true;
}

void lease_leave(struct lease *l)
{
    l->draining = l->leaving = true;
    lease_void_claims(l);
    l->duties |= LEASE_DROP_PAIRS;
}

/* --- questions --- */

uint64_t lease_until_ms(const struct lease *l)
{
    uint64_t promised = lease_promised_until_ms(l);

    if (!l->on_list || l->leaving)
        return 0;
    return promised > l->right_ms ? promised : l->right_ms;
}

enum lease_state lease_state(const struct lease *l, uint64_t now_ms)
{
    if (l->draining)
        return LEASE_DRAINING;
    if (!l->on_list)
        return LEASE_JOINING;
    if (!l->settled)
        return LEASE_SETTLING;
    if (!l->acknowledged)
        return LEASE_JOINING;
    if (now_ms < l->right_ms)
        return LEASE_MEMBER;
    return now_ms < lease_until_ms(l) ? LEASE_DEGRADED : LEASE_PARKED;
}

const char *lease_state_word(enum lease_state state)
{
    static const char *const words[] = {"joining",  "settling", "member",
                                        "degraded", "parked",   "draining"};

    return words[state];
}
