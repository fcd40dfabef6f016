//! Paths in a kubeconfig, as texts: the machine they are for need not be this one.

/// Returns the path that kubectl would write for the file `path` into a kubeconfig in the folder `folder`.
///
/// Below the folder it becomes relative (a kubeconfig's relative paths are relative to its own folder), elsewhere it
/// stays absolute; `.`, `..` and doubled slashes are cleaned away, and the result never begins with `../`. Both must be
/// absolute; a `path` that is not is taken as relative to `folder`, and a `folder` that is not changes nothing but
/// the cleaning. Symbolic links are not looked at.
///
/// Reference: `RelativizePathWithNoBacksteps` in
/// <https://github.com/kubernetes/client-go/blob/v0.32.4/tools/clientcmd/loader.go>
#[must_use]
pub fn path_in_kubeconfig(folder: &str, path: &str) -> String {
    let joined = if path.starts_with('/') { path.to_owned() } else { format!("{folder}/{path}") };
    let path = clean(&joined);
    let folder = clean(folder);
    let below = if folder == "/" { path.strip_prefix('/') } else { path.strip_prefix(&*folder) };
    match below {
        Some(rest) if folder == "/" && !rest.is_empty() => rest.to_owned(),
        Some(rest) if rest.starts_with('/') => rest.trim_start_matches('/').to_owned(),
        Some("") => ".".to_owned(),
        _ => path,
    }
}

/// Go's `path.Clean`.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::path_in_kubeconfig;

    #[test]
    fn only_what_is_below_the_folder_becomes_relative() {
        for (folder, path, expected) in [
            (
                "/opt/kubernetes/kubeconfig",
                "/opt/kubernetes/pki/ca/cert/ca.pem",
                "/opt/kubernetes/pki/ca/cert/ca.pem",
            ),
            ("/opt/kubernetes", "/opt/kubernetes/pki/ca.pem", "pki/ca.pem"),
            ("/opt/kubernetes/", "/opt//kubernetes/./pki/../ca.pem", "ca.pem"),
            ("/opt/kube", "/opt/kubernetes/ca.pem", "/opt/kubernetes/ca.pem"),
            ("/a", "/a/../b/c", "/b/c"),
            ("/", "/b/c", "b/c"),
            ("/a", "b", "b"),
            ("/a", "../b", "/b"),
        ] {
            assert_eq!(path_in_kubeconfig(folder, path), expected, "{folder} {path}");
        }
    }
}
