//! Recognises timestamps as goyaml.v2 does: texts that Go's `time.Parse` accepts in one of four
//! layouts.

/// Returns `true` if `text` is a date (`2001-1-2`) or a date with a time: after `T` or `t` with a
/// zone, or after blanks without one.
pub(super) fn is_timestamp(text: &str) -> bool {
    let mut rest = Rest(text.as_bytes());
    let Some(year) = rest.four_digits() else {
        return false;
    };
    let date = || {
        let mut rest = Rest(rest.0);
        rest.literal(b'-')?;
        let month = rest.one_or_two_digits()?;
        rest.literal(b'-')?;
        let day = rest.one_or_two_digits()?;
        (1..=days_in(month, year)?).contains(&day).then_some(rest)
    };
    let Some(mut rest) = date() else {
        return false;
    };
    match rest.0 {
        [] => true,
        [b'T' | b't', after @ ..] => {
            rest.0 = after;
            rest.time().and_then(|()| rest.zone()).is_some() && rest.0.is_empty()
        }
        [b' ', ..] => {
            rest.blanks();
            rest.time().is_some() && rest.0.is_empty()
        }
        _ => false,
    }
}

fn days_in(month: u32, year: u32) -> Option<u32> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if leap => Some(29),
        2 => Some(28),
        _ => None,
    }
}

/// Remaining text.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn literal(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == byte).then(|| self.0 = rest)
    }

    fn digit(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first()?;
        let digit = char::from(*first).to_digit(10)?;
        self.0 = rest;
        Some(digit)
    }

    fn one_or_two_digits(&mut self) -> Option<u32> {
        let first = self.digit()?;
        Some(self.digit().map_or(first, |second| first * 10 + second))
    }

    fn two_digits(&mut self) -> Option<u32> {
        Some(self.digit()? * 10 + self.digit()?)
    }

    fn four_digits(&mut self) -> Option<u32> {
        Some(self.two_digits()? * 100 + self.two_digits()?)
    }

    /// Skips blanks; Go treats a run of blanks as one.
    fn blanks(&mut self) {
        while self.literal(b' ').is_some() {}
    }

    fn time(&mut self) -> Option<()> {
        let hour = self.one_or_two_digits()?;
        self.literal(b':')?;
        let minute = self.one_or_two_digits()?;
        self.literal(b':')?;
        let second = self.one_or_two_digits()?;
        if let [b'.' | b',', b'0'..=b'9', after @ ..] = self.0 {
            self.0 = after;
            while self.digit().is_some() {}
        }
        (hour < 24 && minute < 60 && second < 60).then_some(())
    }

    fn zone(&mut self) -> Option<()> {
        if self.literal(b'Z').is_some() {
            return Some(());
        }
        let (sign, rest) = self.0.split_first()?;
        if !matches!(sign, b'+' | b'-') {
            return None;
        }
        self.0 = rest;
        let hours = self.two_digits()?;
        self.literal(b':')?;
        let minutes = self.two_digits()?;
        // Go allows an offset of 24 hours and of 60 minutes.
        (hours <= 24 && minutes <= 60).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::is_timestamp;

    #[test]
    fn layouts_of_goyaml_are_accepted() {
        for text in [
            "2001-01-01",
            "2001-1-1",
            "0000-1-1",
            "2004-2-29",
            "2001-1-1T1:2:3Z",
            "2001-01-01t10:00:00.5+01:00",
            "2001-1-1   10:0:0",
            "2001-1-1 10:0:0.123456789012",
            "2001-1-1T10:0:0,5Z",
            "2001-1-1T10:0:0+24:60",
        ] {
            assert!(is_timestamp(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "2001-13-01",
            "2001-02-29",
            "2001-1-0",
            "201-1-1",
            "2001-1-1T1:2:3",
            "2001-1-1 24:0:0",
            "2001-1-1 1:2:3Z",
            "2001-1",
            "2001-1-1x",
            "20011-1-1",
            "2001-1-1 ",
            "2001-1-1T1:2:3z",
            "2001-100-1",
        ] {
            assert!(!is_timestamp(text), "{text}");
        }
    }
}
