//! One HTTPS request through a byte stream, to a server whose identity is proven by other means or
//! does not matter.

#[cfg(feature = "kube")]
mod client;
#[cfg(feature = "kube")]
mod verifier;

use thiserror::Error;

use super::{Stream, StreamAddress, StreamError, TransportError};
#[cfg(feature = "kube")]
pub(crate) use verifier::{Unexpected, Verifier};

/// A GET request to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsQuestion {
    /// The server, as seen from the master.
    pub address: StreamAddress,
    /// Path of the GET request.
    pub path: &'static str,
}

/// The reason an HTTPS request got no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpsError {
    /// The server could not be reached.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The server was reached but gave no HTTP answer.
    #[error("{address}: no HTTPS response: {reason}")]
    NoAnswer {
        /// The server.
        address: StreamAddress,
        /// The reason.
        reason: String,
    },
}

impl From<TransportError> for HttpsError {
    fn from(error: TransportError) -> Self {
        Self::Stream(error.into())
    }
}

/// The answer of a server, and the certificate that it presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The certificate that the server presented, in DER; `None` if the answer did not
    /// come over TLS.
    pub certificate: Option<Vec<u8>>,
}

/// Sends `question` through `stream`. The certificate of the server is not verified.
///
/// # Errors
/// Returns an error if no answer came within 10 s, or if kcm was built without its feature `kube`.
pub async fn https_over(
    stream: Box<dyn Stream>,
    question: &HttpsQuestion,
) -> Result<HttpsAnswer, HttpsError> {
    #[cfg(feature = "kube")]
    let answer = client::ask(stream, question).await;
    #[cfg(not(feature = "kube"))]
    let answer = {
        drop(stream);
        Err("kcm was built without an HTTPS client (feature `kube`)".to_owned())
    };
    answer.map_err(|reason| HttpsError::NoAnswer { address: question.address.clone(), reason })
}

/// Returns the certificates in DER that a TLS server presents over `stream`, its own first. They
/// are not verified. An error is the reason.
#[cfg(feature = "kube")]
pub(crate) async fn presented_by(
    stream: Box<dyn Stream>,
    address: &StreamAddress,
) -> Result<Vec<Vec<u8>>, String> {
    client::presented(stream, address).await
}
