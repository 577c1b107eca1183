use jute::SessionId;

/// Length of a session password.
pub const PASSWORD_LEN: usize = 16;

/// What makes a password out of a session id, the same on every server of every ensemble.
// zk: ZooKeeperServer.superSecret
const SECRET: i64 = 0xB341_5C00;

/// The password of a session: what `java.util.Random`, seeded with the id, gives out first.
// zk: ZooKeeperServer.generatePasswd
pub fn password(session: SessionId) -> [u8; PASSWORD_LEN] {
    const STATE_MASK: i64 = (1 << 48) - 1;
    const MULTIPLIER: i64 = 0x5_DEEC_E66D;
    const BITS_DROPPED: u32 = 16;
    let mut state = ((session.0 ^ SECRET) ^ MULTIPLIER) & STATE_MASK;
    let mut bytes = [0; PASSWORD_LEN];
    for chunk in bytes.chunks_exact_mut(size_of::<i32>()) {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & STATE_MASK;
        let [.., a, b, c, d] = (state >> BITS_DROPPED).to_be_bytes();
        chunk.copy_from_slice(&[d, c, b, a]);
    }
    bytes
}

/// Whether a client shows the right password; takes the same time wherever the first difference is.
// zk: ZooKeeperServer.checkPasswd
pub fn is_password_of(session: SessionId, shown: &[u8]) -> bool {
    session != SessionId::NONE && same_bytes(&password(session), shown)
}

/// Equality whose time depends on the lengths only.
pub(crate) fn same_bytes(ours: &[u8], theirs: &[u8]) -> bool {
    let difference = ours.iter().zip(theirs).fold(0, |all, (a, b)| all | (a ^ b));
    ours.len() == theirs.len() && core::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_those_of_java() {
        // java.util.Random(0 ^ 42): its first nextInt is -1170105035, its second 234785527.
        let of_42 = password(SessionId(42 ^ SECRET));
        assert_eq!(of_42[..4], (-1_170_105_035_i32).to_le_bytes());
        assert_eq!(of_42[4..8], 234_785_527_i32.to_le_bytes());
    }

    #[test]
    fn only_the_right_password_of_a_session_passes() {
        let session = SessionId(0x0100_0000_0000_0001);
        let right = password(session);
        let mut wrong = right;
        wrong[15] ^= 1;
        assert!(is_password_of(session, &right));
        for shown in [&wrong[..], &right[..15], &[]] {
            assert!(!is_password_of(session, shown), "{shown:?}");
        }
        assert!(!is_password_of(SessionId::NONE, &password(SessionId::NONE)));
    }
}
