/* node/conf_row.h - one key of the configuration: what may stand there, and its text form.
 *
 * The rows are node/conf.def. Values live in the struct of their table, `offset` bytes in. The same
 * calls read a value of the file and the default of a row, and write what --print-config shows.
 */
#ifndef NODE_CONF_ROW_H
#define NODE_CONF_ROW_H

#include "base/byteq.h"
#include "node/conf.h"

enum conf_table { CONF_ROOT, CONF_CERTIFICATE, CONF_COMPONENT, CONF_PEER, CONF_TABLES };

enum conf_type {
    /* one text each */
    CONF_TYPE_COUNT,     /* uint64_t */
    CONF_TYPE_TIME,      /* uint64_t, ms: 500ms 30s 5m 12h 7d */
    CONF_TYPE_TIME_OR_0, /* 0 besides the range: off */
    CONF_TYPE_SIZE,      /* uint64_t, bytes: 10000B 256KiB 16MiB 1GiB */
    CONF_TYPE_SIZE_OR_0,
    CONF_TYPE_WORD,             /* an enum */
    CONF_TYPE_NAME,             /* char *: letters, digits, ".", "-", "_" */
    CONF_TYPE_TOKEN,            /* the same; "" if `min` is 0 */
    CONF_TYPE_ADDR,             /* struct conf_addrs of none or one */
    CONF_TYPE_SOCKET,           /* char *: path of a Unix socket, need not exist */
    CONF_TYPE_FILE,             /* char *: path of a file that we can read */
    CONF_TYPE_KEYFILE,          /* the same, and others should not be able to */
    CONF_TYPE_SECRET,           /* struct conf_secret */
    CONF_TYPE_DIALBACK_SECRET,  /* struct conf_secret, of 32 bytes or more */
    CONF_TYPE_COMPONENT_DOMAIN, /* char *: name or "*.name" in normal form */
    CONF_TYPE_PATTERN,          /* char *: "*" too */
    /* a list of texts, or one */
    CONF_TYPE_ADDRS,       /* struct conf_addrs */
    CONF_TYPE_NETS,        /* struct conf_nets */
    CONF_TYPE_DNS_SERVERS, /* into struct resolver_options */
    CONF_TYPE_DNS_TRUSTED, /* into struct resolver_options */
    CONF_TYPE_METHODS,     /* struct conf_methods */
    CONF_TYPE_TARGETS,     /* struct conf_targets */
    CONF_TYPE_REDIS_URLS,  /* struct conf_places; one may stand without brackets */
    CONF_TYPE_REDIS_HOSTS, /* struct conf_places */
    /* others */
    CONF_TYPE_ITEMS, /* a list of maps */
    CONF_TYPE_LATER, /* anything empty */
};

enum conf_when { CONF_RELOAD, CONF_RESTART, CONF_NEEDED };

struct conf_word {
    const char *word;
    int value;
    bool later; /* known, not in this version */
};

struct conf_row {
    enum conf_table table;
    const char *path;
    enum conf_type type;
    size_t offset;
    const struct conf_word *words; /* ended by a NULL word */
    const char *default_text;
    uint64_t min;
    uint64_t max;
    enum conf_when when;
    const char *note;
    const char *example;
    const char *prose;
};

struct conf_methods {
    enum method list[METHOD_MAX];
    size_t count;
};

struct conf_targets {
    struct policy_target list[POLICY_TARGETS_MAX];
    size_t count;
};

/* A rule while it is read or printed; `struct policy` keeps it. */
struct conf_peer {
    char *match;
    char *local;
    enum policy_allow allow;
    int tls; /* 1: required */
    struct conf_methods auth;
    struct conf_targets target;
    unsigned line;
};

/* `ret_peer` borrows the texts of the rule; a rule gets copies. */
void conf_peer_from_rule(const struct policy_rule *rule, struct conf_peer *ret_peer);
void conf_peer_to_rule(const struct conf_peer *peer, struct policy_rule *ret_rule);

/* All rows, in the order of the file; each knows its table. */
const struct conf_row *conf_rows(size_t *ret_count);
/* NULL when there is none. */
const struct conf_row *conf_row_find(enum conf_table table, struct slice path);
/* `path` is the beginning of longer ones: "limits". */
bool conf_row_is_section(enum conf_table table, struct slice path);
/* The known path most like an unknown one; false when none is near. */
bool conf_row_nearest(enum conf_table table, struct slice path, struct slice *ret_path);
bool conf_type_is_list(enum conf_type type);
/* A table is the maps of one list: its path ("" for the root) and the size of its struct. */
const char *conf_table_path(enum conf_table table);
size_t conf_table_size(enum conf_table table);
enum conf_table conf_table_of(const struct conf_row *items_row);

/* What a text is turned into needs: memory, and a place for what is wrong with it. */
struct conf_value {
    const struct conf_row *row;
    struct arena *arena;
    const char *dir;   /* relative paths begin here */
    char error[512];   /* "is too small: ...; raise it" */
    char warning[512]; /* accepted, but to be told; empty: nothing */
};

/* One text; for lists: one element, appended. False: `error` says why, nothing was stored. */
bool conf_value_parse(struct conf_value *v, struct slice text, void *table_struct);
/* The default of the row, which always fits. */
void conf_value_default(struct conf_value *v, void *table_struct);
/* "10000B to 16MiB (RFC 6120 13.12)"; "" when any text will do. */
void conf_value_range(const struct conf_row *row, char *buf, size_t size);
/* In the largest unit that divides it: 30s, 10000B. */
void conf_number_format(enum conf_type type, uint64_t n, char *buf, size_t size);
/* As YAML: `"[::]:5269"`, `[pkix, dialback]`, `30s`. Not for ITEMS. */
void conf_value_format(const struct conf_row *row, const void *table_struct, struct byteq *out);

/* A text as YAML that reads back to it: bare where that is safe, else in double quotes, "${"
 * escaped. */
void conf_yaml_quote(struct slice text, struct byteq *out);
/* A text for a message: shortened, control characters escaped; returns `buf`. */
const char *conf_show(struct slice text, char *buf, size_t size);

#endif
