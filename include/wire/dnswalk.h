/* wire/dnswalk.h - the strict walk over a DNS packet before any library reads it. Pure.
 *
 * What passes has every name inside the packet, compression pointers that only go back, as many
 * records as the header counts, RDLENGTH that agrees with the content of each type we read, and
 * no byte after the last record. Spec: RFC 1035 4.1, RFC 6891 6.1, RFC 2782, RFC 6698.
 */
#ifndef WIRE_DNSWALK_H
#define WIRE_DNSWALK_H

#include "base/arena.h"

/* Sixty-four KiB hold ten thousand smallest records; nobody we want to reach has so many. */
#define DNSWALK_RECORDS_MAX    1024
#define DNSWALK_HEADER_BYTES   12
#define DNSWALK_NAME_BYTES_MAX 255

enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL, DNS_SECTIONS };

struct dns_view {
    enum dns_section section;
    uint16_t type;
    uint16_t class;
    uint32_t ttl_s;
    size_t at; /* offset of the record: its owner name */
    struct slice rdata;
};

struct dns_layout {
    uint16_t id;
    uint16_t flags;
    struct slice question; /* name as it stands, uncompressed, with root label */
    uint16_t question_type;
    uint16_t question_class;
    struct dns_view *views; /* none when truncated: a cut packet may end anywhere */
    size_t view_count;
};

#define DNS_FLAG_QR       0x8000
#define DNS_FLAG_TC       0x0200
#define DNS_FLAG_AD       0x0020
#define DNS_OPCODE(flags) ((flags) >> 11 & 15)
#define DNS_RCODE(flags)  ((flags)&15)
#define DNS_CLASS_IN      1
#define DNS_TYPE_NS       2
#define DNS_TYPE_OPT      41

/* ERR_SYNTAX. Views live in `arena` and point into `packet`. */
enum err dnswalk(struct slice packet, struct arena *arena, struct dns_layout *ret_layout) MUST_USE;

#endif
