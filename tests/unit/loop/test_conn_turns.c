/* loop/conn among many: who is read when, and how much of a turn each may take. */
#include "unit/loop/connbed.h"

#include "loop/conn_pool.h"

#include <unistd.h>

/* --- many ------------------------------------------------------------------------------------ */

#define MANY 60

static struct conn *many[2 * MANY];
static size_t many_count, many_closed;
static uint64_t secured_before, secured_most;
static struct task probe;

static void many_connected(void *arg)
{
    conn_start_tls(*(struct conn **)arg,
                   tls_client(tls_a, SLICE("b.example"), slice_none(), false));
}

static void many_data(void *arg, struct slice plain)
{
}

static void on_many_closed(void *arg, enum err why)
{
    many_closed++;
}

static const struct conn_handler many_handler = {
    .connected = many_connected, .data = many_data, .closed = on_many_closed};

static void accept_many(void *arg, int fd, const struct addr *peer)
{
    struct conn **c = &many[many_count++];

    CHECK_EQ(conn_adopt(loop, fd, peer, slice_none(), &many_handler, c, c), OK);
    conn_start_tls(*c, tls_server(tls_b, slice_none(), false));
}

static uint64_t secured_so_far(void)
{
    return counter_read(&counters, COUNTER_TLS_OK);
}

static void each_turn(struct task *t)
{
    uint64_t in_turn = secured_so_far() - secured_before;

    secured_before += in_turn;
    if (in_turn > secured_most)
        secured_most = in_turn;
    loop_defer(loop, t);
}

static uint64_t secured_goal;

static bool many_secured(void)
{
    return secured_so_far() == secured_goal;
}

static bool many_gone(void)
{
    return many_closed == 2 * MANY;
}

/* A storm of handshakes leaves room in each turn for the streams that are open. */
TEST(conn, handshakes_take_turns)
{
    struct listener *ln;
    struct addr here;

    open_stage();
    here = at;
    addr_set_port(&here, 0);
    CHECK_EQ(listener_open(loop, &here, -1, accept_many, NULL, &ln), OK);
    listener_addr(ln, &here);
    many_count = many_closed = 0;
    secured_most = 0;
    secured_before = secured_so_far();
    secured_goal = secured_before + 2 * MANY;
    for (int i = 0; i < MANY; i++, many_count++)
        CHECK_EQ(conn_dial(loop, &here, NULL, &many_handler, &many[many_count], &many[many_count]),
                 OK);
    task_init(&probe, each_turn);
    loop_defer(loop, &probe);
    run_until(many_secured);
    CHECK(secured_most <= 2 * 8);
    task_cancel(&probe);
    for (size_t i = 0; i < many_count; i++)
        conn_close(many[i]);
    run_until(many_gone);
    listener_close(ln);
    close_stage();
}

/* --- reading on ------------------------------------------------------------------------------ */

static char order[512]; /* who was told of something, one letter a time, '.' after each turn */
static size_t in_turn, most_in_turn;
static bool echoing;

static void note_order(char who)
{
    size_t n = strlen(order);

    if (n + 1 < sizeof(order)) {
        order[n] = who;
        order[n + 1] = '\0';
    }
}

static void end_turn(struct task *t)
{
    if (in_turn > most_in_turn)
        most_in_turn = in_turn;
    if (in_turn > 0)
        note_order('.');
    in_turn = 0;
    loop_defer(loop, t);
}

static void busy_data(struct end *e, struct slice plain)
{
    in_turn += plain.len;
    note_order('b');
    if (echoing) { /* more than the output takes in a turn */
        conn_write(e->conn, plain);
        conn_write(e->conn, plain);
    }
}

static void small_data(struct end *e, struct slice plain)
{
    note_order('s');
}

/* What the kernels take from `fd` while the other end does not read. */
static size_t stuff(int fd)
{
    size_t total = 0;
    ssize_t n;

    while ((n = send(fd, lump, sizeof(lump), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
        total += (size_t)n;
    return total;
}

static int open_busy(void)
{
    int bytes = 4 << 20, fd = dial_raw();

    (void)setsockopt(accepted, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)); /* or less */
    adopt_b(slice_none());
    b.count_only = true;
    b.on_data = busy_data;
    conn_pause(b.conn);
    task_init(&probe, end_turn);
    loop_defer(loop, &probe);
    order[0] = '\0';
    most_in_turn = in_turn = 0;
    return fd;
}

static void close_busy(int fd)
{
    task_cancel(&probe);
    close(fd);
    echoing = false;
    close_stage();
}

/* Else what one source brings for many streams would go out in tiny records. */
TEST(conn, a_full_share_is_followed_by_more_in_the_same_turn_within_bounds)
{
    int fd;

    open_stage();
    fd = open_busy();
    for (int round = 0; round < 20; round++) {
        conn_pause(b.conn);
        run_for(10);
        b_wants = b.total + stuff(fd);
        conn_resume(b.conn);
        run_until(b_has);
    }
    CHECK(most_in_turn > CONN_READ_BYTES);
    CHECK(most_in_turn <= CONN_READ_BYTES + CONN_MORE_BYTES);
    close_busy(fd);
}

TEST(conn, each_has_its_share_before_anybody_has_more)
{
    int fd, other;

    open_stage();
    fd = open_busy();
    accepted = -1;
    other = dial_raw();
    CHECK_EQ(conn_adopt(loop, accepted, &at, slice_none(), &handler, &a, &a.conn), OK);
    a.on_data = small_data;
    for (int round = 0; round < 20; round++) {
        const char *small;

        conn_pause(a.conn);
        conn_pause(b.conn);
        run_for(10);
        b_wants = b.total + stuff(fd);
        send_raw(other, "x");
        order[0] = '\0';
        conn_resume(b.conn);
        conn_resume(a.conn);
        run_until(b_has);
        small = strchr(order, 's');
        CHECK(small && small - order <= 1); /* "bs" or "sb" and then "bb.bbb." */
    }
    close(other);
    close_busy(fd);
}

/* It takes no more in this turn; what would be read could only be queued. */
TEST(conn, nobody_is_read_on_when_an_output_is_full)
{
    int fd;

    open_stage();
    fd = open_busy();
    echoing = true;
    b_wants = stuff(fd);
    conn_resume(b.conn);
    run_until(b_has);
    CHECK(b_wants > 2 * CONN_READ_BYTES);
    CHECK_EQ(strncmp(order, "b.b", 3), 0);
    close_busy(fd);
}

CONN_TESTS(TEST_OF(conn, handshakes_take_turns),
           TEST_OF(conn, a_full_share_is_followed_by_more_in_the_same_turn_within_bounds),
           TEST_OF(conn, each_has_its_share_before_anybody_has_more),
           TEST_OF(conn, nobody_is_read_on_when_an_output_is_full))
