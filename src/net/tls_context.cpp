#include "tls_context.h"

#include <charconv>

#include "tls_verify.h"

namespace shed::net {
namespace {

constexpr std::string_view kPinPrefix = "sha256:";

// Everything with forward secrecy and authenticated encryption; TLS 1.3 has nothing else.
constexpr const char* kCiphers12 = "ECDHE+AESGCM:ECDHE+CHACHA20";
// 112 bits of security: no RSA below 2048 bits, no SHA-1 under a certificate. What Debian has.
constexpr int kSecurityLevel = 2;
// RFC 7301: the length of a name is one byte.
constexpr std::size_t kMaxProtocol = 255;

Result<Sha256> parse_pin(std::string_view text) {
  Sha256 digest{};
  const std::string_view digits = text.starts_with(kPinPrefix) ? text.substr(kPinPrefix.size()) : "";
  bool right = digits.size() == 2 * digest.size();
  for (std::size_t i = 0; right && i < digest.size(); ++i) {
    const char* begin = digits.data() + 2 * i;
    const auto [end, error] = std::from_chars(begin, begin + 2, digest[i], 16);
    right = error == std::errc() && end == begin + 2;
  }
  if (right) return digest;
  return fail(Errc::kInvalid, "a pin is sha256: and the 64 hex digits of the certificate's SHA-256");
}

// RFC 7301: each name with its length in front.
Status offer_protocol(SSL_CTX* context, std::string_view name) {
  if (name.empty()) return {};
  if (name.size() > kMaxProtocol)
    return fail(Errc::kInvalid, "the name of a protocol has {} bytes", name.size());
  std::string list(1, static_cast<char>(name.size()));
  list += name;
  const auto* bytes = reinterpret_cast<const unsigned char*>(list.data());
  if (SSL_CTX_set_alpn_protos(context, bytes, static_cast<unsigned>(list.size())) == 0) return {};
  return fail(Errc::kInternal, "TLS: {}", take_openssl_error());
}

Result<SslContext> new_client_context(std::string_view protocol) {
  auto native = new_ssl_context(TLS_client_method());
  if (!native) return native;
  SSL_CTX_set_verify(native->get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(native->get(), verify_certificate, nullptr);
  if (const Status offered = offer_protocol(native->get(), protocol); !offered) return propagate(offered);
  return native;
}

}  // namespace

Result<SslContext> new_ssl_context(const SSL_METHOD* method) {
  // The system's openssl.cnf is for the system's programs: it can name modules to load, which a static
  // binary could not survive.
  OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  SslContext native(SSL_CTX_new(method));
  if (!native) return fail(Errc::kInternal, "TLS: {}", take_openssl_error());
  SSL_CTX* context = native.get();
  SSL_CTX_set_security_level(context, kSecurityLevel);
  // CLEANSE_PLAINTEXT: what was decrypted does not stay in OpenSSL's buffer.
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET | SSL_OP_CLEANSE_PLAINTEXT);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  // After each message of TLS itself the loop has its turn: a peer could send new keys without end.
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  const bool made = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
                    SSL_CTX_set_cipher_list(context, kCiphers12) == 1;
  if (!made) return fail(Errc::kInternal, "TLS: {}", take_openssl_error());
  return native;
}

std::string pin_text(const Sha256& digest) {
  std::string text(kPinPrefix);
  for (const unsigned char byte : digest) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
  return text;
}

Status TlsContext::State::load_roots() {
  const std::lock_guard lock(loading_);
  if (ready()) return {};
  auto store = read_roots(places);
  // Not remembered: what is missing now may be there at the next connection.
  if (!store) return propagate(store);
  // Nobody uses the context before it is ready, so this thread may change it.
  SSL_CTX_set1_cert_store(native.get(), store->get());
  become_ready();
  return {};
}

std::string TlsContext::State::trusted() const {
  if (!options.ca_file.empty()) return options.ca_file;
  if (!places.chosen) return "this system's root certificates";
  return places.files.empty() ? "the folders of SSL_CERT_DIR" : places.files.front();
}

Result<std::shared_ptr<TlsContext>> TlsContext::create(TlsOptions options) {
  auto native = new_client_context(options.protocol);
  if (!native) return propagate(native);
  auto state = std::make_shared<State>();
  state->native = std::move(*native);
  if (!options.pin.empty()) {
    const auto pin = parse_pin(options.pin);
    if (!pin) return propagate(pin);
    state->pin = *pin;
    state->become_ready();
  }
  if (!options.ca_file.empty()) {
    const auto store = read_bundle(options.ca_file);
    if (!store) return propagate(store);
    SSL_CTX_set1_cert_store(state->native.get(), store->get());
    state->become_ready();
  }
  if (!state->ready()) state->places = system_root_places();
  state->options = std::move(options);
  return std::make_shared<TlsContext>(std::move(state));
}

TlsContext::TlsContext(std::shared_ptr<State> state) : state_(std::move(state)) {}
TlsContext::~TlsContext() = default;

const TlsOptions& TlsContext::options() const { return state_->options; }

}  // namespace shed::net
