#include "broker/aws_backend.h"

#include "shed/base/file.h"

namespace shed::broker {
namespace {

class AwsBackend : public aws::CredentialBackend {
 public:
  explicit AwsBackend(async::Loop& loop)
      : sts_(aws::make_sts_client(loop)),
        program_(aws::make_credential_program(loop)),
        sources_(aws::make_source_resolver(loop, *sts_, *program_, environment)),
        service_(loop, *sources_, *sts_) {}

  async::Task<aws::Outcome<aws::SharedCredentials>> get(aws::Grant grant) override {
    return service_.get(std::move(grant));
  }
  std::optional<WallTime> cached_until(const aws::Grant& grant) const override {
    return service_.cached_until(grant);
  }
  std::size_t forget(std::string_view server, std::string_view shed) override {
    return service_.forget(server, shed);
  }

 private:
  std::unique_ptr<aws::StsClient> sts_;
  std::unique_ptr<aws::CredentialProgram> program_;
  std::unique_ptr<aws::SourceResolver> sources_;
  aws::CredentialService service_;
};

}  // namespace

std::unique_ptr<aws::CredentialBackend> make_aws_backend(async::Loop& loop) {
  return std::make_unique<AwsBackend>(loop);
}

}  // namespace shed::broker
