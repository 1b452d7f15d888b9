/* Steps of one peer: what it sends, what must come, how it ends. */
#include "scenario/stage.h"

#include "wire/ns.h"

#include <stdio.h>

struct actor *actor_find(struct stage *s, struct slice name)
{
    LIST_WALK(n, &s->actors)
    if (slice_is(name, LIST_ENTRY(n, struct actor, node)->name))
        return LIST_ENTRY(n, struct actor, node);
    return NULL;
}

struct gate *gate_find(struct stage *s, struct slice name)
{
    LIST_WALK(n, &s->ports)
    if (slice_is(name, LIST_ENTRY(n, struct gate, node)->name))
        return LIST_ENTRY(n, struct gate, node);
    return NULL;
}

struct actor *actor_new(struct stage *s, struct slice name, struct peer *p, const char *content_ns)
{
    struct actor *a = actor_find(s, name);

    if (a)
        actor_free(a); /* the name is free for another connection */
    a = MEM_NEW(struct actor);
    a->stage = s;
    a->name = mem_strndup(name);
    a->peer = p;
    a->content_ns = content_ns;
    xread_init(&a->read);
    list_push(&s->actors, &a->node);
    return a;
}

void actor_free(struct actor *a)
{
    list_remove(&a->node);
    xread_fini(&a->read);
    mem_free(a->name);
    mem_free(a);
}

/* --- items --- */

static void fetch(struct actor *a)
{
    struct slice in = peer_input(a->peer);

    if (a->item_waits)
        return;
    xread_feed(&a->read, in);
    peer_take(a->peer, in.len);
    xread_next(&a->read, &a->item);
    a->item_waits = a->item.kind != X_MORE;
}

static bool item_there(void *arg)
{
    struct actor *a = arg;

    fetch(a);
    return a->item_waits;
}

static bool thing_there(void *arg)
{
    struct actor *a = arg;

    while (item_there(a) && a->item.kind == X_SPACE)
        a->item_waits = false;
    return a->item_waits;
}

static bool over(void *arg)
{
    struct actor *a = arg;

    return peer_has_ended(a->peer) || peer_error(a->peer);
}

static bool thing_or_over(void *arg)
{
    return thing_there(arg) || over(arg);
}

static bool judge(struct actor *a)
{
    const char *why = rules_broken(&a->item, a->content_ns, a->stage->lenient);

    if (!why)
        return true;
    return stage_fail(a->stage, "%s: what the router wrote breaks a rule: %s\n  %.*s", a->name, why,
                      (int)(a->item.raw.len < 600 ? a->item.raw.len : 600), a->item.raw.ptr);
}

/* The next header, element or end within the time. */
static bool next_thing(struct actor *a, uint64_t max_ms)
{
    if (world_run_until(a->stage->world, thing_or_over, a, max_ms) && thing_there(a))
        return judge(a);
    if (over(a))
        return stage_fail(a->stage, "%s: the connection ended (%s), nothing came", a->name,
                          peer_error(a->peer) ? err_text(peer_error(a->peer)) : "FIN");
    return stage_fail(a->stage, "%s: nothing came in %.1f s", a->name, (double)max_ms / 1000);
}

bool actor_drain(struct actor *a)
{
    while (!a->deaf && item_there(a)) {
        if (!judge(a))
            return false;
        if (a->item.kind == X_BAD)
            return true; /* judged before */
        a->item_waits = false;
    }
    return true;
}

static const char *shown(const struct actor *a, int *ret_len)
{
    *ret_len = (int)(a->item.raw.len < 1000 ? a->item.raw.len : 1000);
    return a->item.raw.ptr;
}

/* --- expectations --- */

enum expect { NEXT, SKIP, EXACT };

static bool fits(struct actor *a, const struct pattern *p, enum expect how, char *why, size_t size)
{
    if (a->item.kind == X_END) {
        snprintf(why, size, "the stream ended");
        return false;
    }
    if (p->header != (a->item.kind == X_HEADER)) {
        snprintf(why, size, p->header ? "no stream header" : "a stream header");
        return false;
    }
    return pattern_fits(p, a->item.node, how == EXACT, &a->stage->words, why, size);
}

static bool expect_pattern(struct actor *a, const struct pattern *p, enum expect how,
                           uint64_t max_ms)
{
    uint64_t until = world_ms(a->stage->world) + max_ms;
    char why[1024] = "";

    for (;;) {
        uint64_t now = world_ms(a->stage->world);
        const char *raw;
        int len;

        if (!next_thing(a, until > now ? until - now : 0))
            return false;
        if (fits(a, p, how, why, sizeof(why))) {
            a->item_waits = false;
            return true;
        }
        raw = shown(a, &len);
        if (how != SKIP)
            return stage_fail(a->stage, "%s: %s\n  in: %.*s", a->name, why, len, raw);
        a->item_waits = false;
    }
}

static bool expect_element(struct actor *a, struct slice text, enum expect how, uint64_t max_ms)
{
    struct pattern p;
    const char *why = pattern_init(&p, text, a->content_ns);
    bool ok;

    if (why)
        ok = stage_fail(a->stage, "the pattern is no XML: %s", why);
    else
        ok = expect_pattern(a, &p, how, max_ms);
    pattern_fini(&p);
    return ok;
}

static bool expect_end(struct actor *a, uint64_t max_ms)
{
    const char *raw;
    int len;

    if (!next_thing(a, max_ms))
        return false;
    raw = shown(a, &len);
    if (a->item.kind != X_END)
        return stage_fail(a->stage, "%s: the stream's end tag wanted, found: %.*s", a->name, len,
                          raw);
    a->item_waits = false;
    return true;
}

static bool expect(struct actor *a, struct slice text, enum expect how, uint64_t max_ms)
{
    text = slice_trim(text);
    if (slice_is(text, "</stream:stream>"))
        return expect_end(a, max_ms);
    return expect_element(a, text, how, max_ms);
}

/* --- single steps; `rest` is what follows the word --- */

static bool do_send(struct actor *a, struct slice rest, uint64_t max_ms)
{
    struct byteq text;
    bool ok;

    byteq_init(&text);
    ok = stage_expand(a->stage, rest, &text);
    if (ok)
        peer_send(a->peer, byteq_slice(&text));
    byteq_fini(&text);
    return ok;
}

static bool do_next(struct actor *a, struct slice rest, uint64_t max_ms)
{
    return expect(a, rest, NEXT, max_ms);
}

static bool do_skip(struct actor *a, struct slice rest, uint64_t max_ms)
{
    return expect(a, rest, SKIP, max_ms);
}

static bool do_exact(struct actor *a, struct slice rest, uint64_t max_ms)
{
    return expect(a, rest, EXACT, max_ms);
}

/* "closed", "closed fin", "closed rst", "closed clean" (TLS said so first), "closed anyhow"
 * (whatever else came). */
static bool do_closed(struct actor *a, struct slice rest, uint64_t max_ms)
{
    struct slice how = slice_trim(rest);
    const char *raw;
    int len;

    if (!world_run_until(a->stage->world, over, a, max_ms))
        return stage_fail(a->stage, "%s: still open", a->name);
    if (!slice_is(how, "anyhow") && thing_there(a)) {
        raw = shown(a, &len);
        return stage_fail(a->stage, "%s: closed, but before: %.*s", a->name, len, raw);
    }
    if (slice_is(how, "fin") && peer_error(a->peer))
        return stage_fail(a->stage, "%s: %s", a->name, err_text(peer_error(a->peer)));
    if (slice_is(how, "rst") && peer_error(a->peer) != ERR_RESET)
        return stage_fail(a->stage, "%s: closed without a reset", a->name);
    if (slice_is(how, "clean") && !peer_was_notified(a->peer))
        return stage_fail(a->stage, "%s: no close_notify", a->name);
    return true;
}

static bool do_open(struct actor *a, struct slice rest, uint64_t max_ms)
{
    fetch(a);
    return !over(a) || stage_fail(a->stage, "%s: is closed", a->name);
}

static bool do_quiet(struct actor *a, struct slice rest, uint64_t max_ms)
{
    uint64_t ms;
    const char *raw;
    int len;

    if (!parse_ms(slice_trim(rest), &ms))
        return stage_fail(a->stage, "quiet for how long?");
    if (!world_run_until(a->stage->world, thing_there, a, ms))
        return true;
    raw = shown(a, &len);
    return stage_fail(a->stage, "%s: not quiet: %.*s", a->name, len, raw);
}

static bool do_space(struct actor *a, struct slice rest, uint64_t max_ms)
{
    if (!world_run_until(a->stage->world, item_there, a, max_ms))
        return stage_fail(a->stage, "%s: no white space came", a->name);
    if (a->item.kind != X_SPACE)
        return stage_fail(a->stage, "%s: something else than white space came", a->name);
    a->item_waits = false;
    return true;
}

/* Since the stream began, or since the last such step. */
static bool do_nospace(struct actor *a, struct slice rest, uint64_t max_ms)
{
    bool none;

    fetch(a);
    none = a->read.spaces == a->spaces_known;
    a->spaces_known = a->read.spaces;
    return none || stage_fail(a->stage, "%s: white space came between elements", a->name);
}

static bool do_raw(struct actor *a, struct slice rest, uint64_t max_ms)
{
    struct byteq glob;
    bool ok;

    byteq_init(&glob);
    ok = stage_expand(a->stage, slice_trim(rest), &glob);
    if (ok) {
        char *text = mem_strndup(byteq_slice(&glob));

        ok = peer_expect(a->peer, text, max_ms) ||
             stage_fail(a->stage, "%s: these bytes did not come", a->name);
        mem_free(text);
    }
    byteq_fini(&glob);
    return ok;
}

static bool do_close(struct actor *a, struct slice rest, uint64_t max_ms)
{
    peer_finish(a->peer);
    return true;
}

static bool do_abort(struct actor *a, struct slice rest, uint64_t max_ms)
{
    peer_reset(a->peer);
    return true;
}

static bool do_shutdown(struct actor *a, struct slice rest, uint64_t max_ms)
{
    peer_shutdown(a->peer);
    return true;
}

static bool do_quit(struct actor *a, struct slice rest, uint64_t max_ms)
{
    peer_quit(a->peer);
    return true;
}

static bool do_stop(struct actor *a, struct slice rest, uint64_t max_ms)
{
    peer_stop_reading(a->peer, true);
    return true;
}

static bool do_go(struct actor *a, struct slice rest, uint64_t max_ms)
{
    peer_stop_reading(a->peer, false);
    return true;
}

/* A new document begins without TLS or a header of ours that would say so. */
static bool do_restart(struct actor *a, struct slice rest, uint64_t max_ms)
{
    xread_restart(&a->read);
    return true;
}

/* What comes from here on is no XML: TLS that this peer does not speak. */
static bool do_deaf(struct actor *a, struct slice rest, uint64_t max_ms)
{
    a->deaf = true;
    return true;
}

static bool do_connected(struct actor *a, struct slice rest, uint64_t max_ms)
{
    world_advance(a->stage->world, 200);
    return peer_is_up(a->peer) || stage_fail(a->stage, "%s: not connected", a->name);
}

static bool do_refused(struct actor *a, struct slice rest, uint64_t max_ms)
{
    if (!world_run_until(a->stage->world, over, a, max_ms))
        return stage_fail(a->stage, "%s: not refused", a->name);
    return true;
}

/* --- TLS --- */

static char *option_text(struct stage *s, struct slice rest, const char *key)
{
    struct slice value = option(rest, key);
    struct byteq text;
    char *copy = NULL;

    if (!value.ptr)
        return NULL;
    byteq_init(&text);
    if (stage_expand(s, value, &text))
        copy = mem_strndup(byteq_slice(&text));
    byteq_fini(&text);
    return copy;
}

struct tls_words {
    char *cert, *chain, *key, *sni, *alpn, *min, *max, *groups, *ciphers;
};

static void read_tls_words(struct stage *s, struct slice rest, struct tls_words *t)
{
    memset(t, 0, sizeof(*t));
    t->cert = option_text(s, rest, "cert");
    if (t->cert) {
        t->chain = mem_strdup(certs_chain_file(s->certs, t->cert));
        t->key = mem_strdup(certs_key_file(s->certs, t->cert));
    }
    t->sni = option_text(s, rest, "sni");
    t->alpn = option_text(s, rest, "alpn");
    t->min = option_text(s, rest, "min");
    t->max = option_text(s, rest, "max");
    t->groups = option_text(s, rest, "groups");
    t->ciphers = option_text(s, rest, "ciphers");
}

static void free_tls_words(struct tls_words *t)
{
    char *all[] = {t->cert, t->chain, t->key,    t->sni,    t->alpn,
                   t->min,  t->max,   t->groups, t->ciphers};

    for (size_t i = 0; i < COUNT(all); i++)
        mem_free(all[i]);
}

static bool has_word(struct slice rest, const char *word)
{
    while (slice_trim(rest).len)
        if (slice_is(next_word(&rest), word))
            return true;
    return false;
}

static enum err run_tls(struct actor *a, struct slice rest, uint64_t max_ms)
{
    struct tls_words t;
    enum err e;

    read_tls_words(a->stage, rest, &t);
    e = peer_tls(a->peer,
                 &(struct peertls_options){.server = has_word(rest, "server"),
                                           .chain_file = t.chain,
                                           .key_file = t.key,
                                           .sni = t.sni,
                                           .alpn = t.alpn,
                                           .min_version = t.min,
                                           .max_version = t.max,
                                           .groups = t.groups,
                                           .ciphers = t.ciphers},
                 max_ms);
    free_tls_words(&t);
    return e;
}

/* "tls client|server [cert=N] [sni=N] [alpn=A,B] [min=1.2] [max=1.3] [groups=G] [ciphers=C]
 * [fails|maybe]". As server `alpn` is what it accepts. */
static bool do_tls(struct actor *a, struct slice rest, uint64_t max_ms)
{
    bool fails = has_word(rest, "fails");
    enum err e;

    if (a->item_waits)
        return stage_fail(a->stage, "%s: something in clear was not expected yet: %.*s", a->name,
                          SLICE_ARGS(a->item.raw));
    e = run_tls(a, rest, max_ms);
    if (has_word(rest, "maybe")) {
        xread_restart(&a->read);
        return true;
    }
    if (fails)
        return e == ERR_CRYPTO || e == ERR_CLOSED ||
               stage_fail(a->stage, "%s: TLS did not fail (%s)", a->name, err_text(e));
    if (e)
        return stage_fail(a->stage, "%s: TLS: %s: %s", a->name, err_text(e),
                          peer_session(a->peer) ? peertls_fact(peer_session(a->peer), "error")
                                                : "");
    xread_restart(&a->read);
    return true;
}

static bool do_renegotiate(struct actor *a, struct slice rest, uint64_t max_ms)
{
    peertls_renegotiate(peer_session(a->peer));
    peer_send(a->peer, slice_none()); /* moves what TLS has to say */
    return true;
}

static bool do_fact(struct actor *a, struct slice rest, uint64_t max_ms)
{
    char name[32];
    char why[512];
    const char *value;

    slice_to_cstr(next_word(&rest), name, sizeof(name));
    if (!peer_session(a->peer))
        return stage_fail(a->stage, "%s: no TLS", a->name);
    value = peertls_fact(peer_session(a->peer), name);
    if (pattern_value_fits(slice_trim(rest), slice_from(value), &a->stage->words, why, sizeof(why)))
        return true;
    return stage_fail(a->stage, "%s: %s: %s", a->name, name, why);
}

/* --- which --- */

static const struct {
    const char *word;
    bool (*run)(struct actor *a, struct slice rest, uint64_t max_ms);
} acts[] = {
    {">", do_send},
    {"<", do_next},
    {"<*", do_skip},
    {"<=", do_exact},
    {"closed", do_closed},
    {"open", do_open},
    {"quiet", do_quiet},
    {"space", do_space},
    {"nospace", do_nospace},
    {"raw", do_raw},
    {"close", do_close},
    {"abort", do_abort},
    {"shutdown", do_shutdown},
    {"quit", do_quit},
    {"stop", do_stop},
    {"go", do_go},
    {"restart", do_restart},
    {"connected", do_connected},
    {"refused", do_refused},
    {"tls", do_tls},
    {"renegotiate", do_renegotiate},
    {"fact", do_fact},
    {"deaf", do_deaf},
};

bool actor_step(struct actor *a, struct slice rest)
{
    uint64_t max_ms = STAGE_WAIT_MS;
    struct slice word = next_word(&rest);

    if (slice_is(word, "within")) {
        if (!parse_ms(next_word(&rest), &max_ms))
            return stage_fail(a->stage, "within how long?");
        word = next_word(&rest);
    }
    for (size_t i = 0; i < COUNT(acts); i++)
        if (slice_is(word, acts[i].word))
            return acts[i].run(a, rest.len ? slice_from_offset(rest, 1) : rest, max_ms);
    return stage_fail(a->stage, "%s cannot \"%.*s\"", a->name, SLICE_ARGS(word));
}
