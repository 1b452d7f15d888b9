#include "scenario/stage.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define NODE_IPS "10.0.0.1 fd00::1"
#define DNS_IP   "10.0.0.53"

/* --- words of a line --- */

struct slice next_word(struct slice *rest)
{
    struct slice s = *rest;
    size_t n;

    while (s.len && s.ptr[0] == ' ')
        s = slice_from_offset(s, 1);
    n = slice_find(s, ' ');
    *rest = slice_from_offset(s, n);
    return slice_sub(s, 0, n);
}

bool parse_ms(struct slice text, uint64_t *ret_ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};

    for (size_t i = 0; i < COUNT(units); i++) {
        struct slice unit = slice_from(units[i].unit);
        uint64_t n;

        if (!slice_ends(text, unit) ||
            !slice_to_u64(slice_sub(text, 0, text.len - unit.len), 1000000000, &n))
            continue;
        *ret_ms = n * units[i].ms;
        return true;
    }
    return false;
}

struct slice option(struct slice rest, const char *key)
{
    size_t len = strlen(key);

    while (slice_trim(rest).len) {
        struct slice word = next_word(&rest);

        if (slice_starts(word, slice_from(key)) && word.len > len && word.ptr[len] == '=')
            return slice_from_offset(word, len + 1);
    }
    return slice_none();
}

/* --- the stage --- */

bool stage_fail(struct stage *s, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(s->why, sizeof(s->why), format, args);
    va_end(args);
    return false;
}

bool stage_expand(struct stage *s, struct slice text, struct byteq *out)
{
    return words_expand(&s->words, text, out, s->why, sizeof(s->why));
}

/* Certificates are judged by the real clock, so the world's wall clock begins there. */
static void set_clock(struct stage *s)
{
    world_set_wall(s->world, (uint64_t)time(NULL) * 1000000);
}

static void make_world(struct stage *s, uint64_t seed)
{
    s->world = world_new(seed);
    set_clock(s);
    s->node_host = world_host(s->world, "node", NODE_IPS);
    world_host(s->world, "remote", "10.0.0.9 fd00::9");
    world_host(s->world, "comp", "10.0.0.2");
    s->dns = dnsserver_open(world_host(s->world, "dns", DNS_IP), DNS_IP ":53");
    s->certs = certs_new(s->dir);
    world_use_host(s->world, s->node_host);
}

void stage_init(struct stage *s, const struct adapter *a, const struct script *script,
                uint64_t seed, const char *dir)
{
    memset(s, 0, sizeof(*s));
    s->adapter = a;
    s->script = script;
    s->dir = mem_strdup(dir);
    bed_init(&s->bed);
    atomic_store(&s->bed.sink.level, LOG_DEBUG);
    words_init(&s->words);
    list_init(&s->actors);
    list_init(&s->ports);
    byteq_init(&s->transcript);
    peer_write_to(&s->transcript);
    make_world(s, seed);
    words_set(&s->words, SLICE("SECRET"), SLICE("a dialback secret of the scenarios"));
    words_set(&s->words, SLICE("DIR"), slice_from(dir));
    config_defaults(s);
}

static void free_settings(struct stage *s)
{
    while (s->settings) {
        struct setting *one = s->settings;

        s->settings = one->next;
        mem_free(one->section);
        mem_free(one->key);
        mem_free(one->value);
        mem_free(one);
    }
}

/* Peers that a scenario left open would hold the router's drain to its last second. */
static void hang_up(struct stage *s)
{
    LIST_WALK(n, &s->actors)
    peer_reset(LIST_ENTRY(n, struct actor, node)->peer);
    LIST_WALK(n, &s->ports)
    peer_port_close(LIST_ENTRY(n, struct gate, node)->port);
    world_advance(s->world, 100);
}

void stage_fini(struct stage *s)
{
    hang_up(s);
    if (s->node)
        s->adapter->free(s->node);
    while (!list_empty(&s->actors))
        actor_free(LIST_FIRST(&s->actors, struct actor, node));
    while (!list_empty(&s->ports)) {
        struct gate *g = LIST_FIRST(&s->ports, struct gate, node);

        list_remove(&g->node);
        mem_free(g->name);
        mem_free(g);
    }
    world_free(s->world);
    peer_write_to(NULL);
    certs_free(s->certs);
    words_fini(&s->words);
    free_settings(s);
    byteq_fini(&s->components);
    byteq_fini(&s->peers);
    byteq_fini(&s->certificates);
    byteq_fini(&s->transcript);
    bed_fini(&s->bed);
    mem_free(s->dir);
}

/* --- running --- */

static bool check_balance(struct stage *s)
{
    uint64_t n[5];

    if (!s->node || !s->adapter->balance || !s->adapter->balance(s->node, n))
        return true;
    if (n[0] == n[1] + n[2] + n[3] + n[4])
        return true;
    return stage_fail(s, "the balance: in %llu, out %llu, bounced %llu, dropped %llu, held %llu",
                      (unsigned long long)n[0], (unsigned long long)n[1], (unsigned long long)n[2],
                      (unsigned long long)n[3], (unsigned long long)n[4]);
}

/* What no scenario may leave behind: output that breaks a rule, stanzas without a fate. */
static bool final_checks(struct stage *s)
{
    world_advance(s->world, 100);
    LIST_WALK(n, &s->actors)
    if (!actor_drain(LIST_ENTRY(n, struct actor, node)))
        return false;
    return check_balance(s);
}

/* Its bytes will be in the transcript. */
static bool is_sending(struct slice line)
{
    next_word(&line);
    return slice_is(next_word(&line), ">");
}

bool stage_run(struct stage *s)
{
    for (s->at = 0; s->at < s->script->count; s->at++) {
        struct slice line = slice_from(s->script->lines[s->at].text);

        if (!is_sending(line))
            peer_note(s->world, "", "#", line);
        if (!step_run(s, line))
            return false;
    }
    return final_checks(s);
}

void stage_report(struct stage *s, FILE *out)
{
    const struct script_line *line = s->at < s->script->count ? &s->script->lines[s->at] : NULL;
    struct slice text;

    peer_note_all();
    text = byteq_slice(&s->transcript);
    fprintf(out, "--- what happened ---\n%.*s", SLICE_ARGS(text));
    text = byteq_slice(&s->bed.lines);
    fprintf(out, "--- log ---\n%.*s", SLICE_ARGS(text));
    fprintf(out, "--- failed: %s\n    %s\n    %s\n", line ? line->where : "at the end",
            line ? line->text : "", s->why);
}
