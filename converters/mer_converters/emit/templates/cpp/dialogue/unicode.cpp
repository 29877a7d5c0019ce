// @generated@
// Unicode @unicode_version@: what NFKD makes of a code point, combining classes, and lower case.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "text.hpp"

namespace mer::@namespace@ {
namespace {

// Code point, number of code points that it becomes, and where in the list below they begin; in order.
struct Mapping {
  char32_t point;
  std::uint16_t count, start;
};
constexpr std::array<Mapping, @decomposed_count@> kDecomposed{{
    @decomposed@}};
constexpr std::array<char32_t, @decomposed_points_count@> kDecomposedPoints{
    @decomposed_points@};
// First and last code point of a range, and its combining class.
struct Combining {
  char32_t first, last;
  std::uint8_t kind;
};
constexpr std::array<Combining, @combining_count@> kCombining{{
    @combining@}};
constexpr std::array<Mapping, @lower_count@> kLower{{
    @lower@}};
constexpr std::array<char32_t, @lower_points_count@> kLowerPoints{
    @lower_points@};

template <std::size_t Count, std::size_t Points>
std::u32string mapped(char32_t point, const std::array<Mapping, Count>& table,
                      const std::array<char32_t, Points>& points) {
  const auto found = std::lower_bound(table.begin(), table.end(), point,
                                      [](const Mapping& one, char32_t wanted) { return one.point < wanted; });
  if (found == table.end() || found->point != point) return {point};
  return {points.data() + found->start, found->count};
}

std::uint8_t combining_class(char32_t point) {
  const auto found = std::lower_bound(kCombining.begin(), kCombining.end(), point,
                                      [](const Combining& one, char32_t wanted) { return one.last < wanted; });
  return found != kCombining.end() && found->first <= point ? found->kind : 0;
}

// A Hangul syllable is computed (The Unicode Standard, 3.12).
std::u32string decomposed(char32_t point) {
  constexpr char32_t kSyllables = 0xAC00, kLead = 0x1100, kVowel = 0x1161, kTail = 0x11A7, kEnd = 0xD7A4;
  if (point < kSyllables || point >= kEnd) return mapped(point, kDecomposed, kDecomposedPoints);
  const char32_t place = point - kSyllables, tail = place % 28;
  std::u32string parts{kLead + place / 588, kVowel + place % 588 / 28};
  if (tail != 0) parts += kTail + tail;
  return parts;
}

}  // namespace

std::u32string compatibility_decomposed(const std::u32string& text) {
  std::u32string result;
  for (const char32_t point : text) result += decomposed(point);
  // Marks that follow one another are ordered by their classes.
  for (auto begin = result.begin(); begin != result.end();) {
    auto end = begin;
    while (end != result.end() && combining_class(*end) != 0) ++end;
    std::stable_sort(begin, end, [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    begin = end == begin ? begin + 1 : end;
  }
  return result;
}

std::u32string lower_case(char32_t point) { return mapped(point, kLower, kLowerPoints); }

}  // namespace mer::@namespace@
