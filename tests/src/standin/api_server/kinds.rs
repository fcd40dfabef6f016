//! The kinds of stored objects and their paths in the API.

/// A kind of objects.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    #[expect(clippy::struct_field_names, reason = "the field of that name in every object")]
    pub(super) kind: &'static str,
    pub(super) plural: &'static str,
    pub(super) short: &'static [&'static str],
    pub(super) is_namespaced: bool,
    /// True if the server counts changes of `spec` in `metadata.generation`.
    pub(super) has_generation: bool,
    pub(super) subresources: &'static [&'static str],
}

impl Kind {
    /// Returns the `apiVersion`.
    pub(super) fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Returns the plural with the group, as in messages.
    pub(super) fn qualified(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// Reports whether objects have a status that only the subresource changes.
    pub(super) fn has_status(&self) -> bool {
        self.subresources.contains(&"status")
    }
}

/// Returns the kind at a path of the API.
pub(super) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    KINDS
        .iter()
        .find(|kind| (kind.group, kind.version, kind.plural) == (group, version, plural))
        .copied()
}

/// The kind `Namespace`.
pub(super) const NAMESPACES: &Kind = &Kind {
    is_namespaced: false,
    short: &["ns"],
    subresources: &["finalize", "status"],
    ..core("Namespace", "namespaces")
};

/// The kind `ServiceAccount`.
pub(super) const SERVICE_ACCOUNTS: &Kind =
    &Kind { short: &["sa"], subresources: &["token"], ..core("ServiceAccount", "serviceaccounts") };

/// The kind `ConfigMap`.
pub(super) const CONFIG_MAPS: &Kind = &Kind { short: &["cm"], ..core("ConfigMap", "configmaps") };

/// The kind `Secret`.
pub(super) const SECRETS: &Kind = &core("Secret", "secrets");

/// The kind `Endpoints`.
pub(super) const ENDPOINTS: &Kind = &Kind { short: &["ep"], ..core("Endpoints", "endpoints") };

/// The kind `EndpointSlice`.
pub(super) const ENDPOINT_SLICES: &Kind =
    &Kind { group: "discovery.k8s.io", ..core("EndpointSlice", "endpointslices") };

/// The kind `TokenRequest`, which is not stored.
pub(super) const TOKEN_REQUESTS: &Kind =
    &Kind { group: "authentication.k8s.io", ..core("TokenRequest", "tokenrequests") };

/// All stored kinds.
pub(super) const KINDS: &[&Kind] = &[
    NAMESPACES,
    SERVICE_ACCOUNTS,
    CONFIG_MAPS,
    SECRETS,
    ENDPOINTS,
    ENDPOINT_SLICES,
    &Kind { short: &["ev"], ..core("Event", "events") },
    &Kind {
        is_namespaced: false,
        short: &["no"],
        subresources: &["status"],
        ..core("Node", "nodes")
    },
    &Kind { short: &["po"], subresources: &["status"], ..core("Pod", "pods") },
    &Kind {
        short: &["quota"],
        subresources: &["status"],
        ..core("ResourceQuota", "resourcequotas")
    },
    &apps("Deployment", "deployments", &["deploy"]),
    &apps("ReplicaSet", "replicasets", &["rs"]),
    &Kind { group: "coordination.k8s.io", ..core("Lease", "leases") },
];

const fn core(kind: &'static str, plural: &'static str) -> Kind {
    Kind {
        group: "",
        version: "v1",
        kind,
        plural,
        short: &[],
        is_namespaced: true,
        has_generation: false,
        subresources: &[],
    }
}

const fn apps(kind: &'static str, plural: &'static str, short: &'static [&'static str]) -> Kind {
    Kind {
        group: "apps",
        short,
        has_generation: true,
        subresources: &["scale", "status"],
        ..core(kind, plural)
    }
}
