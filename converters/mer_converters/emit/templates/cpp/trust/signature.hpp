// @generated@
#pragma once

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace mer::@namespace@ {

/// A bundle that no trusted key signed, that was changed since, or whose signature has expired.
class UntrustedBundle : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Refuses a bundle that no trusted key signed, or that does not list the graphs of this code. Built with
/// -DMER_SIGNATURES=ON, by OpenSSL's libcrypto.
/// @param bundle the bundle's folder; manifest.json and manifest.sig are read.
/// @param trust public keys, "ed25519:BASE64" as `mer sign --new-key` wrote them.
/// @throws UntrustedBundle it is not to be trusted.
/// @throws std::invalid_argument `trust` holds no key, or one that is none.
void require_signed(const std::filesystem::path& bundle, const std::vector<std::string>& trust);

/// Refuses a manifest that no trusted key signed.
/// @param name of the bundle, for messages. @param manifest the bytes of manifest.json.
/// @param signature the bytes of manifest.sig, nothing where there is none.
/// @param today the day that expiry is held against, UTC, such as "2027-11-29".
void check_signed(const std::string& name, const std::string& manifest, const std::optional<std::string>& signature,
                  const std::vector<std::string>& trust, const std::string& today);

}  // namespace mer::@namespace@
