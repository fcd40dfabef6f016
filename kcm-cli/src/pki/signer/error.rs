//! The error of a signer.

use std::io;
use std::time::Duration;

use kcm_pki::{CertificateChainError, IssueError};
use thiserror::Error;

use super::UnacceptableCertificate;
use crate::pki::OperatorError;

/// The reason a signer returned no certificate that kcm accepts. Nothing was stored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The cluster file has no signer.
    #[error("neither pki.caKey nor pki.signer is set")]
    ByHand,
    /// The program was compiled without support for commands.
    #[error("pki.signer: this program was compiled without the feature `ssh`, which runs commands")]
    NotCompiled,
    /// The CA on this machine cannot be used.
    #[error(transparent)]
    Ca(#[from] OperatorError),
    /// The CA refused to sign.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The answer is not a chain of certificates.
    #[error(transparent)]
    Chain(#[from] CertificateChainError),
    /// A cryptographic library failed.
    #[error("{reason}")]
    Crypto {
        /// Message of the library.
        reason: String,
    },
    /// The command cannot be started.
    #[error("pki.signer: cannot run {program}: {error}")]
    Start {
        /// The program.
        program: String,
        /// The cause.
        error: io::Error,
    },
    /// The command did not end in time, and was killed.
    #[error("pki.signer: {program} did not end within {} s and was killed", timeout.as_secs())]
    Timeout {
        /// The program.
        program: String,
        /// The time that it had.
        timeout: Duration,
    },
    /// The command failed.
    #[error("pki.signer: {program} failed ({status}){}", said(stderr))]
    Failed {
        /// The program.
        program: String,
        /// Exit status of the program.
        status: String,
        /// The end of its standard error.
        stderr: String,
    },
    /// The output of the command is not a certificate.
    #[error("pki.signer: cannot use the output of {program}: {error}{}", said(stderr))]
    Output {
        /// The program.
        program: String,
        /// The problem.
        error: CertificateChainError,
        /// The end of its standard error.
        stderr: String,
    },
    /// The output of the command is too long.
    #[error("pki.signer: {program} wrote more than {limit} bytes")]
    TooLong {
        /// The program.
        program: String,
        /// Longest output that kcm reads, in bytes.
        limit: usize,
    },
    /// The certificate is not the one that was requested.
    #[error("the signed certificate is not acceptable: {0}")]
    Unacceptable(#[from] UnacceptableCertificate),
}

impl SignerError {
    /// Returns the fix, if one is known.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::ByHand => {
                "run `kcm certs request`, have the requests signed, and run `kcm certs import`; or set pki.signer or pki.caKey"
            }
            Self::NotCompiled => "compile with the feature `ssh`",
            Self::Start { .. } => "install the program, or correct pki.signer.command",
            Self::Timeout { .. } => "correct the command, or increase pki.signer.timeout",
            Self::Failed { .. } | Self::Output { .. } | Self::TooLong { .. } => {
                "run the command by hand with a request of `kcm certs request`"
            }
            Self::Unacceptable(error) => error.help(),
            Self::Ca(error) => return error.help(),
            Self::Issue(_) | Self::Chain(_) | Self::Crypto { .. } => return None,
        };
        Some(help.to_owned())
    }
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}
