/* One connection of a party: what the protocols want said on it. */
#include "sim/links/party.h"

#include "wire/digest.h"

#include <stdarg.h>
#include <stdio.h>

#define SHAKE_MS 3000

static struct land *land(const struct line *n)
{
    return n->party->land;
}

/* --- lines --- */

static struct origin *origin_new(struct land *l)
{
    struct origin *o = MEM_NEW(struct origin);

    o->serial = ++l->serial;
    o->since_us = world_us(l->w);
    return o;
}

struct line *line_new(struct party *p, struct house *h, enum line_kind kind, struct peer *peer)
{
    struct line *n = MEM_NEW(struct line);

    n->party = p;
    n->house = h;
    n->kind = kind;
    n->peer = peer;
    n->origin = origin_new(p->land);
    xread_init(&n->read);
    byteq_init(&n->later);
    list_push(&p->lines, &n->node);
    if (p->stalled)
        peer_stop_reading(peer, true);
    return n;
}

static void say(struct line *n, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct line *n, const char *format, ...)
{
    char text[8192];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    peer_say(n->peer, text);
}

void line_over(struct line *n)
{
    if (peer_error(n->peer))
        spells_note(&n->party->place.spells, world_us(land(n)->w));
    n->over = true;
    n->open = false;
    n->origin->clean = peer_unacked(n->peer) == 0;
}

void line_end(struct line *n)
{
    if (n->we_ended || n->over)
        return;
    n->we_ended = true;
    n->open = false;
    say(n, "</stream:stream>");
}

/* Both ends are said: ours is the FIN. */
static void part(struct line *n)
{
    line_end(n);
    peer_finish(n->peer);
}

static const struct xnode *child(const struct xnode *n, const char *name)
{
    for (const struct xnode *c = n->children; c; c = c->next)
        if (slice_is(c->name, name))
            return c;
    return NULL;
}

static bool offers_external(const struct xnode *features)
{
    const struct xnode *m = child(features, "mechanisms");

    for (const struct xnode *c = m ? m->children : NULL; c; c = c->next)
        if (c->children && slice_is(c->children->text, "EXTERNAL"))
            return true;
    return false;
}

bool line_shake(struct line *n, bool server)
{
    struct land *l = land(n);
    char chain[256];
    char key[256];
    struct peertls_options o = {
        .server = server, .chain_file = chain, .key_file = key, .sni = "any.example"};

    snprintf(chain, sizeof(chain), "%s/%s.pem", l->dir, n->party->name);
    snprintf(key, sizeof(key), "%s/%s.key", l->dir, n->party->name);
    if (server || !n->party->direct_tls)
        o.alpn = NULL;
    else
        o.alpn = "xmpp-server";
    if (peer_tls(n->peer, &o, SHAKE_MS)) {
        peer_reset(n->peer);
        line_over(n);
        return false;
    }
    n->secured = true;
    xread_restart(&n->read);
    return true;
}

/* --- stanzas --- */

/* "absent: ..." */
static struct slice reason_of(const struct xnode *x)
{
    const struct xnode *error = child(x, "error");
    const struct xnode *text = error ? child(error, "text") : NULL;

    return text && text->children ? text->children->text : slice_none();
}

static void take_stanza(struct line *n, const struct xnode *x)
{
    struct land *l = land(n);
    struct slice from = xnode_attr(x, "from");
    struct slice to = xnode_attr(x, "to");
    struct slice id = xnode_attr(x, "id");
    struct reading r = {.from = from, .to = to, .on = n->origin, .now_us = world_us(l->w)};
    uint64_t number;

    if (n->kind == LINE_OUT)
        land_fail(l, "%s: a stanza on a stream that carries none to us", n->party->name);
    if (!n->open && !n->we_ended)
        land_fail(l, "%s: a stanza before the stream was open", n->party->name);
    if (!slice_to_u64(id, UINT32_MAX, &number))
        land_fail(l, "%s: a stanza with the id %.*s", n->party->name, SLICE_ARGS(id));
    r.id = (unsigned)number;
    r.end = peer_wire_bytes(n->peer, n->taken - byteq_len(&n->read.in));
    if (number < l->ledger.count && slice_is(to, l->ledger.letters[number]->from) &&
        slice_is(xnode_attr(x, "type"), "error")) {
        r.reason = reason_of(x);
        ledger_bounced(&l->ledger, &r);
    } else {
        ledger_delivered(&l->ledger, &r);
    }
}

/* --- component --- */

static void component_header(struct line *n, const struct xnode *x)
{
    char digest[41];

    digest_sha1_hex(xnode_attr(x, "id"), SLICE("abc"), digest);
    say(n, "<handshake>%s</handshake>", digest);
}

void line_greet(struct line *n)
{
    if (n->kind == LINE_COMPONENT)
        say(n,
            "<stream:stream xmlns='jabber:component:accept' "
            "xmlns:stream='http://etherx.jabber.org/streams' to='%s'>",
            n->party->pattern);
    else
        say(n,
            "<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' "
            "xmlns:stream='http://etherx.jabber.org/streams' from='%s' to='%s' version='1.0'>",
            n->party->names[n->own], n->goal);
}

/* --- server, initiating --- */

size_t line_domain(const struct land *l, const struct house *h, struct slice name)
{
    size_t bit = 0;

    for (size_t i = 0; i < l->party_count; i++)
        for (size_t k = 0; k < l->parties[i]->name_count; k++, bit++)
            if ((l->together ? l->parties[i]->house != NULL : l->parties[i]->house == h) &&
                slice_is(name, l->parties[i]->names[k]))
                return bit;
    return SIZE_MAX;
}

static void allow(struct line *n, struct slice name)
{
    size_t bit = line_domain(land(n), n->house, name);

    if (bit != SIZE_MAX)
        n->allowed |= (uint64_t)1 << bit;
    n->open = true;
}

void line_ask(struct line *n, const char *name)
{
    size_t bit = line_domain(land(n), n->house, slice_from(name));

    if (bit == SIZE_MAX || n->asked & (uint64_t)1 << bit)
        return;
    n->asked |= (uint64_t)1 << bit;
    say(n, "<db:result from='%s' to='%s'>key</db:result>", n->party->names[n->own], name);
}

static void out_features(struct line *n, const struct xnode *x)
{
    if (child(x, "starttls") && !n->secured && n->party->tls) {
        say(n, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    } else if (n->authenticated) {
        allow(n, slice_from(n->goal));
    } else if (offers_external(x) && !n->no_external) {
        say(n, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
    } else {
        line_ask(n, n->goal);
    }
}

static void out_element(struct line *n, const struct xnode *x)
{
    if (slice_is(x->name, "features")) {
        out_features(n, x);
    } else if (slice_is(x->name, "proceed")) {
        if (line_shake(n, false))
            line_greet(n);
    } else if (slice_is(x->name, "success")) {
        n->authenticated = true;
        line_greet(n);
    } else if (slice_is(x->name, "failure")) {
        n->no_external = true;
        line_ask(n, n->goal);
    } else if (slice_is(x->name, "result")) {
        if (slice_is(xnode_attr(x, "type"), "valid"))
            allow(n, xnode_attr(x, "from"));
        else if (!n->allowed)
            line_end(n);
    }
}

/* --- server, receiving --- */

/* Soon, or after a while. */
static void answer(struct line *n, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void answer(struct line *n, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    byteq_append(&n->later, slice_from(text));
    if (land(n)->calm)
        n->later_us = 0;
    else
        n->later_us =
            world_us(land(n)->w) + (land_chance(land(n), 4) ? land_draw(land(n), 3000000) : 0);
}

static bool refuses(struct line *n)
{
    return land(n)->mood.grumpy && !land(n)->calm && land_chance(land(n), 5);
}

static void in_header(struct line *n, const struct xnode *x)
{
    struct land *l = land(n);
    struct slice from = xnode_attr(x, "from");
    struct slice to = xnode_attr(x, "to");

    say(n,
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' "
        "xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams' "
        "from='%.*s' to='%.*s' id='s%u' version='1.0'><stream:features>",
        SLICE_ARGS(to), SLICE_ARGS(from), n->origin->serial);
    if (n->party->tls && !n->secured)
        say(n, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    else if (n->secured && !n->authenticated && !l->mood.by_dialback)
        say(n, "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL"
               "</mechanism></mechanisms>");
    if (!n->authenticated)
        say(n, "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>");
    say(n, "</stream:features>");
    n->open |= n->authenticated;
}

static void in_key(struct line *n, const struct xnode *x)
{
    struct slice from = xnode_attr(x, "from");
    struct slice to = xnode_attr(x, "to");
    bool no = refuses(n);

    answer(n, "<db:result from='%.*s' to='%.*s' type='%s'>%s</db:result>", SLICE_ARGS(to),
           SLICE_ARGS(from), no ? "error" : "valid",
           no ? "<error type='wait'><remote-server-timeout "
                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
              : "");
    n->open |= !no;
}

static void in_verify(struct line *n, const struct xnode *x)
{
    struct slice from = xnode_attr(x, "from");
    struct slice to = xnode_attr(x, "to");
    struct slice id = xnode_attr(x, "id");

    answer(n, "<db:verify from='%.*s' to='%.*s' id='%.*s' type='%s'/>", SLICE_ARGS(to),
           SLICE_ARGS(from), SLICE_ARGS(id), refuses(n) ? "invalid" : "valid");
}

static void in_element(struct line *n, const struct xnode *x)
{
    if (slice_is(x->name, "starttls")) {
        say(n, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        line_shake(n, true);
    } else if (slice_is(x->name, "auth")) {
        n->authenticated = !refuses(n);
        say(n, n->authenticated ? "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
                                : "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                                  "<not-authorized/></failure>");
    } else if (slice_is(x->name, "result")) {
        in_key(n, x);
    } else if (slice_is(x->name, "verify")) {
        in_verify(n, x);
    }
}

/* --- what came --- */

static void take_header(struct line *n, const struct xnode *x)
{
    if (n->kind == LINE_COMPONENT)
        component_header(n, x);
    else if (n->kind == LINE_IN)
        in_header(n, x);
}

static bool is_stanza(const struct xnode *x)
{
    return slice_is(x->name, "message") || slice_is(x->name, "presence") || slice_is(x->name, "iq");
}

static void take_element(struct line *n, const struct xnode *x)
{
    if (is_stanza(x))
        take_stanza(n, x);
    else if (slice_is(x->name, "error"))
        land_say(land(n), "%s: stream error %.*s", n->party->name,
                 SLICE_ARGS(x->children ? x->children->name : x->name));
    else if (n->kind == LINE_COMPONENT)
        n->open = !n->we_ended;
    else if (n->kind == LINE_OUT)
        out_element(n, x);
    else
        in_element(n, x);
}

static void take_items(struct line *n)
{
    struct xitem item;

    for (;;) {
        xread_next(&n->read, &item);
        switch (item.kind) {
        case X_MORE:
            return;
        case X_HEADER:
            take_header(n, item.node);
            break;
        case X_ELEMENT:
            take_element(n, item.node);
            break;
        case X_SPACE:
            break;
        case X_END:
            n->they_ended = true;
            part(n);
            break;
        case X_BAD:
            land_fail(land(n), "%s: what the router wrote is bad: %s", n->party->name, item.why);
        }
        if (n->over)
            return;
    }
}

static void give_answers(struct line *n)
{
    if (!byteq_len(&n->later) || world_us(land(n)->w) < n->later_us)
        return;
    if (!n->we_ended)
        peer_send(n->peer, byteq_slice(&n->later));
    byteq_clear(&n->later);
}

static void line_read(struct line *n)
{
    struct slice in = peer_input(n->peer);

    if (in.len) {
        xread_feed(&n->read, in);
        n->taken += in.len;
        peer_take(n->peer, in.len);
        take_items(n);
    }
    if (!n->over)
        give_answers(n);
}

void line_look(struct line *n)
{
    if (n->over)
        return;
    line_read(n);
    if (n->over || peer_unread(n->peer))
        return;
    if (peer_error(n->peer)) {
        line_over(n);
    } else if (peer_has_ended(n->peer)) {
        peer_finish(n->peer);
        line_over(n);
    }
}
