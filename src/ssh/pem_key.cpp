// PEM forms of private keys, through OpenSSL.
#include <openssl/err.h>
#include <openssl/pem.h>

#include "ssh/key_formats.h"

namespace shed::ssh {
namespace {

using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;

// OpenSSL asks for a passphrase: the answer is none, never a prompt on the terminal.
int refuse_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

}  // namespace

KeyResult<ReadKey> read_pem_key(std::string_view text, std::string_view file_name) {
  // Reads in place: no copy of the file is made here.
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!bio) return corrupt("OpenSSL refuses the key");
  bool asked = false;
  EvpKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse_passphrase, &asked));
  ERR_clear_error();
  if (asked) return encrypted(file_name);
  if (!key) return corrupt("OpenSSL cannot read the key");
  return ReadKey{std::move(key), {}, {}};
}

}  // namespace shed::ssh
