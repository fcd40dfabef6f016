//! Paths in a kubeconfig, as texts, since they may refer to another machine.

/// Returns the path of the file `path` that kubectl would write into a kubeconfig in the folder
/// `folder`.
///
/// A path below the folder becomes relative, since a kubeconfig's relative paths are relative to
/// its own folder. Any other path stays absolute. `.`, `..` and duplicate slashes are removed, and
/// the result never begins with `../`.
///
/// Both paths should be absolute. A relative `path` is taken as relative to `folder`. With a
/// relative `folder`, the path is only cleaned. Symbolic links are not resolved.
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

/// Cleans a path as Go's `path.Clean` does.
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
