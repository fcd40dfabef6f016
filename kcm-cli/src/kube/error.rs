//! Errors of requests to the API server.

use std::fmt;
use std::time::Duration;

use thiserror::Error;
use time::OffsetDateTime;

use super::clock::ClockOffset;
use crate::util::words::{in_full, moment};

/// A failed request: the problem, the server, and the origin of the request.
#[derive(Debug, Error)]
#[error("{server}, asked from {from}: {problem}")]
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
        let (said, help) = text.rsplit_once("; ").unwrap_or((text.as_str(), "see to that first"));
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
            Self::Handshake => "a connection, but no TLS handshake",
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
        "nobody listens there, or its name is unknown where it was asked from; start kube-apiserver or the load balancer before it, or correct `cluster.server`"
    )]
    Refused,
    /// The host name cannot be resolved, or no route leads to it.
    #[error(
        "cannot be reached: {reason}; correct `cluster.server`, or the name's entry in DNS or /etc/hosts"
    )]
    Unknown {
        /// The system's error message.
        reason: String,
    },
    /// A phase of the request took too long.
    #[error(
        "{step} within {} s; see whether a firewall drops packets on the way, or the server is overloaded",
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
        "takes connections and closes them at once, as a load balancer does that has no live server behind it; start kube-apiserver"
    )]
    Closed,
    /// The connection broke, possibly after the request was sent.
    #[error("the connection was lost in the middle ({reason}); ask again")]
    Lost {
        /// The cause.
        reason: String,
    },
    /// The master's sshd forbids TCP forwarding.
    #[error(
        "the sshd of {master} forwards nothing; allow it with `AllowTcpForwarding local` in its sshd_config"
    )]
    ForwardingForbidden {
        /// Name of the master.
        master: String,
    },
    /// The master cannot open a stream for another reason.
    #[error("there is no way through the master: {reason}")]
    Way {
        /// The reason and the fix.
        reason: String,
    },
    /// The server does not speak TLS.
    #[error(
        "what answers there speaks no TLS; `cluster.server` must name the secure port of kube-apiserver"
    )]
    NoTls,
    /// The CA did not sign the server's certificate.
    #[error(
        "its certificate was not signed by the CA that was given{}; give kcm the CA of this cluster, or correct `cluster.server`",
        issued_by(issuer.as_deref())
    )]
    AnotherCa {
        /// Issuer in the certificate, if readable. A CA with the same name may have another key.
        issuer: Option<String>,
    },
    /// The server's certificate does not name the host of the URL.
    #[error(
        "its certificate is for {}, not for {expected}; issue it with that among its hosts, too, or name one of these in `cluster.server`",
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
        "its certificate expired on {}; it is {} here; renew it", moment(*not_after), moment(*now)
    )]
    ServerCertificateExpired {
        /// End of the certificate's validity.
        not_after: OffsetDateTime,
        /// Time of the check, by this machine's clock.
        now: OffsetDateTime,
    },
    /// The server's certificate is not valid yet.
    #[error(
        "its certificate is valid from {}; it is {} here; set this machine's clock, or the clock of who issued it",
        moment(*not_before), moment(*now)
    )]
    ServerCertificateNotYetValid {
        /// Start of the certificate's validity.
        not_before: OffsetDateTime,
        /// Time of the check, by this machine's clock.
        now: OffsetDateTime,
    },
    /// The server's certificate is invalid for another reason.
    #[error("its certificate cannot be a server's: {reason}; issue another")]
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
    #[error("does not accept the credentials: {reason}")]
    Unauthenticated {
        /// The probable reason and its fix.
        reason: String,
    },
    /// The server treats the request as anonymous.
    #[error(
        "takes us for system:anonymous: the client certificate did not arrive; a proxy that ends TLS must pass connections through instead"
    )]
    Anonymous,
    /// The server authenticates the credentials as an unexpected user.
    #[error("takes us for {found:?} instead of {expected:?}; issue the certificate for that user")]
    WrongUser {
        /// The user name that the server reports.
        found: String,
        /// The expected user name.
        expected: String,
    },
    /// The user lacks the permission (403).
    #[error(
        "forbids to {verb}: {message}; restore the stock RBAC roles (kube-apiserver does when it starts), or grant it"
    )]
    Forbidden {
        /// The forbidden action.
        verb: String,
        /// Message of the server.
        message: String,
    },
    /// The clocks differ too much.
    #[error(
        "its clock is {offset} off ours, and at most {} s are safe; synchronise both, with chrony for example",
        tolerance.as_secs()
    )]
    Clock {
        /// Offset of the server's clock from this machine's.
        offset: ClockOffset,
        /// Greatest allowed offset.
        tolerance: Duration,
    },
    /// The object has changed since it was read (409).
    #[error("the object has been changed meanwhile: {message}")]
    Conflict {
        /// Message of the server.
        message: String,
    },
    /// The server cannot answer now (429 or 5xx).
    #[error("cannot answer now ({code}): {message}; see its log, and etcd's")]
    Unavailable {
        /// HTTP status code.
        code: u16,
        /// Message of the server.
        message: String,
    },
    /// The server refuses the request for another reason.
    #[error("refuses the request ({code}): {message}")]
    Refusal {
        /// HTTP status code.
        code: u16,
        /// Message of the server.
        message: String,
    },
    /// The answer is not one of a Kubernetes API server.
    #[error("does not answer as a Kubernetes API server does: {what}; correct `cluster.server`")]
    Garbage {
        /// Description of the answer.
        what: String,
    },
    /// An argument cannot be used. No request was sent.
    #[error("{what} cannot be used: {reason}")]
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
    issuer.map_or_else(String::new, |issuer| format!(" (it names {issuer:?} as its issuer)"))
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") }
}
