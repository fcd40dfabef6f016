//! Why the API server gave no answer that is of use.

use std::fmt;
use std::time::Duration;

use thiserror::Error;
use time::OffsetDateTime;

use super::clock::ClockOffset;
use crate::util::words::{in_full, moment};

/// What went wrong, at which server, and from where it was asked.
#[derive(Debug, Error)]
#[error("{server}, asked from {from}: {problem}")]
pub struct ApiError {
    /// The server's URL.
    pub server: Box<str>,
    /// A master's name, or `here`.
    pub from: Box<str>,
    /// What, and how to mend it.
    pub problem: Problem,
}

impl ApiError {
    /// Whether the request may have been carried out all the same, so that only asking again tells.
    ///
    /// etcd's own timeouts arrive as a 500, a load balancer's as a 502 or 504: no 5xx is a "no".
    #[must_use]
    pub fn is_fate_unknown(&self) -> bool {
        match self.problem {
            Problem::Lost { .. } | Problem::Garbage { .. } => true,
            Problem::TimedOut { step, .. } => step == Step::Answer,
            Problem::Unavailable { code, .. } => code >= 500,
            _ => false,
        }
    }

    /// What is wrong, and what to do: its text ends with that.
    pub(crate) fn with_mend(&self) -> (String, String) {
        let text = format!("{}: {}", self.server, self.problem);
        let (said, mend) = text.rsplit_once("; ").unwrap_or((text.as_str(), "see to that first"));
        (said.to_owned(), mend.to_owned())
    }

    /// Whether the server is not to be had at all just now, as opposed to refusing us.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        use Problem::{Closed, Lost, Refused, TimedOut, Unavailable, Unknown};
        matches!(
            self.problem,
            Refused | Unknown { .. } | TimedOut { .. } | Closed | Lost { .. } | Unavailable { .. }
        )
    }
}

/// What took too long.
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

/// The problems that are told apart, because their mends differ.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Problem {
    /// Nobody listens.
    #[error(
        "nobody listens there, or its name is unknown where it was asked from; start kube-apiserver or the load balancer before it, or correct `cluster.server`"
    )]
    Refused,
    /// The name leads nowhere, or there is no route.
    #[error(
        "cannot be reached: {reason}; correct `cluster.server`, or the name's entry in DNS or /etc/hosts"
    )]
    Unknown {
        /// What the system says.
        reason: String,
    },
    /// Something did not happen in time.
    #[error(
        "{step} within {} s; see whether a firewall drops packets on the way, or the server is overloaded",
        patience.as_secs_f64()
    )]
    TimedOut {
        /// What.
        step: Step,
        /// How long was waited.
        patience: Duration,
    },
    /// Connections are taken and closed before a word is said.
    #[error(
        "takes connections and closes them at once, as a load balancer does that has no live server behind it; start kube-apiserver"
    )]
    Closed,
    /// The connection broke after the request may have been sent.
    #[error("the connection was lost in the middle ({reason}); ask again")]
    Lost {
        /// What happened.
        reason: String,
    },
    /// The sshd of the master lets no connection through.
    #[error(
        "the sshd of {master} forwards nothing; allow it with `AllowTcpForwarding local` in its sshd_config"
    )]
    ForwardingForbidden {
        /// The master.
        master: String,
    },
    /// The master gives no stream for another reason.
    #[error("there is no way through the master: {reason}")]
    Way {
        /// Why, and how to mend it.
        reason: String,
    },
    /// What answers speaks something else than TLS.
    #[error(
        "what answers there speaks no TLS; `cluster.server` must name the secure port of kube-apiserver"
    )]
    NoTls,
    /// The server's certificate is no certificate of the CA.
    #[error(
        "its certificate was not signed by the CA that was given{}; give kcm the CA of this cluster, or correct `cluster.server`",
        issued_by(issuer.as_deref())
    )]
    AnotherCa {
        /// The issuer that it names, where it could be read: it may have the CA's name and another key.
        issuer: Option<String>,
    },
    /// The server's certificate is for other names.
    #[error(
        "its certificate is for {}, not for {expected}; issue it with that among its hosts, too, or name one of these in `cluster.server`",
        listed(presented)
    )]
    AnotherName {
        /// The host of the URL.
        expected: String,
        /// The names and addresses in the certificate.
        presented: Vec<String>,
    },
    /// The server's certificate has ended.
    #[error(
        "its certificate expired on {}; it is {} here; renew it", moment(*not_after), moment(*now)
    )]
    ServerCertificateExpired {
        /// Its last second.
        not_after: OffsetDateTime,
        /// When that was seen, by this machine's clock.
        now: OffsetDateTime,
    },
    /// The server's certificate has not begun.
    #[error(
        "its certificate is valid from {}; it is {} here; set this machine's clock, or the clock of who issued it",
        moment(*not_before), moment(*now)
    )]
    ServerCertificateNotYetValid {
        /// Its first second.
        not_before: OffsetDateTime,
        /// When that was seen, by this machine's clock.
        now: OffsetDateTime,
    },
    /// The server's certificate is wrong in another way.
    #[error("its certificate cannot be a server's: {reason}; issue another")]
    ServerCertificate {
        /// In which.
        reason: String,
    },
    /// TLS failed in another way.
    #[error("TLS failed: {reason}")]
    Tls {
        /// In which.
        reason: String,
    },
    /// The server knows nobody by these credentials.
    #[error("does not accept the credentials: {reason}")]
    Unauthenticated {
        /// Why, as far as that can be told, and how to mend it.
        reason: String,
    },
    /// The server took us for somebody without credentials.
    #[error(
        "takes us for system:anonymous: the client certificate did not arrive; a proxy that ends TLS must pass connections through instead"
    )]
    Anonymous,
    /// The server takes us for somebody else.
    #[error("takes us for {found:?} instead of {expected:?}; issue the certificate for that user")]
    WrongUser {
        /// The user as the server names it.
        found: String,
        /// The user that it must be.
        expected: String,
    },
    /// It knows us, but we may not.
    #[error(
        "forbids to {verb}: {message}; restore the stock RBAC roles (kube-apiserver does when it starts), or grant it"
    )]
    Forbidden {
        /// What was asked for.
        verb: String,
        /// The server's words.
        message: String,
    },
    /// The clocks differ.
    #[error(
        "its clock is {offset} off ours, and at most {} s are safe; synchronise both, with chrony for example",
        tolerance.as_secs()
    )]
    Clock {
        /// The server's clock against ours.
        offset: ClockOffset,
        /// The greatest that was allowed.
        tolerance: Duration,
    },
    /// The object was changed since it was read.
    #[error("the object has been changed meanwhile: {message}")]
    Conflict {
        /// The server's words.
        message: String,
    },
    /// It cannot answer now.
    #[error("cannot answer now ({code}): {message}; see its log, and etcd's")]
    Unavailable {
        /// The status code.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// It refuses a request for a reason of its own.
    #[error("refuses the request ({code}): {message}")]
    Refusal {
        /// The status code.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The answer makes no sense.
    #[error("does not answer as a Kubernetes API server does: {what}; correct `cluster.server`")]
    Garbage {
        /// What came instead.
        what: String,
    },
    /// Something that was given cannot be used, and nothing was asked.
    #[error("{what} cannot be used: {reason}")]
    Unusable {
        /// What: a certificate, a key, a kubeconfig, a request.
        what: String,
        /// Why.
        reason: String,
    },
}

/// A request that cannot even be built.
pub(super) fn unsendable(error: &dyn std::error::Error) -> Problem {
    Problem::Unusable { what: "the request".to_owned(), reason: in_full(error) }
}

fn issued_by(issuer: Option<&str>) -> String {
    issuer.map_or_else(String::new, |issuer| format!(" (it names {issuer:?} as its issuer)"))
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") }
}
