/* loop/conn over a Unix socket: a service of this machine. */
#include "unit/test.h"

#include "base/mem.h"
#include "loop/conn.h"
#include "loop/timer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct counters counters;
static struct log_sink sink;
static struct loop *loop;
static char dir[64], path[96];
static char got[16];
static bool connected;
static enum err why = ERR_MAX;
static struct conn *conn;

static void on_connected(void *arg)
{
    connected = true;
    CHECK_EQ(conn_peer(conn)->sa.sa_family, AF_UNSPEC);
    conn_write(conn, SLICE("ping"));
}

static void on_data(void *arg, struct slice plain)
{
    CHECK(slice_to_cstr(plain, got, sizeof(got)));
    conn_close(conn);
}

static void on_closed(void *arg, enum err e)
{
    why = e;
    loop_stop(loop);
}

static const struct conn_handler handler = {
    .connected = on_connected, .data = on_data, .closed = on_closed};

static void on_time(struct timer *t)
{
    loop_stop(loop);
}

static void run_loop(void)
{
    struct timer t;

    timer_init(&t, loop, on_time);
    timer_start(&t, 5000);
    loop_run(loop);
    timer_stop(&t);
}

static int listen_at(const char *at)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    CHECK(fd >= 0 && slice_to_cstr(slice_from(at), un.sun_path, sizeof(un.sun_path)));
    CHECK_EQ(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    CHECK_EQ(listen(fd, 1), 0);
    return fd;
}

TEST(conn_unix, bytes_go_both_ways)
{
    int listening = listen_at(path);
    int fd;

    CHECK_EQ(conn_dial_unix(loop, path, &handler, NULL, &conn), OK);
    CHECK(!connected); /* told by an event */
    fd = accept(listening, NULL, NULL);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "pong", 4), 4);
    run_loop();
    CHECK(connected);
    CHECK_EQ(why, OK);
    CHECK_STR(got, "pong");
    memset(got, 0, sizeof(got));
    CHECK_EQ(read(fd, got, sizeof(got)), 4);
    CHECK_STR(got, "ping");
    close(fd);
    close(listening);
    unlink(path);
}

TEST(conn_unix, says_why_it_cannot)
{
    static char long_path[200];
    int listening = listen_at(path);

    memset(long_path, 'x', sizeof(long_path) - 1);
    CHECK_EQ(conn_dial_unix(loop, long_path, &handler, NULL, &conn), ERR_LIMIT);
    close(listening); /* the file is still there, and nobody listens */
    CHECK_EQ(conn_dial_unix(loop, path, &handler, NULL, &conn), ERR_REFUSED);
    unlink(path);
    CHECK_EQ(conn_dial_unix(loop, path, &handler, NULL, &conn), ERR_NOT_FOUND);
}

static int begin(void **state)
{
    snprintf(dir, sizeof(dir), "/tmp/conn_unix.XXXXXX");
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    loop = loop_new(&counters, &sink);
    return 0;
}

static int end(void **state)
{
    loop_free(loop);
    return rmdir(dir);
}

TESTS_WITHIN(begin, end, TEST_OF(conn_unix, bytes_go_both_ways),
             TEST_OF(conn_unix, says_why_it_cannot))
