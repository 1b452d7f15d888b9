#include "node/conf.h"

#include <stdarg.h>

void conf_report_init(struct conf_report *r)
{
    memset(r, 0, sizeof(*r));
}

void conf_report_fini(struct conf_report *r)
{
    for (size_t i = 0; i < r->count; i++)
        mem_free(r->remarks[i].text);
    mem_free(r->remarks);
    mem_free(r->file);
    conf_report_init(r);
}

void conf_remark(struct conf_report *r, enum conf_severity severity, unsigned line,
                 const char *format, ...)
{
    size_t *count = severity == CONF_ERROR ? &r->error_count : &r->warning_count;
    char text[1024];
    va_list args;

    if (++*count > CONF_REPORT_LINES_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if ((r->count & (r->count - 1)) == 0) /* room doubles at each power of two */
        r->remarks = mem_realloc(r->remarks, (r->count ? 2 * r->count : 1) * sizeof(*r->remarks));
    r->remarks[r->count] = (struct conf_remark){severity, line, r->count, mem_strdup(text)};
    r->count++;
}

static int by_line(const void *a, const void *b)
{
    const struct conf_remark *x = a, *y = b;

    if (x->line != y->line)
        return x->line - 1 < y->line - 1 ? -1 : 1; /* 0, the whole file, comes last */
    return x->order < y->order ? -1 : 1;
}

void conf_report_sort(struct conf_report *r)
{
    if (r->count)
        qsort(r->remarks, r->count, sizeof(*r->remarks), by_line);
}

static void print_remark(const struct conf_report *r, const struct conf_remark *m, FILE *out)
{
    fprintf(out, "%s:", r->file ? r->file : "configuration");
    if (m->line)
        fprintf(out, "%u:", m->line);
    fprintf(out, " %s%s\n", m->severity == CONF_WARNING ? "warning: " : "", m->text);
}

void conf_report_print(const struct conf_report *r, FILE *out)
{
    size_t unsaid = r->error_count + r->warning_count - r->count;

    for (size_t i = 0; i < r->count; i++)
        print_remark(r, &r->remarks[i], out);
    if (unsaid)
        fprintf(out, "%s: and %zu more\n", r->file ? r->file : "configuration", unsaid);
}
