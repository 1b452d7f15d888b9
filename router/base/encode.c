#include "base/encode.h"

void hex_format(const void *data, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = data;

    for (size_t i = 0; i < n; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = '\0';
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_format(const void *data, size_t n, char *out)
{
    const unsigned char *p = data;
    char *start = out;

    for (; n >= 3; n -= 3, p += 3) {
        *out++ = alphabet[p[0] >> 2];
        *out++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
        *out++ = alphabet[(p[1] & 15) << 2 | p[2] >> 6];
        *out++ = alphabet[p[2] & 63];
    }
    if (n) {
        unsigned second = n == 2 ? p[1] : 0;

        *out++ = alphabet[p[0] >> 2];
        *out++ = alphabet[(p[0] & 3) << 4 | second >> 4];
        *out++ = n == 2 ? alphabet[(second & 15) << 2] : '=';
        *out++ = '=';
    }
    *out = '\0';
    return (size_t)(out - start);
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum err base64_parse(struct slice text, void *out, size_t room, size_t *ret_len)
{
    unsigned char *to = out;
    size_t pad = 0;
    size_t len;
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;

    if (text.len % 4)
        return ERR_SYNTAX;
    while (pad < 2 && pad < text.len && text.ptr[text.len - 1 - pad] == '=')
        pad++;
    len = text.len / 4 * 3 - pad;
    for (size_t i = 0; i < text.len - pad; i++) {
        int v = sextet(text.ptr[i]);

        if (v < 0)
            return ERR_SYNTAX;
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            if (n < room)
                to[n] = (unsigned char)(bits >> have);
            n++;
        }
    }
    if (bits & ((1u << have) - 1))
        return ERR_SYNTAX; /* pad bits must be zero: one text per value */
    assert(n == len);
    if (len > room)
        return ERR_LIMIT; /* noise is noise, however long: told last */
    *ret_len = n;
    return OK;
}
