#include "key_fixture.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "shed/base/base64.h"

namespace shed::ssh::test {
namespace {

const TemporaryFolder& key_folder() {
  static const TemporaryFolder folder;
  return folder;
}

bool remove_suffix(std::string& name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return false;
  name.resize(name.size() - suffix.size());
  return true;
}

void make_key(const std::string& name, const std::string& path) {
  static const std::map<std::string, std::string> kTypes = {
      {"ed25519", "-t ed25519"},       {"ecdsa256", "-t ecdsa -b 256"}, {"ecdsa384", "-t ecdsa -b 384"},
      {"ecdsa521", "-t ecdsa -b 521"}, {"rsa", "-t rsa -b 2048"},       {"rsa1024", "-t rsa -b 1024"},
  };
  run("ssh-keygen -q -N '' " + kTypes.at(name) + " -C '" + name + " key' -f " + path);
}

// Keys with a form in their name are copies of the plain one that ssh-keygen rewrites.
void convert_key(const std::string& name, const std::string& path) {
  std::string plain = name;
  const bool locked = remove_suffix(plain, ".locked");
  const std::string passphrase = locked ? "passphrase" : "";
  std::string form;
  if (remove_suffix(plain, ".pem")) form = " -m PEM";
  if (remove_suffix(plain, ".pkcs8")) form = " -m PKCS8";
  const std::string source = key_path(plain);
  std::filesystem::copy_file(source, path);
  std::filesystem::copy_file(source + ".pub", path + ".pub");
  run("ssh-keygen -q -p -a 1 -P '' -N '" + passphrase + "'" + form + " -f " + path + " >/dev/null");
}

}  // namespace

void run(const std::string& command) {
  INFO(command);
  REQUIRE(std::system((command + " </dev/null").c_str()) == 0);
}

std::string read_text(const std::string& path) {
  INFO(path);
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_text(const std::string& path, std::string_view text, unsigned mode) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  REQUIRE(file);
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

std::string key_path(const std::string& name) {
  const std::string path = key_folder() / name;
  if (std::filesystem::exists(path)) return path;
  if (name.find('.') == std::string::npos) {
    make_key(name, path);
  } else {
    convert_key(name, path);
  }
  return path;
}

std::string key_text(const std::string& name) { return read_text(key_path(name)); }

std::string blob_of_line(std::string_view line) {
  const auto start = line.find(' ') + 1;
  const auto blob = base64_decode(line.substr(start, line.find_first_of(" \n", start) - start));
  REQUIRE(blob);
  return *blob;
}

std::string public_blob_of_file(const std::string& name) {
  return blob_of_line(read_text(key_path(name) + ".pub"));
}

PrivateKey load_key(const std::string& name) {
  auto key = PrivateKey::parse(key_text(name), name);
  INFO((key ? "" : key.error().text));
  REQUIRE(key);
  return std::move(*key);
}

std::string host_certificate(const std::string& name) {
  // Not beside the key: ssh-add would load it along with it.
  const std::string copy = key_folder() / "certified-" + name;
  const std::string certificate = copy + "-cert.pub";
  if (std::filesystem::exists(certificate)) return certificate;
  std::filesystem::copy_file(key_path(name) + ".pub", copy + ".pub");
  run("ssh-keygen -q -s " + key_path("ed25519") + " -I id -h -n host.example " + copy + ".pub");
  return certificate;
}

}  // namespace shed::ssh::test
