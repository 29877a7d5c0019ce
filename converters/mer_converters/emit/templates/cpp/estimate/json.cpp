// @generated@
#include "json.hpp"

#include <cctype>
#include <locale>
#include <sstream>
#include <stdexcept>

namespace mer::@namespace@ {
namespace {

constexpr int kDeepest = 8;

class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  JsonValue whole() {
    JsonValue value = read(0);
    if (next() != '\0') fail();
    return value;
  }

 private:
  [[noreturn]] void fail() const {
    throw std::invalid_argument("no JSON of a profile at byte " + std::to_string(at_));
  }

  char next() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  void take(char wanted) {
    if (next() != wanted) fail();
    ++at_;
  }

  std::string words() {
    take('"');
    const std::size_t end = text_.find_first_of("\"\\", at_);
    if (end == std::string::npos || text_[end] != '"') fail();  // profiles hold no escapes
    std::string found = text_.substr(at_, end - at_);
    at_ = end + 1;
    return found;
  }

  double number() {
    const std::size_t end = text_.find_first_not_of("+-.0123456789eE", at_);
    // Not strtod, which follows the locale of the process.
    std::istringstream stream(text_.substr(at_, end == std::string::npos ? end : end - at_));
    stream.imbue(std::locale::classic());
    double value = 0;
    if (!(stream >> value) || stream.peek() != std::istringstream::traits_type::eof()) fail();
    at_ = end == std::string::npos ? text_.size() : end;
    return value;
  }

  // Members or items, with commas between.
  template <typename Item>
  void list(char close, Item item) {
    ++at_;
    if (next() == close) {
      ++at_;
      return;
    }
    while (true) {
      item();
      if (next() == close) break;
      take(',');
    }
    ++at_;
  }

  JsonValue read(int depth) {
    const char first = next();
    if (depth > kDeepest || first == '\0') fail();
    JsonValue value;
    if (first == '{') {
      value.kind = JsonValue::Kind::kObject;
      list('}', [&] {
        std::string name = words();
        take(':');
        value.members.insert_or_assign(std::move(name), read(depth + 1));
      });
    } else if (first == '[') {
      value.kind = JsonValue::Kind::kArray;
      list(']', [&] {
        next();
        value.numbers.push_back(number());
      });
    } else if (first == '"') {
      value.kind = JsonValue::Kind::kText;
      value.text = words();
    } else {
      value.numbers.push_back(number());
    }
    return value;
  }

  const std::string& text_;
  std::size_t at_ = 0;
};

}  // namespace

JsonValue read_json(const std::string& text) { return Reader(text).whole(); }

std::string json_number(double value) {
  std::ostringstream stream;
  stream.imbue(std::locale::classic());
  stream.precision(17);
  stream << value;
  return stream.str();
}

}  // namespace mer::@namespace@
