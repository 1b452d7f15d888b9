#include "node/conf_row.h"

#include <stdarg.h>
#include <stdio.h>

/* The kinds of values: struct to text. The way in is conf_value.c. */

static void put(struct byteq *out, const char *text)
{
    byteq_append(out, slice_from(text));
}

static bool plain_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           memchr("._/+-", c, 5);
}

/* Words that some reader of YAML takes for a truth value or for nothing. */
static bool yaml_word(struct slice text)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no",
                                        "on",   "off",  "y",     "n"};

    for (size_t i = 0; i < COUNT(words); i++)
        if (slice_eq_nocase(text, slice_from(words[i])))
            return true;
    return false;
}

static bool plain(struct slice text)
{
    if (!text.len || (text.ptr[0] != '/' && !(text.ptr[0] >= 'A' && plain_byte(text.ptr[0]))))
        return false; /* digits could be a number */
    for (size_t i = 0; i < text.len; i++)
        if (!plain_byte(text.ptr[i]))
            return false;
    return !yaml_word(text);
}

/* Length of the character at the front of valid UTF-8, and the character. */
static size_t utf8_next(struct slice s, uint32_t *ret_c)
{
    unsigned char lead = (unsigned char)s.ptr[0];
    size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint32_t c = n == 1 ? lead : lead & (0x7fu >> n);

    if (n > s.len)
        n = s.len;
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)s.ptr[i] & 0x3f);
    *ret_c = c;
    return n;
}

/* Not printable to YAML 1.1 (5.1), or a line end to it. */
static bool must_escape(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
           c == 0xfffe || c == 0xffff;
}

static void put_char(struct slice bytes, uint32_t c, struct byteq *out)
{
    char code[8];

    if (c == '"' || c == '\\')
        put(out, "\\");
    if (!must_escape(c)) {
        byteq_append(out, bytes);
        return;
    }
    snprintf(code, sizeof(code), "\\u%04X", (unsigned)c & 0xffff);
    put(out, code);
}

/* `env`: "${" is doubled to "$${", which reads as "${". */
static void put_quoted(struct slice text, bool env, struct byteq *out)
{
    put(out, "\"");
    for (size_t i = 0; i < text.len;) {
        uint32_t c;
        size_t n = utf8_next(slice_from_offset(text, i), &c);

        if (env && slice_starts(slice_from_offset(text, i), SLICE("${")))
            put(out, "$");
        put_char(slice_sub(text, i, n), c, out);
        i += n;
    }
    put(out, "\"");
}

void conf_yaml_quote(struct slice text, struct byteq *out)
{
    if (plain(text))
        byteq_append(out, text);
    else
        put_quoted(text, true, out);
}

#define SHOW_BYTES_MAX 64 /* of a value in a message */

const char *conf_show(struct slice text, char *buf, size_t size)
{
    struct byteq out;
    bool cut = text.len > SHOW_BYTES_MAX;
    size_t len = cut ? SHOW_BYTES_MAX : text.len;
    bool bare = len > 0;

    while (cut && len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--; /* between characters */
    text.len = len;
    for (size_t i = 0; i < text.len; i++)
        bare = bare && (plain_byte(text.ptr[i]) || memchr("*:[]@${}", text.ptr[i], 8));
    byteq_init(&out);
    if (bare)
        byteq_append(&out, text);
    else
        put_quoted(text, false, &out);
    snprintf(buf, size, "%.*s%s", SLICE_ARGS(byteq_slice(&out)), cut ? "..." : "");
    byteq_fini(&out);
    return buf;
}

static void put_number(const struct conf_row *row, const void *field, struct byteq *out)
{
    char text[32];

    conf_number_format(row->type, *(const uint64_t *)field, text, sizeof(text));
    put(out, text);
}

static void put_word(const struct conf_row *row, const void *field, struct byteq *out)
{
    const struct conf_word *w = row->words;
    int value;

    memcpy(&value, field, sizeof(value));
    while (w->value != value)
        w++;
    conf_yaml_quote(slice_from(w->word), out);
}

static void put_text(const struct conf_row *row, const void *field, struct byteq *out)
{
    conf_yaml_quote(slice_from(*(const char *const *)field), out);
}

static void put_secret(const struct conf_row *row, const void *field, struct byteq *out)
{
    conf_yaml_quote(slice_from(((const struct conf_secret *)field)->file), out);
}

static void put_addr(const struct addr *a, struct byteq *out)
{
    char text[ADDR_TEXT_MAX];

    conf_yaml_quote(slice_from(addr_format(a, text)), out);
}

static void put_net(const struct addr_net *net, struct byteq *out)
{
    char ip[ADDR_TEXT_MAX], text[ADDR_TEXT_MAX + 8];

    addr_format_ip(&net->base, ip);
    snprintf(text, sizeof(text), "%s/%u", ip, net->bits);
    conf_yaml_quote(slice_from(text), out);
}

static void put_one_addr(const struct conf_row *row, const void *field, struct byteq *out)
{
    const struct conf_addrs *addrs = field;

    if (addrs->count)
        put_addr(&addrs->list[0], out);
    else
        put(out, "\"\"");
}

static void comma(size_t i, struct byteq *out)
{
    put(out, i ? ", " : "");
}

static void put_addrs(const struct conf_row *row, const void *field, struct byteq *out)
{
    const struct conf_addrs *addrs = field;

    for (size_t i = 0; i < addrs->count; i++) {
        comma(i, out);
        put_addr(&addrs->list[i], out);
    }
}

static void put_nets(const struct conf_row *row, const void *field, struct byteq *out)
{
    const struct conf_nets *nets = field;

    for (size_t i = 0; i < nets->count; i++) {
        comma(i, out);
        put_net(&nets->list[i], out);
    }
}

static void put_dns_servers(const struct conf_row *row, const void *field, struct byteq *out)
{
    const struct resolver_options *dns = field;

    for (size_t i = 0; i < dns->server_count; i++) {
        comma(i, out);
        put_addr(&dns->servers[i], out);
    }
}

static void put_dns_trusted(const struct conf_row *row, const void *field, struct byteq *out)
{
    const struct resolver_options *dns = field;

    for (size_t i = 0; i < dns->trusted_count; i++) {
        comma(i, out);
        put_net(&dns->trusted[i], out);
    }
}

static void put_methods(const struct conf_row *row, const void *field, struct byteq *out)
{
    const struct conf_methods *methods = field;

    for (size_t i = 0; i < methods->count; i++) {
        comma(i, out);
        put(out, method_word(methods->list[i]));
    }
}

static void put_targets(const struct conf_row *row, const void *field, struct byteq *out)
{
    const struct conf_targets *targets = field;

    for (size_t i = 0; i < targets->count; i++) {
        const struct policy_target *t = &targets->list[i];
        char text[sizeof(t->host) + 32];

        snprintf(text, sizeof(text), strchr(t->host, ':') ? "%s[%s]:%u" : "%s%s:%u",
                 t->direct_tls ? "tls://" : "", t->host, t->port);
        comma(i, out);
        conf_yaml_quote(slice_from(text), out);
    }
}

static void put_places(const struct conf_row *row, const void *field, struct byteq *out)
{
    const struct conf_places *places = field;
    bool urls = row->type == CONF_TYPE_REDIS_URLS;

    for (size_t i = 0; i < places->count; i++) {
        const struct redis_place *p = &places->list[i];
        char text[REDIS_PLACE_TEXT_MAX];

        comma(i, out);
        conf_yaml_quote(slice_from(urls ? redis_url_format(p, text) : redis_place_format(p, text)),
                        out);
    }
}

typedef void put_fn(const struct conf_row *row, const void *field, struct byteq *out);

static put_fn *const puts_of[] = {
    [CONF_TYPE_COUNT] = put_number,
    [CONF_TYPE_TIME] = put_number,
    [CONF_TYPE_TIME_OR_0] = put_number,
    [CONF_TYPE_SIZE] = put_number,
    [CONF_TYPE_SIZE_OR_0] = put_number,
    [CONF_TYPE_WORD] = put_word,
    [CONF_TYPE_NAME] = put_text,
    [CONF_TYPE_TOKEN] = put_text,
    [CONF_TYPE_ADDR] = put_one_addr,
    [CONF_TYPE_SOCKET] = put_text,
    [CONF_TYPE_FILE] = put_text,
    [CONF_TYPE_KEYFILE] = put_text,
    [CONF_TYPE_SECRET] = put_secret,
    [CONF_TYPE_DIALBACK_SECRET] = put_secret,
    [CONF_TYPE_COMPONENT_DOMAIN] = put_text,
    [CONF_TYPE_PATTERN] = put_text,
    [CONF_TYPE_ADDRS] = put_addrs,
    [CONF_TYPE_NETS] = put_nets,
    [CONF_TYPE_DNS_SERVERS] = put_dns_servers,
    [CONF_TYPE_DNS_TRUSTED] = put_dns_trusted,
    [CONF_TYPE_METHODS] = put_methods,
    [CONF_TYPE_TARGETS] = put_targets,
    [CONF_TYPE_REDIS_URLS] = put_places,
    [CONF_TYPE_REDIS_HOSTS] = put_places,
};

void conf_value_format(const struct conf_row *row, const void *table_struct, struct byteq *out)
{
    bool list = conf_type_is_list(row->type);

    assert((size_t)row->type < COUNT(puts_of) && puts_of[row->type]);
    put(out, list ? "[" : "");
    puts_of[row->type](row, (const char *)table_struct + row->offset, out);
    put(out, list ? "]" : "");
}
