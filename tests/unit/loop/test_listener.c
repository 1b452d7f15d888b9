#include "unit/loop/sleeps.h"
#include "unit/test.h"

#include "loop/listener.h"
#include "loop/timer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static struct counters counters;
static struct log_sink sink;
static struct loop *loop;
static struct timer limit;
static struct listener *listener;
static struct addr at;
static int got[128];
static size_t got_count;

static void on_limit(struct timer *t)
{
    loop_stop(loop);
}

static void run_for(uint64_t ms)
{
    timer_start(&limit, ms);
    loop_run(loop);
    timer_stop(&limit);
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
    CHECK(addr_is_loopback(peer));
    CHECK(got_count < COUNT(got));
    got[got_count++] = fd;
}

static void open_stage(const char *where)
{
    loop = loop_new(&counters, &sink);
    timer_init(&limit, loop, on_limit);
    got_count = 0;
    CHECK_EQ(addr_parse(slice_from(where), 1, &at), OK);
    addr_set_port(&at, 0);
    CHECK_EQ(listener_open(loop, &at, -1, on_accept, NULL, &listener), OK);
    listener_addr(listener, &at);
    CHECK(addr_port(&at) != 0);
}

static void close_stage(void)
{
    for (size_t i = 0; i < got_count; i++)
        listener_drop(got[i], false);
    listener_close(listener);
    loop_free(loop);
}

static int dial(void)
{
    int fd = socket(at.sa.sa_family, SOCK_STREAM, 0);

    CHECK_EQ(connect(fd, &at.sa, addr_size(&at)), 0);
    return fd;
}

TEST(listener, gives_accepted_descriptors_away)
{
    int fd;

    open_stage("127.0.0.1:0");
    fd = dial();
    run_for(20);
    CHECK_EQ(got_count, 1);
    CHECK(fcntl(got[0], F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
    close(fd);
    close_stage();
}

TEST(listener, does_not_accept_while_paused)
{
    int fd;

    open_stage("127.0.0.1:0");
    listener_pause(listener, true);
    fd = dial(); /* the kernel holds it */
    run_for(20);
    CHECK_EQ(got_count, 0);
    listener_pause(listener, false);
    run_for(20);
    CHECK_EQ(got_count, 1);
    close(fd);
    close_stage();
}

TEST(listener, says_why_it_cannot_listen)
{
    struct listener *second;

    open_stage("127.0.0.1:0");
    CHECK_EQ(listener_open(loop, &at, -1, on_accept, NULL, &second), ERR_IN_USE);
    close_stage();
}

static bool have_v6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);

    close(fd);
    return fd >= 0;
}

/* The default of listen.s2s is [::]:5269 alone: servers on IPv4 reach it. */
TEST(listener, v6_any_address_takes_v4_too)
{
    uint16_t port;
    int fd;

    if (!have_v6())
        skip();
    open_stage("[::]:0");
    port = addr_port(&at);
    CHECK_EQ(addr_parse(SLICE("127.0.0.1:1"), 0, &at), OK);
    addr_set_port(&at, port);
    fd = dial();
    run_for(20);
    CHECK_EQ(got_count, 1);
    close(fd);
    close_stage();
}

TEST(listener, takes_a_socket_that_listens_already)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct addr bound;
    struct listener *second;
    int client;

    open_stage("127.0.0.1:0");
    bound = at;
    addr_set_port(&bound, 0);
    CHECK_EQ(bind(fd, &bound.sa, addr_size(&bound)), 0);
    CHECK_EQ(listen(fd, 5), 0);
    CHECK_EQ(listener_open(loop, &bound, fd, on_accept, NULL, &second), OK);
    listener_addr(second, &at);
    client = dial();
    run_for(20);
    CHECK_EQ(got_count, 1);
    close(client);
    listener_close(second);
    close_stage();
}

/* Turns in a quarter of a second: one that spins makes thousands. */
#define SPINNING 100

/* With no descriptor left, connections are taken on the reserve and refused: the queue empties,
 * the peer learns it at once, and the loop does not spin. */
TEST(listener, out_of_descriptors_it_refuses_and_does_not_spin)
{
    uint64_t refused = counter_read(&counters, COUNTER_REFUSED_DESCRIPTORS);
    int clients[3], fillers[64];
    size_t n = 0;
    struct rlimit old, low;
    uint64_t polls;
    char byte;

    open_stage("127.0.0.1:0");
    for (size_t i = 0; i < COUNT(clients); i++)
        clients[i] = dial();
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)clients[2] + 4;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (n < COUNT(fillers) && (fillers[n] = dup(0)) >= 0)
        n++;
    polls = sleeps.polls;
    run_for(80);
    CHECK_EQ(got_count, 0);
    CHECK_EQ(counter_read(&counters, COUNTER_REFUSED_DESCRIPTORS), refused + 3);
    run_for(250);
    CHECK(sleeps.polls - polls < SPINNING);
    for (size_t i = 0; i < COUNT(clients); i++) {
        CHECK(recv(clients[i], &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET);
        close(clients[i]);
    }
    while (n > 0)
        close(fillers[--n]);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
    clients[0] = dial();
    run_for(200);
    CHECK_EQ(got_count, 1); /* and afterwards goes on */
    close(clients[0]);
    close_stage();
}

/* Not even the reserve: another thread took it. */
TEST(listener, without_a_reserve_it_rests)
{
    int clients[2], fillers[64];
    size_t n = 0;
    struct rlimit old, low;
    uint64_t polls;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
    open_stage("127.0.0.1:0");
    clients[0] = dial();
    low = old;
    low.rlim_cur = 3; /* below every descriptor that is open: even a freed one cannot be had */
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (n < COUNT(fillers) && (fillers[n] = dup(0)) >= 0)
        n++;
    polls = sleeps.polls;
    run_for(250);
    CHECK(sleeps.polls - polls < SPINNING);
    CHECK_EQ(got_count, 0);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
    run_for(250);
    CHECK_EQ(got_count, 1); /* the same connection: nothing was lost */
    while (n > 0)
        close(fillers[--n]);
    close(clients[0]);
    close_stage();
}

TESTS(TEST_OF(listener, gives_accepted_descriptors_away),
      TEST_OF(listener, does_not_accept_while_paused), TEST_OF(listener, says_why_it_cannot_listen),
      TEST_OF(listener, v6_any_address_takes_v4_too),
      TEST_OF(listener, takes_a_socket_that_listens_already),
      TEST_OF(listener, out_of_descriptors_it_refuses_and_does_not_spin),
      TEST_OF(listener, without_a_reserve_it_rests))
