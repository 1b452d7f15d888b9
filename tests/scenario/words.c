#include "scenario/words.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "base/encode.h"

#define ARGS_MAX    6
#define REPEATS_MAX 100000000

struct word {
    struct list node;
    char *name;
    char *value;
    size_t len;
};

void words_init(struct words *w)
{
    list_init(&w->list);
}

static void free_word(struct word *one)
{
    list_remove(&one->node);
    mem_free(one->name);
    mem_free(one->value);
    mem_free(one);
}

void words_fini(struct words *w)
{
    while (!list_empty(&w->list))
        free_word(LIST_FIRST(&w->list, struct word, node));
}

static struct word *find(const struct words *w, struct slice name)
{
    for (struct list *n = w->list.next; n != &w->list; n = n->next)
        if (slice_is(name, LIST_ENTRY(n, struct word, node)->name))
            return LIST_ENTRY(n, struct word, node);
    return NULL;
}

void words_set(struct words *w, struct slice name, struct slice value)
{
    struct word *one = find(w, name);

    if (one)
        free_word(one);
    one = MEM_NEW(struct word);
    one->name = mem_strndup(name);
    one->value = mem_strndup(value);
    one->len = value.len;
    list_init(&one->node);
    list_push(&w->list, &one->node);
}

struct slice words_get(const struct words *w, struct slice name)
{
    struct word *one = find(w, name);

    return one ? slice_make(one->value, one->len) : slice_none();
}

size_t words_count(const struct words *w)
{
    size_t count = 0;

    for (struct list *n = w->list.next; n != &w->list; n = n->next)
        count++;
    return count;
}

void words_rewind(struct words *w, size_t count)
{
    for (size_t now = words_count(w); now > count; now--)
        free_word(LIST_LAST(&w->list, struct word, node));
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static size_t name_len(struct slice s)
{
    size_t n = 0;

    while (n < s.len && is_name(s.ptr[n]))
        n++;
    return n;
}

struct slice words_single(struct slice text)
{
    if (text.len < 2 || text.ptr[0] != '$')
        return slice_none();
    text = slice_from_offset(text, 1);
    if (text.ptr[0] == '{' && text.ptr[text.len - 1] == '}')
        text = slice_sub(text, 1, text.len - 2);
    return name_len(text) == text.len ? text : slice_none();
}

/* --- functions --- */

static void put_hex(const unsigned char *bytes, size_t n, struct byteq *out)
{
    char text[2 * EVP_MAX_MD_SIZE + 1];

    hex_format(bytes, n, text);
    byteq_append(out, slice_from(text));
}

static void put_digest(const EVP_MD *md, struct slice text, struct byteq *out)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned n;

    EVP_Digest(text.ptr ? text.ptr : "", text.len, bytes, &n, md, NULL);
    put_hex(bytes, n, out);
}

static void put_hmac(struct slice key, struct slice text, struct byteq *out)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned n;

    HMAC(EVP_sha256(), key.ptr, (int)key.len, (const unsigned char *)text.ptr, text.len, bytes, &n);
    put_hex(bytes, n, out);
}

/* XEP-0185 2: HMAC-SHA256(hex SHA256(secret), receiving SP originating SP id). */
static void put_dialback(struct slice *arg, struct byteq *out)
{
    struct byteq key;
    struct byteq text;

    byteq_init(&key);
    byteq_init(&text);
    put_digest(EVP_sha256(), arg[0], &key);
    for (int i = 1; i < 4; i++) {
        byteq_append(&text, arg[i]);
        if (i < 3)
            byteq_append(&text, SLICE(" "));
    }
    put_hmac(byteq_slice(&key), byteq_slice(&text), out);
    byteq_fini(&key);
    byteq_fini(&text);
}

static void put_base64(struct slice text, struct byteq *out)
{
    char *room = byteq_reserve(out, BASE64_LEN(text.len) + 1);

    byteq_grow(out, base64_format(text.ptr, text.len, room));
}

static bool put_bytes(struct slice hex, struct byteq *out)
{
    for (size_t i = 0; i + 1 < hex.len; i += 2) {
        char pair[3] = {hex.ptr[i], hex.ptr[i + 1], 0};
        char *end;
        char byte = (char)strtoul(pair, &end, 16);

        if (*end)
            return false;
        byteq_append(out, slice_make(&byte, 1));
    }
    return hex.len % 2 == 0;
}

static bool put_repeated(struct slice count, struct slice text, struct byteq *out)
{
    uint64_t n;

    if (!slice_to_u64(count, REPEATS_MAX, &n))
        return false;
    while (n--)
        byteq_append(out, text);
    return true;
}

static void put_upper(struct slice text, struct byteq *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = (char)toupper((unsigned char)text.ptr[i]);

        byteq_append(out, slice_make(&c, 1));
    }
}

static void put_length(struct slice text, struct byteq *out)
{
    char number[32];

    snprintf(number, sizeof(number), "%zu", text.len);
    byteq_append(out, slice_from(number));
}

enum function { SHA1, SHA256, HMAC_, DIALBACK, B64, HEX, REPEAT, UPPER, LENGTH };

/* `args`: the last one may contain colons. */
static const struct {
    const char *name;
    enum function function;
    unsigned args;
} functions[] = {{"sha1", SHA1, 1},         {"sha256", SHA256, 1}, {"hmac", HMAC_, 2},
                 {"dialback", DIALBACK, 4}, {"b64", B64, 1},       {"hex", HEX, 1},
                 {"repeat", REPEAT, 2},     {"upper", UPPER, 1},   {"length", LENGTH, 1}};

static bool call(enum function f, struct slice *arg, struct byteq *out)
{
    switch (f) {
    case SHA1:
        put_digest(EVP_sha1(), arg[0], out);
        return true;
    case SHA256:
        put_digest(EVP_sha256(), arg[0], out);
        return true;
    case HMAC_:
        put_hmac(arg[0], arg[1], out);
        return true;
    case DIALBACK:
        put_dialback(arg, out);
        return true;
    case B64:
        put_base64(arg[0], out);
        return true;
    case HEX:
        return put_bytes(arg[0], out);
    case REPEAT:
        return put_repeated(arg[0], arg[1], out);
    case UPPER:
        put_upper(arg[0], out);
        return true;
    case LENGTH:
        put_length(arg[0], out);
        return true;
    }
    return false;
}

static const struct {
    const char *name;
    const char *text;
} constants[] = {{"sp", " "}, {"nl", "\n"}, {"tab", "\t"}, {"cr", "\r"}, {"dollar", "$"}};

static bool split_args(struct slice text, struct slice *arg, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        size_t n = i + 1 < count ? slice_find(text, ':') : text.len;

        if (i + 1 < count && n == text.len)
            return false;
        arg[i] = slice_sub(text, 0, n);
        text = slice_from_offset(text, n + 1);
    }
    return true;
}

static bool call_named(struct slice name, struct slice text, struct byteq *out)
{
    struct slice arg[ARGS_MAX];

    for (size_t i = 0; i < COUNT(functions); i++)
        if (slice_is(name, functions[i].name))
            return split_args(text, arg, functions[i].args) &&
                   call(functions[i].function, arg, out);
    return false;
}

/* --- expansion --- */

static bool fail(char *why, size_t size, const char *what, struct slice text)
{
    snprintf(why, size, "%s: %.*s", what, SLICE_ARGS(text));
    return false;
}

static bool put_name(const struct words *w, struct slice name, struct byteq *out, char *why,
                     size_t size)
{
    struct slice value = words_get(w, name);

    for (size_t i = 0; i < COUNT(constants); i++)
        if (slice_is(name, constants[i].name))
            value = slice_from(constants[i].text);
    if (!value.ptr)
        return fail(why, size, "nothing is bound to", name);
    byteq_append(out, value);
    return true;
}

static size_t closing_brace(struct slice s)
{
    unsigned depth = 0;

    for (size_t i = 0; i < s.len; i++) {
        depth += s.ptr[i] == '{';
        if (s.ptr[i] == '}' && --depth == 0)
            return i;
    }
    return s.len;
}

static bool put_braced(const struct words *w, struct slice inside, struct byteq *out, char *why,
                       size_t size)
{
    size_t colon = slice_find(inside, ':');
    struct byteq args;
    bool ok;

    if (colon == inside.len)
        return put_name(w, inside, out, why, size);
    byteq_init(&args);
    ok = words_expand(w, slice_from_offset(inside, colon + 1), &args, why, size);
    if (ok && !call_named(slice_sub(inside, 0, colon), byteq_slice(&args), out))
        ok = fail(why, size, "no such function, or bad arguments", inside);
    byteq_fini(&args);
    return ok;
}

bool words_expand(const struct words *w, struct slice text, struct byteq *out, char *why,
                  size_t size)
{
    while (text.len) {
        size_t n = slice_find(text, '$');
        struct slice rest = slice_from_offset(text, n + 1);
        size_t used = 0;

        byteq_append(out, slice_sub(text, 0, n));
        if (n == text.len)
            return true;
        if (rest.len && rest.ptr[0] == '{') {
            used = closing_brace(rest);
            if (used == rest.len)
                return fail(why, size, "no closing brace", text);
            if (!put_braced(w, slice_sub(rest, 1, used - 1), out, why, size))
                return false;
            used++;
        } else if ((used = name_len(rest)) > 0) {
            if (!put_name(w, slice_sub(rest, 0, used), out, why, size))
                return false;
        } else {
            byteq_append(out, SLICE("$"));
        }
        text = slice_from_offset(rest, used);
    }
    return true;
}
