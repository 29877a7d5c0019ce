// @generated@
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace mer::@namespace@ {

/// Features of one step; nothing where the modality is missing.
using Features = std::optional<std::vector<float>>;

/// The window of one modality: the last rows of features, newest last, and whose they are.
class FeatureWindow {
 public:
  FeatureWindow(std::size_t length, std::size_t size);
  /// Takes a row. @param observed it was already taken into its owner's baseline.
  /// @return the owner and the row that leave the window and are due for the owner's baseline.
  std::optional<std::pair<int, std::vector<float>>> append(const Features& row, int owner, bool observed);
  /// Puts rows, oldest first, in the places of the newest ones, where these are missing.
  void fill(std::span<const Features> rows, int owner);
  /// Lets all but the newest rows be missing: the owners and rows that are due for a baseline, oldest first.
  std::vector<std::pair<int, std::vector<float>>> begin_after(std::size_t newest);
  /// Lets no row of a person go into their baseline any more.
  void settle(int person);
  /// Every row becomes the owner's.
  void give(int owner);
  bool empty() const;
  /// A person's rows less their baseline, 0 where missing: [length x size].
  std::vector<float> rows(int person, const std::vector<float>& mean) const;
  /// 1 where the window holds a row of the person, 0 where not: [length].
  std::vector<float> mask(int person) const;

 private:
  struct Row {
    std::vector<float> features;
    std::optional<int> owner;
    bool due = false;
  };
  std::size_t size_;
  std::deque<Row> rows_;
};

}  // namespace mer::@namespace@
