//! Dates as templates write them.

use std::fmt::Write;

/// A moment on somebody's clock. The library reads no clock; the caller says what time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub unix_seconds: i64,
    /// How far the clock on the wall is ahead of UTC.
    pub utc_offset_seconds: i32,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The parts of a date and a time of day.
struct Parts {
    year: i64,
    /// From 1.
    month: i64,
    /// From 1.
    day: i64,
    /// From 1.
    day_of_year: i64,
    /// From Sunday, which is 0.
    weekday: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl LocalTime {
    /// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
    fn parts(self) -> Parts {
        let seconds = self.unix_seconds.saturating_add(self.utc_offset_seconds.into());
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Years begin in March here, so that the day that comes and goes is the last.
        let since_march = days + 719_468;
        let era = since_march.div_euclid(146_097);
        let of_era = since_march.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let day_of_year =
            if month <= 2 { of_year - 305 } else { of_year + 60 + i64::from(is_leap) };
        Parts {
            year,
            month,
            day,
            day_of_year,
            weekday: (days + 4).rem_euclid(7),
            hour: of_day / 3_600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        }
    }

    /// Writes the time as `format` says, in the C locale. Unknown directives stay as they are.
    pub(super) fn format(self, format: &str) -> String {
        let parts = self.parts();
        let mut out = String::new();
        let mut rest = format.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let mut directive = rest.next();
            let plain = directive == Some('-');
            if plain {
                directive = rest.next();
            }
            let Some(directive) = directive else {
                out.push('%');
                break;
            };
            if !self.write(&parts, directive, plain, &mut out) {
                out.extend(['%', directive]);
            }
        }
        out
    }

    /// Writes one directive; `plain` leaves out leading zeros. Returns false if it is unknown.
    fn write(self, parts: &Parts, directive: char, plain: bool, out: &mut String) -> bool {
        let mut number = |value: i64, width: usize| {
            let width = if plain { 0 } else { width };
            write!(out, "{value:0width$}").is_ok()
        };
        let month = MONTHS[(parts.month - 1) as usize % 12];
        let weekday = WEEKDAYS[parts.weekday as usize % 7];
        match directive {
            'd' => number(parts.day, 2),
            'm' => number(parts.month, 2),
            'y' => number(parts.year.rem_euclid(100), 2),
            'Y' => number(parts.year, 4),
            'H' => number(parts.hour, 2),
            'I' => number((parts.hour + 11) % 12 + 1, 2),
            'M' => number(parts.minute, 2),
            'S' => number(parts.second, 2),
            'j' => number(parts.day_of_year, 3),
            'u' => number((parts.weekday + 6) % 7 + 1, 1),
            'w' => number(parts.weekday, 1),
            'e' => write!(out, "{:>1$}", parts.day, if plain { 0 } else { 2 }).is_ok(),
            'b' | 'h' => write!(out, "{}", &month[..3]).is_ok(),
            'B' => write!(out, "{month}").is_ok(),
            'a' => write!(out, "{}", &weekday[..3]).is_ok(),
            'A' => write!(out, "{weekday}").is_ok(),
            'p' => write!(out, "{}", if parts.hour < 12 { "AM" } else { "PM" }).is_ok(),
            'F' => write!(out, "{}", self.format("%Y-%m-%d")).is_ok(),
            'T' => write!(out, "{}", self.format("%H:%M:%S")).is_ok(),
            'R' => write!(out, "{}", self.format("%H:%M")).is_ok(),
            'D' | 'x' => write!(out, "{}", self.format("%m/%d/%y")).is_ok(),
            'X' => write!(out, "{}", self.format("%T")).is_ok(),
            'c' => write!(out, "{}", self.format("%a %b %e %H:%M:%S %Y")).is_ok(),
            's' => write!(out, "{}", self.unix_seconds).is_ok(),
            // A clock without a zone, as Python's `datetime.now()`, has neither of these.
            'z' | 'Z' => true,
            'n' => writeln!(out).is_ok(),
            't' => write!(out, "\t").is_ok(),
            '%' => write!(out, "%").is_ok(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_seconds: i64) -> LocalTime {
        LocalTime { unix_seconds, utc_offset_seconds: 0 }
    }

    #[test]
    fn dates_are_those_of_python() {
        // datetime.datetime.fromtimestamp(n, datetime.UTC).strftime(...)
        let format = "%Y-%m-%d %H:%M:%S %a %A %b %B %j %y %I %p %u %w|%e|%-d|%%";
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 Thu Thursday Jan January 001 70 12 AM 4 4| 1|1|%"),
            (951_782_400, "2000-02-29 00:00:00 Tue Tuesday Feb February 060 00 12 AM 2 2|29|29|%"),
            (
                1_735_689_599,
                "2024-12-31 23:59:59 Tue Tuesday Dec December 366 24 11 PM 2 2|31|31|%",
            ),
            (-1, "1969-12-31 23:59:59 Wed Wednesday Dec December 365 69 11 PM 3 3|31|31|%"),
            (1_772_366_400, "2026-03-01 12:00:00 Sun Sunday Mar March 060 26 12 PM 7 0| 1|1|%"),
        ] {
            assert_eq!(at(seconds).format(format), expected);
        }
    }

    #[test]
    fn the_offset_moves_the_date() {
        let tokyo = LocalTime { unix_seconds: 1_735_689_599, utc_offset_seconds: 9 * 3_600 };
        assert_eq!(tokyo.format("%d %b %Y %F %T"), "01 Jan 2025 2025-01-01 08:59:59");
    }

    #[test]
    fn unknown_directives_stay() {
        assert_eq!(at(0).format("%Q %"), "%Q %");
        assert_eq!(at(i64::MAX).format("%q").len(), 2);
    }
}
