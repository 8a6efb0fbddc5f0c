// Stage one of simdjson (runtime-dispatched SIMD: UTF-8 validation and the index of structural characters), and a
// strict walk over that index which keeps every number as its text.
#include "needletail_json.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

struct nj_parser {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> stage1;
    std::vector<nj_node> nodes;
    std::vector<uint8_t> unescaped;
    size_t unescaped_length = 0;
    size_t node_count = 0;
    size_t error_offset = SIZE_MAX;
    uint32_t maximum_depth = 64;
    size_t maximum_nodes = SIZE_MAX;

    const uint8_t *bytes = nullptr;
    const uint32_t *index = nullptr;  // structural characters, then `length` as a sentinel
    size_t count = 0;
    size_t at = 0;

    int32_t parse(const uint8_t *document, size_t length) noexcept;
    void trim() noexcept;

  private:
    int32_t refuse(int32_t error, size_t offset) noexcept {
        error_offset = offset;
        return error;
    }
    int32_t value(const uint8_t *key, uint32_t key_length, uint32_t depth) noexcept;
    int32_t scalar(nj_node &node) noexcept;
    int32_t string(const uint8_t *&text, uint32_t &length) noexcept;
    int32_t unescape(const uint8_t *text, uint32_t raw_length, const uint8_t *&result, uint32_t &length) noexcept;
};

namespace {

inline bool is_space(uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }
inline bool is_digit(uint8_t byte) { return static_cast<uint8_t>(byte - '0') < 10; }

// RFC 8259: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
bool is_number(const uint8_t *at, const uint8_t *end) {
    if (at < end && *at == '-') at++;
    if (at == end || !is_digit(*at)) return false;
    if (*at == '0') {
        at++;
    } else {
        while (at < end && is_digit(*at)) at++;
    }
    if (at < end && *at == '.') {
        at++;
        if (at == end || !is_digit(*at)) return false;
        while (at < end && is_digit(*at)) at++;
    }
    if (at < end && (*at | 0x20) == 'e') {
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        if (at == end || !is_digit(*at)) return false;
        while (at < end && is_digit(*at)) at++;
    }
    return at == end;
}

int hex4(const uint8_t *at, const uint8_t *end) {
    if (end - at < 4) return -1;
    int value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t byte = at[i];
        int digit = is_digit(byte) ? byte - '0' : (byte | 0x20) >= 'a' && (byte | 0x20) <= 'f' ? (byte | 0x20) - 'a' + 10 : -1;
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

}  // namespace

int32_t nj_parser::unescape(
    const uint8_t *text, uint32_t raw_length, const uint8_t *&result, uint32_t &length) noexcept {
    // Unescaping never lengthens, and all strings together are shorter than the document.
    uint8_t *out = unescaped.data() + unescaped_length;
    uint8_t *const first = out;
    const uint8_t *at = text, *end = text + raw_length;
    while (at < end) {
        if (*at != '\\') {
            *out++ = *at++;
            continue;
        }
        const uint8_t *escape = at++;
        if (at == end) return refuse(NJ_ESCAPE, static_cast<size_t>(escape - bytes));
        switch (*at++) {
        case '"': *out++ = '"'; break;
        case '\\': *out++ = '\\'; break;
        case '/': *out++ = '/'; break;
        case 'b': *out++ = '\b'; break;
        case 'f': *out++ = '\f'; break;
        case 'n': *out++ = '\n'; break;
        case 'r': *out++ = '\r'; break;
        case 't': *out++ = '\t'; break;
        case 'u': {
            int unit = hex4(at, end);
            if (unit < 0) return refuse(NJ_ESCAPE, static_cast<size_t>(escape - bytes));
            at += 4;
            uint32_t code = static_cast<uint32_t>(unit);
            if (code >= 0xDC00 && code <= 0xDFFF) return refuse(NJ_SURROGATE, static_cast<size_t>(escape - bytes));
            if (code >= 0xD800 && code <= 0xDBFF) {
                int low = end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? hex4(at + 2, end) : -1;
                if (low < 0xDC00 || low > 0xDFFF) return refuse(NJ_SURROGATE, static_cast<size_t>(escape - bytes));
                at += 6;
                code = 0x10000 + ((code - 0xD800) << 10) + (static_cast<uint32_t>(low) - 0xDC00);
            }
            if (code < 0x80) {
                *out++ = static_cast<uint8_t>(code);
            } else if (code < 0x800) {
                *out++ = static_cast<uint8_t>(0xC0 | code >> 6);
                *out++ = static_cast<uint8_t>(0x80 | (code & 0x3F));
            } else if (code < 0x10000) {
                *out++ = static_cast<uint8_t>(0xE0 | code >> 12);
                *out++ = static_cast<uint8_t>(0x80 | (code >> 6 & 0x3F));
                *out++ = static_cast<uint8_t>(0x80 | (code & 0x3F));
            } else {
                *out++ = static_cast<uint8_t>(0xF0 | code >> 18);
                *out++ = static_cast<uint8_t>(0x80 | (code >> 12 & 0x3F));
                *out++ = static_cast<uint8_t>(0x80 | (code >> 6 & 0x3F));
                *out++ = static_cast<uint8_t>(0x80 | (code & 0x3F));
            }
            break;
        }
        default: return refuse(NJ_ESCAPE, static_cast<size_t>(escape - bytes));
        }
    }
    result = first;
    length = static_cast<uint32_t>(out - first);
    unescaped_length += length;
    return NJ_OK;
}

// The index holds the opening quote of a string; its closing quote is the last byte before the next entry that is not a
// space, because anything else there would have an entry of its own.
int32_t nj_parser::string(const uint8_t *&text, uint32_t &length) noexcept {
    size_t open = index[at], close = index[at + 1] - 1;
    while (close > open && is_space(bytes[close])) close--;
    if (close == open || bytes[close] != '"') return refuse(NJ_UNCLOSED_STRING, open);
    at++;
    const uint8_t *raw = bytes + open + 1;
    uint32_t raw_length = static_cast<uint32_t>(close - open - 1);
    if (raw_length != 0 && std::memchr(raw, '\\', raw_length) != nullptr) return unescape(raw, raw_length, text, length);
    text = raw;
    length = raw_length;
    return NJ_OK;
}

int32_t nj_parser::scalar(nj_node &node) noexcept {
    size_t start = index[at], end = index[at + 1];
    while (end > start && is_space(bytes[end - 1])) end--;
    at++;
    size_t length = end - start;
    node.value = bytes + start;
    node.value_length = static_cast<uint32_t>(length);
    switch (bytes[start]) {
    case 't':
        node.kind = NJ_TRUE;
        if (length != 4 || std::memcmp(node.value, "true", 4) != 0) return refuse(NJ_LITERAL, start);
        return NJ_OK;
    case 'f':
        node.kind = NJ_FALSE;
        if (length != 5 || std::memcmp(node.value, "false", 5) != 0) return refuse(NJ_LITERAL, start);
        return NJ_OK;
    case 'n':
        node.kind = NJ_NULL;
        if (length != 4 || std::memcmp(node.value, "null", 4) != 0) return refuse(NJ_LITERAL, start);
        return NJ_OK;
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        node.kind = NJ_NUMBER;
        if (!is_number(node.value, bytes + end)) return refuse(NJ_NUMBER_SYNTAX, start);
        return NJ_OK;
    default: return refuse(NJ_LITERAL, start);
    }
}

int32_t nj_parser::value(const uint8_t *key, uint32_t key_length, uint32_t depth) noexcept {
    if (at >= count) return refuse(NJ_STRUCTURE, index[count]);
    if (node_count == nodes.size()) return refuse(NJ_TOO_MANY, index[at]);
    size_t self = node_count++;
    nj_node &node = nodes[self];  // `nodes` was sized for the whole index: it does not move
    node.key = key;
    node.key_length = key_length;
    uint8_t first = bytes[index[at]];
    int32_t error = NJ_OK;
    if (first == '"') {
        node.kind = NJ_STRING;
        error = string(node.value, node.value_length);
    } else if (first == '{' || first == '[') {
        const uint8_t close = first == '{' ? '}' : ']';
        if (depth == 0) return refuse(NJ_DEPTH, index[at]);
        node.kind = first == '{' ? NJ_OBJECT : NJ_ARRAY;
        node.value = bytes + index[at];
        at++;
        if (at < count && bytes[index[at]] == close) {
            at++;
        } else {
            while (true) {
                const uint8_t *name = nullptr;
                uint32_t name_length = 0;
                if (first == '{') {
                    if (at >= count || bytes[index[at]] != '"') return refuse(NJ_STRUCTURE, index[std::min(at, count)]);
                    error = string(name, name_length);
                    if (error != NJ_OK) return error;
                    if (at >= count || bytes[index[at]] != ':') return refuse(NJ_STRUCTURE, index[std::min(at, count)]);
                    at++;
                }
                error = value(name, name_length, depth - 1);
                if (error != NJ_OK) return error;
                if (at >= count) return refuse(NJ_STRUCTURE, index[count]);
                uint8_t separator = bytes[index[at]];
                if (separator != ',' && separator != close) return refuse(NJ_STRUCTURE, index[at]);
                at++;
                if (separator == close) break;
            }
        }
        node.value_length = static_cast<uint32_t>(bytes + index[at - 1] + 1 - node.value);
    } else {
        error = scalar(node);
    }
    node.size = static_cast<uint32_t>(node_count - self);
    return error;
}

int32_t nj_parser::parse(const uint8_t *document, size_t length) noexcept {
    node_count = 0;
    unescaped_length = 0;
    error_offset = SIZE_MAX;
    at = 0;
    if (length == 0) return NJ_EMPTY;
    if (length > (size_t{1} << 30)) return NJ_TOO_LARGE;
    if (length > stage1->capacity()) {
        size_t capacity = std::max<size_t>(stage1->capacity(), 4096);
        while (capacity < length) capacity *= 2;
        if (stage1->set_capacity(capacity) != simdjson::SUCCESS) return NJ_MEMORY;
    }
    switch (stage1->stage1(document, length, simdjson::stage1_mode::regular)) {
    case simdjson::SUCCESS: break;
    case simdjson::EMPTY: return NJ_EMPTY;
    case simdjson::UTF8_ERROR: return NJ_UTF8;
    case simdjson::UNCLOSED_STRING: return NJ_UNCLOSED_STRING;
    case simdjson::UNESCAPED_CHARS: return NJ_CONTROL_CHARACTER;
    case simdjson::CAPACITY: case simdjson::MEMALLOC: return NJ_MEMORY;
    default: return NJ_STRUCTURE;
    }
    bytes = document;
    index = stage1->structural_indexes.get();
    count = stage1->n_structural_indexes;
    if (count == 0) return NJ_EMPTY;
    try {
        // Every value but the root brings a structural character beside its own: `,` or what opens or closes a container.
        const size_t most = std::min(count / 2 + 1, maximum_nodes);
        if (nodes.size() < most) nodes.resize(std::min(std::max(most, nodes.size() * 2), maximum_nodes));
        if (unescaped.size() < length && std::memchr(document, '\\', length) != nullptr) {
            unescaped.resize(std::max(length, unescaped.size() * 2));
        }
    } catch (const std::bad_alloc &) {
        return NJ_MEMORY;
    }
    int32_t error = value(nullptr, 0, maximum_depth);
    if (error == NJ_OK && at != count) error = refuse(NJ_TRAILING, index[at]);
    if (error != NJ_OK) node_count = 0;
    return error;
}

// What one large document needed is not kept for the small ones after it.
void nj_parser::trim() noexcept {
    constexpr size_t kept_bytes = size_t{1} << 20;
    if (nodes.size() * sizeof(nj_node) > 4 * kept_bytes) std::vector<nj_node>().swap(nodes);
    if (unescaped.size() > kept_bytes) std::vector<uint8_t>().swap(unescaped);
    if (stage1->capacity() > kept_bytes) (void)stage1->set_capacity(4096);
    node_count = 0;
}

extern "C" {

nj_parser *nj_parser_create(uint32_t maximum_depth, size_t maximum_nodes) {
    auto *parser = new (std::nothrow) nj_parser;
    if (parser == nullptr) return nullptr;
    parser->maximum_depth = maximum_depth;
    parser->maximum_nodes = maximum_nodes;
    const simdjson::implementation *implementation = simdjson::get_active_implementation();
    if (implementation->create_dom_parser_implementation(4096, 1, parser->stage1) != simdjson::SUCCESS) {
        delete parser;
        return nullptr;
    }
    return parser;
}

void nj_parser_destroy(nj_parser *parser) { delete parser; }

int32_t nj_parse(nj_parser *parser, const uint8_t *bytes, size_t length) { return parser->parse(bytes, length); }

void nj_trim(nj_parser *parser) { parser->trim(); }

size_t nj_held_bytes(const nj_parser *parser) {
    return parser->nodes.size() * sizeof(nj_node) + parser->unescaped.size() + parser->stage1->capacity() * sizeof(uint32_t);
}

const nj_node *nj_nodes(const nj_parser *parser) { return parser->nodes.data(); }
size_t nj_node_count(const nj_parser *parser) { return parser->node_count; }
size_t nj_error_offset(const nj_parser *parser) { return parser->error_offset; }
}
