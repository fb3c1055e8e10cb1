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

/// Reads a time such as `10m` or `1h30m` in seconds.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let wrong = || "it must be like 90s, 10m, 1h30m or 14d".to_owned();
    let (mut total, mut digits) = (0.0, String::new());
    for c in text.chars() {
        let unit = match c {
            '0'..='9' | '.' => {
                digits.push(c);
                continue;
            }
            's' => 1.0,
            'm' => 60.0,
            'h' => 3600.0,
            'd' => 86_400.0,
            _ => return Err(wrong()),
        };
        total += digits.parse::<f64>().map_err(|_| wrong())? * unit;
        digits.clear();
    }
    if !digits.is_empty() || !(1.0..=1e10).contains(&total) {
        return Err(wrong());
    }
    Ok(total)
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
    fn times_are_read() {
        for (text, total) in [("90s", 90.0), ("10m", 600.0), ("1h30m", 5400.0), ("0.5h", 1800.0)] {
            assert_eq!(seconds(text), Ok(total));
        }
        for text in ["", "10", "m", "10x", "-5m", "0s", "1m5", "99999999999d"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

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
