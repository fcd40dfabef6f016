//! The requests that the audit log records.

use std::fs;
use std::path::Path;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A request that the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Time of receipt.
    pub time: OffsetDateTime,
    /// User, `system:anonymous` without credentials; `None` if the credentials were refused.
    pub user: Option<String>,
    /// SHA-256 of the client certificate in lower case hexadecimal digits, which 1.32 and later
    /// log.
    pub certificate: Option<String>,
    /// Verb as in authorization: `get`, `list`, `create`, `update`, …
    pub verb: String,
    /// Path and query.
    pub uri: String,
    /// The status code.
    pub code: u16,
    /// `User-Agent` header of the client.
    pub user_agent: String,
}

impl Recorded {
    /// Returns the path without the query. client-go adds `?timeout=` to some requests.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.split('?').next().unwrap_or_default()
    }
}

pub(super) fn read(log: &Path) -> Vec<Recorded> {
    let log = fs::read_to_string(log).unwrap_or_default();
    // The last line may be incomplete.
    log.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter_map(|event| recorded(&event))
        .collect()
}

fn recorded(event: &Value) -> Option<Recorded> {
    let is_watch = event["verb"] == "watch";
    let stage = event["stage"].as_str()?;
    let is_refused = event["responseStatus"]["code"].as_u64()? >= 400;
    // An accepted watch counts when it begins. Its end is not a second request.
    let wanted = if is_watch && !is_refused { "ResponseStarted" } else { "ResponseComplete" };
    if stage != wanted {
        return None;
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let extra = &event["user"]["extra"]["authentication.kubernetes.io/credential-id"][0];
    let certificate = extra.as_str().and_then(|id| id.strip_prefix("X509SHA256="));
    Some(Recorded {
        time: OffsetDateTime::parse(event["requestReceivedTimestamp"].as_str()?, &Rfc3339).ok()?,
        user: event["user"]["username"].as_str().map(str::to_owned),
        certificate: certificate.map(str::to_owned),
        verb: text(&event["verb"]),
        uri: text(&event["requestURI"]),
        code: u16::try_from(event["responseStatus"]["code"].as_u64()?).ok()?,
        user_agent: text(&event["userAgent"]),
    })
}
