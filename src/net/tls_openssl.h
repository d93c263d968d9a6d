// OpenSSL's TLS and certificate objects with owners. Never included by a header outside src/net.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace shed::net {

template <auto Free>
struct SslFreed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

using SslBio = std::unique_ptr<BIO, SslFreed<BIO_free>>;
using SslContext = std::unique_ptr<SSL_CTX, SslFreed<SSL_CTX_free>>;
using SslConnection = std::unique_ptr<SSL, SslFreed<SSL_free>>;
using Certificate = std::unique_ptr<X509, SslFreed<X509_free>>;
using CertificateStore = std::unique_ptr<X509_STORE, SslFreed<X509_STORE_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, SslFreed<EVP_PKEY_free>>;
using AlternativeNames = std::unique_ptr<GENERAL_NAMES, SslFreed<GENERAL_NAMES_free>>;

// The oldest entry of OpenSSL's error queue in words, which leaves the queue empty.
std::string take_openssl_error();

}  // namespace shed::net
