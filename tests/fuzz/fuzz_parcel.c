/* Any bytes as rows or a slip of another node: what passes is JSON for a parser that we did not
 * write, and tells of that node; what is cut passes piece by piece. */
#include "node/parcel.h"

#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct slice node = {"b", 1};

static json_t *parse(struct slice rows)
{
    struct byteq q;
    json_t *list;

    byteq_init(&q);
    byteq_append(&q, SLICE("["));
    byteq_append(&q, rows);
    byteq_append(&q, SLICE("]"));
    list = json_loadb(byteq_slice(&q).ptr, byteq_len(&q), 0, NULL);
    byteq_fini(&q);
    return list;
}

static void check_rows(struct slice rows, size_t count)
{
    json_t *list = parse(rows);

    assert(json_is_array(list) && json_array_size(list) == count && parcel_count(rows) == count);
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_object_get(json_array_get(list, i), "node"));

        assert(name && strcmp(name, "b") == 0);
    }
    json_decref(list);
}

static void check_cuts(struct slice rows, size_t count)
{
    struct slice parcel;
    size_t left_out = 0;
    size_t sum = 0;
    size_t n;

    while ((parcel = parcel_cut(&rows, &left_out)).len) {
        assert(parcel_check(parcel, node, &n) == OK);
        sum += n;
    }
    assert(sum + left_out == count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct parcel_slip slip;
    size_t count;

    if (parcel_check(text, node, &count) == OK) {
        check_rows(text, count);
        check_cuts(text, count);
    }
    if (parcel_read_slip(text, &slip) == OK)
        assert(strlen(slip.error) < sizeof(slip.error));
    return 0;
}
