// @generated@
#include "signature.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>
#include <string_view>

#include "../contract.hpp"

namespace mer::@namespace@ {
namespace {

constexpr std::size_t kMostSignatureBytes = 16384, kMostSignatures = 16;
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kPrefix = "ed25519:";

struct Block {
  // What is signed: the first four lines.
  std::string statement;
  std::string sha256, key, expires, signature;
};

std::string hexadecimal_sha256(const std::string& bytes) {
  std::array<unsigned char, 32> digest{};
  unsigned length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("libcrypto cannot compute a sha256");
  }
  std::string found;
  for (const unsigned char byte : digest) {
    for (const int shift : {4, 0}) found += "0123456789abcdef"[byte >> shift & 15];
  }
  return found;
}

std::string key_id(const std::string& key) { return hexadecimal_sha256(key).substr(0, 16); }

// Letters of base64, as many as asked for, and then the padding; nothing where the text is another.
std::optional<std::string> base64(std::string_view text, std::size_t letters, std::string_view padding) {
  if (text.size() != letters + padding.size() || text.substr(letters) != padding) return std::nullopt;
  std::string bytes;
  unsigned held = 0;
  int bits = 0;
  for (const char letter : text.substr(0, letters)) {
    const std::size_t value = kAlphabet.find(letter);
    if (value == std::string_view::npos) return std::nullopt;
    held = held << 6 | static_cast<unsigned>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes += static_cast<char>(held >> bits & 0xFF);
    }
  }
  return bytes;
}

bool is_day(std::string_view text) {
  if (text == "never") return true;
  if (text.size() != 10) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool fine = i == 4 || i == 7 ? text[i] == '-' : text[i] >= '0' && text[i] <= '9';
    if (!fine) return false;
  }
  return true;
}

bool is_hash(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The lines of a text, without their line feeds; what follows the last one is a line, too.
std::vector<std::string> split(const std::string& text, const std::string& mark) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find(mark, begin)) != std::string::npos; begin = end + mark.size()) {
    parts.push_back(text.substr(begin, end - begin));
  }
  parts.push_back(text.substr(begin));
  return parts;
}

std::optional<Block> read_block(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  const auto lines = split(text, "\n");
  static constexpr std::array<std::string_view, 5> kBegins{"mer-edge bundle signature 1", "manifest sha256 ",
                                                           "key ed25519:", "expires ", "signature "};
  if (lines.size() != kBegins.size() || lines[0] != kBegins[0]) return std::nullopt;
  std::array<std::string, 5> rest;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with(kBegins[i])) return std::nullopt;
    rest[i] = lines[i].substr(kBegins[i].size());
  }
  const auto key = base64(rest[2], 43, "="), signature = base64(rest[4], 86, "==");
  if (!is_hash(rest[1]) || !key || !is_day(rest[3]) || !signature) return std::nullopt;
  std::string statement;
  for (std::size_t i = 0; i < 4; ++i) statement += lines[i] + "\n";
  return Block{statement, rest[1], *key, rest[3], *signature};
}

std::vector<Block> read_signatures(const std::string& content) {
  std::vector<Block> blocks;
  bool fine = content.size() <= kMostSignatureBytes && content.ends_with('\n');
  for (const auto& part : fine ? split(content, "\n\n") : std::vector<std::string>()) {
    const auto block = read_block(part);
    fine = fine && block;
    if (block) blocks.push_back(*block);
  }
  if (!fine || blocks.empty() || blocks.size() > kMostSignatures) {
    throw UntrustedBundle("manifest.sig is damaged, or of a newer kind than this code reads; sign again with mer sign");
  }
  return blocks;
}

const unsigned char* bytes_of(const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); }

bool fits(const Block& block) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(block.key), block.key.size()), EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  return key && context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(block.signature), block.signature.size(), bytes_of(block.statement),
                          block.statement.size()) == 1;
}

// Why a signature by a trusted key does not count; empty where it does.
std::string what_is_wrong(const Block& block, const std::string& sha256, const std::string& today) {
  const std::string key = "the key " + key_id(block.key);
  if (!fits(block)) {
    return "the signature of " + key + " is not one: manifest.sig was changed; take the bundle from its signer";
  }
  if (block.sha256 != sha256) {
    return "manifest.json was changed after " + key + " signed it; take the bundle from its signer";
  }
  if (block.expires != "never" && today > block.expires) {
    return "the signature of " + key + " expired on " + block.expires + ", today is " + today + "; get a newer bundle";
  }
  return "";
}

std::string public_key(const std::string& line) {
  const std::size_t end = line.find_last_not_of(" \t\r\n") + 1;
  const std::string_view text = std::string_view(line).substr(0, end);
  const auto key = text.starts_with(kPrefix) ? base64(text.substr(kPrefix.size()), 43, "=") : std::nullopt;
  if (!key) throw std::invalid_argument("the key is no public key; one line ed25519:BASE64 (32 bytes) is allowed");
  return *key;
}

std::optional<std::string> content_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

std::string utc_day() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::array<char, 11> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d", std::gmtime(&now));
  return text.data();
}

}  // namespace

void check_signed(const std::string& name, const std::string& manifest, const std::optional<std::string>& signature,
                  const std::vector<std::string>& trust, const std::string& today) {
  if (trust.empty()) throw std::invalid_argument("trust names no key; give a public key, ed25519:BASE64");
  std::vector<std::string> keys;
  std::transform(trust.begin(), trust.end(), std::back_inserter(keys), public_key);
  if (!signature) throw UntrustedBundle(name + " is not signed: it has no manifest.sig; take it from its signer");
  const std::string sha256 = hexadecimal_sha256(manifest);
  std::string wrong, signers, trusted;
  for (const Block& block : read_signatures(*signature)) {
    signers += (signers.empty() ? "" : ", ") + key_id(block.key);
    if (std::find(keys.begin(), keys.end(), block.key) == keys.end()) continue;
    const std::string found = what_is_wrong(block, sha256, today);
    if (found.empty()) return;
    if (wrong.empty()) wrong = found;
  }
  if (!wrong.empty()) throw UntrustedBundle(name + " is not trusted: " + wrong);
  for (const auto& key : keys) trusted += (trusted.empty() ? "" : ", ") + key_id(key);
  throw UntrustedBundle(name + " is signed by the key " + signers + ", and trusted is " + trusted +
                        "; take it from its signer");
}

void require_signed(const std::filesystem::path& bundle, const std::vector<std::string>& trust) {
  const auto manifest = content_of(bundle / "manifest.json");
  if (!manifest) throw UntrustedBundle(bundle.string() + " has no manifest.json; give the folder of the bundle");
  check_signed("@bundle@", *manifest, content_of(bundle / "manifest.sig"), trust, utc_day());
  // The signed text holds the hash of each file; no other text of it has the form of one.
  for (const GraphInfo* info : {@graph_infos@}) {
    if (manifest->find(info->sha256) == std::string::npos) {
      throw UntrustedBundle("the bundle is signed, but not with the " + info->file + " of this code; emit it again");
    }
  }
}

}  // namespace mer::@namespace@
