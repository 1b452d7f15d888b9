/* Any text as base64 and any bytes to base64: one text per value, both ways. */
#include "base/encode.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct slice text)
{
    char *value = mem_alloc(text.len + 1);
    char *back = mem_alloc(BASE64_LEN(text.len) + 1);
    size_t len;

    if (base64_parse(text, value, text.len, &len) == OK) {
        assert(base64_format(value, len, back) == text.len);
        assert(slice_is(text, back));
        if (len)
            assert(base64_parse(text, value, len - 1, &len) == ERR_LIMIT);
    }
    mem_free(value);
    mem_free(back);
}

static void check_value(const uint8_t *data, size_t size)
{
    char *text = mem_alloc(BASE64_LEN(size) + 1);
    char *back = mem_alloc(size);
    size_t text_len = base64_format(data, size, text);
    size_t len;

    assert(text_len == BASE64_LEN(size));
    if (base64_parse(slice_make(text, text_len), back, size, &len))
        abort();
    assert(len == size && (size == 0 || memcmp(data, back, size) == 0));
    mem_free(text);
    mem_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_text(slice_make((const char *)data, size));
    check_value(data, size);
    return 0;
}
