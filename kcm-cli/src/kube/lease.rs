//! The Lease that candidates use for leader election.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value, json};
use thiserror::Error;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// First year that is rejected as invalid. Durations can be added to any earlier time.
const LATEST_YEAR: i32 = 9000;

/// Namespace of kube-controller-manager's Lease.
pub const LEASE_NAMESPACE: &str = "kube-system";
/// Name of kube-controller-manager's Lease. kcm refuses the flag that would change it.
pub const LEASE_NAME: &str = "kube-controller-manager";

/// Identity of a Lease holder. kube-controller-manager uses `<hostname>_<uuid>`, with a new UUID
/// for each process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder(String);

impl Holder {
    /// Returns the identity as in the Lease.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the host name in the identity, as the kernel of that host reports it. `None` if the
    /// identity has no `_`.
    #[must_use]
    pub fn hostname(&self) -> Option<&str> {
        self.0.rsplit_once('_').map(|(hostname, _)| hostname)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A Lease as read. The whole object is kept, so that an update does not lose unknown fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    holder: Option<Holder>,
    acquired: Option<OffsetDateTime>,
    renewed: Option<OffsetDateTime>,
    duration: Option<Duration>,
    transitions: Option<u64>,
    strategy: Option<String>,
    preferred_holder: Option<String>,
    resource_version: String,
    object: Value,
}

/// An error of an object that is not a valid Lease.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid {field} in the Lease: {value}")]
#[non_exhaustive]
pub struct LeaseError {
    /// Name of the invalid field.
    pub field: &'static str,
    /// Value of the field, as JSON.
    pub value: String,
}

impl Lease {
    /// Parses a Lease and keeps the whole object. An update without the fields of a newer client
    /// would remove them.
    ///
    /// # Errors
    /// The object is not a Lease with a resource version, or a field is invalid.
    pub fn from_object(object: Value) -> Result<Self, LeaseError> {
        let at = |path: &str| object.pointer(path).unwrap_or(&Value::Null);
        if at("/kind") != "Lease" {
            return Err(wrong("kind", at("/kind")));
        }
        if !at("/spec").is_object() && !at("/spec").is_null() {
            return Err(wrong("spec", at("/spec")));
        }
        // An update without a resource version would overwrite concurrent changes.
        let version = at("/metadata/resourceVersion");
        let Some(resource_version) = text(("resourceVersion", version))? else {
            return Err(wrong("resourceVersion", version));
        };
        let spec = |field: &'static str| (field, at("/spec").get(field).unwrap_or(&Value::Null));
        Ok(Self {
            holder: text(spec("holderIdentity"))?.map(Holder),
            acquired: moment(spec("acquireTime"))?,
            renewed: moment(spec("renewTime"))?,
            duration: number(spec("leaseDurationSeconds"))?.map(Duration::from_secs),
            transitions: number(spec("leaseTransitions"))?,
            strategy: text(spec("strategy"))?,
            preferred_holder: text(spec("preferredHolder"))?,
            resource_version,
            object,
        })
    }

    /// Returns the holder, if any. A holder that releases the Lease leaves an empty identity, which
    /// counts as none.
    #[must_use]
    pub fn holder(&self) -> Option<&Holder> {
        self.holder.as_ref()
    }

    /// Time at which the holder acquired the Lease, by the holder's clock.
    #[must_use]
    pub fn acquired(&self) -> Option<OffsetDateTime> {
        self.acquired
    }

    /// Time at which the holder last renewed the Lease, by the holder's clock.
    #[must_use]
    pub fn renewed(&self) -> Option<OffsetDateTime> {
        self.renewed
    }

    /// Time that candidates wait after the last renewal that they observed.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.duration
    }

    /// Number of times that the Lease has changed holders.
    #[must_use]
    pub fn transitions(&self) -> Option<u64> {
        self.transitions
    }

    /// The strategy by which the API server picks a leader in coordinated leader election
    /// (KEP-4355).
    #[must_use]
    pub fn strategy(&self) -> Option<&str> {
        self.strategy.as_deref()
    }

    /// The holder that the strategy prefers.
    #[must_use]
    pub fn preferred_holder(&self) -> Option<&str> {
        self.preferred_holder.as_deref()
    }

    /// The resource version that an update must name.
    #[must_use]
    pub fn resource_version(&self) -> &str {
        &self.resource_version
    }

    /// Returns the whole object.
    #[must_use]
    pub fn object(&self) -> &Value {
        &self.object
    }

    /// Returns this Lease, released at `now`. All other fields and the resource version stay as
    /// read.
    ///
    /// The same fields change as in `LeaderElector.release` of client-go (tools/leaderelection).
    /// The holder becomes empty, the duration one second, and both times `now`. The number of
    /// transitions stays. Candidates take a Lease without a holder regardless of its times.
    #[must_use]
    pub fn freed(&self, now: OffsetDateTime) -> Self {
        let mut object = self.object.clone();
        if let Some(fields) = object.as_object_mut() {
            let mut spec = match fields.remove("spec") {
                Some(Value::Object(spec)) => spec,
                _ => Map::new(),
            };
            let time = json!(micro(now));
            spec.insert("holderIdentity".to_owned(), json!(""));
            spec.insert("leaseDurationSeconds".to_owned(), json!(1));
            spec.insert("acquireTime".to_owned(), time.clone());
            spec.insert("renewTime".to_owned(), time);
            fields.insert("spec".to_owned(), Value::Object(spec));
        }
        Self {
            holder: None,
            acquired: Some(now),
            renewed: Some(now),
            duration: Some(Duration::from_secs(1)),
            object,
            ..self.clone()
        }
    }
}

/// Formats a `MicroTime`. The API server requires exactly six fractional digits.
fn micro(time: OffsetDateTime) -> String {
    let time = time.to_offset(time::UtcOffset::UTC);
    let (date, hour, minute, second) = (time.date(), time.hour(), time.minute(), time.second());
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{:06}Z", time.microsecond())
}

/// Name and value of a field.
type Field<'v> = (&'static str, &'v Value);

fn text((field, value): Field<'_>) -> Result<Option<String>, LeaseError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        other => Err(wrong(field, other)),
    }
}

fn moment((field, value): Field<'_>) -> Result<Option<OffsetDateTime>, LeaseError> {
    // A UTC offset can move a time out of the supported years.
    let read = |text: String| {
        let time = OffsetDateTime::parse(&text, &Rfc3339).ok()?;
        time.checked_to_offset(UtcOffset::UTC)
            .filter(|time| (1..LATEST_YEAR).contains(&time.year()))
    };
    match text((field, value))? {
        Some(text) => read(text).map(Some).ok_or_else(|| wrong(field, value)),
        None => Ok(None),
    }
}

fn number((field, value): Field<'_>) -> Result<Option<u64>, LeaseError> {
    match value {
        Value::Null => Ok(None),
        // Both fields are `int32` in the API.
        number => match number.as_u64() {
            Some(known) if known <= i32::MAX.unsigned_abs().into() => Ok(Some(known)),
            _ => Err(wrong(field, number)),
        },
    }
}

fn wrong(field: &'static str, value: &Value) -> LeaseError {
    LeaseError { field, value: value.to_string() }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn object() -> Value {
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": LEASE_NAME, "namespace": LEASE_NAMESPACE, "resourceVersion": "417",
                "uid": "1", "annotations": {"a": "b"}, "later": {"unknown": [1, 2.5, null]},
                "managedFields": [{"manager": "kube-controller-manager", "time": "2026-11-23T06:00:00Z"}],
            },
            "spec": {
                "holderIdentity": "k8s_master_01_5f0c", "leaseDurationSeconds": 15, "leaseTransitions": 3,
                "acquireTime": "2026-11-23T06:00:00.000001Z", "renewTime": "2026-11-23T08:00:02.5+02:00",
                "strategy": "OldestEmulationVersion", "preferredHolder": "k8s-master-02_x", "later": 7,
            },
        })
    }

    #[test]
    fn everything_is_read_and_the_holder_taken_apart_at_its_last_underscore() {
        let lease = Lease::from_object(object()).unwrap();
        assert_eq!(lease.holder().and_then(Holder::hostname), Some("k8s_master_01"));
        assert_eq!(lease.acquired(), Some(datetime!(2026-11-23 06:00:00.000001 UTC)));
        assert_eq!(lease.renewed(), Some(datetime!(2026-11-23 06:00:02.5 UTC)));
        assert_eq!(lease.duration(), Some(Duration::from_secs(15)));
        assert_eq!(lease.transitions(), Some(3));
        assert_eq!(lease.strategy(), Some("OldestEmulationVersion"));
        assert_eq!(lease.preferred_holder(), Some("k8s-master-02_x"));
        assert_eq!(lease.resource_version(), "417");
        assert_eq!(Holder("nobody".to_owned()).hostname(), None);
    }

    #[test]
    fn freeing_changes_four_fields_and_nothing_else_of_the_object() {
        let lease = Lease::from_object(object()).unwrap();
        let freed = lease.freed(datetime!(2026-11-23 08:00:07.25 +2));
        let mut expected = object();
        let spec = &mut expected["spec"];
        spec["holderIdentity"] = json!("");
        spec["leaseDurationSeconds"] = json!(1);
        spec["acquireTime"] = json!("2026-11-23T06:00:07.250000Z");
        spec["renewTime"] = json!("2026-11-23T06:00:07.250000Z");
        assert_eq!(*freed.object(), expected);
        assert_eq!(Lease::from_object(freed.object().clone()).unwrap(), freed);
    }

    #[test]
    fn what_is_no_lease_is_refused_by_its_field() {
        let cases = [
            ("/kind", json!("Status"), "kind"),
            ("/metadata/resourceVersion", json!(""), "resourceVersion"),
            ("/metadata/resourceVersion", Value::Null, "resourceVersion"),
            ("/spec", json!("x"), "spec"),
            ("/spec/holderIdentity", json!(1), "holderIdentity"),
            ("/spec/renewTime", json!("yesterday"), "renewTime"),
            ("/spec/renewTime", json!("9999-12-31T23:59:59-23:59"), "renewTime"),
            ("/spec/acquireTime", json!("0000-01-01T00:00:00+23:59"), "acquireTime"),
            ("/spec/leaseDurationSeconds", json!(u64::MAX), "leaseDurationSeconds"),
            ("/spec/leaseTransitions", json!(u64::MAX), "leaseTransitions"),
            ("/spec/acquireTime", json!(1), "acquireTime"),
            ("/spec/leaseDurationSeconds", json!(-1), "leaseDurationSeconds"),
            ("/spec/strategy", json!({}), "strategy"),
        ];
        for (at, value, field) in cases {
            let mut object = object();
            *object.pointer_mut(at).unwrap() = value;
            assert_eq!(Lease::from_object(object).unwrap_err().field, field, "{at}");
        }
        assert_eq!(Lease::from_object(json!([])).unwrap_err().field, "kind");
        let bare = json!({"kind": "Lease", "metadata": {"resourceVersion": "1"}});
        let bare = Lease::from_object(bare).unwrap();
        assert_eq!((bare.holder(), bare.duration()), (None, None));
        assert_eq!(
            bare.freed(datetime!(2026-11-23 06:00 UTC)).object()["spec"]["holderIdentity"],
            ""
        );
    }
}
