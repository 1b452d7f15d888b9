#include "sim/keyspace.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>

/* --- replies --- */

void reply_fini(struct reply *r)
{
    for (size_t i = 0; i < r->count; i++)
        reply_fini(&r->items[i]);
    mem_free(r->items);
    mem_free(r->text);
    memset(r, 0, sizeof(*r));
}

void reply_text(struct reply *r, enum reply_kind kind, struct slice text)
{
    r->kind = kind;
    r->text = mem_strndup(text);
    r->len = text.len;
}

struct reply *reply_add(struct reply *r)
{
    if (r->count == r->room) {
        r->room = r->room ? r->room * 2 : 8;
        r->items = mem_realloc(r->items, r->room * sizeof(*r->items));
    }
    memset(&r->items[r->count], 0, sizeof(*r->items));
    return &r->items[r->count++];
}

struct slice reply_at(const struct reply *r, size_t i)
{
    if (r->kind != REPLY_ARRAY || i >= r->count || !r->items[i].text)
        return slice_none();
    return slice_make(r->items[i].text, r->items[i].len);
}

static void say_int(struct reply *r, int64_t number)
{
    r->kind = REPLY_INT;
    r->number = number;
}

static void say_error(struct reply *r, const char *text)
{
    reply_text(r, REPLY_ERROR, slice_from(text));
}

/* --- entries --- */

enum entry_kind { ENTRY_STRING, ENTRY_HASH, ENTRY_SET };

struct field {
    char *name;
    char *value; /* NULL in a set */
};

struct entry {
    char *key;
    enum entry_kind kind;
    char *text;
    struct field *fields;
    size_t count, room;
};

static const char *const kind_words[] = {"string", "hash", "set"};

static void entry_free(struct entry *e)
{
    for (size_t i = 0; i < e->count; i++) {
        mem_free(e->fields[i].name);
        mem_free(e->fields[i].value);
    }
    mem_free(e->fields);
    mem_free(e->text);
    mem_free(e->key);
    mem_free(e);
}

static struct entry *entry_new(struct keyspace *ks, struct slice key, enum entry_kind kind)
{
    struct entry *e = MEM_NEW(struct entry);

    e->key = mem_strndup(key);
    e->kind = kind;
    map_add(&ks->entries, slice_from(e->key), e);
    return e;
}

static bool entry_remove(struct keyspace *ks, struct slice key)
{
    struct entry *e = map_remove(&ks->entries, key);

    if (e)
        entry_free(e);
    return e != NULL;
}

static struct field *field_find(const struct entry *e, struct slice name)
{
    for (size_t i = 0; e && i < e->count; i++)
        if (slice_is(name, e->fields[i].name))
            return &e->fields[i];
    return NULL;
}

static struct field *field_add(struct entry *e, struct slice name)
{
    struct field *f;

    if (e->count == e->room) {
        e->room = e->room ? e->room * 2 : 4;
        e->fields = mem_realloc(e->fields, e->room * sizeof(*e->fields));
    }
    f = &e->fields[e->count++];
    *f = (struct field){mem_strndup(name), NULL};
    return f;
}

static void set_text(char **at, struct slice text)
{
    mem_free(*at);
    *at = mem_strndup(text);
}

/* Removes the field, and the entry with its last. */
static bool field_remove(struct keyspace *ks, struct entry *e, struct slice name)
{
    struct field *f = field_find(e, name);

    if (!f)
        return false;
    mem_free(f->name);
    mem_free(f->value);
    *f = e->fields[--e->count];
    if (e->count == 0)
        entry_remove(ks, slice_from(e->key));
    return true;
}

/* --- the keyspace --- */

void keyspace_init(struct keyspace *ks)
{
    static const uint64_t seed[2] = {1, 2};

    memset(ks, 0, sizeof(*ks));
    map_init(&ks->entries, seed);
}

void keyspace_clear(struct keyspace *ks)
{
    size_t pos = 0;
    struct entry *e;

    while ((e = map_next(&ks->entries, &pos))) {
        map_remove(&ks->entries, slice_from(e->key));
        entry_free(e);
    }
}

void keyspace_fini(struct keyspace *ks)
{
    keyspace_clear(ks);
    map_fini(&ks->entries);
}

void keyspace_copy(struct keyspace *to, const struct keyspace *from)
{
    size_t pos = 0;
    const struct entry *e;

    keyspace_clear(to);
    while ((e = map_next(&from->entries, &pos))) {
        struct entry *copy = entry_new(to, slice_from(e->key), e->kind);

        if (e->text)
            copy->text = mem_strdup(e->text);
        for (size_t i = 0; i < e->count; i++) {
            struct field *f = field_add(copy, slice_from(e->fields[i].name));

            if (e->fields[i].value)
                f->value = mem_strdup(e->fields[i].value);
        }
    }
}

/* --- commands --- */

struct call {
    struct keyspace *ks;
    const struct slice *words;
    size_t count;
    struct entry *entry; /* of words[1], of the right kind, or NULL */
    struct reply *reply;
};

static struct entry *entry_of(struct call *c, enum entry_kind kind)
{
    if (!c->entry)
        c->entry = entry_new(c->ks, c->words[1], kind);
    return c->entry;
}

static void say_value(struct reply *r, const char *text)
{
    if (text)
        reply_text(r, REPLY_TEXT, slice_from(text));
}

static void do_get(struct call *c)
{
    say_value(c->reply, c->entry ? c->entry->text : NULL);
}

static void do_mget(struct call *c)
{
    c->reply->kind = REPLY_ARRAY;
    for (size_t i = 1; i < c->count; i++) {
        struct entry *e = map_find(&c->ks->entries, c->words[i]);

        say_value(reply_add(c->reply), e && e->kind == ENTRY_STRING ? e->text : NULL);
    }
}

static void do_set(struct call *c)
{
    set_text(&entry_of(c, ENTRY_STRING)->text, c->words[2]);
    reply_text(c->reply, REPLY_STATUS, SLICE("OK"));
}

static void add_number(struct reply *r, char **text, int64_t more)
{
    int64_t number = (*text ? strtoll(*text, NULL, 10) : 0) + more;
    char digits[32];

    snprintf(digits, sizeof(digits), "%" PRId64, number);
    set_text(text, slice_from(digits));
    say_int(r, number);
}

static void do_incr(struct call *c)
{
    add_number(c->reply, &entry_of(c, ENTRY_STRING)->text, 1);
}

static void do_del(struct call *c)
{
    int64_t removed = 0;

    for (size_t i = 1; i < c->count; i++)
        removed += entry_remove(c->ks, c->words[i]);
    say_int(c->reply, removed);
}

static void do_exists(struct call *c)
{
    int64_t found = 0;

    for (size_t i = 1; i < c->count; i++)
        found += map_find(&c->ks->entries, c->words[i]) != NULL;
    say_int(c->reply, found);
}

static void do_hget(struct call *c)
{
    struct field *f = field_find(c->entry, c->words[2]);

    say_value(c->reply, f ? f->value : NULL);
}

static void do_hset(struct call *c)
{
    struct entry *e = entry_of(c, ENTRY_HASH);
    int64_t added = 0;

    for (size_t i = 2; i + 1 < c->count; i += 2) {
        struct field *f = field_find(e, c->words[i]);

        added += f == NULL;
        set_text(&(f ? f : field_add(e, c->words[i]))->value, c->words[i + 1]);
    }
    say_int(c->reply, added);
}

static void do_hincrby(struct call *c)
{
    struct entry *e = entry_of(c, ENTRY_HASH);
    struct field *f = field_find(e, c->words[2]);
    char more[32];

    if (!f)
        f = field_add(e, c->words[2]);
    slice_to_cstr(c->words[3], more, sizeof(more));
    add_number(c->reply, &f->value, strtoll(more, NULL, 10));
}

static void do_remove_fields(struct call *c) /* HDEL, SREM */
{
    int64_t removed = 0;
    struct slice key = c->words[1];

    for (size_t i = 2; i < c->count; i++) {
        struct entry *e = map_find(&c->ks->entries, key);

        removed += e && field_remove(c->ks, e, c->words[i]);
    }
    say_int(c->reply, removed);
}

static void do_list_fields(struct call *c) /* HGETALL, SMEMBERS */
{
    c->reply->kind = REPLY_ARRAY;
    for (size_t i = 0; c->entry && i < c->entry->count; i++) {
        say_value(reply_add(c->reply), c->entry->fields[i].name);
        if (c->entry->kind == ENTRY_HASH)
            say_value(reply_add(c->reply), c->entry->fields[i].value);
    }
}

static void do_count_fields(struct call *c) /* HLEN, SCARD */
{
    say_int(c->reply, c->entry ? (int64_t)c->entry->count : 0);
}

static void do_sadd(struct call *c)
{
    struct entry *e = entry_of(c, ENTRY_SET);
    int64_t added = 0;

    for (size_t i = 2; i < c->count; i++) {
        if (field_find(e, c->words[i]))
            continue;
        field_add(e, c->words[i]);
        added++;
    }
    say_int(c->reply, added);
}

static void do_sismember(struct call *c)
{
    say_int(c->reply, field_find(c->entry, c->words[2]) != NULL);
}

static bool matches(struct slice pattern, const char *key)
{
    char text[512];

    return !slice_to_cstr(pattern, text, sizeof(text)) || fnmatch(text, key, 0) == 0;
}

/* SCAN 0 [MATCH pattern] [COUNT n]: all at once. */
static void do_scan(struct call *c)
{
    struct slice pattern = SLICE("*");
    struct reply *found;
    size_t pos = 0;
    const struct entry *e;

    for (size_t i = 2; i + 1 < c->count; i += 2)
        if (slice_eq_nocase(c->words[i], SLICE("match")))
            pattern = c->words[i + 1];
    c->reply->kind = REPLY_ARRAY;
    reply_text(reply_add(c->reply), REPLY_TEXT, SLICE("0"));
    found = reply_add(c->reply);
    found->kind = REPLY_ARRAY;
    while ((e = map_next(&c->ks->entries, &pos)))
        if (matches(pattern, e->key))
            say_value(reply_add(found), e->key);
}

static void do_publish(struct call *c)
{
    if (c->ks->notice)
        c->ks->notice(c->ks->arg, c->words[1], c->words[2]);
    say_int(c->reply, 0);
}

static void do_flushall(struct call *c)
{
    keyspace_clear(c->ks);
    reply_text(c->reply, REPLY_STATUS, SLICE("OK"));
}

static void do_type(struct call *c)
{
    struct entry *e = map_find(&c->ks->entries, c->words[1]);

    reply_text(c->reply, REPLY_STATUS, slice_from(e ? kind_words[e->kind] : "none"));
}

#define ANY 3 /* the command looks for itself */

static const struct command {
    const char *name;
    size_t words_min;
    int kind; /* of words[1] */
    void (*run)(struct call *c);
} commands[] = {
    {"get", 2, ENTRY_STRING, do_get},
    {"set", 3, ENTRY_STRING, do_set},
    {"mget", 2, ANY, do_mget},
    {"incr", 2, ENTRY_STRING, do_incr},
    {"del", 2, ANY, do_del},
    {"unlink", 2, ANY, do_del},
    {"exists", 2, ANY, do_exists},
    {"type", 2, ANY, do_type},
    {"hget", 3, ENTRY_HASH, do_hget},
    {"hset", 4, ENTRY_HASH, do_hset},
    {"hincrby", 4, ENTRY_HASH, do_hincrby},
    {"hdel", 3, ENTRY_HASH, do_remove_fields},
    {"hgetall", 2, ENTRY_HASH, do_list_fields},
    {"hlen", 2, ENTRY_HASH, do_count_fields},
    {"sadd", 3, ENTRY_SET, do_sadd},
    {"srem", 3, ENTRY_SET, do_remove_fields},
    {"smembers", 2, ENTRY_SET, do_list_fields},
    {"scard", 2, ENTRY_SET, do_count_fields},
    {"sismember", 3, ENTRY_SET, do_sismember},
    {"scan", 2, ANY, do_scan},
    {"publish", 3, ANY, do_publish},
    {"flushall", 1, ANY, do_flushall},
};

static const struct command *command_find(struct slice name)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if (slice_eq_nocase(name, slice_from(commands[i].name)))
            return &commands[i];
    return NULL;
}

void keyspace_call(struct keyspace *ks, const struct slice *words, size_t count,
                   struct reply *ret_reply)
{
    const struct command *command = count ? command_find(words[0]) : NULL;
    struct call c = {ks, words, count, NULL, ret_reply};

    memset(ret_reply, 0, sizeof(*ret_reply));
    if (!command) {
        say_error(ret_reply, "ERR unknown command");
        return;
    }
    if (count < command->words_min) {
        say_error(ret_reply, "ERR wrong number of arguments");
        return;
    }
    if (command->kind != ANY) {
        c.entry = map_find(&ks->entries, words[1]);
        if (c.entry && (int)c.entry->kind != command->kind) {
            say_error(ret_reply,
                      "WRONGTYPE Operation against a key holding the wrong kind of value");
            return;
        }
    }
    command->run(&c);
}

struct slice keyspace_field(const struct keyspace *ks, const char *key, const char *field)
{
    const struct entry *e = map_find(&ks->entries, slice_from(key));
    const struct field *f = field_find(e, slice_from(field));

    return f ? slice_from(f->value) : slice_none();
}

struct slice keyspace_string(const struct keyspace *ks, const char *key)
{
    const struct entry *e = map_find(&ks->entries, slice_from(key));

    return e && e->text ? slice_from(e->text) : slice_none();
}
