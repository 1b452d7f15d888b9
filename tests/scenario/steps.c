/* Steps that are not one peer's: the router, the network, names, time, what can be observed. */
#include "scenario/stage.h"

#include "wire/ns.h"

#include <stdio.h>

#define ROUTER_IP "10.0.0.1"

static struct slice expand_trimmed(struct stage *s, struct slice text, struct byteq *out, bool *ok)
{
    byteq_init(out);
    *ok = stage_expand(s, slice_trim(text), out);
    return byteq_slice(out);
}

/* Runs `fn` with the line's words put in, as a C string. */
static bool with_text(struct stage *s, struct slice text, bool (*fn)(struct stage *s, const char *))
{
    struct byteq out;
    bool ok;
    struct slice all = expand_trimmed(s, text, &out, &ok);

    if (ok) {
        char *copy = mem_strndup(all);

        ok = fn(s, copy);
        mem_free(copy);
    }
    byteq_fini(&out);
    return ok;
}

/* --- hosts and wires --- */

static struct host *host_named(struct stage *s, struct slice word)
{
    char name[64];

    slice_to_cstr(word, name, sizeof(name));
    return world_host(s->world, name, NULL);
}

static bool do_host(struct stage *s, struct slice rest)
{
    char name[64];
    char ips[256];

    slice_to_cstr(next_word(&rest), name, sizeof(name));
    slice_to_cstr(slice_trim(rest), ips, sizeof(ips));
    world_host(s->world, name, ips);
    world_use_host(s->world, s->node_host);
    return true;
}

static bool part(struct stage *s, struct slice rest, bool cut, bool both)
{
    struct host *a = host_named(s, next_word(&rest));
    struct host *b = host_named(s, next_word(&rest));

    world_cut(s->world, a, b, cut);
    if (both)
        world_cut(s->world, b, a, cut);
    return true;
}

static bool do_cut(struct stage *s, struct slice rest)
{
    return part(s, rest, true, true);
}

static bool do_heal(struct stage *s, struct slice rest)
{
    return part(s, rest, false, true);
}

static bool do_cut_oneway(struct stage *s, struct slice rest)
{
    return part(s, rest, true, false);
}

static bool drop_port(struct stage *s, struct slice rest, bool drop)
{
    struct host *h = host_named(s, next_word(&rest));
    uint64_t port;

    if (!slice_to_u64(slice_trim(rest), 65535, &port))
        return stage_fail(s, "which port?");
    host_drop_port(h, (uint16_t)port, drop);
    return true;
}

static bool do_drop(struct stage *s, struct slice rest)
{
    return drop_port(s, rest, true);
}

static bool do_pass(struct stage *s, struct slice rest)
{
    return drop_port(s, rest, false);
}

static bool black_hole(struct stage *s, const char *ip)
{
    world_blackhole(s->world, ip);
    return true;
}

static bool do_blackhole(struct stage *s, struct slice rest)
{
    return with_text(s, rest, black_hole);
}

static bool do_latency(struct stage *s, struct slice rest)
{
    struct host *a = host_named(s, next_word(&rest));
    struct host *b = host_named(s, next_word(&rest));
    uint64_t ms;

    if (!parse_ms(slice_trim(rest), &ms))
        return stage_fail(s, "how much latency?");
    world_set_latency(s->world, a, b, ms * 1000, ms * 1000 + ms * 100);
    return true;
}

static bool do_buffers(struct stage *s, struct slice rest)
{
    uint64_t bytes;

    if (!slice_to_u64(slice_trim(rest), 1u << 30, &bytes))
        return stage_fail(s, "how many bytes?");
    world_set_buffers(s->world, bytes, bytes);
    return true;
}

static bool do_whole(struct stage *s, struct slice rest)
{
    world_set_chopping(s->world, false);
    return true;
}

/* --- peers --- */

static bool is_number(char c)
{
    return c >= '0' && c <= '9';
}

/* "s2s", "s2s_tls", "component" or an address. */
static void address_of(struct slice word, char text[ADDR_TEXT_MAX])
{
    static const struct {
        const char *word;
        const char *address;
    } names[] = {{"s2s", ROUTER_IP ":5269"},
                 {"s2s_tls", ROUTER_IP ":5270"},
                 {"component", ROUTER_IP ":5347"}};

    slice_to_cstr(word, text, ADDR_TEXT_MAX);
    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_is(word, names[i].word))
            snprintf(text, ADDR_TEXT_MAX, "%s", names[i].address);
}

/* "peer NAME to ADDRESS [from=HOST]" */
static bool do_peer(struct stage *s, struct slice rest)
{
    struct slice name = next_word(&rest);
    struct slice to = next_word(&rest);
    struct slice where = next_word(&rest);
    struct slice from = option(rest, "from");
    bool component = slice_starts(where, SLICE("component"));
    char address[ADDR_TEXT_MAX];
    char text[64];
    struct host *h;

    if (!slice_is(to, "to") || !where.len)
        return stage_fail(s, "peer NAME to ADDRESS");
    address_of(where, address);
    slice_to_cstr(name, text, sizeof(text));
    h = host_named(s, from.ptr ? from : component ? SLICE("comp") : SLICE("remote"));
    actor_new(s, name, peer_dial(h, text, address), component ? NS_COMPONENT : NS_SERVER);
    return true;
}

/* "port NAME at ADDRESS": the host is the one that has the address. */
static bool do_port(struct stage *s, struct slice rest)
{
    struct gate *g = MEM_NEW(struct gate);
    char address[ADDR_TEXT_MAX];
    struct addr at;
    struct host *h;

    g->name = mem_strndup(next_word(&rest));
    list_init(&g->node);
    list_push(&s->ports, &g->node);
    next_word(&rest);
    slice_to_cstr(next_word(&rest), address, sizeof(address));
    if (addr_parse(slice_from(address), 0, &at))
        return stage_fail(s, "port NAME at ADDRESS:PORT");
    h = world_host_of(s->world, &at);
    if (!h)
        return stage_fail(s, "no host has %s", address);
    g->port = peer_listen(h, g->name, address);
    return g->port || stage_fail(s, "%s is taken", address);
}

static bool gate_and_time(struct stage *s, struct slice *rest, struct gate **ret_gate,
                          uint64_t *ret_ms)
{
    struct slice name = next_word(rest);

    *ret_gate = gate_find(s, name);
    *ret_ms = STAGE_WAIT_MS;
    if (!*ret_gate)
        return stage_fail(s, "no port is called %.*s", SLICE_ARGS(name));
    if (slice_is(next_word(rest), "within"))
        return parse_ms(slice_trim(*rest), ret_ms) || stage_fail(s, "within how long?");
    return true;
}

/* "accept NAME on PORT [within TIME]" */
static bool do_accept(struct stage *s, struct slice rest)
{
    struct slice name = next_word(&rest);
    char text[64];
    struct gate *g;
    struct peer *p;
    uint64_t ms;

    next_word(&rest);
    if (!gate_and_time(s, &rest, &g, &ms))
        return false;
    slice_to_cstr(name, text, sizeof(text));
    p = peer_accept(g->port, text, ms);
    if (!p)
        return stage_fail(s, "nobody connected to %s", g->name);
    actor_new(s, name, p, NS_SERVER);
    return true;
}

static bool gate_waits(void *arg)
{
    return peer_port_waiting(((struct gate *)arg)->port);
}

/* "lonely PORT TIME": nobody connects. */
static bool do_lonely(struct stage *s, struct slice rest)
{
    struct slice name = next_word(&rest);
    struct gate *g = gate_find(s, name);
    uint64_t ms;

    if (!g || !parse_ms(slice_trim(rest), &ms))
        return stage_fail(s, "lonely PORT TIME");
    if (world_run_until(s->world, gate_waits, g, ms))
        return stage_fail(s, "somebody connected to %s", g->name);
    return true;
}

static bool do_close_port(struct stage *s, struct slice rest)
{
    struct gate *g = gate_find(s, slice_trim(rest));

    if (!g)
        return stage_fail(s, "no such port");
    peer_port_close(g->port);
    list_remove(&g->node);
    mem_free(g->name);
    mem_free(g);
    return true;
}

/* --- names, certificates --- */

static bool make_cert(struct stage *s, const char *text)
{
    struct slice rest = slice_from(text);
    char name[64];
    char words[1024];

    slice_to_cstr(next_word(&rest), name, sizeof(name));
    slice_to_cstr(slice_trim(rest), words, sizeof(words));
    return certs_make(s->certs, name, words) || stage_fail(s, "not the words of a certificate");
}

static bool do_cert(struct stage *s, struct slice rest)
{
    return with_text(s, rest, make_cert);
}

static bool add_row(struct stage *s, const char *row)
{
    return dnsserver_add(s->dns, row) == OK || stage_fail(s, "not a row: %s", row);
}

/* "dns ad on|off", "dns silent on|off", "dns ttl 30", "dns forget NAME", "dns ROW" */
static bool do_dns(struct stage *s, struct slice rest)
{
    struct slice all = rest;
    struct slice word = next_word(&rest);
    bool on = slice_is(slice_trim(rest), "on");
    uint64_t ttl;
    char name[256];

    slice_to_cstr(slice_trim(rest), name, sizeof(name));
    if (slice_is(word, "ad"))
        dnsserver_set_ad(s->dns, on);
    else if (slice_is(word, "silent"))
        dnsserver_silence(s->dns, on);
    else if (slice_is(word, "ttl") && slice_to_u64(slice_trim(rest), UINT32_MAX, &ttl))
        dnsserver_set_ttl(s->dns, (uint32_t)ttl);
    else if (slice_is(word, "forget"))
        dnsserver_remove(s->dns, name);
    else
        return with_text(s, all, add_row);
    return true;
}

/* --- numbers --- */

/* "3", ">=3", "<3" */
static bool number_fits(struct slice wanted, double value)
{
    char text[64];

    slice_to_cstr(wanted, text, sizeof(text));
    if (text[0] == '>' && text[1] == '=')
        return value >= strtod(text + 2, NULL);
    if (text[0] == '<')
        return value < strtod(text + 1, NULL);
    return is_number(text[0]) && value == strtod(text, NULL);
}

static bool check_number(struct stage *s, const char *what, struct slice wanted, double value)
{
    wanted = slice_trim(wanted);
    return number_fits(wanted, value) ||
           stage_fail(s, "%s is %g, not %.*s", what, value, SLICE_ARGS(wanted));
}

/* "asked NAME TYPE NUMBER": questions the name server got. */
static bool do_asked(struct stage *s, struct slice rest)
{
    char name[256];
    char type[16];

    slice_to_cstr(next_word(&rest), name, sizeof(name));
    slice_to_cstr(next_word(&rest), type, sizeof(type));
    return check_number(s, name, rest,
                        dnsserver_asked(s->dns, name, strcmp(type, "*") == 0 ? NULL : type));
}

/* "dials ADDRESS NUMBER": SYNs that were sent there, repetitions too. */
static bool do_dials(struct stage *s, struct slice rest)
{
    char text[ADDR_TEXT_MAX];
    struct addr to;

    slice_to_cstr(next_word(&rest), text, sizeof(text));
    if (addr_parse(slice_from(text), 0, &to))
        return stage_fail(s, "dials ADDRESS:PORT NUMBER");
    return check_number(s, text, rest, world_syns_to(s->world, &to));
}

static bool do_metric(struct stage *s, struct slice rest)
{
    char name[256];
    double value;

    slice_to_cstr(next_word(&rest), name, sizeof(name));
    if (!s->node || !s->adapter->metric(s->node, name, &value))
        return stage_fail(s, "no metric %s", name);
    return check_number(s, name, rest, value);
}

static bool do_balance(struct stage *s, struct slice rest)
{
    uint64_t n[5];

    if (!s->adapter->balance || !s->adapter->balance(s->node, n))
        return stage_fail(s, "no balance is kept");
    return check_number(s, "in - out - bounced - dropped - held", SLICE("0"),
                        (double)(n[0] - n[1] - n[2] - n[3] - n[4]));
}

/* --- the router --- */

static bool config_text(struct stage *s, const char *line)
{
    return config_line(s, slice_from(line));
}

static bool read_block(struct stage *s)
{
    while (s->at + 1 < s->script->count && s->script->lines[s->at + 1].indented) {
        s->at++;
        if (!with_text(s, slice_from(s->script->lines[s->at].text), config_text))
            return false;
    }
    return true;
}

static bool do_router(struct stage *s, struct slice rest)
{
    char error[512] = "";
    const char *file;

    if (s->node)
        return stage_fail(s, "it runs already");
    if (!read_block(s))
        return false;
    file = config_write(s);
    if (!file)
        return false;
    world_use_host(s->world, s->node_host);
    s->node = s->adapter->start(file, &s->bed.sink, error, sizeof(error));
    if (!s->node)
        return stage_fail(s, "the router does not start: %s", error);
    world_advance(s->world, 100);
    return true;
}

/* "reload", followed by lines that come on top; lists are written anew if they appear. */
static bool do_reload(struct stage *s, struct slice rest)
{
    while (slice_trim(rest).len) {
        struct slice word = next_word(&rest);

        if (slice_is(word, "-components"))
            byteq_clear(&s->components);
        else if (slice_is(word, "-peers"))
            byteq_clear(&s->peers);
        else if (slice_is(word, "-certificates"))
            byteq_clear(&s->certificates);
        else
            return stage_fail(s, "reload [-components] [-peers] [-certificates]");
    }
    if (!read_block(s) || !config_write(s))
        return false;
    s->adapter->signal(s->node, "hup");
    world_advance(s->world, 500);
    return true;
}

static bool send_signal(struct stage *s, const char *name)
{
    s->adapter->signal(s->node, name);
    return true;
}

static bool do_signal(struct stage *s, struct slice rest)
{
    return with_text(s, rest, send_signal);
}

static bool has_exited(void *arg)
{
    struct stage *s = arg;

    return s->adapter->exit_code(s->node) >= 0;
}

static bool do_exits(struct stage *s, struct slice rest)
{
    struct slice code = next_word(&rest);
    uint64_t ms = STAGE_WAIT_MS;

    if (slice_is(next_word(&rest), "within") && !parse_ms(slice_trim(rest), &ms))
        return stage_fail(s, "within how long?");
    if (!world_run_until(s->world, has_exited, s, ms))
        return stage_fail(s, "it still runs");
    return check_number(s, "exit code", code, s->adapter->exit_code(s->node));
}

static bool run_control(struct stage *s, const char *words)
{
    struct byteq out;
    bool ok;

    byteq_init(&out);
    ok = s->adapter->control(s->node, words, &out);
    words_set(&s->words, SLICE("OUT"), byteq_slice(&out));
    peer_note(s->world, "control", ok ? "=" : "!", byteq_slice(&out));
    if (!ok)
        stage_fail(s, "refused: %.*s", SLICE_ARGS(byteq_slice(&out)));
    byteq_fini(&out);
    return ok;
}

/* The answer is bound to $OUT. */
static bool do_control(struct stage *s, struct slice rest)
{
    return with_text(s, rest, run_control);
}

static bool do_pause(struct stage *s, struct slice rest)
{
    host_pause(host_named(s, slice_trim(rest)), true);
    return true;
}

static bool do_resume(struct stage *s, struct slice rest)
{
    host_pause(host_named(s, slice_trim(rest)), false);
    return true;
}

/* --- log --- */

static size_t find_line(struct slice text, struct slice glob, size_t from)
{
    while (from < text.len) {
        struct slice rest = slice_from_offset(text, from);
        size_t n = slice_find(rest, '\n');

        from += n + 1;
        if (glob_find(glob, slice_sub(rest, 0, n)) != SIZE_MAX)
            return from;
    }
    return SIZE_MAX;
}

struct log_hope {
    struct stage *stage;
    struct slice glob;
    size_t end;
};

static bool line_there(void *arg)
{
    struct log_hope *h = arg;

    h->end = find_line(byteq_slice(&h->stage->bed.lines), h->glob, h->stage->log_seen);
    return h->end != SIZE_MAX;
}

static bool wait_line(struct stage *s, const char *glob)
{
    struct log_hope h = {s, slice_from(glob), 0};

    if (!world_run_until(s->world, line_there, &h, STAGE_WAIT_MS))
        return stage_fail(s, "no such line in the log");
    s->log_seen = h.end;
    return true;
}

static bool do_log(struct stage *s, struct slice rest)
{
    return with_text(s, rest, wait_line);
}

static bool no_line(struct stage *s, const char *glob)
{
    return find_line(byteq_slice(&s->bed.lines), slice_from(glob), 0) == SIZE_MAX ||
           stage_fail(s, "the log has such a line");
}

static bool do_nolog(struct stage *s, struct slice rest)
{
    return with_text(s, rest, no_line);
}

/* --- time, words --- */

static bool do_advance(struct stage *s, struct slice rest)
{
    uint64_t ms;

    if (!parse_ms(slice_trim(rest), &ms))
        return stage_fail(s, "advance TIME");
    world_advance(s->world, ms);
    return true;
}

static bool do_let(struct stage *s, struct slice rest)
{
    struct slice name = next_word(&rest);
    struct byteq out;
    bool ok;
    struct slice value = expand_trimmed(s, rest, &out, &ok);

    if (ok)
        words_set(&s->words, name, value.ptr ? value : SLICE(""));
    byteq_fini(&out);
    return ok;
}

/* "check TEXT == TEXT", "!=", "~ GLOB", "!~ GLOB" */
static bool check_text(struct stage *s, const char *text)
{
    static const char *const signs[] = {" == ", " != ", " !~ ", " ~ "};
    struct slice all = slice_from(text);

    for (size_t i = 0; i < COUNT(signs); i++) {
        const char *at = strstr(text, signs[i]);
        struct slice left, right;
        bool fits;

        if (!at)
            continue;
        left = slice_sub(all, 0, (size_t)(at - text));
        right = slice_from_offset(all, left.len + strlen(signs[i]));
        fits = i < 2 ? slice_eq(left, right) : glob_find(right, left) != SIZE_MAX;
        return fits == (i == 0 || i == 3) || stage_fail(s, "not so: %s", text);
    }
    return stage_fail(s, "check A == B, A != B, A ~ GLOB, A !~ GLOB");
}

static bool do_check(struct stage *s, struct slice rest)
{
    return with_text(s, rest, check_text);
}

/* "file NAME TEXT": beside the router's configuration. */
static bool write_text(struct stage *s, const char *text)
{
    struct slice rest = slice_from(text);
    char name[128];

    slice_to_cstr(next_word(&rest), name, sizeof(name));
    return config_write_file(s, name, slice_trim(rest));
}

static bool do_file(struct stage *s, struct slice rest)
{
    return with_text(s, rest, write_text);
}

static bool do_lenient(struct stage *s, struct slice rest)
{
    s->lenient = true;
    return true;
}

static const struct {
    const char *word;
    bool (*run)(struct stage *s, struct slice rest);
} steps[] = {
    {"host", do_host},           {"cut", do_cut},         {"heal", do_heal},
    {"cut1", do_cut_oneway},     {"drop", do_drop},       {"pass", do_pass},
    {"blackhole", do_blackhole}, {"latency", do_latency}, {"buffers", do_buffers},
    {"whole", do_whole},         {"peer", do_peer},       {"port", do_port},
    {"accept", do_accept},       {"lonely", do_lonely},   {"unport", do_close_port},
    {"cert", do_cert},           {"dns", do_dns},         {"asked", do_asked},
    {"dials", do_dials},         {"metric", do_metric},   {"balance", do_balance},
    {"router", do_router},       {"reload", do_reload},   {"signal", do_signal},
    {"exits", do_exits},         {"control", do_control}, {"pause", do_pause},
    {"resume", do_resume},       {"log", do_log},         {"nolog", do_nolog},
    {"advance", do_advance},     {"let", do_let},         {"check", do_check},
    {"lenient", do_lenient},     {"file", do_file},
};

bool step_run(struct stage *s, struct slice line)
{
    struct slice rest = line;
    struct slice word = next_word(&rest);
    struct actor *a = actor_find(s, word);

    if (a)
        return actor_step(a, rest);
    for (size_t i = 0; i < COUNT(steps); i++)
        if (slice_is(word, steps[i].word))
            return steps[i].run(s, rest);
    return stage_fail(s, "neither a step nor a peer: %.*s", SLICE_ARGS(word));
}
