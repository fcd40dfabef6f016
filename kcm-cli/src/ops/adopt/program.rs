//! Recognition of kube-controller-manager, and advice for other programs that units run. Pure.

use crate::util::explanation::Explanation;

/// Required name of the program, or of the file that it links to.
const NAME: &str = "kube-controller-manager";
/// Words that may follow the name of a renamed program, besides words with a digit.
#[rustfmt::skip]
const SUFFIXES: [&str; 12] = [
    "linux", "arm", "amd", "aarch", "alpha", "beta", "rc", "stable", "latest", "current", "real", "bin",
];

/// Reports whether a path is that of kube-controller-manager. The file name is
/// `kube-controller-manager`, alone or followed by a version or an architecture. Examples are
/// `kube-controller-manager-v1.31.2` and `kube-controller-manager_linux-amd64`. A script such as
/// `kube-controller-manager.sh` is not accepted.
pub(crate) fn is_kube_controller_manager(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some(suffix) = name.strip_prefix(NAME) else { return false };
    let mut words = suffix.split(['-', '.', '_', '+']);
    words.next() == Some("")
        && words.all(|word| {
            word.contains(|character: char| character.is_ascii_digit()) || SUFFIXES.contains(&word)
        })
}

/// Explains why kcm does not adopt a unit that runs `path`, and how to fix it.
pub(crate) fn refusal(path: &str) -> Explanation {
    let name = path.rsplit('/').next().unwrap_or(path);
    let directive = |directive: &str| {
        format!(
            "run the program directly in ExecStart=, without `{name}`; use {directive} of systemd"
        )
    };
    let advice = match name {
        "docker" | "podman" | "nerdctl" | "ctr" | "crictl" | "rkt" | "runc" | "crun" | "containerd" => {
            "install the release binary on the master, and write its path and flags into ExecStart=; kcm does not run the program in \
             a container"
                .to_owned()
        }
        "sh" | "bash" | "dash" | "ash" | "ksh" | "zsh" | "fish" | "busybox" => {
            "write the program and its flags into ExecStart= without a shell; use EnvironmentFile= for variables, \
             StandardOutput=append:FILE for a log file, and ExecStartPre= for preparation"
                .to_owned()
        }
        "kubelet" | "kubeadm" => {
            "kcm does not adopt a kube-controller-manager that runs as a static Pod; manage it with kubeadm".to_owned()
        }
        "hyperkube" | "k3s" | "rke2" | "k0s" | "microk8s" | "kubelite" | "minikube" => {
            "install the release binary of kube-controller-manager on the master, and write its path and flags into ExecStart="
                .to_owned()
        }
        "env" => directive("Environment= and UnsetEnvironment="),
        "nice" => directive("Nice="),
        "ionice" => directive("IOSchedulingClass="),
        "chrt" => directive("CPUSchedulingPolicy="),
        "taskset" => directive("CPUAffinity="),
        "numactl" => directive("NUMAPolicy="),
        "prlimit" | "ulimit" => directive("LimitNOFILE= or a similar directive"),
        "cgexec" | "systemd-run" => directive("Slice= or a similar directive"),
        "chroot" => directive("RootDirectory="),
        "ip" | "nsenter" | "unshare" => directive("NetworkNamespacePath= or a similar directive"),
        "sudo" | "su" | "runuser" | "setpriv" | "gosu" | "su-exec" | "chpst" => directive("User="),
        "timeout" => directive("RuntimeMaxSec="),
        "nohup" | "setsid" | "stdbuf" | "tini" | "dumb-init" | "exec" => {
            directive("the supervision")
        }
        _ => format!(
            "name the program itself in ExecStart=; a renamed binary must be called {NAME} or {NAME}-VERSION, or be a link to such \
             a file"
        ),
    };
    Explanation::new(format!("ExecStart= runs {path}, not {NAME}"), advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_program_is_known_by_its_name() {
        for path in [
            "/opt/kube/bin/kube-controller-manager",
            "/usr/local/bin/kube-controller-manager-v1.31.2",
            "/usr/local/bin/kube-controller-manager-1.31",
            "/opt/kube-controller-manager_v1.29.4-linux-amd64",
            "/opt/kube-controller-manager.v1.30.0-rc.1+k3s1",
            "kube-controller-manager",
            "/nix/store/x-kubernetes-1.31.2/bin/kube-controller-manager",
        ] {
            assert!(is_kube_controller_manager(path), "{path}");
        }
        for path in [
            "/usr/bin/docker",
            "/bin/sh",
            "/usr/bin/hyperkube",
            "/opt/kube-controller-manager/run",
            "/opt/bin/kube-controller-manager.sh",
            "/opt/bin/kube-controller-manager-wrapper",
            "/opt/bin/start-kube-controller-manager",
            "/opt/bin/kube-controller-managers",
            "/opt/bin/cloud-controller-manager",
            "",
        ] {
            assert!(!is_kube_controller_manager(path), "{path}");
        }
    }

    #[test]
    fn a_refusal_names_the_program_and_what_to_do() {
        for (path, advice) in [
            ("/usr/bin/docker", "a container"),
            ("/usr/bin/podman", "a container"),
            ("/usr/local/bin/nerdctl", "a container"),
            ("/bin/sh", "without a shell"),
            ("/usr/bin/bash", "StandardOutput=append:"),
            ("/usr/bin/env", "use Environment="),
            ("/usr/bin/nice", "use Nice="),
            ("/usr/bin/hyperkube", "the release binary of kube-controller-manager"),
            ("/usr/bin/kubelet", "static Pod"),
            ("/opt/kcm/run", "a renamed binary"),
        ] {
            let refusal = refusal(path).to_string();
            let start = format!("ExecStart= runs {path}, not kube-controller-manager; ");
            assert!(refusal.starts_with(&start) && refusal.contains(advice), "{refusal}");
        }
    }
}
