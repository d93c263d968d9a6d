// Verifies signatures: by host keys, as proof that a guest's connection ends at the host it names, and by any
// key, as SSHSIG has them.
#pragma once

#include <string_view>

#include "shed/base/result.h"
#include "shed/ssh/types.h"

namespace shed::ssh {

// OpenSSH takes no smaller one for a host, either.
inline constexpr int kMinHostRsaBits = 1024;

// Whether the key in `key_blob` made `signature` (a signature blob) over `data`. Ed25519, ECDSA and
// RSA with SHA-2; of a certificate the certified key counts, and neither its authority nor its dates are
// looked at. Errc::kRefused: well formed, and not by this key. Errc::kInvalid: malformed, or
// the algorithm does not fit the key. Errc::kUnsupported: security keys, SHA-1, unknown types.
// Takes microseconds to milliseconds (the largest RSA keys); may be called from any thread.
Status verify_signature(std::string_view key_blob, std::string_view signature, std::string_view data);

// The same, and for security keys: their signature is over SHA-256 of the application, the flags and the
// counter behind the signature, and SHA-256 of the data (OpenSSH's PROTOCOL.u2f, "SSH U2F signatures"). That
// a person touched the key is in the flags; it is not asked for here. Errc::kUnsupported then is for SHA-1,
// unknown types and the WebAuthn form of such signatures.
Status verify_any_signature(std::string_view key_blob, std::string_view signature, std::string_view data);

// Whether the authority that a certificate names has signed it. Its dates, principals and options are not
// looked at, nor whether anybody trusts the authority. Errors as verify_any_signature() has them;
// Errc::kInvalid, too, for an authority that is a certificate itself or a kind of certificate that is not
// known.
Status verify_certificate(std::string_view certificate);

// For a program that verifies a signature or two and ends: leaves out tables of OpenSSL that take longer to
// fill than the signature to verify. Once, before anything is verified; what needs those tables later in the
// same process (a TLS connection, an encrypted key file) does not work, what was there before does.
void expect_few_signatures();

// The signature of a bind is the one that the server made at key exchange, over the exchange hash of
// the connection's first key exchange, which is the session id (RFC 4253 section 7.2).
Status verify_session_bind(const SessionBind& bind);

}  // namespace shed::ssh
