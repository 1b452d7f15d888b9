#include "unit/test.h"

#include "loop/hop.h"
#include "loop/timer.h"
#include "node/http.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BIG_BYTES (32u << 20) /* more than the kernel buffers */

/* A server on this thread, clients on another, which ends the loop when it is through. */
struct bench {
    struct loop *loop;
    struct counters counters;
    struct log_sink sink;
    struct http *http;
    struct addr at;
    char folder[64];
    char path[100]; /* of the Unix socket */
    struct hop *hop;
    struct hop_msg done;
    void (*client)(struct bench *b);
    pthread_t thread;
    struct http_request *late; /* "/never" waits here */
    struct timer timer;        /* for "/later" */
    struct http_request *later;
    char failure[256]; /* what a client found wrong */
};

#define WRONG(b, ...)                                                                              \
    do {                                                                                           \
        snprintf((b)->failure, sizeof((b)->failure), __VA_ARGS__);                                 \
        return;                                                                                    \
    } while (0)

static void write_nothing(struct log_sink *sink, enum log_level level, struct slice line)
{
    (void)sink;
    (void)level;
    (void)line;
}

/* --- the handler --- */

static void answer(struct http_request *r, unsigned status, const char *text)
{
    struct byteq body;

    byteq_init(&body);
    byteq_append(&body, slice_from(text));
    http_answer(r, status, "text/plain", &body);
}

static void answer_big(struct http_request *r)
{
    struct byteq body;

    byteq_init(&body);
    memset(byteq_reserve(&body, BIG_BYTES), 'x', BIG_BYTES);
    byteq_grow(&body, BIG_BYTES);
    http_answer(r, 200, "text/plain", &body);
}

static void on_later(struct timer *t)
{
    struct bench *b = LIST_ENTRY(t, struct bench, timer);

    http_header(b->later, "Fedrouter-Test", "late");
    answer(b->later, 200, "later");
}

static void tell_request(struct bench *b, struct http_request *r)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "other"};
    const char *q = http_query(r, "q");
    char text[256];

    (void)b;
    snprintf(text, sizeof(text), "%s %s %s %s", methods[http_method(r)], http_path(r), q ? q : "-",
             http_over_unix(r) ? "unix" : "tcp");
    answer(r, 200, text);
}

static void handle(void *arg, struct http_request *r)
{
    struct bench *b = arg;

    if (strcmp(http_path(r), "/later") == 0) {
        b->later = r;
        timer_start(&b->timer, 30);
    } else if (strcmp(http_path(r), "/never") == 0) {
        b->late = r;
    } else if (strcmp(http_path(r), "/big") == 0) {
        answer_big(r);
    } else {
        tell_request(b, r);
    }
}

/* --- the bench --- */

static void deliver_done(struct hop_msg *m, void *arg)
{
    (void)m;
    loop_stop(((struct bench *)arg)->loop);
}

static void *run_client(void *arg)
{
    struct bench *b = arg;

    b->client(b);
    hop_post(b->hop, &b->done);
    return NULL;
}

static void bench_open(struct bench *b, const struct http_options *times)
{
    struct http_options o = *times;
    struct addr any;
    char error[256];

    memset(b, 0, sizeof(*b));
    signal(SIGPIPE, SIG_IGN);
    strcpy(b->folder, "/tmp/fedrouter-http-XXXXXX");
    CHECK(mkdtemp(b->folder) != NULL);
    snprintf(b->path, sizeof(b->path), "%s/control.sock", b->folder);
    b->sink.write = write_nothing;
    b->loop = loop_new(&b->counters, &b->sink);
    b->hop = hop_open(b->loop, b);
    b->done.deliver = deliver_done;
    timer_init(&b->timer, b->loop, on_later);
    o.loop = b->loop;
    o.handle = handle;
    o.arg = b;
    CHECK_EQ(addr_parse(SLICE("127.0.0.1:0"), 1, &any), OK);
    CHECK_EQ(http_new(&o, &b->http), OK);
    CHECK_EQ(http_listen(b->http, &any, -1, error, sizeof(error)), OK);
    CHECK_EQ(http_listen_unix(b->http, b->path, error, sizeof(error)), OK);
    CHECK(http_address(b->http, &b->at));
}

static void bench_run(struct bench *b, void (*client)(struct bench *b))
{
    b->client = client;
    CHECK_EQ(pthread_create(&b->thread, NULL, run_client, b), 0);
    loop_run(b->loop);
    pthread_join(b->thread, NULL);
}

static void bench_close(struct bench *b)
{
    http_free(b->http);
    timer_stop(&b->timer);
    hop_close(b->hop);
    loop_free(b->loop);
    rmdir(b->folder); /* the socket is gone, or it stays for the test to see */
}

static void with_client(void (*client)(struct bench *b))
{
    static const struct http_options usual;
    struct bench b;

    bench_open(&b, &usual);
    bench_run(&b, client);
    bench_close(&b);
    CHECK_MSG(!b.failure[0], "%s", b.failure);
}

/* --- clients: blocking sockets with a time-out --- */

static void set_patience(int fd)
{
    struct timeval patience = {20, 0};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static int dial(struct bench *b)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    set_patience(fd);
    if (connect(fd, &b->at.sa, sizeof(b->at.v4)) == 0)
        return fd;
    close(fd);
    return -1;
}

static int dial_unix(struct bench *b)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(at.sun_path, b->path, sizeof(b->path));
    set_patience(fd);
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void say(int fd, const char *text)
{
    (void)!write(fd, text, strlen(text));
}

/* Until the other side closes, or `enough` stands in it. Returns its length. */
static size_t hear(int fd, char *buf, size_t size, const char *enough)
{
    size_t n = 0;

    buf[0] = '\0';
    while (n + 1 < size && !(enough && strstr(buf, enough))) {
        ssize_t got = read(fd, buf + n, size - 1 - n);

        if (got <= 0)
            break;
        n += (size_t)got;
        buf[n] = '\0';
    }
    return n;
}

static void ask(int fd, const char *head, char *buf, size_t size)
{
    char text[512];

    snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", head);
    say(fd, text);
    hear(fd, buf, size, NULL);
    close(fd);
}

/* --- answers --- */

static void client_words(struct bench *b)
{
    static const struct {
        const char *head, *status, *end;
        bool over_unix;
    } cases[] = {
        {"GET /a", "HTTP/1.1 200 ", "\r\n\r\nGET /a - tcp", false},
        {"GET /a?q=b%20c&q=d", "HTTP/1.1 200 ", "\r\n\r\nGET /a b c tcp", false},
        {"GET /later", "HTTP/1.1 200 ", "\r\n\r\nlater", false},
        {"POST /a?q=1", "HTTP/1.1 200 ", "\r\n\r\nPOST /a 1 unix", true},
        {"DELETE /a", "HTTP/1.1 200 ", "\r\n\r\nother /a - tcp", false},
        {"HEAD /abc", "HTTP/1.1 200 ", "\r\n\r\n", false}, /* RFC 9110 9.3.2: no content */
        {"GET /%", "HTTP/1.1 200 ", "\r\n\r\nGET /% - tcp", false},
    };
    char buf[4096];

    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t end = strlen(cases[i].end);

        ask(cases[i].over_unix ? dial_unix(b) : dial(b), cases[i].head, buf, sizeof(buf));
        if (strncmp(buf, cases[i].status, strlen(cases[i].status)) != 0 || strlen(buf) < end ||
            strcmp(buf + strlen(buf) - end, cases[i].end) != 0)
            WRONG(b, "%s: %.150s", cases[i].head, buf);
        if (!strstr(buf, "Cache-Control: no-store\r\n"))
            WRONG(b, "%s may be cached", cases[i].head);
    }
}

TEST(http, answers_at_once_and_later)
{
    with_client(client_words);
}

static void client_header(struct bench *b)
{
    char buf[4096];

    ask(dial(b), "GET /later", buf, sizeof(buf));
    if (!strstr(buf, "Fedrouter-Test: late\r\n") || !strstr(buf, "Content-Length: 5\r\n"))
        WRONG(b, "headers are missing: %.200s", buf);
    ask(dial(b), "HEAD /abc", buf, sizeof(buf));
    if (!strstr(buf, "Content-Length: 15\r\n")) /* as GET would have: "HEAD /abc - tcp" */
        WRONG(b, "HEAD: %.200s", buf);
}

TEST(http, headers_go_with_the_answer)
{
    with_client(client_header);
}

static void client_keeps(struct bench *b)
{
    char buf[4096];
    int fd = dial(b);

    for (int i = 0; i < 3; i++) {
        say(fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
        hear(fd, buf, sizeof(buf), "\r\n\r\nlater");
        if (!strstr(buf, "\r\n\r\nlater"))
            WRONG(b, "request %d: %.150s", i, buf);
    }
    close(fd);
}

TEST(http, a_connection_carries_many_requests)
{
    with_client(client_keeps);
}

/* --- bounds --- */

static void client_too_big(struct bench *b)
{
    char buf[4096];
    char line[1024];
    int fd = dial(b);

    memset(line, 'a', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    say(fd, "GET /a HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 40; i++) {
        say(fd, "A: ");
        say(fd, line);
        say(fd, "\r\n");
    }
    say(fd, "\r\n");
    hear(fd, buf, sizeof(buf), NULL);
    if (strstr(buf, " 200 "))
        WRONG(b, "40 KiB of headers were taken");
    close(fd);
    fd = dial(b);
    say(fd, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 40000\r\n\r\n");
    for (int i = 0; i < 40; i++)
        say(fd, line);
    hear(fd, buf, sizeof(buf), NULL);
    if (strstr(buf, " 200 "))
        WRONG(b, "a body of 40 KB was taken");
    close(fd);
    fd = dial_unix(b);
    say(fd, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
    hear(fd, buf, sizeof(buf), NULL);
    if (!strstr(buf, "POST /a - unix"))
        WRONG(b, "a small body: %.150s", buf);
    close(fd);
}

TEST(http, requests_are_bounded)
{
    with_client(client_too_big);
}

static bool is_open(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 0;
}

static void client_crowd(struct bench *b)
{
    int fds[HTTP_CONNECTIONS_MAX + 8];
    char buf[4096];
    size_t open = 0;

    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = dial(b);
    for (size_t i = 0; i < COUNT(fds); i++) { /* an answer of the last one tells that all are in */
        say(fds[i], "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        hear(fds[i], buf, sizeof(buf), "tcp");
        open += is_open(fds[i]);
    }
    if (open != HTTP_CONNECTIONS_MAX)
        WRONG(b, "%zu connections are open", open);
    ask(dial_unix(b), "GET /a", buf, sizeof(buf));
    if (!strstr(buf, "unix"))
        WRONG(b, "strangers keep the operator out");
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
}

TEST(http, a_crowd_is_turned_away_and_leaves_room_for_the_operator)
{
    with_client(client_crowd);
}

static void client_slow_reader(struct bench *b)
{
    char buf[4096];
    int slow = dial(b);

    say(slow, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(slow, buf, 100, NULL);
    for (int i = 0; i < 5; i++) {
        ask(dial(b), "GET /later", buf, sizeof(buf));
        if (!strstr(buf, "later"))
            WRONG(b, "nobody is served while one reads slowly");
    }
    close(slow);
}

TEST(http, a_slow_reader_holds_nobody_up)
{
    with_client(client_slow_reader);
}

static void client_all_of_it(struct bench *b)
{
    char *buf = mem_alloc(BIG_BYTES + 4096);
    size_t n;
    int fd = dial(b);

    say(fd, "GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    n = hear(fd, buf, BIG_BYTES + 4096, "no such text");
    mem_free(buf);
    close(fd);
    if (n < BIG_BYTES)
        WRONG(b, "only %zu bytes", n);
}

TEST(http, a_large_answer_comes_whole)
{
    with_client(client_all_of_it);
}

static void client_drips(struct bench *b)
{
    char buf[4096];
    int dripping = dial(b), silent = dial(b), deaf = dial(b);
    bool ended = false;

    say(deaf, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 100 && !ended; i++) { /* one byte of a header each 50 ms */
        say(dripping, "a");
        usleep(50000);
        ended = !is_open(dripping);
    }
    if (!ended)
        WRONG(b, "whoever sends a byte now and then stays for ever");
    hear(silent, buf, sizeof(buf), NULL); /* 20 s at most */
    while (read(deaf, buf, sizeof(buf)) > 0)
        ;
    close(dripping);
    close(silent);
    close(deaf);
    for (int i = 0; i < 100; i++) {
        ask(dial(b), "GET /a", buf, sizeof(buf));
        if (!strstr(buf, "tcp"))
            WRONG(b, "then nobody is served: %.100s", buf);
    }
}

TEST(http, whoever_neither_asks_nor_reads_is_let_go)
{
    static const struct http_options hasty = {.quiet_ms = 500};
    struct bench b;

    bench_open(&b, &hasty);
    bench_run(&b, client_drips);
    CHECK_MSG(!b.failure[0], "%s", b.failure);
    CHECK(http_connection_count(b.http) <= 1); /* the last may not be noticed yet */
    bench_close(&b);
}

/* --- answers that do not come --- */

static void client_never(struct bench *b)
{
    char buf[4096];

    ask(dial(b), "GET /never", buf, sizeof(buf));
    if (!strstr(buf, "HTTP/1.1 503 "))
        WRONG(b, "no 503: %.100s", buf);
}

TEST(http, a_late_answer_is_503_and_may_still_come)
{
    static const struct http_options hasty = {.answer_ms = 100};
    struct bench b;

    bench_open(&b, &hasty);
    bench_run(&b, client_never);
    CHECK_MSG(!b.failure[0], "%s", b.failure);
    CHECK(!http_wanted(b.late));
    answer(b.late, 200, "too late");
    bench_close(&b);
}

static void client_leaves(struct bench *b)
{
    int fd = dial(b);
    char buf[64];

    say(fd, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
    ask(dial(b), "GET /a", buf, sizeof(buf)); /* by now the first is with the handler */
    close(fd);
}

TEST(http, a_client_may_leave_before_its_answer)
{
    static const struct http_options usual;
    struct bench b;

    bench_open(&b, &usual);
    bench_run(&b, client_leaves);
    answer(b.late, 200, "nobody is there");
    bench_run(&b, client_keeps); /* it is noticed meanwhile */
    CHECK_MSG(!b.failure[0], "%s", b.failure);
    bench_close(&b);
}

TEST(http, requests_outlive_the_server)
{
    static const struct http_options usual;
    struct http_request *late;
    struct bench b;

    bench_open(&b, &usual);
    bench_run(&b, client_leaves);
    late = b.late;
    bench_close(&b);
    CHECK(!http_wanted(late));
    answer(late, 200, "the server is gone");
}

/* --- the socket file --- */

static unsigned mode_of(const char *path)
{
    struct stat st = {0};

    return lstat(path, &st) ? 0 : st.st_mode & 07777;
}

static void put_stale_socket(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strncpy(at.sun_path, path, sizeof(at.sun_path) - 1);
    CHECK_EQ(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    close(fd);
}

TEST(http, the_socket_file_is_ours_and_the_groups)
{
    static const struct http_options usual;
    mode_t before = umask(077);
    struct bench b;

    bench_open(&b, &usual);
    umask(before);
    CHECK_EQ(mode_of(b.path), 0660);
    bench_close(&b);
    CHECK_EQ(mode_of(b.path), 0);
}

TEST(http, a_file_of_somebody_else_stays)
{
    static const struct http_options usual;
    struct bench b;

    bench_open(&b, &usual);
    CHECK_EQ(unlink(b.path), 0);
    put_stale_socket(b.path); /* not the one that was made here */
    bench_close(&b);
    CHECK(mode_of(b.path) != 0);
    CHECK_EQ(unlink(b.path), 0);
    CHECK_EQ(rmdir(b.folder), 0);
}

static struct http *another(struct bench *b)
{
    struct http_options o = {.loop = b->loop, .handle = handle, .arg = b};
    struct http *h;

    CHECK_EQ(http_new(&o, &h), OK);
    return h;
}

TEST(http, a_stale_socket_is_replaced)
{
    static const struct http_options usual;
    char path[120], error[256];
    struct bench b;
    struct http *h;

    bench_open(&b, &usual);
    h = another(&b);
    snprintf(path, sizeof(path), "%s/stale", b.folder);
    put_stale_socket(path);
    CHECK_EQ(http_listen_unix(h, path, error, sizeof(error)), OK);
    CHECK_EQ(mode_of(path), 0660);
    http_free(h);
    bench_close(&b);
}

TEST(http, what_is_in_the_way_is_named)
{
    static const struct http_options usual;
    static const struct {
        const char *name, *word;
        enum err e;
    } cases[] = {
        {"control.sock", "another router answers there", ERR_IN_USE},
        {"plain", "no socket", ERR_EXISTS},
        {"no/such/dir", "directory does not exist", ERR_NOT_FOUND},
        {"long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-"
         "long-long",
         "too long", ERR_LIMIT},
    };
    char path[256], error[256];
    struct bench b;

    bench_open(&b, &usual);
    snprintf(path, sizeof(path), "%s/plain", b.folder);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http *h = another(&b);

        snprintf(path, sizeof(path), "%s/%s", b.folder, cases[i].name);
        CHECK_EQ(http_listen_unix(h, path, error, sizeof(error)), cases[i].e);
        CHECK_MSG(strstr(error, "listen.control: ") && strstr(error, cases[i].word) &&
                      strstr(error, path) && !strchr(error, '\n'),
                  "%s", error);
        http_free(h);
    }
    CHECK_EQ(mode_of(b.path), 0660); /* the living one still is */
    snprintf(path, sizeof(path), "%s/plain", b.folder);
    CHECK_EQ(unlink(path), 0);
    bench_close(&b);
}

TEST(http, a_port_in_use_is_named)
{
    static const struct http_options usual;
    struct bench b;
    struct http *h;
    char error[256];

    bench_open(&b, &usual);
    h = another(&b);
    CHECK_EQ(http_listen(h, &b.at, -1, error, sizeof(error)), ERR_IN_USE);
    CHECK(strstr(error, "listen.http: cannot listen on 127.0.0.1:") && strstr(error, "stop it"));
    http_free(h);
    bench_close(&b);
}

TESTS(TEST_OF(http, answers_at_once_and_later), TEST_OF(http, headers_go_with_the_answer),
      TEST_OF(http, a_connection_carries_many_requests), TEST_OF(http, requests_are_bounded),
      TEST_OF(http, a_crowd_is_turned_away_and_leaves_room_for_the_operator),
      TEST_OF(http, a_slow_reader_holds_nobody_up), TEST_OF(http, a_large_answer_comes_whole),
      TEST_OF(http, whoever_neither_asks_nor_reads_is_let_go),
      TEST_OF(http, a_late_answer_is_503_and_may_still_come),
      TEST_OF(http, a_client_may_leave_before_its_answer),
      TEST_OF(http, requests_outlive_the_server),
      TEST_OF(http, the_socket_file_is_ours_and_the_groups),
      TEST_OF(http, a_file_of_somebody_else_stays), TEST_OF(http, a_stale_socket_is_replaced),
      TEST_OF(http, what_is_in_the_way_is_named), TEST_OF(http, a_port_in_use_is_named))
