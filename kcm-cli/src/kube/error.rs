//! Errors of requests to the API server.

use std::fmt;
use std::time::Duration;

use thiserror::Error;
use time::OffsetDateTime;

use super::clock::ClockOffset;
use crate::util::words::{in_full, moment};

/// A failed request: the problem, the server, and the origin of the request.
#[derive(Debug, Error)]
#[error("{server}, queried from {from}: {problem}")]
pub struct ApiError {
    /// URL of the server.
    pub server: Box<str>,
    /// Name of the master that the request went through, or `here` for this machine.
    pub from: Box<str>,
    /// The problem; its text includes the fix.
    pub problem: Problem,
}

impl ApiError {
    /// Reports whether the server may have processed the request despite the error. Only a new read
    /// can tell.
    ///
    /// A timeout of etcd arrives as 500, one of a load balancer as 502 or 504. So no 5xx status
    /// proves a rejection.
    #[must_use]
    pub fn is_fate_unknown(&self) -> bool {
        match self.problem {
            Problem::Lost { .. } | Problem::Garbage { .. } => true,
            Problem::TimedOut { step, .. } => step == Step::Answer,
            Problem::Unavailable { code, .. } => code >= 500,
            _ => false,
        }
    }

    /// Splits the text into the problem and the fix, which follows the last semicolon.
    pub(crate) fn with_help(&self) -> (String, String) {
        let text = format!("{}: {}", self.server, self.problem);
        let (said, help) =
            text.rsplit_once("; ").unwrap_or((text.as_str(), "fix this problem first"));
        (said.to_owned(), help.to_owned())
    }

    /// Reports whether the server is unreachable or unavailable, as opposed to refusing the
    /// request.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        use Problem::{Closed, Lost, Refused, TimedOut, Unavailable, Unknown};
        matches!(
            self.problem,
            Refused | Unknown { .. } | TimedOut { .. } | Closed | Lost { .. } | Unavailable { .. }
        )
    }
}

/// The phase of a request that timed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Opening the connection.
    Connect,
    /// The TLS handshake.
    Handshake,
    /// The answer to a request.
    Answer,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection",
            Self::Handshake => "no TLS handshake",
            Self::Answer => "no answer",
        })
    }
}

/// The problems that kcm distinguishes, because their fixes differ.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The connection was refused.
    #[error(
        "connection refused, or the host name cannot be resolved; start kube-apiserver or its load balancer, or correct `cluster.server`"
    )]
    Refused,
    /// The host name cannot be resolved, or no route leads to it.
    #[error(
        "cannot connect: {reason}; correct `cluster.server`, or the host name in DNS or /etc/hosts"
    )]
    Unknown {
        /// The system's error message.
        reason: String,
    },
    /// A phase of the request took too long.
    #[error(
        "{step} within {} s; check whether a firewall drops packets or the server is overloaded",
        patience.as_secs_f64()
    )]
    TimedOut {
        /// The phase.
        step: Step,
        /// The time limit.
        patience: Duration,
    },
    /// The server accepts connections and closes them during the TLS handshake.
    #[error(
        "closes connections during the TLS handshake, as a load balancer without a healthy backend does; start kube-apiserver"
    )]
    Closed,
    /// The connection broke, possibly after the request was sent.
    #[error("the connection was lost during the request ({reason}); run the same command again")]
    Lost {
        /// The cause.
        reason: String,
    },
    /// The master's sshd forbids TCP forwarding.
    #[error(
        "sshd on {master} forbids TCP forwarding; set `AllowTcpForwarding local` in its sshd_config"
    )]
    ForwardingForbidden {
        /// Name of the master.
        master: String,
    },
    /// The master cannot open a stream for another reason.
    #[error("cannot connect through the master: {reason}")]
    Way {
        /// The reason and the fix.
        reason: String,
    },
    /// The server does not speak TLS.
    #[error(
        "the server does not speak TLS; set `cluster.server` to the secure port of kube-apiserver"
    )]
    NoTls,
    /// The CA did not sign the server's certificate.
    #[error(
        "the server certificate was not signed by the given CA{}; provide the CA of this cluster, or correct `cluster.server`",
        issued_by(issuer.as_deref())
    )]
    AnotherCa {
        /// Issuer in the certificate, if readable. A CA with the same name may have another key.
        issuer: Option<String>,
    },
    /// The server's certificate does not name the host of the URL.
    #[error(
        "the server certificate is valid for {}, not for {expected}; add this host to the certificate, or use one of its hosts in `cluster.server`",
        listed(presented)
    )]
    AnotherName {
        /// Host in the URL.
        expected: String,
        /// Names and addresses in the certificate.
        presented: Vec<String>,
    },
    /// The server's certificate has expired.
    #[error(
        "the server certificate expired on {}, and this machine's clock shows {}; renew the certificate", moment(*not_after), moment(*now)
    )]
    ServerCertificateExpired {
        /// End of the certificate's validity.
        not_after: OffsetDateTime,
        /// Time of the check, by this machine's clock.
        now: OffsetDateTime,
    },
    /// The server's certificate is not valid yet.
    #[error(
        "the server certificate is not valid before {}, and this machine's clock shows {}; correct this clock, or the clock of the issuing machine",
        moment(*not_before), moment(*now)
    )]
    ServerCertificateNotYetValid {
        /// Start of the certificate's validity.
        not_before: OffsetDateTime,
        /// Time of the check, by this machine's clock.
        now: OffsetDateTime,
    },
    /// The server's certificate is invalid for another reason.
    #[error("the server certificate is not valid: {reason}; issue another certificate")]
    ServerCertificate {
        /// The reason.
        reason: String,
    },
    /// TLS failed for another reason.
    #[error("TLS failed: {reason}")]
    Tls {
        /// The reason.
        reason: String,
    },
    /// The server rejects the credentials (401).
    #[error("rejects the credentials: {reason}")]
    Unauthenticated {
        /// The probable reason and its fix.
        reason: String,
    },
    /// The server treats the request as anonymous.
    #[error(
        "authenticates kcm as system:anonymous because the client certificate did not arrive; configure the proxy before the server for TLS passthrough"
    )]
    Anonymous,
    /// The server authenticates the credentials as an unexpected user.
    #[error(
        "authenticates kcm as {found:?} instead of {expected:?}; issue the certificate for the expected user"
    )]
    WrongUser {
        /// The user name that the server reports.
        found: String,
        /// The expected user name.
        expected: String,
    },
    /// The user lacks the permission (403).
    #[error(
        "forbids to {verb}: {message}; restore the default RBAC roles (kube-apiserver does this at startup), or grant the permission"
    )]
    Forbidden {
        /// The forbidden action.
        verb: String,
        /// Message of the server.
        message: String,
    },
    /// The clocks differ too much.
    #[error(
        "the server's clock differs from this machine's clock by {offset}, and at most {} s are safe; synchronise both clocks, for example with chrony",
        tolerance.as_secs()
    )]
    Clock {
        /// Offset of the server's clock from this machine's.
        offset: ClockOffset,
        /// Greatest allowed offset.
        tolerance: Duration,
    },
    /// The object has changed since it was read (409).
    #[error("the object was changed concurrently: {message}")]
    Conflict {
        /// Message of the server.
        message: String,
    },
    /// The server cannot answer now (429 or 5xx).
    #[error("is unavailable (HTTP {code}): {message}; check the logs of kube-apiserver and etcd")]
    Unavailable {
        /// HTTP status code.
        code: u16,
        /// Message of the server.
        message: String,
    },
    /// The server refuses the request for another reason.
    #[error("refuses the request (HTTP {code}): {message}")]
    Refusal {
        /// HTTP status code.
        code: u16,
        /// Message of the server.
        message: String,
    },
    /// The answer is not one of a Kubernetes API server.
    #[error(
        "sent an answer that is not valid for a Kubernetes API server: {what}; correct `cluster.server`"
    )]
    Garbage {
        /// Description of the answer.
        what: String,
    },
    /// An argument cannot be used. No request was sent.
    #[error("cannot use {what}: {reason}")]
    Unusable {
        /// The argument: a certificate, a key, a kubeconfig, a request.
        what: String,
        /// The reason.
        reason: String,
    },
}

/// Reports a request that cannot be built.
pub(super) fn unsendable(error: &dyn std::error::Error) -> Problem {
    Problem::Unusable { what: "the request".to_owned(), reason: in_full(error) }
}

fn issued_by(issuer: Option<&str>) -> String {
    issuer.map_or_else(String::new, |issuer| format!(" (its issuer is {issuer:?})"))
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "no host".to_owned() } else { names.join(", ") }
}
