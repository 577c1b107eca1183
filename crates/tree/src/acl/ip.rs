//! Addresses and prefixes of addresses in ACLs.

/// Bytes of an address of version 6; one of version 4 uses the first four.
const ADDRESS_MAX: usize = 16;
/// Groups of two bytes in an address of version 6.
const V6_GROUPS: usize = 8;
/// Characters of such a group.
const V6_GROUP_CHARS_MAX: usize = 4;

/// An address as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Address {
    bytes: [u8; ADDRESS_MAX],
    length: usize,
}

impl Address {
    // zk: IPAuthenticationProvider.addr2Bytes
    fn parse(text: &str) -> Option<Self> {
        if text.contains(':') { parse_v6(text) } else { parse_v4(text) }
    }

    fn bits(&self) -> usize {
        self.length * 8
    }

    /// The address with all but the first bits cleared.
    // zk: IPAuthenticationProvider.mask
    fn masked(mut self, bits: usize) -> Self {
        for (index, byte) in self.bytes.iter_mut().enumerate() {
            let kept = bits.saturating_sub(index * 8).min(8);
            *byte &= !u8::try_from(0xff_u32 >> kept).unwrap_or(0);
        }
        self
    }
}

/// Whether the address lies within what the ACL names.
pub(super) fn matches(address: &str, expression: &str) -> bool {
    let Some((wanted, bits)) = parse_prefix(expression) else { return false };
    let Some(address) = Address::parse(address) else { return false };
    wanted.length == address.length && wanted.masked(bits) == address.masked(bits)
}

/// Whether the text is an address, or an address and a number of bits.
pub(super) fn is_valid(expression: &str) -> bool {
    parse_prefix(expression).is_some()
}

fn parse_prefix(expression: &str) -> Option<(Address, usize)> {
    let (address, bits) = match expression.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (expression, None),
    };
    let address = Address::parse(address)?;
    let bits = match bits {
        Some(bits) => usize::try_from(bits.parse::<i32>().ok()?).ok()?,
        None => address.bits(),
    };
    (bits <= address.bits()).then_some((address, bits))
}

// zk: IPAuthenticationProvider.v4addr2Bytes
fn parse_v4(text: &str) -> Option<Address> {
    let mut address = Address { bytes: [0; ADDRESS_MAX], length: 4 };
    let mut parts = text.split('.');
    for byte in address.bytes.iter_mut().take(4) {
        *byte = u8::try_from(parts.next()?.parse::<i32>().ok()?).ok()?;
    }
    parts.next().is_none().then_some(address)
}

// zk: IPAuthenticationProvider.parseV6addr
fn parse_v6(text: &str) -> Option<Address> {
    let mut address = Address { bytes: [0; ADDRESS_MAX], length: ADDRESS_MAX };
    match text.split_once("::") {
        None => {
            (text.split(':').count() == V6_GROUPS).then_some(())?;
            write_groups(text, 0, &mut address)?;
        }
        Some((front, back)) => {
            (!back.contains("::")).then_some(())?;
            (groups(front) + groups(back) < V6_GROUPS).then_some(())?;
            write_groups(front, 0, &mut address)?;
            write_groups(back, V6_GROUPS - groups(back), &mut address)?;
        }
    }
    Some(address)
}

fn groups(text: &str) -> usize {
    if text.is_empty() { 0 } else { text.split(':').count() }
}

fn write_groups(text: &str, start: usize, address: &mut Address) -> Option<()> {
    if text.is_empty() {
        return Some(());
    }
    let places = address.bytes.chunks_exact_mut(2).skip(start);
    for (group, place) in text.split(':').zip(places) {
        let fits = !group.is_empty() && group.encode_utf16().count() <= V6_GROUP_CHARS_MAX;
        let [.., high, low] = i32::from_str_radix(fits.then_some(group)?, 16).ok()?.to_be_bytes();
        place.copy_from_slice(&[high, low]);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_matches_by_prefix_and_version() {
        for (address, expression, expected) in [
            ("192.168.1.7", "192.168.1.7", true),
            ("192.168.1.7", "192.168.1.8", false),
            ("192.168.1.7", "192.168.1.0/24", true),
            ("192.168.2.7", "192.168.1.0/24", false),
            ("192.168.1.7", "192.168.1.200/25", false),
            ("192.168.1.130", "192.168.1.200/25", true),
            ("10.0.0.1", "0.0.0.0/0", true),
            ("10.0.0.1", "::/0", false),
            ("127.0.0.1", "+127.00.0.-0/8", true),
            ("0:0:0:0:0:0:0:1", "::1", true),
            ("2001:db8:0:1:2:3:4:5", "2001:db8::/32", true),
            ("2001:db9:0:1:2:3:4:5", "2001:db8::/32", false),
            ("2001:db9:0:1:2:3:4:5", "2001:db8::/31", true),
            ("::ffff", "::-1", true),
            ("nonsense", "10.0.0.1", false),
        ] {
            assert_eq!(matches(address, expression), expected, "{address} {expression}");
        }
    }

    #[test]
    fn only_addresses_are_valid() {
        for (text, valid) in [
            ("127.0.0.1", true),
            ("127.0.0.1/32", true),
            ("127.0.0.1/33", false),
            ("127.0.0.1/-1", false),
            ("127.0.0.1/", false),
            ("127.0.0.1/8/8", false),
            ("127.0.0", false),
            ("127.0.0.1.", false),
            ("127.0.0.256", false),
            ("localhost", false),
            ("", false),
            ("::", true),
            ("::1/128", true),
            ("::1/129", false),
            ("1:2:3:4:5:6:7:8", true),
            ("1:2:3:4:5:6:7", false),
            ("1:2:3:4:5:6:7:8:9", false),
            ("1:2:3:4:5:6:7::", true),
            ("1:2:3:4:5:6:7::8", false),
            ("1::2::3", false),
            (":::", false),
            ("1:::2", false),
            ("12345::", false),
            ("g::", false),
        ] {
            assert_eq!(is_valid(text), valid, "{text:?}");
        }
    }
}
