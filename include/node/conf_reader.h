/* node/conf_reader.h - one loading in progress: shared by reading and checking, no one else. */
#ifndef NODE_CONF_READER_H
#define NODE_CONF_READER_H

#include "node/conf_row.h"
#include "node/conf_source.h"
#include "node/conf_tree.h"

/* An address of `listen`, with its place in the file. */
struct conf_listener {
    const struct conf_row *row;
    struct addr addr;
    unsigned line; /* 0: by default */
};

enum conf_state { CONF_ABSENT, CONF_GOOD, CONF_BAD };

struct conf_reader {
    const struct conf_source *source;
    struct conf_report *report;
    struct conf *conf;
    struct arena scratch;    /* what only lasts as long as the loading */
    enum conf_state *states; /* of each row; those of items are of the last item */
    unsigned *lines;         /* of each row, 0: absent */
    struct conf_peer *peers;
    size_t peer_count;
};

/* Tree to struct, defaults filled in, secrets read. */
void conf_read(struct conf_reader *r, const struct conf_tree *root);
/* What contradicts itself although each value is fine. conf_check_peers also makes the policy. */
void conf_check(struct conf_reader *r);
void conf_check_peers(struct conf_reader *r);
void conf_check_tls(struct conf_reader *r);
void conf_check_store(struct conf_reader *r);
void conf_check_mesh(struct conf_reader *r);
/* Of the certificate that `key` names in that line, when it ended or soon will; `who` refuses it.
 */
void conf_warn_of_expiry(struct conf_reader *r, unsigned line, const char *key, const char *file,
                         const char *who, const struct conf_tried *tried);

/* The line of a root key, 0 when it has its default. */
unsigned conf_line_of(const struct conf_reader *r, const char *path);
/* False: its value was refused, so that nothing follows from what the struct holds. */
bool conf_good(const struct conf_reader *r, const char *path);

/* Reads the secret that `secret->file` names, `at_least` bytes, and reports what is wrong. */
void conf_secret_read(struct conf_reader *r, const char *key, unsigned line, size_t at_least,
                      struct conf_secret *secret);
/* Reports a file that is not there, unreadable or empty, and a key that all can read. */
bool conf_file_look(struct conf_reader *r, const char *key, unsigned line, const char *path,
                    bool secret, enum conf_severity severity);

#endif
