// Numbers between CSV and arrays, with the values and the text of pandas 3.1. No dependency.
//
// All functions are called without Python's lock and touch plain buffers of the caller alone. What
// they do not know for certain they decline, and the caller takes pandas, msgspec or json:
//
//   unescape   control characters, other than ASCII, escapes by number
//   read   quotes, letters, blanks, empty lines, ragged rows, integers of over 18 digits, `-0` among
//          integers of which some are missing
//   write  float32 whose text pandas may write with an exponent
//
// Decimal to binary: an integer of up to 2^53 divided by an exact power of ten is rounded once, hence
// correctly (W. Clinger, How to Read Floating Point Numbers Accurately, 1990). Where a long double has
// 64 bits it takes integers of up to 18 digits: its quotient rounds to the right double unless it lies
// halfway between two. Anything else goes through std::from_chars. Binary to decimal: std::to_chars
// gives the shortest digits that read back as the same number, which is what Python's repr does; a
// decimal of up to 15 digits that reads back as the number is that shortest one.

#include <cfloat>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "eight digits are read as one integer");

#ifndef SOURCE_HASH
#define SOURCE_HASH "unknown"
#endif

namespace {

constexpr int64_t kDeclined = -1;
constexpr int64_t kMaxColumns = 256;
constexpr int kMaxIntegerDigits = 18;            // all of them fit into an int64
constexpr uint64_t kMaxExact = 1ULL << 53;       // a double holds every integer up to here
constexpr double kPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
                              1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};  // all exact
#if LDBL_MANT_DIG == 64
constexpr long double kLongPowers[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
                                       1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L};
constexpr uint64_t kLowBits = 0x7FF, kHalfway = 0x400;  // of the 64 bits, beside the 53 of a double
#endif
constexpr double kDecimals = 1e6;  // six decimals are tried first,
constexpr double kMinShort = 1e-3, kMaxShort = 1e15;  // for numbers without an exponent, of up to 15 digits
constexpr int kMinPositional = -4;  // Python writes exponents below this one and
constexpr int kMaxPositional = 15;  // above this one
constexpr float kMinFloat32 = 1e-4f, kMaxFloat32 = 1e5f;  // between them pandas writes no exponent

// -------------------------------------------------------------------------------------- unescape

// What a character stands for behind a backslash; 0 for none that is known here.
char escaped(char c) {
  switch (c) {
    case '"': case '\\': case '/': return c;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
  }
}

bool is_plain(char c) { return static_cast<signed char>(c) >= 0x20 && c != '"' && c != '\\'; }

// Copy characters that stand for themselves. Returns how many; `out` has room for `size` and 16 more.
int64_t copy_plain(const char* at, int64_t size, char* out) {
  int64_t done = 0;
#if defined(__SSE2__)
  const __m128i space = _mm_set1_epi8(0x20), quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
  for (; size - done >= 16; done += 16) {
    const __m128i chunk = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + done));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + done), chunk);
    const __m128i other = _mm_or_si128(_mm_cmplt_epi8(chunk, space),  // bytes from 128 on are negative
                                       _mm_or_si128(_mm_cmpeq_epi8(chunk, quote), _mm_cmpeq_epi8(chunk, backslash)));
    const int mask = _mm_movemask_epi8(other);
    if (mask != 0) return done + __builtin_ctz(static_cast<unsigned>(mask));
  }
#endif
  for (; done < size && is_plain(at[done]); ++done) out[done] = at[done];
  return done;
}

// ------------------------------------------------------------------------------------------ read

enum Kind : uint8_t { kInteger = 0, kFloat = 1 };

union Slot {
  int64_t integer;
  double number;
};

struct Column {
  Slot* slots;
  Kind kind = kInteger;
  bool minus_zero = false;  // a cell was `-0`: 0 among integers, -0.0 among floats
  bool missing = false;
  bool point = false;  // a cell can only be a float
};

bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

constexpr uint64_t kZeros = 0x3030303030303030ULL;  // eight characters `0`
constexpr uint64_t kTens[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};

// Eight characters at once: the highest bit of the first one that is no digit, and perhaps of later ones.
uint64_t others(uint64_t chunk) {
  return ((chunk + 0x4646464646464646ULL) | (chunk - kZeros)) & 0x8080808080808080ULL;
}

// The number of eight digits, each a byte, the first one the lowest (D. Lemire).
uint32_t value_of_eight(uint64_t chunk) {
  chunk = chunk * 10 + (chunk >> 8);
  constexpr uint64_t mask = 0x000000FF000000FFULL;
  return static_cast<uint32_t>((((chunk & mask) * 0x000F424000000064ULL) +
                                (((chunk >> 16) & mask) * 0x0000271000000001ULL)) >> 32);
}

// Add digits to `value`, which may wrap around: the caller counts them.
const char* add_digits(const char* at, const char* end, uint64_t* value) {
  while (end - at >= 8) {
    uint64_t chunk;
    std::memcpy(&chunk, at, 8);
    const uint64_t other = others(chunk);
    chunk -= kZeros;
    if (other != 0) {
      const int count = __builtin_ctzll(other) / 8;
      if (count == 0) return at;
      *value = *value * kTens[count] + value_of_eight(chunk << (64 - 8 * count));  // zeros go before the digits
      return at + count;
    }
    *value = *value * 100000000ULL + value_of_eight(chunk);
    at += 8;
  }
  while (at < end && is_digit(*at)) *value = *value * 10 + static_cast<uint64_t>(*at++ - '0');
  return at;
}

void make_float(Column* column, int64_t rows) {
  if (column->kind == kFloat) return;
  for (int64_t row = 0; row < rows; ++row) {
    column->slots[row].number = static_cast<double>(column->slots[row].integer);
  }
  column->kind = kFloat;
}

// Divide a number of up to 18 digits by ten to the power of `decimals`, of which there are no more.
// Returns whether the quotient is the double that is nearest.
bool divide(uint64_t value, int64_t decimals, double* quotient) {
  if (value <= kMaxExact) {
    *quotient = static_cast<double>(value) / kPowers[decimals];
    return true;
  }
#if LDBL_MANT_DIG == 64
  const long double wide = static_cast<long double>(value) / kLongPowers[decimals];
  uint64_t bits;
  std::memcpy(&bits, &wide, sizeof bits);
  *quotient = static_cast<double>(wide);
  return (bits & kLowBits) != kHalfway;
#else
  return false;
#endif
}

// Set the sign of a number that has none, without a branch: every second one would be predicted wrongly.
void set_sign(double* number, bool negative) {
  uint64_t bits;
  std::memcpy(&bits, number, sizeof bits);
  bits |= static_cast<uint64_t>(negative) << 63;
  std::memcpy(number, &bits, sizeof bits);
}

// Read the cell at `at` into `row` of the column. Returns its end, or null if it is declined.
const char* read_cell(const char* at, const char* end, Column* column, int64_t row) {
  const char* begin = at;
  if (at == end || *at == ',' || *at == '\n') {
    if (column->minus_zero && !column->point) return nullptr;
    make_float(column, row);
    column->missing = true;
    column->slots[row].number = std::nan("");
    return at;
  }
  const bool negative = *at == '-';
  at += negative;
  uint64_t value = 0;
  const char* digits = at;
  at = add_digits(at, end, &value);
  int64_t count = at - digits, decimals = 0;
  if (count == 0) return nullptr;
  if (at == end || *at == ',' || *at == '\n') {
    if (count > kMaxIntegerDigits) return nullptr;
    if (value == 0 && negative) {
      if (column->missing && !column->point) return nullptr;
      column->minus_zero = true;
    }
    const int64_t integer = negative ? -static_cast<int64_t>(value) : static_cast<int64_t>(value);
    if (column->kind == kInteger) {
      column->slots[row].integer = integer;
    } else {
      const double number = static_cast<double>(value);
      column->slots[row].number = negative ? -number : number;
    }
    return at;
  }
  if (column->kind == kInteger && column->minus_zero) return nullptr;  // it was stored as 0
  if (*at == '.') {
    const char* fraction = ++at;
    at = add_digits(at, end, &value);
    decimals = at - fraction;
    count += decimals;
    if (decimals == 0) return nullptr;
  }
  make_float(column, row);
  column->point = true;
  double* number = &column->slots[row].number;
  if ((at == end || *at == ',' || *at == '\n') && count <= kMaxIntegerDigits && divide(value, decimals, number)) {
    set_sign(number, negative);
    return at;
  }
  const auto result = std::from_chars(begin, end, *number);
  if (result.ec != std::errc()) return nullptr;  // too large, too small
  return result.ptr;
}

// ----------------------------------------------------------------------------------------- write

struct Source {
  int64_t kind;         // of `Written`
  const char* values;   // of the first row
  int64_t stride;       // in bytes, from one row to the next
  const int64_t* ends;  // kText: the end of each text in `texts`, the first of which is empty
  const char* texts;
};

enum Written : int64_t { kDouble = 0, kSingle = 1, kSigned = 2, kUnsigned = 3, kText = 4 };

char* put(char* out, const char* text, int64_t size) {
  std::memcpy(out, text, static_cast<size_t>(size));
  return out + size;
}

char* put_zeros(char* out, int64_t count) {
  std::memset(out, '0', static_cast<size_t>(count));
  return out + count;
}

// Write digits with the decimal point where Python's repr has it.
char* put_digits(char* out, const char* digits, int count, int exponent) {
  if (exponent < kMinPositional || exponent > kMaxPositional) {
    *out++ = digits[0];
    if (count > 1) {
      *out++ = '.';
      out = put(out, digits + 1, count - 1);
    }
    *out++ = 'e';
    *out++ = exponent < 0 ? '-' : '+';
    const int size = std::abs(exponent);
    if (size < 10) *out++ = '0';
    return std::to_chars(out, out + 4, size).ptr;
  }
  if (exponent < 0) {
    out = put(out, "0.", 2);
    return put(put_zeros(out, -exponent - 1), digits, count);
  }
  const int whole = exponent + 1;
  if (count <= whole) {
    return put(put_zeros(put(out, digits, count), whole - count), ".0", 2);
  }
  out = put(out, digits, whole);
  *out++ = '.';
  return put(out, digits + whole, count - whole);
}

// Write a number of `kDecimals`, without the zeros at its end.
char* put_decimals(char* out, uint64_t value) {
  constexpr uint64_t unit = static_cast<uint64_t>(kDecimals);
  out = std::to_chars(out, out + 20, value / unit).ptr;
  const char* const point = out;
  char* const end = std::to_chars(out, out + 8, unit + value % unit).ptr;  // 1 and six digits
  *out = '.';
  out = end;
  while (out[-1] == '0' && out - point > 2) --out;
  return out;
}

template <typename Number>
char* put_number(char* out, Number value) {
  if (std::isinf(value)) return value < 0 ? put(out, "-inf", 4) : put(out, "inf", 3);
  if (std::signbit(value)) {
    *out++ = '-';
    value = -value;
  }
  if (value < Number(kMaxShort) && value == std::floor(value)) {
    return put(std::to_chars(out, out + 20, static_cast<int64_t>(value)).ptr, ".0", 2);
  }
  if (std::is_same_v<Number, double> && value < kMaxShort / kDecimals && value > kMinShort) {
    const double whole = std::nearbyint(value * kDecimals);
    if (whole / kDecimals == value) return put_decimals(out, static_cast<uint64_t>(whole));
  }
  char text[32];
  const char* const end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
  const char* mark = end;
  while (*--mark != 'e') {
  }
  int exponent = 0;
  std::from_chars(mark + (mark[1] == '+' ? 2 : 1), end, exponent);
  int count = 1;
  if (text[1] == '.') {  // the digits without the point
    count = static_cast<int>(mark - text) - 1;
    std::memmove(text + 1, text + 2, static_cast<size_t>(count - 1));
  }
  return put_digits(out, text, count, exponent);
}

template <typename Value>
Value value_at(const Source& source, int64_t row) {
  Value value;
  std::memcpy(&value, source.values + row * source.stride, sizeof value);
  return value;
}

// Write one cell. Returns its end, which is `out` for a missing one, or null if it is declined.
char* put_cell(char* out, const Source& source, int64_t row) {
  switch (source.kind) {
    case kDouble: {
      const double value = value_at<double>(source, row);
      return std::isnan(value) ? out : put_number(out, value);
    }
    case kSingle: {
      const float value = value_at<float>(source, row);
      const float size = std::fabs(value);
      if (std::isnan(value)) return out;
      if (size >= kMaxFloat32 || (size <= kMinFloat32 && size > 0)) return nullptr;
      return put_number(out, value);
    }
    case kSigned:
      return std::to_chars(out, out + 24, value_at<int64_t>(source, row)).ptr;
    case kUnsigned:
      return std::to_chars(out, out + 24, value_at<uint64_t>(source, row)).ptr;
    default: {
      const int64_t code = value_at<int64_t>(source, row);
      if (code < 0) return out;  // missing
      return put(out, source.texts + source.ends[code], source.ends[code + 1] - source.ends[code]);
    }
  }
}

}  // namespace

extern "C" {

// The hash of the source that this was compiled from.
const char* dltk_source() { return SOURCE_HASH; }

// Unescape a piece of a JSON string, up to its closing quote, to half an escape at its end, or to its
// end: `used` says how far. `out` has room for `size` bytes and 16 more. Returns the bytes written, or
// -1 if declined.
int64_t dltk_unescape(const char* text, int64_t size, char* out, int64_t* used) {
  int64_t at = 0;
  char* to = out;
  for (;;) {
    const int64_t plain = copy_plain(text + at, size - at, to);
    at += plain;
    to += plain;
    if (at == size || text[at] == '"') break;
    if (text[at] != '\\') return kDeclined;
    if (at + 1 == size) break;
    const char meant = escaped(text[at + 1]);
    if (meant == 0) return kDeclined;
    *to++ = meant;
    at += 2;
  }
  *used = at;
  return to - out;
}

// Read `size` bytes of rows into arrays of `rows` 8-byte slots, one for each of the `width` columns;
// `kinds` becomes 0 for int64 and 1 for float64. Returns the number of rows, or -1 if declined.
int64_t dltk_read(const char* text, int64_t size, int64_t width, int64_t rows, void** arrays, uint8_t* kinds) {
  Column columns[kMaxColumns];
  if (size == 0 || width < 1 || width > kMaxColumns) return kDeclined;
  for (int64_t place = 0; place < width; ++place) columns[place].slots = static_cast<Slot*>(arrays[place]);
  const char* at = text;
  const char* const end = text + size;
  int64_t row = 0;
  for (; at < end; ++row) {
    if (row == rows || *at == '\n') return kDeclined;  // pandas skips an empty line
    for (int64_t place = 0; place < width; ++place) {
      at = read_cell(at, end, &columns[place], row);
      if (at == nullptr) return kDeclined;
      const bool last = place + 1 == width;
      if (at == end) {
        if (!last) return kDeclined;
      } else if (*at++ != (last ? '\n' : ',')) {
        return kDeclined;
      }
    }
  }
  for (int64_t place = 0; place < width; ++place) kinds[place] = columns[place].kind;
  return row;
}

// Write rows as CSV, each ended by `line_end`, a row of one missing value as `empty`. `out` has room
// for all of it. Returns the bytes written, or -1 if declined.
int64_t dltk_write(const void* sources, int64_t width, int64_t begin, int64_t end, const char* line_end,
                   const char* empty, char* out) {
  const Source* columns = static_cast<const Source*>(sources);
  const int64_t line_size = static_cast<int64_t>(std::strlen(line_end));
  const int64_t empty_size = static_cast<int64_t>(std::strlen(empty));
  char* at = out;
  for (int64_t row = begin; row < end; ++row) {
    char* const line = at;
    for (int64_t place = 0; place < width; ++place) {
      if (place > 0) *at++ = ',';
      at = put_cell(at, columns[place], row);
      if (at == nullptr) return kDeclined;
    }
    if (at == line) at = put(at, empty, empty_size);
    at = put(at, line_end, line_size);
  }
  return at - out;
}

}  // extern "C"
