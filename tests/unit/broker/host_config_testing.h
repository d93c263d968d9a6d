// Shared by the tests of the host configuration.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/file.h"
#include "shed/base/json.h"
#include "shed/broker/host_config.h"

namespace shed::broker::testing {

inline constexpr std::string_view kHome = "/home/someone";

inline HostConfig config_of(std::string_view yaml) {
  auto config = parse_host_config(yaml, "extensions.yaml", kHome);
  if (!config) {
    for (const ConfigProblem& problem : config.error()) UNSCOPED_INFO(problem.format());
  }
  INFO(yaml);
  REQUIRE(config.has_value());
  return std::move(*config);
}

// Every problem as a person sees it; empty when there is none.
inline std::vector<std::string> problems_of(std::string_view yaml) {
  const auto config = parse_host_config(yaml, "extensions.yaml", kHome);
  std::vector<std::string> lines;
  if (!config) {
    std::ranges::transform(config.error(), std::back_inserter(lines), &ConfigProblem::format);
  }
  return lines;
}

// The one problem there must be.
inline std::string problem_of(std::string_view yaml) {
  const auto lines = problems_of(yaml);
  INFO(yaml);
  CAPTURE(lines);
  REQUIRE(lines.size() == 1);
  return lines.front();
}

// Calls `check` with each vector of a file of test data; says so where the data is not there.
inline void each_vector(std::string_view file, const std::function<void(const JsonValue&)>& check) {
  const std::string path = std::string(SHED_FIXTURES "/") + std::string(file);
  const auto text = read_file(path, 1024 * 1024);
  if (!text) {
    WARN("not run, the test data is missing: " << path << ": " << text.error().text());
    return;
  }
  JsonDocument document;
  const auto root = document.parse(*text);
  REQUIRE(root.has_value());
  const auto vectors = (*root)["vectors"].elements();
  REQUIRE_FALSE(vectors.empty());
  for (const JsonValue& vector : vectors) check(vector);
}

inline std::string text_of(const JsonValue& object, std::string_view key) {
  return std::string(object[key].string_or(""));
}

}  // namespace shed::broker::testing
