//! Recognition of kube-controller-manager, and advice for other programs that units run. Pure.

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
pub(super) fn is_kube_controller_manager(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some(suffix) = name.strip_prefix(NAME) else { return false };
    let mut words = suffix.split(['-', '.', '_', '+']);
    words.next() == Some("")
        && words.all(|word| {
            word.contains(|character: char| character.is_ascii_digit()) || SUFFIXES.contains(&word)
        })
}

/// Explains why kcm does not adopt a unit that runs `path`, and how to fix it.
pub(super) fn refusal(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let directive = |directive: &str| {
        format!("run the program itself in ExecStart=, without `{name}`: systemd has {directive}")
    };
    let advice = match name {
        "docker" | "podman" | "nerdctl" | "ctr" | "crictl" | "rkt" | "runc" | "crun" | "containerd" => {
            "kcm runs the program itself, in no container: put the binary of the release on the master, and write its path and \
             flags into ExecStart="
                .to_owned()
        }
        "sh" | "bash" | "dash" | "ash" | "ksh" | "zsh" | "fish" | "busybox" => {
            "write the program and its flags into ExecStart= without a shell: variables come from EnvironmentFile=, a log file \
             from StandardOutput=append:FILE, and what must be done before from ExecStartPre="
                .to_owned()
        }
        "kubelet" | "kubeadm" => {
            "kcm does not take over a kube-controller-manager that runs as a static Pod; leave it to kubeadm".to_owned()
        }
        "hyperkube" | "k3s" | "rke2" | "k0s" | "microk8s" | "kubelite" | "minikube" => {
            "put the binary kube-controller-manager of the release on the master, and write its path and flags into ExecStart="
                .to_owned()
        }
        "env" => directive("Environment= and UnsetEnvironment="),
        "nice" => directive("Nice="),
        "ionice" => directive("IOSchedulingClass="),
        "chrt" => directive("CPUSchedulingPolicy="),
        "taskset" => directive("CPUAffinity="),
        "numactl" => directive("NUMAPolicy="),
        "prlimit" | "ulimit" => directive("LimitNOFILE= and its like"),
        "cgexec" | "systemd-run" => directive("Slice= and its like"),
        "chroot" => directive("RootDirectory="),
        "ip" | "nsenter" | "unshare" => directive("NetworkNamespacePath= and its like"),
        "sudo" | "su" | "runuser" | "setpriv" | "gosu" | "su-exec" | "chpst" => directive("User="),
        "timeout" => directive("RuntimeMaxSec="),
        "nohup" | "setsid" | "stdbuf" | "tini" | "dumb-init" | "exec" => {
            directive("its own supervision")
        }
        _ => format!(
            "let ExecStart= name the program itself; a binary that was renamed must be called {NAME} or {NAME}-VERSION, or be a \
             link to one that is"
        ),
    };
    format!("ExecStart= runs {path}, not {NAME}; {advice}")
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
            ("/usr/bin/docker", "in no container"),
            ("/usr/bin/podman", "in no container"),
            ("/usr/local/bin/nerdctl", "in no container"),
            ("/bin/sh", "without a shell"),
            ("/usr/bin/bash", "StandardOutput=append:"),
            ("/usr/bin/env", "systemd has Environment="),
            ("/usr/bin/nice", "systemd has Nice="),
            ("/usr/bin/hyperkube", "the binary kube-controller-manager of the release"),
            ("/usr/bin/kubelet", "static Pod"),
            ("/opt/kcm/run", "a binary that was renamed"),
        ] {
            let refusal = refusal(path);
            let start = format!("ExecStart= runs {path}, not kube-controller-manager; ");
            assert!(refusal.starts_with(&start) && refusal.contains(advice), "{refusal}");
        }
    }
}
