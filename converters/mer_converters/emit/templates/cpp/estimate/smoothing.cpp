// @generated@
#include "smoothing.hpp"

#include <algorithm>
#include <cmath>

namespace mer::@namespace@ {
namespace {

// A person who was away for longer begins anew.
constexpr double kForgetSeconds = 60.0;

std::size_t likeliest(const Probabilities& shares) {
  return static_cast<std::size_t>(std::max_element(shares.begin(), shares.end()) - shares.begin());
}

}  // namespace

Estimate Smoother::update(std::span<const float> logits, const std::array<int, kModalities.size()>& present,
                          double time, std::optional<int> person) {
  const Probabilities now = probabilities_of(logits, present);
  Estimate estimate;
  if (state_of(present) == 0) {
    timelines_.erase(person_.value_or(0));
    estimate = decide(now, present);
  } else {
    const Timeline& held = advance(now, time, person);
    estimate = decide(held.probabilities, present, held.label);
  }
  std::copy(logits.begin(), logits.end(), estimate.logits.begin());
  estimate.time = time;
  estimate.person = person;
  return estimate;
}

void Smoother::reset() {
  timelines_.clear();
  person_.reset();
}

Smoother::Timeline& Smoother::advance(const Probabilities& now, double time, std::optional<int> person) {
  if (person && person != person_) {
    // Whoever is seen first takes over the timeline heard before.
    if (!person_ && timelines_.contains(0)) timelines_ = {{*person, timelines_.at(0)}};
    person_ = person;
  }
  const int key = person_.value_or(0);
  const auto found = timelines_.find(key);
  if (found == timelines_.end() || time - found->second.time > kForgetSeconds) {
    std::erase_if(timelines_, [&](const auto& one) { return time - one.second.time > kForgetSeconds; });
    return timelines_.insert_or_assign(key, Timeline{now, likeliest(now), time}).first->second;
  }
  Timeline& timeline = found->second;
  // The mean weighs by time: over a gap the earlier mean keeps the share exp(-gap / seconds).
  const double keep = options_.seconds > 0 ? std::exp(-std::max(0.0, time - timeline.time) / options_.seconds) : 0;
  for (std::size_t i = 0; i < now.size(); ++i) {
    timeline.probabilities[i] = keep * timeline.probabilities[i] + (1 - keep) * now[i];
  }
  const std::size_t best = likeliest(timeline.probabilities);
  const double lead = timeline.probabilities[best] - timeline.probabilities[timeline.label];
  if (best != timeline.label && lead >= options_.margin) timeline.label = best;
  timeline.time = time;
  return timeline;
}

}  // namespace mer::@namespace@
