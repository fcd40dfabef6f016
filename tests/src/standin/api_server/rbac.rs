//! Authorization: the part of kube-apiserver's bootstrap policy that tests of
//! kube-controller-manager need.
//!
//! Upstream: `policy.go`, `controller_policy.go` and `namespace_policy.go` in
//! `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/`.

use super::identity::User;

/// A requested action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// An action on one or several objects of a kind.
    Resource {
        verb: String,
        group: String,
        /// Plural, followed by `/` and the subresource if there is one.
        resource: String,
        namespace: String,
        name: String,
    },
    /// An action on a path outside the resources.
    Path { verb: String, path: String },
}

/// Returns the binding that allows an action in this minor version; `None` if it is denied.
pub(super) fn decide(user: &User, access: &Access, minor: u32) -> Option<String> {
    let is_in = |group: &str| user.groups.iter().any(|own| own == group);
    if is_in("system:masters") {
        return Some(String::new());
    }
    let found = ROLES.iter().find(|role| {
        let is_bound = match role.subject {
            Subject::User(name) => user.name == name,
            Subject::Group(group) => is_in(group),
            Subject::ServiceAccount(name) => {
                user.name.strip_prefix("system:serviceaccount:kube-system:") == Some(name)
            }
        };
        is_bound && minor >= role.since && role.allows(access)
    })?;
    let subject = match found.subject {
        Subject::User(name) => format!("User \"{name}\""),
        Subject::Group(name) => format!("Group \"{name}\""),
        Subject::ServiceAccount(name) => format!("ServiceAccount \"{name}/kube-system\""),
    };
    let (role, name) = (if found.namespace.is_some() { "" } else { "Cluster" }, found.name);
    Some(format!(
        "RBAC: allowed by {role}RoleBinding \"{name}\" of {role}Role \"{name}\" to {subject}"
    ))
}

/// Returns the message of a denial.
pub(super) fn refusal(user: &User, access: &Access) -> String {
    let user = &user.name;
    match access {
        Access::Path { verb, path } => {
            format!("forbidden: User \"{user}\" cannot {verb} path \"{path}\"")
        }
        Access::Resource { verb, group, resource, namespace, name } => {
            let plural = resource.split('/').next().unwrap_or_default();
            let what =
                if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
            let what = if name.is_empty() { what } else { format!("{what} \"{name}\"") };
            let place = match namespace.as_str() {
                "" => "at the cluster scope".to_owned(),
                namespace => format!("in the namespace \"{namespace}\""),
            };
            format!(
                "{what} is forbidden: User \"{user}\" cannot {verb} resource \"{resource}\" in API \
                 group \"{group}\" {place}"
            )
        }
    }
}

#[derive(Clone, Copy)]
enum Subject {
    User(&'static str),
    Group(&'static str),
    /// A service account in `kube-system`.
    ServiceAccount(&'static str),
}

struct Role {
    name: &'static str,
    /// The first minor version that grants this.
    since: u32,
    subject: Subject,
    namespace: Option<&'static str>,
    rules: &'static [Rule],
}

impl Role {
    fn allows(&self, access: &Access) -> bool {
        self.rules.iter().any(|rule| match (rule, access) {
            (Rule::Paths(paths), Access::Path { verb, path }) => {
                let is_in = |pattern: &&str| match pattern.strip_suffix('*') {
                    Some(start) => path.starts_with(start),
                    None => path == pattern,
                };
                verb == "get" && self.namespace.is_none() && paths.iter().any(is_in)
            }
            (
                Rule::Resources { verbs, groups, resources, names },
                Access::Resource { verb, group, resource, namespace, name },
            ) => {
                let has = |list: &[&str], item: &str| list.contains(&item);
                has(verbs, verb)
                    && (has(groups, group) || has(groups, "*"))
                    && (has(resources, resource) || has(resources, "*"))
                    && (names.is_empty() || has(names, name))
                    && self.namespace.is_none_or(|own| own == namespace)
            }
            _ => false,
        })
    }
}

enum Rule {
    Paths(&'static [&'static str]),
    Resources {
        verbs: &'static [&'static str],
        groups: &'static [&'static str],
        resources: &'static [&'static str],
        names: &'static [&'static str],
    },
}

const fn rule(
    verbs: &'static [&'static str],
    groups: &'static [&'static str],
    resources: &'static [&'static str],
) -> Rule {
    Rule::Resources { verbs, groups, resources, names: &[] }
}

const fn named(
    verbs: &'static [&'static str],
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    names: &'static [&'static str],
) -> Rule {
    Rule::Resources { verbs, groups, resources, names }
}

const fn controller(name: &'static str, rules: &'static [Rule]) -> Role {
    Role { name, since: 0, subject: Subject::ServiceAccount(name), namespace: None, rules }
}

const APPS: &[&str] = &["apps", "extensions"];
const CORE: &[&str] = &[""];
const COORDINATION: &[&str] = &["coordination.k8s.io"];
const REVIEWS: &[&str] = &["authorization.k8s.io"];
const EVENTS: Rule = rule(&["create", "update", "patch"], &["", "events.k8s.io"], &["events"]);
const MANAGER: Subject = Subject::User("system:kube-controller-manager");
const PUBLIC: &[&str] = &["/healthz", "/livez", "/readyz", "/version", "/version/"];

const ISSUER: &[&str] = &[
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/",
    "/openid/v1/jwks",
    "/openid/v1/jwks/",
];

const ROLES: &[Role] = &[
    Role {
        name: "system:kube-controller-manager",
        since: 0,
        subject: MANAGER,
        namespace: None,
        rules: &[
            EVENTS,
            rule(&["create"], COORDINATION, &["leases"]),
            named(&["get", "update"], COORDINATION, &["leases"], &["kube-controller-manager"]),
            rule(&["create"], CORE, &["secrets", "serviceaccounts"]),
            rule(&["delete"], CORE, &["secrets"]),
            rule(&["get"], CORE, &["namespaces", "secrets", "serviceaccounts", "configmaps"]),
            rule(&["update"], CORE, &["secrets", "serviceaccounts"]),
            rule(&["create"], &["authentication.k8s.io"], &["tokenreviews"]),
            rule(&["create"], REVIEWS, &["subjectaccessreviews"]),
            rule(&["list", "watch"], &["*"], &["*"]),
            rule(&["create"], CORE, &["serviceaccounts/token"]),
        ],
    },
    Role {
        name: "system::leader-locking-kube-controller-manager",
        since: 0,
        subject: MANAGER,
        namespace: Some("kube-system"),
        rules: &[
            rule(&["watch"], CORE, &["configmaps"]),
            named(&["get", "update"], CORE, &["configmaps"], &["kube-controller-manager"]),
        ],
    },
    Role {
        name: "system::leader-locking-kube-controller-manager",
        since: 31,
        subject: MANAGER,
        namespace: Some("kube-system"),
        // Granted for coordinated leader election (KEP-4355), whether that is enabled or not.
        rules: &[rule(
            &["create", "get", "list", "update", "watch"],
            COORDINATION,
            &["leases", "leasecandidates"],
        )],
    },
    Role {
        name: "system:public-info-viewer",
        since: 0,
        subject: Subject::Group("system:unauthenticated"),
        namespace: None,
        rules: &[Rule::Paths(PUBLIC)],
    },
    Role {
        name: "system:public-info-viewer",
        since: 0,
        subject: Subject::Group("system:authenticated"),
        namespace: None,
        rules: &[Rule::Paths(PUBLIC)],
    },
    Role {
        name: "system:discovery",
        since: 0,
        subject: Subject::Group("system:authenticated"),
        namespace: None,
        rules: &[Rule::Paths(&["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"])],
    },
    Role {
        name: "system:service-account-issuer-discovery",
        since: 0,
        subject: Subject::Group("system:serviceaccounts"),
        namespace: None,
        rules: &[Rule::Paths(ISSUER)],
    },
    Role {
        name: "system:basic-user",
        since: 0,
        subject: Subject::Group("system:authenticated"),
        namespace: None,
        rules: &[
            rule(&["create"], REVIEWS, &["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
            rule(&["create"], &["authentication.k8s.io"], &["selfsubjectreviews"]),
        ],
    },
    controller(
        "deployment-controller",
        &[
            rule(&["get", "list", "watch", "update"], APPS, &["deployments"]),
            rule(&["update"], APPS, &["deployments/status", "deployments/finalizers"]),
            rule(
                &["get", "list", "watch", "create", "update", "patch", "delete"],
                APPS,
                &["replicasets"],
            ),
            rule(&["get", "list", "watch", "update"], CORE, &["pods"]),
            EVENTS,
        ],
    ),
    controller(
        "replicaset-controller",
        &[
            rule(&["get", "list", "watch", "update"], APPS, &["replicasets"]),
            rule(&["update"], APPS, &["replicasets/status", "replicasets/finalizers"]),
            rule(&["list", "watch", "patch", "create", "delete"], CORE, &["pods"]),
            EVENTS,
        ],
    ),
    controller(
        "generic-garbage-collector",
        &[rule(&["get", "list", "watch", "patch", "update", "delete"], &["*"], &["*"]), EVENTS],
    ),
    controller(
        "namespace-controller",
        &[
            rule(&["get", "list", "watch", "delete"], CORE, &["namespaces"]),
            rule(&["update"], CORE, &["namespaces/finalize", "namespaces/status"]),
            rule(&["get", "list", "watch", "delete", "deletecollection"], &["*"], &["*"]),
        ],
    ),
    controller(
        "resourcequota-controller",
        &[
            rule(&["list", "watch"], &["*"], &["*"]),
            rule(&["update"], CORE, &["resourcequotas/status"]),
            EVENTS,
        ],
    ),
    controller(
        "service-account-controller",
        &[rule(&["create"], CORE, &["serviceaccounts"]), EVENTS],
    ),
    controller(
        "root-ca-cert-publisher",
        &[rule(&["create", "update"], CORE, &["configmaps"]), EVENTS],
    ),
];
