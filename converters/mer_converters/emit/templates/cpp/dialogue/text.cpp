// @generated@
#include "text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>

namespace mer::@namespace@ {
namespace {

constexpr std::size_t kLongestWord = 24, kLongestMark = 3;
using Range = std::pair<char32_t, char32_t>;
constexpr std::array<Range, 6> kDropped{
    {{0x300, 0x36F}, {0x200B, 0x200F}, {0x2060, 0x2064}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0x1F3FB, 0x1F3FF}}};
constexpr std::array<Range, 4> kSpaces{{{0x0, 0x20}, {0x7F, 0xA0}, {0x1680, 0x1680}, {0x2028, 0x2029}}};
constexpr std::array<Range, 13> kMarks{{{0x21, 0x2F},
                                        {0x3A, 0x40},
                                        {0x5B, 0x60},
                                        {0x7B, 0x7E},
                                        {0xA1, 0xBF},
                                        {0xD7, 0xD7},
                                        {0xF7, 0xF7},
                                        {0x2016, 0x2027},
                                        {0x2030, 0x205E},
                                        {0x20A0, 0x20CF},
                                        {0x2190, 0x2BFF},
                                        {0x3001, 0x303F},
                                        {0x1F000, 0x1FAFF}}};
constexpr std::u32string_view kApostrophes = U"\u0060\u00B4\u02BC\u2018\u2019\u201A\u201B\u2032";
constexpr std::u32string_view kQuotes = U"\u00AB\u00BB\u201C\u201D\u201E\u201F\u2033";
constexpr std::u32string_view kDashes = U"\u2010\u2011\u2012\u2013\u2014\u2015\u2212";

enum class Kind { kSpace, kMark, kLetter };

bool within(char32_t point, std::span<const Range> ranges) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const Range& range) { return range.first <= point && point <= range.second; });
}

Kind kind_of(char32_t point) {
  if (within(point, kSpaces)) return Kind::kSpace;
  return within(point, kMarks) ? Kind::kMark : Kind::kLetter;
}

char32_t replaced(char32_t point) {
  if (kApostrophes.find(point) != std::u32string_view::npos) return U'\'';
  if (kQuotes.find(point) != std::u32string_view::npos) return U'"';
  return kDashes.find(point) != std::u32string_view::npos ? U'-' : point;
}

void append_utf8(std::string& text, char32_t point) {
  if (point < 0x80) {
    text += static_cast<char>(point);
    return;
  }
  const int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  static constexpr std::array<unsigned, 4> kFirst{0, 0xC0, 0xE0, 0xF0};
  text += static_cast<char>(kFirst[static_cast<std::size_t>(more)] | point >> (6 * more));
  for (int place = more - 1; place >= 0; --place) text += static_cast<char>(0x80 | (point >> (6 * place) & 0x3F));
}

// FNV-1a of 32 bits over the UTF-8 of a stretch.
std::uint32_t hashed(std::u32string_view stretch) {
  std::string bytes;
  for (const char32_t point : stretch) append_utf8(bytes, point);
  std::uint32_t value = 2166136261u;
  for (const char byte : bytes) value = (value ^ static_cast<unsigned char>(byte)) * 16777619u;
  return value;
}

// What is hashed of one word: the marked word, then n-grams spread over it.
std::vector<std::u32string> subwords(const std::u32string& word) {
  const std::u32string marked = U"<" + word + U">";
  std::vector<std::u32string> ngrams;
  for (std::size_t start = 0; start < marked.size(); ++start) {
    for (std::size_t length = kShortestNgram; length <= std::min(kLongestNgram, marked.size() - 1); ++length) {
      if (start + length <= marked.size()) ngrams.push_back(marked.substr(start, length));
    }
  }
  constexpr std::size_t kRoom = kTextSlots - 1;
  std::vector<std::u32string> chosen{marked};
  const std::size_t count = std::min(kRoom, ngrams.size());
  for (std::size_t i = 0; i < count; ++i) {
    const bool all = ngrams.size() <= kRoom;
    chosen.push_back(ngrams[all ? i : i * (ngrams.size() - 1) / std::max<std::size_t>(kRoom - 1, 1)]);
  }
  return chosen;
}

}  // namespace

std::u32string from_utf8(std::string_view utf8) {
  std::u32string points;
  for (std::size_t at = 0; at < utf8.size();) {
    const auto first = static_cast<unsigned char>(utf8[at]);
    const std::size_t more = first < 0x80 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    static constexpr std::array<char32_t, 4> kLeast{0, 0x80, 0x800, 0x10000};
    char32_t point = more == 0 ? first : first & (0x3Fu >> more);
    bool fine = (first < 0x80 || (first >= 0xC2 && first <= 0xF4)) && at + more < utf8.size();
    for (std::size_t i = 1; fine && i <= more; ++i) {
      const auto next = static_cast<unsigned char>(utf8[at + i]);
      fine = next >> 6 == 2;
      point = point << 6 | (next & 0x3Fu);
    }
    if (!fine || point < kLeast[more] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) {
      throw std::invalid_argument("the text is not UTF-8 at byte " + std::to_string(at));
    }
    points += point;
    at += more + 1;
  }
  return points;
}

std::vector<std::u32string> split_words(std::string_view utf8) {
  std::u32string given = from_utf8(utf8);
  std::transform(given.begin(), given.end(), given.begin(), replaced);
  std::u32string points;
  for (const char32_t point : compatibility_decomposed(given)) {
    if (!within(point, kDropped)) points += lower_case(point);
  }
  std::vector<Kind> kinds;
  for (const char32_t point : points) kinds.push_back(kind_of(point));
  for (std::size_t i = 1; i + 1 < points.size(); ++i) {
    const bool inside = kinds[i - 1] == Kind::kLetter && kinds[i + 1] == Kind::kLetter;
    if (points[i] == U'\'' && inside) kinds[i] = Kind::kLetter;
  }
  std::vector<std::u32string> words;
  for (std::size_t start = 0, end = 1; start < points.size(); start = end++) {
    const Kind kind = kinds[start];
    while (end < points.size() && kinds[end] == kind && (kind != Kind::kMark || points[end] == points[start])) ++end;
    const std::size_t longest = kind == Kind::kMark ? kLongestMark : kLongestWord;
    if (kind != Kind::kSpace) words.push_back(points.substr(start, std::min(longest, end - start)));
  }
  return words;
}

std::vector<float> text_ids(std::string_view utf8) {
  std::vector<float> ids(kTextWords * kTextSlots, 0.0f);
  const auto words = split_words(utf8);
  for (std::size_t word = 0; word < std::min(words.size(), kTextWords); ++word) {
    std::size_t slot = word * kTextSlots;
    for (const auto& part : subwords(words[word])) {
      ids[slot++] = static_cast<float>(1 + hashed(part) % (kTextBuckets - 1));
    }
  }
  return ids;
}

}  // namespace mer::@namespace@
