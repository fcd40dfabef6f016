//! Entries and settings of an existing kubeconfig that a new one does not have. Pure.

use kcm_kubeconfig::{Cluster, Context, Fields, Kubeconfig, Named, Parsed, User, Warning};

/// Returns what a replacement by `new` would lose, each as part of a sentence. Values of settings
/// that both have are not compared, because they are replaced on purpose.
pub(super) fn losses(old: &Parsed, new: &Kubeconfig) -> Vec<String> {
    let mut lost: Vec<String> = old.warnings.iter().map(described).collect();
    let document = &old.kubeconfig;
    lost.extend(keys(&document.preferences, "preference"));
    lost.extend(keys(&document.other, "field"));
    lost.extend(of_entries("cluster", &document.clusters, &new.clusters, of_cluster));
    lost.extend(of_entries("context", &document.contexts, &new.contexts, of_context));
    lost.extend(of_entries("user", &document.users, &new.users, of_user));
    lost
}

fn described(warning: &Warning) -> String {
    match warning {
        Warning::CommentsDropped { first, count: 1 } => format!("the comment at {first}"),
        Warning::CommentsDropped { first, count } => format!("{count} comments from {first} on"),
        other => format!("the text at {}", other.at()),
    }
}

fn of_entries<T>(
    kind: &str,
    old: &[Named<T>],
    new: &[Named<T>],
    settings: fn(&T, &T) -> Vec<String>,
) -> Vec<String> {
    let mut lost = Vec::new();
    for entry in old {
        let name = &entry.name;
        let of_entry = |setting: String| format!("{setting} of {kind} `{name}`");
        match new.iter().find(|it| it.name == *name) {
            None => lost.push(format!("{kind} `{name}`")),
            Some(kept) => {
                let all = settings(&entry.entry, &kept.entry).into_iter();
                lost.extend(all.chain(keys(&entry.other, "field")).map(of_entry));
            }
        }
    }
    lost
}

fn of_cluster(old: &Cluster, _: &Cluster) -> Vec<String> {
    let set = [
        ("insecure-skip-tls-verify", old.insecure_skip_tls_verify),
        ("tls-server-name", !old.tls_server_name.is_empty()),
        ("proxy-url", !old.proxy_url.is_empty()),
        ("disable-compression", old.disable_compression),
    ];
    named(set).chain(keys(&old.other, "field")).collect()
}

fn of_context(old: &Context, new: &Context) -> Vec<String> {
    let set = [
        ("namespace", !old.namespace.is_empty()),
        ("cluster", old.cluster != new.cluster),
        ("user", old.user != new.user),
    ];
    named(set).chain(keys(&old.other, "field")).collect()
}

fn of_user(old: &User, _: &User) -> Vec<String> {
    let stale = old.stale_credentials();
    let exec = ["exec", "auth-provider"];
    let others = keys(&old.other, "field").filter(|it| !exec.iter().any(|key| it.contains(key)));
    stale.iter().map(|credential| format!("`{credential}`")).chain(others).collect()
}

fn named<const N: usize>(set: [(&'static str, bool); N]) -> impl Iterator<Item = String> {
    set.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| format!("`{key}`"))
}

fn keys<'f>(fields: &'f Fields, kind: &'f str) -> impl Iterator<Item = String> + 'f {
    fields.iter().map(move |(key, _)| format!("{kind} `{key}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters:\n- cluster: {server: https://a}\n  name: c\n\
                        contexts:\n- context: {cluster: c, user: u}\n  name: x\nusers:\n- name: u\n  user: {client-key: k}\n";

    fn lost(old: &str) -> Vec<String> {
        let new = Kubeconfig::from_yaml(OURS).unwrap().kubeconfig;
        losses(&Kubeconfig::from_yaml(old).unwrap(), &new)
    }

    #[test]
    fn other_values_of_the_same_settings_are_no_loss() {
        let other = OURS.replace("https://a", "https://b").replace("key: k", "key: old");
        assert_eq!(lost(&other), [""; 0]);
        assert_eq!(lost(""), [""; 0]);
    }

    #[test]
    fn whatever_the_new_one_has_not_is_named() {
        for (from, to, expected) in [
            ("name: c\n", "name: d\n", "cluster `d`"),
            ("name: x\n", "name: z\n", "context `z`"),
            ("name: u\n", "name: v\n", "user `v`"),
            ("kind: Config", "kind: Config # ours", "the comment at line 2, column 14"),
            ("kind: Config", "kind: Config\nmine: 1", "field `mine`"),
            ("kind: Config", "kind: Config\npreferences: {colors: true}", "preference `colors`"),
            ("https://a", "https://a, proxy-url: http://p", "`proxy-url` of cluster `c`"),
            ("user: u}", "user: u, namespace: ns}", "`namespace` of context `x`"),
            ("user: u}", "user: w}", "`user` of context `x`"),
            ("key: k", "key: k, token: t", "`token` of user `u`"),
            ("key: k", "key: k, exec: {command: c}", "`exec` of user `u`"),
            ("key: k", "key: k, as: admin", "field `as` of user `u`"),
        ] {
            assert_eq!(lost(&OURS.replacen(from, to, 1)), [expected], "{to}");
        }
    }
}
