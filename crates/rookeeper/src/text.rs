//! How points in time and permissions read, and how they are said.

/// Prints a line, to whoever still reads: `println!` would end the program with a panic when that is nobody.
macro_rules! say {
    ($($arguments:tt)*) => {{
        let _nobody_reads = std::io::Write::write_fmt(&mut std::io::stdout(), format_args!("{}\n", format_args!($($arguments)*)));
    }};
}
pub(crate) use say;

use client::perms;

/// The letters of a permission mask.
pub(crate) fn permissions(mask: i32) -> String {
    let letters = [
        (perms::CREATE, 'c'),
        (perms::DELETE, 'd'),
        (perms::READ, 'r'),
        (perms::WRITE, 'w'),
        (perms::ADMIN, 'a'),
    ];
    letters.iter().filter(|(bit, _)| mask & bit != 0).map(|(_, letter)| *letter).collect()
}

/// A point in time as Java prints it, in UTC.
pub(crate) fn date(ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let weekday = usize::try_from(days.rem_euclid(7)).ok().and_then(|index| DAYS.get(index)).unwrap_or(&"");
    let month = usize::try_from(month - 1).ok().and_then(|index| MONTHS.get(index)).unwrap_or(&"");
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}")
}

/// Year, month and day of a day since 1970 in the Gregorian calendar, by counting 400-year eras from 1 March 0000.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let rows = [
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (951_782_400_000, "Tue Feb 29 00:00:00 UTC 2000"),
            (1_767_225_599_999, "Wed Dec 31 23:59:59 UTC 2025"),
            (-1, "Wed Dec 31 23:59:59 UTC 1969"),
        ];
        for (ms, expected) in rows {
            assert_eq!(date(ms), expected);
        }
    }

    #[test]
    fn permissions_have_an_order() {
        assert_eq!(permissions(perms::ALL), "cdrwa");
        assert_eq!(permissions(perms::WRITE | perms::READ), "rw");
        assert_eq!(permissions(0), "");
    }
}
