//! Prints the ARN of the credentials that the SDK's default chain finds.

use aws_config::BehaviorVersion;
use std::error::Error;

async fn arn() -> Result<String, Box<dyn Error>> {
    // Endpoint and STS are plain HTTP here, so no TLS library is compiled.
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_config::defaults(BehaviorVersion::v2025_08_07()).http_client(http).load().await;
    let identity = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await?;
    Ok(identity.arn().unwrap_or_default().to_string())
}

/// The SDK's errors say little themselves; what happened is in their causes.
fn with_causes(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_causes(cause)),
        None => error.to_string(),
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(arn()) {
        Ok(arn) => println!("{arn}"),
        Err(error) => {
            eprintln!("{}", with_causes(error.as_ref()));
            std::process::exit(1);
        }
    }
}
