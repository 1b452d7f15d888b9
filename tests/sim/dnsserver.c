#include "sim/dnsserver.h"

#include "sim/dnspacket.h"
#include "sim/net.h"

#define PACKET_MAX    65535
#define CNAME_MAX     16
#define DEFAULT_TTL_S 300

enum habit { ANSWERS, SERVFAIL, NXDOMAIN, REFUSED, SILENT, TRUNCATED, GARBAGE, DELAY };

struct row {
    struct list node;
    char name[DNSNAME_MAX];
    enum habit habit;
    uint64_t delay_ms;
    uint16_t type;
    uint32_t ttl_s;
    struct byteq data;
    char target[DNSNAME_MAX]; /* of a CNAME */
};

struct asked {
    struct list node;
    char name[DNSNAME_MAX];
    uint16_t type;
};

struct dnsserver {
    struct owned owned;
    struct world *world;
    struct udp *udp;
    struct port *port;
    struct list rows;
    struct list asked;
    struct list replies; /* delayed */
    struct list clients; /* over TCP */
    uint32_t ttl_s;
    bool ad;
    bool silent;
};

/* Where a reply goes; over TCP the connection may be gone when it is due. */
struct client {
    struct list node;
    struct dnsserver *server;
    struct tcp *tcp;
    struct byteq in;
    struct event move;
};

struct reply {
    struct event event;
    struct list node;
    struct dnsserver *server;
    struct client *client; /* NULL: UDP */
    struct addr to;
    struct byteq packet;
};

/* --- the table --- */

static struct slice next_word(struct slice *text)
{
    struct slice all = slice_trim(*text);
    size_t n = slice_find(all, ' ');

    *text = slice_trim(slice_from_offset(all, n));
    return slice_sub(all, 0, n);
}

static bool take_habit(struct row *r, struct slice word, struct slice rest)
{
    static const char *const words[] = {"",       "SERVFAIL",  "NXDOMAIN", "REFUSED",
                                        "SILENT", "TRUNCATED", "GARBAGE",  "DELAY"};

    for (size_t i = 1; i < COUNT(words); i++) {
        if (!slice_is(word, words[i]))
            continue;
        r->habit = (enum habit)i;
        return i != DELAY || slice_to_u64(rest, 3600000, &r->delay_ms);
    }
    return false;
}

static enum err fill_row(struct row *r, struct slice text)
{
    struct slice name = next_word(&text);
    struct slice word = next_word(&text);

    if (!slice_to_cstr(name, r->name, sizeof(r->name)))
        return ERR_SYNTAX;
    if (take_habit(r, word, text))
        return OK;
    r->type = dnstype_of(word);
    if (r->type == DNSTYPE_CNAME && !slice_to_cstr(text, r->target, sizeof(r->target)))
        return ERR_SYNTAX;
    return dnsdata_parse(r->type, text, &r->data);
}

static void free_row(struct row *r)
{
    list_remove(&r->node);
    byteq_fini(&r->data);
    mem_free(r);
}

enum err dnsserver_add(struct dnsserver *d, const char *text)
{
    struct row *r = MEM_NEW(struct row);
    enum err e;

    list_init(&r->node);
    byteq_init(&r->data);
    r->ttl_s = d->ttl_s;
    e = fill_row(r, slice_from(text));
    if (e) {
        free_row(r);
        return e;
    }
    list_push(&d->rows, &r->node);
    return OK;
}

void dnsserver_remove(struct dnsserver *d, const char *name)
{
    LIST_WALK(n, &d->rows)
    if (strcmp(LIST_ENTRY(n, struct row, node)->name, name) == 0)
        free_row(LIST_ENTRY(n, struct row, node));
}

void dnsserver_set_ttl(struct dnsserver *d, uint32_t seconds)
{
    d->ttl_s = seconds;
}

void dnsserver_set_ad(struct dnsserver *d, bool ad)
{
    d->ad = ad;
}

void dnsserver_silence(struct dnsserver *d, bool silent)
{
    d->silent = silent;
}

static struct row *find_row(struct dnsserver *d, const char *name, uint16_t type)
{
    LIST_WALK(n, &d->rows)
    {
        struct row *r = LIST_ENTRY(n, struct row, node);

        if (strcmp(r->name, name) == 0 && r->habit == ANSWERS && (!type || r->type == type))
            return r;
    }
    return NULL;
}

static enum habit habit_of(struct dnsserver *d, const char *name, uint64_t *ret_delay_ms)
{
    enum habit habit = ANSWERS;

    *ret_delay_ms = 0;
    LIST_WALK(n, &d->rows)
    {
        struct row *r = LIST_ENTRY(n, struct row, node);

        if (strcmp(r->name, name) != 0)
            continue;
        if (r->habit == DELAY)
            *ret_delay_ms = r->delay_ms;
        else if (r->habit != ANSWERS)
            habit = r->habit;
    }
    return habit;
}

static void note_question(struct dnsserver *d, const struct dnsquery *q)
{
    struct asked *a = MEM_NEW(struct asked);

    memcpy(a->name, q->name, sizeof(a->name));
    a->type = q->type;
    list_push(&d->asked, &a->node);
}

unsigned dnsserver_asked(const struct dnsserver *d, const char *name, const char *type)
{
    uint16_t wanted = type ? dnstype_of(slice_from(type)) : 0;
    unsigned count = 0;

    for (const struct list *n = d->asked.next; n != &d->asked; n = n->next) {
        const struct asked *a = LIST_ENTRY(n, const struct asked, node);

        count += strcmp(a->name, name) == 0 && (!type || a->type == wanted);
    }
    return count;
}

/* --- an answer --- */

struct draft {
    struct dnsserver *server;
    const struct dnsquery *query;
    struct byteq records;
    struct byteq authority;
    unsigned count;
    unsigned rcode;
    bool truncated;
};

static void put_record(struct byteq *out, const char *name, unsigned type, uint32_t ttl_s,
                       struct slice data)
{
    assert(dnsname_format(slice_from(name), out) == OK);
    dns_put16(out, type);
    dns_put16(out, 1); /* IN */
    dns_put32(out, ttl_s);
    dns_put16(out, (unsigned)data.len);
    byteq_append(out, data);
}

static void put_rows(struct draft *a, const char *name, uint16_t type)
{
    LIST_WALK(n, &a->server->rows)
    {
        struct row *r = LIST_ENTRY(n, struct row, node);

        if (strcmp(r->name, name) != 0 || r->habit != ANSWERS || r->type != type)
            continue;
        put_record(&a->records, name, type, r->ttl_s, byteq_slice(&r->data));
        a->count++;
    }
}

/* RFC 2308: the SOA says how long a "no" is good. Its zone: the last two labels. */
static void put_soa(struct draft *a, const char *name)
{
    const char *zone = strrchr(name, '.');
    struct byteq data;

    while (zone && zone > name && zone[-1] != '.')
        zone--;
    byteq_init(&data);
    assert(dnsname_format(SLICE("ns.test"), &data) == OK);
    assert(dnsname_format(SLICE("admin.test"), &data) == OK);
    for (int i = 0; i < 5; i++)
        dns_put32(&data, i == 4 ? a->server->ttl_s : 3600);
    put_record(&a->authority, zone ? zone : name, DNSTYPE_SOA, a->server->ttl_s,
               byteq_slice(&data));
    byteq_fini(&data);
}

static void put_chain(struct draft *a)
{
    const char *name = a->query->name;
    struct row *alias;

    for (int i = 0; i < CNAME_MAX; i++) {
        alias = find_row(a->server, name, DNSTYPE_CNAME);
        if (!alias || a->query->type == DNSTYPE_CNAME)
            break;
        put_record(&a->records, name, DNSTYPE_CNAME, alias->ttl_s, byteq_slice(&alias->data));
        a->count++;
        name = alias->target;
    }
    put_rows(a, name, a->query->type);
    if (!find_row(a->server, name, 0))
        a->rcode = 3;
    if (!find_row(a->server, name, a->query->type))
        put_soa(a, name);
}

static void put_header(const struct draft *a, struct byteq *out)
{
    unsigned flags = 0x8080u | a->rcode;

    flags |= a->query->recursion_desired ? 0x0100u : 0;
    flags |= a->query->checking_disabled ? 0x0010u : 0;
    flags |= a->server->ad ? 0x0020u : 0;
    flags |= a->truncated ? 0x0200u : 0;
    dns_put16(out, a->query->id);
    dns_put16(out, flags);
    dns_put16(out, 1);
    dns_put16(out, a->truncated ? 0 : a->count);
    dns_put16(out, !a->truncated && byteq_len(&a->authority) ? 1 : 0);
    dns_put16(out, a->query->edns ? 1 : 0);
    byteq_append(out, a->query->question);
}

static void put_opt(const struct draft *a, struct byteq *out)
{
    if (!a->query->edns)
        return;
    byteq_append(out, slice_make("", 1));
    dns_put16(out, 41);
    dns_put16(out, 1232);
    dns_put32(out, a->query->dnssec_ok ? 0x8000 : 0);
    dns_put16(out, 0);
}

static void write_packet(const struct draft *a, struct byteq *out)
{
    put_header(a, out);
    if (!a->truncated) {
        byteq_append(out, byteq_slice(&a->records));
        byteq_append(out, byteq_slice(&a->authority));
    }
    put_opt(a, out);
}

static void compose(struct draft *a, enum habit habit)
{
    static const unsigned rcodes[] = {[SERVFAIL] = 2, [NXDOMAIN] = 3, [REFUSED] = 5, [DELAY] = 0};

    a->rcode = rcodes[habit];
    if (habit == ANSWERS || habit == TRUNCATED)
        put_chain(a);
    else if (habit == NXDOMAIN)
        put_soa(a, a->query->name);
}

static void make_answer(struct dnsserver *d, const struct dnsquery *q, enum habit habit, bool udp,
                        struct byteq *out)
{
    struct draft a = {.server = d, .query = q};
    size_t size;

    if (habit == GARBAGE) {
        dns_put16(out, q->id);
        byteq_append(out, SLICE("\xc0\xff no packet"));
        return;
    }
    compose(&a, habit);
    size = 12 + q->question.len + byteq_len(&a.records) + byteq_len(&a.authority) + 11;
    a.truncated = udp && (habit == TRUNCATED || size > q->udp_bytes);
    write_packet(&a, out);
    byteq_fini(&a.records);
    byteq_fini(&a.authority);
}

/* --- sending --- */

static void free_reply(struct reply *r)
{
    world_cancel(r->server->world, &r->event);
    list_remove(&r->node);
    byteq_fini(&r->packet);
    mem_free(r);
}

static void send_framed(struct client *c, struct slice packet)
{
    struct byteq framed;
    size_t n;

    byteq_init(&framed);
    dns_put16(&framed, (unsigned)packet.len);
    byteq_append(&framed, packet);
    while (byteq_len(&framed) && tcp_write(c->tcp, byteq_slice(&framed), &n) == OK)
        byteq_take(&framed, n);
    byteq_fini(&framed);
}

static void send_reply(struct event *ev)
{
    struct reply *r = LIST_ENTRY(ev, struct reply, event);

    if (r->client)
        send_framed(r->client, byteq_slice(&r->packet));
    else
        (void)!udp_send(r->server->udp, byteq_slice(&r->packet), &r->to);
    free_reply(r);
}

static void answer(struct dnsserver *d, struct slice packet, struct client *c,
                   const struct addr *from)
{
    struct dnsquery q;
    uint64_t delay_ms;
    enum habit habit;
    struct reply *r;

    if (dnsquery_parse(packet, &q))
        return;
    note_question(d, &q);
    habit = habit_of(d, q.name, &delay_ms);
    if (d->silent || habit == SILENT)
        return;
    r = MEM_NEW(struct reply);
    event_init(&r->event, send_reply);
    r->server = d;
    r->client = c;
    if (from)
        r->to = *from;
    byteq_init(&r->packet);
    make_answer(d, &q, habit, !c, &r->packet);
    list_push(&d->replies, &r->node);
    world_at(d->world, &r->event, world_us(d->world) + delay_ms * 1000);
}

/* --- receiving --- */

static void udp_says(void *arg)
{
    struct dnsserver *d = arg;
    static char buf[PACKET_MAX];
    struct addr from;
    size_t n;

    while (udp_recv(d->udp, buf, sizeof(buf), &n, &from) == OK)
        answer(d, slice_make(buf, n), NULL, &from);
}

static void free_client(struct client *c)
{
    LIST_WALK(n, &c->server->replies)
    if (LIST_ENTRY(n, struct reply, node)->client == c)
        free_reply(LIST_ENTRY(n, struct reply, node));
    tcp_notify(c->tcp, NULL, NULL);
    tcp_close(c->tcp, false);
    world_cancel(c->server->world, &c->move);
    list_remove(&c->node);
    byteq_fini(&c->in);
    mem_free(c);
}

static bool take_question(struct client *c)
{
    struct slice in = byteq_slice(&c->in);
    size_t len;

    if (in.len < 2)
        return false;
    len = (size_t)(unsigned char)in.ptr[0] << 8 | (unsigned char)in.ptr[1];
    if (in.len < 2 + len)
        return false;
    answer(c->server, slice_sub(in, 2, len), c, NULL);
    byteq_take(&c->in, 2 + len);
    return true;
}

static void move_client(struct event *ev)
{
    struct client *c = LIST_ENTRY(ev, struct client, move);
    char buf[4096];
    size_t n;
    enum err e;

    while ((e = tcp_read(c->tcp, buf, sizeof(buf), &n)) == OK)
        byteq_append(&c->in, slice_make(buf, n));
    while (take_question(c))
        continue;
    if (e != ERR_AGAIN)
        free_client(c);
}

static void client_says(void *arg)
{
    struct client *c = arg;

    if (!event_waits(&c->move))
        world_at(c->server->world, &c->move, world_us(c->server->world) + 10);
}

static void port_says(void *arg)
{
    struct dnsserver *d = arg;
    struct tcp *t;

    while ((t = port_accept(d->port)) != NULL) {
        struct client *c = MEM_NEW(struct client);

        c->server = d;
        c->tcp = t;
        byteq_init(&c->in);
        event_init(&c->move, move_client);
        list_push(&d->clients, &c->node);
        tcp_notify(t, client_says, c);
        client_says(c);
    }
}

/* --- life --- */

static void free_server(struct owned *o)
{
    struct dnsserver *d = LIST_ENTRY(o, struct dnsserver, owned);

    while (!list_empty(&d->clients))
        free_client(LIST_FIRST(&d->clients, struct client, node));
    while (!list_empty(&d->replies))
        free_reply(LIST_FIRST(&d->replies, struct reply, node));
    while (!list_empty(&d->rows))
        free_row(LIST_FIRST(&d->rows, struct row, node));
    LIST_WALK(n, &d->asked)
    mem_free(LIST_ENTRY(n, struct asked, node));
    udp_close(d->udp);
    port_close(d->port);
    mem_free(d);
}

struct dnsserver *dnsserver_open(struct host *h, const char *at)
{
    struct dnsserver *d = MEM_NEW(struct dnsserver);
    struct addr a;

    assert(addr_parse(slice_from(at), 53, &a) == OK);
    d->world = world_current();
    d->ttl_s = DEFAULT_TTL_S;
    list_init(&d->rows);
    list_init(&d->asked);
    list_init(&d->replies);
    list_init(&d->clients);
    if (udp_open(h, NULL, &a, NULL, udp_says, d, &d->udp)) {
        mem_free(d);
        return NULL;
    }
    if (port_open(h, NULL, &a, port_says, d, &d->port)) {
        udp_close(d->udp);
        mem_free(d);
        return NULL;
    }
    world_own(d->world, &d->owned, free_server);
    return d;
}
