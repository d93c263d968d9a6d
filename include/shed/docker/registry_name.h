// Names of registries, in all the forms in which clients, config files and allow-lists have them
// (clients.md, "Docker credential helpers").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shed/base/result.h"

namespace shed::docker {

inline constexpr std::size_t kMaxServerUrl = 2048;
// What every spelling of Docker Hub is read as, and the key under which docker itself keeps its login.
inline constexpr std::string_view kDockerHub = "index.docker.io";
inline constexpr std::string_view kDockerHubKey = "https://index.docker.io/v1/";

// What a client asks for: host[:port], with or without scheme, path and slash.
struct RegistryName {
  std::string host;  // lower case, with its port; every spelling of Docker Hub is "index.docker.io"
  std::string path;  // repository path without slashes at its ends; "/v1" and "/v2" do not count as one

  auto operator<=>(const RegistryName&) const = default;
};

// The form in which names are compared and looked up: without scheme, without one trailing slash,
// without "/v1" or "/v2" behind the host.
std::string normalise(std::string_view name);

// Reads what a guest sent. Errc::kLimit over kMaxServerUrl; kInvalid when it is empty, has control
// characters, spaces, a query, a fragment, a user name or password in it, another scheme than http and
// https, or is no host name: nothing of it is executed or passed on. The text never quotes a password.
Result<RegistryName> parse_registry(std::string_view server_url);

// Whether a repository path is `above` or lies below it; everything lies below the empty path.
bool lies_below(std::string_view path, std::string_view above);

// An entry of the allow-list: "ghcr.io", "localhost:5000", "*.dkr.ecr.*.amazonaws.com" (a * is one
// label, or a part of one), "ghcr.io/my-org" (that path and what lies below it: for clients that send
// paths; a request for the bare host does not match it).
class AllowList {
 public:
  // Entries that cannot be read match nothing: check_entry() says why, when the file is read.
  explicit AllowList(const std::vector<std::string>& entries, bool allow_all = false);
  bool allows(const RegistryName& name) const;

 private:
  struct Entry {
    std::string host;
    std::string path;
  };
  std::vector<Entry> entries_;
  bool allow_all_;
};
Status check_entry(std::string_view entry);

}  // namespace shed::docker
