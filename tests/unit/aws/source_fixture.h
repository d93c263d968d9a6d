// Profiles, an environment, and programs and an STS that note what they are asked.
#pragma once

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shed/aws/source.h"
#include "support/fake_clock.h"
#include "unit/net/net_fixture.h"

namespace shed::aws {

class FakeProgram : public CredentialProgram {
 public:
  async::Task<Outcome<Credentials>> run(std::vector<std::string> command, std::string name) override {
    commands.push_back(std::move(command));
    names.push_back(std::move(name));
    if (failure) co_return std::unexpected(*failure);
    co_return Credentials{"AKIAPROGRAM", Secret("program-secret"), Secret(token), {}, ""};
  }

  std::vector<std::vector<std::string>> commands;
  std::vector<std::string> names;
  std::string token;
  std::optional<Failure> failure;
};

// Answers with keys that tell which role they are of, and notes whose keys it was asked with.
class RoleSts : public StsClient {
 public:
  async::Task<Outcome<Credentials>> assume_role(AssumeRoleRequest request, const Credentials& source,
                                                StsTarget target) override {
    sources.push_back(source.access_key_id);
    regions.push_back(target.endpoint.signing_region);
    requests.push_back(std::move(request));
    if (failure) co_return std::unexpected(*failure);
    co_return Credentials{requests.back().role_arn, Secret("role-secret"), Secret("role-token"), {}, ""};
  }

  std::vector<std::string> sources, regions;
  std::vector<AssumeRoleRequest> requests;
  std::optional<Failure> failure;
};

struct SourceFixture {
  SourceFixture() {
    variables["AWS_CONFIG_FILE"] = folder / "config";
    variables["AWS_SHARED_CREDENTIALS_FILE"] = folder / "credentials";
  }
  void config(std::string_view text) const { write("config", text); }
  void credentials(std::string_view text) const { write("credentials", text); }
  void write(std::string_view name, std::string_view text) const { std::ofstream(folder / name) << text; }

  Outcome<Source> resolve(std::string profile) {
    return loop.block_on(resolver->resolve(std::move(profile)));
  }
  std::string key(std::string profile) {
    auto source = resolve(std::move(profile));
    return source ? source->credentials.access_key_id : source.error().code;
  }
  // With the folder's name cut out.
  std::string detail(std::string profile) {
    auto source = resolve(std::move(profile));
    REQUIRE_FALSE(source);
    CHECK(source.error().kind == Failure::Kind::kSource);
    std::string text = source.error().detail;
    const std::string where = folder / "";
    for (auto at = text.find(where); at != text.npos; at = text.find(where)) text.erase(at, where.size());
    return text;
  }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  std::map<std::string, std::string> variables;
  FakeProgram program;
  RoleSts sts;
  std::unique_ptr<SourceResolver> resolver =
      make_source_resolver(loop, sts, program, [this](const char* name) { return variables[name]; });
};

}  // namespace shed::aws
