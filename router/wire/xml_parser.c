#include "wire/xml_parser.h"

#include "wire/qname.h"

#include <expat.h>
#include <malloc.h>

/* Builds of one and the same version of expat have this call or not: the linker is asked, not the
 * version. Where it exists it must be made, or a complete stanza waits for the next packet. */
extern XML_Bool XML_SetReparseDeferralEnabled(XML_Parser parser, XML_Bool enabled)
    __attribute__((weak));

/* No stanza that is meant well brings so many different names, which expat all remembers. */
#define EXPAT_BYTES_MAX (2 * 1024 * 1024)

/* expat's memory hooks carry no argument: set around every call of expat that may allocate. */
static _Thread_local size_t *account;

static void *take_memory(size_t n)
{
    void *p;

    if (*account + n > EXPAT_BYTES_MAX)
        return NULL; /* expat reports it, the stream ends */
    p = mem_alloc(n);
    *account += malloc_usable_size(p);
    return p;
}

static void give_memory(void *p)
{
    if (p)
        *account -= malloc_usable_size(p);
    mem_free(p);
}

static void *change_memory(void *p, size_t n)
{
    size_t before = p ? malloc_usable_size(p) : 0;

    if (*account - before + n > EXPAT_BYTES_MAX)
        return NULL;
    p = mem_realloc(p, n);
    *account += malloc_usable_size(p) - before;
    return p;
}

void xml_parser_fail(struct xml_parser *p, enum fault fault)
{
    if (p->fault)
        return;
    p->fault = fault;
    if (p->expat)
        XML_StopParser(p->expat, XML_FALSE);
}

void xml_parser_stop(struct xml_parser *p)
{
    if (!p->stopping)
        XML_StopParser(p->expat, XML_TRUE);
    p->stopping = true;
}

uint64_t xml_parser_at(const struct xml_parser *p)
{
    return (uint64_t)XML_GetCurrentByteIndex(p->expat);
}

size_t xml_parser_token_len(const struct xml_parser *p)
{
    return (size_t)XML_GetCurrentByteCount(p->expat);
}

/* A tag that came in one piece is shorter than the piece: the question is seldom asked. */
bool xml_parser_tag_fits(const struct xml_parser *p)
{
    return p->leftover + XML_PARSER_PIECE_BYTES <= XML_TAG_BYTES_MAX ||
           xml_parser_token_len(p) <= XML_TAG_BYTES_MAX;
}

void xml_parser_listen(struct xml_parser *p, bool listen)
{
    XML_SetCharacterDataHandler(p->expat, listen ? p->handlers->text : NULL);
}

/* --- guards: the parser itself is their argument ---------------------------------------------- */

static void on_comment(void *parser, const XML_Char *text)
{
    xml_parser_fail(parser, FAULT_COMMENT);
}

static void on_instruction(void *parser, const XML_Char *target, const XML_Char *data)
{
    xml_parser_fail(parser, FAULT_INSTRUCTION);
}

static void on_doctype(void *parser, const XML_Char *name, const XML_Char *sysid,
                       const XML_Char *pubid, int has_internal_subset)
{
    xml_parser_fail(parser, FAULT_DOCTYPE);
}

static void on_xml_declaration(void *parser, const XML_Char *version, const XML_Char *encoding,
                               int standalone)
{
    if (encoding && !slice_eq_nocase(slice_from(encoding), SLICE("UTF-8")))
        xml_parser_fail(parser, FAULT_ENCODING);
    if (standalone != -1)
        xml_parser_fail(parser, FAULT_STANDALONE);
}

/* --- life ------------------------------------------------------------------------------------ */

static void set_handlers(struct xml_parser *p)
{
    const struct xml_parser_handlers *h = p->handlers;

    XML_SetUserData(p->expat, p);
    XML_SetElementHandler(p->expat, h->start, h->end);
    XML_SetCharacterDataHandler(p->expat, h->text);
    XML_SetStartNamespaceDeclHandler(p->expat, h->declare);
    XML_SetStartCdataSectionHandler(p->expat, h->section);
    XML_SetCommentHandler(p->expat, on_comment);
    XML_SetProcessingInstructionHandler(p->expat, on_instruction);
    XML_SetStartDoctypeDeclHandler(p->expat, on_doctype);
    XML_SetXmlDeclHandler(p->expat, on_xml_declaration);
}

void xml_parser_open(struct xml_parser *p, uint64_t salt,
                     const struct xml_parser_handlers *handlers)
{
    static const XML_Memory_Handling_Suite hooks = {take_memory, change_memory, give_memory};
    static const XML_Char separator[] = {QNAME_SEPARATOR, '\0'};

    memset(p, 0, sizeof(*p));
    account = &p->bytes;
    p->handlers = handlers;
    p->expat = XML_ParserCreate_MM("UTF-8", &hooks, separator);
    assert(p->expat);
    XML_SetReturnNSTriplet(p->expat, 1);
    XML_SetHashSalt(p->expat, (unsigned long)salt);
    if (XML_SetReparseDeferralEnabled)
        XML_SetReparseDeferralEnabled(p->expat, XML_FALSE);
    set_handlers(p);
}

void xml_parser_close(struct xml_parser *p)
{
    if (!p->expat)
        return;
    account = &p->bytes;
    XML_ParserFree(p->expat);
    p->expat = NULL;
    p->leftover = 0;
    p->suspended = false;
    assert(p->bytes == 0);
}

/* --- bytes ----------------------------------------------------------------------------------- */

static bool is_utf8_at(const char *bytes, size_t len)
{
    size_t n = (unsigned char)bytes[0] < 0xe0 ? 2 : (unsigned char)bytes[0] < 0xf0 ? 3 : 4;

    return n <= len && slice_is_utf8(slice_make(bytes, n));
}

/* XML-07: bytes that are no UTF-8 are told apart from characters that are no XML. */
static enum fault bad_token(struct xml_parser *p)
{
    int offset;
    int size;
    const char *buffer = XML_GetInputContext(p->expat, &offset, &size);
    const char *at = buffer ? buffer + offset : NULL;

    if (!at || offset >= size || (unsigned char)*at < 0x80)
        return FAULT_NOT_WELL_FORMED;
    return is_utf8_at(at, (size_t)(size - offset)) ? FAULT_NOT_WELL_FORMED : FAULT_ENCODING;
}

static enum fault fault_of(struct xml_parser *p)
{
    switch (XML_GetErrorCode(p->expat)) {
    case XML_ERROR_INVALID_TOKEN:
        return bad_token(p);
    case XML_ERROR_UNKNOWN_ENCODING:
    case XML_ERROR_INCORRECT_ENCODING:
        return FAULT_ENCODING;
    case XML_ERROR_UNDEFINED_ENTITY:
        return FAULT_ENTITY;
    case XML_ERROR_NO_MEMORY:
        return FAULT_MEMORY;
    default:
        return FAULT_NOT_WELL_FORMED;
    }
}

static size_t count_leftover(const struct xml_parser *p)
{
    XML_Index at = XML_GetCurrentByteIndex(p->expat);

    return (size_t)(p->fed - (uint64_t)(at < 0 ? 0 : at));
}

static void take_status(struct xml_parser *p, enum XML_Status status)
{
    p->stopping = false;
    p->suspended = status == XML_STATUS_SUSPENDED;
    if (status == XML_STATUS_ERROR && !p->fault)
        p->fault = fault_of(p);
    if (status != XML_STATUS_OK)
        return;
    p->leftover = count_leftover(p);
    if (p->leftover > XML_TAG_BYTES_MAX)
        xml_parser_fail(p, FAULT_TAG_TOO_LONG);
}

/* expat looks at the first two bytes for signs of UTF-16 even where UTF-8 is forced, and skips a
 * byte order mark, which means nothing in a stream (XML-08). */
static void check_first_bytes(struct xml_parser *p, struct slice piece)
{
    for (size_t i = 0; i < piece.len && p->fed + i < 2; i++) {
        unsigned char c = (unsigned char)piece.ptr[i];

        if (c == 0x00 || c == 0xfe || c == 0xff)
            xml_parser_fail(p, FAULT_ENCODING);
        else if (c == 0xef)
            xml_parser_fail(p, FAULT_NOT_WELL_FORMED);
    }
}

void xml_parser_feed(struct xml_parser *p, struct slice piece)
{
    assert(piece.len <= XML_PARSER_PIECE_BYTES && !p->suspended);
    check_first_bytes(p, piece);
    if (p->fault)
        return;
    account = &p->bytes;
    p->fed += piece.len;
    take_status(p, XML_Parse(p->expat, piece.ptr, (int)piece.len, 0));
}

void xml_parser_resume(struct xml_parser *p)
{
    assert(p->suspended);
    account = &p->bytes;
    take_status(p, XML_ResumeParser(p->expat));
}
