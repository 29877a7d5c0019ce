// @generated@
#include "feature_window.hpp"

#include <algorithm>

namespace mer::@namespace@ {

FeatureWindow::FeatureWindow(std::size_t length, std::size_t size) : size_(size), rows_(length) {}

std::optional<std::pair<int, std::vector<float>>> FeatureWindow::append(const Features& row, int owner,
                                                                         bool observed) {
  Row oldest = std::move(rows_.front());
  rows_.pop_front();
  Row newest;
  if (row) newest = Row{*row, owner, !observed};
  rows_.push_back(std::move(newest));
  if (!oldest.owner || !oldest.due) return std::nullopt;
  return std::pair(*oldest.owner, std::move(oldest.features));
}

void FeatureWindow::fill(std::span<const Features> rows, int owner) {
  if (rows.size() > rows_.size()) rows = rows.last(rows_.size());
  auto place = rows_.end() - static_cast<std::ptrdiff_t>(rows.size());
  for (const Features& row : rows) {
    if (row && !place->owner) *place = Row{*row, owner, true};
    ++place;
  }
}

std::vector<std::pair<int, std::vector<float>>> FeatureWindow::begin_after(std::size_t newest) {
  std::vector<std::pair<int, std::vector<float>>> due;
  for (std::size_t place = 0; place + newest < rows_.size(); ++place) {
    Row& row = rows_[place];
    if (row.owner && row.due) due.emplace_back(*row.owner, std::move(row.features));
    row = Row{};
  }
  return due;
}

void FeatureWindow::settle(int person) {
  for (Row& row : rows_) row.due = row.due && row.owner != person;
}

void FeatureWindow::give(int owner) {
  for (Row& row : rows_) {
    if (row.owner) row.owner = owner;
  }
}

bool FeatureWindow::empty() const {
  return std::none_of(rows_.begin(), rows_.end(), [](const Row& row) { return row.owner.has_value(); });
}

std::vector<float> FeatureWindow::rows(int person, const std::vector<float>& mean) const {
  std::vector<float> result;
  result.reserve(rows_.size() * size_);
  for (const Row& row : rows_) {
    const bool held = row.owner == person;
    for (std::size_t i = 0; i < size_; ++i) result.push_back(held ? row.features[i] - mean[i] : 0.0f);
  }
  return result;
}

std::vector<float> FeatureWindow::mask(int person) const {
  std::vector<float> result;
  for (const Row& row : rows_) result.push_back(row.owner == person ? 1.0f : 0.0f);
  return result;
}

}  // namespace mer::@namespace@
