/* One run from its seed, and the clauses of the rule that can be left out of it. */
#include "sim/ownership/world.h"

#include <stdio.h>

/* Longest time after all troubles until each pair has a writer: a stranger's 30 s and a watch, once
 * more for a death that came to light only then. */
#define SERVED_MS 80000

/* --- mutations --- */

static const char *const lease_words[MUTATIONS] = {
    [MUTATE_trust] = "trust",         [MUTATE_nobound] = "nobound",
    [MUTATE_noout] = "noout",         [MUTATE_novoid] = "novoid",
    [MUTATE_nofence] = "nofence",     [MUTATE_noacross] = "noacross",
    [MUTATE_nobyex] = "nobyex",       [MUTATE_nolist] = "nolist",
    [MUTATE_noack] = "noack",         [MUTATE_noknow] = "noknow",
    [MUTATE_nowatch] = "nowatch",     [MUTATE_noreset] = "noreset",
    [MUTATE_nolapse] = "nolapse",     [MUTATE_nonew] = "nonew",
    [MUTATE_norefused] = "norefused", [MUTATE_nounion] = "nounion",
    [MUTATE_nosettle] = "nosettle",   [MUTATE_noalone] = "noalone",
    [MUTATE_noassert] = "noassert",   [MUTATE_nosame] = "nosame",
    [MUTATE_nosure] = "nosure",
};
static const char *const owners_words[OWNERS_MUTATIONS] = {
    [MUTATE_noask] = "noask",
    [MUTATE_noforget] = "noforget",
    [MUTATE_nogave] = "nogave",
};
/* Clauses that only the scripts hold. */
static const char *const script_words[] = {"notomb", "nofall", "noorder", "noconn"};

static const char *mutated; /* word, or NULL */

static bool find_word(const char *const *words, size_t count, const char *word, uint64_t *ret_bits)
{
    *ret_bits = 0;
    for (size_t i = 0; i < count && word; i++)
        if (strcmp(words[i], word) == 0)
            *ret_bits = 1ULL << i;
    return *ret_bits;
}

void run_mutate(const char *word)
{
    uint64_t ignored;
    bool known = word == NULL;

    mutated = word;
    world_noflush = word && strcmp(word, "noflush") == 0;
    known |= world_noflush;
    known |= find_word(lease_words, MUTATIONS, word, &lease_mutations);
    known |= find_word(owners_words, OWNERS_MUTATIONS, word, &owners_mutations);
    known |= find_word(script_words, COUNT(script_words), word, &ignored);
    assert(known);
}

/* A line "... --! word: instead" becomes "instead" if the word is left out. */
static char *script_text(const char *text)
{
    char *out = mem_alloc(strlen(text) + 1);
    char *at = out;
    char marker[32];

    snprintf(marker, sizeof(marker), "--! %s: ", mutated ? mutated : "");
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n") + 1;
        const char *mark = mutated ? memmem(line, len, marker, strlen(marker)) : NULL;
        size_t skip = mark ? (size_t)(mark - line) + strlen(marker) : 0;

        memcpy(at, line + skip, len - skip);
        at += len - skip;
        line += len;
    }
    *at = '\0';
    return out;
}

/* --- worlds --- */

/* Compiled once for each mutation: a Lua state outlasts the runs. */
static struct redislua *lua;
static int numbers[SCRIPT_COUNT];
static const char *lua_mutated;

static void load_scripts(void)
{
    if (lua && lua_mutated == mutated)
        return;
    if (lua)
        redislua_free(lua);
    lua = redislua_new();
    lua_mutated = mutated;
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        char *text = script_text(scripts[i].text);

        numbers[i] = redislua_load(lua, scripts[i].name, text);
        mem_free(text);
    }
}

void world_init(struct world *w, uint64_t seed, int slots, int pairs)
{
    memset(w, 0, sizeof(*w));
    random_init_seeded(&w->rnd, seed);
    load_scripts();
    w->lua = lua;
    memcpy(w->script, numbers, sizeof(numbers));
    keyspace_init(&w->keys);
    keyspace_init(&w->replica);
    w->now_ms = 1000000;
    w->slot_count = slots;
    w->pair_count = pairs;
    w->delays = (struct delays){10, 10};
    w->table_up = true;
    w->run = 1;
    for (int i = 0; i < slots; i++)
        w->nodes[i].slot = i;
}

void run_until_served(struct world *w)
{
    uint64_t limit = w->now_ms + 60000;

    while (w->now_ms < limit && !w->two_writers && !world_all_served(w))
        world_run(w, w->now_ms + 500);
    world_run(w, w->now_ms + 2500);
}

/* --- one seed --- */

static void draw_world(struct world *w)
{
    static const uint64_t slow[] = {3, 10, 10, 50, 300, 1500};
    int first = 1 + (int)world_below(w, 5);
    int slots = first + (int)world_below(w, 3) + (first == 1);

    w->slot_count = slots;
    w->pair_count = 2 + (int)world_below(w, 4);
    w->stop = world_chance(w, 8);
    w->bury_beside = world_chance(w, 50);
    for (int i = 0; i < slots; i++)
        w->nodes[i].slot = i;
    for (int pair = 0; pair < w->pair_count; pair++)
        for (int i = 0; i < 2; i++)
            w->nodes[world_below(w, (uint64_t)slots)].wanted |= 1u << pair;
    for (int i = 0; i < first; i++)
        node_start(w, i, (char[2]){(char)('a' + i), 0});
    run_until_served(w);
    w->delays.table_ms = slow[world_below(w, COUNT(slow))];
    w->delays.mesh_ms = slow[world_below(w, COUNT(slow) - 1)];
}

struct outcome run_seed(uint64_t seed, bool trace)
{
    struct world w;
    struct outcome o = {0};
    uint64_t limit;

    world_init(&w, seed, SLOTS_MAX, PAIRS_MAX);
    w.trace = trace;
    draw_world(&w);
    trouble_draw(&w);
    while (!w.calm && !w.two_writers && !w.assumption_broken)
        world_run(&w, w.now_ms + 1000);
    w.delays = (struct delays){10, 10};
    limit = w.now_ms + SERVED_MS;
    for (int good = 0; good < 4 && w.now_ms < limit && !w.two_writers && !w.assumption_broken;) {
        world_run(&w, w.now_ms + 500);
        good = world_all_served(&w) ? good + 1 : 0;
    }
    o.assumption_broken = w.assumption_broken;
    o.two_writers = w.two_writers && !w.assumption_broken;
    o.early_burial = w.early_burial;
    o.unserved = !world_all_served(&w) && !w.assumption_broken;
    o.ms = w.now_ms - 1000000;
    world_fini(&w);
    return o;
}
