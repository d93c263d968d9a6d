#include "shed/net/tls_server.h"

#include <openssl/pem.h>
#include <sys/stat.h>

#include <cerrno>

#include "shed/base/file.h"
#include "tls_channel.h"
#include "tls_server_context.h"

namespace shed::net {
namespace {

constexpr std::size_t kMaxFile = 1024 * 1024;
constexpr std::size_t kMaxIssuers = 8;
// Beyond the owner, a group may read a key (Debian's ssl-cert does), and that is all.
constexpr mode_t kForbidden = S_IWGRP | S_IXGRP | S_IRWXO;

// OpenSSL would ask for the password at the terminal.
int no_password(char*, int, int, void*) { return -1; }

SslBio reader_of(const Secret& pem) {
  return SslBio(BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.size())));
}

Status check_mode(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return std::unexpected(system_error(errno));
  if ((info.st_mode & kForbidden) == 0) return {};
  return fail(Errc::kPermission, "other users can read or change the key; run chmod 600 on it");
}

Result<PrivateKey> read_key(const Secret& pem) {
  if (pem.reveal().find("PRIVATE KEY-----") == std::string_view::npos) {
    return fail(Errc::kInvalid, "no private key is in it");
  }
  const SslBio input = reader_of(pem);
  PrivateKey key(PEM_read_bio_PrivateKey(input.get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  if (key) return key;
  return fail(Errc::kInvalid, "its private key cannot be read; one with a password is of no use here");
}

// The first certificate is the server's.
Status use_certificates(SSL_CTX* context, const Secret& pem, Sha256& pin) {
  const SslBio input = reader_of(pem);
  for (std::size_t count = 0;; ++count) {
    const Certificate certificate(PEM_read_bio_X509(input.get(), nullptr, no_password, nullptr));
    if (!certificate) {
      const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
      ERR_clear_error();
      if (!at_end) return fail(Errc::kInvalid, "certificate {} in it cannot be read", count + 1);
      if (count == 0) return fail(Errc::kInvalid, "no certificate is in it");
      return {};
    }
    if (count > kMaxIssuers) return fail(Errc::kLimit, "more than {} certificates are in it", count);
    const int used = count == 0 ? SSL_CTX_use_certificate(context, certificate.get())
                                : SSL_CTX_add1_chain_cert(context, certificate.get());
    if (used != 1) {
      return fail(Errc::kInvalid, "certificate {} in it is of no use: {}", count + 1, take_openssl_error());
    }
    if (count == 0 && X509_digest(certificate.get(), EVP_sha256(), pin.data(), nullptr) != 1) {
      return fail(Errc::kInternal, "{}", take_openssl_error());
    }
  }
}

Status use_key(SSL_CTX* context, const Secret& pem) {
  const auto key = read_key(pem);
  if (!key) return propagate(key);
  // Fails when it is not the certificate's.
  if (SSL_CTX_use_PrivateKey(context, key->get()) == 1 && SSL_CTX_check_private_key(context) == 1) return {};
  ERR_clear_error();
  return fail(Errc::kInvalid, "the private key in it is not that of the certificate");
}

Result<SslContext> new_server_context() {
  auto native = new_ssl_context(TLS_server_method());
  if (!native) return native;
  // Every connection shows its token again: there is nothing to resume.
  SSL_CTX_set_num_tickets(native->get(), 0);
  SSL_CTX_set_verify(native->get(), SSL_VERIFY_NONE, nullptr);
  return native;
}

}  // namespace

Result<std::shared_ptr<TlsServerContext>> TlsServerContext::create(const TlsServerOptions& options) {
  auto native = new_server_context();
  if (!native) return propagate(native);
  const std::string& key_file = options.key_file.empty() ? options.certificate_file : options.key_file;
  const auto certificates = read_secret_file(options.certificate_file, kMaxFile);
  if (!certificates) return propagate(certificates);
  auto state = std::make_unique<State>();
  Status status = use_certificates(native->get(), *certificates, state->pin);
  if (!status) return propagate(status, options.certificate_file);
  const auto key = read_secret_file(key_file, kMaxFile);
  if (!key) return propagate(key);
  status = check_mode(key_file);
  if (status) status = use_key(native->get(), *key);
  if (!status) return propagate(status, key_file);
  state->native = std::move(*native);
  return std::make_shared<TlsServerContext>(std::move(state));
}

TlsServerContext::TlsServerContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsServerContext::~TlsServerContext() = default;

std::string TlsServerContext::pin() const { return pin_text(state_->pin); }

async::Task<Result<std::unique_ptr<Channel>>> accept_tls(async::Loop& loop,
                                                         std::shared_ptr<TlsServerContext> context,
                                                         async::Stream stream) {
  auto channel = std::make_unique<TlsChannel>(loop, std::move(stream));
  const Status done = co_await channel->accept(std::move(context));
  if (!done) co_return propagate(done);
  co_return std::move(channel);
}

}  // namespace shed::net
