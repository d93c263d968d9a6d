// All decoders of SSH messages and blobs. The first byte chooses one, the rest is its input. What
// decodes must encode again to the same bytes where the format leaves no choice.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "shed/ssh/agent_protocol.h"
#include "shed/ssh/types.h"
#include "shed/ssh/verify.h"
#include "shed/ssh/wire.h"

namespace {

using namespace shed::ssh;

void require(bool holds) {
  if (!holds) std::abort();
}

std::string_view body(const std::string& frame) { return std::string_view(frame).substr(kFrameHeaderSize); }

void session_bind(std::string_view contents) {
  const auto bind = decode_session_bind(contents);
  if (!bind) return;
  const auto frame = encode_session_bind(*bind);
  require(frame.has_value());
  const auto again = decode_request(body(*frame));
  require(again && decode_session_bind(std::get<ExtensionRequest>(*again).contents) == *bind);
  (void)verify_session_bind(*bind);
}

void request(std::string_view message) {
  const auto decoded = decode_request(message);
  if (!decoded) return;
  if (const auto* sign = std::get_if<SignRequest>(&*decoded)) {
    const auto frame = encode_sign_request(*sign);
    require(frame && body(*frame) == message);
  } else if (const auto* extension = std::get_if<ExtensionRequest>(&*decoded)) {
    session_bind(extension->contents);
  }
}

void identities(std::string_view message) {
  const auto decoded = decode_identities(message);
  if (!decoded) return;
  const auto frame = encode_identities(*decoded);
  require(frame && decode_identities(body(*frame)) == *decoded);
}

void sign_response(std::string_view message) {
  const auto decoded = decode_sign_response(message);
  if (!decoded) return;
  const auto frame = encode_sign_response(*decoded);
  require(frame && body(*frame) == message);
}

void signature(std::string_view bytes) {
  const auto decoded = decode_signature(bytes);
  if (decoded) require(encode_signature(*decoded) == bytes);
}

void key(std::string_view blob) {
  if (!check_key_blob(blob)) return;
  const auto type = key_type_of(blob);
  require(type && plain_key_type(*type) && expected_signature_format(*type, 0));
  (void)check_signature_form(blob, 2, Signature{"rsa-sha2-256", "blob", ""});
  (void)fingerprint(blob);
}

// A key blob as a string, a signature as a string, data.
void verification(std::string_view input) {
  WireReader reader(input);
  const auto blob = reader.string();
  const auto made = reader.string();
  if (blob && made) (void)verify_signature(*blob, *made, reader.remaining());
}

void wire(std::string_view input) {
  WireReader reader(input);
  while (!reader.at_end()) {
    const std::size_t before = reader.remaining().size();
    const bool read = reader.positive_mpint() || reader.string() || reader.uint64() || reader.byte();
    require(read && reader.remaining().size() < before);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr void (*kDecoders[])(std::string_view) = {
      request,
      session_bind,
      identities,
      sign_response,
      signature,
      key,
      verification,
      wire,
      [](std::string_view input) { (void)frame_length(input); },
      [](std::string_view input) { (void)decode_success(input); },
      [](std::string_view input) { (void)decode_query_response(input); },
  };
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  kDecoders[data[0] % std::size(kDecoders)](input.substr(1));
  return 0;
}
