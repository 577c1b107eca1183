//! What the stored owner of a znode says about its kind.

use crate::StateSettings;

/// The stored owner of a container.
// zk: EphemeralType.CONTAINER_EPHEMERAL_OWNER
pub const CONTAINER: i64 = i64::MIN;
/// The longest time to live in milliseconds.
pub const TTL_MAX_MS: i64 = 0xff_ffff_ffff;
/// The highest server id whose sessions cannot be mistaken for extended kinds.
pub const SERVER_ID_MAX_EXTENDED: i64 = 0xfe;

/// All bits of the highest byte mark an extended kind.
const EXTENDED_MASK: i64 = 0xff << 56;
/// Which extended kind it is; zero is TTL.
const FEATURE_MASK: i64 = 0xffff << 40;

/// Kind of a znode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerKind {
    /// Stays until it is deleted.
    Persistent,
    /// Goes with its session.
    Session,
    /// Goes when its last child has gone.
    Container,
    /// Goes when it has had no children and no change for this time.
    Ttl {
        /// Time to live in milliseconds.
        ttl_ms: i64,
    },
}

/// An extended kind that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownOwner(pub i64);

/// The kind that a stored owner means.
// zk: EphemeralType.get
pub fn kind(owner: i64, settings: &StateSettings) -> Result<OwnerKind, UnknownOwner> {
    if settings.extended_types_enabled {
        if settings.emulate_353_ttl && owner < 0 && owner != CONTAINER {
            return Ok(OwnerKind::Ttl { ttl_ms: ttl_ms(owner) });
        }
        if owner & EXTENDED_MASK == EXTENDED_MASK {
            let known = owner & FEATURE_MASK == 0;
            return known.then(|| OwnerKind::Ttl { ttl_ms: ttl_ms(owner) }).ok_or(UnknownOwner(owner));
        }
    }
    Ok(match owner {
        CONTAINER => OwnerKind::Container,
        0 => OwnerKind::Persistent,
        _ => OwnerKind::Session,
    })
}

/// The stored owner of a znode with a time to live. `None` when the time is not within 1 and [`TTL_MAX_MS`].
// zk: EphemeralType.TTL.toEphemeralOwner
pub fn of_ttl(ttl_ms: i64) -> Option<i64> {
    (1..=TTL_MAX_MS).contains(&ttl_ms).then_some(EXTENDED_MASK | ttl_ms)
}

/// The time to live that is stored: the low 40 bits, also in the form of 3.5.3.
// zk: EphemeralType.TTL.getValue, which ContainerManager uses for both forms
fn ttl_ms(owner: i64) -> i64 {
    owner & !(EXTENDED_MASK | FEATURE_MASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL_5: i64 = 0xff00_0000_0000_0005_u64 as i64;
    const TTL_353: i64 = 0x8000_0000_0000_0005_u64 as i64;
    const UNKNOWN: i64 = 0xff00_0100_0000_0005_u64 as i64;

    #[test]
    fn the_settings_decide_what_an_owner_means() {
        let ttl = OwnerKind::Ttl { ttl_ms: 5 };
        for (owner, plain, extended, emulated) in [
            (0, Ok(OwnerKind::Persistent), Ok(OwnerKind::Persistent), Ok(OwnerKind::Persistent)),
            (7, Ok(OwnerKind::Session), Ok(OwnerKind::Session), Ok(OwnerKind::Session)),
            (CONTAINER, Ok(OwnerKind::Container), Ok(OwnerKind::Container), Ok(OwnerKind::Container)),
            (TTL_5, Ok(OwnerKind::Session), Ok(ttl), Ok(ttl)),
            (TTL_353, Ok(OwnerKind::Session), Ok(OwnerKind::Session), Ok(ttl)),
            (UNKNOWN, Ok(OwnerKind::Session), Err(UnknownOwner(UNKNOWN)), Ok(ttl)),
        ] {
            let mut settings = StateSettings { extended_types_enabled: false, ..StateSettings::default() };
            assert_eq!(kind(owner, &settings), plain, "{owner:#x}");
            settings.extended_types_enabled = true;
            assert_eq!(kind(owner, &settings), extended, "{owner:#x}");
            settings.emulate_353_ttl = true;
            assert_eq!(kind(owner, &settings), emulated, "{owner:#x}");
        }
    }

    #[test]
    fn a_time_to_live_has_bounds() {
        for (ttl, owner) in [
            (0, None),
            (-1, None),
            (5, Some(TTL_5)),
            (TTL_MAX_MS, Some(0xff00_00ff_ffff_ffff_u64 as i64)),
            (TTL_MAX_MS + 1, None),
        ] {
            assert_eq!(of_ttl(ttl), owner);
        }
    }
}
