//! Can secrets be reached and decrypted? Over HTTP, by schedule, or by hand.

use secrets_ops_lambda::{Error, serve_health};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve_health().await
}
