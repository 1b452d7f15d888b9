#include "unit/test.h"

#include "loop/dgram.h"
#include "loop/signal.h"
#include "loop/timer.h"
#include "loop/watch.h"

#include <signal.h>
#include <unistd.h>

static struct counters counters;
static struct log_sink sink;
static struct loop *loop;
static struct timer limit;
static char got[64];
static enum err why;
static struct dgram *dgram;

static void on_limit(struct timer *t)
{
    loop_stop(loop);
}

static void open_loop(void)
{
    loop = loop_new(&counters, &sink);
    timer_init(&limit, loop, on_limit);
    got[0] = '\0';
    why = OK;
}

static void run_for(uint64_t ms)
{
    timer_start(&limit, ms);
    loop_run(loop);
    timer_stop(&limit);
}

static void on_packet(void *arg, struct slice packet, const struct addr *from)
{
    CHECK(addr_is_loopback(from));
    CHECK(slice_to_cstr(packet, got, sizeof(got)));
    loop_stop(loop);
}

static void on_failed(void *arg, enum err e)
{
    why = e;
    loop_stop(loop);
}

/* A plain socket that answers, or only knows a port. */
static int raw_socket(struct addr *ret_addr)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    socklen_t size = sizeof(*ret_addr);

    CHECK_EQ(addr_parse(SLICE("127.0.0.1:1"), 0, ret_addr), OK);
    addr_set_port(ret_addr, 0);
    CHECK_EQ(bind(fd, &ret_addr->sa, addr_size(ret_addr)), 0);
    CHECK_EQ(getsockname(fd, &ret_addr->sa, &size), 0);
    return fd;
}

static ssize_t recv_raw(int fd, char *buf, size_t room, struct addr *ret_from)
{
    socklen_t size = sizeof(*ret_from);

    return recvfrom(fd, buf, room, 0, &ret_from->sa, &size);
}

TEST(dgram, hears_only_whom_it_asked)
{
    struct addr server, other, from;
    int fd, stranger;
    char buf[16];

    open_loop();
    fd = raw_socket(&server);
    stranger = raw_socket(&other);
    CHECK_EQ(dgram_open(loop, &server, on_packet, on_failed, NULL, &dgram), OK);
    CHECK_EQ(dgram_send(dgram, SLICE("question")), OK);
    CHECK_EQ(recv_raw(fd, buf, sizeof(buf), &from), 8);
    sendto(stranger, "forged", 6, 0, &from.sa, addr_size(&from));
    run_for(30);
    CHECK_STR(got, "");
    sendto(fd, "answer", 6, 0, &from.sa, addr_size(&from));
    run_for(1000);
    CHECK_STR(got, "answer");
    dgram_close(dgram);
    close(fd);
    close(stranger);
    loop_free(loop);
}

/* RFC 5452 9.2: off-path forgers must guess the port. */
TEST(dgram, ports_are_not_a_sequence)
{
    uint16_t ports[8];
    struct addr server, from;
    int fd, rising = 0;
    char buf[16];

    open_loop();
    fd = raw_socket(&server);
    for (size_t i = 0; i < COUNT(ports); i++) {
        CHECK_EQ(dgram_open(loop, &server, on_packet, on_failed, NULL, &dgram), OK);
        CHECK_EQ(dgram_send(dgram, SLICE("q")), OK);
        CHECK_EQ(recv_raw(fd, buf, sizeof(buf), &from), 1);
        ports[i] = addr_port(&from);
        rising += i > 0 && ports[i] - ports[i - 1] > 0 && ports[i] - ports[i - 1] < 16;
        dgram_close(dgram);
    }
    CHECK(rising < 4);
    close(fd);
    loop_free(loop);
}

TEST(dgram, refusal_is_told_and_it_goes_on)
{
    struct addr server, from;
    char buf[16];
    int fd;

    open_loop();
    fd = raw_socket(&server);
    close(fd);
    CHECK_EQ(dgram_open(loop, &server, on_packet, on_failed, NULL, &dgram), OK);
    CHECK_EQ(dgram_send(dgram, SLICE("anybody?")), OK);
    run_for(1000);
    CHECK_EQ(why, ERR_REFUSED);
    fd = socket(AF_INET, SOCK_DGRAM, 0); /* the server is back */
    CHECK_EQ(bind(fd, &server.sa, addr_size(&server)), 0);
    CHECK_EQ(dgram_send(dgram, SLICE("again")), OK);
    CHECK_EQ(recv_raw(fd, buf, sizeof(buf), &from), 5);
    sendto(fd, "here", 4, 0, &from.sa, addr_size(&from));
    run_for(1000);
    CHECK_STR(got, "here");
    dgram_close(dgram);
    close(fd);
    loop_free(loop);
}

static void close_in_recv(void *arg, struct slice packet, const struct addr *from)
{
    strcat(got, "1");
    dgram_close(dgram);
}

TEST(dgram, nothing_comes_after_close)
{
    struct addr server, from;
    char buf[16];
    int fd;

    open_loop();
    fd = raw_socket(&server);
    CHECK_EQ(dgram_open(loop, &server, close_in_recv, on_failed, NULL, &dgram), OK);
    CHECK_EQ(dgram_send(dgram, SLICE("q")), OK);
    CHECK_EQ(recv_raw(fd, buf, sizeof(buf), &from), 1);
    sendto(fd, "a", 1, 0, &from.sa, addr_size(&from));
    sendto(fd, "b", 1, 0, &from.sa, addr_size(&from));
    run_for(50);
    CHECK_STR(got, "1");
    CHECK_EQ(why, OK);
    close(fd);
    loop_free(loop);
}

static int pipe_fds[2];

static void on_ready(void *arg)
{
    char buf[16];

    CHECK_EQ(read(pipe_fds[0], buf, sizeof(buf)), 1);
    strcat(got, "r");
}

TEST(watch, tells_when_a_foreign_descriptor_is_ready)
{
    struct watch *w;

    open_loop();
    CHECK_EQ(pipe(pipe_fds), 0);
    w = watch_open(loop, pipe_fds[0], true, false, on_ready, NULL);
    run_for(20);
    CHECK_STR(got, "");
    CHECK_EQ(write(pipe_fds[1], "x", 1), 1);
    run_for(20);
    CHECK_STR(got, "r");
    watch_close(w);
    CHECK_EQ(write(pipe_fds[1], "x", 1), 1);
    run_for(20);
    CHECK_STR(got, "r");
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    loop_free(loop);
}

static void on_signal(void *arg, int signo)
{
    CHECK_EQ(signo, SIGUSR1);
    strcat(got, "u");
    loop_stop(loop);
}

TEST(signal, comes_as_an_event)
{
    struct sigwatch *s;

    open_loop();
    s = sigwatch_open(loop, SIGUSR1, on_signal, NULL);
    raise(SIGUSR1);
    CHECK_STR(got, "");
    run_for(1000);
    CHECK_STR(got, "u");
    sigwatch_close(s);
    loop_free(loop);
}

TESTS(TEST_OF(dgram, hears_only_whom_it_asked), TEST_OF(dgram, ports_are_not_a_sequence),
      TEST_OF(dgram, refusal_is_told_and_it_goes_on), TEST_OF(dgram, nothing_comes_after_close),
      TEST_OF(watch, tells_when_a_foreign_descriptor_is_ready), TEST_OF(signal, comes_as_an_event))
