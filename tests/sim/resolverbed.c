#include "sim/resolverbed.h"

#include "base/mem.h"

void wish_done(void *arg, struct resolution *res)
{
    struct wish *wish = arg;

    if (wish->res)
        resolution_unref(wish->res);
    wish->res = resolution_ref(res);
    wish->at_ms = world_ms(wish->s->w);
    wish->count++;
}

static bool is_done(void *arg)
{
    return ((struct wish *)arg)->count > 0;
}

void scene_init(struct scene *s, const char *servers)
{
    struct slice rest = slice_from(servers);

    memset(s, 0, sizeof(*s));
    bed_init(&s->bed);
    s->w = world_new(11);
    s->router = world_host(s->w, "router", "10.0.0.1 fd00::1");
    world_use_host(s->w, s->router);
    s->loop = loop_new(&s->bed.counters, &s->bed.sink);
    s->o.timeout_ms = 10000;
    while (rest.len) {
        size_t n = slice_find(rest, ' ');

        CHECK_EQ(addr_parse_ip(slice_sub(rest, 0, n), 53, &s->o.servers[s->o.server_count++]), OK);
        rest = slice_from_offset(rest, n + 1);
    }
    s->r = resolver_new(s->loop, &s->o);
}

void scene_fini(struct scene *s)
{
    resolver_free(s->r);
    world_advance(s->w, 1000);
    loop_free(s->loop);
    world_free(s->w);
    bed_fini(&s->bed);
}

struct host *scene_host(struct scene *s, const char *ip)
{
    return strcmp(ip, LOCAL) == 0 ? s->router : world_host(s->w, ip, ip);
}

struct dnsserver *scene_server(struct scene *s, const char *ip)
{
    struct dnsserver *d = dnsserver_open(scene_host(s, ip), ip);

    assert_non_null(d);
    return d;
}

struct dnsserver *scene_open(struct scene *s)
{
    scene_init(s, NS1);
    return scene_server(s, NS1);
}

void scene_add(struct dnsserver *d, const char *row)
{
    CHECK_MSG(dnsserver_add(d, row) == OK, "%s", row);
}

struct resolution *wish_wait(struct wish *wish)
{
    CHECK(world_run_until(wish->s->w, is_done, wish, 60000));
    CHECK_EQ(wish->count, 1);
    return wish->res;
}

struct resolution *resolve(struct scene *s, const char *domain)
{
    struct wish wish = {.s = s};

    resolver_ask(s->r, slice_from(domain), wish_done, &wish);
    return wish_wait(&wish);
}

struct resolution *resolve_host(struct scene *s, const char *host, uint16_t port, bool tls)
{
    struct wish wish = {.s = s};

    resolver_ask_host(s->r, slice_from(host), port, tls, wish_done, &wish);
    return wish_wait(&wish);
}

enum resolution_kind kind_of(struct scene *s, const char *domain)
{
    struct resolution *res = resolve(s, domain);
    enum resolution_kind kind = res->kind;

    resolution_unref(res);
    return kind;
}

void check_endpoints(const struct resolution *res, const char *want)
{
    char got[2048] = "";
    char addr[ADDR_TEXT_MAX];
    size_t len = 0;

    for (size_t i = 0; i < res->count; i++) {
        const struct endpoint *e = &res->endpoints[i];

        CHECK_EQ(e->port, addr_port(&e->addr));
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%s%s/%u", i ? " " : "",
                                addr_format(&e->addr, addr), e->direct_tls ? "*" : "", e->target);
    }
    CHECK_STR(got, want);
}

void check_resolution(struct scene *s, const char *domain, enum resolution_kind kind,
                      const char *endpoints, const char *text)
{
    struct resolution *res = resolve(s, domain);

    CHECK_STR(res->text, text);
    CHECK_EQ(res->kind, kind);
    check_endpoints(res, endpoints);
    resolution_unref(res);
}
