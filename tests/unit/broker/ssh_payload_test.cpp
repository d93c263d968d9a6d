#include "shed/broker/ssh_payload.h"

#include "shed/broker/payload.h"
#include "shed/ssh/agent_protocol.h"
#include "ssh_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

// A parsed payload.
class Payload {
 public:
  explicit Payload(std::string_view text) {
    const auto root = document_.parse(text);
    INFO(text);
    REQUIRE(root);
    value = *root;
  }
  JsonValue value;

 private:
  JsonDocument document_;
};

std::string sign_payload(std::string_view fields) {
  return fmt::format(R"({{"operation":"sign","public_key":"{}",{}}})", base64_encode(ed25519()), fields);
}

Error sign_error(std::string_view text) {
  const Payload payload(text);
  const auto request = decode_sign_request(payload.value);
  INFO(text);
  REQUIRE_FALSE(request);
  return request.error();
}

// Each vector of a list in the fixtures; a visible notice and nothing else without them.
template <class Check>
void each_vector(std::string_view list, Check check) {
  const std::string path = std::string(SHED_FIXTURES) + "/ssh_payload_shapes.json";
  if (!std::filesystem::exists(path)) {
    WARN(path << " is not here: the vectors are not checked");
    return;
  }
  JsonDocument document;
  const auto root = document.parse(text_of_file(path));
  REQUIRE(root);
  const auto vectors = (*root)[list].elements();
  CHECK_FALSE(vectors.empty());
  for (const JsonValue& vector : vectors) {
    INFO(vector["name"].string_or(""));
    check(vector["input"], vector["expected"]);
  }
}

// The vectors leave out the padding of base64, which peers write and we demand.
std::string without_padding(std::string_view base64) {
  return std::string(base64.substr(0, base64.find_last_not_of('=') + 1));
}
std::string decoded(std::string_view base64) {
  std::string padded(base64);
  padded.append((4 - padded.size() % 4) % 4, '=');
  return base64_decode(padded).value();
}

TEST_CASE("lists of keys have the form that existing guests read") {
  each_vector("list_vectors", [](const JsonValue& input, const JsonValue& expected) {
    std::vector<ssh::Identity> identities;
    for (const JsonValue& key : input["keys"].elements()) {
      identities.push_back(
          {decoded(key["blob_b64"].string_or("")), std::string(key["comment"].string_or(""))});
    }
    const Payload payload(encode_keys(identities));
    CHECK(payload.value.members().size() == 1);
    REQUIRE(payload.value["keys"].is_array());
    const auto keys = payload.value["keys"].elements();
    const auto wanted = expected["keys"].elements();
    REQUIRE(keys.size() == wanted.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      CHECK(keys[i].members().size() == 3);
      CHECK(keys[i]["format"].string_or("") == wanted[i]["format"].string_or("-"));
      CHECK(without_padding(keys[i]["blob"].string_or("")) == wanted[i]["blob"].string_or("-"));
      CHECK(keys[i]["comment"].string_or("") == wanted[i]["comment"].string_or("-"));
    }
  });
}

TEST_CASE("signatures have the form that existing guests read") {
  each_vector("sign_vectors", [](const JsonValue& input, const JsonValue& expected) {
    const ssh::Signature signature{std::string(input["format"].string_or("")),
                                   decoded(input["blob_b64"].string_or("")), ""};
    const Payload payload(encode_signature_payload(signature));
    CHECK(payload.value.members().size() == expected.members().size());
    CHECK(payload.value["format"].string_or("") == expected["format"].string_or("-"));
    CHECK(without_padding(payload.value["blob"].string_or("")) == expected["blob"].string_or("-"));
    CHECK(payload.value["rest"].string_or("-") == expected["rest"].string_or(""));
  });
}

TEST_CASE("the status has the form that existing guests read") {
  each_vector("status_vectors", [](const JsonValue& input, const JsonValue& expected) {
    const auto count = static_cast<std::size_t>(input["key_count"].integer().value());
    const Payload payload(encode_ssh_status(input["mode"].string_or(""), count));
    CHECK(payload.value.members().size() == expected.members().size());
    CHECK(payload.value["connected"].boolean() == expected["connected"].boolean());
    CHECK(payload.value["mode"].string_or("") == expected["mode"].string_or("-"));
    CHECK(payload.value["key_count"].integer() == expected["key_count"].integer());
  });
}

TEST_CASE("errors have the form that existing guests read") {
  each_vector("error_vectors", [](const JsonValue& input, const JsonValue& expected) {
    const Payload payload(error_payload(input["error"].string_or(""), input["code"].string_or("")));
    CHECK(payload.value.members().size() == expected.members().size());
    CHECK(payload.value["error"].string_or("") == expected["error"].string_or("-"));
    CHECK(payload.value["code"].string_or("") == expected["code"].string_or("-"));
  });
}

TEST_CASE("requests without binds are what existing hosts read") {
  CHECK(encode_list_payload({}) == R"({"operation":"list"})");
  ssh::SignRequest request;
  request.key_blob = ed25519();
  request.data = "data";
  request.flags = 4;
  CHECK(encode_sign_payload(request) ==
        fmt::format(R"({{"operation":"sign","public_key":"{}","data":"ZGF0YQ==","flags":4}})",
                    base64_encode(ed25519())));
}

TEST_CASE("a sign request is read as it was written, binds and all") {
  ssh::SignRequest request;
  request.key_blob = ed25519();
  request.data = std::string("\0\xff\n", 3);
  request.flags = 0xffffffff;
  request.binds = {make_bind(1), make_bind(2, false)};
  const Payload payload(encode_sign_payload(request));
  const auto read = decode_sign_request(payload.value);
  REQUIRE(read);
  CHECK(read->key_blob == request.key_blob);
  CHECK(read->data == request.data);
  CHECK(read->flags == request.flags);
  CHECK(read->binds == request.binds);
}

TEST_CASE("the binds of a list are read as they were written") {
  const std::vector<ssh::SessionBind> binds{make_bind(1), make_bind(2)};
  CHECK(decode_binds(Payload(encode_list_payload(binds)).value).value() == binds);
  CHECK(decode_binds(Payload("{}").value).value().empty());
  CHECK(decode_binds(Payload(R"({"session_binds":null})").value).value().empty());
  CHECK(decode_binds(Payload(R"({"session_binds":[]})").value).value().empty());
}

std::string bind_json(std::string_view name = {}, std::string_view value = {}) {
  const ssh::SessionBind bind = make_bind();
  const auto text = [&](std::string_view field, const std::string& bytes) {
    return field == name ? std::string(value) : fmt::format("\"{}\"", base64_encode(bytes));
  };
  return fmt::format(
      R"({{"session_binds":[{{"host_key":{},"session_id":{},"signature":{},"forwarding":{}}}]}})",
      text("host_key", bind.host_key), text("session_id", bind.session_id), text("signature", bind.signature),
      name == "forwarding" ? value : "true");
}

TEST_CASE("a bind that is malformed anywhere is refused") {
  CHECK(decode_binds(Payload(bind_json()).value));
  std::vector<std::string> payloads{R"({"session_binds":{}})",           R"({"session_binds":"x"})",
                                    R"({"session_binds":[1]})",          R"({"session_binds":[{}]})",
                                    bind_json("forwarding", "\"true\""), bind_json("forwarding", "null")};
  for (const std::string_view field : {"host_key", "session_id", "signature"}) {
    for (const std::string_view value : {"null", "7", "\"\"", "\"*\"", "\"AAAA\\n\"", "\"AA==AA==\""}) {
      payloads.push_back(bind_json(field, value));
    }
  }
  payloads.push_back(bind_json("host_key", "\"AAAA\""));
  payloads.push_back(
      bind_json("session_id", "\"" + base64_encode(std::string(ssh::kMaxSessionId + 1, 'x')) + "\""));
  for (const std::string& text : payloads) {
    const Payload payload(text);
    const auto binds = decode_binds(payload.value);
    INFO(text);
    REQUIRE_FALSE(binds);
    CHECK(binds.error().text() == "invalid session bind");
  }
}

TEST_CASE("so many binds are taken, and no more") {
  std::vector<ssh::SessionBind> binds;
  for (std::size_t i = 0; i < ssh::kMaxSessionBinds; ++i) binds.push_back(make_bind(static_cast<int>(i)));
  CHECK(decode_binds(Payload(encode_list_payload(binds)).value).value().size() == ssh::kMaxSessionBinds);
  binds.push_back(make_bind(99));
  const auto refused = decode_binds(Payload(encode_list_payload(binds)).value);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text() == "too many session binds");
}

TEST_CASE("a public key may be the wire form alone or the documented line") {
  const std::string blob = base64_encode(ed25519());
  const std::string key =
      GENERATE_COPY(as<std::string>{}, blob, "ssh-ed25519 " + blob, "ssh-ed25519 " + blob + " a b");
  const Payload payload(fmt::format(R"({{"public_key":"{}","data":"","flags":2}})", key));
  const auto request = decode_sign_request(payload.value);
  REQUIRE(request);
  CHECK(request->key_blob == ed25519());
  CHECK(request->data.empty());
  CHECK(request->flags == 2);
  CHECK(request->binds.empty());
}

TEST_CASE("flags that are absent are none") {
  CHECK(decode_sign_request(Payload(sign_payload(R"("data":"AA==")")).value)->flags == 0);
  CHECK(decode_sign_request(Payload(sign_payload(R"("data":"AA==","flags":null)")).value)->flags == 0);
}

TEST_CASE("flags that are no number of 32 bits are refused, not taken for none") {
  for (const std::string_view flags : {"\"2\"", "2.0", "-1", "4294967296", "true", "[2]", "1e300"}) {
    const Error error = sign_error(sign_payload(fmt::format(R"("data":"AA==","flags":{})", flags)));
    CHECK(error.text() == "invalid sign flags");
    CHECK(error.code() == Errc::kInvalid);
  }
}

TEST_CASE("a public key that is not base64 has the known text") {
  const std::string key = GENERATE(as<std::string>{}, "*", "AAA", "ssh-ed25519 *", "AAAA\\n", "AAAA=AAA");
  const Error error = sign_error(fmt::format(R"({{"public_key":"{}","data":""}})", key));
  CHECK(error.text() == "invalid public key encoding");
  CHECK(error.code() == Errc::kInvalid);
}

TEST_CASE("a public key that is no key has the known text") {
  const std::string huge = base64_encode(key_blob("ssh-ed25519") + std::string(ssh::kMaxKeyBlob, 'x'));
  const std::string fields =
      GENERATE_COPY(as<std::string>{}, "", R"("public_key":"",)", R"("public_key":7,)",
                    R"("public_key":"AAAA",)", R"("public_key":"AAAAAA==",)",
                    R"("public_key":"ssh-ed25519 ",)", fmt::format(R"("public_key":"{}",)", huge));
  const Error error = sign_error("{" + fields + R"("data":""})");
  CHECK(error.text() == "invalid public key");
  CHECK(error.code() == Errc::kNotFound);
}

TEST_CASE("a public key in another form than its own is no key") {
  // ssh-agent signs with the key of the first one when it is asked for the others: they have other
  // fingerprints.
  const auto rsa = [](std::string_view exponent) {
    std::string blob;
    ssh::WireWriter(blob).string("ssh-rsa").string(exponent).mpint(std::string(256, 'n'));
    return encode_sign_payload({blob, "data", 0, {}});
  };
  JsonDocument document;
  CHECK(decode_sign_request(*document.parse(rsa("\x01\x01"))));
  CHECK(sign_error(rsa(std::string_view("\0\x01\x01", 3))).text() == "invalid public key");
  CHECK(sign_error(rsa(std::string_view("\0\0\x01\x01", 4))).text() == "invalid public key");
}

TEST_CASE("data that is not base64 has the known text") {
  for (const std::string_view fields :
       {R"("flags":0)", R"("data":7)", R"("data":null)", R"("data":"*")", R"("data":"AAA")"}) {
    const Error error = sign_error(sign_payload(fields));
    CHECK(error.text() == "invalid challenge data encoding");
    CHECK(error.code() == Errc::kInvalid);
  }
}

TEST_CASE("what is no object is no sign request") {
  for (const std::string_view text : {"null", "[]", "7", "\"x\""})
    CHECK(sign_error(text).code() == Errc::kNotFound);
}

TEST_CASE("keys are read as they were written") {
  const std::vector<ssh::Identity> identities{{ed25519(), "me@home"}, {security_key(), "a \"b\"\n"}};
  CHECK(decode_keys(Payload(encode_keys(identities)).value).value() == identities);
  CHECK(encode_keys({}) == R"({"keys":[]})");
}

TEST_CASE("a key without a type is left out, and a comment that is not UTF-8 is made readable") {
  const std::string payload = encode_keys({{"junk", "x"}, {"", ""}, {ed25519(), "\xff"}});
  const auto keys = decode_keys(Payload(payload).value);
  REQUIRE(keys);
  REQUIRE(keys->size() == 1);
  CHECK(keys->front().comment == "\xef\xbf\xbd");
}

TEST_CASE("a list of keys that is none breaks the protocol") {
  const std::string text =
      GENERATE(as<std::string>{}, "null", "[]", "{}", R"({"keys":null})", R"({"keys":{}})", R"({"keys":[7]})",
               R"({"keys":[{}]})", R"({"keys":[{"blob":7}]})", R"({"keys":[{"blob":"*"}]})");
  const Payload payload(text);
  const auto keys = decode_keys(payload.value);
  INFO(text);
  REQUIRE_FALSE(keys);
  CHECK(keys.error().code() == Errc::kProtocol);
}

TEST_CASE("more keys than an agent may have are refused") {
  std::string text = R"({"keys":[)";
  for (std::size_t i = 0; i <= ssh::kMaxIdentities; ++i) text += R"({"blob":""},)";
  text.back() = ']';
  const Payload payload(text + "}");
  const auto keys = decode_keys(payload.value);
  REQUIRE_FALSE(keys);
  CHECK(keys.error().code() == Errc::kLimit);
  CHECK(keys.error().text() == "the answer lists 2049 keys");
}

TEST_CASE("a signature is read as it was written, what is behind its blob included") {
  const ssh::Signature signature{"sk-ssh-ed25519@openssh.com", std::string(64, 's'),
                                 std::string("\1\0\0\0\7", 5)};
  CHECK(decode_signature_payload(Payload(encode_signature_payload(signature)).value).value() == signature);
}

TEST_CASE("hosts that have no rest leave it out") {
  for (const std::string_view rest : {"", R"(,"rest":"")", R"(,"rest":null)", R"(,"rest":7)"}) {
    const Payload payload(fmt::format(R"({{"format":"ssh-ed25519","blob":"AAAA"{}}})", rest));
    const auto signature = decode_signature_payload(payload.value);
    REQUIRE(signature);
    CHECK(signature->rest.empty());
  }
}

TEST_CASE("a signature that is none breaks the protocol") {
  const std::string text =
      GENERATE(as<std::string>{}, "null", "{}", R"({"format":"x"})", R"({"blob":"AAAA"})",
               R"({"format":"","blob":"AAAA"})", R"({"format":7,"blob":"AAAA"})",
               R"({"format":"x","blob":"*"})", R"({"format":"x","blob":"AAAA","rest":"*"})");
  const Payload payload(text);
  const auto signature = decode_signature_payload(payload.value);
  INFO(text);
  REQUIRE_FALSE(signature);
  CHECK(signature.error().code() == Errc::kProtocol);
}

}  // namespace
}  // namespace shed::broker
