#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What a node is. Containers are followed by their children.
enum nj_kind {
    NJ_NULL = 0,
    NJ_FALSE = 1,
    NJ_TRUE = 2,
    NJ_STRING = 3,
    NJ_NUMBER = 4,
    NJ_ARRAY = 5,
    NJ_OBJECT = 6,
};

/// Why a document was refused.
enum nj_error {
    NJ_OK = 0,
    NJ_EMPTY = 1,
    NJ_UTF8 = 2,
    NJ_UNCLOSED_STRING = 3,
    NJ_CONTROL_CHARACTER = 4,
    NJ_ESCAPE = 5,
    NJ_SURROGATE = 6,
    NJ_NUMBER_SYNTAX = 7,
    NJ_LITERAL = 8,
    NJ_STRUCTURE = 9,
    NJ_DEPTH = 10,
    NJ_TRAILING = 11,
    NJ_TOO_LARGE = 12,
    NJ_MEMORY = 13,
    NJ_TOO_MANY = 14,
};

/// One value in document order. `key` is the unescaped member name (null outside an object). `value` is the unescaped
/// string, the text of a number or literal, or the whole text of a container. Both point into the document or into the
/// parser, and are valid until the next parse or until the document's memory goes, whichever is first.
typedef struct nj_node {
    const uint8_t *key;
    const uint8_t *value;
    uint32_t key_length;
    uint32_t value_length;
    uint32_t size;  // how many nodes this one and all below it take
    uint32_t kind;
} nj_node;

typedef struct nj_parser nj_parser;

/// A parser to be reused by one thread at a time; null when out of memory. A document of more values than `maximum_nodes` is
/// refused when the first of them too many is met: a value takes 32 bytes here, and may be 2 in the document.
nj_parser *nj_parser_create(uint32_t maximum_depth, size_t maximum_nodes);
void nj_parser_destroy(nj_parser *parser);

/// Validates the whole document and lists its values; returns an `nj_error`. Reads exactly `length` bytes: no padding.
int32_t nj_parse(nj_parser *parser, const uint8_t *bytes, size_t length);

/// Gives back what a large document needed; a small one's room is kept. The values of the last document are gone.
void nj_trim(nj_parser *parser);

/// Bytes the parser keeps for the next document.
size_t nj_held_bytes(const nj_parser *parser);

/// The values of the last document, `nj_node_count` of them, the root first.
const nj_node *nj_nodes(const nj_parser *parser);
size_t nj_node_count(const nj_parser *parser);
/// Where the last document was refused: a byte offset, or `SIZE_MAX` where the position is not known.
size_t nj_error_offset(const nj_parser *parser);

/// Bytes that the text of any number takes at most.
#define NJ_NUMBER_ROOM 40

/// Writes the shortest text that reads back to the same finite number; returns its length. Integers have no point.
size_t nj_print_double(double value, char *text);
size_t nj_print_float(float value, char *text);

#ifdef __cplusplus
}
#endif
