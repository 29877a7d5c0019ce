// @generated@
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "../contract.hpp"

namespace mer::@namespace@ {

/// The ids that the text graph reads of an utterance, `kTextWords` x `kTextSlots`, words in order from row 0; 0 fills
/// what is missing. Text without a word gives zeros throughout: the modality counts as missing.
/// @throws std::invalid_argument the text is no UTF-8.
std::vector<float> text_ids(std::string_view utf8);

/// The words of an utterance, normalised: the rules are those of the bundle contract, "Text".
std::vector<std::u32string> split_words(std::string_view utf8);

/// Code points of a text. @throws std::invalid_argument it is no UTF-8.
std::u32string from_utf8(std::string_view utf8);

/// Unicode's NFKD (unicode.cpp), and lower case of one code point after it.
std::u32string compatibility_decomposed(const std::u32string& text);
std::u32string lower_case(char32_t point);

}  // namespace mer::@namespace@
