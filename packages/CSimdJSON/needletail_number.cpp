// Numbers as text: the shortest digits that read back to the same number, in the layout of Swift's `description`, into memory
// that is there already.
#include "needletail_json.h"

#include <charconv>
#include <cmath>

namespace {

// `exact` is the largest power of two up to which Swift writes integers out.
template <typename Number> size_t print(Number value, Number exact, char *text) noexcept {
    const Number size = std::fabs(value);
    const auto format =
        size == 0 || (size >= Number(1e-4) && size <= exact) ? std::chars_format::fixed : std::chars_format::scientific;
    return static_cast<size_t>(std::to_chars(text, text + NJ_NUMBER_ROOM, value, format).ptr - text);
}

}  // namespace

extern "C" size_t nj_print_double(double value, char *text) { return print(value, 0x1.0p53, text); }
extern "C" size_t nj_print_float(float value, char *text) { return print(value, 0x1.0p24f, text); }
