// @generated@
#pragma once

#include <map>
#include <string>
#include <vector>

namespace mer::@namespace@ {

/// A JSON value as far as a profile holds it: an object, an array of numbers, a number or a text.
struct JsonValue {
  enum class Kind { kObject, kArray, kNumber, kText };
  Kind kind = Kind::kNumber;
  std::map<std::string, JsonValue> members;
  std::vector<double> numbers;
  std::string text;
};

/// Reads a JSON text.
/// @throws std::invalid_argument it is none, or holds what a profile does not.
JsonValue read_json(const std::string& text);

/// A number as JSON, so that reading gives the same number.
std::string json_number(double value);

}  // namespace mer::@namespace@
