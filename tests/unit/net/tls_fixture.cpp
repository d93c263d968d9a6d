#include "tls_fixture.h"

#include <fcntl.h>
#include <openssl/pem.h>

namespace shed::net {
namespace {

// More rounds than any handshake has flights.
constexpr int kRounds = 20;

void add_extension(X509* certificate, int nid, const std::string& value) {
  const std::unique_ptr<X509_EXTENSION, SslFreed<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str()));
  REQUIRE(extension);
  REQUIRE(X509_add_ext(certificate, extension.get(), -1) == 1);
}

int choose_http(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* in,
                unsigned size, void*) {
  static const unsigned char kHttp[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  auto* chosen = const_cast<unsigned char**>(out);
  const int found = SSL_select_next_proto(chosen, length, kHttp, sizeof kHttp, in, size);
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

Identity::Identity(const CertificateWish& wish, const Identity* issuer)
    : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
  static long serial = 1;
  X509* made = certificate_.get();
  REQUIRE(X509_set_version(made, X509_VERSION_3) == 1);
  ASN1_INTEGER_set(X509_get_serialNumber(made), serial++);
  X509_gmtime_adj(X509_getm_notBefore(made), wish.valid_from);
  X509_gmtime_adj(X509_getm_notAfter(made), wish.valid_until);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.subject.c_str()), -1, -1, 0);
  const Identity& signer = issuer != nullptr ? *issuer : *this;
  X509_set_issuer_name(made, X509_get_subject_name(signer.certificate()));
  X509_set_pubkey(made, key());
  if (wish.authority) add_extension(made, NID_basic_constraints, "critical,CA:TRUE");
  if (!wish.names.empty()) add_extension(made, NID_subject_alt_name, wish.names);
  REQUIRE(X509_sign(made, signer.key(), EVP_sha256()) > 0);
}

std::string Identity::pem() const {
  const SslBio out(BIO_new(BIO_s_mem()));
  REQUIRE(PEM_write_bio_X509(out.get(), certificate()) == 1);
  char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(length)};
}

std::string Identity::pin() const {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  REQUIRE(X509_digest(certificate(), EVP_sha256(), digest, &length) == 1);
  std::string text = "sha256:";
  for (unsigned i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

const Identity& test_authority() {
  static const Identity kAuthority({.subject = "Test CA", .names = "", .authority = true});
  return kAuthority;
}

const Identity& test_server() {
  static const Identity kServer({}, &test_authority());
  return kServer;
}

TlsPeer::TlsPeer(async::Loop& loop, Peer peer, const TlsPeerOptions& options)
    : loop_(loop), peer_(std::move(peer)) {
  configure(options);
  REQUIRE(::fcntl(peer_->fd(), F_SETFL, O_NONBLOCK) == 0);
  REQUIRE(SSL_set_fd(ssl_.get(), peer_->fd()) == 1);
}

TlsPeer::TlsPeer(async::Loop& loop, TlsPeer& below, const TlsPeerOptions& options) : loop_(loop) {
  configure(options);
  BIO* transport = BIO_new(BIO_f_ssl());
  BIO_set_ssl(transport, below.native(), BIO_NOCLOSE);
  SSL_set_bio(ssl_.get(), transport, transport);
}

void TlsPeer::configure(const TlsPeerOptions& options) {
  context_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = context_.get();
  const Identity& identity = options.identity != nullptr ? *options.identity : test_server();
  REQUIRE(SSL_CTX_use_certificate(context, identity.certificate()) == 1);
  REQUIRE(SSL_CTX_use_PrivateKey(context, identity.key()) == 1);
  if (options.intermediate != nullptr) {
    REQUIRE(SSL_CTX_add1_chain_cert(context, options.intermediate->certificate()) == 1);
  }
  SSL_CTX_set_security_level(context, 0);  // a server may be worse than we are
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_min_proto_version(context, options.lowest);
  SSL_CTX_set_max_proto_version(context, options.highest);
  SSL_CTX_set_alpn_select_cb(context, choose_http, nullptr);
  ssl_.reset(SSL_new(context));
  SSL_set_accept_state(ssl_.get());
}

bool TlsPeer::accept() {
  for (int round = 0; round < kRounds; ++round) {
    ERR_clear_error();
    const int code = SSL_do_handshake(ssl_.get());
    const int what = SSL_get_error(ssl_.get(), code);
    if (code != 1 && what != SSL_ERROR_WANT_READ && what != SSL_ERROR_WANT_WRITE) {
      failure_ = take_openssl_error();
      loop_.poll();
      return false;
    }
    loop_.poll();
    if (code == 1) return true;
  }
  failure_ = "the client does not go on";
  return false;
}

bool TlsPeer::send(std::string_view bytes) {
  for (int stuck = 0; !bytes.empty() && stuck < 100; ++stuck) {
    std::size_t count = 0;
    ERR_clear_error();
    const int code = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count);
    if (code == 1) {
      bytes.remove_prefix(count);
      stuck = 0;
    } else if (SSL_get_error(ssl_.get(), code) != SSL_ERROR_WANT_WRITE) {
      return false;
    }
    loop_.poll();
  }
  loop_.poll();
  return bytes.empty();
}

std::string TlsPeer::received() {
  std::string text;
  for (int stuck = 0; stuck < 3;) {
    char part[65536];
    std::size_t count = 0;
    ERR_clear_error();
    const int code = SSL_read_ex(ssl_.get(), part, sizeof part, &count);
    const int what = SSL_get_error(ssl_.get(), code);
    text.append(part, code == 1 ? count : 0);
    ended_ = ended_ || what == SSL_ERROR_ZERO_RETURN;
    broken_ = broken_ || what == SSL_ERROR_SSL || what == SSL_ERROR_SYSCALL;
    if (ended_ || broken_) break;
    stuck = code == 1 ? 0 : stuck + 1;
    loop_.poll();
  }
  ERR_clear_error();
  return text;
}

void TlsPeer::goodbye() {
  SSL_shutdown(ssl_.get());
  loop_.poll();
}

void TlsPeer::close() {
  (void)received();
  goodbye();
  peer_->reset();
}

TlsPair::TlsPair(TlsOptions options, std::string host, const TlsPeerOptions& server_options) {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  auto context = TlsContext::create(std::move(options));
  INFO((context ? "" : context.error().text()));
  REQUIRE(context);
  server.emplace(loop, Peer(loop, UniqueFd(ends[0])), server_options);
  client_fd = ends[1];
  async::Stream stream(loop, UniqueFd(ends[1]));
  opened.emplace(loop, start_tls(loop, *context, std::move(stream), std::move(host)));
}

Error TlsPair::error() {
  (void)server->accept();
  REQUIRE(opened->done());
  REQUIRE_FALSE(**opened);
  return (**opened).error();
}

}  // namespace shed::net
