/* Any text as configuration: it ends in a report or in a configuration that prints back to itself.
 * Files and environment are invented, so that a text can name none of this machine. */
#include "node/conf_source.h"

static const char *env(void *arg, const char *name)
{
    return name[0] == 'N' ? NULL : name; /* ${X} is "X" */
}

/* What a file holds is told by its name: enough for each outcome. */
static enum err read_file(void *arg, const char *path, char *buf, size_t room,
                          struct conf_file *ret_file)
{
    size_t size = strstr(path, "empty") ? 0 : strstr(path, "long") ? 5000 : 40;

    if (strstr(path, "none"))
        return ERR_NOT_FOUND;
    ret_file->size_bytes = size < room ? size : room;
    ret_file->mode = strstr(path, "open") ? 0644 : 0600;
    memset(buf, 's', ret_file->size_bytes);
    return OK;
}

static struct conf *parse(struct slice text)
{
    struct conf_source source = {
        .text = text,
        .file = "fuzz.yaml",
        .dir = "/conf",
        .host_name = "host",
        .env = env,
        .read = read_file,
    };
    struct conf_report report;
    struct conf *c = NULL;
    char *said;
    size_t size;
    FILE *out = open_memstream(&said, &size);

    conf_report_init(&report);
    if (conf_parse(&source, &report, &c))
        assert(report.error_count && report.count);
    conf_report_print(&report, out);
    fclose(out);
    assert(slice_is_utf8(slice_make(said, size)));
    free(said);
    conf_report_fini(&report);
    return c;
}

static char *print(const struct conf *c, size_t *ret_size)
{
    char *text;
    FILE *out = open_memstream(&text, ret_size);

    conf_print(c, out);
    fclose(out);
    return text;
}

static void changed(void *arg, const char *key, bool reloadable)
{
    assert(!"what was printed reads back differently");
}

static void check_round_trip(struct conf *c)
{
    size_t size, again_size;
    char *text = print(c, &size), *again;
    struct conf *back = parse(slice_make(text, size));

    assert(back);
    again = print(back, &again_size);
    assert(slice_eq(slice_make(text, size), slice_make(again, again_size)));
    conf_diff(c, back, changed, NULL);
    free(text);
    free(again);
    conf_unref(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf *c = parse(slice_make((const char *)data, size));

    if (c)
        check_round_trip(c);
    conf_unref(c);
    return 0;
}
