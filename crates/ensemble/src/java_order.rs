//! The order in which a `java.util.HashMap` with `Long` keys iterates.
//!
//! The verifier's text is compared byte by byte between servers, and the reference prints it in this order.

/// Java's table starts with 16 buckets and doubles when more than three quarters of them would be in use.
const BUCKETS_MIN: usize = 16;

/// Sorts `items` into the order a `HashMap<Long, _>` holds them in, given that they were inserted in the order of the slice.
pub(crate) fn sort_by_key<T>(items: &mut [T], key: impl Fn(&T) -> i64) {
    sort_with(items, BUCKETS_MIN, key);
}

/// The same for a map that began as a copy of one with `copied` entries: its first table is as small as it can be.
// zk: HashMap.putMapEntries
pub(crate) fn sort_copied_by_key<T>(items: &mut [T], copied: usize, key: impl Fn(&T) -> i64) {
    sort_with(items, (copied * 4 / 3 + 1).next_power_of_two(), key);
}

fn sort_with<T>(items: &mut [T], mut buckets: usize, key: impl Fn(&T) -> i64) {
    while items.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    // The sort is stable: within a bucket the order of insertion stays, as in Java's chains.
    items.sort_by_key(|item| bucket(key(item), buckets));
}

fn bucket(key: i64, buckets: usize) -> u32 {
    let bits = key.cast_unsigned();
    let hash = (bits ^ (bits >> 32)) & 0xffff_ffff;
    let spread = hash ^ (hash >> 16);
    u32::try_from(spread & (buckets as u64 - 1)).expect("invariant: masked below 2^32")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn small_ids_come_in_rising_order_and_wrap_at_the_table_size() {
        let mut ids = vec![17_i64, 3, 1, 2, 16];
        sort_by_key(&mut ids, |id| *id);
        assert_eq!(ids, [16, 17, 1, 2, 3], "16 and 17 fall into buckets 0 and 1; 17 came before 1");
    }

    #[test]
    fn the_table_grows_with_the_thirteenth_entry() {
        let mut ids: Vec<i64> = (5..=17).rev().collect();
        sort_by_key(&mut ids, |id| *id);
        assert_eq!(ids, (5..=17).collect::<Vec<i64>>());
    }
}
