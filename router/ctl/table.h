/* router/ctl/table.h - columns of text for people: as wide as what stands in them.
 *
 * Cells are UTF-8 from anywhere: what would move a terminal's cursor or turn its writing round
 * becomes '?'.
 */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include "base/mem.h"

#include <stdio.h>

#define TABLE_COLUMNS_MAX 16

struct table {
    size_t columns;
    bool right[TABLE_COLUMNS_MAX]; /* numbers */
    size_t width[TABLE_COLUMNS_MAX];
    char **cells; /* row by row */
    size_t count;
    size_t room;
};

/* `heads`: a text each column; one that begins with '>' is for numbers. */
void table_init(struct table *t, const char *const *heads, size_t columns);
void table_fini(struct table *t);
/* The next cell, row by row. NULL or "": "-". */
void table_add(struct table *t, const char *text);
void table_print(const struct table *t, FILE *out);

/* 850ms 12s 3m20s 5h1m 2d4h */
const char *span_format(uint64_t ms, char *buf, size_t size);
/* 0 712B 1.5KiB 32MiB */
const char *size_format(uint64_t bytes, char *buf, size_t size);
/* A text that is safe to print; the caller's to free. */
char *text_clean(const char *text);

#endif
