// Prints the ARN of the credentials that the SDK's default chain finds.
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

try {
  const identity = await new STSClient({}).send(new GetCallerIdentityCommand({}));
  console.log(identity.Arn);
} catch (error) {
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
}
