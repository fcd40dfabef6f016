use std::cmp::Ordering;

/// Compares map keys as goyaml.v2 sorts them: letters after all other characters, runs of digits by
/// value.
/// Reference: <https://github.com/kubernetes-sigs/yaml/blob/v1.4.0/goyaml.v2/sorter.go>
pub(crate) fn natural_order(a: &str, b: &str) -> Ordering {
    let common =
        a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(x, _)| x.len_utf8()).sum();
    let (Some((before, a_rest)), Some((_, b_rest))) =
        (a.split_at_checked(common), b.split_at_checked(common))
    else {
        return a.cmp(b);
    };
    let (Some(x), Some(y)) = (a_rest.chars().next(), b_rest.chars().next()) else {
        return a.len().cmp(&b.len());
    };
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // Within a number, after a digit other than zero, a zero is significant.
    let within_number = (x == '0' || y == '0')
        && before.chars().rev().take_while(|c| c.is_numeric()).any(|digit| digit != '0');
    let (a_digits, a_number) = leading_number(a_rest, within_number);
    let (b_digits, b_number) = leading_number(b_rest, within_number);
    a_number.cmp(&b_number).then(a_digits.cmp(&b_digits)).then(x.cmp(&y))
}

fn leading_number(text: &str, within_number: bool) -> (usize, i64) {
    text.chars().take_while(|c| c.is_numeric()).fold(
        (0, i64::from(within_number)),
        |(digits, number), digit| {
            // Go's arithmetic wraps around, and subtracts '0' from digits of any script.
            let value = i64::from(u32::from(digit)) - i64::from(u32::from('0'));
            (digits + 1, number.wrapping_mul(10).wrapping_add(value))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_by_value_and_letters_last() {
        let mut keys =
            vec!["item10", "item2", "a", "Z", "-x", "a1b", "item02", "a-b", "ab", "item"];
        keys.sort_by(|a, b| natural_order(a, b));
        assert_eq!(keys, ["-x", "Z", "a", "a-b", "a1b", "ab", "item", "item2", "item02", "item10"]);
    }

    #[test]
    fn known_fields_sort_as_kubectl_prints_them() {
        let keys = [
            "as",
            "as-uid",
            "auth-provider",
            "client-key",
            "client-key-data",
            "exec",
            "token",
            "tokenFile",
        ];
        assert!(keys.is_sorted_by(|a, b| natural_order(a, b).is_lt()));
    }
}
