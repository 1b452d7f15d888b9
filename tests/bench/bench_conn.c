/* bench_conn - what a connection costs: CPU per message through TLS over loopback, handshakes a
 * second, memory of one that is idle. Build with FLAVOUR=release.
 *
 *     build/tests/bench/bench_conn [messages] [handshakes] [idle links]
 */
#include "unit/certfiles.h"

#include "base/mem.h"
#include "loop/conn.h"
#include "loop/listener.h"
#include "loop/thread.h"
#include "loop/timer.h"
#include "wire/certid.h"

#include <malloc.h>
#include <sys/resource.h>

#define MESSAGE_BYTES 200

static struct log_sink sink;
static struct counters counters[3];
static struct tls_context *tls;
static struct addr at;

static uint64_t cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t wall_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static struct tls_context *load_context(void)
{
    const char *chain = certfile("a.pem"), *key = certfile("a.key");
    struct tls_context_options o = {&chain, &key, 1, certfile("ca.pem"), false, true, true};
    struct tls_context *c;
    char error[256];

    if (tls_context_new(&o, error, sizeof(error), &c)) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
    return c;
}

static void ignore(void *arg)
{
}

static void ignore_closed(void *arg, enum err why)
{
}

/* --- a stream of messages between two threads ------------------------------------------------- */

struct end {
    struct loop *loop;
    struct listener *listener;
    struct conn *conn;
    uint64_t messages; /* to send, to get */
    uint64_t bytes;
    uint64_t began_ns; /* CPU, at the first byte */
    uint64_t spent_ns;
    uint64_t calls;
    bool secure;
    bool one_by_one; /* a record for each message: a peer that does not cork */
    struct task next;
};

static void send_one(struct task *t)
{
    struct end *e = LIST_ENTRY(t, struct end, next);
    static const char message[MESSAGE_BYTES];

    if (e->messages == 0 || conn_pending(e->conn) > CONN_HIGH_BYTES)
        return;
    conn_write(e->conn, slice_make(message, sizeof(message)));
    e->messages--;
    loop_defer(e->loop, &e->next);
}

static void send_more(void *arg)
{
    struct end *e = arg;
    static const char message[MESSAGE_BYTES];

    if (!e->began_ns)
        e->began_ns = cpu_ns();
    if (e->one_by_one) {
        loop_defer(e->loop, &e->next);
        return;
    }
    for (; e->messages > 0 && conn_pending(e->conn) <= CONN_HIGH_BYTES; e->messages--)
        byteq_append(conn_out(e->conn), slice_make(message, sizeof(message)));
    conn_touch(e->conn);
}

static void sender_acked(void *arg, uint64_t plain)
{
    struct end *e = arg;

    e->calls++;
    if (e->messages == 0 && plain == conn_written(e->conn)) {
        e->spent_ns = cpu_ns() - e->began_ns;
        conn_close(e->conn);
    }
}

static void end_closed(void *arg, enum err why)
{
    loop_stop(((struct end *)arg)->loop);
}

static void sender_data(void *arg, struct slice plain)
{
}

static void sender_connected(void *arg)
{
    struct end *e = arg;

    if (e->secure)
        conn_start_tls(e->conn, tls_client(tls, SLICE("a.example"), slice_none(), false));
    else
        send_more(e);
}

static const struct conn_handler sender = {.connected = sender_connected,
                                           .secured = send_more,
                                           .data = sender_data,
                                           .acked = sender_acked,
                                           .drained = send_more,
                                           .closed = end_closed};

static void receiver_data(void *arg, struct slice plain)
{
    struct end *e = arg;

    if (!e->began_ns)
        e->began_ns = cpu_ns();
    e->bytes += plain.len;
    e->calls++;
    if (e->bytes == e->messages * MESSAGE_BYTES)
        e->spent_ns = cpu_ns() - e->began_ns;
}

static void receiver_ended(void *arg)
{
    conn_close(((struct end *)arg)->conn);
}

static const struct conn_handler receiver = {
    .data = receiver_data, .ended = receiver_ended, .closed = end_closed};

static void accept_one(void *arg, int fd, const struct addr *peer)
{
    struct end *e = arg;

    if (conn_adopt(e->loop, fd, peer, slice_none(), &receiver, e, &e->conn))
        abort();
    if (e->secure)
        conn_start_tls(e->conn, tls_server(tls, SLICE("a.example"), false));
}

static void open_receiver(struct loop *l, void *arg)
{
    struct end *e = arg;

    e->loop = l;
    addr_set_port(&at, 0);
    if (listener_open(l, &at, -1, accept_one, e, &e->listener))
        abort();
    listener_addr(e->listener, &at);
}

static bool close_receiver(struct loop *l, void *arg)
{
    listener_close(((struct end *)arg)->listener);
    return true;
}

static void open_sender(struct loop *l, void *arg)
{
    struct end *e = arg;

    e->loop = l;
    task_init(&e->next, send_one);
    if (conn_dial(l, &at, NULL, &sender, e, &e->conn))
        abort();
}

static bool close_sender(struct loop *l, void *arg)
{
    return true;
}

static void stream(const char *what, uint64_t messages, bool secure, bool one_by_one)
{
    struct end from = {.messages = messages, .secure = secure, .one_by_one = one_by_one};
    struct end to = {.messages = messages, .secure = secure};
    uint64_t began = wall_ns();
    struct thread *r =
        thread_start("receiver", &counters[0], &sink, open_receiver, close_receiver, &to);
    struct thread *s =
        thread_start("sender", &counters[1], &sink, open_sender, close_sender, &from);
    double seconds;

    thread_join(s);
    thread_join(r);
    seconds = (double)(wall_ns() - began) / 1e9;
    printf("%-28s send %6.1f ns  receive %6.1f ns a message; %5.2f GB/s, %.0f messages a call\n",
           what, (double)from.spent_ns / (double)messages, (double)to.spent_ns / (double)messages,
           (double)(messages * MESSAGE_BYTES) / seconds / 1e9, (double)messages / (double)to.calls);
}

/* --- both sides in one loop ------------------------------------------------------------------- */

struct link {
    struct conn *conn[2];
    int secured;
};

static struct loop *loop;
static struct link *links;
static size_t link_count, link_next, up_count;
static bool closing; /* each link as soon as it is up */
static uint64_t first_ns, last_ns;

static void open_link(void);

static void look_at_cert(struct conn *c)
{
    struct cert *cert = tls_peer_cert(conn_tls(c));

    if (!cert || cert_chain(cert) || !cert_names(cert, SLICE("a.example"), NULL))
        abort();
    cert_unref(cert);
    tls_forget_peer(conn_tls(c));
}

static void link_secured(void *arg)
{
    struct link *k = arg;

    if (++k->secured < 2)
        return;
    up_count++;
    look_at_cert(k->conn[0]);
    look_at_cert(k->conn[1]);
    if (closing) {
        conn_reset(k->conn[0]);
        conn_reset(k->conn[1]);
    }
    if (link_next < link_count)
        open_link();
    if (up_count == link_count) {
        last_ns = cpu_ns();
        loop_stop(loop);
    }
}

static void link_connected(void *arg)
{
    struct link *k = arg;

    conn_start_tls(k->conn[0], tls_client(tls, SLICE("a.example"), slice_none(), false));
}

static const struct conn_handler link_handler = {.connected = link_connected,
                                                 .secured = link_secured,
                                                 .data = sender_data,
                                                 .ended = ignore,
                                                 .closed = ignore_closed};

static size_t accepted;

static void accept_link(void *arg, int fd, const struct addr *peer)
{
    struct link *k = &links[accepted++];

    if (conn_adopt(loop, fd, peer, slice_none(), &link_handler, k, &k->conn[1]))
        abort();
    conn_start_tls(k->conn[1], tls_server(tls, SLICE("a.example"), false));
}

static void open_link(void)
{
    struct link *k = &links[link_next++];

    if (conn_dial(loop, &at, NULL, &link_handler, k, &k->conn[0]))
        abort();
}

static void on_rest(struct timer *t)
{
    loop_stop(loop);
}

static void rest(uint64_t ms)
{
    struct timer t;

    timer_init(&t, loop, on_rest);
    timer_start(&t, ms);
    loop_run(loop);
}

static void links_up(size_t n, bool close_each)
{
    struct listener *ln;

    loop = loop_new(&counters[2], &sink);
    links = mem_array(n, sizeof(*links));
    link_count = n;
    link_next = up_count = accepted = 0;
    closing = close_each;
    addr_set_port(&at, 0);
    if (listener_open(loop, &at, -1, accept_link, NULL, &ln))
        abort();
    listener_addr(ln, &at);
    open_link(); /* warm: names of algorithms, tables of curves */
    first_ns = cpu_ns();
    loop_run(loop);
    listener_close(ln);
}

static void links_down(void)
{
    for (size_t i = 0; i < link_count && !closing; i++) {
        conn_reset(links[i].conn[0]);
        conn_reset(links[i].conn[1]);
    }
    rest(1);
    loop_free(loop);
    mem_free(links);
}

static void handshakes(size_t n)
{
    links_up(n, true);
    printf("handshakes, both sides certified, P-256: %.0f links a second on one core\n",
           (double)n / ((double)(last_ns - first_ns) / 1e9));
    links_down();
}

static void idle(size_t n)
{
    size_t before, after;

    links_up(1, false);
    links_down();
    before = mallinfo2().uordblks;
    links_up(n, false);
    rest(300);
    after = mallinfo2().uordblks;
    printf("idle TLS connection: %zu bytes of heap (%zu pairs)\n", (after - before) / n / 2, n);
    links_down();
}

static size_t argument(int argc, char **argv, int i, size_t otherwise)
{
    return argc > i ? (size_t)strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    size_t messages = argument(argc, argv, 1, 10000000);
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (addr_parse(SLICE("127.0.0.1:1"), 0, &at))
        abort();
    certfile_begin();
    certfile_make("a", "DNS:a.example", 30);
    tls = load_context();
    if (messages) {
        stream("TLS, corked", messages, true, false);
        stream("TLS, a record a message", messages / 10, true, true);
        stream("clear, corked", messages, false, false);
    }
    handshakes(argument(argc, argv, 2, 2000));
    idle(argument(argc, argv, 3, 2000));
    tls_context_unref(tls);
    certfile_end();
    return 0;
}
