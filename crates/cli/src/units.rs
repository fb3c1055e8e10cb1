//! Numbers as people read them.

/// Bytes in decimal units with three digits: `98.4 MB`.
pub(crate) fn bytes(n: u64) -> String {
    if n < 1000 {
        return format!("{n} B");
    }
    scaled(n as f64, &["kB", "MB", "GB", "TB", "PB", "EB"])
}

/// A count with three digits: `135 M`.
pub(crate) fn count(n: u64) -> String {
    if n < 1000 {
        return n.to_string();
    }
    scaled(n as f64, &["k", "M", "B", "T", "P", "E"])
}

fn scaled(n: f64, units: &[&str]) -> String {
    let mut scaled = n / 1000.0;
    let mut units = units.iter();
    let mut unit = units.next();
    // 999.5 would be written as 1000.
    while scaled >= 999.5 {
        let Some(next) = units.next() else { break };
        scaled /= 1000.0;
        unit = Some(next);
    }
    let digits = match scaled {
        s if s < 9.995 => 2,
        s if s < 99.95 => 1,
        _ => 0,
    };
    format!("{scaled:.digits$} {}", unit.unwrap_or(&""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        for (n, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (9995, "10.0 kB"),
            (98_362_432, "98.4 MB"),
            (491_400_064, "491 MB"),
            (999_500_000, "1.00 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(bytes(n), expected);
        }
        assert_eq!(count(134_515_008), "135 M");
        assert_eq!(count(12), "12");
        assert_eq!(count(7_240_000_000), "7.24 B");
    }
}
